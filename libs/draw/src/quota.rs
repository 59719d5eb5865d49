//! Quotas 抽取比例: how many of each stratum are drawn, in exact decimals.

use std::collections::BTreeMap;
use std::fmt;

use crate::fault::Fault;
use crate::roster::{Roster, is_plain};

/// Decimal places that a percent may have. With 100 percent of every enterprise on earth it stays far below 2^128.
const PLACES: usize = 12;
const ONE: u64 = 10u64.pow(PLACES as u32);

/// A percentage from 0 to 100, exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u64);

impl Percent {
    /// Reads a decimal such as `12.5`.
    pub fn parse(given: &str) -> Result<Self, Fault> {
        Self::read(given).ok_or_else(|| {
            let shown: String = given.chars().take(40).flat_map(char::escape_debug).collect();
            Fault::new(
                "PERCENT_INVALID",
                format!(
                    "'{shown}' is no percent. Give a decimal from 0 to 100 with at most {PLACES} places."
                ),
                format!("“{shown}”不是百分比，请填写0至100之间、至多{PLACES}位小数的数。"),
            )
        })
    }

    /// Takes a number of the wire for the shortest decimal that denotes it: 0.1 is one tenth, not the binary
    /// fraction next to it.
    pub fn from_f64(given: f64) -> Result<Self, Fault> {
        Self::parse(&given.to_string())
    }

    fn read(given: &str) -> Option<Self> {
        let (whole, fraction) = given.split_once('.').unwrap_or((given, ""));
        let is_number = |digits: &str| digits.bytes().all(|c| c.is_ascii_digit());
        let sized = (1..=3).contains(&whole.len()) && fraction.len() <= PLACES;
        if !sized || !is_number(whole) || !is_number(fraction) || given.ends_with('.') {
            return None;
        }
        let parts = whole.parse::<u64>().ok()? * ONE + format!("{fraction:0<PLACES$}").parse::<u64>().ok()?;
        (parts <= 100 * ONE).then_some(Self(parts))
    }

    /// This percentage of a number, rounded up.
    pub fn of_rounded_up(self, members: usize) -> usize {
        let part = (u128::from(self.0) * members as u128).div_ceil(100 * u128::from(ONE));
        // At most 100 percent, so it fits where the members fit.
        usize::try_from(part).unwrap_or(members)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:0PLACES$}", self.0 / ONE, self.0 % ONE);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// What a plan asks for in a stratum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The stratum, which is a grade.
    pub stratum: String,
    /// The part of its members to draw.
    pub percent: Percent,
    /// The least number to draw, as far as there are members.
    pub at_least: u64,
}

/// How many are drawn of each stratum with members, sorted by the bytes of the stratum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quotas(Vec<(String, usize)>);

impl Quotas {
    /// `k = min(N, max(atLeast, ceil(percent × N / 100)))` for each stratum; where the plan asks for nothing, 0.
    pub fn of(roster: &Roster, wanted: &[Quota]) -> Result<Self, Fault> {
        let mut by_stratum: BTreeMap<&str, &Quota> = BTreeMap::new();
        for quota in wanted {
            if by_stratum.insert(&quota.stratum, quota).is_some() {
                return Err(twice(&quota.stratum));
            }
        }
        let drawn = |stratum: &str, members: usize| {
            by_stratum.get(stratum).map_or(0, |quota| {
                let at_least = usize::try_from(quota.at_least).unwrap_or(usize::MAX);
                quota.percent.of_rounded_up(members).max(at_least).min(members)
            })
        };
        let strata = roster.strata().iter();
        Ok(Self(strata.map(|(stratum, members)| (stratum.clone(), drawn(stratum, *members))).collect()))
    }

    /// Reads quotas back from their text; what is wrong is named by its line.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let mut quotas: Vec<(String, usize)> = Vec::new();
        for (index, line) in text.split_inclusive('\n').enumerate() {
            let (stratum, drawn) = split_line(line).ok_or_else(|| malformed(index + 1))?;
            match quotas.last() {
                Some((previous, _)) if previous == stratum => return Err(twice(stratum)),
                Some((previous, _)) if previous.as_str() > stratum => return Err(unsorted(index + 1)),
                _ => quotas.push((stratum.to_owned(), drawn)),
            }
        }
        Ok(Self(quotas))
    }

    /// The text that is committed: one line `stratum,k` each.
    pub fn text(&self) -> String {
        self.0.iter().map(|(stratum, drawn)| format!("{stratum},{drawn}\n")).collect()
    }

    /// Each stratum with how many of it are drawn.
    pub fn strata(&self) -> &[(String, usize)] {
        &self.0
    }

    /// How many are drawn of a stratum.
    pub fn of_stratum(&self, stratum: &str) -> usize {
        self.0.iter().find(|(name, _)| name == stratum).map_or(0, |&(_, drawn)| drawn)
    }

    /// How many are drawn in all.
    pub fn total(&self) -> usize {
        self.0.iter().fold(0, |total, &(_, drawn)| total.saturating_add(drawn))
    }
}

fn split_line(line: &str) -> Option<(&str, usize)> {
    let (stratum, digits) = line.strip_suffix('\n')?.split_once(',')?;
    let drawn: usize = digits.parse().ok()?;
    // Only the plain spelling: +3 or 03 would hash differently from the 3 that it means.
    (is_plain(stratum) && drawn.to_string() == digits).then_some((stratum, drawn))
}

fn malformed(line: usize) -> Fault {
    Fault::new(
        "QUOTA_INVALID",
        format!("Line {line} of the quotas is not 'stratum,k' ended by one line feed."),
        format!("抽取数第{line}行不是以换行符结尾的“等级,抽取数”。"),
    )
}

fn twice(stratum: &str) -> Fault {
    let shown = stratum.escape_debug();
    Fault::new(
        "QUOTA_INVALID",
        format!("Stratum '{shown}' has two quotas. Give one for each grade."),
        format!("等级“{shown}”有两个抽取比例，每个等级只填一个。"),
    )
}

fn unsorted(line: usize) -> Fault {
    Fault::new(
        "QUOTA_INVALID",
        format!("Line {line} of the quotas is out of order: lines are sorted by the bytes of the stratum."),
        format!("抽取数第{line}行次序有误，应按等级的字节顺序排列。"),
    )
}
