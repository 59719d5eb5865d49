//! Assessments of departments: every point from counts that are shown, by a formula that stays.
use chassis::trial::reason;
use contract::reporting::v1::{
    self as api,
    assessed_indicator::{Empty, Measure},
};
use tonic::Code;

use super::world::{ALL, World};

const NOW: &str = "2026-03-02T01:00:00Z";

fn assess(formula: &str, from: &str, to: &str) -> api::CreateAssessmentRequest {
    api::CreateAssessmentRequest {
        formula: formula.into(),
        from: from.into(),
        to: to.into(),
        ..Default::default()
    }
}

fn indicator(id: &str, measure: Measure, weight: &str) -> api::AssessedIndicator {
    api::AssessedIndicator {
        id: id.into(),
        name: id.into(),
        measure: measure.into(),
        weight: weight.into(),
        empty: Empty::LeftOut.into(),
        ..Default::default()
    }
}

fn formula(id: &str, effective_from: &str) -> api::Formula {
    api::Formula {
        formula_id: id.into(),
        title: "虚构考核办法".into(),
        basis: "虚构信用联办〔2026〕1号".into(),
        effective_from: effective_from.into(),
        indicators: vec![
            indicator("timeliness", Measure::DataTimeliness, "60"),
            indicator("results", Measure::ResultsInTime, "40"),
        ],
        ..Default::default()
    }
}

fn publish(formula: api::Formula) -> api::PublishFormulaRequest {
    api::PublishFormulaRequest { formula: Some(formula), ..Default::default() }
}

fn of<'a>(assessment: &'a api::Assessment, department: &str) -> &'a api::DepartmentScore {
    assessment.scores.iter().find(|score| score.department == department).unwrap()
}

#[tokio::test]
async fn every_indicator_shows_its_counts_and_the_calls_that_give_them() {
    let world = World::at(NOW).await;
    let mut office = world.office();
    let made = office
        .assessments
        .create_assessment(assess("annual", "2026-01-01", "2026-02-28"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((made.scores.len(), made.formula.as_str(), made.formula_version), (22, "annual", 0));
    // What comes with the program says that it is an illustration, wherever its scores are read.
    assert_eq!(made.formula_status, "ILLUSTRATION");
    assert!(made.formula_title.ends_with("（示例）"), "{}", made.formula_title);
    let transport = of(&made, "transport");
    let told: Vec<_> = transport
        .indicators
        .iter()
        .map(|one| (one.id.as_str(), one.numerator, one.denominator, one.points.as_str()))
        .collect();
    // By hand: 15 x (0.75 - 0.5) / 0.48; 10 x (0.75 - 0.5) / 0.45; 200 of 250 is the bound of 0.8; 2 + 1 of 2 + 2 filings; 2 of 3 results;
    // of the domains D06 and D09 one has a scheme, with measures, and none a summary.
    assert_eq!(
        told,
        [
            ("timeliness", 150, 200, "7.81"),
            ("completeness", 600, 800, "5.56"),
            ("acceptance", 200, 250, "0.00"),
            ("filings", 3, 4, "11.25"),
            ("results", 2, 3, "10.00"),
            ("schemes", 1, 2, "7.50"),
            ("measures", 1, 2, "5.00"),
            ("summaries", 0, 2, "0.00"),
        ]
    );
    assert_eq!(
        (transport.points.as_str(), transport.weight.as_str(), transport.score.as_str()),
        ("47.12", "100.00", "47.12")
    );
    for one in &transport.indicators {
        assert!(!one.proofs.is_empty() && one.proofs.iter().all(|path| path.contains("/v1/")), "{one:?}");
    }
    assert_eq!(
        transport.indicators[0].proofs,
        ["/credit/v1/figures/quality?department=transport&from=2026-01-01&to=2026-02-28"]
    );
    assert_eq!(transport.indicators[3].proofs.len(), 2);
    // Who sent nothing has nothing to be complete, and did not come in time.
    let grain = of(&made, "grain");
    assert_eq!((grain.score.as_str(), grain.weight.as_str()), ("0.00", "15.00"));
    let taxation = of(&made, "taxation");
    assert_eq!(taxation.indicators[6].points, "0.00", "its scheme has no measures");
}

#[tokio::test]
async fn an_assessment_stays_as_it_was_made_and_can_be_made_again() {
    let world = World::at(NOW).await;
    let mut office = world.office();
    let request = api::CreateAssessmentRequest {
        request_id: "a1".into(),
        ..assess("annual", "2026-01-01", "2026-02-28")
    };
    let made = office.assessments.create_assessment(request.clone()).await.unwrap().into_inner();
    let mine = office.assessments.publish_formula(publish(formula("annual", ""))).await.unwrap().into_inner();
    assert_eq!(
        (mine.version, mine.effective_from.as_str(), mine.status.as_str()),
        (1, "2026-03-02", "PUBLISHED")
    );
    // The same call answers the same; the same period is still assessed by the version of then, and comes to the same.
    assert_eq!(office.assessments.create_assessment(request).await.unwrap().into_inner(), made);
    let again = office
        .assessments
        .create_assessment(assess("annual", "2026-01-01", "2026-02-28"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((again.formula_version, &again.scores), (0, &made.scores));
    let today = office
        .assessments
        .create_assessment(assess("annual", "2026-01-01", "2026-03-02"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (today.formula_version, today.formula_title.as_str(), today.formula_status.as_str()),
        (1, "虚构考核办法", "PUBLISHED")
    );
    // 60 x 0.75 + 40 x 2/3.
    assert_eq!(of(&today, "transport").score, "71.67");
    // The world goes on, the assessment does not.
    world.answers.put(
        "credit.v1.Figures/GetQualityFigures",
        &contract::credit::v1::GetQualityFiguresResponse::default(),
    );
    let read = |id: &str| api::GetAssessmentRequest { id: id.into() };
    let kept = office.assessments.get_assessment(read(&made.assessment_id)).await.unwrap().into_inner();
    assert_eq!(kept, made);
    let own = world
        .of("transport", ALL)
        .assessments
        .get_assessment(read(&made.assessment_id))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(own.scores, [of(&made, "transport").clone()], "a department sees itself");
    let none = office.assessments.get_assessment(read("none")).await.unwrap_err();
    assert_eq!(none.code(), Code::NotFound);

    let mut request = api::ListAssessmentsRequest { page_size: 2, ..Default::default() };
    let mut listed = Vec::new();
    loop {
        let page = office.assessments.list_assessments(request.clone()).await.unwrap().into_inner();
        assert!(page.assessments.iter().all(|one| one.scores.is_empty() && !one.formula_status.is_empty()));
        listed.extend(page.assessments.into_iter().map(|one| one.assessment_id));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(listed, [today.assessment_id, again.assessment_id, made.assessment_id]);
    let formulas = office
        .assessments
        .list_formulas(api::ListFormulasRequest::default())
        .await
        .unwrap()
        .into_inner()
        .formulas;
    let formulas: Vec<_> = formulas.iter().map(|one| (one.version, one.status.as_str())).collect();
    assert_eq!(formulas, [(0, "ILLUSTRATION"), (1, "PUBLISHED")]);
}

#[tokio::test]
async fn wrong_formulae_and_periods_are_refused_and_only_the_office_assesses() {
    let world = World::at(NOW).await;
    let mut office = world.office();
    for (wrong, expected) in [
        (api::Formula { indicators: vec![], ..formula("f", "") }, "FIELD_INVALID"),
        (
            api::Formula { indicators: vec![indicator("a", Measure::Unspecified, "1")], ..formula("f", "") },
            "FIELD_INVALID",
        ),
        (
            api::Formula {
                indicators: vec![indicator("a", Measure::DataTimeliness, "0")],
                ..formula("f", "")
            },
            "FIELD_INVALID",
        ),
        (api::Formula { basis: String::new(), ..formula("f", "") }, "FIELD_INVALID"),
        (
            api::Formula { title: "某人11010519491231002X".into(), ..formula("f", "") },
            "PERSONAL_IDENTITY_NUMBER",
        ),
        (formula("f", "2026-03-01"), "FORMULA_DAY_PAST"),
    ] {
        let refused = office.assessments.publish_formula(publish(wrong)).await.unwrap_err();
        assert_eq!(reason(&refused), expected);
    }
    office.assessments.publish_formula(publish(formula("f", "2026-06-01"))).await.unwrap();
    let refused = office.assessments.publish_formula(publish(formula("f", "2026-05-31"))).await.unwrap_err();
    assert_eq!(reason(&refused), "FORMULA_DAY_PAST");
    for (wrong, expected) in [
        (assess("annual", "2026-02-28", "2026-01-01"), "PERIOD_INVALID"),
        (assess("annual", "2026-01-01", "2026-03-03"), "PERIOD_INVALID"),
        (assess("annual", "", "2026-03-01"), "FIELD_INVALID"),
        (assess("f", "2026-01-01", "2026-03-01"), "FORMULA_UNKNOWN"),
        (assess("none", "2026-01-01", "2026-03-01"), "FORMULA_UNKNOWN"),
    ] {
        let refused = office.assessments.create_assessment(wrong).await.unwrap_err();
        assert_eq!(reason(&refused), expected);
    }
    let mut transport = world.of("transport", ALL);
    let refused = transport.assessments.create_assessment(assess("annual", "2026-01-01", "2026-02-28")).await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
    let refused = transport.assessments.publish_formula(publish(formula("t", ""))).await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
    world.answers.remove("discipline.v1.Figures/GetListingFigures");
    let refused =
        office.assessments.create_assessment(assess("annual", "2026-01-01", "2026-02-28")).await.unwrap_err();
    assert_eq!(reason(&refused), "UPSTREAM_UNAVAILABLE");
}
