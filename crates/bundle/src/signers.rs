//! Who signed: the key that a bundle claims, the key that whoever checks has named, and the line of keys between the two
//! that the bundle's `key` entries give.
//!
//! A key that was named may have handed over to others. Each of them was named by the one before, in an entry that both
//! signed, so the last is worth what the first is worth, unless one of them was given up because it may be in other
//! hands: then the statement itself may come from those hands.

use ascribe_ledger::{
    CheckpointRefused, KeyLine, SignedCheckpoint, Standing, SuccessionRefused, VerifierKey,
};

use crate::check::{Authority, Succeeded};
use crate::keys::{KeyEntryRefused, succession_of};

/// The line of keys as far as entries gave it.
#[derive(Debug, Default)]
pub(crate) struct Signers {
    line: Option<KeyLine>,
}

/// Why an entry of kind `key` was refused.
#[derive(Debug, thiserror::Error)]
pub enum KeyRefused {
    /// It is no succession.
    #[error(transparent)]
    Entry(#[from] KeyEntryRefused),
    /// It does not verify, or does not follow the one before.
    #[error(transparent)]
    Line(#[from] SuccessionRefused),
}

impl Signers {
    /// Takes the entry of kind `key` at `leaf` in.
    pub(crate) fn take(&mut self, leaf: u64, captured: &[u8]) -> Result<(), KeyRefused> {
        let (succession, signatures) = succession_of(captured)?;
        let line = self.line.get_or_insert_with(|| KeyLine::new(succession.old.clone()));
        Ok(line.push(leaf, succession, &signatures)?)
    }

    /// Whether `key` may sign a checkpoint over `size` entries, by these entries and as far as they know it.
    pub(crate) fn may_sign(&self, key: &VerifierKey, size: u64) -> bool {
        self.line.as_ref().is_none_or(|line| line.may_sign(key, size))
    }

    /// Opens a note that `claimed` or any key of the line may have signed.
    pub(crate) fn open(
        &self,
        note: &str,
        claimed: &VerifierKey,
    ) -> Result<SignedCheckpoint, CheckpointRefused> {
        let first = SignedCheckpoint::open(note.as_bytes(), claimed);
        let Some(line) = &self.line else { return first };
        let opened = line
            .keys()
            .filter_map(|key| Some((key, SignedCheckpoint::open(note.as_bytes(), key).ok()?)))
            .find(|(key, opened)| line.may_sign(key, opened.size()));
        opened.map_or(first, |(_, opened)| Ok(opened))
    }

    /// Keys that handed over and signed the checkpoint all the same: that counts for nothing.
    pub(crate) fn retired(&self, note: &str, size: u64) -> Vec<String> {
        let keys = self.line.iter().flat_map(KeyLine::keys);
        keys.filter(|key| !self.may_sign(key, size))
            .filter(|key| SignedCheckpoint::open(note.as_bytes(), key).is_ok())
            .map(VerifierKey::short)
            .collect()
    }

    /// What an earlier checkpoint is worth to somebody who trusts `trusted`: it is signed by that key, or by one of its
    /// line. `None` where nobody is trusted.
    pub(crate) fn earlier_authority(
        &self,
        earlier: &SignedCheckpoint,
        trusted: Option<&VerifierKey>,
    ) -> Option<Result<(), CheckpointRefused>> {
        let trusted = trusted?;
        let direct = SignedCheckpoint::open(earlier.note().as_bytes(), trusted);
        let of_line = self.line.as_ref().is_some_and(|line| line.state(trusted).is_some());
        // Of the line it is: `earlier` was opened by a key of it.
        Some(if of_line { Ok(()) } else { direct.map(drop) })
    }

    /// What a signature by `claimed` is worth to somebody who trusts `trusted`.
    pub(crate) fn authority(
        &self,
        checkpoint: &SignedCheckpoint,
        claimed: &VerifierKey,
        trusted: Option<&VerifierKey>,
    ) -> Authority {
        let Some(trusted) = trusted else { return Authority::NotAsked { claimed: claimed.to_string() } };
        let after = self.line.as_ref().and_then(|line| line.after(trusted)).unwrap_or_default();
        // Also where that key signed the checkpoint itself, beside its successor: so could whoever else had it.
        if let Some(given_up) = after.iter().find(|link| link.standing == Standing::Compromised) {
            return Authority::GivenUp {
                named: trusted.to_string(),
                key: claimed.to_string(),
                leaf: given_up.leaf,
            };
        }
        let direct = SignedCheckpoint::open(checkpoint.note().as_bytes(), trusted);
        if direct.is_ok() && self.may_sign(trusted, checkpoint.size()) {
            return Authority::Valid { key: trusted.to_string(), succeeded: None };
        }
        let Some(first) = after.first() else {
            let other = || CheckpointRefused::Origin {
                expected: trusted.name().to_owned(),
                found: claimed.name().to_owned(),
            };
            return Authority::Invalid(direct.err().unwrap_or_else(other));
        };
        let succeeded = Succeeded { named: trusted.to_string(), leaf: first.leaf };
        Authority::Valid { key: claimed.to_string(), succeeded: Some(succeeded) }
    }
}
