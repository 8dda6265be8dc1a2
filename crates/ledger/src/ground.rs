//! Which files hold the ground of a ledger at one checkpoint: what a copy of it needs, byte for byte, and nothing that
//! can be derived. A writer may be at work; it changes nothing below the checkpoint but by a new generation.

use std::path::PathBuf;

use crate::checkpoint::SignedCheckpoint;
use crate::damage::FileError;
use crate::durable::DerivedFiles;
use crate::note::VerifierKey;
use crate::paths::{LedgerPaths, SEGMENTS, SegmentPart};
use crate::read::{ReadError, Reader, SegmentList};
use crate::rebuild::{RebuildError, Rebuilt, rebuild_tiles};
use crate::salts::SaltsChunk;
use crate::segment::FILE_HEADER_BYTES;
use crate::segment_file::{SegmentFile, read_salts};

/// A file that holds ground.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroundFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its name below the ledger's folder.
    pub name: String,
    /// Bytes of it that the checkpoint covers; behind them a writer may be at work.
    pub length: u64,
    /// Whether no writer ever changes it: it is full, and erasure gives it another name.
    pub is_final: bool,
}

/// The files that hold the entries of a checkpoint, in order.
pub fn ground_files(
    paths: &LedgerPaths,
    checkpoint: &SignedCheckpoint,
) -> Result<Vec<GroundFile>, ReadError> {
    let list = SegmentList::read(paths)?;
    let (size, capacity) = (checkpoint.size(), u64::from(list.leaf_capacity));
    let mut files = Vec::new();
    for index in 0..size.div_ceil(capacity) {
        let folder = paths.segments();
        let id = list.find(index).ok_or(ReadError::SegmentMissing { index, folder })?;
        let is_final = (index + 1) * capacity <= size;
        let parts = [SegmentPart::Blocks, SegmentPart::Salts];
        let lengths = if is_final {
            let length = |part| {
                let path = paths.segment(id, part);
                paths.disk().length(&path).map_err(|error| FileError::read(&path, error))
            };
            [length(parts[0])?, length(parts[1])?]
        } else {
            // The blocks of the checkpoint's last entry may be followed by others, in both files.
            let path = paths.segment(id, SegmentPart::Salts);
            let salts = read_salts(paths.disk(), &path, id)?;
            let covered = salts.chunks.iter().take_while(|chunk| chunk.end_leaf() <= size);
            let salts_bytes: usize = covered.clone().map(|chunk| chunk.encode().len()).sum();
            if covered.clone().last().map(SaltsChunk::end_leaf) != Some(size) {
                return Err(ReadError::SaltsMissing { leaf: size - 1, path });
            }
            let segment = SegmentFile::walk(paths, id, size)?;
            [segment.blocks_end, (FILE_HEADER_BYTES + salts_bytes) as u64]
        };
        for (part, length) in parts.into_iter().zip(lengths) {
            let name = format!("{SEGMENTS}/{}", id.file_name(part));
            files.push(GroundFile { path: paths.segment(id, part), name, length, is_final });
        }
    }
    Ok(files)
}

/// Writes every tile and entry bundle of the published checkpoint from the segments, for a ledger that was copied
/// without them. It needs no signing key and takes no lock: nobody may be writing.
pub fn rebuild_derived(paths: &LedgerPaths, key: &VerifierKey) -> Result<Rebuilt, RebuildError> {
    let reader = Reader::open(paths, key)?;
    let mut derived = DerivedFiles::new(paths.disk(), &paths.ledger)?;
    rebuild_tiles(paths, reader.checkpoint(), &mut derived).map(|(_, rebuilt)| rebuilt)
}
