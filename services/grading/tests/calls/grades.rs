//! Grades follow the feed: what a record does, what its correction and withdrawal undo, and who is graded at all.
use chassis::trial::reason;
use contract::{credit::v1 as credit, grading::v1 as api};
use prost_types::value::Kind;
use tonic::Code;

use super::city::{City, code, fields, record, scheme, subject, text};

const NOW: &str = "2026-02-01T02:00:00Z";

#[tokio::test(flavor = "multi_thread")]
async fn every_record_counts_as_the_scheme_says() {
    let city = City::at(NOW).await;
    city.publish(scheme("s")).await;
    let registered = city.register(vec![subject(1, &["D09"])]).await;
    assert_eq!(city.graded(&code(1), "s", &registered).await, ("A".to_owned(), Some(100.0)));

    let fine = credit::RecordInput {
        severity: 2,
        amount: "10000.01".to_owned(),
        fields: fields(&[("kind", text("停产停业")), ("days", Kind::NumberValue(3.0))]),
        ..record(1, "penalty", "P-1", "2025-06-01")
    };
    let old = record(1, "penalty", "P-2", "2024-06-01");
    let tax = credit::RecordInput {
        fields: fields(&[("grade", text("A"))]),
        ..record(1, "tax-grade", "T-1", "2025-01-01")
    };
    let (ids, position) = city.submit(vec![fine, old, tax]).await;
    // 100 − 15 × (1 + 0.5) − 5 (band of 10,000) − 3 (closed) + 10 (tax grade A) = 79.5.
    assert_eq!(city.graded(&code(1), "s", &position).await, ("B".to_owned(), Some(79.5)));

    let explained = city.explain(&code(1), "s", "").await.unwrap();
    assert_eq!((explained.grade.as_str(), explained.score, explained.version), ("B", Some(79.5), 1));
    let told: Vec<_> =
        explained.indicators.iter().map(|i| (i.id.as_str(), i.points, i.records.len())).collect();
    assert_eq!(told, [("penalties", -22.5, 2), ("fines", -5.0, 1), ("closed", -3.0, 1), ("tax", 10.0, 1)]);
    assert_eq!(explained.indicators[3].records, [ids[2].clone()]);
    assert_eq!(explained.indicators[3].value.clone().unwrap().kind, Some(text("A")));
    assert_eq!(explained.next_change_on, "2026-06-01", "the first penalty halves");

    let (_, listed) = city.submit(vec![record(1, "black-listing", "L-1", "2026-01-31")]).await;
    assert_eq!(city.graded(&code(1), "s", &listed).await, ("D".to_owned(), Some(79.5)));
    let vetoed = city.explain(&code(1), "s", "").await.unwrap();
    assert_eq!((vetoed.vetoes[0].id.as_str(), vetoed.score_grade.as_str()), ("listed", "B"));

    let correct = credit::CorrectRecordRequest {
        record: ids[0].clone(),
        amount: Some("100000.00".to_owned()),
        reason: "笔误".to_owned(),
        ..Default::default()
    };
    let corrected = city.records().correct_record(correct).await.unwrap().into_inner();
    // The band of 100,000 takes 20.5 instead of 5.
    assert_eq!(city.graded(&code(1), "s", &corrected.position).await, ("D".to_owned(), Some(64.0)));
    let withdraw = credit::WithdrawRecordRequest {
        record: ids[0].clone(),
        reason: "撤销".to_owned(),
        ..Default::default()
    };
    let withdrawn = city.records().withdraw_record(withdraw).await.unwrap().into_inner();
    // 100 − 7.5 + 10.
    assert_eq!(city.graded(&code(1), "s", &withdrawn.position).await, ("D".to_owned(), Some(102.5)));

    // The day before anything was corrected, the record stood as it was first told.
    let replayed = city.explain(&code(1), "s", "2026-01-30").await.unwrap();
    assert_eq!((replayed.grade.as_str(), replayed.score), ("B", Some(79.5)));

    let history = city.history(&code(1), "s").await;
    let told: Vec<_> =
        history.iter().map(|c| (c.previous_grade.as_str(), c.grade.as_str(), c.score)).collect();
    let expected = [
        ("D", "D", Some(102.5)),
        ("D", "D", Some(64.0)),
        ("B", "D", Some(79.5)),
        // The records of one batch, each for itself, as they were recorded.
        ("C", "B", Some(79.5)),
        ("B", "C", Some(69.5)),
        ("A", "B", Some(77.0)),
        ("", "A", Some(100.0)),
    ];
    assert_eq!(told, expected);
    let page = api::ListGradeHistoryRequest {
        uscc: code(1),
        scheme: "s".to_owned(),
        page_size: 3,
        ..Default::default()
    };
    let first = city.grades(city.office()).list_grade_history(page.clone()).await.unwrap().into_inner();
    assert_eq!((first.changes.len(), first.changes[2].previous_grade.as_str()), (3, "B"));
    let rest = api::ListGradeHistoryRequest { page_token: first.next_page_token, page_size: 4, ..page };
    let rest = city.grades(city.office()).list_grade_history(rest).await.unwrap().into_inner();
    assert_eq!((rest.changes.len(), rest.next_page_token.as_str()), (4, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_one_day_are_ordered_as_they_were_recorded() {
    let city = City::at(NOW).await;
    city.publish(scheme("s")).await;
    city.register(vec![subject(1, &["D09"])]).await;
    let grade = |source: &str, grade: &str| credit::RecordInput {
        fields: fields(&[("grade", text(grade))]),
        ..record(1, "tax-grade", source, "2025-01-01")
    };
    let (_, position) = city.submit(vec![grade("T-1", "A"), grade("T-2", "D")]).await;
    assert_eq!(city.graded(&code(1), "s", &position).await, ("A".to_owned(), Some(90.0)), "D takes ten");
    let (_, position) = city.submit(vec![grade("T-3", "A")]).await;
    assert_eq!(
        city.graded(&code(1), "s", &position).await,
        ("A".to_owned(), Some(110.0)),
        "the last recorded counts"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheme_grades_its_domain_and_who_is_not_classified() {
    let city = City::at(NOW).await;
    let position = city.register(vec![subject(1, &["D09"]), subject(2, &[]), subject(3, &["D01"])]).await;
    city.publish(scheme("s")).await;
    for serial in [1, 2] {
        assert_eq!(city.graded(&code(serial), "s", &position).await.0, "A");
    }
    assert_eq!(city.look(&code(3), "").await.grades, []);
    let stranger = city.explain(&code(3), "s", "").await.unwrap_err();
    assert_eq!((stranger.code(), reason(&stranger).as_str()), (Code::NotFound, "GRADE_UNKNOWN"));

    let moved = city.register(vec![subject(2, &["D01"]), subject(3, &["D01", "D09"])]).await;
    assert_eq!(city.look(&code(2), &moved).await.grades, [], "who leaves the domain has no grade any more");
    assert_eq!(city.graded(&code(3), "s", &moved).await.0, "A");
    let told: Vec<_> = city.history(&code(2), "s").await.into_iter().map(|change| change.grade).collect();
    assert_eq!(told, ["UNGRADED", "A"]);
    assert_eq!(city.distribution("s").await, [("A".to_owned(), 2)].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_national_result_stands_beside_the_local_one_or_for_it_or_counts_in_it() {
    let city = City::at(NOW).await;
    city.publish(scheme("local")).await;
    let direct = api::Scheme {
        national_result: api::scheme::NationalResult::Direct as i32,
        model: None,
        ..scheme("national")
    };
    city.publish(direct).await;
    let mut weighed =
        api::Scheme { national_result: api::scheme::NationalResult::Indicator as i32, ..scheme("weighed") };
    let indicator = &mut weighed.model.as_mut().unwrap().indicators[3];
    indicator.items = vec!["national-evaluation".to_owned()];
    indicator.grade_points = [("优".to_owned(), 5.0), ("良".to_owned(), -12.5)].into();
    city.publish(weighed).await;
    let registered = city.register(vec![subject(1, &["D09"])]).await;
    assert_eq!(city.graded(&code(1), "national", &registered).await, ("UNGRADED".to_owned(), None));
    assert_eq!(city.look(&code(1), "").await.national_grade, "");
    assert_eq!(city.distribution("national").await, [("UNGRADED".to_owned(), 1)].into());

    let national = |source: &str, on: &str, grade: &str| credit::RecordInput {
        fields: fields(&[("grade", text(grade))]),
        ..record(1, "national-evaluation", source, on)
    };
    let (_, position) =
        city.submit(vec![national("N-2", "2025-12-01", "良"), national("N-1", "2024-12-01", "优")]).await;
    let seen = city.look(&code(1), &position).await;
    assert_eq!(seen.national_grade, "良");
    let ids: Vec<_> = seen.grades.iter().map(|g| (g.scheme.as_str(), g.grade.as_str(), g.score)).collect();
    assert_eq!(ids, [("local", "A", Some(100.0)), ("national", "良", None), ("weighed", "B", Some(87.5))]);
    let explained = city.explain(&code(1), "national", "2025-11-30").await.unwrap();
    assert_eq!((explained.grade.as_str(), explained.indicators[0].records.len()), ("优", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_are_normalised_and_refused_with_their_reasons() {
    let city = City::at(NOW).await;
    let registered = city.register(vec![subject(1, &["D09"])]).await;
    let spaced = format!(" {} ", code(1).to_lowercase());
    assert_eq!(city.look(&spaced, &registered).await.uscc, code(1));
    let mut damaged = code(1);
    damaged.replace_range(16..17, if damaged.as_bytes()[16] == b'1' { "2" } else { "1" });
    for (given, why) in [
        (damaged.as_str(), "CODE_CHECK_FAILED"),
        ("91640399", "CODE_LENGTH"),
        ("9164039910000000I1", "CODE_CHARACTER"),
        ("640300000012345", "LEGACY_REGISTRATION_NUMBER"),
        ("11010519491231002X", "PERSONAL_IDENTITY_NUMBER"),
    ] {
        let refused = city.try_look(city.office(), given, "").await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, why), "{given}");
    }
    let nobody = city.try_look(city.office(), &code(2), "").await.unwrap_err();
    assert_eq!((nobody.code(), reason(&nobody).as_str()), (Code::NotFound, "SUBJECT_UNKNOWN"));
    let nowhere = city.try_look(city.office(), &code(1), "nonsense").await.unwrap_err();
    assert_eq!(reason(&nowhere), "CURSOR_INVALID");
    let never = city.try_look(city.office(), &code(1), "9000000000.1").await.unwrap_err();
    assert_eq!((never.code(), reason(&never).as_str()), (Code::Unavailable, "POSITION_NOT_REACHED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_read_and_streamed_in_order() {
    let city = City::at(NOW).await;
    let position = city.register((1..=12).map(|serial| subject(serial, &["D09"])).collect()).await;
    city.publish(scheme("s")).await;
    let run = api::CreateRunRequest { scheme: "s".to_owned(), min_position: position, ..Default::default() };
    city.run(run).await.unwrap();

    let export = |region: &str, industries: &[&str]| api::ExportGradesRequest {
        scheme: "s".to_owned(),
        region: region.to_owned(),
        industries: industries.iter().map(|code| (*code).to_owned()).collect(),
        ..Default::default()
    };
    let all = city.export(export("", &[])).await;
    assert!(all.is_sorted_by(|a, b| a.uscc < b.uscc));
    assert_eq!((all.len(), all[0].name.as_str(), all[0].grade.as_str()), (12, "试验企业1", "A"));
    let even = city.export(export("640302", &[])).await;
    assert_eq!(even.iter().map(|line| line.region.as_str()).collect::<Vec<_>>(), ["640302"; 6]);
    assert_eq!(city.export(export("640300", &[])).await.len(), 12, "the city holds its counties");
    assert_eq!(city.export(export("640302", &["G"])).await.len(), 2, "6 and 12 are even and in transport");
    assert_eq!(city.export(export("", &["5431", "52"])).await.len(), 12);
    assert_eq!(city.export(export("650000", &[])).await.len(), 0);

    let batch = api::BatchGetGradesRequest {
        uscc: vec![code(3), code(99), code(1)],
        scheme: "s".to_owned(),
        ..Default::default()
    };
    let results =
        city.grades(city.office()).batch_get_grades(batch.clone()).await.unwrap().into_inner().results;
    let told: Vec<_> = results.iter().map(|result| (result.uscc.clone(), result.grades.len())).collect();
    assert_eq!(told, [(code(3), 1), (code(99), 0), (code(1), 1)]);
    let wrong = api::BatchGetGradesRequest { uscc: vec![code(1), "x".to_owned()], ..batch.clone() };
    let wrong = city.grades(city.office()).batch_get_grades(wrong).await.unwrap_err();
    assert_eq!(super::city::wrong_fields(&wrong)[0].0, "uscc[1]");
    let nothing = api::BatchGetGradesRequest { scheme: "none".to_owned(), ..batch };
    assert_eq!(
        reason(&city.grades(city.office()).batch_get_grades(nothing).await.unwrap_err()),
        "SCHEME_UNKNOWN"
    );
}
