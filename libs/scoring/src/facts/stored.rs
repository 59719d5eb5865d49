//! The stored form of a sheet. Dates are packed days, numbers ten-thousandths; a group keeps the field keys
//! of its item once, and a row the values by the place of their key.
use super::{
    Fact, Value,
    grants::{self, Line},
};
use crate::{day::Day, decimal::Decimal};

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Sheet {
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
pub(crate) struct Group {
    #[prost(string, tag = "1")]
    pub(crate) item: String,
    #[prost(string, repeated, tag = "2")]
    pub(crate) keys: Vec<String>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) rows: Vec<Row>,
}

/// One fact.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Row {
    #[prost(string, tag = "1")]
    pub(crate) record: String,
    #[prost(uint32, tag = "2")]
    pub(crate) version: u32,
    #[prost(uint64, tag = "3")]
    pub(crate) order: u64,
    #[prost(sint32, tag = "4")]
    occurred: i32,
    #[prost(sint32, tag = "5")]
    severity: i32,
    #[prost(sint64, optional, tag = "6")]
    amount_scaled: Option<i64>,
    #[prost(sint32, optional, tag = "7")]
    first_day: Option<i32>,
    #[prost(sint32, optional, tag = "8")]
    end_day: Option<i32>,
    #[prost(message, repeated, tag = "9")]
    slots: Vec<Slot>,
}

/// A field's value; none where the row lacks the field of a later key.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Slot {
    #[prost(oneof = "Stored", tags = "1, 2, 3, 4")]
    value: Option<Stored>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Stored {
    #[prost(sint64, tag = "1")]
    Number(i64),
    #[prost(string, tag = "2")]
    Text(String),
    #[prost(bool, tag = "3")]
    Bool(bool),
    #[prost(sint32, tag = "4")]
    Date(i32),
}

/// A value as conditions compare it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scalar<'a> {
    Number(Decimal),
    Text(&'a str),
    Bool(bool),
    Date(Day),
}

impl Sheet {
    pub(super) fn len(&self) -> usize {
        self.groups.iter().map(|group| group.rows.len()).sum()
    }

    /// What evaluation relies on; bytes that were not written here may break any of it.
    pub(super) fn is_well_formed(&self) -> bool {
        self.groups.is_sorted_by(|a, b| a.item < b.item)
            && self.groups.iter().all(Group::is_well_formed)
            && grants::are_well_formed(&self.grants)
    }

    pub(super) fn rows_of<'a>(&'a mut self, record: &'a str) -> impl Iterator<Item = &'a mut Row> {
        self.groups.iter_mut().flat_map(|group| &mut group.rows).filter(move |row| row.record == record)
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&Row) -> bool) {
        for group in &mut self.groups {
            group.rows.retain(&keep);
        }
        self.groups.retain(|group| !group.rows.is_empty());
    }

    pub(super) fn insert(&mut self, item: String, fields: Vec<(String, Value)>, mut row: Row) {
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
    pub(crate) fn slot(&self, key: &str) -> Option<usize> {
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
    pub(super) fn of(fact: &Fact) -> Self {
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

    pub(crate) fn occurred(&self) -> Day {
        Day::from_packed(self.occurred)
    }

    /// The first day on which the fact stands.
    pub(crate) fn from(&self) -> Day {
        self.first_day.map_or(Day::ALWAYS, Day::from_packed)
    }

    /// The first day on which it no longer stands.
    pub(crate) fn until(&self) -> Day {
        self.end_day.map_or(Day::NEVER, Day::from_packed)
    }

    pub(crate) fn severity(&self) -> Decimal {
        Decimal::whole(self.severity)
    }

    pub(crate) fn amount(&self) -> Option<Decimal> {
        self.amount_scaled.and_then(Decimal::from_scaled)
    }

    /// Which of two facts is the later: by occurrence, then by recording order (CONTRACT §4.1.2).
    pub(crate) fn place(&self) -> (i32, u64, u32) {
        (self.occurred, self.order, self.version)
    }

    /// The field's value.
    pub(crate) fn field(&self, slot: usize) -> Option<Scalar<'_>> {
        match self.slots.get(slot)?.value.as_ref()? {
            Stored::Number(scaled) => Decimal::from_scaled(*scaled).map(Scalar::Number),
            Stored::Text(text) => Some(Scalar::Text(text)),
            Stored::Bool(flag) => Some(Scalar::Bool(*flag)),
            Stored::Date(packed) => Some(Scalar::Date(Day::from_packed(*packed))),
        }
    }

    /// Ends the fact on a day, unless it has ended before.
    pub(super) fn end(&mut self, on: Day) {
        if on < self.until() {
            self.end_day = Some(on.packed());
        }
    }

    /// Whether there is a day on which the fact stands: one that was corrected as of its first day has none.
    pub(super) fn stands_ever(&self) -> bool {
        self.from() < self.until()
    }

    fn is_well_formed(&self) -> bool {
        self.occurred().date().is_some()
            && self.amount_scaled.is_none_or(|scaled| Decimal::from_scaled(scaled).is_some())
            && self.stands_ever()
    }
}

impl Stored {
    fn of(value: Value) -> Self {
        match value {
            Value::Number(number) => Self::Number(number.scaled()),
            Value::Text(text) => Self::Text(text),
            Value::Bool(flag) => Self::Bool(flag),
            Value::Date(date) => Self::Date(Day::of(date).packed()),
        }
    }
}
