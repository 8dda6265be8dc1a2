//! Microsoft Entra's unique token identifier, which one log writes as a GUID and others encode.
//!
//! Seen are the GUID itself, base64 of the GUID's text, and base64 for URLs of its 16 bytes in the order of .NET,
//! where the first three fields are little-endian; the last is what the claim `uti` of a token holds.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::sha256::{nibble, to_standard};

/// Reads any of the three forms; the GUID in lower case.
pub fn token_guid(text: &str) -> Option<String> {
    let text = text.trim();
    if let Some(guid) = guid(text) {
        return Some(guid);
    }
    let digits: String = text.trim_end_matches('=').chars().map(to_standard).collect();
    let bytes = STANDARD_NO_PAD.decode(digits).ok()?;
    match <[u8; 16]>::try_from(bytes.as_slice()) {
        Ok(bytes) => Some(from_bytes(bytes)),
        Err(_) => guid(std::str::from_utf8(&bytes).ok()?),
    }
}

/// The claim `uti` of the token with this GUID.
pub fn token_claim(text: &str) -> Option<String> {
    let digits: String = guid(text)?.chars().filter(|digit| *digit != '-').collect();
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    reorder(&mut bytes);
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

/// `8-4-4-4-12` hexadecimal digits, in lower case.
fn guid(text: &str) -> Option<String> {
    let fits = text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    fits.then(|| text.to_ascii_lowercase())
}

fn from_bytes(mut bytes: [u8; 16]) -> String {
    reorder(&mut bytes);
    let hex: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[0..4], &hex[4..6], &hex[6..8], &hex[8..10], &hex[10..16]].map(<[String]>::concat).join("-")
}

/// Turns the first three fields around, from the order of .NET to that of the text and back.
fn reorder(bytes: &mut [u8; 16]) {
    bytes[0..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
}
