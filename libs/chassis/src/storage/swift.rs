//! What need not wait for the disk, only outlive the process: the line of a look, written before the look is answered.
use std::{sync::Arc, time::Duration};

use futures::FutureExt as _;
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};
use serde::{Serialize, de::DeserializeOwned};
use tokio_util::task::AbortOnDropHandle;

use super::{Store, Tx, Writers, corrupt, hand::told, journal::Journal, sql, undisturbed};
use crate::{
    fault::{Answer, Fault},
    feed::cursor,
    gathered::Gathered,
};

const CURSOR: &str = "journal";

// Of what is brought in together, each line costs a fraction.
const PAUSE: Duration = Duration::from_millis(250);

// After what went wrong.
const AGAIN: Duration = Duration::from_secs(5);

// So many at once, where each brings its own transaction.
const TOGETHER: usize = 256;

/// A kind of lines, and how they are added.
pub trait Swiftly: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// By statements of PostgreSQL.
    fn adding(lines: &[Self]) -> Answer<Adding>;
    /// In a transaction of SQLite.
    fn add(tx: &Tx, lines: Vec<Self>) -> impl Future<Output = Answer<()>> + Send;
}

/// Two statements on the same values, run as one. Neither relies on seeing what the other wrote.
pub struct Adding {
    /// The statements.
    pub statements: [String; 2],
    /// The values of both.
    pub values: Vec<Value>,
}

/// Lines of a service, which has one kind of them: there once they are written, whatever becomes of the process, and after a power cut where it
/// came some tenths of a second later. On PostgreSQL they are committed without waiting for the disk (asynchronous commit), together where
/// several wait. On SQLite they go into a file beside the database, and into the database a moment later: who reads them there settles first.
pub struct Swift<L> {
    store: Store,
    gathered: Gathered<L, ()>,
    _follows: Option<AbortOnDropHandle<()>>,
}

impl<L: Swiftly> Swift<L> {
    /// Opens them, and brings in what an earlier process left.
    pub async fn open(store: &Store) -> anyhow::Result<Self> {
        let mut follows = None;
        if let Some(journal) = store.journal() {
            journal.after(noted(store.read()).await.map_err(left_beside)?);
            *journal.brings_in.lock().await = Some(|store, number| bring_in::<L>(store, number).boxed());
            store.settle().await.map_err(left_beside)?;
            follows = Some(AbortOnDropHandle::new(tokio::spawn(follow(store.clone()))));
        }
        Ok(Self { store: store.clone(), gathered: Gathered::new(1, TOGETHER), _follows: follows })
    }

    /// Writes a line.
    pub async fn write(&self, line: L) -> Answer<()> {
        if let Some(journal) = self.store.journal() {
            return journal.append(serde_json::to_vec(&line).map_err(Fault::internal)?);
        }
        let store = self.store.clone();
        let put = move |lines: Vec<L>| {
            let store = store.clone();
            async move {
                store.add_swiftly(L::adding(&lines)?).await?;
                Ok(vec![(); lines.len()])
            }
        };
        self.gathered.ask(line, put).await
    }

    /// Writes a line for which others should not wait, since it takes long.
    pub async fn write_alone(&self, line: L) -> Answer<()> {
        if self.store.is_sqlite() {
            return self.write(line).await;
        }
        self.store.add_swiftly(L::adding(&[line])?).await
    }

    /// Brings in what was written before, so that it is read.
    pub async fn settle(&self) -> Answer<()> {
        self.store.settle().await
    }
}

fn left_beside(fault: Fault) -> anyhow::Error {
    anyhow::anyhow!("what lies beside the database can't be brought in: {fault}")
}

async fn bring_in<L: Swiftly>(store: Store, number: u64) -> Answer<()> {
    let Some(journal) = store.journal() else { return Ok(()) };
    // To read some thousands takes milliseconds, which would hold up every call on this thread.
    let files = journal.clone();
    let reading = move || files.lines(number).map(|lines| read::<L>(&lines));
    let lines = tokio::task::spawn_blocking(reading).await.map_err(Fault::internal)?;
    let lines = lines.map_err(Fault::internal)?;
    let tx = store.begin().await?;
    // Else who brought it in got no further.
    if noted(&*tx).await? < number {
        L::add(&tx, lines).await?;
        let text = "INSERT INTO cursors (feed, position) VALUES ($1, $2) \
                    ON CONFLICT (feed) DO UPDATE SET position = excluded.position";
        tx.execute_raw(sql(&*tx, text, [CURSOR.into(), number.to_string().into()])).await?;
        tx.commit().await?;
    }
    journal.remove(number).map_err(Fault::internal)
}

// A power cut may leave a line that is none; the others are as good as before.
fn read<L: DeserializeOwned>(lines: &[Vec<u8>]) -> Vec<L> {
    let read = lines.iter().filter_map(|line| match serde_json::from_slice(line) {
        Ok(line) => Some(line),
        Err(error) => {
            tracing::error!(%error, bytes = line.len(), "a line beside the database can't be read, and is lost");
            None
        }
    });
    read.collect()
}

// The last file that was brought in.
async fn noted(db: &impl ConnectionTrait) -> Answer<u64> {
    let number = cursor(db, CURSOR).await?;
    if number.is_empty() { Ok(0) } else { number.parse().map_err(|error| corrupt("cursor", error)) }
}

async fn follow(store: Store) {
    let Some(journal) = store.journal() else { return };
    loop {
        journal.written.notified().await;
        tokio::time::sleep(PAUSE).await;
        if let Err(fault) = store.settle().await {
            tracing::warn!(%fault, "what lies beside a SQLite file is not brought in now");
            tokio::time::sleep(AGAIN).await;
            journal.written.notify_one();
        }
    }
}

impl Store {
    fn journal(&self) -> Option<&Arc<Journal>> {
        match &self.write {
            Writers::Postgres(_) => None,
            Writers::Sqlite(file) => Some(&file.journal),
        }
    }

    // What lies beside the file, brought into it.
    pub(super) async fn settle(&self) -> Answer<()> {
        let Some(journal) = self.journal() else { return Ok(()) };
        let known = journal.brings_in.lock().await;
        let Some(bring_in) = *known else { return Ok(()) };
        for number in journal.whole() {
            bring_in(self.clone(), number).await?;
        }
        Ok(())
    }

    // On PostgreSQL, without waiting for the disk.
    async fn add_swiftly(&self, adding: Adding) -> Answer<()> {
        let Writers::Postgres(ways) = &self.write else {
            return Err(Fault::internal(anyhow::anyhow!("statements of PostgreSQL for SQLite")));
        };
        let Adding { statements: [first, second], values } = adding;
        let text = format!("WITH first AS ({first}) {second}");
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, text, values);
        let swift = ways.swift.clone();
        undisturbed(async move { swift.take().await.map_err(told)?.execute(statement).await }).await??;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sea_orm_migration::{MigrationTrait, MigratorTrait};
    use serde::Deserialize;

    use super::*;
    use crate::{
        storage::{Place, journals, migrations, told_as},
        trial::Postgres,
    };

    struct Tables;

    impl MigratorTrait for Tables {
        fn migrations() -> Vec<Box<dyn MigrationTrait>> {
            migrations(&[(
                "things",
                "CREATE TABLE things (id BIGINT PRIMARY KEY); CREATE TABLE counts (name TEXT PRIMARY KEY, counted BIGINT NOT NULL);",
            )])
        }
    }

    #[derive(Serialize, Deserialize)]
    struct Thing(i64);

    fn counting(place: usize) -> String {
        format!(
            "INSERT INTO counts (name, counted) VALUES ('things', ${place}) \
             ON CONFLICT (name) DO UPDATE SET counted = counts.counted + excluded.counted"
        )
    }

    impl Swiftly for Thing {
        fn adding(things: &[Self]) -> Answer<Adding> {
            let rows: serde_json::Value =
                things.iter().map(|thing| serde_json::json!({ "id": thing.0 })).collect();
            let told = told_as(DbBackend::Postgres, 1, &[("id", "BIGINT")]);
            let things_there = format!("INSERT INTO things (id) SELECT id FROM {told}");
            let many = i64::try_from(things.len()).map_err(Fault::internal)?;
            Ok(Adding {
                statements: [things_there, counting(2)],
                values: vec![rows.to_string().into(), many.into()],
            })
        }

        async fn add(tx: &Tx, things: Vec<Self>) -> Answer<()> {
            let many = i64::try_from(things.len()).map_err(Fault::internal)?;
            tx.execute_raw(sql(&**tx, &counting(1), [many.into()])).await?;
            tx.add("things", &["id"], things.into_iter().map(|thing| vec![thing.0.into()]).collect()).await
        }
    }

    async fn open(folder: &Path, url: &str) -> (Store, Swift<Thing>) {
        let store = Store::open::<Tables>(Place { service: "things", data_dir: folder, url }).await.unwrap();
        let swift = Swift::open(&store).await.unwrap();
        (store, swift)
    }

    // How many there are, and how many were counted.
    async fn there(store: &Store) -> (i64, i64) {
        let ask = "SELECT (SELECT COUNT(*) FROM things), COALESCE((SELECT counted FROM counts), 0)";
        let row = store.read().query_one_raw(sql(store.read(), ask, [])).await.unwrap().unwrap();
        (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap())
    }

    async fn are_there(url: &str) {
        let folder = tempfile::tempdir().unwrap();
        let (store, swift) = open(folder.path(), url).await;
        let writing = (0..200).map(|id| swift.write(Thing(id)));
        for written in futures::future::join_all(writing).await {
            written.unwrap();
        }
        swift.write_alone(Thing(200)).await.unwrap();
        swift.settle().await.unwrap();
        assert_eq!(there(&store).await, (201, 201));
        // Without being asked for, a moment later; at the end at once.
        swift.write(Thing(201)).await.unwrap();
        let brought_in = async {
            while there(&store).await != (202, 202) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), brought_in).await.expect("it is not brought in");
        swift.write(Thing(202)).await.unwrap();
        store.close().await;
        assert!(journals(folder.path(), "things").unwrap().is_empty());
        let (store, _) = open(folder.path(), url).await;
        assert_eq!(there(&store).await, (203, 203));
    }

    #[tokio::test]
    async fn lines_are_there_on_sqlite() {
        are_there("").await;
    }

    #[tokio::test]
    async fn lines_are_there_on_postgresql() {
        are_there(&Postgres::start().url("swift")).await;
    }

    // Who waits for commits asks the database at each, and lines come by thousands a second.
    #[tokio::test]
    async fn lines_wake_nobody_on_postgresql() {
        let (postgres, folder) = (Postgres::start(), tempfile::tempdir().unwrap());
        let (store, swift) = open(folder.path(), &postgres.url("wakes")).await;
        let commits = store.commits();
        swift.write(Thing(1)).await.unwrap();
        swift.write_alone(Thing(2)).await.unwrap();
        assert_eq!((there(&store).await, commits.has_changed().unwrap()), ((2, 2), false));
        store.begin().await.unwrap().commit().await.unwrap();
        assert!(commits.has_changed().unwrap());
    }

    // As a crash leaves them: a file not brought in, one brought in and not removed, and one of which only the number is noted.
    #[tokio::test]
    async fn what_a_crash_leaves_is_brought_in_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = |number: u32| folder.path().join(format!("things.journal-{number}"));
        std::fs::write(file(3), "1\n2\n").unwrap();
        std::fs::write(file(4), "3\nnot a number\n4\n5").unwrap();
        let (store, swift) = open(folder.path(), "").await;
        assert_eq!(there(&store).await, (4, 4), "but for the one that is none, and the one that has no end");
        drop((store, swift));
        std::fs::write(file(4), "3\n4\n").unwrap();
        let (store, swift) = open(folder.path(), "").await;
        assert_eq!(there(&store).await, (4, 4));
        swift.write(Thing(6)).await.unwrap();
        assert!(file(5).exists() && !file(4).exists());
        swift.settle().await.unwrap();
        assert_eq!(there(&store).await, (5, 5));
    }

    #[tokio::test]
    async fn what_can_not_be_brought_in_stays_whole_beside_and_others_go_on_writing() {
        let folder = tempfile::tempdir().unwrap();
        let (store, swift) = open(folder.path(), "").await;
        let run = async |text: &str| {
            let tx = store.begin().await.unwrap();
            tx.execute_unprepared(text).await.unwrap();
            tx.commit().await.unwrap();
        };
        run("INSERT INTO things (id) VALUES (2)").await;
        for id in [1, 2] {
            swift.write(Thing(id)).await.unwrap();
        }
        assert!(swift.settle().await.is_err());
        swift.write(Thing(3)).await.unwrap();
        assert!(swift.settle().await.is_err());
        assert_eq!(there(&store).await, (1, 0), "nothing by halves");
        assert_eq!(journals(folder.path(), "things").unwrap().len(), 2);
        run("DELETE FROM things").await;
        swift.settle().await.unwrap();
        assert_eq!(there(&store).await, (3, 3));
    }
}
