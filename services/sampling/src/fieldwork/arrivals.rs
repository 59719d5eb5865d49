//! Arrival 扫码入企: a signed code, good once, shows that inspectors stood before the enterprise or its notice.
use std::sync::Arc;

use chassis::{
    Answer, Context, Fault, Tx,
    clock::{from_micros, micros, start_of, wire},
    ids,
    storage::corrupt,
};
use contract::sampling::v1::{self as api, ErrorReason, visit::Status};
use identifiers::Uscc;
use jiff::{SignedDuration, Timestamp, civil::Date};
use serde_json::json;

use super::{
    rows,
    rules::{self, Code},
};
use crate::{
    Sampling, rights,
    visits::{self, Stored},
};

const KEY: &str = "arrival-codes";
// A code on a screen; one on a notice is good to the end of the plan's period.
const SHOWN_FOR: SignedDuration = SignedDuration::from_mins(10);

/// Issues a code.
pub async fn issue(
    _: &Arc<Sampling>,
    context: &Context,
    tx: &Tx,
    request: api::IssueArrivalCodeRequest,
) -> Answer<api::ArrivalCode> {
    let own = context.caller.enterprise();
    let (uscc, expires_at) = match (own.is_empty(), request.visit.is_empty()) {
        // Who shows its own code does not learn whether a visit is to come.
        (false, true) => {
            let (code, _) = Uscc::parse_tolerant(own).map_err(|fault| rights::code_fault("uscc", &fault))?;
            (code.as_str().to_owned(), later(context.now, SHOWN_FOR))
        }
        (false, false) => {
            return Err(Fault::field(
                "visit",
                "is for departments; an enterprise's own code is for any visit to it. Leave it out",
                "仅供部门使用；企业自有入企码适用于对其进行的任何检查，请删去",
            ));
        }
        (true, true) => {
            return Err(Fault::field(
                "visit",
                "is empty; name the visit whose notice the code is printed on",
                "为空；请填写拟打印该码的检查任务",
            ));
        }
        (true, false) => {
            let (visit, plan) = visits::own(tx, context, &request.visit).await?;
            visits::in_state(
                &visit,
                &[Status::Planned],
                "a code is printed for a visit that is still planned",
                "只能为待检查的任务制作入企码",
            )?;
            (visit.uscc, end_of(&plan)?)
        }
    };
    let code = Code {
        code_id: ids::fresh(context.now)?,
        uscc,
        visit: request.visit,
        expires_at: micros(expires_at),
    };
    let text = code.signed(&rows::key(tx, KEY).await?);
    rows::insert_code(tx, &code.code_id, code.expires_at).await?;
    Ok(api::ArrivalCode { code: text, expires_at: Some(wire(expires_at)) })
}

fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn end_of(plan: &api::Plan) -> Answer<Timestamp> {
    let last: Date = plan
        .period
        .as_ref()
        .and_then(|period| period.to.parse().ok())
        .ok_or_else(|| corrupt("plan", "its period"))?;
    Ok(start_of(last.tomorrow().unwrap_or(Date::MAX)))
}

/// Notes an arrival.
pub async fn arrive(
    _: &Arc<Sampling>,
    context: &Context,
    tx: &Tx,
    request: api::ArriveAtVisitRequest,
) -> Answer<api::Visit> {
    let (visit, plan) = visits::own(tx, context, &request.visit).await?;
    visits::in_state(
        &visit,
        &[Status::Planned],
        "an arrival is noted of a visit that is still planned",
        "只有待检查的任务可以登记入企",
    )?;
    if let Some(violation) = rules::in_twos(&request.inspectors) {
        return Err(Fault::fields(vec![violation]));
    }
    let team = visits::team_of(tx, &visit).await?;
    for (index, inspector) in request.inspectors.iter().enumerate() {
        on_team(&format!("inspectors[{index}]"), inspector, &team)?;
    }
    let code = Code::read(&request.code, &rows::key(tx, KEY).await?).ok_or_else(no_code)?;
    judge(&code, &visit, context.now)?;
    if !rows::use_code(tx, &code.code_id, &visit.visit_id, micros(context.now)).await? {
        return Err(Fault::precondition(
            ErrorReason::ArrivalCodeUsed.as_str_name(),
            "this arrival code was used already, and each is good once; have a new one shown",
            "该入企码已使用，每码仅限一次；请重新出示",
        )
        .at("code"));
    }
    rows::insert_arrivals(tx, &visit.visit_id, &request.inspectors, micros(context.now), &code.code_id)
        .await?;
    let detail = json!({ "inspectors": request.inspectors, "code": code.code_id,
        "by": if code.visit.is_empty() { "enterprise" } else { "notice" } });
    visits::decide(tx, context, "visit.arrived", &visit, detail).await?;
    visits::wire_one(tx, context, &plan, visit).await
}

/// Refuses an inspector who was not drawn for the visit.
pub fn on_team(field: &str, inspector: &str, team: &[String]) -> Answer<()> {
    if team.iter().any(|one| one == inspector) {
        return Ok(());
    }
    let listed = team.join(", ");
    Err(Fault::invalid(
        ErrorReason::InspectorNotOnTeam.as_str_name(),
        format!("inspector \"{inspector}\" is not of this visit's team; its inspectors are: {listed}"),
        format!("检查人员“{inspector}”不在本次检查组中；检查组成员为：{listed}"),
    )
    .at(field))
}

fn no_code() -> Fault {
    Fault::invalid(
        ErrorReason::ArrivalCodeInvalid.as_str_name(),
        "this is no arrival code of this service, or it was changed; scan it again, or have a new one shown",
        "这不是本系统签发的入企码，或内容已被改动；请重新扫描或重新出示",
    )
    .at("code")
}

fn judge(code: &Code, visit: &Stored, now: Timestamp) -> Answer<()> {
    if code.uscc != visit.uscc || !(code.visit.is_empty() || code.visit == visit.visit_id) {
        let (whose, visited) = (&code.uscc, &visit.uscc);
        return Err(Fault::precondition(
            ErrorReason::ArrivalCodeForeign.as_str_name(),
            format!(
                "this arrival code is of {whose}, for another enterprise or visit than this one to {visited}"
            ),
            format!("该入企码属于{whose}，不适用于对{visited}的本次检查"),
        )
        .at("code"));
    }
    if code.expires_at <= micros(now) {
        let until = from_micros(code.expires_at);
        return Err(Fault::precondition(
            ErrorReason::ArrivalCodeExpired.as_str_name(),
            format!("this arrival code was good until {until}; have a new one shown"),
            format!("该入企码有效期至{until}，已过期；请重新出示"),
        )
        .at("code"));
    }
    Ok(())
}
