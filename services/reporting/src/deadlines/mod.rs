//! Deadlines 报送期限: what each department owes the credit office, and what its own plan promised.
mod rules;

use std::sync::Arc;

use chassis::{Answer, Context, Fault, page::Page};
use contract::reporting::v1 as api;
use jiff::civil::Date;

use crate::{Reporting, summaries, work_plans};

/// Lists what is due in the year and what is overdue, earliest first.
pub async fn list(app: &Arc<Reporting>, context: &Context, request: api::ListDeadlinesRequest) -> Answer<api::ListDeadlinesResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let as_of: Date = match request.as_of.as_str() {
        "" => context.today(),
        given => given.parse().map_err(|_| Fault::field("asOf", "is not a date", "不是日期"))?,
    };
    let obligations = rules::obligations().map_err(Fault::internal)?;
    let plans = work_plans::all(app).await?;
    let reported = summaries::reported(app, &as_of.to_string()).await?;
    let mut deadlines = rules::open(&obligations, &plans, &reported, as_of);
    deadlines.retain(|one| request.department.is_empty() || one.department == request.department);
    let key = |one: &api::Deadline| format!("{}|{}|{}", one.due_on, one.department, one.title);
    deadlines.sort_by_key(key);
    let mut rest: Vec<_> = deadlines.into_iter().filter(|one| key(one) > page.after).collect();
    let next_page_token = page.cut(&mut rest, key);
    Ok(api::ListDeadlinesResponse { deadlines: rest, as_of: as_of.to_string(), next_page_token })
}
