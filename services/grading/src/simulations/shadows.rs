//! Shadows 影子运行: a draft that grades along for a while, under a key of its own, and is compared with the version in force.
use std::sync::Arc;

use chassis::{
    Answer, Context, Fault, Tx,
    clock::micros,
    decisions::{self, Decision},
};
use contract::grading::v1::{self as api, ErrorReason, Mover, Scheme, scheme::State};
use prost::Message;
use sea_orm::ConnectionTrait;
use serde_json::json;

use super::{
    TOP, comparison,
    rows::{self, Row},
};
use crate::{
    Grading, accesses,
    grades::{day, score},
    overrides::rules::is_last_day,
    runs,
    schemes::{self, measures, owned, rules::in_state},
};

const BATCH: usize = 2_000;

/// Whether a key of the grades' table is a shadow's.
pub fn is_shadow(key: &str) -> bool {
    key.contains('~')
}

/// Lets the draft grade along.
pub async fn start(
    _app: &Arc<Grading>,
    context: &Context,
    tx: &Tx,
    request: api::StartShadowRequest,
) -> Answer<api::Shadow> {
    schemes::rows::change(tx).await?;
    let versions = schemes::rows::versions(&**tx, &request.scheme).await?;
    let newest = versions.first().ok_or_else(|| schemes::unknown(&request.scheme))?;
    owned(context, newest)?;
    let draft = in_state(&versions, State::Draft).ok_or_else(|| schemes::publication::undrafted(newest))?;
    let (today, until) = (context.today(), day(&request.until, "until", context)?);
    if !is_last_day(until, today) {
        return Err(Fault::field(
            "until",
            format!("must lie between {today} and twelve months from it"),
            format!("必须在{today}起十二个月之内"),
        ));
    }
    let mut row = Row {
        scheme: request.scheme,
        number: 0,
        version: draft.version,
        etag: draft.etag.clone(),
        started_at: micros(context.now),
        started_by: context.caller.name().to_owned(),
        until: until.to_string(),
        ended_at: None,
        comparison: None,
    };
    if rows::newest(&**tx, &row.scheme).await?.is_some_and(|row| row.ended_at.is_none())
        || !rows::insert(tx, &mut row).await?
    {
        return Err(Fault::precondition(
            ErrorReason::ShadowExists.as_str_name(),
            format!("scheme \"{}\" has a shadow already; end it with :endShadow first", row.scheme),
            format!("评价制度“{}”已有影子运行；请先用 :endShadow 终止", row.scheme),
        ));
    }
    let (content, catalogue) =
        schemes::rows::version(&**tx, &row.scheme, row.version).await?.unwrap_or_default();
    schemes::rows::insert_shadow(tx, &row.key(), &content, &catalogue).await?;
    runs::begin(tx, context, &Scheme { scheme_id: row.key(), ..content }).await?;
    record(tx, context, "shadow.started", &row).await?;
    row.told()
}

async fn record(tx: &Tx, context: &Context, kind: &str, row: &Row) -> Answer<()> {
    let detail =
        json!({ "version": row.version, "etag": row.etag, "number": row.number, "until": row.until });
    decisions::record(tx, context, Decision { kind, subject: &row.scheme, basis: "", detail }).await
}

/// Gives the newest shadow with its comparison.
pub async fn get(
    app: &Arc<Grading>,
    context: &Context,
    request: api::GetShadowRequest,
) -> Answer<api::Shadow> {
    let purpose = context.purpose(&request.purpose)?;
    app.days.reach(context.today()).await?;
    let db = app.store.read();
    let versions = schemes::rows::versions(db, &request.scheme).await?;
    let newest = versions.first().ok_or_else(|| schemes::unknown(&request.scheme))?;
    owned(context, newest)?;
    let row = rows::newest(db, &request.scheme).await?.ok_or_else(|| missing(&request.scheme))?;
    let mut told = row.told()?;
    if row.ended_at.is_none() {
        let top = request.top.unwrap_or(TOP);
        told.comparison = Some(compare(app, db, context, &row, &versions, top).await?);
    }
    let movers = told.comparison.iter().flat_map(|found| &found.movers);
    let looked_at: Vec<&str> = movers.map(|mover| mover.uscc.as_str()).collect();
    accesses::note(app, context, purpose, &looked_at, &format!("shadow {}", request.scheme)).await?;
    Ok(told)
}

fn missing(scheme: &str) -> Fault {
    Fault::missing(
        ErrorReason::ShadowUnknown.as_str_name(),
        format!("scheme \"{scheme}\" has no shadow; start one with :shadow"),
        format!("评价制度“{scheme}”没有影子运行；请用 :shadow 启动"),
    )
}

/// Ends the shadow before its day.
pub async fn end(
    app: &Arc<Grading>,
    context: &Context,
    tx: &Tx,
    request: api::EndShadowRequest,
) -> Answer<api::Shadow> {
    schemes::rows::change(tx).await?;
    let versions = schemes::rows::versions(&**tx, &request.scheme).await?;
    let newest = versions.first().ok_or_else(|| schemes::unknown(&request.scheme))?;
    owned(context, newest)?;
    let row = rows::newest(&**tx, &request.scheme).await?.filter(|row| row.ended_at.is_none());
    let row = row.ok_or_else(|| missing(&request.scheme))?;
    close(app, context, tx, row).await?.told()
}

/// Ends the shadows whose last day is past.
pub async fn pass(app: &Arc<Grading>, context: &Context) -> Answer<()> {
    for row in rows::due(app.store.read(), context.today()).await? {
        let tx = app.store.begin().await?;
        schemes::rows::change(&tx).await?;
        close(app, context, &tx, row).await?;
        tx.commit().await?;
    }
    Ok(())
}

// Keeps the comparison of the end; who changes versions holds the lock, so that nobody grades in shadow meanwhile.
async fn close(app: &Grading, context: &Context, tx: &Tx, mut row: Row) -> Answer<Row> {
    let versions = schemes::rows::versions(&**tx, &row.scheme).await?;
    let found = compare(app, &**tx, context, &row, &versions, TOP).await?;
    row.ended_at = Some(micros(context.now));
    row.comparison = Some(found.encode_to_vec());
    // Another replica may have been faster.
    if rows::end(tx, &row).await? {
        schemes::rows::end_shadow(tx, &row.key()).await?;
        record(tx, context, "shadow.ended", &row).await?;
    }
    Ok(row)
}

async fn compare(
    app: &Grading,
    db: &impl ConnectionTrait,
    context: &Context,
    row: &Row,
    versions: &[Scheme],
    top: i32,
) -> Answer<api::SimulationResponse> {
    let shadow = app.versions.compiled(db, &row.key(), row.version).await?;
    let present = match in_state(versions, State::Published) {
        Some(published) => Some(app.versions.compiled(db, &row.scheme, published.version).await?),
        None => None,
    };
    let mut found = comparison(present.as_deref(), &shadow, top);
    for cell in rows::matrix(db, &row.key(), &row.scheme).await? {
        let count = i32::try_from(cell.count).unwrap_or(i32::MAX);
        found.migration.insert((cell.before, cell.after), count);
    }
    let mut after = String::new();
    loop {
        // Where nobody asks who changes most, nobody is read.
        let page = match top {
            0 => Vec::new(),
            _ => rows::differing(db, &row.key(), &row.scheme, &after, BATCH).await?,
        };
        let Some(last) = page.last() else { break };
        last.uscc.clone_into(&mut after);
        for line in page {
            found.place(Mover {
                score_before: score(line.score_before.as_deref())?,
                score_after: score(line.score_after.as_deref())?,
                uscc: line.uscc,
                name: line.name,
                from: line.before,
                to: line.after,
            });
        }
    }
    let measures = measures::stored(db, &row.scheme, context.today()).await?;
    let percents: Vec<_> =
        measures.into_iter().map(|measure| (measure.grade, measure.sampling_percent)).collect();
    Ok(found.response(&percents, &percents))
}
