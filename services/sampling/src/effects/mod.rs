//! Effects 抽查成效: what the draws found, by grade and by version, so that a department sees whether its scheme foretells anything.
mod rows;
mod rules;

use std::{collections::BTreeMap, sync::Arc};

use chassis::{Answer, Context, Fault};
use contract::{grading::v1::Scheme, sampling::v1 as api};

use self::{
    rows::Span,
    rules::{Stratum, add},
};
use crate::{Sampling, plans, rights};

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
    let span = Span { scheme: &request.scheme, from, to, version: request.scheme_version };
    let visits = rows::visits(db, &span).await?;
    // A scheme without a single visit may be one that does not exist.
    if visits.is_empty() {
        let scheme: Option<Scheme> = app.grading.scheme(context, &request.scheme).await?;
        plans::known(scheme, &request.scheme, "scheme")?;
    }
    // Ordered maps: the databases' own collations differ, the draw's order is that of the bytes.
    let mut versions: BTreeMap<i32, BTreeMap<String, Stratum>> = BTreeMap::new();
    for one in visits {
        let of = versions.entry(one.scheme_version).or_default().entry(one.stratum).or_default();
        (of.visited, of.found) = (one.visited, one.found);
    }
    for roster in rows::rosters(db, &span).await? {
        let of = versions.entry(roster.scheme_version).or_default();
        for (stratum, members) in rules::members(&roster.strata_text) {
            of.entry(stratum.to_owned()).or_default().members += members;
        }
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
        burdens: rows::burdens(db, &span).await?,
    })
}
