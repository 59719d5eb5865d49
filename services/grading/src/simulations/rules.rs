//! Two versions compared over a population: who goes from where to where, who changes most, how many visits follow. Pure.
use std::{cmp::Reverse, collections::BTreeMap};

use contract::grading::v1::{Migration, Mover, SimulationResponse, Visits};
use draw::Percent;
use scoring::{Decimal, Exact};

/// The comparison so far. Whatever the population, it holds a matrix of grades and those who change most.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// The grades of the version in force, in their order; what is not among them comes last.
    pub before: Vec<String>,
    /// The grades of the other.
    pub after: Vec<String>,
    /// How many of those who change most are kept.
    pub top: usize,
    pub migration: BTreeMap<(String, String), i32>,
    /// Those who change most, the first most.
    pub movers: Vec<Mover>,
}

impl Comparison {
    /// Takes a subject in.
    pub fn count(&mut self, mover: Mover) {
        *self.migration.entry((mover.from.clone(), mover.to.clone())).or_default() += 1;
        self.place(mover);
    }

    /// Takes a subject in among those who change most, if it is one of them.
    pub fn place(&mut self, mover: Mover) {
        if mover.from == mover.to && mover.score_before == mover.score_after {
            return;
        }
        let rank = self.rank(&mover);
        let at = self.movers.partition_point(|other| self.rank(other) < rank);
        if at < self.top {
            self.movers.insert(at, mover);
            self.movers.truncate(self.top);
        }
    }

    // Who changes more comes first: by places in the order of grades, then by score, then by code.
    fn rank(&self, mover: &Mover) -> (Reverse<usize>, Reverse<Exact>, String) {
        let places = place(&self.before, &mover.from).abs_diff(place(&self.after, &mover.to));
        (Reverse(places), Reverse(distance(mover)), mover.uscc.clone())
    }

    /// What was found, with the visits by the sampling percents of both sides' grades.
    pub fn response(&self, before: &[(String, f64)], after: &[(String, f64)]) -> SimulationResponse {
        let (mut then, mut now) = (BTreeMap::<&str, i32>::new(), BTreeMap::<&str, i32>::new());
        for ((from, to), count) in &self.migration {
            *now.entry(from).or_default() += count;
            *then.entry(to).or_default() += count;
        }
        let owned = |shares: &BTreeMap<&str, i32>| {
            shares.iter().map(|(grade, count)| ((*grade).to_owned(), *count)).collect()
        };
        SimulationResponse {
            evaluated: self.migration.values().sum(),
            distribution: owned(&then),
            present_distribution: owned(&now),
            migration: self.matrix(),
            visits: Some(Visits { before: visits(&now, before), after: visits(&then, after) }),
            movers: self.movers.clone(),
        }
    }

    fn matrix(&self) -> Vec<Migration> {
        let mut cells: Vec<_> = self.migration.iter().collect();
        cells.sort_by_key(|((from, to), _)| (place(&self.before, from), place(&self.after, to)));
        let cell = |((from, to), count): (&(String, String), &i32)| Migration {
            from: from.clone(),
            to: to.clone(),
            count: *count,
        };
        cells.into_iter().map(cell).collect()
    }
}

fn place(order: &[String], grade: &str) -> usize {
    order.iter().position(|known| known == grade).unwrap_or(order.len())
}

fn distance(mover: &Mover) -> Exact {
    let exact = |number: f64| Decimal::from_f64(number).map(Exact::from).unwrap_or(Exact::ZERO);
    match (mover.score_before, mover.score_after) {
        (Some(before), Some(after)) => {
            exact(after).plus(exact(-before)).max(exact(before).plus(exact(-after)))
        }
        _ => Exact::ZERO,
    }
}

// CONTRACT §5.1.2: of each stratum its percent, rounded up; a grade without a measure is not drawn.
fn visits(shares: &BTreeMap<&str, i32>, percents: &[(String, f64)]) -> i32 {
    let of_grade = |(grade, percent): &(String, f64)| {
        let members = shares.get(grade.as_str()).copied().and_then(|count| usize::try_from(count).ok());
        Some(Percent::from_f64(*percent).ok()?.of_rounded_up(members?))
    };
    i32::try_from(percents.iter().filter_map(of_grade).sum::<usize>()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mover(uscc: &str, from: &str, to: &str, before: Option<f64>, after: Option<f64>) -> Mover {
        Mover {
            uscc: uscc.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
            score_before: before,
            score_after: after,
            ..Default::default()
        }
    }

    fn comparison(top: usize) -> Comparison {
        let order = || ["A", "B", "C"].map(str::to_owned).to_vec();
        Comparison { before: order(), after: order(), top, ..Default::default() }
    }

    #[test]
    fn who_changes_most_comes_first_and_few_are_kept() {
        let mut all = comparison(4);
        for one in [
            mover("u1", "A", "A", Some(90.0), Some(90.0)),
            mover("u2", "A", "B", Some(90.0), Some(70.0)),
            mover("u3", "A", "B", Some(90.0), Some(69.9)),
            mover("u4", "C", "A", Some(10.0), Some(90.0)),
            mover("u5", "A", "A", Some(95.0), Some(91.0)),
            mover("u6", "UNGRADED", "A", None, Some(91.0)),
            mover("u7", "B", "B", Some(70.0), Some(70.1)),
        ] {
            all.count(one);
        }
        let codes: Vec<_> = all.movers.iter().map(|mover| mover.uscc.as_str()).collect();
        assert_eq!(codes, ["u6", "u4", "u3", "u2"], "three places, two, then one by the score");
        let cells: Vec<_> = all
            .response(&[], &[])
            .migration
            .into_iter()
            .map(|c| format!("{}{}{}", c.from, c.to, c.count))
            .collect();
        assert_eq!(cells, ["AA2", "AB2", "BB1", "CA1", "UNGRADEDA1"]);
    }

    #[test]
    fn visits_are_rounded_up_grade_by_grade() {
        let mut all = comparison(0);
        for serial in 0..101 {
            let to = if serial == 0 { "C" } else { "A" };
            all.count(mover(&format!("u{serial}"), "A", to, None, None));
        }
        let percents = [("A".to_owned(), 1.0), ("C".to_owned(), 30.0)];
        let response = all.response(&percents, &percents);
        // By hand: 1 percent of 101 is 1.01, so 2; 1 percent of 100 is 1, and 30 percent of 1 is 0.3, so 1.
        assert_eq!(response.visits, Some(Visits { before: 2, after: 2 }));
        assert_eq!((response.evaluated, response.movers.len()), (101, 0));
        assert_eq!(response.distribution, [("A".to_owned(), 100), ("C".to_owned(), 1)].into());
        let none = all.response(&[], &percents);
        assert_eq!(none.visits, Some(Visits { before: 0, after: 2 }));
    }
}
