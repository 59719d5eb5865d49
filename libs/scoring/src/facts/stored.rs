//! A sheet taken apart, as changes need it; it was the stored form of the former formats too, a protobuf
//! message. Dates are packed days, numbers ten-thousandths; a group keeps the field keys of its item once, and a
//! row the values by the place of their key.
use super::{
    Change, Fact, MAX_FACTS, SheetFault, Value,
    grants::{self, Line},
    packed::Scalar,
};
use crate::{day::Day, decimal::Decimal};

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Sheet {
    #[prost(uint32, tag = "1")]
    pub(super) format: u32,
    #[prost(message, repeated, tag = "2")]
    pub(super) groups: Vec<Group>,
    /// Ordered by item, department and first day.
    #[prost(message, repeated, tag = "3")]
    pub(super) grants: Vec<Line>,
}

/// The facts of one item.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Group {
    #[prost(string, tag = "1")]
    pub(super) item: String,
    #[prost(string, repeated, tag = "2")]
    pub(super) keys: Vec<String>,
    #[prost(message, repeated, tag = "3")]
    pub(super) rows: Vec<Row>,
}

/// One fact.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Row {
    #[prost(string, tag = "1")]
    pub(super) record: String,
    #[prost(uint32, tag = "2")]
    pub(super) version: u32,
    #[prost(uint64, tag = "3")]
    pub(super) order: u64,
    #[prost(sint32, tag = "4")]
    occurred: i32,
    #[prost(sint32, tag = "5")]
    pub(super) severity: i32,
    #[prost(sint64, optional, tag = "6")]
    pub(super) amount_scaled: Option<i64>,
    #[prost(sint32, optional, tag = "7")]
    first_day: Option<i32>,
    #[prost(sint32, optional, tag = "8")]
    end_day: Option<i32>,
    #[prost(message, repeated, tag = "9")]
    pub(super) slots: Vec<Slot>,
}

/// A field's value; none where the row lacks the field of a later key.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Slot {
    #[prost(oneof = "Stored", tags = "1, 2, 3, 4")]
    pub(super) value: Option<Stored>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Stored {
    #[prost(sint64, tag = "1")]
    Number(i64),
    #[prost(string, tag = "2")]
    Text(String),
    #[prost(bool, tag = "3")]
    Bool(bool),
    #[prost(sint32, tag = "4")]
    Date(i32),
}

/// The formats that are read still: without grants, and with them.
const FORMER: std::ops::RangeInclusive<u32> = 1..=2;

impl Sheet {
    pub(super) fn new(groups: Vec<Group>, grants: Vec<Line>) -> Self {
        Self { format: *FORMER.end(), groups, grants }
    }

    /// Whether it was stored in one of the former formats and is sound.
    pub(super) fn is_former(&self) -> bool {
        FORMER.contains(&self.format) && self.is_well_formed() && self.len() <= MAX_FACTS
    }

    /// Takes one change in.
    pub(super) fn apply(&mut self, change: Change) -> Result<(), SheetFault> {
        match change {
            Change::Put(fact) => return self.put(fact),
            Change::End { record, on } => {
                for row in self.rows_of(&record) {
                    row.end(Day::of(on));
                }
            }
            Change::Remove { record } => self.retain(|row| row.record != record),
            Change::Grant(grant) => return self.put_grant(grant),
            Change::Revoke { grant, on } => self.revoke(&grant, on),
            Change::RemoveGrant { grant } => self.remove_grant(&grant),
        }
        self.retain(Row::stands_ever);
        Ok(())
    }

    fn put(&mut self, fact: Fact) -> Result<(), SheetFault> {
        self.retain(|row| row.record != fact.record || row.version != fact.version);
        if self.len() >= MAX_FACTS {
            return Err(SheetFault::Full);
        }
        let mut row = Row::of(&fact);
        for other in self.rows_of(&fact.record) {
            if other.version < row.version { other.end(row.from()) } else { row.end(other.from()) }
        }
        self.insert(fact.item, fact.fields, row);
        self.retain(Row::stands_ever);
        Ok(())
    }

    fn len(&self) -> usize {
        self.groups.iter().map(|group| group.rows.len()).sum()
    }

    fn is_well_formed(&self) -> bool {
        self.groups.is_sorted_by(|a, b| a.item < b.item)
            && self.groups.iter().all(Group::is_well_formed)
            && grants::are_well_formed(&self.grants)
    }

    fn rows_of<'a>(&'a mut self, record: &'a str) -> impl Iterator<Item = &'a mut Row> {
        self.groups.iter_mut().flat_map(|group| &mut group.rows).filter(move |row| row.record == record)
    }

    fn retain(&mut self, keep: impl Fn(&Row) -> bool) {
        for group in &mut self.groups {
            group.rows.retain(&keep);
        }
        self.groups.retain(|group| !group.rows.is_empty());
    }

    fn insert(&mut self, item: String, fields: Vec<(String, Value)>, mut row: Row) {
        let at = self.groups.binary_search_by(|group| group.item.cmp(&item)).unwrap_or_else(|at| {
            self.groups.insert(at, Group { item, ..Group::default() });
            at
        });
        let group = &mut self.groups[at];
        for (key, value) in fields {
            let slot = group.slot(&key).unwrap_or_else(|| {
                group.keys.push(key);
                group.keys.len() - 1
            });
            if row.slots.len() <= slot {
                row.slots.resize(slot + 1, Slot::default());
            }
            row.slots[slot].value = Some(Stored::of(value));
        }
        let at = group.rows.partition_point(|other| other.place() <= row.place());
        group.rows.insert(at, row);
    }
}

impl Group {
    /// Where the rows of this group have the field of this key.
    fn slot(&self, key: &str) -> Option<usize> {
        self.keys.iter().position(|known| known == key)
    }

    fn is_well_formed(&self) -> bool {
        !self.rows.is_empty()
            && self.rows.is_sorted_by(|a, b| a.place() <= b.place())
            && self.rows.iter().all(Row::is_well_formed)
    }
}

impl Row {
    /// The row of a fact, without its fields: their places are the group's.
    fn of(fact: &Fact) -> Self {
        Self {
            record: fact.record.clone(),
            version: fact.version,
            order: fact.order,
            occurred: Day::of(fact.occurred_on).packed(),
            severity: fact.severity,
            amount_scaled: fact.amount.map(Decimal::scaled),
            first_day: fact.effective_from.map(|date| Day::of(date).packed()),
            end_day: fact.effective_until.map(|date| Day::of(date).packed()),
            slots: Vec::new(),
        }
    }

    pub(super) fn occurred(&self) -> Day {
        Day::from_packed(self.occurred)
    }

    /// The first day on which the fact stands.
    pub(super) fn from(&self) -> Day {
        self.first_day.map_or(Day::ALWAYS, Day::from_packed)
    }

    /// The first day on which it no longer stands.
    pub(super) fn until(&self) -> Day {
        self.end_day.map_or(Day::NEVER, Day::from_packed)
    }

    /// Which of two facts is the later: by occurrence, then by recording order (CONTRACT §4.1.2).
    fn place(&self) -> (i32, u64, u32) {
        (self.occurred, self.order, self.version)
    }

    /// A row put together again: version, order, day and severity; amount; first and end day; fields.
    pub(super) fn from_parts(
        record: String,
        (version, order, occurred, severity): (u32, u64, i32, i32),
        amount_scaled: Option<i64>,
        (first_day, end_day): (Option<i32>, Option<i32>),
        slots: Vec<Slot>,
    ) -> Self {
        Self { record, version, order, occurred, severity, amount_scaled, first_day, end_day, slots }
    }

    /// Ends the fact on a day, unless it has ended before.
    fn end(&mut self, on: Day) {
        if on < self.until() {
            self.end_day = Some(on.packed());
        }
    }

    /// Whether there is a day on which the fact stands: one that was corrected as of its first day has none.
    fn stands_ever(&self) -> bool {
        self.from() < self.until()
    }

    fn is_well_formed(&self) -> bool {
        self.occurred().date().is_some()
            && self.amount_scaled.is_none_or(|scaled| Decimal::from_scaled(scaled).is_some())
            && self.stands_ever()
    }
}

impl Stored {
    pub(super) fn from_scalar(value: Scalar<'_>) -> Self {
        match value {
            Scalar::Number(number) => Self::Number(number.scaled()),
            Scalar::Text(text) => Self::Text(text.to_owned()),
            Scalar::Bool(flag) => Self::Bool(flag),
            Scalar::Date(day) => Self::Date(day.packed()),
        }
    }

    fn of(value: Value) -> Self {
        match value {
            Value::Number(number) => Self::Number(number.scaled()),
            Value::Text(text) => Self::Text(text),
            Value::Bool(flag) => Self::Bool(flag),
            Value::Date(date) => Self::Date(Day::of(date).packed()),
        }
    }
}
