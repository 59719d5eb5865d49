//! The catalogue 公共信用信息目录: what is not in it is not collected.
mod built_in;
mod rows;
pub mod rules;
mod wording;

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use chassis::{
    Answer, Context, Fault, Store, Tx, clock::start_of, decisions, decisions::Decision, page::Page,
};
use contract::{credit::v1 as api, r#type::v1::ErrorReason as Common};
use jiff::{Timestamp, civil::Date};
use serde_json::json;

#[cfg(test)]
pub use built_in::items as built_in;
pub use contract::credit::v1::catalogue_item::Nature;
pub use rows::{EDITION, Item, in_force, named};

use crate::{
    Credit, changes,
    outcomes::{self, Submitter},
};

/// Puts the built-in catalogue in where it is missing; what an operator has put stays.
pub async fn seed(store: &Store, now: Timestamp) -> anyhow::Result<()> {
    let items = built_in::items()?;
    let tx = store.begin().await?;
    rows::seed(&tx, now, items).await?;
    tx.commit().await?;
    Ok(())
}

/// The catalogue in force as it was last read. A look costs one count, and on SQLite, where nobody else writes, none while this process commits
/// nothing; it is read again when a wording was put since, here or by another replica.
#[derive(Default)]
pub struct Catalogue(RwLock<Last>);

#[derive(Clone, Default)]
struct Last {
    edition: i64,
    // After so many commits of this process, where it alone commits.
    commits: Option<u64>,
    items: Arc<Items>,
}

/// The items in force, by name.
pub type Items = BTreeMap<String, Arc<Item>>;

/// The one of a name among some of them, which stand in the order of their names.
pub fn by_name<'a>(items: &'a [Arc<Item>], name: &str) -> Option<&'a Item> {
    let at = items.binary_search_by(|item| item.body.item.as_str().cmp(name)).ok()?;
    Some(&items[at])
}

impl Catalogue {
    /// The catalogue in force.
    pub async fn in_force(&self, store: &Store) -> Answer<Arc<Items>> {
        // Counted before it is read: what is committed meanwhile is looked for by the next.
        let commits = store.commits_of_all();
        let last = self.last();
        if commits.is_some() && last.commits == commits {
            return Ok(last.items);
        }
        let items = self.of_edition(store, rows::edition(store.read()).await?).await?;
        let mut last = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&last.items, &items) {
            last.commits = commits;
        }
        Ok(items)
    }

    /// The same, for who knows which edition is there now.
    pub async fn of_edition(&self, store: &Store, edition: i64) -> Answer<Arc<Items>> {
        let last = self.last();
        if last.edition == edition {
            return Ok(last.items);
        }
        let items = Arc::new(rows::in_force(store.read()).await?);
        let read = Last { edition, commits: None, items: items.clone() };
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(items)
    }

    fn last(&self) -> Last {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Lists the catalogue.
pub async fn list(
    app: &Arc<Credit>,
    _: &Context,
    request: api::ListItemsRequest,
) -> Answer<api::ListItemsResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let mut items = match request.as_of.parse::<Date>() {
        // No day: a wrong one was refused by the contract's own rule.
        Err(_) => rows::page(app.store.read(), &request.category, &page).await?,
        Ok(day) => {
            let end = start_of(day.tomorrow().unwrap_or(Date::MAX));
            rows::page_at(app.store.read(), &request.category, &page, (end, &request.as_of)).await?
        }
    };
    let next_page_token = page.cut(&mut items, |item| item.body.item.clone());
    Ok(api::ListItemsResponse { items: items.into_iter().map(|item| item.body).collect(), next_page_token })
}

/// Gives one item.
pub async fn get(app: &Arc<Credit>, _: &Context, request: api::GetItemRequest) -> Answer<api::CatalogueItem> {
    let items = app.catalogue.in_force(&app.store).await?;
    let item = items.get(&request.item).ok_or_else(|| unknown(&request.item).at("item"))?;
    Ok(item.body.clone())
}

/// Lists the wordings of an item.
pub async fn list_versions(
    app: &Arc<Credit>,
    _: &Context,
    request: api::ListItemVersionsRequest,
) -> Answer<api::ListItemVersionsResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    require(&app.store, &request.item).await?;
    let before = page.after.parse().unwrap_or(i32::MAX);
    let mut versions = rows::versions(app.store.read(), &request.item, before, page.fetch()).await?;
    let next_page_token = page.cut(&mut versions, |version| version.version.to_string());
    Ok(api::ListItemVersionsResponse { versions, next_page_token })
}

/// The item in force, or the refusal that names it.
pub async fn require(store: &Store, item: &str) -> Answer<Item> {
    rows::get(store.read(), item).await?.ok_or_else(|| unknown(item).at("item"))
}

/// The refusal of a name that is not in the catalogue.
pub fn unknown(item: &str) -> Fault {
    let shown = outcomes::shown(item);
    Fault::missing(
        api::ErrorReason::ItemUnknown.as_str_name(),
        format!("item \"{shown}\" is not in the catalogue; list it by GET /credit/v1/items"),
        format!("目录中没有事项“{shown}”；可通过 GET /credit/v1/items 查询目录"),
    )
    .with("item", shown)
}

/// Puts an item in, or a new wording of it; the wordings before stay with the time in which they held.
pub async fn put(
    _: &Arc<Credit>,
    context: &Context,
    tx: &Tx,
    request: api::PutItemRequest,
) -> Answer<api::CatalogueItem> {
    let submitter = Submitter::of(context)?;
    let given = request.catalogue_item.unwrap_or_default();
    let mut body = rules::judge(given).map_err(outcomes::fault)?;
    let before = rows::get_for_update(tx, &body.item).await?;
    if let Some(before) = &before {
        if !submitter.unrestricted && before.owner != submitter.department {
            return Err(not_owner(&body.item));
        }
        body.update_time = before.body.update_time;
        if body == before.body {
            return Ok(body);
        }
        if let Some(field) = rules::retyped(&before.body, &body)
            && rows::is_used(tx, &body.item).await?
        {
            return Err(in_use(&body.item, field));
        }
    }
    body.update_time = Some(changes::stamp(context.now));
    let version = before.as_ref().map_or(1, |before| before.version + 1);
    let owner = before.map_or(submitter.department, |before| before.owner);
    let item = Item { version, owner, built_in: false, body };
    rows::replace(tx, context.now, &item).await?;
    let decision = Decision {
        kind: "item.put",
        subject: &item.body.item,
        basis: &item.body.legal_basis,
        detail: json!({ "version": version, "nature": item.body.nature().as_str_name() }),
    };
    decisions::record(tx, context, decision).await?;
    Ok(item.body)
}

fn not_owner(item: &str) -> Fault {
    Fault::denied(
        Common::ScopeMissing.as_str_name(),
        format!(
            "item \"{item}\" was put by another department; only that department or the credit office changes it"
        ),
        format!("事项“{item}”由其他部门编入目录；只有该部门或信用联办可以修改"),
    )
}

fn in_use(item: &str, field: &str) -> Fault {
    Fault::precondition(
        api::ErrorReason::ItemInUse.as_str_name(),
        format!("records of \"{item}\" hold the field \"{field}\" in its present type; add a field under a new key"),
        format!("事项“{item}”的记录已按现有类型存有数据项“{field}”；请以新的键增加数据项"),
    )
    .with("field", field)
}
