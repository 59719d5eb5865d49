//! Counts that many keep at once come to the sum of them all, without anybody waiting in a ring.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail loudly")]
use std::collections::BTreeMap;

use chassis::{
    Store, Tx,
    figures::{self, BEGINNING, Grain, Tally},
    storage::{Place, migrations},
    trial::Postgres,
};
use jiff::civil::{Date, date};
use sea_orm_migration::{MigrationTrait, MigratorTrait};

struct Tables;

impl MigratorTrait for Tables {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        migrations(&[])
    }
}

const WRITERS: u64 = 8;
const ROUNDS: u64 = 25;

fn day(number: u64) -> Date {
    date(2025, 12, 20) + jiff::Span::new().days(i64::try_from(number % 60).unwrap())
}

// What one writer counts in one round: some of the same keys as the others, in an order of its own, and some of it taken back.
fn counted(writer: u64, round: u64) -> Vec<(Date, String, i64)> {
    let one = |place: u64| {
        let x =
            writer.wrapping_mul(31).wrapping_add(round.wrapping_mul(17)).wrapping_add(place.wrapping_mul(13));
        (day(x), format!("key {}", x % 5), if x % 4 == 3 { -1 } else { 2 })
    };
    (0..12).map(one).collect()
}

async fn write(store: Store, writer: u64) {
    for round in 0..ROUNDS {
        let tx = store.begin().await.unwrap();
        let mut tally = Tally::default();
        for (day, key, count) in counted(writer, round) {
            tally.add("things", day, [&key, "", "", ""], count);
        }
        figures::keep(&tx, &tally).await.unwrap();
        // What is not committed is not counted.
        if round % 5 == 4 {
            drop(tx);
        } else {
            tx.commit().await.unwrap();
        }
    }
}

async fn check(store: Store) {
    let writers: Vec<_> = (0..WRITERS).map(|writer| tokio::spawn(write(store.clone(), writer))).collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let rounds = (0..WRITERS).flat_map(|writer| (0..ROUNDS).map(move |round| (writer, round)));
    let all: Vec<_> = rounds
        .filter(|(_, round)| round % 5 != 4)
        .flat_map(|(writer, round)| counted(writer, round))
        .collect();
    let expected = |from: Date, to: Date| {
        let mut sums: BTreeMap<String, i64> = BTreeMap::new();
        for (_, key, count) in all.iter().filter(|(day, ..)| (from..=to).contains(day)) {
            *sums.entry(key.clone()).or_default() += count;
        }
        sums.retain(|_, count| *count != 0);
        sums
    };
    for (from, to) in [
        (BEGINNING, date(2026, 12, 31)),
        (date(2025, 12, 24), date(2026, 2, 3)),
        (date(2026, 1, 1), date(2026, 1, 31)),
        (date(2026, 1, 9), date(2026, 1, 9)),
        (date(2027, 1, 1), date(2027, 1, 2)),
    ] {
        let seen = figures::sum(store.read(), "things", "", from, to).await.unwrap();
        let seen: BTreeMap<_, _> = seen.into_iter().map(|row| (row.k1, row.counted)).collect();
        assert_eq!(seen, expected(from, to), "{from}..{to}");
    }
    for grain in [Grain::Day, Grain::Month, Grain::Year] {
        let days = (date(2025, 1, 1), date(2026, 12, 31));
        let seen = figures::series(store.read(), "things", "key 2", days, grain).await.unwrap();
        assert!(seen.is_sorted_by_key(|row| row.span.clone()) && seen.iter().all(|row| row.k1 == "key 2"));
        let sum: i64 = seen.iter().map(|row| row.counted).sum();
        assert_eq!(Some(&sum), expected(days.0, days.1).get("key 2"), "{grain:?}");
    }
    // What was there before is counted once, however often the start is repeated.
    for _ in 0..2 {
        let anew = async |_: &Tx| {
            let mut tally = Tally::default();
            tally.add("others", date(2026, 1, 1), ["k", "", "", ""], 7);
            Ok(tally)
        };
        figures::adopt(&store, "others", anew).await.unwrap();
        let seen = figures::sum(store.read(), "others", "k", BEGINNING, date(2026, 1, 1)).await.unwrap();
        assert_eq!(seen[0].counted, 7);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_of_many_at_once_come_to_their_sum_on_postgresql() {
    let postgres = Postgres::start();
    let folder = tempfile::tempdir().unwrap();
    let place = Place { service: "things", data_dir: folder.path(), url: &postgres.url("figures") };
    check(Store::open::<Tables>(place).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_of_many_at_once_come_to_their_sum_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place { service: "things", data_dir: folder.path(), url: "" };
    check(Store::open::<Tables>(place).await.unwrap()).await;
}
