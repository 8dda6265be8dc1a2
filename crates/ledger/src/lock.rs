//! The lock that keeps a ledger to one writer. It guards against a second process by mistake, not against malice.

use std::fs::TryLockError;
use std::io;
use std::path::{Path, PathBuf};

use crate::durable::{Disk, OpenFile};

/// The lock, held until dropped. The system releases it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock {
    /// Held for its lock alone.
    _file: Box<dyn OpenFile>,
}

/// Why a ledger could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process writes to it.
    #[error("`{}` is locked by {}", path.display(), describe(*holder))]
    Held {
        /// The lock file.
        path: PathBuf,
        /// Process id that the holder left in the file, if it is readable.
        holder: Option<u32>,
    },
    /// The lock file could not be made, locked or written.
    #[error("cannot lock `{}`", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Lock {
    /// Waits for the lock at `path` and takes it, for a moment: nobody holds such a lock for longer.
    pub(crate) fn wait(disk: &Disk, path: &Path) -> Result<Self, LockError> {
        let failed = |source| LockError::Io { path: path.to_owned(), source };
        let file = disk.open_to_lock(path).map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(Self { _file: file })
    }

    /// Takes the lock at `path` and leaves this process's id in the file. What an earlier holder left there says
    /// nothing; only the lock itself counts.
    pub(crate) fn take(disk: &Disk, path: &Path) -> Result<Self, LockError> {
        let failed = |source| LockError::Io { path: path.to_owned(), source };
        let mut file = disk.open_to_lock(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let left = disk.read(path).ok();
                let holder = left.and_then(|left| String::from_utf8(left).ok()?.trim().parse().ok());
                return Err(LockError::Held { path: path.to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        file.set_length(0).map_err(failed)?;
        // A hint for whoever is refused, so that a part of it does no harm.
        file.write(format!("{}\n", std::process::id()).as_bytes()).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

fn describe(holder: Option<u32>) -> String {
    holder.map_or_else(|| "another process".to_owned(), |holder| format!("process {holder}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_refused_and_told_by_whom() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = Lock::take(&Disk::default(), &path).unwrap();
        let refused = Lock::take(&Disk::default(), &path).unwrap_err();
        let own = std::process::id();
        assert!(
            matches!(refused, LockError::Held { holder: Some(holder), .. } if holder == own),
            "{refused}"
        );
        drop(held);
        Lock::take(&Disk::default(), &path).unwrap();
    }
}
