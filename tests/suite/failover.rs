//! PostgreSQL fails over under load: the primary is lost at once, its standby promoted, and the address that the services know leads there.
//! No acknowledged write is lost or there twice, no request of a client that tries again fails, and nobody is started anew for it.
use std::time::{Duration, Instant};

use chassis::trial::Postgres;
use sea_orm::sqlx::{Connection as _, Executor as _, PgConnection, Row as _};
use suites::process::{Machine, free_port};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    time::sleep,
};
use xinheng::client::Client;

use crate::replicas::{Cluster, Load, SERVICES};

/// One address that leads to the primary, as a cluster's Service `-rw` does: where it leads elsewhere, what was open is cut.
struct Address {
    port: u16,
    primary: watch::Sender<u16>,
}

impl Address {
    async fn leading_to(primary: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (primary, follows) = watch::channel(primary);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut follows = follows.clone();
                tokio::spawn(async move {
                    let to = *follows.borrow_and_update();
                    let Ok(mut server) = TcpStream::connect(("127.0.0.1", to)).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        _ = follows.changed() => {}
                    }
                });
            }
        });
        Self { port, primary }
    }

    fn lead_to(&self, primary: u16) {
        self.primary.send_replace(primary);
    }
}

async fn connection(port: u16) -> PgConnection {
    PgConnection::connect(&format!("postgres://xinheng@127.0.0.1:{port}/postgres")).await.unwrap()
}

// What is committed waits from now on until the standby has it as well.
async fn make_synchronous(primary: u16) {
    let mut server = connection(primary).await;
    server.execute("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'").await.unwrap();
    server.execute("SELECT pg_reload_conf()").await.unwrap();
    for _ in 0..200 {
        let standbys =
            "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum' AND state = 'streaming'";
        if server.fetch_one(standbys).await.unwrap().get::<i64, _>(0) == 1 {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("the standby does not follow");
}

// Of each replica that is not ready: its service, and why not by /readyz. All are asked at once, since an answer may take two seconds.
async fn amiss(cluster: &Cluster) -> Vec<(&'static str, String)> {
    let replicas = SERVICES.iter().zip(&cluster.replicas);
    let replicas =
        replicas.flat_map(|(service, both)| both.iter().flatten().map(move |replica| (*service, replica)));
    let told = replicas.map(async |(service, replica)| {
        let reply = Client::new(&replica.admin).try_get("/readyz").await.unwrap();
        (!reply.status.is_success()).then(|| (service, reply.text()))
    });
    futures::future::join_all(told).await.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_fails_over_and_nobody_notices() {
    let (first, second) = (free_port(), free_port());
    let settings = ["listen_addresses=127.0.0.1", "fsync=off", "full_page_writes=off"];
    let primary = Postgres::start_on(first, &settings);
    let standby = Postgres::standby_of(first, second, &settings);
    make_synchronous(first).await;
    let address = Address::leading_to(first).await;
    let url = format!("postgres://xinheng@127.0.0.1:{}/failover_{{service}}", address.port);
    let cluster = Cluster::start(url, "127.0.0.1", [Machine::here(), Machine::here()]).await;
    let load = Load::begin(&cluster).await;
    sleep(Duration::from_secs(3)).await;
    let told = amiss(&cluster).await;
    assert!(told.is_empty(), "{told:?}");

    let lost = Instant::now();
    primary.kill();
    sleep(Duration::from_millis(500)).await;
    // Whoever can't reach its database says so. Who asks waits for the answer of each for up to two seconds.
    let told = amiss(&cluster).await;
    assert_eq!(told.len(), 2 * SERVICES.len(), "{told:?}");
    for (service, why) in told {
        assert!(why.contains(&format!("the database of {service} ")), "{service}: {why}");
    }
    // The address leads to the standby before that is promoted. It would answer what is read, and take nothing.
    address.lead_to(second);
    sleep(Duration::from_millis(500)).await;
    let told = amiss(&cluster).await;
    assert_eq!(told.len(), 2 * SERVICES.len(), "ready on a database that takes no writes; not: {told:?}");

    let promoted = Instant::now();
    connection(second).await.execute("SELECT pg_promote(wait => true)").await.unwrap();
    let mut left = amiss(&cluster).await;
    while !left.is_empty() {
        assert!(promoted.elapsed() < Duration::from_secs(30), "not ready again: {left:?}");
        sleep(Duration::from_millis(100)).await;
        left = amiss(&cluster).await;
    }
    let (away, again) = (promoted - lost, promoted.elapsed());
    sleep(Duration::from_secs(2)).await;
    let acknowledged = load.end().await;
    println!(
        "{acknowledged} records acknowledged; no primary for {} ms, all ready {} ms after the promotion",
        away.as_millis(),
        again.as_millis()
    );
    drop((cluster, standby, primary));
}
