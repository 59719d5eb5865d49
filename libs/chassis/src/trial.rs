//! For tests only: a process prepared in a folder of its own, tokens for it, and a PostgreSQL started for the run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, reason = "tests fail loudly")]
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
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

/// A process under test. `XINHENG_TRIAL_DATABASE` holds a PostgreSQL URL with "{service}" to run on it instead of SQLite.
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
        let database = std::env::var("XINHENG_TRIAL_DATABASE").map_or_else(
            |_| String::new(),
            |url| {
                url.replace(
                    "{service}",
                    &format!("{{service}}_{}", crate::ids::secret().unwrap().get(..12).unwrap()),
                )
            },
        );
        let flags = serde_json::json!({ "data_dir": folder.path(), "clock_start": clock_start, "database": database });
        let settings = Settings::load(None, &flags).unwrap();
        let signer = Signer::from_seed(&[7; 32]);
        let verifier = Verifier::new(&settings.issuer, &settings.audience, None);
        verifier.trust(signer.public()).unwrap();
        Self { boot: Boot::new(settings, verifier).unwrap(), folder, signer }
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
            iat: now,
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

/// A PostgreSQL cluster of its own, stopped and removed at the end.
pub struct Postgres {
    folder: tempfile::TempDir,
    server: Child,
}

impl Postgres {
    /// Makes and starts one. Panics where PostgreSQL is not installed: both databases are part of the test.
    pub fn start() -> Self {
        let bin = Self::bin();
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let as_user = |program: &str| -> Command {
            // PostgreSQL refuses to run as root.
            if is_root() {
                let mut command = Command::new("setpriv");
                command
                    .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
                    .arg(bin.join(program));
                command
            } else {
                Command::new(bin.join(program))
            }
        };
        if is_root() {
            assert!(Command::new("chown").arg("postgres").arg(folder.path()).status().unwrap().success());
        }
        let made = as_user("initdb")
            .args(["--auth=trust", "--username=xinheng", "--encoding=UTF8", "--locale=C", "-D"])
            .arg(&data)
            .stdout(Stdio::null())
            .status()
            .expect("initdb runs");
        assert!(made.success(), "initdb failed");
        let server = as_user("postgres")
            .arg("-D")
            .arg(&data)
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200", "-k"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("postgres runs");
        let postgres = Self { folder, server };
        postgres.wait(&bin);
        postgres
    }

    fn bin() -> PathBuf {
        let mut places: Vec<PathBuf> =
            std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
        if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
            places.extend(versions.flatten().map(|version| version.path().join("bin")));
        }
        let found = places.into_iter().find(|place| place.join("initdb").exists());
        let place = found.expect("PostgreSQL is not installed: apt-get install postgresql");
        // A link in PATH leads to the folder that holds the other programs as well.
        std::fs::canonicalize(place.join("initdb")).unwrap().parent().map(Path::to_path_buf).unwrap()
    }

    fn wait(&self, bin: &Path) {
        for _ in 0..200 {
            let ready = Command::new(bin.join("pg_isready"))
                .args(["-q", "-h"])
                .arg(self.folder.path())
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
        format!("postgres://xinheng@localhost/{prefix}_{{service}}?host={}", self.folder.path().display())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-INT", &self.server.id().to_string()]).status();
        let _ = self.server.wait();
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"))
}
