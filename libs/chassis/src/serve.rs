//! Serving: the one tower stack round every service, one port for HTTP/1 and HTTP/2, graceful stop.
use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    panic::AssertUnwindSafe,
    path::PathBuf,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
};
use contract::r#type::v1::ErrorReason as Common;
use futures::{FutureExt, future::BoxFuture};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tonic::{Status, service::RoutesBuilder};
use tonic_health::pb::health_server::HealthServer;
use tower::ServiceExt;
use tracing::Instrument;

use crate::{
    access::{Denials, Foreign, Rules, Verifier, authorization},
    age::Age,
    answers::{Answers, Streams},
    call::Context,
    clock::Clock,
    fault::{Answer, Fault},
    feed::Progress,
    floods::{Addresses, Watched},
    health::Health,
    lanes,
    language::Language,
    operations,
    peers::{Peer, Proxies},
    settings::Settings,
    storage::{Place, Store},
    telemetry::{self, Metrics},
    tls::{self, Dialer, Renewed, Shown},
    validation::POOL,
    wire::{Begun, Taken},
};

/// The largest message taken over gRPC: a body of 8 MiB as JSON is smaller as protobuf.
pub const MESSAGE_MAX: usize = 16 * 1024 * 1024;

/// What every role of a process shares.
#[derive(Clone)]
pub struct Boot {
    /// The settings.
    pub settings: Arc<Settings>,
    /// The clock.
    pub clock: Clock,
    /// Who checks tokens.
    pub verifier: Arc<Verifier>,
    /// The access rules of the contract.
    pub rules: Arc<Rules>,
    /// Where refused calls are noted.
    pub denials: Denials,
    /// The figures.
    pub metrics: Metrics,
    /// Whether it can serve.
    pub health: Health,
    /// What the port shows, where it speaks TLS.
    pub shown: Option<Arc<Shown>>,
    /// How other roles are called over TLS.
    pub dialer: Option<Dialer>,
    /// Ends when the process stops.
    pub stopping: CancellationToken,
}

impl Boot {
    /// Prepares a process; `dialer` is how it calls others.
    pub fn new(settings: Settings, verifier: Verifier, dialer: Option<Dialer>) -> anyhow::Result<Self> {
        let stopping = CancellationToken::new();
        let verifier = if settings.clock_start.is_empty() { verifier } else { verifier.in_a_drill() };
        let verifier = verifier.beside(Foreign::of(&settings)?);
        let shown = tls::shown(&settings)?;
        let boot = Self {
            clock: settings.clock(),
            settings: Arc::new(settings),
            verifier: Arc::new(verifier),
            rules: Arc::new(Rules::from_contract(&POOL)?),
            denials: Denials::default(),
            metrics: Metrics::new()?,
            health: Health::new(stopping.clone()),
            shown,
            dialer,
            stopping,
        };
        if let Some(shown) = &boot.shown {
            boot.tells_of(shown);
        }
        if let Some(dialer) = &boot.dialer {
            boot.tells_of(dialer.renewed());
        }
        Ok(boot)
    }

    fn tells_of<T: Send + Sync + 'static>(&self, renewed: &Arc<Renewed<T>>) {
        let renewed = renewed.clone();
        self.health.remarks(move || renewed.amiss());
    }

    /// Keeps the certificates as their files have them, until the process stops.
    pub fn certificates(&self) -> Vec<BoxFuture<'static, ()>> {
        let shown = self.shown.iter().map(|shown| shown.clone().follow(self.stopping.clone()).boxed());
        let trusted =
            self.dialer.iter().map(|dialer| dialer.renewed().clone().follow(self.stopping.clone()).boxed());
        shown.chain(trusted).collect()
    }

    /// Opens a role's database, without which it can't serve.
    pub async fn store<M: sea_orm_migration::MigratorTrait>(&self, service: &str) -> anyhow::Result<Store> {
        let data_dir: &PathBuf = &self.settings.data_dir;
        let store = Store::open::<M>(Place { service, data_dir, url: &self.settings.database }).await?;
        self.health.needs_database(service, store.clone());
        self.health.answers_for(&format!("xinheng.{service}.v1"), None);
        operations::count(&self.metrics, service, store.clone())?;
        Ok(store)
    }
}

impl Boot {
    /// Says that a role follows a feed: it can't serve while that is lost, and the figures tell since when it is.
    pub fn follows(&self, feed: &'static str, progress: Progress) -> anyhow::Result<()> {
        let lost = "for how many seconds a feed that is followed has not been open; 0 while it is";
        let level = self.metrics.level("xinheng_feed_lost_seconds", lost, "feed")?;
        let looked = progress.clone();
        self.metrics.look(move || {
            let lost = looked.lost_for().map_or(0, |lost| i64::try_from(lost.as_secs()).unwrap_or(i64::MAX));
            level.set(feed, lost);
            std::future::ready(())
        });
        self.health.needs_feed(feed, progress);
        Ok(())
    }
}

/// A role that is ready to serve.
pub struct Role {
    /// Its name, for example `credit`.
    pub name: &'static str,
    /// Its calls, with the stack round them.
    pub router: Router,
    /// Its work in the background; each ends when the process stops.
    pub background: Vec<BoxFuture<'static, ()>>,
    /// Its database, for readiness and for closing.
    pub store: Store,
}

/// The calls of a role behind the one stack. The guard stands outermost: it opens the trace, counts, holds the deadline,
/// turns a panic into an answer, learns who calls, and checks the method's access rule before anything is decoded.
pub fn stack(boot: &Boot, mut routes: RoutesBuilder) -> Router {
    routes.add_service(HealthServer::new(boot.health.clone()));
    let guard = Arc::new(Stack { boot: boot.clone() });
    routes.routes().into_axum_router().layer(middleware::from_fn_with_state(guard, serve_guarded))
}

struct Stack {
    boot: Boot,
}

async fn serve_guarded(State(stack): State<Arc<Stack>>, request: Request, next: Next) -> Response {
    let path: Arc<str> = Arc::from(request.uri().path());
    let (trace, trace_id) = telemetry::trace_of(request.headers());
    let span = tracing::info_span!("call", method = %path, trace_id, otel.name = %path, otel.kind = "server");
    telemetry::adopt(&span, request.headers());
    let started = std::time::Instant::now();
    let running = stack.boot.metrics.runs();
    let language = language_of(request.headers());
    // Boxed where it is small, so that what is wrapped round it does not move it about.
    let work = AssertUnwindSafe(stack.serve(path.clone(), language, request, next).boxed()).catch_unwind();
    let outcome = telemetry::within(trace, work.instrument(span.clone())).await;
    let response = match outcome {
        Ok(Ok(response)) => response,
        Ok(Err(fault)) => answer(fault.with("traceId", trace_id), language),
        Err(_) => {
            span.in_scope(|| tracing::error!("a handler panicked"));
            answer(Fault::internal(anyhow::anyhow!("panic")).with("traceId", trace_id), language)
        }
    };
    let code = response.headers().get("grpc-status").and_then(|code| code.to_str().ok()).unwrap_or("0");
    stack.boot.metrics.served(&path, code, started.elapsed().as_secs_f64());
    // A stream runs until its last message is taken.
    response.map(|body| {
        Body::new(body.map_frame(move |frame| {
            let _ = &running;
            frame
        }))
    })
}

impl Stack {
    async fn serve(
        &self,
        path: Arc<str>,
        language: Language,
        mut request: Request,
        next: Next,
    ) -> Answer<Response> {
        let limit = deadline(request.headers());
        let within = pin!(async {
            if !is_open(&path) {
                let peer = request.extensions().get().map(|Peer(address)| *address);
                let context = self.context(path, language, request.headers(), peer).await?;
                request.extensions_mut().insert(context);
            }
            Ok(next.run(request).await)
        });
        match limit {
            None => within.await,
            Some(limit) => tokio::time::timeout(limit, within).await.unwrap_or_else(|_| {
                Err(Fault::unavailable(
                    Common::UpstreamUnavailable.as_str_name(),
                    "the call's deadline passed before it was done",
                    "在调用方设定的期限内未能完成",
                ))
            }),
        }
    }

    async fn context(
        &self,
        path: Arc<str>,
        language: Language,
        headers: &HeaderMap,
        peer: Option<IpAddr>,
    ) -> Answer<Context> {
        let now = self.boot.clock.now();
        let caller = match authorization(headers) {
            Ok(given) => self.boot.verifier.caller(given, now).await,
            Err(fault) => Err(fault),
        };
        let denied = |caller: &str, fault: &Fault| self.boot.denials.log(now, peer, &path, caller, fault);
        let caller = caller.inspect_err(|fault| denied("unknown", fault))?;
        self.boot.rules.check(&path, &caller).inspect_err(|fault| denied(caller.name(), fault))?;
        Ok(Context { caller, language, now, method: path, stopping: self.boot.stopping.clone(), peer })
    }
}

// Health and reflection tell nothing that the contract does not.
fn is_open(path: &str) -> bool {
    path.starts_with("/grpc.health.") || path.starts_with("/grpc.reflection.")
}

fn language_of(headers: &HeaderMap) -> Language {
    Language::from_accept(headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()))
}

fn answer(fault: Fault, language: Language) -> Response {
    let status: Status = fault.into_status(language);
    status.into_http()
}

/// The time that a caller gives, in gRPC's own header: digits and a unit.
pub fn deadline(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count.checked_mul(3_600)?)),
        "M" => Some(Duration::from_secs(count.checked_mul(60)?)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// Binds a port; the refusal names it.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        anyhow::anyhow!(
            "can't listen on {address}: {error}; another program may hold the port, choose another address"
        )
    })
}

/// What a port takes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open connections; more wait to be accepted.
    pub connections: usize,
    /// Open connections from one address that is no trusted proxy; more are closed.
    pub from_one_address: usize,
    /// The time for a connection's first request, and for the headers of each.
    pub headers: Duration,
    /// The time in which the peer must take something of an answer; else that answer's stream ends, or the connection where nothing of it is taken.
    pub write: Duration,
    /// How often a quiet HTTP/2 peer is asked whether it is there; it has half that time to answer.
    pub asked_every: Duration,
    /// The age at which a connection is ended in good order, a tenth more or less; zero: never.
    pub age: Duration,
    /// Whether anybody may connect: then a flood of frames, or an answer that is left lying, ends the connection.
    pub guarded: bool,
}

impl Limits {
    /// Those of the settings, for a port that anybody may reach.
    pub fn of(settings: &Settings) -> Self {
        Self {
            connections: settings.connections_at_once as usize,
            from_one_address: settings.address_connections_at_once as usize,
            headers: Duration::from_secs(settings.header_timeout_s.into()),
            write: Duration::from_secs(settings.write_timeout_s.into()),
            asked_every: Duration::from_secs(20),
            age: Duration::from_secs(settings.connection_age_s.into()),
            guarded: true,
        }
    }

    /// For a port that other roles call, over few connections each: what the gateway's callers cancel or leave lying, its connection
    /// carries, and it guards itself.
    #[must_use]
    pub fn among_ourselves(self) -> Self {
        Self { guarded: false, ..self }
    }
}

// Of all headers of a request together.
const HEADERS_MAX: u32 = 32 * 1024;
// Streams of one HTTP/2 connection at once, and those that were reset before we came to them.
const STREAMS_MOST: u32 = 1_000;
const RESET_MOST: usize = 100;
// Frames that bring no request: pings, resets and the like.
const CONTROL_FRAMES_PER_S: u32 = 500;

/// A port and what it shows: nothing, and it speaks plain HTTP.
pub struct Port {
    listener: TcpListener,
    shown: Option<Arc<Shown>>,
    // Many callers stand behind one of these.
    proxies: Proxies,
    in_lanes: bool,
}

impl Port {
    /// Plain HTTP.
    pub fn plain(listener: TcpListener) -> Self {
        Self { listener, shown: None, proxies: Proxies::default(), in_lanes: false }
    }

    /// As the process shows itself.
    pub fn of(listener: TcpListener, boot: &Boot) -> anyhow::Result<Self> {
        let proxies = Proxies::parse(&boot.settings.trusted_proxies).map_err(anyhow::Error::msg)?;
        Ok(Self { listener, shown: boot.shown.clone(), proxies, in_lanes: false })
    }

    /// Each connection on one of the lanes: for a port whose calls are passed on.
    #[must_use]
    pub fn in_lanes(self) -> Self {
        Self { in_lanes: true, ..self }
    }
}

/// Serves a router on a port until the token is cancelled, then lets what runs finish, at most ten seconds.
pub async fn serve(port: Port, router: Router, limits: Limits, stopping: CancellationToken) {
    let Port { listener, shown, proxies, in_lanes } = port;
    // Each connection holds a receiver.
    let (open, _) = watch::channel(());
    let places = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
    let addresses = Addresses::default();
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, (stream, peer)) = tokio::select! {
            (place, accepted) = accepted => match accepted {
                Ok(accepted) => (place, accepted),
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = stopping.cancelled() => break,
        };
        let peer = Peer(peer.ip().to_canonical());
        let most = if proxies.hold(peer.0) { usize::MAX } else { limits.from_one_address };
        let Some(entered) = addresses.enter(peer.0, most) else {
            tracing::debug!(address = %peer.0, "an address has as many connections as it may");
            continue;
        };
        let _ = stream.set_nodelay(true);
        let acceptor = shown.as_ref().map(|shown| TlsAcceptor::from(shown.current()));
        let connection = Connection { router: router.clone(), peer, limits };
        let (held, stopping) = (open.subscribe(), stopping.clone());
        let lane = in_lanes.then(lanes::next).flatten();
        // A connection is woken where it runs.
        let stream = match lane {
            None => Ok(stream),
            Some(lane) => stream.into_std().and_then(|stream| {
                let _there = lane.enter();
                TcpStream::from_std(stream)
            }),
        };
        let stream = match stream {
            Ok(stream) => Taken::within(stream, limits.write),
            Err(error) => {
                tracing::warn!(%error, "a connection was accepted and can't be served");
                continue;
            }
        };
        let served = async move {
            let begun = Begun::default();
            let missed = begun.clone().missed(limits.headers);
            let served = async {
                match acceptor {
                    None => connection.served(stream, begun, stopping).await,
                    Some(acceptor) => match acceptor.accept(stream).await {
                        Ok(stream) => connection.served(stream, begun, stopping).await,
                        Err(error) => tracing::debug!(%error, "a handshake failed"),
                    },
                }
            };
            tokio::select! {
                () = served => {}
                () = missed => {}
            }
            drop((place, entered, held));
        };
        match lane {
            None => tokio::spawn(served),
            Some(lane) => lane.spawn(served),
        };
    }
    drop(listener);
    tokio::select! {
        () = open.closed() => {}
        () = tokio::time::sleep(Duration::from_secs(10)) => tracing::warn!("connections are cut after ten seconds"),
    }
}

fn builder(limits: Limits, streams: Streams) -> auto::Builder<Streams> {
    let mut builder = auto::Builder::new(streams);
    builder
        .http1()
        .timer(TokioTimer::new())
        // A client that sends its headers a byte a minute, or none for its next request, holds no connection.
        .header_read_timeout(limits.headers)
        .max_buf_size(HEADERS_MAX as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MOST)
        .max_pending_accept_reset_streams(RESET_MOST)
        .max_local_error_reset_streams(RESET_MOST)
        .keep_alive_interval(limits.asked_every)
        .keep_alive_timeout(limits.asked_every / 2)
        .max_header_list_size(HEADERS_MAX);
    builder
}

// One connection and who serves it.
struct Connection {
    router: Router,
    peer: Peer,
    limits: Limits,
}

impl Connection {
    async fn served<S>(self, stream: S, begun: Begun, stopping: CancellationToken)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { router, peer, limits } = self;
        let age = Age::default();
        let answers = limits.guarded.then(|| Answers::within(limits.write));
        let builder = builder(limits, Streams::of(answers.as_ref()));
        let (asked, watched) = (answers.clone(), answers.clone());
        let (spoken, told) = (age.clone(), age.clone());
        let service = router
            .map_request(move |request: http::Request<hyper::body::Incoming>| {
                begun.mark();
                spoken.spoken(request.version());
                let mut request = request.map(|body| match &asked {
                    Some(answers) => answers.asked(Body::new(body)),
                    None => Body::new(body),
                });
                request.extensions_mut().insert(peer);
                request
            })
            .map_response(move |response: Response| {
                let response = told.told(response);
                match &watched {
                    Some(answers) => response.map(|body| answers.watched(body)),
                    None => response,
                }
            });
        let service = TowerToHyperService::new(service);
        let frames = limits.guarded.then_some(CONTROL_FRAMES_PER_S);
        let stream = TokioIo::new(Watched::within(stream, frames));
        let mut connection = pin!(builder.serve_connection_with_upgrades(stream, service));
        // A peer that breaks off is its own affair.
        let served = async {
            tokio::select! {
                _ = connection.as_mut() => return,
                () = stopping.cancelled() => {}
                () = age.reached(limits.age) => {}
            }
            // What has come is answered, however long that takes; what comes no more finds another connection.
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        };
        let stalled = async {
            match &answers {
                Some(answers) => answers.stalled().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = served => {}
            () = stalled => {
                tracing::debug!(address = %peer.0, "nothing is taken of a connection's answers, and it ends");
            }
        }
    }
}

/// The operator's port: /metrics, /healthz, /readyz.
pub fn admin(metrics: Metrics, health: Health) -> Router {
    let plain = |status: http::StatusCode, text: String| {
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = status;
        response
    };
    Router::new().fallback(move |request: Request| {
        let (metrics, health) = (metrics.clone(), health.clone());
        async move {
            let answer = match request.uri().path() {
                "/healthz" => plain(http::StatusCode::OK, String::from("ok\n")),
                "/readyz" => match health.ready().await {
                    Ok(()) => {
                        let remarks: String =
                            health.remarked().iter().map(|told| format!("but {told}\n")).collect();
                        plain(http::StatusCode::OK, format!("ready\n{remarks}"))
                    }
                    Err(why) => plain(http::StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
                },
                "/metrics" => match figures(&metrics, &health).await {
                    Ok(text) => plain(http::StatusCode::OK, String::from_utf8_lossy(&text).into_owned()),
                    Err(error) => plain(http::StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
                },
                _ => plain(
                    http::StatusCode::NOT_FOUND,
                    String::from("here are /metrics, /healthz and /readyz\n"),
                ),
            };
            Ok::<_, Infallible>(answer)
        }
        .map(|answer| answer.unwrap_or_else(|never| match never {}))
    })
}

async fn figures(metrics: &Metrics, health: &Health) -> anyhow::Result<Vec<u8>> {
    metrics.set_ready(health.ready().await.is_ok());
    metrics.look_now().await;
    metrics.text()
}

/// Ends when the process is told to stop.
pub async fn stop_signal() {
    let interrupt = tokio::signal::ctrl_c();
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => {
            let _ = interrupt.await;
        }
    }
}
