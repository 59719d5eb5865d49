//! Reporting with four services in front of it whose answers are put by method; one without an answer does not answer.
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{body::Body, extract::Request, response::Response};
use chassis::{
    access::Claims,
    trial::{Authorized, Trial},
    upstream::Upstream,
};
use contract::{
    credit::v1 as credit,
    discipline::v1 as discipline,
    grading::v1 as grading,
    reporting::v1::{
        assessments_client::AssessmentsClient, attachments_client::AttachmentsClient,
        coverages_client::CoveragesClient, deadlines_client::DeadlinesClient,
        effect_cases_client::EffectCasesClient, glances_client::GlancesClient,
        summaries_client::SummariesClient, work_plans_client::WorkPlansClient,
    },
    sampling::v1 as sampling,
};
use prost::Message;
use tonic::Status;

/// Answers by `package.Service/Method`, shared with the services.
#[derive(Clone, Default)]
pub struct Answers(Arc<Mutex<BTreeMap<String, Vec<u8>>>>, Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl Answers {
    pub fn put(&self, method: &str, answer: &impl Message) {
        self.0.lock().unwrap().insert(format!("/xinheng.{method}"), answer.encode_to_vec());
    }

    pub fn remove(&self, method: &str) {
        assert!(self.0.lock().unwrap().remove(&format!("/xinheng.{method}")).is_some(), "{method}");
    }

    /// What a method was asked last.
    pub fn asked<T: Message + Default>(&self, method: &str) -> T {
        let asked = self.1.lock().unwrap();
        T::decode(&asked[&format!("/xinheng.{method}")][5..]).unwrap()
    }

    fn upstream(&self) -> Upstream {
        let answers = self.clone();
        Upstream::local(axum::Router::new().fallback(move |request: Request| {
            let answers = answers.clone();
            async move {
                let path = request.uri().path().to_owned();
                let asked = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap();
                answers.1.lock().unwrap().insert(path.clone(), asked.to_vec());
                let answer = answers.0.lock().unwrap().get(&path).cloned();
                answer.map_or_else(|| Status::unavailable("away").into_http(), framed)
            }
        }))
    }
}

// gRPC's frame: no compression, the length, the message.
fn framed(message: Vec<u8>) -> Response {
    let mut body = vec![0];
    body.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    body.extend(message);
    let response = Response::builder().header("content-type", "application/grpc").header("grpc-status", "0");
    response.body(Body::from(body)).unwrap()
}

pub struct World {
    pub trial: Trial,
    pub answers: Answers,
    upstream: Upstream,
}

pub struct Client {
    pub plans: WorkPlansClient<Authorized>,
    pub coverages: CoveragesClient<Authorized>,
    pub summaries: SummariesClient<Authorized>,
    pub effect_cases: EffectCasesClient<Authorized>,
    pub deadlines: DeadlinesClient<Authorized>,
    pub attachments: AttachmentsClient<Authorized>,
    pub glances: GlancesClient<Authorized>,
    pub assessments: AssessmentsClient<Authorized>,
}

pub const ALL: &str = "reporting.read reporting.write reporting.submit";

impl World {
    /// One scheme of D09 with measures, 30 graded subjects and a draw of seven.
    pub async fn at(clock: &str) -> Self {
        let trial = Trial::at(clock);
        let answers = Answers::default();
        fill(&answers);
        super::kept::fill(&answers);
        let each = || answers.upstream();
        let role = reporting::open(&trial.boot, each(), each(), each(), each()).await.unwrap();
        let upstream = trial.run(role);
        Self { trial, answers, upstream }
    }

    pub fn client(&self, claims: Claims) -> Client {
        let token = self.trial.token_of(claims);
        let upstream = || self.upstream.clone();
        Client {
            plans: WorkPlansClient::with_interceptor(upstream(), token.clone()),
            coverages: CoveragesClient::with_interceptor(upstream(), token.clone()),
            summaries: SummariesClient::with_interceptor(upstream(), token.clone()),
            effect_cases: EffectCasesClient::with_interceptor(upstream(), token.clone()),
            deadlines: DeadlinesClient::with_interceptor(upstream(), token.clone()),
            attachments: AttachmentsClient::with_interceptor(upstream(), token.clone()),
            glances: GlancesClient::with_interceptor(upstream(), token.clone()),
            assessments: AssessmentsClient::with_interceptor(upstream(), token),
        }
    }

    pub fn of(&self, department: &str, scope: &str) -> Client {
        self.client(self.claims(department, scope))
    }

    pub fn claims(&self, department: &str, scope: &str) -> Claims {
        let sub = format!("{department}-client");
        let default_purpose = String::from("test");
        Claims {
            sub,
            department: department.into(),
            scope: scope.into(),
            default_purpose,
            ..self.trial.claims()
        }
    }

    pub fn office(&self) -> Client {
        self.client(Claims { roles: vec!["office".into()], ..self.claims("credit-office", ALL) })
    }

    /// Another client of the office, who reviews what the first has handed in.
    pub fn reviewer(&self) -> Client {
        let sub = String::from("office-reviewer");
        self.client(Claims { sub, roles: vec!["office".into()], ..self.claims("credit-office", ALL) })
    }

    /// Without a token.
    pub fn public(&self) -> EffectCasesClient<Upstream> {
        EffectCasesClient::new(self.upstream.clone())
    }
}

fn fill(answers: &Answers) {
    let scheme = |id: &str, domain: &str, state: grading::scheme::State| grading::Scheme {
        scheme_id: id.into(),
        domain: domain.into(),
        state: state.into(),
        effective_from: "2026-01-10".into(),
        title: "虚构道路运输企业信用评价办法".into(),
        basis: Some(grading::Basis {
            title: "虚构办法".into(), document_number: "虚构〔2026〕1号".into()
        }),
        ..Default::default()
    };
    let schemes = vec![
        scheme("transport-2026", "transport", grading::scheme::State::Published),
        scheme("tax-draft", "D04", grading::scheme::State::Draft),
    ];
    answers.put(
        "grading.v1.Schemes/ListSchemes",
        &grading::ListSchemesResponse { schemes, ..Default::default() },
    );
    let measure = |grade: &str, sampling_percent: f64, text: &str| grading::Measure {
        grade: grade.into(),
        sampling_percent,
        text: text.into(),
        method: "现场检查".into(),
        ..Default::default()
    };
    let measures = grading::SchemeMeasures {
        scheme: "transport-2026".into(),
        measures: vec![measure("A", 3.0, "降低抽查比例和频次"), measure("D", 50.0, "提高抽查比例和频次")],
        version: 2,
        ..Default::default()
    };
    answers.put("grading.v1.Schemes/GetMeasures", &measures);
    let distribution = grading::Distribution {
        scheme: "transport-2026".into(),
        version: 3,
        graded: 30,
        distribution: [("A".into(), 25), ("D".into(), 5)].into(),
        ..Default::default()
    };
    answers.put("grading.v1.Grades/GetDistribution", &distribution);
    let draw = |state: sampling::draw::State, drawn| sampling::Draw {
        draw_id: format!("draw-{drawn}"),
        roster_size: 30,
        committed_at: Some(prost_types::Timestamp { seconds: 1_771_200_000, nanos: 0 }),
        scheme: "transport-2026".into(),
        state: state.into(),
        drawn,
        visited: 4,
        found: 2,
        ..Default::default()
    };
    let draws = vec![draw(sampling::draw::State::Revealed, 7), draw(sampling::draw::State::Committed, 90)];
    answers.put("sampling.v1.Draws/ListDraws", &sampling::ListDrawsResponse { draws, ..Default::default() });
    let stratum = |grade: &str, visited, found, rate, lift| sampling::StratumEffect {
        grade: grade.into(),
        visited,
        found,
        rate,
        lift,
        members: 15,
        ..Default::default()
    };
    let total = sampling::EffectTotal {
        visited: 4,
        found: 2,
        rate: 0.5,
        uniform_rate: Some(0.25),
        lift: Some(2.0),
        visits_saved: Some(4),
    };
    let effect = sampling::Effect {
        strata: vec![stratum("A", 2, 0, 0.0, 0.0), stratum("D", 2, 2, 1.0, 2.0)],
        total: Some(total),
        ..Default::default()
    };
    answers.put("sampling.v1.Effects/GetEffect", &effect);
    let penalties =
        credit::ItemFigure {
            item: "administrative-penalty".into(), name: "行政处罚".into(), records: 11
        };
    let collected = credit::GetFiguresResponse {
        subjects: 31,
        records: 12,
        items: vec![penalties],
        position: "0.4711".into(),
    };
    answers.put("credit.v1.Figures/GetFigures", &collected);
    let listed = discipline::GetFiguresResponse { proposed: 3, dropped: 1, listed: 2, active: 2, applied: 5 };
    answers.put("discipline.v1.Figures/GetFigures", &listed);
}
