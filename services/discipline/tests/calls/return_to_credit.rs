//! A listing becomes a record in credit, once, whatever happens on the way.
use std::sync::atomic::Ordering;

use contract::{
    credit::v1::{self as credit, items_client::ItemsClient},
    discipline::v1 as api,
};

use super::world::{LIST, World, code, eventually, list, put_list};

async fn position(world: &World, case: &str) -> String {
    let request = api::GetCaseRequest { case: case.into(), ..Default::default() };
    world.of("hrss", "clerk").cases.get_case(request).await.unwrap().into_inner().position
}

#[tokio::test]
async fn a_listing_returns_as_a_record() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let case = world.listed(LIST, &code(1), "2026-02-13", "2026-02-26").await;
    eventually("the record", || async { !position(&world, &case.case_id).await.is_empty() }).await;
    let [record] =
        world.records(&code(1), "serious-dishonesty-listing").await.try_into().expect("one record");
    assert_eq!((record.source_id, record.occurred_on.as_str()), (case.case_id, "2026-02-26"));
    assert_eq!(record.valid_until, "2029-02-26");
    let fields = record.fields.expect("fields").fields;
    let text = |key: &str| match fields.get(key).and_then(|value| value.kind.clone()) {
        Some(prost_types::value::Kind::StringValue(text)) => text,
        other => panic!("{key}: {other:?}"),
    };
    assert_eq!(
        (text("listId"), text("until"), text("department")),
        (LIST.into(), "2029-02-26".into(), "hrss".into())
    );

    let reward = api::List { kind: api::list::Kind::Reward.into(), publication_months: 0, ..list("tax-a") };
    world.office().lists.put_list(put_list(reward)).await.unwrap();
    let case = world.listed("tax-a", &code(2), "2026-02-13", "2026-02-26").await;
    eventually("the reward's record", || async { !position(&world, &case.case_id).await.is_empty() }).await;
    assert_eq!(world.records(&code(2), "reward-listing").await.len(), 1);
}

#[tokio::test]
async fn what_credit_did_not_acknowledge_is_sent_again_and_counted_once() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    world.answers_to_lose.store(2, Ordering::SeqCst);
    let case = world.listed(LIST, &code(1), "2026-02-13", "2026-02-26").await;
    eventually("the acknowledgement", || async { !position(&world, &case.case_id).await.is_empty() }).await;
    assert_eq!(world.answers_to_lose.load(Ordering::SeqCst), 0);
    assert_eq!(world.records(&code(1), "serious-dishonesty-listing").await.len(), 1);
}

#[tokio::test]
async fn an_item_of_the_operator_s_own_gets_the_fields_that_it_knows() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let item = credit::CatalogueItem {
        item: "own-listing".into(),
        name: "名单".into(),
        nature: credit::catalogue_item::Nature::Public.into(),
        legal_basis: "虚构办法第一条".into(),
        fields: vec![credit::CatalogueField {
            key: "listId".into(),
            name: "名单".into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let claims = world.claims("credit-office", "office", "credit.read credit.write");
    let token = world.trial.token_of(chassis::access::Claims { roles: vec!["office".into()], ..claims });
    let put = credit::PutItemRequest { catalogue_item: Some(item), ..Default::default() };
    ItemsClient::with_interceptor(world.credit.clone(), token).put_item(put).await.unwrap();
    let own = api::List { record_item: "own-listing".into(), ..list("own") };
    world.office().lists.put_list(put_list(own)).await.unwrap();
    let case = world.listed("own", &code(1), "2026-02-13", "2026-02-26").await;
    eventually("the record", || async { !position(&world, &case.case_id).await.is_empty() }).await;
    let [record] = world.records(&code(1), "own-listing").await.try_into().expect("one record");
    assert_eq!(record.fields.expect("fields").fields.into_keys().collect::<Vec<_>>(), ["listId"]);
}
