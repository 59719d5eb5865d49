//! The city at a glance 全市概览: series that a portal draws, joined from the figures that the services keep.
pub mod rules;
mod view;

use std::sync::Arc;

use chassis::{Answer, Context};
use contract::reporting::v1 as api;

pub use self::view::own;
use self::{rules::Span, view::View};
use crate::Reporting;

/// Gives the grades at the end of each span.
pub async fn grades(
    app: &Arc<Reporting>,
    context: &Context,
    request: api::GetGradeSeriesRequest,
) -> Answer<api::GradeSeries> {
    let span = Span::of(context.today(), &request.from, &request.to, request.step())?;
    let (from, to) = (span.from(), span.to());
    let view = View::of(app, context, &request.domain, &span);
    let (view, figures) = futures::try_join!(view, app.sources.grade_figures(&from, &to, request.step))?;
    let points = rules::grade_points(&figures, &view.schemes, &span, request.by_county);
    Ok(api::GradeSeries { points, from, to })
}

/// Gives how often each grade became each other.
pub async fn migrations(
    app: &Arc<Reporting>,
    context: &Context,
    request: api::GetMigrationsRequest,
) -> Answer<api::Migrations> {
    let span = Span::of(context.today(), &request.from, &request.to, request.step())?;
    let (from, to) = (span.from(), span.to());
    let view = View::of(app, context, &request.domain, &span);
    let (view, figures) = futures::try_join!(view, app.sources.grade_figures(&from, &to, request.step))?;
    let cells = rules::migrations(&figures.moves, &view.schemes);
    Ok(api::Migrations { cells, from, to })
}

/// Gives visits and what they found.
pub async fn inspections(
    app: &Arc<Reporting>,
    context: &Context,
    request: api::GetInspectionSeriesRequest,
) -> Answer<api::InspectionSeries> {
    let span = Span::of(context.today(), &request.from, &request.to, request.step())?;
    let (from, to) = (span.from(), span.to());
    let view = View::of(app, context, &request.domain, &span);
    let (view, figures) = futures::try_join!(view, app.sources.inspections(&from, &to, request.step))?;
    Ok(api::InspectionSeries {
        points: rules::inspection_points(&figures.inspections, &view.schemes),
        effects: rules::inspection_effects(&figures.effects, &view.schemes),
        from,
        to,
    })
}

/// Gives listings and what ended them.
pub async fn listings(
    app: &Arc<Reporting>,
    context: &Context,
    request: api::GetListingSeriesRequest,
) -> Answer<api::ListingSeries> {
    let department = own(context)?;
    let span = Span::of(context.today(), &request.from, &request.to, request.step())?;
    let (from, to, eve) = (span.from(), span.to(), span.eve());
    let (earlier, figures) = futures::try_join!(
        app.sources.listings("", &eve, 0),
        app.sources.listings(&from, &to, request.step),
    )?;
    let sees = |of: &str| department.is_none_or(|own| own == of);
    let filings = figures.filings.into_iter().filter(|one| sees(&one.department));
    let mut points = rules::listing_points(&earlier.listings, &figures.listings, &span);
    points.retain(|point| sees(&point.department));
    Ok(api::ListingSeries { points, filings: filings.collect(), from, to })
}

/// Gives the quality of what departments send.
pub async fn quality(
    app: &Arc<Reporting>,
    context: &Context,
    request: api::GetDataQualityRequest,
) -> Answer<api::DataQuality> {
    let department = own(context)?;
    let span = Span::of(context.today(), &request.from, &request.to, request.step())?;
    let figures =
        app.sources.quality(department.unwrap_or_default(), &span.from(), &span.to(), request.step).await?;
    let sees = |of: &str| department.is_none_or(|own| own == of);
    let quality = figures.quality.into_iter().filter(|one| sees(&one.department));
    let filings = figures.filings.into_iter().filter(|one| sees(&one.department));
    Ok(api::DataQuality {
        points: quality.map(rules::quality_point).collect(),
        filings: filings.collect(),
        from: span.from(),
        to: span.to(),
    })
}
