//! Makes an evidence folder of a backup. It is built beside its place, checked there, and put there all at once.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use ascribe_ledger::durable::{self, Disk, DurableError};
use ascribe_ledger::{Cause, LedgerPaths, RebuildError, VerifierKey, rebuild_derived, verify};

use super::copy::{CopyError, copy};
use super::manifest::{Manifest, ManifestError};
use super::source::SourceFile;
use super::{DATA, MANIFEST};
use crate::access::AccessLedgerError;
use crate::causes::with_causes;
use crate::ops::{UpkeepError, rebuild};
use crate::workspace::{Workspace, WorkspaceError};

/// Evidence that was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Entries of the ledger.
    pub entries: u64,
    /// Files that were copied.
    pub files: u64,
    /// How the anchor stands to it.
    pub anchor: RestoredAnchor,
    /// Whether the key that signs is there.
    pub can_sign: bool,
}

/// How the anchor stands to restored evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoredAnchor {
    /// It lies in the folder and was restored with it, so it guards nothing.
    Restored,
    /// It lies elsewhere and has the same checkpoint.
    Agrees,
    /// It lies elsewhere and has another checkpoint, or none: nothing is appended as long as that is so.
    Differs,
}

/// Evidence was not restored. The folder asked for is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is no backup.
    #[error("`{}` holds no backup: there is no `{MANIFEST}` in it", backup.display())]
    NotABackup {
        /// The folder.
        backup: PathBuf,
    },
    /// Something is there already.
    #[error("`{}` is not empty", to.display())]
    NotEmpty {
        /// Where the evidence should go.
        to: PathBuf,
    },
    /// The names of the backup cannot be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A file of the backup is damaged or missing, or cannot be copied.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// What was restored is no evidence folder.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// The access ledger's key cannot be read.
    #[error("cannot read the key of the access ledger")]
    Access(#[from] AccessLedgerError),
    /// The tiles cannot be made.
    #[error("cannot derive the tiles of the ledger")]
    Tiles(#[from] RebuildError),
    /// The ledger in the backup is not in order.
    #[error("the ledger in the backup is not in order: {first}")]
    NotInOrder {
        /// The first problem.
        first: String,
    },
    /// The store cannot be derived.
    #[error("cannot derive the store")]
    Store(#[source] UpkeepError),
    /// A file or folder cannot be made or removed.
    #[error("cannot use `{}`", path.display())]
    Use {
        /// Which.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A file cannot be made durable.
    #[error(transparent)]
    Write(#[from] DurableError),
}

/// Restores the evidence in `backup` into `to`, which must not be there or be empty.
///
/// A crash leaves a folder `<to>.restoring`, which the next attempt removes.
pub fn restore(backup: &Path, to: &Path) -> Result<Restored, RestoreError> {
    let manifest = Manifest::read(&backup.join(MANIFEST))?
        .ok_or_else(|| RestoreError::NotABackup { backup: backup.to_owned() })?;
    if fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some()) || to.is_file() {
        return Err(RestoreError::NotEmpty { to: to.to_owned() });
    }
    let mut name = to.as_os_str().to_owned();
    name.push(".restoring");
    let staging = PathBuf::from(name);
    let using = |source| RestoreError::Use { path: staging.clone(), source };
    match fs::remove_dir_all(&staging) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(using(error)),
        _ => {}
    }
    let files = copy_all(&manifest, backup, &staging)?;
    let workspace = Workspace::open(&staging)?;
    let anchor = place_notes(&manifest, &workspace, &staging)?;
    let key = workspace.verifier_key()?;
    let entries = check(&workspace.ledger_paths(), &key)?;
    if manifest.access_checkpoint.is_some() {
        check(&workspace.access().ledger_paths(), &workspace.access().verifier_key()?)?;
    }
    rebuild(&staging).map_err(RestoreError::Store)?;
    let can_sign = workspace.signing_key().is_ok();
    // A crash before leaves nothing in the place of the evidence; after it, all of it.
    durable::publish_file(&staging, to)?;
    Ok(Restored { entries, files, anchor, can_sign })
}

fn copy_all(manifest: &Manifest, backup: &Path, staging: &Path) -> Result<u64, RestoreError> {
    let disk = Disk::default();
    for (name, stored) in &manifest.files {
        let to = staging.join(name);
        if let Some(folder) = to.parent() {
            disk.create_folder(folder)?;
        }
        let file = SourceFile {
            path: backup.join(DATA).join(&stored.sha256),
            name: name.clone(),
            length: stored.length,
            is_final: true,
            is_private: stored.private,
        };
        copy(&disk, &file, &to, &stored.sha256)?;
        disk.sync_folder(to.parent().unwrap_or(staging))?;
    }
    // An empty ledger has a folder and no file in it.
    disk.create_folder(&staging.join("ledger/segment"))?;
    if manifest.access_checkpoint.is_some() {
        disk.create_folder(&staging.join("access/ledger/segment"))?;
    }
    Ok(manifest.files.len() as u64)
}

/// Puts the notes of the checkpoints where they belong. An anchor outside of the folder is never written to.
fn place_notes(
    manifest: &Manifest,
    workspace: &Workspace,
    staging: &Path,
) -> Result<RestoredAnchor, RestoreError> {
    let disk = Disk::default();
    let place = |folder: PathBuf, note: &str| -> Result<(), RestoreError> {
        disk.create_folder(&folder)?;
        Ok(disk.replace_file(&folder.join("checkpoint"), note.as_bytes())?)
    };
    place(staging.join("ledger"), &manifest.checkpoint)?;
    if let Some(note) = &manifest.access_checkpoint {
        place(staging.join("access/ledger"), note)?;
        place(staging.join("access/anchor"), note)?;
    }
    let paths = workspace.ledger_paths();
    let inside = paths.anchor.folder().filter(|folder| {
        let below = folder.strip_prefix(staging).ok();
        below.is_some_and(|below| below.components().all(|part| matches!(part, Component::Normal(_))))
    });
    if let Some(folder) = inside {
        place(folder.to_owned(), &manifest.checkpoint)?;
        return Ok(RestoredAnchor::Restored);
    }
    let kept = paths.anchor_store().read().ok().flatten();
    let agrees = kept.is_some_and(|kept| kept.note == manifest.checkpoint.as_bytes());
    Ok(if agrees { RestoredAnchor::Agrees } else { RestoredAnchor::Differs })
}

/// Derives the tiles of a ledger and checks all of it; returns its entries.
fn check(paths: &LedgerPaths, key: &VerifierKey) -> Result<u64, RestoreError> {
    rebuild_derived(paths, key)?;
    let report = verify(paths, key, &|_| {});
    // An anchor elsewhere that is newer, or gone, is no fault of the backup: it is said, and appending is refused.
    let anchor = paths.anchor.folder();
    let is_own = |problem: &&ascribe_ledger::Problem| {
        !matches!(problem.cause, Cause::NotTheAnchors { .. })
            && !anchor.is_some_and(|folder| problem.path.starts_with(folder))
    };
    match report.problems.iter().find(is_own) {
        Some(problem) => Err(RestoreError::NotInOrder { first: with_causes(problem) }),
        None => Ok(report.counts.entries.values().sum()),
    }
}

impl RestoreError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotABackup { .. } => "name the folder that `ascribe backup` wrote",
            Self::NotEmpty { .. } => "choose a new folder; evidence is never written over",
            Self::Manifest(_) | Self::Copy(_) | Self::NotInOrder { .. } | Self::Tiles(_) => {
                "the backup is damaged, or the disk is full; restore an older or another copy of it"
            }
            Self::Workspace(error) => error.hint(),
            Self::Access(_) | Self::Store(_) | Self::Use { .. } | Self::Write(_) => {
                "check that the disk is not full and who may write; then run it again"
            }
        }
    }
}
