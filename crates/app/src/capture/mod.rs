//! The capture policy of an evidence folder: its file, its keys, and the sealed values.
//!
//! What a policy does to a record is in `ascribe_sources::capture`; here is all that touches files, keys and randomness.

mod key;
mod policy_file;
mod sealed_check;
mod sealed_file;

use std::io;
use std::path::Path;

use crate::hexadecimal::hexadecimal;
use ascribe_ledger::commit_sealed;
use ascribe_model::ConfigEntry;
use ascribe_sources::capture::{Action, CapturedRecord, Keyring, Sealed};
use ascribe_sources::{Context, ReadRecord};
use sha2::{Digest as _, Sha256};

pub use key::{KeyUse, SecretKey, SecretKeyError};
pub use policy_file::{Break, ClassForm, DEFAULT_POLICY, POLICY_FILE, PolicyError, PolicyFile};
pub use sealed_check::{SealedProblem, check_sealed};
pub use sealed_file::{
    SealedValue, SealedWriter, UnsealError, WriteSealedError, commitment_of, count_sealed, erase_sealed,
    open_value,
};

/// Folder of sealed files in an evidence folder.
pub const SEALED_FOLDER: &str = "sealed";

/// A policy with what it needs to be applied.
#[derive(Debug)]
pub struct Capture {
    file: PolicyFile,
    keys: Keys,
}

/// Keys, as far as the policy needs them.
#[derive(Debug, Default)]
struct Keys {
    hash: Option<SecretKey>,
    seal: Option<SecretKey>,
}

/// A record after the policy.
pub struct Captured<'a> {
    /// The record as it is stored.
    pub record: CapturedRecord<'a>,
    /// What has to be durable before it is.
    pub sealed: Vec<SealedValue>,
}

/// The policy of an evidence folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// Its file.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A key that it needs.
    #[error("the capture policy needs a key to {} values", of.verb())]
    Key {
        /// What for.
        of: KeyUse,
        /// What is wrong with it.
        #[source]
        source: SecretKeyError,
    },
}

impl Capture {
    /// The policy of the evidence folder at `root`.
    pub fn open(root: &Path) -> Result<Self, CaptureError> {
        let file = PolicyFile::read_to_use(&root.join(POLICY_FILE))?;
        let key = |of: KeyUse, action: Action| {
            let needed = file.policy.rules().iter().any(|rule| rule.action == action);
            let load = || SecretKey::load(&key_path(root, of), of);
            needed.then(load).transpose().map_err(|source| CaptureError::Key { of, source })
        };
        let keys = Keys { hash: key(KeyUse::Hash, Action::Hash)?, seal: key(KeyUse::Seal, Action::Seal)? };
        Ok(Self { file, keys })
    }

    /// A policy with new keys of its own, to see what it would do: nothing that comes of it is stored.
    pub fn on_trial(file: PolicyFile) -> Result<Self, SecretKeyError> {
        let keys =
            Keys { hash: Some(SecretKey::draw(KeyUse::Hash)?), seal: Some(SecretKey::draw(KeyUse::Seal)?) };
        Ok(Self { file, keys })
    }

    /// The policy's file.
    pub fn file(&self) -> &PolicyFile {
        &self.file
    }

    /// What the ledger records of the policy.
    pub fn entry(&self) -> ConfigEntry {
        ConfigEntry::CapturePolicy { version: self.file.version.clone(), text: self.file.text.clone() }
    }

    /// The version that opening entries of objects name.
    pub fn version(&self) -> Option<&str> {
        Some(self.file.version.as_str()).filter(|version| *version != ConfigEntry::NONE)
    }

    /// Whether it seals values.
    pub const fn seals(&self) -> bool {
        self.keys.seal.is_some()
    }

    /// Writes the sealed values of an evidence folder, where the policy seals any.
    pub fn sealed_writer(&self, root: &Path) -> Option<SealedWriter> {
        let key = self.keys.seal.as_ref()?;
        Some(SealedWriter::new(ascribe_ledger::durable::Disk::default(), root.join(SEALED_FOLDER), key))
    }

    /// Withholds from a record what the policy asks for.
    ///
    /// # Errors
    /// When the system gives no randomness, or a value cannot be encrypted.
    pub fn capture<'a>(&self, record: ReadRecord<'a>, context: &Context<'_>) -> io::Result<Captured<'a>> {
        let record = self.file.policy.capture(record, context, &mut &self.keys)?;
        let mut sealed = Vec::new();
        if let Some(key) = &self.keys.seal {
            for value in &record.sealed {
                sealed.push(SealedValue::new(key, value).map_err(io::Error::other)?);
            }
        }
        Ok(Captured { record, sealed })
    }
}

impl Keyring for &Keys {
    fn keyed_hash(&self, value: &str) -> io::Result<[u8; 32]> {
        let key = self.hash.as_ref().ok_or_else(|| io::Error::other("there is no key to hash values"))?;
        Ok(key.hash(value.as_bytes()))
    }

    fn seal(&mut self, value: &str) -> io::Result<Sealed> {
        let mut salt = [0; 32];
        getrandom::fill(&mut salt).map_err(io::Error::from)?;
        Ok(Sealed { commitment: commit_sealed(&salt, value.as_bytes()), salt, value: value.to_owned() })
    }
}

impl CaptureError {
    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Policy(error) => error.hint(),
            Self::Key { of: KeyUse::Seal, .. } => {
                "restore `keys/seal.key` from its backup; where it was destroyed, `ascribe redactions --new-key` makes a new one"
            }
            Self::Key { of: KeyUse::Hash, .. } => {
                "restore `keys/` from its backup: under another key equal values would not be equal any more"
            }
        }
    }
}

/// Makes the keys of a new evidence folder.
pub fn create_keys(root: &Path) -> Result<(), SecretKeyError> {
    [KeyUse::Hash, KeyUse::Seal].iter().try_for_each(|of| SecretKey::create(&key_path(root, *of), *of))
}

/// Where a key is kept in an evidence folder.
pub fn key_path(root: &Path, of: KeyUse) -> std::path::PathBuf {
    root.join("keys").join(format!("{}.key", of.verb()))
}

/// `sha256:` and the digest of bytes.
pub fn digest_text(bytes: &[u8]) -> String {
    format!("sha256:{}", hexadecimal(&Sha256::digest(bytes)))
}
