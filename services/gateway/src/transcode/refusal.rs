//! What the gateway itself refuses, before any service is asked.
use chassis::{fault::Fault, language::Text};
use contract::r#type::v1::ErrorReason as Common;
use http::StatusCode;

/// A refusal: the fault as any service would tell it, and what only HTTP knows.
#[derive(Debug)]
pub struct Refusal {
    /// Why.
    pub fault: Fault,
    /// The HTTP status, where it is not the one that the fault's kind stands for.
    pub status: Option<StatusCode>,
    /// The methods that the path knows, for 405.
    pub allow: Option<String>,
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self { fault, status: None, allow: None }
    }
}

fn refuse(status: StatusCode, reason: Common, en: impl Into<String>, zh: impl Into<String>) -> Refusal {
    Refusal { fault: Fault::invalid(reason.as_str_name(), en, zh), status: Some(status), allow: None }
}

/// No route has this path.
pub fn route_unknown(method: &str, path: &str) -> Refusal {
    let path: String = path.chars().take(200).collect();
    Fault::missing(
        Common::RouteUnknown.as_str_name(),
        format!("there is no {method} {path}; /docs lists the calls"),
        format!("不存在接口 {method} {path}；全部接口见 /docs"),
    )
    .into()
}

/// The path exists with other methods.
pub fn method_not_allowed(method: &str, allowed: &[String]) -> Refusal {
    let allow = allowed.join(", ");
    let mut refusal = refuse(
        StatusCode::METHOD_NOT_ALLOWED,
        Common::MethodNotAllowed,
        format!("{method} is not possible here; use {allow}"),
        format!("此地址不支持 {method}；请使用 {allow}"),
    );
    refusal.allow = Some(allow);
    refusal
}

/// The body is larger than the limit.
pub fn body_too_large(limit: usize) -> Refusal {
    let mebibytes = limit / (1024 * 1024);
    refuse(
        StatusCode::PAYLOAD_TOO_LARGE,
        Common::BodyTooLarge,
        format!("the body is larger than {mebibytes} MiB; send it in parts"),
        format!("请求体超过 {mebibytes} MiB；请分批发送"),
    )
}

/// The body breaks off.
pub fn body_broken() -> Refusal {
    refuse(
        StatusCode::BAD_REQUEST,
        Common::BodyMalformed,
        "the body breaks off before its end; send the request again",
        "请求体未传完即中断；请重新发送",
    )
}

/// The body comes too slowly.
pub fn body_too_slow() -> Refusal {
    refuse(
        StatusCode::REQUEST_TIMEOUT,
        Common::BodyTooSlow,
        "the body does not come in the time that it may take; send the request again, over a better connection",
        "请求体传输过慢；请检查网络后重新发送",
    )
}

/// Two hosts are named, or one that is none.
pub fn host_ambiguous() -> Refusal {
    refuse(
        StatusCode::BAD_REQUEST,
        Common::HostAmbiguous,
        "the request does not say clearly for which host it is; send one Host header, the same as the address names",
        "请求的目标主机不明确；请只发送一个 Host 头，且与地址一致",
    )
}

/// If-Match was sent where nothing has an entity tag, or more than one tag.
pub fn precondition_unknown() -> Refusal {
    refuse(
        StatusCode::PRECONDITION_FAILED,
        Common::FieldInvalid,
        "If-Match can't be kept here: this call knows no etag, or the header names more than one, or a weak one; leave it out or send the one etag that was read",
        "此处无法满足 If-Match：该接口没有 etag，或请求头含多个或弱标签；请去掉该请求头，或发送读取到的唯一 etag",
    )
}

/// A body came where none is taken.
pub fn body_unexpected() -> Refusal {
    refuse(
        StatusCode::BAD_REQUEST,
        Common::BodyMalformed,
        "this call takes no body; give its parameters in the address",
        "此接口不接受请求体；请在地址中给出参数",
    )
}

/// The body is not JSON.
pub fn body_malformed(error: &serde_json::Error) -> Refusal {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or_default();
    refuse(
        StatusCode::BAD_REQUEST,
        Common::BodyMalformed,
        format!("the body is not JSON: {what} (line {line}, column {column})"),
        format!("请求体不是有效的 JSON：第{line}行第{column}列有误（{what}）"),
    )
}

/// The body is JSON, but no object.
pub fn body_no_object(got: &Text) -> Refusal {
    refuse(
        StatusCode::BAD_REQUEST,
        Common::BodyMalformed,
        format!("the body is {}; expected a JSON object", got.en),
        format!("请求体是{}；应为 JSON 对象", got.zh),
    )
}

/// A body of a type that is not taken here.
pub fn media_type_unsupported(given: &str) -> Refusal {
    let given: String = given.chars().take(100).collect();
    refuse(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Common::MediaTypeUnsupported,
        format!("a body of type {given} is not taken here; send JSON as application/json"),
        format!("此接口不接受 {given} 类型的请求体；请以 application/json 发送 JSON"),
    )
}

/// JSON that is labelled as a form, as some programs do unless told otherwise.
pub fn media_type_mistaken() -> Refusal {
    refuse(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Common::MediaTypeUnsupported,
        "the body looks like JSON but is labelled as a form; send the header Content-Type: application/json",
        "请求体是 JSON，却被标为表单；请发送请求头 Content-Type: application/json",
    )
}
