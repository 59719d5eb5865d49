//! Which scheme speaks for a domain, and what was drawn in it. Pure.
use contract::{
    grading::v1::{Scheme, scheme},
    sampling::v1::{Draw, draw},
};
use identifiers::Domain;

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
}
