//! Photos and papers of a visit 现场附件: told by their bytes, bounded, hashed, and kept once.
use std::sync::Arc;

use chassis::{
    Answer, Context, Fault,
    clock::{micros, wire},
    file::File,
    ids,
    page::Page,
    validation,
};
use contract::sampling::v1::{self as api, ErrorReason, visit::Status};
use files::Kind;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tonic::Streaming;

use super::{find, rows};
use crate::{Sampling, rights, visits};

const BYTES_MAX: usize = 10 * 1024 * 1024;
const FILES_MAX: usize = 50;

/// Takes a file in.
pub async fn attach(
    app: &Arc<Sampling>,
    context: &Context,
    mut parts: Streaming<api::AttachToVisitRequest>,
) -> Answer<api::Attachment> {
    let first = parts.message().await?.unwrap_or_default();
    validation::check(&first)?;
    rights::no_identity_number("title", &first.title)?;
    let declared = first.file.as_ref().map(|file| file.content_type.clone()).unwrap_or_default();
    let mut body = Vec::new();
    let mut next = Some(first.clone());
    while let Some(part) = next {
        body.extend(part.file.unwrap_or_default().data);
        if body.len() > BYTES_MAX {
            return Err(too_large(
                "the file is larger than 10 MiB; send it in a smaller resolution",
                "文件超过10 MiB；请降低分辨率后重新上传",
            ));
        }
        next = parts.message().await?;
    }
    let content_type = judge_type(&declared, &body)?;
    let sha256 = hex::encode(Sha256::digest(&body));
    if !first.sha256.is_empty() && !first.sha256.eq_ignore_ascii_case(&sha256) {
        return Err(Fault::invalid(
            ErrorReason::AttachmentDigest.as_str_name(),
            format!("the bytes that arrived have the hash {sha256}, not the one given; send the file again"),
            format!("收到的文件摘要为{sha256}，与所给摘要不符；请重新上传"),
        )
        .at("sha256"));
    }
    let tx = app.store.begin().await?;
    let (visit, plan) = visits::own(&tx, context, &first.visit).await?;
    visits::in_state(
        &visit,
        &[Status::Planned, Status::Recorded],
        "files are attached until its results are published",
        "附件只能在结果公示前上传",
    )?;
    if !first.inspection_item.is_empty() && !plan.inspection_items.contains(&first.inspection_item) {
        let item = &first.inspection_item;
        let foreign = visits::rules::foreign_item("inspectionItem", item, &plan.inspection_items);
        return Err(Fault::fields(vec![foreign]));
    }
    let known = rows::of_visits(&*tx, &[&visit.visit_id]).await?.remove(&visit.visit_id).unwrap_or_default();
    if known.attachments.len() >= FILES_MAX && !known.attachments.iter().any(|(known, _)| *known == sha256) {
        return Err(too_large(
            "the visit has 50 attachments, which is the most",
            "该检查任务已有50个附件，达到上限",
        ));
    }
    let attachment = api::Attachment {
        attachment_id: ids::fresh(context.now)?,
        visit: first.visit,
        title: first.title,
        inspection_item: first.inspection_item,
        content_type: content_type.to_owned(),
        bytes: i32::try_from(body.len()).unwrap_or(i32::MAX),
        sha256,
        attached_at: Some(wire(context.now)),
    };
    if !rows::insert_attachment(&tx, &attachment, micros(context.now), &body).await? {
        // The same file again: what was kept is the answer.
        let kept = rows::attachment(&*tx, &attachment.visit, &attachment.sha256).await?;
        return Ok(kept.unwrap_or(attachment));
    }
    let detail = json!({ "attachment": attachment.attachment_id, "sha256": attachment.sha256 });
    visits::decide(&tx, context, "visit.attached", &visit, detail).await?;
    tx.commit().await?;
    Ok(attachment)
}

// A photo or a paper: of the kinds of files those that are no documents to be worked on.
fn judge_type(declared: &str, body: &[u8]) -> Answer<&'static str> {
    let found = files::tell(body).ok().filter(|kind| matches!(kind, Kind::Jpeg | Kind::Png | Kind::Pdf));
    let found = found.ok_or_else(|| {
        wrong_type(
            "the file is no JPEG, PNG or PDF by its first bytes; send a photo or a paper in one of these",
            "按文件内容判断，不是 JPEG、PNG 或 PDF；请上传此类照片或文书",
        )
    })?;
    let is = found.media_type();
    if found.is_declared_as(declared) {
        return Ok(is);
    }
    Err(wrong_type(
        &format!(
            "the file is said to be {declared} and is {is} by its first bytes; correct the content type"
        ),
        &format!("文件声明为{declared}，按内容判断为{is}；请更正类型"),
    ))
}

fn wrong_type(en: &str, zh: &str) -> Fault {
    Fault::invalid(ErrorReason::AttachmentType.as_str_name(), en, zh).at("file")
}

fn too_large(en: &str, zh: &str) -> Fault {
    Fault::invalid(ErrorReason::AttachmentTooLarge.as_str_name(), en, zh).at("file")
}

/// Lists the attachments of a visit.
pub async fn list(
    app: &Arc<Sampling>,
    context: &Context,
    request: api::ListAttachmentsRequest,
) -> Answer<api::ListAttachmentsResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let (visit, _) = find(app, context, &request.visit, &request.purpose).await?;
    let mut attachments = rows::attachments(app.store.read(), &visit.visit_id, &page).await?;
    let next_page_token = page.cut(&mut attachments, |one| one.attachment_id.clone());
    Ok(api::ListAttachmentsResponse { attachments, next_page_token })
}

/// Gives an attachment's bytes.
pub async fn download(
    app: &Arc<Sampling>,
    context: &Context,
    request: api::DownloadAttachmentRequest,
) -> Answer<File> {
    let (visit, plan) = find(app, context, &request.visit, &request.purpose).await?;
    if !context.caller.has_scope("sampling.audit") {
        rights::act_for(context, plan.departments.iter().map(String::as_str))?;
    }
    let found = rows::attachment(app.store.read(), &visit.visit_id, &request.attachment).await?;
    let found = found.ok_or_else(|| Fault::not_found("attachment", "附件", &request.attachment))?;
    let (store, id) = (app.store.clone(), found.attachment_id);
    let file = File::in_parts(context, found.content_type, move |part| {
        let (store, id) = (store.clone(), id.clone());
        async move { rows::part(store.read(), &id, part).await }
    });
    Ok(file.tagged(&found.sha256).sized(u64::try_from(found.bytes).map_err(Fault::internal)?))
}
