//! Deadlines 报送期限: what the plan asks, what is due and overdue by department, and reminders of it.
pub mod open;
pub mod reminders;
mod rows;
mod rules;

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use chassis::{Answer, Context, Fault, language::Text, page::Page};
use contract::reporting::v1::{self as api, deadline::State};
use identifiers::Department;
use jiff::civil::Date;

use self::open::Open;
use crate::{Reporting, refusals};

/// Lists what is not met at a date, of the date's year.
pub async fn list(
    app: &Arc<Reporting>,
    context: &Context,
    request: api::ListDeadlinesRequest,
) -> Answer<api::ListDeadlinesResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let as_of = refusals::day(context, &request.as_of)?;
    let mut open = open::at(app.store.read(), as_of.year(), as_of).await?;
    open.retain(|one| request.department.is_empty() || one.department == request.department);
    let mut deadlines: Vec<api::Deadline> = open.iter().map(|one| deadline(one, as_of, context)).collect();
    let departments = lateness(&deadlines);
    deadlines.sort_by_key(key);
    deadlines.retain(|deadline| key(deadline) > page.after);
    let next_page_token = page.cut(&mut deadlines, key);
    Ok(api::ListDeadlinesResponse { deadlines, as_of: as_of.to_string(), next_page_token, departments })
}

// Departments one after the other, the earliest first; no two alike.
fn key(deadline: &api::Deadline) -> String {
    [&deadline.department, &deadline.due_on, &deadline.title, &deadline.work_plan]
        .map(String::as_str)
        .join("\u{1f}")
}

fn deadline(open: &Open, as_of: Date, context: &Context) -> api::Deadline {
    let late = rules::late(open.due_on, as_of);
    api::Deadline {
        department: open.department.clone(),
        title: open.title.get(context.language).to_owned(),
        due_on: open.due_on.to_string(),
        state: if late > 0 { State::Overdue } else { State::Due }.into(),
        basis: open.basis.clone(),
        work_plan: open.work_plan.clone(),
        owner: open.owner.clone(),
        working_days_late: late.into(),
    }
}

fn lateness(deadlines: &[api::Deadline]) -> Vec<api::Lateness> {
    let mut found: BTreeMap<&str, api::Lateness> = BTreeMap::new();
    for deadline in deadlines {
        let own = found.entry(&deadline.department).or_default();
        if deadline.state() == State::Overdue {
            own.overdue += 1;
        } else {
            own.due += 1;
        }
        own.working_days_late = own.working_days_late.max(deadline.working_days_late);
    }
    let named = |(department, lateness): (&str, api::Lateness)| api::Lateness {
        department: department.to_owned(),
        name: Department::parse(department).map_or(department, |known| known.name()).to_owned(),
        ..lateness
    };
    let mut found: Vec<api::Lateness> = found.into_iter().map(named).collect();
    found.sort_by_key(|one| Reverse((one.working_days_late, one.overdue)));
    found
}

/// Lists what the plan asks.
pub async fn obligations(
    _: &Arc<Reporting>,
    context: &Context,
    request: api::ListObligationsRequest,
) -> Answer<api::ListObligationsResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let as_of = refusals::day(context, &request.as_of)?;
    let asked = match request.department.as_str() {
        "" => None,
        given => Some(Department::parse(given).map_err(|fault| {
            let reason = api::ErrorReason::DepartmentUnknown.as_str_name();
            Fault::invalid(reason, fault.message_en(), fault.message_zh()).at("department")
        })?),
    };
    let duties = rules::duties(as_of);
    let departments = Department::all().filter(|one| asked.is_none_or(|asked| asked == *one));
    let mut obligations: Vec<api::Obligation> = Vec::new();
    for department in departments {
        let own = duties.iter().filter(|duty| duty.is_owed_by(department));
        obligations.extend(own.map(|duty| api::Obligation {
            department: department.slug().to_owned(),
            duty: duty.name.to_owned(),
            title: Text::new(duty.title_en, duty.title_zh).get(context.language).to_owned(),
            due_on: duty.due_on(as_of.year()).map(|day| day.to_string()).unwrap_or_default(),
            basis: duty.basis.to_owned(),
            followed: duty.followed,
            status: duty.status.to_owned(),
        }));
    }
    let key = |one: &api::Obligation| format!("{}|{}", one.department, one.duty);
    obligations.sort_by_key(key);
    obligations.retain(|one| key(one) > page.after);
    let next_page_token = page.cut(&mut obligations, key);
    Ok(api::ListObligationsResponse { obligations, next_page_token })
}
