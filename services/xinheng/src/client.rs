//! A small REST client, as a department's system would be: for the demo, the tests and the benchmark.
use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use bytes::Bytes;
use chassis::ids;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client as Http, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};

/// A client with, once signed in, a token.
#[derive(Clone)]
pub struct Client {
    http: Http<HttpConnector, Full<Bytes>>,
    base: String,
    token: Option<String>,
    language: &'static str,
    patience: Option<Duration>,
}

// A try that takes longer has met a replica that is gone, or stands still.
const TRY: Duration = Duration::from_secs(5);
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

const KEY: &str = "idempotency-key";

/// What came back.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Reply {
    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The reason in the error's ErrorInfo.
    pub fn reason(&self) -> String {
        let body = self.json();
        let details = body["error"]["details"].as_array().cloned().unwrap_or_default();
        let reason = details.iter().find_map(|detail| detail["reason"].as_str());
        reason.unwrap_or_default().to_owned()
    }
}

impl Client {
    /// A client of a gateway, for example `http://127.0.0.1:8080`, without a token.
    pub fn new(base: impl Into<String>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let http = Http::builder(TokioExecutor::new()).build(connector);
        Self { http, base: base.into(), token: None, language: "en", patience: None }
    }

    /// The same client, which for so long tries again, with growing pauses, what a service could not take just now: a read, and a change
    /// under an `Idempotency-Key`, which its POSTs have then. Such a change is made once, however often it is sent.
    #[must_use]
    pub fn patient(&self, patience: Duration) -> Self {
        Self { patience: Some(patience), ..self.clone() }
    }

    /// The same client, answered in Chinese.
    #[must_use]
    pub fn in_chinese(&self) -> Self {
        Self { language: "zh-CN", ..self.clone() }
    }

    /// The same client with any token, or none.
    #[must_use]
    pub fn with_token(&self, token: Option<String>) -> Self {
        Self { token, ..self.clone() }
    }

    /// The gateway's address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The token held.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Signs in by client credentials.
    pub async fn sign_in(&self, id: &str, secret: &str) -> anyhow::Result<Self> {
        let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
        let reply = self
            .send(Method::POST, "/oauth2/token", "application/x-www-form-urlencoded", form.into(), &[])
            .await?;
        let token = reply.json()["access_token"].as_str().map(str::to_owned);
        anyhow::ensure!(token.is_some(), "{id} can't sign in: {}", reply.text());
        Ok(self.with_token(token))
    }

    /// Signs in as the credit office with what `up` wrote into the data folder.
    pub async fn sign_in_as_office(&self, data_dir: &Path) -> anyhow::Result<Self> {
        let path = data_dir.join("admin.json");
        let text = std::fs::read(&path).with_context(|| format!("{} can't be read", path.display()))?;
        let admin: Value = serde_json::from_slice(&text)?;
        let (id, secret) = (admin["clientId"].as_str(), admin["clientSecret"].as_str());
        self.sign_in(id.unwrap_or_default(), secret.unwrap_or_default()).await
    }

    /// Sends anything.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        media_type: &str,
        body: Bytes,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<Reply> {
        let once = || self.send_once(method.clone(), path, media_type, body.clone(), headers);
        let repeatable = method == Method::GET || headers.iter().any(|(name, _)| *name == KEY);
        let Some(patience) = self.patience.filter(|_| repeatable) else { return once().await };
        let (started, mut pause) = (Instant::now(), PAUSES.0);
        loop {
            let reply = match tokio::time::timeout(TRY, once()).await {
                Ok(Ok(reply)) if reply.status != StatusCode::SERVICE_UNAVAILABLE => return Ok(reply),
                Ok(reply) => reply,
                Err(passed) => Err(passed.into()),
            };
            if started.elapsed() + pause > patience {
                return reply;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    async fn send_once(
        &self,
        method: Method,
        path: &str,
        media_type: &str,
        body: Bytes,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<Reply> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header::ACCEPT_LANGUAGE, self.language);
        if !media_type.is_empty() {
            request = request.header(header::CONTENT_TYPE, media_type);
        }
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.http.request(request.body(Full::new(body))?).await?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Reply { status: parts.status, headers: parts.headers, body })
    }

    /// GET, whatever comes back.
    pub async fn try_get(&self, path: &str) -> anyhow::Result<Reply> {
        self.send(Method::GET, path, "", Bytes::new(), &[]).await
    }

    /// A call with a JSON body, whatever comes back.
    pub async fn try_call(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<Reply> {
        let key = match self.patience {
            Some(_) => ids::secret()?,
            None => String::new(),
        };
        let keyed = [(KEY, key.as_str())];
        let headers = if key.is_empty() { &[][..] } else { &keyed };
        self.send(method, path, "application/json", body.to_string().into(), headers).await
    }

    /// GET that must succeed.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let reply = self.try_get(path).await?;
        succeeded("GET", path, reply)
    }

    /// POST that must succeed.
    pub async fn post(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        let reply = self.try_call(Method::POST, path, &body).await?;
        succeeded("POST", path, reply)
    }

    /// PUT that must succeed.
    pub async fn put(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        let reply = self.try_call(Method::PUT, path, &body).await?;
        succeeded("PUT", path, reply)
    }

    /// Sends a file to an import and waits until it is taken in; `watch` sees each state on the way.
    pub async fn import(&self, query: &str, file: Bytes, watch: impl FnMut(&Value)) -> anyhow::Result<Value> {
        let path = format!("/credit/v1/imports?{query}");
        let reply = self.send(Method::POST, &path, "text/csv", file, &[]).await?;
        let operation = succeeded("POST", &path, reply)?;
        self.wait("credit", &operation, watch).await
    }

    /// Waits for the end of a long-running operation and gives it whole; one that failed is an error.
    pub async fn wait(
        &self,
        service: &str,
        operation: &Value,
        mut watch: impl FnMut(&Value),
    ) -> anyhow::Result<Value> {
        let name = operation["name"].as_str().context("the answer is no operation")?;
        let id = name.rsplit('/').next().unwrap_or(name);
        loop {
            let state = self.get(&format!("/{service}/v1/operations/{id}")).await?;
            watch(&state);
            if state["done"] == json!(true) {
                anyhow::ensure!(state.get("error").is_none(), "the operation failed: {}", state["error"]);
                return Ok(state);
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }
}

fn succeeded(method: &str, path: &str, reply: Reply) -> anyhow::Result<Value> {
    anyhow::ensure!(reply.status.is_success(), "{method} {path} answered {}: {}", reply.status, reply.text());
    Ok(reply.json())
}

/// A text as it stands in a query or path.
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
