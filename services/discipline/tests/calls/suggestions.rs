//! Suggestions: a rule proposes, an official decides; nothing is opened by itself.
use chassis::trial::reason;
use contract::{
    credit::v1 as credit,
    discipline::v1::{self as api, suggestion::State},
};
use tonic::Code;

use super::world::{Client, LIST, World, code, eventually, list, propose, put_list};

fn rule(count: i32) -> api::PutSuggestionRuleRequest {
    let rule = api::SuggestionRule {
        rule_id: "twice".into(),
        list_id: LIST.into(),
        item: "administrative-penalty".into(),
        severity: 2,
        count,
        within_months: 12,
        basis: "虚构办法第五条".into(),
        ..Default::default()
    };
    api::PutSuggestionRuleRequest { suggestion_rule: Some(rule), ..Default::default() }
}

async fn suggested(client: &mut Client, state: State) -> Vec<api::Suggestion> {
    let request = api::ListSuggestionsRequest { state: state.into(), ..Default::default() };
    client.suggestions.list_suggestions(request).await.unwrap().into_inner().suggestions
}

async fn until_suggested(world: &World, state: State, count: usize) {
    let what = format!("{count} {state:?}");
    eventually(&what, || async { suggested(&mut world.of("hrss", "clerk"), state).await.len() == count })
        .await;
}

fn dismiss(suggestion: &str) -> api::DismissSuggestionRequest {
    api::DismissSuggestionRequest {
        suggestion: suggestion.into(),
        reason: "两次处罚均属轻微，已改正".into(),
        ..Default::default()
    }
}

#[tokio::test]
async fn an_official_takes_a_suggestion_up_or_dismisses_it() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let (mut office, mut clerk, mut chief) =
        (world.office(), world.of("hrss", "clerk"), world.of("hrss", "chief"));
    // Too old, and of another subject.
    world.penalty(1, "old", "2025-02-28").await;
    world.penalty(2, "other", "2026-01-01").await;
    chief.suggestions.put_suggestion_rule(rule(2)).await.unwrap();
    let first = world.penalty(1, "p1", "2025-06-01").await;
    let second = world.penalty(1, "p2", "2026-01-15").await;
    until_suggested(&world, State::Open, 1).await;
    let open = suggested(&mut clerk, State::Open).await.remove(0);
    let records: Vec<&str> = open.records.iter().map(|record| record.record.as_str()).collect();
    assert_eq!((open.uscc.as_str(), records), (code(1).as_str(), vec![first.as_str(), second.as_str()]));
    assert_eq!((open.basis.as_str(), open.records[0].severity), ("虚构办法第五条", 2));
    // Nothing was opened by it, and nobody else sees it.
    let cases = clerk.cases.list_cases(api::ListCasesRequest::default()).await.unwrap().into_inner().cases;
    assert!(cases.is_empty());
    assert!(suggested(&mut world.of("taxation", "t"), State::Unspecified).await.is_empty());
    assert!(suggested(&mut world.enterprise(&code(1)), State::Unspecified).await.is_empty());
    assert_eq!(suggested(&mut office, State::Open).await.len(), 1);

    let stranger =
        world.of("taxation", "t").suggestions.dismiss_suggestion(dismiss(&open.suggestion_id)).await;
    assert_eq!(reason(&stranger.unwrap_err()), "DECIDER_NOT_ENTITLED");
    let bare = api::DismissSuggestionRequest { reason: " ".into(), ..dismiss(&open.suggestion_id) };
    assert_eq!(reason(&clerk.suggestions.dismiss_suggestion(bare).await.unwrap_err()), "FIELD_INVALID");
    let unknown = clerk.suggestions.dismiss_suggestion(dismiss("none")).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    let dismissed =
        clerk.suggestions.dismiss_suggestion(dismiss(&open.suggestion_id)).await.unwrap().into_inner();
    assert_eq!((dismissed.state(), dismissed.handled_by.as_str()), (State::Dismissed, "clerk"));
    let twice = clerk.suggestions.dismiss_suggestion(dismiss(&open.suggestion_id)).await.unwrap_err();
    assert_eq!((twice.code(), reason(&twice)), (Code::FailedPrecondition, "SUGGESTION_CLOSED".into()));
    // What was dismissed comes again only with a record that it did not know.
    chief.suggestions.put_suggestion_rule(rule(2)).await.unwrap();
    assert!(suggested(&mut clerk, State::Open).await.is_empty());
    let third = world.penalty(1, "p3", "2026-02-20").await;
    until_suggested(&world, State::Open, 1).await;
    let again = suggested(&mut clerk, State::Open).await.remove(0);
    assert_eq!(again.records.len(), 3);

    let taking = |uscc: &str| api::CreateCaseRequest {
        suggestion: again.suggestion_id.clone(),
        evidence: vec![format!("records/{third}")],
        ..propose(LIST, uscc)
    };
    let other = api::CreateCaseRequest { evidence: vec!["甲".into()], ..taking(&code(2)) };
    assert_eq!(reason(&clerk.cases.create_case(other).await.unwrap_err()), "SUGGESTION_CLOSED");
    let case = clerk.cases.create_case(taking(&code(1))).await.unwrap().into_inner();
    assert_eq!(
        (case.suggestion.as_str(), case.state()),
        (again.suggestion_id.as_str(), api::case::State::Proposed)
    );
    let taken = suggested(&mut clerk, State::TakenUp).await.remove(0);
    assert_eq!(taken.case_id, case.case_id);
    let twice = clerk.cases.create_case(taking(&code(1))).await.unwrap_err();
    assert_eq!(reason(&twice), "SUGGESTION_CLOSED");
    let request = api::GetCaseRequest { case: case.case_id, ..Default::default() };
    assert_eq!(clerk.cases.get_case(request).await.unwrap().into_inner().suggestion, again.suggestion_id);
}

#[tokio::test]
async fn what_is_withdrawn_suggests_nothing() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let mut chief = world.of("hrss", "chief");
    let record = world.penalty(1, "p1", "2026-01-15").await;
    world.penalty(1, "p2", "2026-01-16").await;
    chief.suggestions.put_suggestion_rule(rule(2)).await.unwrap();
    until_suggested(&world, State::Open, 1).await;
    let request =
        credit::WithdrawRecordRequest { record, reason: "复议撤销".into(), ..Default::default() };
    world.transport().withdraw_record(request).await.unwrap();
    until_suggested(&world, State::Lapsed, 1).await;
    assert!(suggested(&mut chief, State::Open).await.is_empty());
    // A rule that asks for less finds what is left; one that rests finds nothing.
    chief.suggestions.put_suggestion_rule(rule(1)).await.unwrap();
    assert_eq!(suggested(&mut chief, State::Open).await.len(), 1);
    let mut resting = rule(1);
    resting.suggestion_rule.as_mut().unwrap().resting = true;
    chief.suggestions.put_suggestion_rule(resting).await.unwrap();
    assert!(suggested(&mut chief, State::Open).await.is_empty());
    let rules = chief.suggestions.list_suggestion_rules(api::ListSuggestionRulesRequest::default()).await;
    assert!(rules.unwrap().into_inner().rules[0].resting);
}

#[tokio::test]
async fn a_rule_is_of_those_who_decide_and_over_what_is_shared() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let (mut chief, mut taxation) = (world.of("hrss", "chief"), world.of("taxation", "t"));
    let denied = taxation.suggestions.put_suggestion_rule(rule(2)).await.unwrap_err();
    assert_eq!((denied.code(), reason(&denied)), (Code::PermissionDenied, "DECIDER_NOT_ENTITLED".into()));
    let with = |change: fn(&mut api::SuggestionRule)| {
        let mut request = rule(2);
        change(request.suggestion_rule.as_mut().unwrap());
        request
    };
    for (wrong, expected) in [
        (with(|rule| rule.list_id = "none".into()), "LIST_UNKNOWN"),
        (with(|rule| rule.item = "none".into()), "RULE_ITEM_UNSUITABLE"),
        // Records that are shared under a grant only are shared for what the grant names.
        (with(|rule| rule.item = "tax-payment".into()), "RULE_ITEM_UNSUITABLE"),
        (with(|rule| rule.count = 0), "FIELD_INVALID"),
        (with(|rule| rule.within_months = 0), "FIELD_INVALID"),
        (with(|rule| rule.basis = " ".into()), "FIELD_INVALID"),
        (with(|rule| rule.basis = "11010519491231002X".into()), "PERSONAL_IDENTITY_NUMBER"),
    ] {
        let refused = chief.suggestions.put_suggestion_rule(wrong).await.unwrap_err();
        assert_eq!(reason(&refused), expected);
    }
    // Another list's deciders do not take a rule away.
    chief.suggestions.put_suggestion_rule(rule(2)).await.unwrap();
    let own = api::List { decided_by: vec!["taxation".into()], ..list("tax") };
    world.office().lists.put_list(put_list(own)).await.unwrap();
    let taken = with(|rule| rule.list_id = "tax".into());
    assert_eq!(
        reason(&taxation.suggestions.put_suggestion_rule(taken).await.unwrap_err()),
        "DECIDER_NOT_ENTITLED"
    );
    let scoped = world.claims("hrss", "x", "discipline.read discipline.write discipline.propose");
    let refused = world.client(scoped).suggestions.put_suggestion_rule(rule(2)).await.unwrap_err();
    assert_eq!(reason(&refused), "SCOPE_MISSING");
}
