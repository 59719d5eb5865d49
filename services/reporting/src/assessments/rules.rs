//! How a department's counts become a score: whole numbers of hundredths, rounded once an indicator and once at the end. Pure.
use chassis::fault::Violation;
use contract::reporting::v1::{
    AssessedIndicator, DepartmentScore, Formula, IndicatorScore,
    assessed_indicator::{Empty, Measure},
};
use identifiers::Department;

use crate::glance::rules::share;

/// What was counted of a department for an indicator, and by which calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub numerator: i64,
    pub denominator: i64,
    pub proofs: Vec<String>,
}

/// An indicator whose numbers were read: the weight in hundredths, the bounds in ten-thousandths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read<'a> {
    indicator: &'a AssessedIndicator,
    weight: i64,
    none_up_to: i64,
    full_from: i64,
}

impl Read<'_> {
    /// What is divided by what.
    pub fn measure(&self) -> Measure {
        self.indicator.measure()
    }
}

// A decimal as a whole number of its smallest places; none where it has more of them, or a sign.
fn decimal(text: &str, places: usize) -> Option<i64> {
    let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || part.len() > places || !digits(whole) || !digits(part) {
        return None;
    }
    format!("{whole}{part:0<places$}").parse().ok()
}

/// Reads the numbers of a formula, or names everything that is wrong with it.
pub fn judge(formula: &Formula) -> Result<Vec<Read<'_>>, Vec<Violation>> {
    let (mut read, mut violations) = (Vec::new(), Vec::new());
    for (index, indicator) in formula.indicators.iter().enumerate() {
        let mut wrong = |field: &str, en: &str, zh: &str| {
            violations.push(Violation::new(format!("formula.indicators[{index}].{field}"), en, zh));
        };
        if formula.indicators[..index].iter().any(|other| other.id == indicator.id) {
            wrong("id", "stands in the formula twice", "在本办法中重复");
        }
        let weight = decimal(&indicator.weight, 2).filter(|weight| (1..=10_000).contains(weight));
        if weight.is_none() {
            wrong(
                "weight",
                "must be above 0 and at most 100, with at most two decimal places",
                "必须大于0且不超过100，至多两位小数",
            );
        }
        let bound = |text: &str, absent: i64| {
            if text.is_empty() { Some(absent) } else { decimal(text, 4).filter(|bound| *bound <= 10_000) }
        };
        let bounds = (bound(&indicator.none_up_to, 0), bound(&indicator.full_from, 10_000));
        let (Some(none_up_to), Some(full_from)) = bounds else {
            wrong(
                "fullFrom",
                "and noneUpTo are shares from 0 to 1, with at most four decimal places",
                "和 noneUpTo 必须是0至1之间的比率，至多四位小数",
            );
            continue;
        };
        if none_up_to >= full_from {
            wrong("noneUpTo", "must be below fullFrom", "必须小于 fullFrom");
        }
        if let Some(weight) = weight {
            read.push(Read { indicator, weight, none_up_to, full_from });
        }
    }
    if violations.is_empty() { Ok(read) } else { Err(violations) }
}

// The points for a share, in hundredths, half away from zero: all from a bound on, none up to another, evenly between.
fn points(counted: &Counted, of: &Read<'_>) -> i64 {
    let (n, d) = (i128::from(counted.numerator) * 10_000, i128::from(counted.denominator));
    let (low, full) = (i128::from(of.none_up_to), i128::from(of.full_from));
    if n >= full * d {
        return of.weight;
    }
    if n <= low * d {
        return 0;
    }
    let (part, whole) = (i128::from(of.weight) * (n - low * d), d * (full - low));
    i64::try_from((2 * part + whole) / (2 * whole)).unwrap_or(of.weight)
}

fn hundredths(number: i64) -> String {
    format!("{}.{:02}", number / 100, number % 100)
}

/// Scores a department by what was counted for each indicator, in their order.
pub fn score(department: Department, formula: &[Read<'_>], counts: Vec<Counted>) -> DepartmentScore {
    let (mut weight, mut total, mut indicators) = (0, 0, Vec::new());
    for (of, counted) in formula.iter().zip(counts) {
        let given = match (counted.denominator > 0, of.indicator.empty()) {
            (true, _) => Some(points(&counted, of)),
            (false, Empty::Full) => Some(of.weight),
            (false, Empty::Nothing) => Some(0),
            (false, Empty::LeftOut | Empty::Unspecified) => None,
        };
        if let Some(points) = given {
            weight += of.weight;
            total += points;
        }
        indicators.push(IndicatorScore {
            id: of.indicator.id.clone(),
            name: of.indicator.name.clone(),
            share: share(counted.numerator, counted.denominator),
            numerator: counted.numerator,
            denominator: counted.denominator,
            weight: hundredths(of.weight),
            points: hundredths(given.unwrap_or_default()),
            applied: given.is_some(),
            proofs: counted.proofs,
        });
    }
    let in_a_hundred = |weight: i64| {
        let (part, whole) = (i128::from(total) * 10_000, i128::from(weight));
        i64::try_from((2 * part + whole) / (2 * whole)).unwrap_or(10_000)
    };
    DepartmentScore {
        department: department.slug().to_owned(),
        name: department.name().to_owned(),
        score: if weight > 0 { hundredths(in_a_hundred(weight)) } else { String::new() },
        weight: hundredths(weight),
        points: hundredths(total),
        indicators,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indicator(id: &str, weight: &str, bounds: [&str; 2], empty: Empty) -> AssessedIndicator {
        AssessedIndicator {
            id: id.into(),
            name: id.into(),
            measure: Measure::DataTimeliness.into(),
            weight: weight.into(),
            none_up_to: bounds[0].into(),
            full_from: bounds[1].into(),
            empty: empty.into(),
        }
    }

    fn scored(indicators: Vec<AssessedIndicator>, counts: &[(i64, i64)]) -> DepartmentScore {
        let formula = Formula { indicators, ..Default::default() };
        let counted = |&(numerator, denominator)| Counted { numerator, denominator, proofs: vec![] };
        let read = judge(&formula).unwrap();
        score(Department::parse("transport").unwrap(), &read, counts.iter().map(counted).collect())
    }

    // By hand: 15 × (0.75 − 0.5) / (0.98 − 0.5) = 7.8125; 10 × 2/3 = 6.67; 20 × 1; (7.81 + 6.67 + 20) / 45 = 76.62 %.
    #[test]
    fn points_are_reckoned_exactly() {
        let indicators = vec![
            indicator("a", "15", ["0.5", "0.98"], Empty::Nothing),
            indicator("b", "10", ["", ""], Empty::LeftOut),
            indicator("c", "20", ["0", "0.9"], Empty::LeftOut),
            indicator("d", "55", ["", ""], Empty::LeftOut),
        ];
        let told = scored(indicators, &[(150, 200), (2, 3), (9, 10), (0, 0)]);
        let points: Vec<&str> = told.indicators.iter().map(|one| one.points.as_str()).collect();
        assert_eq!(points, ["7.81", "6.67", "20.00", "0.00"]);
        assert_eq!(
            (told.points.as_str(), told.weight.as_str(), told.score.as_str()),
            ("34.48", "45.00", "76.62")
        );
        assert_eq!((told.indicators[3].applied, told.indicators[3].share.as_str()), (false, ""));
    }

    #[test]
    fn bounds_are_met_exactly() {
        let one = |counts| {
            let told = scored(vec![indicator("a", "0.01", ["0.5", "0.6"], Empty::Full)], &[counts]);
            told.indicators[0].points.clone()
        };
        for (counts, expected) in [
            ((1, 2), "0.00"),
            ((3, 5), "0.01"),
            ((54_999, 100_000), "0.00"),
            ((55, 100), "0.01"),
            ((0, 0), "0.01"),
            ((i64::MAX, i64::MAX), "0.01"),
        ] {
            assert_eq!(one(counts), expected, "{counts:?}");
        }
        let nothing = scored(vec![indicator("a", "5", ["", ""], Empty::LeftOut)], &[(0, 0)]);
        assert_eq!((nothing.score.as_str(), nothing.weight.as_str()), ("", "0.00"));
    }

    #[test]
    fn what_is_no_formula_is_named() {
        for (weight, bounds, field) in [
            ("0", ["", ""], "weight"),
            ("100.01", ["", ""], "weight"),
            ("-1", ["", ""], "weight"),
            ("1.005", ["", ""], "weight"),
            ("1e1", ["", ""], "weight"),
            ("1", ["0.9", "0.9"], "noneUpTo"),
            ("1", ["", "0"], "noneUpTo"),
            ("1", ["", "1.0001"], "fullFrom"),
            ("1", ["x", ""], "fullFrom"),
        ] {
            let indicators = vec![indicator("a", weight, bounds, Empty::Full)];
            let formula = Formula { indicators, ..Default::default() };
            let violations = judge(&formula).unwrap_err();
            assert_eq!(violations[0].field, format!("formula.indicators[0].{field}"), "{weight} {bounds:?}");
        }
        let twice =
            vec![indicator("a", "1", ["", ""], Empty::Full), indicator("a", "1", ["", ""], Empty::Full)];
        assert_eq!(
            judge(&Formula { indicators: twice, ..Default::default() }).unwrap_err()[0].field,
            "formula.indicators[1].id"
        );
    }
}
