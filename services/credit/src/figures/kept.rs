//! What is kept as it happens: the quality of what departments send, and how objections and repairs go, span by span.
use std::{collections::BTreeMap, sync::Arc};

use chassis::{
    Answer, Context, Fault, Store, Tx,
    clock::{business_day, from_micros},
    figures::{self, BEGINNING, Counted, Grain, Tally},
    storage::sql,
};
use contract::{
    credit::v1::{self as api, get_quality_figures_request::Step},
    r#type::v1::ErrorReason as Common,
};
use jiff::civil::Date;
use sea_orm::{ConnectionTrait, FromQueryResult};

use crate::{
    Credit,
    filings::Kind,
    outcomes,
    usage::{self, Kind as Used, folded},
};

/// By department, kind and what happened.
const FILINGS: &str = "filings";

const FILED: &str = "FILED";
const IN_TIME: &str = "IN_TIME";
const LATE: &str = "LATE";

/// Keeps that an objection or a repair was filed.
pub async fn filed(tx: &Tx, on: Date, department: &str, kind: Kind) -> Answer<()> {
    let mut tally = Tally::default();
    tally.add(FILINGS, on, [department, kind.name(), FILED, ""], 1);
    figures::keep(tx, &tally).await
}

/// Keeps that one was decided, by its last day or later.
pub async fn decided(tx: &Tx, on: Date, department: &str, kind: Kind, due_on: &str) -> Answer<()> {
    let mut tally = Tally::default();
    tally.add(FILINGS, on, [department, kind.name(), when(on, due_on), ""], 1);
    figures::keep(tx, &tally).await
}

fn when(on: Date, due_on: &str) -> &'static str {
    if on.to_string().as_str() <= due_on { IN_TIME } else { LATE }
}

/// Begins to keep the figures of a database from before they were kept.
pub async fn adopt(store: &Store) -> Answer<()> {
    figures::adopt(store, FILINGS, async |tx: &Tx| anew(tx).await).await
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
        tally.add(FILINGS, filed_on, [&row.department, &row.kind, FILED, ""], 1);
        if let Some(at) = row.decided_at {
            let on = business_day(from_micros(at));
            tally.add(FILINGS, on, [&row.department, &row.kind, when(on, &row.due_on), ""], 1);
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
    let day = |given: &str, absent: Date| {
        if given.is_empty() { Ok(absent) } else { given.parse().map_err(Fault::internal) }
    };
    let to = day(&request.to, context.today())?;
    let asked = day(&request.from, BEGINNING)?;
    if to < asked {
        return Err(Fault::field(
            "to",
            format!("{to} is before from, {asked}"),
            format!("{to}早于起始日期{asked}"),
        ));
    }
    let (from, grain) = match request.step() {
        Step::Unspecified => (asked, None),
        Step::Day => (asked, Some(Grain::Day)),
        Step::Month => (asked.first_of_month(), Some(Grain::Month)),
        Step::Year => (asked.first_of_year(), Some(Grain::Year)),
    };
    // What is folded meanwhile is in neither or in both, unless all is read as of one moment.
    let view = app.store.view().await?;
    let used = folded::read(&view, department, (from, to), grain).await?;
    let filed = match grain {
        None => figures::sum(&view, FILINGS, department, from, to).await?,
        Some(grain) => figures::series(&view, FILINGS, department, (from, to), grain).await?,
    };
    let mut quality: BTreeMap<_, api::QualityFigures> = BTreeMap::new();
    used.into_iter().for_each(|row| add_used(&mut quality, row));
    let mut filings: BTreeMap<_, api::FilingFigures> = BTreeMap::new();
    filed.into_iter().for_each(|row| add_filed(&mut filings, row));
    Ok(api::GetQualityFiguresResponse {
        quality: quality.into_values().collect(),
        filings: filings.into_values().collect(),
        from: if from == BEGINNING { String::new() } else { from.to_string() },
        to: to.to_string(),
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

fn add_filed(all: &mut BTreeMap<(String, String), api::FilingFigures>, row: Counted) {
    let of = all.entry((row.span.clone(), row.k1.clone())).or_insert_with(|| api::FilingFigures {
        span: row.span,
        department: row.k1,
        ..Default::default()
    });
    let counted = i32::try_from(row.counted).unwrap_or(i32::MAX);
    match (row.k2 == Kind::Objection.name(), row.k3 == FILED) {
        (true, true) => of.objections += counted,
        (true, false) => of.objections_decided += counted,
        (false, true) => of.repairs += counted,
        (false, false) => of.repairs_decided += counted,
    }
    if row.k3 == IN_TIME {
        of.decided_in_time += counted;
    }
}
