//! `xinheng clients` against a running suite: what it does, what it says, how it ends.
use std::process::{Child, Stdio};

use super::*;

// A suite that logs all that it can into a file.
struct Logging {
    child: Child,
    base: String,
    admin: String,
}

impl Logging {
    async fn up(data_dir: &Path, log: &Path) -> Self {
        let ports = [suites::process::free_port(), suites::process::free_port()];
        let [listen, admin] = ports.map(|port| format!("127.0.0.1:{port}"));
        let flags = ["--listen", &listen, "--admin-listen", &admin, "--log", "trace"];
        let child = Command::new(binary())
            .args(["up", "--data-dir", shown(data_dir)])
            .args(flags)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(log).unwrap())
            .spawn()
            .unwrap();
        let suite = Self { child, base: format!("http://{listen}"), admin: format!("http://{admin}") };
        let operator = Client::new(&suite.admin);
        for _ in 0..600 {
            if operator.try_get("/readyz").await.is_ok_and(|reply| reply.status.is_success()) {
                return suite;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("xinheng did not serve within a minute");
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// Without what it says on the other output: a secret stands alone on this one.
fn credentials(said: &str, client: &str) -> String {
    let told: Value = serde_json::from_str(said).unwrap_or_else(|error| panic!("{error}: {said}"));
    assert_eq!(told["clientId"], client, "{told}");
    let secret = told["clientSecret"].as_str().unwrap();
    assert_eq!(secret.len(), 64, "256 bits");
    secret.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_administered_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let log = folder.path().join("log");
    let suite = Logging::up(&data_dir, &log).await;
    let place = ["--gateway", &suite.base, "--data-dir", shown(&data_dir)];
    let clients = |args: &[&str]| xinheng(&[&["clients"], args, &place].concat());
    let well = |args: &[&str]| {
        let output = clients(args);
        assert!(output.status.success(), "{args:?}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    };
    let refused = |args: &[&str]| {
        let output = clients(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", text(&output.stdout));
        assert!(output.stdout.is_empty(), "{args:?}: {}", text(&output.stdout));
        text(&output.stderr)
    };
    assert!(well(&["list"]).lines().any(|line| line.starts_with("admin ")));

    // Registered, it signs in; nobody is told its secret again.
    let said = well(&[
        "register",
        "transport",
        "--name",
        "交通运输局",
        "--department",
        "transport",
        "--scopes",
        "credit.read,credit.write",
    ]);
    let first = credentials(&said, "transport");
    let door = Client::new(&suite.base);
    let signed_in = door.sign_in("transport", &first).await.unwrap();
    signed_in.get("/credit/v1/items").await.unwrap();
    let said = well(&["show", "transport"]);
    for expected in ["name        交通运输局", "scopes      credit.read credit.write", "locked      no"]
    {
        assert!(said.contains(expected), "{said}");
    }
    assert!(!said.contains(&first) && !well(&["list"]).contains(&first), "{said}");
    assert!(refused(&["register", "transport"]).contains("is registered already"));
    assert!(refused(&["register", "labour", "--scopes", "credit.reed"]).contains("the scopes are"));
    assert!(refused(&["register", "a b"]).contains("clientId"));
    assert!(refused(&["register", "labour", "--key", "nonsense"]).contains("write KID=X"));
    assert!(refused(&["show", "nobody"]).contains("there is no client \"nobody\""));
    assert!(refused(&["renew-secret", "nobody"]).contains("there is no client \"nobody\""));

    // A new secret ends the old one, and no call that is under way.
    let said = well(&["renew-secret", "transport", "--reason", "一年一换"]);
    let second = credentials(&said, "transport");
    assert_ne!(first, second);
    assert!(door.sign_in("transport", &first).await.is_err());
    signed_in.get("/credit/v1/items").await.unwrap();
    let signed_in = door.sign_in("transport", &second).await.unwrap();
    well(&["revoke", "transport", "--reason", "a lost laptop"]);
    assert_eq!(signed_in.try_get("/credit/v1/items").await.unwrap().status, 401);
    assert!(well(&["grant", "transport", "--scopes", "credit.read"]).contains("scopes      credit.read\n"));
    assert!(well(&["lock", "transport"]).contains("locked      since"));
    assert!(well(&["list"]).lines().any(|line| line.starts_with("transport ") && line.contains("LOCKED")));
    assert!(door.sign_in("transport", &second).await.err().unwrap().to_string().contains("CLIENT_LOCKED"));
    assert!(well(&["unlock", "transport"]).contains("locked      no"));
    door.sign_in("transport", &second).await.unwrap();
    let key = "k1=11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    assert!(well(&["set-keys", "transport", "--key", key]).contains("keys        k1"));
    assert!(door.sign_in("transport", &second).await.is_err());
    assert!(well(&["register", "keyed", "--key", key]).contains("keys        k1"));
    well(&["remove", "keyed"]);
    assert!(refused(&["remove", "keyed"]).contains("there is no client"));
    assert!(refused(&["remove", "admin"]).contains("the office's own client can't be removed"));

    // As who may not, as nobody, with what is no credentials.
    let kept = folder.path().join("transport.json");
    std::fs::write(&kept, well(&["renew-secret", "transport"])).unwrap();
    let as_whom = |file: &Path| refused(&["list", "--credentials", shown(file)]);
    assert!(as_whom(&kept).contains("identity.admin"), "{}", as_whom(&kept));
    let wrong = json!({ "clientId": "admin", "clientSecret": "a guess of it" }).to_string();
    std::fs::write(&kept, &wrong).unwrap();
    let said = as_whom(&kept);
    assert!(said.contains("client") && said.contains("secret") && !said.contains("a guess"), "{said}");
    std::fs::write(&kept, "a secret by itself").unwrap();
    let said = as_whom(&kept);
    assert!(said.contains("no JSON object with clientId") && !said.contains("a secret by"), "{said}");
    assert!(as_whom(&folder.path().join("none.json")).contains("name the file of who administers"));

    // Where nobody answers a script can tell that from a refusal; a word that does not exist is clap's.
    let gone = ["clients", "list", "--data-dir", shown(&data_dir), "--gateway", "http://127.0.0.1:9"];
    let output = xinheng(&gone);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("http://127.0.0.1:9 does not answer"), "{}", text(&output.stderr));
    // Not the gateway's port: the operator's, which speaks HTTP without gRPC.
    let other = ["clients", "list", "--data-dir", shown(&data_dir), "--gateway", &suite.admin];
    let output = xinheng(&other);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("does not answer as this release's gateway does"), "{output:?}");
    assert_eq!(xinheng(&["clients", "listen"]).status.code(), Some(2));
    drop(suite);
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(log.contains("RenewSecret"), "the calls are in the log");
    for secret in [first, second] {
        assert!(!log.contains(&secret), "a secret is in the log");
    }
}
