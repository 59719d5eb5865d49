//! What a summary lacks, its handing in 报送, and its review 审核.
use std::sync::Arc;

use chassis::{Answer, Context, Tx, clock::wire, ids};
use contract::reporting::v1::{self as api, summary::State};

use super::{WRITTEN, attached, change, figures::named, find, open_one, record, rows, rules};
use crate::{Reporting, refusals};

/// Tells what a summary lacks.
pub async fn check(
    app: &Arc<Reporting>,
    context: &Context,
    request: api::CheckSummaryRequest,
) -> Answer<api::CheckSummaryResponse> {
    let db = app.store.read();
    let summary = find(db, &request.id).await?;
    let gaps = rules::gaps(&summary, &attached(db, &request.id).await?, &context.today().to_string());
    let complete = !gaps.iter().any(|gap| gap.needed);
    let gap = |gap: rules::Gap| api::SummaryGap {
        place: gap.place.to_owned(),
        text: gap.text.get(context.language).to_owned(),
        needed: gap.needed,
    };
    Ok(api::CheckSummaryResponse { gaps: gaps.into_iter().map(gap).collect(), complete })
}

/// Submits a summary.
pub async fn submit(
    _: &Arc<Reporting>,
    context: &Context,
    tx: &Tx,
    request: api::SubmitSummaryRequest,
) -> Answer<api::Summary> {
    let read = open_one(&**tx, context, &request.id).await?;
    refusals::stale(&request.etag, &read.etag)?;
    let gaps = rules::gaps(&read, &attached(&**tx, &request.id).await?, &context.today().to_string());
    if let Some(incomplete) = rules::incomplete(&gaps) {
        return Err(incomplete);
    }
    let submitted = api::Summary {
        state: State::Submitted.into(),
        version: read.version + 1,
        submitted_by: context.caller.name().to_owned(),
        submit_time: Some(wire(context.now)),
        review: None,
        etag: ids::fresh(context.now)?,
        ..read.clone()
    };
    let submitted = change(tx, &read, submitted).await?;
    rows::keep(tx, &submitted, context.today()).await?;
    record(tx, context, "summary.submitted", &submitted).await?;
    Ok(named(submitted, context.language))
}

/// Accepts a summary.
pub async fn accept(
    _: &Arc<Reporting>,
    context: &Context,
    tx: &Tx,
    request: api::AcceptSummaryRequest,
) -> Answer<api::Summary> {
    decide(tx, context, &request.id, true, request.text).await
}

/// Returns a summary with reasons; the department writes on.
pub async fn return_(
    _: &Arc<Reporting>,
    context: &Context,
    tx: &Tx,
    request: api::ReturnSummaryRequest,
) -> Answer<api::Summary> {
    decide(tx, context, &request.id, false, request.text).await
}

async fn decide(tx: &Tx, context: &Context, id: &str, accepted: bool, text: String) -> Answer<api::Summary> {
    refusals::not_office(context)?;
    refusals::personal([(String::from("text"), text.as_str())])?;
    let read = find(&**tx, id).await?;
    let allowed: &[State] = if accepted { &[State::Submitted] } else { &[State::Submitted, State::Accepted] };
    rules::in_state(
        read.state(),
        allowed,
        "it is not handed in, or decided already",
        "尚未报送，或已经审核",
    )?;
    refusals::own_work(context, &read.submitted_by)?;
    let (state, kind) =
        if accepted { (State::Accepted, "summary.accepted") } else { (State::Returned, "summary.returned") };
    let decided = api::Summary {
        state: state.into(),
        review: Some(refusals::review(context, accepted, text)),
        etag: ids::fresh(context.now)?,
        ..read.clone()
    };
    let decided = change(tx, &read, decided).await?;
    if WRITTEN.contains(&decided.state()) {
        rows::returned(tx, &decided, context.today()).await?;
    }
    record(tx, context, kind, &decided).await?;
    Ok(named(decided, context.language))
}
