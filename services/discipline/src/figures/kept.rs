//! What is kept of cases, listings and measures in the transactions that change them, by days; and the count of what was there before.
use chassis::{
    Answer, Fault, Store, Tx,
    clock::{business_day, from_micros},
    figures::{self, Tally, filings},
    storage::sql,
};
use contract::discipline::v1::{self as api, application::Outcome, listing::State};
use jiff::civil::Date;
use sea_orm::{ConnectionTrait, FromQueryResult};

/// Cases, by list and what happened.
pub const CASES: &str = "cases";
/// Listings, by list, department and what happened.
pub const LISTINGS: &str = "listings";
/// Listings in force, by list: the sum over all days up to one is how many are in force on it.
pub const IN_FORCE: &str = "listings-in-force";
/// What was done about measures, by list, measure, department and what, on the day of the application.
pub const MEASURES: &str = "measures";

/// A case was proposed.
pub const PROPOSED: &str = "PROPOSED";
/// A case ended without a listing.
pub const DROPPED: &str = "DROPPED";
/// A subject was listed.
pub const LISTED: &str = "LISTED";
/// A measure was applied.
pub const APPLIED: &str = "APPLIED";
/// A measure was not applied, with a reason.
pub const NOT_APPLIED: &str = "NOT_APPLIED";
/// A measure that was applied was lifted.
pub const LIFTED: &str = "LIFTED";
/// A measure that was applied is not lifted, and its listing is marked as ended.
pub const TO_LIFT: &str = "TO_LIFT";

/// A listing as it is counted.
pub struct Counted<'a> {
    /// The list.
    pub list: &'a str,
    /// The department that decided.
    pub department: &'a str,
    /// The first day.
    pub from: Date,
    /// The last day; none where nothing sets a term.
    pub until: Option<Date>,
}

impl Counted<'_> {
    // From its first day to its last it is in force; nobody has to notice that it ends.
    fn listed(&self, tally: &mut Tally, listings: i64) {
        tally.add(LISTINGS, self.from, [self.list, self.department, LISTED, ""], listings);
        self.in_force(tally, self.from, listings);
        self.after_term(tally, -listings);
    }

    /// Counts that it ended, on the first day on which it held no more. One that was wrong, and was revoked, never counts as in force.
    pub fn ended(&self, tally: &mut Tally, on: Date, state: State) {
        self.all_ended(tally, on, state, 1);
    }

    // So many alike.
    fn all_ended(&self, tally: &mut Tally, on: Date, state: State, listings: i64) {
        tally.add(LISTINGS, on, [self.list, self.department, state.as_str_name(), ""], listings);
        let last = match state {
            State::Repaired => on,
            State::Revoked => self.from,
            _ => return,
        };
        self.in_force(tally, last, -listings);
        self.after_term(tally, listings);
    }

    fn after_term(&self, tally: &mut Tally, counted: i64) {
        if let Some(after) = self.until.and_then(|until| until.tomorrow().ok()) {
            self.in_force(tally, after, counted);
        }
    }

    fn in_force(&self, tally: &mut Tally, on: Date, counted: i64) {
        tally.add(IN_FORCE, on, [self.list, "", "", ""], counted);
    }
}

/// Keeps what happened to a case.
pub async fn case(tx: &Tx, list: &str, on: Date, happened: &str) -> Answer<()> {
    let mut tally = Tally::default();
    tally.add(CASES, on, [list, happened, "", ""], 1);
    figures::keep(tx, &tally).await
}

/// Keeps that a subject was listed.
pub async fn listed(tx: &Tx, listing: &api::Listing) -> Answer<()> {
    let mut tally = Tally::default();
    let counted = Counted {
        list: &listing.list_id,
        department: &listing.department,
        from: listing.from.parse().map_err(Fault::internal)?,
        until: listing.until.parse().ok(),
    };
    counted.listed(&mut tally, 1);
    figures::keep(tx, &tally).await
}

/// Counts what was done about a measure on a day.
pub fn measure(tally: &mut Tally, on: Date, keys: [&str; 3], done: &str, counted: i64) {
    let [list, measure, department] = keys;
    tally.add(MEASURES, on, [list, measure, department, done], counted);
}

#[derive(FromQueryResult)]
struct Held {
    measure: String,
    department: String,
    applied_on: String,
    applications: i64,
}

/// Counts the measures that are to be lifted since a listing has ended; it is held until the transaction ends.
pub async fn left(tally: &mut Tally, tx: &Tx, list: &str, listing: &str) -> Answer<()> {
    let text = "SELECT measure, department, applied_on, COUNT(*) AS applications FROM applications \
                WHERE listing = $1 AND outcome = 1 AND lifted_on = '' GROUP BY measure, department, applied_on";
    for row in Held::find_by_statement(sql(&**tx, text, [listing.into()])).all(&**tx).await? {
        let on = row.applied_on.parse().map_err(Fault::internal)?;
        measure(tally, on, [list, &row.measure, &row.department], TO_LIFT, row.applications);
    }
    Ok(())
}

/// Begins to keep the figures of a database from before they were kept.
pub async fn adopt(store: &Store) -> Answer<()> {
    figures::adopt(store, CASES, async |tx: &Tx| cases_anew(tx).await).await?;
    figures::adopt(store, LISTINGS, async |tx: &Tx| {
        let mut tally = Tally::default();
        listings_anew(tx, &mut tally).await?;
        filings_anew(tx, &mut tally).await?;
        Ok(tally.only(|figure| figure != IN_FORCE))
    })
    .await?;
    figures::adopt(store, IN_FORCE, async |tx: &Tx| {
        let mut tally = Tally::default();
        listings_anew(tx, &mut tally).await?;
        Ok(tally.only(|figure| figure == IN_FORCE))
    })
    .await?;
    figures::adopt(store, MEASURES, async |tx: &Tx| measures_anew(tx).await).await
}

#[derive(FromQueryResult)]
struct Case {
    list_id: String,
    opened_on: String,
    dropped_on: String,
    cases: i64,
}

async fn cases_anew(db: &impl ConnectionTrait) -> Answer<Tally> {
    let mut tally = Tally::default();
    let text = "SELECT list_id, opened_on, dropped_on, COUNT(*) AS cases FROM cases GROUP BY list_id, opened_on, dropped_on";
    for row in Case::find_by_statement(sql(db, text, [])).all(db).await? {
        for (on, happened) in [(&row.opened_on, PROPOSED), (&row.dropped_on, DROPPED)] {
            if let Ok(on) = on.parse() {
                tally.add(CASES, on, [&row.list_id, happened, "", ""], row.cases);
            }
        }
    }
    Ok(tally)
}

#[derive(FromQueryResult)]
struct Listed {
    list_id: String,
    department: String,
    from_on: String,
    until_on: String,
    ended_on: String,
    state: i32,
    listings: i64,
}

async fn listings_anew(db: &impl ConnectionTrait, tally: &mut Tally) -> Answer<()> {
    // Alike ones together: there may be a million.
    let text = "SELECT list_id, department, from_on, until_on, ended_on, state, COUNT(*) AS listings FROM listings \
                GROUP BY list_id, department, from_on, until_on, ended_on, state";
    for row in Listed::find_by_statement(sql(db, text, [])).all(db).await? {
        let Ok(from) = row.from_on.parse() else { continue };
        let until: Option<Date> = row.until_on.parse().ok();
        let counted = Counted { list: &row.list_id, department: &row.department, from, until };
        counted.listed(tally, row.listings);
        let state = State::try_from(row.state).unwrap_or_default();
        let on = match state {
            State::Repaired | State::Revoked => row.ended_on.parse().ok(),
            State::Expired => until.and_then(|last| last.tomorrow().ok()),
            _ => None,
        };
        if let Some(on) = on {
            counted.all_ended(tally, on, state, row.listings);
        }
    }
    Ok(())
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

async fn filings_anew(db: &impl ConnectionTrait, tally: &mut Tally) -> Answer<()> {
    let text = "SELECT kind, department, state, filed_at, due_on, decided_at FROM filings";
    for row in Filed::find_by_statement(sql(db, text, [])).all(db).await? {
        let filed_on = business_day(from_micros(row.filed_at));
        filings::count_filed(tally, filed_on, &row.department, &row.kind);
        if let (Some(at), false) = (row.decided_at, row.state == "CLOSED") {
            let on = business_day(from_micros(at));
            filings::count_decided(tally, on, &row.department, &row.kind, &row.due_on);
        }
    }
    Ok(())
}

#[derive(FromQueryResult)]
struct Applied {
    list_id: String,
    measure: String,
    department: String,
    applied_on: String,
    outcome: i32,
    lifted: bool,
    ended: bool,
    applications: i64,
}

async fn measures_anew(db: &impl ConnectionTrait) -> Answer<Tally> {
    let mut tally = Tally::default();
    let text = "SELECT list_id, measure, department, applied_on, outcome, lifted, ended, COUNT(*) AS applications \
                FROM (SELECT a.list_id, a.measure, a.department, a.applied_on, a.outcome, a.lifted_on <> '' AS lifted, \
                l.state NOT IN (1, 2) AS ended FROM applications a JOIN listings l ON l.case_id = a.listing) AS counted \
                GROUP BY list_id, measure, department, applied_on, outcome, lifted, ended";
    for row in Applied::find_by_statement(sql(db, text, [])).all(db).await? {
        let Ok(on) = row.applied_on.parse() else { continue };
        let keys = [row.list_id.as_str(), &row.measure, &row.department];
        let applied = row.outcome != Outcome::NotApplied as i32;
        measure(&mut tally, on, keys, if applied { APPLIED } else { NOT_APPLIED }, row.applications);
        match (applied, row.lifted, row.ended) {
            (true, true, _) => measure(&mut tally, on, keys, LIFTED, row.applications),
            (true, false, true) => measure(&mut tally, on, keys, TO_LIFT, row.applications),
            _ => {}
        }
    }
    Ok(tally)
}
