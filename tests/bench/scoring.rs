//! A large scheme over a large population in memory, against DuckDB scoring the same records as one query in the same run; both must
//! come to the same score and grade for every subject. Needs `python3` with DuckDB: `pip install duckdb`.
mod scheme;

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
    process::Command,
    time::Instant,
};

use anyhow::{Context as _, ensure};
use jiff::{
    ToSpan,
    civil::{Date, date},
};
use scoring::{Change, Compiled, Decimal, Fact, FactSheet, Value};
use serde::Deserialize;

const SUBJECTS: u32 = 1_000_000;
const EACH: u64 = 10;
// The least time of each counts: what others on the machine take away comes and goes.
const ROUNDS: usize = 7;
const AS_OF: Date = date(2026, 2, 1);
const FIRST: Date = date(2021, 1, 1);

/// Measures a population of the given size, of a million where none is given.
pub fn measure(subjects: Option<&str>) -> anyhow::Result<()> {
    let subjects = subjects.map_or(Ok(SUBJECTS), str::parse).context("how many subjects?")?;
    ensure_duckdb()?;
    let threads = std::thread::available_parallelism()?.get();
    let indicators = scheme::LINES.len();
    println!(
        "{subjects} fictional subjects, {} records, {indicators} indicators, {threads} threads, as of {AS_OF}",
        u64::from(subjects) * EACH
    );
    let folder = tempfile::tempdir()?;
    write_records(&folder.path().join("records.csv"), subjects)?;
    std::fs::write(folder.path().join("load.sql"), scheme::load(subjects))?;
    std::fs::write(folder.path().join("query.sql"), scheme::query(AS_OF))?;
    let duckdb = duckdb(folder.path(), threads)?;
    ensure!(duckdb.records == u64::from(subjects) * EACH, "DuckDB holds {} records", duckdb.records);

    let compiled = scheme::compiled()?;
    let resident = resident_mib();
    let started = Instant::now();
    let sheets: Vec<FactSheet> =
        (0..subjects).map(|subject| sheet(subject, subjects)).collect::<anyhow::Result<_>>()?;
    let (built, held) = (started.elapsed(), resident_mib().saturating_sub(resident));
    let (mut ours, mut scored) = (Times::default(), Vec::new());
    for _ in 0..ROUNDS {
        let (started, busy) = (Instant::now(), cpu_seconds());
        scored = score(&compiled, &sheets, threads);
        ours.seconds.push(started.elapsed().as_secs_f64());
        ours.cpu.push(cpu_seconds() - busy);
    }
    compare(&folder.path().join("scores.csv"), &compiled, &scored)?;
    println!("fact sheets built in {:.1} s, {held} MiB in memory", built.as_secs_f64());
    let theirs = Times { seconds: duckdb.seconds, cpu: duckdb.cpu };
    println!("evaluation of all sheets            {}", ours.shown());
    println!(
        "DuckDB {:<8} one query, its table {}; peak {} MiB",
        duckdb.version,
        theirs.shown(),
        duckdb.peak_mib
    );
    let ratio = |ours: &[f64], theirs: &[f64]| least(theirs) / least(ours);
    println!(
        "{:.1} times as fast by the clock, {:.1} times by the processors' time; every score and grade is the same",
        ratio(&ours.seconds, &theirs.seconds),
        ratio(&ours.cpu, &theirs.cpu)
    );
    Ok(())
}

/// The rounds of one contender, by the clock and by the processors' time, which others on the machine don't take away.
#[derive(Default)]
struct Times {
    seconds: Vec<f64>,
    cpu: Vec<f64>,
}

impl Times {
    fn shown(&self) -> String {
        let rounds =
            |times: &[f64]| times.iter().map(|time| format!("{time:.2}")).collect::<Vec<_>>().join(", ");
        format!("{} s, processors {} s", rounds(&self.seconds), rounds(&self.cpu))
    }
}

fn least(times: &[f64]) -> f64 {
    times.iter().copied().fold(f64::INFINITY, f64::min)
}

// The process's user and system time, which Linux tells in hundredths of a second.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn ensure_duckdb() -> anyhow::Result<()> {
    let found = Command::new("python3").args(["-c", "import duckdb"]).output();
    let found = found.context("there is no python3, which drives DuckDB")?;
    ensure!(
        found.status.success(),
        "python3 has no DuckDB: pip install duckdb\n{}",
        String::from_utf8_lossy(&found.stderr)
    );
    Ok(())
}

/// A record of the population, made of the numbers of the subject and of the record: the same in each run.
struct Record {
    item: usize,
    occurred_on: Date,
    severity: i32,
    cents: Option<i64>,
    kind: &'static str,
    until: Option<Date>,
}

fn scattered(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

// None to twenty records, ten on average: what one subject has fewer, its neighbour has more.
fn count(subject: u32) -> u64 {
    let more = scattered(u64::from(subject / 2)) % (EACH + 1);
    if subject.is_multiple_of(2) { EACH + more } else { EACH - more }
}

fn records(subject: u32, subjects: u32) -> impl Iterator<Item = Record> {
    // The last of an odd number of subjects has no neighbour.
    let count = if subject + 1 == subjects && subjects % 2 == 1 { EACH } else { count(subject) };
    (0..count).map(move |number| {
        let mut chance = scattered((u64::from(subject) << 8) | number);
        let mut draw = |below: u64| {
            let drawn = chance % below;
            chance = scattered(chance);
            drawn
        };
        let day = |days: u64| FIRST.saturating_add(i64::try_from(days).unwrap_or_default().days());
        let occurred = draw(1_880);
        Record {
            item: draw(scheme::ITEMS.len() as u64) as usize,
            occurred_on: day(occurred),
            severity: draw(4) as i32,
            cents: (draw(10) > 0).then_some(draw(2_000_000) as i64),
            kind: scheme::KINDS[draw(scheme::KINDS.len() as u64) as usize],
            until: (draw(20) == 0).then_some(day(occurred + 1 + draw(900))),
        }
    })
}

fn write_records(path: &Path, subjects: u32) -> anyhow::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    for subject in 0..subjects {
        for (order, record) in records(subject, subjects).enumerate() {
            let Record { item, occurred_on, severity, cents, kind, until } = record;
            let amount = cents.map(money).unwrap_or_default();
            let until = until.map(|until| until.to_string()).unwrap_or_default();
            let item = scheme::ITEMS[item];
            writeln!(out, "{subject},{item},{occurred_on},{severity},{amount},{kind},{until},{order}")?;
        }
    }
    Ok(out.flush()?)
}

fn money(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn sheet(subject: u32, subjects: u32) -> anyhow::Result<FactSheet> {
    let mut changes = Vec::new();
    for (order, record) in (0_u32..).zip(records(subject, subjects)) {
        let amount = record.cents.map(|cents| Decimal::parse(&money(cents)));
        let fact = Fact {
            record: format!("01J{subject:019}{order:04}"),
            version: 1,
            item: scheme::ITEMS[record.item].to_owned(),
            occurred_on: record.occurred_on,
            severity: record.severity,
            amount: amount.transpose().map_err(|fault| anyhow::anyhow!(fault.message().en))?,
            fields: vec![("grade".to_owned(), Value::Text(record.kind.to_owned()))],
            order: order.into(),
            effective_from: None,
            effective_until: record.until,
        };
        changes.push(Change::Put(fact));
    }
    let mut sheet = FactSheet::new();
    sheet.apply_all(changes).map_err(|fault| anyhow::anyhow!(fault.message().en))?;
    Ok(sheet)
}

/// A grade by its place among the scheme's, and a score.
type Scored<'a> = (&'a str, Option<Decimal>, Option<Date>);

fn score<'a>(compiled: &'a Compiled, sheets: &'a [FactSheet], threads: usize) -> Vec<Scored<'a>> {
    let mut scored: Vec<Scored<'a>> = vec![("", None, None); sheets.len()];
    let share = sheets.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        for (sheets, scored) in sheets.chunks(share).zip(scored.chunks_mut(share)) {
            scope.spawn(move || {
                let mut scored = scored.iter_mut();
                compiled.grade_each(sheets, AS_OF, |outcome| {
                    if let Some(scored) = scored.next() {
                        *scored = (outcome.grade, outcome.score, outcome.next_change_on);
                    }
                });
            });
        }
    });
    scored
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DuckDb {
    version: String,
    records: u64,
    seconds: Vec<f64>,
    cpu: Vec<f64>,
    peak_mib: u64,
}

fn duckdb(folder: &Path, threads: usize) -> anyhow::Result<DuckDb> {
    let script = folder.join("scoring.py");
    std::fs::write(&script, include_str!("scoring.py"))?;
    let files = ["records.csv", "load.sql", "query.sql", "scores.csv"].map(|name| folder.join(name));
    let run = Command::new("python3")
        .arg(script)
        .args(files)
        .args([threads.to_string(), ROUNDS.to_string()])
        .output()?;
    ensure!(run.status.success(), "DuckDB failed:\n{}", String::from_utf8_lossy(&run.stderr));
    serde_json::from_slice(&run.stdout).context("DuckDB's answer")
}

// Score by score and grade by grade; the distribution is told.
fn compare(path: &Path, compiled: &Compiled, scored: &[Scored<'_>]) -> anyhow::Result<()> {
    let theirs = std::fs::read_to_string(path)?;
    let mut distribution: Vec<(&str, u32)> = compiled.grades().map(|grade| (grade, 0)).collect();
    let mut lines = theirs.lines();
    for (subject, (grade, score, _)) in scored.iter().enumerate() {
        let line = lines.next().with_context(|| format!("DuckDB scored no subject {subject}"))?;
        let mut cells = line.split(',');
        let number = cells.next().unwrap_or_default();
        let same = number == subject.to_string()
            && cells.next().and_then(|score| Decimal::parse(score).ok()) == *score
            && cells.next() == Some(grade);
        ensure!(same, "subject {subject} is {grade} with {score:?}, and with DuckDB {line}");
        distribution.iter_mut().filter(|(own, _)| own == grade).for_each(|(_, count)| *count += 1);
    }
    ensure!(lines.next().is_none(), "DuckDB scored more subjects than there are");
    println!("distribution {distribution:?}");
    Ok(())
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or_default() / 1024
}
