//! Plans.
use chassis::trial::reason;
use contract::{
    grading::v1::{self as grading, scheme::Disclosure},
    sampling::v1 as api,
};
use tonic::Code;

use super::world::{World, code, plan, quota, scheme, wrong_fields};

#[tokio::test]
async fn a_plan_is_created_completed_and_listed() {
    let world = World::new(Disclosure::Departments).await;
    world.put_item("operation", &[]).await;
    let bare = api::Plan { plan_id: String::new(), departments: Vec::new(), ..plan("") };
    let made = world.create_plan(bare).await;
    assert!(!made.plan_id.is_empty() && made.create_time.is_some());
    assert_eq!(
        (made.departments.as_slice(), made.department.as_str()),
        (["transport".to_owned()].as_slice(), "transport")
    );
    assert_eq!(made.inspectors_per_visit, 2);
    let joint = world
        .create_plan(api::Plan { departments: vec!["transport".into(), "water".into()], ..plan("zz") })
        .await;
    let get = |id: &str| api::GetPlanRequest { plan: id.to_owned(), ..Default::default() };
    let got = world.plans(world.transport()).get_plan(get("zz")).await.unwrap().into_inner();
    assert_eq!(got, joint);
    let list = |department: &str, scheme: &str| api::ListPlansRequest {
        department: department.to_owned(),
        scheme: scheme.to_owned(),
        ..Default::default()
    };
    for (filter, count) in [
        (list("", ""), 2),
        (list("water", ""), 1),
        (list("wat", ""), 0),
        (list("transport", "s"), 2),
        (list("", "t"), 0),
    ] {
        let listed = world.plans(world.transport()).list_plans(filter.clone()).await.unwrap().into_inner();
        assert_eq!(listed.plans.len(), count, "{filter:?}");
    }
    let first = api::ListPlansRequest { page_size: 1, ..Default::default() };
    let token = world.plans(world.transport()).list_plans(first).await.unwrap().into_inner().next_page_token;
    let second = api::ListPlansRequest { page_token: token, ..Default::default() };
    let listed = world.plans(world.transport()).list_plans(second).await.unwrap().into_inner();
    assert_eq!(listed.plans.iter().map(|plan| plan.plan_id.as_str()).collect::<Vec<_>>(), ["zz"]);
    let missing = world.plans(world.transport()).get_plan(get("none")).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
}

#[tokio::test]
async fn quotas_left_out_are_the_measures() {
    let world = World::new(Disclosure::Departments).await;
    world.put_item("operation", &[]).await;
    let without = || api::Plan { quotas: Vec::new(), ..plan("p") };
    let early = world.try_plan(world.transport(), without()).await.unwrap_err();
    assert_eq!(wrong_fields(&early), ["plan.quotas"]);
    let measure = |(grade, percent): (&str, f64)| grading::Measure {
        grade: grade.to_owned(),
        sampling_percent: percent,
        ..Default::default()
    };
    let measures = [("A", 2.5), ("B", 33.3333)].map(measure).to_vec();
    let put = grading::PutMeasuresRequest { scheme: "s".into(), measures, ..Default::default() };
    world.schemes(world.office("grading.write")).put_measures(put).await.unwrap();
    // The office's plan is the scheme's department's.
    let made = world
        .try_plan(world.office("sampling.write"), api::Plan { departments: Vec::new(), ..without() })
        .await
        .unwrap();
    assert_eq!(made.quotas, [quota("A", 2.5, 0), quota("B", 33.3333, 0)]);
    assert_eq!((made.departments, made.department.as_str()), (vec!["transport".to_owned()], "credit-office"));
}

#[tokio::test]
async fn a_plan_is_refused_with_its_field_and_reason() {
    let world = World::new(Disclosure::Departments).await;
    world.put_item("operation", &[]).await;
    let refused = async |plan: api::Plan| world.try_plan(world.transport(), plan).await.unwrap_err();
    let scheme_unknown = refused(api::Plan { scheme: "none".into(), ..plan("p") }).await;
    assert_eq!((scheme_unknown.code(), reason(&scheme_unknown).as_str()), (Code::NotFound, "SCHEME_UNKNOWN"));
    assert_eq!(wrong_fields(&scheme_unknown), ["plan.scheme"]);
    world.create_scheme(scheme("draft", Disclosure::Public)).await;
    let draft = refused(api::Plan { scheme: "draft".into(), ..plan("p") }).await;
    assert_eq!((draft.code(), reason(&draft).as_str()), (Code::FailedPrecondition, "SCHEME_NOT_PUBLISHED"));
    let item = refused(api::Plan { inspection_items: vec!["none".into()], ..plan("p") }).await;
    assert_eq!(
        (reason(&item).as_str(), wrong_fields(&item)),
        ("INSPECTION_ITEM_UNKNOWN", vec!["plan.inspectionItems[0]".to_owned()])
    );
    let grade = refused(api::Plan { quotas: vec![quota("E", 1.0, 0)], ..plan("p") }).await;
    assert_eq!(
        (grade.code(), wrong_fields(&grade)),
        (Code::InvalidArgument, vec!["plan.quotas[0].grade".to_owned()])
    );
    let many = refused(api::Plan {
        quotas: vec![quota("A", 0.12345, 0)],
        inspectors_per_visit: 1,
        period: Some(api::Period { from: "2026-03-02".into(), to: "2026-03-01".into() }),
        ..plan("p")
    });
    assert_eq!(
        wrong_fields(&many.await),
        ["plan.period.to", "plan.inspectorsPerVisit", "plan.quotas[0].percent"]
    );
    let over = refused(api::Plan { quotas: vec![quota("A", 101.0, 0)], ..plan("p") }).await;
    assert_eq!(wrong_fields(&over), ["plan.quotas[0].percent"]);
    let other = refused(api::Plan { departments: vec!["water".into()], ..plan("p") }).await;
    assert_eq!((other.code(), reason(&other).as_str()), (Code::PermissionDenied, "OTHER_DEPARTMENT"));
    let enterprise = world.try_plan(world.enterprise(&code(1)), plan("p")).await.unwrap_err();
    assert_eq!(reason(&enterprise), "SCOPE_MISSING");
}

#[tokio::test]
async fn a_plan_is_made_once() {
    let world = World::new(Disclosure::Departments).await;
    world.put_item("operation", &[]).await;
    let request = api::CreatePlanRequest { plan: Some(plan("p")), request_id: "key".into() };
    let first = world.plans(world.transport()).create_plan(request.clone()).await.unwrap().into_inner();
    let again = world.plans(world.transport()).create_plan(request.clone()).await.unwrap().into_inner();
    assert_eq!(first, again);
    let other = api::CreatePlanRequest { plan: Some(plan("q")), ..request };
    let reused = world.plans(world.transport()).create_plan(other).await.unwrap_err();
    assert_eq!(reason(&reused), "REQUEST_ID_REUSED");
    let exists = world.try_plan(world.transport(), plan("p")).await.unwrap_err();
    assert_eq!((exists.code(), reason(&exists).as_str()), (Code::AlreadyExists, "ALREADY_EXISTS"));
}
