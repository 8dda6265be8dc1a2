//! Opening a ledger for writing: finds out what is durable, cuts off what a crash tore, refuses what no crash
//! explains, and finishes a publication that a crash interrupted. `docs/formats/ledger.md`, "Recovery".
//!
//! Nothing on disk is changed before the anchor has been compared with what is durable. The cost depends on the last
//! segment and on what no checkpoint covers yet, not on the size of the ledger.

use std::io;
use std::path::{Path, PathBuf};

use crate::anchor::{AnchorError, AnchorStore, Anchored};
use crate::checkpoint::{CheckpointRefused, SignedCheckpoint};
use crate::damage::{FileError, FormatProblem};
use crate::durable::{DerivedFiles, DurableError, GrowingFile, STAGED, staged_path};
use crate::key::KeyPair;
use crate::ledger::{EnvelopeQueue, Ledger, OpenSegment, Settings};
use crate::lock::{Lock, LockError};
use crate::note::VerifierKey;
use crate::paths::{LedgerPaths, SegmentId, SegmentPart};
use crate::proof::{ProofError, TileSource as _, prefix_root};
use crate::publish::CheckpointError;
use crate::read::{ReadError, Reader, SegmentList, list_folder, newest_generations, read_if_present};
use crate::rebuild::{RebuildError, Rebuilt, rebuild_tiles};
use crate::right_edge::RightEdge;
use crate::salts::{SaltsChunk, SaltsTail};
use crate::segment::{BlockEncoder, encode_footer, require};
use crate::segment_file::{SegmentFile, read_salts};
use crate::tile::{BundleId, push_bundle_entry};
use crate::tile_builder::TileBuilder;
use crate::tile_files::TileFiles;

/// What opening a ledger found and did. After a clean close everything but the sizes is zero.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Leaves that the anchor's checkpoint covered when the ledger was opened.
    pub anchor_size: u64,
    /// Leaves that are durable, all of which are kept.
    pub durable_size: u64,
    /// Bytes of records cut off the last segment: never acknowledged.
    pub record_bytes_cut: u64,
    /// Bytes of salts cut off: never acknowledged.
    pub salts_bytes_cut: u64,
    /// Files that an erasure left when it was cut off: generations that no longer count, or were never finished.
    pub leftovers_removed: u64,
    /// Segments without an acknowledged entry that were removed.
    pub segments_removed: u64,
    /// Footers of full segments written again.
    pub footers_written: u64,
    /// Tiles and entry bundles written again from the segments, because they were missing or damaged.
    pub rebuilt: Rebuilt,
    /// Whether the anchor's checkpoint had still to be published.
    pub publication_finished: bool,
}

/// Why a ledger was not opened. Nothing was changed, unless the variant says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no ledger.
    #[error("there is no ledger in `{}`; `create` makes one", folder.display())]
    NotALedger {
        /// The folder given.
        folder: PathBuf,
    },
    /// Another process writes to it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file could not be read, or is damaged in a way that no crash explains.
    #[error(transparent)]
    File(#[from] FileError),
    /// The anchor could not be read, or what a crash left of it not be settled.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    /// The anchor holds no checkpoint, though there is a ledger.
    #[error(
        "the anchor `{place}` is missing, though there is a ledger; put the anchor back from where it is kept, and if it \
         is lost, compare the published checkpoint with one that a witness or auditor kept"
    )]
    AnchorMissing {
        /// The anchor.
        place: String,
        /// The published note; `None` where there is none, but segments are there.
        published: Option<String>,
    },
    /// The anchor's note is refused.
    #[error("the anchor `{place}` is refused; it may belong to another ledger, or the key to another origin")]
    AnchorRefused {
        /// The anchor.
        place: String,
        /// Why.
        #[source]
        source: CheckpointRefused,
    },
    /// The published note is refused.
    #[error(
        "the published checkpoint `{}` is refused; if it is damaged, remove it and the anchor's is published again",
        path.display()
    )]
    PublishedRefused {
        /// The published checkpoint.
        path: PathBuf,
        /// Why.
        #[source]
        source: CheckpointRefused,
    },
    /// The published checkpoint is larger than the anchor's: the anchor was put back to an older state.
    #[error(
        "the published checkpoint has {published_size} leaves, the anchor only {anchor_size}: the anchor was put back \
         to an older state\n--- anchor\n{anchor}--- published\n{published}"
    )]
    PublishedAhead {
        /// Leaves in the anchor's checkpoint.
        anchor_size: u64,
        /// Leaves in the published one.
        published_size: u64,
        /// The anchor's note.
        anchor: String,
        /// The published note.
        published: String,
    },
    /// Fewer leaves are durable than the anchor's checkpoint covers: the ledger was put back to an older state, or
    /// cut.
    #[error(
        "the anchor's checkpoint has {anchor_size} leaves, the ledger only {durable_size}: it was put back to an older \
         state or cut, and appending would fork it; restore it from a newer copy\n--- anchor\n{anchor}--- published\n{}",
        published.as_deref().unwrap_or("(none)\n")
    )]
    Rollback {
        /// Leaves in the anchor's checkpoint.
        anchor_size: u64,
        /// Leaves that are durable.
        durable_size: u64,
        /// The anchor's note.
        anchor: String,
        /// The published note, if there is one.
        published: Option<String>,
    },
    /// Another tree than the one that was signed.
    #[error(
        "the ledger holds another tree of {size} leaves than the one that was signed: a fork, or a change to its \
         files; restore it from a copy made before\n--- signed\n{signed}--- found\n{found}"
    )]
    Fork {
        /// Leaves in both trees.
        size: u64,
        /// The anchor's note.
        signed: String,
        /// The other signed note, or the unsigned checkpoint text that the files would give.
        found: String,
    },
    /// A segment is missing between others.
    #[error("segment {index} is missing from `{}`", folder.display())]
    SegmentMissing {
        /// Its index.
        index: u64,
        /// Where it should be.
        folder: PathBuf,
    },
    /// Two generations of a segment hold different entries, which no erasure does.
    #[error(
        "`{}` holds another entry at leaf {leaf} than the generation before it, which no erasure does; keep both, and \
         remove the one that `verify` finds wrong",
        path.display()
    )]
    Generations {
        /// The newer one.
        path: PathBuf,
        /// First leaf in question.
        leaf: u64,
    },
    /// A read of entries or tiles failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A proof of the published checkpoint could not be computed.
    #[error("cannot compare the published checkpoint with the tree")]
    Proof(#[source] ProofError<FileError>),
    /// A repair failed. Part of it may have been done; opening again repeats it.
    #[error(transparent)]
    Repair(#[from] DurableError),
    /// Tiles could not be rebuilt. Part of it may have been done; opening again repeats it.
    #[error("cannot rebuild the tiles")]
    Rebuild(#[source] RebuildError),
    /// Entries ahead of the anchor could not be committed. Opening again repeats it.
    #[error("cannot commit the entries that are ahead of the anchor")]
    Commit(#[source] CheckpointError),
    /// Compression could not be set up.
    #[error("cannot set up compression")]
    Compressor(#[source] io::Error),
}

impl Ledger {
    /// Opens a ledger for writing, after a clean close or a crash. All durable entries are committed when it returns.
    pub fn open(paths: &LedgerPaths, key: KeyPair) -> Result<(Self, Recovery), OpenError> {
        Self::open_with(paths, key, Settings::default())
    }

    pub(crate) fn open_with(
        paths: &LedgerPaths,
        key: KeyPair,
        mut settings: Settings,
    ) -> Result<(Self, Recovery), OpenError> {
        // Looked for before the lock, which would leave a file in a folder that is none of ours.
        if !paths.disk().is_folder(&paths.segments()) {
            return Err(OpenError::NotALedger { folder: paths.ledger.clone() });
        }
        let lock = Lock::take(paths.disk(), &paths.lock())?;
        let anchor = paths.anchor_store();
        let (notes, anchored) = Notes::read(paths, anchor.as_ref(), key.verifier())?;
        let list = SegmentList::read(paths)?;
        if list.last().is_some() {
            settings.segment_leaves = list.leaf_capacity;
        }
        let end = DurableEnd::find(paths, &list)?;
        notes.require_reached(end.size)?;
        let mut recovery =
            Recovery { anchor_size: notes.anchor.size(), durable_size: end.size, ..Recovery::default() };
        let mut derived = DerivedFiles::new(paths.disk(), &paths.ledger)?;
        let tree = load_tree(paths, &notes.anchor, &mut derived, &mut recovery)?;
        notes.require_published_is_prefix(paths)?;
        // From here on the ledger is known to be the one that was signed, and is written to.
        recovery.leftovers_removed = remove_leftovers(paths, recovery.durable_size)?;
        let segment = end.repair(paths, &mut recovery)?;
        for replaced in [paths.published_checkpoint(), paths.witnessed_checkpoint(), paths.erasure()] {
            paths.disk().remove_if_present(&staged_path(&replaced))?;
        }
        anchor.settle()?;
        let mut ledger = Self {
            paths: paths.clone(),
            key,
            anchor,
            anchored,
            committed: notes.anchor.clone(),
            tree,
            pending: EnvelopeQueue::default(),
            durable_size: recovery.durable_size,
            segment,
            derived,
            encoder: BlockEncoder::new().map_err(OpenError::Compressor)?,
            poisoned: false,
            settings,
            _lock: lock,
        };
        ledger.finish_publication(&notes, &mut recovery)?;
        Ok((ledger, recovery))
    }

    fn finish_publication(&mut self, notes: &Notes, recovery: &mut Recovery) -> Result<(), OpenError> {
        // With the cosignatures of witnesses behind it, it is still the anchor's.
        let is_published = notes.published.as_ref().is_some_and(|published| published.extends(&notes.anchor));
        if !is_published {
            // A crash between anchor and publication. Published before going on, so that readers never wait for a
            // ledger that fails further down.
            self.publish(notes.anchor.note())?;
            recovery.publication_finished = true;
        }
        let ahead = self.committed.size()..self.durable_size;
        if ahead.is_empty() {
            return Ok(());
        }
        // Blocks are read one at a time and put into the tree at once, so memory stays bounded however much is ahead.
        let list = SegmentList::read(&self.paths)?;
        let capacity = u64::from(list.leaf_capacity);
        for index in ahead.start / capacity..=(ahead.end - 1) / capacity {
            let id = list.find(index).ok_or_else(|| missing(&self.paths, index))?;
            let segment = SegmentFile::walk(&self.paths, id, self.durable_size)?;
            let committed_blocks = segment.blocks.partition_point(|block| block.first_leaf <= ahead.start);
            // The last of these may reach beyond the checkpoint.
            for block in &segment.blocks[committed_blocks.saturating_sub(1)..] {
                let block = segment.read_block(*block)?;
                for leaf in block.leaves().filter(|leaf| ahead.contains(leaf)) {
                    self.pending.push(block.envelope_bytes((leaf - block.leaves().start) as usize));
                }
                self.integrate()?;
            }
        }
        self.checkpoint().map_err(OpenError::Commit)?;
        Ok(())
    }
}

/// The two notes of a ledger, verified.
struct Notes {
    anchor: SignedCheckpoint,
    published: Option<SignedCheckpoint>,
}

impl Notes {
    fn read(
        paths: &LedgerPaths,
        anchor: &dyn AnchorStore,
        key: &VerifierKey,
    ) -> Result<(Self, Anchored), OpenError> {
        let published_path = paths.published_checkpoint();
        let published = read_if_present(paths.disk(), &published_path)?;
        let place = anchor.place();
        let anchored = match (anchor.read()?, &published) {
            (Some(anchored), _) => anchored,
            // A crash while a ledger is made leaves neither note and no segment: there is no ledger yet.
            (None, None) if SegmentList::read(paths).map_or(true, |list| list.last().is_none()) => {
                return Err(OpenError::NotALedger { folder: paths.ledger.clone() });
            }
            (None, published) => {
                let published = published.as_ref().map(|note| String::from_utf8_lossy(note).into_owned());
                return Err(OpenError::AnchorMissing { place, published });
            }
        };
        let anchor = SignedCheckpoint::open(&anchored.note, key)
            .map_err(|source| OpenError::AnchorRefused { place, source })?;
        let published = published
            .map(|note| SignedCheckpoint::open(&note, key))
            .transpose()
            .map_err(|source| OpenError::PublishedRefused { path: published_path, source })?;
        let notes = Self { anchor, published };
        notes.compare()?;
        Ok((notes, anchored))
    }

    fn compare(&self) -> Result<(), OpenError> {
        let Some(published) = &self.published else { return Ok(()) };
        let (anchor, published_note) = (self.anchor.note().to_owned(), published.note().to_owned());
        if published.size() > self.anchor.size() {
            return Err(OpenError::PublishedAhead {
                anchor_size: self.anchor.size(),
                published_size: published.size(),
                anchor,
                published: published_note,
            });
        }
        if published.size() == self.anchor.size() && published.root() != self.anchor.root() {
            return Err(OpenError::Fork { size: self.anchor.size(), signed: anchor, found: published_note });
        }
        Ok(())
    }

    fn require_reached(&self, durable_size: u64) -> Result<(), OpenError> {
        if durable_size >= self.anchor.size() {
            return Ok(());
        }
        Err(OpenError::Rollback {
            anchor_size: self.anchor.size(),
            durable_size,
            anchor: self.anchor.note().to_owned(),
            published: self.published.as_ref().map(|published| published.note().to_owned()),
        })
    }

    /// A published checkpoint that is older than the anchor's must be of the same tree when it was smaller.
    fn require_published_is_prefix(&self, paths: &LedgerPaths) -> Result<(), OpenError> {
        let Some(published) =
            self.published.as_ref().filter(|published| published.size() < self.anchor.size())
        else {
            return Ok(());
        };
        let tiles = TileFiles::on(paths.disk().clone(), &paths.ledger);
        let root = prefix_root(&tiles, published.size(), self.anchor.size()).map_err(OpenError::Proof)?;
        if root == published.root() {
            return Ok(());
        }
        Err(OpenError::Fork {
            size: published.size(),
            signed: self.anchor.note().to_owned(),
            found: published.note().to_owned(),
        })
    }
}

/// Where the acknowledged entries end, and what lies beyond. Found without changing anything.
struct DurableEnd {
    /// Leaves acknowledged.
    size: u64,
    /// The last segment with an acknowledged entry.
    last: Option<LastSegment>,
    /// A segment behind it in which nothing is acknowledged.
    empty: Option<SegmentId>,
}

struct LastSegment {
    id: SegmentId,
    /// Leaf after the last acknowledged one.
    end_leaf: u64,
    /// Its blocks up to that leaf.
    segment: SegmentFile,
    /// Bytes of its salts file that are whole.
    salts_bytes: u64,
}

impl DurableEnd {
    fn find(paths: &LedgerPaths, list: &SegmentList) -> Result<Self, OpenError> {
        if let Some(index) = list.first_gap() {
            return Err(missing(paths, index));
        }
        let Some(newest) = list.last() else {
            return Ok(Self { size: 0, last: None, empty: None });
        };
        if let Some(last) = LastSegment::read(paths, newest)? {
            return Ok(Self { size: last.end_leaf, last: Some(last), empty: None });
        }
        // Only the newest segment can be without acknowledged entries: it is started when the one before is full.
        let Some(before) = newest.index.checked_sub(1) else {
            return Ok(Self { size: 0, last: None, empty: Some(newest) });
        };
        let before = list.find(u64::from(before)).ok_or_else(|| missing(paths, u64::from(before)))?;
        match LastSegment::read(paths, before)? {
            Some(full) if full.end_leaf == full.segment.header.end_leaf() => {
                Ok(Self { size: full.end_leaf, last: Some(full), empty: Some(newest) })
            }
            _ => Err(missing(paths, u64::from(before.index))),
        }
    }

    /// Cuts off what was never acknowledged, and opens the last segment for writing. A crash on the way leaves less to
    /// cut.
    fn repair(self, paths: &LedgerPaths, recovery: &mut Recovery) -> Result<Option<OpenSegment>, OpenError> {
        let disk = paths.disk();
        if let Some(empty) = self.empty {
            recovery.salts_bytes_cut += disk.remove_if_present(&paths.segment(empty, SegmentPart::Salts))?;
            recovery.record_bytes_cut +=
                disk.remove_if_present(&paths.segment(empty, SegmentPart::Blocks))?;
            recovery.segments_removed += 1;
        }
        // Names that the crashed process made may be in memory only. Whatever is built on now must outlive a power cut.
        for folder in [paths.segments(), paths.ledger.clone()] {
            disk.sync_folder(&folder)?;
        }
        self.last.map(|last| last.repair(paths, recovery)).transpose()
    }
}

impl LastSegment {
    /// Reads a segment up to its acknowledged end; `None` where nothing in it is acknowledged.
    fn read(paths: &LedgerPaths, id: SegmentId) -> Result<Option<Self>, OpenError> {
        let path = paths.segment(id, SegmentPart::Salts);
        let salts = match read_salts(paths.disk(), &path, id) {
            Err(error) if error.is_absence() => return Ok(None),
            salts => salts?,
        };
        if let SaltsTail::Damaged(problem) = salts.tail {
            return Err(FileError::damage(&path, salts.whole_bytes, problem).into());
        }
        let (Some(header), Some(last)) = (salts.header, salts.chunks.last()) else { return Ok(None) };
        check_chunks(header.first_leaf(), &salts.chunks)
            .map_err(|problem| FileError::damage(&path, salts.whole_bytes, problem))?;
        let end_leaf = last.end_leaf();
        let segment = SegmentFile::walk(paths, id, end_leaf)?;
        // The blocks were durable before their salts were written, so there is no crash in which they disagree.
        require("end of the acknowledged blocks", last.segment_end, segment.blocks_end)
            .and_then(|()| {
                require(
                    "leaf capacity",
                    u64::from(header.leaf_capacity),
                    u64::from(segment.header.leaf_capacity),
                )
            })
            .map_err(|problem| FileError::damage(&segment.path, segment.blocks_end, problem))?;
        Ok(Some(Self { id, end_leaf, segment, salts_bytes: salts.whole_bytes }))
    }

    fn repair(self, paths: &LedgerPaths, recovery: &mut Recovery) -> Result<OpenSegment, OpenError> {
        let disk = paths.disk();
        let mut salts = GrowingFile::open(disk, &paths.segment(self.id, SegmentPart::Salts))?;
        let mut blocks = GrowingFile::open(disk, &self.segment.path)?;
        let blocks_end = self.segment.blocks_end;
        let is_full = self.end_leaf == self.segment.header.end_leaf();
        let footer = if is_full { encode_footer(&self.segment.blocks) } else { Vec::new() };
        let rest = self.segment.read_rest(blocks_end, footer.len() as u64 + 1)?;
        if rest != footer {
            if !is_full {
                recovery.record_bytes_cut += blocks.length() - blocks_end;
            }
            blocks.truncate(blocks_end)?;
            blocks.write(&footer)?;
            recovery.footers_written += u64::from(is_full);
        }
        if salts.length() > self.salts_bytes {
            recovery.salts_bytes_cut += salts.length() - self.salts_bytes;
            salts.truncate(self.salts_bytes)?;
        }
        // A killed process may have left both in memory only; they are about to be signed.
        blocks.sync()?;
        salts.sync()?;
        let end_leaf = self.segment.header.end_leaf();
        Ok(OpenSegment { blocks, salts, table: self.segment.blocks, end_leaf })
    }
}

/// Commits follow each other without gaps, from the segment's first leaf on.
fn check_chunks(first_leaf: u64, chunks: &[SaltsChunk]) -> Result<(), FormatProblem> {
    let mut next = first_leaf;
    for chunk in chunks {
        require("first leaf of the salts chunk", next, chunk.first_leaf)?;
        next = chunk.end_leaf();
    }
    Ok(())
}

/// The tree at the anchor's checkpoint, from its tiles if they give the signed root, and from the segments otherwise.
fn load_tree(
    paths: &LedgerPaths,
    anchor: &SignedCheckpoint,
    derived: &mut DerivedFiles,
    recovery: &mut Recovery,
) -> Result<TileBuilder, OpenError> {
    if let Some(tree) = load_tree_from_tiles(paths, anchor)? {
        return Ok(tree);
    }
    match rebuild_tiles(paths, anchor, derived) {
        Ok((tree, rebuilt)) => {
            recovery.rebuilt = rebuilt;
            Ok(tree)
        }
        Err(RebuildError::OtherRoot { found }) => Err(OpenError::Fork {
            size: found.size,
            signed: anchor.note().to_owned(),
            found: format!("{}\n{}\n{}\n", anchor.checkpoint().origin, found.size, found.root),
        }),
        Err(error) => Err(OpenError::Rebuild(error)),
    }
}

/// `None` where a tile or bundle of the right edge is missing, damaged or differs from the segments.
fn load_tree_from_tiles(
    paths: &LedgerPaths,
    anchor: &SignedCheckpoint,
) -> Result<Option<TileBuilder>, OpenError> {
    let tiles = TileFiles::on(paths.disk().clone(), &paths.ledger);
    let edge = match RightEdge::load(anchor.size(), |id| tiles.tile(id)) {
        Ok(edge) if edge.root() == anchor.root() => edge,
        Ok(_) | Err(FileError::Damage(_)) => return Ok(None),
        Err(error) if error.is_absence() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let pending = edge.pending(0);
    let reader = Reader::at(paths, anchor.clone())?;
    let mut bundle = Vec::new();
    for (entry, expected) in reader.entries(anchor.size() - pending.len() as u64..anchor.size()).zip(pending)
    {
        let entry = entry?;
        if entry.leaf_hash() != *expected {
            return Ok(None);
        }
        push_bundle_entry(&mut bundle, entry.envelope_bytes());
    }
    if let Some(id) = BundleId::partial_at(anchor.size()) {
        let name = id.to_string();
        match paths.disk().read(&paths.ledger.join(&name)) {
            Ok(present) if present == bundle => {}
            // Whatever is wrong with it, it can be written again; what cannot be read for good fails there.
            _ => return Ok(None),
        }
    }
    Ok(Some(TileBuilder::resume(edge, bundle)))
}

/// Removes the files of segments that do not count: what an erasure replaced, or had not finished when it was cut off.
/// A crash on the way leaves fewer of them. Their absence is durable once [`DurableEnd::repair`] has synced the folder.
fn remove_leftovers(paths: &LedgerPaths, durable_size: u64) -> Result<u64, OpenError> {
    let files = list_folder(paths.disk(), &paths.segments())?;
    let newest = newest_generations(files.iter().filter_map(|path| SegmentId::parse(path)));
    let mut leftovers = Vec::new();
    for path in &files {
        let finished = path.to_str().and_then(|path| path.strip_suffix(STAGED)).map(Path::new);
        match (finished.and_then(SegmentId::parse), SegmentId::parse(path)) {
            (Some(_), _) => leftovers.push(path),
            (None, Some((id, part))) if newest.get(&id.index) != Some(&id.generation) => {
                let newer = newest.get(&id.index).filter(|generation| **generation > id.generation);
                if let (Some(generation), SegmentPart::Blocks) = (newer, part) {
                    let newer = SegmentId { generation: *generation, ..id };
                    require_same_entries(paths, (id, newer), durable_size)?;
                }
                leftovers.push(path);
            }
            _ => {}
        }
    }
    // Only now is it known that none of them is needed.
    leftovers.iter().try_for_each(|path| paths.disk().remove_file(path))?;
    Ok(leftovers.len() as u64)
}

/// Before an older generation goes: the newer one must hold the same entries, whatever bytes of theirs were erased.
fn require_same_entries(
    paths: &LedgerPaths,
    (older, newer): (SegmentId, SegmentId),
    durable_size: u64,
) -> Result<(), OpenError> {
    let older = SegmentFile::walk(paths, older, durable_size)?;
    let newer = SegmentFile::walk(paths, newer, durable_size)?;
    let differs = |leaf| OpenError::Generations { path: newer.path.clone(), leaf };
    if older.end_leaf != newer.end_leaf || older.blocks.len() != newer.blocks.len() {
        return Err(differs(older.end_leaf.min(newer.end_leaf)));
    }
    // An erasure keeps the entries of each block together.
    for (left, right) in older.blocks.iter().zip(&newer.blocks) {
        let (kept, rewritten) = (older.read_block(*left)?, newer.read_block(*right)?);
        if kept.leaves() != rewritten.leaves() {
            return Err(differs(left.first_leaf));
        }
        let different = kept
            .leaves()
            .zip(0..)
            .find(|(_, position)| kept.envelope_bytes(*position) != rewritten.envelope_bytes(*position));
        if let Some((leaf, _)) = different {
            return Err(differs(leaf));
        }
    }
    Ok(())
}

fn missing(paths: &LedgerPaths, index: u64) -> OpenError {
    OpenError::SegmentMissing { index, folder: paths.segments() }
}
