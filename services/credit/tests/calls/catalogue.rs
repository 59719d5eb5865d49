//! The catalogue's editions, its classes of severity, and what vocabulary catches.
use chassis::trial::reason;
use contract::credit::v1::{self as api, catalogue_item::Nature};
use tonic::Code;

use crate::world::{MORNING, World, ends, fields, penalty};

async fn all(world: &World, as_of: &str) -> Vec<api::CatalogueItem> {
    let who = world.trial.token("transport", "credit.read");
    let request = api::ListItemsRequest { as_of: as_of.to_owned(), page_size: 1_000, ..Default::default() };
    world.items(&who).list_items(request).await.unwrap().into_inner().items
}

fn put(item: &api::CatalogueItem) -> api::PutItemRequest {
    api::PutItemRequest { catalogue_item: Some(item.clone()), ..Default::default() }
}

#[tokio::test]
async fn every_item_of_the_plan_is_there_with_its_class() {
    let world = World::open(MORNING).await;
    let items = all(&world, "").await;
    // 吴信用联办〔2022〕8号, and the classes of the national catalogue.
    for (item, nature, category) in [
        ("administrative-licence", Nature::Public, "行政管理信息"),
        ("administrative-penalty", Nature::Public, "行政管理信息"),
        ("administrative-enforcement", Nature::Public, "行政管理信息"),
        ("administrative-reward", Nature::Public, "行政管理信息"),
        ("administrative-confirmation", Nature::Public, "行政管理信息"),
        ("administrative-adjudication", Nature::Public, "行政管理信息"),
        ("administrative-inspection", Nature::Public, "行政管理信息"),
        ("administrative-collection", Nature::Public, "行政管理信息"),
        ("administrative-payment", Nature::Public, "行政管理信息"),
        ("administrative-compensation", Nature::Public, "行政管理信息"),
        ("credit-commitment", Nature::Public, "信用承诺及履行情况信息"),
        ("commitment-fulfilment", Nature::Public, "信用承诺及履行情况信息"),
        ("serious-dishonesty-listing", Nature::Public, "严重失信主体名单信息"),
        ("abnormal-operations-listing", Nature::Public, "经营（活动）异常名录（状态）信息"),
        ("judgment-defaulter", Nature::Public, "司法裁判及执行信息"),
        ("court-judgment", Nature::Public, "司法裁判及执行信息"),
        ("reward-listing", Nature::Public, "诚信荣誉信息"),
        ("honour", Nature::Public, "诚信荣誉信息"),
        ("national-evaluation", Nature::Shared, "信用评价结果信息"),
        ("sector-evaluation", Nature::Shared, "信用评价结果信息"),
        ("contract-performance", Nature::Shared, "合同履行信息"),
        ("law-abidance", Nature::Shared, "遵守法律法规情况信息"),
        ("intellectual-property", Nature::Public, "知识产权信息"),
        ("registration-information", Nature::Public, "登记注册基本信息"),
        ("professional-qualification", Nature::Public, "职称和职业信息"),
        ("tax-credit-grade", Nature::Authorized, "经营主体自愿提供的信用信息"),
        ("tax-payment", Nature::Authorized, "经营主体自愿提供的信用信息"),
        ("water-payment", Nature::Authorized, "经营主体自愿提供的信用信息"),
        ("electricity-payment", Nature::Authorized, "经营主体自愿提供的信用信息"),
        ("gas-payment", Nature::Authorized, "经营主体自愿提供的信用信息"),
        ("real-estate-registration", Nature::Authorized, "经营主体自愿提供的信用信息"),
        ("research-development", Nature::Authorized, "经营主体自愿提供的信用信息"),
    ] {
        let found = items.iter().find(|found| found.item == item).unwrap_or_else(|| panic!("no {item}"));
        assert_eq!((found.nature(), found.category.as_str()), (nature, category), "{item}");
        assert!(!found.legal_basis.is_empty() && !found.fields.is_empty(), "{item}");
        assert_ne!(found.verification(), api::Verification::Unspecified, "{item}");
    }
}

#[tokio::test]
async fn a_severity_is_one_of_the_items_classes() {
    let world = World::open(MORNING).await;
    world.register(1..2).await;
    let who = world.department("transport");
    let of = |severity: i32| api::RecordInput { severity, ..penalty(1, &format!("S-{severity}")) };
    let answer = world.submit(&who, vec![of(0), of(1), of(2), of(3), of(4), of(100), of(101)]).await;
    assert_eq!(
        ends(&answer.outcomes),
        [
            "ACCEPTED",
            "ACCEPTED",
            "ACCEPTED",
            "ACCEPTED",
            "SEVERITY_UNKNOWN",
            "SEVERITY_UNKNOWN",
            "FIELD_INVALID"
        ]
    );
    let refused = answer.outcomes[4].error.as_ref().unwrap();
    assert_eq!(refused.field, "severity");
    for class in ["1 轻微", "2 一般", "3 严重"] {
        assert!(refused.message.contains(class), "{}", refused.message);
    }
    // A correction is judged alike.
    let correction = api::CorrectRecordRequest {
        record: answer.outcomes[1].record.clone(),
        severity: Some(9),
        reason: String::from("等级录入错误"),
        ..Default::default()
    };
    let refused = world.records(&who).correct_record(correction).await.unwrap_err();
    assert_eq!(reason(&refused), "SEVERITY_UNKNOWN");
    // An item without classes takes any.
    let honour = api::RecordInput { item: String::from("honour"), fields: None, ..of(42) };
    assert_eq!(ends(&world.submit(&who, vec![honour]).await.outcomes), ["ACCEPTED"]);
    // A class has its days.
    let class = |severity: i32, from: &str| api::ItemSeverity {
        severity,
        name: format!("第{severity}级"),
        basis: String::from("测试规定"),
        effective_from: from.to_owned(),
        ..Default::default()
    };
    let item = api::CatalogueItem {
        item: String::from("graded-matter"),
        name: String::from("测试事项"),
        nature: Nature::Public.into(),
        legal_basis: String::from("测试依据"),
        severity_classes: vec![class(1, ""), class(2, "2026-03-01")],
        ..Default::default()
    };
    let kept = world.items(&world.office()).put_item(put(&item)).await.unwrap().into_inner();
    assert_eq!(kept.severity_classes, item.severity_classes);
    let of = |severity: i32, number: &str| api::RecordInput {
        item: String::from("graded-matter"),
        severity,
        fields: None,
        ..penalty(1, number)
    };
    let answer = world.submit(&who, vec![of(1, "G-1"), of(2, "G-2")]).await;
    assert_eq!(ends(&answer.outcomes), ["ACCEPTED", "SEVERITY_UNKNOWN"]);
    world.trial.boot.clock.set("2026-02-28T16:00:00Z".parse().unwrap());
    assert_eq!(ends(&world.submit(&who, vec![of(2, "G-2")]).await.outcomes), ["ACCEPTED"]);
    let falling = api::CatalogueItem { severity_classes: vec![class(2, ""), class(1, "")], ..item };
    let refused = world.items(&world.office()).put_item(put(&falling)).await.unwrap_err();
    assert!(refused.message().contains("severityClasses"), "{}", refused.message());
}

#[tokio::test]
async fn a_shifted_column_is_caught_by_vocabulary() {
    let world = World::open(MORNING).await;
    world.register(1..2).await;
    let who = world.department("transport");
    let with = |number: &str, item: &str, given: &[(&str, &str)]| api::RecordInput {
        item: item.to_owned(),
        fields: Some(fields(given)),
        ..penalty(1, number)
    };
    let rows = vec![
        with("1", "administrative-penalty", &[("violation", "超限运输"), ("penaltyType", "罚款")]),
        // Each cell stands one column to the right.
        with("2", "administrative-penalty", &[("facts", "超限运输"), ("penaltyType", "擅自超限运输货物")]),
        with("3", "administrative-licence", &[("licenceCategory", "道路运输经营许可证")]),
        with("4", "administrative-licence", &[("validFrom", "普通")]),
        with("5", "commitment-fulfilment", &[("result", "2026-01-15")]),
        with("6", "administrative-penalty", &[("confiscatedAmount", "警告")]),
    ];
    let answer = world.submit(&who, rows).await;
    let mut expected = vec!["ACCEPTED"];
    expected.resize(6, "FIELDS_NONCONFORMING");
    assert_eq!(ends(&answer.outcomes), expected);
    let refused = answer.outcomes[1].error.as_ref().unwrap();
    assert_eq!(refused.field, "fields.penaltyType");
    assert!(refused.message.contains("擅自超限运输货物") && refused.message.contains("警告"), "{refused:?}");
    // The same in a file: a cell too many moves the rest of the row.
    let file = format!(
        "统一社会信用代码,行政处罚决定书文号,处罚类别,处罚决定日期\n{0},吴示罚〔2026〕1号,罚款,2026-01-15\n{0},吴示罚〔2026〕,2号,罚款\n",
        crate::world::code(1)
    );
    let done = world.import(&who, "records", "administrative-penalty", file.as_bytes()).await;
    let progress = done.progress.unwrap();
    assert_eq!((progress.accepted, progress.rejected), (1, 1), "{done:?}");
}

#[tokio::test]
async fn the_catalogue_has_dated_editions() {
    let world = World::open(MORNING).await;
    let office = world.office();
    let names = |items: &[api::CatalogueItem]| -> Vec<String> {
        items.iter().map(|item| item.item.clone()).collect()
    };
    let first = all(&world, "").await;
    assert_eq!(all(&world, "2026-02-13").await, first);
    assert!(all(&world, "2026-02-12").await.is_empty(), "nothing was collected here before");
    let mut honour = first.iter().find(|item| item.item == "honour").unwrap().clone();
    honour.publication_months = 24;
    world.trial.boot.clock.set("2026-02-20T15:59:59Z".parse().unwrap());
    let honour = world.items(&office).put_item(put(&honour)).await.unwrap().into_inner();
    let dated = api::CatalogueItem {
        item: String::from("dated-matter"),
        name: String::from("测试事项"),
        nature: Nature::Public.into(),
        legal_basis: String::from("测试依据"),
        effective_from: String::from("2026-03-01"),
        effective_to: String::from("2026-03-31"),
        ..Default::default()
    };
    world.items(&office).put_item(put(&dated)).await.unwrap();
    let months = |items: &[api::CatalogueItem]| {
        items.iter().find(|item| item.item == "honour").unwrap().publication_months
    };
    assert_eq!(months(&all(&world, "2026-02-19").await), 0);
    assert_eq!(months(&all(&world, "2026-02-20").await), 24);
    for (day, there) in
        [("2026-02-28", false), ("2026-03-01", true), ("2026-03-31", true), ("2026-04-01", false)]
    {
        assert_eq!(names(&all(&world, day).await).contains(&dated.item), there, "{day}");
    }
    assert!(names(&all(&world, "").await).contains(&dated.item));
    let page = api::ListItemVersionsRequest { item: honour.item.clone(), page_size: 1, ..Default::default() };
    let latest = world.items(&office).list_item_versions(page.clone()).await.unwrap().into_inner();
    assert_eq!(latest.versions[0].catalogue_item.as_ref(), Some(&honour));
    let held = &latest.versions[0];
    assert_eq!((held.version, held.replaced_at, held.built_in), (2, None, false));
    let before = api::ListItemVersionsRequest { page_token: latest.next_page_token, ..page.clone() };
    let before = world.items(&office).list_item_versions(before).await.unwrap().into_inner();
    assert_eq!((before.versions[0].version, before.versions[0].built_in), (1, true));
    assert_eq!(before.versions[0].replaced_at, honour.update_time);
    assert!(before.next_page_token.is_empty());
    let nothing = api::ListItemVersionsRequest { item: String::from("nothing"), ..Default::default() };
    let missing = world.items(&office).list_item_versions(nothing).await.unwrap_err();
    assert_eq!((missing.code(), reason(&missing).as_str()), (Code::NotFound, "ITEM_UNKNOWN"));
    let wrong = api::ListItemsRequest { as_of: String::from("2026-02-30"), ..Default::default() };
    let refused = world.items(&office).list_items(wrong).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "FIELD_INVALID"));
}
