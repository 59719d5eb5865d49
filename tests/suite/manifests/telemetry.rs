//! Dashboards and alerts ask for figures that the real process exposes, by labels that these have; every alert has its runbook.
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use suites::process::{Suite, root};
use xinheng::client::Client;

use super::{list, of_kind, rendered, report, text};

// Words of PromQL that stand where a figure or a label could.
const WORDS: [&str; 17] = [
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
];
// What the collector adds to each figure.
const ADDED: [&str; 3] = ["role", "pod", "le"];

// The names in an expression: figures begin with our name, the rest are labels and words of the language.
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
        words.map(str::to_owned).partition(|word| word.starts_with("xinheng_"));
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
    let expressions = expressions();
    assert!(expressions.len() > 20, "{} expressions", expressions.len());
    let mut faults = Vec::new();
    for (place, expression) in &expressions {
        let (figures, labels) = names(expression);
        if figures.is_empty() {
            faults.push(format!("{place}: {expression} asks for no figure of ours"));
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
