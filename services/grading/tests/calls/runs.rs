//! Runs over the population, in more than one batch; for today they grade, for another day they report.
use std::time::Duration;

use chassis::{storage::sql, trial::reason};
use contract::grading::v1 as api;
use prost::Message;
use sea_orm::ConnectionTrait;
use tonic::Code;

use super::city::{City, code, record, scheme, subject};

fn run(as_of: &str) -> api::CreateRunRequest {
    api::CreateRunRequest { scheme: "s".to_owned(), as_of: as_of.to_owned(), ..Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_is_graded_and_counted() {
    let city = City::at("2026-02-01T02:00:00Z").await;
    // More than a run's batch, and a tenth of another domain.
    let domains = |serial: u32| if serial.is_multiple_of(10) { ["D01"] } else { ["D09"] };
    city.register((1..=2_500).map(|serial| subject(serial, &domains(serial))).collect()).await;
    let penalties = (1..=5).map(|n| record(7, "penalty", &format!("P-{n}"), "2026-01-01"));
    city.arrive(&city.submit(penalties.collect()).await.1).await;
    city.publish(scheme("s")).await;

    let started = city.runs(city.transport()).create_run(run("")).await.unwrap().into_inner();
    let ended = city.finish(&started).await;
    let metadata = api::RunMetadata::decode(ended.metadata.unwrap().value.as_slice()).unwrap();
    assert_eq!((metadata.scheme.as_str(), metadata.version, metadata.as_of.as_str()), ("s", 1, "2026-02-01"));
    let progress = metadata.progress.unwrap();
    assert_eq!((progress.total, progress.evaluated), (2_250, 2_250));

    let response = city.run(run("2026-02-01")).await.unwrap();
    assert_eq!((response.evaluated, response.changed), (2_250, 0), "all were graded before");
    let spread = [("A".to_owned(), 2_249), ("C".to_owned(), 1)].into();
    assert_eq!(response.distribution, spread);
    assert_eq!(city.distribution("s").await, spread);
    let exported =
        city.export(api::ExportGradesRequest { scheme: "s".to_owned(), ..Default::default() }).await;
    assert_eq!(exported.len(), 2_250);
    assert!(exported.is_sorted_by(|a, b| a.uscc < b.uscc));
    // The tenth lies apart among all the others; every line is its own subject's.
    city.publish(api::Scheme { domain: "D01".to_owned(), ..scheme("tenth") }).await;
    city.all_graded("tenth", 250).await;
    let tenth =
        city.export(api::ExportGradesRequest { scheme: "tenth".to_owned(), ..Default::default() }).await;
    assert_eq!(tenth.len(), 250);
    let mut named: Vec<(String, String)> =
        exported.into_iter().chain(tenth).map(|line| (line.uscc, line.name)).collect();
    named.sort_unstable();
    let mut known: Vec<(String, String)> =
        (1..=2_500).map(|serial| subject(serial, &[])).map(|one| (one.uscc, one.name)).collect();
    known.sort_unstable();
    assert_eq!(named, known);

    // Before the penalties nobody had lost a point; today's grades stay.
    let report = city.run(run("2025-12-31")).await.unwrap();
    assert_eq!((report.evaluated, report.changed), (2_250, 1));
    assert_eq!(report.distribution, [("A".to_owned(), 2_250)].into());
    assert_eq!(city.graded(&code(7), "s", "").await, ("C".to_owned(), Some(60.0)));
    assert_eq!(city.history(&code(7), "s").await.len(), 1, "many runs, one grade");
}

#[tokio::test(flavor = "multi_thread")]
async fn publishing_grades_everybody_without_being_asked() {
    let city = City::at("2026-02-01T02:00:00Z").await;
    let position = city.register((1..=20).map(|serial| subject(serial, &["D09"])).collect()).await;
    city.arrive(&position).await;
    city.publish(scheme("s")).await;
    city.all_graded("s", 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_cut_off_goes_on_where_it_stood() {
    let mut city = City::at("2026-02-01T02:00:00Z").await;
    for first in [1, 4_001] {
        let subjects = (first..first + 4_000).map(|serial| subject(serial, &["D09"]));
        city.arrive(&city.register(subjects.collect()).await).await;
    }
    city.publish(scheme("s")).await;
    let afresh = api::CreateRunRequest { afresh: true, ..run("") };
    let started = city.runs(city.office()).create_run(afresh).await.unwrap().into_inner();
    let id = started.name.strip_prefix("operations/").unwrap().to_owned();
    let mut cuts = 0;
    loop {
        let request = api::GetOperationRequest { id: id.clone() };
        let now = city.operations(city.office()).get_operation(request).await.unwrap().into_inner();
        let metadata = api::RunMetadata::decode(now.metadata.unwrap().value.as_slice()).unwrap();
        let evaluated = metadata.progress.unwrap_or_default().evaluated;
        if now.done {
            break;
        }
        if evaluated / 2_000 > cuts {
            cuts += 1;
            city.restart().await;
        }
    }
    assert!(cuts > 0, "the run ended before it could be cut off");
    let ended = city.finish(&started).await;
    let Some(contract::google::longrunning::operation::Result::Response(response)) = ended.result else {
        panic!()
    };
    let response = api::RunResponse::decode(response.value.as_slice()).unwrap();
    assert_eq!((response.evaluated, response.distribution), (8_000, [("A".to_owned(), 8_000)].into()));
    assert_eq!(city.distribution("s").await, [("A".to_owned(), 8_000)].into());
    for serial in [1, 2_000, 2_001, 8_000] {
        assert_eq!(city.history(&code(serial), "s").await.len(), 1, "{serial} is graded once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_facts_are_the_same_is_not_evaluated_again() {
    let city = City::at("2026-02-01T02:00:00Z").await;
    city.register((1..=40).map(|serial| subject(serial, &["D09"])).collect()).await;
    let penalties = (1..=5).map(|n| record(7, "penalty", &format!("P-{n}"), "2026-01-01"));
    city.arrive(&city.submit(penalties.collect()).await.1).await;
    city.publish(scheme("s")).await;
    city.at_rest().await;
    let spread = std::collections::BTreeMap::from([("A".to_owned(), 39), ("C".to_owned(), 1)]);
    let ended =
        |held, changed| api::RunResponse { evaluated: 40, changed, distribution: spread.clone(), held };
    let afresh = || api::CreateRunRequest { afresh: true, ..run("") };
    // Once the run of publishing is done, nothing is left to evaluate.
    for again in 0..2 {
        assert_eq!(city.run(run("")).await.unwrap(), ended(40, 0), "{again}");
    }
    let evaluated = city.evaluations("run");
    assert_eq!(city.run(run("")).await.unwrap(), ended(40, 0));
    assert_eq!(city.evaluations("run"), evaluated);
    assert_eq!(city.run(afresh()).await.unwrap(), ended(0, 0));
    assert_eq!(city.evaluations("run"), evaluated + 40);

    // Facts that leave the grade as it is are looked at once.
    let other = record(3, "tax-grade", "T-1", "2026-01-01");
    city.arrive(&city.submit(vec![other]).await.1).await;
    assert_eq!(city.run(run("")).await.unwrap(), ended(39, 0));
    assert_eq!(city.run(run("")).await.unwrap(), ended(40, 0));
    // Facts that change it were graded as they came; another day on which time counts, likewise.
    let sixth = record(8, "penalty", "P-6", "2026-01-01");
    city.arrive(&city.submit(vec![sixth]).await.1).await;
    let response = city.run(run("")).await.unwrap();
    assert_eq!((response.held, response.changed, response.distribution["B"]), (40, 0, 1));
    city.set_clock("2027-03-01T02:00:00Z");
    let later = city.run(run("")).await.unwrap();
    let proof = city.run(afresh()).await.unwrap();
    assert_eq!((later.evaluated, later.distribution), (40, proof.distribution));
    assert_eq!(proof.changed, 0);
    assert_eq!(city.graded(&code(7), "s", "").await, ("C".to_owned(), Some(62.5)));
    // A clock that was set back is no reason to trust what was reckoned for a later day.
    city.set_clock("2026-02-01T02:00:00Z");
    city.run(run("")).await.unwrap();
    assert_eq!(city.graded(&code(7), "s", "").await, ("C".to_owned(), Some(60.0)));

    // What somebody changed in the database itself is found by the run that evaluates all.
    let tx = city.grading_store.begin().await.unwrap();
    let text = "UPDATE grades SET grade = 'D' WHERE uscc = $1";
    tx.execute_raw(sql(&*tx, text, [code(5).into()])).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(city.run(run("")).await.unwrap().distribution["D"], 1);
    let found = city.run(afresh()).await.unwrap();
    assert_eq!((found.changed, found.distribution.get("D")), (1, None));
    // Another version evaluates everybody.
    let next = api::NewSchemeVersionRequest { scheme: "s".to_owned(), ..Default::default() };
    city.schemes(city.office()).new_scheme_version(next).await.unwrap();
    let publish = api::PublishSchemeRequest { scheme: "s".to_owned(), ..Default::default() };
    let evaluated = city.evaluations("run");
    city.schemes(city.office()).publish_scheme(publish).await.unwrap();
    city.at_rest().await;
    assert_eq!(city.run(run("")).await.unwrap().held, 40);
    assert_eq!(city.evaluations("run"), evaluated + 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_missed_who_arrives_while_a_scheme_is_published() {
    let city = City::at("2026-02-01T02:00:00Z").await;
    let arriving = async {
        let mut position = String::new();
        for first in (0..1_000).step_by(20) {
            position = city
                .register((first + 1..=first + 20).map(|serial| subject(serial, &["D09"])).collect())
                .await;
        }
        position
    };
    let publishing = async {
        for id in ["s", "t", "u"] {
            tokio::time::sleep(Duration::from_millis(30)).await;
            city.publish(scheme(id)).await;
        }
    };
    let (position, ()) = tokio::join!(arriving, publishing);
    city.arrive(&position).await;
    for id in ["s", "t", "u"] {
        city.all_graded(id, 1_000).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_cannot_be_is_refused_at_once() {
    let city = City::at("2026-02-01T02:00:00Z").await;
    let mut client = city.runs(city.transport());
    let unknown = client.create_run(run("")).await.unwrap_err();
    assert_eq!((unknown.code(), reason(&unknown).as_str()), (Code::NotFound, "SCHEME_UNKNOWN"));
    let draft = api::CreateSchemeRequest { scheme: Some(scheme("s")), ..Default::default() };
    city.schemes(city.transport()).create_scheme(draft).await.unwrap();
    for as_of in ["", "2026-01-01"] {
        let drafted = client.create_run(run(as_of)).await.unwrap_err();
        assert_eq!(
            (drafted.code(), reason(&drafted).as_str()),
            (Code::FailedPrecondition, "SCHEME_NOT_PUBLISHED")
        );
    }
    let publish = api::PublishSchemeRequest { scheme: "s".to_owned(), ..Default::default() };
    city.schemes(city.transport()).publish_scheme(publish).await.unwrap();
    let no_day = client.create_run(run("2026-02-30")).await.unwrap_err();
    assert_eq!(super::city::wrong_fields(&no_day)[0].0, "asOf");
    let nowhere = api::CreateRunRequest { min_position: "x".to_owned(), ..run("") };
    assert_eq!(reason(&client.create_run(nowhere).await.unwrap_err()), "CURSOR_INVALID");
    let never = city.run(api::CreateRunRequest { min_position: "9000000000.1".to_owned(), ..run("") }).await;
    assert_eq!(reason(&never.unwrap_err()), "POSITION_NOT_REACHED");
    assert_eq!(city.run(run("")).await.unwrap(), api::RunResponse::default(), "nobody to grade");
    let others = api::GetOperationRequest { id: "none".to_owned() };
    assert_eq!(
        city.operations(city.transport()).get_operation(others).await.unwrap_err().code(),
        Code::NotFound
    );
}
