//! Plans 抽查计划: what shall be drawn, and how many of each grade.
mod rows;
mod rules;

use std::sync::Arc;

use chassis::{
    Answer, Context, Fault, Tx,
    clock::wire,
    decisions::{self, Decision},
    ids,
    page::Page,
    storage::unique_violation,
};
use contract::{
    grading::v1::{Scheme, scheme::State},
    sampling::v1::{self as api, ErrorReason, object_library::Kind},
    r#type::v1::ErrorReason as Common,
};
use serde_json::json;

pub use self::rows::{find, of_draws};
pub use self::rules::{UNGRADED, is_random, parts, team_size};
use crate::{Sampling, annual, items, registers, rights};

/// Asks grading for the plan's scheme, before the transaction begins.
pub async fn scheme_of(
    app: &Arc<Sampling>,
    context: &Context,
    request: &api::CreatePlanRequest,
) -> Answer<Option<Scheme>> {
    let scheme = request.plan.as_ref().map_or("", |plan| &plan.scheme);
    app.grading.scheme(context, scheme).await
}

/// The scheme; refused where grading knows none, at the request's field.
pub fn known(scheme: Option<Scheme>, id: &str, field: &str) -> Answer<Scheme> {
    scheme.ok_or_else(|| {
        Fault::missing(
            ErrorReason::SchemeUnknown.as_str_name(),
            format!("there is no grading scheme \"{id}\"; list the schemes with GET /grading/v1/schemes"),
            format!("不存在评价制度“{id}”；请通过 GET /grading/v1/schemes 查询"),
        )
        .with("scheme", id)
        .at(field)
    })
}

/// The scheme in force; refused where there is none.
pub fn in_force(scheme: Option<Scheme>, id: &str) -> Answer<Scheme> {
    let scheme = known(scheme, id, "plan.scheme")?;
    if scheme.state() == State::Published {
        return Ok(scheme);
    }
    Err(Fault::precondition(
        ErrorReason::SchemeNotPublished.as_str_name(),
        format!("grading scheme \"{id}\" has no published version, so nobody has a grade under it; publish it first"),
        format!("评价制度“{id}”没有已发布的版本，尚无主体据此评级；请先发布"),
    )
    .with("scheme", id)
    .at("plan.scheme"))
}

/// Creates a plan.
pub async fn create(
    _: &Arc<Sampling>,
    context: &Context,
    tx: &Tx,
    request: api::CreatePlanRequest,
    scheme: Option<Scheme>,
) -> Answer<api::Plan> {
    let mut plan = request.plan.unwrap_or_default();
    if plan.departments.is_empty() {
        // The office has no inspectors of its own: its plans are the scheme's department's.
        let theirs =
            scheme.as_ref().filter(|_| context.caller.is_office()).map(|scheme| scheme.department.as_str());
        plan.departments = vec![theirs.unwrap_or(context.caller.department()).to_owned()];
    }
    rights::act_for(context, plan.departments.iter().map(String::as_str))?;
    annual::carry_out(tx, &mut plan).await?;
    from_library(tx, &mut plan).await?;
    let scheme = in_force(scheme, &plan.scheme)?;
    let mut violations = rules::complete(&mut plan, &scheme);
    violations.extend(rules::exempt(&mut plan));
    for (index, exemption) in plan.exemptions.iter().enumerate() {
        rights::no_identity_number(&format!("plan.exemptions[{index}].reason"), &exemption.reason)?;
    }
    let known = items::among(&**tx, &plan.inspection_items).await?;
    violations.extend(rules::judge(&plan, &scheme, &known));
    if !violations.is_empty() {
        return Err(Fault::fields(violations));
    }
    if plan.plan_id.is_empty() {
        plan.plan_id = ids::fresh(context.now)?;
    }
    plan.department = context.caller.department().to_owned();
    plan.create_time = Some(wire(context.now));
    insert(tx, &plan).await?;
    let quotas: Vec<_> =
        plan.quotas.iter().map(|quota| json!([quota.grade, quota.percent, quota.at_least])).collect();
    let detail = json!({ "kind": plan.kind().as_str_name(), "scheme": plan.scheme, "schemeVersion": scheme.version, "departments": plan.departments,
        "quotas": quotas, "annualPlan": plan.annual_plan, "annualPlanVersion": plan.annual_plan_version });
    let decision = Decision { kind: "plan.created", subject: &plan.plan_id, basis: &plan.title, detail };
    decisions::record(tx, context, decision).await?;
    Ok(plan)
}

// A library by filter gives the plan its region and industries, as they are now.
async fn from_library(tx: &Tx, plan: &mut api::Plan) -> Answer<()> {
    if plan.object_library.is_empty() {
        return Ok(());
    }
    let library = registers::libraries::find(&**tx, &plan.object_library).await?;
    let library =
        library.ok_or_else(|| registers::no_library(&plan.object_library).at("plan.objectLibrary"))?;
    if library.kind() == Kind::Special {
        return Ok(());
    }
    if !plan.region.is_empty() || !plan.industries.is_empty() {
        return Err(Fault::field(
            "plan.objectLibrary",
            "gives the plan its region and industries; leave these out, or the library",
            "已规定区域和行业；请删去计划中的区域和行业，或不引用名录库",
        ));
    }
    (plan.region, plan.industries) = (library.region, library.industries);
    Ok(())
}

/// Who draws: the department that starts a joint plan or, where none is named, any that takes part; the credit office for all.
pub fn may_draw(context: &Context, plan: &api::Plan) -> Answer<()> {
    if plan.starter_department.is_empty() {
        return rights::act_for(context, plan.departments.iter().map(String::as_str));
    }
    rights::act_for(context, [plan.starter_department.as_str()])
}

async fn insert(tx: &Tx, plan: &api::Plan) -> Answer<()> {
    let exists = || {
        Fault::exists(
            Common::AlreadyExists.as_str_name(),
            format!(
                "there is a plan \"{}\" already, and plans are not changed; choose another planId",
                plan.plan_id
            ),
            format!("抽查计划“{}”已存在且不可更改；请另取 planId", plan.plan_id),
        )
        .at("plan.planId")
    };
    // Asked first: on PostgreSQL a violated constraint would end the transaction without a word of ours.
    if rows::find(&**tx, &plan.plan_id).await?.is_some() {
        return Err(exists());
    }
    match rows::insert(tx, plan).await {
        Err(error) if unique_violation(&error).is_some() => Err(exists()),
        other => Ok(other?),
    }
}

/// The refusal of a plan that is not there.
pub fn unknown(plan: &str) -> Fault {
    Fault::not_found("plan", "抽查计划", plan)
}

/// Gives a plan.
pub async fn get(app: &Arc<Sampling>, _: &Context, request: api::GetPlanRequest) -> Answer<api::Plan> {
    rows::find(app.store.read(), &request.plan).await?.ok_or_else(|| unknown(&request.plan))
}

/// Lists plans.
pub async fn list(
    app: &Arc<Sampling>,
    _: &Context,
    request: api::ListPlansRequest,
) -> Answer<api::ListPlansResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let mut plans = rows::page(app.store.read(), &request.department, &request.scheme, &page).await?;
    let next_page_token = page.cut(&mut plans, |plan| plan.plan_id.clone());
    Ok(api::ListPlansResponse { plans, next_page_token })
}
