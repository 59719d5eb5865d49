//! What a notice tells 告知内容, where it is not said otherwise: from the case, its list, and the law's phrases as dated data. Pure.
use std::sync::LazyLock;

use contract::discipline::v1::{Case, Consequences, List, Notice, Procedure, list::Kind, procedure::Hearing};
use jiff::civil::Date;
use serde::Deserialize;

use super::course::{Course, Days};

static PHRASES: LazyLock<Vec<Phrases>> = LazyLock::new(|| {
    // The test below reads them, so that what is shipped can be read.
    serde_json::from_str(include_str!("../../data/notices.json")).unwrap_or_default()
});

// How rights and ends are put into words from a day on. The data tells beside it after which rules, and how sure that is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Phrases {
    // A day as YYYY-MM-DD, so that days compare as texts.
    from: String,
    kind: String,
    defence: String,
    no_term: String,
    hearing: String,
    after: String,
    decided: String,
    early: String,
    repair: String,
    at_once: String,
    end: String,
    endless: String,
}

fn phrases(kind: Kind, on: Date) -> Option<&'static Phrases> {
    let wanted = if kind == Kind::Reward { Kind::Reward } else { Kind::Punitive };
    let (of_kind, on) =
        (PHRASES.iter().filter(|phrases| phrases.kind == wanted.as_str_name()), on.to_string());
    of_kind.filter(|phrases| phrases.from <= on).max_by_key(|phrases| &phrases.from)
}

/// A length of time in Chinese.
pub fn spelled(days: Days) -> String {
    format!("{}个{}", days.count, if days.calendar { "自然日" } else { "工作日" })
}

/// A length in months in Chinese; whole years as such.
pub fn months(months: i32) -> String {
    if months > 0 && months % 12 == 0 { format!("{}年", months / 12) } else { format!("{months}个月") }
}

/// The rules that a list rests on, with their articles.
pub fn basis(list: &List) -> String {
    let rule =
        |basis: &contract::discipline::v1::LegalBasis| format!("《{}》{}", basis.document, basis.article);
    let named: Vec<String> = list.bases.iter().map(rule).collect();
    if named.is_empty() { list.legal_basis.clone() } else { named.join("、") }
}

/// A notice whose parts left empty are taken from the case and its list, as the law puts them on a day.
pub fn whole(given: Option<&Notice>, case: &Case, list: &List, on: Date) -> Notice {
    let given = given.cloned().unwrap_or_default();
    let course = Course::of(list);
    let consequences = given.consequences.clone().unwrap_or_else(|| course.consequences.clone());
    let or = |text: String, otherwise: String| if text.trim().is_empty() { otherwise } else { text };
    Notice {
        facts: or(given.facts, case.facts.clone()),
        basis: or(given.basis, basis(list)),
        remedies: or(given.remedies, remedies(list, &course, on)),
        removal: or(given.removal, removal(list, &consequences, on)),
        consequences: Some(consequences),
    }
}

fn remedies(list: &List, course: &Course, on: Date) -> String {
    let Some(phrases) = phrases(list.kind(), on) else { return String::new() };
    let term = course.publicity.unwrap_or(course.defence);
    let mut text = match term.count {
        0 => phrases.no_term.clone(),
        _ => phrases.defence.replace("{term}", &spelled(term)),
    };
    if let (Hearing::OnRequest, Some(days)) = (course.hearing, course.hearing_request) {
        text += &phrases.hearing.replace("{term}", &spelled(days));
    }
    text + &phrases.after
}

/// What may be done against a decision.
pub fn after_decision(list: &List, on: Date) -> String {
    phrases(list.kind(), on).map(|phrases| phrases.decided.clone()).unwrap_or_default()
}

fn removal(list: &List, consequences: &Consequences, on: Date) -> String {
    let Some(phrases) = phrases(list.kind(), on) else { return String::new() };
    let mut text = String::new();
    let early = list.early_removal.trim().trim_end_matches('。');
    if !early.is_empty() {
        text += &phrases.early.replace("{text}", early);
    }
    text += &match list.repair_after_months {
        after if after > 0 => phrases.repair.replace("{months}", &months(after)),
        _ if early.is_empty() => phrases.at_once.clone(),
        _ => String::new(),
    };
    text + if consequences.publication_months > 0 { &phrases.end } else { &phrases.endless }
}

/// The status of a procedure's parts that an official put, or that the office confirmed.
pub fn answered_for(procedure: &mut Procedure, status: contract::discipline::v1::BasisStatus) {
    let terms = [
        &mut procedure.defence,
        &mut procedure.hearing_request,
        &mut procedure.hearing_notice,
        &mut procedure.decision,
        &mut procedure.service,
        &mut procedure.publication,
        &mut procedure.publicity_term,
        &mut procedure.announcement,
    ];
    for term in terms.into_iter().flatten() {
        term.set_status(status);
    }
    let required = [&mut procedure.answer, &mut procedure.legal_review, &mut procedure.publicity];
    for requirement in required.into_iter().flatten() {
        requirement.set_status(status);
    }
}

#[cfg(test)]
mod tests {
    use contract::discipline::v1::{BasisStatus, LegalBasis, ProcedureTerm};
    use jiff::civil::date;

    use super::*;

    #[test]
    fn the_phrases_are_read_and_say_where_they_are_from() {
        let text = include_str!("../../data/notices.json");
        let read: Vec<Phrases> = serde_json::from_str(text).expect("phrases");
        assert_eq!(read.len(), 2);
        assert!(
            read.iter()
                .all(|phrases| phrases.decided.contains("本决定") && phrases.decided.contains("行政复议"))
        );
        let told: Vec<serde_json::Value> = serde_json::from_str(text).expect("JSON");
        for phrases in told {
            let status = phrases["status"].as_str().and_then(BasisStatus::from_str_name);
            assert!(status.is_some() && !phrases["basis"].as_str().unwrap_or_default().is_empty());
        }
    }

    #[test]
    fn a_notice_is_whole_whatever_is_left_out() {
        let case = Case { facts: "逾期未支付工资".into(), ..Default::default() };
        let list = List {
            kind: Kind::Punitive.into(),
            legal_basis: "人社部令第45号".into(),
            defence_working_days: 5,
            publication_months: 36,
            repair_after_months: 6,
            measures: vec!["m".into()],
            ..Default::default()
        };
        let on = date(2026, 2, 13);
        let notice = whole(None, &case, &list, on);
        assert_eq!((notice.facts.as_str(), notice.basis.as_str()), ("逾期未支付工资", "人社部令第45号"));
        assert!(
            notice.remedies.starts_with("自本告知书送达之日起5个工作日内，有权进行陈述、申辩"),
            "{}",
            notice.remedies
        );
        assert!(
            notice.remedies.contains("六十日") && !notice.remedies.contains("听证"),
            "{}",
            notice.remedies
        );
        assert!(
            notice.removal.contains("列入满6个月") && notice.removal.contains("届满"),
            "{}",
            notice.removal
        );
        assert_eq!(notice.consequences, Some(Course::of(&list).consequences));
        let own = Notice {
            removal: "自定".into(),
            consequences: Some(Consequences::default()),
            ..Default::default()
        };
        let notice = whole(Some(&own), &case, &list, on);
        assert_eq!((notice.removal.as_str(), notice.consequences), ("自定", Some(Consequences::default())));
        // A list without any end still says how one comes off it.
        let endless = List { publication_months: 0, repair_after_months: 0, ..list.clone() };
        let removal = whole(None, &case, &endless, on).removal;
        assert!(removal.contains("可以申请信用修复") && removal.contains("未设公示期限"), "{removal}");
        let bases =
            vec![LegalBasis { document: "法".into(), article: "第三条".into(), ..Default::default() }];
        assert_eq!(whole(None, &case, &List { bases, ..list }, on).basis, "《法》第三条");
    }

    #[test]
    fn terms_and_months_are_spelled() {
        assert_eq!(spelled(Days { count: 30, calendar: true }), "30个自然日");
        assert_eq!((months(36), months(6), months(18)), ("3年".into(), "6个月".into(), "18个月".into()));
    }

    #[test]
    fn an_official_answers_for_each_part_of_a_procedure() {
        let mut procedure = Procedure {
            decision: Some(ProcedureTerm { days: 90, ..Default::default() }),
            ..Default::default()
        };
        answered_for(&mut procedure, BasisStatus::Declared);
        assert_eq!(procedure.decision.expect("a term").status(), BasisStatus::Declared);
        assert!(procedure.service.is_none());
    }
}
