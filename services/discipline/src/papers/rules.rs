//! How a paper is put together: its template, as dated data, and what stands in its places. Pure.
use std::{collections::BTreeMap, sync::LazyLock};

use contract::discipline::v1::{list, paper::Kind};
use documents::{Block, Document};
use jiff::civil::Date;
use serde::Deserialize;

static TEMPLATES: LazyLock<Vec<Template>> = LazyLock::new(|| {
    // The test below reads them, so that what is shipped can be read.
    serde_json::from_str(include_str!("../../data/papers.json")).unwrap_or_default()
});

/// What stands in a template's places, by their names; a place without a value is empty.
pub type Values = BTreeMap<&'static str, String>;

/// A paper's form from a day on. The data tells beside it what it was made after, and how sure that is.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    kind: String,
    list_kind: String,
    version: u32,
    // A day as YYYY-MM-DD, so that days compare as texts.
    from: String,
    title: String,
    parts: Vec<Part>,
}

// A part whose places are all empty is left out.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Part {
    Heading(String),
    Paragraph(String),
    Remark(String),
    Facts(Vec<(String, String)>),
    // Who signs and when 落款.
    Closing(Vec<String>),
}

impl Template {
    /// The one in force on a day, for a list of a kind.
    pub fn of(kind: Kind, list_kind: list::Kind, on: Date) -> Option<&'static Self> {
        let on = on.to_string();
        let fits = |template: &&Self| {
            let own = template.list_kind.is_empty() || template.list_kind == list_kind.as_str_name();
            template.kind == kind.as_str_name() && own && template.from <= on
        };
        // What a kind of list has of its own goes before what all have.
        let fitting = TEMPLATES.iter().filter(fits);
        fitting.max_by_key(|template| (!template.list_kind.is_empty(), &template.from, template.version))
    }

    /// Its name with its version.
    pub fn name(&self) -> String {
        let of = if self.list_kind.is_empty() { String::new() } else { format!("/{}", self.list_kind) };
        format!("{}{of}@{}", self.kind, self.version)
    }

    /// The title of a paper.
    pub fn title(&self, values: &Values) -> String {
        filled(&self.title, values).unwrap_or_default()
    }

    /// The document. It bears nothing but what it is given, so that it comes out the same again.
    pub fn document(&self, values: &Values, on: Date, draft: bool) -> Document {
        let value = |place: &str| values.get(place).cloned().unwrap_or_default();
        let mut blocks = Vec::new();
        for part in &self.parts {
            match part {
                Part::Heading(text) => blocks.extend(filled(text, values).map(Block::Heading)),
                Part::Paragraph(text) => blocks.extend(filled(text, values).map(Block::Paragraph)),
                Part::Remark(text) => blocks.extend(filled(text, values).map(Block::Remark)),
                Part::Closing(lines) => {
                    let lines = lines.iter().filter_map(|line| filled(line, values)).collect();
                    blocks.push(Block::Closing(lines));
                }
                Part::Facts(pairs) => {
                    let pairs = pairs.iter();
                    let facts: Vec<(String, String)> = pairs
                        .filter_map(|(name, text)| Some((name.clone(), filled(text, values)?)))
                        .collect();
                    if !facts.is_empty() {
                        blocks.push(Block::Facts(facts));
                    }
                }
            }
        }
        Document {
            title: self.title(values),
            subtitle: value("number"),
            author: value("department"),
            created: on.at(0, 0, 0, 0),
            header: (value("department"), value("number")),
            footer: format!("{}　{}", value("caseId"), self.name()),
            watermark: if draft { String::from("草稿") } else { String::new() },
            blocks,
        }
    }
}

// A text with its places filled; none where it has places and all of them are empty.
fn filled(text: &str, values: &Values) -> Option<String> {
    let (mut out, mut rest) = (String::new(), text);
    let (mut places, mut given) = (0, 0);
    while let Some((before, after)) = rest.split_once('{') {
        let (place, after) = after.split_once('}')?;
        let value = values.get(place).map(|value| value.trim()).unwrap_or_default();
        places += 1;
        given += usize::from(!value.is_empty());
        out.push_str(before);
        out.push_str(value);
        rest = after;
    }
    out.push_str(rest);
    (places == 0 || given > 0).then_some(out)
}

/// A day as papers write it.
pub fn spelled(date: Date) -> String {
    format!("{}年{}月{}日", date.year(), date.month(), date.day())
}

/// What a subject of a reward list is called 荣誉称号: the list's name without that it is a list.
pub fn honour(list: &str) -> String {
    let name = list.trim();
    let short = ["红名单", "名单"].iter().find_map(|suffix| name.strip_suffix(suffix));
    short.filter(|short| !short.is_empty()).unwrap_or(name).to_owned()
}

/// Whether a paper stays within the department.
pub fn internal(kind: Kind) -> bool {
    kind == Kind::LegalOpinion
}

/// The papers that can be shown before their step, since case and list say all that they tell.
pub fn previewed(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Notice | Kind::Publicity | Kind::Decision | Kind::DecisionNotToList | Kind::RepairGuide
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use contract::discipline::v1::BasisStatus;
    use jiff::civil::date;

    use super::*;
    use crate::papers::content::PLACES;

    #[test]
    fn every_template_is_read_and_names_known_places_only() {
        let text = include_str!("../../data/papers.json");
        let read: Vec<Template> = serde_json::from_str(text).expect("templates");
        let told: Vec<serde_json::Value> = serde_json::from_str(text).expect("JSON");
        for template in &told {
            let status = template["status"].as_str().and_then(BasisStatus::from_str_name);
            assert!(
                status.is_some() && !template["basis"].as_str().unwrap_or_default().is_empty(),
                "{template}"
            );
        }
        let places: BTreeSet<&str> = PLACES.iter().copied().collect();
        for template in &read {
            let name = template.name();
            assert!(Kind::from_str_name(&template.kind).is_some(), "{name}");
            let mut texts = vec![template.title.as_str()];
            for part in &template.parts {
                match part {
                    Part::Heading(text) | Part::Paragraph(text) | Part::Remark(text) => texts.push(text),
                    Part::Facts(pairs) => texts.extend(pairs.iter().map(|(_, text)| text.as_str())),
                    Part::Closing(lines) => texts.extend(lines.iter().map(String::as_str)),
                }
            }
            for text in texts {
                for place in text.split('{').skip(1).map(|rest| rest.split('}').next().expect("a name")) {
                    assert!(places.contains(place), "{name}: {{{place}}}");
                }
            }
        }
        // Each kind of paper has a form for both kinds of lists, save those that one kind of list does not know.
        for kind in (1..=14).map(|kind| Kind::try_from(kind).expect("a kind")) {
            for of in [list::Kind::Punitive, list::Kind::Reward] {
                let unknown = matches!(
                    (kind, of),
                    (Kind::Notice | Kind::RepairGuide, list::Kind::Reward)
                        | (Kind::Publicity, list::Kind::Punitive)
                );
                let found = Template::of(kind, of, date(2026, 3, 2)).is_some();
                assert_eq!(found, !unknown, "{kind:?} {of:?}");
            }
        }
    }

    #[test]
    fn papers_of_rewards_speak_in_their_own_terms() {
        let own = |template: &&Template| template.list_kind == list::Kind::Reward.as_str_name();
        assert_eq!(TEMPLATES.iter().filter(own).count(), 11);
        for template in TEMPLATES.iter().filter(own) {
            let mut texts = vec![template.title.clone()];
            for part in &template.parts {
                match part {
                    Part::Heading(text) | Part::Paragraph(text) | Part::Remark(text) => {
                        texts.push(text.clone())
                    }
                    Part::Facts(pairs) => {
                        texts.extend(pairs.iter().map(|(name, text)| format!("{name}：{text}")))
                    }
                    Part::Closing(lines) => texts.extend(lines.iter().cloned()),
                }
            }
            for text in &texts {
                for foreign in ["失信", "惩戒", "修复", "移出", "处罚", "申辩", "列入", "案"] {
                    assert!(!text.contains(foreign), "{}: {foreign} in {text}", template.name());
                }
            }
        }
        // All that a reward's case or listing can be given is of its own, save the receipt, which names no list.
        for kind in (1..=14).map(|kind| Kind::try_from(kind).expect("a kind")) {
            if let Some(found) = Template::of(kind, list::Kind::Reward, date(2026, 3, 2)) {
                assert!(own(&found) || kind == Kind::ServiceReceipt, "{kind:?}");
            }
        }
    }

    #[test]
    fn an_honour_is_what_its_list_lists() {
        for (list, expected) in [
            ("诚信典型企业名单", "诚信典型企业"),
            ("诚信典型企业红名单", "诚信典型企业"),
            ("纳税信用A级纳税人", "纳税信用A级纳税人"),
            ("名单", "名单"),
        ] {
            assert_eq!(honour(list), expected);
        }
    }

    #[test]
    fn a_text_without_values_is_left_out() {
        let values = Values::from([("a", String::from("甲")), ("b", String::from(" "))]);
        assert_eq!(filled("{a}和{b}", &values).as_deref(), Some("甲和"));
        assert_eq!(filled("{b}", &values), None);
        assert_eq!(filled("固定", &values).as_deref(), Some("固定"));
        // What a value says is text, whatever it looks like.
        let strange = Values::from([("a", String::from("{b}"))]);
        assert_eq!(filled("{a}", &strange).as_deref(), Some("{b}"));
    }

    #[test]
    fn days_are_spelled() {
        assert_eq!(spelled(date(2026, 2, 3)), "2026年2月3日");
    }

    #[test]
    fn the_same_paper_comes_out_the_same() {
        let values = Values::from([
            ("name", String::from("虚构劳务1号有限公司")),
            ("list", String::from("虚构名单")),
            ("number", String::from("虚构人社告〔2026〕1号")),
            ("facts", String::from("事实")),
        ]);
        let on = date(2026, 2, 13);
        let template = Template::of(Kind::Notice, list::Kind::Punitive, on).expect("a template");
        let write = || {
            let document = template.document(&values, on, false);
            (documents::pdf(&document).expect("a PDF").bytes, documents::docx(&document).expect("a DOCX"))
        };
        assert!(write() == write(), "the bytes differ");
    }
}
