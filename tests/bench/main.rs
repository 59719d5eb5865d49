//! The README's figures, each beside a baseline of the same run, asserting nothing.
//!
//! `cargo run --release -p suites --bin bench` measures start, idle memory, import, grading and single calls on a fictional register of
//! 19,179 rows, or on the file given. `… bench -- WHAT` measures more, on both databases where one stands behind it: `intake` records by
//! stream, `profiles` profiles by code, `import FILE` a file of subjects, `names --data DIR` the linking of names to codes within a real
//! register, `scoring [subjects]` the evaluation of fact sheets against DuckDB, `currency` how soon a record's grade is seen,
//! `runs [--subjects N]` a run over a population, `draws [subjects]` a draw of a million, `checks` checks over a million listings,
//! `figures [subjects]` the figure calls over a population of a million, `sizes` what things take on PostgreSQL's disk,
//! `partitions [records]` what hash partitions would change there,
//! `gateway` the door against Envoy, a handler by hand and the service itself, and beside slow clients.
mod baseline;
mod checks;
mod clients;
mod currency;
mod draws;
mod figures;
mod gateway;
mod import;
mod intake;
mod names;
mod partitions;
mod profiles;
mod runs;
mod scoring;
mod sizes;

use std::{
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::json;
use suites::{process::Suite, world};
use xinheng::client::Client;

// The clients share the machine with what they measure: they take no more of it than they must.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROWS: u32 = 19_179;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // Where nobody takes traces, the clients' connections would write each of them for a log.
    tracing::subscriber::set_global_default(tracing::subscriber::NoSubscriber::new())?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if matches!(arguments[..], ["checks" | "gateway" | "profiles"]) {
        // Sixteen clients are served by one thread, as those of other load generators: with more, they would take turns with the services.
        runtime.worker_threads(1);
    }
    let runtime = runtime.enable_all().build()?;
    match arguments.as_slice() {
        ["intake"] => runtime.block_on(intake::measure()),
        ["profiles"] => runtime.block_on(profiles::measure()),
        ["import", file] => runtime.block_on(import::measure(Path::new(file))),
        ["names", "--data", folder] => runtime.block_on(names::measure(Path::new(folder))),
        ["names", ..] => anyhow::bail!("give the folder: names --data DIR"),
        ["scoring", rest @ ..] => scoring::measure(rest.first().copied()),
        ["checks"] => runtime.block_on(checks::measure()),
        ["gateway"] => runtime.block_on(gateway::measure()),
        // A process of that one.
        ["gateway-handler", port, service] => {
            runtime.block_on(gateway::handler::serve(port.parse()?, (*service).to_owned()))
        }
        ["currency"] => runtime.block_on(currency::measure()),
        ["runs"] => runtime.block_on(runs::measure(1_000_000)),
        ["runs", "--subjects", count] => runtime.block_on(runs::measure(count.parse()?)),
        ["figures", rest @ ..] => {
            let subjects = rest.first().map_or(Ok(1_000_000), |count| count.parse())?;
            runtime.block_on(figures::measure(subjects))
        }
        ["partitions", rest @ ..] => {
            let records = rest.first().map_or(Ok(1_000_000), |count| count.parse())?;
            runtime.block_on(partitions::measure(records))
        }
        ["sizes"] => runtime.block_on(sizes::measure()),
        ["draws", rest @ ..] => runtime.block_on(draws::measure(rest.first().copied())),
        file => runtime.block_on(measure(file.first().map(Path::new))),
    }
}

async fn measure(file: Option<&Path>) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let suite = Suite::up(&folder.path().join("data"), &[]).await;
    println!("{:<44} {:>12} {:>16}  baseline of the same run", "measure", "figure", "ratio");
    row("start to first answer, empty folder", &seconds(suite.started_in), "", "");
    tokio::time::sleep(Duration::from_secs(2)).await;
    row("resident memory, all services idle", &format!("{} MiB", suite.resident_mib()), "", "");
    let office = suite.office().await;
    let csv = match file {
        Some(file) => std::fs::read(file)?,
        None => world::register(1..ROWS + 1).into_bytes(),
    };
    let rows = import(&office, folder.path(), csv).await?;
    grade(&office, rows).await?;
    calls(&office).await?;
    row("resident memory after all this", &format!("{} MiB", suite.resident_mib()), "", "");
    Ok(())
}

fn row(what: &str, figure: &str, ratio: &str, baseline: &str) {
    println!("{what:<44} {figure:>12} {ratio:>16}  {baseline}");
}

fn seconds(duration: Duration) -> String {
    format!("{:.3} s", duration.as_secs_f64())
}

fn ratio(ours: Duration, baseline: Duration) -> String {
    format!("{:.1} x", ours.as_secs_f64() / baseline.as_secs_f64().max(1e-9))
}

// Against what the disk and one core need at least: the same bytes written through and parsed as codes.
async fn import(office: &Client, folder: &Path, csv: Vec<u8>) -> anyhow::Result<u64> {
    let started = Instant::now();
    let mut out = std::fs::File::create(folder.join("baseline.csv"))?;
    out.write_all(&csv)?;
    out.sync_all()?;
    let text = String::from_utf8_lossy(&csv);
    let valid = text
        .lines()
        .filter_map(|line| line.split(',').next())
        .filter(|code| identifiers::Uscc::parse(code).is_ok());
    let valid = valid.count();
    let baseline = started.elapsed();

    let mut rows = 0;
    for (what, again) in [("import of the register", false), ("the same file again", true)] {
        let started = Instant::now();
        let ended = office.import("kind=subjects&format=csv", csv.clone().into(), |_| {}).await?;
        let took = started.elapsed();
        let progress = &ended["metadata"]["progress"];
        rows = progress["rows"].as_u64().unwrap_or(0);
        let counts = format!(
            "write, sync and parse {valid} codes: {}; here {} rows, {} accepted, {} duplicates, {} rejected",
            seconds(baseline),
            rows,
            progress["accepted"],
            progress["duplicates"],
            progress["rejected"]
        );
        row(what, &seconds(took), &ratio(took, baseline), &counts);
        anyhow::ensure!(!again || progress["accepted"] == 0, "the second sending took rows in: {progress}");
    }
    Ok(rows)
}

// Against one transfer of the same grades through the gateway's batch read.
async fn grade(office: &Client, rows: u64) -> anyhow::Result<()> {
    office.post("/grading/v1/schemes", world::scheme("bench", "PUBLIC")).await?;
    office.post("/grading/v1/schemes/bench:publish", json!({})).await?;
    // Publishing grades everybody too: it is let finish, so that the run is measured alone.
    loop {
        let distribution = office.get("/grading/v1/schemes/bench/distribution").await?;
        if distribution["graded"].as_u64().unwrap_or(0) >= rows {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let started = Instant::now();
    let export = office.try_get("/grading/v1/schemes/bench/grades:export").await?;
    let baseline = started.elapsed();
    let lines = export.text().lines().count();
    let started = Instant::now();
    let operation = office.post("/grading/v1/runs", json!({ "scheme": "bench" })).await?;
    let ended = office.wait("grading", &operation, |_| {}).await?;
    let took = started.elapsed();
    let told = format!(
        "export of {lines} grades as NDJSON: {}; here {} evaluated",
        seconds(baseline),
        ended["response"]["evaluated"]
    );
    row("grading run over the population", &seconds(took), &ratio(took, baseline), &told);
    Ok(())
}

// Against the cheapest call that the gateway answers itself.
async fn calls(office: &Client) -> anyhow::Result<()> {
    let first = office.get("/credit/v1/subjects?pageSize=1").await?;
    let code = first["subjects"][0]["uscc"].as_str().unwrap_or_default().to_owned();
    let baseline = timed(office, "/.well-known/jwks.json").await?;
    row("GET jwks", &micros(baseline), "1.0 x", "one connection, one call after another");
    for (what, path) in [
        ("GET one subject", format!("/credit/v1/subjects/{code}")),
        ("GET 100 subjects", String::from("/credit/v1/subjects?pageSize=100")),
        ("GET a subject's grades", format!("/grading/v1/subjects/{code}/grades")),
    ] {
        let took = timed(office, &path).await?;
        row(what, &micros(took), &ratio(took, baseline), "GET jwks");
    }
    Ok(())
}

async fn timed(client: &Client, path: &str) -> anyhow::Result<Duration> {
    const CALLS: u32 = 300;
    for _ in 0..20 {
        client.get(path).await?;
    }
    let started = Instant::now();
    for _ in 0..CALLS {
        client.get(path).await?;
    }
    Ok(started.elapsed() / CALLS)
}

fn micros(duration: Duration) -> String {
    format!("{} us", duration.as_micros())
}
