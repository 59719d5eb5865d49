//! Every paper of both kinds of lists, from the first step to the last way off the list, as its files tell it.
use std::{
    collections::BTreeMap,
    io::{Cursor, Read as _},
};

use contract::discipline::v1::{
    self as api,
    case::Outcome,
    list::Kind as ListKind,
    paper::{Format, Kind},
    procedure::Hearing,
    step::{Answer, Review},
};

use super::world::{World, code, decide, eventually, list, propose, put_list, step};

// What a DOCX says, a paragraph a line.
fn words(docx: Vec<u8>) -> String {
    let mut archive = zip::ZipArchive::new(Cursor::new(docx)).unwrap();
    let mut text = String::new();
    archive.by_name("word/document.xml").unwrap().read_to_string(&mut text).unwrap();
    let (mut out, mut rest) = (String::new(), text.as_str());
    while let Some((before, after)) = rest.split_once('<') {
        out.push_str(before);
        let (tag, after) = after.split_once('>').unwrap();
        if tag == "/w:p" || tag.starts_with("w:br") {
            out.push('\n');
        }
        rest = after;
    }
    out.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"")
}

// No place is left open, and nothing stands beside what was left out.
fn is_whole(paper: &api::Paper, text: &str) {
    for flaw in
        ["{", "}", "（）", "《》", "“”", "。。", "；。", "，。", "，，", "：。", "于起", "自起", "经撤销"]
    {
        assert!(!text.contains(flaw), "{} has {flaw}: {text}", paper.template);
    }
    assert!(
        text.contains(&paper.title) && text.contains(&paper.document_number),
        "{}: {text}",
        paper.template
    );
    assert!(paper.unprintable.is_empty(), "{:?}", paper.unprintable);
}

fn required() -> Option<api::ProcedureRequirement> {
    Some(api::ProcedureRequirement { required: true, basis: "虚构办法".into(), ..Default::default() })
}

fn term(days: i32) -> Option<api::ProcedureTerm> {
    Some(api::ProcedureTerm { days, basis: "虚构办法".into(), ..Default::default() })
}

fn bases() -> Vec<api::LegalBasis> {
    let (document, article) = ("虚构信用管理办法".into(), "第八条".into());
    vec![api::LegalBasis { document, article, ..Default::default() }]
}

fn punitive() -> api::List {
    let procedure = api::Procedure {
        hearing: Hearing::OnRequest.into(),
        hearing_request: term(5),
        hearing_notice: term(1),
        answer: required(),
        legal_review: required(),
        ..Default::default()
    };
    let early_removal = "全额支付拖欠工资，且六个月内未发生新的拖欠".into();
    api::List {
        procedure: Some(procedure),
        bases: bases(),
        early_removal,
        repair_after_months: 0,
        ..list("punitive")
    }
}

fn reward() -> api::List {
    let procedure = api::Procedure {
        hearing: Hearing::None.into(),
        publicity: required(),
        publicity_term: term(5),
        legal_review: required(),
        ..Default::default()
    };
    api::List {
        name: "虚构劳动保障诚信典型企业名单".into(),
        kind: ListKind::Reward.into(),
        procedure: Some(procedure),
        bases: bases(),
        measures: vec![],
        publication_months: 24,
        repair_after_months: 0,
        ..list("reward")
    }
}

fn named(serial: u32, what: &str) -> String {
    format!("虚构人社{what}〔2026〕{serial}号")
}

// From the proposal to the legal review, all that the list's procedure knows.
async fn reviewed(world: &World, serial: u32, list: &api::List) -> api::Case {
    let (mut clerk, mut lawyer) = (world.of("hrss", "clerk"), world.of("hrss", "lawyer"));
    let rewards = list.kind() == ListKind::Reward;
    let facts = if rewards {
        "连续三年按时足额支付工资，劳动合同签订率百分之百，无劳动争议败诉案件。"
    } else {
        "2025年第四季度拖欠12名农民工工资合计318,600.00元，经责令限期支付逾期仍不支付。"
    };
    let evidence =
        vec![String::from("工资支付台账"), String::from("劳动保障监察检查记录（虚构人社监〔2026〕1号）")];
    let request =
        api::CreateCaseRequest { facts: facts.into(), evidence, ..propose(&list.list_id, &code(serial)) };
    let case = clerk.cases.create_case(request).await.unwrap().into_inner();
    let at = |on: &str, what: &str, text: &str| api::CaseStepRequest {
        document_number: named(serial, what),
        text: text.into(),
        ..step(&case, on)
    };
    if rewards {
        clerk.cases.publicize_case(at("2026-03-02", "示", "")).await.unwrap();
        let stated = api::CaseStepRequest {
            document_number: String::new(),
            ..at("2026-03-04", "", "有一笔加班费未付")
        };
        clerk.cases.record_defence(stated).await.unwrap();
    } else {
        clerk.cases.notify_case(at("2026-03-02", "告", "")).await.unwrap();
        let text = "工资已于2026年2月付清，请求不予列入，并申请听证。";
        let asked = api::CaseStepRequest { hearing_requested: true, ..at("2026-03-04", "", text) };
        clerk.cases.record_defence(asked).await.unwrap();
        let called = api::CallHearingRequest {
            case: case.case_id.clone(),
            on: "2026-03-05".into(),
            document_number: named(serial, "听"),
            text: "第一会议室，主持人：法规科".into(),
            hearing_on: "2026-03-10".into(),
            ..Default::default()
        };
        clerk.cases.call_hearing(called).await.unwrap();
        lawyer.cases.hold_hearing(at("2026-03-10", "", "听证笔录存卷")).await.unwrap();
    }
    let answered = api::AnswerDefenceRequest {
        case: case.case_id.clone(),
        on: "2026-03-11".into(),
        document_number: named(serial, "复"),
        text: "所提凭证与工资支付台账不符，不能证明已经付清。".into(),
        answer: Answer::PartlyAdopted.into(),
        ..Default::default()
    };
    clerk.cases.answer_defence(answered).await.unwrap();
    let review = api::ReviewLegalityRequest {
        case: case.case_id.clone(),
        on: "2026-03-12".into(),
        document_number: named(serial, "审"),
        text: "事实清楚，证据充分，程序合法，适用依据正确。".into(),
        review: Review::Passed.into(),
        ..Default::default()
    };
    lawyer.cases.review_legality(review).await.unwrap().into_inner()
}

async fn listed(world: &World, serial: u32, list: &api::List) -> String {
    let case = reviewed(world, serial, list).await;
    let (mut clerk, mut chief) = (world.of("hrss", "clerk"), world.of("hrss", "chief"));
    let decision = api::DecideCaseRequest {
        document_number: named(serial, "决"),
        text: String::new(),
        ..decide(&case, "2026-03-13", Outcome::List)
    };
    chief.cases.decide_case(decision).await.unwrap();
    let served = api::CaseStepRequest {
        document_number: named(serial, "达"),
        text: String::new(),
        ..step(&case, "2026-03-16")
    };
    clerk.cases.serve_case(served).await.unwrap();
    clerk.cases.publish_case(step(&case, "2026-03-16")).await.unwrap();
    case.case_id
}

// One that is objected to and asked out of, in vain and then not.
async fn contested(world: &World, serial: u32, list: &api::List) -> String {
    let listing = listed(world, serial, list).await;
    let (mut own, mut chief) = (world.enterprise(&code(serial)), world.of("hrss", "chief"));
    let object = api::CreateObjectionRequest {
        listing: listing.clone(),
        reason: "名单所载事实与实际不符".into(),
        evidence: "银行回单".into(),
        ..Default::default()
    };
    let filed = own.objections.create_objection(object).await.unwrap().into_inner();
    let rejected = api::DecideObjectionRequest {
        objection_id: filed.objection_id,
        outcome: api::objection::State::Rejected.into(),
        explanation: "经向开户银行核实，回单所载款项与本案无关。".into(),
        document_number: named(serial, "异"),
        ..Default::default()
    };
    chief.objections.decide_objection(rejected).await.unwrap();
    for (outcome, number) in [(api::repair::State::Rejected, "修驳"), (api::repair::State::Approved, "修")]
    {
        let request = api::CreateRepairRequest {
            listing: listing.clone(),
            reason: "已全部履行".into(),
            evidence: "付款凭证".into(),
            commitment: "信用承诺书".into(),
            ..Default::default()
        };
        let filed = own.repairs.create_repair(request).await.unwrap().into_inner();
        let decided = api::DecideRepairRequest {
            repair_id: filed.repair_id,
            outcome: outcome.into(),
            explanation: "经核实。".into(),
            document_number: if number == "修" { String::new() } else { named(serial, number) },
            ..Default::default()
        };
        chief.repairs.decide_repair(decided).await.unwrap();
    }
    listing
}

async fn upheld(world: &World, serial: u32, list: &api::List) -> String {
    let listing = listed(world, serial, list).await;
    let object = api::CreateObjectionRequest {
        listing: listing.clone(),
        reason: "名单所载事实与实际不符".into(),
        evidence: "银行回单".into(),
        ..Default::default()
    };
    let filed =
        world.enterprise(&code(serial)).objections.create_objection(object).await.unwrap().into_inner();
    let decided = api::DecideObjectionRequest {
        objection_id: filed.objection_id,
        outcome: api::objection::State::Upheld.into(),
        explanation: "经核实，异议成立。".into(),
        ..Default::default()
    };
    world.of("hrss", "chief").objections.decide_objection(decided).await.unwrap();
    listing
}

async fn revoked(world: &World, serial: u32, list: &api::List) -> String {
    let listing = listed(world, serial, list).await;
    let request = api::RevokeListingRequest {
        listing: listing.clone(),
        document_number: "虚构行政复议决定书（虚构府复〔2026〕1号）".into(),
        text: "原决定认定事实不清。".into(),
        ..Default::default()
    };
    world.of("hrss", "chief").listings.revoke_listing(request).await.unwrap();
    listing
}

// Every paper of a list's cases and listings with what it says, by case.
async fn all(world: &World, list: &api::List) -> Vec<(api::Paper, String)> {
    world.office().lists.put_list(put_list(list.clone())).await.unwrap();
    let (mut clerk, mut chief) = (world.of("hrss", "clerk"), world.of("hrss", "chief"));
    let mut cases =
        vec![contested(world, 1, list).await, upheld(world, 2, list).await, revoked(world, 3, list).await];
    let ending = listed(world, 4, list).await;
    let unlisted = reviewed(world, 5, list).await;
    let decision = api::DecideCaseRequest {
        document_number: named(5, "不"),
        text: "所提情形经核查不足以认定。".into(),
        ..decide(&unlisted, "2026-03-13", Outcome::Drop)
    };
    chief.cases.decide_case(decision).await.unwrap();
    let dropped = clerk.cases.create_case(propose(&list.list_id, &code(5))).await.unwrap().into_inner();
    let end = api::CaseStepRequest {
        document_number: named(5, "终"),
        text: "线索有误，不再办理。".into(),
        ..step(&dropped, "")
    };
    clerk.cases.drop_case(end).await.unwrap();
    cases.extend([ending.clone(), unlisted.case_id, dropped.case_id]);
    world.trial.boot.clock.set("2029-04-01T01:00:00Z".parse().unwrap());
    let of = |case: &str| api::GetPapersRequest { case: case.into(), ..Default::default() };
    eventually("the exit notice", || async {
        let found =
            world.of("hrss", "clerk").papers.get_papers(of(&ending)).await.unwrap().into_inner().papers;
        found.iter().any(|paper| paper.kind() == Kind::ExitNotice)
    })
    .await;
    let mut papers = Vec::new();
    for case in cases {
        for paper in clerk.papers.get_papers(of(&case)).await.unwrap().into_inner().papers {
            let request = api::DownloadPaperRequest {
                paper_id: paper.paper_id.clone(),
                format: Format::Docx.into(),
                ..Default::default()
            };
            let docx = clerk.papers.download_paper(request.clone()).await.unwrap().into_inner().data;
            let text = words(docx);
            is_whole(&paper, &text);
            papers.push((paper, text));
        }
    }
    papers
}

fn kinds(papers: &[(api::Paper, String)]) -> BTreeMap<Kind, usize> {
    let mut found = BTreeMap::new();
    for (paper, _) in papers {
        *found.entry(paper.kind()).or_default() += 1;
    }
    found
}

fn of(papers: &[(api::Paper, String)], kind: Kind) -> Vec<(&str, &str, &str)> {
    let kept = papers.iter().filter(|(paper, _)| paper.kind() == kind);
    kept.map(|(paper, text)| (paper.title.as_str(), paper.document_number.as_str(), text.as_str())).collect()
}

#[tokio::test]
async fn every_paper_of_a_punitive_list_is_whole() {
    let world = World::at("2026-03-16T01:00:00Z").await;
    let papers = all(&world, &punitive()).await;
    let expected = [
        (Kind::Notice, 5),
        (Kind::Answer, 5),
        (Kind::HearingNotice, 5),
        (Kind::LegalOpinion, 5),
        (Kind::Decision, 4),
        (Kind::DecisionNotToList, 1),
        (Kind::RepairGuide, 4),
        (Kind::ServiceReceipt, 4),
        (Kind::Termination, 1),
        (Kind::RepairDecision, 2),
        (Kind::Removal, 1),
        (Kind::ExitNotice, 1),
        (Kind::ObjectionDecision, 2),
    ];
    assert_eq!(kinds(&papers), BTreeMap::from(expected));
    let notice = of(&papers, Kind::Notice)[0].2;
    for part in [
        "318,600.00元",
        "《虚构信用管理办法》第八条",
        "公示期限：3年",
        "书面申请听证",
        "提前移出条件",
        "行政复议",
    ] {
        assert!(notice.contains(part), "{part}: {notice}");
    }
    let decision = of(&papers, Kind::Decision)[0].2;
    for part in
        ["虚构人社告〔2026〕1号", "2026年3月4日提出陈述、申辩", "经复核，部分采纳", "2026年3月10日举行了听证"]
    {
        assert!(decision.contains(part), "{part}: {decision}");
    }
    let not_listed = of(&papers, Kind::DecisionNotToList)[0];
    assert!(not_listed.2.contains("决定不予列入"), "{}", not_listed.2);
    let receipt = of(&papers, Kind::ServiceReceipt)[0].2;
    assert!(receipt.contains("《列入决定书》、《信用修复告知书》（虚构人社决〔2026〕1号）"), "{receipt}");
    let repairs: Vec<&str> = of(&papers, Kind::RepairDecision).iter().map(|repair| repair.0).collect();
    assert_eq!(repairs, ["不予信用修复决定书", "准予信用修复决定书"]);
}

#[tokio::test]
async fn every_paper_of_a_reward_list_is_whole_and_in_its_own_terms() {
    let world = World::at("2026-03-16T01:00:00Z").await;
    let papers = all(&world, &reward()).await;
    let expected = [
        (Kind::Publicity, 5),
        (Kind::Answer, 5),
        (Kind::LegalOpinion, 5),
        (Kind::Decision, 4),
        (Kind::DecisionNotToList, 1),
        (Kind::ServiceReceipt, 4),
        (Kind::Termination, 1),
        (Kind::RepairDecision, 2),
        (Kind::Removal, 1),
        (Kind::ExitNotice, 1),
        (Kind::ObjectionDecision, 2),
    ];
    assert_eq!(kinds(&papers), BTreeMap::from(expected));
    for (paper, text) in &papers {
        for foreign in ["失信", "惩戒", "信用修复", "移出", "处罚", "陈述", "列入", "解除措施"]
        {
            assert!(!text.contains(foreign), "{} says {foreign}: {text}", paper.template);
        }
        let names_it = paper.kind() == Kind::ServiceReceipt || text.contains("虚构劳动保障诚信典型企业");
        assert!(names_it, "{}: {text}", paper.template);
    }
    let titles = |kind| of(&papers, kind).iter().map(|one| one.0).collect::<Vec<_>>();
    assert_eq!(titles(Kind::RepairDecision), ["不予退出决定书", "准予退出决定书"]);
    assert_eq!(titles(Kind::DecisionNotToList), ["不予认定决定书"]);
    assert_eq!(titles(Kind::Removal), ["退出决定书"]);
    assert_eq!(titles(Kind::ExitNotice), ["期满退出告知书"]);
    // Numbers that the system makes are of leaving, too.
    assert_eq!(of(&papers, Kind::RepairDecision)[1].1, "虚构人社决〔2026〕1号（退出2026-03-16）");
    assert_eq!(of(&papers, Kind::Removal)[0].1, "虚构人社决〔2026〕3号（退出）");
    assert_eq!(of(&papers, Kind::ExitNotice)[0].1, "虚构人社决〔2026〕4号（期满退出）");
    let decision = of(&papers, Kind::Decision)[0].2;
    for part in
        ["认定为“虚构劳动保障诚信典型企业”", "公示期间于2026年3月4日收到异议", "有效期限：2年", "行政复议"]
    {
        assert!(decision.contains(part), "{part}: {decision}");
    }
    let refused = of(&papers, Kind::DecisionNotToList)[0].2;
    assert!(refused.contains("行政复议") && refused.contains("决定不予认定"), "{refused}");
}
