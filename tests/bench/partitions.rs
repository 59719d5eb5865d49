//! What hash partitions by the subject's code would change on PostgreSQL: credit's own table of records as it is, and the same in partitions, with
//! rows added and asked for in the ways that the service has. The unique indexes that lack the code can't be had there: a partitioned table is
//! given plain ones, and who adds looks for the numbers first, which the table as it is leaves to the index.
use std::time::{Duration, Instant};

use chassis::trial::Postgres;
use sea_orm::sqlx::{self, Connection as _, Executor as _, PgConnection};
use suites::world;

use crate::intake::City;

const PARTS: u32 = 16;
const SUBJECTS: i32 = 200_000;
const BATCH: i32 = 5_000;
const ANALYZED: i32 = 50 * BATCH;
const QUESTIONS: i32 = 2_000;
const MANY: i32 = 10_000;

/// Measures over so many records.
pub async fn measure(records: i32) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    // Nothing here is about the disk.
    let cluster = Postgres::start_with(&["fsync=off", "shared_buffers=2GB", "max_wal_size=8GB", "jit=off"]);
    let city = City::open(folder.path(), Some(&cluster)).await?;
    let mut database = PgConnection::connect(&city.database()).await?;
    make(&mut database).await?;
    println!(
        "{records} records of {SUBJECTS} subjects, batches of {BATCH}; one table against {PARTS} hash partitions"
    );
    let mut found = Vec::new();
    for table in [Table { name: "whole", parted: false }, Table { name: "parted", parted: true }] {
        found.push(table.measure(&mut database, records).await?);
    }
    for (whole, parted) in found[0].iter().zip(&found[1]) {
        println!(
            "{:<52} {:>9.1} us {:>9.1} us  {:.2} x",
            whole.what,
            whole.each(),
            parted.each(),
            parted.each() / whole.each()
        );
    }
    Ok(())
}

async fn make(database: &mut PgConnection) -> anyhow::Result<()> {
    database.execute("CREATE TABLE whole (LIKE records INCLUDING ALL)").await?;
    let parted = "CREATE TABLE parted (LIKE records INCLUDING DEFAULTS, PRIMARY KEY (uscc, record)) PARTITION BY HASH (uscc)";
    database.execute(parted).await?;
    for part in 0..PARTS {
        let text = format!(
            "CREATE TABLE parted_{part} PARTITION OF parted FOR VALUES WITH (MODULUS {PARTS}, REMAINDER {part})"
        );
        database.execute(sqlx::AssertSqlSafe(text)).await?;
    }
    database.execute("CREATE INDEX ON parted (record)").await?;
    database.execute("CREATE INDEX ON parted (department, item, source_id)").await?;
    // The codes, at numbers that scatter.
    database.execute("CREATE TABLE codes (number INTEGER PRIMARY KEY, uscc TEXT NOT NULL)").await?;
    let codes: Vec<String> = (1..=SUBJECTS).map(|serial| world::code(serial.cast_unsigned())).collect();
    let text = "INSERT INTO codes SELECT place - 1, code FROM unnest($1::text[]) WITH ORDINALITY AS given(code, place)";
    sqlx::query(text).bind(codes).execute(&mut *database).await?;
    database.execute("ANALYZE codes").await?;
    Ok(())
}

/// Times of one way to use a table.
struct Found {
    what: &'static str,
    took: Duration,
    count: i32,
}

impl Found {
    // In microseconds.
    fn each(&self) -> f64 {
        self.took.as_secs_f64() * 1e6 / f64::from(self.count)
    }
}

struct Table {
    name: &'static str,
    parted: bool,
}

impl Table {
    async fn measure(&self, database: &mut PgConnection, records: i32) -> anyhow::Result<Vec<Found>> {
        let mut adding = Duration::ZERO;
        let last = records - records / 10;
        let analyze = format!("ANALYZE {}", self.name);
        for from in (0..records).step_by(BATCH as usize) {
            // As the server does by itself, only that it may come too late for a table that grows this fast.
            if from % ANALYZED == 0 {
                database.execute(sqlx::AssertSqlSafe(analyze.clone())).await?;
            }
            let took = self.add(database, from).await?;
            // Once the table has grown.
            if from >= last {
                adding += took;
            }
        }
        database.execute(sqlx::AssertSqlSafe(analyze)).await?;
        let mut found = vec![Found {
            what: "adding a record, its number looked for",
            took: adding,
            count: records - last,
        }];
        let one =
            format!("SELECT * FROM {} WHERE uscc = (SELECT uscc FROM codes WHERE number = $1)", self.name);
        found.push(self.ask(database, "a subject's records", &one).await?);
        let known = format!("SELECT * FROM {} WHERE record = lpad($1::text, 32, '0')", self.name);
        found.push(self.ask(database, "a record by its id", &known).await?);
        let many = format!("SELECT uscc, COUNT(*) FROM {} WHERE uscc = ANY($1) GROUP BY uscc", self.name);
        let codes = sqlx::query_scalar("SELECT uscc FROM codes WHERE number < $1").bind(MANY);
        let codes: Vec<String> = codes.fetch_all(&mut *database).await?;
        let started = Instant::now();
        for _ in 0..5 {
            let rows =
                sqlx::query(sqlx::AssertSqlSafe(many.clone())).bind(&codes).fetch_all(&mut *database).await?;
            anyhow::ensure!(rows.len() == MANY as usize, "{} subjects have records", rows.len());
        }
        found.push(Found {
            what: "records of ten thousand subjects, a subject",
            took: started.elapsed(),
            count: 5 * MANY,
        });
        Ok(found)
    }

    async fn ask(
        &self,
        database: &mut PgConnection,
        what: &'static str,
        text: &str,
    ) -> anyhow::Result<Found> {
        let started = Instant::now();
        for turn in 0..QUESTIONS {
            let number = turn.wrapping_mul(7_919).rem_euclid(SUBJECTS);
            let rows = sqlx::query(sqlx::AssertSqlSafe(text.to_owned()))
                .bind(number)
                .fetch_all(&mut *database)
                .await?;
            anyhow::ensure!(!rows.is_empty(), "{}: nothing at {number}", self.name);
        }
        Ok(Found { what, took: started.elapsed(), count: QUESTIONS })
    }

    // A batch: in the whole table a taken number shows at its index; the parted one is asked first.
    async fn add(&self, database: &mut PgConnection, from: i32) -> anyhow::Result<Duration> {
        let started = Instant::now();
        if self.parted {
            let text = "SELECT found.* FROM generate_series($1, $2) AS asked(number) CROSS JOIN LATERAL (SELECT record FROM parted \
                        WHERE department = 'market-regulation' AND item = 'administrative-penalty' \
                        AND source_id = 'P-' || asked.number LIMIT 1) AS found";
            let taken = sqlx::query(text).bind(from).bind(from + BATCH - 1).fetch_all(&mut *database).await?;
            anyhow::ensure!(taken.is_empty(), "{} numbers were there already", taken.len());
        }
        let text = format!(
            "INSERT INTO {} (uscc, record, item, item_version, department, source_id, occurred_on, severity, amount, fields, valid_until, \
             status, version, recorded_at, position, first_digest, digest) \
             SELECT codes.uscc, lpad(place::text, 32, '0'), 'administrative-penalty', 1, 'market-regulation', 'P-' || place, '2026-01-15', 2, \
             '1000.50', '{{\"documentNumber\":\"' || place || '\",\"penaltyType\":\"罚款\"}}', '', 'EFFECTIVE', 1, 1, '', \
             md5(place::text) || md5(place::text), md5(place::text) || md5(place::text) \
             FROM generate_series($1, $2) AS new (place) JOIN codes ON codes.number = (place::bigint * 7919) % {SUBJECTS}",
            self.name
        );
        let added = sqlx::query(sqlx::AssertSqlSafe(text))
            .bind(from)
            .bind(from + BATCH - 1)
            .execute(database)
            .await?;
        anyhow::ensure!(added.rows_affected() == u64::try_from(BATCH)?, "{added:?}");
        Ok(started.elapsed())
    }
}
