//! Visits come into being: each with the inspectors that its ticket draws, and with who was passed over and why.
use std::collections::{HashMap, HashSet};

use chassis::{Answer, Context, Tx, ids, language::Text, storage::corrupt};
use contract::sampling::v1::{self as api, skipped_inspector::Reason, visit::Status};
use draw::{Assignment, Roster, Seed, Selected, Skip};
use sea_orm::ConnectionTrait;

use super::{
    rows::{self, Passed, Stored},
    rules,
};
use crate::{inspectors, items};

/// The visits of a selection, in its order, yet without ids.
pub fn drawn(selected: &[Selected], roster: &Roster, names: &str) -> Vec<Stored> {
    let names = names_of(selected, roster, names);
    (0..).zip(selected).map(|(place, one)| visit(place, one, &names)).collect()
}

fn visit(place: i32, one: &Selected, names: &HashMap<&str, &str>) -> Stored {
    Stored {
        place,
        uscc: one.uscc.clone(),
        name: names.get(one.uscc.as_str()).copied().unwrap_or_default().to_owned(),
        stratum: one.stratum.clone(),
        ticket: one.ticket.clone(),
        status: Status::Planned as i32,
        ..Default::default()
    }
}

/// The visit that takes a place.
pub fn standing_in(place: i32, replacement: &draw::Replacement, roster: &Roster, names: &str) -> Stored {
    let one = Selected {
        uscc: replacement.replaced_by.clone(),
        stratum: replacement.stratum.clone(),
        ticket: replacement.ticket.clone(),
    };
    let visit = visit(place, &one, &names_of(std::slice::from_ref(&one), roster, names));
    Stored { replaces: replacement.uscc.clone(), replace_reason: replacement.reason.clone(), ..visit }
}

// The names that the roster was frozen with, of those who are drawn.
fn names_of<'a>(selected: &[Selected], roster: &'a Roster, names: &'a str) -> HashMap<&'a str, &'a str> {
    let drawn: HashSet<&str> = selected.iter().map(|one| one.uscc.as_str()).collect();
    let lines = roster.members().map(|(uscc, _)| uscc).zip(names.lines());
    lines.filter(|(uscc, _)| drawn.contains(uscc)).collect()
}

/// Opens visits of a draw, in the order given: draws their inspectors and writes all of it.
pub async fn open(
    tx: &Tx,
    context: &Context,
    plan: &api::Plan,
    draw: &str,
    seed: &Seed,
    visits: &[Stored],
) -> Answer<Vec<Stored>> {
    let items = items::among(&**tx, &plan.inspection_items).await?;
    let team = rules::team(plan, &items).ok_or_else(|| corrupt("plan", "its period"))?;
    let mut candidates = inspectors::candidates(&**tx, plan).await?;
    let workload = rows::workload(&**tx, draw).await?;
    for candidate in &mut candidates {
        candidate.workload = workload.get(&candidate.id).copied().unwrap_or_default();
    }
    let assigned = draw::assign(seed, visits.iter().map(|visit| visit.uscc.as_str()), &candidates, &team);
    let opened: Answer<Vec<Stored>> = visits
        .iter()
        .map(|visit| {
            Ok(Stored { visit_id: ids::fresh(context.now)?, draw: draw.to_owned(), ..visit.clone() })
        })
        .collect();
    let opened = opened?;
    rows::insert(tx, &opened).await?;
    let teams: Vec<(&str, &[String])> = opened
        .iter()
        .zip(&assigned)
        .map(|(visit, of)| (visit.visit_id.as_str(), of.inspectors.as_slice()))
        .collect();
    rows::insert_inspectors(tx, &teams).await?;
    rows::insert_skipped(tx, draw, &passed(&opened, &assigned)).await?;
    Ok(opened)
}

// What holds for every visit is told once for the draw, or rosters of inspectors would be written out visit by visit.
fn passed<'a>(visits: &'a [Stored], assigned: &'a [Assignment]) -> Vec<Passed<'a>> {
    let mut passed = Vec::new();
    for (index, (visit, of)) in visits.iter().zip(assigned).enumerate() {
        for (inspector, skip) in &of.skipped {
            let (always, reason, skill) = match skip {
                Skip::LacksSkill(skill) => (true, Reason::LacksSkill, skill.as_str()),
                Skip::NotAvailable => (true, Reason::NotAvailable, ""),
                Skip::Conflict => (false, Reason::Conflict, ""),
                Skip::AtWorkloadCap => (false, Reason::AtWorkloadCap, ""),
            };
            if always && index > 0 {
                continue;
            }
            let visit = if always { "" } else { visit.visit_id.as_str() };
            passed.push(Passed { visit, inspector, reason, skill });
        }
    }
    passed
}

/// A warning where visits of a draw have too few inspectors.
pub async fn understaffed(
    db: &impl ConnectionTrait,
    draw: &str,
    plan: &api::Plan,
    skipped_always: usize,
) -> Answer<Option<Text>> {
    let wanted = plan.inspectors_per_visit;
    let visits = rows::understaffed(db, draw, wanted).await?;
    Ok((visits > 0).then(|| {
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
    }))
}
