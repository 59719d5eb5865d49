//! Assessments of departments 考核, by published formulae over the figures that the services keep. They score the work of departments, never a
//! person.
mod built_in;
mod counts;
mod rows;
pub mod rules;

use std::sync::Arc;

use chassis::{
    Answer, Context, Fault, Tx,
    clock::wire,
    decisions::{self, Decision},
    ids,
    page::Page,
};
use contract::reporting::v1::{self as api, ErrorReason};
use identifiers::Department;
use jiff::civil::Date;
use sea_orm::ConnectionTrait;
use serde_json::json;

use self::counts::Figures;
use crate::{Reporting, glance, refusals};

/// Publishes a formula, or the next version of one.
pub async fn publish(
    _: &Arc<Reporting>,
    context: &Context,
    tx: &Tx,
    request: api::PublishFormulaRequest,
) -> Answer<api::Formula> {
    let mut formula = request.formula.unwrap_or_default();
    rules::judge(&formula).map_err(Fault::fields)?;
    let names = formula.indicators.iter().enumerate();
    refusals::personal(
        [("formula.title".to_owned(), formula.title.as_str()), ("formula.basis".to_owned(), &formula.basis)]
            .into_iter()
            .chain(
                names.map(|(index, one)| (format!("formula.indicators[{index}].name"), one.name.as_str())),
            ),
    )?;
    let today = context.today().to_string();
    if formula.effective_from.is_empty() {
        formula.effective_from.clone_from(&today);
    }
    let versions = rows::versions(tx, &formula.formula_id).await?;
    let last = versions.last().map_or(today.as_str(), |last| last.effective_from.as_str());
    let earliest = today.as_str().max(last);
    if formula.effective_from.as_str() < earliest {
        return Err(Fault::precondition(
            ErrorReason::FormulaDayPast.as_str_name(),
            format!(
                "the formula can take effect from {earliest} on: what was assessed before stays as it was"
            ),
            format!("考核办法最早可于{earliest}施行：此前的考核不受影响"),
        )
        .with("earliestDate", earliest)
        .at("formula.effectiveFrom"));
    }
    formula.version = versions.last().map_or(0, |last| last.version) + 1;
    formula.status = String::from("PUBLISHED");
    formula.publish_time = Some(wire(context.now));
    rows::insert_formula(tx, context, &formula).await?;
    let detail = json!({ "version": formula.version, "effectiveFrom": formula.effective_from });
    let decision =
        Decision { kind: "formula.published", subject: &formula.formula_id, basis: &formula.basis, detail };
    decisions::record(tx, context, decision).await?;
    Ok(formula)
}

/// Lists the formulae.
pub async fn formulas(
    app: &Arc<Reporting>,
    _: &Context,
    request: api::ListFormulasRequest,
) -> Answer<api::ListFormulasResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let key = |formula: &api::Formula| format!("{}|{:09}", formula.formula_id, formula.version);
    let mut formulas = built_in::all().to_vec();
    formulas.extend(rows::versions(app.store.read(), "").await?);
    formulas.sort_by_key(key);
    formulas.retain(|formula| key(formula) > page.after);
    let next_page_token = page.cut(&mut formulas, key);
    Ok(api::ListFormulasResponse { formulas, next_page_token })
}

// The version in force on a day: the one that took effect last.
async fn in_force(db: &impl ConnectionTrait, formula: &str, on: Date) -> Answer<api::Formula> {
    let mut versions: Vec<api::Formula> =
        built_in::all().iter().filter(|one| one.formula_id == formula).cloned().collect();
    versions.extend(rows::versions(db, formula).await?);
    let on = on.to_string();
    let begun = versions.into_iter().filter(|version| version.effective_from <= on);
    begun.max_by(|a, b| (&a.effective_from, a.version).cmp(&(&b.effective_from, b.version))).ok_or_else(|| {
        Fault::missing(
            ErrorReason::FormulaUnknown.as_str_name(),
            format!("no version of formula \"{formula}\" is in force on {on}; list them with GET /reporting/v1/assessmentFormulas"),
            format!("考核办法“{formula}”在{on}没有施行的版本；请通过 GET /reporting/v1/assessmentFormulas 查询"),
        )
        .with("formula", formula)
    })
}

/// Asks the services for the figures of a period, before the transaction that keeps the assessment.
pub async fn figures(
    app: &Arc<Reporting>,
    context: &Context,
    request: &api::CreateAssessmentRequest,
) -> Answer<(api::Formula, Figures)> {
    let day = |given: &str| given.parse::<Date>().map_err(Fault::internal);
    let (from, to) = (day(&request.from)?, day(&request.to)?);
    let today = context.today();
    if to < from || to > today {
        return Err(Fault::invalid(
            ErrorReason::PeriodInvalid.as_str_name(),
            format!("the period must end on its first day or later, and not after today ({today})"),
            format!("期间的最后一日不得早于第一日，也不得晚于今天（{today}）"),
        )
        .at("to"));
    }
    let formula = in_force(app.store.read(), &request.formula, to).await?;
    Ok((formula, Figures::of(app, from, to).await?))
}

/// Assesses all departments and keeps it.
pub async fn create(
    _: &Arc<Reporting>,
    context: &Context,
    tx: &Tx,
    request: api::CreateAssessmentRequest,
    (formula, figures): (api::Formula, Figures),
) -> Answer<api::Assessment> {
    let read = rules::judge(&formula).map_err(Fault::fields)?;
    let departments = Department::all().filter(|department| *department != Department::CREDIT_OFFICE);
    let score = |department: Department| {
        let counts = read.iter().map(|one| figures.of_department(one.measure(), department)).collect();
        rules::score(department, &read, counts)
    };
    let assessment = api::Assessment {
        assessment_id: ids::fresh(context.now)?,
        formula: formula.formula_id.clone(),
        formula_version: formula.version,
        formula_title: formula.title.clone(),
        formula_status: formula.status.clone(),
        from: request.from,
        to: request.to,
        scores: departments.map(score).collect(),
        create_time: Some(wire(context.now)),
    };
    rows::insert(tx, &assessment).await?;
    let detail = json!({ "formula": assessment.formula, "version": assessment.formula_version, "status": assessment.formula_status,
                         "from": assessment.from, "to": assessment.to });
    let decision = Decision {
        kind: "departments.assessed",
        subject: &assessment.assessment_id,
        basis: &formula.basis,
        detail,
    };
    decisions::record(tx, context, decision).await?;
    Ok(assessment)
}

/// Gives an assessment as it was made.
pub async fn get(
    app: &Arc<Reporting>,
    context: &Context,
    request: api::GetAssessmentRequest,
) -> Answer<api::Assessment> {
    let own = glance::own(context)?;
    let found = rows::find(app.store.read(), &request.id).await?;
    let mut found = found.ok_or_else(|| Fault::not_found("assessment", "考核", &request.id))?;
    found.scores.retain(|score| own.is_none_or(|own| own == score.department));
    Ok(found)
}

/// Lists assessments, the latest first.
pub async fn list(
    app: &Arc<Reporting>,
    context: &Context,
    request: api::ListAssessmentsRequest,
) -> Answer<api::ListAssessmentsResponse> {
    glance::own(context)?;
    let page = Page::of(request.page_size, &request.page_token)?;
    let mut assessments = rows::list(app.store.read(), &page).await?;
    let next_page_token = page.cut(&mut assessments, |one| one.assessment_id.clone());
    assessments.iter_mut().for_each(|one| one.scores.clear());
    Ok(api::ListAssessmentsResponse { assessments, next_page_token })
}
