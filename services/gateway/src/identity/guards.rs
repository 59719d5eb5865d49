//! What guessing costs: wrong secrets are counted by client and by address, in the database, so that all replicas count together.
use chassis::{Answer, App as _, Context, Fault};
use contract::identity::v1 as api;

use super::{App, rows, rules};

/// Who asks for a token, as far as it matters here.
pub struct Guard {
    client: String,
    address: String,
    // Of the client: what is known of it, where anything is.
    known: Option<rows::SignIns>,
    // A service of the suite within this process has no address, and is not counted.
    counted: bool,
}

impl Guard {
    /// Refuses where too many secrets were wrong: from the address, or for the client unless it calls from where it last signed in.
    pub async fn pass(app: &App, context: &Context, client: &str) -> Answer<Self> {
        let address = context.peer.map(|peer| peer.to_string()).unwrap_or_default();
        let counted = context.peer.is_some();
        let mut guard = Self {
            client: format!("client:{client}"),
            address: format!("address:{address}"),
            known: None,
            counted,
        };
        if !counted {
            return Ok(guard);
        }
        let now_s = context.now.as_second();
        for known in rows::sign_ins(app.store().read(), &guard.client, &guard.address).await? {
            let of_client = known.who == guard.client;
            let at_home = of_client && known.good_address == address;
            let wait_s = known.blocked_until - now_s;
            if wait_s > 0 && !at_home {
                // At most what a block can last, whatever the drill's day was when it began.
                return Err(blocked(wait_s.min(rules::FORGOTTEN_AFTER_S)));
            }
            if of_client {
                guard.known = Some(known);
            }
        }
        Ok(guard)
    }

    /// Counts a wrong secret.
    pub async fn failed(&self, app: &App, context: &Context) -> Answer<()> {
        if !self.counted {
            return Ok(());
        }
        let now_s = context.now.as_second();
        let tx = app.store().begin().await?;
        for (who, free) in [(&self.client, rules::CLIENT_FAILURES), (&self.address, rules::ADDRESS_FAILURES)]
        {
            let failures = rows::count_failure(&tx, who, now_s, now_s - rules::FORGOTTEN_AFTER_S).await?;
            let block_s = rules::blocked_for_s(failures, free);
            if block_s > 0 {
                rows::block(&tx, who, now_s + block_s).await?;
                tracing::warn!(%who, failures, block_s, "sign-ins are refused after wrong secrets");
            }
        }
        tx.commit().await
    }

    /// Forgets the client's failures, and remembers from where it came.
    pub async fn succeeded(&self, app: &App, context: &Context) -> Answer<()> {
        let address = self.address.trim_start_matches("address:");
        let known =
            self.known.as_ref().is_some_and(|known| known.failures == 0 && known.good_address == address);
        if !self.counted || known {
            return Ok(());
        }
        let tx = app.store().begin().await?;
        rows::signed_in(&tx, &self.client, address, context.now.as_second()).await?;
        tx.commit().await
    }
}

fn blocked(wait_s: i64) -> Fault {
    Fault::exhausted(
        api::ErrorReason::SignInBlocked.as_str_name(),
        format!("too many wrong secrets; try again in {wait_s} seconds"),
        format!("错误尝试过多；请在{wait_s}秒后重试"),
    )
    .retry_after_s(wait_s)
}
