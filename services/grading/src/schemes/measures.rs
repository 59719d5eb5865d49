//! What supervision follows from each grade 差异化监管措施: versions of their own, each with its first day; the scheme stays.
use std::sync::Arc;

use chassis::{
    Answer, Context, Fault, Tx,
    clock::wire,
    decisions::{self, Decision},
    page::Page,
};
use contract::grading::v1::{self as api, Scheme, scheme::State};
use jiff::civil::Date;
use sea_orm::ConnectionTrait;
use serde_json::json;

use super::{audience, owned, publication::first_day, rows, rules, unknown};
use crate::{Grading, grades::day};

// Who may know the scheme may know its measures.
async fn shown(app: &Grading, context: &Context, scheme: &str) -> Answer<Scheme> {
    app.days.reach(context.today()).await?;
    let versions = rows::versions(app.store.read(), scheme).await?;
    let shown = rules::presented(&versions).filter(|scheme| rules::is_shown(scheme, audience(context)));
    shown.cloned().ok_or_else(|| unknown(scheme))
}

/// Gives the measures of a scheme: those in force on a day, or a version of them.
pub async fn get(
    app: &Arc<Grading>,
    context: &Context,
    request: api::GetMeasuresRequest,
) -> Answer<api::SchemeMeasures> {
    let scheme = shown(app, context, &request.scheme).await?;
    let db = app.store.read();
    if request.version == 0 {
        return in_force(db, &scheme, day(&request.as_of, "asOf", context)?).await;
    }
    let found = rows::measures(db, &request.scheme, rows::Which::Number(request.version)).await?;
    found.ok_or_else(|| {
        Fault::not_found("version", "版本", &format!("{}/measures/{}", request.scheme, request.version))
    })
}

/// Lists the versions of a scheme's measures.
pub async fn list_versions(
    app: &Arc<Grading>,
    context: &Context,
    request: api::ListMeasureVersionsRequest,
) -> Answer<api::ListMeasureVersionsResponse> {
    shown(app, context, &request.scheme).await?;
    let page = Page::of(request.page_size, &request.page_token)?;
    let below = if page.after.is_empty() { Ok(i32::MAX) } else { page.after.parse() };
    let below = below.map_err(|_| {
        Fault::field("pageToken", "is not one that this list gave", "不是本列表给出的分页标记")
    })?;
    let mut versions = rows::measure_versions(app.store.read(), &request.scheme, below, &page).await?;
    let next_page_token = page.cut(&mut versions, |version| version.version.to_string());
    Ok(api::ListMeasureVersionsResponse { versions, next_page_token })
}

/// The measures of a version's grades on a day, in their order; a grade that the version no longer has keeps none.
pub async fn in_force(db: &impl ConnectionTrait, scheme: &Scheme, day: Date) -> Answer<api::SchemeMeasures> {
    let stored = rows::measures(db, &scheme.scheme_id, rows::Which::On(day)).await?;
    let stored = stored
        .unwrap_or_else(|| api::SchemeMeasures { scheme: scheme.scheme_id.clone(), ..Default::default() });
    let measures = of_grades(scheme, &stored.measures);
    Ok(api::SchemeMeasures { measures, ..stored })
}

fn of_grades(scheme: &Scheme, measures: &[api::Measure]) -> Vec<api::Measure> {
    let grades = rules::grades_of([scheme]);
    if grades.is_empty() {
        return measures.to_vec();
    }
    let of_grade = |grade: &str| measures.iter().find(|measure| measure.grade == grade).cloned();
    grades.into_iter().filter_map(of_grade).collect()
}

/// The measures of a version's grades that are in force on a day, in the order of the grades.
pub async fn of(db: &impl ConnectionTrait, scheme: &Scheme, day: Date) -> Answer<Vec<api::Measure>> {
    Ok(in_force(db, scheme, day).await?.measures)
}

/// All measures of a scheme that are in force on a day, those of a coming version's grades among them.
pub async fn stored(db: &impl ConnectionTrait, scheme: &str, day: Date) -> Answer<Vec<api::Measure>> {
    let stored = rows::measures(db, scheme, rows::Which::On(day)).await?;
    Ok(stored.map(|stored| stored.measures).unwrap_or_default())
}

/// Puts the measures of a scheme, all grades at once, as the next version.
pub async fn put(
    _app: &Arc<Grading>,
    context: &Context,
    tx: &Tx,
    request: api::PutMeasuresRequest,
) -> Answer<api::SchemeMeasures> {
    let versions = rows::versions(&**tx, &request.scheme).await?;
    let scheme = rules::presented(&versions).ok_or_else(|| unknown(&request.scheme))?;
    owned(context, scheme)?;
    // The measures of a coming version's new grades are prepared before it is in force.
    let speaking = [
        Some(scheme),
        rules::in_state(&versions, State::Scheduled),
        rules::in_state(&versions, State::Draft),
    ];
    let grades = rules::grades_of(speaking.into_iter().flatten());
    let violations = rules::judge_measures(&request.measures, &grades);
    if !violations.is_empty() {
        return Err(Fault::fields(violations));
    }
    let first = first_day(context, &request.effective_from)?;
    let put = store(tx, context, scheme, first, request.measures, request.reason).await?;
    Ok(api::SchemeMeasures { measures: of_grades(scheme, &put.measures), ..put })
}

/// Puts the measures of the example that a scheme begins as.
pub async fn begin(tx: &Tx, context: &Context, scheme: &Scheme, example: &api::ExampleScheme) -> Answer<()> {
    let measures = example.scheme.as_ref().map(|scheme| scheme.measures.clone()).unwrap_or_default();
    // A draft may have dropped grades of the example.
    let measures = of_grades(scheme, &measures);
    if measures.is_empty() {
        return Ok(());
    }
    let reason = format!("示例：{}", example.example_id);
    store(tx, context, scheme, context.today(), measures, reason).await?;
    Ok(())
}

async fn store(
    tx: &Tx,
    context: &Context,
    scheme: &Scheme,
    first: Date,
    measures: Vec<api::Measure>,
    reason: String,
) -> Answer<api::SchemeMeasures> {
    let put = api::SchemeMeasures {
        scheme: scheme.scheme_id.clone(),
        measures,
        version: 0,
        effective_from: first.to_string(),
        reason,
        put_by: context.caller.name().to_owned(),
        department: context.caller.department().to_owned(),
        put_time: Some(wire(context.now)),
    };
    let put = rows::put_measures(tx, put).await?;
    let grades: Vec<_> =
        put.measures.iter().map(|measure| (&measure.grade, measure.sampling_percent)).collect();
    let decision = Decision {
        kind: "measures.put",
        subject: &put.scheme,
        basis: scheme.basis.as_ref().map_or("", |basis| &basis.title),
        detail: json!({ "version": scheme.version, "samplingPercent": grades, "measuresVersion": put.version,
                        "effectiveFrom": put.effective_from, "reason": put.reason }),
    };
    decisions::record(tx, context, decision).await?;
    Ok(put)
}
