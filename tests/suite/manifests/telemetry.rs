//! Dashboards and alerts ask for figures that the real process exposes, by labels that these have; every alert has its runbook.
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use suites::process::{Suite, root};
use xinheng::client::Client;

use super::{list, of_kind, rendered, report, text};

// Words of PromQL that stand where a figure or a label could.
const WORDS: [&str; 18] = [
    "sum",
    "min",
    "max",
    "count",
    "rate",
    "by",
    "topk",
    "histogram_quantile",
    "unless",
    "offset",
    "on",
    "ignoring",
    "and",
    "or",
    "increase",
    "avg",
    "without",
    "time",
];
// Figures that are not ours, by those who expose them, with their labels: kube-state-metrics, CloudNativePG's exporter, its Barman Cloud plugin.
const FOREIGN: [(&str, &[&str]); 5] = [
    ("kube_cronjob_status_last_successful_time", &["namespace", "cronjob"]),
    ("kube_cronjob_created", &["namespace", "cronjob"]),
    ("cnpg_collector_up", &["namespace", "cluster"]),
    ("cnpg_collector_pg_wal_archive_status", &["namespace", "value"]),
    ("barman_cloud_cloudnative_pg_io_last_available_backup_timestamp", &["namespace"]),
];
// What the collector adds to each figure.
const ADDED: [&str; 3] = ["role", "pod", "le"];

fn is_figure(word: &str) -> bool {
    word.starts_with("xinheng_") || FOREIGN.iter().any(|(figure, _)| *figure == word)
}

// The names in an expression: figures, ours and others', the rest are labels and words of the language.
fn names(expression: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    // Texts and times hold no names.
    let mut bare = String::new();
    let mut within = None;
    for letter in expression.chars() {
        match (within, letter) {
            (None, '"' | '[') => within = Some(if letter == '"' { '"' } else { ']' }),
            (Some(end), _) if end == letter => within = None,
            (None, _) => bare.push(letter),
            (Some(_), _) => {}
        }
    }
    let words = bare.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    let words = words.filter(|word| word.starts_with(|letter: char| letter.is_ascii_alphabetic()));
    let (figures, labels): (BTreeSet<_>, BTreeSet<_>) =
        words.map(str::to_owned).partition(|word| is_figure(word));
    (figures, labels.into_iter().filter(|word| !WORDS.contains(&word.as_str())).collect())
}

// Figures with their labels, as Prometheus reads them.
fn exposed(figures: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in figures.lines().filter(|line| !line.starts_with('#')) {
        let series = line.rsplit_once(' ').map_or(line, |(series, _)| series);
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let of = found.entry(name.to_owned()).or_default();
        let pairs = labels.trim_end_matches('}').split("\",");
        of.extend(pairs.filter_map(|pair| pair.split_once('=')).map(|(key, _)| key.to_owned()));
    }
    found
}

fn expressions() -> Vec<(String, String)> {
    let manifests = rendered("telemetry");
    let groups = list(&of_kind(&manifests, "PrometheusRule")[0]["spec"]["groups"]);
    let rules = groups.iter().flat_map(|group| list(&group["rules"]));
    let mut found: Vec<(String, String)> =
        rules.map(|rule| (text(&rule["alert"]).to_owned(), text(&rule["expr"]).to_owned())).collect();
    let dashboard = std::fs::read_to_string(root().join("k8s/telemetry/dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    for panel in list(&dashboard["panels"]) {
        let targets = list(&panel["targets"]).iter();
        found.extend(
            targets.map(|target| (text(&panel["title"]).to_owned(), text(&target["expr"]).to_owned())),
        );
    }
    let scalers = rendered("overlays/province");
    for scaler in of_kind(&scalers, "HorizontalPodAutoscaler") {
        let metrics = list(&scaler["spec"]["metrics"]).iter();
        let named = metrics.filter_map(|metric| metric["pods"]["metric"]["name"].as_str());
        found.extend(named.map(|name| (super::name(scaler), name.to_owned())));
    }
    found
}

#[tokio::test]
async fn what_is_asked_for_is_exposed() {
    let folder = tempfile::tempdir().unwrap();
    let suite = Suite::up(folder.path(), &[]).await;
    let office = suite.office().await;
    // Figures by method appear with the first call.
    office.post("/credit/v1/subjects:batchUpsert", suites::world::subjects(0..3)).await.unwrap();
    office
        .post("/grading/v1/schemes", json!({ "schemeId": "s", "fromExample": "d09-transport" }))
        .await
        .unwrap();
    let admin = Client::new(&suite.admin);
    let figures = admin.try_get("/metrics").await.unwrap().text();
    let mut exposed = exposed(&figures);
    // An evaluation needs a published scheme; the counter's name and label are in the code that counts.
    if !exposed.contains_key("xinheng_grading_evaluations_total") {
        let code = std::fs::read_to_string(root().join("services/grading/src/lib.rs")).unwrap();
        let counted = code.split_once("\"xinheng_grading_evaluations_total\"").unwrap().1;
        assert!(counted.split_once(")?").unwrap().0.contains("\"cause\""));
        exposed.insert(
            String::from("xinheng_grading_evaluations_total"),
            BTreeSet::from([String::from("cause")]),
        );
    }
    exposed.extend(
        FOREIGN.map(|(figure, labels)| {
            (figure.to_owned(), labels.iter().map(|&label| label.to_owned()).collect())
        }),
    );
    let expressions = expressions();
    assert!(expressions.len() > 20, "{} expressions", expressions.len());
    let mut faults = Vec::new();
    for (place, expression) in &expressions {
        let (figures, labels) = names(expression);
        if figures.is_empty() {
            faults.push(format!("{place}: {expression} asks for no figure that is known here"));
        }
        for figure in &figures {
            if !exposed.contains_key(figure) {
                faults.push(format!("{place}: there is no figure {figure}"));
            }
        }
        for label in labels.iter().filter(|label| !ADDED.contains(&label.as_str())) {
            if !figures.iter().any(|figure| exposed.get(figure).is_some_and(|of| of.contains(label))) {
                faults.push(format!("{place}: none of {figures:?} has the label {label}"));
            }
        }
    }
    report(&faults);
    assert_eq!(suite.terminate().code(), Some(0));
}

#[test]
fn a_wrong_name_would_be_seen() {
    let (figures, labels) = names(r#"sum by (role) (rate(xinheng_calls_total{code=~"2|13"}[5m])) > 0.1"#);
    assert_eq!(figures.into_iter().collect::<Vec<_>>(), ["xinheng_calls_total"]);
    assert_eq!(labels.into_iter().collect::<Vec<_>>(), ["code", "role"]);
    let exposed = exposed("# HELP a b\nxinheng_a{method=\"/x\",code=\"0\"} 1\nxinheng_b 2\n");
    assert_eq!(exposed["xinheng_a"].iter().collect::<Vec<_>>(), ["code", "method"]);
    assert!(exposed["xinheng_b"].is_empty() && !exposed.contains_key("xinheng_c"));
}

// What an expression picks by a label: the label and its value.
fn picked(expression: &str) -> Vec<(String, String)> {
    let pieces = expression.split('"').collect::<Vec<_>>();
    // Each text stands behind its label, and the rest of the expression behind it.
    let pairs = pieces.chunks_exact(2).map(|pair| (pair[0].trim_end_matches('='), pair[1]));
    let label = |before: &str| before.rsplit(['{', ',', ' ']).next().unwrap_or_default().to_owned();
    pairs.map(|(before, value)| (label(before), value.to_owned())).collect()
}

#[test]
fn what_others_tell_is_told_of_what_we_make() {
    let (city, province) = (rendered("overlays/city"), rendered("overlays/province"));
    let named = |manifests: &[Value], kind: &str| -> BTreeSet<String> {
        let names =
            of_kind(manifests, kind).into_iter().map(|made| text(&made["metadata"]["name"]).to_owned());
        names.collect()
    };
    let made = BTreeMap::from([
        ("namespace", named(&city, "Namespace").into_iter().chain(named(&province, "Namespace")).collect()),
        ("cronjob", named(&city, "CronJob")),
        ("cluster", named(&province, "Cluster")),
        // Of the exporter: segments that wait for the archive, and those that are there.
        ("value", BTreeSet::from(["ready", "done"].map(str::to_owned))),
    ]);
    let expressions = expressions();
    let foreign = |expression: &str| names(expression).0.iter().any(|figure| !figure.starts_with("xinheng_"));
    let of_others: Vec<_> = expressions.iter().filter(|(_, expression)| foreign(expression)).collect();
    let mut faults = Vec::new();
    for (place, expression) in &of_others {
        for (label, value) in picked(expression) {
            if !made.get(label.as_str()).is_some_and(|values| values.contains(&value)) {
                faults.push(format!("{place}: we make nothing that is {label}=\"{value}\""));
            }
        }
    }
    for (figure, _) in FOREIGN {
        if !of_others.iter().any(|(_, expression)| names(expression).0.contains(figure)) {
            faults.push(format!("nobody asks for {figure}"));
        }
    }
    report(&faults);
    // The plugin tells of backups that it makes, and only of databases that are looked at.
    let cluster = of_kind(&province, "Cluster")[0];
    let plugins: Vec<&str> =
        list(&cluster["spec"]["plugins"]).iter().map(|plugin| text(&plugin["name"])).collect();
    assert_eq!(plugins, ["barman-cloud.cloudnative-pg.io"]);
    let looked: Vec<String> = of_kind(&rendered("telemetry"), "PodMonitor")
        .iter()
        .map(|monitor| text(&monitor["spec"]["selector"]["matchLabels"]["cnpg.io/cluster"]).to_owned())
        .collect();
    assert!(looked.contains(&text(&cluster["metadata"]["name"]).to_owned()), "{looked:?}");
    // Both are made each day: the alerts bear that and some hours.
    for (schedule, fields) in [
        (&of_kind(&city, "CronJob")[0]["spec"]["schedule"], 5),
        (&of_kind(&province, "ScheduledBackup")[0]["spec"]["schedule"], 6),
    ] {
        let parts: Vec<&str> = text(schedule).split(' ').collect();
        assert!(parts.len() == fields && parts.ends_with(&["*", "*", "*"]), "{schedule} is not each day");
    }
    for (place, expression) in of_others.iter().filter(|(place, _)| place.ends_with("BackupMissed")) {
        let borne = expression.split("> ").nth(1).unwrap().split_whitespace().next().unwrap();
        let borne_s: u32 = borne.parse().unwrap();
        assert!((90_000..108_000).contains(&borne_s), "{place} bears {borne_s} s");
    }
}

#[test]
fn what_an_expression_picks_is_read() {
    let picks = picked(r#"time() - max(a{namespace="x", job=~"b|c"} or d{e="f"}) > 3"#);
    let picks: Vec<(&str, &str)> =
        picks.iter().map(|(label, value)| (label.as_str(), value.as_str())).collect();
    assert_eq!(picks, [("namespace", "x"), ("job=~", "b|c"), ("e", "f")]);
}

#[test]
fn every_alert_has_its_runbook() {
    let manifests = rendered("telemetry");
    let runbooks = std::fs::read_to_string(root().join("k8s/telemetry/RUNBOOKS.md")).unwrap();
    let headings: BTreeSet<&str> = runbooks.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let mut alerts = BTreeSet::new();
    for group in list(&of_kind(&manifests, "PrometheusRule")[0]["spec"]["groups"]) {
        for rule in list(&group["rules"]) {
            let alert = text(&rule["alert"]);
            assert!(alerts.insert(alert), "{alert} stands twice");
            let runbook = format!("RUNBOOKS.md#{}", alert.to_lowercase());
            assert_eq!(rule["annotations"]["runbook"], runbook);
            assert!(["page", "ticket"].contains(&text(&rule["labels"]["severity"])), "{alert}");
        }
    }
    assert_eq!(alerts, headings);
}

#[test]
fn the_figures_port_is_scraped() {
    let manifests = rendered("telemetry");
    let endpoint = &of_kind(&manifests, "PodMonitor")[0]["spec"]["podMetricsEndpoints"][0];
    assert_eq!((&endpoint["port"], &endpoint["path"]), (&json!("figures"), &json!("/metrics")));
    let city = rendered("overlays/city");
    let ports = &of_kind(&city, "StatefulSet")[0]["spec"]["template"]["spec"]["containers"][0]["ports"];
    assert!(list(ports).iter().any(|port| port["name"] == "figures" && port["containerPort"] == 9090));
}
