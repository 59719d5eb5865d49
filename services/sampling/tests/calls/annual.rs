//! Annual plans from the draft to a change, and joint tasks between departments.
use chassis::{
    access::Claims,
    trial::{Bearer, reason},
};
use contract::{
    grading::v1::scheme::Disclosure,
    sampling::v1::{self as api, annual_plan::State, annual_task::Level},
};
use futures::StreamExt as _;
use tonic::Code;

use super::world::{ALL, World, inspector, plan, quota, wrong_fields};

fn officer(world: &World, name: &str) -> Bearer {
    world.trial.token_of(Claims {
        sub: name.to_owned(),
        department: "transport".to_owned(),
        scope: ALL.to_owned(),
        default_purpose: "test".to_owned(),
        ..world.trial.claims()
    })
}

fn task(number: &str) -> api::AnnualTask {
    api::AnnualTask {
        number: number.to_owned(),
        title: "道路运输企业部门联合抽查".to_owned(),
        starter_department: "transport".to_owned(),
        partner_departments: vec!["fire".to_owned()],
        inspection_items: vec!["operation".to_owned(), "fire".to_owned()],
        objects: "道路货运企业".to_owned(),
        percent: 5.0,
        times: 1,
        times_at_least: true,
        window: Some(api::Period { from: "2026-03-01".to_owned(), to: "2026-11-10".to_owned() }),
        level: Level::CityCity as i32,
        risk_requirement: "C、D 类提高比例".to_owned(),
        ..Default::default()
    }
}

fn annual(reason: &str) -> api::AnnualPlan {
    api::AnnualPlan {
        annual_plan_id: "transport-2026".to_owned(),
        year: 2026,
        title: "2026年度部门联合双随机抽查计划".to_owned(),
        tasks: vec![task("1")],
        change_reason: reason.to_owned(),
        ..Default::default()
    }
}

async fn put(world: &World, by: &str, plan: api::AnnualPlan) -> Result<api::AnnualPlan, tonic::Status> {
    let request = api::PutAnnualPlanRequest { annual_plan: Some(plan), ..Default::default() };
    Ok(world.annual_plans(officer(world, by)).put_annual_plan(request).await?.into_inner())
}

async fn approve(world: &World, by: &str, version: i32) -> Result<api::AnnualPlan, tonic::Status> {
    let request = api::ApproveAnnualPlanRequest {
        annual_plan: "transport-2026".to_owned(),
        version,
        approval_number: "虚批〔2026〕1号".to_owned(),
        ..Default::default()
    };
    Ok(world.annual_plans(officer(world, by)).approve_annual_plan(request).await?.into_inner())
}

async fn publish(world: &World) -> Result<api::AnnualPlan, tonic::Status> {
    let request =
        api::PublishAnnualPlanRequest { annual_plan: "transport-2026".to_owned(), ..Default::default() };
    Ok(world.annual_plans(officer(world, "one")).publish_annual_plan(request).await?.into_inner())
}

/// A city with the items of two departments.
async fn city() -> World {
    let world = World::new(Disclosure::Departments).await;
    world.put_item("operation", &[]).await;
    let fire = api::InspectionItem {
        department: "fire".into(),
        name: "消防安全检查".into(),
        ..super::world::item("fire", &[])
    };
    let request = api::PutInspectionItemRequest { inspection_item: Some(fire), ..Default::default() };
    world.items(world.office("sampling.write")).put_inspection_item(request).await.unwrap();
    world
}

#[tokio::test]
async fn an_annual_plan_is_put_approved_published_and_changed() {
    let world = city().await;
    let public = async || {
        let request = api::ListPublicAnnualPlansRequest { year: 2026, ..Default::default() };
        world
            .anybody_annual_plans()
            .list_public_annual_plans(request)
            .await
            .unwrap()
            .into_inner()
            .annual_plans
    };
    let draft = put(&world, "one", annual("")).await.unwrap();
    assert_eq!((draft.version, draft.state(), draft.put_by.as_str()), (1, State::Draft, "one"));
    // A draft is mended in place.
    assert_eq!(put(&world, "one", annual("")).await.unwrap().version, 1);
    let early = publish(&world).await.unwrap_err();
    assert_eq!((early.code(), reason(&early).as_str()), (Code::FailedPrecondition, "ANNUAL_PLAN_STATE"));
    let own = approve(&world, "one", 1).await.unwrap_err();
    assert_eq!((own.code(), reason(&own).as_str()), (Code::PermissionDenied, "SAME_OFFICER"));
    assert_eq!(wrong_fields(&approve(&world, "two", 2).await.unwrap_err()), ["version"]);
    let approved = approve(&world, "two", 1).await.unwrap();
    assert_eq!((approved.state(), approved.approved_by.as_str()), (State::Approved, "two"));
    assert_eq!(reason(&approve(&world, "two", 1).await.unwrap_err()), "ANNUAL_PLAN_STATE");
    assert!(public().await.is_empty());
    assert_eq!(publish(&world).await.unwrap().state(), State::Published);
    let shown = public().await;
    assert_eq!((shown.len(), shown[0].put_by.as_str(), shown[0].approved_by.as_str()), (1, "", ""));

    // A change is the next version, with its reason; until it is published the old one stands.
    assert_eq!(wrong_fields(&put(&world, "one", annual("")).await.unwrap_err()), ["annualPlan.changeReason"]);
    let more = api::AnnualPlan { tasks: vec![task("1"), task("2")], ..annual("新增一项联合任务") };
    assert_eq!(put(&world, "one", more).await.unwrap().version, 2);
    assert_eq!(public().await[0].version, 1);
    approve(&world, "two", 2).await.unwrap();
    publish(&world).await.unwrap();
    assert_eq!((public().await[0].version, public().await[0].tasks.len()), (2, 2));
    let request =
        api::ListAnnualPlanVersionsRequest { annual_plan: "transport-2026".into(), ..Default::default() };
    let versions = world
        .annual_plans(world.transport())
        .list_annual_plan_versions(request)
        .await
        .unwrap()
        .into_inner()
        .versions;
    let states: Vec<(i32, State)> = versions.iter().map(|one| (one.version, one.state())).collect();
    assert_eq!(states, [(2, State::Published), (1, State::Superseded)]);
    let request =
        api::GetAnnualPlanRequest { annual_plan: "transport-2026".into(), version: 1, ..Default::default() };
    let first = world.annual_plans(world.transport()).get_annual_plan(request).await.unwrap().into_inner();
    assert_eq!(first.tasks.len(), 1, "the version before stays as it was");
}

#[tokio::test]
async fn the_published_plan_goes_out_with_the_columns_of_departments() {
    let world = city().await;
    let ask = async |format: &str| {
        let request =
            api::ExportAnnualPlanRequest { annual_plan: "transport-2026".into(), format: format.into() };
        world.anybody_annual_plans().export_annual_plan(request).await
    };
    assert_eq!(ask("csv").await.err().unwrap().code(), Code::NotFound);
    put(&world, "one", annual("")).await.unwrap();
    approve(&world, "two", 1).await.unwrap();
    publish(&world).await.unwrap();
    let answer = ask("csv").await.unwrap();
    let told = chassis::trial::told(&answer);
    assert_eq!(chassis::trial::told(&ask("csv").await.unwrap()), told, "the same file has the same tag");
    assert_ne!(chassis::trial::told(&ask("xlsx").await.unwrap()).0, told.0);
    let bytes = answer.into_inner().map(|part| part.unwrap().data).collect::<Vec<_>>().await.concat();
    assert_eq!(told.1, bytes.len().to_string());
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.starts_with("\u{FEFF}序号,抽查任务名称,抽查事项,抽查对象范围,抽查比例,抽查数量,抽查频次,抽查时间,发起部门,配合部门,抽查层级,"), "{text}");
    assert!(
        text.contains("道路运输经营检查、消防安全检查")
            && text.contains("≥1次/年,2026-03-01至2026-11-10,transport,fire,市抽市查"),
        "{text}"
    );
    assert!(ask("xlsx").await.is_ok());
    assert_eq!(wrong_fields(&ask("pdf").await.err().unwrap()), ["format"]);
}

#[tokio::test]
async fn annual_plans_are_refused_with_their_field() {
    let world = city().await;
    let of = |task: api::AnnualTask| api::AnnualPlan { tasks: vec![task], ..annual("") };
    for (wrong, field) in [
        (of(api::AnnualTask { count: 1, ..task("1") }), "annualPlan.tasks[0].percent"),
        (
            of(api::AnnualTask { inspection_items: vec!["x".into()], ..task("1") }),
            "annualPlan.tasks[0].inspectionItems[0]",
        ),
        (
            of(api::AnnualTask { starter_department: String::new(), ..task("1") }),
            "annualPlan.tasks[0].starterDepartment",
        ),
        (api::AnnualPlan { tasks: vec![task("1"), task("1")], ..annual("") }, "annualPlan.tasks[1].number"),
        (api::AnnualPlan { year: 1999, ..annual("") }, "annualPlan.year"),
    ] {
        assert_eq!(wrong_fields(&put(&world, "one", wrong).await.unwrap_err()), [field]);
    }
    let theirs = api::AnnualPlan { department: "water".into(), ..annual("") };
    assert_eq!(reason(&put(&world, "one", theirs).await.unwrap_err()), "OTHER_DEPARTMENT");
    assert_eq!(approve(&world, "two", 1).await.unwrap_err().code(), Code::NotFound);
    let request = api::GetAnnualPlanRequest { annual_plan: "none".into(), ..Default::default() };
    let missing = world.annual_plans(world.transport()).get_annual_plan(request).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
}

#[tokio::test]
async fn a_joint_task_has_one_visit_with_a_team_of_each_department() {
    let world = city().await;
    put(&world, "one", annual("")).await.unwrap();
    let joint = || api::Plan {
        departments: vec!["transport".into(), "fire".into()],
        inspection_items: vec!["operation".into(), "fire".into()],
        team_of_each_department: true,
        annual_plan: "transport-2026".into(),
        annual_task: "1".into(),
        quotas: vec![quota("B", 50.0, 0)],
        ..plan("joint")
    };
    let unpublished = world.try_plan(world.transport(), joint()).await.unwrap_err();
    assert_eq!(reason(&unpublished), "ANNUAL_PLAN_STATE");
    approve(&world, "two", 1).await.unwrap();
    publish(&world).await.unwrap();
    for (wrong, field) in [
        (api::Plan { annual_task: "9".into(), ..joint() }, "plan.annualTask"),
        (
            api::Plan { departments: vec!["transport".into(), "water".into()], ..joint() },
            "plan.departments[1]",
        ),
        (
            api::Plan {
                period: Some(api::Period { from: "2026-02-01".into(), to: "2026-06-30".into() }),
                ..joint()
            },
            "plan.period",
        ),
        (
            api::Plan { annual_plan: String::new(), starter_department: "water".into(), ..joint() },
            "plan.starterDepartment",
        ),
    ] {
        assert_eq!(wrong_fields(&world.try_plan(world.transport(), wrong).await.unwrap_err()), [field]);
    }
    let made = world.create_plan(joint()).await;
    assert_eq!((made.starter_department.as_str(), made.annual_plan_version), ("transport", 1));
    for id in ["t1", "t2", "t3"] {
        world.put_inspector(inspector(id)).await;
    }
    let fire = |id: &str| api::Inspector { department: "fire".into(), skills: Vec::new(), ..inspector(id) };
    for id in ["f1", "f2"] {
        let request = api::PutInspectorRequest { inspector: Some(fire(id)), ..Default::default() };
        world.inspectors(world.office("sampling.write")).put_inspector(request).await.unwrap();
    }
    // The partner does not draw.
    let request =
        api::CommitPlanRequest { plan: "joint".into(), entropy_source: "dice".into(), ..Default::default() };
    let partner = world.trial.token("fire", ALL);
    let denied = world.plans(partner.clone()).commit_plan(request).await.unwrap_err();
    assert_eq!(reason(&denied), "OTHER_DEPARTMENT");
    let draw = world.commit("joint").await.unwrap();
    assert!(draw.warnings.is_empty(), "{:?}", draw.warnings);
    let request =
        api::RevealDrawRequest { draw: draw.draw_id.clone(), entropy: "1".into(), ..Default::default() };
    let denied = world.draws(partner.clone()).reveal_draw(request).await.unwrap_err();
    assert_eq!(reason(&denied), "OTHER_DEPARTMENT");
    let draw = world.reveal(&draw.draw_id, "3 5 2").await.unwrap();
    let visits = world.visits_of(&draw.draw_id).await;
    assert_eq!(visits.len(), 6);
    for visit in &visits {
        let of = |mark: char| visit.inspectors.iter().filter(|id| id.starts_with(mark)).count();
        assert_eq!((of('t'), of('f'), visit.shortage.as_str()), (2, 2, ""), "{visit:?}");
        assert_eq!(visit.inspection_items, ["operation", "fire"]);
    }
    // One visit, both items; the partner records as well.
    let findings = ["operation", "fire"].map(|item| super::world::finding(item, "R01")).to_vec();
    let request = api::RecordVisitRequest {
        visit: visits[0].visit_id.clone(),
        inspected_on: "2026-03-02".into(),
        findings,
        ..Default::default()
    };
    let recorded = world.visits(partner).record_visit(request).await.unwrap().into_inner();
    assert_eq!(recorded.findings.len(), 2);
}
