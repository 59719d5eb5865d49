//! Figures of objections and repairs 异议与信用修复, which each service that takes them in counts alike: by department, kind and what happened.
use std::collections::BTreeMap;

use contract::r#type::v1::FilingFigures;
use jiff::civil::Date;
use sea_orm::ConnectionTrait;

use super::{Asked, Counted, Tally, keep};
use crate::{fault::Answer, storage::Tx};

/// The figure's name.
pub const FIGURE: &str = "filings";
const OBJECTION: &str = "OBJECTION";
const FILED: &str = "FILED";
const IN_TIME: &str = "IN_TIME";
const LATE: &str = "LATE";

/// Counts one that was filed; the kind is `OBJECTION` or `REPAIR`.
pub fn count_filed(tally: &mut Tally, on: Date, department: &str, kind: &str) {
    tally.add(FIGURE, on, [department, kind, FILED, ""], 1);
}

/// Counts one that was decided, by its last day or later.
pub fn count_decided(tally: &mut Tally, on: Date, department: &str, kind: &str, due_on: &str) {
    let when = if on.to_string().as_str() <= due_on { IN_TIME } else { LATE };
    tally.add(FIGURE, on, [department, kind, when, ""], 1);
}

/// Keeps that one was filed.
pub async fn filed(tx: &Tx, on: Date, department: &str, kind: &str) -> Answer<()> {
    let mut tally = Tally::default();
    count_filed(&mut tally, on, department, kind);
    keep(tx, &tally).await
}

/// Keeps that one was decided.
pub async fn decided(tx: &Tx, on: Date, department: &str, kind: &str, due_on: &str) -> Answer<()> {
    let mut tally = Tally::default();
    count_decided(&mut tally, on, department, kind, due_on);
    keep(tx, &tally).await
}

/// How they went, span by span; of one department, or of all where it is empty.
pub async fn read(db: &impl ConnectionTrait, asked: &Asked, department: &str) -> Answer<Vec<FilingFigures>> {
    let mut all: BTreeMap<_, FilingFigures> = BTreeMap::new();
    for Counted { span, k1: department, k2: kind, k3: happened, counted, .. } in
        asked.read(db, FIGURE, department).await?
    {
        let of = all.entry((span.clone(), department.clone())).or_insert_with(|| FilingFigures {
            span,
            department,
            ..Default::default()
        });
        let counted = i32::try_from(counted).unwrap_or(i32::MAX);
        match (kind == OBJECTION, happened == FILED) {
            (true, true) => of.objections += counted,
            (true, false) => of.objections_decided += counted,
            (false, true) => of.repairs += counted,
            (false, false) => of.repairs_decided += counted,
        }
        if happened == IN_TIME {
            of.decided_in_time += counted;
        }
    }
    Ok(all.into_values().collect())
}
