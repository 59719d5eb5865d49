//! Identity: the suite's own token issuer, for where the city has none. OAuth 2 client credentials, EdDSA, a public key set.
mod clients;
mod rows;
mod rules;
mod tokens;

use std::{collections::BTreeMap, sync::Arc};

use chassis::{
    App as _, Store, call,
    clock::Clock,
    ids, mutate,
    serve::{Boot, MESSAGE_MAX, Role, stack},
    signer::Signer,
    storage,
};
use contract::identity::v1::{
    self as api,
    clients_server::{Clients, ClientsServer},
    tokens_server::{Tokens, TokensServer},
};
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use tonic::{Request, Response, Status, service::RoutesBuilder};

/// The identity service.
pub struct App {
    store: Store,
    clock: Clock,
    signer: Signer,
    seed: String,
    issuer: String,
    audience: String,
    token_ttl_s: u32,
    // Scopes that exist, in order.
    scopes: Vec<String>,
}

impl chassis::App for App {
    fn store(&self) -> &Store {
        &self.store
    }
}

/// The service opened: the role to serve, and the app for what the start of the suite asks of it.
pub struct Opened {
    /// The app.
    pub app: Arc<App>,
    /// The role.
    pub role: Role,
}

/// The tables.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        storage::migrations(&[("identity_0001_base", include_str!("../../migrations/0001_identity.sql"))])
    }
}

#[derive(Clone)]
struct Calls(Arc<App>);

#[tonic::async_trait]
impl Tokens for Calls {
    async fn issue_token(
        &self,
        r: Request<api::IssueTokenRequest>,
    ) -> Result<Response<api::IssueTokenResponse>, Status> {
        call(&self.0, r, tokens::issue).await
    }

    async fn get_keys(
        &self,
        r: Request<api::GetKeysRequest>,
    ) -> Result<Response<api::GetKeysResponse>, Status> {
        call(&self.0, r, tokens::keys).await
    }
}

#[tonic::async_trait]
impl Clients for Calls {
    // Not by `mutate`, which would keep the answer and with it the secret.
    async fn create_client(
        &self,
        r: Request<api::CreateClientRequest>,
    ) -> Result<Response<api::Client>, Status> {
        call(&self.0, r, clients::create).await
    }

    async fn list_clients(
        &self,
        r: Request<api::ListClientsRequest>,
    ) -> Result<Response<api::ListClientsResponse>, Status> {
        call(&self.0, r, clients::list).await
    }

    async fn get_client(&self, r: Request<api::GetClientRequest>) -> Result<Response<api::Client>, Status> {
        call(&self.0, r, clients::get).await
    }

    async fn delete_client(&self, r: Request<api::DeleteClientRequest>) -> Result<Response<()>, Status> {
        mutate(&self.0, r, clients::delete).await
    }
}

/// Opens the service. `secrets` are those of the suite's own services, by client id.
pub async fn open(boot: &Boot, secrets: BTreeMap<String, String>) -> anyhow::Result<Opened> {
    let store = boot.store::<Migrator>("gateway").await?;
    let fresh = ids::secret().map_err(told)?;
    let seed = rows::seed(&store, &fresh).await.map_err(told)?;
    let bytes: [u8; 32] =
        hex::decode(&seed)?.try_into().map_err(|_| anyhow::anyhow!("the stored seed is not 32 bytes"))?;
    let signer = Signer::from_seed(&bytes);
    boot.verifier.trust(signer.public())?;
    let mut scopes: Vec<String> = boot.rules.scopes().into_iter().map(str::to_owned).collect();
    // Asked for by a rule of a row, not by a method.
    scopes.extend(["credit.decide", "sampling.audit"].map(str::to_owned));
    scopes.sort_unstable();
    scopes.dedup();
    let app = Arc::new(App {
        store: store.clone(),
        clock: boot.clock.clone(),
        signer,
        seed,
        issuer: boot.settings.issuer.clone(),
        audience: boot.settings.audience.clone(),
        token_ttl_s: boot.settings.token_ttl_s,
        scopes,
    });
    let now = app.clock.now();
    for (client, secret) in &secrets {
        rows::put_service(&store, client, secret, rules::service_scopes(client), now).await.map_err(told)?;
    }
    let mut routes = RoutesBuilder::default();
    routes.add_service(TokensServer::new(Calls(app.clone())).max_decoding_message_size(MESSAGE_MAX));
    routes.add_service(ClientsServer::new(Calls(app.clone())).max_decoding_message_size(MESSAGE_MAX));
    let role = Role { name: "gateway", router: stack(boot, routes), background: Vec::new(), store };
    Ok(Opened { app, role })
}

/// Makes the credit office's own client where it is missing, or gives it a new secret where the old one was not `kept`.
/// Returns a secret that must be written down.
pub async fn ensure_admin(app: &Arc<App>, kept: bool) -> anyhow::Result<Option<String>> {
    let known = rows::find(app.store().read(), rules::ADMIN).await.map_err(told)?.is_some();
    if known && kept {
        return Ok(None);
    }
    let nonce = ids::secret().map_err(told)?;
    let secret = rules::secret(&app.seed, rules::ADMIN, &nonce);
    rows::put_admin(app.store(), &nonce, &app.scopes, app.clock.now()).await.map_err(told)?;
    Ok(Some(secret))
}

/// Gives the credit office's own client a secret that the operator keeps.
pub async fn set_admin(app: &Arc<App>, secret: &str) -> anyhow::Result<()> {
    anyhow::ensure!(secret.len() >= 32, "the office's secret has fewer than 32 characters");
    rows::put_given_admin(app.store(), secret, &app.scopes, app.clock.now()).await.map_err(told)
}

fn told(fault: chassis::Fault) -> anyhow::Error {
    anyhow::anyhow!("{fault}")
}
