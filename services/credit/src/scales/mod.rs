//! Scales of grades 评价等级体系: built in, put by the office, each wording kept.
mod rows;
mod rules;

use std::sync::Arc;

use chassis::{
    Answer, Context, Fault, Store, Tx,
    decisions::{self, Decision},
    page::Page,
};
use contract::credit::v1 as api;
use jiff::Timestamp;
use sea_orm::ConnectionTrait;
use serde::Deserialize;
use serde_json::json;

use crate::{Credit, changes, evaluations::office_only, outcomes};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BuiltIn {
    scale_id: String,
    name: String,
    grades: Vec<rows::Grade>,
    valid_from: String,
    valid_to: String,
    basis: String,
    verification: String,
}

/// The scales that come with the program; judged by the same rules as those that are put.
fn built_in() -> anyhow::Result<Vec<api::EvaluationScale>> {
    let rows: Vec<BuiltIn> = serde_json::from_str(include_str!("../../data/scales.json"))?;
    let scales = rows.into_iter().map(|row| {
        let scale = api::EvaluationScale {
            scale_id: row.scale_id,
            name: row.name,
            grades: row.grades.into_iter().map(api::EvaluationGrade::from).collect(),
            valid_from: row.valid_from,
            valid_to: row.valid_to,
            basis: row.basis,
            verification: api::Verification::from_str_name(&row.verification).unwrap_or_default().into(),
            ..Default::default()
        };
        let id = scale.scale_id.clone();
        rules::scale(scale)
            .map_err(|bad| anyhow::anyhow!("built-in scale {id}: {}: {}", bad.field, bad.text.en))
    });
    scales.collect()
}

/// Puts the scales that come with the program in where they are missing or say what an earlier program brought.
pub async fn seed(store: &Store, now: Timestamp) -> anyhow::Result<()> {
    let tx = store.begin().await?;
    for scale in built_in()? {
        match rows::get_for_update(&tx, &scale.scale_id).await? {
            None => rows::insert(&tx, now, &scale, 1, true).await?,
            Some(before) if before.built_in && !same(&before.scale, &scale) => {
                rows::replace(&tx, now, &scale, before.scale.version + 1, true).await?;
            }
            Some(_) => {}
        }
    }
    tx.commit().await?;
    Ok(())
}

// Whether two wordings say the same.
fn same(before: &api::EvaluationScale, after: &api::EvaluationScale) -> bool {
    let (version, update_time) = (before.version, before.update_time);
    *before == api::EvaluationScale { version, update_time, ..after.clone() }
}

/// Lists the scales.
pub async fn list(
    app: &Arc<Credit>,
    _: &Context,
    request: api::ListEvaluationScalesRequest,
) -> Answer<api::ListEvaluationScalesResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let mut scales = rows::page(app.store.read(), request.as_of.trim(), &page).await?;
    let next_page_token = page.cut(&mut scales, |kept| kept.scale.scale_id.clone());
    let scales = scales.into_iter().map(|kept| kept.scale).collect();
    Ok(api::ListEvaluationScalesResponse { scales, next_page_token })
}

/// Puts a scale.
pub async fn put(
    _: &Arc<Credit>,
    context: &Context,
    tx: &Tx,
    request: api::PutEvaluationScaleRequest,
) -> Answer<api::EvaluationScale> {
    office_only(context)?;
    let mut scale = rules::scale(request.scale.unwrap_or_default()).map_err(outcomes::fault)?;
    scale.version = 1;
    if let Some(before) = rows::get_for_update(tx, &scale.scale_id).await? {
        if same(&before.scale, &scale) {
            return Ok(before.scale);
        }
        if let Some(grade) = rules::taken_away(&before.scale, &scale)
            && rows::is_used(tx, &scale.scale_id).await?
        {
            return Err(in_use(&scale.scale_id, grade));
        }
        scale.version = before.scale.version + 1;
        rows::replace(tx, context.now, &scale, scale.version, false).await?;
    } else {
        rows::insert(tx, context.now, &scale, scale.version, false).await?;
    }
    scale.update_time = Some(changes::stamp(context.now));
    let decision = Decision {
        kind: "evaluation-scale.put",
        subject: &scale.scale_id,
        basis: &scale.basis,
        detail: json!({ "version": scale.version }),
    };
    decisions::record(tx, context, decision).await?;
    Ok(scale)
}

fn in_use(scale: &str, grade: &str) -> Fault {
    Fault::precondition(
        api::ErrorReason::EvaluationScaleInUse.as_str_name(),
        format!("lists were graded by \"{scale}\", which knows the grade \"{grade}\"; keep it, or put a scale of a new id"),
        format!("已有名单按“{scale}”评价，其中含等级“{grade}”；请保留该等级，或以新的编号建立等级体系"),
    )
    .with("grade", grade)
}

/// The scale in force under an id, or the refusal that names it.
pub async fn require(db: &impl ConnectionTrait, scale: &str, today: &str) -> Answer<api::EvaluationScale> {
    let kept = rows::get(db, scale).await?;
    kept.map(|kept| kept.scale).filter(|scale| rules::in_force(scale, today)).ok_or_else(|| {
        let scale = outcomes::shown(scale);
        Fault::missing(
            api::ErrorReason::EvaluationScaleUnknown.as_str_name(),
            format!("no scale \"{scale}\" is in force; list them by GET /credit/v1/evaluationScales"),
            format!("没有生效的评价等级体系“{scale}”；可通过 GET /credit/v1/evaluationScales 查询"),
        )
        .at("scaleId")
    })
}

/// The present wording of a scale, whether in force or not.
pub async fn named(db: &impl ConnectionTrait, scale: &str) -> Answer<Option<api::EvaluationScale>> {
    Ok(rows::get(db, scale).await?.map(|kept| kept.scale))
}

/// The scales in force on a day.
pub async fn in_force(db: &impl ConnectionTrait, day: &str) -> Answer<Vec<api::EvaluationScale>> {
    let kept = rows::all(db).await?;
    Ok(kept.into_iter().map(|kept| kept.scale).filter(|scale| rules::in_force(scale, day)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_scales_keep_their_own_rules() {
        let scales = built_in().unwrap();
        let codes = |id: &str| -> Vec<String> {
            let scale = scales.iter().find(|scale| scale.scale_id == id).unwrap();
            scale.grades.iter().map(|grade| grade.code.clone()).collect()
        };
        assert_eq!(codes("national-2019"), ["优", "良", "中", "差"]);
        assert_eq!(codes("gbt-45255-2025"), ["A", "B", "C", "D"]);
        for scale in &scales {
            assert_ne!(scale.verification(), api::Verification::Unspecified, "{}", scale.scale_id);
            assert_ne!(scale.verification(), api::Verification::Verified, "{}", scale.scale_id);
        }
    }
}
