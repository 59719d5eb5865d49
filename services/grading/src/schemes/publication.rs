//! The life of a version 发布、施行、废止: published at once or for a later day, taking over on it, taken back, retired; and the next draft.
use std::sync::Arc;

use chassis::{
    Answer, Context, Fault, Tx, clock,
    decisions::{self, Decision},
};
use contract::{
    credit::v1::CatalogueItem,
    grading::v1::{self as api, ErrorReason, Scheme, scheme::State},
};
use jiff::civil::Date;
use serde_json::json;

use super::{fresh, owned, rows, rules, told, unknown, unpublished, validation};
use crate::{Grading, grades::day, runs};

/// Publishes the draft. From its first day on it takes the place of the version before, and a run grades everybody under it.
pub async fn publish(
    _app: &Arc<Grading>,
    context: &Context,
    tx: &Tx,
    request: api::PublishSchemeRequest,
    items: Vec<CatalogueItem>,
) -> Answer<Scheme> {
    rows::change(tx).await?;
    take_over(tx, context, &request.scheme).await?;
    let versions = rows::versions(&**tx, &request.scheme).await?;
    let newest = versions.first().ok_or_else(|| unknown(&request.scheme))?;
    owned(context, newest)?;
    let draft = rules::in_state(&versions, State::Draft).ok_or_else(|| undrafted(newest))?;
    if let Some(waiting) = rules::in_state(&versions, State::Scheduled) {
        return Err(waits(waiting));
    }
    let first = first_day(context, &request.effective_from)?;
    // The catalogue may have changed since the draft was saved.
    let (mut published, catalogue) = validation::judged(draft.clone(), items, first)?;
    published.acknowledged_warnings =
        validation::acknowledged(&published.warnings, request.acknowledged_warnings)?;
    published.effective_from = first.to_string();
    published.publish_time = Some(clock::wire(context.now));
    let at_once = first == context.today();
    published.set_state(if at_once { State::Published } else { State::Scheduled });
    if at_once && let Some(before) = rules::in_state(&versions, State::Published) {
        rows::replace(tx, &retired(before, context), &before.etag, None).await?;
    }
    rows::replace(tx, &published, &draft.etag, Some(&catalogue)).await?;
    decisions::record(tx, context, decision("scheme.published", &published, "")).await?;
    if at_once {
        runs::begin(tx, context, &published).await?;
    }
    told(&**tx, context, published).await
}

/// A first day in force that somebody gives: today where none is, never one that is past.
pub fn first_day(context: &Context, given: &str) -> Answer<Date> {
    let first = day(given, "effectiveFrom", context)?;
    if first >= context.today() {
        return Ok(first);
    }
    Err(Fault::invalid(
        ErrorReason::EffectiveDayPast.as_str_name(),
        format!(
            "{first} is past; what was decided until today stays: give {} or a later day",
            context.today()
        ),
        format!("施行日期{first}已过，已作出的评价不溯及变更；请填写{}或之后的日期", context.today()),
    )
    .at("effectiveFrom"))
}

/// Lets the version of a scheme that waits for its day take over, if the day has come; whoever changes versions holds the lock.
pub async fn take_over(tx: &Tx, context: &Context, scheme: &str) -> Answer<()> {
    let versions = rows::versions(&**tx, scheme).await?;
    let due = |version: &&Scheme| rules::first_day(version) <= context.today();
    let Some(waiting) = rules::in_state(&versions, State::Scheduled).filter(due) else { return Ok(()) };
    if let Some(before) = rules::in_state(&versions, State::Published) {
        rows::replace(tx, &retired(before, context), &before.etag, None).await?;
    }
    let published = Scheme { state: State::Published as i32, ..waiting.clone() };
    rows::replace(tx, &published, &waiting.etag, None).await?;
    decisions::record(tx, context, decision("scheme.tookEffect", &published, "")).await?;
    runs::begin(tx, context, &published).await
}

fn waits(waiting: &Scheme) -> Fault {
    let Scheme { scheme_id, version, effective_from, .. } = waiting;
    Fault::precondition(
        ErrorReason::VersionScheduled.as_str_name(),
        format!(
            "version {version} of scheme \"{scheme_id}\" takes over on {effective_from}; wait for that day, or take it back \
             with :retire and its number"
        ),
        format!("评价制度“{scheme_id}”第{version}版将于{effective_from}施行；请待其施行，或用 :retire 并注明版本号撤回"),
    )
    .with("version", version)
}

/// The refusal of what only a draft can do.
pub fn undrafted(scheme: &Scheme) -> Fault {
    let id = &scheme.scheme_id;
    Fault::precondition(
        ErrorReason::DraftMissing.as_str_name(),
        format!("scheme \"{id}\" has no draft to publish; open a new version with :newVersion"),
        format!("评价制度“{id}”没有可发布的草案；请用 :newVersion 新建版本"),
    )
}

fn retired(scheme: &Scheme, context: &Context) -> Scheme {
    let retire_time = Some(clock::wire(context.now));
    Scheme { state: State::Retired as i32, retire_time, ..scheme.clone() }
}

fn decision<'a>(kind: &'a str, scheme: &'a Scheme, reason: &str) -> Decision<'a> {
    let basis = scheme.basis.as_ref();
    let acknowledged =
        |known: &api::AcknowledgedWarning| json!({ "warning": known.warning, "reason": known.reason });
    Decision {
        kind,
        subject: &scheme.scheme_id,
        basis: basis.map_or("", |basis| &basis.title),
        detail: json!({
            "version": scheme.version,
            "documentNumber": basis.map_or("", |basis| &basis.document_number),
            "etag": scheme.etag,
            "effectiveFrom": scheme.effective_from,
            "acknowledgedWarnings": scheme.acknowledged_warnings.iter().map(acknowledged).collect::<Vec<_>>(),
            "reason": reason,
        }),
    }
}

/// Retires the published version, with it one that waits for its day; or that one alone.
pub async fn retire(
    _app: &Arc<Grading>,
    context: &Context,
    tx: &Tx,
    request: api::RetireSchemeRequest,
) -> Answer<Scheme> {
    rows::change(tx).await?;
    take_over(tx, context, &request.scheme).await?;
    let versions = rows::versions(&**tx, &request.scheme).await?;
    let newest = versions.first().ok_or_else(|| unknown(&request.scheme))?;
    owned(context, newest)?;
    let waiting = rules::in_state(&versions, State::Scheduled);
    let published = rules::in_state(&versions, State::Published);
    let ending: Vec<&Scheme> = match request.version {
        0 => waiting.into_iter().chain(published).collect(),
        number => waiting.into_iter().filter(|version| version.version == number).collect(),
    };
    let Some(last) = ending.last() else {
        return Err(match request.version {
            0 => unpublished(&request.scheme),
            number => Fault::not_found("version that waits for its day", "待施行的版本", &number.to_string()),
        });
    };
    for version in &ending {
        let ended = retired(version, context);
        rows::replace(tx, &ended, &version.etag, None).await?;
        decisions::record(tx, context, decision("scheme.retired", &ended, &request.reason)).await?;
    }
    told(&**tx, context, retired(last, context)).await
}

/// Opens a draft that begins as a copy of the newest version.
pub async fn new_version(
    _app: &Arc<Grading>,
    context: &Context,
    tx: &Tx,
    request: api::NewSchemeVersionRequest,
) -> Answer<Scheme> {
    let versions = rows::versions(&**tx, &request.scheme).await?;
    let newest = versions.first().ok_or_else(|| unknown(&request.scheme))?;
    owned(context, newest)?;
    if newest.state() == State::Draft {
        return Err(Fault::precondition(
            ErrorReason::DraftExists.as_str_name(),
            format!("scheme \"{}\" has a draft already; change that one, or publish it", request.scheme),
            format!("评价制度“{}”已有草案；请修改或发布该草案", request.scheme),
        ));
    }
    let draft = fresh(context, newest.version + 1, newest.clone())?;
    let (_, catalogue) = rows::version(&**tx, &draft.scheme_id, newest.version).await?.unwrap_or_default();
    rows::insert(tx, &draft, &catalogue).await?;
    told(&**tx, context, draft).await
}
