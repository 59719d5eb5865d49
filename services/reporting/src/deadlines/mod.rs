//! Deadlines 报送期限: what is due, and what is overdue, by department.
mod rules;

use std::sync::Arc;

use chassis::{Answer, Context, Fault, language::Text, page::Page};
use contract::reporting::v1::{self as api, deadline::State};
use identifiers::Department;
use jiff::civil::Date;

use self::rules::{Debt, Matter};
use crate::{
    Reporting,
    summaries::{self, Composed},
    work_plans::{self, Plan},
};

/// Lists what is not met at a date, of the date's year.
pub async fn list(
    app: &Arc<Reporting>,
    context: &Context,
    request: api::ListDeadlinesRequest,
) -> Answer<api::ListDeadlinesResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let as_of: Date = match request.as_of.as_str() {
        "" => context.today(),
        date => date.parse().map_err(Fault::internal)?,
    };
    let db = app.store.read();
    let day = as_of.to_string();
    let mut plans = work_plans::submitted(db, as_of.year()).await?;
    plans.retain(|plan| plan.submitted_on <= day);
    let mut summaries = summaries::of_year(db, as_of.year()).await?;
    summaries.retain(|summary| summary.composed_on <= day);

    let open = rules::owed(as_of.year()).into_iter().filter(|debt| !is_met(debt, &plans, &summaries));
    let mut deadlines: Vec<api::Deadline> =
        open.map(|debt| deadline(&debt, as_of, context)).chain(tasks(&plans, &day)).collect();
    deadlines.retain(|deadline| request.department.is_empty() || deadline.department == request.department);
    deadlines.sort_by_key(key);
    deadlines.retain(|deadline| key(deadline) > page.after);
    let next_page_token = page.cut(&mut deadlines, key);
    Ok(api::ListDeadlinesResponse { deadlines, as_of: day, next_page_token })
}

// Departments one after the other, the earliest first; no two alike.
fn key(deadline: &api::Deadline) -> String {
    [&deadline.department, &deadline.due_on, &deadline.title, &deadline.work_plan]
        .map(String::as_str)
        .join("\u{1f}")
}

// The credit office composes summaries on the departments' behalf too.
fn is_met(debt: &Debt, plans: &[Plan], summaries: &[Composed]) -> bool {
    let slug = debt.department.slug();
    let office = Department::CREDIT_OFFICE.slug();
    match debt.matter {
        Matter::WorkPlan => plans.iter().any(|plan| plan.plan.department == slug),
        Matter::Summary(domain) => summaries.iter().any(|summary| {
            summary.domain == domain.code() && (summary.department == slug || summary.department == office)
        }),
    }
}

fn deadline(debt: &Debt, as_of: Date, context: &Context) -> api::Deadline {
    let title = match debt.matter {
        Matter::WorkPlan => Text::new("Work plan of the year", "年度工作方案"),
        Matter::Summary(domain) => Text::new(
            format!("Summary of {} ({})", domain.code(), domain.slug()),
            format!("{}{}工作总结", domain.code(), domain.name()),
        ),
    };
    let state = if rules::is_overdue(debt.due_on, as_of) { State::Overdue } else { State::Due };
    api::Deadline {
        department: debt.department.slug().to_owned(),
        title: title.get(context.language).to_owned(),
        due_on: debt.due_on.to_string(),
        state: state.into(),
        basis: debt.basis.to_owned(),
        work_plan: String::new(),
        owner: debt.department.name().to_owned(),
    }
}

// A submitted plan's tasks are due until their day; whether they were done then is not reported yet, so none is called overdue.
fn tasks<'a>(plans: &'a [Plan], day: &'a str) -> impl Iterator<Item = api::Deadline> + 'a {
    plans.iter().flat_map(move |Plan { plan, .. }| {
        let due = plan.tasks.iter().filter(move |task| task.due_on.as_str() >= day);
        due.map(move |task| api::Deadline {
            department: plan.department.clone(),
            title: task.title.clone(),
            due_on: task.due_on.clone(),
            state: State::Due.into(),
            basis: String::new(),
            work_plan: plan.work_plan_id.clone(),
            owner: task.owner.clone(),
        })
    })
}
