//! A grade's history 等级历史: what was told and when, with the objections and overrides that it saw.
use std::sync::Arc;

use chassis::{
    Answer, Context, Fault,
    clock::{business_day, from_micros, wire},
    page::Page,
};
use contract::grading::v1 as api;

use super::{disclosed, rows, score};
use crate::{
    Grading, accesses, objections,
    overrides::{self, rules::in_force_within},
    schemes::{self, rules},
    sheets, subject,
};

/// Lists the grades that a subject had under a scheme.
pub async fn list(
    app: &Arc<Grading>,
    context: &Context,
    request: api::ListGradeHistoryRequest,
) -> Answer<api::ListGradeHistoryResponse> {
    let purpose = context.purpose(&request.purpose)?;
    let code = subject::code(&request.uscc, "uscc")?;
    let page = Page::of(request.page_size, &request.page_token)?;
    let below = if page.after.is_empty() { Ok(i64::MAX) } else { page.after.parse() };
    let below = below.map_err(|_| {
        Fault::field("pageToken", "is not one that this list gave", "不是本列表给出的分页标记")
    })?;
    let versions = schemes::shown(app, context, &request.scheme).await?;
    let scheme = rules::presented(&versions).ok_or_else(|| schemes::unknown(&request.scheme))?;
    disclosed(context, scheme, &code, context.today())?;
    let db = app.store.read();
    if sheets::rows::find(db, &[code.as_str()]).await?.is_empty() {
        return Err(subject::unknown(&code));
    }
    let adjusted = overrides::rows::of_subject(db, code.as_str(), &request.scheme).await?;
    let mut past = rows::history(db, code.as_str(), &request.scheme, below, &page).await?;
    // The row after a change is the one before it; the first of the next page is fetched anyway.
    let mut changes = past.iter().map(|row| change(row, &adjusted)).collect::<Answer<Vec<_>>>()?;
    for later in 1..changes.len() {
        let before = changes[later].grade.clone();
        changes[later - 1].previous_grade = before;
    }
    let next_page_token = page.cut(&mut past, |row| row.seq.to_string());
    changes.truncate(past.len());
    let (mut objections, mut overrides) = (Vec::new(), Vec::new());
    if page.after.is_empty() {
        let today = context.today();
        let filed = objections::rows::of_subject(db, code.as_str(), &request.scheme).await?;
        objections = filed.into_iter().map(|row| row.told(today)).collect::<Answer<_>>()?;
        overrides = adjusted.into_iter().map(|row| row.told(today)).collect();
    }
    accesses::note(app, context, purpose, &[code.as_str()], &format!("history {}", request.scheme)).await?;
    Ok(api::ListGradeHistoryResponse { changes, next_page_token, objections, overrides })
}

// What was told from a change on: the model's grade or, where an override was in force, that one's.
fn change(row: &rows::Past, adjusted: &[overrides::rows::Row]) -> Answer<api::GradeChange> {
    let at = from_micros(row.recorded_at);
    let stood = adjusted.iter().find(|held| {
        in_force_within(held.confirmed_at, held.ended_at, &held.until, business_day(at), row.recorded_at)
    });
    let evaluated = row.grade.clone();
    Ok(api::GradeChange {
        version: row.version,
        grade: stood.map_or_else(|| evaluated.clone(), |held| held.grade.clone()),
        previous_grade: String::new(),
        score: score(row.score.as_deref())?,
        as_of: row.as_of.clone(),
        recorded_at: Some(wire(at)),
        r#override: stood.map(|held| held.override_id.clone()).unwrap_or_default(),
        evaluated_grade: if stood.is_some() { evaluated } else { String::new() },
    })
}
