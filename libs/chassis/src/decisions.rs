//! The append-only record of decisions: who, when, what, about whom, on what basis.
use sea_orm::ConnectionTrait;
use serde_json::Value;

use crate::{
    call::Context,
    clock::micros,
    fault::Answer,
    storage::{Tx, sql},
};

/// One decision.
pub struct Decision<'a> {
    /// What was done, for example `scheme.published`.
    pub kind: &'a str,
    /// About whom or what: an enterprise's code or a resource's name.
    pub subject: &'a str,
    /// On what basis: a rule, a document, a version.
    pub basis: &'a str,
    /// What else an auditor needs, with stable keys.
    pub detail: Value,
}

/// Writes a decision in the transaction that carries it out.
pub async fn record(tx: &Tx, context: &Context, decision: Decision<'_>) -> Answer<()> {
    let text = "INSERT INTO decisions (at, actor, department, kind, subject, basis, detail) \
                VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let values = [
        micros(context.now).into(),
        context.caller.name().into(),
        context.caller.department().into(),
        decision.kind.into(),
        decision.subject.into(),
        decision.basis.into(),
        decision.detail.to_string().into(),
    ];
    tx.execute_raw(sql(&**tx, text, values)).await?;
    Ok(())
}
