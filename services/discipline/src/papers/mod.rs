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
pub use rules::{Values, honour};

use self::{content::Matter, rows::Files, rules::Template};
use crate::{Discipline, cases, directory, looks};

/// A paper before it is printed: all that its files are made of, so that the same sheet gives the same files.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet {
    /// What it is.
    pub kind: Kind,
    /// For which kind of list.
    pub list: list::Kind,
    /// The case, and the listing.
    pub case_id: String,
    /// The day that it bears.
    pub on: Date,
    /// What it says.
    pub values: Values,
}

/// Papers that were printed before the transaction that keeps them, since printing takes longer than a database may be kept waiting.
#[derive(Default)]
pub struct Printed(Vec<(Sheet, Written)>);

impl Printed {
    // A paper that says something else than what was printed is of a matter that was changed in between.
    fn take(&mut self, sheet: &Sheet) -> Answer<Written> {
        let at = self.0.iter().position(|(printed, _)| printed == sheet);
        at.map(|at| self.0.swap_remove(at).1).ok_or_else(|| {
            Fault::aborted(
                api::ErrorReason::MatterChanged.as_str_name(),
                "what the paper tells of was changed by another call meanwhile; look at it and send the step again",
                "文书所载事项刚被其他操作更改；请核对后重新办理",
            )
        })
    }
}

/// Prints sheets, outside of any transaction.
pub async fn print(sheets: Vec<Sheet>) -> Answer<Printed> {
    let mut printed = Vec::with_capacity(sheets.len());
    for sheet in sheets {
        let document = template(sheet.kind, sheet.list, sheet.on)?.document(&sheet.values, sheet.on, false);
        printed.push((sheet, rendered(document).await?));
    }
    Ok(Printed(printed))
}

/// The papers by which a step is done, if it has a number. The step is the last of the case's own.
pub async fn of_step(
    db: &impl ConnectionTrait,
    case: &api::Case,
    list: &api::List,
    done: &api::Step,
) -> Answer<Vec<Sheet>> {
    let kinds = content::kinds(done, list.kind());
    if done.document_number.is_empty() || kinds.is_empty() {
        return Ok(vec![]);
    }
    let measures = measures(db, list).await?;
    let matter = Matter { case, list, measures: &measures };
    let on = done.on.parse().map_err(Fault::internal)?;
    let sheet = |kind| Sheet {
        kind,
        list: list.kind(),
        case_id: case.case_id.clone(),
        on,
        values: matter.values(kind, done),
    };
    Ok(kinds.into_iter().map(sheet).collect())
}

/// Keeps a paper of a subject as it was printed; of a step by its number in the case, or of what happened to the listing: 0.
pub async fn keep(
    tx: &Tx,
    context: &Context,
    sheet: &Sheet,
    printed: &mut Printed,
    place: (&str, i32),
) -> Answer<api::Paper> {
    let written = printed.take(sheet)?;
    let template = template(sheet.kind, sheet.list, sheet.on)?;
    let digest = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    let paper = api::Paper {
        paper_id: ids::fresh(context.now)?,
        kind: sheet.kind.into(),
        title: template.title(&sheet.values),
        document_number: sheet.values.get("number").cloned().unwrap_or_default(),
        case_id: sheet.case_id.clone(),
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

fn template(kind: Kind, list: list::Kind, on: Date) -> Answer<&'static Template> {
    let found = Template::of(kind, list, on);
    found.ok_or_else(|| {
        let list = if list == list::Kind::Reward { ("reward", "激励") } else { ("punitive", "惩戒") };
        let kind = kind.as_str_name();
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
    let template = template(kind, list.kind(), today)?;
    let done = match kind {
        Kind::Notice => step::Kind::Notify,
        Kind::Publicity => step::Kind::Publicize,
        _ => step::Kind::Decide,
    };
    let step = api::Step {
        kind: done.into(),
        on: today.to_string(),
        department: context.caller.department().to_owned(),
        document_number: String::from("文号待定"),
        ..Default::default()
    };
    let values = Matter { case: &case, list: &list, measures: &names }.values(kind, &step);
    let written = rendered(template.document(&values, today, true)).await?;
    let data = if format == Format::Docx { written.files.docx } else { written.files.pdf };
    Ok(body(format, data))
}

#[cfg(test)]
mod tests {
    use chassis::fault::Kind as Sort;

    use super::*;

    #[tokio::test]
    async fn a_paper_is_kept_as_it_was_printed_and_once_or_not_at_all() {
        let sheet = |facts: &str| Sheet {
            kind: Kind::Notice,
            list: list::Kind::Punitive,
            case_id: String::from("c"),
            on: jiff::civil::date(2026, 3, 2),
            values: Values::from([("facts", facts.to_owned())]),
        };
        let mut printed = print(vec![sheet("a"), sheet("b")]).await.expect("printed");
        let changed = printed.take(&sheet("c")).err().expect("refused");
        assert_eq!(changed.kind(), Sort::Aborted);
        assert_ne!(
            printed.take(&sheet("b")).expect("b").files.pdf,
            printed.take(&sheet("a")).expect("a").files.pdf
        );
        assert!(printed.take(&sheet("a")).is_err());
        assert!(Printed::default().take(&sheet("a")).is_err(), "what was not printed is not kept");
    }
}
