//! What HTTP asks of a server beside the calls: OPTIONS, HEAD, CORS, caches, compression, hosts, shares.
use std::io::Read as _;

use http::StatusCode;
use serde_json::json;

use crate::world::World;

const KEYS: &str = "/.well-known/jwks.json";
const CLIENTS: &str = "/identity/v1/clients";

#[tokio::test]
async fn methods_are_told() {
    let world = World::new().await;
    let options = world.ask("OPTIONS", CLIENTS, &[], "").await;
    assert_eq!(
        (options.status, &options.headers["allow"]),
        (StatusCode::NO_CONTENT, &"GET, HEAD, OPTIONS, POST".parse().unwrap())
    );
    assert_eq!(world.ask("OPTIONS", "/nothing", &[], "").await.status, StatusCode::NOT_FOUND);
    let wrong = world.ask("PATCH", CLIENTS, &[], "{}").await;
    assert_eq!(
        (wrong.status, &wrong.headers["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &options.headers["allow"])
    );
    let head = world.ask("HEAD", KEYS, &[], "").await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    assert_eq!(head.headers["content-type"], "application/json");
}

#[tokio::test]
async fn answers_are_kept_by_nobody_unless_public() {
    let world = World::new().await;
    let admin = world.admin();
    let of = |reply: crate::world::Reply| reply.headers["cache-control"].to_str().unwrap().to_owned();
    assert_eq!(of(world.ask("GET", CLIENTS, &[("authorization", &admin)], "").await), "no-store");
    assert_eq!(of(world.ask("GET", CLIENTS, &[], "").await), "no-store", "refusals as well");
    assert_eq!(of(world.ask("GET", KEYS, &[], "").await), "no-store", "keys may change at any moment");
    let page = world.ask("GET", "/docs", &[], "").await;
    assert_eq!(page.headers["cache-control"], "public, max-age=300");
    let tag = page.headers["etag"].to_str().unwrap();
    let same = world.ask("GET", "/docs", &[("if-none-match", tag)], "").await;
    assert_eq!((same.status, same.body.len()), (StatusCode::NOT_MODIFIED, 0));
    let other = world.ask("GET", "/docs", &[("if-none-match", "\"x\"")], "").await;
    assert_eq!(other.status, StatusCode::OK);
    let conditional = [("authorization", admin.as_str()), ("if-match", "\"1\"")];
    let unkept = world.ask("POST", "/identity/v1/clients/x:revokeTokens", &conditional, "{}").await;
    assert_eq!(unkept.status, StatusCode::PRECONDITION_FAILED, "a condition that can't be kept is refused");
}

#[tokio::test]
async fn large_answers_are_compressed_for_who_accepts_it() {
    let world = World::new().await;
    let plain = world.ask("GET", "/openapi.json", &[], "").await;
    assert!(plain.headers.get("content-encoding").is_none());
    assert!(plain.headers["vary"].to_str().unwrap().contains("accept-encoding"));
    let small = world.ask("GET", "/openapi.json", &[("accept-encoding", "br;q=1, gzip;q=0.8")], "").await;
    assert_eq!(small.headers["content-encoding"], "gzip");
    assert!(small.body.len() * 4 < plain.body.len());
    let mut read = Vec::new();
    flate2::read::GzDecoder::new(&small.body[..]).read_to_end(&mut read).unwrap();
    assert_eq!(read, plain.body);
    let admin = world.admin();
    let call = [("authorization", admin.as_str()), ("accept-encoding", "gzip")];
    let table = world.ask("GET", "/identity/v1/access", &call, "").await;
    assert_eq!(table.headers["content-encoding"], "gzip");
    let short = world.ask("GET", KEYS, &[("accept-encoding", "gzip")], "").await;
    assert!(short.headers.get("content-encoding").is_none(), "what is short is not worth it");
}

#[tokio::test]
async fn pages_of_named_origins_may_call() {
    let closed = World::new().await;
    let origin = ("origin", "https://portal.example");
    let preflight = [origin, ("access-control-request-method", "POST")];
    let refused = closed.ask("OPTIONS", CLIENTS, &preflight, "").await;
    assert!(refused.headers.get("access-control-allow-origin").is_none(), "off unless set");
    let open = World::with(json!({ "cors_origins": "https://portal.example" })).await;
    let asked = open.ask("OPTIONS", CLIENTS, &preflight, "").await;
    assert_eq!(
        (asked.status, &asked.headers["access-control-allow-origin"]),
        (StatusCode::NO_CONTENT, &origin.1.parse().unwrap())
    );
    assert!(asked.headers["access-control-allow-headers"].to_str().unwrap().contains("authorization"));
    let answered = open.ask("GET", KEYS, &[origin], "").await;
    assert_eq!(answered.headers["access-control-allow-origin"], origin.1);
    assert_eq!(answered.headers["vary"], "origin");
    let other = open.ask("GET", KEYS, &[("origin", "https://other.example")], "").await;
    assert!(other.headers.get("access-control-allow-origin").is_none());
    let failed = open.ask("GET", CLIENTS, &[origin], "").await;
    assert_eq!(
        (failed.status, &failed.headers["access-control-allow-origin"]),
        (StatusCode::UNAUTHORIZED, &origin.1.parse().unwrap()),
        "refusals can be read too"
    );
}

#[tokio::test]
async fn a_client_has_its_share() {
    let world = World::with(json!({ "client_calls_per_s": 5 })).await;
    let admin = world.admin();
    let mut seen = Vec::new();
    for _ in 0..7 {
        let reply = world.ask("GET", CLIENTS, &[("authorization", &admin)], "").await;
        assert_eq!(reply.headers["ratelimit-limit"], "5");
        seen.push((reply.status.as_u16(), reply.headers["ratelimit-remaining"].to_str().unwrap().to_owned()));
        if reply.status == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(
                (reply.reason().as_str(), &reply.headers["retry-after"]),
                ("RATE_LIMITED", &"1".parse().unwrap())
            );
        }
    }
    assert_eq!((seen[0].clone(), seen[4].0), ((200, String::from("4")), 200));
    assert!(seen.iter().any(|(status, _)| *status == 429), "{seen:?}");
    let other = world.bearer("other", "office");
    let other = world.ask("GET", CLIENTS, &[("authorization", &other)], "").await;
    assert_eq!(other.status, StatusCode::OK, "another has its own");
}
