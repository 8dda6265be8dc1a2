//! Durable steps: the few operations on files that publication is made of.
//!
//! A file is complete and synced before a name that readers follow points to it, and its folder is synced after.
//! Tests stop the program before any one of these steps (see [`Steps`]). This file deliberately does not know what
//! the files hold.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::error::WriteError;

/// Counts durable steps, so that a test can stop at each of them. Outside tests it is nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Steps {
    #[cfg(test)]
    pub(crate) left: Option<std::sync::Arc<std::sync::atomic::AtomicUsize>>,
}

impl Steps {
    /// Makes a folder and those above it.
    pub(crate) fn create_folder(&self, folder: &Path) -> Result<(), WriteError> {
        self.step().and_then(|()| fs::create_dir_all(folder)).map_err(|error| WriteError::io(folder, error))
    }

    /// Writes a new file and syncs it. A crash in between leaves a file of any length under this name.
    ///
    /// Never writes into a file that exists: it could be another name of one that readers follow.
    pub(crate) fn write_file(&self, path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
        let write = || {
            self.step()?;
            let mut file = File::create_new(path)?;
            let (start, rest) = bytes.split_at(bytes.len() / 2);
            file.write_all(start)?;
            self.step()?;
            file.write_all(rest)?;
            file.sync_all()
        };
        write().map_err(|error| WriteError::io(path, error))
    }

    /// Makes the names in a folder durable.
    pub(crate) fn sync_folder(&self, folder: &Path) -> Result<(), WriteError> {
        let sync = || {
            self.step()?;
            File::open(folder)?.sync_all()
        };
        sync().map_err(|error| WriteError::io(folder, error))
    }

    /// Gives a complete file a second name, unless the name is taken.
    ///
    /// # Errors
    /// `Ok(false)` where the name is taken.
    pub(crate) fn link_new(&self, complete: &Path, name: &Path) -> Result<bool, WriteError> {
        match self.step().and_then(|()| fs::hard_link(complete, name)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(WriteError::io(name, error)),
        }
    }

    /// Removes a file, where it is there.
    pub(crate) fn remove_file(&self, path: &Path) -> Result<(), WriteError> {
        absent_is_fine(self.step().and_then(|()| fs::remove_file(path)))
            .map_err(|error| WriteError::io(path, error))
    }

    /// Removes a folder with all that it holds, where it is there.
    pub(crate) fn remove_folder(&self, path: &Path) -> Result<(), WriteError> {
        absent_is_fine(self.step().and_then(|()| fs::remove_dir_all(path)))
            .map_err(|error| WriteError::io(path, error))
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "only tests stop at a step")]
    fn step(&self) -> io::Result<()> {
        Ok(())
    }

    #[cfg(test)]
    fn step(&self) -> io::Result<()> {
        use std::sync::atomic::Ordering::SeqCst;
        let Some(left) = &self.left else { return Ok(()) };
        match left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)) {
            Ok(_) => Ok(()),
            Err(_) => Err(io::Error::other("the test stops here")),
        }
    }
}

fn absent_is_fine(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}
