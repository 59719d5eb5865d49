//! What a summary must have before it is handed in (吴信用联办〔2022〕8号 三（三）: 具体举措、实际评价结果、监管支撑数据、成效案例, with 信用评价制度、分级分类监管
//! 制度、信用评价结果、监管措施、应用成效). Pure.
use std::collections::BTreeSet;

use chassis::{Fault, fault::Violation, language::Text};
use contract::reporting::v1::{AttachmentRole, ErrorReason, Section, Summary, section::Kind, summary::State};

/// One thing that a summary lacks.
pub struct Gap {
    /// Where.
    pub place: &'static str,
    /// What is missing and what to do.
    pub text: Text,
    /// Whether it is refused without.
    pub needed: bool,
}

fn gap(place: &'static str, needed: bool, en: &str, zh: &str) -> Gap {
    Gap { place, text: Text::new(en, zh), needed }
}

/// Whether the period has no data: nothing happened in it and nobody is graded. How many subjects the domain has is no data of the period.
pub fn is_empty(summary: &Summary) -> bool {
    let counted = ["records", "graded", "drawn", "visited", "proposed", "dropped", "listed", "applied"];
    summary.figures.iter().all(|figure| figure.value == 0 || !counted.contains(&figure.key.as_str()))
        && summary.effect_cases.is_empty()
}

/// The text of a section; empty where it is not written.
pub fn text(summary: &Summary, kind: Kind) -> &str {
    let own = summary.sections.iter().find(|section| section.kind() == kind);
    own.map_or("", |section| section.text.trim())
}

/// What a summary lacks, in the document's order. What the services have no figures of is needed unless the department explains it.
pub fn gaps(summary: &Summary, attached: &BTreeSet<AttachmentRole>, today: &str) -> Vec<Gap> {
    let explained = !text(summary, Kind::Explanation).is_empty();
    let has = |role| attached.contains(&role);
    let figure =
        |key: &str| summary.figures.iter().find(|figure| figure.key == key).map_or(0, |figure| figure.value);
    let mut gaps = Vec::new();
    let mut ask = |missing: bool, gap: Gap| {
        if missing {
            gaps.push(gap);
        }
    };
    ask(
        summary.no_data && !explained,
        gap(
            "sections.EXPLANATION",
            true,
            "the period has no data at all; write why (EXPLANATION)",
            "本期无任何数据；请填写情况说明（EXPLANATION）",
        ),
    );
    ask(
        text(summary, Kind::Overview).is_empty(),
        gap(
            "sections.OVERVIEW",
            true,
            "what was done in all is not written; write OVERVIEW",
            "缺少工作开展情况；请填写 OVERVIEW",
        ),
    );
    ask(
        text(summary, Kind::Measures).is_empty(),
        gap(
            "sections.MEASURES",
            true,
            "the concrete measures taken are not written; write MEASURES",
            "缺少具体举措；请填写 MEASURES",
        ),
    );
    ask(
        text(summary, Kind::Outlook).is_empty(),
        gap(
            "sections.OUTLOOK",
            false,
            "what is wrong and what comes next is not written",
            "未填写存在问题和下一步打算",
        ),
    );
    ask(
        summary.scheme.is_empty() && !has(AttachmentRole::EvaluationSystem),
        gap(
            "attachments.EVALUATION_SYSTEM",
            !explained,
            "the domain has no published scheme and no evaluation system is attached; attach it, or explain",
            "该领域无已发布的评价制度，也未附信用评价制度；请上传附件或说明情况",
        ),
    );
    ask(
        summary.measures.is_empty()
            && !has(AttachmentRole::SupervisionSystem)
            && !has(AttachmentRole::Measures),
        gap(
            "attachments.SUPERVISION_SYSTEM",
            !explained,
            "no measures follow from the grades and no system of supervision by grade is attached; attach it, or explain",
            "等级未配置监管措施，也未附分级分类监管制度或监管措施；请上传附件或说明情况",
        ),
    );
    ask(
        figure("graded") == 0 && !has(AttachmentRole::Results),
        gap(
            "attachments.RESULTS",
            !explained,
            "nobody is graded and no results are attached; grade, attach, or explain",
            "没有实际评价结果，也未附评价结果；请完成评价、上传附件或说明情况",
        ),
    );
    ask(
        figure("visited") == 0,
        gap(
            "figures.visited",
            !explained,
            "no visit is recorded in the period, so that supervision has no figures; record them and refresh, or explain",
            "本期没有检查记录，缺少监管支撑数据；请补录后刷新数据，或说明情况",
        ),
    );
    ask(
        summary.effect_cases.is_empty() && !has(AttachmentRole::Effects),
        gap(
            "effectCases",
            !explained,
            "there is no case of effect in the period; report one and refresh, attach effects, or explain",
            "本期没有成效案例，也未附应用成效；请报送案例后刷新数据、上传附件或说明情况",
        ),
    );
    let read = summary.figures_time.map(super::figures::day).unwrap_or_default();
    ask(
        summary.to.as_str() > today,
        gap(
            "to",
            false,
            "the period has not ended: the figures reach to the day on which they were read",
            "期间尚未结束，数据截至读取当日",
        ),
    );
    ask(
        read.as_str() < today && read.as_str() <= summary.to.as_str(),
        gap(
            "figuresTime",
            false,
            "the figures were read on an earlier day of the period; refresh them to have the newest",
            "数据读取后期间仍在继续；刷新后可获得最新数据",
        ),
    );
    gaps
}

/// The refusal of a summary that lacks what is needed; each thing is named.
pub fn incomplete(gaps: &[Gap]) -> Option<Fault> {
    let reason = ErrorReason::SummaryIncomplete.as_str_name();
    let needed: Vec<Violation> = gaps
        .iter()
        .filter(|gap| gap.needed)
        .map(|gap| Violation { field: gap.place.to_owned(), reason, text: gap.text.clone() })
        .collect();
    if needed.is_empty() { None } else { Some(Fault::fields(needed)) }
}

/// Writes sections over those that are there, in the document's order; an empty text takes its section out.
pub fn write(sections: &[Section], given: Vec<Section>) -> Result<Vec<Section>, Fault> {
    let mut kinds = BTreeSet::new();
    for (index, section) in given.iter().enumerate() {
        if section.kind() == Kind::Unspecified || !kinds.insert(section.kind) {
            return Err(Fault::field(
                format!("sections[{index}].kind"),
                "is OVERVIEW, MEASURES, RESULTS, SUPERVISION, OUTLOOK or EXPLANATION, each once",
                "应为 OVERVIEW、MEASURES、RESULTS、SUPERVISION、OUTLOOK 或 EXPLANATION，且不得重复",
            ));
        }
    }
    let kept = sections.iter().filter(|section| !kinds.contains(&section.kind)).cloned();
    let mut all: Vec<Section> = kept.chain(given).filter(|section| !section.text.trim().is_empty()).collect();
    all.sort_by_key(|section| section.kind);
    Ok(all)
}

/// Refuses what the summary's state does not allow.
pub fn in_state(state: State, allowed: &[State], en: &str, zh: &str) -> Result<(), Fault> {
    if allowed.contains(&state) {
        return Ok(());
    }
    let (now_en, now_zh) = match state {
        State::Submitted => ("submitted", "已报送"),
        State::Accepted => ("accepted", "已采纳"),
        State::Returned => ("returned", "已退回"),
        State::Draft | State::Unspecified => ("a draft", "草稿"),
    };
    Err(Fault::precondition(
        ErrorReason::StateForbids.as_str_name(),
        format!("the summary is {now_en}: {en}"),
        format!("该工作总结{now_zh}：{zh}"),
    )
    .with("state", state.as_str_name()))
}

#[cfg(test)]
mod tests {
    use contract::reporting::v1::{Figure, GradeMeasure};

    use super::*;

    fn section(kind: Kind, text: &str) -> Section {
        Section { kind: kind.into(), text: text.into() }
    }

    fn figure(key: &str, value: i32) -> Figure {
        Figure { key: key.into(), value, ..Default::default() }
    }

    fn whole() -> Summary {
        Summary {
            to: "2026-12-31".into(),
            scheme: "transport-2026".into(),
            figures: vec![figure("subjects", 31), figure("graded", 30), figure("visited", 4)],
            measures: vec![GradeMeasure::default()],
            effect_cases: vec!["c".into()],
            sections: vec![
                section(Kind::Overview, "甲"),
                section(Kind::Measures, "乙"),
                section(Kind::Outlook, "丙"),
            ],
            // 2026-12-31 in Shanghai.
            figures_time: Some(prost_types::Timestamp { seconds: 1_798_675_200, nanos: 0 }),
            ..Default::default()
        }
    }

    fn places(summary: &Summary, attached: &[AttachmentRole]) -> Vec<(&'static str, bool)> {
        let found = gaps(summary, &attached.iter().copied().collect(), "2026-12-31");
        found.iter().map(|gap| (gap.place, gap.needed)).collect()
    }

    #[test]
    fn a_whole_summary_lacks_nothing() {
        assert_eq!(places(&whole(), &[]), []);
        assert!(incomplete(&[]).is_none());
    }

    #[test]
    fn each_thing_that_is_missing_is_named() {
        let bare = Summary { to: "2027-01-31".into(), no_data: true, ..Default::default() };
        assert_eq!(
            places(&bare, &[]),
            [
                ("sections.EXPLANATION", true),
                ("sections.OVERVIEW", true),
                ("sections.MEASURES", true),
                ("sections.OUTLOOK", false),
                ("attachments.EVALUATION_SYSTEM", true),
                ("attachments.SUPERVISION_SYSTEM", true),
                ("attachments.RESULTS", true),
                ("figures.visited", true),
                ("effectCases", true),
                ("to", false),
                ("figuresTime", false),
            ]
        );
        let refused = incomplete(&gaps(&bare, &BTreeSet::new(), "2026-12-31")).unwrap();
        assert_eq!(refused.reason(), "SUMMARY_INCOMPLETE");
    }

    #[test]
    fn an_explanation_stands_for_what_there_is_none_of_and_papers_for_what_is_not_in_the_services() {
        let mut none = Summary { scheme: String::new(), measures: vec![], ..whole() };
        none.figures.clear();
        none.effect_cases.clear();
        none.sections.push(section(Kind::Explanation, "本年度机构改革"));
        assert!(places(&none, &[]).iter().all(|(_, needed)| !needed));
        none.sections.pop();
        use AttachmentRole::{Effects, EvaluationSystem, Results, SupervisionSystem};
        let papers = [EvaluationSystem, SupervisionSystem, Results, Effects];
        assert_eq!(places(&none, &papers), [("figures.visited", true)]);
    }

    #[test]
    fn only_what_happened_is_data() {
        let mut summary =
            Summary { figures: vec![figure("subjects", 31), figure("active", 2)], ..Default::default() };
        assert!(is_empty(&summary));
        summary.figures.push(figure("records", 1));
        assert!(!is_empty(&summary));
    }

    #[test]
    fn sections_are_written_over_and_taken_out() {
        let old = [section(Kind::Overview, "甲"), section(Kind::Outlook, "丙")];
        let new = write(&old, vec![section(Kind::Measures, "乙"), section(Kind::Outlook, " ")]).unwrap();
        assert_eq!(new, [section(Kind::Overview, "甲"), section(Kind::Measures, "乙")]);
        assert!(write(&old, vec![section(Kind::Unspecified, "x")]).is_err());
        assert!(write(&old, vec![section(Kind::Outlook, "x"), section(Kind::Outlook, "y")]).is_err());
    }
}
