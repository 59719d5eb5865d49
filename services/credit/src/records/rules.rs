//! When a row is a record, when two say the same, and which records an audience sees on a day.
use std::borrow::Cow;

use calendar::{Calendar, LegalTerm, Procedure};
use chassis::{fault::Violation, validation::is_decimal};
use contract::credit::v1::{self as api, catalogue_item::Nature, profile::Audience};
use jiff::civil::Date;
use prost_types::{Value, value::Kind};
use sha2::{Digest, Sha256};

use super::content::{TYPICAL_BYTES, write_object, write_text, write_value};
use crate::{
    items::rules::{in_force, judge_fields, judge_severity},
    outcomes::{Submitter, Verdict, code, free_text, refusal, shown},
    subjects::{day, past_day},
};

/// The greatest severity class 严重程度.
const SEVERITY_MAX: i32 = 100;
/// Above any sum of money on a record; the same bound as the scoring of sums has.
const AMOUNT_DIGITS_MAX: usize = 14;

/// The first day of what may still be sent today within the term that the law sets (发改办财金〔2018〕424号).
pub fn in_time_since(today: Date) -> Date {
    let in_time = |day: Date| {
        let term = LegalTerm::of(Procedure::Sharing, day);
        term.is_some_and(|term| term.end(Calendar::national(), day).last_day >= today)
    };
    let mut first = today;
    while let Some(earlier) = first.yesterday().ok().filter(|day| in_time(*day)) {
        first = earlier;
    }
    first
}

/// The part of a row that needs no look into the catalogue: whose record it is, of which item, under which number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The subject's code, normalised.
    pub uscc: String,
    /// The item's name.
    pub item: String,
    /// The department's own number.
    pub source_id: String,
}

/// Judges the keys of a row.
pub fn key(row: &api::RecordInput) -> Result<Key, Violation> {
    let uscc = code(&row.uscc, row.accept_nonconforming)?.as_str().to_owned();
    let item = required("item", row.item.trim().to_owned())?;
    let source_id = required("sourceId", free_text("sourceId", &row.source_id, 256)?)?;
    Ok(Key { uscc, item, source_id })
}

fn required(field: &str, text: String) -> Result<String, Violation> {
    if text.is_empty() { Err(Violation::new(field, "is required", "为必填项")) } else { Ok(text) }
}

/// Whether the submitter may send records of the item at all; whether the subject has granted it is another question.
pub fn may_submit(item: &api::CatalogueItem, submitter: &Submitter) -> Result<(), Violation> {
    if !item.departments.is_empty()
        && !submitter.unrestricted
        && !item.departments.contains(&submitter.department)
    {
        return Err(refusal(
            api::ErrorReason::ItemNotOfDepartment,
            "item",
            format!("item \"{}\" is submitted by {}", item.item, item.departments.join(", ")),
            format!("事项“{}”由{}提交", item.name, item.departments.join("、")),
        ));
    }
    Ok(())
}

/// Judges what the row says, whose fields it takes; gives the record without id, position and time.
pub fn judge(
    row: &mut api::RecordInput,
    key: Key,
    item: &api::CatalogueItem,
    department: &str,
    today: Date,
) -> Result<api::Record, Violation> {
    let day_of_now = today.to_string();
    in_force(item, &day_of_now)?;
    let occurred_on =
        past_day("occurredOn", &required("occurredOn", row.occurred_on.trim().to_owned())?, today)?;
    let valid_until = match row.valid_until.trim() {
        "" => String::new(),
        given => day("validUntil", given)?.to_string(),
    };
    // Dates of this form compare as text.
    if !valid_until.is_empty() && valid_until < occurred_on {
        return Err(Violation::new(
            "validUntil",
            format!("\"{valid_until}\" is before occurredOn, {occurred_on}"),
            format!("“{valid_until}”早于发生日期{occurred_on}"),
        ));
    }
    Ok(api::Record {
        uscc: key.uscc,
        item: key.item,
        department: department.to_owned(),
        source_id: key.source_id,
        occurred_on,
        severity: severity(row.severity, item, &day_of_now)?,
        amount: amount(&row.amount)?,
        fields: Some(judge_fields(item, row.fields.take())?),
        status: api::record::Status::Effective.into(),
        version: 1,
        valid_until,
        ..Default::default()
    })
}

/// What a record says after a correction: what the request leaves out stays.
pub fn correct(
    record: &api::Record,
    request: &api::CorrectRecordRequest,
    item: &api::CatalogueItem,
    today: Date,
) -> Result<api::Record, Violation> {
    let mut row = api::RecordInput {
        occurred_on: request.occurred_on.as_ref().unwrap_or(&record.occurred_on).clone(),
        severity: request.severity.unwrap_or(record.severity),
        amount: request.amount.as_ref().unwrap_or(&record.amount).clone(),
        fields: request.fields.clone().or_else(|| record.fields.clone()),
        valid_until: record.valid_until.clone(),
        ..Default::default()
    };
    let key =
        Key { uscc: record.uscc.clone(), item: record.item.clone(), source_id: record.source_id.clone() };
    let corrected = judge(&mut row, key, item, &record.department, today)?;
    if digest(&corrected) == digest(record) {
        return Err(Violation::new(
            "record",
            "already says exactly this; give what shall change: occurredOn, severity, amount or fields",
            "内容与现有记录相同；请填写需要更正的内容：occurredOn、severity、amount 或 fields",
        ));
    }
    let (id, version, marks) = (record.record.clone(), record.version + 1, record.marks.clone());
    Ok(api::Record { record: id, version, marks, ..corrected })
}

fn severity(given: i32, item: &api::CatalogueItem, today: &str) -> Result<i32, Violation> {
    if (0..=SEVERITY_MAX).contains(&given) {
        return judge_severity(item, given, today).map(|()| given);
    }
    Err(Violation::new(
        "severity",
        format!("{given} is no severity class; give 0 to {SEVERITY_MAX}"),
        format!("{given}不是严重程度等级；请填写0至{SEVERITY_MAX}"),
    ))
}

fn amount(given: &str) -> Result<String, Violation> {
    let given = given.trim();
    let whole = given.split('.').next().unwrap_or_default().trim_start_matches('0');
    if given.is_empty() || (is_decimal(given) && !given.starts_with('-') && whole.len() <= AMOUNT_DIGITS_MAX)
    {
        return Ok(given.to_owned());
    }
    let shown = shown(given);
    Err(Violation::new(
        "amount",
        format!(
            "\"{shown}\" is no sum in yuan: write it as 12000.50, not negative, with at most four decimal places and \
             below 100,000,000,000,000"
        ),
        format!("“{shown}”不是以元计的金额：请写作 12000.50，不得为负，小数至多四位，且小于一百万亿"),
    ))
}

/// The record that holds a number, known before or of the same batch.
pub struct Held<'a> {
    /// Its id.
    pub record: &'a str,
    /// The digest of what was first sent.
    pub first_digest: &'a str,
    /// The digest of what it says now.
    pub digest: &'a str,
}

impl<'a> Held<'a> {
    /// One that this batch takes in.
    pub fn fresh(record: &'a str, digest: &'a str) -> Self {
        Self { record, first_digest: digest, digest }
    }

    /// Whether a row of the same number says the same: as it was first sent, or as it stands now.
    pub fn compare(&self, digest: &str) -> Verdict {
        if digest == self.first_digest || digest == self.digest {
            return Verdict::Duplicate(self.record.to_owned());
        }
        Verdict::Refused(refusal(
            api::ErrorReason::SourceIdReused,
            "sourceId",
            format!(
                "this number stands for another fact, record {}; correct that by records/{}:correct, or give this fact \
                 a number of its own",
                self.record, self.record
            ),
            format!(
                "该源编号已用于记录{}且内容不同；请通过 :correct 更正该记录，或为本条使用新的源编号",
                self.record
            ),
        ))
    }
}

/// A digest of what a record says. Numbers that are equal in value are the same however they are written.
pub fn digest(record: &api::Record) -> String {
    let mut text = String::with_capacity(TYPICAL_BYTES);
    let severity = record.severity.to_string();
    let (amount, until) = (plain_number(&record.amount), &record.valid_until);
    for part in [&record.uscc, &record.item, &record.occurred_on, &severity, &*amount, until] {
        text.push_str(part);
        text.push('\u{1F}');
    }
    if let Some(fields) = &record.fields {
        write_object(fields, &mut text, write_plain);
    }
    // 128 bits tell apart what one department sends under one number.
    hex::encode(&Sha256::digest(text)[..16])
}

fn write_plain(value: &Value, out: &mut String) {
    match &value.kind {
        Some(Kind::NumberValue(number)) => write_text(&plain_number(&number.to_string()), out),
        Some(Kind::StringValue(text)) => write_text(&plain_number(text), out),
        _ => write_value(value, out),
    }
}

/// A decimal without the zeros that say nothing; other text as it is.
fn plain_number(text: &str) -> Cow<'_, str> {
    if !is_decimal(text) {
        return Cow::Borrowed(text);
    }
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let (whole, part) = (whole.trim_start_matches('0'), part.trim_end_matches('0'));
    let whole = if whole.is_empty() { "0" } else { whole };
    Cow::Owned(match part {
        "" if whole == "0" => String::from("0"),
        "" => format!("{sign}{whole}"),
        part => format!("{sign}{whole}.{part}"),
    })
}

/// Whether an audience may see what is recorded under an item; what needs the subject's grant is the subject's own, and of whom it is granted
/// to.
pub fn may_see(item: &api::CatalogueItem, audience: Audience, granted: bool) -> bool {
    let shared = matches!(audience, Audience::Department | Audience::Office);
    natures(audience).contains(&item.nature()) || (shared && granted && item.nature() == Nature::Authorized)
}

/// The natures that an audience may see without a grant.
fn natures(audience: Audience) -> &'static [Nature] {
    match audience {
        Audience::Unspecified | Audience::Public => &[Nature::Public],
        Audience::Department | Audience::Office => &[Nature::Public, Nature::Shared],
        Audience::Subject => &[Nature::Public, Nature::Shared, Nature::Authorized],
    }
}

#[cfg(test)]
mod tests {
    use identifiers::Uscc;
    use jiff::civil::date;
    use prost_types::Struct;

    use super::*;

    const TODAY: Date = date(2026, 2, 13);

    #[test]
    fn what_is_sent_within_seven_working_days_is_in_time() {
        // By hand: Saturdays 14 and 28 February 2026 are worked, and the Spring Festival lasts from the 15th to the 23rd.
        for (today, first) in
            [("2026-02-13", "2026-02-04"), ("2026-03-02", "2026-02-13"), ("2026-03-10", "2026-02-28")]
        {
            let first: Date = first.parse().unwrap();
            let since = in_time_since(today.parse().unwrap());
            let last = |day: Date| Calendar::national().add_working_days(day, 7).last_day.to_string();
            assert!(
                last(since).as_str() >= today && last(since.yesterday().unwrap()).as_str() < today,
                "{today}"
            );
            assert_eq!(since, first, "{today}");
        }
    }

    fn row() -> api::RecordInput {
        api::RecordInput {
            uscc: Uscc::fictional(1).to_string(),
            item: String::from("administrative-penalty"),
            source_id: String::from("吴示罚〔2026〕1号"),
            occurred_on: String::from("2026-02-13"),
            severity: 2,
            amount: String::from("10000.50"),
            ..Default::default()
        }
    }

    fn item() -> api::CatalogueItem {
        let field = |key: &str, kind: &str| api::CatalogueField {
            key: key.to_owned(),
            r#type: kind.to_owned(),
            ..Default::default()
        };
        api::CatalogueItem { fields: vec![field("n", "DECIMAL")], ..Default::default() }
    }

    fn judged(row: &api::RecordInput) -> Result<api::Record, Violation> {
        judge(&mut row.clone(), key(row)?, &item(), "transport", TODAY)
    }

    #[test]
    fn each_wrong_field_is_named() {
        type Spoil = fn(&mut api::RecordInput);
        let table: [(&str, Spoil); 10] = [
            ("uscc", |row| row.uscc = String::new()),
            ("item", |row| row.item = String::from(" ")),
            ("sourceId", |row| row.source_id = String::new()),
            ("sourceId", |row| row.source_id = String::from("11010519491231002X")),
            ("occurredOn", |row| row.occurred_on = String::new()),
            ("occurredOn", |row| row.occurred_on = String::from("2026-02-14")),
            ("severity", |row| row.severity = -1),
            ("amount", |row| row.amount = String::from("-0.01")),
            ("amount", |row| row.amount = String::from("100000000000000")),
            ("validUntil", |row| row.valid_until = String::from("2026-02-12")),
        ];
        assert!(judged(&row()).is_ok());
        for (field, spoil) in table {
            let mut row = row();
            spoil(&mut row);
            assert_eq!(judged(&row).unwrap_err().field, field);
        }
    }

    #[test]
    fn no_refusal_repeats_an_identity_number() {
        let personal = || String::from("11010519491231002X");
        for row in [
            api::RecordInput { amount: personal(), ..row() },
            api::RecordInput { occurred_on: personal(), ..row() },
            api::RecordInput { source_id: personal(), ..row() },
            api::RecordInput { uscc: personal(), ..row() },
        ] {
            let refused = judged(&row).unwrap_err();
            assert!(!format!("{refused:?}").contains("1949"), "{refused:?}");
        }
    }

    #[test]
    fn the_same_in_other_figures_is_the_same() {
        let with = |amount: &str, n: Kind| {
            let fields = Struct { fields: [(String::from("n"), Value { kind: Some(n) })].into() };
            let row = api::RecordInput { amount: amount.to_owned(), fields: Some(fields), ..row() };
            digest(&judged(&row).unwrap())
        };
        let first = with("10000.50", Kind::NumberValue(1.5));
        assert_eq!(first, with("010000.5", Kind::StringValue(String::from("1.50"))));
        assert_ne!(first, with("10000.51", Kind::NumberValue(1.5)));
        assert_ne!(first, with("10000.50", Kind::NumberValue(1.6)));
        assert_eq!(plain_number("-0.00"), "0");
        assert_eq!(plain_number("2024-01"), "2024-01");
    }

    #[test]
    fn a_correction_changes_something() {
        let record = judged(&row()).unwrap();
        let nothing = api::CorrectRecordRequest::default();
        assert_eq!(correct(&record, &nothing, &item(), TODAY).unwrap_err().field, "record");
        let request = api::CorrectRecordRequest { amount: Some(String::new()), ..Default::default() };
        let corrected = correct(&record, &request, &item(), TODAY).unwrap();
        assert_eq!((corrected.amount.as_str(), corrected.severity, corrected.version), ("", 2, 2));
    }

    #[test]
    fn departments_and_natures_are_kept() {
        let submitter =
            |department: &str, unrestricted| Submitter { department: department.to_owned(), unrestricted };
        let mut item = item();
        item.departments = vec![String::from("transport")];
        assert!(may_submit(&item, &submitter("transport", false)).is_ok());
        assert!(may_submit(&item, &submitter("svc-sampling", true)).is_ok());
        assert_eq!(
            may_submit(&item, &submitter("health", false)).unwrap_err().reason,
            "ITEM_NOT_OF_DEPARTMENT"
        );
        item.nature = Nature::Authorized.into();
        for (audience, without, with) in [
            (Audience::Public, false, false),
            (Audience::Department, false, true),
            (Audience::Office, false, true),
            (Audience::Subject, true, true),
        ] {
            assert_eq!(may_see(&item, audience, false), without, "{audience:?}");
            assert_eq!(may_see(&item, audience, true), with, "{audience:?}");
        }
    }
}
