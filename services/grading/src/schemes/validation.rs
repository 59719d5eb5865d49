//! A version judged as a whole 校验: what is wrong with it, and what is suspicious and has to be acknowledged before it is published.
use std::sync::Arc;

use chassis::{Answer, Context, Fault, fault::Violation, language::Language};
use contract::{
    credit::v1::{CatalogueItem, ListItemsResponse},
    grading::v1::{
        self as api, AcknowledgedWarning, ErrorReason, Scheme, SchemeWarning,
        scheme::{Scale, State},
    },
};
use identifiers::Domain;
use jiff::civil::Date;

use super::{mask, owned, rows, rules, unknown};
use crate::{Grading, catalogue};

/// Judges a version against credit's catalogue; gives it in its one spelling and with its warnings, and the part of the catalogue
/// that it names. `from` is the first day on which it may grade.
pub fn judged(
    mut scheme: Scheme,
    mut items: Vec<CatalogueItem>,
    from: Date,
) -> Answer<(Scheme, ListItemsResponse)> {
    let schemas = catalogue::schemas(&items);
    let compiled = rules::judge(&scheme, &schemas).map_err(Fault::fields)?;
    let named: Vec<&str> = compiled.items().collect();
    items.retain(|item| named.contains(&item.item.as_str()));
    if let Ok(domain) = Domain::parse(&scheme.domain) {
        domain.code().clone_into(&mut scheme.domain);
    }
    if scheme.scale() == Scale::Unspecified {
        scheme.set_scale(Scale::CreditGrade);
    }
    scheme.warnings = rules::warnings(&scheme, &schemas, from);
    Ok((scheme, ListItemsResponse { items, next_page_token: String::new() }))
}

/// Tells warnings in a language.
pub fn in_language(warnings: &mut [SchemeWarning], language: Language) {
    for warning in warnings {
        warning.message = match language {
            Language::En => warning.message_en.clone(),
            Language::Zh => warning.message_zh.clone(),
        };
    }
}

/// What was acknowledged, each warning once and in their order; refused where one that has to be was not, or what is none of
/// the draft's.
pub fn acknowledged(
    warnings: &[SchemeWarning],
    given: Vec<AcknowledgedWarning>,
) -> Answer<Vec<AcknowledgedWarning>> {
    let mut violations = Vec::new();
    for (index, known) in given.iter().enumerate() {
        let at = |field: &str| format!("acknowledgedWarnings[{index}].{field}");
        if !warnings.iter().any(|warning| warning.warning == known.warning) {
            let (en, zh) = (
                "is no warning of the draft as it is now; read its warnings with :validate",
                "不是草案目前的提示；请通过 :validate 查询",
            );
            violations.push(Violation::new(at("warning"), en, zh));
        }
        if known.reason.trim().is_empty() {
            violations.push(Violation::new(
                at("reason"),
                "is missing: say why the warning stands",
                "缺失：请说明理由",
            ));
        }
    }
    let known =
        |warning: &SchemeWarning| given.iter().find(|given| given.warning == warning.warning).cloned();
    let missing = warnings.iter().filter(|warning| warning.to_acknowledge && known(warning).is_none());
    violations.extend(missing.map(|warning| Violation {
        reason: ErrorReason::WarningsUnacknowledged.as_str_name(),
        ..Violation::new(
            warning.field.clone(),
            format!(
                "{}; change the draft, or acknowledge \"{}\" with a reason in acknowledgedWarnings",
                warning.message_en, warning.warning
            ),
            format!(
                "{}；请修改草案，或在 acknowledgedWarnings 中对“{}”说明理由",
                warning.message_zh, warning.warning
            ),
        )
    }));
    if !violations.is_empty() {
        return Err(Fault::fields(violations));
    }
    Ok(warnings.iter().filter_map(known).collect())
}

/// Judges a draft, or changes that are not saved yet.
pub async fn validate(
    app: &Arc<Grading>,
    context: &Context,
    request: api::ValidateSchemeRequest,
) -> Answer<api::SchemeValidation> {
    let versions = rows::versions(app.store.read(), &request.scheme).await?;
    let newest = versions.first();
    if let Some(newest) = newest {
        owned(context, newest)?;
    }
    let draft = rules::in_state(&versions, State::Draft).or(newest);
    let judged = match (draft, request.draft) {
        (None, None) => return Err(unknown(&request.scheme)),
        (Some(draft), None) => draft.clone(),
        (None, Some(sent)) => Scheme { scheme_id: request.scheme, ..sent },
        (Some(draft), Some(sent)) => {
            mask::merge(draft, &sent, &[]).map_err(|violation| Fault::fields(vec![violation]))?
        }
    };
    let schemas = catalogue::schemas(&catalogue::fetch(&app.credit).await?);
    let (mut violations, mut warnings) = match rules::judge(&judged, &schemas) {
        Ok(_) => (Vec::new(), rules::warnings(&judged, &schemas, context.today())),
        Err(violations) => (violations, Vec::new()),
    };
    if let Some(before) = versions.iter().find(|version| version.state() != State::Draft) {
        let judged = Scheme {
            scale: if judged.scale() == Scale::Unspecified { Scale::CreditGrade } else { judged.scale() }
                as i32,
            ..judged.clone()
        };
        violations.extend(rules::judge_scale(before, &judged));
    }
    in_language(&mut warnings, context.language);
    let problems = rules::compile(&judged, &schemas).err().unwrap_or_default();
    let told = |violation: Violation| {
        let problem = problems.iter().find(|problem| problem.path == violation.field);
        let column = problem.and_then(|problem| i32::try_from(problem.column?).ok());
        api::SchemeViolation {
            message: violation.text.get(context.language).to_owned(),
            field: violation.field,
            reason: violation.reason.to_owned(),
            column: column.unwrap_or_default(),
        }
    };
    let violations: Vec<_> = violations.into_iter().map(told).collect();
    Ok(api::SchemeValidation { valid: violations.is_empty(), violations, warnings })
}
