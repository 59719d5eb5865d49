//! Publication: for a later day, validated and warned before, on one scale that stays inside where it measures risk.
use chassis::trial::reason;
use contract::grading::v1::{
    self as api,
    scheme::{Disclosure, NationalResult, Scale, State},
};
use tonic::Code;

use super::city::{City, code, record, scheme, subject, wrong_fields};

const NOW: &str = "2026-02-01T02:00:00Z";

fn create(scheme: api::Scheme) -> api::CreateSchemeRequest {
    api::CreateSchemeRequest { scheme: Some(scheme), ..Default::default() }
}

fn publish(scheme: &str, effective_from: &str) -> api::PublishSchemeRequest {
    api::PublishSchemeRequest {
        scheme: scheme.to_owned(),
        effective_from: effective_from.to_owned(),
        ..Default::default()
    }
}

fn retire(scheme: &str, version: i32) -> api::RetireSchemeRequest {
    api::RetireSchemeRequest { scheme: scheme.to_owned(), version, ..Default::default() }
}

// Opens the next version, with another base score.
async fn next(city: &City, id: &str, base: f64) -> api::Scheme {
    let mut client = city.schemes(city.transport());
    let next = api::NewSchemeVersionRequest { scheme: id.to_owned(), ..Default::default() };
    let mut draft = client.new_scheme_version(next).await.unwrap().into_inner();
    draft.model.as_mut().unwrap().base_score = Some(base);
    let change = api::UpdateSchemeRequest { scheme: Some(draft), ..Default::default() };
    client.update_scheme(change).await.unwrap().into_inner()
}

async fn stands(city: &City, id: &str, version: i32) -> api::Scheme {
    let request = api::GetSchemeRequest { scheme: id.to_owned(), version, ..Default::default() };
    city.schemes(city.office()).get_scheme(request).await.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_takes_over_on_its_day_by_itself() {
    let city = City::at(NOW).await;
    city.publish(scheme("s")).await;
    let position = city.register(vec![subject(1, &["D09"])]).await;
    assert_eq!(city.graded(&code(1), "s", &position).await, ("A".to_owned(), Some(100.0)));
    next(&city, "s", 70.0).await;
    let mut client = city.schemes(city.transport());
    for past in ["2026-01-31", "2020-01-01"] {
        let refused = client.publish_scheme(publish("s", past)).await.unwrap_err();
        assert_eq!(
            (refused.code(), reason(&refused).as_str()),
            (Code::InvalidArgument, "EFFECTIVE_DAY_PAST")
        );
    }
    let waiting = client.publish_scheme(publish("s", "2026-02-10")).await.unwrap().into_inner();
    assert_eq!((waiting.state(), waiting.effective_from.as_str()), (State::Scheduled, "2026-02-10"));
    assert_eq!(stands(&city, "s", 0).await.version, 1, "the present one stays in force");

    // What is published is not changed, whether in force or waiting; and one waits at a time.
    let title = api::Scheme { scheme_id: "s".to_owned(), title: "新题".to_owned(), ..Default::default() };
    let change = api::UpdateSchemeRequest { scheme: Some(title), ..Default::default() };
    let refused = client.update_scheme(change).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "SCHEME_IMMUTABLE"));
    next(&city, "s", 10.0).await;
    let refused = client.publish_scheme(publish("s", "")).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "VERSION_SCHEDULED"));

    // 2026-02-10 begins at 16:00 UTC of the day before.
    let seen = async || {
        let grade = city.look(&code(1), "").await.grades.remove(0);
        (grade.version, grade.grade, grade.score)
    };
    city.set_clock("2026-02-09T15:59:00Z");
    assert_eq!(seen().await, (1, "A".to_owned(), Some(100.0)));
    city.set_clock("2026-02-09T16:00:00Z");
    assert_eq!(seen().await, (2, "C".to_owned(), Some(70.0)), "the first reader of the day sees it");
    let states = [stands(&city, "s", 1).await.state(), stands(&city, "s", 2).await.state()];
    assert_eq!(states, [State::Retired, State::Published]);
    assert_eq!(stands(&city, "s", 0).await.version, 2);
    for (day, version) in [("2026-02-09", 1), ("2026-02-10", 2)] {
        assert_eq!(city.explain(&code(1), "s", day).await.unwrap().version, version, "{day}");
    }
    // The run by which it grades everybody puts it into the history.
    for _ in 0..200 {
        if city.history(&code(1), "s").await[0].version == 2 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("nobody was graded under the new version");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_can_be_taken_back() {
    let city = City::at(NOW).await;
    let mut client = city.schemes(city.transport());
    city.publish(scheme("s")).await;
    next(&city, "s", 70.0).await;
    client.publish_scheme(publish("s", "2026-02-10")).await.unwrap();
    let missing = client.retire_scheme(retire("s", 1)).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound, "the one in force is retired without a number");
    let taken_back = client.retire_scheme(retire("s", 2)).await.unwrap().into_inner();
    assert_eq!((taken_back.version, taken_back.state()), (2, State::Retired));
    city.set_clock("2026-02-11T02:00:00Z");
    assert_eq!(stands(&city, "s", 0).await.version, 1, "what was taken back never takes over");

    // A scheme whose first version waits is not in force; retiring it takes that one back.
    client.create_scheme(create(scheme("first"))).await.unwrap();
    client.publish_scheme(publish("first", "2026-03-01")).await.unwrap();
    let request = api::GetDistributionRequest { scheme: "first".to_owned(), ..Default::default() };
    let early = city.grades(city.office()).get_distribution(request).await.unwrap_err();
    assert_eq!(reason(&early), "SCHEME_NOT_PUBLISHED");
    assert_eq!(client.retire_scheme(retire("first", 0)).await.unwrap().into_inner().state(), State::Retired);
    let twice = client.retire_scheme(retire("first", 0)).await.unwrap_err();
    assert_eq!(reason(&twice), "SCHEME_NOT_PUBLISHED");
    let other =
        city.schemes(city.trial.token("commerce", super::city::ALL)).retire_scheme(retire("s", 0)).await;
    assert_eq!(reason(&other.unwrap_err()), "SCHEME_OF_OTHER_DEPARTMENT");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_of_risk_never_leaves_the_departments() {
    let city = City::at(NOW).await;
    let mut client = city.schemes(city.transport());
    let risk = |disclosure: Disclosure| api::Scheme {
        scale: Scale::RiskClass as i32,
        disclosure: disclosure as i32,
        ..scheme("risk")
    };
    for open in [Disclosure::Subject, Disclosure::Public] {
        let refused = client.create_scheme(create(risk(open))).await.unwrap_err();
        let expected = ("disclosure".to_owned(), "RISK_CLASS_UNDISCLOSABLE".to_owned());
        assert_eq!(wrong_fields(&refused), [expected], "{open:?}");
    }
    let published = city.publish(risk(Disclosure::Departments)).await;
    assert_eq!(published.direction(), api::scheme::Direction::LowestRiskFirst);
    city.publish(scheme("credit")).await;
    city.register(vec![subject(1, &["D09"])]).await;
    let (_, position) = city.submit(vec![record(1, "penalty", "P-1", "2026-01-10")]).await;
    city.graded(&code(1), "risk", &position).await;

    let seen = city.look(&code(1), "").await.grades;
    let told: Vec<_> = seen.iter().map(|grade| (grade.scheme.as_str(), grade.scale())).collect();
    assert_eq!(
        told,
        [("credit", Scale::CreditGrade), ("risk", Scale::RiskClass)],
        "departments see both, and which is which"
    );
    let explained = city.explain(&code(1), "risk", "").await.unwrap();
    assert_eq!((explained.score, explained.risk_score), (Some(85.0), Some(35.0)), "120 less 85");

    let portal = city.trial.token_of(chassis::access::Claims {
        scope: "grading.read".to_owned(),
        default_purpose: "portal".to_owned(),
        ..city.trial.claims()
    });
    for token in [city.enterprise(&code(1)), portal] {
        let ids: Vec<_> = city.try_look(token.clone(), &code(1), "").await.unwrap().grades;
        assert_eq!(ids.iter().map(|grade| grade.scheme.as_str()).collect::<Vec<_>>(), ["credit"]);
        let (mut grades, mut schemes) = (city.grades(token.clone()), city.schemes(token.clone()));
        let (uscc, scheme) = (code(1), "risk".to_owned());
        let refusals = [
            grades
                .explain_grade(api::ExplainGradeRequest {
                    uscc: uscc.clone(),
                    scheme: scheme.clone(),
                    ..Default::default()
                })
                .await
                .unwrap_err(),
            grades
                .what_if_grade(api::WhatIfGradeRequest {
                    uscc: uscc.clone(),
                    scheme: scheme.clone(),
                    ..Default::default()
                })
                .await
                .unwrap_err(),
            grades
                .list_grade_history(api::ListGradeHistoryRequest {
                    uscc: uscc.clone(),
                    scheme: scheme.clone(),
                    ..Default::default()
                })
                .await
                .unwrap_err(),
            grades
                .batch_get_grades(api::BatchGetGradesRequest {
                    uscc: vec![uscc.clone()],
                    scheme: scheme.clone(),
                    ..Default::default()
                })
                .await
                .unwrap_err(),
            grades
                .export_grades(api::ExportGradesRequest { scheme: scheme.clone(), ..Default::default() })
                .await
                .map(|_| ())
                .unwrap_err(),
            grades
                .get_distribution(api::GetDistributionRequest {
                    scheme: scheme.clone(),
                    ..Default::default()
                })
                .await
                .unwrap_err(),
            schemes
                .get_scheme(api::GetSchemeRequest { scheme: scheme.clone(), ..Default::default() })
                .await
                .unwrap_err(),
            schemes
                .get_measures(api::GetMeasuresRequest { scheme: scheme.clone(), ..Default::default() })
                .await
                .unwrap_err(),
            schemes
                .list_measure_versions(api::ListMeasureVersionsRequest {
                    scheme: scheme.clone(),
                    ..Default::default()
                })
                .await
                .unwrap_err(),
        ];
        for refusal in refusals {
            assert_eq!((refusal.code(), reason(&refusal).as_str()), (Code::NotFound, "SCHEME_UNKNOWN"));
        }
        let listed = schemes.list_schemes(api::ListSchemesRequest::default()).await.unwrap().into_inner();
        assert!(listed.schemes.iter().all(|listed| listed.scheme_id != "risk"));
        let batch = api::BatchGetGradesRequest { uscc: vec![code(1)], ..Default::default() };
        let batch = grades.batch_get_grades(batch).await.unwrap().into_inner().results.remove(0);
        assert!(batch.grades.iter().all(|grade| grade.scale() == Scale::CreditGrade));
    }
    // An objection that a department files to a class of risk is told to departments only.
    let objection = api::CreateObjectionRequest {
        uscc: code(1),
        scheme: "risk".to_owned(),
        reason: "误判".to_owned(),
        evidence: "材料1".to_owned(),
        ..Default::default()
    };
    let own =
        city.objections(city.enterprise(&code(1))).create_objection(objection.clone()).await.unwrap_err();
    assert_eq!(reason(&own), "SCHEME_UNKNOWN");
    let filed = city.objections(city.transport()).create_objection(objection).await.unwrap().into_inner();
    let mut enterprise = city.objections(city.enterprise(&code(1)));
    let listed =
        enterprise.list_objections(api::ListObjectionsRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.objections, []);
    let get = api::GetObjectionRequest { objection_id: filed.objection_id, ..Default::default() };
    assert_eq!(enterprise.get_objection(get).await.unwrap_err().code(), Code::NotFound);

    // Kinds never mix, not from version to version either.
    next(&city, "risk", 100.0).await;
    let mixed =
        api::Scheme { scheme_id: "risk".to_owned(), scale: Scale::CreditGrade as i32, ..Default::default() };
    let change = api::UpdateSchemeRequest { scheme: Some(mixed), ..Default::default() };
    assert_eq!(wrong_fields(&client.update_scheme(change).await.unwrap_err())[0].0, "scale");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_validated_before_it_is_published() {
    let city = City::at(NOW).await;
    let mut client = city.schemes(city.transport());
    let validate = |draft: Option<api::Scheme>| api::ValidateSchemeRequest { scheme: "v".to_owned(), draft };
    let missing = client.validate_scheme(validate(None)).await.unwrap_err();
    assert_eq!(reason(&missing), "SCHEME_UNKNOWN");
    let early = client.validate_scheme(validate(Some(scheme("v")))).await.unwrap().into_inner();
    assert!(early.valid && early.violations.is_empty(), "a scheme that is not drafted yet: {early:?}");
    client.create_scheme(create(scheme("v"))).await.unwrap();
    assert!(client.validate_scheme(validate(None)).await.unwrap().into_inner().valid);

    let mut wrong = scheme("v");
    if let Some(model) = &mut wrong.model {
        model.indicators[0].filter = "severity >= 'x'".to_owned();
        model.vetoes[0].grade = "E".to_owned();
    }
    let found = client.validate_scheme(validate(Some(wrong))).await.unwrap().into_inner();
    let told: Vec<_> =
        found.violations.iter().map(|v| (v.field.as_str(), v.reason.as_str(), v.column)).collect();
    let expected = [
        ("model.indicators[0].filter", "FILTER_INVALID", 10),
        ("model.vetoes[0].grade", "SCHEME_INVALID", 0),
    ];
    assert_eq!((found.valid, told), (false, expected.to_vec()));
    assert!(client.validate_scheme(validate(None)).await.unwrap().into_inner().valid, "nothing was saved");
    let mut other = city.schemes(city.trial.token("commerce", super::city::ALL));
    let denied = other.validate_scheme(validate(None)).await.unwrap_err();
    assert_eq!(
        (denied.code(), reason(&denied).as_str()),
        (Code::PermissionDenied, "SCHEME_OF_OTHER_DEPARTMENT")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warning_is_acknowledged_with_a_reason_or_refuses_the_publication() {
    let city = City::at(NOW).await;
    let mut client = city.schemes(city.transport());
    let mut suspicious = api::Scheme { national_result: NationalResult::Indicator as i32, ..scheme("w") };
    if let Some(model) = &mut suspicious.model {
        model.indicators[1].filter = "severity >= 5 && severity < 3".to_owned();
    }
    let mut draft = client.create_scheme(create(suspicious)).await.unwrap().into_inner();
    let told: Vec<_> =
        draft.warnings.iter().map(|w| (w.warning.as_str(), w.field.as_str(), w.to_acknowledge)).collect();
    let expected = [
        ("NATIONAL_RESULT_UNUSED@nationalResult", "nationalResult", false),
        ("INDICATOR_NEVER_FIRES@model.indicators[1].filter", "model.indicators[1].filter", true),
    ];
    assert_eq!(told, expected);
    let found = api::ValidateSchemeRequest { scheme: "w".to_owned(), draft: None };
    let found = client.validate_scheme(found).await.unwrap().into_inner();
    assert_eq!((found.valid, &found.warnings), (true, &draft.warnings));
    draft.warnings.remove(0);
    assert!(!draft.warnings[0].message.is_empty());
    let refused = client.publish_scheme(publish("w", "")).await.unwrap_err();
    let field = "model.indicators[1].filter".to_owned();
    assert_eq!(wrong_fields(&refused), [(field, "WARNINGS_UNACKNOWLEDGED".to_owned())]);
    let acknowledged = |warning: &str, reason: &str| api::PublishSchemeRequest {
        acknowledged_warnings: vec![api::AcknowledgedWarning {
            warning: warning.to_owned(),
            reason: reason.to_owned(),
        }],
        ..publish("w", "")
    };
    let blank = client.publish_scheme(acknowledged(&draft.warnings[0].warning, " ")).await.unwrap_err();
    assert_eq!(wrong_fields(&blank)[0].0, "acknowledgedWarnings[0].reason");
    let unknown = client.publish_scheme(acknowledged("NEVER@model", "x")).await.unwrap_err();
    assert_eq!(wrong_fields(&unknown)[0].0, "acknowledgedWarnings[0].warning");
    let known = acknowledged(&draft.warnings[0].warning, "字段待目录补充");
    let published = client.publish_scheme(known).await.unwrap().into_inner();
    assert_eq!(published.acknowledged_warnings[0].reason, "字段待目录补充");
    assert_eq!(stands(&city, "w", 1).await.acknowledged_warnings, published.acknowledged_warnings);
    let outside = api::GetSchemeRequest { scheme: "w".to_owned(), ..Default::default() };
    let told = city.schemes(city.enterprise(&code(1))).get_scheme(outside).await.unwrap().into_inner();
    assert!(
        told.warnings.is_empty() && told.acknowledged_warnings.is_empty(),
        "that is the departments' affair"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_superior_rule_needs_its_statement_and_its_evidence() {
    let city = City::at(NOW).await;
    let mut client = city.schemes(city.transport());
    let rule = |statement: &str, evidence: &[&str]| api::Scheme {
        superior_rule: Some(api::SuperiorRule {
            title: "上级试验评价办法".to_owned(),
            statement: statement.to_owned(),
            evidence: evidence.iter().map(|text| (*text).to_owned()).collect(),
            ..Default::default()
        }),
        ..scheme("superior")
    };
    for (scheme, missing) in [
        (rule("", &["文件1"]), vec!["superiorRule.statement"]),
        (rule("按上级办法执行", &[]), vec!["superiorRule.evidence"]),
        (rule(" ", &[" "]), vec!["superiorRule.statement", "superiorRule.evidence"]),
    ] {
        let refused = wrong_fields(&client.create_scheme(create(scheme)).await.unwrap_err());
        let fields: Vec<_> = refused.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, missing);
        assert!(refused.iter().all(|(_, reason)| reason == "SUPERIOR_RULE_UNPROVEN"));
    }
    let proven = client.create_scheme(create(rule("按上级办法执行", &["文件1"]))).await.unwrap().into_inner();
    assert_eq!(proven.state(), State::Draft);
}
