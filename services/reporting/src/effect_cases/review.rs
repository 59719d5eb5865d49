//! The review of a case 审核, and its publication without names 匿名发布.
use std::sync::Arc;

use chassis::{
    Answer, Context, Fault, Tx,
    clock::wire,
    decisions::{self, Decision},
    ids,
};
use contract::reporting::v1::{self as api, effect_case::State};
use serde_json::json;

use super::{rows, rules, write};
use crate::{Reporting, refusals};

/// Accepts a case.
pub async fn accept(
    _: &Arc<Reporting>,
    context: &Context,
    tx: &Tx,
    request: api::AcceptEffectCaseRequest,
) -> Answer<api::EffectCase> {
    decide(tx, context, &request.id, true, request.text).await
}

/// Returns a case with reasons; a publication ends with it.
pub async fn return_(
    _: &Arc<Reporting>,
    context: &Context,
    tx: &Tx,
    request: api::ReturnEffectCaseRequest,
) -> Answer<api::EffectCase> {
    decide(tx, context, &request.id, false, request.text).await
}

async fn decide(
    tx: &Tx,
    context: &Context,
    id: &str,
    accepted: bool,
    text: String,
) -> Answer<api::EffectCase> {
    refusals::not_office(context)?;
    refusals::personal([(String::from("text"), text.as_str())])?;
    let read = rows::find(&**tx, id).await?;
    let allowed: &[State] = if accepted { &[State::Submitted] } else { &[State::Submitted, State::Accepted] };
    rules::in_state(read.state(), allowed, "it is decided already", "已经审核")?;
    refusals::own_work(context, &read.submitted_by)?;
    let (state, kind) = if accepted {
        (State::Accepted, "effectCase.accepted")
    } else {
        (State::Returned, "effectCase.returned")
    };
    let case = api::EffectCase {
        state: state.into(),
        review: Some(refusals::review(context, accepted, text)),
        publication: None,
        etag: ids::fresh(context.now)?,
        ..read.clone()
    };
    let case = write(tx, case, &read.etag).await?;
    record(tx, context, kind, &case, "").await?;
    Ok(case)
}

async fn record(tx: &Tx, context: &Context, kind: &str, case: &api::EffectCase, basis: &str) -> Answer<()> {
    let text = case.review.as_ref().map(|review| review.text.as_str()).unwrap_or_default();
    let detail = json!({ "effectCase": case.effect_case_id, "domain": case.domain, "text": text });
    decisions::record(tx, context, Decision { kind, subject: &case.department, basis, detail }).await
}

async fn accepted(tx: &Tx, context: &Context, id: &str) -> Answer<api::EffectCase> {
    refusals::not_office(context)?;
    let read = rows::find(&**tx, id).await?;
    rules::in_state(
        read.state(),
        &[State::Accepted],
        "only an accepted case is published; review it first",
        "只有已采纳的案例可以发布；请先审核",
    )?;
    Ok(read)
}

/// Publishes a case; once more, the new words take the place of the old.
pub async fn publish(
    _: &Arc<Reporting>,
    context: &Context,
    tx: &Tx,
    request: api::PublishEffectCaseRequest,
) -> Answer<api::EffectCase> {
    let read = accepted(tx, context, &request.id).await?;
    let texts = [
        ("subject", &request.subject),
        ("place", &request.place),
        ("practice", &request.practice),
        ("effect", &request.effect),
    ];
    refusals::personal(texts.map(|(field, text)| (field.to_owned(), text.as_str())))?;
    let public = rules::publication(&read, &request)?;
    let public = api::PublicEffectCase { publish_time: Some(wire(context.now)), ..public };
    let case = api::EffectCase { publication: Some(public), etag: ids::fresh(context.now)?, ..read.clone() };
    let case = write(tx, case, &read.etag).await?;
    record(tx, context, "effectCase.published", &case, &request.named_basis).await?;
    Ok(case)
}

/// Takes a publication back.
pub async fn withdraw(
    _: &Arc<Reporting>,
    context: &Context,
    tx: &Tx,
    request: api::WithdrawEffectCaseRequest,
) -> Answer<api::EffectCase> {
    let read = accepted(tx, context, &request.id).await?;
    if read.publication.is_none() {
        return Err(Fault::precondition(
            api::ErrorReason::StateForbids.as_str_name(),
            "nothing of the case is published, so that there is nothing to take back",
            "该案例尚未发布，无需撤回",
        ));
    }
    let case = api::EffectCase { publication: None, etag: ids::fresh(context.now)?, ..read.clone() };
    let case = write(tx, case, &read.etag).await?;
    record(tx, context, "effectCase.withdrawn", &case, &request.text).await?;
    Ok(case)
}
