//! Draws 随机抽取: commit, reveal, and what anybody recomputes them from.
mod bundle;
mod commit;
mod download;
mod outlook;
mod reveal;
mod rosters;
mod rows;
mod rules;

use std::sync::Arc;

use chassis::{
    Answer, Context, Fault, Tx,
    clock::{micros, start_of},
    decisions::{self, Decision},
    page::Page,
    storage::corrupt,
};
use contract::sampling::v1::{self as api, ErrorReason, draw::State};
use draw::{Quotas, Roster};
use jiff::civil::Date;
use sea_orm::ConnectionTrait;
use serde_json::json;

use self::rosters::Kept;
pub use self::{
    bundle::bundle,
    commit::{commit, freeze, preview},
    download::download,
    reveal::reveal,
    rows::{Stored, find, lock},
};
use crate::{
    Sampling,
    burdens::{self, Came},
    plans, rights,
    visits::{self, OfDraw},
};

/// The refusal of a draw that is not there.
pub fn unknown(draw: &str) -> Fault {
    use contract::r#type::v1::ErrorReason as Common;
    Fault::missing(
        Common::NotFound.as_str_name(),
        format!(
            "there is no draw \"{draw}\"; commit its plan first (POST /sampling/v1/plans/{{plan}}:commit)"
        ),
        format!(
            "不存在抽取“{draw}”；请先通过 POST /sampling/v1/plans/{{plan}}:commit 承诺，由其返回抽取编号"
        ),
    )
    .with("name", draw)
}

// A draw and its plan, for who may act on it.
async fn own(tx: &Tx, context: &Context, draw: &str) -> Answer<(Stored, api::Plan)> {
    let found = find(&**tx, draw).await?.ok_or_else(|| unknown(draw))?;
    let plan = plans::find(&**tx, &found.plan).await?.ok_or_else(|| corrupt("draw", "its plan is gone"))?;
    plans::may_draw(context, &plan)?;
    Ok((found, plan))
}

fn still_committed(draw: &Stored) -> Answer<()> {
    let id = &draw.draw_id;
    match draw.state() {
        State::Revealed => Err(Fault::precondition(
            ErrorReason::DrawAlreadyRevealed.as_str_name(),
            format!(
                "draw \"{id}\" was revealed already and stays as it is; read it with GET /sampling/v1/draws/{id}"
            ),
            format!("抽取“{id}”已揭示，结果不可更改；请通过 GET /sampling/v1/draws/{id} 查看"),
        )),
        State::Committed => Ok(()),
        _ => Err(Fault::precondition(
            ErrorReason::DrawNotCommitted.as_str_name(),
            format!("draw \"{id}\" was abandoned ({}); commit the plan anew", draw.abandon_reason),
            format!("抽取“{id}”已作废（{}）；请重新承诺", draw.abandon_reason),
        )),
    }
}

fn overtaken() -> Fault {
    use contract::r#type::v1::ErrorReason as Common;
    Fault::aborted(
        Common::ConcurrentChange.as_str_name(),
        "the draw was changed by another call in the same moment; read it again",
        "该抽取刚被其他操作改变；请重新读取",
    )
}

/// The stored roster of a draw.
pub async fn kept(tx: &Tx, draw: &str) -> Answer<Kept> {
    let kept = rosters::whole(&**tx, draw).await?;
    if kept.roster.is_empty() { Err(corrupt("draw", "its roster is gone")) } else { Ok(kept) }
}

/// A stored roster and its quotas, parsed.
pub fn read_back(kept: &Kept, quota_text: &str) -> Answer<(Roster, Quotas)> {
    let roster = Roster::parse(kept.roster.as_str()).map_err(|fault| corrupt("roster", fault))?;
    let quotas = Quotas::parse(quota_text).map_err(|fault| corrupt("quota", fault))?;
    Ok((roster, quotas))
}

/// Gives a committed draw up.
pub async fn abandon(
    _: &Arc<Sampling>,
    context: &Context,
    tx: &Tx,
    request: api::AbandonDrawRequest,
) -> Answer<api::Draw> {
    rows::lock(tx, &request.draw).await?;
    let (mut draw, _) = own(tx, context, &request.draw).await?;
    still_committed(&draw)?;
    rights::no_identity_number("reason", &request.reason)?;
    if !rows::abandon(tx, &draw.draw_id, &request.reason).await? {
        return Err(overtaken());
    }
    draw.state = State::Abandoned as i32;
    draw.abandon_reason = request.reason;
    let detail = json!({ "plan": draw.plan, "reason": draw.abandon_reason });
    let decision =
        Decision { kind: "draw.abandoned", subject: &draw.draw_id, basis: &draw.commitment, detail };
    decisions::record(tx, context, decision).await?;
    Ok(draw.wire())
}

/// Gives a draw.
pub async fn get(app: &Arc<Sampling>, context: &Context, request: api::GetDrawRequest) -> Answer<api::Draw> {
    rights::official(context)?;
    let purpose = context.purpose(&request.purpose)?;
    let db = app.store.read();
    let draw = find(db, &request.draw).await?.ok_or_else(|| unknown(&request.draw))?;
    let plan = plans::find(db, &draw.plan).await?.ok_or_else(|| corrupt("draw", "its plan is gone"))?;
    rights::look(app, context, purpose, &draw.draw_id).await?;
    whole(db, context, &draw, &plan).await
}

// A draw with all that other tables hold of it.
async fn whole(
    db: &impl ConnectionTrait,
    context: &Context,
    draw: &Stored,
    plan: &api::Plan,
) -> Answer<api::Draw> {
    if draw.state() == State::Committed {
        let looked = outlook::of_draw(db, plan, draw).await?;
        return Ok(looked.onto(draw.wire(), context.language));
    }
    let of = visits::of_draw(db, &draw.draw_id).await?;
    let understaffed = visits::short_of_staff(db, &draw.draw_id, plans::team_size(plan)).await?;
    told(db, context, (draw, plan), of, understaffed).await
}

// A revealed draw with what its visits tell of it.
async fn told(
    db: &impl ConnectionTrait,
    context: &Context,
    (draw, plan): (&Stored, &api::Plan),
    of: OfDraw,
    understaffed: i64,
) -> Answer<api::Draw> {
    let figures = burdens::of_draws(db, &[&draw.draw_id]).await?.remove(&draw.draw_id).unwrap_or_default();
    let skipped_inspectors = visits::skipped_always(db, &draw.draw_id).await?;
    let mut warnings = Vec::new();
    if let Some(text) = visits::understaffed(plan, understaffed, skipped_inspectors.len()) {
        warnings.push(text.get(context.language).to_owned());
    }
    if let Some(text) = visits::kept_to_caps(&of) {
        warnings.push(text.get(context.language).to_owned());
    }
    let whole = api::Draw {
        selected: of.selected.into_iter().map(bundle::selected).collect(),
        replacements: of.replacements.into_iter().map(|(one, at)| bundle::replacement(one, at)).collect(),
        skipped_inspectors,
        warnings,
        ..draw.wire()
    };
    Ok(with_figures(whole, figures))
}

fn with_figures(mut draw: api::Draw, figures: Came) -> api::Draw {
    let count = |number: i64| i32::try_from(number).unwrap_or(i32::MAX);
    draw.drawn = count(figures.drawn);
    draw.visited = count(figures.visited);
    draw.found = count(figures.found);
    draw
}

/// Lists draws; no subject is named.
pub async fn list(
    app: &Arc<Sampling>,
    context: &Context,
    request: api::ListDrawsRequest,
) -> Answer<api::ListDrawsResponse> {
    rights::official(context)?;
    let page = Page::of(request.page_size, &request.page_token)?;
    let from = day(&request.from)?.map(|from| micros(start_of(from)));
    let after = day(&request.to)?.and_then(|to| to.tomorrow().ok());
    let before = after.map(|after| micros(start_of(after)));
    let filter = rows::Filter { plan: &request.plan, scheme: &request.scheme, from, before };
    let db = app.store.read();
    let mut stored = rows::page(db, &filter, &page).await?;
    let next_page_token = page.cut(&mut stored, |draw| draw.draw_id.clone());
    let ids: Vec<&str> = stored.iter().map(|draw| draw.draw_id.as_str()).collect();
    let mut figures = burdens::of_draws(db, &ids).await?;
    let mut of = |draw: &Stored| figures.remove(&draw.draw_id).unwrap_or_default();
    let draws = stored.iter().map(|draw| with_figures(draw.wire(), of(draw))).collect();
    Ok(api::ListDrawsResponse { draws, next_page_token })
}

/// Lists who left the roster before the commit.
pub async fn exclusions(
    app: &Arc<Sampling>,
    context: &Context,
    request: api::ListExclusionsRequest,
) -> Answer<api::ListExclusionsResponse> {
    rights::official(context)?;
    let purpose = context.purpose(&request.purpose)?;
    let page = Page::of(request.page_size, &request.page_token)?;
    let after = visits::place(&page)?;
    let db = app.store.read();
    let draw = find(db, &request.draw).await?.ok_or_else(|| unknown(&request.draw))?;
    rights::look(app, context, purpose, &draw.draw_id).await?;
    let mut found = rosters::exclusions(db, &draw.draw_id, after, page.fetch()).await?;
    let next_page_token = page.cut(&mut found, |(place, _)| place.to_string());
    let exclusions = found.into_iter().map(|(_, exclusion)| exclusion).collect();
    Ok(api::ListExclusionsResponse { exclusions, next_page_token })
}

// A date that the contract's rules have judged.
fn day(text: &str) -> Answer<Option<Date>> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error| corrupt("date", error))
}
