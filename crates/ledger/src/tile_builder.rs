//! Turns envelopes into the tiles and entry bundles of their tree. Where those go is the caller's: to new files, or
//! against old ones to compare.

use crate::hash::leaf_hash;
use crate::right_edge::{FullTile, RightEdge};
use crate::tile::{BundleId, TILE_WIDTH, encode_tile, push_bundle_entry};

/// A tree that grows by envelopes.
#[derive(Debug, Default)]
pub(crate) struct TileBuilder {
    edge: RightEdge,
    /// The bundle that is not full yet.
    bundle: Vec<u8>,
    full: Vec<FullTile>,
}

impl TileBuilder {
    /// Goes on from the right edge of a tree and the bundle that ends it.
    pub(crate) fn resume(edge: RightEdge, bundle: Vec<u8>) -> Self {
        Self { edge, bundle, full: Vec::new() }
    }

    pub(crate) fn edge(&self) -> &RightEdge {
        &self.edge
    }

    /// Appends a leaf; `write` gets the name and bytes of each file that it fills.
    pub(crate) fn push<E>(
        &mut self,
        envelope: &[u8],
        write: &mut impl FnMut(&str, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.edge.push(leaf_hash(envelope), &mut self.full);
        push_bundle_entry(&mut self.bundle, envelope);
        if self.full.is_empty() {
            return Ok(());
        }
        for tile in self.full.drain(..) {
            write(&tile.id.to_string(), &encode_tile(&tile.hashes))?;
        }
        let bundle = BundleId::full(self.edge.size() / TILE_WIDTH as u64 - 1);
        write(&bundle.to_string(), &self.bundle)?;
        self.bundle.clear();
        Ok(())
    }

    /// Hands over the files that are not full: those that a checkpoint of this size needs besides the full ones.
    pub(crate) fn partials<E>(&self, write: &mut impl FnMut(&str, &[u8]) -> Result<(), E>) -> Result<(), E> {
        for (id, hashes) in self.edge.partial_tiles() {
            write(&id.to_string(), &encode_tile(hashes))?;
        }
        match BundleId::partial_at(self.edge.size()) {
            Some(bundle) => write(&bundle.to_string(), &self.bundle),
            None => Ok(()),
        }
    }
}
