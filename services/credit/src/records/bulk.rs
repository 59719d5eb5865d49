//! Withdrawing in bulk what one import took in: the same versions and feed entries as one by one, in few statements.
use chassis::{Answer, Tx};
use contract::credit::v1::{change::Kind, record::Status};
use jiff::Timestamp;

use super::rows;
use crate::changes;

/// Withdraws the records between two ids that stand as they were first taken in; how many they were.
pub async fn withdraw_untouched(
    tx: &Tx,
    now: Timestamp,
    between: (&str, &str),
    why: &rows::Withdrawal<'_>,
) -> Answer<usize> {
    let present = rows::untouched(tx, between.0, between.1).await?;
    if present.is_empty() {
        return Ok(0);
    }
    let mut withdrawn: Vec<_> = present
        .iter()
        .map(|present| {
            let mut record = present.record.clone();
            record.status = Status::Withdrawn.into();
            record.version += 1;
            record.recorded_at = Some(changes::stamp(now));
            record.position.clear();
            record
        })
        .collect();
    changes::append_records(tx, Kind::RecordWithdrawn, now, &mut withdrawn).await?;
    changes::in_order(tx, present.iter().map(|present| present.record.position.as_str()))?;
    rows::withdraw_untouched(tx, now, between, why).await?;
    Ok(present.len())
}
