//! Versions of records in their tables: what they say, and what they said before.
use chassis::{
    Answer,
    clock::{from_micros, micros, wire},
    storage::sql,
};
use contract::credit::v1::{self as api, record::Status};
use jiff::Timestamp;
use sea_orm::{ConnectionTrait, FromQueryResult, Value};

use super::rows::{Present, READ, Row, VERSION};

#[derive(FromQueryResult)]
struct Replaced {
    replaced_at: i64,
    replaced_by: String,
    reason: String,
}

/// What a record said before, the latest first; those below a version.
pub async fn versions(
    db: &impl ConnectionTrait,
    uscc: &str,
    record: &str,
    below: i32,
    limit: u64,
) -> Answer<Vec<api::RecordVersion>> {
    let text = format!(
        "SELECT {VERSION}, status, version, recorded_at, '' AS position, '' AS marks, replaced_at, replaced_by, reason \
         FROM record_versions WHERE uscc = $1 AND record = $2 AND version < $3 ORDER BY version DESC LIMIT {limit}"
    );
    let rows = db.query_all_raw(sql(db, &text, [uscc.into(), record.into(), below.into()])).await?;
    let versions = rows.iter().map(|row| {
        let Replaced { replaced_at, replaced_by, reason } = Replaced::from_query_result(row, "")?;
        Ok(api::RecordVersion {
            record: Some(Present::try_from(Row::from_query_result(row, "")?)?.record),
            replaced_at: Some(wire(from_micros(replaced_at))),
            replaced_by,
            reason,
        })
    });
    versions.collect()
}

/// Everything that a subject's records had said by an instant, by record and version; `after` is the key of the last one before.
pub async fn subject_versions(
    db: &impl ConnectionTrait,
    uscc: &str,
    at: Timestamp,
    after: &str,
    limit: u64,
) -> Answer<Vec<api::RecordVersion>> {
    let (record, version) = after.split_once(' ').unwrap_or(("", "0"));
    let text = format!(
        "SELECT * FROM (SELECT {READ}, NULL AS replaced_at, '' AS replaced_by, '' AS reason FROM records \
           WHERE uscc = $1 AND recorded_at <= $2 \
         UNION ALL SELECT {VERSION}, status, version, recorded_at, '', '', replaced_at, replaced_by, reason \
           FROM record_versions WHERE uscc = $1 AND recorded_at <= $2) AS said \
         WHERE (record, version) > ($3, $4) ORDER BY record, version LIMIT {limit}"
    );
    let values: [Value; 4] =
        [uscc.into(), micros(at).into(), record.into(), version.parse::<i32>().unwrap_or(0).into()];
    let rows = db.query_all_raw(sql(db, &text, values)).await?;
    let versions = rows.iter().map(|row| {
        let replaced_at: Option<i64> = row.try_get("", "replaced_at")?;
        let mut record = Present::try_from(Row::from_query_result(row, "")?)?.record;
        let Some(replaced_at) = replaced_at.filter(|replaced| *replaced <= micros(at)) else {
            // What was replaced later still stood then.
            if record.status() == Status::Corrected {
                record.status = Status::Effective.into();
            }
            return Ok(api::RecordVersion { record: Some(record), ..Default::default() });
        };
        Ok(api::RecordVersion {
            record: Some(record),
            replaced_at: Some(wire(from_micros(replaced_at))),
            replaced_by: row.try_get("", "replaced_by")?,
            reason: row.try_get("", "reason")?,
        })
    });
    versions.collect()
}
