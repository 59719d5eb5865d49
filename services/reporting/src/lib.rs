//! Reporting 报送: work plans, coverage of the 22 domains, summaries from the services' own figures, cases of effect, deadlines.
mod coverage;
mod deadlines;
mod effect_cases;
mod figures;
mod summaries;
mod work_plans;

use std::sync::Arc;

use chassis::{
    App, Store, call, mutate,
    serve::{Boot, MESSAGE_MAX, Role, stack},
    storage,
    upstream::Upstream,
};
use contract::reporting::v1::{
    self as api,
    coverages_server::{Coverages, CoveragesServer},
    deadlines_server::{Deadlines, DeadlinesServer},
    effect_cases_server::{EffectCases, EffectCasesServer},
    summaries_server::{Summaries, SummariesServer},
    work_plans_server::{WorkPlans, WorkPlansServer},
};
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use tonic::{Request, Response, Status, service::RoutesBuilder};

/// The service.
pub struct Reporting {
    store: Store,
    credit: Upstream,
    grading: Upstream,
    sampling: Upstream,
    discipline: Upstream,
}

impl App for Reporting {
    fn store(&self) -> &Store {
        &self.store
    }
}

/// Its tables.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        storage::migrations(&[("reporting_0001_base", include_str!("../migrations/0001_base.sql"))])
    }
}

#[derive(Clone)]
struct Calls(Arc<Reporting>);

#[tonic::async_trait]
impl WorkPlans for Calls {
    async fn create_work_plan(&self, r: Request<api::CreateWorkPlanRequest>) -> Result<Response<api::WorkPlan>, Status> {
        mutate(&self.0, r, work_plans::create).await
    }

    async fn get_work_plan(&self, r: Request<api::GetWorkPlanRequest>) -> Result<Response<api::WorkPlan>, Status> {
        call(&self.0, r, work_plans::get).await
    }

    async fn list_work_plans(&self, r: Request<api::ListWorkPlansRequest>) -> Result<Response<api::ListWorkPlansResponse>, Status> {
        call(&self.0, r, work_plans::list).await
    }

    async fn submit_work_plan(&self, r: Request<api::SubmitWorkPlanRequest>) -> Result<Response<api::WorkPlan>, Status> {
        mutate(&self.0, r, work_plans::submit).await
    }
}

#[tonic::async_trait]
impl Coverages for Calls {
    async fn get_coverage(&self, r: Request<api::GetCoverageRequest>) -> Result<Response<api::Coverage>, Status> {
        call(&self.0, r, coverage::get).await
    }
}

#[tonic::async_trait]
impl Summaries for Calls {
    async fn create_summary(&self, r: Request<api::CreateSummaryRequest>) -> Result<Response<api::Summary>, Status> {
        mutate(&self.0, r, summaries::create).await
    }

    async fn get_summary(&self, r: Request<api::GetSummaryRequest>) -> Result<Response<api::Summary>, Status> {
        call(&self.0, r, summaries::get).await
    }
}

#[tonic::async_trait]
impl EffectCases for Calls {
    async fn create_effect_case(&self, r: Request<api::CreateEffectCaseRequest>) -> Result<Response<api::EffectCase>, Status> {
        mutate(&self.0, r, effect_cases::create).await
    }

    async fn list_effect_cases(&self, r: Request<api::ListEffectCasesRequest>) -> Result<Response<api::ListEffectCasesResponse>, Status> {
        call(&self.0, r, effect_cases::list).await
    }
}

#[tonic::async_trait]
impl Deadlines for Calls {
    async fn list_deadlines(&self, r: Request<api::ListDeadlinesRequest>) -> Result<Response<api::ListDeadlinesResponse>, Status> {
        call(&self.0, r, deadlines::list).await
    }
}

/// Opens the service.
pub async fn open(
    boot: &Boot,
    credit: Upstream,
    grading: Upstream,
    sampling: Upstream,
    discipline: Upstream,
) -> anyhow::Result<Role> {
    let store = boot.store::<Migrator>("reporting").await?;
    let calls = Calls(Arc::new(Reporting { store: store.clone(), credit, grading, sampling, discipline }));
    let mut routes = RoutesBuilder::default();
    routes.add_service(WorkPlansServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX));
    routes.add_service(CoveragesServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX));
    routes.add_service(SummariesServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX));
    routes.add_service(EffectCasesServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX));
    routes.add_service(DeadlinesServer::new(calls).max_decoding_message_size(MESSAGE_MAX));
    Ok(Role { name: "reporting", router: stack(boot, routes), background: Vec::new(), store })
}
