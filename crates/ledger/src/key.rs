//! The signing key of a ledger, in the text form of the note signers that C2SP tools use:
//! `PRIVATE+KEY+<origin>+<id>+<base64(0x01 | seed)>`.
//!
//! It knows how a key is made, kept and used, and nothing of what it signs.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};

use crate::durable::{Disk, DurableError};
use crate::note::{TYPE_ED25519, VerifierKey, VerifierKeyError, add_signature, join_note};

pub(crate) const SECRET_PREFIX: &str = "PRIVATE+KEY+";

/// An Ed25519 key pair that signs the checkpoints of one origin.
#[derive(Clone)]
pub struct KeyPair {
    signing: SigningKey,
    verifier: VerifierKey,
}

/// Why a key could not be made, read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random(#[source] getrandom::Error),
    /// The origin cannot name a key.
    #[error("the origin cannot name a key")]
    Origin(#[source] VerifierKeyError),
    /// The key file could not be read.
    #[error("cannot read the key file `{}`", path.display())]
    Read {
        /// The key file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The key file could not be written.
    #[error("cannot write the key file")]
    Write(#[source] DurableError),
    /// The text is not `PRIVATE+KEY+<origin>+<id>+<base64>`. The text itself is secret and not shown.
    #[error("the signing key is not of the form `PRIVATE+KEY+<origin>+<id>+<key>`")]
    Form,
    /// The id does not belong to the origin and key.
    #[error("the signing key of `{origin}` has id `{expected:08x}`, its text says `{found}`")]
    Id {
        /// Origin in the text.
        origin: String,
        /// The id that follows from origin and key.
        expected: u32,
        /// The id in the text.
        found: String,
    },
}

impl KeyPair {
    /// Draws a new key for `origin`, the scheme-less name of the ledger (tlog-tiles), such as `example.com/audit`.
    pub fn generate(origin: &str) -> Result<Self, KeyError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(KeyError::Random)?;
        Self::from_seed(origin, seed)
    }

    /// Derives the key of an RFC 8032 seed. Equal seeds give equal keys: for a secret kept elsewhere, and for tests.
    pub fn from_seed(origin: &str, seed: [u8; 32]) -> Result<Self, KeyError> {
        let signing = SigningKey::from_bytes(&seed);
        let verifier = VerifierKey::new(origin, signing.verifying_key()).map_err(KeyError::Origin)?;
        Ok(Self { signing, verifier })
    }

    /// Reads a key from its text form.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let body = text.trim_end_matches('\n').strip_prefix(SECRET_PREFIX).ok_or(KeyError::Form)?;
        let (origin, rest) = body.split_once('+').ok_or(KeyError::Form)?;
        let (id, encoded) = rest.split_once('+').ok_or(KeyError::Form)?;
        let typed = STANDARD.decode(encoded).map_err(|_| KeyError::Form)?;
        let seed = match typed.split_first() {
            Some((&TYPE_ED25519, seed)) => <[u8; 32]>::try_from(seed).map_err(|_| KeyError::Form)?,
            _ => return Err(KeyError::Form),
        };
        let key = Self::from_seed(origin, seed)?;
        if format!("{:08x}", key.verifier.id()) == id {
            Ok(key)
        } else {
            Err(KeyError::Id { origin: origin.to_owned(), expected: key.verifier.id(), found: id.to_owned() })
        }
    }

    /// Reads a key file.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let text = Disk::default()
            .read(path)
            .and_then(|bytes| {
                String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
            })
            .map_err(|source| KeyError::Read { path: path.to_owned(), source })?;
        Self::parse(&text)
    }

    /// Writes a new key file that only its owner may read (mode 0600), durably. An existing file is never replaced:
    /// losing a signing key ends a ledger.
    pub fn save(&self, path: &Path) -> Result<(), KeyError> {
        let text = format!("{}\n", self.secret_text());
        Disk::default().create_private_file(path, text.as_bytes()).map_err(KeyError::Write)
    }

    /// The origin whose checkpoints this key signs.
    pub fn origin(&self) -> &str {
        self.verifier.name()
    }

    /// The public half, to hand to whoever verifies.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs a text that ends in a newline and returns the note.
    pub fn sign_note(&self, text: &str) -> String {
        join_note(text, &self.verifier, &self.signing.sign(text.as_bytes()))
    }

    /// Adds this key's signature over `text` to the note that carries it.
    pub(crate) fn add_to_note(&self, note: &str, text: &str) -> String {
        add_signature(note, &self.verifier, &self.signing.sign(text.as_bytes()))
    }

    /// Signs bytes that are no note: they begin with a domain of their own.
    pub(crate) fn sign_bytes(&self, message: &[u8]) -> [u8; 64] {
        self.signing.sign(message).to_bytes()
    }

    fn secret_text(&self) -> String {
        let mut typed = vec![TYPE_ED25519];
        typed.extend_from_slice(self.signing.as_bytes());
        format!("{SECRET_PREFIX}{}+{:08x}+{}", self.origin(), self.verifier.id(), STANDARD.encode(typed))
    }
}

/// Shows the public half only.
impl fmt::Debug for KeyPair {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyPair({})", self.verifier)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_saved_key_loads_and_is_the_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.key");
        let key = KeyPair::generate("example.com/ledger").unwrap();
        key.save(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(KeyPair::load(&path).unwrap().verifier(), key.verifier());
        assert!(matches!(key.save(&path), Err(KeyError::Write(_))), "an existing key stays");
        assert!(!format!("{key:?}").contains("PRIVATE"));
    }

    #[test]
    fn texts_that_are_no_key() {
        let key = KeyPair::from_seed("example.com/ledger", [7; 32]).unwrap();
        let good = key.secret_text();
        assert_eq!(KeyPair::parse(&good).unwrap().verifier(), key.verifier());
        for bad in ["", "PRIVATE+KEY+", "PRIVATE+KEY+a+00000000+AQ==", &good[1..], &good[..good.len() - 4]] {
            assert!(matches!(KeyPair::parse(bad), Err(KeyError::Form)), "{bad}");
        }
        let other_id = good.replacen(&format!("{:08x}", key.verifier().id()), "00000000", 1);
        assert!(matches!(KeyPair::parse(&other_id), Err(KeyError::Id { .. })));
        assert!(matches!(KeyPair::generate("two words"), Err(KeyError::Origin(_))));
    }
}
