//! The completeness index: for one range of leaves, which of its entries have a value, sorted and under one root.
//!
//! It proves that these are *all* entries of a range that have a value, or that none has. What a value is, and which
//! entries have it, whoever builds the index knows: here are bytes and digests, never events. `docs/formats/index.md`
//! states the bytes.
//!
//! - [`IndexHead`] is what an `index-root` entry says; [`KeyProof::check`] checks a proof against it, without a disk.
//! - [`IndexBuilder`] sorts a range, [`IndexFile`] keeps the rows and builds proofs, [`IndexFile::blind`] takes erased
//!   rows out. They need the feature `files`.

mod proof;
mod row;

#[cfg(feature = "files")]
mod build;
#[cfg(feature = "files")]
mod file;
#[cfg(feature = "files")]
mod paths;
#[cfg(test)]
mod tests;

pub use proof::{Found, IndexHead, KeyProof, KeyProofRefused, PlacedRow};
pub use row::{
    INDEX_LEAVES, IndexRow, KeyDigest, KeyLeaves, MAX_ROW_BYTES, RowError, SCOPE_TAG_BYTES, ScopeTag,
    commit_index_salt, key_digest, scope_tag,
};

#[cfg(feature = "files")]
pub use build::{BuiltIndex, IndexBuilder};
#[cfg(feature = "files")]
pub use file::{Blinded, IndexFile, IndexFileError};
#[cfg(feature = "files")]
pub use paths::{IndexPaths, IndexRange};
