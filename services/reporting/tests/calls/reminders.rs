//! Reminders: written by working days, read and acknowledged by an integration, settled when what they remind of is done.
use std::time::Duration;

use chassis::trial::reason;
use contract::reporting::v1::{self as api, reminder::State};
use tonic::Code;

use super::{
    plans::{plan, submit},
    world::{ALL, World},
};

// The reminders, once there are as many as expected.
async fn reminders(world: &World, state: State, count: usize) -> Vec<api::Reminder> {
    let mut office = world.office();
    for _ in 0..100 {
        let mut request = api::ListRemindersRequest { page_size: 1_000, ..Default::default() };
        request.set_state(state);
        let found = office.deadlines.list_reminders(request).await.unwrap().into_inner().reminders;
        if found.len() == count {
            return found;
        }
        assert!(found.len() < count || state == State::Open, "{} of {count}", found.len());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("there are never {count} reminders {state:?}");
}

#[tokio::test]
async fn a_deadline_is_reminded_of_before_and_after_its_day() {
    // Five working days before 2026-09-30, with the mid-autumn holiday between.
    let world = World::at("2026-09-22T01:00:00Z").await;
    let found = reminders(&world, State::Open, 22).await;
    assert!(
        found.iter().all(|one| one.due_on == "2026-09-30" && one.working_days == -5 && !one.title.is_empty())
    );
    let of =
        |department: &str| found.iter().find(|one| one.department == department).unwrap().reminder_id.clone();
    let acknowledge = |reminder: String| api::AcknowledgeReminderRequest { reminder, ..Default::default() };
    let mut transport = world.of("transport", ALL);
    let strange = transport.deadlines.acknowledge_reminder(acknowledge(of("finance"))).await.unwrap_err();
    assert_eq!((strange.code(), reason(&strange).as_str()), (Code::PermissionDenied, "NOT_OF_DEPARTMENT"));
    let none = transport.deadlines.acknowledge_reminder(acknowledge("none".into())).await.unwrap_err();
    assert_eq!(none.code(), Code::NotFound);
    let seen =
        transport.deadlines.acknowledge_reminder(acknowledge(of("transport"))).await.unwrap().into_inner();
    assert_eq!((seen.state(), seen.acknowledged_by.as_str()), (State::Acknowledged, "transport-client"));
    let again = world
        .office()
        .deadlines
        .acknowledge_reminder(acknowledge(of("transport")))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(again, seen, "the first time counts");

    // What is handed in needs no reminder, and a task of it that is due soon is reminded of.
    let mut finance = world.of("finance", ALL);
    let mut drafted = plan("");
    drafted.work_plan.as_mut().unwrap().tasks[0].due_on = "2026-09-24".into();
    let draft = finance.plans.create_work_plan(drafted).await.unwrap().into_inner();
    finance.plans.submit_work_plan(submit(&draft)).await.unwrap();
    let settled = reminders(&world, State::Settled, 1).await;
    assert_eq!(settled[0].department, "finance");
    let open = reminders(&world, State::Open, 21).await;
    let task = open.iter().find(|one| !one.work_plan.is_empty()).unwrap();
    assert_eq!(
        (task.work_plan.as_str(), task.working_days, task.owner.as_str()),
        (draft.work_plan_id.as_str(), -5, "综合科")
    );

    // The first working day after the national holiday: 21 departments are late, and finance with its task.
    world.trial.boot.clock.set("2026-10-08T01:00:00Z".parse().unwrap());
    let late = reminders(&world, State::Open, 21 + 22).await;
    assert_eq!(late.iter().filter(|one| one.working_days > 0).count(), 22);
}
