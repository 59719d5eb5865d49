//! Figures 等级统计: how many subjects have which grade where, and what changes, kept in the transactions that write sheets and grades.
mod kept;
mod rules;

use std::{collections::BTreeMap, sync::Arc};

use chassis::{
    Answer, Context, Fault,
    figures::{self, Asked, BEGINNING, Counted},
};
use contract::{
    grading::v1::{self as api, Scheme},
    r#type::v1::ErrorReason as Common,
};
use jiff::civil::Date;
use scoring::UNGRADED;
use sea_orm::ConnectionTrait;

pub use self::kept::{Moves, adopt, classified};
use crate::{
    Grading,
    grades::day,
    schemes::{self, audience, measures, rules::Audience},
};

/// What is kept of grades: by scheme, county, grade before and grade after.
pub const GRADES: &str = "grades";
/// What is kept of subjects: by domain and county.
pub const POPULATION: &str = "population";

// Whose schemes the caller may count: all where it is none.
fn own(context: &Context) -> Answer<Option<&str>> {
    let caller = &context.caller;
    if audience(context) != Audience::Department {
        return Err(Fault::denied(
            Common::ScopeMissing.as_str_name(),
            "figures of grades are for the credit office and the departments",
            "等级统计仅供信用联办和各部门使用",
        ));
    }
    Ok((!caller.is_office() && !caller.is_service()).then(|| caller.department()))
}

fn count(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// How many subjects had each grade at the end of a day, by scheme and county; of one scheme, or of all where it is empty.
async fn standing(
    db: &impl ConnectionTrait,
    scheme: &str,
    on: Date,
) -> Answer<BTreeMap<(String, String, String), i64>> {
    Ok(rules::standing(figures::sum(db, GRADES, scheme, BEGINNING, on).await?))
}

/// How many subjects have each grade under a scheme.
pub async fn distribution(
    db: &impl ConnectionTrait,
    scheme: &str,
    on: Date,
) -> Answer<BTreeMap<String, i64>> {
    let mut shares = BTreeMap::new();
    for ((_, _, grade), subjects) in standing(db, scheme, on).await? {
        *shares.entry(grade).or_default() += subjects;
    }
    Ok(shares)
}

/// Gives the schemes that were in force by a day with their grades.
pub async fn of_schemes(
    app: &Arc<Grading>,
    context: &Context,
    request: api::GetSchemeFiguresRequest,
) -> Answer<api::GetSchemeFiguresResponse> {
    let own = own(context)?;
    let on = day(&request.as_of, "asOf", context)?;
    app.days.reach(context.today()).await?;
    let db = app.store.read();
    let mut distributions: BTreeMap<String, BTreeMap<String, i32>> = BTreeMap::new();
    for ((scheme, _, grade), subjects) in standing(db, "", on).await? {
        *distributions.entry(scheme).or_default().entry(grade).or_default() += count(subjects);
    }
    let versions = schemes::rows::all_published(db).await?;
    let mut told = Vec::new();
    for of_scheme in versions.chunk_by(|one, next| one.scheme_id == next.scheme_id) {
        let begun = |scheme: &&Scheme| schemes::rules::first_day(scheme) <= on;
        let reigning = schemes::rules::in_force_on(of_scheme, on).filter(begun);
        let Some(scheme) = reigning.or_else(|| of_scheme.iter().find(begun)) else { continue };
        if own.is_some_and(|own| own != scheme.department) {
            continue;
        }
        let measures = measures::in_force(db, scheme, on).await?;
        let distribution = distributions.remove(&scheme.scheme_id).unwrap_or_default();
        let in_force = reigning.is_some();
        told.push(api::SchemeFigures { in_force, ..figures_of(scheme, measures, distribution) });
    }
    Ok(api::GetSchemeFiguresResponse { schemes: told, as_of: on.to_string() })
}

fn figures_of(
    scheme: &Scheme,
    measures: api::SchemeMeasures,
    distribution: BTreeMap<String, i32>,
) -> api::SchemeFigures {
    let graded = distribution.iter().filter(|(grade, _)| *grade != UNGRADED).map(|(_, subjects)| subjects);
    api::SchemeFigures {
        scheme: scheme.scheme_id.clone(),
        version: scheme.version,
        domain: scheme.domain.clone(),
        department: scheme.department.clone(),
        title: scheme.basis.as_ref().map(|basis| basis.title.clone()).unwrap_or_default(),
        national_result: scheme.national_result,
        superior_rule: scheme.superior_rule.is_some(),
        scale: scheme.scale,
        disclosure: schemes::rules::disclosure(scheme).into(),
        effective_from: schemes::rules::first_day(scheme).to_string(),
        measures_version: measures.version,
        measures: i32::try_from(measures.measures.len()).unwrap_or(i32::MAX),
        graded: graded.sum(),
        distribution,
        ..Default::default()
    }
}

/// Gives the grades before a day and what changed since.
pub async fn of_grades(
    app: &Arc<Grading>,
    context: &Context,
    request: api::GetGradeFiguresRequest,
) -> Answer<api::GetGradeFiguresResponse> {
    let own = own(context)?;
    let asked = Asked::of(&request.from, &request.to, context.today(), Date::first_of_year, request.step())?;
    let db = app.store.read();
    let theirs = match own {
        None => None,
        Some(department) => Some(schemes::rows::of_department(db, department).await?),
    };
    let visible = |scheme: &str| theirs.as_ref().is_none_or(|theirs| theirs.contains(scheme));
    if !request.scheme.is_empty() && !visible(&request.scheme) {
        return Err(schemes::unknown(&request.scheme));
    }
    let earlier = asked.from.yesterday().map_err(Fault::internal)?;
    let before = standing(db, &request.scheme, earlier).await?;
    let moved = asked.read(db, GRADES, &request.scheme).await?;
    let standing = |((scheme, county, grade), subjects): ((String, String, String), i64)| api::GradeCount {
        scheme,
        county,
        grade,
        subjects: count(subjects),
    };
    let moving = |row: Counted| api::GradeMove {
        span: row.span,
        scheme: row.k1,
        county: row.k2,
        from: row.k3,
        to: row.k4,
        subjects: count(row.counted),
    };
    Ok(api::GetGradeFiguresResponse {
        before: before.into_iter().filter(|((scheme, ..), _)| visible(scheme)).map(standing).collect(),
        moves: moved.into_iter().filter(|row| visible(&row.k1)).map(moving).collect(),
        from: asked.from.to_string(),
        to: asked.to.to_string(),
    })
}

/// Gives the population of domains and counties.
pub async fn of_population(
    app: &Arc<Grading>,
    context: &Context,
    request: api::GetPopulationFiguresRequest,
) -> Answer<api::GetPopulationFiguresResponse> {
    own(context)?;
    let on = day(&request.as_of, "asOf", context)?;
    let counted = figures::sum(app.store.read(), POPULATION, "", BEGINNING, on).await?;
    let told =
        |row: Counted| api::PopulationCount { domain: row.k1, county: row.k2, subjects: count(row.counted) };
    Ok(api::GetPopulationFiguresResponse {
        counts: counted.into_iter().map(told).collect(),
        as_of: on.to_string(),
    })
}
