//! The fact sheet of one subject: what its records say that a scheme can count, kept together and compact.
//! The sheet is its own stored form, so that reading it costs one check.
mod grants;
mod packed;
mod stored;
#[cfg(test)]
mod tests;

use jiff::civil::Date;
use prost::Message;

pub(crate) use grants::Cover;
pub use grants::{Grant, MAX_GRANTS};
use packed::Packed;
pub(crate) use packed::{Group, Row, Scalar, is_same};
use stored::Sheet;

use crate::{decimal::Decimal, text::Bilingual};

/// The facts that one sheet holds at most: the bound under which no sum of §4.1 overflows.
pub const MAX_FACTS: usize = 100_000;
/// The value of a record's field, as its item types it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A whole or decimal number.
    Number(Decimal),
    /// Text; a code of a class too.
    Text(String),
    /// Yes or no.
    Bool(bool),
    /// A date.
    Date(Date),
}

/// One version of one record, as far as grading is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The record's name: the key of the fact together with `version`.
    pub record: String,
    /// The version of the record: a correction makes the next one.
    pub version: u32,
    /// The catalogued item 目录事项.
    pub item: String,
    /// The day of what the record tells.
    pub occurred_on: Date,
    /// The severity class.
    pub severity: i32,
    /// The amount of money, where there is one.
    pub amount: Option<Decimal>,
    /// The item's own fields that the record carries.
    pub fields: Vec<(String, Value)>,
    /// The place in the order of recording: decides between records of the same day.
    pub order: u64,
    /// The first day on which this version stands: none if always, the day of the correction for a corrected
    /// version.
    pub effective_from: Option<Date>,
    /// The first day on which it no longer stands (withdrawn, corrected away, repaired); none if it stands.
    pub effective_until: Option<Date>,
}

/// One step in a subject's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A version of a record: replaces the same version, and ends the versions before it on its
    /// `effective_from`. Put in any order, the versions of a record come to the same.
    Put(Fact),
    /// The record no longer counts from this day on (withdrawn, repaired); for days before, it still does.
    End { record: String, on: Date },
    /// The record is taken out, as if it had never been.
    Remove { record: String },
    /// A line of a grant: replaces the same line.
    Grant(Grant),
    /// A grant no longer covers anything from this day on.
    Revoke { grant: String, on: Date },
    /// A grant is taken out, as if it had never been.
    RemoveGrant { grant: String },
}

/// Why a sheet cannot be read or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SheetFault {
    /// The subject would have more than [`MAX_FACTS`] facts.
    Full,
    /// The subject would have more than [`MAX_GRANTS`] lines of grants.
    Grants,
    /// The bytes are no sheet of this format.
    Unreadable,
}

impl SheetFault {
    /// What is wrong and what to do.
    pub fn message(self) -> Bilingual {
        match self {
            Self::Full => Bilingual::new(
                format!("the subject already has {MAX_FACTS} facts: remove what no scheme counts"),
                format!("该主体的记录已达 {MAX_FACTS} 条上限：请移除不参与评价的记录"),
            ),
            Self::Grants => Bilingual::new(
                format!("the subject already has {MAX_GRANTS} grants: remove those that ended long ago"),
                format!("该主体的授权已达 {MAX_GRANTS} 项上限：请移除早已失效的授权"),
            ),
            Self::Unreadable => Bilingual::new(
                "the stored fact sheet cannot be read: rebuild it from the change feed",
                "已存储的事实表无法读取：请从变更流重建",
            ),
        }
    }
}

/// All facts of one subject, grouped by item and each group in the order of occurrence, and its grants.
#[derive(Clone, Debug, PartialEq)]
pub struct FactSheet(Packed);

impl Default for FactSheet {
    fn default() -> Self {
        Self(Packed::of(&Sheet::new(Vec::new(), Vec::new())))
    }
}

impl FactSheet {
    /// The sheet of a subject without records.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads what [`Self::encode`] wrote, in this format or those before.
    pub fn decode(bytes: &[u8]) -> Result<Self, SheetFault> {
        let former = || Sheet::decode(bytes).ok().filter(Sheet::is_former).map(|sheet| Packed::of(&sheet));
        Packed::read(bytes).or_else(former).map(Self).ok_or(SheetFault::Unreadable)
    }

    /// The sheet as bytes.
    pub fn encode(&self) -> Vec<u8> {
        self.0.bytes()
    }

    /// How many facts there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the subject has no facts.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sheet of the same subject without its records, with its grants alone: to begin a replay from.
    pub fn without_records(&self) -> Self {
        Self(Packed::of(&Sheet::new(Vec::new(), self.0.open().grants)))
    }

    /// Takes one change in.
    pub fn apply(&mut self, change: Change) -> Result<(), SheetFault> {
        self.apply_all([change])
    }

    /// Takes changes in, one after another, at the cost of one; where one is refused, none is taken in.
    pub fn apply_all(&mut self, changes: impl IntoIterator<Item = Change>) -> Result<(), SheetFault> {
        self.change(|sheet| changes.into_iter().try_for_each(|change| sheet.apply(change)))
    }

    fn change(&mut self, work: impl FnOnce(&mut Sheet) -> Result<(), SheetFault>) -> Result<(), SheetFault> {
        let mut sheet = self.0.open();
        work(&mut sheet)?;
        self.0 = Packed::of(&sheet);
        Ok(())
    }

    /// The groups, ordered by item.
    pub(crate) fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        self.0.groups()
    }

    /// Has the memory come that an evaluation will read.
    #[inline]
    pub(crate) fn fetch(&self) {
        self.0.fetch();
    }

    /// The items of the groups, as bytes.
    pub(crate) fn items(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.0.items()
    }

    #[inline]
    pub(crate) fn group(&self, index: usize) -> Option<Group<'_>> {
        self.0.group(index)
    }
}
