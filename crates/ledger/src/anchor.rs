//! The anchor: the last checkpoint ever signed, kept apart from the ledger.
//!
//! It is replaced by compare-and-swap under the ledger's lock, before the checkpoint is published. So every published
//! checkpoint is in the anchor or older than it, and a ledger put back to an earlier state is found out. It knows
//! neither keys nor trees: it keeps a note byte for byte.

use std::io;
use std::path::PathBuf;

use crate::damage::FileError;
use crate::durable::{Disk, DurableError};

/// The file that holds the last signed checkpoint.
#[derive(Debug, Clone)]
pub(crate) struct Anchor {
    path: PathBuf,
    disk: Disk,
}

/// Why the anchor was not replaced.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// It could not be read.
    #[error("cannot read the anchor")]
    Read(#[source] FileError),
    /// It could not be written. Whether it was replaced is unknown.
    #[error("cannot write the anchor")]
    Write(#[source] DurableError),
    /// It holds another note than this writer left there: there is a second writer.
    #[error("the anchor `{}` was changed by another writer", path.display())]
    Moved {
        /// The anchor.
        path: PathBuf,
        /// What this writer left there; `None` for nothing.
        expected: Option<String>,
        /// What is there now; `None` for nothing.
        found: Option<String>,
    },
}

impl Anchor {
    pub(crate) fn new(path: PathBuf, disk: &Disk) -> Self {
        Self { path, disk: disk.clone() }
    }

    /// The note in the anchor; `None` where there is none.
    pub(crate) fn read(&self) -> Result<Option<Vec<u8>>, FileError> {
        match self.disk.read(&self.path) {
            Ok(note) => Ok(Some(note)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FileError::read(&self.path, error)),
        }
    }

    /// Puts `next` in the place of `expected`, durably; refuses when anything else is there.
    pub(crate) fn compare_and_swap(&self, expected: Option<&str>, next: &str) -> Result<(), AnchorError> {
        let found = self.read().map_err(AnchorError::Read)?;
        if found.as_deref() != expected.map(str::as_bytes) {
            return Err(AnchorError::Moved {
                path: self.path.clone(),
                expected: expected.map(str::to_owned),
                found: found.map(|note| String::from_utf8_lossy(&note).into_owned()),
            });
        }
        self.disk.replace_file(&self.path, next.as_bytes()).map_err(AnchorError::Write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_read_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let anchor = Anchor::new(folder.path().join("checkpoint"), &Disk::default());
        assert!(matches!(
            anchor.compare_and_swap(Some("zero"), "one"),
            Err(AnchorError::Moved { found: None, .. })
        ));
        anchor.compare_and_swap(None, "one").unwrap();
        assert!(matches!(anchor.compare_and_swap(None, "two"), Err(AnchorError::Moved { .. })));
        anchor.compare_and_swap(Some("one"), "two").unwrap();
        assert_eq!(anchor.read().unwrap().as_deref(), Some(b"two".as_slice()));
    }
}
