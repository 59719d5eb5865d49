//! The document is whole, and can be read in either language.
use super::*;

#[test]
fn paths_lose_their_patterns() {
    let (path, variables) = path_of("/v1/{catalogue_item.item=items/*}/x/{uscc}:explain");
    assert_eq!(path, "/v1/{}/x/{}:explain");
    assert_eq!(variables, ["catalogue_item.item", "uscc"]);
    assert_eq!(names_of(&variables), ["item", "uscc"]);
    assert_eq!(names_of(&[String::from("a.id"), String::from("b.id")]), ["aId", "bId"]);
}

#[test]
fn the_contract_s_document_is_whole() {
    let document = document(&chassis::validation::POOL).expect("a document");
    let submit = &document["paths"]["/credit/v1/records:submit"]["post"];
    assert_eq!(submit["x-scope"], "credit.write");
    assert!(
        submit["requestBody"]["content"]["application/json"]["schema"]["properties"]["records"].is_object()
    );
    let named = |operation: &Value, name: &str| {
        operation["parameters"].as_array().is_some_and(|all| all.iter().any(|one| one["name"] == name))
    };
    let export = &document["paths"]["/credit/v1/imports/{id}/rejects"]["get"];
    assert!(["Range", "If-Range", "If-None-Match"].iter().all(|name| named(export, name)), "{export}");
    assert!(export["responses"]["206"]["headers"]["Content-Range"].is_object());
    assert!(!named(submit, "If-Match") && !named(submit, "Range"));
    let conditional: Vec<&Value> = document["paths"]
        .as_object()
        .expect("paths")
        .values()
        .flat_map(|verbs| verbs.as_object().expect("verbs").values())
        .filter(|operation| named(operation, "If-Match"))
        .collect();
    assert!(!conditional.is_empty(), "what is changed under a condition");
    let get = &document["paths"]["/credit/v1/subjects/{uscc}"]["get"];
    assert_eq!(get["parameters"][0]["name"], "uscc");
    assert_eq!(get["parameters"][0]["in"], "path");
    assert!(get["description"].as_str().is_some_and(|text| !text.is_empty()), "comments become descriptions");
    assert_eq!(document["paths"]["/oauth2/token"]["post"]["security"], json!([]));
    // Paths that differ in a name only would be one path, said twice.
    let paths = document["paths"].as_object().expect("paths");
    let shape = |path: &str| {
        path.split('{')
            .map(|part| part.split('}').next_back().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    let shapes: std::collections::BTreeSet<_> = paths.keys().map(|path| shape(path)).collect();
    assert_eq!(shapes.len(), paths.len());
    for (path, verbs) in paths {
        for operation in verbs.as_object().expect("verbs").values() {
            for name in path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
                let declared = operation["parameters"].as_array().expect("parameters").iter();
                assert!(
                    declared.filter(|one| one["in"] == "path").any(|one| one["name"] == name),
                    "{path}: {name}"
                );
            }
        }
    }
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    assert!(schemas.contains_key("Error"));
    // Every reference leads somewhere.
    let text = document.to_string();
    for name in
        text.split("#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap_or_default())
    {
        assert!(schemas.contains_key(name), "{name}");
    }
    let mut ids: Vec<&str> = document["paths"]
        .as_object()
        .expect("paths")
        .values()
        .flat_map(|verbs| verbs.as_object().expect("verbs").values())
        .filter_map(|operation| operation["operationId"].as_str())
        .collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "operation ids are unique");
}

fn is_in_both_languages(text: &str) -> bool {
    let han = |letter: char| ('\u{4e00}'..='\u{9fff}').contains(&letter);
    text.chars().any(han) && text.chars().any(|letter| letter.is_ascii_alphabetic())
}

// Elements are told by the keys that OpenAPI has for them; each must say something, and say it twice.
#[derive(Default)]
struct Judged {
    seen: usize,
    lacking: Vec<String>,
}

impl Judged {
    fn judge(&mut self, place: &str, told: &Value) {
        self.seen += 1;
        if !told.as_str().is_some_and(is_in_both_languages) {
            self.lacking.push(format!("{place}: {told}"));
        }
    }

    // Whatever is described anywhere, and what has to be: fields, values, parameters, whole schemas.
    fn walk(&mut self, place: &str, value: &Value) {
        match value {
            Value::Object(members) => {
                for (name, inner) in members {
                    let place = format!("{place}/{name}");
                    match (name.as_str(), inner) {
                        ("description", Value::String(_)) => self.judge(&place, inner),
                        ("properties", Value::Object(fields)) => {
                            for (field, schema) in fields {
                                self.judge(&format!("{place}/{field}"), &schema["description"]);
                                self.walk(&format!("{place}/{field}"), schema);
                            }
                        }
                        ("x-enumDescriptions", Value::Object(values)) => {
                            values
                                .iter()
                                .for_each(|(value, told)| self.judge(&format!("{place}/{value}"), told));
                        }
                        ("parameters", Value::Array(parameters)) => {
                            for one in parameters {
                                self.judge(&format!("{place}/{}", one["name"]), &one["description"]);
                            }
                            self.walk_all(&place, parameters);
                        }
                        _ => self.walk(&place, inner),
                    }
                }
            }
            Value::Array(items) => self.walk_all(place, items),
            _ => {}
        }
    }

    fn walk_all(&mut self, place: &str, items: &[Value]) {
        for (number, item) in items.iter().enumerate() {
            self.walk(&format!("{place}/{number}"), item);
        }
    }
}

#[test]
fn whoever_reads_one_language_finds_everything_in_it() {
    let document = document(&chassis::validation::POOL).expect("a document");
    let mut judged = Judged::default();
    judged.judge("info", &document["info"]["description"]);
    for tag in document["tags"].as_array().expect("tags") {
        judged.judge(&format!("tags/{}", tag["name"]), &tag["description"]);
    }
    for (path, verbs) in document["paths"].as_object().expect("paths") {
        for (verb, operation) in verbs.as_object().expect("verbs") {
            judged.judge(&format!("{verb} {path}"), &operation["description"]);
            judged.judge(&format!("{verb} {path}, in short"), &operation["summary"]);
            judged.walk(&format!("{verb} {path}"), operation);
        }
    }
    let components = document["components"]["schemas"].as_object().expect("schemas");
    for (name, schema) in components {
        judged.judge(name, &schema["description"]);
        judged.walk(name, schema);
        // A list of values says what each means.
        for value in schema["enum"].as_array().into_iter().flatten() {
            let value = value.as_str().expect("a name");
            assert!(schema["x-enumDescriptions"][value].is_string(), "{name}: {value} is not told");
        }
    }
    judged.walk("responses", &document["components"]["responses"]);
    assert!(judged.seen > 5_000, "only {} descriptions", judged.seen);
    let lacking = judged.lacking;
    assert!(lacking.is_empty(), "{} lack a language:\n{}", lacking.len(), lacking.join("\n"));
}

#[test]
fn a_text_in_one_language_is_found() {
    assert!(is_in_both_languages("Its id 编号."));
    assert!(!is_in_both_languages("Its id.") && !is_in_both_languages("编号") && !is_in_both_languages(""));
    let mut judged = Judged::default();
    let shown = json!({ "properties": { "told": { "description": "Its id 编号" }, "silent": {}, "english": { "description": "Its id" } },
        "x-enumDescriptions": { "OPEN": "已受理" } });
    judged.walk("x", &shown);
    let lacking: Vec<&str> = judged.lacking.iter().filter_map(|one| one.split(':').next()).collect();
    for place in ["x/properties/silent", "x/properties/english", "x/x-enumDescriptions/OPEN"] {
        assert!(lacking.contains(&place), "{place}: {lacking:?}");
    }
    assert!(!lacking.iter().any(|place| place.contains("told")), "{lacking:?}");
}
