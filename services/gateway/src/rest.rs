//! One REST request: found, judged, transcoded, passed on, answered.
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{body::Body, extract::Request, response::Response};
use bytes::Bytes;
use chassis::{language::Language, peers::Peer};
use futures::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header, request::Parts};
use http_body_util::{BodyExt, Limited};
use tonic::{Status, body::Body as GrpcBody};
use tower::ServiceExt;

use crate::{
    Gateway, browsers,
    errors::{self, Failure},
    files::{self, Told},
    frames::{self, Frames},
    limits::{Pass, Quota, Running},
    retries::{self, Attempt},
    transcode::{self, Call, Incoming, Malformed, Refusal, Route, Variables, refusal},
    upload::{self, Pace},
};

/// The largest JSON body.
pub const BODY_MAX: usize = 8 * 1024 * 1024;

// What is read, and thrown away, of a body that is refused for its size: a client that is still writing would see a
// reset connection in place of the answer.
const DRAINED_MAX: usize = 64 * 1024 * 1024;
const DRAINED_FOR: Duration = Duration::from_secs(10);

// Unary calls end in time even where a service hangs; streams and uploads take as long as they take.
const TIMEOUT: (HeaderValue, Duration) = (HeaderValue::from_static("60S"), Duration::from_secs(65));

const PASSED_ON: [HeaderName; 3] =
    [header::AUTHORIZATION, header::ACCEPT_LANGUAGE, HeaderName::from_static("grpc-timeout")];

/// Answers a request by transcoding.
pub async fn answer(gateway: &Gateway, request: Request, language: Language) -> Response {
    let (head, body) = request.into_parts();
    let (answered, quota) = admitted(gateway, &head, body, language).await;
    let mut response = answered.unwrap_or_else(|failure| {
        let conditional = head.headers.contains_key(header::IF_MATCH);
        let stale = conditional && matches!(&failure, Failure::Answered(status) if errors::is_stale(status));
        let mut response = errors::answer(&gateway.transcoder, failure, language);
        if stale {
            *response.status_mut() = StatusCode::PRECONDITION_FAILED;
        }
        response
    });
    if let Some(quota) = quota {
        quota.write(response.headers_mut());
    }
    response
}

// Found, allowed, let in, served.
async fn admitted(
    gateway: &Gateway,
    head: &Parts,
    body: Body,
    language: Language,
) -> (Result<Response, Failure>, Option<Quota>) {
    if head.method == Method::OPTIONS {
        return (gateway.transcoder.options(head.uri.path()).map(options).map_err(Failure::from), None);
    }
    let (route, variables) = match gateway.transcoder.find(&head.method, head.uri.path()) {
        Ok(found) => found,
        Err(refusal) => return (Err(refusal.into()), None),
    };
    // Before the body is read: who may not call need not be listened to.
    let peer = head.extensions.get().copied();
    let caller = match gateway.authorize(&route.call.path, &head.headers, peer).await {
        Ok(caller) => caller,
        Err(fault) => return (Err(fault.into()), None),
    };
    let (quota, pass) = gateway.gate.admit(&caller, peer, route.call.class);
    let served = match pass {
        Ok(pass) => transcode(gateway, (head, body), (route, variables), pass, language).await,
        Err(fault) => Err(fault.into()),
    };
    if let Err(Failure::Answered(status)) = &served {
        gateway.note_refused(&route.call.path, &caller, peer, status);
    }
    let served = served.map(|mut response| {
        let open = head.method == Method::GET
            && caller.is_anonymous()
            && route.call.package != "xinheng.identity.v1"
            && gateway.rules.is_public(&route.call.path);
        let kept = if open { browsers::PUBLIC } else { browsers::NO_STORE };
        response.headers_mut().insert(header::CACHE_CONTROL, kept);
        response
    });
    (served, Some(quota))
}

fn options(allowed: String) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    if let Ok(allowed) = HeaderValue::from_str(&allowed) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

async fn transcode(
    gateway: &Gateway,
    (head, body): (&Parts, Body),
    (route, variables): (&Arc<Route>, Variables<'_>),
    pass: Pass,
    language: Language,
) -> Result<Response, Failure> {
    let query = head.uri.query().unwrap_or_default();
    if let transcode::Body::File(number) = route.body {
        let incoming = Incoming { variables, query, headers: &head.headers, body: b"" };
        let fields = gateway.transcoder.request(route, incoming)?;
        return upload(gateway, route, head, (fields, number), body).await;
    }
    let body = read(&head.headers, body, gateway.body_timeout).await?;
    let incoming = Incoming { variables, query, headers: &head.headers, body: &body };
    let message = gateway.transcoder.request(route, incoming)?;
    drop(body);
    let compress = gateway.boot.settings.compress_above_bytes > 0;
    let repeatable = route.call.is_repeatable(&head.method, &message);
    let until = Instant::now() + retries::given(&head.headers, TIMEOUT.1);
    let once = |attempt| begin(gateway, &route.call, head, &message, attempt);
    if route.call.server_streaming {
        let ask = || gateway.retries.ask(repeatable, until, once);
        let begun = ask().await?;
        let response = if route.call.raw {
            files::streamed(head, begun, compress, ask).await?
        } else if wants_events(&head.headers) {
            events(gateway, route, begun.0, language)
        } else {
            files::compressed(head, lines(gateway, route, begun.0, language), compress)
        };
        return Ok(response.map(|body| Body::new(Running::new(body, pass))));
    }
    // Nothing of an answer leaves before it is here whole.
    let whole = |attempt| {
        let begun = once(attempt);
        async move { begun.await?.0.only().await }
    };
    let answered = gateway.retries.ask(repeatable, until, whole);
    let late = || Status::deadline_exceeded("a service that hangs");
    let message = tokio::time::timeout(TIMEOUT.1, answered).await.map_err(|_| late())??;
    unary(gateway, route, head, &message)
}

// The frames of an answer, of which none was read yet, and what is said before them.
async fn begin(
    gateway: &Gateway,
    call: &Call,
    head: &Parts,
    message: &[u8],
    attempt: Attempt,
) -> Result<(Frames, Told), Status> {
    let mut grpc = grpc_request(call, head, frames::unary(message))?;
    if !call.server_streaming {
        attempt.mark(grpc.headers_mut());
    }
    let answered = send(gateway, call, grpc).await?;
    let told = Told::of(answered.headers());
    Ok((Frames::of(answered)?, told))
}

async fn read(headers: &HeaderMap, mut body: Body, timeout: Duration) -> Result<Bytes, Refusal> {
    let announced =
        headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > BODY_MAX) {
        drain(headers, body).await;
        return Err(refusal::body_too_large(BODY_MAX));
    }
    let pace = Pace::new(timeout);
    let mut whole = Vec::with_capacity(announced.unwrap_or_default());
    loop {
        match pace.within(body.frame(), whole.len()).await? {
            None => return Ok(Bytes::from(whole)),
            Some(Ok(frame)) => whole.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
            Some(Err(_)) => return Err(refusal::body_broken()),
        }
        if whole.len() > BODY_MAX {
            drain(headers, body).await;
            return Err(refusal::body_too_large(BODY_MAX));
        }
    }
}

// Not for a client that waits to be asked for its body: it has sent nothing yet.
async fn drain(headers: &HeaderMap, body: Body) {
    if headers.contains_key(header::EXPECT) {
        return;
    }
    let mut limited = Limited::new(body, DRAINED_MAX);
    // It is not waited for longer than a client that keeps sending needs.
    let drained = async { while let Some(Ok(_)) = limited.frame().await {} };
    let _ = tokio::time::timeout(DRAINED_FOR, drained).await;
}

fn grpc_request(call: &Call, head: &Parts, body: GrpcBody) -> Result<http::Request<GrpcBody>, Status> {
    let mut request = http::Request::new(body);
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = call.path.parse().map_err(|_| Status::internal("a method's path is no URI"))?;
    let own = request.headers_mut();
    own.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    own.insert(header::TE, HeaderValue::from_static("trailers"));
    if !call.client_streaming && !call.server_streaming {
        own.insert("grpc-timeout", TIMEOUT.0.clone());
    }
    for name in PASSED_ON {
        if let Some(value) = head.headers.get(&name) {
            own.insert(name, value.clone());
        }
    }
    // From where the call comes, for a service in this process.
    if let Some(&peer) = head.extensions.get::<Peer>() {
        request.extensions_mut().insert(peer);
    }
    Ok(request)
}

async fn send(
    gateway: &Gateway,
    call: &Call,
    request: http::Request<GrpcBody>,
) -> Result<http::Response<GrpcBody>, Status> {
    let upstream = gateway
        .upstream(&call.package)
        .ok_or_else(|| Status::unimplemented("no service serves this call"))?;
    upstream.oneshot(request).await.map_err(|error| Status::unavailable(format!("{}: {error}", call.package)))
}

async fn upload(
    gateway: &Gateway,
    route: &Route,
    head: &Parts,
    (fields, number): (Vec<u8>, u32),
    body: Body,
) -> Result<Response, Failure> {
    let headers = &head.headers;
    let announced =
        headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > upload::FILE_MAX) {
        return Err(upload::file_too_large().into());
    }
    let media_type =
        headers.get(header::CONTENT_TYPE).and_then(|given| given.to_str().ok()).unwrap_or_default();
    let limits = upload::Limits { bytes: upload::FILE_MAX, timeout: gateway.body_timeout };
    let (body, trouble) = upload::body(body, fields, media_type.to_owned(), number, limits);
    let request = grpc_request(&route.call, head, body)?;
    let answered = async { Frames::of(send(gateway, &route.call, request).await?)?.only().await };
    match (answered.await, trouble.refusal()) {
        (_, Some(refusal)) => Err(refusal.into()),
        (Ok(message), None) => unary(gateway, route, head, &message),
        (Err(status), None) => Err(status.into()),
    }
}

fn unary(gateway: &Gateway, route: &Route, head: &Parts, message: &Bytes) -> Result<Response, Failure> {
    if route.call.raw {
        let (media_type, data) = files::http_body(message)?;
        let compress = gateway.boot.settings.compress_above_bytes > 0;
        return Ok(files::whole(head, media_type, data, Told::default(), compress));
    }
    let etag = route.call.etag_of(message).map_err(|Malformed| malformed())?.map(|tag| format!("\"{tag}\""));
    let read = matches!(head.method, Method::GET | Method::HEAD);
    let same = etag
        .as_ref()
        .is_some_and(|tag| read && browsers::names_tag(head.headers.get(header::IF_NONE_MATCH), tag));
    let mut answer = if same {
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        answer
    } else {
        let mut json = Vec::with_capacity(message.len() * 2 + 64);
        gateway.transcoder.response(route, message, &mut json).map_err(|Malformed| malformed())?;
        let above = gateway.boot.settings.compress_above_bytes as usize;
        let mut headers = HeaderMap::new();
        let body = browsers::sized(json, above, &head.headers, &mut headers);
        let mut answer = response("application/json", body);
        answer.headers_mut().extend(headers);
        answer
    };
    if let Some(tag) = etag.and_then(|tag| HeaderValue::from_str(&tag).ok()) {
        answer.headers_mut().insert(header::ETAG, tag);
    }
    Ok(answer)
}

/// The failure of a service that answers with something else than the contract's message.
pub fn malformed() -> Status {
    Status::internal("an answer that is not the contract's message")
}

/// An answer of a media type.
pub fn response(media_type: &str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::OK;
    let media_type = HeaderValue::from_str(media_type).ok().filter(|value| !value.is_empty());
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        media_type.unwrap_or_else(|| HeaderValue::from_static("application/octet-stream")),
    );
    // A file from a department is not to be taken for a page of ours.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

// A stream as lines of JSON, each sent as it comes; a failure is the last line.
fn lines(gateway: &Gateway, route: &Arc<Route>, frames: Frames, language: Language) -> Response {
    let state = Some((gateway.clone(), route.clone(), frames));
    let stream = stream::unfold(state, move |state| async move {
        let (gateway, route, mut frames) = state?;
        match next_line(&gateway, &route, &mut frames).await {
            Ok(Some(line)) => Some((Ok::<_, Status>(line), Some((gateway, route, frames)))),
            Ok(None) => None,
            Err(status) => Some((Ok(errors::line(&gateway.transcoder, status, language)), None)),
        }
    });
    response("application/x-ndjson", Body::from_stream(stream))
}

// Whether a client asks for server-sent events, as a browser's EventSource does.
fn wants_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut types = accepted
        .flat_map(|value| value.split(','))
        .map(|one| one.split(';').next().unwrap_or_default().trim());
    types.any(|one| one.eq_ignore_ascii_case("text/event-stream"))
}

// What proxies between need to hear to keep a quiet stream open.
const QUIET: Duration = Duration::from_secs(15);

// A stream as server-sent events; a failure is the last one, of the kind "error".
fn events(gateway: &Gateway, route: &Arc<Route>, frames: Frames, language: Language) -> Response {
    let state = Some((gateway.clone(), route.clone(), frames));
    let stream = stream::unfold(state, move |state| async move {
        let (gateway, route, mut frames) = state?;
        // `next` gives up nothing where it is cut off between two messages.
        let next = match tokio::time::timeout(QUIET, next_line(&gateway, &route, &mut frames)).await {
            Err(_) => return Some((Ok::<_, Status>(b":\n\n".to_vec()), Some((gateway, route, frames)))),
            Ok(next) => next,
        };
        match next {
            Ok(Some(line)) => Some((Ok(event(b"data: ", line)), Some((gateway, route, frames)))),
            Ok(None) => None,
            Err(status) => {
                let line = errors::line(&gateway.transcoder, status, language);
                Some((Ok(event(b"event: error\ndata: ", line)), None))
            }
        }
    });
    response("text/event-stream", Body::from_stream(stream))
}

// JSON of one line ends it already.
fn event(head: &[u8], line: Vec<u8>) -> Vec<u8> {
    [head, &line, b"\n"].concat()
}

async fn next_line(gateway: &Gateway, route: &Route, frames: &mut Frames) -> Result<Option<Vec<u8>>, Status> {
    let Some(message) = frames.next().await? else { return Ok(None) };
    let mut line = Vec::with_capacity(message.len() * 2 + 64);
    gateway.transcoder.response(route, &message, &mut line).map_err(|Malformed| malformed())?;
    line.push(b'\n');
    Ok(Some(line))
}
