//! What makes a scheme whole, which of its versions speaks, and who may see and change it. Pure.
use chassis::fault::Violation;
use contract::grading::v1::{
    ErrorReason, Indicator, Measure, Scheme, SchemeWarning,
    scheme::{Direction, Disclosure, NationalResult, Scale, State},
};
use identifiers::Domain;
use jiff::{Timestamp, civil::Date, tz::Offset};
use scoring::{Bilingual, Compiled, Decimal, NATIONAL_EVALUATION, Problem, Schemas, Warning, WarningCode};

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
    keep_risk_inside(scheme, &mut violations);
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

// 国市监信发〔2022〕6号: the class is an internal reference for the use of supervision's means, no evaluation of the enterprise's credit.
fn keep_risk_inside(scheme: &Scheme, violations: &mut Vec<Violation>) {
    if scheme.scale() != Scale::RiskClass
        || !matches!(scheme.disclosure(), Disclosure::Subject | Disclosure::Public)
    {
        return;
    }
    violations.push(Violation {
        reason: ErrorReason::RiskClassUndisclosable.as_str_name(),
        ..Violation::new(
            "disclosure",
            "must be DEPARTMENTS: a class of risk is an internal reference for supervision and is shown neither to the \
             public nor to the subject; grade on the scale CREDIT_GRADE what shall be shown",
            "必须为 DEPARTMENTS：风险等级仅作为监管内部参考，不向社会公开，也不告知主体；需要公开的，请采用 CREDIT_GRADE（信用等级）",
        )
    });
}

/// Kinds never mix: a scheme that has graded on one scale goes on with it.
pub fn judge_scale(before: &Scheme, after: &Scheme) -> Option<Violation> {
    let (before, after) = (before.scale(), after.scale());
    (before != after).then(|| {
        Violation::new(
            "scale",
            "does not change from version to version: credit grades and classes of risk never mix; draft a scheme of its own",
            "各版本的等级类型不能改变：信用等级与风险等级不得混用；请另行起草评价制度",
        )
    })
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

/// What is suspicious in a version that holds, were it to grade from a day on.
pub fn warnings(scheme: &Scheme, schemas: &Schemas, from: Date) -> Vec<SchemeWarning> {
    let mut warnings = Vec::new();
    let model = scheme.model.as_ref();
    let national = |indicator: &Indicator| indicator.items.iter().any(|item| item == NATIONAL_EVALUATION);
    if scheme.national_result() == NationalResult::Indicator
        && !model.is_some_and(|model| model.indicators.iter().any(national))
    {
        warnings.push(warning(
            "NATIONAL_RESULT_UNUSED",
            "nationalResult",
            false,
            Bilingual::new(
                format!("says INDICATOR, and no indicator reads the item {NATIONAL_EVALUATION}: the state's result changes nothing"),
                format!("填写为 INDICATOR，但没有指标使用事项 {NATIONAL_EVALUATION}：国家评价结果不起作用"),
            ),
        ));
    }
    if let (Some(model), true) = (model, scheme.national_result() != NationalResult::Direct) {
        let doubts = scoring::warnings(model, schemas, from).unwrap_or_default();
        let told = |doubt: Warning| warning(doubt.code.name(), &doubt.path, binds(doubt.code), doubt.message);
        warnings.extend(doubts.into_iter().map(told));
    }
    number(&mut warnings);
    warnings
}

// What says that a part of the model can never do what it is there for, or contradicts another, is no matter of taste.
fn binds(code: WarningCode) -> bool {
    matches!(
        code,
        WarningCode::IndicatorNeverFires
            | WarningCode::WindowClosed
            | WarningCode::DecayCountsNothing
            | WarningCode::VetoNeverFires
            | WarningCode::VetoesContradict
    )
}

// Of several of one kind about one field each has an id of its own.
fn number(warnings: &mut [SchemeWarning]) {
    for index in 0..warnings.len() {
        let (before, rest) = warnings.split_at_mut(index);
        let Some(one) = rest.first_mut() else { break };
        let same = before.iter().filter(|other| other.kind == one.kind && other.field == one.field).count();
        if same > 0 {
            one.warning.push_str(&format!("#{}", same + 1));
        }
    }
}

fn warning(kind: &str, field: &str, binding: bool, message: Bilingual) -> SchemeWarning {
    SchemeWarning {
        warning: format!("{kind}@{field}"),
        kind: kind.to_owned(),
        field: field.to_owned(),
        message_en: message.en,
        message_zh: message.zh,
        to_acknowledge: binding,
        ..Default::default()
    }
}

/// Compiles a version's model. Under DIRECT the state's grade is the grade (CONTRACT §4.1.6) and the model says nothing.
pub fn compile(scheme: &Scheme, schemas: &Schemas) -> Result<Compiled, Vec<Problem>> {
    match scheme.national_result() {
        NationalResult::Direct => Ok(Compiled::direct_in(schemas)),
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

/// The version in force at the end of a day. Before the first publication it is the first that was published: a scheme may
/// be asked what it would have said. None once the last is retired.
pub fn in_force_on(versions: &[Scheme], day: Date) -> Option<&Scheme> {
    let reigned = |version: &&Scheme| {
        let taken_back = version.retire_time.as_ref().is_some_and(|at| day_of(at) < first_day(version));
        version.publish_time.is_some() && !taken_back
    };
    let newest = versions.iter().filter(reigned).find(|version| first_day(version) <= day);
    let first = || versions.iter().rfind(|version| reigned(version) && version.state() != State::Scheduled);
    let chosen = newest.or_else(first)?;
    chosen.retire_time.as_ref().is_none_or(|at| day_of(at) > day).then_some(chosen)
}

/// The first day of a version that was published.
pub fn first_day(version: &Scheme) -> Date {
    let told = version.effective_from.parse().ok();
    told.or_else(|| version.publish_time.as_ref().map(day_of)).unwrap_or(Date::MAX)
}

// The business day is Asia/Shanghai's.
fn day_of(at: &prost_types::Timestamp) -> Date {
    let instant = Timestamp::new(at.seconds, at.nanos).unwrap_or(Timestamp::MAX);
    Offset::constant(8).to_datetime(instant).date()
}

/// The versions as they were known at an instant: what was published later is a draft nobody knew of, what was retired later
/// was not.
pub fn known_at(versions: &[Scheme], at: Timestamp) -> Vec<Scheme> {
    let by =
        |time: &prost_types::Timestamp| Timestamp::new(time.seconds, time.nanos).is_ok_and(|time| time <= at);
    let mut known = versions.to_vec();
    known.retain(|version| version.publish_time.as_ref().is_some_and(by));
    for version in &mut known {
        version.retire_time = version.retire_time.take().filter(by);
    }
    known
}

/// What a first grade means on a scale.
pub fn direction(scale: Scale) -> Direction {
    match scale {
        Scale::Unspecified => Direction::Unspecified,
        Scale::CreditGrade => Direction::BestCreditFirst,
        Scale::RiskClass => Direction::LowestRiskFirst,
    }
}

/// To whom a scheme's grades are disclosed. A class of risk is an internal reference for supervision (国市监信发〔2022〕6号),
/// whatever a version says.
pub fn disclosure(scheme: &Scheme) -> Disclosure {
    if scheme.scale() == Scale::RiskClass { Disclosure::Departments } else { scheme.disclosure() }
}

/// Whether an audience may know that a scheme exists. Whose grades only departments see is nobody else's affair.
pub fn is_shown(scheme: &Scheme, audience: Audience<'_>) -> bool {
    audience == Audience::Department
        || (scheme.state() != State::Draft && disclosure(scheme) != Disclosure::Departments)
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

    // A version in force from noon of one day to noon of another, in days of January 1970.
    fn version(number: i32, from: i64, retired: Option<i64>) -> Scheme {
        let at = |day: i64| prost_types::Timestamp { seconds: (day - 1) * 86_400 + 4 * 3_600, nanos: 0 };
        Scheme {
            version: number,
            state: if retired.is_some() { State::Retired } else { State::Published } as i32,
            effective_from: format!("1970-01-{from:02}"),
            publish_time: Some(at(from)),
            retire_time: retired.map(at),
            ..Default::default()
        }
    }

    fn number(versions: &[Scheme], day: i8) -> Option<i32> {
        in_force_on(versions, jiff::civil::date(1970, 1, day)).map(|version| version.version)
    }

    #[test]
    fn each_day_has_the_version_that_was_in_force_at_its_end() {
        let draft = Scheme { version: 3, state: State::Draft as i32, ..Default::default() };
        let versions = [draft.clone(), version(2, 15, None), version(1, 10, Some(15))];
        assert_eq!(number(&versions, 5), Some(1), "before the first publication");
        assert_eq!(number(&versions, 10), Some(1));
        assert_eq!(number(&versions, 14), Some(1));
        assert_eq!(number(&versions, 15), Some(2), "a version replaced on the day gives way");
        assert_eq!(number(&[version(1, 10, Some(15))], 15), None, "retired without a successor");
        assert_eq!(number(&[draft], 15), None, "never published");
    }

    #[test]
    fn a_version_waits_for_its_day_and_one_taken_back_never_reigned() {
        let waiting = Scheme { state: State::Scheduled as i32, ..version(2, 20, None) };
        let versions = [waiting.clone(), version(1, 10, None)];
        assert_eq!((number(&versions, 19), number(&versions, 20)), (Some(1), Some(2)));
        assert_eq!(number(&[waiting], 19), None, "nothing is in force before a first version's day");
        let taken_back = Scheme { state: State::Retired as i32, ..version(2, 20, Some(18)) };
        assert_eq!(number(&[taken_back, version(1, 10, None)], 25), Some(1));
    }

    #[test]
    fn what_was_not_known_yet_is_left_out() {
        let versions = [version(2, 15, None), version(1, 10, Some(15))];
        let known = known_at(&versions, Timestamp::from_second(13 * 86_400).unwrap());
        assert_eq!(known.len(), 1);
        assert_eq!((known[0].version, &known[0].retire_time), (1, &None));
        assert_eq!(number(&known, 20), Some(1));
        assert_eq!(known_at(&versions, Timestamp::UNIX_EPOCH), []);
    }

    #[test]
    fn classes_of_risk_stay_inside() {
        let open = Scheme {
            scale: Scale::RiskClass as i32,
            disclosure: Disclosure::Public as i32,
            state: State::Published as i32,
            ..Default::default()
        };
        assert_eq!(disclosure(&open), Disclosure::Departments);
        assert!(!is_shown(&open, Audience::Public) && !is_shown(&open, Audience::Enterprise("me")));
        let violations = judge(&open, &Schemas::new()).err().unwrap_or_default();
        assert!(violations.iter().any(|v| v.reason == "RISK_CLASS_UNDISCLOSABLE" && v.field == "disclosure"));
        let credit = Scheme { scale: Scale::CreditGrade as i32, ..open.clone() };
        assert_eq!(judge_scale(&open, &credit).map(|v| v.field), Some("scale".to_owned()));
        assert_eq!(judge_scale(&open, &open), None);
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
