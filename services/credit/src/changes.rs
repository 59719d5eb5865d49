//! The change feed 变更流: what is appended with each write, and who may follow it.
use std::{
    collections::HashSet,
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use chassis::{
    Answer, Context, Fault, Store, Tx, clock,
    feed::{self, Entry, Position},
};
use contract::{
    credit::v1::{self as api, change::Kind},
    r#type::v1::ErrorReason as Common,
};
use futures::{StreamExt, stream::BoxStream};
use jiff::Timestamp;
use prost::Message;
use tokio::sync::Mutex;
use tonic::Status;

use crate::{Credit, items, outcomes};

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

/// Serves the feed. Records of items that need the subject's grant go to the suite's services and the credit office only.
pub async fn watch(
    app: &Arc<Credit>,
    context: &Context,
    request: api::WatchRequest,
) -> Answer<BoxStream<'static, Result<api::Change, Status>>> {
    let caller = &context.caller;
    if !caller.enterprise().is_empty() {
        return Err(outcomes::not_for_enterprises());
    }
    let changes =
        feed::watch(app.store.clone(), context, &request.cursor, request.until_caught_up, |entry| {
            decode(&entry)
        })?;
    if caller.is_office() || caller.is_service() {
        return Ok(changes.boxed());
    }
    let withheld = Arc::new(Withheld { store: app.store.clone(), known: Mutex::new(None) });
    let language = context.language;
    let seen = changes.filter_map(move |change| {
        let withheld = withheld.clone();
        async move {
            let change = match change {
                Ok(change) => change,
                Err(status) => return Some(Err(status)),
            };
            match withheld.holds(&change).await {
                Ok(true) => None,
                Ok(false) => Some(Ok(change)),
                Err(fault) => Some(Err(fault.into_status(language))),
            }
        }
    });
    Ok(seen.boxed())
}

fn decode(entry: &Entry) -> Answer<Option<api::Change>> {
    let mut change = api::Change::decode(entry.payload.as_slice())
        .map_err(|error| chassis::storage::corrupt("change", error))?;
    let position = entry.position.to_string();
    if let Some(record) = &mut change.record {
        record.position.clone_from(&position);
    }
    if let Some(subject) = &mut change.subject {
        subject.position.clone_from(&position);
    }
    change.position = position;
    Ok(Some(change))
}

/// The items that need a grant, read again each second: a stream lasts for days, and the catalogue changes under it.
struct Withheld {
    store: Store,
    known: Mutex<Option<(Instant, HashSet<String>)>>,
}

const KNOWN_FOR: Duration = Duration::from_secs(1);

impl Withheld {
    async fn holds(&self, change: &api::Change) -> Answer<bool> {
        let Some(record) = &change.record else { return Ok(false) };
        let mut known = self.known.lock().await;
        if !matches!(&*known, Some((since, _)) if since.elapsed() < KNOWN_FOR) {
            let items = items::in_force(self.store.read()).await?;
            let authorized =
                items.into_values().filter(|item| item.body.nature() == items::Nature::Authorized);
            *known = Some((Instant::now(), authorized.map(|item| item.body.item).collect()));
        }
        Ok(known.as_ref().is_some_and(|(_, items)| items.contains(&record.item)))
    }
}
