//! Suggestions 线索提示: rules over credit's records, and what officials make of what they propose. Nothing opens a case by itself.
mod following;
mod rows;
mod rules;

use std::sync::Arc;

use chassis::{
    Answer, Context, Fault, Tx,
    clock::{from_micros, micros, wire},
    decisions::{self, Decision},
    ids,
    page::Page,
};
use contract::{
    credit::v1::catalogue_item::Nature,
    discipline::v1::{self as api, ErrorReason, suggestion::State},
};
use identifiers::Uscc;
use jiff::Timestamp;
use serde_json::json;

pub use following::run;

use crate::{Discipline, cases, directory, looks, personal};

/// Asks credit of a rule's item, before the transaction that keeps the rule.
pub async fn look_up(
    app: &Arc<Discipline>,
    _: &Context,
    request: &api::PutSuggestionRuleRequest,
) -> Answer<()> {
    let rule = request.suggestion_rule.clone().unwrap_or_default();
    let item = app.credit.item(&rule.item).await?;
    if item.is_some_and(|item| item.nature() != Nature::Authorized) {
        return Ok(());
    }
    Err(Fault::invalid(
        ErrorReason::RuleItemUnsuitable.as_str_name(),
        format!(
            "credit has no item \"{}\", or shares its records under a grant only, for the granted purpose",
            rule.item
        ),
        format!("信用目录中没有事项“{}”，或者其记录须经授权方可共享，不得用于线索提示", rule.item),
    )
    .at("suggestionRule.item"))
}

/// Puts a rule; what is watched already is looked at anew.
pub async fn put_rule(
    _: &Arc<Discipline>,
    context: &Context,
    tx: &Tx,
    request: api::PutSuggestionRuleRequest,
    (): (),
) -> Answer<api::SuggestionRule> {
    let mut rule = request.suggestion_rule.unwrap_or_default();
    let Some(list) = directory::current::<api::List>(&**tx, &rule.list_id).await? else {
        return Err(cases::list_unknown(&rule.list_id));
    };
    cases::refuse_unentitled(context, &list.wording)?;
    if let Some(before) = rows::one_rule(&**tx, &rule.rule_id).await?
        && before.list_id != rule.list_id
        && let Some(list) = directory::current::<api::List>(&**tx, &before.list_id).await?
    {
        cases::refuse_unentitled(context, &list.wording)?;
    }
    personal::refuse([("suggestionRule.basis", rule.basis.as_str())])?;
    rule.department = context.caller.department().to_owned();
    rule.update_time = Some(wire(from_micros(micros(context.now))));
    rows::put_rule(tx, &rule).await?;
    let detail = json!({ "rule": rule.rule_id, "item": rule.item, "count": rule.count, "months": rule.within_months,
                         "severity": rule.severity, "resting": rule.resting });
    let decision =
        Decision { kind: "suggestion-rule.put", subject: &rule.list_id, basis: &rule.basis, detail };
    decisions::record(tx, context, decision).await?;
    for uscc in rows::subjects(&**tx, &rule, rules::since(&rule, context.today())).await? {
        judge(tx, context.now, &rule, &uscc).await?;
    }
    Ok(rule)
}

// What a rule makes of a subject's records as they stand.
async fn judge(tx: &Tx, now: Timestamp, rule: &api::SuggestionRule, uscc: &str) -> Answer<()> {
    let since = rules::since(rule, chassis::clock::business_day(now));
    let records = rows::records(&**tx, rule, uscc, since).await?;
    if !rules::enough(rule, &records) {
        return rows::lapse(tx, now, &rule.rule_id, uscc).await;
    }
    let known = rows::known(&**tx, &rule.rule_id, uscc).await?;
    if !rules::worth(rule, &records, &known) {
        return Ok(());
    }
    rows::raise(tx, now, &ids::fresh(now)?, rule, (uscc, &records)).await
}

/// Lists the rules.
pub async fn list_rules(
    app: &Arc<Discipline>,
    _: &Context,
    request: api::ListSuggestionRulesRequest,
) -> Answer<api::ListSuggestionRulesResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let mut rules = rows::rules(app.store.read(), &page.after, page.fetch()).await?;
    let next_page_token = page.cut(&mut rules, |rule| rule.rule_id.clone());
    Ok(api::ListSuggestionRulesResponse { rules, next_page_token })
}

/// Lists suggestions to those who may decide on their lists.
pub async fn list(
    app: &Arc<Discipline>,
    context: &Context,
    request: api::ListSuggestionsRequest,
) -> Answer<api::ListSuggestionsResponse> {
    let purpose = context.purpose(&request.purpose)?;
    let page = Page::of(request.page_size, &request.page_token)?;
    let uscc = match request.uscc.as_str() {
        "" => String::new(),
        code => {
            let read = Uscc::parse_tolerant(code);
            let refused = |fault: identifiers::CodeFault| {
                Fault::invalid(fault.reason(), fault.message_en(), fault.message_zh()).at("uscc")
            };
            read.map_err(refused)?.0.to_string()
        }
    };
    let db = app.store.read();
    let among = if context.caller.is_office() {
        None
    } else {
        let lists = directory::all::<api::List>(db, "").await?;
        let entitled = lists.into_iter().filter(|list| cases::refuse_unentitled(context, list).is_ok());
        Some(entitled.map(|list| list.list_id).collect::<Vec<_>>())
    };
    if among.as_ref().is_some_and(Vec::is_empty) || !context.caller.enterprise().is_empty() {
        return Ok(api::ListSuggestionsResponse::default());
    }
    let state = match request.state() {
        State::Unspecified => "",
        state => state.as_str_name(),
    };
    let filter = rows::Filter { uscc: &uscc, list: &request.list, state, among };
    let mut suggestions = rows::list(db, filter, &page).await?;
    let next_page_token = page.cut(&mut suggestions, |suggestion| suggestion.suggestion_id.clone());
    let mut subjects: Vec<&str> = suggestions.iter().map(|suggestion| suggestion.uscc.as_str()).collect();
    subjects.sort_unstable();
    subjects.dedup();
    looks::record(app, context, purpose, &subjects).await?;
    Ok(api::ListSuggestionsResponse { suggestions, next_page_token })
}

/// Dismisses one.
pub async fn dismiss(
    _: &Arc<Discipline>,
    context: &Context,
    tx: &Tx,
    request: api::DismissSuggestionRequest,
) -> Answer<api::Suggestion> {
    personal::refuse([("reason", request.reason.as_str())])?;
    let mut suggestion = open(context, tx, &request.suggestion).await?;
    suggestion.set_state(State::Dismissed);
    suggestion.reason = request.reason.trim().to_owned();
    handle(tx, context, suggestion).await
}

/// Takes one up by a case.
pub async fn take_up(tx: &Tx, context: &Context, case: &api::Case) -> Answer<()> {
    if case.suggestion.is_empty() {
        return Ok(());
    }
    let mut suggestion = open(context, tx, &case.suggestion).await?;
    if suggestion.uscc != case.uscc || suggestion.list_id != case.list_id {
        return Err(closed("it speaks of another subject or list", "线索所指的主体或名单与本案不符"));
    }
    suggestion.set_state(State::TakenUp);
    suggestion.case_id.clone_from(&case.case_id);
    handle(tx, context, suggestion).await?;
    Ok(())
}

// One that nobody has handled, held until the transaction ends, if its list is the caller's to decide on.
async fn open(context: &Context, tx: &Tx, id: &str) -> Answer<api::Suggestion> {
    let missing = || Fault::not_found("suggestion", "线索", id).at("suggestion");
    let suggestion = rows::held(tx, id).await?.ok_or_else(missing)?;
    if let Some(list) = directory::current::<api::List>(&**tx, &suggestion.list_id).await? {
        cases::refuse_unentitled(context, &list.wording)?;
    }
    if suggestion.state() != State::Open {
        let state = suggestion.state().as_str_name();
        return Err(closed(&format!("it is {state} already"), &format!("该线索已处理（{state}）")));
    }
    Ok(suggestion)
}

fn closed(en: &str, zh: &str) -> Fault {
    Fault::precondition(ErrorReason::SuggestionClosed.as_str_name(), en, zh).at("suggestion")
}

async fn handle(tx: &Tx, context: &Context, mut suggestion: api::Suggestion) -> Answer<api::Suggestion> {
    suggestion.handled_by = context.caller.name().to_owned();
    suggestion.handled_at = Some(wire(from_micros(micros(context.now))));
    rows::handle(tx, context.now, &suggestion).await?;
    let kind = format!("suggestion.{}", suggestion.state().as_str_name().to_lowercase());
    let records: Vec<&str> = suggestion.records.iter().map(|record| record.record.as_str()).collect();
    let detail = json!({ "suggestion": suggestion.suggestion_id, "rule": suggestion.rule_id, "records": records,
                         "reason": suggestion.reason, "case": suggestion.case_id });
    let decision = Decision { kind: &kind, subject: &suggestion.uscc, basis: &suggestion.basis, detail };
    decisions::record(tx, context, decision).await?;
    Ok(suggestion)
}
