//! The city at a glance: series from what the services keep, and who sees them.
use std::collections::BTreeMap;

use chassis::{access::Claims, trial::reason};
use contract::{reporting::v1 as api, r#type::v1::Step};

use super::world::{ALL, Client, World};

const NOW: &str = "2026-03-02T01:00:00Z";

fn grades(domain: &str, by_county: bool) -> api::GetGradeSeriesRequest {
    api::GetGradeSeriesRequest {
        domain: domain.into(),
        from: "2026-01-15".into(),
        to: "2026-02-28".into(),
        step: Step::Month.into(),
        by_county,
    }
}

async fn series(
    client: &mut Client,
    request: api::GetGradeSeriesRequest,
) -> Vec<(String, String, String, String)> {
    let series = client.glances.get_grade_series(request).await.unwrap().into_inner();
    assert_eq!((series.from.as_str(), series.to.as_str()), ("2026-01-01", "2026-02-28"));
    let told = |point: api::GradePoint| {
        let grades: Vec<_> = point.distribution.iter().map(|(grade, n)| format!("{grade}{n}")).collect();
        (point.span, point.scheme, point.county, grades.join(" "))
    };
    series.points.into_iter().map(told).collect()
}

fn line(span: &str, scheme: &str, county: &str, grades: &str) -> (String, String, String, String) {
    (span.into(), scheme.into(), county.into(), grades.into())
}

#[tokio::test]
async fn grades_follow_from_what_stood_and_what_moved() {
    let world = World::at(NOW).await;
    let mut office = world.office();
    let transport = "transport-2026";
    let expected = [line("2026-01", transport, "", "A9 B9"), line("2026-02", transport, "", "A10 B6")];
    assert_eq!(series(&mut office, grades("D09", false)).await, expected);
    let expected = [
        line("2026-01", transport, "640302", "A9 B4"),
        line("2026-01", transport, "640303", "B5"),
        line("2026-02", transport, "640302", "A10 B3"),
        line("2026-02", transport, "640303", "B3"),
    ];
    assert_eq!(series(&mut office, grades("transport", true)).await, expected);
    assert_eq!(series(&mut office, grades("", false)).await.len(), 4, "the retired scheme had grades too");
    assert!(series(&mut office, grades("D01", false)).await.is_empty());

    let request = api::GetMigrationsRequest {
        from: "2026-01-01".into(),
        to: "2026-02-28".into(),
        step: Step::Month.into(),
        ..Default::default()
    };
    let cells = office.glances.get_migrations(request).await.unwrap().into_inner().cells;
    let cells: BTreeMap<_, _> = cells
        .iter()
        .map(|one| {
            ((one.span.as_str(), one.domain.as_str(), one.from.as_str(), one.to.as_str()), one.subjects)
        })
        .collect();
    assert_eq!(cells[&("2026-01", "D09", "A", "B")], 4);
    assert_eq!(cells[&("2026-02", "D09", "B", "")], 2);
    assert_eq!(cells[&("2026-02", "D06", "A", "D")], 2);
    assert_eq!(cells.len(), 5);
}

#[tokio::test]
async fn inspections_listings_and_data_have_their_rates() {
    let world = World::at(NOW).await;
    let mut office = world.office();
    let request = api::GetInspectionSeriesRequest { domain: "D09".into(), ..Default::default() };
    let seen = office.glances.get_inspection_series(request).await.unwrap().into_inner();
    let rates: Vec<_> = seen
        .points
        .iter()
        .map(|one| (one.grade.as_str(), one.drawn, one.visited, one.found, one.hit_rate.as_str()))
        .collect();
    assert_eq!(rates, [("A", 2, 1, 0, "0.0000"), ("D", 5, 3, 2, "0.6667")]);
    assert_eq!(seen.effects[0].visits_saved, Some(16));

    let request = api::GetListingSeriesRequest {
        from: "2026-01-01".into(),
        to: "2026-02-28".into(),
        step: Step::Month.into(),
    };
    let seen = office.glances.get_listing_series(request.clone()).await.unwrap().into_inner();
    let points: Vec<_> = seen
        .points
        .iter()
        .map(|one| (one.span.as_str(), one.department.as_str(), one.listed, one.repaired, one.active))
        .collect();
    // The answers of a test are the same before and after: 2 + 1 stood before.
    assert_eq!(
        points,
        [
            ("2026-01", "hrss", 4, 0, 6),
            ("2026-01", "transport", 0, 0, 1),
            ("2026-02", "hrss", 1, 3, 4),
            ("2026-02", "transport", 1, 0, 2),
        ]
    );
    assert_eq!((seen.filings[0].repairs, seen.filings[0].decided_in_time), (3, 1));
    let own = world.of("transport", ALL).glances.get_listing_series(request).await.unwrap().into_inner();
    assert!(own.points.iter().all(|one| one.department == "transport"));

    let request = api::GetDataQualityRequest::default();
    let seen = office.glances.get_data_quality(request.clone()).await.unwrap().into_inner();
    let of = |seen: &api::DataQuality, department: &str| {
        let point = seen.points.iter().find(|one| one.department == department)?;
        Some((point.timeliness.clone(), point.completeness.clone(), point.refusal_rate.clone()))
    };
    assert_eq!(of(&seen, "transport"), Some(("0.7500".into(), "0.7500".into(), "0.2000".into())));
    assert_eq!(of(&seen, "taxation"), Some(("1.0000".into(), "0.7500".into(), "0.0000".into())));
    let own = world.of("taxation", ALL).glances.get_data_quality(request).await.unwrap().into_inner();
    assert_eq!((own.points.len(), own.filings.len()), (1, 0));
}

#[tokio::test]
async fn a_department_sees_its_own_domains_and_nobody_else_anything() {
    let world = World::at(NOW).await;
    let schemes = async |department: &str| {
        let seen = series(&mut world.of(department, ALL), grades("", true)).await;
        let mut schemes: Vec<_> = seen.into_iter().map(|one| one.1).collect();
        schemes.dedup();
        schemes.sort();
        schemes.dedup();
        schemes
    };
    assert_eq!(schemes("transport").await, ["roads-2025", "transport-2026"]);
    assert_eq!(schemes("housing").await, ["roads-2025"], "it is at home in 工程建设");
    assert!(schemes("health").await.is_empty());
    let enterprise = Claims {
        sub: "own".into(),
        uscc: "91640399000000000X".into(),
        scope: "reporting.read".into(),
        default_purpose: "own".into(),
        ..world.trial.claims()
    };
    for claims in [enterprise, Claims { department: String::new(), ..world.claims("", "reporting.read") }] {
        let mut client = world.client(claims);
        let request = grades("", false);
        let refused = client.glances.get_grade_series(request).await.unwrap_err();
        assert_eq!(reason(&refused), "FIGURES_NOT_DISCLOSED");
        let refused = client.glances.get_data_quality(api::GetDataQualityRequest::default()).await;
        assert_eq!(reason(&refused.unwrap_err()), "FIGURES_NOT_DISCLOSED");
    }
    let refused = world.of("transport", "grading.read").glances.get_grade_series(grades("", false)).await;
    assert_eq!(reason(&refused.unwrap_err()), "SCOPE_MISSING");
}

#[tokio::test]
async fn wrong_days_and_domains_are_named_and_a_silent_service_too() {
    let world = World::at(NOW).await;
    let mut office = world.office();
    let asked = |from: &str, to: &str, step: Step| api::GetGradeSeriesRequest {
        from: from.into(),
        to: to.into(),
        step: step.into(),
        ..grades("", false)
    };
    for wrong in [
        asked("2026-02-30", "", Step::Month),
        asked("2026-02-02", "2026-02-01", Step::Month),
        asked("2020-01-01", "2026-02-01", Step::Day),
    ] {
        let refused = office.glances.get_grade_series(wrong).await.unwrap_err();
        assert_eq!(reason(&refused), "FIELD_INVALID");
    }
    let refused = office.glances.get_grade_series(grades("D23", false)).await.unwrap_err();
    assert_eq!(reason(&refused), "DOMAIN_UNKNOWN");
    world.answers.remove("grading.v1.Figures/GetGradeFigures");
    let refused = office.glances.get_grade_series(grades("", false)).await.unwrap_err();
    assert_eq!(reason(&refused), "UPSTREAM_UNAVAILABLE");
}
