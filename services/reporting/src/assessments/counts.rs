//! What the services counted of a department over a period, and the calls that give it.
use std::sync::Arc;

use chassis::Answer;
use contract::{
    credit::v1::GetQualityFiguresResponse,
    discipline::v1::GetListingFiguresResponse,
    grading::v1::SchemeFigures,
    reporting::v1::{DomainCoverage, assessed_indicator::Measure},
    sampling::v1::InspectionFigures,
};
use identifiers::{Department, Domain};
use jiff::civil::Date;

use super::rules::Counted;
use crate::{Reporting, coverage::Seen};

/// All figures of a period.
pub struct Figures {
    from: String,
    to: String,
    quality: GetQualityFiguresResponse,
    listings: GetListingFiguresResponse,
    inspections: Vec<InspectionFigures>,
    schemes: Vec<SchemeFigures>,
    domains: Vec<DomainCoverage>,
}

impl Figures {
    /// Asks the services, all at once.
    pub async fn of(app: &Arc<Reporting>, from: Date, to: Date) -> Answer<Self> {
        let (from, day) = (from.to_string(), to.to_string());
        let (seen, quality, listings, inspections) = futures::try_join!(
            Seen::of(app, to),
            app.sources.quality("", &from, &day, 0),
            app.sources.listings(&from, &day, 0),
            app.sources.inspections(&from, &day, 0),
        )?;
        Ok(Self {
            quality,
            listings,
            inspections: inspections.inspections,
            domains: Domain::all().map(|domain| seen.covered(domain, &day)).collect(),
            schemes: seen.schemes,
            from,
            to: day,
        })
    }

    /// What an indicator divides by what, of a department.
    pub fn of_department(&self, measure: Measure, department: Department) -> Counted {
        let slug = department.slug();
        let (from, to) = (&self.from, &self.to);
        let sent = format!("/credit/v1/figures/quality?department={slug}&from={from}&to={to}");
        let quality = self.quality.quality.iter().find(|one| one.department == slug);
        let quality = quality.cloned().unwrap_or_default();
        let counted = |numerator, denominator, proofs| Counted { numerator, denominator, proofs };
        match measure {
            Measure::Unspecified => Counted::default(),
            Measure::DataTimeliness => counted(quality.in_time, quality.accepted, vec![sent]),
            Measure::DataCompleteness => counted(quality.fields_filled, quality.fields_asked, vec![sent]),
            Measure::DataAcceptance => {
                let taken = quality.accepted + quality.duplicates;
                counted(taken, taken + quality.rejected, vec![sent])
            }
            Measure::FilingsInTime => self.filings(slug, sent),
            Measure::ResultsInTime => self.results(slug),
            Measure::DomainsCovered => self.domains(department, |domain| !domain.scheme.is_empty()),
            Measure::DomainsWithMeasures => self.domains(department, |domain| domain.measures),
            Measure::DomainsSummarized => self.domains(department, |domain| domain.handed_in),
        }
    }

    // Of records and of listings.
    fn filings(&self, department: &str, sent: String) -> Counted {
        let records = self.quality.filings.iter().filter(|one| one.department == department);
        let records = records.map(|one| (one.objections_decided + one.repairs_decided, one.decided_in_time));
        let listings = self.listings.filings.iter().filter(|one| one.department == department);
        let listings =
            listings.map(|one| (one.objections_decided + one.repairs_decided, one.decided_in_time));
        let (mut decided, mut in_time) = (0, 0);
        for (all, by_their_day) in records.chain(listings) {
            decided += i64::from(all);
            in_time += i64::from(by_their_day);
        }
        let listed = format!("/discipline/v1/figures/listings?from={}&to={}", self.from, self.to);
        Counted { numerator: in_time, denominator: decided, proofs: vec![sent, listed] }
    }

    fn results(&self, department: &str) -> Counted {
        let own = self.schemes.iter().filter(|scheme| scheme.department == department);
        let mut counted = Counted::default();
        for scheme in own {
            for one in self.inspections.iter().filter(|one| one.scheme == scheme.scheme) {
                counted.numerator += i64::from(one.published_in_time);
                counted.denominator += i64::from(one.published_in_time) + i64::from(one.published_late);
            }
            let (id, from, to) = (&scheme.scheme, &self.from, &self.to);
            counted.proofs.push(format!("/sampling/v1/figures/inspections?scheme={id}&from={from}&to={to}"));
        }
        counted
    }

    // Of the domains that it is at home in, or whose scheme is its own.
    fn domains(&self, department: Department, holds: impl Fn(&DomainCoverage) -> bool) -> Counted {
        let slug = department.slug();
        let own =
            self.domains.iter().filter(|domain| domain.departments.iter().any(|one| one.department == slug));
        let mut counted = Counted {
            proofs: vec![format!("/reporting/v1/coverage?asOf={}", self.to)],
            ..Default::default()
        };
        for domain in own {
            counted.denominator += 1;
            counted.numerator += i64::from(holds(domain));
        }
        counted
    }
}
