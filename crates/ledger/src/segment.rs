//! The bytes of a segment file: header, blocks, footer (`docs/formats/ledger.md`, "Segment").
//!
//! It knows bytes only: which file they are in, whether they are durable and what the records say is for others.
//! Integers are big-endian. Every structure carries a CRC-32C: checksums find accidents, the tree finds everything.

use std::cell::RefCell;
use std::io;
use std::ops::Range;

use crate::cursor::Cursor;
use crate::damage::FormatProblem;
use crate::envelope::{Envelope, MAX_ENVELOPE_BYTES};

/// Leaves in a segment: as many as two full levels of tiles cover, so that a segment ends where tiles end.
pub const SEGMENT_LEAVES: u32 = 256 * 256;

/// Largest record, in bytes, that a ledger takes. Larger input is split or refused before it gets here.
pub const MAX_RECORD_BYTES: usize = 16 << 20;

/// Raw bytes after which a block is closed. Measured: zstd level 1 gains nothing from more, and a look-up
/// decompresses one block.
pub(crate) const BLOCK_TARGET_BYTES: usize = 256 << 10;

/// Bytes of the header of a segment or salts file.
pub(crate) const FILE_HEADER_BYTES: usize = 64;

/// Bytes of a block header.
pub(crate) const BLOCK_HEADER_BYTES: usize = 32;

/// Bytes at the very end of a footer, by which it is found.
pub(crate) const FOOTER_TAIL_BYTES: usize = 16;

/// Two lengths a record, of envelope and of captured bytes.
const ENTRY_LENGTHS_BYTES: usize = 8;

/// A block holds either up to the target or one record of any size.
const MAX_BLOCK_RAW_BYTES: usize = MAX_RECORD_BYTES + MAX_ENVELOPE_BYTES + ENTRY_LENGTHS_BYTES;

/// zstd's bound for input that does not compress: an eighth per mille and a constant.
const MAX_BLOCK_STORED_BYTES: usize = MAX_BLOCK_RAW_BYTES + (MAX_BLOCK_RAW_BYTES >> 8) + 1024;

/// Length that marks an entry whose bytes were erased. No record is that long.
const ERASED_LENGTH: u32 = u32::MAX;

const ZSTD_LEVEL: i32 = 1;
const FORMAT_VERSION: u32 = 1;
const BLOCK_MAGIC: [u8; 4] = *b"ABLK";
const FOOTER_MAGIC: [u8; 8] = *b"ASCRFTR1";

thread_local! {
    /// Making one takes memory that the system has to clear, again for each block.
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Which file a header is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Segment,
    Salts,
}

/// The header that starts both files of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub(crate) kind: FileKind,
    pub(crate) index: u32,
    pub(crate) generation: u32,
    pub(crate) leaf_capacity: u32,
}

/// The header of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockHeader {
    pub(crate) first_leaf: u64,
    pub(crate) count: u32,
    raw_bytes: u32,
    stored_bytes: u32,
    payload_crc: u32,
}

/// Where a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockRef {
    pub(crate) first_leaf: u64,
    pub(crate) offset: u64,
}

/// A block, decompressed and split.
#[derive(Debug)]
pub(crate) struct Block {
    first_leaf: u64,
    raw: Vec<u8>,
    entries: Vec<BlockEntry>,
}

#[derive(Debug)]
struct BlockEntry {
    envelope: Envelope,
    envelope_bytes: Range<usize>,
    /// `None` once erased.
    captured: Option<Range<usize>>,
}

/// Collects entries into blocks, ready to be written at the end of a segment.
pub(crate) struct BlockEncoder {
    compressor: zstd::bulk::Compressor<'static>,
    raw: Vec<u8>,
    stored: Vec<u8>,
    count: u32,
}

/// Blocks ready to be written in one go.
#[derive(Debug, Default)]
pub(crate) struct EncodedBlocks {
    pub(crate) bytes: Vec<u8>,
    pub(crate) blocks: Vec<BlockRef>,
}

impl FileKind {
    fn magic(self) -> [u8; 8] {
        match self {
            Self::Segment => *b"ASCRSEG1",
            Self::Salts => *b"ASCRSLT1",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Segment => "the segment header",
            Self::Salts => "the salts header",
        }
    }
}

impl FileHeader {
    /// First leaf that the segment may hold.
    pub(crate) fn first_leaf(&self) -> u64 {
        u64::from(self.index) * u64::from(self.leaf_capacity)
    }

    /// Leaf after the last that the segment may hold.
    pub(crate) fn end_leaf(&self) -> u64 {
        self.first_leaf() + u64::from(self.leaf_capacity)
    }

    pub(crate) fn encode(&self) -> [u8; FILE_HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(FILE_HEADER_BYTES);
        bytes.extend_from_slice(&self.kind.magic());
        bytes.extend_from_slice(&FORMAT_VERSION.to_be_bytes());
        bytes.extend_from_slice(&self.index.to_be_bytes());
        bytes.extend_from_slice(&self.generation.to_be_bytes());
        bytes.extend_from_slice(&self.leaf_capacity.to_be_bytes());
        bytes.extend_from_slice(&self.first_leaf().to_be_bytes());
        // Encryption scheme and key id (0: none), and reserved bytes, up to the checksum.
        bytes.resize(FILE_HEADER_BYTES - 4, 0);
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_be_bytes());
        let mut header = [0; FILE_HEADER_BYTES];
        header.copy_from_slice(&bytes);
        header
    }

    pub(crate) fn decode(kind: FileKind, bytes: &[u8]) -> Result<Self, FormatProblem> {
        let mut cursor = Cursor::new(kind.name(), bytes);
        cursor.magic(kind.magic())?;
        let version = cursor.u32()?;
        let header =
            Self { kind, index: cursor.u32()?, generation: cursor.u32()?, leaf_capacity: cursor.u32()? };
        let first_leaf = cursor.u64()?;
        let reserved = cursor.take(FILE_HEADER_BYTES - 4 - 32)?;
        let unknown = reserved.iter().map(|byte| u64::from(*byte)).sum();
        cursor.checksum()?;
        require("format version", u64::from(FORMAT_VERSION), u64::from(version))?;
        require("first leaf", header.first_leaf(), first_leaf)?;
        require("sum of reserved and encryption bytes", 0, unknown)?;
        if header.leaf_capacity == 0 || !header.leaf_capacity.is_multiple_of(256) {
            return Err(FormatProblem::Field {
                what: "leaf capacity",
                expected: u64::from(SEGMENT_LEAVES),
                found: u64::from(header.leaf_capacity),
            });
        }
        Ok(header)
    }
}

impl BlockHeader {
    /// Leaf after the last of the block.
    pub(crate) fn end_leaf(&self) -> u64 {
        self.first_leaf.saturating_add(u64::from(self.count))
    }

    /// Bytes of the payload that follows the header.
    pub(crate) fn stored_bytes(&self) -> usize {
        self.stored_bytes as usize
    }

    /// Bytes of header and payload.
    pub(crate) fn total_bytes(&self) -> u64 {
        BLOCK_HEADER_BYTES as u64 + u64::from(self.stored_bytes)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&BLOCK_MAGIC);
        out.extend_from_slice(&self.first_leaf.to_be_bytes());
        for field in [self.count, self.raw_bytes, self.stored_bytes, self.payload_crc] {
            out.extend_from_slice(&field.to_be_bytes());
        }
        out.extend_from_slice(&crc32c::crc32c(&out[start..]).to_be_bytes());
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, FormatProblem> {
        let mut cursor = Cursor::new("the block header", bytes);
        cursor.magic(BLOCK_MAGIC)?;
        let header = Self {
            first_leaf: cursor.u64()?,
            count: cursor.u32()?,
            raw_bytes: cursor.u32()?,
            stored_bytes: cursor.u32()?,
            payload_crc: cursor.u32()?,
        };
        cursor.checksum()?;
        require_at_most("raw length of the block", MAX_BLOCK_RAW_BYTES, header.raw_bytes)?;
        require_at_most("stored length of the block", MAX_BLOCK_STORED_BYTES, header.stored_bytes)?;
        if header.count == 0 {
            return Err(FormatProblem::Field { what: "entries in the block", expected: 1, found: 0 });
        }
        Ok(header)
    }
}

impl Block {
    /// Decompresses and splits the payload of a block.
    pub(crate) fn decode(header: &BlockHeader, payload: &[u8]) -> Result<Self, FormatProblem> {
        let found = crc32c::crc32c(payload);
        if found != header.payload_crc {
            return Err(FormatProblem::Checksum { what: "the block", expected: header.payload_crc, found });
        }
        let raw = decompress(payload, header.raw_bytes as usize).map_err(FormatProblem::Decompress)?;
        require("decompressed length of the block", u64::from(header.raw_bytes), raw.len() as u64)?;
        let mut cursor = Cursor::new("the block", &raw);
        // Two lengths an entry bound what a wrong count can make us allocate.
        let plausible = (raw.len() / ENTRY_LENGTHS_BYTES).min(header.count as usize);
        let mut entries = Vec::with_capacity(plausible);
        for leaf in header.first_leaf..header.end_leaf() {
            entries.push(BlockEntry::decode(leaf, &raw, &mut cursor)?);
        }
        cursor.finish()?;
        Ok(Self { first_leaf: header.first_leaf, raw, entries })
    }

    /// Leaves in the block.
    pub(crate) fn leaves(&self) -> Range<u64> {
        self.first_leaf..self.first_leaf + self.entries.len() as u64
    }

    /// Decoded envelope of the entry at `position`, from 0.
    pub(crate) fn envelope(&self, position: usize) -> &Envelope {
        &self.entries[position].envelope
    }

    /// Envelope bytes of the entry at `position`.
    pub(crate) fn envelope_bytes(&self, position: usize) -> &[u8] {
        &self.raw[self.entries[position].envelope_bytes.clone()]
    }

    /// Captured bytes of the entry at `position`; `None` once erased.
    pub(crate) fn captured(&self, position: usize) -> Option<&[u8]> {
        self.entries[position].captured.clone().map(|captured| &self.raw[captured])
    }

    /// Decompressed bytes held, for caches that bound themselves.
    pub(crate) fn raw_bytes(&self) -> usize {
        self.raw.len()
    }
}

fn decompress(payload: &[u8], raw_bytes: usize) -> io::Result<Vec<u8>> {
    DECOMPRESSOR.with_borrow_mut(|decompressor| {
        let decompressor = match decompressor {
            Some(decompressor) => decompressor,
            none => none.insert(zstd::bulk::Decompressor::new()?),
        };
        decompressor.decompress(payload, raw_bytes)
    })
}

impl BlockEntry {
    fn decode(leaf: u64, raw: &[u8], cursor: &mut Cursor<'_>) -> Result<Self, FormatProblem> {
        let length = cursor.u32()?;
        let start = cursor.position();
        cursor.take(length as usize)?;
        let envelope_bytes = start..cursor.position();
        let envelope = Envelope::decode(&raw[envelope_bytes.clone()])
            .map_err(|source| FormatProblem::Envelope { leaf, source })?;
        let length = cursor.u32()?;
        if length == ERASED_LENGTH {
            return Ok(Self { envelope, envelope_bytes, captured: None });
        }
        let start = cursor.position();
        cursor.take(length as usize)?;
        Ok(Self { envelope, envelope_bytes, captured: Some(start..cursor.position()) })
    }
}

impl BlockEncoder {
    pub(crate) fn new() -> io::Result<Self> {
        let compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL)?;
        Ok(Self { compressor, raw: Vec::new(), stored: Vec::new(), count: 0 })
    }

    /// Adds one entry, which becomes leaf `leaf`. Blocks are numbered by position in `out`, from `out_offset` on.
    pub(crate) fn push(&mut self, entry: &EntryBytes<'_>, out: &mut BlockSink<'_>) -> io::Result<()> {
        let captured = entry.captured.map_or(0, <[u8]>::len);
        let length = ENTRY_LENGTHS_BYTES + entry.envelope.len() + captured;
        if self.count > 0 && self.raw.len() + length > BLOCK_TARGET_BYTES {
            self.flush(out)?;
        }
        self.put(entry);
        Ok(())
    }

    /// Adds one entry to the block in progress, however large that gets.
    pub(crate) fn put(&mut self, entry: &EntryBytes<'_>) {
        self.raw.extend_from_slice(&(entry.envelope.len() as u32).to_be_bytes());
        self.raw.extend_from_slice(entry.envelope);
        match entry.captured {
            Some(captured) => {
                self.raw.extend_from_slice(&(captured.len() as u32).to_be_bytes());
                self.raw.extend_from_slice(captured);
            }
            None => self.raw.extend_from_slice(&ERASED_LENGTH.to_be_bytes()),
        }
        self.count += 1;
    }

    /// Closes the block in progress, if any.
    pub(crate) fn flush(&mut self, out: &mut BlockSink<'_>) -> io::Result<()> {
        if self.count == 0 {
            return Ok(());
        }
        self.stored.clear();
        self.stored.reserve(zstd::zstd_safe::compress_bound(self.raw.len()));
        self.compressor.compress_to_buffer(&self.raw, &mut self.stored)?;
        let header = BlockHeader {
            first_leaf: out.next_leaf,
            count: self.count,
            raw_bytes: self.raw.len() as u32,
            stored_bytes: self.stored.len() as u32,
            payload_crc: crc32c::crc32c(&self.stored),
        };
        let offset = out.file_offset + out.encoded.bytes.len() as u64;
        out.encoded.blocks.push(BlockRef { first_leaf: out.next_leaf, offset });
        header.encode(&mut out.encoded.bytes);
        out.encoded.bytes.extend_from_slice(&self.stored);
        out.next_leaf = header.end_leaf();
        self.raw.clear();
        self.count = 0;
        Ok(())
    }
}

/// The bytes of one entry.
pub(crate) struct EntryBytes<'a> {
    pub(crate) envelope: &'a [u8],
    /// `None` for an entry whose bytes were erased.
    pub(crate) captured: Option<&'a [u8]>,
}

/// Where encoded blocks go.
pub(crate) struct BlockSink<'a> {
    pub(crate) encoded: &'a mut EncodedBlocks,
    /// Offset in the segment file at which `encoded` will be written.
    pub(crate) file_offset: u64,
    /// First leaf of the next block.
    pub(crate) next_leaf: u64,
}

/// The footer of a full segment. It is derived: a lost one is written again, byte for byte.
pub(crate) fn encode_footer(blocks: &[BlockRef]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(blocks.len() * 16 + FOOTER_TAIL_BYTES);
    for block in blocks {
        bytes.extend_from_slice(&block.first_leaf.to_be_bytes());
        bytes.extend_from_slice(&block.offset.to_be_bytes());
    }
    bytes.extend_from_slice(&(blocks.len() as u32).to_be_bytes());
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_be_bytes());
    bytes.extend_from_slice(&FOOTER_MAGIC);
    bytes
}

/// Number of blocks that the last [`FOOTER_TAIL_BYTES`] of a file announce; `None` where no footer ends there.
pub(crate) fn footer_blocks(tail: &[u8]) -> Option<u32> {
    let (count, rest) = tail.split_first_chunk::<4>()?;
    (rest.get(4..)? == FOOTER_MAGIC).then_some(u32::from_be_bytes(*count))
}

/// Reads a whole footer.
pub(crate) fn decode_footer(bytes: &[u8]) -> Result<Vec<BlockRef>, FormatProblem> {
    let mut cursor = Cursor::new("the segment footer", bytes);
    let blocks = bytes.len().saturating_sub(FOOTER_TAIL_BYTES) / 16;
    let mut table = Vec::with_capacity(blocks);
    for _ in 0..blocks {
        table.push(BlockRef { first_leaf: cursor.u64()?, offset: cursor.u64()? });
    }
    let count = cursor.u32()?;
    cursor.checksum()?;
    cursor.magic(FOOTER_MAGIC)?;
    cursor.finish()?;
    require("blocks in the segment footer", blocks as u64, u64::from(count))?;
    Ok(table)
}

/// Requires that a field has one value.
pub(crate) fn require(what: &'static str, expected: u64, found: u64) -> Result<(), FormatProblem> {
    if expected == found { Ok(()) } else { Err(FormatProblem::Field { what, expected, found }) }
}

fn require_at_most(what: &'static str, limit: usize, found: u32) -> Result<(), FormatProblem> {
    let (limit, found) = (limit as u64, u64::from(found));
    if found <= limit { Ok(()) } else { Err(FormatProblem::Limit { what, limit, found }) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::envelope::Kind;

    type Accepts = fn(&[u8]) -> bool;

    fn envelope_bytes(leaf: u64) -> Vec<u8> {
        let envelope = Envelope {
            kind: Kind::Record,
            stream: None,
            object: None,
            span: None,
            received_at: leaf.cast_signed(),
            captured: [leaf as u8; 32],
            received: None,
        };
        let mut bytes = Vec::new();
        envelope.encode(&mut bytes);
        bytes
    }

    fn encode(first_leaf: u64, records: &[Vec<u8>]) -> EncodedBlocks {
        let mut encoded = EncodedBlocks::default();
        let mut blocks = BlockEncoder::new().unwrap();
        let mut sink = BlockSink { encoded: &mut encoded, file_offset: 0, next_leaf: first_leaf };
        for (captured, leaf) in records.iter().zip(first_leaf..) {
            let envelope = envelope_bytes(leaf);
            blocks.push(&EntryBytes { envelope: &envelope, captured: Some(captured) }, &mut sink).unwrap();
        }
        blocks.flush(&mut sink).unwrap();
        encoded
    }

    fn decode(bytes: &[u8]) -> Result<Vec<Block>, FormatProblem> {
        let (mut blocks, mut rest) = (Vec::new(), bytes);
        while !rest.is_empty() {
            let header = BlockHeader::decode(&rest[..BLOCK_HEADER_BYTES.min(rest.len())])?;
            let payload = rest.get(BLOCK_HEADER_BYTES..header.total_bytes() as usize).unwrap_or_default();
            blocks.push(Block::decode(&header, payload)?);
            rest = &rest[header.total_bytes() as usize..];
        }
        Ok(blocks)
    }

    #[test]
    fn records_come_back_and_a_large_one_has_a_block_of_its_own() {
        let records = [
            vec![],
            vec![1; 10],
            vec![2; BLOCK_TARGET_BYTES],
            vec![3; 10],
            vec![4; 100_000],
            vec![5; 200_000],
        ];
        let encoded = encode(7, &records);
        let blocks = decode(&encoded.bytes).unwrap();
        let leaves: Vec<Range<u64>> = blocks.iter().map(Block::leaves).collect();
        assert_eq!(leaves, [7..9, 9..10, 10..12, 12..13]);
        assert_eq!(encoded.blocks.iter().map(|block| block.first_leaf).collect::<Vec<_>>(), [7, 9, 10, 12]);
        for (record, leaf) in records.iter().zip(7..) {
            let block = blocks.iter().find(|block| block.leaves().contains(&leaf)).unwrap();
            let position = (leaf - block.leaves().start) as usize;
            assert_eq!(block.captured(position), Some(record.as_slice()));
            assert_eq!(block.envelope_bytes(position), envelope_bytes(leaf));
            assert_eq!(block.envelope(position).received_at, leaf.cast_signed());
        }
    }

    #[test]
    fn every_flipped_bit_of_a_block_footer_and_header_is_found() {
        let header =
            FileHeader { kind: FileKind::Segment, index: 3, generation: 0, leaf_capacity: SEGMENT_LEAVES };
        assert_eq!(FileHeader::decode(FileKind::Segment, &header.encode()).unwrap(), header);
        let footer =
            encode_footer(&[BlockRef { first_leaf: 0, offset: 64 }, BlockRef { first_leaf: 9, offset: 999 }]);
        assert_eq!(footer_blocks(&footer[footer.len() - FOOTER_TAIL_BYTES..]), Some(2));
        let block = encode(0, &[vec![7; 40]]).bytes;
        let cases: [(&[u8], Accepts); 3] = [
            (&header.encode(), |bytes| FileHeader::decode(FileKind::Segment, bytes).is_ok()),
            (&footer, |bytes| decode_footer(bytes).is_ok()),
            (&block, |bytes| decode(bytes).is_ok()),
        ];
        for (bytes, accepts) in cases {
            assert!(accepts(bytes));
            for offset in 0..bytes.len() {
                let mut flipped = bytes.to_vec();
                flipped[offset] ^= 1 << (offset % 8);
                assert!(!accepts(&flipped), "byte {offset}");
                assert!(!accepts(&bytes[..offset]) || offset == 0, "cut at {offset}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>, raw in proptest::collection::vec(any::<u8>(), 0..200), count in 1..9_u32) {
            prop_assert!(BlockHeader::decode(&bytes).is_err());
            prop_assert!(FileHeader::decode(FileKind::Salts, &bytes).is_err());
            prop_assert!(decode_footer(&bytes).is_err());
            // A block with honest checksums around dishonest content.
            let stored = zstd::bulk::compress(&raw, ZSTD_LEVEL).unwrap();
            for payload in [stored, raw.clone()] {
                let header = BlockHeader {
                    first_leaf: u64::MAX - 3,
                    count,
                    raw_bytes: raw.len() as u32,
                    stored_bytes: payload.len() as u32,
                    payload_crc: crc32c::crc32c(&payload),
                };
                prop_assert!(Block::decode(&header, &payload).is_err());
            }
        }
    }
}
