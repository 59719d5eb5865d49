//! How fast a population is graded. Run: `cargo test --release -p scoring --test speed -- --ignored
//! --nocapture`
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]
use std::{hint::black_box, time::Instant};

use jiff::{ToSpan, civil::date};
use scoring::{Change, Compiled, Decimal, Fact, FactSheet, FieldType, Schemas, Value};

mod support;

const ITEMS: usize = 10;
/// Few enough to stay in the cache, as a sheet does that was read just before it is graded.
const SHEETS: usize = 500;

/// Twenty indicators over ten items, half of them filtered, all decaying: what a large scheme looks like.
fn scheme(indicators: usize) -> Compiled {
    let indicator = |index: usize| {
        let measure = ["COUNT", "SUM_AMOUNT", "EXISTS"][index % 3];
        let filter = ["", "severity >= 2 && (kind == 'b' || amount > 5000.0)"][index % 2];
        format!(
            "{{ id: i{index}, name: i, items: [item{}], filter: \"{filter}\", measure: {measure}, pointsPerUnit: -0.5,
               decay: [{{ withinMonths: 12, percent: 100 }}, {{ withinMonths: 36, percent: 50 }}] }}",
            index % ITEMS
        )
    };
    let indicators = (0..indicators).map(indicator).collect::<Vec<_>>().join(",\n");
    let yaml = format!(
        "{{ baseScore: 100, minScore: 0, maxScore: 120, indicators: [{indicators}],
            vetoes: [{{ id: v, items: [item0], filter: severity >= 3, withinMonths: 36, grade: D }}],
            grades: [{{ grade: A, minScore: 90 }}, {{ grade: B, minScore: 60 }}, {{ grade: D, minScore: 0 }}] }}"
    );
    let mut schemas = Schemas::new();
    for item in 0..ITEMS {
        schemas.insert(format!("item{item}"), [("kind", FieldType::Text)]);
    }
    let model = support::model(support::yaml::<serde_yaml_ng::Value>(&yaml));
    Compiled::model(&model, &schemas).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn sheets(facts: usize) -> Vec<FactSheet> {
    let mut chance = 1_u64;
    let mut draw = |below: u64| {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (chance >> 33) % below
    };
    let mut sheet = || {
        let mut sheet = FactSheet::new();
        for order in 0..facts as u64 {
            let fact = Fact {
                record: format!("01J000000000000000000{order:05}"),
                version: 1,
                item: format!("item{}", draw(ITEMS as u64)),
                occurred_on: date(2021, 1, 1).checked_add((draw(2_000) as i64).days()).unwrap(),
                severity: draw(4) as i32,
                amount: Some(Decimal::whole(draw(10_000) as i32)),
                fields: vec![("kind".into(), Value::Text(["a", "b", "c"][draw(3) as usize].into()))],
                order,
                effective_from: None,
                effective_until: None,
            };
            sheet.apply(Change::Put(fact)).unwrap();
        }
        sheet
    };
    (0..SHEETS).map(|_| sheet()).collect()
}

#[test]
#[ignore = "a measurement, for a release build"]
fn speed() {
    println!("indicators  facts   grade/s   decode+grade/s   bytes/sheet");
    for (indicators, facts) in [(5, 3), (5, 10), (20, 3), (20, 10), (20, 100)] {
        let (scheme, sheets) = (scheme(indicators), sheets(facts));
        let stored: Vec<_> = sheets.iter().map(FactSheet::encode).collect();
        let as_of = date(2026, 2, 1);
        let graded =
            per_second(|| sheets.iter().filter(|sheet| scheme.grade(sheet, as_of).grade == "A").count());
        let decoded = per_second(|| {
            let read = stored.iter().filter_map(|bytes| FactSheet::decode(bytes).ok());
            read.filter(|sheet| scheme.grade(sheet, as_of).grade == "A").count()
        });
        let bytes = stored.iter().map(Vec::len).sum::<usize>() / SHEETS;
        println!("{indicators:10} {facts:6} {graded:9} {decoded:16} {bytes:13}");
    }
}

fn per_second(mut work: impl FnMut() -> usize) -> u128 {
    black_box(work());
    let start = Instant::now();
    let rounds = 200;
    for _ in 0..rounds {
        black_box(work());
    }
    rounds * SHEETS as u128 * 1_000_000 / start.elapsed().as_micros().max(1)
}
