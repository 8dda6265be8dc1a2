//! The threads of an ingest and the queues between them.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use ascribe_ledger::{Ledger, Reader};
use ascribe_model::{ConfigEntry, Timestamp};
use ascribe_sources::Context;
use ascribe_store::Store;

use super::commit::{Committer, Ground, ToStore};
use super::fold::{CatchUpError, Folder, Folding};
use super::known::known_object;
use super::piece::{Buffers, Message};
use super::progress::Progress;
use super::report::IngestReport;
use super::worker::{Reads, Stopped, read_object};
use super::{InputObject, catch_up};
use crate::capture::{Capture, SealedWriter, WriteSealedError};
use crate::pulse::Last;

/// Messages that wait for the committer, for one object. A batch is about 1 MiB and its events as much again.
const MESSAGES_WAITING: usize = 4;
/// Groups that wait for the store.
const GROUPS_WAITING: usize = 8;

/// What is to be taken in, and how.
pub struct Plan<'a> {
    /// The inputs, in order.
    pub objects: &'a [InputObject],
    /// Native scope for records that carry none.
    pub scope: Option<&'a str>,
    /// What is kept of a record.
    pub capture: &'a Capture,
    /// What the operator configured since the ledger was written last.
    pub configs: &'a [ConfigEntry],
    /// Threads that parse.
    pub workers: NonZeroUsize,
    /// Tells the time of receipt.
    pub clock: fn() -> Timestamp,
    /// Who watches.
    pub progress: &'a dyn Progress,
}

/// What ledger and store were when the run began, and the two to go on with.
pub struct Destination {
    /// Takes the entries.
    pub ledger: Ledger,
    /// Folds them.
    pub store: Store,
    /// The ledger as it was, for objects met before.
    pub reader: Reader,
    /// The store as it was, for objects and streams met before.
    pub before: Store,
    /// Takes sealed values, where the policy has any.
    pub sealed: Option<SealedWriter>,
    /// The end of the ledger, as far as time goes.
    pub last: Option<Last>,
}

/// An ingest stopped. Everything acknowledged is on disk; running it again goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The ledger cannot take entries.
    #[error("the ledger cannot take more entries")]
    Append(#[source] ascribe_ledger::AppendError),
    /// The checkpoint cannot be signed or published.
    #[error("cannot publish a checkpoint")]
    Checkpoint(#[source] ascribe_ledger::CheckpointError),
    /// The store cannot be read.
    #[error("cannot look up streams in the store")]
    Store(#[source] ascribe_store::ReadError),
    /// The store cannot take entries in. The ledger has them.
    #[error("the ledger is written, but the store is not")]
    Fold(#[source] CatchUpError),
    /// The store stopped taking entries; its own error says why.
    #[error("the store stopped taking entries")]
    FolderStopped,
    /// The ledger cannot be read.
    #[error("cannot read the ledger")]
    Ledger(#[source] ascribe_ledger::ReadError),
    /// The capture policy cannot be applied, so that records would be stored with what it withholds.
    #[error("cannot apply the capture policy")]
    Capture(#[source] std::io::Error),
    /// Sealed values cannot be written, so the records that refer to them are not stored.
    #[error("cannot write sealed values")]
    Seal(#[source] WriteSealedError),
    /// There are sealed values, and nothing to write them with.
    #[error("the capture policy seals values without a key")]
    NoSeal,
    /// An entry has no JSON form.
    #[error("an entry has no JSON form")]
    Form(#[source] serde_json::Error),
}

/// Runs the plan into the destination.
pub fn run(plan: &Plan<'_>, destination: Destination) -> Result<IngestReport, IngestError> {
    let Destination { ledger, store, reader, before, sealed, last } = destination;
    let known = |digest: &str| known_object(&before, &reader, digest);
    let buffers = Buffers::default();
    let context = Context { scope: plan.scope };
    let reads =
        Reads { context, capture: plan.capture, known: &known, progress: plan.progress, buffers: &buffers };
    let (folder_in, folder_out) = sync_channel(GROUPS_WAITING);
    let (order_in, order_out) = sync_channel(plan.workers.get() * 2);
    let next = Mutex::new((plan.objects.iter(), order_in));
    thread::scope(|scope| {
        let given_back = &buffers;
        let folding = scope.spawn(move || fold(store, &folder_out, given_back));
        for _ in 0..plan.workers.get() {
            scope.spawn(|| work(&next, &reads));
        }
        let mut committer =
            Committer::new(Ground { ledger, sealed, last }, &before, plan, folder_in, &buffers);
        let outcome = commit(&mut committer, plan.objects.iter(), &order_out);
        // Workers that wait for a place in a queue see that nobody takes messages any more.
        drop(order_out);
        let finished = outcome.and_then(|()| committer.finish());
        let folded = folding.join().map_err(|_| IngestError::FolderStopped)?.map_err(IngestError::Fold);
        match (finished, folded) {
            (Ok((ledger, report)), Ok(Some((store, counts)))) => settle(&ledger, store, counts, report),
            (Ok(_), Ok(None)) => Err(IngestError::FolderStopped),
            // The store's own failure explains why the committer found it gone.
            (Err(IngestError::FolderStopped) | Ok(_), Err(failed)) | (Err(failed), _) => Err(failed),
        }
    })
}

/// What the queue of objects holds: the next ones, and where the committer learns of them.
type Dispatch<'a> = Mutex<(std::slice::Iter<'a, InputObject>, SyncSender<Receiver<Message>>)>;

/// Takes one object after the other until none is left.
fn work(dispatch: &Dispatch<'_>, reads: &Reads<'_>) {
    loop {
        // Both steps under one lock, so that the committer learns of objects in their order.
        let (object, messages) = {
            let Ok(mut next) = dispatch.lock() else { return };
            let Some(object) = next.0.next() else { return };
            let (messages, receiver) = sync_channel(MESSAGES_WAITING);
            if next.1.send(receiver).is_err() {
                return;
            }
            (object, messages)
        };
        let mut send = |message| messages.send(message).map_err(|_| Stopped);
        if read_object(object, reads, &mut send).is_err() {
            return;
        }
    }
}

fn commit<'a>(
    committer: &mut Committer<'_>,
    objects: impl Iterator<Item = &'a InputObject>,
    order: &Receiver<Receiver<Message>>,
) -> Result<(), IngestError> {
    committer.record_configs()?;
    for object in objects {
        let Ok(messages) = order.recv() else { break };
        committer.commit_object(object, &messages)?;
    }
    Ok(())
}

/// Folds what is appended. The last segment is published only once a checkpoint covers it: a store is never ahead of
/// the ledger that readers see.
fn fold(
    store: Store,
    messages: &Receiver<ToStore>,
    buffers: &Buffers,
) -> Result<Option<(Store, Folding)>, CatchUpError> {
    let mut folder = Folder::new(store);
    for message in messages {
        match message {
            ToStore::Appended(group) => {
                for entry in &group.entries {
                    folder.push(group.received_at, entry, &group.outlines)?;
                }
                group.outlines.into_iter().for_each(|outlines| buffers.give_outlines(outlines));
            }
            ToStore::Committed => return folder.finish().map(Some),
        }
    }
    Ok(None)
}

/// After the last checkpoint: merges small segments of the store.
fn settle(
    ledger: &Ledger,
    mut store: Store,
    counts: Folding,
    mut report: IngestReport,
) -> Result<IngestReport, IngestError> {
    report.events = counts.new;
    report.duplicates = counts.repeated;
    let reader = ledger.reader().map_err(IngestError::Ledger)?;
    catch_up(&mut store, &reader).map_err(IngestError::Fold)?;
    Ok(report)
}
