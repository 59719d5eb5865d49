//! The table of plans.
use std::collections::HashMap;

use chassis::{
    Answer, Tx,
    page::Page,
    storage::{Filters, corrupt, insert_rows, placeholders, sql},
};
use contract::sampling::v1::Plan;
use prost::Message as _;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};

use crate::register::bodies;

/// A plan.
pub async fn find(db: &impl ConnectionTrait, plan: &str) -> Answer<Option<Plan>> {
    let statement = sql(db, "SELECT body FROM plans WHERE plan_id = $1", [plan.into()]);
    Ok(bodies(db, statement).await?.pop())
}

/// A page of plans that the filters leave.
pub async fn page(
    db: &impl ConnectionTrait,
    department: &str,
    scheme: &str,
    page: &Page,
) -> Answer<Vec<Plan>> {
    let statement = Filters::new()
        .given("plan_id > $1", &page.after)
        .given("scheme = $1", scheme)
        .given("plan_id IN (SELECT plan_id FROM plan_departments WHERE department = $1)", department)
        .sql(db, "SELECT body FROM plans", &format!("ORDER BY plan_id LIMIT {}", page.fetch()));
    bodies(db, statement).await
}

/// Inserts a plan; a violated key comes back as it is.
pub async fn insert(tx: &Tx, plan: &Plan) -> Result<(), DbErr> {
    let text = "INSERT INTO plans (plan_id, scheme, body) VALUES ($1, $2, $3)";
    let values = [plan.plan_id.as_str().into(), plan.scheme.as_str().into(), plan.encode_to_vec().into()];
    tx.execute_raw(sql(&**tx, text, values)).await?;
    let departments = plan.departments.iter();
    let rows = departments
        .map(|department| vec![department.as_str().into(), plan.plan_id.as_str().into()])
        .collect();
    insert_rows(&**tx, "plan_departments", &["department", "plan_id"], rows, "").await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct OfDraw {
    draw_id: String,
    body: Vec<u8>,
}

/// The plans of draws and orders, by their ids; at most a page of them.
pub async fn of_draws(db: &impl ConnectionTrait, draws: &[&str]) -> Answer<HashMap<String, Plan>> {
    if draws.is_empty() {
        return Ok(HashMap::new());
    }
    let text = format!(
        "SELECT d.draw_id, p.body FROM draws d JOIN plans p ON p.plan_id = d.plan WHERE d.draw_id IN ({marks}) \
         UNION ALL SELECT o.order_id, p.body FROM orders o JOIN plans p ON p.plan_id = o.plan WHERE o.order_id IN ({marks})",
        marks = placeholders(1, draws.len())
    );
    let rows =
        OfDraw::find_by_statement(sql(db, &text, draws.iter().map(|draw| (*draw).into()))).all(db).await?;
    rows.into_iter()
        .map(|row| {
            Ok((row.draw_id, Plan::decode(row.body.as_slice()).map_err(|error| corrupt("plan", error))?))
        })
        .collect()
}
