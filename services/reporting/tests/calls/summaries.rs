//! Summaries: written on, checked, handed in, reviewed, exported.

use chassis::trial::reason;
use contract::{
    credit::v1 as credit,
    discipline::v1 as discipline,
    grading::v1 as grading,
    reporting::v1::{self as api, section::Kind, summary::State},
    sampling::v1 as sampling,
};
use futures::StreamExt as _;
use sha2::{Digest as _, Sha256};
use tonic::Code;

use super::{
    figures::{create, effect_case, summary},
    world::{ALL, Client, World},
};

fn section(kind: Kind, text: &str) -> api::Section {
    api::Section { kind: kind.into(), text: text.into() }
}

fn texts() -> Vec<api::Section> {
    vec![
        section(Kind::Overview, "虚构部门按照方案组织开展信用分级分类监管。"),
        section(Kind::Measures, "一是完善制度。\n二是分级抽查。"),
        section(Kind::Outlook, "部分主体信息不全，下一步补齐。"),
        section(Kind::Explanation, "本期未报送案例。"),
    ]
}

fn write(id: &str, sections: Vec<api::Section>) -> api::WriteSummaryRequest {
    api::WriteSummaryRequest { id: id.into(), sections, ..Default::default() }
}

fn submit(id: &str) -> api::SubmitSummaryRequest {
    api::SubmitSummaryRequest { id: id.into(), ..Default::default() }
}

/// Writes what a summary lacks and hands it in.
pub async fn hand_in(client: &mut Client, id: &str) -> api::Summary {
    client.summaries.write_summary(write(id, texts())).await.unwrap();
    client.summaries.submit_summary(submit(id)).await.unwrap().into_inner()
}

async fn places(client: &mut Client, id: &str) -> (Vec<String>, bool) {
    let request = api::CheckSummaryRequest { id: id.into(), ..Default::default() };
    let found = client.summaries.check_summary(request).await.unwrap().into_inner();
    (found.gaps.into_iter().map(|gap| gap.place).collect(), found.complete)
}

async fn export(client: &mut Client, id: &str, format: &str, version: i32) -> Vec<u8> {
    let request =
        api::ExportSummaryRequest { id: id.into(), format: format.into(), version, ..Default::default() };
    let answer = client.summaries.export_summary(request).await.unwrap();
    let told = chassis::trial::told(&answer);
    let mut parts = answer.into_inner();
    let mut bytes = Vec::new();
    while let Some(part) = parts.next().await {
        bytes.extend(part.unwrap().data);
    }
    // By these a download goes on: another version is another file.
    assert_eq!(told, (hex::encode(Sha256::digest(&bytes)), bytes.len().to_string()));
    bytes
}

#[tokio::test]
async fn grades_and_measures_are_those_of_the_end_of_the_period() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let mut transport = world.of("transport", ALL);
    // A period that is past is counted at its end; one that is not over, today.
    for (to, on) in [("2026-02-28", "2026-02-28"), ("2026-03-02", "2026-03-02"), ("2026-12-31", "2026-03-02")]
    {
        transport.summaries.create_summary(summary("D09", "2026-01-01", to)).await.unwrap();
        let grades: grading::GetDistributionRequest =
            world.answers.asked("grading.v1.Grades/GetDistribution");
        assert_eq!((grades.scheme.as_str(), grades.as_of.as_str()), ("transport-2026", on), "{to}");
        let measures: grading::GetMeasuresRequest = world.answers.asked("grading.v1.Schemes/GetMeasures");
        assert_eq!(measures.as_of, on, "{to}");
    }
}

#[tokio::test]
async fn a_summary_is_handed_in_when_it_lacks_nothing() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let (mut transport, mut office) = (world.of("transport", ALL), world.office());
    let composed = transport
        .summaries
        .create_summary(summary("D09", "2026-01-01", "2026-02-28"))
        .await
        .unwrap()
        .into_inner();
    let id = composed.summary_id.as_str();
    assert_eq!(
        (composed.state(), composed.no_data, composed.figures_digest.len()),
        (State::Draft, false, 64)
    );
    assert_eq!(composed.scheme_title, "虚构道路运输企业信用评价办法");
    assert_eq!((composed.measures.len(), composed.effects.len(), composed.draws.len()), (2, 2, 1));
    assert_eq!(composed.effect.unwrap().visits_saved, Some(4));
    let versions: Vec<&str> = composed.inputs.iter().map(|input| input.version.as_str()).collect();
    assert_eq!(versions, ["0.4711", "transport-2026@3, measures@2", "", ""]);
    let (missing, complete) = places(&mut transport, id).await;
    assert_eq!(
        (missing, complete),
        (
            ["sections.OVERVIEW", "sections.MEASURES", "sections.OUTLOOK", "effectCases"]
                .map(String::from)
                .to_vec(),
            false
        )
    );
    let refused = transport.summaries.submit_summary(submit(id)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "SUMMARY_INCOMPLETE"));
    assert!(
        refused.message().contains("sections.OVERVIEW") && refused.message().contains("2 more"),
        "{}",
        refused.message()
    );

    let strange = world.of("taxation", ALL).summaries.write_summary(write(id, texts())).await.unwrap_err();
    assert_eq!(reason(&strange), "NOT_OF_DEPARTMENT");
    let personal = vec![section(Kind::Overview, "联系人11010519491231002X")];
    assert_eq!(
        reason(&transport.summaries.write_summary(write(id, personal)).await.unwrap_err()),
        "PERSONAL_IDENTITY_NUMBER"
    );
    let twice = vec![section(Kind::Overview, "甲"), section(Kind::Overview, "乙")];
    assert_eq!(
        reason(&transport.summaries.write_summary(write(id, twice)).await.unwrap_err()),
        "FIELD_INVALID"
    );
    let first = api::WriteSummaryRequest { etag: composed.etag.clone(), ..write(id, texts()) };
    let written = transport.summaries.write_summary(first.clone()).await.unwrap().into_inner();
    assert_eq!(
        (written.sections.len(), written.figures_digest.as_str()),
        (4, composed.figures_digest.as_str())
    );
    let stale = transport.summaries.write_summary(first).await.unwrap_err();
    assert_eq!((stale.code(), reason(&stale).as_str()), (Code::Aborted, "ETAG_STALE"));
    assert_eq!(places(&mut transport, id).await, (vec![String::from("effectCases")], true));

    // Figures are read anew on demand only; the case of the period comes with them.
    transport.effect_cases.create_effect_case(create(effect_case())).await.unwrap();
    let refresh = api::RefreshSummaryRequest { id: id.into(), ..Default::default() };
    let refreshed = transport.summaries.refresh_summary(refresh.clone()).await.unwrap().into_inner();
    assert_eq!((refreshed.effect_cases.len(), refreshed.cases.len(), refreshed.sections.len()), (1, 1, 4));
    assert_ne!(refreshed.figures_digest, composed.figures_digest);
    let submitted = transport.summaries.submit_summary(submit(id)).await.unwrap().into_inner();
    assert_eq!((submitted.state(), submitted.version), (State::Submitted, 1));
    for late in [
        transport.summaries.write_summary(write(id, texts())).await.err(),
        transport.summaries.refresh_summary(refresh).await.err(),
        transport.summaries.submit_summary(submit(id)).await.err(),
    ] {
        assert_eq!(reason(&late.unwrap()), "STATE_FORBIDS");
    }
    let other = transport
        .summaries
        .create_summary(summary("D09", "2026-01-01", "2026-02-28"))
        .await
        .unwrap()
        .into_inner();
    transport.summaries.write_summary(write(&other.summary_id, texts())).await.unwrap();
    let exists = transport.summaries.submit_summary(submit(&other.summary_id)).await.unwrap_err();
    assert_eq!((exists.code(), reason(&exists).as_str()), (Code::AlreadyExists, "SUMMARY_EXISTS"));

    // Returned, written on, handed in anew: what was handed in first stays.
    let accept = api::AcceptSummaryRequest { id: id.into(), ..Default::default() };
    assert_eq!(reason(&transport.summaries.accept_summary(accept.clone()).await.unwrap_err()), "OFFICE_ONLY");
    let return_ =
        api::ReturnSummaryRequest { id: id.into(), text: "举措不具体".into(), ..Default::default() };
    office.summaries.return_summary(return_).await.unwrap();
    let better = vec![section(Kind::Overview, "修改后的情况。")];
    transport.summaries.write_summary(write(id, better)).await.unwrap();
    let second = transport.summaries.submit_summary(submit(id)).await.unwrap().into_inner();
    assert_eq!(second.version, 2);
    office.summaries.accept_summary(accept.clone()).await.unwrap();
    assert_eq!(reason(&office.summaries.accept_summary(accept).await.unwrap_err()), "STATE_FORBIDS");
    let at = |version| api::GetSummaryRequest { id: id.into(), version, ..Default::default() };
    let old = transport.summaries.get_summary(at(1)).await.unwrap().into_inner();
    assert_eq!(old.sections[0].text, "虚构部门按照方案组织开展信用分级分类监管。");
    assert_eq!(
        transport.summaries.get_summary(at(2)).await.unwrap().into_inner().sections[0].text,
        "修改后的情况。"
    );
    assert_eq!(transport.summaries.get_summary(at(3)).await.unwrap_err().code(), Code::NotFound);
    let mut request = api::ListSummariesRequest {
        domain: "transport".into(),
        year: 2026,
        page_size: 1,
        ..Default::default()
    };
    let page = transport.summaries.list_summaries(request.clone()).await.unwrap().into_inner();
    assert_eq!((page.summaries.len(), page.next_page_token.is_empty()), (1, false));
    request.set_state(State::Accepted);
    let accepted = transport.summaries.list_summaries(request).await.unwrap().into_inner().summaries;
    assert_eq!((accepted.len(), accepted[0].summary_id.as_str(), accepted[0].figures.len()), (1, id, 0));
}

#[tokio::test]
async fn of_two_who_hand_in_at_once_one_wins_and_the_other_is_told() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let (mut one, mut two) = (world.of("transport", ALL), world.of("transport", ALL));
    let composed =
        one.summaries.create_summary(summary("D09", "2026-01-01", "2026-02-28")).await.unwrap().into_inner();
    one.summaries.write_summary(write(&composed.summary_id, texts())).await.unwrap();
    let (left, right) = tokio::join!(
        one.summaries.submit_summary(submit(&composed.summary_id)),
        two.summaries.submit_summary(submit(&composed.summary_id))
    );
    assert_eq!(left.is_ok(), right.is_err(), "one wins");
    let told = reason(&left.err().or(right.err()).unwrap());
    assert!(["STATE_FORBIDS", "CONCURRENT_CHANGE"].contains(&told.as_str()), "{told}");
}

// A department owes its summary whether or not there was anything: 零报告.
#[tokio::test]
async fn a_period_without_data_says_so_and_needs_an_explanation() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    world.answers.put(
        "credit.v1.Figures/GetFigures",
        &credit::GetFiguresResponse { subjects: 31, ..Default::default() },
    );
    world.answers.put("discipline.v1.Figures/GetFigures", &discipline::GetFiguresResponse::default());
    world.answers.put("sampling.v1.Draws/ListDraws", &sampling::ListDrawsResponse::default());
    let mut finance = world.of("finance", ALL);
    let composed = finance
        .summaries
        .create_summary(summary("D07", "2026-01-01", "2026-02-28"))
        .await
        .unwrap()
        .into_inner();
    assert!(composed.no_data);
    let id = composed.summary_id.as_str();
    let mut three = texts();
    three.pop();
    finance.summaries.write_summary(write(id, three)).await.unwrap();
    let refused = finance.summaries.submit_summary(submit(id)).await.unwrap_err();
    assert_eq!(reason(&refused), "SUMMARY_INCOMPLETE");
    assert!(refused.message().contains("sections.EXPLANATION"), "{}", refused.message());
    let page = text_of(&export(&mut finance, id, "pdf", 0).await);
    assert!(page.contains("零报告") && page.contains("草稿"), "{page}");
    finance.summaries.write_summary(write(id, texts())).await.unwrap();
    assert_eq!(finance.summaries.submit_summary(submit(id)).await.unwrap().into_inner().version, 1);
}

fn text_of(pdf: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("summary.pdf");
    std::fs::write(&file, pdf).unwrap();
    let output = std::process::Command::new("pdftotext").arg(&file).arg("-").output();
    let output = output.expect("pdftotext is not installed: apt-get install poppler-utils");
    String::from_utf8(output.stdout).unwrap().split_whitespace().collect()
}

// Of a year: twelve draws, 22 items, eight cases, long texts. With SUMMARY_FILES=<folder> the files are written there to be looked at.
#[tokio::test]
async fn a_full_year_comes_with_its_documents() {
    let world = World::at("2026-12-08T01:00:00Z").await;
    let mut transport = world.of("transport", ALL);
    fill_year(&world);
    for number in 1..=8 {
        let case = api::EffectCase {
            happened_on: format!("2026-{:02}-15", number + 2),
            practice: "对信用等级为A级的企业降低抽查比例，实行书面检查；对D级企业提高抽查比例和频次，实施现场检查并跟踪整改。".repeat(2),
            effect: "入企检查次数明显减少，问题发现率提高，企业主动修复失信记录。".repeat(2),
            evidence: vec!["抽查台账".into(), "整改通知书回执".into()],
            ..effect_case()
        };
        transport.effect_cases.create_effect_case(create(case)).await.unwrap();
    }
    let composed = transport
        .summaries
        .create_summary(summary("D09", "2026-01-01", "2026-12-31"))
        .await
        .unwrap()
        .into_inner();
    let id = composed.summary_id.as_str();
    let long = |words: &str| words.repeat(6);
    let sections = vec![
        section(Kind::Overview, &long("虚构部门坚持以信用为基础，完善评价制度，推动分级分类监管落地见效。")),
        section(
            Kind::Measures,
            &format!(
                "一是完善制度。{}\n二是分级抽查。{}",
                long("制定并公布评价办法，明确指标和权重。"),
                long("按等级确定比例，随机抽取，结果公示。")
            ),
        ),
        section(Kind::Results, &long("评价结果总体向好，A级企业占比较上年提高。")),
        section(Kind::Supervision, &long("高风险企业问题发现率显著高于平均水平，说明分级能够反映风险。")),
        section(Kind::Outlook, &long("部分企业信息不全，下一步加强归集，提高时效。")),
    ];
    transport.summaries.write_summary(write(id, sections)).await.unwrap();
    let submitted = transport.summaries.submit_summary(submit(id)).await.unwrap().into_inner();
    for format in ["docx", "xlsx", "pdf"] {
        let file = export(&mut transport, id, format, submitted.version).await;
        assert_eq!(files::tell(&file).map(|kind| kind.is_named_as(&format!("x.{format}"))), Ok(true));
        if let Some(folder) = std::env::var_os("SUMMARY_FILES") {
            std::fs::write(std::path::Path::new(&folder).join(format!("summary.{format}")), &file).unwrap();
        }
    }
    assert_eq!(export(&mut transport, id, "PDF", 1).await, export(&mut transport, id, "pdf", 1).await);
    assert_eq!(export(&mut transport, id, "xlsx", 1).await, export(&mut transport, id, "xlsx", 1).await);
    let words = text_of(&export(&mut transport, id, "pdf", 1).await);
    for expected in [
        "交通运输领域信用分级分类监管工作总结",
        "（2026年1月1日至12月31日）",
        "一、工作开展情况",
        "六、存在问题和下一步打算",
        "图1",
        "交通运输局",
        "2026年12月8日",
    ] {
        assert!(words.contains(expected), "{expected}");
    }
    let odd = api::ExportSummaryRequest { id: id.into(), format: "ofd".into(), ..Default::default() };
    let refused = transport.summaries.export_summary(odd).await.map(drop).unwrap_err();
    assert_eq!(reason(&refused), "FIELD_INVALID");
}

fn fill_year(world: &World) {
    let names = ["行政许可", "行政处罚", "行政检查", "信用承诺", "合同履约", "纳税信用"];
    let item = |number: i32| credit::ItemFigure {
        item: format!("item-{number}"),
        name: format!("{}（{number}）", names[usize::try_from(number).unwrap() % names.len()]),
        records: number * 317,
    };
    let items: Vec<_> = (1..=22).map(item).collect();
    world.answers.put(
        "credit.v1.Figures/GetFigures",
        &credit::GetFiguresResponse { subjects: 48_210, records: 80_201, items, ..Default::default() },
    );
    let distribution = [("A", 12_033), ("B", 22_871), ("C", 8_004), ("D", 1_902), ("UNGRADED", 3_400)];
    let distribution = grading::Distribution {
        scheme: "transport-2026".into(),
        version: 3,
        graded: 44_810,
        distribution: distribution.map(|(grade, count)| (grade.to_owned(), count)).into(),
        ..Default::default()
    };
    world.answers.put("grading.v1.Grades/GetDistribution", &distribution);
    let text = "实行差异化监管，结合风险等级确定检查内容，检查结果按规定公示并归集到信用平台";
    let measure = |grade: &str, percent: f64, min: Option<i32>, max: Option<i32>| grading::Measure {
        grade: grade.into(),
        sampling_percent: percent,
        min_per_year: min,
        max_per_year: max,
        method: "现场检查、书面检查、非现场监管".into(),
        text: text.into(),
    };
    let measures = vec![
        measure("A", 1.0, None, Some(1)),
        measure("B", 3.0, None, Some(2)),
        measure("C", 10.0, Some(1), Some(2)),
        measure("D", 33.5, Some(2), None),
    ];
    world.answers.put(
        "grading.v1.Schemes/GetMeasures",
        &grading::SchemeMeasures { measures, version: 4, ..Default::default() },
    );
    let draw = |month: i32| sampling::Draw {
        draw_id: format!("draw-{month}"),
        scheme: "transport-2026".into(),
        state: sampling::draw::State::Revealed.into(),
        roster_size: 44_000 + month,
        drawn: 180 + month * 7,
        visited: 171 + month * 6,
        found: 20 + month,
        scheme_version: 3,
        committed_at: Some(prost_types::Timestamp {
            seconds: 1_768_000_000 + i64::from(month) * 2_592_000,
            nanos: 0,
        }),
        ..Default::default()
    };
    let draws = (0..12).map(draw).collect();
    world
        .answers
        .put("sampling.v1.Draws/ListDraws", &sampling::ListDrawsResponse { draws, ..Default::default() });
    let stratum = |grade: &str, members, visited, found, rate, lift| sampling::StratumEffect {
        grade: grade.into(),
        members,
        visited,
        found,
        rate,
        lift,
        ..Default::default()
    };
    let strata = vec![
        stratum("A", 144_000, 400, 8, 0.02, 0.17),
        stratum("B", 274_000, 800, 48, 0.06, 0.5),
        stratum("C", 96_000, 700, 105, 0.15, 1.25),
        stratum("D", 22_800, 548, 145, 0.2646, 2.2),
    ];
    let total = sampling::EffectTotal {
        visited: 2_448,
        found: 306,
        rate: 0.125,
        uniform_rate: Some(0.0742),
        lift: Some(1.6846),
        visits_saved: Some(1_676),
    };
    let effect = sampling::Effect { strata, total: Some(total), ..Default::default() };
    world.answers.put("sampling.v1.Effects/GetEffect", &effect);
}
