//! Reports in their table.
use chassis::{
    Answer, Fault, Tx,
    clock::micros,
    storage::{corrupt, sql},
};
use contract::credit::v1::{self as api, profile::Audience};
use jiff::Timestamp;
use prost::Message;
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::rules::Party;

/// A report with what the wire does not show.
pub struct Issued {
    /// As it was issued.
    pub report: api::Report,
    /// The client for which it was.
    pub client: String,
    /// The digest of what it shows.
    pub shown_digest: String,
}

impl Issued {
    /// For whom it was issued.
    pub fn party(&self) -> Party<'_> {
        let own = self.report.audience() == Audience::Subject;
        Party {
            client: &self.client,
            department: &self.report.department,
            enterprise: if own { &self.report.uscc } else { "" },
            office: self.report.audience() == Audience::Office,
        }
    }
}

#[derive(FromQueryResult)]
struct Row {
    client: String,
    snapshot: Vec<u8>,
    shown_digest: String,
}

impl TryFrom<Row> for Issued {
    type Error = Fault;

    fn try_from(row: Row) -> Answer<Self> {
        let report =
            api::Report::decode(row.snapshot.as_slice()).map_err(|error| corrupt("credit report", error))?;
        Ok(Self { report, client: row.client, shown_digest: row.shown_digest })
    }
}

/// Keeps a report.
pub async fn insert(tx: &Tx, now: Timestamp, issued: &Issued, pdf: Vec<u8>) -> Answer<()> {
    let text = "INSERT INTO reports (uscc, report_id, number, check_code, audience, client, department, purpose, \
                issued_at, snapshot, pdf, shown_digest) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    let report = &issued.report;
    let values = [
        report.uscc.as_str().into(),
        report.report_id.as_str().into(),
        report.number.as_str().into(),
        report.check_code.as_str().into(),
        report.audience().as_str_name().into(),
        issued.client.as_str().into(),
        report.department.as_str().into(),
        report.purpose.as_str().into(),
        micros(now).into(),
        report.encode_to_vec().into(),
        pdf.into(),
        issued.shown_digest.as_str().into(),
    ];
    tx.execute_raw(sql(&**tx, text, values)).await?;
    Ok(())
}

/// The report of an id.
pub async fn get(db: &impl ConnectionTrait, report_id: &str) -> Answer<Option<Issued>> {
    let text = "SELECT client, snapshot, shown_digest FROM reports WHERE report_id = $1";
    let row = Row::find_by_statement(sql(db, text, [report_id.into()])).one(db).await?;
    row.map(Issued::try_from).transpose()
}

/// The report of a number, if the code is its own.
pub async fn printed(db: &impl ConnectionTrait, number: &str, code: &str) -> Answer<Option<Issued>> {
    let text = "SELECT client, snapshot, shown_digest FROM reports WHERE number = $1 AND check_code = $2";
    let row = Row::find_by_statement(sql(db, text, [number.into(), code.into()])).one(db).await?;
    row.map(Issued::try_from).transpose()
}

/// A report's file.
pub async fn file(db: &impl ConnectionTrait, report_id: &str) -> Answer<Option<Vec<u8>>> {
    let text = "SELECT pdf FROM reports WHERE report_id = $1";
    let row = db.query_one_raw(sql(db, text, [report_id.into()])).await?;
    Ok(row.map(|row| row.try_get("", "pdf")).transpose()?)
}
