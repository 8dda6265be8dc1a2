//! Recomputes every tile from the leaf hashes and compares it with its file; compares the root with the one signed.

use std::path::PathBuf;

use crate::checkpoint::SignedCheckpoint;
use crate::damage::{FileError, FormatProblem};
use crate::hash::Hash;
use crate::paths::LedgerPaths;
use crate::right_edge::{FullTile, RightEdge};
use crate::tile::{TileId, TilePath, decode_tile};
use crate::verify::inventory::Inventory;
use crate::verify::{Cause, Counts, Place, Problems};

/// A tree that grows leaf by leaf beside its files.
pub(super) struct TreeCheck<'a> {
    paths: &'a LedgerPaths,
    checkpoint: Option<&'a SignedCheckpoint>,
    edge: RightEdge,
    full: Vec<FullTile>,
    /// Whether the leaf hash of an entry was unknown, so that tiles above it cannot be judged.
    incomplete: bool,
}

impl<'a> TreeCheck<'a> {
    pub(super) fn new(paths: &'a LedgerPaths, checkpoint: Option<&'a SignedCheckpoint>) -> Self {
        Self { paths, checkpoint, edge: RightEdge::default(), full: Vec::new(), incomplete: false }
    }

    /// Adds a leaf. Tiles that it fills are compared if the checkpoint covers them.
    pub(super) fn push(
        &mut self,
        leaf: Option<Hash>,
        counts: &mut Counts,
        inventory: &mut Inventory,
        problems: &mut Problems,
    ) {
        let committed = self.checkpoint.map_or(0, SignedCheckpoint::size);
        if self.edge.size() >= committed {
            return;
        }
        // An entry that cannot be read has been reported. Any stand-in keeps the other leaves in their places.
        self.incomplete |= leaf.is_none();
        self.edge.push(leaf.unwrap_or(Hash::from_bytes([0; 32])), &mut self.full);
        for tile in std::mem::take(&mut self.full) {
            self.compare(tile.id, &tile.hashes, counts, problems);
            inventory.take_tile(TilePath::Tile(tile.id));
        }
    }

    /// Compares the partial tiles and the root, once all leaves are in.
    pub(super) fn finish(&self, counts: &mut Counts, inventory: &mut Inventory, problems: &mut Problems) {
        let Some(checkpoint) = self.checkpoint.filter(|checkpoint| checkpoint.size() == self.edge.size())
        else {
            return;
        };
        for (id, hashes) in self.edge.partial_tiles() {
            self.compare(id, hashes, counts, problems);
            inventory.take_tile(TilePath::Tile(id));
        }
        if self.edge.root() != checkpoint.root() && !self.incomplete {
            let cause = Cause::Root { expected: checkpoint.root(), found: self.edge.root() };
            problems.push(&self.paths.published_checkpoint(), Place::File, cause);
        }
    }

    fn compare(&self, id: TileId, expected: &[Hash], counts: &mut Counts, problems: &mut Problems) {
        counts.tiles += 1;
        let (path, found) = match self.read(id) {
            Ok(read) => read,
            Err(error) => return problems.push_file_error(error),
        };
        let differing =
            found.iter().zip(expected).zip(0_u64..).find(|((found, expected), _)| found != expected);
        if let Some(((found, expected), position)) = differing
            && !self.incomplete
        {
            let cause = Cause::TileHash { expected: *expected, found: *found };
            problems.push(&path, Place::Offset(position * 32), cause);
        }
    }

    /// The hashes of a tile. A writer that has gone on since may have replaced a partial tile by the full one.
    fn read(&self, id: TileId) -> Result<(PathBuf, Vec<Hash>), FileError> {
        let read = |id: TileId| {
            let path = self.paths.ledger.join(id.to_string());
            let bytes = self.paths.disk().read(&path).map_err(|error| FileError::read(&path, error))?;
            let hashes = decode_tile(&bytes, id.width())
                .map_err(|error| FileError::damage(&path, 0, FormatProblem::Tile(error)))?;
            Ok((path, hashes))
        };
        match read(id) {
            Err(error @ FileError::Read { .. }) if error.is_absence() && id != id.to_full() => {
                read(id.to_full()).map_err(|_| error)
            }
            result => result,
        }
    }
}
