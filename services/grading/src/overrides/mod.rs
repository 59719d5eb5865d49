//! Overrides 人工调整: a grade that two officers set for a time. It stands over what the model gives, in every answer, and lists nobody.
pub mod rows;
pub mod rules;

use std::sync::Arc;

use chassis::{
    Answer, Context, Fault, Tx,
    clock::micros,
    decisions::{self, Decision},
    ids,
    page::Page,
};
use contract::{
    grading::v1::{self as api, ErrorReason, Scheme, r#override::State},
    r#type::v1::ErrorReason as Common,
};
use identifiers::Uscc;
use jiff::civil::Date;
use serde_json::json;

use self::rows::{Filter, Row};
use crate::{
    Grading, accesses,
    evaluation::rows::remember,
    grades::{self, day},
    schemes::{self, audience, owned, rules::Audience},
    subject,
};

/// What is proposed.
pub struct Proposal<'a> {
    pub code: &'a Uscc,
    pub scheme: &'a Scheme,
    pub grade: &'a str,
    pub until: &'a str,
    pub reason: &'a str,
    pub evidence: &'a str,
    /// That led to it; empty: none.
    pub objection: &'a str,
}

/// Proposes an override.
pub async fn create(
    app: &Arc<Grading>,
    context: &Context,
    tx: &Tx,
    request: api::CreateOverrideRequest,
) -> Answer<api::Override> {
    let code = subject::code(&request.uscc, "uscc")?;
    let scheme = schemes::published(app, context, &request.scheme).await?;
    let proposal = Proposal {
        code: &code,
        scheme: &scheme,
        grade: &request.grade,
        until: &request.until,
        reason: &request.reason,
        evidence: &request.evidence,
        objection: "",
    };
    let row = propose(app, context, tx, proposal).await?;
    Ok(row.told(context.today()))
}

/// Proposes an override in the transaction of something else.
pub async fn propose(app: &Grading, context: &Context, tx: &Tx, proposal: Proposal<'_>) -> Answer<Row> {
    let Proposal { code, scheme, .. } = proposal;
    owned(context, scheme)?;
    let today = context.today();
    let until = day(proposal.until, "until", context)?;
    if !rules::is_last_day(until, today) {
        return Err(Fault::field(
            "until",
            format!("must lie between {today} and twelve months from it; propose it again when it is over"),
            format!("必须在{today}起十二个月之内；到期后可再次提出"),
        ));
    }
    let (version, evaluated) = grades::evaluated(app, &**tx, context, code, scheme).await?;
    if !version.knows(proposal.grade) {
        let known: Vec<&str> = version.grades.iter().map(|(name, _)| name.as_str()).collect();
        let known = known.join(", ");
        return Err(Fault::invalid(
            ErrorReason::GradeNotOfScheme.as_str_name(),
            format!("\"{}\" is not a grade of the scheme; it has {known}", proposal.grade),
            format!("“{}”不是本制度的等级；现有等级：{known}", proposal.grade),
        )
        .at("grade"));
    }
    close_due(app, context, tx, code.as_str(), &scheme.scheme_id).await?;
    let row = Row {
        override_id: ids::fresh(context.now)?,
        uscc: code.to_string(),
        scheme: scheme.scheme_id.clone(),
        department: scheme.department.clone(),
        grade: proposal.grade.to_owned(),
        evaluated_grade: evaluated.grade,
        reason: proposal.reason.trim().to_owned(),
        evidence: proposal.evidence.trim().to_owned(),
        until: until.to_string(),
        state: State::Proposed.as_str_name().to_owned(),
        objection: proposal.objection.to_owned(),
        proposed_at: micros(context.now),
        proposed_by: context.caller.name().to_owned(),
        confirmed_at: None,
        confirmed_by: String::new(),
        ended_at: None,
        ended_by: String::new(),
        end_reason: String::new(),
    };
    if !rows::insert(tx, &row).await? {
        return Err(Fault::precondition(
            ErrorReason::OverrideExists.as_str_name(),
            "an override of this grade is proposed or in force already; confirm that one, or end it first",
            "该等级已有待复核或生效中的人工调整；请先复核或终止",
        ));
    }
    record(context, tx, "override.proposed", &row, &row.reason).await?;
    Ok(row)
}

async fn record(context: &Context, tx: &Tx, kind: &str, row: &Row, reason: &str) -> Answer<()> {
    let detail = json!({ "override": row.override_id, "scheme": row.scheme, "grade": row.grade,
                         "evaluatedGrade": row.evaluated_grade, "until": row.until, "reason": reason,
                         "objection": row.objection });
    decisions::record(tx, context, Decision { kind, subject: &row.uscc, basis: &row.evidence, detail }).await
}

/// Confirms an override; it is in force from now on.
pub async fn confirm(
    app: &Arc<Grading>,
    context: &Context,
    tx: &Tx,
    request: api::ConfirmOverrideRequest,
) -> Answer<api::Override> {
    let (mut row, scheme) = theirs(app, context, tx, &request.override_id).await?;
    if context.caller.name() == row.proposed_by {
        return Err(Fault::denied(
            ErrorReason::FourEyes.as_str_name(),
            "who proposed does not confirm; let another client of the department, or the credit office, confirm",
            "提出人与复核人不得为同一人；请由本部门其他人员或信用联办复核",
        ));
    }
    if row.state_on(context.today()) != State::Proposed || row.until < context.today().to_string() {
        return Err(stands(
            &row,
            context.today(),
            "only one that is proposed, and whose last day is not past, is confirmed",
        ));
    }
    row.state = State::Confirmed.as_str_name().to_owned();
    row.confirmed_at = Some(micros(context.now));
    row.confirmed_by = context.caller.name().to_owned();
    moved(rows::update(tx, &row, State::Proposed.as_str_name()).await?)?;
    note_grade(app, context, tx, &row, &scheme).await?;
    record(context, tx, "override.confirmed", &row, &row.reason).await?;
    Ok(row.told(context.today()))
}

/// Ends an override before its day, or declines one that is proposed.
pub async fn end(
    app: &Arc<Grading>,
    context: &Context,
    tx: &Tx,
    request: api::EndOverrideRequest,
) -> Answer<api::Override> {
    let (mut row, scheme) = theirs(app, context, tx, &request.override_id).await?;
    let (next, kind) = match row.state_on(context.today()) {
        State::Proposed => (State::Declined, "override.declined"),
        State::Confirmed => (State::Ended, "override.ended"),
        State::Unspecified | State::Ended | State::Declined => {
            return Err(stands(&row, context.today(), "only one that is proposed or in force is ended"));
        }
    };
    let before = std::mem::replace(&mut row.state, next.as_str_name().to_owned());
    row.ended_at = Some(micros(context.now));
    row.ended_by = context.caller.name().to_owned();
    row.end_reason = request.reason.trim().to_owned();
    moved(rows::update(tx, &row, &before).await?)?;
    if next == State::Ended {
        note_grade(app, context, tx, &row, &scheme).await?;
    }
    record(context, tx, kind, &row, &row.end_reason).await?;
    Ok(row.told(context.today()))
}

fn stands(row: &Row, today: Date, why: &str) -> Fault {
    let state = row.state_on(today).as_str_name();
    Fault::precondition(
        ErrorReason::OverrideState.as_str_name(),
        format!("the override is {state}, its last day {}; {why}", row.until),
        format!("该人工调整目前为 {state}，有效期至{}；不能办理此操作", row.until),
    )
}

fn moved(moved: bool) -> Answer<()> {
    if moved {
        return Ok(());
    }
    Err(Fault::aborted(
        Common::ConcurrentChange.as_str_name(),
        "somebody else changed the override in the same moment; read it again",
        "该人工调整刚被他人变更；请重新读取",
    ))
}

// One of the caller's own department, held until the transaction ends; with its scheme's newest version.
async fn theirs(app: &Grading, context: &Context, tx: &Tx, id: &str) -> Answer<(Row, Scheme)> {
    let row = rows::claim(tx, id).await?.filter(|_| audience(context) == Audience::Department);
    let row = row.ok_or_else(|| missing(id))?;
    let versions = schemes::shown(app, context, &row.scheme).await?;
    let scheme = schemes::rules::presented(&versions).cloned().ok_or_else(|| missing(id))?;
    owned(context, &scheme)?;
    Ok((row, scheme))
}

fn missing(id: &str) -> Fault {
    Fault::not_found("override", "人工调整", id)
}

// Where an override begins or ends the history has a line of what the model gives at that moment.
async fn note_grade(app: &Grading, context: &Context, tx: &Tx, row: &Row, scheme: &Scheme) -> Answer<()> {
    let code = subject::code(&row.uscc, "uscc")?;
    match grades::evaluated(app, &**tx, context, &code, scheme).await {
        Ok((_, evaluated)) => remember(tx, &[evaluated], micros(context.now)).await,
        // A scheme that was retired, or that the subject left, has no grade to tell.
        Err(fault) if fault.kind() == chassis::fault::Kind::NotFound => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// Ends what has passed its last day.
pub async fn pass(app: &Arc<Grading>, context: &Context) -> Answer<()> {
    while !rows::due(app.store.read(), context.today(), "", "").await?.is_empty() {
        let tx = app.store.begin().await?;
        close_due(app, context, &tx, "", "").await?;
        tx.commit().await?;
    }
    Ok(())
}

async fn close_due(app: &Grading, context: &Context, tx: &Tx, uscc: &str, scheme: &str) -> Answer<()> {
    for mut row in rows::due(&**tx, context.today(), uscc, scheme).await? {
        let before = std::mem::replace(&mut row.state, State::Ended.as_str_name().to_owned());
        row.ended_at = Some(micros(context.now));
        // Another replica may have been faster.
        if !rows::update(tx, &row, &before).await? {
            continue;
        }
        let versions = schemes::rows::versions(&**tx, &row.scheme).await?;
        if let Some(scheme) = schemes::rules::in_state(&versions, api::scheme::State::Published) {
            note_grade(app, context, tx, &row, scheme).await?;
        }
        record(context, tx, "override.expired", &row, "").await?;
    }
    Ok(())
}

/// Gives an override.
pub async fn get(
    app: &Arc<Grading>,
    context: &Context,
    request: api::GetOverrideRequest,
) -> Answer<api::Override> {
    let purpose = context.purpose(&request.purpose)?;
    let row = rows::get(app.store.read(), &request.override_id).await?;
    let row = row.filter(|_| audience(context) == Audience::Department);
    let row = row.ok_or_else(|| missing(&request.override_id))?;
    accesses::note(app, context, purpose, &[&row.uscc], &format!("override {}", row.scheme)).await?;
    Ok(row.told(context.today()))
}

/// Lists overrides.
pub async fn list(
    app: &Arc<Grading>,
    context: &Context,
    request: api::ListOverridesRequest,
) -> Answer<api::ListOverridesResponse> {
    let purpose = context.purpose(&request.purpose)?;
    if audience(context) != Audience::Department {
        return Err(Fault::denied(
            Common::ScopeMissing.as_str_name(),
            "overrides are listed for departments; a subject reads its own in its grade's explanation and history",
            "人工调整仅供部门查询；主体可在等级说明和历史中查看本单位的调整",
        ));
    }
    let page = Page::of(request.page_size, &request.page_token)?;
    let code = match request.uscc.as_str() {
        "" => String::new(),
        given => subject::code(given, "uscc")?.to_string(),
    };
    let filter =
        Filter { uscc: &code, scheme: &request.scheme, state: request.state(), today: context.today() };
    let mut found = rows::list(app.store.read(), &filter, &page).await?;
    let next_page_token = page.cut(&mut found, |row| row.override_id.clone());
    let looked_at: std::collections::BTreeSet<&str> = found.iter().map(|row| row.uscc.as_str()).collect();
    let looked_at: Vec<&str> = looked_at.into_iter().collect();
    accesses::note(app, context, purpose, &looked_at, "overrides").await?;
    let overrides = found.into_iter().map(|row| row.told(context.today())).collect();
    Ok(api::ListOverridesResponse { overrides, next_page_token })
}
