//! Rectification 整改复查: what a visit found is ordered to be put right, reported, and checked again.
use std::sync::Arc;

use chassis::{Answer, Context, Fault, Tx, storage::corrupt};
use contract::sampling::v1::{self as api, ErrorReason, rectification::State};
use serde_json::json;

use super::{found_something, rows, rules};
use crate::{
    Sampling, inspectors, rights,
    visits::{self, Stored},
};

/// Orders to put right what a visit found.
pub async fn order(
    _: &Arc<Sampling>,
    context: &Context,
    tx: &Tx,
    request: api::OrderRectificationRequest,
) -> Answer<api::Visit> {
    let (visit, plan) = visits::own(tx, context, &request.visit).await?;
    found_something(&visit)?;
    if let Some(violation) = rules::judge_order(&request, context.today()) {
        return Err(Fault::fields(vec![violation]));
    }
    rights::no_identity_number("text", &request.text)?;
    let ordered = api::Rectification {
        state: State::Ordered as i32,
        document_number: request.document_number,
        text: request.text,
        ordered_on: context.today().to_string(),
        due_on: request.due_on,
        ..Default::default()
    };
    if !rows::insert_rectification(tx, &visit.visit_id, &ordered).await? {
        return Err(wrong_state(&visit, "has an order already", "已下达责令改正"));
    }
    let detail = json!({ "documentNumber": ordered.document_number, "dueOn": ordered.due_on });
    visits::decide(tx, context, "rectification.ordered", &visit, detail).await?;
    visits::wire_one(tx, context, &plan, visit).await
}

fn wrong_state(visit: &Stored, en: &str, zh: &str) -> Fault {
    let id = &visit.visit_id;
    Fault::precondition(
        ErrorReason::RectificationState.as_str_name(),
        format!("visit \"{id}\" {en}; look at its rectification with GET /sampling/v1/visits/{id}"),
        format!("检查任务“{id}”{zh}；请通过 GET /sampling/v1/visits/{id} 查看整改情况"),
    )
}

// The order that stands, for a step that its state allows.
async fn standing(tx: &Tx, visit: &Stored, allowed: &[State]) -> Answer<api::Rectification> {
    let on_site =
        rows::of_visits(&**tx, &[&visit.visit_id]).await?.remove(&visit.visit_id).unwrap_or_default();
    let Some(found) = on_site.rectification else {
        return Err(wrong_state(visit, "has no order to put anything right", "未下达责令改正"));
    };
    if allowed.contains(&found.state()) {
        return Ok(found);
    }
    let state = found.state().as_str_name();
    Err(wrong_state(visit, &format!("has a rectification that is {state}"), &format!("的整改状态为 {state}")))
}

/// Notes that the enterprise reports it as put right.
pub async fn report(
    _: &Arc<Sampling>,
    context: &Context,
    tx: &Tx,
    request: api::ReportRectificationRequest,
) -> Answer<api::Visit> {
    let (visit, plan) = visits::own(tx, context, &request.visit).await?;
    let mut found = standing(tx, &visit, &[State::Ordered, State::NotCorrected]).await?;
    let day = rules::judge_day("reportedOn", &request.reported_on, &found.ordered_on, context.today());
    if let Some(violation) = day {
        return Err(Fault::fields(vec![violation]));
    }
    let reported_on = request.reported_on.parse().map_err(|error| corrupt("date", error))?;
    let (due_on, basis) =
        rules::recheck_due(reported_on, &plan.region).ok_or_else(|| corrupt("term", "none is in force"))?;
    let before = found.state();
    found.state = State::Reported as i32;
    found.reported_on = request.reported_on;
    (found.recheck_due_on, found.recheck_basis) = (due_on.to_string(), basis);
    if !rows::update_rectification(tx, &visit.visit_id, &found, before).await? {
        return Err(visits::overtaken());
    }
    let detail = json!({ "reportedOn": found.reported_on, "recheckDueOn": found.recheck_due_on, "basis": found.recheck_basis });
    visits::decide(tx, context, "rectification.reported", &visit, detail).await?;
    visits::wire_one(tx, context, &plan, visit).await
}

/// Records a check of what was to be put right.
pub async fn recheck(
    _: &Arc<Sampling>,
    context: &Context,
    tx: &Tx,
    request: api::RecheckVisitRequest,
) -> Answer<api::Visit> {
    let (visit, plan) = visits::own(tx, context, &request.visit).await?;
    let mut found = standing(tx, &visit, &[State::Ordered, State::Reported, State::NotCorrected]).await?;
    let violations = rules::judge_recheck(&request, &found.ordered_on, context.today());
    if !violations.is_empty() {
        return Err(Fault::fields(violations));
    }
    rights::no_identity_number("text", &request.text)?;
    inspectors::registered(&**tx, &request.inspectors, &plan.departments).await?;
    let before = found.state();
    let place = i32::try_from(found.rechecks.len()).unwrap_or(i32::MAX);
    let recheck = api::Recheck {
        rechecked_on: request.rechecked_on,
        corrected: request.corrected,
        text: request.text,
        inspectors: request.inspectors,
        next_due_on: request.next_due_on,
    };
    let state = if recheck.corrected { State::Corrected } else { State::NotCorrected };
    found.state = state as i32;
    if !recheck.corrected {
        found.due_on.clone_from(&recheck.next_due_on);
        (found.reported_on, found.recheck_due_on, found.recheck_basis) = Default::default();
    }
    if !rows::update_rectification(tx, &visit.visit_id, &found, before).await? {
        return Err(visits::overtaken());
    }
    rows::insert_recheck(tx, &visit.visit_id, place, &recheck).await?;
    let detail = json!({ "recheckedOn": recheck.rechecked_on, "corrected": recheck.corrected,
        "inspectors": recheck.inspectors, "nextDueOn": recheck.next_due_on });
    visits::decide(tx, context, "rectification.rechecked", &visit, detail).await?;
    visits::wire_one(tx, context, &plan, visit).await
}
