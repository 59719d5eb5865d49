//! A sieve before a table: two bits of one word for each hash, so that most hashes that were never let through are held back by a single
//! look at memory that is near, where the table would be far. Pure.

use prefetch_index::prefetch_index;

/// Bits to a hash: with sixteen, some two of a hundred strangers pass.
const BITS: usize = 16;
const WORD: usize = u64::BITS as usize;

/// Lets through each hash that it was told of, and few others.
pub struct Sieve {
    /// As many as a power of two.
    words: Box<[u64]>,
    room: usize,
    taken: usize,
}

impl Default for Sieve {
    fn default() -> Self {
        Self::with_room(0)
    }
}

impl Sieve {
    /// A sieve for so many hashes.
    pub fn with_room(hashes: usize) -> Self {
        let words = (hashes * BITS).div_ceil(WORD).next_power_of_two();
        Self { words: vec![0; words].into(), room: words * WORD / BITS, taken: 0 }
    }

    /// Whether it has taken as many as it was made for; it takes more, and holds back less.
    pub fn is_full(&self) -> bool {
        self.taken >= self.room
    }

    /// Has the hash pass from now on.
    pub fn let_through(&mut self, hash: u64) {
        let (word, bits) = self.place(hash);
        self.words[word] |= bits;
        self.taken += 1;
    }

    /// Has the memory fetched that the hash will be judged by.
    #[inline]
    pub fn fetch(&self, hash: u64) {
        prefetch_index(&self.words, self.place(hash).0);
    }

    /// Whether the hash may have been told of; where not, it surely was not.
    #[inline]
    pub fn lets_through(&self, hash: u64) -> bool {
        let (word, bits) = self.place(hash);
        self.words[word] & bits == bits
    }

    // The table goes by the lowest and the uppermost bits of the hash; the sieve by those between.
    #[inline]
    fn place(&self, hash: u64) -> (usize, u64) {
        let word = (hash >> 20) as usize & (self.words.len() - 1);
        (word, 1 << (hash & 63) | 1 << (hash >> 8 & 63))
    }
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;

    use hashbrown::DefaultHashBuilder;

    use super::*;

    #[test]
    fn what_was_told_passes_and_few_others() {
        let hasher = DefaultHashBuilder::default();
        let mut sieve = Sieve::with_room(100_000);
        let hash = |number: u32| hasher.hash_one(number);
        (0..100_000).for_each(|number| sieve.let_through(hash(number)));
        assert!((0..100_000).all(|number| sieve.lets_through(hash(number))));
        let strangers = (100_000..200_000).filter(|number| sieve.lets_through(hash(*number))).count();
        assert!(strangers < 5_000, "{strangers} of 100,000 strangers pass");
    }

    #[test]
    fn an_empty_one_holds_everything_back() {
        let sieve = Sieve::default();
        assert!((0..1_000).all(|number| !sieve.lets_through(number << 18 | number)));
    }
}
