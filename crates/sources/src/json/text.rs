//! The text of JSON strings: decoding escapes (RFC 8259 §7), writing the one minimal form, and walking both at once
//! so that a place in the decoded text can be found again in the raw bytes.
//!
//! Everything here takes the bytes between the quotes of a string that the parser has accepted.

use std::ops::Range;

/// One character of a string: where it stands in the raw bytes, and what it decodes to.
pub(crate) struct Unit {
    /// The bytes as written: one character, or one escape (two for a surrogate pair).
    pub raw: Range<usize>,
    /// The character; one unescaped byte of a longer UTF-8 sequence stands for itself.
    pub decoded: Decoded,
}

/// What a unit decodes to.
#[derive(Clone, Copy)]
pub(crate) enum Decoded {
    /// A byte as written.
    Byte(u8),
    /// The character that an escape names.
    Char(char),
}

impl Decoded {
    /// Length of the decoded text in bytes.
    pub(crate) fn length(self) -> usize {
        match self {
            Self::Byte(_) => 1,
            Self::Char(character) => character.len_utf8(),
        }
    }
}

/// Walks the units of a string's content.
pub(crate) struct Units<'a> {
    content: &'a [u8],
    position: usize,
}

impl<'a> Units<'a> {
    /// Starts at the first character of `content`.
    pub(crate) fn new(content: &'a [u8]) -> Self {
        Self { content, position: 0 }
    }
}

impl Iterator for Units<'_> {
    type Item = Unit;

    fn next(&mut self) -> Option<Unit> {
        let start = self.position;
        let rest = self.content.get(start..)?;
        let (decoded, length) = match *rest.first()? {
            b'\\' => escape(rest),
            byte => (Decoded::Byte(byte), 1),
        };
        self.position = start + length;
        Some(Unit { raw: start..self.position, decoded })
    }
}

/// The decoded text of a string's content.
pub(crate) fn decode(content: &[u8]) -> String {
    let mut text = Vec::with_capacity(content.len());
    let mut rest = content;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        text.extend_from_slice(&rest[..at]);
        let (decoded, length) = escape(&rest[at..]);
        push(&mut text, decoded);
        rest = rest.get(at + length..).unwrap_or_default();
    }
    text.extend_from_slice(rest);
    // The parser has checked encoding and escapes, so nothing is replaced here.
    String::from_utf8(text).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Whether `content` decodes to `expected`.
pub(super) fn equals(content: &[u8], expected: &[u8]) -> bool {
    let mut rest = expected;
    for unit in Units::new(content) {
        let mut buffer = [0; 4];
        let bytes = match unit.decoded {
            Decoded::Byte(byte) => {
                buffer[0] = byte;
                &buffer[..1]
            }
            Decoded::Char(character) => character.encode_utf8(&mut buffer).as_bytes(),
        };
        match rest.strip_prefix(bytes) {
            Some(left) => rest = left,
            None => return false,
        }
    }
    rest.is_empty()
}

/// Appends the one minimal form of a string's content to `out`: `\"`, `\\`, `\b`, `\f`, `\n`, `\r`, `\t` and
/// lower-case `\u00xx` for the other control characters; every other character as itself, `/` and DEL included.
/// This is the form of RFC 8785 §3.2.2.2.
pub(crate) fn encode_minimal(content: &[u8], out: &mut Vec<u8>) {
    let mut rest = content;
    // Unescaped content holds nothing that needs an escape, so it is copied as it is.
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let (decoded, length) = escape(&rest[at..]);
        match decoded {
            Decoded::Char(character) if u32::from(character) < 0x80 => encode_ascii(character as u8, out),
            Decoded::Byte(byte) => encode_ascii(byte, out),
            other @ Decoded::Char(_) => push(out, other),
        }
        rest = rest.get(at + length..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

fn encode_ascii(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let letter = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0..0x20 => {
            let (high, low) = (DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]);
            return out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
        }
        _ => return out.push(byte),
    };
    out.extend_from_slice(&[b'\\', letter]);
}

fn push(text: &mut Vec<u8>, decoded: Decoded) {
    match decoded {
        Decoded::Byte(byte) => text.push(byte),
        Decoded::Char(character) => {
            text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
}

/// The character that the escape at the start of `bytes` names, and how many bytes it takes.
fn escape(bytes: &[u8]) -> (Decoded, usize) {
    let character = match bytes.get(1) {
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode_escape(bytes),
        Some(&other) => return (Decoded::Byte(other), 2), // `"`, `\` and `/`: the parser lets nothing else pass.
        None => return (Decoded::Byte(b'\\'), 1),
    };
    (Decoded::Char(character), 2)
}

fn unicode_escape(bytes: &[u8]) -> (Decoded, usize) {
    let high = bytes.get(2..6).and_then(hexadecimal).unwrap_or(0xfffd);
    if !(0xd800..0xdc00).contains(&high) {
        return (Decoded::Char(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER)), 6);
    }
    let low = bytes.get(8..12).and_then(hexadecimal).unwrap_or(0xdc00);
    let code = 0x1_0000 + ((high - 0xd800) << 10) + (low.wrapping_sub(0xdc00) & 0x3ff);
    (Decoded::Char(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)), 12)
}

/// The number that four hexadecimal digits write.
pub(super) fn hexadecimal(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| Some(number << 4 | char::from(*digit).to_digit(16)?))
}
