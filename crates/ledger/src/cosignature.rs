//! Cosignatures of witnesses over checkpoints, as C2SP tlog-cosignature v1.0.1 defines them for Ed25519 (type 0x04).
//!
//! A cosignature says: at this time, this was the largest consistent tree of this ledger that the witness had seen. It
//! knows keys and notes; whom to believe is [`crate::witness_policy`]'s. Cosignatures by ML-DSA-44 (type 0x06) are kept
//! in notes like those of any unknown key and never counted.

use std::fmt;

use ed25519_dalek::{Signature, VerifyingKey};

use crate::note::{NamedKey, Note, NoteError, NoteSignature, TYPE_COSIGNATURE, VerifierKeyError};
use crate::note::{key_text, signature_line};

const TIMESTAMP_BYTES: usize = 8;
const SIGNATURE_BYTES: usize = 64;

/// Largest timestamp of a cosignature (tlog-cosignature).
const TIMESTAMP_MAX: u64 = i64::MAX as u64;

/// The public half of a witness's key: `<name>+<id>+<base64(0x04 | public key)>`.
#[derive(Clone, PartialEq, Eq)]
pub struct WitnessKey {
    name: String,
    id: u32,
    key: VerifyingKey,
}

/// A witness's statement about a checkpoint. One that came out of [`Cosignature::of`] has been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosignature {
    name: String,
    key_id: u32,
    timestamp: u64,
    signature: [u8; SIGNATURE_BYTES],
}

impl WitnessKey {
    /// Reads `<name>+<id>+<base64(0x04 | public key)>`.
    pub fn parse(text: &str) -> Result<Self, VerifierKeyError> {
        Self::named(&NamedKey::parse(text)?)
    }

    pub(crate) fn named(named: &NamedKey<'_>) -> Result<Self, VerifierKeyError> {
        let key = named.ed25519(TYPE_COSIGNATURE)?;
        Ok(Self { name: named.name.to_owned(), id: named.checked_id()?, key })
    }

    /// Names a public key. The id follows from both.
    #[cfg(feature = "files")]
    pub(crate) fn new(name: &str, key: VerifyingKey) -> Result<Self, VerifierKeyError> {
        if !crate::note::is_key_name(name) {
            return Err(VerifierKeyError::Name { name: name.to_owned() });
        }
        Ok(Self {
            name: name.to_owned(),
            id: crate::note::key_id(name, TYPE_COSIGNATURE, key.as_bytes()),
            key,
        })
    }

    /// Name of the witness.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// First four bytes of SHA-256(name | 0x0A | 0x04 | public key), as a big-endian number.
    pub fn id(&self) -> u32 {
        self.id
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&key_text(&self.name, TYPE_COSIGNATURE, self.key.as_bytes()))
    }
}

impl fmt::Debug for WitnessKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "WitnessKey({self})")
    }
}

impl Cosignature {
    /// The newest cosignature by `key` in a note; `None` where it has none. Every one by that key has to verify.
    pub fn of(note: &[u8], key: &WitnessKey) -> Result<Option<Self>, NoteError> {
        let note = Note::parse(note)?;
        let mut newest: Option<Self> = None;
        for line in note.signatures().iter().filter(|line| line.name == key.name && line.key_id == key.id) {
            let cosignature = Self::verified(note.text(), line, key)
                .ok_or_else(|| NoteError::SignatureInvalid { name: key.name.clone(), key_id: key.id })?;
            if newest.as_ref().is_none_or(|newest| newest.timestamp < cosignature.timestamp) {
                newest = Some(cosignature);
            }
        }
        Ok(newest)
    }

    fn verified(text: &str, line: &NoteSignature<'_>, key: &WitnessKey) -> Option<Self> {
        let (timestamp, signature) = line.signature.split_first_chunk::<TIMESTAMP_BYTES>()?;
        let timestamp = u64::from_be_bytes(*timestamp);
        let signature = <[u8; SIGNATURE_BYTES]>::try_from(signature).ok()?;
        let message = cosigned_message(timestamp, text);
        let verifies = key.key.verify_strict(message.as_bytes(), &Signature::from_bytes(&signature)).is_ok();
        (verifies && timestamp <= TIMESTAMP_MAX).then(|| Self {
            name: key.name.clone(),
            key_id: key.id,
            timestamp,
            signature,
        })
    }

    /// A cosignature that was just made.
    #[cfg(feature = "files")]
    pub(crate) fn made(key: &WitnessKey, timestamp: u64, signature: &Signature) -> Self {
        Self { name: key.name.clone(), key_id: key.id, timestamp, signature: signature.to_bytes() }
    }

    /// Its line in a note, with the newline.
    pub fn line(&self) -> String {
        let mut bytes = self.timestamp.to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.signature);
        signature_line(&self.name, self.key_id, &bytes)
    }

    /// Name of the witness.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it was made, by the witness's clock: seconds since the Unix epoch.
    pub fn timestamp(&self) -> u64 {
        self.timestamp
    }

    pub(crate) fn is_by_signer_of(&self, line: &NoteSignature<'_>) -> bool {
        self.name == line.name && self.key_id == line.key_id
    }
}

/// What an Ed25519 cosignature signs: a header, the time, and the text of the note.
pub(crate) fn cosigned_message(timestamp: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {timestamp}\n{text}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::SignedCheckpoint;
    use crate::hash::EMPTY_ROOT;
    use crate::key::KeyPair;
    use crate::proof::TreeHead;
    use crate::witness_key::WitnessKeyPair;

    fn checkpoint() -> SignedCheckpoint {
        let key = KeyPair::from_seed("example.com/ledger", [7; 32]).unwrap();
        SignedCheckpoint::sign(TreeHead { size: 0, root: EMPTY_ROOT }, &key)
    }

    #[test]
    fn a_cosigned_note_is_still_signed_and_any_flipped_bit_loses_the_cosignature() {
        let key = KeyPair::from_seed("example.com/ledger", [7; 32]).unwrap();
        let witness = WitnessKeyPair::from_seed("witness.example/w1", [9; 32]).unwrap();
        let cosigned = checkpoint().cosigned(&[witness.cosign(&checkpoint(), 1_700_000_000)]);
        assert!(cosigned.extends(&checkpoint()) && !checkpoint().extends(&cosigned));
        let note = cosigned.note().as_bytes();
        assert_eq!(SignedCheckpoint::open(note, key.verifier()).as_ref(), Ok(&cosigned));
        let found = Cosignature::of(note, witness.verifier()).unwrap().unwrap();
        assert_eq!((found.name(), found.timestamp()), ("witness.example/w1", 1_700_000_000));
        let start = checkpoint().note().len();
        for offset in start..note.len() {
            for bit in 0..8 {
                let mut flipped = note.to_vec();
                flipped[offset] ^= 1 << bit;
                let found = Cosignature::of(&flipped, witness.verifier());
                assert!(!matches!(found, Ok(Some(_))), "byte {offset} bit {bit}");
            }
        }
    }

    #[test]
    fn the_newest_of_a_witness_takes_the_place_of_its_older_ones() {
        let witness = WitnessKeyPair::from_seed("witness.example/w1", [9; 32]).unwrap();
        let other = WitnessKeyPair::from_seed("witness.example/w2", [8; 32]).unwrap();
        let first =
            checkpoint().cosigned(&[witness.cosign(&checkpoint(), 5), other.cosign(&checkpoint(), 6)]);
        let second = first.cosigned(&[witness.cosign(&checkpoint(), 7)]);
        assert_eq!(second.note().lines().count(), first.note().lines().count());
        let found = |key: &WitnessKeyPair| Cosignature::of(second.note().as_bytes(), key.verifier());
        assert_eq!(found(&witness).unwrap().map(|it| it.timestamp()), Some(7));
        assert_eq!(found(&other).unwrap().map(|it| it.timestamp()), Some(6));
    }

    #[test]
    fn a_time_beyond_the_limit_is_refused_though_it_is_signed() {
        let witness = WitnessKeyPair::from_seed("witness.example/w1", [9; 32]).unwrap();
        let cosigned = checkpoint().cosigned(&[witness.cosign(&checkpoint(), TIMESTAMP_MAX + 1)]);
        let found = Cosignature::of(cosigned.note().as_bytes(), witness.verifier());
        assert!(matches!(found, Err(NoteError::SignatureInvalid { .. })), "{found:?}");
    }

    #[test]
    fn keys_of_a_ledger_are_none_of_a_witness() {
        let ledger = "example.com/ledger+ec4d6e6d+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs";
        assert!(matches!(
            WitnessKey::parse(ledger),
            Err(VerifierKeyError::Type { expected: 4, found: 1, .. })
        ));
        let witness = WitnessKeyPair::from_seed("witness.example/w1", [9; 32]).unwrap();
        let text = witness.verifier().to_string();
        assert_eq!(WitnessKey::parse(&text).as_ref(), Ok(witness.verifier()));
        assert!(crate::VerifierKey::parse(&text).is_err());
    }
}
