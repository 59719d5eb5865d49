//! Frequencies 年度检查频次: how often a subject is visited a year by all departments, and who is exempt from being drawn.
mod rows;
pub mod rules;

use std::sync::Arc;

use chassis::{
    Answer, Context, Fault, Tx,
    decisions::{self, Decision},
    page::Page,
    storage::{placeholders, sql},
};
use contract::sampling::v1::{self as api, ErrorReason};
use identifiers::Uscc;
use sea_orm::ConnectionTrait;
use serde_json::json;

pub use self::{
    rows::{Bump, above, bump, histories},
    rules::{Caps, year_of},
};
use crate::{Sampling, register, rights};

const EXEMPTIONS: &str = "exemptions";

fn code(field: &str, given: &str) -> Answer<String> {
    let code = Uscc::parse_tolerant(given).map_err(|fault| rights::code_fault(field, &fault))?;
    Ok(code.0.as_str().to_owned())
}

/// Gives a subject's count of a year.
pub async fn get(
    app: &Arc<Sampling>,
    context: &Context,
    request: api::GetFrequencyRequest,
) -> Answer<api::Frequency> {
    rights::official(context)?;
    let purpose = context.purpose(&request.purpose)?;
    let uscc = code("uscc", &request.uscc)?;
    rights::look(app, context, purpose, &uscc).await?;
    let year = if request.year == 0 { i32::from(context.today().year()) } else { request.year };
    rows::frequency(app.store.read(), &uscc, year).await
}

/// Puts an exemption.
pub async fn put(
    _: &Arc<Sampling>,
    context: &Context,
    tx: &Tx,
    request: api::PutExemptionRequest,
) -> Answer<api::Exemption> {
    let mut exemption = request.exemption.unwrap_or_default();
    if exemption.department.is_empty() {
        exemption.department = context.caller.department().to_owned();
    }
    rights::act_for(context, [exemption.department.as_str()])?;
    if exemption.all_departments && !context.caller.is_office() {
        return Err(Fault::denied(
            ErrorReason::OtherDepartment.as_str_name(),
            "an exemption for the plans of every department is the credit office's to give; leave allDepartments out",
            "对所有部门生效的免检由信用联办确定；请去掉 allDepartments",
        )
        .at("exemption.allDepartments"));
    }
    exemption.uscc = code("exemption.uscc", &exemption.uscc)?;
    rights::no_identity_number("exemption.reason", &exemption.reason)?;
    if exemption.from > exemption.until {
        let (from, until) = (&exemption.from, &exemption.until);
        return Err(Fault::field(
            "exemption.until",
            format!("{until} is before from {from}; swap them or correct one"),
            format!("{until}早于 from {from}；请更正"),
        ));
    }
    // One that holds for all is kept under no department.
    let holder = if exemption.all_departments { "" } else { exemption.department.as_str() };
    register::put(tx, EXEMPTIONS, &key(&exemption), holder, &exemption).await?;
    let detail =
        json!({ "department": exemption.department, "from": exemption.from, "until": exemption.until });
    let decision =
        Decision { kind: "exemption.put", subject: &exemption.uscc, basis: &exemption.reason, detail };
    decisions::record(tx, context, decision).await?;
    Ok(exemption)
}

/// Lists exemptions.
pub async fn list(
    app: &Arc<Sampling>,
    context: &Context,
    request: api::ListExemptionsRequest,
) -> Answer<api::ListExemptionsResponse> {
    rights::official(context)?;
    let purpose = context.purpose(&request.purpose)?;
    let page = Page::of(request.page_size, &request.page_token)?;
    rights::look(app, context, purpose, EXEMPTIONS).await?;
    let mut exemptions: Vec<api::Exemption> =
        register::page(app.store.read(), EXEMPTIONS, &request.department, &page).await?;
    let next_page_token = page.cut(&mut exemptions, key);
    Ok(api::ListExemptionsResponse { exemptions, next_page_token })
}

fn key(exemption: &api::Exemption) -> String {
    format!("{} {}", exemption.uscc, exemption.department)
}

/// The exemptions that a plan's departments gave, and those that hold for all.
pub async fn exemptions(db: &impl ConnectionTrait, plan: &api::Plan) -> Answer<Vec<api::Exemption>> {
    let departments: Vec<&str> = plan.departments.iter().map(String::as_str).chain([""]).collect();
    let text = format!(
        "SELECT body FROM {EXEMPTIONS} WHERE department IN ({}) ORDER BY id",
        placeholders(1, departments.len())
    );
    register::bodies(db, sql(db, &text, departments.into_iter().map(Into::into))).await
}
