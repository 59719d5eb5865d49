//! Files that follow a template, judged before they are taken, taken, and taken back.
use chassis::trial::reason;
use contract::credit::v1 as api;
use prost::Message;
use tonic::Code;

use crate::world::{MORNING, World, code};

fn counts(done: &api::ImportResponse) -> [i32; 4] {
    let progress = done.progress.unwrap();
    [progress.rows, progress.accepted, progress.duplicates, progress.rejected]
}

fn records(validate_only: bool) -> api::CreateImportRequest {
    api::CreateImportRequest { kind: String::from("records"), validate_only, ..Default::default() }
}

const PENALTIES_2016: &str = "行政处罚决定书文号,处罚名称,处罚类别1,处罚类别2,处罚事由,处罚依据,行政相对人名称,\
    行政相对人代码_1 (统一社会信用代码),行政相对人代码_2 (组织机构代码),行政相对人代码_3 (工商登记码),行政相对人代码_4 (税务登记号),\
    行政相对人代码_5 (居民身份证号),法定代表人姓名,处罚结果,处罚决定日期,处罚机关,当前状态,地方编码,数据更新时间戳,备注";
const PENALTIES_2019: &str = "CF_XDR_MC,CF_XDR_LB,CF_XDR_SHXYM,CF_XDR_GSZC,CF_XDR_ZZJG,CF_XDR_SWDJ,CF_XDR_SYDW,CF_XDR_SHZZ,CF_FRDB,CF_FR_ZJLX,CF_FR_ZJHM,\
    CF_XDR_ZJLX,CF_XDR_ZJHM,CF_WSH,CF_WFXW,CF_SY,CF_YJ,CF_CFLB,CF_NR,CF_NR_FK,CF_NR_WFFF,CF_NR_ZKDX,CF_JDRQ,CF_YXQ,CF_GSJZQ,CF_CFJG,CF_CFJGDM,CF_SJLY,CF_SJLYDM,BZ";
const LICENCES_2019: &str = "行政相对人名称,行政相对人代码_1（统一社会信用代码）,行政相对人代码_2（工商注册号）,法定代表人,法定代表人身份证号,证件类型,证件号码,\
    行政许可决定文书名称,行政许可决定文书号,许可类别,许可证书名称,许可编号,许可内容,许可决定日期,有效期自,有效期至,许可机关,当前状态,数据来源单位,备注";
const LICENCES_2016: &str = "行政许可决定书文号,项目名称,审批类别,许可内容,行政相对人名称,行政相对人代码＿1,行政相对人代码＿2,法定代表人姓名,许可决定日期,许可截止期,许可机关,当前状态,地方编码";

#[tokio::test]
async fn both_generations_of_the_dual_publicity_are_taken() {
    let world = World::open(MORNING).await;
    world.register(1..5).await;
    let who = world.department("market-regulation");
    let rows = [
        (
            PENALTIES_2016,
            format!(
                "虚罚〔2016〕1号,无照经营,罚款,,擅自经营,某条,虚构甲公司,{},123456789,,,,王某某,罚款五千元,2016/5/6,某局,0,640399,2016/5/7,",
                code(1)
            ),
            "penalty-2016",
            "administrative-penalty",
            ("虚罚〔2016〕1号", "2016-05-06", ""),
            ("facts", "擅自经营"),
        ),
        (
            PENALTIES_2019,
            format!(
                "虚构乙公司,法人及非法人组织,{},640399100000009,,,,,王某某,身份证,11010519491231002X,,,虚罚〔2019〕2号,无照,擅自经营,某条,罚款,罚款,1.200000,0.500000,,1557072000000,2099-12-31,2022/5/6,某局,,某局,,",
                code(2)
            ),
            "penalty-2019",
            "administrative-penalty",
            ("虚罚〔2019〕2号", "2019-05-06", "12000"),
            ("confiscatedAmount", "5000"),
        ),
        (
            LICENCES_2019,
            format!(
                "虚构丙公司,{},640399100000009,王某某,,,,准予许可,,普通,食品经营许可证,JY164039900,食品销售,2019年5月6日,2019-05-06,2024-05-05,某局,1,某局,",
                code(3)
            ),
            "licence-2019",
            "administrative-licence",
            ("JY164039900", "2019-05-06", ""),
            ("licenceCategory", "普通"),
        ),
        (
            LICENCES_2016,
            format!(
                "虚许〔2016〕4号,某项目,核准,某内容,虚构丁公司,{},123456789,王某某,2016-5-6,长期,某局,0,640399",
                code(4)
            ),
            "licence-2016",
            "administrative-licence",
            ("虚许〔2016〕4号", "2016-05-06", ""),
            ("documentName", "某项目"),
        ),
    ];
    for (head, row, template, item, (number, day, amount), (key, text)) in rows {
        let file = format!("某市数据\n{}\n{row}\n", head.replace("    ", ""));
        let done = world.import_with(&who, file.as_bytes(), records(false)).await.unwrap();
        assert_eq!(counts(&done), [1, 1, 0, 0], "{template}: {}", world.rejects(&who, &done.import_id).await);
        let reading = done.reading.unwrap();
        assert_eq!(
            (reading.template.as_str(), reading.item.as_str(), reading.headings_line),
            (template, item, 2)
        );
        let uscc = row.split(',').find(|cell| cell.starts_with("91640399M")).unwrap().to_owned();
        let list = api::ListRecordsRequest { uscc, ..Default::default() };
        let record = world.records(&who).list_records(list).await.unwrap().into_inner().records.remove(0);
        assert_eq!(
            (record.source_id.as_str(), record.occurred_on.as_str(), record.amount.as_str()),
            (number, day, amount),
            "{template}"
        );
        let said = record.fields.unwrap().fields.remove(key).and_then(|value| value.kind);
        assert_eq!(said, Some(prost_types::value::Kind::StringValue(text.to_owned())), "{template} {key}");
        assert_eq!(
            counts(&world.import_with(&who, file.as_bytes(), records(false)).await.unwrap()),
            [1, 0, 1, 0]
        );
    }
}

#[tokio::test]
async fn lists_of_every_kind_are_taken() {
    let world = World::open(MORNING).await;
    world.register(1..3).await;
    let who = world.department("market-regulation");
    for (template, expected, file) in [
        (
            "abnormal-operations",
            [2, 2, 0, 0],
            format!(
                "列入日期,列入经营异常名录原因,统一社会信用代码,企业名称,作出决定机关(列入)\n2024-1-2,未按期年报,{0},甲,某局\n2025-1-2,未按期年报,{0},甲,某局\n",
                code(1)
            ),
        ),
        (
            "serious-violation-list",
            [1, 1, 0, 0],
            format!(
                "严重违法失信企业名单id,列入日期,列入严重违法失信企业名单原因,移出日期,统一社会信用代码\nY1,2024-1-2,某原因,,{}\n",
                code(1)
            ),
        ),
        (
            "a-taxpayer",
            [2, 1, 0, 1],
            format!(
                "编号\t纳税人识别号,纳税人名称,信用级别,评价年度,税务机关\n1,{0},甲,A,2018,某局\n2,{0},甲,D,2017,某局\n",
                code(1)
            ),
        ),
        (
            "environmental-evaluation",
            [1, 1, 0, 0],
            format!(
                "主体名称,统一社会信用代码,评价等级,发布时间,评价批次,评价分值\n甲,{},B,2024-1-2,2024-1,88.5\n",
                code(2)
            ),
        ),
        (
            "inspection-results",
            [1, 1, 0, 0],
            format!(
                "检查结果状态,统一代码/注册号,企业名称,任务编号,任务名称,检查日期,检查结果,检查人员,检查部门\n已公示,{},甲,R1,某任务,2024-1-2,未发现问题,王某某,某局\n",
                code(2)
            ),
        ),
        (
            "major-tax-violation",
            [1, 1, 0, 0],
            format!(
                "纳税人识别号,纳税人名称,主要违法事实,案件性质,录入时间\n{},甲,虚开,虚开发票,2024-1-2\n",
                code(2)
            ),
        ),
        (
            "penalty-natural-person",
            [1, 0, 0, 1],
            String::from(
                "行政相对人名称,证件类型,证件号码,行政处罚决定书文号,违法事实,处罚决定日期\n李某某,身份证,11010519491231002X,虚1号,某事,2024-1-2\n",
            ),
        ),
    ] {
        let done = world.import_with(&who, file.as_bytes(), records(false)).await.unwrap();
        let list = world.rejects(&who, &done.import_id).await;
        assert_eq!(done.reading.as_ref().unwrap().template, template);
        assert_eq!(counts(&done), expected, "{template}: {list}");
        assert!(!list.contains("李某某"));
        let again = world.import_with(&who, file.as_bytes(), records(false)).await.unwrap();
        assert_eq!(counts(&again)[1..3], [0, expected[1]], "{template}");
    }
    // A published table of penalties has no column for the day: the request says it.
    let name = crate::world::subject(1).name;
    let file = format!(
        "序号,当事人名称,主要违法违规行为,行政处罚内容,作出决定机关\n1,{name}及相关责任人,违规放贷,罚款一万元,某局\n"
    );
    let refused = world.import_with(&who, file.as_bytes(), records(false)).await.unwrap_err();
    assert!(refused.message.contains("occurredOn"), "{}", refused.message);
    let dated = api::CreateImportRequest { occurred_on: String::from("2026-01-05"), ..records(false) };
    let done = world.import_with(&who, file.as_bytes(), dated).await.unwrap();
    assert_eq!((counts(&done), done.reading.unwrap().template.as_str()), ([1, 1, 0, 0], "penalty-nfra"));
}

#[tokio::test]
async fn a_file_is_judged_whole_and_nothing_is_written() {
    let world = World::open(MORNING).await;
    world.register(1..2).await;
    let who = world.department("market-regulation");
    let before = world.changes(&world.office(), "").await.len();
    let head = PENALTIES_2019.replace("    ", "");
    let row = |code: &str, number: &str| {
        format!(
            "甲,法人及非法人组织,{code},,,,,,王某某,,,,,{number},某,某,某,罚款,某,1,,,2026-01-05,,,某局,,,,\n"
        )
    };
    let mut file = format!("{head}\n{}{}", row(&code(1), "虚1号"), row(&code(9), "虚2号"));
    // The same row again, in another batch.
    (0..2_100).for_each(|at| file += &row(&code(1), &format!("虚{}号", 10 + at)));
    file += &row(&code(1), "虚1号");
    let done = world.import_with(&who, file.as_bytes(), records(true)).await.unwrap();
    assert!(done.validate_only);
    assert_eq!(counts(&done), [2_103, 2_101, 1, 1]);
    let reading = done.reading.unwrap();
    assert_eq!(
        (reading.format.as_str(), reading.encoding.as_str(), reading.delimiter.as_str()),
        ("csv", "UTF-8", ",")
    );
    assert_eq!((reading.template.as_str(), reading.personal_columns.len()), ("penalty-2019", 5));
    let fine = reading.mapping.iter().find(|column| column.heading == "CF_NR_FK").unwrap();
    assert_eq!((fine.column, fine.targets.as_slice()), (20, &[String::from("amountWan")][..]));
    assert!(reading.mapping.iter().all(|column| !column.reason.is_empty()));
    let first = &done.samples[0];
    assert_eq!(
        (first.line, first.values["amount"].as_str(), first.values["sourceId"].as_str()),
        (2, "10000", "虚1号")
    );
    assert_eq!(done.samples[1].outcome.as_ref().unwrap().error.as_ref().unwrap().reason, "SUBJECT_UNKNOWN");
    assert!(done.samples.iter().all(|sample| sample.values.values().all(|text| !text.contains("王某某"))));
    assert_eq!(world.changes(&world.office(), "").await.len(), before);
    let list = api::ListRecordsRequest { uscc: code(1), ..Default::default() };
    assert!(world.records(&who).list_records(list).await.unwrap().into_inner().records.is_empty());
    let taken = world.import_with(&who, file.as_bytes(), records(false)).await.unwrap();
    assert_eq!(counts(&taken), [2_103, 2_101, 1, 1]);
}

#[tokio::test]
async fn a_whole_import_is_taken_back_but_what_was_changed_since() {
    let world = World::open(MORNING).await;
    world.register(1..4).await;
    let who = world.department("market-regulation");
    let file: String = (0..2_500).map(|at| format!("{},虚{at}号,2026-01-05\n", code(1 + at % 3))).collect();
    let file = format!("uscc,sourceId,occurredOn\n{file}");
    let done = world.import(&who, "records", "honour", file.as_bytes()).await;
    assert_eq!(counts(&done), [2_500, 2_500, 0, 0]);
    // Sent again, nothing is of the second import.
    let again = world.import(&who, "records", "honour", file.as_bytes()).await;
    let list = api::ListRecordsRequest { uscc: code(1), page_size: 1_000, ..Default::default() };
    let records = world.records(&who).list_records(list.clone()).await.unwrap().into_inner().records;
    let correct = api::CorrectRecordRequest {
        record: records[0].record.clone(),
        reason: String::from("笔误"),
        occurred_on: Some(String::from("2026-01-06")),
        ..Default::default()
    };
    world.records(&who).correct_record(correct).await.unwrap();
    let ask = |id: &str, reason: &str| api::WithdrawImportRequest {
        id: id.to_owned(),
        reason: reason.to_owned(),
        request_id: String::new(),
    };
    let other = world.department("health");
    let foreign = world.imports(&other).withdraw_import(ask(&done.import_id, "错")).await.unwrap_err();
    assert_eq!(foreign.code(), Code::NotFound);
    let reader = world.trial.token("market-regulation", "credit.read");
    let denied = world.imports(&reader).withdraw_import(ask(&done.import_id, "错")).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let unreasoned = world.imports(&who).withdraw_import(ask(&done.import_id, "")).await.unwrap_err();
    assert_eq!(unreasoned.code(), Code::InvalidArgument);
    let nothing = world.imports(&who).withdraw_import(ask(&again.import_id, "错")).await.unwrap_err();
    assert_eq!(
        (nothing.code(), reason(&nothing).as_str()),
        (Code::FailedPrecondition, "IMPORT_NOT_WITHDRAWABLE")
    );

    let cursor = world.changes(&world.office(), "").await.last().unwrap().position.clone();
    for expected in [[2_500, 2_499, 1], [2_500, 0, 2_500]] {
        let started = world.imports(&who).withdraw_import(ask(&done.import_id, "错发文件")).await.unwrap();
        let any = world.response(&who, &started.into_inner()).await.unwrap();
        let ended = api::WithdrawImportResponse::decode(any.value.as_slice()).unwrap();
        assert_eq!([ended.records, ended.withdrawn, ended.left], expected);
    }
    let changes = world.changes(&world.office(), &cursor).await;
    assert_eq!(changes.len(), 2_499);
    assert!(changes.iter().all(|change| change.kind() == api::change::Kind::RecordWithdrawn
        && change.record.as_ref().unwrap().version == 2));
    let left = world.records(&who).list_records(list).await.unwrap().into_inner().records;
    assert_eq!((left.len(), left[0].occurred_on.as_str()), (1, "2026-01-06"));
    // The right file may follow the wrong one.
    let right = file.replace("2026-01-05", "2026-01-07");
    let done = world.import(&who, "records", "honour", right.as_bytes()).await;
    assert_eq!(counts(&done), [2_500, 2_499, 0, 1]);
    assert_eq!(world.reasons(&who, &done.import_id).await, ["SOURCE_ID_REUSED"]);
}
