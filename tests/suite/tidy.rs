//! House rules as a test: who may know whom, what `rules.rs` may not touch, how long a file may be.
use std::{
    fs,
    path::{Path, PathBuf},
};

use suites::process::root;

// Ratcheted down, never up.
const LINES_MOST: usize = 600;
const SERVICES: [&str; 6] = ["credit", "discipline", "gateway", "grading", "reporting", "sampling"];
const PURE: [&str; 8] =
    ["calendar", "documents", "draw", "files", "identifiers", "names", "scoring", "tables"];

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, extension: &str, out: &mut Vec<PathBuf>) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                if !name.starts_with("target") && !name.starts_with('.') && name != "data"
                    || name == "data" && path.starts_with(root().join("libs"))
                {
                    walk(&path, extension, out);
                }
            } else if path.extension().is_some_and(|found| found == extension) {
                out.push(path);
            }
        }
    }
    let mut out = Vec::new();
    walk(&root().join(folder), extension, &mut out);
    out.sort();
    out
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

fn report(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

// The dependencies that a crate names, those of its tests left out.
fn dependencies(manifest: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(manifest)).unwrap();
    let section = text.split("[dependencies]").nth(1).unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    section
        .lines()
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn services_do_not_know_each_other() {
    let mut faults = Vec::new();
    for service in SERVICES {
        for other in dependencies(&format!("services/{service}/Cargo.toml")) {
            if SERVICES.contains(&other.as_str()) || other == "xinheng" {
                faults.push(format!("services/{service} depends on services/{other}"));
            }
        }
    }
    report(&faults);
}

// The release before runs on while a new one takes over: what it reads and writes must still be there. What is to go, goes a release
// after the last that knew it, and is named here.
const CONTRACTED: [&str; 5] = [
    "libs/chassis/migrations/0002_outbox_key.sql",
    "services/discipline/migrations/0002_after.sql",
    "services/gateway/migrations/0002_protection.sql",
    "services/grading/migrations/0003_schemes.sql",
    "services/sampling/migrations/0002_caps.sql",
];

#[test]
fn migrations_only_add() {
    let mut faults = Vec::new();
    for path in files("services", "sql").into_iter().chain(files("libs", "sql")) {
        let name = shown(&path);
        if !name.contains("/migrations/") || CONTRACTED.contains(&name.as_str()) {
            continue;
        }
        for line in fs::read_to_string(&path).unwrap().lines() {
            let statement = line.split("--").next().unwrap_or_default().to_uppercase();
            // An index is nothing that a statement names, and how a column is stored neither.
            let takes_away =
                ["DROP TABLE", "DROP COLUMN", "DROP CONSTRAINT", "RENAME ", " TYPE ", "SET NOT NULL"]
                    .iter()
                    .any(|word| statement.contains(word));
            let asks_for = statement.contains("ADD COLUMN")
                && statement.contains("NOT NULL")
                && !statement.contains("DEFAULT");
            if takes_away || asks_for {
                faults.push(format!("{name}: the release before could not go on after: {line}"));
            }
        }
    }
    report(&faults);
}

#[test]
fn pure_crates_do_no_io() {
    let banned = ["tokio", "sea-orm", "tonic", "chassis", "getrandom", "tracing", "hyper", "axum"];
    let words = ["std::fs", "std::net", "std::env", "SystemTime", "Instant::now", "async fn", "thread::"];
    let mut faults = Vec::new();
    for name in PURE {
        for dependency in dependencies(&format!("libs/{name}/Cargo.toml")) {
            if banned.contains(&dependency.as_str()) {
                faults.push(format!("libs/{name} depends on {dependency}"));
            }
        }
        for file in files(&format!("libs/{name}/src"), "rs") {
            let text = fs::read_to_string(&file).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            faults.extend(
                words
                    .iter()
                    .filter(|word| code.contains(**word))
                    .map(|word| format!("{} names {word}", shown(&file))),
            );
        }
    }
    report(&faults);
}

#[test]
fn rules_are_pure() {
    let words = ["async ", "sea_orm", "tonic", "clock", "Clock", "getrandom", "rand::", "std::fs", "Tx"];
    let mut faults = Vec::new();
    let rules: Vec<PathBuf> = files("services", "rs")
        .into_iter()
        .filter(|file| file.file_name().is_some_and(|name| name == "rules.rs"))
        .collect();
    assert!(rules.len() >= 3, "the services' rules are gone: {rules:?}");
    for file in rules {
        let text = fs::read_to_string(&file).unwrap();
        let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for word in words {
            if code.iter().any(|line| line.contains(word)) {
                faults.push(format!("{} names {word}", shown(&file)));
            }
        }
    }
    report(&faults);
}

#[test]
fn files_are_short_and_introduce_themselves() {
    let mut faults = Vec::new();
    for folder in ["libs", "services", "tests"] {
        for file in files(folder, "rs") {
            let text = fs::read_to_string(&file).unwrap();
            let lines = text.lines().count();
            if lines > LINES_MOST {
                faults.push(format!("{} has {lines} lines; what are the two things in it?", shown(&file)));
            }
            if !text.starts_with("//!") {
                faults.push(format!("{} does not say what it is", shown(&file)));
            }
        }
    }
    report(&faults);
}

#[test]
fn every_service_is_on_the_map() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let mut faults = Vec::new();
    for folder in ["libs", "services"] {
        for entry in fs::read_dir(root().join(folder)).unwrap().flatten() {
            let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if !map.contains(&name) && !readme.contains(&name) {
                faults.push(format!("{name} is on neither map"));
            }
        }
    }
    report(&faults);
}

#[test]
fn reasons_stand_in_the_contract() {
    // A reason written as a text would escape the contract's enums.
    let mut faults = Vec::new();
    for file in files("services", "rs") {
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            let calls = [
                "Fault::invalid(\"",
                "Fault::precondition(\"",
                "Fault::denied(\"",
                "Fault::missing(\"",
                "Fault::exists(\"",
            ];
            if calls.iter().any(|call| line.contains(call)) {
                faults.push(format!("{}:{} names a reason as a text", shown(&file), number + 1));
            }
        }
    }
    report(&faults);
}
