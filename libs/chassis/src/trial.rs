//! For tests only: a process prepared in a folder of its own, tokens for it, and a PostgreSQL started for the run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, reason = "tests fail loudly")]
use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, OnceLock},
    time::Duration,
};

use http::{HeaderValue, header::AUTHORIZATION};
use tonic::{
    Request, Status,
    service::{Interceptor, interceptor::InterceptedService},
};

use crate::{
    access::{Claims, Verifier},
    serve::{Boot, Role},
    settings::Settings,
    signer::Signer,
    upstream::Upstream,
};

/// Names the database of trials: a PostgreSQL URL with "{service}", or `postgresql` for a cluster that the process starts for itself;
/// SQLite without it.
const DATABASE: &str = "XINHENG_TRIAL_DATABASE";
const OWN: &str = "postgresql";

/// A process under test.
pub struct Trial {
    /// What the roles share.
    pub boot: Boot,
    /// The data folder, removed at the end.
    pub folder: tempfile::TempDir,
    signer: Signer,
}

impl Trial {
    /// A process whose clock starts at an instant, or now where the text is empty.
    pub fn at(clock_start: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = database().map_or_else(String::new, |url| {
            let own = crate::ids::secret().unwrap();
            url.replace("{service}", &format!("{{service}}_{}", own.get(..12).unwrap()))
        });
        let flags = serde_json::json!({ "data_dir": folder.path(), "clock_start": clock_start, "database": database });
        let settings = Settings::load(None, &flags).unwrap();
        let signer = Signer::from_seed(&[7; 32]);
        let verifier = Verifier::new(&settings.issuer, &settings.audience, None);
        verifier.trust(signer.public()).unwrap();
        Self { boot: Boot::new(settings, verifier, None).unwrap(), folder, signer }
    }

    /// Starts a role's background work and gives a way to call it.
    pub fn run(&self, role: Role) -> Upstream {
        for work in role.background {
            tokio::spawn(work);
        }
        Upstream::local(role.router)
    }

    /// A token's interceptor: `Client::with_interceptor(upstream, trial.token("transport", "credit.read credit.write"))`.
    pub fn token(&self, department: &str, scope: &str) -> Bearer {
        self.token_of(Claims {
            sub: format!("{department}-client"),
            department: department.to_owned(),
            scope: scope.to_owned(),
            default_purpose: String::from("test"),
            ..self.claims()
        })
    }

    /// Bare claims to build others on: no scope, no role, no purpose, an hour from now.
    pub fn claims(&self) -> Claims {
        let now = self.boot.clock.now().as_second();
        Claims {
            iss: self.boot.settings.issuer.clone(),
            sub: String::from("test"),
            aud: self.boot.settings.audience.clone(),
            exp: now + 3_600 * 24 * 3_660,
            // Whatever day a drill moves the clock to.
            iat: 946_684_800,
            jti: String::from("test"),
            department: String::new(),
            roles: Vec::new(),
            scope: String::new(),
            default_purpose: String::new(),
            uscc: String::new(),
        }
    }

    /// A token of any claims.
    pub fn token_of(&self, claims: Claims) -> Bearer {
        let token = self.signer.sign(&claims).unwrap();
        Bearer(Arc::new(HeaderValue::from_str(&format!("Bearer {token}")).unwrap()))
    }
}

// Where trials run, unless on SQLite.
fn database() -> Option<String> {
    // Ends with the process, see `Postgres`.
    static CLUSTER: OnceLock<Postgres> = OnceLock::new();
    let named = std::env::var(DATABASE).ok().filter(|named| !named.is_empty())?;
    Some(if named == OWN { CLUSTER.get_or_init(Postgres::start).url("trial") } else { named })
}

/// Runs the other tests of this binary again, on PostgreSQL. `this` is the name of the test that calls it.
pub fn again_on_postgresql(this: &str) {
    // What goes through the macros is shown of tests that fail only.
    let say = |text: &str| std::io::stderr().write_all(text.as_bytes()).unwrap();
    if database().is_some() {
        return say(&format!(
            "{this}: {DATABASE} names a database, and all tests of this binary run there\n"
        ));
    }
    if Postgres::bin().is_none() {
        return say(&format!("{this}: SKIPPED, PostgreSQL is not installed: apt-get install postgresql\n"));
    }
    let mut again = Command::new(std::env::current_exe().unwrap());
    let output = again.args(["--skip", this]).env(DATABASE, OWN).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "on PostgreSQL:\n{told}{}", String::from_utf8_lossy(&output.stderr));
    // In the form in which the runner counts.
    let ends: Vec<&str> = told.lines().filter(|line| line.starts_with("test result:")).collect();
    assert_eq!(ends.len(), 1, "{told}");
    say(&format!("\n{} (the same on PostgreSQL)\n", ends[0]));
}

impl Drop for Trial {
    fn drop(&mut self) {
        self.boot.stopping.cancel();
    }
}

/// Puts a token on each call.
#[derive(Clone)]
pub struct Bearer(Arc<HeaderValue>);

impl Bearer {
    /// The header's text.
    pub fn text(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let value = self.text().parse().map_err(|_| Status::internal("a token"))?;
        request.metadata_mut().insert(AUTHORIZATION.as_str(), value);
        Ok(request)
    }
}

/// A way to call a role with a token.
pub type Authorized = InterceptedService<Upstream, Bearer>;

/// The reason in a status' ErrorInfo; panics where there is none.
pub fn reason(status: &Status) -> String {
    use tonic_types::StatusExt;
    status.get_details_error_info().map_or_else(|| panic!("no ErrorInfo in {status:?}"), |info| info.reason)
}

/// A PostgreSQL cluster of its own, stopped and removed at the end: dropped, or with this process, however that ends.
pub struct Postgres {
    folder: PathBuf,
    keeper: Child,
}

// Runs the server until its own input ends, which it does with the process that holds the other end.
const KEEPER: &str = r#"trap : INT; folder=$1; shift; "$@" & server=$!; cat >/dev/null; kill -INT $server; wait $server; rm -rf "$folder""#;

impl Postgres {
    /// Makes and starts one for tests, where nothing need outlive a power cut. Panics where PostgreSQL is not installed: both databases
    /// are part of the test.
    pub fn start() -> Self {
        Self::start_with(&["fsync=off", "full_page_writes=off"])
    }

    /// Makes and starts one with further settings.
    pub fn start_with(settings: &[&str]) -> Self {
        Self::start_on(5432, settings)
    }

    /// The same with settings that let it listen on the network, at a port of its own.
    pub fn start_on(port: u16, settings: &[&str]) -> Self {
        let made = |bin: &Path, data: &Path| {
            let mut initdb = as_server(&bin.join("initdb"));
            initdb.args([
                "--auth=trust",
                "--username=xinheng",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
                "-D",
            ]);
            initdb.arg(data);
            initdb
        };
        Self::made(made, port, settings)
    }

    /// A standby that streams what a server on this machine's network commits, at a port of its own.
    pub fn standby_of(primary: u16, port: u16, settings: &[&str]) -> Self {
        let made = |bin: &Path, data: &Path| {
            let mut copy = as_server(&bin.join("pg_basebackup"));
            copy.args(["-h", "127.0.0.1", "-U", "xinheng", "-p", &primary.to_string()]);
            copy.args([
                "--checkpoint=fast",
                "--wal-method=stream",
                "--write-recovery-conf",
                "--no-sync",
                "-D",
            ]);
            copy.arg(data);
            copy
        };
        Self::made(made, port, settings)
    }

    fn made(made: impl FnOnce(&Path, &Path) -> Command, port: u16, settings: &[&str]) -> Self {
        let bin = Self::bin().expect("PostgreSQL is not installed: apt-get install postgresql");
        let folder = tempfile::tempdir().unwrap().keep();
        let data = folder.join("data");
        if is_root() {
            assert!(Command::new("chown").arg("postgres").arg(&folder).status().unwrap().success());
        }
        let made = made(&bin, &data).stdout(Stdio::null()).status().expect("PostgreSQL's programs run");
        assert!(made.success(), "{} was not made", data.display());
        let settings = settings.iter().flat_map(|setting| ["-c", setting]);
        let server = as_server(&bin.join("postgres"));
        let keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh"])
            .arg(&folder)
            .arg(server.get_program())
            .args(server.get_args())
            .arg("-D")
            .arg(&data)
            .args(["-c", "listen_addresses=", "-c", "max_connections=500"])
            .args(settings)
            .args(["-p", &port.to_string()])
            .arg("-k")
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("postgres runs");
        let postgres = Self { folder, keeper };
        postgres.wait(&bin, port);
        postgres
    }

    /// Ends it as the loss of its machine would: at once, with everything that works for it.
    pub fn kill(&self) {
        let file = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap();
        let server = file.lines().next().unwrap().to_owned();
        let signal = |name: &str, to: &[String]| Command::new("kill").arg(name).args(to).status().unwrap();
        // Held first, so that it neither cleans up after its children nor has others.
        assert!(signal("-STOP", std::slice::from_ref(&server)).success());
        let mut all = children_of(&server);
        assert!(!all.is_empty(), "{server} is no running server");
        all.push(server);
        assert!(signal("-KILL", &all).success());
    }

    // The folder of its programs, where it is installed.
    fn bin() -> Option<PathBuf> {
        let mut places: Vec<PathBuf> =
            std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
        if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
            places.extend(versions.flatten().map(|version| version.path().join("bin")));
        }
        let place = places.into_iter().find(|place| place.join("initdb").exists())?;
        // A link in PATH leads to the folder that holds the other programs as well.
        std::fs::canonicalize(place.join("initdb")).unwrap().parent().map(Path::to_path_buf)
    }

    fn wait(&self, bin: &Path, port: u16) {
        for _ in 0..400 {
            let ready = Command::new(bin.join("pg_isready"))
                .args(["-q", "-p", &port.to_string(), "-h"])
                .arg(&self.folder)
                .status()
                .is_ok_and(|status| status.success());
            if ready {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("PostgreSQL did not start");
    }

    /// The URL, with a database for each service whose names begin with `prefix`.
    pub fn url(&self, prefix: &str) -> String {
        format!("postgres://xinheng@localhost/{prefix}_{{service}}?host={}", self.folder.display())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

// A program of PostgreSQL, which refuses to run as root.
fn as_server(program: &Path) -> Command {
    let mut command = Command::new("env");
    if is_root() {
        command.args(["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    }
    command.arg(program);
    command
}

fn children_of(process: &str) -> Vec<String> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let parent = |id: &str| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // Behind the name, which may hold anything, stand the state and the parent.
        stat.rsplit_once(") ")?.1.split(' ').nth(1).map(str::to_owned)
    };
    all.filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|id| parent(id).as_deref() == Some(process))
        .collect()
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"))
}

/// What a file's answer says of it before its bytes: its tag without the quotes, and how many bytes there are; empty where it does not.
pub fn told<T>(answer: &tonic::Response<T>) -> (String, String) {
    let said = |key: &str| {
        let value = answer.metadata().get(key).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().trim_matches('"').to_owned()
    };
    (said("etag"), said("file-length"))
}
