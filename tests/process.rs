//! The real binary, started as an operator would, in a folder of its own.
use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Once,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use xinheng::client::Client;

/// Where a process runs: its address, the words of a command through which it is started there, and which release it is.
#[derive(Clone)]
pub struct Machine {
    /// How the others reach it.
    pub address: String,
    /// For example `ip netns exec NAME`; none on this machine.
    pub through: Vec<String>,
    /// Another release's binary; none: this one's.
    pub release: Option<PathBuf>,
}

impl Machine {
    /// This one.
    pub fn here() -> Self {
        Self { address: String::from("127.0.0.1"), through: Vec::new(), release: None }
    }
}

// Below it stand the system's own and what a machine is known to run.
const FIRST_PORT: u32 = 10_000;

/// A running `xinheng up`, or one role of it.
pub struct Suite {
    child: Child,
    /// Where it serves.
    pub base: String,
    /// Where the operator looks.
    pub admin: String,
    /// From start to the first answer.
    pub started_in: Duration,
    command: Vec<String>,
    /// Its data folder.
    pub data_dir: PathBuf,
}

/// The binary that stands beside this test's own; built once where it is missing or old.
pub fn binary() -> PathBuf {
    static BUILT: Once = Once::new();
    let own = std::env::current_exe().unwrap();
    let folder =
        own.ancestors().find(|folder| folder.ends_with("debug") || folder.ends_with("release")).unwrap();
    BUILT.call_once(|| {
        // Through the PATH, so that the toolchain is chosen as at the prompt; the whole workspace, so that features are as in its tests.
        let mut build = Command::new("cargo");
        build
            .args(["build", "--quiet", "--workspace", "--bins", "--target-dir"])
            .arg(folder.parent().unwrap());
        if folder.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.current_dir(root()).status().unwrap().success(), "the binary does not build");
    });
    folder.join("xinheng")
}

/// The workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A port that nobody listens on, and that no connection is given as its own: who starts a program again at its port finds it free. Ports
/// that the system hands out would not do, since whoever calls a program that is down may be given its very port.
pub fn free_port() -> u16 {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    let handed_out = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
    let end: u32 = handed_out.split_whitespace().next().unwrap().parse().unwrap();
    assert!(end > FIRST_PORT, "the system hands out ports from {end} on");
    loop {
        // Two programs of tests at once begin at different ones.
        let number = std::process::id() + TRIED.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(FIRST_PORT + number % (end - FIRST_PORT)).unwrap();
        if TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
}

impl Suite {
    /// Starts all of it on a folder, with further flags, and waits for the first answer.
    pub async fn up(data_dir: &Path, more: &[&str]) -> Self {
        Self::start(&Machine::here(), free_port(), &["up"], data_dir, more).await
    }

    /// Starts one role on a folder of its own.
    pub async fn serve(role: &str, data_dir: &Path, more: &[&str]) -> Self {
        Self::serve_on(free_port(), role, data_dir, more).await
    }

    /// The same on a port that others were told of.
    pub async fn serve_on(port: u16, role: &str, data_dir: &Path, more: &[&str]) -> Self {
        Self::serve_at(&Machine::here(), port, role, data_dir, more).await
    }

    /// The same on another machine.
    pub async fn serve_at(at: &Machine, port: u16, role: &str, data_dir: &Path, more: &[&str]) -> Self {
        Self::start(at, port, &["serve", role], data_dir, more).await
    }

    async fn start(at: &Machine, port: u16, action: &[&str], data_dir: &Path, more: &[&str]) -> Self {
        let (host, admin) = (&at.address, free_port());
        let flags = [
            "--data-dir",
            data_dir.to_str().unwrap(),
            "--listen",
            &format!("{host}:{port}"),
            "--admin-listen",
            &format!("{host}:{admin}"),
            "--log",
            "warn",
        ];
        let words = action.iter().chain(&flags).chain(more).map(|&word| word.to_owned());
        let program = at.release.clone().unwrap_or_else(binary).display().to_string();
        let command: Vec<String> = at.through.iter().cloned().chain([program]).chain(words).collect();
        let admin = format!("http://{host}:{admin}");
        let (child, started_in) = start(&command, &admin).await;
        Self {
            child,
            base: format!("http://{host}:{port}"),
            admin,
            started_in,
            command,
            data_dir: data_dir.to_path_buf(),
        }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// A client signed in as the credit office.
    pub async fn office(&self) -> Client {
        Client::new(&self.base).sign_in_as_office(&self.data_dir).await.unwrap()
    }

    /// Ends it as a power cut would, and starts it again on the same folder.
    pub async fn kill_and_restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let (child, started_in) = start(&self.command, &self.admin).await;
        self.child = child;
        self.started_in = started_in;
    }

    /// Asks it to stop, and waits for the end.
    pub fn terminate(mut self) -> ExitStatus {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(told.success());
        self.child.wait().unwrap()
    }

    /// Resident memory in MiB.
    pub fn resident_mib(&self) -> u64 {
        self.memory_mib("VmRSS:")
    }

    /// The most resident memory that it ever had, in MiB.
    pub fn resident_peak_mib(&self) -> u64 {
        self.memory_mib("VmHWM:")
    }

    fn memory_mib(&self, what: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(what)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }
}

async fn start(command: &[String], admin: &str) -> (Child, Duration) {
    let started = Instant::now();
    let mut child = Command::new(&command[0])
        .args(&command[1..])
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let client = Client::new(admin);
    for _ in 0..12_000 {
        if client.try_get("/readyz").await.is_ok_and(|reply| reply.status.is_success()) {
            let started_in = started.elapsed();
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            assert!(line.starts_with("xinheng"), "{line}");
            return (child, started_in);
        }
        if let Some(status) = child.try_wait().unwrap() {
            panic!("xinheng ended with {status} before it served");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let _ = child.kill();
    panic!("xinheng did not serve within a minute");
}

impl Drop for Suite {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
