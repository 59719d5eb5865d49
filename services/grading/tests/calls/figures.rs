//! The figures that are kept: they are those of a count of everybody, after whatever happened and wherever it was cut off.
use std::collections::BTreeMap;

use chassis::{storage::sql, trial::reason};
use contract::{credit::v1 as credit, grading::v1 as api, r#type::v1::Step};
use sea_orm::ConnectionTrait;

use super::city::{City, code, record, scheme, subject};

type Standing = BTreeMap<(String, String, String), i32>;

fn standing(counts: Vec<api::GradeCount>) -> Standing {
    counts.into_iter().map(|one| ((one.scheme, one.county, one.grade), one.subjects)).collect()
}

/// What is kept at the end of all days.
pub async fn kept(city: &City) -> Standing {
    let request = api::GetGradeFiguresRequest {
        from: "2090-01-01".to_owned(),
        to: "2090-01-01".to_owned(),
        ..Default::default()
    };
    standing(city.figures(city.office()).get_grade_figures(request).await.unwrap().into_inner().before)
}

/// The same counted anew.
pub async fn counted(city: &City) -> Standing {
    let text = "SELECT g.scheme, SUBSTR(s.region, 1, 6) AS county, g.grade, COUNT(*) AS subjects FROM grades g \
                JOIN sheets s ON s.uscc = g.uscc WHERE g.scheme NOT LIKE '%~%' GROUP BY g.scheme, SUBSTR(s.region, 1, 6), g.grade";
    let db = city.grading_store.read();
    let rows = db.query_all_raw(sql(db, text, [])).await.unwrap();
    let row = |row: &sea_orm::QueryResult| {
        let text = |column| row.try_get::<String>("", column).unwrap();
        let subjects: i64 = row.try_get("", "subjects").unwrap();
        ((text("scheme"), text("county"), text("grade")), i32::try_from(subjects).unwrap())
    };
    rows.iter().map(row).collect()
}

async fn population(city: &City) -> (BTreeMap<(String, String), i32>, BTreeMap<(String, String), i32>) {
    let request = api::GetPopulationFiguresRequest { as_of: "2090-01-01".to_owned() };
    let kept = city.figures(city.office()).get_population_figures(request).await.unwrap().into_inner().counts;
    let kept = kept.into_iter().map(|one| ((one.domain, one.county), one.subjects)).collect();
    let db = city.grading_store.read();
    let rows = db.query_all_raw(sql(db, "SELECT domains, region FROM sheets", [])).await.unwrap();
    let mut counted = BTreeMap::new();
    for row in rows {
        let (domains, region): (String, String) =
            (row.try_get("", "domains").unwrap(), row.try_get("", "region").unwrap());
        for domain in domains.split(',') {
            *counted.entry((domain.to_owned(), region[..6].to_owned())).or_default() += 1;
        }
    }
    (kept, counted)
}

// The grades at the end of a day as the histories of the subjects tell them. A scheme of this test leaves nobody UNGRADED but who left it.
async fn told(city: &City, day: &str) -> BTreeMap<(String, String), i32> {
    let text =
        "SELECT uscc, scheme, grade, recorded_at FROM grade_history WHERE scheme NOT LIKE '%~%' ORDER BY seq";
    let db = city.grading_store.read();
    let mut last: BTreeMap<(String, String), String> = BTreeMap::new();
    for row in db.query_all_raw(sql(db, text, [])).await.unwrap() {
        let at: i64 = row.try_get("", "recorded_at").unwrap();
        if chassis::clock::business_day(chassis::clock::from_micros(at)).to_string().as_str() > day {
            continue;
        }
        let key = (row.try_get("", "uscc").unwrap(), row.try_get("", "scheme").unwrap());
        last.insert(key, row.try_get("", "grade").unwrap());
    }
    let mut standing = BTreeMap::new();
    for ((_, scheme), grade) in last {
        if grade != "UNGRADED" {
            *standing.entry((scheme, grade)).or_default() += 1;
        }
    }
    standing
}

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

// The grades under the scheme, with all that an evaluation gives of them.
async fn reckoned(city: &City) -> Vec<(String, String, Option<String>, Option<String>)> {
    let text = "SELECT uscc, grade, score, next_change_on FROM grades WHERE scheme = 's' AND version > 0 ORDER BY uscc";
    let db = city.grading_store.read();
    let rows = db.query_all_raw(sql(db, text, [])).await.unwrap();
    rows.iter()
        .map(|row| {
            let text = |name| row.try_get("", name).unwrap();
            (
                row.try_get("", "uscc").unwrap(),
                row.try_get("", "grade").unwrap(),
                text("score"),
                text("next_change_on"),
            )
        })
        .collect()
}

async fn step(city: &City, dice: &mut Dice, records: &mut Vec<String>, number: u32) -> String {
    let serial = u32::try_from(dice.below(12)).unwrap() + 1;
    match dice.below(10) {
        // Moves between counties, and in and out of the domain.
        0..=2 => {
            let domains: &[&str] = [&["D09"][..], &["D01"], &["D01", "D09"], &[]][dice.below(4) as usize];
            let region = ["640302", "640303", "640303001", "640381"][dice.below(4) as usize];
            let moved = credit::SubjectInput { region: region.to_owned(), ..subject(serial, domains) };
            city.register(vec![moved]).await
        }
        3..=7 => {
            let item = ["penalty", "black-listing"][dice.below(2) as usize];
            let day = format!("2025-{:02}-11", 1 + dice.below(12));
            let (fresh, position) =
                city.submit(vec![record(serial, item, &format!("R-{number}"), &day)]).await;
            records.extend(fresh);
            position
        }
        _ => {
            let Some(record) = records.pop() else { return String::new() };
            let request = credit::WithdrawRecordRequest {
                record,
                reason: "决定被撤销".to_owned(),
                ..Default::default()
            };
            city.records().withdraw_record(request).await.unwrap().into_inner().position
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_is_what_a_count_of_everybody_gives() {
    let mut city = City::at("2026-02-01T02:00:00Z").await;
    city.register((1..=12).map(|serial| subject(serial, &["D09"])).collect()).await;
    city.publish(scheme("s")).await;
    let (mut dice, mut records, mut number) = (Dice(0x51_7C_C1), Vec::new(), 0);
    let (mut days, mut held) = (Vec::new(), 0);
    for round in 0..8_u32 {
        // A month and some days a round, over windows that close and the end of a year.
        let day = jiff::civil::date(2026, 2, 1) + jiff::Span::new().days(i64::from(round) * 55);
        city.set_clock(&format!("{day}T02:00:00Z"));
        let mut position = String::new();
        for _ in 0..12 {
            number += 1;
            let reached = step(&city, &mut dice, &mut records, number).await;
            position = if reached.is_empty() { position } else { reached };
        }
        match round {
            2 => drop(city.publish(api::Scheme { domain: "D01".to_owned(), ..scheme("t") }).await),
            // A further version over everybody.
            4 => {
                let request = api::NewSchemeVersionRequest { scheme: "s".to_owned(), ..Default::default() };
                city.schemes(city.office()).new_scheme_version(request).await.unwrap();
                let mut stricter = scheme("s");
                stricter.model.as_mut().unwrap().base_score = Some(88.0);
                let request = api::UpdateSchemeRequest {
                    scheme: Some(stricter),
                    update_mask: Some(prost_types::FieldMask { paths: vec!["model".to_owned()] }),
                    ..Default::default()
                };
                city.schemes(city.office()).update_scheme(request).await.unwrap();
                let request = api::PublishSchemeRequest { scheme: "s".to_owned(), ..Default::default() };
                city.schemes(city.office()).publish_scheme(request).await.unwrap();
            }
            5 => {
                let request = api::RetireSchemeRequest { scheme: "t".to_owned(), ..Default::default() };
                city.schemes(city.office()).retire_scheme(request).await.unwrap();
            }
            6 => city.restart().await,
            _ => {}
        }
        let run = api::CreateRunRequest { scheme: "s".to_owned(), ..Default::default() };
        let ended = city.run(run.clone()).await.unwrap();
        held += ended.held;
        city.arrive(&position).await;
        // What stands, and what was held for standing, is what the facts give.
        let reckoned_before = reckoned(&city).await;
        let afresh = city.run(api::CreateRunRequest { afresh: true, ..run }).await.unwrap();
        assert_eq!((afresh.changed, afresh.held), (0, 0), "round {round}");
        assert_eq!(reckoned(&city).await, reckoned_before, "round {round}");
        city.distribution("s").await;
        assert_eq!(kept(&city).await, counted(&city).await, "round {round}");
        let (kept, counted) = population(&city).await;
        assert_eq!(kept, counted, "round {round}");
        days.push((day.to_string(), counted_by_grade(&city).await));
    }
    assert!(held > 0, "no grade was ever held");
    // Each day stays as it was, and what is told span by span leads from one to the next.
    for (day, expected) in &days {
        let request = api::GetSchemeFiguresRequest { as_of: day.clone() };
        let seen = city.figures(city.office()).get_scheme_figures(request).await.unwrap().into_inner();
        let s = seen.schemes.iter().find(|one| one.scheme == "s").unwrap();
        let of_s: BTreeMap<_, _> = expected
            .iter()
            .filter(|((scheme, _), _)| scheme == "s")
            .map(|((_, grade), n)| (grade.clone(), *n))
            .collect();
        assert_eq!(s.distribution, of_s, "{day}");
        assert_eq!(told(&city, day).await, *expected, "{day}");
    }
    let last = days.last().unwrap().0.clone();
    for (step, from) in [
        (Step::Day, "2026-02-01"),
        (Step::Month, "2026-03-09"),
        (Step::Year, "2027-01-01"),
        (Step::Unspecified, "2026-05-05"),
    ] {
        let request = api::GetGradeFiguresRequest {
            from: from.to_owned(),
            to: last.clone(),
            step: step.into(),
            ..Default::default()
        };
        let seen = city.figures(city.office()).get_grade_figures(request).await.unwrap().into_inner();
        let mut after = standing(seen.before);
        let mut spans: Vec<String> = Vec::new();
        for one in seen.moves {
            for (grade, subjects) in [(one.from, -one.subjects), (one.to, one.subjects)] {
                if !grade.is_empty() {
                    *after.entry((one.scheme.clone(), one.county.clone(), grade)).or_default() += subjects;
                }
            }
            spans.push(one.span);
        }
        after.retain(|_, subjects| *subjects != 0);
        assert_eq!(after, kept(&city).await, "{step:?}");
        assert!(spans.is_sorted() && spans.iter().all(|span| span.len() == [0, 10, 7, 4][step as usize]));
    }
}

async fn counted_by_grade(city: &City) -> BTreeMap<(String, String), i32> {
    let mut standing = BTreeMap::new();
    for ((scheme, _, grade), subjects) in counted(city).await {
        *standing.entry((scheme, grade)).or_default() += subjects;
    }
    standing
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_from_before_is_counted_once() {
    let mut city = City::at("2026-02-01T02:00:00Z").await;
    let position = city.register((1..=9).map(|serial| subject(serial, &["D09"])).collect()).await;
    city.publish(scheme("s")).await;
    city.graded(&code(1), "s", &position).await;
    city.all_graded("s", 9).await;
    let tx = city.grading_store.begin().await.unwrap();
    for text in ["DELETE FROM figures", "DELETE FROM cursors WHERE feed = 'figures:grades'"] {
        tx.execute_raw(sql(&*tx, text, [])).await.unwrap();
    }
    tx.commit().await.unwrap();
    for _ in 0..2 {
        city.restart().await;
        assert_eq!(kept(&city).await, counted(&city).await);
        let (kept, counted) = population(&city).await;
        assert_eq!(kept, counted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_for_the_office_and_of_its_own_schemes_for_a_department() {
    let city = City::at("2026-02-01T02:00:00Z").await;
    let position = city.register((1..=3).map(|serial| subject(serial, &["D09"])).collect()).await;
    city.publish(scheme("s")).await;
    city.publish(api::Scheme { department: "water".to_owned(), ..scheme("w") }).await;
    city.graded(&code(1), "s", &position).await;
    city.graded(&code(1), "w", &position).await;
    let schemes = async |token| {
        let request = api::GetSchemeFiguresRequest::default();
        let seen = city.figures(token).get_scheme_figures(request).await.unwrap().into_inner().schemes;
        seen.into_iter().map(|one| one.scheme).collect::<Vec<_>>()
    };
    assert_eq!(schemes(city.office()).await, ["s", "w"]);
    assert_eq!(schemes(city.transport()).await, ["s"]);
    let grades = async |token, scheme: &str| {
        let request = api::GetGradeFiguresRequest { scheme: scheme.to_owned(), ..Default::default() };
        city.figures(token).get_grade_figures(request).await.map(|seen| seen.into_inner().moves.len())
    };
    assert_eq!(grades(city.transport(), "").await.unwrap(), grades(city.office(), "s").await.unwrap());
    assert_eq!(reason(&grades(city.transport(), "w").await.unwrap_err()), "SCHEME_UNKNOWN");
    assert_eq!(reason(&grades(city.enterprise(&code(1)), "").await.unwrap_err()), "SCOPE_MISSING");
    let nobody = city.trial.token("", "grading.read");
    assert_eq!(reason(&grades(nobody, "").await.unwrap_err()), "SCOPE_MISSING");
    let mute = city.trial.token("transport", "credit.read");
    assert_eq!(reason(&grades(mute, "").await.unwrap_err()), "SCOPE_MISSING");
    // Before it was in force a scheme is not told.
    let request = api::GetSchemeFiguresRequest { as_of: "2026-01-31".to_owned() };
    let early = city.figures(city.office()).get_scheme_figures(request).await.unwrap().into_inner();
    assert_eq!((early.schemes.len(), early.as_of.as_str()), (0, "2026-01-31"));
    for (from, to) in [("2026-02-30", ""), ("2026-02-02", "2026-02-01"), ("1.2.2026", "")] {
        let request =
            api::GetGradeFiguresRequest { from: from.to_owned(), to: to.to_owned(), ..Default::default() };
        let refused = city.figures(city.office()).get_grade_figures(request).await.unwrap_err();
        assert_eq!(reason(&refused), "FIELD_INVALID", "{from}..{to}");
    }
}
