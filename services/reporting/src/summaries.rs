//! Summaries of a domain 总结说明: composed of the services' own figures, kept as they were.
use std::sync::Arc;

use chassis::{Answer, Context, Fault, Tx, clock::wire, ids, storage::{corrupt, sql}};
use contract::reporting::v1 as api;
use prost::Message;
use sea_orm::ConnectionTrait;

use crate::{Reporting, effect_cases, figures};

/// Composes a summary and keeps it.
pub async fn create(app: &Arc<Reporting>, context: &Context, tx: &Tx, request: api::CreateSummaryRequest) -> Answer<api::Summary> {
    let domain = figures::domain(&request.domain)?;
    if request.from > request.to {
        return Err(Fault::invalid(
            api::ErrorReason::PeriodInvalid.as_str_name(),
            format!("the first day {} is after the last, {}", request.from, request.to),
            format!("起始日{}晚于截止日{}", request.from, request.to),
        )
        .at("from"));
    }
    let (from, to) = (request.from.as_str(), request.to.as_str());
    let collected = figures::collected(app, domain, from, to).await?;
    let listed = figures::listed(app, domain, from, to).await?;
    let mut schemes = figures::schemes(app).await?;
    schemes.retain(|scheme| scheme.domain == domain.code());
    let mut summary = api::Summary {
        summary_id: ids::fresh(context.now)?,
        domain: domain.code().to_owned(),
        name: domain.name().to_owned(),
        from: request.from.clone(),
        to: request.to.clone(),
        department: context.caller.department().to_owned(),
        create_time: Some(wire(context.now)),
        effect_cases: effect_cases::of_domain(tx, domain.code(), from, to).await?,
        ..Default::default()
    };
    let (mut drawn, mut visited, mut found) = (0, 0, 0);
    for scheme in &schemes {
        for draw in figures::draws(app, &scheme.scheme_id, from, to).await? {
            drawn += draw.drawn;
            visited += draw.visited;
            found += draw.found;
        }
    }
    let mut graded = 0;
    if let Some(scheme) = schemes.first() {
        let distribution = figures::distribution(app, &scheme.scheme_id).await?;
        graded = distribution.graded;
        summary.scheme = scheme.scheme_id.clone();
        summary.distribution = distribution.distribution;
    }
    let figure = |key: &str, name: &str, value: i32, source: &str| api::Figure {
        key: key.to_owned(),
        name: name.to_owned(),
        value,
        source: source.to_owned(),
    };
    summary.figures = vec![
        figure("subjects", "监管对象数", collected.subjects, "credit"),
        figure("records", "归集信用记录数", collected.records, "credit"),
        figure("graded", "已评价主体数", graded, "grading"),
        figure("drawn", "双随机抽取数", drawn, "sampling"),
        figure("visited", "已检查数", visited, "sampling"),
        figure("found", "发现问题数", found, "sampling"),
        figure("proposed", "名单拟列入数", listed.proposed, "discipline"),
        figure("listed", "名单列入数", listed.listed, "discipline"),
        figure("applied", "奖惩措施应用数", listed.applied, "discipline"),
    ];
    for item in collected.items {
        summary.figures.push(figure(&format!("records.{}", item.item), &item.name, item.records, "credit"));
    }
    insert(tx, context, &summary).await?;
    Ok(summary)
}

async fn insert(tx: &Tx, context: &Context, summary: &api::Summary) -> Answer<()> {
    let text = "INSERT INTO summaries (id, domain, department, to_day, created_on, content) VALUES ($1, $2, $3, $4, $5, $6)";
    let values = [
        summary.summary_id.as_str().into(),
        summary.domain.as_str().into(),
        summary.department.as_str().into(),
        summary.to.as_str().into(),
        context.today().to_string().into(),
        summary.encode_to_vec().into(),
    ];
    tx.execute_raw(sql(&**tx, text, values)).await?;
    Ok(())
}

/// Gives one.
pub async fn get(app: &Arc<Reporting>, _: &Context, request: api::GetSummaryRequest) -> Answer<api::Summary> {
    let db = app.store.read();
    let row = db.query_one_raw(sql(db, "SELECT content FROM summaries WHERE id = $1", [request.id.as_str().into()])).await?;
    let row = row.ok_or_else(|| Fault::not_found("summary", "总结说明", &request.id))?;
    let content: Vec<u8> = row.try_get("", "content")?;
    api::Summary::decode(content.as_slice()).map_err(|error| corrupt("summary", error))
}

/// The domains that have a summary made by a day.
pub async fn domains(app: &Reporting, as_of: &str) -> Answer<Vec<String>> {
    let db = app.store.read();
    let rows = db.query_all_raw(sql(db, "SELECT DISTINCT domain FROM summaries WHERE created_on <= $1", [as_of.into()])).await?;
    Ok(rows.iter().map(|row| row.try_get("", "domain")).collect::<Result<_, _>>()?)
}

/// The departments and years of the summaries, for the deadlines.
pub async fn reported(app: &Reporting, as_of: &str) -> Answer<Vec<(String, String)>> {
    let db = app.store.read();
    let text = "SELECT DISTINCT department, created_on FROM summaries WHERE created_on <= $1";
    let rows = db.query_all_raw(sql(db, text, [as_of.into()])).await?;
    rows.iter().map(|row| Ok((row.try_get("", "department")?, row.try_get("", "created_on")?))).collect()
}
