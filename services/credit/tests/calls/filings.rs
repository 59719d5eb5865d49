//! Objections and repairs: filed, marked, decided by another, carried out.
use chassis::{
    access::Claims,
    trial::{Bearer, reason},
};
use contract::credit::v1::{
    self as api,
    change::Kind,
    objection,
    record::{Mark, Status},
    repair,
};
use tonic::Code;

use crate::world::{MORNING, World, code, penalty};

const LATER: &str = "2026-04-20T01:00:00Z";

fn chief(world: &World, department: &str) -> Bearer {
    world.trial.token_of(Claims {
        sub: format!("{department}-chief"),
        department: department.to_owned(),
        scope: String::from("credit.read credit.write credit.decide"),
        default_purpose: String::from("异议办理"),
        ..world.trial.claims()
    })
}

async fn taken(world: &World, source: &str) -> String {
    let answer = world.submit(&world.department("transport"), vec![penalty(1, source)]).await;
    answer.outcomes[0].record.clone()
}

async fn records(world: &World) -> Vec<api::Record> {
    let request = api::ListRecordsRequest { uscc: code(1), ..Default::default() };
    world.records(&world.office()).list_records(request).await.unwrap().into_inner().records
}

fn objecting(record: &str) -> api::CreateObjectionRequest {
    api::CreateObjectionRequest {
        record: record.to_owned(),
        reason: String::from("处罚决定已被复议撤销"),
        evidence: String::from("复议决定书〔2026〕1号"),
        ..Default::default()
    }
}

fn deciding(objection: &api::Objection, outcome: objection::State) -> api::DecideObjectionRequest {
    api::DecideObjectionRequest {
        objection_id: objection.objection_id.clone(),
        outcome: outcome.into(),
        explanation: String::from("经核实"),
        ..Default::default()
    }
}

#[tokio::test]
async fn an_objection_marks_the_record_and_upheld_takes_it_back() {
    let world = World::open(MORNING).await;
    world.register(1..2).await;
    let record = taken(&world, "P-1").await;
    let own = world.enterprise(&code(1));
    let filed = world.objections(&own).create_objection(objecting(&record)).await.unwrap().into_inner();
    assert_eq!((filed.state(), filed.uscc.as_str()), (objection::State::Open, code(1).as_str()));
    // Seven working days after 2026-02-13, round the Spring Festival.
    assert_eq!((filed.due_on.as_str(), filed.due_provisional), ("2026-03-02", false));
    assert_eq!(records(&world).await[0].marks, [i32::from(Mark::UnderObjection)]);
    let twice = world.objections(&own).create_objection(objecting(&record)).await.unwrap_err();
    assert_eq!(reason(&twice), "FILING_OPEN");
    let chief = chief(&world, "transport");
    let undecided = deciding(&filed, objection::State::Open);
    let refused = world.objections(&chief).decide_objection(undecided).await.unwrap_err();
    assert_eq!(reason(&refused), "FIELD_INVALID");
    let decide = deciding(&filed, objection::State::Upheld);
    let upheld = world.objections(&chief).decide_objection(decide.clone()).await.unwrap().into_inner();
    assert_eq!((upheld.state(), upheld.decided_by.as_str()), (objection::State::Upheld, "transport-chief"));
    assert!(records(&world).await.is_empty(), "the record is taken back");
    let again = world.objections(&chief).decide_objection(decide).await.unwrap_err();
    assert_eq!(reason(&again), "FILING_DECIDED");
    let kinds: Vec<Kind> =
        world.changes(&world.office(), "").await.iter().skip(1).map(api::Change::kind).collect();
    assert_eq!(kinds, [Kind::RecordAccepted, Kind::RecordMarked, Kind::RecordMarked, Kind::RecordWithdrawn]);
    let late = world.objections(&own).create_objection(objecting(&record)).await.unwrap_err();
    assert_eq!(reason(&late), "RECORD_NOT_EFFECTIVE");
}

#[tokio::test]
async fn upheld_in_part_corrects_and_rejected_leaves_the_record() {
    let world = World::open(MORNING).await;
    world.register(1..2).await;
    let record = taken(&world, "P-1").await;
    let own = world.enterprise(&code(1));
    let chief = chief(&world, "transport");
    let filed = world.objections(&own).create_objection(objecting(&record)).await.unwrap().into_inner();
    let rejected = deciding(&filed, objection::State::Rejected);
    world.objections(&chief).decide_objection(rejected).await.unwrap();
    let left = &records(&world).await[0];
    assert_eq!((left.version, left.marks.len()), (1, 0));
    let filed = world.objections(&own).create_objection(objecting(&record)).await.unwrap().into_inner();
    let partly = api::DecideObjectionRequest {
        amount: Some(String::from("8000")),
        ..deciding(&filed, objection::State::Upheld)
    };
    world.objections(&chief).decide_objection(partly).await.unwrap();
    let corrected = &records(&world).await[0];
    assert_eq!((corrected.version, corrected.amount.as_str(), corrected.marks.len()), (2, "8000", 0));
}

#[tokio::test]
async fn who_filed_does_not_decide_and_others_see_nothing() {
    let world = World::open(MORNING).await;
    world.register(1..3).await;
    let record = taken(&world, "P-1").await;
    let filer = chief(&world, "transport");
    let foreign = world.objections(&world.enterprise(&code(2))).create_objection(objecting(&record)).await;
    assert_eq!(foreign.unwrap_err().code(), Code::PermissionDenied);
    let filed = world.objections(&filer).create_objection(objecting(&record)).await.unwrap().into_inner();
    let decide = deciding(&filed, objection::State::Rejected);
    let same = world.objections(&filer).decide_objection(decide.clone()).await.unwrap_err();
    assert_eq!(reason(&same), "FOUR_EYES");
    let elsewhere = chief(&world, "taxation");
    for who in [&elsewhere, &world.department("transport")] {
        let denied = world.objections(who).decide_objection(decide.clone()).await.unwrap_err();
        assert_eq!(denied.code(), Code::PermissionDenied);
    }
    let get = api::GetObjectionRequest { objection_id: filed.objection_id.clone(), ..Default::default() };
    let hidden = world.objections(&elsewhere).get_objection(get.clone()).await.unwrap_err();
    assert_eq!(hidden.code(), Code::NotFound);
    let own = world.enterprise(&code(1));
    assert_eq!(world.objections(&own).get_objection(get).await.unwrap().into_inner(), filed);
    let mut found = Vec::new();
    for who in [&filer, &world.office(), &own, &elsewhere] {
        let list = world.objections(who).list_objections(api::ListObjectionsRequest::default()).await;
        found.push(list.unwrap().into_inner().objections.len());
    }
    assert_eq!(found, [1, 1, 1, 0]);
    let overdue = api::ListObjectionsRequest { overdue: true, ..Default::default() };
    let list = world.objections(&own).list_objections(overdue).await.unwrap().into_inner();
    assert!(list.objections.is_empty(), "the term is not over");
    let looks = api::ListAccessesRequest { uscc: code(1), ..Default::default() };
    let looks = world.accesses(&own).list_accesses(looks).await.unwrap().into_inner().accesses;
    assert!(looks.iter().any(|look| look.what == "OBJECTION" && look.purpose == "异议办理"), "{looks:?}");
}

#[tokio::test]
async fn a_repair_waits_for_the_least_publicity_and_ends_the_record() {
    let asking = |record: &str| api::CreateRepairRequest {
        record: record.to_owned(),
        reason: String::from("已缴清罚款并完成整改"),
        evidence: String::from("缴款凭证、整改验收单"),
        ..Default::default()
    };
    let early = World::open(MORNING).await;
    early.register(1..2).await;
    let record = taken(&early, "P-1").await;
    let own = early.enterprise(&code(1));
    let refused = early.repairs(&own).create_repair(asking(&record)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "REPAIR_TOO_EARLY"));
    let world = World::open(LATER).await;
    world.register(1..2).await;
    let record = taken(&world, "P-1").await;
    let own = world.enterprise(&code(1));
    let bare = api::CreateRepairRequest { evidence: String::new(), ..asking(&record) };
    assert_eq!(reason(&world.repairs(&own).create_repair(bare).await.unwrap_err()), "FIELD_INVALID");
    let filed = world.repairs(&own).create_repair(asking(&record)).await.unwrap().into_inner();
    assert!(filed.basis.contains("第36号"), "{}", filed.basis);
    assert_eq!(records(&world).await[0].marks, [i32::from(Mark::UnderRepair)]);
    let get = api::GetRepairRequest { repair_id: filed.repair_id.clone(), ..Default::default() };
    assert_eq!(world.repairs(&own).get_repair(get).await.unwrap().into_inner(), filed);
    let decide = api::DecideRepairRequest {
        repair_id: filed.repair_id,
        outcome: repair::State::Approved.into(),
        explanation: String::from("义务履行完毕"),
        ..Default::default()
    };
    let done = world.repairs(&chief(&world, "transport")).decide_repair(decide).await.unwrap().into_inner();
    assert_eq!(done.state(), repair::State::Approved);
    assert!(records(&world).await.is_empty());
    let last = world.changes(&world.office(), "").await.pop().unwrap();
    assert_eq!((last.kind(), last.record.unwrap().status()), (Kind::RecordRepaired, Status::Repaired));
    let listed = world.repairs(&own).list_repairs(api::ListRepairsRequest::default()).await.unwrap();
    assert_eq!(listed.into_inner().repairs[0].state(), repair::State::Approved);
}
