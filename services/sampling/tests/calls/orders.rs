//! Orders: targeted, complaint and mandatory checks, kept apart from what is drawn.
use chassis::trial::reason;
use contract::{
    grading::v1::scheme::Disclosure,
    sampling::v1::{self as api, plan::Kind, visit::Status},
};
use tonic::Code;

use super::world::{World, code, inspector, plan, quota, wrong_fields};

fn complaint(id: &str) -> api::Plan {
    api::Plan { kind: Kind::Complaint as i32, quotas: Vec::new(), ..plan(id) }
}

fn order(plan: &str, subjects: &[String]) -> api::OrderVisitsRequest {
    let subject = |uscc: &String| api::OrderedSubject { uscc: uscc.clone(), reason: "12315 投诉".into() };
    api::OrderVisitsRequest {
        plan: plan.into(),
        subjects: subjects.iter().map(subject).collect(),
        ..Default::default()
    }
}

#[tokio::test]
async fn what_is_ordered_is_never_passed_off_as_drawn() {
    let world = World::new(Disclosure::Public).await;
    world.put_item("operation", &[]).await;
    for id in ["i1", "i2", "i3"] {
        world.put_inspector(inspector(id)).await;
    }
    let made = world.create_plan(complaint("c")).await;
    assert_eq!((made.kind(), made.quotas.len()), (Kind::Complaint, 0));
    assert_eq!(world.create_plan(plan("p")).await.kind(), Kind::Random);
    let refused = world.commit("c").await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "PLAN_KIND"));
    let visits = || world.visits(world.transport());
    let refused = visits().order_visits(order("p", &[code(1)])).await.unwrap_err();
    assert_eq!(reason(&refused), "PLAN_KIND");

    let given = visits().order_visits(order("c", &[code(1), code(5)])).await.unwrap().into_inner();
    assert_eq!((given.kind(), given.visits.len(), given.warnings.len()), (Kind::Complaint, 2, 0));
    let first = &given.visits[0];
    assert_eq!(
        (first.uscc.clone(), first.name.as_str(), first.kind()),
        (code(1), "试验企业1", Kind::Complaint)
    );
    assert_eq!((first.inspectors.len(), first.order_reason.as_str()), (2, "12315 投诉"));
    assert_eq!(world.visits_of(&given.order_id).await, given.visits);
    assert_eq!(world.frequency(&code(1)).await.directed, 1);
    let listed = world.draws(world.transport()).list_draws(api::ListDrawsRequest::default()).await.unwrap();
    assert!(listed.into_inner().draws.is_empty(), "an order is no draw");
    assert_eq!(
        world.bundle(world.office("sampling.audit"), &given.order_id, "", "").await.unwrap_err().code(),
        Code::NotFound
    );
    // It is recorded and published as any visit, and goes back to credit; the effect of the grades does not count it.
    world.record(&first.visit_id, "2026-03-02", "R08").await.unwrap();
    let published = world.publish(&first.visit_id).await.unwrap();
    assert_eq!((published.status(), published.records.len()), (Status::Published, 1));
    let results = world
        .anybody_visits()
        .list_public_results(api::ListPublicResultsRequest::default())
        .await
        .unwrap()
        .into_inner()
        .results;
    assert_eq!((results.len(), results[0].kind()), (1, Kind::Complaint));
    let effect = api::GetEffectRequest { scheme: "s".into(), ..Default::default() };
    let effect = world.effects(world.transport()).get_effect(effect).await.unwrap().into_inner();
    assert!(effect.strata.is_empty(), "{effect:?}");
    // Nobody has the next ticket.
    let refused = world.replace(&given.visits[1].visit_id, "x").await.unwrap_err();
    assert_eq!(reason(&refused), "PLAN_KIND");
}

#[tokio::test]
async fn an_excess_is_told_and_not_refused() {
    let world = World::new(Disclosure::Public).await;
    world.cap(1).await;
    world.put_item("operation", &[]).await;
    world.create_plan(api::Plan { quotas: vec![quota("B", 100.0, 0)], ..plan("p") }).await;
    let draw = world.commit("p").await.unwrap();
    world.reveal(&draw.draw_id, "x").await.unwrap();
    world.create_plan(complaint("c")).await;
    let given = world.visits(world.transport()).order_visits(order("c", &[code(1), code(5)])).await;
    let given = given.unwrap().into_inner();
    assert_eq!(given.visits.iter().map(|visit| visit.over_cap).collect::<Vec<_>>(), [false, true]);
    assert!(
        given.warnings[0].contains(&code(5)) && given.warnings[0].contains("2 visits in 2026"),
        "{:?}",
        given.warnings
    );
    assert!(given.warnings[1].starts_with("2 visits have fewer than 2 inspectors"), "{:?}", given.warnings);
    let counted = world.frequency(&code(5)).await;
    assert_eq!((counted.drawn, counted.directed), (1, 1));
}

#[tokio::test]
async fn an_order_names_whom_credit_knows_once() {
    let world = World::new(Disclosure::Public).await;
    world.put_item("operation", &[]).await;
    world.create_plan(complaint("c")).await;
    let refused = async |subjects: &[String]| {
        world.visits(world.transport()).order_visits(order("c", subjects)).await.unwrap_err()
    };
    let unknown = refused(&[code(1), code(999)]).await;
    assert_eq!(
        (reason(&unknown).as_str(), wrong_fields(&unknown)),
        ("SUBJECT_UNKNOWN", vec!["subjects[1].uscc".to_owned()])
    );
    assert_eq!(wrong_fields(&refused(&[code(1), code(1)]).await), ["subjects[1].uscc"]);
    assert_eq!(wrong_fields(&refused(&["12".to_owned()]).await), ["subjects[0].uscc"]);
    assert_eq!(refused(&[]).await.code(), Code::InvalidArgument);
    let foreign = world.trial.token("water", super::world::ALL);
    let denied = world.visits(foreign).order_visits(order("c", &[code(1)])).await.unwrap_err();
    assert_eq!(reason(&denied), "OTHER_DEPARTMENT");
    assert_eq!(world.frequency(&code(1)).await.directed, 0, "what was refused is not counted");
    // What is for a draw alone is refused of a plan without one.
    let drawn = api::Plan {
        quotas: vec![quota("A", 1.0, 0)],
        exclude_drawn_within_years: 1,
        exemptions: vec![api::PlanExemption { uscc: code(1), reason: "x".into() }],
        ..complaint("d")
    };
    let refused = world.try_plan(world.transport(), drawn).await.unwrap_err();
    assert_eq!(wrong_fields(&refused), ["plan.quotas", "plan.excludeDrawnWithinYears", "plan.exemptions"]);
}
