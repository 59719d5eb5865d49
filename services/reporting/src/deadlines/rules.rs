//! What is owed by when: the yearly obligations as dated data, and the tasks of submitted plans.
use contract::reporting::v1::{Deadline, WorkPlan, deadline, work_plan};
use identifiers::Department;
use jiff::civil::Date;
use serde::Deserialize;

/// What kind of report an obligation asks for.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Kind {
    /// The year's work plan 工作方案.
    WorkPlan,
    /// The year's summaries 总结说明.
    Summary,
}

/// A yearly obligation, in force between two days.
#[derive(Debug, Deserialize)]
pub struct Obligation {
    kind: Kind,
    month: i8,
    day: i8,
    title: String,
    // Dates as they stand in the table: in this form they compare as texts.
    effective_from: String,
    effective_to: String,
    basis: String,
}

/// The built-in obligations of the plan 吴信用联办〔2022〕8号, part 三.
pub fn obligations() -> Result<Vec<Obligation>, csv::Error> {
    csv::Reader::from_reader(include_str!("../../data/obligations.csv").as_bytes()).deserialize().collect()
}

/// What stands open on a day: the obligations of its year that a department has not met, and tasks of submitted plans.
/// `reported` are the departments of the summaries with the days on which they were made.
pub fn open(obligations: &[Obligation], plans: &[WorkPlan], reported: &[(String, String)], as_of: Date) -> Vec<Deadline> {
    let mut open = Vec::new();
    for obligation in obligations {
        let Ok(due) = Date::new(as_of.year(), obligation.month, obligation.day) else { continue };
        let day = due.to_string();
        let ended = !obligation.effective_to.is_empty() && day > obligation.effective_to;
        let in_force = day >= obligation.effective_from && !ended;
        // The office receives what the departments report.
        let owing = Department::all().filter(|department| *department != Department::CREDIT_OFFICE);
        for department in owing.filter(|department| in_force && !met(obligation.kind, *department, plans, reported, as_of)) {
            open.push(Deadline {
                department: department.slug().to_owned(),
                title: obligation.title.clone(),
                due_on: due.to_string(),
                state: state(due, as_of) as i32,
                basis: obligation.basis.clone(),
                ..Default::default()
            });
        }
    }
    for plan in plans.iter().filter(|plan| plan.state() == work_plan::State::Submitted) {
        for task in &plan.tasks {
            let Ok(due) = task.due_on.parse::<Date>() else { continue };
            open.push(Deadline {
                department: plan.department.clone(),
                title: task.title.clone(),
                due_on: task.due_on.clone(),
                state: state(due, as_of) as i32,
                work_plan: plan.work_plan_id.clone(),
                owner: task.owner.clone(),
                ..Default::default()
            });
        }
    }
    open
}

fn met(kind: Kind, department: Department, plans: &[WorkPlan], reported: &[(String, String)], as_of: Date) -> bool {
    match kind {
        Kind::WorkPlan => plans.iter().any(|plan| {
            plan.department == department.slug()
                && plan.year == i32::from(as_of.year())
                && plan.state() == work_plan::State::Submitted
        }),
        Kind::Summary => reported
            .iter()
            .any(|(slug, day)| slug == department.slug() && day.parse().is_ok_and(|day: Date| day.year() == as_of.year())),
    }
}

// A deadline lasts to the end of its day.
fn state(due: Date, as_of: Date) -> deadline::State {
    if as_of > due { deadline::State::Overdue } else { deadline::State::Due }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(text: &str) -> Date {
        text.parse().expect("a date")
    }

    #[test]
    fn the_plans_own_dates_fall_due_and_overdue() {
        let obligations = obligations().expect("the built-in rows read");
        for (day, plans_state, summaries_state) in [
            ("2026-09-30", deadline::State::Due, deadline::State::Due),
            ("2026-10-01", deadline::State::Overdue, deadline::State::Due),
            ("2026-12-10", deadline::State::Overdue, deadline::State::Overdue),
        ] {
            let open = open(&obligations, &[], &[], on(day));
            // 22 departments owe two reports each.
            assert_eq!(open.len(), 44, "{day}");
            let of = |due: &str| open.iter().find(|one| one.due_on == due).map(Deadline::state);
            assert_eq!(of("2026-09-30"), Some(plans_state), "{day}");
            assert_eq!(of("2026-12-09"), Some(summaries_state), "{day}");
        }
        assert!(open(&obligations, &[], &[], on("2022-08-31")).iter().all(|one| one.due_on.starts_with("2022-")));
        assert!(open(&obligations, &[], &[], on("2021-12-31")).is_empty(), "not yet in force");
    }

    #[test]
    fn what_was_reported_is_no_longer_owed() {
        let obligations = obligations().expect("the built-in rows read");
        let mut plan = WorkPlan { department: String::from("transport"), year: 2026, ..Default::default() };
        plan.set_state(work_plan::State::Submitted);
        let reported = [(String::from("transport"), String::from("2026-12-01"))];
        let open = open(&obligations, &[plan], &reported, on("2026-12-31"));
        assert!(open.iter().all(|one| one.department != "transport"));
        assert_eq!(open.len(), 42);
    }
}
