//! The door against others in front of the same service, on the same cores, in one run: Envoy's gRPC-JSON transcoder with its cached JWT
//! filter, a handler written by hand, and the service itself; what passing a gRPC call on costs; and what slow clients cost an honest one.
mod envoy;
pub mod handler;
mod slow;

use std::{path::Path, time::Duration};

use anyhow::Context as _;
use contract::credit::v1::{CatalogueItem, GetItemRequest};
use serde_json::json;
use suites::process::{Suite, free_port};
use xinheng::client::Client;

use crate::clients::{Bare, Plain, timed};

const CONNECTIONS: u32 = 16;
const CALLS: u32 = 1_500;
const ROUNDS: usize = 3;
const ITEM: &str = "bench-item";
const PATH: &str = "/credit/v1/items/bench-item";

// Of one round: calls a second, and the time within which 99 of 100 were answered.
type Round = (f64, Duration);

/// Measures all of it. Where Envoy can't be had the rest is measured and the end is a failure.
pub async fn measure() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (gateway_port, credit_port) = (free_port(), free_port());
    let credit_url = format!("http://127.0.0.1:{credit_port}");
    let flags = ["--credit-url", &credit_url, "--address-connections-at-once", "5000"];
    let gateway = Suite::serve_on(gateway_port, "gateway", &folder.path().join("gateway"), &flags).await;
    let flags = ["--gateway-url", gateway.base.as_str()];
    let credit = Suite::serve_on(credit_port, "credit", &folder.path().join("credit"), &flags).await;
    let office = gateway.office().await;
    let token = office.token().context("no token")?.to_owned();
    office
        .put(PATH, json!({ "name": "虚构事项", "category": "虚构", "nature": "SHARED", "departments": ["finance"], "legalBasis": "虚构依据" }))
        .await?;
    let handler = handler::Child::start(&credit.base).await?;
    let envoy = envoy::Envoy::start(folder.path(), &gateway.base, credit_port).await;
    if let Err(error) = &envoy {
        println!("\n!!! ENVOY IS NOT MEASURED: {error:#}\n");
    }

    let mut rest = vec![("gateway", gateway.base.clone())];
    if let Ok(envoy) = &envoy {
        rest.push(("Envoy, transcoder and cached JWT", envoy.base.clone()));
    }
    rest.push(("axum handler by hand", handler.base.clone()));
    alike(&rest, &token).await?;

    println!(
        "GET {PATH} with a token, {CONNECTIONS} connections, {CALLS} calls each, {ROUNDS} rounds in turn"
    );
    let mut found: Vec<(&str, Vec<Round>)> = rest.iter().map(|(name, _)| (*name, Vec::new())).collect();
    found.push(("gRPC to the service itself", Vec::new()));
    for _ in 0..ROUNDS {
        for ((_, base), (_, rounds)) in rest.iter().zip(&mut found) {
            rounds.push(over_rest(base, &token).await?);
        }
        if let Some((_, rounds)) = found.last_mut() {
            rounds.push(over_grpc(&credit.base, &token).await?);
        }
    }
    let (ours, ours_p99) = median(&found[0].1);
    println!("{:<36} {:>9} {:>9}   the gateway's", "", "calls/s", "p99");
    for (name, rounds) in &found {
        let (rate, p99) = median(rounds);
        let ratios = format!(
            "{:.2} x the calls/s, {:.2} x the p99",
            ours / rate,
            ours_p99.as_secs_f64() / p99.as_secs_f64()
        );
        println!("{name:<36} {rate:>9.0} {:>6.2} ms   {ratios}", p99.as_secs_f64() * 1e3);
    }
    passing_on(&gateway, &token).await?;
    slow::beside(&gateway.base).await?;
    envoy.map(|_| ()).context("Envoy was not measured")
}

// What is compared must do the same work.
async fn alike(rest: &[(&str, String)], token: &str) -> anyhow::Result<()> {
    let mut first = None;
    for (name, base) in rest {
        let reply = Client::new(base).with_token(Some(token.to_owned())).try_get(PATH).await?;
        anyhow::ensure!(reply.status.is_success(), "{name} answers {}: {}", reply.status, reply.text());
        let (known, answer) = (first.get_or_insert_with(|| reply.json()), reply.json());
        anyhow::ensure!(*known == answer, "{name} answers otherwise: {answer}, not {known}");
        let none = Client::new(base).try_get(PATH).await?;
        anyhow::ensure!(none.status.as_u16() == 401, "{name} answers {} without a token", none.status);
    }
    Ok(())
}

fn median(rounds: &[Round]) -> Round {
    let mut rates: Vec<f64> = rounds.iter().map(|(rate, _)| *rate).collect();
    let mut times: Vec<Duration> = rounds.iter().map(|(_, p99)| *p99).collect();
    rates.sort_by(f64::total_cmp);
    times.sort_unstable();
    (rates[rates.len() / 2], times[times.len() / 2])
}

async fn over_rest(base: &str, token: &str) -> anyhow::Result<Round> {
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(Plain::connect(base, PATH, token).await?);
    }
    let call = |client: Plain, _, _| async move {
        let (status, body) = client.get().await?;
        anyhow::ensure!(status == 200, "{status}: {}", String::from_utf8_lossy(&body));
        Ok(())
    };
    let times = timed(clients, CALLS, None, call).await?;
    Ok((times.rate(), times.within(99)))
}

async fn over_grpc(base: &str, token: &str) -> anyhow::Result<Round> {
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(Bare::connect(base, "/xinheng.credit.v1.Items/GetItem", token).await?);
    }
    let call = |client: Bare, _, _| async move {
        let item = GetItemRequest { item: String::from(ITEM), ..Default::default() };
        let _: CatalogueItem = client.call(&item).await?;
        Ok(())
    };
    let times = timed(clients, CALLS, None, call).await?;
    Ok((times.rate(), times.within(99)))
}

// The gateway's own processor time for calls that it passes on.
async fn passing_on(gateway: &Suite, token: &str) -> anyhow::Result<()> {
    let calls = CONNECTIONS * (CALLS + CALLS / 10);
    let mut each = Vec::new();
    for _ in 0..ROUNDS {
        let before = processor(gateway.id())?;
        over_grpc(&gateway.base, token).await?;
        each.push((processor(gateway.id())? - before).as_secs_f64() * 1e6 / f64::from(calls));
    }
    each.sort_by(f64::total_cmp);
    println!(
        "gRPC passed on: {:.1} us of the gateway's processor time a call (median of {ROUNDS}; the aim: at most 40)",
        each[ROUNDS / 2]
    );
    Ok(())
}

// User and system time of a process so far; the kernel counts in hundredths of a second.
fn processor(id: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(Path::new("/proc").join(id.to_string()).join("stat"))?;
    let fields = stat.rsplit_once(')').context("no process")?.1;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 10))
}
