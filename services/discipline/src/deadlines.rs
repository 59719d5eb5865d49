//! Deadlines 办理期限: who owes what by when, over cases and what is filed about listings.
use std::sync::Arc;

use calendar::Calendar;
use chassis::{
    Answer, Context, Fault,
    page::{self, Page},
    storage::Filters,
};
use contract::discipline::v1::{
    self as api, ErrorReason,
    deadline::{State, Task},
    step::Kind,
};
use jiff::{ToSpan, civil::Date};
use sea_orm::FromQueryResult;

use crate::{Discipline, looks};

#[derive(FromQueryResult)]
struct Row {
    department: String,
    due_on: String,
    task: String,
    id: String,
    uscc: String,
    list_id: String,
    basis: String,
}

// The tasks of cases are named by the number of the step that is due.
const OPEN: &str = "SELECT department, due_on, CAST(due_step AS TEXT) AS task, case_id AS id, uscc, list_id, due_basis AS basis \
                    FROM cases WHERE due_on <> '' \
                    UNION ALL SELECT department, due_on, kind AS task, filing AS id, uscc, list_id, basis \
                    FROM filings WHERE state = 'OPEN'";

/// Lists what is due.
pub async fn list(
    app: &Arc<Discipline>,
    context: &Context,
    request: api::ListDeadlinesRequest,
) -> Answer<api::ListDeadlinesResponse> {
    let purpose = context.purpose(&request.purpose)?;
    let page = Page::of(request.page_size, &request.page_token)?;
    let department = theirs(context, &request.department)?;
    let as_of = match request.as_of.as_str() {
        "" => context.today(),
        on => on.parse().map_err(Fault::internal)?,
    };
    let late_on = if request.overdue { as_of.to_string() } else { String::new() };
    let mut of = Filters::new().given("department = $1", department).given("due_on < $1", &late_on);
    let mut after = page.after.splitn(3, '|');
    of = match (after.next(), after.next(), after.next()) {
        (Some(department), Some(due_on), Some(id)) => {
            of.and("(department, due_on, id) > ($1, $2, $3)", [department.into(), due_on.into(), id.into()])
        }
        _ if page.after.is_empty() => of,
        _ => return Err(page::strange_token()),
    };
    let db = app.store.read();
    let statement = of.sql(
        db,
        &format!("SELECT department, due_on, task, id, uscc, list_id, basis FROM ({OPEN}) open"),
        &format!("ORDER BY department, due_on, id LIMIT {}", page.fetch()),
    );
    let mut rows = Row::find_by_statement(statement).all(db).await?;
    let next_page_token = page.cut(&mut rows, |row| format!("{}|{}|{}", row.department, row.due_on, row.id));
    let mut subjects: Vec<&str> = rows.iter().map(|row| row.uscc.as_str()).collect();
    subjects.sort_unstable();
    subjects.dedup();
    looks::record(app, context, purpose, &subjects).await?;
    let deadlines = rows.into_iter().map(|row| row.shown(as_of)).collect::<Answer<_>>()?;
    Ok(api::ListDeadlinesResponse { deadlines, as_of: as_of.to_string(), next_page_token })
}

// The office asks of any department, a department of its own.
fn theirs<'a>(context: &'a Context, asked: &'a str) -> Answer<&'a str> {
    let caller = &context.caller;
    let own = caller.department();
    if caller.is_office() {
        return Ok(asked);
    }
    if own.is_empty() || !caller.enterprise().is_empty() || (!asked.is_empty() && asked != own) {
        return Err(Fault::denied(
            ErrorReason::NotOfDepartment.as_str_name(),
            "a department sees its own deadlines; the credit office sees all",
            "部门只能查看本部门的办理期限；信用联办可以查看全部",
        ));
    }
    Ok(own)
}

impl Row {
    fn shown(self, as_of: Date) -> Answer<api::Deadline> {
        let due: Date = self.due_on.parse().map_err(Fault::internal)?;
        let late = working_days_late(due, as_of, Calendar::national());
        let state = if as_of > due { State::Overdue } else { State::Due };
        Ok(api::Deadline {
            task: task(&self.task).into(),
            department: self.department,
            id: self.id,
            list_id: self.list_id,
            uscc: self.uscc,
            due_on: self.due_on,
            state: state.into(),
            working_days_late: late,
            basis: self.basis,
        })
    }
}

fn task(named: &str) -> Task {
    match named {
        "OBJECTION" => Task::DecideObjection,
        "REPAIR" => Task::DecideRepair,
        step => match step.parse::<i32>().ok().and_then(|step| Kind::try_from(step).ok()) {
            Some(Kind::Decide) => Task::DecideCase,
            Some(Kind::Serve) => Task::ServeCase,
            Some(Kind::Publish) => Task::PublishCase,
            _ => Task::Unspecified,
        },
    }
}

// Working days after the last day of the term, up to the date.
fn working_days_late(due: Date, as_of: Date, calendar: &Calendar) -> i32 {
    let after = due.series(1.day()).skip(1).take_while(|day| *day <= as_of);
    let worked = after.filter(|day| calendar.is_working_day(*day)).count();
    i32::try_from(worked).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn lateness_is_counted_in_working_days() {
        let late = |due, as_of| working_days_late(due, as_of, Calendar::national());
        assert_eq!(late(date(2026, 2, 13), date(2026, 2, 13)), 0);
        assert_eq!(late(date(2026, 3, 2), date(2026, 2, 13)), 0);
        // The Saturday before the Spring Festival is worked, the festival is not.
        assert_eq!(late(date(2026, 2, 13), date(2026, 2, 23)), 1);
        assert_eq!(late(date(2026, 2, 13), date(2026, 2, 25)), 3);
    }

    #[test]
    fn every_task_has_its_name() {
        let named = ["6", "7", "8", "OBJECTION", "REPAIR", "1"].map(task);
        let expected = [
            Task::DecideCase,
            Task::ServeCase,
            Task::PublishCase,
            Task::DecideObjection,
            Task::DecideRepair,
            Task::Unspecified,
        ];
        assert_eq!(named, expected);
    }
}
