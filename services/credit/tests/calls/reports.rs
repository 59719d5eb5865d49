//! Credit reports: issued, had again, checked by anyone.
use contract::credit::v1::{
    self as api, profile::Audience, reports_client::ReportsClient, subject::CodeStatus,
};
use sha2::{Digest, Sha256};
use tonic::Code;

use crate::world::{MORNING, World, code, fields, penalty, subject};

fn order(serial: u32) -> api::CreateReportRequest {
    api::CreateReportRequest {
        uscc: code(serial),
        purpose: String::from("招标投标审查"),
        ..Default::default()
    }
}

async fn verify(world: &World, number: &str, code: &str) -> api::VerifyReportResponse {
    let request = api::VerifyReportRequest { number: number.to_owned(), code: code.to_owned() };
    ReportsClient::new(world.upstream.clone()).verify_report(request).await.unwrap().into_inner()
}

async fn file(world: &World, who: &chassis::trial::Bearer, report_id: &str) -> Vec<u8> {
    let request = api::DownloadReportRequest { report_id: report_id.to_owned(), ..Default::default() };
    let body = world.reports(who).download_report(request).await.unwrap().into_inner();
    assert_eq!(body.content_type, "application/pdf");
    body.data
}

fn titles(report: &api::Report) -> Vec<(i32, &str, Vec<&str>)> {
    report
        .sections
        .iter()
        .filter(|section| !section.entries.is_empty())
        .map(|section| {
            let names = section.entries.iter().map(|entry| entry.name.as_str()).collect();
            (section.number, section.title.as_str(), names)
        })
        .collect()
}

async fn world() -> World {
    let world = World::open(MORNING).await;
    world.register(1..3).await;
    let who = world.department("transport");
    let evaluation = api::RecordInput {
        item: String::from("national-evaluation"),
        fields: Some(fields(&[("grade", "A")])),
        ..penalty(1, "E-1")
    };
    let listing = api::RecordInput {
        item: String::from("serious-dishonesty-listing"),
        fields: None,
        valid_until: String::from("2026-02-28"),
        ..penalty(1, "L-1")
    };
    world.submit(&who, vec![penalty(1, "P-1"), evaluation, listing]).await;
    world
}

#[tokio::test]
async fn a_report_is_issued_and_stays_what_it_was() {
    let world = world().await;
    let who = world.department("transport");
    let report = world.reports(&who).create_report(order(1)).await.unwrap().into_inner();
    assert_eq!((report.audience(), report.department.as_str()), (Audience::Department, "transport"));
    assert_eq!((report.uscc.as_str(), report.purpose.as_str()), (code(1).as_str(), "招标投标审查"));
    assert!(report.number.starts_with("XH-20260213-"), "{}", report.number);
    assert_eq!(report.sections.len(), 10);
    assert_eq!(
        titles(&report),
        [
            (1, "行政管理", vec!["行政处罚"]),
            (3, "严重失信主体名单", vec!["严重失信主体名单列入"]),
            (6, "信用评价", vec!["公共信用综合评价结果"]),
        ]
    );
    let penalty = &report.sections[0].entries[0];
    assert_eq!(penalty.details[0].value, "罚款");
    assert!(report.sections[8].remarks[0].contains("严重失信主体名单信息1条"));
    let bytes = file(&world, &who, &report.report_id).await;
    assert!(bytes.starts_with(b"%PDF-"));
    assert_eq!(hex::encode(Sha256::digest(&bytes)), report.digest);
    // What changes afterwards does not reach what was handed out.
    world.trial.boot.clock.set("2026-02-14T01:00:00Z".parse().unwrap());
    let withdrawal = api::WithdrawRecordRequest {
        record: penalty.record.as_ref().unwrap().record.clone(),
        reason: String::from("复议撤销"),
        ..Default::default()
    };
    world.records(&who).withdraw_record(withdrawal).await.unwrap();
    let request = api::GetReportRequest { report_id: report.report_id.clone(), ..Default::default() };
    assert_eq!(world.reports(&who).get_report(request).await.unwrap().into_inner(), report);
    assert_eq!(file(&world, &who, &report.report_id).await, bytes);
}

#[tokio::test]
async fn anyone_checks_it_by_number_and_code() {
    let world = world().await;
    let who = world.department("transport");
    let report = world.reports(&who).create_report(order(1)).await.unwrap().into_inner();
    let typed = format!(" {}-{} ", &report.check_code[..4].to_lowercase(), &report.check_code[4..]);
    let told = verify(&world, &report.number.to_lowercase(), &typed).await;
    assert!(told.genuine && told.current, "{told:?}");
    assert_eq!((&told.digest, &told.issued_at), (&report.digest, &report.issued_at));
    assert_eq!((told.subject_name.as_str(), &told.uscc), ("虚构示例第1号有限公司", &report.uscc));
    assert_eq!(told.audience(), Audience::Department);
    // A wrong code and a number never issued are answered alike.
    let nothing = api::VerifyReportResponse::default();
    let wrong = if report.check_code == "00000000" { "00000001" } else { "00000000" };
    assert_eq!(verify(&world, &report.number, wrong).await, nothing);
    assert_eq!(verify(&world, "XH-20260213-00000000", &report.check_code).await, nothing);
    let empty = api::VerifyReportRequest { number: report.number.clone(), code: String::new() };
    let refused = ReportsClient::new(world.upstream.clone()).verify_report(empty).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_report_is_current_until_what_it_shows_changes() {
    let world = world().await;
    let who = world.department("transport");
    let issue = async || world.reports(&who).create_report(order(1)).await.unwrap().into_inner();
    let current = async |report: &api::Report| {
        let told = verify(&world, &report.number, &report.check_code).await;
        assert!(told.genuine);
        told.current
    };
    let first = issue().await;
    world.submit(&who, vec![penalty(2, "P-2")]).await;
    world.submit(&who, vec![penalty(1, "P-1")]).await;
    assert!(current(&first).await, "another subject's record and one sent again change nothing");
    world.submit(&who, vec![penalty(1, "P-3")]).await;
    assert!(!current(&first).await, "a new record");
    let second = issue().await;
    assert!(current(&second).await);
    let correction = api::CorrectRecordRequest {
        record: second.sections[0].entries[0].record.as_ref().unwrap().record.clone(),
        amount: Some(String::from("9000")),
        reason: String::from("金额录入错误"),
        ..Default::default()
    };
    world.records(&who).correct_record(correction).await.unwrap();
    assert!(!current(&second).await, "a correction");
    let third = issue().await;
    let renamed = api::SubjectInput { name: String::from("虚构更名有限公司"), ..subject(1) };
    let request = api::BatchUpsertSubjectsRequest { subjects: vec![renamed], ..Default::default() };
    world.subjects(&who).batch_upsert_subjects(request).await.unwrap();
    assert!(!current(&third).await, "a name");
    let fourth = issue().await;
    world.trial.boot.clock.set("2026-02-28T15:59:00Z".parse().unwrap());
    assert!(current(&fourth).await, "the listing's last day");
    world.trial.boot.clock.set("2026-02-28T16:00:00Z".parse().unwrap());
    assert!(!current(&fourth).await, "a listing that has ended");
}

#[tokio::test]
async fn it_is_for_those_for_whom_it_was_issued() {
    let world = world().await;
    let (who, office) = (world.department("transport"), world.office());
    let (own, stranger) = (world.enterprise(&code(1)), world.enterprise(&code(2)));
    let of_department = world.reports(&who).create_report(order(1)).await.unwrap().into_inner();
    let of_subject = world.reports(&own).create_report(order(1)).await.unwrap().into_inner();
    assert_eq!((of_subject.audience(), of_subject.purpose.as_str()), (Audience::Subject, ""));
    let denied = world.reports(&stranger).create_report(order(1)).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let get = async |bearer: &chassis::trial::Bearer, report: &api::Report| {
        let request = api::GetReportRequest { report_id: report.report_id.clone(), ..Default::default() };
        let given = world.reports(bearer).get_report(request.clone()).await.map(|_| ());
        let request = api::DownloadReportRequest { report_id: request.report_id, ..Default::default() };
        let file = world.reports(bearer).download_report(request).await.map(|_| ());
        assert_eq!(given.is_ok(), file.is_ok());
        given.map_err(|status| status.code())
    };
    assert_eq!(get(&own, &of_subject).await, Ok(()));
    assert_eq!(get(&office, &of_department).await, Ok(()));
    for (bearer, report) in [
        (&own, &of_department),
        (&stranger, &of_subject),
        (&world.department("taxation"), &of_department),
        (&who, &of_subject),
    ] {
        assert_eq!(get(bearer, report).await, Err(Code::NotFound));
    }
    let request = api::ListAccessesRequest { uscc: code(1), ..Default::default() };
    let log = world.accesses(&own).list_accesses(request).await.unwrap().into_inner().accesses;
    let lines: Vec<(&str, &str, &str)> =
        log.iter().map(|line| (line.what.as_str(), line.by.as_str(), line.purpose.as_str())).collect();
    let again = format!("report:{}", of_department.number);
    let seen = (again.as_str(), "office", "招标投标审查");
    assert_eq!(lines, [seen, seen, ("report", "transport-client", "招标投标审查")]);
}

#[tokio::test]
async fn an_order_is_judged_and_done_once() {
    let world = world().await;
    let who = world.department("transport");
    let unknown = world.reports(&who).create_report(order(9)).await.unwrap_err();
    assert_eq!(
        (unknown.code(), chassis::trial::reason(&unknown)),
        (Code::NotFound, String::from("SUBJECT_UNKNOWN"))
    );
    let bare = world.trial.token_of(chassis::access::Claims {
        department: String::from("transport"),
        scope: String::from("credit.read"),
        ..world.trial.claims()
    });
    let aimless = api::CreateReportRequest { purpose: String::new(), ..order(1) };
    let refused = world.reports(&bare).create_report(aimless).await.unwrap_err();
    assert_eq!(chassis::trial::reason(&refused), "PURPOSE_REQUIRED");
    let once = api::CreateReportRequest { request_id: String::from("r-1"), ..order(1) };
    let first = world.reports(&who).create_report(once.clone()).await.unwrap().into_inner();
    assert_eq!(world.reports(&who).create_report(once).await.unwrap().into_inner(), first);
    let request = api::GetReportRequest { report_id: String::from("none"), ..Default::default() };
    assert_eq!(world.reports(&who).get_report(request).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_rare_character_is_told_and_a_common_one_is_not() {
    let world = World::open(MORNING).await;
    let who = world.department("market-regulation");
    let rows = [(1, "虚构堃喆商贸有限公司"), (2, "虚构𠮷祥商贸有限公司")];
    let rows = rows.map(|(serial, name)| api::SubjectInput { name: String::from(name), ..subject(serial) });
    let request = api::BatchUpsertSubjectsRequest { subjects: rows.to_vec(), ..Default::default() };
    world.subjects(&who).batch_upsert_subjects(request).await.unwrap();
    for (serial, unprintable) in [(1, vec![]), (2, vec![String::from("U+20BB7")])] {
        let report = world.reports(&who).create_report(order(serial)).await.unwrap().into_inner();
        assert_eq!(report.unprintable, unprintable);
        assert_eq!(report.subject.unwrap().code_status(), CodeStatus::Conforming);
    }
}

#[tokio::test]
async fn a_long_report_tells_marks_and_classes() {
    let world = World::open(MORNING).await;
    let rare = api::SubjectInput {
        name: String::from("虚构𠮷祥堃喆（红寺堡区）现代农业综合开发有限责任公司"),
        ..subject(1)
    };
    let request = api::BatchUpsertSubjectsRequest { subjects: vec![rare], ..Default::default() };
    world.subjects(&world.department("market-regulation")).batch_upsert_subjects(request).await.unwrap();
    let who = world.department("transport");
    let long = "经查，当事人于检查当日未按照规定的线路、站点和时间运营，且未随车携带有关证件，违反《道路运输条例》的有关规定；".repeat(6);
    let mut rows: Vec<api::RecordInput> = (1..=40)
        .map(|n| api::RecordInput {
            severity: n % 4,
            occurred_on: format!("2026-01-{:02}", n % 28 + 1),
            fields: Some(fields(&[
                ("documentNumber", &format!("吴示交罚〔2026〕{n}号")),
                ("penaltyType", if n % 3 == 0 { "罚款;没收违法所得" } else { "罚款" }),
                ("facts", if n % 10 == 0 { &long } else { "未按规定线路运营" }),
                ("violation", "https://example.invalid/a/very/long/path/that/no/line/of/a/narrow/cell/holds/whole?query=1234567890"),
            ])),
            ..penalty(1, &format!("P-{n}"))
        })
        .collect();
    for (item, given) in [
        ("honour", vec![("title", "虚构诚信示范企业")]),
        ("abnormal-operations-listing", vec![("reason", "通过登记的住所无法联系")]),
        ("credit-commitment", vec![("commitmentType", "告知承诺"), ("performance", "已履行")]),
        ("national-evaluation", vec![("grade", "B"), ("period", "2025")]),
        ("court-judgment", vec![("caseNumber", "（2026）虚构民初1号")]),
        ("contract-performance", vec![("result", "已履行")]),
    ] {
        let number = format!("X-{item}");
        rows.push(api::RecordInput {
            item: item.to_owned(),
            severity: 0,
            fields: Some(fields(&given)),
            ..penalty(1, &number)
        });
    }
    let answer = world.submit(&who, rows).await;
    assert!(answer.outcomes.iter().all(|outcome| outcome.error.is_none()), "{answer:?}");
    let filed = api::CreateObjectionRequest {
        record: answer.outcomes[39].record.clone(),
        reason: String::from("处罚决定已被复议撤销"),
        ..Default::default()
    };
    world.objections(&who).create_objection(filed).await.unwrap();
    let report = world.reports(&who).create_report(order(1)).await.unwrap().into_inner();
    assert_eq!(report.sections[0].entries.len(), 40);
    let of: Vec<(i32, usize)> = report
        .sections
        .iter()
        .filter(|section| !section.entries.is_empty())
        .map(|section| (section.number, section.entries.len()))
        .collect();
    assert_eq!(of, [(1, 40), (2, 1), (4, 1), (5, 1), (6, 1), (7, 1), (8, 1)]);
    assert_eq!(report.unprintable, ["U+20BB7"]);
    let classes: std::collections::BTreeSet<&str> = report.sections[0]
        .entries
        .iter()
        .flat_map(|entry| &entry.details)
        .filter(|detail| detail.name == "严重程度")
        .map(|detail| detail.value.as_str())
        .collect();
    assert_eq!(classes, ["一般", "严重", "轻微"].into());
    let marked: Vec<&api::ReportEntry> = report.sections[0]
        .entries
        .iter()
        .filter(|entry| !entry.record.as_ref().unwrap().marks.is_empty())
        .collect();
    assert_eq!(marked.len(), 1);
    let bytes = file(&world, &who, &report.report_id).await;
    // Forty entries and their typeface.
    assert!(bytes.len() > 50_000, "{}", bytes.len());
}
