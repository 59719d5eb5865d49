//! What a cell says 单元格: often more than one name. 甲公司（第二名称：乙厂）, 甲行（原乙社）, 甲行及相关责任人, 甲公司、乙公司.
use crate::fold::{narrow, unmark};
use crate::{Kind, Name};

/// The names in a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The name that it is about.
    pub main: Name,
    /// What else it is or was called.
    pub others: Vec<(Kind, Name)>,
    /// Further parties, where it lists several; none of them alone is what the cell says.
    pub several: Vec<Name>,
    /// Whether words beside the name were left out: of persons, of branches, of the state of a register.
    pub trimmed: bool,
}

const TAILS: [&str; 12] = [
    "及其相关责任人员",
    "及其相关责任人",
    "及相关责任人员",
    "及相关责任人",
    "及有关责任人员",
    "及有关责任人",
    "等相关责任人",
    "、相关责任人",
    "及责任人",
    "及相关分支机构",
    "、相关分支机构",
    "及其分支机构",
];
const FIRST: [&str; 3] = ["第一名称", "主名称", "1"];
const SECOND: [&str; 7] = ["第二名称", "第三名称", "从属名称", "增挂", "又名", "2", "3"];
const SHORT: [&str; 1] = ["简称"];
const FORMER: [&str; 3] = ["曾用名", "原名", "原"];
const NOW: [&str; 3] = ["现名", "现更名为", "现"];
// What a bracket holds that is no part of a name.
const NOTES: [&str; 10] =
    ["冻结", "质押", "股权", "转外资", "已注销", "已吊销", "注销", "吊销", "责任人", "自然人"];
const ENDS: &str = "司厂店部社行院校所场站会局馆团园队铺处矿库台城中心";

impl Cell {
    /// Reads a cell.
    pub fn read(given: &str) -> Self {
        let text = unmark(&narrow(given));
        let rest = bare(&text);
        // Most cells hold a name and nothing else.
        if rest.len() == text.len() && !rest.contains(['(', ';', '/', ':', '、', '；']) {
            return Self {
                main: Name::of(given.trim()),
                others: Vec::new(),
                several: Vec::new(),
                trimmed: false,
            };
        }
        let mut found = Found { trimmed: rest.len() < text.len(), ..Found::default() };
        let pieces = split(rest);
        for piece in pieces {
            found.piece(piece);
        }
        if found.main.is_empty() {
            found.main = if found.others.is_empty() { rest.to_owned() } else { found.others.remove(0).1 };
        }
        let several: Vec<&str> = found.main.split('、').map(bare).filter(|party| !party.is_empty()).collect();
        let listed = several.len() > 1
            && several.iter().all(|party| like_an_organisation(party))
            && ["公司", "银行"].iter().any(|word| several[0].contains(word));
        let several = if listed { several.into_iter().map(Name::of).collect() } else { Vec::new() };
        let others = found
            .others
            .into_iter()
            .filter(|(_, name)| *name != found.main)
            .map(|(kind, name)| (kind, Name::of(&name)))
            .collect();
        // What holds one name keeps it as written.
        let main = if found.main == text { Name::of(given.trim()) } else { Name::of(&found.main) };
        Self { others, several, trimmed: found.trimmed, main }
    }

    /// The keys under which a register may keep what the cell means, and what a clerk would look at beside it: the enterprise that
    /// keeps a branch, and each of several parties.
    pub fn keys(&self) -> Vec<i64> {
        let names =
            || [&self.main].into_iter().chain(self.others.iter().map(|(_, name)| name)).chain(&self.several);
        let mut keys: Vec<i64> = names().map(Name::key).chain(names().filter_map(Name::parent_key)).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }
}

// Without the words about persons and branches behind a name.
fn bare(text: &str) -> &str {
    let mut rest = text;
    while let Some(shorter) =
        TAILS.iter().find_map(|tail| rest.strip_suffix(tail)).filter(|shorter| !shorter.is_empty())
    {
        rest = shorter;
    }
    rest
}

#[derive(Default)]
struct Found {
    main: String,
    others: Vec<(Kind, String)>,
    trimmed: bool,
}

impl Found {
    fn piece(&mut self, piece: &str) {
        let piece =
            ["一、", "二、", "三、"].iter().find_map(|number| piece.strip_prefix(number)).unwrap_or(piece);
        let mut kind = None;
        let mut own = String::with_capacity(piece.len());
        let mut now = String::new();
        let mut rest = piece;
        while let Some(at) = rest.find('(') {
            let (before, inside, after) = bracket(rest, at);
            own.push_str(before);
            match self.note(inside) {
                Note::Part => {
                    own.push('(');
                    own.push_str(inside);
                    own.push(')');
                }
                Note::Kind(of) => {
                    self.settle(&mut own, of);
                    kind = Some(of);
                }
                Note::Now(name) => now = name,
                Note::Gone => {}
            }
            rest = after;
        }
        own.push_str(rest);
        if !now.is_empty() {
            let former = own.strip_prefix('原').unwrap_or(&own).to_owned();
            self.others.push((Kind::Former, former));
            self.take_main(now);
            return;
        }
        // X第二名称:Y, in one run.
        for (labels, of) in [
            (&SECOND[..5], Some(Kind::Second)),
            (&FIRST[..2], None),
            (&SHORT[..], Some(Kind::Short)),
            (&FORMER[..1], Some(Kind::Former)),
        ] {
            for label in labels {
                let label = format!("{label}:");
                if let Some((before, after)) = own.clone().split_once(label.as_str()) {
                    if !before.is_empty() {
                        self.take_main(before.to_owned());
                    }
                    match of {
                        Some(of) => self.others.push((of, after.to_owned())),
                        None => self.take_main(after.to_owned()),
                    }
                    return;
                }
            }
        }
        if own.is_empty() {
            return;
        }
        match kind {
            Some(Some(of)) => self.others.push((of, own)),
            _ => self.take_main(own),
        }
    }

    // 甲公司(第一名称)乙公司(第二名称): what stands before a label is of its kind, what follows is another name.
    fn settle(&mut self, own: &mut String, of: Option<Kind>) {
        let name = std::mem::take(own);
        if name.is_empty() {
            return;
        }
        match of {
            Some(of) => self.others.push((of, name)),
            None => self.take_main(name),
        }
    }

    fn take_main(&mut self, name: String) {
        if self.main.is_empty() {
            self.main = name;
        } else if name != self.main {
            self.others.push((Kind::Second, name));
        }
    }

    fn note(&mut self, inside: &str) -> Note {
        if FIRST.contains(&inside) {
            return Note::Kind(None);
        }
        if SECOND.contains(&inside) {
            return Note::Kind(Some(Kind::Second));
        }
        for (labels, kind) in
            [(&SECOND[..5], Kind::Second), (&SHORT[..], Kind::Short), (&FORMER[..], Kind::Former)]
        {
            for label in labels {
                let labelled = inside.strip_prefix(label).map(|name| name.trim_start_matches(':'));
                let labelled = labelled.or_else(|| inside.strip_suffix(format!("({label})").as_str()));
                let Some(name) = labelled else { continue };
                self.trimmed = true;
                // 原红桥支行 is half a name: of no use without the other half.
                if name.chars().count() >= 6 && like_an_organisation(name) {
                    self.others.push((kind, name.to_owned()));
                } else if *label == "原" && !name.ends_with(|last| ENDS.contains(last)) {
                    self.trimmed = false;
                    return Note::Part;
                }
                return Note::Gone;
            }
        }
        if let Some(name) = NOW.iter().find_map(|label| inside.strip_prefix(label)) {
            let name = name.trim_start_matches(':');
            if name.chars().count() >= 6 && like_an_organisation(name) {
                self.trimmed = true;
                return Note::Now(name.to_owned());
            }
        }
        if NOTES.iter().any(|word| inside.contains(word)) {
            self.trimmed = true;
            return Note::Gone;
        }
        Note::Part
    }
}

enum Note {
    // Belongs to the name.
    Part,
    // Says which name the text before it is.
    Kind(Option<Kind>),
    // The name of today.
    Now(String),
    // Said something else, or a name that is taken down already.
    Gone,
}

// What stands before, within and behind the bracket that opens at a place.
fn bracket(text: &str, at: usize) -> (&str, &str, &str) {
    let mut depth = 0;
    for (place, c) in text[at..].char_indices() {
        match c {
            '(' => depth += 1,
            ')' => {
                depth -= 1;
                if depth == 0 {
                    return (&text[..at], &text[at + 1..at + place], &text[at + place + 1..]);
                }
            }
            _ => {}
        }
    }
    (&text[..at], &text[at + 1..], "")
}

// At semicolons and strokes outside of brackets, where every piece is a name.
fn split(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut depth, mut from) = (0_i32, 0);
    for (place, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ';' | '；' | '/' if depth <= 0 => {
                pieces.push(&text[from..place]);
                from = place + c.len_utf8();
            }
            _ => {}
        }
    }
    pieces.push(&text[from..]);
    pieces.retain(|piece| !piece.is_empty());
    let named = |piece: &&str| like_an_organisation(piece.trim_end_matches(')')) || piece.ends_with(')');
    if pieces.len() > 1 && pieces.iter().all(named) { pieces } else { vec![text] }
}

fn like_an_organisation(text: &str) -> bool {
    text.chars().count() >= 4 && text.ends_with(|last| ENDS.contains(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let cell = Cell::read(text);
        let mut out = cell.main.folded.clone();
        for (kind, name) in &cell.others {
            out.push_str(&format!(" {kind:?}={}", name.folded));
        }
        for party in &cell.several {
            out.push_str(&format!(" &{}", party.folded));
        }
        out
    }

    #[test]
    fn a_cell_may_hold_several_names() {
        let table = [
            ("虚构（集团）有限公司", "虚构(集团)有限公司"),
            (
                "虚构进出口(集团)公司(第一名称);虚构进出口公司(第二名称)",
                "虚构进出口(集团)公司 Second=虚构进出口公司",
            ),
            ("虚构集团公司;第二名称:虚构纸箱厂", "虚构集团公司 Second=虚构纸箱厂"),
            ("第一名称:虚构经销公司;第二名称:虚构材料公司", "虚构经销公司 Second=虚构材料公司"),
            ("一、虚构总公司;二、虚构茶叶公司", "虚构总公司 Second=虚构茶叶公司"),
            ("虚构实业总公司;从属名称:虚构无线电厂", "虚构实业总公司 Second=虚构无线电厂"),
            ("虚构集团公司/虚构钢铁厂", "虚构集团公司 Second=虚构钢铁厂"),
            ("虚构供水公司 第二名称：虚构供水局", "虚构供水公司 Second=虚构供水局"),
            ("虚构供销社[虚构实业总公司(从属名称)]", "虚构供销社 Second=虚构实业总公司"),
            ("虚构旅游总公司(1) 虚构供应公司(2)", "虚构旅游总公司 Second=虚构供应公司"),
            ("虚构水泵有限公司(从属名称:虚构水泵厂房)", "虚构水泵有限公司"),
            ("虚构水泵有限公司(从属名称:虚构东方水泵厂)", "虚构水泵有限公司 Second=虚构东方水泵厂"),
            (
                "虚构银行股份有限公司甲支行(简称:虚构银行甲支行)",
                "虚构银行股份有限公司甲支行 Short=虚构银行甲支行",
            ),
            ("虚构租赁有限公司（原虚构金融租赁有限公司）", "虚构租赁有限公司 Former=虚构金融租赁有限公司"),
            ("原虚构财险有限公司（现示例财险有限公司）", "示例财险有限公司 Former=虚构财险有限公司"),
            ("虚构银行甲支行（原甲支行）", "虚构银行甲支行"),
            ("虚构（原野）食品有限公司", "虚构(原野)食品有限公司"),
            ("虚构有限公司（某某3%股权冻结）", "虚构有限公司"),
            ("虚构银行甲分行及相关责任人", "虚构银行甲分行"),
            ("虚构银行甲分行、相关分支机构", "虚构银行甲分行"),
            ("虚构财险甲支公司、乙支公司", "虚构财险甲支公司、乙支公司 &虚构财险甲支公司 &乙支公司"),
            (
                "虚构财险甲公司及相关责任人、虚构财险乙公司",
                "虚构财险甲公司及相关责任人、虚构财险乙公司 &虚构财险甲公司 &虚构财险乙公司",
            ),
            ("虚构木材、果袋加工厂", "虚构木材、果袋加工厂"),
        ];
        for (given, read) in table {
            assert_eq!(shown(given), read, "{given}");
        }
    }
}
