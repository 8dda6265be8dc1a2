//! Writes the tiles and entry bundles of a checkpoint again from the segments. They are derived, so a missing or
//! damaged one is no loss, provided that the segments give the root that was signed. Nothing is written before that
//! is known.

use crate::checkpoint::SignedCheckpoint;
use crate::damage::FileError;
use crate::durable::{DerivedFiles, DurableError};
use crate::ledger::Ledger;
use crate::paths::LedgerPaths;
use crate::proof::TreeHead;
use crate::read::{ReadError, Reader};
use crate::tile_builder::TileBuilder;

/// Derived files written again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Tiles and entry bundles that were missing or differed.
    pub files: u64,
}

/// Why tiles were not rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The writer is poisoned.
    #[error("an earlier write to the ledger failed; open it again to recover")]
    Poisoned,
    /// A segment could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] DurableError),
    /// The segments hold another tree than the one that was signed. Nothing was written.
    #[error("the segments give root `{}` at {} leaves, another than the one that was signed", found.root, found.size)]
    OtherRoot {
        /// What the segments give.
        found: TreeHead,
    },
}

impl Ledger {
    /// Writes every tile and entry bundle of the last checkpoint again that is missing or differs from what the
    /// segments give. For damage that [`crate::verify`] found; opening looks only at the right edge of the tree.
    pub fn rebuild_tiles(&mut self) -> Result<Rebuilt, RebuildError> {
        if self.poisoned {
            return Err(RebuildError::Poisoned);
        }
        self.guarded(|ledger| rebuild_tiles(&ledger.paths, &ledger.committed, &mut ledger.derived))
            .map(|(_, rebuilt)| rebuilt)
    }
}

/// See [`Ledger::rebuild_tiles`]. Returns the tree of the checkpoint, too.
pub(crate) fn rebuild_tiles(
    paths: &LedgerPaths,
    checkpoint: &SignedCheckpoint,
    derived: &mut DerivedFiles,
) -> Result<(TileBuilder, Rebuilt), RebuildError> {
    let reader = Reader::at(paths, checkpoint.clone()).map_err(RebuildError::Read)?;
    let dry_run = replay(&reader, &mut |_, _| Ok(()))?;
    let found = TreeHead { size: dry_run.edge().size(), root: dry_run.edge().root() };
    if found != checkpoint.checkpoint().tree_head() {
        return Err(RebuildError::OtherRoot { found });
    }
    let mut rebuilt = Rebuilt::default();
    let builder = replay(&reader, &mut |name, bytes| {
        let path = paths.ledger.join(name);
        match paths.disk().read(&path) {
            Ok(present) if present == bytes => Ok(()),
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(ReadError::File(FileError::read(&path, error)).into())
            }
            _ => {
                rebuilt.files += 1;
                derived.write(name, bytes).map_err(RebuildError::Write)
            }
        }
    })?;
    derived.sync()?;
    Ok((builder, rebuilt))
}

fn replay(
    reader: &Reader,
    write: &mut impl FnMut(&str, &[u8]) -> Result<(), RebuildError>,
) -> Result<TileBuilder, RebuildError> {
    let mut builder = TileBuilder::default();
    for entry in reader.entries(0..reader.size()) {
        builder.push(entry?.envelope_bytes(), write)?;
    }
    builder.partials(write)?;
    Ok(builder)
}
