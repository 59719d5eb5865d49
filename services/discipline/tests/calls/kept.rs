//! The figures that are kept are those of a count of all listings and filings.
use std::collections::BTreeMap;

use chassis::{Store, Tx, storage::sql, trial::reason};
use contract::{discipline::v1 as api, r#type::v1::Step};
use sea_orm::ConnectionTrait;

use super::world::{Client, LIST, World, code, decide, list, propose, put_list, step};

fn asked(from: &str, to: &str, step: Step) -> api::GetListingFiguresRequest {
    api::GetListingFiguresRequest {
        from: from.into(),
        to: to.into(),
        step: step.into(),
        ..Default::default()
    }
}

async fn kept(world: &World, from: &str, to: &str, step: Step) -> api::GetListingFiguresResponse {
    world.office().figures.get_listing_figures(asked(from, to, step)).await.unwrap().into_inner()
}

// So that the next start counts anew.
async fn forget(tx: &Tx) {
    for text in ["DELETE FROM figures", "DELETE FROM cursors WHERE feed LIKE 'figures:%'"] {
        tx.execute_raw(sql(&**tx, text, [])).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_kept_is_what_a_count_of_all_gives() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let mut listings = Vec::new();
    for serial in 1..=4 {
        listings.push(world.listed(LIST, &code(serial), "2026-02-13", "2026-02-26").await.case_id);
    }
    let mut chief = world.of("hrss", "chief");
    let object = |listing: &str| api::CreateObjectionRequest {
        listing: listing.into(),
        reason: "工资已付清".into(),
        evidence: "银行回单".into(),
        ..Default::default()
    };
    // One objection upheld in time, one decided late and rejected, one listing revoked; the last runs out.
    let mut decide = async |serial: u32, outcome: api::objection::State, late: bool| {
        let listing = &listings[serial as usize - 1];
        let filed = world
            .enterprise(&code(serial))
            .objections
            .create_objection(object(listing))
            .await
            .unwrap()
            .into_inner();
        if late {
            world.trial.boot.clock.set("2026-04-02T01:00:00Z".parse().unwrap());
        }
        let request = api::DecideObjectionRequest {
            objection_id: filed.objection_id,
            outcome: outcome.into(),
            explanation: "经核查".into(),
            ..Default::default()
        };
        chief.objections.decide_objection(request).await.unwrap();
    };
    decide(1, api::objection::State::Upheld, false).await;
    decide(2, api::objection::State::Rejected, true).await;
    let revoke = api::RevokeListingRequest {
        listing: listings[2].clone(),
        on: "2026-04-02".into(),
        document_number: "虚构行复决〔2026〕1号".into(),
        text: "复议撤销原决定".into(),
        ..Default::default()
    };
    world.of("hrss", "chief").listings.revoke_listing(revoke).await.unwrap();
    world.trial.boot.clock.set("2040-01-01T01:00:00Z".parse().unwrap());
    super::world::eventually("the terms to end", || async {
        let all = kept(&world, "", "", Step::Unspecified).await;
        all.listings.iter().map(|one| one.expired).sum::<i32>() == 2
    })
    .await;
    let all = kept(&world, "", "", Step::Unspecified).await;
    let of_list = &all.listings[0];
    assert_eq!((of_list.list_id.as_str(), of_list.department.as_str()), (LIST, "hrss"));
    assert_eq!((of_list.listed, of_list.repaired, of_list.revoked, of_list.expired), (4, 0, 2, 2));
    let filings = &all.filings[0];
    assert_eq!((filings.objections, filings.objections_decided, filings.decided_in_time), (2, 2, 1));
    let months = kept(&world, "2026-01-01", "2026-12-31", Step::Month).await;
    let spans: Vec<_> =
        months.listings.iter().map(|one| (one.span.as_str(), one.listed, one.revoked)).collect();
    assert_eq!(spans, [("2026-02", 4, 0), ("2026-03", 0, 1), ("2026-04", 0, 1)]);

    // Forgotten and counted anew at the next start.
    let apart = discipline::open(&world.trial.boot, world.credit.clone()).await.unwrap();
    let tx = apart.store.begin().await.unwrap();
    forget(&tx).await;
    tx.commit().await.unwrap();
    drop(apart);
    let again = discipline::open(&world.trial.boot, world.credit.clone()).await.unwrap();
    assert_eq!(kept(&world, "", "", Step::Unspecified).await, all);
    assert_eq!(kept(&world, "2026-01-01", "2026-12-31", Step::Month).await, months);
    drop(again);
}

#[tokio::test]
async fn figures_of_listings_need_a_scope_and_days_in_order() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let wrong =
        world.office().figures.get_listing_figures(asked("2026-03-02", "2026-03-01", Step::Day)).await;
    assert_eq!(reason(&wrong.unwrap_err()), "FIELD_INVALID");
    let mut mute = world.client(world.claims("hrss", "clerk", "credit.read")).figures;
    let refused = mute.get_listing_figures(asked("", "", Step::Day)).await.unwrap_err();
    assert_eq!(reason(&refused), "SCOPE_MISSING");
}

// What a count of all rows gives: proposed, dropped, listed, in force on the last day, applied.
async fn counted(store: &Store, today: &str, lists: &str, from: &str, to: &str) -> api::GetFiguresResponse {
    let last_day = if to.is_empty() { today } else { to };
    let to = if to.is_empty() { "9999-12-31" } else { to };
    let one = async |table: &str, condition: &str, first: &str, last: &str| {
        let text = format!(
            "SELECT COUNT(*) AS counted FROM {table} WHERE {condition} AND ($2 = $2) AND list_id LIKE $3"
        );
        let statement = sql(store.read(), &text, [first.into(), last.into(), lists.into()]);
        let row = store.read().query_one_raw(statement).await.unwrap().unwrap();
        i32::try_from(row.try_get::<i64>("", "counted").unwrap()).unwrap()
    };
    let in_force = "state <> 4 AND from_on <= $1 AND (until_on = '' OR until_on >= $1) AND (ended_on = '' OR ended_on > $1)";
    api::GetFiguresResponse {
        proposed: one("cases", "opened_on BETWEEN $1 AND $2", from, to).await,
        dropped: one("cases", "dropped_on <> '' AND dropped_on BETWEEN $1 AND $2", from, to).await,
        listed: one("listings", "from_on BETWEEN $1 AND $2", from, to).await,
        active: one("listings", in_force, last_day, "").await,
        applied: one("applications", "outcome <> 2 AND applied_on BETWEEN $1 AND $2", from, to).await,
    }
}

// By measure and department: applied, not applied, lifted, to be lifted.
async fn measures_counted(store: &Store, today: &str, from: &str) -> BTreeMap<(String, String), [i64; 4]> {
    let text = "SELECT a.measure, a.department, COUNT(CASE WHEN a.outcome = 1 THEN 1 END) AS applied, \
                COUNT(CASE WHEN a.outcome = 2 THEN 1 END) AS not_applied, COUNT(CASE WHEN a.lifted_on <> '' THEN 1 END) AS lifted, \
                COUNT(CASE WHEN a.outcome = 1 AND a.lifted_on = '' \
                AND (l.state NOT IN (1, 2) OR (l.until_on <> '' AND l.until_on < $1)) THEN 1 END) AS to_lift \
                FROM applications a JOIN listings l ON l.case_id = a.listing WHERE a.applied_on >= $2 \
                GROUP BY a.measure, a.department";
    let rows =
        store.read().query_all_raw(sql(store.read(), text, [today.into(), from.into()])).await.unwrap();
    let text = |row: &sea_orm::QueryResult, column| row.try_get::<String>("", column).unwrap();
    let number = |row: &sea_orm::QueryResult, column| row.try_get::<i64>("", column).unwrap();
    let counts = ["applied", "not_applied", "lifted", "to_lift"];
    rows.iter()
        .map(|row| {
            ((text(row, "measure"), text(row, "department")), counts.map(|column| number(row, column)))
        })
        .collect()
}

async fn agree(world: &World, store: &Store, what: &str) {
    let today = world.trial.boot.clock.today().to_string();
    let mut office = world.office();
    for (domain, lists) in [("", "%"), ("D16", "wage-arrears"), ("D09", "l0")] {
        for (from, to) in [
            ("", ""),
            ("2026-02-14", "2026-03-02"),
            ("2026-03-02", ""),
            ("", "2026-02-25"),
            ("", "2026-02-26"),
            ("2026-01-01", "2026-12-31"),
            ("", "2029-02-26"),
            ("", "2029-02-27"),
            ("2027-01-01", "2041-06-30"),
        ] {
            let request = api::GetFiguresRequest { domain: domain.into(), from: from.into(), to: to.into() };
            let kept = office.figures.get_figures(request).await.unwrap().into_inner();
            let anew = counted(store, &today, lists, from, to).await;
            assert_eq!(kept, anew, "{what}: {domain} {from}..{to}");
        }
    }
    for from in ["", "2026-03-01"] {
        let request = api::CountMeasuresRequest { from: from.into(), ..Default::default() };
        let kept = office.figures.count_measures(request).await.unwrap().into_inner().measures;
        let kept: BTreeMap<_, _> = kept
            .into_iter()
            .map(|one| {
                let counts = [one.applied, one.not_applied, one.lifted, one.to_lift].map(i64::from);
                ((one.measure, one.department), counts)
            })
            .collect();
        assert_eq!(kept, measures_counted(store, &today, from).await, "{what}: measures from {from}");
    }
}

async fn apply(client: &mut Client, listing: &str, measure: &str, on: &str, done: bool) -> String {
    let outcome =
        if done { api::application::Outcome::Applied } else { api::application::Outcome::NotApplied };
    let application = api::Application {
        listing: listing.into(),
        measure: measure.into(),
        applied_on: on.into(),
        text: "说明".into(),
        outcome: outcome.into(),
        ..Default::default()
    };
    let request = api::CreateApplicationRequest { application: Some(application), ..Default::default() };
    client.applications.create_application(request).await.unwrap().into_inner().application_id
}

#[tokio::test]
async fn cases_measures_and_what_is_in_force_are_kept_after_every_kind_of_change() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let apart = discipline::open(&world.trial.boot, world.credit.clone()).await.unwrap();
    let store = &apart.store;
    let (mut clerk, mut chief, mut finance) =
        (world.of("hrss", "clerk"), world.of("hrss", "chief"), world.of("finance", "f"));
    agree(&world, store, "nothing").await;
    let open = api::List { repair_after_months: 0, domains: vec!["D09".into()], ..list("l0") };
    world.office().lists.put_list(put_list(open)).await.unwrap();

    let mut listings = Vec::new();
    for serial in 1..=3 {
        listings.push(world.listed(LIST, &code(serial), "2026-02-13", "2026-02-26").await.case_id);
    }
    listings.push(world.listed("l0", &code(4), "2026-02-13", "2026-03-02").await.case_id);
    agree(&world, store, "listed").await;
    // One case is dropped, another decided not to list, a third goes on.
    let dropped = clerk.cases.create_case(propose(LIST, &code(5))).await.unwrap().into_inner();
    clerk.cases.drop_case(step(&dropped, "2026-03-01")).await.unwrap();
    let case = clerk.cases.create_case(propose("l0", &code(5))).await.unwrap().into_inner();
    clerk.cases.notify_case(step(&case, "2026-02-13")).await.unwrap();
    clerk.cases.waive_defence(step(&case, "2026-02-13")).await.unwrap();
    chief.cases.decide_case(decide(&case, "", api::case::Outcome::Drop)).await.unwrap();
    clerk.cases.create_case(propose(LIST, &code(5))).await.unwrap();
    agree(&world, store, "dropped").await;

    let first = apply(&mut clerk, &listings[0], "key-supervision", "2026-02-27", true).await;
    apply(&mut clerk, &listings[1], "key-supervision", "2026-03-02", true).await;
    apply(&mut finance, &listings[1], "procurement-ban", "2026-03-02", true).await;
    apply(&mut finance, &listings[2], "procurement-ban", "2026-03-01", false).await;
    let third = apply(&mut clerk, &listings[2], "key-supervision", "2026-03-01", true).await;
    let fourth = apply(&mut clerk, &listings[3], "key-supervision", "2026-03-02", true).await;
    agree(&world, store, "applied").await;

    let lift = async |application: &str| {
        let request = api::LiftApplicationRequest { application: application.into(), ..Default::default() };
        world.of("hrss", "clerk").applications.lift_application(request).await.map(|_| ())
    };
    lift(&third).await.unwrap();
    agree(&world, store, "lifted while it is listed").await;
    assert!(lift(&third).await.is_err(), "twice");
    agree(&world, store, "lifted twice").await;

    world.trial.boot.clock.set("2026-03-10T01:00:00Z".parse().unwrap());
    let revoke = api::RevokeListingRequest {
        listing: listings[0].clone(),
        document_number: "虚构行复决〔2026〕1号".into(),
        text: "复议撤销原决定".into(),
        ..Default::default()
    };
    chief.listings.revoke_listing(revoke).await.unwrap();
    agree(&world, store, "revoked").await;
    lift(&first).await.unwrap();
    agree(&world, store, "lifted after it was revoked").await;
    let request = api::CreateRepairRequest {
        listing: listings[3].clone(),
        reason: "已全部付清".into(),
        evidence: "付款凭证".into(),
        commitment: "信用承诺书".into(),
        ..Default::default()
    };
    let repair = clerk.repairs.create_repair(request).await.unwrap().into_inner();
    agree(&world, store, "under repair").await;
    let request = api::DecideRepairRequest {
        repair_id: repair.repair_id,
        outcome: api::repair::State::Approved.into(),
        explanation: "符合条件".into(),
        ..Default::default()
    };
    chief.repairs.decide_repair(request).await.unwrap();
    agree(&world, store, "repaired").await;
    lift(&fourth).await.unwrap();
    agree(&world, store, "lifted after the repair").await;

    // The terms end; at once in the figures, whether or not the rows say so yet.
    world.trial.boot.clock.set("2029-02-26T16:00:01Z".parse().unwrap());
    agree(&world, store, "the term has just ended").await;
    super::world::eventually("the rows to say so", || async {
        let all = kept(&world, "", "", Step::Unspecified).await;
        all.listings.iter().map(|one| one.expired).sum::<i32>() == 2
    })
    .await;
    agree(&world, store, "the rows say so").await;
    // What was done while it was listed is reported late, and is to be lifted from the first.
    apply(&mut finance, &listings[2], "procurement-ban", "2028-03-01", true).await;
    agree(&world, store, "reported after the term").await;

    let tx = store.begin().await.unwrap();
    forget(&tx).await;
    tx.commit().await.unwrap();
    let again = discipline::open(&world.trial.boot, world.credit.clone()).await.unwrap();
    agree(&world, store, "counted anew at the start").await;
    drop((apart, again));
}

#[tokio::test]
async fn a_department_sees_the_listings_that_it_decided() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    world.listed(LIST, &code(1), "2026-02-13", "2026-02-26").await;
    let tax = put_list(api::List { decided_by: vec![], ..list("tax") });
    world.office().lists.put_list(tax).await.unwrap();
    let (mut clerk, mut chief) = (world.of("taxation", "clerk"), world.of("taxation", "chief"));
    let case = clerk.cases.create_case(propose("tax", &code(2))).await.unwrap().into_inner();
    clerk.cases.notify_case(step(&case, "2026-02-13")).await.unwrap();
    clerk.cases.waive_defence(step(&case, "2026-02-13")).await.unwrap();
    chief.cases.decide_case(decide(&case, "", api::case::Outcome::List)).await.unwrap();
    clerk.cases.serve_case(step(&case, "")).await.unwrap();
    clerk.cases.publish_case(step(&case, "")).await.unwrap();
    let object = api::CreateObjectionRequest {
        listing: case.case_id.clone(),
        reason: "已缴清".into(),
        ..Default::default()
    };
    world.enterprise(&code(2)).objections.create_objection(object).await.unwrap();

    let of = |department: &str| api::GetListingFiguresRequest {
        department: department.into(),
        ..asked("", "", Step::Unspecified)
    };
    let told = |found: api::GetListingFiguresResponse| {
        let listings: Vec<_> = found.listings.into_iter().map(|one| one.department).collect();
        (listings, found.filings.into_iter().map(|one| one.department).collect::<Vec<_>>())
    };
    let both = (vec![String::from("taxation"), String::from("hrss")], vec![String::from("taxation")]);
    assert_eq!(told(world.office().figures.get_listing_figures(of("")).await.unwrap().into_inner()), both);
    let tax = (vec![String::from("taxation")], vec![String::from("taxation")]);
    for (mut client, department) in [
        (world.office(), "taxation"),
        (world.of("taxation", "clerk"), ""),
        (world.of("taxation", "clerk"), "taxation"),
    ] {
        let found = client.figures.get_listing_figures(of(department)).await.unwrap().into_inner();
        assert_eq!(told(found), tax, "{department}");
    }
    let hrss = world.of("hrss", "clerk").figures.get_listing_figures(of("")).await.unwrap().into_inner();
    assert_eq!(told(hrss), (vec![String::from("hrss")], vec![]));
    for (mut client, department) in [
        (world.of("hrss", "clerk"), "taxation"),
        (world.enterprise(&code(2)), ""),
        (world.enterprise(&code(2)), "taxation"),
    ] {
        let refused = client.figures.get_listing_figures(of(department)).await.unwrap_err();
        assert_eq!(
            (refused.code(), reason(&refused).as_str()),
            (tonic::Code::PermissionDenied, "SCOPE_MISSING")
        );
    }
}
