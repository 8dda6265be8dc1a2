//! Reads segment and salts files: finds a block without scanning where the segment is full, and by walking block
//! headers where it is not. It knows no tree and repairs nothing.

use std::io;
use std::path::{Path, PathBuf};

use crate::damage::{FileError, FormatProblem};
use crate::durable::{Disk, OpenFile};
use crate::paths::{LedgerPaths, SegmentId, SegmentPart};
use crate::salts::SaltsFile;
use crate::segment::{
    BLOCK_HEADER_BYTES, Block, BlockHeader, BlockRef, FILE_HEADER_BYTES, FOOTER_TAIL_BYTES, FileHeader,
    FileKind, decode_footer, footer_blocks, require,
};

/// An open segment file and where its blocks are.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    pub(crate) path: PathBuf,
    pub(crate) header: FileHeader,
    /// In order of leaves.
    pub(crate) blocks: Vec<BlockRef>,
    /// Where the last of `blocks` ends.
    pub(crate) blocks_end: u64,
    /// Leaf after the last of `blocks`.
    pub(crate) end_leaf: u64,
    file: Box<dyn OpenFile>,
}

impl SegmentFile {
    /// Opens a segment of which a tree of `size` leaves is known to be durable. Blocks beyond that are not looked at:
    /// a writer may be at work on them.
    pub(crate) fn open(paths: &LedgerPaths, id: SegmentId, size: u64) -> Result<Self, FileError> {
        let mut segment = Self::open_header(paths, id)?;
        // Only a segment known to be full is searched for a footer: in any other, the last bytes of a hostile record
        // could pass for one.
        if size >= segment.header.end_leaf() {
            segment.read_footer()?;
        } else {
            segment.walk_blocks(size)?;
        }
        Ok(segment)
    }

    /// Opens a segment and finds its blocks by their headers alone, up to leaf `size`.
    pub(crate) fn walk(paths: &LedgerPaths, id: SegmentId, size: u64) -> Result<Self, FileError> {
        let mut segment = Self::open_header(paths, id)?;
        segment.walk_blocks(size.min(segment.header.end_leaf()))?;
        Ok(segment)
    }

    /// The block that holds a leaf.
    pub(crate) fn block_holding(&self, leaf: u64) -> Option<BlockRef> {
        let after = self.blocks.partition_point(|block| block.first_leaf <= leaf);
        self.blocks.get(after.checked_sub(1)?).copied()
    }

    /// Reads, checks and decompresses a block.
    pub(crate) fn read_block(&self, block: BlockRef) -> Result<Block, FileError> {
        let header = self.read_block_header(block.offset)?;
        let damage = |problem| FileError::damage(&self.path, block.offset, problem);
        require("first leaf of the block", block.first_leaf, header.first_leaf).map_err(damage)?;
        let payload =
            self.read_at(block.offset + BLOCK_HEADER_BYTES as u64, header.stored_bytes(), "the block")?;
        Block::decode(&header, &payload).map_err(damage)
    }

    /// Everything from an offset to the end of the file, at most `limit` bytes.
    pub(crate) fn read_rest(&self, offset: u64, limit: u64) -> Result<Vec<u8>, FileError> {
        let length = self.length()?;
        let count = length.saturating_sub(offset).min(limit);
        self.read_at(offset, count as usize, "the segment")
    }

    /// Bytes in the file.
    pub(crate) fn length(&self) -> Result<u64, FileError> {
        self.file.length().map_err(|error| FileError::read(&self.path, error))
    }

    fn open_header(paths: &LedgerPaths, id: SegmentId) -> Result<Self, FileError> {
        let path = paths.segment(id, SegmentPart::Blocks);
        let file = paths.disk().open(&path).map_err(|error| FileError::read(&path, error))?;
        let header = FileHeader { kind: FileKind::Segment, index: id.index, generation: 0, leaf_capacity: 0 };
        let mut segment = Self {
            path,
            header,
            blocks: Vec::new(),
            blocks_end: FILE_HEADER_BYTES as u64,
            end_leaf: 0,
            file,
        };
        let bytes = segment.read_at(0, FILE_HEADER_BYTES, "the segment header")?;
        segment.header = FileHeader::decode(FileKind::Segment, &bytes)
            .and_then(|header| check_identity(header, id))
            .map_err(|problem| FileError::damage(&segment.path, 0, problem))?;
        segment.end_leaf = segment.header.first_leaf();
        Ok(segment)
    }

    fn read_footer(&mut self) -> Result<(), FileError> {
        let length = self.length()?;
        let tail_offset = length.saturating_sub(FOOTER_TAIL_BYTES as u64);
        let tail = self.read_at(tail_offset, FOOTER_TAIL_BYTES, "the segment footer")?;
        let damage = |problem| FileError::damage(&self.path, tail_offset, problem);
        let blocks = footer_blocks(&tail).ok_or_else(|| {
            damage(FormatProblem::Magic { what: "the segment footer", found: tail.clone() })
        })?;
        let footer_bytes = FOOTER_TAIL_BYTES as u64 + u64::from(blocks) * 16;
        let offset = length.checked_sub(footer_bytes).ok_or_else(|| {
            damage(FormatProblem::Short { what: "the segment footer", expected: footer_bytes, found: length })
        })?;
        let footer = self.read_at(offset, footer_bytes as usize, "the segment footer")?;
        self.blocks = decode_footer(&footer)
            .and_then(|blocks| self.check_order(blocks, offset))
            .map_err(|problem| FileError::damage(&self.path, offset, problem))?;
        self.blocks_end = offset;
        self.end_leaf = self.header.end_leaf();
        Ok(())
    }

    fn check_order(&self, blocks: Vec<BlockRef>, footer_offset: u64) -> Result<Vec<BlockRef>, FormatProblem> {
        let first = blocks.first().copied().unwrap_or(BlockRef { first_leaf: 0, offset: 0 });
        require("first leaf in the segment footer", self.header.first_leaf(), first.first_leaf)?;
        require("first offset in the segment footer", FILE_HEADER_BYTES as u64, first.offset)?;
        for pair in blocks.windows(2) {
            if pair[0].first_leaf >= pair[1].first_leaf || pair[0].offset >= pair[1].offset {
                return Err(FormatProblem::Field {
                    what: "leaf in the segment footer",
                    expected: pair[0].first_leaf + 1,
                    found: pair[1].first_leaf,
                });
            }
        }
        let last = blocks.last().copied().unwrap_or(first);
        if last.first_leaf >= self.header.end_leaf() || last.offset >= footer_offset {
            return Err(FormatProblem::Limit {
                what: "last leaf in the segment footer",
                limit: self.header.end_leaf() - 1,
                found: last.first_leaf,
            });
        }
        Ok(blocks)
    }

    fn walk_blocks(&mut self, end_leaf: u64) -> Result<(), FileError> {
        let mut next_leaf = self.header.first_leaf();
        while next_leaf < end_leaf {
            let header = self.read_block_header(self.blocks_end)?;
            require("first leaf of the block", next_leaf, header.first_leaf)
                .map_err(|problem| FileError::damage(&self.path, self.blocks_end, problem))?;
            if header.end_leaf() > self.header.end_leaf() {
                let problem = FormatProblem::Limit {
                    what: "leaf after the last of the block",
                    limit: self.header.end_leaf(),
                    found: header.end_leaf(),
                };
                return Err(FileError::damage(&self.path, self.blocks_end, problem));
            }
            self.blocks.push(BlockRef { first_leaf: next_leaf, offset: self.blocks_end });
            self.blocks_end += header.total_bytes();
            next_leaf = header.end_leaf();
            self.end_leaf = next_leaf;
        }
        Ok(())
    }

    fn read_block_header(&self, offset: u64) -> Result<BlockHeader, FileError> {
        let bytes = self.read_at(offset, BLOCK_HEADER_BYTES, "the block header")?;
        BlockHeader::decode(&bytes).map_err(|problem| FileError::damage(&self.path, offset, problem))
    }

    fn read_at(&self, offset: u64, count: usize, what: &'static str) -> Result<Vec<u8>, FileError> {
        let mut bytes = vec![0; count];
        match self.file.read_exact_at(&mut bytes, offset) {
            Ok(()) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                let found = self.length()?.saturating_sub(offset);
                let problem = FormatProblem::Short { what, expected: count as u64, found };
                Err(FileError::damage(&self.path, offset, problem))
            }
            Err(error) => Err(FileError::read(&self.path, error)),
        }
    }
}

/// Reads a whole salts file (at most some 4 MiB) as far as it is whole, and checks that it is of this segment.
pub(crate) fn read_salts(disk: &Disk, path: &Path, id: SegmentId) -> Result<SaltsFile, FileError> {
    let bytes = disk.read(path).map_err(|error| FileError::read(path, error))?;
    let salts = SaltsFile::decode(&bytes);
    if let Some(header) = salts.header {
        check_identity(header, id).map_err(|problem| FileError::damage(path, 0, problem))?;
    }
    Ok(salts)
}

/// The bytes of a salts file of this segment. A writer may be at work on its tail.
pub(crate) fn read_salts_bytes(disk: &Disk, path: &Path, id: SegmentId) -> Result<Vec<u8>, FileError> {
    let bytes = disk.read(path).map_err(|error| FileError::read(path, error))?;
    let header = &bytes[..FILE_HEADER_BYTES.min(bytes.len())];
    let damage = |problem| FileError::damage(path, 0, problem);
    check_identity(FileHeader::decode(FileKind::Salts, header).map_err(damage)?, id).map_err(damage)?;
    Ok(bytes)
}

/// Refuses the file of another segment than the name says.
pub(crate) fn check_identity(header: FileHeader, id: SegmentId) -> Result<FileHeader, FormatProblem> {
    require("segment index", u64::from(id.index), u64::from(header.index))?;
    require("segment generation", u64::from(id.generation), u64::from(header.generation))?;
    Ok(header)
}
