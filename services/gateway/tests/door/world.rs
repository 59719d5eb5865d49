//! Identity behind the gateway, as `up` assembles them, and requests against both.
use std::{collections::BTreeMap, sync::Arc};

use axum::{Router, body::Body};
use bytes::Bytes;
use chassis::{
    Store,
    access::{Claims, Foreign, Verifier},
    settings::Settings,
    signer::Signer,
    trial::Trial,
    upstream::Upstream,
};
use contract::identity::v1 as api;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tonic::{Code, Request, Status};
use tower::ServiceExt;

/// The scope that this world's calls ask for.
pub const ADMIN: &str = "identity.admin";

pub struct World {
    pub trial: Trial,
    /// The gateway.
    pub door: Router,
    /// The identity service itself.
    pub identity: Upstream,
    /// Its database.
    pub store: Store,
    /// What the start of the suite asks things of.
    pub app: Arc<gateway::identity::App>,
}

pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub fn reason(&self) -> String {
        let body = self.json();
        body["error"]["details"][0]["reason"]
            .as_str()
            .unwrap_or_else(|| panic!("no reason in {body}"))
            .to_owned()
    }
}

impl World {
    pub async fn new() -> Self {
        Self::with(json!({})).await
    }

    /// With further settings.
    pub async fn with(settings: Value) -> Self {
        // Not in a drill, which allows clocks that are further apart.
        let mut trial = Trial::at("");
        let mut whole = serde_json::to_value(&*trial.boot.settings).unwrap();
        whole.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let settings: Settings = serde_json::from_value(whole).unwrap();
        let verifier = Verifier::new(&settings.issuer, &settings.audience, None);
        let verifier = verifier.beside(Foreign::of(&settings).unwrap());
        verifier.trust(Signer::from_seed(&[7; 32]).public()).unwrap();
        trial.boot.verifier = Arc::new(verifier);
        trial.boot.settings = Arc::new(settings);
        Self::of(trial, false).await
    }

    /// Another replica, on the same database and by the same clock.
    pub async fn beside(other: &Self) -> Self {
        Self::beside_with(other, json!({})).await
    }

    /// The same with further settings.
    pub async fn beside_with(other: &Self, more: Value) -> Self {
        let mut trial = Trial::at("");
        let mut settings = serde_json::to_value(&*other.trial.boot.settings).unwrap();
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let settings: Arc<Settings> = Arc::new(serde_json::from_value(settings).unwrap());
        let verifier = Verifier::new(&settings.issuer, &settings.audience, None);
        verifier.trust(Signer::from_seed(&[7; 32]).public()).unwrap();
        trial.boot.settings = settings;
        trial.boot.clock = other.trial.boot.clock.clone();
        trial.boot.verifier = Arc::new(verifier);
        Self::of(trial, true).await
    }

    /// A verifier as a service on a cluster has it, which follows this world's identity.
    pub fn follower(&self) -> Follower {
        let settings = &self.trial.boot.settings;
        let verifier = Arc::new(Verifier::new(
            &settings.issuer,
            &settings.audience,
            Some(Upstream::local(self.door.clone())),
        ));
        tokio::spawn(verifier.clone().follow(self.trial.boot.stopping.clone()));
        Follower(verifier)
    }

    async fn of(trial: Trial, replica: bool) -> Self {
        let mut identity = gateway::identity::open(&trial.boot, BTreeMap::new()).await.unwrap();
        let (store, app) = (identity.role.store.clone(), identity.app.clone());
        if replica {
            // SQLite has one writer: what a second one writes by itself would get in the way of the first one's calls.
            identity.role.background.truncate(1);
        }
        let identity = trial.run(identity.role);
        let door = gateway::open(&trial.boot, identity.clone(), BTreeMap::new()).unwrap();
        Self { trial, door, identity, store, app }
    }

    pub async fn ask(
        &self,
        method: &str,
        uri: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Reply {
        let mut request = http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    pub async fn send(&self, request: http::Request<Body>) -> Reply {
        let (head, body) = self.door.clone().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Reply { status: head.status, headers: head.headers, body }
    }

    /// The office's Authorization header.
    pub fn admin(&self) -> String {
        self.bearer("credit-office", "office")
    }

    /// An Authorization header of who administers in a role.
    pub fn bearer(&self, client: &str, role: &str) -> String {
        let claims = Claims {
            sub: client.to_owned(),
            scope: ADMIN.to_owned(),
            roles: vec![role.to_owned()],
            ..self.trial.claims()
        };
        self.trial.token_of(claims).text().to_owned()
    }
}

/// A verifier that follows identity over the gateway.
pub struct Follower(Arc<Verifier>);

impl Follower {
    pub async fn accepts(&self, world: &World, bearer: &str) -> bool {
        self.0.caller(Some(bearer), world.trial.boot.clock.now()).await.is_ok()
    }
}

/// Asks for the clients at a service directly, or through the gateway's gRPC, with this Authorization header.
pub async fn clients_of(upstream: Upstream, authorization: &str) -> Result<(), Status> {
    let mut request = Request::new(api::ListClientsRequest::default());
    let value = authorization.parse().map_err(|_| Status::new(Code::Internal, "no header"))?;
    request.metadata_mut().insert("authorization", value);
    api::clients_client::ClientsClient::new(upstream).list_clients(request).await.map(|_| ())
}
