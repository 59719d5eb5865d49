//! Visits come into being: each with the inspectors that its ticket draws, and with who was passed over and why.
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use chassis::{Answer, Context, Fault, Tx, ids, language::Text, storage::corrupt};
use contract::sampling::v1::{self as api, plan::Kind, skipped_inspector::Reason, visit::Status};
use draw::{Assignment, Drawn, Inspector, Roster, Seed, Selected, Skip, Team};
use sea_orm::{ConnectionTrait, Value};

use super::{
    rows::{self, Passed, Stored},
    rules,
};
use crate::{inspectors, items, plans};

/// Whom a draw visits, each with its stratum: the selection, where some had to be replaced at once.
pub fn visited(drawn: &Drawn) -> Vec<(&str, &str)> {
    let out = out_of(drawn);
    let selected = drawn.selected.iter().map(|one| (one.uscc.as_str(), one.stratum.as_str()));
    let standing_in = drawn.replacements.iter().map(|one| (one.replaced_by.as_str(), one.stratum.as_str()));
    selected.chain(standing_in).filter(|(uscc, _)| !out.contains_key(uscc)).collect()
}

// Who of a draw is not visited, and whether it is because nobody was left to take the place.
fn out_of(drawn: &Drawn) -> HashMap<&str, Status> {
    let replaced = drawn.replacements.iter().map(|one| (one.uscc.as_str(), Status::Replaced));
    replaced.chain(drawn.unfilled.iter().map(|one| (one.uscc.as_str(), Status::Cancelled))).collect()
}

/// The visits of a draw, in its order, yet without ids. Who was at the yearly cap has one too, which is not made: so it is seen.
pub fn drawn(drawn: &Drawn, roster: &Roster, names: &str, at: i64) -> Vec<Stored> {
    let out = out_of(drawn);
    let standing_in = drawn.replacements.iter().map(replacing);
    let all: Vec<Selected> = drawn.selected.iter().cloned().chain(standing_in).collect();
    let names = names_of(&all, roster, names);
    let mut visits: Vec<Stored> = (0..).zip(&all).map(|(place, one)| visit(place, one, &names)).collect();
    for visit in &mut visits {
        if let Some(status) = out.get(visit.uscc.as_str()) {
            (visit.status, visit.over_cap) = (*status as i32, true);
        }
    }
    for (visit, replacement) in visits.iter_mut().skip(drawn.selected.len()).zip(&drawn.replacements) {
        stand_in(visit, replacement, at);
    }
    visits
}

fn visit(place: i32, one: &Selected, names: &HashMap<&str, &str>) -> Stored {
    Stored {
        place,
        uscc: one.uscc.clone(),
        name: names.get(one.uscc.as_str()).copied().unwrap_or_default().to_owned(),
        stratum: one.stratum.clone(),
        ticket: one.ticket.clone(),
        status: Status::Planned as i32,
        kind: Kind::Random as i32,
        ..Default::default()
    }
}

fn replacing(replacement: &draw::Replacement) -> Selected {
    Selected {
        uscc: replacement.replaced_by.clone(),
        stratum: replacement.stratum.clone(),
        ticket: replacement.ticket.clone(),
    }
}

fn stand_in(visit: &mut Stored, replacement: &draw::Replacement, at: i64) {
    visit.replaces = replacement.uscc.clone();
    visit.replace_reason = replacement.reason.clone();
    visit.replaced_at = at;
}

/// The visits that take a place, from a place on: all but the last were at their yearly cap and were replaced in turn.
pub fn standing_in(
    place: i32,
    replacements: &[draw::Replacement],
    roster: &Roster,
    names: &str,
    at: i64,
) -> Vec<Stored> {
    let all: Vec<Selected> = replacements.iter().map(replacing).collect();
    let names = names_of(&all, roster, names);
    let mut visits: Vec<Stored> = (place..).zip(&all).map(|(place, one)| visit(place, one, &names)).collect();
    for (visit, replacement) in visits.iter_mut().zip(replacements) {
        stand_in(visit, replacement, at);
    }
    let last = visits.len().saturating_sub(1);
    for visit in &mut visits[..last] {
        (visit.status, visit.over_cap) = (Status::Replaced as i32, true);
    }
    visits
}

// The names that the roster was frozen with, of those who are drawn.
fn names_of<'a>(selected: &[Selected], roster: &'a Roster, names: &'a str) -> HashMap<&'a str, &'a str> {
    let drawn: HashSet<&str> = selected.iter().map(|one| one.uscc.as_str()).collect();
    let lines = roster.members().map(|(uscc, _)| uscc).zip(names.lines());
    lines.filter(|(uscc, _)| drawn.contains(uscc)).collect()
}

/// Who can be drawn for a part of a plan, and what its visits need.
pub struct Staff {
    pub candidates: Vec<Inspector>,
    pub team: Team,
}

/// The staff of a plan: one or, where each department sends a team of its own, one of each.
pub async fn staff(db: &impl ConnectionTrait, plan: &api::Plan) -> Answer<Vec<Staff>> {
    let items = items::among(db, &plan.inspection_items).await?;
    let mut all = Vec::new();
    for part in plans::parts(plan, &items) {
        let of_part: Vec<api::InspectionItem> = items
            .iter()
            .filter(|item| part.inspection_items.contains(&item.inspection_item_id))
            .cloned()
            .collect();
        let team = rules::team(&part, &of_part).ok_or_else(|| corrupt("plan", "its period"))?;
        all.push(Staff { candidates: inspectors::candidates(db, &part).await?, team });
    }
    Ok(all)
}

/// Visits to open.
pub struct Opening<'a> {
    /// The draw's id, or the order's.
    pub id: &'a str,
    /// By which inspectors are drawn.
    pub seed: &'a Seed,
    /// The visits, in their order, yet without ids.
    pub visits: Vec<Stored>,
}

/// Visits that were opened.
pub struct Opened {
    /// The visits, in their order.
    pub visits: Vec<Stored>,
    /// How many of those that are to be made have fewer inspectors than the plan wants.
    pub understaffed: i64,
}

/// Opens visits, in the order given: draws the inspectors of those that are to be made and writes all of it.
pub async fn open(tx: &Tx, context: &Context, plan: &api::Plan, opening: Opening<'_>) -> Answer<Opened> {
    let Opening { id, seed, mut visits } = opening;
    let mut parts = staff(&**tx, plan).await?;
    let workload = rows::workload(&**tx, id).await?;
    for candidate in parts.iter_mut().flat_map(|part| &mut part.candidates) {
        candidate.workload = workload.get(&candidate.id).copied().unwrap_or_default();
    }
    for visit in &mut visits {
        visit.visit_id = ids::fresh(context.now)?;
        visit.draw = id.to_owned();
    }
    let visits = Arc::new(visits);
    // Inspectors are drawn while the visits are written.
    let (all, seed, wanted) = (visits.clone(), seed.clone(), plans::team_size(plan));
    let drawing = tokio::task::spawn_blocking(move || Teams::drawn(&all, &seed, &parts, wanted));
    rows::insert(tx, &visits).await?;
    let Teams { inspectors, skipped, understaffed } = drawing.await.map_err(Fault::internal)?;
    rows::insert_skipped(tx, skipped).await?;
    rows::insert_teams(tx, inspectors).await?;
    Ok(Opened { visits: Arc::unwrap_or_clone(visits), understaffed })
}

// Who inspects, and who was passed over, as it is written.
struct Teams {
    inspectors: Vec<Vec<Value>>,
    skipped: Vec<Vec<Value>>,
    understaffed: i64,
}

impl Teams {
    fn drawn(visits: &[Stored], seed: &Seed, parts: &[Staff], wanted: i32) -> Self {
        let made: Vec<&Stored> = visits.iter().filter(|visit| visit.status() == Status::Planned).collect();
        // A department's inspectors are its own, so that the teams of a joint visit are drawn one beside another.
        let mut teams: Vec<Vec<String>> = vec![Vec::new(); made.len()];
        let mut skipped = Vec::new();
        for Staff { candidates, team } in parts {
            let assigned = draw::assign(seed, made.iter().map(|visit| visit.uscc.as_str()), candidates, team);
            skipped.extend(passed(&made, &assigned).iter().map(Passed::values));
            for (team, of) in teams.iter_mut().zip(assigned) {
                team.extend(of.inspectors);
            }
        }
        let short =
            |team: &&Vec<String>| i32::try_from(team.len()).is_ok_and(|inspectors| inspectors < wanted);
        let understaffed = teams.iter().filter(short).map(|_| 1).sum();
        let teams = made.iter().zip(&teams);
        let inspectors = teams.flat_map(|(visit, team)| rows::team(&visit.visit_id, team)).collect();
        Self { inspectors, skipped, understaffed }
    }
}

/// Why an inspector was passed over, as the contract says it, with the skill that is lacking.
pub fn why(skip: &Skip) -> (Reason, &str) {
    match skip {
        Skip::Inactive => (Reason::Inactive, ""),
        Skip::LacksSkill(skill) => (Reason::LacksSkill, skill),
        Skip::NotAvailable => (Reason::NotAvailable, ""),
        Skip::CertificateExpired => (Reason::CertificateExpired, ""),
        Skip::OnLeave => (Reason::OnLeave, ""),
        Skip::Conflict => (Reason::Conflict, ""),
        Skip::AtWorkloadCap => (Reason::AtWorkloadCap, ""),
    }
}

// What holds for every visit is told once for the draw, or rosters of inspectors would be written out visit by visit.
fn passed<'a>(visits: &[&'a Stored], assigned: &'a [Assignment]) -> Vec<Passed<'a>> {
    let mut passed = Vec::new();
    for (index, (drawn, of)) in visits.iter().zip(assigned).enumerate() {
        for (inspector, skip) in &of.skipped {
            let (reason, skill) = why(skip);
            let always = !matches!(skip, Skip::Conflict | Skip::AtWorkloadCap);
            if always && index > 0 {
                continue;
            }
            let visit = if always { "" } else { drawn.visit_id.as_str() };
            passed.push(Passed { draw: &drawn.draw, visit, inspector, reason, skill });
        }
    }
    passed
}

/// A warning where visits of a draw have too few inspectors; `skipped_always` are on the register and can take none.
pub fn understaffed(plan: &api::Plan, visits: i64, skipped_always: usize) -> Option<Text> {
    let wanted = plans::team_size(plan);
    (visits > 0).then(|| {
        Text::new(
            format!(
                "{visits} visits have fewer than {wanted} inspectors: register more of the plan's departments, with the \
                 skills of its inspection items and in service over its period; {skipped_always} on the register are not eligible"
            ),
            format!(
                "{visits}项检查任务的检查人员不足{wanted}名：\
                 请登记更多本计划部门、具备抽查事项所需资质且计划期内在岗的检查人员；\
                 名录库中{skipped_always}名不符合条件"
            ),
        )
    })
}
