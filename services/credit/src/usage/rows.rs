//! The counts in their table.
use chassis::{
    Answer,
    page::Page,
    storage::{Filters, told_as},
};
use contract::credit::v1 as api;
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Value};

/// Adds counts, told by the parameter `$at` as `[{day, department, item, kind, counted}]`. What is no item of the catalogue is counted under
/// none, so that the table grows with the catalogue and not with what is sent.
pub fn adding(backend: DbBackend, at: usize) -> String {
    let source = format!(
        "{} LEFT JOIN items ON items.item = told.item AND items.replaced_at IS NULL WHERE told.counted > 0 \
         GROUP BY told.day, told.department, COALESCE(items.item, ''), told.kind",
        told(backend, at)
    );
    adding_from(backend, &source, "COALESCE(items.item, '')", "CAST(SUM(told.counted) AS BIGINT)")
}

/// The same where each is told once, and its item is in the catalogue or none.
pub fn adding_known(backend: DbBackend, at: usize) -> String {
    let source = format!("{} WHERE told.counted > 0", told(backend, at));
    adding_from(backend, &source, "told.item", "told.counted")
}

fn told(backend: DbBackend, at: usize) -> String {
    let columns =
        [("day", "TEXT"), ("department", "TEXT"), ("item", "TEXT"), ("kind", "TEXT"), ("counted", "BIGINT")];
    told_as(backend, at, &columns)
}

fn adding_from(backend: DbBackend, source: &str, item: &str, counted: &str) -> String {
    // Transactions beside each other run on connections of their own, whose numbers are mostly in a row: they count on different shards, and
    // seldom wait for each other. SQLite has one writer.
    let shard = if backend == DbBackend::Postgres { "pg_backend_pid() % 64" } else { "0" };
    // In order, so that two that count the same things never wait for each other in a ring.
    format!(
        "INSERT INTO usage_counts (day, department, item, kind, shard, counted) \
         SELECT told.day, told.department, {item}, told.kind, {shard}, {counted} FROM {source} \
         ORDER BY told.day, told.department, {item}, told.kind \
         ON CONFLICT (day, department, item, kind, shard) DO UPDATE SET counted = usage_counts.counted + excluded.counted"
    )
}

#[derive(FromQueryResult)]
struct Row {
    day: String,
    department: String,
    item: String,
    accepted: i64,
    duplicates: i64,
    rejected: i64,
    profiles: i64,
    records: i64,
    reports: i64,
    others: i64,
    feed: i64,
    subjects: i64,
    matches: i64,
}

/// Which counts are asked for; what is empty asks nothing.
pub struct Filter<'a> {
    /// From this day.
    pub from: &'a str,
    /// To this day.
    pub to: &'a str,
    /// Of this department.
    pub department: &'a str,
    /// Whether days are told apart.
    pub daily: bool,
}

/// A page of them, in the order of day, department and item.
pub async fn list(db: &impl ConnectionTrait, filter: &Filter<'_>, page: &Page) -> Answer<Vec<api::UsageRow>> {
    let day = if filter.daily { "day" } else { "''" };
    let kinds = [
        ("ACCEPTED", "accepted"),
        ("DUPLICATES", "duplicates"),
        ("REJECTED", "rejected"),
        ("PROFILES", "profiles"),
        ("RECORDS", "records"),
        ("REPORTS", "reports"),
        ("OTHERS", "others"),
        ("FEED", "feed"),
        ("SUBJECTS", "subjects"),
        ("MATCHES", "matches"),
    ];
    let sums: Vec<String> = kinds
        .iter()
        .map(|(kind, name)| {
            format!("CAST(SUM(CASE kind WHEN '{kind}' THEN counted ELSE 0 END) AS BIGINT) AS {name}")
        })
        .collect();
    let mut of = Filters::new()
        .given("day >= $1", filter.from)
        .given("day <= $1", filter.to)
        .given("department = $1", filter.department);
    // The page goes on by what counts are grouped by: those of the pages before need not be summed again.
    let mut key = page.after.splitn(3, '\u{1F}');
    let mut part = || key.next().unwrap_or_default();
    let after = [part(), part(), part()];
    // No row is without a department: an empty one is the beginning.
    if !after[1].is_empty() {
        of = of.and(&format!("({day}, department, item) > ($1, $2, $3)"), after.map(Value::from));
    }
    let by = if filter.daily { "day, department, item" } else { "department, item" };
    let statement = of.sql(
        db,
        &format!("SELECT {day} AS day, department, item, {} FROM usage_counts", sums.join(", ")),
        &format!("GROUP BY {by} ORDER BY {by} LIMIT {}", page.fetch()),
    );
    let rows = Row::find_by_statement(statement).all(db).await?;
    Ok(rows.into_iter().map(api::UsageRow::from).collect())
}

/// Where a row stands in the list.
pub fn page_key(row: &api::UsageRow) -> String {
    [row.day.as_str(), &row.department, &row.item].join("\u{1F}")
}

impl From<Row> for api::UsageRow {
    fn from(row: Row) -> Self {
        Self {
            day: row.day,
            department: row.department,
            item: row.item,
            accepted: row.accepted,
            duplicates: row.duplicates,
            rejected: row.rejected,
            profiles: row.profiles,
            records: row.records,
            reports: row.reports,
            others: row.others,
            feed: row.feed,
            subjects: row.subjects,
            matches: row.matches,
        }
    }
}
