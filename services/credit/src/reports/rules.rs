//! What a report shows, who may have it again, and whether it still holds.
use std::collections::{BTreeSet, HashMap};

use chassis::Fault;
use contract::credit::v1::{self as api, profile::Audience};
use prost::Message;
use prost_types::{Value, value::Kind};
use sha2::{Digest, Sha256};

use crate::profiles::sections::{ABNORMAL, ADVICE, LISTED, TITLES, place};

/// The sections of a profile, by the wording of the catalogue.
pub fn sections(
    profile: &api::Profile,
    items: &HashMap<&str, &api::CatalogueItem>,
) -> Vec<api::ReportSection> {
    let mut entries: Vec<Vec<api::ReportEntry>> = vec![Vec::new(); TITLES.len()];
    for record in &profile.records {
        let item = items.get(record.item.as_str());
        let place = place(item.map_or("", |item| &item.category));
        entries[place - 1].push(entry(record, item.copied()));
    }
    let advice = advice(&entries);
    let numbered = TITLES.iter().zip(entries).zip(1_i32..);
    let mut sections: Vec<api::ReportSection> = numbered
        .map(|((title, entries), number)| api::ReportSection {
            number,
            title: (*title).to_owned(),
            entries,
            remarks: Vec::new(),
        })
        .collect();
    sections[ADVICE - 1].remarks = advice;
    sections
}

// Facts and ways that the law opens, never a judgement of the subject.
fn advice(entries: &[Vec<api::ReportEntry>]) -> Vec<String> {
    let mut advice = Vec::new();
    let (listed, abnormal) = (entries[LISTED - 1].len(), entries[ABNORMAL - 1].len());
    let told: Vec<String> = [("严重失信主体名单", listed), ("经营异常", abnormal)]
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{name}信息{count}条"))
        .collect();
    if !told.is_empty() {
        advice.push(format!(
            "本报告载有{}。失信行为已经纠正、符合条件的，可依法向认定单位申请移出或者信用修复。",
            told.join("、")
        ));
    }
    advice.push(String::from(
        "认为所载信息错误、遗漏或者超过期限的，可向信用主管部门或者数据来源单位提出异议；已经纠正失信行为的，可依法申请信用修复。",
    ));
    advice
}

fn entry(record: &api::Record, item: Option<&api::CatalogueItem>) -> api::ReportEntry {
    let fields = record.fields.as_ref();
    let value = |field: &api::CatalogueField| {
        let value = plain(fields?.fields.get(&field.key)?);
        (!value.is_empty()).then(|| api::ReportDetail { name: field.name.clone(), value })
    };
    api::ReportEntry {
        name: item.map_or_else(|| record.item.clone(), |item| item.name.clone()),
        record: Some(record.clone()),
        details: item
            .into_iter()
            .flat_map(|item| item.fields.iter().filter_map(value))
            .chain(severity(record, item))
            .collect(),
    }
}

// The severity by the name of its class, where the item names it.
fn severity(record: &api::Record, item: Option<&api::CatalogueItem>) -> Option<api::ReportDetail> {
    if record.severity == 0 {
        return None;
    }
    let class = item?.severity_classes.iter().rfind(|class| class.severity == record.severity);
    let value = class.map_or_else(|| record.severity.to_string(), |class| class.name.clone());
    Some(api::ReportDetail { name: String::from("严重程度"), value })
}

fn plain(value: &Value) -> String {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => String::new(),
        Some(Kind::BoolValue(flag)) => String::from(if *flag { "是" } else { "否" }),
        Some(Kind::NumberValue(number)) => number.to_string(),
        Some(Kind::StringValue(text)) => text.clone(),
        Some(Kind::ListValue(list)) => list.values.iter().map(plain).collect::<Vec<_>>().join("、"),
        Some(Kind::StructValue(fields)) => {
            let parts = fields.fields.iter().map(|(key, value)| format!("{key}：{}", plain(value)));
            parts.collect::<Vec<_>>().join("；")
        }
    }
}

/// The items of what a report shows.
pub fn items(report: &api::Report) -> BTreeSet<&str> {
    let entries = report.sections.iter().flat_map(|section| &section.entries);
    entries.filter_map(|entry| entry.record.as_ref()).map(|record| record.item.as_str()).collect()
}

/// How many records the audience may see beyond those shown.
pub fn omitted(profile: &api::Profile) -> i32 {
    let all: i32 = profile.counts.iter().map(|count| count.count).fold(0, i32::saturating_add);
    all.saturating_sub(i32::try_from(profile.records.len()).unwrap_or(i32::MAX)).max(0)
}

/// The digest of what is shown of a subject: another one tells that a report no longer says what holds. Places in the feed are left
/// out, since they are not shown, and so is the catalogue's wording, which is no fact about the subject.
pub fn shown_digest(profile: &api::Profile) -> String {
    let mut hash = Sha256::new();
    let subject = profile.subject.clone().map(|subject| api::Subject { position: String::new(), ..subject });
    hash.update(subject.unwrap_or_default().encode_length_delimited_to_vec());
    for record in &profile.records {
        let record = api::Record { position: String::new(), ..record.clone() };
        hash.update(record.encode_length_delimited_to_vec());
    }
    hash.update(omitted(profile).to_be_bytes());
    hex::encode(hash.finalize())
}

/// For whom a report was issued, or who asks for one.
#[derive(Clone, Copy, Debug)]
pub struct Party<'a> {
    /// The client.
    pub client: &'a str,
    /// Its department, if any.
    pub department: &'a str,
    /// The enterprise whose own client it is, if any.
    pub enterprise: &'a str,
    /// Whether it is the credit office.
    pub office: bool,
}

/// Whether a report may be had again: by its subject if it was cut for it, by the client or department that asked for it,
/// and by the credit office, which answers for all of them.
pub fn may_read(asker: Party<'_>, issued_to: Party<'_>, audience: Audience) -> bool {
    if !asker.enterprise.is_empty() {
        return audience == Audience::Subject && asker.enterprise == issued_to.enterprise;
    }
    let same = asker.client == issued_to.client
        || (!asker.department.is_empty() && asker.department == issued_to.department);
    asker.office || (audience == Audience::Department && same)
}

/// Crockford's base 32: no letter that a reader takes for a digit.
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Random bytes as eight letters, 40 bits: too many to try, few enough to type.
pub fn code(bytes: [u8; 5]) -> String {
    let number = bytes.iter().fold(0_u64, |number, &byte| number << 8 | u64::from(byte));
    (0..8).rev().map(|place| char::from(LETTERS[(number >> (5 * place) & 31) as usize])).collect()
}

/// A code as it was printed: what a reader may have typed otherwise is read as it was meant.
pub fn code_typed(given: &str) -> String {
    let typed = given.chars().filter(|c| !c.is_whitespace() && *c != '-').map(|c| c.to_ascii_uppercase());
    typed
        .map(|c| match c {
            'O' => '0',
            'I' | 'L' => '1',
            c => c,
        })
        .collect()
}

/// The refusal of a report that is not there, or not for this caller.
pub fn not_found(report_id: &str) -> Fault {
    Fault::not_found("report", "信用报告", report_id).at("reportId")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_severity_is_told_by_its_class() {
        let class = api::ItemSeverity { severity: 3, name: String::from("严重"), ..Default::default() };
        let item = api::CatalogueItem { severity_classes: vec![class], ..Default::default() };
        let told = |severity| {
            let record = api::Record { severity, ..Default::default() };
            entry(&record, Some(&item)).details.into_iter().map(|detail| detail.value).collect::<Vec<_>>()
        };
        assert_eq!(told(3), ["严重"]);
        assert_eq!(told(7), ["7"]);
        assert!(told(0).is_empty());
    }

    #[test]
    fn a_report_is_had_again_by_those_for_whom_it_was() {
        let nobody = Party { client: "a", department: "", enterprise: "", office: false };
        let transport = Party { client: "t-1", department: "transport", ..nobody };
        let colleague = Party { client: "t-2", department: "transport", ..nobody };
        let tax = Party { client: "x", department: "taxation", ..nobody };
        let own = Party { client: "e", enterprise: "91A", ..nobody };
        let other = Party { client: "e", enterprise: "91B", ..nobody };
        let office = Party { client: "o", department: "credit-office", office: true, ..nobody };
        let of_subject = Party { enterprise: "91A", ..transport };
        for (asker, audience, may) in [
            (transport, Audience::Department, true),
            (colleague, Audience::Department, true),
            (tax, Audience::Department, false),
            (nobody, Audience::Department, false),
            (office, Audience::Department, true),
            (own, Audience::Department, false),
            (own, Audience::Subject, true),
            (other, Audience::Subject, false),
            (colleague, Audience::Subject, false),
            (colleague, Audience::Office, false),
        ] {
            assert_eq!(may_read(asker, of_subject, audience), may, "{asker:?} {audience:?}");
        }
    }

    #[test]
    fn codes_are_read_as_meant() {
        assert_eq!(code([0; 5]), "00000000");
        assert_eq!(code([255; 5]), "ZZZZZZZZ");
        assert_eq!(code([0, 0, 0, 0, 33]), "00000011");
        assert_eq!(code_typed(" 0o1i-lLaZ "), "00111 1AZ".replace(' ', ""));
    }

    #[test]
    fn the_digest_knows_what_is_shown_and_nothing_else() {
        let record = api::Record { record: String::from("r"), version: 1, ..Default::default() };
        let profile = api::Profile { records: vec![record.clone()], ..Default::default() };
        let with = |record: api::Record| api::Profile { records: vec![record], ..Default::default() };
        let moved = with(api::Record { position: String::from("0.9"), ..record.clone() });
        assert_eq!(shown_digest(&profile), shown_digest(&moved));
        let later = api::Profile { as_of: String::from("2026-02-14"), ..profile.clone() };
        assert_eq!(shown_digest(&profile), shown_digest(&later));
        let corrected = with(api::Record { version: 2, ..record });
        assert_ne!(shown_digest(&profile), shown_digest(&corrected));
        assert_ne!(shown_digest(&profile), shown_digest(&api::Profile::default()));
    }
}
