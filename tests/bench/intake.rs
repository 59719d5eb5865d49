//! Records through the streaming intake, validated, deduplicated and durable, against the database alone: PostgreSQL's binary COPY and a
//! prepared multi-row insert on SQLite, of the same rows into a table of the same columns and indexes, on the same disk.
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use chassis::{
    clock::Clock,
    trial::Postgres,
    upstream::{Identity, Upstream},
};
use contract::credit::v1::{
    self as api, outcome::Status, records_client::RecordsClient, subjects_client::SubjectsClient,
};
use prost_types::{Struct, Value, value::Kind};
use sea_orm::sqlx::{
    self, Connection as _, Executor as _, PgConnection, Row as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use suites::{process::Suite, world};

const SUBJECTS: u32 = 50_000;
const ROWS: u32 = 200_000;
const BATCH: usize = 5_000;
const ROUNDS: u32 = 3;

/// Measures both databases.
pub async fn measure() -> anyhow::Result<()> {
    println!(
        "{ROWS} records a round in batches of {BATCH}, of {SUBJECTS} subjects in random order; one stream, one client"
    );
    let folder = tempfile::tempdir()?;
    let cluster = Postgres::start();
    for postgres in [true, false] {
        let data = folder.path().join(if postgres { "postgresql" } else { "sqlite" });
        let url = if postgres { cluster.url("bench") } else { String::new() };
        let flags = if postgres { vec!["--database", url.as_str()] } else { Vec::new() };
        let gateway = Suite::serve("gateway", &data.join("gateway"), &flags).await;
        let flags: Vec<&str> = flags.into_iter().chain(["--gateway-url", &gateway.base]).collect();
        let credit = Suite::serve("credit", &data.join("credit"), &flags).await;
        let upstream = client(&gateway, &credit)?;
        register(&upstream).await?;
        let mut ratios = Vec::new();
        for round in 0..ROUNDS {
            let ours = intake(&upstream, round).await?;
            let baseline = if postgres {
                copy(&url.replace("{service}", "credit"), round).await?
            } else {
                insert(&data.join("credit/credit.sqlite"), &data.join("baseline.sqlite"), round).await?
            };
            let ratio = baseline.as_secs_f64() / ours.as_secs_f64();
            println!(
                "{:<11} round {round}: intake {:>7.0} rows/s, {} {:>7.0} rows/s, ratio {ratio:.2}",
                if postgres { "PostgreSQL" } else { "SQLite" },
                rate(ours),
                if postgres { "COPY" } else { "INSERT" },
                rate(baseline),
            );
            ratios.push(ratio);
        }
        ratios.sort_by(f64::total_cmp);
        println!(
            "{:<11} median ratio {:.2}",
            if postgres { "PostgreSQL" } else { "SQLite" },
            ratios[ratios.len() / 2]
        );
    }
    Ok(())
}

fn rate(took: Duration) -> f64 {
    f64::from(ROWS) / took.as_secs_f64()
}

fn client(gateway: &Suite, credit: &Suite) -> anyhow::Result<Upstream> {
    let admin = std::fs::read(gateway.data_dir.join("admin.json"))?;
    let admin: serde_json::Value = serde_json::from_slice(&admin)?;
    let secret = admin["clientSecret"].as_str().context("the office's secret")?;
    let issuer = Upstream::remote(&gateway.base)?;
    let identity = Identity::new(issuer, "admin", secret, Clock::default());
    Ok(Upstream::remote(&credit.base)?.with_identity(Arc::new(identity)))
}

async fn register(upstream: &Upstream) -> anyhow::Result<()> {
    let mut client = SubjectsClient::new(upstream.clone());
    let serials: Vec<u32> = (1..=SUBJECTS).collect();
    for part in serials.chunks(BATCH) {
        let subjects = part.iter().map(|serial| api::SubjectInput {
            uscc: world::code(*serial),
            name: format!("虚构第{serial}有限公司"),
            region: String::from("640302"),
            ..Default::default()
        });
        let request = api::BatchUpsertSubjectsRequest { subjects: subjects.collect(), ..Default::default() };
        client.batch_upsert_subjects(request).await?;
    }
    Ok(())
}

// Numbers that scatter over the subjects, the same in each run.
fn scattered(row: u32) -> u32 {
    let mut x = u64::from(row).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x ^= x >> 29;
    u32::try_from(x.wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 40).unwrap_or_default() % SUBJECTS + 1
}

fn record(round: u32, row: u32) -> api::RecordInput {
    let text = |text: String| Value { kind: Some(Kind::StringValue(text)) };
    let fields = [
        ("documentNumber", text(format!("虚市监罚〔2026〕{row}号"))),
        ("penaltyType", text(String::from("罚款"))),
    ];
    api::RecordInput {
        uscc: world::code(scattered(row + round * ROWS)),
        item: String::from("administrative-penalty"),
        source_id: format!("虚市监罚{:02}-{row:07}", round),
        occurred_on: format!("2025-{:02}-{:02}", row % 12 + 1, row % 28 + 1),
        severity: i32::try_from(row % 3).unwrap_or_default() + 1,
        amount: format!("{}.50", 1_000 + row % 90_000),
        fields: Some(Struct {
            fields: fields.map(|(key, value)| (key.to_owned(), value)).into_iter().collect(),
        }),
        ..Default::default()
    }
}

// From the first row sent until the last batch is acknowledged. The rows are made before.
async fn intake(upstream: &Upstream, round: u32) -> anyhow::Result<Duration> {
    let rows: Vec<u32> = (0..ROWS).collect();
    let batches: Vec<_> = rows
        .chunks(BATCH)
        .enumerate()
        .map(|(index, part)| api::StreamRecordsRequest {
            batch: index.to_string(),
            records: part.iter().map(|row| record(round, *row)).collect(),
        })
        .collect();
    let mut client = RecordsClient::new(upstream.clone())
        .max_encoding_message_size(chassis::serve::MESSAGE_MAX)
        .max_decoding_message_size(chassis::serve::MESSAGE_MAX);
    let started = Instant::now();
    let mut answers = client.stream_records(futures::stream::iter(batches)).await?.into_inner();
    let mut accepted = 0;
    while let Some(answer) = answers.message().await? {
        let refused = answer.outcomes.iter().find(|outcome| outcome.status() != Status::Accepted);
        anyhow::ensure!(refused.is_none(), "{refused:?}");
        accepted += answer.accepted;
    }
    anyhow::ensure!(u32::try_from(accepted) == Ok(ROWS), "{accepted} of {ROWS} rows were taken in");
    Ok(started.elapsed())
}

async fn copy(url: &str, round: u32) -> anyhow::Result<Duration> {
    let mut database = PgConnection::connect(url).await?;
    database.execute("CREATE TABLE IF NOT EXISTS copied (LIKE records INCLUDING ALL)").await?;
    let text = format!(
        "COPY (SELECT * FROM records WHERE source_id LIKE '虚市监罚{round:02}-%') TO STDOUT (FORMAT binary)"
    );
    let mut bytes = Vec::new();
    {
        use futures::TryStreamExt as _;
        let mut rows = database.copy_out_raw(&text).await?;
        while let Some(part) = rows.try_next().await? {
            bytes.extend_from_slice(&part);
        }
    }
    let started = Instant::now();
    let mut into = database.copy_in_raw("COPY copied FROM STDIN (FORMAT binary)").await?;
    for part in bytes.chunks(1 << 20) {
        into.send(part).await?;
    }
    let rows = into.finish().await?;
    let took = started.elapsed();
    anyhow::ensure!(rows == u64::from(ROWS), "{rows} rows were copied");
    database.close().await?;
    Ok(took)
}

async fn insert(from: &Path, to: &Path, round: u32) -> anyhow::Result<Duration> {
    let mut source = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(from)).await?;
    let options = SqliteConnectOptions::new()
        .filename(to)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let mut database = SqliteConnection::connect_with(&options).await?;
    if round == 0 {
        let schema =
            "SELECT sql FROM sqlite_master WHERE tbl_name = 'records' AND sql IS NOT NULL ORDER BY type DESC";
        for row in sqlx::query(schema).fetch_all(&mut source).await? {
            database.execute(sqlx::AssertSqlSafe(row.get::<String, _>(0))).await?;
        }
    }
    let text = format!("SELECT * FROM records WHERE source_id LIKE '虚市监罚{round:02}-%' ORDER BY rowid");
    let rows = sqlx::query(sqlx::AssertSqlSafe(text)).fetch_all(&mut source).await?;
    anyhow::ensure!(rows.len() == ROWS as usize, "{} rows are there", rows.len());
    let columns = rows[0].len();
    let started = Instant::now();
    let mut transaction = database.begin().await?;
    // As many as a statement takes parameters for.
    for part in rows.chunks(32_000 / columns) {
        let place = format!("({})", vec!["?"; columns].join(", "));
        let text = format!("INSERT INTO records VALUES {}", vec![place; part.len()].join(", "));
        let mut statement = sqlx::query(sqlx::AssertSqlSafe(text));
        for row in part {
            for column in 0..columns {
                statement = match row.try_get::<&str, _>(column) {
                    Ok(text) => statement.bind(text),
                    Err(_) => statement.bind(row.get::<i64, _>(column)),
                };
            }
        }
        statement.execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(started.elapsed())
}
