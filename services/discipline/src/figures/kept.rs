//! What is kept of listings, objections and repairs in the transactions that change them, span by span.
use std::{collections::BTreeMap, sync::Arc};

use chassis::{
    Answer, Context, Fault, Store, Tx,
    clock::{business_day, from_micros},
    figures::{self, BEGINNING, Counted, Grain, Tally},
    storage::sql,
};
use contract::discipline::v1::{self as api, get_listing_figures_request::Step, listing::State};
use jiff::civil::Date;
use sea_orm::{ConnectionTrait, FromQueryResult};

use crate::{Discipline, filings::Kind};

/// By list, department and what happened.
const LISTINGS: &str = "listings";
/// By department, kind and what happened.
const FILINGS: &str = "filings";

const LISTED: &str = "LISTED";
const FILED: &str = "FILED";
const IN_TIME: &str = "IN_TIME";
const LATE: &str = "LATE";

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

/// Keeps that an objection or a repair was filed.
pub async fn filed(tx: &Tx, on: Date, department: &str, kind: Kind) -> Answer<()> {
    let mut tally = Tally::default();
    tally.add(FILINGS, on, [department, kind.name(), FILED, ""], 1);
    figures::keep(tx, &tally).await
}

/// Keeps that one was decided, by its last day or later.
pub async fn decided(tx: &Tx, on: Date, department: &str, kind: Kind, due_on: &str) -> Answer<()> {
    let mut tally = Tally::default();
    tally.add(FILINGS, on, [department, kind.name(), when(on, due_on), ""], 1);
    figures::keep(tx, &tally).await
}

fn when(on: Date, due_on: &str) -> &'static str {
    if on.to_string().as_str() <= due_on { IN_TIME } else { LATE }
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
        tally.add(FILINGS, filed_on, [&row.department, &row.kind, FILED, ""], 1);
        if let (Some(at), false) = (row.decided_at, row.state == "CLOSED") {
            let on = business_day(from_micros(at));
            tally.add(FILINGS, on, [&row.department, &row.kind, when(on, &row.due_on), ""], 1);
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
    let day = |given: &str, absent: Date| {
        if given.is_empty() { Ok(absent) } else { given.parse().map_err(Fault::internal) }
    };
    let to = day(&request.to, context.today())?;
    let asked = day(&request.from, BEGINNING)?;
    if to < asked {
        return Err(Fault::field(
            "to",
            format!("{to} is before from, {asked}"),
            format!("{to}早于起始日期{asked}"),
        ));
    }
    let (from, grain) = match request.step() {
        Step::Unspecified => (asked, None),
        Step::Day => (asked, Some(Grain::Day)),
        Step::Month => (asked.first_of_month(), Some(Grain::Month)),
        Step::Year => (asked.first_of_year(), Some(Grain::Year)),
    };
    let db = app.store.read();
    let read = async |figure| match grain {
        None => figures::sum(db, figure, "", from, to).await,
        Some(grain) => figures::series(db, figure, "", (from, to), grain).await,
    };
    let mut listings: BTreeMap<_, api::ListingFigures> = BTreeMap::new();
    for row in read(LISTINGS).await? {
        add_listing(&mut listings, row);
    }
    let mut filings: BTreeMap<_, api::FilingFigures> = BTreeMap::new();
    for row in read(FILINGS).await? {
        add_filing(&mut filings, row);
    }
    Ok(api::GetListingFiguresResponse {
        listings: listings.into_values().collect(),
        filings: filings.into_values().collect(),
        from: if from == BEGINNING { String::new() } else { from.to_string() },
        to: to.to_string(),
    })
}

fn count(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
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
    *place += count(row.counted);
}

fn add_filing(all: &mut BTreeMap<(String, String), api::FilingFigures>, row: Counted) {
    let of = all.entry((row.span.clone(), row.k1.clone())).or_insert_with(|| api::FilingFigures {
        span: row.span,
        department: row.k1,
        ..Default::default()
    });
    let objection = row.k2 == Kind::Objection.name();
    let counted = count(row.counted);
    match (objection, row.k3 == FILED) {
        (true, true) => of.objections += counted,
        (true, false) => of.objections_decided += counted,
        (false, true) => of.repairs += counted,
        (false, false) => of.repairs_decided += counted,
    }
    if row.k3 == IN_TIME {
        of.decided_in_time += counted;
    }
}
