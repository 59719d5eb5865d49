//! Files: every encoding, every kind of bad row, nothing taken twice.
use chassis::trial::reason;
use contract::credit::v1 as api;
use tonic::Code;

use crate::world::{MORNING, World, broken, code, subject};

fn counts(response: &api::ImportResponse) -> [i32; 4] {
    let progress = response.progress.unwrap();
    [progress.rows, progress.accepted, progress.duplicates, progress.rejected]
}

fn gb18030(text: &str) -> Vec<u8> {
    encoding_rs::GB18030.encode(text).0.into_owned()
}

fn utf16(text: &str) -> Vec<u8> {
    [0xFF, 0xFE].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
}

fn reason_of(status: &tonic_types::Status) -> String {
    use prost::Message;
    let info = status.details.iter().find(|detail| detail.type_url.ends_with("ErrorInfo")).unwrap();
    tonic_types::pb::ErrorInfo::decode(info.value.as_slice()).unwrap().reason
}

#[tokio::test]
async fn a_file_of_subjects_is_taken_in_whatever_its_encoding() {
    let world = World::open(MORNING).await;
    let who = world.department("market-regulation");
    let english = format!(
        "uscc,name,region_code,industry_text,registered_date,capital\n{},\"虚构甲，（有限）公司\",622123,卖货,1990-01-09,95(万)\n",
        code(1)
    );
    let first = world.import(&who, "subjects", "", english.as_bytes()).await;
    assert_eq!(counts(&first), [1, 1, 0, 0]);
    assert_eq!(first.ignored_columns, ["industry_text", "capital"]);
    let chinese = |name: &str, serial: u32, separator: &str| {
        format!(
            "统一社会信用代码,企业名称,行政区划,成立日期,监管领域\r\n{},{name},640323,2001/3/16,D09；D01\r\n",
            code(serial)
        )
        .replace(',', separator)
    };
    let table: [(u32, Vec<u8>); 4] = [
        (2, gb18030(&chinese("虚构乙公司𠮷", 2, ","))),
        (3, utf16(&chinese("虚构乙公司𠮷", 3, "\t"))),
        (4, format!("\u{FEFF}{}", chinese("虚构乙公司𠮷", 4, ";")).into_bytes()),
        (5, chinese("虚构乙公司𠮷", 5, ",").into_bytes()),
    ];
    for (serial, file) in table {
        assert_eq!(counts(&world.import(&who, "subjects", "", &file).await), [1, 1, 0, 0], "{serial}");
        let get = api::GetSubjectRequest { uscc: code(serial), ..Default::default() };
        let kept = world.subjects(&who).get_subject(get).await.unwrap().into_inner();
        assert_eq!((kept.name.as_str(), kept.registered_on.as_str()), ("虚构乙公司𠮷", "2001-03-16"));
        assert_eq!(
            (kept.region.as_str(), kept.domains),
            ("640323", vec![String::from("D01"), String::from("D09")])
        );
        assert_eq!(counts(&world.import(&who, "subjects", "", &file).await), [1, 0, 1, 0], "{serial} again");
    }
}

#[tokio::test]
async fn refused_rows_come_back_with_their_reasons_and_can_be_sent_again() {
    let world = World::open(MORNING).await;
    let who = world.department("market-regulation");
    let file = format!(
        "统一社会信用代码,企业名称,备注\n{},虚构甲公司,\n{},虚构乙公司,错码\n,,\n11010519491231002X,张某,11010519491231002X\n\
         {},虚构,丙,公司\n{},虚构丁\u{FFFD}公司,\n{},虚构戊公司,\n",
        code(1),
        broken(2),
        code(3),
        code(4),
        code(5)
    );
    let done = world.import(&who, "subjects", "", file.as_bytes()).await;
    assert_eq!(counts(&done), [6, 2, 0, 4]);
    let list = world.rejects(&who, &done.import_id).await;
    let rows: Vec<&str> = list.trim_start_matches('\u{FEFF}').lines().collect();
    assert!(list.starts_with('\u{FEFF}') && rows.len() == 5, "{list}");
    assert!(rows[0].ends_with("统一社会信用代码,企业名称,备注"), "{}", rows[0]);
    for (row, parts) in rows[1..].iter().zip([
        ["3,CODE_CHECK_FAILED,uscc", "校验码", ",虚构乙公司,错码"],
        ["5,PERSONAL_IDENTITY_NUMBER,uscc", "公民身份号码", "not stored"],
        ["6,FIELD_INVALID,,", "3列", ",虚构,丙,公司"],
        ["7,FIELD_INVALID,name", "乱码", "公司,"],
    ]) {
        assert!(parts.iter().all(|part| row.contains(part)), "{row}");
    }
    assert!(!list.contains("19491231") && !list.contains("张某"), "nothing is kept of a person's row");
    // It does not change any more, so that a download that broke off goes on.
    let tag = async |format: &str| {
        let request = api::DownloadRejectsRequest { id: done.import_id.clone(), format: format.to_owned() };
        chassis::trial::told(&world.imports(&who).download_rejects(request).await.unwrap()).0
    };
    let tags = [tag("").await, tag("xlsx").await, tag("original").await];
    assert!(tags.iter().all(|tag| tag.len() == 64), "{tags:?}");
    assert_eq!(std::collections::BTreeSet::from(tags.clone()).len(), 3, "each form is a file of its own");
    assert_eq!(tag("").await, tags[0]);
    // The list is a file itself: corrected, it goes in.
    let corrected = list.replace(&broken(2), &code(2));
    let again = world.import(&who, "subjects", "", corrected.as_bytes()).await;
    assert_eq!(counts(&again)[1], 1, "{again:?}");
    let mut other = world.imports(&world.department("health"));
    let refused = other
        .download_rejects(api::DownloadRejectsRequest { id: done.import_id, ..Default::default() })
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
}

#[tokio::test]
async fn records_are_taken_by_the_items_fields() {
    let world = World::open(MORNING).await;
    world.register(1..3).await;
    let who = world.department("market-regulation");
    let file = format!(
        "行政相对人代码_1（统一社会信用代码）,行政处罚决定书文号,处罚决定日期,罚款金额（万元）,处罚类别,法定代表人\n\
         {},虚罚〔2026〕1号,2026年1月5日,1.234500,罚款,某某\n{},虚罚〔2026〕2号,2026/1/6,/,警告,某某\n{},虚罚〔2026〕3号,2026-1-7,,警告,\n\
         {},虚罚〔2026〕4号,昨天,,警告,\n",
        code(1),
        code(2),
        code(9),
        code(1)
    );
    let done = world.import(&who, "records", "administrative-penalty", file.as_bytes()).await;
    assert_eq!(counts(&done), [4, 2, 0, 2]);
    assert!(done.ignored_columns.is_empty());
    let progress = done.progress.unwrap();
    assert_eq!((progress.dropped_personal_columns, progress.dropped_personal_cells), (1, 2));
    let list = world.rejects(&who, &done.import_id).await;
    assert!(list.contains("SUBJECT_UNKNOWN") && list.contains("occurredOn"), "{list}");
    let request = api::ListRecordsRequest { uscc: code(1), ..Default::default() };
    let record = world.records(&who).list_records(request).await.unwrap().into_inner().records.remove(0);
    assert_eq!((record.occurred_on.as_str(), record.amount.as_str()), ("2026-01-05", "12345"));
    assert_eq!(
        (record.source_id.as_str(), record.department.as_str()),
        ("虚罚〔2026〕1号", "market-regulation")
    );
    let expected = crate::world::fields(&[("documentNumber", "虚罚〔2026〕1号"), ("penaltyType", "罚款")]);
    assert_eq!(record.fields, Some(expected));
    assert_eq!(
        counts(&world.import(&who, "records", "administrative-penalty", file.as_bytes()).await),
        [4, 0, 2, 2]
    );
    // Several items in one file.
    let mixed = format!(
        "uscc,item,sourceId,occurredOn,grade,title\n{0},national-evaluation,E-1,2026-01-01,A,\n{0},honour,H-1,2026-01-01,,示范企业\n\
         {0},honour,H-2,2026-01-01,B,\n{0},nothing,N-1,2026-01-01,,\n",
        code(2)
    );
    let done = world.import(&who, "records", "", mixed.as_bytes()).await;
    assert_eq!(counts(&done), [4, 3, 0, 1]);
    assert!(world.rejects(&who, &done.import_id).await.contains("ITEM_UNKNOWN"));
    assert_eq!(world.trial.boot.clock.today().to_string(), "2026-02-13");
}

#[tokio::test]
async fn what_is_no_such_file_is_refused_at_once() {
    let world = World::open(MORNING).await;
    let who = world.department("market-regulation");
    let good = format!("uscc,name\n{},{}\n", code(1), subject(1).name);
    for (kind, item, file, expected) in [
        ("people", "", good.as_bytes(), "FIELD_INVALID"),
        ("", "", good.as_bytes(), "FIELD_INVALID"),
        ("subjects", "honour", good.as_bytes(), "FIELD_INVALID"),
        ("records", "no-such-item", good.as_bytes(), "ITEM_UNKNOWN"),
        ("records", "gas-payment", good.as_bytes(), "AUTHORIZATION_REQUIRED"),
        ("subjects", "", b"", "FILE_UNREADABLE"),
        ("subjects", "", b"PK\x03\x04 a spreadsheet", "FILE_UNREADABLE"),
        ("subjects", "", &[0, 1, 2, 3, 0, 0, 0], "FILE_UNREADABLE"),
    ] {
        let refused = world.send(&who, kind, item, file).await.unwrap_err();
        assert_eq!(reason(&refused), expected, "{kind} {item}");
    }
    let reader = world.trial.token("transport", "credit.read");
    let denied = world.send(&reader, "subjects", "", good.as_bytes()).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let own = world.enterprise(&code(1));
    assert_eq!(
        world.send(&own, "subjects", "", good.as_bytes()).await.unwrap_err().code(),
        Code::PermissionDenied
    );
    let unknown = api::GetOperationRequest { id: String::from("nothing") };
    assert_eq!(world.operations(&who).get_operation(unknown).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_missing_column_ends_the_work_and_names_the_headings() {
    let world = World::open(MORNING).await;
    let who = world.department("market-regulation");
    for (kind, file, missing) in [
        ("subjects", "名称,成立日期\n虚构,2020-01-01\n", "uscc"),
        ("subjects", "统一社会信用代码,日期\n1,2\n", "name"),
        ("records", "uscc,sourceId,occurredOn\n1,2,3\n", "item"),
    ] {
        let operation = world.send(&who, kind, "", file.as_bytes()).await.unwrap();
        let status = world.finish(&who, &operation).await.unwrap_err();
        assert_eq!(reason_of(&status), "COLUMN_MISSING");
        let heading = file.split([',', '\n']).next().unwrap();
        assert!(status.message.contains(missing) && status.message.contains(heading), "{}", status.message);
    }
    let operation = world.send(&who, "subjects", "", b"\n\n").await.unwrap();
    assert_eq!(reason_of(&world.finish(&who, &operation).await.unwrap_err()), "FILE_UNREADABLE");
    let empty = world.import(&who, "subjects", "", b"uscc,name\n").await;
    assert_eq!(counts(&empty), [0, 0, 0, 0]);
}

#[tokio::test]
async fn what_was_issued_though_its_check_fails_is_taken_where_the_import_says_so() {
    let world = World::open(MORNING).await;
    let who = world.department("market-regulation");
    let file = format!("uscc,name\n{},虚构旧码公司\n", broken(1));
    let part = api::CreateImportRequest {
        kind: String::from("subjects"),
        accept_nonconforming: true,
        file: Some(contract::google::api::HttpBody { data: file.into_bytes(), ..Default::default() }),
        ..Default::default()
    };
    let sent = world.imports(&who).create_import(futures::stream::iter([part])).await.unwrap().into_inner();
    let done = world.finish(&who, &sent).await.unwrap();
    assert_eq!(counts(&done), [1, 1, 0, 0]);
}
