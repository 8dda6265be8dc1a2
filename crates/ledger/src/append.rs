//! Appending: entries become durable here, in group commits, and are acknowledged. Design §7, "Sequencing".
//!
//! The order of durable steps, and what a crash after each leaves, is in `docs/formats/ledger.md`. Nothing here
//! signs or publishes: [`crate::publish`] does.

use std::io;
use std::ops::Range;

use crate::commitment::{SALT_BYTES, Salt, commit_captured, commit_received};
use crate::durable::{DurableError, GrowingFile};
use crate::envelope::{Envelope, Kind, Span};
use crate::ledger::{EnvelopeQueue, Ledger, OpenSegment};
use crate::paths::{SegmentId, SegmentPart};
use crate::salts::{EntrySalts, SaltsChunk};
use crate::segment::{
    BlockSink, EncodedBlocks, EntryBytes, FileHeader, FileKind, MAX_RECORD_BYTES, encode_footer,
};

/// What is to become an entry.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    /// What it is.
    pub kind: Kind,
    /// Leaf of the stream entry it belongs to.
    pub stream: Option<u64>,
    /// Leaf of the object entry it came in.
    pub object: Option<u64>,
    /// Where it lies in that object's decoded bytes.
    pub span: Option<Span>,
    /// Time of receipt in nanoseconds since the Unix epoch.
    pub received_at: i64,
    /// The bytes to keep, at most [`MAX_RECORD_BYTES`].
    pub captured: &'a [u8],
    /// The bytes received, where something was withheld from `captured`. They are committed to and never stored.
    pub received: Option<&'a [u8]>,
}

/// Where salts come from.
#[derive(Debug, Clone, Default)]
pub(crate) enum SaltsFrom {
    /// The system's generator.
    #[default]
    System,
    /// A seed, so that a simulated run can be had again.
    #[cfg(any(test, feature = "simulation"))]
    Seed(std::sync::Arc<std::sync::Mutex<crate::simulation::Random>>),
}

/// Salts just drawn for one draft.
struct FreshSalts {
    captured: Salt,
    /// Present where the draft withholds something.
    received: Option<Salt>,
}

/// Why entries were not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// An earlier write failed, so the state of the disk is unknown.
    #[error("an earlier write to the ledger failed; open it again to recover")]
    Poisoned,
    /// A record is too large. Nothing was written.
    #[error("draft {position} has {found} bytes, a record has at most {MAX_RECORD_BYTES}")]
    RecordTooLarge {
        /// Position in the batch, from 0.
        position: usize,
        /// Bytes in it.
        found: usize,
    },
    /// A draft refers to an entry that does not come before it. Nothing was written.
    #[error("draft {position} would be leaf {leaf}, and refers to leaf {reference}, which is not before it")]
    Reference {
        /// Position in the batch, from 0.
        position: usize,
        /// Leaf it would become.
        leaf: u64,
        /// Leaf it refers to.
        reference: u64,
    },
    /// A span reaches past the largest offset. Nothing was written.
    #[error("the span of draft {position} reaches past the largest offset")]
    Span {
        /// Position in the batch, from 0.
        position: usize,
    },
    /// The operating system gave no random bytes. Nothing was written.
    #[error("the operating system gave no random bytes for salts")]
    Random(#[source] getrandom::Error),
    /// Compression failed. The writer is poisoned.
    #[error("cannot compress a block")]
    Compress(#[source] io::Error),
    /// A write failed. The writer is poisoned.
    #[error(transparent)]
    Write(#[from] DurableError),
}

impl Ledger {
    /// Appends a batch and returns its leaves. When this returns, every entry is durable: it survives any crash, and
    /// [`Ledger::open`] finds it or refuses.
    ///
    /// Drafts may refer to leaves of the same batch: the first becomes leaf [`Ledger::size`]. A batch that crosses
    /// into the next segment is not atomic: a crash before this returns may keep the part in the earlier segment.
    /// Entries are in the tree, and in the next checkpoint, but committed only by [`Ledger::checkpoint`].
    pub fn append(&mut self, drafts: &[Draft<'_>]) -> Result<Range<u64>, AppendError> {
        if self.poisoned {
            return Err(AppendError::Poisoned);
        }
        let first_leaf = self.durable_size;
        check_drafts(drafts, first_leaf)?;
        let salts = draw_salts(drafts, &self.settings.salts_from)?;
        self.guarded(|ledger| {
            ledger.integrate()?;
            let (mut drafts, mut salts) = (drafts, salts.as_slice());
            while !drafts.is_empty() {
                let room = ledger.room_in_segment()?;
                let count = drafts.len().min(usize::try_from(room).unwrap_or(usize::MAX));
                ledger.append_within_segment(&drafts[..count], &salts[..count])?;
                (drafts, salts) = (&drafts[count..], &salts[count..]);
            }
            Ok(first_leaf..ledger.durable_size)
        })
    }

    /// Puts durable entries into the tree, and writes the tiles and bundles that they fill. These files are derived
    /// and not durable yet; a crash loses them, and `open` writes them again from the segments.
    pub(crate) fn integrate(&mut self) -> Result<(), DurableError> {
        let pending = std::mem::take(&mut self.pending);
        let Self { tree, derived, .. } = self;
        pending
            .iter()
            .try_for_each(|envelope| tree.push(envelope, &mut |name, bytes| derived.write(name, bytes)))
    }

    /// Leaves that still fit in the segment that grows; starts the next one where there is none.
    fn room_in_segment(&mut self) -> Result<u64, DurableError> {
        let segment = match self.segment.take() {
            Some(segment) if segment.end_leaf > self.durable_size => segment,
            _ => self.start_segment()?,
        };
        let room = segment.end_leaf - self.durable_size;
        self.segment = Some(segment);
        Ok(room)
    }

    /// A crash here leaves a segment without entries, or one of its files; `open` removes it. The headers become durable
    /// together with the first blocks and salts.
    fn start_segment(&self) -> Result<OpenSegment, DurableError> {
        let capacity = self.settings.segment_leaves;
        let index = (self.durable_size / u64::from(capacity)) as u32;
        let id = SegmentId { index, generation: 0 };
        let disk = self.paths.disk();
        let start = |part, kind| {
            let mut file = GrowingFile::create(disk, &self.paths.segment(id, part))?;
            file.write(&FileHeader { kind, index, generation: 0, leaf_capacity: capacity }.encode())?;
            Ok::<_, DurableError>(file)
        };
        let blocks = start(SegmentPart::Blocks, FileKind::Segment)?;
        let salts = start(SegmentPart::Salts, FileKind::Salts)?;
        disk.sync_folder(&self.paths.segments())?;
        let end_leaf = (u64::from(index) + 1) * u64::from(capacity);
        Ok(OpenSegment { blocks, salts, table: Vec::new(), end_leaf })
    }

    fn append_within_segment(
        &mut self,
        drafts: &[Draft<'_>],
        salts: &[FreshSalts],
    ) -> Result<(), AppendError> {
        let Some(segment) = &mut self.segment else { return Ok(()) };
        let mut encoded = EncodedBlocks::default();
        let mut sink = BlockSink {
            encoded: &mut encoded,
            file_offset: segment.blocks.length(),
            next_leaf: self.durable_size,
        };
        let mut envelopes = EnvelopeQueue::default();
        let mut envelope_bytes = Vec::new();
        for (draft, salts) in drafts.iter().zip(salts) {
            envelope_bytes.clear();
            draft.envelope(salts).encode(&mut envelope_bytes);
            let entry = EntryBytes { envelope: &envelope_bytes, captured: Some(draft.captured) };
            self.encoder.push(&entry, &mut sink).map_err(AppendError::Compress)?;
            envelopes.push(&envelope_bytes);
        }
        self.encoder.flush(&mut sink).map_err(AppendError::Compress)?;
        let end_leaf = sink.next_leaf;
        let segment_end = segment.blocks.length() + encoded.bytes.len() as u64;
        segment.table.append(&mut encoded.blocks);
        if end_leaf == segment.end_leaf {
            encoded.bytes.extend_from_slice(&encode_footer(&segment.table));
        }
        // A crash during these two leaves blocks that no salts cover: unacknowledged, and `open` cuts them off.
        segment.blocks.write(&encoded.bytes)?;
        segment.blocks.sync()?;
        // A crash during these two leaves a short or torn chunk, and `open` cuts it off together with its blocks; or
        // a whole one, and the entries stay though nobody was told.
        let chunk = SaltsChunk {
            first_leaf: self.durable_size,
            segment_end,
            salts: salts.iter().map(FreshSalts::kept).collect(),
        };
        segment.salts.write(&chunk.encode())?;
        segment.salts.sync()?;
        // From here on the entries are acknowledged, whatever happens.
        self.durable_size = end_leaf;
        self.pending.append(&envelopes);
        Ok(())
    }
}

impl SaltsFrom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), getrandom::Error> {
        match self {
            Self::System => getrandom::fill(bytes),
            #[cfg(any(test, feature = "simulation"))]
            Self::Seed(random) => {
                random.lock().unwrap_or_else(std::sync::PoisonError::into_inner).fill(bytes);
                Ok(())
            }
        }
    }
}

impl FreshSalts {
    fn kept(&self) -> EntrySalts {
        EntrySalts { captured: Some(self.captured), received: self.received }
    }
}

impl Draft<'_> {
    fn envelope(&self, salts: &FreshSalts) -> Envelope {
        let received = self.received.zip(salts.received);
        Envelope {
            kind: self.kind,
            stream: self.stream,
            object: self.object,
            span: self.span,
            received_at: self.received_at,
            captured: commit_captured(&salts.captured, self.captured),
            received: received.map(|(bytes, salt)| commit_received(&salt, bytes)),
        }
    }
}

fn check_drafts(drafts: &[Draft<'_>], first_leaf: u64) -> Result<(), AppendError> {
    for ((draft, position), leaf) in drafts.iter().zip(0..).zip(first_leaf..) {
        if draft.captured.len() > MAX_RECORD_BYTES {
            return Err(AppendError::RecordTooLarge { position, found: draft.captured.len() });
        }
        if let Some(reference) = [draft.stream, draft.object].into_iter().flatten().find(|to| *to >= leaf) {
            return Err(AppendError::Reference { position, leaf, reference });
        }
        if draft.span.is_some_and(|span| span.offset.checked_add(span.length).is_none()) {
            return Err(AppendError::Span { position });
        }
    }
    Ok(())
}

/// Draws the salts of a whole batch in one call: the system's generator costs per call, not per byte.
fn draw_salts(drafts: &[Draft<'_>], from: &SaltsFrom) -> Result<Vec<FreshSalts>, AppendError> {
    let withheld = drafts.iter().filter(|draft| draft.received.is_some()).count();
    let mut random: Vec<Salt> = vec![[0; SALT_BYTES]; drafts.len() + withheld];
    from.fill(random.as_flattened_mut()).map_err(AppendError::Random)?;
    let (captured, received) = random.split_at(drafts.len());
    // There is one for each draft that withholds, so none of them goes without.
    let mut received = received.iter().copied();
    let salts = drafts.iter().zip(captured).map(|(draft, captured)| FreshSalts {
        captured: *captured,
        received: draft.received.and_then(|_| received.next()),
    });
    Ok(salts.collect())
}
