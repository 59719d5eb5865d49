//! Grants: given, recorded, taken back; and what they open at the intake, on every read and in the feed.
use std::time::Duration;

use chassis::trial::{Bearer, reason};
use contract::credit::v1::{self as api, authorization::State, change::Kind, reports_client::ReportsClient};
use sha2::{Digest, Sha256};
use tonic::Code;

use crate::world::{MORNING, World, code, ends, fields, penalty};

const PURPOSE: &str = "纳税信用核查";
const ITEM: &str = "tax-payment";

/// A grant of the first subject to taxation.
fn grant() -> api::CreateAuthorizationRequest {
    api::CreateAuthorizationRequest {
        uscc: code(1),
        items: vec![ITEM.to_owned()],
        department: String::from("taxation"),
        purpose: String::from(PURPOSE),
        valid_from: String::from("2026-02-13"),
        valid_until: String::from("2026-12-31"),
        evidence: String::from("授权书〔2026〕1号，存于办税大厅"),
        ..Default::default()
    }
}

fn payment(serial: u32, source_id: &str) -> api::RecordInput {
    api::RecordInput {
        item: ITEM.to_owned(),
        fields: Some(fields(&[("period", "2025-12")])),
        ..penalty(serial, source_id)
    }
}

impl World {
    async fn give(&self, who: &Bearer, grant: api::CreateAuthorizationRequest) -> api::Authorization {
        self.authorizations(who).create_authorization(grant).await.unwrap().into_inner()
    }

    async fn refused(&self, who: &Bearer, grant: api::CreateAuthorizationRequest) -> String {
        reason(&self.authorizations(who).create_authorization(grant).await.unwrap_err())
    }

    async fn revoke(&self, who: &Bearer, grant: &api::Authorization) -> api::Authorization {
        let request = revoking(grant, "不再需要");
        self.authorizations(who).revoke_authorization(request).await.unwrap().into_inner()
    }

    async fn sent(&self, who: &Bearer, row: api::RecordInput) -> String {
        ends(&self.submit(who, vec![row]).await.outcomes).remove(0)
    }

    async fn seen(&self, who: &Bearer, item: &str, purpose: &str) -> Result<usize, String> {
        let request = api::ListRecordsRequest {
            uscc: code(1),
            item: item.to_owned(),
            purpose: purpose.to_owned(),
            ..Default::default()
        };
        let answer = self.records(who).list_records(request).await;
        answer.map(|answer| answer.into_inner().records.len()).map_err(|status| reason(&status))
    }

    async fn looks(&self) -> Vec<api::Access> {
        let request = api::ListAccessesRequest { uscc: code(1), page_size: 100, ..Default::default() };
        let own = self.enterprise(&code(1));
        self.accesses(&own).list_accesses(request).await.unwrap().into_inner().accesses
    }
}

fn revoking(grant: &api::Authorization, why: &str) -> api::RevokeAuthorizationRequest {
    api::RevokeAuthorizationRequest {
        authorization_id: grant.authorization_id.clone(),
        reason: why.to_owned(),
        ..Default::default()
    }
}

async fn world() -> (World, Bearer) {
    let world = World::open(MORNING).await;
    world.register(1..4).await;
    let taxation = world.department("taxation");
    (world, taxation)
}

#[tokio::test]
async fn a_grant_is_given_listed_and_taken_back_by_whose_it_is() {
    let (world, taxation) = world().await;
    let own = world.enterprise(&code(1));
    let given =
        world.give(&own, api::CreateAuthorizationRequest { evidence: String::new(), ..grant() }).await;
    assert_eq!((given.state(), given.recorded_for.as_str()), (State::InForce, ""));
    assert_eq!((given.items.as_slice(), given.department.as_str()), (&[ITEM.to_owned()][..], "taxation"));
    assert!(given.basis.contains("个人信息保护法") && !given.position.is_empty(), "{given:?}");
    let later = api::CreateAuthorizationRequest {
        items: vec![String::from("water-payment"), ITEM.to_owned(), ITEM.to_owned()],
        valid_from: String::from("2026-03-01"),
        evidence_document: b"a scanned paper".to_vec(),
        text_version: String::from("2026-01"),
        ..grant()
    };
    let recorded = world.give(&taxation, later.clone()).await;
    assert_eq!((recorded.state(), recorded.recorded_for.as_str()), (State::Pending, "taxation"));
    assert_eq!(recorded.items, [ITEM, "water-payment"]);
    assert_eq!(recorded.evidence_hash, hex::encode(Sha256::digest(b"a scanned paper")));
    // Sent again under the same id it is the same grant.
    let once = api::CreateAuthorizationRequest { request_id: String::from("once"), ..later };
    let first = world.give(&taxation, once.clone()).await;
    assert_eq!(world.give(&taxation, once).await, first);

    let get =
        |id: &str| api::GetAuthorizationRequest { authorization_id: id.to_owned(), ..Default::default() };
    for who in [&own, &taxation, &world.office(), &world.service()] {
        let request = get(&given.authorization_id);
        let found = world.authorizations(who).get_authorization(request).await.unwrap().into_inner();
        assert_eq!(found, given);
    }
    for who in [&world.department("transport"), &world.enterprise(&code(2))] {
        let request = get(&given.authorization_id);
        let hidden = world.authorizations(who).get_authorization(request).await.unwrap_err();
        assert_eq!(hidden.code(), Code::NotFound);
        let hidden = world.authorizations(who).revoke_authorization(revoking(&given, "x")).await.unwrap_err();
        assert_eq!(hidden.code(), Code::NotFound);
    }
    let list = async |who: &Bearer, request: api::ListAuthorizationsRequest| {
        let answer = world.authorizations(who).list_authorizations(request).await.unwrap().into_inner();
        let ids = answer.authorizations.into_iter().map(|grant| grant.authorization_id);
        (ids.collect::<Vec<_>>(), answer.next_page_token)
    };
    let all = api::ListAuthorizationsRequest::default();
    let ids = [&first, &recorded, &given].map(|grant| grant.authorization_id.clone());
    assert_eq!(list(&own, all.clone()).await.0, ids);
    assert_eq!(list(&taxation, all.clone()).await.0, ids);
    assert!(list(&world.department("transport"), all.clone()).await.0.is_empty());
    let page = api::ListAuthorizationsRequest { page_size: 2, ..all.clone() };
    let (begin, token) = list(&world.office(), page.clone()).await;
    assert_eq!(begin, ids[..2]);
    let rest = api::ListAuthorizationsRequest { page_token: token, ..page };
    assert_eq!(list(&world.office(), rest).await.0, ids[2..]);
    let pending = api::ListAuthorizationsRequest { state: State::Pending.into(), ..all.clone() };
    assert_eq!(list(&world.office(), pending).await.0, ids[..2]);
    let of_water = api::ListAuthorizationsRequest { item: String::from("water-payment"), ..all.clone() };
    assert_eq!(list(&world.office(), of_water).await.0, ids[..2]);
    let of_tax = api::ListAuthorizationsRequest {
        uscc: code(1),
        department: String::from("taxation"),
        state: State::InForce.into(),
        ..all.clone()
    };
    assert_eq!(list(&world.office(), of_tax).await.0, ids[2..]);
    let others = api::ListAuthorizationsRequest { uscc: code(2), ..all.clone() };
    let denied = world.authorizations(&own).list_authorizations(others).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let unknown = api::ListAuthorizationsRequest { item: String::from("nothing"), ..all };
    let refused = world.authorizations(&own).list_authorizations(unknown).await.unwrap_err();
    assert_eq!(reason(&refused), "ITEM_UNKNOWN");

    // Given by the enterprise, it is not the department's to take back; recorded by it, it is, and the enterprise need not say why.
    let denied = world.authorizations(&taxation).revoke_authorization(revoking(&given, "x")).await;
    assert_eq!(denied.unwrap_err().code(), Code::PermissionDenied);
    let silent = world.authorizations(&taxation).revoke_authorization(revoking(&recorded, "")).await;
    assert_eq!(reason(&silent.unwrap_err()), "FIELD_INVALID");
    assert_eq!(world.revoke(&taxation, &recorded).await.state(), State::Revoked);
    let ended = world.authorizations(&own).revoke_authorization(revoking(&given, "")).await.unwrap();
    let ended = ended.into_inner();
    assert!(ended.revoke_time.is_some() && ended.revoked_by == "test", "{ended:?}");
    assert_eq!((ended.valid_until.as_str(), ended.state()), ("2026-12-31", State::Revoked));
    let twice = world.authorizations(&own).revoke_authorization(revoking(&given, "")).await.unwrap_err();
    assert_eq!(reason(&twice), "AUTHORIZATION_REVOKED");
    assert_eq!(world.revoke(&world.office(), &first).await.revoke_reason, "不再需要");
}

#[tokio::test]
async fn what_is_no_grant_is_refused_and_says_why() {
    let (world, taxation) = world().await;
    type Spoil = fn(&mut api::CreateAuthorizationRequest);
    let spoiled: [(&str, Spoil); 16] = [
        ("FIELD_INVALID", |grant| grant.uscc.clear()),
        ("CODE_LENGTH", |grant| grant.uscc.truncate(10)),
        ("SUBJECT_UNKNOWN", |grant| grant.uscc = code(99)),
        ("FIELD_INVALID", |grant| grant.items.clear()),
        ("ITEM_UNKNOWN", |grant| grant.items.push(String::from("no-such-item"))),
        ("ITEM_NEEDS_NO_GRANT", |grant| grant.items.push(String::from("administrative-penalty"))),
        ("GRANT_NOT_TO_DEPARTMENT", |grant| grant.department = String::from("transport")),
        ("FIELD_INVALID", |grant| grant.purpose = String::from("　")),
        ("PERSONAL_IDENTITY_NUMBER", |grant| grant.purpose = String::from("查11010519491231002X")),
        ("FIELD_INVALID", |grant| grant.valid_until.clear()),
        ("FIELD_INVALID", |grant| grant.valid_until = String::from("2026-02-30")),
        ("FIELD_INVALID", |grant| grant.valid_until = String::from("2026-02-12")),
        ("GRANT_TERM", |grant| grant.valid_until = String::from("2031-02-14")),
        ("EVIDENCE_REQUIRED", |grant| grant.evidence.clear()),
        ("EVIDENCE_HASH_INVALID", |grant| grant.evidence_hash = String::from("abc")),
        ("EVIDENCE_HASH_INVALID", |grant| {
            grant.evidence_hash = "0".repeat(64);
            grant.evidence_document = b"another paper".to_vec();
        }),
    ];
    for (place, (expected, spoil)) in spoiled.into_iter().enumerate() {
        let mut grant = grant();
        spoil(&mut grant);
        assert_eq!(world.refused(&taxation, grant).await, expected, "{place}");
    }
    let other = world.enterprise(&code(2));
    let denied = world.authorizations(&other).create_authorization(grant()).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let denied = world.authorizations(&world.service()).create_authorization(grant()).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let reader = world.trial.token("taxation", "credit.read");
    let denied = world.authorizations(&reader).create_authorization(grant()).await.unwrap_err();
    assert_eq!(reason(&denied), "SCOPE_MISSING");
    // The office records for anybody.
    assert_eq!(world.give(&world.office(), grant()).await.recorded_for, "credit-office");
}

#[tokio::test]
async fn records_are_taken_in_under_a_grant_in_force_and_not_otherwise() {
    let (world, taxation) = world().await;
    let office = world.office();
    assert_eq!(world.sent(&taxation, payment(1, "T-0")).await, "AUTHORIZATION_REQUIRED");
    let late = api::CreateAuthorizationRequest { valid_from: String::from("2026-02-14"), ..grant() };
    let given = world.give(&taxation, late).await;
    assert_eq!(world.sent(&taxation, payment(1, "T-0")).await, "AUTHORIZATION_REQUIRED", "not yet");
    world.at("2026-02-13T16:00:00Z");
    let rows = vec![payment(1, "T-1"), payment(2, "T-2"), penalty(1, "P-1")];
    let batch = ends(&world.submit(&taxation, rows.clone()).await.outcomes);
    assert_eq!(batch[..2], ["ACCEPTED", "AUTHORIZATION_REQUIRED"]);
    let other = api::RecordInput { item: String::from("water-payment"), ..payment(1, "W-1") };
    assert_eq!(world.sent(&taxation, other).await, "AUTHORIZATION_REQUIRED", "another item");
    // Neither the office nor a service of the suite nor another department is excused.
    for who in [&office, &world.service(), &world.department("transport")] {
        assert_eq!(world.sent(who, payment(1, "T-3")).await, "AUTHORIZATION_REQUIRED");
    }
    let to_office = api::CreateAuthorizationRequest { department: String::from("credit-office"), ..grant() };
    world.give(&world.enterprise(&code(1)), to_office).await;
    assert_eq!(world.sent(&office, payment(1, "T-3")).await, "ACCEPTED");
    // By a stream, and by a file.
    let batches = [api::StreamRecordsRequest { batch: String::from("b"), records: rows }];
    let mut stream =
        world.records(&taxation).stream_records(futures::stream::iter(batches)).await.unwrap().into_inner();
    let answer = stream.message().await.unwrap().unwrap();
    assert_eq!(ends(&answer.outcomes)[..2], ["DUPLICATE", "AUTHORIZATION_REQUIRED"]);
    let file = format!(
        "uscc,sourceId,occurredOn,period\n{},F-1,2026-01-15,2025-11\n{},F-2,2026-01-15,2025-11\n",
        code(1),
        code(2)
    );
    let done = world.import(&taxation, "records", ITEM, file.as_bytes()).await;
    let progress = done.progress.unwrap();
    assert_eq!((progress.accepted, progress.rejected), (1, 1));
    assert_eq!(world.reasons(&taxation, &done.import_id).await, ["AUTHORIZATION_REQUIRED"]);
    // A correction is taken in anew; taking back needs nothing.
    let correct = |record: &api::Record, amount: &str| api::CorrectRecordRequest {
        record: record.record.clone(),
        reason: String::from("更正"),
        amount: Some(amount.to_owned()),
        ..Default::default()
    };
    let request = api::ListRecordsRequest {
        uscc: code(1),
        item: ITEM.to_owned(),
        purpose: PURPOSE.to_owned(),
        ..Default::default()
    };
    let records = world.records(&taxation).list_records(request).await.unwrap().into_inner().records;
    let record = records.iter().find(|record| record.source_id == "T-1").unwrap();
    world.records(&taxation).correct_record(correct(record, "2")).await.unwrap();
    world.revoke(&taxation, &given).await;
    let refused = world.records(&taxation).correct_record(correct(record, "3")).await.unwrap_err();
    assert_eq!(reason(&refused), "AUTHORIZATION_REQUIRED");
    assert_eq!(world.sent(&taxation, payment(1, "T-4")).await, "AUTHORIZATION_REQUIRED", "taken back");
    let refused = world.send(&taxation, "records", ITEM, file.as_bytes()).await.unwrap_err();
    assert_eq!(reason(&refused), "AUTHORIZATION_REQUIRED");
    let withdraw = api::WithdrawRecordRequest {
        record: record.record.clone(),
        reason: String::from("授权已撤回"),
        ..Default::default()
    };
    world.records(&taxation).withdraw_record(withdraw).await.unwrap();
    // The last day counts to its end.
    world.at("2026-12-31T15:59:00Z");
    assert_eq!(world.sent(&office, payment(1, "T-5")).await, "ACCEPTED");
    world.at("2026-12-31T16:00:00Z");
    assert_eq!(world.sent(&office, payment(1, "T-6")).await, "AUTHORIZATION_REQUIRED", "over");
}

#[tokio::test]
async fn every_read_needs_the_grant_for_its_purpose_and_names_it_in_the_log() {
    let (world, taxation) = world().await;
    let own = world.enterprise(&code(1));
    let given = world.give(&own, grant()).await;
    let taken = world.submit(&taxation, vec![payment(1, "T-1"), payment(1, "T-2")]).await;
    let record = taken.outcomes[0].record.clone();
    assert_eq!(world.seen(&taxation, ITEM, PURPOSE).await, Ok(2));
    assert_eq!(world.seen(&taxation, "", &format!("　{PURPOSE} ")).await, Ok(2));
    for purpose in ["日常监管", "纳税信用", ""] {
        assert_eq!(world.seen(&taxation, "", purpose).await, Ok(0), "{purpose}");
        assert_eq!(
            world.seen(&taxation, ITEM, purpose).await,
            Err(String::from("AUTHORIZATION_REQUIRED")),
            "{purpose}"
        );
    }
    for who in [&world.department("transport"), &world.office(), &world.service()] {
        assert_eq!(world.seen(who, "", PURPOSE).await, Ok(0));
        assert!(world.seen(who, ITEM, PURPOSE).await.is_err());
    }
    assert_eq!(world.seen(&own, ITEM, "").await, Ok(2));

    let get = |purpose: &str| api::GetRecordRequest {
        record: record.clone(),
        purpose: purpose.to_owned(),
        ..Default::default()
    };
    let versions = |purpose: &str| api::ListRecordVersionsRequest {
        record: record.clone(),
        purpose: purpose.to_owned(),
        ..Default::default()
    };
    let profile = |purpose: &str, known_at: &str| api::GetProfileRequest {
        uscc: code(1),
        purpose: purpose.to_owned(),
        known_at: known_at.to_owned(),
        ..Default::default()
    };
    let order = api::CreateReportRequest { uscc: code(1), purpose: PURPOSE.to_owned(), ..Default::default() };
    world.records(&taxation).get_record(get(PURPOSE)).await.unwrap();
    world.records(&taxation).list_record_versions(versions(PURPOSE)).await.unwrap();
    let shown = world.profiles(&taxation).get_profile(profile(PURPOSE, "")).await.unwrap().into_inner();
    assert_eq!((shown.records.len(), shown.counts.len()), (2, 1));
    let report = world.reports(&taxation).create_report(order).await.unwrap().into_inner();
    let again = api::GetReportRequest { report_id: report.report_id.clone(), ..Default::default() };
    world.reports(&taxation).get_report(again.clone()).await.unwrap();
    let verify = api::VerifyReportRequest { number: report.number.clone(), code: report.check_code.clone() };
    let genuine = async || {
        let anybody = &mut ReportsClient::new(world.upstream.clone());
        let answer = anybody.verify_report(verify.clone()).await.unwrap().into_inner();
        (answer.genuine, answer.current)
    };
    assert_eq!(genuine().await, (true, true));

    // Each of these looks stands in the log, with the grant that opened it; looks that it did not open name none.
    let looks = world.looks().await;
    let mut under: Vec<&str> = looks
        .iter()
        .filter(|look| look.authorizations == std::slice::from_ref(&given.authorization_id))
        .map(|look| look.what.split(':').next().unwrap())
        .collect();
    under.sort_unstable();
    assert_eq!(under, ["profile", "record", "records", "records", "report", "report", "versions"]);
    let others: Vec<&api::Access> = looks.iter().filter(|look| look.authorizations.is_empty()).collect();
    assert_eq!(others.iter().filter(|look| look.by == "taxation-client").count(), 3, "{others:?}");
    assert!(looks.iter().all(|look| !look.purpose.is_empty() && look.at.is_some()));

    // Taken back: nothing is shown any more, not even what was known before, to whomever but the subject.
    let known_at = world.trial.boot.clock.now().to_string();
    world.revoke(&own, &given).await;
    assert_eq!(world.seen(&taxation, "", PURPOSE).await, Ok(0));
    assert!(world.seen(&taxation, ITEM, PURPOSE).await.is_err());
    let refused = world.records(&taxation).get_record(get(PURPOSE)).await.unwrap_err();
    assert_eq!(reason(&refused), "AUTHORIZATION_REQUIRED");
    let at = api::GetRecordRequest { known_at: known_at.clone(), ..get(PURPOSE) };
    assert_eq!(reason(&world.records(&taxation).get_record(at).await.unwrap_err()), "AUTHORIZATION_REQUIRED");
    let refused = world.records(&taxation).list_record_versions(versions(PURPOSE)).await.unwrap_err();
    assert_eq!(reason(&refused), "AUTHORIZATION_REQUIRED");
    let shown = world.profiles(&taxation).get_profile(profile(PURPOSE, &known_at)).await.unwrap();
    assert!(shown.into_inner().records.is_empty());
    for who in [&taxation, &world.office()] {
        let refused = world.reports(who).get_report(again.clone()).await.unwrap_err();
        assert_eq!(reason(&refused), "AUTHORIZATION_REQUIRED");
    }
    let file = api::DownloadReportRequest { report_id: report.report_id, ..Default::default() };
    assert!(world.reports(&taxation).download_report(file).await.is_err());
    assert_eq!(genuine().await, (true, false));
    assert_eq!(world.seen(&own, "", "").await, Ok(2));
    world.records(&own).get_record(get("")).await.unwrap();
}

#[tokio::test]
async fn no_look_beyond_what_is_public_goes_unwritten() {
    let (world, taxation) = world().await;
    let own = world.enterprise(&code(1));
    let given = world.give(&own, grant()).await;
    let record = world.submit(&taxation, vec![payment(1, "T-1")]).await.outcomes[0].record.clone();
    let filing = api::CreateObjectionRequest {
        record: record.clone(),
        reason: String::from("所属期有误"),
        ..Default::default()
    };
    let filed = world.objections(&own).create_objection(filing).await.unwrap().into_inner();
    let (uscc, purpose) = (code(1), PURPOSE.to_owned());
    // Each read of the contract that is about one subject and not public, and what the log then says.
    let profile =
        api::GetProfileRequest { uscc: uscc.clone(), purpose: purpose.clone(), ..Default::default() };
    world.profiles(&taxation).get_profile(profile).await.unwrap();
    let list = api::ListRecordsRequest { uscc: uscc.clone(), purpose: purpose.clone(), ..Default::default() };
    world.records(&taxation).list_records(list).await.unwrap();
    let get =
        api::GetRecordRequest { record: record.clone(), purpose: purpose.clone(), ..Default::default() };
    world.records(&taxation).get_record(get).await.unwrap();
    let versions = api::ListRecordVersionsRequest {
        record: record.clone(),
        purpose: purpose.clone(),
        ..Default::default()
    };
    world.records(&taxation).list_record_versions(versions).await.unwrap();
    let order =
        api::CreateReportRequest { uscc: uscc.clone(), purpose: purpose.clone(), ..Default::default() };
    let report = world.reports(&taxation).create_report(order).await.unwrap().into_inner();
    let again = api::GetReportRequest { report_id: report.report_id.clone(), ..Default::default() };
    world.reports(&taxation).get_report(again).await.unwrap();
    let file = api::DownloadReportRequest { report_id: report.report_id, ..Default::default() };
    world.reports(&taxation).download_report(file).await.unwrap();
    let get = api::GetObjectionRequest { objection_id: filed.objection_id, purpose: purpose.clone() };
    world.objections(&taxation).get_objection(get).await.unwrap();
    let list = api::ListObjectionsRequest { purpose: purpose.clone(), ..Default::default() };
    world.objections(&taxation).list_objections(list).await.unwrap();
    let get = api::GetAuthorizationRequest {
        authorization_id: given.authorization_id.clone(),
        purpose: purpose.clone(),
    };
    world.authorizations(&taxation).get_authorization(get).await.unwrap();
    let list = api::ListAuthorizationsRequest { purpose: purpose.clone(), ..Default::default() };
    world.authorizations(&taxation).list_authorizations(list).await.unwrap();
    let log = api::ListAccessesRequest { uscc, purpose: purpose.clone(), ..Default::default() };
    world.accesses(&taxation).list_accesses(log).await.unwrap();
    let feed = api::WatchRequest { purpose, ..Default::default() };
    world.changes_of(&taxation, feed).await;
    let looks = world.looks().await;
    let mut said: Vec<&str> = looks.iter().map(|look| look.what.split(':').next().unwrap()).collect();
    said.sort_unstable();
    let expected = "OBJECTION OBJECTION accesses authorization authorizations feed profile record records report report report versions";
    assert_eq!(said.join(" "), expected);
    for look in &looks {
        assert_eq!((look.by.as_str(), look.department.as_str()), ("taxation-client", "taxation"));
        assert_eq!(look.purpose, PURPOSE, "{look:?}");
    }
    // Without any purpose, given or registered, nothing of it is shown.
    let purposeless = world.trial.token_of(chassis::access::Claims {
        department: String::from("taxation"),
        scope: String::from("credit.read"),
        ..world.trial.claims()
    });
    let list = api::ListAuthorizationsRequest::default();
    let refused = world.authorizations(&purposeless).list_authorizations(list).await.unwrap_err();
    assert_eq!(reason(&refused), "PURPOSE_REQUIRED");
    let heard = world.changes(&purposeless, "").await;
    assert!(heard.iter().all(|change| change.record.is_none()), "nothing under a grant without a purpose");
}

#[tokio::test]
async fn nothing_is_taken_in_after_a_grant_was_taken_back_beside_the_intake() {
    let (world, taxation) = world().await;
    let own = world.enterprise(&code(1));
    for round in 0..4 {
        let given = world.give(&own, grant()).await;
        // Batches are judged ahead of their writing: some are in the lanes when the grant is taken back.
        let batches = (0..40).map(move |batch| api::StreamRecordsRequest {
            batch: format!("{batch}"),
            records: (0..20).map(|row| payment(1, &format!("{round}-{batch}-{row}"))).collect(),
        });
        let batches = futures::stream::iter(batches);
        let mut answers = world.records(&taxation).stream_records(batches).await.unwrap().into_inner();
        let mut accepted = 0;
        for _ in 0..=round {
            accepted += answers.message().await.unwrap().unwrap().accepted;
        }
        assert!(accepted > 0);
        world.revoke(&own, &given).await;
        let kept = counted(&world).await;
        while let Some(answer) = answers.message().await.unwrap() {
            accepted += answer.accepted;
        }
        assert_eq!(counted(&world).await, kept, "{accepted} accepted in round {round}");
    }
}

async fn counted(world: &World) -> i32 {
    let profile = api::GetProfileRequest { uscc: code(1), ..Default::default() };
    let shown = world.profiles(&world.enterprise(&code(1))).get_profile(profile).await.unwrap().into_inner();
    shown.counts.iter().map(|count| count.count).sum()
}

#[tokio::test]
async fn the_feed_delivers_under_a_grant_and_tells_of_grants() {
    let (world, taxation) = world().await;
    let own = world.enterprise(&code(1));
    let given = world.give(&own, grant()).await;
    world.submit(&taxation, vec![payment(1, "T-1")]).await;
    let kinds = |changes: &[api::Change]| changes.iter().skip(3).map(api::Change::kind).collect::<Vec<_>>();
    let asked = |purpose: &str| api::WatchRequest { purpose: purpose.to_owned(), ..Default::default() };
    let all = [Kind::AuthorizationChanged, Kind::RecordAccepted];
    let seen = world.changes_of(&taxation, asked(PURPOSE)).await;
    assert_eq!(kinds(&seen), all);
    let told = seen[3].authorization.as_ref().unwrap();
    assert_eq!((told, seen[3].uscc.as_str()), (&given, code(1).as_str()));
    assert_eq!(kinds(&world.changes(&taxation, "").await), [Kind::AuthorizationChanged], "another purpose");
    assert!(kinds(&world.changes_of(&world.department("transport"), asked(PURPOSE)).await).is_empty());
    assert_eq!(kinds(&world.changes_of(&world.office(), asked(PURPOSE)).await), [Kind::AuthorizationChanged]);
    assert_eq!(kinds(&world.changes(&world.service(), "").await), all);
    let looks = world.looks().await;
    let of_feed: Vec<&api::Access> = looks.iter().filter(|look| look.what == "feed:tax-payment").collect();
    assert_eq!(of_feed.len(), 1);
    assert_eq!((of_feed[0].by.as_str(), of_feed[0].purpose.as_str()), ("taxation-client", PURPOSE));
    assert_eq!(of_feed[0].authorizations, std::slice::from_ref(&given.authorization_id));
    // Once it is over, so is the delivery.
    world.at("2026-12-31T16:00:00Z");
    assert_eq!(kinds(&world.changes_of(&taxation, asked(PURPOSE)).await), [Kind::AuthorizationChanged]);
}

#[tokio::test]
async fn a_grant_taken_back_cuts_a_running_stream_at_once() {
    let (world, taxation) = world().await;
    let own = world.enterprise(&code(1));
    let given = world.give(&own, grant()).await;
    let other = world
        .give(&world.enterprise(&code(2)), api::CreateAuthorizationRequest { uscc: code(2), ..grant() })
        .await;
    let position = world.submit(&taxation, vec![penalty(3, "P-0")]).await.position;
    let request = api::WatchRequest { cursor: position, purpose: PURPOSE.to_owned(), ..Default::default() };
    let mut live = world.feed(&taxation).watch(request).await.unwrap().into_inner();
    let mut next = async || {
        let change = tokio::time::timeout(Duration::from_secs(5), live.message()).await.unwrap();
        let change = change.unwrap().unwrap();
        let source = change.record.as_ref().map(|record| record.source_id.clone());
        (change.kind(), source.unwrap_or_default())
    };
    // Another department takes in, so that the rows can come after the grant that is looked at.
    world.submit(&taxation, vec![payment(1, "T-1"), payment(2, "T-2")]).await;
    assert_eq!(next().await, (Kind::RecordAccepted, String::from("T-1")));
    assert_eq!(next().await, (Kind::RecordAccepted, String::from("T-2")));
    let to_office = api::CreateAuthorizationRequest { department: String::from("credit-office"), ..grant() };
    world.give(&own, to_office).await;
    world.revoke(&own, &given).await;
    assert_eq!(next().await.0, Kind::AuthorizationChanged);
    let rows = vec![payment(1, "O-1")];
    assert_eq!(ends(&world.submit(&world.office(), rows).await.outcomes), ["ACCEPTED"]);
    world.submit(&taxation, vec![payment(2, "T-3"), penalty(1, "P-1")]).await;
    // What was under the grant taken back is passed by, and the stream goes on.
    assert_eq!(next().await, (Kind::RecordAccepted, String::from("T-3")));
    world.at("2027-01-01T01:00:00Z");
    let ended = world.submit(&world.department("transport"), vec![penalty(2, "P-2")]).await;
    assert_eq!(ends(&ended.outcomes), ["ACCEPTED"]);
    let mut heard = next().await;
    while heard.1 != "P-2" {
        assert_ne!(heard.1, "O-1");
        heard = next().await;
    }
    assert_eq!(other.state(), State::InForce);
}

#[tokio::test]
async fn a_page_that_waits_for_its_reader_is_judged_when_it_is_delivered() {
    let (world, taxation) = world().await;
    let own = world.enterprise(&code(1));
    let given = world.give(&own, grant()).await;
    // More than the transport between the two buffers, so that the page stands half delivered when the grant is taken back.
    let long = "税".repeat(3_000);
    let rows = (0..900).map(|row| api::RecordInput {
        fields: Some(fields(&[("period", &long)])),
        ..payment(1, &format!("T-{row}"))
    });
    let rows: Vec<_> = rows.collect();
    let ended = world.submit(&taxation, rows).await;
    assert!(ends(&ended.outcomes).iter().all(|end| end == "ACCEPTED"), "{:?}", ended.outcomes.first());
    let request =
        api::WatchRequest { until_caught_up: true, purpose: PURPOSE.to_owned(), ..Default::default() };
    let mut stream = world.feed(&taxation).watch(request).await.unwrap().into_inner();
    let mut records = 0;
    while let Some(change) = stream.message().await.unwrap() {
        if change.record.is_some() {
            records += 1;
            if records == 1 {
                world.revoke(&own, &given).await;
            }
        }
    }
    assert!((1..900).contains(&records), "{records} of 900 after the grant was taken back");
}
