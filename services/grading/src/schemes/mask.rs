//! A change of a draft: the fields that a mask names are taken from what was sent, the others stay.
use chassis::{fault::Violation, validation::POOL};
use contract::grading::v1::Scheme;
use prost::{Message, Name};
use prost_reflect::{DynamicMessage, Kind, ReflectMessage};

/// What the service sets. It may be sent back as it was read, and is not taken.
const OWNED: [&str; 14] = [
    "scheme_id",
    "version",
    "state",
    "effective_from",
    "etag",
    "create_time",
    "publish_time",
    "retire_time",
    "measures",
    "from_example",
    "direction",
    "warnings",
    "acknowledged_warnings",
    "measures_version",
];

/// The draft with the named fields as they were sent; no name means every field that was sent.
pub fn merge(draft: &Scheme, sent: &Scheme, mask: &[String]) -> Result<Scheme, Violation> {
    let (Some(mut merged), Some(sent)) = (reflect(draft), reflect(sent)) else {
        return Err(unknown("*"));
    };
    let present = || sent.fields().map(|(field, _)| field.name().to_owned()).collect();
    let paths: Vec<String> = if mask.is_empty() { present() } else { mask.to_vec() };
    for path in &paths {
        let names: Vec<&str> = path.split('.').collect();
        take(&mut merged, &sent, &names).ok_or_else(|| unknown(path))?;
    }
    merged.transcode_to::<Scheme>().map_err(|_| unknown("*"))
}

fn reflect(scheme: &Scheme) -> Option<DynamicMessage> {
    let descriptor = POOL.get_message_by_name(&Scheme::full_name())?;
    DynamicMessage::decode(descriptor, scheme.encode_to_vec().as_slice()).ok()
}

// A mask on the wire spells names as protobuf does, one in JSON as JSON does; both are known.
fn take(into: &mut DynamicMessage, from: &DynamicMessage, path: &[&str]) -> Option<()> {
    let (name, below) = path.split_first()?;
    let descriptor = into.descriptor();
    let field = descriptor.get_field_by_name(name).or_else(|| descriptor.get_field_by_json_name(name))?;
    if descriptor.full_name() == Scheme::full_name() && OWNED.contains(&field.name()) {
        return Some(());
    }
    if below.is_empty() {
        if from.has_field(&field) {
            into.set_field(&field, from.get_field(&field).into_owned());
        } else {
            into.clear_field(&field);
        }
        return Some(());
    }
    if field.is_list() || field.is_map() || !matches!(field.kind(), Kind::Message(_)) {
        return None;
    }
    take(into.get_field_mut(&field).as_message_mut()?, from.get_field(&field).as_message()?, below)
}

fn unknown(path: &str) -> Violation {
    Violation::new(
        "updateMask",
        format!("\"{path}\" is not a field of a scheme; name fields such as title or model.grades"),
        format!("“{path}”不是评价制度的字段；请使用 title、model.grades 等字段名"),
    )
}

#[cfg(test)]
mod tests {
    use contract::grading::v1::{Basis, Grade, Model};

    use super::*;

    fn scheme(title: &str, base: Option<f64>, grades: &[&str]) -> Scheme {
        let grades =
            grades.iter().map(|grade| Grade { grade: (*grade).to_owned(), ..Default::default() }).collect();
        Scheme {
            title: title.to_owned(),
            version: 7,
            basis: Some(Basis { title: "b".to_owned(), ..Default::default() }),
            model: Some(Model { base_score: base, grades, ..Default::default() }),
            ..Default::default()
        }
    }

    fn mask(paths: &[&str]) -> Vec<String> {
        paths.iter().map(|path| (*path).to_owned()).collect()
    }

    #[test]
    fn only_what_is_named_changes() {
        let draft = scheme("old", Some(100.0), &["A", "B"]);
        let sent = Scheme { version: 9, basis: None, ..scheme("new", None, &["C"]) };
        let merged = merge(&draft, &sent, &mask(&["title", "model.grades", "version"])).unwrap();
        assert_eq!(merged, Scheme { version: 7, ..scheme("new", Some(100.0), &["C"]) });
        let cleared = merge(&draft, &sent, &mask(&["basis", "model.baseScore"])).unwrap();
        assert_eq!(cleared, Scheme { basis: None, ..scheme("old", None, &["A", "B"]) });
    }

    #[test]
    fn without_a_mask_what_was_sent_changes() {
        let draft = scheme("old", Some(100.0), &["A"]);
        let sent = Scheme { title: "new".to_owned(), ..Default::default() };
        assert_eq!(merge(&draft, &sent, &[]).unwrap(), scheme("new", Some(100.0), &["A"]));
    }

    #[test]
    fn a_field_that_is_not_there_is_named() {
        let draft = scheme("old", None, &[]);
        for path in ["colour", "title.x", "model.grades.grade", ""] {
            let violation = merge(&draft, &draft, &mask(&[path])).unwrap_err();
            assert_eq!(violation.field, "updateMask", "{path}");
        }
    }
}
