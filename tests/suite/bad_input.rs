//! Every input's wrong form gets a clear answer: the field or the date, in English and in Chinese; never a 500, never half done.
use std::process::Command;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use suites::{process::Suite, world};
use xinheng::client::{Client, Reply};

struct Wrong {
    what: &'static str,
    method: Method,
    path: String,
    media_type: &'static str,
    body: Bytes,
    status: u16,
    reason: &'static str,
    // What the message or a violation must name.
    names: &'static str,
}

fn wrong(
    what: &'static str,
    path: &str,
    body: impl ToString,
    status: u16,
    reason: &'static str,
    names: &'static str,
) -> Wrong {
    Wrong {
        what,
        method: Method::POST,
        path: path.to_owned(),
        media_type: "application/json",
        body: body.to_string().into(),
        status,
        reason,
        names,
    }
}

const UPSERT: &str = "/credit/v1/subjects:batchUpsert";
const SUBMIT: &str = "/credit/v1/records:submit";

fn cases() -> Vec<Wrong> {
    let subject = world::subjects(1..2)["subjects"][0].clone();
    let with = |key: &str, value: Value| {
        let mut row = subject.clone();
        row[key] = value;
        json!({ "subjects": [row] })
    };
    let scheme = |change: &dyn Fn(&mut Value)| {
        let mut scheme = world::scheme("bad", "PUBLIC");
        change(&mut scheme);
        scheme
    };
    let get = |what, path: &str, status, reason, names| Wrong {
        method: Method::GET,
        ..wrong(what, path, "", status, reason, names)
    };
    vec![
        wrong("no JSON", UPSERT, "{\"subjects\": [", 400, "BODY_MALFORMED", "14"),
        wrong("an unknown field", UPSERT, with("nmae", json!("x")), 400, "FIELD_INVALID", "subjects[0].nmae"),
        wrong("a wrong type", UPSERT, with("name", json!(7)), 400, "FIELD_INVALID", "subjects[0].name"),
        wrong("a list for an object", UPSERT, "[]", 400, "BODY_MALFORMED", ""),
        wrong("nothing at all", UPSERT, "{}", 400, "FIELD_INVALID", "subjects"),
        wrong(
            "a number for money",
            SUBMIT,
            json!({ "records": [{ "amount": 3 }] }),
            400,
            "FIELD_INVALID",
            "records[0].amount",
        ),
        wrong(
            "too much at once",
            SUBMIT,
            json!({ "records": vec![json!({}); 5_001] }),
            400,
            "FIELD_INVALID",
            "5000",
        ),
        wrong(
            "too large",
            UPSERT,
            format!("\"{}\"", "x".repeat(9 * 1024 * 1024)),
            413,
            "BODY_TOO_LARGE",
            "8",
        ),
        Wrong {
            media_type: "text/xml",
            ..wrong("XML", UPSERT, "<a/>", 415, "MEDIA_TYPE_UNSUPPORTED", "application/json")
        },
        get("an unknown route", "/credit/v1/nothing", 404, "ROUTE_UNKNOWN", ""),
        get("a wrong method", UPSERT, 405, "METHOD_NOT_ALLOWED", "POST"),
        get("an unknown parameter", "/credit/v1/subjects?regoin=640300", 400, "FIELD_INVALID", "regoin"),
        get("a region that is none", "/credit/v1/subjects?region=64x", 400, "FIELD_INVALID", "region"),
        get("an unknown subject", &format!("/credit/v1/subjects/{}", world::code(999)), 404, "", ""),
        get("a spoiled code", "/credit/v1/subjects/91640399MA00000", 400, "CODE_LENGTH", ""),
        get("an unknown scheme", "/grading/v1/schemes/none", 404, "", "none"),
        wrong(
            "a run of an unknown scheme",
            "/grading/v1/runs",
            json!({ "scheme": "none", "asOf": "2026-03-02" }),
            404,
            "",
            "none",
        ),
        wrong(
            "a day that is none",
            "/grading/v1/runs",
            json!({ "scheme": "none", "asOf": "2026-02-30" }),
            400,
            "FIELD_INVALID",
            "asOf",
        ),
        wrong(
            "an unknown domain",
            "/grading/v1/schemes",
            scheme(&|one| one["domain"] = json!("D23")),
            400,
            "",
            "domain",
        ),
        wrong(
            "a filter that does not parse",
            "/grading/v1/schemes",
            scheme(&|one| one["model"]["indicators"][0]["filter"] = json!("severity >= ")),
            400,
            "",
            "model.indicators[0].filter",
        ),
        wrong(
            "a filter of the wrong type",
            "/grading/v1/schemes",
            scheme(&|one| one["model"]["indicators"][0]["filter"] = json!("severity == \"high\"")),
            400,
            "",
            "model.indicators[0].filter",
        ),
        wrong(
            "five decimal places",
            "/grading/v1/schemes",
            scheme(&|one| one["model"]["indicators"][0]["pointsPerUnit"] = json!(0.123_45)),
            400,
            "",
            "model.indicators[0].pointsPerUnit",
        ),
        wrong(
            "a superior rule without evidence",
            "/grading/v1/schemes",
            scheme(&|one| one["superiorRule"] = json!({ "title": "上级制度" })),
            400,
            "",
            "superiorRule",
        ),
        wrong(
            "a reveal without a commit",
            "/sampling/v1/draws/none:reveal",
            json!({ "entropy": "x" }),
            404,
            "",
            "none",
        ),
        wrong(
            "a commit of no plan",
            "/sampling/v1/plans/none:commit",
            json!({ "entropySource": "x" }),
            404,
            "",
            "none",
        ),
        wrong(
            "a step of no case",
            "/discipline/v1/cases/none:notify",
            json!({ "on": "2026-03-02" }),
            404,
            "",
            "none",
        ),
        wrong(
            "a listing on no list",
            "/discipline/v1/cases",
            json!({ "listId": "none", "uscc": world::code(1), "evidence": ["e"], "facts": "f" }),
            404,
            "",
            "none",
        ),
        wrong(
            "an effect case that lacks elements",
            "/reporting/v1/effectCases",
            json!({ "domain": "D09", "place": "利通区" }),
            400,
            "FIELD_INVALID",
            "happenedOn",
        ),
        get(
            "a feed from nowhere",
            "/credit/v1/changes:watch?cursor=abc&untilCaughtUp=true",
            400,
            "CURSOR_INVALID",
            "abc",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn gets_a_clear_answer_in_both_languages() {
    let folder = tempfile::tempdir().unwrap();
    let suite = Suite::up(&folder.path().join("data"), &["--clock-start", "2026-03-02T09:00:00+08:00"]).await;
    let office = suite.office().await;
    office.post(UPSERT, world::subjects(1..4)).await.unwrap();
    let mut faults = Vec::new();
    for case in cases() {
        for (client, chinese) in [(office.clone(), false), (office.in_chinese(), true)] {
            let reply = client
                .send(case.method.clone(), &case.path, case.media_type, case.body.clone(), &[])
                .await
                .unwrap();
            faults.extend(judge(&case, &reply, chinese));
        }
    }
    codes_of_each_refused_kind(&office).await;
    tokens(&suite, &office).await;
    // Nothing of it was done.
    let subjects = office.get("/credit/v1/subjects").await.unwrap();
    assert_eq!(subjects["subjects"].as_array().unwrap().len(), 3);
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

fn judge(case: &Wrong, reply: &Reply, chinese: bool) -> Option<String> {
    let body = reply.json();
    let error = &body["error"];
    let message = error["message"].as_str().unwrap_or_default();
    let held = reply.status.as_u16() == case.status
        && error["code"] == case.status
        && (case.reason.is_empty() || reply.reason() == case.reason)
        && !reply.reason().is_empty()
        && reply.text().contains(case.names)
        && !message.is_empty()
        && message.chars().any(|one| ('\u{4e00}'..'\u{9fff}').contains(&one)) == chinese
        && !["SELECT", "sqlx", "panicked", ".rs:"].iter().any(|leak| reply.text().contains(leak));
    (!held).then(|| {
        format!(
            "{} (chinese: {chinese}): {} {}",
            case.what,
            reply.status,
            reply.text().chars().take(700).collect::<String>()
        )
    })
}

// Each row is refused with its own reason; the good one beside them is taken.
async fn codes_of_each_refused_kind(office: &Client) {
    let kinds = [
        ("CODE_LENGTH", "91640399MA0000"),
        ("CODE_CHARACTER", "91640399MAI000001X"),
        ("CODE_CHECK_FAILED", "91640399MA00000019"),
        ("CODE_MASKED", "9164**********001X"),
        ("CODE_ROUNDED", "9.16404E+17"),
        ("LEGACY_REGISTRATION_NUMBER", "640300000000015"),
        // A number of the standard's own example, nobody's.
        ("PERSONAL_IDENTITY_NUMBER", "11010519491231002X"),
    ];
    let mut rows = world::subjects(1..2);
    for (_, code) in kinds {
        let mut row = rows["subjects"][0].clone();
        row["uscc"] = json!(code);
        rows["subjects"].as_array_mut().unwrap().push(row);
    }
    let answer = office.post(UPSERT, rows).await.unwrap();
    assert_eq!(answer["outcomes"][0]["status"], "DUPLICATE");
    for (index, (reason, _)) in kinds.iter().enumerate() {
        let outcome = &answer["outcomes"][index + 1];
        assert_eq!(
            (outcome["status"].as_str(), outcome["error"]["reason"].as_str()),
            (Some("REJECTED"), Some(*reason)),
            "{outcome}"
        );
    }
    assert!(!answer.to_string().contains("19491231"), "a personal number is not repeated");
}

async fn tokens(suite: &Suite, office: &Client) {
    let anybody = Client::new(&suite.base);
    let none = anybody.try_get("/credit/v1/subjects").await.unwrap();
    assert_eq!((none.status, none.reason()), (StatusCode::UNAUTHORIZED, String::from("TOKEN_INVALID")));
    assert!(none.headers.contains_key("www-authenticate"));
    for forged in ["nonsense", "a.b.c", &tampered(office.token().unwrap())] {
        let reply = anybody.with_token(Some(forged.to_owned())).try_get("/credit/v1/subjects").await.unwrap();
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{forged}");
    }
    let body = json!({ "clientId": "reader", "displayName": "reader", "department": "transport", "scopes": ["credit.read"] });
    let reader = office.post("/identity/v1/clients", body.clone()).await.unwrap();
    let reader = anybody.sign_in("reader", reader["clientSecret"].as_str().unwrap()).await.unwrap();
    let little = reader.try_call(Method::POST, UPSERT, &world::subjects(1..2)).await.unwrap();
    assert_eq!((little.status, little.reason()), (StatusCode::FORBIDDEN, String::from("SCOPE_MISSING")));
    let profile = format!("/credit/v1/subjects/{}/profile", world::code(1));
    let aimless = reader.try_get(&profile).await.unwrap();
    assert_eq!((aimless.status.as_u16(), aimless.reason()), (400, String::from("PURPOSE_REQUIRED")));
    assert_eq!(reader.try_get(&format!("{profile}?purpose=x")).await.unwrap().status, StatusCode::OK);
    assert!(anybody.sign_in("reader", "wrong").await.is_err());
    assert!(anybody.sign_in("nobody", "wrong").await.is_err());
    let unknown = json!({ "clientId": "x", "displayName": "x", "department": "transport", "scopes": ["credit.everything"] });
    assert_eq!(
        office.try_call(Method::POST, "/identity/v1/clients", &unknown).await.unwrap().status,
        StatusCode::BAD_REQUEST
    );
    let mut wrong = world::subjects(77..78);
    wrong["subjects"][0]["name"] = json!("");
    assert_eq!(office.post(UPSERT, wrong).await.unwrap()["outcomes"][0]["status"], "REJECTED");
}

fn tampered(token: &str) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let middle = parts[1].len() / 2;
    let replaced = if parts[1].as_bytes()[middle] == b'A' { "B" } else { "A" };
    parts[1].replace_range(middle..=middle, replaced);
    parts.join(".")
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_settings_are_told_all_at_once() {
    let run = |flags: &[&str], name: &str, value: &str| {
        let output = Command::new(suites::process::binary())
            .arg("config")
            .args(flags)
            .env(name, value)
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (held, told) = run(&[], "XINHENG_LISSTEN", "127.0.0.1:1");
    assert!(!held && told.contains("lissten"), "{told}");
    let (held, told) = run(&["--clock-start", "yesterday"], "XINHENG_LOG", "info");
    assert!(!held && told.contains("yesterday"), "{told}");
    let (held, told) = run(&["--listen", "nowhere"], "XINHENG_LOG", "info");
    assert!(!held && told.contains("listen"), "{told}");
    assert!(run(&[], "XINHENG_LISTEN", "127.0.0.1:1").0);
}
