//! Folders that runs leave behind, kept until disk runs short.
//!
//! Deleting thousands of files makes the next run slow: ext4 does not hand an inode out again for a minute after its
//! deletion (`recently_deleted` in `fs/ext4/ialloc.c`: 60 seconds, and 300 more while the deletion is not on disk), and
//! looks for another, one by one. So nothing is deleted between runs; where it has to be, the bench waits that minute.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

/// How long after a deletion the file system is as it was, once the deletion is on disk.
const RECOVERY: Duration = Duration::from_secs(65);

/// The folders.
#[derive(Debug)]
pub struct Kept {
    scratch: PathBuf,
    /// Bytes that may be kept.
    room: u64,
    folders: Vec<TempDir>,
    /// Bytes that were noted.
    bytes: u64,
    recovery: Duration,
}

/// Whether older folders had to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    Left,
    Made,
}

impl Kept {
    /// Keeps up to `room` bytes in `scratch`.
    pub fn new(scratch: &Path, room: u64) -> Self {
        Self { scratch: scratch.to_owned(), room, folders: Vec::new(), bytes: 0, recovery: RECOVERY }
    }

    /// Sees to it that `needed` more bytes fit, as far as deleting what is kept can. Waits after it deleted.
    pub fn make_room(&mut self, needed: u64) -> io::Result<Room> {
        if self.folders.is_empty() || self.bytes + needed <= self.room {
            return Ok(Room::Left);
        }
        for folder in self.folders.drain(..) {
            folder.close()?;
        }
        self.bytes = 0;
        let status = Command::new("sync").status()?;
        if !status.success() {
            return Err(io::Error::other(format!("`sync` ended with {status}")));
        }
        std::thread::sleep(self.recovery);
        Ok(Room::Made)
    }

    /// Leaves `bytes` of the room to other files, which stay to the end.
    pub fn set_aside(&mut self, bytes: u64) {
        self.room = self.room.saturating_sub(bytes);
    }

    /// A new empty folder.
    pub fn folder(&mut self) -> io::Result<PathBuf> {
        let folder = tempfile::tempdir_in(&self.scratch)?;
        let path = folder.path().to_owned();
        self.folders.push(folder);
        Ok(path)
    }

    /// Counts bytes that were written into a folder.
    pub fn note(&mut self, bytes: u64) {
        self.bytes += bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_stay_while_there_is_room() {
        let scratch = tempfile::tempdir().unwrap();
        let mut kept = Kept { recovery: Duration::ZERO, ..Kept::new(scratch.path(), 150) };
        kept.set_aside(50);
        assert_eq!(kept.make_room(500).unwrap(), Room::Left, "there is nothing to delete");
        let first = kept.folder().unwrap();
        kept.note(60);
        assert_eq!(kept.make_room(40).unwrap(), Room::Left);
        let second = kept.folder().unwrap();
        kept.note(1);
        assert!(first.exists() && second.exists() && first != second);
        assert_eq!(kept.make_room(40).unwrap(), Room::Made);
        assert!(!first.exists() && !second.exists());
        assert_eq!(kept.make_room(40).unwrap(), Room::Left);
    }
}
