//! `clients`: who may sign in at a running gateway, through its own calls and under the credentials of whoever administers it.
use std::{path::PathBuf, time::Duration};

use anyhow::Context as _;
use chassis::{settings::Settings, tls::Dialer, upstream::Upstream};
use clap::{Args, Subcommand};
use contract::identity::v1::{self as api, clients_client::ClientsClient, tokens_client::TokensClient};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tonic::{
    Code, Request, Status,
    metadata::{Ascii, MetadataValue},
};

// Hashing a secret waits its turn.
const PATIENCE: Duration = Duration::from_secs(15);
const PAGE: i32 = 1000;

/// Which gateway, and as whom.
#[derive(Args, Serialize)]
pub struct Door {
    /// A settings file in TOML (environment: XINHENG_CONFIG)
    #[arg(long, global = true, env = "XINHENG_CONFIG")]
    #[serde(skip)]
    config: Option<PathBuf>,
    /// Where all state lives [default: ./data]
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    data_dir: Option<PathBuf>,
    /// The gateway's address [default: the port of the setting listen, on this machine]
    #[arg(long, global = true)]
    #[serde(skip)]
    gateway: Option<String>,
    /// A JSON file of who administers, with clientId and clientSecret [default: admin.json in the data folder]
    #[arg(long, global = true)]
    #[serde(skip)]
    credentials: Option<PathBuf>,
    /// The authorities of the gateway's certificate, PEM, for an https:// address
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_ca: Option<PathBuf>,
}

/// What to do.
#[derive(Subcommand)]
pub enum Action {
    /// Lists the clients
    List,
    /// Shows one client
    Show { client: String },
    /// Registers a client; prints its id and its secret, this once, as a credentials file holds them
    Register {
        client: String,
        /// Its name for people
        #[arg(long, default_value = "")]
        name: String,
        /// The department that it acts for
        #[arg(long, default_value = "")]
        department: String,
        /// What is logged as the purpose of a read that states none
        #[arg(long, default_value = "")]
        default_purpose: String,
        #[command(flatten)]
        grants: Grants,
        /// A public key, Ed25519, as KID=X: it gets no secret then
        #[arg(long = "key")]
        keys: Vec<String>,
    },
    /// Puts scopes and roles in the place of those that a client has
    Grant {
        client: String,
        #[command(flatten)]
        grants: Grants,
        #[command(flatten)]
        why: Why,
    },
    /// Gives a client a new secret in the place of its secret or keys, and prints it, this once
    RenewSecret {
        client: String,
        #[command(flatten)]
        why: Why,
    },
    /// Puts public keys in the place of a client's secret or keys
    SetKeys {
        client: String,
        /// A public key, Ed25519, as KID=X
        #[arg(long = "key", required = true)]
        keys: Vec<String>,
        #[command(flatten)]
        why: Why,
    },
    /// Locks a client: it can't sign in, and its tokens end within a second
    Lock {
        client: String,
        #[command(flatten)]
        why: Why,
    },
    /// Lets a locked client sign in again
    Unlock {
        client: String,
        #[command(flatten)]
        why: Why,
    },
    /// Ends the tokens that a client has got so far
    Revoke {
        client: String,
        #[command(flatten)]
        why: Why,
    },
    /// Removes a client, and ends its tokens
    Remove { client: String },
}

/// What a client may do.
#[derive(Args)]
pub struct Grants {
    /// Scopes, with commas, for example credit.read,credit.write
    #[arg(long, value_delimiter = ',')]
    scopes: Vec<String>,
    /// Roles, with commas
    #[arg(long, value_delimiter = ',')]
    roles: Vec<String>,
}

/// Why it is done.
#[derive(Args)]
pub struct Why {
    /// Why; kept with the decision
    #[arg(long, default_value = "")]
    reason: String,
}

/// Nobody answers, or can just now: who tries again later may succeed.
#[derive(Debug)]
pub struct Away(String);

impl std::fmt::Display for Away {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Away {}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Credentials {
    client_id: String,
    client_secret: String,
}

/// Signs in and does it.
pub async fn run(door: &Door, action: Action) -> anyhow::Result<()> {
    let settings = Settings::load(door.config.clone(), door)?;
    let url = door.gateway.clone().unwrap_or_else(|| own_port(&settings));
    let file = door.credentials.clone().unwrap_or_else(|| settings.data_dir.join("admin.json"));
    let text = std::fs::read(&file).with_context(|| {
        format!("{} can't be read; name the file of who administers by --credentials", file.display())
    })?;
    // The parser's own words could show what it read.
    let credentials: Credentials = serde_json::from_slice(&text).map_err(|_| {
        anyhow::anyhow!("{} is no JSON object with clientId and clientSecret", file.display())
    })?;
    let upstream = Upstream::at(&url, Dialer::of(&settings)?.as_ref()).with_context(|| url.clone())?;
    let work = async {
        let token = sign_in(&upstream, credentials).await?;
        Administrator { clients: ClientsClient::new(upstream.clone()), token }.does(action).await
    };
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(status)) => Err(told(&status, &url)),
        Err(_) => Err(Away(format!("{url} has not answered within {} s", PATIENCE.as_secs())).into()),
    }
}

fn own_port(settings: &Settings) -> String {
    let scheme = if settings.tls_certificate.as_os_str().is_empty() { "http" } else { "https" };
    let listen = settings.listen;
    if listen.ip().is_unspecified() {
        format!("{scheme}://localhost:{}", listen.port())
    } else {
        format!("{scheme}://{listen}")
    }
}

fn told(status: &Status, url: &str) -> anyhow::Error {
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted => {
            Away(format!("{url} does not answer, or can't just now: {}", status.message())).into()
        }
        // Our own refusals have details; what does not speak gRPC has none.
        Code::Unknown | Code::Unimplemented | Code::Internal if status.details().is_empty() => {
            anyhow::anyhow!("{url} does not answer as this release's gateway does: {}", status.message())
        }
        _ => anyhow::anyhow!("{}", status.message()),
    }
}

async fn sign_in(upstream: &Upstream, who: Credentials) -> Result<MetadataValue<Ascii>, Status> {
    let request = api::IssueTokenRequest {
        grant_type: String::from("client_credentials"),
        client_id: who.client_id,
        client_secret: who.client_secret,
        ..Default::default()
    };
    let issued = TokensClient::new(upstream.clone()).issue_token(request).await?.into_inner();
    let token = format!("Bearer {}", issued.access_token);
    let mut token: MetadataValue<Ascii> =
        token.parse().map_err(|_| Status::internal("the token can't stand in a header"))?;
    token.set_sensitive(true);
    Ok(token)
}

struct Administrator {
    clients: ClientsClient<Upstream>,
    token: MetadataValue<Ascii>,
}

impl Administrator {
    fn ask<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.token.clone());
        request
    }

    async fn does(mut self, action: Action) -> Result<(), Status> {
        match action {
            Action::List => return self.list().await,
            Action::Show { client: client_id } => {
                let request = self.ask(api::GetClientRequest { client_id });
                show(&self.clients.get_client(request).await?.into_inner());
            }
            Action::Register { client: client_id, name, department, default_purpose, grants, keys } => {
                let client = api::Client {
                    client_id,
                    display_name: name,
                    department,
                    default_purpose,
                    scopes: grants.scopes,
                    roles: grants.roles,
                    keys: public_keys(&keys)?,
                    ..Default::default()
                };
                let request = api::CreateClientRequest { client: Some(client), ..Default::default() };
                let request = self.ask(request);
                let client = self.clients.create_client(request).await?.into_inner();
                if client.client_secret.is_empty() { show(&client) } else { show_secret(&client) }
            }
            Action::RenewSecret { client: client_id, why } => {
                let request = api::RenewSecretRequest { client_id, reason: why.reason, ..Default::default() };
                let request = self.ask(request);
                show_secret(&self.clients.renew_secret(request).await?.into_inner());
            }
            Action::Grant { client: client_id, grants, why } => {
                let request = self.ask(api::SetGrantsRequest {
                    client_id,
                    scopes: grants.scopes,
                    roles: grants.roles,
                    reason: why.reason,
                    ..Default::default()
                });
                show(&self.clients.set_grants(request).await?.into_inner());
            }
            Action::SetKeys { client: client_id, keys, why } => {
                let keys = public_keys(&keys)?;
                let request =
                    api::SetKeysRequest { client_id, keys, reason: why.reason, ..Default::default() };
                let request = self.ask(request);
                show(&self.clients.set_keys(request).await?.into_inner());
            }
            Action::Lock { client: client_id, why } => {
                let request = api::LockClientRequest { client_id, reason: why.reason, ..Default::default() };
                let request = self.ask(request);
                show(&self.clients.lock_client(request).await?.into_inner());
            }
            Action::Unlock { client: client_id, why } => {
                let request =
                    api::UnlockClientRequest { client_id, reason: why.reason, ..Default::default() };
                let request = self.ask(request);
                show(&self.clients.unlock_client(request).await?.into_inner());
            }
            Action::Revoke { client: client_id, why } => {
                let request =
                    api::RevokeTokensRequest { client_id, reason: why.reason, ..Default::default() };
                let request = self.ask(request);
                self.clients.revoke_tokens(request).await?;
                println!("its tokens are refused from now on");
            }
            Action::Remove { client: client_id } => {
                let request = self.ask(api::DeleteClientRequest { client_id, ..Default::default() });
                self.clients.delete_client(request).await?;
                println!("removed, and its tokens are refused from now on");
            }
        }
        Ok(())
    }

    async fn list(&mut self) -> Result<(), Status> {
        let mut page_token = String::new();
        loop {
            let first = page_token.is_empty();
            let request = self.ask(api::ListClientsRequest { page_size: PAGE, page_token });
            let page = self.clients.list_clients(request).await?.into_inner();
            if first {
                println!(
                    "{:<24} {:<20} {:<6} {:<20} roles; scopes",
                    "client", "department", "", "registered"
                );
            }
            for client in &page.clients {
                println!(
                    "{:<24} {:<20} {:<6} {:<20} {}; {}",
                    client.client_id,
                    client.department,
                    if client.lock_time.is_some() { "LOCKED" } else { "" },
                    instant(client.create_time),
                    client.roles.join(" "),
                    client.scopes.join(" ")
                );
            }
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(());
            }
        }
    }
}

fn public_keys(told: &[String]) -> Result<Vec<api::PublicKey>, Status> {
    let key = |text: &String| {
        let (kid, x) = text.split_once('=').ok_or_else(|| {
            Status::invalid_argument(format!("--key {text}: write KID=X, X as in a JSON Web Key"))
        })?;
        Ok(api::PublicKey { kid: kid.to_owned(), x: x.to_owned() })
    };
    told.iter().map(key).collect()
}

// Alone on the output, so that it can be sent into a file and used as one.
fn show_secret(client: &api::Client) {
    println!("{:#}", json!({ "clientId": client.client_id, "clientSecret": client.client_secret }));
    eprintln!("the secret is shown this once; nobody can read it back");
}

fn show(client: &api::Client) {
    let keys: Vec<&str> = client.keys.iter().map(|key| key.kid.as_str()).collect();
    let locked =
        client.lock_time.map_or_else(|| String::from("no"), |at| format!("since {}", instant(Some(at))));
    for (what, value) in [
        ("client", client.client_id.clone()),
        ("name", client.display_name.clone()),
        ("department", client.department.clone()),
        ("scopes", client.scopes.join(" ")),
        ("roles", client.roles.join(" ")),
        ("purpose", client.default_purpose.clone()),
        ("keys", keys.join(" ")),
        ("registered", instant(client.create_time)),
        ("locked", locked),
    ] {
        println!("{what:<11} {value}");
    }
}

fn instant(at: Option<prost_types::Timestamp>) -> String {
    at.and_then(|at| Timestamp::from_second(at.seconds).ok()).map(|at| at.to_string()).unwrap_or_default()
}
