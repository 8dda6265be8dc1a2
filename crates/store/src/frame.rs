//! The frame that both indexes share: blocks, a footer, and a tail that finds and vouches for the footer.
//!
//! ```text
//! blocks … | footer | tail of 24 bytes: offset of the footer u64, length u32, CRC-32C u32, magic of 8 bytes
//! ```
//!
//! Numbers of fixed width are little-endian; other numbers are LEB128. Each block's CRC-32C stands in the footer, so
//! that every byte of the file is vouched for. What blocks and footers hold is up to `key_index` and `id_index`.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::{Damage, ReadError};

/// Length of the tail: 8 + 4 + 4 + 8.
const TAIL_LENGTH: usize = 24;

/// Appends a number in LEB128.
pub(crate) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a signed number: zigzag, then LEB128.
pub(crate) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_number(out, (number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned());
}

/// Appends a length and as many bytes.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Closes a file: appends footer and tail to the blocks.
pub(crate) fn close(blocks: &mut Vec<u8>, footer: &[u8], magic: [u8; 8]) {
    let offset = blocks.len() as u64;
    blocks.extend_from_slice(footer);
    blocks.extend_from_slice(&offset.to_le_bytes());
    blocks.extend_from_slice(&(footer.len() as u32).to_le_bytes());
    blocks.extend_from_slice(&crc32c::crc32c(footer).to_le_bytes());
    blocks.extend_from_slice(&magic);
}

/// A framed file whose footer was read.
///
/// It is opened for each read: a store has more segments than a process may have open files.
#[derive(Debug)]
pub(crate) struct Framed {
    pub(crate) path: PathBuf,
    pub(crate) footer_offset: u64,
}

/// Where a block lies and what vouches for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockPlace {
    pub(crate) offset: u64,
    pub(crate) length: u32,
    pub(crate) crc: u32,
}

impl Framed {
    /// Opens a file and reads its footer.
    pub(crate) fn open(path: &Path, magic: [u8; 8]) -> Result<(Self, Vec<u8>), ReadError> {
        let length = fs::metadata(path).map_err(|error| ReadError::io(path, error))?.len();
        let Some(tail_offset) = length.checked_sub(TAIL_LENGTH as u64) else {
            return Err(
                Damage::new(path, 0, format!("at least {TAIL_LENGTH} bytes"), format!("{length}")).into()
            );
        };
        let mut framed = Self { path: path.to_owned(), footer_offset: 0 };
        let tail = framed.read(tail_offset, TAIL_LENGTH)?;
        let (offset, rest) = tail.split_at(8);
        let (footer_length, rest) = rest.split_at(4);
        let (crc, found_magic) = rest.split_at(4);
        if found_magic != magic {
            let expected = String::from_utf8_lossy(&magic).into_owned();
            let found = String::from_utf8_lossy(found_magic).escape_debug().to_string();
            return Err(
                Damage::new(path, tail_offset + 16, format!("`{expected}`"), format!("`{found}`")).into()
            );
        }
        let offset = little_endian(offset);
        let footer_length = little_endian(footer_length);
        if offset.checked_add(footer_length) != Some(tail_offset) {
            let found = format!("one of {footer_length} bytes at {offset}");
            return Err(Damage::new(
                path,
                tail_offset,
                format!("a footer that ends at {tail_offset}"),
                found,
            )
            .into());
        }
        framed.footer_offset = offset;
        let place = BlockPlace { offset, length: footer_length as u32, crc: little_endian(crc) as u32 };
        let footer = framed.read_checked(place)?;
        Ok((framed, footer))
    }

    /// Reads a block and checks it.
    pub(crate) fn read_checked(&self, place: BlockPlace) -> Result<Vec<u8>, ReadError> {
        let bytes = self.read(place.offset, place.length as usize)?;
        let found = crc32c::crc32c(&bytes);
        if found != place.crc {
            let (expected, found) = (format!("CRC-32C {:08x}", place.crc), format!("{found:08x}"));
            return Err(Damage::new(&self.path, place.offset, expected, found).into());
        }
        Ok(bytes)
    }

    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, ReadError> {
        let read = || {
            let mut bytes = vec![0; length];
            File::open(&self.path)?.read_exact_at(&mut bytes, offset)?;
            Ok(bytes)
        };
        read().map_err(|error| ReadError::io(&self.path, error))
    }
}

/// Reads the parts of a block or footer one after the other.
pub(crate) struct Parts<'a> {
    bytes: &'a [u8],
    position: usize,
}

/// The bytes end, or a number runs on, where the format asks for something else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Malformed {
    /// Position in the block or footer.
    pub(crate) position: usize,
    pub(crate) expected: &'static str,
}

impl<'a> Parts<'a> {
    pub(crate) fn new(bytes: &'a [u8], position: usize) -> Self {
        Self { bytes, position }
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.position >= self.bytes.len()
    }

    /// Bytes that were not read yet.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.position)
    }

    /// Takes all that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        self.position = self.bytes.len();
        rest
    }

    pub(crate) fn malformed(&self, expected: &'static str) -> Malformed {
        Malformed { position: self.position, expected }
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let taken = self.position.checked_add(length).and_then(|end| self.bytes.get(self.position..end));
        let Some(taken) = taken else { return Err(self.malformed("more bytes")) };
        self.position += length;
        Ok(taken)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn number(&mut self) -> Result<u64, Malformed> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(self.malformed("the end of a number"))
    }

    pub(crate) fn length(&mut self) -> Result<usize, Malformed> {
        usize::try_from(self.number()?).map_err(|_| self.malformed("a length"))
    }

    pub(crate) fn signed(&mut self) -> Result<i64, Malformed> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.length()?;
        self.take(length)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| self.malformed("UTF-8"))
    }

    /// A number of `width` bytes, little-endian.
    pub(crate) fn fixed(&mut self, width: usize) -> Result<u64, Malformed> {
        Ok(little_endian(self.take(width)?))
    }
}

impl Malformed {
    /// The same, with the file and the place of the block or footer in it.
    pub(crate) fn within(self, path: &Path, offset: u64) -> ReadError {
        let found = format!("something else at byte {} of the block", self.position);
        Damage::new(path, offset, self.expected, found).into()
    }
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}
