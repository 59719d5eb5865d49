//! What each department owes in a year, by when, and when it is reminded: dated data, and the plan's departments and domains. Pure.
use std::sync::LazyLock;

use calendar::Calendar;
use identifiers::{Department, Domain};
use jiff::{SignedDuration, civil::Date};

// The plan is Wuzhong's: working days are counted with the holidays of its region.
static CALENDAR: LazyLock<Calendar> = LazyLock::new(|| Calendar::of_region("640300"));

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

/// Something that the plan asks: a row of the dated data.
pub struct Duty {
    /// Its name, for example `work-plan`.
    pub name: &'static str,
    who: &'static str,
    // The part of 二 whose departments owe it; 0: every department.
    task: usize,
    due: Option<(i8, i8)>,
    /// Whether a deadline is kept for each who owes it.
    pub followed: bool,
    /// What is asked.
    pub title_en: &'static str,
    /// The same in Chinese.
    pub title_zh: &'static str,
    /// The document that asks it.
    pub basis: &'static str,
    effective_from: Date,
    effective_to: Option<Date>,
    /// How well the source is known.
    pub status: &'static str,
}

static DUTIES: LazyLock<Vec<Duty>> =
    LazyLock::new(|| rows(include_str!("../../data/obligations.csv")).filter_map(|row| duty(&row)).collect());

// Which tasks of the plan's part 二 name a department, by its slug.
static TASKS: LazyLock<Vec<(&str, [bool; 4])>> = LazyLock::new(|| {
    let named = |row: Vec<&'static str>| {
        let [slug, tasks @ ..] = row.as_slice() else { return None };
        let tasks: [&str; 4] = tasks.get(..4)?.try_into().ok()?;
        Some((*slug, tasks.map(|named| named == "1")))
    };
    rows(include_str!("../../data/departments.csv")).filter_map(named).collect()
});

// On how many working days before (negative) and after a deadline it is reminded of, the earliest first.
static STAGES: LazyLock<Vec<i16>> = LazyLock::new(|| {
    let days = |row: Vec<&str>| row.first()?.parse().ok();
    let mut stages: Vec<i16> = rows(include_str!("../../data/reminders.csv")).filter_map(days).collect();
    stages.sort_unstable();
    stages
});

// The cells of a table of the data, its remarks and its head left out; no cell of it holds a comma.
fn rows(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    let lines = text.lines().filter(|line| !line.starts_with('#')).skip(1);
    lines.map(|line| line.split(',').collect())
}

fn duty(row: &[&'static str]) -> Option<Duty> {
    let [name, who, task, due, followed, title_en, title_zh, basis, from, to, status] = *row else {
        return None;
    };
    let due = match due.split_once('-') {
        Some((month, day)) => Some((month.parse().ok()?, day.parse().ok()?)),
        None => None,
    };
    Some(Duty {
        name,
        who,
        task: task.parse().ok()?,
        due,
        followed: followed == "1",
        title_en,
        title_zh,
        basis,
        effective_from: from.parse().ok()?,
        effective_to: to.parse().ok(),
        status,
    })
}

impl Duty {
    /// By when in a year; nothing where no day is named.
    pub fn due_on(&self, year: i16) -> Option<Date> {
        let (month, day) = self.due?;
        Date::new(year, month, day).ok()
    }

    fn is_in_force(&self, on: Date) -> bool {
        self.effective_from <= on && self.effective_to.is_none_or(|end| on <= end)
    }

    /// Whether a department owes it.
    pub fn is_owed_by(&self, department: Department) -> bool {
        let office = department == Department::CREDIT_OFFICE;
        match self.who {
            "office" | "city" => office,
            "lead" => Domain::all().any(|domain| domain.lead_departments().any(|lead| lead == department)),
            _ if office => false,
            _ => {
                let Some(place) = self.task.checked_sub(1) else { return true };
                TASKS
                    .iter()
                    .any(|(slug, tasks)| *slug == department.slug() && tasks.get(place) == Some(&true))
            }
        }
    }
}

/// What is in force on a day; of two rows of a duty the later one counts.
pub fn duties(on: Date) -> Vec<&'static Duty> {
    let in_force = || DUTIES.iter().filter(|duty| duty.is_in_force(on));
    let latest = |duty: &&Duty| {
        !in_force().any(|other| other.name == duty.name && other.effective_from > duty.effective_from)
    };
    in_force().filter(latest).collect()
}

/// What the departments owe in a year.
pub fn owed(year: i16) -> Vec<Debt> {
    let departments = Department::all().filter(|department| *department != Department::CREDIT_OFFICE);
    let plans = departments.map(|department| (department, Matter::WorkPlan));
    let summaries = Domain::all().flat_map(|domain| {
        domain.lead_departments().map(move |department| (department, Matter::Summary(domain)))
    });
    let due = |name: &str| {
        let dated = DUTIES.iter().filter(|duty| duty.name == name && duty.followed).filter_map(|duty| {
            let due_on = duty.due_on(year)?;
            duty.is_in_force(due_on).then_some((duty.effective_from, due_on, duty.basis))
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

/// By how many working days a day that was due has passed; 0: it has not. A deadline that passed on days off alone is late by one.
pub fn late(due_on: Date, as_of: Date) -> u16 {
    if as_of <= due_on { 0 } else { CALENDAR.working_days_between(due_on, as_of).max(1) }
}

// What was due longer ago is no news.
const NEWS: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Which reminder of a deadline is to stand on a day: the last whose day has come, and not so long ago that it is stale.
pub fn reminder(due_on: Date, today: Date) -> Option<i16> {
    let day_of = |stage: i16| match u16::try_from(stage) {
        Ok(after) => CALENDAR.add_working_days(due_on, after).last_day,
        Err(_) => CALENDAR.subtract_working_days(due_on, stage.unsigned_abs()),
    };
    let come = STAGES.iter().rev().find(|stage| day_of(**stage) <= today)?;
    let stale = day_of(*come).saturating_add(NEWS) < today;
    (!stale).then_some(*come)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().expect("a date")
    }

    fn department(slug: &str) -> Department {
        Department::parse(slug).expect("a department")
    }

    #[test]
    fn every_department_owes_a_plan_and_each_lead_a_summary() {
        let owed = owed(2026);
        let plans: Vec<_> = owed.iter().filter(|debt| debt.matter == Matter::WorkPlan).collect();
        assert_eq!(plans.len(), 22);
        assert!(plans.iter().all(|debt| debt.due_on == day("2026-09-30")));
        let transport = department("transport");
        let summaries: Vec<_> = owed
            .iter()
            .filter(|debt| debt.department == transport && debt.matter != Matter::WorkPlan)
            .collect();
        assert_eq!(summaries.len(), 2, "工程建设 and 交通运输");
        assert!(summaries.iter().all(|debt| debt.due_on == day("2026-12-09")));
    }

    #[test]
    fn every_row_of_the_data_is_readable() {
        assert_eq!((DUTIES.len(), TASKS.len(), STAGES.len()), (8, 22, 6));
        assert!(TASKS.iter().all(|(slug, _)| Department::parse(slug).is_ok()));
        assert_eq!(duties(day("2026-03-02")).len(), 8);
        assert_eq!(duties(day("2021-12-31")).len(), 0);
    }

    #[test]
    fn a_department_owes_what_the_plan_names_it_for() {
        let owes = |slug: &str| -> Vec<&str> {
            let all = duties(day("2026-03-02")).into_iter();
            all.filter(|duty| duty.is_owed_by(department(slug))).map(|duty| duty.name).collect()
        };
        assert_eq!(owes("natural-resources"), ["work-plan", "implementation"], "it has task （一） alone");
        assert_eq!(owes("credit-office"), ["coordination", "coverage-goal"]);
        assert_eq!(
            owes("transport"),
            [
                "work-plan",
                "implementation",
                "superior-rule",
                "list-reporting",
                "summary",
                "summary-attachments"
            ]
        );
        assert_eq!(owes("grain"), ["work-plan", "implementation", "superior-rule", "list-reporting"]);
    }

    #[test]
    fn nothing_is_owed_before_the_plan() {
        assert_eq!(owed(2021), []);
    }

    #[test]
    fn the_last_day_is_in_time() {
        assert_eq!(late(day("2026-09-30"), day("2026-09-30")), 0);
        // The national holiday is from 10-01 to 10-07, 10-10 is worked.
        assert_eq!(late(day("2026-09-30"), day("2026-10-03")), 1);
        assert_eq!(late(day("2026-09-30"), day("2026-10-12")), 4);
    }

    #[test]
    fn the_last_reminder_whose_day_has_come_stands() {
        let due = day("2026-12-09");
        for (today, stage) in [
            ("2026-11-24", None),
            ("2026-11-25", Some(-10)),
            ("2026-12-01", Some(-10)),
            ("2026-12-02", Some(-5)),
            ("2026-12-08", Some(-1)),
            ("2026-12-09", Some(-1)),
            ("2026-12-10", Some(1)),
            ("2026-12-23", Some(10)),
            ("2027-01-22", Some(10)),
            ("2027-01-23", None),
        ] {
            assert_eq!(reminder(due, day(today)), stage, "{today}");
        }
    }
}
