//! Long-running operations: claimed under a lease, checkpointed in the transaction of the effect, taken over when a worker dies.
use std::{collections::HashMap, sync::Arc, time::Duration};

use contract::{
    google::longrunning::{Operation, operation},
    r#type::v1::ErrorReason as Common,
};
use prost::{Message, Name};
use prost_types::Any;
use sea_orm::{ConnectionTrait, FromQueryResult};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::{
    call::Context,
    clock::{Clock, micros},
    fault::{Answer, Fault},
    ids,
    language::Language,
    storage::{Store, Tx, database_now, sql},
    telemetry::Metrics,
};

/// Lets the figures tell how much work waits or runs, and how much of it nobody works on.
pub(crate) fn count(metrics: &Metrics, service: &str, store: Store) -> anyhow::Result<()> {
    let open =
        metrics.level("xinheng_operations_open", "long-running operations that are not done", "service")?;
    let idle = metrics.level(
        "xinheng_operations_idle",
        "of these, those whose lease has run out: nobody works on them",
        "service",
    )?;
    let service = service.to_owned();
    metrics.look(move || {
        let (open, idle, service, store) = (open.clone(), idle.clone(), service.clone(), store.clone());
        async move {
            let db = store.read();
            let text = format!(
                "SELECT count(*), COALESCE(sum(CASE WHEN lease_until < {} THEN 1 ELSE 0 END), 0) FROM operations WHERE done = FALSE",
                database_now(db)
            );
            let Ok(Some(row)) = db.query_one_raw(sql(db, &text, [])).await else { return };
            if let (Ok(all), Ok(lost)) = (row.try_get_by_index(0), row.try_get_by_index(1)) {
                open.set(&service, all);
                idle.set(&service, lost);
            }
        }
    });
    Ok(())
}

/// A message as `google.protobuf.Any`.
pub fn any<M: Message + Name>(message: &M) -> Any {
    Any { type_url: format!("type.googleapis.com/{}", M::full_name()), value: message.encode_to_vec() }
}

/// A kind of work.
#[tonic::async_trait]
pub trait Work: Send + Sync + 'static {
    /// The kind's name in the table.
    fn kind(&self) -> &'static str;

    /// Does the work from its last checkpoint on, and answers its response.
    async fn run(&self, job: &Job) -> Answer<Any>;
}

/// A piece of work that this process has claimed.
pub struct Job {
    /// The operation's id.
    pub id: String,
    /// The encoded request.
    pub request: Vec<u8>,
    /// What the last worker noted of how far it was; empty at the beginning.
    pub checkpoint: Vec<u8>,
    /// On whose behalf.
    pub caller: String,
    /// Of which department.
    pub department: String,
    /// In which language it is told how it ended.
    pub language: Language,
    kind: String,
    owner: String,
    clock: Clock,
}

const LEASE_MICROS: i64 = 15_000_000;
const AT_ONCE: usize = 4;

// Until when a lease that is taken or renewed now holds. The database's clock decides: that of a drill may jump.
fn leased(db: &impl ConnectionTrait) -> String {
    format!("{} + {LEASE_MICROS}", database_now(db))
}

impl Job {
    /// Notes progress and checkpoint in the transaction of the effect. Fails when another worker has taken over, so that nothing is done twice.
    pub async fn progress(&self, tx: &Tx, metadata: &impl Name, checkpoint: &[u8]) -> Answer<()> {
        let text = format!(
            "UPDATE operations SET metadata = $3, checkpoint = $4, lease_until = {}, updated_at = $5 \
             WHERE id = $1 AND lease_owner = $2 AND done = FALSE",
            leased(tx)
        );
        let values = [
            self.id.as_str().into(),
            self.owner.as_str().into(),
            any(metadata).encode_to_vec().into(),
            checkpoint.to_vec().into(),
            micros(self.clock.now()).into(),
        ];
        if tx.execute_raw(sql(tx, &text, values)).await?.rows_affected() == 1 {
            return Ok(());
        }
        Err(Fault::aborted(
            Common::OperationInterrupted.as_str_name(),
            "the work was cancelled, or another worker has taken over",
            "操作已取消，或其他工作进程已接手",
        ))
    }
}

/// Puts work into the table, in the transaction that accepts it.
pub async fn start(
    tx: &Tx,
    context: &Context,
    kind: &str,
    request: &impl Message,
    metadata: &impl Name,
) -> Answer<Operation> {
    let id = ids::fresh(context.now)?;
    start_as(tx, context, &id, kind, request, metadata).await
}

/// The same under an id that the caller has made, where other rows name it already.
pub async fn start_as(
    tx: &Tx,
    context: &Context,
    id: &str,
    kind: &str,
    request: &impl Message,
    metadata: &impl Name,
) -> Answer<Operation> {
    let text = "INSERT INTO operations (id, kind, caller, department, request, metadata, checkpoint, done, lease_owner, \
                lease_until, language, created_at, updated_at) \
                VALUES ($1, $2, $3, $4, $5, $6, $7, FALSE, '', 0, $8, $9, $9)";
    let metadata = any(metadata);
    let values = [
        id.into(),
        kind.into(),
        context.caller.name().into(),
        context.caller.department().into(),
        request.encode_to_vec().into(),
        metadata.encode_to_vec().into(),
        Vec::<u8>::new().into(),
        context.language.tag().into(),
        micros(context.now).into(),
    ];
    tx.execute_raw(sql(&**tx, text, values)).await?;
    Ok(Operation { name: format!("operations/{id}"), metadata: Some(metadata), done: false, result: None })
}

#[derive(FromQueryResult)]
struct Polled {
    metadata: Vec<u8>,
    result: Option<Vec<u8>>,
    done: bool,
    caller: String,
    department: String,
}

/// How an operation stands; only for the client that started it, its department, or the credit office.
pub async fn get(store: &Store, context: &Context, id: &str) -> Answer<Operation> {
    find(store.read(), context, id).await
}

async fn find(db: &impl ConnectionTrait, context: &Context, id: &str) -> Answer<Operation> {
    let id = bare(id);
    let text = "SELECT metadata, result, done, caller, department FROM operations WHERE id = $1";
    let row = Polled::find_by_statement(sql(db, text, [id.into()])).one(db).await?;
    let caller = &context.caller;
    let mine = |row: &Polled| {
        row.caller == caller.name()
            || (!row.department.is_empty() && row.department == caller.department())
            || caller.is_office()
    };
    let row = row.filter(mine).ok_or_else(|| Fault::not_found("operation", "操作", id))?;
    let result =
        row.result.map(|bytes| Operation::decode(bytes.as_slice())).transpose().map_err(Fault::internal)?;
    let metadata = Any::decode(row.metadata.as_slice()).map_err(Fault::internal)?;
    Ok(Operation {
        name: format!("operations/{id}"),
        metadata: Some(metadata),
        done: row.done,
        result: result.and_then(|operation| operation.result),
    })
}

fn bare(id: &str) -> &str {
    id.strip_prefix("operations/").unwrap_or(id)
}

/// Ends an operation where it stands, for whom [`get`] tells of it: nothing of it takes effect after the transaction, what did before
/// stays, and its worker learns of it at its next [`Job::progress`]. One that has ended stays as it ended. `metadata` replaces what
/// the operation says of itself, where the work keeps count elsewhere.
pub async fn cancel(tx: &Tx, context: &Context, id: &str, metadata: Option<Any>) -> Answer<Operation> {
    find(tx, context, id).await?;
    let mut cancelled = status(
        Fault::aborted(
            Common::OperationInterrupted.as_str_name(),
            format!("cancelled by {}; what was done before stays", context.caller.name()),
            format!("已由{}取消；取消之前完成的部分仍然有效", context.caller.name()),
        ),
        context.language,
    );
    cancelled.code = Code::Cancelled as i32;
    let ended =
        Operation { done: true, result: Some(operation::Result::Error(cancelled)), ..Default::default() };
    let text = "UPDATE operations SET done = TRUE, result = $2, updated_at = $3, metadata = COALESCE($4, metadata) \
                WHERE id = $1 AND done = FALSE";
    let values = [
        bare(id).into(),
        ended.encode_to_vec().into(),
        micros(context.now).into(),
        metadata.map(|metadata| metadata.encode_to_vec()).into(),
    ];
    tx.execute_raw(sql(tx, text, values)).await?;
    find(tx, context, id).await
}

#[derive(FromQueryResult)]
struct Claimed {
    id: String,
    kind: String,
    caller: String,
    department: String,
    request: Vec<u8>,
    checkpoint: Vec<u8>,
    language: String,
}

/// Claims and runs work of the given kinds until the process stops.
pub async fn run(store: Store, clock: Clock, works: Vec<Arc<dyn Work>>, stopping: CancellationToken) {
    let runner = match Runner::new(store, clock, works) {
        Ok(runner) => Arc::new(runner),
        Err(fault) => return tracing::error!(%fault, "operations can't run"),
    };
    runner.adopt().await;
    let mut commits = runner.store.commits();
    let mut running = JoinSet::new();
    while !stopping.is_cancelled() {
        commits.borrow_and_update();
        while running.len() < AT_ONCE {
            match runner.claim().await {
                Ok(Some(job)) => {
                    let (runner, stopping) = (runner.clone(), stopping.clone());
                    running.spawn(async move { runner.work(job, stopping).await });
                }
                Ok(None) => break,
                Err(fault) => {
                    tracing::warn!(%fault, "operations can't be claimed");
                    break;
                }
            }
        }
        tokio::select! {
            _ = commits.changed() => {}
            _ = running.join_next(), if !running.is_empty() => {}
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            () = stopping.cancelled() => {}
        }
    }
    while running.join_next().await.is_some() {}
}

struct Runner {
    store: Store,
    clock: Clock,
    owner: String,
    works: HashMap<&'static str, Arc<dyn Work>>,
}

impl Runner {
    fn new(store: Store, clock: Clock, works: Vec<Arc<dyn Work>>) -> Answer<Self> {
        let owner = ids::fresh(clock.now())?;
        Ok(Self { store, clock, owner, works: works.into_iter().map(|work| (work.kind(), work)).collect() })
    }

    // A SQLite file has one process: whatever lease stands in it is a dead process's.
    async fn adopt(&self) {
        if !self.store.is_sqlite() {
            return;
        }
        let freed = async {
            let tx = self.store.begin().await?;
            tx.execute_raw(sql(&*tx, "UPDATE operations SET lease_until = 0 WHERE done = FALSE", [])).await?;
            tx.commit().await
        };
        if let Err(fault) = freed.await {
            tracing::warn!(%fault, "old leases stay until they run out");
        }
    }

    async fn claim(&self) -> Answer<Option<Job>> {
        let db = self.store.read();
        let waiting = format!(
            "SELECT id FROM operations WHERE done = FALSE AND lease_until < {} ORDER BY created_at LIMIT 1",
            database_now(db)
        );
        // A look costs no write lock; only where work waits is the claim made.
        if db.query_one_raw(sql(db, &waiting, [])).await?.is_none() {
            return Ok(None);
        }
        let skip = if self.store.is_sqlite() { "" } else { "FOR UPDATE SKIP LOCKED" };
        let text = format!(
            "UPDATE operations SET lease_owner = $1, lease_until = {} WHERE id = ({waiting} {skip}) \
             RETURNING id, kind, caller, department, request, checkpoint, language",
            leased(db)
        );
        let tx = self.store.begin().await?;
        let values = [self.owner.as_str().into()];
        let claimed = Claimed::find_by_statement(sql(&*tx, &text, values)).one(&*tx).await?;
        tx.commit().await?;
        Ok(claimed.map(|row| self.job(row)))
    }

    fn job(&self, row: Claimed) -> Job {
        Job {
            id: row.id,
            kind: row.kind,
            request: row.request,
            checkpoint: row.checkpoint,
            caller: row.caller,
            department: row.department,
            language: Language::from_accept(Some(&row.language)),
            owner: self.owner.clone(),
            clock: self.clock.clone(),
        }
    }

    async fn work(&self, job: Job, stopping: CancellationToken) {
        let Some(work) = self.works.get(job.kind.as_str()) else {
            return tracing::error!(kind = job.kind, id = job.id, "nobody here does this kind of work");
        };
        let outcome = tokio::select! {
            outcome = work.run(&job) => outcome,
            () = self.keep(&job) => return tracing::warn!(id = job.id, "the lease is lost; another worker goes on"),
            // What was not committed is rolled back; the next start goes on from the checkpoint.
            () = stopping.cancelled() => return self.release(&job).await,
        };
        if let Err(fault) = &outcome {
            if fault.reason() == Common::OperationInterrupted.as_str_name() {
                return tracing::warn!(id = job.id, "another worker has taken over");
            }
            tracing::warn!(kind = job.kind, id = job.id, %fault, "operation failed");
        }
        if let Err(fault) = self.finish(&job, outcome).await {
            tracing::error!(id = job.id, %fault, "the end of an operation can't be stored; it will be done again");
        }
    }

    // Renews the lease while the work runs; returns when it is lost.
    async fn keep(&self, job: &Job) {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            let renewed = async {
                let tx = self.store.begin().await?;
                let text = format!(
                    "UPDATE operations SET lease_until = {} WHERE id = $1 AND lease_owner = $2 AND done = FALSE",
                    leased(&tx)
                );
                let values = [job.id.as_str().into(), self.owner.as_str().into()];
                let rows = tx.execute_raw(sql(&tx, &text, values)).await?.rows_affected();
                tx.commit().await?;
                Answer::Ok(rows == 1)
            };
            match renewed.await {
                Ok(true) => {}
                Ok(false) => return,
                Err(fault) => tracing::warn!(id = job.id, %fault, "the lease can't be renewed"),
            }
        }
    }

    async fn release(&self, job: &Job) {
        let freed = async {
            let tx = self.store.begin().await?;
            let text = "UPDATE operations SET lease_until = 0 WHERE id = $1 AND lease_owner = $2";
            tx.execute_raw(sql(&*tx, text, [job.id.as_str().into(), self.owner.as_str().into()])).await?;
            tx.commit().await
        };
        if let Err(fault) = freed.await {
            tracing::warn!(id = job.id, %fault, "the lease stays until it runs out");
        }
    }

    async fn finish(&self, job: &Job, outcome: Answer<Any>) -> Answer<()> {
        let result = match outcome {
            Ok(response) => operation::Result::Response(response),
            Err(fault) => operation::Result::Error(status(fault, job.language)),
        };
        let ended = Operation { done: true, result: Some(result), ..Default::default() };
        // What was cancelled in the last moment stays cancelled.
        let text = "UPDATE operations SET done = TRUE, result = $3, updated_at = $4 \
                    WHERE id = $1 AND lease_owner = $2 AND done = FALSE";
        let values = [
            job.id.as_str().into(),
            self.owner.as_str().into(),
            ended.encode_to_vec().into(),
            micros(self.clock.now()).into(),
        ];
        let tx = self.store.begin().await?;
        tx.execute_raw(sql(&*tx, text, values)).await?;
        tx.commit().await
    }
}

fn status(fault: Fault, language: Language) -> tonic_types::pb::Status {
    let status = fault.into_status(language);
    tonic_types::pb::Status::decode(status.details()).unwrap_or_else(|_| tonic_types::pb::Status {
        code: status.code() as i32,
        message: status.message().to_owned(),
        details: Vec::new(),
    })
}
