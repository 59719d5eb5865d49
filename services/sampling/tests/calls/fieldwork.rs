//! The visit on the spot: assignments, arrival by a code, photos, signatures.
use chassis::trial::reason;
use contract::{
    google::api::HttpBody,
    grading::v1::scheme::Disclosure,
    sampling::v1::{self as api, visit::Status, visit_signature::Signer},
};
use futures::StreamExt as _;
use sha2::{Digest as _, Sha256};
use tonic::{Code, Request};

use super::world::{World, code, finding, inspector, plan, wrong_fields};

const JPEG: &[u8] = b"\xFF\xD8\xFF\xE0 a photo of a gate";

/// A city with a draw whose visits have teams.
async fn city(plan: api::Plan) -> (World, Vec<api::Visit>) {
    let world = World::new(Disclosure::Departments).await;
    for id in ["i1", "i2", "i3"] {
        world.put_inspector(inspector(id)).await;
    }
    let draw = world.drawn(plan).await;
    let visits = world.visits_of(&draw.draw_id).await;
    (world, visits)
}

async fn assignments(world: &World, request: api::ListAssignmentsRequest) -> api::ListAssignmentsResponse {
    world.fieldwork(world.transport()).list_assignments(request).await.unwrap().into_inner()
}

async fn issued(world: &World, visit: &str) -> String {
    let request = api::IssueArrivalCodeRequest { visit: visit.to_owned(), ..Default::default() };
    world.fieldwork(world.transport()).issue_arrival_code(request).await.unwrap().into_inner().code
}

async fn arrive(
    world: &World,
    visit: &api::Visit,
    code: &str,
    inspectors: &[String],
) -> Result<api::Visit, tonic::Status> {
    let request = api::ArriveAtVisitRequest {
        visit: visit.visit_id.clone(),
        code: code.to_owned(),
        inspectors: inspectors.to_vec(),
        ..Default::default()
    };
    Ok(world.fieldwork(world.transport()).arrive_at_visit(request).await?.into_inner())
}

fn file(visit: &str, content_type: &str, data: &[u8]) -> api::AttachToVisitRequest {
    let file =
        HttpBody { content_type: content_type.to_owned(), data: data.to_vec(), extensions: Vec::new() };
    api::AttachToVisitRequest {
        visit: visit.to_owned(),
        title: "门头照片".to_owned(),
        file: Some(file),
        ..Default::default()
    }
}

async fn attach(
    world: &World,
    parts: Vec<api::AttachToVisitRequest>,
) -> Result<api::Attachment, tonic::Status> {
    let request = Request::new(futures::stream::iter(parts));
    Ok(world.fieldwork(world.transport()).attach_to_visit(request).await?.into_inner())
}

async fn text_of(world: &World, visit: &str) -> api::RecordText {
    let request = api::GetRecordTextRequest { visit: visit.to_owned(), ..Default::default() };
    world.fieldwork(world.transport()).get_record_text(request).await.unwrap().into_inner()
}

async fn sign(world: &World, request: api::SignVisitRequest) -> Result<api::Visit, tonic::Status> {
    Ok(world.fieldwork(world.transport()).sign_visit(request).await?.into_inner())
}

#[tokio::test]
async fn an_inspector_sees_what_is_to_be_done_and_what_is_late() {
    let (world, visits) = city(plan("p")).await;
    let mine: Vec<&api::Visit> =
        visits.iter().filter(|visit| visit.inspectors.contains(&"i1".to_owned())).collect();
    let of = |inspector: &str| api::ListAssignmentsRequest {
        inspector: inspector.to_owned(),
        ..Default::default()
    };
    let listed = assignments(&world, of("i1")).await;
    let mut expected: Vec<&str> = mine.iter().map(|visit| visit.visit_id.as_str()).collect();
    expected.sort_unstable();
    let found: Vec<&str> = listed.visits.iter().map(|visit| visit.visit_id.as_str()).collect();
    assert_eq!(found, expected);
    assert_eq!((listed.planned as usize, listed.overdue), (mine.len(), 0));
    assert!(listed.visits.iter().all(|visit| visit.inspection_items == ["operation"]));
    assert_eq!(assignments(&world, of("i9")).await.visits.len(), 0);
    // Pages follow one another.
    let first = assignments(&world, api::ListAssignmentsRequest { page_size: 2, ..of("") }).await;
    let rest = api::ListAssignmentsRequest { page_token: first.next_page_token.clone(), ..of("") };
    assert_eq!((first.visits.len(), assignments(&world, rest).await.visits.len()), (2, visits.len() - 2));
    let department = |name: &str| api::ListAssignmentsRequest { department: name.to_owned(), ..of("") };
    assert_eq!(assignments(&world, department("transport")).await.visits.len(), visits.len());
    assert_eq!(assignments(&world, department("water")).await.visits.len(), 0);
    let one = api::ListAssignmentsRequest { uscc: visits[0].uscc.to_lowercase(), ..of("") };
    assert_eq!(assignments(&world, one).await.visits.len(), 1);

    // Recorded on 2 March, due by the 30th.
    let recorded = world.record(&visits[0].visit_id, "2026-03-02", "R08").await.unwrap();
    assert!(recorded.publish_basis.contains("20个工作日"), "{}", recorded.publish_basis);
    let late = || api::ListAssignmentsRequest { overdue: true, ..of("") };
    let before = assignments(&world, late()).await;
    assert_eq!((before.visits.len(), before.overdue, before.planned as usize), (0, 0, visits.len() - 1));
    world.set_clock("2026-03-30T16:00:00Z");
    let after = assignments(&world, late()).await;
    assert_eq!((after.visits.len(), after.overdue), (1, 1));
    assert_eq!(
        (after.visits[0].visit_id.as_str(), after.visits[0].overdue),
        (visits[0].visit_id.as_str(), true)
    );
    let planned = api::ListAssignmentsRequest { status: Status::Planned as i32, ..of("") };
    assert_eq!(assignments(&world, planned).await.visits.len(), visits.len() - 1);
    world.publish(&visits[0].visit_id).await.unwrap();
    assert_eq!(assignments(&world, late()).await.overdue, 0);
}

#[tokio::test]
async fn assignments_are_for_officials_with_a_purpose() {
    let (world, visits) = city(plan("p")).await;
    let request = api::ListAssignmentsRequest::default();
    let own = world.enterprise(&visits[0].uscc);
    let denied = world.fieldwork(own).list_assignments(request.clone()).await.unwrap_err();
    assert_eq!(reason(&denied), "NOT_DISCLOSED");
    let unscoped = world.trial.token("transport", "credit.read");
    let denied = world.fieldwork(unscoped).list_assignments(request).await.unwrap_err();
    assert_eq!(reason(&denied), "SCOPE_MISSING");
    let request = api::ListAssignmentsRequest { uscc: "91*".into(), ..Default::default() };
    let masked = world.fieldwork(world.transport()).list_assignments(request).await.unwrap_err();
    assert_eq!(reason(&masked), "CODE_MASKED");
    let request = api::GetVisitRequest { visit: "none".into(), ..Default::default() };
    let missing = world.fieldwork(world.transport()).get_visit(request).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
    let request = api::GetVisitRequest { visit: visits[0].visit_id.clone(), ..Default::default() };
    let got = world.fieldwork(world.transport()).get_visit(request).await.unwrap().into_inner();
    assert_eq!(got, visits[0]);
}

#[tokio::test]
async fn a_notices_code_is_good_once_and_for_its_visit() {
    let (world, visits) = city(plan("p")).await;
    let (visit, other) = (&visits[0], &visits[1]);
    let code = issued(&world, &visit.visit_id).await;
    let foreign = arrive(&world, other, &code, &other.inspectors).await.unwrap_err();
    assert_eq!(
        (foreign.code(), reason(&foreign).as_str()),
        (Code::FailedPrecondition, "ARRIVAL_CODE_FOREIGN")
    );
    let alone = arrive(&world, visit, &code, &visit.inspectors[..1]).await.unwrap_err();
    assert_eq!(wrong_fields(&alone), ["inspectors"]);
    let twice = vec![visit.inspectors[0].clone(), visit.inspectors[0].clone()];
    assert_eq!(wrong_fields(&arrive(&world, visit, &code, &twice).await.unwrap_err()), ["inspectors[1]"]);
    let stranger = vec![visit.inspectors[0].clone(), "i9".to_owned()];
    let stranger = arrive(&world, visit, &code, &stranger).await.unwrap_err();
    assert_eq!(reason(&stranger), "INSPECTOR_NOT_ON_TEAM");
    let mut changed = code.clone();
    let last = if changed.pop() == Some('0') { '1' } else { '0' };
    changed.push(last);
    let invalid = arrive(&world, visit, &changed, &visit.inspectors).await.unwrap_err();
    assert_eq!((invalid.code(), reason(&invalid).as_str()), (Code::InvalidArgument, "ARRIVAL_CODE_INVALID"));

    world.set_clock("2026-03-02T02:30:00Z");
    let arrived = arrive(&world, visit, &code, &visit.inspectors).await.unwrap();
    assert_eq!(arrived.arrived_inspectors, {
        let mut team = visit.inspectors.clone();
        team.sort();
        team
    });
    assert_eq!(arrived.arrived_at.unwrap().seconds, 1_772_418_600);
    let again = arrive(&world, visit, &code, &visit.inspectors).await.unwrap_err();
    assert_eq!(reason(&again), "ARRIVAL_CODE_USED");
    // A visit that was made has no arrival any more, and no notice.
    world.record(&visit.visit_id, "2026-03-02", "R01").await.unwrap();
    let late = arrive(&world, visit, &code, &visit.inspectors).await.unwrap_err();
    assert_eq!(reason(&late), "VISIT_STATE");
    let request = api::IssueArrivalCodeRequest { visit: visit.visit_id.clone(), ..Default::default() };
    let late = world.fieldwork(world.transport()).issue_arrival_code(request.clone()).await.unwrap_err();
    assert_eq!(reason(&late), "VISIT_STATE");
    let water = world.trial.token("water", "sampling.read");
    let denied = world.fieldwork(water).issue_arrival_code(request).await.unwrap_err();
    assert_eq!(reason(&denied), "OTHER_DEPARTMENT");
    // One on a notice ends with the plan's period.
    let code = issued(&world, &other.visit_id).await;
    world.set_clock("2026-06-30T16:00:00Z");
    let expired = arrive(&world, other, &code, &other.inspectors).await.unwrap_err();
    assert_eq!(reason(&expired), "ARRIVAL_CODE_EXPIRED");
}

#[tokio::test]
async fn an_enterprises_code_tells_it_nothing_and_lasts_ten_minutes() {
    let (world, visits) = city(plan("p")).await;
    let show = async |uscc: &str, visit: &str| {
        let request = api::IssueArrivalCodeRequest { visit: visit.to_owned(), ..Default::default() };
        let client = world.fieldwork(world.enterprise(uscc)).issue_arrival_code(request).await;
        client.map(tonic::Response::into_inner)
    };
    // Whoever is not to be visited gets one all the same.
    let spared = (1..=60).map(code).find(|uscc| visits.iter().all(|visit| visit.uscc != *uscc)).unwrap();
    let theirs = show(&spared, "").await.unwrap();
    let foreign = arrive(&world, &visits[0], &theirs.code, &visits[0].inspectors).await.unwrap_err();
    assert_eq!(reason(&foreign), "ARRIVAL_CODE_FOREIGN");
    let named = show(&visits[0].uscc, &visits[0].visit_id).await.unwrap_err();
    assert_eq!(wrong_fields(&named), ["visit"]);
    let request = api::IssueArrivalCodeRequest::default();
    let unnamed = world.fieldwork(world.transport()).issue_arrival_code(request).await.unwrap_err();
    assert_eq!(wrong_fields(&unnamed), ["visit"]);

    world.set_clock("2026-03-02T02:00:00Z");
    let stale = show(&visits[0].uscc, "").await.unwrap();
    assert!(!stale.code.contains(&visits[0].visit_id));
    world.set_clock("2026-03-02T02:11:00Z");
    let expired = arrive(&world, &visits[0], &stale.code, &visits[0].inspectors).await.unwrap_err();
    assert_eq!(reason(&expired), "ARRIVAL_CODE_EXPIRED");
    let fresh = show(&visits[0].uscc, "").await.unwrap();
    world.set_clock("2026-03-02T02:20:50Z");
    arrive(&world, &visits[0], &fresh.code, &visits[0].inspectors).await.unwrap();
}

#[tokio::test]
async fn of_two_arrivals_at_once_one_uses_the_code() {
    let (world, visits) = city(plan("p")).await;
    let visit = &visits[0];
    let code = issued(&world, &visit.visit_id).await;
    let (one, two) = tokio::join!(
        arrive(&world, visit, &code, &visit.inspectors),
        arrive(&world, visit, &code, &visit.inspectors)
    );
    let refused: Vec<String> =
        [one, two].into_iter().filter_map(Result::err).map(|one| reason(&one)).collect();
    assert_eq!(refused, ["ARRIVAL_CODE_USED"]);
}

#[tokio::test]
async fn a_photo_is_kept_once_with_its_hash() {
    let (world, visits) = city(plan("p")).await;
    let visit = visits[0].visit_id.clone();
    let sha256 = hex::encode(Sha256::digest(JPEG));
    // In two messages, as a stream of the gateway comes.
    let first =
        api::AttachToVisitRequest { sha256: sha256.to_uppercase(), ..file(&visit, "image/jpeg", &JPEG[..9]) };
    let rest = api::AttachToVisitRequest {
        file: Some(HttpBody { data: JPEG[9..].to_vec(), ..Default::default() }),
        ..Default::default()
    };
    let kept = attach(&world, vec![first, rest]).await.unwrap();
    assert_eq!(
        (kept.sha256.as_str(), kept.bytes as usize, kept.content_type.as_str()),
        (sha256.as_str(), JPEG.len(), "image/jpeg")
    );
    let again = attach(&world, vec![file(&visit, "", JPEG)]).await.unwrap();
    assert_eq!(again, kept, "the same file is kept once");
    let paper = attach(&world, vec![file(&visit, "application/pdf", b"%PDF-1.7 paper")]).await.unwrap();
    let request = api::ListAttachmentsRequest { visit: visit.clone(), ..Default::default() };
    let listed = world.fieldwork(world.transport()).list_attachments(request).await.unwrap().into_inner();
    assert_eq!(listed.attachments, [kept.clone(), paper]);
    assert_eq!(world.visits_of(&visits[0].draw).await[0].attachments, 2);

    let request = api::DownloadAttachmentRequest {
        visit: visit.clone(),
        attachment: kept.attachment_id.clone(),
        ..Default::default()
    };
    let parts = world.fieldwork(world.transport()).download_attachment(request.clone()).await.unwrap();
    assert_eq!(
        chassis::trial::told(&parts),
        (sha256.clone(), JPEG.len().to_string()),
        "by which a download goes on"
    );
    let parts: Vec<HttpBody> = parts.into_inner().map(Result::unwrap).collect().await;
    let bytes: Vec<u8> = parts.iter().flat_map(|part| part.data.clone()).collect();
    assert_eq!((bytes.as_slice(), parts[0].content_type.as_str()), (JPEG, "image/jpeg"));
    let water = world.trial.token("water", "sampling.read");
    let denied = world.fieldwork(water).download_attachment(request.clone()).await.err().unwrap();
    assert_eq!(reason(&denied), "OTHER_DEPARTMENT");
    let auditor = world.trial.token("audit", "sampling.read sampling.audit");
    assert!(world.fieldwork(auditor).download_attachment(request).await.is_ok());
    let request = api::DownloadAttachmentRequest { visit, attachment: "none".into(), ..Default::default() };
    let missing = world.fieldwork(world.transport()).download_attachment(request).await.err().unwrap();
    assert_eq!(missing.code(), Code::NotFound);
}

#[tokio::test]
async fn files_are_refused_with_their_reason() {
    let (world, visits) = city(plan("p")).await;
    let visit = visits[0].visit_id.clone();
    for (wrong, expected) in [
        (file(&visit, "image/svg+xml", b"<svg onload='alert(1)'/>"), "ATTACHMENT_TYPE"),
        (file(&visit, "image/png", JPEG), "ATTACHMENT_TYPE"),
        (file(&visit, "", b""), "ATTACHMENT_TYPE"),
        (api::AttachToVisitRequest { sha256: "00".into(), ..file(&visit, "", JPEG) }, "ATTACHMENT_DIGEST"),
        (
            api::AttachToVisitRequest {
                title: "负责人 11010519491231002X".into(), ..file(&visit, "", JPEG)
            },
            "PERSONAL_IDENTITY_NUMBER",
        ),
    ] {
        let refused = attach(&world, vec![wrong]).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, expected));
    }
    let mut parts = vec![file(&visit, "image/jpeg", JPEG)];
    parts.extend((0..11).map(|_| file(&visit, "", &[0; 1024 * 1024])));
    assert_eq!(reason(&attach(&world, parts).await.unwrap_err()), "ATTACHMENT_TOO_LARGE");
    let foreign = api::AttachToVisitRequest { inspection_item: "hygiene".into(), ..file(&visit, "", JPEG) };
    assert_eq!(reason(&attach(&world, vec![foreign]).await.unwrap_err()), "INSPECTION_ITEM_UNKNOWN");
    assert_eq!(attach(&world, vec![file("none", "", JPEG)]).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(wrong_fields(&attach(&world, vec![file("", "", JPEG)]).await.unwrap_err()), ["visit"]);
    let request = Request::new(futures::stream::iter(vec![file(&visit, "", JPEG)]));
    let water = world.trial.token("water", "sampling.write");
    let denied = world.fieldwork(water).attach_to_visit(request).await.unwrap_err();
    assert_eq!(reason(&denied), "OTHER_DEPARTMENT");
    assert_eq!(world.visits_of(&visits[0].draw).await[0].attachments, 0, "nothing of it was kept");
    world.record(&visit, "2026-03-02", "R01").await.unwrap();
    world.publish(&visit).await.unwrap();
    assert_eq!(reason(&attach(&world, vec![file(&visit, "", JPEG)]).await.unwrap_err()), "VISIT_STATE");
}

#[tokio::test]
async fn a_visit_keeps_fifty_files() {
    let (world, visits) = city(plan("p")).await;
    let visit = visits[0].visit_id.clone();
    let numbered = |number: u8| [JPEG, &[number]].concat();
    for number in 0..50 {
        attach(&world, vec![file(&visit, "", &numbered(number))]).await.unwrap();
    }
    assert_eq!(
        reason(&attach(&world, vec![file(&visit, "", JPEG)]).await.unwrap_err()),
        "ATTACHMENT_TOO_LARGE"
    );
    attach(&world, vec![file(&visit, "", &numbered(49))]).await.unwrap();
}

#[tokio::test]
async fn both_sides_sign_the_text_as_it_is() {
    let (world, visits) = city(plan("p")).await;
    let visit = visits[0].clone();
    let id = visit.visit_id.clone();
    let request = api::GetRecordTextRequest { visit: id.clone(), ..Default::default() };
    let early = world.fieldwork(world.transport()).get_record_text(request).await.unwrap_err();
    assert_eq!(reason(&early), "VISIT_STATE");
    let paper = attach(&world, vec![file(&id, "", b"%PDF-1.7 signed")]).await.unwrap();
    world.record(&id, "2026-03-02", "R08").await.unwrap();
    let text = text_of(&world, &id).await;
    assert_eq!(text.digest, hex::encode(Sha256::digest(text.text.as_bytes())));
    for part in [&visit.uscc, "R08 发现问题待后续处理", "  见检查笔录", &paper.sha256, "检查日期：2026-03-02"]
    {
        assert!(text.text.contains(part), "{part}: {}", text.text);
    }
    let by = |signer: Signer, inspector: &str| api::SignVisitRequest {
        visit: id.clone(),
        signer: signer as i32,
        inspector: inspector.to_owned(),
        digest: text.digest.clone(),
        ..Default::default()
    };
    let one = by(Signer::Inspector, &visit.inspectors[0]);
    let signed = sign(&world, one.clone()).await.unwrap();
    assert_eq!((signed.signatures.len(), signed.signatures[0].current), (1, true));
    let refusal = api::SignVisitRequest {
        refused: true,
        refusal_reason: "现场代表对第一项有异议，拒绝签字".into(),
        attachment: paper.attachment_id.clone(),
        ..by(Signer::Representative, "")
    };
    let signed = sign(&world, refusal).await.unwrap();
    assert_eq!((signed.signatures.len(), signed.signatures[1].refused), (2, true));
    // Signing twice is signing once.
    assert_eq!(sign(&world, one.clone()).await.unwrap().signatures.len(), 2);

    for (wrong, field) in [
        (by(Signer::Representative, "某某"), "inspector"),
        (by(Signer::Inspector, ""), "inspector"),
        (api::SignVisitRequest { refused: true, ..by(Signer::Representative, "") }, "refusalReason"),
        (api::SignVisitRequest { signer: 0, ..by(Signer::Inspector, "i1") }, "signer"),
    ] {
        assert_eq!(wrong_fields(&sign(&world, wrong).await.unwrap_err()), [field]);
    }
    let stranger = sign(&world, by(Signer::Inspector, "i9")).await.unwrap_err();
    assert_eq!(reason(&stranger), "INSPECTOR_NOT_ON_TEAM");
    let lost = api::SignVisitRequest { attachment: "none".into(), ..by(Signer::Representative, "") };
    assert_eq!(sign(&world, lost).await.unwrap_err().code(), Code::NotFound);
    let water = world.trial.token("water", "sampling.write");
    let denied = world.fieldwork(water).sign_visit(one.clone()).await.unwrap_err();
    assert_eq!(reason(&denied), "OTHER_DEPARTMENT");
    // What is recorded anew has to be signed anew; the old signatures stay, of the old text.
    let mended = world.record(&id, "2026-03-02", "R07").await.unwrap();
    assert!(mended.signatures.len() == 2 && mended.signatures.iter().all(|one| !one.current));
    let stale = sign(&world, one).await.unwrap_err();
    assert_eq!((stale.code(), reason(&stale).as_str()), (Code::FailedPrecondition, "RECORD_CHANGED"));
}

#[tokio::test]
async fn a_plan_may_ask_for_proof_from_the_spot() {
    let (world, visits) = city(api::Plan { proof_on_site: true, ..plan("p") }).await;
    let visit = &visits[0];
    let id = &visit.visit_id;
    let unproven = world.record(id, "2026-03-02", "R01").await.unwrap_err();
    assert_eq!((unproven.code(), reason(&unproven).as_str()), (Code::FailedPrecondition, "PROOF_MISSING"));
    let code = issued(&world, id).await;
    arrive(&world, visit, &code, &visit.inspectors).await.unwrap();
    world.record_all(id, "2026-03-02", vec![finding("operation", "R01")]).await.unwrap();
    let digest = text_of(&world, id).await.digest;
    let by = |signer: Signer, inspector: &str| api::SignVisitRequest {
        visit: id.clone(),
        signer: signer as i32,
        inspector: inspector.to_owned(),
        digest: digest.clone(),
        ..Default::default()
    };
    for request in [
        by(Signer::Inspector, &visit.inspectors[0]),
        by(Signer::Representative, ""),
        by(Signer::Inspector, &visit.inspectors[1]),
    ] {
        assert_eq!(reason(&world.publish(id).await.unwrap_err()), "PROOF_MISSING");
        sign(&world, request).await.unwrap();
    }
    assert_eq!(world.publish(id).await.unwrap().status(), Status::Published);
}
