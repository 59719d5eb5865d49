//! Names to codes 名称匹配: the subjects that names mean, for calls and for files without codes.
mod rows;
mod rules;

use std::{collections::HashMap, sync::Arc};

use chassis::{Answer, Context, Store};
use contract::credit::v1 as api;
use jiff::Timestamp;
use names::{Candidate, Cell};
use sea_orm::ConnectionTrait;

pub use rules::{Found, keys, link};

use crate::{Credit, outcomes, subjects, usage};

// Of one key; a name that more subjects share is left for a person anyway.
const OF_A_KEY_MOST: usize = 500;
const BATCH: usize = 5_000;

/// Finds the subjects that names mean. What is registered of an enterprise is public, so that no purpose is asked.
pub async fn match_subjects(
    app: &Arc<Credit>,
    context: &Context,
    request: api::MatchSubjectsRequest,
) -> Answer<api::MatchSubjectsResponse> {
    if !context.caller.enterprise().is_empty() {
        return Err(outcomes::not_for_enterprises());
    }
    let names: Vec<&str> = request.names.iter().map(String::as_str).collect();
    let found = look_up(app.store.read(), &names).await?;
    usage::matched(&app.store, context, names.len()).await?;
    let results = request.names.into_iter().map(|name| {
        let found = found.get(&name).map_or(&[][..], Vec::as_slice);
        rules::wire(name, found, request.include_doubtful, context.language)
    });
    Ok(api::MatchSubjectsResponse { results: results.collect() })
}

/// What each name may mean, the most like first. Names that may not be looked up find nothing.
pub async fn look_up(db: &impl ConnectionTrait, names: &[&str]) -> Answer<HashMap<String, Vec<Found>>> {
    let mut asked: HashMap<&str, Cell> = HashMap::new();
    for &name in names {
        if rules::may_be_asked(name) {
            asked.entry(name).or_insert_with(|| Cell::read(name));
        }
    }
    let mut keys: Vec<i64> = asked.values().flat_map(Cell::keys).collect();
    keys.sort_unstable();
    keys.dedup();
    let register = rows::by_keys(db, &keys, OF_A_KEY_MOST).await?;
    let judged = asked.into_iter().map(|(name, cell)| {
        let mut places: Vec<usize> =
            cell.keys().iter().filter_map(|key| register.places.get(key)).flatten().copied().collect();
        places.sort_unstable();
        places.dedup();
        let subjects: Vec<names::Subject> =
            places.iter().map(|&place| rules::subject(&register.subjects[place])).collect();
        let crowded = cell.keys().iter().any(|key| register.crowded(*key, OF_A_KEY_MOST));
        let found = names::decide(&cell, &subjects).into_iter().map(|candidate: Candidate| {
            let of = &subjects[candidate.subject];
            rules::found(&register.subjects[places[candidate.subject]], of, candidate, crowded)
        });
        (name.to_owned(), found.collect())
    });
    Ok(judged.collect())
}

/// Makes the keys of names that have none: of a database from before they were kept, or kept in another way. Each batch is a transaction, so
/// that whoever starts next goes on where it broke off.
pub async fn complete(store: &Store, now: Timestamp) -> anyhow::Result<()> {
    let tx = store.begin().await?;
    subjects::lock(&tx).await?;
    rows::renew(&tx, names::KEY_VERSION).await?;
    tx.commit().await?;
    let mut made = 0;
    loop {
        let tx = store.begin().await?;
        subjects::lock(&tx).await?;
        let batch = subjects::keyless(&tx, BATCH).await?;
        if batch.is_empty() {
            break;
        }
        subjects::put_keys(&tx, now, &batch).await?;
        tx.commit().await?;
        made += batch.len();
        tracing::info!(made, "names got their keys");
    }
    Ok(())
}
