//! Checks everything that a ledger claims about itself, file by file and leaf by leaf, and reports all that is wrong.
//!
//! It recomputes every checksum, commitment, leaf hash, tile and root, and compares. It needs no lock, changes
//! nothing and repairs nothing, and it never stops at the first problem. What it cannot know: whether a record was
//! true, or ever reached the ledger; whether anchor and ledger were put back together (a witness knows).

mod erasures;
mod inventory;
mod segments;
mod tile_names;
mod tiles;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;

use crate::anchor::AnchorError;
use crate::checkpoint::{CheckpointRefused, SignedCheckpoint};
use crate::damage::{FileError, FormatProblem};
use crate::envelope::Kind;
use crate::hash::Hash;
use crate::note::{NoteError, VerifierKey};
use crate::paths::{LedgerPaths, SegmentId};
use crate::proof::prefix_root;
use crate::read::read_if_present;
use crate::tile::TilePath;
use crate::tile_files::TileFiles;
use crate::tombstone::{Tombstone, TombstoneError};
use crate::verify::erasures::{LeafSet, check_erasures};
use crate::verify::inventory::Inventory;
use crate::verify::segments::{SegmentCheck, check_segment};
use crate::verify::tiles::TreeCheck;
use crate::witnessed::{WitnessedError, read_witnessed};

/// Problems listed; more are counted only, so that a ledger that is wrong throughout cannot exhaust memory.
const PROBLEMS_LISTED_MAX: usize = 10_000;

/// Threads that check segments. One reads and decompresses while another hashes; more gain little on small machines.
const CHECKING_THREADS: usize = 2;

/// How far a check has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Entries checked.
    pub entries: u64,
    /// Entries of the checkpoint; 0 where none could be read.
    pub expected: u64,
}

/// What a check found.
#[derive(Debug, Default)]
pub struct Report {
    /// The checkpoint that everything was compared with: the published one, or else the anchor's.
    pub checkpoint: Option<SignedCheckpoint>,
    /// What was checked.
    pub counts: Counts,
    /// What is wrong, in order of files. At most 10,000 are listed.
    pub problems: Vec<Problem>,
    /// Problems found beyond those listed.
    pub problems_unlisted: u64,
}

/// What was checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Entries read, by kind.
    pub entries: BTreeMap<Kind, u64>,
    /// Entries that are durable but beyond the checkpoint.
    pub entries_uncommitted: u64,
    /// Entries whose bytes were erased.
    pub erased: u64,
    /// Captured bytes.
    pub captured_bytes: u64,
    /// Segments.
    pub segments: u64,
    /// Blocks.
    pub blocks: u64,
    /// Salts that opened a commitment to captured bytes.
    pub salts: u64,
    /// Tiles compared, partial ones included.
    pub tiles: u64,
    /// Entry bundles compared, partial ones included.
    pub bundles: u64,
    /// Bytes at the end of the last segment and its salts that were never acknowledged. A writer is at work, or
    /// crashed: opening the ledger cuts them off.
    pub unacknowledged_bytes: u64,
}

/// Something that is not as it must be.
#[derive(Debug)]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// Where in it.
    pub place: Place,
    /// What is wrong.
    pub cause: Cause,
}

/// Where a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The file as a whole.
    File,
    /// Bytes before it in the file.
    Offset(u64),
    /// The entry it concerns.
    Leaf(u64),
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The operating system does not give the bytes.
    #[error("cannot be read")]
    Unreadable(#[source] io::Error),
    /// The file must be there.
    #[error("is missing")]
    Missing,
    /// Nothing accounts for the file.
    #[error("is not part of the ledger")]
    Unknown,
    /// The bytes are not what the format asks for.
    #[error("is damaged")]
    Damaged(#[source] FormatProblem),
    /// A checkpoint is refused.
    #[error("is refused")]
    CheckpointRefused(#[source] CheckpointRefused),
    /// The anchor does not give its note.
    #[error("does not give the anchor")]
    Anchor(#[source] AnchorError),
    /// Anchor and published checkpoint differ.
    #[error("has another checkpoint (size {found}) than the anchor (size {expected})")]
    NotTheAnchors {
        /// Leaves in the anchor's.
        expected: u64,
        /// Leaves in the published one.
        found: u64,
    },
    /// The tree has another root than the one that was signed.
    #[error("signs root `{expected}`, the entries give `{found}`")]
    Root {
        /// Root in the checkpoint.
        expected: Hash,
        /// Root of the entries.
        found: Hash,
    },
    /// Fewer entries than the checkpoint covers.
    #[error("signs {expected} entries, {found} are acknowledged")]
    EntriesMissing {
        /// Leaves in the checkpoint.
        expected: u64,
        /// Leaves acknowledged.
        found: u64,
    },
    /// Captured bytes are not those that were committed to.
    #[error("holds other captured bytes than those committed to")]
    Commitment,
    /// An entry has no salt for a commitment, or one too many.
    #[error("has {found} salts for an entry with {expected} commitments")]
    Salts {
        /// Commitments in the envelope.
        expected: u64,
        /// Salts in the file.
        found: u64,
    },
    /// The envelope in an entry bundle is not the one in the segment.
    #[error("holds another envelope than the segment")]
    Envelope,
    /// A hash in a tile is not the one that the entries give.
    #[error("holds hash `{found}`, the entries give `{expected}`")]
    TileHash {
        /// Hash that the entries give.
        expected: Hash,
        /// Hash in the tile.
        found: Hash,
    },
    /// The bytes of a tombstone are none.
    #[error("is a tombstone that cannot be read")]
    Tombstone(#[source] TombstoneError),
    /// Bytes were destroyed, and nothing in the ledger says by whose authority.
    #[error("was erased, with all up to leaf {end}, and no tombstone says so")]
    ErasedWithoutTombstone {
        /// Leaf behind the last one.
        end: u64,
    },
    /// A tombstone says that bytes were destroyed, and they are there.
    #[error(
        "is there, with all up to leaf {end}, though the tombstone at leaf {tombstone} says that it was erased"
    )]
    NotErased {
        /// Leaf behind the last one.
        end: u64,
        /// Leaf of the tombstone.
        tombstone: u64,
    },
    /// The mark of an erasure that is under way is damaged.
    #[error("does not say which erasure is under way")]
    Mark,
    /// What an erasure that was cut off left: bytes that should be gone, or a generation that was not finished.
    #[error("was left by an erasure that was cut off; opening the ledger for writing removes it")]
    Leftover,
    /// An entry refers to one that is not before it or of another kind.
    #[error("refers to leaf {reference}, which is no earlier {expected}")]
    Reference {
        /// Leaf referred to.
        reference: u64,
        /// Kind that it should have.
        expected: &'static str,
    },
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}`", self.path.display())?;
        match self.place {
            Place::File => {}
            Place::Offset(offset) => write!(formatter, " at offset {offset}")?,
            Place::Leaf(leaf) => write!(formatter, " at leaf {leaf}")?,
        }
        write!(formatter, " {}", self.cause)
    }
}

impl std::error::Error for Problem {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.source()
    }
}

/// Checks the ledger at `paths` by `key` and reports everything that is wrong. `progress` is called now and then, from
/// several threads.
///
/// A writer may append meanwhile; one that publishes meanwhile may make the two checkpoints differ for a moment, which is
/// reported as such.
pub fn verify(paths: &LedgerPaths, key: &VerifierKey, progress: &(dyn Fn(Progress) + Sync)) -> Report {
    let mut report = Report::default();
    let mut problems = Problems::default();
    report.checkpoint = check_notes(paths, key, &mut problems);
    let mut inventory = Inventory::read(paths, &mut problems);
    let committed = report.checkpoint.as_ref().map_or(0, SignedCheckpoint::size);
    let segments = inventory.take_segments(&mut problems);
    let scope =
        Scope { paths, committed, last: segments.last().copied(), progress, checked: AtomicU64::new(0) };
    let mut merge = Merge {
        tree: TreeCheck::new(paths, report.checkpoint.as_ref()),
        counts: Counts::default(),
        streams: BTreeSet::new(),
        objects: BTreeSet::new(),
        erased: LeafSet::default(),
        tombstones: BTreeMap::new(),
        next_leaf: 0,
    };
    check_segments(&scope, &segments, |check| merge.add(check, &mut inventory, &mut problems));
    let durable = merge.next_leaf;
    if durable < committed {
        let cause = Cause::EntriesMissing { expected: committed, found: durable };
        problems.push(&paths.published_checkpoint(), Place::File, cause);
    }
    merge.tree.finish(&mut merge.counts, &mut inventory, &mut problems);
    check_erasures(paths, &merge.erased, &merge.tombstones, &mut problems);
    check_witnessed(paths, key, committed, &mut problems);
    inventory.check_rest(committed, durable, &mut problems);
    report.counts = merge.counts;
    report.counts.entries_uncommitted = durable.saturating_sub(committed);
    (report.problems, report.problems_unlisted) = problems.finish();
    report
}

/// What every segment is checked against.
struct Scope<'a> {
    paths: &'a LedgerPaths,
    /// Leaves of the checkpoint.
    committed: u64,
    /// The only segment that may be short.
    last: Option<SegmentId>,
    progress: &'a (dyn Fn(Progress) + Sync),
    /// Entries checked by all threads together.
    checked: AtomicU64,
}

impl Scope<'_> {
    fn report_progress(&self, newly_checked: u64) {
        let entries = self.checked.fetch_add(newly_checked, Ordering::Relaxed) + newly_checked;
        (self.progress)(Progress { entries, expected: self.committed });
    }
}

/// Collects problems up to the limit.
#[derive(Debug, Default)]
struct Problems {
    listed: Vec<Problem>,
    unlisted: u64,
}

impl Problems {
    fn push(&mut self, path: &Path, place: Place, cause: Cause) {
        if self.listed.len() < PROBLEMS_LISTED_MAX {
            self.listed.push(Problem { path: path.to_owned(), place, cause });
        } else {
            self.unlisted += 1;
        }
    }

    fn push_file_error(&mut self, error: FileError) {
        match error {
            FileError::Read { path, source } if source.kind() == io::ErrorKind::NotFound => {
                self.push(&path, Place::File, Cause::Missing);
            }
            FileError::Read { path, source } => self.push(&path, Place::File, Cause::Unreadable(source)),
            FileError::Damage(damage) => {
                self.push(&damage.path, Place::Offset(damage.offset), Cause::Damaged(damage.problem));
            }
        }
    }

    fn append(&mut self, other: Self) {
        self.unlisted += other.unlisted;
        for problem in other.listed {
            self.push(&problem.path, problem.place, problem.cause);
        }
    }

    fn finish(mut self) -> (Vec<Problem>, u64) {
        self.listed.sort_by(|left, right| left.path.cmp(&right.path));
        (self.listed, self.unlisted)
    }
}

/// Verifies both notes; returns the published checkpoint, or the anchor's where that is all there is.
fn check_notes(paths: &LedgerPaths, key: &VerifierKey, problems: &mut Problems) -> Option<SignedCheckpoint> {
    let published_path = paths.published_checkpoint();
    let published = match read_if_present(paths.disk(), &published_path) {
        Ok(note) => check_note(&published_path, note, key, problems),
        Err(error) => {
            problems.push_file_error(error);
            None
        }
    };
    let anchor = paths.anchor_store();
    let anchor_path = PathBuf::from(anchor.place());
    let anchor = match anchor.read() {
        Ok(anchored) => check_note(&anchor_path, anchored.map(|anchored| anchored.note), key, problems),
        Err(AnchorError::Read(error)) => {
            problems.push_file_error(error);
            None
        }
        Err(error) => {
            problems.push(&anchor_path, Place::File, Cause::Anchor(error));
            None
        }
    };
    if let (Some(published), Some(anchor)) = (&published, &anchor)
        && !published.extends(anchor)
    {
        let cause = Cause::NotTheAnchors { expected: anchor.size(), found: published.size() };
        problems.push(&published_path, Place::File, cause);
    }
    published.or(anchor)
}

fn check_note(
    path: &Path,
    note: Option<Vec<u8>>,
    key: &VerifierKey,
    problems: &mut Problems,
) -> Option<SignedCheckpoint> {
    let Some(note) = note else {
        problems.push(path, Place::File, Cause::Missing);
        return None;
    };
    match SignedCheckpoint::open(&note, key) {
        Ok(checkpoint) => Some(checkpoint),
        Err(refused) => {
            problems.push(path, Place::File, Cause::CheckpointRefused(refused));
            None
        }
    }
}

/// Checks the note that witnesses cosigned, where there is one: it has to be of this tree when it was smaller. Whether
/// its witnesses were enough is a question of a policy, not of the ledger.
fn check_witnessed(paths: &LedgerPaths, key: &VerifierKey, committed: u64, problems: &mut Problems) {
    let path = paths.witnessed_checkpoint();
    let witnessed = match read_witnessed(paths, key) {
        Ok(None) => return,
        Ok(Some(witnessed)) => witnessed,
        // By an earlier key of the ledger, until witnesses have cosigned a checkpoint by its successor.
        Err(WitnessedError::Refused {
            source: CheckpointRefused::Note(NoteError::NotSignedBy { .. }),
            ..
        }) => {
            return;
        }
        Err(WitnessedError::Refused { source, .. }) => {
            return problems.push(&path, Place::File, Cause::CheckpointRefused(source));
        }
        Err(WitnessedError::Read(error)) => return problems.push_file_error(error),
        Err(_) => return problems.push(&path, Place::File, Cause::Unknown),
    };
    if witnessed.size() > committed {
        let cause = Cause::EntriesMissing { expected: witnessed.size(), found: committed };
        return problems.push(&path, Place::File, cause);
    }
    let tiles = TileFiles::on(paths.disk().clone(), &paths.ledger);
    match prefix_root(&tiles, witnessed.size(), committed) {
        Ok(found) if found == witnessed.root() => {}
        Ok(found) => {
            problems.push(&path, Place::File, Cause::Root { expected: witnessed.root(), found });
        }
        // The tiles that it would take are damaged, which has been reported.
        Err(_) => {}
    }
}

/// Checks segments on several threads and hands over the results in order.
fn check_segments(scope: &Scope<'_>, segments: &[SegmentId], mut take: impl FnMut(SegmentCheck)) {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::sync_channel(CHECKING_THREADS);
    std::thread::scope(|threads| {
        for _ in 0..CHECKING_THREADS.min(segments.len()) {
            let (sender, next) = (sender.clone(), &next);
            threads.spawn(move || {
                while let Some((position, id)) = claim(next, segments) {
                    // The receiver outlives the senders, unless it panicked, and then there is nobody to tell.
                    if sender.send((position, check_segment(scope, id))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut early = BTreeMap::new();
        let mut expected = 0;
        for (position, check) in receiver {
            early.insert(position, check);
            while let Some(check) = early.remove(&expected) {
                take(check);
                expected += 1;
            }
        }
    });
}

fn claim(next: &AtomicUsize, segments: &[SegmentId]) -> Option<(usize, SegmentId)> {
    let position = next.fetch_add(1, Ordering::Relaxed);
    segments.get(position).map(|id| (position, *id))
}

/// Joins the results of segments, in order, into one tree.
struct Merge<'a> {
    tree: TreeCheck<'a>,
    counts: Counts,
    streams: BTreeSet<u64>,
    objects: BTreeSet<u64>,
    erased: LeafSet,
    tombstones: BTreeMap<u64, Tombstone>,
    /// Leaf after the last acknowledged one seen.
    next_leaf: u64,
}

impl Merge<'_> {
    fn add(&mut self, check: SegmentCheck, inventory: &mut Inventory, problems: &mut Problems) {
        problems.append(check.problems);
        for id in &check.bundles_checked {
            inventory.take_tile(TilePath::Bundle(*id));
        }
        self.counts.add(&check.counts);
        self.streams.extend(&check.streams);
        self.objects.extend(&check.objects);
        self.erased.append(&check.erased);
        self.tombstones.extend(check.tombstones);
        let references = [
            (&check.stream_references, &self.streams, Kind::Stream),
            (&check.object_references, &self.objects, Kind::Object),
        ];
        for (references, known, kind) in references {
            for (reference, leaf) in references {
                // The set may hold later leaves of this segment, which an entry must not refer to either.
                if reference >= leaf || !known.contains(reference) {
                    let cause = Cause::Reference { reference: *reference, expected: kind.name() };
                    problems.push(&check.path, Place::Leaf(*leaf), cause);
                }
            }
        }
        // After a gap the leaves cannot be put into the tree; the gap itself has been reported.
        if check.first_leaf == self.next_leaf {
            self.next_leaf += check.leaf_hashes.len() as u64;
            for hash in check.leaf_hashes {
                self.tree.push(hash, &mut self.counts, inventory, problems);
            }
        }
    }
}

impl Counts {
    fn add(&mut self, other: &Self) {
        for (kind, count) in &other.entries {
            *self.entries.entry(*kind).or_default() += count;
        }
        self.erased += other.erased;
        self.captured_bytes += other.captured_bytes;
        self.segments += other.segments;
        self.blocks += other.blocks;
        self.salts += other.salts;
        self.bundles += other.bundles;
        self.unacknowledged_bytes += other.unacknowledged_bytes;
    }
}
