//! The figures that the four services keep, as a small city has them at the end of February 2026.
use contract::{
    credit::v1 as credit, discipline::v1 as discipline, grading::v1 as grading, sampling::v1 as sampling,
    r#type::v1::FilingFigures,
};

use super::world::Answers;

pub fn scheme(id: &str, domain: &str, department: &str) -> grading::SchemeFigures {
    grading::SchemeFigures {
        scheme: id.into(),
        version: 3,
        domain: domain.into(),
        department: department.into(),
        title: "虚构评价办法".into(),
        national_result: grading::scheme::NationalResult::Indicator.into(),
        effective_from: "2026-01-10".into(),
        measures_version: 1,
        measures: 4,
        graded: 30,
        distribution: [("A".into(), 25), ("D".into(), 5)].into(),
        in_force: true,
        ..Default::default()
    }
}

fn moved(
    span: &str,
    scheme: &str,
    county: &str,
    (from, to): (&str, &str),
    subjects: i32,
) -> grading::GradeMove {
    grading::GradeMove {
        span: span.into(),
        scheme: scheme.into(),
        county: county.into(),
        from: from.into(),
        to: to.into(),
        subjects,
    }
}

fn stood(scheme: &str, county: &str, grade: &str, subjects: i32) -> grading::GradeCount {
    grading::GradeCount { scheme: scheme.into(), county: county.into(), grade: grade.into(), subjects }
}

/// One scheme of D09 in force, one of D06 that was retired, and a bare one of D04.
pub fn fill(answers: &Answers) {
    let retired = grading::SchemeFigures { in_force: false, ..scheme("roads-2025", "D06", "transport") };
    let bare = grading::SchemeFigures {
        measures: 0,
        measures_version: 0,
        graded: 0,
        distribution: Default::default(),
        national_result: grading::scheme::NationalResult::Direct.into(),
        ..scheme("tax-2026", "D04", "taxation")
    };
    let schemes = vec![retired, bare, scheme("transport-2026", "D09", "transport")];
    answers.put(
        "grading.v1.Figures/GetSchemeFigures",
        &grading::GetSchemeFiguresResponse { schemes, as_of: "2026-02-28".into() },
    );
    let count = |domain: &str, county: &str, subjects| grading::PopulationCount {
        domain: domain.into(),
        county: county.into(),
        subjects,
    };
    let counts = vec![count("", "640302", 4), count("D09", "640302", 20), count("D09", "640303", 11)];
    answers.put(
        "grading.v1.Figures/GetPopulationFigures",
        &grading::GetPopulationFiguresResponse { counts, ..Default::default() },
    );
    let (in_town, outside) = ("640302", "640303");
    let s = "transport-2026";
    let grades = grading::GetGradeFiguresResponse {
        before: vec![
            stood(s, in_town, "A", 10),
            stood(s, outside, "B", 5),
            stood("roads-2025", outside, "A", 2),
        ],
        moves: vec![
            moved("2026-01", s, in_town, ("A", "B"), 4),
            moved("2026-01", s, in_town, ("", "A"), 3),
            moved("2026-02", s, in_town, ("B", "A"), 1),
            moved("2026-02", s, outside, ("B", ""), 2),
            moved("2026-02", "roads-2025", outside, ("A", "D"), 2),
        ],
        from: "2026-01-01".into(),
        to: "2026-02-28".into(),
    };
    answers.put("grading.v1.Figures/GetGradeFigures", &grades);
    let inspected = |span: &str, scheme: &str, scheme_version, grade: &str| sampling::InspectionFigures {
        span: span.into(),
        scheme: scheme.into(),
        scheme_version,
        grade: grade.into(),
        ..Default::default()
    };
    let inspections = vec![
        sampling::InspectionFigures { draws: 1, ..inspected("", s, 3, "") },
        sampling::InspectionFigures { drawn: 2, visited: 1, ..inspected("", s, 3, "A") },
        sampling::InspectionFigures {
            drawn: 5,
            visited: 3,
            found: 2,
            published_in_time: 2,
            published_late: 1,
            ..inspected("", s, 3, "D")
        },
        sampling::InspectionFigures { visited: 6, found: 6, ..inspected("", s, 0, "") },
        sampling::InspectionFigures { draws: 2, drawn: 9, ..inspected("", "roads-2025", 1, "A") },
    ];
    let total = sampling::EffectTotal {
        visited: 4,
        found: 2,
        rate: 0.5,
        uniform_rate: Some(0.1),
        lift: Some(5.0),
        visits_saved: Some(16),
    };
    let effects = vec![sampling::SchemeEffect { scheme: s.into(), total: Some(total) }];
    answers.put(
        "sampling.v1.Figures/GetInspectionFigures",
        &sampling::GetInspectionFiguresResponse { inspections, effects, ..Default::default() },
    );
    let listed = |span: &str, department: &str, listed, repaired| discipline::ListingFigures {
        span: span.into(),
        list_id: "wages".into(),
        department: department.into(),
        listed,
        repaired,
        ..Default::default()
    };
    let filings = vec![FilingFigures {
        department: "transport".into(),
        repairs: 3,
        repairs_decided: 2,
        decided_in_time: 1,
        ..Default::default()
    }];
    answers.put(
        "discipline.v1.Figures/GetListingFigures",
        &discipline::GetListingFiguresResponse {
            listings: vec![
                listed("2026-01", "hrss", 4, 0),
                listed("2026-02", "hrss", 1, 3),
                listed("2026-02", "transport", 1, 0),
            ],
            filings,
            ..Default::default()
        },
    );
    let quality = |department: &str, accepted, in_time, rejected| credit::QualityFigures {
        department: department.into(),
        accepted,
        in_time,
        rejected,
        fields_filled: accepted * 3,
        fields_asked: accepted * 4,
        ..Default::default()
    };
    let filings = vec![FilingFigures {
        department: "transport".into(),
        objections: 2,
        objections_decided: 2,
        decided_in_time: 2,
        ..Default::default()
    }];
    answers.put(
        "credit.v1.Figures/GetQualityFigures",
        &credit::GetQualityFiguresResponse {
            quality: vec![quality("transport", 200, 150, 50), quality("taxation", 9, 9, 0)],
            filings,
            ..Default::default()
        },
    );
}
