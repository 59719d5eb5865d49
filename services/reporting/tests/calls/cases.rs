//! Cases of effect: taken in, reviewed, published without names, searched.
use chassis::{access::Claims, trial::reason};
use contract::reporting::v1::{self as api, effect_case::State};
use tonic::Code;

use super::{
    figures::{create, effect_case},
    world::{ALL, World},
};

#[tokio::test]
async fn a_case_of_effect_has_all_five_elements_and_evidence() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let mut transport = world.of("transport", ALL);
    let good = effect_case();
    for wrong in [
        api::EffectCase { happened_on: String::new(), ..good.clone() },
        api::EffectCase { happened_on: "2026-03-03".into(), ..good.clone() },
        api::EffectCase { place: " ".into(), ..good.clone() },
        api::EffectCase { subject: String::new(), ..good.clone() },
        api::EffectCase { practice: String::new(), ..good.clone() },
        api::EffectCase { effect: String::new(), ..good.clone() },
        api::EffectCase { evidence: vec![], ..good.clone() },
    ] {
        let refused = transport.effect_cases.create_effect_case(create(wrong)).await.unwrap_err();
        assert_eq!(reason(&refused), "FIELD_INVALID");
    }
    let nowhere = api::EffectCase { domain: "D00".into(), ..good.clone() };
    let refused = transport.effect_cases.create_effect_case(create(nowhere)).await.unwrap_err();
    assert_eq!(reason(&refused), "DOMAIN_UNKNOWN");
    let personal = api::EffectCase { subject: "某人11010519491231002X".into(), ..good.clone() };
    let refused = transport.effect_cases.create_effect_case(create(personal)).await.unwrap_err();
    assert_eq!(reason(&refused), "PERSONAL_IDENTITY_NUMBER");
    let reader =
        world.of("transport", "reporting.read").effect_cases.create_effect_case(create(good.clone())).await;
    assert_eq!(reason(&reader.unwrap_err()), "SCOPE_MISSING");

    for day in ["2026-02-01", "2026-02-03", "2026-02-02"] {
        let case = api::EffectCase { happened_on: day.into(), ..good.clone() };
        transport.effect_cases.create_effect_case(create(case)).await.unwrap();
    }
    let mut request =
        api::ListEffectCasesRequest { domain: "D09".into(), page_size: 2, ..Default::default() };
    let mut days = Vec::new();
    loop {
        let page = transport.effect_cases.list_effect_cases(request.clone()).await.unwrap().into_inner();
        days.extend(page.effect_cases.into_iter().map(|case| case.happened_on));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(days, ["2026-02-03", "2026-02-02", "2026-02-01"]);
    let others = api::ListEffectCasesRequest { department: "taxation".into(), ..Default::default() };
    assert!(
        transport.effect_cases.list_effect_cases(others).await.unwrap().into_inner().effect_cases.is_empty()
    );
}

fn accept(case: &api::EffectCase) -> api::AcceptEffectCaseRequest {
    api::AcceptEffectCaseRequest { id: case.effect_case_id.clone(), ..Default::default() }
}

fn return_(case: &api::EffectCase) -> api::ReturnEffectCaseRequest {
    let text = String::from("成效不具体");
    api::ReturnEffectCaseRequest { id: case.effect_case_id.clone(), text, ..Default::default() }
}

fn publish(case: &api::EffectCase, subject: &str) -> api::PublishEffectCaseRequest {
    let id = case.effect_case_id.clone();
    api::PublishEffectCaseRequest { id, subject: subject.into(), ..Default::default() }
}

#[tokio::test]
async fn a_missing_element_is_named_in_words() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let blank = api::EffectCase { practice: " ".into(), effect: "\n".into(), ..effect_case() };
    let mut asked = tonic::Request::new(create(blank));
    asked.metadata_mut().insert("accept-language", "zh-CN".parse().unwrap());
    let refused = world.of("transport", ALL).effect_cases.create_effect_case(asked).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "FIELD_INVALID"));
    assert!(refused.message().contains("effectCase.practice"), "{}", refused.message());
    let mut transport = world.of("transport", ALL);
    let reference =
        api::Reference { title: "台账".into(), source: "档案室1号".into(), sha256: "12".into() };
    let unhashed = api::EffectCase { references: vec![reference], ..effect_case() };
    let refused = transport.effect_cases.create_effect_case(create(unhashed)).await.unwrap_err();
    assert!(refused.message().contains("references[0].sha256"), "{}", refused.message());
    let coded = api::EffectCase { uscc: "123".into(), ..effect_case() };
    assert_eq!(
        reason(&transport.effect_cases.create_effect_case(create(coded)).await.unwrap_err()),
        "FIELD_INVALID"
    );
}

#[tokio::test]
async fn another_client_of_the_office_reviews_a_case() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let (mut transport, mut office) = (world.of("transport", ALL), world.office());
    let case = transport.effect_cases.create_effect_case(create(effect_case())).await.unwrap().into_inner();
    assert_eq!(case.state(), State::Submitted);
    let own = transport.effect_cases.accept_effect_case(accept(&case)).await.unwrap_err();
    assert_eq!((own.code(), reason(&own).as_str()), (Code::PermissionDenied, "OFFICE_ONLY"));
    let of_office = office.effect_cases.create_effect_case(create(effect_case())).await.unwrap().into_inner();
    let refused = office.effect_cases.accept_effect_case(accept(&of_office)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::PermissionDenied, "REVIEWER_SUBMITTED"));
    let silent = api::ReturnEffectCaseRequest { text: String::new(), ..return_(&case) };
    assert_eq!(reason(&office.effect_cases.return_effect_case(silent).await.unwrap_err()), "FIELD_INVALID");
    let returned = office.effect_cases.return_effect_case(return_(&case)).await.unwrap().into_inner();
    assert_eq!((returned.state(), returned.review.unwrap().text.as_str()), (State::Returned, "成效不具体"));

    let better = api::EffectCase { effect: "检查次数由4次减为1次".into(), ..case.clone() };
    let update = |effect_case: api::EffectCase| api::UpdateEffectCaseRequest {
        effect_case: Some(effect_case),
        ..Default::default()
    };
    let stale = transport.effect_cases.update_effect_case(update(better.clone())).await.unwrap_err();
    assert_eq!((stale.code(), reason(&stale).as_str()), (Code::Aborted, "ETAG_STALE"));
    let better = api::EffectCase { etag: returned.etag, ..better };
    let strange = world.of("taxation", ALL).effect_cases.update_effect_case(update(better.clone())).await;
    assert_eq!(reason(&strange.unwrap_err()), "NOT_OF_DEPARTMENT");
    let waits = transport.effect_cases.update_effect_case(update(better)).await.unwrap().into_inner();
    assert_eq!((waits.state(), waits.review.is_none()), (State::Submitted, true));
    let accepted = office.effect_cases.accept_effect_case(accept(&case)).await.unwrap().into_inner();
    assert_eq!(accepted.state(), State::Accepted);
    let again = office.effect_cases.accept_effect_case(accept(&case)).await.unwrap_err();
    assert_eq!((again.code(), reason(&again).as_str()), (Code::FailedPrecondition, "STATE_FORBIDS"));
    let late = api::EffectCase { etag: String::new(), ..accepted };
    let refused = transport.effect_cases.update_effect_case(update(late)).await.unwrap_err();
    assert_eq!(reason(&refused), "STATE_FORBIDS");
}

#[tokio::test]
async fn a_case_is_published_without_telling_who_it_is() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let (mut transport, mut office) = (world.of("transport", ALL), world.office());
    let code = identifiers::Uscc::fictional(7).as_str().to_owned();
    let own = api::EffectCase {
        practice: format!("对虚构运输有限公司（{code}）降低抽查频次"),
        uscc: code.clone(),
        subject_name: "虚构运输有限公司".into(),
        ..effect_case()
    };
    let case = transport.effect_cases.create_effect_case(create(own)).await.unwrap().into_inner();
    let early = office.effect_cases.publish_effect_case(publish(&case, "某运输企业")).await.unwrap_err();
    assert_eq!(reason(&early), "STATE_FORBIDS");
    office.effect_cases.accept_effect_case(accept(&case)).await.unwrap();
    let refused = transport.effect_cases.publish_effect_case(publish(&case, "某运输企业")).await.unwrap_err();
    assert_eq!(reason(&refused), "OFFICE_ONLY");
    let told = api::PublishEffectCaseRequest {
        effect: "与虚构示例物流有限公司比较".into(),
        ..publish(&case, "某运输企业")
    };
    let told = office.effect_cases.publish_effect_case(told).await.unwrap_err();
    assert_eq!((told.code(), reason(&told).as_str()), (Code::InvalidArgument, "SUBJECT_NAMED"));
    assert!(told.message().contains("虚构示例物流有限公司"), "{}", told.message());
    let unnamed = office.effect_cases.publish_effect_case(publish(&case, "")).await.unwrap_err();
    assert_eq!(reason(&unnamed), "FIELD_INVALID");
    let none = world.public().list_public_effect_cases(api::ListPublicEffectCasesRequest::default()).await;
    assert!(none.unwrap().into_inner().effect_cases.is_empty());

    office.effect_cases.publish_effect_case(publish(&case, "某运输企业")).await.unwrap();
    let request = api::ListPublicEffectCasesRequest {
        domain: "D09".into(),
        q: "抽查 频次".into(),
        ..Default::default()
    };
    let public = world.public().list_public_effect_cases(request).await.unwrap().into_inner().effect_cases;
    assert_eq!(public.len(), 1);
    assert_eq!(public[0].practice, "对某运输企业（某运输企业）降低抽查频次");
    let all = format!("{public:?}");
    assert!(!all.contains("虚构运输") && !all.contains(&code), "{all}");
    let by_name = api::ListPublicEffectCasesRequest { q: "虚构运输".into(), ..Default::default() };
    let found = world.public().list_public_effect_cases(by_name).await.unwrap().into_inner();
    assert!(found.effect_cases.is_empty(), "the name finds nothing in public");

    let named = api::PublishEffectCaseRequest {
        named_basis: "《虚构条例》第一条".into(),
        ..publish(&case, "")
    };
    let named =
        office.effect_cases.publish_effect_case(named).await.unwrap().into_inner().publication.unwrap();
    assert_eq!(
        (named.subject.as_str(), named.named_basis.as_str()),
        ("虚构运输有限公司", "《虚构条例》第一条")
    );
    let withdraw = api::WithdrawEffectCaseRequest {
        id: case.effect_case_id.clone(),
        text: "信息有误".into(),
        ..Default::default()
    };
    office.effect_cases.withdraw_effect_case(withdraw.clone()).await.unwrap();
    assert_eq!(
        reason(&office.effect_cases.withdraw_effect_case(withdraw).await.unwrap_err()),
        "STATE_FORBIDS"
    );
    let none = world.public().list_public_effect_cases(api::ListPublicEffectCasesRequest::default()).await;
    assert!(none.unwrap().into_inner().effect_cases.is_empty());
}

#[tokio::test]
async fn cases_are_searched_by_words_and_period_and_looks_need_a_purpose() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let mut transport = world.of("transport", ALL);
    for (day, effect) in
        [("2026-01-05", "Rate 100%下降"), ("2026-02-05", "材料精简"), ("2026-02-25", "材料与时间减少")]
    {
        let case = api::EffectCase { happened_on: day.into(), effect: effect.into(), ..effect_case() };
        transport.effect_cases.create_effect_case(create(case)).await.unwrap();
    }
    let mut days = async |change: &dyn Fn(&mut api::ListEffectCasesRequest)| {
        let mut request = api::ListEffectCasesRequest::default();
        change(&mut request);
        let found =
            transport.effect_cases.list_effect_cases(request).await.unwrap().into_inner().effect_cases;
        found.into_iter().map(|case| case.happened_on).collect::<Vec<_>>()
    };
    assert_eq!(days(&|request| request.q = "材料".into()).await, ["2026-02-25", "2026-02-05"]);
    assert_eq!(days(&|request| request.q = "材料 减少".into()).await, ["2026-02-25"]);
    assert_eq!(days(&|request| request.q = "rate 100%".into()).await, ["2026-01-05"]);
    assert!(days(&|request| request.q = "0_%".into()).await.is_empty(), "wildcards are letters");
    assert_eq!(
        days(&|request| (request.from, request.to) = ("2026-02-01".into(), "2026-02-20".into())).await,
        ["2026-02-05"]
    );
    assert!(days(&|request| request.set_state(State::Accepted)).await.is_empty());
    let aimless = Claims { default_purpose: String::new(), ..world.claims("transport", ALL) };
    let mut aimless = world.client(aimless);
    let refused =
        aimless.effect_cases.list_effect_cases(api::ListEffectCasesRequest::default()).await.unwrap_err();
    assert_eq!(reason(&refused), "PURPOSE_REQUIRED");
    let get = api::GetEffectCaseRequest { id: "none".into(), ..Default::default() };
    assert_eq!(transport.effect_cases.get_effect_case(get).await.unwrap_err().code(), Code::NotFound);
}
