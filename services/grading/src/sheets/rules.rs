//! What a change of credit's feed means for a subject's fact sheet. Pure.
use contract::credit::v1::{Authorization, Change as Wire, Record, change::Kind};
use jiff::{Timestamp, civil::Date, tz::Offset};
use prost_types::value::Kind as Json;
use scoring::{Change, Decimal, Fact, FieldType, Grant, Schemas, Value};

/// The change of a fact sheet that a change of a record comes to. `order` is its place in the recording order.
pub fn change_of(wire: &Wire, order: u64, schemas: &Schemas) -> Result<Change, String> {
    let record = wire.record.as_ref().ok_or("it carries no record")?;
    match wire.kind() {
        Kind::RecordAccepted | Kind::RecordCorrected => fact(record, order, schemas).map(Change::Put),
        // What is taken back or repaired no longer counts from that day on; the days before are replayed as they were.
        Kind::RecordWithdrawn | Kind::RecordRepaired => {
            Ok(Change::End { record: record.record.clone(), on: recorded_on(record)? })
        }
        Kind::Unspecified
        | Kind::SubjectUpserted
        | Kind::RecordMarked
        | Kind::AuthorizationChanged
        | Kind::Progress => Err(format!("{:?} is no change of a record", wire.kind())),
    }
}

/// The changes of a fact sheet that a change of a grant comes to: it is put as it now stands, a line an item. What was done under it
/// before it was taken back stays lawful (个人信息保护法第十五条), so that the days before are replayed under it.
pub fn changes_of_grant(grant: &Authorization) -> Result<Vec<Change>, String> {
    let from = date("validFrom", &grant.valid_from)?;
    let until = match grant.valid_until.as_str() {
        "" => None,
        last => Some(date("validUntil", last)?),
    };
    let name = &grant.authorization_id;
    let line = |item: &String| {
        Change::Grant(Grant {
            grant: name.clone(),
            item: item.clone(),
            department: grant.department.clone(),
            from,
            until,
        })
    };
    let mut changes = vec![Change::RemoveGrant { grant: name.clone() }];
    changes.extend(grant.items.iter().map(line));
    if let Some(at) = &grant.revoke_time {
        changes.push(Change::Revoke { grant: name.clone(), on: business_day("revokeTime", at)? });
    }
    Ok(changes)
}

fn fact(record: &Record, order: u64, schemas: &Schemas) -> Result<Fact, String> {
    let version = u32::try_from(record.version).map_err(|_| String::from("its version is negative"))?;
    let types = schemas.item(&record.item);
    let fields = record.fields.iter().flat_map(|fields| &fields.fields).filter_map(|(key, value)| {
        let kind = types.and_then(|types| types.get(key)).copied().or_else(|| natural_type(value))?;
        Some((key.clone(), kind.read(value)?))
    });
    let fields: Vec<(String, Value)> = fields.collect();
    Ok(Fact {
        record: record.record.clone(),
        version,
        item: record.item.clone(),
        occurred_on: date("occurredOn", &record.occurred_on)?,
        severity: record.severity,
        amount: amount(&record.amount)?,
        fields,
        order,
        // A correction holds from its day on; what was believed before is what was graded before.
        effective_from: if version > 1 { Some(recorded_on(record)?) } else { None },
        effective_until: day_after(&record.valid_until)?,
    })
}

// A key that the item no longer has is kept as what its JSON is.
fn natural_type(value: &prost_types::Value) -> Option<FieldType> {
    match value.kind.as_ref()? {
        Json::NumberValue(_) => Some(FieldType::Number),
        Json::StringValue(_) => Some(FieldType::Text),
        Json::BoolValue(_) => Some(FieldType::Bool),
        Json::NullValue(_) | Json::StructValue(_) | Json::ListValue(_) => None,
    }
}

fn date(what: &str, text: &str) -> Result<Date, String> {
    text.parse().map_err(|_| format!("its {what} \"{text}\" is no date"))
}

fn amount(text: &str) -> Result<Option<Decimal>, String> {
    match text {
        "" => Ok(None),
        text => Decimal::parse(text).map(Some).map_err(|fault| format!("its amount {}", fault.message().en)),
    }
}

// The last day on which it counts is the day before it no longer does.
fn day_after(text: &str) -> Result<Option<Date>, String> {
    match text {
        "" => Ok(None),
        text => Ok(date("validUntil", text)?.tomorrow().ok()),
    }
}

fn recorded_on(record: &Record) -> Result<Date, String> {
    let at = record.recorded_at.as_ref().ok_or("it does not say when it was recorded")?;
    business_day("recordedAt", at)
}

// The business day is Asia/Shanghai's.
fn business_day(what: &str, at: &prost_types::Timestamp) -> Result<Date, String> {
    let instant = Timestamp::new(at.seconds, at.nanos).map_err(|_| format!("its {what} is no instant"))?;
    Ok(Offset::constant(8).to_datetime(instant).date())
}

/// Whether a scheme of a domain grades a subject of these domains. One that names none is not classified yet and is
/// graded under every scheme: nobody slips through for want of a label.
pub fn in_population(domains: &str, domain: &str) -> bool {
    domains.is_empty() || domains.split(',').any(|own| own == domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(kind: Kind, record: Record) -> Wire {
        Wire { kind: kind as i32, record: Some(record), ..Default::default() }
    }

    fn record(version: i32) -> Record {
        let text = |text: &str| prost_types::Value { kind: Some(Json::StringValue(text.to_owned())) };
        let number = prost_types::Value { kind: Some(Json::NumberValue(2.5)) };
        let fields = [
            ("grade", text("A")),
            ("decided", text("2026-01-31")),
            ("extra", number),
            ("empty", Default::default()),
        ];
        Record {
            record: "r".to_owned(),
            item: "tax-credit-grade".to_owned(),
            occurred_on: "2026-01-31".to_owned(),
            amount: "12.5".to_owned(),
            version,
            valid_until: "2026-12-31".to_owned(),
            // 00:30 of 1 March in Shanghai.
            recorded_at: Some(prost_types::Timestamp { seconds: 1_772_296_200, nanos: 0 }),
            fields: Some(prost_types::Struct {
                fields: fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            }),
            ..Default::default()
        }
    }

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn a_record_becomes_a_fact_typed_by_its_item() {
        let mut schemas = Schemas::new();
        schemas.insert("tax-credit-grade", [("grade", FieldType::Text), ("decided", FieldType::Date)]);
        let Ok(Change::Put(fact)) = change_of(&wire(Kind::RecordAccepted, record(1)), 7, &schemas) else {
            panic!()
        };
        let expected = [
            ("decided".to_owned(), Value::Date(day("2026-01-31"))),
            ("extra".to_owned(), Value::Number(Decimal::parse("2.5").unwrap())),
            ("grade".to_owned(), Value::Text("A".to_owned())),
        ];
        assert_eq!(fact.fields, expected);
        assert_eq!((fact.order, fact.effective_from), (7, None));
        assert_eq!(fact.effective_until, Some(day("2027-01-01")), "the last day counts in full");
    }

    #[test]
    fn a_correction_holds_and_a_withdrawal_ends_from_the_business_day_on() {
        let corrected = change_of(&wire(Kind::RecordCorrected, record(2)), 0, &Schemas::new());
        assert!(matches!(corrected, Ok(Change::Put(fact)) if fact.effective_from == Some(day("2026-03-01"))));
        for kind in [Kind::RecordWithdrawn, Kind::RecordRepaired] {
            let ended = change_of(&wire(kind, record(2)), 0, &Schemas::new());
            assert_eq!(ended, Ok(Change::End { record: "r".to_owned(), on: day("2026-03-01") }));
        }
    }

    #[test]
    fn what_cannot_be_counted_is_told() {
        let wrong = [
            Record { occurred_on: "2026-02-30".to_owned(), ..record(1) },
            Record { amount: "1e3".to_owned(), ..record(1) },
            Record { version: -1, ..record(1) },
            Record { valid_until: "soon".to_owned(), ..record(1) },
            Record { recorded_at: None, ..record(2) },
        ];
        for record in wrong {
            assert!(
                change_of(&wire(Kind::RecordAccepted, record.clone()), 0, &Schemas::new()).is_err(),
                "{record:?}"
            );
        }
        assert!(change_of(&wire(Kind::SubjectUpserted, record(1)), 0, &Schemas::new()).is_err());
        assert!(
            change_of(&Wire { kind: Kind::RecordAccepted as i32, ..Default::default() }, 0, &Schemas::new())
                .is_err()
        );
    }

    #[test]
    fn a_grant_is_put_as_it_stands_and_ends_on_the_day_of_its_revocation() {
        let given = Authorization {
            authorization_id: "g".to_owned(),
            items: vec!["power".to_owned(), "water".to_owned()],
            department: "transport".to_owned(),
            valid_from: "2026-01-01".to_owned(),
            valid_until: "2026-12-31".to_owned(),
            ..Default::default()
        };
        let line = |item: &str| {
            Change::Grant(Grant {
                grant: "g".to_owned(),
                item: item.to_owned(),
                department: "transport".to_owned(),
                from: day("2026-01-01"),
                until: Some(day("2026-12-31")),
            })
        };
        let put = vec![Change::RemoveGrant { grant: "g".to_owned() }, line("power"), line("water")];
        assert_eq!(changes_of_grant(&given), Ok(put.clone()));
        // 00:30 of 1 March in Shanghai.
        let revoke_time = Some(prost_types::Timestamp { seconds: 1_772_296_200, nanos: 0 });
        let revoked = Change::Revoke { grant: "g".to_owned(), on: day("2026-03-01") };
        let taken_back = Authorization { revoke_time, ..given.clone() };
        assert_eq!(changes_of_grant(&taken_back), Ok([put, vec![revoked]].concat()));
        assert!(changes_of_grant(&Authorization { valid_from: "soon".to_owned(), ..given.clone() }).is_err());
        assert!(changes_of_grant(&Authorization { valid_until: "never".to_owned(), ..given }).is_err());
    }

    #[test]
    fn a_scheme_grades_its_domain_and_the_unclassified() {
        assert!(in_population("", "D09"));
        assert!(in_population("D01,D09", "D09"));
        assert!(!in_population("D01,D10", "D09"));
    }
}
