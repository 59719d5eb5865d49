//! Fieldwork 现场检查: assignments, arrival, attachments, signatures, rectification and hand-over.
pub mod arrivals;
pub mod attachments;
pub mod rectifications;
mod rows;
pub mod rules;
pub mod signatures;
pub mod suggestions;

use std::sync::Arc;

use chassis::{Answer, Context, Fault, page::Page, storage::corrupt};
use contract::sampling::v1::{self as api, ErrorReason, visit::Status};
use identifiers::Uscc;

pub use self::rows::{OnSite, of_visits};
use self::rows::{Which, Whose};
use crate::{
    Sampling, plans, rights,
    visits::{self, Stored},
};

// A visit and its plan, for an official who looks.
async fn find(
    app: &Arc<Sampling>,
    context: &Context,
    visit: &str,
    purpose: &str,
) -> Answer<(Stored, api::Plan)> {
    rights::official(context)?;
    let purpose = context.purpose(purpose)?;
    let db = app.store.read();
    let found = visits::find(db, visit).await?;
    let found = found.ok_or_else(|| Fault::not_found("visit", "检查任务", visit))?;
    let plan = plans::of_draws(db, &[&found.draw]).await?.remove(&found.draw);
    let plan = plan.ok_or_else(|| corrupt("visit", "its plan is gone"))?;
    rights::look(app, context, purpose, visit).await?;
    Ok((found, plan))
}

/// The day on which what was found turned out to be put right; empty: it did not.
pub fn corrected_on(rectification: &api::Rectification) -> String {
    let corrected = rectification.rechecks.iter().find(|recheck| recheck.corrected);
    corrected.map(|recheck| recheck.rechecked_on.clone()).unwrap_or_default()
}

// Only what was found can be put right or handed over.
fn found_something(visit: &Stored) -> Answer<()> {
    visits::in_state(
        visit,
        &[Status::Recorded, Status::Published],
        "this is for a visit whose findings are recorded",
        "本操作适用于已录入结果的任务",
    )?;
    if visit.found {
        return Ok(());
    }
    let id = &visit.visit_id;
    Err(Fault::precondition(
        ErrorReason::NothingFound.as_str_name(),
        format!("visit \"{id}\" found no problem, so that there is nothing to put right or to hand over"),
        format!("检查任务“{id}”未发现问题，无需责令改正或移送"),
    ))
}

/// Gives a visit.
pub async fn get(
    app: &Arc<Sampling>,
    context: &Context,
    request: api::GetVisitRequest,
) -> Answer<api::Visit> {
    let (visit, plan) = find(app, context, &request.visit, &request.purpose).await?;
    let mut wired = visits::wires(app.store.read(), context, &plan, vec![visit]).await?;
    wired.pop().ok_or_else(|| corrupt("visit", "it is gone"))
}

/// Lists visits of an inspector, a department, a subject; counts what is overdue among them.
pub async fn assignments(
    app: &Arc<Sampling>,
    context: &Context,
    request: api::ListAssignmentsRequest,
) -> Answer<api::ListAssignmentsResponse> {
    rights::official(context)?;
    let purpose = context.purpose(&request.purpose)?;
    let page = Page::of(request.page_size, &request.page_token)?;
    let uscc = match request.uscc.trim() {
        "" => String::new(),
        given => {
            let code = Uscc::parse_tolerant(given).map_err(|fault| rights::code_fault("uscc", &fault))?;
            code.0.as_str().to_owned()
        }
    };
    let whose = Whose { inspector: &request.inspector, department: &request.department, uscc: &uscc };
    let which = Which {
        status: request.status,
        overdue: request.overdue,
        rectification_overdue: request.rectification_overdue,
    };
    let (db, today) = (app.store.read(), context.today().to_string());
    let mut ids = rows::assignments(db, &whose, &which, &today, &page).await?;
    let next_page_token = page.cut(&mut ids, Clone::clone);
    let counts = rows::count(db, &whose, &today).await?;
    let looked = [&request.inspector, &request.department, &uscc].into_iter().find(|one| !one.is_empty());
    rights::look(app, context, purpose, looked.map_or("visits", String::as_str)).await?;
    let count = |number: i64| i32::try_from(number).unwrap_or(i32::MAX);
    Ok(api::ListAssignmentsResponse {
        visits: visits::wires_of(db, context, &ids).await?,
        next_page_token,
        planned: count(counts.planned),
        overdue: count(counts.overdue),
        rectification_overdue: count(counts.rectification_overdue),
    })
}
