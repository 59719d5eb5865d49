//! /openapi.json, /docs and /verify: made once at start.
use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderValue, Method, header};
use serde_json::Value;

/// One page without anything from elsewhere: many offices' networks reach nothing else.
const PAGE: &str = include_str!("docs.html");

/// The page on which anybody recomputes a draw in the own browser 抽取验证; it asks this server for a bundle, or nobody.
const VERIFY: &str = include_str!("verify.html");

// The page may run its own script and ask this server, nothing more.
const POLICY: &str =
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'";

/// The documents.
pub struct Docs {
    openapi: Bytes,
}

impl Docs {
    /// Renders them.
    pub fn new(openapi: &Value) -> anyhow::Result<Self> {
        Ok(Self { openapi: Bytes::from(serde_json::to_vec(openapi)?) })
    }

    /// Answers if the path is one of theirs.
    pub fn answer(&self, method: &Method, path: &str) -> Option<Response> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return None;
        }
        let (media_type, body) = match path {
            "/openapi.json" => ("application/json", self.openapi.clone()),
            "/docs" => ("text/html; charset=utf-8", Bytes::from_static(PAGE.as_bytes())),
            "/verify" => ("text/html; charset=utf-8", Bytes::from_static(VERIFY.as_bytes())),
            _ => return None,
        };
        let mut response = Response::new(Body::from(body));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        Some(response)
    }
}
