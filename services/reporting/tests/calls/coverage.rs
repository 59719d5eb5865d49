//! Coverage of the 22 domains: what is missing and who owes it, and what proves each figure.
use chassis::trial::reason;
use contract::reporting::v1::{self as api, domain_coverage::SchemeKind, gap::Missing};
use tonic::{Code, Request};

use super::{
    figures::summary,
    summaries::hand_in,
    world::{ALL, World},
};

async fn coverage(world: &World, as_of: &str) -> api::Coverage {
    let request = api::GetCoverageRequest { as_of: as_of.into(), ..Default::default() };
    world.office().coverages.get_coverage(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn coverage_tells_of_all_22_domains_what_they_have() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let found = coverage(&world, "").await;
    assert_eq!((found.domains.len(), found.as_of.as_str()), (22, "2026-03-02"));
    let transport = &found.domains[8];
    assert_eq!((transport.domain.as_str(), transport.name.as_str()), ("D09", "交通运输领域"));
    assert_eq!((transport.scheme.as_str(), transport.scheme_version), ("transport-2026", 3));
    assert_eq!(transport.scheme_kind(), SchemeKind::NationalIndicator);
    assert_eq!((transport.measures, transport.grades_with_measures), (true, 4));
    assert_eq!((transport.graded, transport.subjects), (30, 31));
    // What was ordered and not drawn is no draw by grades.
    assert_eq!((transport.draws, transport.drawn, transport.visited, transport.found), (1, 7, 4, 2));
    assert_eq!(transport.missing, [Missing::Summary as i32]);
    let department = |one: &api::DomainDepartment| (one.department.clone(), one.name.clone(), one.inferred);
    assert_eq!(
        transport.departments.iter().map(department).collect::<Vec<_>>(),
        [("transport".into(), "交通运输局".into(), false)]
    );
    // A scheme that was retired covers nothing, and what was drawn by it stays.
    let construction = &found.domains[5];
    assert_eq!((construction.scheme.as_str(), construction.draws, construction.drawn), ("", 2, 9));
    assert_eq!(construction.missing, [Missing::Scheme as i32, Missing::Summary as i32]);
    assert_eq!(construction.departments.len(), 3);
    assert!(construction.departments.iter().all(|one| one.inferred));
    assert_eq!(found.domains[3].scheme_kind(), SchemeKind::NationalResult);
    // Each figure has a call that gives it.
    for domain in &found.domains {
        let fields: Vec<&str> = domain.proofs.iter().map(|proof| proof.field.as_str()).collect();
        assert_eq!(fields, ["scheme", "measures", "graded", "subjects", "drawn", "visited", "summarized"]);
        assert!(domain.proofs.iter().all(|proof| proof.path.starts_with('/') && proof.path.contains("/v1/")));
    }
    let proof =
        |field: &str| transport.proofs.iter().find(|proof| proof.field == field).unwrap().path.clone();
    assert_eq!(proof("measures"), "/grading/v1/schemes/transport-2026/measures?asOf=2026-03-02");
    assert_eq!(proof("drawn"), "/sampling/v1/figures/inspections?scheme=transport-2026&to=2026-03-02");
}

#[tokio::test]
async fn gaps_come_first_by_weight_with_who_owes_them() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let found = coverage(&world, "").await;
    let of = |missing: Missing| found.gaps.iter().filter(move |gap| gap.missing() == missing);
    assert!(found.gaps.is_sorted_by_key(|gap| gap.missing));
    assert_eq!(of(Missing::Scheme).count(), 20);
    let told = |gap: &api::Gap| {
        let owners: Vec<_> = gap.owners.iter().map(|owner| owner.department.clone()).collect();
        (gap.domain.clone(), owners.join(" "))
    };
    let measures: Vec<_> = of(Missing::Measures).map(told).collect();
    assert_eq!(measures, [("D04".to_owned(), "taxation".to_owned())]);
    assert_eq!(of(Missing::Grades).count(), 1);
    assert_eq!(of(Missing::Draws).count(), 1);
    assert_eq!(of(Missing::Summary).count(), 22);
    let orphan = of(Missing::Scheme).find(|gap| gap.domain == "D21").unwrap();
    assert_eq!(told(orphan).1, "credit-office", "nobody is at home in 社会组织");
    let intermediaries = of(Missing::Scheme).find(|gap| gap.domain == "D12").unwrap();
    assert_eq!(told(intermediaries).1, "justice finance housing");
    assert_eq!(intermediaries.proof, "/grading/v1/figures/schemes?asOf=2026-03-02");
    let mut chinese = Request::new(api::GetCoverageRequest::default());
    chinese.metadata_mut().insert("accept-language", "zh-CN".parse().unwrap());
    let chinese = world.office().coverages.get_coverage(chinese).await.unwrap().into_inner();
    assert!(chinese.gaps[0].text.contains("没有施行中的评价制度"), "{}", chinese.gaps[0].text);
}

#[tokio::test]
async fn a_summary_counts_in_its_year_from_the_day_of_its_composition_and_is_missing_until_it_is_handed_in() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let mut department = world.of("transport", ALL);
    let request = summary("D09", "2026-01-01", "2026-02-28");
    let summary = department.summaries.create_summary(request).await.unwrap().into_inner();
    let summarized = async |day: &str| {
        let found = coverage(&world, day).await.domains;
        found.into_iter().filter(|domain| domain.summarized).map(|domain| domain.domain).collect::<Vec<_>>()
    };
    assert_eq!(summarized("2026-03-02").await, ["D09"]);
    assert!(summarized("2026-03-01").await.is_empty(), "it was composed the day after");
    assert!(summarized("2027-03-01").await.is_empty(), "another year");
    let transport = &coverage(&world, "").await.domains[8];
    assert_eq!(transport.summaries, std::slice::from_ref(&summary.summary_id));
    assert!(transport.summarized && !transport.handed_in);
    assert_eq!(transport.missing, [Missing::Summary as i32], "it was composed only");
    let gaps = coverage(&world, "").await.gaps;
    let gap = gaps.iter().find(|gap| gap.domain == "D09").unwrap();
    assert!(gap.text.contains("is not handed in") && gap.text.contains(":submit"), "{}", gap.text);
    assert_eq!(transport.proofs[6].path, format!("/reporting/v1/summaries/{}", summary.summary_id));
}

#[tokio::test]
async fn what_was_handed_in_stands_until_it_is_returned() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let mut department = world.of("transport", ALL);
    let request = summary("D09", "2026-01-01", "2026-02-28");
    let summary = department.summaries.create_summary(request).await.unwrap().into_inner();
    hand_in(&mut department, &summary.summary_id).await;
    let told = async |day: &str| {
        let transport = coverage(&world, day).await.domains.remove(8);
        (transport.handed_in, transport.missing.contains(&(Missing::Summary as i32)))
    };
    assert_eq!(told("").await, (true, false), "submitted");
    assert_eq!(told("2026-03-01").await, (false, true), "the day before");
    assert_eq!(told("2027-03-02").await, (false, true), "another year");
    let id = summary.summary_id.as_str();
    let accept = api::AcceptSummaryRequest { id: id.into(), ..Default::default() };
    world.reviewer().summaries.accept_summary(accept).await.unwrap();
    assert_eq!(told("").await, (true, false), "accepted");
    world.trial.boot.clock.set("2026-03-05T01:00:00Z".parse().unwrap());
    let text = String::from("举措不具体");
    let return_ = api::ReturnSummaryRequest { id: id.into(), text, ..Default::default() };
    world.reviewer().summaries.return_summary(return_).await.unwrap();
    assert_eq!(told("").await, (false, true), "returned");
    assert_eq!(told("2026-03-04").await, (true, false), "what stood then is told of then");
    hand_in(&mut department, id).await;
    assert_eq!(told("").await, (true, false), "handed in anew");
}

#[tokio::test]
async fn who_may_not_read_and_what_does_not_answer_are_told() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    for wrong in ["2026-02-30", "today", "2026/03/02"] {
        let wrong = api::GetCoverageRequest { as_of: wrong.into(), ..Default::default() };
        assert_eq!(reason(&world.office().coverages.get_coverage(wrong).await.unwrap_err()), "FIELD_INVALID");
    }
    let mut stranger = world.of("transport", "grading.read");
    let refused = stranger.coverages.get_coverage(api::GetCoverageRequest::default()).await.unwrap_err();
    assert_eq!(reason(&refused), "SCOPE_MISSING");
    for (service, method) in [
        ("grading", "grading.v1.Figures/GetSchemeFigures"),
        ("grading", "grading.v1.Figures/GetPopulationFigures"),
        ("sampling", "sampling.v1.Figures/GetInspectionFigures"),
    ] {
        let world = World::at("2026-03-02T01:00:00Z").await;
        world.answers.remove(method);
        let refused =
            world.office().coverages.get_coverage(api::GetCoverageRequest::default()).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable);
        assert!(refused.message().contains(service), "{service}: {}", refused.message());
    }
}
