//! What every pod of ours holds to: nobody's user but its own, nothing written but its volume, watched by probes, asking for what was measured.
use std::collections::{BTreeMap, BTreeSet};

use chassis::settings::Settings;
use serde_json::{Value, json};

use super::{OVERLAYS, containers, list, name, of_kind, pod, rendered, report, serves, text, workloads};

/// A container's variables as it sees them, and the names of those that come from secrets.
fn variables(manifests: &[Value], container: &Value) -> (BTreeMap<String, String>, BTreeSet<String>) {
    let (mut plain, mut secret) = (BTreeMap::new(), BTreeSet::new());
    for source in list(&container["envFrom"]) {
        let map = text(&source["configMapRef"]["name"]);
        let found =
            of_kind(manifests, "ConfigMap").into_iter().find(|found| found["metadata"]["name"] == map);
        let data =
            found.unwrap_or_else(|| panic!("there is no ConfigMap {map}"))["data"].as_object().unwrap();
        plain.extend(data.iter().map(|(key, value)| (key.clone(), text(value).to_owned())));
    }
    for variable in list(&container["env"]) {
        let name = text(&variable["name"]).to_owned();
        if variable["valueFrom"]["secretKeyRef"].is_object() {
            secret.insert(name.clone());
            plain.insert(name, String::from("c0ffee"));
        } else {
            let mut value = text(&variable["value"]).to_owned();
            for (earlier, told) in &plain {
                value = value.replace(&format!("$({earlier})"), told);
            }
            plain.insert(name, value);
        }
    }
    (plain, secret)
}

#[test]
fn every_variable_is_a_setting_with_a_value_that_it_takes() {
    let mut faults = Vec::new();
    let mut seen = 0;
    for overlay in OVERLAYS {
        let manifests = rendered(overlay);
        for workload in workloads(&manifests) {
            for container in containers(workload) {
                let place = format!("{overlay}: {} {}", name(workload), text(&container["name"]));
                let (variables, secret) = variables(&manifests, container);
                let ours = variables.iter().filter_map(|(key, value)| {
                    Some((key.strip_prefix("XINHENG_")?.to_lowercase(), value.as_str()))
                });
                let ours: BTreeMap<String, &str> = ours.collect();
                seen += ours.len();
                // The settings themselves judge names and values, as they do in the pod.
                if let Err(refusal) = Settings::load(None, &ours) {
                    faults.push(format!("{place}: {refusal:#}"));
                }
                for (key, value) in &ours {
                    if value.contains("$(") {
                        faults.push(format!(
                            "{place}: {key} = {value} names a variable that is not there before it"
                        ));
                    }
                }
                // What is secret comes by reference, never as a value.
                for key in ["XINHENG_CLIENT_SECRET", "DATABASE_PASSWORD"] {
                    if variables.contains_key(key) && !secret.contains(key) {
                        faults.push(format!("{place}: {key} is no reference to a secret"));
                    }
                }
                for (key, value) in variables.iter().filter(|(key, _)| !key.starts_with("XINHENG_")) {
                    if key != "DATABASE_PASSWORD" {
                        faults.push(format!("{place}: nobody reads {key} = {value}"));
                    }
                }
            }
        }
    }
    assert!(seen > 40, "only {seen} variables were looked at");
    report(&faults);
}

#[test]
fn a_wrong_variable_would_be_seen() {
    for (key, value) in [("lissten", "0.0.0.0:1"), ("listen", "everywhere"), ("log_format", "xml")] {
        assert!(Settings::load(None, &BTreeMap::from([(key, value)])).is_err(), "{key} = {value}");
    }
}

#[test]
fn every_container_is_bound_and_asks_for_what_it_needs() {
    let least = json!({
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "runAsNonRoot": true, "capabilities": { "drop": ["ALL"] }
    });
    let mut faults = Vec::new();
    for overlay in OVERLAYS {
        let manifests = rendered(overlay);
        for workload in workloads(&manifests) {
            let (of, pod) = (format!("{overlay}: {}", name(workload)), pod(workload));
            let mut holds = |what: bool, told: &str| {
                if !what {
                    faults.push(format!("{of}: {told}"));
                }
            };
            let user = &pod["securityContext"];
            holds(
                user["runAsNonRoot"] == true && user["runAsUser"] == 65_532,
                "runs as another user than the image's",
            );
            holds(user["seccompProfile"]["type"] == "RuntimeDefault", "has no seccomp profile");
            holds(pod["automountServiceAccountToken"] == false, "gets a token of the cluster");
            // A Service that is called xinheng would otherwise become a setting that does not exist, and the start is refused.
            holds(pod["enableServiceLinks"] == false, "gets variables of the cluster's services");
            for forbidden in ["hostNetwork", "hostPID", "hostIPC"] {
                holds(pod[forbidden].is_null(), &format!("asks for {forbidden}"));
            }
            let volumes: Vec<&str> = list(&pod["volumes"])
                .iter()
                .chain(list(&workload["spec"]["volumeClaimTemplates"]).iter().map(|claim| &claim["metadata"]))
                .map(|volume| text(&volume["name"]))
                .collect();
            for container in containers(workload) {
                let at = text(&container["name"]);
                holds(container["securityContext"] == least, &format!("{at} may do more than it needs"));
                let resources = &container["resources"];
                let asked =
                    ["cpu", "memory"].iter().all(|key| is_quantity(text(&resources["requests"][*key])));
                holds(asked, &format!("{at} does not say what it needs"));
                holds(
                    is_quantity(text(&resources["limits"]["memory"])),
                    &format!("{at} may take all memory"),
                );
                let image = format!("xinheng:{}", env!("CARGO_PKG_VERSION"));
                holds(container["image"] == image, &format!("{at} is not of this release, {image}"));
                for mount in list(&container["volumeMounts"]) {
                    holds(volumes.contains(&text(&mount["name"])), &format!("{at} mounts what is not there"));
                }
            }
            if !serves(workload) {
                continue;
            }
            for container in containers(workload) {
                for (probe, service) in [
                    ("startupProbe", "startup"),
                    ("readinessProbe", "readiness"),
                    ("livenessProbe", "liveness"),
                ] {
                    let asked = json!({ "port": 8080, "service": service });
                    holds(container[probe]["grpc"] == asked, &format!("{probe} does not ask for {service}"));
                }
                // Longer than an answer about readiness may take, see chassis::health.
                holds(
                    container["readinessProbe"]["timeoutSeconds"].as_i64() > Some(2),
                    "is asked too hastily",
                );
            }
            let rest = container_seconds(pod) + 25;
            holds(
                pod["terminationGracePeriodSeconds"].as_i64() > Some(rest),
                "is killed before it has drained",
            );
            holds(
                list(&pod["topologySpreadConstraints"]).len() == 2,
                "is not spread over machines and zones",
            );
        }
    }
    report(&faults);
}

// How long a pod serves on after it was told to stop.
fn container_seconds(pod: &Value) -> i64 {
    pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"].as_i64().unwrap_or(0)
}

fn is_quantity(text: &str) -> bool {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = &text[digits.len()..];
    digits.parse::<f64>().is_ok_and(|number| number > 0.0) && ["", "m", "Ki", "Mi", "Gi"].contains(&unit)
}

#[test]
fn every_command_line_is_one_that_the_binary_takes() {
    let mut faults = Vec::new();
    for overlay in OVERLAYS {
        let manifests = rendered(overlay);
        for workload in workloads(&manifests) {
            for container in containers(workload) {
                let args: Vec<&str> = list(&container["args"]).iter().map(text).collect();
                let line = std::iter::once("xinheng").chain(args.iter().copied());
                if let Err(refusal) = xinheng::command::definition().try_get_matches_from(line) {
                    faults.push(format!("{overlay}: {}: {args:?}: {refusal}", name(workload)));
                }
                if !container["command"].is_null() {
                    faults.push(format!("{overlay}: {} runs something else than the image", name(workload)));
                }
            }
        }
    }
    let nonsense = xinheng::command::definition().try_get_matches_from(["xinheng", "serve", "everything"]);
    assert!(nonsense.is_err());
    report(&faults);
}

#[test]
fn the_image_is_what_the_manifests_take_it_for() {
    let read = |name: &str| std::fs::read_to_string(suites::process::root().join(name)).unwrap();
    let (recipe, workspace) = (read("Dockerfile"), read("Cargo.toml"));
    let last = recipe.split("\nFROM ").last().unwrap();
    assert!(last.starts_with("scratch\n"), "the last stage holds more than was put into it");
    assert!(last.contains("USER 65532:65532\n") && last.contains("ENTRYPOINT [\"/usr/bin/xinheng\"]\n"));
    let settings = last.split_whitespace().filter_map(|word| word.strip_prefix("XINHENG_")?.split_once('='));
    let settings: BTreeMap<String, &str> = settings.map(|(key, value)| (key.to_lowercase(), value)).collect();
    assert_eq!(settings.len(), 3);
    Settings::load(None, &settings).unwrap();
    // Bases are named without a host, so that every registry can be theirs, and the compiler is the workspace's.
    let asked =
        workspace.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    assert!(
        recipe.contains(&format!("ARG RUST=rust:{asked}-")),
        "the image is built by another Rust than {asked}"
    );
    for base in recipe.lines().filter_map(|line| line.strip_prefix("ARG RUST=")) {
        assert!(!base.contains('/'), "{base}");
    }
    assert!(recipe.contains(&format!("xinheng:{}", env!("CARGO_PKG_VERSION"))));
    let ignored = read(".dockerignore");
    for needed in ["Cargo.toml", "Cargo.lock", "libs", "services", "proto", "tests", "k8s/image"] {
        assert!(ignored.lines().any(|line| line == format!("!{needed}")), "the build is not given {needed}");
    }
}
