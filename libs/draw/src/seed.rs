//! The commitment, the seed and the tickets that follow from it.

use std::fmt;

use sha2::{Digest, Sha256};

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
    /// The hash after the seed's 64 bytes, which are one block: each ticket then costs one block more, not two.
    hashed: Sha256,
}

impl Seed {
    /// The seed that follows from what was committed and the entropy that did not exist then.
    pub fn derive(secret: &str, entropy: &str, roster_digest: &str, quota_text: &str) -> Self {
        Self::of(digest(&format!("{secret}\n{entropy}\n{roster_digest}\n{quota_text}")))
    }

    /// A seed as published, of whatever form: its tickets are computed over the text.
    pub fn of(text: String) -> Self {
        let hashed = Sha256::new_with_prefix(&text);
        Self { text, hashed }
    }

    /// The seed's text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// A subject's ticket 号签.
    pub fn ticket(&self, uscc: &str) -> Ticket {
        self.hash(&[b"\n", uscc.as_bytes()])
    }

    /// An inspector's ticket for the visit to a subject.
    pub fn inspector_ticket(&self, uscc: &str, inspector_id: &str) -> Ticket {
        self.hash(&[b"\n", uscc.as_bytes(), b"\n", inspector_id.as_bytes()])
    }

    fn hash(&self, parts: &[&[u8]]) -> Ticket {
        let mut hashed = self.hashed.clone();
        parts.iter().for_each(|part| hashed.update(part));
        Ticket(hashed.finalize().into())
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seed({})", self.text)
    }
}

/// A ticket. The order of its bytes is the order of its hex text, by which the contract compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket([u8; 32]);

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}
