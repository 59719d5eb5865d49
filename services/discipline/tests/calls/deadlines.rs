//! Deadlines: who is late with what, by department.
use chassis::trial::reason;
use contract::discipline::v1::{
    self as api,
    case::Outcome,
    deadline::{State, Task},
};
use tonic::Code;

use super::world::{Client, LIST, World, code, decide, list, propose, put_list, step};

fn term(days: i32) -> Option<api::ProcedureTerm> {
    Some(api::ProcedureTerm { days, basis: format!("虚构办法第{days}条"), ..Default::default() })
}

async fn ask(
    client: &mut Client,
    request: api::ListDeadlinesRequest,
) -> Vec<(String, Task, String, State, i32)> {
    let found = client.deadlines.list_deadlines(request).await.unwrap().into_inner().deadlines;
    let told = |one: api::Deadline| {
        (one.department.clone(), one.task(), one.due_on.clone(), one.state(), one.working_days_late)
    };
    found.into_iter().map(told).collect()
}

#[tokio::test]
async fn what_is_due_is_told_by_department_until_it_is_done() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let (mut office, mut clerk, mut chief) =
        (world.office(), world.of("hrss", "clerk"), world.of("hrss", "chief"));
    let procedure =
        api::Procedure { decision: term(10), service: term(3), publication: term(5), ..Default::default() };
    let timed = api::List { procedure: Some(procedure), decided_by: vec![], ..list("timed") };
    office.lists.put_list(put_list(timed)).await.unwrap();
    let all = api::ListDeadlinesRequest::default;
    assert!(ask(&mut office, all()).await.is_empty());
    // A case of a list without terms is due never.
    clerk.cases.create_case(propose(LIST, &code(2))).await.unwrap();
    let case = clerk.cases.create_case(propose("timed", &code(1))).await.unwrap().into_inner();
    let mut transport = world.of("transport", "t");
    transport.cases.create_case(propose("timed", &code(3))).await.unwrap();
    let hrss = |task, due: &str, state, late| (String::from("hrss"), task, String::from(due), state, late);
    let found = ask(&mut office, all()).await;
    assert_eq!(found[0], hrss(Task::DecideCase, "2026-03-16", State::Due, 0));
    assert_eq!((found.len(), found[1].0.as_str()), (2, "transport"));
    // The last day is in time; the day after is late.
    for (as_of, state, late) in [("2026-03-16", State::Due, 0), ("2026-03-17", State::Overdue, 1)] {
        let request = api::ListDeadlinesRequest { as_of: as_of.into(), department: "hrss".into(), ..all() };
        assert_eq!(ask(&mut office, request).await, [hrss(Task::DecideCase, "2026-03-16", state, late)]);
    }
    let overdue = api::ListDeadlinesRequest { overdue: true, ..all() };
    assert!(ask(&mut office, overdue.clone()).await.is_empty());

    clerk.cases.notify_case(step(&case, "2026-02-13")).await.unwrap();
    world.trial.boot.clock.set("2026-03-18T01:00:00Z".parse().unwrap());
    assert_eq!(ask(&mut office, overdue.clone()).await.len(), 2);
    let decided = chief.cases.decide_case(decide(&case, "", Outcome::List)).await.unwrap().into_inner();
    let taken = decided.steps.last().unwrap();
    assert_eq!((taken.due_on.as_str(), taken.late), ("2026-03-16", true), "late, and lawful");
    assert_eq!(ask(&mut clerk, all()).await, [hrss(Task::ServeCase, "2026-03-23", State::Due, 0)]);
    clerk.cases.serve_case(step(&case, "")).await.unwrap();
    assert_eq!(ask(&mut clerk, all()).await, [hrss(Task::PublishCase, "2026-03-25", State::Due, 0)]);
    clerk.cases.publish_case(step(&case, "")).await.unwrap();
    assert!(ask(&mut clerk, all()).await.is_empty());
    let objection = api::CreateObjectionRequest {
        listing: case.case_id,
        reason: "已付清".into(),
        evidence: "回单".into(),
        ..Default::default()
    };
    clerk.objections.create_objection(objection).await.unwrap();
    world.trial.boot.clock.set("2026-04-01T01:00:00Z".parse().unwrap());
    assert_eq!(
        ask(&mut clerk, overdue).await,
        [hrss(Task::DecideObjection, "2026-03-27", State::Overdue, 3)]
    );

    // Pages, and who may look.
    let page = api::ListDeadlinesRequest { page_size: 1, ..all() };
    let first = office.deadlines.list_deadlines(page.clone()).await.unwrap().into_inner();
    let next = api::ListDeadlinesRequest { page_token: first.next_page_token, ..page };
    let second = office.deadlines.list_deadlines(next).await.unwrap().into_inner();
    assert_eq!((second.deadlines[0].department.as_str(), second.next_page_token.as_str()), ("transport", ""));
    let strange = api::ListDeadlinesRequest { department: "transport".into(), ..all() };
    let denied = clerk.deadlines.list_deadlines(strange).await.unwrap_err();
    assert_eq!((denied.code(), reason(&denied)), (Code::PermissionDenied, "NOT_OF_DEPARTMENT".into()));
    let denied = world.enterprise(&code(1)).deadlines.list_deadlines(all()).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let wrong = api::ListDeadlinesRequest { as_of: "2026-02-30".into(), ..all() };
    assert_eq!(reason(&office.deadlines.list_deadlines(wrong).await.unwrap_err()), "FIELD_INVALID");
}
