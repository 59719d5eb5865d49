//! Records with their subjects, page by page in the order of the records' key.
use chassis::{
    Answer,
    storage::{among, sql},
};
use sea_orm::{ConnectionTrait, FromQueryResult, Value};

/// Which records are asked for; what is empty asks nothing.
#[derive(Debug, PartialEq, Eq)]
pub struct Filter {
    /// Of these items.
    pub items: Vec<String>,
    /// What the region of the subject begins with.
    pub region: String,
    /// The first day on which they occurred.
    pub from: String,
    /// The last such day.
    pub to: String,
    /// The day of looking, on which they must stand.
    pub today: String,
}

/// A record with its subject.
#[derive(FromQueryResult)]
pub struct Row {
    pub uscc: String,
    pub record: String,
    pub item: String,
    pub department: String,
    pub source_id: String,
    pub occurred_on: String,
    pub severity: i32,
    pub amount: String,
    pub fields: String,
    pub valid_until: String,
    pub version: i32,
    pub recorded_at: i64,
    pub marks: String,
    pub name: String,
    pub region: String,
}

const ROWS: u64 = 1_000;

// The source and the condition, whose values begin at $1.
fn from(db: &impl ConnectionTrait, filter: &Filter) -> (String, Vec<Value>) {
    let items: Vec<&str> = filter.items.iter().map(String::as_str).collect();
    let (of_items, items) = among(db, "r.item", 1, &items);
    let mut values = vec![items, filter.today.as_str().into()];
    let mut text = format!(
        "FROM records AS r JOIN subjects AS s ON s.uscc = r.uscc WHERE r.status = 'EFFECTIVE' AND {of_items} \
         AND r.occurred_on <= $2 AND (r.valid_until = '' OR r.valid_until >= $2)"
    );
    for (given, condition) in [
        (&filter.from, "r.occurred_on >="),
        (&filter.to, "r.occurred_on <="),
        (&filter.region, "s.region LIKE"),
    ] {
        if !given.is_empty() {
            let like = if condition.ends_with("LIKE") { "%" } else { "" };
            values.push(format!("{given}{like}").into());
            text.push_str(&format!(" AND {condition} ${}", values.len()));
        }
    }
    (text, values)
}

/// The records after one, in the order of subject and record.
pub async fn records(
    db: &impl ConnectionTrait,
    filter: &Filter,
    after: &(String, String),
) -> Answer<Vec<Row>> {
    let (source, mut values) = from(db, filter);
    values.extend([Value::from(after.0.as_str()), after.1.as_str().into()]);
    let text = format!(
        "SELECT r.uscc, r.record, r.item, r.department, r.source_id, r.occurred_on, r.severity, r.amount, r.fields, \
         r.valid_until, r.version, r.recorded_at, r.marks, s.name, s.region {source} \
         AND (r.uscc, r.record) > (${}, ${}) ORDER BY r.uscc, r.record LIMIT {ROWS}",
        values.len() - 1,
        values.len()
    );
    Ok(Row::find_by_statement(sql(db, &text, values)).all(db).await?)
}

/// How many there are, counted up to a number.
pub async fn count(db: &impl ConnectionTrait, filter: &Filter, most: u64) -> Answer<u64> {
    let (source, values) = from(db, filter);
    counted(db, &format!("SELECT 1 AS one {source} LIMIT {most}"), values).await
}

/// How many subjects there are, counted up to a number.
pub async fn subjects(db: &impl ConnectionTrait, most: u64) -> Answer<u64> {
    counted(db, &format!("SELECT 1 AS one FROM subjects LIMIT {most}"), Vec::new()).await
}

async fn counted(db: &impl ConnectionTrait, rows: &str, values: Vec<Value>) -> Answer<u64> {
    let text = format!("SELECT COUNT(*) AS count FROM ({rows}) AS found");
    let row = db.query_one_raw(sql(db, &text, values)).await?;
    let count: i64 = row.map_or(Ok(0), |row| row.try_get("", "count"))?;
    Ok(u64::try_from(count).unwrap_or_default())
}
