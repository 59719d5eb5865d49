//! Credit's catalogue as schemes and fact sheets need it: which items there are, and of which types their fields.
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chassis::{Answer, Fault, serve::MESSAGE_MAX, upstream::Upstream};
use contract::credit::v1::{CatalogueItem, Change, ListItemsRequest, Record, items_client::ItemsClient};
use scoring::{FieldType, Schemas};
use tonic::Status;

// It is asked within a transaction that others wait for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The whole catalogue as it is now.
pub async fn fetch(credit: &Upstream) -> Answer<Vec<CatalogueItem>> {
    let whole = tokio::time::timeout(PATIENCE, pages(credit)).await;
    whole.unwrap_or_else(|_| {
        Err(Fault::from(Status::deadline_exceeded("credit's catalogue did not come in time")))
    })
}

async fn pages(credit: &Upstream) -> Answer<Vec<CatalogueItem>> {
    let mut client = ItemsClient::new(credit.clone()).max_decoding_message_size(MESSAGE_MAX);
    let mut request = ListItemsRequest { page_size: 1_000, ..Default::default() };
    let mut items = Vec::new();
    loop {
        let page = client.list_items(request.clone()).await?.into_inner();
        items.extend(page.items);
        if page.next_page_token.is_empty() {
            return Ok(items);
        }
        request.page_token = page.next_page_token;
    }
}

/// The types of fields of items that have records. Credit changes no type of a field of such an item (`ITEM_IN_USE`), so that what was
/// asked once holds for ever; an item or field not asked for yet is asked for. An item without records may still change: it is not kept.
#[derive(Default)]
pub struct Types(Mutex<Arc<Schemas>>);

impl Types {
    /// The types for a batch of changes; credit is asked only where one of their records names what is not known yet.
    pub async fn schemas(&self, credit: &Upstream, changes: &[Change]) -> Answer<Arc<Schemas>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let records = || changes.iter().filter_map(|change| change.record.as_ref());
        if records().all(|record| is_typed(&known, record)) {
            return Ok(known);
        }
        let mut items = fetch(credit).await?;
        items.retain(|item| records().any(|record| record.item == item.item));
        let mut grown = Schemas::clone(&known);
        add(&mut grown, &items);
        let grown = Arc::new(grown);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&grown);
        Ok(grown)
    }
}

fn is_typed(known: &Schemas, record: &Record) -> bool {
    let mut keys = record.fields.iter().flat_map(|fields| fields.fields.keys()).peekable();
    if keys.peek().is_none() {
        return true;
    }
    known.item(&record.item).is_some_and(|types| keys.all(|key| types.contains_key(key)))
}

/// The catalogue in scoring's terms.
pub fn schemas(items: &[CatalogueItem]) -> Schemas {
    Schemas::of_catalogue(items)
}

// A type that scoring does not know was refused by credit, so that none is lost here.
fn add(schemas: &mut Schemas, items: &[CatalogueItem]) {
    for item in items {
        let typed = |field: &contract::credit::v1::CatalogueField| {
            Some((field.key.clone(), FieldType::parse(&field.r#type)?))
        };
        schemas.insert(item.item.as_str(), item.fields.iter().filter_map(typed));
    }
}

#[cfg(test)]
mod tests {
    use scoring::FieldType;

    use super::*;

    fn record(item: &str, keys: &[&str]) -> Record {
        let fields = keys.iter().map(|key| ((*key).to_owned(), prost_types::Value::default())).collect();
        Record { item: item.to_owned(), fields: Some(prost_types::Struct { fields }), ..Default::default() }
    }

    #[test]
    fn credit_is_asked_only_for_what_is_not_known() {
        let mut known = Schemas::new();
        known.insert("penalty", [("kind", FieldType::Text)]);
        assert!(is_typed(&known, &record("penalty", &["kind"])));
        assert!(!is_typed(&known, &record("penalty", &["kind", "days"])), "a new field");
        assert!(!is_typed(&known, &record("honour", &["name"])), "a new item");
        assert!(is_typed(&known, &record("honour", &[])), "nothing to type");
    }
}
