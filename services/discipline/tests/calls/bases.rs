//! Legal bases: the built-in lists and measures, their confirmation, and what lost its basis.
use chassis::trial::reason;
use contract::discipline::v1::{self as api, BasisStatus, case::Outcome};
use tonic::Code;

use super::world::{
    LIST, World, code, decide, list, measure, metadata, propose, put_list, put_measure, step,
};

fn confirm(list: &str) -> api::ConfirmListRequest {
    api::ConfirmListRequest {
        list: list.into(),
        document: "国务院公报2021年第27号".into(),
        ..Default::default()
    }
}

fn confirm_measure(measure: &str) -> api::ConfirmMeasureRequest {
    let (measure, document) = (measure.into(), "国务院公报".into());
    api::ConfirmMeasureRequest { measure, document, ..Default::default() }
}

#[tokio::test]
async fn what_is_built_in_and_unconfirmed_says_so_and_is_not_used() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let (mut office, mut market) = (world.office(), world.of("market-regulation", "m"));
    let get = |list: &str| api::GetListRequest { list: list.into(), ..Default::default() };
    let built_in = market.lists.get_list(get("market-serious")).await.unwrap().into_inner();
    assert_eq!((built_in.status(), built_in.publication_months), (BasisStatus::Unverified, 36));
    assert!(built_in.origin.contains("记忆") && built_in.bases[0].from == "2021-09-01", "{built_in:?}");
    let refused = market.cases.create_case(propose("market-serious", &code(1))).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::FailedPrecondition, "BASIS_UNCONFIRMED".into()));
    assert!(refused.message().contains("UNVERIFIED"), "{}", refused.message());

    // Only the office confirms, with the document that it read, and once.
    let refused = market.lists.confirm_list(confirm("market-serious")).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let blank = api::ConfirmListRequest { document: " ".into(), ..confirm("market-serious") };
    assert_eq!(reason(&office.lists.confirm_list(blank).await.unwrap_err()), "FIELD_INVALID");
    assert_eq!(office.lists.confirm_list(confirm("none")).await.unwrap_err().code(), Code::NotFound);
    let confirmed = office.lists.confirm_list(confirm("market-serious")).await.unwrap().into_inner();
    assert_eq!(confirmed.status(), BasisStatus::Confirmed);
    assert_eq!(confirmed.confirmation.as_ref().unwrap().by, "office");
    assert_eq!(market.lists.get_list(get("market-serious")).await.unwrap().into_inner(), confirmed);
    let refused = office.lists.confirm_list(confirm("market-serious")).await.unwrap_err();
    assert_eq!(reason(&refused), "CONFIRMED_ALREADY");
    market.cases.create_case(propose("market-serious", &code(1))).await.unwrap();

    // What is not known whole is put with what is missing, and then answered for.
    let refused = office.lists.confirm_list(confirm("work-safety")).await.unwrap_err();
    assert_eq!(
        (reason(&refused), metadata(&refused, "unknown")),
        ("BASIS_INCOMPLETE".into(), "defenceWorkingDays".into())
    );
    let stranger =
        world.of("emergency", "e").lists.put_list(put_list(list("work-safety"))).await.unwrap_err();
    assert_eq!(reason(&stranger), "NOT_OF_DEPARTMENT");
    let own = api::List { status: BasisStatus::Verified.into(), ..list("work-safety") };
    let declared = office.lists.put_list(put_list(own)).await.unwrap().into_inner();
    assert_eq!((declared.status(), declared.unknown.len()), (BasisStatus::Declared, 0));
    world.of("hrss", "clerk").cases.create_case(propose("work-safety", &code(2))).await.unwrap();
}

#[tokio::test]
async fn measures_are_confirmed_as_lists_are() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let mut office = world.office();
    let refused = office.measures.confirm_measure(confirm_measure("honours-restriction")).await.unwrap_err();
    assert_eq!(reason(&refused), "BASIS_INCOMPLETE");
    let refused = office.measures.confirm_measure(confirm_measure("licence-ban-1y")).await.unwrap_err();
    assert_eq!(reason(&refused), "CONFIRMED_ALREADY");
    assert_eq!(
        office.measures.confirm_measure(confirm_measure("none")).await.unwrap_err().code(),
        Code::NotFound
    );
    let mut finance = world.of("finance", "f");
    let denied = finance.measures.confirm_measure(confirm_measure("honours-restriction")).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    // A measure that nobody confirmed binds nobody, though a list names it.
    let measures = vec!["honours-restriction".into(), "key-supervision".into()];
    office.lists.put_list(put_list(api::List { measures, ..list("l1") })).await.unwrap();
    world.listed("l1", &code(1), "2026-02-13", "2026-03-02").await;
    let found = world.check(&mut office, &[&code(1)]).await;
    let bound: Vec<&str> = found[0].measures.iter().map(|measure| measure.measure_id.as_str()).collect();
    assert_eq!(bound, ["key-supervision"]);
    let application = api::Application {
        listing: found[0].listings[0].listing.clone(),
        measure: "honours-restriction".into(),
        applied_on: "2026-03-02".into(),
        ..Default::default()
    };
    let request = api::CreateApplicationRequest { application: Some(application), ..Default::default() };
    assert_eq!(
        reason(&office.applications.create_application(request).await.unwrap_err()),
        "BASIS_UNCONFIRMED"
    );
}

fn rule(from: &str, until: &str) -> Vec<api::LegalBasis> {
    let (document, article) = ("虚构名单管理办法".into(), "第三条".into());
    vec![api::LegalBasis { document, article, from: from.into(), until: until.into() }]
}

#[tokio::test]
async fn when_a_basis_ends_nothing_new_rests_on_it_and_what_does_is_shown() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let (mut office, mut clerk, mut chief) =
        (world.office(), world.of("hrss", "clerk"), world.of("hrss", "chief"));
    let backwards = api::List { bases: rule("2026-03-11", "2026-03-10"), ..list(LIST) };
    let refused = office.lists.put_list(put_list(backwards)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::InvalidArgument, "BASIS_DATES_INVALID".into()));
    let dated = api::List { bases: rule("2022-01-01", "2026-03-10"), ..list(LIST) };
    office.lists.put_list(put_list(dated)).await.unwrap();
    let banned = api::Measure { bases: rule("", "2026-03-10"), ..measure("procurement-ban", &["finance"]) };
    office.measures.put_measure(put_measure(banned)).await.unwrap();
    world.listed(LIST, &code(1), "2026-02-13", "2026-03-02").await;
    let open = clerk.cases.create_case(propose(LIST, &code(2))).await.unwrap().into_inner();
    clerk.cases.notify_case(step(&open, "")).await.unwrap();
    clerk.cases.waive_defence(step(&open, "")).await.unwrap();
    let lapses = |on: &str| api::GetLapsesRequest { on: on.into() };
    let ours = |found: api::GetLapsesResponse| {
        let ours = found.lapses.into_iter().filter(|lapse| lapse.listings > 0);
        ours.map(|lapse| (lapse.list_id, lapse.measure_id, lapse.ended_on, lapse.listings, lapse.lists))
            .collect::<Vec<_>>()
    };
    assert_eq!(ours(office.lists.get_lapses(lapses("2026-03-10")).await.unwrap().into_inner()), []);
    let bound = |found: &[api::CheckResult]| {
        found[0].measures.iter().map(|measure| measure.measure_id.clone()).collect::<Vec<_>>()
    };
    let mut finance = world.of("finance", "f");
    assert_eq!(bound(&world.check(&mut finance, &[&code(1)]).await), ["key-supervision", "procurement-ban"]);

    // Midnight in Asia/Shanghai after the rule's last day.
    world.trial.boot.clock.set("2026-03-10T16:00:00Z".parse().unwrap());
    let of = vec![String::from(LIST)];
    let expected = [
        (LIST.into(), String::new(), "2026-03-10".into(), 1, of.clone()),
        (String::new(), "procurement-ban".into(), "2026-03-10".into(), 1, of),
    ];
    assert_eq!(ours(office.lists.get_lapses(lapses("")).await.unwrap().into_inner()), expected);
    assert_eq!(bound(&world.check(&mut finance, &[&code(1)]).await), ["key-supervision"]);
    let refused = clerk.cases.create_case(propose(LIST, &code(3))).await.unwrap_err();
    assert_eq!(
        (reason(&refused), metadata(&refused, "endedOn")),
        ("BASIS_NOT_IN_FORCE".into(), "2026-03-10".into())
    );
    let refused = chief.cases.decide_case(decide(&open, "", Outcome::List)).await.unwrap_err();
    assert_eq!(reason(&refused), "BASIS_NOT_IN_FORCE");
    // Another rule that carries the list does not mend a case that began under the old one; to end the case is always lawful.
    let renewed = api::List { bases: rule("2026-03-11", ""), ..list(LIST) };
    office.lists.put_list(put_list(renewed)).await.unwrap();
    assert_eq!(
        reason(&chief.cases.decide_case(decide(&open, "", Outcome::List)).await.unwrap_err()),
        "BASIS_NOT_IN_FORCE"
    );
    chief.cases.decide_case(decide(&open, "", Outcome::Drop)).await.unwrap();
    clerk.cases.create_case(propose(LIST, &code(3))).await.unwrap();
    let bad = api::GetLapsesRequest { on: "2026-02-30".into() };
    assert_eq!(reason(&office.lists.get_lapses(bad).await.unwrap_err()), "FIELD_INVALID");
    let stranger = world.client(world.claims("hrss", "x", "credit.read")).lists.get_lapses(lapses("")).await;
    assert_eq!(reason(&stranger.unwrap_err()), "SCOPE_MISSING");
}
