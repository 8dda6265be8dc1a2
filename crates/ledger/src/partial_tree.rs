//! A tree spelled out from left to right: the leaves that somebody cares for, and between them the hashes of the
//! whole subtrees that fill the gaps. One proof for many leaves, which share every hash above them.
//!
//! The tree is that of RFC 6962 §2.1. A gap is filled by perfect subtrees, each the widest that starts at a multiple
//! of its width and ends within the gap, so every gap has exactly one spelling. What comes out at the end is the root
//! of the whole tree: if it is the root that was signed, every leaf given is at its index in the signed tree.
//!
//! It knows no files and no signatures, and keeps one hash a level.

use std::ops::Range;

use crate::checkpoint::MAX_TREE_SIZE;
use crate::hash::{EMPTY_ROOT, Hash, node_hash};
use crate::proof::{ProofError, TileSource, TreeHead, perfect_root_of};
use crate::tree::fold_right;

/// A tree that is put together from left to right.
#[derive(Debug, Clone, Default)]
pub struct PartialTree {
    /// Leaves covered so far.
    size: u64,
    /// Perfect subtrees that cover them, widest first; level and root.
    subtrees: Vec<(u32, Hash)>,
}

/// Why a tree cannot be spelled so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartialTreeRefused {
    /// A leaf or an end that lies before what is covered already.
    #[error("leaf {leaf} is out of order: the tree is spelled up to leaf {size}")]
    OutOfOrder {
        /// The leaf, or the end.
        leaf: u64,
        /// Leaves covered.
        size: u64,
    },
    /// A leaf or an end that no ledger reaches.
    #[error("leaf {leaf} lies beyond any ledger")]
    TooFar {
        /// The leaf, or the end.
        leaf: u64,
    },
    /// More or fewer hashes than the gap asks for.
    #[error("the gap from leaf {from} to leaf {to} takes {expected} hashes, {found} are given")]
    WrongLength {
        /// First leaf of the gap.
        from: u64,
        /// Leaf after it.
        to: u64,
        /// Hashes that fill it.
        expected: usize,
        /// Hashes given.
        found: usize,
    },
}

impl PartialTree {
    /// Leaves covered so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Fills the gap up to leaf `end` with the hashes of its perfect subtrees, left to right.
    pub fn fill(&mut self, end: u64, hashes: &[Hash]) -> Result<(), PartialTreeRefused> {
        if end < self.size {
            return Err(PartialTreeRefused::OutOfOrder { leaf: end, size: self.size });
        }
        if end > MAX_TREE_SIZE {
            return Err(PartialTreeRefused::TooFar { leaf: end });
        }
        let gap = self.size..end;
        let expected = perfect_subtrees(gap.clone()).count();
        if expected != hashes.len() {
            let (from, to, found) = (gap.start, gap.end, hashes.len());
            return Err(PartialTreeRefused::WrongLength { from, to, expected, found });
        }
        for (subtree, hash) in perfect_subtrees(gap).zip(hashes) {
            self.push((subtree.end - subtree.start).ilog2(), *hash);
        }
        Ok(())
    }

    /// Adds the leaf behind what is covered.
    pub fn push_leaf(&mut self, hash: Hash) {
        self.push(0, hash);
    }

    /// Size and root of the tree as it stands.
    pub fn head(&self) -> TreeHead {
        let roots: Vec<Hash> = self.subtrees.iter().map(|(_, root)| *root).collect();
        TreeHead { size: self.size, root: fold_right(&roots).unwrap_or(EMPTY_ROOT) }
    }

    /// Adds a perfect subtree of `1 << level` leaves. Neighbours of one width become one of twice the width: as each
    /// subtree starts at a multiple of its width, that is how the tree itself joins them.
    fn push(&mut self, mut level: u32, mut hash: Hash) {
        self.size += 1 << level;
        while let Some((_, left)) = self.subtrees.pop_if(|(below, _)| *below == level) {
            hash = node_hash(&left, &hash);
            level += 1;
        }
        self.subtrees.push((level, hash));
    }
}

/// The perfect subtrees that fill a gap, left to right: each the widest that starts at a multiple of its width.
pub fn perfect_subtrees(gap: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let mut start = gap.start;
    std::iter::from_fn(move || {
        let left = gap.end.checked_sub(start).filter(|left| *left > 0)?;
        let width = 1 << left.ilog2().min(start.trailing_zeros());
        let subtree = start..start + width;
        start = subtree.end;
        Some(subtree)
    })
}

/// The hashes that fill a gap in a tree of `size` leaves, from its tiles.
pub fn gap_hashes<S: TileSource>(
    tiles: &S,
    gap: Range<u64>,
    size: u64,
) -> Result<Vec<Hash>, ProofError<S::Error>> {
    if gap.end > size {
        return Err(ProofError::LeafBeyondTree { leaf: gap.end, size });
    }
    perfect_subtrees(gap).map(|subtree| perfect_root_of(tiles, subtree, size)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;
    use crate::hash::leaf_hash;
    use crate::right_edge::RightEdge;
    use crate::tile::TileId;

    /// The tiles of a tree whose leaves are numbers.
    struct Tiles(BTreeMap<TileId, Vec<Hash>>);

    impl TileSource for Tiles {
        type Error = Infallible;

        fn tile(&self, id: TileId) -> Result<Vec<Hash>, Infallible> {
            Ok(self.0[&id].clone())
        }
    }

    fn leaf(index: u64) -> Hash {
        leaf_hash(&index.to_be_bytes())
    }

    fn tree_of(size: u64) -> (Tiles, TreeHead) {
        let (mut edge, mut full) = (RightEdge::default(), Vec::new());
        (0..size).for_each(|index| edge.push(leaf(index), &mut full));
        let mut tiles: BTreeMap<TileId, Vec<Hash>> =
            edge.partial_tiles().map(|(id, hashes)| (id, hashes.to_vec())).collect();
        tiles.extend(full.into_iter().map(|tile| (tile.id, tile.hashes)));
        (Tiles(tiles), TreeHead { size, root: edge.root() })
    }

    fn spelled(tiles: &Tiles, leaves: impl IntoIterator<Item = u64>, size: u64) -> TreeHead {
        let mut tree = PartialTree::default();
        for index in leaves {
            let hashes = gap_hashes(tiles, tree.size()..index, size).unwrap();
            tree.fill(index, &hashes).unwrap();
            tree.push_leaf(leaf(index));
        }
        let rest = gap_hashes(tiles, tree.size()..size, size).unwrap();
        tree.fill(size, &rest).unwrap();
        tree.head()
    }

    #[test]
    fn gaps_have_one_spelling() {
        let widths =
            |gap| perfect_subtrees(gap).map(|subtree| subtree.end - subtree.start).collect::<Vec<_>>();
        assert_eq!(widths(0..8), [8]);
        assert_eq!(widths(1..8), [1, 2, 4]);
        assert_eq!(widths(5..14), [1, 2, 4, 2]);
        assert_eq!(widths(3..3), [0_u64; 0]);
        assert_eq!(widths(0..MAX_TREE_SIZE), [MAX_TREE_SIZE]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut tree = PartialTree::default();
        tree.fill(4, &[leaf(0)]).unwrap();
        assert_eq!(tree.fill(3, &[]), Err(PartialTreeRefused::OutOfOrder { leaf: 3, size: 4 }));
        let wrong = |expected, found| PartialTreeRefused::WrongLength { from: 4, to: 7, expected, found };
        assert_eq!(tree.fill(7, &[leaf(1)]), Err(wrong(2, 1)));
        assert_eq!(tree.fill(7, &[leaf(1); 3]), Err(wrong(2, 3)));
        assert_eq!(tree.fill(u64::MAX, &[]), Err(PartialTreeRefused::TooFar { leaf: u64::MAX }));
        assert_eq!(tree.size(), 4, "a refusal changes nothing");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_choice_of_leaves_leads_to_the_root(size in 1_u64..1_500, chosen: Vec<proptest::sample::Index>) {
            let (tiles, head) = tree_of(size);
            let leaves: std::collections::BTreeSet<u64> =
                chosen.iter().map(|index| index.index(size as usize) as u64).collect();
            prop_assert_eq!(spelled(&tiles, leaves, size), head);
        }

        #[test]
        fn another_leaf_leads_to_another_root(size in 1_u64..300, at: proptest::sample::Index) {
            let (tiles, head) = tree_of(size);
            let index = at.index(size as usize) as u64;
            let mut tree = PartialTree::default();
            tree.fill(index, &gap_hashes(&tiles, 0..index, size).unwrap()).unwrap();
            tree.push_leaf(leaf(index + 1));
            tree.fill(size, &gap_hashes(&tiles, index + 1..size, size).unwrap()).unwrap();
            prop_assert_ne!(tree.head(), head);
        }
    }
}
