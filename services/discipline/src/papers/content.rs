//! What stands in a paper's places: from the case, its list and the step alone. Pure.
use std::collections::BTreeMap;

use contract::discipline::v1::{
    Case, Consequences, List, Notice, Step,
    list::Kind as ListKind,
    paper::Kind,
    step::{Answer, Kind as Done, Review, Service},
};
use identifiers::Department;
use jiff::civil::Date;

use super::rules::{Values, honour, spelled};
use crate::cases::notice;

/// The places that templates may name.
#[cfg(test)]
pub const PLACES: [&str; 36] = [
    "name",
    "uscc",
    "list",
    "honour",
    "caseId",
    "facts",
    "evidence",
    "basis",
    "months",
    "measures",
    "remedies",
    "removal",
    "department",
    "caseDepartment",
    "on",
    "number",
    "text",
    "service",
    "servedOn",
    "hearingOn",
    "answer",
    "review",
    "statements",
    "told",
    "defence",
    "served",
    "decisionNumber",
    "from",
    "until",
    "outcome",
    "effect",
    "filedOn",
    "reason",
    "commitment",
    "annulledBy",
    "filingId",
];

/// A case with what its papers tell of its list.
pub struct Matter<'a> {
    /// The case, its steps included.
    pub case: &'a Case,
    /// The wording that it goes by.
    pub list: &'a List,
    /// The names of measures by their ids.
    pub measures: &'a BTreeMap<String, String>,
}

/// The papers by which a step is done.
pub fn kinds(step: &Step, list: ListKind) -> Vec<Kind> {
    let lists = step.consequences.is_some();
    match step.kind() {
        Done::Notify if list != ListKind::Reward => vec![Kind::Notice],
        // A reward whose list asks for no publicity is told of as the contract's example has it.
        Done::Publicize => vec![Kind::Publicity],
        Done::AnswerDefence => vec![Kind::Answer],
        Done::CallHearing => vec![Kind::HearingNotice],
        Done::ReviewLegality => vec![Kind::LegalOpinion],
        Done::Decide if lists && list != ListKind::Reward => vec![Kind::Decision, Kind::RepairGuide],
        Done::Decide if lists => vec![Kind::Decision],
        Done::Decide => vec![Kind::DecisionNotToList],
        Done::Serve => vec![Kind::ServiceReceipt],
        Done::Drop => vec![Kind::Termination],
        _ => vec![],
    }
}

/// A department as papers name it.
pub fn department(slug: &str) -> String {
    Department::parse(slug).map_or_else(|_| slug.to_owned(), |known| known.name().to_owned())
}

impl Matter<'_> {
    /// What a step's paper says.
    pub fn values(&self, kind: Kind, step: &Step) -> Values {
        let Self { case, list, .. } = self;
        let on = step.on.parse().unwrap_or_default();
        let told = self.notice(step, on);
        let consequences = step.consequences.as_ref().or(told.consequences.as_ref());
        let consequences = consequences.cloned().unwrap_or_default();
        // Once it is decided the time for the defence is over.
        let decided = matches!(kind, Kind::Decision | Kind::DecisionNotToList);
        let remedies = if decided { notice::after_decision(list, on) } else { told.remedies };
        let mut values = Values::from([
            ("name", case.name.clone()),
            ("uscc", case.uscc.clone()),
            ("list", list.name.clone()),
            ("honour", honour(&list.name)),
            ("caseId", case.case_id.clone()),
            ("facts", told.facts),
            ("evidence", numbered(&case.evidence)),
            ("basis", told.basis.trim().trim_end_matches('。').to_owned()),
            ("months", months(&consequences)),
            ("measures", self.measures(&consequences)),
            ("remedies", remedies),
            ("removal", told.removal),
            ("department", department(&step.department)),
            ("caseDepartment", department(&case.department)),
            ("on", spelled(on)),
            ("number", step.document_number.clone()),
            ("text", step.text.clone()),
            ("service", service(step.service()).to_owned()),
            ("answer", answer(step.answer()).to_owned()),
            ("review", review(step.review()).to_owned()),
            ("hearingOn", day(&step.hearing_on)),
            ("statements", self.statements()),
            ("told", self.told()),
            ("defence", self.defence()),
            ("served", self.served()),
        ]);
        if kind == Kind::RepairGuide {
            // It comes with the decision, and is a paper of its own all the same.
            values.insert("decisionNumber", step.document_number.clone());
            values.insert("number", format!("{}（信用修复告知）", step.document_number));
        }
        if step.service() == Service::Announcement {
            values.insert("servedOn", day(&step.served_on));
        }
        values
    }

    // What was told, or would be.
    fn notice(&self, step: &Step, on: Date) -> Notice {
        let told = step.notice.as_ref().or_else(|| self.opening()?.notice.as_ref());
        notice::whole(told, self.case, self.list, on)
    }

    fn opening(&self) -> Option<&Step> {
        self.case.steps.iter().find(|step| matches!(step.kind(), Done::Notify | Done::Publicize))
    }

    fn measures(&self, consequences: &Consequences) -> String {
        let name = |id: &String| self.measures.get(id).cloned().unwrap_or_else(|| id.clone());
        let names: Vec<String> = consequences.measures.iter().map(name).collect();
        if names.is_empty() { String::from("无。") } else { format!("{}。", names.join("；")) }
    }

    fn statements(&self) -> String {
        let stated = self.case.steps.iter().filter(|step| step.kind() == Done::RecordDefence);
        let told = |step: &Step| format!("{}：{}", day(&step.on), step.text);
        stated.map(told).collect::<Vec<_>>().join("\n")
    }

    // That its subject was told what was to come.
    fn told(&self) -> String {
        let notified = self.case.steps.iter().find(|step| step.kind() == Done::Notify);
        let (Some(step), false) = (notified, self.list.kind() == ListKind::Reward) else {
            return String::new();
        };
        format!("本机关已于{}送达事先告知书（{}）。", day(&step.on), step.document_number)
    }

    fn defence(&self) -> String {
        // Before that there is nothing to tell of.
        if self.opening().is_none() {
            return String::new();
        }
        let steps = &self.case.steps;
        let last = |kind| steps.iter().rfind(|step| step.kind() == kind);
        let reward = self.list.kind() == ListKind::Reward;
        let shown = last(Done::Publicize).map(|step| format!("拟认定事项已于{}公示", day(&step.on)));
        let mut text = match (last(Done::RecordDefence), last(Done::WaiveDefence), shown) {
            (Some(stated), _, Some(shown)) => format!("{shown}，公示期间于{}收到异议。", day(&stated.on)),
            (None, _, Some(shown)) => format!("{shown}，公示期间未收到异议。"),
            (Some(stated), _, None) if reward => format!("办理期间于{}收到异议。", day(&stated.on)),
            (None, _, None) if reward => String::new(),
            (Some(stated), _, None) => format!("你单位于{}提出陈述、申辩。", day(&stated.on)),
            (None, Some(waived), None) => format!("你单位于{}书面放弃陈述、申辩。", day(&waived.on)),
            (None, None, None) => String::from("你单位在规定期限内未提出陈述、申辩。"),
        };
        if let Some(answered) = last(Done::AnswerDefence) {
            text += &format!("经复核，{}。", answer(answered.answer()));
        }
        if let Some(heard) = last(Done::HoldHearing) {
            text += &format!("本机关于{}举行了听证。", day(&heard.on));
        }
        text
    }

    // The papers of the decision, which are served together.
    fn served(&self) -> String {
        let decision = self.case.steps.iter().rfind(|step| step.kind() == Done::Decide);
        let papers = decision.map(|step| step.papers.as_slice()).unwrap_or_default();
        let titles: Vec<String> = papers.iter().map(|paper| format!("《{}》", paper.title)).collect();
        let number = decision.map(|step| step.document_number.as_str()).unwrap_or_default();
        if titles.is_empty() { number.to_owned() } else { format!("{}（{number}）", titles.join("、")) }
    }
}

fn months(consequences: &Consequences) -> String {
    match consequences.publication_months {
        0 => String::from("不设期限，至移出条件成就之日止"),
        months => notice::months(months),
    }
}

fn numbered(texts: &[String]) -> String {
    let line = |(at, text): (usize, &String)| format!("{}. {text}", at + 1);
    texts.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}

/// A day of the contract as papers write it; empty where there is none.
pub fn day(text: &str) -> String {
    text.parse().map(spelled).unwrap_or_default()
}

fn service(service: Service) -> &'static str {
    match service {
        Service::Unspecified => "",
        Service::Direct => "直接送达",
        Service::Post => "邮寄送达",
        Service::Left => "留置送达",
        Service::Electronic => "电子送达",
        Service::Announcement => "公告送达",
    }
}

fn answer(answer: Answer) -> &'static str {
    match answer {
        Answer::Unspecified => "",
        Answer::Adopted => "采纳",
        Answer::PartlyAdopted => "部分采纳",
        Answer::NotAdopted => "不采纳",
    }
}

fn review(review: Review) -> &'static str {
    match review {
        Review::Unspecified => "",
        Review::Passed => "审核通过",
        Review::Failed => "审核未通过",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(kind: Done, on: &str, text: &str) -> Step {
        Step { kind: kind.into(), on: on.into(), text: text.into(), ..Default::default() }
    }

    #[test]
    fn what_the_subject_did_is_told_in_its_decision() {
        let list = List { name: "虚构名单".into(), publication_months: 36, ..Default::default() };
        let measures = BTreeMap::from([(String::from("m"), String::from("重点监管"))]);
        let mut case = Case { evidence: vec!["甲".into(), "乙".into()], ..Default::default() };
        let told = |case: &Case| {
            let decided = Consequences { publication_months: 24, measures: vec!["m".into(), "n".into()] };
            let step = Step { consequences: Some(decided), ..step(Done::Decide, "2026-03-02", "") };
            Matter { case, list: &list, measures: &measures }.values(Kind::Decision, &step)
        };
        let values = told(&case);
        assert_eq!(
            (values["told"].as_str(), values["defence"].as_str()),
            ("", ""),
            "a draft before the notice"
        );
        assert_eq!((values["evidence"].as_str(), values["months"].as_str()), ("1. 甲\n2. 乙", "2年"));
        assert_eq!(values["measures"], "重点监管；n。");
        assert!(!values["remedies"].contains("陈述"), "{}", values["remedies"]);
        let notice =
            Step { document_number: "告〔2026〕1号".into(), ..step(Done::Notify, "2026-02-13", "") };
        case.steps = vec![notice.clone()];
        assert_eq!(told(&case)["defence"], "你单位在规定期限内未提出陈述、申辩。");
        case.steps = vec![
            notice,
            step(Done::RecordDefence, "2026-02-14", "已付清"),
            Step { answer: Answer::PartlyAdopted.into(), ..step(Done::AnswerDefence, "2026-02-24", "") },
            step(Done::HoldHearing, "2026-02-26", ""),
        ];
        let values = told(&case);
        assert_eq!(
            values["defence"],
            "你单位于2026年2月14日提出陈述、申辩。经复核，部分采纳。本机关于2026年2月26日举行了听证。"
        );
        assert_eq!(values["told"], "本机关已于2026年2月13日送达事先告知书（告〔2026〕1号）。");
        assert_eq!(values["statements"], "2026年2月14日：已付清");
        assert!(values.keys().all(|place| PLACES.contains(place)));
    }

    #[test]
    fn a_reward_tells_of_its_publicity_and_of_nothing_that_was_not() {
        let list =
            List {
                name: "诚信典型企业名单".into(), kind: ListKind::Reward.into(), ..Default::default()
            };
        let measures = BTreeMap::new();
        let mut case = Case::default();
        let told = |case: &Case, kind| {
            let step = step(Done::Decide, "2026-03-17", "");
            Matter { case, list: &list, measures: &measures }.values(kind, &step)
        };
        let values = told(&case, Kind::Decision);
        assert_eq!((values["defence"].as_str(), values["honour"].as_str()), ("", "诚信典型企业"));
        case.steps = vec![step(Done::Publicize, "2026-03-09", "")];
        assert_eq!(
            told(&case, Kind::Decision)["defence"],
            "拟认定事项已于2026年3月9日公示，公示期间未收到异议。"
        );
        case.steps.push(step(Done::RecordDefence, "2026-03-12", "有欠薪"));
        case.steps
            .push(Step { answer: Answer::NotAdopted.into(), ..step(Done::AnswerDefence, "2026-03-13", "") });
        let values = told(&case, Kind::DecisionNotToList);
        assert_eq!(
            values["defence"],
            "拟认定事项已于2026年3月9日公示，公示期间于2026年3月12日收到异议。经复核，不采纳。"
        );
        // Not to be listed is against a reward's subject, which is told what it may do; the time for objections is over.
        assert!(
            values["remedies"].contains("行政复议") && !values["remedies"].contains("公示之日"),
            "{values:?}"
        );
    }

    #[test]
    fn a_decision_comes_with_the_way_to_its_repair() {
        let decided = |consequences| Step { consequences, ..step(Done::Decide, "", "") };
        let listed = || Some(Consequences::default());
        assert_eq!(kinds(&decided(listed()), ListKind::Punitive), [Kind::Decision, Kind::RepairGuide]);
        assert_eq!(kinds(&decided(listed()), ListKind::Reward), [Kind::Decision]);
        assert_eq!(kinds(&decided(None), ListKind::Punitive), [Kind::DecisionNotToList]);
        assert!(kinds(&step(Done::RecordDefence, "", ""), ListKind::Punitive).is_empty());
    }
}
