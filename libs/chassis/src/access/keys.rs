//! The issuer's keys. A set with a key that is doubled, short, weak or meant for something else is refused whole: who sends one such
//! key does not know what they are sending.
use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use contract::identity::v1::Key;
use ed25519_dalek::VerifyingKey;
use jsonwebtoken::DecodingKey;

/// Keys by their ids.
#[derive(Clone, Default)]
pub struct KeySet(HashMap<String, DecodingKey>);

// More are no rotation, and every key is one more that may sign.
const KEYS_MOST: usize = 16;
const KID_MAX: usize = 64;

impl KeySet {
    /// Judges a set; the refusal says what is wrong with which key.
    pub fn of(keys: &[Key]) -> anyhow::Result<Self> {
        anyhow::ensure!(keys.len() <= KEYS_MOST, "the set holds {} keys, at most {KEYS_MOST}", keys.len());
        let mut set = HashMap::new();
        for key in keys {
            let shown: String = key.kid.chars().take(KID_MAX).collect();
            let decoding = decoding(key).map_err(|error| error.context(format!("the key \"{shown}\"")))?;
            anyhow::ensure!(
                set.insert(key.kid.clone(), decoding).is_none(),
                "the key \"{shown}\" stands twice"
            );
        }
        Ok(Self(set))
    }

    /// The key of an id.
    pub fn get(&self, kid: &str) -> Option<&DecodingKey> {
        self.0.get(kid)
    }

    /// Adds the keys of another set.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

fn decoding(key: &Key) -> anyhow::Result<DecodingKey> {
    let form = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    anyhow::ensure!(
        !key.kid.is_empty() && key.kid.len() <= KID_MAX && form(&key.kid),
        "its kid has no proper form"
    );
    anyhow::ensure!(key.kty == "OKP", "its kty is \"{}\", not OKP", key.kty);
    anyhow::ensure!(key.crv == "Ed25519", "its crv is \"{}\", not Ed25519", key.crv);
    anyhow::ensure!(key.alg == "EdDSA", "its alg is \"{}\", not EdDSA", key.alg);
    anyhow::ensure!(key.r#use == "sig", "its use is \"{}\", not sig", key.r#use);
    let bytes = URL_SAFE_NO_PAD.decode(&key.x).map_err(|_| anyhow::anyhow!("its x is not base64url"))?;
    let bytes: [u8; 32] =
        bytes.try_into().map_err(|bytes: Vec<u8>| anyhow::anyhow!("it has {} bytes, not 32", bytes.len()))?;
    let point =
        VerifyingKey::from_bytes(&bytes).map_err(|_| anyhow::anyhow!("it is no point of the curve"))?;
    anyhow::ensure!(!point.is_weak(), "it is weak: signatures of it hold for any text");
    Ok(DecodingKey::from_ed_der(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signer::Signer;

    fn key(seed: u8, change: impl FnOnce(&mut Key)) -> Key {
        let mut key = Signer::from_seed(&[seed; 32]).public().clone();
        change(&mut key);
        key
    }

    #[test]
    fn sets_that_are_not_clean_are_refused_whole() {
        assert!(KeySet::of(&[key(1, |_| {}), key(2, |_| {})]).is_ok());
        let weak = URL_SAFE_NO_PAD.encode([&[1_u8][..], &[0; 31]].concat());
        for (said, wrong) in [
            ("stands twice", key(1, |_| {})),
            ("stands twice", key(2, |two| two.kid = key(1, |_| {}).kid)),
            ("31 bytes", key(2, |key| key.x = URL_SAFE_NO_PAD.encode([9; 31]))),
            ("0 bytes", key(2, |key| key.x = String::new())),
            ("base64url", key(2, |key| key.x.push('='))),
            ("weak", key(2, |key| key.x = weak)),
            ("kty", key(2, |key| key.kty = String::from("oct"))),
            ("kty", key(2, |key| key.kty = String::from("RSA"))),
            ("crv", key(2, |key| key.crv = String::from("X25519"))),
            ("alg", key(2, |key| key.alg = String::from("HS256"))),
            ("alg", key(2, |key| key.alg = String::new())),
            ("use", key(2, |key| key.r#use = String::from("enc"))),
            ("kid", key(2, |key| key.kid = String::new())),
            ("kid", key(2, |key| key.kid = String::from("../1"))),
        ] {
            let told = format!("{:#}", KeySet::of(&[key(1, |_| {}), wrong]).map(|_| ()).expect_err(said));
            assert!(told.contains(said), "{said}: {told}");
        }
        let many: Vec<Key> = (0..17).map(|seed| key(seed, |_| {})).collect();
        assert!(KeySet::of(&many).is_err());
    }
}
