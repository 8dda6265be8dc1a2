//! Reads a ledger at its published checkpoint: entries, salts and proofs. It takes no lock and writes nothing, so
//! questions are asked while a writer is at work.
//!
//! [`Reader::entry`] checks blocks against their checksums, not against the tree: whoever must be sure asks for
//! [`Reader::proven_entry`] or runs [`crate::verify`]. The anchor is not read: it may be out of a questioner's reach.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::checkpoint::{CheckpointRefused, SignedCheckpoint};
use crate::commitment::commit_captured;
use crate::damage::FileError;
use crate::durable::Disk;
use crate::envelope::Envelope;
use crate::hash::{Hash, leaf_hash};
use crate::note::VerifierKey;
use crate::offline_proof::OfflineProof;
use crate::partial_tree::gap_hashes;
use crate::paths::{LedgerPaths, SegmentId, SegmentPart};
use crate::proof::{
    LeafAt, ProofError, ProofRefused, consistency_proof, inclusion_proof, prefix_root, verify_inclusion,
};
use crate::recent::Recent;
use crate::salts::{EntrySalts, SaltsChunk, SaltsFile};
use crate::salts_table::SaltsTable;
use crate::segment::{Block, SEGMENT_LEAVES};
use crate::segment_file::{SegmentFile, read_salts_bytes};
use crate::tile_files::TileFiles;

/// Decompressed bytes of blocks kept: some hundred ordinary blocks.
const BLOCK_BYTES_KEPT: usize = 32 << 20;
/// Open segments kept, each with its table of blocks; and as many open salts files, each with its table of chunks.
const SEGMENTS_KEPT: usize = 64;
/// Salts kept, with the chunks that they came in: some 4 MiB.
const SALTS_KEPT: usize = 1 << 16;

/// A ledger at one checkpoint.
#[derive(Debug)]
pub struct Reader {
    pub(crate) paths: LedgerPaths,
    checkpoint: SignedCheckpoint,
    tiles: TileFiles,
    kept: Mutex<Kept>,
}

/// One entry. It shares the decompressed block that it came in.
#[derive(Debug, Clone)]
pub struct Entry {
    leaf: u64,
    position: usize,
    block: Arc<Block>,
}

/// Streams entries in order of leaves, one block in memory at a time. Ends after the first error.
#[derive(Debug)]
pub struct Entries<'a> {
    reader: &'a Reader,
    leaves: Range<u64>,
    block: Option<Arc<Block>>,
}

/// Why a ledger could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file could not be read, or is damaged.
    #[error(transparent)]
    File(#[from] FileError),
    /// The published checkpoint is refused.
    #[error("the checkpoint `{}` is refused", path.display())]
    Checkpoint {
        /// The published checkpoint.
        path: PathBuf,
        /// Why.
        #[source]
        source: CheckpointRefused,
    },
    /// The leaf is not in the ledger at this checkpoint.
    #[error("leaf {leaf} is not in the ledger, whose checkpoint has {size} leaves")]
    BeyondCheckpoint {
        /// Leaf asked for.
        leaf: u64,
        /// Leaves at the checkpoint.
        size: u64,
    },
    /// No file holds a segment that the checkpoint covers.
    #[error("segment {index} is missing from `{}`", folder.display())]
    SegmentMissing {
        /// Index of the segment.
        index: u64,
        /// Where it should be.
        folder: PathBuf,
    },
    /// The salts file has no salts for a leaf that the checkpoint covers.
    #[error("the salts of leaf {leaf} are missing from `{}`", path.display())]
    SaltsMissing {
        /// The leaf.
        leaf: u64,
        /// The salts file.
        path: PathBuf,
    },
    /// The bytes of the entry were erased; a tombstone in the ledger says by whose authority.
    #[error("the bytes of leaf {leaf} were erased")]
    Erased {
        /// The leaf.
        leaf: u64,
    },
    /// A proof could not be built.
    #[error("cannot build the proof")]
    Proof(#[source] ProofError<FileError>),
    /// The captured bytes are not those that the envelope commits to.
    #[error("the captured bytes of leaf {leaf} are not those that were committed to: they were altered")]
    NotCommitted {
        /// The leaf.
        leaf: u64,
    },
    /// The envelope is not in the tree of the checkpoint.
    #[error("leaf {leaf} is not the one that the signed checkpoint covers: it was altered")]
    NotCovered {
        /// The leaf.
        leaf: u64,
        /// Why.
        #[source]
        source: ProofRefused,
    },
}

#[derive(Debug)]
struct Kept {
    /// Read again when a file is gone: an erasure puts another generation in its place.
    list: SegmentList,
    segments: Recent<u32, SegmentFile>,
    blocks: Recent<(u32, Range<u64>), Block>,
    salts_tables: Recent<u32, SaltsTable>,
    salts: Recent<(u32, Range<u64>), SaltsChunk>,
}

impl Reader {
    /// Opens a ledger at its published checkpoint, which must verify by `key`.
    pub fn open(paths: &LedgerPaths, key: &VerifierKey) -> Result<Self, ReadError> {
        let path = paths.published_checkpoint();
        let note = paths.disk().read(&path).map_err(|error| FileError::read(&path, error))?;
        let checkpoint =
            SignedCheckpoint::open(&note, key).map_err(|source| ReadError::Checkpoint { path, source })?;
        Self::at(paths, checkpoint)
    }

    /// Opens a ledger at an earlier checkpoint of its own, such as one that a caller kept.
    pub fn at(paths: &LedgerPaths, checkpoint: SignedCheckpoint) -> Result<Self, ReadError> {
        let kept = Kept {
            list: SegmentList::read(paths)?,
            segments: Recent::new(SEGMENTS_KEPT),
            blocks: Recent::new(BLOCK_BYTES_KEPT),
            salts_tables: Recent::new(SEGMENTS_KEPT),
            salts: Recent::new(SALTS_KEPT),
        };
        let tiles = TileFiles::on(paths.disk().clone(), &paths.ledger);
        Ok(Self { paths: paths.clone(), checkpoint, tiles, kept: Mutex::new(kept) })
    }

    /// The checkpoint at which this reader reads.
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }

    /// Leaves at the checkpoint.
    pub fn size(&self) -> u64 {
        self.checkpoint.size()
    }

    /// One entry.
    pub fn entry(&self, leaf: u64) -> Result<Entry, ReadError> {
        let block = self.block_holding(leaf)?;
        let position = (leaf - block.leaves().start) as usize;
        Ok(Entry { leaf, position, block })
    }

    /// One entry, once it is proven to be what was signed: its captured bytes open the commitment, and its envelope is
    /// in the tree of the checkpoint. An answer rests on entries read this way only. Of an erased entry the envelope is
    /// proven.
    pub fn proven_entry(&self, leaf: u64) -> Result<Entry, ReadError> {
        let entry = self.entry(leaf)?;
        if let Some(captured) = entry.captured() {
            // Bytes without their salt cannot be told from others; only erasure takes salts, and it takes both.
            let salt = self.salts(leaf)?.captured.ok_or(ReadError::NotCommitted { leaf })?;
            if commit_captured(&salt, captured) != entry.envelope().captured {
                return Err(ReadError::NotCommitted { leaf });
            }
        }
        let proof = self.inclusion_proof(leaf)?;
        let place = LeafAt { index: leaf, hash: entry.leaf_hash() };
        verify_inclusion(place, self.checkpoint.checkpoint().tree_head(), &proof)
            .map_err(|source| ReadError::NotCovered { leaf, source })?;
        Ok(entry)
    }

    /// The entries of a range in order. Leaves beyond the checkpoint are refused when they are reached.
    pub fn entries(&self, leaves: Range<u64>) -> Entries<'_> {
        Entries { reader: self, leaves, block: None }
    }

    /// The salts of one entry, with which a commitment can be opened to someone else.
    pub fn salts(&self, leaf: u64) -> Result<EntrySalts, ReadError> {
        if let Some(salts) = self.salts_in_chunk(leaf)? {
            return Ok(salts);
        }
        // No whole chunk has them: only the whole file tells why.
        let read = |id| read_salts_bytes(self.paths.disk(), &self.paths.segment(id, SegmentPart::Salts), id);
        let bytes = self.of_newest(leaf, read)?;
        let path = self.paths.segment(self.segment_of(leaf)?, SegmentPart::Salts);
        let found = SaltsFile::find(&bytes, leaf)
            .map_err(|damage| FileError::damage(&path, damage.offset, damage.problem))?;
        found.ok_or(ReadError::SaltsMissing { leaf, path })
    }

    /// Proof that a leaf is in the tree of the checkpoint.
    pub fn inclusion_proof(&self, leaf: u64) -> Result<Vec<Hash>, ReadError> {
        inclusion_proof(&self.tiles, leaf, self.size()).map_err(ReadError::Proof)
    }

    /// The same proof together with the checkpoint, to hand to someone without the ledger.
    pub fn offline_proof(&self, leaf: u64) -> Result<OfflineProof, ReadError> {
        let hashes = self.inclusion_proof(leaf)?;
        Ok(OfflineProof { extra: None, index: leaf, hashes, checkpoint: self.checkpoint.note().to_owned() })
    }

    /// Proof that the tree of `old` leaves, which is not empty, is a prefix of the tree of the checkpoint.
    pub fn consistency_proof(&self, old: u64) -> Result<Vec<Hash>, ReadError> {
        consistency_proof(&self.tiles, old, self.size()).map_err(ReadError::Proof)
    }

    /// The root that the tree had when it had `size` leaves.
    pub fn root_at(&self, size: u64) -> Result<Hash, ReadError> {
        prefix_root(&self.tiles, size, self.size()).map_err(ReadError::Proof)
    }

    /// The hashes that fill a gap between leaves, for a [`crate::PartialTree`].
    pub fn gap_hashes(&self, gap: Range<u64>) -> Result<Vec<Hash>, ReadError> {
        gap_hashes(&self.tiles, gap, self.size()).map_err(ReadError::Proof)
    }

    fn salts_in_chunk(&self, leaf: u64) -> Result<Option<EntrySalts>, ReadError> {
        let index = self.segment_of(leaf)?.index;
        let holds = |(of, leaves): &(u32, Range<u64>)| *of == index && leaves.contains(&leaf);
        if let Some(chunk) = self.kept().salts.find(holds) {
            return Ok(chunk.salts_of(leaf));
        }
        let known = self.kept().salts_tables.find(|key| *key == index);
        let table = if let Some(table) = known {
            table
        } else {
            let table = self.of_newest(leaf, |id| SaltsTable::open(&self.paths, id))?;
            self.kept().salts_tables.keep(index, table, 1)
        };
        let Some(chunk) = table.chunk_of(leaf)? else { return Ok(None) };
        let (key, cost) = ((index, chunk.first_leaf..chunk.end_leaf()), chunk.salts.len());
        Ok(self.kept().salts.keep(key, chunk, cost).salts_of(leaf))
    }

    /// What was used last. Files are read and blocks unpacked without this lock, so that several threads can.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        // A poisoned lock means that a reader panicked; what it kept is whole.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn block_holding(&self, leaf: u64) -> Result<Arc<Block>, ReadError> {
        let index = self.segment_of(leaf)?.index;
        let holds = |(of, leaves): &(u32, Range<u64>)| *of == index && leaves.contains(&leaf);
        if let Some(block) = self.kept().blocks.find(holds) {
            return Ok(block);
        }
        let known = self.kept().segments.find(|key| *key == index);
        let segment = if let Some(segment) = known {
            segment
        } else {
            let segment = self.of_newest(leaf, |id| SegmentFile::open(&self.paths, id, self.size()))?;
            self.kept().segments.keep(index, segment, 1)
        };
        let missing = || ReadError::BeyondCheckpoint { leaf, size: self.size() };
        let block = segment.read_block(segment.block_holding(leaf).ok_or_else(missing)?)?;
        if !block.leaves().contains(&leaf) {
            return Err(missing());
        }
        let cost = block.raw_bytes();
        Ok(self.kept().blocks.keep((index, block.leaves()), block, cost))
    }

    /// Reads a file of the segment that holds `leaf`. Where it is gone, a writer may just have put another generation in
    /// its place, so the newest one is looked for once more.
    fn of_newest<T>(
        &self,
        leaf: u64,
        read: impl Fn(SegmentId) -> Result<T, FileError>,
    ) -> Result<T, ReadError> {
        match read(self.segment_of(leaf)?) {
            Err(error) if error.is_absence() => {
                let list = SegmentList::read(&self.paths)?;
                self.kept().list = list;
                Ok(read(self.segment_of(leaf)?)?)
            }
            result => Ok(result?),
        }
    }

    fn segment_of(&self, leaf: u64) -> Result<SegmentId, ReadError> {
        if leaf >= self.size() {
            return Err(ReadError::BeyondCheckpoint { leaf, size: self.size() });
        }
        let list = &self.kept().list;
        let index = leaf / u64::from(list.leaf_capacity);
        list.find(index).ok_or_else(|| ReadError::SegmentMissing { index, folder: self.paths.segments() })
    }
}

impl Entry {
    /// Index of its leaf.
    pub fn leaf(&self) -> u64 {
        self.leaf
    }

    /// What its envelope says.
    pub fn envelope(&self) -> &Envelope {
        self.block.envelope(self.position)
    }

    /// Its envelope, byte for byte: the data of the leaf.
    pub fn envelope_bytes(&self) -> &[u8] {
        self.block.envelope_bytes(self.position)
    }

    /// The bytes captured, as received except for what was withheld; `None` once they were erased.
    pub fn captured(&self) -> Option<&[u8]> {
        self.block.captured(self.position)
    }

    /// The bytes captured, for whoever cannot go on without them.
    ///
    /// # Errors
    /// [`ReadError::Erased`] once they were erased.
    pub fn kept(&self) -> Result<&[u8], ReadError> {
        self.captured().ok_or(ReadError::Erased { leaf: self.leaf })
    }

    /// The RFC 6962 hash of its leaf.
    pub fn leaf_hash(&self) -> Hash {
        leaf_hash(self.envelope_bytes())
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let leaf = self.leaves.next()?;
        let block = match self.block.take().filter(|block| block.leaves().contains(&leaf)) {
            Some(block) => block,
            None => match self.reader.block_holding(leaf) {
                Ok(block) => block,
                Err(error) => {
                    self.leaves = 0..0;
                    return Some(Err(error));
                }
            },
        };
        let position = (leaf - block.leaves().start) as usize;
        self.block = Some(Arc::clone(&block));
        Some(Ok(Entry { leaf, position, block }))
    }
}

/// The newest generation of each segment.
#[derive(Debug)]
pub(crate) struct SegmentList {
    newest: BTreeMap<u32, u32>,
    /// Leaves a segment; the default where there is none yet.
    pub(crate) leaf_capacity: u32,
}

impl SegmentList {
    /// Lists the folder of segments. Names of other files are left to [`crate::verify`].
    pub(crate) fn read(paths: &LedgerPaths) -> Result<Self, FileError> {
        let files = list_folder(paths.disk(), &paths.segments())?;
        let newest = newest_generations(files.iter().filter_map(|path| SegmentId::parse(path)));
        let mut list = Self { newest, leaf_capacity: SEGMENT_LEAVES };
        // Every segment of a ledger has the same capacity. Where there is but one, its header may be torn and nothing
        // in it acknowledged; if it is damaged instead, whoever reads an entry meets the error again.
        if let Some(first) = list.find(0) {
            match SegmentFile::walk(paths, first, 0) {
                Ok(segment) => list.leaf_capacity = segment.header.leaf_capacity,
                Err(error) if list.newest.len() > 1 => return Err(error),
                Err(_) => {}
            }
        }
        Ok(list)
    }

    pub(crate) fn find(&self, index: u64) -> Option<SegmentId> {
        let index = u32::try_from(index).ok()?;
        self.newest.get(&index).map(|generation| SegmentId { index, generation: *generation })
    }

    /// The segment with the highest index.
    pub(crate) fn last(&self) -> Option<SegmentId> {
        self.newest
            .last_key_value()
            .map(|(index, generation)| SegmentId { index: *index, generation: *generation })
    }

    /// The lowest index that has no segment though a higher one has.
    pub(crate) fn first_gap(&self) -> Option<u64> {
        self.newest
            .keys()
            .zip(0_u64..)
            .find(|(index, expected)| u64::from(**index) != *expected)
            .map(|(_, gap)| gap)
    }
}

/// A whole file; `None` where there is none.
pub(crate) fn read_if_present(disk: &Disk, path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    match disk.read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::read(path, error)),
    }
}

/// The generation of each segment that counts: the highest of which both files are there. A crash while the next one
/// takes its place leaves one file of it. Where no generation has both, it is the highest.
pub(crate) fn newest_generations(
    files: impl Iterator<Item = (SegmentId, SegmentPart)>,
) -> BTreeMap<u32, u32> {
    let mut parts: BTreeMap<SegmentId, u8> = BTreeMap::new();
    for (id, _) in files {
        *parts.entry(id).or_default() += 1;
    }
    let mut newest: BTreeMap<u32, (bool, u32)> = BTreeMap::new();
    for (id, count) in parts {
        let found = (count == 2, id.generation);
        let best = newest.entry(id.index).or_insert(found);
        *best = found.max(*best);
    }
    newest.into_iter().map(|(index, (_, generation))| (index, generation)).collect()
}

/// Paths in a folder, sorted.
pub(crate) fn list_folder(disk: &Disk, folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let listed = disk.list(folder).map_err(|error| FileError::read(folder, error))?;
    Ok(listed.into_iter().map(|(path, _)| path).collect())
}
