//! What departments' files really hold: each quirk that was seen, with the outcome that it must have.
use contract::credit::v1 as api;
use identifiers::Uscc;

use crate::world::{MORNING, World, broken, code};

fn gb18030(text: &str) -> Vec<u8> {
    encoding_rs::GB18030.encode(text).0.into_owned()
}

fn counts(done: &api::ImportResponse) -> [i32; 4] {
    let progress = done.progress.unwrap();
    [progress.rows, progress.accepted, progress.duplicates, progress.rejected]
}

struct Case {
    quirk: &'static str,
    file: Vec<u8>,
    // Rows, accepted, duplicates, refused.
    counts: [i32; 4],
    reasons: &'static [&'static str],
    // What is then registered under the first code, where it matters.
    name: &'static str,
}

fn case(
    quirk: &'static str,
    file: impl Into<Vec<u8>>,
    counts: [i32; 4],
    reasons: &'static [&'static str],
) -> Case {
    Case { quirk, file: file.into(), counts, reasons, name: "" }
}

fn named(quirk: &'static str, name: &'static str) -> Case {
    Case { name, ..case(quirk, format!("uscc,name\n{},\"{name}\"\n", code(1)), [1, 1, 0, 0], &[]) }
}

async fn judged(upstream_of: &World, cases: Vec<Case>) {
    let who = upstream_of.department("market-regulation");
    for Case { quirk, file, counts: expected, reasons, name } in cases {
        let done = upstream_of.import(&who, "subjects", "", &file).await;
        assert_eq!(counts(&done), expected, "{quirk}");
        assert_eq!(upstream_of.reasons(&who, &done.import_id).await, reasons, "{quirk}");
        if !name.is_empty() {
            let get = api::GetSubjectRequest { uscc: code(1), ..Default::default() };
            let kept = upstream_of.subjects(&who).get_subject(get).await.unwrap().into_inner().name;
            assert_eq!(kept, name, "{quirk}");
        }
    }
}

#[tokio::test]
async fn encodings_and_separators() {
    let world = World::open(MORNING).await;
    let (a, b) = (code(2), code(3));
    let nul = format!("uscc,name\n{a},虚构\0甲公司\n").into_bytes();
    judged(
        &world,
        vec![
            case(
                "GB18030",
                gb18030(&format!("统一社会信用代码,企业名称\r\n{a},虚构甲公司\r\n")),
                [1, 1, 0, 0],
                &[],
            ),
            case(
                "a BOM on the first heading",
                format!("\u{FEFF}uscc,name\n{b},虚构乙公司\n"),
                [1, 1, 0, 0],
                &[],
            ),
            case(
                "cells that are mojibake already",
                format!("uscc,name\n{a},虚\u{FFFD}\u{FFFD}公司\n{b},虚构乙二公司\n"),
                [2, 1, 0, 1],
                &["FIELD_INVALID"],
            ),
            named("characters of the private use area", "虚构李禧记\u{E002}\u{E009}食品有限公司"),
            named("characters beyond the basic plane", "虚构𠮷田有限公司"),
            Case {
                name: "虚构䶮龦𬱖有限公司",
                ..case(
                    "rare characters in GB18030",
                    gb18030(&format!("uscc,name\n{},虚构䶮龦𬱖有限公司\n", code(1))),
                    [1, 1, 0, 0],
                    &[],
                )
            },
            case("NUL bytes inside a name", nul, [1, 0, 0, 1], &["FIELD_INVALID"]),
            case(
                "a tab instead of a comma in a heading",
                format!("编号\t统一社会信用代码,企业名称,备注\n1,{},虚构丁公司,\n", code(4)),
                [1, 1, 0, 0],
                &[],
            ),
            case(
                "an unquoted comma shifts the columns",
                format!("uscc,name,business\n{},虚构戊公司,批发,零售\n", code(5)),
                [1, 0, 0, 1],
                &["FIELD_INVALID"],
            ),
            case(
                "headings with inner spaces",
                format!("序 号,统一社会 信用代码,企业 名称\n1,{},虚构己公司\n", code(6)),
                [1, 1, 0, 0],
                &[],
            ),
            case(
                "brackets in headings, of every kind",
                format!(
                    "行政相对人代码＿1 【统一社会信用代码】：,企业名称（字号名称）\n{},虚构庚公司\n",
                    code(7)
                ),
                [1, 1, 0, 0],
                &[],
            ),
            case(
                "cells guarded for spreadsheets",
                format!(
                    "uscc,name\n\t{},虚构辛公司\n\"=\"\"{}\"\"\",虚构壬公司\n'{},虚构癸公司\n",
                    code(8),
                    code(9),
                    code(10)
                ),
                [3, 3, 0, 0],
                &[],
            ),
            case(
                "nothing written in many ways",
                ["/", "无", "null", "暂无", "N/A", "\\N", "\\n", "", "1900-1-1 0:00:00", "9999-9-9"]
                    .iter()
                    .enumerate()
                    .fold(String::from("uscc,name,registeredOn\n"), |file, (at, nothing)| {
                        let code = code(100 + u32::try_from(at).unwrap());
                        file + &format!("{code},虚构{at}公司,{nothing}\n")
                    }),
                [10, 10, 0, 0],
                &[],
            ),
        ],
    )
    .await;
    let drift = format!("统一社会信用代码,企业名称,虚罚决字〔2024〕25号\n{},虚构子公司,x\n", code(11));
    let who = world.department("market-regulation");
    let done = world.import(&who, "subjects", "", drift.as_bytes()).await;
    assert_eq!(
        (counts(&done), done.ignored_columns),
        ([1, 1, 0, 0], vec![String::from("虚罚决字〔2024〕25号")])
    );
    let rare = format!("uscc,name\n{},虚构\u{E002}公司\n", code(12));
    let done = world.import(&who, "subjects", "", rare.as_bytes()).await;
    assert_eq!((done.progress.unwrap().warned, done.warnings.len(), done.warnings[0].line), (1, 1, 2));
}

// A citizen's number that passes the check of enterprises' codes too, as one in 31 does.
fn citizen_passing_both() -> String {
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let of_citizens = |body: &str| {
        let sum: usize =
            body.bytes().zip(weights).map(|(digit, weight)| usize::from(digit - b'0') * weight).sum();
        char::from(b"10X98765432"[sum % 11])
    };
    (0..1_000)
        .map(|serial| format!("64039919491231{serial:03}"))
        .find(|body| Uscc::check_character(body) == Some(of_citizens(body)))
        .map(|body| format!("{body}{}", of_citizens(&body)))
        .unwrap()
}

// The outer check right, the organisation code's own check wrong.
fn inner_broken(serial: u32) -> String {
    let code = code(serial);
    let seventeenth = if code.as_bytes()[16] == b'7' { '8' } else { '7' };
    let first = format!("{}{seventeenth}", &code[..16]);
    let last = Uscc::check_character(&first).unwrap();
    format!("{first}{last}")
}

// Where the sum leaves nothing over, and where it leaves one: what validators get wrong.
fn checked_by(character: char) -> String {
    (40..).map(code).find(|code| code.ends_with(character)).unwrap()
}

#[tokio::test]
async fn every_kind_of_code() {
    let world = World::open(MORNING).await;
    let who = world.department("market-regulation");
    let spaced: String = {
        let code = code(31);
        format!("{} {}-{}", &code[..8], &code[8..17], &code[17..])
    };
    let wide: String = code(32).chars().map(|c| char::from_u32(c as u32 + 0xFEE0).unwrap()).collect();
    let masked = format!("{}******{}", &code(33)[..6], &code(33)[12..]);
    let rounded = String::from("640399055811843000");
    let zeros = format!("91640399000000000{}", Uscc::check_character("91640399000000000").unwrap());
    for (kind, given, accept_nonconforming, expected) in [
        ("lower case", code(30).to_lowercase(), false, "ACCEPTED"),
        ("spaces and hyphens", spaced, false, "ACCEPTED"),
        ("full width", wide, false, "ACCEPTED"),
        ("edges", format!("\u{3000}{}\u{A0}", code(34)), false, "ACCEPTED"),
        ("inner organisation code wrong", inner_broken(35), false, "ACCEPTED"),
        ("a check character of 0", checked_by('0'), false, "ACCEPTED"),
        ("a check character of Y", checked_by('Y'), false, "ACCEPTED"),
        ("a check that holds over nothing but zeros", zeros, false, "ACCEPTED"),
        ("issued though its check fails, not said so", broken(36), false, "CODE_CHECK_FAILED"),
        ("issued though its check fails, said so", broken(36), true, "ACCEPTED"),
        (
            "15-digit registration number",
            String::from("640399100000009"),
            false,
            "LEGACY_REGISTRATION_NUMBER",
        ),
        ("13-digit registration number", String::from("6403991009351"), true, "LEGACY_REGISTRATION_NUMBER"),
        ("a number in words", String::from("企合虚总字第000063号"), false, "CODE_LENGTH"),
        ("organisation code", String::from("13830295-X"), false, "CODE_LENGTH"),
        ("one place", String::from("1"), false, "CODE_LENGTH"),
        ("10 places", String::from("6403991009"), false, "CODE_LENGTH"),
        ("11 places", String::from("64039910093"), true, "CODE_LENGTH"),
        ("12 places", String::from("640399100935"), false, "CODE_LENGTH"),
        ("16 places", code(37)[..16].to_owned(), false, "CODE_LENGTH"),
        ("19 places", format!("{}0", code(37)), true, "CODE_LENGTH"),
        ("a letter that no code has", format!("{}I", &code(37)[..17]), true, "CODE_CHARACTER"),
        ("nothing", String::from("无"), false, "FIELD_INVALID"),
        ("rounded by a spreadsheet", rounded, false, "CODE_ROUNDED"),
        ("rounded, in its own notation", String::from("6.40399E+17"), true, "CODE_ROUNDED"),
        ("masked", masked, true, "CODE_MASKED"),
        ("a citizen's number", String::from("11010519491231002X"), true, "PERSONAL_IDENTITY_NUMBER"),
        (
            "a citizen's number that passes as a code",
            citizen_passing_both(),
            false,
            "PERSONAL_IDENTITY_NUMBER",
        ),
    ] {
        let file = format!("uscc,name\n\"{given}\",虚构示例公司\n");
        let parameters = api::CreateImportRequest {
            kind: String::from("subjects"),
            accept_nonconforming,
            ..Default::default()
        };
        let done = world.import_with(&who, file.as_bytes(), parameters).await.unwrap();
        let ended = world.reasons(&who, &done.import_id).await;
        let ended = ended.first().map_or("ACCEPTED", String::as_str);
        assert_eq!(ended, expected, "{kind}: {given}");
    }
}

#[tokio::test]
async fn names() {
    let world = World::open(MORNING).await;
    judged(
        &world,
        vec![
            named("half-width brackets", "虚构(集团)有限公司"),
            named("full-width brackets", "虚构（集团）有限公司"),
            named("two names in one cell", "虚构进出口(集团)公司(第一名称);虚构进出口公司(第二名称)"),
            Case {
                name: "虚构甲 公司",
                ..case(
                    "trailing ideographic space",
                    format!("uscc,name\n{},虚构甲 公司\u{3000}\n", code(1)),
                    [1, 1, 0, 0],
                    &[],
                )
            },
            Case {
                name: "虚构乙公司",
                ..case(
                    "trailing asterisk",
                    format!("uscc,name\n{},虚构乙公司*\n", code(1)),
                    [1, 1, 0, 0],
                    &[],
                )
            },
            Case {
                name: "虚构丙公司",
                ..case(
                    "an annotation with a person's name",
                    format!("uscc,name\n{},虚构丙公司（某某3%股权冻结)\n", code(1)),
                    [1, 1, 0, 0],
                    &[],
                )
            },
            case(
                "the same code twice",
                format!("uscc,name\n{0},虚构丁公司\n{0},虚构丁公司\n", code(2)),
                [2, 1, 1, 0],
                &[],
            ),
        ],
    )
    .await;
    // A party's cell that names natural persons beside the enterprise.
    let who = world.department("financial-work");
    let file = format!(
        "当事人名称,行政处罚决定书文号,处罚决定日期\n虚构丁公司及相关责任人,虚罚〔2026〕1号,2026-01-05\n张某某,虚罚〔2026〕2号,2026-01-05\n{}不存在公司,虚罚〔2026〕3号,2026-01-05\n",
        "虚构"
    );
    let done = world.import(&who, "records", "administrative-penalty", file.as_bytes()).await;
    assert_eq!(counts(&done), [3, 1, 0, 2]);
    assert_eq!(done.progress.unwrap().person_rows, 1);
    assert_eq!(world.reasons(&who, &done.import_id).await, ["PERSON_NOT_TAKEN", "NAME_UNKNOWN"]);
    assert!(!world.rejects(&who, &done.import_id).await.contains("张某某"));
}

#[tokio::test]
async fn dates_amounts_and_numbers_of_decisions() {
    let world = World::open(MORNING).await;
    world.register(1..4).await;
    let who = world.department("market-regulation");
    let head = "uscc,行政处罚决定书文号,处罚决定日期,有效期至,罚款金额（元）,罚款金额（万元）";
    let rows: [(&str, String, &str); 18] = [
        ("2018-7-27", format!("{},虚1号,2018-7-27,,,", code(1)), ""),
        ("with a time", format!("{},虚2号,2021-8-2 0:00:00,,,", code(1)), ""),
        ("slashes", format!("{},虚3号,2022/3/4,,,", code(1)), ""),
        ("in Chinese", format!("{},虚4号,2024年12月11日,,,", code(1)), ""),
        ("month and year", format!("{},虚5号,1/2000,,,", code(1)), "FIELD_INVALID"),
        ("epoch milliseconds", format!("{},虚6号,1532620800000,,,", code(1)), ""),
        ("yyyyMMddHHmmss", format!("{},虚7号,20240229235959,,,", code(1)), ""),
        ("a spreadsheet's serial", format!("{},虚8号,43308,,,", code(1)), ""),
        ("validity without end", format!("{},虚9号,2024-01-01,无处罚期限,,", code(1)), ""),
        ("validity 2099", format!("{},虚10号,2024-01-01,2099-12-31 00:00:00,,", code(1)), ""),
        (
            "a null day where one is needed",
            format!("{},虚11号,1900-1-1 0:00:00,,,", code(1)),
            "FIELD_INVALID",
        ),
        ("thousands separators", format!("{},虚12号,2024-01-01,,\"1,234,567.80\",", code(1)), ""),
        ("万元 in the cell", format!("{},虚13号,2024-01-01,,50.5(万元人民币),", code(1)), ""),
        ("万元 by the heading", format!("{},虚14号,2024-01-01,,,1.234500", code(1)), ""),
        ("foreign currency", format!("{},虚15号,2024-01-01,,50(万美元),", code(1)), "FIELD_INVALID"),
        ("Chinese numerals", format!("{},虚16号,2024-01-01,,罚款一万元,", code(1)), "FIELD_INVALID"),
        ("a series of numbers", format!("{},虚罚〔2024〕1号-4号、7、8号,2024-01-01,,,", code(1)), ""),
        ("the future", format!("{},虚17号,2027-01-01,,,", code(1)), "FIELD_INVALID"),
    ];
    let file = rows.iter().fold(format!("{head}\n"), |file, (_, row, _)| file + row + "\n");
    let done = world.import(&who, "records", "administrative-penalty", file.as_bytes()).await;
    let expected: Vec<&str> =
        rows.iter().map(|(_, _, reason)| *reason).filter(|reason| !reason.is_empty()).collect();
    assert_eq!(world.reasons(&who, &done.import_id).await, expected);
    let request = api::ListRecordsRequest { uscc: code(1), page_size: 100, ..Default::default() };
    let records = world.records(&who).list_records(request).await.unwrap().into_inner().records;
    let said = |number: &str| {
        let record = records.iter().find(|record| record.source_id == number).unwrap();
        (record.occurred_on.as_str(), record.valid_until.as_str(), record.amount.as_str())
    };
    for (number, expected) in [
        ("虚1号", ("2018-07-27", "", "")),
        ("虚2号", ("2021-08-02", "", "")),
        ("虚6号", ("2018-07-27", "", "")),
        ("虚7号", ("2024-02-29", "", "")),
        ("虚8号", ("2018-07-27", "", "")),
        ("虚9号", ("2024-01-01", "", "")),
        ("虚10号", ("2024-01-01", "", "")),
        ("虚12号", ("2024-01-01", "", "1234567.80")),
        ("虚13号", ("2024-01-01", "", "505000")),
        ("虚14号", ("2024-01-01", "", "12345")),
    ] {
        assert_eq!(said(number), expected, "{number}");
    }
    // Year brackets of every kind are one decision; one decision may be about several parties.
    let head = "uscc,行政处罚决定书文号,处罚决定日期";
    let file = format!(
        "{head}\n{0},虚罚〔2024〕7号,2024-01-01\n{0},虚罚[2024]7号,2024-01-01\n{1},虚罚【2024】7号,2024-01-01\n{2},虚罚(2024)7号,2024-01-01\n",
        code(1),
        code(2),
        code(3)
    );
    let done = world.import(&who, "records", "honour", file.as_bytes()).await;
    assert_eq!(counts(&done), [4, 3, 1, 0]);
    assert_eq!(counts(&world.import(&who, "records", "honour", file.as_bytes()).await), [4, 0, 4, 0]);
}

#[tokio::test]
async fn natural_persons_stay_outside() {
    let world = World::open(MORNING).await;
    world.register(1..3).await;
    let who = world.department("market-regulation");
    let head = "行政相对人名称,行政相对人类别,行政相对人代码_1(统一社会信用代码),法定代表人,法定代表人证件号码,证件号码(自然人),行政处罚决定书文号,违法事实,处罚决定日期";
    let file = format!(
        "{head}\n虚构甲公司,法人及非法人组织,{},王某某,11010519491231002X,,虚〔2026〕1号,无照经营,2026-01-05\n\
         李某某,自然人,,,,11010519491231002X,虚〔2026〕2号,无照经营,2026-01-05\n\
         虚构乙公司,赵某某,{},钱某某,,,虚〔2026〕3号,无照经营,2026-01-05\n",
        code(1),
        code(2)
    );
    let done = world.import(&who, "records", "", file.as_bytes()).await;
    let progress = done.progress.unwrap();
    assert_eq!(counts(&done), [3, 1, 0, 2]);
    assert_eq!(
        (progress.person_rows, progress.dropped_personal_columns, progress.dropped_personal_cells),
        (1, 3, 4)
    );
    assert_eq!(done.reading.unwrap().personal_columns.len(), 3);
    assert_eq!(world.reasons(&who, &done.import_id).await, ["PERSON_NOT_TAKEN", "FIELD_INVALID"]);
    for format in ["csv", "original"] {
        let (_, list) = world.rejects_as(&who, &done.import_id, format).await;
        let list = String::from_utf8(list).unwrap();
        for trace in ["王某某", "李某某", "钱某某", "19491231", "法定代表人"] {
            assert!(!list.contains(trace), "{trace} in {list}");
        }
    }
    // Kinds and states as systems write them, and what shifted into their columns.
    let rows = [
        ("COMPANY", "ACTIVE", true),
        ("self-employed", "registered", true),
        ("有限责任公司(自然人独资)", "存续（在营、开业、在册）", true),
        ("1130", "1", true),
        ("/", "", true),
        ("张某某", "存续", false),
        ("2020-01-01", "存续", false),
        ("100.5", "存续", false),
        ("有限责任公司", "1990-01-09 00:00:00", false),
    ];
    let body: String = rows
        .iter()
        .enumerate()
        .map(|(at, (kind, status, _))| {
            format!("{},虚构{at}公司,{kind},{status}\n", code(20 + u32::try_from(at).unwrap()))
        })
        .collect();
    let done = world.import(&who, "subjects", "", format!("uscc,name,kind,status\n{body}").as_bytes()).await;
    assert_eq!(counts(&done), [9, 5, 0, 4], "{}", world.rejects(&who, &done.import_id).await);
    // A name that has shifted into the column of kinds, although the number of cells is right: what follows the first personal column is not kept.
    let file =
        format!("uscc,name,法定代表人,kind,status\n{},虚构甲公司,Maria,Lopez 某某,有限责任公司\n", code(9));
    let done = world.import(&who, "subjects", "", file.as_bytes()).await;
    assert_eq!(counts(&done), [1, 0, 0, 1]);
    let list = world.rejects(&who, &done.import_id).await;
    assert!(list.contains(&code(9)) && !list.contains("Lopez") && !list.contains("Maria"), "{list}");
}
