//! What is kept as it happens: the quality of what departments send, and how objections and repairs go, span by span.
use std::{collections::BTreeMap, sync::Arc};

use chassis::{
    Answer, Context, Fault, Store, Tx,
    clock::{business_day, from_micros},
    figures::{self, Asked, Counted, Tally, filings},
    storage::sql,
};
use contract::{credit::v1 as api, r#type::v1::ErrorReason as Common};
use sea_orm::{ConnectionTrait, FromQueryResult};

use crate::{
    Credit, outcomes,
    usage::{self, Kind as Used, folded},
};

/// Begins to keep the figures of a database from before they were kept.
pub async fn adopt(store: &Store) -> Answer<()> {
    figures::adopt(store, filings::FIGURE, async |tx: &Tx| anew(tx).await).await
}

#[derive(FromQueryResult)]
struct Filed {
    kind: String,
    department: String,
    filed_at: i64,
    due_on: String,
    decided_at: Option<i64>,
}

// Counts all that there is.
async fn anew(db: &impl ConnectionTrait) -> Answer<Tally> {
    let mut tally = Tally::default();
    let text = "SELECT kind, department, filed_at, due_on, decided_at FROM filings";
    for row in Filed::find_by_statement(sql(db, text, [])).all(db).await? {
        let filed_on = business_day(from_micros(row.filed_at));
        filings::count_filed(&mut tally, filed_on, &row.department, &row.kind);
        if let Some(at) = row.decided_at {
            let on = business_day(from_micros(at));
            filings::count_decided(&mut tally, on, &row.department, &row.kind, &row.due_on);
        }
    }
    Ok(tally)
}

/// Gives the quality of what departments sent, and how objections and repairs went.
pub async fn quality(
    app: &Arc<Credit>,
    context: &Context,
    request: api::GetQualityFiguresRequest,
) -> Answer<api::GetQualityFiguresResponse> {
    let department = visible(context, request.department.trim())?;
    let asked = Asked::of(&request.from, &request.to, context.today(), Asked::beginning, request.step())?;
    // What is folded meanwhile is in neither or in both, unless all is read as of one moment.
    let view = app.store.view().await?;
    let used = folded::read(&view, department, (asked.from, asked.to), asked.grain).await?;
    let mut quality: BTreeMap<_, api::QualityFigures> = BTreeMap::new();
    used.into_iter().for_each(|row| add_used(&mut quality, row));
    Ok(api::GetQualityFiguresResponse {
        quality: quality.into_values().collect(),
        filings: filings::read(&view, &asked, department).await?,
        from: asked.first_day(),
        to: asked.to.to_string(),
    })
}

// Whose figures the caller may see: all where it is empty.
fn visible<'a>(context: &'a Context, asked: &'a str) -> Answer<&'a str> {
    let caller = &context.caller;
    if !caller.enterprise().is_empty() {
        return Err(outcomes::not_for_enterprises());
    }
    match usage::department(context) {
        _ if caller.is_office() || caller.is_service() => Ok(asked),
        own if asked.is_empty() || asked == own => Ok(own),
        _ => Err(Fault::denied(
            Common::ScopeMissing.as_str_name(),
            "a department sees its own figures; ask the credit office for another's",
            "部门只能查看本单位的统计；其他单位的请向信用联办查询",
        )
        .at("department")),
    }
}

fn add_used(all: &mut BTreeMap<(String, String), api::QualityFigures>, row: Counted) {
    let kinds = [Used::Accepted, Used::Duplicates, Used::Rejected, Used::InTime, Used::Filled, Used::Asked];
    let Some(kind) = kinds.into_iter().find(|kind| kind.name() == row.k2) else { return };
    let of = all.entry((row.span.clone(), row.k1.clone())).or_insert_with(|| api::QualityFigures {
        span: row.span,
        department: row.k1,
        ..Default::default()
    });
    let place = match kind {
        Used::Accepted => &mut of.accepted,
        Used::Duplicates => &mut of.duplicates,
        Used::Rejected => &mut of.rejected,
        Used::InTime => &mut of.in_time,
        Used::Filled => &mut of.fields_filled,
        _ => &mut of.fields_asked,
    };
    *place += row.counted;
}
