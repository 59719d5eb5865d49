//! Effects 抽查成效: what the draws found, by grade, so that a department sees whether its scheme foretells anything.
use std::sync::Arc;

use chassis::{Answer, Context, Fault, storage::sql};
use contract::{grading::v1::Scheme, sampling::v1 as api};
use sea_orm::FromQueryResult;

use crate::{Sampling, plans, rights};

#[derive(FromQueryResult)]
struct Counted {
    stratum: String,
    visited: i64,
    found: i64,
}

/// Gives the effect of a scheme's draws.
pub async fn get(
    app: &Arc<Sampling>,
    context: &Context,
    request: api::GetEffectRequest,
) -> Answer<api::Effect> {
    rights::official(context)?;
    let (from, to) = (&request.from, &request.to);
    if !from.is_empty() && !to.is_empty() && from > to {
        return Err(Fault::field(
            "to",
            format!("{to} is before from {from}"),
            format!("{to}早于 from {from}"),
        ));
    }
    let db = app.store.read();
    let text = "SELECT v.stratum, COUNT(*) AS visited, COUNT(CASE WHEN v.found THEN 1 END) AS found \
                FROM visits v JOIN draws d ON d.draw_id = v.draw \
                WHERE d.scheme = $1 AND v.inspected_on <> '' AND v.inspected_on >= $2 \
                AND ($3 = '' OR v.inspected_on <= $3) \
                GROUP BY v.stratum ORDER BY v.stratum";
    let values = [request.scheme.as_str().into(), from.as_str().into(), to.as_str().into()];
    let mut counted = Counted::find_by_statement(sql(db, text, values)).all(db).await?;
    // A scheme without a single visit may be one that does not exist.
    if counted.is_empty() {
        let scheme: Option<Scheme> = app.grading.scheme(context, &request.scheme).await?;
        plans::known(scheme, &request.scheme, "scheme")?;
    }
    // The databases' own collations differ; the draw's order is that of the bytes.
    counted.sort_unstable_by(|one, other| one.stratum.cmp(&other.stratum));
    let (visited, found) = counted.iter().fold((0, 0), |(v, f), one| (v + one.visited, f + one.found));
    Ok(api::Effect { strata: counted.iter().map(|one| effect(one, visited, found)).collect() })
}

fn effect(one: &Counted, visited: i64, found: i64) -> api::StratumEffect {
    api::StratumEffect {
        grade: one.stratum.clone(),
        visited: i32::try_from(one.visited).unwrap_or(i32::MAX),
        found: i32::try_from(one.found).unwrap_or(i32::MAX),
        rate: ratio(one.found.into(), one.visited.into()),
        lift: ratio(i128::from(one.found) * i128::from(visited), i128::from(one.visited) * i128::from(found)),
    }
}

// To four places, half away from zero, rounded in integers; 0 where there is nothing to divide by.
#[allow(clippy::cast_precision_loss, reason = "a ratio of counts has far fewer digits than a double holds")]
fn ratio(part: i128, whole: i128) -> f64 {
    if whole == 0 { 0.0 } else { ((part * 20_000 + whole) / (whole * 2)) as f64 / 10_000.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_rounded_to_four_places() {
        for (part, whole, expected) in
            [(1, 3, 0.3333), (2, 3, 0.6667), (0, 5, 0.0), (5, 5, 1.0), (3, 0, 0.0), (1, 20_000, 0.0001)]
        {
            assert!((ratio(part, whole) - expected).abs() < 1e-12, "{part}/{whole}");
        }
    }

    #[test]
    fn lift_is_the_rate_against_all_visits() {
        let one = Counted { stratum: "D".to_owned(), visited: 10, found: 5 };
        let of = effect(&one, 40, 10);
        assert!((of.rate - 0.5).abs() < 1e-12 && (of.lift - 2.0).abs() < 1e-12, "{of:?}");
        let none = effect(&Counted { found: 0, ..one }, 40, 0);
        assert!(none.rate.abs() < 1e-12 && none.lift.abs() < 1e-12, "{none:?}");
    }
}
