//! The commitment, the seed and the tickets that follow from it.

use std::fmt;

use sha2::{Digest, Sha256, block_api::compress256};

/// SHA-256 of a text, in lower-case hex.
pub fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

/// What is published of a secret 承诺值 before the entropy exists: the digest of its hex text.
pub fn commitment(secret: &str) -> String {
    digest(secret)
}

/// The seed 随机种子 of a draw.
#[derive(Clone)]
pub struct Seed {
    text: String,
    /// The hash's state after the seed's 64 bytes, which are one block: each ticket then costs one block more, not two.
    /// None where the text is no hex of 32 bytes.
    state: Option<[u32; 8]>,
}

/// FIPS 180-4, 5.3.3.
const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// The length of a unified social credit code.
const USUAL: usize = 18;

/// What a block holds beside the end of the message: one byte that marks it and eight of the length.
const ROOM: usize = 64 - 9;

impl Seed {
    /// The seed that follows from what was committed and the entropy that did not exist then.
    pub fn derive(secret: &str, entropy: &str, roster_digest: &str, quota_text: &str) -> Self {
        Self::of(digest(&format!("{secret}\n{entropy}\n{roster_digest}\n{quota_text}")))
    }

    /// A seed as published, of whatever form: its tickets are computed over the text.
    pub fn of(text: String) -> Self {
        let state = <[u8; 64]>::try_from(text.as_bytes()).ok().map(|block| {
            let mut state = INITIAL;
            compress256(&mut state, &[block]);
            state
        });
        Self { text, state }
    }

    /// The seed's text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// A subject's ticket 号签.
    pub fn ticket(&self, uscc: &str) -> Ticket {
        // A code of the usual length takes a block whose form is known beforehand.
        let (Some(state), Ok(code)) = (self.state, <[u8; USUAL]>::try_from(uscc.as_bytes())) else {
            return self.hash(&[b"\n", uscc.as_bytes()]);
        };
        let mut block = [0; 64];
        block[0] = b'\n';
        block[1..=USUAL].copy_from_slice(&code);
        last_block(state, block, 1 + USUAL)
    }

    /// An inspector's ticket for the visit to a subject.
    pub fn inspector_ticket(&self, uscc: &str, inspector_id: &str) -> Ticket {
        self.hash(&[b"\n", uscc.as_bytes(), b"\n", inspector_id.as_bytes()])
    }

    fn hash(&self, parts: &[&[u8]]) -> Ticket {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        match self.state {
            Some(state) if length <= ROOM => {
                let mut block = [0; 64];
                let mut at = 0;
                for part in parts {
                    block[at..at + part.len()].copy_from_slice(part);
                    at += part.len();
                }
                last_block(state, block, length)
            }
            _ => {
                let mut whole = Sha256::new_with_prefix(&self.text);
                parts.iter().for_each(|part| whole.update(part));
                Ticket::of(whole.finalize().into())
            }
        }
    }
}

/// The hash of the seed's block and one more that holds so many bytes, padded as FIPS 180-4, 5.1.1 says.
fn last_block(mut state: [u32; 8], mut block: [u8; 64], length: usize) -> Ticket {
    block[length] = 0x80;
    block[56..].copy_from_slice(&(8 * (64 + length as u64)).to_be_bytes());
    compress256(&mut state, &[block]);
    let [a, b, c, d, e, f, g, h] = state.map(u64::from);
    Ticket([a << 32 | b, c << 32 | d, e << 32 | f, g << 32 | h])
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seed({})", self.text)
    }
}

/// A ticket, in words of which the first counts most: their order is that of the hex text, by which the contract compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket([u64; 4]);

impl Ticket {
    /// Greater than none.
    pub(crate) const LAST: Self = Self([u64::MAX; 4]);

    fn of(bytes: [u8; 32]) -> Self {
        let mut words = [0; 4];
        for (word, eight) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_be_bytes(*eight);
        }
        Self(words)
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 64];
        let bytes = self.0.map(u64::to_be_bytes);
        hex::encode_to_slice(bytes.as_flattened(), &mut text).map_err(|_| fmt::Error)?;
        f.write_str(str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}
