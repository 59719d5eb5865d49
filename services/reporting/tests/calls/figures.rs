//! The figures of summaries.
use std::collections::BTreeMap;

use chassis::trial::reason;
use contract::reporting::v1 as api;
use tonic::{Code, Request};

use super::world::{ALL, World};

pub fn summary(domain: &str, from: &str, to: &str) -> api::CreateSummaryRequest {
    api::CreateSummaryRequest {
        domain: domain.into(),
        from: from.into(),
        to: to.into(),
        ..Default::default()
    }
}

pub fn effect_case() -> api::EffectCase {
    api::EffectCase {
        domain: "transport".into(),
        happened_on: "2026-02-20".into(),
        place: "虚构市虚构区".into(),
        subject: "虚构运输有限公司".into(),
        practice: "按信用等级降低抽查频次".into(),
        effect: "检查次数减少".into(),
        evidence: vec!["检查台账".into()],
        ..Default::default()
    }
}

pub fn create(case: api::EffectCase) -> api::CreateEffectCaseRequest {
    api::CreateEffectCaseRequest { effect_case: Some(case), ..Default::default() }
}

#[tokio::test]
async fn a_summary_is_composed_of_the_services_figures_and_kept() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let mut transport = world.of("transport", ALL);
    let case = transport.effect_cases.create_effect_case(create(effect_case())).await.unwrap().into_inner();
    let later = api::EffectCase { happened_on: "2026-03-01".into(), ..effect_case() };
    transport.effect_cases.create_effect_case(create(later)).await.unwrap();
    let request = api::CreateSummaryRequest {
        request_id: "s1".into(),
        ..summary("transport", "2026-01-01", "2026-02-28")
    };
    let composed = transport.summaries.create_summary(request.clone()).await.unwrap().into_inner();
    assert_eq!((composed.domain.as_str(), composed.scheme.as_str()), ("D09", "transport-2026"));
    assert_eq!((composed.scheme_version, composed.department.as_str()), (3, "transport"));
    assert_eq!(composed.distribution, BTreeMap::from([("A".into(), 25), ("D".into(), 5)]));
    assert_eq!(composed.effect_cases, [case.effect_case_id], "only what happened in the period");
    let figures: Vec<(&str, i32, &str)> =
        composed.figures.iter().map(|one| (one.key.as_str(), one.value, one.source.as_str())).collect();
    for expected in [
        ("subjects", 31, "credit"),
        ("records", 12, "credit"),
        ("records.administrative-penalty", 11, "credit"),
        ("graded", 30, "grading"),
        ("drawn", 7, "sampling"),
        ("visited", 4, "sampling"),
        ("found", 2, "sampling"),
        ("proposed", 3, "discipline"),
        ("listed", 2, "discipline"),
        ("applied", 5, "discipline"),
    ] {
        assert!(figures.contains(&expected), "{expected:?} in {figures:?}");
    }
    assert!(composed.figures.iter().all(|figure| !figure.name.is_empty()));

    // The world goes on; the summary stays, in the reader's language.
    world.answers.put("grading.v1.Grades/GetDistribution", &contract::grading::v1::Distribution::default());
    let again = transport.summaries.create_summary(request).await.unwrap().into_inner();
    assert_eq!(again, composed, "the same request id composes nothing anew");
    let mut read = Request::new(api::GetSummaryRequest { id: composed.summary_id, ..Default::default() });
    read.metadata_mut().insert("accept-language", "zh-CN".parse().unwrap());
    let read = transport.summaries.get_summary(read).await.unwrap().into_inner();
    assert_eq!((read.distribution, read.figures[0].name.as_str()), (composed.distribution, "领域主体数"));
    let none = api::GetSummaryRequest { id: "none".into(), ..Default::default() };
    assert_eq!(transport.summaries.get_summary(none).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_summary_needs_a_domain_and_a_period() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let mut office = world.office();
    for (wrong, expected) in [
        (summary("D23", "2026-01-01", "2026-02-28"), "DOMAIN_UNKNOWN"),
        (summary("", "2026-01-01", "2026-02-28"), "FIELD_INVALID"),
        (summary("D09", "2026-01-01", "2026-02-30"), "FIELD_INVALID"),
        (summary("D09", "2026-03-01", "2026-02-28"), "PERIOD_INVALID"),
        (summary("D09", "2026-03-03", "2026-12-31"), "PERIOD_INVALID"),
    ] {
        let refused = office.summaries.create_summary(wrong).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, expected));
    }
    // A domain without a scheme has a summary too, of what there is.
    let bare = office
        .summaries
        .create_summary(summary("D01", "2026-01-01", "2026-02-28"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((bare.scheme.as_str(), bare.scheme_version, bare.distribution.len()), ("", 0, 0));
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_named_and_nothing_is_kept() {
    for (service, method) in [
        ("credit", "credit.v1.Figures/GetFigures"),
        ("grading", "grading.v1.Grades/GetDistribution"),
        ("sampling", "sampling.v1.Draws/ListDraws"),
        ("sampling", "sampling.v1.Effects/GetEffect"),
        ("discipline", "discipline.v1.Figures/GetFigures"),
    ] {
        let world = World::at("2026-03-02T01:00:00Z").await;
        world.answers.remove(method);
        let mut office = world.office();
        let refused =
            office.summaries.create_summary(summary("D09", "2026-01-01", "2026-02-28")).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused)), (Code::Unavailable, "UPSTREAM_UNAVAILABLE".into()));
        assert!(refused.message().contains(service), "{service}: {}", refused.message());
    }
}
