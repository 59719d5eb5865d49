//! Tokens that are not quite ours: each kind is refused at the gateway's REST, at its gRPC, and at the service itself.
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chassis::{
    access::{Caller, Verifier},
    upstream::Upstream,
};
use contract::identity::v1 as api;
use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, KeyInit, Mac};
use http::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tonic::Code;

use crate::world::{ADMIN, World, clients_of};

// The key that trials trust.
fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

pub fn kid_of(key: &SigningKey) -> String {
    hex::encode(Sha256::digest(key.verifying_key().as_bytes()))[..16].to_owned()
}

fn encoded(header: &str, claims: &str) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
}

pub fn signed_by(key: &SigningKey, header: &str, claims: &str) -> String {
    let text = encoded(header, claims);
    let signature = key.sign(text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

// What a good token says, to be spoilt, and the key that signs it.
pub struct Good {
    pub header: Value,
    pub claims: Value,
    pub key: SigningKey,
    pub now: i64,
}

impl Good {
    fn of(world: &World) -> Self {
        let now = world.trial.boot.clock.now().as_second();
        Self {
            header: json!({ "alg": "EdDSA", "typ": "JWT", "kid": kid_of(&key()) }),
            claims: json!({
                "iss": "xinheng", "sub": "forger", "aud": "xinheng", "exp": now + 600, "iat": now, "jti": "1",
                "department": "x", "roles": ["office"], "scope": ADMIN,
            }),
            key: key(),
            now,
        }
    }

    pub fn header(&self, change: Value) -> String {
        signed_by(&self.key, &merged(&self.header, change).to_string(), &self.claims.to_string())
    }

    pub fn claims(&self, change: Value) -> String {
        signed_by(&self.key, &self.header.to_string(), &merged(&self.claims, change).to_string())
    }

    // A member written twice: JSON readers differ in which of them counts.
    fn header_with(&self, more: &str) -> String {
        signed_by(&self.key, &more_of(&self.header, more), &self.claims.to_string())
    }

    fn claims_with(&self, more: &str) -> String {
        signed_by(&self.key, &self.header.to_string(), &more_of(&self.claims, more))
    }
}

// `null` takes a member away.
fn merged(base: &Value, change: Value) -> Value {
    let mut whole = base.as_object().unwrap().clone();
    for (name, value) in change.as_object().unwrap() {
        match value {
            Value::Null => whole.remove(name),
            value => whole.insert(name.clone(), value.clone()),
        };
    }
    Value::Object(whole)
}

fn more_of(base: &Value, more: &str) -> String {
    let text = base.to_string();
    format!("{},{more}}}", &text[..text.len() - 1])
}

pub async fn judged(world: &World, bearer: &str) -> [bool; 3] {
    let header = format!("Bearer {bearer}");
    let rest = world.ask("GET", "/identity/v1/clients", &[("authorization", &header)], "").await;
    if rest.status != StatusCode::OK {
        assert_eq!((rest.status, rest.reason().as_str()), (StatusCode::UNAUTHORIZED, "TOKEN_INVALID"));
        assert_eq!(rest.headers["www-authenticate"], "Bearer");
    }
    let through = clients_of(Upstream::local(world.door.clone()), &header).await;
    let direct = clients_of(world.identity.clone(), &header).await;
    let passed = |answered: Result<(), tonic::Status>| match answered {
        Ok(()) => true,
        Err(status) => {
            assert_eq!(status.code(), Code::Unauthenticated, "{status}");
            false
        }
    };
    [rest.status == StatusCode::OK, passed(through), passed(direct)]
}

// Each way in which a token is not quite its issuer's.
pub fn spoilt(good: &Good) -> Vec<(&'static str, String)> {
    let other = SigningKey::from_bytes(&[8; 32]);
    let text = |value: &Value| value.to_string();
    let hmac = {
        // The old trick: the public key, which everybody knows, taken as a secret.
        let body = encoded(&text(&merged(&good.header, json!({ "alg": "HS256" }))), &text(&good.claims));
        let mut mac = Hmac::<Sha256>::new_from_slice(good.key.verifying_key().as_bytes()).unwrap();
        mac.update(body.as_bytes());
        format!("{body}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    };
    let whole = good.claims(json!({}));
    let (body, signature) = whole.rsplit_once('.').unwrap();
    let unsigned = encoded(&text(&merged(&good.header, json!({ "alg": "none" }))), &text(&good.claims));
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(other.verifying_key().as_bytes()) });
    let own_jwk = merged(&good.header, json!({ "jwk": jwk }));
    vec![
        // Whose, for whom, by which key.
        ("another audience", good.claims(json!({ "aud": "elsewhere" }))),
        ("no audience", good.claims(json!({ "aud": null }))),
        ("another issuer", good.claims(json!({ "iss": "elsewhere" }))),
        ("no issuer", good.claims(json!({ "iss": null }))),
        ("no client", good.claims(json!({ "sub": "" }))),
        ("another key under our id", signed_by(&other, &text(&good.header), &text(&good.claims))),
        ("another key's id", good.header(json!({ "kid": kid_of(&other) }))),
        ("no key id", good.header(json!({ "kid": null }))),
        ("a path as key id", good.header(json!({ "kid": "../../dev/null" }))),
        ("SQL as key id", good.header(json!({ "kid": "x' UNION SELECT 'key" }))),
        ("a key id that is no text", good.header(json!({ "kid": [kid_of(&good.key)] }))),
        // Algorithms.
        ("HS256 with the public key", hmac),
        ("none, unsigned", format!("{unsigned}.")),
        ("None, with our signature", format!("{unsigned}.{signature}")),
        ("RS256", good.header(json!({ "alg": "RS256" }))),
        ("ES256", good.header(json!({ "alg": "ES256" }))),
        ("Ed25519, a name that we don't issue", good.header(json!({ "alg": "Ed25519" }))),
        ("no algorithm", good.header(json!({ "alg": null }))),
        // Times.
        ("expired", good.claims(json!({ "exp": good.now - 31 }))),
        ("no end", good.claims(json!({ "exp": null }))),
        ("not yet", good.claims(json!({ "nbf": good.now + 60 }))),
        ("issued tomorrow", good.claims(json!({ "iat": good.now + 86_400 }))),
        ("no issue", good.claims(json!({ "iat": null }))),
        // What would change how the token is read, or by which key.
        ("typ dpop+jwt", good.header(json!({ "typ": "dpop+jwt" }))),
        ("typ JWE", good.header(json!({ "typ": "JWE" }))),
        ("no typ", good.header(json!({ "typ": null }))),
        ("crit unknown", good.header(json!({ "crit": ["x-own"], "x-own": true }))),
        ("crit known", good.header(json!({ "crit": ["exp"] }))),
        ("crit empty", good.header(json!({ "crit": [] }))),
        ("b64", good.header(json!({ "b64": false }))),
        ("zip", good.header(json!({ "zip": "DEF" }))),
        ("cty", good.header(json!({ "cty": "JWT" }))),
        ("enc", good.header(json!({ "enc": "A128GCM" }))),
        ("jku", good.header(json!({ "jku": "https://elsewhere.invalid/keys" }))),
        ("jwk", good.header(json!({ "jwk": jwk }))),
        ("jwk that signed", signed_by(&other, &text(&own_jwk), &text(&good.claims))),
        ("x5u", good.header(json!({ "x5u": "https://elsewhere.invalid/chain" }))),
        ("x5c", good.header(json!({ "x5c": ["MIIB"] }))),
        ("x5t", good.header(json!({ "x5t": "AAAA" }))),
        ("a member of its own", good.header(json!({ "x-own": 1 }))),
        // Claims of another JSON type.
        ("iss as an array", good.claims(json!({ "iss": [good.claims["iss"]] }))),
        (
            "iss as an array of others as well",
            good.claims(json!({ "iss": ["elsewhere", good.claims["iss"]] })),
        ),
        ("aud as an array without us", good.claims(json!({ "aud": ["elsewhere"] }))),
        ("aud as an array with us", good.claims(json!({ "aud": ["elsewhere", good.claims["aud"]] }))),
        ("exp as a text", good.claims(json!({ "exp": (good.now + 600).to_string() }))),
        ("exp as a fraction", good.claims(json!({ "exp": good.now as f64 + 600.5 }))),
        ("exp beyond all numbers", good.claims(json!({ "exp": 1e300 }))),
        ("iat as a text", good.claims(json!({ "iat": good.now.to_string() }))),
        ("nbf as a text", good.claims(json!({ "nbf": "0" }))),
        ("sub as a number", good.claims(json!({ "sub": 7 }))),
        ("jti as a number", good.claims(json!({ "jti": 7 }))),
        ("scope as a list", good.claims(json!({ "scope": [ADMIN] }))),
        ("roles as a text", good.claims(json!({ "roles": "office" }))),
        ("department as an object", good.claims(json!({ "department": {} }))),
        // Doubled members.
        ("alg twice", good.header_with("\"alg\":\"EdDSA\"")),
        ("kid twice", good.header_with(&format!("\"kid\":\"{}\"", kid_of(&good.key)))),
        ("sub twice", good.claims_with("\"sub\":\"somebody\"")),
        ("scope twice, once by an escape", good.claims_with("\"sc\\u006fpe\":\"credit.read\"")),
        ("an unknown claim twice", good.claims_with("\"a\":1,\"a\":2")),
        ("an inner member twice", good.claims_with("\"a\":{\"b\":1,\"b\":2}")),
        // The form.
        ("cut", body.to_owned()),
        ("a fourth part", format!("{whole}.AAAA")),
        ("an empty signature", format!("{body}.")),
        ("padding", format!("{whole}=")),
        ("a spoilt signature", format!("{body}.{}", "A".repeat(86))),
        (
            "something behind the claims",
            signed_by(&good.key, &text(&good.header), &format!("{} {{}}", good.claims)),
        ),
        ("claims that are a list", signed_by(&good.key, &text(&good.header), "[]")),
        ("no JSON", signed_by(&good.key, "alg", "iss")),
        ("endless", good.claims(json!({ "a": "x".repeat(20_000) }))),
    ]
}

#[tokio::test]
async fn only_the_issuers_own_tokens_pass_anywhere() {
    let world = World::new().await;
    let good = Good::of(&world);
    for (what, token) in [
        ("as issued", good.claims(json!({}))),
        ("an unknown claim", good.claims(json!({ "amr": ["mfa", { "a": 1 }] }))),
        ("nbf in the past", good.claims(json!({ "nbf": good.now - 1 }))),
        ("an hour's drift is no, half a minute is", good.claims(json!({ "iat": good.now + 29 }))),
    ] {
        assert_eq!(judged(&world, &token).await, [true; 3], "{what}");
    }
    let typed = ("typ at+jwt", good.header(json!({ "typ": "at+jwt" })));
    for (what, token) in spoilt(&good).into_iter().chain([typed]) {
        assert_eq!(judged(&world, &token).await, [false; 3], "{what}");
    }
}

#[tokio::test]
async fn a_header_that_says_two_things_is_refused() {
    let world = World::new().await;
    let good = world.admin();
    let basic = world.ask("GET", "/identity/v1/clients", &[("authorization", "Basic YTpi")], "").await;
    assert_eq!(basic.status, StatusCode::UNAUTHORIZED);
    let twice = [("authorization", good.as_str()), ("authorization", good.as_str())];
    let twice = world.ask("GET", "/identity/v1/clients", &twice, "").await;
    assert_eq!((twice.status, twice.reason().as_str()), (StatusCode::UNAUTHORIZED, "TOKEN_INVALID"));
    // A public call with a broken header is no call without one.
    let unreadable = http::Request::get("/.well-known/jwks.json")
        .header("authorization", http::HeaderValue::from_bytes(b"Bearer \xe4\xbf\xa1").unwrap())
        .body(axum::body::Body::empty())
        .unwrap();
    assert_eq!(world.send(unreadable).await.status, StatusCode::UNAUTHORIZED);
}

// A verifier as a service on a cluster has it, whose issuer answers with these keys.
async fn verified_with(keys: Vec<api::Key>, token: &str, world: &World) -> chassis::Answer<Caller> {
    #[derive(Clone)]
    struct Issuer(Vec<api::Key>);
    #[tonic::async_trait]
    impl api::tokens_server::Tokens for Issuer {
        async fn issue_token(
            &self,
            _: tonic::Request<api::IssueTokenRequest>,
        ) -> Result<tonic::Response<api::IssueTokenResponse>, tonic::Status> {
            Err(tonic::Status::unimplemented("it only has keys"))
        }

        async fn get_keys(
            &self,
            _: tonic::Request<api::GetKeysRequest>,
        ) -> Result<tonic::Response<api::GetKeysResponse>, tonic::Status> {
            Ok(tonic::Response::new(api::GetKeysResponse { keys: self.0.clone() }))
        }

        async fn get_standing(
            &self,
            _: tonic::Request<api::GetStandingRequest>,
        ) -> Result<tonic::Response<api::GetStandingResponse>, tonic::Status> {
            Err(tonic::Status::unavailable("it only has keys"))
        }

        async fn rotate_keys(
            &self,
            _: tonic::Request<api::RotateKeysRequest>,
        ) -> Result<tonic::Response<api::RotateKeysResponse>, tonic::Status> {
            Err(tonic::Status::unimplemented("it only has keys"))
        }
    }
    let mut routes = tonic::service::RoutesBuilder::default();
    routes.add_service(api::tokens_server::TokensServer::new(Issuer(keys)));
    let source = Upstream::local(routes.routes().into_axum_router());
    let verifier = Verifier::new("xinheng", "xinheng", Some(source));
    verifier.caller(Some(&format!("Bearer {token}")), world.trial.boot.clock.now()).await
}

#[tokio::test]
async fn a_key_set_that_is_not_clean_verifies_nothing() {
    let world = World::new().await;
    let token = Good::of(&world).claims(json!({}));
    let ours = chassis::signer::Signer::from_seed(&[7; 32]).public().clone();
    let other = chassis::signer::Signer::from_seed(&[8; 32]).public().clone();
    let caller = verified_with(vec![other.clone(), ours.clone()], &token, &world).await.unwrap();
    assert_eq!(caller.name(), "forger");
    let spoilt = |change: fn(&mut api::Key)| {
        let mut key = other.clone();
        change(&mut key);
        key
    };
    for (what, key) in [
        ("doubled", ours.clone()),
        ("our id on another key", api::Key { kid: ours.kid.clone(), ..other.clone() }),
        ("short", spoilt(|key| key.x.truncate(20))),
        ("another type", spoilt(|key| key.kty = String::from("RSA"))),
        ("symmetric", spoilt(|key| key.kty = String::from("oct"))),
        ("for encryption", spoilt(|key| key.r#use = String::from("enc"))),
        ("another algorithm", spoilt(|key| key.alg = String::from("HS256"))),
        ("another curve", spoilt(|key| key.crv = String::from("X25519"))),
        ("no id", spoilt(|key| key.kid.clear())),
    ] {
        let refused = verified_with(vec![ours.clone(), key], &token, &world).await;
        assert!(refused.is_err(), "{what}");
    }
}
