//! Evidence opened to append entries that this program makes itself: signs of life, what is configured, keys.
//!
//! Ledger and store are held for as long as it is open, and the store has folded what the ledger holds. Records come in
//! by `ingest`, not here.

use std::path::Path;

use ascribe_ledger::{Draft, Kind, Ledger, Reader, SignedCheckpoint};
use ascribe_model::{PulseEntry, Timestamp};
use ascribe_store::Store;

use super::ingest::{IngestFailure, open_ledger};
use super::upkeep::parser_versions;
use crate::ingest::catch_up;
use crate::pulse::{Due, Last, Receipts};
use crate::workspace::Workspace;

/// Evidence that is open for appending.
pub struct Writing {
    /// The folder.
    pub workspace: Workspace,
    /// Takes the entries.
    pub ledger: Ledger,
    /// The ledger as it was when it was opened.
    pub reader: Reader,
    /// Folded up to there.
    pub store: Store,
    /// Times of receipt.
    pub receipts: Receipts,
    pending: Vec<Made>,
    _lock: std::fs::File,
}

/// An entry that is to be appended.
struct Made {
    kind: Kind,
    stream: Option<u64>,
    received_at: Timestamp,
    captured: Vec<u8>,
}

/// Entries could not be appended.
#[derive(Debug, thiserror::Error)]
pub enum WriteFailure {
    /// The evidence cannot be opened for writing.
    #[error(transparent)]
    Open(Box<IngestFailure>),
    /// An entry has no JSON form.
    #[error("an entry has no JSON form")]
    Form(#[source] serde_json::Error),
    /// The ledger cannot take entries.
    #[error("the ledger cannot take the entries")]
    Append(#[source] ascribe_ledger::AppendError),
    /// The checkpoint cannot be signed or published.
    #[error("cannot publish a checkpoint")]
    Checkpoint(#[source] ascribe_ledger::CheckpointError),
}

impl Writing {
    /// Opens the evidence in `root` and folds what the store has not yet folded.
    pub fn open(root: &Path) -> Result<Self, WriteFailure> {
        Self::open_folder(Workspace::open(root).map_err(IngestFailure::from)?)
    }

    /// The same for a folder that was looked into before.
    pub fn open_folder(workspace: Workspace) -> Result<Self, WriteFailure> {
        let (ledger, _) = open_ledger(&workspace)?;
        let lock = workspace.wait_for_fold_lock().ok_or(IngestFailure::Folding)?;
        let reader = ledger.reader().map_err(IngestFailure::Read)?;
        let mut store = Store::open(&workspace.store_path()).map_err(IngestFailure::Store)?;
        if *store.parsers() != parser_versions() {
            return Err(IngestFailure::OtherParsers.into());
        }
        catch_up(&mut store, &reader).map_err(IngestFailure::CatchUp)?;
        let receipts = Receipts::after(last_of(&reader).map_err(IngestFailure::Read)?);
        Ok(Self { workspace, ledger, reader, store, receipts, pending: Vec::new(), _lock: lock })
    }

    /// The leaf that the next entry added gets.
    pub fn next_leaf(&self) -> u64 {
        self.ledger.size() + self.pending.len() as u64
    }

    /// Adds an entry that is made now, and one before it that says so where the clock jumped.
    pub fn add(
        &mut self,
        kind: Kind,
        entry: &impl serde::Serialize,
        now: Timestamp,
    ) -> Result<u64, WriteFailure> {
        self.settle_clock(now)?;
        let received_at = self.receipts.stamp(now);
        self.push(kind, None, received_at, entry)
    }

    /// Adds an entry that says so where the clock jumped since the last one.
    pub fn settle_clock(&mut self, now: Timestamp) -> Result<(), WriteFailure> {
        if let Some(jump) = self.receipts.jump(now) {
            self.add_due(&jump)?;
        }
        Ok(())
    }

    /// Adds a sign of life.
    pub fn add_due(&mut self, due: &Due) -> Result<u64, WriteFailure> {
        self.push(Kind::Heartbeat, due.stream, due.received_at, &due.entry)
    }

    fn push(
        &mut self,
        kind: Kind,
        stream: Option<u64>,
        received_at: Timestamp,
        entry: &impl serde::Serialize,
    ) -> Result<u64, WriteFailure> {
        let leaf = self.next_leaf();
        let captured = serde_json::to_vec(entry).map_err(WriteFailure::Form)?;
        self.pending.push(Made { kind, stream, received_at, captured });
        Ok(leaf)
    }

    /// Appends what was added, all at once. When this returns it is on disk; a crash before leaves none of
    /// it, or all; only where a segment of the ledger ends in between, it may leave the first of it.
    pub fn append(&mut self) -> Result<(), WriteFailure> {
        let pending = std::mem::take(&mut self.pending);
        if pending.is_empty() {
            return Ok(());
        }
        let drafts: Vec<Draft<'_>> = pending
            .iter()
            .map(|made| Draft {
                kind: made.kind,
                stream: made.stream,
                object: None,
                span: None,
                received_at: made.received_at.nanoseconds(),
                captured: &made.captured,
                received: None,
            })
            .collect();
        self.ledger.append(&drafts).map(drop).map_err(WriteFailure::Append)
    }

    /// Appends what was added, signs a checkpoint over it and folds it. A crash before the checkpoint leaves entries
    /// that the next opening signs for; one behind it a store that the next question brings up to the ledger.
    pub fn commit(mut self) -> Result<SignedCheckpoint, WriteFailure> {
        self.append()?;
        let checkpoint = self.ledger.checkpoint().map_err(WriteFailure::Checkpoint)?;
        self.fold()?;
        Ok(checkpoint)
    }

    /// Folds what a checkpoint covers.
    pub fn fold(&mut self) -> Result<(), WriteFailure> {
        let reader = self.ledger.reader().map_err(IngestFailure::Read)?;
        catch_up(&mut self.store, &reader).map_err(IngestFailure::CatchUp)?;
        Ok(())
    }
}

/// The end of the ledger, as far as time goes.
pub fn last_of(reader: &Reader) -> Result<Option<Last>, ascribe_ledger::ReadError> {
    let Some(leaf) = reader.size().checked_sub(1) else { return Ok(None) };
    let entry = reader.entry(leaf)?;
    let received_at = Timestamp::from_nanoseconds(entry.envelope().received_at);
    let said = match entry.envelope().kind {
        Kind::Heartbeat => match serde_json::from_slice(entry.kept()?) {
            Ok(PulseEntry::Clock { at, .. }) => at,
            _ => received_at,
        },
        _ => received_at,
    };
    Ok(Some(Last { received_at, said }))
}

impl From<IngestFailure> for WriteFailure {
    fn from(failure: IngestFailure) -> Self {
        Self::Open(Box::new(failure))
    }
}

impl WriteFailure {
    /// Whether another program writes to the ledger at the moment.
    pub fn is_busy(&self) -> bool {
        match self {
            Self::Open(failure) => match &**failure {
                IngestFailure::Ledger(error) => matches!(**error, ascribe_ledger::OpenError::Lock(_)),
                IngestFailure::Folding => true,
                _ => false,
            },
            _ => false,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Open(failure) => failure.hint(),
            Self::Form(_) => "this is a defect of the program",
            Self::Append(_) | Self::Checkpoint(_) => {
                "check that the disk is not full or read-only; what was acknowledged is on disk"
            }
        }
    }
}
