//! The service under test, its clients, and rows to send.
use std::time::Duration;

use chassis::{
    trial::{Authorized, Bearer, Trial},
    upstream::Upstream,
};
use contract::{
    credit::v1::{
        self as api, accesses_client::AccessesClient, authorizations_client::AuthorizationsClient,
        evaluation_lists_client::EvaluationListsClient, evaluation_scales_client::EvaluationScalesClient,
        exports_client::ExportsClient, feed_client::FeedClient, figures_client::FiguresClient,
        imports_client::ImportsClient, items_client::ItemsClient, objections_client::ObjectionsClient,
        operations_client::OperationsClient, outcome::Status as Outcome, profiles_client::ProfilesClient,
        records_client::RecordsClient, repairs_client::RepairsClient, reports_client::ReportsClient,
        subjects_client::SubjectsClient, usage_client::UsageClient,
    },
    google::{
        api::HttpBody,
        longrunning::{Operation, operation},
    },
};
use futures::stream;
use identifiers::Uscc;
use prost::Message;
use prost_types::{Struct, Value, value::Kind};

pub const MORNING: &str = "2026-02-13T01:00:00Z";

pub struct World {
    pub trial: Trial,
    pub upstream: Upstream,
}

macro_rules! clients {
    ($($name:ident: $client:ident;)*) => {
        impl World {
            $(pub fn $name(&self, who: &Bearer) -> $client<Authorized> {
                $client::with_interceptor(self.upstream.clone(), who.clone())
                    .max_encoding_message_size(chassis::serve::MESSAGE_MAX)
            })*
        }
    };
}

clients! {
    subjects: SubjectsClient;
    items: ItemsClient;
    records: RecordsClient;
    profiles: ProfilesClient;
    objections: ObjectionsClient;
    repairs: RepairsClient;
    reports: ReportsClient;
    accesses: AccessesClient;
    authorizations: AuthorizationsClient;
    usage: UsageClient;
    imports: ImportsClient;
    feed: FeedClient;
    figures: FiguresClient;
    evaluation_lists: EvaluationListsClient;
    evaluation_scales: EvaluationScalesClient;
    exports: ExportsClient;
    operations: OperationsClient;
}

impl World {
    pub async fn open(at: &str) -> Self {
        let trial = Trial::at(at);
        let role = credit::open(&trial.boot).await.unwrap();
        let upstream = trial.run(role);
        Self { trial, upstream }
    }

    pub fn department(&self, slug: &str) -> Bearer {
        self.trial.token(slug, "credit.read credit.write")
    }

    pub fn office(&self) -> Bearer {
        self.trial.token_of(chassis::access::Claims {
            sub: String::from("office"),
            department: String::from("credit-office"),
            roles: vec![String::from("office")],
            scope: String::from("credit.read credit.write"),
            default_purpose: String::from("综合协调"),
            ..self.trial.claims()
        })
    }

    pub fn enterprise(&self, uscc: &str) -> Bearer {
        self.trial.token_of(chassis::access::Claims {
            uscc: uscc.to_owned(),
            scope: String::from("credit.read credit.write"),
            ..self.trial.claims()
        })
    }

    /// One of the suite's services.
    pub fn service(&self) -> Bearer {
        self.trial.token_of(chassis::access::Claims {
            sub: String::from("svc-grading"),
            roles: vec![String::from("service")],
            scope: String::from("credit.read credit.write"),
            default_purpose: String::from("信用评价"),
            ..self.trial.claims()
        })
    }

    /// Moves the clock.
    pub fn at(&self, instant: &str) {
        self.trial.boot.clock.set(instant.parse().unwrap());
    }

    /// Registers subjects of these serials.
    pub async fn register(&self, serials: std::ops::Range<u32>) {
        let subjects = serials.map(subject).collect();
        let request = api::BatchUpsertSubjectsRequest { subjects, ..Default::default() };
        let who = self.department("market-regulation");
        let answer = self.subjects(&who).batch_upsert_subjects(request).await.unwrap().into_inner();
        assert!(
            answer.outcomes.iter().all(|outcome| outcome.status() != Outcome::Rejected),
            "{:?}",
            answer.outcomes
        );
    }

    pub async fn submit(&self, who: &Bearer, records: Vec<api::RecordInput>) -> api::SubmitRecordsResponse {
        let request = api::SubmitRecordsRequest { records, ..Default::default() };
        self.records(who).submit_records(request).await.unwrap().into_inner()
    }

    pub async fn send(
        &self,
        who: &Bearer,
        kind: &str,
        item: &str,
        file: &[u8],
    ) -> Result<Operation, tonic::Status> {
        let mut parts: Vec<api::CreateImportRequest> = file
            .chunks(300_000)
            .map(|data| api::CreateImportRequest {
                file: Some(HttpBody { data: data.to_vec(), ..Default::default() }),
                ..Default::default()
            })
            .collect();
        if parts.is_empty() {
            parts.push(api::CreateImportRequest::default());
        }
        parts[0].kind = kind.to_owned();
        parts[0].item = item.to_owned();
        let sent = self.imports(who).create_import(stream::iter(parts)).await;
        sent.map(tonic::Response::into_inner)
    }

    /// Sends a file in one part with further parameters, and waits for the end.
    pub async fn import_with(
        &self,
        who: &Bearer,
        file: &[u8],
        parameters: api::CreateImportRequest,
    ) -> Result<api::ImportResponse, tonic_types::Status> {
        let file = Some(HttpBody { data: file.to_vec(), ..Default::default() });
        let part = api::CreateImportRequest { file, ..parameters };
        let sent = self.imports(who).create_import(stream::iter([part])).await.unwrap().into_inner();
        self.finish(who, &sent).await
    }

    /// Waits for the end of an import.
    pub async fn finish(
        &self,
        who: &Bearer,
        operation: &Operation,
    ) -> Result<api::ImportResponse, tonic_types::Status> {
        let any = self.response(who, operation).await?;
        Ok(api::ImportResponse::decode(any.value.as_slice()).unwrap())
    }

    /// Waits for the end of an operation.
    pub async fn response(
        &self,
        who: &Bearer,
        operation: &Operation,
    ) -> Result<prost_types::Any, tonic_types::Status> {
        for _ in 0..2_000 {
            let done = self.poll(who, operation).await;
            match done.result {
                Some(operation::Result::Response(any)) => return Ok(any),
                Some(operation::Result::Error(status)) => return Err(status),
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        panic!("{} never ends", operation.name);
    }

    pub async fn poll(&self, who: &Bearer, operation: &Operation) -> Operation {
        let id = operation.name.trim_start_matches("operations/").to_owned();
        self.operations(who).get_operation(api::GetOperationRequest { id }).await.unwrap().into_inner()
    }

    pub async fn import(&self, who: &Bearer, kind: &str, item: &str, file: &[u8]) -> api::ImportResponse {
        let operation = self.send(who, kind, item, file).await.unwrap();
        self.finish(who, &operation).await.unwrap()
    }

    pub async fn rejects(&self, who: &Bearer, id: &str) -> String {
        let (content_type, bytes) = self.rejects_as(who, id, "").await;
        assert_eq!(content_type, "text/csv; charset=utf-8");
        String::from_utf8(bytes).unwrap()
    }

    /// The refused rows in a form: its content type and its bytes.
    pub async fn rejects_as(&self, who: &Bearer, id: &str, format: &str) -> (String, Vec<u8>) {
        let request = api::DownloadRejectsRequest { id: id.to_owned(), format: format.to_owned() };
        let mut stream = self.imports(who).download_rejects(request).await.unwrap().into_inner();
        let (mut content_type, mut bytes) = (String::new(), Vec::new());
        while let Some(part) = stream.message().await.unwrap() {
            content_type = part.content_type;
            bytes.extend(part.data);
        }
        (content_type, bytes)
    }

    /// The reasons of the refused rows, in their order.
    pub async fn reasons(&self, who: &Bearer, id: &str) -> Vec<String> {
        let list = self.rejects(who, id).await;
        let list = list.trim_start_matches('\u{FEFF}');
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(list.as_bytes());
        reader.records().map(|row| row.unwrap()[1].to_owned()).collect()
    }

    /// Everything in the feed now.
    pub async fn changes(&self, who: &Bearer, cursor: &str) -> Vec<api::Change> {
        self.changes_of(who, api::WatchRequest { cursor: cursor.to_owned(), ..Default::default() }).await
    }

    /// Everything in the feed now that a request asks for.
    pub async fn changes_of(&self, who: &Bearer, request: api::WatchRequest) -> Vec<api::Change> {
        let request = api::WatchRequest { until_caught_up: true, ..request };
        let mut stream = self.feed(who).watch(request).await.unwrap().into_inner();
        let mut changes = Vec::new();
        while let Some(change) = stream.message().await.unwrap() {
            changes.push(change);
        }
        changes
    }
}

/// The code of a serial.
pub fn code(serial: u32) -> String {
    Uscc::fictional(serial).to_string()
}

/// A code whose check fails.
pub fn broken(serial: u32) -> String {
    let code = code(serial);
    let last = if code.ends_with('0') { '1' } else { '0' };
    code[..17].chars().chain([last]).collect()
}

pub fn subject(serial: u32) -> api::SubjectInput {
    api::SubjectInput {
        uscc: code(serial),
        name: format!("虚构示例第{serial}号有限公司"),
        kind: String::from("COMPANY"),
        industry: String::from("5431"),
        region: String::from("640399"),
        domains: vec![String::from("D09")],
        registered_on: String::from("2020-05-06"),
        status: String::from("ACTIVE"),
        ..Default::default()
    }
}

pub fn penalty(serial: u32, source_id: &str) -> api::RecordInput {
    api::RecordInput {
        uscc: code(serial),
        item: String::from("administrative-penalty"),
        source_id: source_id.to_owned(),
        occurred_on: String::from("2026-01-15"),
        severity: 2,
        amount: String::from("10000.50"),
        fields: Some(fields(&[("penaltyType", "罚款")])),
        ..Default::default()
    }
}

pub fn fields(texts: &[(&str, &str)]) -> Struct {
    let value = |text: &str| Value { kind: Some(Kind::StringValue(text.to_owned())) };
    Struct { fields: texts.iter().map(|(key, text)| ((*key).to_owned(), value(text))).collect() }
}

/// How the rows of a batch ended, and the reasons of those refused.
pub fn ends(outcomes: &[api::Outcome]) -> Vec<String> {
    let end = |(index, outcome): (usize, &api::Outcome)| {
        assert_eq!(usize::try_from(outcome.index), Ok(index));
        match (outcome.status(), &outcome.error) {
            (Outcome::Rejected, Some(error)) => {
                assert!(!error.message.is_empty());
                error.reason.clone()
            }
            (status, None) => status.as_str_name().to_owned(),
            (status, error) => panic!("{status:?} with {error:?}"),
        }
    };
    outcomes.iter().enumerate().map(end).collect()
}
