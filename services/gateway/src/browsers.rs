//! What browsers and caches ask of an HTTP server: CORS by setting, what a request's Host may be, compression, cache headers.
use std::io::Write as _;

use axum::{body::Body, extract::Request, response::Response};
use bytes::Bytes;
use chassis::{peers::Peer, settings};
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, uri::Authority};

/// Whose pages may call.
pub struct Cors {
    any: bool,
    origins: Vec<HeaderValue>,
}

const ALLOWED: &str = "authorization, content-type, accept-language, idempotency-key, if-match, if-none-match, if-range, range, traceparent, \
                       grpc-timeout, x-grpc-web, x-user-agent";
const EXPOSED: &str = "etag, accept-ranges, content-range, retry-after, ratelimit-limit, ratelimit-remaining, ratelimit-reset, content-disposition, location, \
                       grpc-status, grpc-message, grpc-status-details-bin";
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

impl Cors {
    /// Of the setting, which was judged at start.
    pub fn of(setting: &str) -> Self {
        let origins = settings::list(setting);
        Self {
            any: settings::list(setting).any(|origin| origin == "*"),
            origins: origins.filter_map(|origin| HeaderValue::from_str(origin).ok()).collect(),
        }
    }

    /// The origin of a request, where its pages may call.
    pub fn granted(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        (self.any || self.origins.contains(origin)).then(|| origin.clone())
    }

    /// The answer to a preflight request, for an origin that may call.
    pub fn preflight(&self, request: &Request) -> Option<Response> {
        let asks = request.method() == Method::OPTIONS
            && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        self.granted(request.headers()).filter(|_| asks)?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOWED));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        Some(response)
    }

    /// Marks an answer for an origin that may read it. Tokens are sent by the page itself, never by the browser, so that no cookie
    /// or stored password is allowed along.
    pub fn mark(&self, origin: Option<HeaderValue>, headers: &mut HeaderMap) {
        if let Some(origin) = origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        }
        if self.any || !self.origins.is_empty() {
            headers.append(header::VARY, HeaderValue::from_static("origin"));
        }
    }
}

/// Whether a request over the network says clearly for which host it is: one Host, which is one, the same as its address names.
/// Whoever stands before us may have decided by the other one.
pub fn host_is_clear(request: &Request) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    let authority = request.uri().authority();
    let over_network = request.extensions().get::<Peer>().is_some();
    match (first, second, authority) {
        (_, Some(_), _) => false,
        (None, None, None) => !over_network || request.version() <= http::Version::HTTP_10,
        (None, None, Some(authority)) => proper(authority.as_str()),
        (Some(host), None, authority) => host.to_str().is_ok_and(|host| {
            proper(host) && authority.is_none_or(|authority| authority.as_str().eq_ignore_ascii_case(host))
        }),
    }
}

fn proper(host: &str) -> bool {
    !host.contains('@') && host.parse::<Authority>().is_ok()
}

/// Whether a client accepts an answer in gzip.
pub fn accepts_gzip(headers: &HeaderMap) -> bool {
    let given = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut accepted = false;
    for coding in given.flat_map(|value| value.split(',')) {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let refused =
            weight.trim().strip_prefix("q=").is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q == 0.0));
        match name.trim() {
            name if name.eq_ignore_ascii_case("gzip") => return !refused,
            "*" => accepted = !refused,
            _ => {}
        }
    }
    accepted
}

/// Compressed bytes; nothing where that fails.
pub fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4 + 64), Compression::fast());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

/// The body of an answer, compressed where it is large and the client accepts that.
pub fn sized(bytes: Vec<u8>, above: usize, asked: &HeaderMap, headers: &mut HeaderMap) -> Body {
    if above == 0 || bytes.len() < above {
        return Body::from(bytes);
    }
    headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    match Some(()).filter(|()| accepts_gzip(asked)).and_then(|()| gzip(&bytes)) {
        Some(smaller) => {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            Body::from(Bytes::from(smaller))
        }
        None => Body::from(bytes),
    }
}

/// Whether an If-None-Match or If-Match names an entity tag.
pub fn names_tag(given: Option<&HeaderValue>, tag: &str) -> bool {
    let given = given.and_then(|given| given.to_str().ok()).unwrap_or_default();
    given.split(',').map(|one| one.trim().trim_start_matches("W/")).any(|one| one == "*" || one == tag)
}

/// What may be kept of an answer, and by whom.
pub const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// Public reads: short, since a listing that ends must be gone.
pub const PUBLIC: HeaderValue = HeaderValue::from_static("public, max-age=5");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_weighed() {
        for (given, gzip) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("gzip;q=0, *", false),
            ("*", true),
            ("*;q=0", false),
            ("identity", false),
            ("gzip; q=0.000", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, given.parse().expect("a header"))]);
            assert_eq!(accepts_gzip(&headers), gzip, "{given}");
        }
    }

    #[test]
    fn hosts_are_one_and_the_same() {
        let request = |uri: &str, hosts: &[&str]| {
            let mut request = Request::builder().uri(uri);
            for host in hosts {
                request = request.header("host", *host);
            }
            let mut request = request.body(Body::empty()).expect("a request");
            request.extensions_mut().insert(Peer(std::net::IpAddr::from([127, 0, 0, 1])));
            host_is_clear(&request)
        };
        assert!(request("/a", &["xinheng.example:8080"]) && request("http://a.example/b", &["A.example"]));
        assert!(request("/a", &["[::1]:8080"]) && request("http://a.example/b", &[]));
        assert!(!request("/a", &["one.example", "one.example"]), "twice, even the same");
        assert!(!request("http://a.example/b", &["b.example"]));
        for wrong in ["", "a b", "user@a.example", "a.example/path", "a.example, b.example"] {
            assert!(!request("/a", &[wrong]), "{wrong:?}");
        }
        assert!(!request("/a", &[]), "HTTP/1.1 without a Host");
    }
}
