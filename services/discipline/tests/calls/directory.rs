//! Lists and measures: put, get, list; what can't exist.
use std::sync::atomic::Ordering;

use chassis::trial::reason;
use contract::discipline::v1 as api;
use tonic::Code;

use super::world::{World, list, measure, metadata, put_list, put_measure, wrong_fields};

#[tokio::test]
async fn nothing_exists_without_a_legal_basis_or_its_measures() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let mut office = world.office();
    let bare = api::List { legal_basis: "  ".into(), ..list("bare") };
    let refused = office.lists.put_list(put_list(bare)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::InvalidArgument, "LEGAL_BASIS_MISSING".into()));
    let bare = api::Measure { legal_basis: String::new(), ..measure("bare", &[]) };
    let refused = office.measures.put_measure(put_measure(bare)).await.unwrap_err();
    assert_eq!(reason(&refused), "LEGAL_BASIS_MISSING");
    let loose = api::List { measures: vec!["no-such-measure".into()], ..list("loose") };
    let refused = office.lists.put_list(put_list(loose)).await.unwrap_err();
    assert_eq!(reason(&refused), "MEASURE_UNKNOWN");
    assert!(refused.message().contains("no-such-measure"));
    for wrong in [
        api::List { kind: 7, ..list("wrong") },
        api::List { domains: vec!["D23".into()], ..list("wrong") },
        api::List { list_id: "Wrong".into(), ..list("wrong") },
        api::List { decided_by: vec![" ".into()], ..list("wrong") },
    ] {
        let refused = office.lists.put_list(put_list(wrong)).await.unwrap_err();
        assert_eq!(reason(&refused), "FIELD_INVALID");
    }
    let strange = api::List { record_item: "no-such-item".into(), ..list("strange") };
    assert_eq!(reason(&office.lists.put_list(put_list(strange)).await.unwrap_err()), "ITEM_UNSUITABLE");
    let granted = api::List { record_item: "tax-credit-grade".into(), ..list("granted") };
    assert_eq!(reason(&office.lists.put_list(put_list(granted)).await.unwrap_err()), "ITEM_UNSUITABLE");
    let lists = office.lists.list_lists(api::ListListsRequest::default()).await.unwrap().into_inner().lists;
    let refused = ["bare", "loose", "wrong", "strange", "granted"];
    assert!(lists.iter().all(|list| !refused.contains(&list.list_id.as_str())), "none of these was taken");
}

#[tokio::test]
async fn evidence_is_asked_of_items_that_credit_knows() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let asking = |id: &str, items: &[&str]| {
        let evidence_items = items.iter().map(|&item| item.into()).collect();
        let procedure = Some(api::Procedure { evidence_items, ..Default::default() });
        put_list(api::List { procedure, ..list(id) })
    };
    let mut hrss = world.of("hrss", "h");
    let known = hrss.lists.put_list(asking("known", &["administrative-penalty"])).await.unwrap().into_inner();
    assert_eq!(known.procedure.unwrap().evidence_items, ["administrative-penalty"]);
    // A slip of the pen, and an item whose records nobody could show here; the error names it and its place.
    for (items, named) in [
        (["administrative-penalty", "administrative-penalti"], "administrative-penalti"),
        (["administrative-penalty", "tax-credit-grade"], "tax-credit-grade"),
    ] {
        let refused = hrss.lists.put_list(asking("unknown", &items)).await.unwrap_err();
        assert_eq!(
            (refused.code(), reason(&refused).as_str()),
            (Code::InvalidArgument, "EVIDENCE_ITEM_UNSUITABLE")
        );
        assert_eq!(metadata(&refused, "item"), named);
        assert!(refused.message().contains(named), "{}", refused.message());
        assert_eq!(wrong_fields(&refused), ["list.procedure.evidenceItems[1]"]);
    }
    // While credit is away nothing is kept on trust; afterwards the same request is taken.
    world.credit_away.store(true, Ordering::SeqCst);
    let request =
        api::PutListRequest { request_id: "later".into(), ..asking("later", &["administrative-penalty"]) };
    let refused = hrss.lists.put_list(request.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    let get = |id: &str| api::GetListRequest { list: id.into(), ..Default::default() };
    for absent in ["unknown", "later"] {
        assert_eq!(hrss.lists.get_list(get(absent)).await.unwrap_err().code(), Code::NotFound);
    }
    // A list that names no item asks nothing of credit.
    hrss.lists.put_list(put_list(list("plain"))).await.unwrap();
    world.credit_away.store(false, Ordering::SeqCst);
    hrss.lists.put_list(request).await.unwrap();
    assert!(hrss.lists.get_list(get("later")).await.is_ok());
}

#[tokio::test]
async fn a_department_changes_only_its_own_wording() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let (mut taxation, mut justice) = (world.of("taxation", "t"), world.of("justice", "j"));
    let kept = taxation.lists.put_list(put_list(list("major-tax"))).await.unwrap().into_inner();
    assert!(kept.update_time.is_some());
    let refused = justice.lists.put_list(put_list(list("major-tax"))).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::PermissionDenied, "NOT_OF_DEPARTMENT".into()));
    // The same wording again changes nothing; another is the one in force.
    let again = taxation.lists.put_list(put_list(list("major-tax"))).await.unwrap().into_inner();
    assert_eq!(again, kept);
    let longer = api::List { publication_months: 60, ..list("major-tax") };
    world.office().lists.put_list(put_list(longer)).await.unwrap();
    let request = api::GetListRequest { list: "major-tax".into(), ..Default::default() };
    assert_eq!(justice.lists.get_list(request).await.unwrap().into_inner().publication_months, 60);
    let missing = api::GetListRequest { list: "none".into(), ..Default::default() };
    assert_eq!(justice.lists.get_list(missing).await.unwrap_err().code(), Code::NotFound);
    let reader = world.claims("taxation", "reader", "discipline.read");
    let refused = world.client(reader).lists.put_list(put_list(list("x"))).await.unwrap_err();
    assert_eq!(reason(&refused), "SCOPE_MISSING");
}

#[tokio::test]
async fn directories_are_listed_by_page_and_filter() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let mut office = world.office();
    for serial in 0..5 {
        let kind = if serial % 2 == 0 { api::list::Kind::Reward } else { api::list::Kind::Punitive };
        let list = api::List { kind: kind.into(), ..list(&format!("l{serial}")) };
        office.lists.put_list(put_list(list)).await.unwrap();
    }
    let mut request =
        api::ListListsRequest { kind: api::list::Kind::Reward.into(), page_size: 2, ..Default::default() };
    let mut seen = Vec::new();
    loop {
        let page = office.lists.list_lists(request.clone()).await.unwrap().into_inner();
        seen.extend(page.lists.into_iter().map(|list| list.list_id));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert!(seen.is_sorted() && seen.iter().any(|list| list == "quality-award"), "{seen:?}");
    seen.retain(|list| list.len() == 2);
    assert_eq!(seen, ["l0", "l2", "l4"]);
    let of =
        |department: &str| api::ListMeasuresRequest { department: department.into(), ..Default::default() };
    let ids = |found: api::ListMeasuresResponse| {
        found.measures.into_iter().map(|one| one.measure_id).collect::<Vec<_>>()
    };
    // A built-in measure names no department: all are bound.
    let has = |found: &[String], id: &str| found.iter().any(|one| one == id);
    let hrss = ids(office.measures.list_measures(of("hrss")).await.unwrap().into_inner());
    assert!(
        has(&hrss, "key-supervision") && has(&hrss, "exit-restriction") && !has(&hrss, "procurement-ban")
    );
    let finance = ids(office.measures.list_measures(of("finance")).await.unwrap().into_inner());
    assert!(has(&finance, "key-supervision") && has(&finance, "procurement-ban"));
    let one = api::GetMeasureRequest { measure: "procurement-ban".into(), ..Default::default() };
    assert_eq!(office.measures.get_measure(one).await.unwrap().into_inner().departments, ["finance"]);
    let none = api::GetMeasureRequest { measure: "none".into(), ..Default::default() };
    assert_eq!(office.measures.get_measure(none).await.unwrap_err().code(), Code::NotFound);
}
