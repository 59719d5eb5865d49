//! Grading is cut off again and again while records come in, and comes to what a grading comes to that was never disturbed.
//! `tests/suite/exactly_once.rs` does the same to whole processes.
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use chassis::access::Claims;
use contract::{credit::v1 as credit, grading::v1 as api};

use super::{
    city::{ALL, City, code, record, scheme, subject},
    figures::{counted, kept},
};

const SUBJECTS: u32 = 20;
const LASTS: Duration = Duration::from_secs(12);

// Numbers that scatter, the same in each run of the test.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grading_cut_off_anywhere_misses_and_doubles_nothing() {
    let mut city = City::at("2026-02-01T02:00:00Z").await;
    let apart = city.apart().await;
    city.publish(scheme("s")).await;
    city.run(api::CreateRunRequest { scheme: "s".to_owned(), ..Default::default() }).await.unwrap();
    city.stop();
    let ended = AtomicBool::new(false);
    let ((position, changes), cuts) = tokio::join!(stream(&city, &ended), cut(&city, &ended));
    city.restart().await;
    city.arrive(&position).await;
    let seen = told(&city).await;
    assert_eq!(kept(&city).await, counted(&city).await, "the figures after {cuts} cuts");

    // It knows the scheme and nothing of the feed, which it takes in at a stretch.
    city.look_into(&apart);
    city.publish(scheme("s")).await;
    city.turn_to(apart);
    city.arrive(&position).await;
    let expected = told(&city).await;
    assert!(cuts >= 8, "{cuts} cuts only");
    let entries: usize = expected.values().map(|(_, history)| history.len()).sum();
    assert!(entries > 2 * SUBJECTS as usize, "{entries} changes of grades prove little");
    for (uscc, told) in &expected {
        assert_eq!(seen.get(uscc), Some(told), "{uscc} after {cuts} cuts in {changes} changes");
    }
}

async fn cut(city: &City, ended: &AtomicBool) -> u32 {
    let (mut dice, mut cuts) = (Dice(0x9E37_79B9), 0);
    while !ended.load(Ordering::Relaxed) {
        let working = city.hire().await;
        tokio::time::sleep(Duration::from_millis(10 + dice.below(500))).await;
        working.kill();
        // What was cut off lets its connection go; a dead process would have none.
        tokio::time::sleep(Duration::from_millis(20)).await;
        cuts += 1;
    }
    cuts
}

fn penalty(number: u32, dice: &mut Dice) -> credit::RecordInput {
    let serial = u32::try_from(dice.below(SUBJECTS.into())).unwrap() + 1;
    let day = format!("2024-{:02}-{:02}", 1 + dice.below(12), 1 + dice.below(28));
    credit::RecordInput {
        severity: 2,
        amount: (1_000 + dice.below(150_000)).to_string(),
        ..record(serial, "penalty", &format!("P-{number}"), &day)
    }
}

// Records are accepted, corrected, withdrawn and repaired.
async fn stream(city: &City, ended: &AtomicBool) -> (String, u32) {
    city.register((1..=SUBJECTS).map(|serial| subject(serial, &["D09"])).collect()).await;
    let chief = city.trial.token_of(Claims {
        sub: "chief".to_owned(),
        department: "transport".to_owned(),
        scope: format!("{ALL} credit.decide"),
        ..city.trial.claims()
    });
    let (mut dice, mut standing, mut changes, mut number) = (Dice(77), Vec::<String>::new(), 0, 0_u32);
    let started = Instant::now();
    while started.elapsed() < LASTS {
        changes += 1;
        let pick = dice.below(10);
        if standing.len() < 10 || pick < 6 {
            let fresh: Vec<_> = (0..1 + dice.below(8)).collect();
            let records = fresh.into_iter().map(|_| {
                number += 1;
                penalty(number, &mut dice)
            });
            standing.extend(city.submit(records.collect()).await.0);
            continue;
        }
        let at = usize::try_from(dice.below(standing.len() as u64)).unwrap();
        match pick {
            6 | 7 => {
                let request = credit::CorrectRecordRequest {
                    record: standing[at].clone(),
                    amount: Some((1_000 + dice.below(150_000)).to_string()),
                    reason: "金额录入有误".to_owned(),
                    ..Default::default()
                };
                city.records().correct_record(request).await.unwrap();
            }
            8 => {
                let request = credit::WithdrawRecordRequest {
                    record: standing.swap_remove(at),
                    reason: "决定已撤销".to_owned(),
                    ..Default::default()
                };
                city.records().withdraw_record(request).await.unwrap();
            }
            _ => {
                let request = credit::CreateRepairRequest {
                    record: standing.swap_remove(at),
                    reason: "已完成整改".to_owned(),
                    evidence: "整改验收单".to_owned(),
                    ..Default::default()
                };
                let filed = city.repairs(city.transport()).create_repair(request).await.unwrap().into_inner();
                let request = credit::DecideRepairRequest {
                    repair_id: filed.repair_id,
                    outcome: credit::repair::State::Approved as i32,
                    explanation: "义务履行完毕".to_owned(),
                    ..Default::default()
                };
                city.repairs(chief.clone()).decide_repair(request).await.unwrap();
            }
        }
    }
    let (_, position) = city.submit(vec![penalty(number + 1, &mut dice)]).await;
    ended.store(true, Ordering::Relaxed);
    (position, changes)
}

type Told = (Vec<api::SubjectGrade>, Vec<(i32, String, String, Option<f64>, String)>);

async fn told(city: &City) -> BTreeMap<String, Told> {
    let mut told = BTreeMap::new();
    for serial in 1..=SUBJECTS {
        let grades = city.look(&code(serial), "").await.grades;
        let entry = |change: api::GradeChange| {
            (change.version, change.grade, change.previous_grade, change.score, change.as_of)
        };
        let mut history = Vec::new();
        let mut request = api::ListGradeHistoryRequest {
            uscc: code(serial),
            scheme: "s".to_owned(),
            page_size: 1_000,
            ..Default::default()
        };
        loop {
            let page =
                city.grades(city.office()).list_grade_history(request.clone()).await.unwrap().into_inner();
            history.extend(page.changes.into_iter().map(entry));
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                break;
            }
        }
        told.insert(code(serial), (grades, history));
    }
    told
}
