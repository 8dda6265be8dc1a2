//! SHA-256 digests as systems write them: lower-case hexadecimal, or base64 with or without padding.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest as _, Sha256};

/// A SHA-256 digest, whatever it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256Digest(pub [u8; 32]);

impl Sha256Digest {
    /// The digest of `bytes`; of a token, what GitHub writes as `hashed_token`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Reads 64 hexadecimal digits, or base64 in either alphabet with or without padding.
    pub fn read(text: &str) -> Option<Self> {
        Self::read_hex(text).or_else(|| Self::read_base64(text))
    }

    /// Reads 64 hexadecimal digits in either case.
    pub fn read_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Some(Self(bytes))
    }

    /// Reads base64 in either alphabet (RFC 4648 §4 and §5), with or without padding.
    pub fn read_base64(text: &str) -> Option<Self> {
        let digits = text.strip_suffix('=').unwrap_or(text);
        if digits.len() != 43 {
            return None;
        }
        let standard: String = digits.chars().map(to_standard).collect();
        let bytes = STANDARD_NO_PAD.decode(standard).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// 64 lower-case hexadecimal digits.
    pub fn to_hex(self) -> String {
        self.0.iter().fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a `String` cannot fail.
            write!(hex, "{byte:02x}").unwrap_or_default();
            hex
        })
    }

    /// Base64 with padding, as GitHub writes it.
    pub fn to_base64(self) -> String {
        STANDARD.encode(self.0)
    }

    /// Base64 without padding, as OpenSSH writes it.
    pub fn to_base64_unpadded(self) -> String {
        STANDARD_NO_PAD.encode(self.0)
    }
}

/// The character of the standard alphabet for one of the alphabet for URLs.
pub(super) fn to_standard(character: char) -> char {
    match character {
        '-' => '+',
        '_' => '/',
        other => other,
    }
}

pub(super) fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
