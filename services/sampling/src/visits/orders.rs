//! Orders 检查任务单: visits of named subjects under a plan that is not random. They stay apart from what is drawn, and count against the
//! yearly cap in plain sight.
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use chassis::{
    Answer, Context, Fault, Tx,
    clock::{from_micros, micros, wire},
    decisions::{self, Decision},
    fault::Violation,
    ids,
    language::Text,
};
use contract::{
    credit::v1::{GetSubjectRequest, subjects_client::SubjectsClient},
    grading::v1::Scheme,
    sampling::v1::{self as api, ErrorReason, visit::Status},
};
use draw::Seed;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use identifiers::Uscc;
use serde_json::json;
use tonic::Code;

use super::{
    rows::{self, Stored},
    rules,
    staffing::{Opening, open, understaffed},
    wires,
};
use crate::{
    Sampling,
    frequencies::{self, Bump, Caps},
    plans, rights,
};

// So many subjects are asked for at once.
const AT_ONCE: usize = 16;

/// What other services answered before the transaction began.
pub struct Named {
    plan: api::Plan,
    scheme: Scheme,
    subjects: Vec<Subject>,
}

struct Subject {
    uscc: String,
    name: String,
    reason: String,
    grade: String,
}

/// Looks up whom the order names: credit knows them, grading says their grades.
pub async fn ordered(
    app: &Arc<Sampling>,
    context: &Context,
    request: &api::OrderVisitsRequest,
) -> Answer<Named> {
    let db = app.store.read();
    let plan = plans::find(db, &request.plan).await?.ok_or_else(|| plans::unknown(&request.plan))?;
    rights::act_for(context, plan.departments.iter().map(String::as_str))?;
    if plans::is_random(&plan) {
        return Err(random(&plan.plan_id));
    }
    let mut subjects = Vec::with_capacity(request.subjects.len());
    let mut seen = BTreeSet::new();
    for (index, one) in request.subjects.iter().enumerate() {
        let field = format!("subjects[{index}].uscc");
        let code = Uscc::parse_tolerant(&one.uscc).map_err(|fault| rights::code_fault(&field, &fault))?;
        let uscc = code.0.as_str().to_owned();
        rights::no_identity_number(&format!("subjects[{index}].reason"), &one.reason)?;
        if !seen.insert(uscc.clone()) {
            return Err(Fault::field(
                field,
                format!("{uscc} stands here twice; name it once"),
                format!("{uscc}重复；请只填一次"),
            ));
        }
        let reason = one.reason.clone();
        subjects.push(Subject { uscc, name: String::new(), reason, grade: String::new() });
    }
    let scheme = plans::in_force(app.grading.scheme(context, &plan.scheme).await?, &plan.scheme)?;
    let codes: Vec<String> = subjects.iter().map(|one| one.uscc.clone()).collect();
    let grades = app.grading.grades(context, &plan.scheme, codes.clone()).await?;
    let asked = codes.into_iter().map(|uscc| name(app, uscc));
    let names: Vec<Option<String>> = stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
    let mut unknown = Vec::new();
    for (index, (subject, name)) in subjects.iter_mut().zip(names).enumerate() {
        subject.grade = grades.get(&subject.uscc).cloned().unwrap_or_else(|| plans::UNGRADED.to_owned());
        match name {
            Some(name) => subject.name = name,
            None => unknown.push(no_subject(index, &subject.uscc)),
        }
    }
    if !unknown.is_empty() {
        return Err(Fault::fields(unknown));
    }
    Ok(Named { plan, scheme, subjects })
}

fn random(plan: &str) -> Fault {
    Fault::precondition(
        ErrorReason::PlanKind.as_str_name(),
        format!(
            "plan \"{plan}\" is random: nobody is named for it, its subjects are drawn (POST /sampling/v1/plans/{plan}:commit); \
             order under a plan of kind TARGETED, COMPLAINT or MANDATORY"
        ),
        format!(
            "抽查计划“{plan}”为随机抽查，对象只能抽取（POST /sampling/v1/plans/{plan}:commit），不能指定；\
             请使用类型为 TARGETED、COMPLAINT 或 MANDATORY 的计划"
        ),
    )
}

fn no_subject(index: usize, uscc: &str) -> Violation {
    Violation {
        reason: ErrorReason::SubjectUnknown.as_str_name(),
        ..Violation::new(
            format!("subjects[{index}].uscc"),
            format!("credit has no subject {uscc}; register it first, or correct the code"),
            format!("信用系统中没有主体{uscc}；请先登记或更正代码"),
        )
    }
}

// A subject's name; nothing where credit does not know it.
async fn name(app: &Arc<Sampling>, uscc: String) -> Answer<Option<String>> {
    let request = GetSubjectRequest { uscc, ..Default::default() };
    match SubjectsClient::new(app.credit.clone()).get_subject(request).await {
        Ok(subject) => Ok(Some(subject.into_inner().name)),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(status.into()),
    }
}

/// Orders the visits.
pub async fn order(
    _: &Arc<Sampling>,
    context: &Context,
    tx: &Tx,
    _: api::OrderVisitsRequest,
    named: Named,
) -> Answer<api::VisitOrder> {
    let Named { plan, scheme, subjects } = named;
    let order_id = ids::fresh(context.now)?;
    let seed = Seed::of(draw::digest(&ids::secret()?));
    let ordered_at = micros(context.now);
    rows::insert_order(tx, &order_id, &plan.plan_id, seed.as_str(), ordered_at).await?;
    let year = frequencies::year_of(&plan);
    let counted = subjects.iter().map(|one| Bump::directed(&one.uscc)).collect();
    frequencies::bump(tx, year, counted).await?;
    let caps = Caps::of(&plan.quotas, &scheme.measures);
    let above = match caps.least() {
        Some(least) => frequencies::above(&**tx, year, least).await?,
        None => HashMap::new(),
    };
    let over = |one: &Subject| {
        let (cap, visits) = (caps.of_stratum(&one.grade)?, *above.get(&one.uscc)?);
        (visits > cap).then_some((visits, cap))
    };
    let excesses: Vec<Text> = subjects
        .iter()
        .filter_map(|one| over(one).map(|(visits, cap)| rules::excess(&one.uscc, visits, cap, year)))
        .collect();
    let visit = |(place, one): (i32, &Subject)| Stored {
        place,
        uscc: one.uscc.clone(),
        name: one.name.clone(),
        stratum: one.grade.clone(),
        status: Status::Planned as i32,
        kind: plan.kind,
        order_reason: one.reason.clone(),
        over_cap: over(one).is_some(),
        ..Default::default()
    };
    let visits: Vec<Stored> = (0..).zip(&subjects).map(visit).collect();
    let opened = open(tx, context, &plan, Opening { id: &order_id, seed: &seed, visits }).await?;
    let detail = json!({ "plan": plan.plan_id, "kind": plan.kind().as_str_name(), "visits": opened.visits.len(),
        "overCap": excesses.len() });
    let decision = Decision { kind: "visits.ordered", subject: &order_id, basis: &plan.plan_id, detail };
    decisions::record(tx, context, decision).await?;
    let mut warnings: Vec<String> =
        excesses.iter().map(|text| text.get(context.language).to_owned()).collect();
    let always = rows::skipped_always(&**tx, &order_id).await?.len();
    let short = understaffed(&plan, opened.understaffed, always);
    warnings.extend(short.map(|text| text.get(context.language).to_owned()));
    Ok(api::VisitOrder {
        visits: wires(&**tx, context, &plan, opened.visits).await?,
        order_id,
        kind: plan.kind,
        plan: plan.plan_id,
        ordered_at: Some(wire(from_micros(ordered_at))),
        warnings,
    })
}
