//! Sorts what the entries of a range have into the rows of an index. Equal input and an equal salt give equal rows, in
//! whatever order they came.

use std::collections::BTreeMap;
use std::ops::Range;

use super::file::IndexFileError;
use super::proof::IndexHead;
use super::row::{
    INDEX_LEAVES, KeyDigest, MAX_ROW_BYTES, SCOPE_TAG_BYTES, ScopeTag, commit_index_salt, key_digest,
    scope_tag,
};
use crate::commitment::Salt;
use crate::hash::{HASH_BYTES, Hash, leaf_hash};
use crate::right_edge::push_perfect_subtrees;
use crate::tree::fold_right;

/// Collects what the entries of a range have.
pub struct IndexBuilder {
    leaves: Range<u64>,
    salt: Salt,
    /// Kinds and scopes repeat in every entry, so their tags are computed once.
    tags: BTreeMap<(String, String), ScopeTag>,
    found: Vec<(KeyDigest, ScopeTag, u16)>,
    pub(super) longest_row: usize,
}

/// The rows of an index, sorted.
pub struct BuiltIndex {
    pub(super) leaves: Range<u64>,
    salt: [u8; 32],
    bytes: Vec<u8>,
    /// Where each row ends in `bytes`.
    ends: Vec<usize>,
}

impl IndexBuilder {
    /// An index over `leaves`, of which there may be [`INDEX_LEAVES`].
    ///
    /// # Errors
    /// [`IndexFileError::Range`] where it has none, or more.
    pub fn new(leaves: Range<u64>, salt: Salt) -> Result<Self, IndexFileError> {
        if !(1..=INDEX_LEAVES).contains(&leaves.end.saturating_sub(leaves.start)) {
            return Err(IndexFileError::Range { from: leaves.start, to: leaves.end });
        }
        Ok(Self { leaves, salt, tags: BTreeMap::new(), found: Vec::new(), longest_row: MAX_ROW_BYTES })
    }

    /// Notes that the entry at `leaf` has `value` in a kind and scope. The same may be noted again.
    ///
    /// # Errors
    /// [`IndexFileError::LeafOutside`] where the leaf is not in the range.
    pub fn note(&mut self, leaf: u64, key: (&str, &str), value: &str) -> Result<(), IndexFileError> {
        let (from, to) = (self.leaves.start, self.leaves.end);
        if !self.leaves.contains(&leaf) {
            return Err(IndexFileError::LeafOutside { leaf, from, to });
        }
        let (kind, scope) = key;
        let of_key = (kind.to_owned(), scope.to_owned());
        let salt = &self.salt;
        let tag =
            *self.tags.entry(of_key).or_insert_with(|| scope_tag(salt, kind.as_bytes(), scope.as_bytes()));
        // A range has at most 2^16 leaves, so the difference fits.
        self.found.push((key_digest(salt, value.as_bytes()), tag, (leaf - from) as u16));
        Ok(())
    }

    /// Sorts what was noted into rows.
    ///
    /// # Errors
    /// [`IndexFileError::RowTooLong`] where one value has too many scopes: a shorter range has fewer.
    pub fn build(self) -> Result<BuiltIndex, IndexFileError> {
        let Self { leaves, salt, mut found, longest_row, .. } = self;
        found.sort_unstable();
        found.dedup();
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for row in found.chunk_by(|one, next| one.0 == next.0) {
            let start = bytes.len();
            let keys = row.chunk_by(|one, next| one.1 == next.1);
            let length = HASH_BYTES + keys.clone().count() * (SCOPE_TAG_BYTES + 2) + row.len() * 2;
            if length > longest_row {
                return Err(IndexFileError::RowTooLong { from: leaves.start, to: leaves.end, found: length });
            }
            bytes.extend_from_slice(&row[0].0);
            for key in keys {
                bytes.extend_from_slice(&key[0].1);
                // At least one leaf and at most 2^16, so one less fits.
                bytes.extend_from_slice(&((key.len() - 1) as u16).to_be_bytes());
                for (_, _, leaf) in key {
                    bytes.extend_from_slice(&leaf.to_be_bytes());
                }
            }
            debug_assert_eq!(bytes.len() - start, length, "the length was computed before");
            ends.push(bytes.len());
        }
        Ok(BuiltIndex { leaves, salt: commit_index_salt(&salt), bytes, ends })
    }
}

impl BuiltIndex {
    /// What an `index-root` entry says of it.
    pub fn head(&self) -> IndexHead {
        let hashes: Vec<Hash> = self.rows().map(leaf_hash).collect();
        IndexHead {
            leaves: self.leaves.clone(),
            rows: hashes.len() as u64,
            root: root_of(&hashes),
            salt: self.salt,
        }
    }

    /// The rows in order.
    pub(super) fn rows(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end])
    }
}

/// Root of the tree over all of `hashes`.
pub(super) fn root_of(hashes: &[Hash]) -> Hash {
    let mut subtrees = Vec::new();
    push_perfect_subtrees(hashes, &mut subtrees);
    fold_right(&subtrees).unwrap_or(crate::hash::EMPTY_ROOT)
}
