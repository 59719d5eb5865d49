//! What an annual plan must say, and what a plan that carries a task out may. Pure.
use std::collections::BTreeSet;

use chassis::fault::Violation;
use contract::sampling::v1::{
    AnnualPlan, AnnualTask, ErrorReason, InspectionItem, Plan, annual_plan::State, annual_task::Level,
};

const PERCENT_PLACES: usize = 4;

fn twice(field: String, what: &str) -> Violation {
    Violation::new(
        field,
        format!("\"{what}\" stands here twice; name it once"),
        format!("“{what}”重复；请只填一次"),
    )
}

/// Judges an annual plan against those of its inspection items that are on file.
pub fn judge(plan: &AnnualPlan, known: &[InspectionItem]) -> Vec<Violation> {
    let mut violations = Vec::new();
    if plan.year == 0 {
        violations.push(Violation::new("annualPlan.year", "is empty; name the year", "为空；请填写年度"));
    }
    let mut numbers = BTreeSet::new();
    for (index, task) in plan.tasks.iter().enumerate() {
        let at = format!("annualPlan.tasks[{index}]");
        if !numbers.insert(task.number.as_str()) {
            violations.push(twice(format!("{at}.number"), &task.number));
        }
        judge_task(plan.year, task, &at, &mut violations);
        for (place, item) in task.inspection_items.iter().enumerate() {
            let field = format!("{at}.inspectionItems[{place}]");
            if task.inspection_items[..place].contains(item) {
                violations.push(twice(field, item));
            } else if !known.iter().any(|known| known.inspection_item_id == *item) {
                violations.push(Violation {
                    reason: ErrorReason::InspectionItemUnknown.as_str_name(),
                    ..Violation::new(
                        field,
                        format!("\"{item}\" is not on file; put it with PUT /sampling/v1/inspectionItems/{item} first"),
                        format!("抽查事项“{item}”未登记；请先通过 PUT /sampling/v1/inspectionItems/{item} 登记"),
                    )
                });
            }
        }
    }
    violations
}

fn judge_task(year: i32, task: &AnnualTask, at: &str, violations: &mut Vec<Violation>) {
    if (task.percent > 0.0) == (task.count > 0) {
        violations.push(Violation::new(
            format!("{at}.percent"),
            "either percent or count says how many are drawn, not both and not neither",
            "抽查比例和抽查数量应填且只填一项",
        ));
    }
    let places = task.percent.to_string().split_once('.').map_or(0, |(_, places)| places.len());
    if places > PERCENT_PLACES {
        violations.push(Violation::new(
            format!("{at}.percent"),
            format!("{} has more than {PERCENT_PLACES} decimal places", task.percent),
            format!("{}的小数位数超过{PERCENT_PLACES}位", task.percent),
        ));
    }
    for (place, partner) in task.partner_departments.iter().enumerate() {
        if *partner == task.starter_department || task.partner_departments[..place].contains(partner) {
            violations.push(twice(format!("{at}.partnerDepartments[{place}]"), partner));
        }
    }
    let Some(window) = &task.window else { return };
    // Dates of this form compare as texts.
    if window.from > window.to {
        violations.push(Violation::new(
            format!("{at}.window.to"),
            format!("{} is before the first day {}; swap them or correct one", window.to, window.from),
            format!("{}早于起始日{}；请更正", window.to, window.from),
        ));
    }
    let inside = |day: &str| day.starts_with(&format!("{year}-"));
    if year > 0 && !(inside(&window.from) && inside(&window.to)) {
        violations.push(Violation::new(
            format!("{at}.window"),
            format!("{} to {} is not within {year}; correct it", window.from, window.to),
            format!("{}至{}不在{year}年内；请更正", window.from, window.to),
        ));
    }
}

/// Which version a change becomes: the draft itself while nobody has approved it, else the next.
pub fn next_version(newest: Option<(i32, State)>) -> i32 {
    match newest {
        None => 1,
        Some((version, State::Draft)) => version,
        Some((version, _)) => version + 1,
    }
}

/// Judges a plan against the task that it carries out: the same scope or less, never more.
pub fn fits(plan: &Plan, task: &AnnualTask) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut say = |field: &str, en: String, zh: String| {
        violations.push(Violation {
            reason: ErrorReason::AnnualTaskMismatch.as_str_name(),
            ..Violation::new(field, en, zh)
        });
    };
    let number = &task.number;
    let allowed = || [&task.starter_department].into_iter().chain(&task.partner_departments);
    if let Some(index) = plan.departments.iter().position(|one| !allowed().any(|allowed| allowed == one)) {
        let one = &plan.departments[index];
        say(
            &format!("plan.departments[{index}]"),
            format!("\"{one}\" takes no part in task {number} of the annual plan"),
            format!("“{one}”未列入年度计划第{number}项任务"),
        );
    }
    let foreign = |item: &String| !task.inspection_items.contains(item);
    if let Some(index) = plan.inspection_items.iter().position(foreign) {
        let item = &plan.inspection_items[index];
        say(
            &format!("plan.inspectionItems[{index}]"),
            format!("\"{item}\" is not of task {number} of the annual plan"),
            format!("“{item}”不是年度计划第{number}项任务的抽查事项"),
        );
    }
    if let (Some(period), Some(window)) = (&plan.period, &task.window)
        && (period.from < window.from || period.to > window.to)
    {
        let (from, to) = (&window.from, &window.to);
        say(
            "plan.period",
            format!("is not within {from} to {to}, when task {number} of the annual plan is carried out"),
            format!("不在年度计划第{number}项任务的时间窗口{from}至{to}之内"),
        );
    }
    violations
}

/// The headings under which departments publish their annual plans.
pub const HEADINGS: [&str; 13] = [
    "序号",
    "抽查任务名称",
    "抽查事项",
    "抽查对象范围",
    "抽查比例",
    "抽查数量",
    "抽查频次",
    "抽查时间",
    "发起部门",
    "配合部门",
    "抽查层级",
    "信用风险分类要求",
    "版本",
];

/// A task's row under them.
pub fn row(plan: &AnnualPlan, task: &AnnualTask, names: impl Fn(&str) -> String) -> Vec<String> {
    let level = match task.level() {
        Level::Unspecified => "",
        Level::CityCity => "市抽市查",
        Level::CityCounty => "市抽县查",
        Level::CountyCounty => "县抽县查",
    };
    let times = match (task.times, task.times_at_least) {
        (0, _) => String::new(),
        (times, true) => format!("≥{times}次/年"),
        (times, false) => format!("{times}次/年"),
    };
    let items: Vec<String> = task.inspection_items.iter().map(|item| names(item)).collect();
    vec![
        task.number.clone(),
        task.title.clone(),
        items.join("、"),
        task.objects.clone(),
        if task.percent > 0.0 { format!("{}%", task.percent) } else { String::new() },
        if task.count > 0 { task.count.to_string() } else { String::new() },
        times,
        task.window.as_ref().map(|window| format!("{}至{}", window.from, window.to)).unwrap_or_default(),
        task.starter_department.clone(),
        task.partner_departments.join("、"),
        level.to_owned(),
        task.risk_requirement.clone(),
        plan.version.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use contract::sampling::v1::Period;

    use super::*;

    fn task() -> AnnualTask {
        AnnualTask {
            number: "1".to_owned(),
            title: "道路运输企业联合抽查".to_owned(),
            starter_department: "transport".to_owned(),
            partner_departments: vec!["fire".to_owned()],
            inspection_items: vec!["road".to_owned()],
            objects: "道路货运企业".to_owned(),
            percent: 5.0,
            times: 1,
            window: Some(Period { from: "2026-03-01".to_owned(), to: "2026-11-10".to_owned() }),
            level: Level::CityCounty as i32,
            ..Default::default()
        }
    }

    fn annual(tasks: Vec<AnnualTask>) -> AnnualPlan {
        AnnualPlan { year: 2026, tasks, ..Default::default() }
    }

    fn fields(tasks: Vec<AnnualTask>) -> Vec<String> {
        let known = [InspectionItem { inspection_item_id: "road".to_owned(), ..Default::default() }];
        judge(&annual(tasks), &known).into_iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn each_fault_of_a_task_is_named_by_its_field() {
        assert_eq!(fields(vec![task()]), Vec::<String>::new());
        assert_eq!(fields(vec![task(), task()]), ["annualPlan.tasks[1].number"]);
        let window = |from: &str, to: &str| Some(Period { from: from.to_owned(), to: to.to_owned() });
        let at = |rest: &str| format!("annualPlan.tasks[0].{rest}");
        for (wrong, field) in [
            (AnnualTask { count: 3, ..task() }, "percent"),
            (AnnualTask { percent: 0.0, ..task() }, "percent"),
            (AnnualTask { percent: 0.00001, ..task() }, "percent"),
            (
                AnnualTask { partner_departments: vec!["transport".to_owned()], ..task() },
                "partnerDepartments[0]",
            ),
            (AnnualTask { window: window("2026-03-02", "2026-03-01"), ..task() }, "window.to"),
            (AnnualTask { window: window("2025-12-31", "2026-03-01"), ..task() }, "window"),
            (AnnualTask { inspection_items: vec!["x".to_owned()], ..task() }, "inspectionItems[0]"),
        ] {
            assert_eq!(fields(vec![wrong]), [at(field)]);
        }
    }

    #[test]
    fn a_draft_is_mended_and_an_approved_version_followed() {
        assert_eq!(next_version(None), 1);
        assert_eq!(next_version(Some((1, State::Draft))), 1);
        for state in [State::Approved, State::Published, State::Superseded] {
            assert_eq!(next_version(Some((2, state))), 3);
        }
    }

    #[test]
    fn a_plan_may_do_less_than_its_task_and_never_more() {
        let plan = || Plan {
            departments: vec!["transport".to_owned()],
            inspection_items: vec!["road".to_owned()],
            period: Some(Period { from: "2026-03-01".to_owned(), to: "2026-11-10".to_owned() }),
            ..Default::default()
        };
        let wrong = |plan: Plan| -> Vec<String> {
            fits(&plan, &task()).into_iter().map(|violation| violation.field).collect()
        };
        assert!(wrong(plan()).is_empty());
        let late = Some(Period { from: "2026-03-01".to_owned(), to: "2026-11-11".to_owned() });
        assert_eq!(wrong(Plan { period: late, ..plan() }), ["plan.period"]);
        let foreign = vec!["transport".to_owned(), "water".to_owned()];
        assert_eq!(wrong(Plan { departments: foreign, ..plan() }), ["plan.departments[1]"]);
        let more = vec!["road".to_owned(), "fire".to_owned()];
        assert_eq!(wrong(Plan { inspection_items: more, ..plan() }), ["plan.inspectionItems[1]"]);
    }

    #[test]
    fn a_row_has_the_columns_that_departments_publish() {
        let row = row(&AnnualPlan { version: 2, ..annual(vec![]) }, &task(), |item| format!("<{item}>"));
        assert_eq!(
            row,
            [
                "1",
                "道路运输企业联合抽查",
                "<road>",
                "道路货运企业",
                "5%",
                "",
                "1次/年",
                "2026-03-01至2026-11-10",
                "transport",
                "fire",
                "市抽县查",
                "",
                "2"
            ]
        );
        assert_eq!(row.len(), HEADINGS.len());
    }
}
