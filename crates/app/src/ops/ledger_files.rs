//! Writes derived files of the ledger again: tiles, entry bundles, a lost footer, the published checkpoint. Ground is
//! never touched.

use std::path::Path;

use ascribe_ledger::{Ledger, OpenError, RebuildError, Recovery};

use crate::workspace::{Workspace, WorkspaceError};

/// Derived files cannot be written again. Nothing else was changed.
#[derive(Debug, thiserror::Error)]
pub enum LedgerFilesError {
    /// The folder is not usable.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// The ledger cannot be opened for writing.
    #[error("cannot open the ledger for writing")]
    Open(#[source] Box<OpenError>),
    /// The segments do not give what was signed, or a file cannot be written.
    #[error("cannot write the ledger's derived files again")]
    Rebuild(#[source] RebuildError),
}

/// Opens the ledger for writing, which finishes what a crash interrupted, and writes every tile and bundle again that
/// is missing or differs from what the segments give. Returns what opening did, with the files that were written.
///
/// A crash in between leaves files that are right already and others that are not; the next run writes those.
pub fn rebuild_ledger(root: &Path) -> Result<Recovery, LedgerFilesError> {
    let workspace = Workspace::open(root)?;
    let (mut ledger, mut recovery) = Ledger::open(&workspace.ledger_paths(), workspace.signing_key()?)
        .map_err(|error| LedgerFilesError::Open(Box::new(error)))?;
    recovery.rebuilt.files += ledger.rebuild_tiles().map_err(LedgerFilesError::Rebuild)?.files;
    Ok(recovery)
}

impl LedgerFilesError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Workspace(error) => error.hint(),
            Self::Open(error) if matches!(**error, OpenError::Lock(_)) => {
                "another program is writing to the ledger; wait for it to end"
            }
            Self::Open(_) => "`ascribe ledger fsck` names everything that is damaged or missing",
            Self::Rebuild(_) => {
                "a segment that is damaged is put back from a backup; check, too, that the disk is not full"
            }
        }
    }
}
