//! Taking a whole import back 整批撤销: each record that it took in and that nobody has changed since.
use std::sync::Arc;

use chassis::{
    Answer, Context, Fault, Tx,
    decisions::{self, Decision},
    fault::Kind,
    operations::{self, Job},
};
use contract::{credit::v1 as api, google::longrunning::Operation, r#type::v1::ErrorReason as Common};
use prost::{Message, Name};
use prost_types::Any;
use serde_json::json;

use super::rows;
use crate::{Credit, changes, outcomes, records};

/// The work's kind in the table of operations.
pub const KIND: &str = "import-withdrawal";

const ATTEMPTS: u32 = 5;

/// What the operation is asked to do.
#[derive(Clone, PartialEq, prost::Message)]
struct Plan {
    #[prost(string, tag = "1")]
    import: String,
    #[prost(string, tag = "2")]
    reason: String,
}

/// How far it is.
#[derive(Clone, PartialEq, prost::Message)]
struct Checkpoint {
    // The note that was done last.
    #[prost(string, tag = "1")]
    after: String,
    #[prost(int32, tag = "2")]
    records: i32,
    #[prost(int32, tag = "3")]
    withdrawn: i32,
    #[prost(string, tag = "4")]
    position: String,
}

/// Begins to take an import back; for those who may see it.
pub async fn withdraw(
    app: &Arc<Credit>,
    context: &Context,
    tx: &Tx,
    request: api::WithdrawImportRequest,
) -> Answer<Operation> {
    let import = request.id.strip_prefix("operations/").unwrap_or(&request.id).to_owned();
    let reason = outcomes::free_text("reason", &request.reason, 1_000).map_err(outcomes::fault)?;
    let operation = super::rejects::visible(app, context, &import).await?;
    let known = operation
        .metadata
        .as_ref()
        .is_some_and(|any| any.type_url.ends_with(&api::ImportMetadata::full_name()));
    if !known {
        return Err(Fault::not_found("import", "导入任务", &import));
    }
    if !operation.done {
        return Err(not_withdrawable("still runs; wait for its end", "仍在进行；请等待其结束"));
    }
    if rows::noted(&app.store, &import, "").await?.is_none() {
        return Err(not_withdrawable(
            "took in no records; subjects are not taken back",
            "没有接收任何记录；主体信息不支持整批撤销",
        ));
    }
    decisions::record(
        tx,
        context,
        Decision {
            kind: "import.withdrawn",
            subject: &import,
            basis: &reason,
            detail: json!({ "import": import }),
        },
    )
    .await?;
    let metadata = api::WithdrawImportMetadata { import_id: import.clone(), ..Default::default() };
    operations::start(tx, context, KIND, &Plan { import, reason }, &metadata).await
}

fn not_withdrawable(en: &str, zh: &str) -> Fault {
    Fault::precondition(
        api::ErrorReason::ImportNotWithdrawable.as_str_name(),
        format!("the import {en}"),
        format!("该导入任务{zh}"),
    )
}

/// The work.
pub struct Withdrawal {
    /// The service.
    pub app: Arc<Credit>,
}

#[tonic::async_trait]
impl operations::Work for Withdrawal {
    fn kind(&self) -> &'static str {
        KIND
    }

    async fn run(&self, job: &Job) -> Answer<Any> {
        let plan = Plan::decode(job.request.as_slice()).map_err(Fault::internal)?;
        let mut checkpoint = Checkpoint::decode(job.checkpoint.as_slice()).map_err(Fault::internal)?;
        while let Some((prefix, count)) =
            rows::noted(&self.app.store, &plan.import, &checkpoint.after).await?
        {
            checkpoint = self.batch(job, &plan, &checkpoint, &prefix, count).await?;
        }
        Ok(operations::any(&api::WithdrawImportResponse {
            import_id: plan.import,
            records: checkpoint.records,
            withdrawn: checkpoint.withdrawn,
            left: checkpoint.records - checkpoint.withdrawn,
            position: checkpoint.position,
        }))
    }
}

impl Withdrawal {
    async fn batch(
        &self,
        job: &Job,
        plan: &Plan,
        before: &Checkpoint,
        prefix: &str,
        count: i32,
    ) -> Answer<Checkpoint> {
        let mut attempt = 1;
        loop {
            match self.try_batch(job, plan, before, prefix, count).await {
                Err(fault)
                    if attempt < ATTEMPTS
                        && fault.reason() != Common::OperationInterrupted.as_str_name()
                        && matches!(fault.kind(), Kind::Aborted | Kind::Internal) =>
                {
                    tracing::warn!(import = plan.import, attempt, %fault, "a batch is tried again");
                    tokio::time::sleep(std::time::Duration::from_millis(50) * attempt * attempt).await;
                    attempt += 1;
                }
                ended => return ended,
            }
        }
    }

    async fn try_batch(
        &self,
        job: &Job,
        plan: &Plan,
        before: &Checkpoint,
        prefix: &str,
        count: i32,
    ) -> Answer<Checkpoint> {
        let tx = self.app.store.begin().await?;
        // A record's id ends with its place in the batch, in four hexadecimal digits.
        let (first, last) = (format!("{prefix}0000"), format!("{prefix}ffff"));
        let now = self.app.clock.now();
        let why = records::Withdrawal { import: &plan.import, client: &job.caller, reason: &plan.reason };
        let withdrawn = records::withdraw_untouched(&tx, now, (&first, &last), &why).await?;
        let mut after = before.clone();
        prefix.clone_into(&mut after.after);
        after.records += count;
        after.withdrawn += i32::try_from(withdrawn).unwrap_or(i32::MAX);
        after.position = changes::position(&self.app.store, &tx).await?;
        let metadata = api::WithdrawImportMetadata {
            import_id: plan.import.clone(),
            records: after.records,
            withdrawn: after.withdrawn,
        };
        job.progress(&tx, &metadata, &after.encode_to_vec()).await?;
        tx.commit().await?;
        Ok(after)
    }
}
