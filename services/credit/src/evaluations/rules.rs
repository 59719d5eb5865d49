//! When a list is taken, which scale results speak, and what a result is.
use std::collections::{BTreeMap, HashSet};

use chassis::{fault::Violation, validation::is_decimal};
use contract::credit::v1 as api;
use jiff::civil::Date;
use prost_types::{Struct, Value, value::Kind};

use crate::{
    outcomes::{code, free_text, refusal, shown},
    subjects::past_day,
};

/// The item whose records results become.
pub const ITEM: &str = "national-evaluation";

/// The codes of a list, normalised, with their places in it; those that are none are named by their places.
pub fn codes(given: &[String]) -> Result<BTreeMap<String, usize>, Vec<Violation>> {
    let (mut codes, mut wrong) = (BTreeMap::new(), Vec::new());
    for (place, given) in given.iter().enumerate() {
        // A code that was issued though its check fails may be registered here.
        match code(given, true) {
            Ok(code) => {
                codes.entry(code.as_str().to_owned()).or_insert(place);
            }
            Err(violation) => wrong.push(Violation { field: at(place), ..violation }),
        }
    }
    if wrong.is_empty() { Ok(codes) } else { Err(cut(wrong)) }
}

/// The codes that nobody has registered, by their places.
pub fn unknown(codes: &BTreeMap<String, usize>, registered: impl Fn(&str) -> bool) -> Vec<Violation> {
    let mut strange: Vec<(&usize, &String)> =
        codes.iter().filter(|(code, _)| !registered(code)).map(|(code, place)| (place, code)).collect();
    strange.sort_unstable();
    let violation = |(place, uscc): (&usize, &String)| {
        // What is not registered may also be mistyped.
        let mistyped = code(uscc, false).err().map(|violation| Violation { field: at(*place), ..violation });
        mistyped.unwrap_or_else(|| {
            refusal(
                api::ErrorReason::SubjectUnknown,
                &at(*place),
                format!("no subject {uscc} is registered here; register it by subjects:batchUpsert, or leave it out"),
                format!("本平台未登记主体{uscc}；请先通过 subjects:batchUpsert 登记，或从名单中去掉"),
            )
        })
    };
    cut(strange.into_iter().map(violation).collect())
}

// A flood of violations helps nobody.
fn cut(mut violations: Vec<Violation>) -> Vec<Violation> {
    violations.truncate(50);
    violations
}

fn at(place: usize) -> String {
    format!("uscc[{place}]")
}

/// The scale that results speak: of several the one that knows most of their grades, then the one that came last. None of them where
/// no grade is known.
pub fn told_by<'a>(
    scales: &'a [api::EvaluationScale],
    results: &[Result<Judged, Violation>],
) -> Option<&'a api::EvaluationScale> {
    let known = |scale: &api::EvaluationScale| {
        let grades: HashSet<&str> = scale.grades.iter().map(|grade| grade.code.as_str()).collect();
        results.iter().flatten().filter(|result| grades.contains(result.grade.as_str())).count()
    };
    scales
        .iter()
        .filter(|scale| known(scale) > 0)
        .max_by(|a, b| (known(a), &a.valid_from).cmp(&(known(b), &b.valid_from)))
}

/// A result that holds by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The code, normalised.
    pub uscc: String,
    /// The grade.
    pub grade: String,
    /// The score as the shortest decimal; empty where there is none.
    pub score: String,
    /// The period.
    pub period: String,
    /// The day of the result; empty where it was not given.
    pub evaluated_on: String,
}

/// Judges a result by itself.
pub fn judge(given: &api::EvaluationResultInput, today: Date) -> Result<Judged, Violation> {
    let grade = free_text("grade", &given.grade, 32)?;
    if grade.is_empty() {
        return Err(Violation::new("grade", "is required", "为必填项"));
    }
    let score = given.score.map(|score| score.to_string()).unwrap_or_default();
    if !score.is_empty() && !is_decimal(&score) {
        return Err(Violation::new(
            "score",
            format!("\"{}\" is no number with at most four decimal places", shown(&score)),
            format!("“{}”不是小数至多四位的数字", shown(&score)),
        ));
    }
    let evaluated_on = match given.evaluated_on.trim() {
        "" => String::new(),
        day => past_day("evaluatedOn", day, today)?,
    };
    Ok(Judged {
        uscc: code(&given.uscc, true)?.as_str().to_owned(),
        grade,
        score,
        period: free_text("period", &given.period, 64)?,
        evaluated_on,
    })
}

/// Refuses a grade that is none of the scale's, and names those that are.
pub fn graded(result: &Judged, scale: &api::EvaluationScale) -> Result<(), Violation> {
    if scale.grades.iter().any(|grade| grade.code == result.grade) {
        return Ok(());
    }
    let codes: Vec<&str> = scale.grades.iter().map(|grade| grade.code.as_str()).collect();
    let grade = shown(&result.grade);
    Err(refusal(
        api::ErrorReason::EvaluationGradeUnknown,
        "grade",
        format!(
            "\"{grade}\" is no grade of the list's scale {}; it has {}",
            scale.scale_id,
            codes.join(", ")
        ),
        format!("“{grade}”不在本名单的评价等级体系“{}”内；可填：{}", scale.name, codes.join("、")),
    ))
}

/// The refusal of every grade where no scale in force knows one.
pub fn no_scale(result: &Judged, scales: &[api::EvaluationScale]) -> Violation {
    let known = |separator: &str| {
        let scale = |scale: &api::EvaluationScale| {
            let codes: Vec<&str> = scale.grades.iter().map(|grade| grade.code.as_str()).collect();
            format!("{} ({})", scale.scale_id, codes.join("/"))
        };
        scales.iter().map(scale).collect::<Vec<_>>().join(separator)
    };
    let grade = shown(&result.grade);
    refusal(
        api::ErrorReason::EvaluationGradeUnknown,
        "grade",
        format!("\"{grade}\" is a grade of no scale in force: {}; put its scale first", known(", ")),
        format!("“{grade}”不属于现行的任何评价等级体系：{}；请先维护等级体系", known("、")),
    )
}

/// The refusal of a result of an enterprise that does not stand on the list.
pub fn not_on_list(uscc: &str) -> Violation {
    refusal(
        api::ErrorReason::EvaluationNotOnList,
        "uscc",
        format!("{uscc} does not stand on this list; import its result into the list that it stands on"),
        format!("{uscc}不在本名单内；请将其结果导入所属名单"),
    )
}

/// The refusal of a second, other result in one message.
pub fn said_twice(period: &str) -> Violation {
    Violation::new(
        "uscc",
        format!(
            "another result of the same enterprise and period \"{period}\" stands above; send the right one only"
        ),
        format!("前面的行已有同一主体、同一评价期“{period}”的不同结果；请只提交正确的一条"),
    )
}

/// The number of a result's record: the same however often it is sent.
pub fn source_id(list: &str, result: &Judged) -> String {
    format!("{list}/{}/{}", result.uscc, result.period)
}

/// What the record of a result says.
pub fn fields(result: &Judged) -> Struct {
    let mut fields = Struct::default();
    let mut put = |key: &str, text: &str| {
        if !text.is_empty() {
            let value = Value { kind: Some(Kind::StringValue(text.to_owned())) };
            fields.fields.insert(key.to_owned(), value);
        }
    };
    put("grade", &result.grade);
    put("period", &result.period);
    if let Ok(score) = result.score.parse() {
        let value = Value { kind: Some(Kind::NumberValue(score)) };
        fields.fields.insert(String::from("score"), value);
    }
    fields
}

#[cfg(test)]
mod tests {
    use identifiers::Uscc;
    use jiff::civil::date;

    use super::*;

    const TODAY: Date = date(2026, 2, 13);

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

    fn result(grade: &str) -> api::EvaluationResultInput {
        api::EvaluationResultInput {
            uscc: Uscc::fictional(1).to_string(),
            grade: grade.to_owned(),
            score: Some(86.5),
            period: String::from("2025"),
            ..Default::default()
        }
    }

    #[test]
    fn codes_are_named_by_their_places() {
        let code = |serial| Uscc::fictional(serial).to_string();
        let good = codes(&[code(2), code(1).to_lowercase(), code(2)]).unwrap();
        assert_eq!(good, [(code(1), 1), (code(2), 0)].into());
        let wrong =
            codes(&[code(1), String::from("91640399"), String::from("11010519491231002X")]).unwrap_err();
        let named: Vec<_> = wrong.iter().map(|bad| (bad.field.as_str(), bad.reason)).collect();
        assert_eq!(named, [("uscc[1]", "CODE_LENGTH"), ("uscc[2]", "PERSONAL_IDENTITY_NUMBER")]);
        let strange = unknown(&good, |known| known == code(1));
        assert_eq!((strange[0].field.as_str(), strange[0].reason), ("uscc[0]", "SUBJECT_UNKNOWN"));
    }

    #[test]
    fn results_tell_their_scale() {
        let scales = [
            letters("words", "2019-09-01", &["优", "良"]),
            letters("letters", "2025-06-01", &["A", "B"]),
            letters("more", "2024-01-01", &["A", "B", "C"]),
        ];
        let told = |grades: &[&str]| {
            let results: Vec<_> = grades.iter().map(|grade| judge(&result(grade), TODAY)).collect();
            told_by(&scales, &results).map(|scale| scale.scale_id.clone())
        };
        assert_eq!(told(&["优", "A", "优"]).as_deref(), Some("words"));
        assert_eq!(told(&["A", "B"]).as_deref(), Some("letters"), "of two that know as many the later");
        assert_eq!(told(&["A", "C"]).as_deref(), Some("more"));
        assert_eq!(told(&["AAA"]), None);
    }

    #[test]
    fn each_wrong_field_of_a_result_is_named() {
        type Spoil = fn(&mut api::EvaluationResultInput);
        let table: [(&str, Spoil); 6] = [
            ("uscc", |row| row.uscc = String::from("91640399")),
            ("grade", |row| row.grade = String::from(" ")),
            ("score", |row| row.score = Some(0.1 + 0.2)),
            ("score", |row| row.score = Some(f64::NAN)),
            ("period", |row| row.period = String::from("11010519491231002X")),
            ("evaluatedOn", |row| row.evaluated_on = String::from("2026-02-14")),
        ];
        let good = judge(&result("A"), TODAY).unwrap();
        assert_eq!((good.score.as_str(), good.evaluated_on.as_str()), ("86.5", ""));
        for (field, spoil) in table {
            let mut row = result("A");
            spoil(&mut row);
            assert_eq!(judge(&row, TODAY).unwrap_err().field, field);
        }
        let scale = letters("letters", "2025-06-01", &["A", "B"]);
        let refused = graded(&judge(&result("优"), TODAY).unwrap(), &scale).unwrap_err();
        assert_eq!(refused.reason, "EVALUATION_GRADE_UNKNOWN");
        assert!(refused.text.en.contains("A, B") && refused.text.zh.contains("A、B"), "{:?}", refused.text);
    }
}
