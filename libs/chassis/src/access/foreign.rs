//! Tokens of another issuer, an OpenID provider of the city 统一身份认证: found by discovery, judged as strictly as our own, their claims
//! read as the operator says.
use std::{
    collections::BTreeMap,
    sync::{Arc, RwLock},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use contract::r#type::v1::ErrorReason as Common;
use rustls::ClientConfig;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::{
    Claims, Times, Token,
    discovery::{self, ForeignKey, ForeignKeys},
    refused,
};
use crate::{
    fault::{Answer, Fault},
    settings::Settings,
    tls,
};

/// What stands before a foreign client's name: nobody is taken for a client of our own, or for one of our services.
pub const PREFIX: &str = "oidc:";

// A flood of tokens with invented key ids must not become a flood of requests for keys.
const FETCH_AT_MOST_EVERY: Duration = Duration::from_secs(5);
// A key that the issuer withdraws ends to hold so soon.
const FETCH_ANEW_EVERY: Duration = Duration::from_secs(300);
const NAME_MAX: usize = 128;

/// Another issuer.
pub struct Foreign {
    /// As its tokens name it.
    pub issuer: String,
    audience: String,
    names: Names,
    grants: Option<Grants>,
    departments: BTreeMap<String, String>,
    trusted: Option<Arc<ClientConfig>>,
    keys: RwLock<ForeignKeys>,
    fetched: Mutex<Option<Instant>>,
}

// Where in the claims what stands: names, or paths with dots between.
struct Names {
    client: String,
    department: String,
    scopes: String,
    roles: String,
}

/// What a value of the scopes' or roles' claim grants.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grant {
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    roles: Vec<String>,
}

type Grants = BTreeMap<String, Grant>;

// The operator's file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mapping {
    grants: Option<Grants>,
    #[serde(default)]
    departments: BTreeMap<String, String>,
}

impl Foreign {
    /// The issuer of the settings, where they name one.
    pub fn of(settings: &Settings) -> anyhow::Result<Option<Arc<Self>>> {
        if settings.oidc_issuer.is_empty() {
            return Ok(None);
        }
        let file = &settings.oidc_mapping;
        let mapping = if file.as_os_str().is_empty() {
            Mapping { grants: None, departments: BTreeMap::new() }
        } else {
            let text = std::fs::read(file)
                .with_context(|| format!("oidc_mapping: {} can't be read", file.display()))?;
            serde_json::from_slice(&text).with_context(|| format!("oidc_mapping: {}", file.display()))?
        };
        let secure = settings.oidc_issuer.starts_with("https://");
        let trusted = secure.then(|| tls::trusting(&settings.oidc_ca)).transpose().context("oidc_ca")?;
        Ok(Some(Arc::new(Self {
            issuer: settings.oidc_issuer.clone(),
            audience: settings.oidc_audience.clone(),
            names: Names {
                client: settings.oidc_client_claim.clone(),
                department: settings.oidc_department_claim.clone(),
                scopes: settings.oidc_scopes_claim.clone(),
                roles: settings.oidc_roles_claim.clone(),
            },
            grants: mapping.grants,
            departments: mapping.departments,
            trusted,
            keys: RwLock::default(),
            fetched: Mutex::default(),
        })))
    }

    /// Judges a token that names this issuer.
    pub async fn judge(&self, token: &Token<'_>) -> Answer<(Claims, Times)> {
        token.is_of(&["RS256", "PS256", "ES256", "EdDSA"], &["JWT", "at+jwt"])?;
        let key = match self.key(&token.kid) {
            Some(key) => key,
            None => {
                self.fetch(FETCH_AT_MOST_EVERY).await?;
                self.key(&token.kid).ok_or_else(super::foreign_key)?
            }
        };
        if token.algorithm() != Some(key.algorithm) || !token.is_signed_by(&key.key) {
            return Err(super::wrong());
        }
        let (claims, times): (Value, Times) = (token.claims()?, token.claims()?);
        let claims = self.read(&claims)?;
        if claims.iss != self.issuer || claims.aud != self.audience {
            return Err(super::wrong());
        }
        Ok((Claims { exp: times.exp, iat: times.iat, ..claims }, times))
    }

    /// Whether a key is one of the issuer's now.
    pub fn holds(&self, kid: &str) -> bool {
        self.keys.read().is_ok_and(|keys| keys.contains_key(kid))
    }

    fn key(&self, kid: &str) -> Option<ForeignKey> {
        self.keys.read().ok()?.get(kid).cloned()
    }

    // Whoever waits here while another fetches finds the keys fetched.
    async fn fetch(&self, at_most_every: Duration) -> Answer<()> {
        let mut fetched = self.fetched.lock().await;
        if fetched.is_some_and(|at| at.elapsed() < at_most_every) {
            return Ok(());
        }
        *fetched = Some(Instant::now());
        match discovery::keys_of(&self.issuer, self.trusted.as_ref()).await {
            Ok(found) => {
                if let Ok(mut keys) = self.keys.write() {
                    *keys = found;
                }
                Ok(())
            }
            Err(error) => {
                tracing::warn!(issuer = %self.issuer, error = %format!("{error:#}"), "the keys of the other issuer can't be had");
                let none = self.keys.read().is_ok_and(|keys| keys.is_empty());
                // Those that are known go on: an issuer that does not answer for a moment stops nobody.
                if none { Err(unreachable()) } else { Ok(()) }
            }
        }
    }

    /// Keeps the keys fresh until the process stops.
    pub async fn follow(&self, stopping: CancellationToken) {
        loop {
            // Said in the log.
            let _ = self.fetch(FETCH_AT_MOST_EVERY).await;
            tokio::select! {
                () = tokio::time::sleep(FETCH_ANEW_EVERY) => {}
                () = stopping.cancelled() => return,
            }
        }
    }

    // Claims as the suite knows them. What is absent gives nothing; what is of another JSON type is refused.
    fn read(&self, claims: &Value) -> Answer<Claims> {
        let text = |path: &str| match at(claims, path) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(_) => Err(mistyped(path)),
        };
        let client = text(&self.names.client)?;
        let named = !client.is_empty()
            && client.len() <= NAME_MAX
            && client.chars().all(|letter| !letter.is_whitespace() && !letter.is_control());
        if !named {
            return Err(refused("the token names no client", "令牌未指明客户端"));
        }
        if text("jti")?.is_empty() {
            return Err(mistyped("jti"));
        }
        let scopes = text(&self.names.scopes)?;
        let roles = match at(claims, &self.names.roles) {
            None => Vec::new(),
            Some(Value::Array(roles)) => {
                let roles = roles.iter().map(|role| role.as_str().map(str::to_owned));
                roles.collect::<Option<Vec<_>>>().ok_or_else(|| mistyped(&self.names.roles))?
            }
            Some(_) => return Err(mistyped(&self.names.roles)),
        };
        let department = text(&self.names.department)?;
        let granted = self.granted(scopes.split_whitespace(), &roles);
        Ok(Claims {
            iss: text("iss")?,
            sub: format!("{PREFIX}{client}"),
            aud: text("aud")?,
            exp: 0,
            iat: 0,
            jti: text("jti")?,
            department: self.departments.get(&department).cloned().unwrap_or(department),
            roles: granted.roles,
            scope: granted.scopes.join(" "),
            default_purpose: String::new(),
            uscc: String::new(),
        })
    }

    // With grants, what they say of each value and nothing else; without, the values themselves. Nobody outside is one of our services.
    fn granted<'a>(&self, scopes: impl Iterator<Item = &'a str>, roles: &'a [String]) -> Grant {
        let mut granted = Grant::default();
        match &self.grants {
            None => {
                granted.scopes = scopes.map(str::to_owned).collect();
                granted.roles = roles.to_vec();
            }
            Some(grants) => {
                for grant in
                    scopes.chain(roles.iter().map(String::as_str)).filter_map(|value| grants.get(value))
                {
                    granted.scopes.extend(grant.scopes.iter().cloned());
                    granted.roles.extend(grant.roles.iter().cloned());
                }
            }
        }
        granted.roles.retain(|role| role != "service");
        for list in [&mut granted.scopes, &mut granted.roles] {
            list.sort_unstable();
            list.dedup();
        }
        granted
    }
}

// A claim by its name, or by a path with dots between: "realm_access.roles".
fn at<'a>(claims: &'a Value, path: &str) -> Option<&'a Value> {
    if path.is_empty() {
        return None;
    }
    claims.get(path).or_else(|| path.split('.').try_fold(claims, |value, name| value.get(name)))
}

fn mistyped(claim: &str) -> Fault {
    refused(
        "a claim of the token is missing, doubled or of the wrong JSON type",
        "令牌的声明缺失、重复或 JSON 类型不正确",
    )
    .with("claim", claim)
}

fn unreachable() -> Fault {
    Fault::unavailable(
        Common::UpstreamUnavailable.as_str_name(),
        "the issuer of the token does not answer, so that it can't be verified; try again shortly",
        "令牌签发方暂时无法访问，令牌无法验证；请稍后重试",
    )
    .retry_after_s(5)
}
