//! Papers: written with the step, kept with their digests, shown as drafts before.
use chassis::trial::reason;
use contract::discipline::v1::{
    self as api,
    case::Outcome,
    paper::{Format, Kind},
};
use sha2::{Digest, Sha256};
use tonic::Code;

use super::world::{Client, LIST, World, code, decide, list, propose, put_list, step};

async fn papers(client: &mut Client, case: &str) -> Vec<api::Paper> {
    let request = api::GetPapersRequest { case: case.into(), ..Default::default() };
    client.papers.get_papers(request).await.unwrap().into_inner().papers
}

async fn file(client: &mut Client, paper: &api::Paper, format: Format) -> Vec<u8> {
    let request = api::DownloadPaperRequest {
        paper_id: paper.paper_id.clone(),
        format: format.into(),
        ..Default::default()
    };
    let body = client.papers.download_paper(request).await.unwrap().into_inner();
    assert_eq!(body.content_type.contains("pdf"), format != Format::Docx);
    body.data
}

fn digest(data: &[u8]) -> String {
    Sha256::digest(data).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn preview(case: &str, kind: Kind, format: Format) -> api::PreviewPaperRequest {
    api::PreviewPaperRequest {
        case: case.into(),
        kind: kind.into(),
        format: format.into(),
        ..Default::default()
    }
}

#[tokio::test]
async fn each_step_that_has_a_number_has_its_paper() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let (mut clerk, mut chief, mut own) =
        (world.of("hrss", "clerk"), world.of("hrss", "chief"), world.enterprise(&code(1)));
    let facts = "2025年第四季度拖欠12名农民工工资合计318,600.00元，经责令限期支付逾期仍不支付。";
    let evidence = vec![
        String::from("劳动保障监察限期改正指令书（虚构人社监令〔2026〕1号）"),
        String::from("工资支付台账"),
    ];
    let request = api::CreateCaseRequest { facts: facts.into(), evidence, ..propose(LIST, &code(1)) };
    let case = clerk.cases.create_case(request).await.unwrap().into_inner();
    let id = case.case_id.as_str();
    assert!(papers(&mut clerk, id).await.is_empty());
    let draft =
        clerk.papers.preview_paper(preview(id, Kind::Notice, Format::Pdf)).await.unwrap().into_inner();
    assert!(draft.data.starts_with(b"%PDF"));
    assert!(papers(&mut clerk, id).await.is_empty(), "a draft is kept nowhere");

    let notified = clerk.cases.notify_case(step(&case, "2026-02-13")).await.unwrap().into_inner();
    let written = notified.steps[1].papers.clone();
    assert_eq!(written.len(), 1);
    let notice = &written[0];
    assert_eq!((notice.kind(), notice.document_number.as_str()), (Kind::Notice, "虚构人社〔2026〕1号"));
    assert_eq!((notice.template.as_str(), notice.on.as_str()), ("NOTICE/PUNITIVE@2", "2026-02-13"));
    assert_eq!(notice.title, "列入事先告知书");
    let (pdf, docx) =
        (file(&mut clerk, notice, Format::Unspecified).await, file(&mut clerk, notice, Format::Docx).await);
    assert_eq!((digest(&pdf), digest(&docx)), (notice.pdf_digest.clone(), notice.docx_digest.clone()));
    clerk.cases.record_defence(step(&case, "2026-02-14")).await.unwrap();
    let answer = api::AnswerDefenceRequest {
        case: id.into(),
        on: "2026-02-24".into(),
        document_number: "虚构人社复〔2026〕1号".into(),
        text: "所提付款凭证与工资台账不符".into(),
        answer: api::step::Answer::NotAdopted.into(),
        ..Default::default()
    };
    clerk.cases.answer_defence(answer).await.unwrap();
    let decided = chief.cases.decide_case(decide(&case, "", Outcome::List)).await.unwrap().into_inner();
    let kinds: Vec<Kind> = decided.steps.last().unwrap().papers.iter().map(api::Paper::kind).collect();
    assert_eq!(kinds, [Kind::Decision, Kind::RepairGuide], "two papers are served together");
    let decision = decided.steps.last().unwrap().papers[0].clone();
    let served = clerk.cases.serve_case(step(&case, "")).await.unwrap().into_inner();
    let receipt: Vec<Kind> = served.steps.last().unwrap().papers.iter().map(api::Paper::kind).collect();
    assert_eq!(receipt, [Kind::ServiceReceipt]);
    let listed = clerk.cases.publish_case(step(&case, "")).await.unwrap().into_inner();
    let request = api::GetCaseRequest { case: id.into(), ..Default::default() };
    let seen = clerk.cases.get_case(request).await.unwrap().into_inner();
    assert_eq!(seen.steps, listed.steps, "every answer says the same");

    // The enterprise sees what was addressed to it; a stranger's client nothing.
    let of_own: Vec<Kind> = papers(&mut own, id).await.iter().map(api::Paper::kind).collect();
    let all = [Kind::Notice, Kind::Answer, Kind::Decision, Kind::RepairGuide, Kind::ServiceReceipt];
    assert_eq!(of_own, all);
    assert_eq!(digest(&file(&mut own, &decision, Format::Pdf).await), decision.pdf_digest);
    let mut other = world.enterprise(&code(2));
    let request = api::DownloadPaperRequest { paper_id: decision.paper_id, ..Default::default() };
    assert_eq!(other.papers.download_paper(request).await.unwrap_err().code(), Code::NotFound);
    let request = api::GetPapersRequest { case: id.into(), ..Default::default() };
    assert_eq!(other.papers.get_papers(request).await.unwrap_err().code(), Code::NotFound);
    let hidden = own.papers.preview_paper(preview(id, Kind::Decision, Format::Pdf)).await.unwrap_err();
    assert_eq!(hidden.code(), Code::NotFound);
    for unknown in [Kind::Answer, Kind::Unspecified] {
        let refused = clerk.papers.preview_paper(preview(id, unknown, Format::Pdf)).await.unwrap_err();
        assert_eq!(reason(&refused), "FIELD_INVALID");
    }
    let refused = clerk.papers.preview_paper(preview(id, Kind::Publicity, Format::Pdf)).await.unwrap_err();
    assert_eq!(reason(&refused), "FIELD_INVALID", "a punitive list's proposals are not publicised");
    let docx =
        clerk.papers.preview_paper(preview(id, Kind::RepairGuide, Format::Docx)).await.unwrap().into_inner();
    assert!(docx.data.starts_with(b"PK"));
}

#[tokio::test]
async fn an_exit_has_its_paper_too() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    world
        .office()
        .lists
        .put_list(put_list(api::List { repair_after_months: 0, ..list(LIST) }))
        .await
        .unwrap();
    let (mut clerk, mut chief) = (world.of("hrss", "clerk"), world.of("hrss", "chief"));
    let first = world.listed(LIST, &code(1), "2026-02-13", "2026-02-26").await.case_id;
    let second = world.listed(LIST, &code(2), "2026-02-13", "2026-02-26").await.case_id;
    let request = api::CreateRepairRequest {
        listing: first.clone(),
        reason: "已全部付清".into(),
        evidence: "付款凭证".into(),
        commitment: "信用承诺书".into(),
        ..Default::default()
    };
    let repair = clerk.repairs.create_repair(request).await.unwrap().into_inner();
    let personal = api::DecideRepairRequest {
        repair_id: repair.repair_id.clone(),
        outcome: api::repair::State::Approved.into(),
        explanation: "符合条件".into(),
        document_number: "11010519491231002X".into(),
        ..Default::default()
    };
    let refused = chief.repairs.decide_repair(personal.clone()).await.unwrap_err();
    assert_eq!(reason(&refused), "PERSONAL_IDENTITY_NUMBER");
    let numbered =
        api::DecideRepairRequest { document_number: "虚构人社修〔2026〕1号".into(), ..personal };
    chief.repairs.decide_repair(numbered).await.unwrap();
    let last = papers(&mut clerk, &first).await.pop().unwrap();
    assert_eq!((last.kind(), last.title.as_str()), (Kind::RepairDecision, "准予信用修复决定书"));
    let revoke = api::RevokeListingRequest {
        listing: second.clone(),
        document_number: "虚构行复决〔2026〕1号".into(),
        removal_number: "虚构人社移〔2026〕1号".into(),
        text: "复议撤销原决定".into(),
        ..Default::default()
    };
    chief.listings.revoke_listing(revoke).await.unwrap();
    let last = papers(&mut clerk, &second).await.pop().unwrap();
    assert_eq!((last.kind(), last.document_number.as_str()), (Kind::Removal, "虚构人社移〔2026〕1号"));

    // Without a number of its own it bears that of the decision.
    let third = world.listed(LIST, &code(3), "2026-02-13", "2026-02-26").await.case_id;
    let revoke = api::RevokeListingRequest {
        listing: third.clone(),
        document_number: "虚构行复决〔2026〕2号".into(),
        text: "复议撤销原决定".into(),
        ..Default::default()
    };
    let personal =
        api::RevokeListingRequest { removal_number: "11010519491231002X".into(), ..revoke.clone() };
    let refused = chief.listings.revoke_listing(personal).await.unwrap_err();
    assert_eq!(reason(&refused), "PERSONAL_IDENTITY_NUMBER");
    chief.listings.revoke_listing(revoke).await.unwrap();
    let last = papers(&mut clerk, &third).await.pop().unwrap();
    assert_eq!(
        (last.kind(), last.document_number.as_str()),
        (Kind::Removal, "虚构人社决〔2026〕1号（移出）")
    );
}

// The only paper of a kind, whose files are as their digests say; the enterprise sees it as its department does, a stranger does not.
async fn only(world: &World, serial: u32, listing: &str, kind: Kind) -> api::Paper {
    let (mut clerk, mut own) = (world.of("hrss", "clerk"), world.enterprise(&code(serial)));
    let written = papers(&mut clerk, listing).await;
    assert!(papers(&mut own, listing).await.iter().any(|paper| paper.kind() == kind));
    let mut of_kind = written.into_iter().filter(|paper| paper.kind() == kind);
    let paper = of_kind.next().unwrap();
    assert!(of_kind.next().is_none(), "{kind:?} was written twice");
    let (pdf, docx) =
        (file(&mut own, &paper, Format::Pdf).await, file(&mut clerk, &paper, Format::Docx).await);
    assert_eq!((digest(&pdf), digest(&docx)), (paper.pdf_digest.clone(), paper.docx_digest.clone()));
    assert!(paper.unprintable.is_empty(), "{:?}", paper.unprintable);
    let request = api::DownloadPaperRequest { paper_id: paper.paper_id.clone(), ..Default::default() };
    let refused = world.enterprise(&code(5)).papers.download_paper(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    paper
}

#[tokio::test]
async fn an_objection_is_answered_by_a_paper() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let mut chief = world.of("hrss", "chief");
    let decided = [
        (1, api::objection::State::Upheld, "虚构人社异〔2026〕1号", "虚构人社异〔2026〕1号"),
        (2, api::objection::State::Rejected, "", "虚构人社决〔2026〕1号（异议处理2026-03-02）"),
    ];
    for (serial, outcome, number, told) in decided {
        let listing = world.listed(LIST, &code(serial), "2026-02-13", "2026-02-26").await.case_id;
        let request = api::CreateObjectionRequest {
            listing: listing.clone(),
            reason: "工资已于列入前付清".into(),
            evidence: "银行回单".into(),
            ..Default::default()
        };
        let filed =
            world.enterprise(&code(serial)).objections.create_objection(request).await.unwrap().into_inner();
        let request = api::DecideObjectionRequest {
            objection_id: filed.objection_id,
            outcome: outcome.into(),
            explanation: "经向开户银行核实".into(),
            document_number: number.into(),
            ..Default::default()
        };
        let personal =
            api::DecideObjectionRequest { document_number: "11010519491231002X".into(), ..request.clone() };
        let refused = chief.objections.decide_objection(personal).await.unwrap_err();
        assert_eq!(reason(&refused), "PERSONAL_IDENTITY_NUMBER");
        // Who filed does not decide, so that nothing is written.
        let refused = world.enterprise(&code(serial)).objections.decide_objection(request.clone()).await;
        assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
        let request = api::DecideObjectionRequest { request_id: format!("once-{serial}"), ..request };
        let first = chief.objections.decide_objection(request.clone()).await.unwrap().into_inner();
        let again = chief.objections.decide_objection(request).await.unwrap().into_inner();
        assert_eq!(first, again);
        let paper = only(&world, serial, &listing, Kind::ObjectionDecision).await;
        assert_eq!((paper.title.as_str(), paper.document_number.as_str()), ("异议处理决定书", told));
        assert_eq!(paper.template, "OBJECTION_DECISION@2");
    }
}

#[tokio::test]
async fn the_end_of_a_term_is_told_by_a_paper() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let listing = world.listed(LIST, &code(1), "2026-02-13", "2026-02-26").await.case_id;
    let written = papers(&mut world.of("hrss", "clerk"), &listing).await;
    assert!(written.iter().all(|paper| paper.kind() != Kind::ExitNotice));
    world.trial.boot.clock.set("2029-02-26T16:00:00Z".parse().unwrap());
    super::world::eventually("the term to end", || async {
        let written = papers(&mut world.of("hrss", "clerk"), &listing).await;
        written.iter().any(|paper| paper.kind() == Kind::ExitNotice)
    })
    .await;
    let paper = only(&world, 1, &listing, Kind::ExitNotice).await;
    assert_eq!((paper.title.as_str(), paper.on.as_str()), ("期满移出告知书", "2029-02-27"));
    assert_eq!(paper.document_number, "虚构人社决〔2026〕1号（期满移出）");
    assert_eq!(paper.template, "EXIT_NOTICE/PUNITIVE@2");
    // The notice and the end are one: what says that it has expired has its paper.
    let request = api::GetListingRequest { listing, ..Default::default() };
    let ended = world.of("hrss", "clerk").listings.get_listing(request).await.unwrap().into_inner();
    assert_eq!(ended.events.last().unwrap().kind(), api::listing_event::Kind::Expired);
}

#[tokio::test]
async fn a_legal_opinion_stays_within_the_house() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let required = Some(api::ProcedureRequirement { required: true, ..Default::default() });
    let procedure = Some(api::Procedure { legal_review: required, ..Default::default() });
    world.office().lists.put_list(put_list(api::List { procedure, ..list("l1") })).await.unwrap();
    let (mut clerk, mut lawyer) = (world.of("hrss", "clerk"), world.of("hrss", "lawyer"));
    let case = clerk.cases.create_case(propose("l1", &code(1))).await.unwrap().into_inner();
    clerk.cases.notify_case(step(&case, "2026-02-13")).await.unwrap();
    let request = api::ReviewLegalityRequest {
        case: case.case_id.clone(),
        document_number: "虚构人社审〔2026〕1号".into(),
        text: "同意".into(),
        review: api::step::Review::Passed.into(),
        ..Default::default()
    };
    let reviewed = lawyer.cases.review_legality(request).await.unwrap().into_inner();
    let opinion = reviewed.steps.last().unwrap().papers[0].clone();
    assert_eq!(opinion.kind(), Kind::LegalOpinion);
    let mut own = world.enterprise(&code(1));
    let kinds: Vec<Kind> = papers(&mut own, &case.case_id).await.iter().map(api::Paper::kind).collect();
    assert_eq!(kinds, [Kind::Notice]);
    let request = api::DownloadPaperRequest { paper_id: opinion.paper_id, ..Default::default() };
    assert_eq!(own.papers.download_paper(request).await.unwrap_err().code(), Code::NotFound);
    let request = api::GetCaseRequest { case: case.case_id, ..Default::default() };
    let seen = own.cases.get_case(request).await.unwrap().into_inner();
    assert!(seen.steps.iter().all(|step| step.papers.iter().all(|paper| paper.kind() == Kind::Notice)));
}
