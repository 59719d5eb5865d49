//! Grading is killed again and again while records come in, and comes to what a grading comes to that was never disturbed: every grade,
//! score and change in the history.
use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use chassis::{
    clock::Clock,
    trial::Postgres,
    upstream::{Identity, Upstream},
};
use contract::{
    credit::v1::{
        self as credit, outcome::Status, records_client::RecordsClient, repairs_client::RepairsClient,
        subjects_client::SubjectsClient,
    },
    grading::v1::{
        self as grading, grades_client::GradesClient, runs_client::RunsClient, schemes_client::SchemesClient,
    },
};
use serde_json::{Value, json};
use suites::{process::Suite, world};
use tonic::Code;

const NOW: &str = "2026-03-02T02:00:00Z";
const SUBJECTS: u32 = 40;
const LASTS: Duration = Duration::from_secs(20);
const KILLS_LEAST: u32 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn a_grading_that_is_killed_anywhere_misses_and_doubles_nothing_on_sqlite() {
    withstands("", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grading_that_is_killed_anywhere_misses_and_doubles_nothing_on_postgresql() {
    let postgres = Postgres::start();
    withstands(&postgres.url("once"), 2).await;
}

// Numbers that scatter, the same in each run of the test.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

async fn withstands(database: &str, seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    let city = City::open(folder.path(), database).await;
    let mut killed = city.grading("killed").await;
    publish(&city.of(&killed)).await;
    // It knows the scheme and nothing of the feed; at the end it takes all of it in at a stretch.
    let undisturbed = city.grading("undisturbed").await;
    publish(&city.of(&undisturbed)).await;
    assert!(undisturbed.terminate().success());

    let stream = tokio::spawn(stream(city.credit_as_office(), city.credit_as_taker(), seed));
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let mut kills = 0;
    while !stream.is_finished() {
        tokio::time::sleep(Duration::from_millis(20 + dice.below(700))).await;
        if dice.below(3) == 0 {
            // Now and then in the middle of a run.
            let request = grading::CreateRunRequest {
                scheme: String::from("once"),
                afresh: dice.below(2) == 0,
                ..Default::default()
            };
            let _ = RunsClient::new(city.of(&killed)).create_run(request).await;
            tokio::time::sleep(Duration::from_millis(dice.below(60))).await;
        }
        killed.kill_and_restart().await;
        kills += 1;
    }
    let (position, changes) = stream.await.unwrap();
    assert!(kills >= KILLS_LEAST, "{kills} kills only");

    let (disturbed, undisturbed) = (killed, city.grading("undisturbed").await);
    let (seen, expected) =
        (told(&city.of(&disturbed), &position).await, told(&city.of(&undisturbed), &position).await);
    for (uscc, told) in &expected {
        assert_eq!(seen.get(uscc), Some(told), "{uscc} after {kills} kills in {changes} changes");
    }
    let entries: usize = expected.values().map(|(_, history)| history.len()).sum();
    assert!(entries > 2 * SUBJECTS as usize, "{entries} changes of grades prove little");
    println!("{kills} kills, {changes} changes of records, {entries} changes of grades");
}

struct City {
    folder: std::path::PathBuf,
    database: String,
    gateway: Suite,
    credit: Suite,
    taker: (String, String),
}

impl City {
    async fn open(folder: &Path, database: &str) -> Self {
        let gateway = start("gateway", &folder.join("gateway"), database, &[]).await;
        let more = ["--gateway-url", gateway.base.as_str()];
        let credit = start("credit", &folder.join("credit"), database, &more).await;
        let body = json!({ "clientId": "taker", "displayName": "taker", "department": "transport",
                           "scopes": ["credit.read", "credit.write"], "defaultPurpose": "测试" });
        let taker = gateway.office().await.post("/identity/v1/clients", body).await.unwrap();
        let taker = (String::from("taker"), taker["clientSecret"].as_str().unwrap().to_owned());
        Self { folder: folder.to_owned(), database: database.to_owned(), gateway, credit, taker }
    }

    // A grading with a database of its own.
    async fn grading(&self, name: &str) -> Suite {
        let secrets = read(&self.gateway, "services.json");
        let more = [
            "--gateway-url",
            self.gateway.base.as_str(),
            "--credit-url",
            self.credit.base.as_str(),
            "--client-secret",
            secrets["svc-grading"].as_str().unwrap(),
        ];
        let database = self.database.replace("{service}", &format!("{name}_{{service}}"));
        start("grading", &self.folder.join(name), &database, &more).await
    }

    fn signed_in(&self, base: &str, (client, secret): (&str, &str)) -> Upstream {
        let issuer = Upstream::remote(&self.gateway.base).unwrap();
        let identity = Identity::new(issuer, client, secret, Clock::starting_at(NOW.parse().unwrap()));
        Upstream::remote(base).unwrap().with_identity(Arc::new(identity))
    }

    fn of(&self, suite: &Suite) -> Upstream {
        let admin = read(&self.gateway, "admin.json");
        self.signed_in(&suite.base, ("admin", admin["clientSecret"].as_str().unwrap()))
    }

    fn credit_as_office(&self) -> Upstream {
        self.of(&self.credit)
    }

    fn credit_as_taker(&self) -> Upstream {
        self.signed_in(&self.credit.base, (&self.taker.0, &self.taker.1))
    }
}

async fn start(role: &str, folder: &Path, database: &str, more: &[&str]) -> Suite {
    let mut flags = vec!["--clock-start", NOW];
    if !database.is_empty() {
        flags.extend(["--database", database]);
    }
    flags.extend(more);
    Suite::serve(role, folder, &flags).await
}

fn read(suite: &Suite, file: &str) -> Value {
    serde_json::from_slice(&std::fs::read(suite.data_dir.join(file)).unwrap()).unwrap()
}

// A scheme that feels each record: penalties count, fines add up, an honour helps.
async fn publish(upstream: &Upstream) {
    use grading::indicator::Measure;
    let indicator = |id: &str, item: &str, measure: Measure, points: f64| grading::Indicator {
        id: id.to_owned(),
        name: id.to_owned(),
        items: vec![item.to_owned()],
        measure: measure as i32,
        decay: vec![grading::DecayStep { within_months: 36, percent: 100.0 }],
        points_per_unit: Some(points),
        ..Default::default()
    };
    let grade = |(name, least): (&str, f64)| grading::Grade {
        grade: name.to_owned(),
        min_score: least,
        ..Default::default()
    };
    let scheme = grading::Scheme {
        scheme_id: String::from("once"),
        domain: String::from("transport"),
        department: String::from("transport"),
        basis: Some(grading::Basis {
            title: String::from("测试用评价制度"),
            document_number: String::from("测试〔2026〕2号"),
        }),
        national_result: grading::scheme::NationalResult::None as i32,
        disclosure: grading::scheme::Disclosure::Departments as i32,
        model: Some(grading::Model {
            base_score: Some(100.0),
            min_score: Some(0.0),
            max_score: Some(120.0),
            indicators: vec![
                indicator("penalties", "administrative-penalty", Measure::Count, -3.0),
                indicator("fines", "administrative-penalty", Measure::SumAmount, -0.0001),
                indicator("honours", "honour", Measure::Exists, 4.0),
            ],
            vetoes: Vec::new(),
            grades: [("A", 90.0), ("B", 75.0), ("C", 60.0), ("D", 0.0)].map(grade).into(),
        }),
        ..Default::default()
    };
    let mut client = SchemesClient::new(upstream.clone());
    let draft = grading::CreateSchemeRequest { scheme: Some(scheme), ..Default::default() };
    client.create_scheme(draft).await.unwrap();
    let publish = grading::PublishSchemeRequest { scheme: String::from("once"), ..Default::default() };
    client.publish_scheme(publish).await.unwrap();
}

// Records are accepted, corrected, withdrawn and repaired; answers the last position and how many changes there were.
async fn stream(office: Upstream, taker: Upstream, seed: u64) -> (String, u32) {
    let mut subjects = SubjectsClient::new(office.clone());
    let input = |serial: u32| credit::SubjectInput {
        uscc: world::code(serial),
        name: format!("虚构第{serial}有限公司"),
        region: String::from("640302"),
        domains: vec![String::from("D09")],
        ..Default::default()
    };
    let request = credit::BatchUpsertSubjectsRequest {
        subjects: (1..=SUBJECTS).map(input).collect(),
        ..Default::default()
    };
    let mut position = subjects.batch_upsert_subjects(request).await.unwrap().into_inner().position;
    let (mut records, mut repairs) = (RecordsClient::new(taker.clone()), RepairsClient::new(taker));
    let mut chief = RepairsClient::new(office);
    let (mut dice, mut standing, mut changes, mut number) = (Dice(seed + 77), Vec::<String>::new(), 0, 0_u32);
    let started = Instant::now();
    while started.elapsed() < LASTS {
        let pick = dice.below(10);
        if standing.len() < 20 || pick < 6 {
            let batch = 1 + dice.below(12);
            let fresh = (0..batch).map(|_| {
                number += 1;
                record(number, &mut dice)
            });
            let fresh = fresh.collect();
            let request = credit::SubmitRecordsRequest { records: fresh, ..Default::default() };
            let answer = records.submit_records(request).await.unwrap().into_inner();
            for outcome in answer.outcomes {
                assert_eq!(outcome.status(), Status::Accepted, "{outcome:?}");
                standing.push(outcome.record);
                changes += 1;
            }
            position = answer.position;
            continue;
        }
        changes += 1;
        let at = usize::try_from(dice.below(standing.len() as u64)).unwrap();
        if pick < 8 {
            let request = credit::CorrectRecordRequest {
                record: standing[at].clone(),
                amount: Some((1_000 + dice.below(90_000)).to_string()),
                reason: String::from("金额录入有误"),
                ..Default::default()
            };
            position = records.correct_record(request).await.unwrap().into_inner().position;
        } else if pick == 8 {
            let reason = String::from("决定已撤销");
            let request = credit::WithdrawRecordRequest {
                record: standing.swap_remove(at),
                reason,
                ..Default::default()
            };
            position = records.withdraw_record(request).await.unwrap().into_inner().position;
        } else {
            let request = credit::CreateRepairRequest {
                record: standing.swap_remove(at),
                reason: String::from("已完成整改"),
                evidence: String::from("整改验收单"),
                ..Default::default()
            };
            let filed = match repairs.create_repair(request).await {
                Ok(filed) => filed.into_inner(),
                // What is no record of dishonesty, as an honour is not, can't be repaired.
                Err(status) if status.code() == Code::FailedPrecondition => continue,
                Err(status) => panic!("{status}"),
            };
            let request = credit::DecideRepairRequest {
                repair_id: filed.repair_id,
                outcome: credit::repair::State::Approved as i32,
                explanation: String::from("义务履行完毕"),
                ..Default::default()
            };
            chief.decide_repair(request).await.unwrap();
        }
    }
    // The last change says where the feed ends: a repair does not.
    let request =
        credit::SubmitRecordsRequest { records: vec![record(number + 1, &mut dice)], ..Default::default() };
    let last = records.submit_records(request).await.unwrap().into_inner();
    assert!(!position.is_empty() && !last.position.is_empty());
    (last.position, changes + 1)
}

fn record(number: u32, dice: &mut Dice) -> credit::RecordInput {
    let item = if dice.below(8) == 0 { "honour" } else { "administrative-penalty" };
    let penalty = item != "honour";
    credit::RecordInput {
        uscc: world::code(u32::try_from(dice.below(SUBJECTS.into())).unwrap() + 1),
        item: item.to_owned(),
        source_id: format!("虚-{number}"),
        occurred_on: format!("2024-{:02}-{:02}", 1 + dice.below(12), 1 + dice.below(28)),
        severity: if penalty { 2 } else { 0 },
        amount: if penalty { (1_000 + dice.below(50_000)).to_string() } else { String::new() },
        ..Default::default()
    }
}

type Told = (Vec<grading::SubjectGrade>, Vec<(i32, String, String, Option<f64>, String)>);

// What a grading tells of everybody, from a position on.
async fn told(upstream: &Upstream, position: &str) -> BTreeMap<String, Told> {
    let mut client = GradesClient::new(upstream.clone());
    let mut told = BTreeMap::new();
    for serial in 1..=SUBJECTS {
        let uscc = world::code(serial);
        let request = grading::GetSubjectGradesRequest {
            uscc: uscc.clone(),
            min_position: position.to_owned(),
            purpose: String::from("测试"),
        };
        let mut patience = 30;
        let grades = loop {
            match client.get_subject_grades(request.clone()).await {
                Err(status) if status.code() == Code::Unavailable && patience > 0 => patience -= 1,
                seen => break seen.unwrap().into_inner().grades,
            }
        };
        let mut history = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = grading::ListGradeHistoryRequest {
                uscc: uscc.clone(),
                scheme: String::from("once"),
                page_size: 1_000,
                page_token,
                purpose: String::from("测试"),
            };
            let page = client.list_grade_history(request).await.unwrap().into_inner();
            let entry = |change: grading::GradeChange| {
                (change.version, change.grade, change.previous_grade, change.score, change.as_of)
            };
            history.extend(page.changes.into_iter().map(entry));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        told.insert(uscc, (grades, history));
    }
    told
}
