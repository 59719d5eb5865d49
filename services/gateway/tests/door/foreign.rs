//! Another issuer, found by discovery over a real port: its good tokens pass with what the operator's mapping grants, all others are refused.
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::Request};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use chassis::{
    serve::{self, Limits, Port},
    settings::Settings,
};
use ed25519_dalek::SigningKey;
use http::StatusCode;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use crate::{
    tokens::{Good, judged, kid_of, signed_by, spoilt},
    world::{ADMIN, World},
};

// Of this test alone.
const RSA_KEY: &str = include_str!("data/issuer_rsa.pem");
const RSA_MODULUS: &str = include_str!("data/issuer_rsa.n");

// A little OpenID provider: what it publishes can be changed, and how often its keys were fetched is counted.
struct Issuer {
    address: String,
    document: Arc<Mutex<Value>>,
    keys: Arc<Mutex<Value>>,
    fetched: Arc<AtomicUsize>,
}

impl Issuer {
    async fn start(keys: Value) -> Self {
        let listener = serve::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let document = json!({ "issuer": address, "jwks_uri": format!("{address}/keys"), "response_types_supported": ["code"] });
        let issuer = Self {
            address,
            document: Arc::new(Mutex::new(document)),
            keys: Arc::new(Mutex::new(keys)),
            fetched: Arc::default(),
        };
        let (document, keys, fetched) =
            (issuer.document.clone(), issuer.keys.clone(), issuer.fetched.clone());
        let router = Router::new().fallback(move |request: Request| {
            let answer = match request.uri().path() {
                "/.well-known/openid-configuration" => document.lock().unwrap().to_string(),
                "/keys" => {
                    fetched.fetch_add(1, Ordering::SeqCst);
                    keys.lock().unwrap().to_string()
                }
                _ => String::from("{}"),
            };
            async move { answer }
        });
        let limits = Limits::of(&Settings::load(None, &json!({})).unwrap());
        tokio::spawn(serve::serve(Port::plain(listener), router, limits, Default::default()));
        issuer
    }

    fn settings(&self, more: Value) -> Value {
        let mut settings = json!({ "oidc_issuer": self.address, "oidc_audience": "xinheng-api" });
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        settings
    }

    fn good(&self, world: &World, key: &SigningKey) -> Good {
        let now = world.trial.boot.clock.now().as_second();
        Good {
            header: json!({ "alg": "EdDSA", "typ": "JWT", "kid": kid_of(key) }),
            claims: json!({
                "iss": self.address, "sub": "zhang", "aud": "xinheng-api", "exp": now + 600, "iat": now, "jti": "1",
                "department": "x", "roles": ["office"], "scope": ADMIN,
            }),
            key: key.clone(),
            now,
        }
    }
}

fn ed(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn jwk(key: &SigningKey) -> Value {
    let x = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
    json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid_of(key), "use": "sig", "alg": "EdDSA" })
}

#[tokio::test]
async fn only_the_other_issuers_own_tokens_pass_anywhere() {
    let issuer = Issuer::start(json!({ "keys": [jwk(&ed(40))] })).await;
    let world = World::with(issuer.settings(json!({}))).await;
    let good = issuer.good(&world, &ed(40));
    for (what, token) in [
        ("as issued", good.claims(json!({}))),
        ("RFC 9068's type", good.header(json!({ "typ": "at+jwt" }))),
        ("an unknown claim", good.claims(json!({ "acr": "1", "realm_access": { "roles": ["x"] } }))),
    ] {
        assert_eq!(judged(&world, &token).await, [true; 3], "{what}");
    }
    for (what, token) in spoilt(&good) {
        assert_eq!(judged(&world, &token).await, [false; 3], "{what}");
    }
    // The two issuers are told apart by `iss`, and each by its own keys alone.
    let ours = ed(7);
    let own = json!({ "alg": "EdDSA", "typ": "JWT", "kid": kid_of(&ours) });
    let in_our_name = json!({
        "iss": "xinheng", "sub": "admin", "aud": "xinheng", "exp": good.now + 600, "iat": good.now, "jti": "1", "scope": ADMIN,
        "roles": ["office"],
    });
    assert_eq!(
        judged(&world, &signed_by(&ours, &own.to_string(), &in_our_name.to_string())).await,
        [true; 3]
    );
    for (what, token) in [
        (
            "in our issuer's name by the other's key",
            signed_by(&ed(40), &good.header.to_string(), &in_our_name.to_string()),
        ),
        ("in the other's name by our key", signed_by(&ours, &own.to_string(), &good.claims.to_string())),
        ("under our key's id", signed_by(&ed(40), &own.to_string(), &good.claims.to_string())),
        ("for our audience", good.claims(json!({ "aud": "xinheng" }))),
        ("of a longer name", good.claims(json!({ "iss": format!("{}/", issuer.address) }))),
        ("with a client of spaces", good.claims(json!({ "sub": "a b" }))),
        ("no jti", good.claims(json!({ "jti": null }))),
    ] {
        assert_eq!(judged(&world, &token).await, [false; 3], "{what}");
    }
}

async fn seen(world: &World, token: &str) -> Result<chassis::access::Caller, String> {
    let header = format!("Bearer {token}");
    let judged = world.trial.boot.verifier.caller(Some(&header), world.trial.boot.clock.now()).await;
    judged.map_err(|fault| fault.reason().to_owned())
}

#[tokio::test]
async fn claims_become_what_the_operator_says() {
    let issuer = Issuer::start(json!({ "keys": [jwk(&ed(40))] })).await;
    let folder = tempfile::tempdir().unwrap();
    let mapping = folder.path().join("mapping.json");
    let grants = json!({
        "grants": { "clerk": { "scopes": ["credit.read"] }, "chief": { "scopes": ["discipline.decide", "credit.read"], "roles": ["chief"] } },
        "departments": { "交通运输局": "transport" },
    });
    std::fs::write(&mapping, grants.to_string()).unwrap();
    let mapped = issuer.settings(json!({
        "oidc_mapping": mapping, "oidc_client_claim": "azp", "oidc_department_claim": "org.name", "oidc_roles_claim": "realm_access.roles",
    }));
    let world = World::with(mapped).await;
    let good = issuer.good(&world, &ed(40));
    let org = json!({ "azp": "portal", "org": { "name": "交通运输局" }, "realm_access": { "roles": ["clerk", "chief", "service"] } });
    let caller = seen(&world, &good.claims(org.clone())).await.unwrap();
    assert_eq!((caller.name(), caller.department()), ("oidc:portal", "transport"));
    assert!(
        caller.has_scope("credit.read") && caller.has_scope("discipline.decide") && caller.has_role("chief")
    );
    assert!(!caller.has_scope(ADMIN), "what the mapping does not grant is not granted");
    assert!(!caller.is_service() && !caller.is_office());
    let mut wrong = org;
    wrong["realm_access"]["roles"] = json!("chief");
    assert_eq!(seen(&world, &good.claims(wrong)).await.unwrap_err(), "TOKEN_INVALID");

    // Without a mapping they count as they are; nobody outside is one of our services, or a client of ours by its name.
    let world = World::with(issuer.settings(json!({}))).await;
    let good = issuer.good(&world, &ed(40));
    let caller =
        seen(&world, &good.claims(json!({ "sub": "admin", "roles": ["service", "x"] }))).await.unwrap();
    assert_eq!(caller.name(), "oidc:admin");
    assert!(caller.has_scope(ADMIN) && caller.has_role("x") && !caller.is_service());
}

#[tokio::test]
async fn each_key_is_for_its_own_algorithm() {
    let pair = rcgen::KeyPair::generate().unwrap();
    let point = pair.public_key_raw();
    let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..65]));
    let keys = json!({ "keys": [
        { "kty": "EC", "crv": "P-256", "kid": "ec", "x": x, "y": y, "use": "sig" },
        { "kty": "RSA", "kid": "rsa", "n": RSA_MODULUS.trim(), "e": "AQAB", "use": "sig", "alg": "RS256" },
        { "kty": "RSA", "kid": "enc", "n": RSA_MODULUS.trim(), "e": "AQAB", "use": "enc", "alg": "RSA-OAEP" },
    ] });
    let issuer = Issuer::start(keys).await;
    let world = World::with(issuer.settings(json!({}))).await;
    let claims = issuer.good(&world, &ed(40)).claims.to_string();
    let ec = EncodingKey::from_ec_der(&pair.serialize_der());
    let der: String = RSA_KEY.lines().filter(|line| !line.starts_with("-----")).collect();
    let rsa = EncodingKey::from_rsa_der(&STANDARD.decode(der).unwrap());
    let token = |named: &str, kid: &str, key: &EncodingKey, signed: Algorithm| {
        let header = json!({ "alg": named, "typ": "JWT", "kid": kid }).to_string();
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(&claims));
        let signature = jsonwebtoken::crypto::sign(text.as_bytes(), key, signed).unwrap();
        format!("{text}.{signature}")
    };
    for (named, kid, key, signed, passes) in [
        ("ES256", "ec", &ec, Algorithm::ES256, true),
        ("RS256", "rsa", &rsa, Algorithm::RS256, true),
        ("PS256", "rsa", &rsa, Algorithm::PS256, false),
        ("RS512", "rsa", &rsa, Algorithm::RS512, false),
        ("RS256", "enc", &rsa, Algorithm::RS256, false),
        ("RS256", "ec", &rsa, Algorithm::RS256, false),
        ("ES256", "rsa", &ec, Algorithm::ES256, false),
        ("EdDSA", "ec", &ec, Algorithm::ES256, false),
        ("RS256", "other", &rsa, Algorithm::RS256, false),
    ] {
        let told = seen(&world, &token(named, kid, key, signed)).await;
        assert_eq!(told.is_ok(), passes, "{named} by {kid}: {told:?}");
    }
}

#[tokio::test]
async fn keys_are_fetched_when_a_new_one_shows_and_not_for_each_invented_one() {
    let issuer = Issuer::start(json!({ "keys": [jwk(&ed(40))] })).await;
    let world = World::with(issuer.settings(json!({}))).await;
    let (old, new) = (issuer.good(&world, &ed(40)), issuer.good(&world, &ed(41)));
    assert!(seen(&world, &old.claims(json!({}))).await.is_ok());
    let flood = (0..200).map(|number| {
        let token = signed_by(
            &ed(42),
            &json!({ "alg": "EdDSA", "typ": "JWT", "kid": format!("k{number}") }).to_string(),
            &old.claims.to_string(),
        );
        let world = &world;
        async move { seen(world, &token).await.is_err() }
    });
    assert!(futures::future::join_all(flood).await.into_iter().all(|refused| refused));
    assert_eq!(issuer.fetched.load(Ordering::SeqCst), 1, "200 invented keys cause no request of their own");
    // The issuer turns its keys: the new one is found, and the old one ends to hold with it.
    *issuer.keys.lock().unwrap() = json!({ "keys": [jwk(&ed(41))] });
    tokio::time::sleep(Duration::from_millis(5_100)).await;
    assert!(seen(&world, &new.claims(json!({}))).await.is_ok());
    assert_eq!(
        seen(&world, &old.claims(json!({}))).await.unwrap_err(),
        "TOKEN_INVALID",
        "a key that was withdrawn"
    );
    assert_eq!(issuer.fetched.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_issuer_that_is_not_in_order_verifies_nothing() {
    let elsewhere = Issuer::start(json!({ "keys": [jwk(&ed(40))] })).await;
    let doubled = json!({ "keys": [jwk(&ed(40)), jwk(&ed(40))] });
    let short = json!({ "kty": "RSA", "kid": "r", "n": URL_SAFE_NO_PAD.encode([0xff; 128]), "e": "AQAB" });
    let secret = json!({ "kty": "oct", "kid": "s", "k": "c2VjcmV0" });
    for (what, keys, document) in [
        ("doubled keys", doubled, None),
        ("a short key among them", json!({ "keys": [jwk(&ed(40)), short] }), None),
        ("a secret key among them", json!({ "keys": [jwk(&ed(40)), secret] }), None),
        ("no keys", json!({ "keys": [] }), None),
        ("no set", json!([]), None),
        (
            "another's name",
            json!({ "keys": [jwk(&ed(40))] }),
            Some(("issuer", json!("https://elsewhere.example"))),
        ),
        (
            "keys without TLS elsewhere",
            json!({ "keys": [jwk(&ed(40))] }),
            Some(("jwks_uri", json!("http://elsewhere.example/keys"))),
        ),
        ("an endless set", json!({ "keys": [jwk(&ed(40))], "x": "x".repeat(300_000) }), None),
    ] {
        let issuer = Issuer::start(keys).await;
        if let Some((name, value)) = document {
            issuer.document.lock().unwrap()[name] = value;
        }
        let world = World::with(issuer.settings(json!({}))).await;
        let told = seen(&world, &issuer.good(&world, &ed(40)).claims(json!({}))).await;
        assert_eq!(told.unwrap_err(), "UPSTREAM_UNAVAILABLE", "{what}");
        // Our own tokens hold all the same.
        let admin = world.admin();
        assert_eq!(
            world.ask("GET", "/identity/v1/clients", &[("authorization", &admin)], "").await.status,
            StatusCode::OK
        );
    }
    let world = World::new().await;
    let told = seen(&world, &elsewhere.good(&world, &ed(40)).claims(json!({}))).await;
    assert_eq!(told.unwrap_err(), "TOKEN_INVALID", "an issuer that no setting names");
}
