//! State that travels through a client: encrypted, authenticated, bound to its purpose.
//!
//! Format: base64url without padding of `version (1 byte) · nonce (24) · ciphertext and tag`,
//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) with the purpose as associated data. The nonce
//! is random: 192 bits allow that for every replica that shares the key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::fmt;

const VERSION: u8 = 1;
const NONCE: usize = 24;
/// The longest sealed text that is opened.
pub const MAX_SEALED: usize = 64 * 1024;

/// Seals and opens state.
#[derive(Clone)]
pub struct Sealer(XChaCha20Poly1305);

/// What sealed text is for: text of one purpose does not open as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The id of a legacy session.
    Session,
    /// `requestState` of a modern question.
    Question,
    /// A cursor of a list.
    Cursor,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Session => b"portcullis session",
            Self::Question => b"portcullis question",
            Self::Cursor => b"portcullis cursor",
        }
    }
}

/// The system gave no randomness.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random numbers")]
pub struct NoRandomness;

/// Fills an array with random bytes.
pub fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

impl Sealer {
    /// A sealer with a key of its own: what it seals, only this process opens.
    pub fn random() -> Result<Self, NoRandomness> {
        Ok(Self(XChaCha20Poly1305::new(&random::<32>()?.into())))
    }

    /// A sealer whose key is derived from a secret that replicas share.
    pub fn from_secret(secret: &[u8]) -> Self {
        let key = Sha256::new().chain_update(b"portcullis state key v1").chain_update(secret).finalize();
        Self(XChaCha20Poly1305::new(&key))
    }

    /// Seals a value.
    pub fn seal<T: Serialize>(&self, purpose: Purpose, value: &T) -> Result<String, NoRandomness> {
        let nonce = random::<NONCE>()?;
        // Our own types always serialise.
        let plain = serde_json::to_vec(value).unwrap_or_default();
        let payload = Payload { msg: &plain, aad: purpose.label() };
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload).map_err(|_| NoRandomness)?;
        let mut out = Vec::with_capacity(1 + NONCE + sealed.len());
        out.push(VERSION);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        Ok(URL_SAFE_NO_PAD.encode(out))
    }

    /// Opens what [`Sealer::seal`] sealed for the same purpose with the same key; anything else is
    /// `None`.
    pub fn open<T: DeserializeOwned>(&self, purpose: Purpose, text: &str) -> Option<T> {
        if text.len() > MAX_SEALED {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (&version, rest) = bytes.split_first()?;
        if version != VERSION {
            return None;
        }
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>()?;
        let payload = Payload { msg: sealed, aad: purpose.label() };
        let plain = self.0.decrypt(&XNonce::from(*nonce), payload).ok()?;
        serde_json::from_slice(&plain).ok()
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_same_key_and_purpose_open() {
        let sealer = Sealer::from_secret(b"s");
        let text = sealer.seal(Purpose::Session, &"value").unwrap();
        assert_eq!(Sealer::from_secret(b"s").open::<String>(Purpose::Session, &text).as_deref(), Some("value"));
        assert_eq!(sealer.open::<String>(Purpose::Question, &text), None);
        assert_eq!(Sealer::random().unwrap().open::<String>(Purpose::Session, &text), None);
    }

    proptest! {
        #[test]
        fn a_changed_byte_never_opens(at in 0usize..60, to in any::<u8>()) {
            let sealer = Sealer::from_secret(b"s");
            let text = sealer.seal(Purpose::Session, &"value").unwrap();
            let mut bytes = text.clone().into_bytes();
            let at = at % bytes.len();
            bytes[at] = to;
            let changed = String::from_utf8_lossy(&bytes).into_owned();
            prop_assume!(changed != text);
            prop_assert_eq!(sealer.open::<String>(Purpose::Session, &changed), None);
        }

        #[test]
        fn nonsense_never_opens(text in any::<String>()) {
            prop_assert_eq!(Sealer::from_secret(b"s").open::<String>(Purpose::Session, &text), None);
        }
    }
}
