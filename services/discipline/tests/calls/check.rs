//! The check, the public search, applications and figures; and that a listing ends with its last day.
use std::time::{Duration, Instant};

use chassis::{access::Claims, feed, trial::reason};
use contract::discipline::v1 as api;
use futures::stream;
use sea_orm::ConnectionTrait as _;
use tonic::Code;

use super::world::{ALL, LIST, World, code, decide, eventually, list, propose, put_list, step};

#[tokio::test]
async fn a_check_answers_in_order_with_what_binds_the_caller() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let case = world.listed(LIST, &code(1), "2026-02-13", "2026-03-02").await;
    let (mut finance, mut hrss) = (world.of("finance", "f"), world.of("hrss", "h"));
    let lower = code(1).to_lowercase();
    let spoiled = format!("{}Y", &code(3)[..17]);
    let spoiled = if spoiled == code(3) { format!("{}X", &code(3)[..17]) } else { spoiled };
    let asked = [code(2), lower, "123".into(), code(1), spoiled.clone()];
    let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
    let results = world.check(&mut finance, &asked).await;
    assert_eq!(results.len(), 5);
    assert!(results[0].listings.is_empty() && results[0].error.is_none());
    for result in [&results[1], &results[3]] {
        assert_eq!(result.uscc, code(1));
        let [listing] = result.listings.as_slice() else { panic!("{result:?}") };
        assert_eq!((listing.list_id.as_str(), listing.until.as_str()), (LIST, "2029-03-02"));
        assert_eq!(
            (listing.kind(), listing.listing.as_str()),
            (api::list::Kind::Punitive, case.case_id.as_str())
        );
        let measures: Vec<&str> = result.measures.iter().map(|measure| measure.measure_id.as_str()).collect();
        assert_eq!(measures, ["key-supervision", "procurement-ban"]);
        assert!(!result.measures[1].legal_basis.is_empty());
        assert_eq!(result.measures[1].listings, [case.case_id.as_str()]);
    }
    assert_eq!(results[2].error.as_ref().expect("an error").reason, "CODE_LENGTH");
    assert_eq!(results[4].error.as_ref().expect("an error").reason, "CODE_CHECK_FAILED");
    let bound = world.check(&mut hrss, &[&code(1)]).await;
    assert_eq!(bound[0].measures.len(), 1, "the procurement ban binds finance only");
    let all = world.check(&mut world.office(), &[&code(1)]).await;
    assert_eq!(all[0].measures.len(), 2);
    let taken =
        api::CheckSubjectsRequest { uscc: vec![spoiled], accept_nonconforming: true, ..Default::default() };
    let taken = hrss.checks.check_subjects(taken).await.unwrap().into_inner();
    assert!(taken.results[0].error.is_none() && taken.as_of.is_some());
}

#[tokio::test]
async fn a_check_takes_ten_thousand_codes_and_asks_for_a_purpose() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    world.listed(LIST, &code(5), "2026-02-13", "2026-03-02").await;
    let mut finance = world.of("finance", "f");
    let codes: Vec<String> = (0..10_000).map(code).collect();
    let request = api::CheckSubjectsRequest { uscc: codes.clone(), ..Default::default() };
    let results = finance.checks.check_subjects(request.clone()).await.unwrap().into_inner().results;
    assert_eq!(results.len(), 10_000);
    let listed: Vec<usize> = results
        .iter()
        .enumerate()
        .filter(|(_, one)| !one.listings.is_empty())
        .map(|(index, _)| index)
        .collect();
    assert_eq!(listed, [5]);
    let many = api::CheckSubjectsRequest { uscc: (0..10_001).map(code).collect(), ..Default::default() };
    assert_eq!(reason(&finance.checks.check_subjects(many).await.unwrap_err()), "FIELD_INVALID");
    let none = api::CheckSubjectsRequest::default();
    assert_eq!(reason(&finance.checks.check_subjects(none).await.unwrap_err()), "FIELD_INVALID");
    let from =
        api::CheckSubjectsRequest { uscc: vec![code(1)], min_position: "soon".into(), ..Default::default() };
    assert_eq!(reason(&finance.checks.check_subjects(from).await.unwrap_err()), "CURSOR_INVALID");
    let aimless =
        Claims { default_purpose: String::new(), ..world.claims("finance", "a", "discipline.read") };
    let refused = world.client(aimless).checks.check_subjects(request).await.unwrap_err();
    assert_eq!(reason(&refused), "PURPOSE_REQUIRED");
    let scopeless = world.claims("finance", "s", "credit.read");
    let asked = api::CheckSubjectsRequest { uscc: vec![code(1)], ..Default::default() };
    assert_eq!(
        reason(&world.client(scopeless).checks.check_subjects(asked).await.unwrap_err()),
        "SCOPE_MISSING"
    );
}

#[tokio::test]
async fn a_listing_ends_with_its_last_day_everywhere() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let short = api::List { publication_months: 1, ..list("short") };
    world.office().lists.put_list(put_list(short)).await.unwrap();
    let endless = api::List { publication_months: 0, ..list("endless") };
    world.office().lists.put_list(put_list(endless)).await.unwrap();
    let case = world.listed("short", &code(1), "2026-02-28", "2026-02-28").await;
    world.listed("endless", &code(2), "2026-02-28", "2026-02-28").await;
    let mut clerk = world.of("hrss", "clerk");
    let counted = async |client: &mut super::world::Client| {
        let checked = world.check(client, &[&code(1), &code(2)]).await;
        let shown =
            client.listings.list_public_listings(api::ListPublicListingsRequest::default()).await.unwrap();
        let figures =
            client.figures.get_figures(api::GetFiguresRequest::default()).await.unwrap().into_inner();
        let checked: usize = checked.iter().map(|result| result.listings.len()).sum();
        (checked, shown.into_inner().listings.len(), figures.active)
    };
    // To the last second of 28 March in Asia/Shanghai.
    world.trial.boot.clock.set("2026-03-28T15:59:50Z".parse().unwrap());
    assert_eq!(counted(&mut clerk).await, (2, 2, 2));
    world.trial.boot.clock.set("2026-03-28T16:00:00Z".parse().unwrap());
    assert_eq!(counted(&mut clerk).await, (1, 1, 1));
    let request = api::GetCaseRequest { case: case.case_id, ..Default::default() };
    let ended = clerk.cases.get_case(request).await.unwrap().into_inner();
    assert_eq!(ended.listing.expect("a listing").state(), api::listing::State::Expired);
    // The row is marked in the background; a clock that goes back finds it ended all the same.
    eventually("the mark", || async {
        world.trial.boot.clock.set("2026-03-28T16:00:00Z".parse().unwrap());
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
        world.trial.boot.clock.set("2026-03-28T01:00:00Z".parse().unwrap());
        world.check(&mut world.of("hrss", "clerk"), &[&code(1)]).await[0].listings.is_empty()
    })
    .await;
}

#[tokio::test]
async fn everybody_may_search_active_listings() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let reward =
        api::List { kind: api::list::Kind::Reward.into(), name: "纳税信用A级".into(), ..list("tax-a") };
    world.office().lists.put_list(put_list(reward)).await.unwrap();
    for serial in 1..=3 {
        world.listed(LIST, &code(serial), "2026-02-13", &format!("2026-02-{}", 24 + serial)).await;
    }
    world.listed("tax-a", &code(1), "2026-02-13", "2026-03-02").await;
    let mut clerk = world.of("hrss", "clerk");
    let open = clerk.cases.create_case(propose(LIST, &code(4))).await.unwrap().into_inner();
    clerk.cases.notify_case(step(&open, "")).await.unwrap();

    let mut anybody = contract::discipline::v1::listings_client::ListingsClient::new(world.upstream.clone());
    let mut found = async |q: &str, list: &str| {
        let request = api::ListPublicListingsRequest { q: q.into(), list: list.into(), ..Default::default() };
        let found = anybody.list_public_listings(request).await.unwrap().into_inner().listings;
        found.into_iter().map(|listing| (listing.list_id, listing.uscc)).collect::<Vec<_>>()
    };
    let of = |list: &str, serial| (list.to_owned(), code(serial));
    assert_eq!(found("", "").await, [of("tax-a", 1), of(LIST, 3), of(LIST, 2), of(LIST, 1)]);
    assert_eq!(found("劳务2号", "").await, [of(LIST, 2)]);
    assert_eq!(found(&code(1), LIST).await, [of(LIST, 1)]);
    assert_eq!(found("%", "").await, []);
    assert_eq!(found("劳务4号", "").await, [], "a case is not public");
    let mut request = api::ListPublicListingsRequest { page_size: 3, ..Default::default() };
    let mut anybody = contract::discipline::v1::listings_client::ListingsClient::new(world.upstream.clone());
    let page = anybody.list_public_listings(request.clone()).await.unwrap().into_inner();
    assert_eq!(page.listings.len(), 3);
    request.page_token = page.next_page_token;
    let page = anybody.list_public_listings(request.clone()).await.unwrap().into_inner();
    assert_eq!((page.listings.len(), page.next_page_token.as_str()), (1, ""));
    request.page_token = "bm8".into();
    assert_eq!(reason(&anybody.list_public_listings(request).await.unwrap_err()), "PAGE_TOKEN_INVALID");
}

#[tokio::test]
async fn departments_report_what_they_applied() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let case = world.listed(LIST, &code(1), "2026-02-13", "2026-03-02").await;
    let (mut finance, mut hrss) = (world.of("finance", "f"), world.of("hrss", "h"));
    let report = |measure: &str, on: &str| api::CreateApplicationRequest {
        application: Some(api::Application {
            listing: case.case_id.clone(),
            measure: measure.into(),
            applied_on: on.into(),
            text: "拒绝参加投标".into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let taken =
        finance.applications.create_application(report("procurement-ban", "2026-03-02")).await.unwrap();
    let taken = taken.into_inner();
    assert_eq!((taken.uscc, taken.department.as_str()), (code(1), "finance"));
    let refused =
        hrss.applications.create_application(report("procurement-ban", "2026-03-02")).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::PermissionDenied, "NOT_OF_DEPARTMENT".into()));
    let refused = finance.applications.create_application(report("none", "2026-03-02")).await.unwrap_err();
    assert_eq!(reason(&refused), "MEASURE_NOT_OF_LISTING");
    let refused =
        finance.applications.create_application(report("key-supervision", "2026-03-01")).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::FailedPrecondition, "LISTING_NOT_ACTIVE".into()));
    let refused =
        finance.applications.create_application(report("key-supervision", "2026-03-03")).await.unwrap_err();
    assert_eq!(reason(&refused), "FIELD_INVALID");
    let mut unknown = report("key-supervision", "2026-03-02");
    unknown.application.as_mut().expect("it").listing = "none".into();
    assert_eq!(finance.applications.create_application(unknown).await.unwrap_err().code(), Code::NotFound);
    hrss.applications.create_application(report("key-supervision", "2026-03-02")).await.unwrap();
    let of =
        api::ListApplicationsRequest { listing: case.case_id.clone(), page_size: 1, ..Default::default() };
    let page = hrss.applications.list_applications(of.clone()).await.unwrap().into_inner();
    assert_eq!(page.applications[0].department, "hrss");
    let rest = api::ListApplicationsRequest { page_token: page.next_page_token, ..of };
    assert_eq!(
        hrss.applications.list_applications(rest).await.unwrap().into_inner().applications[0].department,
        "finance"
    );
}

#[tokio::test]
async fn figures_count_by_domain_and_day() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let everywhere = api::List { domains: vec![], ..list("everywhere") };
    world.office().lists.put_list(put_list(everywhere)).await.unwrap();
    world.listed(LIST, &code(1), "2026-02-13", "2026-02-20").await;
    world.listed("everywhere", &code(2), "2026-02-13", "2026-03-01").await;
    let (mut clerk, mut chief) = (world.of("hrss", "clerk"), world.of("hrss", "chief"));
    let case = clerk.cases.create_case(propose(LIST, &code(3))).await.unwrap().into_inner();
    clerk.cases.notify_case(step(&case, "2026-02-13")).await.unwrap();
    chief.cases.decide_case(decide(&case, "2026-03-01", api::case::Outcome::Drop)).await.unwrap();
    let mut figures = async |domain: &str, from: &str, to: &str| {
        let request = api::GetFiguresRequest { domain: domain.into(), from: from.into(), to: to.into() };
        let found = clerk.figures.get_figures(request).await.unwrap().into_inner();
        [found.proposed, found.dropped, found.listed, found.active, found.applied]
    };
    assert_eq!(figures("", "", "").await, [3, 1, 2, 2, 0]);
    assert_eq!(figures("D16", "2026-01-01", "2026-12-31").await, [3, 1, 2, 2, 0]);
    assert_eq!(figures("D01", "", "").await, [1, 0, 1, 1, 0]);
    assert_eq!(figures("D16", "", "2026-02-28").await, [0, 0, 1, 1, 0]);
    assert_eq!(figures("D16", "2026-03-01", "2026-03-01").await, [0, 1, 1, 2, 0]);
}

fn question(codes: impl IntoIterator<Item = u32>) -> api::CheckSubjectsRequest {
    let uscc = codes.into_iter().map(code).collect();
    api::CheckSubjectsRequest { uscc, purpose: "政府采购资格审查".into(), ..Default::default() }
}

#[tokio::test]
async fn a_stream_answers_each_question_as_a_call_does_and_ends_with_one_that_is_wrong() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    for serial in [2, 5] {
        world.listed(LIST, &code(serial), "2026-02-13", "2026-03-02").await;
    }
    let mut finance = world.of("finance", "f");
    let spoiled = api::CheckSubjectsRequest { uscc: vec!["123".into(), code(2)], ..question([]) };
    let business =
        api::CheckSubjectsRequest { business: api::Business::Licensing.into(), ..question([2, 5]) };
    // As many as are written at once, one more, and one less.
    let questions = [
        question([5]),
        question(1..=64),
        spoiled,
        question(1..=65),
        business,
        question(1..=1_000),
        question(2..=64),
    ];
    let mut answers =
        finance.checks.clone().stream_checks(stream::iter(questions.clone())).await.unwrap().into_inner();
    let mut listed = 0;
    for question in questions {
        let alone = finance.checks.check_subjects(question).await.unwrap().into_inner();
        let answer = answers.message().await.unwrap().expect("an answer to each");
        assert_eq!(answer.results, alone.results);
        assert!(answer.as_of.is_some());
        listed += answer.results.iter().filter(|one| !one.listings.is_empty()).count();
    }
    assert!(answers.message().await.unwrap().is_none());
    assert_eq!(listed, 1 + 2 + 1 + 2 + 2 + 2 + 2);

    for (wrong, told) in [(question([]), "FIELD_INVALID"), (question(0..10_001), "FIELD_INVALID")] {
        let questions = stream::iter([question([5]), wrong, question([2])]);
        let mut answers = finance.checks.stream_checks(questions).await.unwrap().into_inner();
        assert_eq!(answers.message().await.unwrap().expect("an answer").results.len(), 1);
        let ended = answers.message().await.unwrap_err();
        assert_eq!((ended.code(), reason(&ended).as_str()), (Code::InvalidArgument, told));
    }
    let unable = world.client(world.claims("finance", "f", "credit.read"));
    let refused = unable.checks.clone().stream_checks(stream::iter([question([1])])).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_replica_knows_of_a_listing_at_once_and_answers_nothing_that_is_old() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    // SQLite's file is one process's.
    let other = if world.store.is_sqlite() { world.upstream.clone() } else { world.replica().await };
    let mut there = world.client_of(&other, world.claims("finance", "f", ALL));
    let listed = async |client: &mut super::world::Client, asked: api::CheckSubjectsRequest| {
        let answer = client.checks.check_subjects(asked).await?.into_inner();
        Ok::<_, tonic::Status>(!answer.results[0].listings.is_empty())
    };
    // By the position of what was published, at once.
    assert!(!listed(&mut there, question([1])).await.unwrap());
    world.listed(LIST, &code(1), "2026-02-13", "2026-03-02").await;
    let min_position = feed::newest(&world.store).await.unwrap().to_string();
    let at_once = api::CheckSubjectsRequest { min_position, ..question([1]) };
    assert!(listed(&mut there, at_once).await.unwrap());
    // Without it, within a second. A machine may be held up for that long by others, but not each time.
    let mut took = Vec::new();
    for serial in 2..=5 {
        world.listed(LIST, &code(serial), "2026-02-13", "2026-03-02").await;
        let published = Instant::now();
        while !listed(&mut there, question([serial])).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        took.push(published.elapsed());
    }
    assert!(took.iter().any(|took| *took < Duration::from_secs(1)), "{took:?}");

    if world.store.is_sqlite() {
        return;
    }
    // A replica that hears nothing of the feed any more says so, and answers again when it does.
    let held = world.store.begin().await.unwrap();
    held.execute_unprepared("LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE").await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let refused = listed(&mut there, question([1])).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unavailable, "CHECK_STALE"));
    drop(held);
    let again = there.clone();
    eventually("an answer", || async { listed(&mut again.clone(), question([1])).await.unwrap_or(false) })
        .await;
}
