//! Subjects and records are counted as they change: what is kept is what a count of all gives, after every kind of change.
use chassis::{Store, access::Claims, storage::sql};
use contract::credit::v1::{self as api, repair};
use sea_orm::ConnectionTrait;

use crate::world::{MORNING, World, code, penalty, subject};

async fn number(store: &Store, text: &str, values: [&str; 3]) -> i64 {
    let statement = sql(store.read(), text, values.map(Into::into));
    store.read().query_one_raw(statement).await.unwrap().unwrap().try_get("", "counted").unwrap()
}

async fn agree(world: &World, store: &Store, what: &str) {
    // At once, however that is counted; then by what is kept, when nothing in the feed is newer and every subject is in it.
    same(world, store, what).await;
    counted_to_the_end(store).await;
    let position = same(world, store, what).await;
    assert_eq!(position, newest(store).await, "{what}");
    let missing = "SELECT COUNT(*) AS counted FROM subjects s LEFT JOIN counted_subjects c ON c.uscc = s.uscc AND c.domains = s.domains \
                   WHERE c.uscc IS NULL AND $1 = $1 AND $2 = $2 AND $3 = $3";
    assert_eq!(number(store, missing, ["", "", ""]).await, 0, "{what}");
}

// The figures are what a count of all gives; up to which position.
async fn same(world: &World, store: &Store, what: &str) -> String {
    let who = world.department("transport");
    let mut position = String::new();
    for domain in ["", "D01", "D09", "D22"] {
        let pattern = if domain.is_empty() { String::from("%") } else { format!("%,{domain},%") };
        for (from, to) in [
            ("", ""),
            ("2026-01-15", "2026-01-15"),
            ("2026-01-01", ""),
            ("", "2026-01-31"),
            ("2025-11-30", "2026-02-01"),
            ("2027-01-01", ""),
        ] {
            let request = api::GetFiguresRequest {
                domain: domain.into(),
                from: from.into(),
                to: to.into(),
                exact: false,
            };
            let told = world.figures(&who).get_figures(request).await.unwrap().into_inner();
            let last = if to.is_empty() { "9999-12-31" } else { to };
            let records = "SELECT COUNT(*) AS counted FROM records r JOIN subjects s ON s.uscc = r.uscc \
                           WHERE r.status = 'EFFECTIVE' AND s.domains LIKE $1 AND r.occurred_on BETWEEN $2 AND $3";
            let subjects =
                "SELECT COUNT(*) AS counted FROM subjects WHERE domains LIKE $1 AND $2 = $2 AND $3 = $3";
            assert_eq!(
                (i64::from(told.subjects), i64::from(told.records)),
                (
                    number(store, subjects, [&pattern, "", ""]).await,
                    number(store, records, [&pattern, from, last]).await
                ),
                "{what}: {domain} {from}..{to}"
            );
            assert_eq!(told.items.iter().map(|item| item.records).sum::<i32>(), told.records);
            assert!(told.items.iter().all(|item| item.records > 0 && !item.name.is_empty()), "{told:?}");
            position = told.position;
        }
    }
    position
}

fn place(text: &str) -> chassis::feed::Position {
    chassis::feed::Position::parse(text).unwrap()
}

async fn newest(store: &Store) -> String {
    chassis::feed::newest(store).await.unwrap().to_string()
}

async fn counted_to_the_end(store: &Store) {
    for _ in 0..600 {
        let position = newest(store).await;
        let text = "SELECT COUNT(*) AS counted FROM cursors WHERE feed = 'figures:counted' AND position = $1 AND $2 = $2 AND $3 = $3";
        if number(store, text, [&position, "", ""]).await == 1 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the changes are not counted");
}

// As a database from before anything was counted.
async fn forget(store: &Store) {
    let tx = store.begin().await.unwrap();
    for text in [
        "DELETE FROM figures WHERE figure IN ('subjects', 'records')",
        "DELETE FROM counted_subjects",
        "DELETE FROM cursors WHERE feed = 'figures:counted'",
    ] {
        tx.execute_raw(sql(&*tx, text, [])).await.unwrap();
    }
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn what_is_kept_of_subjects_and_records_is_what_a_count_of_all_gives() {
    let world = World::open(MORNING).await;
    let apart = credit::open(&world.trial.boot).await.unwrap();
    let store = &apart.store;
    let who = world.department("transport");
    world.register(1..8).await;
    agree(&world, store, "registered").await;
    let rows: Vec<_> = (0..40)
        .map(|n| api::RecordInput {
            occurred_on: ["2026-01-15", "2026-01-31", "2025-12-01", "2025-11-30"][n as usize % 4].into(),
            ..penalty(1 + n % 7, &format!("K-{n}"))
        })
        .collect();
    let taken = world.submit(&who, rows.clone()).await.outcomes;
    agree(&world, store, "submitted").await;
    world.submit(&who, rows).await;
    agree(&world, store, "submitted again").await;
    let correction = api::CorrectRecordRequest {
        record: taken[0].record.clone(),
        occurred_on: Some(String::from("2026-01-20")),
        reason: String::from("笔误"),
        ..Default::default()
    };
    world.records(&who).correct_record(correction).await.unwrap();
    agree(&world, store, "corrected").await;
    let withdrawal = api::WithdrawRecordRequest {
        record: taken[1].record.clone(),
        reason: String::from("决定被撤销"),
        ..Default::default()
    };
    world.records(&who).withdraw_record(withdrawal).await.unwrap();
    agree(&world, store, "withdrawn").await;
    // Subjects with records change their domains, and leave them all.
    let moved = [(1, vec!["D01", "D09"]), (2, vec!["D01"]), (3, vec![]), (9, vec!["D22"])];
    let subjects = moved
        .map(|(serial, domains): (u32, Vec<&str>)| api::SubjectInput {
            domains: domains.into_iter().map(str::to_owned).collect(),
            ..subject(serial)
        })
        .to_vec();
    let request = api::BatchUpsertSubjectsRequest { subjects, ..Default::default() };
    let registrar = world.department("market-regulation");
    world.subjects(&registrar).batch_upsert_subjects(request).await.unwrap();
    agree(&world, store, "moved").await;
    world.at("2026-06-20T01:00:00Z");
    let asking = api::CreateRepairRequest {
        record: taken[2].record.clone(),
        reason: String::from("已履行完毕"),
        evidence: String::from("缴款书"),
        ..Default::default()
    };
    let filed = world.repairs(&world.enterprise(&code(3))).create_repair(asking).await.unwrap().into_inner();
    agree(&world, store, "under repair").await;
    let chief = world.trial.token_of(Claims {
        sub: String::from("transport-chief"),
        department: String::from("transport"),
        scope: String::from("credit.read credit.write credit.decide"),
        default_purpose: String::from("办理"),
        ..world.trial.claims()
    });
    let decide = api::DecideRepairRequest {
        repair_id: filed.repair_id,
        outcome: repair::State::Approved.into(),
        explanation: String::from("义务履行完毕"),
        ..Default::default()
    };
    world.repairs(&chief).decide_repair(decide).await.unwrap();
    agree(&world, store, "repaired").await;

    // A database from before anything was kept; and as many changes as make the call count all anew meanwhile.
    forget(store).await;
    agree(&world, store, "from the beginning").await;
    let more = (0..3_000).map(|n| penalty(1 + n % 7, &format!("M-{n}"))).collect();
    world.submit(&who, more).await;
    let request = api::GetFiguresRequest::default();
    let at_once = world.figures(&who).get_figures(request.clone()).await.unwrap().into_inner();
    assert_eq!(at_once.records, 3_038);
    // Not before what somebody else in the cluster is still about to write.
    assert!(place(&at_once.position) <= place(&newest(store).await), "{at_once:?}");

    // A large register is answered as it was counted last, and says where that stands, unless somebody waits for all.
    for batch in 0..2 {
        let more = (0..5_000).map(|n| penalty(1 + n % 7, &format!("L-{batch}-{n}"))).collect();
        world.submit(&who, more).await;
    }
    // Not while it counts, or it would go on from where it was.
    counted_to_the_end(store).await;
    forget(store).await;
    let told = world.figures(&who).get_figures(request.clone()).await.unwrap().into_inner();
    let all = api::GetFiguresRequest { exact: true, ..request };
    let all = world.figures(&who).get_figures(all).await.unwrap().into_inner();
    assert_eq!((all.records, all.position.clone()), (13_038, newest(store).await));
    assert!(place(&told.position) < place(&all.position) && told.records < all.records, "{told:?}");
    counted_to_the_end(store).await;
    agree(&world, store, "after a load").await;
    drop(apart);
}
