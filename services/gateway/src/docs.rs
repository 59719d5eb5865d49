//! /openapi.json, /docs and /verify: made once at start.
use axum::{body::Body, extract::Request, response::Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::browsers;

/// One page without anything from elsewhere: many offices' networks reach nothing else.
const PAGE: &str = include_str!("docs.html");

/// The page on which anybody recomputes a draw in the own browser 抽取验证; it asks this server for a bundle, or nobody.
const VERIFY: &str = include_str!("verify.html");

// The page may run its own script and ask this server, nothing more.
const POLICY: &str =
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'";

/// The documents.
pub struct Docs {
    pages: Vec<Page>,
}

struct Page {
    path: &'static str,
    media_type: &'static str,
    text: Bytes,
    // The same in gzip, made once.
    gzip: Option<Bytes>,
    etag: String,
}

// They change with a new version of the suite only.
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=300");

impl Docs {
    /// Renders them.
    pub fn new(openapi: &Value) -> anyhow::Result<Self> {
        let page = |path, media_type, text: Bytes| {
            let etag = format!("\"{}\"", &hex::encode(Sha256::digest(&text))[..16]);
            let gzip = browsers::gzip(&text).map(Bytes::from);
            Page { path, media_type, text, gzip, etag }
        };
        let html = "text/html; charset=utf-8";
        Ok(Self {
            pages: vec![
                page("/openapi.json", "application/json", Bytes::from(serde_json::to_vec(openapi)?)),
                page("/docs", html, Bytes::from_static(PAGE.as_bytes())),
                page("/verify", html, Bytes::from_static(VERIFY.as_bytes())),
            ],
        })
    }

    /// Answers if the path is one of theirs.
    pub fn answer(&self, request: &Request, compressed: bool) -> Option<Response> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return None;
        }
        let page = self.pages.iter().find(|page| page.path == request.uri().path())?;
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(page.media_type));
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        headers.insert(header::CACHE_CONTROL, CACHED);
        headers.insert(header::ETAG, HeaderValue::from_str(&page.etag).ok()?);
        let known = browsers::names_tag(request.headers().get(header::IF_NONE_MATCH), &page.etag);
        let smaller = page.gzip.as_ref().filter(|_| compressed && browsers::accepts_gzip(request.headers()));
        if compressed {
            headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        }
        let mut response = match smaller {
            _ if known => Response::new(Body::empty()),
            Some(smaller) => {
                headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                Response::new(Body::from(smaller.clone()))
            }
            None => Response::new(Body::from(page.text.clone())),
        };
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        *response.headers_mut() = headers;
        Some(response)
    }
}
