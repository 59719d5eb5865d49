//! Settings: commented defaults, then a file, the environment, flags. Unknown keys are refused, all faults told at once.
use std::{net::SocketAddr, path::PathBuf};

use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{access::is_safe, clock::Clock, peers::Proxies};

/// The defaults, with a comment on each.
pub const DEFAULTS: &str = include_str!("defaults.toml");

/// The default of `log`, as `defaults.toml` has it.
pub const DEFAULT_LOG: &str = "info,sqlx=warn,sea_orm_migration=warn";

/// How log lines look.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For collectors.
    Json,
}

/// Every setting; `defaults.toml` says what each means.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "defaults.toml documents each key where the operator reads it")]
pub struct Settings {
    pub data_dir: PathBuf,
    pub listen: SocketAddr,
    pub admin_listen: SocketAddr,
    pub clock_start: String,
    pub database: String,
    pub log: String,
    pub log_format: LogFormat,
    pub otlp_endpoint: String,
    pub issuer: String,
    pub audience: String,
    pub token_ttl_s: u32,
    pub separate_administrators: bool,
    pub oidc_issuer: String,
    pub oidc_audience: String,
    pub oidc_ca: PathBuf,
    pub oidc_client_claim: String,
    pub oidc_department_claim: String,
    pub oidc_scopes_claim: String,
    pub oidc_roles_claim: String,
    pub oidc_mapping: PathBuf,
    pub tls_certificate: PathBuf,
    pub tls_key: PathBuf,
    pub tls_client_ca: PathBuf,
    pub peer_ca: PathBuf,
    pub peer_certificate: PathBuf,
    pub peer_key: PathBuf,
    pub trusted_proxies: String,
    pub cors_origins: String,
    pub compress_above_bytes: u32,
    pub client_calls_per_s: u32,
    pub client_calls_at_once: u32,
    pub calls_at_once: u32,
    pub uploads_at_once: u32,
    pub connections_at_once: u32,
    pub address_connections_at_once: u32,
    pub header_timeout_s: u32,
    pub body_timeout_s: u32,
    pub write_timeout_s: u32,
    pub connection_age_s: u32,
    pub gateway_url: String,
    pub credit_url: String,
    pub grading_url: String,
    pub sampling_url: String,
    pub discipline_url: String,
    pub reporting_url: String,
    pub client_secret: String,
    pub service_secrets_file: String,
}

/// The entries of a list that is written as one text.
pub fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

impl Settings {
    /// Reads them. `flags` holds what the command line gave, by the names of the settings.
    pub fn load(file: Option<PathBuf>, flags: &impl Serialize) -> anyhow::Result<Self> {
        let mut figment = Figment::from(Toml::string(DEFAULTS));
        if let Some(file) = file {
            anyhow::ensure!(file.is_file(), "the settings file {} can't be found", file.display());
            figment = figment.merge(Toml::file_exact(file));
        }
        let figment = figment
            .merge(Env::prefixed("XINHENG_").ignore(&["config", "trial_database"]))
            .merge(Serialized::defaults(flags));
        let settings: Self = figment.extract().map_err(|errors| {
            let lines: Vec<String> = errors.into_iter().map(|error| format!("  {error}")).collect();
            anyhow::anyhow!("settings are wrong:\n{}", lines.join("\n"))
        })?;
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> anyhow::Result<()> {
        let mut faults = Vec::new();
        if !self.clock_start.is_empty() && self.clock_start.parse::<Timestamp>().is_err() {
            faults.push(format!(
                "clock_start = \"{}\" is not an instant; write it as 2026-02-13T09:00:00+08:00",
                self.clock_start
            ));
        }
        if !self.database.is_empty() && !self.database.starts_with("postgres") {
            faults.push(String::from("database is neither empty (SQLite) nor a postgres:// URL"));
        }
        if self.token_ttl_s < 60 {
            faults.push(String::from("token_ttl_s is below 60"));
        }
        if !self.oidc_issuer.is_empty() {
            if !is_safe(&self.oidc_issuer) {
                faults.push(format!(
                    "oidc_issuer = \"{}\" is no https:// address (http:// is taken on this machine alone)",
                    self.oidc_issuer
                ));
            }
            if self.oidc_issuer == self.issuer {
                faults.push(String::from(
                    "oidc_issuer is our own issuer's name; tokens of both could not be told apart",
                ));
            }
            for (name, value) in
                [("oidc_audience", &self.oidc_audience), ("oidc_client_claim", &self.oidc_client_claim)]
            {
                if value.is_empty() {
                    faults.push(format!("oidc_issuer needs {name}"));
                }
            }
        }
        let none = |file: &PathBuf| file.as_os_str().is_empty();
        for (one, other) in [
            (("tls_certificate", &self.tls_certificate), ("tls_key", &self.tls_key)),
            (("peer_certificate", &self.peer_certificate), ("peer_key", &self.peer_key)),
        ] {
            if none(one.1) != none(other.1) {
                faults.push(format!("{} and {} belong together; give both or none", one.0, other.0));
            }
        }
        for (one, other) in [
            (("tls_client_ca", &self.tls_client_ca), ("tls_certificate", &self.tls_certificate)),
            (("peer_certificate", &self.peer_certificate), ("peer_ca", &self.peer_ca)),
        ] {
            if !none(one.1) && none(other.1) {
                faults.push(format!("{} does nothing without {}", one.0, other.0));
            }
        }
        if let Err(error) = Proxies::parse(&self.trusted_proxies) {
            faults.push(format!("trusted_proxies: {error}"));
        }
        for origin in list(&self.cors_origins).filter(|origin| *origin != "*") {
            let (scheme, host) = origin.split_once("://").unwrap_or_default();
            if !matches!(scheme, "http" | "https") || host.is_empty() || host.contains(['/', '*', ' ']) {
                faults.push(format!(
                    "cors_origins: \"{origin}\" is no origin; write it as https://portal.example"
                ));
            }
        }
        for (name, value) in [
            ("client_calls_per_s", self.client_calls_per_s),
            ("client_calls_at_once", self.client_calls_at_once),
            ("calls_at_once", self.calls_at_once),
            ("uploads_at_once", self.uploads_at_once),
            ("connections_at_once", self.connections_at_once),
            ("address_connections_at_once", self.address_connections_at_once),
            ("header_timeout_s", self.header_timeout_s),
            ("body_timeout_s", self.body_timeout_s),
            ("write_timeout_s", self.write_timeout_s),
        ] {
            if value == 0 {
                faults.push(format!("{name} is 0; nothing could be served"));
            }
        }
        anyhow::ensure!(faults.is_empty(), "settings are wrong:\n  {}", faults.join("\n  "));
        Ok(())
    }

    /// The clock that they ask for.
    pub fn clock(&self) -> Clock {
        self.clock_start.parse().map_or_else(|_| Clock::default(), Clock::starting_at)
    }

    /// The effective values as TOML-like lines, secrets masked.
    pub fn printed(&self) -> anyhow::Result<String> {
        let mut shown = self.clone();
        if !shown.client_secret.is_empty() {
            shown.client_secret = String::from("********");
        }
        if let Some((_, rest)) = shown.database.split_once("://")
            && let Some((_, host)) = rest.rsplit_once('@')
        {
            shown.database = format!("postgres://********@{host}");
        }
        let serde_json::Value::Object(values) = serde_json::to_value(&shown)? else {
            return Ok(String::new());
        };
        Ok(values.into_iter().map(|(key, value)| format!("{key} = {value}\n")).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_hold_and_unknown_keys_are_refused() {
        let none = std::collections::BTreeMap::<String, String>::new();
        let settings = Settings::load(None, &none).expect("the defaults");
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(settings.log, DEFAULT_LOG);
        let wrong = std::collections::BTreeMap::from([("lissten", "127.0.0.1:1")]);
        let refusal = Settings::load(None, &wrong).expect_err("an unknown key").to_string();
        assert!(refusal.contains("lissten"), "{refusal}");
        for (name, value) in [
            ("clock_start", "yesterday"),
            ("trusted_proxies", "10.0.0.0/33"),
            ("trusted_proxies", "proxy"),
            ("tls_certificate", "tls.crt"),
            ("oidc_issuer", "https://sso.example"),
            ("oidc_issuer", "http://sso.example"),
            ("tls_client_ca", "ca.crt"),
            ("peer_key", "tls.key"),
            ("cors_origins", "portal.example"),
            ("cors_origins", "https://portal.example/path"),
        ] {
            let wrong = std::collections::BTreeMap::from([(name, value)]);
            assert!(Settings::load(None, &wrong).is_err(), "{name} = {value}");
        }
        let nothing = std::collections::BTreeMap::from([("calls_at_once", 0)]);
        assert!(Settings::load(None, &nothing).is_err());
    }
}
