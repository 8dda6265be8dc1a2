//! The signing key of a witness: `PRIVATE+KEY+<name>+<id>+<base64(0x04 | seed)>`, in the manner of a ledger's key.
//!
//! It knows how such a key is made, kept and used. What may be cosigned is [`crate::witness`]'s.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};

use crate::checkpoint::SignedCheckpoint;
use crate::cosignature::{Cosignature, WitnessKey, cosigned_message};
use crate::durable::Disk;
use crate::key::{KeyError, SECRET_PREFIX};
use crate::note::TYPE_COSIGNATURE;

/// An Ed25519 key pair that cosigns checkpoints.
#[derive(Clone)]
pub struct WitnessKeyPair {
    signing: SigningKey,
    verifier: WitnessKey,
}

impl WitnessKeyPair {
    /// Draws a new key for the witness `name`, the scheme-less name under which it is known.
    pub fn generate(name: &str) -> Result<Self, KeyError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(KeyError::Random)?;
        Self::from_seed(name, seed)
    }

    /// Derives the key of an RFC 8032 seed. Equal seeds give equal keys: for a secret kept elsewhere, and for tests.
    pub fn from_seed(name: &str, seed: [u8; 32]) -> Result<Self, KeyError> {
        let signing = SigningKey::from_bytes(&seed);
        let verifier = WitnessKey::new(name, signing.verifying_key()).map_err(KeyError::Origin)?;
        Ok(Self { signing, verifier })
    }

    /// Reads a key from its text form.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let body = text.trim_end_matches('\n').strip_prefix(SECRET_PREFIX).ok_or(KeyError::Form)?;
        let (name, rest) = body.split_once('+').ok_or(KeyError::Form)?;
        let (id, encoded) = rest.split_once('+').ok_or(KeyError::Form)?;
        let typed = STANDARD.decode(encoded).map_err(|_| KeyError::Form)?;
        let seed = match typed.split_first() {
            Some((&TYPE_COSIGNATURE, seed)) => <[u8; 32]>::try_from(seed).map_err(|_| KeyError::Form)?,
            _ => return Err(KeyError::Form),
        };
        let key = Self::from_seed(name, seed)?;
        if format!("{:08x}", key.verifier.id()) == id {
            Ok(key)
        } else {
            Err(KeyError::Id { origin: name.to_owned(), expected: key.verifier.id(), found: id.to_owned() })
        }
    }

    /// Reads a key file.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| KeyError::Read { path: path.to_owned(), source })?;
        Self::parse(&text)
    }

    /// Writes a new key file that only its owner may read (mode 0600), durably. An existing file is never replaced.
    pub fn save(&self, path: &Path) -> Result<(), KeyError> {
        let mut typed = vec![TYPE_COSIGNATURE];
        typed.extend_from_slice(self.signing.as_bytes());
        let (name, id) = (self.verifier.name(), self.verifier.id());
        let text = format!("{SECRET_PREFIX}{name}+{id:08x}+{}\n", STANDARD.encode(typed));
        Disk::default().create_private_file(path, text.as_bytes()).map_err(KeyError::Write)
    }

    /// The public half, to hand to whoever verifies.
    pub fn verifier(&self) -> &WitnessKey {
        &self.verifier
    }

    /// Cosigns a checkpoint as of `timestamp`, in seconds since the Unix epoch. Whoever calls this answers for it being
    /// the largest consistent one seen.
    pub(crate) fn cosign(&self, checkpoint: &SignedCheckpoint, timestamp: u64) -> Cosignature {
        let message = cosigned_message(timestamp, &checkpoint.checkpoint().to_string());
        Cosignature::made(&self.verifier, timestamp, &self.signing.sign(message.as_bytes()))
    }
}

/// Shows the public half only.
impl fmt::Debug for WitnessKeyPair {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "WitnessKeyPair({})", self.verifier)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_saved_key_loads_and_is_the_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("witness.key");
        let key = WitnessKeyPair::generate("witness.example/w1").unwrap();
        key.save(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(WitnessKeyPair::load(&path).unwrap().verifier(), key.verifier());
        assert!(matches!(key.save(&path), Err(KeyError::Write(_))), "an existing key stays");
        assert!(!format!("{key:?}").contains("PRIVATE"));
        let ledger = crate::KeyPair::generate("example.com/ledger").unwrap();
        let other = folder.path().join("ledger.key");
        ledger.save(&other).unwrap();
        assert!(
            matches!(WitnessKeyPair::load(&other), Err(KeyError::Form)),
            "a ledger's key cosigns nothing"
        );
    }
}
