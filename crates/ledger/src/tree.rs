//! The shape of the tree of RFC 6962 §2.1: how many hashes a level has, and how its perfect subtrees join.
//!
//! It knows no files, and no tree that grows: that is the right edge's.

use crate::hash::{Hash, node_hash};

/// Hashes that level `level` holds in a tree of `size` leaves: floor(size / 256^level).
pub(crate) fn hashes_at_level(size: u64, level: u8) -> u64 {
    size.checked_shr(8 * u32::from(level)).unwrap_or(0)
}

/// The root over perfect subtrees listed widest first; `None` for none.
pub(crate) fn fold_right(subtrees: &[Hash]) -> Option<Hash> {
    let (last, wider) = subtrees.split_last()?;
    Some(wider.iter().rev().fold(*last, |root, left| node_hash(left, &root)))
}
