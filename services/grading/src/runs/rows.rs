//! The table of the parts of runs.
use std::collections::BTreeMap;

use chassis::{
    Answer, Store, Tx,
    storage::{corrupt, database_now, insert_rows, sql},
};
use prost::Message;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Value};

// Any number will do, as long as nobody else in this database uses it.
const LOCK: i64 = 640_303;
const LEASE_MICROS: i64 = 15_000_000;

/// How many subjects have each grade.
pub type Distribution = BTreeMap<String, i32>;

#[derive(Clone, PartialEq, Message)]
struct Counts {
    #[prost(btree_map = "string, int32", tag = "1")]
    of_grade: Distribution,
}

fn distribution(bytes: &[u8]) -> Answer<Distribution> {
    Ok(Counts::decode(bytes).map_err(|error| corrupt("distribution", error))?.of_grade)
}

/// Lets one run at a time be divided, until the transaction ends.
pub async fn plan_alone(tx: &Tx) -> Answer<()> {
    if tx.get_database_backend() == DbBackend::Postgres {
        tx.execute_raw(sql(tx, "SELECT pg_advisory_xact_lock($1)", [LOCK.into()])).await?;
    }
    Ok(())
}

/// Whether another run that grades under the scheme has parts that are not done.
pub async fn is_busy(db: &impl ConnectionTrait, scheme: &str) -> Answer<bool> {
    let text = "SELECT 1 AS one FROM run_shards s JOIN operations o ON o.id = s.run \
                WHERE s.scheme = $1 AND s.grading = TRUE AND s.done = FALSE AND o.done = FALSE LIMIT 1";
    Ok(db.query_one_raw(sql(db, text, [scheme.into()])).await?.is_some())
}

/// Stores the parts of a run, each by its last code, in their order; the parts of runs that ended go.
pub async fn plan(tx: &Tx, run: &str, scheme: &str, grading: bool, ends: Vec<String>) -> Answer<()> {
    let ended = "DELETE FROM run_shards WHERE run IN (SELECT id FROM operations WHERE done = TRUE)";
    tx.execute_raw(sql(tx, ended, [])).await?;
    let now = format!("SELECT {} AS now", database_now(tx));
    let now = tx.query_one_raw(sql(tx, &now, [])).await?;
    let now: i64 = now.map(|row| row.try_get("", "now")).transpose()?.unwrap_or_default();
    let columns = [
        "run",
        "shard",
        "scheme",
        "grading",
        "reached",
        "ends_with",
        "evaluated",
        "changed",
        "distribution",
        "done",
        "failures",
        "lease_owner",
        "lease_until",
        "planned_at",
    ];
    let begins: Vec<String> =
        [String::new()].into_iter().chain(ends.iter().cloned()).take(ends.len()).collect();
    let row = |(place, (begin, end)): (usize, (String, String))| -> Vec<Value> {
        vec![
            run.into(),
            i32::try_from(place).unwrap_or(i32::MAX).into(),
            scheme.into(),
            grading.into(),
            begin.into(),
            end.into(),
            0_i32.into(),
            0_i32.into(),
            Vec::<u8>::new().into(),
            false.into(),
            0_i32.into(),
            "".into(),
            0_i64.into(),
            now.into(),
        ]
    };
    let rows = begins.into_iter().zip(ends).enumerate().map(row).collect();
    insert_rows(tx, "run_shards", &columns, rows, "").await?;
    Ok(())
}

/// A part that a worker holds.
pub struct Shard {
    pub run: String,
    pub number: i32,
    /// The run's request, as it lies in the operation.
    pub request: Vec<u8>,
    /// The last code before the part; a worker of a former release may have got further, which the column then says.
    pub begins_after: String,
    /// The last code of the part.
    pub ends_with: String,
    pub evaluated: i32,
    pub changed: i32,
    pub held: i32,
    pub distribution: Distribution,
}

#[derive(FromQueryResult)]
struct Claimed {
    run: String,
    shard: i32,
    reached: String,
    ends_with: String,
    evaluated: i32,
    changed: i32,
    held: i32,
    distribution: Vec<u8>,
}

/// Claims the next part that nobody works on, of the oldest run first.
pub async fn claim(store: &Store, owner: &str) -> Answer<Option<Shard>> {
    let db = store.read();
    let waiting = format!(
        "SELECT s.run, s.shard FROM run_shards s JOIN operations o ON o.id = s.run \
         WHERE s.done = FALSE AND o.done = FALSE AND s.lease_until < {} ORDER BY s.planned_at, s.run, s.shard LIMIT 1",
        database_now(db)
    );
    // A look costs no write lock; only where a part waits is the claim made.
    if db.query_one_raw(sql(db, &waiting, [])).await?.is_none() {
        return Ok(None);
    }
    let tx = store.begin().await?;
    let skip = if store.is_sqlite() { "" } else { "FOR UPDATE OF s SKIP LOCKED" };
    let text = format!(
        "UPDATE run_shards SET lease_owner = $1, lease_until = {} + {LEASE_MICROS} \
         WHERE (run, shard) = ({waiting} {skip}) RETURNING run, shard, reached, ends_with, evaluated, changed, held, distribution",
        database_now(&tx)
    );
    let Some(row) = Claimed::find_by_statement(sql(&tx, &text, [owner.into()])).one(&tx).await? else {
        return Ok(None);
    };
    let text = "SELECT request FROM operations WHERE id = $1";
    let operation = tx.query_one_raw(sql(&tx, text, [row.run.as_str().into()])).await?;
    let request = operation.map(|row| row.try_get("", "request")).transpose()?.unwrap_or_default();
    tx.commit().await?;
    Ok(Some(Shard {
        run: row.run,
        number: row.shard,
        request,
        begins_after: row.reached,
        ends_with: row.ends_with,
        evaluated: row.evaluated,
        changed: row.changed,
        held: row.held,
        distribution: distribution(&row.distribution)?,
    }))
}

/// Notes what a part has come to, in the transaction of the effect; false where it is no longer the owner's, or the run has ended.
pub async fn finish(tx: &Tx, owner: &str, shard: &Shard) -> Answer<bool> {
    let text = "UPDATE run_shards SET evaluated = $4, changed = $5, distribution = $6, held = $7, done = TRUE, failures = 0 \
                WHERE run = $1 AND shard = $2 AND lease_owner = $3 AND done = FALSE";
    let counts = Counts { of_grade: shard.distribution.clone() };
    let values = [
        shard.run.as_str().into(),
        shard.number.into(),
        owner.into(),
        shard.evaluated.into(),
        shard.changed.into(),
        counts.encode_to_vec().into(),
        shard.held.into(),
    ];
    Ok(tx.execute_raw(sql(tx, text, values)).await?.rows_affected() == 1)
}

/// Renews the lease of a part; false where it is lost.
pub async fn renew(store: &Store, owner: &str, shard: (&str, i32)) -> Answer<bool> {
    let tx = store.begin().await?;
    let text = format!(
        "UPDATE run_shards SET lease_until = {} + {LEASE_MICROS} WHERE run = $1 AND shard = $2 AND lease_owner = $3 AND done = FALSE",
        database_now(&tx)
    );
    let values = [shard.0.into(), shard.1.into(), owner.into()];
    let renewed = tx.execute_raw(sql(&tx, &text, values)).await?.rows_affected() == 1;
    tx.commit().await?;
    Ok(renewed)
}

/// Gives a part back, after a failure or because the worker stops.
pub async fn release(store: &Store, owner: &str, shard: (&str, i32), failed: bool) -> Answer<()> {
    let tx = store.begin().await?;
    let text = "UPDATE run_shards SET lease_until = 0, failures = failures + $4 WHERE run = $1 AND shard = $2 AND lease_owner = $3";
    let values = [shard.0.into(), shard.1.into(), owner.into(), i32::from(failed).into()];
    tx.execute_raw(sql(&tx, text, values)).await?;
    tx.commit().await
}

/// Frees what a dead process held. A SQLite file has one process: whatever lease stands in it at the start is such a one.
pub async fn adopt(store: &Store) -> Answer<()> {
    if !store.is_sqlite() {
        return Ok(());
    }
    let tx = store.begin().await?;
    tx.execute_raw(sql(&tx, "UPDATE run_shards SET lease_until = 0 WHERE done = FALSE", [])).await?;
    tx.commit().await
}

/// Lets nothing more of a run take effect after the transaction; waits for the batches that are about to.
pub async fn close(tx: &Tx, run: &str) -> Answer<()> {
    let text = "UPDATE run_shards SET done = TRUE WHERE run = $1 AND done = FALSE";
    tx.execute_raw(sql(tx, text, [run.into()])).await?;
    Ok(())
}

/// Has PostgreSQL measure the tables that a great run has filled. Until it does so by itself, a minute later, it takes them to be small, and to sort all
/// grades of a scheme to be the shortest way to each page of them.
pub async fn measure(store: &Store) -> Result<(), DbErr> {
    if !store.is_sqlite() {
        store.read().execute_unprepared("ANALYZE sheets").await?;
        store.read().execute_unprepared("ANALYZE grades").await?;
    }
    Ok(())
}

/// What the parts of a run have come to together.
#[derive(Default)]
pub struct Sums {
    pub shards: i32,
    pub done: i32,
    pub evaluated: i32,
    pub changed: i32,
    pub held: i32,
    pub distribution: Distribution,
    /// How often in a row one of them could not go on, at most.
    pub failures: i32,
    /// Since the run was divided, by the database's clock.
    pub elapsed_micros: i64,
}

#[derive(FromQueryResult)]
struct Part {
    evaluated: i32,
    changed: i32,
    held: i32,
    distribution: Vec<u8>,
    done: bool,
    failures: i32,
    elapsed: i64,
}

/// Adds the parts of a run up.
pub async fn sums(db: &impl ConnectionTrait, run: &str) -> Answer<Sums> {
    let text = format!(
        "SELECT evaluated, changed, held, distribution, done, failures, {} - planned_at AS elapsed FROM run_shards WHERE run = $1",
        database_now(db)
    );
    let mut sums = Sums::default();
    for part in Part::find_by_statement(sql(db, &text, [run.into()])).all(db).await? {
        sums.shards += 1;
        sums.done += i32::from(part.done);
        sums.evaluated += part.evaluated;
        sums.changed += part.changed;
        sums.held += part.held;
        for (grade, count) in distribution(&part.distribution)? {
            *sums.distribution.entry(grade).or_default() += count;
        }
        sums.failures = sums.failures.max(part.failures);
        sums.elapsed_micros = sums.elapsed_micros.max(part.elapsed);
    }
    Ok(sums)
}
