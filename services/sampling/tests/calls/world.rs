//! A small city: sixty transport enterprises, every fifth with a penalty and so of grade B, a scheme, inspectors, a plan.
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{extract::Request, response::IntoResponse};
use chassis::{
    Store,
    access::Claims,
    serve::Boot,
    trial::{Authorized, Bearer, Trial},
    upstream::Upstream,
};
use contract::{
    credit::v1::{self as credit, records_client::RecordsClient, subjects_client::SubjectsClient},
    grading::v1::{
        self as grading, grades_client::GradesClient, scheme::Disclosure, schemes_client::SchemesClient,
    },
    sampling::v1::{
        self as api, annual_plans_client::AnnualPlansClient, draws_client::DrawsClient,
        effects_client::EffectsClient, fieldwork_client::FieldworkClient, figures_client::FiguresClient,
        frequencies_client::FrequenciesClient, inspection_items_client::InspectionItemsClient,
        inspectors_client::InspectorsClient, plans_client::PlansClient, registers_client::RegistersClient,
        visits_client::VisitsClient,
    },
};
use http::{HeaderValue, header::AUTHORIZATION};
use identifiers::Uscc;
use tokio_util::sync::CancellationToken;
use tonic::Status;

pub const ALL: &str = "sampling.read sampling.write sampling.draw";
pub const SUBJECTS: u32 = 60;
pub const GRADE_B: u32 = 12;

pub struct World {
    pub trial: Trial,
    pub credit: Upstream,
    credit_role: axum::Router,
    pub grading: Upstream,
    as_sampling: Upstream,
    sampling: Upstream,
    /// Sampling's own database.
    pub store: Store,
    credit_down: Arc<AtomicBool>,
    stopping: CancellationToken,
}

impl World {
    /// A city whose scheme "s" discloses its grades as given.
    pub async fn new(disclosure: Disclosure) -> Self {
        let trial = Trial::at("2026-03-02T01:00:00Z");
        let role = ::credit::open(&trial.boot).await.unwrap();
        let credit_role = role.router.clone();
        let credit = trial.run(role);
        let to_credit = identified(&trial, credit_role.clone(), "svc-grading", "credit.read");
        let role = ::grading::open(&trial.boot, to_credit).await.unwrap();
        let as_sampling = identified(&trial, role.router.clone(), "svc-sampling", "grading.read");
        let store = role.store.clone();
        let grading = trial.run(role);
        let credit_down = Arc::new(AtomicBool::new(false));
        let mut world = Self {
            sampling: grading.clone(),
            stopping: CancellationToken::new(),
            store,
            trial,
            credit,
            credit_role,
            grading,
            as_sampling,
            credit_down,
        };
        world.open().await;
        let position = world.populate().await;
        world.grade(disclosure, &position).await;
        world
    }

    async fn open(&mut self) {
        let boot = Boot { stopping: CancellationToken::new(), ..self.trial.boot.clone() };
        let down = self.credit_down.clone();
        let gate = axum::middleware::from_fn(move |request: Request, next: axum::middleware::Next| {
            let down = down.clone();
            async move {
                if down.load(Ordering::SeqCst) {
                    return Status::unavailable("credit is down")
                        .into_http::<axum::body::Body>()
                        .into_response();
                }
                next.run(request).await
            }
        });
        let credit = identified(
            &self.trial,
            self.credit_role.clone().layer(gate),
            "svc-sampling",
            "credit.read credit.write",
        );
        let role = ::sampling::open(&boot, self.as_sampling.clone(), credit).await.unwrap();
        self.stopping = boot.stopping;
        self.store = role.store.clone();
        self.sampling = self.trial.run(role);
    }

    /// Ends sampling where it stands and opens it again.
    pub async fn restart(&mut self) {
        self.stopping.cancel();
        self.open().await;
    }

    pub fn set_credit_down(&self, down: bool) {
        self.credit_down.store(down, Ordering::SeqCst);
    }

    async fn populate(&self) -> String {
        let subjects = (1..=SUBJECTS).map(|serial| credit::SubjectInput {
            uscc: code(serial),
            name: format!("试验企业{serial}"),
            region: if serial % 2 == 0 { "640302" } else { "640303" }.to_owned(),
            industry: "5431".to_owned(),
            domains: vec!["transport".to_owned()],
            ..Default::default()
        });
        let request =
            credit::BatchUpsertSubjectsRequest { subjects: subjects.collect(), ..Default::default() };
        let mut client = SubjectsClient::with_interceptor(self.credit.clone(), self.office("credit.write"));
        client.batch_upsert_subjects(request).await.unwrap();
        let records = (1..=SUBJECTS).filter(|serial| serial % 5 == 0).map(|serial| credit::RecordInput {
            uscc: code(serial),
            item: "administrative-penalty".to_owned(),
            source_id: format!("p{serial}"),
            occurred_on: "2026-01-15".to_owned(),
            severity: 2,
            ..Default::default()
        });
        let request = credit::SubmitRecordsRequest { records: records.collect(), ..Default::default() };
        let mut client = RecordsClient::with_interceptor(self.credit.clone(), self.office("credit.write"));
        let answer = client.submit_records(request).await.unwrap().into_inner();
        assert_eq!(answer.outcomes.iter().find_map(|outcome| outcome.error.clone()), None);
        answer.position
    }

    async fn grade(&self, disclosure: Disclosure, position: &str) {
        self.create_scheme(scheme("s", disclosure)).await;
        let token = self.office("grading.read grading.write grading.publish");
        let publish = grading::PublishSchemeRequest { scheme: "s".to_owned(), ..Default::default() };
        self.schemes(token.clone()).publish_scheme(publish).await.unwrap();
        for _ in 0..600 {
            let mut client = GradesClient::with_interceptor(self.grading.clone(), token.clone());
            let request = grading::GetDistributionRequest {
                scheme: "s".to_owned(),
                min_position: position.to_owned(),
                ..Default::default()
            };
            if let Ok(answer) = client.get_distribution(request).await {
                let found = answer.into_inner().distribution;
                if found.get("A") == Some(&48) && found.get("B") == Some(&12) {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the city is not graded");
    }

    pub fn schemes(&self, token: Bearer) -> SchemesClient<Authorized> {
        SchemesClient::with_interceptor(self.grading.clone(), token)
    }

    pub async fn create_scheme(&self, scheme: grading::Scheme) {
        let request = grading::CreateSchemeRequest { scheme: Some(scheme), ..Default::default() };
        self.schemes(self.office("grading.write")).create_scheme(request).await.unwrap();
    }

    pub fn office(&self, scope: &str) -> Bearer {
        self.trial.token_of(Claims {
            sub: "office".to_owned(),
            department: "credit-office".to_owned(),
            roles: vec!["office".to_owned()],
            scope: scope.to_owned(),
            default_purpose: "test".to_owned(),
            ..self.trial.claims()
        })
    }

    pub fn transport(&self) -> Bearer {
        self.trial.token("transport", ALL)
    }

    pub fn enterprise(&self, uscc: &str) -> Bearer {
        self.trial.token_of(Claims {
            sub: "enterprise".to_owned(),
            uscc: uscc.to_owned(),
            scope: "sampling.read".to_owned(),
            ..self.trial.claims()
        })
    }

    pub fn items(&self, token: Bearer) -> InspectionItemsClient<Authorized> {
        InspectionItemsClient::with_interceptor(self.sampling.clone(), token)
    }

    pub fn inspectors(&self, token: Bearer) -> InspectorsClient<Authorized> {
        InspectorsClient::with_interceptor(self.sampling.clone(), token)
    }

    pub fn plans(&self, token: Bearer) -> PlansClient<Authorized> {
        PlansClient::with_interceptor(self.sampling.clone(), token)
    }

    pub fn draws(&self, token: Bearer) -> DrawsClient<Authorized> {
        DrawsClient::with_interceptor(self.sampling.clone(), token)
    }

    pub fn visits(&self, token: Bearer) -> VisitsClient<Authorized> {
        VisitsClient::with_interceptor(self.sampling.clone(), token)
    }

    pub fn frequencies(&self, token: Bearer) -> FrequenciesClient<Authorized> {
        FrequenciesClient::with_interceptor(self.sampling.clone(), token)
    }

    pub fn fieldwork(&self, token: Bearer) -> FieldworkClient<Authorized> {
        FieldworkClient::with_interceptor(self.sampling.clone(), token)
    }

    pub fn registers(&self, token: Bearer) -> RegistersClient<Authorized> {
        RegistersClient::with_interceptor(self.sampling.clone(), token)
    }

    pub fn annual_plans(&self, token: Bearer) -> AnnualPlansClient<Authorized> {
        AnnualPlansClient::with_interceptor(self.sampling.clone(), token)
    }

    /// Without any token.
    pub fn anybody_annual_plans(&self) -> AnnualPlansClient<Upstream> {
        AnnualPlansClient::new(self.sampling.clone())
    }

    /// Measures of the scheme that cap both grades.
    pub async fn cap(&self, most: i32) {
        let measure = |grade: &str| grading::Measure {
            grade: grade.to_owned(),
            sampling_percent: 10.0,
            max_per_year: Some(most),
            ..Default::default()
        };
        let measures = ["A", "B"].map(measure).to_vec();
        let put = grading::PutMeasuresRequest { scheme: "s".to_owned(), measures, ..Default::default() };
        self.schemes(self.office("grading.write")).put_measures(put).await.unwrap();
    }

    pub async fn frequency(&self, uscc: &str) -> api::Frequency {
        let request = api::GetFrequencyRequest { uscc: uscc.to_owned(), ..Default::default() };
        self.frequencies(self.transport()).get_frequency(request).await.unwrap().into_inner()
    }

    /// Moves the suite's clock.
    pub fn set_clock(&self, instant: &str) {
        self.trial.boot.clock.set(instant.parse().unwrap());
    }

    pub fn figures(&self, token: Bearer) -> FiguresClient<Authorized> {
        FiguresClient::with_interceptor(self.sampling.clone(), token)
    }

    pub fn effects(&self, token: Bearer) -> EffectsClient<Authorized> {
        EffectsClient::with_interceptor(self.sampling.clone(), token)
    }

    /// Without any token.
    pub fn anybody_draws(&self) -> DrawsClient<Upstream> {
        DrawsClient::new(self.sampling.clone())
    }

    /// Without any token.
    pub fn anybody_visits(&self) -> VisitsClient<Upstream> {
        VisitsClient::new(self.sampling.clone())
    }

    pub async fn put_item(&self, id: &str, skills: &[&str]) {
        let item = item(id, skills);
        let request = api::PutInspectionItemRequest { inspection_item: Some(item), ..Default::default() };
        self.items(self.transport()).put_inspection_item(request).await.unwrap();
    }

    pub async fn put_inspector(&self, inspector: api::Inspector) -> api::Inspector {
        let request = api::PutInspectorRequest { inspector: Some(inspector), ..Default::default() };
        self.inspectors(self.transport()).put_inspector(request).await.unwrap().into_inner()
    }

    pub async fn create_plan(&self, plan: api::Plan) -> api::Plan {
        self.try_plan(self.transport(), plan).await.unwrap()
    }

    pub async fn try_plan(&self, token: Bearer, plan: api::Plan) -> Result<api::Plan, Status> {
        let request = api::CreatePlanRequest { plan: Some(plan), ..Default::default() };
        Ok(self.plans(token).create_plan(request).await?.into_inner())
    }

    pub async fn commit(&self, plan: &str) -> Result<api::Draw, Status> {
        let request = api::CommitPlanRequest {
            plan: plan.to_owned(),
            entropy_source: "福利彩票双色球下一期".to_owned(),
            ..Default::default()
        };
        Ok(self.plans(self.transport()).commit_plan(request).await?.into_inner())
    }

    pub async fn reveal(&self, draw: &str, entropy: &str) -> Result<api::Draw, Status> {
        let request = api::RevealDrawRequest {
            draw: draw.to_owned(),
            entropy: entropy.to_owned(),
            ..Default::default()
        };
        Ok(self.draws(self.transport()).reveal_draw(request).await?.into_inner())
    }

    /// Item, plan, commit and reveal in one.
    pub async fn drawn(&self, plan: api::Plan) -> api::Draw {
        self.put_item("operation", &[]).await;
        let plan = self.create_plan(plan).await;
        let draw = self.commit(&plan.plan_id).await.unwrap();
        self.reveal(&draw.draw_id, "03 08 15 16 23 42 + 07").await.unwrap()
    }

    pub async fn draw(&self, draw: &str) -> api::Draw {
        let request = api::GetDrawRequest { draw: draw.to_owned(), ..Default::default() };
        self.draws(self.transport()).get_draw(request).await.unwrap().into_inner()
    }

    pub async fn visits_of(&self, draw: &str) -> Vec<api::Visit> {
        let request = api::ListVisitsRequest { draw: draw.to_owned(), page_size: 1000, ..Default::default() };
        self.visits(self.transport()).list_visits(request).await.unwrap().into_inner().visits
    }

    pub async fn bundle(
        &self,
        token: Bearer,
        draw: &str,
        uscc: &str,
        purpose: &str,
    ) -> Result<api::Bundle, Status> {
        let request = api::GetBundleRequest {
            draw: draw.to_owned(),
            uscc: uscc.to_owned(),
            purpose: purpose.to_owned(),
        };
        Ok(self.draws(token).get_bundle(request).await?.into_inner())
    }

    /// Records one finding of the plan's item.
    pub async fn record(&self, visit: &str, on: &str, result_code: &str) -> Result<api::Visit, Status> {
        self.record_all(visit, on, vec![finding("operation", result_code)]).await
    }

    pub async fn record_all(
        &self,
        visit: &str,
        on: &str,
        findings: Vec<api::Finding>,
    ) -> Result<api::Visit, Status> {
        let request = api::RecordVisitRequest {
            visit: visit.to_owned(),
            inspected_on: on.to_owned(),
            findings,
            ..Default::default()
        };
        Ok(self.visits(self.transport()).record_visit(request).await?.into_inner())
    }

    pub async fn publish(&self, visit: &str) -> Result<api::Visit, Status> {
        let request = api::PublishVisitRequest { visit: visit.to_owned(), ..Default::default() };
        Ok(self.visits(self.transport()).publish_visit(request).await?.into_inner())
    }

    pub async fn replace(&self, visit: &str, reason: &str) -> Result<api::Visit, Status> {
        let request = api::ReplaceVisitRequest {
            visit: visit.to_owned(),
            reason: reason.to_owned(),
            ..Default::default()
        };
        Ok(self.visits(self.transport()).replace_visit(request).await?.into_inner())
    }

    /// The inspection records that credit has of a subject.
    pub async fn inspection_records(&self, uscc: &str) -> Vec<credit::Record> {
        let request = credit::ListRecordsRequest {
            uscc: uscc.to_owned(),
            item: "administrative-inspection".to_owned(),
            ..Default::default()
        };
        let mut client = RecordsClient::with_interceptor(self.credit.clone(), self.office("credit.read"));
        client.list_records(request).await.unwrap().into_inner().records
    }
}

// A service as another calls it, under its own identity.
fn identified(trial: &Trial, router: axum::Router, service: &str, scope: &str) -> Upstream {
    let claims = Claims {
        sub: service.to_owned(),
        roles: vec!["service".to_owned()],
        scope: scope.to_owned(),
        ..trial.claims()
    };
    let token = HeaderValue::from_str(trial.token_of(claims).text()).unwrap();
    Upstream::local(router.layer(axum::middleware::map_request(move |mut request: Request| {
        let token = token.clone();
        async move {
            request.headers_mut().insert(AUTHORIZATION, token);
            request
        }
    })))
}

pub fn code(serial: u32) -> String {
    Uscc::fictional(serial).as_str().to_owned()
}

pub fn item(id: &str, skills: &[&str]) -> api::InspectionItem {
    api::InspectionItem {
        inspection_item_id: id.to_owned(),
        name: "道路运输经营检查".to_owned(),
        department: "transport".to_owned(),
        skills: skills.iter().map(|skill| (*skill).to_owned()).collect(),
        ..Default::default()
    }
}

pub fn inspector(id: &str) -> api::Inspector {
    api::Inspector {
        inspector_id: id.to_owned(),
        department: "transport".to_owned(),
        region: "640300".to_owned(),
        skills: vec!["road".to_owned()],
        ..Default::default()
    }
}

pub fn quota(grade: &str, percent: f64, at_least: i32) -> api::Quota {
    api::Quota { grade: grade.to_owned(), percent, at_least, ..Default::default() }
}

/// A plan of the transport department: 5.5 % of 48 As are 3, half of 12 Bs are 6.
pub fn plan(id: &str) -> api::Plan {
    api::Plan {
        plan_id: id.to_owned(),
        title: "一季度抽查".to_owned(),
        departments: vec!["transport".to_owned()],
        scheme: "s".to_owned(),
        inspection_items: vec!["operation".to_owned()],
        period: Some(api::Period { from: "2026-03-01".to_owned(), to: "2026-06-30".to_owned() }),
        quotas: vec![quota("A", 5.5, 0), quota("B", 50.0, 0)],
        ..Default::default()
    }
}

pub fn finding(item: &str, result_code: &str) -> api::Finding {
    api::Finding {
        inspection_item: item.to_owned(),
        result_code: result_code.to_owned(),
        text: "见检查笔录".to_owned(),
    }
}

pub fn scheme(id: &str, disclosure: Disclosure) -> grading::Scheme {
    let indicator = grading::Indicator {
        id: "penalties".to_owned(),
        name: "行政处罚".to_owned(),
        items: vec!["administrative-penalty".to_owned()],
        measure: grading::indicator::Measure::Count as i32,
        points_per_unit: Some(-15.0),
        ..Default::default()
    };
    let grade = |(name, least): (&str, f64)| grading::Grade {
        grade: name.to_owned(),
        min_score: least,
        ..Default::default()
    };
    grading::Scheme {
        scheme_id: id.to_owned(),
        domain: "transport".to_owned(),
        department: "transport".to_owned(),
        basis: Some(grading::Basis {
            title: "试验评价办法".to_owned(),
            document_number: "试〔2026〕1号".to_owned(),
        }),
        national_result: grading::scheme::NationalResult::None as i32,
        disclosure: disclosure as i32,
        model: Some(grading::Model {
            base_score: Some(100.0),
            min_score: Some(0.0),
            indicators: vec![indicator],
            grades: [("A", 90.0), ("B", 0.0)].map(grade).into(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// The fields that a status names as wrong.
pub fn wrong_fields(status: &Status) -> Vec<String> {
    use tonic_types::StatusExt;
    let details = status.get_details_bad_request().unwrap_or_else(|| panic!("no BadRequest in {status:?}"));
    details.field_violations.into_iter().map(|violation| violation.field).collect()
}
