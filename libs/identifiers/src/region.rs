//! Regions 行政区划 (GB/T 2260, and the 9 and 12 digits of townships and villages): a filter means it and all below it.

use crate::fault::{Fault, quoted};

static NAMES: &str = include_str!("../data/regions_ningxia.csv");

/// A region code of 2, 4, 6, 9 or 12 digits. It need not be current: retired codes live on in old registrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region<'a> {
    code: &'a str,
}

impl<'a> Region<'a> {
    /// Takes a code, or refuses it with `REGION_INVALID`.
    pub fn parse(given: &'a str) -> Result<Self, Fault> {
        let code = given.trim();
        let sized = matches!(code.len(), 2 | 4 | 6 | 9 | 12);
        if sized && code.bytes().all(|c| c.is_ascii_digit()) && !code.starts_with('0') {
            return Ok(Self { code });
        }
        Err(Fault::new(
            "REGION_INVALID",
            format!("'{}' is no region. Give a GB/T 2260 code of 6 digits, such as 640302.", quoted(given)),
            format!("“{}”不是行政区划代码，请填写GB/T 2260的6位代码，例如640302。", quoted(given)),
        ))
    }

    /// The code as given.
    pub fn code(self) -> &'a str {
        self.code
    }

    /// What every code in this region begins with: 640300 covers what begins with 6403. Digits only, so it is
    /// safe in `LIKE` before a `%`.
    pub fn prefix(self) -> &'a str {
        let mut prefix = self.code;
        // A level's code is filled up with zeros: three a level below the county, two from the county up.
        for length in [12, 9] {
            prefix =
                if prefix.len() == length { prefix.strip_suffix("000").unwrap_or(prefix) } else { prefix };
        }
        for length in [6, 4] {
            prefix =
                if prefix.len() == length { prefix.strip_suffix("00").unwrap_or(prefix) } else { prefix };
        }
        prefix
    }

    /// Whether another code is this region or lies in it.
    pub fn contains(self, code: &str) -> bool {
        code.starts_with(self.prefix())
    }

    /// The name of the region, where the built-in table has it.
    pub fn name(self) -> Option<&'static str> {
        name(self.code)
    }
}

/// The name of a code, where it is in the built-in table (Ningxia and Wuzhong's townships).
pub fn name(code: &str) -> Option<&'static str> {
    all().find(|&(known, _)| known == code).map(|(_, name)| name)
}

/// Every code of the built-in table with its name, in the order of the codes within each level.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    NAMES.lines().filter(|line| !line.starts_with('#')).skip(1).filter_map(|line| line.split_once(','))
}
