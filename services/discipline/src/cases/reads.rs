//! Cases as they are read: one, or a page of them.
use std::sync::Arc;

use calendar::Calendar;
use chassis::{Answer, Context, Fault, page::Page};
use contract::discipline::v1::{self as api, case::State, step::Kind};
use identifiers::Uscc;
use jiff::civil::Date;
use sea_orm::ConnectionTrait;

use super::{
    course::Course,
    refusals,
    rows::{self, Stored},
    standing,
};
use crate::{Discipline, directory, listings, looks, papers};

/// The case as the contract shows it: with what follows from its list, the calendar and the day.
pub async fn shown(db: &impl ConnectionTrait, stored: Stored, today: Date) -> Answer<api::Case> {
    let list = directory::version::<api::List>(db, &stored.case.list_id, stored.list_version).await?;
    let (calendar, course) = (Calendar::of_region(&stored.region), Course::of(&list));
    let standing = standing(&stored.case, &course, &calendar);
    let next_steps = standing.next_steps();
    let undecided = next_steps.contains(&Kind::Drop);
    let earliest = standing.earliest_decision().filter(|_| undecided);
    let due = standing.due().map(|(step, term, basis)| api::Due {
        step: step.into(),
        due_on: term.last_day.to_string(),
        provisional: term.provisional,
        basis: basis.to_owned(),
        overdue: term.last_day < today,
    });
    let mut case = stored.case;
    case.due = due;
    case.next_steps = next_steps.into_iter().map(i32::from).collect();
    if let Some(earliest) = earliest {
        case.earliest_decision_on = earliest.on.to_string();
        case.provisional = earliest.provisional;
    }
    if case.state() == State::Listed {
        case.listing = listings::find(db, &case.case_id, today).await?;
    }
    Ok(case)
}

/// Gives one case.
pub async fn get(
    app: &Arc<Discipline>,
    context: &Context,
    request: api::GetCaseRequest,
) -> Answer<api::Case> {
    let purpose = context.purpose(&request.purpose)?;
    let db = app.store.read();
    let found = rows::find(db, &request.case).await?.filter(|stored| may_see(context, &stored.case));
    let stored = found.ok_or_else(|| Fault::not_found("case", "案件", &request.case))?;
    looks::record(app, context, purpose, &[&stored.case.uscc]).await?;
    let mut case = shown(db, stored, context.today()).await?;
    papers::cut(context, &mut case);
    Ok(case)
}

/// A case that the caller may see, with the wording that it goes by.
pub async fn seen(
    db: &impl ConnectionTrait,
    context: &Context,
    case: &str,
) -> Answer<(api::Case, api::List)> {
    let found = rows::find(db, case).await?.filter(|stored| may_see(context, &stored.case));
    let stored = found.ok_or_else(|| Fault::not_found("case", "案件", case))?;
    let list = directory::version(db, &stored.case.list_id, stored.list_version).await?;
    Ok((stored.case, list))
}

// An enterprise's own client sees its own cases.
fn may_see(context: &Context, case: &api::Case) -> bool {
    let enterprise = context.caller.enterprise();
    enterprise.is_empty() || enterprise == case.uscc
}

/// Lists cases.
pub async fn list(
    app: &Arc<Discipline>,
    context: &Context,
    request: api::ListCasesRequest,
) -> Answer<api::ListCasesResponse> {
    let purpose = context.purpose(&request.purpose)?;
    let page = Page::of(request.page_size, &request.page_token)?;
    let asked = match request.uscc.as_str() {
        "" => String::new(),
        code => Uscc::parse_tolerant(code).map_err(|fault| refusals::code(&fault))?.0.to_string(),
    };
    let enterprise = context.caller.enterprise();
    if !enterprise.is_empty() && !asked.is_empty() && asked != enterprise {
        return Ok(api::ListCasesResponse::default());
    }
    let uscc = if enterprise.is_empty() { asked.as_str() } else { enterprise };
    let db = app.store.read();
    let filter = rows::Filter { uscc, list: &request.list, state: request.state, before: &page.after };
    let mut found = rows::list(db, filter, page.fetch()).await?;
    let next_page_token = page.cut(&mut found, |stored| stored.case.case_id.clone());
    let mut subjects: Vec<&str> = found.iter().map(|stored| stored.case.uscc.as_str()).collect();
    subjects.sort_unstable();
    subjects.dedup();
    looks::record(app, context, purpose, &subjects).await?;
    let mut cases = Vec::with_capacity(found.len());
    for stored in found {
        let mut case = shown(db, stored, context.today()).await?;
        papers::cut(context, &mut case);
        cases.push(case);
    }
    Ok(api::ListCasesResponse { cases, next_page_token })
}
