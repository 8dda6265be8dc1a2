//! A row of a completeness index: one value, by its digest, with the leaves that have it, apart for each kind and scope
//! in which they have it. Digests are salted, so that a row does not give away its value to whoever lacks the salt.
//!
//! One value is one row, whatever kinds and scopes it has: what somebody types has neither, and that nothing is found
//! by a name has to be provable in all of them at once.

use std::ops::Range;

use sha2::{Digest as _, Sha256};

use crate::commitment::Salt;
use crate::hash::HASH_BYTES;

/// Most leaves in the range of one index: as many as a leaf's place in two bytes can tell apart.
pub const INDEX_LEAVES: u64 = 1 << 16;

/// Bytes of a [`ScopeTag`].
pub const SCOPE_TAG_BYTES: usize = 16;

/// Longest row. Only a value that thousands of scopes share in one range comes near it.
pub const MAX_ROW_BYTES: usize = 16 << 20;

/// Digest of a value under the salt of a range.
pub type KeyDigest = [u8; HASH_BYTES];

/// Stands for a kind and a scope under the salt of a range.
pub type ScopeTag = [u8; SCOPE_TAG_BYTES];

const KEY_DOMAIN: &[u8] = b"ascribe/index-key/v1\0";
const SCOPE_DOMAIN: &[u8] = b"ascribe/index-scope/v1\0";
const SALT_DOMAIN: &[u8] = b"ascribe/index-salt/v1\0";

/// The leaves of a range that have a value in one kind and scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyLeaves {
    /// Stands for kind and scope.
    pub scope: ScopeTag,
    /// Their leaves, ascending; at least one.
    pub leaves: Vec<u64>,
}

/// A row that has its one form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexRow {
    /// Digest of the value.
    pub digest: KeyDigest,
    /// Its leaves by kind and scope, ascending by tag; at least one.
    pub keys: Vec<KeyLeaves>,
}

/// Why bytes are no row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// It ends inside a part, or holds no leaf at all.
    #[error("the row ends after {found} bytes, inside a part")]
    Truncated {
        /// Bytes given.
        found: usize,
    },
    /// More bytes than any row has.
    #[error("the row has {found} bytes, at most {MAX_ROW_BYTES} are read")]
    TooLong {
        /// Bytes given.
        found: usize,
    },
    /// Kinds and scopes that are repeated or not in order.
    #[error("the keys of the row are repeated or out of order at byte {offset}")]
    Keys {
        /// Where the key starts.
        offset: usize,
    },
    /// Leaves that are repeated, out of order or beyond the range.
    #[error("the leaves of the row are repeated, out of order or beyond the range at byte {offset}")]
    Leaves {
        /// Where the leaf stands.
        offset: usize,
    },
}

/// SHA-256(domain | salt | big-endian `u64` length | value).
pub fn key_digest(salt: &Salt, value: &[u8]) -> KeyDigest {
    let hasher = Sha256::new().chain_update(KEY_DOMAIN).chain_update(salt);
    with_length(hasher, value).finalize().into()
}

/// The first 16 bytes of SHA-256(domain | salt | length | kind | length | scope).
pub fn scope_tag(salt: &Salt, kind: &[u8], scope: &[u8]) -> ScopeTag {
    let hasher = with_length(Sha256::new().chain_update(SCOPE_DOMAIN).chain_update(salt), kind);
    let digest: [u8; 32] = with_length(hasher, scope).finalize().into();
    let mut tag = [0; SCOPE_TAG_BYTES];
    tag.copy_from_slice(&digest[..SCOPE_TAG_BYTES]);
    tag
}

/// Commits to the salt of a range: SHA-256(domain | salt).
pub fn commit_index_salt(salt: &Salt) -> [u8; 32] {
    Sha256::new().chain_update(SALT_DOMAIN).chain_update(salt).finalize().into()
}

fn with_length(hasher: Sha256, bytes: &[u8]) -> Sha256 {
    hasher.chain_update((bytes.len() as u64).to_be_bytes()).chain_update(bytes)
}

impl IndexRow {
    /// Reads a row of an index over `leaves`.
    pub fn decode(bytes: &[u8], leaves: &Range<u64>) -> Result<Self, RowError> {
        let found = bytes.len();
        if found > MAX_ROW_BYTES {
            return Err(RowError::TooLong { found });
        }
        let truncated = RowError::Truncated { found };
        let (digest, _) = bytes.split_first_chunk::<HASH_BYTES>().ok_or(truncated)?;
        let mut offset = HASH_BYTES;
        let mut keys: Vec<KeyLeaves> = Vec::new();
        while offset < found || keys.is_empty() {
            let start = offset;
            let scope: ScopeTag = take(bytes, &mut offset).ok_or(truncated)?;
            if keys.last().is_some_and(|before| before.scope >= scope) {
                return Err(RowError::Keys { offset: start });
            }
            let count = take(bytes, &mut offset).map(u16::from_be_bytes).ok_or(truncated)?;
            let mut of_key = Vec::new();
            for _ in 0..=count {
                let place = offset;
                let leaf = take(bytes, &mut offset).map(u16::from_be_bytes).ok_or(truncated)?;
                let leaf = leaves.start.saturating_add(u64::from(leaf));
                if leaf >= leaves.end || of_key.last().is_some_and(|before| *before >= leaf) {
                    return Err(RowError::Leaves { offset: place });
                }
                of_key.push(leaf);
            }
            keys.push(KeyLeaves { scope, leaves: of_key });
        }
        Ok(Self { digest: *digest, keys })
    }

    /// Every leaf of the row, ascending, each once.
    pub fn leaves(&self) -> Vec<u64> {
        let mut leaves: Vec<u64> = self.keys.iter().flat_map(|key| &key.leaves).copied().collect();
        leaves.sort_unstable();
        leaves.dedup();
        leaves
    }
}

fn take<const N: usize>(bytes: &[u8], offset: &mut usize) -> Option<[u8; N]> {
    let taken = bytes.get(*offset..)?.first_chunk::<N>()?;
    *offset += N;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
    }

    /// Computed with Python's `hashlib` from the words of `docs/formats/index.md`, so that another reader agrees.
    #[test]
    fn known_values() {
        let salt = [0x11; 32];
        assert_eq!(
            hex(&key_digest(&salt, b"AKIAEXAMPLE")),
            "ed0a9e21c0fed24efea9da792f5fe62b205dc80747755ff5ce398dea0516f522"
        );
        assert_eq!(hex(&scope_tag(&salt, b"aws.access_key", b"")), "05a40356f78d313c20af1253e229866c");
        assert_eq!(
            hex(&commit_index_salt(&salt)),
            "85571742324fbff7f2f3cf0916963caca2b339a0beae4ebba01d3cd121193e05"
        );
    }

    #[test]
    fn a_row_has_one_form() {
        let row = |parts: &[&[u8]]| [&[7; 32][..], &parts.concat()].concat();
        let (low, high) = ([1; 16], [2; 16]);
        let leaves = 100..110;
        let good = row(&[&low, &[0, 1], &[0, 0], &[0, 9], &high, &[0, 0], &[0, 3]]);
        let decoded = IndexRow::decode(&good, &leaves).unwrap();
        assert_eq!(decoded.leaves(), [100, 103, 109]);
        assert_eq!(decoded.keys[0], KeyLeaves { scope: low, leaves: vec![100, 109] });
        for (bytes, why) in [
            (row(&[]), RowError::Truncated { found: 32 }),
            (vec![7; 31], RowError::Truncated { found: 31 }),
            (row(&[&low, &[0, 0]]), RowError::Truncated { found: 50 }),
            (row(&[&low, &[0, 0], &[0, 3], &[0]]), RowError::Truncated { found: 53 }),
            (row(&[&low, &[0, 0], &[0, 10]]), RowError::Leaves { offset: 50 }),
            (row(&[&low, &[0, 1], &[0, 3], &[0, 3]]), RowError::Leaves { offset: 52 }),
            (row(&[&low, &[0, 1], &[0, 3], &[0, 2]]), RowError::Leaves { offset: 52 }),
            (row(&[&high, &[0, 0], &[0, 3], &low, &[0, 0], &[0, 3]]), RowError::Keys { offset: 52 }),
            (row(&[&low, &[0, 0], &[0, 3], &low, &[0, 0], &[0, 4]]), RowError::Keys { offset: 52 }),
            (vec![7; MAX_ROW_BYTES + 1], RowError::TooLong { found: MAX_ROW_BYTES + 1 }),
        ] {
            assert_eq!(IndexRow::decode(&bytes, &leaves), Err(why));
        }
    }
}
