//! Which values an index does not hold, told without reading a block: a split-block Bloom filter (Apache Parquet, "Bloom
//! Filter": XXH64 with seed 0, blocks of 256 bits, the same salts). See `mod.rs`.
//!
//! Most look-ups ask each segment of a store for a value that one of them has. The filter of `ids.index` is asked for each
//! event that comes in, and is in memory; this one is read a page at a time, so all bits of a value stand together.

use twox_hash::XxHash64;

use crate::frame;

/// Bytes of a block, in which a value sets one bit of each word.
pub(super) const BLOCK_BYTES: usize = 32;
/// Blocks that are read and vouched for together.
pub(super) const PAGE_BLOCKS: usize = 128;
/// Bytes of a whole page; the last may be shorter.
pub(super) const PAGE_BYTES: usize = PAGE_BLOCKS * BLOCK_BYTES;
/// Bits for each value: one absent value in two hundred is looked for in vain.
const VALUE_BITS: usize = 12;
/// One odd number for each word of a block.
const SALTS: [u32; 8] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];

/// The values of an index that is being written.
#[derive(Default)]
pub(super) struct Filter {
    hashes: Vec<u64>,
}

impl Filter {
    /// Adds a value. One that comes again at once, as keys of one value do, counts once.
    pub(super) fn add(&mut self, value: &[u8]) {
        let hash = hash(value);
        if self.hashes.last() != Some(&hash) {
            self.hashes.push(hash);
        }
    }

    /// Appends the blocks to `out`, and to `footer` how many there are and the checksum of each page.
    pub(super) fn finish(self, out: &mut Vec<u8>, footer: &mut Vec<u8>) {
        let blocks = (self.hashes.len() * VALUE_BITS).div_ceil(8 * BLOCK_BYTES);
        let start = out.len();
        out.resize(start + blocks * BLOCK_BYTES, 0);
        let bytes = &mut out[start..];
        for hash in self.hashes {
            let block = block_of(hash, blocks) * BLOCK_BYTES;
            for (byte, bit) in bits(hash) {
                bytes[block + byte] |= bit;
            }
        }
        frame::put_number(footer, blocks as u64);
        for page in bytes.chunks(PAGE_BYTES) {
            footer.extend_from_slice(&crc32c::crc32c(page).to_le_bytes());
        }
    }
}

/// Where to look for a value.
pub(super) struct Probe {
    hash: u64,
    /// Number of the page.
    pub(super) page: usize,
    /// Where its block begins in the page.
    start: usize,
}

impl Probe {
    /// `None` where there are no blocks: nothing is said of any value.
    pub(super) fn of(value: &[u8], blocks: usize) -> Option<Self> {
        if blocks == 0 {
            return None;
        }
        let hash = hash(value);
        let block = block_of(hash, blocks);
        Some(Self { hash, page: block / PAGE_BLOCKS, start: block % PAGE_BLOCKS * BLOCK_BYTES })
    }

    /// Whether the index may hold the value.
    pub(super) fn may_be_in(&self, page: &[u8]) -> bool {
        bits(self.hash).all(|(byte, bit)| page.get(self.start + byte).is_none_or(|found| found & bit != 0))
    }
}

fn hash(value: &[u8]) -> u64 {
    XxHash64::oneshot(0, value)
}

fn block_of(hash: u64, blocks: usize) -> usize {
    (((hash >> 32) * blocks as u64) >> 32) as usize
}

/// The bit of each word: its byte in the block, and itself. Words are little-endian.
fn bits(hash: u64) -> impl Iterator<Item = (usize, u8)> {
    SALTS.into_iter().enumerate().map(move |(word, salt)| {
        let bit = (hash as u32).wrapping_mul(salt) >> 27;
        (4 * word + (bit / 8) as usize, 1 << (bit % 8))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(values: impl Iterator<Item = String>) -> (Vec<u8>, usize) {
        let (mut filter, mut out, mut footer) = (Filter::default(), Vec::new(), Vec::new());
        values.for_each(|value| filter.add(value.as_bytes()));
        filter.finish(&mut out, &mut footer);
        let blocks = out.len() / BLOCK_BYTES;
        (out, blocks)
    }

    fn holds((bytes, blocks): &(Vec<u8>, usize), value: &str) -> bool {
        let Some(probe) = Probe::of(value.as_bytes(), *blocks) else { return true };
        probe.may_be_in(bytes.chunks(PAGE_BYTES).nth(probe.page).unwrap())
    }

    #[test]
    fn it_holds_what_was_added_and_hardly_anything_else() {
        let filter = encoded((0..20_000).map(|number| format!("AKIA{number}")));
        assert!(filter.0.len() > PAGE_BYTES, "several pages");
        assert!((0..20_000).all(|number| holds(&filter, &format!("AKIA{number}"))));
        let wrong = (0..20_000).filter(|number| holds(&filter, &format!("ASIA{number}"))).count();
        assert!(wrong < 200, "{wrong} of 20,000");
    }

    #[test]
    fn without_values_it_says_nothing() {
        let filter = encoded(std::iter::empty());
        assert_eq!(filter.1, 0);
        assert!(holds(&filter, "AKIA"));
    }

    #[test]
    fn it_is_the_filter_of_parquet() {
        let values: Vec<String> = (0..80).map(|number| format!("AKIA{number}")).collect();
        let (bytes, blocks) = encoded(values.iter().cloned());
        assert_eq!(blocks, 4);
        let mut peer = parquet::bloom_filter::Sbbf::new_with_num_of_bytes(bytes.len());
        for value in &values {
            peer.insert(value.as_bytes());
        }
        let mut expected = Vec::new();
        peer.write_bitset(&mut expected).unwrap();
        assert_eq!(bytes, expected);
    }
}
