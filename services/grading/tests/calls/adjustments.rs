//! Objections to grades, overrides by two officers, and a record that is repaired: what each does to the grade that is told.
use chassis::trial::reason;
use contract::{
    credit::v1::{self as credit, repairs_client::RepairsClient},
    grading::v1::{self as api, GradeMark, objection::State as Filed, r#override::State},
};
use tonic::Code;

use super::city::{City, code, record, scheme, subject, wrong_fields};

// One subject with a penalty: 85 points, grade B.
async fn city() -> City {
    let city = City::at("2026-02-13T02:00:00Z").await;
    city.publish(scheme("s")).await;
    city.register(vec![subject(1, &["D09"])]).await;
    let (_, position) = city.submit(vec![record(1, "penalty", "P-1", "2026-01-10")]).await;
    assert_eq!(city.graded(&code(1), "s", &position).await, ("B".to_owned(), Some(85.0)));
    city
}

fn object(uscc: String) -> api::CreateObjectionRequest {
    api::CreateObjectionRequest {
        uscc,
        scheme: "s".to_owned(),
        reason: "处罚已撤销".to_owned(),
        evidence: "撤销决定书".to_owned(),
        ..Default::default()
    }
}

fn propose(grade: &str, until: &str) -> api::CreateOverrideRequest {
    api::CreateOverrideRequest {
        uscc: code(1),
        scheme: "s".to_owned(),
        grade: grade.to_owned(),
        until: until.to_owned(),
        reason: "投诉集中".to_owned(),
        evidence: "会议纪要".to_owned(),
        ..Default::default()
    }
}

async fn told(city: &City) -> api::SubjectGrade {
    city.look(&code(1), "").await.grades.remove(0)
}

async fn past(city: &City) -> api::ListGradeHistoryResponse {
    let request =
        api::ListGradeHistoryRequest { uscc: code(1), scheme: "s".to_owned(), ..Default::default() };
    city.grades(city.office()).list_grade_history(request).await.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_objection_marks_the_grade_at_once_and_is_decided_by_another() {
    let city = city().await;
    let mut enterprise = city.objections(city.enterprise(&code(1)));
    let filed = enterprise.create_objection(object(code(1))).await.unwrap().into_inner();
    assert_eq!((filed.state(), filed.grade.as_str(), filed.score), (Filed::Open, "B", Some(85.0)));
    // Seven working days after Friday 2026-02-13: the Spring Festival is off from 15 to 23, with work on Saturdays 14 and 28.
    assert_eq!((filed.due_on.as_str(), filed.due_provisional, filed.overdue), ("2026-03-02", false, false));
    assert_eq!(filed.department, "transport");
    assert_eq!(reason(&enterprise.create_objection(object(code(1))).await.unwrap_err()), "OBJECTION_OPEN");
    let theirs = enterprise.create_objection(object(code(2))).await.unwrap_err();
    assert_eq!(theirs.code(), Code::PermissionDenied);

    // In every answer.
    assert_eq!(told(&city).await.marks, [GradeMark::UnderObjection as i32]);
    let own = city.try_look(city.enterprise(&code(1)), &code(1), "").await.unwrap().grades.remove(0);
    assert_eq!(own.marks, [GradeMark::UnderObjection as i32]);
    let batch = api::BatchGetGradesRequest { uscc: vec![code(1)], ..Default::default() };
    let batch = city.grades(city.office()).batch_get_grades(batch).await.unwrap().into_inner();
    assert_eq!(batch.results[0].grades[0].marks, [GradeMark::UnderObjection as i32]);
    let exported =
        city.export(api::ExportGradesRequest { scheme: "s".to_owned(), ..Default::default() }).await;
    assert_eq!(exported[0].marks, [GradeMark::UnderObjection as i32]);
    assert_eq!(city.explain(&code(1), "s", "").await.unwrap().marks, [GradeMark::UnderObjection as i32]);
    assert_eq!(past(&city).await.objections[0].objection_id, filed.objection_id);

    let decide = |outcome: Filed| api::DecideObjectionRequest {
        objection_id: filed.objection_id.clone(),
        outcome: outcome as i32,
        explanation: "经核查，处罚有效".to_owned(),
        ..Default::default()
    };
    let mut officer = city.objections(city.officer("officer-1", "transport"));
    let elsewhere =
        city.objections(city.officer("o", "commerce")).decide_objection(decide(Filed::Rejected)).await;
    assert_eq!(elsewhere.unwrap_err().code(), Code::PermissionDenied);
    let open = officer.decide_objection(decide(Filed::Open)).await.unwrap_err();
    assert_eq!(wrong_fields(&open)[0].0, "outcome");
    let half = api::DecideObjectionRequest { grade: "A".to_owned(), ..decide(Filed::Upheld) };
    assert_eq!(wrong_fields(&officer.decide_objection(half).await.unwrap_err())[0].0, "until");
    city.set_clock("2026-03-03T02:00:00Z");
    let overdue = api::ListObjectionsRequest { overdue: true, ..Default::default() };
    let overdue = officer.list_objections(overdue).await.unwrap().into_inner().objections;
    assert!(overdue.len() == 1 && overdue[0].overdue, "the term is over");
    let decided = officer.decide_objection(decide(Filed::Rejected)).await.unwrap().into_inner();
    assert_eq!((decided.state(), decided.decided_by.as_str()), (Filed::Rejected, "officer-1"));
    assert_eq!(
        reason(&officer.decide_objection(decide(Filed::Rejected)).await.unwrap_err()),
        "OBJECTION_DECIDED"
    );
    assert_eq!(told(&city).await.marks, [0_i32; 0], "the mark goes with the decision");
    let get = api::GetObjectionRequest { objection_id: filed.objection_id.clone(), ..Default::default() };
    assert_eq!(
        enterprise.get_objection(get.clone()).await.unwrap().into_inner().explanation,
        "经核查，处罚有效"
    );
    let hidden = city.objections(city.enterprise(&code(2))).get_objection(get).await.unwrap_err();
    assert_eq!(hidden.code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_filed_does_not_decide_and_an_upheld_objection_proposes_an_override() {
    let city = city().await;
    let mut officer = city.objections(city.officer("officer-1", "transport"));
    let filed = officer.create_objection(object(code(1))).await.unwrap().into_inner();
    let upheld = api::DecideObjectionRequest {
        objection_id: filed.objection_id,
        outcome: Filed::Upheld as i32,
        explanation: "处罚决定已撤销，记录待更正".to_owned(),
        grade: "A".to_owned(),
        until: "2026-03-31".to_owned(),
        ..Default::default()
    };
    assert_eq!(reason(&officer.decide_objection(upheld.clone()).await.unwrap_err()), "FOUR_EYES");
    let second = city.officer("officer-2", "transport");
    let decided = city.objections(second.clone()).decide_objection(upheld).await.unwrap().into_inner();
    let confirm =
        api::ConfirmOverrideRequest { override_id: decided.r#override.clone(), ..Default::default() };
    assert_eq!(told(&city).await.grade, "B", "proposed is not in force");
    let own = city.overrides(second).confirm_override(confirm.clone()).await.unwrap_err();
    assert_eq!(reason(&own), "FOUR_EYES");
    let mut first = city.overrides(city.officer("officer-1", "transport"));
    let confirmed = first.confirm_override(confirm).await.unwrap().into_inner();
    assert_eq!(
        (confirmed.state(), confirmed.objection.as_str()),
        (State::Confirmed, decided.objection_id.as_str())
    );
    assert_eq!(told(&city).await.grade, "A");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_override_needs_two_officers_shows_everywhere_and_ends_on_its_day() {
    let city = city().await;
    let mut first = city.overrides(city.officer("officer-1", "transport"));
    for (request, field) in [
        (propose("E", "2026-03-31"), "grade"),
        (propose("D", "2026-02-12"), "until"),
        (propose("D", "2027-02-14"), "until"),
    ] {
        assert_eq!(wrong_fields(&first.create_override(request).await.unwrap_err())[0].0, field);
    }
    for token in [city.officer("o", "commerce"), city.enterprise(&code(1))] {
        let denied = city.overrides(token).create_override(propose("D", "2026-03-31")).await.unwrap_err();
        assert_eq!(reason(&denied), "SCHEME_OF_OTHER_DEPARTMENT");
    }
    let proposed = first.create_override(propose("D", "2026-03-31")).await.unwrap().into_inner();
    assert_eq!((proposed.state(), proposed.evaluated_grade.as_str()), (State::Proposed, "B"));
    let again = first.create_override(propose("C", "2026-03-31")).await.unwrap_err();
    assert_eq!(reason(&again), "OVERRIDE_EXISTS");
    assert_eq!((told(&city).await.grade.as_str(), told(&city).await.marks.len()), ("B", 0));
    let confirm =
        api::ConfirmOverrideRequest { override_id: proposed.override_id.clone(), ..Default::default() };
    assert_eq!(reason(&first.confirm_override(confirm.clone()).await.unwrap_err()), "FOUR_EYES");
    let mut second = city.overrides(city.officer("officer-2", "transport"));
    let confirmed = second.confirm_override(confirm.clone()).await.unwrap().into_inner();
    assert_eq!((confirmed.state(), confirmed.confirmed_by.as_str()), (State::Confirmed, "officer-2"));
    assert_eq!(reason(&second.confirm_override(confirm).await.unwrap_err()), "OVERRIDE_STATE");

    let grade = told(&city).await;
    assert_eq!((grade.grade.as_str(), grade.evaluated_grade.as_str(), grade.score), ("D", "B", Some(85.0)));
    assert_eq!((&grade.r#override, grade.next_change_on.as_str()), (&proposed.override_id, "2026-04-01"));
    assert_eq!(grade.marks, [GradeMark::Overridden as i32]);
    let explained = city.explain(&code(1), "s", "").await.unwrap();
    assert_eq!((explained.grade.as_str(), explained.evaluated_grade.as_str()), ("D", "B"));
    assert_eq!(explained.r#override.map(|held| held.reason), Some("投诉集中".to_owned()));
    assert_eq!(city.distribution("s").await, [("D".to_owned(), 1)].into());
    let exported =
        city.export(api::ExportGradesRequest { scheme: "s".to_owned(), ..Default::default() }).await;
    assert_eq!((exported[0].grade.as_str(), exported[0].marks.len()), ("D", 1));
    let history = past(&city).await;
    let change = &history.changes[0];
    assert_eq!((change.grade.as_str(), change.previous_grade.as_str()), ("D", "B"));
    assert_eq!((change.evaluated_grade.as_str(), &change.r#override), ("B", &proposed.override_id));
    assert_eq!(history.overrides.len(), 1);
    assert_eq!(
        city.explain(&code(1), "s", "2026-02-12").await.unwrap().grade,
        "B",
        "not before it was confirmed"
    );
    // It puts nobody on any list: credit has no record but the penalty.
    let records = credit::ListRecordsRequest { uscc: code(1), ..Default::default() };
    assert_eq!(city.records().list_records(records).await.unwrap().into_inner().records.len(), 1);

    city.set_clock("2026-03-31T15:59:00Z");
    assert_eq!(told(&city).await.grade, "D", "its last day counts in full");
    city.set_clock("2026-03-31T16:00:00Z");
    let grade = told(&city).await;
    assert_eq!((grade.grade.as_str(), grade.r#override.as_str(), grade.marks.len()), ("B", "", 0));
    let get = api::GetOverrideRequest { override_id: proposed.override_id.clone(), ..Default::default() };
    assert_eq!(first.get_override(get).await.unwrap().into_inner().state(), State::Ended);
    let change = past(&city).await.changes.remove(0);
    assert_eq!(
        (change.grade.as_str(), change.previous_grade.as_str(), change.r#override.as_str()),
        ("B", "D", "")
    );
    assert_eq!(
        city.explain(&code(1), "s", "2026-03-31").await.unwrap().grade,
        "D",
        "what held then is shown again"
    );

    // The distribution of a day that is past is what it was then, however often it is asked; of one to come it is today's.
    let one = |grade: &str| std::collections::HashMap::from([(grade.to_owned(), 1)]);
    for (day, expected, on) in [
        // Before anybody was graded.
        ("2026-02-12", std::collections::HashMap::new(), "2026-02-12"),
        ("2026-03-31", one("D"), "2026-03-31"),
        ("", one("B"), "2026-04-01"),
        ("2026-12-31", one("B"), "2026-04-01"),
    ] {
        let request = api::GetDistributionRequest {
            scheme: "s".to_owned(),
            as_of: day.to_owned(),
            ..Default::default()
        };
        let found = city.grades(city.office()).get_distribution(request).await.unwrap().into_inner();
        let graded = i32::try_from(expected.len()).unwrap();
        assert_eq!((found.as_of.as_str(), found.graded), (on, graded), "{day}");
        assert_eq!(
            found.distribution.into_iter().collect::<std::collections::HashMap<_, _>>(),
            expected,
            "{day}"
        );
    }
    let strange = api::GetDistributionRequest {
        scheme: "s".to_owned(),
        as_of: "2026-02-30".to_owned(),
        ..Default::default()
    };
    let refused = city.grades(city.office()).get_distribution(strange).await.unwrap_err();
    assert_eq!(wrong_fields(&refused)[0].0, "asOf");

    // Declined, and ended before its day.
    let proposed = first.create_override(propose("C", "2026-06-30")).await.unwrap().into_inner();
    let end = |id: &str| api::EndOverrideRequest {
        override_id: id.to_owned(),
        reason: "依据不足".to_owned(),
        ..Default::default()
    };
    let declined = second.end_override(end(&proposed.override_id)).await.unwrap().into_inner();
    assert_eq!((declined.state(), declined.end_reason.as_str()), (State::Declined, "依据不足"));
    let proposed = first.create_override(propose("C", "2026-06-30")).await.unwrap().into_inner();
    let confirm =
        api::ConfirmOverrideRequest { override_id: proposed.override_id.clone(), ..Default::default() };
    second.confirm_override(confirm).await.unwrap();
    assert_eq!(told(&city).await.grade, "C");
    assert_eq!(
        second.end_override(end(&proposed.override_id)).await.unwrap().into_inner().state(),
        State::Ended
    );
    assert_eq!(told(&city).await.grade, "B");
    assert_eq!(reason(&second.end_override(end(&proposed.override_id)).await.unwrap_err()), "OVERRIDE_STATE");
    let list = api::ListOverridesRequest { state: State::Ended as i32, ..Default::default() };
    assert_eq!(first.list_overrides(list.clone()).await.unwrap().into_inner().overrides.len(), 2);
    let denied = city.overrides(city.enterprise(&code(1))).list_overrides(list).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repaired_record_counts_no_more_at_once() {
    let city = city().await;
    let explained = city.explain(&code(1), "s", "").await.unwrap();
    let record = explained.indicators[0].records[0].clone();
    let mut repairs = RepairsClient::with_interceptor(city.credit(), city.officer("officer-1", "transport"));
    let ask = credit::CreateRepairRequest {
        record,
        reason: "已整改".to_owned(),
        evidence: "整改报告".to_owned(),
        ..Default::default()
    };
    let asked = repairs.create_repair(ask).await.unwrap().into_inner();
    assert_eq!(told(&city).await.grade, "B", "what is being repaired still counts");
    let mut second = RepairsClient::with_interceptor(city.credit(), city.officer("officer-2", "transport"));
    let decide = credit::DecideRepairRequest {
        repair_id: asked.repair_id,
        outcome: credit::repair::State::Approved as i32,
        explanation: "同意".to_owned(),
        ..Default::default()
    };
    second.decide_repair(decide).await.unwrap();
    for _ in 0..200 {
        let grade = told(&city).await;
        if grade.grade == "A" {
            assert_eq!(grade.score, Some(100.0));
            let changes = past(&city).await.changes;
            assert_eq!((changes[0].grade.as_str(), changes[0].previous_grade.as_str()), ("A", "B"));
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("the repair does not show");
}
