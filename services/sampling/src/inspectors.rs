//! The register of inspectors 执法检查人员名录库: numbers, skills, service and recusals; no natural person's data.
use std::sync::Arc;

use chassis::{
    Answer, Context, Fault, Tx,
    page::Page,
    storage::{corrupt, placeholders, sql},
};
use contract::sampling::v1 as api;
use identifiers::{Region, Uscc};
use jiff::civil::Date;
use sea_orm::ConnectionTrait;

use crate::{Sampling, register, rights};

const TABLE: &str = "inspectors";

/// Puts an inspector.
pub async fn put(
    _: &Arc<Sampling>,
    context: &Context,
    tx: &Tx,
    request: api::PutInspectorRequest,
) -> Answer<api::Inspector> {
    put_one(context, tx, request.inspector.unwrap_or_default()).await
}

/// Puts an inspector whom the contract's rules have judged.
pub async fn put_one(context: &Context, tx: &Tx, mut inspector: api::Inspector) -> Answer<api::Inspector> {
    rights::act_for(context, [inspector.department.as_str()])?;
    if let Some(before) = register::find::<api::Inspector>(&**tx, TABLE, &inspector.inspector_id).await? {
        rights::act_for(context, [before.department.as_str()])?;
    }
    judge(&mut inspector)?;
    register::put(tx, TABLE, &inspector.inspector_id, &inspector.department, &inspector).await?;
    Ok(inspector)
}

fn judge(inspector: &mut api::Inspector) -> Answer<()> {
    rights::no_identity_number("inspector.inspectorId", &inspector.inspector_id)?;
    // A line feed in an id would let two inspectors have one ticket.
    if inspector.inspector_id.chars().any(char::is_control) {
        return Err(Fault::field(
            "inspector.inspectorId",
            "holds a control character; give a plain number",
            "含有控制字符；请填写编号",
        ));
    }
    if !inspector.region.is_empty() {
        Region::parse(&inspector.region)
            .map_err(|fault| Fault::field("inspector.region", fault.message_en(), fault.message_zh()))?;
    }
    if let Some(index) = inspector.skills.iter().position(|skill| skill.trim().is_empty()) {
        let field = format!("inspector.skills[{index}]");
        return Err(Fault::field(
            field,
            "is empty; name a skill or leave it out",
            "为空；请填写专业资质或删去该项",
        ));
    }
    for (index, conflict) in inspector.conflicts.iter_mut().enumerate() {
        let strict = !inspector.accept_nonconforming;
        let code =
            if strict { Uscc::parse(conflict) } else { Uscc::parse_tolerant(conflict).map(|(code, _)| code) };
        let code =
            code.map_err(|fault| rights::code_fault(&format!("inspector.conflicts[{index}]"), &fault))?;
        *conflict = code.as_str().to_owned();
    }
    let (from, until) = (&inspector.available_from, &inspector.available_until);
    if !from.is_empty() && !until.is_empty() && from > until {
        return Err(Fault::field(
            "inspector.availableUntil",
            format!("{until} is before availableFrom {from}; swap them or correct one"),
            format!("{until}早于 availableFrom {from}；请更正"),
        ));
    }
    match inspector.leaves.iter().position(|leave| leave.from > leave.to) {
        None => Ok(()),
        Some(index) => {
            let api::Leave { from, to } = &inspector.leaves[index];
            Err(Fault::field(
                format!("inspector.leaves[{index}].to"),
                format!("{to} is before from {from}; swap them or correct one"),
                format!("{to}早于 from {from}；请更正"),
            ))
        }
    }
}

/// Refuses ids that are not on the register of some departments.
pub async fn registered(db: &impl ConnectionTrait, ids: &[String], departments: &[String]) -> Answer<()> {
    let known: Vec<api::Inspector> = register::among(db, TABLE, ids).await?;
    let of = |id: &String| known.iter().find(|one| one.inspector_id == *id);
    let ours = |id: &String| of(id).is_some_and(|one| departments.contains(&one.department));
    match ids.iter().position(|id| !ours(id)) {
        None => Ok(()),
        Some(index) => {
            let (id, listed) = (&ids[index], departments.join(", "));
            Err(Fault::field(
                format!("inspectors[{index}]"),
                format!("\"{id}\" is on no register of {listed}; name inspectors of these departments"),
                format!("“{id}”不在{listed}的执法检查人员名录库中；请填写这些部门的检查人员"),
            ))
        }
    }
}

/// Gives an inspector.
pub async fn get(
    app: &Arc<Sampling>,
    context: &Context,
    request: api::GetInspectorRequest,
) -> Answer<api::Inspector> {
    rights::official(context)?;
    let found = register::find(app.store.read(), TABLE, &request.id).await?;
    found.ok_or_else(|| Fault::not_found("inspector", "执法检查人员", &request.id))
}

/// Lists inspectors.
pub async fn list(
    app: &Arc<Sampling>,
    context: &Context,
    request: api::ListInspectorsRequest,
) -> Answer<api::ListInspectorsResponse> {
    rights::official(context)?;
    let page = Page::of(request.page_size, &request.page_token)?;
    let mut inspectors: Vec<api::Inspector> =
        register::page(app.store.read(), TABLE, &request.department, &page).await?;
    let next_page_token = page.cut(&mut inspectors, |inspector| inspector.inspector_id.clone());
    Ok(api::ListInspectorsResponse { inspectors, next_page_token })
}

/// The inspectors of a plan's departments who work where the plan is for, in the order of their ids.
pub async fn candidates(db: &impl ConnectionTrait, plan: &api::Plan) -> Answer<Vec<draw::Inspector>> {
    let text = format!(
        "SELECT body FROM inspectors WHERE department IN ({}) ORDER BY id",
        placeholders(1, plan.departments.len())
    );
    let values = plan.departments.iter().map(|department| department.as_str().into());
    let registered: Vec<api::Inspector> = register::bodies(db, sql(db, &text, values)).await?;
    registered
        .into_iter()
        .filter(|inspector| overlap(&inspector.region, &plan.region))
        .map(candidate)
        .collect()
}

// An empty region is everywhere; otherwise one lies in the other.
fn overlap(one: &str, other: &str) -> bool {
    match (Region::parse(one), Region::parse(other)) {
        (Ok(a), Ok(b)) => a.contains(other) || b.contains(one),
        _ => true,
    }
}

fn candidate(inspector: api::Inspector) -> Answer<draw::Inspector> {
    Ok(draw::Inspector {
        id: inspector.inspector_id,
        skills: inspector.skills.into_iter().collect(),
        conflicts: inspector.conflicts.into_iter().collect(),
        available_from: day(&inspector.available_from)?,
        available_until: day(&inspector.available_until)?,
        certificate_until: day(&inspector.certificate_until)?,
        leaves: inspector.leaves.iter().map(leave).collect::<Answer<_>>()?,
        inactive: inspector.inactive,
        workload: 0,
    })
}

fn leave(leave: &api::Leave) -> Answer<(Date, Date)> {
    let day = |text: &str| text.parse().map_err(|error| corrupt("leave of an inspector", error));
    Ok((day(&leave.from)?, day(&leave.to)?))
}

fn day(text: &str) -> Answer<Option<Date>> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error| corrupt("date of an inspector", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inspector_is_taken_where_one_region_lies_in_the_other() {
        for (one, other, meets) in [
            ("640300", "640302", true),
            ("640302", "640300", true),
            ("640302", "640303", false),
            ("640100", "640300", false),
            ("", "640300", true),
            ("640300", "", true),
        ] {
            assert_eq!(overlap(one, other), meets, "{one} {other}");
        }
    }
}
