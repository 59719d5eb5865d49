//! What is kept of listings, objections and repairs in the transactions that change them, span by span.
use std::{collections::BTreeMap, sync::Arc};

use chassis::{
    Answer, Context, Fault, Store, Tx,
    clock::{business_day, from_micros},
    figures::{self, Asked, Counted, Tally, filings},
    storage::sql,
};
use contract::discipline::v1::{self as api, listing::State};
use jiff::civil::Date;
use sea_orm::{ConnectionTrait, FromQueryResult};

use crate::Discipline;

/// By list, department and what happened.
const LISTINGS: &str = "listings";

const LISTED: &str = "LISTED";

/// Keeps that a subject was listed.
pub async fn listed(tx: &Tx, listing: &api::Listing) -> Answer<()> {
    let mut tally = Tally::default();
    let from = listing.from.parse().map_err(Fault::internal)?;
    tally.add(LISTINGS, from, [&listing.list_id, &listing.department, LISTED, ""], 1);
    figures::keep(tx, &tally).await
}

/// Counts that a listing ended, on the first day on which it held no more.
pub fn ended(tally: &mut Tally, on: Date, list: &str, department: &str, state: State) {
    tally.add(LISTINGS, on, [list, department, state.as_str_name(), ""], 1);
}

/// Begins to keep the figures of a database from before they were kept.
pub async fn adopt(store: &Store) -> Answer<()> {
    figures::adopt(store, LISTINGS, async |tx: &Tx| anew(tx).await).await
}

#[derive(FromQueryResult)]
struct Listed {
    list_id: String,
    department: String,
    from_on: String,
    until_on: String,
    ended_on: String,
    state: i32,
}

#[derive(FromQueryResult)]
struct Filed {
    kind: String,
    department: String,
    state: String,
    filed_at: i64,
    due_on: String,
    decided_at: Option<i64>,
}

// Counts all that there is.
async fn anew(db: &impl ConnectionTrait) -> Answer<Tally> {
    let mut tally = Tally::default();
    let text = "SELECT list_id, department, from_on, until_on, ended_on, state FROM listings";
    for row in Listed::find_by_statement(sql(db, text, [])).all(db).await? {
        if let Ok(from) = row.from_on.parse() {
            tally.add(LISTINGS, from, [&row.list_id, &row.department, LISTED, ""], 1);
        }
        let state = State::try_from(row.state).unwrap_or_default();
        let on: Option<Date> = match state {
            State::Repaired | State::Revoked => row.ended_on.parse().ok(),
            State::Expired => row.until_on.parse().ok().and_then(|last: Date| last.tomorrow().ok()),
            _ => None,
        };
        if let Some(on) = on {
            ended(&mut tally, on, &row.list_id, &row.department, state);
        }
    }
    let text = "SELECT kind, department, state, filed_at, due_on, decided_at FROM filings";
    for row in Filed::find_by_statement(sql(db, text, [])).all(db).await? {
        let filed_on = business_day(from_micros(row.filed_at));
        filings::count_filed(&mut tally, filed_on, &row.department, &row.kind);
        if let (Some(at), false) = (row.decided_at, row.state == "CLOSED") {
            let on = business_day(from_micros(at));
            filings::count_decided(&mut tally, on, &row.department, &row.kind, &row.due_on);
        }
    }
    Ok(tally)
}

/// Gives what is kept, span by span.
pub async fn listings(
    app: &Arc<Discipline>,
    context: &Context,
    request: api::GetListingFiguresRequest,
) -> Answer<api::GetListingFiguresResponse> {
    let asked = Asked::of(&request.from, &request.to, context.today(), Asked::beginning, request.step())?;
    let db = app.store.read();
    let mut listings: BTreeMap<_, api::ListingFigures> = BTreeMap::new();
    for row in asked.read(db, LISTINGS, "").await? {
        add_listing(&mut listings, row);
    }
    Ok(api::GetListingFiguresResponse {
        listings: listings.into_values().collect(),
        filings: filings::read(db, &asked, "").await?,
        from: asked.first_day(),
        to: asked.to.to_string(),
    })
}

fn add_listing(all: &mut BTreeMap<(String, String, String), api::ListingFigures>, row: Counted) {
    let of = all.entry((row.span.clone(), row.k1.clone(), row.k2.clone())).or_insert_with(|| {
        api::ListingFigures { span: row.span, list_id: row.k1, department: row.k2, ..Default::default() }
    });
    let place = match State::from_str_name(&row.k3) {
        Some(State::Repaired) => &mut of.repaired,
        Some(State::Revoked) => &mut of.revoked,
        Some(State::Expired) => &mut of.expired,
        _ => &mut of.listed,
    };
    *place += i32::try_from(row.counted).unwrap_or(i32::MAX);
}
