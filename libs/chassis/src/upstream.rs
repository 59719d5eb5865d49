//! The one client of other services: in the same process or over the network, always with identity, trace and deadline.
mod again;

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, OnceLock},
    task::{Context as Poll2, Poll},
    time::Duration,
};

use contract::identity::v1 as identity;
use http::{HeaderValue, header::AUTHORIZATION};
use jiff::Timestamp;
use tonic::{
    body::Body,
    transport::{Channel, Endpoint},
};
use tower::{BoxError, Service, ServiceExt, util::BoxCloneSyncService};

use crate::{clock::Clock, lanes, tls::Dialer};

type Inner = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, BoxError>;

/// A service that answers gRPC: a tower service in this process, or a connection to another.
#[derive(Clone)]
pub struct Upstream {
    inner: Inner,
    identity: Option<Arc<Identity>>,
}

impl Upstream {
    /// A service in this process; it goes through the service's whole stack, as over the network.
    pub fn local(router: axum::Router) -> Self {
        let service = router
            .map_request(|request: http::Request<Body>| request.map(axum::body::Body::new))
            .map_response(|response: http::Response<axum::body::Body>| response.map(Body::new))
            .map_err(|never: std::convert::Infallible| match never {});
        Self { inner: BoxCloneSyncService::new(service), identity: None }
    }

    /// A service at an address without TLS, for example `http://credit:8080`. The connection is made when it is first needed, and again
    /// when it breaks.
    pub fn remote(url: &str) -> anyhow::Result<Self> {
        Self::at(url, None)
    }

    /// A service at an address; an `https://` one needs a dialer, by which each new connection is judged.
    pub fn at(url: &str, dialer: Option<&Dialer>) -> anyhow::Result<Self> {
        let endpoint = Endpoint::from_shared(url.to_owned())?
            .connect_timeout(Duration::from_secs(3))
            .tcp_nodelay(true)
            // A peer that vanished without a word is found out.
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(5))
            .keep_alive_while_idle(true);
        let dialer = match (url.starts_with("https://"), dialer) {
            (true, Some(dialer)) => Some(dialer.clone()),
            (true, None) => {
                anyhow::bail!("an https:// address needs peer_ca, the authorities that sign its certificate")
            }
            (false, _) => None,
        };
        let connect = move || match &dialer {
            Some(dialer) => endpoint.connect_with_connector_lazy(dialer.clone()),
            None => endpoint.connect_lazy(),
        };
        // Each lane has a connection of its own.
        let channels: Arc<[OnceLock<Channel>]> = (0..lanes::places()).map(|_| OnceLock::new()).collect();
        let made = tower::service_fn(move |request| {
            let channel = channels.get(lanes::here()).map(|channel| channel.get_or_init(&connect).clone());
            again::call(channel.unwrap_or_else(&connect), request)
        });
        Ok(Self { inner: BoxCloneSyncService::new(made), identity: None })
    }

    /// The same service, called under an identity of our own.
    #[must_use]
    pub fn with_identity(mut self, identity: Arc<Identity>) -> Self {
        self.identity = Some(identity);
        self
    }
}

impl Service<http::Request<Body>> for Upstream {
    type Response = http::Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Poll2<'_>) -> Poll<Result<(), BoxError>> {
        // Readiness is awaited in the call, on the clone that makes it.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let inner = self.inner.clone();
        let identity = self.identity.clone();
        crate::telemetry::inject(request.headers_mut());
        Box::pin(async move {
            if let Some(identity) = identity {
                let token = identity.token().await?;
                request.headers_mut().insert(AUTHORIZATION, token);
            }
            inner.oneshot(request).await
        })
    }
}

/// A client of the identity service: fetches a token by client credentials and keeps it until shortly before its end.
pub struct Identity {
    issuer: Upstream,
    client_id: String,
    client_secret: String,
    clock: Clock,
    held: Mutex<Option<(HeaderValue, Timestamp)>>,
}

const RENEW_BEFORE_S: i64 = 60;

impl Identity {
    /// A client with its secret.
    pub fn new(issuer: Upstream, client_id: &str, client_secret: &str, clock: Clock) -> Self {
        Self {
            issuer,
            client_id: client_id.to_owned(),
            client_secret: client_secret.to_owned(),
            clock,
            held: Mutex::new(None),
        }
    }

    async fn token(&self) -> Result<HeaderValue, BoxError> {
        let now = self.clock.now();
        let held = self.held.lock().ok().and_then(|held| held.clone());
        if let Some((token, until)) =
            held.filter(|(_, until)| until.as_second() - now.as_second() > RENEW_BEFORE_S)
        {
            let _ = until;
            return Ok(token);
        }
        let request = identity::IssueTokenRequest {
            grant_type: String::from("client_credentials"),
            client_id: self.client_id.clone(),
            client_secret: self.client_secret.clone(),
            ..Default::default()
        };
        let mut client = identity::tokens_client::TokensClient::new(self.issuer.clone());
        let issued = client.issue_token(request).await?.into_inner();
        // Not marked as sensitive: HPACK would spell it out in each call. It is too long to be guessed by what it takes on the wire (RFC 7541, 7.1).
        let header = HeaderValue::from_str(&format!("Bearer {}", issued.access_token))?;
        let until = Timestamp::from_second(now.as_second() + i64::from(issued.expires_in))?;
        if let Ok(mut held) = self.held.lock() {
            *held = Some((header.clone(), until));
        }
        Ok(header)
    }
}
