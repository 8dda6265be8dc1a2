//! SHA-256 Merkle hashing as RFC 6962 §2.1 defines it (RFC 9162 §2.1.1 is the same).
//!
//! It knows nothing of trees, tiles or files: two kinds of node and the root of nothing.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// Bytes of a hash.
pub const HASH_BYTES: usize = 32;

/// The root of the tree with no leaves: SHA-256 of the empty string (RFC 6962 §2.1).
pub const EMPTY_ROOT: Hash = Hash([
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);

/// A SHA-256 value in the tree: of a leaf, of a node or of a root.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; HASH_BYTES]);

impl Hash {
    /// Takes the bytes of a hash as they are.
    pub const fn from_bytes(bytes: [u8; HASH_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes of the hash.
    pub const fn as_bytes(&self) -> &[u8; HASH_BYTES] {
        &self.0
    }

    /// Reads standard padded base64, the form of checkpoints and proofs; `None` unless it is exactly 32 bytes.
    pub fn from_base64(text: &str) -> Option<Self> {
        STANDARD.decode(text).ok().and_then(|bytes| <[u8; HASH_BYTES]>::try_from(bytes).ok()).map(Self)
    }
}

/// Standard padded base64, the form of checkpoints and proofs.
impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Hash({self})")
    }
}

/// Hash of a leaf: SHA-256(0x00 | data).
pub fn leaf_hash(data: &[u8]) -> Hash {
    Hash(Sha256::new().chain_update([0x00]).chain_update(data).finalize().into())
}

/// Hash of an interior node: SHA-256(0x01 | left | right).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut input = [0_u8; 1 + 2 * HASH_BYTES];
    input[0] = 0x01;
    input[1..=HASH_BYTES].copy_from_slice(&left.0);
    input[1 + HASH_BYTES..].copy_from_slice(&right.0);
    Hash(Sha256::digest(input).into())
}

/// Root over a power-of-two number of sibling hashes; `None` for any other number.
pub(crate) fn perfect_root(hashes: &[Hash]) -> Option<Hash> {
    if !hashes.len().is_power_of_two() {
        return None;
    }
    let mut row = hashes.to_vec();
    let mut width = row.len();
    while width > 1 {
        width /= 2;
        for at in 0..width {
            row[at] = node_hash(&row[2 * at], &row[2 * at + 1]);
        }
    }
    row.first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known values of RFC 6962 trees, as published by Certificate Transparency implementations.
    #[test]
    fn known_values() {
        assert_eq!(EMPTY_ROOT, Hash(Sha256::digest(b"").into()));
        assert_eq!(leaf_hash(b"").to_string(), "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=");
        let pair = node_hash(&leaf_hash(b""), &leaf_hash(&[0x00]));
        assert_eq!(pair.to_string(), "+sVCA+fMaWzw38tCySodnbr3CtnmIfS9jZhmLwDjwSU=");
        assert_eq!(Hash::from_base64(&pair.to_string()), Some(pair));
    }

    #[test]
    fn perfect_roots_only_of_powers_of_two() {
        let row: Vec<Hash> = (0_u8..4).map(|leaf| leaf_hash(&[leaf])).collect();
        let expected = node_hash(&node_hash(&row[0], &row[1]), &node_hash(&row[2], &row[3]));
        assert_eq!(perfect_root(&row), Some(expected));
        assert_eq!(perfect_root(&row[..3]), None);
        assert_eq!(perfect_root(&[]), None);
    }
}
