//! Attachments: told by their content, bounded, hashed, given back as they came.
use std::io::Write as _;

use chassis::trial::reason;
use contract::{
    google::api::HttpBody,
    reporting::v1::{self as api, AttachmentRole},
};
use futures::StreamExt as _;
use tonic::{Code, Status};

use super::{
    figures::{create, effect_case, summary},
    plans::{plan, submit},
    world::{ALL, Client, World},
};

const PDF: &[u8] = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n%%EOF\n";

fn file(parent: &str, name: &str, content_type: &str, data: &[u8]) -> api::AttachRequest {
    let file = HttpBody { content_type: content_type.into(), data: data.to_vec(), extensions: vec![] };
    let mut request = api::AttachRequest {
        parent: parent.into(),
        name: name.into(),
        file: Some(file),
        ..Default::default()
    };
    request.set_role(AttachmentRole::Evidence);
    request
}

pub async fn attach(client: &mut Client, parts: Vec<api::AttachRequest>) -> Result<api::Attachment, Status> {
    Ok(client.attachments.attach(futures::stream::iter(parts)).await?.into_inner())
}

async fn bytes(client: &mut Client, attachment: &api::Attachment) -> Vec<u8> {
    let request =
        api::DownloadAttachmentRequest { attachment: attachment.attachment_id.clone(), ..Default::default() };
    let answer = client.attachments.download_attachment(request).await.unwrap();
    // The tag by which a download goes on is the hash that is kept.
    assert_eq!(chassis::trial::told(&answer), (attachment.sha256.clone(), attachment.bytes.to_string()));
    let mut parts = answer.into_inner();
    let mut bytes = Vec::new();
    while let Some(part) = parts.next().await {
        let part = part.unwrap();
        assert_eq!(part.content_type, attachment.content_type);
        bytes.extend(part.data);
    }
    bytes
}

fn workbook(macros: bool) -> Vec<u8> {
    let mut file = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for name in ["[Content_Types].xml", "xl/workbook.xml", "xl/vbaProject.bin"] {
        if macros || !name.ends_with("bin") {
            file.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            file.write_all(b"<x/>").unwrap();
        }
    }
    file.finish().unwrap().into_inner()
}

#[tokio::test]
async fn a_file_is_kept_with_its_hash_and_comes_back_as_it_was() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let mut transport = world.of("transport", ALL);
    let draft = transport.plans.create_work_plan(plan("")).await.unwrap().into_inner();
    let parent = format!("workPlans/{}", draft.work_plan_id);
    // In parts, larger than a message of ours.
    let whole: Vec<u8> = [b"%PDF-1.7\n".as_slice(), &vec![7; 1_300_000], b"\n%%EOF"].concat();
    let mut parts: Vec<_> =
        whole.chunks(400_000).map(|part| file(&parent, "方案.pdf", "application/pdf", part)).collect();
    parts[0].sha256 = hex_of(&whole);
    let kept = attach(&mut transport, parts.clone()).await.unwrap();
    assert_eq!(
        (kept.content_type.as_str(), kept.bytes, kept.attached_by.as_str()),
        ("application/pdf", 1_300_015, "transport-client")
    );
    assert_eq!((kept.sha256.as_str(), kept.role()), (hex_of(&whole).as_str(), AttachmentRole::Evidence));
    assert_eq!(attach(&mut transport, parts).await.unwrap(), kept, "the same file is kept once");
    assert_eq!(bytes(&mut world.of("taxation", ALL), &kept).await, whole);
    let book = attach(&mut transport, vec![file(&parent, "表.xlsx", "", &workbook(false))]).await.unwrap();
    let list = api::ListAttachmentsRequest { parent: parent.clone(), page_size: 1, ..Default::default() };
    let first = transport.attachments.list_attachments(list.clone()).await.unwrap().into_inner();
    assert_eq!(first.attachments, [kept]);
    let next = api::ListAttachmentsRequest { page_token: first.next_page_token, ..list };
    assert_eq!(
        transport.attachments.list_attachments(next).await.unwrap().into_inner().attachments,
        std::slice::from_ref(&book)
    );

    let remove =
        api::RemoveAttachmentRequest { attachment: book.attachment_id.clone(), ..Default::default() };
    let strange = world.of("taxation", ALL).attachments.remove_attachment(remove.clone()).await.unwrap_err();
    assert_eq!(reason(&strange), "NOT_OF_DEPARTMENT");
    transport.attachments.remove_attachment(remove.clone()).await.unwrap();
    assert_eq!(transport.attachments.remove_attachment(remove).await.unwrap_err().code(), Code::NotFound);
}

fn hex_of(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(bytes))
}

#[tokio::test]
async fn a_file_that_lies_or_is_too_large_is_refused_with_the_reason() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let mut transport = world.of("transport", ALL);
    let draft = transport.plans.create_work_plan(plan("")).await.unwrap().into_inner();
    let parent = format!("workPlans/{}", draft.work_plan_id);
    for (name, content_type, data, says) in [
        ("方案.pdf", "application/pdf", b"MZ\x90\x00\x03".to_vec(), "no PDF, DOCX"),
        ("方案.docx", "", PDF.to_vec(), "方案.docx"),
        ("照片.pdf", "image/png", PDF.to_vec(), "image/png"),
        ("表.xlsx", "", workbook(false)[..80].to_vec(), "broken off"),
        ("方案.pdf", "", Vec::new(), "empty"),
        ("表.xlsx", "", workbook(true), "macros"),
        ("旧.doc", "", vec![0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1, 0], "before 2007"),
    ] {
        let refused =
            attach(&mut transport, vec![file(&parent, name, content_type, &data)]).await.unwrap_err();
        assert_eq!(
            (refused.code(), reason(&refused).as_str()),
            (Code::InvalidArgument, "ATTACHMENT_TYPE"),
            "{name}"
        );
        assert!(refused.message().contains(says), "{}", refused.message());
    }
    let part = vec![0_u8; 1024 * 1024];
    let large = (0..21).map(|_| file(&parent, "方案.pdf", "", &part)).collect();
    assert_eq!(reason(&attach(&mut transport, large).await.unwrap_err()), "ATTACHMENT_TOO_LARGE");
    let damaged = api::AttachRequest { sha256: "00".into(), ..file(&parent, "方案.pdf", "", PDF) };
    assert_eq!(reason(&attach(&mut transport, vec![damaged]).await.unwrap_err()), "ATTACHMENT_DIGEST");
    for (wrong, code) in [("plans/x", Code::InvalidArgument), ("workPlans/none", Code::NotFound)] {
        let refused = attach(&mut transport, vec![file(wrong, "方案.pdf", "", PDF)]).await.unwrap_err();
        assert_eq!(refused.code(), code);
    }
    let strange = attach(&mut world.of("taxation", ALL), vec![file(&parent, "方案.pdf", "", PDF)]).await;
    assert_eq!(reason(&strange.unwrap_err()), "NOT_OF_DEPARTMENT");
    let reader =
        attach(&mut world.of("transport", "reporting.read"), vec![file(&parent, "方案.pdf", "", PDF)]).await;
    assert_eq!(reason(&reader.unwrap_err()), "SCOPE_MISSING");
    transport.plans.submit_work_plan(submit(&draft)).await.unwrap();
    let late = attach(&mut transport, vec![file(&parent, "方案.pdf", "", PDF)]).await.unwrap_err();
    assert_eq!(reason(&late), "STATE_FORBIDS");
}

#[tokio::test]
async fn summaries_and_cases_have_files_too_and_evidence_is_looked_at_for_a_purpose() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let mut transport = world.of("transport", ALL);
    let case = transport.effect_cases.create_effect_case(create(effect_case())).await.unwrap().into_inner();
    let composed = transport
        .summaries
        .create_summary(summary("D09", "2026-01-01", "2026-02-28"))
        .await
        .unwrap()
        .into_inner();
    for parent in
        [format!("effectCases/{}", case.effect_case_id), format!("summaries/{}", composed.summary_id)]
    {
        let kept = attach(&mut transport, vec![file(&parent, "材料.pdf", "", PDF)]).await.unwrap();
        assert_eq!(bytes(&mut transport, &kept).await, PDF);
        let aimless =
            chassis::access::Claims { default_purpose: String::new(), ..world.claims("transport", ALL) };
        let request = api::DownloadAttachmentRequest { attachment: kept.attachment_id, ..Default::default() };
        let looked = world.client(aimless).attachments.download_attachment(request).await;
        match parent.starts_with("effectCases") {
            true => assert_eq!(reason(&looked.unwrap_err()), "PURPOSE_REQUIRED"),
            false => assert!(looked.is_ok()),
        }
    }
}

#[tokio::test]
async fn a_plan_keeps_fifty_files() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let mut transport = world.of("transport", ALL);
    let draft = transport.plans.create_work_plan(plan("")).await.unwrap().into_inner();
    let parent = format!("workPlans/{}", draft.work_plan_id);
    for number in 0..50_u8 {
        let data = [&[0xFF, 0xD8, 0xFF, number], PDF].concat();
        attach(&mut transport, vec![file(&parent, "照片.jpg", "image/jpeg", &data)]).await.unwrap();
    }
    let refused = attach(&mut transport, vec![file(&parent, "方案.pdf", "", PDF)]).await.unwrap_err();
    assert_eq!(reason(&refused), "ATTACHMENT_TOO_LARGE");
}
