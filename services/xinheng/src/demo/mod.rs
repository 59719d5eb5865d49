//! The main job told step by step: a fictional city, the departments' own tokens, everything over the gateway.
mod city;
mod story;
mod telling;

use chassis::{serve, settings::Settings, telemetry};

use crate::suite;

// The story has its own day, so that it is the same every time: two weeks after the contract's example of a notice.
const DAY: &str = "2026-03-02T09:00:00+08:00";

/// Runs the suite, tells the story, and serves on unless told to end.
pub async fn run(mut settings: Settings, exit: bool) -> anyhow::Result<()> {
    if settings.clock_start.is_empty() {
        settings.clock_start = String::from(DAY);
    }
    // The story is the output; the log would tear it. What goes wrong still shows.
    if settings.log == chassis::settings::DEFAULT_LOG {
        settings.log = String::from("warn");
    }
    anyhow::ensure!(
        settings.tls_certificate.as_os_str().is_empty(),
        "the demo tells its story over plain HTTP; leave tls_certificate empty"
    );
    let data_dir = settings.data_dir.clone();
    let _telemetry = telemetry::init(&settings, "demo")?;
    let running = suite::up(settings).await?;
    let base = format!("http://{}", running.address);
    let told = story::tell(&base, &data_dir, running.clock.today()).await;
    let outcome = match told {
        Ok(()) if exit => Ok(()),
        Ok(()) => {
            println!("\n{}\nIt keeps serving; Ctrl-C ends it.", running.welcome());
            serve::stop_signal().await;
            Ok(())
        }
        Err(error) => Err(error),
    };
    running.stop().await;
    outcome
}
