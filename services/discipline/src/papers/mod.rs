//! Papers 文书: written when a step that has a number is taken, kept as they were written, shown as drafts before.
mod content;
mod rows;
mod rules;

use std::{collections::BTreeMap, sync::Arc};

use chassis::{
    Answer, Context, Fault, Tx,
    clock::{from_micros, micros, wire},
    ids,
};
use contract::{
    discipline::v1::{
        self as api, list,
        paper::{Format, Kind},
        step,
    },
    google::api::HttpBody,
};
use documents::Document;
use jiff::civil::Date;
use sea_orm::ConnectionTrait;
use sha2::{Digest, Sha256};

pub use content::{day, department};
pub use rows::of_steps;
pub use rules::Values;

use self::{content::Matter, rows::Files, rules::Template};
use crate::{Discipline, cases, directory, looks};

/// Writes the papers by which a step is done, if it has a number. The step is the last of the case's own.
pub async fn write(
    tx: &Tx,
    context: &Context,
    case: &api::Case,
    list: &api::List,
    done: &api::Step,
) -> Answer<Vec<api::Paper>> {
    let kinds = content::kinds(done, list.kind());
    if done.document_number.is_empty() || kinds.is_empty() {
        return Ok(vec![]);
    }
    let measures = measures(&**tx, list).await?;
    let matter = Matter { case, list, measures: &measures };
    let place = (case.uscc.as_str(), i32::try_from(case.steps.len()).map_err(Fault::internal)?);
    let on = done.on.parse().map_err(Fault::internal)?;
    let mut papers = Vec::new();
    for kind in kinds {
        let sheet = Sheet { kind, list: list.kind(), case_id: &case.case_id, on };
        papers.push(keep(tx, context, sheet, matter.values(kind, done), place).await?);
    }
    Ok(papers)
}

/// What is written, before what it says.
pub struct Sheet<'a> {
    /// What it is.
    pub kind: Kind,
    /// For which kind of list.
    pub list: list::Kind,
    /// The case, and the listing.
    pub case_id: &'a str,
    /// The day that it bears.
    pub on: Date,
}

/// Writes a paper of what happened to a listing, under its number.
pub async fn write_later(
    tx: &Tx,
    context: &Context,
    sheet: Sheet<'_>,
    values: Values,
    uscc: &str,
) -> Answer<api::Paper> {
    keep(tx, context, sheet, values, (uscc, 0)).await
}

async fn keep(
    tx: &Tx,
    context: &Context,
    sheet: Sheet<'_>,
    values: Values,
    place: (&str, i32),
) -> Answer<api::Paper> {
    let template = template(&sheet)?;
    let written = rendered(template.document(&values, sheet.on, false)).await?;
    let digest = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    let paper = api::Paper {
        paper_id: ids::fresh(context.now)?,
        kind: sheet.kind.into(),
        title: template.title(&values),
        document_number: values.get("number").cloned().unwrap_or_default(),
        case_id: sheet.case_id.to_owned(),
        template: template.name(),
        on: sheet.on.to_string(),
        // As the table keeps it, so that every answer says the same.
        written_at: Some(wire(from_micros(micros(context.now)))),
        pdf_digest: digest(&written.files.pdf),
        docx_digest: digest(&written.files.docx),
        unprintable: written.unprintable,
    };
    rows::insert(tx, context.now, &paper, place, written.files).await?;
    Ok(paper)
}

fn template(sheet: &Sheet<'_>) -> Answer<&'static Template> {
    let found = Template::of(sheet.kind, sheet.list, sheet.on);
    found.ok_or_else(|| {
        let list =
            if sheet.list == list::Kind::Reward { ("reward", "激励") } else { ("punitive", "惩戒") };
        let kind = sheet.kind.as_str_name();
        let (en, zh) = (
            format!("{kind} is no paper of a {} list", list.0),
            format!("{}名单没有该文书（{kind}）", list.1),
        );
        Fault::field("kind", en, zh)
    })
}

struct Written {
    files: Files,
    unprintable: Vec<String>,
}

async fn rendered(document: Document) -> Answer<Written> {
    let written = tokio::task::spawn_blocking(move || {
        let pdf = documents::pdf(&document).map_err(Fault::internal)?;
        let docx = documents::docx(&document).map_err(Fault::internal)?;
        let unprintable = pdf.missing.iter().map(|&c| format!("U+{:04X}", u32::from(c))).collect();
        Ok(Written { files: Files { pdf: pdf.bytes, docx }, unprintable })
    });
    written.await.map_err(Fault::internal)?
}

// The names of a list's measures.
async fn measures(db: &impl ConnectionTrait, list: &api::List) -> Answer<BTreeMap<String, String>> {
    let mut names = BTreeMap::new();
    for id in &list.measures {
        if let Some(measure) = directory::current::<api::Measure>(db, id).await? {
            names.insert(id.clone(), measure.wording.name);
        }
    }
    Ok(names)
}

/// Gives the papers of a case.
pub async fn of_case(
    app: &Arc<Discipline>,
    context: &Context,
    request: api::GetPapersRequest,
) -> Answer<api::GetPapersResponse> {
    let purpose = context.purpose(&request.purpose)?;
    let db = app.store.read();
    let (case, _) = cases::seen(db, context, &request.case).await?;
    looks::record(app, context, purpose, &[&case.uscc]).await?;
    let found = rows::of_case(db, &case.case_id).await?;
    let papers = found.into_iter().filter(|(paper, uscc)| may_see(context, paper, uscc));
    Ok(api::GetPapersResponse { papers: papers.map(|(paper, _)| paper).collect() })
}

// An enterprise's own client sees what was addressed to it.
fn may_see(context: &Context, paper: &api::Paper, uscc: &str) -> bool {
    let enterprise = context.caller.enterprise();
    enterprise.is_empty() || (enterprise == uscc && !rules::internal(paper.kind()))
}

/// Of a case's steps leaves out the papers that the caller does not see.
pub fn cut(context: &Context, case: &mut api::Case) {
    let uscc = case.uscc.clone();
    for step in &mut case.steps {
        step.papers.retain(|paper| may_see(context, paper, &uscc));
    }
}

/// Gives a paper's file.
pub async fn download(
    app: &Arc<Discipline>,
    context: &Context,
    request: api::DownloadPaperRequest,
) -> Answer<HttpBody> {
    let (purpose, format) = (context.purpose(&request.purpose)?, format(request.format)?);
    let missing = || Fault::not_found("paper", "文书", &request.paper_id);
    let db = app.store.read();
    let found = rows::get(db, &request.paper_id).await?;
    let (_, uscc) = found.filter(|(paper, uscc)| may_see(context, paper, uscc)).ok_or_else(missing)?;
    looks::record(app, context, purpose, &[&uscc]).await?;
    let data = rows::file(db, &request.paper_id, format).await?.ok_or_else(missing)?;
    Ok(body(format, data))
}

// Unspecified: PDF.
fn format(asked: i32) -> Answer<Format> {
    Format::try_from(asked).map_err(|_| Fault::field("format", "is PDF or DOCX", "应为 PDF 或 DOCX"))
}

fn body(format: Format, data: Vec<u8>) -> HttpBody {
    let content_type = match format {
        Format::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        Format::Pdf | Format::Unspecified => "application/pdf",
    };
    HttpBody { content_type: content_type.to_owned(), data, extensions: Vec::new() }
}

/// Shows a draft of a paper.
pub async fn preview(
    app: &Arc<Discipline>,
    context: &Context,
    request: api::PreviewPaperRequest,
) -> Answer<HttpBody> {
    let (purpose, format) = (context.purpose(&request.purpose)?, format(request.format)?);
    let kind = request.kind();
    if !rules::previewed(kind) {
        return Err(Fault::field(
            "kind",
            "is NOTICE, PUBLICITY, DECISION, DECISION_NOT_TO_LIST or REPAIR_GUIDE; the others say what only their step knows",
            "应为 NOTICE、PUBLICITY、DECISION、DECISION_NOT_TO_LIST 或 REPAIR_GUIDE；其他文书的内容在办理时方能确定",
        ));
    }
    let db = app.store.read();
    let (case, list) = cases::seen(db, context, &request.case).await?;
    // What is not done yet is the department's own.
    if !context.caller.enterprise().is_empty() {
        return Err(Fault::not_found("case", "案件", &request.case));
    }
    looks::record(app, context, purpose, &[&case.uscc]).await?;
    let (names, today) = (measures(db, &list).await?, context.today());
    let sheet = Sheet { kind, list: list.kind(), case_id: &case.case_id, on: today };
    let template = template(&sheet)?;
    let done = match kind {
        Kind::Notice => step::Kind::Notify,
        Kind::Publicity => step::Kind::Publicize,
        _ => step::Kind::Decide,
    };
    let step = api::Step {
        kind: done.into(),
        on: today.to_string(),
        department: context.caller.department().to_owned(),
        document_number: String::from("（文号待定）"),
        ..Default::default()
    };
    let values = Matter { case: &case, list: &list, measures: &names }.values(kind, &step);
    let written = rendered(template.document(&values, today, true)).await?;
    let data = if format == Format::Docx { written.files.docx } else { written.files.pdf };
    Ok(body(format, data))
}
