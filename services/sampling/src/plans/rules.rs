//! What a plan must say. Pure.
use std::collections::BTreeSet;

use chassis::fault::Violation;
use contract::{
    grading::v1::{Measure, Scheme},
    sampling::v1::{ErrorReason, InspectionItem, Plan, Quota, plan::Kind},
};
use identifiers::{Industry, Region, Uscc};

/// The stratum of subjects without a grade.
pub const UNGRADED: &str = "UNGRADED";

/// 行政处罚法 42, 行政强制法 18: officials act in twos at least.
const INSPECTORS_FEWEST: i32 = 2;

const PERCENT_PLACES: usize = 4;

/// Fills in what a plan leaves to the rules: two inspectors, and the ratios of the scheme's measures.
pub fn complete(plan: &mut Plan, scheme: &Scheme) -> Vec<Violation> {
    if plan.inspectors_per_visit == 0 {
        plan.inspectors_per_visit = INSPECTORS_FEWEST;
    }
    if plan.kind() == Kind::Unspecified {
        plan.kind = Kind::Random as i32;
    }
    if !plan.quotas.is_empty() || plan.kind() != Kind::Random {
        return Vec::new();
    }
    let quota = |measure: &Measure| Quota {
        grade: measure.grade.clone(),
        percent: measure.sampling_percent,
        at_least: 0,
        min_per_year: measure.min_per_year,
        max_per_year: measure.max_per_year,
    };
    plan.quotas = scheme.measures.iter().map(quota).collect();
    if !plan.quotas.is_empty() {
        return Vec::new();
    }
    vec![Violation::new(
        "plan.quotas",
        "are empty, and the scheme has no measures to take sampling percents from; give quotas, or put the measures first",
        "为空，且评价制度没有规定抽查比例的监管措施；请填写抽查比例，或先制定监管措施",
    )]
}

/// Judges a completed plan against its scheme and those of its inspection items that are on file.
pub fn judge(plan: &Plan, scheme: &Scheme, known: &[InspectionItem]) -> Vec<Violation> {
    let mut violations = Vec::new();
    judge_departments(&plan.departments, &mut violations);
    judge_scope(plan, &mut violations);
    judge_items(plan, known, &mut violations);
    judge_period(plan, &mut violations);
    if plan.inspectors_per_visit < INSPECTORS_FEWEST {
        violations.push(Violation::new(
            "plan.inspectorsPerVisit",
            "must be at least 2: the law lets no official inspect alone (行政处罚法 art. 42)",
            "至少为2：执法人员不得少于两人（行政处罚法第四十二条）",
        ));
    }
    judge_quotas(&plan.quotas, scheme, &mut violations);
    judge_frequencies(&plan.quotas, &scheme.measures, &mut violations);
    judge_kind(plan, &mut violations);
    if !plan.starter_department.is_empty() && !plan.departments.contains(&plan.starter_department) {
        let starter = &plan.starter_department;
        violations.push(Violation::new(
            "plan.starterDepartment",
            format!("\"{starter}\" is not one of the plan's departments; add it there, or name one of them"),
            format!("“{starter}”不在计划的检查部门中；请补入或改填其中之一"),
        ));
    }
    violations
}

/// The parts of a plan that inspectors are drawn for: one, or of a joint plan one of each department with its own items 部门联合抽查. Items of
/// nobody who takes part are the starter's, or else the first department's.
pub fn parts(plan: &Plan, items: &[InspectionItem]) -> Vec<Plan> {
    if !plan.team_of_each_department {
        return vec![plan.clone()];
    }
    let first = plan.departments.first().cloned().unwrap_or_default();
    let rest = if plan.starter_department.is_empty() { first } else { plan.starter_department.clone() };
    let owner = |item: &InspectionItem| {
        if plan.departments.contains(&item.department) { item.department.clone() } else { rest.clone() }
    };
    let part = |department: &String| {
        let own = items.iter().filter(|item| owner(item) == *department);
        Plan {
            departments: vec![department.clone()],
            inspection_items: own.map(|item| item.inspection_item_id.clone()).collect(),
            ..plan.clone()
        }
    };
    plan.departments.iter().map(part).collect()
}

/// How many inspectors a visit of the plan has.
pub fn team_size(plan: &Plan) -> i32 {
    let teams = if plan.team_of_each_department { plan.departments.len() } else { 1 };
    plan.inspectors_per_visit.saturating_mul(i32::try_from(teams).unwrap_or(i32::MAX))
}

/// Whether a plan's subjects are drawn; one from before there were kinds is.
pub fn is_random(plan: &Plan) -> bool {
    matches!(plan.kind(), Kind::Random | Kind::Unspecified)
}

// What is not drawn has no quota and leaves nobody out.
fn judge_kind(plan: &Plan, violations: &mut Vec<Violation>) {
    if is_random(plan) {
        return;
    }
    let kind = plan.kind().as_str_name();
    for (field, given) in [
        ("plan.quotas", !plan.quotas.is_empty()),
        ("plan.excludeDrawnWithinYears", plan.exclude_drawn_within_years > 0),
        ("plan.exemptions", !plan.exemptions.is_empty()),
    ] {
        if given {
            violations.push(Violation::new(
                field,
                format!("is for random plans; the subjects of one of kind {kind} are named in an order. Leave it out"),
                format!("仅用于随机抽查；{kind} 计划的对象在任务单中指定，请删去"),
            ));
        }
    }
}

// 国办发〔2024〕54号: the published yearly cap is the rule; a plan may visit less often, not more.
fn judge_frequencies(quotas: &[Quota], measures: &[Measure], violations: &mut Vec<Violation>) {
    for (index, quota) in quotas.iter().enumerate() {
        let measure = measures.iter().find(|measure| measure.grade == quota.grade);
        let (at, grade) = (format!("plan.quotas[{index}].maxPerYear"), &quota.grade);
        match (quota.min_per_year, quota.max_per_year, measure.and_then(|measure| measure.max_per_year)) {
            (Some(least), Some(most), _) if least > most => violations.push(Violation::new(
                at,
                format!("{most} is below minPerYear {least}; correct one"),
                format!("{most}小于 minPerYear {least}；请更正"),
            )),
            (_, Some(most), Some(cap)) if most > cap => violations.push(Violation::new(
                at,
                format!("{most} is above the {cap} visits a year that the scheme's measures allow grade {grade}; a plan may be stricter only"),
                format!("{most}超过评价制度对等级{grade}规定的年度检查上限{cap}次；计划只能更严"),
            )),
            _ => {}
        }
    }
}

/// The codes that a plan leaves out, in their one spelling.
pub fn exempt(plan: &mut Plan) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut seen = BTreeSet::new();
    for (index, exemption) in plan.exemptions.iter_mut().enumerate() {
        let field = format!("plan.exemptions[{index}].uscc");
        match Uscc::parse_tolerant(&exemption.uscc) {
            Ok((code, _)) => exemption.uscc = code.as_str().to_owned(),
            Err(fault) => violations.push(Violation {
                reason: fault.reason(),
                ..Violation::new(field.clone(), fault.message_en(), fault.message_zh())
            }),
        }
        if !seen.insert(exemption.uscc.clone()) {
            violations.push(twice(field, &exemption.uscc));
        }
    }
    violations
}

fn judge_departments(departments: &[String], violations: &mut Vec<Violation>) {
    let mut seen = BTreeSet::new();
    for (index, department) in departments.iter().enumerate() {
        let field = format!("plan.departments[{index}]");
        if department.trim().is_empty() {
            violations.push(Violation::new(
                field,
                "is empty; name a department or leave it out",
                "为空；请填写部门或删去该项",
            ));
        } else if !seen.insert(department) {
            violations.push(twice(field, department));
        }
    }
}

fn judge_scope(plan: &Plan, violations: &mut Vec<Violation>) {
    if !plan.region.is_empty()
        && let Err(fault) = Region::parse(&plan.region)
    {
        violations.push(Violation::new("plan.region", fault.message_en(), fault.message_zh()));
    }
    for (index, industry) in plan.industries.iter().enumerate() {
        if let Err(fault) = Industry::parse(industry) {
            let field = format!("plan.industries[{index}]");
            violations.push(Violation::new(field, fault.message_en(), fault.message_zh()));
        }
    }
}

fn judge_items(plan: &Plan, known: &[InspectionItem], violations: &mut Vec<Violation>) {
    let mut seen = BTreeSet::new();
    for (index, item) in plan.inspection_items.iter().enumerate() {
        let field = format!("plan.inspectionItems[{index}]");
        let on_file = known.iter().find(|known| known.inspection_item_id == *item);
        if let Some(expired) = on_file.filter(|known| !in_force(known, plan)) {
            let (from, until) = (&expired.effective_from, &expired.effective_until);
            violations.push(Violation {
                reason: ErrorReason::InspectionItemNotInForce.as_str_name(),
                ..Violation::new(
                    field,
                    format!("\"{item}\" is in force from \"{from}\" to \"{until}\", not over the whole period; leave it out or move the period"),
                    format!("抽查事项“{item}”的施行期为“{from}”至“{until}”，未覆盖整个计划期限；请删去或调整期限"),
                )
            });
        } else if on_file.is_none() {
            violations.push(Violation {
                reason: ErrorReason::InspectionItemUnknown.as_str_name(),
                ..Violation::new(
                    field,
                    format!(
                        "\"{item}\" is not on file; put it with PUT /sampling/v1/inspectionItems/{item} first"
                    ),
                    format!("抽查事项“{item}”未登记；请先通过 PUT /sampling/v1/inspectionItems/{item} 登记"),
                )
            });
        } else if !seen.insert(item) {
            violations.push(twice(field, item));
        }
    }
}

// An item binds from its first day to its last; an open end is none.
fn in_force(item: &InspectionItem, plan: &Plan) -> bool {
    let (from, until) = (item.effective_from.as_str(), item.effective_until.as_str());
    // Dates of this form compare as texts.
    plan.period.as_ref().is_none_or(|period| {
        from <= period.from.as_str() && (until.is_empty() || period.to.as_str() <= until)
    })
}

fn judge_period(plan: &Plan, violations: &mut Vec<Violation>) {
    // Dates of this form compare as texts.
    if let Some(period) = plan.period.as_ref().filter(|period| period.from > period.to) {
        violations.push(Violation::new(
            "plan.period.to",
            format!(
                "{} is before the period's first day {}; swap them or correct one",
                period.to, period.from
            ),
            format!("{}早于起始日{}；请更正", period.to, period.from),
        ));
    }
}

fn judge_quotas(quotas: &[Quota], scheme: &Scheme, violations: &mut Vec<Violation>) {
    let grades: Vec<&str> =
        scheme.model.iter().flat_map(|model| &model.grades).map(|grade| grade.grade.as_str()).collect();
    let mut seen = BTreeSet::new();
    for (index, quota) in quotas.iter().enumerate() {
        let (field, grade) = (format!("plan.quotas[{index}].grade"), quota.grade.as_str());
        // A scheme that takes the state's grades as they are may leave them unnamed.
        let known = grades.is_empty() || grades.contains(&grade) || grade == UNGRADED;
        if !known || grade.contains([',', '\n']) {
            let (id, listed) = (&scheme.scheme_id, grades.join(", "));
            violations.push(Violation::new(
                field,
                format!(
                    "\"{grade}\" is no grade of scheme \"{id}\"; its grades are {listed}, and {UNGRADED}"
                ),
                format!("“{grade}”不是评价制度“{id}”的等级；可用等级为 {listed} 及 {UNGRADED}"),
            ));
        } else if !seen.insert(grade) {
            violations.push(twice(field, grade));
        }
        if !is_percent(quota.percent) {
            violations.push(Violation::new(
                format!("plan.quotas[{index}].percent"),
                format!(
                    "{} is no percent from 0 to 100 with at most {PERCENT_PLACES} decimal places",
                    quota.percent
                ),
                format!("{}不是0至100之间、至多{PERCENT_PLACES}位小数的百分比", quota.percent),
            ));
        }
    }
}

// The number means the shortest decimal that denotes it.
fn is_percent(percent: f64) -> bool {
    let places = percent.to_string().split_once('.').map_or(0, |(_, places)| places.len());
    places <= PERCENT_PLACES && draw::Percent::from_f64(percent).is_ok()
}

fn twice(field: String, what: &str) -> Violation {
    Violation::new(
        field,
        format!("\"{what}\" stands here twice; name it once"),
        format!("“{what}”重复；请只填一次"),
    )
}

#[cfg(test)]
mod tests {
    use contract::{
        grading::v1::{Grade, Measure, Model},
        sampling::v1::Period,
    };

    use super::*;

    fn scheme() -> Scheme {
        let grades = ["A", "B"].map(|grade| Grade { grade: grade.to_owned(), ..Default::default() });
        let measures = vec![Measure { grade: "B".to_owned(), sampling_percent: 12.5, ..Default::default() }];
        let model = Model { grades: grades.to_vec(), ..Default::default() };
        Scheme { scheme_id: "s".to_owned(), model: Some(model), measures, ..Default::default() }
    }

    fn item() -> InspectionItem {
        InspectionItem { inspection_item_id: "i".to_owned(), ..Default::default() }
    }

    fn quota(grade: &str, percent: f64) -> Quota {
        Quota { grade: grade.to_owned(), percent, ..Default::default() }
    }

    fn plan() -> Plan {
        Plan {
            departments: vec!["transport".to_owned()],
            inspection_items: vec!["i".to_owned()],
            period: Some(Period { from: "2026-03-01".to_owned(), to: "2026-03-01".to_owned() }),
            quotas: vec![quota("A", 5.5), quota(UNGRADED, 100.0)],
            inspectors_per_visit: 2,
            ..Default::default()
        }
    }

    fn fields(plan: &Plan) -> Vec<String> {
        judge(plan, &scheme(), &[item()]).into_iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn a_sound_plan_passes() {
        assert_eq!(fields(&plan()), Vec::<String>::new());
    }

    #[test]
    fn each_fault_is_named_by_its_field() {
        let period = Some(Period { from: "2026-03-02".to_owned(), to: "2026-03-01".to_owned() });
        let cases = [
            (Plan { departments: vec!["a".to_owned(), "a".to_owned()], ..plan() }, "plan.departments[1]"),
            (Plan { departments: vec![" ".to_owned()], ..plan() }, "plan.departments[0]"),
            (Plan { region: "000000".to_owned(), ..plan() }, "plan.region"),
            (Plan { industries: vec!["Z9".to_owned()], ..plan() }, "plan.industries[0]"),
            (
                Plan { inspection_items: vec!["i".to_owned(), "x".to_owned()], ..plan() },
                "plan.inspectionItems[1]",
            ),
            (
                Plan { inspection_items: vec!["i".to_owned(), "i".to_owned()], ..plan() },
                "plan.inspectionItems[1]",
            ),
            (Plan { period, ..plan() }, "plan.period.to"),
            (Plan { inspectors_per_visit: 1, ..plan() }, "plan.inspectorsPerVisit"),
            (Plan { quotas: vec![quota("C", 1.0)], ..plan() }, "plan.quotas[0].grade"),
            (Plan { quotas: vec![quota("A", 1.0), quota("A", 2.0)], ..plan() }, "plan.quotas[1].grade"),
            (Plan { quotas: vec![quota("A", 1.00001)], ..plan() }, "plan.quotas[0].percent"),
            (Plan { quotas: vec![quota("A", 100.0001)], ..plan() }, "plan.quotas[0].percent"),
        ];
        for (plan, field) in cases {
            assert_eq!(fields(&plan), [field]);
        }
    }

    #[test]
    fn an_item_binds_from_its_first_day_to_its_last() {
        for (from, until, holds) in [
            ("", "", true),
            ("2026-03-01", "2026-03-01", true),
            ("2026-03-02", "", false),
            ("", "2026-02-28", false),
        ] {
            let dated = InspectionItem {
                effective_from: from.to_owned(),
                effective_until: until.to_owned(),
                ..item()
            };
            assert_eq!(judge(&plan(), &scheme(), &[dated]).is_empty(), holds, "{from} {until}");
        }
    }

    #[test]
    fn each_department_sends_a_team_for_its_own_items() {
        let of = |id: &str, department: &str| InspectionItem {
            inspection_item_id: id.to_owned(),
            department: department.to_owned(),
            ..Default::default()
        };
        let items = [of("road", "transport"), of("fire", "fire"), of("other", "nobody")];
        let joint = Plan {
            departments: vec!["transport".to_owned(), "fire".to_owned()],
            starter_department: "fire".to_owned(),
            team_of_each_department: true,
            ..plan()
        };
        let found: Vec<(Vec<String>, Vec<String>)> =
            parts(&joint, &items).into_iter().map(|part| (part.departments, part.inspection_items)).collect();
        let texts = |some: &[&str]| some.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            found,
            [(texts(&["transport"]), texts(&["road"])), (texts(&["fire"]), texts(&["fire", "other"]))]
        );
        assert_eq!((team_size(&joint), team_size(&plan())), (4, 2));
        assert_eq!(parts(&plan(), &items), [plan()]);
    }

    #[test]
    fn four_places_are_exact_enough() {
        for (percent, holds) in
            [(0.0001, true), (33.3333, true), (100.0, true), (-1.0, false), (f64::NAN, false)]
        {
            assert_eq!(is_percent(percent), holds, "{percent}");
        }
    }

    #[test]
    fn what_is_left_out_comes_from_the_law_and_the_measures() {
        let mut bare = Plan { quotas: Vec::new(), inspectors_per_visit: 0, ..plan() };
        assert!(complete(&mut bare, &scheme()).is_empty());
        assert_eq!((bare.inspectors_per_visit, bare.quotas), (2, vec![quota("B", 12.5)]));
        let mut nothing = Plan { quotas: Vec::new(), ..plan() };
        let found = complete(&mut nothing, &Scheme { measures: Vec::new(), ..scheme() });
        assert_eq!(
            found.iter().map(|violation| violation.field.as_str()).collect::<Vec<_>>(),
            ["plan.quotas"]
        );
    }
}
