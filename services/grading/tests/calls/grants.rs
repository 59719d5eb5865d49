//! Items that need the subject's grant 授权: a scheme counts their records only while one to its department is in force.
use contract::{
    credit::v1::{self as credit, catalogue_item::Nature},
    grading::v1::{self as api, indicator::Measure},
};

use super::city::{ALL, City, code, fields, record, scheme, subject, text};

fn grant(department: &str, valid_from: &str) -> credit::CreateAuthorizationRequest {
    credit::CreateAuthorizationRequest {
        uscc: code(1),
        items: vec!["water-payment".to_owned()],
        department: department.to_owned(),
        purpose: "分级分类评价".to_owned(),
        valid_from: valid_from.to_owned(),
        valid_until: "2026-06-30".to_owned(),
        evidence: "授权书〔2026〕1号".to_owned(),
        ..Default::default()
    }
}

async fn granted(city: &City, request: credit::CreateAuthorizationRequest) -> credit::Authorization {
    city.authorizations().create_authorization(request).await.unwrap().into_inner()
}

// A bill that was paid late, sent by the water company under a grant to it.
async fn late_payment(city: &City) -> String {
    city.put_item_of("water-payment", &[("grade", "STRING")], Nature::Authorized).await;
    city.register(vec![subject(1, &["D09"])]).await;
    granted(city, grant("water", "")).await;
    let late = credit::RecordInput {
        fields: fields(&[("grade", text("late"))]),
        ..record(1, "water-payment", "W-1", "2026-01-10")
    };
    let request = credit::SubmitRecordsRequest { records: vec![late], ..Default::default() };
    let token = city.trial.token("water", ALL);
    let answer = city.records_of(token).submit_records(request).await.unwrap().into_inner();
    assert_eq!(answer.outcomes[0].error, None);
    answer.position
}

fn with_water(id: &str) -> api::Scheme {
    let mut scheme = scheme(id);
    scheme.model.as_mut().unwrap().indicators.push(api::Indicator {
        id: "water".to_owned(),
        name: "水费".to_owned(),
        items: vec!["water-payment".to_owned()],
        filter: "grade == 'late'".to_owned(),
        measure: Measure::Count as i32,
        points_per_unit: Some(-20.0),
        ..Default::default()
    });
    scheme
}

#[tokio::test(flavor = "multi_thread")]
async fn records_count_only_under_a_grant_to_the_schemes_department() {
    let city = City::at("2026-02-01T02:00:00Z").await;
    let position = late_payment(&city).await;
    city.publish(with_water("s")).await;
    let score = async |position: &str| city.graded(&code(1), "s", position).await.1;
    assert_eq!(score(&position).await, Some(100.0), "the water company may see it, transport may not");

    let given = granted(&city, grant("transport", "")).await;
    assert_eq!(score(&given.position).await, Some(80.0), "at once");
    let seen = city.look(&code(1), "").await.grades.remove(0);
    assert_eq!(seen.next_change_on, "2026-07-01", "the grant ends by itself");
    let explained = city.explain(&code(1), "s", "").await.unwrap();
    let water = explained.indicators.iter().find(|indicator| indicator.id == "water").unwrap();
    assert_eq!((water.points, water.records.len()), (-20.0, 1));

    city.set_clock("2026-03-01T02:00:00Z");
    let request = credit::RevokeAuthorizationRequest {
        authorization_id: given.authorization_id,
        reason: "企业书面撤回".to_owned(),
        ..Default::default()
    };
    let revoked = city.authorizations().revoke_authorization(request).await.unwrap().into_inner();
    assert_eq!(score(&revoked.position).await, Some(100.0), "taken back, it no longer counts");
    // What was done under it stays: the days before are explained as they were graded.
    assert_eq!(city.explain(&code(1), "s", "2026-02-28").await.unwrap().score, Some(80.0));
    assert_eq!(city.explain(&code(1), "s", "2026-03-01").await.unwrap().score, Some(100.0));
    let told: Vec<_> = city.history(&code(1), "s").await.into_iter().map(|change| change.score).collect();
    assert_eq!(told, [Some(100.0), Some(80.0), Some(100.0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_begins_and_ends_on_its_days_without_a_change_in_the_feed() {
    let city = City::at("2026-01-15T02:00:00Z").await;
    late_payment(&city).await;
    city.publish(with_water("s")).await;
    let given = granted(&city, grant("transport", "2026-02-01")).await;
    let before = city.graded(&code(1), "s", &given.position).await.1;
    assert_eq!(before, Some(100.0), "its first day is yet to come");
    for (now, score) in [
        ("2026-01-31T15:59:59Z", 100.0),
        ("2026-01-31T16:00:00Z", 80.0),
        ("2026-06-30T15:59:59Z", 80.0),
        ("2026-06-30T16:00:00Z", 100.0),
    ] {
        city.set_clock(now);
        city.distribution("s").await;
        assert_eq!(city.graded(&code(1), "s", "").await.1, Some(score), "{now}");
    }
    assert_eq!(city.history(&code(1), "s").await.len(), 3, "before, within, after");
}
