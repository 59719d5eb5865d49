//! The steps, each as a department's system would do it. Every change carries an idempotency key, so that a second telling
//! on the same folder finds the same answers and doubles nothing.
use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::Context as _;
use http::Method;
use jiff::{ToSpan, civil::Date};
use serde_json::{Value, json};

use super::{
    city::{self, Enterprise},
    telling::{bars, line, progress, progressed, step},
};
use crate::client::Client;

const GRADES: [&str; 4] = ["A", "B", "C", "D"];
const SCHEME: &str = "transport-2026";
const LIST: &str = "transport-serious-dishonesty";

// Who takes part, with just the scopes that each one's work needs.
const CLIENTS: [(&str, &str, &str, &[&str]); 7] = [
    ("registrar", "market-regulation", "市场监管局 数据对接", &["credit.write", "credit.read"]),
    ("transport-data", "transport", "交通运输局 数据对接", &["credit.write", "credit.read"]),
    ("office-data", "credit-office", "信用联办 国家评价结果", &["credit.write"]),
    ("labour-data", "hrss", "人社局 数据对接", &["credit.write"]),
    (
        "transport-grading",
        "transport",
        "交通运输局 分级分类与抽查",
        &[
            "grading.read",
            "grading.write",
            "grading.publish",
            "sampling.read",
            "sampling.write",
            "sampling.draw",
            "credit.read",
        ],
    ),
    (
        "transport-case",
        "transport",
        "交通运输局 承办",
        &["discipline.read", "discipline.write", "discipline.propose", "credit.read"],
    ),
    (
        "transport-chief",
        "transport",
        "交通运输局 审定",
        &["discipline.read", "discipline.write", "discipline.decide"],
    ),
];

struct Story {
    office: Client,
    clients: BTreeMap<&'static str, Client>,
    today: Date,
    city: Vec<Enterprise>,
}

impl Story {
    fn of(&self, client: &str) -> &Client {
        self.clients.get(client).unwrap_or(&self.office)
    }

    // A change that is done once, however often the story is told.
    async fn once(
        &self,
        client: &str,
        method: Method,
        path: &str,
        key: &str,
        body: Value,
    ) -> anyhow::Result<Value> {
        let key = format!("demo-{key}");
        let headers = [("idempotency-key", key.as_str())];
        let reply =
            self.of(client).send(method, path, "application/json", body.to_string().into(), &headers).await?;
        anyhow::ensure!(reply.status.is_success(), "{path} answered {}: {}", reply.status, reply.text());
        Ok(reply.json())
    }
}

/// Tells it.
pub async fn tell(base: &str, data_dir: &Path, today: Date) -> anyhow::Result<()> {
    println!(
        "信衡 Xinheng: the main job on a fictional city, {today}. Every call goes through the gateway at {base}."
    );
    let office = Client::new(base).sign_in_as_office(data_dir).await?;
    let mut story = Story { office, clients: BTreeMap::new(), today, city: city::enterprises() };
    let secrets = register_clients(&mut story, base).await?;
    collect_subjects(&story).await?;
    collect_records(&story).await?;
    let position = grade(&story).await?;
    let worst = explain(&story, &position).await?;
    follow(&story, &worst).await?;
    let drawn = draw(&story).await?;
    visit(&story, &drawn).await?;
    list(&story, &worst).await?;
    report(&story).await?;
    farewell(base, &story, &secrets);
    Ok(())
}

async fn register_clients(story: &mut Story, base: &str) -> anyhow::Result<Vec<(String, String)>> {
    step(1, "Departments get clients with just the scopes of their work");
    let mut secrets = Vec::new();
    for (id, department, name, scopes) in CLIENTS {
        // A secret is shown once: a second telling registers the client anew.
        story.office.try_call(Method::DELETE, &format!("/identity/v1/clients/{id}"), &json!({})).await?;
        let registration = json!({
            "clientId": id, "displayName": name, "department": department, "scopes": scopes,
            "defaultPurpose": "信用分级分类监管",
        });
        let client = story.office.post("/identity/v1/clients", registration).await?;
        let secret = client["clientSecret"].as_str().context("a new client has a secret")?.to_owned();
        story.clients.insert(id, Client::new(base).sign_in(id, &secret).await?);
        line(format!("{id:<18} {name}  {}", scopes.join(" ")));
        secrets.push((id.to_owned(), secret));
    }
    let refused = story.of("labour-data").try_get("/grading/v1/schemes").await?;
    line(format!("labour-data asks for grading's schemes: {} {}", refused.status.as_u16(), refused.reason()));
    Ok(secrets)
}

async fn collect_subjects(story: &Story) -> anyhow::Result<()> {
    step(2, "The registrar sends its register as a CSV file 归集主体");
    let file = city::register(&story.city);
    for time in ["first", "second"] {
        let started = std::time::Instant::now();
        let ended = story
            .of("registrar")
            .import("kind=subjects&format=csv", file.clone().into(), |state| {
                progress(&format!("{} rows", state["metadata"]["progress"]["rows"]));
            })
            .await?;
        progressed();
        let counts = &ended["metadata"]["progress"];
        line(format!(
            "{time} sending: {} rows, {} accepted, {} duplicates, {} rejected, {:.2} s",
            counts["rows"],
            counts["accepted"],
            counts["duplicates"],
            counts["rejected"],
            started.elapsed().as_secs_f64()
        ));
    }
    let mut counties = Vec::new();
    for (code, name, _) in city::COUNTIES {
        let count = story.city.iter().filter(|enterprise| enterprise.region == code).count();
        counties.push(format!("{name} {count}"));
    }
    line(counties.join(", "));
    Ok(())
}

async fn collect_records(story: &Story) -> anyhow::Result<()> {
    step(3, "Departments submit records of catalogued items 归集信用信息");
    let items = story.office.get("/credit/v1/items?pageSize=200").await?;
    let names: Vec<&str> =
        items["items"].as_array().into_iter().flatten().filter_map(|item| item["name"].as_str()).collect();
    line(format!(
        "the catalogue has {} items: {} …",
        names.len(),
        names.iter().take(6).copied().collect::<Vec<_>>().join("、")
    ));
    for batch in city::records(&story.city, story.today) {
        let client = match batch.department {
            "market-regulation" => "registrar",
            "transport" => "transport-data",
            "hrss" => "labour-data",
            _ => "office-data",
        };
        let (mut accepted, mut duplicates, started) = (0, 0, std::time::Instant::now());
        for chunk in batch.records.chunks(1_000) {
            let answer =
                story.of(client).post("/credit/v1/records:submit", json!({ "records": chunk })).await?;
            for outcome in answer["outcomes"].as_array().into_iter().flatten() {
                match outcome["status"].as_str() {
                    Some("ACCEPTED") => accepted += 1,
                    Some("DUPLICATE") => duplicates += 1,
                    _ => anyhow::bail!("a record of the demo is refused: {outcome}"),
                }
            }
            progress(&format!("{}: {accepted}", batch.department));
        }
        progressed();
        line(format!(
            "{:<18} {accepted:>5} accepted, {duplicates:>5} known already, {:.2} s",
            batch.department,
            started.elapsed().as_secs_f64()
        ));
    }
    let code = story.city.first().map(|enterprise| enterprise.uscc.as_str()).unwrap_or_default();
    let unlawful = json!({ "records": [{
        "uscc": code, "item": "tax-credit-grade", "sourceId": "demo-tax", "occurredOn": "2026-01-05", "fields": { "grade": "A" },
    }] });
    let answer = story.of("registrar").post("/credit/v1/records:submit", unlawful).await?;
    line(format!(
        "a tax grade without the enterprise's authorization: {}",
        answer["outcomes"][0]["error"]["reason"]
    ));
    Ok(())
}

fn scheme() -> Value {
    json!({
        "schemeId": SCHEME, "title": "交通运输企业信用评价（演示）", "domain": "D09", "department": "transport",
        "basis": { "title": "交通运输企业信用分级分类监管办法（演示）", "documentNumber": "演示〔2026〕1号" },
        "nationalResult": "INDICATOR", "disclosure": "DEPARTMENTS",
        "model": {
            "baseScore": 85, "minScore": 0, "maxScore": 120,
            "indicators": [
                { "id": "national", "name": "国家公共信用综合评价", "dimension": "国家评价", "items": ["national-evaluation"],
                  "measure": "LATEST_GRADE", "gradePoints": { "优": 10, "良": 5, "中": 0, "差": -20 } },
                { "id": "penalties", "name": "行政处罚次数", "dimension": "监管信息", "items": ["administrative-penalty"],
                  "filter": "severity >= 2", "measure": "COUNT",
                  "decay": [{ "withinMonths": 12, "percent": 100 }, { "withinMonths": 36, "percent": 50 }],
                  "pointsPerUnit": -6, "minPoints": -40, "maxPoints": 0 },
                { "id": "fines", "name": "罚款金额", "dimension": "监管信息", "items": ["administrative-penalty"],
                  "measure": "SUM_AMOUNT", "decay": [{ "withinMonths": 24, "percent": 100 }],
                  "bands": [{ "atLeast": 20000, "points": -3 }, { "atLeast": 50000, "points": -8 }, { "atLeast": 100000, "points": -15 }] },
                { "id": "honours", "name": "诚信荣誉", "dimension": "荣誉信息", "items": ["honour"],
                  "measure": "EXISTS", "decay": [{ "withinMonths": 36, "percent": 100 }], "pointsPerUnit": 8 },
                { "id": "inspections", "name": "双随机检查发现问题", "dimension": "监管信息", "items": ["administrative-inspection"],
                  "filter": "severity >= 1", "measure": "COUNT", "decay": [{ "withinMonths": 24, "percent": 100 }],
                  "pointsPerUnit": -10, "minPoints": -30 },
            ],
            "vetoes": [{ "id": "listed", "items": ["serious-dishonesty-listing"], "withinMonths": 36, "grade": "D", "reason": "列入严重失信主体名单" }],
            "grades": [
                { "grade": "A", "minScore": 90, "label": "信用优秀" }, { "grade": "B", "minScore": 75, "label": "信用良好" },
                { "grade": "C", "minScore": 60, "label": "信用一般" }, { "grade": "D", "minScore": 0, "label": "信用较差" },
            ],
        },
    })
}

async fn grade(story: &Story) -> anyhow::Result<String> {
    step(4, "交通运输局 drafts its scheme, publishes it, grades its population 分级分类评价");
    let who = "transport-grading";
    let created = story.once(who, Method::POST, "/grading/v1/schemes", "scheme", scheme()).await?;
    let measures = json!({ "measures": [
        { "grade": "A", "samplingPercent": 2, "maxPerYear": 1, "text": "降低抽查比例和频次，以书面检查为主" },
        { "grade": "B", "samplingPercent": 5, "text": "按常规比例和频次抽查" },
        { "grade": "C", "samplingPercent": 15, "minPerYear": 1, "text": "提高抽查比例和频次" },
        { "grade": "D", "samplingPercent": 30, "minPerYear": 2, "text": "重点监管" },
    ] });
    story.of(who).put(&format!("/grading/v1/schemes/{SCHEME}/measures"), measures).await?;
    story
        .once(who, Method::POST, &format!("/grading/v1/schemes/{SCHEME}:publish"), "publish", json!({}))
        .await?;
    line(format!("scheme {SCHEME} version {}, domain D09 交通运输领域", created["version"]));
    let started = std::time::Instant::now();
    let run = json!({ "scheme": SCHEME, "asOf": story.today.to_string() });
    let operation = story.of(who).post("/grading/v1/runs", run).await?;
    let ended = story
        .of(who)
        .wait("grading", &operation, |state| progress(&format!("{}", state["metadata"]["progress"])))
        .await?;
    progressed();
    let response = &ended["response"];
    line(format!(
        "{} graded, {} changed, {:.2} s",
        response["evaluated"],
        response["changed"],
        started.elapsed().as_secs_f64()
    ));
    bars(&response["distribution"], &GRADES);
    // The first code's grades tell how far grading has followed credit.
    let code = &story.city.first().context("a city")?.uscc;
    let grades = story.of(who).get(&format!("/grading/v1/subjects/{code}/grades")).await?;
    Ok(grades["position"].as_str().unwrap_or_default().to_owned())
}

// Finds a transport enterprise that is graded C, the one whose grade the next steps move.
async fn explain(story: &Story, position: &str) -> anyhow::Result<String> {
    step(5, "One enterprise's grade, explained 评价依据");
    let who = story.of("transport-grading");
    let codes: Vec<&str> = story
        .city
        .iter()
        .filter(|enterprise| enterprise.domains.contains(&"D09"))
        .map(|enterprise| enterprise.uscc.as_str())
        .collect();
    // A second telling goes on with the enterprise of the first.
    let told = story.of("transport-case").get(&format!("/discipline/v1/cases?list={LIST}")).await?;
    let mut chosen = told["cases"][0]["uscc"].as_str().map(str::to_owned);
    for chunk in codes.chunks(500).take_while(|_| told["cases"][0].is_null()) {
        let body = json!({ "uscc": chunk, "scheme": SCHEME, "minPosition": position });
        let answer = who.post("/grading/v1/grades:batchGet", body).await?;
        let results = answer["results"].as_array().cloned().unwrap_or_default();
        let graded = |result: &&Value| result["grades"][0]["grade"] == "C";
        if let Some(found) = results.iter().find(graded).and_then(|result| result["uscc"].as_str()) {
            chosen = Some(found.to_owned());
            break;
        }
    }
    let code = chosen.context("nobody in the city is graded C")?;
    show_explanation(story, &code).await?;
    Ok(code)
}

async fn show_explanation(story: &Story, code: &str) -> anyhow::Result<()> {
    let who = story.of("transport-grading");
    let subject = who.get(&format!("/credit/v1/subjects/{code}")).await?;
    let why = who.get(&format!("/grading/v1/subjects/{code}/grades/{SCHEME}:explain")).await?;
    line(format!("{} {}", code, subject["name"].as_str().unwrap_or_default()));
    line(format!("grade {} score {} (base {})", why["grade"], why["score"], why["baseScore"]));
    for indicator in why["indicators"].as_array().into_iter().flatten() {
        let records = indicator["records"].as_array().map_or(0, Vec::len);
        line(format!(
            "  {:>7} points  {} = {} ({records} records)",
            indicator["points"].to_string(),
            indicator["name"].as_str().unwrap_or_default(),
            indicator["value"]
        ));
    }
    for veto in why["vetoes"].as_array().into_iter().flatten() {
        line(format!("  veto to {}: {}", veto["grade"], veto["reason"].as_str().unwrap_or_default()));
    }
    if let Some(next) = why["nextChangeOn"].as_str().filter(|next| !next.is_empty()) {
        line(format!("  time alone could change it on {next}"));
    }
    Ok(())
}

async fn follow(story: &Story, code: &str) -> anyhow::Result<()> {
    step(6, "A new penalty arrives; the grade follows by the feed 动态更新");
    let record = json!({ "records": [{
        "uscc": code, "item": "administrative-penalty", "sourceId": format!("demo-new-{code}"), "occurredOn": story.today.to_string(),
        "severity": 2, "amount": "3000.00", "fields": { "documentNumber": "演示罚字〔2026〕99号" },
    }] });
    let started = std::time::Instant::now();
    let answer = story.of("transport-data").post("/credit/v1/records:submit", record).await?;
    let position = answer["position"].as_str().unwrap_or_default();
    let path = format!("/grading/v1/subjects/{code}/grades?minPosition={position}");
    let grades = story.of("transport-grading").get(&path).await?;
    let grade = grades["grades"].as_array().into_iter().flatten().find(|grade| grade["scheme"] == SCHEME);
    let grade = grade.context("the subject has a grade")?;
    line(format!(
        "{} at position {position}: grade {} score {}, {} ms after it was sent",
        answer["outcomes"][0]["status"],
        grade["grade"],
        grade["score"],
        started.elapsed().as_millis()
    ));
    Ok(())
}

async fn draw(story: &Story) -> anyhow::Result<String> {
    step(7, "A random inspection that anybody can recompute 双随机、一公开");
    let who = "transport-grading";
    let item = json!({ "name": "道路运输经营行为检查（演示）", "department": "transport", "domain": "D09",
        "legalBasis": "中华人民共和国道路运输条例", "skills": ["road-transport"] });
    story.of(who).put("/sampling/v1/inspectionItems/road-transport-operation", item).await?;
    for number in 1..=8 {
        let inspector = json!({ "department": "transport", "region": "640300", "skills": ["road-transport"],
            "availableFrom": "2026-01-01", "availableUntil": "2026-12-31" });
        story.of(who).put(&format!("/sampling/v1/inspectors/inspector-{number:02}"), inspector).await?;
    }
    let plan = json!({
        "planId": "transport-2026-q1", "title": "2026年一季度道路运输企业双随机抽查（演示）", "departments": ["transport"],
        "scheme": SCHEME, "region": "640300", "industries": ["G"], "inspectionItems": ["road-transport-operation"],
        "period": { "from": "2026-03-02", "to": "2026-06-30" }, "inspectorsPerVisit": 2,
        "quotas": [ { "grade": "A", "percent": 2, "atLeast": 1 }, { "grade": "B", "percent": 5, "atLeast": 1 },
                    { "grade": "C", "percent": 15, "atLeast": 1 }, { "grade": "D", "percent": 30, "atLeast": 1 } ],
    });
    story.once(who, Method::POST, "/sampling/v1/plans", "plan", plan).await?;
    let commit = json!({ "entropySource": "six dice, thrown in public after the commitment was published" });
    let committed = story
        .once(who, Method::POST, "/sampling/v1/plans/transport-2026-q1:commit", "commit", commit)
        .await?;
    let draw = committed["drawId"].as_str().context("a draw has an id")?.to_owned();
    line(format!(
        "committed: {} subjects, roster {}",
        committed["rosterSize"],
        short(&committed["rosterDigest"])
    ));
    line(format!("commitment to the secret {}", short(&committed["commitment"])));
    let reveal = json!({ "entropy": "dice 3 5 2 6 1 4" });
    let revealed =
        story.once(who, Method::POST, &format!("/sampling/v1/draws/{draw}:reveal"), "reveal", reveal).await?;
    let selected = revealed["selected"].as_array().map_or(0, Vec::len);
    line(format!("revealed with \"dice 3 5 2 6 1 4\": seed {}, {selected} drawn", short(&revealed["seed"])));
    let bundle = story.office.try_get(&format!("/sampling/v1/draws/{draw}/bundle")).await?.body;
    line(verdict(&bundle)?);
    let tampered = String::from_utf8_lossy(&bundle).replacen("dice 3", "dice 4", 1);
    line(format!("the same bundle with one die changed: {}", verdict(tampered.as_bytes())?));
    Ok(draw)
}

fn verdict(bundle: &[u8]) -> anyhow::Result<String> {
    let bundle = draw::Bundle::from_json(bundle).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    Ok(match draw::verify(&bundle) {
        Ok(_) => String::from("verified: commitment, seed, every ticket and the order recomputed"),
        Err(discrepancies) => {
            let first =
                discrepancies.first().map(|one| format!("{}: {}", one.path, one.en)).unwrap_or_default();
            format!("NOT verified, {} discrepancies: {first}", discrepancies.len())
        }
    })
}

fn short(digest: &Value) -> String {
    let text = digest.as_str().unwrap_or_default();
    format!("{}…", text.chars().take(16).collect::<String>())
}

async fn visit(story: &Story, draw: &str) -> anyhow::Result<()> {
    step(8, "The first visit's result is recorded, published, and flows back 结果归集");
    let who = "transport-grading";
    let visits = story.of(who).get(&format!("/sampling/v1/draws/{draw}/visits?pageSize=1000")).await?;
    let first = visits["visits"].get(0).context("the draw has visits")?;
    let (id, code) =
        (first["visitId"].as_str().unwrap_or_default(), first["uscc"].as_str().unwrap_or_default());
    line(format!("visit to {code} by {}", first["inspectors"]));
    let before = score(story, code).await?;
    let result = json!({ "inspectedOn": story.today.to_string(), "findings": [
        { "inspectionItem": "road-transport-operation", "resultCode": "R08", "text": "演示：发现问题待后续处理" } ] });
    story
        .once(who, Method::POST, &format!("/sampling/v1/visits/{id}:record"), "visit-record", result)
        .await?;
    story
        .once(who, Method::POST, &format!("/sampling/v1/visits/{id}:publish"), "visit-publish", json!({}))
        .await?;
    let public = Client::new(base_of(story)).get(&format!("/sampling/v1/public/results?uscc={code}")).await?;
    line(format!(
        "published: {} result(s) for anybody to read",
        public["results"].as_array().map_or(0, Vec::len)
    ));
    let after = until(|| async { Ok(Some(score(story, code).await?).filter(|now| *now != before)) }).await?;
    match after {
        Some(after) => line(format!("its grade moved from {before} to {after}")),
        None => line(format!("its grade is {before} (the result was counted before)")),
    }
    Ok(())
}

fn base_of(story: &Story) -> String {
    story.office.base().to_owned()
}

async fn score(story: &Story, code: &str) -> anyhow::Result<String> {
    let grades = story.of("transport-grading").get(&format!("/grading/v1/subjects/{code}/grades")).await?;
    let grade =
        grades["grades"].as_array().into_iter().flatten().find(|grade| grade["scheme"] == SCHEME).cloned();
    let grade = grade.unwrap_or_default();
    Ok(format!("{} ({})", grade["grade"].as_str().unwrap_or("none"), grade["score"]))
}

// Asks until there is an answer, at most five seconds.
async fn until<T, F: Future<Output = anyhow::Result<Option<T>>>>(
    ask: impl Fn() -> F,
) -> anyhow::Result<Option<T>> {
    for _ in 0..200 {
        if let Some(answer) = ask().await? {
            return Ok(Some(answer));
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    Ok(None)
}

async fn list(story: &Story, code: &str) -> anyhow::Result<()> {
    step(9, "A case, from proposal to listing, with its guards 失信惩戒");
    let office = "office";
    let measure = json!({ "name": "纳入重点监管范围（演示）", "group": "管理措施", "legalBasis": "全国失信惩戒措施基础清单（演示条目）" });
    story.of(office).put("/discipline/v1/measures/key-supervision", measure).await?;
    let list = json!({ "name": "道路运输严重失信主体名单（演示）", "kind": "PUNITIVE", "legalBasis": "演示用名单，依据仅为演示",
        "decidedBy": ["transport"], "publicationMonths": 36, "repairAfterMonths": 12, "defenceWorkingDays": 5,
        "measures": ["key-supervision"] });
    story.of(office).put(&format!("/discipline/v1/lists/{LIST}"), list).await?;
    let open = json!({ "listId": LIST, "uscc": code, "facts": "演示：多次严重违法运输", "evidence": [format!("demo-new-{code}")] });
    let case = story.once("transport-case", Method::POST, "/discipline/v1/cases", "case", open).await?;
    let id = case["caseId"].as_str().context("a case has an id")?;
    let before = check(story, code).await?;
    line(format!("proposed by transport-case on {code}; the check answers {before}"));
    let path = |step: &str| format!("/discipline/v1/cases/{id}:{step}");
    let paper =
        |on: &str, number: &str, text: &str| json!({ "on": on, "documentNumber": number, "text": text });
    let notice =
        paper("2026-02-13", "演示告字〔2026〕1号", "拟列入名单的事实、依据、后果、救济途径和移出条件");
    story.once("transport-case", Method::POST, &path("notify"), "notify", notice).await?;
    line("notice served on 2026-02-13, five working days for the defence, Spring Festival between");
    let mut early = paper("2026-02-20", "演示决字〔2026〕1号", "决定");
    early["outcome"] = json!("LIST");
    let refused = story.of("transport-chief").try_call(Method::POST, &path("decide"), &early).await?;
    if refused.status.is_client_error() {
        line(format!(
            "a decision on 2026-02-20: {} {}",
            refused.status.as_u16(),
            refused.json()["error"]["message"]
        ));
    }
    let today = story.today.to_string();
    let mut decision = paper(&today, "演示决字〔2026〕1号", "列入名单三十六个月");
    decision["outcome"] = json!("LIST");
    story.once("transport-chief", Method::POST, &path("decide"), "decide", decision).await?;
    story
        .once(
            "transport-case",
            Method::POST,
            &path("serve"),
            "serve",
            paper(&today, "演示送字〔2026〕1号", "直接送达"),
        )
        .await?;
    let published = story
        .once(
            "transport-case",
            Method::POST,
            &path("publish"),
            "publish-case",
            paper(&today, "演示公字〔2026〕1号", "公示"),
        )
        .await?;
    line(format!(
        "decided by transport-chief on {today}, served, published until {}",
        published["listing"]["until"]
    ));
    line(format!("the check answers {}", check(story, code).await?));
    let vetoed =
        until(|| async { Ok(Some(score(story, code).await?).filter(|now| now.starts_with('D'))) }).await?;
    line(format!(
        "the listing has flowed back: grade {}",
        vetoed.context("the listing did not reach the grade")?
    ));
    show_explanation(story, code).await
}

async fn check(story: &Story, code: &str) -> anyhow::Result<String> {
    let body = json!({ "uscc": [code], "purpose": "招标投标资格审查" });
    let answer = story.of("transport-case").post("/discipline/v1/subjects:check", body).await?;
    let result = &answer["results"][0];
    let names = |key: &str, field: &str| -> Vec<String> {
        result[key]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|entry| entry[field].as_str().map(str::to_owned))
            .collect()
    };
    Ok(match names("listings", "name").as_slice() {
        [] => String::from("no listing"),
        listings => format!("{} with {}", listings.join("、"), names("measures", "name").join("、")),
    })
}

async fn report(story: &Story) -> anyhow::Result<()> {
    step(10, "Coverage of the 22 domains 重点领域覆盖");
    let from = story.today.saturating_sub(90.days()).to_string();
    let summary = json!({ "domain": "D09", "from": from, "to": story.today.to_string() });
    story.once("office", Method::POST, "/reporting/v1/summaries", "summary", summary).await?;
    let coverage = story.office.get(&format!("/reporting/v1/coverage?asOf={}", story.today)).await?;
    let domains = coverage["domains"].as_array().cloned().unwrap_or_default();
    anyhow::ensure!(domains.len() == city::domains().count(), "coverage names {} domains", domains.len());
    for domain in &domains {
        let scheme = domain["scheme"].as_str().filter(|scheme| !scheme.is_empty()).unwrap_or("—");
        line(format!(
            "{} {:<16} measures {:<5} graded {:>5} drawn {:>4} summary {}",
            domain["domain"].as_str().unwrap_or_default(),
            scheme,
            domain["measures"].to_string(),
            domain["graded"].to_string(),
            domain["drawn"].to_string(),
            domain["summarized"]
        ));
    }
    Ok(())
}

fn farewell(base: &str, story: &Story, secrets: &[(String, String)]) {
    step(11, "Go on from here");
    line(format!(
        "{base}/docs lists every call; {base}/openapi.json describes them; gRPC reflection is on the same port"
    ));
    for (id, secret) in secrets {
        line(format!("client {id:<18} secret {secret}"));
    }
    if let Some(token) = story.of("transport-grading").token() {
        line("a token of transport-grading, for one hour:");
        println!("{token}");
        line("for example:");
        println!("curl -H 'Authorization: Bearer {token}' {base}/grading/v1/schemes/{SCHEME}");
    }
}
