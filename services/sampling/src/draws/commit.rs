//! A commit 承诺: the roster frozen, the secret committed to; and the look ahead at what it would freeze.
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use chassis::{
    Answer, Context, Fault, Tx,
    clock::micros,
    decisions::{self, Decision},
    ids,
    storage::{corrupt, unique_violation},
};
use contract::{
    grading::v1::{ExportGradesRequest, ExportedGrade, Scheme},
    sampling::v1::{self as api, ErrorReason, draw::State, exclusion::Reason, object_library::Kind},
};
use jiff::Timestamp;
use sea_orm::ConnectionTrait;
use serde_json::json;

use super::{
    outlook, rosters,
    rows::{self, Stored},
    rules::{self, Frozen},
};
use crate::{
    Sampling,
    frequencies::{self, Caps, rules::Sieve},
    plans, registers, rights,
};

/// What grading answered before the transaction began.
pub struct Graded {
    plan: api::Plan,
    scheme: Scheme,
    grades: Vec<ExportedGrade>,
    out_of_scope: Vec<api::Exclusion>,
}

/// Fetches the grades of everybody in the plan's scope.
pub async fn freeze(
    app: &Arc<Sampling>,
    context: &Context,
    request: &api::CommitPlanRequest,
) -> Answer<Graded> {
    let db = app.store.read();
    let plan = plans::find(db, &request.plan).await?.ok_or_else(|| plans::unknown(&request.plan))?;
    plans::may_draw(context, &plan)?;
    refuse_second(db, &plan.plan_id).await?;
    graded(app, context, plan, &request.min_position).await
}

async fn graded(
    app: &Arc<Sampling>,
    context: &Context,
    plan: api::Plan,
    min_position: &str,
) -> Answer<Graded> {
    if !plans::is_random(&plan) {
        return Err(not_random(&plan));
    }
    let scheme = plans::in_force(app.grading.scheme(context, &plan.scheme).await?, &plan.scheme)?;
    let export = ExportGradesRequest {
        scheme: plan.scheme.clone(),
        region: plan.region.clone(),
        industries: plan.industries.clone(),
        min_position: min_position.to_owned(),
        ..Default::default()
    };
    let mut grades = app.grading.export(context, export).await?;
    let out_of_scope = among_members(app.store.read(), &plan, &mut grades).await?;
    if grades.is_empty() {
        return Err(nobody(&plan));
    }
    Ok(Graded { plan, scheme, grades, out_of_scope })
}

// Just the members of a special library; those of them who are not in scope are told.
async fn among_members(
    db: &impl ConnectionTrait,
    plan: &api::Plan,
    grades: &mut Vec<ExportedGrade>,
) -> Answer<Vec<api::Exclusion>> {
    let library = match plan.object_library.as_str() {
        "" => return Ok(Vec::new()),
        id => registers::libraries::find(db, id).await?.ok_or_else(|| registers::no_library(id))?,
    };
    if library.kind() != Kind::Special {
        return Ok(Vec::new());
    }
    let members = registers::members(db, &library.object_library_id).await?;
    let mut missing: BTreeSet<String> = members.into_iter().map(|(uscc, _)| uscc).collect();
    grades.retain(|grade| missing.remove(&grade.uscc));
    let exclusion = |uscc: String| api::Exclusion {
        uscc,
        reason: Reason::OutOfScope as i32,
        detail: format!("of library {}", library.object_library_id),
    };
    Ok(missing.into_iter().map(exclusion).collect())
}

fn not_random(plan: &api::Plan) -> Fault {
    let (id, kind) = (&plan.plan_id, plan.kind().as_str_name());
    Fault::precondition(
        ErrorReason::PlanKind.as_str_name(),
        format!(
            "plan \"{id}\" is of kind {kind}: its subjects are named (POST /sampling/v1/plans/{id}:order), not drawn"
        ),
        format!("抽查计划“{id}”的类型为 {kind}：其对象应通过 POST /sampling/v1/plans/{id}:order 指定，不进行随机抽取"),
    )
    .with("kind", kind)
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

// The roster by what the counts and the exemptions say now, and the caps that it keeps to.
async fn sifted(db: &impl ConnectionTrait, graded: Graded) -> Answer<(Frozen, Caps, api::Plan, Scheme)> {
    let Graded { plan, scheme, grades, out_of_scope } = graded;
    let caps = Caps::of(&plan.quotas, &scheme.measures);
    let year = frequencies::year_of(&plan);
    // Where nothing depends on the counts they are not read: there may be millions.
    let counts = caps.least().is_some() || plan.exclude_drawn_within_years > 0;
    let histories = if counts { frequencies::histories(db, year).await? } else { HashMap::new() };
    let exemptions = frequencies::exemptions(db, &plan).await?;
    let sieve = Sieve::of(&plan, &caps, &histories, exemptions);
    let mut frozen = rules::freeze(grades, &plan.quotas, &sieve).map_err(|fault| corrupt("roster", fault))?;
    frozen.exclusions.extend(out_of_scope);
    frozen.exclusions.sort_unstable_by(|one, other| one.uscc.cmp(&other.uscc));
    Ok((frozen, caps, plan, scheme))
}

/// Freezes the roster and commits to a secret.
pub async fn commit(
    _: &Arc<Sampling>,
    context: &Context,
    tx: &Tx,
    request: api::CommitPlanRequest,
    graded: Graded,
) -> Answer<api::Draw> {
    let reveal_not_before = earliest(&request, context.now)?;
    let (frozen, caps, plan, scheme) = sifted(&**tx, graded).await?;
    if frozen.roster.is_empty() {
        return Err(nobody_left(&plan, frozen.exclusions.len()));
    }
    let exclusions = frequencies::rules::text(&frozen.exclusions);
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
        reveal_not_before: reveal_not_before.map_or(0, micros),
        attempt: rows::attempts(&**tx, &plan.plan_id).await?.saturating_add(1),
        excluded: i32::try_from(frozen.exclusions.len()).unwrap_or(i32::MAX),
        exclusions_digest: if exclusions.is_empty() { exclusions } else { draw::digest(&exclusions) },
        cap_text: caps.text(),
        strata_text: rules::strata_text(&frozen.roster),
        measures_version: scheme.measures_version,
    };
    refuse_second(&**tx, &plan.plan_id).await?;
    match rows::insert(tx, &draw).await {
        Err(error) if unique_violation(&error).is_some() => return Err(second(&plan.plan_id)),
        other => other?,
    }
    rosters::insert(tx, &draw.draw_id, &frozen.roster, &frozen.names).await?;
    rosters::insert_exclusions(tx, &draw.draw_id, &frozen.exclusions).await?;
    let detail = json!({ "plan": draw.plan, "scheme": draw.scheme, "schemeVersion": draw.scheme_version, "measuresVersion": draw.measures_version,
        "rosterDigest": draw.roster_digest, "rosterSize": draw.roster_size, "quotaText": draw.quota_text,
        "commitment": draw.commitment, "entropySource": draw.entropy_source, "attempt": draw.attempt,
        "revealNotBefore": reveal_not_before.map(|at| at.to_string()), "capText": draw.cap_text,
        "excluded": draw.excluded, "exclusionsDigest": draw.exclusions_digest });
    let decision = Decision { kind: "draw.committed", subject: &draw.draw_id, basis: &draw.plan, detail };
    decisions::record(tx, context, decision).await?;
    let looked = outlook::of_draw(&**tx, &plan, &draw).await?;
    Ok(looked.onto(draw.wire(), context.language))
}

// The earliest time of the reveal, to the microsecond as our tables keep it.
fn earliest(request: &api::CommitPlanRequest, now: Timestamp) -> Answer<Option<Timestamp>> {
    let Some(given) = &request.reveal_not_before else { return Ok(None) };
    let at = Timestamp::new(given.seconds, given.nanos).ok().filter(|at| *at > Timestamp::UNIX_EPOCH);
    match at {
        Some(at) if at >= now => Ok(Some(at)),
        Some(at) => Err(Fault::field(
            "revealNotBefore",
            format!("{at} has passed (it is {now}): the source may have spoken already; name a time to come"),
            format!("{at}已过（现为{now}），随机源可能已经公布；请填写将来的时间"),
        )),
        None => Err(Fault::field("revealNotBefore", "is no instant after 1970", "不是有效的时间")),
    }
}

fn nobody(plan: &api::Plan) -> Fault {
    let shown = |text: &str, otherwise: &str| if text.is_empty() { otherwise } else { text }.to_owned();
    let industries = plan.industries.join(" ");
    Fault::precondition(
        ErrorReason::RosterEmpty.as_str_name(),
        format!(
            "nobody is in the scope of plan \"{}\" (scheme {}, region {}, industries {}); check its scope, or wait \
             until grading has graded the subjects",
            plan.plan_id,
            plan.scheme,
            shown(&plan.region, "all"),
            shown(&industries, "all"),
        ),
        format!(
            "抽查计划“{}”范围内没有主体（制度 {}，区划 {}，行业 {}）；请核对范围，或待评级完成后再试",
            plan.plan_id,
            plan.scheme,
            shown(&plan.region, "不限"),
            shown(&industries, "不限"),
        ),
    )
}

fn nobody_left(plan: &api::Plan, excluded: usize) -> Fault {
    let id = &plan.plan_id;
    Fault::precondition(
        ErrorReason::RosterEmpty.as_str_name(),
        format!(
            "all {excluded} subjects in the scope of plan \"{id}\" are left out: at their yearly cap, drawn within the years \
             that it names, or exempt; look at GET /sampling/v1/plans/{id}:preview"
        ),
        format!(
            "抽查计划“{id}”范围内的{excluded}个主体均被排除（已达年度频次上限、近年已抽查或免检）；\
             请查看 GET /sampling/v1/plans/{id}:preview"
        ),
    )
}

/// Tells what a commit would freeze now.
pub async fn preview(
    app: &Arc<Sampling>,
    context: &Context,
    request: api::PreviewPlanRequest,
) -> Answer<api::PlanPreview> {
    rights::official(context)?;
    let db = app.store.read();
    let plan = plans::find(db, &request.plan).await?.ok_or_else(|| plans::unknown(&request.plan))?;
    let graded = graded(app, context, plan, &request.min_position).await?;
    let (frozen, caps, plan, _) = sifted(db, graded).await?;
    let looked = outlook::of_roster(db, &plan, &frozen).await?;
    let mut strata: Vec<api::StratumPreview> = Vec::new();
    let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    for (grade, members) in frozen.roster.strata() {
        strata.push(api::StratumPreview {
            grade: grade.clone(),
            members: number(*members),
            drawn: number(frozen.quotas.of_stratum(grade)),
            excluded: frozen.excluded.get(grade).copied().unwrap_or_default(),
            max_per_year: caps.of_stratum(grade),
        });
    }
    // A grade all of whose subjects are left out has no line among the strata.
    for (grade, excluded) in &frozen.excluded {
        if frozen.roster.strata().iter().all(|(known, _)| known != grade) {
            let max_per_year = caps.of_stratum(grade);
            let grade = grade.clone();
            strata.push(api::StratumPreview {
                grade,
                excluded: *excluded,
                max_per_year,
                ..Default::default()
            });
        }
    }
    strata.sort_unstable_by(|one, other| one.grade.cmp(&other.grade));
    Ok(api::PlanPreview {
        plan: plan.plan_id,
        roster_size: number(frozen.roster.len()),
        strata,
        eligible_inspectors: number(looked.able),
        warnings: looked.said(context.language),
        skipped_inspectors: looked.skipped,
    })
}
