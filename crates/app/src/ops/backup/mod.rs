//! `ascribe backup` and `ascribe restore`: a copy of the evidence at one published checkpoint, and evidence made of it
//! again. `docs/backup.md` states the form.
//!
//! ```text
//! <backup>/backup.json     names every file with length and digest; replaced all at once
//! <backup>/data/<sha256>   content, by its digest
//! <backup>/lock            held by the one that writes
//! ```
//!
//! It copies ground and what belongs to the folder; store, tiles and other derived files are derived again. It neither
//! reads records nor writes to the evidence.

mod copy;
mod manifest;
mod restore;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ascribe_ledger::durable::{Disk, DurableError};
use ascribe_ledger::proof::verify_consistency;
use ascribe_ledger::{Reader, SignedCheckpoint};

pub use restore::{RestoreError, RestoredAnchor, restore};

use copy::{CopyError, copy, digest};
use manifest::{Manifest, ManifestError, StoredFile};
use source::{Source, SourceFile};

use crate::workspace::{Workspace, WorkspaceError};

const MANIFEST: &str = "backup.json";
const DATA: &str = "data";
const LOCK: &str = "lock";

/// Whether private keys go along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// They do: whoever has the backup can sign and unseal.
    Included,
    /// They stay; the backup can be read and checked, and takes nothing in.
    Left,
}

/// What came of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackedUp {
    /// Entries of the ledger that it holds.
    pub entries: u64,
    /// Files that it names.
    pub files: u64,
    /// Of these, files that were copied now; the others were there.
    pub copied: u64,
    /// Bytes copied.
    pub bytes: u64,
    /// Contents of earlier backups that no file has any more, removed.
    pub removed: u64,
}

/// A backup was not made. The one before, if there is one, is as it was.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The folder is not usable.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// The ledger cannot be read.
    #[error("cannot read the ledger")]
    Ledger(#[from] ascribe_ledger::ReadError),
    /// The access ledger cannot be read.
    #[error("cannot read the access ledger")]
    Access(#[source] Box<crate::access::AccessLedgerError>),
    /// The backup would lie in what it backs up.
    #[error("`{}` lies in the evidence itself", dest.display())]
    Inside {
        /// Where the backup should go.
        dest: PathBuf,
    },
    /// The folder holds something else.
    #[error("`{}` holds something that is no backup: `{}`", dest.display(), found.display())]
    NotABackup {
        /// The folder.
        dest: PathBuf,
        /// One thing in it.
        found: PathBuf,
    },
    /// Somebody else writes to it.
    #[error("another program writes to the backup `{}`", dest.display())]
    Busy {
        /// The backup.
        dest: PathBuf,
    },
    /// The backup that is there is of another ledger, or of another history of this one.
    #[error(
        "the backup that is there is no earlier state of this ledger\n--- backup\n{backup}--- ledger\n{ledger}"
    )]
    OtherHistory {
        /// Note in the backup.
        backup: String,
        /// Note of the ledger.
        ledger: String,
    },
    /// The names of the backup that is there cannot be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A file cannot be copied.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// A file of the evidence or the backup cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A file of the backup cannot be written.
    #[error(transparent)]
    Write(#[from] DurableError),
}

/// Backs the evidence in `root` up into `dest`, as of its published checkpoint. A writer may be at work.
///
/// A crash at any step leaves the backup that was there, whole; contents that no manifest names go with the next one.
pub fn backup(root: &Path, dest: &Path, keys: Keys, disk: &Disk) -> Result<BackedUp, BackupError> {
    let workspace = Workspace::open(root)?;
    let reader = Reader::open(&workspace.ledger_paths(), &workspace.verifier_key()?)?;
    require_outside(root, dest)?;
    let data = dest.join(DATA);
    disk.create_folder(&data)?;
    let _lock = lock(dest)?;
    let previous = Manifest::read(&dest.join(MANIFEST))?;
    if previous.is_none() {
        require_empty(dest)?;
    }
    if let Some(previous) = &previous {
        require_earlier(previous, &reader, &workspace)?;
    }
    let mut known = previous.as_ref().map(Manifest::digests).unwrap_or_default();
    // What a crash left of a backup that never came to be may be torn; it is not built upon.
    let mut backed_up = BackedUp { entries: reader.size(), files: 0, copied: 0, bytes: 0, removed: 0 };
    sweep(disk, &data, &known)?;
    let source = Source { root, workspace: &workspace, keys };
    let target = Target { disk, data: &data, previous: previous.as_ref() };
    let mut files = BTreeMap::new();
    let (found, access_checkpoint) = source.files(reader.checkpoint())?;
    for file in found {
        let stored = store(&target, &file, &mut known, &mut backed_up)?;
        files.insert(file.name, stored);
    }
    disk.sync_folder(&data)?;
    backed_up.files = files.len() as u64;
    let manifest = Manifest {
        format: manifest::FORMAT,
        origin: workspace.settings().origin.clone(),
        checkpoint: reader.checkpoint().note().to_owned(),
        access_checkpoint,
        files,
    };
    // From here on this is the backup; before, it is the one that was there.
    disk.replace_file(&dest.join(MANIFEST), &manifest.to_bytes()?)?;
    // Erased bytes are in contents that the new manifest does not name. A crash here leaves them to the next backup.
    backed_up.removed = sweep(disk, &data, &manifest.digests())?;
    Ok(backed_up)
}

/// Where contents go, and what was there before.
struct Target<'a> {
    disk: &'a Disk,
    data: &'a Path,
    previous: Option<&'a Manifest>,
}

/// The content of one file, copied unless it is there.
fn store(
    target: &Target<'_>,
    file: &SourceFile,
    known: &mut BTreeSet<String>,
    backed_up: &mut BackedUp,
) -> Result<StoredFile, BackupError> {
    let Target { disk, data, previous } = *target;
    let before = previous.and_then(|previous| previous.files.get(&file.name));
    let is_there = |digest: &str, length: u64| {
        fs::metadata(data.join(digest)).is_ok_and(|metadata| metadata.len() == length)
    };
    if let Some(before) = before
        && file.is_final
        && before.length == file.length
        && is_there(&before.sha256, before.length)
    {
        return Ok(before.clone());
    }
    let sha256 = digest(&file.path, file.length)?;
    if !(known.contains(&sha256) && is_there(&sha256, file.length)) {
        copy(disk, file, &data.join(&sha256), &sha256)?;
        known.insert(sha256.clone());
        backed_up.copied += 1;
        backed_up.bytes += file.length;
    }
    Ok(StoredFile { length: file.length, sha256, private: file.is_private })
}

/// Removes contents that nothing names; returns how many.
fn sweep(disk: &Disk, data: &Path, named: &BTreeSet<String>) -> Result<u64, BackupError> {
    let mut removed = 0;
    for path in list(data)? {
        if !path.file_name().and_then(|name| name.to_str()).is_some_and(|name| named.contains(name)) {
            disk.remove_file(&path)?;
            removed += 1;
        }
    }
    if removed > 0 {
        disk.sync_folder(data)?;
    }
    Ok(removed)
}

/// A ledger that was put back to an older state, or another one, must not replace a backup that has more.
fn require_earlier(previous: &Manifest, reader: &Reader, workspace: &Workspace) -> Result<(), BackupError> {
    let ledger = reader.checkpoint();
    let other = || BackupError::OtherHistory {
        backup: previous.checkpoint.clone(),
        ledger: ledger.note().to_owned(),
    };
    let key = workspace.verifier_key()?;
    let before = SignedCheckpoint::open(previous.checkpoint.as_bytes(), &key).map_err(|_| other())?;
    if before.size() > ledger.size() || (before.size() == ledger.size() && before.root() != ledger.root()) {
        return Err(other());
    }
    if before.size() == 0 || before.size() == ledger.size() {
        return Ok(());
    }
    let proof = reader.consistency_proof(before.size())?;
    let (old, new) = (before.checkpoint().tree_head(), ledger.checkpoint().tree_head());
    verify_consistency(old, new, &proof).map_err(|_| other())
}

fn require_outside(root: &Path, dest: &Path) -> Result<(), BackupError> {
    let absolute = |path: &Path| {
        // The backup may not be there yet; the nearest folder that is tells where it would be.
        let there = path.ancestors().find_map(|folder| fs::canonicalize(folder).ok());
        there.or_else(|| fs::canonicalize(".").ok()).unwrap_or_else(|| path.to_owned())
    };
    let inside = absolute(dest).starts_with(absolute(root));
    if inside { Err(BackupError::Inside { dest: dest.to_owned() }) } else { Ok(()) }
}

fn require_empty(dest: &Path) -> Result<(), BackupError> {
    for found in list(dest)? {
        let name = found.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // A crash in the first backup leaves these.
        if ![DATA, LOCK, "backup.json.staged"].contains(&name) {
            return Err(BackupError::NotABackup { dest: dest.to_owned(), found });
        }
    }
    Ok(())
}

fn lock(dest: &Path) -> Result<fs::File, BackupError> {
    let path = dest.join(LOCK);
    let file = fs::OpenOptions::new().create(true).append(true).open(&path);
    let file = file.map_err(|source| BackupError::Read { path, source })?;
    file.try_lock().map_err(|_| BackupError::Busy { dest: dest.to_owned() })?;
    Ok(file)
}

/// Paths in a folder, sorted.
fn list(folder: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let list = || -> io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect()
    };
    let mut paths = list().map_err(|source| BackupError::Read { path: folder.to_owned(), source })?;
    paths.sort();
    Ok(paths)
}

impl BackupError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Workspace(error) => error.hint(),
            Self::Ledger(_) | Self::Access(_) => {
                "`ascribe ledger fsck` names everything that is damaged or missing"
            }
            Self::Inside { .. } => "choose a folder on another volume",
            Self::NotABackup { .. } => {
                "choose a new or empty folder, or one that holds a backup of this evidence"
            }
            Self::Busy { .. } => "wait for it to end",
            Self::OtherHistory { .. } => {
                "the ledger was put back or replaced, or the backup is of another one; keep the backup, and compare both notes"
            }
            Self::Manifest(_) => "the backup cannot be built upon; keep it, and choose another folder",
            Self::Copy(_) | Self::Read { .. } | Self::Write(_) => {
                "check that the disk is not full and who may read and write; then run it again"
            }
        }
    }
}

#[cfg(test)]
mod tests;
