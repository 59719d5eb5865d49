//! The one public door: REST by transcoding, gRPC and gRPC-Web passed through, and the identities of its own clients.
mod browsers;
mod docs;
mod errors;
mod files;
mod frames;
mod gzip;
pub mod identity;
mod limits;
mod openapi;
mod passthrough;
mod rest;
mod retries;
#[cfg(test)]
mod tests;
pub mod transcode;
mod upload;

use std::{
    collections::{BTreeMap, HashMap},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use axum::{Router, extract::Request, response::Response};
use chassis::{
    Answer, Fault,
    access::{Caller, Denied, Rules, authorization},
    language::Language,
    peers::{Peer, Proxies},
    serve::Boot,
    telemetry,
    upstream::Upstream,
    validation::POOL,
};
use futures::FutureExt;
use http::{HeaderMap, header};
use prost::Message as _;
use prost_reflect::DescriptorPool;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
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
    cors: browsers::Cors,
    gate: Arc<limits::Gate>,
    proxies: Proxies,
    body_timeout: Duration,
    retries: retries::Retries,
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
        for (package, upstream) in &upstreams {
            boot.health.answers_for(package, Some(upstream.clone()));
        }
        let own = passthrough::own_services(&pool, boot.health.clone())?;
        let settings = &boot.settings;
        Ok(Self(Arc::new(Parts {
            cors: browsers::Cors::of(&settings.cors_origins),
            gate: Arc::new(limits::Gate::new(settings)),
            proxies: Proxies::parse(&settings.trusted_proxies).map_err(anyhow::Error::msg)?,
            body_timeout: Duration::from_secs(settings.body_timeout_s.into()),
            retries: retries::Retries::new(&boot.metrics)?,
            boot: boot.clone(),
            rules,
            transcoder,
            upstreams,
            own,
            docs,
        })))
    }

    /// As a router that takes every path.
    pub fn router(self) -> Router {
        Router::new().fallback(move |request: Request| {
            let gateway = self.clone();
            async move { gateway.answer(request).await }
        })
    }

    async fn answer(&self, mut request: Request) -> Response {
        if let Some(&peer) = request.extensions().get::<Peer>() {
            let caller = self.proxies.caller(peer, request.headers());
            request.extensions_mut().insert(caller);
        }
        let origin = self.cors.granted(request.headers());
        let mut response = match self.cors.preflight(&request) {
            Some(response) => response,
            None => self.traced(request).await,
        };
        self.cors.mark(origin, response.headers_mut());
        response
    }

    async fn traced(&self, request: Request) -> Response {
        let language = language_of(request.headers());
        let (trace, trace_id) = telemetry::trace_of(request.headers());
        let span =
            tracing::info_span!("request", method = %request.method(), path = request.uri().path(), trace_id);
        telemetry::adopt(&span, request.headers());
        let work = AssertUnwindSafe(self.dispatch(request, language).boxed()).catch_unwind().instrument(span);
        telemetry::within(trace, work).await.unwrap_or_else(|_| {
            tracing::error!(trace_id, "the gateway panicked");
            let fault = Fault::internal(anyhow::anyhow!("panic")).with("traceId", trace_id);
            errors::answer(&self.transcoder, fault.into(), language)
        })
    }

    async fn dispatch(&self, request: Request, language: Language) -> Response {
        if !browsers::host_is_clear(&request) {
            return errors::answer(&self.transcoder, transcode::refusal::host_ambiguous().into(), language);
        }
        if passthrough::is_grpc(request.headers()) {
            return passthrough::answer(self, request, language).await;
        }
        match self.docs.answer(&request, self.boot.settings.compress_above_bytes > 0) {
            Some(response) => response,
            None => rest::answer(self, request, language).await,
        }
    }

    fn upstream(&self, package: &str) -> Option<Upstream> {
        self.upstreams.get(package).cloned()
    }

    // The services check again; here it spares them, and us, the work for callers who may not.
    async fn authorize(&self, path: &str, headers: &HeaderMap, peer: Option<Peer>) -> Answer<Caller> {
        let now = self.boot.clock.now();
        let denied = |caller: &str, fault: &Fault| {
            self.boot.denials.log(now, peer.map(|peer| peer.0), path, caller, fault);
        };
        let known = match authorization(headers) {
            Ok(given) => self.boot.verifier.caller(given, now).await,
            Err(fault) => Err(fault),
        };
        let caller = known.inspect_err(|fault| denied("unknown", fault))?;
        self.rules.check(path, &caller).inspect_err(|fault| denied(caller.name(), fault))?;
        Ok(caller)
    }

    // What a service refused by a rule of its own, as four-eyes and the rows of others.
    fn note_refused(&self, path: &str, caller: &Caller, peer: Option<Peer>, status: &Status) {
        if status.code() != Code::PermissionDenied {
            return;
        }
        let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
        let (caller, method) = (caller.name().to_owned(), path.to_owned());
        let denied = Denied { caller, method, reason, address: peer.map(|peer| peer.0) };
        self.boot.denials.note(self.boot.clock.now(), denied);
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
