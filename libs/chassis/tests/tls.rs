//! TLS with certificates made here: by ALPN, renewed under an open connection, and asked of who connects.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, reason = "tests fail loudly")]
use std::{fs, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use axum::{Router, extract::Request};
use bytes::Bytes;
use chassis::{
    access::Verifier,
    serve::{self, Boot, Limits, Port},
    settings::Settings,
    tls::Dialer,
    upstream::Upstream,
};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::service::Routes;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient, health_server::HealthServer};

const DAY_S: i64 = 86_400;

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    // Certificate and key in PEM.
    fn signs(&self, name: &str, ends_in_s: i64) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let at = |second: i64| std::time::UNIX_EPOCH + Duration::from_secs(second.try_into().unwrap());
        let now = Timestamp::now().as_second();
        params.not_before = at(now - 10 * DAY_S).into();
        params.not_after = at(now + ends_in_s).into();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

// A folder of files, and a process with the settings that name them.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let file = self.0.path().join(name);
        fs::write(&file, text).unwrap();
        file
    }

    fn pair(&self, name: &str, (certificate, key): &(String, String)) -> [PathBuf; 2] {
        [self.put(&format!("{name}.crt"), certificate), self.put(&format!("{name}.key"), key)]
    }
}

fn settings(flags: serde_json::Value) -> Settings {
    Settings::load(None, &flags).unwrap()
}

fn process(settings: Settings) -> Boot {
    Boot::new(settings, Verifier::new("", "", None), None).unwrap()
}

// Answers with the version of HTTP that was spoken; gRPC health besides.
async fn serve(boot: &Boot) -> SocketAddr {
    let listener = serve::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let health = Routes::new(HealthServer::new(boot.health.clone())).into_axum_router();
    let router = health.fallback(|request: Request| async move { format!("{:?}", request.version()) });
    let (port, limits) = (Port::of(listener, boot).unwrap(), Limits::of(&boot.settings));
    tokio::spawn(serve::serve(port, Router::new().merge(router), limits, boot.stopping.clone()));
    address
}

fn raw(ca: &str, own: Option<&(String, String)>, alpn: &[u8]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => builder
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            )
            .unwrap(),
    };
    config.alpn_protocols = vec![alpn.to_vec()];
    Arc::new(config)
}

async fn connect(address: SocketAddr, config: Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(config).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

// The certificate that the port shows now.
async fn shown_by(address: SocketAddr, ca: &str) -> Vec<u8> {
    let stream = connect(address, raw(ca, None, b"h2")).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

fn der(pem: &str) -> Vec<u8> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
}

#[tokio::test]
async fn a_pair_is_renewed_under_open_connections_and_a_broken_one_is_not_taken() {
    let (authority, files) = (Authority::new(), Files::new());
    let (first, second) = (authority.signs("localhost", DAY_S), authority.signs("localhost", 2 * DAY_S));
    let [certificate, key] = files.pair("door", &first);
    let boot = process(settings(json!({ "tls_certificate": certificate, "tls_key": key })));
    let (address, shown) = (serve(&boot).await, boot.shown.clone().unwrap());

    let old = TokioIo::new(connect(address, raw(&authority.pem, None, b"http/1.1")).await.unwrap());
    assert_eq!(old.inner().get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let (mut one, open) = hyper::client::conn::http1::handshake(old).await.unwrap();
    tokio::spawn(open);
    let two = TokioIo::new(connect(address, raw(&authority.pem, None, b"h2")).await.unwrap());
    assert_eq!(two.inner().get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut two, open) = hyper::client::conn::http2::handshake(TokioExecutor::new(), two).await.unwrap();
    tokio::spawn(open);
    let ask = || {
        http::Request::get("https://localhost/")
            .header("host", "localhost")
            .body(Empty::<Bytes>::new())
            .unwrap()
    };
    let mut both = async || {
        for (answered, version) in
            [(one.send_request(ask()).await, "HTTP/1.1"), (two.send_request(ask()).await, "HTTP/2.0")]
        {
            let body = answered.unwrap().into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, version);
        }
    };
    both().await;
    assert_eq!(shown_by(address, &authority.pem).await, der(&first.0));

    // The certificate is written, its key not yet: no fault at the first look, and one at the second.
    files.put("door.crt", &second.0);
    shown.look();
    assert_eq!(shown.amiss(), None);
    shown.look();
    let told = boot.health.remarked();
    assert!(told.len() == 1 && told[0].contains("don't fit"), "{told:?}");
    assert!(boot.health.ready().await.is_ok(), "the old pair serves");
    assert_eq!(shown_by(address, &authority.pem).await, der(&first.0));
    files.put("door.key", &second.1);
    shown.look();
    assert!(boot.health.remarked().is_empty());
    assert_eq!(shown_by(address, &authority.pem).await, der(&second.0));
    both().await;

    let ended = authority.signs("localhost", -DAY_S);
    for (wrong, said) in [
        ((String::from("no PEM"), second.1.clone()), "holds none"),
        ((second.0.clone(), String::from("no key")), "key is not PEM"),
        ((second.0.clone(), first.1.clone()), "don't fit"),
        (ended, "ended at"),
    ] {
        files.pair("door", &wrong);
        shown.look();
        shown.look();
        let told = boot.health.remarked().join("; ");
        assert!(told.contains(said), "{said}: {told}");
        assert_eq!(shown_by(address, &authority.pem).await, der(&second.0), "{said}");
    }
    fs::remove_file(&certificate).unwrap();
    shown.look();
    shown.look();
    assert!(boot.health.remarked().join("").contains("can't be read"));
    both().await;

    // At a start there is no old one to go on with.
    for (certificate, key) in [("no PEM", second.1.as_str()), (second.0.as_str(), first.1.as_str())] {
        let [certificate, key] = files.pair("start", &(certificate.to_owned(), key.to_owned()));
        let settings = settings(json!({ "tls_certificate": certificate, "tls_key": key }));
        assert!(Boot::new(settings, Verifier::new("", "", None), None).is_err());
    }
}

#[tokio::test]
async fn files_are_followed_by_themselves() {
    let (authority, files) = (Authority::new(), Files::new());
    let [certificate, key] = files.pair("door", &authority.signs("localhost", DAY_S));
    let boot = process(settings(json!({ "tls_certificate": certificate, "tls_key": key })));
    let address = serve(&boot).await;
    for follows in boot.certificates() {
        tokio::spawn(follows);
    }
    let next = authority.signs("localhost", DAY_S);
    files.pair("door", &next);
    for _ in 0..100 {
        if shown_by(address, &authority.pem).await == der(&next.0) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the new pair was not taken over within ten seconds");
}

// Whether a caller with these files is served.
async fn calls(address: SocketAddr, ca: &str, own: Option<&(String, String)>) -> bool {
    let files = Files::new();
    let mut flags = json!({ "peer_ca": files.put("ca.crt", ca) });
    if let Some(own) = own {
        let [certificate, key] = files.pair("own", own);
        flags["peer_certificate"] = json!(certificate);
        flags["peer_key"] = json!(key);
    }
    let dialer = Dialer::of(&settings(flags)).unwrap().unwrap();
    let upstream = Upstream::at(&format!("https://localhost:{}", address.port()), Some(&dialer)).unwrap();
    asked(upstream).await
}

async fn asked(upstream: Upstream) -> bool {
    let asked = HealthCheckRequest { service: String::new() };
    HealthClient::new(upstream).check(asked).await.is_ok()
}

#[tokio::test]
async fn who_connects_shows_a_certificate_where_it_is_asked_for() {
    let (ours, foreign, files) = (Authority::new(), Authority::new(), Files::new());
    let [certificate, key] = files.pair("credit", &ours.signs("localhost", DAY_S));
    let boot = process(settings(json!({
        "tls_certificate": certificate, "tls_key": key, "tls_client_ca": files.put("ca.crt", &ours.pem),
    })));
    let address = serve(&boot).await;
    let good = ours.signs("gateway", DAY_S);
    assert!(calls(address, &ours.pem, Some(&good)).await);
    assert!(!calls(address, &ours.pem, None).await, "none");
    assert!(!calls(address, &ours.pem, Some(&foreign.signs("gateway", DAY_S))).await, "another authority's");
    assert!(!calls(address, &foreign.pem, Some(&good)).await, "the service is not who it should be");
    let plain = Upstream::remote(&format!("http://{address}")).unwrap();
    assert!(!asked(plain).await, "plain HTTP");
    assert!(Upstream::at("https://localhost:1", None).is_err(), "nobody to trust");

    // One that has ended: a role would not start with it, so it is shown by hand.
    let ended = raw(&ours.pem, Some(&ours.signs("gateway", -DAY_S)), b"h2");
    let mut refused = connect(address, ended).await;
    if let Ok(stream) = &mut refused {
        // Since TLS 1.3 the refusal comes after the caller's part of the handshake.
        let mut byte = [0];
        let read = tokio::io::AsyncReadExt::read(stream, &mut byte).await;
        assert!(read.is_err_and(|error| error.to_string().contains("CertificateExpired")));
    }

    // The name counts: a certificate of another role is not this one's.
    let [certificate, key] = files.pair("other", &ours.signs("grading", DAY_S));
    let other = process(settings(json!({ "tls_certificate": certificate, "tls_key": key })));
    let other = serve(&other).await;
    assert!(!calls(other, &ours.pem, None).await, "another's name");

    // The authorities are renewed as the pair is.
    files.put("ca.crt", &foreign.pem);
    boot.shown.clone().unwrap().look();
    assert!(!calls(address, &ours.pem, Some(&good)).await);
    assert!(calls(address, &ours.pem, Some(&foreign.signs("gateway", DAY_S))).await);
}
