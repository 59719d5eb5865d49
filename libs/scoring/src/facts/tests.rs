//! The fact sheet: applied changes, and what encoding keeps.
use jiff::civil::{Date, date};
use proptest::prelude::*;

use super::*;
use crate::day::Day;

fn fact(record: &str, version: u32, item: &str, from: Option<Date>) -> Fact {
    Fact {
        record: record.into(),
        version,
        item: item.into(),
        occurred_on: date(2026, 1, version as i8),
        severity: 1,
        amount: None,
        fields: vec![("level".into(), Value::Text(format!("{record}{version}")))],
        order: 1,
        effective_from: from,
        effective_until: None,
    }
}

fn put(facts: impl IntoIterator<Item = Fact>) -> FactSheet {
    let mut sheet = FactSheet::new();
    for fact in facts {
        sheet.apply(Change::Put(fact)).unwrap();
    }
    sheet
}

/// The facts as `item record version from until`, with `-` for an open end.
fn shown(sheet: &FactSheet) -> Vec<String> {
    let day = |day: Day| day.date().map_or("-".to_owned(), |date| date.to_string());
    let rows = sheet.groups().flat_map(|group| group.rows().map(move |row| (group, row)));
    rows.map(|(group, row)| {
        format!(
            "{} {} {} {} {}",
            group.item(),
            row.record(),
            row.version(),
            day(row.from()),
            day(row.until())
        )
    })
    .collect()
}

const MARCH: Date = date(2026, 3, 1);
const APRIL: Date = date(2026, 4, 1);

#[test]
fn a_correction_ends_the_version_before_it() {
    let sheet = put([fact("a", 1, "x", None), fact("b", 1, "x", None), fact("a", 2, "w", Some(MARCH))]);
    assert_eq!(shown(&sheet), ["w a 2 2026-03-01 -", "x a 1 - 2026-03-01", "x b 1 - -"]);
}

#[test]
fn a_correction_from_the_start_takes_the_place_of_the_version_before_it() {
    let sheet = put([fact("a", 1, "x", None), fact("a", 2, "x", None)]);
    assert_eq!(shown(&sheet), ["x a 2 - -"]);
}

#[test]
fn the_same_version_is_replaced() {
    let sheet = put([fact("a", 1, "x", None), fact("a", 1, "y", None)]);
    assert_eq!(shown(&sheet), ["y a 1 - -"]);
}

#[test]
fn ending_and_removing() {
    let mut sheet = put([fact("a", 1, "x", None), fact("a", 2, "x", Some(APRIL)), fact("b", 1, "y", None)]);
    sheet.apply(Change::End { record: "a".into(), on: MARCH }).unwrap();
    assert_eq!(shown(&sheet), ["x a 1 - 2026-03-01", "y b 1 - -"], "version 2 would have begun later");
    sheet.apply(Change::End { record: "a".into(), on: APRIL }).unwrap();
    assert_eq!(shown(&sheet)[0], "x a 1 - 2026-03-01", "what has ended stays ended");
    sheet.apply(Change::Remove { record: "a".into() }).unwrap();
    sheet.apply(Change::Remove { record: "unknown".into() }).unwrap();
    assert_eq!(shown(&sheet), ["y b 1 - -"]);
    assert!(!sheet.is_empty());
    sheet.apply(Change::Remove { record: "b".into() }).unwrap();
    assert!(sheet.is_empty());
}

#[test]
fn a_row_without_a_field_has_none_whatever_came_before() {
    let other = Fact { fields: vec![("paid".into(), Value::Bool(true))], ..fact("b", 2, "x", None) };
    let sheet = put([fact("a", 1, "x", None), other]);
    let group = sheet.group(0).unwrap();
    let rows: Vec<_> = group.rows().collect();
    assert_eq!(rows[0].field("level"), Some(Scalar::Text("a1")));
    assert_eq!(rows[0].text("level"), Some(&b"a1"[..]));
    assert_eq!(rows[0].field("paid"), None);
    assert_eq!(rows[1].field("level"), None);
    assert_eq!(rows[1].field("paid"), Some(Scalar::Bool(true)));
    assert_eq!(rows[1].text("paid"), None);
    assert_eq!(rows[1].field("unknown"), None);
}

#[test]
fn a_full_sheet_takes_replacements_only() {
    let mut sheet = put([fact("a", 1, "x", None)]);
    let mut open = sheet.0.open();
    let row = open.groups[0].rows[0].clone();
    open.groups[0].rows.extend((1..MAX_FACTS).map(|number| {
        let mut row = row.clone();
        row.record = number.to_string();
        row
    }));
    sheet.0 = Packed::of(&open);
    let replaced = Fact { severity: 9, ..fact("a", 1, "x", None) };
    assert_eq!(sheet.apply(Change::Put(replaced)), Ok(()));
    assert_eq!(sheet.apply(Change::Put(fact("b", 1, "x", None))), Err(SheetFault::Full));
    assert_eq!(sheet.len(), MAX_FACTS);
}

#[test]
fn only_what_was_written_is_read() {
    let sheet = put([fact("a", 1, "x", None), fact("b", 1, "y", None)]);
    assert_eq!(FactSheet::decode(&sheet.encode()), Ok(sheet.clone()));
    assert_eq!(FactSheet::decode(&FactSheet::new().encode()), Ok(FactSheet::new()));
    let former = |break_it: fn(&mut Sheet)| {
        let mut sheet = sheet.0.open();
        break_it(&mut sheet);
        FactSheet::decode(&sheet.encode_to_vec())
    };
    assert_eq!(former(|_| {}), Ok(sheet.clone()), "the format before is read still");
    let broken = |break_it: fn(&mut Sheet)| {
        let mut sheet = sheet.0.open();
        break_it(&mut sheet);
        FactSheet::decode(&Packed::of(&sheet).bytes())
    };
    assert_eq!(former(|sheet| sheet.format = 3), Err(SheetFault::Unreadable));
    let breaks: [fn(&mut Sheet); 4] = [
        |sheet| sheet.groups.reverse(),
        |sheet| sheet.groups[0].rows.clear(),
        |sheet| sheet.groups[1].item = "x".into(),
        |sheet| sheet.groups[0].rows.push(stored::Row::default()),
    ];
    for break_it in breaks {
        assert_eq!(former(break_it), Err(SheetFault::Unreadable));
        assert_eq!(broken(break_it), Err(SheetFault::Unreadable));
    }
    assert_eq!(FactSheet::decode(&[]), Err(SheetFault::Unreadable));
    assert_eq!(FactSheet::decode(&sheet.encode()[1..]), Err(SheetFault::Unreadable));
}

/// A sheet as it was stored before there were grants, byte by byte: format 1, item x, record a, version 1, of
/// 2026-01-01 (packed: 24312 months and a day, zigzag), severity 1.
#[test]
fn a_sheet_of_the_former_format_is_read() {
    let former = [
        0x08, 0x01, 0x12, 0x12, 0x0a, 0x01, b'x', 0x1a, 0x0d, 0x0a, 0x01, b'a', 0x10, 0x01, 0x18, 0x01, 0x20,
        0x82, 0xfc, 0x5e, 0x28, 0x02,
    ];
    let expected = put([Fact { fields: Vec::new(), ..fact("a", 1, "x", None) }]);
    assert_eq!(FactSheet::decode(&former), Ok(expected.clone()));
    assert_eq!(FactSheet::decode(&expected.encode()), Ok(expected));
}

proptest! {
    /// The versions of a record come to the same in whatever order they are put.
    #[test]
    fn versions_in_any_order(
        froms in prop::collection::vec(prop::option::of(1..28_i8), 1..6),
        order in Just((0..6_usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let version = |index: usize| fact("a", index as u32 + 1, "x", froms[index].map(|day| date(2026, 5, day)));
        let straight = put((0..froms.len()).map(version));
        let shuffled = put(order.into_iter().filter(|index| *index < froms.len()).map(version));
        prop_assert_eq!(shown(&straight), shown(&shuffled));
    }
}
