//! Records through the streaming intake, validated, deduplicated and durable, against the database alone with the same rows, on the same
//! disk.
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use chassis::{
    clock::Clock,
    feed::Position,
    trial::Postgres,
    upstream::{Identity, Upstream},
};
use contract::{
    Encoded,
    credit::v1::{
        self as api, figures_client::FiguresClient, outcome::Status, subjects_client::SubjectsClient,
    },
};
use prost_types::{Struct, Value, value::Kind};
use suites::{
    process::{Suite, free_port},
    world,
};
use tonic::Streaming;

use crate::{
    baseline::{self, Rows},
    clients::stream,
};

/// How many subjects there are.
pub const SUBJECTS: u32 = 50_000;
/// How many records a round brings.
pub const ROWS: u32 = 200_000;
const BATCH: usize = 5_000;
const ROUNDS: u32 = 3;

/// Measures both databases.
pub async fn measure() -> anyhow::Result<()> {
    println!(
        "{ROWS} records a round in batches of {BATCH}, of {SUBJECTS} subjects in random order; one stream, one client"
    );
    let folder = tempfile::tempdir()?;
    let cluster = Postgres::start_with(&[]);
    for postgres in [true, false] {
        let name = if postgres { "PostgreSQL" } else { "SQLite" };
        let city = City::open(folder.path(), postgres.then_some(&cluster)).await?;
        city.register().await?;
        let mut ratios = Vec::new();
        for round in 0..ROUNDS {
            let (ours, position) = city.take_in(round).await?;
            city.counted(position).await?;
            let condition = format!("source_id LIKE '虚市监罚{round:02}-%'");
            let rows = Rows { table: "records", condition: &condition, count: ROWS.into() };
            let baseline = city.baseline(&rows).await?;
            let ratio = baseline.as_secs_f64() / ours.as_secs_f64();
            println!(
                "{name:<11} round {round}: intake {:>7.0} rows/s, {} {:>7.0} rows/s, ratio {ratio:.2}",
                rate(ours),
                if postgres { "COPY" } else { "INSERT" },
                rate(baseline),
            );
            ratios.push(ratio);
        }
        ratios.sort_by(f64::total_cmp);
        println!("{name:<11} median ratio {:.2}", ratios[ratios.len() / 2]);
    }
    Ok(())
}

/// The gateway, which knows the clients, and credit, on one database.
pub struct City {
    /// The gateway.
    pub gateway: Suite,
    /// Credit.
    pub credit: Suite,
    folder: PathBuf,
    url: String,
}

impl City {
    /// Starts both, on SQLite or a cluster.
    pub async fn open(folder: &Path, cluster: Option<&Postgres>) -> anyhow::Result<Self> {
        let folder = folder.join(if cluster.is_some() { "postgresql" } else { "sqlite" });
        let url = cluster.map(|cluster| cluster.url("bench")).unwrap_or_default();
        let database = if url.is_empty() { Vec::new() } else { vec!["--database", url.as_str()] };
        let port = free_port();
        let at = format!("http://127.0.0.1:{port}");
        let flags: Vec<&str> = database.iter().copied().chain(["--credit-url", &at]).collect();
        let gateway = Suite::serve("gateway", &folder.join("gateway"), &flags).await;
        let flags: Vec<&str> = database.iter().copied().chain(["--gateway-url", &gateway.base]).collect();
        let credit = Suite::serve_on(port, "credit", &folder.join("credit"), &flags).await;
        Ok(Self { gateway, credit, folder, url })
    }

    /// A client of credit itself, with a connection of its own.
    pub fn client(&self) -> anyhow::Result<Upstream> {
        let admin = std::fs::read(self.gateway.data_dir.join("admin.json"))?;
        let admin: serde_json::Value = serde_json::from_slice(&admin)?;
        let secret = admin["clientSecret"].as_str().context("the office's secret")?;
        let issuer = Upstream::remote(&self.gateway.base)?;
        let identity = Identity::new(issuer, "admin", secret, Clock::default());
        Ok(Upstream::remote(&self.credit.base)?.with_identity(Arc::new(identity)))
    }

    /// The database of credit, where there is a cluster.
    pub fn database(&self) -> String {
        self.url.replace("{service}", "credit")
    }

    /// Registers subjects.
    pub async fn register(&self) -> anyhow::Result<()> {
        register(&self.client()?).await
    }

    /// Takes the records of a round in; gives how long it took, and the position of the last.
    pub async fn take_in(&self, round: u32) -> anyhow::Result<(Duration, Position)> {
        intake(&self.client()?, round).await
    }

    /// Waits until credit has counted the changes up to a position: until then it does so beside what is measured. Figures alone do not
    /// tell it: a subject that one of the first names is counted with all that stands of it by then.
    pub async fn counted(&self, position: Position) -> anyhow::Result<()> {
        let mut figures = FiguresClient::new(self.client()?);
        for _ in 0..1_500 {
            let found = figures.get_figures(api::GetFiguresRequest::default()).await?.into_inner();
            let counted = Position::parse(&found.position)?;
            if counted >= position {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        anyhow::bail!("credit has not counted up to {position} in five minutes")
    }

    /// What the database alone takes for rows of credit.
    pub async fn baseline(&self, rows: &Rows<'_>) -> anyhow::Result<Duration> {
        if self.url.is_empty() {
            let from = self.folder.join("credit/credit.sqlite");
            return baseline::insert(&from, &self.folder.join("baseline.sqlite"), rows).await;
        }
        baseline::copy(&self.database(), rows).await
    }
}

fn rate(took: Duration) -> f64 {
    f64::from(ROWS) / took.as_secs_f64()
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

/// Numbers that scatter over the subjects, the same in each run.
pub fn scattered(row: u32) -> u32 {
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

// From the first row sent until the last batch is acknowledged. The batches are made and written before, as COPY's bytes are.
async fn intake(upstream: &Upstream, round: u32) -> anyhow::Result<(Duration, Position)> {
    let rows: Vec<u32> = (0..ROWS).collect();
    let batches: Vec<_> = rows
        .chunks(BATCH)
        .enumerate()
        .map(|(index, part)| {
            let records = part.iter().map(|row| record(round, *row)).collect();
            Encoded::of(&api::StreamRecordsRequest { batch: index.to_string(), records })
        })
        .collect();
    let started = Instant::now();
    let method = "/xinheng.credit.v1.Records/StreamRecords";
    let mut answers: Streaming<api::StreamRecordsResponse> = stream(upstream, method, batches).await?;
    let (mut accepted, mut position) = (0, Position::default());
    while let Some(answer) = answers.message().await? {
        let refused = answer.outcomes.iter().find(|outcome| outcome.status() != Status::Accepted);
        anyhow::ensure!(refused.is_none(), "{refused:?}");
        accepted += answer.accepted;
        position = position.max(Position::parse(&answer.position)?);
    }
    anyhow::ensure!(u32::try_from(accepted) == Ok(ROWS), "{accepted} of {ROWS} rows were taken in");
    Ok((started.elapsed(), position))
}
