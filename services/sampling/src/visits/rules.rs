//! What a visit needs, what its record must say, and until when it is published. Pure.
use calendar::{Calendar, LegalTerm, Procedure, Term};
use chassis::{fault::Violation, language::Text};
use contract::sampling::v1::{ErrorReason, Finding, InspectionItem, Plan, visit::Status};
use draw::Team;
use jiff::civil::Date;

use crate::{
    codes::{self, ResultCode},
    fieldwork::rules as fieldwork,
};

/// What the visits of a plan need; nothing where the plan's period can't be read.
pub fn team(plan: &Plan, items: &[InspectionItem]) -> Option<Team> {
    let period = plan.period.as_ref()?;
    Some(Team {
        size: usize::try_from(plan.inspectors_per_visit).ok()?,
        skills: items.iter().flat_map(|item| item.skills.iter().cloned()).collect(),
        from: period.from.parse().ok()?,
        until: period.to.parse().ok()?,
        workload_cap: match u32::try_from(plan.visits_per_inspector) {
            Ok(0) | Err(_) => u32::MAX,
            Ok(cap) => cap,
        },
    })
}

/// The last day to publish what a visit of a day found, and the rule (国发〔2019〕5号; 食品生产经营监督检查管理办法 39). A region's own holidays are
/// not worked there. Nothing where no term was in force on that day.
pub fn publish_due(inspected_on: Date, region: &str) -> Option<(Term, String)> {
    let term = LegalTerm::of(Procedure::Publication, inspected_on)?;
    let regional;
    let calendar = if region.is_empty() {
        Calendar::national()
    } else {
        regional = Calendar::of_region(region);
        &regional
    };
    Some((term.end(calendar, inspected_on), fieldwork::basis(term)))
}

/// Whether the findings are overdue for publication on a day.
pub fn overdue(status: Status, due_on: &str, today: Date) -> bool {
    // Dates of this form compare as texts.
    status == Status::Recorded && !due_on.is_empty() && due_on < today.to_string().as_str()
}

/// What a record of a visit rests on.
pub struct Bounds<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The day on which the draw was revealed.
    pub drawn_on: Date,
    /// The business day.
    pub today: Date,
}

/// Judges what is recorded of a visit; gives each finding's code, in their order.
pub fn judge(
    inspected_on: Date,
    findings: &[Finding],
    bounds: &Bounds<'_>,
) -> Result<Vec<ResultCode>, Vec<Violation>> {
    let mut violations = Vec::new();
    violations.extend(misdated(inspected_on, bounds));
    let mut codes = Vec::new();
    for (index, finding) in findings.iter().enumerate() {
        let item = &finding.inspection_item;
        if !bounds.plan.inspection_items.contains(item) {
            let field = format!("findings[{index}].inspectionItem");
            violations.push(foreign_item(field, item, &bounds.plan.inspection_items));
        }
        match codes::find(&finding.result_code) {
            Some(code) => codes.push(code),
            None => violations.push(unknown_code(index, &finding.result_code)),
        }
        let same =
            |other: &&Finding| other.inspection_item == *item && other.result_code == finding.result_code;
        if findings.iter().take(index).any(|other| same(&other)) {
            let code = &finding.result_code;
            violations.push(Violation::new(
                format!("findings[{index}]"),
                format!("says {code} of {item} a second time; put the text into one finding"),
                format!("对{item}重复填写{code}；请合并为一项"),
            ));
        }
    }
    if violations.is_empty() { Ok(codes) } else { Err(violations) }
}

fn misdated(inspected_on: Date, bounds: &Bounds<'_>) -> Option<Violation> {
    if inspected_on > bounds.today {
        let today = bounds.today;
        return Some(Violation::new(
            "inspectedOn",
            format!("{inspected_on} is in the future (today is {today}); record a visit once it is made"),
            format!("{inspected_on}晚于今天（{today}）；请在检查完成后录入"),
        ));
    }
    // The plan's period says when visits take place; one before both it and the draw is no visit of this draw.
    let begins = bounds.plan.period.as_ref().and_then(|period| period.from.parse::<Date>().ok());
    let earliest = begins.map_or(bounds.drawn_on, |begins| begins.min(bounds.drawn_on));
    (inspected_on < earliest).then(|| {
        Violation::new(
            "inspectedOn",
            format!("{inspected_on} is before {earliest}, when neither the plan's period had begun nor the draw was made"),
            format!("{inspected_on}早于{earliest}，当时计划期限未开始、抽取亦未进行"),
        )
    })
}

/// What is said of an item that is not of the plan.
pub fn foreign_item(field: impl Into<String>, item: &str, planned: &[String]) -> Violation {
    let listed = planned.join(", ");
    Violation {
        reason: ErrorReason::InspectionItemUnknown.as_str_name(),
        ..Violation::new(
            field,
            format!("\"{item}\" is not of this plan; its items are {listed}"),
            format!("“{item}”不是本计划的抽查事项；可用事项为 {listed}"),
        )
    }
}

fn unknown_code(index: usize, code: &str) -> Violation {
    let listed: Vec<&str> = codes::all().iter().map(|code| code.code).collect();
    let listed = listed.join(", ");
    Violation {
        reason: ErrorReason::ResultCodeUnknown.as_str_name(),
        ..Violation::new(
            format!("findings[{index}].resultCode"),
            format!("\"{code}\" is no result code; the standard's are {listed}"),
            format!("“{code}”不是抽查结果代码；标准代码为 {listed}"),
        )
    }
}

/// What is said of a subject that an order takes beyond its yearly cap 国办发〔2024〕54号: it is told, as a complaint is looked into all the same.
pub fn excess(uscc: &str, visits: i32, cap: i32, year: i32) -> Text {
    Text::new(
        format!("{uscc} has {visits} visits in {year} with this one, of {cap} that its grade allows"),
        format!("{uscc}连同本次在{year}年已有{visits}次检查，超过其等级的年度上限{cap}次"),
    )
}

/// Why a visit has fewer inspectors than the plan asks for; nothing where it has enough.
pub fn shortage(wanted: i32, drawn: usize, skipped: usize, skipped_always: usize) -> Option<Text> {
    let wanted = usize::try_from(wanted).unwrap_or_default();
    (drawn < wanted).then(|| {
        let registered = drawn + skipped + skipped_always;
        Text::new(
            format!(
                "{drawn} of {wanted} inspectors: the register has {registered} of the plan's departments and region, \
                 of whom {skipped_always} lack a skill or are not in service and {skipped} have a conflict or as many visits as allowed"
            ),
            format!(
                "应抽{wanted}名检查人员，仅抽得{drawn}名：名录库中本计划部门和区域内共{registered}名，\
                 其中{skipped_always}名不具备资质或不在岗，{skipped}名须回避或已达工作量上限"
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use contract::sampling::v1::Period;
    use jiff::civil::date;

    use super::*;

    fn plan() -> Plan {
        Plan {
            inspection_items: vec!["a".to_owned(), "b".to_owned()],
            inspectors_per_visit: 2,
            period: Some(Period { from: "2026-03-01".to_owned(), to: "2026-06-30".to_owned() }),
            ..Default::default()
        }
    }

    fn finding(item: &str, code: &str) -> Finding {
        Finding { inspection_item: item.to_owned(), result_code: code.to_owned(), text: String::new() }
    }

    fn fields(inspected_on: Date, findings: &[Finding]) -> Vec<String> {
        let plan = plan();
        let bounds = Bounds { plan: &plan, drawn_on: date(2026, 3, 10), today: date(2026, 3, 20) };
        let violations = judge(inspected_on, findings, &bounds).err().unwrap_or_default();
        violations.into_iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn a_record_is_dated_between_the_plan_and_today() {
        let fine = [finding("a", "R01")];
        for (day, holds) in [
            (date(2026, 3, 20), true),
            (date(2026, 3, 21), false),
            (date(2026, 3, 10), true),
            (date(2026, 3, 1), true),
            (date(2026, 2, 28), false),
        ] {
            assert_eq!(fields(day, &fine).is_empty(), holds, "{day}");
        }
    }

    #[test]
    fn findings_are_of_the_plan_and_of_the_standard() {
        let day = date(2026, 3, 20);
        assert_eq!(
            fields(day, &[finding("a", "R01"), finding("b", "R08"), finding("b", "R02")]),
            Vec::<String>::new()
        );
        assert_eq!(fields(day, &[finding("c", "R01")]), ["findings[0].inspectionItem"]);
        assert_eq!(fields(day, &[finding("a", "R01"), finding("b", "R99")]), ["findings[1].resultCode"]);
        assert_eq!(fields(day, &[finding("a", "R02"), finding("a", "R02")]), ["findings[1]"]);
    }

    #[test]
    fn publication_is_due_after_twenty_working_days() {
        // 2026-03-02 is a Monday; 清明节 takes 2026-04-06 out.
        let due = |inspected_on: Date| publish_due(inspected_on, "").map(|(term, _)| term.last_day);
        assert_eq!(due(date(2026, 3, 2)), Some(date(2026, 3, 30)));
        assert_eq!(due(date(2026, 3, 9)), Some(date(2026, 4, 7)));
        assert!(!overdue(Status::Recorded, "2026-03-30", date(2026, 3, 30)));
        assert!(overdue(Status::Recorded, "2026-03-30", date(2026, 3, 31)));
        assert!(!overdue(Status::Published, "2026-03-30", date(2026, 3, 31)));
        assert!(!overdue(Status::Planned, "", date(2026, 3, 31)));
    }

    #[test]
    fn a_team_is_what_the_plan_and_its_items_ask_for() {
        let item = |skill: &str| InspectionItem { skills: vec![skill.to_owned()], ..Default::default() };
        let found = team(&plan(), &[item("road"), item("vehicle"), item("road")]).unwrap();
        assert_eq!((found.size, found.skills.len(), found.workload_cap), (2, 2, u32::MAX));
        let capped = team(&Plan { visits_per_inspector: 3, ..plan() }, &[]).unwrap();
        assert_eq!((capped.skills.len(), capped.workload_cap, capped.from), (0, 3, date(2026, 3, 1)));
        assert!(team(&Plan { period: None, ..plan() }, &[]).is_none());
    }

    #[test]
    fn a_shortage_is_told_with_its_reasons() {
        assert_eq!(shortage(2, 2, 0, 5), None);
        let text = shortage(2, 1, 3, 4).unwrap();
        assert!(text.en.starts_with("1 of 2 inspectors: the register has 8"), "{}", text.en);
        assert!(text.zh.contains("4名不具备资质"), "{}", text.zh);
    }
}
