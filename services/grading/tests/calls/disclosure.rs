//! Who is told what, and what a look leaves behind.
use std::collections::{BTreeMap, BTreeSet};

use chassis::{
    access::Claims,
    storage::sql,
    trial::{Bearer, reason},
};
use contract::grading::v1::{self as api, scheme::Disclosure};
use futures::TryStreamExt;
use sea_orm::ConnectionTrait;
use tonic::{Code, Status};

use super::city::{ALL, City, code, fields, record, scheme, subject, text};

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

// What each call of grading answers to somebody about a class of risk and what was filed and set about it, by the call's name.
async fn answers(
    city: &City,
    token: Bearer,
    known: &Known,
) -> BTreeMap<&'static str, Result<String, Status>> {
    let (mut schemes, mut grades) = (city.schemes(token.clone()), city.grades(token.clone()));
    let (mut objections, mut overrides) = (city.objections(token.clone()), city.overrides(token.clone()));
    let (mut runs, mut simulations) = (city.runs(token.clone()), city.simulations(token.clone()));
    let mut figures = city.figures(token.clone());
    let mut operations = city.operations(token);
    let (uscc, scheme, words) = (code(1), "inner".to_owned(), "理由充分".to_owned());
    let (objection_id, override_id) = (known.objection.clone(), known.r#override.clone());
    let until = "2026-03-01".to_owned();
    let mut answers = BTreeMap::new();
    macro_rules! ask {
        ($client:ident . $call:ident = $name:literal, $request:ident { $($field:ident),* }) => {{
            #[allow(clippy::needless_update, reason = "some requests have no other fields")]
            let request = api::$request { $($field: $field.clone(),)* ..Default::default() };
            let answer = $client.$call(request).await.map(|answer| format!("{:?}", answer.into_inner()));
            assert!(answers.insert($name, answer).is_none());
        }};
    }
    ask!(schemes.list_schemes = "ListSchemes", ListSchemesRequest {});
    ask!(schemes.get_scheme = "GetScheme", GetSchemeRequest { scheme });
    ask!(schemes.validate_scheme = "ValidateScheme", ValidateSchemeRequest { scheme });
    ask!(schemes.publish_scheme = "PublishScheme", PublishSchemeRequest { scheme });
    ask!(schemes.retire_scheme = "RetireScheme", RetireSchemeRequest { scheme });
    ask!(schemes.new_scheme_version = "NewSchemeVersion", NewSchemeVersionRequest { scheme });
    ask!(schemes.get_measures = "GetMeasures", GetMeasuresRequest { scheme });
    ask!(schemes.put_measures = "PutMeasures", PutMeasuresRequest { scheme });
    ask!(schemes.list_measure_versions = "ListMeasureVersions", ListMeasureVersionsRequest { scheme });
    ask!(schemes.list_example_schemes = "ListExampleSchemes", ListExampleSchemesRequest {});
    let sent =
        Some(api::Scheme { scheme_id: scheme.clone(), title: words.clone(), ..super::city::scheme("inner") });
    {
        let scheme = sent;
        ask!(schemes.create_scheme = "CreateScheme", CreateSchemeRequest { scheme });
        ask!(schemes.update_scheme = "UpdateScheme", UpdateSchemeRequest { scheme });
    }
    ask!(grades.get_subject_grades = "GetSubjectGrades", GetSubjectGradesRequest { uscc });
    ask!(grades.explain_grade = "ExplainGrade", ExplainGradeRequest { uscc, scheme });
    ask!(grades.what_if_grade = "WhatIfGrade", WhatIfGradeRequest { uscc, scheme });
    ask!(grades.list_grade_history = "ListGradeHistory", ListGradeHistoryRequest { uscc, scheme });
    ask!(grades.get_distribution = "GetDistribution", GetDistributionRequest { scheme });
    {
        let uscc = vec![uscc.clone()];
        ask!(grades.batch_get_grades = "BatchGetGrades", BatchGetGradesRequest { uscc });
    }
    let export = api::ExportGradesRequest { scheme: scheme.clone(), ..Default::default() };
    let export = match grades.export_grades(export).await {
        Ok(stream) => stream.into_inner().try_collect::<Vec<_>>().await.map(|lines| format!("{lines:?}")),
        Err(status) => Err(status),
    };
    answers.insert("ExportGrades", export);
    let (reason, evidence, explanation, grade) = (words.clone(), words.clone(), words, "B".to_owned());
    ask!(
        objections.create_objection = "CreateObjection",
        CreateObjectionRequest { uscc, scheme, reason, evidence }
    );
    ask!(objections.get_objection = "GetObjection", GetObjectionRequest { objection_id });
    ask!(objections.list_objections = "ListObjections", ListObjectionsRequest {});
    let outcome = api::objection::State::Rejected as i32;
    ask!(
        objections.decide_objection = "DecideObjection",
        DecideObjectionRequest { objection_id, outcome, explanation }
    );
    ask!(
        overrides.create_override = "CreateOverride",
        CreateOverrideRequest { uscc, scheme, grade, until, reason, evidence }
    );
    ask!(overrides.confirm_override = "ConfirmOverride", ConfirmOverrideRequest { override_id });
    ask!(overrides.end_override = "EndOverride", EndOverrideRequest { override_id, reason });
    ask!(overrides.get_override = "GetOverride", GetOverrideRequest { override_id });
    ask!(overrides.list_overrides = "ListOverrides", ListOverridesRequest {});
    ask!(figures.get_scheme_figures = "GetSchemeFigures", GetSchemeFiguresRequest {});
    ask!(figures.get_grade_figures = "GetGradeFigures", GetGradeFiguresRequest {});
    ask!(figures.get_population_figures = "GetPopulationFigures", GetPopulationFiguresRequest {});
    ask!(runs.create_run = "CreateRun", CreateRunRequest { scheme });
    ask!(simulations.simulate_scheme = "SimulateScheme", SimulateSchemeRequest { scheme });
    ask!(simulations.start_shadow = "StartShadow", StartShadowRequest { scheme, until });
    ask!(simulations.get_shadow = "GetShadow", GetShadowRequest { scheme });
    ask!(simulations.end_shadow = "EndShadow", EndShadowRequest { scheme });
    let id = known.operation.clone();
    ask!(operations.get_operation = "GetOperation", GetOperationRequest { id });
    ask!(operations.cancel_operation = "CancelOperation", CancelOperationRequest { id });
    answers
}

// What departments have done about a class of risk.
struct Known {
    objection: String,
    r#override: String,
    operation: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_tells_a_class_of_risk_to_the_public_or_to_the_subject() {
    let city = City::at(NOW).await;
    city.publish(scheme("outer")).await;
    let inner = api::Scheme {
        scale: api::scheme::Scale::RiskClass as i32,
        disclosure: Disclosure::Departments as i32,
        ..scheme("inner")
    };
    city.publish(inner).await;
    city.register(vec![subject(1, &["D09"])]).await;
    let (_, position) = city.submit(vec![record(1, "penalty", "P-1", "2026-01-10")]).await;
    city.graded(&code(1), "inner", &position).await;
    let words = "理由充分".to_owned();
    let objection = api::CreateObjectionRequest {
        uscc: code(1),
        scheme: "inner".to_owned(),
        reason: words.clone(),
        evidence: words.clone(),
        ..Default::default()
    };
    let objection = city.objections(city.transport()).create_objection(objection).await.unwrap().into_inner();
    let set = api::CreateOverrideRequest {
        uscc: code(1),
        scheme: "inner".to_owned(),
        grade: "D".to_owned(),
        until: "2026-06-30".to_owned(),
        reason: words.clone(),
        evidence: words,
        ..Default::default()
    };
    let set = city.overrides(city.transport()).create_override(set).await.unwrap().into_inner();
    let confirm = api::ConfirmOverrideRequest { override_id: set.override_id.clone(), ..Default::default() };
    city.overrides(city.officer("chief", "transport")).confirm_override(confirm).await.unwrap();
    let run = api::CreateRunRequest { scheme: "inner".to_owned(), ..Default::default() };
    let run = city.runs(city.transport()).create_run(run).await.unwrap().into_inner();
    city.finish(&run).await;
    let known = Known {
        objection: objection.objection_id,
        r#override: set.override_id,
        operation: run.name.trim_start_matches("operations/").to_owned(),
    };

    // As wide as scopes can be.
    let claims = |uscc: String| Claims {
        sub: format!("outside {uscc}"),
        uscc,
        scope: ALL.to_owned(),
        default_purpose: "portal".to_owned(),
        ..city.trial.claims()
    };
    let pool = prost_reflect::DescriptorPool::decode(contract::DESCRIPTOR_SET).unwrap();
    let of_grading =
        |service: &prost_reflect::ServiceDescriptor| service.package_name() == "xinheng.grading.v1";
    let calls: BTreeSet<String> = pool
        .services()
        .filter(of_grading)
        .flat_map(|service| service.methods().map(|method| method.name().to_owned()).collect::<Vec<_>>())
        .collect();
    for outside in [claims(String::new()), claims(code(1)), claims(code(2))] {
        let who = outside.sub.clone();
        let answers = answers(&city, city.trial.token_of(outside), &known).await;
        assert_eq!(
            answers.keys().copied().collect::<BTreeSet<_>>(),
            calls.iter().map(String::as_str).collect()
        );
        for (call, answer) in answers {
            let ought_to_answer = ["ListSchemes", "ListExampleSchemes", "GetSubjectGrades", "BatchGetGrades"];
            match answer {
                Ok(told) => {
                    assert!(!told.contains("inner"), "{call} tells {who}: {told}");
                    assert!(
                        ought_to_answer.contains(&call) || call == "ListObjections",
                        "{call} answers {who}: {told}"
                    );
                }
                Err(status) => {
                    assert!(!ought_to_answer.contains(&call), "{call} refuses {who}: {status:?}");
                    let quiet = [Code::NotFound, Code::PermissionDenied].contains(&status.code());
                    assert!(quiet, "{call} answers {who}: {status:?}");
                }
            }
        }
    }
    // Departments see it, so that there was something to hide.
    let seen = answers(&city, city.trial.token("commerce", ALL), &known).await;
    for call in ["GetSubjectGrades", "BatchGetGrades", "ExplainGrade", "ListGradeHistory", "ListOverrides"] {
        assert!(seen[call].as_ref().unwrap().contains("inner"), "{call}");
    }
    assert!(seen["ExportGrades"].as_ref().unwrap().contains(&code(1)));
}
