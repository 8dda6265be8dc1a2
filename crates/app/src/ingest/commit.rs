//! The one thread that writes: pieces become ledger entries, in the order in which the objects were given.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use ascribe_ledger::{Draft, Kind, Ledger};
use ascribe_model::{KeyKind, KeyRef, ObjectClosed, ObjectEntry, Role, StreamEntry, Timestamp};
use ascribe_sources::RejectReason;
use ascribe_store::{Outlines, RANGE, Store};

use super::InputObject;
use super::fold::pulse_mark;
use super::piece::{Batch, Buffers, Content, Folded, Message, ObjectStart, Piece, withheld_values};
use super::pipeline::{IngestError, Plan};
use super::report::IngestReport;
use crate::capture::SealedWriter;
use crate::pulse::{Due, Last, Receipts};

/// Bytes that one group commit gathers before it is written and synced.
const GROUP_BYTES: usize = 1024 * 1024;
/// How long a group commit waits for more.
const GROUP_WAIT: Duration = Duration::from_millis(5);

/// Key kind under which the store finds streams.
const STREAM_KIND: KeyKind = KeyKind::new("ascribe.stream");

/// What the store's thread is told.
pub enum ToStore {
    /// Entries that are on disk in the ledger.
    Appended(Appended),
    /// A signed checkpoint covers everything sent before; it is the last message of a run that went well.
    Committed,
}

/// Entries on their way to the store.
pub struct Appended {
    /// Time of receipt of all of them.
    pub received_at: Timestamp,
    /// The entries, in leaf order.
    pub entries: Vec<Folded>,
    /// Buffers with the events of the entries.
    pub outlines: Vec<Outlines>,
}

/// Writes what the workers send.
pub struct Committer<'a> {
    pub ledger: Ledger,
    pub known_streams: &'a Store,
    pub plan: &'a Plan<'a>,
    pub folder: SyncSender<ToStore>,
    pub buffers: &'a Buffers,
    pub report: IngestReport,
    sealed: Option<SealedWriter>,
    streams: BTreeMap<StreamEntry, u64>,
    group: Group,
    receipts: Receipts,
}

/// Where everything is written that cannot be derived again.
pub struct Ground {
    /// Takes the entries.
    pub ledger: Ledger,
    /// Takes sealed values, where the policy has any.
    pub sealed: Option<SealedWriter>,
    /// The end of the ledger, as far as time goes.
    pub last: Option<Last>,
}

/// Entries that are written together.
#[derive(Default)]
struct Group {
    entries: Vec<Pending>,
    batches: Vec<Batch>,
    bytes: usize,
}

/// One entry of a group.
struct Pending {
    kind: Kind,
    stream: Option<u64>,
    object: Option<u64>,
    content: PendingContent,
}

enum PendingContent {
    /// A piece of a batch of the group: positions of both.
    Piece(usize, usize),
    /// Bytes made here, and what they mean to the store.
    Made(Vec<u8>, Folded),
}

impl<'a> Committer<'a> {
    pub fn new(
        Ground { ledger, sealed, last }: Ground,
        known_streams: &'a Store,
        plan: &'a Plan<'a>,
        folder: SyncSender<ToStore>,
        buffers: &'a Buffers,
    ) -> Self {
        let report = IngestReport { schema: "ascribe/ingest/v1", ..IngestReport::default() };
        let (streams, group) = (BTreeMap::new(), Group::default());
        let receipts = Receipts::after(last);
        Self { ledger, known_streams, plan, folder, buffers, report, sealed, streams, group, receipts }
    }

    /// Records what the operator configured anew. It is in force for all that follows.
    pub fn record_configs(&mut self) -> Result<(), IngestError> {
        // Nothing is in the group yet: what follows goes by the clock, whatever it says.
        if let Some(jump) = self.receipts.jump((self.plan.clock)()) {
            self.record_jump(&jump)?;
        }
        for config in self.plan.configs {
            let bytes = serde_json::to_vec(config).map_err(IngestError::Form)?;
            self.make(Kind::Config, None, bytes, Folded::Config(config.name()));
        }
        Ok(())
    }

    /// Commits everything that one worker sends about one object.
    pub fn commit_object(
        &mut self,
        object: &InputObject,
        messages: &Receiver<Message>,
    ) -> Result<(), IngestError> {
        let name = object.name();
        let mut opened = None;
        loop {
            let message = match messages.recv_timeout(GROUP_WAIT) {
                Ok(message) => message,
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    self.flush()?; // Nothing comes at the moment: what is there need not wait.
                    match messages.recv() {
                        Ok(message) => message,
                        Err(_) => break,
                    }
                }
            };
            match message {
                Message::Opened(start) => opened = self.open(start)?,
                Message::Batch(batch) => self.batch(&name, batch, opened)?,
                Message::Closed(closed) => self.close(closed, opened)?,
                Message::Notice(notice) => self.report.notices.push(notice),
                Message::Uncapturable(error) => return Err(IngestError::Capture(error)),
                Message::Failed(notice) => {
                    self.report.objects_failed += 1;
                    self.report.notices.push(notice);
                }
            }
        }
        self.plan.progress.object_done();
        Ok(())
    }

    /// Writes what is left, signs the checkpoint over everything, and gives the report.
    pub fn finish(mut self) -> Result<(Ledger, IngestReport), IngestError> {
        self.flush()?;
        let checkpoint = self.ledger.checkpoint().map_err(IngestError::Checkpoint)?;
        checkpoint.note().clone_into(&mut self.report.checkpoint);
        self.report.ledger_size = checkpoint.size();
        self.folder.send(ToStore::Committed).map_err(|_| IngestError::FolderStopped)?;
        Ok((self.ledger, self.report))
    }

    /// Begins an object, and gives the leaf of its opening entry where there is more to read of it.
    fn open(&mut self, start: ObjectStart) -> Result<Option<u64>, IngestError> {
        match start {
            ObjectStart::New { entry, digest } => {
                self.report.objects += 1;
                let opened = self.make_object(None, entry)?;
                if let Some(digest) = digest {
                    self.make_object(Some(opened), digest)?;
                }
                Ok(Some(opened))
            }
            ObjectStart::Resumed { opened } => {
                self.report.objects += 1;
                self.report.objects_resumed += 1;
                Ok(Some(opened))
            }
            ObjectStart::Known { opened, name } => {
                self.report.objects_known += 1;
                self.make_object(Some(opened), ObjectEntry::SeenAgain { name })?;
                Ok(None)
            }
        }
    }

    fn close(&mut self, closed: ObjectClosed, object: Option<u64>) -> Result<(), IngestError> {
        let Some(opened) = object else { return Ok(()) };
        let bytes = &mut self.report.bytes;
        bytes.decoded += closed.decoded_bytes;
        bytes.framing += closed.framing_bytes;
        bytes.records += closed.record_bytes;
        bytes.rejects += closed.reject_bytes;
        bytes.encoded += closed.encoded_bytes;
        self.make_object(Some(opened), ObjectEntry::Closed(closed))?;
        Ok(())
    }

    fn batch(&mut self, name: &str, batch: Batch, object: Option<u64>) -> Result<(), IngestError> {
        let position = self.group.batches.len();
        self.report.count_events(&batch.said);
        if batch.said.unnamed {
            self.report.tell_unnamed(name);
        }
        let mut streams = vec![None; batch.said.streams.len()];
        for (index, piece) in batch.pieces.iter().enumerate() {
            let (kind, stream) = match &piece.content {
                Content::Record { spliced, saying, .. } => {
                    self.report.records += 1;
                    self.report.withheld += u64::from(spliced.is_some());
                    // A stream is announced in front of the first record that names it.
                    if let Some(named) = saying.stream
                        && streams[named].is_none()
                    {
                        streams[named] = Some(self.stream(&batch.said.streams[named])?);
                    }
                    (Kind::Record, saying.stream.and_then(|named| streams[named]))
                }
                Content::Reject { header, .. } => {
                    self.report.count_reject(name, piece.span, header, hint_of(&header.reason));
                    (Kind::Reject, None)
                }
            };
            self.group.entries.push(Pending {
                kind,
                stream,
                object,
                content: PendingContent::Piece(position, index),
            });
        }
        self.group.bytes += batch.bytes.len();
        self.group.batches.push(batch);
        if self.group.bytes >= GROUP_BYTES { self.flush() } else { Ok(()) }
    }

    /// The leaf of a stream's entry; announces the stream if it is new.
    fn stream(&mut self, stream: &StreamEntry) -> Result<u64, IngestError> {
        if let Some(&leaf) = self.streams.get(stream) {
            return Ok(leaf);
        }
        let name = stream_name(stream);
        let key = KeyRef { kind: STREAM_KIND, scope: String::new(), value: name.clone() };
        let known = self.known_streams.leaves(&key, &[Role::Native], None, 1).map_err(IngestError::Store)?;
        let leaf = if let Some(&leaf) = known.leaves.first() {
            leaf
        } else {
            let bytes = serde_json::to_vec(stream).map_err(IngestError::Form)?;
            self.make(Kind::Stream, None, bytes, Folded::Stream(stream.clone()))
        };
        self.report.streams.insert(name);
        self.streams.insert(stream.clone(), leaf);
        Ok(leaf)
    }

    fn make_object(&mut self, object: Option<u64>, entry: ObjectEntry) -> Result<u64, IngestError> {
        let bytes = serde_json::to_vec(&entry).map_err(IngestError::Form)?;
        Ok(self.make(Kind::Object, object, bytes, Folded::Object { object, entry }))
    }

    /// Puts an entry made here into the group and says which leaf it will have: nobody else appends.
    fn make(&mut self, kind: Kind, object: Option<u64>, bytes: Vec<u8>, folded: Folded) -> u64 {
        let leaf = self.ledger.size() + self.group.entries.len() as u64;
        self.group.entries.push(Pending {
            kind,
            stream: None,
            object,
            content: PendingContent::Made(bytes, folded),
        });
        leaf
    }

    /// Appends the group. When this returns, all of it is on disk: an acknowledgement goes out, and the store gets it.
    ///
    /// A crash before leaves the objects open; the next run goes on behind the last piece that is on disk.
    fn flush(&mut self) -> Result<(), IngestError> {
        if self.group.entries.is_empty() {
            return Ok(());
        }
        let now = (self.plan.clock)();
        let received_at = self.receipts.hold(now);
        self.flush_at(received_at)?;
        // The clock jumped while the group gathered: it has the time of the entry before it, and the next says why.
        if let Some(jump) = self.receipts.jump(now) {
            self.record_jump(&jump)?;
        }
        Ok(())
    }

    /// Appends an entry of its own that says that the clock jumped.
    fn record_jump(&mut self, jump: &Due) -> Result<(), IngestError> {
        let bytes = serde_json::to_vec(&jump.entry).map_err(IngestError::Form)?;
        let folded = pulse_mark(&jump.entry, None);
        self.make(Kind::Heartbeat, None, bytes, folded);
        self.flush_at(jump.received_at)
    }

    fn flush_at(&mut self, received_at: Timestamp) -> Result<(), IngestError> {
        let group = std::mem::take(&mut self.group);
        let before = self.ledger.size();
        self.seal(&group)?;
        self.append(&group, received_at)?;
        let size = self.ledger.size();
        self.plan.progress.acknowledged(size);
        if size / RANGE > before / RANGE {
            // The store publishes a complete range as soon as it has it, and must not be ahead of the checkpoint.
            self.ledger.checkpoint().map_err(IngestError::Checkpoint)?;
        }
        let (entries, outlines) = group.into_folded(self.buffers);
        let appended = Appended { received_at, entries, outlines };
        self.folder.send(ToStore::Appended(appended)).map_err(|_| IngestError::FolderStopped)
    }

    /// Writes the sealed values of the group, durably, before any record that refers to them is in the ledger.
    ///
    /// A crash behind it leaves values that nothing refers to, which does no harm.
    fn seal(&mut self, group: &Group) -> Result<(), IngestError> {
        let mut values =
            group.batches.iter().flat_map(|batch| &batch.pieces).flat_map(Piece::sealed).peekable();
        if values.peek().is_none() {
            return Ok(());
        }
        let writer = self.sealed.as_mut().ok_or(IngestError::NoSeal)?;
        let first = self.ledger.size();
        writer.append(first..first + group.entries.len() as u64, values).map_err(IngestError::Seal)
    }

    fn append(&mut self, group: &Group, received_at: Timestamp) -> Result<(), IngestError> {
        let captured: Vec<_> = group.entries.iter().map(|pending| group.captured(pending)).collect();
        let pairs = group.entries.iter().zip(&captured);
        let drafts: Vec<Draft<'_>> = pairs
            .map(|(pending, captured)| Draft {
                kind: pending.kind,
                stream: pending.stream,
                object: pending.object,
                span: group.piece(pending).map(|piece| piece.span),
                received_at: received_at.nanoseconds(),
                captured,
                received: group.received(pending),
            })
            .collect();
        self.ledger.append(&drafts).map(drop).map_err(IngestError::Append)
    }
}

impl Group {
    fn piece(&self, pending: &Pending) -> Option<&Piece> {
        match pending.content {
            PendingContent::Piece(batch, index) => Some(&self.batches[batch].pieces[index]),
            PendingContent::Made(..) => None,
        }
    }

    fn captured<'g>(&'g self, pending: &'g Pending) -> std::borrow::Cow<'g, [u8]> {
        match &pending.content {
            PendingContent::Piece(batch, index) => {
                let batch = &self.batches[*batch];
                batch.pieces[*index].captured(batch)
            }
            PendingContent::Made(bytes, _) => bytes.as_slice().into(),
        }
    }

    fn received(&self, pending: &Pending) -> Option<&[u8]> {
        match pending.content {
            PendingContent::Piece(batch, index) => {
                let batch = &self.batches[batch];
                batch.pieces[index].received(batch)
            }
            PendingContent::Made(..) => None,
        }
    }

    /// What the entries mean to the store, and the buffers with their events; the bytes are let go.
    fn into_folded(self, buffers: &Buffers) -> (Vec<Folded>, Vec<Outlines>) {
        let mut pieces = Vec::with_capacity(self.batches.len());
        let mut outlines = Vec::with_capacity(self.batches.len());
        for batch in self.batches {
            buffers.give(batch.bytes);
            pieces.push(batch.pieces.into_iter());
            outlines.push(batch.said.outlines);
        }
        let mut folded = Vec::with_capacity(self.entries.len());
        for pending in self.entries {
            let (stream, object) = (pending.stream, pending.object);
            folded.push(match pending.content {
                PendingContent::Made(_, made) => made,
                PendingContent::Piece(batch, _) => match pieces[batch].next() {
                    Some(Piece { span, content: Content::Record { spliced, saying, .. }, .. }) => {
                        Folded::Record {
                            object,
                            stream,
                            withheld: spliced.is_some(),
                            withheld_values: spliced.as_deref().map(withheld_values).unwrap_or_default(),
                            span_length: span.length,
                            buffer: batch,
                            events: saying.events,
                        }
                    }
                    Some(Piece { span, content: Content::Reject { header, entry, withheld }, .. }) => {
                        let withheld_values = if withheld { withheld_values(&entry) } else { Vec::new() };
                        Folded::Reject { object, span, reason: header.reason, withheld_values }
                    }
                    None => Folded::Other, // Each piece has exactly one entry, in the same order.
                },
            });
        }
        (folded, outlines)
    }
}

/// A stream's name in answers and in the key index.
fn stream_name(stream: &StreamEntry) -> String {
    match &stream.partition {
        Some(partition) => format!("{} {} {partition}", stream.source, stream.scope),
        None => format!("{} {}", stream.source, stream.scope),
    }
}

fn hint_of(code: &str) -> &'static str {
    let reason = RejectReason::ALL.iter().find(|reason| reason.code() == code);
    reason.map_or("fetch the file again, or decompress it yourself and ingest the result", |reason| {
        reason.hint()
    })
}
