//! Checkpoints as C2SP tlog-checkpoint v1.0.0 defines them: origin, size and root hash in a signed note.
//!
//! It knows nothing of files or of how a tree is computed. Extension lines are read and kept, for checkpoints of
//! other ledgers; ours have none, because no monitor can audit them.

use std::fmt;

use crate::cosignature::Cosignature;
use crate::hash::Hash;
#[cfg(feature = "files")]
use crate::key::KeyPair;
use crate::note::{Note, NoteError, NoteSignature, VerifierKey};
use crate::proof::TreeHead;
use crate::tile::parse_decimal;

/// Largest tree size read: far beyond any ledger, and small enough that sums of sizes cannot overflow.
pub const MAX_TREE_SIZE: u64 = 1 << 62;

/// What a checkpoint says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the ledger.
    pub origin: String,
    /// Leaves in the tree.
    pub size: u64,
    /// Root hash of the tree.
    pub root: Hash,
    /// Extension lines, without their newlines.
    pub extensions: Vec<String>,
}

/// A checkpoint whose signature has been made or verified, with the note that carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: String,
}

/// Why a checkpoint was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointRefused {
    /// The note around it is malformed or not signed by the key.
    #[error("the note is refused")]
    Note(#[source] NoteError),
    /// Fewer than three lines, or an empty line.
    #[error("a checkpoint has an origin, a size and a root hash, each on a line of its own")]
    Lines,
    /// The second line is not a decimal number without leading zeros, or is beyond [`MAX_TREE_SIZE`].
    #[error("`{found}` is not a tree size")]
    Size {
        /// The line.
        found: String,
    },
    /// The third line is not base64 of 32 bytes.
    #[error("`{found}` is not a root hash")]
    Root {
        /// The line.
        found: String,
    },
    /// The checkpoint is of another ledger than the key.
    #[error("the checkpoint is of origin `{found}`, the key is of `{expected}`")]
    Origin {
        /// Name of the key.
        expected: String,
        /// Origin in the checkpoint.
        found: String,
    },
}

impl Checkpoint {
    /// Reads the text of a checkpoint note: three lines, then extension lines.
    pub fn parse(text: &str) -> Result<Self, CheckpointRefused> {
        let mut lines = text.strip_suffix('\n').ok_or(CheckpointRefused::Lines)?.split('\n');
        let mut line = || lines.next().filter(|line| !line.is_empty()).ok_or(CheckpointRefused::Lines);
        let (origin, size, root) = (line()?, line()?, line()?);
        let size = parse_decimal(size)
            .filter(|size| *size <= MAX_TREE_SIZE)
            .ok_or_else(|| CheckpointRefused::Size { found: size.to_owned() })?;
        let root =
            Hash::from_base64(root).ok_or_else(|| CheckpointRefused::Root { found: root.to_owned() })?;
        let extensions: Vec<String> = lines.map(str::to_owned).collect();
        if extensions.iter().any(String::is_empty) {
            return Err(CheckpointRefused::Lines);
        }
        Ok(Self { origin: origin.to_owned(), size, root, extensions })
    }

    /// Size and root together, for proofs.
    pub fn tree_head(&self) -> TreeHead {
        TreeHead { size: self.size, root: self.root }
    }
}

/// The text that is signed.
impl fmt::Display for Checkpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}\n{}\n{}\n", self.origin, self.size, self.root)?;
        self.extensions.iter().try_for_each(|line| writeln!(formatter, "{line}"))
    }
}

impl SignedCheckpoint {
    /// Signs a tree head. Whoever calls this answers for it being consistent with every earlier one.
    #[cfg(feature = "files")]
    pub(crate) fn sign(head: TreeHead, key: &KeyPair) -> Self {
        let checkpoint = Checkpoint {
            origin: key.origin().to_owned(),
            size: head.size,
            root: head.root,
            extensions: Vec::new(),
        };
        let note = key.sign_note(&checkpoint.to_string());
        Self { checkpoint, note }
    }

    /// The same checkpoint with a further signature: that of the key which takes over from the one that signed it.
    #[cfg(feature = "files")]
    pub(crate) fn also_by(&self, key: &KeyPair) -> Self {
        let note = key.add_to_note(&self.note, &self.checkpoint.to_string());
        Self { checkpoint: self.checkpoint.clone(), note }
    }

    /// Verifies a note by `key`, reads the checkpoint in it, and checks that it is of the key's own ledger.
    pub fn open(note: &[u8], key: &VerifierKey) -> Result<Self, CheckpointRefused> {
        let text =
            Note::parse(note).and_then(|parsed| parsed.verify(key)).map_err(CheckpointRefused::Note)?;
        let checkpoint = Checkpoint::parse(text)?;
        if checkpoint.origin != key.name() {
            return Err(CheckpointRefused::Origin {
                expected: key.name().to_owned(),
                found: checkpoint.origin.clone(),
            });
        }
        // A note that verified is UTF-8, so nothing is replaced here.
        Ok(Self { checkpoint, note: String::from_utf8_lossy(note).into_owned() })
    }

    /// The same checkpoint with the cosignatures of witnesses behind its own signature; an earlier cosignature by the
    /// same key is replaced. They are not checked here: [`Cosignature::of`] does.
    #[must_use]
    pub fn cosigned(&self, cosignatures: &[Cosignature]) -> Self {
        let body = self.checkpoint.to_string();
        let lines = self.note.get(body.len() + 1..).unwrap_or_default();
        let kept = lines.split_inclusive('\n').filter(|line| {
            let signature = NoteSignature::parse(line.trim_end_matches('\n'));
            !signature.is_some_and(|signature| cosignatures.iter().any(|new| new.is_by_signer_of(&signature)))
        });
        let mut note = format!("{body}\n");
        note.extend(kept);
        note.extend(cosignatures.iter().map(Cosignature::line));
        Self { checkpoint: self.checkpoint.clone(), note }
    }

    /// Whether this is the same note as `other`, or that with further signature lines behind it.
    pub fn extends(&self, other: &Self) -> bool {
        self.note.starts_with(&other.note)
    }

    /// What it says.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The signed note, byte for byte.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// Leaves in the tree.
    pub fn size(&self) -> u64 {
        self.checkpoint.size
    }

    /// Root hash of the tree.
    pub fn root(&self) -> Hash {
        self.checkpoint.root
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hash::EMPTY_ROOT;

    #[test]
    fn signed_and_opened() {
        let key = KeyPair::from_seed("example.com/ledger", [7; 32]).unwrap();
        let signed = SignedCheckpoint::sign(TreeHead { size: 0, root: EMPTY_ROOT }, &key);
        assert_eq!(SignedCheckpoint::open(signed.note().as_bytes(), key.verifier()), Ok(signed));
        let foreign = key.sign_note(&format!("example.com/other\n0\n{EMPTY_ROOT}\n"));
        assert_eq!(
            SignedCheckpoint::open(foreign.as_bytes(), key.verifier()),
            Err(CheckpointRefused::Origin {
                expected: "example.com/ledger".to_owned(),
                found: "example.com/other".to_owned()
            })
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn what_parses_prints_as_it_was(text in "[a-z0-9\n]{0,20}\n(0|[1-9][0-9]{0,20})\n[A-Za-z0-9+/]{43}=\n[a-z\n]{0,9}") {
            if let Ok(checkpoint) = Checkpoint::parse(&text) {
                prop_assert_eq!(checkpoint.to_string(), text);
            }
        }
    }
}
