//! One trace from the door to the statement, received by a real OTLP receiver from two real processes.
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value::Value as Attribute},
    trace::v1::Span,
};
use serde_json::json;
use suites::{
    process::{Suite, free_port},
    world,
};
use tonic::{Request, Response, Status};
use xinheng::client::Client;

/// A span with the service that sent it.
#[derive(Clone)]
struct Received {
    service: String,
    span: Span,
}

#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<Vec<Received>>>);

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for resource in request.into_inner().resource_spans {
            let attributes = resource.resource.map(|resource| resource.attributes).unwrap_or_default();
            let service = attribute(&attributes, "service.name");
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.0.lock().unwrap().extend(spans.map(|span| Received { service: service.clone(), span }));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn attribute(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|found| found.value.as_ref()).and_then(|value| value.value.as_ref()) {
        Some(Attribute::StringValue(text)) => text.clone(),
        _ => String::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_reaches_from_the_door_to_the_statement() {
    let receiver = Receiver::default();
    let port = free_port();
    let served = tonic::transport::Server::builder().add_service(TraceServiceServer::new(receiver.clone()));
    let receiving = tokio::spawn(served.serve(([127, 0, 0, 1], port).into()));
    let otlp = format!("http://127.0.0.1:{port}");

    let folder = tempfile::tempdir().unwrap();
    let door = free_port();
    let gateway_url = format!("http://127.0.0.1:{door}");
    let traced = ["--otlp-endpoint", otlp.as_str()];
    let at_gateway: Vec<&str> = ["--gateway-url", &gateway_url].into_iter().chain(traced).collect();
    let credit = Suite::serve("credit", &folder.path().join("credit"), &at_gateway).await;
    let at_credit: Vec<&str> = ["--credit-url", &credit.base].into_iter().chain(traced).collect();
    let gateway = Suite::serve_on(door, "gateway", &folder.path().join("gateway"), &at_credit).await;
    let office = gateway.office().await;

    let (trace, caller) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let traceparent = format!("00-{trace}-{caller}-01");
    let body = world::subjects(0..1);
    let headers = [("traceparent", traceparent.as_str())];
    let path = "/credit/v1/subjects:batchUpsert";
    let send = office.send(http::Method::POST, path, "application/json", body.to_string().into(), &headers);
    assert!(send.await.unwrap().status.is_success());
    // The end of a process sends what it has not sent yet.
    assert_eq!(gateway.terminate().code(), Some(0));
    assert_eq!(credit.terminate().code(), Some(0));
    receiving.abort();

    let received = receiver.0.lock().unwrap().clone();
    let ours: BTreeMap<String, Received> = received
        .into_iter()
        .filter(|received| hex(&received.span.trace_id) == trace)
        .map(|received| (hex(&received.span.span_id), received))
        .collect();
    let told: Vec<_> = ours.values().map(|one| (&one.service, &one.span.name)).collect();
    let insert = ours.values().find(|one| {
        let statement = attribute(&one.span.attributes, "db.statement");
        one.service == "xinheng-credit" && statement.contains("INSERT INTO subjects")
    });
    let insert = insert.unwrap_or_else(|| panic!("no statement among {told:?}"));
    assert_eq!(attribute(&insert.span.attributes, "db.system"), "sqlite");

    // From the statement upwards, span by span, to who called from outside.
    let (mut at, mut way) = (insert, Vec::new());
    loop {
        way.push((at.service.as_str(), at.span.name.as_str()));
        let parent = hex(&at.span.parent_span_id);
        if parent == caller {
            break;
        }
        at = ours.get(&parent).unwrap_or_else(|| panic!("the way {way:?} breaks off at {parent}; {told:?}"));
    }
    assert_eq!(way.last(), Some(&("xinheng-gateway", "request")), "{way:?}");
    assert!(way.contains(&("xinheng-credit", "/xinheng.credit.v1.Subjects/BatchUpsertSubjects")), "{way:?}");

    // Texts of statements, never what fills them: no code, no name.
    let sent = body["subjects"][0].clone();
    for one in ours.values() {
        for attribute in one.span.attributes.iter().filter(|attribute| attribute.key.starts_with("db.")) {
            let shown = format!("{attribute:?}");
            for secret in [&sent["uscc"], &sent["name"]] {
                assert!(!shown.contains(secret.as_str().unwrap()), "{shown}");
            }
        }
    }
    assert_ne!(sent["uscc"], json!(null));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn without_a_receiver_nobody_waits_for_one() {
    // The collector is away: calls are answered as ever, and the end is no longer in coming than the last spans are given.
    let folder = tempfile::tempdir().unwrap();
    let away = format!("http://127.0.0.1:{}", free_port());
    let suite = Suite::up(folder.path(), &["--otlp-endpoint", &away]).await;
    let client = Client::new(&suite.base);
    assert!(client.try_get("/.well-known/jwks.json").await.unwrap().status.is_success());
    let stopped = std::time::Instant::now();
    assert_eq!(suite.terminate().code(), Some(0));
    assert!(stopped.elapsed() < std::time::Duration::from_secs(20), "{:?}", stopped.elapsed());
}
