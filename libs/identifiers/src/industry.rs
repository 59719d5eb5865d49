//! Industries 国民经济行业分类 (GB/T 4754-2017): a filter means it and all below it.

use crate::fault::{Fault, quoted};

/// Sections 门类 with their names and the divisions 大类 that they contain.
const SECTIONS: [(char, &str, u8, u8); 20] = [
    ('A', "农、林、牧、渔业", 1, 5),
    ('B', "采矿业", 6, 12),
    ('C', "制造业", 13, 43),
    ('D', "电力、热力、燃气及水生产和供应业", 44, 46),
    ('E', "建筑业", 47, 50),
    ('F', "批发和零售业", 51, 52),
    ('G', "交通运输、仓储和邮政业", 53, 60),
    ('H', "住宿和餐饮业", 61, 62),
    ('I', "信息传输、软件和信息技术服务业", 63, 65),
    ('J', "金融业", 66, 69),
    ('K', "房地产业", 70, 70),
    ('L', "租赁和商务服务业", 71, 72),
    ('M', "科学研究和技术服务业", 73, 75),
    ('N', "水利、环境和公共设施管理业", 76, 79),
    ('O', "居民服务、修理和其他服务业", 80, 82),
    ('P', "教育", 83, 83),
    ('Q', "卫生和社会工作", 84, 85),
    ('R', "文化、体育和娱乐业", 86, 90),
    ('S', "公共管理、社会保障和社会组织", 91, 96),
    ('T', "国际组织", 97, 97),
];

/// An industry: a section (`F`) or 2 to 4 digits below it (`52`, `5211`; `F5211` means `5211`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Industry {
    section: usize,
    digits: String,
}

impl Industry {
    /// Takes a code, or refuses it with `INDUSTRY_INVALID`.
    pub fn parse(given: &str) -> Result<Self, Fault> {
        Self::read(given.trim()).ok_or_else(|| {
            Fault::new(
                "INDUSTRY_INVALID",
                format!(
                    "'{}' is no industry. Give a GB/T 4754-2017 code: a section (F), or 2 to 4 digits (52, 5211, \
                     F5211) of a division that exists and belongs to the section before it.",
                    quoted(given)
                ),
                format!(
                    "“{}”不是行业代码，请填写GB/T 4754-2017代码：门类（F），或2至4位数字（52、5211、F5211），\
                     大类须存在并属于其门类。",
                    quoted(given)
                ),
            )
        })
    }

    fn read(code: &str) -> Option<Self> {
        let digits = code.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        let letter = match &code.as_bytes()[..code.len() - digits.len()] {
            [] => None,
            [letter] => Some(char::from(letter.to_ascii_uppercase())),
            _ => return None,
        };
        let lettered = |section: usize| letter.is_none_or(|letter| SECTIONS[section].0 == letter);
        if digits.is_empty() {
            let section = SECTIONS.iter().position(|section| Some(section.0) == letter)?;
            return Some(Self { section, digits: String::new() });
        }
        if !(2..=4).contains(&digits.len()) || !digits.bytes().all(|c| c.is_ascii_digit()) {
            return None;
        }
        let division: u8 = digits[..2].parse().ok()?;
        let section = SECTIONS.iter().position(|&(_, _, first, last)| (first..=last).contains(&division))?;
        lettered(section).then(|| Self { section, digits: digits.to_owned() })
    }

    /// The one spelling to store: digits where there are any, else the section's letter.
    pub fn canonical(&self) -> String {
        if self.digits.is_empty() { self.section().to_string() } else { self.digits.clone() }
    }

    /// The section 门类.
    pub fn section(&self) -> char {
        SECTIONS[self.section].0
    }

    /// The section's name.
    pub fn section_name(&self) -> &'static str {
        SECTIONS[self.section].1
    }

    /// What the canonical spelling of every code in this industry begins with; for a section its letter and the
    /// two digits of each division. Letters and digits only, so they are safe in `LIKE` before a `%`.
    pub fn prefixes(&self) -> Vec<String> {
        if !self.digits.is_empty() {
            return vec![self.digits.clone()];
        }
        let (letter, _, first, last) = SECTIONS[self.section];
        std::iter::once(letter.to_string())
            .chain((first..=last).map(|division| format!("{division:02}")))
            .collect()
    }

    /// Whether another code, however spelt, is this industry or lies in it. What is no industry lies in none.
    pub fn contains(&self, code: &str) -> bool {
        Self::parse(code)
            .is_ok_and(|other| other.section == self.section && other.digits.starts_with(&self.digits))
    }
}
