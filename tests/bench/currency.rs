//! From a record's acknowledgement to the moment at which its subject's new grade is answered, while a thousand records a second come in.
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
use contract::{
    credit::v1::{
        self as credit, outcome::Status, records_client::RecordsClient, subjects_client::SubjectsClient,
    },
    grading::v1::{self as grading, grades_client::GradesClient},
};
use suites::{process::Suite, world};
use xinheng::client::Client;

const SUBJECTS: u32 = 20_000;
const PROBES: u32 = 600;
const BATCH: u32 = 50;
const BATCHES_A_SECOND: u32 = 20;
const SECONDS: u32 = 30;

/// Measures both databases.
pub async fn measure() -> anyhow::Result<()> {
    println!(
        "{} records a second in batches of {BATCH}, of {SUBJECTS} subjects; a probe each {} ms: submitted, then read with minPosition",
        BATCH * BATCHES_A_SECOND,
        SECONDS * 1_000 / PROBES
    );
    let folder = tempfile::tempdir()?;
    let cluster = Postgres::start();
    for postgres in [true, false] {
        let name = if postgres { "PostgreSQL" } else { "SQLite" };
        let url = cluster.url("currency");
        let flags = if postgres { vec!["--database", url.as_str()] } else { Vec::new() };
        on(name, &folder.path().join(name), &flags).await?;
    }
    Ok(())
}

async fn on(name: &str, data: &Path, flags: &[&str]) -> anyhow::Result<()> {
    let suite = Suite::up(data, flags).await;
    let office = suite.office().await;
    let upstream = signed_in(&suite)?;
    register(&upstream).await?;
    office.post("/grading/v1/schemes", world::scheme("bench", "PUBLIC")).await?;
    office.post("/grading/v1/schemes/bench:publish", serde_json::json!({})).await?;
    graded(&office).await?;

    let loading = tokio::spawn(load(upstream.clone()));
    let mut took = Vec::new();
    let started = Instant::now();
    for number in 0..PROBES {
        let due = started + Duration::from_secs(SECONDS.into()) * number / PROBES;
        tokio::time::sleep_until(due.into()).await;
        took.push(probe(&upstream, number).await.with_context(|| format!("probe {number}"))?);
    }
    let (records, seconds) = loading.await??;
    took.sort_unstable();
    let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)].as_millis();
    println!(
        "{name:<11} {:>6.0} records/s taken in; grade visible after {:>4} ms (median), {:>4} ms (90 %), {:>4} ms (99 %), {:>4} ms (last of {})",
        f64::from(records) / seconds,
        at(50),
        at(90),
        at(99),
        at(100),
        took.len()
    );
    Ok(())
}

fn signed_in(suite: &Suite) -> anyhow::Result<Upstream> {
    let admin = std::fs::read(suite.data_dir.join("admin.json"))?;
    let admin: serde_json::Value = serde_json::from_slice(&admin)?;
    let secret = admin["clientSecret"].as_str().context("the office's secret")?;
    let identity = Identity::new(Upstream::remote(&suite.base)?, "admin", secret, Clock::default());
    Ok(Upstream::remote(&suite.base)?.with_identity(Arc::new(identity)))
}

// The probes' subjects stand behind the load's.
async fn register(upstream: &Upstream) -> anyhow::Result<()> {
    let mut client = SubjectsClient::new(upstream.clone());
    let serials: Vec<u32> = (1..=SUBJECTS + PROBES).collect();
    for part in serials.chunks(5_000) {
        let subjects = part.iter().map(|serial| credit::SubjectInput {
            uscc: world::code(*serial),
            name: format!("虚构第{serial}有限公司"),
            region: String::from("640302"),
            domains: vec![String::from("D09")],
            ..Default::default()
        });
        let request =
            credit::BatchUpsertSubjectsRequest { subjects: subjects.collect(), ..Default::default() };
        client.batch_upsert_subjects(request).await?;
    }
    Ok(())
}

async fn graded(office: &Client) -> anyhow::Result<()> {
    for _ in 0..1_200 {
        let distribution = office.get("/grading/v1/schemes/bench/distribution").await?;
        if distribution["graded"].as_u64() == Some((SUBJECTS + PROBES).into()) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("the population is not graded within two minutes")
}

fn penalty(serial: u32, source_id: String) -> credit::RecordInput {
    credit::RecordInput {
        uscc: world::code(serial),
        item: String::from("administrative-penalty"),
        source_id,
        occurred_on: String::from("2026-01-05"),
        severity: 2,
        amount: String::from("20000"),
        ..Default::default()
    }
}

async fn submit(upstream: &Upstream, records: Vec<credit::RecordInput>) -> anyhow::Result<String> {
    let mut client = RecordsClient::new(upstream.clone());
    let answer =
        client.submit_records(credit::SubmitRecordsRequest { records, ..Default::default() }).await?;
    let answer = answer.into_inner();
    let refused = answer.outcomes.iter().find(|outcome| outcome.status() != Status::Accepted);
    anyhow::ensure!(refused.is_none(), "{refused:?}");
    Ok(answer.position)
}

// Answers how many were taken in, in how many seconds.
async fn load(upstream: Upstream) -> anyhow::Result<(u32, f64)> {
    let started = Instant::now();
    let mut sent = tokio::task::JoinSet::new();
    for batch in 0..BATCHES_A_SECOND * SECONDS {
        tokio::time::sleep_until((started + Duration::from_secs(1) * batch / BATCHES_A_SECOND).into()).await;
        let upstream = upstream.clone();
        let records = (0..BATCH).map(move |row| {
            let number = batch * BATCH + row;
            penalty(number.wrapping_mul(7_919) % SUBJECTS + 1, format!("负荷-{number}"))
        });
        sent.spawn(async move { submit(&upstream, records.collect()).await });
    }
    while let Some(outcome) = sent.join_next().await {
        outcome??;
    }
    Ok((BATCH * BATCHES_A_SECOND * SECONDS, started.elapsed().as_secs_f64()))
}

// The probe's subject had no record: one costs it five points and a band of 2.5.
async fn probe(upstream: &Upstream, number: u32) -> anyhow::Result<Duration> {
    let serial = SUBJECTS + 1 + number;
    let min_position = submit(upstream, vec![penalty(serial, format!("探测-{number}"))]).await?;
    let acknowledged = Instant::now();
    let request = grading::GetSubjectGradesRequest {
        uscc: world::code(serial),
        min_position,
        purpose: String::from("bench"),
    };
    let seen = loop {
        match GradesClient::new(upstream.clone()).get_subject_grades(request.clone()).await {
            // It waits two seconds at the most, and says so.
            Err(status) if status.code() == tonic::Code::Unavailable => {}
            seen => break seen?.into_inner(),
        }
    };
    let took = acknowledged.elapsed();
    let score = seen.grades.first().and_then(|grade| grade.score);
    anyhow::ensure!(score == Some(92.5), "the grade does not know the record: {seen:?}");
    Ok(took)
}
