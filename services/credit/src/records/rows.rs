//! Records in their tables.
use std::collections::{BTreeMap, BTreeSet, HashMap};

use chassis::{
    Answer, Context, Tx,
    clock::{from_micros, micros, wire},
    storage::{corrupt, each_of, insert_rows, placeholders, sql},
};
use contract::credit::v1::{
    self as api,
    record::{Mark, Status},
};
use jiff::{Timestamp, civil::Date};
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Value};

use super::{content, rules};
use crate::{
    items::Item,
    outcomes::{Verdict, refusal},
};

const COLUMNS: [&str; 17] = [
    "uscc",
    "record",
    "item",
    "item_version",
    "department",
    "source_id",
    "occurred_on",
    "severity",
    "amount",
    "fields",
    "valid_until",
    "status",
    "version",
    "recorded_at",
    "position",
    "first_digest",
    "digest",
];
const READ: &str = "uscc, record, item, item_version, department, source_id, occurred_on, severity, amount, fields, \
                    valid_until, status, version, recorded_at, position, marks";

#[derive(FromQueryResult)]
struct Row {
    uscc: String,
    record: String,
    item: String,
    item_version: i32,
    department: String,
    source_id: String,
    occurred_on: String,
    severity: i32,
    amount: String,
    fields: String,
    valid_until: String,
    status: String,
    version: i32,
    recorded_at: i64,
    position: String,
    marks: String,
}

/// A record as it stands, with what the wire does not show.
#[derive(Clone)]
pub struct Present {
    /// The record.
    pub record: api::Record,
    /// The wording of the catalogue by which it was judged.
    pub item_version: i32,
    recorded_at: i64,
}

impl TryFrom<Row> for Present {
    type Error = chassis::Fault;

    fn try_from(row: Row) -> Answer<Self> {
        let fields = content::read_json(&row.fields).map_err(|error| corrupt("record", error))?;
        let status = Status::from_str_name(&row.status)
            .ok_or_else(|| corrupt("record", format_args!("status {}", row.status)))?;
        let record = api::Record {
            record: row.record,
            uscc: row.uscc,
            item: row.item,
            department: row.department,
            source_id: row.source_id,
            occurred_on: row.occurred_on,
            severity: row.severity,
            amount: row.amount,
            fields: Some(fields),
            status: status.into(),
            version: row.version,
            recorded_at: Some(wire(from_micros(row.recorded_at))),
            valid_until: row.valid_until,
            published_until: String::new(),
            position: row.position,
            marks: row.marks.split(',').filter_map(Mark::from_str_name).map(i32::from).collect(),
        };
        Ok(Self { record, item_version: row.item_version, recorded_at: row.recorded_at })
    }
}

fn fields_text(record: &api::Record) -> String {
    let mut text = String::new();
    match &record.fields {
        Some(fields) => content::write_json(fields, &mut text),
        None => text.push_str("{}"),
    }
    text
}

fn recorded_at(record: &api::Record) -> i64 {
    let at = record.recorded_at.unwrap_or_default();
    Timestamp::new(at.seconds, at.nanos).map_or(0, micros)
}

/// What is known of a department's number.
pub struct Known {
    record: String,
    first_digest: String,
    digest: String,
}

impl Known {
    /// One that this batch has taken in.
    pub fn fresh(record: &str, digest: &str) -> Self {
        Self { record: record.to_owned(), first_digest: digest.to_owned(), digest: digest.to_owned() }
    }

    /// Whether a row of the same number says the same: as it was first sent, or as it stands now.
    pub fn compare(&self, digest: &str) -> Verdict {
        if digest == self.first_digest || digest == self.digest {
            return Verdict::Duplicate(self.record.clone());
        }
        Verdict::Refused(refusal(
            api::ErrorReason::SourceIdReused,
            "sourceId",
            format!(
                "this number stands for another fact, record {}; correct that by records/{}:correct, or give this fact \
                 a number of its own",
                self.record, self.record
            ),
            format!(
                "该源编号已用于记录{}且内容不同；请通过 :correct 更正该记录，或为本条使用新的源编号",
                self.record
            ),
        ))
    }
}

/// The known numbers among these, by item and number.
pub async fn known(
    tx: &Tx,
    department: &str,
    numbers: &HashMap<&str, BTreeSet<&str>>,
) -> Answer<HashMap<(String, String), Known>> {
    let mut found = HashMap::new();
    for (item, numbers) in numbers {
        let numbers: Vec<&str> = numbers.iter().copied().collect();
        let (asked, numbers) = each_of(&**tx, 3, &numbers);
        // One look into the index a number, whatever PostgreSQL believes of a table that has just grown: it would
        // otherwise read all of the department's numbers and compare each with the list.
        let text = if tx.get_database_backend() == DbBackend::Postgres {
            format!(
                "SELECT found.* FROM {asked} CROSS JOIN LATERAL (SELECT source_id, record, first_digest, digest FROM records \
                 WHERE department = $1 AND item = $2 AND source_id = asked.value LIMIT 1) AS found"
            )
        } else {
            format!(
                "SELECT source_id, record, first_digest, digest FROM {asked} CROSS JOIN records \
                 ON department = $1 AND item = $2 AND source_id = asked.value"
            )
        };
        for row in tx.query_all_raw(sql(&**tx, &text, [department.into(), (*item).into(), numbers])).await? {
            let known = Known {
                record: row.try_get("", "record")?,
                first_digest: row.try_get("", "first_digest")?,
                digest: row.try_get("", "digest")?,
            };
            found.insert(((*item).to_owned(), row.try_get("", "source_id")?), known);
        }
    }
    Ok(found)
}

/// The row of a new record.
pub fn fresh(record: &api::Record, item_version: i32, digest: &str, position: &str) -> Vec<Value> {
    vec![
        record.uscc.as_str().into(),
        record.record.as_str().into(),
        record.item.as_str().into(),
        item_version.into(),
        record.department.as_str().into(),
        record.source_id.as_str().into(),
        record.occurred_on.as_str().into(),
        record.severity.into(),
        record.amount.as_str().into(),
        fields_text(record).into(),
        record.valid_until.as_str().into(),
        record.status().as_str_name().into(),
        record.version.into(),
        recorded_at(record).into(),
        position.into(),
        digest.into(),
        digest.into(),
    ]
}

/// Inserts new records; whether all of them were new. A number that a transaction beside this one has just taken is waited for and left
/// out.
pub async fn insert(tx: &Tx, rows: Vec<Vec<Value>>) -> Answer<bool> {
    let all = rows.len() as u64;
    let conflict = "ON CONFLICT (department, item, source_id) DO NOTHING";
    Ok(insert_rows(&**tx, "records", &COLUMNS, rows, conflict).await? == all)
}

/// A record, held until the transaction ends.
pub async fn get_for_update(tx: &Tx, record: &str) -> Answer<Option<Present>> {
    let hold = if tx.get_database_backend() == DbBackend::Postgres { "FOR UPDATE" } else { "" };
    let text = format!("SELECT {READ} FROM records WHERE record = $1 {hold}");
    let row = Row::find_by_statement(sql(&**tx, &text, [record.into()])).one(&**tx).await?;
    row.map(Present::try_from).transpose()
}

/// Keeps the version that a new one is about to replace.
pub async fn keep_version(
    tx: &Tx,
    context: &Context,
    present: &Present,
    ended: Status,
    reason: &str,
) -> Answer<()> {
    let record = &present.record;
    let columns = [
        "uscc",
        "record",
        "version",
        "item",
        "item_version",
        "department",
        "source_id",
        "occurred_on",
        "severity",
        "amount",
        "fields",
        "valid_until",
        "status",
        "recorded_at",
        "replaced_at",
        "replaced_by",
        "reason",
    ];
    let row = vec![
        record.uscc.as_str().into(),
        record.record.as_str().into(),
        record.version.into(),
        record.item.as_str().into(),
        present.item_version.into(),
        record.department.as_str().into(),
        record.source_id.as_str().into(),
        record.occurred_on.as_str().into(),
        record.severity.into(),
        record.amount.as_str().into(),
        fields_text(record).into(),
        record.valid_until.as_str().into(),
        ended.as_str_name().into(),
        present.recorded_at.into(),
        micros(context.now).into(),
        context.caller.name().into(),
        reason.into(),
    ];
    insert_rows(&**tx, "record_versions", &columns, vec![row], "").await?;
    Ok(())
}

/// Puts the next version in place.
pub async fn update(tx: &Tx, record: &api::Record, item_version: i32, digest: &str) -> Answer<()> {
    let text = "UPDATE records SET item_version = $3, occurred_on = $4, severity = $5, amount = $6, fields = $7, \
                valid_until = $8, status = $9, version = $10, recorded_at = $11, position = $12, digest = $13 \
                WHERE uscc = $1 AND record = $2";
    let values: [Value; 13] = [
        record.uscc.as_str().into(),
        record.record.as_str().into(),
        item_version.into(),
        record.occurred_on.as_str().into(),
        record.severity.into(),
        record.amount.as_str().into(),
        fields_text(record).into(),
        record.valid_until.as_str().into(),
        record.status().as_str_name().into(),
        record.version.into(),
        recorded_at(record).into(),
        record.position.as_str().into(),
        digest.into(),
    ];
    tx.execute_raw(sql(&**tx, text, values)).await?;
    Ok(())
}

/// Puts other marks on a record.
pub async fn update_marks(tx: &Tx, record: &api::Record) -> Answer<()> {
    let marks: Vec<&str> = record.marks().map(|mark| mark.as_str_name()).collect();
    let text = "UPDATE records SET marks = $3, position = $4 WHERE uscc = $1 AND record = $2";
    let values: [Value; 4] = [
        record.uscc.as_str().into(),
        record.record.as_str().into(),
        marks.join(",").into(),
        record.position.as_str().into(),
    ];
    tx.execute_raw(sql(&**tx, text, values)).await?;
    Ok(())
}

/// Which of a subject's effective records are asked for.
pub struct Shown<'a> {
    /// The subject.
    pub uscc: &'a str,
    /// Of these items only.
    pub items: &'a [Item],
    /// The day whose publication terms they must be within, where they are shown to everybody.
    pub public_on: Option<Date>,
    /// The day on which they must still stand, where those past their end are left out.
    pub standing_on: Option<Date>,
}

impl Shown<'_> {
    // Items of the same term share a bound, so that the statement stays short whatever the catalogue holds.
    fn condition(&self, values: &mut Vec<Value>) -> String {
        values.push(self.uscc.into());
        let mut by_term: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
        for item in self.items {
            let months = u32::try_from(item.body.publication_months).unwrap_or_default();
            let term = self.public_on.map_or(0, |_| months);
            by_term.entry(term).or_default().push(&item.body.item);
        }
        let mut terms = Vec::new();
        for (months, items) in by_term {
            let list = placeholders(values.len() + 1, items.len());
            values.extend(items.into_iter().map(Value::from));
            let mut term = format!("item IN ({list})");
            if let (Some(today), 1..) = (self.public_on, months) {
                values.push(rules::shown_from(today, months).to_string().into());
                term.push_str(&format!(" AND occurred_on >= ${}", values.len()));
            }
            terms.push(format!("({term})"));
        }
        if terms.is_empty() {
            terms.push(String::from("1 = 0"));
        }
        let mut condition = format!(
            "uscc = $1 AND status = '{}' AND ({})",
            Status::Effective.as_str_name(),
            terms.join(" OR ")
        );
        if let Some(today) = self.standing_on {
            values.push(today.to_string().into());
            condition.push_str(&format!(" AND (valid_until = '' OR valid_until >= ${})", values.len()));
        }
        condition
    }
}

/// The records, the latest day first; `after` is the key of the last one before.
pub async fn shown(
    db: &impl ConnectionTrait,
    shown: &Shown<'_>,
    after: &str,
    limit: u64,
) -> Answer<Vec<api::Record>> {
    let mut values = Vec::new();
    let mut condition = shown.condition(&mut values);
    if let Some((day, record)) = after.split_once(' ') {
        let first = values.len() + 1;
        values.extend([day.into(), record.into()]);
        condition.push_str(&format!(" AND (occurred_on, record) < (${first}, ${})", first + 1));
    }
    let text = format!(
        "SELECT {READ} FROM records WHERE {condition} ORDER BY occurred_on DESC, record DESC LIMIT {limit}"
    );
    let months: HashMap<&str, i32> =
        shown.items.iter().map(|item| (item.body.item.as_str(), item.body.publication_months)).collect();
    let rows = Row::find_by_statement(sql(db, &text, values)).all(db).await?;
    let records = rows.into_iter().map(|row| {
        let mut record = Present::try_from(row)?.record;
        let months = months.get(record.item.as_str()).copied().unwrap_or_default();
        record.published_until = rules::published_until(&record.occurred_on, months);
        Ok(record)
    });
    records.collect()
}

/// Where a record stands in the list.
pub fn page_key(record: &api::Record) -> String {
    format!("{} {}", record.occurred_on, record.record)
}

/// How many there are of each item, in the order of the items' names.
pub async fn counts(db: &impl ConnectionTrait, shown: &Shown<'_>) -> Answer<Vec<(String, i64)>> {
    let mut values = Vec::new();
    let condition = shown.condition(&mut values);
    let text = format!(
        "SELECT item, COUNT(*) AS records FROM records WHERE {condition} GROUP BY item ORDER BY item"
    );
    let rows = db.query_all_raw(sql(db, &text, values)).await?;
    let counts = rows.into_iter().map(|row| Ok((row.try_get("", "item")?, row.try_get("", "records")?)));
    counts.collect()
}

/// Why records are taken back together.
pub struct Withdrawal<'a> {
    /// The import that brought them.
    pub import: &'a str,
    /// Who takes them back.
    pub client: &'a str,
    /// Why, in the client's words.
    pub reason: &'a str,
}

// What stands as it was first taken in, of the records whose ids lie between two.
const UNTOUCHED: &str = "record BETWEEN $1 AND $2 AND status = 'EFFECTIVE' AND version = 1";

/// The records between two ids that stand as they were first taken in, held until the transaction ends.
pub async fn untouched(tx: &Tx, first: &str, last: &str) -> Answer<Vec<Present>> {
    let hold = if tx.get_database_backend() == DbBackend::Postgres { "FOR UPDATE" } else { "" };
    let text = format!("SELECT {READ} FROM records WHERE {UNTOUCHED} ORDER BY record {hold}");
    let rows = Row::find_by_statement(sql(&**tx, &text, [first.into(), last.into()])).all(&**tx).await?;
    rows.into_iter().map(Present::try_from).collect()
}

/// Keeps what those say and puts their withdrawal in its place, in two statements however many they are. Their source numbers become free,
/// so that the right file may be sent after the wrong one was taken back; the versions kept tell them still.
pub async fn withdraw_untouched(
    tx: &Tx,
    now: Timestamp,
    (first, last): (&str, &str),
    why: &Withdrawal<'_>,
) -> Answer<()> {
    let columns = "uscc, record, version, item, item_version, department, source_id, occurred_on, severity, amount, \
                   fields, valid_until, status, recorded_at";
    let text = format!(
        "INSERT INTO record_versions ({columns}, replaced_at, replaced_by, reason) \
         SELECT {columns}, CAST($3 AS BIGINT), CAST($4 AS TEXT), CAST($5 AS TEXT) FROM records WHERE {UNTOUCHED}"
    );
    let values = [first.into(), last.into(), micros(now).into(), why.client.into(), why.reason.into()];
    tx.execute_raw(sql(&**tx, &text, values)).await?;
    let position = tx.position().map(|position| position.to_string()).unwrap_or_default();
    let text = format!(
        "UPDATE records SET status = 'WITHDRAWN', version = version + 1, recorded_at = $3, position = $4, \
         source_id = source_id || CAST($5 AS TEXT) WHERE {UNTOUCHED}"
    );
    let behind = format!(" (withdrawn with import {})", why.import);
    let values = [first.into(), last.into(), micros(now).into(), position.into(), behind.into()];
    tx.execute_raw(sql(&**tx, &text, values)).await?;
    Ok(())
}
