//! Credit reports 公共信用信息报告: a profile written down once, with a number and a code by which anyone can check it.
mod layout;
mod rows;
mod rules;

use std::{collections::HashMap, sync::Arc};

use chassis::{
    Answer, Context, Fault, Tx,
    clock::{business_day, wire},
    ids,
};
use contract::{
    credit::v1::{self as api, profile::Audience},
    google::api::HttpBody,
};
use jiff::tz::Offset;
use sha2::{Digest, Sha256};

use rows::Issued;
use rules::Party;

use crate::{
    Credit,
    accesses::{self, Asked},
    authorizations,
    items::Item,
    profiles,
    records::rules::may_see,
    subjects,
};

/// A report that is written and not yet kept.
pub struct Draft {
    asked: Asked,
    issued: Issued,
    pdf: Vec<u8>,
}

// The one place where a report looks at a subject: what a profile shows, a report shows.
async fn look(
    app: &Arc<Credit>,
    context: &Context,
    subject: api::Subject,
    audience: Audience,
    items: &[Arc<Item>],
) -> Answer<api::Profile> {
    profiles::cut(app, context, subject, audience, items).await
}

/// Writes a report, before the transaction that keeps it.
pub async fn draft(
    app: &Arc<Credit>,
    context: &Context,
    request: &api::CreateReportRequest,
) -> Answer<Draft> {
    let mut asked = accesses::ask(app, context, &request.uscc, &request.purpose).await?;
    let audience = profiles::audience(context, &asked.subject.uscc);
    let granted = authorizations::granted(app, context, &asked).await?;
    let items = app.catalogue.of_edition(&app.store, asked.edition).await?;
    let items = profiles::visible(&items, audience, &asked.subject.uscc, &granted);
    asked.under(granted.used(&asked.subject.uscc, items.iter().map(Arc::as_ref)));
    let profile = look(app, context, asked.subject.clone(), audience, &items).await?;
    let wording: HashMap<&str, &api::CatalogueItem> =
        items.iter().map(|item| (item.body.item.as_str(), &item.body)).collect();
    let day = business_day(context.now).strftime("%Y%m%d").to_string();
    let number = format!("XH-{day}-{}", rules::code(ids::random()?));
    let mut report = api::Report {
        report_id: ids::fresh(context.now)?,
        verify_path: format!("/credit/v1/public/reports/{number}:verify"),
        number,
        check_code: rules::code(ids::random()?),
        uscc: profile.uscc.clone(),
        subject: profile.subject.clone(),
        audience: audience.into(),
        department: context.caller.department().to_owned(),
        purpose: asked.purpose().to_owned(),
        issued_at: Some(wire(context.now)),
        sections: rules::sections(&profile, &wording),
        omitted: rules::omitted(&profile),
        digest: String::new(),
        unprintable: Vec::new(),
    };
    let document = layout::document(&report, Offset::constant(8).to_datetime(context.now));
    let written = tokio::task::spawn_blocking(move || documents::pdf(&document)).await;
    let rendered = written.map_err(Fault::internal)?.map_err(Fault::internal)?;
    report.digest = hex::encode(Sha256::digest(&rendered.bytes));
    report.unprintable = rendered.missing.iter().map(|&c| format!("U+{:04X}", u32::from(c))).collect();
    let client = context.caller.name().to_owned();
    let issued = Issued { report, client, shown_digest: rules::shown_digest(&profile) };
    Ok(Draft { asked, issued, pdf: rendered.bytes })
}

/// Issues a report: kept, and the look at the subject written down, together.
pub async fn create(
    _: &Arc<Credit>,
    context: &Context,
    tx: &Tx,
    _: api::CreateReportRequest,
    draft: Draft,
) -> Answer<api::Report> {
    let Draft { asked, issued, pdf } = draft;
    accesses::log_within(tx, context, &asked, "report").await?;
    rows::insert(tx, context.now, &issued, pdf).await?;
    Ok(issued.report)
}

/// Gives a report as it was issued.
pub async fn get(
    app: &Arc<Credit>,
    context: &Context,
    request: api::GetReportRequest,
) -> Answer<api::Report> {
    Ok(again(app, context, &request.report_id, &request.purpose).await?.report)
}

/// Gives its file.
pub async fn download(
    app: &Arc<Credit>,
    context: &Context,
    request: api::DownloadReportRequest,
) -> Answer<HttpBody> {
    let issued = again(app, context, &request.report_id, &request.purpose).await?;
    let data = rows::file(app.store.read(), &issued.report.report_id).await?;
    let data = data.ok_or_else(|| rules::not_found(&request.report_id))?;
    Ok(HttpBody { content_type: String::from("application/pdf"), data, extensions: Vec::new() })
}

// A report seen again is a look at the subject again.
async fn again(app: &Arc<Credit>, context: &Context, report_id: &str, purpose: &str) -> Answer<Issued> {
    let issued = rows::get(app.store.read(), report_id).await?;
    let asker = Party {
        client: context.caller.name(),
        department: context.caller.department(),
        enterprise: context.caller.enterprise(),
        office: context.caller.is_office(),
    };
    let issued = issued
        .filter(|issued| rules::may_read(asker, issued.party(), issued.report.audience()))
        .ok_or_else(|| rules::not_found(report_id))?;
    let report = &issued.report;
    let purpose = if purpose.is_empty() { &report.purpose } else { purpose };
    let mut asked = accesses::ask(app, context, &report.uscc, purpose).await?;
    // What was shown under a grant is shown again under one that is in force now, and to no one else but the subject.
    let granted = authorizations::granted(app, context, &asked).await?;
    let items = app.catalogue.of_edition(&app.store, asked.edition).await?;
    let mut used = Vec::new();
    for item in rules::items(report).into_iter().filter_map(|item| items.get(item)) {
        let opened = granted.of(&report.uscc, &item.body.item).is_some();
        if !may_see(&item.body, profiles::audience(context, &report.uscc), opened) {
            return Err(authorizations::required(&item.body));
        }
        used.push(item.as_ref());
    }
    asked.under(granted.used(&report.uscc, used));
    accesses::log(app, context, &asked, &format!("report:{}", report.number)).await?;
    Ok(issued)
}

/// Tells everybody whether a report is genuine and still holds.
pub async fn verify(
    app: &Arc<Credit>,
    context: &Context,
    request: api::VerifyReportRequest,
) -> Answer<api::VerifyReportResponse> {
    let (number, code) = (request.number.trim().to_ascii_uppercase(), rules::code_typed(&request.code));
    let Some(issued) = rows::printed(app.store.read(), &number, &code).await? else {
        return Ok(api::VerifyReportResponse::default());
    };
    let Issued { report, shown_digest, .. } = issued;
    let audience = report.audience();
    let subject = subjects::by_code(&app.store, &report.uscc).await?;
    let current = match subject {
        Some(subject) => {
            let department = if audience == Audience::Subject { "" } else { report.department.as_str() };
            let codes = [report.uscc.as_str()];
            let granted =
                authorizations::for_reading(app, department, &report.purpose, &codes, context.today())
                    .await?;
            let items = app.catalogue.in_force(&app.store).await?;
            let items = profiles::visible(&items, audience, &report.uscc, &granted);
            let now = look(app, context, subject, audience, &items).await?;
            rules::shown_digest(&now) == shown_digest
        }
        None => false,
    };
    Ok(api::VerifyReportResponse {
        genuine: true,
        current,
        issued_at: report.issued_at,
        digest: report.digest,
        subject_name: report.subject.map(|subject| subject.name).unwrap_or_default(),
        uscc: report.uscc,
        audience: audience.into(),
        number: report.number,
    })
}
