//! For how long a record is shown to everybody 公示期限, and from when it may be repaired: by the dated rules of its item. The rule in force
//! on the day of looking governs, older facts included, since the terms protect who is shown (信用修复管理办法).
use calendar::add_months;
use contract::credit::v1::{self as api, CatalogueItem, PublicationRule, SeverityClass};
use jiff::civil::Date;

/// A record without a class is taken for an ordinary one 一般.
const ORDINARY: i32 = 2;

/// What a rule says of a record.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// The last day on which it may be shown; none: without end.
    pub until: Option<Date>,
    /// Whether it is not shown at all.
    pub unpublished: bool,
    /// The rule.
    pub basis: String,
}

/// The window of a record, looked at on a day.
pub fn window(record: &api::Record, item: &CatalogueItem, today: Date) -> Window {
    let ruled = ruling(item, &record.department, &today.to_string())
        .and_then(|rule| Some((rule, class(rule, record.severity)?)));
    let months = months(item, ruled.map(|(_, class)| class));
    let occurred: Option<Date> = record.occurred_on.parse().ok();
    let until = occurred.filter(|_| months > 0).map(|day| add_months(day, months));
    let said = |value: &api::FieldValue| {
        let fields = record.fields.as_ref();
        let found =
            fields.and_then(|fields| fields.fields.get(&value.key)).and_then(|found| found.kind.as_ref());
        matches!(found, Some(prost_types::value::Kind::StringValue(text)) if *text == value.value)
    };
    Window {
        until,
        unpublished: ruled
            .is_some_and(|(_, class)| class.unpublished || class.unpublished_where.iter().any(said)),
        basis: ruled.map(|(rule, _)| rule.basis.clone()).unwrap_or_default(),
    }
}

/// The first day on which a record may be repaired 最短公示期届满, and the rule that says so; none where no rule is in force.
pub fn earliest_repair<'a>(
    record: &api::Record,
    item: &'a CatalogueItem,
    today: Date,
) -> Option<(Date, &'a str)> {
    let rule = ruling(item, &record.department, &today.to_string())?;
    let months = u32::try_from(class(rule, record.severity)?.minimum_months).ok()?;
    Some((add_months(record.occurred_on.parse().ok()?, months), &rule.basis))
}

fn in_force<'a>(item: &'a CatalogueItem, day: &str) -> impl Iterator<Item = &'a PublicationRule> {
    item.publication_rules.iter().filter(move |rule| {
        rule.effective_from.as_str() <= day
            && (rule.effective_to.is_empty() || day <= rule.effective_to.as_str())
    })
}

fn ruling<'a>(item: &'a CatalogueItem, department: &str, day: &str) -> Option<&'a PublicationRule> {
    let names = |rule: &&PublicationRule| rule.departments.iter().any(|named| named == department);
    let general = |rule: &&PublicationRule| rule.departments.is_empty();
    in_force(item, day).find(names).or_else(|| in_force(item, day).find(general))
}

fn class(rule: &PublicationRule, severity: i32) -> Option<&SeverityClass> {
    let severity = if severity == 0 { ORDINARY } else { severity };
    rule.classes.iter().rfind(|class| class.severity <= severity).or_else(|| rule.classes.first())
}

// Of the class's term and the item's own the shorter.
fn months(item: &CatalogueItem, class: Option<&SeverityClass>) -> u32 {
    let given = [class.map_or(0, |class| class.maximum_months), item.publication_months];
    given
        .into_iter()
        .filter_map(|months| u32::try_from(months).ok())
        .filter(|&months| months > 0)
        .min()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::items::built_in;

    fn penalties() -> CatalogueItem {
        let items = built_in().unwrap();
        items.into_iter().find(|item| item.item == "administrative-penalty").unwrap()
    }

    fn record(severity: i32, department: &str, kind: &str) -> api::Record {
        let kind = prost_types::Value { kind: Some(prost_types::value::Kind::StringValue(kind.to_owned())) };
        api::Record {
            item: String::from("administrative-penalty"),
            department: department.to_owned(),
            occurred_on: String::from("2026-01-15"),
            severity,
            fields: Some(prost_types::Struct { fields: [(String::from("penaltyType"), kind)].into() }),
            ..Default::default()
        }
    }

    #[test]
    fn the_rule_of_the_day_says_for_how_long() {
        let item = penalties();
        let (before, after) = (date(2026, 3, 31), date(2026, 4, 1));
        // By hand, from the table of terms of publication: severity, department, day, last day.
        for (severity, department, day, until) in [
            (1, "transport", before, Some(date(2029, 1, 15))),
            (2, "transport", before, Some(date(2029, 1, 15))),
            (1, "transport", after, None),
            (2, "transport", after, Some(date(2027, 1, 15))),
            (0, "transport", after, Some(date(2027, 1, 15))),
            (3, "transport", after, Some(date(2029, 1, 15))),
            (99, "transport", after, Some(date(2029, 1, 15))),
            (1, "market-regulation", before, Some(date(2026, 4, 15))),
            (2, "market-regulation", before, Some(date(2027, 1, 15))),
            (2, "transport", date(2019, 7, 1), Some(date(2027, 1, 15))),
            // Before any rule the item's own term stands.
            (1, "transport", date(2019, 6, 30), Some(date(2029, 1, 15))),
        ] {
            let window = window(&record(severity, department, "罚款"), &item, day);
            let shown = (!window.unpublished).then_some(window.until).flatten();
            assert_eq!(shown, until, "{severity} {department} {day}: {window:?}");
        }
        let warned = window(&record(1, "market-regulation", "警告"), &item, after);
        assert!(warned.unpublished && warned.basis.contains("107"), "{warned:?}");
        let short = CatalogueItem { publication_months: 2, ..item };
        assert_eq!(window(&record(2, "transport", ""), &short, after).until, Some(date(2026, 3, 15)));
    }

    #[test]
    fn the_rule_of_the_day_says_when_a_repair_is_possible() {
        let item = penalties();
        let of = |severity, day| {
            earliest_repair(&record(severity, "transport", ""), &item, day).map(|(first, _)| first)
        };
        let (before, after) = (date(2026, 3, 31), date(2026, 4, 1));
        assert_eq!(of(1, before), Some(date(2026, 4, 15)));
        assert_eq!(of(1, after), Some(date(2026, 1, 15)));
        assert_eq!(of(2, after), Some(date(2026, 4, 15)));
        assert_eq!(of(0, after), of(2, after));
        assert_eq!(of(3, after), Some(date(2027, 1, 15)));
        assert_eq!(of(9, after), of(3, after));
        let unruled = CatalogueItem { publication_rules: Vec::new(), ..item };
        assert_eq!(earliest_repair(&record(3, "transport", ""), &unruled, after), None);
    }
}
