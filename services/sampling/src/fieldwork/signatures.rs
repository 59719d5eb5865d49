//! Signatures 签字确认 under the record of a visit: which text was signed, and by which side.
use std::sync::Arc;

use chassis::{
    Answer, Context, Fault, Tx,
    clock::{from_micros, micros, wire},
};
use contract::sampling::v1::{self as api, ErrorReason, visit::Status, visit_signature::Signer};
use sea_orm::ConnectionTrait;
use serde_json::json;

use super::{
    arrivals::on_team,
    find,
    rows::{self, OnSite},
    rules::{self, Record},
};
use crate::{
    Sampling, rights,
    visits::{self, Details, Stored},
};

/// The text of a visit's record, and its hash.
pub fn record_of(visit: &Stored, plan: &api::Plan, of: &Details, on_site: &OnSite) -> api::RecordText {
    let findings = of.findings();
    let text = rules::record_text(&Record {
        visit: &visit.visit_id,
        uscc: &visit.uscc,
        name: &visit.name,
        inspected_on: &visit.inspected_on,
        departments: &plan.departments,
        inspectors: &of.inspectors,
        arrived_at: (on_site.arrived_at > 0).then(|| from_micros(on_site.arrived_at).to_string()),
        findings: &findings,
        attachments: &on_site.attachments,
    });
    api::RecordText { digest: draw::digest(&text), text }
}

/// The text as it is now.
async fn current(db: &impl ConnectionTrait, visit: &Stored, plan: &api::Plan) -> Answer<api::RecordText> {
    let of = visits::details(db, std::slice::from_ref(visit)).await?.remove(&visit.visit_id);
    let on_site = rows::of_visits(db, &[&visit.visit_id]).await?.remove(&visit.visit_id);
    Ok(record_of(visit, plan, &of.unwrap_or_default(), &on_site.unwrap_or_default()))
}

/// Gives the text of the record.
pub async fn record_text(
    app: &Arc<Sampling>,
    context: &Context,
    request: api::GetRecordTextRequest,
) -> Answer<api::RecordText> {
    let (visit, plan) = find(app, context, &request.visit, &request.purpose).await?;
    visits::in_state(
        &visit,
        &[Status::Recorded, Status::Published],
        "a record has a text once its findings are recorded",
        "检查结果录入后才有笔录",
    )?;
    current(app.store.read(), &visit, &plan).await
}

/// Notes a signature.
pub async fn sign(
    _: &Arc<Sampling>,
    context: &Context,
    tx: &Tx,
    request: api::SignVisitRequest,
) -> Answer<api::Visit> {
    let (visit, plan) = visits::own(tx, context, &request.visit).await?;
    visits::in_state(
        &visit,
        &[Status::Recorded],
        "a record is signed once it is recorded and before it is published",
        "笔录应在录入结果后、公示前签字",
    )?;
    let violations = rules::judge_signature(&request);
    if !violations.is_empty() {
        return Err(Fault::fields(violations));
    }
    rights::no_identity_number("refusalReason", &request.refusal_reason)?;
    if request.signer() == Signer::Inspector {
        on_team("inspector", &request.inspector, &visits::team_of(tx, &visit).await?)?;
    }
    let attachment = match request.attachment.as_str() {
        "" => String::new(),
        id => match rows::attachment(&**tx, &visit.visit_id, id).await? {
            Some(found) => found.attachment_id,
            None => return Err(Fault::not_found("attachment", "附件", id).at("attachment")),
        },
    };
    let now = current(&**tx, &visit, &plan).await?;
    if !request.digest.eq_ignore_ascii_case(&now.digest) {
        let id = &visit.visit_id;
        return Err(Fault::precondition(
            ErrorReason::RecordChanged.as_str_name(),
            format!("the record now has the hash {}; show the text of GET /sampling/v1/visits/{id}/recordText and sign that", now.digest),
            format!("笔录当前摘要为{}；请出示 GET /sampling/v1/visits/{id}/recordText 的文本并据此签字", now.digest),
        )
        .with("digest", &now.digest)
        .at("digest"));
    }
    let signature = api::VisitSignature {
        signer: request.signer,
        inspector: request.inspector,
        digest: now.digest,
        current: true,
        refused: request.refused,
        refusal_reason: request.refusal_reason,
        attachment,
        signed_at: Some(wire(context.now)),
    };
    rows::insert_signature(tx, &visit.visit_id, &signature, micros(context.now)).await?;
    let detail = json!({ "signer": signature.signer().as_str_name(), "inspector": signature.inspector,
        "digest": signature.digest, "refused": signature.refused });
    visits::decide(tx, context, "visit.signed", &visit, detail).await?;
    visits::wire_one(tx, context, &plan, visit).await
}
