//! What is open at a date: duties of the year that are not met, and tasks of plans that are not done.
use chassis::{Answer, language::Text, storage::corrupt};
use contract::reporting::v1::Task;
use identifiers::Department;
use jiff::civil::Date;
use sea_orm::ConnectionTrait;

use super::rules::{self, Debt, Matter};
use crate::{
    summaries::{self, Handed},
    work_plans::{self, Plan},
};

/// One thing that is open.
pub struct Open {
    /// What, for the tables: a duty of a year, or a task of a plan.
    pub matter: String,
    /// By whom.
    pub department: String,
    /// What, in words.
    pub title: Text,
    /// By when.
    pub due_on: Date,
    /// The document or plan that sets the day.
    pub basis: String,
    /// The work plan that it stands in; empty where it is none's.
    pub work_plan: String,
    /// The office that answers for it.
    pub owner: String,
}

/// What of a year is open at a date.
pub async fn at(db: &impl ConnectionTrait, year: i16, as_of: Date) -> Answer<Vec<Open>> {
    let day = as_of.to_string();
    let mut plans = work_plans::submitted(db, year).await?;
    plans.retain(|plan| plan.stands(&day));
    let mut summaries = summaries::handed_in(db, year).await?;
    summaries.retain(|summary| summary.stands(&day));
    let debts = rules::owed(year).into_iter().filter(|debt| !is_met(debt, &plans, &summaries));
    let mut open: Vec<Open> = debts.map(|debt| duty(&debt, year)).collect();
    for plan in &plans {
        open.extend(tasks(plan, &day)?);
    }
    Ok(open)
}

// The credit office hands summaries in on the departments' behalf too.
fn is_met(debt: &Debt, plans: &[Plan], summaries: &[Handed]) -> bool {
    let slug = debt.department.slug();
    let office = Department::CREDIT_OFFICE.slug();
    match debt.matter {
        Matter::WorkPlan => plans.iter().any(|plan| plan.plan.department == slug),
        Matter::Summary(domain) => summaries.iter().any(|summary| {
            summary.domain == domain.code() && (summary.department == slug || summary.department == office)
        }),
    }
}

fn duty(debt: &Debt, year: i16) -> Open {
    let (matter, title) = match debt.matter {
        Matter::WorkPlan => ("work-plan".to_owned(), Text::new("Work plan of the year", "年度工作方案")),
        Matter::Summary(domain) => (
            format!("summary-{}", domain.code()),
            Text::new(
                format!("Summary of {} ({})", domain.code(), domain.slug()),
                format!("{}{}工作总结", domain.code(), domain.name()),
            ),
        ),
    };
    Open {
        matter: format!("{matter}-{year}"),
        department: debt.department.slug().to_owned(),
        title,
        due_on: debt.due_on,
        basis: debt.basis.to_owned(),
        work_plan: String::new(),
        owner: debt.department.name().to_owned(),
    }
}

fn tasks(Plan { plan, .. }: &Plan, day: &str) -> Answer<Vec<Open>> {
    let undone = plan.tasks.iter().filter(|task| task.done_on.is_empty() || task.done_on.as_str() > day);
    let open = |task: &Task| -> Answer<Open> {
        Ok(Open {
            matter: format!("task-{}-{}", plan.work_plan_id, task.number),
            department: plan.department.clone(),
            title: Text::new(task.title.as_str(), task.title.as_str()),
            due_on: task.due_on.parse().map_err(|error| corrupt("task", error))?,
            basis: String::new(),
            work_plan: plan.work_plan_id.clone(),
            owner: task.owner.clone(),
        })
    };
    undone.map(open).collect()
}
