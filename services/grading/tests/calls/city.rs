//! A small city: credit and grading in one process, a catalogue, and the tokens of those who call.
use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chassis::{
    Store,
    access::Claims,
    serve::{Boot, Role},
    settings::Settings,
    storage::sql,
    trial::{Authorized, Bearer, Trial},
    upstream::Upstream,
};
use contract::{
    credit::v1::{
        self as credit, authorizations_client::AuthorizationsClient, items_client::ItemsClient,
        records_client::RecordsClient, repairs_client::RepairsClient, subjects_client::SubjectsClient,
    },
    google::longrunning::{Operation, operation},
    grading::v1::{
        self as api, figures_client::FiguresClient, grades_client::GradesClient, indicator::Measure as Kind,
        objections_client::ObjectionsClient, operations_client::OperationsClient,
        overrides_client::OverridesClient, runs_client::RunsClient, schemes_client::SchemesClient,
        simulations_client::SimulationsClient,
    },
};
use futures::TryStreamExt;
use http::{HeaderValue, header::AUTHORIZATION};
use identifiers::Uscc;
use prost::Message;
use prost_types::{Struct, Value, value};
use sea_orm::ConnectionTrait;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Status;

pub const ALL: &str = "grading.read grading.write grading.publish credit.read credit.write";

pub struct City {
    pub trial: Trial,
    credit: Upstream,
    /// Credit as grading calls it.
    as_grading: Upstream,
    grading: Upstream,
    /// Ends grading alone.
    stopping: CancellationToken,
    /// Grading's own database.
    pub grading_store: Store,
}

/// A further replica of grading.
pub struct Replica(Vec<JoinHandle<()>>);

impl Replica {
    /// Ends it as a power cut would: where it stands, with whatever it holds.
    pub fn kill(self) {
        for task in self.0 {
            task.abort();
        }
    }
}

impl City {
    pub async fn at(clock_start: &str) -> Self {
        let trial = Trial::at(clock_start);
        let role = ::credit::open(&trial.boot).await.unwrap();
        let service = Claims {
            sub: String::from("svc-grading"),
            roles: vec![String::from("service")],
            scope: String::from("credit.read"),
            ..trial.claims()
        };
        let token = HeaderValue::from_str(trial.token_of(service).text()).unwrap();
        let known = axum::middleware::map_request(move |mut request: axum::extract::Request| {
            let token = token.clone();
            async move {
                request.headers_mut().insert(AUTHORIZATION, token);
                request
            }
        });
        let as_grading = Upstream::local(role.router.clone().layer(known));
        let credit = trial.run(role);
        let (grading, stopping, grading_store) = open(&trial, &as_grading).await;
        let city = Self { trial, credit, as_grading, grading, stopping, grading_store };
        city.put_item("penalty", &[("kind", "STRING"), ("days", "INTEGER")]).await;
        city.put_item("tax-grade", &[("grade", "string")]).await;
        city.put_item("black-listing", &[]).await;
        city
    }

    /// Ends grading where it stands and opens it again.
    pub async fn restart(&mut self) {
        self.stopping.cancel();
        (self.grading, self.stopping, self.grading_store) = open(&self.trial, &self.as_grading).await;
    }

    /// Opens one more grading on the same database.
    pub async fn hire(&self) -> Replica {
        let role = ::grading::open(&self.trial.boot, self.as_grading.clone()).await.unwrap();
        Replica(role.background.into_iter().map(tokio::spawn).collect())
    }

    /// Ends grading's own work in the background; its calls go on.
    pub fn stop(&self) {
        self.stopping.cancel();
    }

    /// A grading with a database of its own whose work has not begun yet.
    pub async fn apart(&self) -> Role {
        let mut settings = Settings::clone(&self.trial.boot.settings);
        settings.data_dir = self.trial.folder.path().join("apart");
        std::fs::create_dir(&settings.data_dir).unwrap();
        settings.database = settings.database.replace("{service}", "{service}_apart");
        let boot = Boot { settings: Arc::new(settings), ..self.trial.boot.clone() };
        ::grading::open(&boot, self.as_grading.clone()).await.unwrap()
    }

    /// Asks another grading from here on.
    pub fn turn_to(&mut self, role: Role) {
        self.grading_store = role.store.clone();
        self.grading = self.trial.run(role);
    }

    /// The same before its work has begun.
    pub fn look_into(&mut self, role: &Role) {
        self.grading = Upstream::local(role.router.clone());
    }

    pub fn repairs(&self, token: Bearer) -> RepairsClient<Authorized> {
        RepairsClient::with_interceptor(self.credit.clone(), token)
    }

    /// A number that grading's database answers to a question without parameters.
    pub async fn number(&self, text: &str) -> i64 {
        let db = self.grading_store.read();
        let row = db.query_one_raw(sql(db, text, [])).await.unwrap().unwrap();
        row.try_get_by_index(0).unwrap()
    }

    /// How many evaluations a cause has led to, as the operator sees it.
    pub fn evaluations(&self, cause: &str) -> u64 {
        let text = String::from_utf8(self.trial.boot.metrics.text().unwrap()).unwrap();
        let name = format!("xinheng_grading_evaluations_total{{cause=\"{cause}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
    }

    async fn put_item(&self, item: &str, fields: &[(&str, &str)]) {
        self.put_item_of(item, fields, credit::catalogue_item::Nature::Public).await;
    }

    pub async fn put_item_of(
        &self,
        item: &str,
        fields: &[(&str, &str)],
        nature: credit::catalogue_item::Nature,
    ) {
        let field = |(key, kind): &(&str, &str)| credit::CatalogueField {
            key: (*key).to_owned(),
            name: (*key).to_owned(),
            r#type: (*kind).to_owned(),
            ..Default::default()
        };
        let catalogue_item = credit::CatalogueItem {
            item: item.to_owned(),
            name: item.to_owned(),
            nature: nature as i32,
            legal_basis: String::from("试验目录"),
            fields: fields.iter().map(field).collect(),
            ..Default::default()
        };
        let request = credit::PutItemRequest { catalogue_item: Some(catalogue_item), ..Default::default() };
        ItemsClient::with_interceptor(self.credit.clone(), self.office()).put_item(request).await.unwrap();
    }

    pub fn office(&self) -> Bearer {
        self.trial.token_of(Claims {
            sub: String::from("office"),
            department: String::from("credit-office"),
            roles: vec![String::from("office")],
            scope: ALL.to_owned(),
            default_purpose: String::from("test"),
            ..self.trial.claims()
        })
    }

    pub fn transport(&self) -> Bearer {
        self.trial.token("transport", ALL)
    }

    pub fn enterprise(&self, uscc: &str) -> Bearer {
        self.trial.token_of(Claims {
            sub: format!("client-of-{uscc}"),
            uscc: uscc.to_owned(),
            scope: String::from("grading.read grading.write"),
            default_purpose: String::from("own"),
            ..self.trial.claims()
        })
    }

    pub fn schemes(&self, token: Bearer) -> SchemesClient<Authorized> {
        SchemesClient::with_interceptor(self.grading.clone(), token)
    }

    pub fn grades(&self, token: Bearer) -> GradesClient<Authorized> {
        GradesClient::with_interceptor(self.grading.clone(), token)
    }

    pub fn figures(&self, token: Bearer) -> FiguresClient<Authorized> {
        FiguresClient::with_interceptor(self.grading.clone(), token)
    }

    pub fn runs(&self, token: Bearer) -> RunsClient<Authorized> {
        RunsClient::with_interceptor(self.grading.clone(), token)
    }

    pub fn simulations(&self, token: Bearer) -> SimulationsClient<Authorized> {
        SimulationsClient::with_interceptor(self.grading.clone(), token)
    }

    pub fn objections(&self, token: Bearer) -> ObjectionsClient<Authorized> {
        ObjectionsClient::with_interceptor(self.grading.clone(), token)
    }

    pub fn overrides(&self, token: Bearer) -> OverridesClient<Authorized> {
        OverridesClient::with_interceptor(self.grading.clone(), token)
    }

    /// An officer of a department, by a client of his own.
    pub fn officer(&self, name: &str, department: &str) -> Bearer {
        self.trial.token_of(Claims {
            sub: name.to_owned(),
            department: department.to_owned(),
            scope: format!("{ALL} credit.decide"),
            default_purpose: String::from("test"),
            ..self.trial.claims()
        })
    }

    /// Credit's way in for objections to records and their repair.
    pub fn credit(&self) -> Upstream {
        self.credit.clone()
    }

    pub fn operations(&self, token: Bearer) -> OperationsClient<Authorized> {
        OperationsClient::with_interceptor(self.grading.clone(), token)
    }

    pub fn records(&self) -> RecordsClient<Authorized> {
        self.records_of(self.transport())
    }

    pub fn records_of(&self, token: Bearer) -> RecordsClient<Authorized> {
        RecordsClient::with_interceptor(self.credit.clone(), token)
    }

    pub fn authorizations(&self) -> AuthorizationsClient<Authorized> {
        AuthorizationsClient::with_interceptor(self.credit.clone(), self.office())
    }

    /// Registers subjects; answers the position from which they are seen.
    pub async fn register(&self, subjects: Vec<credit::SubjectInput>) -> String {
        let mut client = SubjectsClient::with_interceptor(self.credit.clone(), self.office());
        let request = credit::BatchUpsertSubjectsRequest { subjects, ..Default::default() };
        let answer = client.batch_upsert_subjects(request).await.unwrap().into_inner();
        let refused = answer.outcomes.iter().find_map(|outcome| outcome.error.as_ref());
        assert_eq!(refused, None);
        answer.position
    }

    /// Submits records; answers their ids and the position from which they are seen.
    pub async fn submit(&self, records: Vec<credit::RecordInput>) -> (Vec<String>, String) {
        let request = credit::SubmitRecordsRequest { records, ..Default::default() };
        let answer = self.records().submit_records(request).await.unwrap().into_inner();
        let refused = answer.outcomes.iter().find_map(|outcome| outcome.error.as_ref());
        assert_eq!(refused, None);
        (answer.outcomes.into_iter().map(|outcome| outcome.record).collect(), answer.position)
    }

    /// Drafts and publishes a scheme.
    pub async fn publish(&self, scheme: api::Scheme) -> api::Scheme {
        let mut client = self.schemes(self.office());
        let id = scheme.scheme_id.clone();
        client
            .create_scheme(api::CreateSchemeRequest { scheme: Some(scheme), ..Default::default() })
            .await
            .unwrap();
        let request = api::PublishSchemeRequest { scheme: id, ..Default::default() };
        client.publish_scheme(request).await.unwrap().into_inner()
    }

    /// A subject's grades from a position on.
    pub async fn look(&self, uscc: &str, min_position: &str) -> api::SubjectGrades {
        self.try_look(self.office(), uscc, min_position).await.unwrap()
    }

    pub async fn try_look(
        &self,
        token: Bearer,
        uscc: &str,
        from: &str,
    ) -> Result<api::SubjectGrades, Status> {
        let request = api::GetSubjectGradesRequest {
            uscc: uscc.to_owned(),
            min_position: from.to_owned(),
            ..Default::default()
        };
        Ok(self.grades(token).get_subject_grades(request).await?.into_inner())
    }

    /// Waits until a position has arrived, however long a slow machine takes for what lies before it.
    pub async fn arrive(&self, position: &str) {
        for _ in 0..20 {
            match self.try_look(self.office(), &code(1), position).await {
                Err(status) if status.code() == tonic::Code::Unavailable => {}
                seen => return drop(seen.unwrap()),
            }
        }
        panic!("{position} does not arrive");
    }

    /// A subject's grade and score under a scheme, once a run or the feed has given it one.
    pub async fn graded(&self, uscc: &str, scheme: &str, from: &str) -> (String, Option<f64>) {
        for _ in 0..100 {
            let seen = self.look(uscc, from).await;
            if let Some(grade) = seen.grades.into_iter().find(|grade| grade.scheme == scheme) {
                return (grade.grade, grade.score);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{uscc} has no grade under {scheme}");
    }

    pub async fn explain(&self, uscc: &str, scheme: &str, as_of: &str) -> Result<api::Explanation, Status> {
        let request = api::ExplainGradeRequest {
            uscc: uscc.to_owned(),
            scheme: scheme.to_owned(),
            as_of: as_of.to_owned(),
            ..Default::default()
        };
        Ok(self.grades(self.office()).explain_grade(request).await?.into_inner())
    }

    pub async fn history(&self, uscc: &str, scheme: &str) -> Vec<api::GradeChange> {
        let request = api::ListGradeHistoryRequest {
            uscc: uscc.to_owned(),
            scheme: scheme.to_owned(),
            ..Default::default()
        };
        self.grades(self.office()).list_grade_history(request).await.unwrap().into_inner().changes
    }

    pub async fn export(&self, request: api::ExportGradesRequest) -> Vec<api::ExportedGrade> {
        let stream = self.grades(self.office()).export_grades(request).await.unwrap().into_inner();
        stream.try_collect().await.unwrap()
    }

    pub async fn distribution(&self, scheme: &str) -> BTreeMap<String, i32> {
        let request = api::GetDistributionRequest { scheme: scheme.to_owned(), ..Default::default() };
        self.grades(self.office()).get_distribution(request).await.unwrap().into_inner().distribution
    }

    /// Waits until the run that publishing began has given so many an A; nobody asks for another run.
    pub async fn all_graded(&self, scheme: &str, count: i32) {
        for _ in 0..200 {
            if self.distribution(scheme).await == [("A".to_owned(), count)].into() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{scheme}: {:?}", self.distribution(scheme).await);
    }

    /// Waits until no operation is under way, as the run that follows a publication.
    pub async fn at_rest(&self) {
        let open = "SELECT id FROM operations WHERE done = FALSE LIMIT 1";
        for _ in 0..600 {
            let db = self.grading_store.read();
            if db.query_one_raw(sql(db, open, [])).await.unwrap().is_none() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("an operation does not end");
    }

    /// Runs a scheme over everybody and waits for the end.
    pub async fn run(&self, request: api::CreateRunRequest) -> Result<api::RunResponse, Status> {
        let started = self.runs(self.office()).create_run(request).await?.into_inner();
        let ended = self.finish(&started).await;
        match ended.result.unwrap() {
            operation::Result::Response(any) => Ok(api::RunResponse::decode(any.value.as_slice()).unwrap()),
            operation::Result::Error(error) => Err(Status::with_details(
                tonic::Code::from(error.code),
                error.message.clone(),
                error.encode_to_vec().into(),
            )),
        }
    }

    pub async fn finish(&self, started: &Operation) -> Operation {
        let id = started.name.strip_prefix("operations/").unwrap();
        for _ in 0..600 {
            let request = api::GetOperationRequest { id: id.to_owned() };
            let operation = self.operations(self.office()).get_operation(request).await.unwrap().into_inner();
            if operation.done {
                return operation;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{id} does not end");
    }

    pub fn set_clock(&self, instant: &str) {
        self.trial.boot.clock.set(instant.parse().unwrap());
    }
}

async fn open(trial: &Trial, credit: &Upstream) -> (Upstream, CancellationToken, Store) {
    let boot = Boot { stopping: CancellationToken::new(), ..trial.boot.clone() };
    let role = ::grading::open(&boot, credit.clone()).await.unwrap();
    let store = role.store.clone();
    (trial.run(role), boot.stopping, store)
}

pub fn code(serial: u32) -> String {
    Uscc::fictional(serial).to_string()
}

pub fn subject(serial: u32, domains: &[&str]) -> credit::SubjectInput {
    credit::SubjectInput {
        uscc: code(serial),
        name: format!("试验企业{serial}"),
        region: String::from(if serial.is_multiple_of(2) { "640302" } else { "640303" }),
        industry: String::from(if serial.is_multiple_of(3) { "G5431" } else { "5211" }),
        domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
        ..Default::default()
    }
}

pub fn record(serial: u32, item: &str, source_id: &str, occurred_on: &str) -> credit::RecordInput {
    credit::RecordInput {
        uscc: code(serial),
        item: item.to_owned(),
        source_id: source_id.to_owned(),
        occurred_on: occurred_on.to_owned(),
        ..Default::default()
    }
}

pub fn fields(pairs: &[(&str, value::Kind)]) -> Option<Struct> {
    let entry = |(key, kind): &(&str, value::Kind)| ((*key).to_owned(), Value { kind: Some(kind.clone()) });
    Some(Struct { fields: pairs.iter().map(entry).collect() })
}

pub fn text(text: &str) -> value::Kind {
    value::Kind::StringValue(text.to_owned())
}

/// A scheme of the transport department: penalties count down from 100 and half after a year, a good tax grade adds, a
/// listing puts at D.
pub fn scheme(id: &str) -> api::Scheme {
    let penalties = api::Indicator {
        decay: vec![step(12, 100.0), step(36, 50.0)],
        points_per_unit: Some(-15.0),
        min_points: Some(-40.0),
        ..indicator("penalties", "penalty", Kind::Count)
    };
    let fines = api::Indicator {
        filter: String::from("severity >= 2 && amount > 10000.0"),
        bands: vec![band(10_000.0, -5.0), band(100_000.0, -20.5)],
        ..indicator("fines", "penalty", Kind::SumAmount)
    };
    let closed = api::Indicator {
        filter: String::from("kind == '停产停业'"),
        points_per_unit: Some(-3.0),
        ..indicator("closed", "penalty", Kind::Exists)
    };
    let tax = api::Indicator {
        grade_points: [(String::from("A"), 10.0), (String::from("D"), -10.0)].into(),
        ..indicator("tax", "tax-grade", Kind::LatestGrade)
    };
    let veto = api::Veto {
        id: String::from("listed"),
        items: vec![String::from("black-listing")],
        within_months: 36,
        grade: String::from("D"),
        reason: String::from("列入严重失信主体名单"),
        ..Default::default()
    };
    api::Scheme {
        scheme_id: id.to_owned(),
        domain: String::from("transport"),
        department: String::from("transport"),
        basis: Some(api::Basis {
            title: String::from("试验评价办法"),
            document_number: String::from("试〔2026〕1号"),
        }),
        national_result: api::scheme::NationalResult::None as i32,
        disclosure: api::scheme::Disclosure::Public as i32,
        model: Some(api::Model {
            base_score: Some(100.0),
            min_score: Some(0.0),
            max_score: Some(120.0),
            indicators: vec![penalties, fines, closed, tax],
            vetoes: vec![veto],
            grades: [("A", 90.0), ("B", 75.0), ("C", 60.0), ("D", 0.0)]
                .map(|(name, least)| grade(name, least))
                .into(),
        }),
        ..Default::default()
    }
}

fn indicator(id: &str, item: &str, measure: Kind) -> api::Indicator {
    api::Indicator {
        id: id.to_owned(),
        name: id.to_owned(),
        items: vec![item.to_owned()],
        measure: measure as i32,
        ..Default::default()
    }
}

fn step(within_months: i32, percent: f64) -> api::DecayStep {
    api::DecayStep { within_months, percent }
}

fn band(at_least: f64, points: f64) -> api::Band {
    api::Band { at_least, points }
}

fn grade(name: &str, min_score: f64) -> api::Grade {
    api::Grade { grade: name.to_owned(), min_score, ..Default::default() }
}

/// The fields that a status names as wrong.
pub fn wrong_fields(status: &Status) -> Vec<(String, String)> {
    use tonic_types::StatusExt;
    let details = status.get_details_bad_request().expect("a BadRequest detail");
    details.field_violations.into_iter().map(|violation| (violation.field, violation.reason)).collect()
}
