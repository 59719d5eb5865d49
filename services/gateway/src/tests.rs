//! The door from outside: requests against services that are scripted here, and against the real identity service.
use std::collections::{BTreeMap, HashMap};

use axum::{Router, body::Body, extract::Request, response::Response};
use bytes::Bytes;
use chassis::{trial::Trial, upstream::Upstream};
use futures::{StreamExt, stream};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tonic::{Code, Status, body::Body as GrpcBody};
use tower::ServiceExt;

use crate::{
    Gateway,
    frames::{Frames, frame},
    transcode::tests::pool,
};

mod files;

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    fn detail(&self, kind: &str) -> Value {
        let body = self.json();
        let details = body["error"]["details"].as_array().cloned().unwrap_or_default();
        let named = details
            .into_iter()
            .find(|detail| detail["@type"] == format!("type.googleapis.com/google.rpc.{kind}"));
        named.unwrap_or_else(|| panic!("no {kind} in {body}"))
    }
}

async fn send(router: &Router, request: http::Request<Body>) -> Reply {
    let response: Response = router.clone().oneshot(request).await.expect("never fails");
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes();
    Reply { status: head.status, headers: head.headers, body }
}

async fn ask(
    router: &Router,
    method: &str,
    uri: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Reply {
    let mut request = http::Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(router, request.body(body.into()).expect("a request")).await
}

// A service that answers by script: the name in the request says how.
async fn scripted(pool: DescriptorPool, request: Request) -> http::Response<GrpcBody> {
    let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
    let headers = request.headers().clone();
    let descriptor = pool
        .get_service_by_name("trial.v1.Things")
        .and_then(|service| service.methods().find(|known| known.name() == method))
        .expect("a method of the trial");
    // Read as an answer would be: frames are the same both ways; the trailers are made up.
    let body = StreamBody::new(
        request.into_body().into_data_stream().map(|data| data.map(Frame::data)).chain(stream::once(async {
            Ok(Frame::trailers(HeaderMap::from_iter([(
                http::HeaderName::from_static("grpc-status"),
                HeaderValue::from_static("0"),
            )])))
        })),
    );
    let mut frames = Frames::of(http::Response::new(GrpcBody::new(body))).expect("frames");
    let mut messages = Vec::new();
    loop {
        match frames.next().await {
            Ok(Some(message)) => {
                messages.push(DynamicMessage::decode(descriptor.input(), message).expect("a request"))
            }
            Ok(None) => break,
            Err(status) => return status.into_http(),
        }
    }
    let text = |message: &DynamicMessage, name: &str| {
        message
            .get_field_by_name(name)
            .and_then(|value| value.as_str().map(str::to_owned))
            .unwrap_or_default()
    };
    let name = text(&messages[0], "name");
    match (method.as_str(), name.as_str()) {
        (_, "hidden") => return Status::internal("SELECT * FROM secrets at /etc/passwd").into_http(),
        (_, "gone") => return Status::unavailable("10.0.0.7:5432 refused").into_http(),
        (_, "mine") => {
            let fault = chassis::Fault::precondition(
                "TOO_EARLY",
                "too early: from 2026-02-28",
                "时间未到：2026-02-28 起",
            )
            .with("earliestDate", "2026-02-28");
            return fault.into_status(crate::language_of(&headers)).into_http();
        }
        _ => {}
    }
    let output = |fields: Value| {
        DynamicMessage::deserialize(descriptor.output(), fields).expect("an answer").encode_to_vec()
    };
    let answers: Vec<Vec<u8>> = match method.as_str() {
        "Watch" => (0..3).map(|number| output(json!({ "int32Field": number }))).collect(),
        "Upload" => vec![output(upload_seen(&messages))],
        "Download" => {
            let small = || ["信用", "报告"].iter().map(|part| part.as_bytes().to_vec()).collect();
            let parts = files::pieces(&name).unwrap_or_else(small);
            let part = |part: Vec<u8>| {
                output(json!({ "contentType": "text/plain; charset=utf-8", "data": base64(part) }))
            };
            parts.into_iter().map(part).collect()
        }
        "Picture" => vec![output(json!({ "contentType": "image/png", "data": base64("png") }))],
        _ => {
            let seen = headers.get("grpc-timeout").and_then(|value| value.to_str().ok()).unwrap_or_default();
            vec![output(
                json!({ "stringField": name, "strings": [seen], "inner": { "name": headers.get("authorization").map_or("", |value| value.to_str().expect("text")) } }),
            )]
        }
    };
    let fails = if name.ends_with("breaks") {
        Status::new(Code::Aborted, "half way")
    } else {
        Status::new(Code::Ok, "")
    };
    let mut trailers = HeaderMap::new();
    fails.add_header(&mut trailers).expect("trailers");
    let parts =
        answers.into_iter().map(|answer| Frame::data(frame(&answer))).chain([Frame::trailers(trailers)]);
    let mut response = http::Response::new(GrpcBody::new(StreamBody::new(stream::iter(
        parts.map(Ok::<_, Status>).collect::<Vec<_>>(),
    ))));
    if method == "Download" {
        files::told(&name, response.headers_mut());
        let name = http::HeaderValue::from_static("attachment; filename=\"ggxypj.csv\"");
        response.headers_mut().insert(http::header::CONTENT_DISPOSITION, name);
    }
    response
}

fn base64(text: impl AsRef<[u8]>) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

// What arrived of an upload: the fields, the number of messages, the bytes and their digest.
fn upload_seen(messages: &[DynamicMessage]) -> Value {
    let mut hash = Sha256::new();
    let (mut bytes, mut media_type) = (0, String::new());
    for message in messages {
        let file = message.get_field_by_name("file").expect("a field").as_message().expect("a file").clone();
        let data = file.get_field_by_name("data").expect("a field").as_bytes().expect("bytes").clone();
        if bytes == 0 {
            media_type =
                file.get_field_by_name("content_type").expect("a field").as_str().expect("text").to_owned();
        }
        assert!(data.len() <= 1024 * 1024, "pieces stay small");
        bytes += data.len();
        hash.update(&data);
    }
    let first = serde_json::to_value(&messages[0]).expect("JSON");
    json!({
        "kind": first["kind"], "strict": first["strict"], "contentType": media_type,
        "bytes": bytes, "messages": messages.len(), "digest": hex::encode(hash.finalize()),
    })
}

fn scripted_gateway(trial: &Trial) -> Router {
    let pool = pool();
    let service = {
        let pool = pool.clone();
        Router::new().fallback(move |request: Request| {
            let pool = pool.clone();
            async move { scripted(pool, request).await.map(Body::new) }
        })
    };
    let upstreams = HashMap::from([(String::from("trial.v1"), Upstream::local(service))]);
    Gateway::new(&trial.boot, &pool, upstreams).expect("a gateway").router()
}

#[tokio::test]
async fn a_call_goes_through_and_comes_back() {
    let trial = Trial::at("");
    let router = scripted_gateway(&trial);
    let token = trial.token("transport", "credit.read");
    let reply = ask(&router, "GET", "/v1/things/x", &[("authorization", token.text())], "").await;
    assert_eq!(reply.status, StatusCode::OK);
    let json = reply.json();
    assert_eq!(json["stringField"], "x");
    assert_eq!(json["boolField"], false, "defaults are written");
    assert_eq!(json["numbers"], json!([]));
    assert_eq!(json["strings"], json!(["60S"]), "a unary call has a deadline");
    assert_eq!(json["inner"]["name"], token.text(), "the token is passed on");
    let reply = ask(&router, "GET", "/v1/things/x", &[("grpc-timeout", "5S")], "").await;
    assert_eq!(reply.json()["strings"], json!(["5S"]));
    let reply = ask(&router, "HEAD", "/v1/things/x", &[], "").await;
    assert_eq!((reply.status, reply.body.len()), (StatusCode::OK, 0));
}

#[tokio::test]
async fn refusals_say_what_where_and_what_to_do() {
    let trial = Trial::at("");
    let router = scripted_gateway(&trial);
    let reply = ask(&router, "GET", "/v1/things/mine", &[], "").await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    let error = &reply.json()["error"];
    assert_eq!((&error["code"], &error["status"]), (&json!(400), &json!("FAILED_PRECONDITION")));
    assert_eq!(error["message"], "too early: from 2026-02-28");
    let info = reply.detail("ErrorInfo");
    assert_eq!((&info["reason"], &info["domain"]), (&json!("TOO_EARLY"), &json!("xinheng")));
    assert_eq!(info["metadata"]["earliestDate"], "2026-02-28");
    let reply = ask(&router, "GET", "/v1/things/mine", &[("accept-language", "zh-CN,zh;q=0.9")], "").await;
    assert_eq!(
        reply.detail("LocalizedMessage"),
        json!({
            "@type": "type.googleapis.com/google.rpc.LocalizedMessage", "locale": "zh-CN", "message": "时间未到：2026-02-28 起",
        })
    );

    for (name, status, reason) in [("hidden", 500, "INTERNAL_FAULT"), ("gone", 503, "UPSTREAM_UNAVAILABLE")] {
        let reply = ask(&router, "GET", &format!("/v1/things/{name}"), &[], "").await;
        assert_eq!(
            (reply.status.as_u16(), reply.detail("ErrorInfo")["reason"].clone()),
            (status, json!(reason))
        );
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(!text.contains("SELECT") && !text.contains("10.0.0.7"), "{text}");
    }

    let reply = ask(&router, "POST", "/v1/things:submit", &[], "{\"recrods\": []}").await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    let violation = &reply.detail("BadRequest")["fieldViolations"][0];
    assert_eq!(violation["field"], "recrods");
    assert!(violation["description"].as_str().is_some_and(|text| text.contains("did you mean records")));

    let reply = ask(&router, "DELETE", "/v1/things/x", &[], "").await;
    assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(reply.headers["allow"], "GET, HEAD, OPTIONS, PATCH, PUT");
    assert_eq!(ask(&router, "GET", "/nothing", &[], "").await.status, StatusCode::NOT_FOUND);
    let large = ask(&router, "POST", "/v1/things:submit", &[], vec![b' '; 8 * 1024 * 1024 + 1]).await;
    assert_eq!(
        (large.status.as_u16(), large.detail("ErrorInfo")["reason"].clone()),
        (413, json!("BODY_TOO_LARGE"))
    );
    let fits = ask(&router, "POST", "/v1/things:submit", &[], vec![b' '; 8 * 1024 * 1024]).await;
    assert_eq!(fits.status, StatusCode::OK, "the limit itself is allowed");
}

#[tokio::test]
async fn access_is_checked_at_the_door() {
    let trial = Trial::at("");
    let router = scripted_gateway(&trial);
    let reply = ask(&router, "GET", "/v1/things/x/picture", &[], "").await;
    assert_eq!(
        (reply.status, &reply.headers["www-authenticate"]),
        (StatusCode::UNAUTHORIZED, &HeaderValue::from_static("Bearer"))
    );
    let reply =
        ask(&router, "GET", "/v1/things/x/picture", &[("authorization", "Bearer nonsense")], "").await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    let weak = trial.token("transport", "grading.read");
    let reply = ask(&router, "GET", "/v1/things/x/picture", &[("authorization", weak.text())], "").await;
    assert_eq!(
        (reply.status, reply.json()["error"]["status"].clone()),
        (StatusCode::FORBIDDEN, json!("PERMISSION_DENIED"))
    );
    let enough = trial.token("transport", "credit.read");
    let reply = ask(&router, "GET", "/v1/things/x/picture", &[("authorization", enough.text())], "").await;
    assert_eq!(
        (reply.status, &reply.headers["content-type"], &reply.body[..]),
        (StatusCode::OK, &HeaderValue::from_static("image/png"), &b"png"[..])
    );
}

#[tokio::test]
async fn streams_are_lines_and_files_are_bytes() {
    let trial = Trial::at("");
    let router = scripted_gateway(&trial);
    let lines = |reply: &Reply| -> Vec<Value> {
        String::from_utf8_lossy(&reply.body)
            .lines()
            .map(|line| serde_json::from_str(line).expect("a line of JSON"))
            .collect()
    };
    let reply = ask(&router, "GET", "/v1/things:watch", &[], "").await;
    assert_eq!(reply.headers["content-type"], "application/x-ndjson");
    let numbers: Vec<Value> = lines(&reply).iter().map(|line| line["int32Field"].clone()).collect();
    assert_eq!(numbers, [json!(0), json!(1), json!(2)]);
    let broken = lines(&ask(&router, "GET", "/v1/things:watch?name=breaks", &[], "").await);
    assert_eq!((broken.len(), &broken[3]["error"]["status"]), (4, &json!("ABORTED")));
    let accept = [("accept", "text/html, text/event-stream;q=0.9")];
    let events = ask(&router, "GET", "/v1/things:watch?name=breaks", &accept, "").await;
    assert_eq!(events.headers["content-type"], "text/event-stream");
    let text = String::from_utf8_lossy(&events.body).into_owned();
    let events: Vec<&str> = text.split("\n\n").filter(|event| !event.is_empty()).collect();
    assert_eq!(events.len(), 4, "{text}");
    assert!(events[..3].iter().all(|event| event.starts_with("data: {") && !event.contains('\n')), "{text}");
    assert!(events[3].starts_with("event: error\ndata: {\"error\":"), "{text}");
    let refused = ask(&router, "GET", "/v1/things:watch?name=mine", &[], "").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "a refusal before the first line has its own status");

    let reply = ask(&router, "GET", "/v1/things/x:download", &[], "").await;
    assert_eq!(reply.headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(reply.headers["content-disposition"], "attachment; filename=\"ggxypj.csv\"");
    assert_eq!(reply.body, "信用报告".as_bytes());
}

#[tokio::test]
async fn files_are_streamed_in() {
    let trial = Trial::at("");
    let router = scripted_gateway(&trial);
    let file: Vec<u8> = (0..5_000_000_u32).map(|at| (at % 251) as u8).collect();
    let digest = hex::encode(Sha256::digest(&file));
    let reply =
        ask(&router, "POST", "/v1/uploads/records?strict=true", &[("content-type", "text/csv")], file).await;
    assert_eq!(reply.status, StatusCode::OK, "{:?}", reply.body);
    assert_eq!(
        reply.json(),
        json!({
            "kind": "records", "strict": true, "contentType": "text/csv", "bytes": 5_000_000, "messages": 5, "digest": digest,
        })
    );
    let empty = ask(&router, "POST", "/v1/uploads/records", &[], "").await;
    assert_eq!((empty.json()["messages"].clone(), empty.json()["bytes"].clone()), (json!(1), json!(0)));
    let wrong = ask(&router, "POST", "/v1/uploads/records?stricct=true", &[], "x").await;
    assert_eq!(wrong.detail("BadRequest")["fieldViolations"][0]["field"], "stricct");
    let announced = [("content-length", "600000000")];
    assert_eq!(
        ask(&router, "POST", "/v1/uploads/records", &announced, "x").await.status,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    let breaks = stream::iter([Ok(Bytes::from_static(b"abc")), Err(std::io::Error::other("gone"))]);
    let reply = ask(&router, "POST", "/v1/uploads/records", &[], Body::from_stream(breaks)).await;
    assert_eq!(
        (reply.status.as_u16(), reply.detail("ErrorInfo")["reason"].clone()),
        (400, json!("BODY_MALFORMED"))
    );
    let endless = stream::repeat(Bytes::from(vec![0_u8; 4 * 1024 * 1024])).map(Ok::<_, std::io::Error>);
    let limits =
        crate::upload::Limits { bytes: 9 * 1024 * 1024, timeout: std::time::Duration::from_secs(30) };
    let (body, trouble) =
        crate::upload::body(Body::from_stream(endless), Vec::new(), String::new(), 3, limits);
    assert!(body.collect().await.is_err());
    assert!(trouble.refusal().is_some_and(|refusal| refusal.status == Some(StatusCode::PAYLOAD_TOO_LARGE)));
}

#[tokio::test]
async fn grpc_and_grpc_web_pass_through() {
    let trial = Trial::at("");
    let router = scripted_gateway(&trial);
    let message = DynamicMessage::deserialize(
        pool().get_message_by_name("trial.v1.GetRequest").expect("a message"),
        json!({ "name": "x" }),
    );
    let framed = frame(&message.expect("a request").encode_to_vec());
    let request = |media_type: &str, path: &str| {
        http::Request::post(path)
            .version(http::Version::HTTP_2)
            .header("content-type", media_type)
            .body(Body::from(framed.clone()))
            .expect("a request")
    };
    let response = router
        .clone()
        .oneshot(request("application/grpc", "/trial.v1.Things/Get"))
        .await
        .expect("never fails");
    let answer = Frames::of(response.map(GrpcBody::new)).expect("an answer").only().await.expect("a message");
    let answer =
        DynamicMessage::decode(pool().get_message_by_name("trial.v1.Everything").expect("a message"), answer);
    assert_eq!(
        answer.expect("an answer").get_field_by_name("string_field").expect("a field").as_str(),
        Some("x")
    );

    let web = send(&router, request("application/grpc-web+proto", "/trial.v1.Things/Get")).await;
    assert_eq!(web.headers["content-type"], "application/grpc-web+proto");
    assert!(
        web.body.windows(13).any(|part| part == b"grpc-status:0"),
        "trailers are in the body: {:?}",
        web.body
    );

    let refused = |path: &'static str| {
        let (router, request) = (router.clone(), request("application/grpc", path));
        async move {
            Status::from_header_map(router.oneshot(request).await.expect("never fails").headers())
                .expect("a status")
        }
    };
    assert_eq!(refused("/trial.v1.Things/Nothing").await.code(), Code::NotFound);
    assert_eq!(refused("/nonsense").await.code(), Code::NotFound);
    assert_eq!(refused("/trial.v1.Things/Picture").await.code(), Code::Unauthenticated);
    let health = router.clone().oneshot(
        http::Request::post("/grpc.health.v1.Health/Check")
            .version(http::Version::HTTP_2)
            .header("content-type", "application/grpc")
            .body(Body::from(frame(b"")))
            .expect("a request"),
    );
    let healthy = Frames::of(health.await.expect("never fails").map(GrpcBody::new))
        .expect("an answer")
        .only()
        .await
        .expect("a message");
    assert_eq!(&healthy[..], [8, 1], "SERVING");
}

#[tokio::test]
async fn the_calls_are_documented() {
    let trial = Trial::at("");
    let router = scripted_gateway(&trial);
    let api = ask(&router, "GET", "/openapi.json", &[], "").await.json();
    assert_eq!(api["openapi"], "3.1.0");
    assert_eq!(api["paths"]["/v1/things/{name}"]["get"]["parameters"][0]["name"], "name");
    assert!(
        api["paths"]["/v1/uploads/{kind}"]["post"]["requestBody"]["content"]["application/octet-stream"]
            .is_object()
    );
    assert!(
        api["paths"]["/v1/things:watch"]["get"]["responses"]["200"]["content"]["application/x-ndjson"]
            .is_object()
    );
    for (path, holds) in [("/docs", "/openapi.json"), ("/verify", "bundle:download")] {
        let page = ask(&router, "GET", path, &[], "").await;
        let text = String::from_utf8_lossy(&page.body).into_owned();
        assert!(
            text.contains(holds) && !text.contains("https://") && !text.contains("http://"),
            "{path} needs nothing from elsewhere"
        );
        assert!(
            page.headers["content-security-policy"]
                .to_str()
                .is_ok_and(|policy| policy.contains("default-src 'none'"))
        );
    }
}

#[tokio::test]
async fn tokens_are_issued_and_clients_kept() {
    let trial = Trial::at("");
    let identity = crate::identity::open(&trial.boot, BTreeMap::new()).await.expect("identity");
    let secret = crate::identity::ensure_own(&identity.app, &crate::identity::own_clients(false)[0], false)
        .await
        .expect("an administrator")
        .expect("a secret");
    let router = crate::open(&trial.boot, trial.run(identity.role), BTreeMap::new()).expect("a gateway");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let sign_in =
        |secret: &str| format!("grant_type=client_credentials&client_id=admin&client_secret={secret}");
    let issued = ask(&router, "POST", "/oauth2/token", &form, sign_in(&secret)).await;
    assert_eq!(issued.status, StatusCode::OK, "{:?}", issued.body);
    let issued = issued.json();
    assert_eq!(issued["token_type"], "Bearer");
    let bearer = format!("Bearer {}", issued["access_token"].as_str().expect("a token"));
    let refused = ask(&router, "POST", "/oauth2/token", &form, sign_in("wrong")).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{:?}", refused.body);

    let keys = ask(&router, "GET", "/.well-known/jwks.json", &[], "").await.json();
    assert_eq!((&keys["keys"][0]["kty"], &keys["keys"][0]["crv"]), (&json!("OKP"), &json!("Ed25519")));
    let client = json!({ "clientId": "transport", "displayName": "交通运输局", "department": "transport", "scopes": ["credit.read"] });
    let headers = [("authorization", bearer.as_str())];
    let made = ask(&router, "POST", "/identity/v1/clients", &headers, client.to_string()).await;
    assert_eq!(made.status, StatusCode::OK, "{:?}", made.body);
    assert!(made.json()["clientSecret"].as_str().is_some_and(|secret| secret.len() >= 32));
    let again = ask(&router, "POST", "/identity/v1/clients", &headers, client.to_string()).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    let read = ask(&router, "GET", "/identity/v1/clients/transport", &headers, "").await.json();
    assert_eq!((&read["displayName"], &read["clientSecret"]), (&json!("交通运输局"), &json!("")));
    let gone = ask(&router, "DELETE", "/identity/v1/clients/transport", &headers, "").await;
    assert_eq!((gone.status, gone.json()), (StatusCode::OK, json!({})));
    assert_eq!(
        ask(&router, "GET", "/identity/v1/clients/transport", &headers, "").await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(ask(&router, "GET", "/identity/v1/clients", &[], "").await.status, StatusCode::UNAUTHORIZED);
    let missing = ask(&router, "GET", "/credit/v1/items", &headers, "").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND, "a service that is not assembled");
}
