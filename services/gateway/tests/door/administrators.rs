//! Three administrators who are not one: each may what is its own and nothing else, nobody is two, and what they do and what is refused can
//! be read by the third.
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use crate::world::{ADMIN, Reply, World};

const CLIENTS: &str = "/identity/v1/clients";
const SYSTEM: &str = "system-administrator";
const SECURITY: &str = "security-administrator";
const AUDIT: &str = "audit-administrator";

impl World {
    async fn as_role(&self, role: &str, method: &str, path: &str, body: Value) -> Reply {
        let bearer = self.bearer(&format!("a-{role}"), role);
        let body = if method == "GET" { String::new() } else { body.to_string() };
        self.ask(method, path, &[("authorization", &bearer)], body).await
    }

    async fn grants(&self, client: &str, scopes: &[&str], roles: &[&str]) -> Reply {
        let path = format!("{CLIENTS}/{client}:setGrants");
        self.as_role(SECURITY, "POST", &path, json!({ "scopes": scopes, "roles": roles, "reason": "test" }))
            .await
    }
}

#[tokio::test]
async fn each_may_what_is_its_own_and_nothing_else() {
    let world = World::new().await;
    let made = world.as_role(SYSTEM, "POST", CLIENTS, json!({ "clientId": "transport" })).await;
    assert_eq!(made.status, StatusCode::OK, "{:?}", made.body);
    let act = |path: &str| format!("{CLIENTS}/transport{path}");
    let keys = "/identity/v1/keys:rotate";
    for (method, path, body, may) in [
        ("POST", CLIENTS.to_owned(), json!({ "clientId": "another" }), &[SYSTEM][..]),
        ("GET", CLIENTS.to_owned(), json!({}), &[SYSTEM, SECURITY, AUDIT]),
        ("GET", act(""), json!({}), &[SYSTEM, SECURITY, AUDIT]),
        ("POST", act(":setGrants"), json!({ "scopes": ["credit.read"] }), &[SECURITY]),
        ("POST", act(":renewSecret"), json!({}), &[SECURITY]),
        ("POST", act(":lock"), json!({}), &[SECURITY]),
        ("POST", act(":unlock"), json!({}), &[SECURITY]),
        ("POST", act(":revokeTokens"), json!({}), &[SECURITY]),
        ("POST", keys.to_owned(), json!({}), &[SECURITY]),
        ("GET", String::from("/identity/v1/access"), json!({}), &[SYSTEM, SECURITY, AUDIT]),
        ("GET", String::from("/identity/v1/denials"), json!({}), &[AUDIT]),
        ("GET", String::from("/identity/v1/changes"), json!({}), &[AUDIT]),
        ("DELETE", act(""), json!({}), &[SYSTEM]),
    ] {
        for role in [AUDIT, SECURITY, SYSTEM] {
            let status = world.as_role(role, method, &path, body.clone()).await.status;
            let expected = if may.contains(&role) { StatusCode::OK } else { StatusCode::FORBIDDEN };
            assert_eq!(status, expected, "{role}: {method} {path}");
        }
        let none = world.trial.token("x", ADMIN);
        let status = world.ask(method, &path, &[("authorization", none.text())], "{}").await.status;
        assert_eq!(status, StatusCode::FORBIDDEN, "the scope alone: {method} {path}");
    }
}

#[tokio::test]
async fn nobody_grants_alone_to_itself_or_two_of_the_three() {
    let world = World::new().await;
    // Who registers does not grant.
    for more in [
        json!({ "scopes": ["credit.read"] }),
        json!({ "roles": ["office"] }),
        json!({ "keys": [{ "kid": "1", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }] }),
    ] {
        let mut client = json!({ "clientId": "own" });
        client.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let refused = world.as_role(SYSTEM, "POST", CLIENTS, client).await;
        assert_eq!(
            (refused.status, refused.reason().as_str()),
            (StatusCode::FORBIDDEN, "GRANTS_ARE_ANOTHERS")
        );
    }
    world.as_role(SYSTEM, "POST", CLIENTS, json!({ "clientId": "li" })).await;
    assert_eq!(world.grants("li", &[ADMIN], &[AUDIT]).await.status, StatusCode::OK);
    for roles in [&[AUDIT, SYSTEM][..], &[SYSTEM, SECURITY, AUDIT], &["office", AUDIT]] {
        let refused = world.grants("li", &[ADMIN], roles).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{roles:?}");
        assert!(
            String::from_utf8_lossy(&refused.body).contains("ADMINISTRATORS_SEPARATE"),
            "{:?}",
            refused.body
        );
    }
    assert_eq!(world.grants("li", &["credit.reed"], &[]).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(world.grants("li", &[], &["service"]).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(world.grants("nobody", &[], &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.grants("svc-credit", &[], &[]).await.status, StatusCode::NOT_FOUND);
    for (own, act) in [
        (format!("a-{SECURITY}"), "setGrants"),
        (format!("a-{SECURITY}"), "lock"),
        (String::from("audit-admin"), "lock"),
        (String::from("security-admin"), "setKeys"),
        (String::from("system-admin"), "renewSecret"),
    ] {
        let refused = world.as_role(SECURITY, "POST", &format!("{CLIENTS}/{own}:{act}"), json!({})).await;
        assert_eq!(
            (refused.status, refused.reason().as_str()),
            (StatusCode::FORBIDDEN, "OWN_ADMINISTRATION"),
            "{own} {act}"
        );
    }
}

#[tokio::test]
async fn grants_locks_and_keys_take_hold_at_once() {
    let world = World::new().await;
    let made = world.as_role(SYSTEM, "POST", CLIENTS, json!({ "clientId": "li" })).await.json();
    let secret = made["clientSecret"].as_str().unwrap().to_owned();
    assert_eq!(world.grants("li", &[ADMIN], &[AUDIT]).await.status, StatusCode::OK);
    let bearer = world.token("li", &secret).await;
    let changes = |bearer: String| {
        let world = &world;
        async move { world.ask("GET", "/identity/v1/changes", &[("authorization", &bearer)], "").await.status }
    };
    assert_eq!(changes(bearer.clone()).await, StatusCode::OK);
    // More takes nothing away; less ends what carries more.
    world.grants("li", &[ADMIN, "credit.read"], &[AUDIT]).await;
    assert_eq!(changes(bearer.clone()).await, StatusCode::OK);
    world.grants("li", &[], &[]).await;
    assert_eq!(changes(bearer).await, StatusCode::UNAUTHORIZED);
    world.grants("li", &[ADMIN], &[AUDIT]).await;
    let bearer = world.token("li", &secret).await;
    let locked = world
        .as_role(SECURITY, "POST", &format!("{CLIENTS}/li:lock"), json!({ "reason": "a lost laptop" }))
        .await;
    assert!(locked.json()["lockTime"].is_string(), "{:?}", locked.body);
    assert_eq!(changes(bearer).await, StatusCode::UNAUTHORIZED);
    let refused = world.sign_in("li", &secret).await;
    assert_eq!((refused.status, refused.reason().as_str()), (StatusCode::FORBIDDEN, "CLIENT_LOCKED"));
    assert_eq!(
        world.sign_in("li", "a guess").await.reason(),
        "CLIENT_CREDENTIALS_INVALID",
        "told to the client alone"
    );
    world.as_role(SECURITY, "POST", &format!("{CLIENTS}/li:unlock"), json!({})).await;
    assert_eq!(changes(world.token("li", &secret).await).await, StatusCode::OK);
    let keyed = json!({ "keys": [{ "kid": "1", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }] });
    let set = world.as_role(SECURITY, "POST", &format!("{CLIENTS}/li:setKeys"), keyed).await;
    assert_eq!((set.status, &set.json()["keys"][0]["kid"]), (StatusCode::OK, &json!("1")));
    assert_eq!(world.sign_in("li", &secret).await.status, StatusCode::UNAUTHORIZED, "the secret is no more");
    let wrong = json!({ "keys": [{ "kid": "1", "x": "short" }] });
    assert_eq!(
        world.as_role(SECURITY, "POST", &format!("{CLIENTS}/li:setKeys"), wrong).await.status,
        StatusCode::BAD_REQUEST
    );
    // A secret again, in the place of the keys, and another in its place: the one before holds no more, tokens got by it do.
    let renew = async |client: &str| {
        let path = format!("{CLIENTS}/{client}:renewSecret");
        world.as_role(SECURITY, "POST", &path, json!({ "reason": "一年一换" })).await
    };
    let first = renew("li").await.json();
    assert_eq!(first["keys"], json!([]), "{first}");
    let first = first["clientSecret"].as_str().unwrap().to_owned();
    let bearer = world.token("li", &first).await;
    let second = renew("li").await.json()["clientSecret"].as_str().unwrap().to_owned();
    assert_eq!(world.sign_in("li", &first).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(changes(bearer).await, StatusCode::OK);
    assert_eq!(changes(world.token("li", &second).await).await, StatusCode::OK);
    for nobody in ["nobody", "svc-credit"] {
        assert_eq!(renew(nobody).await.status, StatusCode::NOT_FOUND, "{nobody}");
    }
    let told = world.as_role(AUDIT, "GET", "/identity/v1/changes?subject=li&pageSize=1", json!({})).await;
    let told = String::from_utf8_lossy(&told.body).into_owned();
    assert!(told.contains("client.secret_renewed") && told.contains("一年一换"), "{told}");
    assert!(!told.contains(&second), "{told}");
}

#[tokio::test]
async fn what_was_refused_and_changed_can_be_read() {
    let world = World::new().await;
    for _ in 0..3 {
        world.as_role(AUDIT, "POST", CLIENTS, json!({ "clientId": "x" })).await;
    }
    world.ask("GET", CLIENTS, &[], "").await;
    world.ask("GET", CLIENTS, &[("authorization", "Bearer a.b.c")], "").await;
    world.as_role(SYSTEM, "POST", CLIENTS, json!({ "clientId": "li" })).await;
    world.as_role(SYSTEM, "POST", CLIENTS, json!({ "clientId": "wang", "scopes": ["credit.read"] })).await;
    world.grants("li", &["credit.read"], &[]).await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let read = async |path: &str| world.as_role(AUDIT, "GET", path, json!({})).await.json();
    let denials = read("/identity/v1/denials").await["denials"].as_array().unwrap().clone();
    let count = |caller: &str, reason: &str| -> i64 {
        let alike = denials.iter().filter(|one| one["caller"] == caller && one["reason"] == reason);
        alike.map(|one| one["count"].as_str().unwrap().parse::<i64>().unwrap()).sum()
    };
    assert_eq!(count(&format!("a-{AUDIT}"), "SCOPE_MISSING"), 3, "{denials:?}");
    assert_eq!(
        (count("anonymous", "TOKEN_INVALID"), count("unknown", "TOKEN_INVALID")),
        (1, 1),
        "{denials:?}"
    );
    assert_eq!(
        count(&format!("a-{SYSTEM}"), "GRANTS_ARE_ANOTHERS"),
        1,
        "a service's own refusal: {denials:?}"
    );
    assert!(denials.iter().any(|one| one["method"] == "/xinheng.identity.v1.Clients/CreateClient"));
    let first = read("/identity/v1/denials?pageSize=1").await;
    let token = first["nextPageToken"].as_str().unwrap();
    let second = read(&format!("/identity/v1/denials?pageSize=1&pageToken={token}")).await;
    assert_ne!(first["denials"], second["denials"]);
    assert_eq!(read("/identity/v1/denials?caller=nobody").await["denials"], json!([]));
    let changes = read("/identity/v1/changes?subject=li").await["changes"].as_array().unwrap().clone();
    let told: Vec<_> =
        changes.iter().map(|one| (one["kind"].as_str().unwrap(), one["by"].as_str().unwrap())).collect();
    assert_eq!(
        told,
        [("client.granted", "a-security-administrator"), ("client.registered", "a-system-administrator")]
    );
    assert!(changes[0]["detail"].as_str().unwrap().contains("credit.read"));
    let strange = world.as_role(AUDIT, "GET", "/identity/v1/changes?pageToken=YQ", json!({})).await;
    assert_eq!(strange.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn separated_the_office_administers_no_more() {
    // A suite that ran with the office as all three, and is then separated.
    let world = World::new().await;
    let own = gateway::identity::own_clients(false);
    let office = gateway::identity::ensure_own(&world.app, &own[0], false).await.unwrap().unwrap();
    let both = json!({ "clientId": "old", "scopes": [ADMIN, "credit.read"], "roles": ["office"] });
    let admin = world.admin();
    world.ask("POST", CLIENTS, &[("authorization", &admin)], both.to_string()).await;
    let bearer = world.token("admin", &office).await;
    assert_eq!(world.ask("GET", CLIENTS, &[("authorization", &bearer)], "").await.status, StatusCode::OK);

    let separate = World::beside_with(&world, json!({ "separate_administrators": true })).await;
    let mut secrets = Vec::new();
    for own in gateway::identity::own_clients(true) {
        let kept = own.id == "admin";
        if let Some(secret) = gateway::identity::ensure_own(&separate.app, &own, kept).await.unwrap() {
            secrets.push((own.id, secret));
        }
    }
    let mut changed = gateway::identity::separate(&separate.app).await.unwrap();
    changed.sort();
    assert_eq!(changed, ["admin", "old"]);
    assert!(gateway::identity::separate(&separate.app).await.unwrap().is_empty(), "once");
    assert_eq!(
        separate.ask("GET", CLIENTS, &[("authorization", &bearer)], "").await.status,
        StatusCode::UNAUTHORIZED
    );
    let bearer = separate.token("admin", &office).await;
    assert_eq!(
        separate.ask("GET", CLIENTS, &[("authorization", &bearer)], "").await.status,
        StatusCode::FORBIDDEN
    );
    let ids: Vec<&str> = secrets.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, ["system-admin", "security-admin", "audit-admin"]);
    for (id, secret) in &secrets {
        let bearer = separate.token(id, secret).await;
        assert_eq!(
            separate.ask("GET", CLIENTS, &[("authorization", &bearer)], "").await.status,
            StatusCode::OK,
            "{id}"
        );
        let denials =
            separate.ask("GET", "/identity/v1/denials", &[("authorization", &bearer)], "").await.status;
        assert_eq!(denials == StatusCode::OK, *id == "audit-admin", "{id}");
    }
    let refused = separate.grants("old", &[ADMIN], &["office"]).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "nor does anybody become one beside them");
    // Another start gives no administrator a new secret, wherever the file with the old one has gone.
    for own in gateway::identity::own_clients(true).iter().skip(1) {
        assert_eq!(
            gateway::identity::ensure_own(&separate.app, own, false).await.unwrap(),
            None,
            "{}",
            own.id
        );
    }
    // United again, the office administers again.
    assert!(gateway::identity::separate(&world.app).await.unwrap().is_empty());
    let bearer = world.token("admin", &office).await;
    assert_eq!(world.ask("GET", CLIENTS, &[("authorization", &bearer)], "").await.status, StatusCode::OK);
}
