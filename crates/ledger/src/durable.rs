//! The only place that touches files. Each operation that changes something is one [`Step`], so that a test can fail
//! any of them before or after it happened; all of them, reads too, go to a [`Medium`], so that a test can put another
//! one under the ledger.
//!
//! Three rules hold for all callers: bytes count as durable only after the sync of their file and, for a new name,
//! of the folder that lists it; an error leaves the state unknown and is never retried (a failed fsync may have
//! dropped the pages it reports on); published files are replaced whole, never rewritten in place. It knows no
//! format. Errors carry the step and the path.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use crate::medium::{FileKind, Medium, OpenFile, Opening, SystemMedium};

/// One thing done to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Make a folder.
    CreateFolder,
    /// Make a file.
    CreateFile,
    /// Open an existing file.
    OpenFile,
    /// Write bytes at the end of a file.
    Write,
    /// Make a file's bytes durable.
    SyncFile,
    /// Make the names in a folder durable.
    SyncFolder,
    /// Put a file in the place of another.
    Rename,
    /// Cut a file short.
    Truncate,
    /// Remove a file.
    Remove,
    /// Write a derived file, which a later step makes durable.
    WriteDerived,
    /// Make all derived files durable.
    SyncDerived,
}

/// A step that failed. Whether it took effect is unknown.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step} `{}`", path.display())]
pub struct DurableError {
    /// What was attempted.
    pub step: Step,
    /// On which file or folder.
    pub path: PathBuf,
    /// Why it failed.
    #[source]
    pub source: io::Error,
}

/// Lets a test fail a step before or after it happened.
pub trait Interruption: Send + Sync {
    /// An error here keeps the step from happening.
    fn before(&self, step: Step, path: &Path) -> io::Result<()>;

    /// An error here reports as failed a step that happened.
    fn after(&self, step: Step, path: &Path) -> io::Result<()>;
}

/// The disk as the ledger uses it, and whoever else must not lose what it wrote.
#[derive(Clone)]
pub struct Disk {
    medium: Arc<dyn Medium>,
    interruption: Option<Arc<dyn Interruption>>,
}

/// A file that only grows.
pub struct GrowingFile {
    disk: Disk,
    path: PathBuf,
    file: Box<dyn OpenFile>,
    length: u64,
}

/// Derived files written since they were last made durable, all on the file system of one folder.
pub(crate) struct DerivedFiles {
    disk: Disk,
    root: PathBuf,
    /// Held open from the start: Linux reports to `syncfs` the write errors that happened since its file was opened.
    root_handle: Box<dyn OpenFile>,
    /// Files and folders to sync one by one where the system cannot sync a whole file system.
    unsynced: Vec<PathBuf>,
}

/// Puts `bytes` in the place of the file at `path`, durably and all at once: after a crash the file holds either what
/// it held before or `bytes`, never a part. Used for everything that is published.
pub fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), DurableError> {
    Disk::default().replace_file(path, bytes)
}

/// Gives the finished file at `finished` the name `path` in the same file system, durably and all at once. For files
/// too large to hold in memory; the caller has closed `finished`.
pub fn publish_file(finished: &Path, path: &Path) -> Result<(), DurableError> {
    let disk = Disk::default();
    let file = disk.run(Step::OpenFile, finished, || disk.medium.open(finished, Opening::Read))?;
    disk.run(Step::SyncFile, finished, || file.sync_all())?;
    disk.rename(finished, path)?;
    disk.sync_folder(&folder_of(path))
}

impl Disk {
    /// Files on another medium than the operating system's.
    pub fn on(medium: Arc<dyn Medium>) -> Self {
        Self { medium, interruption: None }
    }

    /// A disk whose steps a test can fail.
    pub fn interrupted_by(interruption: Arc<dyn Interruption>) -> Self {
        Self { interruption: Some(interruption), ..Self::default() }
    }

    /// All bytes of a file.
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.medium.read(path)
    }

    /// Opens a file to read parts of it.
    pub fn open(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        self.medium.open(path, Opening::Read)
    }

    /// Opens a file to lock it; makes it where there is none.
    pub(crate) fn open_to_lock(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        self.medium.open(path, Opening::Lock)
    }

    /// Bytes in a file.
    pub fn length(&self, path: &Path) -> io::Result<u64> {
        self.medium.metadata(path).map(|(_, length)| length)
    }

    /// Whether a path leads to a folder.
    pub fn is_folder(&self, path: &Path) -> bool {
        self.medium.metadata(path).is_ok_and(|(kind, _)| kind == FileKind::Folder)
    }

    /// Paths in a folder and what each is, sorted.
    pub fn list(&self, folder: &Path) -> io::Result<Vec<(PathBuf, FileKind)>> {
        let mut listed = self.medium.list(folder)?;
        listed.sort();
        Ok(listed)
    }

    /// See [`replace_file`].
    pub fn replace_file(&self, path: &Path, bytes: &[u8]) -> Result<(), DurableError> {
        let staged = staged_path(path);
        // A crash before the rename leaves at most a staged file, which the next replacement overwrites.
        let mut file = self.run(Step::CreateFile, &staged, || self.medium.open(&staged, Opening::Replace))?;
        self.run(Step::Write, &staged, || write_at_once(file.as_mut(), bytes))?;
        self.run(Step::SyncFile, &staged, || file.sync_all())?;
        drop(file);
        // A crash between rename and folder sync leaves the old or the new file, each whole.
        self.rename(&staged, path)?;
        self.sync_folder(&folder_of(path))
    }

    /// Writes a file that must not exist yet and that only its owner may read (mode 0600), durably.
    pub fn create_private_file(&self, path: &Path, bytes: &[u8]) -> Result<(), DurableError> {
        let mut file = self.run(Step::CreateFile, path, || self.medium.open(path, Opening::PrivateNew))?;
        self.run(Step::Write, path, || write_at_once(file.as_mut(), bytes))?;
        self.run(Step::SyncFile, path, || file.sync_all())?;
        self.sync_folder(&folder_of(path))
    }

    /// Makes a folder and those above it, and makes the name of each new one durable.
    pub fn create_folder(&self, path: &Path) -> Result<(), DurableError> {
        let mut missing: Vec<&Path> = path
            .ancestors()
            .take_while(|folder| !folder.as_os_str().is_empty() && !self.is_there(folder))
            .collect();
        // The last one that exists may be the work of a process that was killed before it synced.
        let known = missing.last().map_or_else(|| path.to_owned(), |folder| folder_of(folder));
        match self.sync_folder(&folder_of(&known)) {
            // Nobody may make a folder where they may not look, so it is not ours.
            Err(error) if error.source.kind() == io::ErrorKind::PermissionDenied => {}
            synced => synced?,
        }
        while let Some(folder) = missing.pop() {
            self.run(Step::CreateFolder, folder, || self.medium.create_folder(folder))?;
            self.sync_folder(&folder_of(folder))?;
        }
        Ok(())
    }

    /// Makes a folder and those above it, none of them durably.
    fn create_missing(&self, path: &Path) -> io::Result<()> {
        match self.medium.create_folder(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.create_missing(&folder_of(path))?;
                self.create_missing(path)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && self.is_folder(path) => Ok(()),
            result => result,
        }
    }

    fn is_there(&self, path: &Path) -> bool {
        self.medium.metadata(path).is_ok()
    }

    /// Makes the names in a folder durable.
    pub fn sync_folder(&self, path: &Path) -> Result<(), DurableError> {
        self.run(Step::SyncFolder, path, || self.medium.sync_folder(path))
    }

    /// Removes a file. Durable only after [`Disk::sync_folder`].
    pub fn remove_file(&self, path: &Path) -> Result<(), DurableError> {
        self.run(Step::Remove, path, || self.medium.remove_file(path))
    }

    /// Removes a file and returns how many bytes it had; 0 where there is none. As durable as [`Disk::remove_file`].
    pub(crate) fn remove_if_present(&self, path: &Path) -> Result<u64, DurableError> {
        match self.length(path) {
            Ok(length) => self.remove_file(path).map(|()| length),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(source) => Err(DurableError { step: Step::Remove, path: path.to_owned(), source }),
        }
    }

    /// Removes a folder and what is in it, if it exists. Not made durable: for files that may come back unharmed.
    pub(crate) fn remove_folder(&self, path: &Path) -> Result<(), DurableError> {
        self.run(Step::Remove, path, || match self.medium.remove_folder(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        })
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> Result<(), DurableError> {
        self.run(Step::Rename, to, || self.medium.rename(from, to))
    }

    fn run<T>(
        &self,
        step: Step,
        path: &Path,
        act: impl FnOnce() -> io::Result<T>,
    ) -> Result<T, DurableError> {
        let failed = |source| DurableError { step, path: path.to_owned(), source };
        let Some(interruption) = &self.interruption else {
            return act().map_err(failed);
        };
        interruption.before(step, path).map_err(failed)?;
        let value = act().map_err(failed)?;
        interruption.after(step, path).map_err(failed)?;
        Ok(value)
    }
}

impl Default for Disk {
    fn default() -> Self {
        Self { medium: Arc::new(SystemMedium), interruption: None }
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Disk")
            .field("medium", &self.medium)
            .field("interrupted", &self.interruption.is_some())
            .finish()
    }
}

impl GrowingFile {
    /// Makes a new file. Its name is durable only after the folder is synced.
    pub fn create(disk: &Disk, path: &Path) -> Result<Self, DurableError> {
        let file = disk.run(Step::CreateFile, path, || disk.medium.open(path, Opening::AppendNew))?;
        Ok(Self { disk: disk.clone(), path: path.to_owned(), file, length: 0 })
    }

    /// Opens an existing file to write at its end.
    pub fn open(disk: &Disk, path: &Path) -> Result<Self, DurableError> {
        let (file, length) = disk.run(Step::OpenFile, path, || {
            let file = disk.medium.open(path, Opening::Append)?;
            let length = file.length()?;
            Ok((file, length))
        })?;
        Ok(Self { disk: disk.clone(), path: path.to_owned(), file, length })
    }

    /// Bytes in the file.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Writes at the end, all at once. A crash before [`GrowingFile::sync`] leaves any part of the bytes, or zeros by
    /// sectors in their place.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), DurableError> {
        let file = &mut self.file;
        self.disk.run(Step::Write, &self.path, || write_at_once(file.as_mut(), bytes))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Makes all bytes written so far durable.
    pub fn sync(&mut self) -> Result<(), DurableError> {
        self.disk.run(Step::SyncFile, &self.path, || self.file.sync_data())
    }

    /// Cuts the file to `length` bytes, durably.
    pub fn truncate(&mut self, length: u64) -> Result<(), DurableError> {
        self.disk.run(Step::Truncate, &self.path, || {
            self.file.set_length(length)?;
            self.file.sync_all()
        })?;
        self.length = length;
        Ok(())
    }
}

impl DerivedFiles {
    /// Starts to keep count of derived files below `root`.
    pub(crate) fn new(disk: &Disk, root: &Path) -> Result<Self, DurableError> {
        let root_handle = disk.run(Step::OpenFile, root, || disk.medium.open(root, Opening::Read))?;
        Ok(Self { disk: disk.clone(), root: root.to_owned(), root_handle, unsynced: Vec::new() })
    }

    /// Writes a derived file below the root and makes the folders that it needs. Nothing is durable yet: no
    /// checkpoint names the file before [`DerivedFiles::sync`], so a torn one is written again on recovery.
    pub(crate) fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), DurableError> {
        let path = self.root.join(name);
        self.disk.run(Step::WriteDerived, &path, || {
            let mut file = match self.disk.medium.open(&path, Opening::Replace) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.disk.create_missing(&folder_of(&path))?;
                    self.disk.medium.open(&path, Opening::Replace)?
                }
                opened => opened?,
            };
            write_at_once(file.as_mut(), bytes)
        })?;
        self.unsynced.push(path);
        Ok(())
    }

    /// Makes every derived file and its name durable. One `syncfs` costs less than two syncs a file.
    #[cfg(target_os = "linux")]
    pub(crate) fn sync(&mut self) -> Result<(), DurableError> {
        if !self.unsynced.is_empty() {
            self.disk.run(Step::SyncDerived, &self.root, || self.root_handle.sync_file_system())?;
            self.unsynced.clear();
        }
        Ok(())
    }

    /// Makes every derived file and its name durable, one by one.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn sync(&mut self) -> Result<(), DurableError> {
        self.disk.run(Step::SyncDerived, &self.root, || {
            let mut folders = std::collections::BTreeSet::new();
            for path in &self.unsynced {
                self.disk.open(path)?.sync_all()?;
                folders.extend(path.ancestors().skip(1).take_while(|folder| folder.starts_with(&self.root)));
            }
            folders.iter().try_for_each(|folder| self.disk.medium.sync_folder(folder))?;
            self.root_handle.sync_all()
        })?;
        self.unsynced.clear();
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::CreateFolder => "create folder",
            Self::CreateFile => "create",
            Self::OpenFile => "open",
            Self::Write | Self::WriteDerived => "write",
            Self::SyncFile => "sync",
            Self::SyncFolder => "sync folder",
            Self::Rename => "replace",
            Self::Truncate => "truncate",
            Self::Remove => "remove",
            Self::SyncDerived => "sync the file system of",
        })
    }
}

/// Ending of what is staged.
pub(crate) const STAGED: &str = ".staged";

/// Where the next content of a published file is staged: beside it, so that renaming stays in one file system.
pub(crate) fn staged_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(STAGED);
    PathBuf::from(name)
}

/// Writes all bytes in one call, or fails. Were the rest written by another call, a loss of power could leave a sector
/// as it was between the two, which nobody could tell from damage. A disk takes less than it is given when it is full.
fn write_at_once(file: &mut dyn OpenFile, bytes: &[u8]) -> io::Result<()> {
    let count = loop {
        match file.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            written => break written?,
        }
    };
    if count == bytes.len() {
        return Ok(());
    }
    let message = format!("{count} of {} bytes were taken; the disk may be full", bytes.len());
    Err(io::Error::new(io::ErrorKind::WriteZero, message))
}

/// The folder that lists a path; the current folder for a bare name.
fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_replaced_file_holds_the_new_bytes_and_leaves_nothing_staged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("published");
        replace_file(&path, b"old").unwrap();
        replace_file(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn errors_say_what_was_attempted_on_what() {
        let folder = tempfile::tempdir().unwrap();
        let error = replace_file(&folder.path().join("absent/published"), b"").unwrap_err();
        assert_eq!(error.step, Step::CreateFile);
        assert!(error.to_string().starts_with("cannot create `"), "{error}");
    }
}
