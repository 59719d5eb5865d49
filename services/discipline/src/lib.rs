//! Discipline 信用奖惩名单: lists and measures, the procedure that lists a subject, and the check. The table of contents.
mod applications;
mod bases;
mod cases;
mod changes;
mod checks;
mod credit;
mod deadlines;
mod deliveries;
mod directory;
mod figures;
mod filings;
mod listings;
mod lists;
mod looks;
mod measures;
mod papers;
mod personal;
mod suggestions;

use std::sync::Arc;

use chassis::{
    App, Store,
    call::{self, call, mutate_prepared},
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
    deadlines_server::{Deadlines, DeadlinesServer},
    feed_server::{Feed, FeedServer},
    figures_server::{Figures, FiguresServer},
    listings_server::{Listings, ListingsServer},
    lists_server::{Lists, ListsServer},
    measures_server::{Measures, MeasuresServer},
    objections_server::{Objections, ObjectionsServer},
    papers_server::{Papers, PapersServer},
    repairs_server::{Repairs, RepairsServer},
    suggestions_server::{Suggestions, SuggestionsServer},
};
use contract::{Encoded, google::api::HttpBody};
use futures::stream::BoxStream;
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use tonic::{Request, Response, Status, Streaming, service::RoutesBuilder};

/// The service.
struct Discipline {
    store: Store,
    clock: Clock,
    credit: credit::Credit,
    // What checks are answered from.
    standing: Arc<checks::Standing>,
    looks: looks::Looks,
}

impl App for Discipline {
    fn store(&self) -> &Store {
        &self.store
    }
}

/// The tables.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        storage::migrations(&[
            ("discipline_0001_base", include_str!("../migrations/0001_base.sql")),
            ("discipline_0002_after", include_str!("../migrations/0002_after.sql")),
            ("discipline_0003_feedback", include_str!("../migrations/0003_feedback.sql")),
            ("discipline_0004_procedure", include_str!("../migrations/0004_procedure.sql")),
            ("discipline_0005_suggestions", include_str!("../migrations/0005_suggestions.sql")),
            ("discipline_0020_reads", include_str!("../migrations/0020_reads.sql")),
        ])
    }
}

#[derive(Clone)]
struct Calls(Arc<Discipline>);

type Reply<T> = Result<Response<T>, Status>;

#[chassis::async_trait]
impl Lists for Calls {
    async fn put_list(&self, r: Request<api::PutListRequest>) -> Reply<api::List> {
        mutate_prepared(&self.0, r, lists::look_up, lists::put).await
    }
    async fn get_list(&self, r: Request<api::GetListRequest>) -> Reply<api::List> {
        call(&self.0, r, lists::get).await
    }
    async fn confirm_list(&self, r: Request<api::ConfirmListRequest>) -> Reply<api::List> {
        mutate(&self.0, r, bases::confirm_list).await
    }
    async fn get_lapses(&self, r: Request<api::GetLapsesRequest>) -> Reply<api::GetLapsesResponse> {
        call(&self.0, r, bases::lapses).await
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
    async fn confirm_measure(&self, r: Request<api::ConfirmMeasureRequest>) -> Reply<api::Measure> {
        mutate(&self.0, r, bases::confirm_measure).await
    }
    async fn list_measures(&self, r: Request<api::ListMeasuresRequest>) -> Reply<api::ListMeasuresResponse> {
        call(&self.0, r, measures::list).await
    }
}

#[chassis::async_trait]
impl Cases for Calls {
    async fn create_case(&self, r: Request<api::CreateCaseRequest>) -> Reply<api::Case> {
        mutate_prepared(&self.0, r, cases::prepare, cases::propose).await
    }
    async fn get_case(&self, r: Request<api::GetCaseRequest>) -> Reply<api::Case> {
        call(&self.0, r, cases::get).await
    }
    async fn list_cases(&self, r: Request<api::ListCasesRequest>) -> Reply<api::ListCasesResponse> {
        call(&self.0, r, cases::list).await
    }
    async fn notify_case(&self, r: Request<api::CaseStepRequest>) -> Reply<api::Case> {
        mutate_prepared(&self.0, r, cases::print_notice, cases::notify).await
    }
    async fn publicize_case(&self, r: Request<api::CaseStepRequest>) -> Reply<api::Case> {
        mutate_prepared(&self.0, r, cases::print_publicity, cases::publicize).await
    }
    async fn record_defence(&self, r: Request<api::CaseStepRequest>) -> Reply<api::Case> {
        mutate(&self.0, r, cases::record_defence).await
    }
    async fn answer_defence(&self, r: Request<api::AnswerDefenceRequest>) -> Reply<api::Case> {
        mutate_prepared(&self.0, r, cases::print_answer, cases::answer_defence).await
    }
    async fn waive_defence(&self, r: Request<api::CaseStepRequest>) -> Reply<api::Case> {
        mutate(&self.0, r, cases::waive_defence).await
    }
    async fn call_hearing(&self, r: Request<api::CallHearingRequest>) -> Reply<api::Case> {
        mutate_prepared(&self.0, r, cases::print_call, cases::call_hearing).await
    }
    async fn hold_hearing(&self, r: Request<api::CaseStepRequest>) -> Reply<api::Case> {
        mutate(&self.0, r, cases::hold_hearing).await
    }
    async fn review_legality(&self, r: Request<api::ReviewLegalityRequest>) -> Reply<api::Case> {
        mutate_prepared(&self.0, r, cases::print_opinion, cases::review_legality).await
    }
    async fn decide_case(&self, r: Request<api::DecideCaseRequest>) -> Reply<api::Case> {
        mutate_prepared(&self.0, r, cases::look_again, cases::decide).await
    }
    async fn serve_case(&self, r: Request<api::CaseStepRequest>) -> Reply<api::Case> {
        mutate_prepared(&self.0, r, cases::print_receipt, cases::serve).await
    }
    async fn publish_case(&self, r: Request<api::CaseStepRequest>) -> Reply<api::Case> {
        mutate(&self.0, r, cases::publish).await
    }
    async fn drop_case(&self, r: Request<api::CaseStepRequest>) -> Reply<api::Case> {
        mutate_prepared(&self.0, r, cases::print_termination, cases::drop_case).await
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
    async fn get_listing(&self, r: Request<api::GetListingRequest>) -> Reply<api::Listing> {
        call(&self.0, r, listings::get).await
    }
    async fn list_listings(&self, r: Request<api::ListListingsRequest>) -> Reply<api::ListListingsResponse> {
        call(&self.0, r, listings::list).await
    }
    async fn mark_listing(&self, r: Request<api::MarkListingRequest>) -> Reply<api::Listing> {
        mutate(&self.0, r, listings::mark).await
    }
    async fn unmark_listing(&self, r: Request<api::MarkListingRequest>) -> Reply<api::Listing> {
        mutate(&self.0, r, listings::unmark).await
    }
    async fn revoke_listing(&self, r: Request<api::RevokeListingRequest>) -> Reply<api::Listing> {
        mutate_prepared(&self.0, r, listings::print_removal, listings::revoke).await
    }
}

#[chassis::async_trait]
impl Objections for Calls {
    async fn create_objection(&self, r: Request<api::CreateObjectionRequest>) -> Reply<api::Objection> {
        mutate(&self.0, r, filings::object).await
    }
    async fn get_objection(&self, r: Request<api::GetObjectionRequest>) -> Reply<api::Objection> {
        call(&self.0, r, filings::get_objection).await
    }
    async fn list_objections(
        &self,
        r: Request<api::ListObjectionsRequest>,
    ) -> Reply<api::ListObjectionsResponse> {
        call(&self.0, r, filings::list_objections).await
    }
    async fn decide_objection(&self, r: Request<api::DecideObjectionRequest>) -> Reply<api::Objection> {
        mutate_prepared(&self.0, r, filings::print_answer, filings::decide_objection).await
    }
}

#[chassis::async_trait]
impl Repairs for Calls {
    async fn create_repair(&self, r: Request<api::CreateRepairRequest>) -> Reply<api::Repair> {
        mutate(&self.0, r, filings::ask_repair).await
    }
    async fn get_repair(&self, r: Request<api::GetRepairRequest>) -> Reply<api::Repair> {
        call(&self.0, r, filings::get_repair).await
    }
    async fn list_repairs(&self, r: Request<api::ListRepairsRequest>) -> Reply<api::ListRepairsResponse> {
        call(&self.0, r, filings::list_repairs).await
    }
    async fn decide_repair(&self, r: Request<api::DecideRepairRequest>) -> Reply<api::Repair> {
        mutate_prepared(&self.0, r, filings::print_decision, filings::decide_repair).await
    }
}

#[chassis::async_trait]
impl Checks for Calls {
    type StreamChecksStream = BoxStream<'static, Result<Encoded<api::CheckSubjectsResponse>, Status>>;

    async fn check_subjects(
        &self,
        r: Request<api::CheckSubjectsRequest>,
    ) -> Reply<api::CheckSubjectsResponse> {
        call(&self.0, r, checks::check).await
    }
    async fn stream_checks(
        &self,
        r: Request<Streaming<Encoded<api::CheckSubjectsRequest>>>,
    ) -> Reply<Self::StreamChecksStream> {
        let (context, questions) = call::open_stream(r)?;
        call::answer(&context, checks::stream(&self.0, &context, questions))
    }
}

#[chassis::async_trait]
impl Feed for Calls {
    type WatchStream = BoxStream<'static, Result<api::Change, Status>>;

    async fn watch(&self, r: Request<api::WatchRequest>) -> Reply<Self::WatchStream> {
        call(&self.0, r, changes::watch).await
    }
}

#[chassis::async_trait]
impl Applications for Calls {
    async fn create_application(&self, r: Request<api::CreateApplicationRequest>) -> Reply<api::Application> {
        mutate(&self.0, r, applications::create).await
    }
    async fn lift_application(&self, r: Request<api::LiftApplicationRequest>) -> Reply<api::Application> {
        mutate(&self.0, r, applications::lift).await
    }
    async fn list_applications(
        &self,
        r: Request<api::ListApplicationsRequest>,
    ) -> Reply<api::ListApplicationsResponse> {
        call(&self.0, r, applications::list).await
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
}

#[chassis::async_trait]
impl Papers for Calls {
    async fn get_papers(&self, r: Request<api::GetPapersRequest>) -> Reply<api::GetPapersResponse> {
        call(&self.0, r, papers::of_case).await
    }
    async fn download_paper(&self, r: Request<api::DownloadPaperRequest>) -> Reply<HttpBody> {
        call(&self.0, r, papers::download).await
    }
    async fn preview_paper(&self, r: Request<api::PreviewPaperRequest>) -> Reply<HttpBody> {
        call(&self.0, r, papers::preview).await
    }
}

#[chassis::async_trait]
impl Suggestions for Calls {
    async fn put_suggestion_rule(
        &self,
        r: Request<api::PutSuggestionRuleRequest>,
    ) -> Reply<api::SuggestionRule> {
        mutate_prepared(&self.0, r, suggestions::look_up, suggestions::put_rule).await
    }
    async fn list_suggestion_rules(
        &self,
        r: Request<api::ListSuggestionRulesRequest>,
    ) -> Reply<api::ListSuggestionRulesResponse> {
        call(&self.0, r, suggestions::list_rules).await
    }
    async fn list_suggestions(
        &self,
        r: Request<api::ListSuggestionsRequest>,
    ) -> Reply<api::ListSuggestionsResponse> {
        call(&self.0, r, suggestions::list).await
    }
    async fn dismiss_suggestion(&self, r: Request<api::DismissSuggestionRequest>) -> Reply<api::Suggestion> {
        mutate(&self.0, r, suggestions::dismiss).await
    }
}

#[chassis::async_trait]
impl Figures for Calls {
    async fn get_figures(&self, r: Request<api::GetFiguresRequest>) -> Reply<api::GetFiguresResponse> {
        call(&self.0, r, figures::get).await
    }
    async fn count_measures(
        &self,
        r: Request<api::CountMeasuresRequest>,
    ) -> Reply<api::CountMeasuresResponse> {
        call(&self.0, r, figures::measures).await
    }
    async fn get_listing_figures(
        &self,
        r: Request<api::GetListingFiguresRequest>,
    ) -> Reply<api::GetListingFiguresResponse> {
        call(&self.0, r, figures::listings).await
    }
}

/// Opens the service; `credit` is called under the service's own identity.
pub async fn open(boot: &Boot, credit: Upstream) -> anyhow::Result<Role> {
    let store = boot.store::<Migrator>("discipline").await?;
    bases::seed(&store, boot.clock.now()).await?;
    figures::kept::adopt(&store).await?;
    let credit = credit::Credit::new(credit);
    let standing = Arc::new(checks::Standing::new(store.clone()));
    let (looks, writing) = looks::Looks::open(store.clone(), boot.stopping.clone());
    let following = standing.clone().follow(boot.clock.clone(), boot.stopping.clone());
    let heard = standing.clone();
    boot.health.needs(move || std::future::ready(heard.heard()));
    let clock = boot.clock.clone();
    let app = Arc::new(Discipline { store: store.clone(), clock, credit, standing, looks });
    let calls = || Calls(app.clone());
    let mut routes = RoutesBuilder::default();
    routes
        .add_service(ListsServer::new(calls()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(MeasuresServer::new(calls()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(CasesServer::new(calls()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(ListingsServer::new(calls()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(ObjectionsServer::new(calls()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(RepairsServer::new(calls()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(ChecksServer::new(calls()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(ApplicationsServer::new(calls()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(DeadlinesServer::new(calls()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(PapersServer::new(calls()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(SuggestionsServer::new(calls()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(FeedServer::new(calls()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(FiguresServer::new(calls()).max_decoding_message_size(MESSAGE_MAX));
    Ok(Role {
        name: "discipline",
        router: stack(boot, routes),
        background: vec![
            Box::pin(deliveries::run(app.clone(), boot.stopping.clone())),
            Box::pin(suggestions::run(app.clone(), boot.stopping.clone())),
            Box::pin(listings::expire(app.clone(), boot.stopping.clone())),
            Box::pin(following),
            Box::pin(writing),
        ],
        store,
    })
}
