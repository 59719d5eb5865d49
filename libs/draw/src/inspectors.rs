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
    /// The last day of the law enforcement certificate, where it is on file.
    pub certificate_until: Option<Date>,
    /// First and last days of leave.
    pub leaves: Vec<(Date, Date)>,
    /// Whether the inspector was taken off the register.
    pub inactive: bool,
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
    /// Was taken off the register.
    Inactive,
    /// Lacks a skill that the visit needs.
    LacksSkill(String),
    /// Not in service on every day on which the visit may fall.
    NotAvailable,
    /// The certificate ends before the last day on which the visit may fall.
    CertificateExpired,
    /// On leave on a day on which the visit may fall.
    OnLeave,
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
    let barred: Vec<Option<Skip>> = inspectors.iter().map(|inspector| barred(inspector, team)).collect();
    let mut workload: Vec<u32> = inspectors.iter().map(|inspector| inspector.workload).collect();
    let assigned = visits.into_iter().map(|uscc| {
        let mut tickets: Vec<(Ticket, usize)> = Vec::new();
        let mut skipped = Vec::new();
        for (index, inspector) in inspectors.iter().enumerate() {
            let skip = barred[index].clone().or_else(|| skip(inspector, uscc, team, workload[index]));
            match skip {
                Some(why) => skipped.push((inspector.id.clone(), why)),
                None => tickets.push((seed.inspector_ticket(uscc, &inspector.id), index)),
            }
        }
        tickets.sort_unstable();
        tickets.truncate(team.size);
        for (_, index) in &tickets {
            workload[*index] += 1;
        }
        let inspectors = tickets.into_iter().map(|(_, index)| inspectors[index].id.clone()).collect();
        Assignment { uscc: uscc.to_owned(), inspectors, skipped }
    });
    assigned.collect()
}

/// Why an inspector can take no visit of the team's at all, whomever it is to; nothing where it can take some.
pub fn barred(inspector: &Inspector, team: &Team) -> Option<Skip> {
    if inspector.inactive {
        return Some(Skip::Inactive);
    }
    if let Some(lacking) = team.skills.difference(&inspector.skills).next() {
        return Some(Skip::LacksSkill(lacking.clone()));
    }
    let starts_late = inspector.available_from.is_some_and(|from| from > team.from);
    let ends_early = inspector.available_until.is_some_and(|until| until < team.until);
    if starts_late || ends_early {
        return Some(Skip::NotAvailable);
    }
    if inspector.certificate_until.is_some_and(|until| until < team.until) {
        return Some(Skip::CertificateExpired);
    }
    let away = |(from, to): &(Date, Date)| *from <= team.until && *to >= team.from;
    inspector.leaves.iter().any(away).then_some(Skip::OnLeave)
}

fn skip(inspector: &Inspector, uscc: &str, team: &Team, workload: u32) -> Option<Skip> {
    if inspector.conflicts.contains(uscc) {
        return Some(Skip::Conflict);
    }
    (workload >= team.workload_cap).then_some(Skip::AtWorkloadCap)
}

/// The subjects for which recusals leave fewer inspectors than the team needs, each with how many are left; of those
/// who can take visits at all there must be enough.
pub fn impossible(inspectors: &[Inspector], team: &Team) -> Vec<(String, usize)> {
    let able: Vec<&Inspector> = inspectors.iter().filter(|one| barred(one, team).is_none()).collect();
    let mut recusals: BTreeMap<&str, usize> = BTreeMap::new();
    for uscc in able.iter().flat_map(|inspector| &inspector.conflicts) {
        *recusals.entry(uscc).or_default() += 1;
    }
    let left = recusals.into_iter().map(|(uscc, recused)| (uscc.to_owned(), able.len() - recused));
    left.filter(|(_, left)| *left < team.size).collect()
}
