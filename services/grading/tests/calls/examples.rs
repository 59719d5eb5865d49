//! The ready-made examples: every one compiles against the built-in catalogue, without a warning, and begins a draft.
use chassis::trial::reason;
use contract::grading::v1::{self as api, scheme::State};

use super::city::{City, wrong_fields};

#[tokio::test(flavor = "multi_thread")]
async fn every_example_can_be_drafted_and_published() {
    let city = City::at("2026-02-01T02:00:00Z").await;
    let mut client = city.schemes(city.transport());
    let listed = client.list_example_schemes(api::ListExampleSchemesRequest::default());
    let examples = listed.await.unwrap().into_inner().examples;
    assert_eq!(examples.len(), 22);
    for example in examples {
        let id = &example.example_id;
        let ready = example.scheme.unwrap();
        let sent = api::Scheme { scheme_id: id.clone(), from_example: id.clone(), ..Default::default() };
        let request = api::CreateSchemeRequest { scheme: Some(sent), ..Default::default() };
        let draft = client
            .create_scheme(request)
            .await
            .unwrap_or_else(|status| panic!("{id}: {status}"))
            .into_inner();
        assert_eq!((draft.department.as_str(), draft.state()), ("transport", State::Draft), "{id}");
        assert_eq!((&draft.model, &draft.domain, &draft.from_example), (&ready.model, &ready.domain, id));
        assert_eq!(draft.warnings, [], "{id}");
        assert_eq!(draft.measures, ready.measures, "{id}");
        let publish = api::PublishSchemeRequest { scheme: id.clone(), ..Default::default() };
        let published =
            client.publish_scheme(publish).await.unwrap_or_else(|status| panic!("{id}: {status}"));
        assert_eq!(published.into_inner().state(), State::Published, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_keeps_what_was_sent_and_takes_the_rest_from_its_example() {
    let city = City::at("2026-02-01T02:00:00Z").await;
    let mut client = city.schemes(city.transport());
    let of_domain = api::ListExampleSchemesRequest { domain: "transport".to_owned(), ..Default::default() };
    let of_domain = client.list_example_schemes(of_domain).await.unwrap().into_inner().examples;
    let ids: Vec<_> = of_domain.iter().map(|example| example.example_id.as_str()).collect();
    assert_eq!(ids, ["d09-transport"]);
    let mut token = String::new();
    let mut pages = 0;
    loop {
        let page = api::ListExampleSchemesRequest { page_size: 10, page_token: token, ..Default::default() };
        let page = client.list_example_schemes(page).await.unwrap().into_inner();
        pages += 1;
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(pages, 3);
    let sent = api::Scheme {
        scheme_id: "ours".to_owned(),
        title: "本市试验办法".to_owned(),
        from_example: "d09-transport".to_owned(),
        ..Default::default()
    };
    let request = api::CreateSchemeRequest { scheme: Some(sent.clone()), ..Default::default() };
    let draft = client.create_scheme(request).await.unwrap().into_inner();
    assert_eq!((draft.scheme_id.as_str(), draft.title.as_str()), ("ours", "本市试验办法"));
    assert_eq!(draft.model, of_domain[0].scheme.as_ref().unwrap().model);

    let nowhere = api::Scheme { from_example: "d99".to_owned(), ..sent.clone() };
    let request = api::CreateSchemeRequest { scheme: Some(nowhere), ..Default::default() };
    assert_eq!(reason(&client.create_scheme(request).await.unwrap_err()), "EXAMPLE_UNKNOWN");
    let theirs = api::Scheme { department: "commerce".to_owned(), scheme_id: "theirs".to_owned(), ..sent };
    let request = api::CreateSchemeRequest { scheme: Some(theirs), ..Default::default() };
    assert_eq!(reason(&client.create_scheme(request).await.unwrap_err()), "SCHEME_OF_OTHER_DEPARTMENT");
    let wrong = api::ListExampleSchemesRequest { domain: "D23".to_owned(), ..Default::default() };
    assert_eq!(wrong_fields(&client.list_example_schemes(wrong).await.unwrap_err())[0].0, "domain");
}
