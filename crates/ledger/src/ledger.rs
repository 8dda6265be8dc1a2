//! The writer: its state, and how a new ledger is made. [`crate::append`], [`crate::publish`] and [`crate::open`]
//! hold what it does. One writer at a time holds a ledger, by a lock.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::anchor::{AnchorError, AnchorStore, Anchored};
use crate::append::SaltsFrom;
use crate::checkpoint::SignedCheckpoint;
use crate::damage::FileError;
use crate::durable::{DerivedFiles, DurableError, GrowingFile};
use crate::hash::EMPTY_ROOT;
use crate::key::KeyPair;
use crate::lock::{Lock, LockError};
use crate::paths::{LOCK, LedgerPaths, SEGMENTS};
use crate::proof::TreeHead;
use crate::read::{ReadError, Reader, list_folder};
use crate::segment::{BlockEncoder, BlockRef, SEGMENT_LEAVES};
use crate::tile_builder::TileBuilder;

/// A ledger open for writing. Dropping it loses nothing that was acknowledged; entries that no checkpoint covers yet
/// are covered when it is opened again.
pub struct Ledger {
    pub(crate) paths: LedgerPaths,
    pub(crate) key: KeyPair,
    pub(crate) settings: Settings,
    pub(crate) anchor: Arc<dyn AnchorStore>,
    /// What this writer read in the anchor or put there last.
    pub(crate) anchored: Anchored,
    /// The checkpoint in the anchor, which is also the published one between calls.
    pub(crate) committed: SignedCheckpoint,
    /// The tree over the entries integrated so far.
    pub(crate) tree: TileBuilder,
    /// Envelopes that are durable but not integrated.
    pub(crate) pending: EnvelopeQueue,
    /// Leaves that are durable.
    pub(crate) durable_size: u64,
    /// The segment that grows; `None` before the first entry and after a segment filled up.
    pub(crate) segment: Option<OpenSegment>,
    pub(crate) derived: DerivedFiles,
    pub(crate) encoder: BlockEncoder,
    /// Set while a durable step is under way, and for good once one failed.
    pub(crate) poisoned: bool,
    /// Released last: fields are dropped in order.
    pub(crate) _lock: Lock,
}

/// What only tests change.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Leaves in a new segment. The header of a segment states it, so a ledger is read with whatever it was made.
    pub(crate) segment_leaves: u32,
    pub(crate) salts_from: SaltsFrom,
}

/// The segment that grows.
pub(crate) struct OpenSegment {
    pub(crate) blocks: GrowingFile,
    pub(crate) salts: GrowingFile,
    pub(crate) table: Vec<BlockRef>,
    /// Leaf after the last that the segment may hold.
    pub(crate) end_leaf: u64,
}

/// Encoded envelopes one after the other.
#[derive(Debug, Default)]
pub(crate) struct EnvelopeQueue {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// Why a ledger could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The folder holds something else already.
    #[error("cannot create a ledger in `{}`: the folder is not empty, it holds `{}`", folder.display(), found.display())]
    NotEmpty {
        /// The ledger's folder.
        folder: PathBuf,
        /// One thing in it.
        found: PathBuf,
    },
    /// The anchor is that of another ledger.
    #[error("cannot create a ledger: the anchor `{place}` holds a checkpoint already")]
    AnchorInUse {
        /// The anchor.
        place: String,
    },
    /// Another process is making or writing it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file could not be read.
    #[error(transparent)]
    Read(#[from] FileError),
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] DurableError),
    /// The anchor could not be read or written.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    /// The compressor could not be set up.
    #[error("cannot set up compression")]
    Compressor(#[source] io::Error),
}

impl Default for Settings {
    fn default() -> Self {
        Self { segment_leaves: SEGMENT_LEAVES, salts_from: SaltsFrom::System }
    }
}

impl Ledger {
    /// Makes a new, empty ledger whose origin is that of `key`, with a signed checkpoint of size 0.
    pub fn create(paths: &LedgerPaths, key: KeyPair) -> Result<Self, CreateError> {
        Self::create_with(paths, key, Settings::default())
    }

    pub(crate) fn create_with(
        paths: &LedgerPaths,
        key: KeyPair,
        settings: Settings,
    ) -> Result<Self, CreateError> {
        let disk = paths.disk();
        disk.create_folder(&paths.ledger)?;
        let lock = Lock::take(disk, &paths.lock())?;
        require_empty(paths)?;
        disk.create_folder(&paths.segments())?;
        let anchor = paths.anchor.store(disk);
        anchor.prepare()?;
        if anchor.read()?.is_some() {
            return Err(CreateError::AnchorInUse { place: anchor.place() });
        }
        let committed = SignedCheckpoint::sign(TreeHead { size: 0, root: EMPTY_ROOT }, &key);
        // A crash before this leaves folders in which `create` starts over.
        let anchored = anchor.replace(None, committed.note())?;
        // A crash here leaves an anchor without a published checkpoint: `open` publishes it.
        disk.replace_file(&paths.published_checkpoint(), committed.note().as_bytes())?;
        Ok(Self {
            paths: paths.clone(),
            key,
            anchor,
            anchored,
            committed,
            tree: TileBuilder::default(),
            pending: EnvelopeQueue::default(),
            durable_size: 0,
            segment: None,
            derived: DerivedFiles::new(disk, &paths.ledger)?,
            encoder: BlockEncoder::new().map_err(CreateError::Compressor)?,
            poisoned: false,
            settings,
            _lock: lock,
        })
    }

    /// Leaves that are durable: the leaf that the next entry gets.
    pub fn size(&self) -> u64 {
        self.durable_size
    }

    /// The last checkpoint signed and published.
    pub fn committed(&self) -> &SignedCheckpoint {
        &self.committed
    }

    /// The key that signs its checkpoints.
    pub fn key(&self) -> &KeyPair {
        &self.key
    }

    /// Where its files are.
    pub fn paths(&self) -> &LedgerPaths {
        &self.paths
    }

    /// A reader at the last checkpoint.
    pub fn reader(&self) -> Result<Reader, ReadError> {
        Reader::at(&self.paths, self.committed.clone())
    }

    /// Runs something that writes. If it fails, or panics, the state of the disk is unknown and the writer stays
    /// poisoned: only opening the ledger again finds out what is there.
    pub(crate) fn guarded<T, E>(&mut self, write: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        self.poisoned = true;
        let value = write(self)?;
        self.poisoned = false;
        Ok(value)
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Ledger")
            .field("paths", &self.paths)
            .field("durable_size", &self.durable_size)
            .field("committed_size", &self.committed.size())
            .field("poisoned", &self.poisoned)
            .finish_non_exhaustive()
    }
}

impl EnvelopeQueue {
    pub(crate) fn push(&mut self, envelope: &[u8]) {
        self.bytes.extend_from_slice(envelope);
        self.ends.push(self.bytes.len());
    }

    pub(crate) fn append(&mut self, other: &Self) {
        other.iter().for_each(|envelope| self.push(envelope));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = [0].into_iter().chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }
}

/// An earlier `create` that crashed before it wrote the anchor leaves a lock and an empty folder of segments.
fn require_empty(paths: &LedgerPaths) -> Result<(), CreateError> {
    for found in list_folder(paths.disk(), &paths.ledger)? {
        let name = found.file_name();
        let left_over = name.is_some_and(|name| name == LOCK)
            || (name.is_some_and(|name| name == SEGMENTS) && list_folder(paths.disk(), &found)?.is_empty());
        if !left_over {
            return Err(CreateError::NotEmpty { folder: paths.ledger.clone(), found });
        }
    }
    Ok(())
}
