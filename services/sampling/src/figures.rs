//! Figures 抽查统计: draws, visits and findings, kept in the transactions of what they count.
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chassis::{
    Answer, Context, Store, Tx,
    clock::{business_day, from_micros},
    figures::{self, Asked, Counted, Tally},
    storage::{among, sql},
};
use contract::sampling::v1::{self as api, draw::State, visit::Status};
use jiff::civil::Date;
use sea_orm::{ConnectionTrait, FromQueryResult};

use crate::{
    Sampling,
    burdens::{self, Came},
    effects::rules::{Stratum, members, total},
    rights,
};

/// What is kept of visits: by scheme, version of it (0: ordered), stratum and what happened.
pub const VISITS: &str = "visits";
/// Visits recorded, by scheme and draw.
pub const DRAWS: &str = "visits-of-draws";

/// What happens to a visit, or to a draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A draw was revealed.
    Revealed,
    /// A subject was drawn.
    Drawn,
    /// A visit was recorded.
    Visited,
    /// A visit found something.
    Found,
    /// A result was published by its last day.
    InTime,
    /// A result was published later.
    Late,
}

impl Event {
    fn name(self) -> &'static str {
        match self {
            Self::Revealed => "REVEALED",
            Self::Drawn => "DRAWN",
            Self::Visited => "VISITED",
            Self::Found => "FOUND",
            Self::InTime => "IN_TIME",
            Self::Late => "LATE",
        }
    }
}

/// Counts of one scheme, by a version of it or by order, that are not kept yet.
pub struct Counting<'a> {
    scheme: &'a str,
    version: String,
    tally: Tally,
    draws: BTreeMap<String, Came>,
    // By code and year.
    enterprises: BTreeMap<(String, i16), i64>,
}

/// A visit as it is counted.
pub struct Seen<'a> {
    /// The draw, or the order.
    pub draw: &'a str,
    /// The subject.
    pub uscc: &'a str,
    /// Its grade then.
    pub stratum: &'a str,
    /// Whether something was found.
    pub found: bool,
}

impl<'a> Counting<'a> {
    /// None yet; version 0 is that of orders.
    pub fn new(scheme: &'a str, version: i32) -> Self {
        let (draws, enterprises) = (BTreeMap::new(), BTreeMap::new());
        Self { scheme, version: version.to_string(), tally: Tally::default(), draws, enterprises }
    }

    /// Counts on a day.
    pub fn add(&mut self, day: Date, stratum: &str, event: Event, counted: i64) {
        self.tally.add(VISITS, day, [self.scheme, &self.version, stratum, event.name()], counted);
    }

    /// Counts a draw that is revealed, with the strata of those drawn.
    pub fn reveal<'b>(&mut self, day: Date, draw: &str, strata: impl Iterator<Item = &'b str>) {
        self.add(day, "", Event::Revealed, 1);
        for stratum in strata {
            self.add(day, stratum, Event::Drawn, 1);
            self.draws.entry(draw.to_owned()).or_default().drawn += 1;
        }
    }

    /// Counts a visit as it was recorded; or, below zero, as it was before it was recorded again.
    pub fn visit(&mut self, day: Date, visit: &Seen<'_>, counted: i64) {
        let found = if visit.found { counted } else { 0 };
        self.add(day, visit.stratum, Event::Visited, counted);
        self.add(day, visit.stratum, Event::Found, found);
        if self.version != "0" {
            self.tally.add(DRAWS, day, [self.scheme, visit.draw, "", ""], counted);
            let of = self.draws.entry(visit.draw.to_owned()).or_default();
            of.visited += counted;
            of.found += found;
        }
        *self.enterprises.entry((visit.uscc.to_owned(), day.year())).or_default() += counted;
    }

    /// Keeps them, as the last statements of the transaction.
    pub async fn keep(mut self, tx: &Tx) -> Answer<()> {
        for (draw, more) in &self.draws {
            burdens::add_to_draw(tx, draw, *more).await?;
        }
        for ((uscc, year), more) in &self.enterprises {
            let by = (self.scheme, self.version.as_str());
            burdens::add_to_enterprise(tx, &mut self.tally, by, (uscc, *year), *more).await?;
        }
        figures::keep(tx, &self.tally).await
    }
}

/// Begins to keep the figures of a database from before they were kept.
pub async fn adopt(store: &Store) -> Answer<()> {
    figures::adopt(store, VISITS, async |tx: &Tx| anew(tx).await).await
}

#[derive(FromQueryResult)]
struct Drawn {
    draw_id: String,
    scheme: String,
    scheme_version: i32,
    revealed_at: i64,
}

#[derive(FromQueryResult)]
struct Visited {
    draw: String,
    scheme: String,
    scheme_version: i32,
    stratum: String,
    status: i32,
    inspected_on: String,
    publish_due_on: String,
    found: bool,
    published_at: i64,
}

// Counts all that there is.
async fn anew(db: &impl ConnectionTrait) -> Answer<Tally> {
    let mut all = Tally::default();
    let text = format!(
        "SELECT draw_id, scheme, scheme_version, revealed_at FROM draws WHERE state = {}",
        State::Revealed as i32
    );
    let mut revealed = BTreeMap::new();
    for draw in Drawn::find_by_statement(sql(db, &text, [])).all(db).await? {
        let mut counting = Counting { tally: all, ..Counting::new(&draw.scheme, draw.scheme_version) };
        let day = business_day(from_micros(draw.revealed_at));
        counting.add(day, "", Event::Revealed, 1);
        all = counting.tally;
        revealed.insert(draw.draw_id, day);
    }
    let text = "SELECT v.draw, p.scheme, COALESCE(d.scheme_version, 0) AS scheme_version, v.stratum, v.status, v.inspected_on, \
                v.publish_due_on, v.found, v.published_at, v.replaces FROM visits v LEFT JOIN draws d ON d.draw_id = v.draw \
                LEFT JOIN orders o ON o.order_id = v.draw JOIN plans p ON p.plan_id = COALESCE(d.plan, o.plan)";
    let rows = db.query_all_raw(sql(db, text, [])).await?;
    for row in rows {
        let replaces: String = row.try_get("", "replaces")?;
        let one = Visited::from_query_result(&row, "")?;
        let mut counting = Counting { tally: all, ..Counting::new(&one.scheme, one.scheme_version) };
        if let (Some(day), true) = (revealed.get(&one.draw), replaces.is_empty()) {
            counting.add(*day, &one.stratum, Event::Drawn, 1);
        }
        if let Ok(day) = one.inspected_on.parse() {
            let seen = Seen { draw: &one.draw, uscc: "", stratum: &one.stratum, found: one.found };
            counting.visit(day, &seen, 1);
        }
        if one.status == Status::Published as i32 {
            let day = business_day(from_micros(one.published_at));
            counting.add(day, &one.stratum, published(day, &one.publish_due_on), 1);
        }
        all = counting.tally;
    }
    Ok(all)
}

/// Whether a result that is published on a day is published in time.
pub fn published(day: Date, due_on: &str) -> Event {
    if day.to_string().as_str() <= due_on { Event::InTime } else { Event::Late }
}

/// Visits recorded between two days, of a scheme's draws, by version and stratum.
pub async fn visits(
    db: &impl ConnectionTrait,
    scheme: &str,
    from: Date,
    to: Date,
) -> Answer<BTreeMap<(String, i32), BTreeMap<String, Stratum>>> {
    let mut all: BTreeMap<(String, i32), BTreeMap<String, Stratum>> = BTreeMap::new();
    for row in figures::sum(db, VISITS, scheme, from, to).await? {
        let version: i32 = row.k2.parse().unwrap_or_default();
        let visited = row.k4 == Event::Visited.name();
        if version == 0 || !(visited || row.k4 == Event::Found.name()) {
            continue;
        }
        let of = all.entry((row.k1, version)).or_default().entry(row.k3).or_default();
        *(if visited { &mut of.visited } else { &mut of.found }) += row.counted;
    }
    let drawn = figures::sum(db, DRAWS, scheme, from, to).await?;
    let draws: Vec<&str> = drawn.iter().map(|row| row.k2.as_str()).collect();
    for roster in rosters(db, &draws).await? {
        let of = all.entry((roster.scheme, roster.scheme_version)).or_default();
        for (stratum, members) in members(&roster.strata_text) {
            of.entry(stratum.to_owned()).or_default().members += members;
        }
    }
    Ok(all)
}

#[derive(FromQueryResult)]
struct Roster {
    scheme: String,
    scheme_version: i32,
    strata_text: String,
}

async fn rosters(db: &impl ConnectionTrait, draws: &[&str]) -> Answer<Vec<Roster>> {
    if draws.is_empty() {
        return Ok(Vec::new());
    }
    let (of_draws, list) = among(db, "draw_id", 1, draws);
    let text = format!("SELECT scheme, scheme_version, strata_text FROM draws WHERE {of_draws}");
    Ok(Roster::find_by_statement(sql(db, &text, [list])).all(db).await?)
}

/// Gives the counts of draws and visits.
pub async fn of_inspections(
    app: &Arc<Sampling>,
    context: &Context,
    request: api::GetInspectionFiguresRequest,
) -> Answer<api::GetInspectionFiguresResponse> {
    rights::official(context)?;
    let asked = Asked::of(&request.from, &request.to, context.today(), Asked::beginning, request.step())?;
    let db = app.store.read();
    let own = own_schemes(db, context).await?;
    let visible = |scheme: &str| own.as_ref().is_none_or(|own| own.contains(scheme));
    if !request.scheme.is_empty() && !visible(&request.scheme) {
        return Err(rights::other_scheme(&request.scheme));
    }
    let mut inspections: BTreeMap<_, api::InspectionFigures> = BTreeMap::new();
    for row in asked.read(db, VISITS, &request.scheme).await? {
        if visible(&row.k1) {
            add(&mut inspections, row);
        }
    }
    let mut of_schemes: BTreeMap<String, BTreeMap<String, Stratum>> = BTreeMap::new();
    for ((scheme, _), strata) in visits(db, &request.scheme, asked.from, asked.to).await? {
        if visible(&scheme) {
            crate::effects::rules::add(of_schemes.entry(scheme).or_default(), &strata);
        }
    }
    let effect = |(scheme, strata): (String, _)| api::SchemeEffect { scheme, total: Some(total(&strata)) };
    Ok(api::GetInspectionFiguresResponse {
        inspections: inspections.into_values().collect(),
        effects: of_schemes.into_iter().map(effect).collect(),
        from: asked.first_day(),
        to: asked.to.to_string(),
    })
}

// The schemes by which a department's own plans draw; none where the caller sees all.
async fn own_schemes(db: &impl ConnectionTrait, context: &Context) -> Answer<Option<BTreeSet<String>>> {
    let caller = &context.caller;
    if caller.is_office() || caller.is_service() {
        return Ok(None);
    }
    let text = "SELECT DISTINCT p.scheme FROM plan_departments d JOIN plans p ON p.plan_id = d.plan_id WHERE d.department = $1";
    let rows = db.query_all_raw(sql(db, text, [caller.department().into()])).await?;
    Ok(Some(rows.iter().map(|row| row.try_get("", "scheme")).collect::<Result<_, _>>()?))
}

fn add(all: &mut BTreeMap<(String, String, i32, String), api::InspectionFigures>, row: Counted) {
    let version = row.k2.parse().unwrap_or_default();
    let of = all.entry((row.span.clone(), row.k1.clone(), version, row.k3.clone())).or_insert_with(|| {
        api::InspectionFigures {
            span: row.span,
            scheme: row.k1,
            scheme_version: version,
            grade: row.k3,
            ..Default::default()
        }
    });
    let place = match row.k4.as_str() {
        "REVEALED" => &mut of.draws,
        "DRAWN" => &mut of.drawn,
        "VISITED" => &mut of.visited,
        "FOUND" => &mut of.found,
        "IN_TIME" => &mut of.published_in_time,
        _ => &mut of.published_late,
    };
    *place += i32::try_from(row.counted).unwrap_or(i32::MAX);
}
