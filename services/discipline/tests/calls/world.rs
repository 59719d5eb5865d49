//! A credit with a few subjects, a discipline beside it, and clients of several departments.
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use chassis::{
    Store,
    access::Claims,
    trial::{Authorized, Bearer, Trial},
    upstream::Upstream,
};
use contract::{
    credit::v1::{
        self as credit, profiles_client::ProfilesClient, records_client::RecordsClient,
        subjects_client::SubjectsClient,
    },
    discipline::v1::{
        self as api, applications_client::ApplicationsClient, cases_client::CasesClient,
        checks_client::ChecksClient, deadlines_client::DeadlinesClient, figures_client::FiguresClient,
        listings_client::ListingsClient, lists_client::ListsClient, measures_client::MeasuresClient,
        objections_client::ObjectionsClient, papers_client::PapersClient, repairs_client::RepairsClient,
        suggestions_client::SuggestionsClient,
    },
};
use identifiers::Uscc;
use tonic::{Request, Status};
use tower::ServiceExt;

pub const LIST: &str = "wage-arrears";

pub struct World {
    pub trial: Trial,
    pub credit: Upstream,
    pub upstream: Upstream,
    /// Discipline's database.
    pub store: Store,
    /// How many more of credit's answers to submitted records get lost on the way back.
    pub answers_to_lose: Arc<AtomicUsize>,
    /// Whether credit can't be reached.
    pub credit_away: Arc<AtomicBool>,
}

/// A client of discipline.
#[derive(Clone)]
pub struct Client {
    pub lists: ListsClient<Authorized>,
    pub measures: MeasuresClient<Authorized>,
    pub cases: CasesClient<Authorized>,
    pub listings: ListingsClient<Authorized>,
    pub checks: ChecksClient<Authorized>,
    pub applications: ApplicationsClient<Authorized>,
    pub deadlines: DeadlinesClient<Authorized>,
    pub figures: FiguresClient<Authorized>,
    pub objections: ObjectionsClient<Authorized>,
    pub papers: PapersClient<Authorized>,
    pub repairs: RepairsClient<Authorized>,
    pub suggestions: SuggestionsClient<Authorized>,
}

pub const ALL: &str = "discipline.read discipline.write discipline.propose discipline.decide";

impl World {
    /// Subjects 1 to 5 are registered; the list and two measures are on file.
    pub async fn at(clock: &str) -> Self {
        let trial = Trial::at(clock);
        let credit = trial.run(::credit::open(&trial.boot).await.unwrap());
        let answers_to_lose = Arc::new(AtomicUsize::new(0));
        let credit_away = Arc::new(AtomicBool::new(false));
        let lost = (answers_to_lose.clone(), credit_away.clone());
        let as_discipline = bound(credit.clone(), service(&trial), lost);
        let role = discipline::open(&trial.boot, as_discipline).await.unwrap();
        let store = role.store.clone();
        let upstream = trial.run(role);
        let world = Self { trial, credit, upstream, store, answers_to_lose, credit_away };
        world.register(1..=5).await;
        let mut office = world.office();
        for (id, departments) in [("procurement-ban", vec!["finance"]), ("key-supervision", vec![])] {
            office.measures.put_measure(put_measure(measure(id, &departments))).await.unwrap();
        }
        office.lists.put_list(put_list(list(LIST))).await.unwrap();
        world
    }

    pub async fn register(&self, serials: impl IntoIterator<Item = u32>) {
        let row = |serial| credit::SubjectInput {
            uscc: code(serial),
            name: format!("虚构劳务{serial}号有限公司"),
            region: "640399".into(),
            kind: "COMPANY".into(),
            ..Default::default()
        };
        let subjects = serials.into_iter().map(row).collect();
        let request = credit::BatchUpsertSubjectsRequest { subjects, ..Default::default() };
        let token = self.trial.token("market-regulation", "credit.read credit.write");
        let mut client = SubjectsClient::with_interceptor(self.credit.clone(), token);
        let outcomes = client.batch_upsert_subjects(request).await.unwrap().into_inner().outcomes;
        assert!(outcomes.iter().all(|outcome| outcome.error.is_none()), "{outcomes:?}");
    }

    /// Starts one more replica of discipline on the same database.
    pub async fn replica(&self) -> Upstream {
        let lost = (self.answers_to_lose.clone(), self.credit_away.clone());
        let as_discipline = bound(self.credit.clone(), service(&self.trial), lost);
        self.trial.run(discipline::open(&self.trial.boot, as_discipline).await.unwrap())
    }

    pub fn client(&self, claims: Claims) -> Client {
        self.client_of(&self.upstream, claims)
    }

    /// A client of one replica.
    pub fn client_of(&self, replica: &Upstream, claims: Claims) -> Client {
        let token = self.trial.token_of(claims);
        let upstream = || replica.clone();
        Client {
            lists: ListsClient::with_interceptor(upstream(), token.clone()),
            measures: MeasuresClient::with_interceptor(upstream(), token.clone()),
            cases: CasesClient::with_interceptor(upstream(), token.clone()),
            listings: ListingsClient::with_interceptor(upstream(), token.clone()),
            checks: ChecksClient::with_interceptor(upstream(), token.clone()),
            applications: ApplicationsClient::with_interceptor(upstream(), token.clone()),
            deadlines: DeadlinesClient::with_interceptor(upstream(), token.clone()),
            figures: FiguresClient::with_interceptor(upstream(), token.clone()),
            objections: ObjectionsClient::with_interceptor(upstream(), token.clone()),
            papers: PapersClient::with_interceptor(upstream(), token.clone()),
            repairs: RepairsClient::with_interceptor(upstream(), token.clone()),
            suggestions: SuggestionsClient::with_interceptor(upstream(), token),
        }
    }

    /// A person's client of a department.
    pub fn of(&self, department: &str, sub: &str) -> Client {
        self.client(self.claims(department, sub, ALL))
    }

    pub fn claims(&self, department: &str, sub: &str, scope: &str) -> Claims {
        Claims {
            sub: sub.into(),
            department: department.into(),
            scope: scope.into(),
            default_purpose: "办理案件".into(),
            ..self.trial.claims()
        }
    }

    /// An enterprise's own client.
    pub fn enterprise(&self, uscc: &str) -> Client {
        self.client(Claims { uscc: uscc.into(), ..self.claims("", "enterprise", ALL) })
    }

    pub fn office(&self) -> Client {
        let claims = self.claims("credit-office", "office", ALL);
        self.client(Claims { roles: vec!["office".into()], ..claims })
    }

    pub async fn records(&self, uscc: &str, item: &str) -> Vec<credit::Record> {
        let token = self.trial.token("market-regulation", "credit.read");
        let request = credit::ListRecordsRequest {
            uscc: uscc.into(),
            item: item.into(),
            purpose: "试验".into(),
            ..Default::default()
        };
        let mut client = RecordsClient::with_interceptor(self.credit.clone(), token);
        client.list_records(request).await.unwrap().into_inner().records
    }

    /// What everybody sees of a subject in credit.
    pub async fn public_records(&self, uscc: &str) -> Vec<credit::Record> {
        let request = credit::GetPublicProfileRequest { uscc: uscc.into() };
        let mut client = ProfilesClient::new(self.credit.clone());
        client.get_public_profile(request).await.unwrap().into_inner().records
    }

    /// The record as it stands in credit.
    pub async fn record(&self, record: &str) -> credit::Record {
        let claims = self.claims("credit-office", "office", "credit.read");
        let token = self.trial.token_of(Claims { roles: vec!["office".into()], ..claims });
        let request = credit::ListRecordVersionsRequest {
            record: record.into(),
            purpose: "试验".into(),
            ..Default::default()
        };
        let mut client = RecordsClient::with_interceptor(self.credit.clone(), token);
        let versions = client.list_record_versions(request).await.unwrap().into_inner().versions;
        versions.into_iter().next().and_then(|version| version.record).expect("the present version")
    }

    /// A penalty that the transport department submits; gives its id.
    pub async fn penalty(&self, serial: u32, source: &str, on: &str) -> String {
        let record = credit::RecordInput {
            uscc: code(serial),
            item: "administrative-penalty".into(),
            source_id: source.into(),
            occurred_on: on.into(),
            severity: 2,
            ..Default::default()
        };
        let request = credit::SubmitRecordsRequest { records: vec![record], ..Default::default() };
        let outcome = self.transport().submit_records(request).await.unwrap().into_inner().outcomes.remove(0);
        assert!(outcome.error.is_none(), "{outcome:?}");
        outcome.record
    }

    /// The transport department's client of credit's records.
    pub fn transport(&self) -> RecordsClient<Authorized> {
        let token = self.trial.token("transport", "credit.read credit.write");
        RecordsClient::with_interceptor(self.credit.clone(), token)
    }

    /// A case that is published: proposed by hrss, decided by its chief, on the days given.
    pub async fn listed(&self, list: &str, uscc: &str, notice: &str, decision: &str) -> api::Case {
        let (mut clerk, mut chief) = (self.of("hrss", "clerk"), self.of("hrss", "chief"));
        let case = clerk.cases.create_case(propose(list, uscc)).await.unwrap().into_inner();
        clerk.cases.notify_case(step(&case, notice)).await.unwrap();
        clerk.cases.waive_defence(step(&case, notice)).await.unwrap();
        chief.cases.decide_case(decide(&case, decision, api::case::Outcome::List)).await.unwrap();
        clerk.cases.serve_case(step(&case, decision)).await.unwrap();
        clerk.cases.publish_case(step(&case, decision)).await.unwrap().into_inner()
    }

    pub async fn check(&self, client: &mut Client, codes: &[&str]) -> Vec<api::CheckResult> {
        let uscc = codes.iter().map(|&code| code.into()).collect();
        let request =
            api::CheckSubjectsRequest {
                uscc, purpose: "政府采购资格审查".into(), ..Default::default()
            };
        client.checks.check_subjects(request).await.unwrap().into_inner().results
    }
}

// What the suite does with an identity of the service, done here with a token; some answers get lost.
fn bound(
    credit: Upstream,
    token: Bearer,
    (answers_to_lose, credit_away): (Arc<AtomicUsize>, Arc<AtomicBool>),
) -> Upstream {
    Upstream::local(axum::Router::new().fallback(move |mut request: axum::extract::Request| {
        let (credit, token, answers_to_lose) = (credit.clone(), token.clone(), answers_to_lose.clone());
        let away = credit_away.load(Ordering::SeqCst);
        async move {
            if away {
                return Status::unavailable("away").into_http();
            }
            request.headers_mut().insert("authorization", token.text().parse().unwrap());
            let submits = request.uri().path().ends_with("/SubmitRecords");
            let answer = credit.oneshot(request.map(tonic::body::Body::new)).await.unwrap();
            let lost = submits
                && answers_to_lose
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
                    .is_ok();
            if lost {
                Status::unavailable("broken off").into_http()
            } else {
                answer.map(axum::body::Body::new)
            }
        }
    }))
}

fn service(trial: &Trial) -> Bearer {
    trial.token_of(Claims {
        sub: "svc-discipline".into(),
        scope: "credit.read credit.write".into(),
        roles: vec!["service".into()],
        ..trial.claims()
    })
}

pub fn code(serial: u32) -> String {
    Uscc::fictional(serial).to_string()
}

pub fn measure(id: &str, departments: &[&str]) -> api::Measure {
    api::Measure {
        measure_id: id.into(),
        name: format!("措施{id}"),
        group: "限制市场或行业准入".into(),
        legal_basis: "保障农民工工资支付条例 第四十八条".into(),
        departments: departments.iter().map(|&department| department.into()).collect(),
        ..Default::default()
    }
}

pub fn list(id: &str) -> api::List {
    api::List {
        list_id: id.into(),
        name: "拖欠农民工工资失信联合惩戒对象名单".into(),
        kind: api::list::Kind::Punitive.into(),
        legal_basis: "人社部令第45号".into(),
        decided_by: vec!["hrss".into()],
        publication_months: 36,
        repair_after_months: 6,
        defence_working_days: 5,
        measures: vec!["key-supervision".into(), "procurement-ban".into()],
        domains: vec!["D16".into()],
        ..Default::default()
    }
}

pub fn put_list(list: api::List) -> api::PutListRequest {
    api::PutListRequest { list: Some(list), ..Default::default() }
}

pub fn put_measure(measure: api::Measure) -> api::PutMeasureRequest {
    api::PutMeasureRequest { measure: Some(measure), ..Default::default() }
}

pub fn propose(list: &str, uscc: &str) -> api::CreateCaseRequest {
    api::CreateCaseRequest {
        list_id: list.into(),
        uscc: uscc.into(),
        evidence: vec!["责令改正决定书".into()],
        facts: "逾期未支付工资".into(),
        ..Default::default()
    }
}

pub fn step(case: &api::Case, on: &str) -> api::CaseStepRequest {
    api::CaseStepRequest {
        case: case.case_id.clone(),
        on: on.into(),
        document_number: "虚构人社〔2026〕1号".into(),
        text: "文书".into(),
        ..Default::default()
    }
}

pub fn decide(case: &api::Case, on: &str, outcome: api::case::Outcome) -> api::DecideCaseRequest {
    api::DecideCaseRequest {
        case: case.case_id.clone(),
        on: on.into(),
        document_number: "虚构人社决〔2026〕1号".into(),
        text: "决定".into(),
        outcome: outcome.into(),
        ..Default::default()
    }
}

pub fn in_chinese<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("accept-language", "zh-CN".parse().unwrap());
    request
}

/// A fact of the refusal that a program reads.
pub fn metadata(status: &Status, key: &str) -> String {
    use tonic_types::StatusExt;
    let info = status.get_details_error_info().expect("an ErrorInfo");
    info.metadata.get(key).cloned().unwrap_or_default()
}

/// The fields that a refusal names.
pub fn wrong_fields(status: &Status) -> Vec<String> {
    use tonic_types::StatusExt;
    let violations = status.get_details_bad_request().map(|details| details.field_violations);
    violations.unwrap_or_default().into_iter().map(|one| one.field).collect()
}

/// Waits for what happens in the background, at most ten seconds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    for _ in 0..400 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{what} did not happen");
}
