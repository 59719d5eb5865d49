//! Whether a process can serve, told truthfully: by gRPC health on the port that serves, and in words to the operator.
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt,
    future::BoxFuture,
    stream::{self, BoxStream, StreamExt},
};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
    health_client::HealthClient, health_server,
};

use crate::{feed::Progress, storage::Store, upstream::Upstream, validation::POOL};

/// For how long an answer is waited for before it counts as none.
const PATIENCE: Duration = Duration::from_secs(2);
/// A feed that was cut off for longer is lost: grades no longer know of what came since.
const FEED_LOST_AFTER: Duration = Duration::from_secs(15);
/// How often a watched status is looked at.
const WATCHED_EVERY: Duration = Duration::from_secs(2);

type Remark = Arc<dyn Fn() -> Option<String> + Send + Sync>;
type Need = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// What a process needs to serve. Its roles add what they need; whoever asks gets an answer sought anew.
#[derive(Clone)]
pub struct Health(Arc<Parts>);

struct Parts {
    stopping: CancellationToken,
    needs: Mutex<Vec<Need>>,
    remarks: Mutex<Vec<Remark>>,
    // The packages of the contract that are answered for: here, or by another service.
    packages: Mutex<BTreeMap<String, Option<Upstream>>>,
}

impl Health {
    /// Of a process that stops with the token; it needs nothing yet.
    pub fn new(stopping: CancellationToken) -> Self {
        Self(Arc::new(Parts {
            stopping,
            needs: Mutex::default(),
            remarks: Mutex::default(),
            packages: Mutex::default(),
        }))
    }

    /// Adds a need; it answers what is amiss, in words for the operator.
    pub fn needs<F>(&self, need: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.0.needs.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::new(move || need().boxed()));
    }

    /// Adds what the operator should hear of although calls are served.
    pub fn remarks(&self, remark: impl Fn() -> Option<String> + Send + Sync + 'static) {
        self.0.remarks.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::new(remark));
    }

    /// What there is to hear of.
    pub fn remarked(&self) -> Vec<String> {
        let remarks = self.0.remarks.lock().unwrap_or_else(PoisonError::into_inner);
        remarks.iter().filter_map(|remark| remark()).collect()
    }

    /// Without its database a role can answer nothing. Who reads waits for no writer, so that a long write is no fault.
    pub fn needs_database(&self, service: &str, store: Store) {
        let service = service.to_owned();
        self.needs(move || {
            let (store, lost) = (store.clone(), format!("the database of {service} does not answer"));
            async move {
                match tokio::time::timeout(PATIENCE, store.ping()).await {
                    Ok(Ok(())) => Ok(()),
                    _ => Err(lost),
                }
            }
        });
    }

    /// A role whose feed is lost answers with what is no longer so.
    pub fn needs_feed(&self, feed: &'static str, progress: Progress) {
        self.needs(move || {
            let lost = progress.lost_for().filter(|lost| *lost > FEED_LOST_AFTER);
            let told = lost.map(|lost| format!("the feed of {feed} has been lost for {} s", lost.as_secs()));
            std::future::ready(told.map_or(Ok(()), Err))
        });
    }

    /// Answers for the services of a package, for example `xinheng.credit.v1`; those of another process are asked there.
    pub fn answers_for(&self, package: &str, there: Option<Upstream>) {
        let mut packages = self.0.packages.lock().unwrap_or_else(PoisonError::into_inner);
        packages.insert(package.to_owned(), there);
    }

    /// Whether calls can be served now; else why not.
    pub async fn ready(&self) -> Result<(), String> {
        if self.0.stopping.is_cancelled() {
            return Err(String::from("stopping"));
        }
        let needs = self.0.needs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let found = futures::future::join_all(needs.iter().map(|need| need())).await;
        let amiss: Vec<String> = found.into_iter().filter_map(Result::err).collect();
        if amiss.is_empty() { Ok(()) } else { Err(amiss.join("; ")) }
    }

    // What is asked for by name: the whole, the three probes of a cluster, or a service of the contract. None where nobody here knows it.
    async fn status(&self, name: &str) -> Option<ServingStatus> {
        let ready = async || {
            if self.ready().await.is_ok() { ServingStatus::Serving } else { ServingStatus::NotServing }
        };
        match name {
            "" | "readiness" => return Some(ready().await),
            // Who answers is alive, and answers only once its databases are open.
            "liveness" | "startup" => return Some(ServingStatus::Serving),
            _ => {}
        }
        let service = POOL.get_service_by_name(name)?;
        let there = self.answerer(service.package_name())?;
        let Some(there) = there else { return Some(ready().await) };
        let asked = HealthCheckRequest { service: String::new() };
        let mut client = HealthClient::new(there);
        let answer = tokio::time::timeout(PATIENCE, client.check(asked)).await;
        Some(
            answer
                .ok()
                .and_then(Result::ok)
                .map_or(ServingStatus::NotServing, |answer| answer.into_inner().status()),
        )
    }
}

impl Health {
    // Nothing where nobody answers for the package, and nobody else where it is answered here.
    fn answerer(&self, package: &str) -> Option<Option<Upstream>> {
        self.0.packages.lock().unwrap_or_else(PoisonError::into_inner).get(package).cloned()
    }
}

#[tonic::async_trait]
impl health_server::Health for Health {
    async fn check(&self, r: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        let name = r.into_inner().service;
        let status = self.status(&name).await;
        let status = status.ok_or_else(|| Status::not_found(format!("{name} is not served here")))?;
        Ok(Response::new(HealthCheckResponse { status: status.into() }))
    }

    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    // By the protocol a service that is not known is told as such, and may come.
    async fn watch(&self, r: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let state = (self.clone(), r.into_inner().service, None::<ServingStatus>);
        let statuses = stream::unfold(state, |(health, name, told)| async move {
            let stopping = health.0.stopping.clone();
            let mut last = told.is_some() && stopping.is_cancelled();
            loop {
                if last {
                    return None;
                }
                let status = health.status(&name).await.unwrap_or(ServingStatus::ServiceUnknown);
                if told != Some(status) {
                    let answer = Ok(HealthCheckResponse { status: status.into() });
                    return Some((answer, (health, name, Some(status))));
                }
                last = stopping.is_cancelled();
                tokio::select! {
                    () = tokio::time::sleep(WATCHED_EVERY) => {}
                    () = stopping.cancelled(), if !last => {}
                }
            }
        });
        Ok(Response::new(statuses.boxed()))
    }
}
