//! Cases 认定程序: propose, the steps, get, list.
#[cfg(test)]
mod model;
mod refusals;
mod rows;
mod rules;

use std::sync::Arc;

use calendar::Calendar;
use chassis::{
    Answer, Context, Fault, Tx,
    clock::{from_micros, micros, wire},
    decisions::{self, Decision},
    fault::Violation,
    ids,
    page::Page,
};
use contract::discipline::v1::{
    self as api,
    case::{Outcome, State},
    change::Kind as Changed,
    step::Kind,
};
use identifiers::{CodeFault, CodeStatus, Uscc};
use jiff::civil::Date;
use sea_orm::ConnectionTrait;
use serde_json::json;

use self::{rows::Stored, rules::Standing};
use crate::{Discipline, bases, changes, deliveries, directory, listings, looks, personal};

/// Proposes a case.
pub async fn propose(
    app: &Arc<Discipline>,
    context: &Context,
    tx: &Tx,
    request: api::CreateCaseRequest,
) -> Answer<api::Case> {
    let Some(list) = directory::current::<api::List>(&**tx, &request.list_id).await? else {
        return Err(refusals::list_unknown(&request.list_id));
    };
    if !entitled(context, &list.wording) {
        return Err(refusals::not_entitled(&list.wording));
    }
    bases::refuse_unusable(&list.wording, context.today())?;
    let texts = request.evidence.iter().map(|text| ("evidence", text.as_str()));
    personal::refuse(texts.chain([("facts", request.facts.as_str())]))?;
    let (uscc, status) = Uscc::parse_tolerant(&request.uscc).map_err(|fault| refusals::code(&fault))?;
    let subject = match app.credit.subject(uscc.as_str()).await? {
        Some(subject) => subject,
        None if status == CodeStatus::Nonconforming => return Err(refusals::code(&CodeFault::CheckFailed)),
        None => return Err(refusals::subject_unknown(uscc.as_str())),
    };
    let case = api::Case {
        case_id: ids::fresh(context.now)?,
        list_id: request.list_id,
        uscc: subject.uscc,
        name: subject.name,
        state: State::Proposed.into(),
        facts: request.facts,
        evidence: request.evidence,
        proposer: context.caller.name().to_owned(),
        department: context.caller.department().to_owned(),
        ..Default::default()
    };
    let step = step_of(context, Kind::Propose, context.today(), "", "");
    let mut stored = Stored { case, list_version: list.version, region: subject.region };
    rows::insert(tx, &stored, &step, context.now).await?;
    record(tx, context, &stored, &step).await?;
    stored.case.steps.push(step);
    shown(&**tx, stored, context.today()).await
}

/// A step as it is asked for.
struct Act {
    case: String,
    kind: Kind,
    on: String,
    document_number: String,
    text: String,
    hearing_requested: bool,
    outcome: Outcome,
}

impl Act {
    fn of(kind: Kind, request: api::CaseStepRequest) -> Self {
        Self {
            case: request.case,
            kind,
            on: request.on,
            document_number: request.document_number,
            text: request.text,
            hearing_requested: request.hearing_requested,
            outcome: Outcome::Unspecified,
        }
    }
}

macro_rules! steps {
    ($($(#[$doc:meta])* $name:ident => $kind:ident;)*) => {
        $($(#[$doc])*
        pub async fn $name(
            _: &Arc<Discipline>,
            context: &Context,
            tx: &Tx,
            request: api::CaseStepRequest,
        ) -> Answer<api::Case> {
            take(context, tx, Act::of(Kind::$kind, request)).await
        })*
    };
}

steps! {
    /// Serves the notice 事先告知.
    notify => Notify;
    /// Records a statement or defence 陈述申辩.
    record_defence => RecordDefence;
    /// Records the waiver 放弃陈述申辩.
    waive_defence => WaiveDefence;
    /// Records the hearing 听证.
    hold_hearing => HoldHearing;
    /// Serves the decision 送达.
    serve => Serve;
    /// Lists the subject 列入公示.
    publish => Publish;
    /// Drops the case 撤案.
    drop_case => Drop;
}

/// Decides 认定决定.
pub async fn decide(
    _: &Arc<Discipline>,
    context: &Context,
    tx: &Tx,
    request: api::DecideCaseRequest,
) -> Answer<api::Case> {
    let outcome = match request.outcome() {
        Outcome::Unspecified => {
            return Err(Fault::field("outcome", "is LIST or DROP", "应为 LIST（列入）或 DROP（不予列入）"));
        }
        outcome => outcome,
    };
    let act = Act {
        case: request.case,
        kind: Kind::Decide,
        on: request.on,
        document_number: request.document_number,
        text: request.text,
        hearing_requested: false,
        outcome,
    };
    take(context, tx, act).await
}

// One step: read, judge, write, answer.
async fn take(context: &Context, tx: &Tx, act: Act) -> Answer<api::Case> {
    let found = rows::held(tx, &act.case).await?;
    let mut stored = found.ok_or_else(|| Fault::not_found("case", "案件", &act.case))?;
    let list = directory::version::<api::List>(&**tx, &stored.case.list_id, stored.list_version).await?;
    refuse_stranger(context, &stored.case, &list, act.kind)?;
    let on = match act.on.as_str() {
        "" => context.today(),
        on => on.parse().map_err(Fault::internal)?,
    };
    refuse_step(context, &stored, &list, &act, on)?;
    refuse_lapsed(context, tx, &list, &act).await?;
    let step = step_of(context, act.kind, on, &act.document_number, &act.text);
    let case = &mut stored.case;
    case.state = rules::after(act.kind, act.outcome).into();
    case.hearing_requested |= act.hearing_requested;
    if act.kind == Kind::Decide {
        case.outcome = act.outcome.into();
    }
    rows::append(tx, case, &step, context.now).await?;
    record(tx, context, &stored, &step).await?;
    stored.case.steps.push(step);
    if act.kind == Kind::Publish {
        let listing = listing(&stored.case, &list, on);
        listings::insert(tx, &listing, stored.list_version).await?;
        let position = changes::append(tx, context, Changed::Listed, &listing.listing).await?;
        deliveries::take_in(tx, context, &listing, &list.record_item).await?;
        let mut case = shown(&**tx, stored, context.today()).await?;
        if let Some(listing) = &mut case.listing {
            listing.position = position;
        }
        return Ok(case);
    }
    shown(&**tx, stored, context.today()).await
}

// The case goes by the wording that it began with; whether its rule is still in force is told by the one of today. To drop it is always lawful.
async fn refuse_lapsed(context: &Context, tx: &Tx, list: &api::List, act: &Act) -> Answer<()> {
    let lists = act.kind == Kind::Publish || (act.kind == Kind::Decide && act.outcome == Outcome::List);
    if !lists {
        return Ok(());
    }
    bases::refuse_unusable(list, context.today())?;
    let current = directory::current::<api::List>(&**tx, &list.list_id).await?;
    match current {
        Some(current) => bases::refuse_unusable(&current.wording, context.today()),
        None => Err(refusals::list_unknown(&list.list_id)),
    }
}

fn refuse_step(context: &Context, stored: &Stored, list: &api::List, act: &Act, on: Date) -> Answer<()> {
    let calendar = Calendar::of_region(&stored.region);
    let standing = standing(&stored.case, list, &calendar);
    standing
        .judge_by(act.kind, (context.caller.name(), &stored.case.proposer), on, context.today())
        .map_err(|refusal| refusals::step(&standing, act.kind, refusal))?;
    if rules::needs_document(act.kind) && act.document_number.trim().is_empty() {
        return Err(Fault::fields(vec![Violation::new(
            "documentNumber",
            "is required: this step is done by a paper; give its number",
            "为必填项：该步骤须以文书作出，请填写文号",
        )]));
    }
    personal::refuse([("text", act.text.as_str()), ("documentNumber", act.document_number.as_str())])
}

/// Whether the caller's department may decide on the list 认定单位.
fn entitled(context: &Context, list: &api::List) -> bool {
    let department = context.caller.department();
    let named = list.decided_by.is_empty() || list.decided_by.iter().any(|entitled| entitled == department);
    context.caller.is_office() || (!department.is_empty() && named)
}

// The department that proposed goes on with its case; those that the list names may take it over, and whoever decided
// serves and publishes the decision.
fn refuse_stranger(context: &Context, case: &api::Case, list: &api::List, kind: Kind) -> Answer<()> {
    if kind == Kind::Decide {
        return if entitled(context, list) { Ok(()) } else { Err(refusals::not_entitled(list)) };
    }
    let department = context.caller.department();
    let decided = case.steps.iter().any(|step| step.kind() == Kind::Decide && step.department == department);
    let named = list.decided_by.iter().any(|entitled| entitled == department);
    let own = !department.is_empty() && (case.department == department || decided || named);
    if own || context.caller.is_office() { Ok(()) } else { Err(refusals::not_of_department(case)) }
}

fn standing<'a>(case: &'a api::Case, list: &api::List, calendar: &'a Calendar) -> Standing<'a> {
    Standing {
        state: case.state(),
        steps: &case.steps,
        hearing_requested: case.hearing_requested,
        defence_working_days: u16::try_from(list.defence_working_days).unwrap_or_default(),
        calendar,
    }
}

fn step_of(context: &Context, kind: Kind, on: Date, document_number: &str, text: &str) -> api::Step {
    api::Step {
        kind: kind.into(),
        by: context.caller.name().to_owned(),
        department: context.caller.department().to_owned(),
        on: on.to_string(),
        document_number: document_number.trim().to_owned(),
        text: text.to_owned(),
        // As the table keeps it, so that every answer says the same.
        recorded_at: Some(wire(from_micros(micros(context.now)))),
    }
}

async fn record(tx: &Tx, context: &Context, stored: &Stored, step: &api::Step) -> Answer<()> {
    let case = &stored.case;
    let kind = format!("case.{}", rules::called(step.kind()).0);
    let basis = format!("{}@{}", case.list_id, stored.list_version);
    let detail = json!({
        "case": case.case_id,
        "on": step.on,
        "documentNumber": step.document_number,
        "state": case.state().as_str_name(),
    });
    decisions::record(tx, context, Decision { kind: &kind, subject: &case.uscc, basis: &basis, detail }).await
}

fn listing(case: &api::Case, list: &api::List, from: Date) -> api::Listing {
    let decision = case.steps.iter().find(|step| step.kind() == Kind::Decide).cloned().unwrap_or_default();
    let until = rules::until(from, list.publication_months);
    api::Listing {
        listing: case.case_id.clone(),
        list_id: list.list_id.clone(),
        list_name: list.name.clone(),
        kind: list.kind,
        uscc: case.uscc.clone(),
        name: case.name.clone(),
        department: decision.department,
        document_number: decision.document_number,
        facts: case.facts.clone(),
        decided_on: decision.on,
        from: from.to_string(),
        until: until.map(|until| until.to_string()).unwrap_or_default(),
        state: api::listing::State::Active.into(),
        ..Default::default()
    }
}

// The case as the contract shows it: with what follows from its list, the calendar and the day.
async fn shown(db: &impl ConnectionTrait, stored: Stored, today: Date) -> Answer<api::Case> {
    let list = directory::version::<api::List>(db, &stored.case.list_id, stored.list_version).await?;
    let calendar = Calendar::of_region(&stored.region);
    let standing = standing(&stored.case, &list, &calendar);
    let next_steps = standing.next_steps();
    let undecided = next_steps.contains(&Kind::Drop);
    let earliest = standing.earliest_decision().filter(|_| undecided);
    let mut case = stored.case;
    case.next_steps = next_steps.into_iter().map(i32::from).collect();
    if let Some(earliest) = earliest {
        case.earliest_decision_on = earliest.on.to_string();
        case.provisional = earliest.provisional;
    }
    if case.state() == State::Listed {
        case.listing = listings::find(db, &case.case_id, today).await?;
    }
    Ok(case)
}

/// Gives one case.
pub async fn get(
    app: &Arc<Discipline>,
    context: &Context,
    request: api::GetCaseRequest,
) -> Answer<api::Case> {
    let purpose = context.purpose(&request.purpose)?;
    let db = app.store.read();
    let found = rows::find(db, &request.case).await?.filter(|stored| may_see(context, &stored.case));
    let stored = found.ok_or_else(|| Fault::not_found("case", "案件", &request.case))?;
    looks::record(app, context, purpose, &[&stored.case.uscc]).await?;
    shown(db, stored, context.today()).await
}

// An enterprise's own client sees its own cases.
fn may_see(context: &Context, case: &api::Case) -> bool {
    let enterprise = context.caller.enterprise();
    enterprise.is_empty() || enterprise == case.uscc
}

/// Lists cases.
pub async fn list(
    app: &Arc<Discipline>,
    context: &Context,
    request: api::ListCasesRequest,
) -> Answer<api::ListCasesResponse> {
    let purpose = context.purpose(&request.purpose)?;
    let page = Page::of(request.page_size, &request.page_token)?;
    let asked = match request.uscc.as_str() {
        "" => String::new(),
        code => Uscc::parse_tolerant(code).map_err(|fault| refusals::code(&fault))?.0.to_string(),
    };
    let enterprise = context.caller.enterprise();
    if !enterprise.is_empty() && !asked.is_empty() && asked != enterprise {
        return Ok(api::ListCasesResponse::default());
    }
    let uscc = if enterprise.is_empty() { asked.as_str() } else { enterprise };
    let db = app.store.read();
    let filter = rows::Filter { uscc, list: &request.list, state: request.state, before: &page.after };
    let mut found = rows::list(db, filter, page.fetch()).await?;
    let next_page_token = page.cut(&mut found, |stored| stored.case.case_id.clone());
    let mut subjects: Vec<&str> = found.iter().map(|stored| stored.case.uscc.as_str()).collect();
    subjects.sort_unstable();
    subjects.dedup();
    looks::record(app, context, purpose, &subjects).await?;
    let mut cases = Vec::with_capacity(found.len());
    for stored in found {
        cases.push(shown(db, stored, context.today()).await?);
    }
    Ok(api::ListCasesResponse { cases, next_page_token })
}
