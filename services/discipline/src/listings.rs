//! Listings 名单公示: the public search, and their end on the day that the law sets.
use std::{sync::Arc, time::Duration};

use chassis::{
    Answer, Context, Fault, Tx,
    clock::{Clock, business_day},
    decisions::{self, Decision},
    page::Page,
    storage::{insert_rows, sql},
};
use contract::{
    discipline::v1::{self as api, listing::State},
    r#type::v1::ErrorReason as Common,
};
use identifiers::Uscc;
use jiff::civil::Date;
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::Discipline;

/// A listing as it is stored.
#[derive(Clone, FromQueryResult)]
pub struct Row {
    /// The case that led to it, and the listing's id.
    pub case_id: String,
    /// The list.
    pub list_id: String,
    /// Its wording then.
    pub list_version: i32,
    list_name: String,
    kind: i32,
    /// The subject.
    pub uscc: String,
    name: String,
    department: String,
    document_number: String,
    facts: String,
    decided_on: String,
    from_on: String,
    until_on: String,
    state: i32,
}

/// The columns of a `Row`.
pub const COLUMNS: &str = "case_id, list_id, list_version, list_name, kind, uscc, name, department, document_number, facts, \
                           decided_on, from_on, until_on, state";

/// What holds of a listing that counts on a day, `$1`: it ends with its last day, whether or not the row says so yet.
pub const ACTIVE: &str = "state IN (1, 2) AND from_on <= $1 AND (until_on = '' OR until_on >= $1)";

impl Row {
    /// The listing as it stands on a day.
    pub fn on(self, today: Date) -> api::Listing {
        let ended = !self.until_on.is_empty() && self.until_on < today.to_string();
        let holds = [State::Active, State::UnderObjection].map(i32::from).contains(&self.state);
        api::Listing {
            state: if holds && ended { State::Expired.into() } else { self.state },
            listing: self.case_id,
            list_id: self.list_id,
            list_name: self.list_name,
            kind: self.kind,
            uscc: self.uscc,
            name: self.name,
            department: self.department,
            document_number: self.document_number,
            facts: self.facts,
            decided_on: self.decided_on,
            from: self.from_on,
            until: self.until_on,
        }
    }
}

/// Stores a new listing.
pub async fn insert(tx: &Tx, listing: &api::Listing, list_version: i32) -> Answer<()> {
    let columns: Vec<&str> = COLUMNS.split(',').map(str::trim).collect();
    let text = |text: &String| sea_orm::Value::from(text.as_str());
    let row = vec![
        text(&listing.listing),
        text(&listing.list_id),
        list_version.into(),
        text(&listing.list_name),
        listing.kind.into(),
        text(&listing.uscc),
        text(&listing.name),
        text(&listing.department),
        text(&listing.document_number),
        text(&listing.facts),
        text(&listing.decided_on),
        text(&listing.from),
        text(&listing.until),
        listing.state.into(),
    ];
    insert_rows(&**tx, "listings", &columns, vec![row], "").await?;
    Ok(())
}

/// A stored listing.
pub async fn stored(db: &impl ConnectionTrait, listing: &str) -> Answer<Option<Row>> {
    let text = format!("SELECT {COLUMNS} FROM listings WHERE case_id = $1");
    Ok(Row::find_by_statement(sql(db, &text, [listing.into()])).one(db).await?)
}

/// A listing as it stands on a day.
pub async fn find(db: &impl ConnectionTrait, listing: &str, today: Date) -> Answer<Option<api::Listing>> {
    Ok(stored(db, listing).await?.map(|row| row.on(today)))
}

/// Searches active listings, for everybody.
pub async fn list_public(
    app: &Arc<Discipline>,
    context: &Context,
    request: api::ListPublicListingsRequest,
) -> Answer<api::ListPublicListingsResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let (before_on, before_id) = match page.after.as_str() {
        "" => ("9999-99-99", ""),
        key => key.split_once('|').ok_or_else(strange_token)?,
    };
    let (code, part) = match Uscc::parse_tolerant(&request.q) {
        Ok((code, _)) => (code.to_string(), String::new()),
        Err(_) => (String::new(), pattern(&request.q)),
    };
    let text = format!(
        "SELECT {COLUMNS} FROM listings WHERE {ACTIVE} AND ($2 = '' OR list_id = $2) AND ($3 = '' OR uscc = $3) \
         AND ($4 = '' OR LOWER(name) LIKE $4 ESCAPE '!') AND (from_on < $5 OR (from_on = $5 AND case_id < $6)) \
         ORDER BY from_on DESC, case_id DESC LIMIT {}",
        page.fetch()
    );
    let today = context.today();
    let values = [
        today.to_string().into(),
        request.list.into(),
        code.into(),
        part.into(),
        before_on.into(),
        before_id.into(),
    ];
    let db = app.store.read();
    let mut rows = Row::find_by_statement(sql(db, &text, values)).all(db).await?;
    let next_page_token = page.cut(&mut rows, |row| format!("{}|{}", row.from_on, row.case_id));
    let listings = rows.into_iter().map(|row| row.on(today)).collect();
    Ok(api::ListPublicListingsResponse { listings, next_page_token })
}

// A LIKE pattern that finds the text anywhere, its own wildcards taken as text.
fn pattern(text: &str) -> String {
    let text = text.trim().to_lowercase();
    if text.is_empty() {
        return text;
    }
    let escaped = text.replace('!', "!!").replace('%', "!%").replace('_', "!_");
    format!("%{escaped}%")
}

fn strange_token() -> Fault {
    Fault::invalid(
        Common::PageTokenInvalid.as_str_name(),
        "the page token is not one that this list gave; start without one",
        "分页标记不是本列表给出的；请从第一页开始",
    )
    .at("pageToken")
}

/// Marks listings whose last day has passed, each day by the suite's clock, until the process stops. Reads do not wait for it.
pub async fn expire(app: Arc<Discipline>, stopping: CancellationToken) {
    let mut marked: Option<Date> = None;
    while !stopping.is_cancelled() {
        let today = app.clock.today();
        if marked != Some(today) {
            match mark_expired(&app, &app.clock, &stopping).await {
                Ok(()) => marked = Some(today),
                Err(fault) => tracing::warn!(%fault, "expired listings can't be marked now"),
            }
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            () = stopping.cancelled() => {}
        }
    }
}

#[derive(FromQueryResult)]
struct Ended {
    case_id: String,
    list_id: String,
    list_version: i32,
    uscc: String,
    until_on: String,
}

async fn mark_expired(app: &Arc<Discipline>, clock: &Clock, stopping: &CancellationToken) -> Answer<()> {
    let context = Context::of_service("discipline", clock.now(), stopping.clone());
    let tx = app.store.begin().await?;
    let text = "UPDATE listings SET state = 5 WHERE state IN (1, 2) AND until_on <> '' AND until_on < $1 \
                RETURNING case_id, list_id, list_version, uscc, until_on";
    let today = business_day(context.now).to_string();
    for ended in Ended::find_by_statement(sql(&*tx, text, [today.into()])).all(&*tx).await? {
        let basis = format!("{}@{}", ended.list_id, ended.list_version);
        let detail = json!({ "case": ended.case_id, "until": ended.until_on });
        let decision = Decision { kind: "listing.expired", subject: &ended.uscc, basis: &basis, detail };
        decisions::record(&tx, &context, decision).await?;
    }
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_takes_wildcards_as_text() {
        assert_eq!(pattern(" 100%_Good! "), "%100!%!_good!!%");
        assert_eq!(pattern("  "), "");
    }
}
