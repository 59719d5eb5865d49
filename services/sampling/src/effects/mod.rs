//! Effects 抽查成效: what the draws found, by grade and by version, so that a department sees whether its scheme foretells anything.
pub mod rules;

use std::{collections::BTreeMap, sync::Arc};

use chassis::{Answer, Context, Fault, figures};
use contract::{grading::v1::Scheme, sampling::v1 as api};
use jiff::civil::{Date, date};

use self::rules::{Stratum, add};
use crate::{Sampling, burdens, plans, rights};

/// Gives the effect of a scheme's draws.
pub async fn get(
    app: &Arc<Sampling>,
    context: &Context,
    request: api::GetEffectRequest,
) -> Answer<api::Effect> {
    rights::official(context)?;
    let (from, to) = (&request.from, &request.to);
    if !from.is_empty() && !to.is_empty() && from > to {
        return Err(Fault::field(
            "to",
            format!("{to} is before from {from}"),
            format!("{to}早于 from {from}"),
        ));
    }
    let db = app.store.read();
    let day = |given: &str, open: Date| {
        if given.is_empty() { Ok(open) } else { given.parse().map_err(Fault::internal) }
    };
    let days = (day(from, figures::BEGINNING)?, day(to, date(9998, 12, 31))?);
    // Ordered maps: the databases' own collations differ, the draw's order is that of the bytes.
    let counted = crate::figures::visits(db, &request.scheme, days.0, days.1).await?;
    let mut versions: BTreeMap<i32, BTreeMap<String, Stratum>> =
        counted.into_iter().map(|((_, version), strata)| (version, strata)).collect();
    versions.retain(|version, _| request.scheme_version == 0 || *version == request.scheme_version);
    // A scheme without a single visit may be one that does not exist.
    if versions.is_empty() {
        let scheme: Option<Scheme> = app.grading.scheme(context, &request.scheme).await?;
        plans::known(scheme, &request.scheme, "scheme")?;
    }
    let mut all: BTreeMap<String, Stratum> = BTreeMap::new();
    for strata in versions.values() {
        add(&mut all, strata);
    }
    let version = |(scheme_version, strata): (&i32, &BTreeMap<String, Stratum>)| api::VersionEffect {
        scheme_version: *scheme_version,
        strata: rules::strata(strata),
        total: Some(rules::total(strata)),
    };
    Ok(api::Effect {
        strata: rules::strata(&all),
        total: Some(rules::total(&all)),
        versions: versions.iter().rev().map(version).collect(),
        burdens: burdens::read(db, &request.scheme, request.scheme_version, days).await?,
    })
}
