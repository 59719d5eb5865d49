//! Listings on their way back to credit: queued in the transaction that lists, sent until credit has acknowledged them.
use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chassis::{
    Answer, Context, Fault, Tx,
    clock::micros,
    storage::{corrupt, sql},
};
use contract::{
    credit::v1::{self as credit, outcome::Status},
    discipline::v1 as api,
};
use prost::Message;
use prost_types::{Struct, Value, value};
use sea_orm::{ConnectionTrait, FromQueryResult};
use tokio_util::sync::CancellationToken;

use crate::Discipline;

const AT_ONCE: u32 = 200;
const PAUSE_MOST_S: i64 = 60;

/// Queues a listing's record, in the transaction of the listing.
pub async fn enqueue(tx: &Tx, context: &Context, listing: &api::Listing, item: &str) -> Answer<()> {
    let record = record(listing, item).encode_to_vec();
    let text = "INSERT INTO outgoing (case_id, record, attempts, next_at, error) VALUES ($1, $2, 0, $3, '')";
    let values = [listing.listing.as_str().into(), record.into(), micros(context.now).into()];
    tx.execute_raw(sql(&**tx, text, values)).await?;
    Ok(())
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
    case_id: String,
    record: Vec<u8>,
    attempts: i32,
}

/// Sends what is queued, until the process stops.
pub async fn run(app: Arc<Discipline>, stopping: CancellationToken) {
    let mut commits = app.store.commits();
    while !stopping.is_cancelled() {
        commits.borrow_and_update();
        if let Err(fault) = flush(&app).await {
            tracing::warn!(%fault, "listings can't be sent to credit now");
        }
        tokio::select! {
            _ = commits.changed() => {}
            // Other replicas queue too, and pauses run out.
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            () = stopping.cancelled() => {}
        }
    }
}

async fn flush(app: &Arc<Discipline>) -> Answer<()> {
    let db = app.store.read();
    let due = format!(
        "SELECT case_id, record, attempts FROM outgoing WHERE next_at <= $1 ORDER BY case_id LIMIT {AT_ONCE}"
    );
    let rows = Row::find_by_statement(sql(db, &due, [micros(app.clock.now()).into()])).all(db).await?;
    if rows.is_empty() {
        return Ok(());
    }
    match send(app, &rows).await {
        Ok(answered) => settle(app, &rows, answered).await,
        Err(fault) => {
            let errors = vec![fault.to_string(); rows.len()];
            tracing::warn!(%fault, waiting = rows.len(), "credit does not take listings now; they are sent again");
            postpone(app, rows.iter().zip(errors)).await
        }
    }
}

async fn send(app: &Arc<Discipline>, rows: &[Row]) -> Answer<credit::SubmitRecordsResponse> {
    let mut records = Vec::with_capacity(rows.len());
    let mut keys: BTreeMap<String, Option<Vec<String>>> = BTreeMap::new();
    for row in rows {
        let mut record = credit::RecordInput::decode(row.record.as_slice())
            .map_err(|error| corrupt("outgoing record", error))?;
        if !keys.contains_key(&record.item) {
            let item = app.credit.item(&record.item).await?;
            let known = item.map(|item| item.fields.into_iter().map(|field| field.key).collect());
            keys.insert(record.item.clone(), known);
        }
        // An operator's own item may know fewer fields than a listing has; an unknown item is credit's to refuse.
        if let (Some(Some(known)), Some(fields)) = (keys.get(&record.item), record.fields.as_mut()) {
            fields.fields.retain(|key, _| known.contains(key));
        }
        records.push(record);
    }
    app.credit.submit(records).await
}

async fn settle(app: &Arc<Discipline>, rows: &[Row], answered: credit::SubmitRecordsResponse) -> Answer<()> {
    let mut refused = Vec::new();
    let tx = app.store.begin().await?;
    for (row, outcome) in rows.iter().zip(&answered.outcomes) {
        if let Status::Accepted | Status::Duplicate = outcome.status() {
            let case: sea_orm::Value = row.case_id.as_str().into();
            tx.execute_raw(sql(&*tx, "DELETE FROM outgoing WHERE case_id = $1", [case.clone()])).await?;
            let note = "UPDATE cases SET position = $2 WHERE case_id = $1 AND position = ''";
            tx.execute_raw(sql(&*tx, note, [case, answered.position.as_str().into()])).await?;
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
        let text = "UPDATE outgoing SET attempts = $2, next_at = $3, error = $4 WHERE case_id = $1";
        let values = [
            row.case_id.as_str().into(),
            row.attempts.saturating_add(1).into(),
            next_at.into(),
            error.into(),
        ];
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
}
