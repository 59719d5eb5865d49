//! SQLite's log folded back into the file (checkpoint), beside who writes. SQLite itself has it done by the writer whose commit makes the log long
//! enough, and everybody who writes waits for the disk meanwhile.
use std::time::Duration;

use sea_orm::{DbBackend, DbErr, Statement, sqlx::Sqlite};
use tokio::sync::watch;

use super::hand::{Hand, told};

// Pages, of 4 KiB each. To fold often would write most pages twice; the longer the log, the longer a reader looks for a page in it.
const LONG: i64 = 8_192;
// Where this can't keep up the writers fold themselves.
pub(super) const TOO_LONG: &str = "65536";

const TICK: Duration = Duration::from_millis(100);
// Somebody reads what the log holds: what came after that is folded when he is done.
const READ: Duration = Duration::from_secs(1);

/// Folds after commits, until the connections are closed or nobody is left who commits. `turn` is the one writer's.
pub(super) async fn follow(fold: Hand<Sqlite>, turn: Hand<Sqlite>, mut commits: watch::Receiver<u64>) {
    while commits.changed().await.is_ok() {
        let pause = match step(&fold, &turn).await {
            Ok(true) => TICK,
            Ok(false) => READ,
            Err(_) if fold.pool().is_closed() => return,
            Err(error) => {
                tracing::warn!(%error, "the log of a SQLite file is not folded now");
                READ
            }
        };
        tokio::time::sleep(pause).await;
    }
}

// Folds a log that is long; false where a reader stands in the way.
async fn step(fold: &Hand<Sqlite>, turn: &Hand<Sqlite>) -> Result<bool, DbErr> {
    if checkpoint(fold, "NOOP").await?.pages < LONG {
        return Ok(true);
    }
    // What takes long is done beside the writers; then one waits for the rest, so that the log begins anew.
    checkpoint(fold, "PASSIVE").await?;
    let _turn = turn.take().await.map_err(told)?;
    let log = checkpoint(fold, "PASSIVE").await?;
    Ok(log.folded >= log.pages)
}

struct Log {
    pages: i64,
    folded: i64,
}

async fn checkpoint(fold: &Hand<Sqlite>, how: &str) -> Result<Log, DbErr> {
    let statement = Statement::from_string(DbBackend::Sqlite, format!("PRAGMA wal_checkpoint({how})"));
    let row = fold.take().await.map_err(told)?.one(statement).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound(String::from("of a checkpoint")))?;
    Ok(Log { pages: row.try_get_by_index(1)?, folded: row.try_get_by_index(2)? })
}

#[cfg(test)]
mod tests {
    use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};

    use super::*;

    // A connection that never folds by itself.
    fn one(file: &std::path::Path) -> Hand<Sqlite> {
        let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
        let options = options.journal_mode(SqliteJournalMode::Wal).pragma("wal_autocheckpoint", "0");
        Hand::of(SqlitePoolOptions::new().max_connections(1).connect_lazy_with(options))
    }

    async fn run(hand: &Hand<Sqlite>, text: &str) {
        hand.take().await.unwrap().unprepared(text).await.unwrap();
    }

    async fn pages(hand: &Hand<Sqlite>) -> i64 {
        checkpoint(hand, "NOOP").await.unwrap().pages
    }

    #[tokio::test]
    async fn a_long_log_is_folded_and_a_reader_makes_it_wait() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("some.sqlite");
        let (writer, reader, fold) = (one(&file), one(&file), one(&file));
        let (filled, one_more) =
            ("INSERT INTO things SELECT zeroblob(40000000)", "INSERT INTO things VALUES (zeroblob(1))");
        run(&writer, "CREATE TABLE things (bytes BLOB)").await;
        assert!(step(&fold, &writer).await.unwrap());
        assert!(pages(&fold).await < 10, "a short log is left alone");

        run(&writer, filled).await;
        assert!(pages(&fold).await >= LONG);
        assert!(step(&fold, &writer).await.unwrap());
        run(&writer, one_more).await;
        assert!(pages(&fold).await < 10, "it begins anew");

        let mut looking = reader.take().await.unwrap();
        looking.unprepared("BEGIN; SELECT COUNT(*) FROM things").await.unwrap();
        run(&writer, filled).await;
        assert!(!step(&fold, &writer).await.unwrap(), "somebody reads what was before");
        run(&writer, one_more).await;
        assert!(pages(&fold).await >= LONG);
        looking.unprepared("COMMIT").await.unwrap();
        assert!(step(&fold, &writer).await.unwrap());
        run(&writer, one_more).await;
        assert!(pages(&fold).await < 10);
    }

    #[tokio::test]
    async fn it_follows_the_commits_and_ends_with_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("some.sqlite");
        let (writer, fold) = (one(&file), one(&file));
        let (commits, seen) = watch::channel(0_u64);
        let following = tokio::spawn(follow(fold.clone(), writer.clone(), seen));
        run(&writer, "CREATE TABLE things (bytes BLOB); INSERT INTO things SELECT zeroblob(40000000)").await;
        commits.send_replace(1);
        let folded = async {
            while checkpoint(&fold, "NOOP").await.unwrap().folded < LONG {
                tokio::time::sleep(TICK).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), folded).await.expect("nobody folds");
        drop(commits);
        tokio::time::timeout(Duration::from_secs(60), following).await.expect("it goes on").unwrap();
    }
}
