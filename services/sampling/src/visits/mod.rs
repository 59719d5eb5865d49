//! Visits 检查任务 and their results 抽查结果.
mod merged;
mod orders;
mod replace;
pub mod returns;
mod rows;
pub mod rules;
mod staffing;

use std::{collections::BTreeMap, sync::Arc};

use chassis::{
    Answer, Context, Fault, Tx,
    clock::{business_day, from_micros, micros, wire},
    decisions::{self, Decision},
    language::Text,
    page::{self, Page},
    storage::corrupt,
};
use contract::{
    sampling::v1::{self as api, ErrorReason, visit::Status},
    r#type::v1::ErrorReason as Common,
};
use draw::{Replacement, Selected};
use identifiers::Uscc;
use jiff::civil::Date;
use sea_orm::ConnectionTrait;
use serde_json::json;

use self::rules::Bounds;
pub use self::{
    merged::Merged,
    orders::{order, ordered},
    replace::replace,
    rows::{
        Details, Stored, count_replacements, details, find, short_of_staff, skipped_always,
        stream_replacements, stream_selected,
    },
    staffing::{Opening, Staff, drawn, open, staff, understaffed, visited, why},
};
use crate::{
    Sampling, draws,
    fieldwork::{self, OnSite},
    figures, plans, rights,
};

/// Who was drawn in a draw, and who took whose place when.
pub struct OfDraw {
    /// The selection, in its order.
    pub selected: Vec<Selected>,
    /// The replacements in their order, each with its instant in microseconds.
    pub replacements: Vec<(Replacement, i64)>,
    /// How many of them were at their yearly cap.
    pub replaced_at_cap: usize,
    /// How many are not visited, at their yearly cap without anybody to take the place.
    pub cancelled: usize,
}

impl OfDraw {
    /// What the visits of a draw, in their order, tell of it.
    pub fn of(visits: Vec<Stored>) -> Self {
        let mut of =
            Self { selected: Vec::new(), replacements: Vec::new(), replaced_at_cap: 0, cancelled: 0 };
        for visit in visits {
            match visit.status() {
                Status::Replaced if visit.over_cap => of.replaced_at_cap += 1,
                Status::Cancelled => of.cancelled += 1,
                _ => {}
            }
            if visit.replaces.is_empty() {
                of.selected.push(Selected { uscc: visit.uscc, stratum: visit.stratum, ticket: visit.ticket });
            } else {
                let replacement = Replacement {
                    uscc: visit.replaces,
                    replaced_by: visit.uscc,
                    stratum: visit.stratum,
                    ticket: visit.ticket,
                    reason: visit.replace_reason,
                };
                of.replacements.push((replacement, visit.replaced_at));
            }
        }
        of
    }
}

/// The selection and the replacements of a draw.
pub async fn of_draw(db: &impl ConnectionTrait, draw: &str) -> Answer<OfDraw> {
    Ok(OfDraw::of(rows::of_draw(db, draw).await?))
}

/// A warning where drawn subjects were at their yearly cap.
pub fn kept_to_caps(of: &OfDraw) -> Option<Text> {
    let (replaced, cancelled) = (of.replaced_at_cap, of.cancelled);
    (replaced + cancelled > 0).then(|| {
        Text::new(
            format!(
                "{} drawn subjects had reached their yearly cap since the commit: {replaced} were replaced by the next ticket, \
                 {cancelled} are not visited, as their stratum had nobody left",
                replaced + cancelled
            ),
            format!(
                "{}个抽中主体自承诺后已达年度检查频次上限：{replaced}个由后号替补，{cancelled}个因本等级无可替补而取消",
                replaced + cancelled
            ),
        )
    })
}

/// Lists the visits of a draw.
pub async fn list(
    app: &Arc<Sampling>,
    context: &Context,
    request: api::ListVisitsRequest,
) -> Answer<api::ListVisitsResponse> {
    rights::official(context)?;
    let purpose = context.purpose(&request.purpose)?;
    let page = Page::of(request.page_size, &request.page_token)?;
    let after = place(&page)?;
    let db = app.store.read();
    let draw = &request.draw;
    let plan = plans::of_draws(db, &[draw]).await?.remove(draw).ok_or_else(|| draws::unknown(draw))?;
    rights::look(app, context, purpose, draw).await?;
    let mut stored = rows::page(db, draw, after, &page).await?;
    let next_page_token = page.cut(&mut stored, |visit| visit.place.to_string());
    let visits = wires(db, context, &plan, stored).await?;
    Ok(api::ListVisitsResponse { visits, next_page_token })
}

/// The place after which a page begins; before the first where none is given.
pub fn place(page: &Page) -> Answer<i32> {
    if page.after.is_empty() { Ok(-1) } else { page.after.parse().map_err(|_| page::strange_token()) }
}

impl Details {
    fn records(&self) -> Vec<String> {
        self.findings.iter().filter(|one| !one.record.is_empty()).map(|one| one.record.clone()).collect()
    }

    fn refusal(&self) -> String {
        self.findings
            .iter()
            .map(|one| one.refusal.as_str())
            .find(|refusal| !refusal.is_empty())
            .unwrap_or("")
            .to_owned()
    }

    /// The findings as the contract says them.
    pub fn findings(&self) -> Vec<api::Finding> {
        let wire = |one: &rows::StoredFinding| api::Finding {
            inspection_item: one.inspection_item.clone(),
            result_code: one.result_code.clone(),
            text: one.text.clone(),
        };
        self.findings.iter().map(wire).collect()
    }
}

/// Visits of one draw or order as the contract's messages.
pub async fn wires(
    db: &impl ConnectionTrait,
    context: &Context,
    plan: &api::Plan,
    visits: Vec<Stored>,
) -> Answer<Vec<api::Visit>> {
    let Some(draw) = visits.first().map(|visit| visit.draw.clone()) else { return Ok(Vec::new()) };
    let always = rows::skipped_always(db, &draw).await?.len();
    let mut details = rows::details(db, &visits).await?;
    let ids: Vec<&str> = visits.iter().map(|visit| visit.visit_id.as_str()).collect();
    let mut on_site = fieldwork::of_visits(db, &ids).await?;
    let wire_of = |visit: Stored| {
        let of = details.remove(&visit.visit_id).unwrap_or_default();
        let site = on_site.remove(&visit.visit_id).unwrap_or_default();
        let shortage = rules::shortage(plans::team_size(plan), of.inspectors.len(), of.skipped.len(), always);
        let visit = with_site(context, plan, visit, &of, site);
        api::Visit {
            inspection_items: plan.inspection_items.clone(),
            shortage: shortage.map(|text| text.get(context.language).to_owned()).unwrap_or_default(),
            findings: of.findings(),
            records: of.records(),
            credit_error: of.refusal(),
            inspectors: of.inspectors,
            skipped_inspectors: of.skipped,
            ..visit
        }
    };
    Ok(visits.into_iter().map(wire_of).collect())
}

// What the visit's own row says, and what happened on the spot.
fn with_site(
    context: &Context,
    plan: &api::Plan,
    visit: Stored,
    of: &Details,
    mut site: OnSite,
) -> api::Visit {
    if !site.signatures.is_empty() {
        let digest = fieldwork::signatures::record_of(&visit, plan, of, &site).digest;
        for signature in &mut site.signatures {
            signature.current = signature.digest == digest;
        }
    }
    if let Some(rectification) = &mut site.rectification {
        rectification.overdue = fieldwork::rules::is_overdue(rectification, &context.today().to_string());
    }
    api::Visit {
        overdue: rules::overdue(visit.status(), &visit.publish_due_on, context.today()),
        published_at: (visit.published_at > 0).then(|| wire(from_micros(visit.published_at))),
        visit_id: visit.visit_id,
        draw: visit.draw,
        uscc: visit.uscc,
        name: visit.name,
        status: visit.status,
        inspected_on: visit.inspected_on,
        publish_due_on: visit.publish_due_on,
        publish_basis: visit.publish_basis,
        position: visit.position,
        replaces: visit.replaces,
        kind: visit.kind,
        order_reason: visit.order_reason,
        over_cap: visit.over_cap,
        arrived_at: (site.arrived_at > 0).then(|| wire(from_micros(site.arrived_at))),
        arrived_inspectors: site.present,
        attachments: i32::try_from(site.attachments.len()).unwrap_or(i32::MAX),
        signatures: site.signatures,
        rectification: site.rectification,
        ..Default::default()
    }
}

/// Visits of any draws and orders, by their ids in order.
pub async fn wires_of(
    db: &impl ConnectionTrait,
    context: &Context,
    ids: &[String],
) -> Answer<Vec<api::Visit>> {
    let mut of_draw: BTreeMap<String, Vec<Stored>> = BTreeMap::new();
    for visit in rows::among(db, ids).await? {
        of_draw.entry(visit.draw.clone()).or_default().push(visit);
    }
    let draws: Vec<&str> = of_draw.keys().map(String::as_str).collect();
    let plans = plans::of_draws(db, &draws).await?;
    let mut all = Vec::with_capacity(ids.len());
    for (draw, visits) in of_draw {
        let plan = plans.get(&draw).ok_or_else(|| corrupt("visit", "its plan is gone"))?;
        all.extend(wires(db, context, plan, visits).await?);
    }
    all.sort_unstable_by(|one, other| one.visit_id.cmp(&other.visit_id));
    Ok(all)
}

/// One visit as the contract's message.
pub async fn wire_one(tx: &Tx, context: &Context, plan: &api::Plan, visit: Stored) -> Answer<api::Visit> {
    let mut wired = wires(&**tx, context, plan, vec![visit]).await?;
    wired.pop().ok_or_else(|| corrupt("visit", "it is gone"))
}

/// The inspectors drawn for a visit.
pub async fn team_of(tx: &Tx, visit: &Stored) -> Answer<Vec<String>> {
    let of = rows::details(&**tx, std::slice::from_ref(visit)).await?.remove(&visit.visit_id);
    Ok(of.unwrap_or_default().inspectors)
}

/// A visit and its plan, for who may act on it.
pub async fn own(tx: &Tx, context: &Context, visit: &str) -> Answer<(Stored, api::Plan)> {
    let found =
        rows::find(&**tx, visit).await?.ok_or_else(|| Fault::not_found("visit", "检查任务", visit))?;
    let plan = plans::of_draws(&**tx, &[&found.draw]).await?.remove(&found.draw);
    let plan = plan.ok_or_else(|| corrupt("visit", "its plan is gone"))?;
    rights::act_for(context, plan.departments.iter().map(String::as_str))?;
    Ok((found, plan))
}

/// Refuses a step that the visit's state does not allow, and says which it is in.
pub fn in_state(visit: &Stored, allowed: &[Status], todo_en: &str, todo_zh: &str) -> Answer<()> {
    if allowed.contains(&visit.status()) {
        return Ok(());
    }
    let (id, status) = (&visit.visit_id, visit.status().as_str_name());
    Err(Fault::precondition(
        ErrorReason::VisitState.as_str_name(),
        format!("visit \"{id}\" is {status}; {todo_en}"),
        format!("检查任务“{id}”当前状态为 {status}；{todo_zh}"),
    )
    .with("status", status))
}

/// The refusal of a step that another call was quicker with.
pub fn overtaken() -> Fault {
    Fault::aborted(
        Common::ConcurrentChange.as_str_name(),
        "the visit was changed by another call in the same moment; read it again",
        "该检查任务刚被其他操作改变；请重新读取",
    )
}

/// Records what a visit found.
pub async fn record(
    _: &Arc<Sampling>,
    context: &Context,
    tx: &Tx,
    request: api::RecordVisitRequest,
) -> Answer<api::Visit> {
    let (mut visit, plan) = own(tx, context, &request.visit).await?;
    in_state(
        &visit,
        &[Status::Planned, Status::Recorded],
        "only a visit that is planned, or recorded and not yet published, can be recorded",
        "只有待检查或已录入而未公示的任务可以录入结果",
    )?;
    for (index, finding) in request.findings.iter().enumerate() {
        rights::no_identity_number(&format!("findings[{index}].text"), &finding.text)?;
    }
    let draw = draws::find(&**tx, &visit.draw).await?;
    let since = match &draw {
        Some(draw) => draw.revealed_at,
        None => rows::ordered_at(&**tx, &visit.draw).await?,
    };
    let version = draw.map_or(0, |draw| draw.scheme_version);
    let mut counting = figures::Counting::new(&plan.scheme, version);
    // Recorded again, it counts as it is now.
    if let Ok(day) = visit.inspected_on.parse() {
        counting.visit(day, &visit.seen(), -1);
    }
    let inspected_on: Date = request.inspected_on.parse().map_err(|error| corrupt("date", error))?;
    let drawn_on = business_day(from_micros(since));
    let bounds = Bounds { plan: &plan, drawn_on, today: context.today() };
    let codes = rules::judge(inspected_on, &request.findings, &bounds).map_err(Fault::fields)?;
    if plan.proof_on_site
        && !fieldwork::of_visits(&**tx, &[&visit.visit_id]).await?.values().any(OnSite::arrived)
    {
        return Err(proof_missing(
            "no inspectors have arrived by a code yet; note it with :arrive",
            "检查人员尚未扫码入企；请先通过 :arrive 登记",
        ));
    }
    let due = rules::publish_due(inspected_on, &plan.region);
    let (due, basis) = due.ok_or_else(|| corrupt("term", "none is in force"))?;
    let before = visit.status();
    visit.status = Status::Recorded as i32;
    visit.inspected_on = request.inspected_on;
    visit.publish_due_on = due.last_day.to_string();
    visit.publish_basis = basis;
    visit.found = codes.iter().any(|code| code.found);
    if !rows::update(tx, &visit, before).await? {
        return Err(overtaken());
    }
    rows::put_findings(tx, &visit.visit_id, &request.findings).await?;
    let findings: Vec<_> = request
        .findings
        .iter()
        .map(|finding| json!([finding.inspection_item, finding.result_code]))
        .collect();
    decide(
        tx,
        context,
        "visit.recorded",
        &visit,
        json!({ "inspectedOn": visit.inspected_on, "findings": findings, "publishDueOn": visit.publish_due_on,
            "publishBasis": visit.publish_basis }),
    )
    .await?;
    counting.visit(inspected_on, &visit.seen(), 1);
    counting.keep(tx).await?;
    wire_one(tx, context, &plan, visit).await
}

fn proof_missing(en: &str, zh: &str) -> Fault {
    Fault::precondition(
        ErrorReason::ProofMissing.as_str_name(),
        format!("the plan asks for proof from the spot: {en}"),
        format!("本计划要求现场留痕：{zh}"),
    )
}

/// Keeps the decision of a step.
pub async fn decide(
    tx: &Tx,
    context: &Context,
    kind: &str,
    visit: &Stored,
    mut detail: serde_json::Value,
) -> Answer<()> {
    if let Some(detail) = detail.as_object_mut() {
        detail.insert("visit".to_owned(), visit.visit_id.as_str().into());
    }
    decisions::record(tx, context, Decision { kind, subject: &visit.uscc, basis: &visit.draw, detail }).await
}

/// Publishes what a visit found; its findings are due to credit from then on.
pub async fn publish(
    _: &Arc<Sampling>,
    context: &Context,
    tx: &Tx,
    request: api::PublishVisitRequest,
) -> Answer<api::Visit> {
    let (mut visit, plan) = own(tx, context, &request.visit).await?;
    in_state(
        &visit,
        &[Status::Recorded],
        "only a visit that is recorded and not yet published can be published",
        "只有已录入结果而未公示的任务可以公示",
    )?;
    if plan.proof_on_site {
        let as_it_is = wire_one(tx, context, &plan, visit.clone()).await?;
        if fieldwork::rules::unsigned(&as_it_is.signatures) {
            return Err(proof_missing(
                "the record as it is now needs the signatures of two inspectors and of the enterprise's representative, or the note that it refused; \
                 note them with :sign",
                "现有笔录须有两名检查人员及企业代表签字，或注明拒签；请通过 :sign 登记",
            ));
        }
    }
    visit.status = Status::Published as i32;
    visit.published_at = micros(context.now);
    if !rows::update(tx, &visit, Status::Recorded).await? {
        return Err(overtaken());
    }
    returns::make_due(tx, &visit.visit_id).await?;
    decide(tx, context, "visit.published", &visit, json!({ "dueOn": visit.publish_due_on })).await?;
    let version = draws::find(&**tx, &visit.draw).await?.map_or(0, |draw| draw.scheme_version);
    let mut counting = figures::Counting::new(&plan.scheme, version);
    let today = context.today();
    counting.add(today, &visit.stratum, figures::published(today, &visit.publish_due_on), 1);
    counting.keep(tx).await?;
    wire_one(tx, context, &plan, visit).await
}

/// Lists published results.
pub async fn list_public(
    app: &Arc<Sampling>,
    _: &Context,
    request: api::ListPublicResultsRequest,
) -> Answer<api::ListPublicResultsResponse> {
    let uscc = match request.uscc.trim() {
        "" => String::new(),
        given => {
            let code = Uscc::parse_tolerant(given).map_err(|fault| rights::code_fault("uscc", &fault))?;
            code.0.as_str().to_owned()
        }
    };
    let page = Page::of(request.page_size, &request.page_token)?;
    let after = match page.after.split_once(' ') {
        Some((at, id)) => (at.parse().map_err(|_| page::strange_token())?, id),
        None if page.after.is_empty() => (i64::MAX, ""),
        None => return Err(page::strange_token()),
    };
    let db = app.store.read();
    let mut visits = rows::published(db, &uscc, after, &page).await?;
    let next_page_token = page.cut(&mut visits, |visit| format!("{} {}", visit.published_at, visit.visit_id));
    let mut draws: Vec<&str> = visits.iter().map(|visit| visit.draw.as_str()).collect();
    draws.sort_unstable();
    draws.dedup();
    let plans = plans::of_draws(db, &draws).await?;
    let details = rows::details(db, &visits).await?;
    let ids: Vec<&str> = visits.iter().map(|visit| visit.visit_id.as_str()).collect();
    let on_site = fieldwork::of_visits(db, &ids).await?;
    let put_right = |visit: &str| on_site.get(visit).and_then(|of| of.rectification.as_ref());
    let result = |visit: Stored| api::PublicResult {
        rectification: put_right(&visit.visit_id).map(|of| of.state).unwrap_or_default(),
        corrected_on: put_right(&visit.visit_id).map(fieldwork::corrected_on).unwrap_or_default(),
        departments: plans.get(&visit.draw).map(|plan| plan.departments.clone()).unwrap_or_default(),
        findings: details.get(&visit.visit_id).map(Details::findings).unwrap_or_default(),
        published_at: Some(wire(from_micros(visit.published_at))),
        uscc: visit.uscc,
        name: visit.name,
        visit_id: visit.visit_id,
        draw_id: visit.draw,
        inspected_on: visit.inspected_on,
        kind: visit.kind,
    };
    let results = visits.into_iter().map(result).collect();
    Ok(api::ListPublicResultsResponse { results, next_page_token })
}
