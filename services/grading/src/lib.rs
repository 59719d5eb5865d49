//! Grading 分级分类: follows credit's feed, keeps a fact sheet a subject, and grades it under the departments' schemes.
mod accesses;
mod catalogue;
mod days;
mod evaluation;
mod figures;
mod grades;
mod objections;
mod overrides;
mod runs;
mod schemes;
mod sheets;
mod simulations;
mod subject;

use std::sync::Arc;

use chassis::{
    App, Store, call,
    clock::Clock,
    feed::{self, Progress},
    mutate, mutate_prepared, operations,
    serve::{Boot, MESSAGE_MAX, Role},
    telemetry::Counter,
    upstream::Upstream,
};
use contract::{
    google::longrunning::Operation,
    grading::v1::{
        self as api, figures_server, grades_server, objections_server, operations_server, overrides_server,
        runs_server, schemes_server, simulations_server,
    },
};
use futures::{FutureExt, future::BoxFuture, stream::BoxStream};
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use tokio::sync::Notify;
use tonic::{Request, Response, Status, service::RoutesBuilder};

/// The service.
pub struct Grading {
    store: Store,
    clock: Clock,
    credit: Upstream,
    /// How far credit's feed has been followed.
    progress: Progress,
    /// How far the passing of days has been followed.
    due: days::Days,
    /// How far what takes effect or ends on a day has been followed.
    days: days::Days,
    versions: Arc<schemes::Versions>,
    /// How many evaluations there were, by what caused them.
    evaluations: Counter,
    /// Tells this process's workers that a run was divided, and its run that a part is done; other processes find out by looking.
    planned: Notify,
}

impl App for Grading {
    fn store(&self) -> &Store {
        &self.store
    }
}

#[derive(Clone)]
struct Calls(Arc<Grading>);

type Done<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl schemes_server::Schemes for Calls {
    async fn list_schemes(&self, r: Request<api::ListSchemesRequest>) -> Done<api::ListSchemesResponse> {
        call(&self.0, r, schemes::list).await
    }
    async fn get_scheme(&self, r: Request<api::GetSchemeRequest>) -> Done<api::Scheme> {
        call(&self.0, r, schemes::get).await
    }
    async fn create_scheme(&self, r: Request<api::CreateSchemeRequest>) -> Done<api::Scheme> {
        mutate_prepared(&self.0, r, schemes::catalogue_now, schemes::create).await
    }
    async fn update_scheme(&self, r: Request<api::UpdateSchemeRequest>) -> Done<api::Scheme> {
        mutate_prepared(&self.0, r, schemes::catalogue_now, schemes::update).await
    }
    async fn publish_scheme(&self, r: Request<api::PublishSchemeRequest>) -> Done<api::Scheme> {
        mutate_prepared(&self.0, r, schemes::catalogue_now, schemes::publication::publish).await
    }
    async fn retire_scheme(&self, r: Request<api::RetireSchemeRequest>) -> Done<api::Scheme> {
        mutate(&self.0, r, schemes::publication::retire).await
    }
    async fn new_scheme_version(&self, r: Request<api::NewSchemeVersionRequest>) -> Done<api::Scheme> {
        mutate(&self.0, r, schemes::publication::new_version).await
    }
    async fn get_measures(&self, r: Request<api::GetMeasuresRequest>) -> Done<api::SchemeMeasures> {
        call(&self.0, r, schemes::measures::get).await
    }
    async fn put_measures(&self, r: Request<api::PutMeasuresRequest>) -> Done<api::SchemeMeasures> {
        mutate(&self.0, r, schemes::measures::put).await
    }
    async fn list_measure_versions(
        &self,
        r: Request<api::ListMeasureVersionsRequest>,
    ) -> Done<api::ListMeasureVersionsResponse> {
        call(&self.0, r, schemes::measures::list_versions).await
    }
    async fn validate_scheme(&self, r: Request<api::ValidateSchemeRequest>) -> Done<api::SchemeValidation> {
        call(&self.0, r, schemes::validation::validate).await
    }
    async fn list_example_schemes(
        &self,
        r: Request<api::ListExampleSchemesRequest>,
    ) -> Done<api::ListExampleSchemesResponse> {
        call(&self.0, r, schemes::examples::list).await
    }
}

#[tonic::async_trait]
impl simulations_server::Simulations for Calls {
    async fn simulate_scheme(&self, r: Request<api::SimulateSchemeRequest>) -> Done<Operation> {
        mutate(&self.0, r, simulations::create).await
    }
    async fn start_shadow(&self, r: Request<api::StartShadowRequest>) -> Done<api::Shadow> {
        mutate(&self.0, r, simulations::shadows::start).await
    }
    async fn get_shadow(&self, r: Request<api::GetShadowRequest>) -> Done<api::Shadow> {
        call(&self.0, r, simulations::shadows::get).await
    }
    async fn end_shadow(&self, r: Request<api::EndShadowRequest>) -> Done<api::Shadow> {
        mutate(&self.0, r, simulations::shadows::end).await
    }
}

#[tonic::async_trait]
impl objections_server::Objections for Calls {
    async fn create_objection(&self, r: Request<api::CreateObjectionRequest>) -> Done<api::Objection> {
        mutate(&self.0, r, objections::create).await
    }
    async fn get_objection(&self, r: Request<api::GetObjectionRequest>) -> Done<api::Objection> {
        call(&self.0, r, objections::get).await
    }
    async fn list_objections(
        &self,
        r: Request<api::ListObjectionsRequest>,
    ) -> Done<api::ListObjectionsResponse> {
        call(&self.0, r, objections::list).await
    }
    async fn decide_objection(&self, r: Request<api::DecideObjectionRequest>) -> Done<api::Objection> {
        mutate(&self.0, r, objections::decide).await
    }
}

#[tonic::async_trait]
impl overrides_server::Overrides for Calls {
    async fn create_override(&self, r: Request<api::CreateOverrideRequest>) -> Done<api::Override> {
        mutate(&self.0, r, overrides::create).await
    }
    async fn confirm_override(&self, r: Request<api::ConfirmOverrideRequest>) -> Done<api::Override> {
        mutate(&self.0, r, overrides::confirm).await
    }
    async fn end_override(&self, r: Request<api::EndOverrideRequest>) -> Done<api::Override> {
        mutate(&self.0, r, overrides::end).await
    }
    async fn get_override(&self, r: Request<api::GetOverrideRequest>) -> Done<api::Override> {
        call(&self.0, r, overrides::get).await
    }
    async fn list_overrides(
        &self,
        r: Request<api::ListOverridesRequest>,
    ) -> Done<api::ListOverridesResponse> {
        call(&self.0, r, overrides::list).await
    }
}

#[tonic::async_trait]
impl grades_server::Grades for Calls {
    type ExportGradesStream = BoxStream<'static, Result<api::ExportedGrade, Status>>;

    async fn get_subject_grades(&self, r: Request<api::GetSubjectGradesRequest>) -> Done<api::SubjectGrades> {
        call(&self.0, r, grades::of_subject).await
    }
    async fn explain_grade(&self, r: Request<api::ExplainGradeRequest>) -> Done<api::Explanation> {
        call(&self.0, r, grades::explain::explain).await
    }
    async fn what_if_grade(&self, r: Request<api::WhatIfGradeRequest>) -> Done<api::WhatIf> {
        call(&self.0, r, grades::explain::what_if).await
    }
    async fn list_grade_history(
        &self,
        r: Request<api::ListGradeHistoryRequest>,
    ) -> Done<api::ListGradeHistoryResponse> {
        call(&self.0, r, grades::history::list).await
    }
    async fn batch_get_grades(
        &self,
        r: Request<api::BatchGetGradesRequest>,
    ) -> Done<api::BatchGetGradesResponse> {
        call(&self.0, r, grades::of_subjects).await
    }
    async fn export_grades(&self, r: Request<api::ExportGradesRequest>) -> Done<Self::ExportGradesStream> {
        call(&self.0, r, grades::export::stream).await
    }
    async fn get_distribution(&self, r: Request<api::GetDistributionRequest>) -> Done<api::Distribution> {
        call(&self.0, r, grades::distribution).await
    }
}

#[tonic::async_trait]
impl figures_server::Figures for Calls {
    async fn get_scheme_figures(
        &self,
        r: Request<api::GetSchemeFiguresRequest>,
    ) -> Done<api::GetSchemeFiguresResponse> {
        call(&self.0, r, figures::of_schemes).await
    }
    async fn get_grade_figures(
        &self,
        r: Request<api::GetGradeFiguresRequest>,
    ) -> Done<api::GetGradeFiguresResponse> {
        call(&self.0, r, figures::of_grades).await
    }
    async fn get_population_figures(
        &self,
        r: Request<api::GetPopulationFiguresRequest>,
    ) -> Done<api::GetPopulationFiguresResponse> {
        call(&self.0, r, figures::of_population).await
    }
}

#[tonic::async_trait]
impl runs_server::Runs for Calls {
    async fn create_run(&self, r: Request<api::CreateRunRequest>) -> Done<Operation> {
        mutate(&self.0, r, runs::create).await
    }
}

#[tonic::async_trait]
impl operations_server::Operations for Calls {
    async fn get_operation(&self, r: Request<api::GetOperationRequest>) -> Done<Operation> {
        call(&self.0, r, runs::operation).await
    }
    async fn cancel_operation(&self, r: Request<api::CancelOperationRequest>) -> Done<Operation> {
        mutate(&self.0, r, runs::cancel).await
    }
}

/// The tables.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        chassis::storage::migrations(&[
            ("grading_0001_base", include_str!("../migrations/0001_grading.sql")),
            ("grading_0002_engine", include_str!("../migrations/0002_engine.sql")),
            ("grading_0003_schemes", include_str!("../migrations/0003_schemes.sql")),
            ("grading_0004_pages", include_str!("../migrations/0004_pages.sql")),
            ("grading_0005_revisions", include_str!("../migrations/0005_revisions.sql")),
        ])
    }
}

/// Opens the service; it reads credit's feed and catalogue.
pub async fn open(boot: &Boot, credit: Upstream) -> anyhow::Result<Role> {
    let store = boot.store::<Migrator>("grading").await?;
    figures::adopt(&store, boot.clock.today()).await?;
    let versions = Arc::<schemes::Versions>::default();
    let evaluations = boot.metrics.counter(
        "xinheng_grading_evaluations_total",
        "evaluations of a subject under a scheme, by what caused them: a record, a day or a run",
        "cause",
    )?;
    let follower = sheets::Follower {
        credit: credit.clone(),
        versions: versions.clone(),
        catalogue: catalogue::Types::default(),
        clock: boot.clock.clone(),
        evaluations: evaluations.clone(),
    };
    let (progress, following) = feed::follow(store.clone(), Arc::new(follower), boot.stopping.clone());
    boot.follows("credit", progress.clone())?;
    let clock = boot.clock.clone();
    runs::adopt(&store).await.map_err(|fault| anyhow::anyhow!("{fault}"))?;
    let planned = Notify::new();
    let app = Arc::new(Grading {
        store: store.clone(),
        clock,
        credit,
        progress,
        due: evaluation::of_grades(),
        days: days::of_rules(),
        versions,
        evaluations,
        planned,
    });
    let works: Vec<Arc<dyn operations::Work>> =
        vec![Arc::new(runs::Population(app.clone())), Arc::new(simulations::Simulator(app.clone()))];
    let working = operations::run(store.clone(), boot.clock.clone(), works, boot.stopping.clone());
    let passing = evaluation::pass_days(app.clone(), boot.stopping.clone());
    let falling_due = days::pass(app.clone(), boot.stopping.clone());
    let mut background: Vec<BoxFuture<'static, ()>> =
        vec![following.boxed(), working.boxed(), passing.boxed(), falling_due.boxed()];
    for _ in 0..workers(&store) {
        background.push(runs::shards::work(app.clone(), boot.stopping.clone()).boxed());
    }
    Ok(Role { name: "grading", router: chassis::serve::stack(boot, routes(app)), background, store })
}

// A SQLite file has one writer. Elsewhere a worker reckons while the database reads and writes for another.
fn workers(store: &Store) -> usize {
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    if store.is_sqlite() { 1 } else { cores.clamp(2, 4) }
}

fn routes(app: Arc<Grading>) -> RoutesBuilder {
    let calls = Calls(app);
    let mut routes = RoutesBuilder::default();
    routes
        .add_service(schemes_server::SchemesServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(grades_server::GradesServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(figures_server::FiguresServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(runs_server::RunsServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(
            simulations_server::SimulationsServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX),
        )
        .add_service(
            objections_server::ObjectionsServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX),
        )
        .add_service(
            overrides_server::OverridesServer::new(calls.clone()).max_decoding_message_size(MESSAGE_MAX),
        )
        .add_service(operations_server::OperationsServer::new(calls).max_decoding_message_size(MESSAGE_MAX));
    routes
}
