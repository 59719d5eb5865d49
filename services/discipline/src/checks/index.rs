//! Active listings in memory, found by the subject's code: 44 bytes a listing, a table of numbers over them, and before it a sieve that
//! holds back most codes that no listing has. Pure.
use std::hash::BuildHasher;

use contract::discipline::v1::{Listing, listing::State};
use hashbrown::{DefaultHashBuilder, HashTable};
use identifiers::Uscc;
use jiff::civil::Date;

use super::sieve::Sieve;
use crate::listings::hides;

/// Places of a code take five bits each.
type Packed = [u8; 12];

/// A listing, as far as a check tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    code: Packed,
    /// The listing's id in binary.
    id: [u8; 16],
    /// What it rests on, among what is known.
    ground: u16,
    under_objection: bool,
    /// Days since 1970.
    from: i32,
    /// Days since 1970, the last one on which it counts.
    until: i32,
    /// The subject's next listing.
    next: u32,
}

const NONE: u32 = u32::MAX;

/// Where a subject's listings begin, as long as the index is not changed.
#[derive(Clone, Copy)]
pub struct First(u32);

impl Entry {
    /// The listing's id.
    pub fn listing(&self) -> String {
        hex::encode(self.id)
    }

    /// What it rests on, by its place among [`Index::grounds`].
    pub fn ground(&self) -> usize {
        usize::from(self.ground)
    }

    /// Whether the subject objects to it.
    pub fn under_objection(&self) -> bool {
        self.under_objection
    }

    /// The last day on which it counts; none where it has no end.
    pub fn until(&self) -> Option<Date> {
        (self.until != i32::MAX).then(|| date(self.until))
    }
}

/// Which list, by its id and the version of its wording.
pub type ListKey = (String, i32);

/// What a listing rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ground {
    /// The list.
    pub list: ListKey,
    /// The measures that the decision lets follow; none: all of the list's.
    pub measures: Option<Vec<String>>,
}

/// Active listings by the code of their subject.
#[derive(Default)]
pub struct Index {
    entries: Vec<Entry>,
    // Numbers of the first entry of each subject.
    firsts: HashTable<u32>,
    sieve: Sieve,
    // Places that are free again.
    free: Vec<u32>,
    grounds: Vec<Ground>,
    hasher: DefaultHashBuilder,
}

impl Index {
    /// An index with room for so many listings: one that grows has twice its memory for a while.
    pub fn with_room(listings: usize) -> Self {
        let room = listings + listings / 64;
        let (entries, firsts) = (Vec::with_capacity(room), HashTable::with_capacity(room));
        Self { entries, firsts, sieve: Sieve::with_room(room), ..Self::default() }
    }

    /// What the listings rest on.
    pub fn grounds(&self) -> &[Ground] {
        &self.grounds
    }

    /// How many listings there are.
    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Takes in a listing as it stands: it is there afterwards if it counts or may count again without a further change, and gone else.
    /// One that can't be read is told by its id.
    pub fn put(&mut self, listing: &Listing, list_version: i32) -> Result<(), String> {
        let unreadable = || format!("listing {} of {}", listing.listing, listing.uscc);
        let (code, _) = Uscc::parse_tolerant(&listing.uscc).map_err(|_| unreadable())?;
        let (code, id) = (pack(&code), id_of(&listing.listing).ok_or_else(unreadable)?);
        self.remove(code, id);
        let hidden = listing.marks().any(hides);
        if hidden || !matches!(listing.state(), State::Active | State::UnderObjection) {
            return Ok(());
        }
        let until = match listing.until.as_str() {
            "" => i32::MAX,
            day => days(day.parse().map_err(|_| unreadable())?),
        };
        let from = days(listing.from.parse().map_err(|_| unreadable())?);
        let measures = listing.consequences.as_ref().map(|consequences| consequences.measures.clone());
        let ground = Ground { list: (listing.list_id.clone(), list_version), measures };
        let ground = self.ground_number(ground).ok_or_else(unreadable)?;
        let under_objection = listing.state() == State::UnderObjection;
        self.insert(Entry { code, id, ground, under_objection, from, until, next: NONE });
        Ok(())
    }

    // None where there are more than any city decides on.
    fn ground_number(&mut self, ground: Ground) -> Option<u16> {
        let known = self.grounds.iter().position(|known| *known == ground);
        let place = u16::try_from(known.unwrap_or(self.grounds.len())).ok()?;
        if known.is_none() {
            self.grounds.push(ground);
        }
        Some(place)
    }

    fn insert(&mut self, mut entry: Entry) {
        let hash = self.hasher.hash_one(entry.code);
        self.sift(hash);
        let Self { entries, firsts, free, hasher, .. } = self;
        let first = firsts.find_mut(hash, |&at| entries[at as usize].code == entry.code);
        entry.next = first.as_ref().map_or(NONE, |at| **at);
        let place = match free.pop() {
            Some(place) => {
                // The chain of a subject is newest first; the new place goes before what was first.
                place
            }
            None => u32::try_from(entries.len()).unwrap_or(NONE),
        };
        match first {
            Some(at) => *at = place,
            None => {
                let code_of = |&at: &u32| {
                    let code = if at == place { entry.code } else { entries[at as usize].code };
                    hasher.hash_one(code)
                };
                firsts.insert_unique(hash, place, code_of);
            }
        }
        match entries.get_mut(place as usize) {
            Some(there) => *there = entry,
            None => entries.push(entry),
        }
    }

    // Has the sieve let the code through; one that has taken as many as it has room for is made anew, without those that are gone.
    fn sift(&mut self, hash: u64) {
        if self.sieve.is_full() {
            self.sieve = Sieve::with_room(self.firsts.len() * 2);
            for at in &self.firsts {
                self.sieve.let_through(self.hasher.hash_one(self.entries[*at as usize].code));
            }
        }
        self.sieve.let_through(hash);
    }

    fn remove(&mut self, code: Packed, id: [u8; 16]) {
        let hash = self.hasher.hash_one(code);
        let Self { entries, firsts, free, .. } = self;
        let Ok(first) = firsts.find_entry(hash, |&at| entries[at as usize].code == code) else { return };
        let (mut before, mut at) = (NONE, *first.get());
        while at != NONE && entries[at as usize].id != id {
            (before, at) = (at, entries[at as usize].next);
        }
        if at == NONE {
            return;
        }
        let next = entries[at as usize].next;
        if before != NONE {
            entries[before as usize].next = next;
        } else if next != NONE {
            *first.into_mut() = next;
        } else {
            first.remove();
        }
        free.push(at);
    }

    /// The first listing of each subject, or [`NONE`]. All at once: while one is waited for in memory, the next are on their way.
    pub fn firsts(&self, codes: impl IntoIterator<Item = Option<Uscc>>) -> Vec<First> {
        let on_its_way = |code| {
            let code = pack(&code);
            let hash = self.hasher.hash_one(code);
            self.sieve.fetch(hash);
            (hash, code)
        };
        let codes: Vec<Option<(u64, Packed)>> = codes.into_iter().map(|code| code.map(on_its_way)).collect();
        let first = |(hash, code)| {
            if !self.sieve.lets_through(hash) {
                return NONE;
            }
            self.firsts.find(hash, |&at| self.entries[at as usize].code == code).copied().unwrap_or(NONE)
        };
        codes.into_iter().map(|code| First(code.map_or(NONE, first))).collect()
    }

    /// The listings of a subject that count on a day; none where there are none.
    pub fn counting(&self, First(mut at): First, today: Date) -> Vec<&Entry> {
        let mut found = Vec::new();
        if at == NONE {
            return found;
        }
        let today = days(today);
        while let Some(entry) = self.entries.get(at as usize) {
            if entry.from <= today && today <= entry.until {
                found.push(entry);
            }
            at = entry.next;
        }
        // As they were listed: ids grow with time.
        found.sort_unstable_by_key(|entry| entry.id);
        found
    }
}

fn days(date: Date) -> i32 {
    // A span between two dates of these years fits by far.
    date.duration_since(Date::constant(1970, 1, 1)).as_hours().div_euclid(24).try_into().unwrap_or(i32::MAX)
}

fn date(days: i32) -> Date {
    let span = jiff::SignedDuration::from_hours(i64::from(days) * 24);
    Date::constant(1970, 1, 1).checked_add(span).unwrap_or(Date::MAX)
}

fn pack(code: &Uscc) -> Packed {
    let values = code.values();
    // Both halves at once.
    let half = |values: &[u8]| values.iter().fold(0_u64, |bits, value| (bits << 5) | u64::from(*value));
    let bits = (u128::from(half(&values[..9])) << 45) | u128::from(half(&values[9..]));
    let mut packed = [0; 12];
    packed.copy_from_slice(&bits.to_be_bytes()[4..]);
    packed
}

fn id_of(text: &str) -> Option<[u8; 16]> {
    if text.len() != 32 || !text.is_ascii() {
        return None;
    }
    let mut id = [0; 16];
    for (byte, place) in id.iter_mut().zip((0..32).step_by(2)) {
        *byte = u8::from_str_radix(&text[place..place + 2], 16).ok()?;
    }
    Some(id)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use contract::discipline::v1::{Consequences, ListingMark as Mark, listing::State};
    use jiff::civil::date as day;

    use super::*;

    fn listing(serial: u32, id: u32, from: &str, until: &str) -> Listing {
        Listing {
            uscc: Uscc::fictional(serial).to_string(),
            listing: format!("{id:032x}"),
            list_id: format!("list-{}", id % 3),
            from: from.into(),
            until: until.into(),
            state: State::Active.into(),
            ..Default::default()
        }
    }

    fn found(index: &Index, serial: u32, today: Date) -> Vec<&Entry> {
        index.counting(index.firsts([Some(Uscc::fictional(serial))])[0], today)
    }

    fn ids(index: &Index, serial: u32, today: Date) -> Vec<String> {
        found(index, serial, today).into_iter().map(Entry::listing).collect()
    }

    #[test]
    fn it_counts_from_its_first_day_to_its_last() {
        let mut index = Index::default();
        index.put(&listing(1, 7, "2026-03-02", "2029-03-02"), 1).unwrap();
        for (today, count) in
            [(day(2026, 3, 1), 0), (day(2026, 3, 2), 1), (day(2029, 3, 2), 1), (day(2029, 3, 3), 0)]
        {
            assert_eq!(ids(&index, 1, today).len(), count, "{today}");
        }
        let entry = found(&index, 1, day(2026, 3, 2))[0];
        let list = &index.grounds()[entry.ground()].list;
        assert_eq!((entry.until(), list), (Some(day(2029, 3, 2)), &(String::from("list-1"), 1)));
        index.put(&listing(2, 8, "1969-12-31", ""), 1).unwrap();
        assert_eq!(found(&index, 2, day(1969, 12, 31))[0].until(), None);
    }

    #[test]
    fn a_decision_that_lets_less_follow_is_told_apart() {
        let mut index = Index::default();
        index.put(&listing(1, 3, "2026-03-02", ""), 1).unwrap();
        let measures = vec![String::from("m")];
        let less = Consequences { publication_months: 12, measures: measures.clone() };
        index.put(&Listing { consequences: Some(less), ..listing(1, 6, "2026-03-02", "") }, 1).unwrap();
        let both = found(&index, 1, day(2026, 3, 2));
        let grounds: Vec<_> =
            both.into_iter().map(|entry| index.grounds()[entry.ground()].measures.clone()).collect();
        assert_eq!(grounds, [None, Some(measures)]);
    }

    #[test]
    fn codes_pack_apart() {
        let codes = (0..100_000).map(Uscc::fictional);
        assert_eq!(codes.map(|code| pack(&code)).collect::<BTreeSet<_>>().len(), 100_000);
    }

    #[test]
    fn what_is_hidden_or_ended_is_gone_and_may_come_back() {
        let mut index = Index::default();
        let today = day(2026, 3, 2);
        let there = listing(1, 7, "2026-03-02", "");
        let marked = |mark: Mark| Listing { marks: vec![mark.into()], ..there.clone() };
        for (state, count) in [
            (there.clone(), 1),
            (marked(Mark::Suspended), 0),
            (marked(Mark::UnderReview), 1),
            (marked(Mark::Shielded), 0),
            (there.clone(), 1),
            (Listing { state: State::Revoked.into(), ..there.clone() }, 0),
        ] {
            index.put(&state, 1).unwrap();
            assert_eq!(ids(&index, 1, today).len(), count, "{state:?}");
        }
        assert_eq!(index.len(), 0);
        let strange = Listing { listing: String::from("not hex"), ..there };
        assert!(index.put(&strange, 1).is_err());
    }

    // Against a map that is plain: puts and ends in a scattered order, several listings a subject.
    #[test]
    fn it_agrees_with_a_plain_map() {
        let today = day(2026, 3, 2);
        let (mut index, mut plain) = (Index::default(), BTreeMap::<u32, BTreeSet<u32>>::new());
        let mut chance = 1_u32;
        for _ in 0..20_000 {
            chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (serial, id) = ((chance >> 8) % 300, (chance >> 20) % 4 + 1);
            let id = serial * 10 + id;
            let mut one = listing(serial, id, "2026-01-01", "");
            if chance.is_multiple_of(3) {
                one.state = State::Repaired.into();
                plain.entry(serial).or_default().remove(&id);
            } else {
                plain.entry(serial).or_default().insert(id);
            }
            index.put(&one, 1).unwrap();
        }
        for (serial, expected) in &plain {
            let expected: Vec<String> = expected.iter().map(|id| format!("{id:032x}")).collect();
            assert_eq!(ids(&index, *serial, today), expected, "{serial}");
        }
        assert_eq!(index.len(), plain.values().map(BTreeSet::len).sum::<usize>());
        // Made anew among 20,000 puts of 300 subjects, the sieve still holds strangers back.
        let hash = |serial: &u32| index.hasher.hash_one(pack(&Uscc::fictional(*serial)));
        let strangers = (1_000..11_000).filter(|serial| index.sieve.lets_through(hash(serial))).count();
        assert!(strangers < 1_000, "{strangers} of 10,000 strangers pass");
        assert!(ids(&index, 301, today).is_empty());
    }
}
