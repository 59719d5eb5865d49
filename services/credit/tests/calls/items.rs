//! The catalogue: built in, put, replaced.
use chassis::trial::reason;
use contract::credit::v1::{self as api, catalogue_item::Nature};
use tonic::Code;

use crate::world::{MORNING, World, ends, fields, penalty};

fn item(name: &str, fields: &[(&str, &str, bool)]) -> api::CatalogueItem {
    let field = |&(key, kind, required): &(&str, &str, bool)| api::CatalogueField {
        key: key.to_owned(),
        r#type: kind.to_owned(),
        required,
        ..Default::default()
    };
    api::CatalogueItem {
        item: name.to_owned(),
        name: String::from("测试事项"),
        category: String::from("行政管理信息"),
        nature: Nature::Public.into(),
        legal_basis: String::from("测试依据第一条"),
        fields: fields.iter().map(field).collect(),
        publication_months: 12,
        ..Default::default()
    }
}

fn put(item: api::CatalogueItem) -> api::PutItemRequest {
    api::PutItemRequest { catalogue_item: Some(item), ..Default::default() }
}

#[tokio::test]
async fn the_built_in_catalogue_is_there_and_pages() {
    let world = World::open(MORNING).await;
    let who = world.trial.token("transport", "credit.read");
    let all = api::ListItemsRequest { page_size: 1_000, ..Default::default() };
    let items = world.items(&who).list_items(all).await.unwrap().into_inner().items;
    let names: Vec<&str> = items.iter().map(|item| item.item.as_str()).collect();
    assert!(names.is_sorted() && names.contains(&"administrative-inspection"), "{names:?}");
    let first = api::ListItemsRequest { page_size: 3, ..Default::default() };
    let page = world.items(&who).list_items(first).await.unwrap().into_inner();
    assert_eq!(page.items, items[..3]);
    let next =
        api::ListItemsRequest { page_size: 1_000, page_token: page.next_page_token, ..Default::default() };
    assert_eq!(world.items(&who).list_items(next).await.unwrap().into_inner().items, items[3..]);
    let class =
        api::ListItemsRequest { category: String::from("信用评价结果信息"), ..Default::default() };
    let class = world.items(&who).list_items(class).await.unwrap().into_inner().items;
    let class: Vec<&str> = class.iter().map(|item| item.item.as_str()).collect();
    assert_eq!(class, ["national-evaluation", "sector-evaluation"]);
    let request = api::GetItemRequest { item: String::from("nothing"), ..Default::default() };
    let missing = world.items(&who).get_item(request).await.unwrap_err();
    assert_eq!((missing.code(), reason(&missing).as_str()), (Code::NotFound, "ITEM_UNKNOWN"));
}

#[tokio::test]
async fn an_item_is_put_and_its_types_stay_once_used() {
    let world = World::open(MORNING).await;
    world.register(1..2).await;
    let who = world.department("transport");
    let first = world
        .items(&who)
        .put_item(put(item("transport-rating", &[("grade", "string", true), ("score", "number", false)])))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((first.fields[0].r#type.as_str(), first.fields[1].r#type.as_str()), ("string", "DECIMAL"));
    // The same again is no new wording.
    let same = world.items(&who).put_item(put(first.clone())).await.unwrap().into_inner();
    assert_eq!(same, first);
    let record = api::RecordInput {
        item: String::from("transport-rating"),
        fields: Some(fields(&[("grade", "AA")])),
        ..penalty(1, "T-1")
    };
    assert_eq!(ends(&world.submit(&who, vec![record]).await.outcomes), ["ACCEPTED"]);
    let retyped = item("transport-rating", &[("grade", "INTEGER", true)]);
    let refused = world.items(&who).put_item(put(retyped)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "ITEM_IN_USE"));
    let mut longer = first.clone();
    longer.publication_months = 24;
    let longer = world.items(&who).put_item(put(longer)).await.unwrap().into_inner();
    let request = api::GetItemRequest { item: String::from("transport-rating"), ..Default::default() };
    assert_eq!(world.items(&who).get_item(request).await.unwrap().into_inner(), longer);
    // An opened again service leaves what was put.
    credit::open(&world.trial.boot).await.unwrap();
    let request = api::GetItemRequest { item: String::from("transport-rating"), ..Default::default() };
    assert_eq!(world.items(&who).get_item(request).await.unwrap().into_inner().publication_months, 24);
}

#[tokio::test]
async fn an_item_belongs_to_who_put_it() {
    let world = World::open(MORNING).await;
    let own = item("transport-rating", &[]);
    world.items(&world.department("transport")).put_item(put(own.clone())).await.unwrap();
    let other = api::CatalogueItem { publication_months: 1, ..own };
    let denied = world.items(&world.department("health")).put_item(put(other.clone())).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    world.items(&world.office()).put_item(put(other)).await.unwrap();
    let built_in = item("administrative-penalty", &[]);
    let denied =
        world.items(&world.department("transport")).put_item(put(built_in.clone())).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    world.items(&world.office()).put_item(put(built_in)).await.unwrap();
}

#[tokio::test]
async fn a_wrong_item_is_told_where() {
    let world = World::open(MORNING).await;
    let who = world.office();
    for (wrong, said) in [
        (item("Bad Name", &[]), "catalogueItem.item"),
        (item("good-name", &[("a", "blob", false)]), "fields[0].type"),
        (item("good-name", &[("a", "", false), ("a", "", false)]), "fields[1].key"),
        (api::CatalogueItem { legal_basis: String::new(), ..item("good-name", &[]) }, "legalBasis"),
        (api::CatalogueItem { nature: 0, ..item("good-name", &[]) }, "nature"),
        (api::CatalogueItem { publication_months: -1, ..item("good-name", &[]) }, "publicationMonths"),
    ] {
        let refused = world.items(&who).put_item(put(wrong)).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "FIELD_INVALID"));
        assert!(refused.message().contains(said), "{said}: {}", refused.message());
    }
}
