//! What a scale may say, and when it holds.
use std::collections::BTreeSet;

use chassis::fault::Violation;
use contract::credit::v1 as api;

use crate::outcomes::free_text;

/// Judges a scale.
pub fn scale(mut scale: api::EvaluationScale) -> Result<api::EvaluationScale, Violation> {
    scale.name = free_text("scale.name", &scale.name, 200)?;
    scale.basis = free_text("scale.basis", &scale.basis, 1_000)?;
    if !scale.valid_to.is_empty() && scale.valid_to < scale.valid_from {
        let (from, to) = (&scale.valid_from, &scale.valid_to);
        return Err(Violation::new(
            "scale.validTo",
            format!("\"{to}\" is before validFrom, {from}"),
            format!("“{to}”早于生效日期{from}"),
        ));
    }
    let mut seen = BTreeSet::new();
    for (index, grade) in scale.grades.iter_mut().enumerate() {
        let path = |part: &str| format!("scale.grades[{index}].{part}");
        grade.code = free_text(&path("code"), &grade.code, 32)?;
        grade.name = free_text(&path("name"), &grade.name, 200)?;
        if grade.code.is_empty() || !seen.insert(grade.code.clone()) {
            return Err(Violation::new(
                path("code"),
                "is empty or stands there twice; give each grade a code of its own",
                "为空或重复；每个等级应有各自的代码",
            ));
        }
    }
    if !scale.grades.is_sorted_by(|a, b| a.rank < b.rank) {
        return Err(Violation::new(
            "scale.grades",
            "must have growing ranks, the best grade first with rank 1",
            "各等级的序号须逐级递增，最优等级在前（序号为1）",
        ));
    }
    Ok(scale)
}

/// A grade that a new wording of a scale takes away.
pub fn taken_away<'a>(before: &'a api::EvaluationScale, after: &api::EvaluationScale) -> Option<&'a str> {
    let gone = before.grades.iter().find(|old| after.grades.iter().all(|new| new.code != old.code));
    gone.map(|grade| grade.code.as_str())
}

/// Whether a scale is in force on a day.
pub fn in_force(scale: &api::EvaluationScale, day: &str) -> bool {
    scale.valid_from.as_str() <= day && (scale.valid_to.is_empty() || day <= scale.valid_to.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(id: &str, from: &str, codes: &[&str]) -> api::EvaluationScale {
        let grade = |(rank, code): (i32, &&str)| api::EvaluationGrade {
            code: (*code).to_owned(),
            rank,
            ..Default::default()
        };
        api::EvaluationScale {
            scale_id: id.to_owned(),
            valid_from: from.to_owned(),
            grades: (1..).zip(codes).map(grade).collect(),
            ..Default::default()
        }
    }

    #[test]
    fn a_scale_is_judged() {
        let good = letters("good", "2026-01-01", &["A", "B"]);
        assert!(scale(good.clone()).is_ok());
        let mut late = good.clone();
        late.valid_to = String::from("2025-12-31");
        assert_eq!(scale(late).unwrap_err().field, "scale.validTo");
        assert_eq!(
            scale(letters("twice", "2026-01-01", &["A", "A"])).unwrap_err().field,
            "scale.grades[1].code"
        );
        let mut falling = good.clone();
        falling.grades[1].rank = 1;
        assert_eq!(scale(falling).unwrap_err().field, "scale.grades");
        assert_eq!(taken_away(&good, &letters("good", "", &["A", "C", "B"])), None);
        assert_eq!(taken_away(&good, &letters("good", "", &["A"])), Some("B"));
        assert!(in_force(&good, "2026-01-01") && !in_force(&good, "2025-12-31"));
    }
}
