//! What was known 追溯: a subject's sheet rebuilt from what credit had recorded of it by an instant, in the order of recording.
use chassis::{Answer, Fault, serve::MESSAGE_MAX};
use contract::{
    credit::v1::{
        Change, ListSubjectVersionsRequest, Record, RecordVersion, change::Kind, record::Status,
        records_client::RecordsClient,
    },
    grading::v1::ErrorReason,
};
use identifiers::Uscc;
use jiff::{Timestamp, civil::Date};
use scoring::FactSheet;

use crate::{Grading, catalogue, sheets};

/// Reads the instant as known at which something is asked for; none: now.
pub fn known_at(given: &str, now: Timestamp) -> Answer<Option<Timestamp>> {
    let given = given.trim();
    if given.is_empty() {
        return Ok(None);
    }
    // A plus in an address is read as a space.
    match given.replace(' ', "+").parse::<Timestamp>() {
        Ok(at) if at <= now => Ok(Some(at)),
        Ok(at) => Err(Fault::field(
            "knownAt",
            format!("{at} is yet to come; what will be known then is not known"),
            format!("{at}尚未到来，届时的情况无从得知"),
        )),
        Err(_) => Err(Fault::field(
            "knownAt",
            "is no instant; write it as 2026-02-13T09:00:00+08:00",
            "不是时刻；请写作 2026-02-13T09:00:00+08:00",
        )),
    }
}

/// What the access log adds where something is asked for as it was known.
pub fn told(known_at: Option<Timestamp>) -> String {
    known_at.map(|at| format!("@{at:.0}")).unwrap_or_default()
}

/// The subject's sheet as it was known at an instant. Grants speak for themselves by their days, so that those of the present
/// sheet hold.
pub async fn sheet(app: &Grading, code: &Uscc, present: &FactSheet, at: Timestamp) -> Answer<FactSheet> {
    let mut client = RecordsClient::new(app.credit.clone()).max_decoding_message_size(MESSAGE_MAX);
    let mut request = ListSubjectVersionsRequest {
        uscc: code.to_string(),
        known_at: at.to_string(),
        page_size: 1_000,
        purpose: String::from("grade replay 等级追溯"),
        ..Default::default()
    };
    let mut records: Vec<Record> = Vec::new();
    loop {
        let page = client.list_subject_versions(request.clone()).await?.into_inner();
        records.extend(page.versions.into_iter().filter_map(|version: RecordVersion| version.record));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    let recorded = |record: &Record| record.recorded_at.map(|at| (at.seconds, at.nanos));
    records.sort_by(|a, b| {
        recorded(a).cmp(&recorded(b)).then_with(|| a.record.cmp(&b.record)).then(a.version.cmp(&b.version))
    });
    let typed =
        records.iter().any(|record| record.fields.as_ref().is_some_and(|fields| !fields.fields.is_empty()));
    let schemas =
        if typed { catalogue::schemas(&catalogue::fetch(&app.credit).await?) } else { Default::default() };
    let mut facts = present.without_records();
    let changes = (1..).zip(records).filter_map(|(order, record)| {
        let change = Change { kind: kind(&record) as i32, record: Some(record), ..Default::default() };
        // What could not be counted when it came was left out then as well.
        sheets::rules::change_of(&change, order, &schemas).ok()
    });
    let replayed = facts.apply_all(changes.collect::<Vec<_>>());
    replayed.map_err(|fault| Fault::internal(anyhow::anyhow!("{code}: {}", fault.message().en)))?;
    Ok(facts)
}

// As which change a version came over the feed.
fn kind(record: &Record) -> Kind {
    match record.status() {
        Status::Withdrawn => Kind::RecordWithdrawn,
        Status::Repaired => Kind::RecordRepaired,
        Status::Effective | Status::Corrected | Status::Unspecified if record.version > 1 => {
            Kind::RecordCorrected
        }
        Status::Effective | Status::Corrected | Status::Unspecified => Kind::RecordAccepted,
    }
}

/// The sheet as if some records were repaired or expired from a day on.
pub fn without(facts: &FactSheet, records: &[String], from: Date) -> Answer<FactSheet> {
    let mut supposed = facts.clone();
    for (index, record) in records.iter().enumerate() {
        // A record that is not there leaves as many facts as there were.
        let mut probe = facts.clone();
        let removed = probe.apply(scoring::Change::Remove { record: record.clone() });
        if removed.is_err() || probe.len() == facts.len() {
            return Err(Fault::invalid(
                ErrorReason::RecordNotCounted.as_str_name(),
                format!("\"{record}\" is no record that could count for the subject; take the ids from its explanation"),
                format!("“{record}”不是可计入该主体评价的记录；请使用等级说明中的记录编号"),
            )
            .at(format!("records[{index}]")));
        }
        let ended = supposed.apply(scoring::Change::End { record: record.clone(), on: from });
        ended.map_err(|fault| Fault::internal(anyhow::anyhow!("{}", fault.message().en)))?;
    }
    Ok(supposed)
}

/// How far a score lies below the greatest: the risk score as regulators count it, exact.
pub fn below(greatest: Option<f64>, score: Option<f64>) -> Option<f64> {
    let exact = |number: f64| scoring::Decimal::from_f64(number).ok().map(scoring::Exact::from);
    let (greatest, taken) = (exact(greatest?)?, exact(-score?)?);
    Some(greatest.plus(taken).to_f64())
}
