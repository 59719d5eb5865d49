//! The figure calls over a population that was taken in, graded, drawn from and changed through the real services, each beside a count of the
//! same rows anew in the same run; and the summary of its year with its documents. The aims: 50 ms a call at a million subjects, 10 s.
use std::time::{Duration, Instant};

use anyhow::Context as _;
use chassis::trial::Postgres;
use http::Method;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, Statement};
use serde_json::json;
use suites::{process::Suite, world};
use xinheng::client::Client;

const CALLS: usize = 200;
const COUNTIES: [&str; 5] = ["640302", "640303", "640323", "640324", "640381"];
const MONTHS: u32 = 6;
const AIM: Duration = Duration::from_millis(50);

/// Measures a population of so many on both databases.
pub async fn measure(subjects: u32) -> anyhow::Result<()> {
    println!(
        "{subjects} subjects, two schemes, {MONTHS} months with changes of grades; {CALLS} calls each, one connection"
    );
    for postgres in [true, false] {
        let folder = tempfile::tempdir()?;
        let cluster = postgres.then(Postgres::start);
        let url = cluster.as_ref().map(|cluster| cluster.url("figures"));
        let name = if postgres { "PostgreSQL" } else { "SQLite" };
        one(name, &folder.path().join("data"), url.as_deref(), subjects).await?;
    }
    Ok(())
}

async fn one(name: &str, data: &std::path::Path, url: Option<&str>, subjects: u32) -> anyhow::Result<()> {
    let at = |month: u32| format!("2026-{month:02}-05T02:00:00Z");
    let flags = |clock: &str| {
        let mut flags = vec!["--clock-start".to_owned(), clock.to_owned()];
        if let Some(url) = url {
            flags.extend(["--database".to_owned(), url.to_owned()]);
        }
        flags
    };
    let up = async |month: u32| {
        let flags = flags(&at(month));
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        Suite::up(data, &flags).await
    };
    let mut suite = up(1).await;
    let mut office = suite.office().await;
    let started = Instant::now();
    office.import("kind=subjects&format=csv", register(subjects).into(), |_| {}).await?;
    publish(&office, "first", "transport").await?;
    publish(&office, "second", "D01").await?;
    graded(&office, subjects).await?;
    let item = json!({ "name": "道路运输经营检查", "department": "transport" });
    office.put("/sampling/v1/inspectionItems/operation", item).await?;
    for number in 0..20 {
        let inspector = json!({ "department": "transport", "region": "640300" });
        office.put(&format!("/sampling/v1/inspectors/i{number:02}"), inspector).await?;
    }
    // Each month other subjects get penalties, so that some of them get other grades, and a draw is made; windows close by themselves.
    for month in 2..2 + MONTHS {
        anyhow::ensure!(suite.terminate().success(), "it does not end well");
        suite = up(month).await;
        office = suite.office().await;
        penalties(&office, subjects, month).await?;
        office.get("/grading/v1/schemes/first/distribution").await?;
        drawn(&office, month).await?;
    }
    println!("{name}: built in {:.0} s through the services", started.elapsed().as_secs_f64());
    let database = open(data, url).await?;
    let anew = counted(&database).await?;
    println!("{name:<11} {:<46} {:>10} {:>10}", "count of all grades anew", milliseconds(anew), "");
    let range = format!("from=2026-01-01&to=2026-{:02}-05", 1 + MONTHS);
    let mut missed = 0;
    for path in [
        // Two that count nothing, to compare with.
        String::from("/.well-known/jwks.json"),
        String::from("/credit/v1/items/administrative-penalty"),
        String::from("/grading/v1/schemes/first/distribution"),
        String::from("/grading/v1/figures/schemes"),
        String::from("/grading/v1/figures/population"),
        format!("/grading/v1/figures/grades?{range}"),
        format!("/grading/v1/figures/grades?{range}&step=MONTH"),
        format!("/grading/v1/figures/grades?{range}&step=DAY"),
        format!("/sampling/v1/figures/inspections?{range}&step=MONTH"),
        String::from("/sampling/v1/effect?scheme=first"),
        format!("/discipline/v1/figures?{range}"),
        format!("/discipline/v1/figures/measures?{range}"),
        format!("/discipline/v1/figures/listings?{range}&step=MONTH"),
        format!("/credit/v1/figures?{range}&domain=D09"),
        format!("/credit/v1/usage?{range}"),
        format!("/credit/v1/figures/quality?{range}"),
        format!("/credit/v1/figures/quality?{range}&step=DAY"),
        String::from("/reporting/v1/coverage"),
        format!("/reporting/v1/glance/grades?{range}&step=MONTH&byCounty=true"),
        format!("/reporting/v1/glance/grades?{range}&step=DAY"),
        format!("/reporting/v1/glance/migrations?{range}&step=MONTH"),
        format!("/reporting/v1/glance/inspections?{range}&step=MONTH"),
        format!("/reporting/v1/glance/listings?{range}&step=MONTH"),
        format!("/reporting/v1/glance/dataQuality?{range}&step=MONTH"),
    ] {
        let times = timed(&office, &path).await.with_context(|| path.clone())?;
        let (median, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
        missed += u32::from(p99 >= AIM);
        println!(
            "{name:<11} {:<46} {:>10} {:>10}  {:.0} times as fast as the count",
            path.split('?').next().unwrap_or_default().to_owned()
                + if path.contains("step=DAY") { " by day" } else { "" },
            milliseconds(median),
            milliseconds(p99),
            anew.as_secs_f64() / median.as_secs_f64()
        );
    }
    println!(
        "{name}: {missed} calls with a p99 of {} ms or more; resident {} MiB",
        AIM.as_millis(),
        suite.resident_mib()
    );
    summed_up(name, &office).await
}

// The summary of a whole year: composed from the services' figures, written, and its three documents.
async fn summed_up(database: &str, office: &Client) -> anyhow::Result<()> {
    let whole = Instant::now();
    let year = json!({ "domain": "D09", "from": "2026-01-01", "to": "2026-12-31" });
    let summary = office.post("/reporting/v1/summaries", year).await?;
    let id = summary["summaryId"].as_str().context("a summary without an id")?;
    let mut told = vec![format!("composed {}", milliseconds(whole.elapsed()))];
    let text = "虚构部门坚持以信用为基础，完善评价制度，推动分级分类监管落地见效。".repeat(12);
    let kinds = ["OVERVIEW", "MEASURES", "RESULTS", "SUPERVISION", "OUTLOOK"];
    let sections: Vec<_> = kinds.map(|kind| json!({ "kind": kind, "text": text })).into();
    let path = format!("/reporting/v1/summaries/{id}");
    let written = office.try_call(Method::PATCH, &path, &json!({ "sections": sections })).await?;
    anyhow::ensure!(written.status.is_success(), "{}", written.text());
    for format in ["docx", "xlsx", "pdf"] {
        let started = Instant::now();
        let file = office.try_get(&format!("{path}:export?format={format}")).await?;
        anyhow::ensure!(file.status.is_success(), "{}", file.text());
        told.push(format!("{format} {} ({} KiB)", milliseconds(started.elapsed()), file.body.len() >> 10));
    }
    println!("{database}: a year's summary in {}: {}", milliseconds(whole.elapsed()), told.join(", "));
    Ok(())
}

// One in two hundred of everybody.
async fn drawn(office: &Client, month: u32) -> anyhow::Result<()> {
    let id = format!("month-{month}");
    let quotas = ["A", "B", "C", "D"].map(|grade| json!({ "grade": grade, "percent": 0.5 }));
    let plan = json!({
        "planId": id, "title": "虚构抽查计划", "departments": ["transport"], "scheme": "first",
        "inspectionItems": ["operation"], "period": { "from": format!("2026-{month:02}-06"), "to": "2026-11-10" },
        "quotas": quotas,
    });
    office.post("/sampling/v1/plans", plan).await?;
    let draw =
        office.post(&format!("/sampling/v1/plans/{id}:commit"), json!({ "entropySource": "dice" })).await?;
    let draw = draw["drawId"].as_str().context("a draw without an id")?;
    office.post(&format!("/sampling/v1/draws/{draw}:reveal"), json!({ "entropy": "3 5 2 6" })).await?;
    Ok(())
}

fn register(subjects: u32) -> String {
    let mut csv = String::from("统一社会信用代码,企业名称,行政区划,行业代码,成立日期\n");
    for serial in 1..=subjects {
        let county = COUNTIES[serial as usize % COUNTIES.len()];
        csv.push_str(&format!("{},虚构第{serial}有限公司,{county},G5437,2015/6/1\n", world::code(serial)));
    }
    csv
}

async fn publish(office: &Client, id: &str, domain: &str) -> anyhow::Result<()> {
    let mut scheme = world::scheme(id, "DEPARTMENTS");
    scheme["domain"] = json!(domain);
    office.post("/grading/v1/schemes", scheme).await?;
    office.post(&format!("/grading/v1/schemes/{id}:publish"), json!({})).await?;
    Ok(())
}

async fn graded(office: &Client, subjects: u32) -> anyhow::Result<()> {
    for scheme in ["first", "second"] {
        loop {
            let told = office.get(&format!("/grading/v1/schemes/{scheme}/distribution")).await;
            // While much is graded the day may not be reached yet.
            if told.is_ok_and(|told| told["graded"].as_u64() == Some(subjects.into())) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    Ok(())
}

// One in fifty.
async fn penalties(office: &Client, subjects: u32, month: u32) -> anyhow::Result<()> {
    let serials: Vec<u32> = (1..=subjects).filter(|serial| (serial * 7 + month).is_multiple_of(50)).collect();
    let mut position = serde_json::Value::Null;
    for batch in serials.chunks(1_000) {
        let records: Vec<_> = batch
            .iter()
            .map(|serial| {
                json!({ "uscc": world::code(*serial), "item": "administrative-penalty", "sourceId": format!("{month}-{serial}"),
                        "occurredOn": format!("2026-{month:02}-01"), "severity": 3, "amount": "60000",
                        "fields": { "penaltyType": "罚款" } })
            })
            .collect();
        let answer = office.post("/credit/v1/records:submit", json!({ "records": records })).await?;
        position = answer["position"].clone();
    }
    let position = position.as_str().unwrap_or_default();
    let path = format!("/grading/v1/schemes/first/distribution?minPosition={position}");
    for _ in 0..200 {
        if office.try_get(&path).await?.status.is_success() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    anyhow::bail!("grading does not reach {position}")
}

async fn open(data: &std::path::Path, url: Option<&str>) -> anyhow::Result<DatabaseConnection> {
    let url = match url {
        Some(url) => url.replace("{service}", "grading"),
        None => format!("sqlite://{}?mode=ro", data.join("grading.sqlite").display()),
    };
    Ok(Database::connect(url).await?)
}

// The better of three, the database's memory warm.
async fn counted(database: &DatabaseConnection) -> anyhow::Result<Duration> {
    let text = "SELECT g.scheme, SUBSTR(s.region, 1, 6) AS county, g.grade, COUNT(*) AS subjects FROM grades g \
                JOIN sheets s ON s.uscc = g.uscc GROUP BY g.scheme, SUBSTR(s.region, 1, 6), g.grade";
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let started = Instant::now();
        let statement = Statement::from_string(database.get_database_backend(), text);
        let rows = database.query_all_raw(statement).await?;
        anyhow::ensure!(!rows.is_empty(), "nobody is graded");
        best = best.min(started.elapsed());
    }
    Ok(best)
}

async fn timed(client: &Client, path: &str) -> anyhow::Result<Vec<Duration>> {
    for _ in 0..10 {
        client.get(path).await?;
    }
    let mut times = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let started = Instant::now();
        client.get(path).await?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}
