//! The change feed 变更流: what is appended with each write.
use std::mem;

use chassis::{
    Answer, Fault, Store, Tx, clock,
    feed::{self, Entry, Position},
};
use contract::{
    credit::v1::{self as api, change::Kind},
    r#type::v1::ErrorReason as Common,
};
use jiff::Timestamp;
use prost::Message;

/// An instant as the tables keep it, to the microsecond: answers, feed and later reads then show the same.
pub fn stamp(now: Timestamp) -> prost_types::Timestamp {
    clock::wire(clock::from_micros(clock::micros(now)))
}

/// Appends the new states of subjects.
pub async fn append_subjects(tx: &Tx, subjects: &[api::Subject]) -> Answer<()> {
    let entry = |subject: &api::Subject| {
        let change = api::Change {
            uscc: subject.uscc.clone(),
            kind: Kind::SubjectUpserted.into(),
            subject: Some(subject.clone()),
            recorded_at: subject.recorded_at,
            ..Default::default()
        };
        (subject.uscc.clone(), change.encode_to_vec())
    };
    feed::append(tx, subjects.iter().map(entry).collect()).await
}

/// Appends the new state of a grant.
pub async fn append_authorization(tx: &Tx, now: Timestamp, grant: &api::Authorization) -> Answer<()> {
    let change = api::Change {
        uscc: grant.uscc.clone(),
        kind: Kind::AuthorizationChanged.into(),
        authorization: Some(grant.clone()),
        recorded_at: Some(stamp(now)),
        ..Default::default()
    };
    feed::append(tx, vec![(grant.uscc.clone(), change.encode_to_vec())]).await
}

/// Appends versions of records, which are lent for as long as it takes.
pub async fn append_records<'a>(
    tx: &Tx,
    kind: Kind,
    now: Timestamp,
    records: impl IntoIterator<Item = &'a mut api::Record>,
) -> Answer<()> {
    let entry = |record: &'a mut api::Record| {
        tell(kind, now, record, |change| (change.uscc.clone(), change.encode_to_vec()))
    };
    feed::append(tx, records.into_iter().map(entry).collect()).await
}

/// Tells the version of a record, which is lent for as long as it takes.
pub fn tell<T>(
    kind: Kind,
    now: Timestamp,
    record: &mut api::Record,
    take: impl FnOnce(&api::Change) -> T,
) -> T {
    let change = api::Change {
        uscc: record.uscc.clone(),
        kind: kind.into(),
        record: Some(mem::take(record)),
        recorded_at: Some(stamp(now)),
        ..Default::default()
    };
    let taken = take(&change);
    *record = change.record.unwrap_or_default();
    taken
}

/// Refuses to replace a state that stands later in the feed than what this transaction has appended: on PostgreSQL a
/// transaction may begin first and write last, and followers would then end with the older state.
pub fn in_order<'a>(tx: &Tx, replaced: impl IntoIterator<Item = &'a str>) -> Answer<()> {
    let Some(own) = tx.position() else { return Ok(()) };
    for position in replaced {
        if Position::parse(position)? > own {
            return Err(Fault::aborted(
                Common::ConcurrentChange.as_str_name(),
                "another change came first; send the request again",
                "数据刚被他人修改；请重新提交",
            ));
        }
    }
    Ok(())
}

/// The position after a batch: of its last change, or where all was known, of what is there already.
pub async fn position(store: &Store, tx: &Tx) -> Answer<String> {
    match tx.position() {
        Some(position) => Ok(position.to_string()),
        None => Ok(feed::newest(store).await?.to_string()),
    }
}

/// The change that lies in an entry.
pub fn decode(entry: &Entry) -> Answer<api::Change> {
    let mut change = api::Change::decode(entry.payload.as_slice())
        .map_err(|error| chassis::storage::corrupt("change", error))?;
    let position = entry.position.to_string();
    if let Some(record) = &mut change.record {
        record.position.clone_from(&position);
    }
    if let Some(subject) = &mut change.subject {
        subject.position.clone_from(&position);
    }
    if let Some(grant) = &mut change.authorization {
        grant.position.clone_from(&position);
    }
    change.position = position;
    Ok(change)
}
