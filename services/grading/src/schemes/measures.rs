//! What supervision follows from each grade 差异化监管措施; it may change while the scheme stays.
use std::sync::Arc;

use chassis::{
    Answer, Context, Fault, Tx,
    decisions::{self, Decision},
};
use contract::grading::v1::{self as api, Scheme, scheme::State};
use serde_json::json;

use super::{audience, owned, rows, rules, unknown};
use crate::Grading;

/// Gives the measures of a scheme.
pub async fn get(
    app: &Arc<Grading>,
    context: &Context,
    request: api::GetMeasuresRequest,
) -> Answer<api::SchemeMeasures> {
    let db = app.store.read();
    let versions = rows::versions(db, &request.scheme).await?;
    let scheme = rules::presented(&versions)
        .filter(|scheme| rules::is_shown(scheme, audience(context)))
        .ok_or_else(|| unknown(&request.scheme))?;
    Ok(api::SchemeMeasures { scheme: request.scheme, measures: of(db, scheme).await? })
}

/// The measures of a version's grades, in their order; a grade that the version no longer has keeps none.
pub async fn of(db: &impl sea_orm::ConnectionTrait, scheme: &Scheme) -> Answer<Vec<api::Measure>> {
    let stored = rows::measures(db, &scheme.scheme_id).await?.measures;
    let grades = rules::grades_of([scheme]);
    if grades.is_empty() {
        return Ok(stored);
    }
    let of_grade = |grade: &str| stored.iter().find(|measure| measure.grade == grade).cloned();
    Ok(grades.into_iter().filter_map(of_grade).collect())
}

/// Puts the measures of a scheme, all grades at once.
pub async fn put(
    _app: &Arc<Grading>,
    context: &Context,
    tx: &Tx,
    request: api::PutMeasuresRequest,
) -> Answer<api::SchemeMeasures> {
    let versions = rows::versions(&**tx, &request.scheme).await?;
    let scheme = rules::presented(&versions).ok_or_else(|| unknown(&request.scheme))?;
    owned(context, scheme)?;
    // The measures of a draft's new grades are prepared before it is published.
    let speaking = [Some(scheme), rules::in_state(&versions, State::Draft)];
    let grades = rules::grades_of(speaking.into_iter().flatten());
    let violations = rules::judge_measures(&request.measures, &grades);
    if !violations.is_empty() {
        return Err(Fault::fields(violations));
    }
    let put = api::SchemeMeasures { scheme: request.scheme, measures: request.measures };
    rows::put_measures(tx, &put).await?;
    let grades: Vec<_> =
        put.measures.iter().map(|measure| (&measure.grade, measure.sampling_percent)).collect();
    let decision = Decision {
        kind: "measures.put",
        subject: &put.scheme,
        basis: scheme.basis.as_ref().map_or("", |basis| &basis.title),
        detail: json!({ "version": scheme.version, "samplingPercent": grades }),
    };
    decisions::record(tx, context, decision).await?;
    Ok(api::SchemeMeasures { measures: of(&**tx, scheme).await?, ..put })
}
