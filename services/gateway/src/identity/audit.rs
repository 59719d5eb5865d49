//! What the audit administrator reads: refused calls, and what administrators changed.
use std::{sync::Arc, time::Duration};

use chassis::{
    Answer, App as _, Context,
    clock::{from_micros, wire},
    page::{Page, strange_token},
};
use contract::identity::v1 as api;
use tokio_util::sync::CancellationToken;

use super::{App, rows};

// A refusal can be read so soon; those that are alike meanwhile are one entry.
const WRITE_EVERY: Duration = Duration::from_millis(500);

impl App {
    /// Writes refused calls down until the process stops.
    pub async fn keep_denials(self: Arc<Self>, stopping: CancellationToken) {
        loop {
            let last = tokio::select! {
                () = tokio::time::sleep(WRITE_EVERY) => false,
                () = stopping.cancelled() => true,
            };
            let taken = self.denials.take();
            if let Err(fault) = rows::add_denials(self.store(), &taken).await {
                tracing::warn!(%fault, lost = taken.len(), "refused calls can't be written down; they stand in this log");
            }
            if last {
                return;
            }
        }
    }
}

// The key of a page is the number of its last row; the first begins behind all.
fn before(page: &Page) -> Answer<i64> {
    if page.after.is_empty() { Ok(i64::MAX) } else { page.after.parse().map_err(|_| strange_token()) }
}

/// Lists refused calls.
pub async fn denials(
    app: &Arc<App>,
    _: &Context,
    request: api::ListDenialsRequest,
) -> Answer<api::ListDenialsResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let mut found = rows::denials(app.store(), &request.caller, before(&page)?, page.fetch()).await?;
    let next_page_token = page.cut(&mut found, |one| one.seq.to_string());
    let denial = |one: rows::Denial| api::Denial {
        at: Some(wire(from_micros(one.at))),
        caller: one.caller,
        method: one.method,
        reason: one.reason,
        address: one.address,
        count: one.calls,
    };
    Ok(api::ListDenialsResponse { denials: found.into_iter().map(denial).collect(), next_page_token })
}

/// Lists what was changed.
pub async fn changes(
    app: &Arc<App>,
    _: &Context,
    request: api::ListChangesRequest,
) -> Answer<api::ListChangesResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let mut found = rows::changes(app.store(), &request.subject, before(&page)?, page.fetch()).await?;
    let next_page_token = page.cut(&mut found, |one| one.seq.to_string());
    let change = |one: rows::Change| api::Change {
        at: Some(wire(from_micros(one.at))),
        by: one.actor,
        department: one.department,
        kind: one.kind,
        subject: one.subject,
        detail: one.detail,
    };
    Ok(api::ListChangesResponse { changes: found.into_iter().map(change).collect(), next_page_token })
}
