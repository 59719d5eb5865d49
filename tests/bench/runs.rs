//! A run over a whole population on PostgreSQL, writing a grade each, and a second in which nothing changes, against the database alone:
//! `COPY … TO STDOUT` of the fact sheets and `COPY … FROM STDIN` of the grades, both binary, of the same rows, in the same run.
use std::{
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
    google::longrunning::operation,
    grading::v1::{
        self as api, indicator::Measure, operations_client::OperationsClient, runs_client::RunsClient,
        schemes_client::SchemesClient,
    },
};
use futures::TryStreamExt as _;
use jiff::{ToSpan as _, civil::date};
use prost::Message as _;
use scoring::{Change, Decimal, Fact, FactSheet};
use sea_orm::sqlx::{Connection as _, Executor as _, PgConnection};
use suites::{process::Suite, world};

use crate::sizes::each;

const RECORDS: u32 = 10;
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Measures a population of so many.
pub async fn measure(subjects: u32) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    // As an operator sets it for a machine of its own: the tables fit.
    let cluster = Postgres::start_with(&["fsync=off", "full_page_writes=off", "shared_buffers=2GB"]);
    let url = cluster.url("runs");
    let gateway = Suite::serve("gateway", &folder.path().join("gateway"), &["--database", &url]).await;
    let flags = ["--database", &url, "--gateway-url", &gateway.base];
    let credit = Suite::serve("credit", &folder.path().join("credit"), &flags).await;
    let secrets: serde_json::Value = read(&gateway, "services.json")?;
    let secret = secrets["svc-grading"].as_str().context("grading's secret")?;
    let flags = [
        "--database",
        &url,
        "--gateway-url",
        &gateway.base,
        "--credit-url",
        &credit.base,
        "--client-secret",
        secret,
    ];
    let grading = Suite::serve("grading", &folder.path().join("grading"), &flags).await;
    let admin: serde_json::Value = read(&gateway, "admin.json")?;
    let secret = admin["clientSecret"].as_str().context("the office's secret")?;
    let identity = Identity::new(Upstream::remote(&gateway.base)?, "admin", secret, Clock::default());
    let upstream = Upstream::remote(&grading.base)?.with_identity(Arc::new(identity));

    let mut schemes = SchemesClient::new(upstream.clone());
    let draft = api::CreateSchemeRequest { scheme: Some(scheme()), ..Default::default() };
    schemes.create_scheme(draft).await?;
    let publish = api::PublishSchemeRequest { scheme: String::from("bench"), ..Default::default() };
    schemes.publish_scheme(publish).await?;
    run(&upstream, false).await.context("the run of publishing, over nobody")?;

    let mut database = PgConnection::connect(&url.replace("{service}", "grading")).await?;
    fill(&mut database, subjects).await?;
    let bytes = out(&mut database, "sheets").await?;
    println!(
        "{subjects} subjects with {RECORDS} records each, {} indicators, {} MB of sheets",
        20,
        bytes.1 >> 20
    );
    let reading = bytes.0;
    let (first, response) = run(&upstream, false).await?;
    anyhow::ensure!(u32::try_from(response.changed) == Ok(subjects), "{response:?}");
    let (second, response) = run(&upstream, false).await?;
    let (graded, held) = (u32::try_from(response.evaluated)?, u32::try_from(response.held)?);
    anyhow::ensure!((graded, held, response.changed) == (subjects, subjects, 0), "{response:?}");
    let (afresh, response) = run(&upstream, true).await?;
    anyhow::ensure!((response.held, response.changed) == (0, 0), "{response:?}");
    // The database's memory is warm for both: the better of two.
    let reading = reading.min(out(&mut database, "sheets").await?.0);
    let writing = copy(&mut database).await?;
    let row = |what: &str, took: Duration, baseline: Duration| {
        let rate = f64::from(subjects) / took.as_secs_f64();
        println!(
            "{what:<24} {:>7.2} s {rate:>9.0} subjects/s  ratio {:.2}",
            took.as_secs_f64(),
            took.as_secs_f64() / baseline.as_secs_f64()
        );
    };
    println!(
        "COPY sheets TO STDOUT    {:>7.2} s, COPY grades FROM STDIN {:.2} s",
        reading.as_secs_f64(),
        writing.as_secs_f64()
    );
    row("run that grades all", first, reading + writing);
    // Whether nothing changed, only the grades that stand can tell.
    let standing = out(&mut database, "grades").await?.0;
    println!("COPY grades TO STDOUT    {:>7.2} s", standing.as_secs_f64());
    row("run that changes nothing", second, reading + standing);
    row("the same, all afresh", afresh, reading + standing);
    println!(
        "on the disk {:.0} bytes a sheet, {:.0} a grade, {:.0} a line of a grade's history",
        each(&mut database, &["sheets"], subjects).await?,
        each(&mut database, &["grades"], subjects).await?,
        each(&mut database, &["grade_history"], subjects).await?,
    );
    println!("grading's memory at most {} MiB; grades {:?}", peak_mib(&grading)?, response.distribution);
    Ok(())
}

fn read(suite: &Suite, file: &str) -> anyhow::Result<serde_json::Value> {
    Ok(serde_json::from_slice(&std::fs::read(suite.data_dir.join(file))?)?)
}

fn peak_mib(suite: &Suite) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", suite.id()))?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).context("VmHWM")?;
    Ok(line.split_whitespace().nth(1).context("a figure")?.parse::<u64>()? / 1024)
}

// From the call until the operation is done.
async fn run(upstream: &Upstream, afresh: bool) -> anyhow::Result<(Duration, api::RunResponse)> {
    let started = Instant::now();
    let request = api::CreateRunRequest { scheme: String::from("bench"), afresh, ..Default::default() };
    let operation = RunsClient::new(upstream.clone()).create_run(request).await?.into_inner();
    let id = operation.name.trim_start_matches("operations/").to_owned();
    loop {
        let request = api::GetOperationRequest { id: id.clone() };
        let state = OperationsClient::new(upstream.clone()).get_operation(request).await?.into_inner();
        match state.result {
            Some(operation::Result::Response(any)) => {
                return Ok((started.elapsed(), api::RunResponse::decode(any.value.as_slice())?));
            }
            Some(operation::Result::Error(error)) => anyhow::bail!("{error:?}"),
            None => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

const ITEMS: [&str; 4] =
    ["administrative-penalty", "administrative-inspection", "honour", "serious-dishonesty-listing"];

// Twenty indicators of every kind but the national result, which these sheets do not hold.
fn scheme() -> api::Scheme {
    let indicator = |number: u32| {
        let window = i32::try_from(6 + number * 3).unwrap_or(12);
        api::Indicator {
            id: format!("i{number:02}"),
            name: format!("指标{number}"),
            dimension: String::from("监管信息"),
            items: vec![ITEMS[number as usize % 3].to_owned()],
            filter: match number % 4 {
                0 => String::new(),
                1 => String::from("severity >= 2"),
                2 => String::from("amount > 10000.0"),
                _ => String::from("severity >= 1 && amount <= 50000.0"),
            },
            measure: if number.is_multiple_of(3) { Measure::SumAmount } else { Measure::Count } as i32,
            decay: vec![
                api::DecayStep { within_months: window, percent: 100.0 },
                api::DecayStep { within_months: window + 24, percent: 50.0 },
            ],
            points_per_unit: Some(if number.is_multiple_of(3) { -0.0001 } else { -0.5 }),
            min_points: Some(-10.0),
            ..Default::default()
        }
    };
    let grade = |(name, least): (&str, f64)| api::Grade {
        grade: name.to_owned(),
        min_score: least,
        ..Default::default()
    };
    api::Scheme {
        scheme_id: String::from("bench"),
        domain: String::from("transport"),
        department: String::from("transport"),
        basis: Some(api::Basis {
            title: String::from("测试用评价制度"),
            document_number: String::from("测试〔2026〕1号"),
        }),
        national_result: api::scheme::NationalResult::None as i32,
        disclosure: api::scheme::Disclosure::Departments as i32,
        model: Some(api::Model {
            base_score: Some(100.0),
            min_score: Some(0.0),
            max_score: Some(120.0),
            indicators: (0..20).map(indicator).collect(),
            vetoes: Vec::new(),
            grades: [("A", 90.0), ("B", 75.0), ("C", 60.0), ("D", 0.0)].map(grade).into(),
        }),
        ..Default::default()
    }
}

// Numbers that scatter, the same in each run.
fn scattered(number: u64) -> u64 {
    let mut x = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x ^= x >> 29;
    x.wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 24
}

fn sheet(serial: u32) -> anyhow::Result<Vec<u8>> {
    let mut sheet = FactSheet::new();
    for record in 0..RECORDS {
        let x = scattered(u64::from(serial) * u64::from(RECORDS) + u64::from(record));
        let day = date(2020, 1, 1) + i64::try_from(x % 2_200)?.days();
        let amount = Decimal::parse(&format!("{}", x % 80_000));
        let fact = Fact {
            record: format!("{:032x}", u128::from(x) << 32 | u128::from(serial)),
            version: 1,
            item: ITEMS[usize::try_from(x / 7 % 3)?].to_owned(),
            occurred_on: day,
            severity: i32::try_from(x / 3 % 4)?,
            amount: amount.ok(),
            fields: Vec::new(),
            order: u64::from(record) + 1,
            effective_from: None,
            effective_until: None,
        };
        sheet.apply(Change::Put(fact)).map_err(|fault| anyhow::anyhow!("{}", fault.message().en))?;
    }
    Ok(sheet.encode())
}

// The population in the order in which it might have been registered, which is not that of the codes.
async fn fill(database: &mut PgConnection, subjects: u32) -> anyhow::Result<()> {
    let stride = (1..).map(|step| 611_953 + step).find(|stride| gcd(*stride, subjects) == 1).unwrap_or(1);
    let mut into = database.copy_in_raw("COPY sheets (uscc, name, region, industry, domains, status, taken, facts) FROM STDIN (FORMAT binary)").await?;
    let mut part = SIGNATURE.to_vec();
    for place in 0..subjects {
        let serial = u32::try_from(u64::from(place) * u64::from(stride) % u64::from(subjects))? + 1;
        let facts = sheet(serial)?;
        let name = format!("虚构第{serial}有限公司");
        let taken = i64::from(RECORDS).to_be_bytes();
        let code = world::code(serial);
        let columns: [&[u8]; 8] = [
            code.as_bytes(),
            name.as_bytes(),
            b"640302",
            b"G5437",
            b"D09",
            "存续".as_bytes(),
            &taken,
            &facts,
        ];
        part.extend_from_slice(&8_i16.to_be_bytes());
        for column in columns {
            part.extend_from_slice(&i32::try_from(column.len())?.to_be_bytes());
            part.extend_from_slice(column);
        }
        if part.len() > 1 << 20 {
            into.send(part.as_slice()).await?;
            part.clear();
        }
    }
    part.extend_from_slice(&(-1_i16).to_be_bytes());
    into.send(part.as_slice()).await?;
    into.finish().await?;
    database.execute("VACUUM ANALYZE sheets").await?;
    Ok(())
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

async fn out(database: &mut PgConnection, table: &str) -> anyhow::Result<(Duration, usize)> {
    let started = Instant::now();
    let mut rows = database.copy_out_raw(&format!("COPY {table} TO STDOUT (FORMAT binary)")).await?;
    let mut bytes = 0;
    while let Some(part) = rows.try_next().await? {
        bytes += part.len();
    }
    Ok((started.elapsed(), bytes))
}

// The grades that the run gave into a table of the same columns and indexes.
async fn copy(database: &mut PgConnection) -> anyhow::Result<Duration> {
    database.execute("CREATE TABLE copied (LIKE grades INCLUDING ALL)").await?;
    let mut rows = Vec::new();
    {
        let mut out = database.copy_out_raw("COPY grades TO STDOUT (FORMAT binary)").await?;
        while let Some(part) = out.try_next().await? {
            rows.extend_from_slice(&part);
        }
    }
    let started = Instant::now();
    let mut into = database.copy_in_raw("COPY copied FROM STDIN (FORMAT binary)").await?;
    for part in rows.chunks(1 << 20) {
        into.send(part).await?;
    }
    into.finish().await?;
    Ok(started.elapsed())
}
