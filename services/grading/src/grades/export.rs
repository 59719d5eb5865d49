//! The export of a scheme's grades, of which rosters are frozen.
use std::sync::Arc;

use chassis::{Answer, Context, Fault, Store};
use contract::grading::v1::{ExportGradesRequest, ExportedGrade};
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use identifiers::{Industry, Region};
use tonic::Status;

use super::{current, rows, score};
use crate::{Grading, accesses, schemes};

const BATCH: usize = 2_000;

/// Whose grades to give.
struct Scope {
    scheme: String,
    region: String,
    industries: Vec<Industry>,
}

/// Streams the grades under a scheme in the order of the subjects' codes.
pub async fn stream(
    app: &Arc<Grading>,
    context: &Context,
    request: ExportGradesRequest,
) -> Answer<BoxStream<'static, Result<ExportedGrade, Status>>> {
    let purpose = context.purpose(&request.purpose)?;
    let scope = scope(&request)?;
    schemes::disclosed_whole(app, context, &scope.scheme).await?;
    current(app, context, &request.min_position).await?;
    let what = format!("export {} {} {}", request.scheme, request.region, request.industries.join(","));
    accesses::note(app, context, purpose, &[""], what.trim_end()).await?;
    let language = context.language;
    let pages = futures::stream::try_unfold((app.store.clone(), scope, String::new()), next_page);
    let lines = pages.map_ok(|page| futures::stream::iter(page.into_iter().map(Ok))).try_flatten();
    Ok(lines.map_err(move |fault: Fault| fault.into_status(language)).boxed())
}

fn scope(request: &ExportGradesRequest) -> Answer<Scope> {
    let region = match request.region.as_str() {
        "" => "",
        given => Region::parse(given)
            .map_err(|fault| Fault::field("region", fault.message_en(), fault.message_zh()))?
            .prefix(),
    };
    let industries = request.industries.iter().enumerate().map(|(index, given)| {
        Industry::parse(given).map_err(|fault| {
            Fault::field(format!("industries[{index}]"), fault.message_en(), fault.message_zh())
        })
    });
    let industries = industries.collect::<Answer<_>>()?;
    Ok(Scope { scheme: request.scheme.clone(), region: region.to_owned(), industries })
}

type State = (Store, Scope, String);

// Each page is read for itself, so that a slow reader holds no connection; the order of the codes keeps everybody from
// being missed or told twice.
async fn next_page((store, scope, after): State) -> Answer<Option<(Vec<ExportedGrade>, State)>> {
    let mut lines = rows::lines(store.read(), &scope.scheme, &scope.region, &after, BATCH).await?;
    let Some(last) = lines.last().map(|line| line.uscc.clone()) else { return Ok(None) };
    let wanted = |line: &rows::Line| {
        scope.industries.is_empty()
            || scope.industries.iter().any(|industry| industry.contains(&line.industry))
    };
    lines.retain(wanted);
    let page = lines.into_iter().map(exported).collect::<Answer<_>>()?;
    Ok(Some((page, (store, scope, last))))
}

fn exported(line: rows::Line) -> Answer<ExportedGrade> {
    Ok(ExportedGrade {
        score: score(line.score.as_deref())?,
        uscc: line.uscc,
        grade: line.grade,
        region: line.region,
        industry: line.industry,
        name: line.name,
    })
}
