//! A machine that is cut off from the network, its processes running on: every packet to and from it is dropped, nothing is closed or
//! refused. The machine is a network namespace with the first replica of every service; the others, the database and what stands before the
//! services are outside.
use std::io::Write as _;

use super::*;

// Long enough that the other side must have given up what it waited for: pings of connections, locks of transactions that will not go on.
const CUT: Duration = Duration::from_secs(45);

struct Island {
    name: String,
    // Of the pair of interfaces: outside, inside.
    links: [String; 2],
    addresses: [String; 2],
}

fn ip(words: &[&str]) -> bool {
    Command::new("ip")
        .args(words)
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

impl Island {
    // None where this machine's user may make no namespaces.
    fn rise() -> Option<Self> {
        let id = std::process::id();
        let island = Self {
            name: format!("xinheng-{id}"),
            links: [format!("xo{id}"), format!("xi{id}")],
            // Of the range that is never routed (RFC 2544).
            addresses: [1, 2].map(|host| format!("198.18.{}.{}", id % 256, host + id / 256 % 63 * 4)),
        };
        let ([outside, inside], [there, here]) = (&island.links, &island.addresses);
        let name = island.name.as_str();
        let made = ip(&["netns", "add", name])
            && ip(&["link", "add", outside, "type", "veth", "peer", "name", inside, "netns", name])
            && ip(&["addr", "add", &format!("{there}/30"), "dev", outside])
            && ip(&["link", "set", outside, "up"])
            && ip(&["-n", name, "addr", "add", &format!("{here}/30"), "dev", inside])
            && ip(&["-n", name, "link", "set", "lo", "up"])
            && ip(&["-n", name, "link", "set", inside, "up"]);
        // Dropped, it clears away what was made.
        made.then_some(island)
    }

    fn machine(&self) -> Machine {
        let through = ["ip", "netns", "exec", &self.name].map(str::to_owned);
        Machine { address: self.addresses[1].clone(), through: through.into(), release: None }
    }

    // Each side sends to where nobody is: nobody answers, and nobody is told so.
    fn cut(&self) {
        let ([outside, inside], [there, here]) = (&self.links, &self.addresses);
        let nobody = "02:00:00:00:00:01";
        let lost = ["nud", "permanent"];
        assert!(ip(&[&["neigh", "replace", here, "dev", outside, "lladdr", nobody][..], &lost].concat()));
        let inner = ["-n", &self.name, "neigh", "replace", there, "dev", inside, "lladdr", nobody];
        assert!(ip(&[&inner[..], &lost].concat()));
    }

    fn heal(&self) {
        let ([outside, inside], [there, here]) = (&self.links, &self.addresses);
        assert!(ip(&["neigh", "del", here, "dev", outside]));
        assert!(ip(&["-n", &self.name, "neigh", "del", there, "dev", inside]));
    }
}

impl Drop for Island {
    fn drop(&mut self) {
        ip(&["link", "del", &self.links[0]]);
        ip(&["netns", "del", &self.name]);
    }
}

async fn answers(machine: &Suite, within: Duration) -> bool {
    let asked = Client::new(&machine.admin);
    tokio::time::timeout(within, asked.try_get("/healthz")).await.is_ok_and(|reply| reply.is_ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_is_cut_off_and_nobody_notices() {
    let Some(island) = Island::rise() else {
        let told =
            "a_machine_is_cut_off…: SKIPPED, it takes root and `ip netns` (apt-get install iproute2)\n";
        // What goes through the macros is shown of tests that fail only.
        std::io::stderr().write_all(told.as_bytes()).unwrap();
        return;
    };
    // By the network, over which alone the island reaches it.
    let outside = island.addresses[0].as_str();
    let rules = tempfile::tempdir().unwrap();
    let file = rules.path().join("hba");
    std::fs::write(&file, "local all all trust\nhost all all 198.18.0.0/15 trust\n").unwrap();
    assert!(Command::new("chmod").args(["-R", "a+rX"]).arg(rules.path()).status().unwrap().success());
    let port = free_port();
    let settings = [format!("listen_addresses={outside}"), format!("hba_file={}", file.display())];
    let settings: Vec<&str> =
        settings.iter().map(String::as_str).chain(["fsync=off", "full_page_writes=off"]).collect();
    let postgres = Postgres::start_on(port, &settings);
    let url = format!("postgres://xinheng@{outside}:{port}/cut_{{service}}");
    let cluster = Cluster::start(url, outside, [island.machine(), Machine::here()]).await;
    let load = Load::begin(&cluster).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let one = cluster.replicas[0][0].as_ref().unwrap();
    assert!(answers(one, Duration::from_secs(2)).await);
    island.cut();
    assert!(!answers(one, Duration::from_secs(2)).await, "it is not cut off");
    tokio::time::sleep(CUT).await;
    island.heal();
    // It is no other process that answers again.
    let mut back = false;
    for _ in 0..60 {
        if answers(one, Duration::from_secs(1)).await {
            back = true;
            break;
        }
    }
    assert!(back, "it does not come back");
    let acknowledged = load.end().await;
    println!("{acknowledged} records acknowledged, {} s of them without one of two machines", CUT.as_secs());
    drop((cluster, postgres));
}
