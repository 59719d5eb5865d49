//! Records and subjects as files.
use std::io::Cursor;

use calamine::{Reader, Xlsx, open_workbook_from_rs};
use chassis::trial::{Bearer, reason};
use contract::credit::v1 as api;
use tonic::{Code, Status};

use crate::world::{MORNING, World, code, fields, penalty, subject};

async fn records(
    world: &World,
    who: &Bearer,
    request: api::ExportRecordsRequest,
) -> Result<(String, Vec<u8>), Status> {
    let response = world.exports(who).export_records(request).await?;
    let name = response.metadata().get("content-disposition").unwrap().to_str().unwrap().to_owned();
    let (mut stream, mut bytes) = (response.into_inner(), Vec::new());
    while let Some(part) = stream.message().await? {
        bytes.extend(part.data);
    }
    Ok((name, bytes))
}

async fn subjects(
    world: &World,
    who: &Bearer,
    request: api::ExportSubjectsRequest,
) -> Result<Vec<u8>, Status> {
    let mut stream = world.exports(who).export_subjects(request).await?.into_inner();
    let mut bytes = Vec::new();
    while let Some(part) = stream.message().await? {
        bytes.extend(part.data);
    }
    Ok(bytes)
}

fn rows(csv: &[u8]) -> Vec<Vec<String>> {
    let text = std::str::from_utf8(csv).unwrap().strip_prefix('\u{FEFF}').unwrap();
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

fn of_item(item: &str) -> api::ExportRecordsRequest {
    api::ExportRecordsRequest { item: item.to_owned(), ..Default::default() }
}

async fn world() -> World {
    let world = World::open(MORNING).await;
    let elsewhere = api::SubjectInput { region: String::from("640302"), ..subject(3) };
    let request = api::BatchUpsertSubjectsRequest {
        subjects: vec![subject(1), subject(2), elsewhere],
        ..Default::default()
    };
    let who = world.department("market-regulation");
    world.subjects(&who).batch_upsert_subjects(request).await.unwrap();
    let who = world.department("transport");
    let formula = api::RecordInput {
        fields: Some(fields(&[("penaltyType", "罚款"), ("content", "=1+1")])),
        ..penalty(1, "P-1")
    };
    let shared = api::RecordInput {
        item: String::from("contract-performance"),
        fields: Some(fields(&[("result", "已履行")])),
        ..penalty(2, "C-1")
    };
    let ended = api::RecordInput { valid_until: String::from("2026-02-12"), ..penalty(2, "P-2") };
    let old = api::RecordInput { occurred_on: String::from("2024-05-06"), ..penalty(3, "P-3") };
    let answer = world.submit(&who, vec![formula, shared, ended, old, penalty(1, "P-4")]).await;
    assert!(answer.outcomes.iter().all(|outcome| outcome.error.is_none()), "{answer:?}");
    let withdrawal = api::WithdrawRecordRequest {
        record: answer.outcomes[4].record.clone(),
        reason: String::from("误报"),
        ..Default::default()
    };
    world.records(&who).withdraw_record(withdrawal).await.unwrap();
    world
}

#[tokio::test]
async fn records_come_as_csv_and_the_subjects_read_who_took_them() {
    let world = world().await;
    let who = world.department("health");
    let (name, bytes) = records(&world, &who, of_item("administrative-penalty")).await.unwrap();
    assert!(name.contains("records-20260213.csv"), "{name}");
    let rows = rows(&bytes);
    assert_eq!(&rows[0][..4], ["记录编号", "统一社会信用代码", "主体名称", "行政区划"]);
    assert!(rows[0].contains(&String::from("处罚类别")), "an item's fields have columns: {:?}", rows[0]);
    let found: Vec<(&str, &str)> = rows[1..].iter().map(|row| (row[1].as_str(), row[7].as_str())).collect();
    let mut whole = [(code(1), "P-1"), (code(3), "P-3")];
    whole.sort();
    let whole: Vec<(&str, &str)> = whole.iter().map(|(code, number)| (code.as_str(), *number)).collect();
    assert_eq!(found, whole, "neither withdrawn nor ended");
    let content = rows[0].iter().position(|heading| heading == "处罚内容").unwrap();
    let guarded = rows.iter().find(|row| row[7] == "P-1").unwrap();
    assert_eq!(
        (guarded[content].as_str(), guarded[10].as_str(), guarded[6].as_str()),
        ("'=1+1", "10000.50", "交通运输局")
    );
    let looks = api::ListAccessesRequest { uscc: code(1), ..Default::default() };
    let own = world.enterprise(&code(1));
    let looks = world.accesses(&own).list_accesses(looks).await.unwrap().into_inner().accesses;
    assert_eq!(looks.len(), 1);
    let look = (looks[0].what.as_str(), looks[0].department.as_str(), looks[0].purpose.as_str());
    assert_eq!(look, ("export:administrative-penalty", "health", "test"));
}

#[tokio::test]
async fn filters_and_formats_are_kept() {
    let world = world().await;
    let who = world.department("health");
    let count = async |request: api::ExportRecordsRequest| {
        rows(&records(&world, &who, request).await.unwrap().1).len() - 1
    };
    assert_eq!(count(of_item("")).await, 3);
    assert_eq!(count(api::ExportRecordsRequest { region: String::from("640302"), ..of_item("") }).await, 1);
    assert_eq!(count(api::ExportRecordsRequest { region: String::from("6403"), ..of_item("") }).await, 3);
    assert_eq!(count(api::ExportRecordsRequest { from: String::from("2026-01-15"), ..of_item("") }).await, 2);
    assert_eq!(count(api::ExportRecordsRequest { to: String::from("2026-01-14"), ..of_item("") }).await, 1);
    let lines = api::ExportRecordsRequest { format: String::from("ndjson"), ..of_item("") };
    let (name, lines) = records(&world, &who, lines).await.unwrap();
    assert!(name.contains(".ndjson"));
    let lines: Vec<serde_json::Value> =
        String::from_utf8(lines).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    let first = lines.iter().find(|line| line["sourceId"] == "P-1").unwrap();
    assert_eq!((&first["fields"]["content"], &first["amount"]), (&"=1+1".into(), &"10000.50".into()));
    let book = api::ExportRecordsRequest { format: String::from("xlsx"), ..of_item("") };
    let (_, bytes) = records(&world, &who, book).await.unwrap();
    let mut book: Xlsx<_> = open_workbook_from_rs(Cursor::new(bytes)).unwrap();
    let sheet = book.worksheet_range("信用信息").unwrap();
    assert_eq!(sheet.height(), 4);
    // A code is a text, whatever it looks like.
    assert!(
        sheet.rows().skip(1).all(|row| matches!(&row[1], calamine::Data::String(text) if text.len() == 18))
    );
    let subjects_in = async |request: api::ExportSubjectsRequest| {
        rows(&subjects(&world, &who, request).await.unwrap()).len() - 1
    };
    assert_eq!(subjects_in(api::ExportSubjectsRequest::default()).await, 3);
    let region = String::from("640302");
    assert_eq!(subjects_in(api::ExportSubjectsRequest { region, ..Default::default() }).await, 1);
    let industry = String::from("A");
    assert_eq!(subjects_in(api::ExportSubjectsRequest { industry, ..Default::default() }).await, 0);
    for format in ["xlsx", "ndjson"] {
        let request = api::ExportSubjectsRequest { format: format.to_owned(), ..Default::default() };
        assert!(!subjects(&world, &who, request).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn wrong_exports_are_told_and_others_denied() {
    let world = world().await;
    let who = world.department("health");
    for (request, said) in [
        (api::ExportRecordsRequest { region: String::from("Wuzhong"), ..of_item("") }, "region"),
        (api::ExportRecordsRequest { from: String::from("2026-02-30"), ..of_item("") }, "from"),
        (
            api::ExportRecordsRequest {
                from: String::from("2026-02-02"),
                to: String::from("2026-02-01"),
                ..of_item("")
            },
            "to",
        ),
        (api::ExportRecordsRequest { format: String::from("pdf"), ..of_item("") }, "format"),
    ] {
        let refused = records(&world, &who, request).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "FIELD_INVALID"));
        assert!(refused.message().contains(said), "{said}: {}", refused.message());
    }
    let unknown = records(&world, &who, of_item("nothing")).await.unwrap_err();
    assert_eq!((unknown.code(), reason(&unknown).as_str()), (Code::NotFound, "ITEM_UNKNOWN"));
    for bearer in [&who, &world.office()] {
        let withheld = records(&world, bearer, of_item("water-payment")).await.unwrap_err();
        assert_eq!(
            (withheld.code(), reason(&withheld).as_str()),
            (Code::PermissionDenied, "AUTHORIZATION_REQUIRED")
        );
    }
    let own = world.enterprise(&code(1));
    assert_eq!(records(&world, &own, of_item("")).await.unwrap_err().code(), Code::PermissionDenied);
    let all = api::ExportSubjectsRequest::default();
    assert_eq!(subjects(&world, &own, all).await.unwrap_err().code(), Code::PermissionDenied);
    let bare = world.trial.token_of(chassis::access::Claims {
        department: String::from("health"),
        scope: String::from("credit.read"),
        ..world.trial.claims()
    });
    assert_eq!(reason(&records(&world, &bare, of_item("")).await.unwrap_err()), "PURPOSE_REQUIRED");
    let writer = world.trial.token("health", "credit.write");
    assert_eq!(records(&world, &writer, of_item("")).await.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn an_export_shows_one_view_whatever_is_written_meanwhile() {
    let world = World::open(MORNING).await;
    world.register(1..3).await;
    let who = world.department("transport");
    let many = |from: u32| (from..from + 4_000).map(|n| penalty(1 + n % 2, &format!("P-{n}"))).collect();
    world.submit(&who, many(0)).await;
    let response = world.exports(&who).export_records(of_item("")).await.unwrap();
    let mut stream = response.into_inner();
    let mut bytes = stream.message().await.unwrap().unwrap().data;
    // The headings are through: the view stands since its first page at the latest once the second message comes.
    bytes.extend(stream.message().await.unwrap().unwrap().data);
    world.submit(&who, many(4_000)).await;
    while let Some(part) = stream.message().await.unwrap() {
        bytes.extend(part.data);
    }
    assert_eq!(rows(&bytes).len(), 4_001);
    let (_, bytes) = records(&world, &who, of_item("")).await.unwrap();
    let rows = rows(&bytes);
    assert_eq!(rows.len(), 8_001);
    let mut numbers: Vec<&String> = rows[1..].iter().map(|row| &row[0]).collect();
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), 8_000);
    // Each subject's log has one line an export, however many pages its records fill.
    let looks = api::ListAccessesRequest { uscc: code(2), ..Default::default() };
    let own = world.enterprise(&code(2));
    let looks = world.accesses(&own).list_accesses(looks).await.unwrap().into_inner().accesses;
    assert_eq!(looks.len(), 2);
}
