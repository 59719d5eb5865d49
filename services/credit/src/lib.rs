//! Credit 信用信息: the hub of facts about enterprises. This file is the table of contents: one line a call.
use std::sync::Arc;

use chassis::{
    App, Store,
    call::{self, call, mutate, mutate_prepared},
    clock::Clock,
    file::{self, File},
    operations,
    serve::{Boot, MESSAGE_MAX, Role, stack},
};
use contract::{
    Encoded,
    credit::v1::{
        self as api,
        accesses_server::{Accesses, AccessesServer},
        authorizations_server::{Authorizations, AuthorizationsServer},
        evaluation_lists_server::{EvaluationLists, EvaluationListsServer},
        evaluation_scales_server::{EvaluationScales, EvaluationScalesServer},
        exports_server::{Exports, ExportsServer},
        feed_server::{Feed, FeedServer},
        figures_server::{Figures, FiguresServer},
        imports_server::{Imports, ImportsServer},
        items_server::{Items, ItemsServer},
        objections_server::{Objections, ObjectionsServer},
        operations_server::{Operations, OperationsServer},
        profiles_server::{Profiles, ProfilesServer},
        records_server::{Records, RecordsServer},
        repairs_server::{Repairs, RepairsServer},
        reports_server::{Reports, ReportsServer},
        subjects_server::{Subjects, SubjectsServer},
        usage_server::{Usage, UsageServer},
    },
    google::{api::HttpBody, longrunning::Operation},
};
use futures::stream::BoxStream;
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use tonic::{Request, Response, Status, Streaming, async_trait, service::RoutesBuilder};

mod accesses;
mod authorizations;
mod changes;
mod evaluations;
mod exports;
mod figures;
mod files;
mod filings;
mod imports;
mod items;
mod matching;
mod outcomes;
mod profiles;
mod records;
mod reports;
mod scales;
mod sharing;
mod subjects;
mod usage;

/// What the calls share.
pub struct Credit {
    store: Store,
    clock: Clock,
    catalogue: items::Catalogue,
    registered: subjects::Registered,
    looks: accesses::Log,
    meetings: profiles::Meetings,
    // A workbook is judged whole in memory: so many at once.
    workbooks: tokio::sync::Semaphore,
    // An export holds a connection: so many at once.
    exports: Arc<tokio::sync::Semaphore>,
}

impl App for Credit {
    fn store(&self) -> &Store {
        &self.store
    }
}

/// The tables.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        chassis::storage::migrations(&[
            ("credit_0001_base", include_str!("../migrations/0001_base.sql")),
            ("credit_0003_imports", include_str!("../migrations/0003_imports.sql")),
            ("credit_0004_filings", include_str!("../migrations/0004_filings.sql")),
            ("credit_0006_reports", include_str!("../migrations/0006_reports.sql")),
            ("credit_0007_truth", include_str!("../migrations/0007_truth.sql")),
            ("credit_0008_names", include_str!("../migrations/0008_names.sql")),
            ("credit_0009_authorizations", include_str!("../migrations/0009_authorizations.sql")),
            ("credit_0010_evaluations", include_str!("../migrations/0010_evaluations.sql")),
            ("credit_0020_counted", include_str!("../migrations/0020_counted.sql")),
        ])
    }
}

#[derive(Clone)]
struct Calls(Arc<Credit>);

type Answered<T> = Result<Response<T>, Status>;

#[async_trait]
impl Subjects for Calls {
    async fn batch_upsert_subjects(
        &self,
        r: Request<api::BatchUpsertSubjectsRequest>,
    ) -> Answered<api::BatchUpsertSubjectsResponse> {
        mutate(&self.0, r, subjects::batch_upsert).await
    }
    async fn get_subject(&self, r: Request<api::GetSubjectRequest>) -> Answered<api::Subject> {
        call(&self.0, r, subjects::get).await
    }
    async fn list_subjects(
        &self,
        r: Request<api::ListSubjectsRequest>,
    ) -> Answered<api::ListSubjectsResponse> {
        call(&self.0, r, subjects::list).await
    }
    async fn match_subjects(
        &self,
        r: Request<api::MatchSubjectsRequest>,
    ) -> Answered<api::MatchSubjectsResponse> {
        call(&self.0, r, matching::match_subjects).await
    }
}

#[async_trait]
impl Items for Calls {
    async fn list_items(&self, r: Request<api::ListItemsRequest>) -> Answered<api::ListItemsResponse> {
        call(&self.0, r, items::list).await
    }
    async fn get_item(&self, r: Request<api::GetItemRequest>) -> Answered<api::CatalogueItem> {
        call(&self.0, r, items::get).await
    }
    async fn list_item_versions(
        &self,
        r: Request<api::ListItemVersionsRequest>,
    ) -> Answered<api::ListItemVersionsResponse> {
        call(&self.0, r, items::list_versions).await
    }
    async fn put_item(&self, r: Request<api::PutItemRequest>) -> Answered<api::CatalogueItem> {
        mutate(&self.0, r, items::put).await
    }
}

#[async_trait]
impl Records for Calls {
    type StreamRecordsStream = BoxStream<'static, Result<Encoded<api::StreamRecordsResponse>, Status>>;

    async fn submit_records(
        &self,
        r: Request<api::SubmitRecordsRequest>,
    ) -> Answered<api::SubmitRecordsResponse> {
        mutate(&self.0, r, records::submit).await
    }
    async fn stream_records(
        &self,
        r: Request<Streaming<Encoded<api::StreamRecordsRequest>>>,
    ) -> Answered<Self::StreamRecordsStream> {
        let (context, batches) = call::open_stream(r)?;
        call::answer(&context, records::stream(&self.0, &context, batches))
    }
    async fn list_records(&self, r: Request<api::ListRecordsRequest>) -> Answered<api::ListRecordsResponse> {
        call(&self.0, r, records::list).await
    }
    async fn get_record(&self, r: Request<api::GetRecordRequest>) -> Answered<api::Record> {
        call(&self.0, r, records::get).await
    }
    async fn list_record_versions(
        &self,
        r: Request<api::ListRecordVersionsRequest>,
    ) -> Answered<api::ListRecordVersionsResponse> {
        call(&self.0, r, records::list_versions).await
    }
    async fn list_subject_versions(
        &self,
        r: Request<api::ListSubjectVersionsRequest>,
    ) -> Answered<api::ListSubjectVersionsResponse> {
        call(&self.0, r, records::list_subject_versions).await
    }
    async fn correct_record(&self, r: Request<api::CorrectRecordRequest>) -> Answered<api::Record> {
        mutate(&self.0, r, records::correct).await
    }
    async fn withdraw_record(&self, r: Request<api::WithdrawRecordRequest>) -> Answered<api::Record> {
        mutate(&self.0, r, records::withdraw).await
    }
    async fn mark_record(&self, r: Request<api::MarkRecordRequest>) -> Answered<api::Record> {
        mutate(&self.0, r, records::mark_as_asked).await
    }
}

#[async_trait]
impl Objections for Calls {
    async fn create_objection(&self, r: Request<api::CreateObjectionRequest>) -> Answered<api::Objection> {
        mutate(&self.0, r, filings::object).await
    }
    async fn get_objection(&self, r: Request<api::GetObjectionRequest>) -> Answered<api::Objection> {
        call(&self.0, r, filings::get_objection).await
    }
    async fn list_objections(
        &self,
        r: Request<api::ListObjectionsRequest>,
    ) -> Answered<api::ListObjectionsResponse> {
        call(&self.0, r, filings::list_objections).await
    }
    async fn decide_objection(&self, r: Request<api::DecideObjectionRequest>) -> Answered<api::Objection> {
        mutate(&self.0, r, filings::decide_objection).await
    }
}

#[async_trait]
impl Repairs for Calls {
    async fn create_repair(&self, r: Request<api::CreateRepairRequest>) -> Answered<api::Repair> {
        mutate(&self.0, r, filings::ask_repair).await
    }
    async fn get_repair(&self, r: Request<api::GetRepairRequest>) -> Answered<api::Repair> {
        call(&self.0, r, filings::get_repair).await
    }
    async fn list_repairs(&self, r: Request<api::ListRepairsRequest>) -> Answered<api::ListRepairsResponse> {
        call(&self.0, r, filings::list_repairs).await
    }
    async fn decide_repair(&self, r: Request<api::DecideRepairRequest>) -> Answered<api::Repair> {
        mutate(&self.0, r, filings::decide_repair).await
    }
}

#[async_trait]
impl Profiles for Calls {
    async fn get_profile(&self, r: Request<api::GetProfileRequest>) -> Answered<api::Profile> {
        call(&self.0, r, profiles::get).await
    }
    async fn get_public_profile(&self, r: Request<api::GetPublicProfileRequest>) -> Answered<api::Profile> {
        call(&self.0, r, profiles::get_public).await
    }
    async fn search_public_subjects(
        &self,
        r: Request<api::SearchPublicSubjectsRequest>,
    ) -> Answered<api::SearchPublicSubjectsResponse> {
        call(&self.0, r, profiles::search).await
    }
}

#[async_trait]
impl Reports for Calls {
    async fn create_report(&self, r: Request<api::CreateReportRequest>) -> Answered<api::Report> {
        mutate_prepared(&self.0, r, reports::draft, reports::create).await
    }
    async fn get_report(&self, r: Request<api::GetReportRequest>) -> Answered<api::Report> {
        call(&self.0, r, reports::get).await
    }
    async fn download_report(&self, r: Request<api::DownloadReportRequest>) -> Answered<HttpBody> {
        call(&self.0, r, reports::download).await
    }
    async fn verify_report(
        &self,
        r: Request<api::VerifyReportRequest>,
    ) -> Answered<api::VerifyReportResponse> {
        call(&self.0, r, reports::verify).await
    }
}

#[async_trait]
impl Accesses for Calls {
    async fn list_accesses(
        &self,
        r: Request<api::ListAccessesRequest>,
    ) -> Answered<api::ListAccessesResponse> {
        call(&self.0, r, accesses::list).await
    }
}

#[async_trait]
impl Authorizations for Calls {
    async fn create_authorization(
        &self,
        r: Request<api::CreateAuthorizationRequest>,
    ) -> Answered<api::Authorization> {
        mutate(&self.0, r, authorizations::create).await
    }
    async fn get_authorization(
        &self,
        r: Request<api::GetAuthorizationRequest>,
    ) -> Answered<api::Authorization> {
        call(&self.0, r, authorizations::get).await
    }
    async fn list_authorizations(
        &self,
        r: Request<api::ListAuthorizationsRequest>,
    ) -> Answered<api::ListAuthorizationsResponse> {
        call(&self.0, r, authorizations::list).await
    }
    async fn revoke_authorization(
        &self,
        r: Request<api::RevokeAuthorizationRequest>,
    ) -> Answered<api::Authorization> {
        mutate(&self.0, r, authorizations::revoke).await
    }
}

#[async_trait]
impl Usage for Calls {
    async fn list_usage(&self, r: Request<api::ListUsageRequest>) -> Answered<api::ListUsageResponse> {
        call(&self.0, r, usage::list).await
    }
}

#[async_trait]
impl Imports for Calls {
    type DownloadRejectsStream = file::Parts;

    async fn create_import(&self, r: Request<Streaming<api::CreateImportRequest>>) -> Answered<Operation> {
        let (context, parts) = call::open_stream(r)?;
        call::answer(&context, imports::create(&self.0, &context, parts).await)
    }
    async fn download_rejects(
        &self,
        r: Request<api::DownloadRejectsRequest>,
    ) -> Answered<Self::DownloadRejectsStream> {
        call(&self.0, r, imports::download_rejects).await.map(File::answer)
    }
    async fn withdraw_import(&self, r: Request<api::WithdrawImportRequest>) -> Answered<Operation> {
        mutate(&self.0, r, imports::withdraw).await
    }
}

#[async_trait]
impl EvaluationLists for Calls {
    type ExportEvaluationListStream = file::Parts;

    async fn create_evaluation_list(
        &self,
        r: Request<api::CreateEvaluationListRequest>,
    ) -> Answered<api::EvaluationList> {
        mutate(&self.0, r, evaluations::create).await
    }
    async fn get_evaluation_list(
        &self,
        r: Request<api::GetEvaluationListRequest>,
    ) -> Answered<api::EvaluationList> {
        call(&self.0, r, evaluations::get).await
    }
    async fn list_evaluation_lists(
        &self,
        r: Request<api::ListEvaluationListsRequest>,
    ) -> Answered<api::ListEvaluationListsResponse> {
        call(&self.0, r, evaluations::list).await
    }
    async fn list_evaluation_entries(
        &self,
        r: Request<api::ListEvaluationEntriesRequest>,
    ) -> Answered<api::ListEvaluationEntriesResponse> {
        call(&self.0, r, evaluations::entries).await
    }
    async fn export_evaluation_list(
        &self,
        r: Request<api::ExportEvaluationListRequest>,
    ) -> Answered<Self::ExportEvaluationListStream> {
        call(&self.0, r, evaluations::export).await.map(File::answer)
    }
    async fn import_evaluation_results(
        &self,
        r: Request<api::ImportEvaluationResultsRequest>,
    ) -> Answered<api::ImportEvaluationResultsResponse> {
        mutate(&self.0, r, evaluations::import).await
    }
    async fn upload_evaluation_results(
        &self,
        r: Request<Streaming<api::UploadEvaluationResultsRequest>>,
    ) -> Answered<api::ImportEvaluationResultsResponse> {
        let (context, parts) = call::open_stream(r)?;
        call::answer(&context, evaluations::upload(&self.0, &context, parts).await)
    }
}

#[async_trait]
impl EvaluationScales for Calls {
    async fn list_evaluation_scales(
        &self,
        r: Request<api::ListEvaluationScalesRequest>,
    ) -> Answered<api::ListEvaluationScalesResponse> {
        call(&self.0, r, scales::list).await
    }
    async fn put_evaluation_scale(
        &self,
        r: Request<api::PutEvaluationScaleRequest>,
    ) -> Answered<api::EvaluationScale> {
        mutate(&self.0, r, scales::put).await
    }
}

#[async_trait]
impl Exports for Calls {
    type ExportRecordsStream = file::Parts;
    type ExportSubjectsStream = file::Parts;

    async fn export_records(
        &self,
        r: Request<api::ExportRecordsRequest>,
    ) -> Answered<Self::ExportRecordsStream> {
        call(&self.0, r, exports::records).await.map(File::answer)
    }
    async fn export_subjects(
        &self,
        r: Request<api::ExportSubjectsRequest>,
    ) -> Answered<Self::ExportSubjectsStream> {
        call(&self.0, r, exports::subjects).await.map(File::answer)
    }
}

#[async_trait]
impl Feed for Calls {
    type WatchStream = BoxStream<'static, Result<api::Change, Status>>;

    async fn watch(&self, r: Request<api::WatchRequest>) -> Answered<Self::WatchStream> {
        call(&self.0, r, sharing::watch).await
    }
}

#[async_trait]
impl Figures for Calls {
    async fn get_figures(&self, r: Request<api::GetFiguresRequest>) -> Answered<api::GetFiguresResponse> {
        call(&self.0, r, figures::get).await
    }
    async fn get_quality_figures(
        &self,
        r: Request<api::GetQualityFiguresRequest>,
    ) -> Answered<api::GetQualityFiguresResponse> {
        call(&self.0, r, figures::kept::quality).await
    }
}

#[async_trait]
impl Operations for Calls {
    async fn get_operation(&self, r: Request<api::GetOperationRequest>) -> Answered<Operation> {
        call(&self.0, r, async |app, context, request: api::GetOperationRequest| {
            operations::get(&app.store, context, &request.id).await
        })
        .await
    }
    async fn cancel_operation(&self, r: Request<api::CancelOperationRequest>) -> Answered<Operation> {
        mutate(&self.0, r, async |_, context, tx, request: api::CancelOperationRequest| {
            operations::cancel(tx, context, &request.id, None).await
        })
        .await
    }
}

/// Opens the database, puts the built-in catalogue into it, and makes the role.
pub async fn open(boot: &Boot) -> anyhow::Result<Role> {
    let store = boot.store::<Migrator>("credit").await?;
    items::seed(&store, boot.clock.now()).await?;
    figures::kept::adopt(&store).await?;
    scales::seed(&store, boot.clock.now()).await?;
    imports::sweep(&store, boot.clock.now()).await?;
    matching::complete(&store, boot.clock.now()).await?;
    let app = Arc::new(Credit {
        store: store.clone(),
        clock: boot.clock.clone(),
        catalogue: items::Catalogue::default(),
        registered: subjects::Registered::default(),
        looks: accesses::Log::open(&store).await?,
        meetings: profiles::Meetings::default(),
        workbooks: tokio::sync::Semaphore::new(2),
        exports: Arc::new(tokio::sync::Semaphore::new(exports::AT_ONCE)),
    });
    let calls = Calls(app.clone());
    let mut routes = RoutesBuilder::default();
    routes
        .add_service(SubjectsServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(ItemsServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(RecordsServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(ObjectionsServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(RepairsServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(ProfilesServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(ReportsServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(AccessesServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(AuthorizationsServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(UsageServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(ImportsServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(EvaluationListsServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(EvaluationScalesServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(ExportsServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(FeedServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(FiguresServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(OperationsServer::new(calls).max_decoding_message_size(MESSAGE_MAX));
    let works =
        operations::run(store.clone(), boot.clock.clone(), imports::works(&app), boot.stopping.clone());
    let counting = figures::counted::follow(app.clone(), boot.stopping.clone());
    let folding = usage::folded::fold(app, boot.stopping.clone());
    Ok(Role {
        name: "credit",
        router: stack(boot, routes),
        background: vec![Box::pin(works), Box::pin(folding), Box::pin(counting)],
        store,
    })
}
