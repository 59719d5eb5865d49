//! The export of a scheme's grades, of which rosters are frozen.
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use chassis::{Answer, Context, Fault, Store, storage::Line};
use contract::grading::v1::{ExportGradesRequest, ExportedGrade};
use futures::{Stream, StreamExt, TryStreamExt, stream::BoxStream};
use identifiers::{Industry, Region};
use jiff::civil::Date;
use tokio::task::JoinHandle;
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
    /// Whether the scheme's subjects lie apart among all, as a page found.
    apart: AtomicBool,
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
    let scope = Arc::new(Scope {
        version,
        region,
        industries,
        today: context.today(),
        apart: AtomicBool::new(false),
    });
    current(app, context, &request.min_position).await?;
    let what = format!("export {} {} {}", request.scheme, request.region, request.industries.join(","));
    accesses::note(app, context, purpose, &[""], what.trim_end()).await?;
    let language = context.language;
    let lines = ahead(app.store.clone(), scope)
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

type Page = Answer<Vec<ExportedGrade>>;

// Pages are made up while those before leave, and the next one's keys are read while this one is made up. A reading that broke off is a
// fault, never the end: a roster is frozen from this.
fn ahead(store: Store, scope: Arc<Scope>) -> impl Stream<Item = Page> {
    let first = (keys(&store, &scope, String::new()), store.clone(), scope.clone());
    futures::stream::try_unfold(first, async |(read, store, scope)| {
        let graded = read.await.map_err(Fault::internal)??;
        let Some(last) = graded.last() else { return Ok(None) };
        let last = last.text(0)?.into_owned();
        let next = keys(&store, &scope, last);
        Ok(Some((graded, (next, store, scope))))
    })
    .map_ok(move |graded| {
        let page = tokio::spawn(page(store.clone(), scope.clone(), graded));
        async move { page.await.map_err(Fault::internal)? }
    })
    .try_buffered(3)
}

fn keys(store: &Store, scope: &Arc<Scope>, after: String) -> JoinHandle<Answer<Vec<Line>>> {
    let (store, scope) = (store.clone(), scope.clone());
    tokio::spawn(async move { rows::graded(&store, &scope.version.scheme, &after, BATCH).await })
}

// Each page is read for itself, so that a slow reader holds no connection; the order of the codes keeps everybody from
// being missed or told twice.
async fn page(store: Store, scope: Arc<Scope>, graded: Vec<Line>) -> Page {
    let (mut lines, apart) = rows::lines(&store, graded, scope.apart.load(Ordering::Relaxed)).await?;
    scope.apart.store(apart, Ordering::Relaxed);
    let wanted = |line: &rows::Line| {
        line.region.starts_with(&scope.region)
            && (scope.industries.is_empty()
                || scope.industries.iter().any(|industry| industry.contains(&line.industry)))
    };
    lines.retain(wanted);
    let codes: Vec<&str> = lines.iter().map(|line| line.uscc.as_str()).collect();
    let notes = Notes::of(store.read(), &codes, scope.today).await?;
    lines.into_iter().map(|line| exported(line, &scope.version, &notes)).collect()
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
