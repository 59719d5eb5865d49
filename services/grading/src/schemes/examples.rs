//! Ready-made schemes 示例制度: examples for the plan's 22 domains, to begin a draft from. They are data, and nobody's rule.
use std::sync::{Arc, LazyLock};

use chassis::{Answer, Context, Fault, page::Page, validation::POOL};
use contract::grading::v1::{self as api, ErrorReason, ExampleScheme, Scheme};
use identifiers::Domain;
use prost::Name;
use prost_reflect::DynamicMessage;
use serde::de::DeserializeSeed;

use super::mask;
use crate::Grading;

const TEXT: &str = include_str!("../../data/examples.json");

// The test below reads the file, so that what is shipped can be read.
static EXAMPLES: LazyLock<Vec<ExampleScheme>> = LazyLock::new(|| read(TEXT).unwrap_or_default());

// As the contract's own JSON.
fn read(text: &str) -> anyhow::Result<Vec<ExampleScheme>> {
    let name = ExampleScheme::full_name();
    let descriptor = POOL.get_message_by_name(&name).ok_or_else(|| anyhow::anyhow!("no {name}"))?;
    let rows: Vec<serde_json::Value> = serde_json::from_str(text)?;
    let example =
        |row| Ok(descriptor.clone().deserialize(row).map(|row: DynamicMessage| row.transcode_to())??);
    rows.into_iter().map(example).collect()
}

/// Lists the examples.
pub async fn list(
    _app: &Arc<Grading>,
    _context: &Context,
    request: api::ListExampleSchemesRequest,
) -> Answer<api::ListExampleSchemesResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let domain = match request.domain.as_str() {
        "" => "",
        given => {
            let parsed = Domain::parse(given);
            parsed.map_err(|fault| Fault::field("domain", fault.message_en(), fault.message_zh()))?.code()
        }
    };
    let of_domain = |example: &&ExampleScheme| {
        domain.is_empty() || example.scheme.as_ref().is_some_and(|scheme| scheme.domain == domain)
    };
    let fetch = usize::try_from(page.fetch()).unwrap_or(usize::MAX);
    let after = |example: &&ExampleScheme| example.example_id > page.after;
    let mut examples: Vec<_> = EXAMPLES.iter().filter(of_domain).filter(after).take(fetch).cloned().collect();
    let next_page_token = page.cut(&mut examples, |example| example.example_id.clone());
    Ok(api::ListExampleSchemesResponse { examples, next_page_token })
}

/// An example by its id.
pub fn find(id: &str) -> Answer<&'static ExampleScheme> {
    EXAMPLES.iter().find(|example| example.example_id == id).ok_or_else(|| {
        Fault::invalid(
            ErrorReason::ExampleUnknown.as_str_name(),
            format!("there is no example \"{id}\"; list them with GET /grading/v1/exampleSchemes"),
            format!("不存在示例制度“{id}”；请通过 GET /grading/v1/exampleSchemes 查询"),
        )
        .at("fromExample")
    })
}

/// A draft that begins as an example: what was sent replaces what the example says.
pub fn begin(example: &ExampleScheme, sent: Scheme) -> Answer<Scheme> {
    let ready = example.scheme.clone().unwrap_or_default();
    let merged = mask::merge(&ready, &sent, &[]).map_err(|violation| Fault::fields(vec![violation]))?;
    Ok(Scheme { scheme_id: sent.scheme_id, from_example: sent.from_example, ..merged })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use contract::grading::v1::scheme::{Disclosure, Scale};

    use super::*;

    #[test]
    fn the_examples_are_read_and_say_what_they_are() {
        let examples = read(TEXT).unwrap();
        let ids: Vec<_> = examples.iter().map(|example| &example.example_id).collect();
        assert!(ids.is_sorted() && ids.iter().collect::<BTreeSet<_>>().len() == ids.len(), "{ids:?}");
        let domains: BTreeSet<_> = examples
            .iter()
            .filter_map(|example| example.scheme.as_ref())
            .collect::<Vec<_>>()
            .iter()
            .map(|scheme| scheme.domain.clone())
            .collect();
        assert_eq!(domains.len(), 22, "{domains:?}");
        for example in examples {
            let (id, scheme) = (&example.example_id, example.scheme.as_ref().unwrap());
            assert!(scheme.title.starts_with("示例："), "{id}");
            assert!(scheme.scheme_id.is_empty() && scheme.department.is_empty(), "{id} is nobody's");
            assert!(scheme.superior_rule.is_none(), "{id}: nobody's statement can be ready-made");
            assert!(!example.note.is_empty() && !example.sources.is_empty(), "{id}");
            let known = ["VERIFIED", "SECONDARY", "UNVERIFIED", "ILLUSTRATION"];
            assert!(example.sources.iter().all(|source| known.contains(&source.status.as_str())), "{id}");
            let inside = scheme.scale() != Scale::RiskClass || scheme.disclosure() == Disclosure::Departments;
            assert!(inside, "{id} shows a class of risk");
        }
    }
}
