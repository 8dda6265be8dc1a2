//! Checks one segment: headers, blocks, footer, salts, commitments, and its entry bundles.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::commitment::commit_captured;
use crate::damage::{FileError, FormatProblem};
use crate::durable::Disk;
use crate::envelope::{Envelope, Kind};
use crate::hash::{Hash, leaf_hash};
use crate::paths::{SegmentId, SegmentPart};
use crate::salts::{SaltsChunk, SaltsFile, SaltsTail};
use crate::segment::{Block, BlockRef, encode_footer, require};
use crate::segment_file::{SegmentFile, read_salts};
use crate::tile::{BundleId, TILE_WIDTH, decode_bundle};
use crate::tombstone::Tombstone;
use crate::verify::erasures::LeafSet;
use crate::verify::{Cause, Counts, Place, Problems, Scope};

/// What one segment holds, and what is wrong with it.
#[derive(Debug, Default)]
pub(super) struct SegmentCheck {
    pub(super) path: PathBuf,
    pub(super) first_leaf: u64,
    /// Leaf hashes of its acknowledged entries; `None` where an entry cannot be read.
    pub(super) leaf_hashes: Vec<Option<Hash>>,
    pub(super) streams: BTreeSet<u64>,
    pub(super) objects: BTreeSet<u64>,
    /// Leaves referred to as streams, each with the first leaf that does.
    pub(super) stream_references: BTreeMap<u64, u64>,
    /// Leaves referred to as objects, each with the first leaf that does.
    pub(super) object_references: BTreeMap<u64, u64>,
    /// Leaves whose bytes were erased.
    pub(super) erased: LeafSet,
    /// Tombstones, by leaf.
    pub(super) tombstones: BTreeMap<u64, Tombstone>,
    /// The entry bundles compared.
    pub(super) bundles_checked: Vec<BundleId>,
    pub(super) counts: Counts,
    pub(super) problems: Problems,
}

/// Checks a segment. Whatever it meets, it goes on with what can still be checked.
pub(super) fn check_segment(scope: &Scope<'_>, id: SegmentId) -> SegmentCheck {
    let mut check =
        SegmentCheck { path: scope.paths.segment(id, SegmentPart::Blocks), ..SegmentCheck::default() };
    check.counts.segments = 1;
    let salts_path = scope.paths.segment(id, SegmentPart::Salts);
    let position = if scope.last == Some(id) { Position::Last } else { Position::Followed };
    let segment = match SegmentFile::walk(scope.paths, id, 0) {
        Ok(segment) => segment,
        Err(error) => return check.without_header(scope, id, error),
    };
    check.first_leaf = segment.header.first_leaf();
    let mut salts = match read_salts(scope.paths.disk(), &salts_path, id) {
        Ok(salts) => salts,
        Err(error)
            if error.is_absence() && position == Position::Last && check.first_leaf >= scope.committed =>
        {
            SaltsFile::decode(&[])
        }
        Err(error) => {
            check.problems.push_file_error(error);
            SaltsFile::decode(&[])
        }
    };
    // Damaged salts hide where the acknowledged entries end, but the checkpoint covers none that are not.
    let committed_end = scope.committed.min(segment.header.end_leaf());
    let place = SaltsPlace {
        disk: scope.paths.disk(),
        path: &salts_path,
        position,
        committed_end,
        segment: &segment,
    };
    let end_leaf = check.check_salts(&place, &mut salts).max(committed_end);
    check.leaf_hashes = vec![None; end_leaf.saturating_sub(check.first_leaf) as usize];
    let mut envelopes = Envelopes::new(check.first_leaf);
    if let Some(segment) = check.find_blocks(scope, id, end_leaf) {
        check.check_end(&segment, &salts, position);
        let of = SaltsOf { salts: &salts, path: &salts_path };
        for block in &segment.blocks {
            match segment.read_block(*block) {
                Ok(decoded) => {
                    check.check_block(&decoded, &of, &mut envelopes);
                    scope.report_progress(decoded.leaves().end - decoded.leaves().start);
                }
                Err(error) => check.problems.push_file_error(error),
            }
            check.compare_bundles(scope, &mut envelopes, block.first_leaf);
        }
    }
    check.compare_bundles(scope, &mut envelopes, end_leaf);
    check
}

/// Whether a segment may end in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    /// It grows.
    Last,
    /// It is full, as another one follows.
    Followed,
}

/// Where a salts file belongs.
struct SaltsPlace<'a> {
    disk: &'a Disk,
    path: &'a Path,
    position: Position,
    /// Leaf after the last of the segment that the checkpoint covers.
    committed_end: u64,
    segment: &'a SegmentFile,
}

/// Envelopes read and not yet compared with their bundle, by leaf.
struct Envelopes {
    read: BTreeMap<u64, Vec<u8>>,
    /// First leaf of the next bundle to compare.
    next_bundle_leaf: u64,
}

impl Envelopes {
    fn new(first_leaf: u64) -> Self {
        Self { read: BTreeMap::new(), next_bundle_leaf: first_leaf }
    }
}

impl SegmentCheck {
    /// Without its header nothing in a segment can be placed, except by the checkpoint.
    fn without_header(mut self, scope: &Scope<'_>, id: SegmentId, error: FileError) -> Self {
        // A crash while the last segment is started leaves no header, and nothing in it acknowledged; that the
        // checkpoint covers no entry of it shows in the number of entries.
        let torn = matches!(&error, FileError::Damage(damage) if matches!(damage.problem, FormatProblem::Short { .. }));
        if !(torn && scope.last == Some(id)) {
            self.problems.push_file_error(error);
        }
        self
    }

    /// Checks the salts file as such; returns the leaf after the last one that it acknowledges.
    fn check_salts(&mut self, place: &SaltsPlace<'_>, salts: &mut SaltsFile) -> u64 {
        let header = &place.segment.header;
        let mut damage =
            |offset, problem| self.problems.push(place.path, Place::Offset(offset), Cause::Damaged(problem));
        if let Some(found) = salts.header
            && let Err(problem) =
                require("leaf capacity", u64::from(header.leaf_capacity), u64::from(found.leaf_capacity))
        {
            damage(0, problem);
        }
        let mut next = header.first_leaf();
        for chunk in &salts.chunks {
            if let Err(problem) = require("first leaf of the salts chunk", next, chunk.first_leaf) {
                damage(0, problem);
            }
            next = chunk.end_leaf();
        }
        if next > header.end_leaf() {
            let problem = FormatProblem::Limit {
                what: "last leaf of the salts",
                limit: header.end_leaf(),
                found: next,
            };
            damage(0, problem);
            next = header.end_leaf();
        }
        let end_at_least =
            if place.position == Position::Last { place.committed_end } else { header.end_leaf() };
        if let Err(problem) = require("end of the acknowledged leaves", end_at_least.max(next), next) {
            damage(salts.whole_bytes, problem);
        }
        match std::mem::replace(&mut salts.tail, SaltsTail::Clean) {
            SaltsTail::Clean => {}
            SaltsTail::Torn if place.position == Position::Last => {
                let length = place.disk.length(place.path).unwrap_or(0);
                self.counts.unacknowledged_bytes += length.saturating_sub(salts.whole_bytes);
            }
            SaltsTail::Torn => {
                let problem = FormatProblem::Trailing { what: "the last salts chunk", count: 1 };
                damage(salts.whole_bytes, problem);
            }
            SaltsTail::Damaged(problem) => damage(salts.whole_bytes, problem),
        }
        next
    }

    /// Finds the blocks by walking their headers or, where one of those is damaged, by the footer.
    fn find_blocks(&mut self, scope: &Scope<'_>, id: SegmentId, end_leaf: u64) -> Option<SegmentFile> {
        match SegmentFile::walk(scope.paths, id, end_leaf) {
            Ok(segment) => Some(segment),
            Err(error) => {
                self.problems.push_file_error(error);
                // If there is no footer either, the damaged header is all that can be said.
                SegmentFile::open(scope.paths, id, u64::MAX).ok()
            }
        }
    }

    /// Checks what follows the blocks, and that commits end where blocks end.
    fn check_end(&mut self, segment: &SegmentFile, salts: &SaltsFile, position: Position) {
        let last_acknowledged = salts.chunks.last().map_or(segment.header.first_leaf(), SaltsChunk::end_leaf);
        let is_full = last_acknowledged >= segment.header.end_leaf();
        let footer = if is_full { encode_footer(&segment.blocks) } else { Vec::new() };
        let rest = segment.read_rest(segment.blocks_end, footer.len() as u64 + 1);
        match rest.and_then(|rest| segment.length().map(|length| (rest, length))) {
            Ok((rest, _)) if rest == footer => {}
            Ok((_, length)) if position == Position::Last && !is_full => {
                self.counts.unacknowledged_bytes += length - segment.blocks_end;
            }
            Ok((rest, length)) => {
                let differing =
                    rest.iter().zip(&footer).take_while(|(found, expected)| found == expected).count();
                let problem = FormatProblem::Field {
                    what: "bytes of the segment footer",
                    expected: footer.len() as u64,
                    found: length - segment.blocks_end,
                };
                let offset = segment.blocks_end + differing as u64;
                self.problems.push(&segment.path, Place::Offset(offset), Cause::Damaged(problem));
            }
            Err(error) => self.problems.push_file_error(error),
        }
        for chunk in &salts.chunks {
            let end = end_of_blocks_before(segment, chunk.end_leaf());
            if let Err(problem) = require("end of the blocks of a commit", end, chunk.segment_end) {
                self.problems.push(&segment.path, Place::Leaf(chunk.first_leaf), Cause::Damaged(problem));
            }
        }
    }

    fn check_block(&mut self, block: &Block, of: &SaltsOf<'_>, envelopes: &mut Envelopes) {
        self.counts.blocks += 1;
        for (leaf, position) in block.leaves().zip(0..) {
            let (envelope, bytes) = (block.envelope(position), block.envelope_bytes(position));
            self.put_leaf_hash(leaf, bytes);
            envelopes.read.insert(leaf, bytes.to_vec());
            *self.counts.entries.entry(envelope.kind).or_default() += 1;
            self.note_references(leaf, envelope);
            let captured = block.captured(position);
            if let Some(captured) = captured {
                self.counts.captured_bytes += captured.len() as u64;
            } else {
                self.counts.erased += 1;
                self.erased.insert(leaf);
            }
            if envelope.kind == Kind::Tombstone {
                self.note_tombstone(leaf, captured);
            }
            self.check_commitment(leaf, &Committed { envelope, captured }, of);
        }
    }

    fn note_tombstone(&mut self, leaf: u64, captured: Option<&[u8]>) {
        // That a tombstone itself was erased shows in there being none for it.
        match captured.map(Tombstone::parse) {
            Some(Ok(tombstone)) => {
                if let Some(last) = tombstone.erased.last().filter(|last| last.end > leaf) {
                    let cause = Cause::Reference { reference: last.end - 1, expected: "entry" };
                    self.problems.push(&self.path, Place::Leaf(leaf), cause);
                }
                self.tombstones.insert(leaf, tombstone);
            }
            Some(Err(error)) => {
                self.problems.push(&self.path, Place::Leaf(leaf), Cause::Tombstone(error));
            }
            None => {}
        }
    }

    fn put_leaf_hash(&mut self, leaf: u64, envelope: &[u8]) {
        let slot = leaf.checked_sub(self.first_leaf).and_then(|slot| usize::try_from(slot).ok());
        // A block that reaches past the acknowledged end is reported by its commit.
        if let Some(hash) = slot.and_then(|slot| self.leaf_hashes.get_mut(slot)) {
            *hash = Some(leaf_hash(envelope));
        }
    }

    fn note_references(&mut self, leaf: u64, envelope: &Envelope) {
        match envelope.kind {
            Kind::Stream => self.streams.insert(leaf),
            Kind::Object => self.objects.insert(leaf),
            _ => false,
        };
        if let Some(stream) = envelope.stream {
            self.stream_references.entry(stream).or_insert(leaf);
        }
        if let Some(object) = envelope.object {
            self.object_references.entry(object).or_insert(leaf);
        }
    }

    fn check_commitment(&mut self, leaf: u64, committed: &Committed<'_>, of: &SaltsOf<'_>) {
        let expected =
            if committed.captured.is_some() { 1 + u64::from(committed.envelope.withheld()) } else { 0 };
        if leaf >= of.salts.chunks.last().map_or(self.first_leaf, SaltsChunk::end_leaf) {
            // The salts file ends before this leaf, which has been reported once.
            return;
        }
        let salts = of.salts.salts(leaf);
        let found = salts
            .map_or(0, |salts| u64::from(salts.captured.is_some()) + u64::from(salts.received.is_some()));
        let captured_salt = salts.and_then(|salts| salts.captured);
        match (captured_salt, committed.captured) {
            (Some(salt), Some(captured)) if found == expected => {
                self.counts.salts += 1;
                if commit_captured(&salt, captured) != committed.envelope.captured {
                    self.problems.push(&self.path, Place::Leaf(leaf), Cause::Commitment);
                }
            }
            (None, None) if found == expected => {}
            _ => self.problems.push(of.path, Place::Leaf(leaf), Cause::Salts { expected, found }),
        }
    }

    /// Compares the bundles that end before leaf `end`, as far as the checkpoint covers them.
    fn compare_bundles(&mut self, scope: &Scope<'_>, envelopes: &mut Envelopes, end: u64) {
        let end = end.min(scope.committed);
        while envelopes.next_bundle_leaf < end {
            let first = envelopes.next_bundle_leaf;
            let Some(id) = BundleId::holding(first, scope.committed) else { return };
            let next = first + id.width() as u64;
            if next > end {
                return;
            }
            let later = envelopes.read.split_off(&next);
            let read = std::mem::replace(&mut envelopes.read, later);
            envelopes.next_bundle_leaf = next;
            self.counts.bundles += 1;
            self.bundles_checked.push(id);
            self.compare_bundle(scope, id, &read);
        }
    }

    fn compare_bundle(&mut self, scope: &Scope<'_>, id: BundleId, read: &BTreeMap<u64, Vec<u8>>) {
        let disk = scope.paths.disk();
        let path = scope.paths.ledger.join(id.to_string());
        let full = scope.paths.ledger.join(id.to_full().to_string());
        // A writer that has gone on since may have replaced a partial bundle by the full one.
        let (path, bytes, width) = match disk.read(&path) {
            Ok(bytes) => (path, bytes, id.width()),
            Err(error) => match disk.read(&full) {
                Ok(bytes) if path != full => (full, bytes, TILE_WIDTH),
                _ => return self.problems.push_file_error(FileError::read(&path, error)),
            },
        };
        let entries = match decode_bundle(&bytes, width) {
            Ok(entries) => entries,
            Err(error) => {
                let problem = FormatProblem::Tile(error);
                return self.problems.push(&path, Place::File, Cause::Damaged(problem));
            }
        };
        for (entry, leaf) in entries.iter().zip(id.index() * TILE_WIDTH as u64..).take(id.width()) {
            match read.get(&leaf) {
                Some(envelope) if envelope != entry => {
                    self.problems.push(&path, Place::Leaf(leaf), Cause::Envelope);
                }
                Some(_) => {}
                // The segment does not give this entry, which has been reported; the bundle still gives its hash.
                None => {
                    if let Err(source) = Envelope::decode(entry) {
                        let cause = Cause::Damaged(FormatProblem::Envelope { leaf, source });
                        self.problems.push(&path, Place::Leaf(leaf), cause);
                    }
                    self.put_leaf_hash(leaf, entry);
                }
            }
        }
    }
}

/// An envelope and the bytes that it commits to.
struct Committed<'a> {
    envelope: &'a Envelope,
    /// `None` once erased.
    captured: Option<&'a [u8]>,
}

/// A salts file and its name.
struct SaltsOf<'a> {
    salts: &'a SaltsFile,
    path: &'a Path,
}

/// Offset at which the blocks of all leaves before `leaf` end.
fn end_of_blocks_before(segment: &SegmentFile, leaf: u64) -> u64 {
    let after = segment.blocks.partition_point(|block| block.first_leaf < leaf);
    segment.blocks.get(after).map_or(segment.blocks_end, |block: &BlockRef| block.offset)
}
