//! Identifiers and secrets, the one place where chance is drawn.
use jiff::Timestamp;

use crate::fault::{Answer, Fault};

/// Random bytes of the operating system.
pub fn random<const N: usize>() -> Answer<[u8; N]> {
    let mut bytes = [0_u8; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Fault::internal(anyhow::anyhow!("no randomness: {error}")))?;
    Ok(bytes)
}

/// An identifier that grows with time, so that an index appends rather than scatters: 12 hex digits of milliseconds, 20 of chance.
pub fn fresh(now: Timestamp) -> Answer<String> {
    let milliseconds = now.as_millisecond().max(0);
    Ok(format!("{milliseconds:012x}{}", hex::encode(random::<10>()?)))
}

/// A secret of 256 bits in hex.
pub fn secret() -> Answer<String> {
    Ok(hex::encode(random::<32>()?))
}
