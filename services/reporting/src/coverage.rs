//! Coverage of the plan's domains 重点领域全覆盖: which have a scheme, measures, grades, draws, summaries.
use std::sync::Arc;

use chassis::{Answer, Context};
use contract::{grading::v1::Scheme, reporting::v1 as api};
use identifiers::Domain;

use crate::{Reporting, figures, summaries};

/// Tells it for all 22 domains. Schemes, draws and summaries are counted up to the day; grades are those of now.
pub async fn get(app: &Arc<Reporting>, context: &Context, request: api::GetCoverageRequest) -> Answer<api::Coverage> {
    let as_of = if request.as_of.is_empty() { context.today().to_string() } else { request.as_of };
    let schemes = figures::schemes(app).await?;
    let summarized = summaries::domains(app, &as_of).await?;
    let mut domains = Vec::new();
    for domain in Domain::all() {
        let own: Vec<&Scheme> = schemes.iter().filter(|scheme| in_force(scheme, domain, &as_of)).collect();
        let mut row = api::DomainCoverage {
            domain: domain.code().to_owned(),
            name: domain.name().to_owned(),
            scheme: own.first().map(|scheme| scheme.scheme_id.clone()).unwrap_or_default(),
            measures: own.iter().any(|scheme| !scheme.measures.is_empty()),
            summarized: summarized.iter().any(|code| code == domain.code()),
            ..Default::default()
        };
        for scheme in own {
            // Schemes of one domain grade the same subjects: the widest counts, the sum would count them twice.
            row.graded = row.graded.max(figures::distribution(app, &scheme.scheme_id).await?.graded);
            let draws = figures::draws(app, &scheme.scheme_id, "", &as_of).await?;
            row.drawn += draws.iter().map(|draw| draw.drawn).sum::<i32>();
        }
        domains.push(row);
    }
    Ok(api::Coverage { domains, as_of })
}

fn in_force(scheme: &Scheme, domain: Domain, as_of: &str) -> bool {
    scheme.domain == domain.code() && scheme.effective_from.as_str() <= as_of
}
