//! PostgreSQL's own programs for dumps, found where Debian and others put them.
use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

/// Writes a database into a file, from one snapshot.
pub fn dump(url: &str, file: &Path) -> anyhow::Result<()> {
    let mut command = program("pg_dump", url)?;
    command.args(["--format=custom", "--no-owner", "--no-privileges", "--file"]).arg(file);
    run(command, "pg_dump")
}

/// Reads a file into an empty database, whole or not at all.
pub fn restore(url: &str, file: &Path) -> anyhow::Result<()> {
    let mut command = program("pg_restore", url)?;
    command.args(["--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error"]).arg(file);
    run(command, "pg_restore")
}

// The password goes by the environment: other users of the machine see the arguments.
fn program(name: &str, url: &str) -> anyhow::Result<Command> {
    let (url, password) = without_password(url);
    let mut command = Command::new(find(name)?);
    command.arg("--dbname").arg(url);
    if let Some(password) = password {
        command.env("PGPASSWORD", password);
    }
    Ok(command)
}

fn run(mut command: Command, name: &str) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("{name} can't be started"))?;
    anyhow::ensure!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

// The newest that is installed: an older one refuses a newer server.
fn find(name: &str) -> anyhow::Result<PathBuf> {
    let mut places: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|version| version.path().join("bin")).collect())
        .unwrap_or_default();
    let number = |place: &PathBuf| -> u32 {
        place.parent().and_then(Path::file_name).and_then(|name| name.to_str()?.parse().ok()).unwrap_or(0)
    };
    places.sort_by_key(|place| std::cmp::Reverse(number(place)));
    places.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let found = places.into_iter().map(|place| place.join(name)).find(|path| path.is_file());
    found.with_context(|| {
        format!("{name} is not installed here; it comes with PostgreSQL's client (Debian: postgresql-client)")
    })
}

fn without_password(url: &str) -> (String, Option<String>) {
    let parts = url.split_once("://").and_then(|(scheme, rest)| {
        let (login, place) = rest.split_once('@')?;
        let (user, password) = login.split_once(':')?;
        Some((format!("{scheme}://{user}@{place}"), decoded(password)))
    });
    parts.map_or_else(|| (url.to_owned(), None), |(url, password)| (url, Some(password)))
}

fn decoded(text: &str) -> String {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let escaped = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_taken_out_of_the_url() {
        let of = |url: &str| without_password(url);
        assert_eq!(
            of("postgres://a:s%40c@h/d"),
            (String::from("postgres://a@h/d"), Some(String::from("s@c")))
        );
        assert_eq!(of("postgres://a@h/d?host=/run"), (String::from("postgres://a@h/d?host=/run"), None));
        assert_eq!(of("postgres://h:5432/d"), (String::from("postgres://h:5432/d"), None));
        assert_eq!(decoded("50%25%"), "50%%");
    }
}
