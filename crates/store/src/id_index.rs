//! `ids.index`: has this event id been seen, and where first?
//!
//! Entries are the first 16 bytes of an id and the leaf as an offset from the segment's first, 18 bytes each, sorted,
//! 256 to a block. The footer holds a bloom filter of 10 bits an id, and for each block its first 8 bytes and its
//! CRC. At 128 bits a collision of two ids is out of reach, so entries are not compared further.
//! It deliberately does not know what an event is.

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

/// Encodes the index of the ids first seen in a segment; `leaf` counts from `first`.
pub(crate) fn encode(first: u64, ids: &[(EventId, u64)]) -> Vec<u8> {
    let mut entries: Vec<(u128, u16)> =
        ids.iter().map(|(id, leaf)| (u128::from_be_bytes(prefix(id)), (leaf - first) as u16)).collect();
    entries.sort_unstable();
    let mut bloom = Bloom::with_room_for(entries.len());
    for &(id, _) in &entries {
        bloom.insert(id);
    }
    let mut out = Vec::with_capacity(entries.len() * ENTRY);
    let mut footer = Vec::new();
    frame::put_number(&mut footer, first);
    frame::put_number(&mut footer, entries.len() as u64);
    for block in entries.chunks(BLOCK) {
        let start = out.len();
        for (id, leaf) in block {
            out.extend_from_slice(&id.to_be_bytes());
            out.extend_from_slice(&leaf.to_le_bytes());
        }
        footer.extend_from_slice(&out[start..start + 8]);
        footer.extend_from_slice(&crc32c::crc32c(&out[start..]).to_le_bytes());
    }
    for word in &bloom.words {
        footer.extend_from_slice(&word.to_le_bytes());
    }
    frame::close(&mut out, &footer, MAGIC);
    out
}

/// An open index; footer and filter are in memory.
#[derive(Debug)]
pub(crate) struct IdIndex {
    file: Framed,
    first: u64,
    count: usize,
    /// First 8 bytes of each block, and its CRC.
    blocks: Vec<(u64, u32)>,
    bloom: Bloom,
}

impl IdIndex {
    pub(crate) fn open(path: &Path) -> Result<Self, ReadError> {
        let (file, footer) = Framed::open(path, MAGIC)?;
        let offset = file.footer_offset;
        let (first, count, blocks, bloom) =
            read_footer(&footer).map_err(|malformed| malformed.within(path, offset))?;
        if offset != (count * ENTRY) as u64 {
            let expected = format!("{count} entries of {ENTRY} bytes");
            return Err(Damage::new(path, 0, expected, format!("{offset} bytes")).into());
        }
        Ok(Self { file, first, count, blocks, bloom })
    }

    /// Leaf of the first sighting of `id` in this segment.
    pub(crate) fn find(&self, id: &EventId) -> Result<Option<u64>, ReadError> {
        let sought = u128::from_be_bytes(prefix(id));
        if !self.bloom.may_hold(sought) {
            return Ok(None);
        }
        // Two ids may share the first 8 bytes, and so may two blocks: every block that can hold the id is read.
        let fence = (sought >> 64) as u64;
        let end = self.blocks.partition_point(|&(start, _)| start <= fence);
        let start = self.blocks[..end].partition_point(|&(start, _)| start < fence).saturating_sub(1);
        for number in start..end {
            let bytes = self.read_block(number)?;
            let found = bytes.chunks_exact(ENTRY).find(|entry| entry[..PREFIX] == sought.to_be_bytes());
            if let Some(entry) = found {
                return Ok(Some(
                    self.first + u64::from(u16::from_le_bytes([entry[PREFIX], entry[PREFIX + 1]])),
                ));
            }
        }
        Ok(None)
    }

    fn read_block(&self, number: usize) -> Result<Vec<u8>, ReadError> {
        let entries = (self.count - number * BLOCK).min(BLOCK);
        let offset = (number * BLOCK * ENTRY) as u64;
        let length = (entries * ENTRY) as u32;
        self.file.read_checked(BlockPlace { offset, length, crc: self.blocks[number].1 })
    }
}

type Footer = (u64, usize, Vec<(u64, u32)>, Bloom);

fn read_footer(footer: &[u8]) -> Result<Footer, Malformed> {
    let mut parts = Parts::new(footer, 0);
    let first = parts.number()?;
    let count = parts.length()?;
    let mut blocks = Vec::new();
    for _ in 0..count.div_ceil(BLOCK) {
        blocks.push(((parts.fixed(8)?).swap_bytes(), parts.fixed(4)? as u32));
    }
    let mut words = Vec::new();
    while !parts.is_empty() {
        words.push(parts.fixed(8)?);
    }
    if words.len() != Bloom::words_for(count) {
        return Err(parts.malformed("a filter of 10 bits an id"));
    }
    Ok((first, count, blocks, Bloom { words }))
}

fn prefix(id: &EventId) -> [u8; PREFIX] {
    let mut kept = [0; PREFIX];
    kept.copy_from_slice(&id.0[..PREFIX]);
    kept
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

    fn index(count: u64) -> (tempfile::TempDir, Result<IdIndex, ReadError>, Vec<u8>) {
        let ids: Vec<_> = (0..count).map(|number| (id(number), 1000 + number)).collect();
        let bytes = encode(1000, &ids);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ids.index");
        write(&path, &bytes);
        (folder, IdIndex::open(&path), bytes)
    }

    fn write(path: &Path, bytes: &[u8]) {
        std::io::Write::write_all(&mut std::fs::File::create(path).unwrap(), bytes).unwrap();
    }

    #[test]
    fn every_id_is_found_at_its_leaf_and_no_other_is() {
        for count in [0, 1, 255, 256, 257, 3000] {
            let (_folder, index, _) = index(count);
            let index = index.unwrap();
            for number in 0..count {
                assert_eq!(index.find(&id(number)).unwrap(), Some(1000 + number), "{number} of {count}");
            }
            for number in count..count + 500 {
                assert_eq!(index.find(&id(number)).unwrap(), None, "{number} of {count}");
            }
        }
    }

    #[test]
    fn the_filter_spares_nearly_every_vain_read() {
        let (_folder, index, _) = index(3000);
        let bloom = index.unwrap().bloom;
        let vain = (3000..13_000).filter(|&number| bloom.may_hold(u128::from_be_bytes(prefix(&id(number)))));
        let vain = vain.count();
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
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ids.index");
        write(&path, &encode(0, &ids));
        let index = IdIndex::open(&path).unwrap();
        for (id, leaf) in &ids {
            assert_eq!(index.find(id).unwrap(), Some(*leaf));
        }
    }

    #[test]
    fn a_flipped_byte_anywhere_is_reported() {
        let (folder, _, bytes) = index(300);
        let path = folder.path().join("ids.index");
        // One id in each of the two blocks.
        let ids = || (0..300).map(id);
        let (lowest, highest) = (ids().min().unwrap(), ids().max().unwrap());
        for position in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[position] ^= 0x20;
            write(&path, &damaged);
            let outcome = IdIndex::open(&path)
                .and_then(|index| [lowest, highest].iter().try_for_each(|id| index.find(id).map(|_| ())));
            assert!(matches!(outcome, Err(ReadError::Damaged(_))), "byte {position}: {outcome:?}");
        }
        for length in [0, 10, 23, 24, bytes.len() - 1] {
            write(&path, &bytes[..length]);
            assert!(matches!(IdIndex::open(&path), Err(ReadError::Damaged(_))), "cut to {length}");
        }
    }
}
