//! The operator's commands by the real binary: doctor, migrate, backup and restore on both databases, feed lag, clients, completions, man pages.
mod clients;

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use chassis::trial::Postgres;
use serde_json::{Value, json};
use suites::{
    process::{Suite, binary},
    world,
};
use xinheng::client::Client;

fn xinheng(args: &[&str]) -> Output {
    // The settings of who runs the tests are not those of the test.
    let own = std::env::vars_os().filter(|(name, _)| !name.to_string_lossy().starts_with("XINHENG_"));
    Command::new(binary()).args(args).env_clear().envs(own).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

// What it says where it succeeds.
fn well(args: &[&str]) -> String {
    let output = xinheng(args);
    assert!(output.status.success(), "{args:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

// What it says where it must not.
fn refused(args: &[&str]) -> String {
    let output = xinheng(args);
    assert_eq!(output.status.code(), Some(1), "{args:?}: {}", text(&output.stdout));
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

fn shown(path: &Path) -> &str {
    path.to_str().unwrap()
}

// Registers enterprises, publishes a scheme, submits a penalty, and waits until its grade has followed.
async fn fill(office: &Client) {
    office.post("/credit/v1/subjects:batchUpsert", world::subjects(0..50)).await.unwrap();
    office.post("/grading/v1/schemes", world::scheme("kept", "DEPARTMENTS")).await.unwrap();
    office.post("/grading/v1/schemes/kept:publish", json!({})).await.unwrap();
    let position = submit(office, 7).await;
    let path = format!("/grading/v1/subjects/{}/grades?minPosition={position}", world::code(7));
    office.get(&path).await.unwrap();
}

async fn submit(office: &Client, serial: u32) -> String {
    let record = json!({
        "uscc": world::code(serial), "item": "administrative-penalty", "sourceId": format!("罚〔2026〕{serial}号"),
        "occurredOn": "2026-01-20", "severity": 2, "amount": "20000.00"
    });
    let answer = office.post("/credit/v1/records:submit", json!({ "records": [record] })).await.unwrap();
    assert_eq!(answer["outcomes"][0]["status"], "ACCEPTED", "{answer}");
    answer["position"].as_str().unwrap().to_owned()
}

async fn state(office: &Client) -> Vec<Value> {
    let mut state = vec![office.get("/credit/v1/subjects?pageSize=1000").await.unwrap()];
    for path in ["/credit/v1/subjects/{}/records", "/grading/v1/subjects/{}/grades"] {
        let mut answer = office.get(&path.replace("{}", &world::code(7))).await.unwrap();
        // How far the feed is followed goes on with what others write.
        answer.as_object_mut().unwrap().remove("position");
        state.push(answer);
    }
    state
}

// Keeps a suite that is written to, puts it back elsewhere, and looks whether all that was acknowledged before is there and goes on.
async fn kept_and_put_back(data_dir: &Path, from: &[&str], again: &Path, to: &[&str]) {
    let suite = Suite::up(data_dir, from).await;
    let office = suite.office().await;
    fill(&office).await;
    let before = state(&office).await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("backup");
    // It goes on being written to while it is kept.
    let writing = tokio::spawn({
        let office = office.clone();
        async move {
            let mut written = 0;
            for serial in 100..160 {
                let subjects = world::subjects(serial..serial + 1);
                written += u32::from(office.post("/credit/v1/subjects:batchUpsert", subjects).await.is_ok());
            }
            written
        }
    });
    let said = tokio::task::spawn_blocking({
        let args = line(&["backup", shown(&folder)], data_dir, from);
        move || well(&args.iter().map(String::as_str).collect::<Vec<_>>())
    });
    let said = said.await.unwrap();
    assert!(said.contains("kept in"), "{said}");
    assert_eq!(writing.await.unwrap(), 60);
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    // Looks of the last moment may lie beside credit's.
    let beside = |file: &&Value| file["name"].as_str().unwrap().starts_with("credit.journal-");
    let files = manifest["files"].as_array().unwrap();
    assert_eq!(files.iter().filter(|file| !beside(file)).count(), 8, "{manifest}");

    // Where something lives nothing is written over, and a folder holds one backup.
    let args = |action: &[&str], data_dir: &Path, database: &[&str]| line(action, data_dir, database);
    let call = |args: Vec<String>| refused(&args.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(call(args(&["backup", shown(&folder)], data_dir, from)).contains("is not empty"));
    let refusal = call(args(&["restore", shown(&folder)], data_dir, from));
    assert!(refusal.contains("another xinheng works on"), "{refusal}");
    assert_eq!(suite.terminate().code(), Some(0));
    let refusal = call(args(&["restore", shown(&folder)], data_dir, from));
    assert!(refusal.contains("nothing is written over"), "{refusal}");

    // A byte that differs is told before anything is written.
    let victim = folder.join(manifest["files"][0]["name"].as_str().unwrap());
    let whole = std::fs::read(&victim).unwrap();
    let mut torn = whole.clone();
    torn[whole.len() / 2] ^= 1;
    std::fs::write(&victim, &torn).unwrap();
    let refusal = call(args(&["restore", shown(&folder)], again, to));
    assert!(refusal.contains("is damaged"), "{refusal}");
    assert!(!again.exists() || std::fs::read_dir(again).unwrap().next().is_none(), "something was written");
    std::fs::write(&victim, &whole).unwrap();

    let restore = args(&["restore", shown(&folder)], again, to);
    let said = well(&restore.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(said.contains("restored from"), "{said}");
    let doctor = args(&["doctor"], again, to);
    let said = well(&doctor.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(said.contains("0 faults") && said.contains("migrations applied"), "{said}");

    let suite = Suite::up(again, to).await;
    // The office's secret and the signing key came along.
    let office = suite.office().await;
    let after = state(&office).await;
    let known = |state: &[Value]| -> Vec<String> {
        let subjects = state[0]["subjects"].as_array().unwrap();
        subjects.iter().map(|subject| subject["uscc"].as_str().unwrap().to_owned()).collect()
    };
    let (were, are) = (known(&before), known(&after));
    assert!(were.iter().all(|code| are.contains(code)), "what was acknowledged before the backup is in it");
    assert_eq!((&before[1], &before[2]), (&after[1], &after[2]));
    // And the circle goes on: a record is followed by its grade.
    let position = submit(&office, 9).await;
    let path = format!("/grading/v1/subjects/{}/grades?minPosition={position}", world::code(9));
    assert_eq!(office.get(&path).await.unwrap()["grades"][0]["scheme"], "kept");
    let lag = args(&["feed", "lag"], again, to);
    let said = well(&lag.iter().map(String::as_str).collect::<Vec<_>>());
    let line = said.lines().find(|line| line.starts_with("grading")).unwrap_or_else(|| panic!("{said}"));
    assert_eq!(line.split_whitespace().last(), Some("0"), "{said}");
    assert_eq!(suite.terminate().code(), Some(0));
}

fn line(action: &[&str], data_dir: &Path, database: &[&str]) -> Vec<String> {
    let place = ["--data-dir", shown(data_dir)];
    let all = action.iter().chain(&place).chain(database);
    all.map(|&word| word.to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_sqlite_is_taken_while_it_is_written_to() {
    let folder = tempfile::tempdir().unwrap();
    kept_and_put_back(&folder.path().join("one"), &[], &folder.path().join("two"), &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_postgresql_goes_into_another_cluster() {
    let (old, new) = (Postgres::start(), Postgres::start());
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (old.url("old"), new.url("new"));
    // The first cluster has counted more transactions than the second will have: the feed's positions have to go on nevertheless.
    let place = chassis::storage::Place {
        service: "postgres",
        data_dir: folder.path(),
        url: &old.url("x").replace("x_{service}", "postgres"),
    };
    let lying = chassis::upkeep::Lying::open(&place).await.unwrap().unwrap();
    lying.spend_transactions(5_000).await.unwrap();
    lying.close().await;
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    kept_and_put_back(&one, &["--database", &from], &two, &["--database", &to]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suite_moves_from_sqlite_to_postgresql() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let at = shown(&data_dir);
    let postgres = Postgres::start();
    let url = postgres.url("moved");
    assert!(refused(&["move", "--from", at, "--to", &url]).contains("is no data folder"));
    let suite = Suite::up(&data_dir, &[]).await;
    let office = suite.office().await;
    fill(&office).await;
    let before = state(&office).await;
    assert!(refused(&["move", "--from", at, "--to", &url]).contains("another xinheng works on"));
    assert_eq!(suite.terminate().code(), Some(0));

    let said = well(&["move", "--from", at, "--to", &url]);
    let rows = |table: &str| {
        let line = said.lines().find(|line| line.split_whitespace().take(2).eq(table.split(' ')));
        let line = line.unwrap_or_else(|| panic!("{table}: {said}"));
        line.split_whitespace().nth(2).unwrap().parse::<u64>().unwrap()
    };
    assert_eq!((rows("credit subjects"), rows("credit records"), rows("gateway signing_keys")), (50, 1, 1));
    assert_eq!(rows("credit outbox"), 51);
    let again = refused(&["move", "--from", at, "--to", &url]);
    assert!(again.contains("holds rows already; nothing is written over"), "{again}");

    // The same folder, now with the database: who was known is known, and what follows goes on where it stood.
    let suite = Suite::up(&data_dir, &["--database", &url]).await;
    let office = suite.office().await;
    assert_eq!(state(&office).await, before);
    let position = submit(&office, 9).await;
    let path = format!("/grading/v1/subjects/{}/grades?minPosition={position}", world::code(9));
    assert_eq!(office.get(&path).await.unwrap()["grades"][0]["scheme"], "kept");
    assert_eq!(suite.terminate().code(), Some(0));
}

// How many times somebody looked at a subject, as the log says.
async fn looks(office: &Client, serial: u32) -> usize {
    let path = format!("/credit/v1/subjects/{}/accesses?purpose=audit&pageSize=1000", world::code(serial));
    let log = office.get(&path).await.unwrap();
    log["accesses"].as_array().unwrap().iter().filter(|line| line["what"] == "profile").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn looks_that_a_crash_left_beside_the_database_are_kept_and_neither_moved_without_nor_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let (data_dir, again) = (folder.path().join("data"), folder.path().join("again"));
    let (at, backup) = (shown(&data_dir), folder.path().join("backup"));
    let beside = |folder: &Path| chassis::storage::journals(folder, "credit").unwrap().len();
    let mut taken = 0;
    while taken == 0 || beside(&data_dir) == 0 {
        assert!(taken < 20, "no look is beside the database");
        let suite = Suite::up(&data_dir, &[]).await;
        let office = suite.office().await;
        office.post("/credit/v1/subjects:batchUpsert", world::subjects(0..2)).await.unwrap();
        let path = format!("/credit/v1/subjects/{}/profile?purpose=inspection", world::code(1));
        office.get(&path).await.unwrap();
        taken += 1;
        // As a power cut would end it.
        drop(suite);
    }
    let postgres = Postgres::start();
    let url = postgres.url("moved");
    let refusal = refused(&["move", "--from", at, "--to", &url]);
    assert!(refusal.contains("start the suite on the folder, stop it"), "{refusal}");
    assert!(well(&["backup", shown(&backup), "--data-dir", at]).contains("kept in"));
    assert!(well(&["restore", shown(&backup), "--data-dir", shown(&again)]).contains("restored from"));
    for folder in [&again, &data_dir] {
        let suite = Suite::up(folder, &[]).await;
        assert_eq!(looks(&suite.office().await, 1).await, taken);
        assert_eq!(suite.terminate().code(), Some(0));
        assert_eq!(beside(folder), 0, "who ends in order leaves nothing");
    }
    well(&["move", "--from", at, "--to", &url]);
    let suite = Suite::up(&data_dir, &["--database", &url]).await;
    assert_eq!(looks(&suite.office().await, 1).await, taken);
}

#[test]
fn the_doctor_says_what_is_amiss_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let at = shown(&data_dir);
    // Nothing is there yet, and nothing is wrong with that.
    let said = well(&["doctor", "--data-dir", at]);
    assert!(said.contains("0 faults, 0 warnings") && !data_dir.exists(), "{said}");
    // Migrated and never started.
    let said = well(&["migrate", "--data-dir", at]);
    assert_eq!(said.lines().count(), 6, "{said}");
    assert!(well(&["migrate", "credit", "--data-dir", at]).contains("0 of them new"));
    assert!(well(&["doctor", "--data-dir", at]).contains("0 faults, 0 warnings"));
    // Others may read the keys; the office's secrets are half; a database is torn.
    std::process::Command::new("chmod").args(["755", at]).status().unwrap();
    std::fs::write(data_dir.join("services.json"), r#"{"svc-credit": "x"}"#).unwrap();
    std::fs::write(
        data_dir.join("grading.sqlite"),
        "not a database, and longer than a page's head".repeat(9),
    )
    .unwrap();
    let _ = std::fs::remove_file(data_dir.join("grading.sqlite-wal"));
    let said = refused(&["doctor", "--data-dir", at]);
    for expected in [
        &format!("it holds keys and secrets: chmod 700 {at}"),
        "services.json can be read by others",
        "has none for svc-grading, svc-sampling, svc-discipline, svc-reporting",
        "FAULT    database grading",
        "-> restore the file from a backup",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    // A role of a cluster is asked with whom it calls: nobody listens there.
    let said = refused(&[
        "doctor",
        "reporting",
        "--data-dir",
        at,
        "--credit-url",
        "http://127.0.0.1:9",
        "--gateway-url",
        "http://127.0.0.1:9",
        "--grading-url",
        "http://127.0.0.1:9",
        "--sampling-url",
        "http://127.0.0.1:9",
        "--discipline-url",
        "http://127.0.0.1:9",
        "--client-secret",
        "x",
    ]);
    assert!(
        said.contains("http://127.0.0.1:9 does not answer") && said.contains("svc-reporting can't sign in"),
        "{said}"
    );
    let said = refused(&["doctor", "--data-dir", at, "--database", "postgres://nobody@127.0.0.1:9/none"]);
    assert!(said.contains("FAULT    database credit") && said.contains("see that PostgreSQL runs"), "{said}");
    let said = refused(&[
        "migrate",
        "credit",
        "grading",
        "--data-dir",
        at,
        "--database",
        "postgres://nobody@127.0.0.1:9/one",
    ]);
    assert!(said.contains("put {service} where its name stands"), "{said}");
}

#[test]
fn so_many_backups_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (data, kept) = (folder.path().join("data"), folder.path().join("kept"));
    let place = ["--data-dir", shown(&data)];
    let backup = [&["backup", shown(&kept), "--keep", "2"], &place[..]].concat();
    // Without a database nothing is made, and nothing removed.
    assert!(refused(&backup).contains("has no database yet"));
    well(&[&["migrate"], &place[..]].concat());
    let names = || {
        let mut names: Vec<String> = std::fs::read_dir(&kept)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    // What broke off, what is older, and what is not ours.
    let made = |name: &str, whole: bool| {
        std::fs::create_dir_all(kept.join(name)).unwrap();
        if whole {
            std::fs::write(kept.join(name).join("manifest.json"), "{}").unwrap();
        }
    };
    made("20250101T000000Z", true);
    made("20250102T000000Z", false);
    made("20250103T000000Z", true);
    made("20250104T000000Z", true);
    made("of-somebody-else", false);
    made("99990101T000000Z", false);
    let said = well(&backup);
    assert!(said.contains("kept in") && said.contains("removed"), "{said}");
    let left = names();
    assert_eq!(left.len(), 4, "{left:?}");
    assert_eq!(
        (left[0].as_str(), &left[2..]),
        ("20250104T000000Z", &["99990101T000000Z".into(), "of-somebody-else".into()][..])
    );
    let again = folder.path().join("again");
    assert!(
        well(&["restore", shown(&kept.join(&left[1])), "--data-dir", shown(&again)])
            .contains("restored from")
    );
    assert_eq!(xinheng(&["backup", shown(&kept), "--keep", "0"]).status.code(), Some(2));
}

#[test]
fn a_backup_says_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let (data, kept) = (folder.path().join("data"), folder.path().join("kept"));
    let said = refused(&["backup", shown(&kept), "--data-dir", shown(&data)]);
    assert!(said.contains("has no database yet"), "{said}");
    let said = refused(&["restore", shown(&kept), "--data-dir", shown(&data)]);
    assert!(said.contains("is no whole backup"), "{said}");
    std::fs::write(kept.join("manifest.json"), json!({
        "format": 1, "release": "9.0.0", "madeAt": "2026-01-01T00:00:00Z", "database": "SQLite", "files": [],
        "migrations": { "credit": ["credit_9999_later"] }
    }).to_string()).unwrap();
    let said = refused(&["restore", shown(&kept), "--data-dir", shown(&data)]);
    assert!(said.contains("credit_9999_later") && said.contains("restore it with that release"), "{said}");
    let said = refused(&[
        "restore",
        shown(&kept),
        "--data-dir",
        shown(&data),
        "--database",
        "postgres://a@127.0.0.1:9/b",
    ]);
    assert!(said.contains("the backup is of SQLite"), "{said}");
}

#[test]
fn shells_complete_and_pages_are_printed() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let said = well(&["completions", shell]);
        assert!(said.contains("doctor") && said.contains("verify-draw"), "{shell}");
    }
    let script = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(script.path(), well(&["completions", "bash"])).unwrap();
    assert!(
        Command::new("bash").arg("-n").arg(script.path()).status().unwrap().success(),
        "bash can't read it"
    );
    let page = well(&["man"]);
    assert!(page.starts_with(".ie") || page.starts_with(".TH") || page.contains(".TH xinheng 1"), "{page}");
    assert!(well(&["man", "backup"]).contains("while the suite runs"));
    assert!(refused(&["man", "nonsense"]).contains("there is no command nonsense"));
}

#[tokio::test]
async fn the_roles_of_a_cluster_tell_the_truth_of_themselves() {
    use tonic_health::pb::{
        HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
    };
    let folder = tempfile::tempdir().unwrap();
    let at = |role: &str| folder.path().join(role);
    let secrets: serde_json::Map<String, Value> =
        ["admin", "svc-credit", "svc-grading", "svc-sampling", "svc-discipline", "svc-reporting"]
            .into_iter()
            .map(|client| (client.to_owned(), json!(format!("{client}-and-what-nobody-guesses-of-it"))))
            .collect();
    let file = folder.path().join("clients.json");
    std::fs::write(&file, Value::Object(secrets).to_string()).unwrap();
    let door = suites::process::free_port();
    let gateway_url = format!("http://127.0.0.1:{door}");
    let credit = Suite::serve("credit", &at("credit"), &["--gateway-url", &gateway_url]).await;
    let gateway = Suite::serve_on(
        door,
        "gateway",
        &at("gateway"),
        &[
            "--service-secrets-file",
            shown(&file),
            "--credit-url",
            &credit.base,
            "--grading-url",
            "http://127.0.0.1:9",
        ],
    )
    .await;
    // The office's secret is the operator's, for every replica, and no file of it is left behind.
    let office =
        Client::new(&gateway.base).sign_in("admin", "admin-and-what-nobody-guesses-of-it").await.unwrap();
    assert!(!at("gateway").join("admin.json").exists());
    office.get("/credit/v1/items").await.unwrap();
    let grading = Suite::serve(
        "grading",
        &at("grading"),
        &[
            "--gateway-url",
            &gateway_url,
            "--credit-url",
            &credit.base,
            "--client-secret",
            "svc-grading-and-what-nobody-guesses-of-it",
        ],
    )
    .await;
    let status = async |base: &str, service: &str| {
        let upstream = chassis::upstream::Upstream::remote(base).unwrap();
        let asked = HealthCheckRequest { service: service.to_owned() };
        HealthClient::new(upstream).check(asked).await.map(|answer| answer.into_inner().status())
    };
    for (base, service) in [
        (&credit.base, ""),
        (&credit.base, "readiness"),
        (&credit.base, "startup"),
        (&credit.base, "liveness"),
        (&credit.base, "xinheng.credit.v1.Records"),
        (&grading.base, "readiness"),
        (&gateway.base, "xinheng.credit.v1.Records"),
        (&gateway.base, "xinheng.identity.v1.Tokens"),
    ] {
        assert_eq!(status(base, service).await.unwrap(), ServingStatus::Serving, "{base} {service}");
    }
    // The door answers for a service as that service would: nobody listens at the address of grading that it was given.
    assert_eq!(status(&gateway.base, "xinheng.grading.v1.Grades").await.unwrap(), ServingStatus::NotServing);
    assert_eq!(status(&gateway.base, "").await.unwrap(), ServingStatus::Serving);
    // A role knows nothing of others' services.
    assert_eq!(
        status(&credit.base, "xinheng.grading.v1.Grades").await.unwrap_err().code(),
        tonic::Code::NotFound
    );
    let said = well(&[
        "doctor",
        "grading",
        "--data-dir",
        shown(&at("grading")),
        "--gateway-url",
        &gateway_url,
        "--credit-url",
        &credit.base,
        "--client-secret",
        "svc-grading-and-what-nobody-guesses-of-it",
    ]);
    assert!(said.contains("svc-grading signs in") && said.contains("0 faults"), "{said}");

    // Its feed lost, grading lives and is not ready, and says why; the feed back, it is.
    let port = credit.base.rsplit(':').next().unwrap().parse().unwrap();
    assert_eq!(credit.terminate().code(), Some(0));
    let admin = Client::new(&grading.admin);
    let mut told = String::new();
    for _ in 0..300 {
        let answer = admin.try_get("/readyz").await.unwrap();
        if answer.status == http::StatusCode::SERVICE_UNAVAILABLE {
            told = answer.text();
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(told.contains("the feed of credit has been lost"), "{told:?}");
    assert_eq!(status(&grading.base, "readiness").await.unwrap(), ServingStatus::NotServing);
    assert_eq!(status(&grading.base, "liveness").await.unwrap(), ServingStatus::Serving);
    let figures = admin.try_get("/metrics").await.unwrap().text();
    let lost =
        figures.lines().find_map(|line| line.strip_prefix("xinheng_feed_lost_seconds{feed=\"credit\"} "));
    assert!(lost.unwrap().parse::<i64>().unwrap() >= 15, "{figures}");
    assert!(figures.contains("xinheng_ready 0"));
    let credit = Suite::serve_on(port, "credit", &at("credit"), &["--gateway-url", &gateway_url]).await;
    for _ in 0..100 {
        if admin.try_get("/readyz").await.unwrap().status.is_success() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(status(&grading.base, "readiness").await.unwrap(), ServingStatus::Serving);
    drop((credit, gateway, grading));
}

#[test]
fn the_root_of_the_image_runs_the_binary_and_holds_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let compiler = format!("{}-linux-gnu-gcc", std::env::consts::ARCH);
    if !is_root || Command::new(&compiler).arg("--version").output().is_err() {
        let told = format!("the_root_of_the_image…: SKIPPED, it takes root for chroot, and {compiler}\n");
        // What goes through the macros is shown of tests that fail only.
        std::io::stderr().write_all(told.as_bytes()).unwrap();
        return;
    }
    let script = suites::process::root().join("k8s/image/root.sh");
    let made = Command::new(script).arg(binary()).arg(&root).output().unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    assert!(
        Command::new("chown")
            .args(["65532:65532"])
            .arg(root.join("var/lib/xinheng"))
            .status()
            .unwrap()
            .success()
    );
    // As in the image: its user, its settings, and not a file that is not in the root.
    let run = |args: &[&str]| {
        let mut command = Command::new("/usr/sbin/chroot");
        command.args(["--userspec=65532:65532"]).arg(&root).arg("/usr/bin/xinheng").args(args);
        command.env_clear().env("XINHENG_DATA_DIR", "/var/lib/xinheng").output().unwrap()
    };
    for args in [&["config"][..], &["migrate"], &["doctor"]] {
        let output = run(args);
        assert!(output.status.success(), "{args:?}: {}{}", text(&output.stdout), text(&output.stderr));
    }
    assert!(root.join("var/lib/xinheng/credit.sqlite").exists());
    for program in ["bin/sh", "usr/bin/env", "bin/busybox"] {
        assert!(!root.join(program).exists(), "{program}");
    }
}
