//! What each department owes in a year, and by when: dated data, and the plan's departments and domains. Pure.
use std::sync::LazyLock;

use identifiers::{Department, Domain};
use jiff::civil::Date;

/// What is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Matter {
    /// The department's work plan of the year 工作方案.
    WorkPlan,
    /// The summary of a domain that the department leads 工作总结.
    Summary(Domain),
}

/// One thing owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debt {
    /// By whom.
    pub department: Department,
    /// What.
    pub matter: Matter,
    /// By when.
    pub due_on: Date,
    /// The document that says so.
    pub basis: &'static str,
}

/// A row of the dated data.
struct Duty {
    name: &'static str,
    month: i8,
    day: i8,
    basis: &'static str,
    effective_from: Date,
    effective_to: Option<Date>,
}

static DUTIES: LazyLock<Vec<Duty>> = LazyLock::new(|| {
    let lines = include_str!("../../data/obligations.csv").lines().filter(|line| !line.starts_with('#'));
    lines.skip(1).filter_map(duty).collect()
});

fn duty(line: &'static str) -> Option<Duty> {
    let columns: Vec<&str> = line.split(',').collect();
    let [name, due, basis, from, to, _status] = columns[..] else { return None };
    let (month, day) = due.split_once('-')?;
    Some(Duty {
        name,
        month: month.parse().ok()?,
        day: day.parse().ok()?,
        basis,
        effective_from: from.parse().ok()?,
        effective_to: to.parse().ok(),
    })
}

/// What the departments owe in a year; of two rows in force for a duty the later one counts.
pub fn owed(year: i16) -> Vec<Debt> {
    let departments = Department::all().filter(|department| *department != Department::CREDIT_OFFICE);
    let plans = departments.map(|department| (department, Matter::WorkPlan));
    let summaries = Domain::all().flat_map(|domain| {
        domain.lead_departments().map(move |department| (department, Matter::Summary(domain)))
    });
    let due = |name: &str| {
        let dated = DUTIES.iter().filter(|duty| duty.name == name).filter_map(|duty| {
            let due_on = Date::new(year, duty.month, duty.day).ok()?;
            let in_force = duty.effective_from <= due_on && duty.effective_to.is_none_or(|end| due_on <= end);
            in_force.then_some((duty.effective_from, due_on, duty.basis))
        });
        dated.max_by_key(|(from, ..)| *from).map(|(_, due_on, basis)| (due_on, basis))
    };
    let (plan, summary) = (due("work-plan"), due("summary"));
    plans
        .chain(summaries)
        .filter_map(|(department, matter)| {
            let (due_on, basis) = if matter == Matter::WorkPlan { plan? } else { summary? };
            Some(Debt { department, matter, due_on, basis })
        })
        .collect()
}

/// Whether a day that was due has passed at a date.
pub fn is_overdue(due_on: Date, as_of: Date) -> bool {
    due_on < as_of
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().expect("a date")
    }

    #[test]
    fn every_department_owes_a_plan_and_each_lead_a_summary() {
        assert_eq!(DUTIES.len(), 2, "every row of the data is readable");
        let owed = owed(2026);
        let plans: Vec<_> = owed.iter().filter(|debt| debt.matter == Matter::WorkPlan).collect();
        assert_eq!(plans.len(), 22);
        assert!(plans.iter().all(|debt| debt.due_on == day("2026-09-30")));
        let transport = Department::parse("transport").expect("a department");
        let summaries: Vec<_> = owed
            .iter()
            .filter(|debt| debt.department == transport && debt.matter != Matter::WorkPlan)
            .collect();
        assert_eq!(summaries.len(), 2, "工程建设 and 交通运输");
        assert!(summaries.iter().all(|debt| debt.due_on == day("2026-12-09")));
    }

    #[test]
    fn nothing_is_owed_before_the_plan() {
        assert_eq!(owed(2021), []);
    }

    #[test]
    fn the_last_day_is_in_time() {
        assert!(!is_overdue(day("2026-09-30"), day("2026-09-30")));
        assert!(is_overdue(day("2026-09-30"), day("2026-10-01")));
    }
}
