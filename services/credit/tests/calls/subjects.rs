//! Subjects: taken in, given, listed, searched.
use chassis::trial::reason;
use contract::credit::v1::{self as api, change::Kind, subject::CodeStatus};

use crate::world::{MORNING, World, broken, code, ends, subject};

fn named(serial: u32, name: &str) -> api::SubjectInput {
    api::SubjectInput { name: name.to_owned(), ..subject(serial) }
}

#[tokio::test]
async fn one_bad_row_never_loses_the_good() {
    let world = World::open(MORNING).await;
    let who = world.department("market-regulation");
    let given = |uscc: &str| api::SubjectInput { uscc: uscc.to_owned(), ..subject(9) };
    let spaced = format!(" {}　", code(1).to_lowercase());
    let rows = vec![
        api::SubjectInput { uscc: spaced, ..subject(1) },
        given("91640399"),
        given(&broken(2)),
        api::SubjectInput { accept_nonconforming: true, ..given(&broken(3)) },
        given("91640399****00001X"),
        given("916403990000000000"),
        given("640300200001234"),
        given("11010519491231002X"),
        given("91640399IO00000001"),
        api::SubjectInput { name: String::new(), ..subject(4) },
        api::SubjectInput { region: String::from("吴忠"), ..subject(4) },
        // The same subject twice in one batch, and then otherwise.
        subject(5),
        subject(5),
        named(5, "虚构改名有限公司"),
    ];
    let request = api::BatchUpsertSubjectsRequest { subjects: rows, ..Default::default() };
    let answer = world.subjects(&who).batch_upsert_subjects(request).await.unwrap().into_inner();
    assert_eq!(
        ends(&answer.outcomes),
        [
            "ACCEPTED",
            "CODE_LENGTH",
            "CODE_CHECK_FAILED",
            "ACCEPTED",
            "CODE_MASKED",
            "CODE_ROUNDED",
            "LEGACY_REGISTRATION_NUMBER",
            "PERSONAL_IDENTITY_NUMBER",
            "CODE_CHARACTER",
            "FIELD_INVALID",
            "FIELD_INVALID",
            "ACCEPTED",
            "DUPLICATE",
            "ACCEPTED",
        ]
    );
    let error = answer.outcomes[10].error.clone().unwrap();
    assert_eq!(error.field, "region");
    let get = api::GetSubjectRequest { uscc: broken(3), ..Default::default() };
    let kept = world.subjects(&who).get_subject(get).await.unwrap().into_inner();
    assert_eq!(kept.code_status(), CodeStatus::Nonconforming);
    let get = api::GetSubjectRequest { uscc: format!("{} ", code(5)), ..Default::default() };
    let renamed = world.subjects(&who).get_subject(get).await.unwrap().into_inner();
    assert_eq!((renamed.name.as_str(), renamed.code_status()), ("虚构改名有限公司", CodeStatus::Conforming));
    assert_eq!(renamed.position, answer.position);
    // Each accepted row is a change of the feed; the others are none.
    let changes = world.changes(&world.office(), "").await;
    let seen: Vec<&str> = changes.iter().map(|change| change.uscc.as_str()).collect();
    assert_eq!(seen, [code(1), broken(3), code(5), code(5)]);
    assert!(changes.iter().all(|change| change.kind() == Kind::SubjectUpserted && change.subject.is_some()));
    assert_eq!(changes[3].position, answer.position);
}

#[tokio::test]
async fn refusals_speak_the_callers_language() {
    let world = World::open(MORNING).await;
    let who = world.department("transport");
    let rows = vec![api::SubjectInput { uscc: broken(1), ..subject(1) }];
    let mut request =
        tonic::Request::new(api::BatchUpsertSubjectsRequest { subjects: rows, ..Default::default() });
    request.metadata_mut().insert("accept-language", "zh-CN".parse().unwrap());
    let answer = world.subjects(&who).batch_upsert_subjects(request).await.unwrap().into_inner();
    let message = answer.outcomes[0].error.clone().unwrap().message;
    assert!(message.contains("校验码"), "{message}");
}

#[tokio::test]
async fn a_row_sent_again_changes_nothing_and_an_empty_field_takes_nothing_away() {
    let world = World::open(MORNING).await;
    let who = world.department("market-regulation");
    world.register(1..4).await;
    let end = world.changes(&world.office(), "").await.last().unwrap().position.clone();
    let fewer = api::SubjectInput { uscc: code(2), name: subject(2).name, ..Default::default() };
    let request = api::BatchUpsertSubjectsRequest { subjects: vec![subject(1), fewer], ..Default::default() };
    let answer = world.subjects(&who).batch_upsert_subjects(request).await.unwrap().into_inner();
    assert_eq!(ends(&answer.outcomes), ["DUPLICATE", "DUPLICATE"]);
    assert!(world.changes(&world.office(), &end).await.is_empty());
    assert_eq!(answer.position, end);
    let get = api::GetSubjectRequest { uscc: code(2), ..Default::default() };
    let kept = world.subjects(&who).get_subject(get).await.unwrap().into_inner();
    assert_eq!((kept.region.as_str(), kept.domains), ("640399", vec![String::from("D09")]));
}

#[tokio::test]
async fn the_same_request_id_gives_the_same_answer_once_done() {
    let world = World::open(MORNING).await;
    let who = world.department("market-regulation");
    let request = |name: &str| api::BatchUpsertSubjectsRequest {
        subjects: vec![named(1, name)],
        request_id: String::from("first"),
    };
    let once = world.subjects(&who).batch_upsert_subjects(request("虚构甲公司")).await.unwrap().into_inner();
    let again = world.subjects(&who).batch_upsert_subjects(request("虚构甲公司")).await.unwrap().into_inner();
    assert_eq!(once, again);
    let other = world.subjects(&who).batch_upsert_subjects(request("虚构乙公司")).await.unwrap_err();
    assert_eq!(reason(&other), "REQUEST_ID_REUSED");
}

#[tokio::test]
async fn lists_filter_and_page() {
    let world = World::open(MORNING).await;
    let who = world.department("market-regulation");
    world.register(1..31).await;
    let rows = vec![
        api::SubjectInput {
            region: String::from("640303"),
            industry: String::from("I6510"),
            ..named(40, "虚构ABC%软件公司")
        },
        api::SubjectInput { domains: vec![String::from("D01")], ..named(41, "虚构另类公司") },
    ];
    let request = api::BatchUpsertSubjectsRequest { subjects: rows, ..Default::default() };
    world.subjects(&who).batch_upsert_subjects(request).await.unwrap();
    let mut seen = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = api::ListSubjectsRequest { page_size: 7, page_token, ..Default::default() };
        let page = world.subjects(&who).list_subjects(request).await.unwrap().into_inner();
        seen.extend(page.subjects.into_iter().map(|subject| subject.uscc));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let mut all: Vec<String> = (1..31).chain([40, 41]).map(code).collect();
    all.sort_unstable();
    assert_eq!(seen, all);
    let list = async |request: api::ListSubjectsRequest| {
        let page = world.subjects(&who).list_subjects(request).await.unwrap().into_inner();
        page.subjects.into_iter().map(|subject| subject.uscc).collect::<Vec<_>>()
    };
    let text = String::from;
    assert_eq!(list(api::ListSubjectsRequest { q: text("abc%"), ..Default::default() }).await, [code(40)]);
    assert_eq!(list(api::ListSubjectsRequest { q: code(41), ..Default::default() }).await, [code(41)]);
    assert_eq!(
        list(api::ListSubjectsRequest { q: text("没有这个名称"), ..Default::default() }).await,
        [""; 0]
    );
    assert_eq!(
        list(api::ListSubjectsRequest { region: text("640303"), ..Default::default() }).await,
        [code(40)]
    );
    assert_eq!(
        list(api::ListSubjectsRequest { industry: text("I"), ..Default::default() }).await,
        [code(40)]
    );
    assert_eq!(
        list(api::ListSubjectsRequest { domain: text("D01"), ..Default::default() }).await,
        [code(41)]
    );
    let county = api::ListSubjectsRequest { region: text("640300"), page_size: 1_000, ..Default::default() };
    assert_eq!(list(county).await.len(), 32);
    let bad = api::ListSubjectsRequest { page_token: text("?"), ..Default::default() };
    assert_eq!(reason(&world.subjects(&who).list_subjects(bad).await.unwrap_err()), "PAGE_TOKEN_INVALID");
    let search = api::SearchPublicSubjectsRequest { q: text("另类"), ..Default::default() };
    let mut anyone = contract::credit::v1::profiles_client::ProfilesClient::new(world.upstream.clone());
    let found = anyone.search_public_subjects(search).await.unwrap().into_inner();
    assert_eq!(found.subjects.len(), 1);
}

#[tokio::test]
async fn who_may_not_is_refused() {
    let world = World::open(MORNING).await;
    world.register(1..2).await;
    let request = || api::BatchUpsertSubjectsRequest { subjects: vec![subject(2)], ..Default::default() };
    let reader = world.trial.token("transport", "credit.read");
    let denied = world.subjects(&reader).batch_upsert_subjects(request()).await.unwrap_err();
    assert_eq!((denied.code(), reason(&denied).as_str()), (tonic::Code::PermissionDenied, "SCOPE_MISSING"));
    let own = world.enterprise(&code(1));
    let denied = world.subjects(&own).batch_upsert_subjects(request()).await.unwrap_err();
    assert_eq!(denied.code(), tonic::Code::PermissionDenied);
    let mut nobody = contract::credit::v1::subjects_client::SubjectsClient::new(world.upstream.clone());
    assert_eq!(
        nobody.batch_upsert_subjects(request()).await.unwrap_err().code(),
        tonic::Code::Unauthenticated
    );
    let get = |uscc: &str| api::GetSubjectRequest { uscc: uscc.to_owned(), ..Default::default() };
    let missing = world.subjects(&reader).get_subject(get(&code(7))).await.unwrap_err();
    assert_eq!((missing.code(), reason(&missing).as_str()), (tonic::Code::NotFound, "SUBJECT_UNKNOWN"));
    let wrong = world.subjects(&reader).get_subject(get("11010519491231002X")).await.unwrap_err();
    assert_eq!(
        (wrong.code(), reason(&wrong).as_str()),
        (tonic::Code::InvalidArgument, "PERSONAL_IDENTITY_NUMBER")
    );
    assert!(!wrong.message().contains("1949"));
    let mut writer = world.subjects(&world.department("transport"));
    let none = writer.batch_upsert_subjects(api::BatchUpsertSubjectsRequest::default()).await.unwrap_err();
    assert_eq!(reason(&none), "FIELD_INVALID");
}
