//! Names to codes within a real register, through the real binary: precision, recall, and the time of a thousand names.
//!
//! The folder holds `enterprises*.csv` (or `.csv.gz`) with the columns `uscc` and `name`, and may hold `name_link_truth*.csv` with
//! `party_name` and `uscc`, and `*penalties*.csv` with `party_name`. Such files are not part of the project.
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use chassis::trial::Postgres;
use serde_json::{Value, json};
use suites::process::Suite;
use xinheng::client::Client;

const SAMPLE: usize = 4_000;
const OF_A_CALL: usize = 1_000;

/// Measures on both databases.
pub async fn measure(data: &Path) -> anyhow::Result<()> {
    let registers = files(data, "enterprises", &["enterprises_ningxia"])?;
    anyhow::ensure!(!registers.is_empty(), "no enterprises*.csv in {}", data.display());
    let cluster = Postgres::start();
    for postgres in [false, true] {
        let folder = tempfile::tempdir()?;
        println!("\n{}", if postgres { "PostgreSQL" } else { "SQLite" });
        let url = if postgres { cluster.url("names") } else { String::new() };
        let flags = if postgres { vec!["--database", url.as_str()] } else { Vec::new() };
        let suite = Suite::up(&folder.path().join("data"), &flags).await;
        let office = suite.office().await;
        let mut register: HashMap<String, HashSet<String>> = HashMap::new();
        for file in &registers {
            let text = read(file)?;
            note(&text, &mut register);
            let started = Instant::now();
            let ended = office
                .import("kind=subjects&format=csv&acceptNonconforming=true", text.into(), |_| {})
                .await?;
            let progress = &ended["metadata"]["progress"];
            println!(
                "import of {}: {:.1} s, {} rows, {} accepted, {} rejected; resident {} MiB",
                file.file_name().unwrap_or_default().to_string_lossy(),
                started.elapsed().as_secs_f64(),
                progress["rows"],
                progress["accepted"],
                progress["rejected"],
                suite.resident_mib()
            );
        }
        truth(&office, data).await?;
        perturbed(&office, &register).await?;
        listed(&office, data).await?;
        time(&office, &register).await?;
        println!("resident memory after all this: {} MiB", suite.resident_mib());
    }
    Ok(())
}

fn files(data: &Path, beginning: &str, but: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(data)
        .with_context(|| format!("the folder {}", data.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let wanted = name.contains(beginning) && (name.ends_with(".csv") || name.ends_with(".csv.gz"));
            wanted && !but.iter().any(|but| name.starts_with(but))
        })
        .collect();
    found.sort();
    Ok(found)
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    if file.extension().is_some_and(|extension| extension == "gz") {
        let unpacked = Command::new("gzip").arg("-dc").arg(file).output().context("gzip")?;
        anyhow::ensure!(unpacked.status.success(), "gzip can't read {}", file.display());
        return Ok(unpacked.stdout);
    }
    Ok(std::fs::read(file)?)
}

// The two columns of a file, cut at commas as far as quotation marks allow.
fn columns(text: &[u8], wanted: [&str; 2]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(text);
    let mut lines = text.trim_start_matches('\u{FEFF}').lines().map(cells);
    let headings = lines.next().unwrap_or_default();
    let place = |name: &str| headings.iter().position(|heading| heading == name);
    let (Some(first), second) = (place(wanted[0]), place(wanted[1])) else { return Vec::new() };
    let cell = |row: &[String], place: Option<usize>| {
        place.and_then(|place| row.get(place)).cloned().unwrap_or_default()
    };
    lines.map(|row| (cell(&row, Some(first)), cell(&row, second))).collect()
}

fn cells(line: &str) -> Vec<String> {
    let (mut out, mut quoted) = (vec![String::new()], false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => out.push(String::new()),
            c => out.last_mut().map_or((), |cell| cell.push(c)),
        }
    }
    out
}

fn note(text: &[u8], register: &mut HashMap<String, HashSet<String>>) {
    for (code, name) in columns(text, ["uscc", "name"]) {
        register.entry(name.trim().to_owned()).or_default().insert(code);
    }
}

// The code that each name is linked to, and why.
async fn ask(office: &Client, names: &[String]) -> anyhow::Result<Vec<Option<(String, String)>>> {
    let mut linked = Vec::with_capacity(names.len());
    for part in names.chunks(OF_A_CALL) {
        let answer = office.post("/credit/v1/subjects:match", json!({ "names": part })).await?;
        for result in answer["results"].as_array().context("results")? {
            let first = result["candidates"].as_array().and_then(|candidates| candidates.first());
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            linked.push(first.map(|one| (text(&one["uscc"]), format!("{} {}", one["name"], one["reasons"]))));
        }
    }
    Ok(linked)
}

struct Tally {
    asked: usize,
    linked: usize,
    right: usize,
}

impl Tally {
    fn of(truth: &[Option<String>], linked: &[Option<(String, String)>]) -> Self {
        let right = truth.iter().zip(linked).filter(|(truth, linked)| {
            truth.is_some() && truth.as_ref() == linked.as_ref().map(|(code, _)| code)
        });
        Self { asked: truth.len(), linked: linked.iter().flatten().count(), right: right.count() }
    }

    fn say(&self, what: &str) {
        let part = |of: usize| {
            if of == 0 { String::from("    -") } else { format!("{:.4}", self.right as f64 / of as f64) }
        };
        println!(
            "{what:<52} {:>6} asked {:>6} linked, precision {} recall {}",
            self.asked,
            self.linked,
            part(self.linked),
            part(self.asked)
        );
    }
}

async fn truth(office: &Client, data: &Path) -> anyhow::Result<()> {
    for file in files(data, "name_link_truth", &[])? {
        let pairs = columns(&read(&file)?, ["party_name", "uscc"]);
        for half in 0..2 {
            let own: Vec<_> =
                pairs.iter().enumerate().filter(|(row, _)| row % 2 == half).map(|(_, pair)| pair).collect();
            let names: Vec<String> = own.iter().map(|pair| pair.0.clone()).collect();
            let truth: Vec<_> = own.iter().map(|pair| Some(pair.1.clone())).collect();
            Tally::of(&truth, &ask(office, &names).await?).say(&format!("true pairs, half {}", half + 1));
        }
    }
    Ok(())
}

// Names of published lists, most of which are of nobody in the register: what is linked though not written the same is shown.
async fn listed(office: &Client, data: &Path) -> anyhow::Result<()> {
    for file in files(data, "penalties", &[])? {
        let names: HashSet<String> =
            columns(&read(&file)?, ["party_name", ""]).into_iter().map(|pair| pair.0).collect();
        let mut names: Vec<String> = names.into_iter().filter(|name| !name.is_empty()).collect();
        names.sort();
        let linked = ask(office, &names).await?;
        println!(
            "published list: {} names, {} linked; those not written the same:",
            names.len(),
            linked.iter().flatten().count()
        );
        for (name, (_, own)) in
            names.iter().zip(&linked).filter_map(|(name, linked)| Some((name, linked.as_ref()?)))
        {
            if !own.starts_with(&format!("\"{name}\" ")) {
                println!("    {name} -> {own}");
            }
        }
    }
    Ok(())
}

async fn time(office: &Client, register: &HashMap<String, HashSet<String>>) -> anyhow::Result<()> {
    let mut names: Vec<&String> = register.keys().collect();
    names.sort_by_key(|name| mixed(name, 1));
    let mut took: Vec<Duration> = Vec::new();
    for round in 0..5 {
        let part: Vec<&String> = names.iter().copied().skip(round * OF_A_CALL).take(OF_A_CALL).collect();
        let started = Instant::now();
        office.post("/credit/v1/subjects:match", json!({ "names": part })).await?;
        took.push(started.elapsed());
    }
    took.sort_unstable();
    println!(
        "{OF_A_CALL} names: median {:.3} s, slowest {:.3} s",
        took[2].as_secs_f64(),
        took[4].as_secs_f64()
    );
    Ok(())
}

// A number that scatters, the same in each run.
fn mixed(text: &str, salt: u64) -> u64 {
    let mut x = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325 ^ salt, |x, byte| (x ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    x ^= x >> 29;
    x.wrapping_mul(0xBF58_476D_1CE4_E5B9)
}

type Change = fn(&str) -> Option<String>;

// The kinds of variation that published lists show: the same enterprise, written otherwise.
const SAME: [(&str, Change); 11] = [
    ("brackets in the other width", |name| {
        name.contains('(').then(|| name.replace('(', "（").replace(')', "）"))
    }),
    ("other brackets", |name| name.contains('(').then(|| name.replace('(', "〔").replace(')', "〕"))),
    ("spaces and an ideographic one at the end", |name| Some(name.replace("有限", " 有限") + "　")),
    ("full-width letters and figures", |name| {
        let wide: String =
            name.chars()
                .map(|c| {
                    if c.is_ascii_alphanumeric() { char::from_u32(c as u32 + 0xFEE0).unwrap_or(c) } else { c }
                })
                .collect();
        (wide != name).then_some(wide)
    }),
    ("traditional characters", |name| {
        let old = [
            ("厂", "廠"),
            ("业", "業"),
            ("贸", "貿"),
            ("开", "開"),
            ("农", "農"),
            ("团", "團"),
            ("经", "經"),
            ("机", "機"),
        ];
        let other = old.iter().fold(name.to_owned(), |name, (new, old)| name.replace(new, old));
        (other != name).then_some(other)
    }),
    ("a dot within", |name| {
        (name.chars().count() > 8)
            .then(|| name.chars().take(4).chain(['·']).chain(name.chars().skip(4)).collect())
    }),
    ("and persons responsible", |name| name.ends_with("公司").then(|| format!("{name}及相关责任人"))),
    ("the ending of the region left out", |name| {
        region(name).map(|(region, rest)| format!("{}{rest}", trimmed(region)))
    }),
    ("the region moved into brackets", |name| {
        let (region, rest) = region(name)?;
        let body = rest.strip_suffix("有限公司")?;
        Some(format!("{body}（{region}）有限公司"))
    }),
    ("limited liability written out", |name| {
        name.ends_with("有限公司")
            .then(|| name.strip_suffix("有限公司").map(|body| format!("{body}有限责任公司")))
            .flatten()
            .filter(|_| !name.contains("股份"))
    }),
    ("the region left out", |name| {
        region(name).filter(|(_, rest)| rest.ends_with("有限公司")).map(|(_, rest)| rest.to_owned())
    }),
];

// Near misses: another enterprise, or nobody, so that what is linked is wrong unless somebody bears just that name.
const OTHER: [(&str, Change); 6] = [
    ("one character changed", |name| changed(name)),
    ("a branch of an enterprise", |name| {
        (name.ends_with("公司") && !name.contains("分公司")).then(|| format!("{name}盐池分公司"))
    }),
    ("the enterprise of a branch", |name| {
        name.split_once("有限公司")
            .filter(|(_, branch)| branch.chars().count() > 2)
            .map(|(parent, _)| format!("{parent}有限公司"))
    }),
    ("another region", |name| {
        region(name)
            .map(|(region, rest)| format!("{}{rest}", if region == "兰州市" { "银川市" } else { "兰州市" }))
    }),
    ("another number", |name| {
        let numbers = [("一", "二"), ("二", "三"), ("三", "四"), ("1", "2"), ("2", "3")];
        numbers.iter().find(|(from, _)| name.contains(from)).map(|(from, to)| name.replacen(from, to, 1))
    }),
    ("another legal form", |name| {
        let body = name.strip_suffix("有限公司").filter(|body| !body.ends_with("股份"))?;
        Some(format!("{body}股份有限公司"))
    }),
];

fn region(name: &str) -> Option<(&str, &str)> {
    let end =
        name.char_indices().nth(2).filter(|(_, c)| matches!(c, '市' | '县' | '省'))?.0 + '市'.len_utf8();
    let (region, rest) = name.split_at(end);
    (rest.chars().count() > 6 && !rest.starts_with(['场', '政', '容', '区', '级', '民', '郊']))
        .then_some((region, rest))
}

fn trimmed(region: &str) -> String {
    region.chars().take(2).collect()
}

fn changed(name: &str) -> Option<String> {
    let letters: Vec<char> = name.chars().collect();
    let place = 2 + usize::try_from(mixed(name, 3) % 3).unwrap_or_default();
    let other =
        "华盛泰恒昌瑞祥丰达兴".chars().nth(usize::try_from(mixed(name, 5) % 10).unwrap_or_default())?;
    (letters.len() > 8
        && letters[place] != other
        && !matches!(letters[place], '(' | ')' | '市' | '县' | '省'))
    .then(|| letters.iter().enumerate().map(|(at, c)| if at == place { other } else { *c }).collect())
}

async fn perturbed(office: &Client, register: &HashMap<String, HashSet<String>>) -> anyhow::Result<()> {
    let mut names: Vec<&String> =
        register.iter().filter(|(_, codes)| codes.len() == 1).map(|(name, _)| name).collect();
    names.sort_by_key(|name| mixed(name, 2));
    let mut all = Tally { asked: 0, linked: 0, right: 0 };
    for (what, change) in SAME {
        let (mut asked, mut truth) = (Vec::new(), Vec::new());
        let changed = names.iter().filter_map(|name| Some((*name, change(name)?)));
        for (name, other) in changed.filter(|(_, other)| !register.contains_key(other.trim())).take(SAMPLE) {
            asked.push(other);
            truth.push(register[name].iter().next().cloned());
        }
        let tally = Tally::of(&truth, &ask(office, &asked).await?);
        tally.say(&format!("written otherwise: {what}"));
        all = Tally {
            asked: all.asked + tally.asked,
            linked: all.linked + tally.linked,
            right: all.right + tally.right,
        };
    }
    all.say("written otherwise, all");
    let mut wrong: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (what, change) in OTHER {
        let changed = names.iter().filter_map(|name| change(name));
        let asked: Vec<String> =
            changed.filter(|other| !register.contains_key(other.trim())).take(SAMPLE).collect();
        let linked = ask(office, &asked).await?;
        let falsely = asked.iter().zip(&linked).filter_map(|(name, linked)| Some((name, linked.as_ref()?)));
        let falsely: Vec<String> = falsely.map(|(name, (_, own))| format!("{name} -> {own}")).collect();
        println!("near miss: {what:<41} {:>6} asked {:>6} linked", asked.len(), falsely.len());
        wrong.insert(what, falsely);
    }
    for (what, falsely) in wrong {
        for one in falsely.iter().take(5) {
            println!("    {what}: {one}");
        }
    }
    Ok(())
}
