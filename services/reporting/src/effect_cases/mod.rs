//! Cases of effect 成效案例: all five elements 时间、地点、主体、做法、成效 with evidence, or not at all; reviewed, published without names, searched.
mod review;
mod rows;
mod rules;

use std::sync::Arc;

use chassis::{Answer, Context, Fault, Tx, clock::wire, ids, page::Page};
use contract::reporting::v1::{self as api, effect_case::State};
use identifiers::Uscc;
use sea_orm::ConnectionTrait;

use self::rows::Wanted;
pub use self::{
    review::{accept, publish, return_, withdraw},
    rows::of,
};
use crate::{Reporting, refusals};

/// Takes a case in.
pub async fn create(
    _: &Arc<Reporting>,
    context: &Context,
    tx: &Tx,
    request: api::CreateEffectCaseRequest,
) -> Answer<api::EffectCase> {
    let given = judged(context, request.effect_case.unwrap_or_default())?;
    let case = api::EffectCase {
        effect_case_id: ids::fresh(context.now)?,
        department: context.caller.department().to_owned(),
        create_time: Some(wire(context.now)),
        ..waiting(context, given)?
    };
    rows::insert(tx, &case, &searched(&case)).await?;
    Ok(case)
}

// A case as it waits for its review.
fn waiting(context: &Context, case: api::EffectCase) -> Answer<api::EffectCase> {
    Ok(api::EffectCase {
        state: State::Submitted.into(),
        etag: ids::fresh(context.now)?,
        submitted_by: context.caller.name().to_owned(),
        review: None,
        publication: None,
        ..case
    })
}

// What a case says, refused where an element is missing or a text tells of natural persons.
fn judged(context: &Context, mut case: api::EffectCase) -> Answer<api::EffectCase> {
    case.domain = refusals::domain("effectCase.domain", &case.domain)?.code().to_owned();
    let mut wrong = rules::missing(&case);
    wrong.extend(rules::unhashed(&case));
    if !wrong.is_empty() {
        return Err(Fault::fields(wrong));
    }
    refusals::future(context, "effectCase.happenedOn", &case.happened_on)?;
    let elements = [
        ("place", &case.place),
        ("subject", &case.subject),
        ("practice", &case.practice),
        ("effect", &case.effect),
        ("subjectName", &case.subject_name),
        ("uscc", &case.uscc),
    ];
    let evidence = case.evidence.iter().enumerate();
    let references = case.references.iter().enumerate();
    refusals::personal(
        elements
            .into_iter()
            .map(|(field, text)| (format!("effectCase.{field}"), text.as_str()))
            .chain(evidence.map(|(index, text)| (format!("effectCase.evidence[{index}]"), text.as_str())))
            .chain(references.flat_map(|(index, one)| {
                let field = |name: &str| format!("effectCase.references[{index}].{name}");
                [(field("title"), one.title.as_str()), (field("source"), one.source.as_str())]
            })),
    )?;
    if !case.uscc.is_empty() {
        let (code, _) = Uscc::parse_tolerant(&case.uscc)
            .map_err(|fault| Fault::field("effectCase.uscc", fault.message_en(), fault.message_zh()))?;
        code.as_str().clone_into(&mut case.uscc);
    }
    Ok(case)
}

fn searched(case: &api::EffectCase) -> String {
    let texts = [&case.place, &case.subject, &case.subject_name, &case.practice, &case.effect];
    rules::searched(texts.into_iter().chain(&case.evidence).map(String::as_str))
}

fn searched_in_public(case: &api::EffectCase) -> String {
    let Some(public) = &case.publication else { return String::new() };
    rules::searched([&public.place, &public.subject, &public.practice, &public.effect].map(String::as_str))
}

/// Words a case anew.
pub async fn update(
    _: &Arc<Reporting>,
    context: &Context,
    tx: &Tx,
    request: api::UpdateEffectCaseRequest,
) -> Answer<api::EffectCase> {
    let given = request.effect_case.unwrap_or_default();
    let read = open_one(&**tx, context, &given.effect_case_id).await?;
    refusals::stale(&given.etag, &read.etag)?;
    let given = judged(context, given)?;
    let case = api::EffectCase {
        effect_case_id: read.effect_case_id.clone(),
        department: read.department.clone(),
        create_time: read.create_time,
        ..waiting(context, given)?
    };
    write(tx, case, &read.etag).await
}

async fn write(tx: &Tx, case: api::EffectCase, read: &str) -> Answer<api::EffectCase> {
    let words = (searched(&case), searched_in_public(&case));
    match rows::replace(tx, &case, (&words.0, &words.1), read).await? {
        true => Ok(case),
        false => Err(refusals::changed_meanwhile()),
    }
}

// A case that the caller may change.
async fn open_one(db: &impl ConnectionTrait, context: &Context, id: &str) -> Answer<api::EffectCase> {
    let case = rows::find(db, id).await?;
    refusals::stranger(context, &case.department)?;
    rules::in_state(
        case.state(),
        &[State::Submitted, State::Returned],
        "an accepted case stays as it is; have it returned first",
        "已采纳的案例不能修改；请先由信用联办退回",
    )?;
    Ok(case)
}

/// Refuses an attachment to a case that is another's or accepted.
pub async fn open(db: &impl ConnectionTrait, context: &Context, id: &str) -> Answer<String> {
    Ok(open_one(db, context, id).await?.department)
}

/// Writes down that somebody looks at a case, which tells of an enterprise; refused without a purpose.
pub async fn look(app: &Arc<Reporting>, context: &Context, id: &str, purpose: &str) -> Answer<()> {
    let purpose = context.purpose(purpose)?;
    if !id.is_empty() {
        rows::find(app.store.read(), id).await?;
    }
    let tx = app.store.begin().await?;
    rows::look(&tx, context, purpose, id).await?;
    tx.commit().await
}

/// Gives one case.
pub async fn get(
    app: &Arc<Reporting>,
    context: &Context,
    request: api::GetEffectCaseRequest,
) -> Answer<api::EffectCase> {
    look(app, context, &request.id, &request.purpose).await?;
    rows::find(app.store.read(), &request.id).await
}

/// Lists cases, the latest first.
pub async fn list(
    app: &Arc<Reporting>,
    context: &Context,
    request: api::ListEffectCasesRequest,
) -> Answer<api::ListEffectCasesResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let words = rules::words(&request.q);
    let wanted = Wanted {
        domain: domain(&request.domain)?,
        department: &request.department,
        from: &request.from,
        to: &request.to,
        state: request.state,
        words: &words,
        public: false,
    };
    let mut effect_cases = rows::page(app.store.read(), &wanted, &page).await?;
    let next_page_token = page.cut(&mut effect_cases, key);
    look(app, context, "", &request.purpose).await?;
    Ok(api::ListEffectCasesResponse { effect_cases, next_page_token })
}

fn key(case: &api::EffectCase) -> String {
    format!("{}|{}", case.happened_on, case.effect_case_id)
}

fn domain(given: &str) -> Answer<&'static str> {
    if given.is_empty() { Ok("") } else { Ok(refusals::domain("domain", given)?.code()) }
}

/// Lists published cases.
pub async fn list_public(
    app: &Arc<Reporting>,
    _: &Context,
    request: api::ListPublicEffectCasesRequest,
) -> Answer<api::ListPublicEffectCasesResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let words = rules::words(&request.q);
    let wanted = Wanted {
        domain: domain(&request.domain)?,
        department: "",
        from: &request.from,
        to: &request.to,
        state: State::Accepted.into(),
        words: &words,
        public: true,
    };
    let mut cases = rows::page(app.store.read(), &wanted, &page).await?;
    let next_page_token = page.cut(&mut cases, key);
    let effect_cases = cases.into_iter().filter_map(|case| case.publication).collect();
    Ok(api::ListPublicEffectCasesResponse { effect_cases, next_page_token })
}
