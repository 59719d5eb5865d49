//! Work plans and deadlines.
use chassis::trial::reason;
use contract::reporting::v1::{self as api, deadline, work_plan};
use tonic::{Code, Request};

use super::world::{ALL, World};

pub fn plan(department: &str) -> api::CreateWorkPlanRequest {
    let task = api::Task {
        title: "制定评价制度".into(),
        owner: "综合科".into(),
        due_on: "2026-06-30".into(),
        ..Default::default()
    };
    let work_plan = api::WorkPlan {
        department: department.into(),
        year: 2026,
        tasks: vec![task],
        attachments: vec!["方案.docx".into()],
        ..Default::default()
    };
    api::CreateWorkPlanRequest { work_plan: Some(work_plan), ..Default::default() }
}

pub fn submit(plan: &api::WorkPlan) -> api::SubmitWorkPlanRequest {
    api::SubmitWorkPlanRequest { work_plan: plan.work_plan_id.clone(), ..Default::default() }
}

#[tokio::test]
async fn a_department_drafts_and_submits_its_own_plan_once() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let (mut transport, mut taxation) = (world.of("transport", ALL), world.of("taxation", ALL));
    let draft = transport.plans.create_work_plan(plan("")).await.unwrap().into_inner();
    assert_eq!((draft.department.as_str(), draft.state()), ("transport", work_plan::State::Draft));
    let better = transport.plans.create_work_plan(plan("transport")).await.unwrap().into_inner();
    let refused = taxation.plans.create_work_plan(plan("transport")).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::PermissionDenied, "NOT_OF_DEPARTMENT".into()));
    assert_eq!(
        reason(&taxation.plans.submit_work_plan(submit(&draft)).await.unwrap_err()),
        "NOT_OF_DEPARTMENT"
    );
    let submitted = transport.plans.submit_work_plan(submit(&better)).await.unwrap().into_inner();
    assert_eq!((submitted.state(), submitted.submit_time.is_some()), (work_plan::State::Submitted, true));
    let refused = transport.plans.submit_work_plan(submit(&better)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::FailedPrecondition, "PLAN_SUBMITTED".into()));
    let refused = transport.plans.submit_work_plan(submit(&draft)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::AlreadyExists, "PLAN_EXISTS".into()));
    let get = api::GetWorkPlanRequest { work_plan: better.work_plan_id.clone(), ..Default::default() };
    assert_eq!(taxation.plans.get_work_plan(get).await.unwrap().into_inner(), submitted);
    let none = api::SubmitWorkPlanRequest { work_plan: "none".into(), ..Default::default() };
    assert_eq!(transport.plans.submit_work_plan(none).await.unwrap_err().code(), Code::NotFound);
    let writer = world.of("transport", "reporting.write").plans.submit_work_plan(submit(&draft)).await;
    assert_eq!(reason(&writer.unwrap_err()), "SCOPE_MISSING");
}

#[tokio::test]
async fn a_plan_says_what_is_done_by_whom_and_when() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let mut transport = world.of("transport", ALL);
    let changed = |change: &dyn Fn(&mut api::WorkPlan)| {
        let mut request = plan("");
        change(request.work_plan.as_mut().unwrap());
        request
    };
    for (wrong, expected) in [
        (changed(&|plan| plan.tasks.clear()), "FIELD_INVALID"),
        (changed(&|plan| plan.year = 1999), "FIELD_INVALID"),
        (changed(&|plan| plan.tasks[0].due_on = "2026-06-31".into()), "FIELD_INVALID"),
        (changed(&|plan| plan.tasks[0].title = String::new()), "FIELD_INVALID"),
        (changed(&|plan| plan.tasks[0].due_on = "2028-01-01".into()), "FIELD_INVALID"),
        (changed(&|plan| plan.tasks[0].owner = "联系13800001111".into()), "PERSONAL_TELEPHONE_NUMBER"),
        (changed(&|plan| plan.tasks[0].title = "联系11010519491231002X".into()), "PERSONAL_IDENTITY_NUMBER"),
    ] {
        assert_eq!(reason(&transport.plans.create_work_plan(wrong).await.unwrap_err()), expected);
    }
    let mut office = world.office();
    let refused = office.plans.create_work_plan(plan("trasport")).await.unwrap_err();
    assert_eq!(reason(&refused), "DEPARTMENT_UNKNOWN");
    for department in ["finance", "justice", "finance"] {
        office.plans.create_work_plan(plan(department)).await.unwrap();
    }
    let mut request = api::ListWorkPlansRequest { year: 2026, page_size: 2, ..Default::default() };
    let first = office.plans.list_work_plans(request.clone()).await.unwrap().into_inner();
    assert_eq!(first.work_plans.len(), 2);
    request.page_token = first.next_page_token;
    let second = office.plans.list_work_plans(request).await.unwrap().into_inner();
    assert_eq!((second.work_plans.len(), second.next_page_token.as_str()), (1, ""));
    let of = api::ListWorkPlansRequest { department: "finance".into(), ..Default::default() };
    assert_eq!(office.plans.list_work_plans(of).await.unwrap().into_inner().work_plans.len(), 2);
    let other = api::ListWorkPlansRequest { year: 2025, ..Default::default() };
    assert!(office.plans.list_work_plans(other).await.unwrap().into_inner().work_plans.is_empty());
}

async fn deadlines(world: &World, department: &str, as_of: &str) -> Vec<(String, String, deadline::State)> {
    let mut request = api::ListDeadlinesRequest {
        department: department.into(),
        as_of: as_of.into(),
        page_size: 2,
        ..Default::default()
    };
    let mut found = Vec::new();
    loop {
        let mut asked = Request::new(request.clone());
        asked.metadata_mut().insert("accept-language", "zh-CN".parse().unwrap());
        let page = world.office().deadlines.list_deadlines(asked).await.unwrap().into_inner();
        assert!(page.deadlines.len() <= 2);
        found.extend(
            page.deadlines.into_iter().map(|one| (one.title.clone(), one.due_on.clone(), one.state())),
        );
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return found;
        }
    }
}

#[tokio::test]
async fn what_is_owed_is_due_then_overdue_until_it_is_met() {
    use deadline::State::{Due, Overdue};
    let world = World::at("2026-03-02T01:00:00Z").await;
    let owed = |title: &str, due: &str, state| (title.to_owned(), due.to_owned(), state);
    let (plan_title, transport_title, construction_title) =
        ("年度工作方案", "D09交通运输领域工作总结", "D06工程建设领域工作总结");
    assert_eq!(
        deadlines(&world, "transport", "2026-10-01").await,
        [
            owed(plan_title, "2026-09-30", Overdue),
            owed(construction_title, "2026-12-09", Due),
            owed(transport_title, "2026-12-09", Due)
        ]
    );
    let mut transport = world.of("transport", ALL);
    let draft = transport.plans.create_work_plan(plan("")).await.unwrap().into_inner();
    assert_eq!(deadlines(&world, "transport", "").await.len(), 3, "a draft is not handed in");
    transport.plans.submit_work_plan(submit(&draft)).await.unwrap();
    let summary = super::figures::summary("D09", "2026-01-01", "2026-12-31");
    let composed = transport.summaries.create_summary(summary).await.unwrap().into_inner();
    assert_eq!(deadlines(&world, "transport", "").await.len(), 3, "a draft is not handed in");
    super::summaries::hand_in(&mut transport, &composed.summary_id).await;
    assert_eq!(
        deadlines(&world, "transport", "").await,
        [owed("制定评价制度", "2026-06-30", Due), owed(construction_title, "2026-12-09", Due)]
    );
    assert_eq!(
        deadlines(&world, "transport", "2026-12-31").await,
        [owed("制定评价制度", "2026-06-30", Overdue), owed(construction_title, "2026-12-09", Overdue)]
    );
    assert_eq!(deadlines(&world, "transport", "2026-03-01").await.len(), 3, "as it stood the day before");
    let all = deadlines(&world, "", "").await;
    assert_eq!(all.iter().filter(|(title, ..)| title == plan_title).count(), 21);
}

#[tokio::test]
async fn a_task_is_due_until_it_is_reported_and_lateness_is_told_by_department() {
    let world = World::at("2026-07-06T01:00:00Z").await;
    let mut transport = world.of("transport", ALL);
    let draft = transport.plans.create_work_plan(plan("")).await.unwrap().into_inner();
    let report = |task: i32, done_on: &str| api::ReportTaskRequest {
        work_plan: draft.work_plan_id.clone(),
        task,
        done_on: done_on.into(),
        text: "已印发".into(),
        ..Default::default()
    };
    let early = transport.plans.report_task(report(1, "2026-07-01")).await.unwrap_err();
    assert_eq!(reason(&early), "STATE_FORBIDS");
    transport.plans.submit_work_plan(submit(&draft)).await.unwrap();
    let request = api::ListDeadlinesRequest { department: "transport".into(), ..Default::default() };
    let found = transport.deadlines.list_deadlines(request.clone()).await.unwrap().into_inner();
    let late: Vec<i32> = found.deadlines.iter().map(|one| one.working_days_late).collect();
    assert_eq!(late, [4, 0, 0], "07-01, 07-02, 07-03 and 07-06 are worked");
    let lateness = &found.departments[0];
    assert_eq!((lateness.department.as_str(), lateness.overdue, lateness.due), ("transport", 1, 2));
    assert_eq!((lateness.name.as_str(), lateness.working_days_late), ("交通运输局", 4));

    assert_eq!(
        reason(&transport.plans.report_task(report(1, "2026-07-07")).await.unwrap_err()),
        "FIELD_INVALID"
    );
    assert_eq!(
        transport.plans.report_task(report(2, "2026-07-01")).await.unwrap_err().code(),
        Code::NotFound
    );
    let mut taxation = world.of("taxation", ALL);
    let strange = taxation.plans.report_task(report(1, "2026-07-01")).await.unwrap_err();
    assert_eq!(reason(&strange), "NOT_OF_DEPARTMENT");
    let done = transport.plans.report_task(report(1, "2026-07-01")).await.unwrap().into_inner();
    assert_eq!((done.tasks[0].done_on.as_str(), done.tasks[0].report.as_str()), ("2026-07-01", "已印发"));
    let found = transport.deadlines.list_deadlines(request).await.unwrap().into_inner();
    assert_eq!(found.departments[0].overdue, 0);
    let as_of = api::ListDeadlinesRequest {
        as_of: "2026-07-06".into(),
        department: "taxation".into(),
        ..Default::default()
    };
    let others = transport.deadlines.list_deadlines(as_of).await.unwrap().into_inner();
    assert!(others.departments.iter().all(|one| one.department == "taxation"));
}

#[tokio::test]
async fn a_returned_plan_is_handed_in_anew_as_the_next_version() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let (mut transport, mut office, mut reviewer) =
        (world.of("transport", ALL), world.office(), world.reviewer());
    let first = transport.plans.create_work_plan(plan("")).await.unwrap().into_inner();
    let accept = |plan: &api::WorkPlan| api::AcceptWorkPlanRequest {
        work_plan: plan.work_plan_id.clone(),
        ..Default::default()
    };
    let return_ = |plan: &api::WorkPlan, text: &str| api::ReturnWorkPlanRequest {
        work_plan: plan.work_plan_id.clone(),
        text: text.into(),
        ..Default::default()
    };
    let draft = office.plans.accept_work_plan(accept(&first)).await.unwrap_err();
    assert_eq!((draft.code(), reason(&draft).as_str()), (Code::FailedPrecondition, "STATE_FORBIDS"));
    let first = transport.plans.submit_work_plan(submit(&first)).await.unwrap().into_inner();
    assert_eq!((first.version, first.submitted_by.as_str()), (1, "transport-client"));
    let own = transport.plans.accept_work_plan(accept(&first)).await.unwrap_err();
    assert_eq!((own.code(), reason(&own).as_str()), (Code::PermissionDenied, "OFFICE_ONLY"));
    let silent = office.plans.return_work_plan(return_(&first, "")).await.unwrap_err();
    assert_eq!(reason(&silent), "FIELD_INVALID");
    let returned =
        office.plans.return_work_plan(return_(&first, "任务没有时间节点")).await.unwrap().into_inner();
    assert_eq!(returned.state(), work_plan::State::Returned);
    assert_eq!(returned.review.unwrap().text, "任务没有时间节点");
    let owed = deadlines(&world, "transport", "").await;
    assert!(owed.iter().any(|(title, ..)| title == "年度工作方案"), "what was returned is owed again");

    let second = transport.plans.create_work_plan(plan("")).await.unwrap().into_inner();
    let second = transport.plans.submit_work_plan(submit(&second)).await.unwrap().into_inner();
    assert_eq!(second.version, 2);
    let accepted = office.plans.accept_work_plan(accept(&second)).await.unwrap().into_inner();
    assert_eq!(accepted.state(), work_plan::State::Accepted);
    let again = reviewer.plans.accept_work_plan(accept(&second)).await.unwrap_err();
    assert_eq!(reason(&again), "STATE_FORBIDS");
    let request = api::ListWorkPlansRequest { department: "transport".into(), ..Default::default() };
    let all = transport.plans.list_work_plans(request.clone()).await.unwrap().into_inner().work_plans;
    assert_eq!(all.iter().map(|plan| plan.version).collect::<Vec<_>>(), [2, 1]);
    let mut request = request;
    request.set_state(work_plan::State::Returned);
    let old = transport.plans.list_work_plans(request).await.unwrap().into_inner().work_plans;
    assert_eq!((old.len(), old[0].work_plan_id.as_str()), (1, first.work_plan_id.as_str()));

    // Who hands in for a department does not review it.
    let of_office = office.plans.create_work_plan(plan("finance")).await.unwrap().into_inner();
    office.plans.submit_work_plan(submit(&of_office)).await.unwrap();
    let refused = office.plans.accept_work_plan(accept(&of_office)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::PermissionDenied, "REVIEWER_SUBMITTED"));
    reviewer.plans.accept_work_plan(accept(&of_office)).await.unwrap();
    let opened = reviewer.plans.return_work_plan(return_(&of_office, "调整任务")).await.unwrap().into_inner();
    assert_eq!(opened.state(), work_plan::State::Returned, "an accepted plan may be opened again");
}

#[tokio::test]
async fn a_draft_is_changed_under_its_etag() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let mut transport = world.of("transport", ALL);
    let draft = transport.plans.create_work_plan(plan("")).await.unwrap().into_inner();
    let update = |work_plan: api::WorkPlan| api::UpdateWorkPlanRequest {
        work_plan: Some(work_plan),
        ..Default::default()
    };
    let mut changed = draft.clone();
    changed.tasks[0].title = "修订评价制度".into();
    let written = transport.plans.update_work_plan(update(changed.clone())).await.unwrap().into_inner();
    assert_eq!((written.tasks[0].title.as_str(), written.etag == draft.etag), ("修订评价制度", false));
    let stale = transport.plans.update_work_plan(update(changed)).await.unwrap_err();
    assert_eq!((stale.code(), reason(&stale).as_str()), (Code::Aborted, "ETAG_STALE"));
    let strange =
        world.of("taxation", ALL).plans.update_work_plan(update(written.clone())).await.unwrap_err();
    assert_eq!(reason(&strange), "NOT_OF_DEPARTMENT");
    transport.plans.submit_work_plan(submit(&draft)).await.unwrap();
    let late = transport.plans.update_work_plan(update(written)).await.unwrap_err();
    assert_eq!(reason(&late), "STATE_FORBIDS");
}

#[tokio::test]
async fn of_two_submissions_at_once_one_wins_and_the_other_is_told() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    for round in 0..5 {
        let department = ["finance", "justice", "water", "health", "grain"][round];
        let (mut one, mut two) = (world.of(department, ALL), world.of(department, ALL));
        let first = one.plans.create_work_plan(plan("")).await.unwrap().into_inner();
        let second = one.plans.create_work_plan(plan("")).await.unwrap().into_inner();
        let (left, right) = tokio::join!(
            one.plans.submit_work_plan(submit(&first)),
            two.plans.submit_work_plan(submit(if round == 0 { &first } else { &second }))
        );
        assert_eq!(left.is_ok(), right.is_err(), "{department}: one wins");
        let lost = left.err().or(right.err()).unwrap();
        let told = if round == 0 { "PLAN_SUBMITTED" } else { "PLAN_EXISTS" };
        assert_eq!(reason(&lost), told);
    }
}

#[tokio::test]
async fn obligations_tell_what_the_plan_asks_of_whom() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let mut client = world.of("transport", ALL);
    let request = |department: &str| api::ListObligationsRequest {
        department: department.into(),
        ..Default::default()
    };
    let own = client.deadlines.list_obligations(request("natural-resources")).await.unwrap().into_inner();
    let duties: Vec<(&str, &str, bool)> =
        own.obligations.iter().map(|one| (one.duty.as_str(), one.due_on.as_str(), one.followed)).collect();
    assert_eq!(duties, [("implementation", "", false), ("work-plan", "2026-09-30", true)]);
    let wrong = client.deadlines.list_obligations(request("trasport")).await.unwrap_err();
    assert_eq!(reason(&wrong), "DEPARTMENT_UNKNOWN");
    let (mut all, mut token) = (0, String::new());
    loop {
        let page = api::ListObligationsRequest { page_size: 40, page_token: token, ..Default::default() };
        let page = client.deadlines.list_obligations(page).await.unwrap().into_inner();
        all += page.obligations.len();
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert!(all > 100, "{all}");
}
