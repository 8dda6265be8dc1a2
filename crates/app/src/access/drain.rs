//! Takes the spool into the access ledger: append, checkpoint, and only then remove the files.
//!
//! A crash after the append leaves files whose accesses are in the ledger. Whoever comes next finds their ids among the
//! last entries and only removes the files: an access is in the ledger once. It knows ids and bytes.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::PathBuf;

use ascribe_ledger::durable::Disk;
use ascribe_ledger::{Draft, Kind, Ledger};
use ascribe_model::Timestamp;

use super::spool::{Content, Waiting, asked_at, id_in, sweep, waiting};
use super::{AccessLedgerError, AccessPlace};

/// Accesses in one append.
const BATCH: usize = 1_024;

/// What became of the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// It is in the ledger; so many accesses were new to it.
    Done(u64),
    /// Somebody else is at it, and takes in what was there when they began.
    Busy,
}

/// The spool could not be taken in. What is in it stays there.
#[derive(Debug, thiserror::Error)]
pub enum DrainError {
    /// A file of the spool, or the lock, cannot be used.
    #[error("cannot use `{}`", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The ledger cannot be opened, made or read.
    #[error(transparent)]
    Ledger(#[from] AccessLedgerError),
    /// An access has no JSON form.
    #[error("an access has no JSON form")]
    Form(#[from] serde_json::Error),
    /// The ledger did not take it.
    #[error("the access ledger cannot take an entry")]
    Append(#[source] ascribe_ledger::AppendError),
    /// Its checkpoint could not be signed or published.
    #[error("the access ledger cannot publish a checkpoint")]
    Checkpoint(#[source] ascribe_ledger::CheckpointError),
}

/// Takes the spool into the ledger, and `own`, the access of this program, with it.
pub fn drain(place: &AccessPlace, own: Option<&Waiting>, now: Timestamp) -> Result<Drained, DrainError> {
    let Some(_lock) = lock(place)? else { return Ok(Drained::Busy) };
    // A program's own file is locked by itself, so it is not among these.
    let others = waiting(place).map_err(|source| DrainError::File { path: place.spool(), source })?;
    if others.is_empty() && own.is_none() {
        return Ok(Drained::Done(0));
    }
    let mut ledger = place.open_or_make()?;
    let known = if others.is_empty() { BTreeSet::new() } else { known_ids(&ledger, &others, now)? };
    let new: Vec<&Waiting> =
        others.iter().chain(own).filter(|waiting| !known.contains(&waiting.name)).collect();
    for batch in new.chunks(BATCH) {
        append(&mut ledger, batch, now)?;
    }
    // A crash from here on leaves files whose accesses are known.
    for waiting in others.iter().chain(own) {
        waiting.remove().map_err(|source| DrainError::File { path: waiting.path.clone(), source })?;
    }
    sweep(place, now).map_err(|source| DrainError::File { path: place.spool(), source })?;
    Ok(Drained::Done(new.len() as u64))
}

impl AccessPlace {
    /// Keeps everybody from taking the spool in, for as long as the file is kept; `None` where another has the lock, or
    /// where the folder cannot be written.
    pub fn hold(&self) -> Option<File> {
        lock(self).ok().flatten()
    }
}

/// The lock of whoever takes the spool in; `None` where another has it.
fn lock(place: &AccessPlace) -> Result<Option<File>, DrainError> {
    let path = place.lock();
    let failed = |source| DrainError::File { path: path.clone(), source };
    let folder = place.spool();
    if !folder.is_dir() {
        Disk::default().create_folder(&folder).map_err(AccessLedgerError::Write)?;
    }
    let file = OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Ids among the last entries, back to the time of the oldest access that waits. No entry is received before the access
/// that it holds, nor before an entry in front of it, even where clocks are put back, so none of these is further back.
fn known_ids(
    ledger: &Ledger,
    waiting: &[Waiting],
    now: Timestamp,
) -> Result<BTreeSet<String>, AccessLedgerError> {
    // The time in a name is the word of whoever made the file: one in the future must not hide what is known.
    let oldest = waiting.iter().map(Waiting::asked_at).min().unwrap_or(i64::MIN).min(now.nanoseconds());
    let reader = ledger.reader()?;
    let mut known = BTreeSet::new();
    for leaf in (0..reader.size()).rev() {
        let entry = reader.entry(leaf)?;
        if entry.envelope().received_at < oldest {
            break;
        }
        known.extend(entry.captured().and_then(id_in));
    }
    Ok(known)
}

fn append(ledger: &mut Ledger, batch: &[&Waiting], now: Timestamp) -> Result<(), DrainError> {
    let last = match ledger.size().checked_sub(1) {
        None => i64::MIN,
        Some(leaf) => {
            let reader = ledger.reader().map_err(AccessLedgerError::Read)?;
            reader.entry(leaf).map_err(AccessLedgerError::Read)?.envelope().received_at
        }
    };
    let received_at = now.nanoseconds().max(last);
    let captured: Vec<Vec<u8>> =
        batch.iter().map(|waiting| waiting.captured()).collect::<Result<_, serde_json::Error>>()?;
    let drafts: Vec<Draft<'_>> = batch
        .iter()
        .zip(&captured)
        .map(|(waiting, captured)| Draft {
            kind: match waiting.content {
                Content::Access(_) => Kind::Record,
                Content::Unread(_) => Kind::Reject,
            },
            stream: None,
            object: None,
            span: None,
            received_at,
            captured,
            received: None,
        })
        .collect();
    ledger.append(&drafts).map_err(DrainError::Append)?;
    ledger.checkpoint().map_err(DrainError::Checkpoint)?;
    Ok(())
}

impl Waiting {
    /// Removes its file, which is in the ledger. One that is gone already is as good.
    fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// When it was asked, in nanoseconds since the Unix epoch: what its name says.
    fn asked_at(&self) -> i64 {
        asked_at(&self.name).unwrap_or_default()
    }
}

impl DrainError {
    /// Whether the system did not let this user read the key or write the ledger.
    pub fn is_about_rights(&self) -> bool {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = cause {
            if let Some(io) = error.downcast_ref::<io::Error>() {
                return matches!(
                    io.kind(),
                    io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
                );
            }
            cause = error.source();
        }
        false
    }

    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Ledger(error) => error.hint(),
            Self::File { .. } | Self::Form(_) | Self::Append(_) | Self::Checkpoint(_) => {
                "check who owns the folder `access`, and that the disk is not full or read-only"
            }
        }
    }
}
