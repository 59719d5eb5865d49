//! A subject that can't be visited gives its place 替补 to the next ticket of its stratum; who is at the yearly cap is passed over in plain
//! sight.
use std::sync::Arc;

use chassis::{Answer, Context, Fault, Tx, clock::micros, storage::corrupt};
use contract::sampling::v1::{self as api, ErrorReason, plan::Kind, visit::Status};
use draw::{Quotas, Replacement, Roster, Seed};
use serde_json::json;

use super::{
    decide, in_state, overtaken, own, rows,
    rows::Stored,
    staffing::{self, Opening, open},
    wire_one,
};
use crate::{
    Sampling, draws,
    frequencies::{self, Bump, Caps},
    plans, rights,
};

/// Replaces a visit.
pub async fn replace(
    _: &Arc<Sampling>,
    context: &Context,
    tx: &Tx,
    request: api::ReplaceVisitRequest,
) -> Answer<api::Visit> {
    let before = rows::find(&**tx, &request.visit).await?;
    // Replacements of a draw build on one another: the next ticket is the one after those called so far.
    if let Some(before) = before {
        draws::lock(tx, &before.draw).await?;
    }
    let (mut visit, plan) = own(tx, context, &request.visit).await?;
    plans::may_draw(context, &plan)?;
    in_state(
        &visit,
        &[Status::Planned],
        "only a visit that is still planned can be replaced",
        "只有待检查的任务可以替补",
    )?;
    if visit.kind != Kind::Random as i32 {
        return Err(not_drawn(&visit));
    }
    rights::no_identity_number("reason", &request.reason)?;
    let draw = draws::find(&**tx, &visit.draw).await?.ok_or_else(|| corrupt("visit", "its draw is gone"))?;
    let others = rows::of_draw(&**tx, &visit.draw).await?;
    let earlier = others.iter().filter(|one| !one.replaces.is_empty());
    let mut impossible: Vec<(String, String)> =
        earlier.map(|one| (one.replaces.clone(), one.replace_reason.clone())).collect();
    let known = impossible.len();
    impossible.push((visit.uscc.clone(), request.reason.clone()));
    let kept = draws::kept(tx, &visit.draw).await?;
    let (roster, quotas) = draws::read_back(&kept, &draw.quota_text)?;
    let seed = Seed::of(draw.seed.clone());
    let year = frequencies::year_of(&plan);
    let caps = Caps::parse(&draw.cap_text);
    let cap = caps.of_stratum(&visit.stratum);
    let chain = Chain { seed: &seed, roster: &roster, quotas: &quotas, known, year, cap };
    let replacements = chain.within_cap(tx, context, impossible).await?;
    visit.status = Status::Replaced as i32;
    if !rows::update(tx, &visit, Status::Planned).await? {
        return Err(overtaken());
    }
    let place = others.iter().map(|one| one.place).max().unwrap_or(-1) + 1;
    let visits = staffing::standing_in(place, &replacements, &roster, &kept.names, micros(context.now));
    let opened = open(tx, context, &plan, Opening { id: &visit.draw, seed: &seed, visits }).await?;
    let opened = opened.visits.into_iter().next_back().ok_or_else(|| corrupt("visit", "it is gone"))?;
    let detail = json!({ "replacedBy": opened.uscc, "reason": request.reason, "ticket": opened.ticket,
        "passedOverAtCap": replacements.len() - 1 });
    decide(tx, context, "visit.replaced", &visit, detail).await?;
    wire_one(tx, context, &plan, opened).await
}

fn not_drawn(visit: &Stored) -> Fault {
    let id = &visit.visit_id;
    Fault::precondition(
        ErrorReason::PlanKind.as_str_name(),
        format!(
            "visit \"{id}\" was ordered, not drawn: nobody has the next ticket; order another subject with its reason"
        ),
        format!("检查任务“{id}”系指定而非抽取，没有后号可以替补；如需检查其他主体，请另行下达并说明事由"),
    )
}

struct Chain<'a> {
    seed: &'a Seed,
    roster: &'a Roster,
    quotas: &'a Quotas,
    // So many were replaced before.
    known: usize,
    year: i32,
    cap: Option<i32>,
}

impl Chain<'_> {
    // Who takes the place, and who was passed over at the cap on the way; the last is counted, and whose place it is no longer.
    async fn within_cap(
        &self,
        tx: &Tx,
        context: &Context,
        mut impossible: Vec<(String, String)>,
    ) -> Answer<Vec<Replacement>> {
        let out = impossible.last().map(|(uscc, _)| uscc.clone()).unwrap_or_default();
        let today = context.today().to_string();
        loop {
            let replacements = draw::replace(self.seed, self.roster, self.quotas, &impossible);
            let mut replacements = replacements.map_err(|fault| exhausted(&fault))?;
            let next = replacements.last().ok_or_else(|| corrupt("draw", "no ticket"))?.replaced_by.clone();
            let mark = tx.mark().await?;
            let changes = vec![Bump::given_back(&out), Bump::drawn(&next, &today)];
            frequencies::bump(tx, self.year, changes).await?;
            let above = match self.cap {
                Some(cap) => {
                    frequencies::above(&**tx, self.year, cap).await?.get(&next).map(|n| (n - 1, cap))
                }
                None => None,
            };
            let Some((visits, cap)) = above else { return Ok(replacements.split_off(self.known)) };
            tx.rewind(&mark).await?;
            impossible.push((next, frequencies::rules::at_cap(visits, cap, self.year)));
        }
    }
}

fn exhausted(fault: &draw::Fault) -> Fault {
    Fault::precondition(ErrorReason::StratumExhausted.as_str_name(), fault.message_en(), fault.message_zh())
}
