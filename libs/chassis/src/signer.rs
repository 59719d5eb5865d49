//! Signs tokens with Ed25519; the identity service's half of `access`.
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use contract::identity::v1::Key;
use ed25519_dalek::SigningKey;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use sha2::{Digest, Sha256};

use crate::{
    access::Claims,
    fault::{Answer, Fault},
};

/// A signing key with its id.
pub struct Signer {
    key: EncodingKey,
    public: Key,
}

// RFC 8410: what stands before the 32 bytes of an Ed25519 private key in PKCS #8.
const PKCS8_HEAD: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

impl Signer {
    /// The key of a 32-byte seed. Its id is the head of the public key's hash, so that the same seed keeps its id.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let public = SigningKey::from_bytes(seed).verifying_key();
        let der: Vec<u8> = PKCS8_HEAD.iter().chain(seed).copied().collect();
        let kid = hex::encode(Sha256::digest(public.as_bytes())).chars().take(16).collect();
        let public = Key {
            kty: String::from("OKP"),
            crv: String::from("Ed25519"),
            x: URL_SAFE_NO_PAD.encode(public.as_bytes()),
            kid,
            alg: String::from("EdDSA"),
            r#use: String::from("sig"),
        };
        Self { key: EncodingKey::from_ed_der(&der), public }
    }

    /// The public half, as the key set shows it.
    pub fn public(&self) -> &Key {
        &self.public
    }

    /// A token of these claims.
    pub fn sign(&self, claims: &Claims) -> Answer<String> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.public.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.key).map_err(Fault::internal)
    }
}
