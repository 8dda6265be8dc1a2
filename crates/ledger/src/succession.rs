//! How one signing key of a ledger hands over to the next: the bytes that both sign, and the line of keys that follows
//! from such statements. `docs/formats/ledger.md`, "Succession of keys", has the bytes.
//!
//! It knows neither files nor the form in which an entry carries a succession: that is for whoever reads entries. What
//! it cannot know: whether the old key was its owner's alone when it signed.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::note::VerifierKey;

/// Longest reason read, in bytes.
pub const MAX_REASON_BYTES: usize = 4096;

/// Successions that a line of keys may have; one a day for eleven years.
pub const MAX_SUCCESSIONS: usize = 4096;

/// What both keys sign begins with this. No note begins so: a note has no zero byte.
const DOMAIN: &[u8] = b"ascribe/key-succession/v1\0";

/// One key hands over to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Succession {
    /// The key that signed until then.
    pub old: VerifierKey,
    /// The key that signs from then on.
    pub new: VerifierKey,
    /// Leaf of the entry that says so: the statement holds at this place of the ledger only.
    pub leaf: u64,
    /// When, in nanoseconds since the Unix epoch, by the clock of whoever handed over.
    pub at: i64,
    /// What the old key is worth from then on.
    pub standing: Standing,
    /// What becomes of the old private key.
    pub fate: Fate,
    /// Why, in the operator's words.
    pub reason: String,
}

/// What an old key is worth once it handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// What it signed stays signed.
    Retired,
    /// Somebody else may have had it: after this its signatures count for nothing.
    Compromised,
}

/// What becomes of an old private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is kept apart.
    Kept,
    /// It is destroyed.
    Destroyed,
}

/// The two signatures over one succession.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SuccessionSignatures {
    /// By the old key: it hands over.
    pub old: [u8; 64],
    /// By the new key: whoever holds it accepts.
    pub new: [u8; 64],
}

/// The keys of a ledger in their order, each handed over to by the one before.
#[derive(Debug, Clone)]
pub struct KeyLine {
    first: VerifierKey,
    links: Vec<Succession>,
}

/// How a key stands to a line of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It signs now.
    Current,
    /// It handed over.
    Past {
        /// In this entry.
        leaf: u64,
        /// What it is worth since.
        standing: Standing,
    },
}

/// Why a succession was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SuccessionRefused {
    /// It is of keys of different ledgers.
    #[error("entry {leaf} hands over from a key of `{old}` to one of `{new}`: another ledger")]
    Origin {
        /// The entry.
        leaf: u64,
        /// Origin of the old key.
        old: String,
        /// Origin of the new key.
        new: String,
    },
    /// It states another place than the one at which it stands.
    #[error("the succession in entry {leaf} was signed for entry {stated}")]
    Place {
        /// The entry.
        leaf: u64,
        /// What was signed.
        stated: u64,
    },
    /// A signature does not verify.
    #[error("the signature of {key} in entry {leaf} does not verify")]
    Signature {
        /// The entry.
        leaf: u64,
        /// Which key.
        key: String,
    },
    /// The key that hands over is not the one that signs at that place: it handed over before, or never signed.
    #[error("entry {leaf} hands over from {found}, where {expected} signs: the succession forks")]
    Fork {
        /// The entry.
        leaf: u64,
        /// The key that signs there.
        expected: String,
        /// The key that the entry names.
        found: String,
    },
    /// The new key was one of the line before.
    #[error("entry {leaf} hands over to {key}, which handed over before")]
    Returned {
        /// The entry.
        leaf: u64,
        /// The key.
        key: String,
    },
    /// Entries are not given in their order.
    #[error("the succession in entry {leaf} does not come after that in entry {before}")]
    Order {
        /// The entry.
        leaf: u64,
        /// The one before it.
        before: u64,
    },
    /// The reason is too long.
    #[error("the reason in entry {leaf} has {found} bytes, at most {MAX_REASON_BYTES} are read")]
    Reason {
        /// The entry.
        leaf: u64,
        /// Its length.
        found: usize,
    },
    /// There are too many.
    #[error("there are more than {MAX_SUCCESSIONS} successions")]
    TooMany,
}

impl Succession {
    /// The bytes that both keys sign.
    pub fn message(&self) -> Vec<u8> {
        let mut message = DOMAIN.to_vec();
        for text in [self.old.to_string(), self.new.to_string()] {
            push_text(&mut message, &text);
        }
        message.extend_from_slice(&self.leaf.to_be_bytes());
        message.extend_from_slice(&self.at.to_be_bytes());
        message.push(u8::from(self.standing == Standing::Compromised));
        message.push(u8::from(self.fate == Fate::Destroyed));
        push_text(&mut message, &self.reason);
        message
    }

    /// Signs it with both keys.
    #[cfg(feature = "files")]
    pub fn sign(&self, old: &crate::KeyPair, new: &crate::KeyPair) -> SuccessionSignatures {
        let message = self.message();
        SuccessionSignatures { old: old.sign_bytes(&message), new: new.sign_bytes(&message) }
    }

    /// Checks that it is of one ledger, stands in entry `leaf`, and is signed by both keys.
    ///
    /// # Errors
    /// [`SuccessionRefused`], with what is wrong.
    pub fn verify(&self, leaf: u64, signatures: &SuccessionSignatures) -> Result<(), SuccessionRefused> {
        if self.old.name() != self.new.name() {
            let (old, new) = (self.old.name().to_owned(), self.new.name().to_owned());
            return Err(SuccessionRefused::Origin { leaf, old, new });
        }
        if self.reason.len() > MAX_REASON_BYTES {
            return Err(SuccessionRefused::Reason { leaf, found: self.reason.len() });
        }
        if self.leaf != leaf {
            return Err(SuccessionRefused::Place { leaf, stated: self.leaf });
        }
        let message = self.message();
        for (key, signature) in [(&self.old, &signatures.old), (&self.new, &signatures.new)] {
            if !key.signed(&message, signature) {
                return Err(SuccessionRefused::Signature { leaf, key: key.short() });
            }
        }
        Ok(())
    }
}

impl SuccessionSignatures {
    /// Both in base64, the old key's first.
    pub fn to_base64(&self) -> (String, String) {
        (STANDARD.encode(self.old), STANDARD.encode(self.new))
    }

    /// The signatures of these texts; `None` where one is not base64 of 64 bytes.
    pub fn from_base64(old: &str, new: &str) -> Option<Self> {
        let read = |text: &str| STANDARD.decode(text).ok()?.try_into().ok();
        Some(Self { old: read(old)?, new: read(new)? })
    }
}

impl KeyLine {
    /// A line that begins, and so far ends, with one key.
    pub fn new(first: VerifierKey) -> Self {
        Self { first, links: Vec::new() }
    }

    /// Adds the succession in entry `leaf`; they are added in the order of their entries.
    ///
    /// # Errors
    /// [`SuccessionRefused`] where it does not verify or does not go on from the end of the line.
    pub fn push(
        &mut self,
        leaf: u64,
        succession: Succession,
        signatures: &SuccessionSignatures,
    ) -> Result<(), SuccessionRefused> {
        if let Some(before) = self.links.last().map(|link| link.leaf).filter(|before| *before >= leaf) {
            return Err(SuccessionRefused::Order { leaf, before });
        }
        if self.links.len() >= MAX_SUCCESSIONS {
            return Err(SuccessionRefused::TooMany);
        }
        succession.verify(leaf, signatures)?;
        if succession.old != *self.current() {
            let (expected, found) = (self.current().short(), succession.old.short());
            return Err(SuccessionRefused::Fork { leaf, expected, found });
        }
        if self.state(&succession.new).is_some() {
            return Err(SuccessionRefused::Returned { leaf, key: succession.new.short() });
        }
        self.links.push(succession);
        Ok(())
    }

    /// The first key.
    pub fn first(&self) -> &VerifierKey {
        &self.first
    }

    /// The key that signs now.
    pub fn current(&self) -> &VerifierKey {
        self.links.last().map_or(&self.first, |link| &link.new)
    }

    /// The successions, in their order.
    pub fn links(&self) -> &[Succession] {
        &self.links
    }

    /// How a key stands to this line; `None` where it is none of its keys.
    pub fn state(&self, key: &VerifierKey) -> Option<KeyState> {
        if let Some(link) = self.links.iter().find(|link| link.old == *key) {
            return Some(KeyState::Past { leaf: link.leaf, standing: link.standing });
        }
        (self.current() == key).then_some(KeyState::Current)
    }

    /// Whether a key's signature counts on a checkpoint over `size` entries. A key that handed over in an entry signs
    /// that entry, together with its successor, and nothing behind it.
    pub fn may_sign(&self, key: &VerifierKey, size: u64) -> bool {
        match self.state(key) {
            Some(KeyState::Current) => true,
            Some(KeyState::Past { leaf, .. }) => size <= leaf + 1,
            None => false,
        }
    }

    /// Every key of the line, the first first.
    pub fn keys(&self) -> impl Iterator<Item = &VerifierKey> {
        std::iter::once(&self.first).chain(self.links.iter().map(|link| &link.new))
    }

    /// The successions that lead from `key` to the end of the line; `None` where it is none of its keys.
    pub fn after(&self, key: &VerifierKey) -> Option<&[Succession]> {
        if let Some(position) = self.links.iter().position(|link| link.old == *key) {
            return Some(&self.links[position..]);
        }
        (self.current() == key).then_some(&[])
    }
}

impl Standing {
    /// The standing in one word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Retired => "retired",
            Self::Compromised => "compromised",
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

fn push_text(message: &mut Vec<u8>, text: &str) {
    message.extend_from_slice(&(text.len() as u64).to_be_bytes());
    message.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeyPair;

    fn key(seed: u8) -> KeyPair {
        KeyPair::from_seed("example.com/ledger", [seed; 32]).unwrap()
    }

    fn link(old: &KeyPair, new: &KeyPair, leaf: u64) -> (Succession, SuccessionSignatures) {
        let succession = Succession {
            old: old.verifier().clone(),
            new: new.verifier().clone(),
            leaf,
            at: -5,
            standing: Standing::Retired,
            fate: Fate::Kept,
            reason: "yearly".to_owned(),
        };
        let signatures = succession.sign(old, new);
        (succession, signatures)
    }

    #[test]
    fn the_bytes_that_are_signed() {
        let (mut succession, _) = link(&key(1), &key(2), 0x0102);
        (succession.standing, succession.fate) = (Standing::Compromised, Fate::Destroyed);
        let (old, new) = (key(1).verifier().to_string(), key(2).verifier().to_string());
        let mut expected = b"ascribe/key-succession/v1\0".to_vec();
        expected.extend([0, 0, 0, 0, 0, 0, 0, u8::try_from(old.len()).unwrap()]);
        expected.extend(old.bytes());
        expected.extend([0, 0, 0, 0, 0, 0, 0, u8::try_from(new.len()).unwrap()]);
        expected.extend(new.bytes());
        expected.extend([0, 0, 0, 0, 0, 0, 1, 2]);
        expected.extend([255, 255, 255, 255, 255, 255, 255, 251, 1, 1]);
        expected.extend(b"\0\0\0\0\0\0\0\x06yearly");
        assert_eq!(succession.message(), expected);
    }

    #[test]
    fn a_line_of_keys_says_who_may_sign_what() {
        let mut line = KeyLine::new(key(1).verifier().clone());
        for (old, new, leaf) in [(1, 2, 10), (2, 3, 20)] {
            let (succession, signatures) = link(&key(old), &key(new), leaf);
            line.push(leaf, succession, &signatures).unwrap();
        }
        assert_eq!(line.current(), key(3).verifier());
        for (seed, last) in [(1, Some(11)), (2, Some(21)), (3, None)] {
            let key = key(seed);
            assert!(line.may_sign(key.verifier(), last.unwrap_or(u64::MAX)), "{seed}");
            assert!(last.is_none_or(|last| !line.may_sign(key.verifier(), last + 1)), "{seed}");
        }
        assert_eq!(line.after(key(2).verifier()).map(<[_]>::len), Some(1));
        assert_eq!(line.state(key(9).verifier()), None);
        assert_eq!(line.keys().count(), 3);
    }

    /// Each reason to refuse has a case.
    #[test]
    fn successions_that_are_refused() {
        let (good, signatures) = link(&key(1), &key(2), 10);
        let line = || KeyLine::new(key(1).verifier().clone());
        let refused = |mut line: KeyLine, leaf, succession: Succession, signatures: &SuccessionSignatures| {
            line.push(leaf, succession, signatures).unwrap_err()
        };
        let wrong_old = SuccessionSignatures { old: signatures.new, ..signatures };
        assert!(matches!(refused(line(), 10, good.clone(), &wrong_old), SuccessionRefused::Signature { .. }));
        let wrong_new = SuccessionSignatures { new: signatures.old, ..signatures };
        assert!(matches!(refused(line(), 10, good.clone(), &wrong_new), SuccessionRefused::Signature { .. }));
        for altered in [
            Succession { at: -4, ..good.clone() },
            Succession { standing: Standing::Compromised, ..good.clone() },
            Succession { fate: Fate::Destroyed, ..good.clone() },
            Succession { reason: "other".to_owned(), ..good.clone() },
            Succession { new: key(3).verifier().clone(), ..good.clone() },
        ] {
            assert!(matches!(
                refused(line(), 10, altered, &signatures),
                SuccessionRefused::Signature { leaf: 10, .. }
            ));
        }
        assert_eq!(
            refused(line(), 11, good.clone(), &signatures),
            SuccessionRefused::Place { leaf: 11, stated: 10 }
        );
        let foreign = KeyPair::from_seed("example.com/other", [2; 32]).unwrap();
        let (elsewhere, signed) = link(&key(1), &foreign, 10);
        assert!(matches!(refused(line(), 10, elsewhere, &signed), SuccessionRefused::Origin { .. }));
        let long = Succession { reason: "x".repeat(MAX_REASON_BYTES + 1), ..good.clone() };
        assert!(matches!(refused(line(), 10, long, &signatures), SuccessionRefused::Reason { .. }));

        // The same key hands over twice, and a key that was never of the line hands over.
        let mut once = line();
        once.push(10, good, &signatures).unwrap();
        for old in [1, 9] {
            let (fork, signed) = link(&key(old), &key(3), 12);
            assert!(matches!(
                refused(once.clone(), 12, fork, &signed),
                SuccessionRefused::Fork { leaf: 12, .. }
            ));
        }
        let (back, signed) = link(&key(2), &key(1), 12);
        assert!(matches!(refused(once.clone(), 12, back, &signed), SuccessionRefused::Returned { .. }));
        let (to_itself, signed) = link(&key(2), &key(2), 12);
        assert!(matches!(refused(once.clone(), 12, to_itself, &signed), SuccessionRefused::Returned { .. }));
        let (early, signed) = link(&key(2), &key(3), 10);
        assert_eq!(refused(once, 10, early, &signed), SuccessionRefused::Order { leaf: 10, before: 10 });
    }
}
