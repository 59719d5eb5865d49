//! One line a call: the context made by the tower stack, validation, the handler, the answer; and mutations that are done once.
use std::{net::IpAddr, sync::Arc};

use contract::r#type::v1::ErrorReason as Common;
use jiff::{Timestamp, civil::Date};
use prost::{Message, Name};
use sea_orm::ConnectionTrait;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::{
    access::{self, Caller},
    clock::{business_day, micros},
    fault::{Answer, Fault, Kind},
    language::Language,
    storage::{Store, Tx, sql},
    validation,
};

/// What a handler knows of the call beside the request.
#[derive(Clone, Debug)]
pub struct Context {
    /// Who calls.
    pub caller: Caller,
    /// In which language to answer.
    pub language: Language,
    /// When the call began, by the suite's clock.
    pub now: Timestamp,
    /// The gRPC path, `/package.Service/Method`.
    pub method: Arc<str>,
    /// Ends when the process stops; streams end with it.
    pub stopping: CancellationToken,
    /// From where the caller calls; nothing within the process.
    pub peer: Option<IpAddr>,
}

impl Context {
    /// A context for the service's own work in the background, under its own name.
    pub fn of_service(name: &str, now: Timestamp, stopping: CancellationToken) -> Self {
        let caller = Caller::of(access::Claims {
            iss: String::new(),
            sub: format!("svc-{name}"),
            aud: String::new(),
            exp: 0,
            iat: 0,
            jti: String::new(),
            department: String::new(),
            roles: vec![String::from("service")],
            scope: String::new(),
            default_purpose: String::new(),
            uscc: String::new(),
        });
        let language = Language::default();
        Self { caller, language, now, method: Arc::from(""), stopping, peer: None }
    }

    /// The business day.
    pub fn today(&self) -> Date {
        business_day(self.now)
    }

    /// The purpose of a read of what is not public; refused without one.
    pub fn purpose<'a>(&'a self, given: &'a str) -> Answer<&'a str> {
        self.caller.purpose(given)
    }
}

/// The field number of `request_id` in every mutating request; the contract's style test holds it.
pub const REQUEST_ID: u32 = 100;

// The request id out of an encoded request, whatever its type.
fn request_id(mut bytes: &[u8]) -> Option<String> {
    use prost::encoding::{DecodeContext, WireType, decode_key, skip_field, string};
    while !bytes.is_empty() {
        let (tag, wire) = decode_key(&mut bytes).ok()?;
        if tag == REQUEST_ID && wire == WireType::LengthDelimited {
            let mut id = String::new();
            string::merge(wire, &mut id, &mut bytes, DecodeContext::default()).ok()?;
            return Some(id);
        }
        skip_field(wire, tag, &mut bytes, DecodeContext::default()).ok()?;
    }
    None
}

/// A service whose calls go through here.
pub trait App: Send + Sync + 'static {
    /// Its database.
    fn store(&self) -> &Store;
}

// What brings much takes long. A call begins where its connection is read, whose other calls do not wait for that.
async fn aside(request: &impl Message) {
    const AT_ONCE_BYTES: usize = 4 * 1024;
    if request.encoded_len() > AT_ONCE_BYTES {
        tokio::task::yield_now().await;
    }
}

/// Validates, calls, answers: for reads, streams and calls that keep their own transactions.
pub async fn call<A, Req, Res, F>(
    app: &Arc<A>,
    request: Request<Req>,
    handler: F,
) -> Result<Response<Res>, Status>
where
    Req: Message + Name,
    F: AsyncFnOnce(&Arc<A>, &Context, Req) -> Answer<Res>,
{
    let (context, request) = open(request)?;
    aside(&request).await;
    let outcome = match validation::check(&request) {
        Ok(()) => handler(app, &context, request).await,
        Err(fault) => Err(fault),
    };
    close(&context, outcome)
}

/// The same within one transaction, and done once for each request id.
pub async fn mutate<A, Req, Res, F>(
    app: &Arc<A>,
    request: Request<Req>,
    handler: F,
) -> Result<Response<Res>, Status>
where
    A: App,
    Req: Message + Name,
    Res: Message + Default,
    F: AsyncFnOnce(&Arc<A>, &Context, &Tx, Req) -> Answer<Res>,
{
    let (context, request) = open(request)?;
    aside(&request).await;
    let outcome = match validation::check(&request) {
        Ok(()) => mutate_once(app, &context, request, handler).await,
        Err(fault) => Err(fault),
    };
    close(&context, outcome)
}

/// A mutation that asks other services first: `prepare` runs before the transaction begins, so that their answers hold no lock; it
/// does not run where the request id has its answer already.
pub async fn mutate_prepared<A, Req, Res, P, G, F>(
    app: &Arc<A>,
    request: Request<Req>,
    prepare: G,
    handler: F,
) -> Result<Response<Res>, Status>
where
    A: App,
    Req: Message + Name,
    Res: Message + Default,
    G: AsyncFnOnce(&Arc<A>, &Context, &Req) -> Answer<P>,
    F: AsyncFnOnce(&Arc<A>, &Context, &Tx, Req, P) -> Answer<Res>,
{
    let (context, request) = open(request)?;
    aside(&request).await;
    let outcome = async {
        validation::check(&request)?;
        let encoded = request.encode_to_vec();
        let id = request_id(&encoded).unwrap_or_default();
        if !id.is_empty()
            && let Some(answer) = kept(app.store().read(), &context, &id, &digest(&encoded)).await?
        {
            return Ok(answer);
        }
        let prepared = prepare(app, &context, &request).await?;
        let handler = async |app: &Arc<A>, context: &Context, tx: &Tx, request: Req| {
            handler(app, context, tx, request, prepared).await
        };
        mutate_once(app, &context, request, handler).await
    };
    let outcome = outcome.await;
    close(&context, outcome)
}

async fn mutate_once<A, Req, Res, F>(app: &Arc<A>, context: &Context, request: Req, handler: F) -> Answer<Res>
where
    A: App,
    Req: Message + Name,
    Res: Message + Default,
    F: AsyncFnOnce(&Arc<A>, &Context, &Tx, Req) -> Answer<Res>,
{
    let encoded = request.encode_to_vec();
    let id = request_id(&encoded).unwrap_or_default();
    let tx = app.store().begin().await?;
    if id.is_empty() {
        let answer = handler(app, context, &tx, request).await?;
        tx.commit().await?;
        return Ok(answer);
    }
    if let Some(answer) = claim(&tx, context, &id, &encoded).await? {
        return Ok(answer);
    }
    let answer = handler(app, context, &tx, request).await?;
    let keep = "UPDATE requests SET answer = $4 WHERE caller = $1 AND method = $2 AND request_id = $3";
    tx.execute_raw(sql(&*tx, keep, key(context, &id).into_iter().chain([answer.encode_to_vec().into()])))
        .await?;
    tx.commit().await?;
    Ok(answer)
}

// Takes the id for this transaction, or gives the answer that it led to before.
async fn claim<Res: Message + Default>(
    tx: &Tx,
    context: &Context,
    id: &str,
    request: &[u8],
) -> Answer<Option<Res>> {
    let digest = digest(request);
    let take = "INSERT INTO requests (caller, method, request_id, digest, at) VALUES ($1, $2, $3, $4, $5) \
                ON CONFLICT (caller, method, request_id) DO NOTHING";
    let values = key(context, id).into_iter().chain([digest.clone().into(), micros(context.now).into()]);
    if tx.execute_raw(sql(&**tx, take, values)).await?.rows_affected() == 1 {
        return Ok(None);
    }
    match kept(&**tx, context, id, &digest).await? {
        Some(answer) => Ok(Some(answer)),
        None => Err(Fault::internal(anyhow::anyhow!("request {id} vanished"))),
    }
}

// The answer that the id led to before, if there is one.
async fn kept<Res: Message + Default>(
    db: &impl ConnectionTrait,
    context: &Context,
    id: &str,
    digest: &str,
) -> Answer<Option<Res>> {
    let find = "SELECT digest, answer FROM requests WHERE caller = $1 AND method = $2 AND request_id = $3";
    let Some(row) = db.query_one_raw(sql(db, find, key(context, id))).await? else { return Ok(None) };
    if row.try_get::<String>("", "digest")? != digest {
        return Err(Fault::aborted(
            Common::RequestIdReused.as_str_name(),
            format!("request id \"{id}\" was used for another request; use a new id"),
            format!("请求编号“{id}”已用于另一请求；请使用新的编号"),
        ));
    }
    let answer: Vec<u8> = row.try_get("", "answer")?;
    Ok(Some(Res::decode(answer.as_slice()).map_err(Fault::internal)?))
}

fn key(context: &Context, id: &str) -> [sea_orm::Value; 3] {
    [context.caller.name().into(), context.method.as_ref().into(), id.into()]
}

fn digest(request: &[u8]) -> String {
    hex::encode(Sha256::digest(request))
}

// The tower stack made the context; a call that came round it is a fault of assembly.
fn open<Req>(mut request: Request<Req>) -> Result<(Context, Req), Status> {
    match request.extensions_mut().remove::<Context>() {
        Some(context) => Ok((context, request.into_inner())),
        None => Err(Status::internal("the call did not come through the stack")),
    }
}

fn close<Res>(context: &Context, outcome: Answer<Res>) -> Result<Response<Res>, Status> {
    outcome.map(Response::new).map_err(|fault| {
        if fault.kind() == Kind::Denied {
            access::log_denial(&context.method, context.caller.name(), &fault);
        }
        if fault.kind() == Kind::Internal || fault.cause().is_some() {
            tracing::error!(method = %context.method, caller = context.caller.name(), %fault, "call failed");
        }
        fault.into_status(context.language)
    })
}

/// The context and messages of a client-streaming call, whose messages are judged one by one.
pub fn open_stream<Req>(
    request: Request<tonic::Streaming<Req>>,
) -> Result<(Context, tonic::Streaming<Req>), Status> {
    open(request)
}

/// Answers what a handler that opened its own stream found.
pub fn answer<Res>(context: &Context, outcome: Answer<Res>) -> Result<Response<Res>, Status> {
    close(context, outcome)
}
