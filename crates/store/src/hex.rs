//! Hexadecimal digits, lower case. Written by table look-up, because every event's id passes here.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Appends the digits of `bytes`.
pub(crate) fn push(out: &mut String, bytes: &[u8]) {
    out.reserve(bytes.len() * 2);
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

/// The digits of `bytes`.
pub(crate) fn digits(bytes: &[u8]) -> String {
    let mut out = String::new();
    push(&mut out, bytes);
    out
}
