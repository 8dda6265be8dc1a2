//! Reads fixed-width big-endian fields off a byte slice. It knows no format.

use crate::damage::FormatProblem;

/// A position in bytes of which `what` names the meaning, for errors.
pub(crate) struct Cursor<'a> {
    what: &'static str,
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { what, bytes, position: 0 }
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], FormatProblem> {
        let end = self.position.checked_add(count);
        match end.and_then(|end| self.bytes.get(self.position..end)) {
            Some(taken) => {
                self.position += count;
                Ok(taken)
            }
            None => Err(FormatProblem::Short {
                what: self.what,
                expected: (self.position as u64).saturating_add(count as u64),
                found: self.bytes.len() as u64,
            }),
        }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatProblem> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, FormatProblem> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, FormatProblem> {
        self.array().map(u64::from_be_bytes)
    }

    /// Requires magic bytes.
    pub(crate) fn magic<const N: usize>(&mut self, magic: [u8; N]) -> Result<(), FormatProblem> {
        let found = self.array::<N>()?;
        if found == magic {
            Ok(())
        } else {
            Err(FormatProblem::Magic { what: self.what, found: found.to_vec() })
        }
    }

    /// Requires that a CRC-32C over everything read so far follows.
    pub(crate) fn checksum(&mut self) -> Result<(), FormatProblem> {
        let found = crc32c::crc32c(&self.bytes[..self.position]);
        let expected = self.u32()?;
        if found == expected {
            Ok(())
        } else {
            Err(FormatProblem::Checksum { what: self.what, expected, found })
        }
    }

    /// Requires that nothing is left.
    pub(crate) fn finish(self) -> Result<(), FormatProblem> {
        match self.bytes.len() - self.position {
            0 => Ok(()),
            count => Err(FormatProblem::Trailing { what: self.what, count: count as u64 }),
        }
    }
}
