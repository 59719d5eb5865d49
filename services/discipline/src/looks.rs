//! The record of looks at what is not public: who, when, for what purpose, at whom.
use std::sync::Arc;

use chassis::{Answer, Context, clock::micros, storage::sql};
use sea_orm::ConnectionTrait;

use crate::Discipline;

/// Writes a look down before its answer leaves; a look at nobody is none.
pub async fn record(
    app: &Arc<Discipline>,
    context: &Context,
    purpose: &str,
    subjects: &[&str],
) -> Answer<()> {
    if subjects.is_empty() {
        return Ok(());
    }
    let text = "INSERT INTO looks (at, client, department, purpose, method, subjects) VALUES ($1, $2, $3, $4, $5, $6)";
    let values = [
        micros(context.now).into(),
        context.caller.name().into(),
        context.caller.department().into(),
        purpose.into(),
        context.method.as_ref().into(),
        subjects.join("\n").into(),
    ];
    let tx = app.store.begin().await?;
    tx.execute_raw(sql(&*tx, text, values)).await?;
    tx.commit().await
}
