//! Work plans and deadlines.
use chassis::trial::reason;
use contract::reporting::v1::{self as api, deadline, work_plan};
use tonic::{Code, Request};

use super::world::{ALL, World};

fn plan(department: &str) -> api::CreateWorkPlanRequest {
    let task =
        api::Task {
            title: "制定评价制度".into(), owner: "综合科".into(), due_on: "2026-06-30".into()
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

fn submit(plan: &api::WorkPlan) -> api::SubmitWorkPlanRequest {
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
    let summary = api::CreateSummaryRequest {
        domain: "D09".into(),
        from: "2026-01-01".into(),
        to: "2026-12-31".into(),
        ..Default::default()
    };
    transport.summaries.create_summary(summary).await.unwrap();
    assert_eq!(
        deadlines(&world, "transport", "").await,
        [owed("制定评价制度", "2026-06-30", Due), owed(construction_title, "2026-12-09", Due)]
    );
    assert_eq!(
        deadlines(&world, "transport", "2026-12-31").await,
        [owed(construction_title, "2026-12-09", Overdue)]
    );
    assert_eq!(deadlines(&world, "transport", "2026-03-01").await.len(), 3, "as it stood the day before");
    let all = deadlines(&world, "", "").await;
    assert_eq!(all.iter().filter(|(title, ..)| title == plan_title).count(), 21);
}
