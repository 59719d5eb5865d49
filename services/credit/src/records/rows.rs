//! Records in their tables.
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use chassis::{
    Answer, Context, Tx,
    clock::{from_micros, micros, wire},
    storage::{Cells, corrupt, each_of, insert_rows, sql, told_as},
};
use contract::credit::v1::{
    self as api,
    record::{Mark, Status},
};
use jiff::{Timestamp, civil::Date};
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement, Value};
use serde::Deserialize;

use super::{content, publicity, rules};
use crate::{
    items::{Item, by_name},
    subjects::Met,
};

/// What a new record fills.
pub const COLUMNS: [&str; 17] = [
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
pub(super) const READ: &str = "uscc, record, item, item_version, department, source_id, occurred_on, severity, amount, fields, \
                    valid_until, status, version, recorded_at, position, marks";

/// A record as a table holds it; as an array too, in the order of `READ`.
#[derive(FromQueryResult, Deserialize)]
pub(super) struct Row {
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
            position: row.position,
            marks: row.marks.split(',').filter_map(Mark::from_str_name).map(i32::from).collect(),
            ..Default::default()
        };
        Ok(Self { record, item_version: row.item_version, recorded_at: row.recorded_at })
    }
}

fn fields_text(record: &api::Record) -> String {
    let mut text = String::with_capacity(content::TYPICAL_BYTES);
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
    /// What is known.
    pub fn held(&self) -> rules::Held<'_> {
        rules::Held { record: &self.record, first_digest: &self.first_digest, digest: &self.digest }
    }
}

/// The known numbers among these, by item and number.
pub async fn known(
    db: &impl ConnectionTrait,
    department: &str,
    numbers: &HashMap<&str, BTreeSet<&str>>,
) -> Answer<HashMap<(String, String), Known>> {
    let mut found = HashMap::new();
    for (item, numbers) in numbers {
        let numbers: Vec<&str> = numbers.iter().copied().collect();
        let (asked, numbers) = each_of(db, 3, &numbers);
        // One look into the index a number, whatever PostgreSQL believes of a table that has just grown: it would
        // otherwise read all of the department's numbers and compare each with the list.
        let text = if db.get_database_backend() == DbBackend::Postgres {
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
        for row in db.query_all_raw(sql(db, &text, [department.into(), (*item).into(), numbers])).await? {
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

/// Puts the row of a new record.
pub fn fresh(record: &api::Record, item_version: i32, digest: &str, position: &str, cells: &mut impl Cells) {
    cells.text(&record.uscc);
    cells.text(&record.record);
    cells.text(&record.item);
    cells.int(item_version);
    cells.text(&record.department);
    cells.text(&record.source_id);
    cells.text(&record.occurred_on);
    cells.int(record.severity);
    cells.text(&record.amount);
    cells.text(&fields_text(record));
    cells.text(&record.valid_until);
    cells.text(record.status().as_str_name());
    cells.int(record.version);
    cells.bigint(recorded_at(record));
    cells.text(position);
    cells.text(digest);
    cells.text(digest);
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
    let hold = tx.hold();
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
    /// Of these items only, in the order of their names.
    pub items: &'a [Arc<Item>],
    /// The day of looking, whose rules say for how long each is published.
    pub today: Date,
    /// Whether only what may be shown to everybody today is asked for.
    pub published: bool,
    /// The day on which they must stand, where those past their end are left out.
    pub standing_on: Option<Date>,
    /// The instant as known at which they are asked for; none: now.
    pub known_at: Option<Timestamp>,
}

// A statement that reads effective records, the latest day first, and its values, of which the first is the subject's code. It is short whatever
// the catalogue holds and its rules say: those are applied to what comes. What is not asked is not in it, so that its plan is kept.
struct Reading<'a> {
    uscc: &'a str,
    item: Option<&'a str>,
    standing_on: Option<Date>,
    known_at: Option<Timestamp>,
    after: &'a str,
    limit: u64,
}

impl Reading<'_> {
    fn statement(&self) -> (String, Vec<Value>) {
        let source = match self.known_at {
            None => String::from("records"),
            Some(at) => known_source("uscc = $1", at),
        };
        let mut text = format!("SELECT {READ} FROM {source} WHERE uscc = $1 AND status = 'EFFECTIVE'");
        let mut values: Vec<Value> = vec![self.uscc.into()];
        if let Some(item) = self.item {
            values.push(item.into());
            text.push_str(&format!(" AND item = ${}", values.len()));
        }
        if let Some(day) = self.standing_on {
            values.push(day.to_string().into());
            text.push_str(&format!(" AND {}", standing_on(&format!("${}", values.len()))));
        }
        if let Some((day, record)) = self.after.split_once(' ') {
            values.extend([day.into(), record.into()]);
            let (day, record) = (values.len() - 1, values.len());
            text.push_str(&format!(" AND (occurred_on, record) < (${day}, ${record})"));
        }
        text.push_str(&format!(" ORDER BY occurred_on DESC, record DESC LIMIT {}", self.limit));
        (text, values)
    }
}

/// Records as they were read, before it is known what of them is to be seen.
pub struct Read {
    rows: Vec<Row>,
    ended: bool,
}

/// Whom to meet, and on which day its records must stand.
pub struct Meeting {
    /// By its code.
    pub uscc: String,
    /// The day.
    pub day: Date,
}

/// Subjects with the first of their effective records that stand on a day, as known at an instant, all in one statement; none where there is
/// no such subject.
pub async fn meet(
    db: &impl ConnectionTrait,
    meetings: &[Meeting],
    known_at: Option<Timestamp>,
    limit: u64,
) -> Answer<Vec<Option<(Met, Read)>>> {
    let mut met: Vec<Option<(Met, Read)>> = meetings.iter().map(|_| None).collect();
    for row in db.query_all_raw(meeting(db, meetings, known_at, limit)).await? {
        let place =
            usize::try_from(row.try_get::<i64>("", "place")?).map_err(|error| corrupt("place", error))?;
        let shown: Option<String> = row.try_get("", "shown")?;
        let mut rows: Vec<Row> = match &shown {
            Some(shown) => serde_json::from_str(shown).map_err(|error| corrupt("record", error))?,
            None => Vec::new(),
        };
        rows.sort_unstable_by(|a, b| (&b.occurred_on, &b.record).cmp(&(&a.occurred_on, &a.record)));
        let ended = (rows.len() as u64) < limit;
        *met.get_mut(place).ok_or_else(|| corrupt("place", place))? =
            Some((Met::of(&row)?, Read { rows, ended }));
    }
    Ok(met)
}

// A subject's records come as one text: cell by cell they would cost the driver more than the database. The meetings are told so that the plan is
// kept: of an array's parameter PostgreSQL would plan anew each time, which takes as long as to answer. And one look into the index each,
// whatever it believes of a table that has just grown.
fn meeting(
    db: &impl ConnectionTrait,
    meetings: &[Meeting],
    known_at: Option<Timestamp>,
    limit: u64,
) -> Statement {
    let backend = db.get_database_backend();
    let source = match known_at {
        None => String::from("records"),
        Some(at) => known_source("uscc = subjects.uscc", at),
    };
    let told = told_as(backend, 1, &[("place", "BIGINT"), ("code", "TEXT"), ("day", "TEXT")]);
    let (array, arrays, subjects) = match backend {
        DbBackend::Sqlite => ("json_array", "json_group_array", "subjects WHERE subjects.uscc = told.code"),
        _ => (
            "json_build_array",
            "json_agg",
            "LATERAL (SELECT * FROM subjects WHERE uscc = told.code LIMIT 1) AS subjects",
        ),
    };
    let text = format!(
        "SELECT told.place, {}, CAST((SELECT {arrays}({array}({READ})) FROM (SELECT {READ} FROM {source} \
         WHERE uscc = subjects.uscc AND status = 'EFFECTIVE' AND {} ORDER BY occurred_on DESC, record DESC LIMIT {limit}) \
         AS effective) AS TEXT) AS shown FROM {told} CROSS JOIN {subjects}",
        Met::columns(),
        standing_on("told.day"),
    );
    let row = |(place, meeting): (usize, &Meeting)| {
        let Meeting { uscc, day } = meeting;
        serde_json::json!({ "place": place, "code": uscc, "day": day.to_string() })
    };
    let rows: serde_json::Value = meetings.iter().enumerate().map(row).collect();
    sql(db, &text, [rows.to_string().into()])
}

// What stands on a day.
fn standing_on(day: &str) -> String {
    format!("occurred_on <= {day} AND (valid_until = '' OR valid_until >= {day})")
}

impl Shown<'_> {
    async fn read(&self, db: &impl ConnectionTrait, after: &str, limit: u64) -> Answer<Read> {
        let item = match self.items {
            [item] => Some(item.body.item.as_str()),
            _ => None,
        };
        let Self { uscc, standing_on, known_at, .. } = *self;
        let (text, values) = Reading { uscc, item, standing_on, known_at, after, limit }.statement();
        let rows = Row::find_by_statement(sql(db, &text, values)).all(db).await?;
        let ended = (rows.len() as u64) < limit;
        Ok(Read { rows, ended })
    }

    // Whether everybody may see it today.
    fn is_published(&self, record: &api::Record) -> bool {
        let ended = || {
            let until = record.published_until.as_str();
            !until.is_empty() && until < self.today.to_string().as_str()
        };
        !record.unpublished && !record.marks().any(|mark| mark == Mark::Suspended) && !ended()
    }
}

pub(super) const VERSION: &str = "uscc, record, item, item_version, department, source_id, occurred_on, severity, amount, fields, \
                       valid_until";

/// The records as they were known at an instant, as a source to select from: what stands since then, and the versions replaced since.
/// A version that was corrected held until then.
fn known_source(condition: &str, at: Timestamp) -> String {
    let at = micros(at);
    format!(
        "(SELECT {READ} FROM records WHERE {condition} AND recorded_at <= {at} \
         UNION ALL SELECT {VERSION}, CASE status WHEN 'CORRECTED' THEN 'EFFECTIVE' ELSE status END, version, recorded_at, \
         '', '' FROM record_versions WHERE {condition} AND recorded_at <= {at} AND replaced_at > {at}) AS known"
    )
}

/// A record as it stands, or as it was known at an instant.
pub async fn get(db: &impl ConnectionTrait, record: &str, at: Option<Timestamp>) -> Answer<Option<Present>> {
    let source = at.map_or_else(|| String::from("records"), |at| known_source("record = $1", at));
    let text = format!("SELECT {READ} FROM {source} WHERE record = $1");
    let row = Row::find_by_statement(sql(db, &text, [record.into()])).one(db).await?;
    row.map(Present::try_from).transpose()
}

/// The records, the latest day first; `after` is the key of the last one before.
pub async fn shown(
    db: &impl ConnectionTrait,
    shown: &Shown<'_>,
    after: &str,
    limit: u64,
) -> Answer<Vec<api::Record>> {
    let read = shown.read(db, after, limit).await?;
    shown_of(db, shown, read, limit).await
}

/// The records, of which the first were read already, so many that there may be more.
pub async fn shown_of(
    db: &impl ConnectionTrait,
    shown: &Shown<'_>,
    mut read: Read,
    limit: u64,
) -> Answer<Vec<api::Record>> {
    let mut found = Vec::new();
    loop {
        let last = read.rows.last().filter(|_| !read.ended);
        let after = last.map(|row| format!("{} {}", row.occurred_on, row.record)).unwrap_or_default();
        for row in read.rows {
            let Some(item) = by_name(shown.items, &row.item) else { continue };
            let mut record = Present::try_from(row)?.record;
            publish(&mut record, item, shown.today);
            if !shown.published || shown.is_published(&record) {
                found.push(record);
            }
        }
        if read.ended || found.len() as u64 >= limit {
            found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            return Ok(found);
        }
        read = shown.read(db, &after, limit).await?;
    }
}

/// Says for how long a record is published.
pub fn publish(record: &mut api::Record, item: &Item, today: Date) {
    let window = publicity::window(record, &item.body, today);
    record.published_until = window.until.map(|day| day.to_string()).unwrap_or_default();
    record.publication_basis = window.basis;
    record.unpublished = window.unpublished;
}

/// Where a record stands in the list.
pub fn page_key(record: &api::Record) -> String {
    format!("{} {}", record.occurred_on, record.record)
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
    let hold = tx.hold();
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
