//! The command line: what can be run, and every setting as a flag.
use std::{io::Write as _, path::PathBuf, process::ExitCode};

use chassis::{serve, settings::Settings, telemetry};
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use serde::Serialize;

use crate::{clients, demo, suite, upkeep, verify};

/// Credit-based supervision of enterprises 信用分级分类监管, as one suite.
#[derive(Parser)]
#[command(name = "xinheng", version)]
struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Makes a fictional city, does the main job over the gateway step by step, then keeps serving
    Demo {
        #[command(flatten)]
        settings: Flags,
        /// Ends after the story instead of serving on
        #[arg(long)]
        exit: bool,
    },
    /// Runs all services and the gateway in one process
    Up {
        #[command(flatten)]
        settings: Flags,
    },
    /// Runs one role, for a cluster
    Serve {
        role: RoleName,
        #[command(flatten)]
        settings: Flags,
    },
    /// Checks a draw bundle offline; exit 0 verified, 1 not, 2 unreadable
    VerifyDraw { file: PathBuf },
    /// Prints who may call what, as the contract states it
    Access,
    /// Prints the effective settings, secrets masked
    Config {
        #[command(flatten)]
        settings: Flags,
        /// Prints the commented defaults instead
        #[arg(long)]
        defaults: bool,
    },
    /// Brings the databases to this release's tables: of the roles named, or of all
    Migrate {
        roles: Vec<RoleName>,
        #[command(flatten)]
        settings: Flags,
    },
    /// Looks at settings, databases, keys, clocks and feeds, of all roles or of those named with whom they call; exit 1 where something is amiss
    Doctor {
        roles: Vec<RoleName>,
        #[command(flatten)]
        settings: Flags,
    },
    /// Keeps every database and the secrets in a new folder, while the suite runs
    Backup {
        folder: PathBuf,
        /// Makes a folder of its own in that one, named by the instant, and then removes the oldest beyond so many
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
        keep: Option<u16>,
        #[command(flatten)]
        settings: Flags,
    },
    /// Puts a backup into an empty data folder or empty databases
    Restore {
        folder: PathBuf,
        #[command(flatten)]
        settings: Flags,
    },
    /// Moves a suite from SQLite files to empty PostgreSQL databases, verified by counts and digests
    Move {
        /// The data folder, which nobody works on meanwhile
        #[arg(long)]
        from: PathBuf,
        /// A PostgreSQL URL, as --database takes it
        #[arg(long)]
        to: String,
    },
    /// The feeds by which services follow each other
    Feed {
        #[command(subcommand)]
        action: FeedAction,
    },
    /// The clients of a running gateway; exit 1 where it refuses, 3 where it does not answer
    Clients {
        #[command(subcommand)]
        action: clients::Action,
        #[command(flatten)]
        door: clients::Door,
    },
    /// Prints a shell's completions
    Completions { shell: clap_complete::Shell },
    /// Prints the man page, or that of one command
    Man { command: Option<String> },
}

#[derive(Subcommand)]
enum FeedAction {
    /// Prints how far each follower is behind
    Lag {
        #[command(flatten)]
        settings: Flags,
    },
}

/// The command line as it is read, for completions, man pages, and whoever checks a command before it runs.
pub fn definition() -> clap::Command {
    Command::command()
}

/// A role of the suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum RoleName {
    Credit,
    Grading,
    Sampling,
    Discipline,
    Reporting,
    Gateway,
}

impl RoleName {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Credit, Self::Grading, Self::Sampling, Self::Discipline, Self::Reporting, Self::Gateway];

    /// As it is written on the command line, in addresses and in the names of databases.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Credit => "credit",
            Self::Grading => "grading",
            Self::Sampling => "sampling",
            Self::Discipline => "discipline",
            Self::Reporting => "reporting",
            Self::Gateway => "gateway",
        }
    }
}

// Every setting as a flag; what is not given stays out, so that the file and the environment count. The environment's
// XINHENG_<NAME> is read with the settings file, not here, so that unknown names are refused in one place.
#[derive(Args, Serialize)]
#[serde(rename_all = "snake_case")]
struct Flags {
    /// A settings file in TOML (environment: XINHENG_CONFIG)
    #[arg(long, env = "XINHENG_CONFIG")]
    #[serde(skip)]
    config: Option<PathBuf>,
    /// Where all state lives [default: ./data]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    data_dir: Option<PathBuf>,
    /// REST, gRPC and gRPC-Web on one port [default: 127.0.0.1:8080]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    listen: Option<String>,
    /// /metrics, /healthz, /readyz [default: 127.0.0.1:9090]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    admin_listen: Option<String>,
    /// The suite's clock starts at this instant and runs on [default: now]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_start: Option<String>,
    /// A PostgreSQL URL, "{service}" in it is replaced [default: SQLite files]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<String>,
    /// What is logged, in tracing's filter syntax [default: info]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<String>,
    /// text or json [default: text]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    log_format: Option<String>,
    /// An OTLP/gRPC collector for traces [default: none]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    otlp_endpoint: Option<String>,
    /// Who issues tokens [default: xinheng]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    /// For whom tokens are issued [default: xinheng]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    audience: Option<String>,
    /// For how many seconds a token holds [default: 3600]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    token_ttl_s: Option<u32>,
    /// Whether system, security and audit administrator are three clients, and nobody else administers [default: false]
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    separate_administrators: Option<bool>,
    /// Another issuer whose tokens are taken, by its address [default: none]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    oidc_issuer: Option<String>,
    /// For whom its tokens must be
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    oidc_audience: Option<String>,
    /// Authorities by which it is trusted, PEM [default: /etc/ssl/certs/ca-certificates.crt]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    oidc_ca: Option<PathBuf>,
    /// Its claim that names the client [default: sub]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    oidc_client_claim: Option<String>,
    /// Its claim that names the department [default: department]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    oidc_department_claim: Option<String>,
    /// Its claim of scopes [default: scope]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    oidc_scopes_claim: Option<String>,
    /// Its claim of roles [default: roles]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    oidc_roles_claim: Option<String>,
    /// A JSON file of what its scopes and roles grant here
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    oidc_mapping: Option<PathBuf>,
    /// TLS on the port: the certificate with its chain, PEM [default: plain HTTP]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_certificate: Option<PathBuf>,
    /// The certificate's key, PEM
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_key: Option<PathBuf>,
    /// Who connects must show a certificate of these authorities, PEM [default: nobody need]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_client_ca: Option<PathBuf>,
    /// The authorities of other roles' certificates, PEM, for https:// addresses
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_ca: Option<PathBuf>,
    /// What this role shows to other roles, PEM [default: nothing]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_certificate: Option<PathBuf>,
    /// The key of peer_certificate, PEM
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_key: Option<PathBuf>,
    /// Proxies whose X-Forwarded-For is believed, for example 10.0.0.0/8 [default: none]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    trusted_proxies: Option<String>,
    /// Origins whose pages may call from a browser, or * [default: none]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    cors_origins: Option<String>,
    /// Answers from so many bytes on are compressed; 0: none is [default: 2048]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    compress_above_bytes: Option<u32>,
    /// Calls a second of one client [default: 100000]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    client_calls_per_s: Option<u32>,
    /// Calls at once of one client [default: 2000]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    client_calls_at_once: Option<u32>,
    /// Calls at once of all, a quarter of it kept for reads and checks [default: 8000]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    calls_at_once: Option<u32>,
    /// Uploads of files at once [default: 64]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    uploads_at_once: Option<u32>,
    /// Open connections [default: 10000]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    connections_at_once: Option<u32>,
    /// Open connections from one address that is no trusted proxy [default: 1000]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    address_connections_at_once: Option<u32>,
    /// Seconds for the headers of a request [default: 10]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    header_timeout_s: Option<u32>,
    /// Seconds for the next piece of a body [default: 30]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    body_timeout_s: Option<u32>,
    /// Seconds in which the next piece of an answer must be taken [default: 60]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    write_timeout_s: Option<u32>,
    /// Seconds after which a connection is ended in good order, so that its caller connects anew; 0 never [default: 300]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_age_s: Option<u32>,
    /// Where the gateway answers, for `serve` [default: http://gateway:8080]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway_url: Option<String>,
    /// Where credit answers, for `serve` [default: http://credit:8080]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    credit_url: Option<String>,
    /// Where grading answers, for `serve` [default: http://grading:8080]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    grading_url: Option<String>,
    /// Where sampling answers, for `serve` [default: http://sampling:8080]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    sampling_url: Option<String>,
    /// Where discipline answers, for `serve` [default: http://discipline:8080]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    discipline_url: Option<String>,
    /// Where reporting answers, for `serve` [default: http://reporting:8080]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    reporting_url: Option<String>,
    /// This role's secret at the identity service, for `serve`; better given as XINHENG_CLIENT_SECRET
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    /// For `up` and `serve gateway`: a JSON file of the roles' secrets, and of the office's as "admin" [default: services.json in the data folder]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    service_secrets_file: Option<String>,
}

impl Flags {
    fn load(&self) -> anyhow::Result<Settings> {
        Settings::load(self.config.clone(), self)
    }
}

/// Parses the command line and does what it says.
pub fn run() -> ExitCode {
    match Command::parse().action {
        Action::VerifyDraw { file } => ExitCode::from(verify::run(&file)),
        Action::Access => finish(access()),
        Action::Config { defaults: true, .. } => {
            print!("{}", chassis::settings::DEFAULTS);
            ExitCode::SUCCESS
        }
        Action::Config { settings, .. } => {
            finish(settings.load().and_then(|settings| settings.printed()).map(|text| print!("{text}")))
        }
        Action::Migrate { roles, settings } => {
            finish(settings.load().and_then(|settings| block_on(upkeep::migrate(&settings, &roles))))
        }
        Action::Doctor { roles, settings } => finish(settings.load().and_then(|settings| {
            let well = block_on(upkeep::doctor(&settings, &roles))?;
            anyhow::ensure!(well, "something is amiss");
            Ok(())
        })),
        Action::Backup { folder, keep, settings } => {
            finish(settings.load().and_then(|settings| block_on(upkeep::backup(&settings, &folder, keep))))
        }
        Action::Restore { folder, settings } => {
            finish(settings.load().and_then(|settings| block_on(upkeep::restore(&settings, &folder))))
        }
        Action::Move { from, to } => finish(block_on(upkeep::moved(&from, &to))),
        Action::Feed { action: FeedAction::Lag { settings } } => {
            finish(settings.load().and_then(|settings| block_on(upkeep::lag(&settings))))
        }
        Action::Clients { action, door } => finish(block_on(clients::run(&door, action))),
        Action::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut definition(), "xinheng", &mut script);
            finish(shown(&script))
        }
        Action::Man { command } => finish(man(command.as_deref())),
        Action::Up { settings } => finish(settings.load().and_then(|settings| block_on(up(settings)))),
        Action::Demo { settings, exit } => {
            finish(settings.load().and_then(|settings| block_on(demo::run(settings, exit))))
        }
        Action::Serve { role, settings } => {
            finish(settings.load().and_then(|settings| block_on(serve_role(settings, role))))
        }
    }
}

// One line a method: what it asks for, its name, its routes.
fn access() -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for entry in gateway::identity::access_table(&chassis::validation::POOL)? {
        let asked = match (entry.public, entry.any_client) {
            (true, _) => String::from("public"),
            (_, true) => String::from("any client"),
            _ => entry.scope,
        };
        let roles =
            if entry.roles.is_empty() { String::new() } else { format!(" as {}", entry.roles.join(" or ")) };
        let line = writeln!(out, "{asked}{roles}\t{}\t{}", entry.method, entry.routes.join(", "));
        // Whoever reads may have seen enough.
        if line.is_err() {
            break;
        }
    }
    Ok(())
}

fn finish(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xinheng: {error:#}");
            if error.is::<clients::Away>() { ExitCode::from(3) } else { ExitCode::FAILURE }
        }
    }
}

// The page of the whole, or of one command.
fn man(command: Option<&str>) -> anyhow::Result<()> {
    let mut whole = definition();
    whole.build();
    let page = match command {
        None => whole,
        Some(name) => {
            let found = whole.find_subcommand(name).cloned();
            found.ok_or_else(|| anyhow::anyhow!("there is no command {name}; `xinheng help` lists them"))?
        }
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page).render(&mut text)?;
    shown(&text)
}

// Whoever reads only the beginning, as `| head` does, has what was asked for.
fn shown(text: &[u8]) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

async fn up(settings: Settings) -> anyhow::Result<()> {
    let _telemetry = telemetry::init(&settings, "up")?;
    let running = suite::up(settings).await?;
    println!("{}", running.welcome());
    serve::stop_signal().await;
    running.stop().await;
    Ok(())
}

async fn serve_role(settings: Settings, role: RoleName) -> anyhow::Result<()> {
    let name = role.name();
    let _telemetry = telemetry::init(&settings, name)?;
    let running = suite::serve(settings, role).await?;
    println!(
        "xinheng {name} serves gRPC on {}, its figures are on http://{}/metrics",
        running.address, running.admin
    );
    serve::stop_signal().await;
    running.stop().await;
    Ok(())
}
