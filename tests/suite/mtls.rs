//! Roles that ask each other for certificates, as on a cluster without a mesh: real processes, a call from end to end, whoever has none or
//! one of other authorities left outside, and certificates, and the authorities themselves, renewed while all of it runs.
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use axum::body::Body;
use chassis::{settings::Settings, tls::Dialer, upstream::Upstream};
use http::{Method, StatusCode};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use suites::{
    roles::{ROLES, Roles, secret},
    world,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tower::ServiceExt;

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    // A fresh pair for who answers at localhost and calls from there, in two files.
    fn signs(&self, folder: &Path, name: &str) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![String::from("localhost")]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        put(folder, &format!("{name}.crt"), &certificate);
        put(folder, &format!("{name}.key"), &key.serialize_pem());
    }
}

// As an operator does it: nobody reads half a file.
fn put(folder: &Path, name: &str, text: &str) {
    let beside = folder.join(format!("{name}.new"));
    fs::write(&beside, text).unwrap();
    fs::rename(beside, folder.join(name)).unwrap();
}

// How a client trusts and what it shows, by the names of files in the folder.
fn dialer(folder: &Path, ca: &str, own: Option<&str>) -> Dialer {
    let file = |name: String| -> PathBuf { folder.join(name) };
    let mut flags = json!({ "peer_ca": file(format!("{ca}.pem")) });
    if let Some(own) = own {
        flags["peer_certificate"] = json!(file(format!("{own}.crt")));
        flags["peer_key"] = json!(file(format!("{own}.key")));
    }
    Dialer::of(&Settings::load(None, &flags).unwrap()).unwrap().unwrap()
}

// A department's system: REST over HTTP/2, with a certificate.
struct System {
    upstream: Upstream,
    token: String,
}

impl System {
    fn new(url: &str, dialer: &Dialer) -> Self {
        Self { upstream: Upstream::at(url, Some(dialer)).unwrap(), token: String::new() }
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Result<(StatusCode, Value), String> {
        let text = if method == Method::GET { String::new() } else { body.to_string() };
        let mut request =
            http::Request::builder().method(method).uri(path).header("content-type", "application/json");
        if !self.token.is_empty() {
            request = request.header("authorization", format!("Bearer {}", self.token));
        }
        let request = request.body(tonic::body::Body::new(Body::from(text))).unwrap();
        let answer = self.upstream.clone().oneshot(request).await.map_err(|error| format!("{error:?}"))?;
        let status = answer.status();
        let bytes = axum::body::to_bytes(Body::new(answer.into_body()), usize::MAX)
            .await
            .map_err(|error| error.to_string())?;
        Ok((status, serde_json::from_slice(&bytes).unwrap_or_default()))
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> Value {
        let (status, answer) = self.send(method.clone(), path, &body).await.unwrap();
        assert_eq!(status, StatusCode::OK, "{method} {path}: {answer}");
        answer
    }

    async fn sign_in(mut self) -> Self {
        let form = json!({ "grant_type": "client_credentials", "client_id": "admin", "client_secret": secret("admin") });
        let answer = self.call(Method::POST, "/oauth2/token", form).await;
        self.token = answer["access_token"].as_str().unwrap().to_owned();
        self
    }

    // Hands a penalty in, and gives the grade that follows from it.
    async fn graded(&self, source: &str) -> Value {
        let body = json!({ "records": [{
            "uscc": world::code(1), "item": "administrative-penalty", "severity": 2, "sourceId": source,
            "occurredOn": "2026-01-15", "amount": "20000", "fields": { "penaltyType": "罚款" },
        }] });
        let submitted = self.call(Method::POST, "/credit/v1/records:submit", body).await;
        let position = submitted["position"].as_str().unwrap();
        let path =
            format!("/grading/v1/subjects/{}/grades?purpose=check&minPosition={position}", world::code(1));
        // Grading may be about to follow again.
        let begun = Instant::now();
        loop {
            let (status, grades) = self.send(Method::GET, &path, &Value::Null).await.unwrap();
            let score = &grades["grades"][0]["score"];
            if status == StatusCode::OK && score.is_number() {
                return score.clone();
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "grading does not follow: {status} {grades}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

// The certificate that a port shows now.
async fn shown(url: &str, dialer: Dialer) -> Vec<u8> {
    let url: http::Uri = url.parse().unwrap();
    let stream = dialer.dial(url.host().unwrap(), url.port_u16().unwrap()).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

// Whether somebody is let in: in TLS 1.3 a client learns only from the first answer that its certificate was not liked.
async fn let_in(url: &str, dialer: &Dialer) -> bool {
    System::new(url, dialer).send(Method::GET, "/.well-known/jwks.json", &Value::Null).await.is_ok()
}

// What a port says to who speaks without TLS.
async fn said_in_plain_text(port: u16, words: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let mut said = Vec::new();
    stream.write_all(words).await.unwrap();
    let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut said)).await;
    said
}

fn flags(role: &str, folder: &Path) -> Vec<String> {
    let file = |name: &str| folder.join(name).display().to_string();
    let (certificate, key) = (file(&format!("{role}.crt")), file(&format!("{role}.key")));
    let pairs = [
        ("--tls-certificate", certificate.clone()),
        ("--tls-key", key.clone()),
        ("--tls-client-ca", file("ca.pem")),
        ("--peer-ca", file("ca.pem")),
        ("--peer-certificate", certificate),
        ("--peer-key", key),
    ];
    pairs.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_meet_under_certificates_and_nobody_else_does() {
    let (first, second, foreign) =
        (Authority::new("first"), Authority::new("second"), Authority::new("foreign"));
    let mut roles = Roles::start("https", |role, folder| {
        put(folder, "ca.pem", &first.pem);
        first.signs(folder, role);
        flags(role, folder)
    })
    .await;
    let folder = roles.folder().to_path_buf();
    for (name, authority) in [("first", &first), ("second", &second), ("foreign", &foreign)] {
        put(&folder, &format!("{name}.pem"), &authority.pem);
        authority.signs(&folder, &format!("client-{name}"));
    }
    let door = roles.url("gateway");
    let own = dialer(&folder, "first", Some("client-first"));

    // From end to end: through the gateway to credit, from credit's feed to grading, and back through the gateway.
    let office = System::new(&door, &own).sign_in().await;
    office.call(Method::POST, "/credit/v1/subjects:batchUpsert", world::subjects(1..3)).await;
    office.call(Method::POST, "/grading/v1/schemes", world::scheme("mtls", "PUBLIC")).await;
    office.call(Method::POST, "/grading/v1/schemes/mtls:publish", json!({})).await;
    let graded = office.graded("虚罚-1").await;
    assert_ne!(office.graded("虚罚-2").await, graded, "grading follows credit's feed");

    // Nobody else: without a certificate, with one of others, and no client that trusts others is taken in by ours.
    for role in ROLES {
        let url = roles.url(role);
        assert!(let_in(&url, &own).await, "{role}");
        assert!(!let_in(&url, &dialer(&folder, "first", None)).await, "{role}: without a certificate");
        assert!(!let_in(&url, &dialer(&folder, "first", Some("client-foreign"))).await, "{role}: of others");
        assert!(
            !let_in(&url, &dialer(&folder, "foreign", Some("client-first"))).await,
            "{role}: who trusts others"
        );
        for words in [
            &b"GET /.well-known/jwks.json HTTP/1.1\r\nhost: x\r\n\r\n"[..],
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        ] {
            let said = said_in_plain_text(roles.port(role), words).await;
            // A TLS alert is 21 and its version; an HTTP/2 server would begin with its SETTINGS, HTTP/1 with its name.
            assert!(said.is_empty() || said.starts_with(&[21, 3]), "{role} answers in plain text: {said:?}");
        }
    }

    // New authorities: first they are trusted beside the old, then who shows itself is theirs, then the old are trusted no more.
    let mut known = Vec::new();
    for role in ROLES {
        known.push(shown(&roles.url(role), own.clone()).await);
    }
    put(&folder, "ca.pem", &format!("{}{}", first.pem, second.pem));
    put(&folder, "both.pem", &format!("{}{}", first.pem, second.pem));
    tokio::time::sleep(Duration::from_secs(5)).await;
    for role in ROLES {
        second.signs(&folder, role);
    }
    let both = dialer(&folder, "both", Some("client-second"));
    for (role, old) in ROLES.iter().zip(&known) {
        let begun = Instant::now();
        while shown(&roles.url(role), both.clone()).await == *old {
            assert!(begun.elapsed() < Duration::from_secs(20), "{role} shows its old certificate");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    put(&folder, "ca.pem", &second.pem);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let renewed = dialer(&folder, "second", Some("client-second"));
    for role in ROLES {
        let url = roles.url(role);
        assert!(let_in(&url, &renewed).await, "{role}: the new authorities");
        assert!(
            !let_in(&url, &dialer(&folder, "second", Some("client-first"))).await,
            "{role}: the old ones"
        );
    }
    // A connection that was open goes on; and roles that meet anew meet under the new certificates, for they trust no others.
    office.call(Method::GET, &format!("/credit/v1/subjects/{}", world::code(1)), Value::Null).await;
    roles.kill("credit");
    roles.begin("credit").await;
    let office = System::new(&door, &renewed).sign_in().await;
    let before = office.graded("虚罚-3").await;
    assert_ne!(office.graded("虚罚-4").await, before, "grading follows over a new connection");
}
