//! How kept figures become series: what stood before and what moved since, span by span. Whole numbers throughout. Pure.
use std::collections::{BTreeMap, BTreeSet};

use chassis::{
    Answer, Fault,
    figures::{Asked, Grain},
};
use contract::{
    credit::v1::QualityFigures,
    discipline::v1::ListingFigures,
    grading::v1::{GetGradeFiguresResponse, GradeMove},
    reporting::v1::{GradePoint, InspectionEffect, InspectionPoint, ListingPoint, Migration, QualityPoint},
    sampling::v1::{InspectionFigures, SchemeEffect},
    r#type::v1::Step,
};
use jiff::civil::Date;

/// The most days that a series by day has.
const DAYS_MOST: i32 = 400;

/// Which days a series is of, and how they are divided.
#[derive(Clone, Copy, Debug)]
pub struct Span(Asked);

impl Span {
    /// Reads the days of a request.
    pub fn of(today: Date, from: &str, to: &str, step: Step) -> Answer<Self> {
        let asked = Asked::of(from, to, today, Date::first_of_year, step)?;
        if step == Step::Day && (asked.to - asked.from).get_days() >= DAYS_MOST {
            return Err(Fault::field(
                "step",
                format!("DAY goes with at most {DAYS_MOST} days; give MONTH, or fewer days"),
                format!("按日统计最多{DAYS_MOST}天；请改用 MONTH，或缩短期间"),
            ));
        }
        Ok(Self(asked))
    }

    /// The first day.
    pub fn from(&self) -> String {
        self.0.from.to_string()
    }

    /// The last day.
    pub fn to(&self) -> String {
        self.0.to.to_string()
    }

    /// The day before the first.
    pub fn eve(&self) -> String {
        self.0.from.yesterday().unwrap_or(self.0.from).to_string()
    }

    /// All spans, in their order, those in which nothing happened among them; one of an empty name where the days are not divided.
    pub fn all(&self) -> Vec<String> {
        let Some(grain) = self.0.grain else { return vec![String::new()] };
        let mut spans = Vec::new();
        let mut day = self.0.from;
        while day <= self.0.to {
            spans.push(grain.span(day));
            let last = match grain {
                Grain::Day => day,
                Grain::Month => day.last_of_month(),
                Grain::Year => day.last_of_year(),
            };
            match last.tomorrow() {
                Ok(next) => day = next,
                Err(_) => break,
            }
        }
        spans
    }
}

/// The share of a part, to four places, half away from zero; empty where there is nothing to divide by.
pub fn share(part: i64, whole: i64) -> String {
    if whole <= 0 {
        return String::new();
    }
    let (part, whole) = (i128::from(part), i128::from(whole));
    let parts = (part * 20_000 + whole) / (2 * whole);
    format!("{}.{:04}", parts / 10_000, parts % 10_000)
}

type Place = (String, String);

/// The grades at the end of each span, from those before the first and what moved since.
pub fn grade_points(
    figures: &GetGradeFiguresResponse,
    schemes: &BTreeMap<String, String>,
    span: &Span,
    by_county: bool,
) -> Vec<GradePoint> {
    let place = |scheme: &str, county: &str| {
        (scheme.to_owned(), if by_county { county.to_owned() } else { String::new() })
    };
    let mut standing: BTreeMap<Place, BTreeMap<String, i32>> = BTreeMap::new();
    for one in figures.before.iter().filter(|one| schemes.contains_key(&one.scheme)) {
        let of = standing.entry(place(&one.scheme, &one.county)).or_default();
        *of.entry(one.grade.clone()).or_default() += one.subjects;
    }
    let mut points = Vec::new();
    for span in span.all() {
        for one in figures.moves.iter().filter(|one| one.span == span && schemes.contains_key(&one.scheme)) {
            let of = standing.entry(place(&one.scheme, &one.county)).or_default();
            for (grade, subjects) in [(&one.from, -one.subjects), (&one.to, one.subjects)] {
                if !grade.is_empty() {
                    *of.entry(grade.clone()).or_default() += subjects;
                }
            }
        }
        for ((scheme, county), grades) in &standing {
            let held = grades.iter().filter(|(_, subjects)| **subjects != 0);
            points.push(GradePoint {
                span: span.clone(),
                domain: schemes.get(scheme).cloned().unwrap_or_default(),
                scheme: scheme.clone(),
                county: county.clone(),
                distribution: held.map(|(grade, subjects)| (grade.clone(), *subjects)).collect(),
            });
        }
    }
    points
}

/// The cells of the matrices: counties together, and what only went from one to another left out.
pub fn migrations(moves: &[GradeMove], schemes: &BTreeMap<String, String>) -> Vec<Migration> {
    let mut cells: BTreeMap<(String, String, String, String), i32> = BTreeMap::new();
    for one in moves.iter().filter(|one| schemes.contains_key(&one.scheme)) {
        let key = (one.span.clone(), one.scheme.clone(), one.from.clone(), one.to.clone());
        *cells.entry(key).or_default() += one.subjects;
    }
    let cell = |((span, scheme, from, to), subjects): ((String, String, String, String), i32)| Migration {
        domain: schemes.get(&scheme).cloned().unwrap_or_default(),
        span,
        scheme,
        from,
        to,
        subjects,
    };
    cells.into_iter().filter(|(_, subjects)| *subjects != 0).map(cell).collect()
}

/// The visits of draws, all versions of a scheme together.
pub fn inspection_points(
    figures: &[InspectionFigures],
    schemes: &BTreeMap<String, String>,
) -> Vec<InspectionPoint> {
    let mut points: BTreeMap<(String, String, String), InspectionPoint> = BTreeMap::new();
    for one in figures.iter().filter(|one| one.scheme_version > 0 && !one.grade.is_empty()) {
        let Some(domain) = schemes.get(&one.scheme) else { continue };
        let key = (one.span.clone(), one.scheme.clone(), one.grade.clone());
        let point = points.entry(key).or_insert_with(|| InspectionPoint {
            span: one.span.clone(),
            domain: domain.clone(),
            scheme: one.scheme.clone(),
            grade: one.grade.clone(),
            ..Default::default()
        });
        point.drawn += one.drawn;
        point.visited += one.visited;
        point.found += one.found;
    }
    let rated = |point: InspectionPoint| InspectionPoint {
        hit_rate: share(point.found.into(), point.visited.into()),
        ..point
    };
    points.into_values().map(rated).collect()
}

/// What the draws of each scheme found against a uniform sample.
pub fn inspection_effects(
    effects: &[SchemeEffect],
    schemes: &BTreeMap<String, String>,
) -> Vec<InspectionEffect> {
    let effect = |one: &SchemeEffect| {
        let domain = schemes.get(&one.scheme)?.clone();
        let total = one.total.unwrap_or_default();
        let (visited, found, visits_saved) = (total.visited, total.found, total.visits_saved);
        Some(InspectionEffect { domain, scheme: one.scheme.clone(), visited, found, visits_saved })
    };
    effects.iter().filter_map(effect).collect()
}

/// Listings span by span, with how many had not ended at the end of each.
pub fn listing_points(
    earlier: &[ListingFigures],
    figures: &[ListingFigures],
    span: &Span,
) -> Vec<ListingPoint> {
    let net = |one: &ListingFigures| one.listed - one.repaired - one.revoked - one.expired;
    let mut active: BTreeMap<Place, i32> = BTreeMap::new();
    for one in earlier {
        *active.entry((one.list_id.clone(), one.department.clone())).or_default() += net(one);
    }
    let places: BTreeSet<Place> =
        earlier.iter().chain(figures).map(|one| (one.list_id.clone(), one.department.clone())).collect();
    let mut points = Vec::new();
    for span in span.all() {
        for place in &places {
            let there = figures
                .iter()
                .find(|one| (&one.span, &one.list_id, &one.department) == (&span, &place.0, &place.1));
            let one = there.cloned().unwrap_or_default();
            let active = active.entry(place.clone()).or_default();
            *active += net(&one);
            points.push(ListingPoint {
                span: span.clone(),
                list_id: place.0.clone(),
                department: place.1.clone(),
                listed: one.listed,
                repaired: one.repaired,
                revoked: one.revoked,
                expired: one.expired,
                active: *active,
            });
        }
    }
    points
}

/// What a department sent, with its rates.
pub fn quality_point(one: QualityFigures) -> QualityPoint {
    QualityPoint {
        timeliness: share(one.in_time, one.accepted),
        completeness: share(one.fields_filled, one.fields_asked),
        refusal_rate: share(one.rejected, one.accepted + one.duplicates + one.rejected),
        span: one.span,
        department: one.department,
        accepted: one.accepted,
        duplicates: one.duplicates,
        rejected: one.rejected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: &str, to: &str, step: Step) -> Span {
        Span::of("2026-03-02".parse().unwrap(), from, to, step).unwrap()
    }

    #[test]
    fn spans_have_no_holes() {
        assert_eq!(
            span("2025-11-30", "2026-02-01", Step::Month).all(),
            ["2025-11", "2025-12", "2026-01", "2026-02"]
        );
        assert_eq!(span("2024-06-01", "", Step::Year).all(), ["2024", "2025", "2026"]);
        assert_eq!(
            span("2026-02-27", "2026-03-01", Step::Day).all(),
            ["2026-02-27", "2026-02-28", "2026-03-01"]
        );
        assert_eq!(span("", "", Step::Unspecified).all(), [""]);
        let whole = span("2025-11-30", "2026-02-01", Step::Month);
        assert_eq!((whole.from().as_str(), whole.eve().as_str()), ("2025-11-01", "2025-10-31"));
        let today: Date = "2026-03-02".parse().unwrap();
        assert!(Span::of(today, "2026-03-03", "", Step::Month).is_err());
        assert!(Span::of(today, "2025-01-27", "", Step::Day).is_ok(), "400 days");
        assert!(Span::of(today, "2025-01-26", "", Step::Day).is_err());
    }

    #[test]
    fn a_share_is_rounded_half_away_from_zero() {
        for (part, whole, expected) in [
            (0, 0, ""),
            (0, 3, "0.0000"),
            (3, 3, "1.0000"),
            (1, 3, "0.3333"),
            (2, 3, "0.6667"),
            (1, 20_000, "0.0001"),
            (49, 1_000_000, "0.0000"),
            (50, 1_000_000, "0.0001"),
        ] {
            assert_eq!(share(part, whole), expected, "{part} of {whole}");
        }
    }
}
