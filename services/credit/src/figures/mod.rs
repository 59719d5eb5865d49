//! Counts that reports are made of 统计数据; no subject is named.
pub mod kept;

use std::sync::Arc;

use chassis::{Answer, Context, storage::sql};
use contract::credit::v1 as api;
use sea_orm::{ConnectionTrait, FromQueryResult};

use crate::{Credit, items};

#[derive(FromQueryResult)]
struct Count {
    item: String,
    records: i64,
}

/// Counts the subjects and the effective records of a domain.
pub async fn get(
    app: &Arc<Credit>,
    _: &Context,
    request: api::GetFiguresRequest,
) -> Answer<api::GetFiguresResponse> {
    let db = app.store.read();
    // The domain's code was judged by its rule: it holds nothing that a pattern knows.
    let domain = if request.domain.is_empty() { String::new() } else { format!("%,{},%", request.domain) };
    let text = "SELECT COUNT(*) AS subjects FROM subjects WHERE ($1 = '' OR domains LIKE $1)";
    let subjects = match db.query_one_raw(sql(db, text, [domain.as_str().into()])).await? {
        Some(row) => row.try_get("", "subjects")?,
        None => 0,
    };
    let text = "SELECT records.item AS item, COUNT(*) AS records \
                FROM records JOIN subjects ON subjects.uscc = records.uscc \
                WHERE records.status = 'EFFECTIVE' AND ($1 = '' OR subjects.domains LIKE $1) \
                AND ($2 = '' OR records.occurred_on >= $2) AND ($3 = '' OR records.occurred_on <= $3) \
                GROUP BY records.item ORDER BY records.item";
    let values = [domain.into(), request.from.into(), request.to.into()];
    let counts = Count::find_by_statement(sql(db, text, values)).all(db).await?;
    let names = items::in_force(db).await?;
    let records = counts.iter().map(|count| count.records).sum();
    let figure = |count: Count| api::ItemFigure {
        name: names.get(&count.item).map(|item| item.body.name.clone()).unwrap_or_default(),
        item: count.item,
        records: number(count.records),
    };
    Ok(api::GetFiguresResponse {
        subjects: number(subjects),
        records: number(records),
        items: counts.into_iter().map(figure).collect(),
    })
}

fn number(count: i64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
