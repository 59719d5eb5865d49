//! Draws of a million subjects: tickets and the choice of the smallest against the bare SHA-256 of the same bytes on one core; and the whole
//! draw through the gateway, frozen, committed, revealed, stored and its bundle fetched, on PostgreSQL.
use std::time::{Duration, Instant};

use anyhow::Context as _;
use chassis::trial::Postgres;
use draw::{Quotas, Roster, Seed};
use sea_orm::sqlx::{Connection as _, Executor as _, PgConnection};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use suites::{process::Suite, world};

use crate::{ratio, row, seconds, sizes::each};

const SUBJECTS: u32 = 1_000_000;
const ROUNDS: usize = 7;

/// Measures both, of a million subjects or of as many as are given.
pub async fn measure(subjects: Option<&str>) -> anyhow::Result<()> {
    let subjects = subjects.map_or(Ok(SUBJECTS), str::parse)?;
    println!("{subjects} subjects: 73.1 % A, 18.6 % B, 5.2 % C, 3.0 % D, drawn at 2, 5, 100 and 100 %");
    println!("{:<44} {:>12} {:>16}  baseline of the same run", "measure", "figure", "ratio");
    let codes: Vec<String> = (1..=subjects).map(world::code).collect();
    arithmetic(&codes)?;
    whole(&codes).await
}

// The shares of 巴彦淖尔 2022, as its market regulator published them: 22,186, 5,658, 1,581 and 898.
fn grade(index: usize) -> &'static str {
    // Scattered, the same in each run.
    match index.wrapping_mul(0x9E37_79B9) % 30_323 {
        0..22_186 => "A",
        22_186..27_844 => "B",
        27_844..29_425 => "C",
        _ => "D",
    }
}

fn arithmetic(codes: &[String]) -> anyhow::Result<()> {
    let roster = Roster::new(codes.iter().enumerate().map(|(index, code)| (code, grade(index))))?;
    let part = |(stratum, members): &(String, usize)| match stratum.as_str() {
        "A" => members.div_ceil(50),
        "B" => members.div_ceil(20),
        _ => *members,
    };
    let text: String = roster.strata().iter().map(|one| format!("{},{}\n", one.0, part(one))).collect();
    let few: String =
        roster.strata().iter().map(|one| format!("{},{}\n", one.0, one.1.div_ceil(100))).collect();
    let seed = Seed::derive("secret", "entropy", &roster.digest(), &text);
    for (what, quotas) in [("of 1 %", Quotas::parse(&few)?), ("of these shares", Quotas::parse(&text)?)] {
        let mut ratios = Vec::new();
        let mut last = (Duration::ZERO, Duration::ZERO);
        for _ in 0..ROUNDS {
            let baseline = bare(seed.as_str(), codes);
            let started = Instant::now();
            let selected = draw::select(&seed, &roster, &quotas);
            let took = started.elapsed();
            anyhow::ensure!(selected.len() == quotas.total(), "{} are drawn", selected.len());
            ratios.push(took.as_secs_f64() / baseline.as_secs_f64());
            last = (took, baseline);
        }
        ratios.sort_by(f64::total_cmp);
        let told = format!("bare SHA-256 of the same bytes: {}; median of {ROUNDS}", seconds(last.1));
        let figure = format!("{:.2} x", ratios[ROUNDS / 2]);
        row(&format!("tickets and the smallest {what}"), &seconds(last.0), &figure, &told);
    }
    Ok(())
}

// The seed's text, a line feed and the code, hashed one after another; what is looked at keeps the work from being left out.
fn bare(seed: &str, codes: &[String]) -> Duration {
    let mut text = format!("{seed}\n{}", codes.first().map_or("", String::as_str)).into_bytes();
    let at = seed.len() + 1;
    let started = Instant::now();
    let mut seen = 0_u8;
    for code in codes {
        text[at..].copy_from_slice(code.as_bytes());
        seen ^= Sha256::digest(&text)[0];
    }
    std::hint::black_box(seen);
    started.elapsed()
}

async fn whole(codes: &[String]) -> anyhow::Result<()> {
    let cluster = Postgres::start();
    let folder = tempfile::tempdir()?;
    let url = cluster.url("bench");
    let suite = Suite::up(&folder.path().join("data"), &["--database", url.as_str()]).await;
    let office = suite.office().await;
    office.post("/grading/v1/schemes", world::scheme("bench", "PUBLIC")).await?;
    office.post("/grading/v1/schemes/bench:publish", json!({})).await?;
    grade_all(&url, codes).await?;
    let item = json!({ "name": "道路运输经营检查", "department": "transport" });
    office.put("/sampling/v1/inspectionItems/operation", item).await?;
    for n in 0..20 {
        let inspector = json!({ "department": "transport", "region": "640300" });
        office.put(&format!("/sampling/v1/inspectors/i{n:02}"), inspector).await?;
    }
    let quota =
        |(grade, percent): (&str, u32)| json!({ "grade": grade, "percent": percent, "maxPerYear": 2 });
    let quotas: Vec<Value> = [("A", 2), ("B", 5), ("C", 100), ("D", 100)].map(quota).into();
    let plan = json!({
        "planId": "bench", "title": "bench", "departments": ["transport"], "scheme": "bench",
        "inspectionItems": ["operation"], "period": { "from": "2026-03-01", "to": "2026-11-10" },
        "quotas": quotas,
    });
    office.post("/sampling/v1/plans", plan).await?;
    let before = suite.resident_mib();

    let started = Instant::now();
    let draw = office.post("/sampling/v1/plans/bench:commit", json!({ "entropySource": "dice" })).await?;
    let committed = started.elapsed();
    anyhow::ensure!(draw["rosterSize"] == codes.len(), "{draw}");
    let id = draw["drawId"].as_str().unwrap_or_default().to_owned();
    let revealing = Instant::now();
    let draw =
        office.post(&format!("/sampling/v1/draws/{id}:reveal"), json!({ "entropy": "3 5 2 6" })).await?;
    let revealed = revealing.elapsed();
    let hashing = bare(&"0".repeat(64), codes);
    let told = format!("bare SHA-256 {}; freeze and commit {}", seconds(hashing), seconds(committed));
    row(
        "whole draw: freeze, commit, reveal, store",
        &seconds(committed + revealed),
        &ratio(committed + revealed, hashing),
        &told,
    );
    let drawn = u32::try_from(draw["drawn"].as_u64().context("how many are drawn")?)?;
    row("  of it the reveal, with teams of two", &seconds(revealed), "", &format!("{drawn} drawn"));
    let mut database = PgConnection::connect(&url.replace("{service}", "sampling")).await?;
    let visit = each(&mut database, &["visits", "visit_inspectors", "skipped_inspectors"], drawn).await?;
    let place = each(&mut database, &["roster_parts"], u32::try_from(codes.len())?).await?;
    row(
        "  on the disk",
        &format!("{visit:.0} B a visit"),
        "",
        &format!("with its team; {place:.0} B a place on the roster"),
    );
    let peak = suite.resident_mib();

    // The file in pieces: what it takes while it leaves is looked at, and what came is verified.
    let started = Instant::now();
    let file = office.try_get(&format!("/sampling/v1/draws/{id}/bundle:download")).await?;
    let took = started.elapsed();
    let after = suite.resident_mib();
    anyhow::ensure!(file.status.is_success(), "{}", file.text());
    let told = format!(
        "{} MiB; resident {before} MiB before the draw, {peak} after it, {after} after the file",
        file.body.len() >> 20
    );
    row("bundle of the draw, in pieces", &seconds(took), "", &told);
    let started = Instant::now();
    let bundle = draw::Bundle::from_json(&file.body).map_err(|fault| anyhow::anyhow!("{fault}"))?;
    let verified = draw::verify(&bundle).map_err(|found| anyhow::anyhow!("{found:?}"))?;
    anyhow::ensure!(verified.roster_size == Some(codes.len()) && draw["drawn"] == verified.drawn);
    row("  verified", &seconds(started.elapsed()), "", "all of it recomputed");
    Ok(())
}

// The graded population is laid into grading's tables: importing and grading have figures of their own.
async fn grade_all(url: &str, codes: &[String]) -> anyhow::Result<()> {
    let mut database = PgConnection::connect(&url.replace("{service}", "grading")).await?;
    for (table, line) in [
        ("sheets (uscc, name, region, industry, domains, status, taken, facts)", 0),
        ("grades (uscc, scheme, version, grade, as_of)", 1),
    ] {
        let mut into = database.copy_in_raw(&format!("COPY {table} FROM STDIN")).await?;
        for (part, codes) in codes.chunks(10_000).enumerate() {
            let mut text = String::new();
            for (index, code) in codes.iter().enumerate() {
                let serial = part * 10_000 + index;
                text.push_str(&match line {
                    0 => format!("{code}\t虚构第{serial}有限公司\t640302\tG5437\tD09\t存续\t0\t\\\\x\n"),
                    _ => format!("{code}\tbench\t1\t{}\t2026-03-01\n", grade(serial)),
                });
            }
            into.send(text.as_bytes()).await?;
        }
        into.finish().await?;
    }
    database.execute("ANALYZE").await?;
    database.close().await?;
    Ok(())
}
