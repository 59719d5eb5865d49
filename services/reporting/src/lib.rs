//! trial
use std::sync::Arc;
use chassis::{Answer, App, Context, Store, Tx, call, mutate};
use contract::reporting::v1::{self as api, work_plans_server::{WorkPlans, WorkPlansServer}};
use tonic::{Request, Response, Status};
pub struct Reporting { pub store: Store }
impl App for Reporting { fn store(&self) -> &Store { &self.store } }
#[derive(Clone)]
pub struct Calls(Arc<Reporting>);
mod plans {
    use super::*;
    use sea_orm::ConnectionTrait;
    pub async fn create(app: &Arc<Reporting>, context: &Context, tx: &Tx, request: api::CreateWorkPlanRequest) -> Answer<api::WorkPlan> {
        let _ = (app, context, request);
        tx.execute_unprepared("SELECT 1").await?;
        Ok(Default::default())
    }
    pub async fn get(app: &Arc<Reporting>, context: &Context, request: api::GetWorkPlanRequest) -> Answer<api::WorkPlan> {
        let _ = (app, context, request);
        app.store.read().execute_unprepared("SELECT 1").await?;
        Ok(Default::default())
    }
}
#[tonic::async_trait]
impl WorkPlans for Calls {
    async fn create_work_plan(&self, r: Request<api::CreateWorkPlanRequest>) -> Result<Response<api::WorkPlan>, Status> {
        mutate(&self.0, r, plans::create).await
    }
    async fn get_work_plan(&self, r: Request<api::GetWorkPlanRequest>) -> Result<Response<api::WorkPlan>, Status> {
        call(&self.0, r, plans::get).await
    }
    async fn list_work_plans(&self, _r: Request<api::ListWorkPlansRequest>) -> Result<Response<api::ListWorkPlansResponse>, Status> { Err(Status::internal("")) }
    async fn submit_work_plan(&self, _r: Request<api::SubmitWorkPlanRequest>) -> Result<Response<api::WorkPlan>, Status> { Err(Status::internal("")) }
}
pub fn x(a: Arc<Reporting>) -> tonic::service::Routes { tonic::service::Routes::new(WorkPlansServer::new(Calls(a))) }
