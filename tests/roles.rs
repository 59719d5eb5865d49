//! Roles as processes of their own, as on a cluster: the gateway with the identity service, credit, and grading that follows it.
use std::path::Path;

use serde_json::{Value, json};

use crate::process::{Suite, free_port};

/// What runs.
pub const ROLES: [&str; 3] = ["gateway", "credit", "grading"];

/// The running roles; each can be ended as by a power cut, and begun again.
pub struct Roles {
    folder: tempfile::TempDir,
    scheme: &'static str,
    ports: [u16; 3],
    // By role: the flags that are its own.
    more: Vec<Vec<String>>,
    running: [Option<Suite>; 3],
}

/// The secret of a client; the office's is "admin".
pub fn secret(client: &str) -> String {
    format!("{client}-and-what-nobody-guesses-of-it")
}

impl Roles {
    /// Starts all of them, who call each other at addresses of this scheme, `http` or `https`; `more` gives a role's own flags, and may
    /// put files into the folder.
    pub async fn start(scheme: &'static str, more: impl Fn(&str, &Path) -> Vec<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clients =
            ["svc-credit", "svc-grading", "svc-sampling", "svc-discipline", "svc-reporting", "admin"];
        let secrets: serde_json::Map<String, Value> =
            clients.into_iter().map(|client| (client.to_owned(), json!(secret(client)))).collect();
        std::fs::write(folder.path().join("clients.json"), Value::Object(secrets).to_string()).unwrap();
        let more = ROLES.iter().map(|role| more(role, folder.path())).collect();
        let ports = [free_port(), free_port(), free_port()];
        let mut roles = Self { folder, scheme, ports, more, running: [None, None, None] };
        // The gateway first, since the others sign in there.
        for role in ROLES {
            roles.begin(role).await;
        }
        roles
    }

    /// Where a role answers.
    pub fn url(&self, role: &str) -> String {
        format!("{}://localhost:{}", self.scheme, self.port(role))
    }

    /// Its port.
    pub fn port(&self, role: &str) -> u16 {
        self.ports[place(role)]
    }

    /// Where its operator looks.
    pub fn admin(&self, role: &str) -> &str {
        &self.running[place(role)].as_ref().unwrap().admin
    }

    /// The folder that all share.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts one.
    pub async fn begin(&mut self, role: &str) {
        let mut flags = self.more[place(role)].clone();
        for other in ROLES.iter().filter(|other| **other != role) {
            flags.extend([format!("--{other}-url"), self.url(other)]);
        }
        if role == "gateway" {
            // Nobody is there: these roles are not part of it.
            for other in ["sampling", "discipline", "reporting"] {
                flags.extend([format!("--{other}-url"), format!("{}://localhost:9", self.scheme)]);
            }
            let file = self.folder().join("clients.json").display().to_string();
            flags.extend([String::from("--service-secrets-file"), file]);
        } else {
            flags.extend([String::from("--client-secret"), secret(&format!("svc-{role}"))]);
        }
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let data = self.folder.path().join(role);
        self.running[place(role)] = Some(Suite::serve_on(self.port(role), role, &data, &flags).await);
    }

    /// Ends one as a power cut would.
    pub fn kill(&mut self, role: &str) {
        drop(self.running[place(role)].take());
    }
}

fn place(role: &str) -> usize {
    ROLES.iter().position(|known| *known == role).unwrap()
}
