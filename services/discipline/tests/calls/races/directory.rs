//! Lists, measures and suggestions, put, confirmed and taken up by many at once; and one request that is sent to both replicas.
use std::collections::BTreeSet;

use chassis::{storage::sql, trial::reason};
use contract::discipline::v1::{self as api, suggestion::State};
use sea_orm::ConnectionTrait;
use tokio::task::JoinSet;
use tonic::{Code, Status};

use super::{learnt, officers, replicas};
use crate::calls::world::{
    LIST, World, code, eventually, list, measure, propose, put_list, put_measure, step,
};

const NOW: &str = "2026-03-02T01:00:00Z";

// Who won, and what the others were told.
async fn contest(
    mut running: JoinSet<Result<String, Status>>,
    what: &str,
) -> (Vec<String>, BTreeSet<String>) {
    let (mut won, mut lost) = (Vec::new(), BTreeSet::new());
    while let Some(told) = running.join_next().await {
        match told.unwrap() {
            Ok(id) => won.push(id),
            Err(status) => _ = lost.insert(learnt(&status, what)),
        }
    }
    (won, lost)
}

async fn versions(world: &World, shelf: &str, id: &str) -> Vec<i32> {
    let db = world.store.read();
    let text = "SELECT version FROM directory_versions WHERE shelf = $1 AND id = $2 ORDER BY version";
    let rows = db.query_all_raw(sql(db, text, [shelf.into(), id.into()])).await.unwrap();
    rows.iter().map(|row| row.try_get("", "version").unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn wordings_that_are_put_at_once_follow_each_other() {
    let world = World::at(NOW).await;
    // Of one department, whose identifiers they are.
    let officers = &officers(&world, &replicas(&world).await)[..6];
    for (round, id) in ["l1", "l2", "l3"].into_iter().enumerate() {
        let mut running = JoinSet::new();
        for (at, mut client) in officers.iter().cloned().enumerate() {
            let own = api::List { name: format!("第{at}份"), ..list(id) };
            running.spawn(async move {
                client.lists.put_list(put_list(own)).await.map(|put| put.into_inner().name)
            });
        }
        let (mut won, lost) = contest(running, id).await;
        assert!(lost.is_subset(&BTreeSet::from(["CONCURRENT_CHANGE".into()])), "round {round}: {lost:?}");
        let kept: Vec<i32> = (1..=i32::try_from(won.len()).unwrap()).collect();
        assert_eq!(versions(&world, "list", id).await, kept, "each that was taken is a version");
        let asked = api::GetListRequest { list: id.into(), ..Default::default() };
        let current = officers[0].clone().lists.get_list(asked).await.unwrap().into_inner();
        won.retain(|name| *name == current.name);
        assert_eq!(won.len(), 1, "what is in force was put by one");

        let mut running = JoinSet::new();
        for (at, mut client) in officers.iter().cloned().enumerate() {
            let own = api::Measure { name: format!("第{at}项"), ..measure(id, &[]) };
            running.spawn(async move {
                client.measures.put_measure(put_measure(own)).await.map(|put| put.into_inner().name)
            });
        }
        let (won, lost) = contest(running, id).await;
        assert!(lost.is_subset(&BTreeSet::from(["CONCURRENT_CHANGE".into()])), "{lost:?}");
        assert_eq!(versions(&world, "measure", id).await.len(), won.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_departments_that_take_an_identifier_one_owns_it() {
    let world = World::at(NOW).await;
    let replicas = replicas(&world).await;
    for round in 0..6 {
        let id = format!("taken-{round}");
        let mut running = JoinSet::new();
        for (at, department) in ["hrss", "transport", "taxation", "emergency"].into_iter().enumerate() {
            let claims = world.claims(department, department, crate::calls::world::ALL);
            let mut client = world.client_of(&replicas[at % replicas.len()], claims);
            let own = put_list(api::List { name: department.into(), ..list(&id) });
            running.spawn(async move { client.lists.put_list(own).await.map(|put| put.into_inner().name) });
        }
        let told = running.join_all().await;
        let won: Vec<&String> = told.iter().filter_map(|one| one.as_ref().ok()).collect();
        assert_eq!(won.len(), 1, "{told:?}");
        for lost in told.iter().filter_map(|one| one.as_ref().err()) {
            let denied = (lost.code(), reason(lost)) == (Code::PermissionDenied, "NOT_OF_DEPARTMENT".into());
            assert!(denied || lost.code() == Code::Aborted, "{lost:?}");
        }
        let asked = api::GetListRequest { list: id, ..Default::default() };
        assert_eq!(world.office().lists.get_list(asked).await.unwrap().into_inner().name, *won[0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_list_is_confirmed_once() {
    let world = World::at(NOW).await;
    let officers = officers(&world, &replicas(&world).await);
    let mut running = JoinSet::new();
    for at in 0..8 {
        let mut client = officers[6 + at % 2].clone();
        let document = format!("国务院公报2021年第{at}期");
        let request =
            api::ConfirmListRequest { list: "market-serious".into(), document, ..Default::default() };
        running.spawn(async move {
            let confirmed = client.lists.confirm_list(request).await?.into_inner();
            Ok(confirmed.confirmation.unwrap_or_default().document)
        });
    }
    let (won, lost) = contest(running, "confirm").await;
    assert_eq!(won.len(), 1, "{won:?}");
    assert!(
        lost.iter().all(|one| ["CONFIRMED_ALREADY", "CONCURRENT_CHANGE"].contains(&one.as_str())),
        "{lost:?}"
    );
    let asked = api::GetListRequest { list: "market-serious".into(), ..Default::default() };
    let kept = officers[0].clone().lists.get_list(asked).await.unwrap().into_inner();
    assert_eq!(kept.confirmation.unwrap().document, won[0]);
    assert_eq!(versions(&world, "list", "market-serious").await, [1, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_suggestion_is_taken_up_or_dismissed_by_one() {
    let world = World::at(NOW).await;
    let officers = officers(&world, &replicas(&world).await);
    let rule = api::SuggestionRule {
        rule_id: "once".into(),
        list_id: LIST.into(),
        item: "administrative-penalty".into(),
        severity: 2,
        count: 1,
        within_months: 12,
        basis: "虚构办法第五条".into(),
        ..Default::default()
    };
    let request = api::PutSuggestionRuleRequest { suggestion_rule: Some(rule), ..Default::default() };
    officers[1].clone().suggestions.put_suggestion_rule(request).await.unwrap();
    for serial in 1..=5 {
        let record = world.penalty(serial, &format!("p{serial}"), "2026-01-15").await;
        let asked = |state: State| api::ListSuggestionsRequest {
            uscc: code(serial),
            state: state.into(),
            ..Default::default()
        };
        let found = async |state| {
            let mut client = officers[0].clone();
            client.suggestions.list_suggestions(asked(state)).await.unwrap().into_inner().suggestions
        };
        // Every replica follows the feed; it is suggested once.
        eventually("the suggestion", || async { found(State::Open).await.len() == 1 }).await;
        let id = found(State::Open).await.remove(0).suggestion_id;
        let mut running = JoinSet::new();
        for (at, mut client) in officers.iter().cloned().enumerate() {
            let (suggestion, reason) = (id.clone(), "已改正".into());
            if at % 2 == 0 {
                let request = api::DismissSuggestionRequest { suggestion, reason, ..Default::default() };
                running.spawn(async move {
                    client.suggestions.dismiss_suggestion(request).await.map(|_| String::new())
                });
            } else {
                let evidence = vec![format!("records/{record}")];
                let request = api::CreateCaseRequest { suggestion, evidence, ..propose(LIST, &code(serial)) };
                running.spawn(async move {
                    client.cases.create_case(request).await.map(|case| case.into_inner().case_id)
                });
            }
        }
        let (won, lost) = contest(running, "suggestion").await;
        assert_eq!(won.len(), 1, "{won:?}");
        assert!(
            lost.iter().all(|one| ["SUGGESTION_CLOSED", "CONCURRENT_CHANGE"].contains(&one.as_str())),
            "{lost:?}"
        );
        let handled = found(State::Unspecified).await.remove(0);
        assert_eq!(handled.case_id, won[0]);
        let of = api::ListCasesRequest { uscc: code(serial), ..Default::default() };
        let cases = officers[0].clone().cases.list_cases(of).await.unwrap().into_inner().cases;
        assert_eq!(cases.len(), usize::from(!won[0].is_empty()), "{cases:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_request_that_is_sent_to_every_replica_is_done_once() {
    let world = World::at(NOW).await;
    let replicas = replicas(&world).await;
    let clerk = |at: usize| {
        let claims = world.claims("hrss", "clerk", crate::calls::world::ALL);
        world.client_of(&replicas[at % replicas.len()], claims)
    };
    let mut running = JoinSet::new();
    for at in 0..8 {
        let mut client = clerk(at);
        let request = api::CreateCaseRequest { request_id: "once".into(), ..propose(LIST, &code(1)) };
        running
            .spawn(async move { client.cases.create_case(request).await.map(tonic::Response::into_inner) });
    }
    let told: Vec<api::Case> = running.join_all().await.into_iter().map(Result::unwrap).collect();
    assert!(told.iter().all(|case| *case == told[0]), "everybody was given the same answer");
    let mut running = JoinSet::new();
    for at in 0..8 {
        let mut client = clerk(at);
        let request = api::CaseStepRequest { request_id: "told".into(), ..step(&told[0], "2026-02-13") };
        running
            .spawn(async move { client.cases.notify_case(request).await.map(tonic::Response::into_inner) });
    }
    let notified: Vec<api::Case> = running.join_all().await.into_iter().map(Result::unwrap).collect();
    assert!(notified.iter().all(|case| *case == notified[0] && case.steps.len() == 2));
    let all = clerk(0).cases.list_cases(api::ListCasesRequest::default()).await.unwrap().into_inner().cases;
    assert_eq!(all.len(), 1);
}
