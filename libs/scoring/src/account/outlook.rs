//! What would change a grade: points that are missing, single records that might be repaired, time alone.
use jiff::{ToSpan, civil::Date};

use super::Account;
use crate::{
    decimal::{Decimal, Exact, Sum},
    facts::FactSheet,
    model::{Compiled, Model},
};

/// So many records are tried, one after another.
const MOST_TRIALS: usize = 300;
/// So many days on which time changes something are looked at.
const MOST_DAYS: usize = 400;
const YEARS_AHEAD: i32 = 20;

/// What would change a grade.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outlook {
    /// The next better grade; none at the best, and where a veto stands in the way of a better score's grade.
    pub better: Option<Better>,
    /// The single records without which the grade is better, the best first.
    pub repairs: Vec<Repair>,
    /// How many more records count than were tried.
    pub untried: usize,
    /// The first day on which time alone changes the grade, if nothing else does before.
    pub next: Option<Ahead>,
    /// The first day on which time alone makes the grade better than it is.
    pub raised: Option<Ahead>,
}

/// The next better grade.
#[derive(Clone, Debug, PartialEq)]
pub struct Better {
    /// The grade.
    pub grade: String,
    /// The least score that earns it.
    pub min_score: Decimal,
    /// The points that the score lacks.
    pub missing: Decimal,
}

/// What a record's repair, withdrawal or expiry would come to.
#[derive(Clone, Debug, PartialEq)]
pub struct Repair {
    /// The record.
    pub record: String,
    /// The grade without it.
    pub grade: String,
    /// The score without it.
    pub score: Option<Decimal>,
}

/// What a day will bring if nothing but time passes.
#[derive(Clone, Debug, PartialEq)]
pub struct Ahead {
    /// The day.
    pub on: Date,
    /// The grade from then on.
    pub grade: String,
    /// The score on that day.
    pub score: Option<Decimal>,
}

impl Compiled {
    pub(super) fn outlook(&self, model: &Model, sheet: &FactSheet, account: &Account) -> Outlook {
        let place = |name: &str| model.grades.iter().position(|grade| grade.name == name);
        let Some(own) = place(&account.grade) else { return Outlook::default() };
        let mut outlook = Outlook { better: better(model, account, own), ..Outlook::default() };
        if own > 0 {
            self.try_repairs(sheet, account, &mut outlook, |grade| {
                place(grade).is_some_and(|place| place < own)
            });
        }
        self.look_ahead(sheet, account, &mut outlook, |grade| place(grade).is_some_and(|place| place < own));
        outlook
    }

    fn try_repairs(
        &self,
        sheet: &FactSheet,
        account: &Account,
        outlook: &mut Outlook,
        is_better: impl Fn(&str) -> bool,
    ) {
        // A veto's records before others: nothing helps while it holds.
        let vetoed = account.vetoes.iter().flat_map(|veto| &veto.records);
        let counted = account.indicators.iter().flat_map(|indicator| &indicator.records);
        let mut records: Vec<&str> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        records.extend(
            vetoed.chain(counted).map(|record| record.record.as_str()).filter(|name| seen.insert(*name)),
        );
        outlook.untried = records.len().saturating_sub(MOST_TRIALS);
        for record in records.into_iter().take(MOST_TRIALS) {
            let without = [record];
            let trial = self.what_if(sheet, &without, account.as_of);
            if is_better(trial.grade) {
                let (record, grade) = (record.to_owned(), trial.grade.to_owned());
                outlook.repairs.push(Repair { record, grade, score: trial.score });
            }
        }
        outlook.repairs.sort_by(|a, b| b.score.cmp(&a.score).then_with(|| a.record.cmp(&b.record)));
    }

    fn look_ahead(
        &self,
        sheet: &FactSheet,
        account: &Account,
        outlook: &mut Outlook,
        is_better: impl Fn(&str) -> bool,
    ) {
        let end = account.as_of.saturating_add(YEARS_AHEAD.years());
        let mut next = account.next_change_on;
        for _ in 0..MOST_DAYS {
            let Some(on) = next.filter(|day| *day <= end) else { return };
            let outcome = self.grade(sheet, on);
            let ahead = || Ahead { on, grade: outcome.grade.to_owned(), score: outcome.score };
            if outlook.next.is_none() && outcome.grade != account.grade {
                outlook.next = Some(ahead());
            }
            if is_better(outcome.grade) {
                outlook.raised = Some(ahead());
                return;
            }
            next = outcome.next_change_on;
        }
    }
}

fn better(model: &Model, account: &Account, own: usize) -> Option<Better> {
    // Lowered by a veto, the score is not what is missing.
    if own == 0 || account.score_grade != account.grade {
        return None;
    }
    let grade = &model.grades[own - 1];
    // Scores have two places: the least of them that is not below the threshold.
    let cent = Sum::share(Decimal::whole(1), Decimal::whole(1)).exact();
    let needed = Exact::from(grade.min).up_to_multiple(cent);
    let missing = needed.plus(Exact::from(account.score?.negated())).round_half_away();
    Some(Better { grade: grade.name.clone(), min_score: grade.min, missing })
}
