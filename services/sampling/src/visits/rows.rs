//! The tables of visits and of what hangs on them.
use std::collections::HashMap;

use chassis::{
    Answer, Tx,
    page::Page,
    storage::{Filters, corrupt, insert_rows, placeholders, sql},
};
use contract::sampling::v1::{Finding, SkippedInspector, skipped_inspector::Reason, visit::Status};
use sea_orm::{ConnectionTrait, FromQueryResult, Value};

use crate::figures::Seen;

/// A visit as stored.
#[derive(Clone, Default, FromQueryResult)]
pub struct Stored {
    pub visit_id: String,
    pub draw: String,
    pub place: i32,
    pub uscc: String,
    pub name: String,
    pub stratum: String,
    pub ticket: String,
    pub status: i32,
    pub replaces: String,
    pub replace_reason: String,
    pub replaced_at: i64,
    pub inspected_on: String,
    pub publish_due_on: String,
    pub found: bool,
    pub published_at: i64,
    pub position: String,
    pub kind: i32,
    pub order_reason: String,
    pub over_cap: bool,
    pub publish_basis: String,
}

const COLUMNS: [&str; 20] = [
    "visit_id",
    "draw",
    "place",
    "uscc",
    "name",
    "stratum",
    "ticket",
    "status",
    "replaces",
    "replace_reason",
    "replaced_at",
    "inspected_on",
    "publish_due_on",
    "found",
    "published_at",
    "position",
    "kind",
    "order_reason",
    "over_cap",
    "publish_basis",
];

impl Stored {
    /// Where the visit stands.
    pub fn status(&self) -> Status {
        Status::try_from(self.status).unwrap_or_default()
    }

    /// As it is counted.
    pub fn seen(&self) -> Seen<'_> {
        Seen { draw: &self.draw, uscc: &self.uscc, stratum: &self.stratum, found: self.found }
    }

    fn values(&self) -> Vec<Value> {
        vec![
            self.visit_id.as_str().into(),
            self.draw.as_str().into(),
            self.place.into(),
            self.uscc.as_str().into(),
            self.name.as_str().into(),
            self.stratum.as_str().into(),
            self.ticket.as_str().into(),
            self.status.into(),
            self.replaces.as_str().into(),
            self.replace_reason.as_str().into(),
            self.replaced_at.into(),
            self.inspected_on.as_str().into(),
            self.publish_due_on.as_str().into(),
            self.found.into(),
            self.published_at.into(),
            self.position.as_str().into(),
            self.kind.into(),
            self.order_reason.as_str().into(),
            self.over_cap.into(),
            self.publish_basis.as_str().into(),
        ]
    }
}

async fn select(db: &impl ConnectionTrait, rest: &str, values: Vec<Value>) -> Answer<Vec<Stored>> {
    let text = format!("SELECT {} FROM visits {rest}", COLUMNS.join(", "));
    Ok(Stored::find_by_statement(sql(db, &text, values)).all(db).await?)
}

/// A visit.
pub async fn find(db: &impl ConnectionTrait, visit: &str) -> Answer<Option<Stored>> {
    Ok(select(db, "WHERE visit_id = $1", vec![visit.into()]).await?.pop())
}

/// Those of the ids that are there; at most a page of them.
pub async fn among(db: &impl ConnectionTrait, ids: &[String]) -> Answer<Vec<Stored>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rest = format!("WHERE visit_id IN ({})", placeholders(1, ids.len()));
    select(db, &rest, ids.iter().map(|id| id.as_str().into()).collect()).await
}

/// All visits of a draw, in their order.
pub async fn of_draw(db: &impl ConnectionTrait, draw: &str) -> Answer<Vec<Stored>> {
    select(db, "WHERE draw = $1 ORDER BY place", vec![draw.into()]).await
}

/// A page of a draw's visits.
pub async fn page(db: &impl ConnectionTrait, draw: &str, after: i32, page: &Page) -> Answer<Vec<Stored>> {
    let rest = format!("WHERE draw = $1 AND place > $2 ORDER BY place LIMIT {}", page.fetch());
    select(db, &rest, vec![draw.into(), after.into()]).await
}

/// A page of published visits, the latest first, after an instant and an id.
pub async fn published(
    db: &impl ConnectionTrait,
    uscc: &str,
    after: (i64, &str),
    page: &Page,
) -> Answer<Vec<Stored>> {
    let statement = Filters::new()
        .and(&format!("status = {}", Status::Published as i32), [])
        .given("uscc = $1", uscc)
        .and("(published_at, visit_id) < ($1, $2)", [after.0.into(), after.1.into()])
        .sql(
            db,
            &format!("SELECT {} FROM visits", COLUMNS.join(", ")),
            &format!("ORDER BY published_at DESC, visit_id DESC LIMIT {}", page.fetch()),
        );
    Ok(Stored::find_by_statement(statement).all(db).await?)
}

/// Writes an order.
pub async fn insert_order(tx: &Tx, order: &str, plan: &str, seed: &str, at: i64) -> Answer<()> {
    let text = "INSERT INTO orders (order_id, plan, seed, ordered_at) VALUES ($1, $2, $3, $4)";
    tx.execute_raw(sql(&**tx, text, [order.into(), plan.into(), seed.into(), at.into()])).await?;
    Ok(())
}

/// When an order was given, in microseconds.
pub async fn ordered_at(db: &impl ConnectionTrait, order: &str) -> Answer<i64> {
    let text = "SELECT ordered_at FROM orders WHERE order_id = $1";
    let row = db.query_one_raw(sql(db, text, [order.into()])).await?;
    let row = row.ok_or_else(|| corrupt("visit", "neither draw nor order is there"))?;
    Ok(row.try_get("", "ordered_at")?)
}

/// A page of a draw's selection for a bundle, in its order after a place and up to another.
pub async fn stream_selected(
    db: &impl ConnectionTrait,
    draw: &str,
    (after, until): (i32, i32),
    limit: u64,
) -> Answer<Vec<Stored>> {
    let rest = format!(
        "WHERE draw = $1 AND replaces = '' AND place > $2 AND place <= $3 ORDER BY place LIMIT {limit}"
    );
    select(db, &rest, vec![draw.into(), after.into(), until.into()]).await
}

#[derive(FromQueryResult)]
struct Places {
    first: i32,
    last: i32,
}

/// The first and the last place of each stratum of a draw's selection.
pub async fn strata(db: &impl ConnectionTrait, draw: &str) -> Answer<Vec<(i32, i32)>> {
    let text = "SELECT MIN(place) AS first, MAX(place) AS last FROM visits WHERE draw = $1 AND replaces = '' \
                GROUP BY stratum ORDER BY first";
    let rows = Places::find_by_statement(sql(db, text, [draw.into()])).all(db).await?;
    Ok(rows.into_iter().map(|row| (row.first, row.last)).collect())
}

/// A page of a draw's replacements, in their order after a place.
pub async fn stream_replacements(
    db: &impl ConnectionTrait,
    draw: &str,
    after: i32,
    limit: u64,
) -> Answer<Vec<Stored>> {
    let rest = format!("WHERE draw = $1 AND replaces <> '' AND place > $2 ORDER BY place LIMIT {limit}");
    select(db, &rest, vec![draw.into(), after.into()]).await
}

/// How many took somebody's place.
pub async fn count_replacements(db: &impl ConnectionTrait, draw: &str) -> Answer<i64> {
    let text = "SELECT COUNT(*) AS replaced FROM visits WHERE draw = $1 AND replaces <> ''";
    let row = db.query_one_raw(sql(db, text, [draw.into()])).await?;
    Ok(row.map(|row| row.try_get("", "replaced")).transpose()?.unwrap_or_default())
}

/// Writes new visits.
pub async fn insert(tx: &Tx, visits: &[Stored]) -> Answer<()> {
    tx.add("visits", &COLUMNS, visits.iter().map(Stored::values).collect()).await
}

/// Writes what a record or a publication changed; whether the visit still stood as it was read.
pub async fn update(tx: &Tx, visit: &Stored, before: Status) -> Answer<bool> {
    let text = "UPDATE visits SET status = $3, inspected_on = $4, publish_due_on = $5, found = $6, published_at = $7, publish_basis = $8 \
                WHERE visit_id = $1 AND status = $2";
    let values = [
        visit.visit_id.as_str().into(),
        (before as i32).into(),
        visit.status.into(),
        visit.inspected_on.as_str().into(),
        visit.publish_due_on.as_str().into(),
        visit.found.into(),
        visit.published_at.into(),
        visit.publish_basis.as_str().into(),
    ];
    Ok(tx.execute_raw(sql(&**tx, text, values)).await?.rows_affected() == 1)
}

/// Replaces a visit's findings.
pub async fn put_findings(tx: &Tx, visit: &str, findings: &[Finding]) -> Answer<()> {
    tx.execute_raw(sql(&**tx, "DELETE FROM findings WHERE visit = $1", [visit.into()])).await?;
    let row = |(place, finding): (i32, &Finding)| {
        vec![
            visit.into(),
            place.into(),
            finding.inspection_item.as_str().into(),
            finding.result_code.as_str().into(),
            finding.text.as_str().into(),
            0.into(),
            "".into(),
            "".into(),
        ]
    };
    let columns = ["visit", "place", "inspection_item", "result_code", "text", "due", "record", "refusal"];
    insert_rows(&**tx, "findings", &columns, (0..).zip(findings).map(row).collect(), "").await?;
    Ok(())
}

/// A finding as stored.
#[derive(FromQueryResult)]
pub struct StoredFinding {
    pub visit: String,
    pub inspection_item: String,
    pub result_code: String,
    pub text: String,
    pub record: String,
    pub refusal: String,
}

#[derive(FromQueryResult)]
struct Drawn {
    visit: String,
    inspector: String,
}

#[derive(FromQueryResult)]
struct Skipped {
    visit: String,
    inspector: String,
    reason: i32,
    skill: String,
}

/// What hangs on a visit.
#[derive(Default)]
pub struct Details {
    pub inspectors: Vec<String>,
    pub skipped: Vec<SkippedInspector>,
    pub findings: Vec<StoredFinding>,
}

/// What hangs on visits; at most a page of them.
pub async fn details(db: &impl ConnectionTrait, visits: &[Stored]) -> Answer<HashMap<String, Details>> {
    let mut all: HashMap<String, Details> = HashMap::new();
    if visits.is_empty() {
        return Ok(all);
    }
    let marks = placeholders(1, visits.len());
    let ids = || visits.iter().map(|visit| Value::from(visit.visit_id.as_str()));
    let text = format!(
        "SELECT visit, inspector FROM visit_inspectors WHERE visit IN ({marks}) ORDER BY visit, place"
    );
    for row in Drawn::find_by_statement(sql(db, &text, ids())).all(db).await? {
        all.entry(row.visit).or_default().inspectors.push(row.inspector);
    }
    let text = format!(
        "SELECT visit, inspector, reason, skill FROM skipped_inspectors WHERE visit IN ({marks}) ORDER BY visit, inspector"
    );
    for row in Skipped::find_by_statement(sql(db, &text, ids())).all(db).await? {
        let skipped = SkippedInspector { inspector_id: row.inspector, reason: row.reason, skill: row.skill };
        all.entry(row.visit).or_default().skipped.push(skipped);
    }
    let text = format!(
        "SELECT visit, inspection_item, result_code, text, record, refusal FROM findings WHERE visit IN ({marks}) \
         ORDER BY visit, place"
    );
    for row in StoredFinding::find_by_statement(sql(db, &text, ids())).all(db).await? {
        all.entry(row.visit.clone()).or_default().findings.push(row);
    }
    Ok(all)
}

/// Who was drawn for a visit, tickets ascending, as rows.
pub fn team(visit: &str, inspectors: &[String]) -> impl Iterator<Item = Vec<Value>> {
    (0_i32..).zip(inspectors).map(move |(place, id)| vec![visit.into(), place.into(), id.as_str().into()])
}

/// Writes the teams of visits.
pub async fn insert_teams(tx: &Tx, rows: Vec<Vec<Value>>) -> Answer<()> {
    tx.add("visit_inspectors", &["visit", "place", "inspector"], rows).await
}

/// An inspector passed over for a visit, or with an empty visit for all of a draw.
pub struct Passed<'a> {
    pub draw: &'a str,
    pub visit: &'a str,
    pub inspector: &'a str,
    pub reason: Reason,
    pub skill: &'a str,
}

impl Passed<'_> {
    /// As a row.
    pub fn values(&self) -> Vec<Value> {
        let reason = self.reason as i32;
        vec![self.draw.into(), self.visit.into(), self.inspector.into(), reason.into(), self.skill.into()]
    }
}

/// Writes who was passed over; what stands there already stays.
pub async fn insert_skipped(tx: &Tx, rows: Vec<Vec<Value>>) -> Answer<()> {
    let columns = ["draw", "visit", "inspector", "reason", "skill"];
    let once = "ON CONFLICT (draw, visit, inspector) DO NOTHING";
    insert_rows(&**tx, "skipped_inspectors", &columns, rows, once).await?;
    Ok(())
}

/// Who could take no visit of a draw.
pub async fn skipped_always(db: &impl ConnectionTrait, draw: &str) -> Answer<Vec<SkippedInspector>> {
    let text = "SELECT visit, inspector, reason, skill FROM skipped_inspectors WHERE draw = $1 AND visit = '' \
                ORDER BY inspector";
    let rows = Skipped::find_by_statement(sql(db, text, [draw.into()])).all(db).await?;
    let wire =
        |row: Skipped| SkippedInspector { inspector_id: row.inspector, reason: row.reason, skill: row.skill };
    Ok(rows.into_iter().map(wire).collect())
}

#[derive(FromQueryResult)]
struct Load {
    inspector: String,
    visits: i64,
}

/// How many visits of a draw each inspector has to make.
pub async fn workload(db: &impl ConnectionTrait, draw: &str) -> Answer<HashMap<String, u32>> {
    let text = format!(
        "SELECT i.inspector, COUNT(*) AS visits FROM visit_inspectors i JOIN visits v ON v.visit_id = i.visit \
         WHERE v.draw = $1 AND v.status <> {} GROUP BY i.inspector",
        Status::Replaced as i32
    );
    let rows = Load::find_by_statement(sql(db, &text, [draw.into()])).all(db).await?;
    Ok(rows.into_iter().map(|row| (row.inspector, u32::try_from(row.visits).unwrap_or(u32::MAX))).collect())
}

#[derive(FromQueryResult)]
struct Count {
    visits: i64,
}

/// How many visits of a draw have fewer inspectors than wanted: whose team's last place is empty.
pub async fn short_of_staff(db: &impl ConnectionTrait, draw: &str, wanted: i32) -> Answer<i64> {
    let text = format!(
        "SELECT COUNT(*) AS visits FROM visits v WHERE v.draw = $1 AND v.status NOT IN ({}, {}) \
         AND NOT EXISTS (SELECT 1 FROM visit_inspectors i WHERE i.visit = v.visit_id AND i.place = $2)",
        Status::Replaced as i32,
        Status::Cancelled as i32
    );
    let last = wanted.saturating_sub(1);
    let row = Count::find_by_statement(sql(db, &text, [draw.into(), last.into()])).one(db).await?;
    Ok(row.map_or(0, |row| row.visits))
}
