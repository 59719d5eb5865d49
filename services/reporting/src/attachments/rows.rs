//! Attachments and their bytes in their tables.
use chassis::{
    Answer, Tx,
    clock::{from_micros, micros, wire},
    page::Page,
    storage::{insert_rows, sql},
};
use contract::reporting::v1::{self as api};
use jiff::Timestamp;
use sea_orm::{ConnectionTrait, FromQueryResult};

const COLUMNS: &str =
    "attachment_id, parent, name, role, content_type, bytes, sha256, attached_at, attached_by";
// A message that every client takes.
const PART: usize = 512 * 1024;

#[derive(FromQueryResult)]
struct Row {
    attachment_id: String,
    parent: String,
    name: String,
    role: i32,
    content_type: String,
    bytes: i32,
    sha256: String,
    attached_at: i64,
    attached_by: String,
}

impl From<Row> for api::Attachment {
    fn from(row: Row) -> Self {
        Self {
            attachment_id: row.attachment_id,
            parent: row.parent,
            name: row.name,
            role: row.role,
            content_type: row.content_type,
            bytes: row.bytes,
            sha256: row.sha256,
            attach_time: Some(wire(from_micros(row.attached_at))),
            attached_by: row.attached_by,
        }
    }
}

/// Writes an attachment with its bytes; whether its parent did not have the file already.
pub async fn insert(tx: &Tx, attachment: &api::Attachment, at: Timestamp, body: &[u8]) -> Answer<bool> {
    let row = vec![
        attachment.attachment_id.as_str().into(),
        attachment.parent.as_str().into(),
        attachment.name.as_str().into(),
        attachment.role.into(),
        attachment.content_type.as_str().into(),
        attachment.bytes.into(),
        attachment.sha256.as_str().into(),
        micros(at).into(),
        attachment.attached_by.as_str().into(),
    ];
    let columns: Vec<&str> = COLUMNS.split(", ").collect();
    let conflict = "ON CONFLICT (parent, sha256) DO NOTHING";
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

/// An attachment by its id.
pub async fn find(db: &impl ConnectionTrait, id: &str) -> Answer<Option<api::Attachment>> {
    let text = format!("SELECT {COLUMNS} FROM attachments WHERE attachment_id = $1");
    Ok(Row::find_by_statement(sql(db, &text, [id.into()])).one(db).await?.map(Into::into))
}

/// A page of a parent's attachments.
pub async fn page(db: &impl ConnectionTrait, parent: &str, page: &Page) -> Answer<Vec<api::Attachment>> {
    let text = format!(
        "SELECT {COLUMNS} FROM attachments WHERE parent = $1 AND attachment_id > $2 ORDER BY attachment_id LIMIT {}",
        page.fetch()
    );
    let rows = Row::find_by_statement(sql(db, &text, [parent.into(), page.after.as_str().into()])).all(db);
    Ok(rows.await?.into_iter().map(Into::into).collect())
}

/// All of a parent's attachments.
pub async fn of(db: &impl ConnectionTrait, parent: &str) -> Answer<Vec<api::Attachment>> {
    let text = format!("SELECT {COLUMNS} FROM attachments WHERE parent = $1 ORDER BY attachment_id");
    let rows = Row::find_by_statement(sql(db, &text, [parent.into()])).all(db).await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Removes an attachment with its bytes.
pub async fn remove(tx: &Tx, id: &str) -> Answer<()> {
    for text in [
        "DELETE FROM attachment_parts WHERE attachment = $1",
        "DELETE FROM attachments WHERE attachment_id = $1",
    ] {
        tx.execute_raw(sql(&**tx, text, [id.into()])).await?;
    }
    Ok(())
}

#[derive(FromQueryResult)]
struct Part {
    body: Vec<u8>,
}

/// A part of an attachment's bytes; nothing after the last.
pub async fn part(db: &impl ConnectionTrait, attachment: &str, part: i32) -> Answer<Option<Vec<u8>>> {
    let text = "SELECT body FROM attachment_parts WHERE attachment = $1 AND part = $2";
    let row = Part::find_by_statement(sql(db, text, [attachment.into(), part.into()])).one(db).await?;
    Ok(row.map(|row| row.body))
}
