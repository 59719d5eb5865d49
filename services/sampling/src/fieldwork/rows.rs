//! The tables of what happens on the spot.
use std::collections::HashMap;

use chassis::{
    Answer, Tx,
    clock::{from_micros, wire},
    ids,
    page::Page,
    storage::{Filters, insert_rows, placeholders, sql},
};
use contract::sampling::v1::{
    Attachment, CaseSuggestion, Recheck, Rectification, VisitSignature, rectification::State, visit::Status,
};
use prost::Message as _;
use sea_orm::{ConnectionTrait, FromQueryResult, Value};

use crate::register::bodies;

/// The key of a name, made when it is first asked for.
pub async fn key(tx: &Tx, name: &str) -> Answer<Vec<u8>> {
    let text = "INSERT INTO signing_keys (name, secret) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    tx.execute_raw(sql(&**tx, text, [name.into(), ids::secret()?.into()])).await?;
    let text = "SELECT secret FROM signing_keys WHERE name = $1";
    let row = tx.query_one_raw(sql(&**tx, text, [name.into()])).await?;
    let secret: String = row.map_or(Ok(String::new()), |row| row.try_get("", "secret"))?;
    Ok(secret.into_bytes())
}

/// Notes that a code was issued.
pub async fn insert_code(tx: &Tx, code_id: &str, expires_at: i64) -> Answer<()> {
    let text = "INSERT INTO arrival_codes (code_id, expires_at, used_at, visit) VALUES ($1, $2, 0, '')";
    tx.execute_raw(sql(&**tx, text, [code_id.into(), expires_at.into()])).await?;
    Ok(())
}

/// Uses a code up; whether it was not used before.
pub async fn use_code(tx: &Tx, code_id: &str, visit: &str, at: i64) -> Answer<bool> {
    let text = "UPDATE arrival_codes SET used_at = $2, visit = $3 WHERE code_id = $1 AND used_at = 0";
    let used = tx.execute_raw(sql(&**tx, text, [code_id.into(), at.into(), visit.into()])).await?;
    Ok(used.rows_affected() == 1)
}

/// Notes who arrived; who is noted already stays as noted.
pub async fn insert_arrivals(tx: &Tx, visit: &str, inspectors: &[String], at: i64, code: &str) -> Answer<()> {
    let row = |id: &String| vec![visit.into(), id.as_str().into(), at.into(), code.into()];
    let columns = ["visit", "inspector", "arrived_at", "code_id"];
    let rows = inspectors.iter().map(row).collect();
    insert_rows(&**tx, "arrivals", &columns, rows, "ON CONFLICT (visit, inspector) DO NOTHING").await?;
    Ok(())
}

/// What happened on the spot of a visit.
#[derive(Default)]
pub struct OnSite {
    /// When the first inspectors arrived, in microseconds; 0: not noted.
    pub arrived_at: i64,
    /// Who arrived.
    pub present: Vec<String>,
    /// The hash and the title of each attachment, in their order.
    pub attachments: Vec<(String, String)>,
    /// The signatures, each as if its text were not current.
    pub signatures: Vec<VisitSignature>,
    /// The order to put right what was found.
    pub rectification: Option<Rectification>,
}

impl OnSite {
    /// Whether inspectors have arrived by a code.
    pub fn arrived(&self) -> bool {
        self.arrived_at > 0
    }
}

#[derive(FromQueryResult)]
struct Arrived {
    visit: String,
    inspector: String,
    arrived_at: i64,
}

#[derive(FromQueryResult)]
struct Signed {
    visit: String,
    digest: String,
    signer: i32,
    inspector: String,
    refused: bool,
    refusal_reason: String,
    attachment: String,
    signed_at: i64,
}

#[derive(FromQueryResult)]
struct Ordered {
    visit: String,
    state: i32,
    document_number: String,
    text: String,
    ordered_on: String,
    due_on: String,
    reported_on: String,
    recheck_due_on: String,
    recheck_basis: String,
}

#[derive(FromQueryResult)]
struct Rechecked {
    visit: String,
    rechecked_on: String,
    corrected: bool,
    text: String,
    inspectors: String,
    next_due_on: String,
}

#[derive(FromQueryResult)]
struct Attached {
    attachment_id: String,
    visit: String,
    title: String,
    inspection_item: String,
    content_type: String,
    bytes: i32,
    sha256: String,
    attached_at: i64,
}

impl Attached {
    fn wire(self) -> Attachment {
        Attachment {
            attachment_id: self.attachment_id,
            visit: self.visit,
            title: self.title,
            inspection_item: self.inspection_item,
            content_type: self.content_type,
            bytes: self.bytes,
            sha256: self.sha256,
            attached_at: Some(wire(from_micros(self.attached_at))),
        }
    }
}

const ATTACHED: &str =
    "attachment_id, visit, title, inspection_item, content_type, bytes, sha256, attached_at";

/// What happened on the spot of visits, by their ids; at most a page of them.
pub async fn of_visits(db: &impl ConnectionTrait, visits: &[&str]) -> Answer<HashMap<String, OnSite>> {
    let mut all: HashMap<String, OnSite> = HashMap::new();
    if visits.is_empty() {
        return Ok(all);
    }
    let marks = placeholders(1, visits.len());
    let ids = || visits.iter().map(|visit| Value::from(*visit));
    let text = format!(
        "SELECT visit, inspector, arrived_at FROM arrivals WHERE visit IN ({marks}) ORDER BY visit, arrived_at, inspector"
    );
    for row in Arrived::find_by_statement(sql(db, &text, ids())).all(db).await? {
        let of = all.entry(row.visit).or_default();
        of.arrived_at = if of.arrived_at == 0 { row.arrived_at } else { of.arrived_at };
        of.present.push(row.inspector);
    }
    let text =
        format!("SELECT {ATTACHED} FROM attachments WHERE visit IN ({marks}) ORDER BY visit, attachment_id");
    for row in Attached::find_by_statement(sql(db, &text, ids())).all(db).await? {
        all.entry(row.visit).or_default().attachments.push((row.sha256, row.title));
    }
    let text = format!(
        "SELECT visit, digest, signer, inspector, refused, refusal_reason, attachment, signed_at FROM signatures \
         WHERE visit IN ({marks}) ORDER BY visit, signed_at, signer, inspector"
    );
    for row in Signed::find_by_statement(sql(db, &text, ids())).all(db).await? {
        all.entry(row.visit).or_default().signatures.push(VisitSignature {
            signer: row.signer,
            inspector: row.inspector,
            digest: row.digest,
            current: false,
            refused: row.refused,
            refusal_reason: row.refusal_reason,
            attachment: row.attachment,
            signed_at: Some(wire(from_micros(row.signed_at))),
        });
    }
    let text = format!(
        "SELECT visit, state, document_number, text, ordered_on, due_on, reported_on, recheck_due_on, recheck_basis \
         FROM rectifications WHERE visit IN ({marks})"
    );
    for row in Ordered::find_by_statement(sql(db, &text, ids())).all(db).await? {
        all.entry(row.visit).or_default().rectification = Some(Rectification {
            state: row.state,
            document_number: row.document_number,
            text: row.text,
            ordered_on: row.ordered_on,
            due_on: row.due_on,
            reported_on: row.reported_on,
            recheck_due_on: row.recheck_due_on,
            recheck_basis: row.recheck_basis,
            ..Default::default()
        });
    }
    let text = format!(
        "SELECT visit, rechecked_on, corrected, text, inspectors, next_due_on FROM rechecks WHERE visit IN ({marks}) \
         ORDER BY visit, place"
    );
    for row in Rechecked::find_by_statement(sql(db, &text, ids())).all(db).await? {
        let Some(of) = all.get_mut(&row.visit).and_then(|of| of.rectification.as_mut()) else { continue };
        of.rechecks.push(Recheck {
            rechecked_on: row.rechecked_on,
            corrected: row.corrected,
            text: row.text,
            inspectors: row.inspectors.lines().map(str::to_owned).collect(),
            next_due_on: row.next_due_on,
        });
    }
    Ok(all)
}

/// Writes an attachment with its bytes; whether the visit did not have it already.
pub async fn insert_attachment(tx: &Tx, attachment: &Attachment, at: i64, body: &[u8]) -> Answer<bool> {
    let row = vec![
        attachment.attachment_id.as_str().into(),
        attachment.visit.as_str().into(),
        attachment.title.as_str().into(),
        attachment.inspection_item.as_str().into(),
        attachment.content_type.as_str().into(),
        attachment.bytes.into(),
        attachment.sha256.as_str().into(),
        at.into(),
    ];
    let columns: Vec<&str> = ATTACHED.split(", ").collect();
    let conflict = "ON CONFLICT (visit, sha256) DO NOTHING";
    if insert_rows(&**tx, "attachments", &columns, vec![row], conflict).await? == 0 {
        return Ok(false);
    }
    let text = "INSERT INTO attachment_parts (attachment, part, body) VALUES ($1, $2, $3)";
    for (part, bytes) in (0_i32..).zip(body.chunks(PART)) {
        let values = [attachment.attachment_id.as_str().into(), part.into(), bytes.to_vec().into()];
        tx.execute_raw(sql(&**tx, text, values)).await?;
    }
    Ok(true)
}

const PART: usize = 512 * 1024;

/// An attachment of a visit by its id or its hash.
pub async fn attachment(db: &impl ConnectionTrait, visit: &str, key: &str) -> Answer<Option<Attachment>> {
    let text = format!(
        "SELECT {ATTACHED} FROM attachments WHERE visit = $1 AND (attachment_id = $2 OR sha256 = $2)"
    );
    let row = Attached::find_by_statement(sql(db, &text, [visit.into(), key.into()])).one(db).await?;
    Ok(row.map(Attached::wire))
}

/// A page of a visit's attachments.
pub async fn attachments(db: &impl ConnectionTrait, visit: &str, page: &Page) -> Answer<Vec<Attachment>> {
    let text = format!(
        "SELECT {ATTACHED} FROM attachments WHERE visit = $1 AND attachment_id > $2 ORDER BY attachment_id LIMIT {}",
        page.fetch()
    );
    let values = [visit.into(), page.after.as_str().into()];
    let rows = Attached::find_by_statement(sql(db, &text, values)).all(db).await?;
    Ok(rows.into_iter().map(Attached::wire).collect())
}

#[derive(FromQueryResult)]
struct Body {
    body: Vec<u8>,
}

/// A part of an attachment's bytes; nothing after the last.
pub async fn part(db: &impl ConnectionTrait, attachment: &str, part: i32) -> Answer<Option<Vec<u8>>> {
    let text = "SELECT body FROM attachment_parts WHERE attachment = $1 AND part = $2";
    let row = Body::find_by_statement(sql(db, text, [attachment.into(), part.into()])).one(db).await?;
    Ok(row.map(|row| row.body))
}

/// Writes a signature; one of the same side under the same text stays as it is.
pub async fn insert_signature(tx: &Tx, visit: &str, signature: &VisitSignature, at: i64) -> Answer<()> {
    let row = vec![
        visit.into(),
        signature.digest.as_str().into(),
        signature.signer.into(),
        signature.inspector.as_str().into(),
        signature.refused.into(),
        signature.refusal_reason.as_str().into(),
        signature.attachment.as_str().into(),
        at.into(),
    ];
    let columns =
        ["visit", "digest", "signer", "inspector", "refused", "refusal_reason", "attachment", "signed_at"];
    let conflict = "ON CONFLICT (visit, digest, signer, inspector) DO NOTHING";
    insert_rows(&**tx, "signatures", &columns, vec![row], conflict).await?;
    Ok(())
}

/// Writes an order; whether the visit had none.
pub async fn insert_rectification(tx: &Tx, visit: &str, of: &Rectification) -> Answer<bool> {
    let row = vec![
        visit.into(),
        of.state.into(),
        of.document_number.as_str().into(),
        of.text.as_str().into(),
        of.ordered_on.as_str().into(),
        of.due_on.as_str().into(),
        "".into(),
        "".into(),
        "".into(),
    ];
    let columns = [
        "visit",
        "state",
        "document_number",
        "text",
        "ordered_on",
        "due_on",
        "reported_on",
        "recheck_due_on",
        "recheck_basis",
    ];
    let conflict = "ON CONFLICT (visit) DO NOTHING";
    Ok(insert_rows(&**tx, "rectifications", &columns, vec![row], conflict).await? == 1)
}

/// Writes what became of an order; whether it still stood as it was read.
pub async fn update_rectification(tx: &Tx, visit: &str, of: &Rectification, before: State) -> Answer<bool> {
    let text = "UPDATE rectifications SET state = $3, due_on = $4, reported_on = $5, recheck_due_on = $6, recheck_basis = $7 \
                WHERE visit = $1 AND state = $2";
    let values = [
        visit.into(),
        (before as i32).into(),
        of.state.into(),
        of.due_on.as_str().into(),
        of.reported_on.as_str().into(),
        of.recheck_due_on.as_str().into(),
        of.recheck_basis.as_str().into(),
    ];
    Ok(tx.execute_raw(sql(&**tx, text, values)).await?.rows_affected() == 1)
}

/// Writes a check of what was to be put right.
pub async fn insert_recheck(tx: &Tx, visit: &str, place: i32, recheck: &Recheck) -> Answer<()> {
    let row = vec![
        visit.into(),
        place.into(),
        recheck.rechecked_on.as_str().into(),
        recheck.corrected.into(),
        recheck.text.as_str().into(),
        recheck.inspectors.join("\n").into(),
        recheck.next_due_on.as_str().into(),
    ];
    let columns = ["visit", "place", "rechecked_on", "corrected", "text", "inspectors", "next_due_on"];
    insert_rows(&**tx, "rechecks", &columns, vec![row], "").await?;
    Ok(())
}

/// Writes a suggestion; whether the visit was not handed to that department already.
pub async fn insert_suggestion(tx: &Tx, of: &CaseSuggestion) -> Answer<bool> {
    let row = vec![
        of.suggestion_id.as_str().into(),
        of.visit.as_str().into(),
        of.to_department.as_str().into(),
        of.state.into(),
        of.encode_to_vec().into(),
    ];
    let columns = ["suggestion_id", "visit", "to_department", "state", "body"];
    let conflict = "ON CONFLICT (visit, to_department) DO NOTHING";
    Ok(insert_rows(&**tx, "case_suggestions", &columns, vec![row], conflict).await? == 1)
}

/// A suggestion.
pub async fn suggestion(db: &impl ConnectionTrait, id: &str) -> Answer<Option<CaseSuggestion>> {
    let text = "SELECT body FROM case_suggestions WHERE suggestion_id = $1";
    Ok(bodies(db, sql(db, text, [id.into()])).await?.pop())
}

/// A page of suggestions, the latest first.
pub async fn suggestions(
    db: &impl ConnectionTrait,
    to_department: &str,
    state: i32,
    page: &Page,
) -> Answer<Vec<CaseSuggestion>> {
    let statement = Filters::new()
        .given("suggestion_id < $1", &page.after)
        .given("to_department = $1", to_department)
        .nonzero("state = $1", state)
        .sql(
            db,
            "SELECT body FROM case_suggestions",
            &format!("ORDER BY suggestion_id DESC LIMIT {}", page.fetch()),
        );
    bodies(db, statement).await
}

/// Writes the answer to a suggestion; whether it was open.
pub async fn answer_suggestion(tx: &Tx, of: &CaseSuggestion, open: i32) -> Answer<bool> {
    let text = "UPDATE case_suggestions SET state = $2, body = $3 WHERE suggestion_id = $1 AND state = $4";
    let values = [of.suggestion_id.as_str().into(), of.state.into(), of.encode_to_vec().into(), open.into()];
    Ok(tx.execute_raw(sql(&**tx, text, values)).await?.rows_affected() == 1)
}

/// Whose visits are asked for.
pub struct Whose<'a> {
    pub inspector: &'a str,
    pub department: &'a str,
    pub uscc: &'a str,
}

fn of_whom(of: Filters, whose: &Whose<'_>) -> Filters {
    of.given("v.visit_id IN (SELECT visit FROM visit_inspectors WHERE inspector = $1)", whose.inspector)
        .given(
            "v.draw IN (SELECT d.draw_id FROM draws d JOIN plan_departments p ON p.plan_id = d.plan WHERE p.department = $1 \
             UNION ALL SELECT o.order_id FROM orders o JOIN plan_departments p ON p.plan_id = o.plan WHERE p.department = $1)",
            whose.department,
        )
        .given("v.uscc = $1", whose.uscc)
}

// Both on a day, `$1`.
fn unpublished() -> String {
    format!("v.status = {} AND v.publish_due_on <> '' AND v.publish_due_on < $1", Status::Recorded as i32)
}

fn not_put_right() -> String {
    format!(
        "v.visit_id IN (SELECT visit FROM rectifications WHERE (state IN ({}, {}) AND due_on < $1) \
         OR (state = {} AND recheck_due_on < $1))",
        State::Ordered as i32,
        State::NotCorrected as i32,
        State::Reported as i32
    )
}

/// Which of them to list.
#[derive(Default)]
pub struct Which {
    /// The contract's number; 0: any.
    pub status: i32,
    pub overdue: bool,
    pub rectification_overdue: bool,
}

#[derive(FromQueryResult)]
struct Listed {
    visit_id: String,
}

/// A page of visits' ids, the earliest opened first.
pub async fn assignments(
    db: &impl ConnectionTrait,
    whose: &Whose<'_>,
    which: &Which,
    today: &str,
    page: &Page,
) -> Answer<Vec<String>> {
    let mut of = of_whom(Filters::new(), whose)
        .given("v.visit_id > $1", &page.after)
        .nonzero("v.status = $1", which.status);
    if which.overdue {
        of = of.and(&unpublished(), [today.into()]);
    }
    if which.rectification_overdue {
        of = of.and(&not_put_right(), [today.into()]);
    }
    let order = format!("ORDER BY v.visit_id LIMIT {}", page.fetch());
    let statement = of.sql(db, "SELECT v.visit_id FROM visits v", &order);
    let rows = Listed::find_by_statement(statement).all(db).await?;
    Ok(rows.into_iter().map(|row| row.visit_id).collect())
}

/// How many visits wait, and for what.
#[derive(Default, FromQueryResult)]
pub struct Counts {
    pub planned: i64,
    pub overdue: i64,
    pub rectification_overdue: i64,
}

/// Counts them.
pub async fn count(db: &impl ConnectionTrait, whose: &Whose<'_>, today: &str) -> Answer<Counts> {
    let select = format!(
        "SELECT COUNT(CASE WHEN v.status = {} THEN 1 END) AS planned, COUNT(CASE WHEN {} THEN 1 END) AS overdue, \
         COUNT(CASE WHEN {} THEN 1 END) AS rectification_overdue FROM visits v",
        Status::Planned as i32,
        unpublished(),
        not_put_right()
    );
    // The day is no condition; it comes first because what is counted names it `$1`.
    let day = Filters::new().and("$1 <> ''", [today.into()]);
    let row = Counts::find_by_statement(of_whom(day, whose).sql(db, &select, "")).one(db).await?;
    Ok(row.unwrap_or_default())
}
