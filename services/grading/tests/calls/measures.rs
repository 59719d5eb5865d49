//! Measures: every put is a version with its first day, who put it and why; the old ones stay readable.
use chassis::trial::reason;
use contract::grading::v1 as api;
use tonic::Code;

use super::city::{City, code, scheme};

fn measure(grade: &str, sampling_percent: f64) -> api::Measure {
    api::Measure { grade: grade.to_owned(), sampling_percent, ..Default::default() }
}

fn put(measures: Vec<api::Measure>, effective_from: &str, reason: &str) -> api::PutMeasuresRequest {
    api::PutMeasuresRequest {
        scheme: "s".to_owned(),
        measures,
        effective_from: effective_from.to_owned(),
        reason: reason.to_owned(),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_measures_is_a_version_with_its_first_day() {
    let city = City::at("2026-02-01T02:00:00Z").await;
    city.publish(scheme("s")).await;
    let mut client = city.schemes(city.transport());
    let get = |version: i32, as_of: &str| api::GetMeasuresRequest {
        scheme: "s".to_owned(),
        version,
        as_of: as_of.to_owned(),
        ..Default::default()
    };
    let none = client.get_measures(get(0, "")).await.unwrap().into_inner();
    assert_eq!((none.version, none.measures), (0, vec![]));
    let first =
        client.put_measures(put(vec![measure("A", 1.0)], "", "办法第一条")).await.unwrap().into_inner();
    assert_eq!((first.version, first.effective_from.as_str()), (1, "2026-02-01"));
    assert_eq!((first.put_by.as_str(), first.department.as_str()), ("transport-client", "transport"));
    assert_eq!(first.reason, "办法第一条");
    let coming = vec![measure("A", 2.0), measure("D", 100.0)];
    let second =
        client.put_measures(put(coming.clone(), "2026-03-01", "办法修订")).await.unwrap().into_inner();
    assert_eq!((second.version, &second.measures), (2, &coming));

    let percents = async |version: i32, as_of: &str| {
        let found = city.schemes(city.office()).get_measures(get(version, as_of)).await.unwrap().into_inner();
        (found.version, found.measures.iter().map(|measure| measure.sampling_percent).collect::<Vec<_>>())
    };
    assert_eq!(percents(0, "").await, (1, vec![1.0]), "the coming ones wait for their day");
    assert_eq!(percents(0, "2026-03-01").await, (2, vec![2.0, 100.0]));
    assert_eq!(percents(2, "").await, (2, vec![2.0, 100.0]));
    let read = api::GetSchemeRequest { scheme: "s".to_owned(), ..Default::default() };
    assert_eq!(client.get_scheme(read.clone()).await.unwrap().into_inner().measures, [measure("A", 1.0)]);
    city.set_clock("2026-02-28T16:00:00Z");
    assert_eq!(client.get_scheme(read).await.unwrap().into_inner().measures, coming, "by itself on its day");
    assert_eq!(percents(1, "").await, (1, vec![1.0]), "the old ones stay readable");

    let list = api::ListMeasureVersionsRequest { scheme: "s".to_owned(), page_size: 1, ..Default::default() };
    let page = client.list_measure_versions(list.clone()).await.unwrap().into_inner();
    assert_eq!(page.versions.iter().map(|found| found.version).collect::<Vec<_>>(), [2]);
    let rest = api::ListMeasureVersionsRequest { page_token: page.next_page_token, ..list };
    let rest = client.list_measure_versions(rest).await.unwrap().into_inner();
    assert_eq!((rest.versions[0].version, rest.next_page_token.as_str()), (1, ""));
    assert_eq!(rest.versions[0].reason, "办法第一条");

    let past = client.put_measures(put(vec![], "2026-02-01", "")).await.unwrap_err();
    assert_eq!((past.code(), reason(&past).as_str()), (Code::InvalidArgument, "EFFECTIVE_DAY_PAST"));
    let missing = client.get_measures(get(9, "")).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
    let mut enterprise = city.schemes(city.enterprise(&code(1)));
    let denied = enterprise.put_measures(put(vec![measure("A", 0.0)], "", "")).await.unwrap_err();
    assert_eq!(
        (denied.code(), reason(&denied).as_str()),
        (Code::PermissionDenied, "SCHEME_OF_OTHER_DEPARTMENT")
    );
}
