//! Whose token it is: judged once against the issuer's keys, its times on every use.
use std::{
    collections::HashMap,
    sync::RwLock,
    time::{Duration, Instant},
};

use contract::identity::v1 as identity;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use sha2::{Digest, Sha256};

use super::{Caller, Claims, KeySet, Times, Token, refused};
use crate::{
    fault::{Answer, Fault},
    upstream::Upstream,
};

/// Checks tokens against the issuer's keys, which it fetches when it meets a key that it does not know.
pub struct Verifier {
    issuer: String,
    audience: String,
    source: Option<Upstream>,
    keys: RwLock<KeySet>,
    fetched: RwLock<Option<Instant>>,
    accepted: RwLock<HashMap<[u8; 32], Accepted>>,
}

#[derive(Clone)]
struct Accepted {
    caller: Caller,
    times: Times,
}

// A flood of tokens with invented key ids must not become a flood of requests for keys.
const FETCH_AT_MOST_EVERY: Duration = Duration::from_secs(2);
const ACCEPTED_MOST: usize = 10_000;

impl Verifier {
    /// A verifier that fetches keys from the identity service.
    pub fn new(issuer: &str, audience: &str, source: Option<Upstream>) -> Self {
        Self {
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            source,
            keys: RwLock::default(),
            fetched: RwLock::default(),
            accepted: RwLock::default(),
        }
    }

    /// Trusts a key from now on; the identity service itself does so with its own.
    pub fn trust(&self, key: &identity::Key) -> anyhow::Result<()> {
        let set = KeySet::of(std::slice::from_ref(key))?;
        if let Ok(mut keys) = self.keys.write() {
            keys.extend(set);
        }
        Ok(())
    }

    /// Judges an Authorization header at an instant.
    pub async fn caller(&self, authorization: Option<&str>, now: Timestamp) -> Answer<Caller> {
        let Some(header) = authorization else { return Ok(Caller::anonymous()) };
        let token = header
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or_else(|| {
                refused(
                    "the Authorization header is not \"Bearer <token>\"",
                    "Authorization 头不是“Bearer 令牌”的形式",
                )
            })?;
        let digest: [u8; 32] = Sha256::digest(token).into();
        let known = self.accepted.read().ok().and_then(|accepted| accepted.get(&digest).cloned());
        let accepted = match known {
            Some(accepted) => accepted,
            None => self.verify(token, digest).await?,
        };
        accepted.times.check(now.as_second())?;
        Ok(accepted.caller)
    }

    async fn verify(&self, token: &str, digest: [u8; 32]) -> Answer<Accepted> {
        let token = Token::parse(token)?;
        let key = match self.key(&token.kid) {
            Some(key) => key,
            None => {
                self.fetch().await?;
                self.key(&token.kid).ok_or_else(|| {
                    refused("the token's key is not one of the issuer's", "令牌的密钥不属于签发方")
                })?
            }
        };
        let accepted = self.judge(&token, &key)?;
        if let Ok(mut known) = self.accepted.write() {
            if known.len() >= ACCEPTED_MOST {
                known.clear();
            }
            known.insert(digest, accepted.clone());
        }
        Ok(accepted)
    }

    fn judge(&self, token: &Token<'_>, key: &DecodingKey) -> Answer<Accepted> {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[&self.audience]);
        validation.set_issuer(&[&self.issuer]);
        // Times are judged by the suite's own clock, on every use.
        validation.validate_exp = false;
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let wrong = || {
            refused("the token's signature, issuer or audience is not right", "令牌的签名、签发方或受众不正确")
        };
        jsonwebtoken::decode::<serde::de::IgnoredAny>(token.text(), key, &validation).map_err(|_| wrong())?;
        // The library takes an issuer or an audience out of an array; ours are texts, and the whole of it.
        let (claims, times): (Claims, Times) = (token.claims()?, token.claims()?);
        if claims.iss != self.issuer || claims.aud != self.audience {
            return Err(wrong());
        }
        if claims.sub.is_empty() {
            return Err(refused("the token names no client", "令牌未指明客户端"));
        }
        Ok(Accepted { caller: Caller::of(claims), times })
    }

    fn key(&self, kid: &str) -> Option<DecodingKey> {
        self.keys.read().ok()?.get(kid).cloned()
    }

    async fn fetch(&self) -> Answer<()> {
        let Some(source) = self.source.clone() else { return Ok(()) };
        let recently =
            self.fetched.read().ok().and_then(|at| *at).is_some_and(|at| at.elapsed() < FETCH_AT_MOST_EVERY);
        if recently {
            return Ok(());
        }
        if let Ok(mut fetched) = self.fetched.write() {
            *fetched = Some(Instant::now());
        }
        let mut client = identity::tokens_client::TokensClient::new(source);
        let answered = client.get_keys(identity::GetKeysRequest {}).await?.into_inner();
        let set = KeySet::of(&answered.keys).map_err(Fault::internal)?;
        if let Ok(mut keys) = self.keys.write() {
            *keys = set;
        }
        Ok(())
    }
}
