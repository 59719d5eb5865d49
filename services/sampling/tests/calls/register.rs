//! Inspection items and inspectors.
use chassis::trial::reason;
use contract::{grading::v1::scheme::Disclosure, sampling::v1 as api};
use tonic::{Code, Status};

use super::world::{World, code, inspector, item, wrong_fields};

async fn put_item(world: &World, item: api::InspectionItem) -> Result<api::InspectionItem, Status> {
    let request = api::PutInspectionItemRequest { inspection_item: Some(item), ..Default::default() };
    Ok(world.items(world.transport()).put_inspection_item(request).await?.into_inner())
}

async fn put(world: &World, inspector: api::Inspector) -> Result<api::Inspector, Status> {
    let request = api::PutInspectorRequest { inspector: Some(inspector), ..Default::default() };
    Ok(world.inspectors(world.transport()).put_inspector(request).await?.into_inner())
}

#[tokio::test]
async fn items_are_put_replaced_and_listed() {
    let world = World::new(Disclosure::Departments).await;
    let put = put_item(
        &world,
        api::InspectionItem { domain: "transport".into(), department: String::new(), ..item("b", &["road"]) },
    );
    let put = put.await.unwrap();
    assert_eq!((put.department.as_str(), put.domain.starts_with('D')), ("transport", true), "{put:?}");
    put_item(&world, item("a", &[])).await.unwrap();
    put_item(&world, api::InspectionItem { name: "改名".into(), ..item("b", &[]) }).await.unwrap();
    let request = api::GetInspectionItemRequest { id: "b".into(), ..Default::default() };
    let got = world.items(world.transport()).get_inspection_item(request).await.unwrap().into_inner();
    assert_eq!((got.name.as_str(), got.skills.len()), ("改名", 0));
    let request = api::ListInspectionItemsRequest { page_size: 1, ..Default::default() };
    let first =
        world.items(world.transport()).list_inspection_items(request.clone()).await.unwrap().into_inner();
    assert_eq!(first.inspection_items[0].inspection_item_id, "a");
    let request = api::ListInspectionItemsRequest { page_token: first.next_page_token, ..request };
    let second = world.items(world.transport()).list_inspection_items(request).await.unwrap().into_inner();
    assert_eq!(
        (second.inspection_items[0].inspection_item_id.as_str(), second.next_page_token.as_str()),
        ("b", "")
    );
    let request = api::ListInspectionItemsRequest { department: "water".into(), ..Default::default() };
    let none = world.items(world.transport()).list_inspection_items(request).await.unwrap().into_inner();
    assert!(none.inspection_items.is_empty());
}

#[tokio::test]
async fn items_are_refused_with_their_field() {
    let world = World::new(Disclosure::Departments).await;
    let domain =
        put_item(&world, api::InspectionItem { domain: "D99".into(), ..item("a", &[]) }).await.unwrap_err();
    assert_eq!(wrong_fields(&domain), ["inspectionItem.domain"]);
    let skill = put_item(&world, item("a", &["road", " "])).await.unwrap_err();
    assert_eq!(wrong_fields(&skill), ["inspectionItem.skills[1]"]);
    let id = put_item(&world, item("Not An Id", &[])).await.unwrap_err();
    assert_eq!(
        (id.code(), wrong_fields(&id)),
        (Code::InvalidArgument, vec!["inspectionItem.inspectionItemId".to_owned()])
    );
    let other = put_item(&world, api::InspectionItem { department: "water".into(), ..item("a", &[]) })
        .await
        .unwrap_err();
    assert_eq!((other.code(), reason(&other).as_str()), (Code::PermissionDenied, "OTHER_DEPARTMENT"));
    // What another department put stays its own; the credit office may.
    put_item(&world, item("a", &[])).await.unwrap();
    let theirs = api::InspectionItem { department: "water".into(), ..item("a", &[]) };
    let request = api::PutInspectionItemRequest { inspection_item: Some(theirs), ..Default::default() };
    let water = world.trial.token("water", "sampling.write");
    let denied = world.items(water).put_inspection_item(request.clone()).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    world.items(world.office("sampling.write")).put_inspection_item(request.clone()).await.unwrap();
    let unscoped = world.trial.token("transport", "sampling.read");
    let denied = world.items(unscoped.clone()).put_inspection_item(request).await.unwrap_err();
    assert_eq!((denied.code(), reason(&denied).as_str()), (Code::PermissionDenied, "SCOPE_MISSING"));
    let request = api::GetInspectionItemRequest { id: "none".into(), ..Default::default() };
    assert_eq!(world.items(unscoped).get_inspection_item(request).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn an_inspectors_conflicts_are_normalised() {
    let world = World::new(Disclosure::Departments).await;
    let (plain, spaced) = (code(1), format!(" {} ", code(2).to_lowercase()));
    let conflicts = vec![plain.clone(), spaced];
    put(&world, api::Inspector { conflicts, ..inspector("i1") }).await.unwrap();
    let request = api::GetInspectorRequest { id: "i1".into(), ..Default::default() };
    let got = world.inspectors(world.transport()).get_inspector(request).await.unwrap().into_inner();
    assert_eq!(got.conflicts, [plain, code(2)]);
    let request = api::ListInspectorsRequest { department: "transport".into(), ..Default::default() };
    let listed = world.inspectors(world.transport()).list_inspectors(request).await.unwrap().into_inner();
    assert_eq!(listed.inspectors, [got]);
}

#[tokio::test]
async fn inspectors_are_refused_with_their_field_and_reason() {
    let world = World::new(Disclosure::Departments).await;
    let mut wrong = code(1);
    let last = if wrong.pop() == Some('0') { '1' } else { '0' };
    wrong.push(last);
    let conflict = put(&world, api::Inspector { conflicts: vec![code(2), wrong.clone()], ..inspector("i1") });
    let conflict = conflict.await.unwrap_err();
    assert_eq!(
        (reason(&conflict).as_str(), wrong_fields(&conflict)),
        ("CODE_CHECK_FAILED", vec!["inspector.conflicts[1]".to_owned()])
    );
    let issued = api::Inspector { conflicts: vec![wrong], accept_nonconforming: true, ..inspector("i1") };
    put(&world, issued).await.unwrap();
    let dates = api::Inspector {
        available_from: "2026-05-02".into(),
        available_until: "2026-05-01".into(),
        ..inspector("i1")
    };
    assert_eq!(wrong_fields(&put(&world, dates).await.unwrap_err()), ["inspector.availableUntil"]);
    let region = api::Inspector { region: "000000".into(), ..inspector("i1") };
    assert_eq!(wrong_fields(&put(&world, region).await.unwrap_err()), ["inspector.region"]);
    let skill = api::Inspector { skills: vec![String::new()], ..inspector("i1") };
    assert_eq!(wrong_fields(&put(&world, skill).await.unwrap_err()), ["inspector.skills[0]"]);
    let control = put(&world, inspector("i\n1")).await.unwrap_err();
    assert_eq!(wrong_fields(&control), ["inspector.inspectorId"]);
    let person = put(&world, inspector("11010519491231002X")).await.unwrap_err();
    assert_eq!(reason(&person), "PERSONAL_IDENTITY_NUMBER");
    assert!(!person.message().contains("19491231"), "{}", person.message());
    let other =
        put(&world, api::Inspector { department: "water".into(), ..inspector("i1") }).await.unwrap_err();
    assert_eq!(reason(&other), "OTHER_DEPARTMENT");
    let request = api::ListInspectorsRequest::default();
    let denied = world.inspectors(world.enterprise(&code(1))).list_inspectors(request).await.unwrap_err();
    assert_eq!((denied.code(), reason(&denied).as_str()), (Code::PermissionDenied, "NOT_DISCLOSED"));
    let request = api::GetInspectorRequest { id: "none".into(), ..Default::default() };
    let missing = world.inspectors(world.transport()).get_inspector(request).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
}
