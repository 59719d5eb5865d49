//! What of likenesses is acted on, what is shown, and in which words. The bound is the library's: from 90 of 100 on a name is linked.
use chassis::{
    fault::Violation,
    language::{Language, Text},
};
use contract::credit::v1 as api;
use identifiers::personal;
use names::{Candidate, Cell, Kind, LINKS_FROM, Name, Reason, Subject};
use serde::Deserialize;

use super::rows::Named;
use crate::outcomes::{refusal, shown};

// What a clerk need not look at: another region, another branch's enterprise.
const SHOWN_FROM: u8 = 50;
const SHOWN_MOST: usize = 10;
const NAMED_MOST: usize = 3;

/// A subject that a name may mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its code.
    pub uscc: String,
    /// Its registered name.
    pub name: String,
    /// Which of its names is meant, where it is another.
    pub matched_name: String,
    /// Of a hundred.
    pub score: u8,
    /// Why.
    pub reasons: Vec<Reason>,
}

impl Found {
    fn links(&self) -> bool {
        self.score >= LINKS_FROM
    }

    fn because(&self, language: Language) -> Vec<String> {
        let words = |reason: &Reason| Text::new(reason.en(), reason.zh()).get(language).to_owned();
        self.reasons.iter().map(words).collect()
    }
}

/// The key of a subject's registered name, and those of its other names: former ones, second ones, and those in the cell of the
/// registered one.
pub fn keys(subject: &api::Subject) -> (i64, Vec<i64>) {
    let cell = Cell::read(&subject.name);
    let given = subject.former_names.iter().chain(&subject.second_names);
    let mut others: Vec<i64> = given.map(|name| Cell::read(name).main.key()).collect();
    others.extend(cell.others.iter().map(|(_, name)| name.key()));
    others.sort_unstable();
    others.dedup();
    (cell.main.key(), others)
}

/// A name that is looked up: no natural person's, no identity number (PIPL 6, 28).
pub fn may_be_asked(name: &str) -> bool {
    !name.trim().is_empty() && !names::is_like_a_person(name) && !personal::occurs_in(name)
}

#[derive(Default, Deserialize)]
struct Others {
    #[serde(default)]
    former: Vec<String>,
    #[serde(default)]
    second: Vec<String>,
}

/// A subject with all its names.
pub fn subject(row: &Named) -> Subject<'_> {
    let cell = Cell::read(&row.name);
    // The whole cell too: a name may hold what looks like two.
    let mut names = vec![(Kind::Registered, Name::of(&row.name)), (Kind::Registered, cell.main)];
    names.extend(cell.others);
    let others: Others = serde_json::from_str(&row.other_names).unwrap_or_default();
    for (kind, given) in [(Kind::Former, others.former), (Kind::Second, others.second)] {
        names.extend(given.iter().map(|name| (kind, Cell::read(name).main)));
    }
    // The code says the region of the first registrar where the subject's own is not known.
    let region = if row.region.is_empty() { row.uscc.get(2..8).unwrap_or_default() } else { &row.region };
    Subject { code: &row.uscc, region, names }
}

/// A candidate as it is told. Where more subjects share the name than were read, none is sure.
pub fn found(row: &Named, subject: &Subject, candidate: Candidate, crowded: bool) -> Found {
    let (kind, name) = &subject.names[candidate.name];
    let matched_name = if *kind == Kind::Registered { String::new() } else { name.written.clone() };
    let (mut score, mut reasons) = (candidate.likeness.score, candidate.likeness.reasons);
    if crowded {
        score = score.min(LINKS_FROM - 1);
        reasons.push(Reason::SeveralSubjects(super::OF_A_KEY_MOST));
    }
    Found { uscc: row.uscc.clone(), name: row.name.clone(), matched_name, score, reasons }
}

/// What was found as the contract's message: the one that may be linked, and where asked for, what may not.
pub fn wire(name: String, found: &[Found], doubtful: bool, language: Language) -> api::NameMatch {
    let shown = found.iter().filter(|one| one.links() || doubtful && one.score >= SHOWN_FROM);
    let candidates = shown.take(SHOWN_MOST).map(|one| api::MatchCandidate {
        uscc: one.uscc.clone(),
        name: one.name.clone(),
        score: f64::from(one.score) / 100.0,
        reasons: one.because(language),
        linkable: one.links(),
        matched_name: one.matched_name.clone(),
    });
    api::NameMatch { name, candidates: candidates.collect() }
}

/// The subject that a row without a code is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linked {
    /// Its code.
    pub uscc: String,
    /// Why, where the names are not identical.
    pub because: Option<Text>,
}

/// Decides what a row's name means, or refuses it and names the nearest, so that a clerk can fill the code in.
pub fn link(name: &str, found: &[Found]) -> Result<Linked, Violation> {
    if let Some(one) = found.first().filter(|one| one.links()) {
        let identical = one.reasons == [Reason::Identical];
        let because = (!identical).then(|| {
            let (en, zh) = (one.because(Language::En).join("; "), one.because(Language::Zh).join("；"));
            Text::new(
                format!("linked by name to {} ({}): {en}", one.name, one.uscc),
                format!("已按名称关联至“{}”（{}）：{zh}", one.name, one.uscc),
            )
        });
        return Ok(Linked { uscc: one.uscc.clone(), because });
    }
    let near: Vec<&Found> = found.iter().filter(|one| one.score >= SHOWN_FROM).take(NAMED_MOST).collect();
    if near.is_empty() {
        return Err(refusal(
            api::ErrorReason::NameUnknown,
            "name",
            format!("no subject is named \"{}\" here; register it, or give its code", shown(name)),
            format!("未找到名称为“{}”的主体；请先登记该主体或填写统一社会信用代码", shown(name)),
        ));
    }
    let told = |language: Language, comma: &str| {
        let one = |one: &&Found| format!("{} {} ({})", one.uscc, one.name, one.because(language).join(comma));
        near.iter().map(one).collect::<Vec<_>>().join(if language == Language::En { "; " } else { "；" })
    };
    let (en, zh) = (told(Language::En, ", "), told(Language::Zh, "，"));
    let several = |one: &Found| {
        one.reasons.iter().any(|reason| matches!(reason, Reason::SeveralSubjects(_) | Reason::NamesDisagree))
    };
    if found.first().is_some_and(several) {
        return Err(refusal(
            api::ErrorReason::NameAmbiguous,
            "name",
            format!("several subjects fit the name \"{}\"; give the code of one: {en}", shown(name)),
            format!("有多个主体符合名称“{}”；请填写统一社会信用代码：{zh}", shown(name)),
        ));
    }
    Err(refusal(
        api::ErrorReason::NameDoubtful,
        "name",
        format!("it is not sure whom \"{}\" means; if it is the nearest, give its code: {en}", shown(name)),
        format!("无法确定“{}”所指的主体；如为下列主体，请填写其统一社会信用代码：{zh}", shown(name)),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(uscc: &str, score: u8, reasons: &[Reason]) -> Found {
        Found {
            uscc: uscc.to_owned(),
            name: String::from("虚构甲有限公司"),
            matched_name: String::new(),
            score,
            reasons: reasons.to_vec(),
        }
    }

    #[test]
    fn only_what_is_sure_is_linked() {
        let exact = one("1", 100, &[Reason::Identical]);
        let name = "虚构甲有限公司";
        assert_eq!(
            link(name, std::slice::from_ref(&exact)),
            Ok(Linked { uscc: String::from("1"), because: None })
        );
        let brackets = link(name, &[one("1", 99, &[Reason::Marks])]).unwrap();
        assert!(brackets.because.is_some_and(|because| because.zh.contains("仅括号")));
        let same = [Reason::Identical, Reason::SeveralSubjects(2)];
        for (found, reason) in [
            (vec![], "NAME_UNKNOWN"),
            (vec![one("1", 40, &[Reason::RegionOther])], "NAME_UNKNOWN"),
            (vec![one("1", 60, &[Reason::ParentOfBranch])], "NAME_DOUBTFUL"),
            (vec![one("1", 85, &same), one("2", 85, &same)], "NAME_AMBIGUOUS"),
        ] {
            let refused = link(name, &found).unwrap_err();
            assert_eq!(refused.reason, reason);
            for one in found.iter().filter(|one| one.score >= SHOWN_FROM) {
                assert!(refused.text.zh.contains(&one.uscc) && refused.text.en.contains(&one.uscc));
            }
        }
    }

    #[test]
    fn a_clerk_sees_what_is_doubtful_only_where_asked() {
        let found = [one("1", 60, &[Reason::ParentOfBranch]), one("2", 40, &[Reason::RegionOther])];
        let shown = |doubtful| wire(String::from("虚构"), &found, doubtful, Language::Zh).candidates;
        assert!(shown(false).is_empty());
        let clerk = shown(true);
        assert_eq!((clerk.len(), clerk[0].linkable, clerk[0].uscc.as_str()), (1, false, "1"));
        assert!(clerk[0].reasons[0].contains("分支机构"));
    }

    #[test]
    fn a_person_is_not_asked_for() {
        for (name, may) in
            [("张某某", false), ("虚构甲有限公司", true), ("  ", false), ("11010519491231002X公司", false)]
        {
            assert_eq!(may_be_asked(name), may, "{name}");
        }
    }
}
