//! The clients that may sign in.
use std::sync::Arc;

use chassis::{
    Answer, App as _, Context, Fault, Tx,
    clock::micros,
    decisions::{self, Decision},
    ids,
    page::Page,
};
use contract::{identity::v1 as api, r#type::v1::ErrorReason as Common};
use serde_json::json;

use super::{App, rows, rules};

/// Registers a client and shows its secret, this once. The repetition of a registration by its request id shows it again.
pub async fn create(
    app: &Arc<App>,
    context: &Context,
    request: api::CreateClientRequest,
) -> Answer<api::Client> {
    let wanted = request.client.unwrap_or_default();
    let faults = rules::faults(&wanted.client_id, &wanted.scopes, &wanted.roles, &app.scopes);
    if !faults.is_empty() {
        return Err(Fault::fields(faults));
    }
    let client = rows::Client {
        client_id: wanted.client_id,
        display_name: wanted.display_name,
        department: wanted.department,
        scopes: wanted.scopes.join(" "),
        roles: wanted.roles.join(" "),
        default_purpose: wanted.default_purpose,
        nonce: ids::secret()?,
        request_id: request.request_id,
        created_at: micros(context.now),
    };
    let tx = app.store().begin().await?;
    if !rows::insert(&tx, &client).await? {
        let known = rows::find(&*tx, &client.client_id).await?;
        let again = known.filter(|known| !known.request_id.is_empty() && repeats(known, &client));
        return again.map(|known| with_secret(app, &known)).ok_or_else(|| {
            Fault::exists(
                Common::AlreadyExists.as_str_name(),
                format!(
                    "the client {} is registered already; choose another id or remove it first",
                    client.client_id
                ),
                format!("客户端{}已登记；请更换名称或先删除", client.client_id),
            )
            .at("clientId")
        });
    }
    record(&tx, context, "client.registered", &client).await?;
    tx.commit().await?;
    Ok(with_secret(app, &client))
}

fn repeats(known: &rows::Client, wanted: &rows::Client) -> bool {
    known.request_id == wanted.request_id
        && known.scopes == wanted.scopes
        && known.roles == wanted.roles
        && known.department == wanted.department
}

fn with_secret(app: &App, client: &rows::Client) -> api::Client {
    let client_secret = rules::secret(&app.seed, &client.client_id, &client.nonce);
    api::Client { client_secret, ..client.message() }
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

/// Removes one; its tokens hold until they end.
pub async fn delete(
    app: &Arc<App>,
    context: &Context,
    tx: &Tx,
    request: api::DeleteClientRequest,
) -> Answer<()> {
    let _ = app;
    if request.client_id == rules::ADMIN {
        return Err(Fault::precondition(
            api::ErrorReason::LastAdministrator.as_str_name(),
            "the office's own client can't be removed",
            "不能删除信用联办自用的客户端",
        ));
    }
    let known = rows::find(&**tx, &request.client_id).await?;
    let client = known.ok_or_else(|| Fault::not_found("client", "客户端", &request.client_id))?;
    if !rows::delete(tx, &client.client_id).await? {
        return Err(Fault::not_found("client", "客户端", &client.client_id));
    }
    record(tx, context, "client.removed", &client).await
}
