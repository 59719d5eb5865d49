//! Rates, their intervals, and what a uniform sample would have found. Counted in whole numbers; only what is printed is a decimal. Pure.
use std::collections::BTreeMap;

use contract::sampling::v1::{EffectTotal, StratumEffect};

/// What is known of a stratum.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stratum {
    /// Its members on the rosters.
    pub members: i64,
    /// Visits recorded.
    pub visited: i64,
    /// Visits that found something.
    pub found: i64,
}

/// Adds strata to others of the same names.
pub fn add(all: &mut BTreeMap<String, Stratum>, strata: &BTreeMap<String, Stratum>) {
    for (name, one) in strata {
        let of = all.entry(name.clone()).or_default();
        of.members += one.members;
        of.visited += one.visited;
        of.found += one.found;
    }
}

/// The members of each stratum out of a draw's text, one line `stratum,N` each.
pub fn members(strata_text: &str) -> impl Iterator<Item = (&str, i64)> {
    strata_text.lines().filter_map(|line| {
        let (stratum, members) = line.rsplit_once(',')?;
        Some((stratum, members.parse().ok()?))
    })
}

fn count(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// The effect of each stratum with visits.
pub fn strata(strata: &BTreeMap<String, Stratum>) -> Vec<StratumEffect> {
    let (visited, found) = sums(strata);
    let visits = strata.iter().filter(|(_, one)| one.visited > 0);
    visits.map(|(name, one)| effect(name, one, visited, found)).collect()
}

fn sums(strata: &BTreeMap<String, Stratum>) -> (i64, i64) {
    strata.values().fold((0, 0), |(v, f), one| (v + one.visited, f + one.found))
}

fn effect(name: &str, one: &Stratum, visited: i64, found: i64) -> StratumEffect {
    let (rate_low, rate_high) = wilson(one.found, one.visited);
    StratumEffect {
        grade: name.to_owned(),
        visited: count(one.visited),
        found: count(one.found),
        rate: ratio(one.found.into(), one.visited.into()),
        lift: ratio(i128::from(one.found) * i128::from(visited), i128::from(one.visited) * i128::from(found)),
        rate_low,
        rate_high,
        members: count(one.members),
    }
}

/// All strata together. A uniform sample visits each in its share of the members; where one was never visited nobody knows what it would find.
pub fn total(strata: &BTreeMap<String, Stratum>) -> EffectTotal {
    let (visited, found) = sums(strata);
    let total = EffectTotal {
        visited: count(visited),
        found: count(found),
        rate: ratio(found.into(), visited.into()),
        ..Default::default()
    };
    match uniform(strata) {
        Some((part, whole)) if part > 0 => {
            // The rate over the uniform one, and the visits that the uniform sample needs for as many finds.
            let needed = rounded(i128::from(found) * whole, part);
            EffectTotal {
                uniform_rate: Some(ratio(part, whole)),
                lift: Some(ratio(i128::from(found) * whole, i128::from(visited) * part)),
                visits_saved: Some(i32::try_from(needed - i128::from(visited)).unwrap_or(i32::MAX)),
                ..total
            }
        }
        _ => total,
    }
}

// Rates are kept to so many places until the last.
const FINE: i128 = 1_000_000_000_000;

// What a uniform sample finds, as part of a whole.
fn uniform(strata: &BTreeMap<String, Stratum>) -> Option<(i128, i128)> {
    let members = || strata.values().filter(|one| one.members > 0);
    let whole: i64 = members().map(|one| one.members).sum();
    if whole == 0 || members().any(|one| one.visited == 0) {
        return None;
    }
    let finds = members()
        .map(|one| rounded(i128::from(one.found) * i128::from(one.members) * FINE, i128::from(one.visited)));
    Some((finds.sum(), i128::from(whole) * FINE))
}

// Half away from zero; both are not negative, and the whole is not 0.
fn rounded(part: i128, whole: i128) -> i128 {
    (part * 2 + whole) / (whole * 2)
}

// To four places, half away from zero, rounded in integers; 0 where there is nothing to divide by.
#[allow(clippy::cast_precision_loss, reason = "a ratio of counts has far fewer digits than a double holds")]
fn ratio(part: i128, whole: i128) -> f64 {
    if whole == 0 { 0.0 } else { rounded(part * 10_000, whole) as f64 / 10_000.0 }
}

/// The interval of Wilson (1927) in which a share lies with a confidence of 95 %: z = 1.96, z² = 3.8416, with the root taken of whole
/// numbers. 0 to 1 where nothing was counted.
fn wilson(found: i64, visited: i64) -> (f64, f64) {
    const Z2: i128 = 38_416;
    const SCALE: i128 = 10_000;
    if visited == 0 {
        return (0.0, 1.0);
    }
    let (f, n) = (i128::from(found), i128::from(visited));
    // (2f + z² ∓ √(z⁴ + 4z²f(n−f)/n)) / 2(n + z²), all by SCALE², the root by its square.
    let middle = (2 * f * SCALE + Z2) * SCALE;
    let under = (Z2 * Z2 + 4 * Z2 * SCALE * f * (n - f) / n) * SCALE * SCALE;
    let root = under.isqrt();
    let whole = 2 * (n * SCALE + Z2) * SCALE;
    // The exact ends of a share of 0 and of 1 are 0 and 1; the root is cut off.
    let low = if f == 0 { 0 } else { (middle - root).max(0) };
    let high = if f == n { whole } else { middle + root };
    (ratio(low, whole), ratio(high.min(whole), whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-9
    }

    #[test]
    fn ratios_are_rounded_to_four_places() {
        for (part, whole, expected) in
            [(1, 3, 0.3333), (2, 3, 0.6667), (0, 5, 0.0), (5, 5, 1.0), (3, 0, 0.0), (1, 20_000, 0.0001)]
        {
            assert!(near(ratio(part, whole), expected), "{part}/{whole}");
        }
    }

    #[test]
    fn the_intervals_are_wilsons() {
        // Computed apart in floating point, to four places.
        for (found, visited, low, high) in [
            (0, 10, 0.0, 0.2775),
            (10, 10, 0.7225, 1.0),
            (1, 3, 0.0615, 0.7923),
            (3, 4, 0.3006, 0.9544),
            (5, 10, 0.2366, 0.7634),
            (81, 263, 0.2553, 0.3662),
            (1, 29, 0.0061, 0.1718),
            (0, 0, 0.0, 1.0),
        ] {
            let (found_low, found_high) = wilson(found, visited);
            assert!(
                near(found_low, low) && near(found_high, high),
                "{found}/{visited}: {found_low} {found_high}"
            );
        }
    }

    #[test]
    fn an_interval_holds_its_share_and_narrows() {
        for visited in [1, 2, 7, 50, 1_000, 1_000_000] {
            for found in [0, 1, visited / 3, visited] {
                let (low, high) = wilson(found, visited);
                let rate = ratio(found.into(), visited.into());
                assert!(low <= rate && rate <= high, "{found}/{visited}: {low} {rate} {high}");
                let (closer, nearer) = wilson(found * 100, visited * 100);
                assert!(nearer - closer <= high - low, "{found}/{visited}");
            }
        }
    }

    fn of(rows: &[(&str, i64, i64, i64)]) -> BTreeMap<String, Stratum> {
        let stratum = |(name, members, visited, found): &(&str, i64, i64, i64)| {
            ((*name).to_owned(), Stratum { members: *members, visited: *visited, found: *found })
        };
        rows.iter().map(stratum).collect()
    }

    #[test]
    fn lift_is_the_rate_against_all_visits() {
        let all = of(&[("C", 0, 30, 5), ("D", 0, 10, 5)]);
        let effects = strata(&all);
        assert!(near(effects[1].rate, 0.5) && near(effects[1].lift, 2.0), "{effects:?}");
        let none = strata(&of(&[("C", 0, 30, 0), ("D", 0, 10, 0)]));
        assert!(near(none[0].rate, 0.0) && near(none[0].lift, 0.0), "{none:?}");
    }

    #[test]
    fn a_uniform_sample_visits_each_grade_in_its_share() {
        // 900 of A found at 10 %, 100 of D at 60 %: evenly spread 15 %; the draws found 35 of 100.
        let total = total(&of(&[("A", 900, 50, 5), ("D", 100, 50, 30)]));
        assert!(near(total.rate, 0.35) && near(total.uniform_rate(), 0.15), "{total:?}");
        // 0.35 / 0.15; 35 finds take 233 visits of a uniform sample.
        assert!(near(total.lift(), 2.3333), "{total:?}");
        assert_eq!(total.visits_saved, Some(133));
    }

    #[test]
    fn nobody_knows_what_an_unvisited_grade_would_find() {
        for rows in [
            vec![("A", 900, 0, 0), ("D", 100, 50, 30)],
            vec![("A", 900, 50, 0), ("D", 100, 50, 0)],
            vec![("A", 0, 50, 5)],
            vec![],
        ] {
            let total = total(&of(&rows));
            assert_eq!((total.uniform_rate, total.lift, total.visits_saved), (None, None, None), "{rows:?}");
        }
        // A scheme that drew the wrong ones would have done better at random.
        assert_eq!(total(&of(&[("A", 500, 10, 8), ("D", 500, 90, 9)])).visits_saved, Some(-62));
    }

    #[test]
    fn members_are_read_from_the_draws_text() {
        assert_eq!(members("A,48\nB,12\n").collect::<Vec<_>>(), [("A", 48), ("B", 12)]);
        assert_eq!(members("").count(), 0);
    }
}
