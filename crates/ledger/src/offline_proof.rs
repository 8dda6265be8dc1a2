//! Proofs that travel: an inclusion proof together with the checkpoint that it leads to, as C2SP tlog-proof defines
//! the text. It needs no ledger to be checked: a leaf hash and a verifier key are enough.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::checkpoint::{CheckpointRefused, MAX_TREE_SIZE, SignedCheckpoint};
use crate::hash::Hash;
use crate::note::{MAX_NOTE_BYTES, VerifierKey};
use crate::proof::{LeafAt, ProofRefused, verify_inclusion};
use crate::tile::parse_decimal;

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

/// Hashes of an inclusion proof in the largest tree: one a level (tlog-proof: at most 63).
const HASHES_MAX: usize = 63;

/// A leaf's place, the hashes that lead from it to a root, and the signed checkpoint with that root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfflineProof {
    /// Data for the application. Nothing authenticates it.
    pub extra: Option<Vec<u8>>,
    /// Index of the leaf.
    pub index: u64,
    /// Inclusion proof, lowest level first.
    pub hashes: Vec<Hash>,
    /// The checkpoint note, byte for byte.
    pub checkpoint: String,
}

/// Why an offline proof was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OfflineProofRefused {
    /// Longer than any proof.
    #[error("the proof has {found} bytes, at most {} are read", 2 * MAX_NOTE_BYTES)]
    TooLong {
        /// Bytes given.
        found: usize,
    },
    /// Not UTF-8.
    #[error("the proof is not UTF-8 after byte {valid_up_to}")]
    NotUtf8 {
        /// Bytes that are.
        valid_up_to: usize,
    },
    /// The first line names another format.
    #[error("the first line is `{found}`, expected `{FIRST_LINE}`")]
    FirstLine {
        /// The line.
        found: String,
    },
    /// The `extra` line is not base64.
    #[error("the `extra` line is not base64")]
    Extra,
    /// There is no `index` line with a decimal number.
    #[error("the proof has no `index` line with a leaf index")]
    Index,
    /// A line between `index` and the blank line is not a hash.
    #[error("hash {position} of the proof is not base64 of 32 bytes")]
    HashLine {
        /// Position from 0.
        position: usize,
    },
    /// More hashes than any tree has levels.
    #[error("the proof has more than {HASHES_MAX} hashes")]
    TooManyHashes,
    /// No blank line leads to a checkpoint.
    #[error("no blank line leads to a checkpoint")]
    NoCheckpoint,
    /// The checkpoint does not verify.
    #[error("the checkpoint of the proof is refused")]
    Checkpoint(#[source] CheckpointRefused),
    /// The hashes do not lead from the leaf to the checkpoint's root.
    #[error("the proof does not hold")]
    Proof(#[source] ProofRefused),
}

impl OfflineProof {
    /// Reads the text of a proof. Nothing in it may be believed before [`OfflineProof::verify`].
    pub fn parse(bytes: &[u8]) -> Result<Self, OfflineProofRefused> {
        if bytes.len() > 2 * MAX_NOTE_BYTES {
            return Err(OfflineProofRefused::TooLong { found: bytes.len() });
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|error| OfflineProofRefused::NotUtf8 { valid_up_to: error.valid_up_to() })?;
        let (proof, checkpoint) = text.split_once("\n\n").ok_or(OfflineProofRefused::NoCheckpoint)?;
        let mut lines = proof.split('\n').peekable();
        let first = lines.next().unwrap_or_default();
        if first != FIRST_LINE {
            return Err(OfflineProofRefused::FirstLine { found: first.to_owned() });
        }
        let extra = lines.next_if(|line| line.starts_with("extra "));
        let extra = extra
            .map(|line| STANDARD.decode(&line["extra ".len()..]))
            .transpose()
            .map_err(|_| OfflineProofRefused::Extra)?;
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(parse_decimal)
            .filter(|index| *index < MAX_TREE_SIZE)
            .ok_or(OfflineProofRefused::Index)?;
        let mut hashes = Vec::new();
        for (line, position) in lines.zip(0..) {
            if position == HASHES_MAX {
                return Err(OfflineProofRefused::TooManyHashes);
            }
            hashes.push(Hash::from_base64(line).ok_or(OfflineProofRefused::HashLine { position })?);
        }
        Ok(Self { extra, index, hashes, checkpoint: checkpoint.to_owned() })
    }

    /// Checks the checkpoint by `key` and that a leaf with hash `leaf` is in its tree. Returns the checkpoint, whose
    /// witnesses and age are the caller's to judge.
    pub fn verify(&self, leaf: Hash, key: &VerifierKey) -> Result<SignedCheckpoint, OfflineProofRefused> {
        let checkpoint = SignedCheckpoint::open(self.checkpoint.as_bytes(), key)
            .map_err(OfflineProofRefused::Checkpoint)?;
        let leaf = LeafAt { index: self.index, hash: leaf };
        verify_inclusion(leaf, checkpoint.checkpoint().tree_head(), &self.hashes)
            .map_err(OfflineProofRefused::Proof)?;
        Ok(checkpoint)
    }
}

/// The text of the proof.
impl fmt::Display for OfflineProof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{FIRST_LINE}")?;
        if let Some(extra) = &self.extra {
            writeln!(formatter, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(formatter, "index {}", self.index)?;
        self.hashes.iter().try_for_each(|hash| writeln!(formatter, "{hash}"))?;
        write!(formatter, "\n{}", self.checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hash::{leaf_hash, node_hash};
    use crate::key::KeyPair;
    use crate::proof::TreeHead;

    fn proof_of_two() -> (OfflineProof, KeyPair) {
        let key = KeyPair::from_seed("example.com/ledger", [7; 32]).unwrap();
        let (left, right) = (leaf_hash(b"left"), leaf_hash(b"right"));
        let head = TreeHead { size: 2, root: node_hash(&left, &right) };
        let checkpoint = SignedCheckpoint::sign(head, &key).note().to_owned();
        (OfflineProof { extra: Some(b"salt".to_vec()), index: 1, hashes: vec![left], checkpoint }, key)
    }

    #[test]
    fn a_proof_travels_as_text() {
        let (proof, key) = proof_of_two();
        let text = proof.to_string();
        assert!(text.starts_with("c2sp.org/tlog-proof@v1\nextra c2FsdA==\nindex 1\n"), "{text}");
        let parsed = OfflineProof::parse(text.as_bytes()).unwrap();
        assert_eq!(parsed, proof);
        assert_eq!(parsed.verify(leaf_hash(b"right"), key.verifier()).unwrap().size(), 2);
        assert!(matches!(
            parsed.verify(leaf_hash(b"left"), key.verifier()),
            Err(OfflineProofRefused::Proof(_))
        ));
        let plain = OfflineProof { extra: None, ..proof };
        assert_eq!(OfflineProof::parse(plain.to_string().as_bytes()), Ok(plain));
    }

    #[test]
    fn every_flipped_bit_is_refused_or_in_the_unauthenticated_line() {
        let (proof, key) = proof_of_two();
        let text = proof.to_string().into_bytes();
        for offset in 0..text.len() {
            for bit in 0..8 {
                let mut flipped = text.clone();
                flipped[offset] ^= 1 << bit;
                let checked = OfflineProof::parse(&flipped)
                    .and_then(|parsed| parsed.verify(leaf_hash(b"right"), key.verifier()).map(|_| parsed));
                let harmless =
                    checked.is_ok_and(|parsed| parsed.extra == proof.extra || parsed.hashes != proof.hashes);
                assert!(!harmless, "byte {offset} bit {bit}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn what_parses_prints_as_it_was(noise: Vec<u8>, at: proptest::sample::Index, byte: u8) {
            let mut text = proof_of_two().0.to_string().into_bytes();
            let at = at.index(text.len());
            text[at] = byte;
            for input in [text, noise] {
                if let Ok(parsed) = OfflineProof::parse(&input) {
                    prop_assert_eq!(parsed.to_string().into_bytes(), input);
                }
            }
        }
    }
}
