//! Replay: what was known on an instant, in a reader's words; and what would be if records were repaired.
use chassis::trial::reason;
use contract::{credit::v1 as credit, grading::v1 as api};
use tonic::Code;

use super::city::{City, code, record, scheme, subject, wrong_fields};

fn explain(as_of: &str, known_at: &str) -> api::ExplainGradeRequest {
    api::ExplainGradeRequest {
        uscc: code(1),
        scheme: "s".to_owned(),
        as_of: as_of.to_owned(),
        known_at: known_at.to_owned(),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grade_is_replayed_with_what_was_known_then() {
    let city = City::at("2026-02-01T02:00:00Z").await;
    city.publish(scheme("s")).await;
    city.register(vec![subject(1, &["D09"])]).await;
    let (first, position) = city.submit(vec![record(1, "penalty", "P-1", "2026-01-10")]).await;
    assert_eq!(city.graded(&code(1), "s", &position).await.1, Some(85.0));
    // On 10 February another becomes known, of a day in January; on the 20th the first is withdrawn; on 1 March version 2 comes.
    city.set_clock("2026-02-10T02:00:00Z");
    let (second, position) = city.submit(vec![record(1, "penalty", "P-2", "2026-01-15")]).await;
    city.arrive(&position).await;
    city.set_clock("2026-02-20T02:00:00Z");
    let withdrawal = credit::WithdrawRecordRequest {
        record: first[0].clone(),
        reason: "决定被撤销".to_owned(),
        ..Default::default()
    };
    city.records().withdraw_record(withdrawal).await.unwrap();
    city.set_clock("2026-03-01T02:00:00Z");
    let mut schemes = city.schemes(city.office());
    let next = api::NewSchemeVersionRequest { scheme: "s".to_owned(), ..Default::default() };
    let mut draft = schemes.new_scheme_version(next).await.unwrap().into_inner();
    draft.model.as_mut().unwrap().base_score = Some(50.0);
    let change = api::UpdateSchemeRequest { scheme: Some(draft), ..Default::default() };
    schemes.update_scheme(change).await.unwrap();
    let publish = api::PublishSchemeRequest { scheme: "s".to_owned(), ..Default::default() };
    schemes.publish_scheme(publish).await.unwrap();

    let mut client = city.grades(city.office());
    for (as_of, known_at, version, score, records) in [
        // What was known on the day itself.
        ("", "2026-02-05T02:00:00Z", 1, 85.0, vec![&first[0]]),
        ("", "2026-02-15T02:00:00Z", 1, 70.0, vec![&first[0], &second[0]]),
        ("", "2026-02-25T10:00:00+08:00", 1, 85.0, vec![&second[0]]),
        // A day in January, before and after the second became known.
        ("2026-01-20", "2026-02-05T02:00:00Z", 1, 85.0, vec![&first[0]]),
        ("2026-01-20", "2026-02-15T02:00:00Z", 1, 70.0, vec![&first[0], &second[0]]),
        ("2026-01-12", "2026-02-15T02:00:00Z", 1, 85.0, vec![&first[0]]),
        // A day to come, when version 2 was not known of.
        ("2026-03-05", "2026-02-15T02:00:00Z", 1, 70.0, vec![&first[0], &second[0]]),
        ("", "2026-03-01T02:30:00Z", 2, 35.0, vec![&second[0]]),
    ] {
        city.set_clock("2026-03-02T02:00:00Z");
        let told = client.explain_grade(explain(as_of, known_at)).await.unwrap().into_inner();
        let mut behind: Vec<&String> = told.indicators[0].records.iter().collect();
        let mut expected = records;
        behind.sort();
        expected.sort();
        assert_eq!(
            (told.version, told.score, behind),
            (version, Some(score), expected),
            "{as_of} {known_at}"
        );
        assert!(!told.known_at.is_empty());
    }
    let early = client.explain_grade(explain("", "2026-01-31T02:00:00Z")).await.unwrap_err();
    assert_eq!(
        (early.code(), reason(&early).as_str()),
        (Code::NotFound, "GRADE_UNKNOWN"),
        "no version was known"
    );
    for wrong in ["2027-01-01T00:00:00Z", "2026-02-05", "gestern"] {
        assert_eq!(
            wrong_fields(&client.explain_grade(explain("", wrong)).await.unwrap_err())[0].0,
            "knownAt"
        );
    }
    let before = client.explain_grade(explain("2026-01-12", "")).await.unwrap().into_inner();
    assert!(before.before_publication, "what the first version would have said");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_is_replayed_day_by_day() {
    let city = City::at("2026-02-01T02:00:00Z").await;
    city.publish(scheme("s")).await;
    city.register(vec![subject(1, &["D09"])]).await;
    let fine = credit::RecordInput {
        severity: 2,
        amount: "20000".to_owned(),
        ..record(1, "penalty", "P-1", "2026-01-10")
    };
    let (ids, position) = city.submit(vec![fine]).await;
    assert_eq!(
        city.graded(&code(1), "s", &position).await.1,
        Some(80.0),
        "15 for the penalty, 5 for the fine"
    );
    city.set_clock("2026-02-10T02:00:00Z");
    let correction = credit::CorrectRecordRequest {
        record: ids[0].clone(),
        amount: Some("200".to_owned()),
        reason: "笔误".to_owned(),
        ..Default::default()
    };
    let corrected = city.records().correct_record(correction).await.unwrap().into_inner();
    // What is known now is told of the sheet as it stands: it has to have come.
    assert_eq!(city.graded(&code(1), "s", &corrected.position).await.1, Some(85.0));
    city.set_clock("2026-02-20T02:00:00Z");
    let mut client = city.grades(city.office());
    for (as_of, known_at, score) in [
        ("2026-02-09", "2026-02-15T02:00:00Z", 80.0),
        ("2026-02-10", "2026-02-15T02:00:00Z", 85.0),
        ("2026-02-15", "2026-02-05T02:00:00Z", 80.0),
        ("2026-02-05", "", 80.0),
        ("2026-02-15", "", 85.0),
    ] {
        let told = client.explain_grade(explain(as_of, known_at)).await.unwrap().into_inner();
        assert_eq!(told.score, Some(score), "{as_of} {known_at}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_repair_would_do_is_told_before_it_is_asked_for() {
    let city = City::at("2026-02-01T02:00:00Z").await;
    city.publish(scheme("s")).await;
    city.register(vec![subject(1, &["D09"]), subject(2, &["D09"])]).await;
    let penalties =
        vec![record(1, "penalty", "P-1", "2026-01-10"), record(1, "black-listing", "L-1", "2026-01-11")];
    let (ids, _) = city.submit(penalties).await;
    let (others, position) = city.submit(vec![record(2, "penalty", "P-2", "2026-01-10")]).await;
    assert_eq!(city.graded(&code(1), "s", &position).await, ("D".to_owned(), Some(85.0)));
    let suppose = |records: &[&String], as_of: &str| api::WhatIfGradeRequest {
        uscc: code(1),
        scheme: "s".to_owned(),
        records: records.iter().map(|record| (*record).clone()).collect(),
        as_of: as_of.to_owned(),
        ..Default::default()
    };
    let mut enterprise = city.grades(city.enterprise(&code(1)));
    for (records, as_of, grade, score) in [
        (vec![], "", "D", 85.0),
        (vec![&ids[0]], "", "D", 100.0),
        (vec![&ids[1]], "", "B", 85.0),
        (vec![&ids[0], &ids[1]], "", "A", 100.0),
        (vec![&ids[1]], "2027-01-10", "A", 92.5),
    ] {
        let found = enterprise.what_if_grade(suppose(&records, as_of)).await.unwrap().into_inner();
        let (present, supposed) = (found.present.unwrap(), found.supposed.unwrap());
        assert_eq!((supposed.grade.as_str(), supposed.score), (grade, Some(score)), "{records:?} {as_of}");
        assert_eq!((present.grade.as_str(), found.changed), ("D", grade != "D"));
    }
    assert_eq!(city.look(&code(1), "").await.grades[0].grade, "D", "nothing is changed");
    let nobody = String::from("no-such-record");
    for wrong in [&others[0], &nobody] {
        let refused = enterprise.what_if_grade(suppose(&[wrong], "")).await.unwrap_err();
        assert_eq!(
            (refused.code(), reason(&refused).as_str()),
            (Code::InvalidArgument, "RECORD_NOT_COUNTED")
        );
    }
    let past = enterprise.what_if_grade(suppose(&[&ids[0]], "2026-01-31")).await.unwrap_err();
    assert_eq!(wrong_fields(&past)[0].0, "asOf");
    let stranger = city.trial.token_of(chassis::access::Claims {
        scope: "grading.read".to_owned(),
        department: "commerce".to_owned(),
        ..city.trial.claims()
    });
    let aimless = city.grades(stranger).what_if_grade(suppose(&[], "")).await.unwrap_err();
    assert_eq!(reason(&aimless), "PURPOSE_REQUIRED");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enterprise_reads_its_grade_in_its_own_language() {
    let city = City::at("2026-02-01T02:00:00Z").await;
    city.publish(scheme("s")).await;
    city.register(vec![subject(1, &["D09"])]).await;
    let (_, position) = city.submit(vec![record(1, "penalty", "P-1", "2026-01-10")]).await;
    assert_eq!(city.graded(&code(1), "s", &position).await.0, "B");
    let mut enterprise = city.grades(city.enterprise(&code(1)));
    let mut said = Vec::new();
    for language in ["en", "zh-CN"] {
        let mut request = tonic::Request::new(explain("", ""));
        request.metadata_mut().insert("accept-language", language.parse().unwrap());
        said.push(enterprise.explain_grade(request).await.unwrap().into_inner().sentences);
    }
    let chinese = |text: &String| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    assert!(!said[0].is_empty() && said[0].len() == said[1].len(), "{said:?}");
    assert!(said[1].iter().all(chinese) && !said[0].iter().all(chinese), "{said:?}");
    let days = [["2026-01-10", "2027-01-10"], ["2026年1月10日", "2027年1月10日"]];
    for (sentences, [since, until]) in said.iter().zip(days) {
        let whole = sentences.join(" ");
        // The grade, the score, since when the penalty counts, and the day from which on it counts half.
        for part in ["B", "85", since, until] {
            assert!(whole.contains(part), "{part} in {whole}");
        }
    }
}
