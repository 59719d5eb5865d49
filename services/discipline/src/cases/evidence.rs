//! Evidence 证据 that names records: each has to be there, of the subject, and in force, when the case is proposed and when it is decided.
use std::sync::Arc;

use chassis::{Answer, Fault};
use contract::{
    credit::v1::{Record, record::Status},
    discipline::v1::{self as api, ErrorReason},
};

use crate::Discipline;

const RECORDS: &str = "records/";

/// Refuses evidence that names a record which credit does not show as in force, and evidence without a record of the items that the list asks for.
pub async fn judge(app: &Arc<Discipline>, evidence: &[String], uscc: &str, list: &api::List) -> Answer<()> {
    let mut items = Vec::new();
    for (index, text) in evidence.iter().enumerate() {
        let Some(id) = named(text) else { continue };
        let found = app.credit.record(id).await?;
        let Some(record) = found.filter(|record| in_force(record, uscc)) else {
            return Err(Fault::precondition(
                ErrorReason::EvidenceNotEffective.as_str_name(),
                format!("credit shows no record \"{id}\" of this subject that is in force; leave it out, or name another"),
                format!("信用信息中没有该主体的有效记录“{id}”；请删去或另行提供证据"),
            )
            .with("record", id)
            .at(format!("evidence[{index}]")));
        };
        items.push(record.item);
    }
    let wanted =
        list.procedure.as_ref().map(|procedure| procedure.evidence_items.as_slice()).unwrap_or_default();
    if wanted.is_empty() || items.iter().any(|item| wanted.contains(item)) {
        return Ok(());
    }
    let wanted = wanted.join(", ");
    Err(Fault::precondition(
        ErrorReason::EvidenceUnsuitable.as_str_name(),
        format!("list \"{}\" asks for a record of one of these items among the evidence, as records/<id>: {wanted}", list.list_id),
        format!("名单“{}”要求证据中有下列事项之一的记录（写作 records/<id>）：{wanted}", list.list_id),
    )
    .with("items", wanted)
    .at("evidence"))
}

fn named(text: &str) -> Option<&str> {
    text.trim().strip_prefix(RECORDS).map(str::trim).filter(|id| !id.is_empty())
}

fn in_force(record: &Record, uscc: &str) -> bool {
    record.status() == Status::Effective && record.uscc == uscc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_named_by_their_path() {
        assert_eq!(named(" records/abc "), Some("abc"));
        assert_eq!((named("records/"), named("责令改正决定书"), named("p1")), (None, None, None));
    }

    #[test]
    fn another_s_record_or_one_that_ended_is_no_evidence() {
        let of = |uscc: &str, status: Status| Record {
            uscc: uscc.into(),
            status: status.into(),
            ..Default::default()
        };
        assert!(in_force(&of("a", Status::Effective), "a"));
        assert!(!in_force(&of("b", Status::Effective), "a"));
        for ended in [Status::Unspecified, Status::Corrected, Status::Withdrawn, Status::Repaired] {
            assert!(!in_force(&of("a", ended), "a"), "{ended:?}");
        }
    }
}
