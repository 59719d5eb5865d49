//! The figures that are kept are those of a count of all listings and filings.
use chassis::{storage::sql, trial::reason};
use contract::{discipline::v1 as api, r#type::v1::Step};
use sea_orm::ConnectionTrait;

use super::world::{LIST, World, code};

fn asked(from: &str, to: &str, step: Step) -> api::GetListingFiguresRequest {
    api::GetListingFiguresRequest { from: from.into(), to: to.into(), step: step.into() }
}

async fn kept(world: &World, from: &str, to: &str, step: Step) -> api::GetListingFiguresResponse {
    world.office().figures.get_listing_figures(asked(from, to, step)).await.unwrap().into_inner()
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
    for text in ["DELETE FROM figures", "DELETE FROM cursors WHERE feed = 'figures:listings'"] {
        tx.execute_raw(sql(&*tx, text, [])).await.unwrap();
    }
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
