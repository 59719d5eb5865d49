//! Cases 认定程序: propose, and the steps to a listing.
mod course;
mod evidence;
#[cfg(test)]
mod model;
pub mod notice;
mod reads;
mod refusals;
mod rows;
mod rules;
#[cfg(test)]
mod rules_tests;

use std::sync::Arc;

use calendar::Calendar;
use chassis::{
    Answer, Context, Fault, Tx,
    clock::{from_micros, micros, wire},
    decisions::{self, Decision},
    fault::Violation,
    ids,
};
use contract::{
    credit::v1 as credit,
    discipline::v1::{
        self as api,
        case::{Outcome, State},
        change::Kind as Changed,
        step::{self, Kind, Service},
    },
};
use identifiers::{CodeFault, CodeStatus, Uscc};
use jiff::civil::Date;
use sea_orm::ConnectionTrait;
use serde_json::json;

pub use notice::answered_for;
pub use reads::{get, list, seen};

use self::{course::Course, rows::Stored, rules::Standing};
pub use self::{course::contradiction, refusals::list_unknown};
use crate::{
    Discipline, bases, changes, deliveries, directory, figures, listings,
    papers::{self, Printed},
    personal, suggestions,
};

/// What is asked of credit before a case is proposed.
pub struct Prepared {
    list: directory::Entry<api::List>,
    subject: credit::Subject,
}

/// Looks at the list, the subject and the evidence, before the transaction that takes the case in.
pub async fn prepare(
    app: &Arc<Discipline>,
    context: &Context,
    request: &api::CreateCaseRequest,
) -> Answer<Prepared> {
    let Some(list) = directory::current::<api::List>(app.store.read(), &request.list_id).await? else {
        return Err(refusals::list_unknown(&request.list_id));
    };
    refuse_unentitled(context, &list.wording)?;
    bases::refuse_unusable(&list.wording, context.today())?;
    let texts = request.evidence.iter().map(|text| ("evidence", text.as_str()));
    personal::refuse(texts.chain([("facts", request.facts.as_str())]))?;
    let (uscc, status) = Uscc::parse_tolerant(&request.uscc).map_err(|fault| refusals::code(&fault))?;
    let subject = match app.credit.subject(uscc.as_str()).await? {
        Some(subject) => subject,
        None if status == CodeStatus::Nonconforming => return Err(refusals::code(&CodeFault::CheckFailed)),
        None => return Err(refusals::subject_unknown(uscc.as_str())),
    };
    evidence::judge(app, &request.evidence, &subject.uscc, &list.wording).await?;
    Ok(Prepared { list, subject })
}

/// Proposes a case.
pub async fn propose(
    _: &Arc<Discipline>,
    context: &Context,
    tx: &Tx,
    request: api::CreateCaseRequest,
    Prepared { list, subject }: Prepared,
) -> Answer<api::Case> {
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
        suggestion: request.suggestion,
        ..Default::default()
    };
    suggestions::take_up(tx, context, &case).await?;
    let mut step = api::Step { kind: Kind::Propose.into(), ..Default::default() };
    sign(context, &mut step, context.today());
    let mut stored = Stored { case, list_version: list.version, region: subject.region };
    stored.case.steps.push(step.clone());
    let due = due(&stored, &list.wording);
    rows::insert(tx, &stored, &step, &due, context.now).await?;
    record(tx, context, &stored, &step, &[]).await?;
    figures::kept::case(tx, &stored.case.list_id, context.today(), figures::kept::PROPOSED).await?;
    reads::shown(&**tx, stored, context.today()).await
}

fn of(kind: Kind, request: &api::CaseStepRequest) -> Answer<api::Step> {
    let served = matches!(kind, Kind::Notify | Kind::Serve);
    let service = match Service::try_from(request.service) {
        Ok(Service::Unspecified) => Service::Direct,
        Ok(told) => told,
        Err(_) => {
            let en = "is DIRECT, POST, LEFT, ELECTRONIC or ANNOUNCEMENT";
            return Err(Fault::field("service", en, "应为 DIRECT、POST、LEFT、ELECTRONIC 或 ANNOUNCEMENT"));
        }
    };
    Ok(api::Step {
        kind: kind.into(),
        on: request.on.clone(),
        document_number: request.document_number.clone(),
        text: request.text.clone(),
        service: if served { service.into() } else { 0 },
        notice: request.notice.clone().filter(|_| matches!(kind, Kind::Notify | Kind::Publicize)),
        hearing_requested: kind == Kind::RecordDefence && request.hearing_requested,
        ..Default::default()
    })
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
            take(context, tx, &request.case, of(Kind::$kind, &request)?, Printed::default()).await
        })*
    };
}

steps! {
    /// Records a statement or defence 陈述申辩.
    record_defence => RecordDefence;
    /// Records the waiver 放弃陈述申辩.
    waive_defence => WaiveDefence;
    /// Records the hearing 听证.
    hold_hearing => HoldHearing;
    /// Lists the subject 列入公示.
    publish => Publish;
}

// Steps that are done by a paper, which is printed before the transaction begins.
macro_rules! steps_by_paper {
    ($($(#[$doc:meta])* $name:ident, $print:ident: $request:ident => $step:expr;)*) => {
        $($(#[$doc])*
        pub async fn $name(
            _: &Arc<Discipline>,
            context: &Context,
            tx: &Tx,
            request: api::$request,
            printed: Printed,
        ) -> Answer<api::Case> {
            take(context, tx, &request.case, $step(&request)?, printed).await
        }

        /// Prints the paper of this step.
        pub async fn $print(app: &Arc<Discipline>, context: &Context, request: &api::$request) -> Answer<Printed> {
            print(app, context, &request.case, $step(request)?).await
        })*
    };
}

steps_by_paper! {
    /// Serves the notice 事先告知.
    notify, print_notice: CaseStepRequest => |request| of(Kind::Notify, request);
    /// Publicises a proposed reward 拟认定公示.
    publicize, print_publicity: CaseStepRequest => |request| of(Kind::Publicize, request);
    /// Answers what was stated 陈述申辩复核.
    answer_defence, print_answer: AnswerDefenceRequest => answer;
    /// Calls the hearing 听证通知.
    call_hearing, print_call: CallHearingRequest => call;
    /// Reviews the legality 法制审核.
    review_legality, print_opinion: ReviewLegalityRequest => review;
    /// Serves the decision 送达.
    serve, print_receipt: CaseStepRequest => |request| of(Kind::Serve, request);
    /// Drops the case 撤案.
    drop_case, print_termination: CaseStepRequest => |request| of(Kind::Drop, request);
}

fn answer(request: &api::AnswerDefenceRequest) -> Answer<api::Step> {
    if request.answer() == step::Answer::Unspecified {
        let (en, zh) =
            ("is ADOPTED, PARTLY_ADOPTED or NOT_ADOPTED", "应为 ADOPTED、PARTLY_ADOPTED 或 NOT_ADOPTED");
        return Err(Fault::field("answer", en, zh));
    }
    Ok(api::Step {
        kind: Kind::AnswerDefence.into(),
        on: request.on.clone(),
        document_number: request.document_number.clone(),
        text: request.text.clone(),
        answer: request.answer,
        ..Default::default()
    })
}

fn call(request: &api::CallHearingRequest) -> Answer<api::Step> {
    Ok(api::Step {
        kind: Kind::CallHearing.into(),
        on: request.on.clone(),
        document_number: request.document_number.clone(),
        text: request.text.clone(),
        hearing_on: request.hearing_on.clone(),
        ..Default::default()
    })
}

fn review(request: &api::ReviewLegalityRequest) -> Answer<api::Step> {
    if request.review() == step::Review::Unspecified {
        return Err(Fault::field("review", "is PASSED or FAILED", "应为 PASSED（通过）或 FAILED（未通过）"));
    }
    Ok(api::Step {
        kind: Kind::ReviewLegality.into(),
        on: request.on.clone(),
        document_number: request.document_number.clone(),
        text: request.text.clone(),
        review: request.review,
        ..Default::default()
    })
}

fn decision(request: &api::DecideCaseRequest) -> Answer<api::Step> {
    if request.outcome() == Outcome::Unspecified {
        return Err(Fault::field("outcome", "is LIST or DROP", "应为 LIST（列入）或 DROP（不予列入）"));
    }
    Ok(api::Step {
        kind: Kind::Decide.into(),
        on: request.on.clone(),
        document_number: request.document_number.clone(),
        text: request.text.clone(),
        outcome: request.outcome,
        consequences: request.consequences.clone().filter(|_| request.outcome() == Outcome::List),
        ..Default::default()
    })
}

/// Looks at the evidence again before a decision, since a penalty that was annulled carries no listing, and prints the decision.
pub async fn look_again(
    app: &Arc<Discipline>,
    context: &Context,
    request: &api::DecideCaseRequest,
) -> Answer<Printed> {
    let db = app.store.read();
    if request.outcome() == Outcome::List
        && let Some(stored) = rows::find(db, &request.case).await?
    {
        let list = directory::version::<api::List>(db, &stored.case.list_id, stored.list_version).await?;
        // Whoever may not decide does not learn what became of the evidence.
        refuse_unentitled(context, &list)?;
        evidence::judge(app, &stored.case.evidence, &stored.case.uscc, &list).await?;
    }
    print(app, context, &request.case, decision(request)?).await
}

/// Decides 认定决定.
pub async fn decide(
    _: &Arc<Discipline>,
    context: &Context,
    tx: &Tx,
    request: api::DecideCaseRequest,
    printed: Printed,
) -> Answer<api::Case> {
    take(context, tx, &request.case, decision(&request)?, printed).await
}

// A step as it will be kept, the last of its case.
struct Judged {
    stored: Stored,
    list: api::List,
    step: api::Step,
    on: Date,
}

// What is judged here is what is kept, and what its papers tell.
async fn judge(
    db: &impl ConnectionTrait,
    context: &Context,
    mut stored: Stored,
    mut step: api::Step,
) -> Answer<Judged> {
    let list = directory::version::<api::List>(db, &stored.case.list_id, stored.list_version).await?;
    let kind = step.kind();
    refuse_stranger(context, &stored.case, &list, kind)?;
    let on = match step.on.as_str() {
        "" => context.today(),
        on => on.parse().map_err(Fault::internal)?,
    };
    sign(context, &mut step, on);
    refuse_step(context, &stored, &list, &mut step, on)?;
    refuse_lapsed(context, db, &list, &step).await?;
    let case = &mut stored.case;
    case.state = rules::after(kind, step.outcome(), case.state()).into();
    case.hearing_requested |= step.hearing_requested;
    if kind == Kind::Decide {
        case.outcome = step.outcome;
    }
    case.steps.push(step.clone());
    Ok(Judged { stored, list, step, on })
}

// The papers of a step, if it can be taken as things stand. If it can't, the transaction says why: by then a call with the same id may have taken it.
async fn print(app: &Arc<Discipline>, context: &Context, case: &str, step: api::Step) -> Answer<Printed> {
    let db = app.store.read();
    let Some(stored) = rows::find(db, case).await? else { return Ok(Printed::default()) };
    let Ok(judged) = judge(db, context, stored, step).await else { return Ok(Printed::default()) };
    let sheets = papers::of_step(db, &judged.stored.case, &judged.list, &judged.step).await?;
    papers::print(sheets).await
}

// One step: read, judge, write, answer.
async fn take(
    context: &Context,
    tx: &Tx,
    case: &str,
    step: api::Step,
    mut printed: Printed,
) -> Answer<api::Case> {
    let found = rows::held(tx, case).await?;
    let stored = found.ok_or_else(|| Fault::not_found("case", "案件", case))?;
    let Judged { mut stored, list, step, on } = judge(&**tx, context, stored, step).await?;
    let due = due(&stored, &list);
    rows::append(tx, &stored.case, &step, &due, context.now).await?;
    let number = i32::try_from(stored.case.steps.len()).map_err(Fault::internal)?;
    let mut papers = Vec::new();
    for sheet in papers::of_step(&**tx, &stored.case, &list, &step).await? {
        papers.push(papers::keep(tx, context, &sheet, &mut printed, (&stored.case.uscc, number)).await?);
    }
    record(tx, context, &stored, &step, &papers).await?;
    if let Some(last) = stored.case.steps.last_mut() {
        last.papers = papers;
    }
    if stored.case.state() == State::Dropped {
        figures::kept::case(tx, &list.list_id, on, figures::kept::DROPPED).await?;
    }
    if step.kind() == Kind::Publish {
        let listing = listing(&stored.case, &list, on);
        listings::insert(tx, &listing, stored.list_version).await?;
        let position = changes::append(tx, context, Changed::Listed, &listing.listing).await?;
        deliveries::take_in(tx, context, &listing, &list.record_item).await?;
        figures::kept::listed(tx, &listing).await?;
        let mut case = reads::shown(&**tx, stored, context.today()).await?;
        if let Some(listing) = &mut case.listing {
            listing.position = position;
        }
        return Ok(case);
    }
    reads::shown(&**tx, stored, context.today()).await
}

// The case goes by the wording that it began with; whether its rule is still in force is told by the one of today. To drop it is always lawful.
async fn refuse_lapsed(
    context: &Context,
    db: &impl ConnectionTrait,
    list: &api::List,
    step: &api::Step,
) -> Answer<()> {
    if step.kind() != Kind::Publish && step.outcome() != Outcome::List {
        return Ok(());
    }
    bases::refuse_unusable(list, context.today())?;
    let current = directory::current::<api::List>(db, &list.list_id).await?;
    match current {
        Some(current) => bases::refuse_unusable(&current.wording, context.today()),
        None => Err(refusals::list_unknown(&list.list_id)),
    }
}

// What follows from case and list is filled in; then the step is judged as it will be kept.
fn refuse_step(
    context: &Context,
    stored: &Stored,
    list: &api::List,
    step: &mut api::Step,
    on: Date,
) -> Answer<()> {
    let (calendar, course) = (Calendar::of_region(&stored.region), Course::of(list));
    let standing = standing(&stored.case, &course, &calendar);
    match step.kind() {
        Kind::Notify | Kind::Publicize => {
            step.notice = Some(notice::whole(step.notice.as_ref(), &stored.case, list, on));
        }
        Kind::Decide if step.outcome() == Outcome::List => {
            step.consequences.get_or_insert_with(|| standing.notified().clone());
        }
        _ => {}
    }
    if step.service() != Service::Unspecified {
        step.served_on = standing.counts_from(step.service(), on).to_string();
    }
    if let Some((due, term, _)) = standing.due()
        && due == step.kind()
    {
        step.due_on = term.last_day.to_string();
        step.late = on > term.last_day;
    }
    standing
        .judge(step, &stored.case.proposer, context.today())
        .map_err(|refusal| refusals::step(&standing, step.kind(), refusal))?;
    refuse_texts(step)
}

fn refuse_texts(step: &api::Step) -> Answer<()> {
    if rules::needs_document(step.kind()) && step.document_number.is_empty() {
        return Err(Fault::fields(vec![Violation::new(
            "documentNumber",
            "is required: this step is done by a paper; give its number",
            "为必填项：该步骤须以文书作出，请填写文号",
        )]));
    }
    if step.service() == Service::Electronic && step.text.trim().is_empty() {
        let en = "is required with ELECTRONIC: it names the subject's signed consent to electronic service";
        return Err(Fault::field("text", en, "电子送达须经当事人同意并签订确认书；请在 text 中写明"));
    }
    let notice = step.notice.clone().unwrap_or_default();
    personal::refuse([
        ("text", step.text.as_str()),
        ("documentNumber", step.document_number.as_str()),
        ("notice.facts", notice.facts.as_str()),
        ("notice.basis", notice.basis.as_str()),
        ("notice.remedies", notice.remedies.as_str()),
        ("notice.removal", notice.removal.as_str()),
    ])
}

/// Refuses whose department may not decide on the list 认定单位.
pub fn refuse_unentitled(context: &Context, list: &api::List) -> Answer<()> {
    let department = context.caller.department();
    let named = list.decided_by.is_empty() || list.decided_by.iter().any(|entitled| entitled == department);
    let entitled = context.caller.is_office() || (!department.is_empty() && named);
    if entitled { Ok(()) } else { Err(refusals::not_entitled(list)) }
}

// The department that proposed goes on with its case; those that the list names may take it over, and whoever decided
// serves and publishes the decision.
fn refuse_stranger(context: &Context, case: &api::Case, list: &api::List, kind: Kind) -> Answer<()> {
    if kind == Kind::Decide {
        return refuse_unentitled(context, list);
    }
    let department = context.caller.department();
    let decided = case.steps.iter().any(|step| step.kind() == Kind::Decide && step.department == department);
    let named = list.decided_by.iter().any(|entitled| entitled == department);
    let own = !department.is_empty() && (case.department == department || decided || named);
    if own || context.caller.is_office() { Ok(()) } else { Err(refusals::not_of_department(case)) }
}

fn standing<'a>(case: &'a api::Case, course: &'a Course, calendar: &'a Calendar) -> Standing<'a> {
    Standing {
        state: case.state(),
        steps: &case.steps,
        hearing_requested: case.hearing_requested,
        course,
        calendar,
    }
}

// By when the case has to be taken further, as the table keeps it.
fn due(stored: &Stored, list: &api::List) -> rows::Due {
    let (calendar, course) = (Calendar::of_region(&stored.region), Course::of(list));
    let standing = standing(&stored.case, &course, &calendar);
    let due = standing.due().map(|(step, term, basis)| rows::Due {
        step: step.into(),
        on: term.last_day.to_string(),
        basis: basis.to_owned(),
    });
    due.unwrap_or_default()
}

// Who took a step, and when.
fn sign(context: &Context, step: &mut api::Step, on: Date) {
    step.by = context.caller.name().to_owned();
    step.department = context.caller.department().to_owned();
    step.on = on.to_string();
    step.document_number = step.document_number.trim().to_owned();
    // As the table keeps it, so that every answer says the same.
    step.recorded_at = Some(wire(from_micros(micros(context.now))));
}

async fn record(
    tx: &Tx,
    context: &Context,
    stored: &Stored,
    step: &api::Step,
    papers: &[api::Paper],
) -> Answer<()> {
    let case = &stored.case;
    let kind = format!("case.{}", rules::called(step.kind()).0);
    let basis = format!("{}@{}", case.list_id, stored.list_version);
    let detail = json!({
        "case": case.case_id,
        "on": step.on,
        "documentNumber": step.document_number,
        "state": case.state().as_str_name(),
        "papers": papers.iter().map(|paper| paper.pdf_digest.as_str()).collect::<Vec<_>>(),
    });
    decisions::record(tx, context, Decision { kind: &kind, subject: &case.uscc, basis: &basis, detail }).await
}

fn listing(case: &api::Case, list: &api::List, from: Date) -> api::Listing {
    let decision = case.steps.iter().find(|step| step.kind() == Kind::Decide).cloned().unwrap_or_default();
    let all = Course::of(list).consequences;
    let follows = decision.consequences.unwrap_or_else(|| all.clone());
    let until = rules::until(from, follows.publication_months);
    api::Listing {
        consequences: (follows != all).then_some(follows),
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
