//! The table of fact sheets.
use chassis::{
    Answer, Tx,
    storage::{insert_rows, placeholders, sql},
};
use sea_orm::{ConnectionTrait, FromQueryResult};

/// A subject with its facts as they are stored.
#[derive(Clone, Debug, Default, FromQueryResult)]
pub struct Row {
    pub uscc: String,
    pub name: String,
    pub region: String,
    pub industry: String,
    /// Codes joined by commas.
    pub domains: String,
    pub status: String,
    /// How many versions of records came in.
    pub taken: i64,
    pub facts: Vec<u8>,
}

const COLUMNS: &str = "uscc, name, region, industry, domains, status, taken, facts";

// SQLite has one writer, so that what it read stays as it was; PostgreSQL needs to be told.
fn lock(tx: &Tx) -> &'static str {
    if tx.get_database_backend() == sea_orm::DbBackend::Postgres { "FOR UPDATE" } else { "" }
}

/// Subjects by their codes.
pub async fn find(db: &impl ConnectionTrait, codes: &[&str]) -> Answer<Vec<Row>> {
    select(db, codes, "").await
}

/// Subjects by their codes, held until the transaction ends: who holds a sheet may write its grades.
pub async fn claim(tx: &Tx, codes: &[&str]) -> Answer<Vec<Row>> {
    select(&**tx, codes, lock(tx)).await
}

async fn select(db: &impl ConnectionTrait, codes: &[&str], lock: &str) -> Answer<Vec<Row>> {
    if codes.is_empty() {
        return Ok(Vec::new());
    }
    let list = placeholders(1, codes.len());
    let text = format!("SELECT {COLUMNS} FROM sheets WHERE uscc IN ({list}) ORDER BY uscc {lock}");
    let values = codes.iter().map(|code| (*code).into());
    Ok(Row::find_by_statement(sql(db, &text, values)).all(db).await?)
}

// Codes of domains are of one length, so that none is part of another.
const OF_DOMAIN: &str = "(domains = '' OR domains LIKE '%' || $1 || '%')";

/// How many subjects a scheme of a domain grades.
pub async fn count(db: &impl ConnectionTrait, domain: &str) -> Answer<i64> {
    let text = format!("SELECT COUNT(*) AS count FROM sheets WHERE {OF_DOMAIN}");
    let row = db.query_one_raw(sql(db, &text, [domain.into()])).await?;
    Ok(row.map(|row| row.try_get("", "count")).transpose()?.unwrap_or_default())
}

/// The next subjects that a scheme of a domain grades, in the order of their codes, held until the transaction ends.
pub async fn claim_after(tx: &Tx, domain: &str, after: &str, limit: usize) -> Answer<Vec<Row>> {
    let lock = lock(tx);
    let text = format!(
        "SELECT {COLUMNS} FROM sheets WHERE {OF_DOMAIN} AND uscc > $2 ORDER BY uscc LIMIT {limit} {lock}"
    );
    Ok(Row::find_by_statement(sql(&**tx, &text, [domain.into(), after.into()])).all(&**tx).await?)
}

/// Stores sheets, new ones and changed ones.
pub async fn put(tx: &Tx, rows: Vec<Row>) -> Answer<()> {
    let conflict = "ON CONFLICT (uscc) DO UPDATE SET name = excluded.name, region = excluded.region, \
                    industry = excluded.industry, domains = excluded.domains, status = excluded.status, \
                    taken = excluded.taken, facts = excluded.facts";
    let columns: Vec<&str> = COLUMNS.split(", ").collect();
    let values = |row: Row| {
        vec![
            row.uscc.into(),
            row.name.into(),
            row.region.into(),
            row.industry.into(),
            row.domains.into(),
            row.status.into(),
            row.taken.into(),
            row.facts.into(),
        ]
    };
    insert_rows(&**tx, "sheets", &columns, rows.into_iter().map(values).collect(), conflict).await?;
    Ok(())
}
