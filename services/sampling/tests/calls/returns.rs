//! Results go back to credit: once, whatever breaks in between.
use std::time::Duration;

use contract::{
    credit::v1::{self as credit, items_client::ItemsClient},
    grading::v1::scheme::Disclosure,
    sampling::v1::{self as api, visit::Status},
};
use prost_types::value::Kind;

use super::world::{World, finding, plan};

async fn arrives(world: &World, uscc: &str, count: usize) -> Vec<credit::Record> {
    for _ in 0..300 {
        let records = world.inspection_records(uscc).await;
        if records.len() >= count {
            return records;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the records of {uscc} do not arrive");
}

fn text(record: &credit::Record, key: &str) -> String {
    match record
        .fields
        .as_ref()
        .and_then(|fields| fields.fields.get(key))
        .and_then(|value| value.kind.as_ref())
    {
        Some(Kind::StringValue(text)) => text.clone(),
        other => panic!("{key}: {other:?}"),
    }
}

#[tokio::test]
async fn each_finding_becomes_a_record() {
    let world = World::new(Disclosure::Departments).await;
    world.put_item("hygiene", &[]).await;
    let items = vec!["operation".to_owned(), "hygiene".to_owned()];
    let draw = world.drawn(api::Plan { inspection_items: items, ..plan("p") }).await;
    let visit = world.visits_of(&draw.draw_id).await[0].clone();
    let findings = vec![finding("operation", "R03"), finding("hygiene", "R01")];
    world.record_all(&visit.visit_id, "2026-03-02", findings).await.unwrap();
    assert!(world.inspection_records(&visit.uscc).await.is_empty(), "only what is published goes back");
    let published = world.publish(&visit.visit_id).await.unwrap();
    assert_eq!((published.records.len(), published.credit_error.as_str()), (2, ""));
    assert!(!published.position.is_empty());
    let mut records = arrives(&world, &visit.uscc, 2).await;
    records.sort_by(|one, other| one.source_id.cmp(&other.source_id));
    assert_eq!(records[0].source_id, visit.visit_id);
    assert_eq!((records[0].severity, records[1].severity), (3, 0));
    assert_eq!(records[0].occurred_on, "2026-03-02");
    for (key, value) in [
        ("resultCode", "R03"),
        ("inspectionItem", "operation"),
        ("plan", "p"),
        ("draw", &draw.draw_id),
        ("visit", &visit.visit_id),
        ("department", "transport"),
        ("text", "见检查笔录"),
    ] {
        assert_eq!(text(&records[0], key), value);
    }
    let mut ids: Vec<&str> = records.iter().map(|record| record.record.as_str()).collect();
    ids.sort_unstable();
    let mut told: Vec<&str> = published.records.iter().map(String::as_str).collect();
    told.sort_unstable();
    assert_eq!(ids, told);
}

#[tokio::test]
async fn what_credit_misses_is_sent_when_it_is_back() {
    let world = World::new(Disclosure::Departments).await;
    let draw = world.drawn(plan("p")).await;
    let visit = world.visits_of(&draw.draw_id).await[0].clone();
    world.record(&visit.visit_id, "2026-03-02", "R08").await.unwrap();
    world.set_credit_down(true);
    let published = world.publish(&visit.visit_id).await.unwrap();
    assert_eq!((published.status(), published.records.len()), (Status::Published, 0));
    world.set_credit_down(false);
    let records = arrives(&world, &visit.uscc, 1).await;
    assert_eq!(records.len(), 1);
    for _ in 0..100 {
        let known = world.visits_of(&draw.draw_id).await[0].clone();
        if known.records == [records[0].record.clone()] && !known.position.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the visit does not learn of its record");
}

#[tokio::test]
async fn a_crash_between_publication_and_credit_loses_nothing() {
    let mut world = World::new(Disclosure::Departments).await;
    let draw = world.drawn(plan("p")).await;
    let visits = world.visits_of(&draw.draw_id).await;
    world.set_credit_down(true);
    for visit in &visits[..3] {
        world.record(&visit.visit_id, "2026-03-02", "R02").await.unwrap();
        world.publish(&visit.visit_id).await.unwrap();
    }
    world.restart().await;
    assert!(world.inspection_records(&visits[0].uscc).await.is_empty());
    world.set_credit_down(false);
    world.restart().await;
    for visit in &visits[..3] {
        assert_eq!(arrives(&world, &visit.uscc, 1).await.len(), 1);
    }
}

#[tokio::test]
async fn a_refusal_is_told_and_the_publication_stands() {
    let mut world = World::new(Disclosure::Departments).await;
    let draw = world.drawn(plan("p")).await;
    let visits = world.visits_of(&draw.draw_id).await;
    let mut client =
        ItemsClient::with_interceptor(world.credit.clone(), world.office("credit.read credit.write"));
    let request = credit::GetItemRequest { item: "administrative-inspection".into(), ..Default::default() };
    let item = client.get_item(request).await.unwrap().into_inner();
    // The catalogue no longer knows a field of ours.
    let mut narrowed = item.clone();
    narrowed.fields.retain(|field| field.key != "visit");
    client
        .put_item(credit::PutItemRequest { catalogue_item: Some(narrowed), ..Default::default() })
        .await
        .unwrap();
    world.record(&visits[0].visit_id, "2026-03-02", "R08").await.unwrap();
    let published = world.publish(&visits[0].visit_id).await.unwrap();
    assert_eq!((published.status(), published.records.len()), (Status::Published, 0));
    assert!(!published.credit_error.is_empty());
    client
        .put_item(credit::PutItemRequest { catalogue_item: Some(item), ..Default::default() })
        .await
        .unwrap();
    // What is refused does not hold up what is not.
    world.record(&visits[1].visit_id, "2026-03-02", "R01").await.unwrap();
    assert_eq!(world.publish(&visits[1].visit_id).await.unwrap().records.len(), 1);
    // Once the catalogue is right again, what was refused arrives; a start tries at once.
    world.restart().await;
    assert_eq!(arrives(&world, &visits[0].uscc, 1).await.len(), 1);
}
