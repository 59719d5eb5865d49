//! The catalogue in its table.
use std::{collections::HashMap, sync::Arc};

use chassis::{
    Answer, Tx,
    clock::{from_micros, micros, wire},
    page::Page,
    storage::{among, corrupt, insert_rows, sql},
};
use contract::credit::v1 as api;
use jiff::Timestamp;
use sea_orm::{ConnectionTrait, FromQueryResult, Value};

use super::{Items, wording};

/// An item with what the wire does not show.
#[derive(Clone, Debug)]
pub struct Item {
    /// The number of its wording, from 1.
    pub version: i32,
    /// The department that put it in.
    pub owner: String,
    /// Whether it came with the program and nobody has put another since.
    pub built_in: bool,
    /// The item itself.
    pub body: api::CatalogueItem,
}

const COLUMNS: [&str; 17] = [
    "item",
    "version",
    "name",
    "category",
    "nature",
    "departments",
    "legal_basis",
    "fields",
    "publication_months",
    "owner",
    "recorded_at",
    "publication_rules",
    "effective_from",
    "effective_to",
    "verification",
    "built_in",
    "severity_classes",
];

#[derive(FromQueryResult)]
struct Row {
    item: String,
    version: i32,
    name: String,
    category: String,
    nature: String,
    departments: String,
    legal_basis: String,
    fields: String,
    publication_months: i32,
    owner: String,
    recorded_at: i64,
    publication_rules: String,
    effective_from: String,
    effective_to: String,
    verification: String,
    built_in: bool,
    severity_classes: String,
}

impl TryFrom<Row> for Item {
    type Error = chassis::Fault;

    fn try_from(row: Row) -> Answer<Self> {
        let unreadable = |error: serde_json::Error| corrupt("item", error);
        let fields: Vec<wording::Field> = serde_json::from_str(&row.fields).map_err(unreadable)?;
        let rules: Vec<wording::Rule> = serde_json::from_str(&row.publication_rules).map_err(unreadable)?;
        let classes: Vec<wording::Severity> =
            serde_json::from_str(&row.severity_classes).map_err(unreadable)?;
        let nature = super::Nature::from_str_name(&row.nature)
            .ok_or_else(|| corrupt("item", format_args!("nature {}", row.nature)))?;
        let body = api::CatalogueItem {
            item: row.item,
            name: row.name,
            category: row.category,
            nature: nature.into(),
            departments: serde_json::from_str(&row.departments).map_err(unreadable)?,
            legal_basis: row.legal_basis,
            fields: fields.into_iter().map(api::CatalogueField::from).collect(),
            publication_months: row.publication_months,
            update_time: Some(wire(from_micros(row.recorded_at))),
            publication_rules: rules.into_iter().map(api::PublicationRule::from).collect(),
            effective_from: row.effective_from,
            effective_to: row.effective_to,
            verification: api::Verification::from_str_name(&row.verification).unwrap_or_default().into(),
            severity_classes: classes.into_iter().map(api::ItemSeverity::from).collect(),
        };
        Ok(Self { version: row.version, owner: row.owner, built_in: row.built_in, body })
    }
}

fn values(item: &Item, now: Timestamp) -> Answer<Vec<Value>> {
    let body = &item.body;
    let fields: Vec<_> = body.fields.iter().cloned().map(wording::Field::from).collect();
    let rules: Vec<_> = body.publication_rules.iter().cloned().map(wording::Rule::from).collect();
    let classes: Vec<_> = body.severity_classes.iter().cloned().map(wording::Severity::from).collect();
    let json = |text: Result<String, serde_json::Error>| text.map_err(chassis::Fault::internal);
    Ok(vec![
        body.item.as_str().into(),
        item.version.into(),
        body.name.as_str().into(),
        body.category.as_str().into(),
        body.nature().as_str_name().into(),
        json(serde_json::to_string(&body.departments))?.into(),
        body.legal_basis.as_str().into(),
        json(serde_json::to_string(&fields))?.into(),
        body.publication_months.into(),
        item.owner.as_str().into(),
        micros(now).into(),
        json(serde_json::to_string(&rules))?.into(),
        body.effective_from.as_str().into(),
        body.effective_to.as_str().into(),
        body.verification().as_str_name().into(),
        item.built_in.into(),
        json(serde_json::to_string(&classes))?.into(),
    ])
}

/// Puts the wordings that come with the program in: where the item is not known, or says what an earlier program brought.
pub async fn seed(tx: &Tx, now: Timestamp, items: Vec<api::CatalogueItem>) -> Answer<()> {
    let owner = identifiers::Department::CREDIT_OFFICE.slug();
    let mut fresh = Vec::new();
    for body in items {
        let first = Item { version: 1, owner: owner.to_owned(), built_in: true, body };
        match get_for_update(tx, &first.body.item).await? {
            None => fresh.push(values(&first, now)?),
            Some(before) if before.built_in => {
                let update_time = before.body.update_time;
                if before.body != (api::CatalogueItem { update_time, ..first.body.clone() }) {
                    replace(tx, now, &Item { version: before.version + 1, ..first }).await?;
                }
            }
            Some(_) => {}
        }
    }
    // Two replicas that start together put in the same.
    insert_rows(&**tx, "items", &COLUMNS, fresh, "ON CONFLICT DO NOTHING").await?;
    Ok(())
}

/// A number that changes with every wording that is put: their count, since none is ever removed. A query of one value.
pub const EDITION: &str = "SELECT COUNT(*) FROM items";

/// The edition of the catalogue that is there now.
pub async fn edition(db: &impl ConnectionTrait) -> Answer<i64> {
    let text = format!("SELECT ({EDITION}) AS edition");
    let row = db.query_one_raw(sql(db, &text, [])).await?;
    Ok(row.map_or(Ok(0), |row| row.try_get("", "edition"))?)
}

/// Ends the wording in force and begins a new one.
pub async fn replace(tx: &Tx, now: Timestamp, item: &Item) -> Answer<()> {
    let end = "UPDATE items SET replaced_at = $2 WHERE item = $1 AND replaced_at IS NULL";
    tx.execute_raw(sql(&**tx, end, [item.body.item.as_str().into(), micros(now).into()])).await?;
    insert_rows(&**tx, "items", &COLUMNS, vec![values(item, now)?], "").await?;
    Ok(())
}

/// The wording in force of one item.
pub async fn get(db: &impl ConnectionTrait, item: &str) -> Answer<Option<Item>> {
    Ok(select(db, "AND item = $1", vec![item.into()]).await?.pop())
}

/// The same, held until the transaction ends, so that two wordings never follow the same one.
pub async fn get_for_update(tx: &Tx, item: &str) -> Answer<Option<Item>> {
    let hold = tx.hold();
    Ok(select(&**tx, &format!("AND item = $1 {hold}"), vec![item.into()]).await?.pop())
}

/// Those of these names that are in the catalogue, by name.
pub async fn named(db: &impl ConnectionTrait, names: &[&str]) -> Answer<HashMap<String, Item>> {
    let (condition, names) = among(db, "item", 1, names);
    let items = select(db, &format!("AND {condition}"), vec![names]).await?;
    Ok(items.into_iter().map(|item| (item.body.item.clone(), item)).collect())
}

/// The whole catalogue, by name.
pub async fn in_force(db: &impl ConnectionTrait) -> Answer<Items> {
    let items = select(db, "", Vec::new()).await?;
    Ok(items.into_iter().map(|item| (item.body.item.clone(), Arc::new(item))).collect())
}

/// A page of the catalogue, in the order of the names.
pub async fn page(db: &impl ConnectionTrait, category: &str, page: &Page) -> Answer<Vec<Item>> {
    let rest = format!("AND item > $1 AND ($2 = '' OR category = $2) ORDER BY item LIMIT {}", page.fetch());
    select(db, &rest, vec![page.after.as_str().into(), category.into()]).await
}

/// A page of the edition that held at an instant, of items in force on a day.
pub async fn page_at(
    db: &impl ConnectionTrait,
    category: &str,
    page: &Page,
    (at, day): (Timestamp, &str),
) -> Answer<Vec<Item>> {
    let text = format!(
        "SELECT {} FROM items WHERE item > $1 AND ($2 = '' OR category = $2) AND recorded_at < $3 \
         AND (replaced_at IS NULL OR replaced_at >= $3) AND effective_from <= $4 \
         AND (effective_to = '' OR effective_to >= $4) ORDER BY item LIMIT {}",
        COLUMNS.join(", "),
        page.fetch()
    );
    let values: [Value; 4] = [page.after.as_str().into(), category.into(), micros(at).into(), day.into()];
    Row::find_by_statement(sql(db, &text, values)).all(db).await?.into_iter().map(Item::try_from).collect()
}

#[derive(FromQueryResult)]
struct Replaced {
    replaced_at: Option<i64>,
}

/// A page of an item's wordings, the latest first; `before` is the number of the last one of the page before.
pub async fn versions(
    db: &impl ConnectionTrait,
    item: &str,
    before: i32,
    limit: u64,
) -> Answer<Vec<api::ItemVersion>> {
    let text = format!(
        "SELECT {}, replaced_at FROM items WHERE item = $1 AND version < $2 ORDER BY version DESC LIMIT {limit}",
        COLUMNS.join(", ")
    );
    let rows = db.query_all_raw(sql(db, &text, [item.into(), before.into()])).await?;
    let versions = rows.iter().map(|row| {
        let Replaced { replaced_at } = Replaced::from_query_result(row, "")?;
        let item = Item::try_from(Row::from_query_result(row, "")?)?;
        Ok(api::ItemVersion {
            version: item.version,
            built_in: item.built_in,
            catalogue_item: Some(item.body),
            replaced_at: replaced_at.map(|at| wire(from_micros(at))),
        })
    });
    versions.collect()
}

async fn select(db: &impl ConnectionTrait, rest: &str, values: Vec<Value>) -> Answer<Vec<Item>> {
    let text = format!("SELECT {} FROM items WHERE replaced_at IS NULL {rest}", COLUMNS.join(", "));
    Row::find_by_statement(sql(db, &text, values)).all(db).await?.into_iter().map(Item::try_from).collect()
}

/// Whether records rest on the item.
pub async fn is_used(tx: &Tx, item: &str) -> Answer<bool> {
    let text = "SELECT 1 AS used FROM records WHERE item = $1 LIMIT 1";
    Ok(tx.query_one_raw(sql(&**tx, text, [item.into()])).await?.is_some())
}
