//! Logs, traces and figures, set up once for the process.
use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    propagation::{Extractor, Injector, TextMapPropagator as _},
    trace::TracerProvider as _,
};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, LevelFilter, filter_fn},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::settings::{LogFormat, Settings};

// Whence come the spans of statements, each with its text and never a value of its parameters.
const STATEMENTS: &str = "sea_orm::database";

// How spans of several processes join, where somebody takes them. Where nobody does, none is looked for in each call: the name of its trace
// goes on all the same.
static PROPAGATOR: OnceLock<TraceContextPropagator> = OnceLock::new();

/// Flushes what is left when the process ends.
pub struct Guard(Option<SdkTracerProvider>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(provider) = self.0.take()
            && let Err(error) = provider.shutdown()
        {
            tracing::warn!(%error, "the last spans are lost");
        }
    }
}

/// Sets logs and traces up. A second call in the same process leaves the first in force.
pub fn init(settings: &Settings, role: &str) -> anyhow::Result<Guard> {
    let filter = EnvFilter::try_new(&settings.log)
        .map_err(|error| anyhow::anyhow!("log = \"{}\" can't be read: {error}", settings.log))?;
    let provider = if settings.otlp_endpoint.is_empty() { None } else { Some(exporter(settings, role)?) };
    if provider.is_some() {
        let _ = PROPAGATOR.set(TraceContextPropagator::new());
    }
    let _ = subscriber(filter, settings.log_format, provider.as_ref()).try_init();
    Ok(Guard(provider))
}

// Both filters say how far they look at all: without that, or with a layer that is not there, every trace of every library would be made
// up and dropped, which took a sixth of a call.
fn subscriber(
    filter: EnvFilter,
    format: LogFormat,
    provider: Option<&SdkTracerProvider>,
) -> impl tracing::Subscriber + Send + Sync + use<> {
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Text => lines.with_target(false).boxed(),
    };
    // A line names the call that it belongs to, not each statement round it: where nobody takes traces, these cost nothing.
    let calls = filter_fn(|of| !(of.is_span() && of.target().starts_with(STATEMENTS)))
        .with_max_level_hint(LevelFilter::TRACE);
    let mut layers = vec![lines.with_filter(filter.and(calls)).boxed()];
    if let Some(provider) = provider {
        // What is traced is not what is logged: a trace is whole whatever the log leaves out.
        let whole =
            filter_fn(|of| *of.level() <= tracing::Level::INFO).with_max_level_hint(LevelFilter::INFO);
        let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("xinheng"));
        layers.push(spans.with_filter(whole).boxed());
    }
    tracing_subscriber::registry().with(layers)
}

fn exporter(settings: &Settings, role: &str) -> anyhow::Result<SdkTracerProvider> {
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(&settings.otlp_endpoint).build()?;
    let resource = Resource::builder().with_service_name(format!("xinheng-{role}")).build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

tokio::task_local! {
    // The W3C trace context of the call being served, where no exporter makes spans of its own.
    static TRACEPARENT: HeaderValue;
}

/// The trace that a call belongs to: its caller's, or a new one.
pub fn trace_of(headers: &HeaderMap) -> (HeaderValue, String) {
    let given = headers.get("traceparent").filter(|value| {
        value
            .to_str()
            .is_ok_and(|text| text.len() == 55 && text.starts_with("00-") && text.as_bytes()[35] == b'-')
    });
    let header = given.cloned().or_else(|| {
        let (trace, span) = (crate::ids::distinct::<16>().ok()?, crate::ids::distinct::<8>().ok()?);
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-01";
        hex::encode_to_slice(trace, &mut text[3..35]).ok()?;
        hex::encode_to_slice(span, &mut text[36..52]).ok()?;
        HeaderValue::from_bytes(&text).ok()
    });
    let header = header.unwrap_or_else(|| {
        HeaderValue::from_static("00-00000000000000000000000000000001-0000000000000001-00")
    });
    let id = header.to_str().ok().and_then(|text| text.get(3..35)).unwrap_or_default().to_owned();
    (header, id)
}

/// Serves a call within its trace.
pub fn within<F: Future>(trace: HeaderValue, call: F) -> impl Future<Output = F::Output> {
    TRACEPARENT.scope(trace, call)
}

/// Makes the span of a call a child of its caller's.
pub fn adopt(span: &tracing::Span, headers: &HeaderMap) {
    if let Some(propagator) = PROPAGATOR.get() {
        let _ = span.set_parent(propagator.extract(&Headers(headers)));
    }
}

/// Passes the trace on to another service.
pub fn inject(headers: &mut HeaderMap) {
    if let Some(propagator) = PROPAGATOR.get() {
        propagator.inject_context(&tracing::Span::current().context(), &mut HeadersMut(headers));
    }
    if !headers.contains_key("traceparent") {
        let _ = TRACEPARENT.try_with(|trace| headers.insert("traceparent", trace.clone()));
    }
    // Another one in each call: HPACK would put it in its table, and drop from there what comes again.
    if let Some(trace) = headers.get_mut("traceparent") {
        trace.set_sensitive(true);
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct HeadersMut<'a>(&'a mut HeaderMap);

impl Injector for HeadersMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

/// The figures that Prometheus collects.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    calls: IntCounterVec,
    seconds: HistogramVec,
    running: IntGauge,
    ready: IntGauge,
    own: Arc<Mutex<BTreeMap<&'static str, Counter>>>,
    levels: Arc<Mutex<BTreeMap<&'static str, IntGaugeVec>>>,
    sources: Arc<Mutex<Vec<Source>>>,
}

// What looks at levels anew before they are read.
type Source = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// A figure that rises and falls, by one label.
#[derive(Clone)]
pub struct Level(IntGaugeVec);

impl Level {
    /// Sets it.
    pub fn set(&self, label: &str, value: i64) {
        self.0.with_label_values(&[label]).set(value);
    }
}

/// A call that is counted as running.
pub(crate) struct Running(IntGauge);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A figure that only grows, by one label.
#[derive(Clone)]
pub struct Counter(IntCounterVec);

impl Counter {
    /// Adds to it.
    pub fn add(&self, label: &str, count: u64) {
        self.0.with_label_values(&[label]).inc_by(count);
    }
}

impl Metrics {
    /// Fresh figures.
    pub fn new() -> anyhow::Result<Self> {
        let registry = Registry::new();
        let calls = IntCounterVec::new(
            Opts::new("xinheng_calls_total", "calls served, by method and gRPC code"),
            &["method", "code"],
        )?;
        let seconds = HistogramVec::new(
            HistogramOpts::new("xinheng_call_seconds", "time to the first byte of the answer")
                .buckets(prometheus::exponential_buckets(0.0001, 3.0, 11)?),
            &["method"],
        )?;
        let running =
            IntGauge::new("xinheng_calls_running", "calls that are being served now, streams among them")?;
        let ready = IntGauge::new("xinheng_ready", "1 where /readyz would say so at this moment, else 0")?;
        let build = IntGaugeVec::new(Opts::new("xinheng_build_info", "the release that runs"), &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        registry.register(Box::new(calls.clone()))?;
        registry.register(Box::new(seconds.clone()))?;
        registry.register(Box::new(running.clone()))?;
        registry.register(Box::new(ready.clone()))?;
        registry.register(Box::new(build))?;
        Ok(Self {
            registry,
            calls,
            seconds,
            running,
            ready,
            own: Arc::default(),
            levels: Arc::default(),
            sources: Arc::default(),
        })
    }

    /// A service's own figure, the same for all who name it.
    pub fn counter(&self, name: &'static str, help: &str, label: &str) -> anyhow::Result<Counter> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = own.get(name) {
            return Ok(counter.clone());
        }
        let counter = IntCounterVec::new(Opts::new(name, help), &[label])?;
        self.registry.register(Box::new(counter.clone()))?;
        own.insert(name, Counter(counter.clone()));
        Ok(Counter(counter))
    }

    /// A level, the same for all who name it.
    pub fn level(&self, name: &'static str, help: &str, label: &str) -> anyhow::Result<Level> {
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(level) = levels.get(name) {
            return Ok(Level(level.clone()));
        }
        let level = IntGaugeVec::new(Opts::new(name, help), &[label])?;
        self.registry.register(Box::new(level.clone()))?;
        levels.insert(name, level.clone());
        Ok(Level(level))
    }

    /// Adds what looks at levels whenever the figures are asked for.
    pub fn look<F>(&self, source: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.push(Arc::new(move || source().boxed()));
    }

    pub(crate) async fn look_now(&self) {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let looks = futures::future::join_all(sources.iter().map(|source| source()));
        // A database that does not answer leaves its levels as they were; the figures themselves are told in time.
        let _ = tokio::time::timeout(Duration::from_secs(2), looks).await;
    }

    // Counts a call for as long as what is given back is kept.
    pub(crate) fn runs(&self) -> Running {
        self.running.inc();
        Running(self.running.clone())
    }

    pub(crate) fn set_ready(&self, ready: bool) {
        self.ready.set(ready.into());
    }

    pub(crate) fn served(&self, method: &str, code: &str, seconds: f64) {
        self.calls.with_label_values(&[method, code]).inc();
        self.seconds.with_label_values(&[method]).observe(seconds);
    }

    /// The text that Prometheus reads.
    pub fn text(&self) -> anyhow::Result<Vec<u8>> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use tracing::{Level, span};

    use super::*;

    #[test]
    fn what_nobody_takes_is_not_made_up() {
        let provider = SdkTracerProvider::builder().build();
        for (log, provider, own, debug, statement) in [
            ("info", None, true, false, false),
            ("warn", None, false, false, false),
            ("info,chassis=debug", None, true, true, false),
            ("info", Some(&provider), true, false, true),
            ("off", Some(&provider), true, false, true),
        ] {
            let filter = EnvFilter::try_new(log).unwrap();
            let told = format!("{log}, {}", if provider.is_some() { "traced" } else { "not traced" });
            tracing::subscriber::with_default(subscriber(filter, LogFormat::Text, provider), || {
                assert_eq!(!span!(Level::INFO, "call").is_disabled(), own, "{told}");
                assert_eq!(!span!(Level::DEBUG, "detail").is_disabled(), debug, "{told}");
                assert!(span!(target: "h2", Level::TRACE, "frame").is_disabled(), "{told}");
                assert!(!tracing::enabled!(target: "h2", Level::DEBUG), "{told}");
                let of_statement = span!(target: "sea_orm::database", Level::INFO, "statement");
                assert_eq!(!of_statement.is_disabled(), statement, "{told}");
            });
        }
    }
}
