//! What discipline asks of credit, under its own identity: subjects, items, and to take a listing's record in.
use std::time::Duration;

use chassis::{Answer, serve::MESSAGE_MAX, upstream::Upstream};
use contract::credit::v1::{
    self as api, feed_client::FeedClient, items_client::ItemsClient, records_client::RecordsClient,
    subjects_client::SubjectsClient,
};
use tonic::{Code, Request, Status, Streaming};

/// The purpose that credit's access log shows.
const PURPOSE: &str = "奖惩名单认定 list procedure";

// A case's transaction waits for the answer, so it must not wait long.
const PATIENCE: Duration = Duration::from_secs(5);

/// Credit, as seen from here.
pub struct Credit {
    upstream: Upstream,
}

impl Credit {
    /// Credit behind an upstream that carries this service's identity.
    pub fn new(upstream: Upstream) -> Self {
        Self { upstream }
    }

    /// The subject, if it is registered.
    pub async fn subject(&self, uscc: &str) -> Answer<Option<api::Subject>> {
        let request = api::GetSubjectRequest { uscc: uscc.to_owned(), purpose: PURPOSE.to_owned() };
        match SubjectsClient::new(self.upstream.clone()).get_subject(patient(request)).await {
            Ok(subject) => Ok(Some(subject.into_inner())),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(status.into()),
        }
    }

    /// The catalogued item, if there is one.
    pub async fn item(&self, item: &str) -> Answer<Option<api::CatalogueItem>> {
        let request = api::GetItemRequest { item: item.to_owned(), purpose: PURPOSE.to_owned() };
        match ItemsClient::new(self.upstream.clone()).get_item(patient(request)).await {
            Ok(item) => Ok(Some(item.into_inner())),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(status.into()),
        }
    }

    /// The record, if it is in force and shared without a grant: what else there is, is no evidence here.
    pub async fn record(&self, record: &str) -> Answer<Option<api::Record>> {
        let (record, purpose) = (record.to_owned(), PURPOSE.to_owned());
        let request = api::GetRecordRequest { record, purpose, ..Default::default() };
        match RecordsClient::new(self.upstream.clone()).get_record(patient(request)).await {
            Ok(record) => Ok(Some(record.into_inner())),
            Err(status)
                if matches!(
                    status.code(),
                    Code::NotFound | Code::PermissionDenied | Code::InvalidArgument
                ) =>
            {
                Ok(None)
            }
            Err(status) => Err(status.into()),
        }
    }

    /// What happened to records of items after a cursor, up to now.
    pub async fn changes(&self, cursor: String, items: Vec<String>) -> Answer<Streaming<api::Change>> {
        let purpose = PURPOSE.to_owned();
        let request =
            api::WatchRequest { cursor, until_caught_up: true, items, purpose, ..Default::default() };
        let mut client = FeedClient::new(self.upstream.clone()).max_decoding_message_size(MESSAGE_MAX);
        Ok(client.watch(request).await?.into_inner())
    }

    /// Sends records.
    pub async fn submit(&self, records: Vec<api::RecordInput>) -> Answer<api::SubmitRecordsResponse> {
        let request = api::SubmitRecordsRequest { records, ..Default::default() };
        let answered = RecordsClient::new(self.upstream.clone()).submit_records(patient(request)).await?;
        Ok(answered.into_inner())
    }

    /// Ends a record; gives it as it then stands, or nothing where it has ended already.
    pub async fn withdraw(&self, request: api::WithdrawRecordRequest) -> Answer<Option<api::Record>> {
        unless_ended(RecordsClient::new(self.upstream.clone()).withdraw_record(patient(request)).await)
    }

    /// Puts a mark on a record, or takes it off; gives it as it then stands, or nothing where it has ended already.
    pub async fn mark(&self, request: api::MarkRecordRequest) -> Answer<Option<api::Record>> {
        unless_ended(RecordsClient::new(self.upstream.clone()).mark_record(patient(request)).await)
    }
}

// What a record that has ended already answers is no fault here.
fn unless_ended(answered: Result<tonic::Response<api::Record>, Status>) -> Answer<Option<api::Record>> {
    match answered {
        Ok(record) => Ok(Some(record.into_inner())),
        Err(status) if status.code() == Code::FailedPrecondition => Ok(None),
        Err(status) => Err(status.into()),
    }
}

fn patient<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(PATIENCE);
    request
}
