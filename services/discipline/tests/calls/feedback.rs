//! Feedback: a measure applied, or why not; lifted when the listing has ended; the figures of it.
use chassis::trial::reason;
use contract::discipline::v1::{self as api, application::Outcome};
use tonic::Code;

use super::world::{LIST, World, code};

fn report(listing: &str, measure: &str, outcome: Outcome, text: &str) -> api::CreateApplicationRequest {
    let application = api::Application {
        listing: listing.into(),
        measure: measure.into(),
        applied_on: "2026-03-02".into(),
        outcome: outcome.into(),
        text: text.into(),
        ..Default::default()
    };
    api::CreateApplicationRequest { application: Some(application), ..Default::default() }
}

#[tokio::test]
async fn what_was_applied_is_lifted_when_its_listing_ended_and_what_was_not_says_why() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let (mut finance, mut chief) = (world.of("finance", "f"), world.of("hrss", "chief"));
    let listing = world.listed(LIST, &code(1), "2026-02-13", "2026-03-02").await.case_id;
    let bare = report(&listing, "procurement-ban", Outcome::NotApplied, " ");
    assert_eq!(reason(&finance.applications.create_application(bare).await.unwrap_err()), "FIELD_INVALID");
    let applied = report(&listing, "procurement-ban", Outcome::Unspecified, "取消投标资格");
    let applied = finance.applications.create_application(applied).await.unwrap().into_inner();
    assert_eq!(applied.outcome(), Outcome::Applied);
    let refused = report(&listing, "key-supervision", Outcome::NotApplied, "该企业不在本部门监管范围");
    let none = finance.applications.create_application(refused).await.unwrap().into_inner();
    let ask = |to_lift| api::ListApplicationsRequest {
        to_lift,
        department: "finance".into(),
        ..Default::default()
    };
    let listed = finance.applications.list_applications(ask(false)).await.unwrap().into_inner().applications;
    assert_eq!(listed, [none.clone(), applied.clone()]);
    assert!(
        finance.applications.list_applications(ask(true)).await.unwrap().into_inner().applications.is_empty()
    );

    let revoke = api::RevokeListingRequest {
        listing: listing.clone(),
        document_number: "虚构复议〔2026〕1号".into(),
        text: "原决定被撤销".into(),
        ..Default::default()
    };
    chief.listings.revoke_listing(revoke).await.unwrap();
    let open = finance.applications.list_applications(ask(true)).await.unwrap().into_inner().applications;
    assert_eq!(open, std::slice::from_ref(&applied), "what was not applied needs no lifting");
    let figures = |found: api::CountMeasuresResponse| {
        let told =
            |one: api::MeasureFigures| (one.measure, one.applied, one.not_applied, one.lifted, one.to_lift);
        found.measures.into_iter().map(told).collect::<Vec<_>>()
    };
    let counted =
        finance.figures.count_measures(api::CountMeasuresRequest::default()).await.unwrap().into_inner();
    assert_eq!(
        figures(counted),
        [("key-supervision".into(), 0, 1, 0, 0), ("procurement-ban".into(), 1, 0, 0, 1)]
    );

    let lift = |application: &str, on: &str| api::LiftApplicationRequest {
        application: application.into(),
        on: on.into(),
        text: "恢复投标资格".into(),
        ..Default::default()
    };
    let id = applied.application_id.as_str();
    let stranger = chief.applications.lift_application(lift(id, "")).await.unwrap_err();
    assert_eq!((stranger.code(), reason(&stranger)), (Code::PermissionDenied, "NOT_OF_DEPARTMENT".into()));
    for on in ["2026-03-01", "2026-03-03", "2026-02-30"] {
        let refused = finance.applications.lift_application(lift(id, on)).await.unwrap_err();
        assert_eq!(reason(&refused), "FIELD_INVALID", "{on}");
    }
    assert_eq!(
        finance.applications.lift_application(lift("none", "")).await.unwrap_err().code(),
        Code::NotFound
    );
    let lifted = finance.applications.lift_application(lift(id, "")).await.unwrap().into_inner();
    assert_eq!((lifted.lifted_on.as_str(), lifted.lift_text.as_str()), ("2026-03-02", "恢复投标资格"));
    for again in [id, none.application_id.as_str()] {
        assert_eq!(
            reason(&finance.applications.lift_application(lift(again, "")).await.unwrap_err()),
            "NOTHING_TO_LIFT"
        );
    }
    let request = api::CountMeasuresRequest { from: "2026-03-02".into(), to: "2026-03-02".into() };
    let counted = finance.figures.count_measures(request).await.unwrap().into_inner();
    assert_eq!(figures(counted)[1], ("procurement-ban".into(), 1, 0, 1, 0));
    let request = api::CountMeasuresRequest { from: "2026-03-03".into(), ..Default::default() };
    assert!(figures(finance.figures.count_measures(request).await.unwrap().into_inner()).is_empty());
    assert!(
        finance.applications.list_applications(ask(true)).await.unwrap().into_inner().applications.is_empty()
    );
}
