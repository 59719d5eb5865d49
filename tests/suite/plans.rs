//! No read of the contract scans a big table on PostgreSQL. A city is made by the demo, its tables are filled up by bulk SQL, and each read,
//! with each of its filters, goes through the running suite, whose statements PostgreSQL explains as it runs them (auto_explain): what a
//! node of a plan has really read is judged, whether it was a sequential scan or an index that had to be read through.
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read as _, Seek as _, SeekFrom},
    path::PathBuf,
    time::Duration,
};

use chassis::trial::Postgres;
use prost_reflect::{Kind, MethodDescriptor};
use sea_orm::{ConnectionTrait as _, DatabaseConnection};
use serde_json::{Value, json};
use suites::{
    filling::{SERVICES, connect, demo, fill, texts},
    process::Suite,
};
use xinheng::client::{Client, encoded};

use crate::contract_style::{http, methods};

/// Rows to which each table is filled up.
const ROWS: i64 = 20_000;
/// What one node of a plan may read: some pages of the largest answers.
const READ_MOST: u64 = 1_500;
/// A statement may be planned for its values, or once for all: which, the connections' past decides. So each is judged both ways.
const MODES: [&str; 2] = ["force_custom_plan", "force_generic_plan"];
/// How often a call that reads much is made again: what each time reads much is the call's own, and not what ran beside it.
const AGAIN: usize = 3;

const BY_ITSELF: &str = "by itself";

/// What reads much, by the beginning of its path, which a space ends where it is the whole, and why it may.
const MAY_READ: [(&str, &str); 12] = [
    ("/sampling/v1/plans/transport-2026-q1:preview", "it tells what a commit would freeze: the population"),
    ("/discipline/v1/lapses", "it goes through all active listings for what has lapsed"),
    ("/sampling/v1/effect", "a statistic over the visits of a scheme"),
    (
        "/sampling/v1/visits?purpose=%E7%9B%91%E7%AE%A1&department=",
        "by the draws of the department's plans: a few in life, while here one plan has all of them",
    ),
    ("/sampling/v1/visits?purpose=%E7%9B%91%E7%AE%A1 ", "beside the page it counts all that wait"),
    ("/sampling/v1/visits?purpose=%E7%9B%91%E7%AE%A1&status=", "beside the page it counts all that wait"),
    ("/sampling/v1/visits?purpose=%E7%9B%91%E7%AE%A1&overdue=", "beside the page it counts all that wait"),
    (
        "/sampling/v1/visits?purpose=%E7%9B%91%E7%AE%A1&rectificationOverdue=",
        "beside the page it counts all that wait",
    ),
    ("/credit/v1/usage", "a sum over the days that are asked for, all of them without a day"),
    // A part of a name: no index of both databases finds it, and who looks for the whole name uses :match.
    ("/credit/v1/subjects?purpose=%E7%9B%91%E7%AE%A1&q=", "a part of a name"),
    ("/credit/v1/public/subjects", "a part of a name"),
    ("/discipline/v1/public/listings?q=", "a part of a name"),
];

// What is refused before it reads, by a part of its path, and why.
const REFUSED: [(&str, &str); 2] = [
    ("/recordVersions", "for other services alone"),
    ("/recordText", "of a visit that is made, as the one known here is not"),
];

// What follows a feed reads a batch of some hundreds of these at once, of which a scan of a small city's is the quickest.
const IN_BATCHES: [&str; 1] = ["counted_subjects"];

// Where PostgreSQL writes down what it has run.
struct Log {
    file: PathBuf,
    read: u64,
    marks: u32,
    mode: &'static str,
}

struct Statement {
    database: String,
    query: String,
    plan: Value,
}

impl Log {
    // The statements since the last time. A mark of our own tells when all of them are written.
    async fn taken(&mut self, marker: &DatabaseConnection) -> Vec<Statement> {
        self.marks += 1;
        let mark = format!("SELECT '{} {}'", self.mode, self.marks);
        for _ in 0..500 {
            marker.execute_unprepared(&mark).await.unwrap();
            let mut file = std::fs::File::open(&self.file).unwrap();
            file.seek(SeekFrom::Start(self.read)).unwrap();
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            let Some(end) = text.find(&mark) else {
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            };
            // Its own entry is cut in the middle, and the rest of it is no entry.
            self.read += end as u64;
            return statements(&text[..end]);
        }
        panic!("PostgreSQL does not write its log");
    }
}

// An entry begins with its database; its further lines are indented.
fn statements(text: &str) -> Vec<Statement> {
    let mut found = Vec::new();
    let mut entry = String::new();
    for line in text.lines().chain(["|"]) {
        if line.starts_with('\t') {
            entry.push_str(line);
            continue;
        }
        if let (Some((database, _)), Some(start)) = (entry.split_once('|'), entry.find('{'))
            && entry.contains("plan:")
            && let Ok(mut told) = serde_json::from_str::<Value>(&entry[start..])
        {
            let query = told["Query Text"].as_str().unwrap_or_default().to_owned();
            found.push(Statement { database: database.to_owned(), query, plan: told["Plan"].take() });
        }
        entry = line.to_owned();
    }
    found
}

// What the nodes of a plan have read: the table, by what, how many rows.
fn reads(plan: &Value, into: &mut Vec<(String, String, u64)>) {
    if let Some(table) = plan["Relation Name"].as_str() {
        let number = |name: &str| plan[name].as_f64().unwrap_or_default();
        let rows = number("Actual Rows")
            + number("Rows Removed by Filter")
            + number("Rows Removed by Index Recheck");
        let kind = plan["Node Type"].as_str().unwrap_or_default();
        if !["ModifyTable", "Insert", "Update", "Delete"].contains(&kind) {
            into.push((table.to_owned(), kind.to_owned(), (rows * number("Actual Loops")) as u64));
        }
    }
    for child in plan["Plans"].as_array().into_iter().flatten() {
        reads(child, into);
    }
}

// A call of the contract that reads, with each of its filters alone: path and query.
fn paths(method: &MethodDescriptor, known: &BTreeMap<String, String>) -> Vec<String> {
    let Some((verb, path, _)) = http(method) else { return Vec::new() };
    // What streams a whole population reads it.
    if verb != "get" || method.is_server_streaming() {
        return Vec::new();
    }
    let service = path.split('/').nth(1).unwrap_or_default();
    let find = |name: &str| {
        let own = known.get(&format!("{service}.{name}"));
        own.or_else(|| known.get(name)).cloned()
    };
    let mut filled = String::new();
    let mut rest = path.as_str();
    let mut variables = Vec::new();
    while let Some((before, after)) = rest.split_once('{') {
        let (variable, behind) = after.split_once('}').unwrap();
        variables.push(variable.to_owned());
        filled.push_str(before);
        // What nobody has is looked for by the same statement.
        filled.push_str(&encoded(&find(variable).unwrap_or_else(|| String::from("none"))));
        rest = behind;
    }
    filled.push_str(rest);
    let input = method.input();
    let needs = |name: &str| match name {
        "purpose" | "parent" | "code" => true,
        "q" => path.contains("/public/subjects"),
        "scheme" => path.ends_with("/effect"),
        "kind" => path.contains("previewPaper"),
        "from" | "to" => path.contains("figures") || path.contains("/glance/"),
        _ => false,
    };
    let needed: Vec<String> = input
        .fields()
        .filter(|field| needs(field.name()))
        .filter_map(|field| Some(format!("{}={}", field.json_name(), encoded(&find(field.name())?))))
        .collect();
    let with = |more: Option<String>| {
        let all: Vec<String> = needed.iter().cloned().chain(more).collect();
        if all.is_empty() { filled.clone() } else { format!("{filled}?{}", all.join("&")) }
    };
    let mut paths = vec![with(None)];
    for field in input.fields() {
        let name = field.name();
        if variables.iter().any(|variable| variable == name)
            || ["page_size", "page_token"].contains(&name)
            || needs(name)
        {
            continue;
        }
        let value = match field.kind() {
            Kind::Bool => Some(String::from("true")),
            Kind::Enum(kind) => {
                kind.values().find(|value| value.number() == 1).map(|value| value.name().to_owned())
            }
            _ => find(name),
        };
        if let Some(value) = value {
            paths.push(with(Some(format!("{}={}", field.json_name(), encoded(&value)))));
        }
    }
    paths
}

// Values that stand in the tables, before they are copied.
async fn known(url: &str) -> BTreeMap<String, String> {
    let mut known: BTreeMap<String, String> = [
        ("purpose", "监管"),
        ("q", "虚构"),
        ("domain", "D09"),
        ("region", "640302"),
        ("industry", "G5437"),
        ("item", "administrative-penalty"),
        ("items", "administrative-penalty"),
        ("department", "transport"),
        ("to_department", "transport"),
        ("from", "2026-01-01"),
        ("to", "2026-03-02"),
        ("as_of", "2026-03-02"),
        ("on", "2026-03-02"),
        ("year", "2026"),
        ("kind", "NOTICE"),
        ("parent", "workPlans/none"),
        ("code", "none"),
        ("client_id", "admin"),
        ("caller", "admin"),
        ("subject", "admin"),
        ("register", "inspectors"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    for (service, name, query) in [
        ("credit", "record", "SELECT record FROM records LIMIT 1"),
        ("credit", "uscc", "SELECT uscc FROM records LIMIT 1"),
        ("credit", "id", "SELECT import FROM import_records LIMIT 1"),
        ("credit", "report_id", "SELECT report_id FROM reports LIMIT 1"),
        ("grading", "uscc", "SELECT uscc FROM grades LIMIT 1"),
        ("grading", "scheme", "SELECT scheme FROM grades LIMIT 1"),
        ("sampling", "uscc", "SELECT uscc FROM visits LIMIT 1"),
        ("sampling", "scheme", "SELECT scheme FROM draws LIMIT 1"),
        ("sampling", "draw", "SELECT draw_id FROM draws LIMIT 1"),
        ("sampling", "plan", "SELECT plan_id FROM plans LIMIT 1"),
        ("sampling", "visit", "SELECT visit_id FROM visits LIMIT 1"),
        ("sampling", "inspector", "SELECT id FROM inspectors LIMIT 1"),
        ("discipline", "uscc", "SELECT uscc FROM listings LIMIT 1"),
        ("discipline", "case", "SELECT case_id FROM cases LIMIT 1"),
        ("discipline", "listing", "SELECT case_id FROM listings LIMIT 1"),
        ("discipline", "list", "SELECT list_id FROM cases LIMIT 1"),
        ("discipline", "paper_id", "SELECT paper_id FROM papers LIMIT 1"),
    ] {
        let database = connect(url, service).await;
        if let Some(row) = texts(&database, query).await.into_iter().next() {
            known.insert(format!("{service}.{name}"), row[0].clone());
        }
    }
    known
}

// Waits until what a start brings with it is over: credit counts what the demo and the filling left in its feed, thousands at once, of which a
// scan of a small city's is the quickest; discipline reads all listings.
async fn settled(office: &Client, credit: &DatabaseConnection, check: &Value) {
    let behind = "SELECT ((SELECT position FROM cursors WHERE feed = 'figures:counted') IS DISTINCT FROM \
                  (SELECT xid || '.' || seq FROM outbox ORDER BY xid DESC, seq DESC LIMIT 1))::text";
    for _ in 0..600 {
        if texts(credit, behind).await[0][0] == "false"
            && post(office, "/discipline/v1/subjects:check", check).await.status.is_success()
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("credit does not count what is in its feed, or discipline does not answer checks");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_read_of_the_contract_scans_a_big_table() {
    let folder = tempfile::tempdir().unwrap();
    let logs = tempfile::tempdir().unwrap();
    // PostgreSQL runs as another user where the tests are root's.
    std::process::Command::new("chmod").args(["-R", "a+rwx"]).arg(logs.path()).status().unwrap();
    let directory = format!("log_directory={}", logs.path().display());
    let postgres = Postgres::start_with(&[
        "fsync=off",
        "full_page_writes=off",
        "autovacuum=off",
        "shared_preload_libraries=auto_explain",
        "logging_collector=on",
        &directory,
        "log_filename=log",
        "log_rotation_age=0",
        "log_rotation_size=0",
        "log_file_mode=0644",
        "log_line_prefix=%d|",
    ]);
    let url = postgres.url("plans");
    let data_dir = folder.path().join("data");
    demo(&url, &data_dir);
    let known = known(&url).await;
    let mut rows = BTreeMap::new();
    for service in SERVICES {
        let filled = fill(&connect(&url, service).await, ROWS).await;
        rows.extend(filled.into_iter().map(|(table, (_, rows))| (format!("plans_{service}.{table}"), rows)));
    }
    let (mut faults, mut wrong, mut seen) = (BTreeMap::new(), Vec::new(), Seen::default());
    let contract = methods();
    for mode in MODES {
        let settings = format!(
            "-c plan_cache_mode={mode} -c auto_explain.log_min_duration=0 -c auto_explain.log_analyze=on \
             -c auto_explain.log_timing=off -c auto_explain.log_format=json"
        );
        let explained = format!("{url}&options={}", encoded(&settings));
        let suite =
            Suite::up(&data_dir, &["--database", &explained, "--clock-start", "2026-03-02T10:00:00+08:00"])
                .await;
        let office = suite.office().await;
        let marker = connect(&explained, "credit").await;
        settled(&office, &marker, &json!({ "uscc": [known["credit.uscc"]], "purpose": "监管" })).await;
        let mut log = Log { file: logs.path().join("log"), read: 0, marks: 0, mode };
        log.taken(&marker).await;
        let asked = contract.iter().flat_map(|method| paths(method, &known)).map(|path| (path, None));
        let told = posts(&known).into_iter().map(|(path, body)| (path.to_owned(), Some(body)));
        // At last what it does by itself.
        for (path, body) in asked.chain(told).chain([(String::from(BY_ITSELF), None)]) {
            seen.calls += 1;
            let mut of_path: Option<BTreeMap<String, u64>> = None;
            for _ in 0..AGAIN {
                if path == BY_ITSELF {
                    tokio::time::sleep(Duration::from_secs(3)).await;
                } else if let Err(reply) = call(&office, &path, body.as_ref()).await {
                    wrong.push(format!("{path}: {reply}"));
                }
                let much = much(&path, &log.taken(&marker).await, &mut seen);
                let still = match of_path.take() {
                    None => much,
                    Some(before) => {
                        before.into_iter().filter(|(fault, _)| much.contains_key(fault)).collect()
                    }
                };
                if of_path.insert(still).is_empty() {
                    break;
                }
            }
            for (fault, rows) in of_path.into_iter().flatten() {
                faults.entry(fault).or_insert_with(|| format!("{path} ({mode}) read {rows} rows"));
            }
        }
    }

    let faults: Vec<String> = faults.into_iter().map(|(fault, path)| format!("{path}\n  {fault}")).collect();
    assert!(faults.is_empty(), "{} statements read much:\n{}", faults.len(), faults.join("\n"));
    assert!(wrong.is_empty(), "{} calls were not made:\n{}", wrong.len(), wrong.join("\n"));
    let Seen { calls, statements, tables } = seen;
    let big = tables.iter().filter(|table| rows.get(*table).is_some_and(|rows| *rows >= ROWS / 5)).count();
    println!("{calls} calls, {statements} statements, {big} big tables among those read");
    assert!(
        calls > 400 && statements > 1_000 && big > 20,
        "{calls} calls, {statements} statements, {big} big tables"
    );
}

// What was looked at: the test would be no test if nothing ran.
#[derive(Default)]
struct Seen {
    calls: usize,
    statements: usize,
    tables: BTreeSet<String>,
}

// What the statements of a call have read too much of, and how many rows.
fn much(path: &str, statements: &[Statement], seen: &mut Seen) -> BTreeMap<String, u64> {
    let may = MAY_READ.iter().any(|(begin, _)| format!("{path} ").starts_with(begin));
    let mut much = BTreeMap::new();
    seen.statements += statements.len();
    for statement in statements {
        let mut all = Vec::new();
        reads(&statement.plan, &mut all);
        for (table, node, read) in all {
            if read > READ_MOST && !may && !IN_BATCHES.contains(&table.as_str()) {
                let query: String = statement.query.chars().take(400).collect();
                much.insert(format!("{}: {node} on {table}\n    {query}", statement.database), read);
            }
            seen.tables.insert(format!("{}.{table}", statement.database));
        }
    }
    much
}

// Makes a call of the list; what it answered where it should have answered otherwise.
async fn call(office: &Client, path: &str, body: Option<&Value>) -> Result<(), String> {
    let (reply, good): (_, &[u16]) = match body {
        Some(body) => (post(office, path, body).await, &[200]),
        None => (office.try_get(path).await.unwrap(), &[200, 404]),
    };
    let refused = REFUSED.iter().any(|(part, _)| path.contains(part));
    let answered = good.contains(&reply.status.as_u16());
    if refused == answered { Err(format!("{} {}", reply.status, reply.text())) } else { Ok(()) }
}

async fn post(client: &Client, path: &str, body: &Value) -> xinheng::client::Reply {
    client.try_call(http::Method::POST, path, body).await.unwrap()
}

// Reads by POST, and the writes of every day.
fn posts(known: &BTreeMap<String, String>) -> Vec<(&'static str, Value)> {
    let (uscc, graded) = (&known["credit.uscc"], &known["grading.uscc"]);
    vec![
        ("/credit/v1/subjects:match", json!({ "names": ["虚构云岭货物运输有限公司"], "purpose": "监管" })),
        (
            "/credit/v1/records:submit",
            json!({ "records": [{ "uscc": uscc, "item": "administrative-penalty", "sourceId": "虚罚〔2026〕9号",
                                  "occurredOn": "2026-02-20", "severity": 2, "amount": "20000.00",
                                  "fields": { "penaltyType": "罚款" } }] }),
        ),
        ("/credit/v1/subjects:batchUpsert", suites::world::subjects(1..50)),
        ("/grading/v1/grades:batchGet", json!({ "uscc": [graded], "purpose": "监管" })),
        ("/discipline/v1/subjects:check", json!({ "uscc": [uscc, graded], "purpose": "监管" })),
    ]
}
