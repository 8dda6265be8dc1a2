//! What the ledger asks of the medium that its files are on, call by call, and how the operating system answers.
//!
//! Everything that the ledger reads or writes goes through a [`Medium`], so that tests can put one in its place that
//! loses power, tears writes or fails, and that does the same again for the same seed. A call costs one indirection
//! beside a system call. It knows no order of steps and no durability: [`crate::durable`] does.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// To read. Also a folder can be opened so, to sync it.
    Read,
    /// To write at the end of a file that exists.
    Append,
    /// To write a file that must not exist yet.
    AppendNew,
    /// To write a file from its start, whether it exists or not.
    Replace,
    /// To write a file that must not exist yet and that only its owner may read (mode 0600).
    PrivateNew,
    /// To lock a file, which is made where there is none, and kept as it is where there is one.
    Lock,
}

/// What a name in a folder leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// Anything else: a symbolic link, a device, a socket.
    Other,
}

/// A folder tree on which files are kept.
///
/// Errors are those of the operating system; callers look at [`io::ErrorKind::NotFound`] and
/// [`io::ErrorKind::AlreadyExists`] only.
pub trait Medium: fmt::Debug + Send + Sync {
    /// Opens a file.
    fn open(&self, path: &Path, opening: Opening) -> io::Result<Box<dyn OpenFile>>;

    /// Kind and length in bytes of what a path leads to. Links are followed.
    fn metadata(&self, path: &Path) -> io::Result<(FileKind, u64)>;

    /// Paths in a folder and what each is, in no order. Links are not followed.
    fn list(&self, folder: &Path) -> io::Result<Vec<(PathBuf, FileKind)>>;

    /// Makes a folder in one that exists.
    fn create_folder(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;

    /// Gives a file another name in the same file system, and replaces what had that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes a folder and everything in it.
    fn remove_folder(&self, path: &Path) -> io::Result<()>;

    /// All bytes of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = self.open(path, Opening::Read)?;
        let mut bytes = vec![0; usize::try_from(file.length()?).map_err(io::Error::other)?];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }
}

/// A file that is open.
pub trait OpenFile: fmt::Debug + Send + Sync {
    /// Fills `bytes` from `offset` on; [`io::ErrorKind::UnexpectedEof`] where the file ends before.
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;

    /// Bytes in the file.
    fn length(&self) -> io::Result<u64>;

    /// Writes at the end, and says how many of the bytes: at least one, unless there are none.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Cuts the file to a length, or fills it up to it with zeros.
    fn set_length(&mut self, length: u64) -> io::Result<()>;

    /// Makes the bytes, and the length that it takes to read them, durable.
    fn sync_data(&self) -> io::Result<()>;

    /// Makes the bytes and everything else about the file durable.
    fn sync_all(&self) -> io::Result<()>;

    /// Makes everything in the file system that holds the file durable. Linux alone can.
    fn sync_file_system(&self) -> io::Result<()>;

    /// Locks the file against other openings of it, until it is closed.
    fn try_lock(&self) -> Result<(), TryLockError>;

    /// The same, and waits for whoever holds it.
    fn lock(&self) -> io::Result<()> {
        loop {
            match self.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) => std::thread::yield_now(),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }
}

/// The file systems of the operating system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SystemMedium;

/// A file that the operating system opened.
#[derive(Debug)]
struct SystemFile(File);

impl Medium for SystemMedium {
    fn open(&self, path: &Path, opening: Opening) -> io::Result<Box<dyn OpenFile>> {
        let mut options = OpenOptions::new();
        match opening {
            Opening::Read => options.read(true),
            Opening::Append => options.append(true),
            Opening::AppendNew => options.append(true).create_new(true),
            Opening::Replace => options.write(true).create(true).truncate(true),
            Opening::PrivateNew => options.write(true).create_new(true).mode(0o600),
            Opening::Lock => options.write(true).create(true).truncate(false),
        };
        Ok(Box::new(SystemFile(options.open(path)?)))
    }

    fn metadata(&self, path: &Path) -> io::Result<(FileKind, u64)> {
        fs::metadata(path).map(|metadata| (metadata.file_type().into(), metadata.len()))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<(PathBuf, FileKind)>> {
        let listed = fs::read_dir(folder)?.map(|entry| {
            let entry = entry?;
            Ok((entry.path(), entry.file_type()?.into()))
        });
        listed.collect()
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that renames")]
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }
}

impl OpenFile for SystemFile {
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(bytes, offset)
    }

    fn length(&self) -> io::Result<u64> {
        self.0.metadata().map(|metadata| metadata.len())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn set_length(&mut self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    #[cfg(target_os = "linux")]
    fn sync_file_system(&self) -> io::Result<()> {
        rustix::fs::syncfs(&self.0).map_err(io::Error::from)
    }

    #[cfg(not(target_os = "linux"))]
    fn sync_file_system(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn try_lock(&self) -> Result<(), TryLockError> {
        self.0.try_lock()
    }

    fn lock(&self) -> io::Result<()> {
        self.0.lock()
    }
}

impl From<fs::FileType> for FileKind {
    fn from(kind: fs::FileType) -> Self {
        if kind.is_file() {
            Self::File
        } else if kind.is_dir() {
            Self::Folder
        } else {
            Self::Other
        }
    }
}
