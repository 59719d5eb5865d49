//! Listings and what happened to them in their tables.
use chassis::{
    Answer, Context, Fault, Tx,
    clock::{from_micros, micros, wire},
    storage::{Filters, insert_rows, sql},
};
use contract::discipline::v1::{
    self as api, ListingMark as Mark, listing::State, listing_event::Kind, paper,
};
use jiff::civil::Date;
use prost::Message;
use sea_orm::{ConnectionTrait, FromQueryResult, Value};

use crate::{figures, papers};

/// A listing as it is stored.
#[derive(Clone, FromQueryResult)]
pub struct Row {
    /// The case that led to it, and the listing's id.
    pub case_id: String,
    /// The list.
    pub list_id: String,
    /// Its wording then.
    pub list_version: i32,
    list_name: String,
    kind: i32,
    /// The subject.
    pub uscc: String,
    name: String,
    /// The department that decided.
    pub department: String,
    document_number: String,
    facts: String,
    decided_on: String,
    /// The first day.
    pub from_on: String,
    until_on: String,
    state: i32,
    marks: String,
    ended_on: String,
    /// The record's id in credit; empty until credit has acknowledged it.
    pub record: String,
    consequences: Option<Vec<u8>>,
}

/// The columns of a `Row`.
pub const COLUMNS: &str = "case_id, list_id, list_version, list_name, kind, uscc, name, department, document_number, facts, \
                           decided_on, from_on, until_on, state, marks, ended_on, record, consequences";

/// What holds of a listing that counts on a day, `$1`: it ends with its last day, whether or not the row says so yet, and does not
/// count while a mark hides it.
pub const ACTIVE: &str = "state IN (1, 2) AND from_on <= $1 AND (until_on = '' OR until_on >= $1) \
                          AND marks NOT LIKE '%SUSPENDED%' AND marks NOT LIKE '%SHIELDED%'";

impl Row {
    /// What is going on about it.
    pub fn marks(&self) -> Vec<Mark> {
        self.marks.split(',').filter_map(Mark::from_str_name).collect()
    }

    /// What the decision lets follow, where that is less than the list says.
    pub fn consequences(&self) -> Option<api::Consequences> {
        decided(self.consequences.as_deref())
    }

    /// Whether its list punishes or rewards.
    pub fn kind(&self) -> api::list::Kind {
        api::list::Kind::try_from(self.kind).unwrap_or_default()
    }

    /// A paper of what happened to it: by a department, on a day, under the number that the department gave it, or else under that of the
    /// decision with what it is of.
    pub fn sheet(
        &self,
        kind: paper::Kind,
        department: &str,
        on: Date,
        number: (&str, &str),
    ) -> papers::Sheet {
        let number = match number.0.trim() {
            "" => format!("{}（{}）", self.document_number, number.1),
            given => given.to_owned(),
        };
        let values = papers::Values::from([
            ("name", self.name.clone()),
            ("uscc", self.uscc.clone()),
            ("list", self.list_name.clone()),
            ("honour", papers::honour(&self.list_name)),
            ("caseId", self.case_id.clone()),
            ("from", papers::day(&self.from_on)),
            ("until", papers::day(&self.until_on)),
            ("decisionNumber", self.document_number.clone()),
            ("department", papers::department(department)),
            ("on", papers::day(&on.to_string())),
            ("number", number),
        ]);
        papers::Sheet { kind, list: self.kind(), case_id: self.case_id.clone(), on, values }
    }

    /// The last day; none where nothing sets a term.
    pub fn until(&self) -> Option<Date> {
        self.until_on.parse().ok()
    }

    /// As it is counted.
    pub fn counted(&self) -> Answer<figures::kept::Counted<'_>> {
        let from = self.from_on.parse().map_err(Fault::internal)?;
        let (list, department) = (self.list_id.as_str(), self.department.as_str());
        Ok(figures::kept::Counted { list, department, from, until: self.until() })
    }

    /// Whether it is marked as ended.
    pub fn marked_ended(&self) -> bool {
        ![State::Active, State::UnderObjection].map(i32::from).contains(&self.state)
    }

    /// Whether it has not ended on a day, be it hidden or not.
    pub fn holds(&self, today: Date) -> bool {
        let ended = !self.until_on.is_empty() && self.until_on < today.to_string();
        [State::Active, State::UnderObjection].map(i32::from).contains(&self.state) && !ended
    }

    /// The listing as it stands on a day.
    pub fn on(self, today: Date) -> api::Listing {
        let (marks, consequences) = (self.marks(), self.consequences());
        let state = match State::try_from(self.state).unwrap_or_default() {
            State::Active | State::UnderObjection if !self.holds(today) => State::Expired,
            State::Active if marks.contains(&Mark::UnderObjection) => State::UnderObjection,
            state => state,
        };
        api::Listing {
            state: state.into(),
            marks: marks.into_iter().map(i32::from).collect(),
            listing: self.case_id,
            list_id: self.list_id,
            list_name: self.list_name,
            kind: self.kind,
            uscc: self.uscc,
            name: self.name,
            department: self.department,
            document_number: self.document_number,
            facts: self.facts,
            decided_on: self.decided_on,
            from: self.from_on,
            until: self.until_on,
            ended_on: self.ended_on,
            consequences,
            ..Default::default()
        }
    }
}

/// What a decision lets follow, as the table keeps it; none: what the list says.
pub fn decided(kept: Option<&[u8]>) -> Option<api::Consequences> {
    // What this service wrote it reads.
    kept.and_then(|kept| api::Consequences::decode(kept).ok())
}

/// Stores a new listing.
pub async fn insert(tx: &Tx, listing: &api::Listing, list_version: i32) -> Answer<()> {
    let columns: Vec<&str> = COLUMNS.split(',').map(str::trim).collect();
    let text = |text: &String| Value::from(text.as_str());
    let row = vec![
        text(&listing.listing),
        text(&listing.list_id),
        list_version.into(),
        text(&listing.list_name),
        listing.kind.into(),
        text(&listing.uscc),
        text(&listing.name),
        text(&listing.department),
        text(&listing.document_number),
        text(&listing.facts),
        text(&listing.decided_on),
        text(&listing.from),
        text(&listing.until),
        listing.state.into(),
        "".into(),
        "".into(),
        "".into(),
        listing.consequences.as_ref().map(Message::encode_to_vec).into(),
    ];
    insert_rows(&**tx, "listings", &columns, vec![row], "").await?;
    Ok(())
}

/// A stored listing.
pub async fn stored(db: &impl ConnectionTrait, listing: &str) -> Answer<Option<Row>> {
    one(db, listing, "").await
}

/// The same, held until the transaction ends.
pub async fn held(tx: &Tx, listing: &str) -> Answer<Option<Row>> {
    let hold = tx.hold();
    one(&**tx, listing, hold).await
}

async fn one(db: &impl ConnectionTrait, listing: &str, hold: &str) -> Answer<Option<Row>> {
    let text = format!("SELECT {COLUMNS} FROM listings WHERE case_id = $1 {hold}");
    Ok(Row::find_by_statement(sql(db, &text, [listing.into()])).one(db).await?)
}

/// Which listings are asked for; what is empty asks nothing.
pub struct Filter<'a> {
    /// Of this subject.
    pub uscc: &'a str,
    /// On this list.
    pub list: &'a str,
    /// As they stand on `today`.
    pub state: State,
    /// The day.
    pub today: Date,
    /// The key of the last one before: its first day and its id.
    pub before: (&'a str, &'a str),
}

/// Listings, the latest first.
pub async fn list(db: &impl ConnectionTrait, filter: &Filter<'_>, limit: u64) -> Answer<Vec<Row>> {
    let (on, id) = filter.before;
    let today = || [Value::from(filter.today.to_string())];
    let of = Filters::new().given("uscc = $1", filter.uscc).given("list_id = $1", filter.list);
    let of = match filter.state {
        State::Unspecified => of,
        State::Active => of.and("state IN (1, 2) AND (until_on = '' OR until_on >= $1)", today()),
        State::UnderObjection => of.and(
            "state IN (1, 2) AND (until_on = '' OR until_on >= $1) AND marks LIKE '%UNDER_OBJECTION%'",
            today(),
        ),
        State::Repaired => of.and("state = 3", []),
        State::Revoked => of.and("state = 4", []),
        State::Expired => {
            of.and("state = 5 OR (state IN (1, 2) AND until_on <> '' AND until_on < $1)", today())
        }
    };
    let statement = of.and("(from_on, case_id) < ($1, $2)", [on.into(), id.into()]).sql(
        db,
        &format!("SELECT {COLUMNS} FROM listings"),
        &format!("ORDER BY from_on DESC, case_id DESC LIMIT {limit}"),
    );
    Ok(Row::find_by_statement(statement).all(db).await?)
}

/// Some of those whose last day is before a day and that do not say yet that they have ended.
pub async fn run_out(db: &impl ConnectionTrait, today: Date, limit: usize) -> Answer<Vec<Row>> {
    let text = format!(
        "SELECT {COLUMNS} FROM listings WHERE state IN (1, 2) AND until_on <> '' AND until_on < $1 \
         ORDER BY until_on, case_id LIMIT {limit}"
    );
    Ok(Row::find_by_statement(sql(db, &text, [today.to_string().into()])).all(db).await?)
}

/// Marks a listing as run out; false where it has ended meanwhile.
pub async fn mark_run_out(tx: &Tx, listing: &str) -> Answer<bool> {
    let text = "UPDATE listings SET state = 5 WHERE case_id = $1 AND state IN (1, 2)";
    Ok(tx.execute_raw(sql(&**tx, text, [listing.into()])).await?.rows_affected() == 1)
}

/// Puts other marks on a listing.
pub async fn set_marks(tx: &Tx, listing: &str, marks: &[Mark]) -> Answer<()> {
    let marks: Vec<&str> = marks.iter().map(Mark::as_str_name).collect();
    let text = "UPDATE listings SET marks = $2 WHERE case_id = $1";
    tx.execute_raw(sql(&**tx, text, [listing.into(), marks.join(",").into()])).await?;
    Ok(())
}

/// Ends a listing before its term.
pub async fn end(tx: &Tx, listing: &str, state: State, on: Date) -> Answer<()> {
    let text = "UPDATE listings SET state = $2, ended_on = $3, marks = '' WHERE case_id = $1";
    let values = [listing.into(), i32::from(state).into(), on.to_string().into()];
    tx.execute_raw(sql(&**tx, text, values)).await?;
    Ok(())
}

/// Notes the record under which credit keeps it.
pub async fn note_record(tx: &Tx, listing: &str, record: &str) -> Answer<()> {
    let text = "UPDATE listings SET record = $2 WHERE case_id = $1";
    tx.execute_raw(sql(&**tx, text, [listing.into(), record.into()])).await?;
    Ok(())
}

/// Appends what happened to a listing.
pub async fn remember(tx: &Tx, context: &Context, listing: &str, event: &api::ListingEvent) -> Answer<()> {
    let columns = [
        "listing",
        "kind",
        "mark",
        "done_by",
        "department",
        "done_on",
        "document_number",
        "text",
        "recorded_at",
        "late",
    ];
    let row = vec![
        listing.into(),
        event.kind.into(),
        event.mark.into(),
        context.caller.name().into(),
        context.caller.department().into(),
        event.on.as_str().into(),
        event.document_number.as_str().into(),
        event.text.as_str().into(),
        micros(context.now).into(),
        event.late.into(),
    ];
    insert_rows(&**tx, "listing_events", &columns, vec![row], "").await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct EventRow {
    kind: i32,
    mark: i32,
    done_by: String,
    department: String,
    done_on: String,
    document_number: String,
    text: String,
    recorded_at: i64,
    late: bool,
}

/// What happened to a listing, in order.
pub async fn events(db: &impl ConnectionTrait, listing: &str) -> Answer<Vec<api::ListingEvent>> {
    let text = "SELECT kind, mark, done_by, department, done_on, document_number, text, recorded_at, late \
                FROM listing_events WHERE listing = $1 ORDER BY seq";
    let rows = EventRow::find_by_statement(sql(db, text, [listing.into()])).all(db).await?;
    let event = |row: EventRow| api::ListingEvent {
        kind: Kind::try_from(row.kind).unwrap_or_default().into(),
        mark: row.mark,
        by: row.done_by,
        department: row.department,
        on: row.done_on,
        document_number: row.document_number,
        text: row.text,
        recorded_at: Some(wire(from_micros(row.recorded_at))),
        late: row.late,
    };
    Ok(rows.into_iter().map(event).collect())
}
