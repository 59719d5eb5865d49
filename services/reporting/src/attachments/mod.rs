//! Attachments 附件: files of plans, summaries and cases; told by their content, bounded, hashed, kept once, given back as they came.
mod rows;
mod rules;

use std::sync::Arc;

use chassis::{
    Answer, Context, Fault, Tx,
    clock::wire,
    decisions::{self, Decision},
    file::File,
    ids,
    page::Page,
    validation,
};
use contract::reporting::v1::{self as api, ErrorReason};
use sea_orm::ConnectionTrait;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tonic::Streaming;

pub use self::rows::of;
use self::rules::Parent;
use crate::{Reporting, effect_cases, refusals, summaries, work_plans};

/// Takes a file in.
pub async fn attach(
    app: &Arc<Reporting>,
    context: &Context,
    mut parts: Streaming<api::AttachRequest>,
) -> Answer<api::Attachment> {
    let first = parts.message().await?.unwrap_or_default();
    validation::check(&first)?;
    refusals::personal([(String::from("name"), first.name.as_str())])?;
    let parent = Parent::parse(&first.parent)?;
    // Who may not is told before the file has come.
    open(app.store.read(), context, parent).await?;
    let declared = first.file.as_ref().map(|file| file.content_type.clone()).unwrap_or_default();
    let (mut body, mut bytes) = (Vec::new(), 0);
    let mut next = Some(first.clone());
    while let Some(part) = next {
        let data = part.file.unwrap_or_default().data;
        bytes += data.len();
        // What is too large is read to its end and kept nowhere: who is cut off while sending never sees the refusal.
        if bytes > rules::READ_MAX {
            return Err(rules::too_large());
        }
        if bytes > rules::BYTES_MAX {
            body = Vec::new();
        } else {
            body.extend(data);
        }
        next = parts.message().await?;
    }
    if bytes > rules::BYTES_MAX {
        return Err(rules::too_large());
    }
    let kind = rules::judge(&body, &declared, &first.name)?;
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
    // It may have been handed in while the file came.
    let department = open(&*tx, context, parent).await?;
    let known = rows::of(&*tx, &first.parent).await?;
    if let Some(known) = known.iter().find(|known| known.sha256 == sha256) {
        // The same file again: what was kept is the answer.
        return Ok(known.clone());
    }
    if known.len() >= rules::FILES_MAX {
        return Err(rules::too_many());
    }
    let attachment = api::Attachment {
        attachment_id: ids::fresh(context.now)?,
        parent: first.parent.clone(),
        name: first.name.trim().to_owned(),
        role: first.role,
        content_type: kind.media_type().to_owned(),
        bytes: i32::try_from(body.len()).unwrap_or(i32::MAX),
        sha256,
        attach_time: Some(wire(context.now)),
        attached_by: context.caller.name().to_owned(),
    };
    if !rows::insert(&tx, &attachment, context.now, &body).await? {
        return Err(refusals::changed_meanwhile());
    }
    record(&tx, context, "attachment.added", &department, &attachment).await?;
    tx.commit().await?;
    Ok(attachment)
}

// The department whose it is, refused where the caller may not change it now.
async fn open(db: &impl ConnectionTrait, context: &Context, parent: Parent<'_>) -> Answer<String> {
    match parent {
        Parent::Plan(id) => work_plans::open(db, context, id).await,
        Parent::Summary(id) => summaries::open(db, context, id).await,
        Parent::Case(id) => effect_cases::open(db, context, id).await,
    }
}

async fn record(
    tx: &Tx,
    context: &Context,
    kind: &str,
    department: &str,
    attachment: &api::Attachment,
) -> Answer<()> {
    let detail = json!({ "attachment": attachment.attachment_id, "parent": attachment.parent,
        "name": attachment.name, "sha256": attachment.sha256 });
    decisions::record(tx, context, Decision { kind, subject: department, basis: "", detail }).await
}

// Refuses who may not look, and what is not there.
async fn look(app: &Arc<Reporting>, context: &Context, parent: &str, purpose: &str) -> Answer<()> {
    let db = app.store.read();
    match Parent::parse(parent)? {
        Parent::Plan(id) => work_plans::find(db, id).await.map(drop),
        Parent::Summary(id) => summaries::find(db, id).await.map(drop),
        // The evidence tells of an enterprise.
        Parent::Case(id) => effect_cases::look(app, context, id, purpose).await,
    }
}

/// Lists attachments.
pub async fn list(
    app: &Arc<Reporting>,
    context: &Context,
    request: api::ListAttachmentsRequest,
) -> Answer<api::ListAttachmentsResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    look(app, context, &request.parent, &request.purpose).await?;
    let mut attachments = rows::page(app.store.read(), &request.parent, &page).await?;
    let next_page_token = page.cut(&mut attachments, |one| one.attachment_id.clone());
    Ok(api::ListAttachmentsResponse { attachments, next_page_token })
}

/// Gives an attachment's bytes.
pub async fn download(
    app: &Arc<Reporting>,
    context: &Context,
    request: api::DownloadAttachmentRequest,
) -> Answer<File> {
    let found = named(app.store.read(), &request.attachment).await?;
    look(app, context, &found.parent, &request.purpose).await?;
    let (store, id) = (app.store.clone(), found.attachment_id);
    let file = File::in_parts(context, found.content_type, move |part| {
        let (store, id) = (store.clone(), id.clone());
        async move { rows::part(store.read(), &id, part).await }
    });
    Ok(file.tagged(&found.sha256).sized(u64::try_from(found.bytes).map_err(Fault::internal)?))
}

async fn named(db: &impl ConnectionTrait, id: &str) -> Answer<api::Attachment> {
    rows::find(db, id).await?.ok_or_else(|| Fault::not_found("attachment", "附件", id))
}

/// Removes an attachment; that it was there, and its hash, stays in the record of decisions.
pub async fn remove(
    _: &Arc<Reporting>,
    context: &Context,
    tx: &Tx,
    request: api::RemoveAttachmentRequest,
) -> Answer<api::Attachment> {
    let attachment = named(&**tx, &request.attachment).await?;
    let department = open(&**tx, context, Parent::parse(&attachment.parent)?).await?;
    rows::remove(tx, &attachment.attachment_id).await?;
    record(tx, context, "attachment.removed", &department, &attachment).await?;
    Ok(attachment)
}
