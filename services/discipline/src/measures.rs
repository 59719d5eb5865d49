//! Measures 措施清单: put, get, list.
use std::sync::Arc;

use chassis::{Answer, Context, Fault, Tx, page::Page};
use contract::discipline::v1 as api;

use crate::{Discipline, directory};

/// Puts a measure.
pub async fn put(
    _: &Arc<Discipline>,
    context: &Context,
    tx: &Tx,
    request: api::PutMeasureRequest,
) -> Answer<api::Measure> {
    directory::put(tx, context, request.measure.unwrap_or_default()).await
}

/// Gives a measure.
pub async fn get(
    app: &Arc<Discipline>,
    _: &Context,
    request: api::GetMeasureRequest,
) -> Answer<api::Measure> {
    let found = directory::current::<api::Measure>(app.store.read(), &request.measure).await?;
    let entry = found.ok_or_else(|| Fault::not_found("measure", "措施", &request.measure))?;
    Ok(entry.wording)
}

/// Lists the measures.
pub async fn list(
    app: &Arc<Discipline>,
    _: &Context,
    request: api::ListMeasuresRequest,
) -> Answer<api::ListMeasuresResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let mut measures = directory::all::<api::Measure>(app.store.read(), &page.after).await?;
    measures.retain(|measure| request.department.is_empty() || binds(measure, &request.department));
    let next_page_token = page.cut(&mut measures, |measure| measure.measure_id.clone());
    Ok(api::ListMeasuresResponse { measures, next_page_token })
}

/// Whether a department carries the measure out.
pub fn binds(measure: &api::Measure, department: &str) -> bool {
    measure.departments.is_empty() || measure.departments.iter().any(|bound| bound == department)
}
