//! Subjects 信用主体: taken in row by row, given, listed.
mod registered;
mod rows;
mod rules;

use std::sync::Arc;

use chassis::{Answer, Context, Fault, Tx, clock::business_day, page::Page, storage::Store};
use contract::credit::v1 as api;
use identifiers::Uscc;
use jiff::Timestamp;

pub use registered::{Registered, strangers};
pub use rows::{Met, keyless, lock, names, put_keys, search as search_rows, within};
pub use rules::{Filter, day, filter, past_day, region_prefix};

use crate::{
    Credit, changes,
    outcomes::{self, Submitter, Verdict},
    usage::{self, Tally},
};

/// Takes subjects in or brings them up to date.
pub async fn batch_upsert(
    app: &Arc<Credit>,
    context: &Context,
    tx: &Tx,
    request: api::BatchUpsertSubjectsRequest,
) -> Answer<api::BatchUpsertSubjectsResponse> {
    let submitter = Submitter::of(context)?;
    let verdicts = take(tx, context.now, &request.subjects).await?;
    usage::count(tx, context.now, &submitter.department, &Tally::of_subjects(&verdicts)).await?;
    let position = changes::position(&app.store, tx).await?;
    Ok(api::BatchUpsertSubjectsResponse { outcomes: outcomes::wire(verdicts, context.language), position })
}

/// Judges rows and writes what is new, in the caller's transaction: the one way in for batches and files.
pub async fn take(tx: &Tx, now: Timestamp, rows: &[api::SubjectInput]) -> Answer<Vec<Verdict>> {
    let today = business_day(now);
    let judged: Vec<_> = rows.iter().map(|row| rules::judge(row, today)).collect();
    rows::lock(tx).await?;
    let codes: Vec<&str> = judged.iter().flatten().map(|subject| subject.uscc.as_str()).collect();
    let before = rows::find(tx, &codes).await?;
    let mut present = before.clone();
    let mut settled = Vec::new();
    let mut verdicts = Vec::with_capacity(rows.len());
    for row in judged {
        let merged = row.and_then(|row| rules::merge(present.get(&row.uscc), row));
        verdicts.push(match merged {
            Err(violation) => Verdict::Refused(violation),
            Ok(None) => Verdict::Duplicate(String::new()),
            Ok(Some(mut subject)) => {
                subject.recorded_at = Some(changes::stamp(now));
                subject.position.clear();
                present.insert(subject.uscc.clone(), subject.clone());
                settled.push(subject);
                Verdict::Accepted(String::new())
            }
        });
    }
    let replaced: Vec<&api::Subject> =
        settled.iter().filter_map(|subject| before.get(&subject.uscc)).collect();
    changes::append_subjects(tx, &settled).await?;
    changes::in_order(tx, replaced.iter().map(|subject| subject.position.as_str()))?;
    // The last state of a code that came twice is the one that stays.
    let last = settled.iter().map(|subject| (subject.uscc.as_str(), subject)).collect();
    rows::put(tx, now, last).await?;
    Ok(verdicts)
}

/// Gives one subject. What is registered of an enterprise is public (企业信息公示暂行条例), so that no purpose is asked.
pub async fn get(app: &Arc<Credit>, _: &Context, request: api::GetSubjectRequest) -> Answer<api::Subject> {
    require(&app.store, &outcomes::code_asked(&request.uscc)?).await
}

/// The subject of a code that was registered once.
pub async fn by_code(store: &Store, code: &str) -> Answer<Option<api::Subject>> {
    rows::get(store.read(), code).await
}

/// The subject of a code, or the refusal that names it.
pub async fn require(store: &Store, code: &Uscc) -> Answer<api::Subject> {
    rows::get(store.read(), code.as_str()).await?.ok_or_else(|| unknown(code))
}

/// The subject of a code, met for a look at what is recorded of it, or the same refusal.
pub async fn meet(store: &Store, code: &Uscc) -> Answer<Met> {
    rows::meet(store.read(), code.as_str()).await?.ok_or_else(|| unknown(code))
}

/// The refusal of a code that is not registered.
pub fn unknown(code: &Uscc) -> Fault {
    Fault::missing(
        api::ErrorReason::SubjectUnknown.as_str_name(),
        format!(
            "no subject {code} is registered here; check the code, or register it by subjects:batchUpsert"
        ),
        format!("本平台未登记主体{code}；请核对代码，或先通过 subjects:batchUpsert 登记"),
    )
    .with("uscc", code)
}

/// Lists subjects.
pub async fn list(
    app: &Arc<Credit>,
    context: &Context,
    request: api::ListSubjectsRequest,
) -> Answer<api::ListSubjectsResponse> {
    if !context.caller.enterprise().is_empty() {
        return Err(outcomes::not_for_enterprises());
    }
    let page = Page::of(request.page_size, &request.page_token)?;
    let filter = rules::filter(&request)?;
    let (subjects, next_page_token) = search(&app.store, &filter, &page).await?;
    Ok(api::ListSubjectsResponse { subjects, next_page_token })
}

/// Searches by a part of the name or the beginning of a code, for everybody.
pub async fn search_public(
    app: &Arc<Credit>,
    request: api::SearchPublicSubjectsRequest,
) -> Answer<api::SearchPublicSubjectsResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let filter = rules::filter(&api::ListSubjectsRequest { q: request.q, ..Default::default() })?;
    let (subjects, next_page_token) = search(&app.store, &filter, &page).await?;
    Ok(api::SearchPublicSubjectsResponse { subjects, next_page_token })
}

async fn search(store: &Store, filter: &rules::Filter, page: &Page) -> Answer<(Vec<api::Subject>, String)> {
    let mut subjects = rows::search(store.read(), filter, page).await?;
    let next = page.cut(&mut subjects, |subject| subject.uscc.clone());
    Ok((subjects, next))
}
