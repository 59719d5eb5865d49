//! Discipline 信用奖惩名单: lists and measures, the procedure that lists a subject, and the check. The table of contents.
mod applications;
mod cases;
mod checks;
mod credit;
mod directory;
mod figures;
mod listings;
mod lists;
mod looks;
mod measures;
mod outgoing;
mod personal;

use std::sync::Arc;

use chassis::{
    App, Store, call,
    clock::Clock,
    mutate,
    serve::{Boot, MESSAGE_MAX, Role, stack},
    storage,
    upstream::Upstream,
};
use contract::discipline::v1::{
    self as api,
    applications_server::{Applications, ApplicationsServer},
    cases_server::{Cases, CasesServer},
    checks_server::{Checks, ChecksServer},
    figures_server::{Figures, FiguresServer},
    listings_server::{Listings, ListingsServer},
    lists_server::{Lists, ListsServer},
    measures_server::{Measures, MeasuresServer},
};
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use tonic::{Request, Response, Status, service::RoutesBuilder};

/// The service.
struct Discipline {
    store: Store,
    clock: Clock,
    credit: credit::Credit,
}

impl App for Discipline {
    fn store(&self) -> &Store {
        &self.store
    }
}

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        storage::migrations(&[("discipline_0001_base", include_str!("../migrations/0001_base.sql"))])
    }
}

#[derive(Clone)]
struct Calls(Arc<Discipline>);

type Reply<T> = Result<Response<T>, Status>;

#[chassis::async_trait]
impl Lists for Calls {
    async fn put_list(&self, r: Request<api::PutListRequest>) -> Reply<api::List> {
        mutate(&self.0, r, lists::put).await
    }
    async fn get_list(&self, r: Request<api::GetListRequest>) -> Reply<api::List> {
        call(&self.0, r, lists::get).await
    }
    async fn list_lists(&self, r: Request<api::ListListsRequest>) -> Reply<api::ListListsResponse> {
        call(&self.0, r, lists::list).await
    }
}

#[chassis::async_trait]
impl Measures for Calls {
    async fn put_measure(&self, r: Request<api::PutMeasureRequest>) -> Reply<api::Measure> {
        mutate(&self.0, r, measures::put).await
    }
    async fn get_measure(&self, r: Request<api::GetMeasureRequest>) -> Reply<api::Measure> {
        call(&self.0, r, measures::get).await
    }
    async fn list_measures(&self, r: Request<api::ListMeasuresRequest>) -> Reply<api::ListMeasuresResponse> {
        call(&self.0, r, measures::list).await
    }
}

#[chassis::async_trait]
impl Cases for Calls {
    async fn create_case(&self, r: Request<api::CreateCaseRequest>) -> Reply<api::Case> {
        mutate(&self.0, r, cases::propose).await
    }
    async fn get_case(&self, r: Request<api::GetCaseRequest>) -> Reply<api::Case> {
        call(&self.0, r, cases::get).await
    }
    async fn list_cases(&self, r: Request<api::ListCasesRequest>) -> Reply<api::ListCasesResponse> {
        call(&self.0, r, cases::list).await
    }
    async fn notify_case(&self, r: Request<api::CaseStepRequest>) -> Reply<api::Case> {
        mutate(&self.0, r, cases::notify).await
    }
    async fn record_defence(&self, r: Request<api::CaseStepRequest>) -> Reply<api::Case> {
        mutate(&self.0, r, cases::record_defence).await
    }
    async fn waive_defence(&self, r: Request<api::CaseStepRequest>) -> Reply<api::Case> {
        mutate(&self.0, r, cases::waive_defence).await
    }
    async fn hold_hearing(&self, r: Request<api::CaseStepRequest>) -> Reply<api::Case> {
        mutate(&self.0, r, cases::hold_hearing).await
    }
    async fn decide_case(&self, r: Request<api::DecideCaseRequest>) -> Reply<api::Case> {
        mutate(&self.0, r, cases::decide).await
    }
    async fn serve_case(&self, r: Request<api::CaseStepRequest>) -> Reply<api::Case> {
        mutate(&self.0, r, cases::serve).await
    }
    async fn publish_case(&self, r: Request<api::CaseStepRequest>) -> Reply<api::Case> {
        mutate(&self.0, r, cases::publish).await
    }
    async fn drop_case(&self, r: Request<api::CaseStepRequest>) -> Reply<api::Case> {
        mutate(&self.0, r, cases::drop_case).await
    }
}

#[chassis::async_trait]
impl Listings for Calls {
    async fn list_public_listings(
        &self,
        r: Request<api::ListPublicListingsRequest>,
    ) -> Reply<api::ListPublicListingsResponse> {
        call(&self.0, r, listings::list_public).await
    }
}

#[chassis::async_trait]
impl Checks for Calls {
    async fn check_subjects(
        &self,
        r: Request<api::CheckSubjectsRequest>,
    ) -> Reply<api::CheckSubjectsResponse> {
        call(&self.0, r, checks::check).await
    }
}

#[chassis::async_trait]
impl Applications for Calls {
    async fn create_application(&self, r: Request<api::CreateApplicationRequest>) -> Reply<api::Application> {
        mutate(&self.0, r, applications::create).await
    }
    async fn list_applications(
        &self,
        r: Request<api::ListApplicationsRequest>,
    ) -> Reply<api::ListApplicationsResponse> {
        call(&self.0, r, applications::list).await
    }
}

#[chassis::async_trait]
impl Figures for Calls {
    async fn get_figures(&self, r: Request<api::GetFiguresRequest>) -> Reply<api::GetFiguresResponse> {
        call(&self.0, r, figures::get).await
    }
}

/// Opens the service; `credit` is called under the service's own identity.
pub async fn open(boot: &Boot, credit: Upstream) -> anyhow::Result<Role> {
    let store = boot.store::<Migrator>("discipline").await?;
    let credit = credit::Credit::new(credit);
    let app = Arc::new(Discipline { store: store.clone(), clock: boot.clock.clone(), credit });
    let calls = || Calls(app.clone());
    let mut routes = RoutesBuilder::default();
    routes
        .add_service(ListsServer::new(calls()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(MeasuresServer::new(calls()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(CasesServer::new(calls()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(ListingsServer::new(calls()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(ChecksServer::new(calls()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(ApplicationsServer::new(calls()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(FiguresServer::new(calls()).max_decoding_message_size(MESSAGE_MAX));
    Ok(Role {
        name: "discipline",
        router: stack(boot, routes),
        background: vec![
            Box::pin(outgoing::run(app.clone(), boot.stopping.clone())),
            Box::pin(listings::expire(app.clone(), boot.stopping.clone())),
        ],
        store,
    })
}
