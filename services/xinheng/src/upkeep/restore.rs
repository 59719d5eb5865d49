//! `restore`: a backup into an empty data folder or empty databases, verified before anything is written.
use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use chassis::{settings::Settings, upkeep::Lying};

use super::{COPIED_IN_ORDER, Databases, MANIFEST, Manifest, digest, known, postgres, sync};
use crate::{command::RoleName, suite};

/// Puts a backup back.
pub async fn restore(settings: &Settings, folder: &Path) -> anyhow::Result<()> {
    let databases = Databases::of(settings, &[])?;
    let manifest = verified(folder)?;
    let here = if databases.is_sqlite() { "SQLite" } else { "PostgreSQL" };
    anyhow::ensure!(
        manifest.database == here,
        "the backup is of {}, the settings name {here}; give the database setting that it was made with",
        manifest.database
    );
    for (role, applied) in &manifest.migrations {
        let role = RoleName::ALL.into_iter().find(|known| known.name() == role);
        let role = role.context("the backup has a role that this release does not know")?;
        let newer: Vec<&String> = applied.iter().filter(|name| !known(role).contains(name)).collect();
        anyhow::ensure!(
            newer.is_empty(),
            "the backup was made by {}, whose tables of {} this release does not know ({newer:?}); restore it with that release",
            manifest.release,
            role.name()
        );
    }
    suite::make_folder(&settings.data_dir)?;
    let _lock = suite::lock(&settings.data_dir)?;
    // Nothing that lives is written over: not a file, not a table.
    let mut placed: Vec<(PathBuf, PathBuf)> = Vec::new();
    for file in manifest.files.iter().filter(|file| !file.name.ends_with(".dump")) {
        let target = settings.data_dir.join(&file.name);
        anyhow::ensure!(
            !target.exists(),
            "{} is there already; nothing is written over. Choose an empty --data-dir, or move the old one away",
            target.display()
        );
        placed.push((folder.join(&file.name), target));
    }
    if !databases.is_sqlite() {
        for role in COPIED_IN_ORDER {
            if let Some(lying) = databases.open(role).await? {
                let tables = lying.tables().await?;
                lying.close().await;
                anyhow::ensure!(
                    tables.is_empty(),
                    "the database of {} has {} tables already; nothing is written over. Name an empty one, or drop it yourself",
                    role.name(),
                    tables.len()
                );
            }
        }
        for role in COPIED_IN_ORDER {
            let url = databases.url(role);
            Lying::make(&url).await?;
            postgres::restore(&url, &folder.join(format!("{}.dump", role.name())))?;
            let lying = databases.open(role).await?.context("the restored database is not there")?;
            let passed = lying.pass_transactions().await?;
            lying.close().await;
            if passed > 0 {
                println!("{}: {passed} transactions passed, so that the feed's positions go on", role.name());
            }
        }
    }
    place(&settings.data_dir, &placed).await?;
    println!(
        "restored from {}: {} files of {}, as of {}; `xinheng doctor` looks at them",
        folder.display(),
        manifest.files.len(),
        manifest.release,
        manifest.made_at
    );
    Ok(())
}

// The manifest of a backup whose files are all there and as they were.
fn verified(folder: &Path) -> anyhow::Result<Manifest> {
    let path = folder.join(MANIFEST);
    let text = fs::read(&path).with_context(|| {
        format!("{} is no whole backup: {} can't be read", folder.display(), path.display())
    })?;
    let manifest: Manifest =
        serde_json::from_slice(&text).with_context(|| format!("{} can't be understood", path.display()))?;
    anyhow::ensure!(manifest.format == 1, "{} is of the format {}", path.display(), manifest.format);
    for file in &manifest.files {
        let plain = !file.name.contains('/') && !file.name.starts_with('.');
        anyhow::ensure!(plain, "{} names a file outside the backup: {}", path.display(), file.name);
        let (bytes, sha256) = digest(&folder.join(&file.name))?;
        anyhow::ensure!(
            bytes == file.bytes && sha256 == file.sha256,
            "{} is damaged: {} has {bytes} bytes and SHA-256 {sha256}, its manifest says {} and {}",
            folder.display(),
            file.name,
            file.bytes,
            file.sha256
        );
    }
    Ok(manifest)
}

// A file's name with one more extension.
fn named(file: &Path, extension: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

// All of it is written and looked at beside its place, and then moved there.
async fn place(data_dir: &Path, placed: &[(PathBuf, PathBuf)]) -> anyhow::Result<()> {
    let beside = |target: &Path| named(target, "restored");
    for (source, target) in placed {
        let new = beside(target);
        fs::copy(source, &new).with_context(|| format!("{} can't be written", new.display()))?;
        sync(&new)?;
        if target.extension().is_some_and(|extension| extension == "sqlite") {
            let lying = Lying::open_file(&new).await?;
            let damage = lying.damage().await?;
            lying.close().await;
            // What SQLite puts beside a file that is looked at, under a name that goes.
            for beside in ["restored-wal", "restored-shm"] {
                let _ = fs::remove_file(named(target, beside));
            }
            anyhow::ensure!(damage.is_none(), "{}: {}", source.display(), damage.unwrap_or_default());
        }
    }
    for (_, target) in placed {
        fs::rename(beside(target), target)
            .with_context(|| format!("{} can't be put in place", target.display()))?;
    }
    sync(data_dir)
}
