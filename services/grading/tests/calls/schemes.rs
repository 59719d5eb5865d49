//! Schemes: drafted, judged, changed, published, retired; and each refusal.
use chassis::trial::reason;
use contract::grading::v1::{self as api, scheme::State};
use tonic::Code;

use super::city::{City, scheme, wrong_fields};

const NOW: &str = "2026-02-01T02:00:00Z";

fn create(scheme: api::Scheme, request_id: &str) -> api::CreateSchemeRequest {
    api::CreateSchemeRequest { scheme: Some(scheme), request_id: request_id.to_owned() }
}

fn publish(scheme: &str) -> api::PublishSchemeRequest {
    api::PublishSchemeRequest { scheme: scheme.to_owned(), ..Default::default() }
}

fn new_version(scheme: &str) -> api::NewSchemeVersionRequest {
    api::NewSchemeVersionRequest { scheme: scheme.to_owned(), ..Default::default() }
}

fn retire(scheme: &str) -> api::RetireSchemeRequest {
    api::RetireSchemeRequest { scheme: scheme.to_owned(), ..Default::default() }
}

fn get(scheme: &str, version: i32) -> api::GetSchemeRequest {
    api::GetSchemeRequest { scheme: scheme.to_owned(), version, ..Default::default() }
}

fn update(scheme: api::Scheme, paths: &[&str]) -> api::UpdateSchemeRequest {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    let update_mask = Some(prost_types::FieldMask { paths });
    api::UpdateSchemeRequest { scheme: Some(scheme), update_mask, ..Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheme_lives_from_draft_to_retirement() {
    let city = City::at(NOW).await;
    let mut client = city.schemes(city.transport());

    // The department is the caller's where none is named, the domain has one spelling.
    let sent = api::Scheme { department: String::new(), ..scheme("life") };
    let draft = client.create_scheme(create(sent.clone(), "once")).await.unwrap().into_inner();
    assert_eq!((draft.domain.as_str(), draft.department.as_str(), draft.version), ("D09", "transport", 1));
    assert_eq!(draft.state(), State::Draft);
    let again = client.create_scheme(create(sent.clone(), "once")).await.unwrap().into_inner();
    assert_eq!(again, draft, "the same request id gives the same answer");
    let taken = client.create_scheme(create(sent, "")).await.unwrap_err();
    assert_eq!((taken.code(), reason(&taken).as_str()), (Code::AlreadyExists, "ALREADY_EXISTS"));

    let title =
        api::Scheme { scheme_id: "life".to_owned(), title: "新题".to_owned(), ..Default::default() };
    let changed = client.update_scheme(update(title.clone(), &["title"])).await.unwrap().into_inner();
    assert_eq!((changed.title.as_str(), &changed.model), ("新题", &draft.model));
    assert_ne!(changed.etag, draft.etag);
    let stale = api::Scheme { etag: draft.etag.clone(), ..title.clone() };
    let stale = client.update_scheme(update(stale, &["title"])).await.unwrap_err();
    assert_eq!((stale.code(), reason(&stale).as_str()), (Code::Aborted, "ETAG_MISMATCH"));
    let whole = client.update_scheme(update(changed.clone(), &[])).await.unwrap().into_inner();
    assert_eq!(whole, api::Scheme { etag: whole.etag.clone(), ..changed }, "what was read can be sent back");
    let unknown_field = client.update_scheme(update(title.clone(), &["colour"])).await.unwrap_err();
    assert_eq!(wrong_fields(&unknown_field)[0].0, "updateMask");

    let published = client.publish_scheme(publish("life")).await.unwrap().into_inner();
    assert_eq!((published.state(), published.effective_from.as_str()), (State::Published, "2026-02-01"));
    let fixed = client.update_scheme(update(title, &["title"])).await.unwrap_err();
    assert_eq!((fixed.code(), reason(&fixed).as_str()), (Code::FailedPrecondition, "SCHEME_IMMUTABLE"));
    let twice = client.publish_scheme(publish("life")).await.unwrap_err();
    assert_eq!((twice.code(), reason(&twice).as_str()), (Code::FailedPrecondition, "DRAFT_MISSING"));

    let second = client.new_scheme_version(new_version("life")).await.unwrap().into_inner();
    assert_eq!((second.version, second.state(), &second.model), (2, State::Draft, &published.model));
    let third = client.new_scheme_version(new_version("life")).await.unwrap_err();
    assert_eq!((third.code(), reason(&third).as_str()), (Code::FailedPrecondition, "DRAFT_EXISTS"));
    let elsewhere =
        api::Scheme { scheme_id: "life".to_owned(), domain: "D01".to_owned(), ..Default::default() };
    let elsewhere = client.update_scheme(update(elsewhere, &["domain"])).await.unwrap_err();
    assert_eq!(wrong_fields(&elsewhere)[0].0, "domain");
    assert_eq!(
        client.get_scheme(get("life", 0)).await.unwrap().into_inner().version,
        1,
        "the published one speaks"
    );
    assert_eq!(client.get_scheme(get("life", 2)).await.unwrap().into_inner().state(), State::Draft);
    let third = client.get_scheme(get("life", 3)).await.unwrap_err();
    assert_eq!(third.code(), Code::NotFound);

    client.publish_scheme(publish("life")).await.unwrap();
    let first = client.get_scheme(get("life", 1)).await.unwrap().into_inner();
    assert_eq!(first.state(), State::Retired);
    assert!(first.retire_time.is_some());
    let ended = client.retire_scheme(retire("life")).await.unwrap().into_inner();
    assert_eq!((ended.version, ended.state()), (2, State::Retired));
    let twice = client.retire_scheme(retire("life")).await.unwrap_err();
    assert_eq!((twice.code(), reason(&twice).as_str()), (Code::FailedPrecondition, "SCHEME_NOT_PUBLISHED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_fail_on_a_record_is_never_saved() {
    let city = City::at(NOW).await;
    let mut client = city.schemes(city.transport());
    let mut wrong = scheme("wrong");
    wrong.basis = None;
    wrong.superior_rule = Some(api::SuperiorRule { title: "上级办法".to_owned(), ..Default::default() });
    if let Some(model) = &mut wrong.model {
        model.indicators[0].filter = "severity >= 'x'".to_owned();
        model.indicators[1].items = vec!["no-such-item".to_owned()];
        model.indicators[3].items = vec!["penalty".to_owned()];
        model.vetoes[0].grade = "E".to_owned();
    }
    let refused = client.create_scheme(create(wrong, "")).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let fields = wrong_fields(&refused);
    for (field, reason) in [
        ("basis.title", "FIELD_INVALID"),
        ("superiorRule.statement", "SUPERIOR_RULE_UNPROVEN"),
        ("superiorRule.evidence", "SUPERIOR_RULE_UNPROVEN"),
        ("model.indicators[0].filter", "FILTER_INVALID"),
        ("model.indicators[1].items[0]", "SCHEME_INVALID"),
        ("model.indicators[3].items[0]", "SCHEME_INVALID"),
        ("model.vetoes[0].grade", "SCHEME_INVALID"),
    ] {
        assert!(fields.contains(&(field.to_owned(), reason.to_owned())), "{field} in {fields:?}");
    }
    assert_eq!(fields.len(), 7, "{fields:?}");

    let nothing = api::Scheme { scheme_id: "nothing".to_owned(), ..Default::default() };
    let refused = wrong_fields(&client.create_scheme(create(nothing, "")).await.unwrap_err());
    for field in ["domain", "basis.title", "nationalResult", "disclosure", "model.grades"] {
        assert!(refused.iter().any(|(known, _)| known == field), "{field} in {refused:?}");
    }
    let missing = client.get_scheme(get("wrong", 0)).await.unwrap_err();
    assert_eq!((missing.code(), reason(&missing).as_str()), (Code::NotFound, "SCHEME_UNKNOWN"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_department_changes_its_own_schemes_only() {
    let city = City::at(NOW).await;
    city.schemes(city.transport()).create_scheme(create(scheme("own"), "")).await.unwrap();
    let mut other = city.schemes(city.trial.token("commerce", super::city::ALL));
    let sent = api::Scheme { scheme_id: "own".to_owned(), title: "x".to_owned(), ..Default::default() };
    let refusals = [
        other.create_scheme(create(scheme("theirs"), "")).await.unwrap_err(),
        other.update_scheme(update(sent.clone(), &["title"])).await.unwrap_err(),
        other.publish_scheme(publish("own")).await.unwrap_err(),
        other.new_scheme_version(new_version("own")).await.unwrap_err(),
        other.retire_scheme(retire("own")).await.unwrap_err(),
        other
            .put_measures(api::PutMeasuresRequest { scheme: "own".to_owned(), ..Default::default() })
            .await
            .unwrap_err(),
        city.runs(city.trial.token("commerce", super::city::ALL))
            .create_run(api::CreateRunRequest { scheme: "own".to_owned(), ..Default::default() })
            .await
            .unwrap_err(),
    ];
    for refusal in refusals {
        let why = (refusal.code(), reason(&refusal));
        assert_eq!(why, (Code::PermissionDenied, "SCHEME_OF_OTHER_DEPARTMENT".to_owned()));
    }
    let given_away = api::Scheme { department: "commerce".to_owned(), ..sent };
    let given_away = city.schemes(city.transport()).update_scheme(update(given_away, &["department"])).await;
    assert_eq!(given_away.unwrap_err().code(), Code::PermissionDenied);
    city.schemes(city.office()).publish_scheme(publish("own")).await.unwrap();

    let mut reader = city.schemes(city.trial.token("transport", "grading.read grading.write"));
    let unscoped = reader.publish_scheme(publish("own")).await.unwrap_err();
    assert_eq!((unscoped.code(), reason(&unscoped).as_str()), (Code::PermissionDenied, "SCOPE_MISSING"));
    for missing in [
        reader.new_scheme_version(new_version("none")).await.unwrap_err(),
        reader
            .update_scheme(update(api::Scheme { scheme_id: "none".to_owned(), ..Default::default() }, &[]))
            .await
            .unwrap_err(),
    ] {
        assert_eq!((missing.code(), reason(&missing).as_str()), (Code::NotFound, "SCHEME_UNKNOWN"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn schemes_are_listed_as_they_speak() {
    let city = City::at(NOW).await;
    let mut client = city.schemes(city.office());
    for id in ["b", "a", "c"] {
        city.publish(scheme(id)).await;
    }
    client.new_scheme_version(new_version("a")).await.unwrap();
    client.create_scheme(create(api::Scheme { domain: "D01".to_owned(), ..scheme("d") }, "")).await.unwrap();
    let ids = async |request: api::ListSchemesRequest| {
        let page = city.schemes(city.office()).list_schemes(request).await.unwrap().into_inner();
        let named = page.schemes.iter().map(|scheme| format!("{}/{}", scheme.scheme_id, scheme.version));
        (named.collect::<Vec<_>>().join(" "), page.next_page_token)
    };
    let (first, token) = ids(api::ListSchemesRequest { page_size: 3, ..Default::default() }).await;
    assert_eq!(first, "a/1 b/1 c/1");
    let rest = api::ListSchemesRequest { page_size: 3, page_token: token, ..Default::default() };
    assert_eq!(ids(rest).await, ("d/1".to_owned(), String::new()));
    let drafts = api::ListSchemesRequest { state: State::Draft as i32, ..Default::default() };
    assert_eq!(ids(drafts).await.0, "a/2 d/1");
    let production = api::ListSchemesRequest { domain: "production".to_owned(), ..Default::default() };
    assert_eq!(ids(production).await.0, "d/1");
    let commerce = api::ListSchemesRequest { department: "commerce".to_owned(), ..Default::default() };
    assert_eq!(ids(commerce).await.0, "");
    let nowhere = api::ListSchemesRequest { domain: "D99".to_owned(), ..Default::default() };
    assert_eq!(wrong_fields(&client.list_schemes(nowhere).await.unwrap_err())[0].0, "domain");
}

#[tokio::test(flavor = "multi_thread")]
async fn measures_follow_the_grades() {
    let city = City::at(NOW).await;
    city.publish(scheme("measured")).await;
    let mut client = city.schemes(city.transport());
    let measure = |grade: &str, sampling_percent| api::Measure {
        grade: grade.to_owned(),
        sampling_percent,
        min_per_year: Some(0),
        max_per_year: Some(2),
        ..Default::default()
    };
    let put =
        |measures| api::PutMeasuresRequest { scheme: "measured".to_owned(), measures, ..Default::default() };
    let answer =
        client.put_measures(put(vec![measure("D", 20.5), measure("A", 1.0)])).await.unwrap().into_inner();
    let ordered = vec![measure("A", 1.0), measure("D", 20.5)];
    assert_eq!(answer.measures, ordered, "in the order of the scheme's grades");
    let got =
        client.get_measures(api::GetMeasuresRequest { scheme: "measured".to_owned(), ..Default::default() });
    assert_eq!(got.await.unwrap().into_inner().measures, ordered);
    assert_eq!(client.get_scheme(get("measured", 0)).await.unwrap().into_inner().measures, ordered);

    let refused = client.put_measures(put(vec![measure("E", 1.0), measure("A", 0.00001)])).await.unwrap_err();
    let expected =
        [("measures[0].grade", "GRADE_NOT_OF_SCHEME"), ("measures[1].samplingPercent", "FIELD_INVALID")];
    assert_eq!(wrong_fields(&refused), expected.map(|(field, reason)| (field.to_owned(), reason.to_owned())));
    let missing = api::GetMeasuresRequest { scheme: "none".to_owned(), ..Default::default() };
    assert_eq!(reason(&client.get_measures(missing).await.unwrap_err()), "SCHEME_UNKNOWN");
    let with_scheme = api::Scheme { measures: ordered, ..scheme("other") };
    assert_eq!(
        wrong_fields(&client.create_scheme(create(with_scheme, "")).await.unwrap_err())[0].0,
        "measures"
    );
}
