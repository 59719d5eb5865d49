//! Summaries 工作总结: composed of the services' own figures, and kept as they were composed.
use std::sync::Arc;

use chassis::{
    Answer, Context, Fault, Tx,
    clock::wire,
    decisions::{self, Decision},
    ids,
    language::{Language, Text},
    storage::{corrupt, insert_rows, sql},
};
use contract::reporting::v1 as api;
use identifiers::Domain;
use prost::Message;
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde_json::json;

use crate::{Reporting, coverage, effect_cases, refusals};

/// Composes a summary.
pub async fn create(
    app: &Arc<Reporting>,
    context: &Context,
    tx: &Tx,
    request: api::CreateSummaryRequest,
) -> Answer<api::Summary> {
    let domain = refusals::domain("domain", &request.domain)?;
    refuse_period(context, &request.from, &request.to)?;
    let mut summary = compose(app, domain, &request.from, &request.to).await?;
    summary.summary_id = ids::fresh(context.now)?;
    summary.effect_cases = effect_cases::of(&**tx, domain.code(), &request.from, &request.to).await?;
    summary.department = context.caller.department().to_owned();
    summary.create_time = Some(wire(context.now));
    insert(tx, context, &summary).await?;
    let detail = json!({ "summary": summary.summary_id, "from": summary.from, "to": summary.to });
    let basis = format!("{}@{}", summary.scheme, summary.scheme_version);
    let decision = Decision { kind: "summary.composed", subject: domain.code(), basis: &basis, detail };
    decisions::record(tx, context, decision).await?;
    Ok(named(summary, context.language))
}

// Dates in the contract's form compare as texts.
fn refuse_period(context: &Context, from: &str, to: &str) -> Answer<()> {
    let reason = api::ErrorReason::PeriodInvalid.as_str_name();
    let today = context.today();
    if from > to {
        return Err(Fault::invalid(
            reason,
            format!("the first day {from} is after the last day {to}; exchange them"),
            format!("起始日期{from}晚于截止日期{to}；请更正"),
        )
        .at("from"));
    }
    if from > today.to_string().as_str() {
        return Err(Fault::invalid(
            reason,
            format!(
                "the period begins on {from}, in the future: there is nothing to summarize; today is {today}"
            ),
            format!("期间自{from}起，尚未开始，没有可总结的内容；今天是{today}"),
        )
        .at("from"));
    }
    Ok(())
}

async fn compose(app: &Arc<Reporting>, domain: Domain, from: &str, to: &str) -> Answer<api::Summary> {
    let code = domain.code();
    let schemes = app.sources.schemes().await?;
    let speaking = coverage::rules::speaking(&schemes, domain, to).map(|scheme| scheme.scheme_id.as_str());
    let grades = match speaking {
        Some(scheme) => app.sources.distribution(scheme).await?,
        None => Default::default(),
    };
    let credit = app.sources.of_credit(code, from, to).await?;
    let draws = coverage::rules::drawn(&app.sources.draws(from, to).await?, &schemes, domain);
    let discipline = app.sources.of_discipline(code, from, to).await?;
    let figures = [
        ("credit", "subjects", credit.subjects),
        ("credit", "records", credit.records),
        ("grading", "graded", grades.graded),
        ("sampling", "drawn", draws.drawn),
        ("sampling", "visited", draws.visited),
        ("sampling", "found", draws.found),
        ("discipline", "proposed", discipline.proposed),
        ("discipline", "dropped", discipline.dropped),
        ("discipline", "listed", discipline.listed),
        ("discipline", "active", discipline.active),
        ("discipline", "applied", discipline.applied),
    ];
    let figure = |(source, key, value): (&str, &str, i32)| api::Figure {
        key: key.to_owned(),
        name: String::new(),
        value,
        source: source.to_owned(),
    };
    let by_item = credit.items.into_iter().map(|item| api::Figure {
        key: format!("records.{}", item.item),
        name: item.name,
        value: item.records,
        source: String::from("credit"),
    });
    Ok(api::Summary {
        domain: code.to_owned(),
        name: domain.name().to_owned(),
        from: from.to_owned(),
        to: to.to_owned(),
        scheme: speaking.unwrap_or_default().to_owned(),
        scheme_version: grades.version,
        figures: figures.into_iter().map(figure).chain(by_item).collect(),
        distribution: grades.distribution,
        ..Default::default()
    })
}

// Figures are kept by their keys and named when they are read, in the reader's language.
fn named(mut summary: api::Summary, language: Language) -> api::Summary {
    for figure in &mut summary.figures {
        let (en, zh) = match figure.key.as_str() {
            "subjects" => ("Subjects in the domain", "领域主体数"),
            "records" => ("Records of the period", "期间信用记录数"),
            "graded" => ("Subjects graded", "已评价主体数"),
            "drawn" => ("Subjects drawn for inspection", "抽中主体数"),
            "visited" => ("Subjects inspected", "已检查主体数"),
            "found" => ("Inspections with findings", "发现问题数"),
            "proposed" => ("Cases proposed", "提出案件数"),
            "dropped" => ("Cases dropped", "终止案件数"),
            "listed" => ("Subjects listed", "列入名单数"),
            "active" => ("Listings active on the last day", "期末有效名单数"),
            "applied" => ("Measures applied", "实施措施数"),
            // An item has its name from the catalogue.
            _ => continue,
        };
        figure.name = Text::new(en, zh).get(language).to_owned();
    }
    summary
}

async fn insert(tx: &Tx, context: &Context, summary: &api::Summary) -> Answer<()> {
    let columns = ["summary_id", "domain", "from_on", "to_on", "department", "composed_on", "body"];
    let row = vec![
        summary.summary_id.as_str().into(),
        summary.domain.as_str().into(),
        summary.from.as_str().into(),
        summary.to.as_str().into(),
        summary.department.as_str().into(),
        context.today().to_string().into(),
        summary.encode_to_vec().into(),
    ];
    insert_rows(&**tx, "summaries", &columns, vec![row], "").await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct Row {
    body: Vec<u8>,
}

/// Gives one summary.
pub async fn get(
    app: &Arc<Reporting>,
    context: &Context,
    request: api::GetSummaryRequest,
) -> Answer<api::Summary> {
    let db = app.store.read();
    let text = "SELECT body FROM summaries WHERE summary_id = $1";
    let row = Row::find_by_statement(sql(db, text, [request.id.as_str().into()])).one(db).await?;
    let row = row.ok_or_else(|| Fault::not_found("summary", "工作总结", &request.id))?;
    let summary = api::Summary::decode(row.body.as_slice()).map_err(|error| corrupt("summary", error))?;
    Ok(named(summary, context.language))
}

/// A summary of a domain: who composed it, and when.
#[derive(FromQueryResult)]
pub struct Composed {
    /// The domain's code.
    pub domain: String,
    /// The department.
    pub department: String,
    /// The business day.
    pub composed_on: String,
}

/// The summaries that cover a part of a year.
pub async fn of_year(db: &impl ConnectionTrait, year: i16) -> Answer<Vec<Composed>> {
    let text = "SELECT domain, department, composed_on FROM summaries WHERE from_on <= $2 AND to_on >= $1";
    let values = [format!("{year:04}-01-01").into(), format!("{year:04}-12-31").into()];
    Ok(Composed::find_by_statement(sql(db, text, values)).all(db).await?)
}
