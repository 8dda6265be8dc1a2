//! Finds the salts of one entry without reading the file that holds those of 65,536: the headers of its chunks say
//! which chunk has them, and that one is read.
//!
//! It finds and does not judge: where a header or a chunk is not whole, it finds nothing from there on, and whoever
//! asks reads the whole file, which tells a torn tail from damage.

use std::path::PathBuf;

use crate::damage::FileError;
use crate::durable::OpenFile;
use crate::paths::{LedgerPaths, SegmentId, SegmentPart};
use crate::salts::{CHUNK_HEADER_BYTES, SaltsChunk};
use crate::segment::{FILE_HEADER_BYTES, FileHeader, FileKind};
use crate::segment_file::check_identity;

/// Bytes that are read at a time while headers are looked for. Chunks of a group commit have some 20 KiB, those of
/// single entries 74 bytes.
const WINDOW_BYTES: usize = 4 << 10;

/// An open salts file and where its chunks are.
#[derive(Debug)]
pub(crate) struct SaltsTable {
    path: PathBuf,
    file: Box<dyn OpenFile>,
    /// In order of leaves.
    chunks: Vec<ChunkPlace>,
}

/// Where a chunk is, as its header says.
#[derive(Clone, Copy, Debug)]
struct ChunkPlace {
    first_leaf: u64,
    end_leaf: u64,
    offset: u64,
    length: usize,
}

impl SaltsTable {
    /// Opens the salts of a segment and reads the headers of its chunks. A writer may be at work on the last of them.
    pub(crate) fn open(paths: &LedgerPaths, id: SegmentId) -> Result<Self, FileError> {
        let path = paths.segment(id, SegmentPart::Salts);
        let file = paths.disk().open(&path).map_err(|error| FileError::read(&path, error))?;
        let length = file.length().map_err(|error| FileError::read(&path, error))?;
        let mut table = Self { path, file, chunks: Vec::new() };
        let header = table.read(0, FILE_HEADER_BYTES.min(length as usize))?;
        FileHeader::decode(FileKind::Salts, &header)
            .and_then(|header| check_identity(header, id))
            .map_err(|problem| FileError::damage(&table.path, 0, problem))?;
        table.walk(length)?;
        Ok(table)
    }

    /// The chunk that has the salts of a leaf; `None` where no whole chunk was found that has.
    pub(crate) fn chunk_of(&self, leaf: u64) -> Result<Option<SaltsChunk>, FileError> {
        let after = self.chunks.partition_point(|chunk| chunk.first_leaf <= leaf);
        let found = after.checked_sub(1).and_then(|place| self.chunks.get(place));
        let Some(place) = found.filter(|place| leaf < place.end_leaf) else { return Ok(None) };
        let bytes = self.read(place.offset, place.length)?;
        Ok(SaltsChunk::decode(&bytes).ok().map(|(chunk, _)| chunk))
    }

    /// Notes the chunks that are whole by their headers and lie in the first `length` bytes.
    fn walk(&mut self, length: u64) -> Result<(), FileError> {
        let (mut window, mut window_start) = (Vec::new(), 0);
        let mut offset = FILE_HEADER_BYTES as u64;
        while offset + CHUNK_HEADER_BYTES as u64 <= length {
            if offset + CHUNK_HEADER_BYTES as u64 > window_start + window.len() as u64 {
                window = self.read(offset, WINDOW_BYTES.min((length - offset) as usize))?;
                window_start = offset;
            }
            let header = &window[(offset - window_start) as usize..];
            let Ok((leaves, bytes)) = SaltsChunk::extent(header) else { break };
            let Some(end) = offset.checked_add(bytes as u64).filter(|end| *end <= length) else { break };
            let (first_leaf, end_leaf) = (leaves.start, leaves.end);
            self.chunks.push(ChunkPlace { first_leaf, end_leaf, offset, length: bytes });
            offset = end;
        }
        Ok(())
    }

    fn read(&self, offset: u64, count: usize) -> Result<Vec<u8>, FileError> {
        let mut bytes = vec![0; count];
        let read = self.file.read_exact_at(&mut bytes, offset);
        read.map(|()| bytes).map_err(|error| FileError::read(&self.path, error))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::durable::replace_file;
    use crate::salts::{EntrySalts, SaltsFile};
    use crate::segment::SEGMENT_LEAVES;

    const ID: SegmentId = SegmentId { index: 0, generation: 0 };

    fn chunk(first_leaf: u64, count: u64) -> SaltsChunk {
        let salts = (first_leaf..first_leaf + count)
            .map(|leaf| EntrySalts { captured: (leaf % 7 != 3).then_some([leaf as u8; 32]), received: None });
        SaltsChunk { first_leaf, segment_end: 64 + first_leaf, salts: salts.collect() }
    }

    fn opened(bytes: &[u8]) -> Result<SaltsTable, FileError> {
        let folder = tempfile::tempdir().unwrap();
        let paths = LedgerPaths::new(folder.path(), folder.path());
        let path = paths.segment(ID, SegmentPart::Salts);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        replace_file(&path, bytes).unwrap();
        SaltsTable::open(&paths, ID)
    }

    fn header(index: u32) -> Vec<u8> {
        let header =
            FileHeader { kind: FileKind::Salts, index, generation: 0, leaf_capacity: SEGMENT_LEAVES };
        header.encode().to_vec()
    }

    /// A file with chunks of single entries, which share a window, and of several hundred, which fill some.
    fn file() -> Vec<u8> {
        let mut bytes = header(0);
        let mut next = 0;
        for count in [1, 1, 300, 2, 1, 700, 1].into_iter().chain([1; 200]) {
            bytes.extend(chunk(next, count).encode());
            next += count;
        }
        bytes
    }

    #[test]
    fn it_finds_what_the_whole_file_has() {
        let bytes = file();
        let table = opened(&bytes).unwrap();
        for leaf in 0..1_300 {
            let found = table.chunk_of(leaf).unwrap().and_then(|chunk| chunk.salts_of(leaf));
            assert_eq!(found, SaltsFile::find(&bytes, leaf).unwrap(), "{leaf}");
        }
    }

    #[test]
    fn behind_a_cut_or_a_flip_it_finds_nothing() {
        let bytes = file();
        let whole = SaltsFile::decode(&bytes);
        for length in (FILE_HEADER_BYTES..bytes.len()).step_by(97) {
            let table = opened(&bytes[..length]).unwrap();
            let end = SaltsFile::decode(&bytes[..length]).chunks.last().map_or(0, SaltsChunk::end_leaf);
            for leaf in [0, end.saturating_sub(1), end, end + 1] {
                let found = table.chunk_of(leaf).unwrap().and_then(|chunk| chunk.salts_of(leaf));
                assert_eq!(found, whole.salts(leaf).filter(|_| leaf < end), "{leaf} of {length} bytes");
            }
        }
        let first_length = chunk(0, 1).encode().len();
        for offset in FILE_HEADER_BYTES..FILE_HEADER_BYTES + first_length {
            let mut flipped = bytes.clone();
            flipped[offset] ^= 4;
            assert_eq!(opened(&flipped).unwrap().chunk_of(0).unwrap(), None, "{offset}");
        }
    }

    #[test]
    fn the_file_of_another_segment_is_refused() {
        assert!(opened(&header(1)).is_err());
        assert!(opened(&header(0)[..40]).is_err());
        assert!(opened(&header(0)).unwrap().chunk_of(0).unwrap().is_none());
    }
}
