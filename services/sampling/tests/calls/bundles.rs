//! Bundles: what each may see, and that it verifies.
use chassis::{access::Claims, trial::reason};
use contract::{grading::v1::scheme::Disclosure, sampling::v1 as api};
use tonic::Code;

use super::world::{World, code, plan};

pub fn readable(bundle: &api::Bundle) -> draw::Bundle {
    let stratum = |given: &Option<String>| given.clone().unwrap_or_default();
    let selected = bundle.selected.iter().map(|one| draw::Selected {
        uscc: one.uscc.clone(),
        stratum: stratum(&one.stratum),
        ticket: one.ticket.clone(),
    });
    let replacements = bundle.replacements.iter().map(|one| draw::Replacement {
        uscc: one.uscc.clone(),
        replaced_by: one.replaced_by.clone(),
        stratum: stratum(&one.stratum),
        ticket: one.ticket.clone(),
        reason: one.reason.clone(),
    });
    draw::Bundle {
        draw_id: bundle.draw_id.clone(),
        roster: bundle.roster.clone().unwrap_or_default(),
        roster_digest: bundle.roster_digest.clone(),
        quota_text: bundle.quota_text.clone(),
        commitment: bundle.commitment.clone(),
        entropy_source: bundle.entropy_source.clone(),
        secret: bundle.secret.clone(),
        entropy: bundle.entropy.clone(),
        seed: bundle.seed.clone(),
        selected: selected.collect(),
        replacements: replacements.collect(),
        exclusions: bundle.exclusions.clone().unwrap_or_default(),
        exclusions_digest: bundle.exclusions_digest.clone(),
    }
}

pub async fn public(world: &World, draw: &str) -> api::Bundle {
    let request = api::GetBundleRequest { draw: draw.to_owned(), ..Default::default() };
    world.anybody_draws().get_bundle(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_public_schemes_bundle_is_whole_for_everybody() {
    let world = World::new(Disclosure::Public).await;
    let draw = world.drawn(plan("p")).await;
    let bundle = public(&world, &draw.draw_id).await;
    assert_eq!(bundle.roster.as_ref().map(|roster| roster.lines().count()), Some(60));
    assert_eq!(bundle.selected, draw.selected);
    let verified = draw::verify(&readable(&bundle)).unwrap();
    assert_eq!((verified.roster_size, verified.drawn), (Some(60), 9));
    // A changed line is found out.
    let mut forged = readable(&bundle);
    forged.roster = forged.roster.replacen(",A", ",B", 1);
    assert!(draw::verify(&forged).is_err());
    let request = api::GetBundleRequest { draw: "none".into(), ..Default::default() };
    assert_eq!(world.anybody_draws().get_bundle(request).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn replacements_stand_in_the_bundle_and_verify() {
    let world = World::new(Disclosure::Public).await;
    let draw = world.drawn(plan("p")).await;
    let visits = world.visits_of(&draw.draw_id).await;
    let first = world.replace(&visits[0].visit_id, "已注销").await.unwrap();
    let second = world.replace(&first.visit_id, "迁出").await.unwrap();
    let third = world.replace(&visits[4].visit_id, "停业").await.unwrap();
    let bundle = public(&world, &draw.draw_id).await;
    let told: Vec<_> = bundle
        .replacements
        .iter()
        .map(|one| (one.uscc.as_str(), one.replaced_by.as_str(), one.reason.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (visits[0].uscc.as_str(), first.uscc.as_str(), "已注销"),
            (&first.uscc, &second.uscc, "迁出"),
            (&visits[4].uscc, &third.uscc, "停业"),
        ]
    );
    assert!(bundle.replacements.iter().all(|one| one.replaced_at.is_some()));
    assert_eq!(bundle.selected, draw.selected, "the selection itself stays");
    assert_eq!(draw::verify(&readable(&bundle)).unwrap().replaced, 3);
}

#[tokio::test]
async fn where_grades_are_departments_own_a_bundle_tells_none() {
    let world = World::new(Disclosure::Departments).await;
    let draw = world.drawn(plan("p")).await;
    let id = draw.draw_id.as_str();
    world.replace(&world.visits_of(id).await[0].visit_id, "已注销").await.unwrap();
    let bundle = public(&world, id).await;
    assert_eq!(
        (bundle.roster.as_deref(), bundle.roster_digest.as_str()),
        (None, draw.roster_digest.as_str())
    );
    assert!(bundle.selected.iter().all(|one| one.stratum.is_none()));
    assert!(bundle.replacements.iter().all(|one| one.stratum.is_none()) && bundle.replacements.len() == 1);
    let tickets: Vec<&str> = bundle.selected.iter().map(|one| one.ticket.as_str()).collect();
    assert!(tickets.is_sorted(), "the order of the strata would tell the grades");
    let verified = draw::verify(&readable(&bundle)).unwrap();
    assert_eq!((verified.roster_size, verified.drawn, verified.remarks.len()), (None, 9, 2));

    // A department without the auditor's scope sees what everybody sees; the auditor, for a purpose, the whole.
    assert_eq!(world.bundle(world.transport(), id, "", "").await.unwrap(), bundle);
    let audit =
        || Claims { scope: "sampling.audit".into(), department: "justice".into(), ..world.trial.claims() };
    let purposeless = world.bundle(world.trial.token_of(audit()), id, "", "").await.unwrap_err();
    assert_eq!(reason(&purposeless), "PURPOSE_REQUIRED");
    let whole = world.bundle(world.trial.token_of(audit()), id, "", "年度审计").await.unwrap();
    assert_eq!(whole.selected, draw.selected);
    assert_eq!(draw::verify(&readable(&whole)).unwrap().roster_size, Some(60));
    // The subject is not told its grade by the way of a draw either.
    let own = world.bundle(world.enterprise(&code(1)), id, &code(1), "").await.unwrap_err();
    assert_eq!((own.code(), reason(&own).as_str()), (Code::PermissionDenied, "NOT_DISCLOSED"));
    let line = world.bundle(world.office("sampling.read"), id, &code(1), "").await.unwrap();
    assert_eq!(line.roster, Some(format!("{},A\n", code(1))));
}

#[tokio::test]
async fn a_subject_sees_its_own_line_alone() {
    let world = World::new(Disclosure::Subject).await;
    let draw = world.drawn(plan("p")).await;
    let (id, own) = (draw.draw_id.as_str(), code(5));
    let bundle = world.bundle(world.enterprise(&own), id, &own.to_lowercase(), "").await.unwrap();
    assert_eq!(bundle.roster, Some(format!("{own},B\n")));
    assert!(bundle.selected.iter().all(|one| one.stratum.is_none()));
    assert!(draw::verify(&readable(&bundle)).is_ok());
    let other = world.bundle(world.enterprise(&own), id, &code(6), "").await.unwrap_err();
    assert_eq!(reason(&other), "NOT_DISCLOSED");
    let request = api::GetBundleRequest { draw: id.to_owned(), uscc: own.clone(), ..Default::default() };
    let anybody = world.anybody_draws().get_bundle(request.clone()).await.unwrap_err();
    assert_eq!(anybody.code(), Code::PermissionDenied);
    let garbled = api::GetBundleRequest { uscc: "9164".into(), ..request };
    assert_eq!(reason(&world.anybody_draws().get_bundle(garbled).await.unwrap_err()), "CODE_LENGTH");
    let stranger = code(9_999);
    let absent = world.bundle(world.enterprise(&stranger), id, &stranger, "").await.unwrap_err();
    assert_eq!(absent.code(), Code::NotFound);
    assert_eq!(world.bundle(world.enterprise(&own), id, "", "").await.unwrap().roster, None);
}
