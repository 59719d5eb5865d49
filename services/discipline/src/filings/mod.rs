//! Objections 异议 and repairs 信用修复 of listings: filed, marked at once, decided by another, carried out at once.
mod rows;
mod rules;

use std::sync::Arc;

use calendar::Calendar;
use chassis::{
    Answer, Context, Fault, Tx,
    clock::{business_day, from_micros, micros},
    decisions::{self, Decision},
    figures, ids,
    page::Page,
};
use contract::discipline::v1::{self as api, listing::State, listing_event::Kind as Happened};
use identifiers::Uscc;
use serde_json::json;

use rows::{Filing, Filter};
pub use rules::Kind;

use crate::{
    Discipline,
    listings::{self, Row},
    looks,
    papers::{self, Printed},
    personal,
};

/// Files an objection.
pub async fn object(
    _: &Arc<Discipline>,
    context: &Context,
    tx: &Tx,
    request: api::CreateObjectionRequest,
) -> Answer<api::Objection> {
    let given = Given {
        listing: &request.listing,
        reason: &request.reason,
        evidence: &request.evidence,
        commitment: "",
    };
    Ok(file(context, tx, Kind::Objection, given).await?.objection(context.today()))
}

/// Asks for a repair.
pub async fn ask_repair(
    _: &Arc<Discipline>,
    context: &Context,
    tx: &Tx,
    request: api::CreateRepairRequest,
) -> Answer<api::Repair> {
    let given = Given {
        listing: &request.listing,
        reason: &request.reason,
        evidence: &request.evidence,
        commitment: &request.commitment,
    };
    Ok(file(context, tx, Kind::Repair, given).await?.repair(context.today()))
}

struct Given<'a> {
    listing: &'a str,
    reason: &'a str,
    evidence: &'a str,
    commitment: &'a str,
}

async fn file(context: &Context, tx: &Tx, kind: Kind, given: Given<'_>) -> Answer<Filing> {
    let caller = &context.caller;
    let found = listings::held(tx, given.listing).await?;
    let listing = found.filter(|row| caller.enterprise().is_empty() || caller.enterprise() == row.uscc);
    let listing =
        listing.ok_or_else(|| Fault::not_found("listing", "列入记录", given.listing).at("listing"))?;
    listings::active(context, &listing)?;
    personal::refuse([
        ("reason", given.reason),
        ("evidence", given.evidence),
        ("commitment", given.commitment),
    ])?;
    let today = context.today();
    let (term, basis) = rules::term(kind, today, Calendar::national())
        .ok_or_else(|| Fault::internal(anyhow::anyhow!("no term for {kind:?} on {today}")))?;
    if kind == Kind::Repair
        && let Some(first) = listings::repair_from(&**tx, &listing).await?
        && today < first
    {
        return Err(too_early(first));
    }
    let filing = Filing {
        filing: ids::fresh(context.now)?,
        listing: listing.case_id.clone(),
        list_id: listing.list_id.clone(),
        uscc: listing.uscc.clone(),
        department: listing.department.clone(),
        reason: given.reason.trim().to_owned(),
        evidence: given.evidence.trim().to_owned(),
        commitment: given.commitment.trim().to_owned(),
        state: String::from("OPEN"),
        filed_at: micros(context.now),
        filed_by: caller.name().to_owned(),
        filed_for: caller.department().to_owned(),
        due_on: term.last_day.to_string(),
        due_provisional: term.provisional,
        basis: basis.to_owned(),
        decided_at: None,
        decided_by: String::new(),
        explanation: String::new(),
    };
    if !rows::insert(tx, kind, &filing).await? {
        return Err(Fault::precondition(
            api::ErrorReason::FilingOpen.as_str_name(),
            "one of this kind is open for the listing already; wait for its decision",
            "该列入已有同类申请正在办理；请等待办结",
        ));
    }
    mark(context, tx, kind, &listing, true, &filing.reason).await?;
    tell(context, tx, kind, "filed", &filing).await?;
    figures::filings::filed(tx, today, &filing.department, kind.name()).await?;
    Ok(filing)
}

fn too_early(first: jiff::civil::Date) -> Fault {
    Fault::precondition(
        api::ErrorReason::RepairTooEarly.as_str_name(),
        format!("the listing must be shown for longer; a repair may be asked for from {first} on"),
        format!("未满最短公示期；最早可于{first}申请修复"),
    )
    .with("earliestDate", first)
}

async fn mark(context: &Context, tx: &Tx, kind: Kind, listing: &Row, put: bool, text: &str) -> Answer<()> {
    let event = api::ListingEvent {
        kind: if put { Happened::Marked.into() } else { Happened::Unmarked.into() },
        mark: kind.mark().into(),
        on: context.today().to_string(),
        text: text.to_owned(),
        ..Default::default()
    };
    listings::put_mark(context, tx, listing, kind.mark(), put, event).await
}

// Into the record of decisions.
async fn tell(context: &Context, tx: &Tx, kind: Kind, what: &str, filing: &Filing) -> Answer<()> {
    let what = format!("{}.{what}", kind.name().to_lowercase());
    let detail = json!({ "filing": filing.filing, "listing": filing.listing, "state": filing.state,
                         "dueOn": filing.due_on, "reason": filing.reason, "explanation": filing.explanation });
    let decision = Decision { kind: &what, subject: &filing.uscc, basis: &filing.basis, detail };
    decisions::record(tx, context, decision).await
}

/// Prints the answer to an objection.
pub async fn print_answer(
    app: &Arc<Discipline>,
    context: &Context,
    request: &api::DecideObjectionRequest,
) -> Answer<Printed> {
    let (id, decided) = (&request.objection_id, Decided::of_objection(request));
    print(app, context, Kind::Objection, id, &decided).await
}

/// Decides an objection. Upheld, the listing is revoked.
pub async fn decide_objection(
    _: &Arc<Discipline>,
    context: &Context,
    tx: &Tx,
    request: api::DecideObjectionRequest,
    printed: Printed,
) -> Answer<api::Objection> {
    let (id, decided) = (&request.objection_id, Decided::of_objection(&request));
    let filing = decide(context, tx, Kind::Objection, id, &decided, printed).await?;
    Ok(filing.objection(context.today()))
}

/// Prints the decision on a repair.
pub async fn print_decision(
    app: &Arc<Discipline>,
    context: &Context,
    request: &api::DecideRepairRequest,
) -> Answer<Printed> {
    print(app, context, Kind::Repair, &request.repair_id, &Decided::of_repair(request)).await
}

/// Decides a repair. Approved, the subject is taken off the list.
pub async fn decide_repair(
    _: &Arc<Discipline>,
    context: &Context,
    tx: &Tx,
    request: api::DecideRepairRequest,
    printed: Printed,
) -> Answer<api::Repair> {
    let (id, decided) = (&request.repair_id, Decided::of_repair(&request));
    let filing = decide(context, tx, Kind::Repair, id, &decided, printed).await?;
    Ok(filing.repair(context.today()))
}

// How a filing is decided.
struct Decided<'a> {
    outcome: &'static str,
    explanation: &'a str,
    number: &'a str,
}

impl<'a> Decided<'a> {
    fn of_objection(request: &'a api::DecideObjectionRequest) -> Self {
        let outcome = request.outcome().as_str_name();
        Self { outcome, explanation: &request.explanation, number: &request.document_number }
    }

    fn of_repair(request: &'a api::DecideRepairRequest) -> Self {
        let outcome = request.outcome().as_str_name();
        Self { outcome, explanation: &request.explanation, number: &request.document_number }
    }
}

// What may be decided as things stand; the rest the transaction refuses.
async fn print(
    app: &Arc<Discipline>,
    context: &Context,
    kind: Kind,
    id: &str,
    decided: &Decided<'_>,
) -> Answer<Printed> {
    let db = app.store.read();
    let found = rows::get(db, kind, id).await?.filter(|filing| theirs(context, filing));
    let Some(filing) = found else { return Ok(Printed::default()) };
    if may_decide(context, kind, &filing, decided.outcome).is_err() {
        return Ok(Printed::default());
    }
    let Some(listing) = listings::stored(db, &filing.listing).await? else { return Ok(Printed::default()) };
    papers::print(vec![sheet(context, kind, &filing, &listing, decided)]).await
}

// Granted, it is the subject's way off the list.
fn sheet(
    context: &Context,
    kind: Kind,
    filing: &Filing,
    listing: &Row,
    decided: &Decided<'_>,
) -> papers::Sheet {
    let today = context.today();
    let paper = match kind {
        Kind::Objection => api::paper::Kind::ObjectionDecision,
        Kind::Repair => api::paper::Kind::RepairDecision,
    };
    let filed_on = business_day(from_micros(filing.filed_at));
    let own = format!("{}{today}", kind.paper(listing.kind()));
    let mut sheet = listing.sheet(paper, context.caller.department(), today, (decided.number, &own));
    let (outcome, effect) = kind.effect(decided.outcome == kind.granted(), listing.kind());
    sheet.values.extend([
        ("outcome", outcome.to_owned()),
        ("effect", effect.to_owned()),
        ("filingId", filing.filing.clone()),
        ("filedOn", papers::day(&filed_on.to_string())),
        ("reason", filing.reason.clone()),
        ("evidence", filing.evidence.clone()),
        ("commitment", filing.commitment.clone()),
        ("text", decided.explanation.trim().to_owned()),
    ]);
    sheet
}

// The listing is held before the filing, as when one is filed, so that the two never wait for each other in a ring.
async fn decide(
    context: &Context,
    tx: &Tx,
    kind: Kind,
    id: &str,
    decided: &Decided<'_>,
    mut printed: Printed,
) -> Answer<Filing> {
    let found = rows::get(&**tx, kind, id).await?.filter(|filing| theirs(context, filing));
    let seen = found.ok_or_else(|| missing(kind, id))?;
    let listing = listings::held(tx, &seen.listing).await?;
    let listing =
        listing.ok_or_else(|| Fault::internal(anyhow::anyhow!("listing {} vanished", seen.listing)))?;
    let mut filing = rows::get_for_update(tx, kind, id).await?.ok_or_else(|| missing(kind, id))?;
    may_decide(context, kind, &filing, decided.outcome)?;
    personal::refuse([("explanation", decided.explanation), ("documentNumber", decided.number)])?;
    let sheet = sheet(context, kind, &filing, &listing, decided);
    papers::keep(tx, context, &sheet, &mut printed, (&listing.uscc, 0)).await?;
    filing.explanation = decided.explanation.trim().to_owned();
    filing.state = decided.outcome.to_owned();
    filing.decided_at = Some(micros(context.now));
    filing.decided_by = context.caller.name().to_owned();
    rows::close(tx, context.now, &filing).await?;
    tell(context, tx, kind, "decided", &filing).await?;
    figures::filings::decided(tx, context.today(), &filing.department, kind.name(), &filing.due_on).await?;
    if filing.state != kind.granted() {
        mark(context, tx, kind, &listing, false, &filing.explanation).await?;
        return Ok(filing);
    }
    listings::active(context, &listing)?;
    let (state, happened) = match kind {
        Kind::Objection => (State::Revoked, Happened::Revoked),
        Kind::Repair => (State::Repaired, Happened::Repaired),
    };
    let event = api::ListingEvent {
        kind: happened.into(),
        on: context.today().to_string(),
        text: filing.explanation.clone(),
        ..Default::default()
    };
    listings::end(context, tx, &listing, state, event).await?;
    Ok(filing)
}

fn may_decide(context: &Context, kind: Kind, filing: &Filing, outcome: &str) -> Answer<()> {
    let (caller, granted) = (&context.caller, kind.granted());
    if !caller.enterprise().is_empty() || (!caller.is_office() && caller.department() != filing.department) {
        return Err(Fault::denied(
            api::ErrorReason::NotOfDepartment.as_str_name(),
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
    let (en, zh) = kind.called();
    Fault::not_found(en, zh, id)
}

/// Closes what is open about a listing that has ended.
pub async fn close_all(context: &Context, tx: &Tx, listing: &str) -> Answer<()> {
    for filing in rows::close_all(tx, context.now, context.caller.name(), listing).await? {
        let detail = json!({ "filing": filing.filing, "listing": filing.listing, "state": filing.state });
        let decision =
            Decision { kind: "filing.closed", subject: &filing.uscc, basis: &filing.basis, detail };
        decisions::record(tx, context, decision).await?;
    }
    Ok(())
}

/// Gives an objection.
pub async fn get_objection(
    app: &Arc<Discipline>,
    context: &Context,
    request: api::GetObjectionRequest,
) -> Answer<api::Objection> {
    let filing = get(app, context, Kind::Objection, &request.objection_id, &request.purpose).await?;
    Ok(filing.objection(context.today()))
}

/// Gives a repair.
pub async fn get_repair(
    app: &Arc<Discipline>,
    context: &Context,
    request: api::GetRepairRequest,
) -> Answer<api::Repair> {
    let filing = get(app, context, Kind::Repair, &request.repair_id, &request.purpose).await?;
    Ok(filing.repair(context.today()))
}

// Whose it is not does not learn that it is there.
async fn get(
    app: &Arc<Discipline>,
    context: &Context,
    kind: Kind,
    id: &str,
    purpose: &str,
) -> Answer<Filing> {
    let purpose = context.purpose(purpose)?;
    let found = rows::get(app.store.read(), kind, id).await?.filter(|filing| theirs(context, filing));
    let filing = found.ok_or_else(|| missing(kind, id))?;
    looks::record(app, context, purpose, &[&filing.uscc]).await?;
    Ok(filing)
}

fn theirs(context: &Context, filing: &Filing) -> bool {
    let caller = &context.caller;
    match caller.enterprise() {
        "" => {
            caller.is_office()
                || [&filing.department, &filing.filed_for].iter().any(|known| *known == caller.department())
        }
        own => own == filing.uscc,
    }
}

/// Lists objections.
pub async fn list_objections(
    app: &Arc<Discipline>,
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
    app: &Arc<Discipline>,
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
    app: &Arc<Discipline>,
    context: &Context,
    kind: Kind,
    page: &Page,
    asked: Asked<'_>,
) -> Answer<Vec<Filing>> {
    let purpose = context.purpose(asked.purpose)?;
    let caller = &context.caller;
    let code = match asked.uscc {
        "" => String::new(),
        given => {
            let read = Uscc::parse_tolerant(given);
            let refused = |fault: identifiers::CodeFault| {
                Fault::invalid(fault.reason(), fault.message_en(), fault.message_zh()).at("uscc")
            };
            read.map_err(refused)?.0.to_string()
        }
    };
    let (uscc, department) = match caller.enterprise() {
        "" if caller.is_office() => (code.as_str(), ""),
        "" => (code.as_str(), caller.department()),
        own if code.is_empty() || code == own => (own, ""),
        _ => return Ok(Vec::new()),
    };
    let today = context.today().to_string();
    let overdue_on = if asked.overdue { today.as_str() } else { "" };
    let filter = Filter { kind, uscc, department, state: asked.state, overdue_on };
    let filings = rows::list(app.store.read(), &filter, page).await?;
    let mut subjects: Vec<&str> = filings.iter().map(|filing| filing.uscc.as_str()).collect();
    subjects.sort_unstable();
    subjects.dedup();
    looks::record(app, context, purpose, &subjects).await?;
    Ok(filings)
}
