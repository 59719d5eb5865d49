//! Identity: the suite's own token issuer, for where the city has none. OAuth 2 client credentials, EdDSA, a public key set.
mod access;
mod audit;
mod clients;
mod grants;
mod guards;
mod rows;
mod rules;
mod standing;
mod tokens;

use std::{
    collections::BTreeMap,
    sync::{Arc, RwLock},
};

pub use access::entries as access_table;
use chassis::{
    Answer, App as _, Fault, Store,
    access::{Denials, Verifier},
    call,
    clock::Clock,
    ids, mutate,
    serve::{Boot, MESSAGE_MAX, Role, stack},
    storage,
    validation::POOL,
};
use contract::identity::v1::{
    self as api,
    access_server::{Access, AccessServer},
    audit_server::{Audit, AuditServer},
    clients_server::{Clients, ClientsServer},
    tokens_server::{Tokens, TokensServer},
};
use futures::FutureExt as _;
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status, service::RoutesBuilder};

/// The identity service.
pub struct App {
    store: Store,
    clock: Clock,
    verifier: Arc<Verifier>,
    held: RwLock<standing::Held>,
    // Hashing takes memory and time on purpose; who asks for much of it at once waits for each other.
    hashing: Semaphore,
    table: Vec<api::AccessEntry>,
    issuer: String,
    audience: String,
    token_ttl_s: u32,
    // Scopes that exist, in order.
    scopes: Vec<String>,
    // Whether the office has left administration to the three.
    separate: bool,
    denials: Denials,
}

impl chassis::App for App {
    fn store(&self) -> &Store {
        &self.store
    }
}

const HASHING_AT_ONCE: usize = 2;

impl App {
    // For how long a token that is signed now may be met.
    fn tokens_live_s(&self) -> i64 {
        i64::from(self.token_ttl_s) + rules::LEEWAY_S
    }

    // The hash of a secret; no hash of none.
    async fn hashed(&self, secret: &str) -> Answer<String> {
        if secret.is_empty() {
            return Ok(String::new());
        }
        let (secret, salt) = (secret.to_owned(), ids::random()?);
        let hash = self.hashing(move || rules::hashed(&secret, &salt)).await?;
        hash.ok_or_else(|| Fault::internal(anyhow::anyhow!("a secret can't be hashed")))
    }

    async fn hashing<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Answer<T> {
        let _turn = self.hashing.acquire().await.map_err(Fault::internal)?;
        tokio::task::spawn_blocking(work).await.map_err(Fault::internal)
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
        storage::migrations(&[
            ("identity_0001_base", include_str!("../../migrations/0001_identity.sql")),
            ("identity_0002_protection", include_str!("../../migrations/0002_protection.sql")),
            ("identity_0003_administrators", include_str!("../../migrations/0003_administrators.sql")),
        ])
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
        call(&self.0, r, standing::keys).await
    }

    async fn get_standing(
        &self,
        r: Request<api::GetStandingRequest>,
    ) -> Result<Response<api::GetStandingResponse>, Status> {
        call(&self.0, r, standing::get).await
    }

    async fn rotate_keys(
        &self,
        r: Request<api::RotateKeysRequest>,
    ) -> Result<Response<api::RotateKeysResponse>, Status> {
        let answered = mutate(&self.0, r, standing::rotate).await;
        self.0.told(answered).await
    }
}

#[tonic::async_trait]
impl Access for Calls {
    async fn get_access_table(
        &self,
        r: Request<api::GetAccessTableRequest>,
    ) -> Result<Response<api::GetAccessTableResponse>, Status> {
        call(&self.0, r, access::table).await
    }
}

#[tonic::async_trait]
impl Audit for Calls {
    async fn list_denials(
        &self,
        r: Request<api::ListDenialsRequest>,
    ) -> Result<Response<api::ListDenialsResponse>, Status> {
        call(&self.0, r, audit::denials).await
    }

    async fn list_changes(
        &self,
        r: Request<api::ListChangesRequest>,
    ) -> Result<Response<api::ListChangesResponse>, Status> {
        call(&self.0, r, audit::changes).await
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
        let answered = mutate(&self.0, r, clients::delete).await;
        self.0.told(answered).await
    }

    async fn set_grants(&self, r: Request<api::SetGrantsRequest>) -> Result<Response<api::Client>, Status> {
        let answered = mutate(&self.0, r, grants::set).await;
        self.0.told(answered).await
    }

    async fn set_keys(&self, r: Request<api::SetKeysRequest>) -> Result<Response<api::Client>, Status> {
        let answered = mutate(&self.0, r, grants::set_keys).await;
        self.0.told(answered).await
    }

    // Nor this.
    async fn renew_secret(
        &self,
        r: Request<api::RenewSecretRequest>,
    ) -> Result<Response<api::Client>, Status> {
        call(&self.0, r, grants::renew_secret).await
    }

    async fn lock_client(&self, r: Request<api::LockClientRequest>) -> Result<Response<api::Client>, Status> {
        let answered = mutate(&self.0, r, grants::lock).await;
        self.0.told(answered).await
    }

    async fn unlock_client(
        &self,
        r: Request<api::UnlockClientRequest>,
    ) -> Result<Response<api::Client>, Status> {
        mutate(&self.0, r, grants::unlock).await
    }

    async fn revoke_tokens(
        &self,
        r: Request<api::RevokeTokensRequest>,
    ) -> Result<Response<api::Client>, Status> {
        let answered = mutate(&self.0, r, standing::revoke).await;
        self.0.told(answered).await
    }
}

impl App {
    // What a call has changed of how tokens stand is in force here when it is answered. It is committed; where it can't be read at
    // once, the next look does.
    async fn told<T>(&self, answered: Result<T, Status>) -> Result<T, Status> {
        if answered.is_ok()
            && let Err(fault) = self.refresh().await
        {
            tracing::warn!(%fault, "a change of how tokens stand waits for the next look");
        }
        answered
    }
}

/// Opens the service. `secrets` are those of the suite's own services, by client id.
pub async fn open(boot: &Boot, secrets: BTreeMap<String, String>) -> anyhow::Result<Opened> {
    let store = boot.store::<Migrator>("gateway").await?;
    let fresh = ids::secret().map_err(told)?;
    rows::first_key(&store, &fresh).await.map_err(told)?;
    let mut scopes: Vec<String> = boot.rules.scopes().into_iter().map(str::to_owned).collect();
    // Asked for by a rule of a row, not by a method.
    scopes.extend(["credit.decide", "sampling.audit"].map(str::to_owned));
    scopes.sort_unstable();
    scopes.dedup();
    boot.denials.keep();
    let app = Arc::new(App {
        store: store.clone(),
        clock: boot.clock.clone(),
        verifier: boot.verifier.clone(),
        held: RwLock::default(),
        hashing: Semaphore::new(HASHING_AT_ONCE),
        table: access::entries(&POOL)?,
        issuer: boot.settings.issuer.clone(),
        audience: boot.settings.audience.clone(),
        token_ttl_s: boot.settings.token_ttl_s,
        scopes,
        separate: boot.settings.separate_administrators,
        denials: boot.denials.clone(),
    });
    hash_what_was_derived(&app).await.map_err(told)?;
    let now = app.clock.now();
    for (client, secret) in &secrets {
        let hash = app.hashed(secret).await.map_err(told)?;
        rows::put_service(&store, client, &hash, rules::service_scopes(client), now).await.map_err(told)?;
    }
    app.refresh().await.map_err(told)?;
    let mut routes = RoutesBuilder::default();
    routes.add_service(TokensServer::new(Calls(app.clone())).max_decoding_message_size(MESSAGE_MAX));
    routes.add_service(ClientsServer::new(Calls(app.clone())).max_decoding_message_size(MESSAGE_MAX));
    routes.add_service(AuditServer::new(Calls(app.clone())).max_decoding_message_size(MESSAGE_MAX));
    routes.add_service(AccessServer::new(Calls(app.clone())).max_decoding_message_size(MESSAGE_MAX));
    let background = vec![
        app.clone().keep_up(boot.stopping.clone()).boxed(),
        app.clone().keep_denials(boot.stopping.clone()).boxed(),
    ];
    let role = Role { name: "gateway", router: stack(boot, routes), background, store };
    Ok(Opened { app, role })
}

// The first version derived secrets from the first key's seed: they stay good, by their hashes.
async fn hash_what_was_derived(app: &App) -> Answer<()> {
    let clients = rows::unhashed(app.store().read()).await?;
    let seed = rows::signing_keys(app.store().read()).await?.into_iter().next().map(|key| key.seed);
    for client in clients {
        // A service's comes from the operator's file.
        let hash = match &seed {
            Some(seed) if client.roles != "service" => {
                app.hashed(&rules::derived_secret(seed, &client.client_id, &client.secret_hash)).await?
            }
            _ => String::new(),
        };
        let tx = app.store().begin().await?;
        rows::set_hash(&tx, &client.client_id, &hash).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// A client that the suite makes at its start, for whoever keeps its secret.
pub struct Own {
    /// Its id.
    pub id: &'static str,
    name: &'static str,
    role: &'static str,
}

/// Those clients: the credit office's, and where they are separate the three administrators'.
pub fn own_clients(separate: bool) -> Vec<Own> {
    let office = [(rules::ADMIN, "信用联办", "office")];
    let administrators = rules::ADMINISTRATORS.into_iter().filter(|_| separate);
    office.into_iter().chain(administrators).map(|(id, name, role)| Own { id, name, role }).collect()
}

/// Makes one of them where it is missing, or gives the office's a new secret where the old one was not `kept`. An administrator keeps its own
/// wherever it has gone: whoever can start the suite is not to become all three by that. Returns a secret that must be written down.
pub async fn ensure_own(app: &Arc<App>, own: &Own, kept: bool) -> anyhow::Result<Option<String>> {
    let known = rows::find(app.store().read(), own.id).await.map_err(told)?.is_some();
    if known && (kept || own.id != rules::ADMIN) {
        return Ok(None);
    }
    let secret = ids::secret().map_err(told)?;
    set_own(app, own, &secret).await?;
    Ok(Some(secret))
}

/// Gives one of them a secret that the operator keeps.
pub async fn set_own(app: &Arc<App>, own: &Own, secret: &str) -> anyhow::Result<()> {
    anyhow::ensure!(secret.len() >= 32, "the secret of {} has fewer than 32 characters", own.id);
    let hash = app.hashed(secret).await.map_err(told)?;
    let scopes: Vec<&str> = if own.id == rules::ADMIN {
        let all = app.scopes.iter().map(String::as_str);
        all.filter(|scope| !app.separate || *scope != rules::ADMINISTRATION).collect()
    } else {
        rules::administrator_scopes(own.role).to_vec()
    };
    let now = app.clock.now();
    rows::put_own(app.store(), own.id, (own.name, own.role), &hash, &scopes, now).await.map_err(told)
}

/// Where administration is the three's: takes it from whoever else has it, with the tokens got so far. Returns whose it was. Where it is
/// not, or no more, the office has it.
pub async fn separate(app: &Arc<App>) -> anyhow::Result<Vec<String>> {
    let mut changed = Vec::new();
    let tx = app.store().begin().await.map_err(told)?;
    if !app.separate {
        let office = rows::find(&*tx, rules::ADMIN).await.map_err(told)?;
        if let Some(office) =
            office.filter(|office| !office.scopes.split(' ').any(|held| held == rules::ADMINISTRATION))
        {
            let scopes = format!("{} {}", office.scopes, rules::ADMINISTRATION);
            rows::update(&tx, &rows::Client { scopes, ..office }).await.map_err(told)?;
            tx.commit().await.map_err(told)?;
        }
        return Ok(changed);
    }
    for client in rows::with_scope(&*tx, rules::ADMINISTRATION).await.map_err(told)? {
        if rules::keeps_apart(client.scopes.split(' '), client.roles.split(' '), true) {
            continue;
        }
        let left: Vec<&str> =
            client.scopes.split(' ').filter(|scope| *scope != rules::ADMINISTRATION).collect();
        let after = rows::Client { scopes: left.join(" "), ..client };
        rows::update(&tx, &after).await.map_err(told)?;
        let now_s = app.clock.now().as_second();
        rows::revoke(&tx, &after.client_id, now_s, now_s + app.tokens_live_s()).await.map_err(told)?;
        changed.push(after.client_id);
    }
    tx.commit().await.map_err(told)?;
    app.refresh().await.map_err(told)?;
    Ok(changed)
}

fn told(fault: chassis::Fault) -> anyhow::Error {
    anyhow::anyhow!("{fault}")
}
