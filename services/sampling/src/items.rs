//! Inspection items 抽查事项: what may be inspected, and which skills that takes.
use std::sync::Arc;

use chassis::{Answer, Context, Fault, Tx, page::Page};
use contract::sampling::v1::{self as api, inspection_item::Category};
use identifiers::Domain;
use sea_orm::ConnectionTrait;

use crate::{Sampling, register, rights};

const TABLE: &str = "inspection_items";

/// Puts an item.
pub async fn put(
    _: &Arc<Sampling>,
    context: &Context,
    tx: &Tx,
    request: api::PutInspectionItemRequest,
) -> Answer<api::InspectionItem> {
    put_one(context, tx, request.inspection_item.unwrap_or_default()).await
}

/// Puts an item that the contract's rules have judged.
pub async fn put_one(
    context: &Context,
    tx: &Tx,
    mut item: api::InspectionItem,
) -> Answer<api::InspectionItem> {
    if item.department.is_empty() {
        item.department = context.caller.department().to_owned();
    }
    rights::act_for(context, [item.department.as_str()])?;
    if let Some(before) =
        register::find::<api::InspectionItem>(&**tx, TABLE, &item.inspection_item_id).await?
    {
        rights::act_for(context, [before.department.as_str()])?;
    }
    if !item.domain.is_empty() {
        let domain = Domain::parse(&item.domain);
        item.domain = domain
            .map_err(|fault| Fault::field("inspectionItem.domain", fault.message_en(), fault.message_zh()))?
            .code()
            .to_owned();
    }
    if let Some(index) = item.skills.iter().position(|skill| skill.trim().is_empty()) {
        return Err(Fault::field(
            format!("inspectionItem.skills[{index}]"),
            "is empty; name a skill or leave it out",
            "为空；请填写专业要求或删去该项",
        ));
    }
    let (from, until) = (&item.effective_from, &item.effective_until);
    if !from.is_empty() && !until.is_empty() && from > until {
        return Err(Fault::field(
            "inspectionItem.effectiveUntil",
            format!("{until} is before effectiveFrom {from}; swap them or correct one"),
            format!("{until}早于 effectiveFrom {from}；请更正"),
        ));
    }
    if item.category() == Category::Unspecified {
        item.category = Category::General as i32;
    }
    register::put(tx, TABLE, &item.inspection_item_id, &item.department, &item).await?;
    Ok(item)
}

/// Gives an item.
pub async fn get(
    app: &Arc<Sampling>,
    _: &Context,
    request: api::GetInspectionItemRequest,
) -> Answer<api::InspectionItem> {
    let found = register::find(app.store.read(), TABLE, &request.id).await?;
    found.ok_or_else(|| Fault::not_found("inspection item", "抽查事项", &request.id))
}

/// Lists items.
pub async fn list(
    app: &Arc<Sampling>,
    _: &Context,
    request: api::ListInspectionItemsRequest,
) -> Answer<api::ListInspectionItemsResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let mut inspection_items: Vec<api::InspectionItem> =
        register::page(app.store.read(), TABLE, &request.department, &page).await?;
    let next_page_token = page.cut(&mut inspection_items, |item| item.inspection_item_id.clone());
    Ok(api::ListInspectionItemsResponse { inspection_items, next_page_token })
}

/// Those of the ids that are on file.
pub async fn among(db: &impl ConnectionTrait, ids: &[String]) -> Answer<Vec<api::InspectionItem>> {
    register::among(db, TABLE, ids).await
}
