//! What is frozen, and who may see what of a draw. Pure.
use contract::{
    grading::v1::{ExportedGrade, scheme::Disclosure},
    sampling::v1::Quota,
};
use draw::{Fault, Percent, Quotas, Roster};

use crate::plans::UNGRADED;

/// What a commit freezes.
pub struct Frozen {
    /// The roster.
    pub roster: Roster,
    /// How many are drawn of each stratum.
    pub quotas: Quotas,
    /// The subjects' names, one line a line of the roster.
    pub names: String,
}

/// Freezes the roster: the stratum is the grade, and who has none is of a stratum that is drawn only where a quota
/// names it.
pub fn freeze(mut grades: Vec<ExportedGrade>, quotas: &[Quota]) -> Result<Frozen, Fault> {
    grades.sort_unstable_by(|one, other| one.uscc.cmp(&other.uscc));
    let stratum = |grade: &'_ str| if grade.is_empty() { UNGRADED.to_owned() } else { grade.to_owned() };
    let roster = Roster::new(grades.iter().map(|grade| (grade.uscc.as_str(), stratum(&grade.grade))))?;
    let wanted: Result<Vec<draw::Quota>, Fault> = quotas.iter().map(wanted).collect();
    let quotas = Quotas::of(&roster, &wanted?)?;
    let mut names = String::new();
    for grade in &grades {
        // One name a line, whatever a source put into it.
        names.extend(grade.name.chars().map(|c| if c.is_control() { ' ' } else { c }).chain(['\n']));
    }
    Ok(Frozen { roster, quotas, names })
}

fn wanted(quota: &Quota) -> Result<draw::Quota, Fault> {
    let at_least = u64::try_from(quota.at_least).unwrap_or_default();
    Ok(draw::Quota { stratum: quota.grade.clone(), percent: Percent::from_f64(quota.percent)?, at_least })
}

/// How much of a draw somebody sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// The roster and the strata.
    Whole,
    /// What proves the draw without telling a grade, and one subject's line.
    Line,
    /// What proves the draw without telling a grade.
    Bare,
    /// Nothing: a line was asked for that is not for the asker.
    Refused,
}

/// Who asks for a bundle.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asker<'a> {
    /// Holds the auditor's scope.
    pub auditor: bool,
    /// Is the credit office.
    pub office: bool,
    /// The enterprise whose own client it is, or nothing.
    pub enterprise: &'a str,
}

/// What a bundle tells. A draw never tells more than grading would: where grades are for departments only, the
/// subject is not told its own by the way of a draw either.
pub fn sight(disclosure: Disclosure, asker: Asker<'_>, line_of: &str) -> Sight {
    if disclosure == Disclosure::Public || asker.auditor {
        return Sight::Whole;
    }
    if line_of.is_empty() {
        return Sight::Bare;
    }
    let own = asker.enterprise == line_of && disclosure == Disclosure::Subject;
    if own || asker.office { Sight::Line } else { Sight::Refused }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graded(uscc: &str, grade: &str, name: &str) -> ExportedGrade {
        ExportedGrade {
            uscc: uscc.to_owned(),
            grade: grade.to_owned(),
            name: name.to_owned(),
            ..Default::default()
        }
    }

    fn quota(grade: &str, percent: f64, at_least: i32) -> Quota {
        Quota { grade: grade.to_owned(), percent, at_least }
    }

    #[test]
    fn a_roster_is_sorted_and_names_go_with_it() {
        let grades = vec![graded("C", "", "丙"), graded("A", "B", "甲\n一"), graded("B", "B", "乙")];
        let frozen = freeze(grades, &[quota("B", 50.0, 0)]).unwrap();
        assert_eq!(frozen.roster.text(), "A,B\nB,B\nC,UNGRADED\n");
        assert_eq!(frozen.quotas.text(), "B,1\nUNGRADED,0\n");
        assert_eq!(frozen.names, "甲 一\n乙\n丙\n");
    }

    #[test]
    fn the_ungraded_are_drawn_where_a_quota_names_them() {
        let frozen =
            freeze(vec![graded("A", UNGRADED, ""), graded("B", "D", "")], &[quota(UNGRADED, 0.0, 3)])
                .unwrap();
        assert_eq!(frozen.quotas.text(), "D,0\nUNGRADED,1\n");
    }

    #[test]
    fn a_subject_twice_is_refused() {
        assert!(freeze(vec![graded("A", "B", ""), graded("A", "C", "")], &[]).is_err());
    }

    #[test]
    fn a_bundle_tells_what_the_scheme_discloses() {
        let nobody = Asker::default();
        let auditor = Asker { auditor: true, ..nobody };
        let office = Asker { office: true, ..nobody };
        let own = Asker { enterprise: "X", ..nobody };
        for (disclosure, asker, line_of, sight_of) in [
            (Disclosure::Public, nobody, "", Sight::Whole),
            (Disclosure::Public, nobody, "X", Sight::Whole),
            (Disclosure::Departments, auditor, "", Sight::Whole),
            (Disclosure::Departments, nobody, "", Sight::Bare),
            (Disclosure::Departments, office, "", Sight::Bare),
            (Disclosure::Departments, office, "X", Sight::Line),
            (Disclosure::Departments, own, "X", Sight::Refused),
            (Disclosure::Subject, own, "X", Sight::Line),
            (Disclosure::Subject, own, "Y", Sight::Refused),
            (Disclosure::Subject, own, "", Sight::Bare),
            (Disclosure::Subject, nobody, "X", Sight::Refused),
        ] {
            assert_eq!(sight(disclosure, asker, line_of), sight_of, "{disclosure:?} {asker:?} {line_of}");
        }
    }
}
