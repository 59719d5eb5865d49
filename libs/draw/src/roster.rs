//! The roster 抽查名单: one line `uscc,stratum` for each subject in scope, sorted by the bytes of the code.

use std::collections::BTreeMap;

use crate::fault::Fault;
use crate::seed::digest;

/// A frozen roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster {
    text: String,
    members: Vec<Member>,
    /// Each stratum with the number of its members, sorted by its bytes.
    strata: Vec<(String, usize)>,
}

/// Where a member's line begins and where its comma is in the text, and its place among the strata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Member {
    start: usize,
    comma: usize,
    stratum: usize,
}

impl Roster {
    /// Makes the roster of subjects with their strata, in whatever order they come.
    pub fn new<C: AsRef<str>, S: AsRef<str>>(pairs: impl IntoIterator<Item = (C, S)>) -> Result<Self, Fault> {
        let mut pairs: Vec<(C, S)> = pairs.into_iter().collect();
        pairs.sort_unstable_by(|(one, _), (other, _)| one.as_ref().cmp(other.as_ref()));
        let mut text = String::with_capacity(pairs.len() * 24);
        for (uscc, stratum) in &pairs {
            // A comma or a line break inside would let one roster read as another.
            for part in [uscc.as_ref(), stratum.as_ref()] {
                if !is_plain(part) {
                    return Err(malformed_part(part));
                }
            }
            text.extend([uscc.as_ref(), ",", stratum.as_ref(), "\n"]);
        }
        drop(pairs);
        Self::parse(text)
    }

    /// Reads a roster back from its text; what is wrong is named by its line.
    pub fn parse(text: impl Into<String>) -> Result<Self, Fault> {
        let text: String = text.into();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut previous = "";
        for (index, line) in text.split_inclusive('\n').enumerate() {
            let (uscc, stratum) = split_line(line).ok_or_else(|| malformed_line(index + 1))?;
            if index > 0 && uscc <= previous {
                return Err(if uscc == previous { duplicate(index + 1, uscc) } else { unsorted(index + 1) });
            }
            previous = uscc;
            *counts.entry(stratum).or_default() += 1;
        }
        let strata: Vec<(String, usize)> =
            counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
        let members = members(&text, &strata);
        Ok(Self { text, members, strata })
    }

    /// The text that is hashed, and published where the scheme's grades are public.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text in parts of whole lines, each of so many bytes or a line more; none where nobody is in scope.
    pub fn parts(&self, bytes: usize) -> Vec<&str> {
        let (mut parts, mut start) = (Vec::new(), 0);
        for member in &self.members {
            if member.start - start >= bytes.max(1) {
                parts.push(&self.text[start..member.start]);
                start = member.start;
            }
        }
        if start < self.text.len() {
            parts.push(&self.text[start..]);
        }
        parts
    }

    /// The digest 名单摘要 that is public before the entropy exists.
    pub fn digest(&self) -> String {
        digest(&self.text)
    }

    /// The number of subjects.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether nobody is in scope.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Each stratum with the number of its members, in the order of the draw.
    pub fn strata(&self) -> &[(String, usize)] {
        &self.strata
    }

    /// Each subject with its stratum, sorted by code.
    pub fn members(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.members.iter().map(|member| (self.code(member), self.strata[member.stratum].0.as_str()))
    }

    /// The stratum of a subject, or nothing where it is not on the roster.
    pub fn stratum_of(&self, uscc: &str) -> Option<&str> {
        let index = self.members.binary_search_by(|member| self.code(member).cmp(uscc)).ok()?;
        Some(&self.strata[self.members[index].stratum].0)
    }

    /// Each subject with the place of its stratum among [`Roster::strata`].
    pub(crate) fn placed(&self) -> impl Iterator<Item = (&str, usize)> {
        self.members.iter().map(|member| (self.code(member), member.stratum))
    }

    /// The code in a place, which is one of [`Roster::placed`].
    pub(crate) fn code_at(&self, place: usize) -> &str {
        self.code(&self.members[place])
    }

    fn code(&self, member: &Member) -> &str {
        &self.text[member.start..member.comma]
    }
}

fn members(text: &str, strata: &[(String, usize)]) -> Vec<Member> {
    let mut start = 0;
    let placed = text.split_inclusive('\n').filter_map(|line| {
        let (uscc, stratum) = split_line(line)?;
        let stratum = strata.binary_search_by(|(name, _)| name.as_str().cmp(stratum)).ok()?;
        let member = Member { start, comma: start + uscc.len(), stratum };
        start += line.len();
        Some(member)
    });
    placed.collect()
}

fn split_line(line: &str) -> Option<(&str, &str)> {
    let (uscc, stratum) = line.strip_suffix('\n')?.split_once(',')?;
    (is_plain(uscc) && is_plain(stratum)).then_some((uscc, stratum))
}

/// Whether a code or a stratum can stand in a line of its own accord.
pub(crate) fn is_plain(part: &str) -> bool {
    !part.is_empty() && !part.contains(|c: char| c == ',' || c.is_control())
}

fn malformed_part(part: &str) -> Fault {
    let shown = part.escape_debug();
    Fault::new(
        "ROSTER_INVALID",
        format!(
            "'{shown}' cannot stand on a roster: codes and strata are not empty and hold no comma or line break."
        ),
        format!("“{shown}”不能列入名单：代码和等级不得为空，不得含逗号或换行。"),
    )
}

fn malformed_line(line: usize) -> Fault {
    Fault::new(
        "ROSTER_INVALID",
        format!("Line {line} of the roster is not 'uscc,stratum' ended by one line feed."),
        format!("名单第{line}行不是以换行符结尾的“代码,等级”。"),
    )
}

fn duplicate(line: usize, uscc: &str) -> Fault {
    Fault::new(
        "ROSTER_INVALID",
        format!("{uscc} stands twice on the roster (line {line}). List each subject once."),
        format!("{uscc}在名单中重复（第{line}行），每个主体只列一次。"),
    )
}

fn unsorted(line: usize) -> Fault {
    Fault::new(
        "ROSTER_INVALID",
        format!("Line {line} of the roster is out of order: lines are sorted by the bytes of the code."),
        format!("名单第{line}行次序有误，应按代码的字节顺序排列。"),
    )
}
