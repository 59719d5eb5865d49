//! What reporting asks of the four services, under its own identity. One that does not answer is named: no half-true report.
use std::time::Duration;

use chassis::{Answer, Fault, upstream::Upstream};
use contract::{
    credit::v1::{self as credit, figures_client::FiguresClient as CreditFigures},
    discipline::v1::{self as discipline, figures_client::FiguresClient as DisciplineFigures},
    grading::v1::{
        self as grading, figures_client::FiguresClient as GradingFigures, grades_client::GradesClient,
        schemes_client::SchemesClient,
    },
    sampling::v1::{
        self as sampling, draws_client::DrawsClient, effects_client::EffectsClient,
        figures_client::FiguresClient as SamplingFigures,
    },
    r#type::v1::ErrorReason as Common,
};
use tonic::{Request, Response, Status};

/// The purpose that the others' access logs show.
const PURPOSE: &str = "报送统计 reports";

const PATIENCE: Duration = Duration::from_secs(10);

const PAGE: i32 = 1_000;

/// The four services.
pub struct Sources {
    /// Facts.
    pub credit: Upstream,
    /// Grades.
    pub grading: Upstream,
    /// Draws.
    pub sampling: Upstream,
    /// Lists.
    pub discipline: Upstream,
}

impl Sources {
    /// Every scheme, in its published version or its newest.
    pub async fn schemes(&self) -> Answer<Vec<grading::Scheme>> {
        let mut client = SchemesClient::new(self.grading.clone());
        let (mut schemes, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = grading::ListSchemesRequest {
                page_size: PAGE,
                page_token,
                purpose: PURPOSE.into(),
                ..Default::default()
            };
            let page = told("grading", client.list_schemes(patient(request)).await)?;
            schemes.extend(page.schemes);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(schemes);
            }
        }
    }

    /// How many subjects had each grade under a scheme at the end of a day.
    pub async fn distribution(&self, scheme: &str, as_of: &str) -> Answer<grading::Distribution> {
        let (scheme, as_of) = (scheme.into(), as_of.into());
        let request = grading::GetDistributionRequest { scheme, as_of, ..Default::default() };
        told("grading", GradesClient::new(self.grading.clone()).get_distribution(patient(request)).await)
    }

    /// The schemes that were in force by a day, with their grades.
    pub async fn scheme_figures(&self, as_of: &str) -> Answer<Vec<grading::SchemeFigures>> {
        let request = grading::GetSchemeFiguresRequest { as_of: as_of.into() };
        let mut client = GradingFigures::new(self.grading.clone());
        Ok(told("grading", client.get_scheme_figures(patient(request)).await)?.schemes)
    }

    /// How many subjects the domains and counties have at the end of a day.
    pub async fn population(&self, as_of: &str) -> Answer<Vec<grading::PopulationCount>> {
        let request = grading::GetPopulationFiguresRequest { as_of: as_of.into() };
        let mut client = GradingFigures::new(self.grading.clone());
        Ok(told("grading", client.get_population_figures(patient(request)).await)?.counts)
    }

    /// Draws and visits of all schemes; the step is the contract's number, the same in each service.
    pub async fn inspections(
        &self,
        from: &str,
        to: &str,
        step: i32,
    ) -> Answer<sampling::GetInspectionFiguresResponse> {
        let (from, to) = (from.to_owned(), to.to_owned());
        let request = sampling::GetInspectionFiguresRequest { scheme: String::new(), from, to, step };
        let mut client = SamplingFigures::new(self.sampling.clone());
        told("sampling", client.get_inspection_figures(patient(request)).await)
    }

    /// How the grades stood before a day, and what moved since.
    pub async fn grade_figures(
        &self,
        from: &str,
        to: &str,
        step: i32,
    ) -> Answer<grading::GetGradeFiguresResponse> {
        let (from, to) = (from.to_owned(), to.to_owned());
        let request = grading::GetGradeFiguresRequest { scheme: String::new(), from, to, step };
        let mut client = GradingFigures::new(self.grading.clone());
        told("grading", client.get_grade_figures(patient(request)).await)
    }

    /// Listings, and objections and repairs of them.
    pub async fn listings(
        &self,
        from: &str,
        to: &str,
        step: i32,
    ) -> Answer<discipline::GetListingFiguresResponse> {
        let (from, to) = (from.to_owned(), to.to_owned());
        let request = discipline::GetListingFiguresRequest { department: String::new(), from, to, step };
        let mut client = DisciplineFigures::new(self.discipline.clone());
        told("discipline", client.get_listing_figures(patient(request)).await)
    }

    /// The quality of what a department sent, or of what all did where it is empty.
    pub async fn quality(
        &self,
        department: &str,
        from: &str,
        to: &str,
        step: i32,
    ) -> Answer<credit::GetQualityFiguresResponse> {
        let (department, from, to) = (department.to_owned(), from.to_owned(), to.to_owned());
        let request = credit::GetQualityFiguresRequest { department, from, to, step };
        let mut client = CreditFigures::new(self.credit.clone());
        told("credit", client.get_quality_figures(patient(request)).await)
    }

    /// Draws that were committed between two days; an empty first day is the beginning.
    pub async fn draws(&self, from: &str, to: &str) -> Answer<Vec<sampling::Draw>> {
        let mut client = DrawsClient::new(self.sampling.clone());
        let (mut draws, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = sampling::ListDrawsRequest {
                from: from.into(),
                to: to.into(),
                page_size: PAGE,
                page_token,
                purpose: PURPOSE.into(),
                ..Default::default()
            };
            let page = told("sampling", client.list_draws(patient(request)).await)?;
            draws.extend(page.draws);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(draws);
            }
        }
    }

    /// Credit's counts.
    pub async fn of_credit(&self, domain: &str, from: &str, to: &str) -> Answer<credit::GetFiguresResponse> {
        let (domain, from, to) = (domain.into(), from.into(), to.into());
        // What a report tells stays: it waits for what is true now.
        let request = credit::GetFiguresRequest { domain, from, to, exact: true };
        told("credit", CreditFigures::new(self.credit.clone()).get_figures(patient(request)).await)
    }

    /// Discipline's counts.
    pub async fn of_discipline(
        &self,
        domain: &str,
        from: &str,
        to: &str,
    ) -> Answer<discipline::GetFiguresResponse> {
        let request =
            discipline::GetFiguresRequest { domain: domain.into(), from: from.into(), to: to.into() };
        told(
            "discipline",
            DisciplineFigures::new(self.discipline.clone()).get_figures(patient(request)).await,
        )
    }

    /// What followed from a scheme's grades on a day.
    pub async fn measures(&self, scheme: &str, as_of: &str) -> Answer<grading::SchemeMeasures> {
        let request = grading::GetMeasuresRequest {
            scheme: scheme.into(),
            as_of: as_of.into(),
            purpose: PURPOSE.into(),
            ..Default::default()
        };
        told("grading", SchemesClient::new(self.grading.clone()).get_measures(patient(request)).await)
    }

    /// What the visits of a scheme's draws found between two days.
    pub async fn effect(&self, scheme: &str, from: &str, to: &str) -> Answer<sampling::Effect> {
        let request = sampling::GetEffectRequest {
            scheme: scheme.into(),
            from: from.into(),
            to: to.into(),
            ..Default::default()
        };
        told("sampling", EffectsClient::new(self.sampling.clone()).get_effect(patient(request)).await)
    }
}

fn patient<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(PATIENCE);
    request
}

// What we ask is well-formed and within our scopes, so that whatever else comes back means that the service can't answer now.
fn told<T>(service: &'static str, answered: Result<Response<T>, Status>) -> Answer<T> {
    answered.map(Response::into_inner).map_err(|status| {
        tracing::warn!(service, %status, "a report waits for a service");
        Fault::unavailable(
            Common::UpstreamUnavailable.as_str_name(),
            format!("{service} does not give its figures now, and a report without them would be half true; try again shortly"),
            format!("{service} 服务暂时不能提供数据，缺少该数据的报告不完整；请稍后重试"),
        )
        .with("service", service)
    })
}
