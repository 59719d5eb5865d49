//! An honest client's p99 alone, and beside two hundred clients of each slow kind.
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::sleep,
};
use xinheng::client::Client;

const SLOW: usize = 200;
const CALLS: usize = 2_000;
const ROUNDS: usize = 3;

/// Measures and prints the ratio.
pub async fn beside(base: &str) -> anyhow::Result<()> {
    let address = base.trim_start_matches("http://").to_owned();
    let kinds: [(&str, &[u8]); 5] = [
        ("slow headers", b"GET / HTTP/1.1\r\nhost: x\r\nx-a: "),
        ("slow body", b"POST /oauth2/token HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n{"),
        ("slow reader", b""),
        ("silent HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"),
        ("idle", b""),
    ];
    let mut alone = p99(base).await?;
    let mut ratios = Vec::new();
    for round in 0..ROUNDS {
        let mut clients = JoinSet::new();
        for (kind, begins) in kinds {
            for _ in 0..SLOW {
                let address = address.clone();
                clients.spawn(async move { slow(&address, kind, begins).await });
            }
        }
        sleep(Duration::from_millis(500)).await;
        let among = p99(base).await?;
        clients.shutdown().await;
        ratios.push(among.as_secs_f64() / alone.as_secs_f64());
        println!(
            "round {round}: an honest client's p99 {:.2} ms alone, {:.2} ms beside {SLOW} of each of {} slow kinds",
            alone.as_secs_f64() * 1e3,
            among.as_secs_f64() * 1e3,
            kinds.len()
        );
        sleep(Duration::from_secs(1)).await;
        alone = p99(base).await?;
    }
    ratios.sort_by(f64::total_cmp);
    println!("median {:.2} x (the aim: under 2)", ratios[ROUNDS / 2]);
    Ok(())
}

async fn p99(base: &str) -> anyhow::Result<Duration> {
    let client = Client::new(base);
    let mut times = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let started = Instant::now();
        let reply = client.try_get("/.well-known/jwks.json").await?;
        anyhow::ensure!(reply.status.is_success(), "an honest client is answered {}", reply.status);
        times.push(started.elapsed());
    }
    times.sort_unstable();
    times.get(CALLS * 99 / 100).copied().context("no calls")
}

// Plays its kind until it is cut off, and begins anew.
async fn slow(address: &str, kind: &str, begins: &[u8]) -> anyhow::Result<()> {
    loop {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(4_096)?;
        let mut stream: TcpStream = socket.connect(address.parse()?).await?;
        if kind == "slow reader" {
            for _ in 0..20 {
                stream.write_all(b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n").await?;
            }
        }
        stream.write_all(begins).await?;
        let drips = kind.starts_with("slow ") && kind != "slow reader";
        loop {
            sleep(Duration::from_millis(250)).await;
            if drips && stream.write_all(b"b").await.is_err() {
                break;
            }
        }
    }
}
