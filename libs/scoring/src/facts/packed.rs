//! A sheet as it is evaluated and stored: numbers in a row of words, texts in one heap beside them. To read a
//! stored sheet is to check it; nothing is taken apart.
use std::collections::HashMap;

use prefetch_index::prefetch_index;

use super::{
    MAX_FACTS, MAX_GRANTS,
    grants::Line,
    stored::{Group as OpenGroup, Row as OpenRow, Sheet, Slot, Stored},
};
use crate::{day::Day, decimal::Decimal};

/// Changes when an old sheet could no longer be read as it was meant. No protobuf message, as the sheets of the
/// former formats are, begins with this byte.
const FORMAT: u32 = 3;
/// The words of each part: the header counts the parts in the order in which they follow it.
const HEADER: usize = 6;
const GROUP: usize = 6;
const ROW: usize = 11;
const KEY: usize = 2;
const VALUE: usize = 3;
pub(super) const GRANT: usize = 8;

const NO_AMOUNT: i64 = i64::MIN;
const NUMBER: u32 = 1;
const TEXT: u32 = 2;
const BOOL: u32 = 3;
const DATE: u32 = 4;

/// The words and the heap; what [`Packed::read`] or [`Packed::of`] gave is sound throughout.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Packed {
    words: Box<[u32]>,
    heap: Box<str>,
    /// Where rows, keys, values and grants begin among the words.
    starts: [u32; 4],
}

/// The facts of one item.
#[derive(Clone, Copy)]
pub(crate) struct Group<'a> {
    sheet: &'a Packed,
    head: &'a [u32; GROUP],
    rows: &'a [[u32; ROW]],
}

/// One fact.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    sheet: &'a Packed,
    head: &'a [u32; GROUP],
    index: usize,
    words: &'a [u32; ROW],
}

/// A value as conditions compare it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scalar<'a> {
    Number(Decimal),
    Text(&'a str),
    Bool(bool),
    Date(Day),
}

fn signed(low: u32, high: u32) -> i64 {
    (u64::from(low) | u64::from(high) << 32).cast_signed()
}

impl Packed {
    fn count(&self, part: usize) -> usize {
        self.words[part] as usize
    }

    #[inline]
    fn heads(&self) -> &[[u32; GROUP]] {
        self.words[HEADER..self.starts[0] as usize].as_chunks().0
    }

    #[inline]
    fn all_rows(&self) -> &[[u32; ROW]] {
        self.words[self.starts[0] as usize..self.starts[1] as usize].as_chunks().0
    }

    #[inline]
    fn keys(&self) -> &[[u32; KEY]] {
        self.words[self.starts[1] as usize..self.starts[2] as usize].as_chunks().0
    }

    #[inline]
    fn values(&self) -> &[[u32; VALUE]] {
        self.words[self.starts[2] as usize..self.starts[3] as usize].as_chunks().0
    }

    pub(super) fn grants(&self) -> &[[u32; GRANT]] {
        self.words[self.starts[3] as usize..].as_chunks().0
    }

    /// The sheet of words whose header counts as many as there are.
    fn new(words: Box<[u32]>, heap: Box<str>) -> Self {
        let mut starts = [HEADER as u32; 4];
        let mut end = HEADER as u32;
        for (part, size) in [GROUP, ROW, KEY, VALUE].into_iter().enumerate() {
            end += words[part + 1] * size as u32;
            starts[part] = end;
        }
        Self { words, heap, starts }
    }

    #[inline]
    pub(super) fn text(&self, at: u32, length: u32) -> &str {
        &self.heap[at as usize..at as usize + length as usize]
    }

    /// Has the memory come that an evaluation reads, and waits for none of it.
    #[inline]
    pub(super) fn fetch(&self) {
        for word in (0..self.words.len()).step_by(16) {
            prefetch_index(&self.words, word);
        }
        // Items and short texts stand at the heap's beginning.
        for byte in (0..self.heap.len()).step_by(64).take(3) {
            prefetch_index(self.heap.as_bytes(), byte);
        }
    }

    /// The keys of the fields of a group.
    #[inline]
    fn keys_of(&self, head: &[u32; GROUP]) -> &[[u32; KEY]] {
        &self.keys()[head[2] as usize..head[2] as usize + head[3] as usize]
    }

    /// The text's bytes, which are compared at less cost.
    #[inline]
    fn bytes_of(&self, at: u32, length: u32) -> &[u8] {
        &self.heap.as_bytes()[at as usize..at as usize + length as usize]
    }

    /// How many facts there are.
    pub(super) fn len(&self) -> usize {
        self.count(2)
    }

    #[inline]
    pub(crate) fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        (0..self.count(1)).filter_map(|index| self.group(index))
    }

    /// The items of the groups, as bytes: they order as texts do.
    #[inline]
    pub(super) fn items(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.heads().iter().map(|head| self.bytes_of(head[0], head[1]))
    }

    #[inline]
    pub(crate) fn group(&self, index: usize) -> Option<Group<'_>> {
        let heads = self.heads();
        let head = heads.get(index)?;
        let end = heads.get(index + 1).map_or(self.len(), |next| next[4] as usize);
        Some(Group { sheet: self, head, rows: &self.all_rows()[head[4] as usize..end] })
    }

    /// Reads what [`Self::bytes`] wrote; none if it is anything else.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let number = |index: usize| {
            let at = bytes.get(index * 4..index * 4 + 4)?;
            Some(u32::from_le_bytes([at[0], at[1], at[2], at[3]]))
        };
        if number(0)? != FORMAT {
            return None;
        }
        let sizes = [GROUP, ROW, KEY, VALUE, GRANT];
        let parts = sizes.iter().enumerate().map(|(part, size)| Some(number(part + 1)? as usize * size));
        let words = parts.into_iter().try_fold(HEADER, |sum, part| sum.checked_add(part?))?;
        u32::try_from(words).ok()?;
        let (numbers, heap) = bytes.split_at_checked(words.checked_mul(4)?)?;
        let words = numbers.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect();
        let sheet = Self::new(words, str::from_utf8(heap).ok()?.into());
        sheet.is_sound().then_some(sheet)
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.words.len() * 4 + self.heap.len());
        bytes.extend(self.words.iter().flat_map(|word| word.to_le_bytes()));
        bytes.extend_from_slice(self.heap.as_bytes());
        bytes
    }

    /// What evaluation relies on; bytes that were not written here may break any of it.
    fn is_sound(&self) -> bool {
        let is_text = |at: u32, length: u32| {
            let at = at as usize;
            self.heap.get(at..at + length as usize).is_some()
        };
        let heads = self.heads();
        let are_texts = heads.iter().all(|head| is_text(head[0], head[1]))
            && self.keys().iter().all(|key| is_text(key[0], key[1]))
            && self.all_rows().iter().all(|row| is_text(row[9], row[10]))
            && self.values().iter().all(|[kind, at, length]| *kind != TEXT || is_text(*at, *length))
            && self
                .grants()
                .iter()
                .all(|line| line[..6].as_chunks::<2>().0.iter().all(|[at, length]| is_text(*at, *length)));
        // Groups follow each other without gaps: their rows, keys and values too.
        let mut next = (0, 0, 0);
        let follow = are_texts
            && heads.iter().enumerate().all(|(index, head)| {
                let rows = heads.get(index + 1).map_or(self.count(2), |next| next[4] as usize);
                let starts = (head[2] as usize, head[4] as usize, head[5] as usize);
                let (width, count) = (head[3] as usize, rows.saturating_sub(head[4] as usize));
                let sound = starts == next && count > 0;
                next = (starts.0 + width, rows, starts.2.saturating_add(count.saturating_mul(width)));
                sound
            });
        follow
            && next == (self.count(3), self.count(2), self.count(4))
            && self.len() <= MAX_FACTS
            && self.count(5) <= MAX_GRANTS
            && self.groups().is_sorted_by(|a, b| a.item() < b.item())
            && self.groups().all(|group| group.is_sound())
            && self.are_grants_sound()
    }

    /// A sheet packed.
    pub(super) fn of(sheet: &Sheet) -> Self {
        let mut packing = Packing::default();
        let (mut heads, mut rows, mut keys, mut values) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        // The items' names first: every evaluation compares them.
        let items: Vec<_> = sheet.groups.iter().map(|group| packing.text(&group.item)).collect();
        for (group, [at, length]) in sheet.groups.iter().zip(items) {
            let width = group.keys.len();
            let starts = [keys.len() / KEY, width, rows.len() / ROW, values.len() / VALUE];
            heads.extend([at, length]);
            heads.extend(starts.map(|start| start as u32));
            keys.extend(group.keys.iter().flat_map(|key| packing.text(key)));
            for row in &group.rows {
                packing.row(row, &mut rows);
                for slot in 0..width {
                    values.extend(packing.value(row.slots.get(slot).and_then(|slot| slot.value.as_ref())));
                }
            }
        }
        let mut grants = Vec::new();
        for line in &sheet.grants {
            grants.extend(line.texts().iter().flat_map(|text| packing.text(text)));
            grants.extend([line.first(), line.end()].map(|day| day.packed().cast_unsigned()));
        }
        let parts = [
            (heads.len(), GROUP),
            (rows.len(), ROW),
            (keys.len(), KEY),
            (values.len(), VALUE),
            (grants.len(), GRANT),
        ];
        let header = std::iter::once(FORMAT).chain(parts.map(|(length, size)| (length / size) as u32));
        let words = header.chain(heads).chain(rows).chain(keys).chain(values).chain(grants).collect();
        Self::new(words, packing.heap.into())
    }

    /// The sheet taken apart, to be changed.
    pub(super) fn open(&self) -> Sheet {
        let group = |group: Group<'_>| OpenGroup {
            item: group.item().to_owned(),
            keys: self
                .keys_of(group.head)
                .iter()
                .map(|[at, length]| self.text(*at, *length).to_owned())
                .collect(),
            rows: group.rows().map(|row| row.open()).collect(),
        };
        let line = |line: &[u32; GRANT]| {
            let text = |part: usize| self.text(line[part * 2], line[part * 2 + 1]).to_owned();
            Line::from_parts([text(0), text(1), text(2)], line[6].cast_signed(), line[7].cast_signed())
        };
        Sheet::new(self.groups().map(group).collect(), self.grants().iter().map(line).collect())
    }
}

impl<'a> Group<'a> {
    #[inline]
    pub(crate) fn item(&self) -> &'a str {
        self.sheet.text(self.head[0], self.head[1])
    }

    /// In the order of occurrence.
    #[inline]
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'a>> + use<'a> {
        let Self { sheet, head, rows } = *self;
        rows.iter().enumerate().map(move |(index, words)| Row { sheet, head, index, words })
    }

    fn is_sound(&self) -> bool {
        self.rows().is_sorted_by(|a, b| a.place() <= b.place()) && self.rows().all(|row| row.is_sound())
    }
}

/// Whether two texts are the same: codes of a few bytes, which a loop compares sooner than a call would.
#[inline]
pub(crate) fn is_same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b)
}

impl<'a> Row<'a> {
    /// The item that the fact is of.
    pub(crate) fn item(&self) -> &'a str {
        self.sheet.text(self.head[0], self.head[1])
    }

    pub(crate) fn record(&self) -> &'a str {
        self.sheet.text(self.words[9], self.words[10])
    }

    pub(crate) fn version(&self) -> u32 {
        self.words[8]
    }

    #[inline]
    pub(crate) fn occurred(&self) -> Day {
        Day::from_packed(self.words[0].cast_signed())
    }

    /// The first day on which the fact stands.
    #[inline]
    pub(crate) fn from(&self) -> Day {
        Day::from_packed(self.words[1].cast_signed())
    }

    /// The first day on which it no longer stands.
    #[inline]
    pub(crate) fn until(&self) -> Day {
        Day::from_packed(self.words[2].cast_signed())
    }

    #[inline]
    pub(crate) fn severity(&self) -> Decimal {
        Decimal::whole(self.words[3].cast_signed())
    }

    #[inline]
    pub(crate) fn amount(&self) -> Option<Decimal> {
        Decimal::from_scaled(self.amount_scaled())
    }

    /// In ten-thousandths; `i64::MIN` if there is none.
    #[inline]
    pub(crate) fn amount_scaled(&self) -> i64 {
        signed(self.words[4], self.words[5])
    }

    fn order(&self) -> u64 {
        signed(self.words[6], self.words[7]).cast_unsigned()
    }

    /// Which of two facts is the later: by occurrence, then by recording order (CONTRACT §4.1.2).
    #[inline]
    pub(crate) fn place(&self) -> (i32, u64, u32) {
        (self.occurred().packed(), self.order(), self.version())
    }

    /// The field's value.
    #[inline]
    pub(crate) fn field(&self, key: &str) -> Option<Scalar<'a>> {
        self.scalar(self.slot(key)?)
    }

    fn scalar(&self, slot: usize) -> Option<Scalar<'a>> {
        let [kind, low, high] = self.value(slot)?;
        match kind {
            NUMBER => Decimal::from_scaled(signed(low, high)).map(Scalar::Number),
            TEXT => Some(Scalar::Text(self.sheet.text(low, high))),
            BOOL => Some(Scalar::Bool(low != 0)),
            DATE => Some(Scalar::Date(Day::from_packed(low.cast_signed()))),
            _ => None,
        }
    }

    /// The field's bytes, if it is a text.
    #[inline]
    pub(crate) fn text(&self, key: &str) -> Option<&'a [u8]> {
        let [kind, at, length] = self.value(self.slot(key)?)?;
        (kind == TEXT).then(|| self.sheet.bytes_of(at, length))
    }

    #[inline]
    fn slot(&self, key: &str) -> Option<usize> {
        let keys = self.sheet.keys_of(self.head).iter();
        keys.map(|[at, length]| self.sheet.bytes_of(*at, *length))
            .position(|own| is_same(own, key.as_bytes()))
    }

    #[inline]
    fn value(&self, slot: usize) -> Option<[u32; VALUE]> {
        let at = self.head[5] as usize + self.index * self.head[3] as usize + slot;
        self.sheet.words[self.sheet.starts[2] as usize + at * VALUE..].first_chunk().copied()
    }

    fn is_sound(&self) -> bool {
        self.occurred().date().is_some()
            && (self.amount_scaled() == NO_AMOUNT || self.amount().is_some())
            && self.from() < self.until()
    }

    fn open(&self) -> OpenRow {
        let slot = |slot: usize| Slot { value: self.scalar(slot).map(Stored::from_scalar) };
        let amount = self.amount().map(Decimal::scaled);
        let end = |day: Day, none: Day| (day != none).then(|| day.packed());
        let ends = (end(self.from(), Day::ALWAYS), end(self.until(), Day::NEVER));
        let severity = self.words[3].cast_signed();
        let slots = (0..self.head[3] as usize).map(slot).collect();
        let numbers = (self.version(), self.order(), self.occurred().packed(), severity);
        OpenRow::from_parts(self.record().to_owned(), numbers, amount, ends, slots)
    }
}

/// A heap in the making, in which a text that comes again stands once.
#[derive(Default)]
struct Packing<'s> {
    heap: String,
    known: HashMap<&'s str, [u32; 2]>,
}

impl<'s> Packing<'s> {
    fn text(&mut self, text: &'s str) -> [u32; 2] {
        let heap = &mut self.heap;
        *self.known.entry(text).or_insert_with(|| {
            let at = heap.len() as u32;
            heap.push_str(text);
            [at, text.len() as u32]
        })
    }

    fn row(&mut self, row: &'s OpenRow, words: &mut Vec<u32>) {
        let halves = |number: u64| [number as u32, (number >> 32) as u32];
        let days = [row.occurred().packed(), row.from().packed(), row.until().packed(), row.severity];
        words.extend(days.map(i32::cast_unsigned));
        words.extend(halves(row.amount_scaled.unwrap_or(NO_AMOUNT).cast_unsigned()));
        words.extend(halves(row.order));
        words.push(row.version);
        words.extend(self.text(&row.record));
    }

    fn value(&mut self, value: Option<&'s Stored>) -> [u32; VALUE] {
        match value {
            None => [0; VALUE],
            Some(Stored::Number(scaled)) => {
                let bits = scaled.cast_unsigned();
                [NUMBER, bits as u32, (bits >> 32) as u32]
            }
            Some(Stored::Text(text)) => {
                let [at, length] = self.text(text);
                [TEXT, at, length]
            }
            Some(Stored::Bool(flag)) => [BOOL, u32::from(*flag), 0],
            Some(Stored::Date(packed)) => [DATE, packed.cast_unsigned(), 0],
        }
    }
}
