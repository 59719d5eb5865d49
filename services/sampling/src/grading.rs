//! What sampling asks of grading, under its own identity: a scheme, and the grades that a roster is frozen from.
use std::{collections::HashMap, time::Duration};

use chassis::{Answer, Context, upstream::Upstream};
use contract::grading::v1::{
    BatchGetGradesRequest, ExportGradesRequest, ExportedGrade, GetSchemeRequest, Scheme, SubjectGrades,
    grades_client::GradesClient, schemes_client::SchemesClient,
};
use tonic::{Code, Request, metadata::AsciiMetadataValue};

/// The purpose that the access logs show.
const PURPOSE: &str = "双随机抽查 random inspection";

const PATIENCE: Duration = Duration::from_secs(10);

/// Grading, as seen from here.
pub struct Grading {
    upstream: Upstream,
}

impl Grading {
    /// Grading behind an upstream that carries this service's identity.
    pub fn new(upstream: Upstream) -> Self {
        Self { upstream }
    }

    /// The scheme in its published version or, where there is none, its newest; nothing where it is not known.
    pub async fn scheme(&self, context: &Context, scheme: &str) -> Answer<Option<Scheme>> {
        let request =
            GetSchemeRequest { scheme: scheme.to_owned(), purpose: PURPOSE.to_owned(), ..Default::default() };
        let mut request = spoken(context, request);
        request.set_timeout(PATIENCE);
        match SchemesClient::new(self.upstream.clone()).get_scheme(request).await {
            Ok(scheme) => Ok(Some(scheme.into_inner())),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(status.into()),
        }
    }

    /// The grades of subjects under a scheme, by their codes; at most a thousand. Who has none is not among them.
    pub async fn grades(
        &self,
        context: &Context,
        scheme: &str,
        uscc: Vec<String>,
    ) -> Answer<HashMap<String, String>> {
        let request = BatchGetGradesRequest {
            uscc,
            scheme: scheme.to_owned(),
            purpose: PURPOSE.to_owned(),
            ..Default::default()
        };
        let mut request = spoken(context, request);
        request.set_timeout(PATIENCE);
        let answer = GradesClient::new(self.upstream.clone()).batch_get_grades(request).await?.into_inner();
        let of = |subject: SubjectGrades| Some((subject.uscc, subject.grades.into_iter().next()?.grade));
        Ok(answer.results.into_iter().filter_map(of).collect())
    }

    /// Every subject in scope with its grade.
    pub async fn export(
        &self,
        context: &Context,
        request: ExportGradesRequest,
    ) -> Answer<Vec<ExportedGrade>> {
        let request = spoken(context, ExportGradesRequest { purpose: PURPOSE.to_owned(), ..request });
        let mut stream = GradesClient::new(self.upstream.clone()).export_grades(request).await?.into_inner();
        let mut grades = Vec::new();
        while let Some(grade) = stream.message().await? {
            grades.push(grade);
        }
        Ok(grades)
    }
}

// What grading refuses is passed on, so it is asked in the caller's language.
fn spoken<T>(context: &Context, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let language = AsciiMetadataValue::from_static(context.language.tag());
    request.metadata_mut().insert("accept-language", language);
    request
}
