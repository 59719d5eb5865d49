//! Objections 异议 and repairs 信用修复 of records: filed, marked at once, decided by another, carried out at once.
mod rows;
mod rules;

use std::{collections::BTreeSet, sync::Arc};

use chassis::{
    Answer, Context, Fault, Tx,
    clock::micros,
    decisions::{self, Decision},
    figures, ids,
    page::Page,
};
use contract::{
    credit::v1::{self as api, record::Status},
    r#type::v1::ErrorReason as Common,
};
use jiff::Timestamp;
use sea_orm::ConnectionTrait;
use serde_json::json;

use rows::{Filing, Filter};
pub use rules::Kind;

use crate::{
    Credit, accesses, outcomes,
    records::{self, Present},
};

/// Files an objection.
pub async fn object(
    _: &Arc<Credit>,
    context: &Context,
    tx: &Tx,
    request: api::CreateObjectionRequest,
) -> Answer<api::Objection> {
    let filed =
        file(context, tx, Kind::Objection, &request.record, [&request.reason, &request.evidence]).await?;
    Ok(filed.objection(context.today()))
}

/// Asks for a repair.
pub async fn ask_repair(
    _: &Arc<Credit>,
    context: &Context,
    tx: &Tx,
    request: api::CreateRepairRequest,
) -> Answer<api::Repair> {
    let filed =
        file(context, tx, Kind::Repair, &request.record, [&request.reason, &request.evidence]).await?;
    Ok(filed.repair(context.today()))
}

async fn file(
    context: &Context,
    tx: &Tx,
    kind: Kind,
    record: &str,
    [reason, evidence]: [&str; 2],
) -> Answer<Filing> {
    let caller = &context.caller;
    let present = records::held(tx, record).await?;
    if !caller.enterprise().is_empty() && caller.enterprise() != present.record.uscc {
        return Err(outcomes::not_for_enterprises());
    }
    records::effective(&present)?;
    let reason = outcomes::free_text("reason", reason, 2_000).map_err(outcomes::fault)?;
    let evidence = outcomes::free_text("evidence", evidence, 2_000).map_err(outcomes::fault)?;
    let today = context.today();
    let (term, basis) = rules::term(kind, today)
        .ok_or_else(|| Fault::internal(anyhow::anyhow!("no term for {kind:?} on {today}")))?;
    let mut basis = basis.to_owned();
    let item = records::item_of(tx, &present).await?;
    if kind == Kind::Repair
        && let Some((first, regime)) = records::publicity::earliest_repair(&present.record, &item.body, today)
    {
        if today < first {
            let early = rules::too_early(first, regime);
            return Err(
                Fault::precondition(early.reason, early.text.en, early.text.zh).with("earliest", first)
            );
        }
        basis = format!("{basis}；{regime}");
    }
    let filing = Filing {
        filing: ids::fresh(context.now)?,
        uscc: present.record.uscc.clone(),
        record: present.record.record.clone(),
        item: present.record.item.clone(),
        department: present.record.department.clone(),
        reason,
        evidence,
        state: String::from("OPEN"),
        filed_at: micros(context.now),
        filed_by: caller.name().to_owned(),
        filed_for: caller.department().to_owned(),
        due_on: term.last_day.to_string(),
        due_provisional: term.provisional,
        basis,
        decided_at: None,
        decided_by: String::new(),
        explanation: String::new(),
    };
    if !rows::insert(tx, kind, &filing).await? {
        return Err(Fault::precondition(
            api::ErrorReason::FilingOpen.as_str_name(),
            "one of this kind is open for the record already; wait for its decision",
            "该记录已有同类申请正在办理；请等待办结",
        ));
    }
    let mut marks = present.record.marks.clone();
    let mark = i32::from(kind.mark());
    if !marks.contains(&mark) {
        marks.push(mark);
    }
    records::mark(tx, context, &present, marks).await?;
    tell(context, tx, kind, "filed", &filing).await?;
    figures::filings::filed(tx, today, &filing.department, kind.name()).await?;
    Ok(filing)
}

// Into the record of decisions.
async fn tell(context: &Context, tx: &Tx, kind: Kind, what: &str, filing: &Filing) -> Answer<()> {
    let what = format!("{}.{what}", kind.name().to_lowercase());
    let detail = json!({ "filing": filing.filing, "record": filing.record, "state": filing.state,
                         "dueOn": filing.due_on, "reason": filing.reason, "explanation": filing.explanation });
    let decision = Decision { kind: &what, subject: &filing.uscc, basis: &filing.basis, detail };
    decisions::record(tx, context, decision).await
}

/// Decides an objection.
pub async fn decide_objection(
    _: &Arc<Credit>,
    context: &Context,
    tx: &Tx,
    request: api::DecideObjectionRequest,
) -> Answer<api::Objection> {
    let (id, outcome) = (&request.objection_id, request.outcome().as_str_name());
    let (filing, present) = decide(context, tx, Kind::Objection, id, outcome, &request.explanation).await?;
    let right = api::CorrectRecordRequest {
        occurred_on: request.occurred_on,
        severity: request.severity,
        amount: request.amount,
        fields: request.fields,
        ..Default::default()
    };
    if filing.state == Kind::Objection.granted() && present.record.status() == Status::Effective {
        if right == api::CorrectRecordRequest::default() {
            records::end(tx, context, &present, Status::Withdrawn, &filing.explanation).await?;
        } else {
            records::put_right(tx, context, &present, &right, &filing.explanation).await?;
        }
    }
    Ok(filing.objection(context.today()))
}

/// Decides a repair.
pub async fn decide_repair(
    _: &Arc<Credit>,
    context: &Context,
    tx: &Tx,
    request: api::DecideRepairRequest,
) -> Answer<api::Repair> {
    let (id, outcome) = (&request.repair_id, request.outcome().as_str_name());
    let (filing, present) = decide(context, tx, Kind::Repair, id, outcome, &request.explanation).await?;
    if filing.state == Kind::Repair.granted() && present.record.status() == Status::Effective {
        records::end(tx, context, &present, Status::Repaired, &filing.explanation).await?;
    }
    Ok(filing.repair(context.today()))
}

// Judges and closes; gives the record as it stands without the mark.
async fn decide(
    context: &Context,
    tx: &Tx,
    kind: Kind,
    id: &str,
    outcome: &str,
    explanation: &str,
) -> Answer<(Filing, Present)> {
    let mut filing = rows::get_for_update(tx, kind, id).await?.ok_or_else(|| missing(kind, id))?;
    may_decide(context, kind, &filing, outcome)?;
    filing.explanation = outcomes::free_text("explanation", explanation, 2_000).map_err(outcomes::fault)?;
    filing.state = outcome.to_owned();
    filing.decided_at = Some(micros(context.now));
    filing.decided_by = context.caller.name().to_owned();
    rows::close(tx, context.now, &filing).await?;
    tell(context, tx, kind, "decided", &filing).await?;
    let present = records::held(tx, &filing.record).await?;
    let mark = i32::from(kind.mark());
    let marks = present.record.marks.iter().copied().filter(|given| *given != mark).collect();
    let present = records::mark(tx, context, &present, marks).await?;
    figures::filings::decided(tx, context.today(), &filing.department, kind.name(), &filing.due_on).await?;
    Ok((filing, present))
}

fn may_decide(context: &Context, kind: Kind, filing: &Filing, outcome: &str) -> Answer<()> {
    let (caller, granted) = (&context.caller, kind.granted());
    if !caller.enterprise().is_empty() || (!caller.is_office() && caller.department() != filing.department) {
        return Err(Fault::denied(
            Common::ScopeMissing.as_str_name(),
            format!("it is decided by {} or the credit office", filing.department),
            format!("应由{}或信用联办办理", filing.department),
        ));
    }
    if caller.name() == filing.filed_by {
        return Err(Fault::denied(
            api::ErrorReason::FourEyes.as_str_name(),
            "who filed does not decide; let another client of the department decide",
            "申请人与审定人不得为同一人；请由其他人员审定",
        ));
    }
    if filing.state != "OPEN" {
        return Err(Fault::precondition(
            api::ErrorReason::FilingDecided.as_str_name(),
            format!("it is {} already", filing.state),
            format!("该申请已办结（{}）", filing.state),
        ));
    }
    if outcome != granted && outcome != "REJECTED" {
        let (en, zh) = (format!("must be {granted} or REJECTED"), format!("必须为 {granted} 或 REJECTED"));
        return Err(Fault::field("outcome", en, zh));
    }
    Ok(())
}

fn missing(kind: Kind, id: &str) -> Fault {
    match kind {
        Kind::Objection => Fault::not_found("objection", "异议", id),
        Kind::Repair => Fault::not_found("repair", "信用修复申请", id),
    }
}

/// Puts the marks on records that they bore at an instant.
pub async fn mark_as_at(
    db: &impl ConnectionTrait,
    uscc: &str,
    at: Timestamp,
    records: impl IntoIterator<Item = &mut api::Record>,
) -> Answer<()> {
    let open = rows::open_at(db, uscc, at).await?;
    for record in records {
        let marks = open.iter().filter(|(_, marked)| *marked == record.record);
        record.marks = marks.map(|(kind, _)| i32::from(kind.mark())).collect();
    }
    Ok(())
}

/// Gives an objection.
pub async fn get_objection(
    app: &Arc<Credit>,
    context: &Context,
    request: api::GetObjectionRequest,
) -> Answer<api::Objection> {
    let filing = get(app, context, Kind::Objection, &request.objection_id, &request.purpose).await?;
    Ok(filing.objection(context.today()))
}

/// Gives a repair.
pub async fn get_repair(
    app: &Arc<Credit>,
    context: &Context,
    request: api::GetRepairRequest,
) -> Answer<api::Repair> {
    let filing = get(app, context, Kind::Repair, &request.repair_id, &request.purpose).await?;
    Ok(filing.repair(context.today()))
}

// Whose it is not does not learn that it is there.
async fn get(app: &Arc<Credit>, context: &Context, kind: Kind, id: &str, purpose: &str) -> Answer<Filing> {
    let filing = rows::get(app.store.read(), kind, id).await?.ok_or_else(|| missing(kind, id))?;
    let caller = &context.caller;
    let theirs = match caller.enterprise() {
        "" => {
            caller.is_office()
                || [&filing.department, &filing.filed_for].iter().any(|d| *d == caller.department())
        }
        own => own == filing.uscc,
    };
    if !theirs {
        return Err(missing(kind, id));
    }
    let asked = accesses::ask(app, context, &filing.uscc, purpose).await?;
    accesses::log(app, context, &asked, kind.name()).await?;
    Ok(filing)
}

/// Lists objections.
pub async fn list_objections(
    app: &Arc<Credit>,
    context: &Context,
    request: api::ListObjectionsRequest,
) -> Answer<api::ListObjectionsResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let state = match request.state() {
        api::objection::State::Unspecified => "",
        state => state.as_str_name(),
    };
    let asked = Asked { uscc: &request.uscc, state, overdue: request.overdue, purpose: &request.purpose };
    let mut filings = list(app, context, Kind::Objection, &page, asked).await?;
    let next_page_token = page.cut(&mut filings, |filing| filing.filing.clone());
    let objections = filings.into_iter().map(|filing| filing.objection(context.today())).collect();
    Ok(api::ListObjectionsResponse { objections, next_page_token })
}

/// Lists repairs.
pub async fn list_repairs(
    app: &Arc<Credit>,
    context: &Context,
    request: api::ListRepairsRequest,
) -> Answer<api::ListRepairsResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let state = match request.state() {
        api::repair::State::Unspecified => "",
        state => state.as_str_name(),
    };
    let asked = Asked { uscc: &request.uscc, state, overdue: request.overdue, purpose: &request.purpose };
    let mut filings = list(app, context, Kind::Repair, &page, asked).await?;
    let next_page_token = page.cut(&mut filings, |filing| filing.filing.clone());
    let repairs = filings.into_iter().map(|filing| filing.repair(context.today())).collect();
    Ok(api::ListRepairsResponse { repairs, next_page_token })
}

struct Asked<'a> {
    uscc: &'a str,
    state: &'a str,
    overdue: bool,
    purpose: &'a str,
}

async fn list(
    app: &Arc<Credit>,
    context: &Context,
    kind: Kind,
    page: &Page,
    asked: Asked<'_>,
) -> Answer<Vec<Filing>> {
    let caller = &context.caller;
    let code = match asked.uscc {
        "" => String::new(),
        given => outcomes::code_asked(given)?.as_str().to_owned(),
    };
    let (uscc, department) = match caller.enterprise() {
        "" if caller.is_office() => (code.as_str(), ""),
        "" => (code.as_str(), caller.department()),
        own if code.is_empty() || code == own => (own, ""),
        _ => return Err(outcomes::not_for_enterprises()),
    };
    let today = context.today().to_string();
    let overdue_on = if asked.overdue { today.as_str() } else { "" };
    let filter = Filter { kind, uscc, department, state: asked.state, overdue_on };
    let filings = rows::list(app.store.read(), &filter, page).await?;
    if caller.enterprise().is_empty() {
        let subjects: BTreeSet<&str> = filings.iter().map(|filing| filing.uscc.as_str()).collect();
        accesses::log_all(app, context, context.purpose(asked.purpose)?, subjects, kind.name()).await?;
    }
    Ok(filings)
}
