//! Simulations and shadows: what a draft would do, told before it is published and to its own department only.
use std::time::Duration;

use chassis::trial::reason;
use contract::{
    google::longrunning::operation,
    grading::v1::{self as api, Visits},
};
use prost::Message;
use tonic::Code;

use super::city::{City, code, record, scheme, subject, wrong_fields};

// Ten subjects: the first has one penalty, the second three. Under the scheme eight have A, one B, one C.
async fn city() -> City {
    let city = City::at("2026-02-01T02:00:00Z").await;
    city.register((1..=10).map(|serial| subject(serial, &["D09"])).collect()).await;
    let mut penalties = vec![record(1, "penalty", "P-1", "2026-01-10")];
    penalties.extend((2..=4).map(|n| record(2, "penalty", &format!("P-{n}"), "2026-01-10")));
    city.arrive(&city.submit(penalties).await.1).await;
    city.publish(scheme("s")).await;
    let expected = [("A".to_owned(), 8), ("B".to_owned(), 1), ("C".to_owned(), 1)].into();
    for _ in 0..200 {
        if city.distribution("s").await == expected {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let measure = |grade: &str, sampling_percent: f64| api::Measure {
        grade: grade.to_owned(),
        sampling_percent,
        ..Default::default()
    };
    let measures = vec![measure("A", 10.0), measure("B", 50.0), measure("C", 100.0), measure("D", 100.0)];
    let put = api::PutMeasuresRequest { scheme: "s".to_owned(), measures, ..Default::default() };
    city.schemes(city.transport()).put_measures(put).await.unwrap();
    // The draft starts from 20 less: 80, 65, 40.
    let mut client = city.schemes(city.transport());
    let next = api::NewSchemeVersionRequest { scheme: "s".to_owned(), ..Default::default() };
    let mut draft = client.new_scheme_version(next).await.unwrap().into_inner();
    draft.model.as_mut().unwrap().base_score = Some(80.0);
    let change = api::UpdateSchemeRequest { scheme: Some(draft), ..Default::default() };
    client.update_scheme(change).await.unwrap();
    city
}

fn cells(found: &api::SimulationResponse) -> Vec<String> {
    found.migration.iter().map(|cell| format!("{}{}{}", cell.from, cell.to, cell.count)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_simulated_over_the_population() {
    let city = city().await;
    let simulate = api::SimulateSchemeRequest { scheme: "s".to_owned(), top: Some(2), ..Default::default() };
    let run = async |request: api::SimulateSchemeRequest| {
        let started = city.simulations(city.transport()).simulate_scheme(request).await.unwrap().into_inner();
        let ended = city.finish(&started).await;
        let operation::Result::Response(any) = ended.result.unwrap() else { panic!("it failed") };
        let metadata = api::SimulationMetadata::decode(ended.metadata.unwrap().value.as_slice()).unwrap();
        (api::SimulationResponse::decode(any.value.as_slice()).unwrap(), metadata)
    };
    let (found, metadata) = run(simulate.clone()).await;
    assert_eq!((metadata.version, metadata.compared_version, metadata.as_of.as_str()), (2, 1, "2026-02-01"));
    let progress = metadata.progress.unwrap();
    assert_eq!((progress.total, progress.evaluated, found.evaluated), (10, 10, 10));
    assert_eq!(found.distribution, [("B".to_owned(), 8), ("C".to_owned(), 1), ("D".to_owned(), 1)].into());
    assert_eq!(found.present_distribution, city.distribution("s").await.into_iter().collect());
    assert_eq!(cells(&found), ["AB8", "BC1", "CD1"]);
    // By hand: 10 percent of 8 is 0.8, so 1; half of 1 is 1; all of 1 is 1. Then half of 8 is 4, all of 1 and all of 1.
    assert_eq!(found.visits, Some(Visits { before: 3, after: 6 }));
    let mut codes: Vec<String> = (1..=10).map(code).collect();
    codes.sort();
    let movers: Vec<_> = found.movers.iter().map(|mover| mover.uscc.clone()).collect();
    assert_eq!(movers, codes[..2], "all change by a place and by twenty; the first codes are named");
    assert_eq!(found.movers[0].score_before.unwrap() - found.movers[0].score_after.unwrap(), 20.0);
    assert_eq!(city.distribution("s").await.get("A"), Some(&8), "no grade changed");

    let supposed = vec![api::SupposedMeasure { grade: "B".to_owned(), sampling_percent: 0.0 }];
    let (found, _) = run(api::SimulateSchemeRequest { measures: supposed, ..simulate.clone() }).await;
    assert_eq!(found.visits, Some(Visits { before: 3, after: 0 }), "measures that are only supposed");
    let (found, _) =
        run(api::SimulateSchemeRequest { as_of: "2026-01-01".to_owned(), ..simulate.clone() }).await;
    assert_eq!(cells(&found), ["AB10"], "before the penalties");

    let mut client = city.simulations(city.transport());
    let wrong = vec![api::SupposedMeasure { grade: "E".to_owned(), sampling_percent: 1.0 }];
    let refused =
        client.simulate_scheme(api::SimulateSchemeRequest { measures: wrong, ..simulate.clone() }).await;
    assert_eq!(wrong_fields(&refused.unwrap_err())[0].1, "GRADE_NOT_OF_SCHEME");
    let missing = api::SimulateSchemeRequest { scheme: "none".to_owned(), ..simulate.clone() };
    assert_eq!(reason(&client.simulate_scheme(missing).await.unwrap_err()), "SCHEME_UNKNOWN");
    for token in [city.trial.token("commerce", super::city::ALL), city.enterprise(&code(1))] {
        let denied = city.simulations(token).simulate_scheme(simulate.clone()).await.unwrap_err();
        assert_eq!(
            (denied.code(), reason(&denied).as_str()),
            (Code::PermissionDenied, "SCHEME_OF_OTHER_DEPARTMENT")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_grades_along_and_ends_on_its_day() {
    let city = city().await;
    let mut client = city.simulations(city.transport());
    let start = |until: &str| api::StartShadowRequest {
        scheme: "s".to_owned(),
        until: until.to_owned(),
        ..Default::default()
    };
    for wrong in ["2026-01-31", "2027-02-02"] {
        assert_eq!(wrong_fields(&client.start_shadow(start(wrong)).await.unwrap_err())[0].0, "until");
    }
    let get = api::GetShadowRequest { scheme: "s".to_owned(), ..Default::default() };
    assert_eq!(reason(&client.get_shadow(get.clone()).await.unwrap_err()), "SHADOW_UNKNOWN");
    let shadow = client.start_shadow(start("2026-02-09")).await.unwrap().into_inner();
    assert_eq!((shadow.version, shadow.until.as_str(), shadow.end_time), (2, "2026-02-09", None));
    assert_eq!(reason(&client.start_shadow(start("2026-02-09")).await.unwrap_err()), "SHADOW_EXISTS");
    let found = async || {
        let shadow = city.simulations(city.transport()).get_shadow(get.clone()).await.unwrap().into_inner();
        shadow.comparison.unwrap()
    };
    let settled = async |expected: &[&str]| {
        for _ in 0..200 {
            if cells(&found().await) == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{:?}", cells(&found().await));
    };
    settled(&["AB8", "BC1", "CD1"]).await;
    assert_eq!(found().await.visits, Some(Visits { before: 3, after: 6 }));

    // It follows the feed like the version in force, and shows nowhere but in its report.
    let (_, position) = city.submit(vec![record(3, "penalty", "P-9", "2026-01-20")]).await;
    assert_eq!(city.graded(&code(3), "s", &position).await, ("B".to_owned(), Some(85.0)));
    settled(&["AB7", "BC2", "CD1"]).await;
    assert_eq!(city.look(&code(3), "").await.grades.len(), 1, "no grade of a shadow among the grades");
    let listed = city.schemes(city.office()).list_schemes(api::ListSchemesRequest::default()).await.unwrap();
    assert_eq!(listed.into_inner().schemes.len(), 1);
    for token in [city.trial.token("commerce", super::city::ALL), city.enterprise(&code(1))] {
        let denied = city.simulations(token).get_shadow(get.clone()).await.unwrap_err();
        assert_eq!(reason(&denied), "SCHEME_OF_OTHER_DEPARTMENT");
    }
    for id in ["s~1", "s~2"] {
        let request = api::GetDistributionRequest { scheme: id.to_owned(), ..Default::default() };
        let hidden = city.grades(city.office()).get_distribution(request).await.unwrap_err();
        assert_eq!(reason(&hidden), "SCHEME_UNKNOWN", "{id}");
    }

    city.set_clock("2026-02-09T16:00:00Z");
    let ended = client.get_shadow(get.clone()).await.unwrap().into_inner();
    assert!(ended.end_time.is_some(), "it ends by itself");
    assert_eq!(cells(&ended.comparison.unwrap()), ["AB7", "BC2", "CD1"], "the comparison of its end stays");
    let end = api::EndShadowRequest { scheme: "s".to_owned(), ..Default::default() };
    assert_eq!(reason(&client.end_shadow(end.clone()).await.unwrap_err()), "SHADOW_UNKNOWN");
    client.start_shadow(start("2026-03-01")).await.unwrap();
    let ended = client.end_shadow(end).await.unwrap().into_inner();
    assert!(ended.end_time.is_some() && ended.comparison.is_some());
    assert_eq!(city.look(&code(1), "").await.grades.len(), 1);

    city.publish(scheme("undrafted")).await;
    let undrafted = api::StartShadowRequest { scheme: "undrafted".to_owned(), ..start("2026-03-01") };
    assert_eq!(reason(&client.start_shadow(undrafted).await.unwrap_err()), "DRAFT_MISSING");
}
