//! Region words 行政区划 in names, from the table of GB/T 2260: with or without their last character (吴忠市, 吴忠).
use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    sync::OnceLock,
};

static TABLE: &str = include_str!("../data/regions.csv");

const ENDINGS: [&str; 13] =
    ["特别行政区", "自治区", "自治州", "自治县", "自治旗", "地区", "省", "市", "县", "区", "旗", "盟", "州"];

// Peoples whose names stand between the name of an autonomous region and its ending, longest first where one begins another.
const PEOPLES: [&str; 50] = [
    "维吾尔",
    "土家族",
    "哈尼族",
    "哈萨克",
    "达斡尔族",
    "达斡尔",
    "柯尔克孜",
    "塔吉克",
    "鄂温克族",
    "景颇族",
    "拉祜族",
    "傈僳族",
    "仡佬族",
    "布依族",
    "蒙古族",
    "蒙古",
    "朝鲜族",
    "布朗族",
    "独龙族",
    "普米族",
    "纳西族",
    "撒拉族",
    "保安族",
    "东乡族",
    "裕固族",
    "毛南族",
    "仫佬族",
    "锡伯",
    "各族",
    "壮族",
    "回族",
    "藏族",
    "彝族",
    "苗族",
    "侗族",
    "瑶族",
    "白族",
    "傣族",
    "黎族",
    "畲族",
    "羌族",
    "水族",
    "怒族",
    "佤族",
    "土族",
    "满族",
    "阿昌族",
    "德昂族",
    "基诺族",
    "高山族",
];

// What follows 市, 县 or 区 where it is no ending: 吴忠市政工程 is of 吴忠, and its trade is 市政.
const NOT_AFTER: [(&str, &str); 3] = [("市", "场政容郊民"), ("县", "级域"), ("区", "域间")];

/// A place that a name begins with or holds in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// The name without its ending.
    pub stem: String,
    /// The ending as written; empty where it was left out.
    pub ending: String,
    // Those that it may be: codes without the zeros at their end.
    codes: Vec<&'static str>,
}

impl Region {
    /// Whether both words may mean one place. 长沙 is the city, 长沙县 is not.
    pub fn is(&self, other: &Self) -> bool {
        let open = self.ending.is_empty()
            || other.ending.is_empty()
            || self.ending.starts_with(&other.ending) != other.ending.starts_with(&self.ending);
        self.stem == other.stem
            && (self.ending == other.ending
                || open && self.codes.iter().any(|code| other.codes.contains(code)))
    }

    /// Whether it holds the other.
    pub fn holds(&self, other: &Self) -> bool {
        self.codes
            .iter()
            .any(|code| other.codes.iter().any(|inner| inner.len() > code.len() && inner.starts_with(code)))
    }

    /// Whether a code of GB/T 2260 lies in it.
    pub fn has(&self, code: &str) -> bool {
        self.codes.iter().any(|own| code.starts_with(own))
    }

    /// Whether the word can hardly be anything but a place: its ending is written, or it is a province or a city of one name.
    pub fn is_plain(&self) -> bool {
        !self.ending.is_empty() || self.codes.iter().all(|code| code.len() <= 4)
    }

    // How fine it is: the more places its code has.
    pub(crate) fn depth(&self) -> usize {
        self.codes.iter().map(|code| code.len()).min().unwrap_or_default()
    }

    // What of its places it means after another word; without its ending it means the greatest of them.
    fn settle(&mut self, outer: Option<&Self>) {
        if let Some(outer) = outer {
            let strictly = |code: &&'static str| {
                outer.codes.iter().any(|own| code.len() > own.len() && code.starts_with(own))
            };
            let inside: Vec<&str> = self.codes.iter().copied().filter(strictly).collect();
            if !inside.is_empty() {
                self.codes = inside;
            }
        }
        if self.ending.is_empty() {
            let greatest = self.depth();
            self.codes.retain(|code| code.len() == greatest);
        }
    }
}

// A name of the table, or one without its ending.
struct Entry {
    word: &'static str,
    // How much of it is the stem.
    stem: usize,
    codes: Vec<&'static str>,
    // A stem alone may be a trade name too; this one names one place only, or a city, or a county.
    alone: bool,
}

// By the first character, the longest first.
fn known() -> &'static HashMap<char, Vec<Entry>> {
    static KNOWN: OnceLock<HashMap<char, Vec<Entry>>> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let mut words: BTreeMap<(&str, usize), (Vec<&'static str>, bool)> = BTreeMap::new();
        let rows = TABLE.lines().filter(|line| !line.starts_with('#')).skip(1);
        for (code, name) in rows.filter_map(|line| line.split_once(',')) {
            let code = code.strip_suffix("00").unwrap_or(code);
            let code = if code.len() == 4 { code.strip_suffix("00").unwrap_or(code) } else { code };
            let stem = stem(name);
            words.entry((name, stem.len())).or_default().0.push(code);
            if stem.chars().count() >= 2 {
                let (codes, alone) = words.entry((stem, stem.len())).or_default();
                codes.push(code);
                *alone |= code.len() <= 4 || !name.ends_with('区');
            }
        }
        let mut known: HashMap<char, Vec<Entry>> = HashMap::new();
        for ((word, stem), (codes, alone)) in words {
            let alone = alone || codes.len() == 1;
            let entry = Entry { word, stem, codes, alone };
            known.entry(word.chars().next().unwrap_or_default()).or_default().push(entry);
        }
        known.values_mut().for_each(|entries| entries.sort_by_key(|entry| Reverse(entry.word.len())));
        known
    })
}

fn stem(name: &'static str) -> &'static str {
    let Some(ending) = ENDINGS.iter().find(|ending| name.ends_with(**ending)) else { return name };
    let mut stem = name.strip_suffix(ending).unwrap_or(name);
    if ending.starts_with("自治") {
        let shorter = |stem: &'static str| PEOPLES.iter().find_map(|people| stem.strip_suffix(people));
        while let Some(rest) = shorter(stem).filter(|rest| rest.chars().count() >= 2) {
            stem = rest;
        }
    }
    stem
}

// The longest region word that a text begins with.
fn longest(text: &str) -> Option<(Region, usize, bool)> {
    let entries = known().get(&text.chars().next()?)?;
    let mut best: Option<(&Entry, usize)> = None;
    for entry in entries {
        let Some(rest) = text.strip_prefix(entry.word) else { continue };
        let mut length = entry.word.len();
        if entry.stem == length {
            // An ending that the table does not know: 即墨市 is 即墨区 now.
            let ending = ENDINGS.iter().find(|ending| rest.starts_with(**ending));
            length += ending.map_or(0, |ending| ending.len());
        }
        let ended = length > entry.stem;
        let misread = ended && {
            let behind = &text[length..];
            let word = &text[..length];
            NOT_AFTER
                .iter()
                .any(|(ending, after)| word.ends_with(ending) && behind.starts_with(|c| after.contains(c)))
        };
        let length = if misread { entry.stem } else { length };
        if best.is_none_or(|(_, longest)| length > longest) {
            best = Some((entry, length));
        }
    }
    let (entry, length) = best?;
    let ending = text[entry.stem..length].to_owned();
    let alone = entry.alone || !ending.is_empty();
    let region = Region { stem: entry.word[..entry.stem].to_owned(), ending, codes: entry.codes.clone() };
    (region.stem.chars().count() >= 2 || !region.ending.is_empty()).then_some((region, length, alone))
}

/// The region word at the beginning of a text, and how many bytes it takes. `outer` is the one before it: 朝阳 after 北京 is the
/// district, whose name alone might be a trade name; 凌云 after 天津 is a trade name, since that county lies elsewhere.
pub fn at_start(text: &str, outer: Option<&Region>) -> Option<(Region, usize)> {
    let (mut region, length, alone) = longest(text)?;
    region.settle(outer);
    let fits = outer.is_some_and(|outer| outer.holds(&region));
    let stands = if outer.is_some() && region.ending.is_empty() { fits } else { fits || alone };
    stands.then_some((region, length))
}

/// Region words that make up a whole text, as in brackets: （宁夏）, （吴忠市）.
pub fn whole(text: &str) -> Option<Vec<Region>> {
    let (mut words, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let (word, length) = at_start(rest, words.last())?;
        words.push(word);
        rest = &rest[length..];
    }
    (!words.is_empty()).then_some(words)
}

/// A piece of a branch's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A region word.
    Place(Region),
    /// What is none.
    Text(String),
}

/// The pieces of a text: 陕西省分行 is 陕西省 and 分行.
pub fn pieces(text: &str) -> Vec<Piece> {
    let (mut out, mut plain, mut rest) = (Vec::new(), String::new(), text);
    while let Some(c) = rest.chars().next() {
        let outer = out
            .iter()
            .rev()
            .find_map(|piece| if let Piece::Place(region) = piece { Some(region) } else { None });
        // Of 城市支行 nothing is a place: what is left must still name a branch.
        let found = longest(rest).filter(|&(_, length, _)| length < rest.len());
        if let Some((mut region, length, _)) = found {
            region.settle(outer);
            if !plain.is_empty() {
                out.push(Piece::Text(std::mem::take(&mut plain)));
            }
            out.push(Piece::Place(region));
            rest = &rest[length..];
        } else {
            plain.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    if !plain.is_empty() {
        out.push(Piece::Text(plain));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        whole(text)
            .unwrap_or_default()
            .into_iter()
            .map(|region| format!("{}|{}", region.stem, region.ending))
            .collect()
    }

    #[test]
    fn words_are_found_with_and_without_their_endings() {
        assert_eq!(words("宁夏回族自治区吴忠市"), ["宁夏|回族自治区", "吴忠|市"]);
        assert_eq!(words("宁夏吴忠红寺堡"), ["宁夏|", "吴忠|", "红寺堡|"]);
        assert_eq!(words("北京市朝阳"), ["北京|市", "朝阳|"]);
        assert_eq!(words("恩施州"), ["恩施|州"]);
        assert_eq!(words("寻甸回族彝族自治县"), ["寻甸|回族彝族自治县"]);
        assert_eq!(words("即墨市"), ["即墨|市"]);
        assert_eq!(words("赵县"), ["赵|县"]);
        assert_eq!(words("虚构"), [""; 0]);
    }

    #[test]
    fn a_trade_name_is_no_place() {
        assert!(at_start("鼓楼贸易", None).is_none());
        let (region, length) = at_start("吴忠市政工程", None).unwrap();
        assert_eq!((region.stem.as_str(), region.ending.as_str(), length), ("吴忠", "", 6));
    }

    #[test]
    fn places_hold_each_other() {
        let all = |text: &str| whole(text).unwrap().pop().unwrap();
        assert!(all("宁夏").holds(&all("吴忠市")));
        assert!(!all("吴忠").holds(&all("中卫市")));
        assert!(all("吴忠").is(&all("吴忠市")));
        assert!(!all("长沙市").is(&all("长沙县")));
        assert!(all("吴忠市").has("640302"));
    }

    #[test]
    fn a_branch_holds_places_too() {
        let shown = |text: &str| {
            let name = |piece: &Piece| match piece {
                Piece::Place(region) => format!("{}|{}", region.stem, region.ending),
                Piece::Text(text) => text.clone(),
            };
            pieces(text).iter().map(name).collect::<Vec<_>>()
        };
        assert_eq!(shown("陕西省分行"), ["陕西|省", "分行"]);
        assert_eq!(shown("大连市中山支公司"), ["大连|市", "中山|", "支公司"]);
        assert_eq!(shown("第三中心支公司"), ["第三中心支公司"]);
    }
}
