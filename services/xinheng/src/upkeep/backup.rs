//! `backup`: every database and the secrets into a new folder, while the suite runs.
use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use chassis::{clock::Clock, settings::Settings, storage::journals};

use super::{COPIED_IN_ORDER, Databases, Kept, MANIFEST, Manifest, SECRETS, digest, postgres, sync};
use crate::suite;

/// Makes a backup in a folder that is not there yet, or empty; where so many are to be kept, in one of its own in that folder.
pub async fn backup(settings: &Settings, folder: &Path, keep: Option<u16>) -> anyhow::Result<()> {
    let Some(keep) = keep else { return one(settings, folder).await };
    let now = Clock::default().now();
    // Sorted by its name, it is sorted by time.
    one(settings, &folder.join(now.strftime("%Y%m%dT%H%M%SZ").to_string())).await?;
    for old in superfluous(folder, keep.into())? {
        fs::remove_dir_all(&old).with_context(|| format!("{} can't be removed", old.display()))?;
        println!("removed {}", old.display());
    }
    Ok(())
}

// Of the backups in a folder those older than so many whole ones, and what broke off before the last of these. What is named otherwise is
// not ours.
fn superfluous(folder: &Path, keep: usize) -> anyhow::Result<Vec<PathBuf>> {
    let mut backups = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("{} can't be read", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", name).is_ok() && path.is_dir() {
            backups.push(path);
        }
    }
    backups.sort();
    let (mut whole, mut old) = (0, Vec::new());
    for backup in backups.into_iter().rev() {
        if backup.join(MANIFEST).exists() && whole < keep {
            whole += 1;
        } else if whole > 0 {
            old.push(backup);
        }
    }
    Ok(old)
}

async fn one(settings: &Settings, folder: &Path) -> anyhow::Result<()> {
    let databases = Databases::of(settings, &[])?;
    let taken = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    anyhow::ensure!(!taken, "{} is not empty; name a folder for this backup alone", folder.display());
    suite::make_folder(folder)?;
    let (mut files, mut migrations) = (Vec::new(), BTreeMap::new());
    for role in COPIED_IN_ORDER {
        let lying = databases.open(role).await?;
        let lying = lying
            .with_context(|| format!("{} has no database yet; there is nothing to keep", role.name()))?;
        migrations.insert(role.name().to_owned(), lying.applied().await?);
        let name = if databases.is_sqlite() {
            // Before the file: whatever comes into it meanwhile is in one of the two, and what is in both is brought in once.
            for path in journals(&settings.data_dir, role.name())? {
                files.extend(copied_beside(&path, folder)?);
            }
            let name = format!("{}.sqlite", role.name());
            lying
                .copy_to(&folder.join(&name))
                .await
                .with_context(|| format!("the copy of {}", role.name()))?;
            name
        } else {
            let name = format!("{}.dump", role.name());
            postgres::dump(&databases.url(role), &folder.join(&name))?;
            name
        };
        lying.close().await;
        files.push(kept(folder, name)?);
    }
    // Where the secrets are the cluster's, they are its to keep.
    for name in SECRETS {
        let source = settings.data_dir.join(name);
        if source.exists() {
            fs::copy(&source, folder.join(name))
                .with_context(|| format!("{} can't be copied", source.display()))?;
            files.push(kept(folder, name.to_owned())?);
        }
    }
    let bytes: u64 = files.iter().map(|file| file.bytes).sum();
    let told = format!("{} files, {bytes} bytes", files.len());
    let manifest = Manifest {
        format: 1,
        release: env!("CARGO_PKG_VERSION").to_owned(),
        made_at: Clock::default().now().to_string(),
        database: String::from(if databases.is_sqlite() { "SQLite" } else { "PostgreSQL" }),
        files,
        migrations,
    };
    // Last: without it the folder is no backup.
    fs::write(folder.join(MANIFEST), serde_json::to_vec_pretty(&manifest)?)
        .with_context(|| format!("{} can't be written", folder.join(MANIFEST).display()))?;
    sync(&folder.join(MANIFEST))?;
    sync(folder)?;
    println!(
        "kept in {}: {told}; try it: xinheng restore {0} --data-dir <an empty folder>",
        folder.display()
    );
    Ok(())
}

// A file beside a database, unless it has been brought in by now.
fn copied_beside(path: &Path, folder: &Path) -> anyhow::Result<Option<Kept>> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    match fs::copy(path, folder.join(&name)) {
        Ok(_) => kept(folder, name).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} can't be copied", path.display())),
    }
}

fn kept(folder: &Path, name: String) -> anyhow::Result<Kept> {
    let file = folder.join(&name);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
    sync(&file)?;
    let (bytes, sha256) = digest(&file)?;
    Ok(Kept { name, bytes, sha256 })
}
