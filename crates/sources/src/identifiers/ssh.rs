//! OpenSSH's names of keys and certificates: fingerprints and serial numbers.
//!
//! `ssh-keygen` and `sshd` write a fingerprint as `SHA256:` and base64 without padding; Vault puts the same digest in
//! hexadecimal at the end of the key id. A certificate's serial number is decimal in `sshd` and hexadecimal in Vault.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Sha256Digest;

const PREFIX: &str = "SHA256:";

/// The digest in a fingerprint, with or without `SHA256:` in front.
pub fn read_fingerprint(text: &str) -> Option<Sha256Digest> {
    Sha256Digest::read_base64(text.strip_prefix(PREFIX).unwrap_or(text))
}

/// The fingerprint as OpenSSH writes it: `SHA256:` and base64 without padding.
pub fn fingerprint(digest: Sha256Digest) -> String {
    format!("{PREFIX}{}", digest.to_base64_unpadded())
}

/// The fingerprint of `ssh-ed25519 AAAA… comment`: SHA-256 of the decoded key.
pub fn public_key_fingerprint(public_key: &str) -> Option<String> {
    let body = public_key.split_ascii_whitespace().nth(1)?;
    let key = STANDARD.decode(body).ok()?;
    Some(fingerprint(Sha256Digest::of(&key)))
}

/// The serial number of a certificate as Vault writes it: lower-case hexadecimal without zeros in front.
pub fn serial_to_hex(decimal: &str) -> Option<String> {
    let is_plain = !decimal.is_empty() && decimal.bytes().all(|byte| byte.is_ascii_digit());
    let serial: u64 = is_plain.then(|| decimal.parse().ok())??;
    Some(format!("{serial:x}"))
}

/// The serial number of a certificate as `sshd` writes it: decimal.
pub fn serial_to_decimal(hex: &str) -> Option<String> {
    let is_plain = !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    let serial = is_plain.then(|| u64::from_str_radix(hex, 16).ok())??;
    Some(serial.to_string())
}
