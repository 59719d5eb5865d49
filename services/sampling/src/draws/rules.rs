//! What is frozen, what a plan may expect of it, and who may see what of a draw. Pure.
use std::collections::BTreeMap;

use chassis::language::Text;
use contract::{
    grading::v1::{ExportedGrade, scheme::Disclosure},
    sampling::v1::{Exclusion, Quota},
};
use draw::{Fault, Percent, Quotas, Roster};

use crate::{frequencies::rules::Sieve, plans::UNGRADED};

/// What a commit freezes.
pub struct Frozen {
    /// The roster.
    pub roster: Roster,
    /// How many are drawn of each stratum.
    pub quotas: Quotas,
    /// The subjects' names, one line a line of the roster.
    pub names: String,
    /// Who was left out, in the order of the codes.
    pub exclusions: Vec<Exclusion>,
    /// How many were left out of each stratum.
    pub excluded: BTreeMap<String, i32>,
}

/// Freezes the roster: the stratum is the grade, and who has none is of a stratum that is drawn only where a quota
/// names it. Whom the sieve excludes is listed and not on it.
pub fn freeze(mut grades: Vec<ExportedGrade>, quotas: &[Quota], sieve: &Sieve<'_>) -> Result<Frozen, Fault> {
    grades.sort_unstable_by(|one, other| one.uscc.cmp(&other.uscc));
    let (mut exclusions, mut excluded) = (Vec::new(), BTreeMap::new());
    grades.retain(|grade| {
        let Some(exclusion) = sieve.excludes(&grade.uscc, stratum(grade)) else { return true };
        exclusions.push(exclusion);
        *excluded.entry(stratum(grade).to_owned()).or_default() += 1;
        false
    });
    let roster = Roster::new(grades.iter().map(|grade| (grade.uscc.as_str(), stratum(grade))))?;
    let wanted: Result<Vec<draw::Quota>, Fault> = quotas.iter().map(wanted).collect();
    let quotas = Quotas::of(&roster, &wanted?)?;
    let mut names = String::new();
    for grade in &grades {
        // One name a line, whatever a source put into it.
        names.extend(grade.name.chars().map(|c| if c.is_control() { ' ' } else { c }).chain(['\n']));
    }
    Ok(Frozen { roster, quotas, names, exclusions, excluded })
}

fn stratum(grade: &ExportedGrade) -> &str {
    if grade.grade.is_empty() { UNGRADED } else { &grade.grade }
}

fn wanted(quota: &Quota) -> Result<draw::Quota, Fault> {
    let at_least = u64::try_from(quota.at_least).unwrap_or_default();
    Ok(draw::Quota { stratum: quota.grade.clone(), percent: Percent::from_f64(quota.percent)?, at_least })
}

/// The lines `stratum,N` of a roster.
pub fn strata_text(roster: &Roster) -> String {
    roster.strata().iter().map(|(stratum, members)| format!("{stratum},{members}\n")).collect()
}

/// What is known of a draw before it is made.
pub struct Outlook<'a> {
    /// The inspectors on each visit.
    pub team_size: usize,
    /// Inspectors of the plan's departments and region.
    pub registered: usize,
    /// Those of them who can take visits of the plan.
    pub able: usize,
    /// The most visits of one inspector; none: no cap.
    pub workload_cap: Option<usize>,
    /// Subjects on the roster for which recusals leave too few, each with how many are left.
    pub recused: &'a [(String, usize)],
    /// The plan's quotas.
    pub quotas: &'a [Quota],
    /// The members of each stratum, one line `stratum,N` each.
    pub strata_text: &'a str,
    /// How many are drawn of each stratum.
    pub drawn: &'a Quotas,
}

/// What needs attention before a draw is made: teams that can't be, and grades that it leaves below their yearly minimum.
pub fn warnings(outlook: &Outlook<'_>) -> Vec<Text> {
    let mut found = Vec::new();
    let (size, able, visits) = (outlook.team_size, outlook.able, outlook.drawn.total());
    if visits > 0 && able < size {
        let registered = outlook.registered;
        found.push(Text::new(
            format!(
                "no team of {size} can be made: of {registered} inspectors of the plan's departments and region {able} \
                 have the skills, a valid certificate and no leave over its period; register more before the draw"
            ),
            format!(
                "无法组成{size}人检查组：本计划部门和区域内{registered}名检查人员中，\
                 仅{able}名具备资质、证件有效且计划期内在岗；请在抽取前补充检查人员"
            ),
        ));
    }
    if let Some(cap) =
        outlook.workload_cap.filter(|cap| able >= size && able.saturating_mul(*cap) < visits * size)
    {
        found.push(Text::new(
            format!(
                "{visits} visits of {size} need {} places, and {able} inspectors of at most {cap} visits have {}: some visits \
                 will lack inspectors",
                visits * size,
                able * cap
            ),
            format!(
                "{visits}项检查、每项{size}人共需{}人次，{able}名检查人员每人至多{cap}项仅有{}人次，部分任务人员将不足",
                visits * size,
                able * cap
            ),
        ));
    }
    if let Some((uscc, left)) = outlook.recused.first().filter(|_| able >= size) {
        let subjects = outlook.recused.len();
        found.push(Text::new(
            format!("recusals leave fewer than {size} inspectors for {subjects} subjects on the roster, for example {left} for {uscc}"),
            format!("因回避，名单中{subjects}个主体的可派检查人员不足{size}名，例如{uscc}仅{left}名"),
        ));
    }
    found.extend(outlook.quotas.iter().filter_map(|quota| short_of_minimum(quota, outlook)));
    found
}

fn short_of_minimum(quota: &Quota, outlook: &Outlook<'_>) -> Option<Text> {
    let least = u64::try_from(quota.min_per_year?).ok().filter(|least| *least > 0)?;
    let grade = &quota.grade;
    let line = outlook.strata_text.lines().find_map(|line| line.strip_prefix(grade)?.strip_prefix(','));
    let members: u64 = line?.parse().ok()?;
    let drawn = outlook.drawn.of_stratum(grade) as u64;
    (drawn < least * members).then(|| {
        let due = least * members;
        Text::new(
            format!(
                "grade {grade} asks for {least} visits a year of each of its {members} subjects, {due} in all; this draw makes \
                 {drawn}. Draw further, or order the others under a plan of kind MANDATORY"
            ),
            format!(
                "等级{grade}要求每户每年至少检查{least}次，{members}户共{due}次，本次抽取{drawn}次；\
                 请另行抽取，或以法定必查计划下达其余任务"
            ),
        )
    })
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
    use std::collections::HashMap;

    use contract::sampling::v1::{Plan, PlanExemption};

    use super::*;
    use crate::frequencies::Caps;

    fn freeze(grades: Vec<ExportedGrade>, quotas: &[Quota]) -> Result<Frozen, Fault> {
        let (caps, histories) = (Caps::default(), HashMap::new());
        super::freeze(grades, quotas, &Sieve::of(&Plan::default(), &caps, &histories, Vec::new()))
    }

    fn graded(uscc: &str, grade: &str, name: &str) -> ExportedGrade {
        ExportedGrade {
            uscc: uscc.to_owned(),
            grade: grade.to_owned(),
            name: name.to_owned(),
            ..Default::default()
        }
    }

    fn quota(grade: &str, percent: f64, at_least: i32) -> Quota {
        Quota { grade: grade.to_owned(), percent, at_least, ..Default::default() }
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
    fn who_is_left_out_is_listed_and_counts_for_no_quota() {
        let exempt = PlanExemption { uscc: "A".to_owned(), reason: "新设".to_owned() };
        let plan = Plan { exemptions: vec![exempt], ..Default::default() };
        let (caps, histories) = (Caps::default(), HashMap::new());
        let sieve = Sieve::of(&plan, &caps, &histories, Vec::new());
        let grades = vec![graded("C", "B", "丙"), graded("A", "B", "甲"), graded("B", "B", "乙")];
        let frozen = super::freeze(grades, &[quota("B", 50.0, 0)], &sieve).unwrap();
        assert_eq!((frozen.roster.text(), frozen.names.as_str()), ("B,B\nC,B\n", "乙\n丙\n"));
        assert_eq!((frozen.quotas.text().as_str(), strata_text(&frozen.roster).as_str()), ("B,1\n", "B,2\n"));
        assert_eq!((frozen.exclusions.len(), frozen.excluded.get("B")), (1, Some(&1)));
    }

    fn warned(
        quotas: &[Quota],
        recused: &[(String, usize)],
        change: impl FnOnce(&mut Outlook<'_>),
    ) -> Vec<String> {
        let drawn = Quotas::parse("C,5\nD,10\n").unwrap();
        let mut outlook = Outlook {
            team_size: 2,
            registered: 4,
            able: 4,
            workload_cap: None,
            recused,
            quotas,
            strata_text: "C,10\nD,20\n",
            drawn: &drawn,
        };
        change(&mut outlook);
        warnings(&outlook).into_iter().map(|text| text.en).collect()
    }

    #[test]
    fn what_can_not_be_done_is_told_before() {
        let none = Vec::<String>::new();
        assert_eq!(warned(&[], &[], |_| {}), none);
        assert!(warned(&[], &[], |o| o.able = 1)[0].starts_with("no team of 2 can be made: of 4 inspectors"));
        assert_eq!(warned(&[], &[], |o| o.workload_cap = Some(8)), none, "4 × 8 are 32 places of 30");
        assert!(
            warned(&[], &[], |o| o.workload_cap = Some(7))[0].starts_with("15 visits of 2 need 30 places")
        );
        let recused = [("X".to_owned(), 1)];
        assert!(warned(&[], &recused, |_| {})[0].ends_with("for example 1 for X"));
        let twice = [Quota { min_per_year: Some(2), ..quota("D", 50.0, 0) }];
        let found = warned(&twice, &[], |_| {});
        assert!(
            found[0].starts_with("grade D asks for 2 visits a year of each of its 20 subjects, 40 in all")
        );
        let met = [Quota { min_per_year: Some(0), ..quota("D", 50.0, 0) }];
        assert_eq!(warned(&met, &[], |_| {}), none);
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
