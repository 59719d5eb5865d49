//! Draws 随机抽取: commit, reveal, and what anybody recomputes them from.
mod bundle;
mod rows;
mod rules;

use std::sync::Arc;

use chassis::{
    Answer, Context, Fault, Tx,
    clock::{micros, start_of},
    decisions::{self, Decision},
    ids,
    page::Page,
    storage::{corrupt, unique_violation},
};
use contract::{
    grading::v1::{ExportGradesRequest, ExportedGrade, Scheme},
    sampling::v1::{self as api, ErrorReason, draw::State},
};
use draw::{Quotas, Roster, Seed};
use jiff::civil::Date;
use sea_orm::ConnectionTrait;
use serde_json::json;

pub use self::bundle::bundle;
pub use self::rows::{Stored, find, lock};
use crate::{Sampling, plans, rights, visits};

/// What grading answered before the transaction began.
pub struct Graded {
    plan: api::Plan,
    scheme: Scheme,
    grades: Vec<ExportedGrade>,
}

/// Fetches the grades of everybody in the plan's scope.
pub async fn freeze(
    app: &Arc<Sampling>,
    context: &Context,
    request: &api::CommitPlanRequest,
) -> Answer<Graded> {
    let db = app.store.read();
    let plan = plans::find(db, &request.plan).await?.ok_or_else(|| plans::unknown(&request.plan))?;
    rights::act_for(context, plan.departments.iter().map(String::as_str))?;
    refuse_second(db, &plan.plan_id).await?;
    let scheme = plans::in_force(app.grading.scheme(context, &plan.scheme).await?, &plan.scheme)?;
    let export = ExportGradesRequest {
        scheme: plan.scheme.clone(),
        region: plan.region.clone(),
        industries: plan.industries.clone(),
        min_position: request.min_position.clone(),
        ..Default::default()
    };
    let grades = app.grading.export(context, export).await?;
    Ok(Graded { plan, scheme, grades })
}

async fn refuse_second(db: &impl ConnectionTrait, plan: &str) -> Answer<()> {
    match rows::pending(db, plan).await? {
        None => Ok(()),
        Some(open) => Err(second(plan).with("draw", &open.draw_id)),
    }
}

fn second(plan: &str) -> Fault {
    Fault::precondition(
        ErrorReason::DrawPending.as_str_name(),
        format!(
            "plan \"{plan}\" has a committed draw that is not revealed; reveal it, or abandon it with a reason"
        ),
        format!("抽查计划“{plan}”已有承诺而未揭示的抽取；请先揭示，或说明原因作废"),
    )
}

/// Freezes the roster and commits to a secret.
pub async fn commit(
    _: &Arc<Sampling>,
    context: &Context,
    tx: &Tx,
    request: api::CommitPlanRequest,
    graded: Graded,
) -> Answer<api::Draw> {
    let Graded { plan, scheme, grades } = graded;
    if grades.is_empty() {
        return Err(nobody(&plan));
    }
    let frozen = rules::freeze(grades, &plan.quotas).map_err(|fault| corrupt("roster", fault))?;
    let secret = ids::secret()?;
    let draw = Stored {
        draw_id: ids::fresh(context.now)?,
        plan: plan.plan_id.clone(),
        scheme: plan.scheme.clone(),
        scheme_version: scheme.version,
        disclosure: scheme.disclosure,
        state: State::Committed as i32,
        roster_digest: frozen.roster.digest(),
        roster_size: i32::try_from(frozen.roster.len()).unwrap_or(i32::MAX),
        quota_text: frozen.quotas.text(),
        commitment: draw::commitment(&secret),
        secret,
        entropy_source: request.entropy_source,
        committed_at: micros(context.now),
        entropy: String::new(),
        seed: String::new(),
        revealed_at: 0,
        abandon_reason: String::new(),
    };
    refuse_second(&**tx, &plan.plan_id).await?;
    match rows::insert(tx, &draw, frozen.roster.text(), &frozen.names).await {
        Err(error) if unique_violation(&error).is_some() => return Err(second(&plan.plan_id)),
        other => other?,
    }
    let detail = json!({ "plan": draw.plan, "scheme": draw.scheme, "schemeVersion": draw.scheme_version,
        "rosterDigest": draw.roster_digest, "rosterSize": draw.roster_size, "quotaText": draw.quota_text,
        "commitment": draw.commitment, "entropySource": draw.entropy_source });
    let decision = Decision { kind: "draw.committed", subject: &draw.draw_id, basis: &draw.plan, detail };
    decisions::record(tx, context, decision).await?;
    Ok(draw.wire())
}

fn nobody(plan: &api::Plan) -> Fault {
    Fault::precondition(
        ErrorReason::RosterEmpty.as_str_name(),
        format!(
            "nobody is in the scope of plan \"{}\" (scheme {}, region {}, industries {}); check its scope, or wait \
             until grading has graded the subjects",
            plan.plan_id,
            plan.scheme,
            shown(&plan.region, "all"),
            shown(&plan.industries.join(" "), "all"),
        ),
        format!(
            "抽查计划“{}”范围内没有主体（制度 {}，区划 {}，行业 {}）；请核对范围，或待评级完成后再试",
            plan.plan_id,
            plan.scheme,
            shown(&plan.region, "不限"),
            shown(&plan.industries.join(" "), "不限"),
        ),
    )
}

fn shown<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

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
    rights::act_for(context, plan.departments.iter().map(String::as_str))?;
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

/// Adds the public entropy, opens the secret and draws subjects and inspectors.
pub async fn reveal(
    _: &Arc<Sampling>,
    context: &Context,
    tx: &Tx,
    request: api::RevealDrawRequest,
) -> Answer<api::Draw> {
    let (mut draw, plan) = own(tx, context, &request.draw).await?;
    still_committed(&draw)?;
    let kept = kept(tx, &draw.draw_id).await?;
    let seed = Seed::derive(&draw.secret, &request.entropy, &draw.roster_digest, &draw.quota_text);
    draw.state = State::Revealed as i32;
    draw.entropy = request.entropy;
    draw.seed = seed.as_str().to_owned();
    draw.revealed_at = micros(context.now);
    if !rows::reveal(tx, &draw).await? {
        return Err(overtaken());
    }
    let (roster, quotas) = read_back(&kept, &draw.quota_text)?;
    let selected = draw::select(&seed, &roster, &quotas);
    let drawn = visits::drawn(&selected, &roster, &kept.names);
    visits::open(tx, context, &plan, &draw.draw_id, &seed, &drawn).await?;
    let detail = json!({ "plan": draw.plan, "entropy": draw.entropy, "secret": draw.secret, "seed": draw.seed,
        "drawn": selected.len() });
    let decision =
        Decision { kind: "draw.revealed", subject: &draw.draw_id, basis: &draw.commitment, detail };
    decisions::record(tx, context, decision).await?;
    whole(&**tx, context, &draw, &plan).await
}

/// The stored roster of a draw.
pub async fn kept(tx: &Tx, draw: &str) -> Answer<rows::Kept> {
    rows::roster(&**tx, draw).await?.ok_or_else(|| corrupt("draw", "its roster is gone"))
}

/// A stored roster and its quotas, parsed.
pub fn read_back(kept: &rows::Kept, quota_text: &str) -> Answer<(Roster, Quotas)> {
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
    let of = visits::of_draw(db, &draw.draw_id).await?;
    let figures = rows::figures(db, &[&draw.draw_id]).await?.remove(&draw.draw_id).unwrap_or_default();
    let skipped_inspectors = visits::skipped_always(db, &draw.draw_id).await?;
    let mut warnings = Vec::new();
    if let Some(text) = visits::understaffed(db, &draw.draw_id, plan, skipped_inspectors.len()).await? {
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

fn with_figures(mut draw: api::Draw, figures: rows::Figures) -> api::Draw {
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
    let from = day(&request.from)?.map_or(i64::MIN, |from| micros(start_of(from)));
    let after = day(&request.to)?.and_then(|to| to.tomorrow().ok());
    let before = after.map_or(i64::MAX, |after| micros(start_of(after)));
    let filter = rows::Filter { plan: &request.plan, scheme: &request.scheme, from, before };
    let db = app.store.read();
    let mut stored = rows::page(db, &filter, &page).await?;
    let next_page_token = page.cut(&mut stored, |draw| draw.draw_id.clone());
    let ids: Vec<&str> = stored.iter().map(|draw| draw.draw_id.as_str()).collect();
    let mut figures = rows::figures(db, &ids).await?;
    let mut of = |draw: &Stored| figures.remove(&draw.draw_id).unwrap_or_default();
    let draws = stored.iter().map(|draw| with_figures(draw.wire(), of(draw))).collect();
    Ok(api::ListDrawsResponse { draws, next_page_token })
}

// A date that the contract's rules have judged.
fn day(text: &str) -> Answer<Option<Date>> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error| corrupt("date", error))
}
