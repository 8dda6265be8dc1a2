//! `ids.index`: has this event id been seen, where first, and how often again?
//!
//! Two sorted lists: ids at their first sighting, and ids of further deliveries. An entry is the first 16 bytes of an
//! id and the leaf as an offset from the segment's first, 18 bytes, 256 to a block. The footer holds a bloom filter
//! of 10 bits for each id of the first list, and for each block its first 8 bytes and its CRC. At 128 bits a
//! collision of two ids is out of reach, so entries are not compared further. It deliberately does not know what an
//! event is.

use std::path::Path;

use ascribe_model::EventId;

use crate::error::{Damage, ReadError};
use crate::frame::{self, BlockPlace, Framed, Malformed, Parts};

const MAGIC: [u8; 8] = *b"ASCRIDS1";
/// Bytes of an id that are kept.
const PREFIX: usize = 16;
/// Width of an entry: 16 bytes of the id, 2 bytes of the leaf. A segment has at most 65,536 leaves.
const ENTRY: usize = PREFIX + 2;
/// Entries in a block: 256 × 18 = 4,608 bytes, about one page.
const BLOCK: usize = 256;
/// Bits of the bloom filter for each id. With 7 probes, 0.8 % of unknown ids are looked up in vain.
const BLOOM_BITS: u64 = 10;
const BLOOM_PROBES: u64 = 7;

/// An id and the leaf of one of its deliveries.
pub(crate) type IdAt = (EventId, u64);

/// The ids that begin with some digits, as the lowest and the highest of their first 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beginning {
    lowest: u128,
    highest: u128,
}

impl Beginning {
    /// From up to 64 lower-case hexadecimal digits, of which the first 32 count.
    pub(crate) fn parse(digits: &str) -> Option<Self> {
        let nibble = |digit: u8| match digit {
            b'0'..=b'9' => Some(u128::from(digit - b'0')),
            b'a'..=b'f' => Some(u128::from(digit - b'a' + 10)),
            _ => None,
        };
        let nibbles: Vec<u128> = digits.bytes().map(nibble).collect::<Option<_>>()?;
        if nibbles.is_empty() || nibbles.len() > 64 {
            return None;
        }
        let filled = |rest: u128| {
            (0..2 * PREFIX).fold(0, |sum, place| sum << 4 | nibbles.get(place).copied().unwrap_or(rest))
        };
        Some(Self { lowest: filled(0), highest: filled(15) })
    }
}

/// The event ids of a segment.
#[derive(Clone, Copy)]
pub(crate) struct Ids<'a> {
    /// First leaf of the segment.
    pub(crate) first: u64,
    /// Ids that are first seen in the segment.
    pub(crate) new: &'a [IdAt],
    /// Ids that were seen before, once for each further delivery.
    pub(crate) repeats: &'a [IdAt],
}

/// Encodes the index.
pub(crate) fn encode(ids: Ids<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity((ids.new.len() + ids.repeats.len()) * ENTRY);
    let mut footer = Vec::new();
    frame::put_number(&mut footer, ids.first);
    let mut bloom = Bloom::with_room_for(ids.new.len());
    for (id, _) in ids.new {
        bloom.insert(prefix(id));
    }
    for list in [ids.new, ids.repeats] {
        put_list(
            &mut out,
            &mut footer,
            list.iter().map(|(id, leaf)| (prefix(id), (leaf - ids.first) as u16)),
        );
    }
    for word in &bloom.words {
        footer.extend_from_slice(&word.to_le_bytes());
    }
    frame::close(&mut out, &footer, MAGIC);
    out
}

fn put_list(out: &mut Vec<u8>, footer: &mut Vec<u8>, list: impl Iterator<Item = (u128, u16)>) {
    let mut entries: Vec<(u128, u16)> = list.collect();
    entries.sort_unstable();
    frame::put_number(footer, entries.len() as u64);
    for block in entries.chunks(BLOCK) {
        let start = out.len();
        for (id, leaf) in block {
            out.extend_from_slice(&id.to_be_bytes());
            out.extend_from_slice(&leaf.to_le_bytes());
        }
        footer.extend_from_slice(&out[start..start + 8]);
        footer.extend_from_slice(&crc32c::crc32c(&out[start..]).to_le_bytes());
    }
}

/// An open index; footer and filter are in memory.
#[derive(Debug)]
pub(crate) struct IdIndex {
    file: Framed,
    first: u64,
    new: List,
    repeats: List,
    bloom: Bloom,
}

/// Where a sorted list lies.
#[derive(Debug)]
struct List {
    offset: u64,
    count: usize,
    /// First 8 bytes of each block, and its CRC.
    blocks: Vec<(u64, u32)>,
}

impl IdIndex {
    pub(crate) fn open(path: &Path) -> Result<Self, ReadError> {
        let (file, footer) = Framed::open(path, MAGIC)?;
        let offset = file.footer_offset;
        let (first, [new, repeats], bloom) =
            read_footer(&footer).map_err(|malformed| malformed.within(path, offset))?;
        let end = repeats.offset + repeats.length();
        if offset != end {
            let expected = format!("{} entries of {ENTRY} bytes", new.count + repeats.count);
            return Err(Damage::new(path, 0, expected, format!("{offset} bytes")).into());
        }
        Ok(Self { file, first, new, repeats, bloom })
    }

    /// Leaf of the first sighting of `id`, where it is in this segment.
    pub(crate) fn find(&self, id: &EventId) -> Result<Option<u64>, ReadError> {
        if !self.bloom.may_hold(prefix(id)) {
            return Ok(None);
        }
        let leaves = self.leaves(&self.new, id)?;
        Ok(leaves.first().copied())
    }

    /// Leaves of the first sightings of up to `limit` ids with this beginning, in the order of ids.
    pub(crate) fn begun(&self, beginning: Beginning, limit: usize) -> Result<Vec<u64>, ReadError> {
        let blocks = &self.new.blocks;
        let fences = [beginning.lowest, beginning.highest].map(|id| (id >> 64) as u64);
        let start = blocks.partition_point(|&(start, _)| start < fences[0]).saturating_sub(1);
        let end = blocks.partition_point(|&(start, _)| start <= fences[1]);
        let mut leaves = Vec::new();
        for number in start..end {
            let bytes = self.file.read_checked(self.new.block(number))?;
            for (id, leaf) in
                bytes.chunks_exact(ENTRY).filter_map(|entry| entry.split_first_chunk::<PREFIX>())
            {
                let id = u128::from_be_bytes(*id);
                if leaves.len() < limit && beginning.lowest <= id && id <= beginning.highest {
                    leaves.push(self.first + u64::from(u16::from_le_bytes([leaf[0], leaf[1]])));
                }
            }
            if leaves.len() == limit {
                break;
            }
        }
        Ok(leaves)
    }

    /// Leaves of the further deliveries of `id` in this segment.
    pub(crate) fn repeats(&self, id: &EventId) -> Result<Vec<u64>, ReadError> {
        self.leaves(&self.repeats, id)
    }

    fn leaves(&self, list: &List, id: &EventId) -> Result<Vec<u64>, ReadError> {
        // Ids may share their first 8 bytes, and one id may fill blocks: every block that can hold it is read.
        let sought = prefix(id).to_be_bytes();
        let fence = (prefix(id) >> 64) as u64;
        let end = list.blocks.partition_point(|&(start, _)| start <= fence);
        let start = list.blocks[..end].partition_point(|&(start, _)| start < fence).saturating_sub(1);
        let mut leaves = Vec::new();
        for number in start..end {
            let bytes = self.file.read_checked(list.block(number))?;
            let entries = bytes.chunks_exact(ENTRY).filter(|entry| entry[..PREFIX] == sought);
            leaves.extend(
                entries.map(|entry| {
                    self.first + u64::from(u16::from_le_bytes([entry[PREFIX], entry[PREFIX + 1]]))
                }),
            );
        }
        Ok(leaves)
    }
}

impl List {
    fn length(&self) -> u64 {
        (self.count * ENTRY) as u64
    }

    fn block(&self, number: usize) -> BlockPlace {
        let entries = (self.count - number * BLOCK).min(BLOCK);
        let offset = self.offset + (number * BLOCK * ENTRY) as u64;
        BlockPlace { offset, length: (entries * ENTRY) as u32, crc: self.blocks[number].1 }
    }
}

fn read_footer(footer: &[u8]) -> Result<(u64, [List; 2], Bloom), Malformed> {
    let mut parts = Parts::new(footer, 0);
    let first = parts.number()?;
    let new = read_list(&mut parts, 0)?;
    let repeats = read_list(&mut parts, new.length())?;
    let mut words = Vec::new();
    while !parts.is_empty() {
        words.push(parts.fixed(8)?);
    }
    if words.len() != Bloom::words_for(new.count) {
        return Err(parts.malformed("a filter of 10 bits an id"));
    }
    Ok((first, [new, repeats], Bloom { words }))
}

fn read_list(parts: &mut Parts<'_>, offset: u64) -> Result<List, Malformed> {
    let count = parts.length()?;
    let mut blocks = Vec::new();
    for _ in 0..count.div_ceil(BLOCK) {
        blocks.push((parts.fixed(8)?.swap_bytes(), parts.fixed(4)? as u32));
    }
    Ok(List { offset, count, blocks })
}

/// The part of an id that is kept.
fn prefix(id: &EventId) -> u128 {
    id.0.iter().take(PREFIX).fold(0, |prefix, &byte| prefix << 8 | u128::from(byte))
}

/// A bloom filter over values that are hashes already.
#[derive(Debug)]
struct Bloom {
    words: Vec<u64>,
}

impl Bloom {
    fn words_for(count: usize) -> usize {
        (count as u64 * BLOOM_BITS).div_ceil(64).max(1) as usize
    }

    fn with_room_for(count: usize) -> Self {
        Self { words: vec![0; Self::words_for(count)] }
    }

    fn insert(&mut self, value: u128) {
        for bit in self.probes(value) {
            self.words[bit / 64] |= 1 << (bit % 64);
        }
    }

    fn may_hold(&self, value: u128) -> bool {
        self.probes(value).all(|bit| self.words[bit / 64] & 1 << (bit % 64) != 0)
    }

    /// Double hashing over the two halves of the value; the second is made odd so that probes differ.
    fn probes(&self, value: u128) -> impl Iterator<Item = usize> + use<> {
        let bits = self.words.len() as u128 * 64;
        let (start, step) = (value as u64, (value >> 64) as u64 | 1);
        (0..BLOOM_PROBES).map(move |probe| {
            let mixed = start.wrapping_add(probe.wrapping_mul(step)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            ((u128::from(mixed) * bits) >> 64) as usize
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    fn id(number: u64) -> EventId {
        EventId(Sha256::digest(number.to_le_bytes()).into())
    }

    /// An index of the ids 0 to `count`, of which every third came again, twice.
    fn index(count: u64) -> (tempfile::TempDir, IdIndex, Vec<u8>) {
        let new: Vec<_> = (0..count).map(|number| (id(number), 1000 + number)).collect();
        let repeats: Vec<_> = (0..2 * count)
            .filter(|number| number % 3 == 0)
            .map(|number| (id(number / 2), 2000 + number))
            .collect();
        let bytes = encode(Ids { first: 1000, new: &new, repeats: &repeats });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ids.index");
        write(&path, &bytes);
        (folder, IdIndex::open(&path).unwrap(), bytes)
    }

    fn write(path: &Path, bytes: &[u8]) {
        std::io::Write::write_all(&mut std::fs::File::create(path).unwrap(), bytes).unwrap();
    }

    #[test]
    fn every_id_is_found_at_its_leaves_and_no_other_is() {
        for count in [0, 1, 255, 256, 257, 700] {
            let (_folder, index, _) = index(count);
            for number in 0..count {
                assert_eq!(index.find(&id(number)).unwrap(), Some(1000 + number), "{number} of {count}");
                let again: Vec<_> =
                    (2 * number..2 * number + 2).filter(|n| n % 3 == 0).map(|n| 2000 + n).collect();
                assert_eq!(index.repeats(&id(number)).unwrap(), again, "{number} of {count}");
            }
            for number in count..count + 500 {
                assert_eq!(index.find(&id(number)).unwrap(), None, "{number} of {count}");
                assert_eq!(index.repeats(&id(number)).unwrap(), [0; 0], "{number} of {count}");
            }
        }
    }

    #[test]
    fn ids_are_found_by_their_beginning() {
        let (_folder, index, _) = index(700);
        let mut ids: Vec<_> = (0..700).map(|number| (id(number).to_string(), 1000 + number)).collect();
        ids.sort();
        for length in [1, 2, 3, 31, 32, 33, 64] {
            for (text, _) in ids.iter().step_by(41) {
                let begins = |other: &str| other[..length.min(32)] == text[..length.min(32)];
                let expected: Vec<u64> =
                    ids.iter().filter(|(other, _)| begins(other)).map(|&(_, leaf)| leaf).collect();
                let beginning = Beginning::parse(&text[..length]).unwrap();
                assert_eq!(index.begun(beginning, 700).unwrap(), expected, "{text} to {length}");
                let few = index.begun(beginning, 2).unwrap();
                assert_eq!(few, expected[..expected.len().min(2)], "{text} to {length}");
            }
        }
        for text in ["", "G", "A", "0x1", &"0".repeat(65)] {
            assert_eq!(Beginning::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_filter_spares_nearly_every_vain_read() {
        let (_folder, index, _) = index(3000);
        let vain = (3000..13_000).filter(|&number| index.bloom.may_hold(prefix(&id(number)))).count();
        assert!((20..200).contains(&vain), "{vain} of 10,000; 0.8 % are expected");
    }

    #[test]
    fn ids_that_share_eight_bytes_are_told_apart_across_blocks() {
        let ids: Vec<_> = (0..600_u16)
            .map(|number| {
                let mut bytes = [7; 32];
                bytes[8..10].copy_from_slice(&number.to_be_bytes());
                (EventId(bytes), u64::from(number))
            })
            .collect();
        let many: Vec<_> = (0..600).map(|leaf| (EventId([9; 32]), leaf)).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ids.index");
        write(&path, &encode(Ids { first: 0, new: &ids, repeats: &many }));
        let index = IdIndex::open(&path).unwrap();
        for (id, leaf) in &ids {
            assert_eq!(index.find(id).unwrap(), Some(*leaf));
        }
        assert_eq!(index.repeats(&EventId([9; 32])).unwrap(), (0..600).collect::<Vec<_>>());
    }

    #[test]
    fn a_flipped_byte_anywhere_is_reported() {
        let (folder, _, bytes) = index(300);
        let path = folder.path().join("ids.index");
        // Ids that lie in each of the two blocks of the first list, and in the one block of the second.
        let ids = || (0..300).map(id);
        let (lowest, highest) = (ids().min().unwrap(), ids().max().unwrap());
        for position in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[position] ^= 0x20;
            write(&path, &damaged);
            let outcome = IdIndex::open(&path).and_then(|index| {
                [lowest, highest].iter().try_for_each(|id| index.find(id).and(index.repeats(id)).map(|_| ()))
            });
            assert!(matches!(outcome, Err(ReadError::Damaged(_))), "byte {position}: {outcome:?}");
        }
        for length in [0, 10, 23, 24, bytes.len() - 1] {
            write(&path, &bytes[..length]);
            assert!(matches!(IdIndex::open(&path), Err(ReadError::Damaged(_))), "cut to {length}");
        }
    }
}
