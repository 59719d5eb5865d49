//! Which roles there are and who calls whom: the one place that knows them all.
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::Write,
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use axum::Router;
use chassis::{
    access::Verifier,
    clock::Clock,
    ids,
    serve::{self, Boot, Role},
    settings::Settings,
    storage::Store,
    tls::Dialer,
    upstream::{Identity, Upstream},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::command::RoleName;

/// The clients under which the services call each other.
pub const SERVICES: [&str; 5] =
    ["svc-credit", "svc-grading", "svc-sampling", "svc-discipline", "svc-reporting"];

/// A suite, or one role of it, that serves.
pub struct Running {
    /// The public port.
    pub address: SocketAddr,
    /// How it is spoken to: http or https.
    pub scheme: &'static str,
    /// The operator's port.
    pub admin: SocketAddr,
    /// The clock, for drills.
    pub clock: Clock,
    stopping: CancellationToken,
    work: JoinSet<()>,
    stores: Vec<(&'static str, Store)>,
    data_dir: std::path::PathBuf,
    // Held for as long as the folder is in use.
    _lock: Option<File>,
}

impl Running {
    /// The line at the start that says where to go.
    pub fn welcome(&self) -> String {
        format!(
            "xinheng is ready: {}://{} (REST, gRPC, gRPC-Web; /docs lists the calls), figures on http://{}/metrics, \
             the office's client in {}",
            self.scheme,
            self.address,
            self.admin,
            self.data_dir.join("admin.json").display()
        )
    }

    /// Lets what runs finish, then closes the databases.
    pub async fn stop(mut self) {
        self.stopping.cancel();
        let finished = async { while self.work.join_next().await.is_some() {} };
        if tokio::time::timeout(Duration::from_secs(15), finished).await.is_err() {
            tracing::warn!("work in the background is cut after fifteen seconds");
            self.work.shutdown().await;
        }
        for (_, store) in &self.stores {
            store.close().await;
        }
    }
}

/// Runs all services and the gateway in this process.
pub async fn up(mut settings: Settings) -> anyhow::Result<Running> {
    settings.database = database_each(&settings.database);
    make_folder(&settings.data_dir)?;
    let lock = lock(&settings.data_dir)?;
    let (secrets, others) = own_clients(&settings)?;
    let boot = Boot::new(settings.clone(), Verifier::new(&settings.issuer, &settings.audience, None), None)?;

    let identity = gateway::identity::open(&boot, secrets.clone()).await?;
    give_own(&identity.app, &others, &settings).await?;
    let issuer = Upstream::local(identity.role.router.clone());
    // A service calls another under its own identity, here as on a cluster.
    let act_as = |service: &str| {
        let secret = secrets.get(service).map_or("", String::as_str);
        Arc::new(Identity::new(issuer.clone(), service, secret, boot.clock.clone()))
    };

    let credit = credit::open(&boot).await?;
    let to_credit = Upstream::local(credit.router.clone());
    let grading = grading::open(&boot, to_credit.clone().with_identity(act_as("svc-grading"))).await?;
    let to_grading = Upstream::local(grading.router.clone());
    let as_sampling = act_as("svc-sampling");
    let sampling = sampling::open(
        &boot,
        to_grading.clone().with_identity(as_sampling.clone()),
        to_credit.clone().with_identity(as_sampling),
    )
    .await?;
    let to_sampling = Upstream::local(sampling.router.clone());
    let discipline =
        discipline::open(&boot, to_credit.clone().with_identity(act_as("svc-discipline"))).await?;
    let to_discipline = Upstream::local(discipline.router.clone());
    let as_reporting = act_as("svc-reporting");
    let reporting = reporting::open(
        &boot,
        to_credit.clone().with_identity(as_reporting.clone()),
        to_grading.clone().with_identity(as_reporting.clone()),
        to_sampling.clone().with_identity(as_reporting.clone()),
        to_discipline.clone().with_identity(as_reporting),
    )
    .await?;
    let to_reporting = Upstream::local(reporting.router.clone());

    let upstreams = BTreeMap::from([
        ("credit", to_credit),
        ("grading", to_grading),
        ("sampling", to_sampling),
        ("discipline", to_discipline),
        ("reporting", to_reporting),
    ]);
    let front = gateway::open(&boot, issuer, upstreams)?;
    run(
        &boot,
        (front, Front::Whole),
        vec![identity.role, credit, grading, sampling, discipline, reporting],
        Some(lock),
    )
    .await
}

/// Runs one role, which finds the others by their addresses.
pub async fn serve(settings: Settings, role: RoleName) -> anyhow::Result<Running> {
    make_folder(&settings.data_dir)?;
    if role == RoleName::Gateway {
        return serve_gateway(settings).await;
    }
    let dialer = Dialer::of(&settings)?;
    let mut peers = Peers::of(&settings, dialer.as_ref(), role)?;
    let issuer = peers.take(RoleName::Gateway)?;
    let verifier = Verifier::new(&settings.issuer, &settings.audience, Some(issuer.clone()));
    let boot = Boot::new(settings.clone(), verifier, dialer)?;
    anyhow::ensure!(
        role == RoleName::Credit || !settings.client_secret.is_empty(),
        "serve needs client_secret, this role's secret at the identity service (XINHENG_CLIENT_SECRET)"
    );
    let client = format!("svc-{}", role.name());
    let identity = Arc::new(Identity::new(issuer, &client, &settings.client_secret, boot.clock.clone()));
    let mut to = |callee| anyhow::Ok(peers.take(callee)?.with_identity(identity.clone()));
    let opened = match role {
        RoleName::Credit => credit::open(&boot).await?,
        RoleName::Grading => grading::open(&boot, to(RoleName::Credit)?).await?,
        RoleName::Sampling => sampling::open(&boot, to(RoleName::Grading)?, to(RoleName::Credit)?).await?,
        RoleName::Discipline => discipline::open(&boot, to(RoleName::Credit)?).await?,
        RoleName::Reporting | RoleName::Gateway => {
            reporting::open(
                &boot,
                to(RoleName::Credit)?,
                to(RoleName::Grading)?,
                to(RoleName::Sampling)?,
                to(RoleName::Discipline)?,
            )
            .await?
        }
    };
    peers.none_left()?;
    let front = opened.router.clone();
    run(&boot, (front, Front::Service), vec![opened], None).await
}

/// Whom a role calls on a cluster, beside its database: nobody else, and each of them. The network policies of `k8s/base/calls.yaml` are this list.
pub const fn calls(role: RoleName) -> &'static [RoleName] {
    use RoleName::{Credit, Discipline, Gateway, Grading, Reporting, Sampling};
    match role {
        Gateway => &[Credit, Grading, Sampling, Discipline, Reporting],
        // For the keys that verify tokens.
        Credit => &[Gateway],
        Grading | Discipline => &[Gateway, Credit],
        Sampling => &[Gateway, Credit, Grading],
        Reporting => &[Gateway, Credit, Grading, Sampling, Discipline],
    }
}

/// Where a role answers on a cluster.
pub fn address(settings: &Settings, role: RoleName) -> &str {
    match role {
        RoleName::Gateway => &settings.gateway_url,
        RoleName::Credit => &settings.credit_url,
        RoleName::Grading => &settings.grading_url,
        RoleName::Sampling => &settings.sampling_url,
        RoleName::Discipline => &settings.discipline_url,
        RoleName::Reporting => &settings.reporting_url,
    }
}

// The ways to whom a role calls, each handed out once: a call that is not in the list above can't be made, and none is there for nothing.
struct Peers {
    caller: RoleName,
    left: BTreeMap<RoleName, Upstream>,
}

impl Peers {
    fn of(settings: &Settings, dialer: Option<&Dialer>, caller: RoleName) -> anyhow::Result<Self> {
        let way = |&callee: &RoleName| {
            let url = address(settings, callee);
            let upstream =
                Upstream::at(url, dialer).with_context(|| format!("{}_url = \"{url}\"", callee.name()))?;
            Ok((callee, upstream))
        };
        Ok(Self { caller, left: calls(caller).iter().map(way).collect::<anyhow::Result<_>>()? })
    }

    fn take(&mut self, callee: RoleName) -> anyhow::Result<Upstream> {
        let (from, to) = (self.caller.name(), callee.name());
        self.left.remove(&callee).with_context(|| format!("the call graph has no way from {from} to {to}"))
    }

    fn none_left(self) -> anyhow::Result<()> {
        let left: Vec<_> = self.left.keys().map(|callee| callee.name()).collect();
        anyhow::ensure!(left.is_empty(), "{} never calls {}", self.caller.name(), left.join(", "));
        Ok(())
    }
}

async fn serve_gateway(settings: Settings) -> anyhow::Result<Running> {
    let (secrets, others) = own_clients(&settings)?;
    let verifier = Verifier::new(&settings.issuer, &settings.audience, None);
    let boot = Boot::new(settings.clone(), verifier, Dialer::of(&settings)?)?;
    let identity = gateway::identity::open(&boot, secrets).await?;
    give_own(&identity.app, &others, &settings).await?;
    let issuer = Upstream::local(identity.role.router.clone());
    let mut peers = Peers::of(&settings, boot.dialer.as_ref(), RoleName::Gateway)?;
    let mut upstreams = BTreeMap::new();
    for &callee in calls(RoleName::Gateway) {
        upstreams.insert(callee.name(), peers.take(callee)?);
    }
    let front = gateway::open(&boot, issuer, upstreams)?;
    run(&boot, (front, Front::Door), vec![identity.role], None).await
}

// What is behind a process' port.
enum Front {
    // The gateway alone, which passes calls on.
    Door,
    // The gateway, with all the others behind it in this process.
    Whole,
    // One of the others, whom the gateway calls.
    Service,
}

async fn run(
    boot: &Boot,
    (router, front): (Router, Front),
    roles: Vec<Role>,
    lock: Option<File>,
) -> anyhow::Result<Running> {
    let listener = serve::bind(boot.settings.listen).await?;
    let admin_listener = serve::bind(boot.settings.admin_listen).await?;
    let (address, admin) = (listener.local_addr()?, admin_listener.local_addr()?);
    let stores: Vec<_> = roles.iter().map(|role| (role.name, role.store.clone())).collect();
    let mut work = JoinSet::new();
    for role in roles {
        for background in role.background {
            work.spawn(background);
        }
    }
    work.spawn(boot.verifier.clone().follow(boot.stopping.clone()));
    for certificates in boot.certificates() {
        work.spawn(certificates);
    }
    let limits = serve::Limits::of(&boot.settings);
    let port = serve::Port::of(listener, boot)?;
    let (port, limits_of_port) = match front {
        Front::Door => (port.in_lanes(), limits),
        Front::Whole => (port, limits),
        Front::Service => (port, limits.among_ourselves()),
    };
    work.spawn(serve::serve(port, router, limits_of_port, boot.stopping.clone()));
    let operator = serve::admin(boot.metrics.clone(), boot.health.clone());
    work.spawn(serve::serve(serve::Port::plain(admin_listener), operator, limits, boot.stopping.clone()));
    Ok(Running {
        address,
        scheme: if boot.shown.is_some() { "https" } else { "http" },
        admin,
        clock: boot.clock.clone(),
        stopping: boot.stopping.clone(),
        work,
        stores,
        data_dir: boot.settings.data_dir.clone(),
        _lock: lock,
    })
}

// Each service owns its database: where the URL names one for all, each gets one of its own beside it, `name_credit` and so on.
pub(crate) fn database_each(url: &str) -> String {
    if url.is_empty() || url.contains("{service}") {
        return url.to_owned();
    }
    let (place, options) = url.split_once('?').map_or((url, None), |(place, options)| (place, Some(options)));
    let place = place.trim_end_matches('/');
    let named = place.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
    let options = options.map(|options| format!("?{options}")).unwrap_or_default();
    format!("{place}{}{{service}}{options}", if named { "_" } else { "/xinheng_" })
}

// Keys and secrets lie in it: nobody else's to read.
pub(crate) fn make_folder(folder: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("the data folder {} can't be made", folder.display()))
}

// Two processes on the same SQLite files would each believe that it alone works off the operations.
pub(crate) fn lock(folder: &Path) -> anyhow::Result<File> {
    let path = folder.join("lock");
    let file = File::create(&path).with_context(|| format!("{} can't be written", path.display()))?;
    file.try_lock().map_err(|_| {
        anyhow::anyhow!(
            "another xinheng works on the data folder {}; stop it or choose another --data-dir",
            folder.display()
        )
    })?;
    Ok(file)
}

fn service_secrets(folder: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let path = folder.join("services.json");
    if path.exists() {
        return read_secrets(&path);
    }
    let mut secrets = BTreeMap::new();
    for service in SERVICES {
        secrets.insert(service.to_owned(), ids::secret().map_err(|fault| anyhow::anyhow!("{fault}"))?);
    }
    write_secret(&path, &serde_json::to_vec_pretty(&secrets)?)?;
    Ok(secrets)
}

pub(crate) fn read_secrets(path: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let text = fs::read(path).with_context(|| format!("{} can't be read", path.display()))?;
    serde_json::from_slice(&text)
        .with_context(|| format!("{} is not a JSON object of secrets", path.display()))
}

// The secrets of the services' clients, and those of the suite's own others where the operator says them.
type Secrets = BTreeMap<String, String>;

fn own_clients(settings: &Settings) -> anyhow::Result<(Secrets, Secrets)> {
    let secrets = match settings.service_secrets_file.as_str() {
        "" => service_secrets(&settings.data_dir)?,
        file => read_secrets(Path::new(file))?,
    };
    Ok(secrets.into_iter().partition(|(client, _)| client.starts_with("svc-")))
}

// What the operator says all replicas know, and nothing of it is written down.
async fn give_own(
    identity: &Arc<gateway::identity::App>,
    told: &Secrets,
    settings: &Settings,
) -> anyhow::Result<()> {
    for own in gateway::identity::own_clients(settings.separate_administrators) {
        match told.get(own.id) {
            Some(secret) => gateway::identity::set_own(identity, &own, secret).await?,
            None => {
                let path = settings.data_dir.join(format!("{}.json", own.id));
                if let Some(secret) = gateway::identity::ensure_own(identity, &own, path.exists()).await? {
                    let client = serde_json::json!({ "clientId": own.id, "clientSecret": secret });
                    write_secret(&path, &serde_json::to_vec_pretty(&client)?)?;
                }
            }
        }
    }
    for client in gateway::identity::separate(identity).await? {
        tracing::warn!(client, "is no administrator any more: the three are separate");
    }
    Ok(())
}

fn write_secret(path: &Path, text: &[u8]) -> anyhow::Result<()> {
    let written = || -> std::io::Result<()> {
        // Written beside and moved, so that a crash leaves no half of it.
        let beside = path.with_extension("new");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(text)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    written().with_context(|| format!("{} can't be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::database_each;

    #[test]
    fn each_service_gets_a_database_of_its_own() {
        for (given, expected) in [
            ("", ""),
            ("postgres://a@h/x_{service}", "postgres://a@h/x_{service}"),
            ("postgres://a@h/city", "postgres://a@h/city_{service}"),
            ("postgres://a@h/city?host=/run", "postgres://a@h/city_{service}?host=/run"),
            ("postgres://a@h:5432", "postgres://a@h:5432/xinheng_{service}"),
        ] {
            assert_eq!(database_each(given), expected);
        }
    }
}
