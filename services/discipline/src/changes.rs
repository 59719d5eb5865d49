//! The feed of the lists 名单变更流: what is appended with each change of a listing, and who may follow it.
use std::{collections::BTreeSet, sync::Arc};

use chassis::{
    Answer, Context, Fault, Tx,
    clock::{from_micros, micros, wire},
    feed::{self, Entry},
    storage::corrupt,
};
use contract::{
    discipline::v1::{self as api, change::Kind},
    r#type::v1::ErrorReason as Common,
};
use futures::stream::BoxStream;
use prost::Message;
use tonic::Status;

use crate::{Discipline, listings};

/// A change as the outbox keeps it. The wording's version is the replicas' concern, not the contract's.
#[derive(Clone, PartialEq, Message)]
pub struct Kept {
    /// The change; none where a directory's wording was put, which is no change of a listing.
    #[prost(message, optional, tag = "1")]
    pub change: Option<api::Change>,
    /// The version of the list's wording.
    #[prost(int32, tag = "2")]
    pub list_version: i32,
}

impl Kept {
    /// Reads it back.
    pub fn read(entry: &Entry) -> Answer<Self> {
        Self::decode(entry.payload.as_slice()).map_err(|error| corrupt("change", error))
    }
}

/// Appends a listing as it stands after a change; gives its place in the feed.
pub async fn append(tx: &Tx, context: &Context, kind: Kind, listing: &str) -> Answer<String> {
    let row = listings::stored(&**tx, listing).await?;
    let row = row.ok_or_else(|| Fault::internal(anyhow::anyhow!("listing {listing} vanished")))?;
    let (uscc, list_version) = (row.uscc.clone(), row.list_version);
    let change = api::Change {
        uscc: uscc.clone(),
        kind: kind.into(),
        listing: Some(row.on(context.today())),
        recorded_at: Some(wire(from_micros(micros(context.now)))),
        ..Default::default()
    };
    let kept = Kept { change: Some(change), list_version };
    feed::append(tx, vec![(uscc, kept.encode_to_vec())]).await?;
    Ok(tx.position().map(|position| position.to_string()).unwrap_or_default())
}

/// Appends that a list's or measure's wording was put, for the replicas.
pub async fn append_wording(tx: &Tx) -> Answer<()> {
    feed::append(tx, vec![(String::new(), Kept::default().encode_to_vec())]).await
}

/// Serves the feed.
pub async fn watch(
    app: &Arc<Discipline>,
    context: &Context,
    request: api::WatchRequest,
) -> Answer<BoxStream<'static, Result<api::Change, Status>>> {
    if !context.caller.enterprise().is_empty() {
        return Err(Fault::denied(
            Common::ScopeMissing.as_str_name(),
            "the feed tells of every subject; an enterprise's own client asks for its own listings by GET /discipline/v1/listings",
            "变更流涉及全部主体；企业客户端请通过 GET /discipline/v1/listings 查询本企业",
        ));
    }
    let lists: BTreeSet<String> = request.lists.into_iter().collect();
    let decode = move |entry: Entry| {
        let Some(mut change) = Kept::read(&entry)?.change else { return Ok(None) };
        let list = change.listing.as_ref().map_or("", |listing| &listing.list_id);
        if !lists.is_empty() && !lists.contains(list) {
            return Ok(None);
        }
        change.position = entry.position.to_string();
        Ok(Some(change))
    };
    let changes = feed::watch(app.store.clone(), context, &request.cursor, request.until_caught_up, decode)?;
    Ok(Box::pin(changes))
}
