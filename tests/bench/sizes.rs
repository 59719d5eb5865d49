//! What things take on PostgreSQL's disk, indexes included: the demo's city, some corrections and looks, its tables filled up by bulk SQL. What grades
//! and visits take, the benches tell that make a million of them.
use std::collections::BTreeMap;

use anyhow::Context as _;
use chassis::trial::Postgres;
use sea_orm::sqlx::{self, PgConnection};
use serde_json::json;
use suites::{
    filling::{SERVICES, connect, demo, fill, texts},
    process::Suite,
};

const ROWS: i64 = 20_000;
const CORRECTIONS: usize = 200;

// What is counted, whose tables hold it, and the table that has one row of each. What has several rows in a table for one of them counts with
// as many as the demo's have.
const THINGS: [(&str, &str, &str, &[&str]); 8] = [
    ("subject", "credit", "subjects", &["subjects", "other_name_keys"]),
    ("record", "credit", "records", &["records"]),
    ("former version of a record", "credit", "record_versions", &["record_versions"]),
    ("line of the feed", "credit", "outbox", &["outbox"]),
    ("look in the access log", "credit", "accesses", &["accesses"]),
    ("fact sheet", "grading", "sheets", &["sheets"]),
    ("count of a subject's visits in a year", "sampling", "visit_counts", &["visit_counts"]),
    (
        "listing with its case and papers",
        "discipline",
        "cases",
        &["cases", "case_steps", "papers", "listings", "listing_events"],
    ),
];

/// What the rows of some tables take on the disk together, indexes included, for each of so many things.
pub async fn each(database: &mut PgConnection, tables: &[&str], things: u32) -> anyhow::Result<f64> {
    let sizes: Vec<String> =
        tables.iter().map(|table| format!("pg_total_relation_size('{table}')")).collect();
    let text = sqlx::AssertSqlSafe(format!("SELECT ({})::float8", sizes.join(" + ")));
    let bytes: f64 = sqlx::query_scalar(text).fetch_one(database).await?;
    Ok(bytes / f64::from(things))
}

/// Measures them.
pub async fn measure() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let cluster = Postgres::start();
    let url = cluster.url("sizes");
    let data = folder.path().join("data");
    demo(&url, &data);
    corrected(&url, &data).await?;
    let (mut rows, mut bytes) = (BTreeMap::new(), BTreeMap::new());
    let facts = texts(
        &connect(&url, "grading").await,
        "SELECT (SUM(taken))::text, (SUM(octet_length(facts)))::text, (SUM(pg_column_size(facts)))::text FROM sheets",
    )
    .await;
    let rosters = texts(
        &connect(&url, "sampling").await,
        "SELECT SUM(roster_size)::text, pg_total_relation_size('roster_parts')::text FROM draws",
    )
    .await;
    for service in SERVICES {
        let database = connect(&url, service).await;
        for (table, counts) in fill(&database, ROWS).await {
            let size = format!(
                "SELECT pg_relation_size('{table}')::text, pg_indexes_size('{table}')::text, pg_total_relation_size('{table}')::text"
            );
            let size = texts(&database, &size).await;
            let size: Vec<f64> = size[0].iter().map(|size| size.parse().unwrap_or_default()).collect();
            rows.insert((service, table.clone()), counts);
            bytes.insert((service, table), size);
        }
    }
    println!(
        "{:<38} {:>7} {:>7} {:>7} {:>7}  of so many rows",
        "bytes on PostgreSQL for each", "whole", "table", "indexes", "aside"
    );
    for (thing, service, base, tables) in THINGS {
        let at = |table: &str| (service, table.to_owned());
        let (first, _) = *rows.get(&at(base)).with_context(|| format!("{service} has no {base}"))?;
        anyhow::ensure!(first > 0, "the demo makes no {base}");
        let mut sums = [0.0; 3];
        for table in tables {
            let ((before, now), size) = (rows[&at(table)], &bytes[&at(table)]);
            if now > 0 {
                let each = before as f64 / first as f64 / now as f64;
                (0..3).for_each(|part| sums[part] += size[part] * each);
            }
        }
        let [table, indexes, whole] = sums;
        let aside = whole - table - indexes;
        println!("{thing:<38} {whole:>7.0} {table:>7.0} {indexes:>7.0} {aside:>7.0}  {}", rows[&at(base)].1);
    }
    let number = |text: &str| text.parse::<f64>().unwrap_or_default();
    println!(
        "{:<38} {:>7.0}",
        "place on a frozen roster",
        number(&rosters[0][1]) / number(&rosters[0][0]).max(1.0)
    );
    let [taken, plain, stored] = [0, 1, 2].map(|cell| number(&facts[0][cell]));
    println!(
        "{:<38} {:>7.0}  as they lie, {:.0} of them before pressing; {:.1} a sheet",
        "fact on a sheet",
        stored / taken,
        plain / taken,
        taken / rows[&("grading", String::from("sheets"))].1 as f64
    );
    Ok(())
}

// Records that say something else afterwards, and looks at their subjects.
async fn corrected(url: &str, data: &std::path::Path) -> anyhow::Result<()> {
    let suite = Suite::up(data, &["--database", url, "--clock-start", "2026-03-02T10:00:00+08:00"]).await;
    let office = suite.office().await;
    let query =
        format!("SELECT record, uscc FROM records WHERE item = 'administrative-penalty' LIMIT {CORRECTIONS}");
    for record in texts(&connect(url, "credit").await, &query).await {
        let reason = json!({ "amount": "12345.67", "reason": "处罚档次录入有误" });
        office.post(&format!("/credit/v1/records/{}:correct", record[0]), reason).await?;
        office.get(&format!("/credit/v1/subjects/{}/profile?purpose=check", record[1])).await?;
    }
    anyhow::ensure!(suite.terminate().success(), "it does not end well");
    Ok(())
}
