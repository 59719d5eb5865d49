//! The table of annual plans' versions.
use chassis::{
    Answer, Tx,
    page::Page,
    storage::{Filters, insert_rows, sql},
};
use contract::sampling::v1::{AnnualPlan, annual_plan::State};
use prost::Message as _;
use sea_orm::ConnectionTrait;

use crate::register::bodies;

/// A version; the newest where it is 0.
pub async fn find(db: &impl ConnectionTrait, plan: &str, version: i32) -> Answer<Option<AnnualPlan>> {
    let statement = Filters::new()
        .and("annual_plan = $1", [plan.into()])
        .nonzero("version = $1", version)
        .sql(db, "SELECT body FROM annual_plans", "ORDER BY version DESC LIMIT 1");
    Ok(bodies(db, statement).await?.pop())
}

/// The published version.
pub async fn published(db: &impl ConnectionTrait, plan: &str) -> Answer<Option<AnnualPlan>> {
    let text = format!(
        "SELECT body FROM annual_plans WHERE annual_plan = $1 AND state = {}",
        State::Published as i32
    );
    Ok(bodies(db, sql(db, &text, [plan.into()])).await?.pop())
}

/// A page of versions, the newest first, before a version.
pub async fn versions(
    db: &impl ConnectionTrait,
    plan: &str,
    before: i32,
    page: &Page,
) -> Answer<Vec<AnnualPlan>> {
    let text = format!(
        "SELECT body FROM annual_plans WHERE annual_plan = $1 AND version < $2 ORDER BY version DESC LIMIT {}",
        page.fetch()
    );
    bodies(db, sql(db, &text, [plan.into(), before.into()])).await
}

/// A page of published plans.
pub async fn public(
    db: &impl ConnectionTrait,
    year: i32,
    department: &str,
    page: &Page,
) -> Answer<Vec<AnnualPlan>> {
    let statement = Filters::new()
        .and(&format!("state = {}", State::Published as i32), [])
        .given("annual_plan > $1", &page.after)
        .nonzero("year = $1", year)
        .given("department = $1", department)
        .sql(db, "SELECT body FROM annual_plans", &format!("ORDER BY annual_plan LIMIT {}", page.fetch()));
    bodies(db, statement).await
}

/// Puts a draft: a new version, or the draft that nobody has approved. Whether it still was one.
pub async fn put(tx: &Tx, plan: &AnnualPlan) -> Answer<bool> {
    let row = vec![
        plan.annual_plan_id.as_str().into(),
        plan.version.into(),
        plan.state.into(),
        plan.year.into(),
        plan.department.as_str().into(),
        plan.encode_to_vec().into(),
    ];
    let columns = ["annual_plan", "version", "state", "year", "department", "body"];
    let conflict = format!(
        "ON CONFLICT (annual_plan, version) DO UPDATE SET year = excluded.year, department = excluded.department, \
         body = excluded.body WHERE annual_plans.state = {}",
        State::Draft as i32
    );
    Ok(insert_rows(&**tx, "annual_plans", &columns, vec![row], &conflict).await? == 1)
}

/// Moves a version on; whether it still stood as it was read.
pub async fn advance(tx: &Tx, plan: &AnnualPlan, before: State) -> Answer<bool> {
    let text = "UPDATE annual_plans SET state = $3, body = $4 WHERE annual_plan = $1 AND version = $2 AND state = $5";
    let values = [
        plan.annual_plan_id.as_str().into(),
        plan.version.into(),
        plan.state.into(),
        plan.encode_to_vec().into(),
        (before as i32).into(),
    ];
    Ok(tx.execute_raw(sql(&**tx, text, values)).await?.rows_affected() == 1)
}
