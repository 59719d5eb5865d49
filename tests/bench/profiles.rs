//! Profiles by code at sixteen clients at once, each look written to the access log, against a trivial call: as many as come through, each
//! client asking again as soon as it has its answer, which is the whole machine's limit; and at a pace, fifty a second from each, which is
//! how long somebody waits. Of what comes through by gRPC the middle one of rounds is told, by their p99.
use std::time::Duration;

use anyhow::Context as _;
use chassis::trial::Postgres;
use contract::credit::v1 as api;
use suites::world;
use xinheng::client::Client;

use crate::{
    clients::{Bare, PACE, ROUNDS, Times, rounds, timed},
    intake::{City, SUBJECTS, scattered},
};

const CLIENTS: u32 = 16;
const CALLS: u32 = 500;

// Of a profile what is looked at: the service is measured, not how its neighbours on the same processors read.
#[derive(Clone, PartialEq, prost::Message)]
struct Met {
    #[prost(message, optional, tag = "2")]
    subject: Option<api::Subject>,
}

/// Measures both databases.
pub async fn measure() -> anyhow::Result<()> {
    println!(
        "{CLIENTS} clients, {CALLS} calls each one after another (gRPC profiles without a pause: the middle one of {ROUNDS} rounds); {SUBJECTS} subjects with four records each on average"
    );
    println!("{:<11} {:<22} {:>9} {:>9} {:>9}", "", "", "median", "p99", "calls/s");
    let folder = tempfile::tempdir()?;
    let cluster = Postgres::start_with(&[]);
    for postgres in [true, false] {
        let city = City::open(folder.path(), postgres.then_some(&cluster)).await?;
        city.register().await?;
        let (_, position) = city.take_in(0).await?;
        city.counted(position).await?;
        let name = if postgres { "PostgreSQL" } else { "SQLite" };

        let token = city.gateway.office().await.token().context("no token")?.to_owned();
        let (mut items, mut profiles) = (Vec::new(), Vec::new());
        for _ in 0..CLIENTS {
            let bare = async |method| Bare::connect(&city.credit.base, method, &token).await;
            items.push(bare("/xinheng.credit.v1.Items/GetItem").await?);
            profiles.push(bare("/xinheng.credit.v1.Profiles/GetProfile").await?);
        }
        let trivial = timed(items, CALLS, None, |client, _, _| async move {
            let item = String::from("administrative-penalty");
            let _: api::CatalogueItem =
                client.call(&api::GetItemRequest { item, ..Default::default() }).await?;
            Ok(())
        });
        let trivial = told(name, "gRPC one item", &trivial.await?, None);
        let request = |serial| api::GetProfileRequest {
            uscc: world::code(scattered(serial)),
            purpose: String::from("日常监管"),
            ..Default::default()
        };
        let profile = move |client: Bare, place, turn| async move {
            let request = request(place * 7919 + turn);
            let profile: Met = client.call(&request).await?;
            let subject = profile.subject.context("a profile without a subject")?;
            anyhow::ensure!(subject.uscc == request.uscc, "another subject's profile");
            Ok(())
        };
        let whole: api::Profile = profiles[0].call(&request(0)).await?;
        anyhow::ensure!(!whole.records.is_empty(), "a profile without records");
        told(name, "gRPC profile, credit", &rounds(&profiles, CALLS, profile).await?, Some(trivial));
        told(name, "gRPC profile, at a pace", &timed(profiles, CALLS, Some(PACE), profile).await?, None);

        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            clients.push(Client::new(&city.gateway.base).sign_in_as_office(&city.gateway.data_dir).await?);
        }
        let trivial = timed(clients.clone(), CALLS, None, |client, _, _| async move {
            client.get("/.well-known/jwks.json").await?;
            Ok(())
        });
        let trivial = told(name, "REST jwks", &trivial.await?, None);
        let profile = |client: Client, place, turn| async move {
            let path = format!(
                "/credit/v1/subjects/{}/profile?purpose=inspection",
                world::code(scattered(place * 7919 + turn))
            );
            let profile = client.get(&path).await?;
            anyhow::ensure!(profile["subject"].is_object(), "a profile without a subject");
            Ok(())
        };
        told(
            name,
            "REST profile, gateway",
            &timed(clients.clone(), CALLS, None, profile).await?,
            Some(trivial),
        );
        told(name, "REST profile, at a pace", &timed(clients, CALLS, Some(PACE), profile).await?, None);
    }
    Ok(())
}

fn told(database: &str, what: &str, times: &Times, trivial: Option<Duration>) -> Duration {
    let milliseconds = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
    let ratio = trivial.map(|trivial| {
        format!("  p99 {:.1} x the trivial call's", times.within(99).as_secs_f64() / trivial.as_secs_f64())
    });
    println!(
        "{database:<11} {what:<22} {:>9} {:>9} {:>9.0}{}",
        milliseconds(times.within(50)),
        milliseconds(times.within(99)),
        times.rate(),
        ratio.unwrap_or_default(),
    );
    times.within(99)
}
