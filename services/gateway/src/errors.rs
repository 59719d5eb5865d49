//! Refusals and failures as HTTP answers: AIP-193's JSON, in the caller's language, nothing of our insides in it.
use axum::{body::Body, response::Response};
use chassis::{
    fault::{DOMAIN, Fault, RETRY_AFTER},
    language::Language,
};
use contract::r#type::v1::ErrorReason as Common;
use http::{HeaderValue, StatusCode, header};
use prost::Message as _;
use tonic::{Code, Status};
use tonic_types::{StatusExt, pb};

use crate::{
    browsers::NO_STORE,
    transcode::{Refusal, Transcoder},
};

/// The HTTP status of a gRPC code, as google.rpc.Code has it.
fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        // 499, "client closed request", has no name of its own.
        Code::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn status_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// Why no good answer is given.
pub enum Failure {
    /// The gateway refuses.
    Refused(Refusal),
    /// The service refused or failed.
    Answered(Status),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Failure::Refused(refusal)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Failure::Refused(fault.into())
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Failure::Answered(status)
    }
}

/// Whether a service refused since its row has another etag than the one sent.
pub fn is_stale(status: &Status) -> bool {
    status.get_details_error_info().is_some_and(|info| info.reason == "ETAG_MISMATCH")
}

/// The HTTP answer of a failure.
pub fn answer(transcoder: &Transcoder, failure: Failure, language: Language) -> Response {
    let (status, http, allow) = match failure {
        Failure::Refused(refusal) => (refusal.fault.into_status(language), refusal.status, refusal.allow),
        Failure::Answered(status) => (told(status, language), None, None),
    };
    let http = http.unwrap_or_else(|| http_status(status.code()));
    let mut response = Response::new(Body::from(text(transcoder, &status, http)));
    *response.status_mut() = http;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    let wait = status.get_details_error_info().and_then(|info| info.metadata.get(RETRY_AFTER).cloned());
    if let Some(wait) = wait.and_then(|wait| HeaderValue::from_str(&wait).ok()) {
        headers.insert(header::RETRY_AFTER, wait);
    }
    if http == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(allow) = allow.and_then(|allow| HeaderValue::from_str(&allow).ok()) {
        headers.insert(header::ALLOW, allow);
    }
    response
}

/// A failure in the middle of a stream, as its last line.
pub fn line(transcoder: &Transcoder, status: Status, language: Language) -> Vec<u8> {
    let status = told(status, language);
    let mut line = text(transcoder, &status, http_status(status.code()));
    line.push(b'\n');
    line
}

// What did not come from our own faults is not the caller's to read: it may name files, tables or hosts.
fn told(status: Status, language: Language) -> Status {
    let ours = status.get_details_error_info().is_some_and(|info| info.domain == DOMAIN);
    if ours {
        return status;
    }
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => {
            tracing::warn!(%status, "a service does not answer");
            Fault::unavailable(
                Common::UpstreamUnavailable.as_str_name(),
                "the service does not answer at the moment; try again shortly",
                "服务暂无响应；请稍后重试",
            )
            .into_status(language)
        }
        Code::Unknown | Code::Internal | Code::DataLoss => {
            tracing::error!(%status, "a service failed");
            Fault::internal(anyhow::anyhow!("{status}")).into_status(language)
        }
        Code::Unimplemented => Fault::missing(
            Common::RouteUnknown.as_str_name(),
            "the service does not know this call yet; it may be older than the gateway",
            "服务尚不支持此接口；其版本可能早于网关",
        )
        .into_status(language),
        _ => status,
    }
}

fn text(transcoder: &Transcoder, status: &Status, http: StatusCode) -> Vec<u8> {
    let message = serde_json::Value::from(status.message());
    let head = format!(
        "{{\"error\":{{\"code\":{},\"status\":\"{}\",\"message\":{message},\"details\":[",
        http.as_u16(),
        status_name(status.code())
    );
    let mut out = head.into_bytes();
    let details = pb::Status::decode(status.details()).unwrap_or_default().details;
    let mut first = true;
    for detail in details {
        let start = out.len();
        if !first {
            out.push(b',');
        }
        match transcoder.message("google.protobuf.Any", &detail.encode_to_vec(), &mut out) {
            Ok(()) => first = false,
            // A detail that can't be shown takes nothing else with it.
            Err(_) => out.truncate(start),
        }
    }
    out.extend_from_slice(b"]}}");
    out
}
