//! What somebody would write by hand for one route: a typed axum handler that calls the same gRPC service, in a process of its own.
use std::{
    net::{Ipv4Addr, SocketAddr},
    process::{Child as Process, Command},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    response::Response,
    routing::get,
};
use contract::credit::v1::{
    CatalogueItem, GetItemRequest, Verification, catalogue_item::Nature, items_client::ItemsClient,
};
use http::{HeaderMap, StatusCode, header};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use serde::Serialize;
use suites::process::free_port;
use tokio::net::{TcpListener, TcpStream};
use tonic::{
    Code, Request,
    transport::{Channel, Endpoint},
};

/// The handler's process, ended when it is dropped.
pub struct Child {
    process: Process,
    /// Where it serves.
    pub base: String,
}

impl Child {
    /// Starts it before a service.
    pub async fn start(service: &str) -> anyhow::Result<Self> {
        let port = free_port();
        // This very program, also where it has been built anew meanwhile.
        let process =
            Command::new("/proc/self/exe").args(["gateway-handler", &port.to_string(), service]).spawn()?;
        let child = Self { process, base: format!("http://127.0.0.1:{port}") };
        for _ in 0..500 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_ok() {
                return Ok(child);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        anyhow::bail!("the handler's process does not serve")
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves until the process is ended.
pub async fn serve(port: u16, service: String) -> anyhow::Result<()> {
    let channel = Endpoint::from_shared(service)?.tcp_nodelay(true).connect_lazy();
    let router =
        Router::new().route("/credit/v1/items/{item}", get(item)).with_state(ItemsClient::new(channel));
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn item(
    State(mut client): State<ItemsClient<Channel>>,
    Path(item): Path<String>,
    headers: HeaderMap,
) -> Response {
    let mut request = Request::new(GetItemRequest { item, ..Default::default() });
    if let Some(bearer) =
        headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.parse().ok())
    {
        request.metadata_mut().insert("authorization", bearer);
    }
    let (status, body) = match client.get_item(request).await {
        Ok(answered) => {
            (StatusCode::OK, serde_json::to_vec(&Shown::of(&answered.into_inner())).unwrap_or_default())
        }
        Err(status) if status.code() == Code::Unauthenticated => (StatusCode::UNAUTHORIZED, Vec::new()),
        Err(status) => (StatusCode::INTERNAL_SERVER_ERROR, status.message().as_bytes().to_vec()),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

// The item of the benchmark has no fields, rules and classes of its own.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    item: &'a str,
    name: &'a str,
    category: &'a str,
    nature: &'static str,
    departments: &'a [String],
    legal_basis: &'a str,
    fields: [(); 0],
    publication_months: i32,
    update_time: Option<String>,
    publication_rules: [(); 0],
    effective_from: &'a str,
    effective_to: &'a str,
    verification: &'static str,
    severity_classes: [(); 0],
}

impl<'a> Shown<'a> {
    fn of(item: &'a CatalogueItem) -> Self {
        Self {
            item: &item.item,
            name: &item.name,
            category: &item.category,
            nature: Nature::try_from(item.nature).unwrap_or_default().as_str_name(),
            departments: &item.departments,
            legal_basis: &item.legal_basis,
            fields: [],
            publication_months: item.publication_months,
            update_time: item.update_time.as_ref().map(ToString::to_string),
            publication_rules: [],
            effective_from: &item.effective_from,
            effective_to: &item.effective_to,
            verification: Verification::try_from(item.verification).unwrap_or_default().as_str_name(),
            severity_classes: [],
        }
    }
}
