//! A token taken apart, strictly: what a JWT library lets pass because it does not know it is refused here, before the library sees it.
use std::{collections::HashSet, fmt};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned, MapAccess, SeqAccess, Visitor},
};

use super::refused;
use crate::fault::{Answer, Fault};

/// The longest token: one with every scope and role that a client may hold is shorter.
pub const LENGTH_MAX: usize = 16 * 1024;

// RFC 7515: what a header holds beside these changes how the token is to be read (crit, zip, b64, cty, enc) or names a key of the
// sender's own choice (jku, jwk, x5u, x5c, x5t). Neither is ours.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
}

/// The times of a token, seconds since 1970.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Times {
    /// The end.
    pub exp: i64,
    /// The issue.
    pub iat: i64,
    /// The beginning, where it is not the issue.
    nbf: Option<i64>,
}

/// How far two machines' clocks may be apart.
pub const CLOCK_LEEWAY_S: i64 = 30;

impl Times {
    /// Judges them at an instant; the issuer's clock may be so far ahead.
    pub fn check(&self, now_s: i64, ahead_s: i64) -> Answer<()> {
        if now_s >= self.exp.saturating_add(CLOCK_LEEWAY_S) {
            return Err(refused("the token has expired; get a new one", "令牌已过期；请重新获取"));
        }
        let begins = self.nbf.map_or(self.iat, |nbf| nbf.max(self.iat));
        if now_s < begins.saturating_sub(ahead_s) {
            return Err(refused(
                "the token is not valid yet: its iat or nbf lies in the future; check the clocks",
                "令牌尚未生效：iat 或 nbf 在将来；请核对时钟",
            ));
        }
        Ok(())
    }
}

/// A token whose form is right; nothing of it is proven yet.
pub struct Token<'a> {
    /// The key that it names.
    pub kid: String,
    alg: String,
    typ: Option<String>,
    signed: &'a str,
    signature: &'a str,
    payload: Vec<u8>,
}

impl<'a> Token<'a> {
    /// Takes an access token apart: it names its type and its key.
    pub fn parse(text: &'a str) -> Answer<Self> {
        let token = Self::taken_apart(text)?;
        if token.kid.is_empty() { Err(unusual()) } else { Ok(token) }
    }

    /// Takes a client's assertion apart, which may leave its type and its key unsaid.
    pub fn parse_assertion(text: &'a str) -> Answer<Self> {
        let token = Self::taken_apart(text)?;
        token.is_of(&["EdDSA"], if token.typ.is_some() { &["JWT"] } else { &[""] })?;
        Ok(token)
    }

    fn taken_apart(text: &'a str) -> Answer<Self> {
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(not_a_token());
        };
        if text.len() > LENGTH_MAX || signature.is_empty() {
            return Err(not_a_token());
        }
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| not_a_token());
        let Header { alg, typ, kid } = strict(&decoded(header)?).map_err(|_| unusual())?;
        let signed = &text[..text.len() - signature.len() - 1];
        let payload = decoded(payload)?;
        Ok(Self { kid: kid.unwrap_or_default(), alg, typ, signed, signature, payload })
    }

    /// Whether its header names one of these algorithms and one of these types; "" is none.
    pub fn is_of(&self, algorithms: &[&str], types: &[&str]) -> Answer<()> {
        if !algorithms.contains(&self.alg.as_str()) {
            return Err(refused(
                &format!("the token is not signed with {}", algorithms.join(" or ")),
                &format!("令牌不是以 {} 签名", algorithms.join(" 或 ")),
            ));
        }
        if !types.contains(&self.typ.as_deref().unwrap_or_default()) {
            return Err(refused(
                &format!("the token's typ is not {}", types.join(" or ")),
                &format!("令牌的 typ 不是 {}", types.join(" 或 ")),
            ));
        }
        Ok(())
    }

    /// The algorithm that its header names, which is judged before.
    pub fn algorithm(&self) -> Option<Algorithm> {
        self.alg.parse().ok()
    }

    /// Whether a key signed it.
    pub fn is_signed_by(&self, key: &DecodingKey) -> bool {
        let Some(algorithm) = self.algorithm() else { return false };
        jsonwebtoken::crypto::verify(self.signature, self.signed.as_bytes(), key, algorithm).unwrap_or(false)
    }

    /// Its claims: every member once, each of its own JSON type.
    pub fn claims<T: DeserializeOwned>(&self) -> Answer<T> {
        strict(&self.payload).map_err(|_| {
            refused(
                "a claim of the token is missing, doubled or of the wrong JSON type",
                "令牌的声明缺失、重复或 JSON 类型不正确",
            )
        })
    }
}

// A struct's own members are judged by serde; those that it ignores could still stand there twice.
pub fn strict<T: DeserializeOwned>(json: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice::<Distinct>(json)?;
    serde_json::from_slice(json)
}

// Any JSON in which no object names a member twice.
struct Distinct;

impl<'de> Deserialize<'de> for Distinct {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Distinct)
    }
}

impl<'de> Visitor<'de> for Distinct {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without doubled members")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Distinct>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        let mut names = HashSet::new();
        while let Some((name, Distinct)) = members.next_entry::<String, Distinct>()? {
            if !names.insert(name) {
                return Err(de::Error::custom("a member stands twice"));
            }
        }
        Ok(self)
    }
}

fn unusual() -> Fault {
    refused(
        "the token's header holds more or less than alg, typ and kid, each once",
        "令牌头只能包含 alg、typ、kid，且各出现一次",
    )
}

fn not_a_token() -> Fault {
    refused("the token can't be read: it is not a JWT", "令牌无法识别：不是 JWT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_that_stand_twice_are_found_at_any_depth() {
        let good = |text: &str| serde_json::from_str::<Distinct>(text).is_ok();
        assert!(good(r#"{"a": 1, "b": [1.5, true, null, "x", {"a": -1}]}"#));
        for wrong in [r#"{"a": 1, "a": 1}"#, r#"[{"b": {"a": 1, "a": 2}}]"#, "{\"a\": 1, \"\\u0061\": 2}"] {
            assert!(!good(wrong), "{wrong}");
        }
    }

    #[test]
    fn times_have_edges() {
        let times = |exp, iat, nbf| Times { exp, iat, nbf };
        let at = |times: Times, now: i64| times.check(now, CLOCK_LEEWAY_S).is_ok();
        assert!(at(times(1_000, 0, None), 1_029) && !at(times(1_000, 0, None), 1_030));
        assert!(at(times(1_000, 100, None), 70) && !at(times(1_000, 100, None), 69));
        assert!(at(times(1_000, 0, Some(100)), 70) && !at(times(1_000, 0, Some(100)), 69));
        assert!(at(times(i64::MAX, i64::MIN, None), 0), "no sum overflows");
    }
}
