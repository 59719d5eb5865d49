//! Windows of publication 公示期限 by each dated regime, to the minute at midnight in Asia/Shanghai.
use contract::credit::v1::{self as api, profiles_client::ProfilesClient};

use crate::world::{World, code, fields, penalty, subject};

struct Case {
    severity: i32,
    department: &'static str,
    kind: &'static str,
    occurred: &'static str,
    // The last day on which it is shown; none: never.
    last: Option<&'static str>,
    regime: &'static str,
}

const fn case(
    regime: &'static str,
    severity: i32,
    department: &'static str,
    kind: &'static str,
    occurred: &'static str,
    last: Option<&'static str>,
) -> Case {
    Case { severity, department, kind, occurred, last, regime }
}

// By hand, from the table of terms of publication.
const CASES: [Case; 18] = [
    case("〔2019〕527号", 1, "transport", "罚款", "2022-01-10", Some("2023-01-10")),
    case("〔2019〕527号", 2, "transport", "罚款", "2020-02-29", Some("2021-02-28")),
    case("〔2019〕527号", 3, "transport", "罚款", "2020-03-31", Some("2023-03-31")),
    case("第58号", 2, "transport", "罚款", "2023-02-28", Some("2026-02-28")),
    case("第58号", 3, "transport", "罚款", "2023-01-15", Some("2026-01-15")),
    case("第58号", 1, "transport", "警告", "2024-01-15", None),
    case("第58号", 0, "transport", "通报批评", "2024-01-15", None),
    case("第36号", 1, "transport", "罚款", "2026-05-01", None),
    case("第36号", 2, "transport", "罚款", "2026-04-10", Some("2027-04-10")),
    case("第36号", 0, "transport", "罚款", "2026-04-10", Some("2027-04-10")),
    case("第36号", 3, "transport", "罚款", "2026-08-31", Some("2029-08-31")),
    case("第45号", 1, "market-regulation", "警告", "2022-01-10", None),
    case("第45号", 1, "market-regulation", "罚款", "2022-01-10", Some("2022-04-10")),
    case("第45号", 2, "market-regulation", "罚款", "2022-11-30", Some("2025-11-30")),
    case("第107号", 1, "market-regulation", "警告", "2026-01-10", None),
    case("第107号", 1, "market-regulation", "罚款", "2025-12-31", Some("2026-03-31")),
    case("第107号", 2, "market-regulation", "罚款", "2026-02-28", Some("2027-02-28")),
    case("第107号", 3, "market-regulation", "罚款", "2026-01-01", Some("2029-01-01")),
];

impl World {
    fn here_at(&self, day: &str, time: &str) {
        self.at(&format!("{day}T{time}+08:00"));
    }

    async fn shown(&self, serial: u32) -> Option<api::Record> {
        let request = api::GetPublicProfileRequest { uscc: code(serial) };
        let profile = ProfilesClient::new(self.upstream.clone()).get_public_profile(request).await;
        profile.unwrap().into_inner().records.pop()
    }

    // One record of a subject of its own.
    async fn penalize(&self, serial: u32, case: &Case) {
        let record = api::RecordInput {
            severity: case.severity,
            occurred_on: case.occurred.to_owned(),
            fields: Some(fields(&[("penaltyType", case.kind)])),
            ..penalty(serial, &format!("P-{serial}"))
        };
        let answer = self.submit(&self.department(case.department), vec![record]).await;
        assert!(answer.outcomes[0].error.is_none(), "{answer:?}");
    }
}

// A clock at noon of a day, and this many subjects.
async fn world(subjects: u32) -> World {
    let world = World::open("2019-08-01T04:00:00Z").await;
    let subjects =
        (1..=subjects).map(|serial| api::SubjectInput { registered_on: String::new(), ..subject(serial) });
    let request = api::BatchUpsertSubjectsRequest { subjects: subjects.collect(), ..Default::default() };
    world.subjects(&world.department("market-regulation")).batch_upsert_subjects(request).await.unwrap();
    world
}

#[tokio::test]
async fn each_regime_ends_its_windows_at_midnight() {
    let world = world(18).await;
    for (serial, case) in (1..).zip(&CASES) {
        let said =
            format!("{} {} {} {} {}", case.regime, case.severity, case.department, case.kind, case.occurred);
        world.here_at(case.occurred, "12:00:00");
        world.penalize(serial, case).await;
        let Some(last) = case.last else {
            assert!(world.shown(serial).await.is_none(), "{said}");
            continue;
        };
        world.here_at(last, "23:59:59");
        let record = world.shown(serial).await.unwrap_or_else(|| panic!("{said}: gone too early"));
        assert_eq!(record.published_until, last, "{said}");
        assert!(record.publication_basis.contains(case.regime), "{said}: {}", record.publication_basis);
        world.here_at(
            last.parse::<jiff::civil::Date>().unwrap().tomorrow().unwrap().to_string().as_str(),
            "00:00:00",
        );
        assert!(world.shown(serial).await.is_none(), "{said}: shown too long");
    }
}

#[tokio::test]
async fn a_new_regime_holds_from_its_first_midnight() {
    let world = world(4).await;
    // Shown under the rule before, not under the new one; by hand.
    for (serial, case, eve) in [
        (1, case("第36号", 1, "transport", "罚款", "2026-02-01", None), "2026-03-31"),
        (2, case("第36号", 2, "transport", "罚款", "2025-01-10", None), "2026-03-31"),
        (3, case("第107号", 2, "market-regulation", "罚款", "2024-06-01", None), "2025-12-24"),
        (4, case("第58号", 1, "transport", "警告", "2023-04-01", None), "2023-04-30"),
    ] {
        world.here_at(eve, "23:59:00");
        world.penalize(serial, &case).await;
        assert!(world.shown(serial).await.is_some(), "{serial}");
        world.here_at(eve, "23:59:59");
        assert!(world.shown(serial).await.is_some(), "{serial}");
        world.here_at(
            eve.parse::<jiff::civil::Date>().unwrap().tomorrow().unwrap().to_string().as_str(),
            "00:00:00",
        );
        assert!(world.shown(serial).await.is_none(), "{} {serial}", case.regime);
        // Departments go on sharing what holds.
        let who = world.department("health");
        let request = api::GetProfileRequest { uscc: code(serial), ..Default::default() };
        let profile = world.profiles(&who).get_profile(request).await.unwrap().into_inner();
        assert_eq!(profile.records.len(), 1, "{serial}");
    }
}
