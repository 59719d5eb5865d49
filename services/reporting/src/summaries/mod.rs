//! Summaries 工作总结: composed of the services' own figures and kept as they were, written on by the department, checked, handed in, exported.
mod book;
mod export;
mod figures;
mod report;
mod review;
mod rows;
mod rules;

use std::{collections::BTreeSet, sync::Arc};

use chassis::{
    Answer, Context, Fault, Tx,
    clock::wire,
    decisions::{self, Decision},
    ids,
    page::Page,
};
use contract::reporting::v1::{self as api, summary::State};
use sea_orm::ConnectionTrait;
use serde_json::json;

pub use self::{
    export::export,
    review::{accept, check, return_, submit},
    rows::{Handed, find, handed_in},
};
use self::{figures::named, rows::Change};
use crate::{Reporting, effect_cases, refusals};

const WRITTEN: [State; 2] = [State::Draft, State::Returned];

/// Reads the figures of a new summary, before the transaction.
pub async fn ask(
    app: &Arc<Reporting>,
    context: &Context,
    request: &api::CreateSummaryRequest,
) -> Answer<api::Summary> {
    let domain = refusals::domain("domain", &request.domain)?;
    refuse_period(context, &request.from, &request.to)?;
    figures::read(app, context, domain, &request.from, &request.to).await
}

/// Composes a summary.
pub async fn create(
    _: &Arc<Reporting>,
    context: &Context,
    tx: &Tx,
    _: api::CreateSummaryRequest,
    read: api::Summary,
) -> Answer<api::Summary> {
    let mut summary = with_cases(tx, read).await?;
    summary.summary_id = ids::fresh(context.now)?;
    summary.etag = ids::fresh(context.now)?;
    summary.department = context.caller.department().to_owned();
    summary.create_time = Some(wire(context.now));
    summary.set_state(State::Draft);
    rows::insert(tx, &summary, context.today()).await?;
    record(tx, context, "summary.composed", &summary).await?;
    Ok(named(summary, context.language))
}

// The cases as they stand now, then what all of it comes to.
async fn with_cases(tx: &Tx, read: api::Summary) -> Answer<api::Summary> {
    let cases = effect_cases::of(&**tx, &read.domain, &read.from, &read.to).await?;
    let effect_cases = cases.iter().map(|case| case.effect_case_id.clone()).collect();
    let mut summary = api::Summary { cases, effect_cases, ..read };
    summary.no_data = rules::is_empty(&summary);
    summary.figures_digest = figures::digest(&summary);
    Ok(summary)
}

async fn record(tx: &Tx, context: &Context, kind: &str, summary: &api::Summary) -> Answer<()> {
    let text = summary.review.as_ref().map(|review| review.text.as_str()).unwrap_or_default();
    let detail = json!({ "summary": summary.summary_id, "from": summary.from, "to": summary.to,
        "version": summary.version, "figures": summary.figures_digest, "text": text });
    let basis = format!("{}@{}", summary.scheme, summary.scheme_version);
    let decision = Decision { kind, subject: &summary.domain, basis: &basis, detail };
    decisions::record(tx, context, decision).await
}

// Dates in the contract's form compare as texts.
fn refuse_period(context: &Context, from: &str, to: &str) -> Answer<()> {
    let reason = api::ErrorReason::PeriodInvalid.as_str_name();
    let today = context.today();
    if from > to {
        return Err(Fault::invalid(
            reason,
            format!("the first day {from} is after the last day {to}; exchange them"),
            format!("起始日期{from}晚于截止日期{to}；请更正"),
        )
        .at("from"));
    }
    if from > today.to_string().as_str() {
        return Err(Fault::invalid(
            reason,
            format!(
                "the period begins on {from}, in the future: there is nothing to summarize; today is {today}"
            ),
            format!("期间自{from}起，尚未开始，没有可总结的内容；今天是{today}"),
        )
        .at("from"));
    }
    Ok(())
}

// A summary that the caller may write on.
async fn open_one(db: &impl ConnectionTrait, context: &Context, id: &str) -> Answer<api::Summary> {
    let summary = find(db, id).await?;
    refusals::stranger(context, &summary.department)?;
    rules::in_state(
        summary.state(),
        &WRITTEN,
        "what was handed in can't be changed until it is returned",
        "已报送的内容在退回前不能修改",
    )?;
    Ok(summary)
}

/// Refuses an attachment to a summary that is another's or handed in.
pub async fn open(db: &impl ConnectionTrait, context: &Context, id: &str) -> Answer<String> {
    Ok(open_one(db, context, id).await?.department)
}

/// Writes sections.
pub async fn write(
    _: &Arc<Reporting>,
    context: &Context,
    tx: &Tx,
    request: api::WriteSummaryRequest,
) -> Answer<api::Summary> {
    let read = open_one(&**tx, context, &request.id).await?;
    refusals::stale(&request.etag, &read.etag)?;
    let texts = request.sections.iter().enumerate();
    refusals::personal(
        texts.map(|(index, section)| (format!("sections[{index}].text"), section.text.as_str())),
    )?;
    let sections = rules::write(&read.sections, request.sections)?;
    let etag = ids::fresh(context.now)?;
    change(tx, &read, api::Summary { sections, etag, ..read.clone() })
        .await
        .map(|summary| named(summary, context.language))
}

async fn change(tx: &Tx, read: &api::Summary, changed: api::Summary) -> Answer<api::Summary> {
    match rows::replace(tx, &changed, &read.etag).await? {
        Change::Done => Ok(changed),
        Change::Overtaken => Err(refusals::changed_meanwhile()),
        Change::Another => Err(Fault::exists(
            api::ErrorReason::SummaryExists.as_str_name(),
            format!(
                "{} has handed in another summary of {} from {} to {}; list its summaries to see it",
                changed.department, changed.domain, changed.from, changed.to
            ),
            format!(
                "{}已报送{}{}至{}的另一份工作总结；可列表查询",
                changed.department, changed.name, changed.from, changed.to
            ),
        )),
    }
}

/// Reads the figures anew, before the transaction.
pub async fn ask_again(
    app: &Arc<Reporting>,
    context: &Context,
    request: &api::RefreshSummaryRequest,
) -> Answer<api::Summary> {
    let summary = open_one(app.store.read(), context, &request.id).await?;
    let domain = refusals::domain("domain", &summary.domain)?;
    figures::read(app, context, domain, &summary.from, &summary.to).await
}

/// Takes the figures that were read anew; the texts stay.
pub async fn refresh(
    _: &Arc<Reporting>,
    context: &Context,
    tx: &Tx,
    request: api::RefreshSummaryRequest,
    figures: api::Summary,
) -> Answer<api::Summary> {
    let read = open_one(&**tx, context, &request.id).await?;
    let figures = with_cases(tx, figures).await?;
    let of = read.clone();
    let changed = api::Summary {
        etag: ids::fresh(context.now)?,
        summary_id: of.summary_id,
        department: of.department,
        create_time: of.create_time,
        state: of.state,
        sections: of.sections,
        version: of.version,
        submitted_by: of.submitted_by,
        submit_time: of.submit_time,
        review: of.review,
        ..figures
    };
    let summary = change(tx, &read, changed).await?;
    record(tx, context, "summary.refreshed", &summary).await?;
    Ok(named(summary, context.language))
}

/// Gives one summary.
pub async fn get(
    app: &Arc<Reporting>,
    context: &Context,
    request: api::GetSummaryRequest,
) -> Answer<api::Summary> {
    Ok(named(at(app, &request.id, request.version).await?, context.language))
}

// A summary as it stands, or as a version of it was handed in.
async fn at(app: &Arc<Reporting>, id: &str, version: i32) -> Answer<api::Summary> {
    match version {
        0 => find(app.store.read(), id).await,
        version => rows::version(app.store.read(), id, version).await,
    }
}

/// Lists summaries, the latest first.
pub async fn list(
    app: &Arc<Reporting>,
    _: &Context,
    request: api::ListSummariesRequest,
) -> Answer<api::ListSummariesResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let domain = match request.domain.as_str() {
        "" => "",
        given => refusals::domain("domain", given)?.code(),
    };
    let mut summaries = rows::list(app.store.read(), &request, domain, &page).await?;
    let next_page_token = page.cut(&mut summaries, |summary| summary.summary_id.clone());
    let brief = |summary: api::Summary| api::Summary {
        figures: Vec::new(),
        sections: Vec::new(),
        measures: Vec::new(),
        effects: Vec::new(),
        draws: Vec::new(),
        cases: Vec::new(),
        ..summary
    };
    Ok(api::ListSummariesResponse { summaries: summaries.into_iter().map(brief).collect(), next_page_token })
}

// What a summary's files are for.
async fn attached(db: &impl ConnectionTrait, id: &str) -> Answer<BTreeSet<api::AttachmentRole>> {
    let files = crate::attachments::of(db, &format!("summaries/{id}")).await?;
    Ok(files.iter().map(api::Attachment::role).collect())
}
