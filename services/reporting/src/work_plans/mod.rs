//! Work plans 工作方案: drafted and changed, handed in version by version, reviewed, their tasks reported.
mod review;
mod rows;
pub mod rules;
mod tasks;

use std::sync::Arc;

use chassis::{Answer, Context, Fault, Tx, clock::wire, fault::Violation, ids, page::Page};
use contract::reporting::v1::{self as api, ErrorReason, work_plan::State};
use identifiers::Department;
use sea_orm::ConnectionTrait;

pub use self::{
    review::{accept, return_, submit},
    rows::{Plan, find, submitted},
    tasks::report,
};
use crate::{Reporting, refusals};

/// Drafts a plan. A department may draft several; it submits one.
pub async fn create(
    _: &Arc<Reporting>,
    context: &Context,
    tx: &Tx,
    request: api::CreateWorkPlanRequest,
) -> Answer<api::WorkPlan> {
    let given = request.work_plan.unwrap_or_default();
    let department = department(context, given.department.trim())?;
    let plan = api::WorkPlan {
        work_plan_id: ids::fresh(context.now)?,
        department,
        year: given.year,
        tasks: planned(given.year, given.tasks, &given.attachments)?,
        attachments: given.attachments,
        state: State::Draft.into(),
        create_time: Some(wire(context.now)),
        etag: ids::fresh(context.now)?,
        ..Default::default()
    };
    rows::insert(tx, &plan, context.now).await?;
    Ok(plan)
}

/// Changes a draft.
pub async fn update(
    _: &Arc<Reporting>,
    context: &Context,
    tx: &Tx,
    request: api::UpdateWorkPlanRequest,
) -> Answer<api::WorkPlan> {
    let given = request.work_plan.unwrap_or_default();
    let draft = find(&**tx, &given.work_plan_id).await?.plan;
    refusals::stranger(context, &draft.department)?;
    in_draft(&draft)?;
    refusals::stale(&given.etag, &draft.etag)?;
    let tasks = planned(draft.year, given.tasks, &given.attachments)?;
    let changed = api::WorkPlan {
        tasks,
        attachments: given.attachments,
        etag: ids::fresh(context.now)?,
        ..draft.clone()
    };
    match rows::replace(tx, &changed, &draft.etag).await? {
        true => Ok(changed),
        false => Err(refusals::changed_meanwhile()),
    }
}

fn in_draft(plan: &api::WorkPlan) -> Answer<()> {
    rules::in_state(
        plan.state(),
        &[State::Draft],
        "only a draft can be changed; draft another",
        "只有草案可以修改；请另拟一份",
    )
}

/// Refuses an attachment to a plan that is another's or handed in.
pub async fn open(db: &impl ConnectionTrait, context: &Context, id: &str) -> Answer<String> {
    let plan = find(db, id).await?.plan;
    refusals::stranger(context, &plan.department)?;
    in_draft(&plan)?;
    Ok(plan.department)
}

// The tasks with their numbers, refused where a text tells of natural persons or a day is another year's.
fn planned(year: i32, tasks: Vec<api::Task>, attachments: &[String]) -> Answer<Vec<api::Task>> {
    let named = tasks.iter().enumerate();
    let of_tasks = named.flat_map(|(index, task)| {
        let field = |name: &str| format!("workPlan.tasks[{index}].{name}");
        [(field("title"), task.title.as_str()), (field("owner"), task.owner.as_str())]
    });
    let of_files = attachments.iter().enumerate();
    let of_files = of_files.map(|(index, text)| (format!("workPlan.attachments[{index}]"), text.as_str()));
    refusals::personal(of_tasks.chain(of_files))?;
    let owners = tasks.iter().enumerate();
    refusals::telephone(
        owners.map(|(index, task)| (format!("workPlan.tasks[{index}].owner"), task.owner.as_str())),
    )?;
    let wrong: Vec<Violation> = rules::days(year, &tasks);
    if !wrong.is_empty() {
        return Err(Fault::fields(wrong));
    }
    // What was reported of a task is the service's own.
    let own = |(number, task)| api::Task { number, done_on: String::new(), report: String::new(), ..task };
    Ok((1..).zip(tasks).map(own).collect())
}

// The caller's own department, or for the office one of the plan's.
fn department(context: &Context, given: &str) -> Answer<String> {
    let own = context.caller.department();
    let department = if given.is_empty() { own } else { given };
    refusals::stranger(context, department)?;
    if department == own && !own.is_empty() {
        return Ok(own.to_owned());
    }
    let parsed = Department::parse(department).map_err(|fault| {
        Fault::invalid(ErrorReason::DepartmentUnknown.as_str_name(), fault.message_en(), fault.message_zh())
            .at("workPlan.department")
    })?;
    Ok(parsed.slug().to_owned())
}

/// Gives one plan.
pub async fn get(
    app: &Arc<Reporting>,
    _: &Context,
    request: api::GetWorkPlanRequest,
) -> Answer<api::WorkPlan> {
    Ok(find(app.store.read(), &request.work_plan).await?.plan)
}

/// Lists plans, the latest year first.
pub async fn list(
    app: &Arc<Reporting>,
    _: &Context,
    request: api::ListWorkPlansRequest,
) -> Answer<api::ListWorkPlansResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let mut work_plans = rows::list(app.store.read(), &request, &page).await?;
    let next_page_token = page.cut(&mut work_plans, |plan| format!("{}|{}", plan.year, plan.work_plan_id));
    Ok(api::ListWorkPlansResponse { work_plans, next_page_token })
}
