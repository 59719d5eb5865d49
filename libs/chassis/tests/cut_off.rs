//! Work with the database is cut off wherever it waits, as it is when a caller hangs up or a worker stops: no connection comes back to the pool
//! in the middle of a transaction, or of an answer.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail loudly")]
use std::{
    future::poll_fn,
    pin::pin,
    sync::atomic::{AtomicI64, Ordering},
    task::Poll,
    time::Duration,
};

use chassis::{
    Answer, Fault, Store, Tx, fault,
    storage::{Adding, Place, Swift, Swiftly, each_of, migrations, sql, told_as},
    trial::Postgres,
};
use futures::{FutureExt as _, future::BoxFuture};
use sea_orm::{ConnectionTrait, DbBackend};
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use serde::{Deserialize, Serialize};

struct Tables;

impl MigratorTrait for Tables {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        migrations(&[("things", "CREATE TABLE things (id BIGINT PRIMARY KEY, text TEXT NOT NULL);")])
    }
}

static NEXT: AtomicI64 = AtomicI64::new(1);

fn fresh() -> i64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

// Those that add several rows begin their texts with their own name: what is cut off is done to its end all the same, which may be when others
// are cut off already.
const SWIFT: &str = "statements that do not wait for the disk";
const MIXED: &str = "statements and copies";
const COPIES: &str = "copies";

fn long(begin: &str) -> String {
    format!("{begin}{}", "x".repeat(2_000))
}

// What is cut off, and how many rows it adds where it is not.
type Kind = (&'static str, i64, fn(&Store) -> BoxFuture<'_, Answer<()>>);

const KINDS: [Kind; 7] = [
    ("a query", 0, |store| query(store).boxed()),
    (SWIFT, 2, |store| swift(store).boxed()),
    ("a transaction", 1, |store| transaction(store).boxed()),
    (MIXED, 301, |store| mixed(store).boxed()),
    (COPIES, 300, |store| copies(store).boxed()),
    ("a view", 0, |store| view(store).boxed()),
    ("a scan", 0, |store| scan(store).boxed()),
];

async fn query(store: &Store) -> Answer<()> {
    store.read().query_all_raw(sql(store.read(), "SELECT id, text FROM things", [])).await?;
    Ok(())
}

// Each line is two rows, one a statement.
#[derive(Serialize, Deserialize)]
struct Twice([i64; 2]);

impl Swiftly for Twice {
    fn adding(lines: &[Self]) -> Answer<Adding> {
        let rows: serde_json::Value = lines
            .iter()
            .map(|Self([one, other])| serde_json::json!({ "one": one, "other": other }))
            .collect();
        let told = told_as(DbBackend::Postgres, 1, &[("one", "BIGINT"), ("other", "BIGINT")]);
        let statements = ["one", "other"]
            .map(|id| format!("INSERT INTO things (id, text) SELECT {id}, '{SWIFT}' FROM {told}"));
        Ok(Adding { statements, values: vec![rows.to_string().into()] })
    }

    async fn add(tx: &Tx, lines: Vec<Self>) -> Answer<()> {
        for id in lines.into_iter().flat_map(|line| line.0) {
            let text = "INSERT INTO things (id, text) VALUES ($1, $2)";
            tx.execute_raw(sql(tx, text, [id.into(), SWIFT.into()])).await?;
        }
        Ok(())
    }
}

async fn swift(store: &Store) -> Answer<()> {
    let swift = Swift::open(store).await.map_err(Fault::internal)?;
    swift.write(Twice([fresh(), fresh()])).await?;
    swift.settle().await
}

async fn transaction(store: &Store) -> Answer<()> {
    let tx = store.begin().await?;
    tx.execute_raw(sql(&tx, "INSERT INTO things (id, text) VALUES ($1, '')", [fresh().into()])).await?;
    tx.commit().await
}

async fn mixed(store: &Store) -> Answer<()> {
    let tx = store.begin().await?;
    let one = sql(&tx, "INSERT INTO things (id, text) VALUES ($1, $2)", [fresh().into(), MIXED.into()]);
    tx.execute_raw(one).await?;
    // More than one message to the database.
    let rows = (0..300).map(|_| vec![fresh().into(), long(MIXED).into()]);
    tx.add("things", &["id", "text"], rows.collect()).await?;
    tx.commit().await
}

async fn copies(store: &Store) -> Answer<()> {
    use chassis::storage::Cells as _;
    let mut bulk = store.bulk().await?.expect("PostgreSQL");
    let text = long(COPIES);
    let new = bulk
        .copy("things", &["id", "text"], 0..300, |_, row| {
            row.bigint(fresh());
            row.text(&text);
        })
        .await?;
    assert!(new);
    bulk.commit().await
}

async fn view(store: &Store) -> Answer<()> {
    let view = store.view().await?;
    view.query_all_raw(sql(&view, "SELECT COUNT(*) FROM things", [])).await?;
    Ok(())
}

async fn scan(store: &Store) -> Answer<()> {
    // More than one message from the database, yet few enough that a wait for each row ends.
    store.scan("SELECT id, text FROM things WHERE id < $1", [60_i64.into()]).await?;
    Ok(())
}

// Drops a future where it waits after so many waits; nothing where it was dropped.
async fn cut<T>(future: impl Future<Output = T>, mut waits: u32) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if waits == 0 => Poll::Ready(None),
        Poll::Pending => {
            waits -= 1;
            Poll::Pending
        }
    })
    .await
}

async fn number(store: &Store, text: &str) -> i64 {
    let row = store.read().query_one_raw(sql(store.read(), text, [])).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

// Every connection is good for the next who gets it.
async fn is_sound(store: &Store, after: &str) {
    if !store.is_sqlite() {
        let busy = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' \
                    AND pid <> pg_backend_pid()";
        let mut tries = 0;
        while number(store, busy).await > 0 {
            tries += 1;
            assert!(tries < 500, "a connection is left in a transaction after {after}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    let all = (0..8).map(|_| async {
        number(store, "SELECT COUNT(*) FROM things").await;
        transaction(store).await
    });
    for done in futures::future::join_all(all).await {
        done.unwrap_or_else(|fault| panic!("after {after}: {fault}"));
    }
}

async fn survives(store: Store) {
    // SQLite has nothing to copy with.
    for (name, rows, work) in KINDS.into_iter().filter(|(name, ..)| *name != COPIES || !store.is_sqlite()) {
        let added = format!("SELECT COUNT(*) FROM things WHERE text LIKE '{name}%'");
        let (mut cuts, mut waits) = (0, 0);
        for turn in 0..200 {
            let mut ended = 0;
            for _ in 0..4 {
                match cut(work(&store), waits).await {
                    Some(done) => {
                        done.unwrap();
                        ended += 1;
                    }
                    None => cuts += 1,
                }
            }
            is_sound(&store, &format!("{name} was cut off at wait {waits}")).await;
            assert_eq!(number(&store, &added).await % rows.max(1), 0, "{name} is there by halves");
            if ended < 4 {
                waits += 1;
            } else if cuts > 0 {
                break;
            }
            // On busy processors an answer may be there before it was waited for: such a turn shows nothing, and is had again.
            assert!(turn < 199, "{name} does not end, or was never cut off: {cuts} cuts, {waits} waits");
        }
    }
    fails_whole(&store).await;
    scanned(&store).await;
    store.close().await;
}

// Values come back as they went in; and a scan that fails, before its first row or among them, leaves nothing to who gets its connection.
async fn scanned(store: &Store) {
    for value in ["", "a", "it's", "\\", "\\'; --", "\"q\"", "$1 $2", "{a,b}", "E'\\n", "中\n文"] {
        let text = "SELECT CAST($1 AS TEXT), CAST($2 AS INTEGER), CAST(NULL AS TEXT), CAST($1 AS TEXT)";
        let lines = store.scan(text, [value.into(), (-7_i32).into()]).await.unwrap();
        let line = lines.first().unwrap();
        let (first, last) = (line.text(0).unwrap(), line.text(3).unwrap());
        assert_eq!((lines.len(), &*first, &*last, line.int(1).unwrap()), (1, value, value, -7));
        assert_eq!(line.text_or_none(2).unwrap(), None);
        assert!(line.text(2).is_err() && line.text(4).is_err());
        let (listed, list) = each_of(store.read(), 1, &[value, "other"]);
        let lines =
            store.scan(&format!("SELECT value FROM {listed} WHERE value <> 'other'"), [list]).await.unwrap();
        assert_eq!((lines.len(), &*lines[0].text(0).unwrap()), (1, value));
    }
    for turn in 0..20 {
        assert!(store.scan("SELECT id FROM nowhere", []).await.is_err());
        if !store.is_sqlite() {
            let late = "SELECT 1 / (900 - number) FROM generate_series(1, 1000) AS numbers (number)";
            assert!(store.scan(late, []).await.is_err());
        }
        let lines = store.scan("SELECT CAST($1 AS INTEGER)", [turn.into()]).await.unwrap();
        assert_eq!((lines.len(), lines[0].int(0).unwrap()), (1, turn));
        assert_eq!(number(store, &format!("SELECT CAST({turn} AS BIGINT)")).await, i64::from(turn));
    }
    is_sound(store, "scans that failed").await;
}

// Of two statements that are one transaction the first is gone when the second fails; and who comes next finds no transaction. On SQLite the
// line would wait beside the file for somebody to mend it.
async fn fails_whole(store: &Store) {
    if store.is_sqlite() {
        return;
    }
    let swift = Swift::open(store).await.unwrap();
    for _ in 0..3 {
        let id = fresh();
        assert!(swift.write(Twice([id, id])).await.is_err(), "one key twice");
        assert_eq!(number(store, &format!("SELECT COUNT(*) FROM things WHERE id = {id}")).await, 0);
        swift.write(Twice([id, fresh()])).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cut_off_leaves_no_transaction_open_on_postgresql() {
    let postgres = Postgres::start();
    let folder = tempfile::tempdir().unwrap();
    let place = Place { service: "things", data_dir: folder.path(), url: &postgres.url("cut") };
    survives(Store::open::<Tables>(place).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cut_off_leaves_no_transaction_open_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place { service: "things", data_dir: folder.path(), url: "" };
    survives(Store::open::<Tables>(place).await.unwrap()).await;
}

async fn setting(store: &Store, name: &str) -> String {
    let shown = sql(store.read(), &format!("SELECT current_setting('{name}')"), []);
    store.read().query_one_raw(shown).await.unwrap().unwrap().try_get_by_index(0).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_long_is_ended_and_a_database_that_is_gone_is_tried_again() {
    let postgres = Postgres::start();
    let folder = tempfile::tempdir().unwrap();
    let url = postgres.url("away");
    let place = Place { service: "things", data_dir: folder.path(), url: &url };
    let store = Store::open::<Tables>(place).await.unwrap();
    for (name, expected) in [
        ("statement_timeout", "5min"),
        ("jit", "off"),
        ("lock_timeout", "1min"),
        ("idle_in_transaction_session_timeout", "5min"),
    ] {
        assert_eq!(setting(&store, name).await, expected, "{name}");
    }

    // The operator's word goes before ours.
    let url = format!("{url}&options=-c%20statement_timeout%3D200ms");
    let place = Place { service: "things", data_dir: folder.path(), url: &url };
    let hasty = Store::open::<Tables>(place).await.unwrap();
    assert_eq!(setting(&hasty, "statement_timeout").await, "200ms");
    assert_eq!(setting(&hasty, "lock_timeout").await, "1min");
    let slow = hasty.begin().await.unwrap();
    let ended = slow.execute_unprepared("SELECT pg_sleep(5)").await.unwrap_err();
    assert_eq!(Fault::from(ended).kind(), fault::Kind::Unavailable);
    drop(slow);
    transaction(&hasty).await.unwrap();

    drop(postgres);
    let gone = transaction(&store).await.unwrap_err();
    assert_eq!(gone.kind(), fault::Kind::Unavailable, "{gone}");
    let gone = store.read().execute_unprepared("SELECT 1").await.unwrap_err();
    assert_eq!(Fault::from(gone).kind(), fault::Kind::Unavailable);
}
