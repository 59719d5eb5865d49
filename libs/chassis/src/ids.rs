//! Identifiers and secrets, the one place where chance is drawn.
use std::cell::RefCell;

use jiff::Timestamp;

use crate::fault::{Answer, Fault};

/// Random bytes of the operating system: for secrets, which lie nowhere before they are drawn.
pub fn random<const N: usize>() -> Answer<[u8; N]> {
    let mut bytes = [0_u8; N];
    fill(&mut bytes)?;
    Ok(bytes)
}

fn fill(bytes: &mut [u8]) -> Answer<()> {
    getrandom::fill(bytes).map_err(|error| Fault::internal(anyhow::anyhow!("no randomness: {error}")))
}

// Each call draws some: so much is taken from the operating system at once, a thread's own, and each byte is given out once.
const RESERVE: usize = 1_024;

struct Reserve {
    bytes: [u8; RESERVE],
    left: usize,
}

thread_local! {
    static OWN: RefCell<Reserve> = const { RefCell::new(Reserve { bytes: [0; RESERVE], left: 0 }) };
}

/// Random bytes for what is only told apart by them, and is no secret: at a fraction of a system call.
pub(crate) fn distinct<const N: usize>() -> Answer<[u8; N]> {
    const { assert!(N <= RESERVE) };
    OWN.with_borrow_mut(|own| {
        if own.left < N {
            fill(&mut own.bytes)?;
            own.left = RESERVE;
        }
        let mut bytes = [0_u8; N];
        bytes.copy_from_slice(&own.bytes[own.left - N..own.left]);
        own.left -= N;
        Ok(bytes)
    })
}

/// An identifier that grows with time, so that an index appends rather than scatters: 12 hex digits of milliseconds, 20 of chance.
pub fn fresh(now: Timestamp) -> Answer<String> {
    let milliseconds = now.as_millisecond().max(0);
    Ok(format!("{milliseconds:012x}{}", hex::encode(distinct::<10>()?)))
}

/// A secret of 256 bits in hex.
pub fn secret() -> Answer<String> {
    Ok(hex::encode(random::<32>()?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_chance_is_given_out_twice() {
        let drawn = || (0..10_000).map(|_| distinct::<10>().expect("chance")).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(drawn)).collect();
        let all: Vec<[u8; 10]> =
            threads.into_iter().flat_map(|thread| thread.join().expect("a thread")).collect();
        assert!(all.iter().all(|bytes| *bytes != [0; 10]));
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 40_000);
        // Of 400,000 bytes each value comes some 1,560 times.
        let mut counts = [0_u32; 256];
        all.iter().flatten().for_each(|byte| counts[usize::from(*byte)] += 1);
        assert!(counts.iter().all(|count| (1_200..2_000).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_size_that_does_not_divide_the_reserve_is_whole() {
        let drawn: BTreeSet<[u8; 24]> = (0..1_000).map(|_| distinct().expect("chance")).collect();
        assert_eq!(drawn.len(), 1_000);
    }
}
