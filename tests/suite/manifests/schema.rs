//! Manifests judged by the API's own OpenAPI: no unknown field, no required one missing, each of its type. Custom resources are known by name.
use serde_json::{Map, Value};
use suites::process::root;

// Their schemas belong to their operators; of these only the envelope is judged.
const CUSTOM: [(&str, &str); 10] = [
    ("barmancloud.cnpg.io/v1", "ObjectStore"),
    ("cert-manager.io/v1", "Certificate"),
    ("gateway.networking.k8s.io/v1", "Gateway"),
    ("gateway.networking.k8s.io/v1", "GRPCRoute"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    ("monitoring.coreos.com/v1", "PodMonitor"),
    ("monitoring.coreos.com/v1", "PrometheusRule"),
    ("postgresql.cnpg.io/v1", "Cluster"),
    ("postgresql.cnpg.io/v1", "Database"),
    ("postgresql.cnpg.io/v1", "ScheduledBackup"),
];

/// The definitions that the repository carries, see `k8s/schema/reduce.py`.
pub struct Schema(Map<String, Value>);

impl Schema {
    /// Reads them.
    pub fn read() -> Self {
        let text = std::fs::read_to_string(root().join("k8s/schema/kubernetes.json")).unwrap();
        let Value::Object(mut document) = serde_json::from_str(&text).unwrap() else { panic!("no object") };
        let Some(Value::Object(definitions)) = document.remove("definitions") else {
            panic!("no definitions")
        };
        Self(definitions)
    }

    /// What is wrong with a manifest, each fault with its path.
    pub fn faults(&self, manifest: &Value) -> Vec<String> {
        let (version, kind) = (manifest["apiVersion"].as_str(), manifest["kind"].as_str());
        let (Some(version), Some(kind)) = (version, kind) else {
            return vec![String::from("has no apiVersion or kind")];
        };
        let mut faults = Vec::new();
        if CUSTOM.contains(&(version, kind)) {
            let envelope = manifest.as_object().into_iter().flat_map(Map::keys);
            let strange =
                envelope.filter(|key| !["apiVersion", "kind", "metadata", "spec"].contains(&key.as_str()));
            faults.extend(strange.map(|key| format!("{key}: no field of a custom resource")));
            let metadata = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
            self.judge(&manifest["metadata"], &self.0[metadata], "metadata", &mut faults);
            if !manifest["spec"].is_object() {
                faults.push(String::from("spec: is missing"));
            }
            return faults;
        }
        let of_kind = self.0.values().find(|definition| {
            let names = definition["x-kubernetes-group-version-kind"].as_array();
            names.into_iter().flatten().any(|name| {
                let group = name["group"].as_str().unwrap_or_default();
                let told = name["version"].as_str().unwrap_or_default();
                let full = if group.is_empty() { told.to_owned() } else { format!("{group}/{told}") };
                full == version && name["kind"] == kind
            })
        });
        match of_kind {
            Some(definition) => self.judge(manifest, definition, "", &mut faults),
            None => faults.push(format!("{version} {kind} is not in k8s/schema/kubernetes.json")),
        }
        faults
    }

    fn judge(&self, value: &Value, schema: &Value, path: &str, faults: &mut Vec<String>) {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap_or_default();
            return self.judge(value, &self.0[name], path, faults);
        }
        let under = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        let mut expected =
            |what: &str| faults.push(format!("{path}: {what} is expected, {value} stands there"));
        match (schema["type"].as_str(), value) {
            (Some("string"), _) if schema["format"] == "int-or-string" => {
                if !value.is_string() && !value.is_i64() {
                    expected("a number or a text");
                }
            }
            (Some("string"), Value::String(_)) | (Some("boolean"), Value::Bool(_)) | (None, _)
                if !schema["properties"].is_object() => {}
            (Some("integer"), Value::Number(number)) if number.is_i64() => {}
            (Some("number"), Value::Number(_)) => {}
            (Some("array"), Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    self.judge(item, &schema["items"], &format!("{path}[{index}]"), faults);
                }
                // The API merges such lists by these keys; a second one of the same would be lost or refused.
                let keys: Vec<&str> = schema["x-kubernetes-list-map-keys"]
                    .as_array()
                    .map(|keys| keys.iter().filter_map(Value::as_str).collect())
                    .unwrap_or_default();
                let of = |item: &Value| keys.iter().map(|key| item[*key].to_string()).collect::<Vec<_>>();
                for (index, item) in items.iter().enumerate().filter(|_| !keys.is_empty()) {
                    if items[..index].iter().any(|before| of(before) == of(item)) {
                        faults.push(format!("{path}[{index}]: {} stands twice", of(item).join(", ")));
                    }
                }
            }
            (Some("object") | None, Value::Object(fields)) => {
                let (known, rest) = (&schema["properties"], &schema["additionalProperties"]);
                for (key, field) in fields {
                    if known[key].is_object() {
                        self.judge(field, &known[key], &under(key), faults);
                    } else if rest.is_object() {
                        self.judge(field, rest, &under(key), faults);
                    } else if known.is_object() {
                        faults.push(format!("{}: is no field of the API", under(key)));
                    }
                }
                let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
                faults.extend(
                    required
                        .filter(|key| !fields.contains_key(*key))
                        .map(|key| format!("{}: is required", under(key))),
                );
            }
            (Some(kind), _) => expected(kind),
            (None, _) => expected("object"),
        }
    }
}
