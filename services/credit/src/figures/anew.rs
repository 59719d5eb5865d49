//! Subjects and records counted anew, for as long as what is kept lies behind.
use std::collections::BTreeMap;

use chassis::{
    Answer,
    storage::{Filters, sql},
};
use jiff::civil::Date;
use sea_orm::{ConnectionTrait, FromQueryResult};

#[derive(FromQueryResult)]
struct Count {
    item: String,
    records: i64,
}

// The domain's code was judged by its rule: it holds nothing that a pattern knows.
fn pattern(domain: &str) -> String {
    if domain.is_empty() { String::new() } else { format!("%,{domain},%") }
}

// As many subjects and records as are counted in a few milliseconds.
const SOON: i64 = 10_000;

/// Whether a reader need not notice that all is counted anew.
pub async fn is_soon_done(db: &impl ConnectionTrait) -> Answer<bool> {
    for table in ["subjects", "records"] {
        let text = format!("SELECT COUNT(*) AS some FROM (SELECT 1 FROM {table} LIMIT $1) AS first");
        let row = db.query_one_raw(sql(db, &text, [(SOON + 1).into()])).await?;
        if row.map_or(Ok(0), |row| row.try_get::<i64>("", "some"))? > SOON {
            return Ok(false);
        }
    }
    Ok(true)
}

/// How many subjects there are of a domain; of all where it is empty.
pub async fn subjects(db: &impl ConnectionTrait, domain: &str) -> Answer<i64> {
    let of = Filters::new().given("domains LIKE $1", &pattern(domain));
    let row = db.query_one_raw(of.sql(db, "SELECT COUNT(*) AS subjects FROM subjects", "")).await?;
    Ok(row.map_or(Ok(0), |row| row.try_get("", "subjects"))?)
}

/// How many effective records there are of subjects of a domain between two days, by item.
pub async fn records(
    db: &impl ConnectionTrait,
    domain: &str,
    from: Date,
    to: Date,
) -> Answer<BTreeMap<String, i64>> {
    let days = "records.occurred_on >= $1 AND records.occurred_on <= $2";
    let statement = Filters::new()
        .and("records.status = 'EFFECTIVE'", [])
        .and(days, [from.to_string().into(), to.to_string().into()])
        .given("subjects.domains LIKE $1", &pattern(domain))
        .sql(
            db,
            "SELECT records.item AS item, COUNT(*) AS records \
             FROM records JOIN subjects ON subjects.uscc = records.uscc",
            "GROUP BY records.item",
        );
    let counts = Count::find_by_statement(statement).all(db).await?;
    Ok(counts.into_iter().map(|count| (count.item, count.records)).collect())
}
