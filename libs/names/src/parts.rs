//! The parts of a name 名称的构成: region words 行政区划, trade name and industry 字号与行业, legal form 组织形式, and what belongs to
//! a branch 分支机构 rather than to the enterprise that keeps it (企业名称登记管理规定 6, 13).
use crate::{
    fold::unbracketed,
    region::{self, Piece, Region},
};

/// How an enterprise is organised, as far as its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// 有限责任公司, 有限公司.
    Limited,
    /// 股份有限公司, 股份公司.
    Shares,
    /// 公司 without a word of liability: state and collective enterprises of old, or a short form.
    Company,
    /// 总公司.
    Head,
    /// 合伙 of any kind, in brackets.
    Partnership,
    /// Another word or none: it stands in the body.
    Other,
}

// Longest first where one ends like another.
const FORMS: [(&str, Form); 8] = [
    ("有限责任公司", Form::Limited),
    ("股份有限公司", Form::Shares),
    ("股份公司", Form::Shares),
    ("有限公司", Form::Limited),
    ("责任公司", Form::Limited),
    ("总公司", Form::Head),
    ("公司", Form::Company),
    ("", Form::Other),
];

const PARTNERSHIPS: [&str; 5] = ["有限合伙", "普通合伙", "特殊普通合伙", "特殊的普通合伙", "合伙"];

// How the name of a bank's branch ends; the bank's own may lack its form before it (平安银行北京分行).
const COUNTERS: [&str; 10] =
    ["分行", "支行", "分理处", "储蓄所", "营业部", "营业所", "营业室", "中心", "代办处", "办事处"];

/// A name taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The region words, in the order of the name.
    pub regions: Vec<Region>,
    /// Trade name and industry, without brackets.
    pub body: String,
    /// The legal form.
    pub form: Form,
    /// The legal form as written.
    pub form_text: String,
    /// What follows the enterprise's own name; empty where the name is the enterprise's.
    pub branch: String,
    /// Its pieces.
    pub branch_pieces: Vec<Piece>,
    // How many of the region words stand before the body.
    leading: usize,
}

impl Parts {
    /// Takes a folded name apart.
    pub fn of(folded: &str) -> Self {
        let (parent, branch) = divide(folded);
        let (mut regions, mut places, mut rest): (Vec<Region>, Vec<&str>, &str) =
            (Vec::new(), Vec::new(), parent);
        while let Some((word, length)) = leading(rest, regions.last()) {
            let left = &rest[length..];
            if form_of(left).0.is_empty() {
                break;
            }
            regions.push(word);
            places.push(rest);
            rest = left;
        }
        let (mut inner, mut bracketed, mut partnership) = open_brackets(rest, regions.last());
        // 凌云(天津): the county of that name lies elsewhere, so that it is a trade name here.
        while let (Some(last), Some(bracket), Some(place)) =
            (regions.last(), bracketed.first(), places.last())
            && last.ending.is_empty()
            && !last.holds(bracket)
            && !bracket.holds(last)
        {
            regions.pop();
            (inner, bracketed, partnership) = open_brackets(place, regions.last());
            places.pop();
        }
        let leading = regions.len();
        regions.extend(bracketed);
        let (body, form_text, form) = form_of(&inner);
        let form = if partnership { Form::Partnership } else { form };
        let branch = unbracketed(branch);
        let branch_pieces = region::pieces(&branch);
        Self {
            regions,
            body: body.to_owned(),
            form,
            form_text: form_text.to_owned(),
            branch,
            branch_pieces,
            leading,
        }
    }

    /// The finest region word.
    pub fn finest(&self) -> Option<&Region> {
        self.regions.iter().max_by_key(|region| region.depth())
    }

    /// The enterprise that keeps the branch.
    pub fn parent(&self) -> Self {
        Self { branch: String::new(), branch_pieces: Vec::new(), ..self.clone() }
    }

    /// The branch's name without the endings of its region words.
    pub fn branch_stem(&self) -> String {
        let stem = |piece: &Piece| match piece {
            Piece::Place(region) => region.stem.clone(),
            Piece::Text(text) => text.clone(),
        };
        self.branch_pieces.iter().map(stem).collect()
    }

    /// Whether both name one branch; the endings of region words may be left out.
    pub fn same_branch(&self, other: &Self) -> bool {
        let (a, b) = (&self.branch_pieces, &other.branch_pieces);
        a.len() == b.len()
            && a.iter().zip(b).all(|pair| match pair {
                (Piece::Place(a), Piece::Place(b)) => a.is(b),
                (a, b) => a == b,
            })
    }

    /// Whether the region words stand at the same places.
    pub fn same_places(&self, other: &Self) -> bool {
        (self.leading > 0) == (other.leading > 0)
            && (self.leading == self.regions.len()) == (other.leading == other.regions.len())
    }
}

// The enterprise's own name, and what of a branch follows it.
fn divide(folded: &str) -> (&str, &str) {
    let mut from = 0;
    while let Some(at) = folded[from..].find("公司") {
        let end = from + at + "公司".len();
        let rest = &folded[end..];
        // 进出口公司)… closes a bracket that a group's word opened: (集团公司).
        if rest.is_empty() {
            break;
        }
        if !rest.starts_with(')') && !is_partnership(rest) {
            return folded.split_at(end);
        }
        from = end;
    }
    if let Some(at) = folded.find("银行") {
        let (parent, rest) = folded.split_at(at + "银行".len());
        if !folded.contains("公司") && COUNTERS.iter().any(|ending| rest.ends_with(ending)) {
            return (parent, rest);
        }
    }
    (folded, "")
}

fn is_partnership(text: &str) -> bool {
    PARTNERSHIPS
        .iter()
        .any(|kind| text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) == Some(kind))
}

fn leading(text: &str, outer: Option<&Region>) -> Option<(Region, usize)> {
    if let Some(inside) = text.strip_prefix('(') {
        let (inside, _) = inside.split_once(')')?;
        let mut words = region::whole(inside)?;
        return (words.len() == 1).then(|| words.pop().map(|word| (word, inside.len() + 2))).flatten();
    }
    region::at_start(text, outer)
}

// The text without its brackets, the region words that stood in them, and whether one said partnership.
fn open_brackets(text: &str, outer: Option<&Region>) -> (String, Vec<Region>, bool) {
    let (mut out, mut regions, mut partnership) = (String::with_capacity(text.len()), Vec::new(), false);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('(') {
        out.push_str(&before.replace(')', ""));
        let Some((inside, behind)) = after.split_once(')') else {
            rest = after;
            continue;
        };
        if let Some(words) = region::whole(inside).or_else(|| {
            region::at_start(inside, outer)
                .filter(|(_, length)| *length == inside.len())
                .map(|(word, _)| vec![word])
        }) {
            regions.extend(words);
        } else if PARTNERSHIPS.contains(&inside) {
            partnership = true;
        } else {
            out.push_str(inside);
        }
        rest = behind;
    }
    out.push_str(&rest.replace(')', ""));
    (out, regions, partnership)
}

fn form_of(text: &str) -> (&str, &str, Form) {
    FORMS
        .iter()
        .find_map(|(ending, form)| text.strip_suffix(ending).map(|body| (body, *ending, *form)))
        .unwrap_or((text, "", Form::Other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: &str) -> String {
        let parts = Parts::of(&crate::fold::fold(name));
        let regions: Vec<&str> = parts.regions.iter().map(|region| region.stem.as_str()).collect();
        format!("{}/{}/{}/{}", regions.join("+"), parts.body, parts.form_text, parts.branch_stem())
    }

    #[test]
    fn names_are_taken_apart() {
        let table = [
            ("宁夏回族自治区吴忠市虚构商贸有限公司", "宁夏+吴忠/虚构商贸/有限公司/"),
            ("虚构（宁夏）商贸有限责任公司", "宁夏/虚构商贸/有限责任公司/"),
            ("虚构商贸(吴忠市)股份有限公司", "吴忠/虚构商贸/股份有限公司/"),
            ("虚构（集团）总公司", "/虚构集团/总公司/"),
            ("虚构财险股份有限公司青岛市分公司即墨支公司", "/虚构财险/股份有限公司/青岛分公司即墨支公司"),
            ("虚构银行北京分行", "/虚构银行//北京分行"),
            ("虚构银行股份有限公司", "/虚构银行/股份有限公司/"),
            ("虚构投资中心(有限合伙)", "/虚构投资中心//"),
            ("吴忠市公司", "/吴忠市/公司/"),
            ("虚构（中国）有限公司上海代表处", "/虚构中国/有限公司/上海代表处"),
            ("盐池县虚构供销合作社", "盐池/虚构供销合作社//"),
            ("虚构(集团公司)吴忠供应站", "/虚构集团公司吴忠供应站//"),
        ];
        for (name, parts) in table {
            assert_eq!(shown(name), parts, "{name}");
        }
    }
}
