//! Follows credit's feed for the items that rules speak of, as long as there are rules.
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use chassis::{Answer, storage::corrupt};
use contract::{
    credit::v1::{Change, Record, change::Kind},
    discipline::v1 as api,
};
use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use super::{judge, rows};
use crate::Discipline;

// A city has tens of rules, not thousands.
const RULES_MOST: u64 = 1_000;
const ITEMS_MOST: usize = 100;
const PAUSE: Duration = Duration::from_secs(1);

/// Looks at the feed again and again, until the process stops.
pub async fn run(app: Arc<Discipline>, stopping: CancellationToken) {
    while !stopping.is_cancelled() {
        let looked = tokio::select! {
            looked = look(&app) => looked,
            () = stopping.cancelled() => return,
        };
        if let Err(fault) = looked {
            tracing::warn!(%fault, "credit's feed can't be watched for suggestions now");
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = stopping.cancelled() => {}
        }
    }
}

// Everything that is new for the items of the rules as they stand now. Rules that are put meanwhile are met at the next look.
async fn look(app: &Arc<Discipline>) -> Answer<()> {
    let rules = rows::rules(app.store.read(), "", RULES_MOST).await?;
    let items: BTreeSet<String> =
        rules.iter().filter(|rule| !rule.resting).map(|rule| rule.item.clone()).take(ITEMS_MOST).collect();
    if items.is_empty() {
        return Ok(());
    }
    let mut of_item: BTreeMap<&str, Vec<&api::SuggestionRule>> = BTreeMap::new();
    for rule in &rules {
        of_item.entry(&rule.item).or_default().push(rule);
    }
    let items: Vec<String> = items.into_iter().collect();
    let key = items.join(",");
    let mut at = rows::position(app.store.read(), &key).await?;
    let changes = app.credit.changes(at.clone(), items).await?;
    let mut batches = changes.ready_chunks(500);
    while let Some(batch) = batches.next().await {
        let batch: Vec<Change> = batch.into_iter().collect::<Result<_, _>>()?;
        let Some(to) = batch.last().map(|change| change.position.clone()) else { continue };
        if !apply(app, &of_item, batch, (&key, &at, &to)).await? {
            // Another replica was faster: take up where it stands.
            return Ok(());
        }
        at = to;
    }
    Ok(())
}

async fn apply(
    app: &Arc<Discipline>,
    of_item: &BTreeMap<&str, Vec<&api::SuggestionRule>>,
    batch: Vec<Change>,
    (items, from, to): (&str, &str, &str),
) -> Answer<bool> {
    let now = app.clock.now();
    let tx = app.store.begin().await?;
    if !rows::advance(&tx, items, from, to).await? {
        return Ok(false);
    }
    let records = batch.into_iter().filter_map(told).collect::<Answer<Vec<(Record, bool)>>>()?;
    rows::watch(&tx, &records).await?;
    let touched: BTreeSet<(&str, &str)> =
        records.iter().map(|(record, _)| (record.uscc.as_str(), record.item.as_str())).collect();
    for (uscc, item) in touched {
        for rule in of_item.get(item).into_iter().flatten() {
            judge(&tx, now, rule, uscc).await?;
        }
    }
    tx.commit().await?;
    Ok(true)
}

// The record that a change tells of, and whether it has ended; none of changes of another kind.
fn told(change: Change) -> Option<Answer<(Record, bool)>> {
    let ended = match change.kind() {
        Kind::RecordAccepted | Kind::RecordCorrected => false,
        Kind::RecordWithdrawn | Kind::RecordRepaired => true,
        _ => return None,
    };
    let position = change.position;
    Some(
        change
            .record
            .ok_or_else(|| corrupt("change", format!("{position} has no record")))
            .map(|record| (record, ended)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_tell_of_records_and_of_their_end() {
        let change =
            |kind: Kind| Change { kind: kind.into(), record: Some(Record::default()), ..Default::default() };
        let ended = |kind| told(change(kind)).map(|found| found.expect("a record").1);
        assert_eq!((ended(Kind::RecordAccepted), ended(Kind::RecordCorrected)), (Some(false), Some(false)));
        assert_eq!((ended(Kind::RecordWithdrawn), ended(Kind::RecordRepaired)), (Some(true), Some(true)));
        assert_eq!((ended(Kind::RecordMarked), ended(Kind::Progress)), (None, None));
        let empty = Change { kind: Kind::RecordAccepted.into(), ..Default::default() };
        assert!(told(empty).expect("a record").is_err());
    }
}
