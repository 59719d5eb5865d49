//! Coverage of the plan's 22 domains 领域覆盖情况.
pub mod rules;

use std::{collections::BTreeSet, sync::Arc};

use chassis::{Answer, Context, storage::sql};
use contract::reporting::v1 as api;
use identifiers::Domain;
use jiff::civil::Date;
use sea_orm::FromQueryResult;

use crate::Reporting;

/// Tells how far the domains have come.
pub async fn get(
    app: &Arc<Reporting>,
    context: &Context,
    request: api::GetCoverageRequest,
) -> Answer<api::Coverage> {
    let as_of = match request.as_of.as_str() {
        "" => context.today(),
        date => date.parse().map_err(chassis::Fault::internal)?,
    };
    let day = as_of.to_string();
    let schemes = app.sources.schemes().await?;
    let draws = app.sources.draws("", &day).await?;
    let summarized = summarized(app, as_of).await?;
    let mut domains = Vec::new();
    for domain in Domain::all() {
        let scheme = rules::speaking(&schemes, domain, &day).map(|scheme| scheme.scheme_id.clone());
        let (measures, graded) = match &scheme {
            Some(scheme) => {
                (app.sources.has_measures(scheme).await?, app.sources.distribution(scheme).await?.graded)
            }
            None => (false, 0),
        };
        domains.push(api::DomainCoverage {
            domain: domain.code().to_owned(),
            name: domain.name().to_owned(),
            scheme: scheme.unwrap_or_default(),
            measures,
            graded,
            drawn: rules::drawn(&draws, &schemes, domain).drawn,
            summarized: summarized.contains(domain.code()),
        });
    }
    Ok(api::Coverage { domains, as_of: day })
}

#[derive(FromQueryResult)]
struct Summarized {
    domain: String,
}

// The domains of which a summary, composed by the day, covers a part of its year.
async fn summarized(app: &Arc<Reporting>, as_of: Date) -> Answer<BTreeSet<String>> {
    let text =
        "SELECT DISTINCT domain FROM summaries WHERE from_on <= $2 AND to_on >= $1 AND composed_on <= $3";
    let year = as_of.year();
    let values =
        [format!("{year:04}-01-01").into(), format!("{year:04}-12-31").into(), as_of.to_string().into()];
    let db = app.store.read();
    let rows = Summarized::find_by_statement(sql(db, text, values)).all(db).await?;
    Ok(rows.into_iter().map(|row| row.domain).collect())
}
