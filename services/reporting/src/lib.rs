//! Reporting 报送: work plans, coverage, summaries, cases of effect, deadlines, the city at a glance, assessments. The table of contents.
mod assessments;
mod attachments;
mod coverage;
mod deadlines;
mod effect_cases;
mod glance;
mod refusals;
mod sources;
mod summaries;
mod work_plans;

use std::sync::Arc;

use chassis::{
    App, Store, call,
    file::{self, File},
    mutate, mutate_prepared,
    serve::{Boot, MESSAGE_MAX, Role, stack},
    storage,
    upstream::Upstream,
};
use contract::reporting::v1::{
    self as api,
    assessments_server::{Assessments, AssessmentsServer},
    attachments_server::{Attachments, AttachmentsServer},
    coverages_server::{Coverages, CoveragesServer},
    deadlines_server::{Deadlines, DeadlinesServer},
    effect_cases_server::{EffectCases, EffectCasesServer},
    glances_server::{Glances, GlancesServer},
    summaries_server::{Summaries, SummariesServer},
    work_plans_server::{WorkPlans, WorkPlansServer},
};
use futures::FutureExt as _;
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use tonic::{Request, Response, Status, Streaming, service::RoutesBuilder};

/// The service.
struct Reporting {
    store: Store,
    sources: sources::Sources,
}

impl App for Reporting {
    fn store(&self) -> &Store {
        &self.store
    }
}

/// The tables.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        storage::migrations(&[
            ("reporting_0001_base", include_str!("../migrations/0001_base.sql")),
            ("reporting_0003_work_plans", include_str!("../migrations/0003_work_plans.sql")),
            ("reporting_0004_summaries", include_str!("../migrations/0004_summaries.sql")),
            ("reporting_0005_effect_cases", include_str!("../migrations/0005_effect_cases.sql")),
            ("reporting_0010_assessments", include_str!("../migrations/0010_assessments.sql")),
        ])
    }
}

#[derive(Clone)]
struct Calls(Arc<Reporting>);

type Reply<T> = Result<Response<T>, Status>;

#[chassis::async_trait]
impl WorkPlans for Calls {
    async fn create_work_plan(&self, r: Request<api::CreateWorkPlanRequest>) -> Reply<api::WorkPlan> {
        mutate(&self.0, r, work_plans::create).await
    }
    async fn get_work_plan(&self, r: Request<api::GetWorkPlanRequest>) -> Reply<api::WorkPlan> {
        call(&self.0, r, work_plans::get).await
    }
    async fn list_work_plans(
        &self,
        r: Request<api::ListWorkPlansRequest>,
    ) -> Reply<api::ListWorkPlansResponse> {
        call(&self.0, r, work_plans::list).await
    }
    async fn submit_work_plan(&self, r: Request<api::SubmitWorkPlanRequest>) -> Reply<api::WorkPlan> {
        mutate(&self.0, r, work_plans::submit).await
    }
    async fn update_work_plan(&self, r: Request<api::UpdateWorkPlanRequest>) -> Reply<api::WorkPlan> {
        mutate(&self.0, r, work_plans::update).await
    }
    async fn accept_work_plan(&self, r: Request<api::AcceptWorkPlanRequest>) -> Reply<api::WorkPlan> {
        mutate(&self.0, r, work_plans::accept).await
    }
    async fn return_work_plan(&self, r: Request<api::ReturnWorkPlanRequest>) -> Reply<api::WorkPlan> {
        mutate(&self.0, r, work_plans::return_).await
    }
    async fn report_task(&self, r: Request<api::ReportTaskRequest>) -> Reply<api::WorkPlan> {
        mutate(&self.0, r, work_plans::report).await
    }
}

#[chassis::async_trait]
impl Coverages for Calls {
    async fn get_coverage(&self, r: Request<api::GetCoverageRequest>) -> Reply<api::Coverage> {
        call(&self.0, r, coverage::get).await
    }
}

#[chassis::async_trait]
impl Summaries for Calls {
    async fn create_summary(&self, r: Request<api::CreateSummaryRequest>) -> Reply<api::Summary> {
        mutate_prepared(&self.0, r, summaries::ask, summaries::create).await
    }
    async fn get_summary(&self, r: Request<api::GetSummaryRequest>) -> Reply<api::Summary> {
        call(&self.0, r, summaries::get).await
    }
    async fn list_summaries(
        &self,
        r: Request<api::ListSummariesRequest>,
    ) -> Reply<api::ListSummariesResponse> {
        call(&self.0, r, summaries::list).await
    }
    async fn write_summary(&self, r: Request<api::WriteSummaryRequest>) -> Reply<api::Summary> {
        mutate(&self.0, r, summaries::write).await
    }
    async fn refresh_summary(&self, r: Request<api::RefreshSummaryRequest>) -> Reply<api::Summary> {
        mutate_prepared(&self.0, r, summaries::ask_again, summaries::refresh).await
    }
    async fn check_summary(&self, r: Request<api::CheckSummaryRequest>) -> Reply<api::CheckSummaryResponse> {
        call(&self.0, r, summaries::check).await
    }
    async fn submit_summary(&self, r: Request<api::SubmitSummaryRequest>) -> Reply<api::Summary> {
        mutate(&self.0, r, summaries::submit).await
    }
    async fn accept_summary(&self, r: Request<api::AcceptSummaryRequest>) -> Reply<api::Summary> {
        mutate(&self.0, r, summaries::accept).await
    }
    async fn return_summary(&self, r: Request<api::ReturnSummaryRequest>) -> Reply<api::Summary> {
        mutate(&self.0, r, summaries::return_).await
    }
    type ExportSummaryStream = file::Parts;
    async fn export_summary(&self, r: Request<api::ExportSummaryRequest>) -> Reply<file::Parts> {
        call(&self.0, r, summaries::export).await.map(File::answer)
    }
}

#[chassis::async_trait]
impl EffectCases for Calls {
    async fn create_effect_case(&self, r: Request<api::CreateEffectCaseRequest>) -> Reply<api::EffectCase> {
        mutate(&self.0, r, effect_cases::create).await
    }
    async fn list_effect_cases(
        &self,
        r: Request<api::ListEffectCasesRequest>,
    ) -> Reply<api::ListEffectCasesResponse> {
        call(&self.0, r, effect_cases::list).await
    }
    async fn get_effect_case(&self, r: Request<api::GetEffectCaseRequest>) -> Reply<api::EffectCase> {
        call(&self.0, r, effect_cases::get).await
    }
    async fn update_effect_case(&self, r: Request<api::UpdateEffectCaseRequest>) -> Reply<api::EffectCase> {
        mutate(&self.0, r, effect_cases::update).await
    }
    async fn accept_effect_case(&self, r: Request<api::AcceptEffectCaseRequest>) -> Reply<api::EffectCase> {
        mutate(&self.0, r, effect_cases::accept).await
    }
    async fn return_effect_case(&self, r: Request<api::ReturnEffectCaseRequest>) -> Reply<api::EffectCase> {
        mutate(&self.0, r, effect_cases::return_).await
    }
    async fn publish_effect_case(&self, r: Request<api::PublishEffectCaseRequest>) -> Reply<api::EffectCase> {
        mutate(&self.0, r, effect_cases::publish).await
    }
    async fn withdraw_effect_case(
        &self,
        r: Request<api::WithdrawEffectCaseRequest>,
    ) -> Reply<api::EffectCase> {
        mutate(&self.0, r, effect_cases::withdraw).await
    }
    async fn list_public_effect_cases(
        &self,
        r: Request<api::ListPublicEffectCasesRequest>,
    ) -> Reply<api::ListPublicEffectCasesResponse> {
        call(&self.0, r, effect_cases::list_public).await
    }
}

#[chassis::async_trait]
impl Deadlines for Calls {
    async fn list_deadlines(
        &self,
        r: Request<api::ListDeadlinesRequest>,
    ) -> Reply<api::ListDeadlinesResponse> {
        call(&self.0, r, deadlines::list).await
    }
    async fn list_obligations(
        &self,
        r: Request<api::ListObligationsRequest>,
    ) -> Reply<api::ListObligationsResponse> {
        call(&self.0, r, deadlines::obligations).await
    }
    async fn list_reminders(
        &self,
        r: Request<api::ListRemindersRequest>,
    ) -> Reply<api::ListRemindersResponse> {
        call(&self.0, r, deadlines::reminders::list).await
    }
    async fn acknowledge_reminder(
        &self,
        r: Request<api::AcknowledgeReminderRequest>,
    ) -> Reply<api::Reminder> {
        mutate(&self.0, r, deadlines::reminders::acknowledge).await
    }
}

#[chassis::async_trait]
impl Attachments for Calls {
    type DownloadAttachmentStream = file::Parts;

    async fn attach(&self, r: Request<Streaming<api::AttachRequest>>) -> Reply<api::Attachment> {
        let (context, parts) = call::open_stream(r)?;
        call::answer(&context, attachments::attach(&self.0, &context, parts).await)
    }
    async fn list_attachments(
        &self,
        r: Request<api::ListAttachmentsRequest>,
    ) -> Reply<api::ListAttachmentsResponse> {
        call(&self.0, r, attachments::list).await
    }
    async fn download_attachment(&self, r: Request<api::DownloadAttachmentRequest>) -> Reply<file::Parts> {
        call(&self.0, r, attachments::download).await.map(File::answer)
    }
    async fn remove_attachment(&self, r: Request<api::RemoveAttachmentRequest>) -> Reply<api::Attachment> {
        mutate(&self.0, r, attachments::remove).await
    }
}

#[chassis::async_trait]
impl Glances for Calls {
    async fn get_grade_series(&self, r: Request<api::GetGradeSeriesRequest>) -> Reply<api::GradeSeries> {
        call(&self.0, r, glance::grades).await
    }
    async fn get_migrations(&self, r: Request<api::GetMigrationsRequest>) -> Reply<api::Migrations> {
        call(&self.0, r, glance::migrations).await
    }
    async fn get_inspection_series(
        &self,
        r: Request<api::GetInspectionSeriesRequest>,
    ) -> Reply<api::InspectionSeries> {
        call(&self.0, r, glance::inspections).await
    }
    async fn get_listing_series(
        &self,
        r: Request<api::GetListingSeriesRequest>,
    ) -> Reply<api::ListingSeries> {
        call(&self.0, r, glance::listings).await
    }
    async fn get_data_quality(&self, r: Request<api::GetDataQualityRequest>) -> Reply<api::DataQuality> {
        call(&self.0, r, glance::quality).await
    }
}

#[chassis::async_trait]
impl Assessments for Calls {
    async fn publish_formula(&self, r: Request<api::PublishFormulaRequest>) -> Reply<api::Formula> {
        mutate(&self.0, r, assessments::publish).await
    }
    async fn list_formulas(&self, r: Request<api::ListFormulasRequest>) -> Reply<api::ListFormulasResponse> {
        call(&self.0, r, assessments::formulas).await
    }
    async fn create_assessment(&self, r: Request<api::CreateAssessmentRequest>) -> Reply<api::Assessment> {
        mutate_prepared(&self.0, r, assessments::figures, assessments::create).await
    }
    async fn get_assessment(&self, r: Request<api::GetAssessmentRequest>) -> Reply<api::Assessment> {
        call(&self.0, r, assessments::get).await
    }
    async fn list_assessments(
        &self,
        r: Request<api::ListAssessmentsRequest>,
    ) -> Reply<api::ListAssessmentsResponse> {
        call(&self.0, r, assessments::list).await
    }
}

/// Opens the service; the four others are called under the service's own identity.
pub async fn open(
    boot: &Boot,
    credit: Upstream,
    grading: Upstream,
    sampling: Upstream,
    discipline: Upstream,
) -> anyhow::Result<Role> {
    let store = boot.store::<Migrator>("reporting").await?;
    let sources = sources::Sources { credit, grading, sampling, discipline };
    let app = Arc::new(Reporting { store: store.clone(), sources });
    let calls = || Calls(app.clone());
    let mut routes = RoutesBuilder::default();
    routes
        .add_service(WorkPlansServer::new(calls()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(CoveragesServer::new(calls()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(GlancesServer::new(calls()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(AssessmentsServer::new(calls()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(SummariesServer::new(calls()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(EffectCasesServer::new(calls()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(DeadlinesServer::new(calls()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(AttachmentsServer::new(calls()).max_decoding_message_size(MESSAGE_MAX));
    let background = vec![deadlines::reminders::run(app, boot.clock.clone(), boot.stopping.clone()).boxed()];
    Ok(Role { name: "reporting", router: stack(boot, routes), background, store })
}
