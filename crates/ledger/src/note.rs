//! Signed notes as C2SP signed-note v1.0.0 defines them, with Ed25519 signatures (type 0x01).
//!
//! It knows nothing of what a note says, nor of files: bytes in, verified text or a refusal out. Signatures of
//! other types are carried and counted, never trusted; those of witnesses are [`crate::cosignature`]'s.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha256};

/// Largest note read. A checkpoint is some 200 bytes; 64 post-quantum signatures of 5 kB stay within it.
pub const MAX_NOTE_BYTES: usize = 1 << 20;

/// Most signatures read. signed-note asks for at least 16 and recommends a cap.
pub const MAX_SIGNATURES: usize = 64;

/// The signature type byte of Ed25519.
pub(crate) const TYPE_ED25519: u8 = 0x01;

/// The signature type byte of a witness's Ed25519 cosignature (tlog-cosignature).
pub(crate) const TYPE_COSIGNATURE: u8 = 0x04;

const KEY_ID_BYTES: usize = 4;
const SIGNATURE_PREFIX: &str = "\u{2014} ";

/// The public half of a key: `<name>+<id>+<base64(0x01 | public key)>`.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: u32,
    key: VerifyingKey,
}

/// A note split into text and signatures, not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note<'a> {
    text: &'a str,
    signatures: Vec<NoteSignature<'a>>,
}

/// One signature line of a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NoteSignature<'a> {
    pub(crate) name: &'a str,
    pub(crate) key_id: u32,
    pub(crate) signature: Vec<u8>,
}

/// A verifier key of any type, as its text states it. Nothing of it is checked yet.
pub(crate) struct NamedKey<'a> {
    pub(crate) name: &'a str,
    /// The id as it stands in the text.
    stated_id: &'a str,
    pub(crate) kind: u8,
    pub(crate) key: Vec<u8>,
}

/// Why a verifier key was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifierKeyError {
    /// It is not `<name>+<id>+<base64>`.
    #[error("a verifier key has the form `<name>+<id>+<key>`, this is `{text}`")]
    Form {
        /// The text given.
        text: String,
    },
    /// The name is empty or holds a space or `+`.
    #[error("`{name}` cannot name a key: it is empty or holds a space or `+`")]
    Name {
        /// The name given.
        name: String,
    },
    /// The key is not base64 of a type byte and a key.
    #[error("the key of `{name}` is not base64 of a type byte and key bytes")]
    Encoding {
        /// Name of the key.
        name: String,
    },
    /// The key is of another type than is asked for.
    #[error("the key of `{name}` has type {found:#04x}, expected {expected:#04x} (Ed25519)")]
    Type {
        /// Name of the key.
        name: String,
        /// Type byte asked for: 0x01 for the key of a ledger, 0x04 for that of a witness.
        expected: u8,
        /// Type byte found.
        found: u8,
    },
    /// The bytes are no point of the curve.
    #[error("the key of `{name}` is not an Ed25519 public key")]
    Point {
        /// Name of the key.
        name: String,
    },
    /// The id does not belong to the name and key.
    #[error("the key of `{name}` has id `{expected:08x}`, the text says `{found}`")]
    Id {
        /// Name of the key.
        name: String,
        /// The id that follows from name and key.
        expected: u32,
        /// The id given.
        found: String,
    },
}

/// Why a note was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Longer than [`MAX_NOTE_BYTES`].
    #[error("the note has {found} bytes, at most {MAX_NOTE_BYTES} are read")]
    TooLong {
        /// Bytes given.
        found: usize,
    },
    /// Not UTF-8.
    #[error("the note is not UTF-8 after byte {valid_up_to}")]
    NotUtf8 {
        /// Bytes that are.
        valid_up_to: usize,
    },
    /// A control character other than line feed.
    #[error("the note holds a control character at byte {offset}")]
    ControlCharacter {
        /// Where.
        offset: usize,
    },
    /// No blank line followed by signatures.
    #[error("the note has no blank line between text and signatures")]
    NoSignatureBlock,
    /// A line after the blank line is not a signature.
    #[error("line {line} after the text is not a signature")]
    SignatureLine {
        /// Line number from 1, counted from the blank line.
        line: usize,
    },
    /// More than [`MAX_SIGNATURES`] signatures.
    #[error("the note has more than {MAX_SIGNATURES} signatures")]
    TooManySignatures,
    /// None of the signatures is by the key asked for.
    #[error("the note is not signed by `{name}+{key_id:08x}`; it is signed by {found:?}")]
    NotSignedBy {
        /// Name of the key asked for.
        name: String,
        /// Id of the key asked for.
        key_id: u32,
        /// Names and ids found.
        found: Vec<String>,
    },
    /// A signature by the key asked for does not verify.
    #[error("the signature by `{name}+{key_id:08x}` does not verify")]
    SignatureInvalid {
        /// Name of the key.
        name: String,
        /// Id of the key.
        key_id: u32,
    },
}

impl VerifierKey {
    /// Names a public key. The id follows from both.
    #[cfg(feature = "files")]
    pub(crate) fn new(name: &str, key: VerifyingKey) -> Result<Self, VerifierKeyError> {
        if !is_key_name(name) {
            return Err(VerifierKeyError::Name { name: name.to_owned() });
        }
        Ok(Self { name: name.to_owned(), id: key_id(name, TYPE_ED25519, key.as_bytes()), key })
    }

    /// Reads `<name>+<id>+<base64(0x01 | public key)>`.
    pub fn parse(text: &str) -> Result<Self, VerifierKeyError> {
        let named = NamedKey::parse(text)?;
        let key = named.ed25519(TYPE_ED25519)?;
        Ok(Self { name: named.name.to_owned(), id: named.checked_id()?, key })
    }

    /// Name of the key; for the key of a ledger this is its origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// First four bytes of SHA-256(name | 0x0A | 0x01 | public key), as a big-endian number.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Name and id: enough to tell keys apart, and no key.
    pub fn short(&self) -> String {
        format!("`{}+{:08x}`", self.name, self.id)
    }

    /// Whether the signature is by this key, over bytes that are no note.
    pub(crate) fn signed(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&key_text(&self.name, TYPE_ED25519, self.key.as_bytes()))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "VerifierKey({self})")
    }
}

impl<'a> NamedKey<'a> {
    /// Reads `<name>+<id>+<base64(type | key)>`.
    pub(crate) fn parse(text: &'a str) -> Result<Self, VerifierKeyError> {
        let form = || VerifierKeyError::Form { text: text.to_owned() };
        let (name, rest) = text.split_once('+').ok_or_else(form)?;
        // The base64 alphabet has a `+` of its own, so only the first two separate.
        let (id, key) = rest.split_once('+').ok_or_else(form)?;
        let named = || name.to_owned();
        let bytes = STANDARD.decode(key).map_err(|_| VerifierKeyError::Encoding { name: named() })?;
        let (kind, key) = bytes.split_first().ok_or_else(|| VerifierKeyError::Encoding { name: named() })?;
        Ok(Self { name, stated_id: id, kind: *kind, key: key.to_owned() })
    }

    /// The id, which has to follow from name, type and key; and the name has to be one.
    pub(crate) fn checked_id(&self) -> Result<u32, VerifierKeyError> {
        let name = || self.name.to_owned();
        if !is_key_name(self.name) {
            return Err(VerifierKeyError::Name { name: name() });
        }
        let expected = key_id(self.name, self.kind, &self.key);
        if format!("{expected:08x}") == self.stated_id {
            Ok(expected)
        } else {
            Err(VerifierKeyError::Id { name: name(), expected, found: self.stated_id.to_owned() })
        }
    }

    /// The key as an Ed25519 key of type `expected`.
    pub(crate) fn ed25519(&self, expected: u8) -> Result<VerifyingKey, VerifierKeyError> {
        let name = || self.name.to_owned();
        if self.kind != expected {
            return Err(VerifierKeyError::Type { name: name(), expected, found: self.kind });
        }
        let point = || VerifierKeyError::Point { name: name() };
        let key = <[u8; 32]>::try_from(self.key.as_slice()).map_err(|_| point())?;
        VerifyingKey::from_bytes(&key).map_err(|_| point())
    }
}

impl<'a> Note<'a> {
    /// Splits a note. Nothing in it may be believed before [`Note::verify`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, NoteError> {
        if bytes.len() > MAX_NOTE_BYTES {
            return Err(NoteError::TooLong { found: bytes.len() });
        }
        let note = std::str::from_utf8(bytes)
            .map_err(|error| NoteError::NotUtf8 { valid_up_to: error.valid_up_to() })?;
        if let Some(offset) = note.find(|character: char| character.is_control() && character != '\n') {
            return Err(NoteError::ControlCharacter { offset });
        }
        let blank = note.rfind("\n\n").ok_or(NoteError::NoSignatureBlock)?;
        let (text, lines) = (&note[..=blank], &note[blank + 2..]);
        let lines = lines.strip_suffix('\n').ok_or(NoteError::NoSignatureBlock)?;
        let mut signatures = Vec::new();
        for (line, number) in lines.split('\n').zip(1..) {
            if number > MAX_SIGNATURES {
                return Err(NoteError::TooManySignatures);
            }
            signatures.push(NoteSignature::parse(line).ok_or(NoteError::SignatureLine { line: number })?);
        }
        Ok(Self { text, signatures })
    }

    /// The text, with its final newline, which nobody vouches for: to know which key is to be asked.
    pub fn text_unverified(&self) -> &'a str {
        self.text
    }

    /// Checks every signature by `key` and returns the text, with its final newline.
    pub fn verify(&self, key: &VerifierKey) -> Result<&'a str, NoteError> {
        let mut signed = false;
        for line in &self.signatures {
            if line.name != key.name || line.key_id != key.id {
                continue;
            }
            let verifies = Signature::from_slice(&line.signature)
                .and_then(|signature| key.key.verify_strict(self.text.as_bytes(), &signature));
            if verifies.is_err() {
                return Err(NoteError::SignatureInvalid { name: key.name.clone(), key_id: key.id });
            }
            signed = true;
        }
        if signed {
            return Ok(self.text);
        }
        let found = self.signatures.iter().map(|line| format!("{}+{:08x}", line.name, line.key_id)).collect();
        Err(NoteError::NotSignedBy { name: key.name.clone(), key_id: key.id, found })
    }
}

impl<'a> Note<'a> {
    /// The text with its final newline, whoever signed it.
    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// The signature lines, in order.
    pub(crate) fn signatures(&self) -> &[NoteSignature<'a>] {
        &self.signatures
    }
}

impl<'a> NoteSignature<'a> {
    pub(crate) fn parse(line: &'a str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix(SIGNATURE_PREFIX)?.split_once(' ')?;
        let bytes = STANDARD.decode(encoded).ok()?;
        let (key_id, signature) = bytes.split_first_chunk::<KEY_ID_BYTES>()?;
        let usable = is_key_name(name) && !signature.is_empty();
        usable.then(|| Self { name, key_id: u32::from_be_bytes(*key_id), signature: signature.to_vec() })
    }
}

/// Joins a text and one Ed25519 signature over it into a note.
#[cfg(feature = "files")]
pub(crate) fn join_note(text: &str, signer: &VerifierKey, signature: &Signature) -> String {
    add_signature(&format!("{text}\n"), signer, signature)
}

/// Adds an Ed25519 signature, over the text of the note, behind the others.
#[cfg(feature = "files")]
pub(crate) fn add_signature(note: &str, signer: &VerifierKey, signature: &Signature) -> String {
    format!("{note}{}", signature_line(&signer.name, signer.id, &signature.to_bytes()))
}

/// A signature line of a note, with its newline.
pub(crate) fn signature_line(name: &str, key_id: u32, signature: &[u8]) -> String {
    let mut bytes = key_id.to_be_bytes().to_vec();
    bytes.extend_from_slice(signature);
    format!("{SIGNATURE_PREFIX}{name} {}\n", STANDARD.encode(bytes))
}

/// The text of a verifier key.
pub(crate) fn key_text(name: &str, kind: u8, key: &[u8]) -> String {
    let mut typed = vec![kind];
    typed.extend_from_slice(key);
    format!("{name}+{:08x}+{}", key_id(name, kind, key), STANDARD.encode(typed))
}

pub(crate) fn is_key_name(name: &str) -> bool {
    !name.is_empty()
        && !name
            .chars()
            .any(|character| character.is_whitespace() || character.is_control() || character == '+')
}

/// First four bytes of SHA-256(name | 0x0A | type | key), as a big-endian number.
pub(crate) fn key_id(name: &str, kind: u8, public_key: &[u8]) -> u32 {
    let digest: [u8; 32] = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', kind])
        .chain_update(public_key)
        .finalize()
        .into();
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::KeyPair;

    #[test]
    fn a_signed_note_opens_and_any_flipped_byte_closes_it() {
        let key = KeyPair::from_seed("example.com/ledger", [7; 32]).unwrap();
        let note = key.sign_note("example.com/ledger\n0\n");
        let text = Note::parse(note.as_bytes()).and_then(|parsed| parsed.verify(key.verifier()));
        assert_eq!(text, Ok("example.com/ledger\n0\n"));
        for offset in 0..note.len() {
            for bit in 0..8 {
                let mut flipped = note.clone().into_bytes();
                flipped[offset] ^= 1 << bit;
                let opened =
                    Note::parse(&flipped).and_then(|parsed| parsed.verify(key.verifier()).map(str::len));
                assert!(opened.is_err(), "byte {offset} bit {bit}");
            }
        }
    }

    #[test]
    fn verifier_keys_round_trip() {
        let published = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx";
        let key = VerifierKey::parse(published).unwrap();
        assert_eq!((key.to_string().as_str(), key.name()), (published, "example.com/log/testdata"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn arbitrary_text_never_panics(bytes: Vec<u8>, text in "[a-z\n\u{2014} +=/]{0,80}") {
            let key = KeyPair::from_seed("example.com/ledger", [7; 32]).unwrap();
            for input in [bytes.as_slice(), text.as_bytes()] {
                let opened = Note::parse(input).and_then(|note| note.verify(key.verifier()).map(str::len));
                prop_assert!(opened.is_err());
            }
            prop_assert!(VerifierKey::parse(&text).is_err());
        }
    }
}
