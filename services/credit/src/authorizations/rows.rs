//! Grants in their table.
use std::collections::HashSet;

use chassis::{
    Answer, Tx,
    clock::{from_micros, micros, wire},
    page::Page,
    storage::{Filters, among, insert_rows, sql},
};
use contract::credit::v1::{self as api, authorization::State};
use jiff::{Timestamp, civil::Date};
use sea_orm::{ConnectionTrait, FromQueryResult, Value};

use super::{Granted, rules};

const COLUMNS: [&str; 15] = [
    "uscc",
    "authorization_id",
    "department",
    "items",
    "purpose",
    "valid_from",
    "valid_until",
    "evidence",
    "evidence_hash",
    "text_version",
    "basis",
    "created_at",
    "recorded_by",
    "recorded_for",
    "position",
];

#[derive(FromQueryResult)]
struct Row {
    uscc: String,
    authorization_id: String,
    department: String,
    items: String,
    purpose: String,
    valid_from: String,
    valid_until: String,
    evidence: String,
    evidence_hash: String,
    text_version: String,
    basis: String,
    created_at: i64,
    recorded_by: String,
    recorded_for: String,
    revoked_at: Option<i64>,
    revoked_by: String,
    revoke_reason: String,
    position: String,
}

impl Row {
    fn on(self, today: Date) -> api::Authorization {
        let state = rules::state(&self.valid_from, &self.valid_until, self.revoked_at.is_some(), today);
        api::Authorization {
            authorization_id: self.authorization_id,
            uscc: self.uscc,
            items: names(&self.items).map(str::to_owned).collect(),
            department: self.department,
            purpose: self.purpose,
            valid_from: self.valid_from,
            valid_until: self.valid_until,
            revoke_time: self.revoked_at.map(|at| wire(from_micros(at))),
            evidence: self.evidence,
            evidence_hash: self.evidence_hash,
            text_version: self.text_version,
            state: state.into(),
            create_time: Some(wire(from_micros(self.created_at))),
            recorded_by: self.recorded_by,
            recorded_for: self.recorded_for,
            basis: self.basis,
            revoked_by: self.revoked_by,
            revoke_reason: self.revoke_reason,
            position: self.position,
        }
    }
}

fn names(items: &str) -> impl Iterator<Item = &str> {
    items.split(',').filter(|name| !name.is_empty())
}

/// Keeps a new grant.
pub async fn insert(tx: &Tx, now: Timestamp, grant: &api::Authorization) -> Answer<()> {
    let row: Vec<Value> = vec![
        grant.uscc.as_str().into(),
        grant.authorization_id.as_str().into(),
        grant.department.as_str().into(),
        format!(",{},", grant.items.join(",")).into(),
        grant.purpose.as_str().into(),
        grant.valid_from.as_str().into(),
        grant.valid_until.as_str().into(),
        grant.evidence.as_str().into(),
        grant.evidence_hash.as_str().into(),
        grant.text_version.as_str().into(),
        grant.basis.as_str().into(),
        micros(now).into(),
        grant.recorded_by.as_str().into(),
        grant.recorded_for.as_str().into(),
        grant.position.as_str().into(),
    ];
    insert_rows(&**tx, "authorizations", &COLUMNS, vec![row], "").await?;
    Ok(())
}

/// Writes down that a grant was taken back.
pub async fn revoke(tx: &Tx, now: Timestamp, grant: &api::Authorization) -> Answer<()> {
    let text = "UPDATE authorizations SET revoked_at = $3, revoked_by = $4, revoke_reason = $5, position = $6 \
                WHERE uscc = $1 AND authorization_id = $2 AND revoked_at IS NULL";
    let values: [Value; 6] = [
        grant.uscc.as_str().into(),
        grant.authorization_id.as_str().into(),
        micros(now).into(),
        grant.revoked_by.as_str().into(),
        grant.revoke_reason.as_str().into(),
        grant.position.as_str().into(),
    ];
    tx.execute_raw(sql(&**tx, text, values)).await?;
    Ok(())
}

/// The grant of an id, as it stands on a day.
pub async fn get(db: &impl ConnectionTrait, id: &str, today: Date) -> Answer<Option<api::Authorization>> {
    one(db, id, today, "").await
}

/// The same, held until the transaction ends.
pub async fn get_for_update(tx: &Tx, id: &str, today: Date) -> Answer<Option<api::Authorization>> {
    let hold = tx.hold();
    one(&**tx, id, today, hold).await
}

async fn one(
    db: &impl ConnectionTrait,
    id: &str,
    today: Date,
    hold: &str,
) -> Answer<Option<api::Authorization>> {
    let text = format!("{} WHERE authorization_id = $1 {hold}", select());
    let row = Row::find_by_statement(sql(db, &text, [id.into()])).one(db).await?;
    Ok(row.map(|row| row.on(today)))
}

fn select() -> String {
    format!("SELECT {}, revoked_at, revoked_by, revoke_reason FROM authorizations", COLUMNS.join(", "))
}

/// Which grants are asked for; what is empty asks nothing.
pub struct Filter<'a> {
    /// Of this subject.
    pub uscc: &'a str,
    /// Made to this department.
    pub department: &'a str,
    /// Opening this item.
    pub item: &'a str,
    /// In this state on the day.
    pub state: State,
    /// Made to this department or recorded by it.
    pub concerning: &'a str,
}

/// A page of them, the latest first.
pub async fn list(
    db: &impl ConnectionTrait,
    filter: &Filter<'_>,
    page: &Page,
    today: Date,
) -> Answer<Vec<api::Authorization>> {
    // An item's name is of letters, digits and hyphens: it holds nothing that a pattern knows.
    let item = if filter.item.is_empty() { String::new() } else { format!("%,{},%", filter.item) };
    let of = Filters::new()
        .given("uscc = $1", filter.uscc)
        .given("department = $1", filter.department)
        .given("items LIKE $1", &item)
        .given("department = $1 OR recorded_for = $1", filter.concerning)
        .given("authorization_id < $1", &page.after);
    let day = || [Value::from(today.to_string())];
    let of = match filter.state {
        State::Unspecified => of,
        State::Pending => of.and("revoked_at IS NULL AND valid_from > $1", day()),
        State::InForce => of.and("revoked_at IS NULL AND valid_from <= $1 AND valid_until >= $1", day()),
        State::Expired => of.and("revoked_at IS NULL AND valid_until < $1", day()),
        State::Revoked => of.and("revoked_at IS NOT NULL", []),
    };
    let order = format!("ORDER BY authorization_id DESC LIMIT {}", page.fetch());
    let rows = Row::find_by_statement(of.sql(db, &select(), &order)).all(db).await?;
    Ok(rows.into_iter().map(|row| row.on(today)).collect())
}

/// Which grants are looked for.
pub struct Covering<'a> {
    /// Made to this department.
    pub department: &'a str,
    /// For this purpose; none: for whichever.
    pub purpose: Option<&'a str>,
    /// In force on this day.
    pub today: Date,
}

#[derive(FromQueryResult)]
struct Cover {
    uscc: String,
    authorization_id: String,
    items: String,
}

/// What subjects have granted.
pub async fn covering(db: &impl ConnectionTrait, covering: &Covering<'_>, codes: &[&str]) -> Answer<Granted> {
    covers(db, covering, codes, "").await
}

/// The same, where none of the grants is taken back before the transaction ends.
pub async fn covering_held(tx: &Tx, covering: &Covering<'_>, codes: &[&str]) -> Answer<Granted> {
    let hold = tx.share();
    covers(&**tx, covering, codes, hold).await
}

async fn covers(
    db: &impl ConnectionTrait,
    covering: &Covering<'_>,
    codes: &[&str],
    hold: &str,
) -> Answer<Granted> {
    if covering.department.is_empty() || codes.is_empty() {
        return Ok(Granted::default());
    }
    let (condition, codes) = among(db, "uscc", 1, codes);
    let in_force = "revoked_at IS NULL AND valid_from <= $1 AND valid_until >= $1";
    // Of several grants the one that lasts longest is named.
    let statement = Filters::new()
        .and("department = $1", [covering.department.into()])
        .given("purpose = $1", covering.purpose.unwrap_or_default())
        .and(in_force, [covering.today.to_string().into()])
        .and(&condition, [codes])
        .sql(
            db,
            "SELECT uscc, authorization_id, items FROM authorizations",
            &format!("ORDER BY valid_until, authorization_id {hold}"),
        );
    let mut granted = Granted::default();
    for cover in Cover::find_by_statement(statement).all(db).await? {
        for item in names(&cover.items) {
            granted.put(&cover.uscc, item, &cover.authorization_id);
        }
    }
    Ok(granted)
}

/// Whether a department holds a grant of anybody's for an item, in force on a day.
pub async fn any(db: &impl ConnectionTrait, department: &str, item: &str, today: Date) -> Answer<bool> {
    let text = "SELECT 1 AS found FROM authorizations WHERE department = $1 AND items LIKE $2 AND valid_from <= $3 \
                AND valid_until >= $3 AND revoked_at IS NULL LIMIT 1";
    let values = [department.into(), format!("%,{item},%").into(), today.to_string().into()];
    Ok(db.query_one_raw(sql(db, text, values)).await?.is_some())
}

/// Those of these grants that are in force on a day.
pub async fn in_force(db: &impl ConnectionTrait, ids: &[&str], today: Date) -> Answer<HashSet<String>> {
    let (condition, ids) = among(db, "authorization_id", 2, ids);
    let text = format!(
        "SELECT authorization_id FROM authorizations WHERE valid_from <= $1 AND valid_until >= $1 AND revoked_at IS NULL \
         AND {condition}"
    );
    let rows = db.query_all_raw(sql(db, &text, [today.to_string().into(), ids])).await?;
    Ok(rows.into_iter().map(|row| row.try_get("", "authorization_id")).collect::<Result<_, _>>()?)
}
