//! Who is told what, and what a look leaves behind.
use chassis::{access::Claims, storage::sql, trial::reason};
use contract::grading::v1::{self as api, scheme::Disclosure};
use sea_orm::ConnectionTrait;
use tonic::Code;

use super::city::{City, code, fields, record, scheme, subject, text};

const NOW: &str = "2026-02-01T02:00:00Z";

async fn city() -> City {
    let city = City::at(NOW).await;
    for (id, disclosure) in [
        ("for-departments", Disclosure::Departments),
        ("for-subjects", Disclosure::Subject),
        ("open", Disclosure::Public),
    ] {
        city.publish(api::Scheme { disclosure: disclosure as i32, ..scheme(id) }).await;
    }
    city.register(vec![subject(1, &["D09"]), subject(2, &["D09"])]).await;
    let national = super::city::record(1, "national-evaluation", "N-1", "2025-12-01");
    let national =
        contract::credit::v1::RecordInput { fields: fields(&[("grade", text("优"))]), ..national };
    let (_, position) = city.submit(vec![national, record(2, "penalty", "P-1", "2025-12-01")]).await;
    city.graded(&code(2), "for-departments", &position).await;
    city
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheme_tells_whom_it_says() {
    let city = city().await;
    let ids = async |token, uscc: &str| {
        let seen = city.try_look(token, uscc, "").await.unwrap();
        let ids: Vec<_> = seen.grades.iter().map(|grade| grade.scheme.clone()).collect();
        (ids.join(" "), seen.national_grade)
    };
    let all = "for-departments for-subjects open".to_owned();
    assert_eq!(ids(city.trial.token("commerce", "grading.read"), &code(1)).await, (all, "优".to_owned()));
    let own = "for-subjects open".to_owned();
    assert_eq!(ids(city.enterprise(&code(1)), &code(1)).await, (own, String::new()));
    assert_eq!(ids(city.enterprise(&code(2)), &code(1)).await, ("open".to_owned(), String::new()));
    let portal = Claims {
        scope: "grading.read".to_owned(),
        default_purpose: "portal".to_owned(),
        ..city.trial.claims()
    };
    assert_eq!(ids(city.trial.token_of(portal), &code(1)).await, ("open".to_owned(), String::new()));

    let mut enterprise = city.grades(city.enterprise(&code(1)));
    let explain = |scheme: &str, uscc: String| api::ExplainGradeRequest {
        uscc,
        scheme: scheme.to_owned(),
        ..Default::default()
    };
    enterprise.explain_grade(explain("for-subjects", code(1))).await.unwrap();
    let hidden = enterprise.explain_grade(explain("for-departments", code(1))).await.unwrap_err();
    assert_eq!((hidden.code(), reason(&hidden).as_str()), (Code::NotFound, "SCHEME_UNKNOWN"));
    let others = enterprise.explain_grade(explain("for-subjects", code(2))).await.unwrap_err();
    assert_eq!((others.code(), reason(&others).as_str()), (Code::NotFound, "GRADE_UNKNOWN"));
    let past = |uscc: String| api::ListGradeHistoryRequest {
        uscc,
        scheme: "for-subjects".to_owned(),
        ..Default::default()
    };
    assert_eq!(enterprise.list_grade_history(past(code(1))).await.unwrap().into_inner().changes.len(), 1);
    assert_eq!(reason(&enterprise.list_grade_history(past(code(2))).await.unwrap_err()), "GRADE_UNKNOWN");

    for scheme in ["for-departments", "for-subjects"] {
        let request = api::GetDistributionRequest { scheme: scheme.to_owned(), ..Default::default() };
        assert_eq!(reason(&enterprise.get_distribution(request).await.unwrap_err()), "SCHEME_UNKNOWN");
        let request = api::ExportGradesRequest { scheme: scheme.to_owned(), ..Default::default() };
        assert_eq!(reason(&enterprise.export_grades(request).await.unwrap_err()), "SCHEME_UNKNOWN");
    }
    let open = api::GetDistributionRequest { scheme: "open".to_owned(), ..Default::default() };
    let open = enterprise.get_distribution(open).await.unwrap().into_inner();
    assert_eq!((open.graded, open.version), (2, 1));

    let mut schemes = city.schemes(city.enterprise(&code(1)));
    let listed = schemes.list_schemes(api::ListSchemesRequest::default()).await.unwrap().into_inner().schemes;
    let ids: Vec<_> = listed.iter().map(|scheme| scheme.scheme_id.as_str()).collect();
    assert_eq!(ids, ["for-subjects", "open"]);
    let hidden =
        api::GetSchemeRequest { scheme: "for-departments".to_owned(), version: 1, ..Default::default() };
    assert_eq!(reason(&schemes.get_scheme(hidden).await.unwrap_err()), "SCHEME_UNKNOWN");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_look_states_its_purpose_and_is_noted() {
    let city = city().await;
    let aimless = Claims {
        sub: "aimless".to_owned(),
        department: "commerce".to_owned(),
        scope: "grading.read".to_owned(),
        ..city.trial.claims()
    };
    let token = city.trial.token_of(aimless);
    let mut client = city.grades(token.clone());
    let (uscc, scheme) = (code(1), "open".to_owned());
    let refusals = [
        city.try_look(token, &uscc, "").await.unwrap_err(),
        client
            .explain_grade(api::ExplainGradeRequest {
                uscc: uscc.clone(),
                scheme: scheme.clone(),
                ..Default::default()
            })
            .await
            .unwrap_err(),
        client
            .list_grade_history(api::ListGradeHistoryRequest {
                uscc: uscc.clone(),
                scheme: scheme.clone(),
                ..Default::default()
            })
            .await
            .unwrap_err(),
        client
            .batch_get_grades(api::BatchGetGradesRequest { uscc: vec![uscc.clone()], ..Default::default() })
            .await
            .unwrap_err(),
        client.export_grades(api::ExportGradesRequest { scheme, ..Default::default() }).await.unwrap_err(),
    ];
    for refusal in refusals {
        assert_eq!(reason(&refusal), "PURPOSE_REQUIRED");
    }
    let purposeful =
        api::GetSubjectGradesRequest { uscc, purpose: "招标资格审查".to_owned(), ..Default::default() };
    client.get_subject_grades(purposeful).await.unwrap();

    let store = city.trial.boot.store::<grading::Migrator>("grading").await.unwrap();
    let text = "SELECT department, uscc, purpose, what FROM accesses WHERE caller = $1";
    let rows = store.read().query_all_raw(sql(store.read(), text, ["aimless".into()])).await.unwrap();
    let told: Vec<[String; 4]> = rows
        .iter()
        .map(|row| ["department", "uscc", "purpose", "what"].map(|column| row.try_get("", column).unwrap()))
        .collect();
    assert_eq!(told, [["commerce".to_owned(), code(1), "招标资格审查".to_owned(), "grades".to_owned()]]);
}
