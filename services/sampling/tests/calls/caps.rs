//! The yearly cap across departments: under draws at once, before the commit, at the reveal and at replacements; and exemptions.
use std::collections::BTreeMap;

use chassis::trial::reason;
use contract::{
    grading::v1::scheme::Disclosure,
    sampling::v1::{self as api, exclusion::Reason, visit::Status},
};
use futures::future::join_all;
use tonic::Code;

use super::{
    bundles::{public, readable},
    world::{SUBJECTS, World, code, plan, quota},
};

fn of(department: &str, id: &str) -> api::Plan {
    api::Plan { departments: vec![department.to_owned()], ..plan(id) }
}

async fn exclusions(world: &World, draw: &str) -> Vec<api::Exclusion> {
    let (mut token, mut all) = (String::new(), Vec::new());
    loop {
        let request = api::ListExclusionsRequest {
            draw: draw.to_owned(),
            page_size: 5,
            page_token: token,
            ..Default::default()
        };
        let page = world.draws(world.transport()).list_exclusions(request).await.unwrap().into_inner();
        all.extend(page.exclusions);
        token = page.next_page_token;
        if token.is_empty() {
            return all;
        }
    }
}

// Commits and reveals as the office, whose plan's departments may be any.
async fn commit(world: &World, plan: &str) -> api::Draw {
    let request = api::CommitPlanRequest {
        plan: plan.to_owned(),
        entropy_source: "福利彩票双色球下一期".to_owned(),
        ..Default::default()
    };
    world.plans(world.office("sampling.draw")).commit_plan(request).await.unwrap().into_inner()
}

async fn reveal(world: &World, draw: &str) -> api::Draw {
    let request =
        api::RevealDrawRequest { draw: draw.to_owned(), entropy: "x".to_owned(), ..Default::default() };
    world.draws(world.office("sampling.draw")).reveal_draw(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn the_yearly_cap_holds_under_draws_of_all_departments_at_once() {
    let world = World::new(Disclosure::Public).await;
    world.cap(1).await;
    world.put_item("operation", &[]).await;
    let plans: Vec<String> = (0..6).map(|n| format!("p{n}")).collect();
    for (plan, department) in plans.iter().zip(["transport", "water", "tax"].iter().cycle()) {
        let quotas = vec![quota("A", 30.0, 0), quota("B", 50.0, 0)];
        let made = api::Plan { quotas, ..of(department, plan) };
        world.try_plan(world.office("sampling.write"), made).await.unwrap();
    }
    // 15 of the 48 As and 6 of the 12 Bs each, so that six draws ask for more than there are.
    let committed = join_all(plans.iter().map(|plan| commit(&world, plan))).await;
    assert!(committed.iter().all(|draw| draw.quota_text == "A,15\nB,6\n" && draw.cap_text == "A,1\nB,1\n"));
    assert!(
        committed.iter().all(|draw| draw.measures_version == 1),
        "the caps are of the measures' first version"
    );
    let revealed = join_all(committed.iter().map(|draw| reveal(&world, &draw.draw_id))).await;

    let mut visits: BTreeMap<String, i32> = BTreeMap::new();
    let (mut replaced, mut cancelled) = (0, 0);
    for draw in &revealed {
        assert_eq!(draw.selected.len(), 21);
        for visit in world.visits_of(&draw.draw_id).await {
            match visit.status() {
                Status::Planned => *visits.entry(visit.uscc).or_default() += 1,
                Status::Replaced => replaced += 1,
                Status::Cancelled => cancelled += 1,
                other => panic!("{other:?}"),
            }
        }
        let bundle = public(&world, &draw.draw_id).await;
        let verified = draw::verify(&readable(&bundle)).unwrap();
        assert_eq!(verified.drawn, 21, "whoever is replaced stays in the selection");
        assert!(bundle.replacements.iter().all(|one| one.reason.contains("1 of 1 in 2026")), "{bundle:?}");
    }
    assert_eq!(visits.len(), SUBJECTS as usize, "nobody is spared while others ask");
    assert!(visits.values().all(|count| *count == 1), "{visits:?}");
    // 126 places are asked for and 60 subjects there are: what can't be is seen, none is lost.
    assert_eq!(cancelled, 6 * 21 - SUBJECTS as usize);
    assert!(replaced > 0);
    for serial in 1..=SUBJECTS {
        let counted = world.frequency(&code(serial)).await;
        assert_eq!((counted.drawn, counted.directed, counted.year), (1, 0, 2026));
        assert_eq!(counted.last_drawn_on, "2026-03-02");
    }
    let warned = revealed.iter().filter(|draw| draw.warnings.iter().any(|text| text.contains("yearly cap")));
    assert!(warned.count() >= 4, "an excess is told with the draw");
}

#[tokio::test]
async fn who_is_at_the_cap_leaves_the_roster_before_the_commit() {
    let world = World::new(Disclosure::Public).await;
    world.cap(1).await;
    world.put_item("operation", &[]).await;
    world.create_plan(api::Plan { quotas: vec![quota("B", 100.0, 0)], ..plan("p") }).await;
    let first = world.commit("p").await.unwrap();
    assert_eq!((first.excluded, first.exclusions_digest.as_str(), first.attempt), (0, "", 1));
    world.reveal(&first.draw_id, "x").await.unwrap();

    // Another department's plan: the count is one for all.
    let water = api::Plan { quotas: vec![quota("A", 10.0, 0), quota("B", 100.0, 0)], ..of("water", "q") };
    world.try_plan(world.office("sampling.write"), water.clone()).await.unwrap();
    let looked = world
        .plans(world.transport())
        .preview_plan(api::PreviewPlanRequest { plan: "q".into(), ..Default::default() })
        .await
        .unwrap()
        .into_inner();
    let strata: Vec<_> = looked
        .strata
        .iter()
        .map(|one| (one.grade.as_str(), one.members, one.drawn, one.excluded, one.max_per_year()))
        .collect();
    assert_eq!(strata, [("A", 48, 5, 0, 1), ("B", 0, 0, 12, 1)]);
    let second = commit(&world, "q").await;
    assert_eq!((second.roster_size, second.quota_text.as_str(), second.excluded), (48, "A,5\n", 12));
    let listed = exclusions(&world, &second.draw_id).await;
    let expected: Vec<String> = (1..=SUBJECTS).filter(|serial| serial % 5 == 0).map(code).collect();
    assert_eq!(
        listed.iter().map(|one| one.uscc.clone()).collect::<std::collections::BTreeSet<_>>(),
        expected.into_iter().collect()
    );
    assert!(listed.is_sorted_by_key(|one| one.uscc.clone()));
    assert!(
        listed.iter().all(|one| one.reason() == Reason::AtCap && one.detail.contains("1 of 1 in 2026")),
        "{listed:?}"
    );
    reveal(&world, &second.draw_id).await;
    let bundle = public(&world, &second.draw_id).await;
    assert_eq!(bundle.exclusions_digest, second.exclusions_digest);
    assert_eq!(bundle.exclusions().lines().count(), 12);
    draw::verify(&readable(&bundle)).unwrap();
    let mut forged = readable(&bundle);
    forged.exclusions = forged.exclusions.replacen("1 of 1", "0 of 1", 1);
    assert_eq!(draw::verify(&forged).unwrap_err()[0].path, "exclusionsDigest");

    // The next year counts anew; who was drawn within the years that a plan names stays out all the same.
    let period = Some(api::Period { from: "2027-02-01".into(), to: "2027-06-30".into() });
    world.create_plan(api::Plan { period: period.clone(), ..plan("next") }).await;
    assert_eq!(world.commit("next").await.unwrap().roster_size, 60);
    world.create_plan(api::Plan { period, exclude_drawn_within_years: 1, ..plan("rested") }).await;
    let rested = world.commit("rested").await.unwrap();
    let out = exclusions(&world, &rested.draw_id).await;
    assert_eq!((rested.roster_size, out.len()), (43, 17));
    assert!(out.iter().all(|one| one.reason() == Reason::DrawnRecently && one.detail == "2026-03-02"));
}

#[tokio::test]
async fn all_left_out_is_told_before_anything_is_frozen() {
    let world = World::new(Disclosure::Public).await;
    world.cap(0).await;
    world.put_item("operation", &[]).await;
    world.create_plan(plan("p")).await;
    let refused = world.commit("p").await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "ROSTER_EMPTY"));
    assert!(refused.message().contains("all 60 subjects"), "{}", refused.message());
}

#[tokio::test]
async fn a_plan_is_no_laxer_than_the_measures() {
    let world = World::new(Disclosure::Public).await;
    world.cap(2).await;
    world.put_item("operation", &[]).await;
    let capped = |most: i32| api::Plan {
        quotas: vec![api::Quota { max_per_year: Some(most), ..quota("A", 10.0, 0) }],
        ..plan(&format!("p{most}"))
    };
    let lax = world.try_plan(world.transport(), capped(3)).await.unwrap_err();
    assert_eq!(super::world::wrong_fields(&lax), ["plan.quotas[0].maxPerYear"]);
    world.create_plan(capped(1)).await;
    assert_eq!(world.commit("p1").await.unwrap().cap_text, "A,1\nB,2\n");
    let over = |least, most| api::Plan {
        quotas: vec![api::Quota { min_per_year: least, max_per_year: most, ..quota("A", 10.0, 0) }],
        ..plan("q")
    };
    let crossed = world.try_plan(world.transport(), over(Some(2), Some(1))).await.unwrap_err();
    assert_eq!(super::world::wrong_fields(&crossed), ["plan.quotas[0].maxPerYear"]);
    // Left out, quotas come with the measures' frequencies.
    let bare = world.create_plan(api::Plan { quotas: Vec::new(), ..plan("bare") }).await;
    assert!(bare.quotas.iter().all(|one| one.max_per_year == Some(2) && one.min_per_year.is_none()));
    // A yearly minimum that the draw leaves open is told.
    world.create_plan(over(Some(2), None)).await;
    let draw = world.commit("q").await.unwrap();
    assert!(
        draw.warnings
            .iter()
            .any(|text| text.starts_with("grade A asks for 2 visits a year of each of its 48")),
        "{:?}",
        draw.warnings
    );
}

#[tokio::test]
async fn the_exempt_leave_the_roster_with_the_rule_that_says_so() {
    let world = World::new(Disclosure::Public).await;
    world.put_item("operation", &[]).await;
    let exemption = |serial: u32, from: &str, until: &str| api::Exemption {
        uscc: code(serial),
        reason: "信用监管白名单（试〔2026〕2号）".into(),
        from: from.into(),
        until: until.into(),
        ..Default::default()
    };
    let put = |exemption: api::Exemption| api::PutExemptionRequest {
        exemption: Some(exemption),
        ..Default::default()
    };
    let transport = || world.frequencies(world.transport());
    transport().put_exemption(put(exemption(1, "2026-01-01", "2026-12-31"))).await.unwrap();
    transport().put_exemption(put(exemption(2, "2025-01-01", "2025-12-31"))).await.unwrap();
    let general = api::Exemption { all_departments: true, ..exemption(3, "2026-01-01", "2026-12-31") };
    let denied = transport().put_exemption(put(general.clone())).await.unwrap_err();
    assert_eq!((denied.code(), reason(&denied).as_str()), (Code::PermissionDenied, "OTHER_DEPARTMENT"));
    world.frequencies(world.office("sampling.write")).put_exemption(put(general)).await.unwrap();
    let foreign = api::Exemption { department: "water".into(), ..exemption(4, "2026-01-01", "2026-12-31") };
    let denied = transport().put_exemption(put(foreign)).await.unwrap_err();
    assert_eq!(reason(&denied), "OTHER_DEPARTMENT");
    let backwards = transport().put_exemption(put(exemption(5, "2026-12-31", "2026-01-01"))).await;
    assert_eq!(super::world::wrong_fields(&backwards.unwrap_err()), ["exemption.until"]);
    let bad = api::Exemption { uscc: "123".into(), ..exemption(6, "2026-01-01", "2026-12-31") };
    assert_eq!(transport().put_exemption(put(bad)).await.unwrap_err().code(), Code::InvalidArgument);
    let listed = transport().list_exemptions(api::ListExemptionsRequest::default()).await.unwrap();
    assert_eq!(listed.into_inner().exemptions.len(), 3);

    let own = vec![api::PlanExemption { uscc: code(7), reason: "新设企业包容期".into() }];
    world.create_plan(api::Plan { exemptions: own, ..plan("p") }).await;
    let draw = world.commit("p").await.unwrap();
    let out: BTreeMap<String, String> =
        exclusions(&world, &draw.draw_id).await.into_iter().map(|one| (one.uscc, one.detail)).collect();
    assert_eq!(out.keys().cloned().collect::<std::collections::BTreeSet<_>>(), [1, 3, 7].map(code).into());
    assert_eq!(out[&code(7)], "新设企业包容期");
    // Another department's plan is bound by the office's exemption alone.
    world.try_plan(world.office("sampling.write"), of("water", "w")).await.unwrap();
    let draw = commit(&world, "w").await;
    assert_eq!(
        exclusions(&world, &draw.draw_id).await.iter().map(|one| one.uscc.clone()).collect::<Vec<_>>(),
        [code(3)]
    );
    let twice = vec![api::PlanExemption { uscc: code(7), reason: "x".into() }; 2];
    let refused = world.try_plan(world.transport(), api::Plan { exemptions: twice, ..plan("q") }).await;
    assert_eq!(super::world::wrong_fields(&refused.unwrap_err()), ["plan.exemptions[1].uscc"]);
}

#[tokio::test]
async fn a_replacement_passes_over_who_is_at_the_cap() {
    let world = World::new(Disclosure::Public).await;
    world.cap(1).await;
    world.put_item("operation", &[]).await;
    world.create_plan(api::Plan { quotas: vec![quota("A", 0.0, 3)], ..plan("p") }).await;
    let draw = world.commit("p").await.unwrap();
    let draw = world.reveal(&draw.draw_id, "x").await.unwrap();
    let bundle = public(&world, &draw.draw_id).await;
    let seed = draw::Seed::of(draw.seed.clone());
    let mut queue: Vec<(String, String)> = bundle
        .roster()
        .lines()
        .filter_map(|line| line.strip_suffix(",A"))
        .map(|uscc| (seed.ticket(uscc).to_string(), uscc.to_owned()))
        .collect();
    queue.sort();
    let next = |place: usize| queue[place].1.clone();
    // The fourth and the fifth are taken by a complaint meanwhile.
    let complaint = api::Plan { kind: api::plan::Kind::Complaint as i32, quotas: Vec::new(), ..plan("c") };
    world.create_plan(complaint).await;
    let subjects = [3, 4].map(|place| api::OrderedSubject { uscc: next(place), reason: "投诉".into() });
    let order =
        api::OrderVisitsRequest { plan: "c".into(), subjects: subjects.to_vec(), ..Default::default() };
    world.visits(world.transport()).order_visits(order).await.unwrap();

    let visits = world.visits_of(&draw.draw_id).await;
    let stood_in = world.replace(&visits[0].visit_id, "已注销").await.unwrap();
    assert_eq!(stood_in.uscc, next(5));
    let bundle = public(&world, &draw.draw_id).await;
    let told: Vec<_> = bundle
        .replacements
        .iter()
        .map(|one| (one.uscc.clone(), one.replaced_by.clone(), one.reason.contains("yearly cap")))
        .collect();
    assert_eq!(told, [(next(0), next(3), false), (next(3), next(4), true), (next(4), next(5), true)]);
    draw::verify(&readable(&bundle)).unwrap();
    assert_eq!(world.frequency(&next(0)).await.drawn, 0, "who is not visited is not counted");
    assert_eq!(world.frequency(&next(3)).await.directed, 1);
    assert_eq!(world.frequency(&next(5)).await.drawn, 1);
    let after = world.visits_of(&draw.draw_id).await;
    let passed: Vec<_> = after
        .iter()
        .filter(|visit| visit.over_cap)
        .map(|visit| (visit.uscc.clone(), visit.status(), visit.inspectors.len()))
        .collect();
    assert_eq!(passed, [(next(3), Status::Replaced, 0), (next(4), Status::Replaced, 0)]);
}
