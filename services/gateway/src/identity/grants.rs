//! What the security administrator does: grants, keys and locks.
use std::sync::Arc;

use chassis::{
    Answer, App as _, Context, Fault, Tx,
    clock::micros,
    decisions::{self, Decision},
    ids,
};
use contract::identity::v1 as api;
use serde_json::{Value, json};

use super::{App, clients, rows, rules};

/// Puts scopes and roles in the place of those that a client has.
pub async fn set(
    app: &Arc<App>,
    context: &Context,
    tx: &Tx,
    request: api::SetGrantsRequest,
) -> Answer<api::Client> {
    let faults = rules::grant_faults(&request.scopes, &request.roles, &app.scopes, app.separate);
    if !faults.is_empty() {
        return Err(Fault::fields(faults));
    }
    let before = another(context, tx, &request.client_id).await?;
    let after =
        rows::Client { scopes: request.scopes.join(" "), roles: request.roles.join(" "), ..before.clone() };
    rows::update(tx, &after).await?;
    if rules::takes_away(&before.scopes, &after.scopes) || rules::takes_away(&before.roles, &after.roles) {
        clients::revoke_tokens(app, context, tx, &after.client_id).await?;
    }
    let detail = json!({
        "scopes": after.scopes, "roles": after.roles, "formerScopes": before.scopes, "formerRoles": before.roles,
        "reason": request.reason,
    });
    recorded(tx, context, "client.granted", &after, detail).await
}

/// Puts keys in the place of what a client signed in by.
pub async fn set_keys(
    app: &Arc<App>,
    context: &Context,
    tx: &Tx,
    request: api::SetKeysRequest,
) -> Answer<api::Client> {
    let faults = clients::key_faults(&request.keys);
    if !faults.is_empty() {
        return Err(Fault::fields(faults));
    }
    let before = another(context, tx, &request.client_id).await?;
    let after =
        rows::Client { keys: clients::keys_text(&request.keys), secret_hash: String::new(), ..before };
    rows::update(tx, &after).await?;
    clients::revoke_tokens(app, context, tx, &after.client_id).await?;
    let kids: Vec<&str> = request.keys.iter().map(|key| key.kid.as_str()).collect();
    let detail = json!({ "keys": kids, "reason": request.reason });
    recorded(tx, context, "client.keys_set", &after, detail).await
}

/// Puts a new secret in the place of what a client signed in by, and shows it this once.
pub async fn renew_secret(
    app: &Arc<App>,
    context: &Context,
    request: api::RenewSecretRequest,
) -> Answer<api::Client> {
    let client_secret = ids::secret()?;
    let secret_hash = app.hashed(&client_secret).await?;
    let tx = app.store().begin().await?;
    let before = another(context, &tx, &request.client_id).await?;
    let after = rows::Client { secret_hash, keys: String::new(), ..before };
    rows::update(&tx, &after).await?;
    let detail = json!({ "reason": request.reason });
    let client = recorded(&tx, context, "client.secret_renewed", &after, detail).await?;
    tx.commit().await?;
    Ok(api::Client { client_secret, ..client })
}

/// Locks a client, and ends its tokens.
pub async fn lock(
    app: &Arc<App>,
    context: &Context,
    tx: &Tx,
    request: api::LockClientRequest,
) -> Answer<api::Client> {
    let before = another(context, tx, &request.client_id).await?;
    let locked_at = if before.locked_at > 0 { before.locked_at } else { micros(context.now) };
    let after = rows::Client { locked_at, ..before };
    rows::update(tx, &after).await?;
    clients::revoke_tokens(app, context, tx, &after.client_id).await?;
    recorded(tx, context, "client.locked", &after, json!({ "reason": request.reason })).await
}

/// Unlocks a client.
pub async fn unlock(
    _: &Arc<App>,
    context: &Context,
    tx: &Tx,
    request: api::UnlockClientRequest,
) -> Answer<api::Client> {
    let after = rows::Client { locked_at: 0, ..another(context, tx, &request.client_id).await? };
    rows::update(tx, &after).await?;
    recorded(tx, context, "client.unlocked", &after, json!({ "reason": request.reason })).await
}

// A registered client that is somebody else.
async fn another(context: &Context, tx: &Tx, id: &str) -> Answer<rows::Client> {
    if rules::is_own_administration(context.caller.name(), id) {
        return Err(clients::own_administration());
    }
    let known = rows::find(&**tx, id).await?.filter(|client| client.roles != "service");
    known.ok_or_else(|| Fault::not_found("client", "客户端", id))
}

async fn recorded(
    tx: &Tx,
    context: &Context,
    kind: &str,
    client: &rows::Client,
    detail: Value,
) -> Answer<api::Client> {
    let decision = Decision { kind, subject: &client.client_id, basis: "", detail };
    decisions::record(tx, context, decision).await?;
    Ok(client.message())
}
