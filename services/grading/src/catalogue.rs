//! Credit's catalogue as schemes and fact sheets need it: which items there are, and of which types their fields.
use std::time::Duration;

use chassis::{Answer, Fault, serve::MESSAGE_MAX, upstream::Upstream};
use contract::credit::v1::{CatalogueItem, ListItemsRequest, items_client::ItemsClient};
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

/// The catalogue in scoring's terms. A type that scoring does not know was refused by credit, so that none is lost here.
pub fn schemas(items: &[CatalogueItem]) -> Schemas {
    let mut schemas = Schemas::new();
    for item in items {
        let typed = |field: &contract::credit::v1::CatalogueField| {
            Some((field.key.clone(), FieldType::parse(&field.r#type)?))
        };
        schemas.insert(item.item.as_str(), item.fields.iter().filter_map(typed));
    }
    schemas
}
