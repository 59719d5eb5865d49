//! Figures 统计数据: counts for reports.
use std::sync::Arc;

use chassis::{
    Answer, Context, Fault,
    storage::{placeholders, sql},
};
use contract::discipline::v1 as api;
use sea_orm::{ConnectionTrait, Value};

use crate::{Discipline, directory};

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
        applied: count(app, "applications", "applied_on BETWEEN $1 AND $2", days, &lists).await?,
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
