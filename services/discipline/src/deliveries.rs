//! What credit is told of listings: queued in the transaction of the act, sent in order until credit has acknowledged it.
use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chassis::{
    Answer, Context, Fault, Tx,
    clock::micros,
    storage::{corrupt, sql},
};
use contract::{
    credit::v1::{self as credit, outcome::Status},
    discipline::v1::{self as api, ListingMark as Mark},
};
use prost::Message;
use prost_types::{Struct, Value, value};
use sea_orm::{ConnectionTrait, FromQueryResult};
use tokio_util::sync::CancellationToken;

use crate::{Discipline, directory, listings};

const AT_ONCE: u32 = 200;
const PAUSE_MOST_S: i64 = 60;

/// What credit is to do, as the table keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    TakeIn = 1,
    Withdraw = 2,
    Repaired = 3,
    Mark = 4,
    Unmark = 5,
}

impl Act {
    fn read(number: i32) -> Option<Self> {
        [Self::TakeIn, Self::Withdraw, Self::Repaired, Self::Mark, Self::Unmark]
            .into_iter()
            .find(|act| *act as i32 == number)
    }
}

async fn enqueue(tx: &Tx, context: &Context, listing: &str, act: Act, body: Vec<u8>) -> Answer<()> {
    let text = "INSERT INTO deliveries (case_id, act, body, attempts, next_at, error) VALUES ($1, $2, $3, 0, $4, '')";
    let values = [listing.into(), (act as i32).into(), body.into(), micros(context.now).into()];
    tx.execute_raw(sql(&**tx, text, values)).await?;
    Ok(())
}

/// Queues a listing's record.
pub async fn take_in(tx: &Tx, context: &Context, listing: &api::Listing, item: &str) -> Answer<()> {
    enqueue(tx, context, &listing.listing, Act::TakeIn, record(listing, item).encode_to_vec()).await
}

/// Queues the end of a listing's record before its term: repaired, or withdrawn.
pub async fn end(tx: &Tx, context: &Context, listing: &str, repaired: bool, reason: &str) -> Answer<()> {
    let body = credit::WithdrawRecordRequest { reason: reason.to_owned(), repaired, ..Default::default() };
    let act = if repaired { Act::Repaired } else { Act::Withdraw };
    enqueue(tx, context, listing, act, body.encode_to_vec()).await
}

/// Queues a mark that is put on, or taken off.
pub async fn mark(tx: &Tx, context: &Context, listing: &str, mark: Mark, put: bool) -> Answer<()> {
    let body = credit::MarkRecordRequest { mark: told(mark).into(), off: !put, ..Default::default() };
    let act = if put { Act::Mark } else { Act::Unmark };
    enqueue(tx, context, listing, act, body.encode_to_vec()).await
}

/// What a mark is called in credit, where both that hide are one.
pub fn told(mark: Mark) -> credit::record::Mark {
    use credit::record::Mark as Told;
    match mark {
        Mark::Unspecified => Told::Unspecified,
        Mark::UnderObjection => Told::UnderObjection,
        Mark::UnderRepair => Told::UnderRepair,
        Mark::UnderReview => Told::UnderReview,
        Mark::InLitigation => Told::InLitigation,
        Mark::Suspended | Mark::Shielded => Told::Suspended,
    }
}

// The case's id as the source's own number makes sending twice harmless.
fn record(listing: &api::Listing, item: &str) -> credit::RecordInput {
    let default = match listing.kind() {
        api::list::Kind::Reward => "reward-listing",
        _ => "serious-dishonesty-listing",
    };
    let fields = [
        ("listId", &listing.list_id),
        ("listName", &listing.list_name),
        ("case", &listing.listing),
        ("until", &listing.until),
        ("department", &listing.department),
    ];
    let text = |text: &String| Value { kind: Some(value::Kind::StringValue(text.clone())) };
    // A listing without end has no `until`: an empty text is no date to credit.
    let given = fields.iter().filter(|(_, value)| !value.is_empty());
    credit::RecordInput {
        uscc: listing.uscc.clone(),
        item: if item.is_empty() { default } else { item }.to_owned(),
        source_id: listing.listing.clone(),
        occurred_on: listing.from.clone(),
        valid_until: listing.until.clone(),
        fields: Some(Struct { fields: given.map(|&(key, value)| (key.to_owned(), text(value))).collect() }),
        // Credit registered the subject under this code, whatever its check says.
        accept_nonconforming: true,
        ..Default::default()
    }
}

#[derive(FromQueryResult)]
struct Row {
    seq: i64,
    case_id: String,
    act: i32,
    body: Vec<u8>,
    attempts: i32,
}

/// Sends what is queued, until the process stops.
pub async fn run(app: Arc<Discipline>, stopping: CancellationToken) {
    let mut commits = app.store.commits();
    while !stopping.is_cancelled() {
        commits.borrow_and_update();
        if let Err(fault) = flush(&app).await {
            tracing::warn!(%fault, "credit can't be told of listings now");
        }
        tokio::select! {
            _ = commits.changed() => {}
            // Other replicas queue too, and pauses run out.
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            () = stopping.cancelled() => {}
        }
    }
}

// Of each listing the next one only, so that what was done later never overtakes.
async fn flush(app: &Arc<Discipline>) -> Answer<()> {
    let db = app.store.read();
    let due = format!(
        "SELECT seq, case_id, act, body, attempts FROM deliveries d WHERE next_at <= $1 AND NOT EXISTS \
         (SELECT 1 FROM deliveries e WHERE e.case_id = d.case_id AND e.seq < d.seq) ORDER BY seq LIMIT {AT_ONCE}"
    );
    let rows = Row::find_by_statement(sql(db, &due, [micros(app.clock.now()).into()])).all(db).await?;
    let (fresh, later): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.act == Act::TakeIn as i32);
    if !fresh.is_empty() {
        match send(app, &fresh).await {
            Ok(answered) => settle(app, &fresh, answered).await?,
            Err(fault) => {
                let errors = vec![fault.to_string(); fresh.len()];
                tracing::warn!(%fault, waiting = fresh.len(), "credit does not take listings now; they are sent again");
                postpone(app, fresh.iter().zip(errors)).await?;
            }
        }
    }
    for row in &later {
        match follow_up(app, row).await {
            Ok(position) => done(app, row, &position).await?,
            Err(fault) => {
                tracing::warn!(%fault, listing = row.case_id, "credit can't be told of a listing now; it is told again");
                postpone(app, [(row, fault.to_string())]).await?;
            }
        }
    }
    Ok(())
}

// What happened to a record that credit has. The queue's own number makes telling twice harmless.
async fn follow_up(app: &Arc<Discipline>, row: &Row) -> Answer<String> {
    let unreadable = |error: prost::DecodeError| corrupt("delivery", error);
    let record = record_of(app, &row.case_id).await?;
    let request_id = format!("listing-{}", row.seq);
    let told = match Act::read(row.act) {
        Some(Act::Withdraw | Act::Repaired) => {
            let body = credit::WithdrawRecordRequest::decode(row.body.as_slice()).map_err(unreadable)?;
            app.credit.withdraw(credit::WithdrawRecordRequest { record, request_id, ..body }).await?
        }
        Some(Act::Mark | Act::Unmark) => {
            let body = credit::MarkRecordRequest::decode(row.body.as_slice()).map_err(unreadable)?;
            app.credit.mark(credit::MarkRecordRequest { record, request_id, ..body }).await?
        }
        Some(Act::TakeIn) | None => return Err(corrupt("delivery", row.act)),
    };
    // A record that credit has ended by itself, for example by an objection there, needs no further word.
    Ok(told.map(|record| record.position).unwrap_or_default())
}

// The record's id in credit. One that was sent before ids were kept is sent again, which tells it.
async fn record_of(app: &Arc<Discipline>, listing: &str) -> Answer<String> {
    let db = app.store.read();
    let Some(row) = listings::stored(db, listing).await? else {
        return Err(corrupt("delivery", format!("listing {listing} is gone")));
    };
    if !row.record.is_empty() {
        return Ok(row.record);
    }
    let list = directory::version::<api::List>(db, &row.list_id, row.list_version).await?;
    let input = record(&row.on(app.clock.today()), &list.record_item);
    let answered = app.credit.submit(vec![fitting(app, input, &mut BTreeMap::new()).await?]).await?;
    match answered.outcomes.into_iter().next() {
        Some(outcome) if !outcome.record.is_empty() => Ok(outcome.record),
        outcome => {
            Err(Fault::internal(anyhow::anyhow!("credit does not know listing {listing}: {outcome:?}")))
        }
    }
}

async fn done(app: &Arc<Discipline>, row: &Row, position: &str) -> Answer<()> {
    let tx = app.store.begin().await?;
    tx.execute_raw(sql(&*tx, "DELETE FROM deliveries WHERE seq = $1", [row.seq.into()])).await?;
    if !position.is_empty() {
        let note = "UPDATE cases SET position = $2 WHERE case_id = $1";
        tx.execute_raw(sql(&*tx, note, [row.case_id.as_str().into(), position.into()])).await?;
    }
    tx.commit().await
}

async fn send(app: &Arc<Discipline>, rows: &[Row]) -> Answer<credit::SubmitRecordsResponse> {
    let mut records = Vec::with_capacity(rows.len());
    let mut keys = BTreeMap::new();
    for row in rows {
        let record = credit::RecordInput::decode(row.body.as_slice())
            .map_err(|error| corrupt("outgoing record", error))?;
        records.push(fitting(app, record, &mut keys).await?);
    }
    app.credit.submit(records).await
}

// An operator's own item may know fewer fields than a listing has; an unknown item is credit's to refuse.
async fn fitting(
    app: &Arc<Discipline>,
    mut record: credit::RecordInput,
    keys: &mut BTreeMap<String, Option<Vec<String>>>,
) -> Answer<credit::RecordInput> {
    if !keys.contains_key(&record.item) {
        let item = app.credit.item(&record.item).await?;
        let known = item.map(|item| item.fields.into_iter().map(|field| field.key).collect());
        keys.insert(record.item.clone(), known);
    }
    if let (Some(Some(known)), Some(fields)) = (keys.get(&record.item), record.fields.as_mut()) {
        fields.fields.retain(|key, _| known.contains(key));
    }
    Ok(record)
}

async fn settle(app: &Arc<Discipline>, rows: &[Row], answered: credit::SubmitRecordsResponse) -> Answer<()> {
    let mut refused = Vec::new();
    let tx = app.store.begin().await?;
    for (row, outcome) in rows.iter().zip(&answered.outcomes) {
        if let Status::Accepted | Status::Duplicate = outcome.status() {
            tx.execute_raw(sql(&*tx, "DELETE FROM deliveries WHERE seq = $1", [row.seq.into()])).await?;
            listings::note_record(&tx, &row.case_id, &outcome.record).await?;
            let note = "UPDATE cases SET position = $2 WHERE case_id = $1 AND position = ''";
            let values = [row.case_id.as_str().into(), answered.position.as_str().into()];
            tx.execute_raw(sql(&*tx, note, values)).await?;
            continue;
        }
        let error = outcome.error.clone().unwrap_or_default();
        tracing::error!(
            case = row.case_id,
            reason = error.reason,
            "credit refuses a listing's record; it is sent again"
        );
        refused.push((row, format!("{}: {}", error.reason, error.message)));
    }
    tx.commit().await?;
    if answered.outcomes.len() < rows.len() {
        return Err(Fault::internal(anyhow::anyhow!("credit answered fewer outcomes than it was sent rows")));
    }
    postpone(app, refused).await
}

async fn postpone<'a>(
    app: &Arc<Discipline>,
    failed: impl IntoIterator<Item = (&'a Row, String)>,
) -> Answer<()> {
    let failed: Vec<_> = failed.into_iter().collect();
    if failed.is_empty() {
        return Ok(());
    }
    let tx = app.store.begin().await?;
    for (row, error) in failed {
        let pause_s = (1_i64 << row.attempts.clamp(0, 6)).min(PAUSE_MOST_S);
        let next_at = micros(app.clock.now()) + pause_s * 1_000_000;
        let text = "UPDATE deliveries SET attempts = $2, next_at = $3, error = $4 WHERE seq = $1";
        let values = [row.seq.into(), row.attempts.saturating_add(1).into(), next_at.into(), error.into()];
        tx.execute_raw(sql(&*tx, text, values)).await?;
    }
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_becomes_a_record_of_its_kind() {
        let mut listing = api::Listing {
            listing: "c1".into(),
            list_id: "wage-arrears".into(),
            kind: api::list::Kind::Punitive.into(),
            from: "2026-03-02".into(),
            ..Default::default()
        };
        let sent = record(&listing, "");
        assert_eq!((sent.item.as_str(), sent.source_id.as_str()), ("serious-dishonesty-listing", "c1"));
        assert!(!sent.fields.expect("fields").fields.contains_key("until"));
        listing.kind = api::list::Kind::Reward.into();
        listing.until = "2027-03-02".into();
        let sent = record(&listing, "");
        assert_eq!((sent.item.as_str(), sent.valid_until.as_str()), ("reward-listing", "2027-03-02"));
        assert_eq!(record(&listing, "own-item").item, "own-item");
    }

    #[test]
    fn every_mark_has_one_in_credit() {
        let told: Vec<_> = (1..=6).map(|mark| told(Mark::try_from(mark).expect("a mark"))).collect();
        use contract::credit::v1::record::Mark as Told;
        let expected = [
            Told::UnderObjection,
            Told::UnderRepair,
            Told::UnderReview,
            Told::InLitigation,
            Told::Suspended,
            Told::Suspended,
        ];
        assert_eq!(told, expected);
    }
}
