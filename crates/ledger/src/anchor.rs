//! The anchor: the last checkpoint ever signed, kept apart from the ledger.
//!
//! It is replaced by compare-and-swap under the ledger's lock, before the checkpoint is published. So every published
//! checkpoint is in the anchor or older than it, and a ledger put back to an earlier state is found out. Of two
//! writers with one anchor, one loses the swap and stops before it publishes.
//!
//! [`AnchorStore`] says what an anchor must do; [`AnchorFile`] does it with a file. An anchor knows neither keys nor
//! trees: it keeps a note byte for byte.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::damage::FileError;
use crate::durable::{Disk, DurableError, staged_path};
use crate::lock::{Lock, LockError};
use crate::paths::{CHECKPOINT, LOCK};
use crate::read::read_if_present;

/// A place that keeps one note, and replaces it only for whoever knows what is there.
pub trait AnchorStore: Send + Sync + fmt::Debug {
    /// Where it is, as a person would look for it: a path or an address.
    fn place(&self) -> String;

    /// Makes the place ready for its first note. A crash on the way leaves a place without a note.
    fn prepare(&self) -> Result<(), AnchorError> {
        Ok(())
    }

    /// Finishes what a writer that crashed left half-way, so that the note read before outlives a loss of power.
    fn settle(&self) -> Result<(), AnchorError> {
        Ok(())
    }

    /// The note that is there; `None` where there is none.
    fn read(&self) -> Result<Option<Anchored>, AnchorError>;

    /// Puts `next` in the place of `expected`, which was read or put there earlier; `None` stands for an empty place.
    /// When it returns, the note is durable and is what every later [`AnchorStore::read`] returns, by whomever.
    ///
    /// # Errors
    /// [`AnchorError::Moved`] when anything else is there, which is then left alone. After any other error it is
    /// unknown whether the note was replaced.
    fn replace(&self, expected: Option<&Anchored>, next: &str) -> Result<Anchored, AnchorError>;
}

/// A note as an anchor holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchored {
    /// The note, byte for byte.
    pub note: Vec<u8>,
    /// What the place calls this state of it (an entity tag); `None` where the note itself is all there is to tell
    /// states apart. No note is ever signed again once another was, so neither kind comes back to an old state.
    pub version: Option<String>,
}

/// Where an anchor is.
#[derive(Debug, Clone)]
pub enum AnchorPlace {
    /// In this folder, as a file.
    Folder(PathBuf),
    /// Wherever this keeps it.
    Store(Arc<dyn AnchorStore>),
}

/// Why the anchor was not read or not replaced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnchorError {
    /// Its file could not be read.
    #[error("cannot read the anchor")]
    Read(#[source] FileError),
    /// Its file could not be written. Whether it was replaced is unknown.
    #[error("cannot write the anchor")]
    Write(#[source] DurableError),
    /// The place did not answer, or not as it should. Whether the note was replaced is unknown.
    #[error("cannot {act} the anchor `{place}`")]
    Unreachable {
        /// What was attempted: `read` or `replace`.
        act: &'static str,
        /// The anchor.
        place: String,
        /// Why it failed.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Its folder could not be locked for the swap.
    #[error("cannot lock the anchor")]
    Lock(#[source] LockError),
    /// It holds another note than this writer left there: there is a second writer.
    #[error(
        "the anchor `{place}` was changed by another writer, so this one published nothing\n--- expected\n{}\
         --- found\n{}",
        expected.as_deref().unwrap_or("(none)\n"),
        found.as_deref().unwrap_or("(none)\n")
    )]
    Moved {
        /// The anchor.
        place: String,
        /// What this writer left there; `None` for nothing.
        expected: Option<String>,
        /// What is there now; `None` for nothing.
        found: Option<String>,
    },
}

/// The anchor as a file. A file system has no compare-and-swap, so a lock in the anchor's folder is held from
/// comparing to replacing; writers of other ledger folders are kept out by it, as far as their system knows the lock.
#[derive(Debug)]
struct AnchorFile {
    folder: PathBuf,
    disk: Disk,
}

impl AnchorPlace {
    /// What keeps the note there.
    pub(crate) fn store(&self, disk: &Disk) -> Arc<dyn AnchorStore> {
        match self {
            Self::Folder(folder) => Arc::new(AnchorFile { folder: folder.clone(), disk: disk.clone() }),
            Self::Store(store) => Arc::clone(store),
        }
    }

    /// The folder, where it is one.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(folder) => Some(folder),
            Self::Store(_) => None,
        }
    }
}

impl AnchorFile {
    fn path(&self) -> PathBuf {
        self.folder.join(CHECKPOINT)
    }
}

impl AnchorStore for AnchorFile {
    fn place(&self) -> String {
        self.path().display().to_string()
    }

    fn prepare(&self) -> Result<(), AnchorError> {
        self.disk.create_folder(&self.folder).map_err(AnchorError::Write)
    }

    fn settle(&self) -> Result<(), AnchorError> {
        // A replacement that was under way means nothing. The name of the note may be in memory only.
        self.disk
            .remove_if_present(&staged_path(&self.path()))
            .and_then(|_| self.disk.sync_folder(&self.folder))
            .map_err(AnchorError::Write)
    }

    fn read(&self) -> Result<Option<Anchored>, AnchorError> {
        match read_if_present(&self.disk, &self.path()) {
            Ok(note) => Ok(note.map(|note| Anchored { note, version: None })),
            Err(error) => Err(AnchorError::Read(error)),
        }
    }

    fn replace(&self, expected: Option<&Anchored>, next: &str) -> Result<Anchored, AnchorError> {
        let _lock = Lock::wait(&self.disk, &self.folder.join(LOCK)).map_err(AnchorError::Lock)?;
        let found = self.read()?;
        if found.as_ref() != expected {
            return Err(AnchorError::moved(self.place(), expected, found.as_ref()));
        }
        self.disk.replace_file(&self.path(), next.as_bytes()).map_err(AnchorError::Write)?;
        Ok(Anchored { note: next.as_bytes().to_vec(), version: None })
    }
}

impl AnchorError {
    /// That the anchor holds something else than what was expected.
    pub fn moved(place: String, expected: Option<&Anchored>, found: Option<&Anchored>) -> Self {
        let text = |note: &Anchored| String::from_utf8_lossy(&note.note).into_owned();
        Self::Moved { place, expected: expected.map(text), found: found.map(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_read_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let anchor = AnchorPlace::Folder(folder.path().join("anchor")).store(&Disk::default());
        anchor.prepare().unwrap();
        let zero = Anchored { note: b"zero".to_vec(), version: None };
        assert!(matches!(anchor.replace(Some(&zero), "one"), Err(AnchorError::Moved { found: None, .. })));
        let one = anchor.replace(None, "one").unwrap();
        assert!(matches!(anchor.replace(None, "two"), Err(AnchorError::Moved { .. })));
        let two = anchor.replace(Some(&one), "two").unwrap();
        assert!(matches!(anchor.replace(Some(&one), "three"), Err(AnchorError::Moved { .. })));
        assert_eq!(anchor.read().unwrap(), Some(two));
    }
}
