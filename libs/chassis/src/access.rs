//! Who calls, and whether they may: JWTs verified against the issuer's keys, and the access rule of each method's proto.
use std::{collections::HashMap, net::IpAddr, sync::Arc};

use contract::r#type::v1::ErrorReason as Common;
use http::{HeaderMap, header};
use jiff::Timestamp;
use prost_reflect::{DescriptorPool, DynamicMessage, Value};
use serde::{Deserialize, Serialize};

use crate::fault::{Answer, Fault};

mod denials;
mod discovery;
mod foreign;
mod keys;
mod token;
mod verifier;

pub use denials::{Denials, Denied};
pub use discovery::is_safe;
pub use foreign::{Foreign, PREFIX};
pub use keys::KeySet;
pub use token::{Times, Token};
pub use verifier::Verifier;

/// The claims of a token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// The issuer.
    pub iss: String,
    /// The client.
    pub sub: String,
    /// For whom the token is.
    pub aud: String,
    /// The end, seconds since 1970.
    pub exp: i64,
    /// The issue, seconds since 1970.
    pub iat: i64,
    /// The token's own id.
    pub jti: String,
    /// The department's slug; empty for an enterprise's own client.
    #[serde(default)]
    pub department: String,
    /// Roles.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Scopes, separated by spaces.
    #[serde(default)]
    pub scope: String,
    /// The purpose that stands in the log where a read names none.
    #[serde(default, rename = "default_purpose", skip_serializing_if = "String::is_empty")]
    pub default_purpose: String,
    /// The enterprise that the client belongs to, for an enterprise's own client.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uscc: String,
}

/// Who calls. Anonymous where the method is public and no token came.
#[derive(Clone, Debug)]
pub struct Caller(Option<Arc<Claims>>);

impl Caller {
    /// Nobody in particular.
    pub fn anonymous() -> Self {
        Self(None)
    }

    /// The bearer of a verified token.
    pub fn of(claims: Claims) -> Self {
        Self(Some(Arc::new(claims)))
    }

    /// The client's name; "anonymous" where there is none.
    pub fn name(&self) -> &str {
        self.0.as_ref().map_or("anonymous", |claims| &claims.sub)
    }

    /// The department's slug, or an empty text.
    pub fn department(&self) -> &str {
        self.0.as_ref().map_or("", |claims| &claims.department)
    }

    /// The enterprise that the client belongs to, or an empty text.
    pub fn enterprise(&self) -> &str {
        self.0.as_ref().map_or("", |claims| &claims.uscc)
    }

    /// Whether the token carries a scope.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.0.as_ref().is_some_and(|claims| claims.scope.split(' ').any(|held| held == scope))
    }

    /// Whether the token carries a role.
    pub fn has_role(&self, role: &str) -> bool {
        self.0.as_ref().is_some_and(|claims| claims.roles.iter().any(|held| held == role))
    }

    /// Whether nobody is named.
    pub fn is_anonymous(&self) -> bool {
        self.0.is_none()
    }

    /// Whether it is the credit office 信用联办, which sees what each department sees.
    pub fn is_office(&self) -> bool {
        self.has_role("office")
    }

    /// Whether it is one of our own services.
    pub fn is_service(&self) -> bool {
        self.has_role("service")
    }

    /// The purpose of a read of what is not public: the one given, else the client's registered one.
    pub fn purpose<'a>(&'a self, given: &'a str) -> Answer<&'a str> {
        let default = self.0.as_ref().map_or("", |claims| &claims.default_purpose);
        let purpose = if given.trim().is_empty() { default } else { given };
        if purpose.is_empty() {
            return Err(Fault::invalid(
                Common::PurposeRequired.as_str_name(),
                "a read of what is not public states its purpose: give `purpose`, or register the client with a defaultPurpose",
                "查询非公开信息须说明用途：请填写 purpose，或为客户端登记默认用途 defaultPurpose",
            )
            .at("purpose"));
        }
        Ok(purpose)
    }
}

/// The rule of one method.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    scope: String,
    public: bool,
    any_client: bool,
    roles: Vec<String>,
}

/// The rules of every method, read from the contract.
pub struct Rules(HashMap<String, Rule>);

impl Rules {
    /// Reads them from the descriptors.
    pub fn from_contract(pool: &DescriptorPool) -> anyhow::Result<Self> {
        let access = pool
            .get_extension_by_name("xinheng.type.v1.access")
            .ok_or_else(|| anyhow::anyhow!("the contract has no access option"))?;
        let mut rules = HashMap::new();
        for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
            let options = method.options();
            if !options.has_extension(&access) {
                continue;
            }
            if let Value::Message(message) = &*options.get_extension(&access) {
                let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
                rules.insert(path, rule(message));
            }
        }
        Ok(Self(rules))
    }

    /// Every scope that some method asks for, in order.
    pub fn scopes(&self) -> Vec<&str> {
        let scopes: std::collections::BTreeSet<&str> =
            self.0.values().map(|rule| rule.scope.as_str()).filter(|scope| !scope.is_empty()).collect();
        scopes.into_iter().collect()
    }

    /// Whether anybody may call the method at a path.
    pub fn is_public(&self, path: &str) -> bool {
        self.0.get(path).is_some_and(|rule| rule.public)
    }

    /// Whether the caller may call the method at a path. What no rule grants is refused.
    pub fn check(&self, path: &str, caller: &Caller) -> Answer<()> {
        let Some(rule) = self.0.get(path) else {
            return Err(Fault::missing(
                Common::RouteUnknown.as_str_name(),
                format!("there is no method {path}"),
                format!("不存在方法{path}"),
            ));
        };
        if rule.public {
            return Ok(());
        }
        if caller.is_anonymous() {
            return Err(Fault::unauthenticated(
                Common::TokenInvalid.as_str_name(),
                "this call needs a token; get one at POST /oauth2/token and send it as \"Authorization: Bearer …\"",
                "此接口需要令牌；请先通过 POST /oauth2/token 获取，并以“Authorization: Bearer …”发送",
            ));
        }
        let scoped = rule.any_client || caller.has_scope(&rule.scope);
        let in_role = rule.roles.is_empty() || rule.roles.iter().any(|role| caller.has_role(role));
        if scoped && in_role {
            return Ok(());
        }
        let (kind_en, kind_zh, wanted) = if scoped {
            ("role", "角色", rule.roles.join(" / "))
        } else {
            ("scope", "权限", rule.scope.clone())
        };
        Err(Fault::denied(
            Common::ScopeMissing.as_str_name(),
            format!("the token lacks the {kind_en} {wanted}; ask the credit office to register your client with it"),
            format!("令牌缺少{kind_zh}{wanted}；请联系信用联办为客户端登记"),
        )
        .with(kind_en, wanted))
    }
}

fn rule(message: &DynamicMessage) -> Rule {
    let text = |name: &str| {
        message
            .get_field_by_name(name)
            .and_then(|value| value.as_str().map(str::to_owned))
            .unwrap_or_default()
    };
    let flag =
        |name: &str| message.get_field_by_name(name).and_then(|value| value.as_bool()).unwrap_or_default();
    let roles = message.get_field_by_name("roles").map_or_else(Vec::new, |value| {
        value.as_list().map_or_else(Vec::new, |list| {
            list.iter().filter_map(|role| role.as_str().map(str::to_owned)).collect()
        })
    });
    Rule { scope: text("scope"), public: flag("public"), any_client: flag("any_client"), roles }
}

/// The one Authorization header of a request. Two of them, or one that is no text, could mean one thing here and another behind.
pub fn authorization(headers: &HeaderMap) -> Answer<Option<&str>> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (first, second) = (given.next(), given.next());
    match (first.map(|value| value.to_str()), second) {
        (None, _) => Ok(None),
        (Some(Ok(text)), None) => Ok(Some(text)),
        (_, Some(_)) => Err(refused(
            "the Authorization header is given twice; send it once",
            "Authorization 头出现两次；请只发送一次",
        )),
        (Some(Err(_)), None) => Err(refused(
            "the Authorization header is not \"Bearer <token>\"",
            "Authorization 头不是“Bearer 令牌”的形式",
        )),
    }
}

/// Logs who was refused what, and why. The token itself is never in it.
pub fn log_denial(method: &str, caller: &str, fault: &Fault) {
    let reason = fault.reason();
    tracing::info!(method, caller, reason, why = %fault, "denied");
}

impl Denials {
    /// Logs it, and notes it for the audit.
    pub fn log(&self, now: Timestamp, peer: Option<IpAddr>, method: &str, caller: &str, fault: &Fault) {
        log_denial(method, caller, fault);
        let reason = fault.reason();
        let (caller, method, reason) = (caller.to_owned(), method.to_owned(), reason.to_owned());
        self.note(now, Denied { caller, method, reason, address: peer });
    }
}

fn foreign_key() -> Fault {
    refused("the token's key is not one of the issuer's", "令牌的密钥不属于签发方")
}

fn wrong() -> Fault {
    refused("the token's signature, issuer or audience is not right", "令牌的签名、签发方或受众不正确")
}

fn refused(en: &str, zh: &str) -> Fault {
    Fault::unauthenticated(Common::TokenInvalid.as_str_name(), en, zh)
}
