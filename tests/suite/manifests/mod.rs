//! The manifests under `k8s/`: what the API takes, what the code calls and reads, what every pod of ours holds to.
mod kustomize;
mod pods;
mod schema;
mod telemetry;
mod wiring;

use std::{collections::BTreeMap, io::Write as _, path::PathBuf, process::Command};

use serde_json::{Value, json};
use suites::process::root;

use kustomize::{documents, name, render};
use schema::Schema;

const OVERLAYS: [&str; 2] = ["overlays/city", "overlays/province"];

fn k8s() -> PathBuf {
    root().join("k8s")
}

fn rendered(overlay: &str) -> Vec<Value> {
    render(&k8s().join(overlay)).unwrap()
}

fn of_kind<'a>(manifests: &'a [Value], kind: &str) -> Vec<&'a Value> {
    manifests.iter().filter(|manifest| manifest["kind"] == kind).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// What makes pods.
fn workloads(manifests: &[Value]) -> Vec<&Value> {
    let kinds = ["Deployment", "StatefulSet", "Job", "CronJob"];
    manifests.iter().filter(|manifest| kinds.contains(&text(&manifest["kind"]))).collect()
}

// What a workload makes its pods from.
fn template(workload: &Value) -> &Value {
    let of = if workload["kind"] == "CronJob" { &workload["spec"]["jobTemplate"] } else { workload };
    &of["spec"]["template"]
}

fn pod(workload: &Value) -> &Value {
    &template(workload)["spec"]
}

// Whether its pods serve, and do not end by themselves.
fn serves(workload: &Value) -> bool {
    !["Job", "CronJob"].contains(&text(&workload["kind"]))
}

fn containers(workload: &Value) -> impl Iterator<Item = &Value> {
    list(&pod(workload)["initContainers"]).iter().chain(list(&pod(workload)["containers"]))
}

fn report(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

// Every file that holds manifests: not the kustomizations, which the API never sees, nor the patches, which are no manifests by themselves.
fn files() -> Vec<PathBuf> {
    let mut folders = vec![k8s()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

#[test]
fn the_api_takes_every_manifest() {
    let schema = Schema::read();
    let mut faults = Vec::new();
    for overlay in OVERLAYS.into_iter().chain(["base", "telemetry"]) {
        let manifests = rendered(overlay);
        assert!(manifests.len() > 1, "{overlay} makes hardly anything");
        for manifest in &manifests {
            let told = schema.faults(manifest);
            faults.extend(told.into_iter().map(|fault| format!("{overlay}: {}: {fault}", name(manifest))));
        }
    }
    report(&faults);
}

#[test]
fn no_file_is_left_out() {
    // What stands in the folder and is part of nothing would be believed to be in force.
    let mut used = String::new();
    let mut faults = Vec::new();
    for file in files().iter().filter(|file| file.ends_with("kustomization.yaml")) {
        used.push_str(&std::fs::read_to_string(file).unwrap());
    }
    for file in files().iter().filter(|file| !file.ends_with("kustomization.yaml")) {
        let name = file.file_name().unwrap().to_str().unwrap();
        if !used.contains(name) {
            faults.push(format!("{} is part of no kustomization", file.display()));
        }
        if documents(file).unwrap().is_empty() {
            faults.push(format!("{} is empty", file.display()));
        }
    }
    report(&faults);
}

#[test]
fn the_judge_sees_what_is_wrong() {
    let schema = Schema::read();
    let manifests = rendered("overlays/city");
    let suite = *of_kind(&manifests, "StatefulSet").first().unwrap();
    assert_eq!(schema.faults(suite), Vec::<String>::new());
    let spoilt = |pointer: &str, key: &str, value: Value| {
        let mut copy = suite.clone();
        copy.pointer_mut(pointer).unwrap()[key] = value;
        schema.faults(&copy).join("; ")
    };
    let pod = "/spec/template/spec";
    let container = "/spec/template/spec/containers/0";
    for (told, expected) in [
        (
            spoilt(pod, "serviceAcountName", json!("suite")),
            "spec.template.spec.serviceAcountName: is no field",
        ),
        (spoilt("/spec", "replicas", json!("1")), "spec.replicas: integer is expected"),
        (
            spoilt("/spec", "selector", json!({ "matchLabels": ["a"] })),
            "spec.selector.matchLabels: object is",
        ),
        (spoilt(container, "name", json!(null)), "containers[0].name: string is expected"),
        (spoilt(container, "readinessProbe", json!({ "grpc": {} })), "readinessProbe.grpc.port: is required"),
        (spoilt(container, "args", json!("up")), "containers[0].args: array is expected"),
        (spoilt(container, "tty", json!("yes")), "containers[0].tty: boolean is expected"),
        (
            spoilt(container, "env", json!([{ "name": "A", "value": "1" }, { "name": "A", "value": "2" }])),
            "containers[0].env[1]: \"A\" stands twice",
        ),
        (spoilt("", "apiVersion", json!("apps/v2")), "is not in k8s/schema"),
    ] {
        assert!(told.contains(expected), "{expected}\n{told}");
    }
    let route = json!({ "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": { "nam": "a" } });
    assert_eq!(schema.faults(&route), ["metadata.nam: is no field of the API", "spec: is missing"]);
}

#[test]
fn kustomize_itself_makes_the_same() {
    let tools: [(&str, &[&str]); 2] = [("kustomize", &["build"]), ("kubectl", &["kustomize"])];
    let there = tools.into_iter().find(|(tool, _)| {
        Command::new(tool)
            .arg("version")
            .args((*tool == "kubectl").then_some("--client"))
            .output()
            .is_ok_and(|told| told.status.success())
    });
    let Some((tool, action)) = there else {
        let told = "kustomize_itself_makes_the_same: SKIPPED, neither kustomize nor kubectl is installed; our own reading of the overlays is tested all the same\n";
        // What goes through the macros is shown of tests that fail only.
        std::io::stderr().write_all(told.as_bytes()).unwrap();
        return;
    };
    for overlay in OVERLAYS.into_iter().chain(["base", "telemetry"]) {
        let output = Command::new(tool).args(action).arg(k8s().join(overlay)).output().unwrap();
        assert!(output.status.success(), "{overlay}: {}", String::from_utf8_lossy(&output.stderr));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &output.stdout).unwrap();
        let by_name = |manifests: Vec<Value>| -> BTreeMap<String, Value> {
            manifests.into_iter().map(|manifest| (name(&manifest), manifest)).collect()
        };
        let (theirs, ours) = (by_name(documents(file.path()).unwrap()), by_name(rendered(overlay)));
        assert_eq!(theirs.keys().collect::<Vec<_>>(), ours.keys().collect::<Vec<_>>(), "{overlay}");
        for (name, manifest) in &ours {
            assert_eq!(&theirs[name], manifest, "{overlay}: {name} by {tool}");
        }
    }
}
