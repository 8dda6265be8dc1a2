//! Erasure: the bytes and salts of entries are destroyed, and a tombstone says so. Envelopes stay, so every leaf hash,
//! tile, checkpoint and proof stays byte for byte. `docs/formats/ledger.md`, "Erasure".
//!
//! A segment is never changed in place: its next generation is written beside it and takes its place. It knows neither
//! policies nor approvals, and not what else was derived from the bytes: the caller erases that, between
//! [`Ledger::begin_erasure`] and [`Ledger::end_erasure`].

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

use crate::append::{AppendError, Draft};
use crate::damage::FileError;
use crate::durable::{DurableError, GrowingFile, staged_path};
use crate::envelope::Kind;
use crate::ledger::{Ledger, OpenSegment};
use crate::paths::{LedgerPaths, SegmentId, SegmentPart};
use crate::publish::CheckpointError;
use crate::read::{ReadError, Reader, SegmentList, read_if_present};
use crate::salts::{EntrySalts, SaltsChunk, SaltsFile};
use crate::segment::{
    Block, BlockEncoder, BlockRef, BlockSink, EncodedBlocks, EntryBytes, FileHeader, FileKind, encode_footer,
};
use crate::segment_file::{SegmentFile, read_salts};
use crate::tile::parse_decimal;
use crate::tombstone::{Tombstone, TombstoneError};

/// First line of the file that marks an erasure as under way.
const MARK: &str = "ascribe/erasure/v1";

/// An erasure that has begun: its tombstone is in a signed checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// Leaf of the tombstone.
    pub leaf: u64,
    /// What it says.
    pub tombstone: Tombstone,
}

/// What was destroyed in the segments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erased {
    /// Entries whose bytes were still there.
    pub entries: u64,
    /// Their captured bytes.
    pub bytes: u64,
    /// Segments of which a new generation was written.
    pub segments: u64,
}

/// Why nothing, or not everything, was erased.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EraseError {
    /// An earlier write failed, so the state of the disk is unknown.
    #[error("an earlier write to the ledger failed; open it again to recover")]
    Poisoned,
    /// The tombstone cannot be written: it names no leaf, or a statement has no such form. Nothing was changed.
    #[error("the tombstone has a statement that cannot be written, or names no leaf")]
    Form,
    /// A leaf is beyond the checkpoint. Nothing was changed.
    #[error("leaf {leaf} is beyond the checkpoint, which has {size} leaves")]
    BeyondCheckpoint {
        /// The leaf.
        leaf: u64,
        /// Leaves at the checkpoint.
        size: u64,
    },
    /// An entry of this kind carries what others need and is never erased. Nothing was changed.
    #[error("leaf {leaf} is a {} entry, which is never erased", kind.name())]
    Kind {
        /// The leaf.
        leaf: u64,
        /// What it is.
        kind: Kind,
    },
    /// Another erasure is under way. Nothing was changed.
    #[error("an erasure is under way, by the tombstone at leaf {leaf}; end that one first")]
    UnderWay {
        /// Leaf of its tombstone.
        leaf: u64,
    },
    /// The file that marks an erasure as under way is damaged.
    #[error("`{}` does not say which erasure is under way", path.display())]
    Mark {
        /// The file.
        path: PathBuf,
        /// Why it is no tombstone, where it is that.
        #[source]
        source: Option<TombstoneError>,
    },
    /// The ledger cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The tombstone was not appended.
    #[error("cannot append the tombstone")]
    Append(#[source] AppendError),
    /// The tombstone was not committed.
    #[error("cannot commit the tombstone")]
    Commit(#[source] CheckpointError),
    /// A block cannot be compressed. The writer is poisoned.
    #[error("cannot compress a block")]
    Compress(#[source] io::Error),
    /// A write failed. The writer is poisoned; what is under way goes on once the ledger is opened again.
    #[error(transparent)]
    Write(#[from] DurableError),
}

impl From<FileError> for EraseError {
    fn from(error: FileError) -> Self {
        Self::Read(error.into())
    }
}

impl Ledger {
    /// Announces an erasure: when this returns, the tombstone is committed, and the erasure is under way until
    /// [`Ledger::end_erasure`]. Nothing is destroyed yet.
    ///
    /// Records, rejects and entries of objects can be erased; what is erased already may be named again.
    pub fn begin_erasure(&mut self, tombstone: Tombstone, received_at: i64) -> Result<Erasure, EraseError> {
        if let Some(erasure) = self.erasure_under_way()? {
            return Err(EraseError::UnderWay { leaf: erasure.leaf });
        }
        if !tombstone.is_writable() {
            return Err(EraseError::Form);
        }
        self.require_erasable(&tombstone)?;
        let leaf = self.durable_size;
        let text = tombstone.to_string();
        // A crash behind this leaves a mark without its tombstone, which says nothing: the next erasure replaces it.
        self.guarded(|ledger| {
            let mark = format!("{MARK}\n{leaf}\n{text}");
            ledger.paths.disk().replace_file(&ledger.paths.erasure(), mark.as_bytes())
        })?;
        // A crash behind this leaves a tombstone whose leaves are still there, and the mark that says so: whoever opens
        // the ledger next finds the erasure under way and goes on.
        self.append(&[Draft {
            kind: Kind::Tombstone,
            stream: None,
            object: None,
            span: None,
            received_at,
            captured: text.as_bytes(),
            received: None,
        }])
        .map_err(EraseError::Append)?;
        self.checkpoint().map_err(EraseError::Commit)?;
        Ok(Erasure { leaf, tombstone })
    }

    /// The erasure that is under way, perhaps since before a crash.
    pub fn erasure_under_way(&self) -> Result<Option<Erasure>, EraseError> {
        if self.poisoned {
            return Err(EraseError::Poisoned);
        }
        self.reader()?.erasure_under_way()
    }

    /// Destroys the bytes and salts of every leaf that the tombstone names. What is destroyed already stays so: after
    /// a crash this is run again.
    pub fn erase(&mut self, erasure: &Erasure) -> Result<Erased, EraseError> {
        if self.poisoned {
            return Err(EraseError::Poisoned);
        }
        let list = SegmentList::read(&self.paths)?;
        let capacity = u64::from(list.leaf_capacity);
        let indexes: BTreeSet<u64> = erasure
            .tombstone
            .erased
            .iter()
            .flat_map(|range| range.start / capacity..=(range.end - 1) / capacity)
            .collect();
        let mut erased = Erased::default();
        for index in indexes {
            let missing = || ReadError::SegmentMissing { index, folder: self.paths.segments() };
            let id = list.find(index).ok_or_else(missing)?;
            let old = SegmentFile::walk(&self.paths, id, self.durable_size)?;
            let within = old.header.first_leaf()..old.header.end_leaf();
            let leaves =
                erasure.tombstone.erased.iter().filter_map(|range| overlap(range, &within)).collect();
            let destroyed = Destroyed { leaves };
            let present = destroyed.present_in(&old)?;
            if present.entries > 0 || destroyed.has_salts(&self.paths, id)? {
                self.guarded(|ledger| ledger.write_next_generation(id, &old, &destroyed))?;
                erased.segments += 1;
            }
            erased.entries += present.entries;
            erased.bytes += present.bytes;
        }
        Ok(erased)
    }

    /// Says that nothing of the erasure is left to do, here or in what the caller derived.
    pub fn end_erasure(&mut self, erasure: &Erasure) -> Result<(), EraseError> {
        if self.erasure_under_way()?.is_none_or(|under_way| under_way.leaf != erasure.leaf) {
            return Ok(());
        }
        // A crash before this leaves the mark, and the erasure is run again, without effect.
        self.guarded(|ledger| {
            ledger.paths.disk().remove_file(&ledger.paths.erasure())?;
            ledger.paths.disk().sync_folder(&ledger.paths.ledger)
        })?;
        Ok(())
    }

    fn require_erasable(&self, tombstone: &Tombstone) -> Result<(), EraseError> {
        let size = self.committed.size();
        let reader = self.reader()?;
        for range in &tombstone.erased {
            if range.end > size {
                return Err(EraseError::BeyondCheckpoint { leaf: range.start.max(size), size });
            }
            for entry in reader.entries(range.clone()) {
                let entry = entry?;
                let kind = entry.envelope().kind;
                if !is_erasable(kind) {
                    return Err(EraseError::Kind { leaf: entry.leaf(), kind });
                }
            }
        }
        Ok(())
    }

    /// Writes the next generation of a segment without what is destroyed, and puts it in the place of the old one.
    fn write_next_generation(
        &mut self,
        id: SegmentId,
        old: &SegmentFile,
        destroyed: &Destroyed,
    ) -> Result<(), EraseError> {
        let next = SegmentId { index: id.index, generation: id.generation + 1 };
        let files = NextGeneration { paths: &self.paths, id: next };
        let disk = self.paths.disk().clone();
        // A crash up to the renaming leaves staged files, which opening the ledger removes.
        let mut blocks = GrowingFile::create(&disk, &files.staged(SegmentPart::Blocks))?;
        let table = destroyed.copy_blocks(old, next, (&mut blocks, &mut self.encoder))?;
        let blocks_end = blocks.length();
        let salts = read_salts(&disk, &self.paths.segment(id, SegmentPart::Salts), id)?;
        let end_leaf = salts.chunks.last().map_or(old.header.first_leaf(), SaltsChunk::end_leaf);
        if end_leaf == old.header.end_leaf() {
            blocks.write(&encode_footer(&table))?;
        }
        blocks.sync()?;
        let mut kept = GrowingFile::create(&disk, &files.staged(SegmentPart::Salts))?;
        destroyed.copy_salts(&salts, next, (&mut kept, &table, blocks_end))?;
        kept.sync()?;
        // A crash between the two leaves salts of a generation without its blocks: the older generation counts.
        disk.rename(&files.staged(SegmentPart::Salts), &self.paths.segment(next, SegmentPart::Salts))?;
        disk.rename(&files.staged(SegmentPart::Blocks), &self.paths.segment(next, SegmentPart::Blocks))?;
        disk.sync_folder(&self.paths.segments())?;
        // A crash from here on leaves the old files beside the new ones, which count. Opening the ledger removes the old.
        disk.remove_file(&self.paths.segment(id, SegmentPart::Blocks))?;
        disk.remove_file(&self.paths.segment(id, SegmentPart::Salts))?;
        disk.sync_folder(&self.paths.segments())?;
        if self.segment.as_ref().is_some_and(|segment| segment.end_leaf == old.header.end_leaf()) {
            self.segment = Some(OpenSegment {
                blocks: GrowingFile::open(&disk, &self.paths.segment(next, SegmentPart::Blocks))?,
                salts: GrowingFile::open(&disk, &self.paths.segment(next, SegmentPart::Salts))?,
                table,
                end_leaf: old.header.end_leaf(),
            });
        }
        Ok(())
    }
}

impl Reader {
    /// See [`Ledger::erasure_under_way`].
    pub fn erasure_under_way(&self) -> Result<Option<Erasure>, EraseError> {
        let Some(erasure) = erasure_mark(&self.paths)? else { return Ok(None) };
        if erasure.leaf >= self.size() {
            return Ok(None);
        }
        // The mark is written before its tombstone, so after a crash another entry may have taken that leaf.
        let entry = self.entry(erasure.leaf)?;
        let is_its = entry.envelope().kind == Kind::Tombstone
            && entry.captured() == Some(erasure.tombstone.to_string().as_bytes());
        Ok(is_its.then_some(erasure))
    }
}

/// Whether entries of a kind may be erased: those that hold what came from outside. The others are needed to read or to
/// judge what stays.
fn is_erasable(kind: Kind) -> bool {
    matches!(kind, Kind::Record | Kind::Reject | Kind::Object)
}

/// The erasure that the mark names, whether or not its tombstone ever came into the ledger.
pub(crate) fn erasure_mark(paths: &LedgerPaths) -> Result<Option<Erasure>, EraseError> {
    let path = paths.erasure();
    let Some(bytes) = read_if_present(paths.disk(), &path)? else { return Ok(None) };
    let rest = bytes.strip_prefix(MARK.as_bytes()).and_then(|rest| rest.strip_prefix(b"\n"));
    let split = rest.and_then(|rest| rest.iter().position(|byte| *byte == b'\n').map(|at| rest.split_at(at)));
    let leaf = split.and_then(|(leaf, text)| {
        Some((std::str::from_utf8(leaf).ok().and_then(parse_decimal)?, text.get(1..)?))
    });
    let (leaf, text) = leaf.ok_or_else(|| EraseError::Mark { path: path.clone(), source: None })?;
    let tombstone =
        Tombstone::parse(text).map_err(|source| EraseError::Mark { path, source: Some(source) })?;
    Ok(Some(Erasure { leaf, tombstone }))
}

/// The files of a generation that is being written.
struct NextGeneration<'a> {
    paths: &'a LedgerPaths,
    id: SegmentId,
}

impl NextGeneration<'_> {
    fn staged(&self, part: SegmentPart) -> PathBuf {
        staged_path(&self.paths.segment(self.id, part))
    }
}

/// What is to be destroyed in one segment.
struct Destroyed {
    /// Ascending, and within the segment.
    leaves: Vec<Range<u64>>,
}

impl Destroyed {
    fn has(&self, leaf: u64) -> bool {
        self.touches(&(leaf..leaf + 1))
    }

    fn touches(&self, leaves: &Range<u64>) -> bool {
        let after = self.leaves.partition_point(|range| range.end <= leaves.start);
        self.leaves.get(after).is_some_and(|range| range.start < leaves.end)
    }

    /// What of it the segment still holds.
    fn present_in(&self, segment: &SegmentFile) -> Result<Erased, EraseError> {
        let mut present = Erased::default();
        for (block, leaves, _) in extents(segment) {
            if self.touches(&leaves) {
                let block = segment.read_block(block)?;
                for (_, position) in block.leaves().zip(0..).filter(|(leaf, _)| self.has(*leaf)) {
                    let captured = block.captured(position);
                    present.entries += u64::from(captured.is_some());
                    present.bytes += captured.map_or(0, <[u8]>::len) as u64;
                }
            }
        }
        Ok(present)
    }

    /// Whether a salt of it is still there.
    fn has_salts(&self, paths: &LedgerPaths, id: SegmentId) -> Result<bool, EraseError> {
        let salts = read_salts(paths.disk(), &paths.segment(id, SegmentPart::Salts), id)?;
        Ok(self.leaves.iter().cloned().flatten().any(|leaf| {
            salts.salts(leaf).is_some_and(|salts| salts.captured.is_some() || salts.received.is_some())
        }))
    }

    /// Copies the blocks: those without destroyed entries byte for byte. Returns where they are now.
    fn copy_blocks(
        &self,
        old: &SegmentFile,
        next: SegmentId,
        (file, blocks): (&mut GrowingFile, &mut BlockEncoder),
    ) -> Result<Vec<BlockRef>, EraseError> {
        file.write(&header(FileKind::Segment, next, old).encode())?;
        let mut table = Vec::with_capacity(old.blocks.len());
        for (block, leaves, bytes) in extents(old) {
            if !self.touches(&leaves) {
                // Read in full, so that damage is met here and not carried over under a new name.
                old.read_block(block)?;
                table.push(BlockRef { first_leaf: block.first_leaf, offset: file.length() });
                file.write(&old.read_rest(block.offset, bytes)?)?;
                continue;
            }
            let mut encoded = EncodedBlocks::default();
            let mut sink =
                BlockSink { encoded: &mut encoded, file_offset: file.length(), next_leaf: block.first_leaf };
            self.put_entries(&old.read_block(block)?, blocks);
            blocks.flush(&mut sink).map_err(EraseError::Compress)?;
            table.append(&mut encoded.blocks);
            file.write(&encoded.bytes)?;
        }
        Ok(table)
    }

    fn put_entries(&self, block: &Block, encoder: &mut BlockEncoder) {
        for (leaf, position) in block.leaves().zip(0..) {
            let captured = block.captured(position).filter(|_| !self.has(leaf));
            encoder.put(&EntryBytes { envelope: block.envelope_bytes(position), captured });
        }
    }

    /// Copies the salts of what stays, chunk by chunk.
    fn copy_salts(
        &self,
        salts: &SaltsFile,
        next: SegmentId,
        (file, table, blocks_end): (&mut GrowingFile, &[BlockRef], u64),
    ) -> Result<(), EraseError> {
        let Some(old) = &salts.header else { return Ok(()) };
        file.write(&FileHeader { generation: next.generation, ..*old }.encode())?;
        for chunk in &salts.chunks {
            let after = table.partition_point(|block| block.first_leaf < chunk.end_leaf());
            let leaves = chunk.first_leaf..chunk.end_leaf();
            let kept = leaves.zip(&chunk.salts).map(|(leaf, salts)| {
                if self.has(leaf) { EntrySalts { captured: None, received: None } } else { *salts }
            });
            let chunk = SaltsChunk {
                first_leaf: chunk.first_leaf,
                segment_end: table.get(after).map_or(blocks_end, |block| block.offset),
                salts: kept.collect(),
            };
            file.write(&chunk.encode())?;
        }
        Ok(())
    }
}

/// Each block with its leaves and the bytes that it takes in the file.
fn extents(segment: &SegmentFile) -> impl Iterator<Item = (BlockRef, Range<u64>, u64)> + '_ {
    segment.blocks.iter().zip(1..).map(|(block, following)| {
        let next = segment.blocks.get(following);
        let end_leaf = next.map_or(segment.end_leaf, |next| next.first_leaf);
        let end = next.map_or(segment.blocks_end, |next| next.offset);
        (*block, block.first_leaf..end_leaf, end - block.offset)
    })
}

fn header(kind: FileKind, id: SegmentId, old: &SegmentFile) -> FileHeader {
    FileHeader { kind, index: id.index, generation: id.generation, leaf_capacity: old.header.leaf_capacity }
}

fn overlap(left: &Range<u64>, right: &Range<u64>) -> Option<Range<u64>> {
    let range = left.start.max(right.start)..left.end.min(right.end);
    (!range.is_empty()).then_some(range)
}
