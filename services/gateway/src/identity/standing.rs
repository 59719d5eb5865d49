//! How tokens stand: which keys sign and verify, whose tokens are revoked. Every verifier follows it.
use std::{sync::Arc, time::Duration};

use chassis::{
    Answer, App as _, Context, Fault, Tx, access,
    clock::wire,
    decisions::{self, Decision},
    ids,
    signer::Signer,
};
use contract::identity::v1 as api;
use jiff::Timestamp;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::{App, clients, rows, rules};

/// What this process holds of it, in memory.
#[derive(Default)]
pub struct Held {
    /// What verifiers are told.
    pub told: api::GetStandingResponse,
    // In the order of their making, each with its first second and its end; 0: none.
    keys: Vec<(Arc<Signer>, i64, i64)>,
}

// Other replicas' changes are seen so soon.
const LOOK_EVERY: Duration = Duration::from_millis(300);
const FORGET_EVERY: u32 = 200;

impl App {
    /// The key that signs at an instant.
    pub fn signer(&self, now: Timestamp) -> Answer<Arc<Signer>> {
        let held =
            self.held.read().map_err(|_| Fault::internal(anyhow::anyhow!("the keys' lock is poisoned")))?;
        let place = rules::signs(held.keys.iter().map(|(_, from, _)| *from), now.as_second());
        let signer = place.and_then(|place| held.keys.get(place)).map(|(signer, _, _)| signer.clone());
        signer.ok_or_else(|| Fault::internal(anyhow::anyhow!("there is no signing key")))
    }

    /// Reads it anew, and lets this process' own verifier know.
    pub async fn refresh(&self) -> Answer<()> {
        let db = self.store().read();
        // Read first: a change that comes between is seen as one at the next look.
        let version = rows::version(db).await?;
        let now_s = self.clock.now().as_second();
        let mut held =
            Held { told: api::GetStandingResponse { version, ..Default::default() }, keys: Vec::new() };
        for key in rows::signing_keys(db).await? {
            let seed = hex::decode(&key.seed).ok().and_then(|seed| seed.try_into().ok());
            let seed: [u8; 32] =
                seed.ok_or_else(|| Fault::internal(anyhow::anyhow!("a stored seed is not 32 bytes")))?;
            let signer = Signer::from_seed(&seed);
            held.told.keys.push(signer.public().clone());
            held.keys.push((Arc::new(signer), key.active_from, key.ends_at));
        }
        for (client, issued_until) in rows::revocations(db, now_s).await? {
            let client_digest = hex::encode(Sha256::digest(client));
            held.told.revocations.push(api::Revocation { client_digest, issued_until });
        }
        self.verifier.apply(&held.told).map_err(Fault::internal)?;
        if let Ok(mut known) = self.held.write() {
            *known = held;
        }
        Ok(())
    }

    // Whether a key has ended, and its version.
    fn held_version(&self, now_s: i64) -> (i64, bool) {
        self.held.read().map_or((0, false), |held| {
            let ended = held.keys.iter().any(|(_, _, ends_at)| *ends_at > 0 && *ends_at <= now_s);
            (held.told.version, ended)
        })
    }

    async fn look(&self, forget: bool) -> Answer<()> {
        let now_s = self.clock.now().as_second();
        let (known, ended) = self.held_version(now_s);
        if ended || forget {
            let tx = self.store().begin().await?;
            rows::forget(&tx, now_s).await?;
            if rows::remove_keys(&tx, now_s).await? > 0 {
                rows::next_version(&tx).await?;
            }
            tx.commit().await?;
        }
        if rows::version(self.store().read()).await? != known {
            self.refresh().await?;
        }
        Ok(())
    }

    /// Keeps up with what other replicas change, until the process stops.
    pub async fn keep_up(self: Arc<Self>, stopping: CancellationToken) {
        let (mut turn, mut silent) = (0_u32, false);
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = stopping.cancelled() => return,
            }
            turn = turn.wrapping_add(1);
            match self.look(turn % FORGET_EVERY == 0).await {
                Ok(()) => silent = false,
                Err(fault) if !silent => {
                    silent = true;
                    tracing::warn!(%fault, "how tokens stand can't be read");
                }
                Err(_) => {}
            }
        }
    }
}

/// Gives it, or only its version to who knows it.
pub async fn get(
    app: &Arc<App>,
    _: &Context,
    request: api::GetStandingRequest,
) -> Answer<api::GetStandingResponse> {
    let held = app.held.read().map_err(|_| Fault::internal(anyhow::anyhow!("the keys' lock is poisoned")))?;
    let version = held.told.version;
    Ok(if request.version == version {
        api::GetStandingResponse { version, ..Default::default() }
    } else {
        held.told.clone()
    })
}

/// The public keys.
pub async fn keys(app: &Arc<App>, _: &Context, _: api::GetKeysRequest) -> Answer<api::GetKeysResponse> {
    let held = app.held.read().map_err(|_| Fault::internal(anyhow::anyhow!("the keys' lock is poisoned")))?;
    Ok(api::GetKeysResponse { keys: held.told.keys.clone() })
}

/// Puts a new signing key in the place of the present one.
pub async fn rotate(
    app: &Arc<App>,
    context: &Context,
    tx: &Tx,
    _: api::RotateKeysRequest,
) -> Answer<api::RotateKeysResponse> {
    rows::next_version(tx).await?;
    let seed = ids::random::<32>()?;
    let key = Signer::from_seed(&seed).public().clone();
    let active_from = context.now.as_second() + rules::KEY_LEAD_S;
    let previous_until = active_from + app.tokens_live_s();
    rows::add_key(tx, &hex::encode(seed), active_from, previous_until).await?;
    let detail = json!({ "activeFrom": active_from, "previousUntil": previous_until });
    decisions::record(tx, context, Decision { kind: "key.rotated", subject: &key.kid, basis: "", detail })
        .await?;
    let at = |seconds| Timestamp::from_second(seconds).map(wire).map_err(Fault::internal);
    Ok(api::RotateKeysResponse {
        key: Some(key),
        active_time: Some(at(active_from)?),
        previous_until: Some(at(previous_until)?),
    })
}

/// Ends the tokens that a client has got so far.
pub async fn revoke(
    app: &Arc<App>,
    context: &Context,
    tx: &Tx,
    request: api::RevokeTokensRequest,
) -> Answer<api::Client> {
    // Another issuer's clients are not registered here; what they call by can be refused all the same.
    let client = if request.client_id.starts_with(access::PREFIX) {
        api::Client { client_id: request.client_id, ..Default::default() }
    } else {
        let known = rows::find(&**tx, &request.client_id).await?.filter(|client| client.roles != "service");
        known.ok_or_else(|| Fault::not_found("client", "客户端", &request.client_id))?.message()
    };
    clients::revoke_tokens(app, context, tx, &client.client_id).await?;
    let detail = json!({ "reason": request.reason });
    let decision = Decision { kind: "tokens.revoked", subject: &client.client_id, basis: "", detail };
    decisions::record(tx, context, decision).await?;
    Ok(client)
}
