//! Inclusion and consistency proofs: built from tiles (RFC 6962 §2.1.1, §2.1.2) and checked (RFC 9162 §2.1.3.2,
//! §2.1.4.2, and for subtrees draft-ietf-plants-merkle-tree-certs §4).
//!
//! It knows no files, signatures or checkpoints: hashes in, hashes or a refusal out.

use std::ops::Range;

use crate::hash::{EMPTY_ROOT, Hash, node_hash, perfect_root};
use crate::tile::{TILE_WIDTH, TileId};
use crate::tree::fold_right;

/// Where the builder reads tiles from.
pub trait TileSource {
    /// Why a tile could not be read.
    type Error;

    /// The hashes of one tile, exactly `id.width()` of them.
    fn tile(&self, id: TileId) -> Result<Vec<Hash>, Self::Error>;

    /// The root of the perfect subtree over leaves `index << level .. (index + 1) << level`, where it was kept.
    fn kept_node(&self, _level: u32, _index: u64) -> Option<Hash> {
        None
    }

    /// A root that was computed: neighbouring proofs need mostly the same.
    fn keep_node(&self, _level: u32, _index: u64, _hash: Hash) {}
}

/// Why a proof could not be built.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError<E> {
    /// The leaf is not in the tree.
    #[error("leaf {leaf} is not in a tree of {size} leaves")]
    LeafBeyondTree {
        /// Leaf asked for.
        leaf: u64,
        /// Leaves in the tree.
        size: u64,
    },
    /// The older tree is empty or larger than the newer one.
    #[error("no proof leads from {old} to {new} leaves")]
    SizesOutOfOrder {
        /// Leaves in the older tree.
        old: u64,
        /// Leaves in the newer tree.
        new: u64,
    },
    /// A tile that the proof needs could not be read.
    #[error("cannot read `{id}`")]
    Tile {
        /// The tile.
        id: TileId,
        /// Why.
        #[source]
        source: E,
    },
    /// A tile source returned another number of hashes than the tile has.
    #[error("`{id}` gave {found} hashes")]
    TileWidth {
        /// The tile.
        id: TileId,
        /// Hashes given.
        found: usize,
    },
}

/// Why a proof was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofRefused {
    /// The leaf is outside the tree or subtree.
    #[error("leaf {leaf} is outside {start}..{end}")]
    LeafOutside {
        /// Leaf the proof speaks of.
        leaf: u64,
        /// First leaf of the tree or subtree.
        start: u64,
        /// Leaf after the last.
        end: u64,
    },
    /// The range is not a subtree, or reaches past the tree.
    #[error("{start}..{end} is no subtree of a tree of {size} leaves")]
    NoSubtree {
        /// First leaf.
        start: u64,
        /// Leaf after the last.
        end: u64,
        /// Leaves in the tree.
        size: u64,
    },
    /// Sizes from which no consistency can be shown.
    #[error("no proof leads from {old} to {new} leaves")]
    SizesOutOfOrder {
        /// Leaves in the older tree.
        old: u64,
        /// Leaves in the newer tree.
        new: u64,
    },
    /// More or fewer hashes than the sizes ask for.
    #[error("the proof has a wrong number of hashes ({found})")]
    WrongLength {
        /// Hashes given.
        found: usize,
    },
    /// The proof leads to another root.
    #[error("the proof leads to root `{found}`, expected `{expected}`")]
    RootMismatch {
        /// Root it should lead to.
        expected: Hash,
        /// Root it leads to.
        found: Hash,
    },
}

/// A leaf's hash and where it is said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeafAt {
    /// Index of the leaf in the ledger, from 0.
    pub index: u64,
    /// Its RFC 6962 leaf hash.
    pub hash: Hash,
}

/// A tree's size and root: what a checkpoint signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeHead {
    /// Leaves in the tree.
    pub size: u64,
    /// Root hash.
    pub root: Hash,
}

/// A subtree's leaves and root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subtree {
    /// Leaves it covers.
    pub leaves: Range<u64>,
    /// Its root hash.
    pub root: Hash,
}

/// Builds `PATH(leaf, D[size])` of RFC 6962 §2.1.1 from tiles.
pub fn inclusion_proof<S: TileSource>(
    tiles: &S,
    leaf: u64,
    size: u64,
) -> Result<Vec<Hash>, ProofError<S::Error>> {
    if leaf >= size {
        return Err(ProofError::LeafBeyondTree { leaf, size });
    }
    let nodes = Nodes { tiles, size };
    let mut proof = Vec::new();
    let mut range = 0..size;
    while range.end - range.start > 1 {
        let split = range.start + largest_power_of_two_below(range.end - range.start);
        let (inside, sibling) = if leaf < split {
            (range.start..split, split..range.end)
        } else {
            (split..range.end, range.start..split)
        };
        proof.push(nodes.range_root(sibling)?);
        range = inside;
    }
    proof.reverse();
    Ok(proof)
}

/// Builds `PROOF(old, D[new])` of RFC 6962 §2.1.2 from tiles. Equal sizes give an empty proof.
pub fn consistency_proof<S: TileSource>(
    tiles: &S,
    old: u64,
    new: u64,
) -> Result<Vec<Hash>, ProofError<S::Error>> {
    if old == 0 || old > new {
        return Err(ProofError::SizesOutOfOrder { old, new });
    }
    let nodes = Nodes { tiles, size: new };
    let mut proof = Vec::new();
    let mut range = 0..new;
    // SUBPROOF stops where the old tree ends exactly at a subtree of the new one.
    while range.end != old {
        let split = range.start + largest_power_of_two_below(range.end - range.start);
        let (inside, sibling) = if old <= split {
            (range.start..split, split..range.end)
        } else {
            (split..range.end, range.start..split)
        };
        proof.push(nodes.range_root(sibling)?);
        range = inside;
    }
    // The verifier holds the old root already; it needs this subtree only where it is not that very root.
    if range.start > 0 {
        proof.push(nodes.range_root(range)?);
    }
    proof.reverse();
    Ok(proof)
}

/// The root that a tree of `size` leaves had when it had `prefix` leaves, from its tiles.
#[cfg(feature = "files")]
pub(crate) fn prefix_root<S: TileSource>(
    tiles: &S,
    prefix: u64,
    size: u64,
) -> Result<Hash, ProofError<S::Error>> {
    if prefix > size {
        return Err(ProofError::SizesOutOfOrder { old: prefix, new: size });
    }
    Nodes { tiles, size }.range_root(0..prefix)
}

/// The root of a perfect subtree of a tree of `size` leaves, from its tiles.
pub(crate) fn perfect_root_of<S: TileSource>(
    tiles: &S,
    subtree: Range<u64>,
    size: u64,
) -> Result<Hash, ProofError<S::Error>> {
    Nodes { tiles, size }.range_root(subtree)
}

/// Checks that a leaf is in a tree.
pub fn verify_inclusion(leaf: LeafAt, head: TreeHead, proof: &[Hash]) -> Result<(), ProofRefused> {
    let subtree = Subtree { leaves: 0..head.size, root: head.root };
    verify_subtree_inclusion(leaf, &subtree, proof)
}

/// Checks that a leaf is in a subtree.
pub fn verify_subtree_inclusion(leaf: LeafAt, subtree: &Subtree, proof: &[Hash]) -> Result<(), ProofRefused> {
    let Range { start, end } = subtree.leaves;
    if !subtree.leaves.contains(&leaf.index) {
        return Err(ProofRefused::LeafOutside { leaf: leaf.index, start, end });
    }
    if !is_subtree(&subtree.leaves) {
        return Err(ProofRefused::NoSubtree { start, end, size: end });
    }
    let wrong_length = ProofRefused::WrongLength { found: proof.len() };
    let mut node = leaf.index - start;
    let mut last = end - start - 1;
    let mut found = leaf.hash;
    for sibling in proof {
        if last == 0 {
            return Err(wrong_length);
        }
        if node & 1 == 1 || node == last {
            found = node_hash(sibling, &found);
            // Levels on which the right edge has no sibling carry the node up unchanged.
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            found = node_hash(&found, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(wrong_length);
    }
    matches_root(subtree.root, found)
}

/// Checks that the older tree is a prefix of the newer one. An empty older tree shows nothing and is refused.
pub fn verify_consistency(old: TreeHead, new: TreeHead, proof: &[Hash]) -> Result<(), ProofRefused> {
    if old.size == 0 || old.size > new.size {
        return Err(ProofRefused::SizesOutOfOrder { old: old.size, new: new.size });
    }
    verify_subtree_consistency(&Subtree { leaves: 0..old.size, root: old.root }, new, proof)
}

/// Checks that a subtree is part of a tree. An empty subtree is part of any tree that reaches it.
pub fn verify_subtree_consistency(
    subtree: &Subtree,
    tree: TreeHead,
    proof: &[Hash],
) -> Result<(), ProofRefused> {
    let Range { start, end } = subtree.leaves;
    if start > end || end > tree.size {
        return Err(ProofRefused::NoSubtree { start, end, size: tree.size });
    }
    let wrong_length = ProofRefused::WrongLength { found: proof.len() };
    if start == end {
        return if proof.is_empty() { matches_root(EMPTY_ROOT, subtree.root) } else { Err(wrong_length) };
    }
    if !is_subtree(&subtree.leaves) {
        return Err(ProofRefused::NoSubtree { start, end, size: tree.size });
    }
    let mut climb = Climb { first: start, last: end - 1, tree_last: tree.size - 1 };
    climb.skip_levels_without_hashes();
    let (seed, rest) = if climb.first == climb.last {
        (subtree.root, proof)
    } else {
        let (seed, rest) = proof.split_first().ok_or_else(|| wrong_length.clone())?;
        (*seed, rest)
    };
    let (mut subtree_root, mut tree_root) = (seed, seed);
    for sibling in rest {
        if climb.tree_last == 0 {
            return Err(wrong_length);
        }
        if climb.last & 1 == 1 || climb.last == climb.tree_last {
            if climb.first < climb.last {
                subtree_root = node_hash(sibling, &subtree_root);
            }
            tree_root = node_hash(sibling, &tree_root);
            while climb.last & 1 == 0 && climb.last != 0 {
                climb.up();
            }
        } else {
            tree_root = node_hash(&tree_root, sibling);
        }
        climb.up();
    }
    if climb.tree_last != 0 {
        return Err(wrong_length);
    }
    matches_root(subtree.root, subtree_root)?;
    matches_root(tree.root, tree_root)
}

/// A subtree starts at a multiple of the smallest power of two that holds it, and is not empty.
fn is_subtree(leaves: &Range<u64>) -> bool {
    leaves.start < leaves.end
        && (leaves.end - leaves.start)
            .checked_next_power_of_two()
            .map_or(leaves.start == 0, |width| leaves.start.is_multiple_of(width))
}

/// The three positions that climb together, level by level (merkle-tree-certs §4.4.3).
struct Climb {
    first: u64,
    last: u64,
    tree_last: u64,
}

impl Climb {
    fn skip_levels_without_hashes(&mut self) {
        let flush = self.last == self.tree_last;
        while self.first != self.last && (flush || self.last & 1 == 1) {
            self.up();
        }
    }

    fn up(&mut self) {
        self.first >>= 1;
        self.last >>= 1;
        self.tree_last >>= 1;
    }
}

fn matches_root(expected: Hash, found: Hash) -> Result<(), ProofRefused> {
    if expected == found { Ok(()) } else { Err(ProofRefused::RootMismatch { expected, found }) }
}

/// Reads nodes of a tree of `size` leaves out of tiles.
struct Nodes<'a, S> {
    tiles: &'a S,
    size: u64,
}

impl<S: TileSource> Nodes<'_, S> {
    /// Root over a non-empty range that starts at a multiple of a power of two no smaller than its length.
    fn range_root(&self, range: Range<u64>) -> Result<Hash, ProofError<S::Error>> {
        let mut subtrees = Vec::new();
        let mut start = range.start;
        while start < range.end {
            let level = (range.end - start).ilog2();
            subtrees.push(self.node(level, start >> level)?);
            start += 1 << level;
        }
        Ok(fold_right(&subtrees).unwrap_or(EMPTY_ROOT))
    }

    /// Root of the perfect subtree over leaves `index << level .. (index + 1) << level`.
    fn node(&self, level: u32, index: u64) -> Result<Hash, ProofError<S::Error>> {
        if let Some(hash) = self.tiles.kept_node(level, index) {
            return Ok(hash);
        }
        let hash = self.node_of_tile(level, index)?;
        self.tiles.keep_node(level, index, hash);
        Ok(hash)
    }

    fn node_of_tile(&self, level: u32, index: u64) -> Result<Hash, ProofError<S::Error>> {
        let (tile_level, depth) = ((level / 8) as u8, level % 8);
        let first = index << depth;
        let id = TileId::holding(tile_level, first, self.size)
            .ok_or(ProofError::LeafBeyondTree { leaf: index << level, size: self.size })?;
        let hashes = self.tiles.tile(id).map_err(|source| ProofError::Tile { id, source })?;
        let offset = (first % TILE_WIDTH as u64) as usize;
        let found = hashes.len();
        hashes
            .get(offset..offset + (1 << depth))
            .and_then(perfect_root)
            .ok_or(ProofError::TileWidth { id, found })
    }
}

fn largest_power_of_two_below(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::convert::Infallible;

    use super::*;
    use crate::hash::leaf_hash;
    use crate::right_edge::RightEdge;

    /// Every tile of a tree, full and partial, in memory.
    struct Tree {
        tiles: BTreeMap<TileId, Vec<Hash>>,
        head: TreeHead,
    }

    impl TileSource for Tree {
        type Error = Infallible;

        fn tile(&self, id: TileId) -> Result<Vec<Hash>, Infallible> {
            Ok(self.tiles.get(&id).cloned().unwrap_or_default())
        }
    }

    fn leaf(index: u64) -> LeafAt {
        LeafAt { index, hash: leaf_hash(&index.to_be_bytes()) }
    }

    fn tree(size: u64) -> Tree {
        let (mut edge, mut full) = (RightEdge::default(), Vec::new());
        for index in 0..size {
            edge.push(leaf(index).hash, &mut full);
        }
        let mut tiles: BTreeMap<_, _> = full.into_iter().map(|tile| (tile.id, tile.hashes)).collect();
        tiles.extend(edge.partial_tiles().map(|(id, hashes)| (id, hashes.to_vec())));
        Tree { tiles, head: TreeHead { size, root: edge.root() } }
    }

    #[test]
    fn every_proof_of_every_small_tree_verifies_and_no_other() {
        let trees: Vec<Tree> = (0..=130).map(tree).collect();
        for new in &trees {
            for old in &trees[1..=new.head.size as usize] {
                let proof = consistency_proof(new, old.head.size, new.head.size).unwrap();
                assert_eq!(verify_consistency(old.head, new.head, &proof), Ok(()));
                let longer: Vec<Hash> = proof.iter().copied().chain([EMPTY_ROOT]).collect();
                assert!(verify_consistency(old.head, new.head, &longer).is_err());
                let forged = TreeHead { size: old.head.size, root: EMPTY_ROOT };
                assert!(verify_consistency(forged, new.head, &proof).is_err());
            }
            for index in 0..new.head.size {
                let proof = inclusion_proof(new, index, new.head.size).unwrap();
                assert_eq!(verify_inclusion(leaf(index), new.head, &proof), Ok(()));
                let other = LeafAt { index: (index + 1) % new.head.size, hash: leaf(index).hash };
                assert!(other.index == index || verify_inclusion(other, new.head, &proof).is_err());
                assert!(proof.is_empty() || verify_inclusion(leaf(index), new.head, &proof[1..]).is_err());
            }
        }
    }

    #[test]
    fn proofs_cross_tile_levels() {
        let new = tree(70_000);
        for old in [1, 255, 256, 257, 65_535, 65_536, 65_537, 69_999, 70_000] {
            let proof = consistency_proof(&new, old, 70_000).unwrap();
            assert_eq!(verify_consistency(tree(old).head, new.head, &proof), Ok(()), "{old}");
            let proof = inclusion_proof(&new, old - 1, 70_000).unwrap();
            assert_eq!(verify_inclusion(leaf(old - 1), new.head, &proof), Ok(()), "{old}");
        }
    }

    #[test]
    fn sizes_that_cannot_be() {
        let small = tree(3);
        assert_eq!(inclusion_proof(&small, 3, 3), Err(ProofError::LeafBeyondTree { leaf: 3, size: 3 }));
        assert_eq!(consistency_proof(&small, 0, 3), Err(ProofError::SizesOutOfOrder { old: 0, new: 3 }));
        assert_eq!(consistency_proof(&small, 4, 3), Err(ProofError::SizesOutOfOrder { old: 4, new: 3 }));
        let huge = TreeHead { size: u64::MAX, root: EMPTY_ROOT };
        assert!(verify_inclusion(leaf(0), huge, &[]).is_err());
        assert!(verify_inclusion(leaf(u64::MAX - 1), huge, &[EMPTY_ROOT; 70]).is_err());
        assert!(verify_consistency(small.head, huge, &[EMPTY_ROOT; 64]).is_err());
    }
}
