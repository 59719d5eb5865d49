//! What makes a scheme whole, which of its versions speaks, and who may see and change it. Pure.
use chassis::fault::Violation;
use contract::grading::v1::{
    ErrorReason, Measure, Scheme,
    scheme::{Disclosure, NationalResult, State},
};
use identifiers::Domain;
use scoring::{Compiled, Decimal, Problem, Schemas};

/// Who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience<'a> {
    /// A department, the credit office, or a service of ours on their behalf.
    Department,
    /// An enterprise's own client, by its code.
    Enterprise(&'a str),
    /// Anybody else.
    Public,
}

/// Judges a version as a whole and compiles it, or names everything that is wrong (CONTRACT §4.1).
pub fn judge(scheme: &Scheme, schemas: &Schemas) -> Result<Compiled, Vec<Violation>> {
    let mut violations = Vec::new();
    if let Err(fault) = Domain::parse(&scheme.domain) {
        violations.push(Violation {
            reason: fault.reason(),
            ..Violation::new("domain", fault.message_en(), fault.message_zh())
        });
    }
    if scheme.department.trim().is_empty() {
        violations.push(Violation::new(
            "department",
            "is missing: name the department whose rule it is",
            "缺失：请填写制定部门",
        ));
    }
    if scheme.basis.as_ref().is_none_or(|basis| basis.title.trim().is_empty()) {
        violations.push(Violation::new(
            "basis.title",
            "is missing: name the document that sets the scheme",
            "缺失：请填写作为制度依据的文件名称",
        ));
    }
    if scheme.national_result() == NationalResult::Unspecified {
        violations.push(Violation::new(
            "nationalResult",
            "is missing: give DIRECT, INDICATOR or NONE",
            "缺失：请填写 DIRECT（直接应用）、INDICATOR（作为指标）或 NONE（不应用）",
        ));
    }
    if scheme.disclosure() == Disclosure::Unspecified {
        violations.push(Violation::new(
            "disclosure",
            "is missing: give DEPARTMENTS, SUBJECT or PUBLIC",
            "缺失：请填写 DEPARTMENTS（政务共享）、SUBJECT（告知主体）或 PUBLIC（社会公开）",
        ));
    }
    prove_superior_rule(scheme, &mut violations);
    match compile(scheme, schemas) {
        Ok(compiled) if violations.is_empty() => Ok(compiled),
        Ok(_) => Err(violations),
        Err(problems) => {
            violations.extend(problems.into_iter().map(violation));
            Err(violations)
        }
    }
}

// The plan (吴信用联办〔2022〕8号) lets a department follow a superior authority's rule only with a written statement and evidence.
fn prove_superior_rule(scheme: &Scheme, violations: &mut Vec<Violation>) {
    let Some(rule) = &scheme.superior_rule else { return };
    let unproven = |field: &str, en: &str, zh: &str| Violation {
        reason: ErrorReason::SuperiorRuleUnproven.as_str_name(),
        ..Violation::new(format!("superiorRule.{field}"), en, zh)
    };
    if rule.statement.trim().is_empty() {
        violations.push(unproven(
            "statement",
            "is missing: who follows a superior authority's rule states so in writing",
            "缺失：执行上级评价制度的，须提交书面说明",
        ));
    }
    if rule.evidence.iter().all(|evidence| evidence.trim().is_empty()) {
        violations.push(unproven(
            "evidence",
            "is missing: add the documents that prove the superior authority's rule",
            "缺失：执行上级评价制度的，须附佐证材料",
        ));
    }
}

/// Compiles a version's model. Under DIRECT the state's grade is the grade (CONTRACT §4.1.6) and the model says nothing.
pub fn compile(scheme: &Scheme, schemas: &Schemas) -> Result<Compiled, Vec<Problem>> {
    match scheme.national_result() {
        NationalResult::Direct => Ok(Compiled::direct()),
        _ => Compiled::model(&scheme.model.clone().unwrap_or_default(), schemas),
    }
}

fn violation(problem: Problem) -> Violation {
    let reason =
        if problem.column.is_some() { ErrorReason::FilterInvalid } else { ErrorReason::SchemeInvalid };
    Violation {
        reason: reason.as_str_name(),
        ..Violation::new(problem.path, problem.message.en, problem.message.zh)
    }
}

/// The version that stands for the scheme: the published one or, where there is none, the newest. Versions come newest first.
pub fn presented(versions: &[Scheme]) -> Option<&Scheme> {
    in_state(versions, State::Published).or(versions.first())
}

/// The version in a state; of retired ones the newest.
pub fn in_state(versions: &[Scheme], state: State) -> Option<&Scheme> {
    versions.iter().find(|version| version.state() == state)
}

/// The version in force at the end of a day, told as the second at which the next begins. Before the first publication it
/// is the first that was published: a scheme may be asked what it would have said. None once the last is retired.
pub fn in_force_at(versions: &[Scheme], end_second: i64) -> Option<&Scheme> {
    let published = |version: &&Scheme| version.publish_time.is_some();
    let begun = |version: &&Scheme| version.publish_time.as_ref().is_some_and(|at| at.seconds < end_second);
    let newest = versions.iter().filter(published).find(begun);
    let chosen = newest.or_else(|| versions.iter().rfind(published))?;
    chosen.retire_time.as_ref().is_none_or(|at| at.seconds >= end_second).then_some(chosen)
}

/// Whether an audience may know that a scheme exists. Whose grades only departments see is nobody else's affair.
pub fn is_shown(scheme: &Scheme, audience: Audience<'_>) -> bool {
    audience == Audience::Department
        || (scheme.state() != State::Draft && scheme.disclosure() != Disclosure::Departments)
}

/// Whether an audience may see a subject's grade under a scheme of this disclosure.
pub fn discloses(disclosure: Disclosure, audience: Audience<'_>, uscc: &str) -> bool {
    match audience {
        Audience::Department => true,
        Audience::Enterprise(own) if own == uscc => {
            matches!(disclosure, Disclosure::Subject | Disclosure::Public)
        }
        Audience::Enterprise(_) | Audience::Public => disclosure == Disclosure::Public,
    }
}

/// Judges measures against the grades that the scheme's versions know; an unknown set of grades, as a DIRECT scheme without
/// a model has it, takes any.
pub fn judge_measures(measures: &[Measure], grades: &[&str]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (index, measure) in measures.iter().enumerate() {
        let at = |field: &str| format!("measures[{index}].{field}");
        if !grades.is_empty() && !grades.contains(&measure.grade.as_str()) {
            let known = grades.join(", ");
            violations.push(Violation {
                reason: ErrorReason::GradeNotOfScheme.as_str_name(),
                ..Violation::new(
                    at("grade"),
                    format!("\"{}\" is not a grade of the scheme; it has {known}", measure.grade),
                    format!("“{}”不是本制度的等级；现有等级：{known}", measure.grade),
                )
            });
        }
        if measures[..index].iter().any(|other| other.grade == measure.grade) {
            let (en, zh) = ("stands twice; give each grade one measure", "重复：每个等级只能有一条措施");
            violations.push(Violation::new(at("grade"), en, zh));
        }
        if let Err(fault) = Decimal::from_f64(measure.sampling_percent) {
            violations.push(Violation::new(at("samplingPercent"), fault.message().en, fault.message().zh));
        }
        if measure.min_per_year.zip(measure.max_per_year).is_some_and(|(min, max)| min > max) {
            let (en, zh) = ("is above maxPerYear; exchange them", "大于 maxPerYear：请对调");
            violations.push(Violation::new(at("minPerYear"), en, zh));
        }
    }
    violations
}

/// The grades of some versions, each in its order, without repetition.
pub fn grades_of<'a>(versions: impl IntoIterator<Item = &'a Scheme>) -> Vec<&'a str> {
    let mut grades: Vec<&str> = Vec::new();
    for grade in
        versions.into_iter().filter_map(|version| version.model.as_ref()).flat_map(|model| &model.grades)
    {
        if !grades.contains(&grade.grade.as_str()) {
            grades.push(&grade.grade);
        }
    }
    grades
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: i32, published: i64, retired: Option<i64>) -> Scheme {
        let at = |seconds| prost_types::Timestamp { seconds, nanos: 0 };
        Scheme {
            version: number,
            state: if retired.is_some() { State::Retired } else { State::Published } as i32,
            publish_time: Some(at(published)),
            retire_time: retired.map(at),
            ..Default::default()
        }
    }

    #[test]
    fn each_day_has_the_version_that_was_in_force_at_its_end() {
        let draft = Scheme { version: 3, state: State::Draft as i32, ..Default::default() };
        let versions = [draft.clone(), version(2, 500, None), version(1, 100, Some(500))];
        let number = |end| in_force_at(&versions, end).map(|version| version.version);
        assert_eq!(number(50), Some(1), "before the first publication");
        assert_eq!(number(101), Some(1));
        assert_eq!(number(500), Some(1), "published in the second after");
        assert_eq!(number(501), Some(2), "a version replaced on the day gives way");
        assert_eq!(in_force_at(&[version(1, 100, Some(500))], 501), None, "retired without a successor");
        assert_eq!(in_force_at(&[draft], 501), None, "never published");
    }

    #[test]
    fn grades_are_told_to_whom_the_scheme_discloses_them() {
        let own = Audience::Enterprise("me");
        for (disclosure, audience, told) in [
            (Disclosure::Departments, Audience::Department, true),
            (Disclosure::Departments, own, false),
            (Disclosure::Departments, Audience::Public, false),
            (Disclosure::Subject, own, true),
            (Disclosure::Subject, Audience::Enterprise("other"), false),
            (Disclosure::Subject, Audience::Public, false),
            (Disclosure::Public, Audience::Enterprise("other"), true),
            (Disclosure::Public, Audience::Public, true),
            (Disclosure::Unspecified, own, false),
        ] {
            assert_eq!(discloses(disclosure, audience, "me"), told, "{disclosure:?} to {audience:?}");
        }
    }

    #[test]
    fn a_scheme_is_judged_as_a_whole() {
        let scheme = Scheme {
            domain: "D23".to_owned(),
            superior_rule: Some(Default::default()),
            national_result: NationalResult::Direct as i32,
            ..Default::default()
        };
        let violations = judge(&scheme, &Schemas::new()).err().unwrap_or_default();
        let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
        let all = [
            "domain",
            "department",
            "basis.title",
            "disclosure",
            "superiorRule.statement",
            "superiorRule.evidence",
        ];
        assert_eq!(fields, all);
        assert_eq!(violations[0].reason, "DOMAIN_UNKNOWN");
        assert_eq!(violations[4].reason, "SUPERIOR_RULE_UNPROVEN");
    }

    #[test]
    fn measures_name_grades_of_the_scheme_once() {
        let measure = |grade: &str, min, max| Measure {
            grade: grade.to_owned(),
            min_per_year: Some(min),
            max_per_year: Some(max),
            ..Default::default()
        };
        let wrong = [measure("A", 1, 2), measure("E", 0, 0), measure("A", 3, 2)];
        let violations = judge_measures(&wrong, &["A", "B"]);
        let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(fields, ["measures[1].grade", "measures[2].grade", "measures[2].minPerYear"]);
        assert_eq!(judge_measures(&wrong[..1], &[]), []);
    }
}
