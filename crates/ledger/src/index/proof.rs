//! Proofs from a completeness index, and their check: that a value has exactly these entries in a range, or none.
//!
//! A row is a leaf of a tree (RFC 6962 §2.1), at its place in the order of digests. That a value is absent is shown by
//! the two rows between which it would stand, at neighbouring places. It knows no files, and nothing of what the values
//! mean. That the rows are sorted, each digest once, and that they are what the entries of the range hold, is shown by
//! building the index again, not by a proof: until somebody does, it rests on whoever built it.

use std::ops::Range;

use super::row::{INDEX_LEAVES, IndexRow, KeyDigest, KeyLeaves, RowError, commit_index_salt, key_digest};
use crate::commitment::Salt;
use crate::hash::{EMPTY_ROOT, Hash, leaf_hash};
use crate::proof::{LeafAt, ProofRefused, TreeHead, verify_inclusion};

/// What an `index-root` entry says of its index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexHead {
    /// The range that it covers; at most [`INDEX_LEAVES`] leaves.
    pub leaves: Range<u64>,
    /// Rows in it.
    pub rows: u64,
    /// Root over the rows.
    pub root: Hash,
    /// Commitment to the salt of its digests.
    pub salt: [u8; 32],
}

/// A row with the path that leads from it to the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedRow {
    /// Its place among the rows, from 0.
    pub index: u64,
    /// Its bytes.
    pub row: Vec<u8>,
    /// Inclusion proof, lowest level first.
    pub path: Vec<Hash>,
}

/// What a range holds of one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyProof {
    /// Its row: all entries of the range that have the value.
    Present(PlacedRow),
    /// The rows between which it would stand: no entry of the range has it.
    Absent {
        /// The row before; none where it would be the first.
        before: Option<PlacedRow>,
        /// The row behind; none where it would be the last.
        after: Option<PlacedRow>,
    },
    /// Nothing is shown, because a row beside its place was erased.
    Erased,
}

/// What a proof shows of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// These are its entries in the range, by kind and scope.
    Entries(Vec<KeyLeaves>),
    /// It has none there.
    Nothing,
    /// That cannot be determined, because a row beside its place was erased.
    Undetermined,
}

/// Why a proof was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyProofRefused {
    /// The head is that of no index.
    #[error("an index over leaves {from} to {to} cannot be: a range has 1 to {INDEX_LEAVES} leaves")]
    Range {
        /// First leaf.
        from: u64,
        /// Leaf behind the last.
        to: u64,
    },
    /// The salt is not the one that was committed to.
    #[error("the salt is not the one that the index commits to")]
    Salt,
    /// A row has not its one form.
    #[error("row {index} cannot be read")]
    Row {
        /// Its place.
        index: u64,
        /// Why.
        #[source]
        source: RowError,
    },
    /// A row does not lead to the root.
    #[error("row {index} is not in the index")]
    NotIncluded {
        /// Its place.
        index: u64,
        /// Why.
        #[source]
        source: ProofRefused,
    },
    /// The row is that of another value.
    #[error("row {index} is that of another value")]
    OtherValue {
        /// Its place.
        index: u64,
    },
    /// The value would not stand between the rows.
    #[error("the value does not stand between the rows that are shown")]
    NotBetween,
    /// Rows that are not beside each other, or not at the end where they should be.
    #[error("rows {before:?} and {after:?} are not neighbours among {rows}")]
    NotNeighbours {
        /// Place of the row before.
        before: Option<u64>,
        /// Place of the row behind.
        after: Option<u64>,
        /// Rows in the index.
        rows: u64,
    },
    /// An index without rows has the root of the empty tree.
    #[error("the index has no rows, and another root than that of none")]
    EmptyRoot,
}

impl IndexHead {
    /// Checks what can be checked without a proof: the range, and that `salt` is the one that was committed to.
    pub fn check(&self, salt: &Salt) -> Result<(), KeyProofRefused> {
        let (from, to) = (self.leaves.start, self.leaves.end);
        if !(1..=INDEX_LEAVES).contains(&to.saturating_sub(from)) {
            return Err(KeyProofRefused::Range { from, to });
        }
        if commit_index_salt(salt) != self.salt {
            return Err(KeyProofRefused::Salt);
        }
        if self.rows == 0 && self.root != EMPTY_ROOT {
            return Err(KeyProofRefused::EmptyRoot);
        }
        Ok(())
    }

    /// Checks that a row is at its place.
    fn placed(&self, placed: &PlacedRow) -> Result<IndexRow, KeyProofRefused> {
        let index = placed.index;
        let leaf = LeafAt { index, hash: leaf_hash(&placed.row) };
        verify_inclusion(leaf, TreeHead { size: self.rows, root: self.root }, &placed.path)
            .map_err(|source| KeyProofRefused::NotIncluded { index, source })?;
        IndexRow::decode(&placed.row, &self.leaves).map_err(|source| KeyProofRefused::Row { index, source })
    }
}

impl KeyProof {
    /// What the proof shows of `value` in the range of `head`, which whoever checks has from a proven `index-root` entry.
    pub fn check(&self, head: &IndexHead, salt: &Salt, value: &[u8]) -> Result<Found, KeyProofRefused> {
        head.check(salt)?;
        let digest = key_digest(salt, value);
        match self {
            Self::Present(placed) => {
                let row = head.placed(placed)?;
                if row.digest != digest {
                    return Err(KeyProofRefused::OtherValue { index: placed.index });
                }
                Ok(Found::Entries(row.keys))
            }
            Self::Absent { before, after } => {
                absent(head, &digest, before.as_ref(), after.as_ref()).map(|()| Found::Nothing)
            }
            Self::Erased => Ok(Found::Undetermined),
        }
    }
}

fn absent(
    head: &IndexHead,
    digest: &KeyDigest,
    before: Option<&PlacedRow>,
    after: Option<&PlacedRow>,
) -> Result<(), KeyProofRefused> {
    let (left, right) = (before.map(|row| row.index), after.map(|row| row.index));
    let are_neighbours = match (left, right) {
        (None, None) => head.rows == 0,
        (None, Some(first)) => first == 0,
        (Some(last), None) => last.checked_add(1) == Some(head.rows),
        (Some(before), Some(after)) => before.checked_add(1) == Some(after),
    };
    if !are_neighbours {
        return Err(KeyProofRefused::NotNeighbours { before: left, after: right, rows: head.rows });
    }
    let is_behind = before.map(|row| head.placed(row)).transpose()?.is_none_or(|row| row.digest < *digest);
    let is_before = after.map(|row| head.placed(row)).transpose()?.is_none_or(|row| *digest < row.digest);
    if is_behind && is_before { Ok(()) } else { Err(KeyProofRefused::NotBetween) }
}
