//! What another issuer publishes of itself: its discovery document and its key set, fetched with limits and judged before use.
use std::{collections::HashMap, sync::Arc, time::Duration};

use anyhow::Context as _;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use ed25519_dalek::VerifyingKey;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use jsonwebtoken::{Algorithm, DecodingKey};
use rustls::{ClientConfig, pki_types::ServerName};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::token::strict;

const PATIENCE: Duration = Duration::from_secs(5);
const DOCUMENT_MAX: usize = 256 * 1024;
const KEYS_MOST: usize = 32;
const RSA_LEAST_BITS: usize = 2_048;
const RSA_MOST_BITS: usize = 8_192;

/// A key of the issuer with the one algorithm that it is for.
#[derive(Clone)]
pub struct ForeignKey {
    /// As a token's header must name it.
    pub algorithm: Algorithm,
    /// The key.
    pub key: DecodingKey,
}

/// The issuer's keys by their ids.
pub type ForeignKeys = HashMap<String, ForeignKey>;

// OpenID Connect Discovery 1.0, as much of it as a verifier needs.
#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct Published {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    r#use: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    // Of a secret or a private key; nobody publishes one on purpose.
    k: Option<String>,
    d: Option<String>,
}

/// Fetches the keys: the document at the issuer's well-known place, then the set that it names.
pub async fn keys_of(issuer: &str, trusted: Option<&Arc<ClientConfig>>) -> anyhow::Result<ForeignKeys> {
    let place = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let document: Document = get(&place, trusted).await?;
    anyhow::ensure!(
        document.issuer == issuer,
        "{place} says that its issuer is \"{}\", not {issuer}",
        document.issuer.chars().take(200).collect::<String>()
    );
    let set: Published = get(&document.jwks_uri, trusted).await?;
    judged(&set.keys)
}

/// Whether an address may be asked: over TLS, or on this machine.
pub fn is_safe(address: &str) -> bool {
    let Ok(uri) = address.parse::<Uri>() else { return false };
    let host = uri.host().unwrap_or_default();
    match uri.scheme_str() {
        Some("https") => !host.is_empty(),
        Some("http") => matches!(host, "localhost" | "127.0.0.1" | "[::1]"),
        _ => false,
    }
}

async fn get<T: DeserializeOwned>(address: &str, trusted: Option<&Arc<ClientConfig>>) -> anyhow::Result<T> {
    anyhow::ensure!(is_safe(address), "{address} is neither https:// nor on this machine");
    let fetched = tokio::time::timeout(PATIENCE, fetched(address, trusted));
    let body = fetched.await.map_err(|_| anyhow::anyhow!("no answer in time")).flatten();
    let body = body.with_context(|| format!("{address} can't be fetched"))?;
    strict(&body).with_context(|| format!("{address} is not the JSON that it should be"))
}

async fn fetched(address: &str, trusted: Option<&Arc<ClientConfig>>) -> anyhow::Result<Bytes> {
    let uri: Uri = address.parse()?;
    let host = uri.host().context("no host")?.trim_matches(['[', ']']).to_owned();
    let secure = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let stream = TcpStream::connect((host.as_str(), port)).await?;
    if !secure {
        return asked(stream, &uri).await;
    }
    let trusted = trusted.context("no authorities to judge it by")?.clone();
    let stream = TlsConnector::from(trusted).connect(ServerName::try_from(host)?, stream).await?;
    asked(stream, &uri).await
}

// No redirection is followed: what is asked for is what the operator, or the issuer's own document, names.
async fn asked<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    uri: &Uri,
) -> anyhow::Result<Bytes> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::get(uri.path_and_query().map_or("/", |path| path.as_str()))
        .header(header::HOST, uri.authority().context("no host")?.as_str())
        .header(header::ACCEPT, "application/json")
        .body(Empty::<Bytes>::new())?;
    let answered = async {
        let response = sender.send_request(request).await?;
        anyhow::ensure!(response.status() == StatusCode::OK, "it answers {}", response.status());
        let body = Limited::new(response.into_body(), DOCUMENT_MAX).collect().await;
        Ok(body.map_err(|error| anyhow::anyhow!("{error}"))?.to_bytes())
    };
    let answered = answered.await;
    connection.abort();
    answered
}

// A set with a key that is doubled, short, weak, secret or at odds with itself is refused whole; what it publishes for encryption, and
// keys of algorithms that are not taken here, are no concern of a verifier.
fn judged(published: &[Jwk]) -> anyhow::Result<ForeignKeys> {
    anyhow::ensure!(
        published.len() <= KEYS_MOST,
        "the set holds {} keys, at most {KEYS_MOST}",
        published.len()
    );
    let mut keys = ForeignKeys::new();
    let mut ids = std::collections::HashSet::new();
    for jwk in published {
        let kid = jwk.kid.as_deref().unwrap_or_default();
        let shown: String = kid.chars().take(64).collect();
        let amiss = |what: &str| anyhow::anyhow!("the key \"{shown}\": {what}");
        anyhow::ensure!(jwk.k.is_none() && jwk.d.is_none() && jwk.kty != "oct", amiss("it is secret"));
        anyhow::ensure!(!kid.is_empty() && kid.len() <= 256, amiss("its kid has no proper form"));
        anyhow::ensure!(ids.insert(kid.to_owned()), amiss("it stands twice"));
        if jwk.r#use.as_deref().is_some_and(|use_| use_ != "sig") {
            continue;
        }
        if let Some(key) = key(jwk).map_err(|error| amiss(&format!("{error:#}")))? {
            keys.insert(kid.to_owned(), key);
        }
    }
    anyhow::ensure!(!keys.is_empty(), "the set holds no key for RS256, PS256, ES256 or EdDSA");
    Ok(keys)
}

fn key(jwk: &Jwk) -> anyhow::Result<Option<ForeignKey>> {
    let member =
        |value: &Option<String>, name: &str| value.clone().with_context(|| format!("its {name} is missing"));
    let bytes = |text: &str, name: &str| {
        URL_SAFE_NO_PAD.decode(text).map_err(|_| anyhow::anyhow!("its {name} is not base64url"))
    };
    let alg = jwk.alg.as_deref();
    let (algorithm, key) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => {
            let algorithm = match alg {
                None | Some("RS256") => Algorithm::RS256,
                Some("PS256") => Algorithm::PS256,
                Some("RS384" | "RS512" | "PS384" | "PS512") => return Ok(None),
                Some(other) => anyhow::bail!("its alg is \"{other}\", which is none of RSA"),
            };
            let (n, e) = (member(&jwk.n, "n")?, member(&jwk.e, "e")?);
            let modulus = bytes(&n, "n")?;
            let bits = modulus
                .iter()
                .position(|byte| *byte != 0)
                .map_or(0, |zeros| (modulus.len() - zeros) * 8 - modulus[zeros].leading_zeros() as usize);
            anyhow::ensure!((RSA_LEAST_BITS..=RSA_MOST_BITS).contains(&bits), "it has {bits} bits");
            let exponent = bytes(&e, "e")?;
            let odd = exponent.last().is_some_and(|byte| byte % 2 == 1);
            anyhow::ensure!(odd && exponent.len() <= 4 && exponent != [1], "its exponent is not one");
            (algorithm, DecodingKey::from_rsa_components(&n, &e)?)
        }
        ("EC", Some("P-256")) => {
            anyhow::ensure!(matches!(alg, None | Some("ES256")), "its alg does not go with P-256");
            let (x, y) = (member(&jwk.x, "x")?, member(&jwk.y, "y")?);
            anyhow::ensure!(
                bytes(&x, "x")?.len() == 32 && bytes(&y, "y")?.len() == 32,
                "it is not of 32 and 32 bytes"
            );
            (Algorithm::ES256, DecodingKey::from_ec_components(&x, &y)?)
        }
        ("OKP", Some("Ed25519")) => {
            anyhow::ensure!(
                matches!(alg, None | Some("EdDSA" | "Ed25519")),
                "its alg does not go with Ed25519"
            );
            let x = bytes(&member(&jwk.x, "x")?, "x")?;
            let point: [u8; 32] = x.try_into().map_err(|_| anyhow::anyhow!("it is not of 32 bytes"))?;
            let weak = VerifyingKey::from_bytes(&point).map_or(true, |key| key.is_weak());
            anyhow::ensure!(!weak, "it is weak or no point of the curve");
            (Algorithm::EdDSA, DecodingKey::from_ed_der(&point))
        }
        _ => return Ok(None),
    };
    Ok(Some(ForeignKey { algorithm, key }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(keys: serde_json::Value) -> anyhow::Result<ForeignKeys> {
        let keys: Vec<Jwk> = serde_json::from_value(keys)?;
        judged(&keys)
    }

    #[test]
    fn addresses_are_secure_or_near() {
        for (address, safe) in [
            ("https://sso.example/realms/city", true),
            ("http://127.0.0.1:8080", true),
            ("http://localhost/x", true),
            ("http://sso.example", false),
            ("http://127.0.0.1.elsewhere.example", false),
            ("http://localhost@elsewhere.example/", false),
            ("file:///etc/passwd", false),
            ("sso.example", false),
        ] {
            assert_eq!(is_safe(address), safe, "{address}");
        }
    }

    #[test]
    fn sets_that_are_not_clean_are_refused_whole() {
        let x = crate::signer::Signer::from_seed(&[1; 32]).public().x.clone();
        let good = serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": "1", "use": "sig", "alg": "EdDSA" });
        let rsa = |bits: usize, e: &str| {
            let mut n = vec![0xff_u8; bits / 8];
            n[0] = 0x80;
            serde_json::json!({ "kty": "RSA", "kid": "2", "n": URL_SAFE_NO_PAD.encode(n), "e": e, "alg": "RS256" })
        };
        let of = |other: serde_json::Value| set(serde_json::json!([good, other]));
        assert_eq!(of(rsa(2_048, "AQAB")).map(|keys| keys.len()).expect("a set"), 2);
        // Not for signing, or not for us: left out.
        for other in [
            serde_json::json!({ "kty": "RSA", "kid": "2", "use": "enc", "n": "AQAB", "e": "AQAB", "alg": "RSA-OAEP" }),
            serde_json::json!({ "kty": "EC", "crv": "P-384", "kid": "2", "x": "AA", "y": "AA", "alg": "ES384" }),
        ] {
            assert_eq!(of(other).map(|keys| keys.len()).expect("a set"), 1);
        }
        let weak = URL_SAFE_NO_PAD.encode([&[1_u8][..], &[0; 31]].concat());
        for (said, wrong) in [
            ("twice", good.clone()),
            ("1024 bits", rsa(1_024, "AQAB")),
            ("exponent", rsa(2_048, "AQ")),
            ("exponent", rsa(2_048, "Ag")),
            ("secret", serde_json::json!({ "kty": "oct", "kid": "2", "k": "c2VjcmV0" })),
            (
                "secret",
                serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "kid": "2", "x": "AA", "d": "AA" }),
            ),
            ("weak", serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "kid": "2", "x": weak })),
            ("32 bytes", serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "kid": "2", "x": "AAAA" })),
            (
                "none of RSA",
                serde_json::json!({ "kty": "RSA", "kid": "2", "n": "AA", "e": "AQAB", "alg": "HS256" }),
            ),
            (
                "go with",
                serde_json::json!({ "kty": "EC", "crv": "P-256", "kid": "2", "x": "AA", "y": "AA", "alg": "EdDSA" }),
            ),
            ("missing", serde_json::json!({ "kty": "EC", "crv": "P-256", "kid": "2" })),
            ("kid", serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "x": "AA" })),
        ] {
            let told = format!("{:#}", of(wrong).map(|_| ()).expect_err(said));
            assert!(told.contains(said), "{said}: {told}");
        }
        assert!(set(serde_json::json!([])).is_err());
    }
}
