//! An explanation in an enterprise's words: what the model says, and before it what stands over the model.
use chassis::language::{Language, Text};
use contract::grading::v1::{Explanation, GradeMark};
use scoring::Bilingual;

/// The whole, one sentence after another, in a reader's language.
pub fn sentences(told: &Explanation, model: Vec<Bilingual>, language: Language) -> Vec<String> {
    let above = above(told).into_iter();
    let model = model.into_iter().map(|said| Text::new(said.en, said.zh));
    above.chain(model).map(|said| said.get(language).to_owned()).collect()
}

fn above(told: &Explanation) -> Vec<Text> {
    let mut said = Vec::new();
    if let Some(held) = &told.r#override {
        said.push(Text::new(
            format!(
                "Two officers of {} have set the grade to {} until {}, in place of {}, which the model gives: {}.",
                held.department, held.grade, held.until, told.evaluated_grade, held.reason
            ),
            format!(
                "经{}两名工作人员提出和复核，等级在{}之前（含当日）调整为{}，以代替模型评定的{}：{}。",
                held.department, held.until, held.grade, told.evaluated_grade, held.reason
            ),
        ));
    }
    if told.marks.contains(&(GradeMark::UnderObjection as i32)) {
        said.push(Text::new(
            "An objection to the grade is being dealt with; the grade stands until it is decided.",
            "对该等级的异议正在办理；办结之前，等级保持不变。",
        ));
    }
    said
}

#[cfg(test)]
mod tests {
    use contract::grading::v1::Override;

    use super::*;

    #[test]
    fn what_stands_over_the_model_is_said_first() {
        let told = Explanation {
            evaluated_grade: "B".to_owned(),
            marks: vec![GradeMark::UnderObjection as i32, GradeMark::Overridden as i32],
            r#override: Some(Override {
                grade: "D".to_owned(),
                department: "transport".to_owned(),
                until: "2026-03-31".to_owned(),
                reason: "投诉集中".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let model = vec![Bilingual::new("One penalty counts.", "计入一条行政处罚。")];
        let said = sentences(&told, model.clone(), Language::Zh);
        assert_eq!(said.len(), 3);
        assert!(said[0].contains("调整为D") && said[0].contains("代替模型评定的B"), "{}", said[0]);
        assert_eq!(said[2], "计入一条行政处罚。");
        assert_eq!(sentences(&Explanation::default(), model, Language::En), ["One penalty counts."]);
    }
}
