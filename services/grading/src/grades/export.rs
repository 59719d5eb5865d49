//! The export of a scheme's grades, of which rosters are frozen.
use std::sync::Arc;

use chassis::{Answer, Context, Fault, Store};
use contract::grading::v1::{ExportGradesRequest, ExportedGrade};
use futures::{Stream, StreamExt, TryStreamExt, stream::BoxStream};
use identifiers::{Industry, Region};
use jiff::civil::Date;
use tonic::Status;

use super::{current, notes::Notes, rows, score};
use crate::{
    Grading, accesses,
    schemes::{self, Version},
};

const BATCH: usize = 2_000;

/// Whose grades to give.
struct Scope {
    version: Arc<Version>,
    /// What the region's codes begin with; empty: all.
    region: String,
    industries: Vec<Industry>,
    /// The day of looking, on which overrides are in force or not.
    today: Date,
}

/// Streams the grades under a scheme in the order of the subjects' codes.
pub async fn stream(
    app: &Arc<Grading>,
    context: &Context,
    request: ExportGradesRequest,
) -> Answer<BoxStream<'static, Result<ExportedGrade, Status>>> {
    let purpose = context.purpose(&request.purpose)?;
    let (region, industries) = scope(&request)?;
    let published = schemes::disclosed_whole(app, context, &request.scheme).await?;
    let version = app.versions.compiled(app.store.read(), &request.scheme, published.version).await?;
    let scope = Scope { version, region, industries, today: context.today() };
    current(app, context, &request.min_position).await?;
    let what = format!("export {} {} {}", request.scheme, request.region, request.industries.join(","));
    accesses::note(app, context, purpose, &[""], what.trim_end()).await?;
    let language = context.language;
    let lines = ahead((app.store.clone(), scope, String::new()))
        .map_ok(|page| futures::stream::iter(page.into_iter().map(Ok)))
        .try_flatten();
    Ok(lines.map_err(move |fault: Fault| fault.into_status(language)).boxed())
}

fn scope(request: &ExportGradesRequest) -> Answer<(String, Vec<Industry>)> {
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
    Ok((region.to_owned(), industries.collect::<Answer<_>>()?))
}

type State = (Store, Scope, String);

// The next page is read while the one before leaves. A reading that broke off is a fault, never the end: a roster is frozen from this.
fn ahead(first: State) -> impl Stream<Item = Answer<Vec<ExportedGrade>>> {
    futures::stream::try_unfold(tokio::spawn(next_page(first)), async |read| {
        let Some((page, next)) = read.await.map_err(Fault::internal)?? else { return Ok(None) };
        Ok(Some((page, tokio::spawn(next_page(next)))))
    })
}

// Each page is read for itself, so that a slow reader holds no connection; the order of the codes keeps everybody from
// being missed or told twice.
async fn next_page((store, scope, after): State) -> Answer<Option<(Vec<ExportedGrade>, State)>> {
    let mut lines = rows::lines(store.read(), &scope.version.scheme, &after, BATCH).await?;
    let Some(last) = lines.last().map(|line| line.uscc.clone()) else { return Ok(None) };
    let wanted = |line: &rows::Line| {
        line.region.starts_with(&scope.region)
            && (scope.industries.is_empty()
                || scope.industries.iter().any(|industry| industry.contains(&line.industry)))
    };
    lines.retain(wanted);
    let codes: Vec<&str> = lines.iter().map(|line| line.uscc.as_str()).collect();
    let notes = Notes::of(store.read(), &codes, scope.today).await?;
    let page = lines.into_iter().map(|line| exported(line, &scope.version, &notes)).collect::<Answer<_>>()?;
    Ok(Some((page, (store, scope, last))))
}

fn exported(line: rows::Line, version: &Version, notes: &Notes) -> Answer<ExportedGrade> {
    Ok(ExportedGrade {
        score: score(line.score.as_deref())?,
        marks: notes.marks(version, &line.uscc),
        grade: notes.held(version, &line.uscc).map_or(line.grade, |held| held.grade.clone()),
        uscc: line.uscc,
        region: line.region,
        industry: line.industry,
        name: line.name,
    })
}
