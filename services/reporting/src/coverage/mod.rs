//! Coverage of the plan's 22 domains 领域覆盖情况.
mod gaps;
pub mod rules;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chassis::{Answer, Context, storage::sql};
use contract::{
    grading::v1::SchemeFigures,
    reporting::v1::{self as api, gap::Missing},
    sampling::v1::InspectionFigures,
};
use identifiers::{Department, Domain};
use jiff::civil::Date;
use sea_orm::FromQueryResult;

use crate::{Reporting, summaries};

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
    let seen = Seen::of(app, as_of).await?;
    let mut domains = Vec::new();
    let mut gaps = Vec::new();
    for domain in Domain::all() {
        let covered = seen.covered(domain, &day);
        let missing = covered.missing.iter().filter_map(|missing| Missing::try_from(*missing).ok());
        gaps.extend(missing.map(|missing| gaps::gap(&covered, missing, &day, context.language)));
        domains.push(covered);
    }
    // The sort keeps the order of the domains within each kind.
    gaps.sort_by_key(|gap| gap.missing);
    Ok(api::Coverage { gaps, domains, as_of: day })
}

/// What the services say of a day.
pub struct Seen {
    /// The schemes that there were by then.
    pub schemes: Vec<SchemeFigures>,
    subjects: BTreeMap<String, i32>,
    inspections: Vec<InspectionFigures>,
    summaries: Vec<Composed>,
    handed_in: BTreeSet<String>,
}

#[derive(FromQueryResult)]
struct Composed {
    summary_id: String,
    domain: String,
}

impl Seen {
    /// Asks them, all at once.
    pub async fn of(app: &Arc<Reporting>, as_of: Date) -> Answer<Self> {
        let day = as_of.to_string();
        let (schemes, population, inspections, summaries, handed_in) = futures::try_join!(
            app.sources.scheme_figures(&day),
            app.sources.population(&day),
            app.sources.inspections("", &day, 0),
            composed(app, as_of),
            summaries::handed_in(app.store.read(), as_of.year()),
        )?;
        let mut subjects = BTreeMap::new();
        for count in population {
            *subjects.entry(count.domain).or_default() += count.subjects;
        }
        let inspections = inspections.inspections;
        let handed_in = handed_in.into_iter().filter(|one| one.stands(&day)).map(|one| one.domain).collect();
        Ok(Self { schemes, subjects, inspections, summaries, handed_in })
    }

    /// How far a domain has come by a day, YYYY-MM-DD.
    pub fn covered(&self, domain: Domain, day: &str) -> api::DomainCoverage {
        let scheme = rules::reigning(&self.schemes, domain);
        let inspected = rules::inspected(&self.inspections, &self.schemes, domain);
        let of_domain = self.summaries.iter().filter(|summary| summary.domain == domain.code());
        let summaries: Vec<String> = of_domain.map(|summary| summary.summary_id.clone()).collect();
        let mut covered = api::DomainCoverage {
            domain: domain.code().to_owned(),
            name: domain.name().to_owned(),
            subjects: self.subjects.get(domain.code()).copied().unwrap_or_default(),
            draws: inspected.draws,
            drawn: inspected.drawn,
            visited: inspected.visited,
            found: inspected.found,
            summarized: !summaries.is_empty(),
            handed_in: self.handed_in.contains(domain.code()),
            summaries,
            departments: rules::departments(domain, scheme).map(told).collect(),
            ..Default::default()
        };
        if let Some(scheme) = scheme {
            covered.scheme.clone_from(&scheme.scheme);
            covered.scheme_version = scheme.version;
            covered.scheme_title.clone_from(&scheme.title);
            covered.scheme_kind = rules::kind(scheme).into();
            covered.measures = scheme.measures > 0;
            covered.grades_with_measures = scheme.measures;
            covered.graded = scheme.graded;
        }
        covered.missing = rules::missing(&covered).map(i32::from).collect();
        covered.proofs = gaps::proofs(&covered, day);
        covered
    }
}

fn told((department, inferred): (Department, bool)) -> api::DomainDepartment {
    api::DomainDepartment {
        department: department.slug().to_owned(),
        name: department.name().to_owned(),
        inferred,
    }
}

// The summaries, composed by the day, that cover a part of its year.
async fn composed(app: &Arc<Reporting>, as_of: Date) -> Answer<Vec<Composed>> {
    let text = "SELECT summary_id, domain FROM summaries WHERE from_on <= $2 AND to_on >= $1 AND composed_on <= $3 \
                ORDER BY summary_id";
    let year = as_of.year();
    let values =
        [format!("{year:04}-01-01").into(), format!("{year:04}-12-31").into(), as_of.to_string().into()];
    let db = app.store.read();
    Ok(Composed::find_by_statement(sql(db, text, values)).all(db).await?)
}
