//! The access ledger: who asked, exported, verified or disclosed what of the evidence, and when. `docs/access.md` states
//! the form.
//!
//! ```text
//! <evidence>/access/spool/   accesses that are not in the ledger yet, one file each
//! <evidence>/access/ledger/  the access ledger; the same code as the ledger of the evidence
//! <evidence>/access/anchor/  its last checkpoint, kept apart
//! <evidence>/access/lock     held by whoever takes the spool into the ledger
//! <evidence>/keys/access.key signs its checkpoints; mode 0600
//! <evidence>/keys/access.vkey verifies them
//! ```
//!
//! It is a ledger of its own, so that asking changes no answer and waits for no writer of the evidence. An access is
//! durable in the spool before anything is shown; it goes into the ledger later, many at a time. It knows commands as names and
//! texts, and nothing of what they do.

mod by;
mod drain;
mod spool;

use std::path::{Path, PathBuf};

use ascribe_ledger::durable::{self, Disk, DurableError};
use ascribe_ledger::{KeyError, KeyPair, Ledger, LedgerPaths, ReadError, Reader, VerifierKey};

pub use by::by;
pub use drain::{DrainError, Drained, drain};
pub use spool::{Begun, SpoolError, Waiting, begin, is_due, new_id, waiting};

/// Where the accesses of one evidence folder are kept.
#[derive(Clone, Debug)]
pub struct AccessPlace {
    root: PathBuf,
    origin: String,
}

/// The access ledger cannot be opened or made.
#[derive(Debug, thiserror::Error)]
pub enum AccessLedgerError {
    /// Its key cannot be used.
    #[error("cannot use the key `{}`", path.display())]
    Key {
        /// The key's file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: KeyError,
    },
    /// Its verifier key cannot be used.
    #[error("cannot use the verifier key `{}`", path.display())]
    Verifier {
        /// The key's file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It does not open.
    #[error("the access ledger does not open")]
    Open(#[source] Box<ascribe_ledger::OpenError>),
    /// Its anchor cannot be read.
    #[error("cannot read the anchor of the access ledger")]
    Anchor(#[source] ascribe_ledger::AnchorError),
    /// It cannot be made.
    #[error("cannot make the access ledger")]
    Create(#[source] Box<ascribe_ledger::CreateError>),
    /// It cannot be read.
    #[error("cannot read the access ledger")]
    Read(#[from] ReadError),
    /// A file of it cannot be written.
    #[error("cannot make the access ledger")]
    Write(#[from] DurableError),
}

impl AccessPlace {
    /// The accesses of the evidence in `root`, whose ledger has the origin `origin`.
    pub fn new(root: &Path, origin: &str) -> Self {
        Self { root: root.to_owned(), origin: format!("{origin}/access") }
    }

    /// Folders of the access ledger and its anchor.
    pub fn ledger_paths(&self) -> LedgerPaths {
        LedgerPaths::new(self.root.join("access/ledger"), self.root.join("access/anchor"))
    }

    /// Folder of the accesses that are not in the ledger yet.
    pub fn spool(&self) -> PathBuf {
        self.root.join("access/spool")
    }

    /// The lock of whoever takes the spool in.
    fn lock(&self) -> PathBuf {
        self.root.join("access/lock")
    }

    fn key_path(&self) -> PathBuf {
        self.root.join("keys/access.key")
    }

    /// Where the verifier key is. It is written last: where it is, there is an access ledger.
    pub fn verifier_path(&self) -> PathBuf {
        self.root.join("keys/access.vkey")
    }

    /// Whether an access ledger was ever made here.
    pub fn exists(&self) -> bool {
        self.verifier_path().exists()
    }

    /// The key that verifies its checkpoints.
    ///
    /// # Errors
    /// [`AccessLedgerError::Verifier`] when it cannot be read.
    pub fn verifier_key(&self) -> Result<VerifierKey, AccessLedgerError> {
        let path = self.verifier_path();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(source) => return Err(AccessLedgerError::Verifier { path, source: Box::new(source) }),
        };
        VerifierKey::parse(text.trim_end())
            .map_err(|source| AccessLedgerError::Verifier { path, source: Box::new(source) })
    }

    /// The access ledger at its last checkpoint.
    ///
    /// # Errors
    /// [`AccessLedgerError`] when there is none or it cannot be read.
    pub fn reader(&self) -> Result<Reader, AccessLedgerError> {
        Ok(Reader::open(&self.ledger_paths(), &self.verifier_key()?)?)
    }

    /// Opens the access ledger for writing, and makes it where there never was one. A ledger that is gone while its
    /// verifier key is there is an error: it is never made anew in silence.
    pub fn open_or_make(&self) -> Result<Ledger, AccessLedgerError> {
        if self.exists() { self.open() } else { self.make() }
    }

    fn open(&self) -> Result<Ledger, AccessLedgerError> {
        match Ledger::open(&self.ledger_paths(), self.key()?) {
            Ok((ledger, _)) => Ok(ledger),
            Err(error) => Err(AccessLedgerError::Open(Box::new(error))),
        }
    }

    /// A crash before the verifier key is written leaves a key, or a key and an empty ledger; both are taken up here the
    /// next time.
    fn make(&self) -> Result<Ledger, AccessLedgerError> {
        let failed = |source| AccessLedgerError::Key { path: self.key_path(), source };
        let key = if self.key_path().exists() {
            self.key()?
        } else {
            let key = KeyPair::generate(&self.origin).map_err(failed)?;
            key.save(&self.key_path()).map_err(failed)?;
            key
        };
        let verifier = format!("{}\n", key.verifier());
        let paths = self.ledger_paths();
        Disk::default().create_folder(&self.spool())?;
        let anchored = paths.anchor_store().read().map_err(AccessLedgerError::Anchor)?;
        let ledger = if anchored.is_some() {
            self.open()?
        } else {
            Ledger::create(&paths, key).map_err(|error| AccessLedgerError::Create(Box::new(error)))?
        };
        durable::replace_file(&self.verifier_path(), verifier.as_bytes())?;
        Ok(ledger)
    }

    fn key(&self) -> Result<KeyPair, AccessLedgerError> {
        KeyPair::load(&self.key_path())
            .map_err(|source| AccessLedgerError::Key { path: self.key_path(), source })
    }
}

impl AccessLedgerError {
    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Key { .. } | Self::Verifier { .. } => {
                "restore `keys/` from its backup; the access ledger cannot go on under another key"
            }
            Self::Open(_) | Self::Read(_) | Self::Anchor(_) => {
                "nothing was changed; `ascribe verify` lists what is wrong with it"
            }
            Self::Create(_) | Self::Write(_) => {
                "check that the folder can be written and that the disk is not full"
            }
        }
    }
}
