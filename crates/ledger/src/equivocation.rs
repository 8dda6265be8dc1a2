//! Two checkpoints of one ledger beside each other: whether they can both be of one tree, and a proof where they cannot.
//!
//! A proof of equivocation is a file with both signed notes. Whoever has the ledger's verifier key checks it, offline:
//! the ledger's own signatures convict it. `docs/formats/ledger.md` states the bytes. It knows no files, and not who
//! saw which note.

use std::fmt;

use crate::checkpoint::{CheckpointRefused, SignedCheckpoint};
use crate::hash::{EMPTY_ROOT, Hash};
use crate::note::{MAX_NOTE_BYTES, VerifierKey};
use crate::proof::{ProofRefused, TreeHead, verify_consistency};
use crate::tile::parse_decimal;

const FIRST_LINE: &str = "ascribe/equivocation/v1";
const CONSISTENCY_FIRST_LINE: &str = "ascribe/consistency/v1";

/// Hashes of a consistency proof of the largest trees: tlog-witness allows as many.
const HASHES_MAX: usize = 63;

/// Which root a tree had at an earlier size, and the proof that it had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix {
    /// The earlier size.
    pub size: u64,
    /// The root that it had then.
    pub root: Hash,
    /// Consistency proof from there to the tree.
    pub hashes: Vec<Hash>,
}

/// Two signed checkpoints of one ledger that cannot both be of one tree, and where sizes differ the proof of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Equivocation {
    /// The note with fewer leaves, byte for byte.
    pub smaller: String,
    /// The other note.
    pub larger: String,
    /// The root that the larger note's tree had at the smaller size. Not needed where the sizes are equal.
    pub prefix: Option<Prefix>,
}

/// How two checkpoints stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// One tree: they are equal, or the smaller is a prefix of the larger.
    Consistent,
    /// Two trees: the ledger's key signed both.
    Equivocation,
    /// Their sizes differ, and no proof that holds says more.
    Undecided,
}

/// Why a proof of equivocation, or of consistency, was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EquivocationRefused {
    /// It is not of the form.
    #[error("it is malformed: {0}")]
    Malformed(&'static str),
    /// One of the notes is refused.
    #[error("the {which} note is refused")]
    Note {
        /// `smaller` or `larger`.
        which: &'static str,
        /// Why.
        #[source]
        source: CheckpointRefused,
    },
}

impl Prefix {
    /// Reads the text of a consistency proof: `old SIZE ROOT`, then hashes. Nothing in it may be believed yet.
    pub fn parse(bytes: &[u8]) -> Result<Self, EquivocationRefused> {
        let malformed = EquivocationRefused::Malformed;
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
        let rest = text.strip_prefix(CONSISTENCY_FIRST_LINE).and_then(|rest| rest.strip_prefix('\n'));
        let rest = rest.ok_or(malformed("the first line is not `ascribe/consistency/v1`"))?;
        let lines = rest.strip_suffix('\n').ok_or(malformed("it does not end in a newline"))?;
        Self::parse_lines(lines.split('\n'))
    }

    fn parse_lines<'a>(mut lines: impl Iterator<Item = &'a str>) -> Result<Self, EquivocationRefused> {
        let malformed = EquivocationRefused::Malformed;
        let old = lines.next().and_then(|line| line.strip_prefix("old ")).and_then(|old| {
            let (size, root) = old.split_once(' ')?;
            Some((parse_decimal(size)?, Hash::from_base64(root)?))
        });
        let (size, root) = old.ok_or(malformed("there is no line `old` with a size and a root"))?;
        let mut hashes = Vec::new();
        for line in lines {
            if hashes.len() == HASHES_MAX {
                return Err(malformed("it has more than 63 hashes"));
            }
            hashes.push(Hash::from_base64(line).ok_or(malformed("a line of the proof is not a hash"))?);
        }
        Ok(Self { size, root, hashes })
    }

    /// Whether the proof leads from the prefix to `tree`.
    pub fn verify(&self, tree: TreeHead) -> Result<(), ProofRefused> {
        verify_consistency(TreeHead { size: self.size, root: self.root }, tree, &self.hashes)
    }

    /// Its lines in both formats.
    fn lines(&self) -> String {
        let hashes: Vec<String> = self.hashes.iter().map(|hash| format!("{hash}\n")).collect();
        format!("old {} {}\n{}", self.size, self.root, hashes.concat())
    }
}

/// The text of a consistency proof.
impl fmt::Display for Prefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{CONSISTENCY_FIRST_LINE}\n{}", self.lines())
    }
}

/// How two checkpoints of one ledger stand to each other; `prefix` is what is said of the larger tree.
pub fn compare(one: &SignedCheckpoint, other: &SignedCheckpoint, prefix: Option<&Prefix>) -> Comparison {
    let (small, large) = if one.size() <= other.size() { (one, other) } else { (other, one) };
    let (small, large) = (small.checkpoint().tree_head(), large.checkpoint().tree_head());
    // Nothing has one root only; a signature over another convicts by itself.
    if small.size == 0 && small.root != EMPTY_ROOT {
        return Comparison::Equivocation;
    }
    if small.size == large.size {
        return if small.root == large.root { Comparison::Consistent } else { Comparison::Equivocation };
    }
    if small.size == 0 {
        return Comparison::Consistent;
    }
    match prefix.filter(|prefix| prefix.size == small.size && prefix.verify(large).is_ok()) {
        Some(prefix) if prefix.root == small.root => Comparison::Consistent,
        Some(_) => Comparison::Equivocation,
        None => Comparison::Undecided,
    }
}

impl Equivocation {
    /// Puts two notes into order.
    pub fn of(one: &SignedCheckpoint, other: &SignedCheckpoint, prefix: Option<Prefix>) -> Self {
        let (small, large) = if one.size() <= other.size() { (one, other) } else { (other, one) };
        Self { smaller: small.note().to_owned(), larger: large.note().to_owned(), prefix }
    }

    /// Reads a proof. Nothing in it may be believed before [`Equivocation::check`].
    pub fn parse(bytes: &[u8]) -> Result<Self, EquivocationRefused> {
        let malformed = EquivocationRefused::Malformed;
        if bytes.len() > 4 * MAX_NOTE_BYTES {
            return Err(malformed("it is too long"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
        let (head, notes) = text.split_once("\n\n").ok_or(malformed("no blank line leads to the notes"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(FIRST_LINE) {
            return Err(malformed("the first line is not `ascribe/equivocation/v1`"));
        }
        let prefix = lines.peek().is_some().then(|| Prefix::parse_lines(lines)).transpose()?;
        let (smaller, rest) = take_note(notes)?;
        let (larger, rest) = take_note(rest)?;
        if !rest.is_empty() {
            return Err(malformed("something follows the second note"));
        }
        Ok(Self { smaller, larger, prefix })
    }

    /// Checks both notes by `key`, and says what they show.
    pub fn check(&self, key: &VerifierKey) -> Result<Comparison, EquivocationRefused> {
        let open = |which, note: &str| {
            SignedCheckpoint::open(note.as_bytes(), key)
                .map_err(|source| EquivocationRefused::Note { which, source })
        };
        let (smaller, larger) = (open("smaller", &self.smaller)?, open("larger", &self.larger)?);
        Ok(compare(&smaller, &larger, self.prefix.as_ref()))
    }
}

/// The text of the proof.
impl fmt::Display for Equivocation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = self.prefix.as_ref().map(Prefix::lines).unwrap_or_default();
        write!(formatter, "{FIRST_LINE}\n{prefix}\n")?;
        [&self.smaller, &self.larger]
            .into_iter()
            .try_for_each(|note| write!(formatter, "note {}\n{note}", note.len()))
    }
}

/// A line `note BYTES`, then as many bytes.
fn take_note(text: &str) -> Result<(String, &str), EquivocationRefused> {
    let malformed = EquivocationRefused::Malformed("a line `note` with a length leads to each note");
    let (line, rest) = text.split_once('\n').ok_or_else(|| malformed.clone())?;
    let length = line.strip_prefix("note ").and_then(parse_decimal).ok_or_else(|| malformed.clone())?;
    let length = usize::try_from(length).map_err(|_| malformed.clone())?;
    let (note, rest) = rest.split_at_checked(length).ok_or(malformed)?;
    Ok((note.to_owned(), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hash::{leaf_hash, node_hash};
    use crate::key::KeyPair;

    fn key() -> KeyPair {
        KeyPair::from_seed("example.com/ledger", [7; 32]).unwrap()
    }

    fn signed(size: u64, root: Hash) -> SignedCheckpoint {
        SignedCheckpoint::sign(TreeHead { size, root }, &key())
    }

    /// Two leaves, and the same with another first leaf; the prefix is what each tree had at size 1.
    fn two(first: &[u8]) -> (SignedCheckpoint, Prefix) {
        let (left, right) = (leaf_hash(first), leaf_hash(b"right"));
        (signed(2, node_hash(&left, &right)), Prefix { size: 1, root: left, hashes: vec![right] })
    }

    #[test]
    fn what_two_notes_show() {
        let (two_a, prefix_a) = two(b"a");
        let (two_b, prefix_b) = two(b"b");
        let one_a = signed(1, leaf_hash(b"a"));
        assert_eq!(compare(&two_a, &two_b, None), Comparison::Equivocation);
        assert_eq!(compare(&two_a, &two_a, None), Comparison::Consistent);
        assert_eq!(compare(&two_a, &one_a, None), Comparison::Undecided);
        assert_eq!(compare(&two_a, &one_a, Some(&prefix_a)), Comparison::Consistent);
        assert_eq!(compare(&one_a, &two_b, Some(&prefix_b)), Comparison::Equivocation);
        assert_eq!(
            compare(&one_a, &two_b, Some(&prefix_a)),
            Comparison::Undecided,
            "a proof of another tree"
        );
        assert_eq!(compare(&signed(0, EMPTY_ROOT), &two_a, None), Comparison::Consistent);
        assert_eq!(compare(&signed(0, leaf_hash(b"")), &two_a, None), Comparison::Equivocation);
    }

    #[test]
    fn a_proof_travels_as_text_and_needs_the_ledgers_own_signatures() {
        let (two_b, prefix) = two(b"b");
        let proof = Equivocation::of(&two_b, &signed(1, leaf_hash(b"a")), Some(prefix.clone()));
        let text = proof.to_string();
        assert_eq!(Equivocation::parse(text.as_bytes()).as_ref(), Ok(&proof));
        assert_eq!(proof.check(key().verifier()), Ok(Comparison::Equivocation));
        let stranger = KeyPair::from_seed("example.com/ledger", [8; 32]).unwrap();
        assert!(matches!(proof.check(stranger.verifier()), Err(EquivocationRefused::Note { .. })));
        let bare = Equivocation { prefix: None, ..proof };
        assert_eq!(Equivocation::parse(bare.to_string().as_bytes()).as_ref(), Ok(&bare));
        assert_eq!(bare.check(key().verifier()), Ok(Comparison::Undecided));
        assert_eq!(Prefix::parse(prefix.to_string().as_bytes()), Ok(prefix));
    }

    #[test]
    fn no_flipped_bit_convicts_an_honest_ledger() {
        let (two_a, prefix) = two(b"a");
        let honest =
            Equivocation::of(&two_a, &signed(1, leaf_hash(b"a")), Some(prefix)).to_string().into_bytes();
        for offset in 0..honest.len() {
            for bit in 0..8 {
                let mut flipped = honest.clone();
                flipped[offset] ^= 1 << bit;
                let shown = Equivocation::parse(&flipped).and_then(|it| it.check(key().verifier()));
                assert_ne!(shown, Ok(Comparison::Equivocation), "byte {offset} bit {bit}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn what_parses_prints_as_it_was(noise: Vec<u8>, at: proptest::sample::Index, byte: u8) {
            let (two_b, prefix) = two(b"b");
            let mut text =
                Equivocation::of(&two_b, &signed(1, leaf_hash(b"a")), Some(prefix)).to_string().into_bytes();
            let at = at.index(text.len());
            text[at] = byte;
            for input in [text, noise] {
                if let Ok(parsed) = Equivocation::parse(&input) {
                    prop_assert_eq!(parsed.to_string().into_bytes(), input);
                }
            }
        }
    }
}
