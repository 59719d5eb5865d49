//! The feed under concurrent writers: no row is skipped and none comes twice, on either database.
use std::{collections::HashSet, path::Path, time::Duration};

use chassis::{
    feed::{self, Position},
    storage::{Place, Store, migrations},
    trial::Postgres,
};
use sea_orm_migration::{MigrationTrait, MigratorTrait};

struct Bare;

impl MigratorTrait for Bare {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        migrations(&[])
    }
}

const WRITERS: u32 = 8;
const EACH: u32 = 60;

async fn open(url: &str, folder: &Path) -> Store {
    Store::open::<Bare>(Place { service: "feedtest", data_dir: folder, url }).await.unwrap()
}

async fn nothing_is_skipped(store: Store) {
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let store = store.clone();
        writers.spawn(async move {
            for number in 0..EACH {
                let tx = store.begin().await.unwrap();
                let name = format!("{writer}-{number}");
                feed::append(&tx, vec![(name.clone(), name.into_bytes())]).await.unwrap();
                // Transactions overlap and commit out of the order of their sequence numbers.
                tokio::time::sleep(Duration::from_micros(u64::from(writer * 700 + number % 7 * 300))).await;
                if number % 10 != 9 {
                    tx.commit().await.unwrap();
                }
            }
        });
    }
    let expected = (WRITERS * EACH * 9 / 10) as usize;
    let (mut at, mut seen, mut order) = (Position::default(), HashSet::new(), Vec::new());
    for _ in 0..3_000 {
        for entry in feed::read_after(&store, at, 7).await.unwrap() {
            assert!(entry.position > at, "the feed goes forward");
            at = entry.position;
            let name = String::from_utf8(entry.payload).unwrap();
            assert!(seen.insert(name.clone()), "{name} came twice");
            order.push(name);
        }
        if seen.len() == expected {
            break;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    while writers.join_next().await.is_some() {}
    assert_eq!(seen.len(), expected, "rows were skipped");
    for writer in 0..WRITERS {
        let own: Vec<u32> = order
            .iter()
            .filter_map(|name| {
                name.strip_prefix(&format!("{writer}-")).and_then(|number| number.parse().ok())
            })
            .collect();
        assert!(own.is_sorted(), "writer {writer}'s rows changed their order: {own:?}");
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    nothing_is_skipped(open("", folder.path()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgresql() {
    let postgres = Postgres::start();
    let folder = tempfile::tempdir().unwrap();
    nothing_is_skipped(open(&postgres.url("order"), folder.path()).await).await;
}
