//! Which scheme speaks for a domain, what was drawn in it, who is responsible and what is missing. Pure.
use contract::{
    grading::v1::{
        Scheme, SchemeFigures,
        scheme::{self, NationalResult},
    },
    reporting::v1::{DomainCoverage, domain_coverage::SchemeKind, gap::Missing},
    sampling::v1::{Draw, InspectionFigures, draw},
};
use identifiers::{Department, Domain};

/// The domain's scheme that is published and in force on a day, YYYY-MM-DD; of several the latest, then the first by id.
pub fn speaking<'a>(schemes: &'a [Scheme], domain: Domain, on: &str) -> Option<&'a Scheme> {
    schemes
        .iter()
        .filter(|scheme| scheme.state() == scheme::State::Published && scheme.effective_from.as_str() <= on)
        .filter(|scheme| is_of(scheme, domain))
        .min_by(|a, b| b.effective_from.cmp(&a.effective_from).then_with(|| a.scheme_id.cmp(&b.scheme_id)))
}

/// What the draws by the grades of the domain's schemes came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drawn {
    /// Subjects drawn.
    pub drawn: i32,
    /// Visits recorded.
    pub visited: i32,
    /// Visits that found something.
    pub found: i32,
}

/// Sums the domain's draws; one that was not revealed, or given up, has drawn nobody.
pub fn drawn(draws: &[Draw], schemes: &[Scheme], domain: Domain) -> Drawn {
    let of_domain = |id: &str| schemes.iter().any(|scheme| scheme.scheme_id == id && is_of(scheme, domain));
    let revealed =
        draws.iter().filter(|draw| draw.state() == draw::State::Revealed && of_domain(&draw.scheme));
    revealed.fold(Drawn::default(), |sum, draw| Drawn {
        drawn: sum.drawn.saturating_add(draw.drawn),
        visited: sum.visited.saturating_add(draw.visited),
        found: sum.found.saturating_add(draw.found),
    })
}

/// The domain's scheme that is in force; of several the latest, then the first by id.
pub fn reigning(schemes: &[SchemeFigures], domain: Domain) -> Option<&SchemeFigures> {
    let of_domain = schemes.iter().filter(|scheme| scheme.in_force && scheme.domain == domain.code());
    of_domain.min_by(|a, b| b.effective_from.cmp(&a.effective_from).then_with(|| a.scheme.cmp(&b.scheme)))
}

/// What a scheme grades by (吴信用联办〔2022〕8号: the state's results used directly or as an indicator, a superior's rule, or a model of one's own).
pub fn kind(scheme: &SchemeFigures) -> SchemeKind {
    match scheme.national_result() {
        NationalResult::Direct => SchemeKind::NationalResult,
        _ if scheme.superior_rule => SchemeKind::SuperiorRule,
        NationalResult::Indicator => SchemeKind::NationalIndicator,
        NationalResult::None | NationalResult::Unspecified => SchemeKind::OwnModel,
    }
}

/// What the draws by the grades of all schemes that the domain ever had came to. Visits that were ordered are no draws.
pub fn inspected(
    inspections: &[InspectionFigures],
    schemes: &[SchemeFigures],
    domain: Domain,
) -> InspectionFigures {
    let of_domain =
        |id: &str| schemes.iter().any(|scheme| scheme.scheme == id && scheme.domain == domain.code());
    let drawn = inspections.iter().filter(|one| one.scheme_version > 0 && of_domain(&one.scheme));
    drawn.fold(InspectionFigures::default(), |sum, one| InspectionFigures {
        draws: sum.draws.saturating_add(one.draws),
        drawn: sum.drawn.saturating_add(one.drawn),
        visited: sum.visited.saturating_add(one.visited),
        found: sum.found.saturating_add(one.found),
        ..sum
    })
}

/// The departments of a domain, each with whether it is inferred: that of its scheme, then those that are at home in it.
pub fn departments(
    domain: Domain,
    scheme: Option<&SchemeFigures>,
) -> impl Iterator<Item = (Department, bool)> {
    let own = scheme.and_then(|scheme| Department::parse(&scheme.department).ok());
    let others = domain.lead_departments().filter(move |one| Some(*one) != own);
    own.into_iter().map(|one| (one, false)).chain(others.map(|one| (one, true)))
}

/// What a domain does not have. What needs what is missing is not missing yet.
pub fn missing(covered: &DomainCoverage) -> impl Iterator<Item = Missing> {
    let scheme = !covered.scheme.is_empty();
    [
        (!scheme, Missing::Scheme),
        (scheme && !covered.measures, Missing::Measures),
        (scheme && covered.graded == 0, Missing::Grades),
        (scheme && covered.draws == 0, Missing::Draws),
        (!covered.handed_in, Missing::Summary),
    ]
    .into_iter()
    .filter_map(|(holds, missing)| holds.then_some(missing))
}

// Grading takes a domain by its code or slug.
fn is_of(scheme: &Scheme, domain: Domain) -> bool {
    Domain::parse(&scheme.domain) == Ok(domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transport() -> Domain {
        Domain::parse("D09").expect("a domain")
    }

    fn scheme(id: &str, domain: &str, state: scheme::State, from: &str) -> Scheme {
        Scheme {
            scheme_id: id.into(),
            domain: domain.into(),
            state: state.into(),
            effective_from: from.into(),
            ..Default::default()
        }
    }

    #[test]
    fn the_latest_scheme_in_force_speaks() {
        use scheme::State::{Draft, Published, Retired};
        let schemes = [
            scheme("a", "D09", Published, "2025-01-01"),
            scheme("c", "transport", Published, "2026-01-01"),
            scheme("b", "D09", Published, "2026-01-01"),
            scheme("d", "D09", Published, "2026-06-01"),
            scheme("e", "D09", Draft, ""),
            scheme("f", "D09", Retired, "2026-02-01"),
            scheme("g", "D01", Published, "2026-02-01"),
        ];
        let speaks = |on| speaking(&schemes, transport(), on).map(|scheme| scheme.scheme_id.as_str());
        assert_eq!(speaks("2026-03-02"), Some("b"));
        assert_eq!(speaks("2025-12-31"), Some("a"));
        assert_eq!(speaks("2026-06-01"), Some("d"));
        assert_eq!(speaks("2024-12-31"), None);
    }

    #[test]
    fn only_revealed_draws_of_the_domain_s_schemes_count() {
        use draw::State::{Abandoned, Committed, Revealed};
        let schemes = [
            scheme("a", "D09", scheme::State::Retired, ""),
            scheme("b", "D09", scheme::State::Published, ""),
            scheme("x", "D01", scheme::State::Published, ""),
        ];
        let draw = |scheme: &str, state: draw::State, drawn| Draw {
            scheme: scheme.into(),
            state: state.into(),
            drawn,
            visited: 2,
            found: 1,
            ..Default::default()
        };
        let draws = [
            draw("a", Revealed, 3),
            draw("b", Revealed, 4),
            draw("b", Committed, 50),
            draw("b", Abandoned, 60),
            draw("x", Revealed, 70),
        ];
        assert_eq!(drawn(&draws, &schemes, transport()), Drawn { drawn: 7, visited: 4, found: 2 });
    }

    fn figures(id: &str, in_force: bool, from: &str) -> SchemeFigures {
        SchemeFigures {
            scheme: id.into(),
            domain: "D09".into(),
            department: "transport".into(),
            in_force,
            effective_from: from.into(),
            ..Default::default()
        }
    }

    #[test]
    fn the_latest_in_force_reigns_and_its_department_is_first() {
        let schemes = [
            figures("old", true, "2025-01-01"),
            figures("b", true, "2026-01-01"),
            figures("a", true, "2026-01-01"),
            figures("gone", false, "2026-02-01"),
        ];
        let reigning = reigning(&schemes, transport()).unwrap();
        assert_eq!(reigning.scheme, "a");
        let construction = Domain::parse("D06").unwrap();
        let slugs = |scheme: Option<&SchemeFigures>| {
            departments(construction, scheme)
                .map(|(one, inferred)| (one.slug(), inferred))
                .collect::<Vec<_>>()
        };
        assert_eq!(slugs(None), [("housing", true), ("transport", true), ("water", true)]);
        assert_eq!(slugs(Some(reigning)), [("transport", false), ("housing", true), ("water", true)]);
    }

    #[test]
    fn a_scheme_is_of_one_kind() {
        let kind = |national: NationalResult, superior_rule| {
            kind(&SchemeFigures { national_result: national.into(), superior_rule, ..Default::default() })
        };
        assert_eq!(kind(NationalResult::Direct, false), SchemeKind::NationalResult);
        assert_eq!(kind(NationalResult::Indicator, false), SchemeKind::NationalIndicator);
        assert_eq!(kind(NationalResult::Indicator, true), SchemeKind::SuperiorRule);
        assert_eq!(kind(NationalResult::None, true), SchemeKind::SuperiorRule);
        assert_eq!(kind(NationalResult::None, false), SchemeKind::OwnModel);
    }

    #[test]
    fn what_rests_on_a_missing_scheme_is_not_missing_beside_it() {
        let told = |covered: &DomainCoverage| missing(covered).collect::<Vec<_>>();
        let nothing = DomainCoverage::default();
        assert_eq!(told(&nothing), [Missing::Scheme, Missing::Summary]);
        let bare = DomainCoverage { scheme: "s".into(), ..Default::default() };
        assert_eq!(told(&bare), [Missing::Measures, Missing::Grades, Missing::Draws, Missing::Summary]);
        let whole = DomainCoverage { measures: true, graded: 1, draws: 1, handed_in: true, ..bare };
        assert_eq!(told(&whole), []);
    }

    #[test]
    fn draws_of_retired_schemes_count_and_ordered_visits_do_not() {
        let schemes = [figures("now", true, ""), figures("gone", false, "")];
        let one = |scheme: &str, scheme_version, drawn| InspectionFigures {
            scheme: scheme.into(),
            scheme_version,
            drawn,
            visited: 1,
            ..Default::default()
        };
        let inspections = [one("now", 2, 5), one("gone", 1, 3), one("now", 0, 0), one("other", 1, 9)];
        let sum = inspected(&inspections, &schemes, transport());
        assert_eq!((sum.drawn, sum.visited), (8, 2));
    }
}
