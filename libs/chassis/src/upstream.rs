//! The one client of other services: in the same process or over the network, always with identity, trace and deadline.
mod again;
mod line;

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context as Poll2, Poll},
};

use contract::identity::v1 as identity;
use http::{HeaderValue, Uri, header::AUTHORIZATION};
use jiff::Timestamp;
use line::Line;
use tokio::time::timeout;
use tonic::{Status, body::Body};
use tower::{BoxError, Service, ServiceExt};

use crate::{clock::Clock, lanes, serve::deadline, tls::Dialer};

/// A service that answers gRPC: one in this process, or connections to another.
#[derive(Clone)]
pub struct Upstream {
    place: Place,
    identity: Option<Arc<Identity>>,
}

#[derive(Clone)]
enum Place {
    Here(axum::Router),
    // Each lane has a connection of its own.
    There(Arc<[Line]>),
}

impl Upstream {
    /// A service in this process; it goes through the service's whole stack, as over the network.
    pub fn local(router: axum::Router) -> Self {
        Self { place: Place::Here(router), identity: None }
    }

    /// A service at an address without TLS, for example `http://credit:8080`. The connection is made when it is first needed, and again
    /// when it breaks.
    pub fn remote(url: &str) -> anyhow::Result<Self> {
        Self::at(url, None)
    }

    /// A service at an address; an `https://` one needs a dialer, by which each new connection is judged.
    pub fn at(url: &str, dialer: Option<&Dialer>) -> anyhow::Result<Self> {
        let origin: Uri = url.parse()?;
        anyhow::ensure!(origin.authority().is_some(), "the address names no host");
        let dialer = match (origin.scheme_str(), dialer) {
            (Some("https"), Some(dialer)) => Some(dialer),
            (Some("https"), None) => {
                anyhow::bail!("an https:// address needs peer_ca, the authorities that sign its certificate")
            }
            (Some("http"), _) => None,
            _ => anyhow::bail!("an address begins with http:// or https://"),
        };
        let lines = (0..lanes::places()).map(|_| Line::to(origin.clone(), dialer.cloned()));
        Ok(Self { place: Place::There(lines.collect()), identity: None })
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
        let place = self.place.clone();
        let identity = self.identity.clone();
        crate::telemetry::inject(request.headers_mut());
        Box::pin(async move {
            if let Some(identity) = identity {
                let token = identity.token().await?;
                request.headers_mut().insert(AUTHORIZATION, token);
            }
            match place {
                Place::Here(router) => {
                    let answer = router.oneshot(request.map(axum::body::Body::new)).await;
                    Ok(answer.unwrap_or_else(|never| match never {}).map(Body::new))
                }
                Place::There(lines) => Ok(in_time(&lines[lanes::here() % lines.len()], request).await?),
            }
        })
    }
}

// A call over the network, within the time that it has.
async fn in_time(line: &Line, request: http::Request<Body>) -> Result<http::Response<Body>, Status> {
    let Some(within) = deadline(request.headers()) else { return again::call(line, request).await };
    let late = || Status::deadline_exceeded("there is no answer within the call's deadline");
    timeout(within, again::call(line, request)).await.map_err(|_| late())?
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
