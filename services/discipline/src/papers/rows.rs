//! Papers in their table.
use std::collections::BTreeMap;

use chassis::{
    Answer, Tx,
    clock::{from_micros, micros, wire},
    storage::{insert_rows, placeholders, sql},
};
use contract::discipline::v1::{self as api, paper::Format};
use jiff::Timestamp;
use sea_orm::{ConnectionTrait, FromQueryResult, Value};

/// A paper's files.
pub struct Files {
    /// PDF/A.
    pub pdf: Vec<u8>,
    /// DOCX.
    pub docx: Vec<u8>,
}

#[derive(FromQueryResult)]
struct Row {
    paper_id: String,
    case_id: String,
    uscc: String,
    step: i32,
    kind: i32,
    title: String,
    document_number: String,
    template: String,
    done_on: String,
    written_at: i64,
    pdf_digest: String,
    docx_digest: String,
    unprintable: String,
}

const COLUMNS: &str = "paper_id, case_id, uscc, step, kind, title, document_number, template, done_on, written_at, pdf_digest, \
                       docx_digest, unprintable";

impl From<Row> for api::Paper {
    fn from(row: Row) -> Self {
        Self {
            paper_id: row.paper_id,
            kind: row.kind,
            title: row.title,
            document_number: row.document_number,
            case_id: row.case_id,
            template: row.template,
            on: row.done_on,
            written_at: Some(wire(from_micros(row.written_at))),
            pdf_digest: row.pdf_digest,
            docx_digest: row.docx_digest,
            unprintable: row
                .unprintable
                .split(',')
                .filter(|one| !one.is_empty())
                .map(str::to_owned)
                .collect(),
        }
    }
}

/// Keeps a paper of a step of a case; of what happened to its listing where the step is 0.
pub async fn insert(
    tx: &Tx,
    now: Timestamp,
    paper: &api::Paper,
    (uscc, step): (&str, i32),
    files: Files,
) -> Answer<()> {
    let columns: Vec<&str> = COLUMNS.split(',').map(str::trim).chain(["pdf", "docx"]).collect();
    let text = |text: &String| Value::from(text.as_str());
    let row = vec![
        text(&paper.paper_id),
        text(&paper.case_id),
        uscc.into(),
        step.into(),
        paper.kind.into(),
        text(&paper.title),
        text(&paper.document_number),
        text(&paper.template),
        text(&paper.on),
        micros(now).into(),
        text(&paper.pdf_digest),
        text(&paper.docx_digest),
        paper.unprintable.join(",").into(),
        files.pdf.into(),
        files.docx.into(),
    ];
    insert_rows(&**tx, "papers", &columns, vec![row], "").await?;
    Ok(())
}

/// The papers of a case and its listing, in the order in which they were written, with the subject's code.
pub async fn of_case(db: &impl ConnectionTrait, case_id: &str) -> Answer<Vec<(api::Paper, String)>> {
    let text = format!("SELECT {COLUMNS} FROM papers WHERE case_id = $1 ORDER BY seq");
    let rows = Row::find_by_statement(sql(db, &text, [case_id.into()])).all(db).await?;
    Ok(rows
        .into_iter()
        .map(|mut row| (std::mem::take(&mut row.uscc), row))
        .map(|(uscc, row)| (row.into(), uscc))
        .collect())
}

/// The papers of the steps of cases, by case and number of the step.
pub async fn of_steps(
    db: &impl ConnectionTrait,
    cases: &[&str],
) -> Answer<BTreeMap<(String, i32), Vec<api::Paper>>> {
    let mut found: BTreeMap<(String, i32), Vec<api::Paper>> = BTreeMap::new();
    for chunk in cases.chunks(500) {
        let of = placeholders(1, chunk.len());
        let text = format!(
            "SELECT {COLUMNS} FROM papers WHERE step > 0 AND case_id IN ({of}) ORDER BY case_id, seq"
        );
        let ids: Vec<Value> = chunk.iter().map(|&id| id.into()).collect();
        for row in Row::find_by_statement(sql(db, &text, ids)).all(db).await? {
            found.entry((row.case_id.clone(), row.step)).or_default().push(row.into());
        }
    }
    Ok(found)
}

/// One paper with its subject's code.
pub async fn get(db: &impl ConnectionTrait, paper_id: &str) -> Answer<Option<(api::Paper, String)>> {
    let text = format!("SELECT {COLUMNS} FROM papers WHERE paper_id = $1");
    let row = Row::find_by_statement(sql(db, &text, [paper_id.into()])).one(db).await?;
    Ok(row.map(|mut row| (std::mem::take(&mut row.uscc), row)).map(|(uscc, row)| (row.into(), uscc)))
}

/// A paper's file.
pub async fn file(db: &impl ConnectionTrait, paper_id: &str, format: Format) -> Answer<Option<Vec<u8>>> {
    let column = if format == Format::Docx { "docx" } else { "pdf" };
    let text = format!("SELECT {column} FROM papers WHERE paper_id = $1");
    let row = db.query_one_raw(sql(db, &text, [paper_id.into()])).await?;
    Ok(row.map(|row| row.try_get("", column)).transpose()?)
}
