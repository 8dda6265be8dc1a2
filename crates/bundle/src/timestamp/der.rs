//! A strict reader of DER (X.690): one encoding for each value, lengths in their shortest form, nothing left over.
//!
//! It walks a slice that is in memory already and makes no copies, so hostile lengths cost nothing. It never follows
//! what is nested by itself: callers go down only where the format asks for it, so depth is bounded by the format. It
//! knows no format but the encoding; multi-byte tags and indefinite lengths, which no timestamp needs, are refused.

use std::fmt;

/// Tags of universal types, and of those that a context gives.
pub mod tag {
    /// BOOLEAN.
    pub const BOOLEAN: u8 = 0x01;
    /// INTEGER.
    pub const INTEGER: u8 = 0x02;
    /// BIT STRING.
    pub const BIT_STRING: u8 = 0x03;
    /// OCTET STRING.
    pub const OCTET_STRING: u8 = 0x04;
    /// OBJECT IDENTIFIER.
    pub const OID: u8 = 0x06;
    /// UTF8String.
    pub const UTF8_STRING: u8 = 0x0c;
    /// GeneralizedTime.
    pub const GENERALIZED_TIME: u8 = 0x18;
    /// SEQUENCE.
    pub const SEQUENCE: u8 = 0x30;
    /// SET.
    pub const SET: u8 = 0x31;

    /// A constructed value that a context tells by number.
    pub const fn constructed(number: u8) -> u8 {
        0xa0 | number
    }
}

/// Bytes that are not the DER that the format asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DerError {
    /// A value goes on beyond what holds it.
    #[error("{what} ends beyond what holds it")]
    Short {
        /// What was being read.
        what: &'static str,
    },
    /// A length that is not definite, not the shortest, or beyond 4 bytes.
    #[error("{what} has a length that DER does not have")]
    Length {
        /// What was being read.
        what: &'static str,
    },
    /// Another type than the format asks for.
    #[error("{what} has tag {found:#04x}, expected {expected:#04x}")]
    Tag {
        /// What was being read.
        what: &'static str,
        /// Tag asked for.
        expected: u8,
        /// Tag found.
        found: u8,
    },
    /// Bytes follow where the format ends.
    #[error("{count} bytes follow in {what}")]
    Trailing {
        /// What should have ended.
        what: &'static str,
        /// How many.
        count: usize,
    },
    /// A value that its type does not have, or that DER writes in another way.
    #[error("{what} is not a value of its type")]
    Value {
        /// What was being read.
        what: &'static str,
    },
}

/// One value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    /// Its tag.
    pub tag: u8,
    /// What is inside.
    pub content: &'a [u8],
    /// All of it, tag and length included.
    pub whole: &'a [u8],
}

/// Values one behind the other.
#[derive(Debug, Clone)]
pub struct Der<'a> {
    rest: &'a [u8],
    /// What the values are in, for messages.
    within: &'static str,
}

impl<'a> Der<'a> {
    /// Reads `bytes`, which are called `within` in messages.
    pub const fn new(bytes: &'a [u8], within: &'static str) -> Self {
        Self { rest: bytes, within }
    }

    /// Whether nothing is left.
    pub const fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next value, of whatever type.
    pub fn any(&mut self, what: &'static str) -> Result<Element<'a>, DerError> {
        let short = DerError::Short { what };
        let bad_length = DerError::Length { what };
        let [tag, first, after @ ..] = self.rest else { return Err(short) };
        if tag & 0x1f == 0x1f {
            return Err(DerError::Value { what });
        }
        let (length, after) = if *first < 0x80 {
            (usize::from(*first), after)
        } else {
            let count = usize::from(first & 0x7f);
            if !(1..=4).contains(&count) {
                return Err(bad_length);
            }
            let (digits, after) = after.split_at_checked(count).ok_or(DerError::Short { what })?;
            let length = digits.iter().fold(0_usize, |length, digit| length << 8 | usize::from(*digit));
            if digits[0] == 0 || length < 0x80 {
                return Err(bad_length);
            }
            (length, after)
        };
        let (content, rest) = after.split_at_checked(length).ok_or(short)?;
        let whole = &self.rest[..self.rest.len() - rest.len()];
        self.rest = rest;
        Ok(Element { tag: *tag, content, whole })
    }

    /// The next value, of the type that the format asks for.
    pub fn expect(&mut self, expected: u8, what: &'static str) -> Result<Element<'a>, DerError> {
        let element = self.any(what)?;
        if element.tag == expected {
            Ok(element)
        } else {
            Err(DerError::Tag { what, expected, found: element.tag })
        }
    }

    /// The next value if it is of this type; `None`, and nothing read, where it is not.
    pub fn optional(&mut self, tag: u8, what: &'static str) -> Result<Option<Element<'a>>, DerError> {
        if self.rest.first() == Some(&tag) { self.any(what).map(Some) } else { Ok(None) }
    }

    /// Goes into the next value, of the type that the format asks for.
    pub fn enter(&mut self, expected: u8, what: &'static str) -> Result<Self, DerError> {
        Ok(Self::new(self.expect(expected, what)?.content, what))
    }

    /// Requires that nothing is left.
    pub fn finish(self) -> Result<(), DerError> {
        match self.rest.len() {
            0 => Ok(()),
            count => Err(DerError::Trailing { what: self.within, count }),
        }
    }

    /// An INTEGER that is not negative: its digits to the base 256, most significant first, none of them in vain.
    pub fn unsigned(&mut self, what: &'static str) -> Result<&'a [u8], DerError> {
        match self.expect(tag::INTEGER, what)?.content {
            [0, rest @ ..] if rest.first().is_some_and(|high| *high >= 0x80) => Ok(rest),
            digits @ ([0] | [1..=0x7f, ..]) => Ok(digits),
            _ => Err(DerError::Value { what }),
        }
    }

    /// An INTEGER of at most 32 bits that is not negative.
    pub fn small(&mut self, what: &'static str) -> Result<u32, DerError> {
        let digits = self.unsigned(what)?;
        if digits.len() > 4 {
            return Err(DerError::Value { what });
        }
        Ok(digits.iter().fold(0, |number, digit| number << 8 | u32::from(*digit)))
    }

    /// An OBJECT IDENTIFIER, by its bytes.
    pub fn oid(&mut self, what: &'static str) -> Result<Oid<'a>, DerError> {
        let bytes = self.expect(tag::OID, what)?.content;
        let mut starts = true;
        for byte in bytes {
            // An arc does not begin with a zero digit.
            if starts && *byte == 0x80 {
                return Err(DerError::Value { what });
            }
            starts = byte & 0x80 == 0;
        }
        if bytes.is_empty() || !starts { Err(DerError::Value { what }) } else { Ok(Oid(bytes)) }
    }
}

/// An object identifier, by the bytes of its encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Oid<'a>(pub &'a [u8]);

/// With dots: `1.2.840.113549.1.7.2`.
impl fmt::Display for Oid<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut arc, mut is_first) = (0_u128, true);
        for byte in self.0 {
            // Arcs of more than 120 bits, which nobody has, are shown without their highest digits.
            arc = arc << 7 | u128::from(byte & 0x7f);
            if byte & 0x80 != 0 {
                continue;
            }
            if is_first {
                let top = arc.min(80) / 40;
                write!(formatter, "{top}.{}", arc - top * 40)?;
                is_first = false;
            } else {
                write!(formatter, ".{arc}")?;
            }
            arc = 0;
        }
        Ok(())
    }
}

/// Reads an object identifier with dots, and gives its bytes; `None` for anything else.
pub fn oid_from_text(text: &str) -> Option<Vec<u8>> {
    let arcs: Vec<u64> = text
        .split('.')
        .map(|arc| (arc == "0" || !arc.starts_with(['0', '+'])).then(|| arc.parse().ok()).flatten())
        .collect::<Option<_>>()?;
    let [top, second, rest @ ..] = &arcs[..] else { return None };
    if *top > 2 || (*top < 2 && *second >= 40) {
        return None;
    }
    let first = top.checked_mul(40)?.checked_add(*second)?;
    let mut bytes = Vec::new();
    for arc in [first].iter().chain(rest) {
        let digits = (64 - arc.leading_zeros()).div_ceil(7).max(1);
        bytes.extend((0..digits).rev().map(|digit| {
            let more = if digit == 0 { 0 } else { 0x80 };
            more | (arc >> (7 * digit) & 0x7f) as u8
        }));
    }
    Some(bytes)
}

/// Writes one value.
pub fn write(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    if let Ok(length @ ..0x80) = u8::try_from(content.len()) {
        bytes.push(length);
    } else {
        let length = content.len().to_be_bytes();
        let digits = &length[length.iter().position(|digit| *digit != 0).unwrap_or(0)..];
        bytes.push(0x80 | digits.len() as u8);
        bytes.extend_from_slice(digits);
    }
    bytes.extend_from_slice(content);
    bytes
}

/// Writes an INTEGER that is not negative, from its digits to the base 256.
pub fn write_unsigned(digits: &[u8]) -> Vec<u8> {
    let first = digits.iter().position(|digit| *digit != 0).unwrap_or(digits.len());
    let mut content = digits[first..].to_vec();
    if content.first().is_none_or(|high| *high >= 0x80) {
        content.insert(0, 0);
    }
    write(tag::INTEGER, &content)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_in_their_shortest_form_only() {
        let read = |bytes: &[u8]| Der::new(bytes, "it").any("value").map(|value| value.content.len());
        assert_eq!(read(&[0x04, 0x00]), Ok(0));
        assert_eq!(read(&[&[0x04, 0x81, 0x80][..], &[0; 128]].concat()), Ok(128));
        for bad in [
            &[0x30, 0x80, 0, 0][..],
            &[0x04, 0x81, 0x01, 0],
            &[0x04, 0x82, 0x00, 0x80],
            &[0x04, 0x85, 1, 1, 1, 1, 1],
        ] {
            assert_eq!(read(bad), Err(DerError::Length { what: "value" }), "{bad:02x?}");
        }
        for short in [&[][..], &[0x04], &[0x04, 0x02, 0], &[0x04, 0x84, 0xff, 0xff, 0xff, 0xff]] {
            assert_eq!(read(short), Err(DerError::Short { what: "value" }), "{short:02x?}");
        }
        assert_eq!(read(&[0x1f, 0x81, 0x01, 0]), Err(DerError::Value { what: "value" }));
    }

    #[test]
    fn integers_have_one_form() {
        let read = |bytes: &[u8]| Der::new(bytes, "it").small("number").ok();
        assert_eq!(read(&[2, 1, 0]), Some(0));
        assert_eq!(read(&[2, 2, 0, 0x80]), Some(0x80));
        assert_eq!(read(&[2, 5, 0, 0xff, 0xff, 0xff, 0xff]), Some(u32::MAX));
        for bad in [&[2, 0][..], &[2, 1, 0x80], &[2, 2, 0, 0x7f], &[2, 2, 0, 0], &[2, 5, 1, 0, 0, 0, 0]] {
            assert_eq!(read(bad), None, "{bad:02x?}");
        }
    }

    #[test]
    fn object_identifiers_as_text() {
        let signed_data = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
        assert_eq!(Oid(&signed_data).to_string(), "1.2.840.113549.1.7.2");
        assert_eq!(oid_from_text("1.2.840.113549.1.7.2").as_deref(), Some(&signed_data[..]));
        for bad in ["", "1", "3.1", "1.40", "1.2.", "1.02", "1.+2", "a.b"] {
            assert_eq!(oid_from_text(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(content in prop::collection::vec(any::<u8>(), 0..700)) {
            let bytes = write(tag::OCTET_STRING, &content);
            let mut der = Der::new(&bytes, "it");
            prop_assert_eq!(der.expect(tag::OCTET_STRING, "value").unwrap().content, &content[..]);
            prop_assert!(der.finish().is_ok());
        }

        #[test]
        fn numbers_come_back(number in any::<u64>()) {
            let bytes = write_unsigned(&number.to_be_bytes());
            let digits = Der::new(&bytes, "it").unsigned("number").unwrap().to_vec();
            prop_assert_eq!(digits.iter().fold(0_u64, |number, digit| number << 8 | u64::from(*digit)), number);
        }

        #[test]
        fn identifiers_come_back(top in 0_u64..3, second in 0_u64..40, rest in prop::collection::vec(any::<u32>(), 0..6)) {
            let text = [vec![top, second], rest.iter().map(|arc| u64::from(*arc)).collect()].concat();
            let text = text.iter().map(ToString::to_string).collect::<Vec<_>>().join(".");
            prop_assert_eq!(Oid(&oid_from_text(&text).unwrap()).to_string(), text);
        }
    }
}
