//! Checks over a million active listings: one code at sixteen clients, batches of ten thousand, and in bulk against Redis of the same run.
use std::{
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use chassis::{
    clock::Clock,
    serve::MESSAGE_MAX,
    upstream::{Identity, Upstream},
};
use contract::{
    Encoded,
    discipline::v1::{self as api, checks_client::ChecksClient},
};
use sea_orm::sqlx::{self, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use suites::{
    process::{Suite, free_port},
    world,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tonic::Streaming;
use xinheng::client::Client;

use crate::clients::{self, Bare, PACE, rounds, timed};

const LISTED: u32 = 1_000_000;
const CLIENTS: u32 = 16;
const CALLS: u32 = 2_000;
const BATCH: u32 = 10_000;
const BATCHES: u32 = 100;
// Each takes a quarter of a second, so that few of them would tell the moment.
const ROUNDS: u32 = 7;
// A built-in list, so that the listings have a wording.
const LIST: &str = "procurement-serious";

/// Measures.
pub async fn measure() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let port = free_port();
    let at = format!("http://127.0.0.1:{port}");
    let gateway = Suite::serve("gateway", &folder.path().join("gateway"), &["--discipline-url", &at]).await;
    let data = folder.path().join("discipline");
    let secrets: serde_json::Value =
        serde_json::from_slice(&std::fs::read(gateway.data_dir.join("services.json"))?)?;
    let secret = secrets["svc-discipline"].as_str().context("discipline's secret")?;
    // Credit is not asked here.
    let flags = ["--gateway-url", &gateway.base, "--credit-url", &gateway.base, "--client-secret", secret];
    let empty = Suite::serve_on(port, "discipline", &data, &flags).await;
    let idle = empty.resident_mib();
    anyhow::ensure!(empty.terminate().success(), "discipline did not end");
    list_many(&data.join("discipline.sqlite")).await?;
    let discipline = Suite::serve_on(port, "discipline", &data, &flags).await;
    let upstream = client(&gateway, &discipline)?;
    let ready = Instant::now();
    loop {
        match ask(&mut ChecksClient::new(upstream.clone()), vec![world::code(1)]).await {
            Ok(1) => break,
            Ok(found) => anyhow::bail!("{found} of 1 listed subjects were found"),
            Err(_) if ready.elapsed() < Duration::from_secs(120) => {
                tokio::time::sleep(Duration::from_millis(100)).await
            }
            Err(error) => return Err(error),
        }
    }
    // What the reading needed and freed goes back to the system a second later.
    tokio::time::sleep(Duration::from_secs(3)).await;
    ask(&mut ChecksClient::new(upstream.clone()), vec![world::code(1)]).await?;
    let full = discipline.resident_mib();
    println!("{LISTED} active listings");
    println!("memory: {full} MiB, {idle} MiB without listings: {} MiB for them", full.saturating_sub(idle));
    single(&gateway, &discipline, None).await?;
    single(&gateway, &discipline, Some(PACE)).await?;
    let redis = Redis::start().await?;
    redis.fill().await?;
    for one_of in [2, 100] {
        batches(&discipline, &upstream, one_of).await?;
        let mut ratios = Vec::new();
        for round in 0..ROUNDS {
            let ours = f64::from(BATCH * BATCHES) / stream(&upstream, one_of).await?.as_secs_f64();
            let theirs = f64::from(BATCH * BATCHES) / redis.ask(one_of).await?.as_secs_f64();
            println!(
                "  round {round}: stream {ours:>10.0} codes/s, Redis {theirs:>10.0} codes/s, {:.2} x",
                ours / theirs
            );
            ratios.push(ours / theirs);
        }
        ratios.sort_by(f64::total_cmp);
        println!("  median {:.2} x", ratios[ratios.len() / 2]);
    }
    println!("memory after all this {} MiB", discipline.resident_mib());
    Ok(())
}

// A client of discipline itself, with a connection of its own.
fn client(gateway: &Suite, discipline: &Suite) -> anyhow::Result<Upstream> {
    let admin: serde_json::Value =
        serde_json::from_slice(&std::fs::read(gateway.data_dir.join("admin.json"))?)?;
    let secret = admin["clientSecret"].as_str().context("the office's secret")?;
    let identity = Identity::new(Upstream::remote(&gateway.base)?, "admin", secret, Clock::default());
    Ok(Upstream::remote(&discipline.base)?.with_identity(Arc::new(identity)))
}

// Written into the service's own table while it stands still: a million cases one after another would measure the procedure.
async fn list_many(file: &std::path::Path) -> anyhow::Result<()> {
    let mut database = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(file)).await?;
    let mut transaction = database.begin().await?;
    for serial in 1..=LISTED {
        let text = "INSERT INTO listings (case_id, list_id, list_version, list_name, kind, uscc, name, department, document_number, facts, \
                    decided_on, from_on, until_on, state) VALUES (?, ?, 1, '虚构名单', 1, ?, '虚构企业', 'finance', '虚构〔2026〕1号', '虚构', \
                    '2026-01-05', '2026-01-05', '2098-01-05', 1)";
        let insert = sqlx::query(text).bind(format!("{serial:032x}")).bind(LIST).bind(world::code(serial));
        insert.execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    database.close().await?;
    Ok(())
}

// One of so many is listed, scattered over the register, the same in each run.
fn asked(from: u32, count: u32, one_of: u32) -> Vec<String> {
    (from..from + count)
        .map(|turn| {
            let serial = turn.wrapping_mul(2_654_435_761) % LISTED + 1;
            world::code(if turn % one_of == 0 { serial } else { serial + LISTED })
        })
        .collect()
}

fn question(uscc: Vec<String>) -> api::CheckSubjectsRequest {
    api::CheckSubjectsRequest {
        uscc, purpose: String::from("政府采购资格审查"), ..Default::default()
    }
}

fn listed(answer: &api::CheckSubjectsResponse) -> usize {
    answer.results.iter().filter(|result| !result.listings.is_empty()).count()
}

async fn ask(client: &mut ChecksClient<Upstream>, uscc: Vec<String>) -> anyhow::Result<usize> {
    Ok(listed(&client.check_subjects(question(uscc)).await?.into_inner()))
}

// As many as come through, the middle one of rounds; or at a pace: how long somebody waits.
async fn single(gateway: &Suite, discipline: &Suite, pace: Option<Duration>) -> anyhow::Result<()> {
    let token = gateway.office().await.token().context("no token")?.to_owned();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(
            Bare::connect(&discipline.base, "/xinheng.discipline.v1.Checks/CheckSubjects", &token).await?,
        );
    }
    let call = |client: Bare, place, turn| async move {
        let answer: api::CheckSubjectsResponse =
            client.call(&question(asked(place * 1_000_003 + turn, 1, 2))).await?;
        anyhow::ensure!(answer.results.len() == 1);
        Ok(())
    };
    let times = match pace {
        None => rounds(&clients, CALLS, call).await?,
        Some(_) => timed(clients, CALLS / 4, pace, call).await?,
    };
    let milliseconds = |percent| times.within(percent).as_secs_f64() * 1e3;
    println!(
        "one code, gRPC, {CLIENTS} clients{}: median {:.2} ms, p99 {:.2} ms, {:.0} calls/s",
        if pace.is_some() { " at a pace" } else { "" },
        milliseconds(50),
        milliseconds(99),
        times.rate()
    );
    Ok(())
}

async fn batches(discipline: &Suite, upstream: &Upstream, one_of: u32) -> anyhow::Result<()> {
    let mut client = ChecksClient::new(upstream.clone())
        .max_encoding_message_size(MESSAGE_MAX)
        .max_decoding_message_size(MESSAGE_MAX);
    let before = served(discipline).await?;
    let mut outside = Duration::ZERO;
    for batch in 0..BATCHES {
        let codes = asked(batch * BATCH, BATCH, one_of);
        let started = Instant::now();
        let found = ask(&mut client, codes).await?;
        outside += started.elapsed();
        anyhow::ensure!(found == (BATCH / one_of) as usize, "{found} of {BATCH} codes were found listed");
    }
    let after = served(discipline).await?;
    let inside = (after.0 - before.0) / (after.1 - before.1) * 1e3;
    let outside = outside.as_secs_f64() * 1e3 / f64::from(BATCHES);
    println!(
        "{BATCH} codes a call, one of {one_of} listed: {inside:.2} ms inside the service on average, {outside:.2} ms at the client"
    );
    Ok(())
}

// What the service itself measured of checks: seconds, and how many.
async fn served(discipline: &Suite) -> anyhow::Result<(f64, f64)> {
    let metrics = Client::new(discipline.admin.clone()).try_get("/metrics").await?.text();
    let sum = |what: &str| -> f64 {
        let lines = metrics.lines().filter(|line| line.starts_with(what) && line.contains("CheckSubjects"));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    let (seconds, count) = (sum("xinheng_call_seconds_sum"), sum("xinheng_call_seconds_count"));
    anyhow::ensure!(count > 0.0, "the service counts no checks");
    Ok((seconds, count))
}

// From the first question until the last answer; the questions are made and written before, as Redis's calls are, of as many codes each.
async fn stream(upstream: &Upstream, one_of: u32) -> anyhow::Result<Duration> {
    let codes = asked(0, BATCH * BATCHES, one_of);
    let questions: Vec<_> = codes.chunks(A_CALL).map(|part| Encoded::of(&question(part.to_vec()))).collect();
    let started = Instant::now();
    let method = "/xinheng.discipline.v1.Checks/StreamChecks";
    let mut answers: Streaming<api::CheckSubjectsResponse> =
        clients::stream(upstream, method, questions).await?;
    let mut found = 0;
    while let Some(answer) = answers.message().await? {
        found += listed(&answer);
    }
    let took = started.elapsed();
    anyhow::ensure!(found == (BATCH * BATCHES / one_of) as usize, "{found} codes were found listed");
    Ok(took)
}

/// Redis, ended with the benchmark.
struct Redis {
    child: Child,
    port: u16,
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const A_CALL: usize = 1_000;
// So many calls are sent before the first answer is read.
const AHEAD: usize = 16;

impl Redis {
    async fn start() -> anyhow::Result<Self> {
        let port = free_port();
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn()
            .context("redis-server is not installed: apt-get install redis-server")?;
        let redis = Self { child, port };
        for _ in 0..200 {
            if redis.connect().await.is_ok() {
                return Ok(redis);
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        anyhow::bail!("redis-server does not answer")
    }

    async fn connect(&self) -> anyhow::Result<TcpStream> {
        let connection = TcpStream::connect(("127.0.0.1", self.port)).await?;
        connection.set_nodelay(true)?;
        Ok(connection)
    }

    async fn fill(&self) -> anyhow::Result<()> {
        let mut connection = self.connect().await?;
        let serials: Vec<u32> = (1..=LISTED).collect();
        for part in serials.chunks(A_CALL) {
            let codes: Vec<String> = part.iter().map(|serial| world::code(*serial)).collect();
            connection.write_all(&command("SADD", &codes)).await?;
            let mut answer = [0; 7];
            connection.read_exact(&mut answer).await?;
            anyhow::ensure!(&answer == b":1000\r\n", "Redis answered {}", String::from_utf8_lossy(&answer));
        }
        Ok(())
    }

    // The same codes, from the first call until the last answer; the calls are made before.
    async fn ask(&self, one_of: u32) -> anyhow::Result<Duration> {
        let codes = asked(0, BATCH * BATCHES, one_of);
        let calls: Vec<Vec<u8>> = codes.chunks(A_CALL).map(|part| command("SMISMEMBER", part)).collect();
        let mut connection = self.connect().await?;
        // Each answer is as long as any other: a head, and one digit with its line for each code.
        let length = format!("*{A_CALL}\r\n").len() + A_CALL * 4;
        let mut answers = vec![0; length * AHEAD];
        let (mut found, started) = (0, Instant::now());
        for part in calls.chunks(AHEAD) {
            connection.write_all(&part.concat()).await?;
            let answer = &mut answers[..length * part.len()];
            connection.read_exact(answer).await?;
            found += answer.windows(3).filter(|window| *window == b":1\r").count();
        }
        let took = started.elapsed();
        anyhow::ensure!(found == (BATCH * BATCHES / one_of) as usize, "Redis found {found} codes");
        Ok(took)
    }
}

fn command(name: &str, codes: &[String]) -> Vec<u8> {
    let mut call =
        format!("*{}\r\n${}\r\n{name}\r\n$6\r\nlisted\r\n", codes.len() + 2, name.len()).into_bytes();
    for code in codes {
        call.extend_from_slice(format!("${}\r\n{code}\r\n", code.len()).as_bytes());
    }
    call
}
