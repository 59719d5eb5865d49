//! Who may call what, read off the contract: the table that the office looks at is the rule that the services enforce.
use std::sync::Arc;

use anyhow::Context as _;
use chassis::{Answer, Context};
use contract::identity::v1 as api;
use prost_reflect::DescriptorPool;

use super::App;
use crate::{openapi, transcode::http_rules};

/// The table, in the order of the methods' names.
pub fn entries(pool: &DescriptorPool) -> anyhow::Result<Vec<api::AccessEntry>> {
    let option =
        pool.get_extension_by_name("xinheng.type.v1.access").context("the contract has no access option")?;
    let comments = openapi::Comments::of(pool);
    let mut entries = Vec::new();
    for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
        let options = method.options();
        if !options.has_extension(&option) {
            continue;
        }
        let rule = options.get_extension(&option);
        let rule = rule.as_message().context("an access rule is no message")?;
        let routes =
            http_rules(&options)?.into_iter().map(|route| format!("{} {}", route.method, route.template));
        let about = comments.about(method.parent_service().parent_file().name(), method.path());
        entries.push(api::AccessEntry {
            method: format!("{}/{}", method.parent_service().full_name(), method.name()),
            routes: routes.collect(),
            public: field(rule, "public", |value| value.as_bool()),
            any_client: field(rule, "any_client", |value| value.as_bool()),
            scope: field(rule, "scope", |value| value.as_str().map(str::to_owned)),
            roles: field(rule, "roles", |value| {
                let list = value.as_list()?;
                Some(list.iter().filter_map(|role| role.as_str().map(str::to_owned)).collect())
            }),
            summary: openapi::first_sentence(&about).to_owned(),
        });
    }
    entries.sort_by(|one, other| one.method.cmp(&other.method));
    Ok(entries)
}

fn field<T: Default>(
    rule: &prost_reflect::DynamicMessage,
    name: &str,
    read: impl FnOnce(&prost_reflect::Value) -> Option<T>,
) -> T {
    rule.get_field_by_name(name).and_then(|value| read(&value)).unwrap_or_default()
}

/// Gives the table, or what of it a scope opens.
pub async fn table(
    app: &Arc<App>,
    _: &Context,
    request: api::GetAccessTableRequest,
) -> Answer<api::GetAccessTableResponse> {
    let asked = |entry: &&api::AccessEntry| request.scope.is_empty() || entry.scope == request.scope;
    Ok(api::GetAccessTableResponse { entries: app.table.iter().filter(asked).cloned().collect() })
}
