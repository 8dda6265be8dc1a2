//! `ids.index`: has this event id been seen, where first, and how often again?
//!
//! Two sorted lists: ids at their first sighting, and ids of further deliveries. An entry is the first 16 bytes of an
//! id and the leaf as an offset from the segment's first, 18 bytes (19 in a unit), 256 to a block. The footer holds a bloom filter
//! of 10 bits for each id of the first list, and for each block its first 8 bytes and its CRC. At 128 bits a
//! collision of two ids is out of reach, so entries are not compared further. It deliberately does not know what an
//! event is.

use std::path::Path;

use ascribe_model::EventId;

use crate::error::{Damage, ReadError};
use crate::frame::{self, BlockPlace, Framed, Malformed, Parts};

/// Bytes of an id that are kept.
const PREFIX: usize = 16;
/// Entries in a block: 256 × 18 = 4,608 bytes, about one page.
const BLOCK: usize = 256;
/// Bits of the bloom filter for each id. With 7 probes, 0.8 % of unknown ids are looked up in vain.
const BLOOM_BITS: u64 = 10;
const BLOOM_PROBES: u64 = 7;

/// What kind of segment an index belongs to: it decides how wide an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// At most 65,536 leaves, numbered in 2 bytes.
    Range,
    /// A unit of 1,048,576 leaves, numbered in 3 bytes.
    Unit,
}

impl Span {
    const fn magic(self) -> [u8; 8] {
        match self {
            Self::Range => *b"ASCRIDS1",
            Self::Unit => *b"ASCRIDU1",
        }
    }

    /// Bytes of an entry.
    const fn entry(self) -> usize {
        match self {
            Self::Range => PREFIX + 2,
            Self::Unit => PREFIX + 3,
        }
    }
}

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

/// Encodes the index of a range or a part of one.
pub(crate) fn encode(ids: Ids<'_>) -> Vec<u8> {
    let list =
        |list: &[IdAt]| list.iter().map(|(id, leaf)| (prefix(id), (leaf - ids.first) as u32)).collect();
    encode_lists(Span::Range, ids.first, [list(ids.new), list(ids.repeats)])
}

/// The index of a unit from leaf `first` that the segments of `indexes` make up.
pub(crate) fn merge(first: u64, indexes: &[&IdIndex]) -> Result<Vec<u8>, ReadError> {
    let mut lists = [Vec::new(), Vec::new()];
    for index in indexes {
        let offset = (index.first - first) as u32;
        for (list, merged) in [&index.new, &index.repeats].into_iter().zip(&mut lists) {
            for number in 0..list.blocks.len() {
                let bytes = index.file.read_checked(index.place(list, number))?;
                let entries = bytes.chunks_exact(index.span.entry());
                merged.extend(entries.map(|entry| (big_endian(entry), offset + leaf_of(entry))));
            }
        }
    }
    Ok(encode_lists(Span::Unit, first, lists))
}

fn encode_lists(span: Span, first: u64, lists: [Vec<(u128, u32)>; 2]) -> Vec<u8> {
    let entries = lists.iter().map(Vec::len).sum::<usize>();
    let mut out = Vec::with_capacity(entries * span.entry());
    let mut footer = Vec::new();
    frame::put_number(&mut footer, first);
    let mut bloom = Bloom::with_room_for(lists[0].len());
    for (id, _) in &lists[0] {
        bloom.insert(*id);
    }
    for list in lists {
        put_list(&mut out, &mut footer, span, list);
    }
    for word in &bloom.words {
        footer.extend_from_slice(&word.to_le_bytes());
    }
    frame::close(&mut out, &footer, span.magic());
    out
}

fn put_list(out: &mut Vec<u8>, footer: &mut Vec<u8>, span: Span, mut entries: Vec<(u128, u32)>) {
    entries.sort_unstable();
    frame::put_number(footer, entries.len() as u64);
    for block in entries.chunks(BLOCK) {
        let start = out.len();
        for (id, leaf) in block {
            out.extend_from_slice(&id.to_be_bytes());
            out.extend_from_slice(&leaf.to_le_bytes()[..span.entry() - PREFIX]);
        }
        footer.extend_from_slice(&out[start..start + 8]);
        footer.extend_from_slice(&crc32c::crc32c(&out[start..]).to_le_bytes());
    }
}

/// The first bytes of an entry, those of the id.
fn big_endian(entry: &[u8]) -> u128 {
    entry.iter().take(PREFIX).fold(0, |prefix, &byte| prefix << 8 | u128::from(byte))
}

/// The last bytes of an entry, those of the leaf since the first of the segment.
fn leaf_of(entry: &[u8]) -> u32 {
    entry[PREFIX..].iter().rev().fold(0, |leaf, &byte| leaf << 8 | u32::from(byte))
}

/// An open index; footer and filter are in memory.
#[derive(Debug)]
pub(crate) struct IdIndex {
    file: Framed,
    span: Span,
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
    pub(crate) fn open(path: &Path, span: Span) -> Result<Self, ReadError> {
        let (file, footer) = Framed::open(path, span.magic())?;
        let offset = file.footer_offset;
        let (first, [new, repeats], bloom) =
            read_footer(&footer, span).map_err(|malformed| malformed.within(path, offset))?;
        let end = repeats.offset + repeats.length(span);
        if offset != end {
            let expected = format!("{} entries of {} bytes", new.count + repeats.count, span.entry());
            return Err(Damage::new(path, 0, expected, format!("{offset} bytes")).into());
        }
        Ok(Self { file, span, first, new, repeats, bloom })
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
            let bytes = self.file.read_checked(self.place(&self.new, number))?;
            for entry in bytes.chunks_exact(self.span.entry()) {
                let id = big_endian(entry);
                if leaves.len() < limit && beginning.lowest <= id && id <= beginning.highest {
                    leaves.push(self.first + u64::from(leaf_of(entry)));
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
            let bytes = self.file.read_checked(self.place(list, number))?;
            let entries = bytes.chunks_exact(self.span.entry()).filter(|entry| entry[..PREFIX] == sought);
            leaves.extend(entries.map(|entry| self.first + u64::from(leaf_of(entry))));
        }
        Ok(leaves)
    }

    /// Where a block of one of the lists lies.
    fn place(&self, list: &List, number: usize) -> BlockPlace {
        let entries = (list.count - number * BLOCK).min(BLOCK);
        let offset = list.offset + (number * BLOCK * self.span.entry()) as u64;
        BlockPlace { offset, length: (entries * self.span.entry()) as u32, crc: list.blocks[number].1 }
    }
}

impl List {
    fn length(&self, span: Span) -> u64 {
        (self.count * span.entry()) as u64
    }
}

fn read_footer(footer: &[u8], span: Span) -> Result<(u64, [List; 2], Bloom), Malformed> {
    let mut parts = Parts::new(footer, 0);
    let first = parts.number()?;
    let new = read_list(&mut parts, 0)?;
    let repeats = read_list(&mut parts, new.length(span))?;
    let filter = parts.rest();
    if filter.len() != Bloom::words_for(new.count) * size_of::<u64>() {
        return Err(parts.malformed("a filter of 10 bits an id"));
    }
    // A unit's filter has more than a megabyte: a word at a time through checked reads would take most of opening it.
    let words = filter.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
    Ok((first, [new, repeats], Bloom { words }))
}

fn read_list(parts: &mut Parts<'_>, offset: u64) -> Result<List, Malformed> {
    let count = parts.length()?;
    let number = count.div_ceil(BLOCK);
    // What the footer claims is no reason to take more memory than it has bytes.
    let mut blocks = Vec::with_capacity(number.min(parts.left()));
    for _ in 0..number {
        blocks.push((parts.fixed(8)?.swap_bytes(), parts.fixed(4)? as u32));
    }
    Ok(List { offset, count, blocks })
}

/// The part of an id that is kept.
fn prefix(id: &EventId) -> u128 {
    big_endian(&id.0)
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
        (folder, IdIndex::open(&path, Span::Range).unwrap(), bytes)
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
        let index = IdIndex::open(&path, Span::Range).unwrap();
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
            let outcome = IdIndex::open(&path, Span::Range).and_then(|index| {
                [lowest, highest].iter().try_for_each(|id| index.find(id).and(index.repeats(id)).map(|_| ()))
            });
            assert!(matches!(outcome, Err(ReadError::Damaged(_))), "byte {position}: {outcome:?}");
        }
        for length in [0, 10, 23, 24, bytes.len() - 1] {
            write(&path, &bytes[..length]);
            assert!(
                matches!(IdIndex::open(&path, Span::Range), Err(ReadError::Damaged(_))),
                "cut to {length}"
            );
        }
    }
}
