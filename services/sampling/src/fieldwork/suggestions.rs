//! Hand-over 案源移送: what a visit found is suggested to the department whose matter it is. None opens a case: an official decides.
use std::sync::Arc;

use chassis::{
    Answer, Context, Fault, Tx,
    clock::wire,
    decisions::{self, Decision},
    ids,
    page::Page,
};
use contract::sampling::v1::{self as api, ErrorReason, case_suggestion::State};
use serde_json::json;

use super::{found_something, rows};
use crate::{Sampling, rights, visits};

/// Hands what a visit found over.
pub async fn hand_over(
    _: &Arc<Sampling>,
    context: &Context,
    tx: &Tx,
    request: api::HandOverVisitRequest,
) -> Answer<api::CaseSuggestion> {
    let (visit, plan) = visits::own(tx, context, &request.visit).await?;
    found_something(&visit)?;
    rights::no_identity_number("reason", &request.reason)?;
    let of = visits::details(&**tx, std::slice::from_ref(&visit)).await?.remove(&visit.visit_id);
    let caller = context.caller.department();
    let from = plan.departments.iter().find(|one| *one == caller).or(plan.departments.first());
    let suggestion = api::CaseSuggestion {
        suggestion_id: ids::fresh(context.now)?,
        visit: visit.visit_id.clone(),
        uscc: visit.uscc.clone(),
        name: visit.name.clone(),
        from_department: from.cloned().unwrap_or_default(),
        to_department: request.to_department.trim().to_owned(),
        reason: request.reason,
        findings: of.unwrap_or_default().findings(),
        state: State::Open as i32,
        handed_over_at: Some(wire(context.now)),
        ..Default::default()
    };
    if !rows::insert_suggestion(tx, &suggestion).await? {
        let to = &suggestion.to_department;
        return Err(wrong_state(
            &format!("visit \"{}\" was handed over to {to} already", visit.visit_id),
            &format!("检查任务“{}”已移送{to}", visit.visit_id),
        ));
    }
    let detail = json!({ "suggestion": suggestion.suggestion_id, "to": suggestion.to_department });
    visits::decide(tx, context, "visit.handedOver", &visit, detail).await?;
    Ok(suggestion)
}

fn wrong_state(en: &str, zh: &str) -> Fault {
    Fault::precondition(
        ErrorReason::SuggestionState.as_str_name(),
        format!("{en}; look at it with GET /sampling/v1/caseSuggestions"),
        format!("{zh}；请通过 GET /sampling/v1/caseSuggestions 查看"),
    )
}

/// Lists suggestions.
pub async fn list(
    app: &Arc<Sampling>,
    context: &Context,
    request: api::ListCaseSuggestionsRequest,
) -> Answer<api::ListCaseSuggestionsResponse> {
    rights::official(context)?;
    let purpose = context.purpose(&request.purpose)?;
    let page = Page::of(request.page_size, &request.page_token)?;
    let db = app.store.read();
    let mut suggestions = rows::suggestions(db, &request.to_department, request.state, &page).await?;
    rights::look(app, context, purpose, "case_suggestions").await?;
    let next_page_token = page.cut(&mut suggestions, |one| one.suggestion_id.clone());
    Ok(api::ListCaseSuggestionsResponse { suggestions, next_page_token })
}

/// Notes what became of a suggestion.
pub async fn answer(
    _: &Arc<Sampling>,
    context: &Context,
    tx: &Tx,
    request: api::AnswerCaseSuggestionRequest,
) -> Answer<api::CaseSuggestion> {
    let found = rows::suggestion(&**tx, &request.suggestion).await?;
    let mut found =
        found.ok_or_else(|| Fault::not_found("case suggestion", "案源线索", &request.suggestion))?;
    rights::act_for(context, [found.to_department.as_str()])?;
    rights::no_identity_number("answer", &request.answer)?;
    if request.taken == request.document_number.is_empty() {
        return Err(Fault::field(
            "documentNumber",
            "is given where the suggestion is taken up, and nowhere else: it names the official's own decision",
            "受理时必须填写决定文号，不予受理时不得填写",
        ));
    }
    let state = if request.taken { State::Taken } else { State::Declined };
    found.state = state as i32;
    found.document_number = request.document_number;
    found.answer = request.answer;
    found.answered_at = Some(wire(context.now));
    if !rows::answer_suggestion(tx, &found, State::Open as i32).await? {
        return Err(wrong_state(
            &format!("suggestion \"{}\" was answered already", found.suggestion_id),
            &format!("案源线索“{}”已反馈", found.suggestion_id),
        ));
    }
    let detail = json!({ "suggestion": found.suggestion_id, "visit": found.visit, "state": state.as_str_name(),
        "documentNumber": found.document_number });
    let decision =
        Decision { kind: "suggestion.answered", subject: &found.uscc, basis: &found.visit, detail };
    decisions::record(tx, context, decision).await?;
    Ok(found)
}
