//! `doctor`: settings, data folder, databases, keys, clocks, feeds and peers, looked at without changing anything, each with what to do.
use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use chassis::{
    clock::Clock,
    settings::Settings,
    tls::{self, Dialer},
    upkeep::Lying,
    upstream::Upstream,
};
use contract::identity::v1 as identity;
use jiff::Timestamp;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::{Databases, SECRETS, feeds, known};
use crate::{command::RoleName, suite};

// Tokens and leases bear a second or two; more makes a token of one machine early or late on another.
const SKEW_WARNED_MS: i64 = 500;
const SKEW_MOST_MS: i64 = 2_000;
// What a follower takes up in about a second.
const BEHIND_WARNED: i64 = 10_000;
// Whoever renews certificates by hand needs days.
const ENDS_SOON_S: i64 = 14 * 86_400;
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Grade {
    Well,
    Warning,
    Fault,
}

/// What was looked at, line by line.
#[derive(Default)]
struct Findings {
    lines: Vec<String>,
    warnings: usize,
    faults: usize,
}

impl Findings {
    fn add(&mut self, grade: Grade, what: &str, told: &str, remedy: &str) {
        let word = match grade {
            Grade::Well => "ok",
            Grade::Warning => "WARNING",
            Grade::Fault => "FAULT",
        };
        self.warnings += usize::from(grade == Grade::Warning);
        self.faults += usize::from(grade == Grade::Fault);
        self.lines.push(format!("{word:<8} {what:<20} {told}"));
        if grade != Grade::Well {
            self.lines.push(format!("{:<8} {:<20} -> {remedy}", "", ""));
        }
    }

    fn well(&mut self, what: &str, told: &str) {
        self.add(Grade::Well, what, told, "");
    }
}

/// Looks, prints, and tells whether nothing is amiss.
pub async fn doctor(settings: &Settings, roles: &[RoleName]) -> anyhow::Result<bool> {
    let databases = Databases::of(settings, roles)?;
    let mut findings = Findings::default();
    findings.well("settings", "read, and all of them are known");
    folder(settings, &mut findings);
    let mut there = Vec::new();
    for &role in &databases.roles {
        if database(&databases, role, &mut findings).await {
            there.push(role);
        }
    }
    keys(&databases, &there, &mut findings).await;
    match feeds::followings(&databases, &there).await {
        Ok(followings) => following(&followings, &mut findings),
        Err(error) => findings.add(Grade::Fault, "feeds", &format!("{error:#}"), "see the database above"),
    }
    // Within one process nobody is called over the network.
    let dialer = certificates(settings, &mut findings);
    for &role in roles {
        peers(settings, dialer.as_ref(), role, &mut findings).await;
    }
    for line in &findings.lines {
        println!("{line}");
    }
    println!("{} faults, {} warnings", findings.faults, findings.warnings);
    Ok(findings.faults == 0)
}

fn folder(settings: &Settings, findings: &mut Findings) {
    let (folder, what) = (&settings.data_dir, "data folder");
    let shown = folder.display();
    let Ok(about) = fs::metadata(folder) else {
        return findings.well(what, &format!("{shown} is not there yet; the first start makes it"));
    };
    let probe = folder.join(".doctor");
    let writable = about.is_dir() && fs::write(&probe, b"").is_ok() && fs::remove_file(&probe).is_ok();
    if !writable {
        let told = format!("{shown} can't be written to");
        return findings.add(
            Grade::Fault,
            what,
            &told,
            "give it to the user that runs xinheng, or choose another --data-dir",
        );
    }
    let open = about.permissions().mode() & 0o077;
    if open != 0 {
        let told = format!("{shown} is open to others ({:03o})", about.permissions().mode() & 0o777);
        findings.add(Grade::Warning, what, &told, &format!("it holds keys and secrets: chmod 700 {shown}"));
    } else {
        findings.well(what, &format!("{shown} is ours alone and can be written to"));
    }
    for name in SECRETS {
        let file = folder.join(name);
        if let Ok(about) = fs::metadata(&file)
            && about.permissions().mode() & 0o077 != 0
        {
            let told = format!("{} can be read by others", file.display());
            findings.add(Grade::Warning, name, &told, &format!("chmod 600 {}", file.display()));
        }
    }
    let at_work = folder.join("lock").exists() && suite::lock(folder).is_err();
    findings.well(
        "process",
        if at_work { "a suite works on this folder" } else { "no suite works on this folder" },
    );
}

// Whether it is there and answers: then more is asked of it.
async fn database(databases: &Databases<'_>, role: RoleName, findings: &mut Findings) -> bool {
    let what = format!("database {}", role.name());
    let remedy = if databases.is_sqlite() {
        "restore the file from a backup: xinheng restore"
    } else {
        "see that PostgreSQL runs, and that --database names its address, user and password"
    };
    let opening = tokio::time::timeout(PATIENCE, databases.open(role)).await;
    let found = opening.unwrap_or_else(|_| Err(anyhow::anyhow!("does not answer")));
    let lying = match found {
        Ok(Some(lying)) => lying,
        Ok(None) => {
            findings.well(&what, "is not there yet; `xinheng migrate` or the first start makes it");
            return false;
        }
        Err(error) => {
            findings.add(Grade::Fault, &what, &format!("{error:#}"), remedy);
            return false;
        }
    };
    let told = opened(&lying, role, &what, findings).await;
    lying.close().await;
    if let Err(error) = &told {
        findings.add(Grade::Fault, &what, &format!("{error:#}"), remedy);
    }
    told.is_ok()
}

async fn opened(lying: &Lying, role: RoleName, what: &str, findings: &mut Findings) -> anyhow::Result<()> {
    let release = lying.release().await?;
    if !lying.is_recent().await? {
        findings.add(Grade::Fault, what, &release, "the feed needs PostgreSQL 13 or newer");
    }
    let (known, applied) = (known(role), lying.applied().await?);
    let newer: Vec<&str> = applied.iter().filter(|name| !known.contains(name)).map(String::as_str).collect();
    let pending = known.iter().filter(|name| !applied.contains(name)).count();
    if !newer.is_empty() {
        let told = format!("{release}, with tables of a newer release: {}", newer.join(", "));
        let remedy = "a roll-out is under way: end it, or restore a backup of this release to go back";
        findings.add(Grade::Warning, what, &told, remedy);
    } else if pending > 0 {
        let told = format!("{release}, {pending} of {} migrations are still to come", known.len());
        findings.add(Grade::Warning, what, &told, "xinheng migrate, or start the suite, which does it");
    } else {
        findings.well(what, &format!("{release}, all {} migrations applied", known.len()));
    }
    let clock = Clock::default();
    let (before, there, after) = (clock.now(), lying.now().await?, clock.now());
    let own = i64::midpoint(before.as_microsecond(), after.as_microsecond());
    let skew_ms = (there - own) / 1_000;
    let told = format!("the clock of {what} is {skew_ms} ms from ours");
    let remedy = "set both machines by the same time service (chrony, systemd-timesyncd)";
    match skew_ms.abs() {
        skew if skew > SKEW_MOST_MS => findings.add(Grade::Fault, "clock", &told, remedy),
        skew if skew > SKEW_WARNED_MS => findings.add(Grade::Warning, "clock", &told, remedy),
        // One line a machine is enough where all is well.
        _ if role == RoleName::Credit => findings.well("clock", &told),
        _ => {}
    }
    let (open, idle) = lying.operations().await?;
    if idle > 0 {
        let told = format!("{idle} of {open} operations of {} are worked on by nobody", role.name());
        findings.add(
            Grade::Warning,
            "operations",
            &told,
            "start the suite; it takes them up within fifteen seconds",
        );
    }
    Ok(())
}

async fn keys(databases: &Databases<'_>, there: &[RoleName], findings: &mut Findings) {
    if !databases.roles.contains(&RoleName::Gateway) {
        return;
    }
    if there.contains(&RoleName::Gateway)
        && let Ok(Some(lying)) = databases.open(RoleName::Gateway).await
    {
        let seed = lying.signing_seed().await;
        lying.close().await;
        match seed {
            Ok(Some(seed)) if seed.len() == 64 && seed.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                findings.well("signing key", "is there");
            }
            Ok(None) => findings.well("signing key", "is not there yet; the first start makes it"),
            _ => {
                let remedy = "restore the gateway's database from a backup; without its key every client needs a new secret";
                findings.add(Grade::Fault, "signing key", "can't be used", remedy);
            }
        }
    }
    let named = &databases.settings.service_secrets_file;
    let file =
        if named.is_empty() { databases.settings.data_dir.join("services.json") } else { named.into() };
    if named.is_empty() && !file.exists() {
        return findings.well("service secrets", "are not there yet; the first start makes them");
    }
    match suite::read_secrets(&file) {
        Ok(secrets) => {
            let lacking: Vec<&str> =
                suite::SERVICES.into_iter().filter(|name| !secrets.contains_key(*name)).collect();
            if lacking.is_empty() {
                return findings.well("service secrets", &format!("{} holds all of them", file.display()));
            }
            let told = format!("{} has none for {}", file.display(), lacking.join(", "));
            findings.add(
                Grade::Fault,
                "service secrets",
                &told,
                "add them; a role without a secret can call nobody",
            );
        }
        Err(error) => {
            let remedy = "a JSON object of client ids and secrets is expected, readable by us";
            findings.add(Grade::Fault, "service secrets", &format!("{error:#}"), remedy);
        }
    }
}

fn following(followings: &[feeds::Following], findings: &mut Findings) {
    for one in followings {
        let what = format!("feed {}", one.feed);
        let told = format!("{} is {} changes behind", one.follower.name(), one.behind);
        if one.behind > BEHIND_WARNED {
            let remedy = format!(
                "if it does not fall (xinheng feed lag), see that {} runs and reaches {}; its log says \"feed interrupted\"",
                one.follower.name(),
                one.feed
            );
            findings.add(Grade::Warning, &what, &told, &remedy);
        } else {
            findings.well(&what, &told);
        }
    }
}

// Read as a start would read them.
fn certificates(settings: &Settings, findings: &mut Findings) -> Option<Dialer> {
    let remedy = "give a certificate in PEM with the key that fits it and has not ended; a running process goes on with the old pair";
    match tls::shown(settings) {
        Ok(None) => {}
        Ok(Some(shown)) => ends("certificate", shown.ends_at(), findings),
        Err(error) => findings.add(Grade::Fault, "certificate", &format!("{error:#}"), remedy),
    }
    match Dialer::of(settings) {
        Ok(dialer) => {
            if let Some(dialer) = &dialer {
                ends("peer certificate", dialer.renewed().ends_at(), findings);
            }
            dialer
        }
        Err(error) => {
            findings.add(Grade::Fault, "peer certificate", &format!("{error:#}"), remedy);
            None
        }
    }
}

fn ends(what: &str, ends_at: Option<Timestamp>, findings: &mut Findings) {
    let Some(ends_at) = ends_at else {
        return findings.well(what, "none is shown; the authorities can be read");
    };
    let left = ends_at.as_second() - Clock::default().now().as_second();
    let told = format!("holds until {ends_at}");
    if left < ENDS_SOON_S {
        findings.add(
            Grade::Warning,
            what,
            &told,
            "renew it; a new pair in the same files is taken over by itself",
        );
    } else {
        findings.well(what, &told);
    }
}

async fn peers(settings: &Settings, dialer: Option<&Dialer>, role: RoleName, findings: &mut Findings) {
    for &callee in suite::calls(role) {
        let what = format!("peer {}", callee.name());
        let url = suite::address(settings, callee);
        let asked = async {
            let mut client = HealthClient::new(Upstream::at(url, dialer)?);
            let answer = client.check(HealthCheckRequest { service: String::new() }).await?;
            anyhow::Ok(answer.into_inner().status())
        };
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(ServingStatus::Serving)) => findings.well(&what, &format!("{url} serves")),
            Ok(Ok(_)) => {
                let remedy = "ask it: its /readyz says what it lacks";
                findings.add(Grade::Warning, &what, &format!("{url} answers, but is not ready"), remedy);
            }
            _ => {
                let remedy = format!(
                    "see that it runs, that {}_url is its address, and that no network policy is between",
                    callee.name()
                );
                findings.add(Grade::Fault, &what, &format!("{url} does not answer"), &remedy);
            }
        }
    }
    if role != RoleName::Gateway && !settings.client_secret.is_empty() {
        sign_in(settings, dialer, role, findings).await;
    }
}

async fn sign_in(settings: &Settings, dialer: Option<&Dialer>, role: RoleName, findings: &mut Findings) {
    let client_id = format!("svc-{}", role.name());
    let asked = async {
        let request = identity::IssueTokenRequest {
            grant_type: String::from("client_credentials"),
            client_id: client_id.clone(),
            client_secret: settings.client_secret.clone(),
            ..Default::default()
        };
        let issuer = Upstream::at(&settings.gateway_url, dialer)?;
        identity::tokens_client::TokensClient::new(issuer).issue_token(request).await?;
        anyhow::Ok(())
    };
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(())) => findings.well("client secret", &format!("{client_id} signs in")),
        _ => {
            let remedy = "give client_secret as the gateway's service_secrets_file has it, and restart the gateway after a change";
            findings.add(Grade::Fault, "client secret", &format!("{client_id} can't sign in"), remedy);
        }
    }
}
