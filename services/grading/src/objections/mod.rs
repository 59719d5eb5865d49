//! Objections to grades 等级异议: filed, marked at once wherever the grade shows, decided within the term by somebody else.
pub mod rows;
mod rules;

use std::{collections::BTreeSet, sync::Arc};

use chassis::{
    Answer, Context, Fault, Tx,
    clock::micros,
    decisions::{self, Decision},
    ids,
    page::Page,
};
use contract::{
    grading::v1::{self as api, ErrorReason, objection::State},
    r#type::v1::ErrorReason as Common,
};
use serde_json::json;

use self::rows::{Filter, Row};
use crate::{
    Grading, accesses, grades,
    overrides::{self, Proposal},
    schemes::{self, audience, rules::Audience},
    subject,
};

/// Files an objection.
pub async fn create(
    app: &Arc<Grading>,
    context: &Context,
    tx: &Tx,
    request: api::CreateObjectionRequest,
) -> Answer<api::Objection> {
    let code = subject::code(&request.uscc, "uscc")?;
    let caller = &context.caller;
    let theirs = match audience(context) {
        Audience::Department => true,
        Audience::Enterprise(own) => own == code.as_str(),
        Audience::Public => false,
    };
    if !theirs {
        return Err(Fault::denied(
            Common::ScopeMissing.as_str_name(),
            "an objection is filed by the enterprise's own client, or by a department at its request",
            "异议应由企业本单位提出，或由部门代为提出",
        ));
    }
    let scheme = schemes::published(app, context, &request.scheme).await?;
    grades::disclosed(context, &scheme, &code, context.today())?;
    let (version, present) = grades::evaluated(app, &**tx, context, &code, &scheme).await?;
    let shown = grades::notes::Notes::of(&**tx, &[code.as_str()], context.today()).await?;
    let held = shown.held(&version, code.as_str()).map_or(present.grade, |row| row.grade.clone());
    let (term, basis) = rules::term(context.today())
        .ok_or_else(|| Fault::internal(anyhow::anyhow!("no term for objections on {}", context.today())))?;
    let row = Row {
        objection: ids::fresh(context.now)?,
        uscc: code.to_string(),
        scheme: scheme.scheme_id.clone(),
        version: scheme.version,
        grade: held,
        score: present.score,
        department: scheme.department.clone(),
        reason: request.reason.trim().to_owned(),
        evidence: request.evidence.trim().to_owned(),
        state: State::Open.as_str_name().to_owned(),
        filed_at: micros(context.now),
        filed_by: caller.name().to_owned(),
        filed_for: caller.department().to_owned(),
        due_on: term.last_day.to_string(),
        due_provisional: term.provisional,
        basis: basis.to_owned(),
        decided_at: None,
        decided_by: String::new(),
        explanation: String::new(),
        override_id: String::new(),
    };
    if !rows::insert(tx, &row).await? {
        return Err(Fault::precondition(
            ErrorReason::ObjectionOpen.as_str_name(),
            "an objection to this grade is open already; wait for its decision",
            "该等级已有异议正在办理；请等待办结",
        ));
    }
    tell(context, tx, "objection.filed", &row).await?;
    row.told(context.today())
}

// Into the record of decisions.
async fn tell(context: &Context, tx: &Tx, kind: &str, row: &Row) -> Answer<()> {
    let detail = json!({ "objection": row.objection, "scheme": row.scheme, "version": row.version, "grade": row.grade,
                         "state": row.state, "dueOn": row.due_on, "reason": row.reason,
                         "explanation": row.explanation, "override": row.override_id });
    decisions::record(tx, context, Decision { kind, subject: &row.uscc, basis: &row.basis, detail }).await
}

/// Decides an objection.
pub async fn decide(
    app: &Arc<Grading>,
    context: &Context,
    tx: &Tx,
    request: api::DecideObjectionRequest,
) -> Answer<api::Objection> {
    let mut row =
        rows::claim(tx, &request.objection_id).await?.ok_or_else(|| missing(&request.objection_id))?;
    may_decide(context, &row, request.outcome())?;
    row.state = request.outcome().as_str_name().to_owned();
    row.decided_at = Some(micros(context.now));
    row.decided_by = context.caller.name().to_owned();
    row.explanation = request.explanation.trim().to_owned();
    if request.grade.is_empty() != request.until.is_empty()
        || (!request.grade.is_empty() && request.outcome() != State::Upheld)
    {
        return Err(Fault::field(
            if request.grade.is_empty() { "grade" } else { "until" },
            "grade and until are given together, and only with UPHELD: they propose an override until that day",
            "grade 与 until 须同时填写，且仅用于异议成立（UPHELD）：据此提出至该日的人工调整",
        ));
    }
    if !request.grade.is_empty() {
        let scheme = schemes::published(app, context, &row.scheme).await?;
        let code = subject::code(&row.uscc, "uscc")?;
        let proposal = Proposal {
            code: &code,
            scheme: &scheme,
            grade: &request.grade,
            until: &request.until,
            reason: &row.explanation,
            evidence: &row.evidence,
            objection: &row.objection,
        };
        row.override_id = overrides::propose(app, context, tx, proposal).await?.override_id;
    }
    rows::close(tx, &row).await?;
    tell(context, tx, "objection.decided", &row).await?;
    row.told(context.today())
}

fn may_decide(context: &Context, row: &Row, outcome: State) -> Answer<()> {
    let caller = &context.caller;
    if !caller.enterprise().is_empty() || (!caller.is_office() && caller.department() != row.department) {
        return Err(Fault::denied(
            Common::ScopeMissing.as_str_name(),
            format!("it is decided by {} or the credit office", row.department),
            format!("应由{}或信用联办办理", row.department),
        ));
    }
    if caller.name() == row.filed_by {
        return Err(Fault::denied(
            ErrorReason::FourEyes.as_str_name(),
            "who filed does not decide; let another client of the department decide",
            "申请人与审定人不得为同一人；请由其他人员审定",
        ));
    }
    if row.state != State::Open.as_str_name() {
        return Err(Fault::precondition(
            ErrorReason::ObjectionDecided.as_str_name(),
            format!("it is {} already", row.state),
            format!("该异议已办结（{}）", row.state),
        ));
    }
    if !matches!(outcome, State::Upheld | State::Rejected) {
        return Err(Fault::field("outcome", "must be UPHELD or REJECTED", "必须为 UPHELD 或 REJECTED"));
    }
    Ok(())
}

fn missing(id: &str) -> Fault {
    Fault::not_found("objection", "异议", id)
}

/// Gives an objection. Whose it is not does not learn that it is there.
pub async fn get(
    app: &Arc<Grading>,
    context: &Context,
    request: api::GetObjectionRequest,
) -> Answer<api::Objection> {
    let purpose = context.purpose(&request.purpose)?;
    let row = rows::get(app.store.read(), &request.objection_id).await?;
    let caller = &context.caller;
    let theirs = |row: &Row| match audience(context) {
        Audience::Department => {
            caller.is_office() || [&row.department, &row.filed_for].iter().any(|d| *d == caller.department())
        }
        Audience::Enterprise(own) => own == row.uscc,
        Audience::Public => false,
    };
    let row = row.filter(theirs).ok_or_else(|| missing(&request.objection_id))?;
    if !told(app, context, &row).await? {
        return Err(missing(&request.objection_id));
    }
    accesses::note(app, context, purpose, &[&row.uscc], &format!("objection {}", row.scheme)).await?;
    row.told(context.today())
}

// An objection tells a grade. What a department filed under a scheme that does not tell the enterprise is not told to it here either.
async fn told(app: &Grading, context: &Context, row: &Row) -> Answer<bool> {
    let audience = audience(context);
    if audience == Audience::Department {
        return Ok(true);
    }
    let versions = schemes::rows::versions(app.store.read(), &row.scheme).await?;
    let scheme = schemes::rules::presented(&versions);
    Ok(scheme.is_some_and(|s| schemes::rules::discloses(schemes::rules::disclosure(s), audience, &row.uscc)))
}

/// Lists objections.
pub async fn list(
    app: &Arc<Grading>,
    context: &Context,
    request: api::ListObjectionsRequest,
) -> Answer<api::ListObjectionsResponse> {
    let purpose = context.purpose(&request.purpose)?;
    let page = Page::of(request.page_size, &request.page_token)?;
    let asked = match request.uscc.as_str() {
        "" => String::new(),
        given => subject::code(given, "uscc")?.to_string(),
    };
    let caller = &context.caller;
    let (uscc, department) = match audience(context) {
        Audience::Department if caller.is_office() => (asked.as_str(), ""),
        Audience::Department if !caller.department().is_empty() => (asked.as_str(), caller.department()),
        Audience::Enterprise(own) if asked.is_empty() || asked == own => (own, ""),
        _ => {
            return Err(Fault::denied(
                Common::ScopeMissing.as_str_name(),
                "objections are listed for the enterprise itself, for the departments concerned and for the credit office",
                "异议仅供企业本单位、有关部门和信用联办查询",
            ));
        }
    };
    let today = context.today().to_string();
    let filter = Filter {
        uscc,
        scheme: &request.scheme,
        department,
        state: request.state(),
        overdue_on: if request.overdue { &today } else { "" },
    };
    let mut found = rows::list(app.store.read(), &filter, &page).await?;
    let next_page_token = page.cut(&mut found, |row| row.objection.clone());
    let mut kept = Vec::with_capacity(found.len());
    for row in found {
        if told(app, context, &row).await? {
            kept.push(row);
        }
    }
    let found = kept;
    let looked_at: BTreeSet<&str> = found.iter().map(|row| row.uscc.as_str()).collect();
    let looked_at: Vec<&str> = looked_at.into_iter().collect();
    accesses::note(app, context, purpose, &looked_at, "objections").await?;
    let objections = found.into_iter().map(|row| row.told(context.today())).collect::<Answer<_>>()?;
    Ok(api::ListObjectionsResponse { objections, next_page_token })
}
