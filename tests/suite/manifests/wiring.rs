//! Who may speak to whom: the network policies are the code's call graph, and every name leads to something.
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use suites::process::root;
use xinheng::{command::RoleName, suite};

use super::{
    OVERLAYS, containers, list, name, of_kind, pod, rendered, report, serves, template, text, workloads,
};

const NAME: &str = "app.kubernetes.io/name";

// The roles that peers of a rule name, and whether the rule's port is the one that serves.
fn peers(rules: &Value, side: &str) -> Option<BTreeSet<String>> {
    let [rule] = list(rules) else { return None };
    if rule["ports"] != json!([{ "protocol": "TCP", "port": 8080 }]) {
        return None;
    }
    let named = list(&rule[side]).iter().map(|peer| match text(&peer["podSelector"]["matchLabels"][NAME]) {
        "" => peer["namespaceSelector"]["matchLabels"].to_string(),
        role => role.to_owned(),
    });
    Some(named.collect())
}

#[test]
fn network_policies_are_the_call_graph() {
    let manifests = rendered("overlays/province");
    let policies = of_kind(&manifests, "NetworkPolicy");
    let mut faults = Vec::new();
    for role in RoleName::ALL {
        let found = policies.iter().find(|policy| policy["metadata"]["name"] == role.name());
        let Some(policy) = found else {
            faults.push(format!("{} has no policy", role.name()));
            continue;
        };
        let spec = &policy["spec"];
        let own = json!({ "matchLabels": { NAME: role.name() } });
        let callees: BTreeSet<String> =
            suite::calls(role).iter().map(|callee| callee.name().to_owned()).collect();
        let mut callers: BTreeSet<String> = RoleName::ALL
            .into_iter()
            .filter(|caller| suite::calls(*caller).contains(&role))
            .map(|caller| caller.name().to_owned())
            .collect();
        if role == RoleName::Gateway {
            callers.insert(String::from(r#"{"xinheng/door":"true"}"#));
        }
        if spec["podSelector"] != own || spec["policyTypes"] != json!(["Ingress", "Egress"]) {
            faults.push(format!("the policy {} is not of that role's pods, both ways", role.name()));
        }
        for (side, peer, expected) in [("egress", "to", callees), ("ingress", "from", callers)] {
            let found = peers(&spec[side], peer);
            if found.as_ref() != Some(&expected) {
                faults.push(format!(
                    "{} {side}: the code says {expected:?}, the policy {found:?}",
                    role.name()
                ));
            }
        }
    }
    // What else opens anything is one of these.
    let roles: Vec<&str> = RoleName::ALL.iter().map(|role| role.name()).collect();
    let others: Vec<&str> = policies
        .iter()
        .map(|policy| text(&policy["metadata"]["name"]))
        .filter(|name| !roles.contains(name))
        .collect();
    assert_eq!(others, ["default-deny", "dns", "monitoring", "to-database", "database", "traces"]);
    report(&faults);
}

#[test]
fn nothing_is_open_by_itself() {
    for overlay in OVERLAYS {
        let manifests = rendered(overlay);
        let policies = of_kind(&manifests, "NetworkPolicy");
        let spec = |name: &str| {
            let found = policies.iter().find(|policy| policy["metadata"]["name"] == name);
            found.unwrap_or_else(|| panic!("{overlay} has no policy {name}"))["spec"].clone()
        };
        assert_eq!(spec("default-deny"), json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"] }));
        // Names have to be looked up by every pod, over both protocols.
        let dns = spec("dns");
        assert_eq!((&dns["podSelector"], &dns["policyTypes"]), (&json!({}), &json!(["Egress"])));
        let ports = json!([{ "protocol": "UDP", "port": 53 }, { "protocol": "TCP", "port": 53 }]);
        assert_eq!(dns["egress"][0]["ports"], ports);
        for policy in policies {
            for rule in list(&policy["spec"]["ingress"]) {
                assert!(
                    !list(&rule["from"]).is_empty() && !list(&rule["ports"]).is_empty(),
                    "{}",
                    name(policy)
                );
            }
        }
    }
}

fn labels(workload: &Value) -> &Value {
    &template(workload)["metadata"]["labels"]
}

fn matches(selector: &Value, labels: &Value) -> bool {
    selector.as_object().is_some_and(|wanted| {
        !wanted.is_empty() && wanted.iter().all(|(key, value)| &labels[key.as_str()] == value)
    })
}

#[test]
fn every_name_leads_to_something() {
    let mut faults = Vec::new();
    for overlay in OVERLAYS {
        let manifests = rendered(overlay);
        let workloads = workloads(&manifests);
        let mut lost = |what: &Value, told: &str| faults.push(format!("{overlay}: {}: {told}", name(what)));
        for service in of_kind(&manifests, "Service") {
            let Some(found) =
                workloads.iter().find(|found| matches(&service["spec"]["selector"], labels(found)))
            else {
                lost(service, "selects no pod");
                continue;
            };
            for port in list(&service["spec"]["ports"]) {
                let ports = list(&pod(found)["containers"][0]["ports"]);
                let target = ports.iter().find(|open| open["name"] == port["targetPort"]);
                if target.is_none_or(|open| open["containerPort"] != port["port"]) {
                    lost(service, &format!("the port {} is not open", port["port"]));
                }
            }
        }
        for budget in of_kind(&manifests, "PodDisruptionBudget") {
            if !workloads
                .iter()
                .any(|found| matches(&budget["spec"]["selector"]["matchLabels"], labels(found)))
            {
                lost(budget, "selects no pod");
            }
        }
        let named = |kind: &str, wanted: &Value| {
            manifests.iter().any(|found| found["kind"] == kind && &found["metadata"]["name"] == wanted)
        };
        for scaler in of_kind(&manifests, "HorizontalPodAutoscaler") {
            let target = &scaler["spec"]["scaleTargetRef"];
            if !named(text(&target["kind"]), &target["name"]) {
                lost(scaler, "scales what is not there");
            }
        }
        for workload in &workloads {
            if !named("ServiceAccount", &pod(workload)["serviceAccountName"]) {
                lost(workload, "has no account");
            }
            if !serves(workload) {
                continue;
            }
            if !matches(&workload["spec"]["selector"]["matchLabels"], labels(workload)) {
                lost(workload, "does not select its own pods");
            }
            let kinds = ["Service", "PodDisruptionBudget", "NetworkPolicy"];
            for kind in kinds.iter().filter(|kind| !named(kind, &workload["metadata"]["name"])) {
                lost(workload, &format!("has no {kind}"));
            }
        }
        for route in of_kind(&manifests, "HTTPRoute").into_iter().chain(of_kind(&manifests, "GRPCRoute")) {
            for backend in list(&route["spec"]["rules"]).iter().flat_map(|rule| list(&rule["backendRefs"])) {
                if !named("Service", &backend["name"]) || backend["port"] != 8080 {
                    lost(route, "leads nowhere");
                }
            }
            for parent in list(&route["spec"]["parentRefs"]) {
                if !named("Gateway", &parent["name"]) {
                    lost(route, "hangs at no gateway");
                }
            }
        }
    }
    report(&faults);
}

#[test]
fn backups_are_of_what_is_there_and_go_where_something_is() {
    let city = rendered("overlays/city");
    let named = |manifests: &[Value], kind: &str, name: &Value| {
        of_kind(manifests, kind).iter().any(|found| &found["metadata"]["name"] == name)
    };
    let [job] = of_kind(&city, "CronJob")[..] else { panic!("one job makes the backups") };
    let suite = of_kind(&city, "StatefulSet")[0];
    // The data's claim is made by the cluster, from the template, for the first pod.
    let data = format!("{}-suite-0", text(&suite["spec"]["volumeClaimTemplates"][0]["metadata"]["name"]));
    let claims: Vec<&str> = list(&pod(job)["volumes"])
        .iter()
        .map(|volume| text(&volume["persistentVolumeClaim"]["claimName"]))
        .collect();
    assert_eq!(claims, [&data, "backups"]);
    assert!(named(&city, "PersistentVolumeClaim", &json!("backups")));
    let mounted = |of: &Value, name: &str| {
        let mounts = list(&pod(of)["containers"][0]["volumeMounts"]).to_vec();
        mounts.into_iter().find(|mount| mount["name"] == name).map(|mount| mount["mountPath"].clone())
    };
    assert_eq!(mounted(job, "data"), mounted(suite, "data"));
    assert_eq!(mounted(job, "backups").as_ref(), Some(&pod(job)["containers"][0]["args"][1]));
    // Both on one machine, or the volume can't be there; no Service sends calls to it.
    let near = &pod(job)["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0];
    assert!(matches(&near["labelSelector"]["matchLabels"], labels(suite)));
    assert_eq!(near["topologyKey"], "kubernetes.io/hostname");
    assert!(
        !of_kind(&city, "Service").iter().any(|service| matches(&service["spec"]["selector"], labels(job)))
    );
    assert_eq!(suite["spec"]["volumeClaimTemplates"][0]["spec"]["accessModes"], json!(["ReadWriteOnce"]));

    let province = rendered("overlays/province");
    let [scheduled] = of_kind(&province, "ScheduledBackup")[..] else { panic!("one schedule") };
    assert!(named(&province, "Cluster", &scheduled["spec"]["cluster"]["name"]));
    let plugin = &of_kind(&province, "Cluster")[0]["spec"]["plugins"][0];
    assert_eq!(plugin["name"], scheduled["spec"]["pluginConfiguration"]["name"]);
    assert!(named(&province, "ObjectStore", &plugin["parameters"]["barmanObjectName"]));
    assert_eq!(text(&scheduled["spec"]["schedule"]).split(' ').count(), 6, "with seconds");
    let keys = &of_kind(&province, "ObjectStore")[0]["spec"]["configuration"]["s3Credentials"];
    let readme = std::fs::read_to_string(root().join("k8s/README.md")).unwrap();
    for key in ["accessKeyId", "secretAccessKey"] {
        assert_eq!(keys[key]["name"], "backup-store");
        assert!(readme.contains(&format!("--from-literal={}=", text(&keys[key]["key"]))), "{key}");
    }
}

#[test]
fn the_addresses_of_the_defaults_are_services() {
    let none = BTreeMap::<String, String>::new();
    let defaults = chassis::settings::Settings::load(None, &none).unwrap();
    let addresses = serde_json::to_value(defaults).unwrap();
    let manifests = rendered("overlays/province");
    let services: Vec<&str> =
        of_kind(&manifests, "Service").iter().map(|service| text(&service["metadata"]["name"])).collect();
    for role in RoleName::ALL {
        let url = format!("http://{}:8080", role.name());
        assert_eq!(addresses[format!("{}_url", role.name())], url);
        assert!(services.contains(&role.name()), "there is no service {}", role.name());
    }
}

#[test]
fn secrets_are_explained_and_databases_are_each_ones_own() {
    let manifests = rendered("overlays/province");
    let readme = std::fs::read_to_string(root().join("k8s/README.md")).unwrap();
    let cluster = of_kind(&manifests, "Cluster")[0];
    let mut secrets = BTreeSet::new();
    for workload in workloads(&manifests) {
        for container in containers(workload) {
            let of =
                list(&container["env"]).iter().map(|variable| &variable["valueFrom"]["secretKeyRef"]["name"]);
            let own: BTreeSet<&str> = of.map(text).filter(|name| name.starts_with("database-")).collect();
            let url = list(&container["env"]).iter().find(|variable| variable["name"] == "XINHENG_DATABASE");
            let url = text(&url.unwrap()["value"]);
            let role = text(&container["args"][1]);
            assert_eq!(
                own.into_iter().collect::<Vec<_>>(),
                [format!("database-{role}")],
                "{}",
                name(workload)
            );
            let expected = format!(
                "postgres://{role}:$(DATABASE_PASSWORD)@database-rw:5432/{role}?sslmode=verify-full&"
            );
            assert!(url.starts_with(&expected), "{url}");
            secrets.insert(format!("database-{role}"));
        }
        secrets.extend(
            list(&pod(workload)["volumes"])
                .iter()
                .filter_map(|volume| volume["secret"]["secretName"].as_str())
                .filter(|name| *name != "database-ca")
                .map(str::to_owned),
        );
    }
    assert_eq!(secrets.len(), 7);
    for secret in &secrets {
        assert!(readme.contains(&format!("`{secret}`")), "k8s/README.md does not say how {secret} is made");
    }
    for role in RoleName::ALL {
        let roles = list(&cluster["spec"]["managed"]["roles"]);
        let found = roles.iter().find(|found| found["name"] == role.name()).unwrap();
        assert_eq!(found["passwordSecret"]["name"], format!("database-{}", role.name()));
        let databases = of_kind(&manifests, "Database");
        let database = databases.iter().find(|found| found["spec"]["name"] == role.name()).unwrap();
        assert_eq!(database["spec"]["owner"], role.name());
    }
}

#[test]
fn the_database_takes_the_most_replicas_there_can_be() {
    // Each process holds at most sixteen connections (chassis::storage); while a role is rolled out there is one pod more, and a job migrates.
    let manifests = rendered("overlays/province");
    let scalers = of_kind(&manifests, "HorizontalPodAutoscaler");
    assert_eq!(scalers.len(), RoleName::ALL.len());
    let most: i64 = scalers.iter().map(|scaler| scaler["spec"]["maxReplicas"].as_i64().unwrap() + 1).sum();
    let cluster = of_kind(&manifests, "Cluster")[0];
    let taken: i64 = text(&cluster["spec"]["postgresql"]["parameters"]["max_connections"]).parse().unwrap();
    // PostgreSQL keeps three for its owner, the operator takes a few.
    assert!((most + 1) * 16 + 20 <= taken, "{most} pods want {} connections of {taken}", (most + 1) * 16);
}

#[test]
fn the_migration_is_of_this_release_and_of_every_database() {
    let manifests = rendered("overlays/province");
    let jobs = of_kind(&manifests, "Job");
    let job = jobs.first().unwrap();
    assert_eq!(job["metadata"]["name"], format!("migrate-{}", env!("CARGO_PKG_VERSION").replace('.', "-")));
    let migrated: BTreeSet<&str> = containers(job).map(|container| text(&container["args"][1])).collect();
    assert_eq!(migrated, RoleName::ALL.iter().map(|role| role.name()).collect());
}
