//! As much of kustomize as our overlays use: resources, components, patches by JSON 6902, a namespace. What else a kustomization says is refused.
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

/// The documents of a YAML file.
pub fn documents(file: &Path) -> Result<Vec<Value>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let read = serde_yaml_ng::Deserializer::from_str(&text).map(Value::deserialize);
    read.collect::<Result<_, _>>().map_err(|error| format!("{}: {error}", file.display()))
}

/// What a folder's kustomization makes: every manifest as it would be applied.
pub fn render(folder: &Path) -> Result<Vec<Value>, String> {
    let mut made = Vec::new();
    add(folder, "Kustomization", &mut made)?;
    let mut names: Vec<String> = made.iter().map(name).collect();
    names.sort();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("{}: {} stands twice", folder.display(), twice[0]));
    }
    Ok(made)
}

/// Kind and name.
pub fn name(manifest: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    format!("{} {}", text(&manifest["kind"]), text(&manifest["metadata"]["name"]))
}

fn add(folder: &Path, kind: &str, made: &mut Vec<Value>) -> Result<(), String> {
    let file = folder.join("kustomization.yaml");
    let read = documents(&file)?;
    let [Value::Object(kustomization)] = read.as_slice() else {
        return Err(format!("{} is not one document", file.display()));
    };
    let at = |what: &str| format!("{}: {what}", file.display());
    let known = ["apiVersion", "kind", "namespace", "resources", "components", "patches"];
    if let Some(strange) = kustomization.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(at(&format!("{strange} is not understood here; kustomize.rs has to learn it first")));
    }
    if kustomization.get("kind").and_then(Value::as_str) != Some(kind) {
        return Err(at(&format!("is not of the kind {kind}")));
    }
    for path in texts(kustomization, "resources") {
        let place = folder.join(&path);
        if place.is_dir() {
            add(&place, "Kustomization", made)?;
        } else {
            made.extend(documents(&place)?);
        }
    }
    for path in texts(kustomization, "components") {
        add(&folder.join(path), "Component", made)?;
    }
    for patch in kustomization.get("patches").and_then(Value::as_array).into_iter().flatten() {
        let path = patch["path"].as_str().ok_or_else(|| at("a patch names no file"))?;
        let target = patch["target"].as_object().ok_or_else(|| at("a patch names no target"))?;
        let mut hit = false;
        for manifest in made.iter_mut().filter(|manifest| is_target(target, manifest)) {
            hit = true;
            apply(&folder.join(path), manifest)?;
        }
        if !hit {
            return Err(at(&format!("the patch {path} meets no manifest")));
        }
    }
    if let Some(namespace) = kustomization.get("namespace") {
        for manifest in made.iter_mut().filter(|manifest| manifest["kind"] != "Namespace") {
            manifest["metadata"]["namespace"] = namespace.clone();
        }
    }
    Ok(())
}

fn texts(kustomization: &Map<String, Value>, key: &str) -> Vec<String> {
    let list = kustomization.get(key).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

// Kustomize takes anchored expressions; ours are words with bars between them.
fn is_target(target: &Map<String, Value>, manifest: &Value) -> bool {
    target.iter().all(|(key, wanted)| {
        let found = match key.as_str() {
            "kind" => &manifest["kind"],
            "name" => &manifest["metadata"]["name"],
            _ => return false,
        };
        let words = wanted.as_str().unwrap_or_default().split('|');
        found.as_str().is_some_and(|found| words.into_iter().any(|word| word == found))
    })
}

fn apply(file: &Path, manifest: &mut Value) -> Result<(), String> {
    let read = documents(file)?;
    let [Value::Array(steps)] = read.as_slice() else {
        return Err(format!("{} is not one list of steps", file.display()));
    };
    for step in steps {
        let path = step["path"].as_str().unwrap_or_default();
        let told = |what: &str| format!("{}: {path}: {what}", file.display());
        let (parent, last) = path.rsplit_once('/').ok_or_else(|| told("is no path"))?;
        let last = last.replace("~1", "/").replace("~0", "~");
        let parent = manifest.pointer_mut(parent).ok_or_else(|| told("leads nowhere"))?;
        match (step["op"].as_str(), parent) {
            (Some("add"), Value::Object(fields)) => {
                fields.insert(last, step["value"].clone());
            }
            (Some("add"), Value::Array(items)) if last == "-" => items.push(step["value"].clone()),
            (Some("replace"), Value::Object(fields)) if fields.contains_key(&last) => {
                fields.insert(last, step["value"].clone());
            }
            (Some("remove"), Value::Object(fields)) if fields.contains_key(&last) => {
                fields.remove(&last);
            }
            _ => return Err(told("can't be done")),
        }
    }
    Ok(())
}

#[test]
fn what_is_not_understood_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let kustomization = |more: &str| {
        put("kustomization.yaml", &format!("kind: Kustomization\nresources: [one.yaml]\n{more}"));
        render(folder.path())
    };
    put(
        "one.yaml",
        "kind: A\nmetadata: {name: one}\nspec: {list: [1]}\n---\nkind: B\nmetadata: {name: two}\n",
    );
    put("patch.yaml", "- {op: add, path: /spec/more, value: 2}\n- {op: add, path: /spec/list/-, value: 3}\n");
    let made = kustomization("namespace: here\npatches: [{path: patch.yaml, target: {kind: A}}]\n").unwrap();
    assert_eq!(made[0]["spec"], serde_json::json!({ "list": [1, 3], "more": 2 }));
    assert_eq!(made[1]["metadata"]["namespace"], "here");
    for (more, told) in [
        ("images: []\n", "images is not understood"),
        ("patches: [{path: patch.yaml, target: {kind: C}}]\n", "meets no manifest"),
        ("patches: [{path: none.yaml, target: {kind: A}}]\n", "none.yaml"),
        ("patches: [{path: patch.yaml, target: {kind: B}}]\n", "leads nowhere"),
    ] {
        let refusal = kustomization(more).unwrap_err();
        assert!(refusal.contains(told), "{refusal}");
    }
    put("one.yaml", "kind: A\nmetadata: {name: one}\n---\nkind: A\nmetadata: {name: one}\n");
    assert!(kustomization("").unwrap_err().contains("stands twice"));
}
