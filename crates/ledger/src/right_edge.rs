//! The right edge of a growing Merkle tree, kept as C2SP tlog-tiles keeps it: per tile level the hashes of the
//! one tile that is not full yet. Implements the tree of RFC 6962 §2.1 and the tile rules of tlog-tiles.
//!
//! It knows no files: full tiles are handed to the caller, who writes them.

use crate::hash::{EMPTY_ROOT, Hash, perfect_root};
use crate::tile::{TILE_WIDTH, TileId};
use crate::tree::{fold_right, hashes_at_level};

/// A tile that has just become full, with its 256 hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FullTile {
    pub(crate) id: TileId,
    pub(crate) hashes: Vec<Hash>,
}

/// The state needed to append leaves and to state the root: at most 255 hashes a level.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RightEdge {
    size: u64,
    /// `levels[l]` holds the hashes of level `l` that no full tile holds.
    levels: Vec<Vec<Hash>>,
}

impl RightEdge {
    /// Rebuilds the edge of a tree of `size` leaves from its partial tiles, which `read` supplies.
    pub(crate) fn load<E>(
        size: u64,
        mut read: impl FnMut(TileId) -> Result<Vec<Hash>, E>,
    ) -> Result<Self, E> {
        let mut levels = Vec::new();
        for level in 0.. {
            let hashes_at_level = hashes_at_level(size, level);
            if hashes_at_level == 0 {
                break;
            }
            match TileId::partial_at(level, size) {
                Some(id) => levels.push(read(id)?),
                None => levels.push(Vec::new()),
            }
        }
        Ok(Self { size, levels })
    }

    /// Leaves appended so far.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The hashes of one level that no full tile holds.
    pub(crate) fn pending(&self, level: usize) -> &[Hash] {
        self.levels.get(level).map_or(&[], Vec::as_slice)
    }

    /// Appends one leaf; tiles that it fills are pushed to `full`, lowest level first.
    pub(crate) fn push(&mut self, leaf: Hash, full: &mut Vec<FullTile>) {
        self.size += 1;
        let mut carried = Some(leaf);
        let mut level = 0_u8;
        while let Some(hash) = carried {
            let slot = usize::from(level);
            if self.levels.len() == slot {
                self.levels.push(Vec::new());
            }
            self.levels[slot].push(hash);
            carried = if self.levels[slot].len() == TILE_WIDTH {
                let hashes = std::mem::take(&mut self.levels[slot]);
                let root = perfect_root(&hashes);
                let index = hashes_at_level(self.size, level + 1) - 1;
                full.push(FullTile { id: TileId::full(level, index), hashes });
                root
            } else {
                None
            };
            level += 1;
        }
    }

    /// The root of the tree as it stands.
    pub(crate) fn root(&self) -> Hash {
        let mut subtrees = Vec::new();
        for level in self.levels.iter().rev() {
            push_perfect_subtrees(level, &mut subtrees);
        }
        fold_right(&subtrees).unwrap_or(EMPTY_ROOT)
    }

    /// The partial tiles that a checkpoint of this size needs, lowest level first.
    pub(crate) fn partial_tiles(&self) -> impl Iterator<Item = (TileId, &[Hash])> {
        self.levels.iter().zip(0_u8..).filter_map(|(hashes, level)| {
            TileId::partial_at(level, self.size).map(|id| (id, hashes.as_slice()))
        })
    }
}

/// Splits sibling hashes into perfect subtrees, widest first, and pushes the root of each.
pub(crate) fn push_perfect_subtrees(hashes: &[Hash], roots: &mut Vec<Hash>) {
    let mut rest = hashes;
    while !rest.is_empty() {
        let width = 1_usize << rest.len().ilog2();
        roots.extend(perfect_root(&rest[..width]));
        rest = &rest[width..];
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::hash::{leaf_hash, node_hash};

    /// RFC 6962 §2.1, word for word.
    fn naive_root(leaves: &[Hash]) -> Hash {
        match leaves.len() {
            0 => EMPTY_ROOT,
            1 => leaves[0],
            count => {
                let split = count.next_power_of_two() / 2;
                node_hash(&naive_root(&leaves[..split]), &naive_root(&leaves[split..]))
            }
        }
    }

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|leaf| leaf_hash(&leaf.to_be_bytes())).collect()
    }

    #[test]
    fn roots_match_recursion_at_every_small_size() {
        let all = leaves(600);
        let (mut edge, mut full) = (RightEdge::default(), Vec::new());
        assert_eq!(edge.root(), EMPTY_ROOT);
        for (leaf, size) in all.iter().zip(1_usize..) {
            edge.push(*leaf, &mut full);
            assert_eq!(edge.root(), naive_root(&all[..size]), "size {size}");
        }
        assert_eq!(full.len(), 2);
    }

    #[test]
    fn tiles_of_the_specification_example() {
        // tlog-tiles: 70,000 leaves are 273 full tiles at level 0 and a partial of 112, one full tile at level 1
        // and a partial of 17, and a partial of 1 at level 2.
        let (mut edge, mut full) = (RightEdge::default(), Vec::new());
        for leaf in leaves(70_000) {
            edge.push(leaf, &mut full);
        }
        let per_level = |level| full.iter().filter(|tile| tile.id.level() == level).count();
        assert_eq!((per_level(0), per_level(1), per_level(2)), (273, 1, 0));
        let partial: Vec<(u8, u64, usize)> =
            edge.partial_tiles().map(|(id, hashes)| (id.level(), id.index(), hashes.len())).collect();
        assert_eq!(partial, [(0, 273, 112), (1, 1, 17), (2, 0, 1)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn an_edge_loaded_from_its_tiles_is_the_edge(size in 0_u64..3_000) {
            let (mut edge, mut full) = (RightEdge::default(), Vec::new());
            for leaf in leaves(size) {
                edge.push(leaf, &mut full);
            }
            let tiles: BTreeMap<TileId, Vec<Hash>> =
                edge.partial_tiles().map(|(id, hashes)| (id, hashes.to_vec())).collect();
            let loaded = RightEdge::load(size, |id| tiles.get(&id).cloned().ok_or(id));
            prop_assert_eq!(loaded.map(|loaded| loaded.root()), Ok(edge.root()));
            prop_assert_eq!(edge.root(), naive_root(&leaves(size)));
        }
    }
}
