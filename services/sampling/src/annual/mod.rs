//! Annual plans 年度抽查计划: put, approved by a second officer, published, changed with a reason; each version stays.
mod rows;
mod rules;

use std::{collections::HashMap, sync::Arc};

use chassis::{
    Answer, Context, Fault, Tx,
    clock::wire,
    decisions::{self, Decision},
    file::File,
    page::Page,
};
use contract::{
    sampling::v1::{self as api, ErrorReason, annual_plan::State},
    r#type::v1::ErrorReason as Common,
};
use serde_json::json;

use crate::{Sampling, items, registers, rights};

/// Puts a plan, or changes it.
pub async fn put(
    _: &Arc<Sampling>,
    context: &Context,
    tx: &Tx,
    request: api::PutAnnualPlanRequest,
) -> Answer<api::AnnualPlan> {
    let mut plan = request.annual_plan.unwrap_or_default();
    if plan.department.is_empty() {
        plan.department = context.caller.department().to_owned();
    }
    rights::act_for(context, [plan.department.as_str()])?;
    let newest = rows::find(&**tx, &plan.annual_plan_id, 0).await?;
    if let Some(before) = &newest {
        rights::act_for(context, [before.department.as_str()])?;
    }
    rights::no_identity_number("annualPlan.changeReason", &plan.change_reason)?;
    plan.version = rules::next_version(newest.as_ref().map(|newest| (newest.version, newest.state())));
    if plan.version > 1 && plan.change_reason.trim().is_empty() {
        return Err(Fault::field(
            "annualPlan.changeReason",
            "is empty; an annual plan that was approved is changed with a reason",
            "为空；已审批的年度计划调整时必须说明理由",
        ));
    }
    let mut ids: Vec<String> = plan.tasks.iter().flat_map(|task| task.inspection_items.clone()).collect();
    ids.sort_unstable();
    ids.dedup();
    let violations = rules::judge(&plan, &known(tx, &ids).await?);
    if !violations.is_empty() {
        return Err(Fault::fields(violations));
    }
    plan.state = State::Draft as i32;
    plan.put_by = context.caller.name().to_owned();
    plan.put_at = Some(wire(context.now));
    (plan.approved_by, plan.approval_number) = Default::default();
    (plan.approved_at, plan.published_at) = (None, None);
    if !rows::put(tx, &plan).await? {
        return Err(overtaken());
    }
    decide(tx, context, "annualPlan.put", &plan, json!({ "tasks": plan.tasks.len() })).await?;
    Ok(plan)
}

// Those of the ids that are on file, some hundred at a time.
async fn known(tx: &Tx, ids: &[String]) -> Answer<Vec<api::InspectionItem>> {
    let mut known = Vec::new();
    for part in ids.chunks(500) {
        known.extend(items::among(&**tx, part).await?);
    }
    Ok(known)
}

async fn decide(
    tx: &Tx,
    context: &Context,
    kind: &str,
    plan: &api::AnnualPlan,
    mut detail: serde_json::Value,
) -> Answer<()> {
    if let Some(detail) = detail.as_object_mut() {
        detail.insert("version".to_owned(), plan.version.into());
    }
    let subject = &plan.annual_plan_id;
    decisions::record(tx, context, Decision { kind, subject, basis: &plan.change_reason, detail }).await
}

fn overtaken() -> Fault {
    Fault::aborted(
        Common::ConcurrentChange.as_str_name(),
        "the annual plan was changed by another call in the same moment; read it again",
        "该年度计划刚被其他操作改变；请重新读取",
    )
}

fn unknown(plan: &str) -> Fault {
    Fault::not_found("annual plan", "年度抽查计划", plan)
}

fn in_state(plan: &api::AnnualPlan, state: State, en: &str, zh: &str) -> Answer<()> {
    if plan.state() == state {
        return Ok(());
    }
    let (id, version, is) = (&plan.annual_plan_id, plan.version, plan.state().as_str_name());
    Err(Fault::precondition(
        ErrorReason::AnnualPlanState.as_str_name(),
        format!("version {version} of annual plan \"{id}\" is {is}; {en}"),
        format!("年度计划“{id}”第{version}版的状态为 {is}；{zh}"),
    )
    .with("state", is))
}

/// Approves the draft.
pub async fn approve(
    _: &Arc<Sampling>,
    context: &Context,
    tx: &Tx,
    request: api::ApproveAnnualPlanRequest,
) -> Answer<api::AnnualPlan> {
    let newest = rows::find(&**tx, &request.annual_plan, 0).await?;
    let mut plan = newest.ok_or_else(|| unknown(&request.annual_plan))?;
    rights::act_for(context, [plan.department.as_str()])?;
    in_state(&plan, State::Draft, "only a draft is approved", "只有草案可以审批")?;
    if plan.version != request.version {
        let newest = plan.version;
        return Err(Fault::field(
            "version",
            format!("is not the newest, {newest}; read that and approve it"),
            format!("不是最新的第{newest}版；请阅后审批最新版"),
        ));
    }
    if plan.put_by == context.caller.name() {
        return Err(Fault::denied(
            ErrorReason::SameOfficer.as_str_name(),
            format!("\"{}\" put this draft; another officer approves it", plan.put_by),
            format!("“{}”为草案提交人；须由另一人审批", plan.put_by),
        ));
    }
    plan.state = State::Approved as i32;
    plan.approved_by = context.caller.name().to_owned();
    plan.approved_at = Some(wire(context.now));
    plan.approval_number = request.approval_number;
    if !rows::advance(tx, &plan, State::Draft).await? {
        return Err(overtaken());
    }
    decide(tx, context, "annualPlan.approved", &plan, json!({ "approvalNumber": plan.approval_number }))
        .await?;
    Ok(plan)
}

/// Publishes the version that was approved.
pub async fn publish(
    _: &Arc<Sampling>,
    context: &Context,
    tx: &Tx,
    request: api::PublishAnnualPlanRequest,
) -> Answer<api::AnnualPlan> {
    let newest = rows::find(&**tx, &request.annual_plan, 0).await?;
    let mut plan = newest.ok_or_else(|| unknown(&request.annual_plan))?;
    rights::act_for(context, [plan.department.as_str()])?;
    in_state(&plan, State::Approved, "only what was approved is published", "只有已审批的版本可以公布")?;
    if let Some(before) = rows::published(&**tx, &request.annual_plan).await? {
        let superseded = api::AnnualPlan { state: State::Superseded as i32, ..before };
        if !rows::advance(tx, &superseded, State::Published).await? {
            return Err(overtaken());
        }
    }
    plan.state = State::Published as i32;
    plan.published_at = Some(wire(context.now));
    if !rows::advance(tx, &plan, State::Approved).await? {
        return Err(overtaken());
    }
    decide(tx, context, "annualPlan.published", &plan, json!({})).await?;
    Ok(plan)
}

/// Gives a plan in a version.
pub async fn get(
    app: &Arc<Sampling>,
    context: &Context,
    request: api::GetAnnualPlanRequest,
) -> Answer<api::AnnualPlan> {
    rights::official(context)?;
    let found = rows::find(app.store.read(), &request.annual_plan, request.version).await?;
    found.ok_or_else(|| unknown(&request.annual_plan))
}

/// Lists the versions of a plan.
pub async fn versions(
    app: &Arc<Sampling>,
    context: &Context,
    request: api::ListAnnualPlanVersionsRequest,
) -> Answer<api::ListAnnualPlanVersionsResponse> {
    rights::official(context)?;
    let page = Page::of(request.page_size, &request.page_token)?;
    let before = if page.after.is_empty() { i32::MAX } else { page.after.parse().unwrap_or(0) };
    let mut versions = rows::versions(app.store.read(), &request.annual_plan, before, &page).await?;
    if versions.is_empty() && page.after.is_empty() {
        return Err(unknown(&request.annual_plan));
    }
    let next_page_token = page.cut(&mut versions, |plan| plan.version.to_string());
    Ok(api::ListAnnualPlanVersionsResponse { versions, next_page_token })
}

// What everybody sees names no client.
fn shown(plan: api::AnnualPlan) -> api::AnnualPlan {
    api::AnnualPlan { put_by: String::new(), approved_by: String::new(), ..plan }
}

/// Lists the published plans.
pub async fn public(
    app: &Arc<Sampling>,
    _: &Context,
    request: api::ListPublicAnnualPlansRequest,
) -> Answer<api::ListPublicAnnualPlansResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let mut plans = rows::public(app.store.read(), request.year, &request.department, &page).await?;
    let next_page_token = page.cut(&mut plans, |plan| plan.annual_plan_id.clone());
    let annual_plans = plans.into_iter().map(shown).collect();
    Ok(api::ListPublicAnnualPlansResponse { annual_plans, next_page_token })
}

/// Gives the published version as a file.
pub async fn export(app: &Arc<Sampling>, _: &Context, request: api::ExportAnnualPlanRequest) -> Answer<File> {
    let format = registers::format(&request.format)?;
    let db = app.store.read();
    let plan = rows::published(db, &request.annual_plan).await?;
    let plan = plan.ok_or_else(|| unknown(&request.annual_plan))?;
    let mut names: HashMap<String, String> = HashMap::new();
    for task in &plan.tasks {
        for item in items::among(db, &task.inspection_items).await? {
            names.insert(item.inspection_item_id, item.name);
        }
    }
    let name = |item: &str| names.get(item).cloned().unwrap_or_else(|| item.to_owned());
    let mut table: Vec<Vec<String>> = vec![rules::HEADINGS.map(str::to_owned).into()];
    table.extend(plan.tasks.iter().map(|task| rules::row(&plan, task, name)));
    registers::file(format, "年度抽查计划", &table)
}

/// Judges a plan that carries a task out, and notes the version that allowed it.
pub async fn carry_out(tx: &Tx, plan: &mut api::Plan) -> Answer<()> {
    plan.annual_plan_version = 0;
    if plan.annual_plan.is_empty() {
        return Ok(());
    }
    let published = rows::published(&**tx, &plan.annual_plan).await?.ok_or_else(|| {
        let id = &plan.annual_plan;
        Fault::precondition(
            ErrorReason::AnnualPlanState.as_str_name(),
            format!("there is no published annual plan \"{id}\"; have it approved and publish it first"),
            format!("不存在已公布的年度计划“{id}”；请先审批并公布"),
        )
        .at("plan.annualPlan")
    })?;
    let Some(task) = published.tasks.iter().find(|task| task.number == plan.annual_task) else {
        let numbers: Vec<&str> = published.tasks.iter().map(|task| task.number.as_str()).collect();
        let listed = numbers.join(", ");
        return Err(Fault::field(
            "plan.annualTask",
            format!("is no task of the published annual plan; its tasks are {listed}"),
            format!("不是已公布年度计划的任务；现有任务为 {listed}"),
        ));
    };
    if plan.starter_department.is_empty() && plan.departments.contains(&task.starter_department) {
        plan.starter_department.clone_from(&task.starter_department);
    }
    let violations = rules::fits(plan, task);
    if !violations.is_empty() {
        return Err(Fault::fields(violations));
    }
    plan.annual_plan_version = published.version;
    Ok(())
}
