//! Figures 统计数据: counts for reports.
pub mod kept;

use std::sync::Arc;

use chassis::{
    Answer, Context, Fault,
    storage::{placeholders, sql},
};
use contract::discipline::v1 as api;
use sea_orm::{ConnectionTrait, FromQueryResult, Value};

use crate::{Discipline, applications::TO_LIFT, directory};

/// Counts.
pub async fn get(
    app: &Arc<Discipline>,
    context: &Context,
    request: api::GetFiguresRequest,
) -> Answer<api::GetFiguresResponse> {
    let lists = concerned(app, &request.domain).await?;
    let last_day = if request.to.is_empty() { context.today().to_string() } else { request.to.clone() };
    let to = if request.to.is_empty() { "9999-12-31" } else { request.to.as_str() };
    let days = [request.from.as_str(), to];
    Ok(api::GetFiguresResponse {
        proposed: count(app, "cases", "opened_on BETWEEN $1 AND $2", days, &lists).await?,
        dropped: count(app, "cases", "dropped_on <> '' AND dropped_on BETWEEN $1 AND $2", days, &lists)
            .await?,
        listed: count(app, "listings", "from_on BETWEEN $1 AND $2", days, &lists).await?,
        active: count(app, "listings", ACTIVE, [&last_day, ""], &lists).await?,
        applied: count(app, "applications", "outcome <> 2 AND applied_on BETWEEN $1 AND $2", days, &lists)
            .await?,
    })
}

// On a day in the past a listing that has ended since still counts; one that was wrong, and was revoked, never does.
const ACTIVE: &str = "state <> 4 AND from_on <= $1 AND (until_on = '' OR until_on >= $1) \
                      AND (ended_on = '' OR ended_on > $1) AND $2 = ''";

// The lists of a domain, and those of all domains; nothing where every list is meant.
async fn concerned(app: &Arc<Discipline>, domain: &str) -> Answer<Option<Vec<String>>> {
    if domain.is_empty() {
        return Ok(None);
    }
    let lists = directory::all::<api::List>(app.store.read(), "").await?;
    let concerns =
        |list: &api::List| list.domains.is_empty() || list.domains.iter().any(|held| held == domain);
    Ok(Some(lists.into_iter().filter(concerns).map(|list| list.list_id).collect()))
}

async fn count(
    app: &Arc<Discipline>,
    table: &str,
    condition: &str,
    days: [&str; 2],
    lists: &Option<Vec<String>>,
) -> Answer<i32> {
    let mut values: Vec<Value> = days.into_iter().map(Value::from).collect();
    let of_lists = match lists {
        None => String::new(),
        Some(lists) if lists.is_empty() => return Ok(0),
        Some(lists) => {
            values.extend(lists.iter().map(|list| Value::from(list.as_str())));
            format!("AND list_id IN ({})", placeholders(3, lists.len()))
        }
    };
    let db = app.store.read();
    let text = format!("SELECT COUNT(*) AS count FROM {table} WHERE {condition} {of_lists}");
    let row = db.query_one_raw(sql(db, &text, values)).await?;
    let count: i64 = row.map_or(Ok(0), |row| row.try_get("", "count"))?;
    i32::try_from(count).map_err(Fault::internal)
}

#[derive(FromQueryResult)]
struct Done {
    measure: String,
    department: String,
    applied: i64,
    not_applied: i64,
    lifted: i64,
    to_lift: i64,
}

/// Counts what departments did, by measure and department.
pub async fn measures(
    app: &Arc<Discipline>,
    context: &Context,
    request: api::CountMeasuresRequest,
) -> Answer<api::CountMeasuresResponse> {
    let text = format!(
        "SELECT a.measure, a.department, COUNT(CASE WHEN a.outcome = 1 THEN 1 END) AS applied, \
         COUNT(CASE WHEN a.outcome = 2 THEN 1 END) AS not_applied, COUNT(CASE WHEN a.lifted_on <> '' THEN 1 END) AS lifted, \
         COUNT(CASE WHEN {TO_LIFT} THEN 1 END) AS to_lift FROM applications a JOIN listings l ON l.case_id = a.listing \
         WHERE a.applied_on BETWEEN $2 AND $3 GROUP BY a.measure, a.department ORDER BY a.measure, a.department"
    );
    let to = if request.to.is_empty() { "9999-12-31" } else { request.to.as_str() };
    let values = [context.today().to_string().into(), request.from.as_str().into(), to.into()];
    let rows = Done::find_by_statement(sql(app.store.read(), &text, values)).all(app.store.read()).await?;
    let count = |count: i64| i32::try_from(count).map_err(Fault::internal);
    let told = |row: Done| {
        Ok(api::MeasureFigures {
            applied: count(row.applied)?,
            not_applied: count(row.not_applied)?,
            lifted: count(row.lifted)?,
            to_lift: count(row.to_lift)?,
            measure: row.measure,
            department: row.department,
        })
    };
    Ok(api::CountMeasuresResponse { measures: rows.into_iter().map(told).collect::<Answer<_>>()? })
}
