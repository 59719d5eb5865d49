//! Signing in, and what protects it: hashes, guessing, revocation, keys that follow each other, assertions.
use std::{net::IpAddr, time::Duration};

use axum::body::Body;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chassis::{peers::Peer, storage::sql};
use ed25519_dalek::{Signer as _, SigningKey};
use http::StatusCode;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::world::{ADMIN, Reply, World, clients_of};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const CLIENTS: &str = "/identity/v1/clients";
const SECURITY: &str = "security-administrator";

impl World {
    async fn register(&self, client: Value) -> Reply {
        let admin = self.admin();
        self.ask("POST", CLIENTS, &[("authorization", &admin)], client.to_string()).await
    }

    async fn registered(&self, id: &str) -> String {
        let made = self.register(json!({ "clientId": id, "scopes": [ADMIN], "roles": [SECURITY] })).await;
        assert_eq!(made.status, StatusCode::OK, "{:?}", made.body);
        made.json()["clientSecret"].as_str().unwrap().to_owned()
    }

    async fn sign_in_from(&self, address: [u8; 4], form: String) -> Reply {
        let mut request =
            http::Request::post("/oauth2/token").header(FORM.0, FORM.1).body(Body::from(form)).unwrap();
        request.extensions_mut().insert(Peer(IpAddr::from(address)));
        // Over the network there is a Host.
        request.headers_mut().insert("host", http::HeaderValue::from_static("xinheng.example"));
        self.send(request).await
    }

    pub async fn sign_in(&self, id: &str, secret: &str) -> Reply {
        self.sign_in_from([192, 0, 2, 1], form(id, secret)).await
    }

    pub async fn token(&self, id: &str, secret: &str) -> String {
        let issued = self.sign_in(id, secret).await;
        assert_eq!(issued.status, StatusCode::OK, "{:?}", issued.body);
        format!("Bearer {}", issued.json()["access_token"].as_str().unwrap())
    }

    async fn status_with(&self, bearer: &str) -> StatusCode {
        let status = self.ask("GET", CLIENTS, &[("authorization", bearer)], "").await.status;
        let direct = clients_of(self.identity.clone(), bearer).await;
        assert_eq!(status == StatusCode::OK, direct.is_ok(), "the door and the service agree");
        status
    }

    async fn admin_calls(&self, path: &str, body: Value) -> Reply {
        let admin = self.trial.token_of(chassis::access::Claims {
            scope: ADMIN.to_owned(),
            roles: vec![SECURITY.to_owned()],
            ..self.trial.claims()
        });
        self.ask("POST", path, &[("authorization", admin.text())], body.to_string()).await
    }
}

fn form(id: &str, secret: &str) -> String {
    format!("grant_type=client_credentials&client_id={id}&client_secret={secret}")
}

#[tokio::test]
async fn no_secret_can_be_read_back() {
    let world = World::new().await;
    let wanted = json!({ "clientId": "transport", "scopes": ["credit.read"], "department": "transport" });
    let admin = world.admin();
    let keyed = [("authorization", admin.as_str()), ("idempotency-key", "once")];
    let first = world.ask("POST", CLIENTS, &keyed, wanted.to_string()).await.json();
    let first = first["clientSecret"].as_str().unwrap();
    assert_eq!(first.len(), 64, "256 bits");
    // The answer was lost: its repetition shows a secret that holds, and the lost one holds no more.
    let second = world.ask("POST", CLIENTS, &keyed, wanted.to_string()).await.json();
    let second = second["clientSecret"].as_str().unwrap();
    assert_ne!(first, second);
    assert_eq!(world.sign_in("transport", first).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(world.sign_in("transport", second).await.status, StatusCode::OK);
    // In use: a repetition changes nothing and shows nothing.
    let third = world.ask("POST", CLIENTS, &keyed, wanted.to_string()).await;
    assert_eq!((third.status, third.json()["clientSecret"].clone()), (StatusCode::OK, json!("")));
    assert_eq!(world.sign_in("transport", second).await.status, StatusCode::OK);
    let other = world.ask("POST", CLIENTS, &[keyed[0]], wanted.to_string()).await;
    assert_eq!((other.status, other.reason().as_str()), (StatusCode::CONFLICT, "ALREADY_EXISTS"));
    for (id, secret) in [("transport", ""), ("nobody", second), ("transport", &second[1..])] {
        let refused = world.sign_in(id, secret).await;
        assert_eq!(
            (refused.status, refused.reason().as_str()),
            (StatusCode::UNAUTHORIZED, "CLIENT_CREDENTIALS_INVALID"),
            "{id}"
        );
    }
}

fn whole_second(clock: &chassis::clock::Clock) -> jiff::Timestamp {
    jiff::Timestamp::from_second(clock.now().as_second()).unwrap()
}

// What the first version wrote: a nonce, from which the secret followed with the signing key's seed.
#[tokio::test]
async fn secrets_of_the_first_version_are_taken_over_as_hashes() {
    let world = World::new().await;
    world.registered("transport").await;
    let tx = world.store.begin().await.unwrap();
    let seed = tx.query_one_raw(sql(&*tx, "SELECT seed FROM signing_keys", [])).await.unwrap().unwrap();
    let seed: String = seed.try_get("", "seed").unwrap();
    let old = "UPDATE clients SET secret_hash = $1 WHERE client_id = 'transport'";
    tx.execute_raw(sql(&*tx, old, ["6f1c".into()])).await.unwrap();
    tx.commit().await.unwrap();
    let secret = hex::encode(Sha256::digest(format!("{seed}\nclient secret\ntransport\n6f1c")));
    assert_eq!(world.sign_in("transport", &secret).await.status, StatusCode::UNAUTHORIZED);
    let upgraded = World::beside(&world).await;
    assert_eq!(upgraded.sign_in("transport", &secret).await.status, StatusCode::OK);
    let stored = "SELECT secret_hash FROM clients WHERE client_id = 'transport'";
    let stored =
        upgraded.store.read().query_one_raw(sql(upgraded.store.read(), stored, [])).await.unwrap().unwrap();
    let stored: String = stored.try_get("", "secret_hash").unwrap();
    assert!(stored.starts_with("$argon2id$v=19$"), "{stored}");
}

#[tokio::test]
async fn guessing_gets_slower_and_locks_nobody_else_out() {
    let world = World::new().await;
    let secret = world.registered("transport").await;
    let home = [192, 0, 2, 1];
    assert_eq!(world.sign_in_from(home, form("transport", &secret)).await.status, StatusCode::OK);
    let guesser = [203, 0, 113, 9];
    // A block of a second is judged within that second, however slow the machine is.
    let clock = world.trial.boot.clock.clone();
    let at = whole_second(&clock);
    for _ in 0..5 {
        clock.set(at);
        let refused = world.sign_in_from(guesser, form("transport", "guess")).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    }
    clock.set(at);
    let blocked = world.sign_in_from(guesser, form("transport", &secret)).await;
    assert_eq!(
        (blocked.status, blocked.reason().as_str()),
        (StatusCode::TOO_MANY_REQUESTS, "SIGN_IN_BLOCKED")
    );
    assert_eq!(blocked.headers["retry-after"], "1");
    assert_eq!(blocked.json()["error"]["details"][1]["retryDelay"], "1s");
    // A client that is not there answers the same: nobody learns by the block who exists.
    for _ in 0..5 {
        clock.set(at);
        world.sign_in_from([203, 0, 113, 10], form("nobody", "guess")).await;
    }
    clock.set(at);
    let nobody = world.sign_in_from([203, 0, 113, 10], form("nobody", "guess")).await;
    assert_eq!(nobody.status, StatusCode::TOO_MANY_REQUESTS);
    // The client itself, from where it last signed in, is not locked out by a guesser elsewhere.
    assert_eq!(world.sign_in_from(home, form("transport", &secret)).await.status, StatusCode::OK);
    // Its success has reset the count; time does as well.
    assert_eq!(
        world.sign_in_from(guesser, form("transport", "guess")).await.status,
        StatusCode::UNAUTHORIZED
    );
    for _ in 0..5 {
        world.sign_in_from(guesser, form("transport", "guess")).await;
    }
    let now = world.trial.boot.clock.now();
    world.trial.boot.clock.set(now + Duration::from_secs(16 * 60));
    assert_eq!(world.sign_in_from(guesser, form("transport", &secret)).await.status, StatusCode::OK);
    // One address that tries many clients.
    let sprayer = [203, 0, 113, 77];
    let replica = World::beside(&world).await;
    let at = whole_second(&clock);
    let mut outcomes = Vec::new();
    for number in 0..32 {
        clock.set(at);
        outcomes.push(
            world.sign_in_from(sprayer, form(&format!("client-{number}"), "guess")).await.status.as_u16(),
        );
    }
    assert_eq!((outcomes[29], outcomes[31]), (401, 429), "{outcomes:?}");
    // Another replica on the same database counts along.
    clock.set(at);
    let there = replica.sign_in_from(sprayer, form("transport", &secret)).await;
    assert_eq!(there.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn revoked_tokens_are_refused_within_a_second_everywhere() {
    let world = World::new().await;
    let replica = World::beside(&world).await;
    let service = world.follower();
    let secret = world.registered("transport").await;
    let old = world.token("transport", &secret).await;
    for (what, judged) in [("here", &world), ("there", &replica)] {
        assert_eq!(judged.status_with(&old).await, StatusCode::OK, "{what}");
    }
    assert!(service.accepts(&world, &old).await);
    let missing = world.admin_calls("/identity/v1/clients/nobody:revokeTokens", json!({})).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    let revoked = world
        .admin_calls("/identity/v1/clients/transport:revokeTokens", json!({ "reason": "a lost laptop" }))
        .await;
    assert_eq!(revoked.status, StatusCode::OK, "{:?}", revoked.body);
    assert_eq!(world.status_with(&old).await, StatusCode::UNAUTHORIZED, "at once where it was asked for");
    // The client may come again at once, in the same second.
    let new = world.token("transport", &secret).await;
    tokio::time::sleep(Duration::from_millis(990)).await;
    assert_eq!(replica.status_with(&old).await, StatusCode::UNAUTHORIZED, "on another replica");
    assert!(!service.accepts(&world, &old).await, "at a service on a cluster");
    assert_eq!(replica.status_with(&new).await, StatusCode::OK);
    assert!(service.accepts(&world, &new).await);
    // A client that is removed takes its tokens along, also where one of its name is registered anew.
    let admin = world.admin();
    let gone = world.ask("DELETE", "/identity/v1/clients/transport", &[("authorization", &admin)], "").await;
    assert_eq!(gone.status, StatusCode::OK);
    let secret = world.registered("transport").await;
    assert_eq!(world.status_with(&new).await, StatusCode::UNAUTHORIZED);
    let newest = world.token("transport", &secret).await;
    assert_eq!(world.status_with(&newest).await, StatusCode::OK);
    // Twice in one second: what was issued between is refused as well.
    let clock = world.trial.boot.clock.clone();
    let at = whole_second(&clock);
    clock.set(at);
    world.admin_calls("/identity/v1/clients/transport:revokeTokens", json!({})).await;
    clock.set(at);
    let between = world.token("transport", &secret).await;
    clock.set(at);
    world.admin_calls("/identity/v1/clients/transport:revokeTokens", json!({})).await;
    clock.set(at);
    let after = world.token("transport", &secret).await;
    assert_eq!(world.status_with(&between).await, StatusCode::UNAUTHORIZED);
    assert_eq!(world.status_with(&after).await, StatusCode::OK);
    let denied = world.ask("POST", "/identity/v1/clients/transport:revokeTokens", &[], "{}").await;
    assert_eq!(denied.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn keys_follow_each_other_without_a_lost_request() {
    let world = World::new().await;
    let replica = World::beside(&world).await;
    let service = world.follower();
    let secret = world.registered("transport").await;
    let old = world.token("transport", &secret).await;
    let kids = |reply: Value| -> Vec<String> {
        reply["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    };
    let before = kids(world.ask("GET", "/.well-known/jwks.json", &[], "").await.json());
    let plain = world.trial.token("x", ADMIN);
    let denied =
        world.ask("POST", "/identity/v1/keys:rotate", &[("authorization", plain.text())], "{}").await;
    assert_eq!(
        denied.status,
        StatusCode::FORBIDDEN,
        "an administrator of clients is not the one of security"
    );
    let rotated = world.admin_calls("/identity/v1/keys:rotate", json!({ "requestId": "1" })).await;
    assert_eq!(rotated.status, StatusCode::OK, "{:?}", rotated.body);
    let again = world.admin_calls("/identity/v1/keys:rotate", json!({ "requestId": "1" })).await;
    assert_eq!(again.json(), rotated.json(), "the same request turns the keys once");
    let new_kid = rotated.json()["key"]["kid"].as_str().unwrap().to_owned();
    let after = kids(world.ask("GET", "/.well-known/jwks.json", &[], "").await.json());
    assert_eq!(after, [before.clone(), vec![new_kid.clone()]].concat(), "shown before it signs");
    let kid_of = |bearer: &str| -> String {
        let header = bearer.trim_start_matches("Bearer ").split('.').next().unwrap();
        let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
        header["kid"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        kid_of(&world.token("transport", &secret).await),
        before[0],
        "verifiers have time to hear of it"
    );
    let now = world.trial.boot.clock.now();
    world.trial.boot.clock.set(now + Duration::from_secs(6));
    tokio::time::sleep(Duration::from_millis(990)).await;
    let new = world.token("transport", &secret).await;
    assert_eq!(kid_of(&new), new_kid);
    for bearer in [&old, &new] {
        for judged in [&world, &replica] {
            assert_eq!(judged.status_with(bearer).await, StatusCode::OK);
        }
        assert!(service.accepts(&world, bearer).await);
    }
    // The old key goes when the last token that it signed has ended.
    world.trial.boot.clock.set(now + Duration::from_secs(3_600 + 80));
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(kids(world.ask("GET", "/.well-known/jwks.json", &[], "").await.json()), [new_kid]);
}

struct Pair {
    key: SigningKey,
    now: i64,
}

impl Pair {
    fn public(&self) -> Value {
        json!({ "kid": "k1", "x": URL_SAFE_NO_PAD.encode(self.key.verifying_key().as_bytes()) })
    }

    fn assertion(&self, jti: &str, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = json!({
            "iss": "portal", "sub": "portal", "aud": "xinheng", "jti": jti, "exp": self.now + 60, "iat": self.now,
        });
        change(&mut claims);
        let text = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(r#"{"alg":"EdDSA","kid":"k1"}"#),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let signature = self.key.sign(text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }
}

fn asserted(assertion: &str) -> String {
    format!(
        "grant_type=client_credentials&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
         &client_assertion={assertion}"
    )
}

#[tokio::test]
async fn a_client_may_sign_in_by_its_own_key() {
    let world = World::new().await;
    let pair = Pair { key: SigningKey::from_bytes(&[9; 32]), now: world.trial.boot.clock.now().as_second() };
    let made = world
        .register(
            json!({ "clientId": "portal", "scopes": [ADMIN], "roles": [SECURITY], "keys": [pair.public()] }),
        )
        .await;
    assert_eq!(
        (made.status, made.json()["clientSecret"].clone()),
        (StatusCode::OK, json!("")),
        "no secret beside a key"
    );
    assert_eq!(made.json()["keys"][0]["kid"], "k1");
    let from = [192, 0, 2, 1];
    let issued = world.sign_in_from(from, asserted(&pair.assertion("1", |_| {}))).await;
    assert_eq!(issued.status, StatusCode::OK, "{:?}", issued.body);
    let bearer = format!("Bearer {}", issued.json()["access_token"].as_str().unwrap());
    assert_eq!(world.status_with(&bearer).await, StatusCode::OK);
    let stranger = Pair { key: SigningKey::from_bytes(&[10; 32]), now: pair.now };
    for (what, assertion) in [
        ("used twice", pair.assertion("1", |_| {})),
        ("another's signature", stranger.assertion("2", |_| {})),
        ("for elsewhere", pair.assertion("3", |claims| claims["aud"] = json!("elsewhere"))),
        ("for many", pair.assertion("4", |claims| claims["aud"] = json!(["xinheng"]))),
        ("of another client", pair.assertion("5", |claims| claims["iss"] = json!("transport"))),
        ("ended", pair.assertion("6", |claims| claims["exp"] = json!(pair.now - 60))),
        ("endless", pair.assertion("7", |claims| claims["exp"] = json!(pair.now + 86_400))),
        ("no jti", pair.assertion("8", |claims| claims["jti"] = json!(null))),
        ("no JWT", String::from("a.b.c")),
    ] {
        // Each from elsewhere, so that what is counted by address does not matter here.
        let refused = world.sign_in_from([198, 51, 100, what.len() as u8], asserted(&assertion)).await;
        let told = (refused.status, refused.reason());
        if told.0 == StatusCode::TOO_MANY_REQUESTS {
            let now = world.trial.boot.clock.now();
            world.trial.boot.clock.set(now + Duration::from_secs(3));
            continue;
        }
        assert_eq!(told, (StatusCode::UNAUTHORIZED, String::from("CLIENT_ASSERTION_INVALID")), "{what}");
    }
    assert_eq!(world.sign_in("portal", "").await.status, StatusCode::UNAUTHORIZED);
    for wrong in ["short", "", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let client = json!({ "clientId": "other", "keys": [{ "kid": "k1", "x": wrong }] });
        assert_eq!(world.register(client).await.status, StatusCode::BAD_REQUEST, "{wrong:?}");
    }
}

#[tokio::test]
async fn the_table_of_access_is_the_contracts() {
    let world = World::new().await;
    let admin = world.admin();
    let table = world.ask("GET", "/identity/v1/access", &[("authorization", &admin)], "").await;
    assert_eq!(table.status, StatusCode::OK);
    let entries = table.json()["entries"].as_array().unwrap().clone();
    assert!(entries.len() > 100, "the whole suite's methods");
    let rotate =
        entries.iter().find(|entry| entry["method"] == "xinheng.identity.v1.Tokens/RotateKeys").unwrap();
    assert_eq!(rotate["routes"], json!(["POST /identity/v1/keys:rotate"]));
    assert_eq!(
        (&rotate["scope"], &rotate["roles"], &rotate["public"]),
        (&json!(ADMIN), &json!(["office", "security-administrator"]), &json!(false))
    );
    assert!(rotate["summary"].as_str().is_some_and(|text| text.contains("密钥轮换")));
    for entry in &entries {
        let granted = [entry["public"] == true, entry["anyClient"] == true, entry["scope"] != ""];
        assert_eq!(granted.iter().filter(|way| **way).count(), 1, "{entry}");
    }
    let some = world
        .ask("GET", "/identity/v1/access?scope=credit.write", &[("authorization", &admin)], "")
        .await
        .json();
    let some = some["entries"].as_array().unwrap().clone();
    assert!(!some.is_empty() && some.iter().all(|entry| entry["scope"] == "credit.write"));
    assert_eq!(world.ask("GET", "/identity/v1/access", &[], "").await.status, StatusCode::UNAUTHORIZED);
    let weak = world.trial.token("x", "credit.read");
    let weak = world.ask("GET", "/identity/v1/access", &[("authorization", weak.text())], "").await;
    assert_eq!(weak.status, StatusCode::FORBIDDEN);
}
