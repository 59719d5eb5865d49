//! The one public door: REST by transcoding, gRPC and gRPC-Web passed through, and the identities of its own clients.
mod docs;
mod errors;
mod frames;
pub mod identity;
mod openapi;
mod passthrough;
mod rest;
#[cfg(test)]
mod tests;
pub mod transcode;
mod upload;

use std::{
    collections::{BTreeMap, HashMap},
    panic::AssertUnwindSafe,
    sync::Arc,
};

use anyhow::Context as _;
use axum::{Router, extract::Request, response::Response};
use chassis::{
    Answer, Fault, access::{Rules, authorization}, language::Language, serve::Boot, telemetry, upstream::Upstream,
    validation::POOL,
};
use futures::FutureExt;
use http::{HeaderMap, header};
use prost::Message as _;
use prost_reflect::DescriptorPool;
use tracing::Instrument;

use transcode::Transcoder;

/// Everything that a request needs; cheap to clone.
#[derive(Clone)]
pub struct Gateway(Arc<Parts>);

/// What the gateway consists of.
pub struct Parts {
    boot: Boot,
    rules: Rules,
    transcoder: Transcoder,
    // By proto package.
    upstreams: HashMap<String, Upstream>,
    // Health and reflection, which the gateway answers itself.
    own: Upstream,
    docs: docs::Docs,
}

impl std::ops::Deref for Gateway {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// Opens the door to the services: `issuer` serves identity, `upstreams` the others by their names.
pub fn open(boot: &Boot, issuer: Upstream, upstreams: BTreeMap<&str, Upstream>) -> anyhow::Result<Router> {
    let contract = upstreams.into_iter().chain([("identity", issuer)]);
    let upstreams = contract.map(|(name, upstream)| (format!("xinheng.{name}.v1"), upstream)).collect();
    Ok(Gateway::new(boot, &POOL, upstreams)?.router())
}

impl Gateway {
    /// Compiles a contract; `upstreams` are found by proto package.
    pub fn new(
        boot: &Boot,
        pool: &DescriptorPool,
        upstreams: HashMap<String, Upstream>,
    ) -> anyhow::Result<Self> {
        let pool = with_error_details(pool.clone()).context("the descriptors of google.rpc")?;
        let transcoder = Transcoder::new(&pool)?;
        let docs = docs::Docs::new(&openapi::document(&pool)?)?;
        let rules = Rules::from_contract(&pool)?;
        let own = passthrough::own_services(&pool)?;
        Ok(Self(Arc::new(Parts { boot: boot.clone(), rules, transcoder, upstreams, own, docs })))
    }

    /// As a router that takes every path.
    pub fn router(self) -> Router {
        Router::new().fallback(move |request: Request| {
            let gateway = self.clone();
            async move { gateway.answer(request).await }
        })
    }

    async fn answer(&self, request: Request) -> Response {
        let language = language_of(request.headers());
        let (trace, trace_id) = telemetry::trace_of(request.headers());
        let span =
            tracing::info_span!("request", method = %request.method(), path = request.uri().path(), trace_id);
        telemetry::adopt(&span, request.headers());
        let work = AssertUnwindSafe(self.dispatch(request, language)).catch_unwind().instrument(span);
        telemetry::within(trace, work).await.unwrap_or_else(|_| {
            tracing::error!(trace_id, "the gateway panicked");
            let fault = Fault::internal(anyhow::anyhow!("panic")).with("traceId", trace_id);
            errors::answer(&self.transcoder, fault.into(), language)
        })
    }

    async fn dispatch(&self, request: Request, language: Language) -> Response {
        if passthrough::is_grpc(request.headers()) {
            return passthrough::answer(self, request, language).await;
        }
        match self.docs.answer(request.method(), request.uri().path()) {
            Some(response) => response,
            None => rest::answer(self, request, language).await,
        }
    }

    fn upstream(&self, package: &str) -> Option<Upstream> {
        self.upstreams.get(package).cloned()
    }

    // The services check again; here it spares them, and us, the work for callers who may not.
    async fn authorize(&self, path: &str, headers: &HeaderMap) -> Answer<()> {
        let caller = self.boot.verifier.caller(authorization(headers)?, self.boot.clock.now()).await?;
        self.rules.check(path, &caller)
    }
}

fn language_of(headers: &HeaderMap) -> Language {
    Language::from_accept(headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()))
}

// Services put google.rpc's details into their refusals; the contract need not import them for that.
fn with_error_details(mut pool: DescriptorPool) -> anyhow::Result<DescriptorPool> {
    let known = prost_types::FileDescriptorSet::decode(tonic_types::pb::FILE_DESCRIPTOR_SET)?;
    let missing = known.file.into_iter().filter(|file| {
        let taken = |name: &str| pool.get_message_by_name(&format!("{}.{name}", file.package())).is_some();
        !file.message_type.iter().any(|message| taken(message.name()))
    });
    let missing: Vec<_> = missing.collect();
    pool.add_file_descriptor_protos(missing)?;
    Ok(pool)
}
