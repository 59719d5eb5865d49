//! The circle on both databases, through the gateway of the real process, each department with its own token:
//! collect, grade, draw, list, report, and the results flowing back.
use std::{path::Path, process::Command, time::Duration};

use chassis::{trial::Postgres, upstream::Upstream};
use contract::credit::v1::{self as credit, feed_client::FeedClient};
use http::Method;
use serde_json::{Value, json};
use suites::{
    process::{Suite, binary, root},
    world,
};
use xinheng::client::Client;

const DAY: &str = "2026-03-02T09:00:00+08:00";

#[tokio::test(flavor = "multi_thread")]
async fn closes_on_sqlite() {
    circle(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closes_on_postgresql() {
    let postgres = Postgres::start();
    circle(&["--database", &postgres.url("circle")]).await;
}

struct City {
    suite: Suite,
    office: Client,
    data: Client,
    grading: Client,
    case: Client,
    chief: Client,
    folder: tempfile::TempDir,
}

async fn circle(flags: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let mut all = vec!["--clock-start", DAY];
    all.extend(flags);
    let suite = Suite::up(&folder.path().join("data"), &all).await;
    let office = suite.office().await;
    let city = City {
        data: department(&office, "data", &["credit.read", "credit.write"]).await,
        grading: department(
            &office,
            "grading",
            &[
                "grading.read",
                "grading.write",
                "grading.publish",
                "sampling.read",
                "sampling.write",
                "sampling.draw",
            ],
        )
        .await,
        case: department(&office, "case", &["discipline.read", "discipline.write", "discipline.propose"])
            .await,
        chief: department(&office, "chief", &["discipline.read", "discipline.write", "discipline.decide"])
            .await,
        office,
        suite,
        folder,
    };
    collect(&city).await;
    grade(&city).await;
    let visit = draw(&city).await;
    inspect(&city, &visit).await;
    list(&city).await;
    report(&city).await;
    over_grpc(&city).await;
    once_only(&city).await;
    assert!(city.suite.terminate().success(), "SIGTERM drains and exits 0");
}

async fn department(office: &Client, id: &str, scopes: &[&str]) -> Client {
    let body = json!({ "clientId": id, "displayName": id, "department": "transport", "scopes": scopes, "defaultPurpose": "测试" });
    let client = office.post("/identity/v1/clients", body).await.unwrap();
    office.sign_in(id, client["clientSecret"].as_str().unwrap()).await.unwrap()
}

fn statuses(answer: &Value) -> Vec<&str> {
    answer["outcomes"].as_array().unwrap().iter().map(|outcome| outcome["status"].as_str().unwrap()).collect()
}

// Asks until it holds, at most ten seconds: what flows by feeds arrives, if not at once.
async fn until<F: Future<Output = bool>>(what: &str, ask: impl Fn() -> F) {
    for _ in 0..400 {
        if ask().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{what} did not come about");
}

async fn collect(city: &City) {
    // By batch: 20 subjects, one of them twice, one with a typing error, one a person's number.
    let mut body = world::subjects(1..21);
    let mut wrong = body["subjects"][0].clone();
    wrong["uscc"] = json!("91640399MA00000019");
    let again = body["subjects"][0].clone();
    body["subjects"].as_array_mut().unwrap().extend([wrong, again]);
    let answer = city.data.post("/credit/v1/subjects:batchUpsert", body).await.unwrap();
    let outcomes = statuses(&answer);
    assert!(outcomes[..20].iter().all(|status| *status == "ACCEPTED"), "{answer}");
    assert_eq!(outcomes[20], "REJECTED");
    assert_eq!(answer["outcomes"][20]["error"]["reason"], "CODE_CHECK_FAILED");
    assert_eq!(outcomes[21], "DUPLICATE");

    // By file: 200 more, sent twice.
    for (accepted, duplicates) in [(200, 0), (0, 200)] {
        let file = world::register(21..221);
        let ended = city.data.import("kind=subjects&format=csv", file.into(), |_| {}).await.unwrap();
        let progress = &ended["metadata"]["progress"];
        assert_eq!(progress["rows"], 200, "{ended}");
        assert_eq!(progress["accepted"], accepted);
        assert_eq!(progress["duplicates"], duplicates);
        assert_eq!(progress["rejected"], 0);
    }
    let record = |item: &str, source: &str, on: &str, severity: i32, amount: &str, fields: Value| {
        json!({ "uscc": world::code(1), "item": item, "sourceId": source, "occurredOn": on, "severity": severity,
                "amount": amount, "fields": fields })
    };
    let body = json!({ "records": [
        record("administrative-penalty", "p1", "2025-09-01", 2, "20000", json!({})),
        record("administrative-penalty", "p2", "2024-01-10", 3, "15000.50", json!({})),
        record("administrative-penalty", "p3", "2025-12-01", 1, "50000.00", json!({})),
        record("honour", "h1", "2024-05-01", 0, "", json!({ "title": "测试荣誉" })),
        record("national-evaluation", "n1", "2025-06-30", 0, "", json!({ "grade": "良" })),
        record("national-evaluation", "n2", "2026-01-05", 0, "", json!({ "grade": "优" })),
        record("no-such-item", "x1", "2026-01-05", 0, "", json!({})),
        record("tax-credit-grade", "x2", "2026-01-05", 0, "", json!({ "grade": "A" })),
        record("honour", "x3", "2027-01-05", 0, "", json!({ "title": "未来" })),
    ] });
    let answer = city.data.post("/credit/v1/records:submit", body.clone()).await.unwrap();
    assert_eq!(statuses(&answer)[..6], ["ACCEPTED"; 6], "{answer}");
    assert_eq!(statuses(&answer)[6..], ["REJECTED"; 3], "{answer}");
    assert_eq!(answer["outcomes"][6]["error"]["reason"], "ITEM_UNKNOWN");
    assert_eq!(answer["outcomes"][7]["error"]["reason"], "AUTHORIZATION_REQUIRED");
    let again = city.data.post("/credit/v1/records:submit", body).await.unwrap();
    assert_eq!(statuses(&again)[..6], ["DUPLICATE"; 6], "{again}");
    assert_eq!(again["outcomes"][0]["record"], answer["outcomes"][0]["record"]);

    // What anybody sees holds no shared item, what the department sees does.
    let anybody = Client::new(&city.suite.base);
    let public = anybody.get(&format!("/credit/v1/public/subjects/{}", world::code(1))).await.unwrap();
    assert!(public.to_string().contains("administrative-penalty"), "{public}");
    let listed = city.data.get(&format!("/credit/v1/subjects/{}/records", world::code(1))).await.unwrap();
    assert_eq!(listed["records"].as_array().unwrap().len(), 6);
    let log = city.office.get(&format!("/credit/v1/subjects/{}/accesses", world::code(1))).await.unwrap();
    assert!(log["accesses"].as_array().unwrap().iter().any(|access| access["by"] == "data"), "{log}");
}

async fn grade(city: &City) {
    let created =
        city.grading.post("/grading/v1/schemes", world::scheme("circle", "DEPARTMENTS")).await.unwrap();
    assert_eq!(created["domain"], "D09");
    let measures = json!({ "measures": [{ "grade": "A", "samplingPercent": 10 }, { "grade": "D", "samplingPercent": 100 }] });
    city.grading.put("/grading/v1/schemes/circle/measures", measures).await.unwrap();
    city.grading.post("/grading/v1/schemes/circle:publish", json!({})).await.unwrap();
    let run = city
        .grading
        .post("/grading/v1/runs", json!({ "scheme": "circle", "asOf": "2026-03-02" }))
        .await
        .unwrap();
    let ended = city.grading.wait("grading", &run, |_| {}).await.unwrap();
    assert_eq!(ended["response"]["evaluated"], 220, "{ended}");
    assert_eq!(ended["response"]["distribution"]["A"], 220);

    // By hand: 100 − 1.5 × 5 (one penalty whole, one at half) − 7.25 (85,000.50 yuan) + 4 + 6 = 95.25.
    let grades = city.grading.get(&format!("/grading/v1/subjects/{}/grades", world::code(1))).await.unwrap();
    assert_eq!(grades["nationalGrade"], "优");
    let grade = &grades["grades"][0];
    assert_eq!((grade["grade"].as_str(), grade["score"].as_f64()), (Some("A"), Some(95.25)), "{grades}");
    // The first penalty leaves the twelve months on the day of its anniversary.
    assert_eq!(grade["nextChangeOn"], "2026-09-01");
    let why = city
        .grading
        .get(&format!("/grading/v1/subjects/{}/grades/circle:explain", world::code(1)))
        .await
        .unwrap();
    let points: Vec<f64> =
        why["indicators"].as_array().unwrap().iter().map(|one| one["points"].as_f64().unwrap()).collect();
    assert_eq!(points, [-7.5, -7.25, 4.0, 6.0, 0.0]);
    assert_eq!(why["indicators"][0]["records"].as_array().unwrap().len(), 2);
}

async fn draw(city: &City) -> Value {
    let item = json!({ "name": "经营行为检查", "department": "transport", "skills": ["road"], "legalBasis": "测试" });
    city.grading.put("/sampling/v1/inspectionItems/operation", item).await.unwrap();
    for number in 1..=4 {
        // The third has a conflict with whoever may be drawn first; the others remain.
        let conflicts = if number == 3 { vec![world::code(1)] } else { Vec::new() };
        let inspector = json!({ "department": "transport", "region": "640300", "skills": ["road"], "conflicts": conflicts,
            "availableFrom": "2026-01-01", "availableUntil": "2026-12-31" });
        city.grading.put(&format!("/sampling/v1/inspectors/i{number}"), inspector).await.unwrap();
    }
    let plan = json!({ "planId": "q1", "title": "一季度抽查", "departments": ["transport"], "scheme": "circle", "region": "640300",
        "industries": [], "inspectionItems": ["operation"], "period": { "from": "2026-03-02", "to": "2026-06-30" },
        "quotas": [{ "grade": "A", "percent": 5.5, "atLeast": 2 }], "inspectorsPerVisit": 2 });
    city.grading.post("/sampling/v1/plans", plan).await.unwrap();
    let early = city
        .grading
        .try_call(Method::POST, "/sampling/v1/draws/none:reveal", &json!({ "entropy": "x" }))
        .await
        .unwrap();
    assert_eq!(early.status, 404, "{}", early.text());

    let commit = city
        .grading
        .post("/sampling/v1/plans/q1:commit", json!({ "entropySource": "公开抽奖" }))
        .await
        .unwrap();
    assert_eq!(commit["rosterSize"], 220);
    // 5.5 % of 220 is 12.1, rounded up.
    assert_eq!(commit["quotaText"], "A,13\n");
    assert!(
        commit["secret"].as_str().unwrap_or_default().is_empty(),
        "the secret is closed until the reveal"
    );
    let id = commit["drawId"].as_str().unwrap();
    let path = format!("/sampling/v1/draws/{id}:reveal");
    let revealed = city.grading.post(&path, json!({ "entropy": "08 15 23 42" })).await.unwrap();
    assert_eq!(revealed["selected"].as_array().unwrap().len(), 13);
    let twice = city.grading.try_call(Method::POST, &path, &json!({ "entropy": "other" })).await.unwrap();
    assert_eq!(twice.status, 400, "a draw is revealed once: {}", twice.text());

    verify(city, id).await;
    let visits = city.grading.get(&format!("/sampling/v1/draws/{id}/visits?pageSize=100")).await.unwrap();
    let visits = visits["visits"].as_array().unwrap();
    assert_eq!(visits.len(), 13);
    for visit in visits {
        let team = visit["inspectors"].as_array().unwrap();
        assert_eq!(team.len(), 2, "{visit}");
        assert!(visit["uscc"] != world::code(1).as_str() || !team.contains(&json!("i3")), "recusal holds");
    }
    visits[0].clone()
}

async fn verify(city: &City, draw: &str) {
    let path = format!("/sampling/v1/draws/{draw}/bundle");
    // Without the auditor's scope nobody's grade is in it, as the scheme is the departments' own.
    let public = Client::new(&city.suite.base).get(&path).await.unwrap();
    assert!(public["roster"].as_str().unwrap_or_default().is_empty(), "{public}");
    assert!(!public["rosterDigest"].as_str().unwrap().is_empty());
    assert!(
        public["selected"]
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["stratum"].as_str().unwrap_or_default().is_empty())
    );
    let whole = city.office.try_get(&path).await.unwrap().text();

    let folder = city.folder.path();
    let exit = |name: &str, text: &str| {
        let file = folder.join(name);
        std::fs::write(&file, text).unwrap();
        let ours = Command::new(binary()).arg("verify-draw").arg(&file).output().unwrap();
        (ours.status.code().unwrap(), file)
    };
    let (ours, file) = exit("bundle.json", &whole);
    assert_eq!(ours, 0);
    assert_eq!(exit("public.json", &public.to_string()).0, 0);
    assert_eq!(python(&file), 0, "the independent lines agree");
    let (ours, file) = exit("tampered.json", &whole.replacen("08 15", "08 16", 1));
    assert_eq!(ours, 1);
    assert_eq!(python(&file), 1);
    assert_eq!(exit("torn.json", &whole[..whole.len() / 2]).0, 2);
}

fn python(file: &Path) -> i32 {
    let script = root().join("tests/verify_draw.py");
    Command::new("python3").arg(script).arg(file).output().expect("python3 runs").status.code().unwrap()
}

async fn inspect(city: &City, visit: &Value) {
    let (id, code) = (visit["visitId"].as_str().unwrap(), visit["uscc"].as_str().unwrap());
    let before = score(city, code).await;
    let record = format!("/sampling/v1/visits/{id}:record");
    let bad = json!({ "inspectedOn": "2026-03-02", "findings": [{ "inspectionItem": "operation", "resultCode": "Z99" }] });
    assert_eq!(city.grading.try_call(Method::POST, &record, &bad).await.unwrap().status, 400);
    let found = json!({ "inspectedOn": "2026-03-02", "findings": [{ "inspectionItem": "operation", "resultCode": "R08", "text": "问题" }] });
    city.grading.post(&record, found).await.unwrap();
    city.grading.post(&format!("/sampling/v1/visits/{id}:publish"), json!({})).await.unwrap();
    let results =
        Client::new(&city.suite.base).get(&format!("/sampling/v1/public/results?uscc={code}")).await.unwrap();
    assert_eq!(results["results"].as_array().unwrap().len(), 1, "{results}");
    // The result has become a record, and the record has moved the score.
    until("the result's effect on the grade", || async { score(city, code).await == before - 12.0 }).await;
}

async fn score(city: &City, code: &str) -> f64 {
    let grades = city.grading.get(&format!("/grading/v1/subjects/{code}/grades")).await.unwrap();
    grades["grades"][0]["score"].as_f64().unwrap()
}

async fn list(city: &City) {
    let code = world::code(2);
    let measure = json!({ "name": "纳入重点监管范围", "group": "管理措施", "legalBasis": "测试清单第九项" });
    city.office.put("/discipline/v1/measures/key", measure).await.unwrap();
    let list = json!({ "name": "测试严重失信名单", "kind": "PUNITIVE", "legalBasis": "测试办法第三条", "decidedBy": ["transport"],
        "publicationMonths": 36, "repairAfterMonths": 12, "defenceWorkingDays": 5, "measures": ["key"] });
    city.office.put("/discipline/v1/lists/serious", list).await.unwrap();
    let open = json!({ "listId": "serious", "uscc": code, "evidence": ["p1"], "facts": "测试事实" });
    let case = city.case.post("/discipline/v1/cases", open).await.unwrap();
    let id = case["caseId"].as_str().unwrap();
    let path = |step: &str| format!("/discipline/v1/cases/{id}:{step}");
    let paper = |on: &str| json!({ "on": on, "documentNumber": "测〔2026〕1号", "text": "文书" });
    let decision =
        |on: &str| json!({ "on": on, "documentNumber": "测〔2026〕2号", "text": "决定", "outcome": "LIST" });

    let skipped = city.chief.try_call(Method::POST, &path("decide"), &decision("2026-03-02")).await.unwrap();
    assert_eq!(skipped.status, 400, "no decision without notice: {}", skipped.text());
    city.case.post(&path("notify"), paper("2026-02-13")).await.unwrap();
    let early = city.chief.try_call(Method::POST, &path("decide"), &decision("2026-02-27")).await.unwrap();
    assert_eq!(
        (early.status.as_u16(), early.json()["error"]["status"].as_str().unwrap().to_owned()),
        (400, String::from("FAILED_PRECONDITION"))
    );
    assert!(early.text().contains("2026-02-28"), "{}", early.text());
    assert!(answers(city, &code).await.is_empty(), "nothing is listed before the publication");
    let decided = city.chief.post(&path("decide"), decision("2026-02-28")).await.unwrap();
    assert_eq!(decided["state"], "DECIDED");
    city.case.post(&path("serve"), paper("2026-03-02")).await.unwrap();
    let published = city.case.post(&path("publish"), paper("2026-03-02")).await.unwrap();
    assert_eq!(published["state"], "LISTED");
    assert_eq!(published["listing"]["until"], "2029-03-02");
    assert_eq!(answers(city, &code).await, ["serious until 2029-03-02 with key"]);
    let anybody =
        Client::new(&city.suite.base).get("/discipline/v1/public/listings?list=serious").await.unwrap();
    assert!(anybody.to_string().contains(&code), "{anybody}");

    until("the listing's veto", || async {
        let grades = city.grading.get(&format!("/grading/v1/subjects/{code}/grades")).await.unwrap();
        grades["grades"][0]["grade"] == "D"
    })
    .await;
}

async fn answers(city: &City, code: &str) -> Vec<String> {
    let body = json!({ "uscc": [code], "purpose": "招标" });
    let answer = city.case.post("/discipline/v1/subjects:check", body).await.unwrap();
    assert!(!answer["asOf"].as_str().unwrap().is_empty());
    let result = &answer["results"][0];
    let measures: Vec<&str> = result["measures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|measure| measure["measureId"].as_str().unwrap())
        .collect();
    let listings = result["listings"].as_array().unwrap().iter();
    listings
        .map(|one| {
            format!(
                "{} until {} with {}",
                one["listId"].as_str().unwrap(),
                one["until"].as_str().unwrap(),
                measures.join(",")
            )
        })
        .collect()
}

async fn report(city: &City) {
    let summary = json!({ "domain": "D09", "from": "2026-01-01", "to": "2026-03-02" });
    city.office.post("/reporting/v1/summaries", summary).await.unwrap();
    let coverage = city.office.get("/reporting/v1/coverage?asOf=2026-03-02").await.unwrap();
    let domains = coverage["domains"].as_array().unwrap();
    assert_eq!(domains.len(), 22);
    let transport = domains.iter().find(|domain| domain["domain"] == "D09").unwrap();
    assert_eq!(transport["scheme"], "circle", "{transport}");
    assert_eq!(transport["measures"], true);
    assert_eq!(transport["graded"], 220);
    assert_eq!(transport["drawn"], 13);
    assert_eq!(transport["summarized"], true);
    let other = domains.iter().find(|domain| domain["domain"] == "D01").unwrap();
    assert_eq!((&other["graded"], &other["summarized"]), (&json!(0), &json!(false)));
}

// The same port speaks gRPC: a department's consumer follows the feed from the beginning.
async fn over_grpc(city: &City) {
    let upstream = Upstream::remote(&city.suite.base).unwrap();
    let mut client = FeedClient::new(upstream.clone());
    let watch =
        || credit::WatchRequest { cursor: String::new(), until_caught_up: true, ..Default::default() };
    let refused = client.watch(watch()).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unauthenticated);
    let mut request = tonic::Request::new(watch());
    let bearer = format!("Bearer {}", city.data.token().unwrap());
    request.metadata_mut().insert("authorization", bearer.parse().unwrap());
    let mut stream = client.watch(request).await.unwrap().into_inner();
    let (mut subjects, mut records) = (0, 0);
    while let Some(change) = stream.message().await.unwrap() {
        assert!(!change.position.is_empty());
        match change.kind() {
            credit::change::Kind::SubjectUpserted => subjects += 1,
            _ => records += 1,
        }
    }
    assert_eq!(subjects, 220);
    // Six submitted, one inspection result, one listing.
    assert_eq!(records, 8);
    // Over REST the same stream is lines of JSON.
    let lines = city.data.try_get("/credit/v1/changes:watch?untilCaughtUp=true").await.unwrap();
    assert_eq!(lines.text().lines().count(), 228);

    let health = tonic_health::pb::health_client::HealthClient::new(upstream)
        .check(tonic_health::pb::HealthCheckRequest { service: String::new() })
        .await
        .unwrap();
    assert_eq!(health.into_inner().status, 1);
}

// The same key gives the same answer, and does the work once.
async fn once_only(city: &City) {
    let body = world::subjects(500..501).to_string();
    let key = [("idempotency-key", "one")];
    let path = "/credit/v1/subjects:batchUpsert";
    let send = |body: String| city.data.send(Method::POST, path, "application/json", body.into(), &key);
    let first = send(body.clone()).await.unwrap().json();
    let second = send(body).await.unwrap().json();
    assert_eq!(first, second);
    assert_eq!(statuses(&second), ["ACCEPTED"], "the first answer, not a duplicate's");
    let other = send(world::subjects(501..502).to_string()).await.unwrap();
    assert_eq!((other.status.as_u16(), other.reason()), (409, String::from("REQUEST_ID_REUSED")));
}
