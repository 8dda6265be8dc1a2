//! The part of CBOR (RFC 8949) that a bundle is written in: unsigned numbers, byte strings, texts and arrays, each
//! of definite length and with its number in the shortest form (§4.2.1). So every value has exactly one encoding.
//!
//! Written by hand because a reader of evidence must refuse every second encoding of the same value, which
//! general-purpose decoders accept. It streams, bounds every length before it reads, and knows no bundle.

use std::io::{self, Read, Write};

use sha2::{Digest as _, Sha256};

/// Major types of RFC 8949 §3.1, as the high bits of an item's first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Major {
    Unsigned = 0 << 5,
    Bytes = 2 << 5,
    Text = 3 << 5,
    Array = 4 << 5,
}

/// Why bytes are not what was expected, and where.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// The file ends inside an item.
    #[error("the file ends at byte {offset}, inside an item")]
    Truncated {
        /// Bytes in the file.
        offset: u64,
    },
    /// Another type than expected, an indefinite length or a reserved head.
    #[error("the item at byte {offset} starts with {found:#04x}, expected {expected}")]
    Type {
        /// Where the item starts.
        offset: u64,
        /// What belongs there.
        expected: &'static str,
        /// Its first byte.
        found: u8,
    },
    /// A number in more bytes than it needs.
    #[error("the number at byte {offset} is not in its shortest form")]
    NotShortest {
        /// Where the item starts.
        offset: u64,
    },
    /// A length or number beyond its limit.
    #[error("the item at byte {offset} has a length or value of {found}, at most {limit} is allowed")]
    TooLarge {
        /// Where the item starts.
        offset: u64,
        /// The limit.
        limit: u64,
        /// What was found.
        found: u64,
    },
    /// An array of another length than its kind has.
    #[error("the array at byte {offset} has {found} elements, expected {expected}")]
    Length {
        /// Where the array starts.
        offset: u64,
        /// Elements that it should have.
        expected: u64,
        /// Elements that it has.
        found: u64,
    },
    /// A text that is not UTF-8.
    #[error("the text at byte {offset} is not UTF-8")]
    NotUtf8 {
        /// Where the text starts.
        offset: u64,
    },
}

/// Why an item could not be read.
#[derive(Debug)]
pub(crate) enum DecodeError {
    Io(io::Error),
    Malformed(Malformed),
}

impl From<Malformed> for DecodeError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

/// Reads items one after the other, and digests every byte that it reads.
pub(crate) struct Decoder<R> {
    input: R,
    offset: u64,
    digest: Sha256,
}

impl<R: Read> Decoder<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, offset: 0, digest: Sha256::new() }
    }

    /// Bytes read so far.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The digest over every byte read so far.
    pub(crate) fn digest(&self) -> Sha256 {
        self.digest.clone()
    }

    /// Whether the input ends here. Reads one byte where it does not, so nothing may be read after.
    pub(crate) fn is_at_end(&mut self) -> Result<bool, DecodeError> {
        let mut byte = [0];
        loop {
            match self.input.read(&mut byte) {
                Ok(0) => return Ok(true),
                Ok(_) => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(DecodeError::Io(error)),
            }
        }
    }

    pub(crate) fn unsigned(&mut self, limit: u64) -> Result<u64, DecodeError> {
        self.head(Major::Unsigned, limit)
    }

    /// Length of an array that has at most `limit` elements.
    pub(crate) fn array(&mut self, limit: u64) -> Result<u64, DecodeError> {
        self.head(Major::Array, limit)
    }

    /// An array of exactly `expected` elements.
    pub(crate) fn array_of(&mut self, expected: u64) -> Result<(), DecodeError> {
        let offset = self.offset;
        match self.array(u64::MAX)? {
            found if found == expected => Ok(()),
            found => Err(Malformed::Length { offset, expected, found }.into()),
        }
    }

    pub(crate) fn bytes(&mut self, limit: usize) -> Result<Vec<u8>, DecodeError> {
        let length = self.head(Major::Bytes, limit as u64)?;
        self.take(length)
    }

    /// A byte string of exactly `N` bytes.
    pub(crate) fn bytes_of<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let offset = self.offset;
        let bytes = self.bytes(N)?;
        let found = bytes.len() as u64;
        <[u8; N]>::try_from(bytes).map_err(|_| Malformed::Length { offset, expected: N as u64, found }.into())
    }

    pub(crate) fn text(&mut self, limit: usize) -> Result<String, DecodeError> {
        let offset = self.offset;
        let length = self.head(Major::Text, limit as u64)?;
        String::from_utf8(self.take(length)?).map_err(|_| Malformed::NotUtf8 { offset }.into())
    }

    /// The argument of an item of one major type.
    fn head(&mut self, expected: Major, limit: u64) -> Result<u64, DecodeError> {
        let offset = self.offset;
        let [first] = self.fixed()?;
        if first & 0xe0 != expected as u8 {
            return Err(Malformed::Type { offset, expected: expected.words(), found: first }.into());
        }
        let (argument, shortest_from) = match first & 0x1f {
            small @ 0..=23 => (u64::from(small), 0),
            0x18 => (self.fixed::<1>().map(|bytes| u64::from(bytes[0]))?, 24),
            0x19 => (self.fixed().map(u16::from_be_bytes)?.into(), 1 << 8),
            0x1a => (self.fixed().map(u32::from_be_bytes)?.into(), 1 << 16),
            0x1b => (self.fixed().map(u64::from_be_bytes)?, 1 << 32),
            _ => return Err(Malformed::Type { offset, expected: expected.words(), found: first }.into()),
        };
        if argument < shortest_from {
            return Err(Malformed::NotShortest { offset }.into());
        }
        if argument > limit {
            return Err(Malformed::TooLarge { offset, limit, found: argument }.into());
        }
        Ok(argument)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut bytes = [0; N];
        match self.input.read_exact(&mut bytes) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(Malformed::Truncated { offset: self.offset }.into());
            }
            Err(error) => return Err(DecodeError::Io(error)),
        }
        self.consumed(&bytes);
        Ok(bytes)
    }

    /// Reads as many bytes as a head promises. Memory grows with what is there, never with what is promised.
    fn take(&mut self, length: u64) -> Result<Vec<u8>, DecodeError> {
        let mut bytes = Vec::new();
        let read = (&mut self.input).take(length).read_to_end(&mut bytes).map_err(DecodeError::Io)?;
        self.consumed(&bytes);
        if (read as u64) < length {
            return Err(Malformed::Truncated { offset: self.offset }.into());
        }
        Ok(bytes)
    }

    fn consumed(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
        self.offset += bytes.len() as u64;
    }
}

impl Major {
    const fn words(self) -> &'static str {
        match self {
            Self::Unsigned => "an unsigned number",
            Self::Bytes => "a byte string",
            Self::Text => "a text",
            Self::Array => "an array",
        }
    }
}

/// Writes items one after the other, and digests every byte that it writes.
pub(crate) struct Encoder<W> {
    output: W,
    digest: Sha256,
    length: u64,
}

impl<W: Write> Encoder<W> {
    pub(crate) fn new(output: W) -> Self {
        Self { output, digest: Sha256::new(), length: 0 }
    }

    /// The digest over every byte written so far.
    pub(crate) fn digest(&self) -> Sha256 {
        self.digest.clone()
    }

    /// Bytes written so far.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    pub(crate) fn finish(self) -> W {
        self.output
    }

    pub(crate) fn unsigned(&mut self, number: u64) -> io::Result<()> {
        self.head(Major::Unsigned, number)
    }

    pub(crate) fn array(&mut self, length: u64) -> io::Result<()> {
        self.head(Major::Array, length)
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.head(Major::Bytes, bytes.len() as u64)?;
        self.put(bytes)
    }

    pub(crate) fn text(&mut self, text: &str) -> io::Result<()> {
        self.head(Major::Text, text.len() as u64)?;
        self.put(text.as_bytes())
    }

    fn head(&mut self, major: Major, argument: u64) -> io::Result<()> {
        let (first, bytes) = (major as u8, argument.to_be_bytes());
        match argument {
            0..=23 => self.put(&[first | bytes[7]]),
            24..=0xff => self.put(&[first | 0x18, bytes[7]]),
            0x100..=0xffff => self.put_head(first | 0x19, &bytes[6..]),
            0x1_0000..=0xffff_ffff => self.put_head(first | 0x1a, &bytes[4..]),
            _ => self.put_head(first | 0x1b, &bytes),
        }
    }

    fn put_head(&mut self, first: u8, argument: &[u8]) -> io::Result<()> {
        self.put(&[first])?;
        self.put(argument)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.write_all(bytes)?;
        self.digest.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded<T>(
        bytes: &[u8],
        read: impl FnOnce(&mut Decoder<&[u8]>) -> Result<T, DecodeError>,
    ) -> Result<T, String> {
        match read(&mut Decoder::new(bytes)) {
            Ok(value) => Ok(value),
            Err(DecodeError::Malformed(malformed)) => Err(malformed.to_string()),
            Err(DecodeError::Io(error)) => Err(error.to_string()),
        }
    }

    /// Appendix A of RFC 8949.
    #[test]
    fn numbers_of_the_specification() {
        for (number, expected) in [
            (0, &[0x00][..]),
            (23, &[0x17]),
            (24, &[0x18, 0x18]),
            (1_000, &[0x19, 0x03, 0xe8]),
            (1_000_000, &[0x1a, 0x00, 0x0f, 0x42, 0x40]),
            (u64::MAX, &[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ] {
            let mut encoder = Encoder::new(Vec::new());
            encoder.unsigned(number).unwrap();
            assert_eq!(encoder.finish(), expected);
            assert_eq!(decoded(expected, |it| it.unsigned(u64::MAX)), Ok(number));
        }
    }

    #[test]
    fn every_second_form_is_refused() {
        let cases: [(&[u8], &str); 9] = [
            (&[], "the file ends at byte 0"),
            (&[0x18], "the file ends at byte 1"),
            (&[0x18, 0x17], "not in its shortest form"),
            (&[0x19, 0x00, 0xff], "not in its shortest form"),
            (&[0x1a, 0x00, 0x00, 0xff, 0xff], "not in its shortest form"),
            (&[0x1b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], "not in its shortest form"),
            (&[0x1f], "starts with 0x1f, expected an unsigned number"),
            (&[0x20], "starts with 0x20, expected an unsigned number"),
            (&[0x19, 0x01, 0x01], "a length or value of 257, at most 256 is allowed"),
        ];
        for (bytes, expected) in cases {
            let refused = decoded(bytes, |it| it.unsigned(256)).unwrap_err();
            assert!(refused.contains(expected), "{bytes:?}: {refused}");
        }
        assert!(decoded(&[0x5f, 0x41, 0x61, 0xff], |it| it.bytes(9)).is_err(), "indefinite length");
        assert!(decoded(&[0x61, 0xff], |it| it.text(9)).unwrap_err().contains("not UTF-8"));
        assert!(decoded(&[0x5a, 0x7f, 0xff, 0xff, 0xff], |it| it.bytes(usize::MAX)).is_err(), "a promise");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn what_decodes_encodes_as_it_was(bytes: Vec<u8>) {
            let mut decoder = Decoder::new(bytes.as_slice());
            if let Ok(value) = decoder.bytes(1 << 20) {
                let read = decoder.offset() as usize;
                let mut encoder = Encoder::new(Vec::new());
                encoder.bytes(&value).unwrap();
                prop_assert_eq!(encoder.finish(), &bytes[..read]);
            }
        }
    }
}
