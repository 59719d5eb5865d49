//! What an evaluation changes of the grade that stands. Pure.
use jiff::civil::Date;
use scoring::{Outcome, UNGRADED};

use super::rows::Row;

/// What is to be written after an evaluation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// The grade is another one, or the first.
    pub regraded: bool,
    /// The history tells it: another grade, score or version.
    pub told: bool,
    /// The grade is stored anew. What holds on needs no write: the day of its evaluation is no news.
    pub stored: bool,
}

/// A grade as far as the next one is compared with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stands<'a> {
    /// By which version of the scheme.
    pub version: i32,
    /// The grade.
    pub grade: &'a str,
    /// A decimal.
    pub score: Option<&'a str>,
    /// YYYY-MM-DD.
    pub next_change_on: Option<&'a str>,
    /// The day that it was evaluated for, YYYY-MM-DD.
    pub as_of: &'a str,
    /// Of the sheet that it was evaluated from.
    pub revision: i32,
}

impl Stands<'_> {
    /// Whether an evaluation under a version, of the sheet at a revision, on a day can only give the same: what a grade comes from is the model, the facts and
    /// the day, and between the day that it was evaluated for and the next change no day counts.
    pub fn holds(&self, version: i32, revision: i32, day: &str) -> bool {
        (self.version, self.revision) == (version, revision)
            && self.as_of <= day
            && self.next_change_on.is_none_or(|next| day < next)
    }
}

impl<'a> From<&'a Row> for Stands<'a> {
    fn from(row: &'a Row) -> Self {
        Self {
            version: row.version,
            grade: &row.grade,
            score: row.score.as_deref(),
            next_change_on: row.next_change_on.as_deref(),
            as_of: &row.as_of,
            revision: row.revision,
        }
    }
}

/// What a grade changes of the one before it; a later day and revision alone are no change.
pub fn effect(before: Option<Stands<'_>>, after: Stands<'_>) -> Effect {
    let Some(before) = before else { return Effect { regraded: true, told: true, stored: true } };
    let regraded = before.grade != after.grade;
    let told = regraded || before.version != after.version || before.score != after.score;
    Effect { regraded, told, stored: told || before.next_change_on != after.next_change_on }
}

/// The grade of a subject as an evaluation of its sheet at a revision gives it.
pub fn row(
    (uscc, revision): (&str, i32),
    (scheme, version): (&str, i32),
    outcome: Outcome<'_>,
    day: Date,
) -> Row {
    Row {
        uscc: uscc.to_owned(),
        scheme: scheme.to_owned(),
        version,
        revision,
        grade: outcome.grade.to_owned(),
        score: outcome.score.map(|score| score.to_string()),
        as_of: day.to_string(),
        next_change_on: outcome.next_change_on.map(|day| day.to_string()),
    }
}

/// What the history tells of a subject that is no longer the scheme's.
pub fn left(before: Row, day: Date) -> Row {
    Row { grade: UNGRADED.to_owned(), score: None, as_of: day.to_string(), next_change_on: None, ..before }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing() -> Row {
        Row {
            uscc: "u".to_owned(),
            scheme: "s".to_owned(),
            version: 1,
            grade: "A".to_owned(),
            score: Some("92.5".to_owned()),
            as_of: "2026-02-01".to_owned(),
            next_change_on: Some("2026-05-01".to_owned()),
            revision: 3,
        }
    }

    #[test]
    fn a_grade_holds_as_long_as_nothing_that_it_comes_from_is_another() {
        let row = standing();
        let holds = |version, revision, day| Stands::from(&row).holds(version, revision, day);
        for day in [row.as_of.as_str(), "2026-04-30"] {
            assert!(holds(1, 3, day), "{day}");
        }
        assert!(!holds(2, 3, "2026-04-30") && !holds(1, 4, "2026-04-30") && !holds(1, 2, "2026-04-30"));
        assert!(!holds(1, 3, "2026-05-01") && !holds(1, 3, "2027-01-01"), "time alone may have changed it");
        assert!(!holds(1, 3, "1999-12-31"), "a day before it was reckoned");
        let lasting = Row { next_change_on: None, ..standing() };
        assert!(Stands::from(&lasting).holds(1, 3, "2099-12-31"));
    }

    #[test]
    fn only_what_is_new_is_written_and_only_what_is_news_is_told() {
        let effect = |after: Row| super::effect(Some(Stands::from(&standing())), Stands::from(&after));
        let of = |regraded, told, stored| Effect { regraded, told, stored };
        assert_eq!(effect(Row { as_of: "2026-03-01".to_owned(), ..standing() }), of(false, false, false));
        assert_eq!(effect(Row { revision: 4, ..standing() }), of(false, false, false));
        assert_eq!(effect(Row { next_change_on: None, ..standing() }), of(false, false, true));
        assert_eq!(effect(Row { score: Some("91".to_owned()), ..standing() }), of(false, true, true));
        assert_eq!(effect(Row { version: 2, ..standing() }), of(false, true, true));
        assert_eq!(effect(Row { grade: "B".to_owned(), ..standing() }), of(true, true, true));
        assert_eq!(super::effect(None, Stands::from(&standing())), of(true, true, true));
    }

    #[test]
    fn who_leaves_is_ungraded_from_that_day_on() {
        let left = left(standing(), "2026-03-01".parse().unwrap());
        let expected = Row {
            grade: UNGRADED.to_owned(),
            score: None,
            as_of: "2026-03-01".to_owned(),
            next_change_on: None,
            ..standing()
        };
        assert_eq!(left, expected);
    }
}
