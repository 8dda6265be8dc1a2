//! Checkpoints: what is durable is committed here. Stage tiles, make them durable, sign, compare-and-swap the anchor,
//! publish (design §7, "Sequencing"). Appending is [`crate::append`]'s.

use crate::anchor::AnchorError;
use crate::checkpoint::SignedCheckpoint;
use crate::durable::DurableError;
use crate::key::KeyPair;
use crate::ledger::Ledger;
use crate::proof::TreeHead;
use crate::tile::{BundleId, TileId};

/// Why no checkpoint was made.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// An earlier write failed, so the state of the disk is unknown.
    #[error("an earlier write to the ledger failed; open it again to recover")]
    Poisoned,
    /// A write failed. The writer is poisoned.
    #[error(transparent)]
    Write(#[from] DurableError),
    /// The anchor was not replaced. The writer is poisoned.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    /// The key that is to take over is of another ledger. Nothing was written.
    #[error("the new key is of `{found}`, the ledger is `{expected}`")]
    OtherOrigin {
        /// Origin of the ledger.
        expected: String,
        /// Origin of the key.
        found: String,
    },
}

impl Ledger {
    /// Commits every durable entry: signs a checkpoint over them, puts it into the anchor and publishes it. Where
    /// nothing was appended since the last one, returns that.
    pub fn checkpoint(&mut self) -> Result<SignedCheckpoint, CheckpointError> {
        if self.poisoned {
            return Err(CheckpointError::Poisoned);
        }
        if self.durable_size == self.committed.size() {
            return Ok(self.committed.clone());
        }
        self.guarded(|ledger| {
            ledger.integrate()?;
            ledger.stage_tiles()?;
            let head = TreeHead { size: ledger.tree.edge().size(), root: ledger.tree.edge().root() };
            let next = SignedCheckpoint::sign(head, &ledger.key);
            // Signing without publishing binds nobody: a crash before the anchor is replaced forgets this note, and
            // `open` signs the same or a larger tree.
            // Whoever loses this swap to another writer stops here, and its checkpoint is never published.
            ledger.anchored = ledger.anchor.replace(Some(&ledger.anchored), next.note())?;
            // A crash here leaves the anchor ahead of the published checkpoint: `open` publishes the anchor's.
            ledger.publish(next.note())?;
            let previous = std::mem::replace(&mut ledger.committed, next.clone());
            // A crash here leaves partial tiles that readers no longer need; tlog-tiles allows them to stay.
            ledger.remove_superseded(previous.size())?;
            Ok(next)
        })
    }

    /// Commits every durable entry under a checkpoint signed by this ledger's key *and* by `next`, and goes on with
    /// `next` alone. Whoever holds either verifier key can open that checkpoint. Called again after a crash on the way,
    /// it signs the same.
    pub fn hand_over(&mut self, next: KeyPair) -> Result<SignedCheckpoint, CheckpointError> {
        if next.origin() != self.key.origin() {
            let (expected, found) = (self.key.origin().to_owned(), next.origin().to_owned());
            return Err(CheckpointError::OtherOrigin { expected, found });
        }
        self.checkpoint()?;
        self.guarded(|ledger| {
            let both = SignedCheckpoint::sign(ledger.committed.checkpoint().tree_head(), &ledger.key);
            let both = both.also_by(&next);
            // A crash before this leaves a checkpoint signed by the old key alone: the caller starts over under it.
            ledger.anchored = ledger.anchor.replace(Some(&ledger.anchored), both.note())?;
            // A crash here leaves the published note signed by the old key alone, so the ledger opens under that only;
            // `open` then publishes the anchor's, which opens under both.
            ledger.publish(both.note())?;
            ledger.committed = both.clone();
            ledger.key = next;
            Ok(both)
        })
    }

    /// Writes the tiles and the entry bundle that are not full yet and makes all of them durable. A crash on the way
    /// leaves files that no checkpoint names, and `open` writes them again. A tile that has not changed since the last
    /// checkpoint is left alone: readers rely on it, and writing it again might tear it.
    pub(crate) fn stage_tiles(&mut self) -> Result<(), DurableError> {
        let committed_partials = partial_tiles(self.committed.size());
        let Self { tree, derived, .. } = self;
        tree.partials(&mut |name, bytes| {
            if committed_partials.iter().any(|tile| tile.to_string() == name) {
                Ok(())
            } else {
                derived.write(name, bytes)
            }
        })?;
        derived.sync()
    }

    pub(crate) fn publish(&self, note: &str) -> Result<(), DurableError> {
        self.paths.disk().replace_file(&self.paths.published_checkpoint(), note.as_bytes())
    }

    /// Removes the partial forms of tiles and bundles that were partial at `previous` leaves and are full now.
    fn remove_superseded(&self, previous: u64) -> Result<(), DurableError> {
        let now = self.committed.size();
        let mut superseded = Vec::new();
        for tile in partial_tiles(previous) {
            if TileId::partial_at(tile.level(), now).is_none_or(|last| last.index() > tile.index()) {
                superseded.push(tile.to_full().to_string());
            }
        }
        superseded.extend(
            BundleId::partial_at(previous)
                .filter(|bundle| BundleId::partial_at(now).is_none_or(|last| last.index() > bundle.index()))
                .map(|bundle| bundle.to_full().to_string()),
        );
        for name in superseded {
            self.paths.disk().remove_folder(&self.paths.ledger.join(format!("{name}.p")))?;
        }
        Ok(())
    }
}

/// The partial tiles of a tree, lowest level first.
fn partial_tiles(size: u64) -> Vec<TileId> {
    // 256^8 leaves are more than a size can state.
    (0..8).filter_map(|level| TileId::partial_at(level, size)).collect()
}
