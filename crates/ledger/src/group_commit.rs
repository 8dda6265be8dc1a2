//! Many writers, one ledger: one thread owns the [`Ledger`], takes what the writers have queued up meanwhile, appends
//! it as one batch and answers each of them once it is durable. Design §7, "Sequencing".
//!
//! While one batch is being synced the next one gathers, so the more writers there are, the more entries share the two
//! syncs that a durable append costs. Nobody waits for a batch to fill up. The queue is bounded: whoever comes when it
//! is full waits, or is told.
//!
//! What it does not know: the time. A checkpoint is made when someone asks for one, or as a [`CheckpointPolicy`] says,
//! by the number of entries and the times of receipt that they carry. It changes nothing about what is durable when:
//! [`crate::append`] says that.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::append::{AppendError, Draft};
use crate::checkpoint::SignedCheckpoint;
use crate::envelope::{Kind, Span};
use crate::ledger::Ledger;
use crate::publish::CheckpointError;
use crate::segment::MAX_RECORD_BYTES;

/// What is to become an entry, in bytes of its own, so that it can wait for its turn. See [`Draft`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedDraft {
    /// What it is.
    pub kind: Kind,
    /// Leaf of the stream entry it belongs to, which must be durable already.
    pub stream: Option<u64>,
    /// Leaf of the object entry it came in, which must be durable already.
    pub object: Option<u64>,
    /// Where it lies in that object's decoded bytes.
    pub span: Option<Span>,
    /// Time of receipt in nanoseconds since the Unix epoch.
    pub received_at: i64,
    /// The bytes to keep, at most [`MAX_RECORD_BYTES`].
    pub captured: Vec<u8>,
    /// The bytes received, where something was withheld from `captured`.
    pub received: Option<Vec<u8>>,
}

/// How much may wait, and how much is appended at once.
///
/// Memory is bounded by what is queued and what is being appended, each of them by its limit and one request more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupLimits {
    /// Requests that may wait.
    pub queued_requests: usize,
    /// Bytes of records at which the queue counts as full.
    pub queued_bytes: usize,
    /// Bytes of records at which a batch is closed. A request is never split.
    pub batch_bytes: usize,
}

/// When a checkpoint is made without being asked for. It is looked at after each batch; between batches nothing
/// happens, so whoever wants entries committed while no more come asks for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CheckpointPolicy {
    /// After at least this many entries beyond the last checkpoint; `None` for no such rule.
    pub every_entries: Option<u64>,
    /// When an entry was received at least this many nanoseconds after the first that no checkpoint covers; `None` for
    /// no such rule.
    pub every_nanoseconds: Option<u64>,
}

/// Owns the thread that owns the ledger. Dropping it ends the thread once what was queued is done.
#[derive(Debug)]
pub struct GroupCommit {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<Option<Ledger>>>,
}

/// Appends to the ledger from any thread. Clones share one queue.
#[derive(Debug, Clone)]
pub struct Appender {
    queue: Arc<Queue>,
}

/// An append that was queued. Dropping it does not take the append back: it only leaves nobody to be told.
#[derive(Debug)]
pub struct Ticket {
    answer: Receiver<Result<Range<u64>, GroupError>>,
}

/// Why an append or a checkpoint was not done.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// The queue is full. Nothing was queued.
    #[error("the ledger's queue is full; try again once earlier appends are durable")]
    Full,
    /// The request itself is refused. Nothing was written, and nobody else is concerned.
    #[error(transparent)]
    Refused(Arc<AppendError>),
    /// The batch could not be appended. Nobody in it is acknowledged, and whether its entries are durable is unknown:
    /// only opening the ledger again finds out. Nothing is appended any more.
    #[error(transparent)]
    Append(Arc<AppendError>),
    /// A checkpoint could not be made. Entries that were acknowledged are durable. Nothing is appended any more.
    #[error(transparent)]
    Checkpoint(Arc<CheckpointError>),
    /// Appending has ended, by request or because the thread died. The request was not acknowledged.
    #[error("nothing is appended to the ledger any more: it was closed")]
    Closed,
}

impl Default for GroupLimits {
    /// Thousands of waiting writers, and batches that take a fraction of a second.
    fn default() -> Self {
        Self { queued_requests: 4_096, queued_bytes: 64 << 20, batch_bytes: 8 << 20 }
    }
}

impl GroupCommit {
    /// Hands a ledger over to a thread of its own. Fails if the system gives no thread; the ledger is then closed.
    pub fn start(ledger: Ledger, limits: GroupLimits, policy: CheckpointPolicy) -> io::Result<Self> {
        let queue = Arc::new(Queue { limits, ..Queue::default() });
        let theirs = Arc::clone(&queue);
        let committer = Committer { ledger, policy, uncommitted_since: None, latest: i64::MIN };
        let thread =
            thread::Builder::new().name("ledger".to_owned()).spawn(move || run(committer, &theirs))?;
        Ok(Self { queue, thread: Some(thread) })
    }

    /// A handle to append with.
    pub fn appender(&self) -> Appender {
        Appender { queue: Arc::clone(&self.queue) }
    }

    /// Takes nothing more, does what was queued, and gives the ledger back. What no checkpoint covers yet is durable.
    pub fn finish(mut self) -> Result<Ledger, GroupError> {
        self.end().ok_or_else(|| self.queue.locked().reason())
    }

    /// The ledger, if nothing failed. The thread's panic is its own message; here it is a ledger less.
    fn end(&mut self) -> Option<Ledger> {
        self.queue.close(GroupError::Closed);
        self.thread.take().and_then(|thread| thread.join().unwrap_or(None))
    }
}

impl Drop for GroupCommit {
    fn drop(&mut self) {
        // So that the lock of the ledger is free when this returns.
        self.end();
    }
}

impl Appender {
    /// Appends entries, which get adjacent leaves, and waits until they are durable; returns their leaves. Waits for
    /// room in the queue first.
    pub fn append(&self, drafts: Vec<OwnedDraft>) -> Result<Range<u64>, GroupError> {
        self.submit(drafts)?.wait()
    }

    /// Queues entries, which get adjacent leaves, and does not wait until they are durable. Waits for room in the queue.
    pub fn submit(&self, drafts: Vec<OwnedDraft>) -> Result<Ticket, GroupError> {
        let (request, ticket) = request(drafts)?;
        self.queue.push(Request::Append(request))?;
        Ok(ticket)
    }

    /// Queues entries if there is room now, and says [`GroupError::Full`] if there is not.
    pub fn try_submit(&self, drafts: Vec<OwnedDraft>) -> Result<Ticket, GroupError> {
        let (request, ticket) = request(drafts)?;
        self.queue.try_push(Request::Append(request))?;
        Ok(ticket)
    }

    /// Commits everything that was queued before: signs, anchors and publishes a checkpoint, and waits for it.
    pub fn checkpoint(&self) -> Result<SignedCheckpoint, GroupError> {
        let (answer, receiver) = mpsc::sync_channel(1);
        self.queue.push(Request::Checkpoint(answer))?;
        receiver.recv().unwrap_or(Err(GroupError::Closed))
    }
}

impl Ticket {
    /// Waits until the entries are durable; returns their leaves.
    pub fn wait(self) -> Result<Range<u64>, GroupError> {
        // An answer that never comes means that the thread died with the batch in its hands.
        self.answer.recv().unwrap_or(Err(GroupError::Closed))
    }
}

impl OwnedDraft {
    /// The same, for [`Ledger::append`].
    pub fn as_draft(&self) -> Draft<'_> {
        Draft {
            kind: self.kind,
            stream: self.stream,
            object: self.object,
            span: self.span,
            received_at: self.received_at,
            captured: &self.captured,
            received: self.received.as_deref(),
        }
    }
}

/// Something that waits for its turn.
enum Request {
    Append(AppendRequest),
    Checkpoint(SyncSender<Result<SignedCheckpoint, GroupError>>),
}

struct AppendRequest {
    drafts: Vec<OwnedDraft>,
    bytes: usize,
    answer: SyncSender<Result<Range<u64>, GroupError>>,
}

/// What waits, bounded.
#[derive(Default)]
struct Queue {
    limits: GroupLimits,
    waiting: Mutex<Waiting>,
    /// Something came, or the queue was closed.
    came: Condvar,
    /// Something was taken, or the queue was closed.
    taken: Condvar,
}

#[derive(Default)]
struct Waiting {
    requests: VecDeque<Request>,
    bytes: usize,
    /// Why nothing is taken any more.
    closed: Option<GroupError>,
}

impl Queue {
    fn push(&self, request: Request) -> Result<(), GroupError> {
        let full = |waiting: &mut Waiting| waiting.closed.is_none() && waiting.is_full(&self.limits);
        let waiting = self.taken.wait_while(self.locked(), full);
        self.put(waiting.unwrap_or_else(PoisonError::into_inner), request)
    }

    fn try_push(&self, request: Request) -> Result<(), GroupError> {
        let waiting = self.locked();
        if waiting.closed.is_none() && waiting.is_full(&self.limits) {
            return Err(GroupError::Full);
        }
        self.put(waiting, request)
    }

    fn put(&self, mut waiting: MutexGuard<'_, Waiting>, request: Request) -> Result<(), GroupError> {
        if waiting.closed.is_some() {
            return Err(waiting.reason());
        }
        waiting.bytes += request.bytes();
        waiting.requests.push_back(request);
        drop(waiting);
        self.came.notify_one();
        Ok(())
    }

    /// What is appended next, at once: everything that waits, up to the limit of a batch. Waits until there is
    /// something; empty once the queue is closed and done.
    fn take_batch(&self) -> Vec<Request> {
        let idle = |waiting: &mut Waiting| waiting.requests.is_empty() && waiting.closed.is_none();
        let waiting = self.came.wait_while(self.locked(), idle);
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        let (mut batch, mut bytes) = (Vec::new(), 0_usize);
        while let Some(next) = waiting.requests.front().map(Request::bytes)
            && (batch.is_empty() || bytes.saturating_add(next) <= self.limits.batch_bytes)
        {
            bytes += next;
            batch.extend(waiting.requests.pop_front());
        }
        waiting.bytes -= bytes;
        drop(waiting);
        self.taken.notify_all();
        batch
    }

    /// Takes nothing more. The first reason stays.
    fn close(&self, reason: GroupError) {
        self.locked().closed.get_or_insert(reason);
        self.came.notify_all();
        self.taken.notify_all();
    }

    /// Takes nothing more for a reason that outweighs an orderly end, and refuses what waits.
    fn stop(&self, reason: &GroupError) {
        let mut waiting = self.locked();
        waiting.closed = Some(reason.clone());
        waiting.bytes = 0;
        let refused = std::mem::take(&mut waiting.requests);
        drop(waiting);
        self.came.notify_all();
        self.taken.notify_all();
        for request in refused {
            request.refuse(reason);
        }
    }

    fn locked(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Queue").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Waiting {
    /// Judged before a request comes in and without its size, so that a large one does not wait for ever behind small
    /// ones.
    fn is_full(&self, limits: &GroupLimits) -> bool {
        !self.requests.is_empty()
            && (self.requests.len() >= limits.queued_requests || self.bytes >= limits.queued_bytes)
    }

    fn reason(&self) -> GroupError {
        self.closed.clone().unwrap_or(GroupError::Closed)
    }
}

impl Request {
    fn bytes(&self) -> usize {
        match self {
            Self::Append(request) => request.bytes,
            Self::Checkpoint(_) => 0,
        }
    }

    fn refuse(self, reason: &GroupError) {
        match self {
            Self::Append(request) => tell(&request.answer, Err(reason.clone())),
            Self::Checkpoint(answer) => tell(&answer, Err(reason.clone())),
        }
    }
}

/// Refuses what the ledger would refuse whatever comes before it, so that nobody else in the batch is concerned.
fn request(drafts: Vec<OwnedDraft>) -> Result<(AppendRequest, Ticket), GroupError> {
    let too_large = drafts.iter().zip(0..).find(|(draft, _)| draft.captured.len() > MAX_RECORD_BYTES);
    if let Some((draft, position)) = too_large {
        let found = draft.captured.len();
        return Err(GroupError::Refused(Arc::new(AppendError::RecordTooLarge { position, found })));
    }
    let bytes = drafts
        .iter()
        .map(|draft| draft.captured.len() + draft.received.as_ref().map_or(0, Vec::len))
        .fold(0_usize, usize::saturating_add);
    let (answer, receiver) = mpsc::sync_channel(1);
    Ok((AppendRequest { drafts, bytes, answer }, Ticket { answer: receiver }))
}

/// The thread's side.
struct Committer {
    ledger: Ledger,
    policy: CheckpointPolicy,
    /// Earliest time of receipt among the entries that no checkpoint covers.
    uncommitted_since: Option<i64>,
    /// Latest time of receipt seen. Clocks of writers may differ; it never goes back.
    latest: i64,
}

/// Stops the queue when the thread ends, also by a panic, so that nobody waits for it for ever.
struct StopAtEnd<'a>(&'a Queue);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        let reason = self.0.locked().reason();
        self.0.stop(&reason);
    }
}

fn run(mut committer: Committer, queue: &Queue) -> Option<Ledger> {
    let _stop = StopAtEnd(queue);
    loop {
        let batch = queue.take_batch();
        if batch.is_empty() {
            return Some(committer.ledger);
        }
        if let Err(failed) = committer.work_off(batch) {
            queue.stop(&failed);
            return None;
        }
    }
}

impl Committer {
    /// Appends what is asked for, in order, with as few syncs as the checkpoints in between allow.
    fn work_off(&mut self, batch: Vec<Request>) -> Result<(), GroupError> {
        let mut appends = Vec::new();
        let mut outcome = Ok(());
        for request in batch {
            match request {
                _ if outcome.is_err() => {
                    if let Err(reason) = &outcome {
                        request.refuse(reason);
                    }
                }
                Request::Append(request) => appends.push(request),
                Request::Checkpoint(answer) => {
                    let made = self.append(std::mem::take(&mut appends)).and_then(|()| self.checkpoint());
                    outcome = made.as_ref().map(|_| ()).map_err(Clone::clone);
                    tell(&answer, made);
                }
            }
        }
        outcome.and_then(|()| self.append(appends)).and_then(|()| self.checkpoint_if_due())
    }

    /// Appends all of them as one batch, and tells each its leaves. On an error nobody is acknowledged.
    fn append(&mut self, requests: Vec<AppendRequest>) -> Result<(), GroupError> {
        let requests = self.refuse_unfit(requests);
        let drafts: Vec<Draft<'_>> =
            requests.iter().flat_map(|request| &request.drafts).map(OwnedDraft::as_draft).collect();
        if drafts.is_empty() {
            // Somebody appended nothing, which is durable already.
            let size = self.ledger.size();
            for request in &requests {
                tell(&request.answer, Ok(size..size));
            }
            return Ok(());
        }
        match self.ledger.append(&drafts) {
            Ok(leaves) => {
                for draft in &drafts {
                    self.latest = self.latest.max(draft.received_at);
                    let since = self.uncommitted_since.get_or_insert(draft.received_at);
                    *since = draft.received_at.min(*since);
                }
                // Durable: a crash from here on loses nothing that is told now.
                let mut next = leaves.start;
                for request in &requests {
                    let end = next + request.drafts.len() as u64;
                    tell(&request.answer, Ok(next..end));
                    next = end;
                }
                Ok(())
            }
            Err(error) => {
                let failed = GroupError::Append(Arc::new(error));
                for request in &requests {
                    tell(&request.answer, Err(failed.clone()));
                }
                Err(failed)
            }
        }
    }

    /// Tells those whose request the ledger refuses, so that they do not spoil the batch for others; returns the rest.
    fn refuse_unfit(&self, requests: Vec<AppendRequest>) -> Vec<AppendRequest> {
        let size = self.ledger.size();
        let mut fit = Vec::with_capacity(requests.len());
        for request in requests {
            // The leaves of a request are not known before it is appended, so it refers to earlier entries only.
            let unfit = request.drafts.iter().zip(0..).find_map(|(draft, position)| {
                let reference = [draft.stream, draft.object].into_iter().flatten().find(|to| *to >= size);
                if let Some(reference) = reference {
                    return Some(AppendError::Reference { position, leaf: size, reference });
                }
                let beyond = |span: Span| span.offset.checked_add(span.length).is_none();
                draft.span.is_some_and(beyond).then_some(AppendError::Span { position })
            });
            match unfit {
                Some(error) => tell(&request.answer, Err(GroupError::Refused(Arc::new(error)))),
                None => fit.push(request),
            }
        }
        fit
    }

    fn checkpoint(&mut self) -> Result<SignedCheckpoint, GroupError> {
        let made = self.ledger.checkpoint().map_err(|error| GroupError::Checkpoint(Arc::new(error)))?;
        self.uncommitted_since = None;
        Ok(made)
    }

    fn checkpoint_if_due(&mut self) -> Result<(), GroupError> {
        let ahead = self.ledger.size() - self.ledger.committed().size();
        let by_entries = self.policy.every_entries.is_some_and(|every| ahead > 0 && ahead >= every);
        let waited = self.uncommitted_since.map_or(0, |since| self.latest.abs_diff(since));
        let by_time = self
            .policy
            .every_nanoseconds
            .is_some_and(|every| self.uncommitted_since.is_some() && waited >= every);
        if by_entries || by_time {
            self.checkpoint()?;
        }
        Ok(())
    }
}

/// Answers a writer; one that has gone does not want to know.
fn tell<T>(answer: &SyncSender<Result<T, GroupError>>, outcome: Result<T, GroupError>) {
    drop(answer.try_send(outcome));
}
