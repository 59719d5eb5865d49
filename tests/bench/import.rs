//! A file of subjects through the gateway, as a city's registrar sends it, against the database alone with the same rows.
use std::{path::Path, time::Instant};

use bytes::Bytes;
use chassis::trial::Postgres;
use xinheng::client::Client;

use crate::{baseline::Rows, intake::City};

/// Measures both databases.
pub async fn measure(file: &Path) -> anyhow::Result<()> {
    let file = Bytes::from(std::fs::read(file)?);
    let folder = tempfile::tempdir()?;
    let cluster = Postgres::start_with(&[]);
    for postgres in [false, true] {
        let city = City::open(folder.path(), postgres.then_some(&cluster)).await?;
        let office = Client::new(&city.gateway.base).sign_in_as_office(&city.gateway.data_dir).await?;
        let started = Instant::now();
        let ended = office.import("kind=subjects&format=csv", file.clone(), |_| {}).await?;
        let took = started.elapsed().as_secs_f64();
        let progress = &ended["metadata"]["progress"];
        let count = |what: &str| progress[what].as_u64().unwrap_or_default();
        let accepted = count("accepted");
        let baseline =
            city.baseline(&Rows { table: "subjects", condition: "1 = 1", count: accepted }).await?;
        let baseline = baseline.as_secs_f64();
        println!(
            "{:<11} {} rows ({accepted} accepted, {} duplicates, {} rejected) in {took:.1} s, {:.0} rows/s; credit had {} MiB \
             at most, the gateway {} MiB; {} of the accepted {baseline:.1} s, {:.1} x",
            if postgres { "PostgreSQL" } else { "SQLite" },
            count("rows"),
            count("duplicates"),
            count("rejected"),
            count("rows") as f64 / took,
            city.credit.resident_peak_mib(),
            city.gateway.resident_peak_mib(),
            if postgres { "COPY" } else { "INSERT" },
            took / baseline,
        );
    }
    Ok(())
}
