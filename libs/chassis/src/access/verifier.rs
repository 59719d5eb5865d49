//! Whose token it is: judged once against the issuer's keys, its times on every use.
use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
    time::{Duration, Instant},
};

use contract::{identity::v1 as identity, r#type::v1::ErrorReason as Common};
use jiff::Timestamp;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::{
    Caller, Claims, Foreign, KeySet, Times, Token, foreign_key, refused, token::CLOCK_LEEWAY_S, wrong,
};
use crate::{
    fault::{Answer, Fault},
    upstream::Upstream,
};

/// Checks tokens against the issuer's keys, which it fetches when it meets a key that it does not know.
pub struct Verifier {
    issuer: String,
    audience: String,
    source: Option<Upstream>,
    foreign: Option<Arc<Foreign>>,
    ahead_s: i64,
    standing: RwLock<Standing>,
    // When the keys were last asked for, and whether they came.
    fetched: tokio::sync::Mutex<Option<(Instant, bool)>>,
    accepted: RwLock<HashMap<[u8; 32], Arc<Accepted>>>,
}

#[derive(Default)]
struct Standing {
    // Trusted by word of this process.
    own: KeySet,
    // By word of the identity service.
    keys: KeySet,
    version: i64,
    // By the digest of the client's id: the last second whose tokens are refused.
    revoked: HashMap<[u8; 32], i64>,
}

struct Accepted {
    caller: Caller,
    times: Times,
    kid: String,
    // By another issuer's word.
    foreign: bool,
    client: [u8; 32],
}

// Whose word a token claims to be; which key may prove it depends on that.
#[derive(Deserialize)]
struct Claimed {
    iss: String,
}

// A flood of tokens with invented key ids must not become a flood of requests for keys.
const FETCH_AT_MOST_EVERY: Duration = Duration::from_secs(2);
const DRILL_AHEAD_S: i64 = 24 * 3_600;
const ACCEPTED_MOST: usize = 10_000;
// A revoked token is refused everywhere within a second.
const FOLLOW_EVERY: Duration = Duration::from_millis(400);

impl Verifier {
    /// A verifier that fetches keys from the identity service.
    pub fn new(issuer: &str, audience: &str, source: Option<Upstream>) -> Self {
        Self {
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            source,
            foreign: None,
            ahead_s: CLOCK_LEEWAY_S,
            standing: RwLock::default(),
            fetched: tokio::sync::Mutex::default(),
            accepted: RwLock::default(),
        }
    }

    /// For drills: a process that is started again begins at the drill's instant anew, while the issuer's clock has run on.
    #[must_use]
    pub fn in_a_drill(self) -> Self {
        Self { ahead_s: DRILL_AHEAD_S, ..self }
    }

    /// Takes tokens of another issuer as well.
    #[must_use]
    pub fn beside(self, foreign: Option<Arc<Foreign>>) -> Self {
        Self { foreign, ..self }
    }

    /// Trusts a key from now on; the identity service itself does so with its own.
    pub fn trust(&self, key: &identity::Key) -> anyhow::Result<()> {
        let set = KeySet::of(std::slice::from_ref(key))?;
        if let Ok(mut standing) = self.standing.write() {
            standing.own.extend(set);
        }
        Ok(())
    }

    /// Takes over how tokens stand, as the identity service tells it; an answer that holds nothing new changes nothing.
    pub fn apply(&self, told: &identity::GetStandingResponse) -> anyhow::Result<()> {
        if told.version == self.version() {
            return Ok(());
        }
        let keys = KeySet::of(&told.keys)?;
        let mut revoked = HashMap::new();
        for revocation in &told.revocations {
            let mut digest = [0; 32];
            hex::decode_to_slice(&revocation.client_digest, &mut digest)?;
            revoked.insert(digest, revocation.issued_until);
        }
        if let Ok(mut standing) = self.standing.write() {
            *standing =
                Standing { own: std::mem::take(&mut standing.own), keys, version: told.version, revoked };
        }
        Ok(())
    }

    fn version(&self) -> i64 {
        self.standing.read().map_or(0, |standing| standing.version)
    }

    /// Keeps up with how tokens stand until the process stops. While the identity service does not answer, what was known goes on:
    /// tokens end by themselves, and a suite that stops with one of its parts helps nobody.
    pub async fn follow(self: Arc<Self>, stopping: CancellationToken) {
        let others = async {
            if let Some(foreign) = &self.foreign {
                foreign.follow(stopping.clone()).await;
            }
        };
        tokio::join!(self.follow_own(stopping.clone()), others);
    }

    async fn follow_own(&self, stopping: CancellationToken) {
        let Some(source) = self.source.clone() else { return };
        let mut client = identity::tokens_client::TokensClient::new(source);
        let mut silent = false;
        loop {
            let request = identity::GetStandingRequest { version: self.version() };
            let asked = tokio::time::timeout(FOLLOW_EVERY * 5, client.get_standing(request));
            let told = match asked.await {
                Ok(Ok(answered)) => self.apply(answered.get_ref()).map_err(|error| format!("{error:#}")),
                Ok(Err(status)) => Err(status.to_string()),
                Err(_) => Err(String::from("no answer in time")),
            };
            match told {
                Ok(()) => silent = false,
                Err(error) if !silent => {
                    silent = true;
                    tracing::warn!(%error, "the identity service does not tell which tokens are revoked");
                }
                Err(_) => {}
            }
            tokio::select! {
                () = tokio::time::sleep(FOLLOW_EVERY) => {}
                () = stopping.cancelled() => return,
            }
        }
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
        accepted.times.check(now.as_second(), self.ahead_s)?;
        self.check_standing(&accepted)?;
        Ok(accepted.caller.clone())
    }

    // Two looks into maps: what may have changed since the token was accepted.
    fn check_standing(&self, accepted: &Accepted) -> Answer<()> {
        let standing = self
            .standing
            .read()
            .map_err(|_| Fault::internal(anyhow::anyhow!("the standing's lock is poisoned")))?;
        let known = match &self.foreign {
            Some(foreign) if accepted.foreign => foreign.holds(&accepted.kid),
            _ => standing.key(&accepted.kid).is_some(),
        };
        if !known {
            return Err(foreign_key());
        }
        let revoked =
            standing.revoked.get(&accepted.client).is_some_and(|until| accepted.times.iat <= *until);
        if revoked {
            return Err(refused("the token is revoked; get a new one", "令牌已被吊销；请重新获取"));
        }
        Ok(())
    }

    async fn verify(&self, token: &str, digest: [u8; 32]) -> Answer<Arc<Accepted>> {
        let token = Token::parse(token)?;
        let Claimed { iss } = token.claims()?;
        let foreign = self.foreign.as_ref().filter(|foreign| foreign.issuer == iss);
        // Times are judged by the suite's own clock, on every use.
        let (claims, times) = match foreign {
            Some(foreign) => foreign.judge(&token).await?,
            None => self.judge(&token).await?,
        };
        let client = Sha256::digest(&claims.sub).into();
        let (caller, kid) = (Caller::of(claims), token.kid);
        let accepted = Arc::new(Accepted { caller, times, kid, foreign: foreign.is_some(), client });
        if let Ok(mut known) = self.accepted.write() {
            if known.len() >= ACCEPTED_MOST {
                known.clear();
            }
            known.insert(digest, accepted.clone());
        }
        Ok(accepted)
    }

    // A token of our own issuer.
    async fn judge(&self, token: &Token<'_>) -> Answer<(Claims, Times)> {
        token.is_of(&["EdDSA"], &["JWT"])?;
        let key = match self.key(&token.kid) {
            Some(key) => key,
            None => {
                self.fetch().await?;
                self.key(&token.kid).ok_or_else(foreign_key)?
            }
        };
        if !token.is_signed_by(&key) {
            return Err(wrong());
        }
        let (claims, times): (Claims, Times) = (token.claims()?, token.claims()?);
        if claims.iss != self.issuer || claims.aud != self.audience {
            return Err(wrong());
        }
        if claims.sub.is_empty() {
            return Err(refused("the token names no client", "令牌未指明客户端"));
        }
        Ok((claims, times))
    }

    fn key(&self, kid: &str) -> Option<DecodingKey> {
        self.standing.read().ok()?.key(kid).cloned()
    }

    async fn fetch(&self) -> Answer<()> {
        let Some(source) = self.source.clone() else { return Ok(()) };
        // Who comes while another asks waits for what that one gets.
        let mut fetched = self.fetched.lock().await;
        match *fetched {
            Some((at, true)) if at.elapsed() < FETCH_AT_MOST_EVERY => return Ok(()),
            Some((at, false)) if at.elapsed() < FETCH_AT_MOST_EVERY => return Err(no_keys()),
            _ => {}
        }
        let mut client = identity::tokens_client::TokensClient::new(source);
        let asked = tokio::time::timeout(FETCH_AT_MOST_EVERY, client.get_keys(identity::GetKeysRequest {}));
        let answered = asked.await.map_err(|_| no_keys()).and_then(|answered| Ok(answered?.into_inner()));
        *fetched = Some((Instant::now(), answered.is_ok()));
        let set = KeySet::of(&answered?.keys).map_err(Fault::internal)?;
        if let Ok(mut standing) = self.standing.write() {
            standing.keys = set;
        }
        Ok(())
    }
}

// Whether the token is good nobody can say now: it is not refused.
fn no_keys() -> Fault {
    Fault::unavailable(
        Common::UpstreamUnavailable.as_str_name(),
        "the identity service does not tell its keys just now; try again shortly",
        "身份服务暂时无法提供密钥；请稍后重试",
    )
}

impl Standing {
    fn key(&self, kid: &str) -> Option<&DecodingKey> {
        self.own.get(kid).or_else(|| self.keys.get(kid))
    }
}
