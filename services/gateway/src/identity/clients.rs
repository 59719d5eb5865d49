//! The clients that may sign in.
use std::sync::Arc;

use chassis::{
    Answer, App as _, Context, Fault, Tx,
    access::KeySet,
    clock::micros,
    decisions::{self, Decision},
    fault::Violation,
    ids,
    page::Page,
};
use contract::{identity::v1 as api, r#type::v1::ErrorReason as Common};
use serde_json::json;

use super::{App, rows, rules, tokens};

/// Registers a client and shows its secret, this once: only its hash is kept. Who repeats the registration by its request id has lost the
/// answer, and gets a new secret in the place of the lost one, as long as nobody has signed in with that.
pub async fn create(
    app: &Arc<App>,
    context: &Context,
    request: api::CreateClientRequest,
) -> Answer<api::Client> {
    let wanted = request.client.unwrap_or_default();
    let mut faults = rules::id_faults(&wanted.client_id);
    faults.extend(rules::grant_faults(&wanted.scopes, &wanted.roles, &app.scopes, app.separate));
    faults.extend(key_faults(&wanted.keys));
    if !faults.is_empty() {
        return Err(Fault::fields(faults));
    }
    let granted = !(wanted.scopes.is_empty() && wanted.roles.is_empty() && wanted.keys.is_empty());
    if granted && context.caller.has_role(rules::SYSTEM) {
        return Err(Fault::denied(
            api::ErrorReason::GrantsAreAnothers.as_str_name(),
            "a system administrator registers clients without scopes, roles and keys; the security administrator grants them",
            "系统管理员登记客户端时不得授予权限、角色或公钥；应由安全管理员授权",
        ));
    }
    let keys = keys_text(&wanted.keys);
    let client_secret = if keys.is_empty() { ids::secret()? } else { String::new() };
    let client = rows::Client {
        client_id: wanted.client_id,
        display_name: wanted.display_name,
        department: wanted.department,
        scopes: wanted.scopes.join(" "),
        roles: wanted.roles.join(" "),
        default_purpose: wanted.default_purpose,
        secret_hash: app.hashed(&client_secret).await?,
        request_id: request.request_id,
        created_at: micros(context.now),
        keys,
        signed_in_at: 0,
        locked_at: 0,
    };
    let tx = app.store().begin().await?;
    if !rows::insert(&tx, &client).await? {
        let known = rows::find(&*tx, &client.client_id).await?;
        let again = known.filter(|known| !known.request_id.is_empty() && repeats(known, &client));
        let known = again.ok_or_else(|| {
            Fault::exists(
                Common::AlreadyExists.as_str_name(),
                format!(
                    "the client {} is registered already; choose another id or remove it first",
                    client.client_id
                ),
                format!("客户端{}已登记；请更换名称或先删除", client.client_id),
            )
            .at("clientId")
        })?;
        if known.signed_in_at > 0 || client_secret.is_empty() {
            return Ok(known.message());
        }
        rows::set_hash(&tx, &known.client_id, &client.secret_hash).await?;
        record(&tx, context, "client.secret_renewed", &known).await?;
        tx.commit().await?;
        return Ok(api::Client { client_secret, ..known.message() });
    }
    record(&tx, context, "client.registered", &client).await?;
    tx.commit().await?;
    Ok(api::Client { client_secret, ..client.message() })
}

/// Public keys as a row holds them.
pub fn keys_text(keys: &[api::PublicKey]) -> String {
    let keys: Vec<String> = keys.iter().map(|key| format!("{}={}", key.kid, key.x)).collect();
    keys.join(" ")
}

/// What is wrong with a client's keys: one is judged as one of a key set is.
pub fn key_faults(keys: &[api::PublicKey]) -> Vec<Violation> {
    let set: Vec<api::Key> = keys.iter().map(tokens::key).collect();
    let wrong = KeySet::of(&set).err().map(|error| {
        let mut fault = Violation::new(
            "keys",
            format!("can't be taken: {error:#}"),
            format!("公钥不符合要求：{error:#}"),
        );
        fault.reason = api::ErrorReason::PublicKeyInvalid.as_str_name();
        fault
    });
    wrong.into_iter().collect()
}

fn repeats(known: &rows::Client, wanted: &rows::Client) -> bool {
    known.request_id == wanted.request_id
        && known.scopes == wanted.scopes
        && known.roles == wanted.roles
        && known.department == wanted.department
        && known.keys == wanted.keys
}

async fn record(tx: &Tx, context: &Context, kind: &str, client: &rows::Client) -> Answer<()> {
    let detail = json!({ "department": client.department, "scopes": client.scopes, "roles": client.roles });
    decisions::record(tx, context, Decision { kind, subject: &client.client_id, basis: "", detail }).await
}

/// Lists the registered clients.
pub async fn list(
    app: &Arc<App>,
    _: &Context,
    request: api::ListClientsRequest,
) -> Answer<api::ListClientsResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let mut clients = rows::list(app.store(), &page.after, page.fetch()).await?;
    let next_page_token = page.cut(&mut clients, |client| client.client_id.clone());
    Ok(api::ListClientsResponse {
        clients: clients.iter().map(rows::Client::message).collect(),
        next_page_token,
    })
}

/// Gives one.
pub async fn get(app: &Arc<App>, _: &Context, request: api::GetClientRequest) -> Answer<api::Client> {
    let known = rows::find(app.store().read(), &request.client_id).await?;
    known
        .map(|client| client.message())
        .ok_or_else(|| Fault::not_found("client", "客户端", &request.client_id))
}

/// Removes one, and its tokens with it.
pub async fn delete(
    app: &Arc<App>,
    context: &Context,
    tx: &Tx,
    request: api::DeleteClientRequest,
) -> Answer<()> {
    if request.client_id == rules::ADMIN {
        return Err(Fault::precondition(
            api::ErrorReason::LastAdministrator.as_str_name(),
            "the office's own client can't be removed",
            "不能删除信用联办自用的客户端",
        ));
    }
    if rules::is_own_administration(context.caller.name(), &request.client_id) {
        return Err(own_administration());
    }
    let known = rows::find(&**tx, &request.client_id).await?;
    let client = known.ok_or_else(|| Fault::not_found("client", "客户端", &request.client_id))?;
    if !rows::delete(tx, &client.client_id).await? {
        return Err(Fault::not_found("client", "客户端", &client.client_id));
    }
    revoke_tokens(app, context, tx, &client.client_id).await?;
    record(tx, context, "client.removed", &client).await
}

/// Revokes a client's tokens of this second and before; the next ones carry a later one.
pub async fn revoke_tokens(app: &App, context: &Context, tx: &Tx, client: &str) -> Answer<()> {
    let now_s = context.now.as_second();
    rows::revoke(tx, client, now_s, now_s + app.tokens_live_s()).await
}

/// The refusal of whoever administers itself.
pub fn own_administration() -> Fault {
    Fault::denied(
        api::ErrorReason::OwnAdministration.as_str_name(),
        "nobody grants, locks or removes itself, nor the administrators that the suite made at its start; let another do it",
        "不得对自己或系统初始管理员进行授权、锁定或删除；请由他人操作",
    )
}
