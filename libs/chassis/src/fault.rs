//! The error kinds and their one mapping to gRPC. A fault says what is wrong, where, and what to do, in both languages at once.
use std::fmt;

use contract::r#type::v1::ErrorReason as Common;
use prost::Message as _;
use tonic::{Code, Status, metadata::MetadataMap};
use tonic_types::pb;

use crate::language::{Language, Text};

/// The `domain` of every ErrorInfo of ours.
pub const DOMAIN: &str = "xinheng";

/// What kind of fault it is; each stands for one gRPC code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request is wrong whatever the state.
    Invalid,
    /// The caller is not known.
    Unauthenticated,
    /// The caller is known and may not.
    Denied,
    /// What is named does not exist.
    NotFound,
    /// It exists already.
    AlreadyExists,
    /// The state does not allow it yet, or no more.
    Precondition,
    /// Somebody else was faster; read again and repeat.
    Aborted,
    /// A limit is reached.
    Exhausted,
    /// Not now; try again.
    Unavailable,
    /// A fault of ours.
    Internal,
}

impl Kind {
    fn code(self) -> Code {
        match self {
            Kind::Invalid => Code::InvalidArgument,
            Kind::Unauthenticated => Code::Unauthenticated,
            Kind::Denied => Code::PermissionDenied,
            Kind::NotFound => Code::NotFound,
            Kind::AlreadyExists => Code::AlreadyExists,
            Kind::Precondition => Code::FailedPrecondition,
            Kind::Aborted => Code::Aborted,
            Kind::Exhausted => Code::ResourceExhausted,
            Kind::Unavailable => Code::Unavailable,
            Kind::Internal => Code::Internal,
        }
    }
}

/// One field that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The JSON path of the field, for example `records[3].occurredOn`.
    pub field: String,
    /// The reason, where the field has one of its own.
    pub reason: &'static str,
    /// What is wrong and what to do.
    pub text: Text,
}

impl Violation {
    /// A violation of the common kind.
    pub fn new(field: impl Into<String>, en: impl Into<String>, zh: impl Into<String>) -> Self {
        Self { field: field.into(), reason: Common::FieldInvalid.as_str_name(), text: Text::new(en, zh) }
    }
}

/// Why a call was refused or failed.
#[derive(Debug)]
pub struct Fault(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    reason: &'static str,
    text: Text,
    metadata: Vec<(String, String)>,
    violations: Vec<Violation>,
    cause: Option<anyhow::Error>,
    relayed: Option<Status>,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident => $kind:ident;)*) => {
        impl Fault {
            $($(#[$doc])*
            pub fn $name(reason: &'static str, en: impl Into<String>, zh: impl Into<String>) -> Self {
                Self::new(Kind::$kind, reason, en, zh)
            })*
        }
    };
}

kinds! {
    /// The request is wrong whatever the state. `reason` is the name of a value of an `ErrorReason` enum of the contract.
    invalid => Invalid;
    /// The caller is not known.
    unauthenticated => Unauthenticated;
    /// The caller may not.
    denied => Denied;
    /// What is named does not exist.
    missing => NotFound;
    /// It exists already.
    exists => AlreadyExists;
    /// The state does not allow it.
    precondition => Precondition;
    /// A concurrent change won.
    aborted => Aborted;
    /// A limit is reached.
    exhausted => Exhausted;
    /// Not now; try again.
    unavailable => Unavailable;
}

/// The metadata's key of a time to wait, in seconds.
pub const RETRY_AFTER: &str = "retryAfterS";

impl Fault {
    fn new(kind: Kind, reason: &'static str, en: impl Into<String>, zh: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            reason,
            text: Text::new(en, zh),
            metadata: Vec::new(),
            violations: Vec::new(),
            cause: None,
            relayed: None,
        }))
    }

    /// A fault of ours: the caller learns that it is ours, our log learns the cause.
    pub fn internal(cause: impl Into<anyhow::Error>) -> Self {
        let mut fault = Self::new(
            Kind::Internal,
            Common::InternalFault.as_str_name(),
            "an internal fault; the operator finds it in the log by the trace id",
            "系统内部错误；运维人员可凭追踪号在日志中查到原因",
        );
        fault.0.cause = Some(cause.into());
        fault
    }

    /// The resource is not there, or not for this caller.
    pub fn not_found(what_en: &str, what_zh: &str, name: &str) -> Self {
        Self::missing(
            Common::NotFound.as_str_name(),
            format!("there is no {what_en} \"{name}\"; check the name or list what exists"),
            format!("不存在{what_zh}“{name}”；请核对名称，或先列表查询"),
        )
        .with("name", name)
    }

    /// Fields that break their rules.
    pub fn fields(violations: Vec<Violation>) -> Self {
        let (en, zh) = match violations.first() {
            Some(first) => {
                let more = violations.len() - 1;
                let (more_en, more_zh) = match more {
                    0 => (String::new(), String::new()),
                    _ => (format!(" (and {more} more)"), format!("（另有{more}处）")),
                };
                (
                    format!("{}: {}{more_en}", first.field, first.text.en),
                    format!("{}：{}{more_zh}", first.field, first.text.zh),
                )
            }
            None => (String::from("a field breaks its rule"), String::from("字段不符合规则")),
        };
        let reason = violations.first().map_or(Common::FieldInvalid.as_str_name(), |first| first.reason);
        let mut fault = Self::new(Kind::Invalid, reason, en, zh);
        fault.0.violations = violations;
        fault
    }

    /// One field that breaks a rule.
    pub fn field(field: impl Into<String>, en: impl Into<String>, zh: impl Into<String>) -> Self {
        Self::fields(vec![Violation::new(field, en, zh)])
    }

    /// Adds a fact that a program can read.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl ToString) -> Self {
        self.0.metadata.push((key.to_owned(), value.to_string()));
        self
    }

    /// Says after how many seconds to try again; the gateway's `Retry-After`.
    #[must_use]
    pub fn retry_after_s(self, seconds: i64) -> Self {
        self.with(RETRY_AFTER, seconds.max(1))
    }

    /// Names the field that the fault is about.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        let violation = Violation { field: field.into(), reason: self.0.reason, text: self.0.text.clone() };
        self.0.violations.push(violation);
        self
    }

    /// The same for somebody else whom it befell too; of its cause the words.
    pub(crate) fn again(&self) -> Self {
        let Inner { kind, reason, text, metadata, violations, cause, relayed } = &*self.0;
        Self(Box::new(Inner {
            kind: *kind,
            reason,
            text: text.clone(),
            metadata: metadata.clone(),
            violations: violations.clone(),
            cause: cause.as_ref().map(|cause| anyhow::anyhow!("{cause:#}")),
            relayed: relayed.clone(),
        }))
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The reason, a value's name of an `ErrorReason` enum.
    pub fn reason(&self) -> &'static str {
        self.0.reason
    }

    /// The message in both languages.
    pub fn text(&self) -> &Text {
        &self.0.text
    }

    /// What lies beneath an internal fault.
    pub fn cause(&self) -> Option<&anyhow::Error> {
        self.0.cause.as_ref()
    }

    /// The answer on the wire, in the caller's language. The chain of causes stays here.
    pub fn into_status(self, language: Language) -> Status {
        let inner = *self.0;
        if let Some(status) = inner.relayed {
            return status;
        }
        let details = details(&inner, language);
        let message = inner.text.get(language).to_owned();
        let encoded = pb::Status { code: inner.kind.code() as i32, message: message.clone(), details };
        Status::with_details(inner.kind.code(), message, encoded.encode_to_vec().into())
    }
}

fn any(type_name: &str, message: &impl prost::Message) -> prost_types::Any {
    prost_types::Any {
        type_url: format!("type.googleapis.com/google.rpc.{type_name}"),
        value: message.encode_to_vec(),
    }
}

fn details(inner: &Inner, language: Language) -> Vec<prost_types::Any> {
    let mut details = vec![any(
        "ErrorInfo",
        &pb::ErrorInfo {
            reason: inner.reason.to_owned(),
            domain: DOMAIN.to_owned(),
            metadata: inner.metadata.iter().cloned().collect(),
        },
    )];
    if !inner.violations.is_empty() {
        let field_violations = inner
            .violations
            .iter()
            .map(|violation| pb::bad_request::FieldViolation {
                field: violation.field.clone(),
                description: violation.text.get(language).to_owned(),
                reason: violation.reason.to_owned(),
                localized_message: None,
            })
            .collect();
        details.push(any("BadRequest", &pb::BadRequest { field_violations }));
    }
    let wait = inner.metadata.iter().find(|(key, _)| key == RETRY_AFTER);
    if let Some(seconds) = wait.and_then(|(_, seconds)| seconds.parse().ok()) {
        let retry_delay = Some(prost_types::Duration { seconds, nanos: 0 });
        details.push(any("RetryInfo", &pb::RetryInfo { retry_delay }));
    }
    details.push(any(
        "LocalizedMessage",
        &pb::LocalizedMessage {
            locale: language.tag().to_owned(),
            message: inner.text.get(language).to_owned(),
        },
    ));
    details
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0.cause, &self.0.relayed) {
            (Some(cause), _) => write!(f, "{}: {cause:#}", self.0.reason),
            (None, Some(status)) => write!(f, "{}: {}", self.0.reason, status.message()),
            (None, None) => write!(f, "{}: {}", self.0.reason, self.0.text.en),
        }
    }
}

impl std::error::Error for Fault {}

impl From<sea_orm::DbErr> for Fault {
    fn from(error: sea_orm::DbErr) -> Self {
        if is_conflict(&error) {
            return Fault::aborted(
                Common::ConcurrentChange.as_str_name(),
                "another change came first; read again and repeat",
                "数据刚被他人修改；请重新读取后再试",
            );
        }
        if is_away(&error) {
            let mut fault = Fault::unavailable(
                Common::UpstreamUnavailable.as_str_name(),
                "the database does not answer in time; try again shortly",
                "数据库未能及时响应；请稍后重试",
            );
            fault.0.cause = Some(error.into());
            return fault;
        }
        Fault::internal(error)
    }
}

// A database that is restarted, or fails over to its standby, is back in a moment: what was not committed may be tried again.
fn is_away(error: &sea_orm::DbErr) -> bool {
    use sea_orm::{DbErr, RuntimeErr, sqlx::Error};
    let error = match error {
        DbErr::ConnectionAcquire(_) => return true,
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => error,
        _ => return false,
    };
    match &**error {
        Error::Io(_) | Error::Tls(_) | Error::PoolTimedOut | Error::PoolClosed | Error::WorkerCrashed => true,
        // A server that ends before it has greeted: the driver takes the end of the connection for an answer.
        Error::Protocol(said) => said.contains("SSLRequest"),
        // 57P01 to 57P03: it goes down, or is not up yet. 25006: it has become a standby. Class 08: the connection broke. 57014, 55P03 and
        // 25P03: it took longer than a statement, a wait or a transaction may.
        Error::Database(said) => said.code().is_some_and(|code| {
            ["57P01", "57P02", "57P03", "25006", "57014", "55P03", "25P03"].contains(&&*code)
                || code.starts_with("08")
        }),
        _ => false,
    }
}

// PostgreSQL says a lost race as 40001 or 40P01; SQLite says that the database is locked.
fn is_conflict(error: &sea_orm::DbErr) -> bool {
    let text = error.to_string();
    ["could not serialize access", "deadlock detected", "database is locked"]
        .iter()
        .any(|said| text.contains(said))
}

impl From<Status> for Fault {
    /// A refusal of another service is passed on as it is; a service that does not answer is named as such.
    fn from(status: Status) -> Self {
        // What another service says has no source; where the connection to it broke, that is the source, whatever the code.
        let broke = std::error::Error::source(&status).is_some();
        let (kind, reason) = match status.code() {
            code if broke || matches!(code, Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled) => {
                let mut fault = Fault::unavailable(
                    Common::UpstreamUnavailable.as_str_name(),
                    "a service that this call needs does not answer; try again shortly",
                    "本次操作依赖的服务暂无响应；请稍后重试",
                );
                fault.0.cause = Some(anyhow::anyhow!("{status}"));
                return fault;
            }
            Code::InvalidArgument | Code::OutOfRange => (Kind::Invalid, "FIELD_INVALID"),
            Code::Unauthenticated => (Kind::Unauthenticated, "TOKEN_INVALID"),
            Code::PermissionDenied => (Kind::Denied, "SCOPE_MISSING"),
            Code::NotFound => (Kind::NotFound, "NOT_FOUND"),
            Code::AlreadyExists => (Kind::AlreadyExists, "ALREADY_EXISTS"),
            Code::FailedPrecondition => (Kind::Precondition, "FIELD_INVALID"),
            Code::Aborted => (Kind::Aborted, "CONCURRENT_CHANGE"),
            Code::ResourceExhausted => (Kind::Exhausted, "BODY_TOO_LARGE"),
            _ => return Fault::internal(anyhow::anyhow!("another service answered: {status}")),
        };
        let message = status.message().to_owned();
        let mut fault = Self::new(kind, reason, message.clone(), message);
        let mut bare =
            Status::with_details(status.code(), status.message(), status.details().to_vec().into());
        *bare.metadata_mut() = MetadataMap::new();
        fault.0.relayed = Some(bare);
        fault
    }
}

/// What a handler answers.
pub type Answer<T> = Result<T, Fault>;

#[cfg(test)]
mod tests {
    use sea_orm::{DbErr, RuntimeErr, sqlx::Error};

    use super::*;

    #[test]
    fn a_database_that_went_away_may_be_tried_again() {
        let greeted = "unexpected response from SSLRequest: 0x00";
        let told = |error: Error| Fault::from(DbErr::Conn(RuntimeErr::SqlxError(error.into()))).kind();
        let broken = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        for away in [
            Error::Io(broken()),
            Error::Tls(broken().into()),
            Error::Protocol(greeted.into()),
            Error::PoolTimedOut,
        ] {
            let text = away.to_string();
            assert_eq!(told(away), Kind::Unavailable, "{text}");
        }
        assert_eq!(told(Error::Protocol("an answer that nobody asked for".into())), Kind::Internal);
    }

    #[test]
    fn a_broken_connection_is_no_fault_of_the_service_behind_it() {
        let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let broken = Status::from_error(broken.into());
        assert_eq!(Fault::from(broken).kind(), Kind::Unavailable);
        assert_eq!(Fault::from(Status::unknown("its own words")).kind(), Kind::Internal);
        assert_eq!(Fault::from(Status::not_found("its own words")).kind(), Kind::NotFound);
    }
}
