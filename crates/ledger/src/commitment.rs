//! Salted commitments to the bytes of an entry.
//!
//! The salt, 32 random bytes, keeps a low-entropy record from being guessed out of its leaf, and discarding it makes
//! the commitment say nothing any more. Domains keep a commitment of one kind from passing as another. It knows no
//! envelope and no file.

use sha2::{Digest as _, Sha256};

/// Bytes of a salt.
pub const SALT_BYTES: usize = 32;

/// A salt.
pub type Salt = [u8; SALT_BYTES];

const CAPTURED_DOMAIN: &[u8] = b"ascribe/captured/v1\0";
const RECEIVED_DOMAIN: &[u8] = b"ascribe/received/v1\0";
const SEALED_DOMAIN: &[u8] = b"ascribe/sealed/v1\0";

/// Commits to captured bytes: those kept in the ledger.
pub fn commit_captured(salt: &Salt, captured: &[u8]) -> [u8; 32] {
    commit(CAPTURED_DOMAIN, salt, captured)
}

/// Commits to received bytes: those that came in, before anything was withheld.
pub fn commit_received(salt: &Salt, received: &[u8]) -> [u8; 32] {
    commit(RECEIVED_DOMAIN, salt, received)
}

/// Commits to one value that was cut out of a record and sealed: the commitment stays in the value's place.
pub fn commit_sealed(salt: &Salt, value: &[u8]) -> [u8; 32] {
    commit(SEALED_DOMAIN, salt, value)
}

/// SHA-256(domain | salt | big-endian `u64` length | bytes).
fn commit(domain: &[u8], salt: &Salt, bytes: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update(domain)
        .chain_update(salt)
        .chain_update((bytes.len() as u64).to_be_bytes())
        .chain_update(bytes)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by `printf 'ascribe/captured/v1\0' …| sha256sum`, so that another implementation agrees.
    #[test]
    fn known_values() {
        let salt = [0x11; 32];
        let hex = |bytes: [u8; 32]| bytes.map(|byte| format!("{byte:02x}")).concat();
        assert_eq!(
            hex(commit_captured(&salt, b"record")),
            "ab66378f51402152fd89dc96255d7c5df38564f722563a8420f71a7880b5fb8e"
        );
        assert_eq!(
            hex(commit_received(&salt, b"record")),
            "6a86dc94eff59341dcaa10da672b77e42c9c3e904cd5d5f7470ade2d0a427dc5"
        );
    }
}
