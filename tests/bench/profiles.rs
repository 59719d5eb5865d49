//! Profiles by code at sixteen clients at once, each look written to the access log, against a trivial call: as many as come through, each
//! client asking again as soon as it has its answer, which is the whole machine's limit; and at a pace, fifty a second from each, which is
//! how long somebody waits.
use std::time::{Duration, Instant};

use anyhow::Context as _;
use chassis::{trial::Postgres, upstream::Upstream};
use contract::credit::v1::{self as api, items_client::ItemsClient, profiles_client::ProfilesClient};
use suites::world;
use xinheng::client::Client;

use crate::intake::{City, SUBJECTS, scattered};

const CLIENTS: u32 = 16;
const CALLS: u32 = 500;
const PACE: Duration = Duration::from_millis(20);

/// Measures both databases.
pub async fn measure() -> anyhow::Result<()> {
    println!(
        "{CLIENTS} clients, {CALLS} calls each one after another; {SUBJECTS} subjects with four records each on average"
    );
    println!("{:<11} {:<22} {:>9} {:>9} {:>9}", "", "", "median", "p99", "calls/s");
    let folder = tempfile::tempdir()?;
    let cluster = Postgres::start_with(&[]);
    for postgres in [true, false] {
        let city = City::open(folder.path(), postgres.then_some(&cluster)).await?;
        city.register().await?;
        city.take_in(0).await?;
        let name = if postgres { "PostgreSQL" } else { "SQLite" };

        let (mut items, mut profiles) = (Vec::new(), Vec::new());
        for _ in 0..CLIENTS {
            items.push(ItemsClient::new(city.client()?));
            profiles.push(ProfilesClient::new(city.client()?));
        }
        let trivial = timed(items, None, |mut client, _| async move {
            let item = String::from("administrative-penalty");
            client.get_item(api::GetItemRequest { item, ..Default::default() }).await?;
            Ok(())
        });
        let trivial = told(name, "gRPC one item", trivial.await?, None);
        let profile = |mut client: ProfilesClient<Upstream>, turn| async move {
            let uscc = world::code(scattered(turn));
            let request =
                api::GetProfileRequest { uscc, purpose: String::from("日常监管"), ..Default::default() };
            let profile = client.get_profile(request).await?.into_inner();
            profile.subject.context("a profile without a subject")?;
            Ok(())
        };
        told(name, "gRPC profile, credit", timed(profiles.clone(), None, profile).await?, Some(trivial));
        told(name, "gRPC profile, at a pace", timed(profiles, Some(PACE), profile).await?, None);

        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            clients.push(Client::new(&city.gateway.base).sign_in_as_office(&city.gateway.data_dir).await?);
        }
        let trivial = timed(clients.clone(), None, |client, _| async move {
            client.get("/.well-known/jwks.json").await?;
            Ok(())
        });
        let trivial = told(name, "REST jwks", trivial.await?, None);
        let profile = |client: Client, turn| async move {
            let path =
                format!("/credit/v1/subjects/{}/profile?purpose=inspection", world::code(scattered(turn)));
            let profile = client.get(&path).await?;
            anyhow::ensure!(profile["subject"].is_object(), "a profile without a subject");
            Ok(())
        };
        told(name, "REST profile, gateway", timed(clients.clone(), None, profile).await?, Some(trivial));
        told(name, "REST profile, at a pace", timed(clients, Some(PACE), profile).await?, None);
    }
    Ok(())
}

// Each client's calls one after another, all clients at once and each on its own; the times of all calls, sorted, and the whole time.
async fn timed<C, F>(
    clients: Vec<C>,
    pace: Option<Duration>,
    call: impl Fn(C, u32) -> F + Clone + Send + 'static,
) -> anyhow::Result<(Vec<Duration>, Duration)>
where
    C: Clone + Send + 'static,
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let started = Instant::now();
    let mut work = tokio::task::JoinSet::new();
    for (place, client) in (0_u32..).zip(clients) {
        let call = call.clone();
        work.spawn(async move {
            let (mut times, began) = (Vec::new(), Instant::now());
            for turn in 0..CALLS + CALLS / 10 {
                if let Some(pace) = pace {
                    // Spread over the pace, so that they do not all ask in one moment.
                    let due = began + pace * turn + pace * place / CLIENTS;
                    tokio::time::sleep_until(due.into()).await;
                }
                let started = Instant::now();
                call(client.clone(), place * 7919 + turn).await?;
                // The first tenth warms up.
                if turn >= CALLS / 10 {
                    times.push(started.elapsed());
                }
            }
            anyhow::Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(done) = work.join_next().await {
        times.extend(done??);
    }
    times.sort_unstable();
    Ok((times, started.elapsed()))
}

fn told(
    database: &str,
    what: &str,
    (times, took): (Vec<Duration>, Duration),
    trivial: Option<Duration>,
) -> Duration {
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    let milliseconds = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
    let ratio = trivial.map(|trivial| {
        format!("  p99 {:.1} x the trivial call's", at(99).as_secs_f64() / trivial.as_secs_f64())
    });
    println!(
        "{database:<11} {what:<22} {:>9} {:>9} {:>9.0}{}",
        milliseconds(at(50)),
        milliseconds(at(99)),
        times.len() as f64 * 1.1 / took.as_secs_f64(),
        ratio.unwrap_or_default(),
    );
    at(99)
}
