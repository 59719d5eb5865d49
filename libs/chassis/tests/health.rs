//! Health says what is so at the moment at which it is asked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, reason = "tests fail loudly")]
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chassis::{
    health::Health,
    storage::{Place, Store, migrations},
    upstream::Upstream,
};
use futures::StreamExt;
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
    health_server::HealthServer,
};

struct Tables;

impl MigratorTrait for Tables {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        migrations(&[])
    }
}

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

fn served(health: &Health) -> HealthClient<Upstream> {
    let routes = tonic::service::Routes::new(HealthServer::new(health.clone()));
    HealthClient::new(Upstream::local(routes.into_axum_router()))
}

#[tokio::test]
async fn a_need_that_is_not_met_is_told_and_the_process_lives_on() {
    let stopping = CancellationToken::new();
    let health = Health::new(stopping.clone());
    let met = Arc::new(AtomicBool::new(true));
    let look = met.clone();
    health.needs(move || {
        let met = look.load(Ordering::SeqCst);
        std::future::ready(if met { Ok(()) } else { Err(String::from("the moon is down")) })
    });
    let mut client = served(&health);
    let mut status =
        async |service: &str| client.check(of(service)).await.map(|told| told.into_inner().status());
    for probe in ["", "readiness", "startup", "liveness"] {
        assert_eq!(status(probe).await.unwrap(), ServingStatus::Serving, "{probe}");
    }
    // Of the contract, but of nobody here; and of no contract.
    assert_eq!(status("xinheng.credit.v1.Records").await.unwrap_err().code(), Code::NotFound);
    assert_eq!(status("xinheng.moon.v1.Tides").await.unwrap_err().code(), Code::NotFound);
    health.answers_for("xinheng.credit.v1", None);
    assert_eq!(status("xinheng.credit.v1.Records").await.unwrap(), ServingStatus::Serving);

    met.store(false, Ordering::SeqCst);
    assert_eq!(health.ready().await, Err(String::from("the moon is down")));
    for (probe, expected) in [
        ("", ServingStatus::NotServing),
        ("readiness", ServingStatus::NotServing),
        ("xinheng.credit.v1.Records", ServingStatus::NotServing),
        ("liveness", ServingStatus::Serving),
        ("startup", ServingStatus::Serving),
    ] {
        assert_eq!(status(probe).await.unwrap(), expected, "{probe}");
    }
    met.store(true, Ordering::SeqCst);
    assert_eq!(health.ready().await, Ok(()));
    stopping.cancel();
    assert_eq!(health.ready().await, Err(String::from("stopping")));
    assert_eq!(status("readiness").await.unwrap(), ServingStatus::NotServing);
}

#[tokio::test]
async fn who_watches_hears_of_each_change_until_the_end() {
    let stopping = CancellationToken::new();
    let health = Health::new(stopping.clone());
    let mut watched = served(&health).watch(of("")).await.unwrap().into_inner();
    assert_eq!(watched.next().await.unwrap().unwrap().status(), ServingStatus::Serving);
    let mut strange = served(&health).watch(of("nobody")).await.unwrap().into_inner();
    assert_eq!(strange.next().await.unwrap().unwrap().status(), ServingStatus::ServiceUnknown);
    stopping.cancel();
    let told = tokio::time::timeout(Duration::from_secs(5), watched.next()).await.unwrap();
    assert_eq!(told.unwrap().unwrap().status(), ServingStatus::NotServing);
    let end = tokio::time::timeout(Duration::from_secs(5), watched.next()).await.unwrap();
    assert!(end.is_none());
}

#[tokio::test]
async fn another_process_is_asked_for_what_it_serves() {
    let (here, there) = (Health::new(CancellationToken::new()), Health::new(CancellationToken::new()));
    let routes = tonic::service::Routes::new(HealthServer::new(there.clone()));
    here.answers_for("xinheng.credit.v1", Some(Upstream::local(routes.into_axum_router())));
    let mut client = served(&here);
    let mut status =
        async || client.check(of("xinheng.credit.v1.Records")).await.unwrap().into_inner().status();
    assert_eq!(status().await, ServingStatus::Serving);
    there.needs(|| std::future::ready(Err(String::from("gone"))));
    assert_eq!(status().await, ServingStatus::NotServing);
    // What fails there is no reason not to serve here.
    assert_eq!(here.ready().await, Ok(()));
}

#[tokio::test]
async fn a_database_that_is_closed_is_missed() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place { service: "credit", data_dir: folder.path(), url: "" };
    let store = Store::open::<Tables>(place).await.unwrap();
    let health = Health::new(CancellationToken::new());
    health.needs_database("credit", store.clone());
    assert_eq!(health.ready().await, Ok(()));
    // Who writes keeps nobody from being ready.
    let tx = store.begin().await.unwrap();
    assert_eq!(health.ready().await, Ok(()));
    drop(tx);
    store.close().await;
    assert_eq!(health.ready().await, Err(String::from("the database of credit does not answer")));
}
