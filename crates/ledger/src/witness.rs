//! What a witness decides, as C2SP tlog-witness v1.0.0 defines it: a request to cosign a checkpoint, and the answer.
//!
//! Pure: the last checkpoint that was cosigned, and the keys of the ledger, are given. Keeping them, cosigning and
//! answering over a network are others'.

use std::fmt;

use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::hash::{EMPTY_ROOT, Hash};
use crate::note::{MAX_NOTE_BYTES, Note, NoteError, VerifierKey};
use crate::proof::{ProofRefused, TreeHead, verify_consistency};
use crate::tile::parse_decimal;

/// Most hashes in a request (tlog-witness).
const HASHES_MAX: usize = 63;

/// A request to cosign: the size that the witness is thought to have, the proof from there, and the note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Leaves of the checkpoint that the witness cosigned last; 0 for none.
    pub old_size: u64,
    /// Consistency proof from there.
    pub proof: Vec<Hash>,
    /// The checkpoint's note, byte for byte.
    pub note: String,
}

/// Why a witness did not cosign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CosigningRefused {
    /// The request is not of the form.
    #[error("the request is malformed: {0}")]
    Malformed(&'static str),
    /// The note is malformed.
    #[error("the note is malformed")]
    Note(#[source] NoteError),
    /// The old size is beyond the checkpoint.
    #[error("the old size {old_size} is beyond the checkpoint, which has {size} leaves")]
    OldSize {
        /// The old size.
        old_size: u64,
        /// Leaves in the checkpoint.
        size: u64,
    },
    /// No ledger of this origin is followed.
    #[error("no ledger `{origin}` is followed here")]
    UnknownOrigin {
        /// The origin.
        origin: String,
    },
    /// It is not signed by a key of the ledger, or such a signature does not verify.
    #[error("the checkpoint is not signed by a key that is trusted for `{origin}`")]
    NotSigned {
        /// The origin.
        origin: String,
    },
    /// The old size is not that of the last checkpoint that was cosigned.
    #[error("the last checkpoint cosigned has {latest} leaves")]
    Conflict {
        /// Its leaves; 0 where there is none.
        latest: u64,
    },
    /// The ledger signed another tree of the same size.
    #[error("the last checkpoint cosigned has the same {size} leaves and another root")]
    OtherRoot {
        /// Leaves in both.
        size: u64,
    },
    /// The proof does not hold.
    #[error("the consistency proof does not hold")]
    Inconsistent(#[source] ProofRefused),
}

impl AddCheckpoint {
    /// Reads the body of a request. Nothing in it may be believed before [`AddCheckpoint::decide`].
    pub fn parse(bytes: &[u8]) -> Result<Self, CosigningRefused> {
        let malformed = CosigningRefused::Malformed;
        if bytes.len() > 2 * MAX_NOTE_BYTES {
            return Err(malformed("it is too long"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
        let (head, note) = text.split_once("\n\n").ok_or(malformed("no blank line leads to a checkpoint"))?;
        let mut lines = head.split('\n');
        let old_size = lines.next().and_then(|line| line.strip_prefix("old ")).and_then(parse_decimal);
        let old_size = old_size.ok_or(malformed("the first line is not `old` and a size"))?;
        let mut proof = Vec::new();
        for line in lines {
            if proof.len() == HASHES_MAX {
                return Err(malformed("it has more than 63 hashes"));
            }
            proof.push(Hash::from_base64(line).ok_or(malformed("a line of the proof is not a hash"))?);
        }
        Ok(Self { old_size, proof, note: note.to_owned() })
    }

    /// The origin that the checkpoint names. Nobody vouches for it yet.
    pub fn origin(&self) -> Result<String, CosigningRefused> {
        let note = Note::parse(self.note.as_bytes()).map_err(CosigningRefused::Note)?;
        let checkpoint = Checkpoint::parse(note.text())
            .map_err(|_| CosigningRefused::Malformed("the note holds no checkpoint"))?;
        Ok(checkpoint.origin)
    }

    /// The checkpoint, if one of `keys`, those of its origin, signed it.
    pub fn signed_checkpoint(&self, keys: &[VerifierKey]) -> Result<SignedCheckpoint, CosigningRefused> {
        let origin = self.origin()?;
        let mut keys = keys.iter().filter(|key| key.name() == origin).peekable();
        if keys.peek().is_none() {
            return Err(CosigningRefused::UnknownOrigin { origin });
        }
        keys.find_map(|key| SignedCheckpoint::open(self.note.as_bytes(), key).ok())
            .ok_or(CosigningRefused::NotSigned { origin })
    }

    /// Whether a witness whose last cosigned checkpoint of this ledger is `latest` may cosign `checkpoint`, which
    /// [`AddCheckpoint::signed_checkpoint`] gave.
    pub fn decide(
        &self,
        checkpoint: &SignedCheckpoint,
        latest: Option<TreeHead>,
    ) -> Result<(), CosigningRefused> {
        let (size, root) = (checkpoint.size(), checkpoint.root());
        if self.old_size > size {
            return Err(CosigningRefused::OldSize { old_size: self.old_size, size });
        }
        let latest = latest.unwrap_or(TreeHead { size: 0, root: EMPTY_ROOT });
        if self.old_size != latest.size {
            return Err(CosigningRefused::Conflict { latest: latest.size });
        }
        if size == latest.size {
            if root != latest.root {
                return Err(CosigningRefused::OtherRoot { size });
            }
            return self.require_no_proof();
        }
        if latest.size == 0 {
            return self.require_no_proof();
        }
        let new = checkpoint.checkpoint().tree_head();
        verify_consistency(latest, new, &self.proof).map_err(CosigningRefused::Inconsistent)
    }

    fn require_no_proof(&self) -> Result<(), CosigningRefused> {
        let found = self.proof.len();
        let refused = CosigningRefused::Inconsistent(ProofRefused::WrongLength { found });
        if found == 0 { Ok(()) } else { Err(refused) }
    }
}

/// The body of the request.
impl fmt::Display for AddCheckpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "old {}", self.old_size)?;
        self.proof.iter().try_for_each(|hash| writeln!(formatter, "{hash}"))?;
        write!(formatter, "\n{}", self.note)
    }
}

impl CosigningRefused {
    /// The status of the answer (tlog-witness).
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) | Self::Note(_) | Self::OldSize { .. } => 400,
            Self::NotSigned { .. } => 403,
            Self::UnknownOrigin { .. } => 404,
            Self::Conflict { .. } => 409,
            Self::OtherRoot { .. } | Self::Inconsistent(_) => 422,
        }
    }
}

/// The size in the answer to a conflict: a decimal number and a newline.
pub fn parse_conflict(body: &[u8]) -> Option<u64> {
    std::str::from_utf8(body).ok()?.strip_suffix('\n').and_then(parse_decimal)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hash::leaf_hash;
    use crate::key::KeyPair;
    use crate::proof::{TileSource, consistency_proof};
    use crate::right_edge::RightEdge;
    use crate::tile::TileId;

    fn key() -> KeyPair {
        KeyPair::from_seed("example.com/ledger", [7; 32]).unwrap()
    }

    /// A tree of fewer than 256 leaves, whose leaves say `which`.
    struct Small(Vec<Hash>);

    impl TileSource for Small {
        type Error = std::convert::Infallible;

        fn tile(&self, id: TileId) -> Result<Vec<Hash>, Self::Error> {
            Ok(self.0[..id.width()].to_vec())
        }
    }

    fn tree(which: &str, size: u64) -> Small {
        Small((0..size).map(|leaf| leaf_hash(format!("{which}{leaf}").as_bytes())).collect())
    }

    fn head(tree: &Small) -> TreeHead {
        let mut edge = RightEdge::default();
        tree.0.iter().for_each(|hash| edge.push(*hash, &mut Vec::new()));
        TreeHead { size: edge.size(), root: edge.root() }
    }

    fn request(old_size: u64, which: &str, size: u64) -> AddCheckpoint {
        let tree = tree(which, size);
        let proof = if old_size == 0 || old_size >= size {
            Vec::new()
        } else {
            consistency_proof(&tree, old_size, size).unwrap()
        };
        AddCheckpoint { old_size, proof, note: SignedCheckpoint::sign(head(&tree), &key()).note().to_owned() }
    }

    fn decide(request: &AddCheckpoint, latest: Option<TreeHead>) -> Result<(), u16> {
        let parsed = AddCheckpoint::parse(request.to_string().as_bytes()).unwrap();
        assert_eq!(&parsed, request);
        let checkpoint = parsed.signed_checkpoint(&[key().verifier().clone()]).map_err(|it| it.status())?;
        parsed.decide(&checkpoint, latest).map_err(|it| it.status())
    }

    #[test]
    fn every_pair_of_small_sizes() {
        for latest in 0..20 {
            let known = (latest > 0).then(|| head(&tree("a", latest)));
            for old_size in 0..20 {
                for size in 0..20 {
                    let expected = if old_size > size {
                        Err(400)
                    } else if old_size != latest {
                        Err(409)
                    } else {
                        Ok(())
                    };
                    assert_eq!(
                        decide(&request(old_size, "a", size), known),
                        expected,
                        "{latest} {old_size} {size}"
                    );
                    if expected.is_ok() && latest > 0 {
                        assert_eq!(decide(&request(old_size, "b", size), known), Err(422), "{latest} {size}");
                    }
                }
            }
        }
    }

    #[test]
    fn whose_checkpoint_it_is() {
        let request = request(0, "a", 3);
        let other = KeyPair::from_seed("example.com/ledger", [8; 32]).unwrap();
        let elsewhere = KeyPair::from_seed("example.com/elsewhere", [7; 32]).unwrap();
        let signed = |keys: &[&KeyPair]| {
            let keys: Vec<_> = keys.iter().map(|key| key.verifier().clone()).collect();
            request.signed_checkpoint(&keys).map(|it| it.size()).map_err(|it| it.status())
        };
        assert_eq!(signed(&[&other, &key()]), Ok(3));
        assert_eq!(signed(&[&other]), Err(403));
        assert_eq!(signed(&[&elsewhere]), Err(404));
        assert_eq!(signed(&[]), Err(404));
    }

    #[test]
    fn proofs_that_do_not_belong() {
        let longer = AddCheckpoint { proof: vec![EMPTY_ROOT], ..request(0, "a", 3) };
        assert_eq!(decide(&longer, None), Err(422));
        let same = AddCheckpoint { proof: vec![EMPTY_ROOT], ..request(3, "a", 3) };
        assert_eq!(decide(&same, Some(head(&tree("a", 3)))), Err(422));
        let empty = SignedCheckpoint::sign(TreeHead { size: 0, root: leaf_hash(b"") }, &key());
        let empty = AddCheckpoint { old_size: 0, proof: Vec::new(), note: empty.note().to_owned() };
        assert_eq!(decide(&empty, None), Err(422), "the root of nothing is known");
        assert_eq!(parse_conflict(b"17\n"), Some(17));
        for bad in [&b"17"[..], b"017\n", b"\n", b"17\n\n", b"-1\n", b"\xff\n"] {
            assert_eq!(parse_conflict(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn what_parses_prints_as_it_was(noise: Vec<u8>, at: proptest::sample::Index, byte: u8) {
            let mut text = request(2, "a", 9).to_string().into_bytes();
            let at = at.index(text.len());
            text[at] = byte;
            for input in [text, noise] {
                if let Ok(parsed) = AddCheckpoint::parse(&input) {
                    prop_assert_eq!(parsed.to_string().into_bytes(), input);
                }
            }
        }
    }
}
