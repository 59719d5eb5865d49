//! What accepted rows are worth 数据质量: whether they came within the term, and how much they say of what the catalogue asks.
use chassis::{clock::business_day, fault::Violation};
use jiff::Timestamp;

use super::{Judged, rules};
use crate::{
    outcomes::Verdict,
    usage::{Kind, Tally},
};

/// Counts what the accepted rows of a batch are worth.
pub fn of(now: Timestamp, judged: &[Result<Judged, Violation>], verdicts: &[Verdict]) -> Tally {
    let mut tally = Tally::default();
    let in_time_since = rules::in_time_since(business_day(now)).to_string();
    let accepted = judged.iter().zip(verdicts).filter(|(_, end)| matches!(end, Verdict::Accepted(_)));
    for row in accepted.filter_map(|(row, _)| row.as_ref().ok()) {
        let item = &row.record.item;
        if row.record.occurred_on >= in_time_since {
            tally.add(item, Kind::InTime);
        }
        let filled = row.record.fields.as_ref().map_or(0, |fields| fields.fields.len());
        for (kind, count) in [(Kind::Filled, filled), (Kind::Asked, row.asked)] {
            tally.add_many(item, kind, i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
    tally
}
