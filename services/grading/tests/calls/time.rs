//! Days pass: what time alone changes is changed on that day, and each day keeps the version that was then in force.
use contract::{credit::v1 as credit, grading::v1 as api};

use super::city::{City, code, record, scheme, subject};

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_closes_grades_anew_on_that_day() {
    let city = City::at("2026-02-01T02:00:00Z").await;
    city.publish(scheme("s")).await;
    city.register(vec![subject(1, &["D09"])]).await;
    let valid = credit::RecordInput {
        valid_until: "2026-04-30".to_owned(),
        ..record(1, "black-listing", "L-1", "2026-01-01")
    };
    let (_, position) = city.submit(vec![record(1, "penalty", "P-1", "2025-02-10"), valid]).await;
    assert_eq!(city.graded(&code(1), "s", &position).await, ("D".to_owned(), Some(85.0)));
    let due = async || {
        let seen = city.look(&code(1), "").await;
        // Who asks for the whole waits for the day's evaluations, which the history then tells.
        city.distribution("s").await;
        let grade = &seen.grades[0];
        (grade.grade.clone(), grade.score, grade.as_of.clone(), grade.next_change_on.clone())
    };
    let told = |grade: &str, score, as_of: &str, next: &str| {
        (grade.to_owned(), Some(score), as_of.to_owned(), next.to_owned())
    };
    assert_eq!(due().await, told("D", 85.0, "2026-02-01", "2026-02-10"));
    // 2026-02-10 begins at 16:00 UTC of the day before.
    city.set_clock("2026-02-09T15:59:00Z");
    assert_eq!(due().await, told("D", 85.0, "2026-02-09", "2026-02-10"));
    city.set_clock("2026-02-09T16:00:00Z");
    assert_eq!(due().await, told("D", 92.5, "2026-02-10", "2026-05-01"));
    city.set_clock("2026-05-01T02:00:00Z");
    assert_eq!(due().await, told("A", 92.5, "2026-05-01", "2028-02-10"));
    city.set_clock("2030-01-01T02:00:00Z");
    assert_eq!(due().await, told("A", 100.0, "2030-01-01", ""));
    assert_eq!(city.distribution("s").await, [("A".to_owned(), 1)].into());
    let told: Vec<_> =
        city.history(&code(1), "s").await.into_iter().map(|change| (change.as_of, change.score)).collect();
    let expected = [
        ("2030-01-01", Some(100.0)),
        ("2026-05-01", Some(92.5)),
        ("2026-02-10", Some(92.5)),
        ("2026-02-01", Some(85.0)),
    ];
    let first = told.last().cloned();
    assert_eq!(told[..4], expected.map(|(on, score)| (on.to_owned(), score)));
    // Registered first and recorded after; one batch of the feed may have brought both.
    assert!(told.len() == 4 || first == Some(("2026-02-01".to_owned(), Some(100.0))), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_on_a_leap_day_leaves_its_windows_on_the_first_of_march() {
    let city = City::at("2024-03-01T02:00:00Z").await;
    city.publish(scheme("s")).await;
    city.register(vec![subject(1, &["D09"])]).await;
    let (_, position) = city.submit(vec![record(1, "penalty", "P-1", "2024-02-29")]).await;
    assert_eq!(city.graded(&code(1), "s", &position).await, ("B".to_owned(), Some(85.0)));
    for (now, score, next) in [
        // A year less a day after 29 February, and the year's last moment in Shanghai.
        ("2025-02-28T15:59:59Z", 85.0, "2025-03-01"),
        ("2025-02-28T16:00:00Z", 92.5, "2027-03-01"),
        ("2027-02-28T02:00:00Z", 92.5, "2027-03-01"),
        ("2027-03-01T02:00:00Z", 100.0, ""),
        ("2028-02-29T02:00:00Z", 100.0, ""),
    ] {
        city.set_clock(now);
        city.distribution("s").await;
        let grade = city.look(&code(1), "").await.grades.remove(0);
        assert_eq!((grade.score, grade.next_change_on.as_str()), (Some(score), next), "{now}");
    }
    let told: Vec<_> = city.history(&code(1), "s").await.into_iter().map(|change| change.as_of).collect();
    assert_eq!(
        told,
        ["2027-03-01", "2025-03-01", "2024-03-01", "2024-03-01"],
        "registered, recorded, two days"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_evaluates_whom_it_changes_and_nobody_else() {
    let mut city = City::at("2026-02-01T02:00:00Z").await;
    city.publish(scheme("s")).await;
    // More than a batch of the day, and others whose day is another, or who have none.
    city.arrive(&city.register((1..=3_000).map(|serial| subject(serial, &["D09"])).collect()).await).await;
    let on = |serial: u32| if serial <= 1_500 { "2025-02-10" } else { "2025-02-20" };
    let records = (1..=2_000).map(|serial| record(serial, "penalty", &format!("P-{serial}"), on(serial)));
    city.arrive(&city.submit(records.collect()).await.1).await;
    assert_eq!(city.distribution("s").await, [("A".to_owned(), 1_000), ("B".to_owned(), 2_000)].into());
    let (days, records) = (city.evaluations("day"), city.evaluations("record"));
    assert_eq!(days, 0, "nobody was due");

    city.set_clock("2026-02-10T02:00:00Z");
    // In the middle of the day's work, or before it began.
    city.restart().await;
    for _ in 0..100 {
        if city.distribution("s").await == [("A".to_owned(), 2_500), ("B".to_owned(), 500)].into() {
            break;
        }
    }
    assert_eq!(city.distribution("s").await, [("A".to_owned(), 2_500), ("B".to_owned(), 500)].into());
    assert_eq!(city.evaluations("day"), 1_500);
    city.set_clock("2026-02-19T02:00:00Z");
    city.distribution("s").await;
    assert_eq!(city.evaluations("day"), 1_500, "nine days on which nobody was due");
    city.set_clock("2026-02-20T02:00:00Z");
    assert_eq!(city.distribution("s").await, [("A".to_owned(), 3_000)].into());
    assert_eq!(city.evaluations("day"), 2_000);
    assert_eq!(city.evaluations("record"), records, "the feed brought nothing");
    for serial in [1, 1_500, 1_501, 2_000, 3_000] {
        let told: Vec<_> =
            city.history(&code(serial), "s").await.into_iter().map(|change| change.as_of).collect();
        let day = if serial <= 1_500 { "2026-02-10" } else { "2026-02-20" };
        let expected =
            if serial <= 2_000 { vec![day, "2026-02-01", "2026-02-01"] } else { vec!["2026-02-01"] };
        assert_eq!(told, expected, "{serial}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_past_grade_is_replayed_under_the_version_then_in_force() {
    let city = City::at("2026-02-01T02:00:00Z").await;
    city.publish(scheme("s")).await;
    city.register(vec![subject(1, &["D09"])]).await;
    let (_, position) = city.submit(vec![record(1, "penalty", "P-1", "2026-01-10")]).await;
    assert_eq!(city.graded(&code(1), "s", &position).await.1, Some(85.0));

    city.set_clock("2026-03-01T02:00:00Z");
    let mut client = city.schemes(city.office());
    let next = api::NewSchemeVersionRequest { scheme: "s".to_owned(), ..Default::default() };
    let mut draft = client.new_scheme_version(next).await.unwrap().into_inner();
    draft.model.as_mut().unwrap().base_score = Some(50.0);
    client
        .update_scheme(api::UpdateSchemeRequest { scheme: Some(draft), ..Default::default() })
        .await
        .unwrap();
    let publish = api::PublishSchemeRequest { scheme: "s".to_owned(), ..Default::default() };
    client.publish_scheme(publish).await.unwrap();
    let run = api::CreateRunRequest { scheme: "s".to_owned(), ..Default::default() };
    city.run(run).await.unwrap();
    let grade = city.look(&code(1), "").await.grades.remove(0);
    assert_eq!((grade.version, grade.grade.as_str(), grade.score), (2, "D", Some(35.0)));

    for (day, version, score) in [
        ("2026-01-09", 1, 100.0),
        ("2026-01-10", 1, 85.0),
        ("2026-02-28", 1, 85.0),
        ("2026-03-01", 2, 35.0),
        ("2027-01-10", 2, 42.5),
    ] {
        let explained = city.explain(&code(1), "s", day).await.unwrap();
        assert_eq!(
            (explained.version, explained.score, explained.as_of.as_str()),
            (version, Some(score), day)
        );
    }
    let retire = api::RetireSchemeRequest { scheme: "s".to_owned(), ..Default::default() };
    client.retire_scheme(retire).await.unwrap();
    assert_eq!(city.look(&code(1), "").await.grades, [], "a retired scheme grades nobody");
    assert!(city.explain(&code(1), "s", "").await.is_err());
    assert_eq!(city.explain(&code(1), "s", "2026-02-28").await.unwrap().version, 1);
    assert_eq!(city.history(&code(1), "s").await[0].version, 2, "what it gave stays on record");
}
