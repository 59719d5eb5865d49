//! The quality of what departments send, counted as it comes and folded when its day is past.
use std::time::Duration;

use chassis::trial::{Bearer, reason};
use contract::{credit::v1 as api, r#type::v1::Step};
use futures::stream;

use crate::world::{MORNING, World, code, penalty};

async fn quality(
    world: &World,
    who: &Bearer,
    request: api::GetQualityFiguresRequest,
) -> api::GetQualityFiguresResponse {
    world.figures(who).get_quality_figures(request).await.unwrap().into_inner()
}

fn asked(from: &str, to: &str, step: Step) -> api::GetQualityFiguresRequest {
    api::GetQualityFiguresRequest {
        from: from.to_owned(),
        to: to.to_owned(),
        step: step.into(),
        ..Default::default()
    }
}

#[tokio::test]
async fn what_departments_send_is_weighed_whichever_way_it_comes() {
    // 13 February 2026.
    let world = World::open(MORNING).await;
    world.register(1..4).await;
    let transport = world.department("transport");
    let fresh =
        |source: &str, on: &str| api::RecordInput { occurred_on: on.to_owned(), ..penalty(1, source) };
    // The 4th is seven working days before the 13th, the 3rd is eight.
    let batch =
        vec![fresh("A", "2026-02-04"), fresh("B", "2026-02-03"), fresh("A", "2026-02-04"), penalty(9, "C")];
    world
        .records(&transport)
        .submit_records(api::SubmitRecordsRequest { records: batch, ..Default::default() })
        .await
        .unwrap();
    let one = |answer: &api::GetQualityFiguresResponse| {
        let row = &answer.quality[0];
        (row.department.clone(), [row.accepted, row.duplicates, row.rejected, row.in_time])
    };
    let seen = quality(&world, &transport, asked("", "", Step::Unspecified)).await;
    assert_eq!(one(&seen), ("transport".to_owned(), [2, 1, 1, 1]));
    let (filled, items) = (seen.quality[0].fields_filled, seen.quality[0].fields_asked);
    assert!(filled >= 2 && items > filled && items % 2 == 0, "{filled} of {items}");
    let batches = stream::iter([api::StreamRecordsRequest {
        batch: "s".to_owned(),
        records: (0..30)
            .map(|n| fresh(&format!("S-{n}"), if n < 20 { "2026-02-12" } else { "2025-02-12" }))
            .collect(),
    }]);
    let mut answers = world.records(&transport).stream_records(batches).await.unwrap().into_inner();
    while answers.message().await.unwrap().is_some() {}
    let seen = quality(&world, &transport, asked("", "", Step::Unspecified)).await;
    assert_eq!(one(&seen).1, [32, 1, 1, 21]);
    assert_eq!((seen.quality[0].fields_filled, seen.quality[0].fields_asked), (16 * filled, 16 * items));
    let file = format!(
        "uscc,sourceId,occurredOn,penaltyType\n{0},F-1,2026-02-12,罚款\n{0},F-2,2026-01-15,罚款\n{0},F-4,never,罚款\n",
        code(1)
    );
    world.import(&transport, "records", "administrative-penalty", file.as_bytes()).await;
    let before = quality(&world, &world.office(), asked("", "", Step::Unspecified)).await;
    assert_eq!(one(&before).1, [34, 1, 2, 22]);

    // Folded after a whole day, it says the same, and so does each span.
    world.at("2026-02-14T02:00:00Z");
    world.submit(&transport, vec![fresh("D", "2026-02-13")]).await;
    world.at("2026-02-20T02:00:00Z");
    world.submit(&transport, vec![fresh("E", "2026-02-19")]).await;
    let whole = quality(&world, &transport, asked("", "", Step::Unspecified)).await;
    let days = quality(&world, &transport, asked("2026-02-01", "2026-02-28", Step::Day)).await;
    let spans: Vec<_> = days.quality.iter().map(|row| (row.span.as_str(), row.accepted)).collect();
    assert_eq!(spans, [("2026-02-13", 34), ("2026-02-14", 1), ("2026-02-20", 1)]);
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(quality(&world, &transport, asked("", "", Step::Unspecified)).await, whole);
    assert_eq!(quality(&world, &transport, asked("2026-02-01", "2026-02-28", Step::Day)).await, days);
    let months = quality(&world, &transport, asked("2026-01-01", "2026-02-28", Step::Month)).await;
    assert_eq!(
        (months.quality.len(), months.quality[0].span.as_str(), months.quality[0].accepted),
        (1, "2026-02", 36)
    );
    assert_eq!(
        quality(&world, &transport, asked("2026-02-14", "2026-02-19", Step::Unspecified)).await.quality[0]
            .accepted,
        1
    );
}

#[tokio::test]
async fn a_department_sees_its_own_quality() {
    let world = World::open(MORNING).await;
    world.register(1..2).await;
    let (transport, health) = (world.department("transport"), world.department("health"));
    world.submit(&transport, vec![penalty(1, "T")]).await;
    world.submit(&health, vec![penalty(1, "H")]).await;
    let departments = |answer: api::GetQualityFiguresResponse| {
        answer.quality.into_iter().map(|row| row.department).collect::<Vec<_>>()
    };
    let all = || asked("", "", Step::Unspecified);
    assert!(departments(quality(&world, &world.office(), all()).await).contains(&"health".to_owned()));
    assert_eq!(departments(quality(&world, &health, all()).await), ["health"]);
    let of_transport = api::GetQualityFiguresRequest { department: "transport".to_owned(), ..all() };
    assert_eq!(departments(quality(&world, &world.office(), of_transport.clone()).await), ["transport"]);
    let refused = world.figures(&health).get_quality_figures(of_transport).await.unwrap_err();
    assert_eq!(reason(&refused), "SCOPE_MISSING");
    let own = world.enterprise(&code(1));
    assert!(world.figures(&own).get_quality_figures(all()).await.is_err());
    let backwards = asked("2026-02-13", "2026-02-12", Step::Unspecified);
    let refused = world.figures(&health).get_quality_figures(backwards).await.unwrap_err();
    assert_eq!(reason(&refused), "FIELD_INVALID");
}
