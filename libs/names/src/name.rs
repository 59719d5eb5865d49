//! A name, folded and taken apart, and the key by which a register finds it.
use std::{cmp::Reverse, collections::HashMap, sync::OnceLock};

use crate::{
    fold::{narrow, simplify, unbracketed, unmark},
    parts::Parts,
};

/// Which way of making keys this is: what was stored under another is to be made anew.
pub const KEY_VERSION: i32 = 1;

// A body of so few characters is a word of trade rather than a name (食品, 供销社).
const BODY_SHORT: usize = 4;

/// A name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// As written.
    pub written: String,
    /// In half width, without spaces.
    pub narrow: String,
    /// Without marks, brackets round.
    pub unmarked: String,
    /// With simplified characters too.
    pub folded: String,
    /// Its parts.
    pub parts: Parts,
}

impl Name {
    /// Reads one name.
    pub fn of(written: &str) -> Self {
        let narrow = narrow(written);
        let unmarked = unmark(&narrow);
        let folded = simplify(&unmarked);
        let parts = Parts::of(&folded);
        Self { written: written.to_owned(), narrow, unmarked, folded, parts }
    }

    /// The key under which a register keeps it. Names that may be one enterprise's have one key; that two names have one says
    /// nothing yet.
    pub fn key(&self) -> i64 {
        key(&self.parts)
    }

    /// The key of the enterprise that keeps the branch whose name it is.
    pub fn parent_key(&self) -> Option<i64> {
        (!self.parts.branch.is_empty()).then(|| key(&self.parts.parent()))
    }
}

/// The key of a name's parts.
pub fn key(parts: &Parts) -> i64 {
    let mut hash = Fnv::default();
    hash.add(&parts.body);
    hash.add(&parts.branch_stem());
    if is_of_trade(&parts.body)
        && let Some(region) = parts.finest()
    {
        hash.add(&region.stem);
    }
    hash.0.cast_signed()
}

static TRADES: &str = include_str!("../data/trades.txt");

// Whether a body is made of words of trade alone; the region is then part of what tells it apart.
fn is_of_trade(body: &str) -> bool {
    static WORDS: OnceLock<HashMap<char, Vec<&str>>> = OnceLock::new();
    if body.chars().count() <= BODY_SHORT {
        return true;
    }
    // By the last character, the longest first.
    let words = WORDS.get_or_init(|| {
        let mut words: HashMap<char, Vec<&str>> = HashMap::new();
        for word in TRADES.lines().filter(|line| !line.starts_with('#')).flat_map(|line| line.split(' ')) {
            words.entry(word.chars().last().unwrap_or_default()).or_default().push(word);
        }
        words.values_mut().for_each(|words| words.sort_by_key(|word| Reverse(word.len())));
        words
    });
    let mut rest = body;
    let last = |text: &str| text.chars().last().and_then(|last| words.get(&last));
    while let Some(shorter) =
        last(rest).and_then(|words| words.iter().find_map(|word| rest.strip_suffix(word)))
    {
        rest = shorter;
    }
    let ordinal = |rest: &str| {
        rest.strip_prefix('第').unwrap_or(rest).chars().all(|c| "一二三四五六七八九十0123456789".contains(c))
    };
    ordinal(rest)
}

/// The letters of a name alone, in order.
pub fn letters(text: &str) -> String {
    unbracketed(text)
}

// FNV-1a: the same on every machine and in every year, since it is stored.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, text: &str) {
        for byte in text.bytes().chain([0xFF]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }
}
