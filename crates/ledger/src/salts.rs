//! The bytes of a salts file: a header, then one chunk a commit (`docs/formats/ledger.md`, "Salts").
//!
//! A chunk is written only after the blocks of its leaves are durable. So a durable chunk says two things: these are
//! the salts, and everything up to `segment_end` is acknowledged. It knows bytes only, no files and no commitments.

use std::ops::Range;

use crate::commitment::{SALT_BYTES, Salt};
use crate::cursor::Cursor;
use crate::damage::FormatProblem;
use crate::segment::{FILE_HEADER_BYTES, FileHeader, FileKind, require};

/// Bytes of a chunk header, with its checksum.
pub(crate) const CHUNK_HEADER_BYTES: usize = 36;

const CHUNK_MAGIC: [u8; 4] = *b"ASLT";

/// Disks write sectors of 512 bytes whole; of a torn write, the sectors that did not make it read as zeros.
const SECTOR_BYTES: usize = 512;

/// Bytes of the checksum that ends a chunk.
const CHECKSUM_BYTES: usize = 4;

/// Where a write ends within a sector, its part of that sector must be this long for zeros to count as not written.
/// By chance, intact bytes look like this once in 2^32. Shorter ones are a part of the checksum, whose rest tells.
const SECTOR_PART_BYTES_MIN: usize = CHECKSUM_BYTES;

/// The salts of one entry. One can be discarded alone; what it committed to can then no longer be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntrySalts {
    /// Salt of the commitment to the captured bytes; `None` once discarded.
    pub captured: Option<Salt>,
    /// Salt of the commitment to the received bytes; `None` where nothing was withheld, or once discarded.
    pub received: Option<Salt>,
}

/// The salts of one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SaltsChunk {
    pub(crate) first_leaf: u64,
    /// Bytes of the segment file up to the end of the blocks of this commit.
    pub(crate) segment_end: u64,
    pub(crate) salts: Vec<EntrySalts>,
}

/// A salts file as far as it is whole.
#[derive(Debug)]
pub(crate) struct SaltsFile {
    pub(crate) header: Option<FileHeader>,
    pub(crate) chunks: Vec<SaltsChunk>,
    /// Bytes up to the end of the last whole chunk.
    pub(crate) whole_bytes: u64,
    pub(crate) tail: SaltsTail,
}

/// What no crash leaves, and where it begins.
#[derive(Debug)]
pub(crate) struct SaltsDamage {
    pub(crate) offset: u64,
    pub(crate) problem: FormatProblem,
}

/// What follows the last whole chunk.
#[derive(Debug)]
pub(crate) enum SaltsTail {
    /// Nothing.
    Clean,
    /// What a crash during the last write may leave.
    Torn,
    /// What no crash leaves.
    Damaged(FormatProblem),
}

impl SaltsChunk {
    /// Leaf after the last of the chunk.
    pub(crate) fn end_leaf(&self) -> u64 {
        self.first_leaf + self.salts.len() as u64
    }

    /// The salts of one leaf, if the chunk has them.
    pub(crate) fn salts_of(&self, leaf: u64) -> Option<EntrySalts> {
        let position = leaf.checked_sub(self.first_leaf)?;
        self.salts.get(usize::try_from(position).ok()?).copied()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let captured: Vec<Option<Salt>> = self.salts.iter().map(|salts| salts.captured).collect();
        let received: Vec<Option<Salt>> = self.salts.iter().map(|salts| salts.received).collect();
        let present = |salts: &[Option<Salt>]| salts.iter().flatten().count() as u32;
        let mut bytes = Vec::with_capacity(CHUNK_HEADER_BYTES + self.salts.len() * (SALT_BYTES + 1) + 8);
        bytes.extend_from_slice(&CHUNK_MAGIC);
        bytes.extend_from_slice(&self.first_leaf.to_be_bytes());
        bytes.extend_from_slice(&(self.salts.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&present(&captured).to_be_bytes());
        bytes.extend_from_slice(&present(&received).to_be_bytes());
        bytes.extend_from_slice(&self.segment_end.to_be_bytes());
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_be_bytes());
        for column in [&captured, &received] {
            for eight in column.chunks(8) {
                bytes.push(eight.iter().rev().fold(0, |bits, salt| bits << 1 | u8::from(salt.is_some())));
            }
        }
        for salt in captured.iter().chain(&received).flatten() {
            bytes.extend_from_slice(salt);
        }
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_be_bytes());
        bytes
    }

    /// Leaves and length of the chunk at the start of `bytes`, by its header. It may reach beyond the end.
    pub(crate) fn extent(bytes: &[u8]) -> Result<(Range<u64>, usize), FormatProblem> {
        let mut cursor = Cursor::new("the salts chunk", bytes);
        cursor.magic(CHUNK_MAGIC)?;
        let first_leaf = cursor.u64()?;
        let (count, captured, received) = (cursor.u32()?, cursor.u32()?, cursor.u32()?);
        cursor.u64()?;
        cursor.checksum()?;
        let salts = (captured as usize).saturating_add(received as usize).saturating_mul(SALT_BYTES);
        let length = salts.saturating_add(CHUNK_HEADER_BYTES + 2 * count.div_ceil(8) as usize + 4);
        Ok((first_leaf..first_leaf.saturating_add(u64::from(count)), length))
    }

    /// Reads the chunk at the start of `bytes`; returns it and its length.
    pub(crate) fn decode(bytes: &[u8]) -> Result<(Self, usize), FormatProblem> {
        let mut cursor = Cursor::new("the salts chunk", bytes);
        cursor.magic(CHUNK_MAGIC)?;
        let first_leaf = cursor.u64()?;
        let (count, captured, received) = (cursor.u32()?, cursor.u32()?, cursor.u32()?);
        let segment_end = cursor.u64()?;
        cursor.checksum()?;
        if count == 0 || first_leaf.checked_add(u64::from(count)).is_none() {
            return Err(FormatProblem::Field {
                what: "entries in the salts chunk",
                expected: 1,
                found: u64::from(count),
            });
        }
        let captured_present = presence(&mut cursor, count, captured)?;
        let received_present = presence(&mut cursor, count, received)?;
        let captured_salts = cursor.take(captured as usize * SALT_BYTES)?;
        let received_salts = cursor.take(received as usize * SALT_BYTES)?;
        cursor.checksum()?;
        let captured = spread(&captured_present, captured_salts);
        let received = spread(&received_present, received_salts);
        let salts =
            captured.zip(received).map(|(captured, received)| EntrySalts { captured, received }).collect();
        Ok((Self { first_leaf, segment_end, salts }, cursor.position()))
    }
}

impl SaltsFile {
    /// Reads as much as is whole, and says what follows it.
    pub(crate) fn decode(bytes: &[u8]) -> Self {
        let mut file = Self { header: None, chunks: Vec::new(), whole_bytes: 0, tail: SaltsTail::Clean };
        let header_bytes = &bytes[..FILE_HEADER_BYTES.min(bytes.len())];
        match FileHeader::decode(FileKind::Salts, header_bytes) {
            Ok(header) => file.header = Some(header),
            Err(problem) => {
                file.tail = classify_tail(bytes, 0, problem);
                return file;
            }
        }
        let mut position = FILE_HEADER_BYTES;
        while position < bytes.len() {
            match SaltsChunk::decode(&bytes[position..]) {
                Ok((chunk, length)) => {
                    file.chunks.push(chunk);
                    position += length;
                }
                Err(problem) => {
                    file.tail = classify_tail(bytes, position, problem);
                    break;
                }
            }
        }
        file.whole_bytes = position as u64;
        file
    }

    /// The salts of one leaf in the bytes of a file, if a whole chunk has them. Of the chunks before it only the headers
    /// are read: a salt that is not the right one opens no commitment, and damage elsewhere is found by `verify`.
    pub(crate) fn find(bytes: &[u8], leaf: u64) -> Result<Option<EntrySalts>, SaltsDamage> {
        let mut position = FILE_HEADER_BYTES;
        while position < bytes.len() {
            let damage = |problem| match classify_tail(bytes, position, problem) {
                SaltsTail::Damaged(problem) => Err(SaltsDamage { offset: position as u64, problem }),
                SaltsTail::Clean | SaltsTail::Torn => Ok(None),
            };
            let (leaves, length) = match SaltsChunk::extent(&bytes[position..]) {
                Ok(extent) => extent,
                Err(problem) => return damage(problem),
            };
            if leaves.contains(&leaf) {
                return match SaltsChunk::decode(&bytes[position..]) {
                    Ok((chunk, _)) => Ok(chunk.salts_of(leaf)),
                    Err(problem) => damage(problem),
                };
            }
            position += length;
        }
        Ok(None)
    }

    /// The salts of one leaf, if a whole chunk has them.
    pub(crate) fn salts(&self, leaf: u64) -> Option<EntrySalts> {
        let after = self.chunks.partition_point(|chunk| chunk.first_leaf <= leaf);
        self.chunks.get(after.checked_sub(1)?)?.salts_of(leaf)
    }
}

/// Reads one bit an entry, least significant first, of which exactly `present` are set.
fn presence(cursor: &mut Cursor<'_>, count: u32, present: u32) -> Result<Vec<bool>, FormatProblem> {
    let bytes = cursor.take(count.div_ceil(8) as usize)?;
    let set: u32 = bytes.iter().map(|byte| byte.count_ones()).sum();
    require("salts marked present", u64::from(present), u64::from(set))?;
    let bits: Vec<bool> = (0..count as usize).map(|entry| bytes[entry / 8] >> (entry % 8) & 1 == 1).collect();
    let in_range = bits.iter().filter(|bit| **bit).count() as u64;
    require("salts marked present for entries", u64::from(present), in_range)?;
    Ok(bits)
}

/// Hands each entry that has a salt the next one.
fn spread<'a>(present: &'a [bool], salts: &'a [u8]) -> impl Iterator<Item = Option<Salt>> + 'a {
    let mut salts = salts.as_chunks::<SALT_BYTES>().0.iter();
    present.iter().map(move |present| if *present { salts.next().copied() } else { None })
}

/// Tells a torn write from damage. A crash tears only the last write, and leaves it short or with sectors of zeros.
fn classify_tail(bytes: &[u8], start: usize, problem: FormatProblem) -> SaltsTail {
    let tail = &bytes[start..];
    let another_chunk_follows = tail
        .windows(CHUNK_HEADER_BYTES)
        .skip(1)
        .any(|window| window.starts_with(&CHUNK_MAGIC) && SaltsChunk::header_is_whole(window));
    let short = matches!(problem, FormatProblem::Short { .. });
    let unwritten = has_unwritten_sector(bytes, start) || has_unwritten_end(bytes, start);
    if !another_chunk_follows && (short || unwritten) { SaltsTail::Torn } else { SaltsTail::Damaged(problem) }
}

impl SaltsChunk {
    fn header_is_whole(header: &[u8]) -> bool {
        let (fields, checksum) = header.split_at(CHUNK_HEADER_BYTES - 4);
        crc32c::crc32c(fields).to_be_bytes() == checksum
    }
}

/// Whether a sector of the file, or the part of one from `start` on, reads as zeros.
fn has_unwritten_sector(bytes: &[u8], start: usize) -> bool {
    let first_sector = start - start % SECTOR_BYTES;
    (first_sector..bytes.len()).step_by(SECTOR_BYTES).any(|sector| {
        let part = &bytes[sector.max(start)..(sector + SECTOR_BYTES).min(bytes.len())];
        // Where the chunk starts, no byte written is zero, so that the shortest part tells.
        (part.len() >= SECTOR_PART_BYTES_MIN || sector < start) && part.iter().all(|byte| *byte == 0)
    })
}

/// Whether the chunk from `start` on is whole but for the last bytes of its checksum, which are in a sector of their
/// own that reads as zeros.
fn has_unwritten_end(bytes: &[u8], start: usize) -> bool {
    let (chunk, part) = (&bytes[start..], bytes.len() % SECTOR_BYTES);
    let whole = SaltsChunk::extent(chunk).is_ok_and(|(_, length)| length == chunk.len());
    if !whole || part == 0 || part >= CHECKSUM_BYTES {
        return false;
    }
    let (content, found) = chunk.split_at(chunk.len() - CHECKSUM_BYTES);
    let mut expected = crc32c::crc32c(content).to_be_bytes();
    expected[CHECKSUM_BYTES - part..].fill(0);
    found == expected
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::segment::SEGMENT_LEAVES;

    fn chunk(first_leaf: u64, count: u64) -> SaltsChunk {
        let salts = (0..count)
            .map(|entry| EntrySalts {
                captured: (entry % 5 != 4).then_some([(entry % 250) as u8 + 1; SALT_BYTES]),
                received: (entry % 3 == 0).then_some([0xff; SALT_BYTES]),
            })
            .collect();
        SaltsChunk { first_leaf, segment_end: 64 + first_leaf * 100, salts }
    }

    fn file(chunks: &[SaltsChunk]) -> Vec<u8> {
        let header =
            FileHeader { kind: FileKind::Salts, index: 0, generation: 0, leaf_capacity: SEGMENT_LEAVES };
        let mut bytes = header.encode().to_vec();
        bytes.extend(chunks.iter().flat_map(SaltsChunk::encode));
        bytes
    }

    #[test]
    fn salts_come_back() {
        let chunks = [chunk(0, 1), chunk(1, 17), chunk(18, 8)];
        let decoded = SaltsFile::decode(&file(&chunks));
        assert!(matches!(decoded.tail, SaltsTail::Clean));
        assert_eq!(decoded.chunks, chunks);
        assert_eq!(decoded.salts(4), Some(chunks[1].salts[3]));
        assert_eq!(decoded.salts(26), None);
        let bytes = file(&chunks);
        for leaf in 0..30 {
            assert_eq!(SaltsFile::find(&bytes, leaf).unwrap(), decoded.salts(leaf), "{leaf}");
        }
    }

    #[test]
    fn a_cut_is_torn_and_a_flip_is_damage() {
        let chunks = [chunk(0, 3), chunk(3, 40)];
        let bytes = file(&chunks);
        let last = file(&chunks[..1]).len();
        for length in 0..bytes.len() {
            let decoded = SaltsFile::decode(&bytes[..length]);
            let clean = [FILE_HEADER_BYTES, last].contains(&length);
            assert!(matches!(decoded.tail, SaltsTail::Clean) == clean, "{length}");
            assert!(clean || matches!(decoded.tail, SaltsTail::Torn), "{length}");
        }
        for offset in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[offset] ^= 0x10;
            assert!(matches!(SaltsFile::decode(&flipped).tail, SaltsTail::Damaged(_)), "{offset}");
        }
    }

    #[test]
    fn unwritten_sectors_are_torn_unless_a_later_chunk_was_written() {
        let chunks = [chunk(0, 3), chunk(3, 40)];
        let last = file(&chunks[..1]).len();
        let mut zeroed = file(&chunks);
        zeroed[SECTOR_BYTES..2 * SECTOR_BYTES].fill(0);
        let decoded = SaltsFile::decode(&zeroed);
        assert!(matches!(decoded.tail, SaltsTail::Torn));
        assert_eq!((decoded.chunks.len(), decoded.whole_bytes), (1, last as u64));
        let mut earlier = file(&[chunk(0, 40), chunk(40, 3)]);
        earlier[SECTOR_BYTES..2 * SECTOR_BYTES].fill(0);
        assert!(matches!(SaltsFile::decode(&earlier).tail, SaltsTail::Damaged(_)));
    }

    /// The first or the last bytes of a chunk may be alone in a sector that was not written.
    #[test]
    fn the_shortest_parts_of_unwritten_sectors_are_torn() {
        let (mut starts, mut ends) = (0, 0);
        for count in 1..2_000 {
            let chunks = [chunk(0, count), chunk(count, 3)];
            let (bytes, last) = (file(&chunks), file(&chunks[..1]).len());
            let sector_end = last.next_multiple_of(SECTOR_BYTES);
            if (1..4).contains(&(sector_end - last)) {
                let mut unwritten = bytes.clone();
                unwritten[last..sector_end].fill(0);
                assert!(matches!(SaltsFile::decode(&unwritten).tail, SaltsTail::Torn), "{count}");
                starts += 1;
            }
            let sector_start = bytes.len() - bytes.len() % SECTOR_BYTES;
            if (1..4).contains(&(bytes.len() - sector_start)) {
                let mut unwritten = bytes;
                unwritten[sector_start..].fill(0);
                assert!(matches!(SaltsFile::decode(&unwritten).tail, SaltsTail::Torn), "{count}");
                // Zeros at the end do not excuse damage before them.
                unwritten[last + 60] ^= 1;
                assert!(matches!(SaltsFile::decode(&unwritten).tail, SaltsTail::Damaged(_)), "{count}");
                ends += 1;
            }
        }
        assert!(starts > 0 && ends > 0, "{starts} and {ends}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn arbitrary_bytes_never_panic(noise: Vec<u8>, at: proptest::sample::Index, byte: u8) {
            prop_assert!(SaltsFile::decode(&noise).chunks.is_empty());
            let mut bytes = file(&[chunk(0, 9)]);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes.extend(noise);
            prop_assert!(SaltsFile::decode(&bytes).chunks.len() <= 1);
        }
    }
}
