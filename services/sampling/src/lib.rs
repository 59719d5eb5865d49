//! Sampling 双随机抽查: plans, draws as public arithmetic, visits and their results. The table of contents.
mod annual;
mod burdens;
mod codes;
mod draws;
mod effects;
mod fieldwork;
mod figures;
mod frequencies;
mod grading;
mod inspectors;
mod items;
mod plans;
mod register;
mod registers;
mod rights;
mod visits;

use std::sync::Arc;

use chassis::{
    App, Store, call,
    file::{self, File},
    mutate, mutate_prepared,
    serve::{Boot, MESSAGE_MAX, Role, stack},
    storage,
    upstream::Upstream,
};
use contract::sampling::v1::{
    self as api,
    annual_plans_server::{AnnualPlans, AnnualPlansServer},
    draws_server::{Draws, DrawsServer},
    effects_server::{Effects, EffectsServer},
    fieldwork_server::{Fieldwork, FieldworkServer},
    figures_server::{Figures, FiguresServer},
    frequencies_server::{Frequencies, FrequenciesServer},
    inspection_items_server::{InspectionItems, InspectionItemsServer},
    inspectors_server::{Inspectors, InspectorsServer},
    plans_server::{Plans, PlansServer},
    registers_server::{Registers, RegistersServer},
    visits_server::{Visits, VisitsServer},
};
use futures::FutureExt as _;
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use tonic::{Request, Response, Status, Streaming, service::RoutesBuilder};

/// The service.
struct Sampling {
    store: Store,
    grading: grading::Grading,
    credit: Upstream,
}

impl App for Sampling {
    fn store(&self) -> &Store {
        &self.store
    }
}

/// The tables.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        storage::migrations(&[
            ("sampling_0001_base", include_str!("../migrations/0001_base.sql")),
            ("sampling_0002_caps", include_str!("../migrations/0002_caps.sql")),
            ("sampling_0003_fieldwork", include_str!("../migrations/0003_fieldwork.sql")),
            ("sampling_0004_measures", include_str!("../migrations/0004_measures.sql")),
            ("sampling_0005_registers", include_str!("../migrations/0005_registers.sql")),
            ("sampling_0006_light_draws", include_str!("../migrations/0006_light_draws.sql")),
            ("sampling_0010_kept", include_str!("../migrations/0010_kept.sql")),
            ("sampling_0011_tickets", include_str!("../migrations/0011_tickets.sql")),
        ])
    }
}

#[derive(Clone)]
struct Calls(Arc<Sampling>);

type Reply<T> = Result<Response<T>, Status>;

#[chassis::async_trait]
impl InspectionItems for Calls {
    async fn put_inspection_item(
        &self,
        r: Request<api::PutInspectionItemRequest>,
    ) -> Reply<api::InspectionItem> {
        mutate(&self.0, r, items::put).await
    }
    async fn get_inspection_item(
        &self,
        r: Request<api::GetInspectionItemRequest>,
    ) -> Reply<api::InspectionItem> {
        call(&self.0, r, items::get).await
    }
    async fn list_inspection_items(
        &self,
        r: Request<api::ListInspectionItemsRequest>,
    ) -> Reply<api::ListInspectionItemsResponse> {
        call(&self.0, r, items::list).await
    }
}

#[chassis::async_trait]
impl Inspectors for Calls {
    async fn put_inspector(&self, r: Request<api::PutInspectorRequest>) -> Reply<api::Inspector> {
        mutate(&self.0, r, inspectors::put).await
    }
    async fn get_inspector(&self, r: Request<api::GetInspectorRequest>) -> Reply<api::Inspector> {
        call(&self.0, r, inspectors::get).await
    }
    async fn list_inspectors(
        &self,
        r: Request<api::ListInspectorsRequest>,
    ) -> Reply<api::ListInspectorsResponse> {
        call(&self.0, r, inspectors::list).await
    }
}

#[chassis::async_trait]
impl Plans for Calls {
    async fn create_plan(&self, r: Request<api::CreatePlanRequest>) -> Reply<api::Plan> {
        mutate_prepared(&self.0, r, plans::scheme_of, plans::create).await
    }
    async fn get_plan(&self, r: Request<api::GetPlanRequest>) -> Reply<api::Plan> {
        call(&self.0, r, plans::get).await
    }
    async fn list_plans(&self, r: Request<api::ListPlansRequest>) -> Reply<api::ListPlansResponse> {
        call(&self.0, r, plans::list).await
    }
    async fn commit_plan(&self, r: Request<api::CommitPlanRequest>) -> Reply<api::Draw> {
        mutate_prepared(&self.0, r, draws::freeze, draws::commit).await
    }
    async fn preview_plan(&self, r: Request<api::PreviewPlanRequest>) -> Reply<api::PlanPreview> {
        call(&self.0, r, draws::preview).await
    }
}

#[chassis::async_trait]
impl Registers for Calls {
    type ExportRegisterStream = file::Parts;

    async fn import_register(
        &self,
        r: Request<Streaming<api::ImportRegisterRequest>>,
    ) -> Reply<api::RegisterReport> {
        let (context, parts) = call::open_stream(r)?;
        call::answer(&context, registers::import(&self.0, &context, parts).await)
    }
    async fn export_register(
        &self,
        r: Request<api::ExportRegisterRequest>,
    ) -> Reply<Self::ExportRegisterStream> {
        call(&self.0, r, registers::export).await.map(File::answer)
    }
    async fn put_object_library(
        &self,
        r: Request<api::PutObjectLibraryRequest>,
    ) -> Reply<api::ObjectLibrary> {
        mutate(&self.0, r, registers::libraries::put).await
    }
    async fn get_object_library(
        &self,
        r: Request<api::GetObjectLibraryRequest>,
    ) -> Reply<api::ObjectLibrary> {
        call(&self.0, r, registers::libraries::get).await
    }
    async fn list_object_libraries(
        &self,
        r: Request<api::ListObjectLibrariesRequest>,
    ) -> Reply<api::ListObjectLibrariesResponse> {
        call(&self.0, r, registers::libraries::list).await
    }
}

#[chassis::async_trait]
impl AnnualPlans for Calls {
    type ExportAnnualPlanStream = file::Parts;

    async fn put_annual_plan(&self, r: Request<api::PutAnnualPlanRequest>) -> Reply<api::AnnualPlan> {
        mutate(&self.0, r, annual::put).await
    }
    async fn approve_annual_plan(&self, r: Request<api::ApproveAnnualPlanRequest>) -> Reply<api::AnnualPlan> {
        mutate(&self.0, r, annual::approve).await
    }
    async fn publish_annual_plan(&self, r: Request<api::PublishAnnualPlanRequest>) -> Reply<api::AnnualPlan> {
        mutate(&self.0, r, annual::publish).await
    }
    async fn get_annual_plan(&self, r: Request<api::GetAnnualPlanRequest>) -> Reply<api::AnnualPlan> {
        call(&self.0, r, annual::get).await
    }
    async fn list_annual_plan_versions(
        &self,
        r: Request<api::ListAnnualPlanVersionsRequest>,
    ) -> Reply<api::ListAnnualPlanVersionsResponse> {
        call(&self.0, r, annual::versions).await
    }
    async fn list_public_annual_plans(
        &self,
        r: Request<api::ListPublicAnnualPlansRequest>,
    ) -> Reply<api::ListPublicAnnualPlansResponse> {
        call(&self.0, r, annual::public).await
    }
    async fn export_annual_plan(
        &self,
        r: Request<api::ExportAnnualPlanRequest>,
    ) -> Reply<Self::ExportAnnualPlanStream> {
        call(&self.0, r, annual::export).await.map(File::answer)
    }
}

#[chassis::async_trait]
impl Draws for Calls {
    type DownloadBundleStream = file::Parts;

    async fn get_draw(&self, r: Request<api::GetDrawRequest>) -> Reply<api::Draw> {
        call(&self.0, r, draws::get).await
    }
    async fn list_draws(&self, r: Request<api::ListDrawsRequest>) -> Reply<api::ListDrawsResponse> {
        call(&self.0, r, draws::list).await
    }
    async fn reveal_draw(&self, r: Request<api::RevealDrawRequest>) -> Reply<api::Draw> {
        mutate(&self.0, r, draws::reveal).await
    }
    async fn abandon_draw(&self, r: Request<api::AbandonDrawRequest>) -> Reply<api::Draw> {
        mutate(&self.0, r, draws::abandon).await
    }
    async fn get_bundle(&self, r: Request<api::GetBundleRequest>) -> Reply<api::Bundle> {
        call(&self.0, r, draws::bundle).await
    }
    async fn download_bundle(&self, r: Request<api::GetBundleRequest>) -> Reply<Self::DownloadBundleStream> {
        call(&self.0, r, draws::download).await.map(File::answer)
    }
    async fn list_exclusions(
        &self,
        r: Request<api::ListExclusionsRequest>,
    ) -> Reply<api::ListExclusionsResponse> {
        call(&self.0, r, draws::exclusions).await
    }
}

#[chassis::async_trait]
impl Visits for Calls {
    async fn list_visits(&self, r: Request<api::ListVisitsRequest>) -> Reply<api::ListVisitsResponse> {
        call(&self.0, r, visits::list).await
    }
    async fn record_visit(&self, r: Request<api::RecordVisitRequest>) -> Reply<api::Visit> {
        mutate(&self.0, r, visits::record).await
    }
    async fn publish_visit(&self, r: Request<api::PublishVisitRequest>) -> Reply<api::Visit> {
        let published = mutate(&self.0, r, visits::publish).await?;
        Ok(visits::returns::acknowledged(&self.0, published).await)
    }
    async fn replace_visit(&self, r: Request<api::ReplaceVisitRequest>) -> Reply<api::Visit> {
        mutate(&self.0, r, visits::replace).await
    }
    async fn order_visits(&self, r: Request<api::OrderVisitsRequest>) -> Reply<api::VisitOrder> {
        mutate_prepared(&self.0, r, visits::ordered, visits::order).await
    }
    async fn list_public_results(
        &self,
        r: Request<api::ListPublicResultsRequest>,
    ) -> Reply<api::ListPublicResultsResponse> {
        call(&self.0, r, visits::list_public).await
    }
}

#[chassis::async_trait]
impl Fieldwork for Calls {
    type DownloadAttachmentStream = file::Parts;

    async fn list_assignments(
        &self,
        r: Request<api::ListAssignmentsRequest>,
    ) -> Reply<api::ListAssignmentsResponse> {
        call(&self.0, r, fieldwork::assignments).await
    }
    async fn get_visit(&self, r: Request<api::GetVisitRequest>) -> Reply<api::Visit> {
        call(&self.0, r, fieldwork::get).await
    }
    async fn issue_arrival_code(&self, r: Request<api::IssueArrivalCodeRequest>) -> Reply<api::ArrivalCode> {
        mutate(&self.0, r, fieldwork::arrivals::issue).await
    }
    async fn arrive_at_visit(&self, r: Request<api::ArriveAtVisitRequest>) -> Reply<api::Visit> {
        mutate(&self.0, r, fieldwork::arrivals::arrive).await
    }
    async fn attach_to_visit(
        &self,
        r: Request<Streaming<api::AttachToVisitRequest>>,
    ) -> Reply<api::Attachment> {
        let (context, parts) = call::open_stream(r)?;
        call::answer(&context, fieldwork::attachments::attach(&self.0, &context, parts).await)
    }
    async fn list_attachments(
        &self,
        r: Request<api::ListAttachmentsRequest>,
    ) -> Reply<api::ListAttachmentsResponse> {
        call(&self.0, r, fieldwork::attachments::list).await
    }
    async fn download_attachment(
        &self,
        r: Request<api::DownloadAttachmentRequest>,
    ) -> Reply<Self::DownloadAttachmentStream> {
        call(&self.0, r, fieldwork::attachments::download).await.map(File::answer)
    }
    async fn get_record_text(&self, r: Request<api::GetRecordTextRequest>) -> Reply<api::RecordText> {
        call(&self.0, r, fieldwork::signatures::record_text).await
    }
    async fn sign_visit(&self, r: Request<api::SignVisitRequest>) -> Reply<api::Visit> {
        mutate(&self.0, r, fieldwork::signatures::sign).await
    }
    async fn order_rectification(&self, r: Request<api::OrderRectificationRequest>) -> Reply<api::Visit> {
        mutate(&self.0, r, fieldwork::rectifications::order).await
    }
    async fn report_rectification(&self, r: Request<api::ReportRectificationRequest>) -> Reply<api::Visit> {
        mutate(&self.0, r, fieldwork::rectifications::report).await
    }
    async fn recheck_visit(&self, r: Request<api::RecheckVisitRequest>) -> Reply<api::Visit> {
        mutate(&self.0, r, fieldwork::rectifications::recheck).await
    }
    async fn hand_over_visit(&self, r: Request<api::HandOverVisitRequest>) -> Reply<api::CaseSuggestion> {
        mutate(&self.0, r, fieldwork::suggestions::hand_over).await
    }
    async fn list_case_suggestions(
        &self,
        r: Request<api::ListCaseSuggestionsRequest>,
    ) -> Reply<api::ListCaseSuggestionsResponse> {
        call(&self.0, r, fieldwork::suggestions::list).await
    }
    async fn answer_case_suggestion(
        &self,
        r: Request<api::AnswerCaseSuggestionRequest>,
    ) -> Reply<api::CaseSuggestion> {
        mutate(&self.0, r, fieldwork::suggestions::answer).await
    }
}

#[chassis::async_trait]
impl Frequencies for Calls {
    async fn get_frequency(&self, r: Request<api::GetFrequencyRequest>) -> Reply<api::Frequency> {
        call(&self.0, r, frequencies::get).await
    }
    async fn put_exemption(&self, r: Request<api::PutExemptionRequest>) -> Reply<api::Exemption> {
        mutate(&self.0, r, frequencies::put).await
    }
    async fn list_exemptions(
        &self,
        r: Request<api::ListExemptionsRequest>,
    ) -> Reply<api::ListExemptionsResponse> {
        call(&self.0, r, frequencies::list).await
    }
}

#[chassis::async_trait]
impl Effects for Calls {
    async fn get_effect(&self, r: Request<api::GetEffectRequest>) -> Reply<api::Effect> {
        call(&self.0, r, effects::get).await
    }
}

#[chassis::async_trait]
impl Figures for Calls {
    async fn get_inspection_figures(
        &self,
        r: Request<api::GetInspectionFiguresRequest>,
    ) -> Reply<api::GetInspectionFiguresResponse> {
        call(&self.0, r, figures::of_inspections).await
    }
}

/// Opens the service. Both upstreams carry its own identity.
pub async fn open(boot: &Boot, grading: Upstream, credit: Upstream) -> anyhow::Result<Role> {
    let store = boot.store::<Migrator>("sampling").await?;
    figures::adopt(&store).await?;
    burdens::adopt(&store).await?;
    let grading = grading::Grading::new(grading);
    let app = Arc::new(Sampling { store: store.clone(), grading, credit });
    let calls = Calls(app.clone());
    let mut routes = RoutesBuilder::default();
    routes
        .add_service(InspectionItemsServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(InspectorsServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(PlansServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(DrawsServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(VisitsServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(RegistersServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(AnnualPlansServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(FieldworkServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(FrequenciesServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(FiguresServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(EffectsServer::new(calls).max_decoding_message_size(MESSAGE_MAX));
    let background = vec![visits::returns::run(app, boot.stopping.clone()).boxed()];
    Ok(Role { name: "sampling", router: stack(boot, routes), background, store })
}
