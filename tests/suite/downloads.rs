//! Downloads that break off: with what was there of a file and its tag a client goes on in the middle, gets the whole where the file is
//! another by then, and nothing where it has it already. Through the real binary, by connections that are cut.
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use suites::{process::Suite, world};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use xinheng::client::{Client, Reply};

const CUT_AT: usize = 100_000;

fn header<'a>(reply: &'a Reply, name: &str) -> &'a str {
    reply.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

async fn ask(client: &Client, path: &str, headers: &[(&str, &str)]) -> Reply {
    client.send(Method::GET, path, "", Bytes::new(), headers).await.unwrap()
}

// The tag of a file and its first bytes, at least so many; then the connection is cut.
async fn broken_off(client: &Client, path: &str, least: usize) -> (String, Vec<u8>) {
    let host = client.base().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let token = client.token().unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let (mut seen, mut piece) = (Vec::new(), vec![0; 16 * 1024]);
    let end = loop {
        let count = stream.read(&mut piece).await.unwrap();
        assert!(count > 0, "{path}: ended after {} bytes", seen.len());
        seen.extend_from_slice(&piece[..count]);
        let end = seen.windows(4).position(|four| four == b"\r\n\r\n").map(|place| place + 4);
        if let Some(end) = end.filter(|end| seen.len() >= end + least) {
            break end;
        }
    };
    let head = String::from_utf8(seen[..end].to_vec()).unwrap().to_lowercase();
    assert!(head.starts_with("http/1.1 200 "), "{path}: {head}");
    let tag =
        head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap_or_else(|| panic!("{path}: {head}"));
    if head.contains("transfer-encoding: chunked") {
        // The sizes between the pieces are no bytes of the file.
        return (tag.to_owned(), unchunked(&seen[end..]));
    }
    (tag.to_owned(), seen[end..].to_vec())
}

fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(line) = bytes.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..line]).unwrap(), 16).unwrap();
        bytes = &bytes[line + 2..];
        whole.extend_from_slice(&bytes[..size.min(bytes.len())]);
        bytes = bytes.get(size + 2..).unwrap_or_default();
    }
    whole
}

async fn goes_on(client: &Client, path: &str, large: bool) {
    let whole = ask(client, path, &[]).await;
    assert_eq!(
        (whole.status, header(&whole, "accept-ranges")),
        (StatusCode::OK, "bytes"),
        "{path}: {}",
        whole.status
    );
    // More than is held whole by the gateway: it streams.
    assert!(!large || whole.body.len() > 512 * 1024, "{path}: {} bytes", whole.body.len());
    let least = if large { CUT_AT } else { whole.body.len() / 2 };
    let (tag, begun) = broken_off(client, path, least).await;
    assert!(whole.body.starts_with(&begun) && (!large || begun.len() < whole.body.len()), "{path}");
    let from = begun.len().min(whole.body.len() - 1);
    let range = format!("bytes={from}-");
    let rest = ask(client, path, &[("range", &range), ("if-range", &tag)]).await;
    assert_eq!(rest.status, StatusCode::PARTIAL_CONTENT, "{path}");
    assert_eq!(
        header(&rest, "content-range"),
        format!("bytes {from}-{}/{}", whole.body.len() - 1, whole.body.len())
    );
    assert!([&begun[..from], &rest.body].concat() == whole.body, "{path}: the parts are the file");
    assert_eq!(header(&rest, "etag"), tag);
    let another = ask(client, path, &[("range", &range), ("if-range", "\"another\"")]).await;
    assert!(another.status == StatusCode::OK && another.body == whole.body, "{path}: the whole");
    let known = ask(client, path, &[("if-none-match", &tag)]).await;
    assert_eq!((known.status, known.body.len()), (StatusCode::NOT_MODIFIED, 0), "{path}");
}

async fn sent(client: &Client, path: &str, media_type: &str, body: Vec<u8>) -> Value {
    let reply = client.send(Method::POST, path, media_type, body.into(), &[]).await.unwrap();
    assert!(reply.status.is_success(), "{path}: {}", reply.text());
    reply.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_goes_on_in_its_middle_and_never_in_another_file() {
    let folder = tempfile::tempdir().unwrap();
    let suite = Suite::up(folder.path(), &[]).await;
    let office = suite.office().await;

    // What an import refused 拒收清单, as CSV and as a workbook.
    let mut csv = String::from("统一社会信用代码,企业名称\n");
    for row in 0..30_000 {
        csv.push_str(&format!("91640399MA{row:06},虚构第{row}有限公司\n"));
    }
    let import = office.import("kind=subjects", csv.into(), |_| {}).await.unwrap();
    let id = import["response"]["importId"].as_str().unwrap();
    assert_eq!(import["response"]["progress"]["rejected"], json!(30000), "{import}");
    goes_on(&office, &format!("/credit/v1/imports/{id}/rejects"), true).await;
    goes_on(&office, &format!("/credit/v1/imports/{id}/rejects?format=xlsx"), true).await;

    // A list for the national evaluation, and a credit report.
    office.post("/credit/v1/subjects:batchUpsert", world::subjects(1..3)).await.unwrap();
    let list = json!({ "domain": "D09", "uscc": [world::code(1), world::code(2)] });
    let list = office.post("/credit/v1/evaluationLists", list).await.unwrap();
    let id = list["evaluationListId"].as_str().unwrap();
    goes_on(&office, &format!("/credit/v1/evaluationLists/{id}:export"), false).await;
    let report = json!({ "uscc": world::code(1), "purpose": "check" });
    let report = office.post("/credit/v1/reports", report).await.unwrap();
    let id = report["reportId"].as_str().unwrap();
    goes_on(&office, &format!("/credit/v1/reports/{id}:download?purpose=check"), false).await;

    // An attachment 附件.
    let plan = json!({ "year": 2026, "department": "transport", "tasks": [{ "title": "虚构任务", "dueOn": "2026-12-31" }] });
    let plan = office.post("/reporting/v1/workPlans", plan).await.unwrap();
    let parent = format!("workPlans/{}", plan["workPlanId"].as_str().unwrap());
    let pdf: Vec<u8> = [
        b"%PDF-1.7\n".to_vec(),
        (0..1_300_000_u32).map(|byte| (byte % 251) as u8).collect(),
        b"\n%%EOF".to_vec(),
    ]
    .concat();
    let path = format!("/reporting/v1/attachments?parent={parent}&name=plan.pdf&role=EVIDENCE");
    let kept = sent(&office, &path, "application/pdf", pdf).await;
    let id = kept["attachmentId"].as_str().unwrap();
    goes_on(&office, &format!("/reporting/v1/attachments/{id}:download?purpose=check"), true).await;

    // A register, which changes: what is there of it is of no use then.
    let item = |name: &str| json!({ "name": name, "department": "transport", "domain": "D09", "legalBasis": "道路运输条例" });
    office.put("/sampling/v1/inspectionItems/road", item("道路运输检查")).await.unwrap();
    let path = "/sampling/v1/registers/inspectionItems:export?purpose=check&department=transport";
    goes_on(&office, path, false).await;
    let (tag, begun) = broken_off(&office, path, 40).await;
    office.put("/sampling/v1/inspectionItems/road", item("道路运输经营检查")).await.unwrap();
    let range = format!("bytes={}-", begun.len() / 2);
    let changed = ask(&office, path, &[("range", &range), ("if-range", &tag)]).await;
    assert_eq!(changed.status, StatusCode::OK, "another file by now");
    assert!(
        changed.text().contains("道路运输经营检查") && header(&changed, "etag") != tag,
        "{}",
        changed.text()
    );
    assert_eq!(ask(&office, path, &[("if-none-match", &tag)]).await.status, StatusCode::OK);

    // An export shows what there is at its moment: each is another file, and says that none goes on.
    let export = ask(&office, "/credit/v1/subjects:export?purpose=check", &[("range", "bytes=1-")]).await;
    assert!([StatusCode::OK, StatusCode::PARTIAL_CONTENT].contains(&export.status), "{}", export.status);
}
