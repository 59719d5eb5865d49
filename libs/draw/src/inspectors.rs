//! Who inspects 执法检查人员抽取: among those who may, the smallest tickets for the visit.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use crate::seed::{Seed, Ticket};

/// An inspector, as far as the draw asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspector {
    /// The inspector's id.
    pub id: String,
    /// What the inspector is qualified for.
    pub skills: BTreeSet<String>,
    /// Codes of the subjects that the inspector must keep away from 回避.
    pub conflicts: BTreeSet<String>,
    /// The first day of service, where limited.
    pub available_from: Option<Date>,
    /// The last day of service, where limited.
    pub available_until: Option<Date>,
    /// Visits that the inspector has to make already.
    pub workload: u32,
}

/// What a visit needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Team {
    /// Inspectors on a visit.
    pub size: usize,
    /// The skills that each of them needs.
    pub skills: BTreeSet<String>,
    /// The first day on which the visit may fall.
    pub from: Date,
    /// The last one.
    pub until: Date,
    /// The number of visits at which an inspector gets no more.
    pub workload_cap: u32,
}

/// Why an inspector was not in the draw for a visit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skip {
    /// Lacks a skill that the visit needs.
    LacksSkill(String),
    /// Not in service on every day on which the visit may fall.
    NotAvailable,
    /// Must keep away from the subject.
    Conflict,
    /// Has as many visits as the cap allows.
    AtWorkloadCap,
}

/// The inspectors of a visit; fewer than the team's size where there are not enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The subject visited.
    pub uscc: String,
    /// The ids of the inspectors drawn, tickets ascending.
    pub inspectors: Vec<String>,
    /// Who was not in this visit's draw, and why.
    pub skipped: Vec<(String, Skip)>,
}

/// Draws the inspectors of visits, taken in the order given, so that each visit sees the workload that those before
/// it leave.
pub fn assign<'a>(
    seed: &Seed,
    visits: impl IntoIterator<Item = &'a str>,
    inspectors: &[Inspector],
    team: &Team,
) -> Vec<Assignment> {
    let mut workload: BTreeMap<&str, u32> = inspectors.iter().map(|i| (i.id.as_str(), i.workload)).collect();
    let assigned = visits.into_iter().map(|uscc| {
        let mut tickets: Vec<(Ticket, &str)> = Vec::new();
        let mut skipped = Vec::new();
        for inspector in inspectors {
            match skip(inspector, uscc, team, workload[inspector.id.as_str()]) {
                Some(why) => skipped.push((inspector.id.clone(), why)),
                None => tickets.push((seed.inspector_ticket(uscc, &inspector.id), &inspector.id)),
            }
        }
        tickets.sort_unstable();
        tickets.truncate(team.size);
        for (_, id) in &tickets {
            *workload.entry(id).or_default() += 1;
        }
        let inspectors = tickets.into_iter().map(|(_, id)| id.to_owned()).collect();
        Assignment { uscc: uscc.to_owned(), inspectors, skipped }
    });
    assigned.collect()
}

fn skip(inspector: &Inspector, uscc: &str, team: &Team, workload: u32) -> Option<Skip> {
    if let Some(lacking) = team.skills.difference(&inspector.skills).next() {
        return Some(Skip::LacksSkill(lacking.clone()));
    }
    let starts_late = inspector.available_from.is_some_and(|from| from > team.from);
    let ends_early = inspector.available_until.is_some_and(|until| until < team.until);
    if starts_late || ends_early {
        return Some(Skip::NotAvailable);
    }
    if inspector.conflicts.contains(uscc) {
        return Some(Skip::Conflict);
    }
    (workload >= team.workload_cap).then_some(Skip::AtWorkloadCap)
}
