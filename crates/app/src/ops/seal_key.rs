//! The key that seals values: destroyed for good, or made anew. Either is in the ledger, with who and why.
//!
//! A sealed value can be shown with its key only, so a destroyed key is destroyed content: the records, their proofs and
//! every answer stay as they are. It knows keys by their ids.

use std::fs;
use std::path::Path;

use ascribe_ledger::{Kind, Reader};
use ascribe_model::{AccessBy, ConfigEntry, Timestamp};
use ascribe_store::Store;

use super::OpenEvidence;
use super::config::{ConfigReadError, configs};
use super::evidence::OpenError;
use super::writing::{WriteFailure, Writing};
use crate::access;
use crate::capture::{KeyUse, SEALED_FOLDER, SecretKey, SecretKeyError, count_sealed, key_path};
use crate::clock;
use crate::hexadecimal::hexadecimal;

/// What is to become of the key.
#[derive(Clone, Copy, Debug)]
pub enum SealKeyRequest<'a> {
    /// Destroy it. The id is the confirmation that this very key is meant; without it nothing is done.
    Destroy {
        /// The id as typed.
        confirmed: Option<&'a str>,
        /// Why.
        reason: &'a str,
    },
    /// Make a new one in the place of one that was destroyed.
    Make {
        /// Why.
        reason: &'a str,
    },
}

/// What became of the key.
#[derive(Debug)]
pub struct SealKeyChange {
    /// Id of the key, in hexadecimal digits.
    pub key: String,
    /// Values that it had sealed, as far as sealed files are here.
    pub values: u64,
}

/// A key that the ledger records as destroyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestroyedKey {
    /// Its id, in hexadecimal digits.
    pub key: String,
    /// When it was recorded.
    pub at: Timestamp,
    /// Who asked for it.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// The key stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum SealKeyError {
    /// The evidence cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What was recorded of the key cannot be read.
    #[error("cannot read what is recorded of the key")]
    Config(#[from] ConfigReadError),
    /// The key cannot be used.
    #[error("the key that seals values cannot be used")]
    Key(#[source] SecretKeyError),
    /// Sealed files cannot be read.
    #[error("cannot count the values that the key sealed")]
    Count(#[source] std::io::Error),
    /// It was not confirmed.
    #[error("destroying key `{key}` destroys the {values} values that it sealed, for everybody and for ever")]
    NotConfirmed {
        /// Id of the key.
        key: String,
        /// Values that it sealed.
        values: u64,
    },
    /// Another key was confirmed.
    #[error("`{found}` is not the key that is here, which is `{expected}`")]
    OtherKey {
        /// Id of the key that is here.
        expected: String,
        /// The id as typed.
        found: String,
    },
    /// There is a key already.
    #[error("there is a key to seal values already, `{key}`")]
    Present {
        /// Its id.
        key: String,
    },
    /// The key that is here is one that was destroyed.
    #[error(transparent)]
    Destroyed(#[from] KeyDestroyed),
    /// The decision cannot be recorded.
    #[error(transparent)]
    Write(#[from] WriteFailure),
    /// The key's file could not be overwritten and removed.
    #[error("the ledger records that the key is destroyed, and its file could not be removed")]
    Remove(#[source] SecretKeyError),
}

/// A key that was destroyed opens nothing any more, even where somebody brings it back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("key `{}` was destroyed on {} by {}: {}", .0.key, .0.at, .0.by, .0.reason)]
pub struct KeyDestroyed(pub DestroyedKey);

/// Destroys the key, or makes a new one.
///
/// The decision is in the ledger before the file goes. A crash in between leaves a key that the ledger records as
/// destroyed: nothing is shown with it, `ascribe doctor` says so, and the same command again removes it.
pub fn change_seal_key(root: &Path, request: SealKeyRequest<'_>) -> Result<SealKeyChange, SealKeyError> {
    let evidence = OpenEvidence::open(root)?;
    let destroyed = destroyed_keys(&evidence.store, &evidence.reader)?;
    match request {
        SealKeyRequest::Destroy { confirmed, reason } => destroy(root, &destroyed, confirmed, reason),
        SealKeyRequest::Make { reason } => make(root, &evidence, &destroyed, reason),
    }
}

fn destroy(
    root: &Path,
    destroyed: &[DestroyedKey],
    confirmed: Option<&str>,
    reason: &str,
) -> Result<SealKeyChange, SealKeyError> {
    let path = key_path(root, KeyUse::Seal);
    let key = hexadecimal(&SecretKey::load(&path, KeyUse::Seal).map_err(SealKeyError::Key)?.id());
    let values = count_sealed(&root.join(SEALED_FOLDER), &key).map_err(SealKeyError::Count)?;
    match confirmed {
        None => return Err(SealKeyError::NotConfirmed { key, values }),
        Some(found) if found != key => {
            return Err(SealKeyError::OtherKey { expected: key, found: found.to_owned() });
        }
        Some(_) => {}
    }
    if !destroyed.iter().any(|known| known.key == key) {
        let version = ConfigEntry::NONE.to_owned();
        record(root, version, Some(key.clone()), reason)?;
    }
    SecretKey::destroy(&path).map_err(SealKeyError::Remove)?;
    Ok(SealKeyChange { key, values })
}

fn make(
    root: &Path,
    evidence: &OpenEvidence,
    destroyed: &[DestroyedKey],
    reason: &str,
) -> Result<SealKeyChange, SealKeyError> {
    let path = key_path(root, KeyUse::Seal);
    let is_new = !path.exists();
    if is_new {
        // A crash behind this leaves a key that the ledger does not record yet; the same command again records it.
        SecretKey::create(&path, KeyUse::Seal).map_err(SealKeyError::Key)?;
    }
    let key = hexadecimal(&SecretKey::load(&path, KeyUse::Seal).map_err(SealKeyError::Key)?.id());
    refuse_destroyed(destroyed, &key)?;
    let made = configs(&evidence.store, &evidence.reader, ConfigEntry::SEAL_KEY)?;
    let is_recorded = made.iter().any(|(_, config)| config.version() == key);
    let is_first = destroyed.is_empty();
    if !is_new && (is_recorded || is_first) {
        return Err(SealKeyError::Present { key });
    }
    record(root, key.clone(), None, reason)?;
    Ok(SealKeyChange { key, values: 0 })
}

/// Appends the decision. A crash before the checkpoint leaves an entry that the next opening signs for.
fn record(root: &Path, version: String, destroyed: Option<String>, reason: &str) -> Result<(), SealKeyError> {
    let mut writing = Writing::open(root)?;
    let by = access::by();
    let entry = ConfigEntry::SealKey { version, destroyed, by, reason: reason.to_owned() };
    writing.add(Kind::Config, &entry, clock::now())?;
    writing.commit()?;
    Ok(())
}

/// Every key that the ledger records as destroyed.
pub(super) fn destroyed_keys(store: &Store, reader: &Reader) -> Result<Vec<DestroyedKey>, ConfigReadError> {
    let mut destroyed = Vec::new();
    for (at, config) in configs(store, reader, ConfigEntry::SEAL_KEY)? {
        if let ConfigEntry::SealKey { destroyed: Some(key), by, reason, .. } = config {
            destroyed.push(DestroyedKey { key, at, by: by_words(&by), reason });
        }
    }
    Ok(destroyed)
}

/// Refuses to work with a key that was destroyed.
pub(super) fn refuse_destroyed(destroyed: &[DestroyedKey], key: &str) -> Result<(), KeyDestroyed> {
    match destroyed.iter().find(|known| known.key == key) {
        Some(known) => Err(KeyDestroyed(known.clone())),
        None => Ok(()),
    }
}

/// Id of the key that seals values here; `None` where there is none that can be read.
pub(super) fn seal_key_id(root: &Path) -> Option<String> {
    let path = key_path(root, KeyUse::Seal);
    fs::exists(&path).ok().filter(|exists| *exists)?;
    SecretKey::load(&path, KeyUse::Seal).ok().map(|key| hexadecimal(&key.id()))
}

fn by_words(by: &AccessBy) -> String {
    let user = by.login.as_ref().unwrap_or(&by.user);
    format!("{}@{}", user.label(), by.host)
}

impl SealKeyError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Open(error) => error.hint().to_owned(),
            Self::Write(failure) => failure.hint().to_owned(),
            Self::Config(_) => "`ascribe verify` lists everything that is damaged or missing".to_owned(),
            Self::Key(_) => {
                "where the key is gone, `ascribe redactions --new-key` makes one for values to come"
                    .to_owned()
            }
            Self::Count(_) => "check that the folder `sealed` can be read".to_owned(),
            Self::NotConfirmed { key, .. } => {
                format!("to do it, add `--confirm {key}`; copies of the key elsewhere have to go too")
            }
            Self::OtherKey { .. } => "nothing was changed".to_owned(),
            Self::Present { .. } => "it goes on sealing; `--destroy-key` destroys it".to_owned(),
            Self::Destroyed(_) => KeyDestroyed::HINT.to_owned(),
            Self::Remove(_) => "check who owns `keys/seal.key`, then run the same command again".to_owned(),
        }
    }
}

impl KeyDestroyed {
    /// What to do about it.
    pub const HINT: &'static str = "what a destroyed key sealed is gone for good; remove its file, and `ascribe redactions --new-key` makes a key for values to come";
}
