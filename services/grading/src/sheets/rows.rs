//! The table of fact sheets.
use chassis::{
    Answer, Store, Tx,
    storage::{Line, among, insert_rows, sql},
};
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult};

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
    /// How often it was written after the first time.
    pub revision: i32,
}

const COLUMNS: &str = "uscc, name, region, industry, domains, status, taken, facts, revision";

// Any number will do, as long as nobody else in this database uses it.
const LOCK: i64 = 640_302;

/// Waits for everybody who writes grades, and lets nobody else until the transaction ends: who holds the sheets may write any grade.
/// It waits for a batch of a run at the most.
pub async fn hold(db: &impl ConnectionTrait) -> Answer<()> {
    lock(db, "SELECT pg_advisory_xact_lock($1)").await
}

/// The same for the workers of runs, who exclude each other by their shards: a lock on each of a million rows would cost more than
/// grading them.
pub async fn hold_part(db: &impl ConnectionTrait) -> Answer<()> {
    lock(db, "SELECT pg_advisory_xact_lock_shared($1)").await
}

// On SQLite one transaction writes at a time anyway.
async fn lock(db: &impl ConnectionTrait, text: &str) -> Answer<()> {
    if db.get_database_backend() == DbBackend::Postgres {
        db.execute_raw(sql(db, text, [LOCK.into()])).await?;
    }
    Ok(())
}

/// Subjects by their codes, in the order of these.
pub async fn find(db: &impl ConnectionTrait, codes: &[&str]) -> Answer<Vec<Row>> {
    if codes.is_empty() {
        return Ok(Vec::new());
    }
    let (of_codes, list) = among(db, "uscc", 1, codes);
    let text = format!("SELECT {COLUMNS} FROM sheets WHERE {of_codes} ORDER BY uscc");
    Ok(Row::find_by_statement(sql(db, &text, [list])).all(db).await?)
}

/// Subjects by their codes, held until the transaction ends: who holds a sheet may write its grades.
pub async fn claim(tx: &Tx, codes: &[&str]) -> Answer<Vec<Row>> {
    hold(tx).await?;
    find(tx, codes).await
}

// Codes of domains are of one length, so that none is part of another.
const OF_DOMAIN: &str = "(domains = '' OR domains LIKE '%' || $1 || '%')";

/// How many subjects a scheme of a domain grades.
pub async fn count(db: &impl ConnectionTrait, domain: &str) -> Answer<i64> {
    let text = format!("SELECT COUNT(*) AS count FROM sheets WHERE {OF_DOMAIN}");
    let row = db.query_one_raw(sql(db, &text, [domain.into()])).await?;
    Ok(row.map(|row| row.try_get("", "count")).transpose()?.unwrap_or_default())
}

/// The last code of each full part of so many subjects that a scheme of a domain grades, in their order. This and their count are
/// answered by an index alone.
pub async fn bounds(db: &impl ConnectionTrait, domain: &str, size: i64) -> Answer<Vec<String>> {
    let text = format!(
        "SELECT uscc FROM (SELECT uscc, ROW_NUMBER() OVER (ORDER BY uscc) AS place FROM sheets WHERE {OF_DOMAIN}) AS numbered \
         WHERE place % $2 = 0 ORDER BY uscc"
    );
    let rows = db.query_all_raw(sql(db, &text, [domain.into(), size.into()])).await?;
    rows.iter().map(|row| Ok(row.try_get("", "uscc")?)).collect()
}

const MEMBER: &str = "SELECT uscc, revision, region, facts FROM sheets WHERE";

/// The subjects that a scheme of a domain grades, after a code and up to another, each with its code, revision, region and facts; in no order, so that
/// the database reads them as they lie. Who holds them as they are reads what is committed.
pub async fn members(store: &Store, domain: &str, (after, until): (&str, &str)) -> Answer<Vec<Line>> {
    let text = format!("{MEMBER} {OF_DOMAIN} AND uscc > $2 AND uscc <= $3");
    store.scan(&text, [domain.into(), after.into(), until.into()]).await
}

/// The same, each with its code and revision alone.
pub async fn revisions(store: &Store, domain: &str, (after, until): (&str, &str)) -> Answer<Vec<Line>> {
    let text = format!("SELECT uscc, revision FROM sheets WHERE {OF_DOMAIN} AND uscc > $2 AND uscc <= $3");
    store.scan(&text, [domain.into(), after.into(), until.into()]).await
}

/// The same as `members`, of some of them.
pub async fn some_members(store: &Store, codes: &[&str]) -> Answer<Vec<Line>> {
    if codes.is_empty() {
        return Ok(Vec::new());
    }
    let (of_codes, list) = among(store.read(), "uscc", 1, codes);
    store.scan(&format!("{MEMBER} {of_codes}"), [list]).await
}

/// The next of them after a code, for those who go through all in their order.
pub async fn after(db: &impl ConnectionTrait, domain: &str, after: &str, limit: usize) -> Answer<Vec<Row>> {
    let text =
        format!("SELECT {COLUMNS} FROM sheets WHERE {OF_DOMAIN} AND uscc > $2 ORDER BY uscc LIMIT {limit}");
    Ok(Row::find_by_statement(sql(db, &text, [domain.into(), after.into()])).all(db).await?)
}

/// Stores sheets, new ones and changed ones.
pub async fn put(tx: &Tx, rows: Vec<Row>) -> Answer<()> {
    let conflict = "ON CONFLICT (uscc) DO UPDATE SET name = excluded.name, region = excluded.region, \
                    industry = excluded.industry, domains = excluded.domains, status = excluded.status, \
                    taken = excluded.taken, facts = excluded.facts, revision = excluded.revision";
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
            row.revision.into(),
        ]
    };
    insert_rows(tx, "sheets", &columns, rows.into_iter().map(values).collect(), conflict).await?;
    Ok(())
}
