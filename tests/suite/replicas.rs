//! Two of every service on one PostgreSQL, behind what a cluster's Service is to them: killed, paused, replaced and cut off under load,
//! without a lost write, one applied twice, or a failed request of a client that tries again.
mod cut_off;

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use chassis::trial::Postgres;
use serde_json::{Value, json};
use suites::{
    process::{Machine, Suite, free_port},
    world,
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use xinheng::client::Client;

pub const SERVICES: [&str; 6] = ["credit", "grading", "sampling", "discipline", "reporting", "gateway"];
const CLIENTS: u32 = 4;
const SUBJECTS: u32 = 400;

/// One address before several: each connection goes to the next that takes it.
struct Service {
    url: String,
    ports: [u16; 2],
}

// Whom nothing is heard of is given up, as by who connects through a cluster's Service.
const CONNECT: Duration = Duration::from_secs(3);

impl Service {
    // At an address of this machine that all replicas reach.
    async fn open(at: &str, machines: &[Machine; 2]) -> Self {
        let ports = [free_port(), free_port()];
        let places = [0, 1].map(|place| format!("{}:{}", machines[place].address, ports[place]));
        let listener = TcpListener::bind((at, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let turn = Arc::new(AtomicUsize::new(0));
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let first = turn.fetch_add(1, Ordering::Relaxed);
                let places = places.clone();
                tokio::spawn(async move {
                    for place in first..first + 2 {
                        let connecting = TcpStream::connect(&places[place % 2]);
                        if let Ok(Ok(mut replica)) = tokio::time::timeout(CONNECT, connecting).await {
                            let _ = copy_bidirectional(&mut client, &mut replica).await;
                            return;
                        }
                    }
                });
            }
        });
        Self { url, ports }
    }
}

/// All of them, and how each is started.
pub struct Cluster {
    services: Vec<Service>,
    pub replicas: Vec<[Option<Suite>; 2]>,
    pub machines: [Machine; 2],
    folder: tempfile::TempDir,
    url: String,
}

fn secret(client: &str) -> String {
    format!("{client}-and-what-nobody-guesses-of-it")
}

impl Cluster {
    // Each service's first replica on the first machine, the second on the second, all of them by one database; what stands before them is
    // at an address of this machine.
    pub async fn start(url: String, at: &str, machines: [Machine; 2]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clients = SERVICES.iter().map(|service| format!("svc-{service}")).chain([String::from("admin")]);
        let secrets: serde_json::Map<String, Value> = clients
            .filter(|client| client != "svc-gateway")
            .map(|client| (client.clone(), secret(&client).into()))
            .collect();
        std::fs::write(folder.path().join("clients.json"), Value::Object(secrets).to_string()).unwrap();
        let mut services = Vec::new();
        for _ in SERVICES {
            services.push(Service::open(at, &machines).await);
        }
        let replicas = SERVICES.iter().map(|_| [None, None]).collect();
        let mut cluster = Self { services, replicas, machines, folder, url };
        // The gateway first, since the others sign in there.
        for service in (0..SERVICES.len()).rev() {
            for replica in 0..2 {
                cluster.begin(service, replica).await;
            }
        }
        cluster
    }

    pub async fn begin(&mut self, service: usize, replica: usize) {
        let name = SERVICES[service];
        let mut flags = vec![String::from("--database"), self.url.clone()];
        for (other, at) in SERVICES.iter().zip(&self.services) {
            if *other != name {
                flags.extend([format!("--{other}-url"), at.url.clone()]);
            }
        }
        if name == "gateway" {
            let file = self.folder.path().join("clients.json").display().to_string();
            flags.extend([String::from("--service-secrets-file"), file]);
        } else {
            flags.extend([String::from("--client-secret"), secret(&format!("svc-{name}"))]);
        }
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let data = self.folder.path().join(format!("{name}-{replica}"));
        let port = self.services[service].ports[replica];
        let started = Suite::serve_at(&self.machines[replica], port, name, &data, &flags).await;
        self.replicas[service][replica] = Some(started);
    }

    fn door(&self) -> &str {
        &self.services[SERVICES.len() - 1].url
    }

    // As a power cut.
    pub fn kill(&mut self, service: usize, replica: usize) {
        drop(self.replicas[service][replica].take());
    }

    // As a machine that hangs, and comes to itself again.
    async fn pause(&self, service: usize, replica: usize, time: Duration) {
        let id = self.replicas[service][replica].as_ref().unwrap().id().to_string();
        let signal = |name: &str| assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
        signal("-STOP");
        tokio::time::sleep(time).await;
        signal("-CONT");
    }

    // As a roll-out: the old one is asked to stop, and another takes its place.
    pub async fn replace(&mut self, service: usize, replica: usize) {
        let old = self.replicas[service][replica].take().unwrap();
        let ended = tokio::task::spawn_blocking(|| old.terminate()).await.unwrap();
        assert_eq!(ended.code(), Some(0), "{} does not stop in good order", SERVICES[service]);
        self.begin(service, replica).await;
    }
}

// A department's system that hands its records in, reads grades, and tries again what could not be taken; how many records were acknowledged,
// and where in the feed the last of them stands.
async fn department(client: Client, number: u32, enough: Arc<AtomicBool>) -> (u32, String) {
    let (mut sent, mut position) = (0, String::new());
    while !enough.load(Ordering::Relaxed) {
        let rows = (0..10).map(|row| {
            let serial = (sent + row) * CLIENTS + number;
            json!({
                "uscc": world::code(1 + serial % SUBJECTS), "item": "administrative-penalty", "severity": 2,
                "sourceId": format!("虚罚{number}-{}", sent + row), "occurredOn": "2026-01-15", "amount": "20000",
                "fields": { "penaltyType": "罚款" },
            })
        });
        let body = json!({ "records": rows.collect::<Vec<_>>() });
        let answer = client.post("/credit/v1/records:submit", body).await.unwrap();
        for outcome in answer["outcomes"].as_array().unwrap() {
            // What was taken in before its answer was lost is known when it comes again.
            let status = outcome["status"].as_str().unwrap();
            assert!(["ACCEPTED", "DUPLICATE"].contains(&status), "{answer}");
        }
        sent += 10;
        position = answer["position"].as_str().unwrap().to_owned();
        let uscc = world::code(1 + sent % SUBJECTS);
        client.get(&format!("/grading/v1/subjects/{uscc}/grades?purpose=check")).await.unwrap();
    }
    (sent, position)
}

/// Departments at work, and what they have to find at the end.
pub struct Load {
    office: Client,
    enough: Arc<AtomicBool>,
    departments: Vec<tokio::task::JoinHandle<(u32, String)>>,
}

impl Load {
    pub async fn begin(cluster: &Cluster) -> Self {
        let office = Client::new(cluster.door()).patient(Duration::from_secs(60));
        let office = office.sign_in("admin", &secret("admin")).await.unwrap();
        office.post("/credit/v1/subjects:batchUpsert", world::subjects(1..SUBJECTS + 1)).await.unwrap();
        office.post("/grading/v1/schemes", world::scheme("replicas", "PUBLIC")).await.unwrap();
        office.post("/grading/v1/schemes/replicas:publish", json!({})).await.unwrap();
        let enough = Arc::new(AtomicBool::new(false));
        let departments =
            (0..CLIENTS).map(|number| tokio::spawn(department(office.clone(), number, enough.clone())));
        Self { office: office.clone(), enough: enough.clone(), departments: departments.collect() }
    }

    // No request failed, no acknowledged write is lost, none is there twice, and every grade has followed; how many were acknowledged.
    pub async fn end(self) -> u32 {
        let Self { office, enough, departments } = self;
        enough.store(true, Ordering::Relaxed);
        let mut acknowledged = 0;
        for department in departments {
            let (sent, position) = department.await.unwrap();
            acknowledged += sent;
            let path = format!(
                "/grading/v1/subjects/{}/grades?purpose=check&minPosition={position}",
                world::code(1)
            );
            office.get(&path).await.unwrap();
        }
        assert!(acknowledged >= 200, "the load was none: {acknowledged}");
        let figures = office.get("/credit/v1/figures?exact=true").await.unwrap();
        assert_eq!(figures["records"], acknowledged, "{figures}");
        // A run from the facts changes no grade.
        let run =
            office.post("/grading/v1/runs", json!({ "scheme": "replicas", "afresh": true })).await.unwrap();
        let run = office.wait("grading", &run, |_| {}).await.unwrap();
        assert_eq!(
            (&run["response"]["evaluated"], &run["response"]["changed"]),
            (&json!(SUBJECTS), &json!(0)),
            "{run}"
        );
        acknowledged
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_are_killed_paused_and_replaced_and_nobody_notices() {
    let postgres = Postgres::start();
    let machines = [Machine::here(), Machine::here()];
    let mut cluster = Cluster::start(postgres.url("replicas"), "127.0.0.1", machines).await;
    let load = Load::begin(&cluster).await;
    for service in 0..SERVICES.len() {
        cluster.kill(service, 0);
        tokio::time::sleep(Duration::from_millis(300)).await;
        cluster.begin(service, 0).await;
        cluster.pause(service, 1, Duration::from_millis(1_500)).await;
    }
    for service in 0..SERVICES.len() {
        for replica in 0..2 {
            cluster.replace(service, replica).await;
        }
    }
    load.end().await;
}
