//! The spool: one file for each access, durable before anything is shown.
//!
//! A file has two lines. The first says what is asked, and is durable before the file has its name. The second says what
//! came of it, and is written when the program comes to its end. While the program runs it holds a lock on its file, so
//! that nobody takes for interrupted what still runs. It knows lines, and not the ledger that they go into.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use ascribe_ledger::durable::{self, Disk, DurableError};
use ascribe_model::{AccessAsked, AccessEnd, AccessOutcome, AccessRecord, Timestamp};

use super::AccessPlace;

/// Ending of a file that counts.
const ENDING: &str = "entry";

/// Ending of a file that has no name yet.
const STAGED: &str = ".new";

/// Largest file that is read. What a command line can hold is far below it.
const ENTRY_MAX: u64 = 8 << 20;

/// Accesses that may wait. Taking them in costs a few syncs, whether they are one or many; a question should not wait
/// for more than the one that makes it durable.
const WAITING_MAX: usize = 32;

/// How long one of them may wait, in nanoseconds: an hour.
const WAITING_NS: i64 = 3_600_000_000_000;

/// An access that is durable in the spool, and still under way.
#[derive(Debug)]
pub struct Begun {
    /// What was asked.
    pub asked: AccessAsked,
    path: PathBuf,
    file: File,
}

/// An access that is found in the spool.
#[derive(Debug)]
pub struct Waiting {
    /// Its file.
    pub path: PathBuf,
    /// Its name there, which is the id of the access.
    pub name: String,
    /// What the file says.
    pub content: Content,
    /// Held, so that nobody else takes it. It goes with the value.
    _lock: File,
}

/// What a file of the spool says.
#[derive(Debug, PartialEq, Eq)]
pub enum Content {
    /// An access.
    Access(Box<AccessRecord>),
    /// Bytes that are none: they are kept, and not understood.
    Unread(Vec<u8>),
}

/// An access could not be made durable.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The system gave no randomness.
    #[error("the operating system gave no random bytes")]
    Random(#[source] getrandom::Error),
    /// A file cannot be made or written.
    #[error("cannot write into `{}`", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// It cannot be made durable.
    #[error(transparent)]
    Durable(#[from] DurableError),
    /// It has no JSON form.
    #[error("the access has no JSON form")]
    Form(#[from] serde_json::Error),
}

/// A name for an access: unique, and in the order of time.
pub fn new_id(at: Timestamp) -> Result<String, SpoolError> {
    let mut salt = [0; 4];
    getrandom::fill(&mut salt).map_err(SpoolError::Random)?;
    let salt = u32::from_be_bytes(salt);
    Ok(format!("{:020}-{}-{salt:08x}", at.nanoseconds().max(0), std::process::id()))
}

/// Makes an access durable, before anything of it is shown.
///
/// A crash before the end leaves a file without its name, which says nothing; nothing was shown by then either.
pub fn begin(place: &AccessPlace, asked: AccessAsked) -> Result<Begun, SpoolError> {
    let spool = place.spool();
    if !spool.is_dir() {
        Disk::default().create_folder(&spool)?;
    }
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| SpoolError::File { path, source }
    };
    let staged = tempfile::Builder::new()
        .prefix(".")
        .suffix(STAGED)
        .permissions(fs::Permissions::from_mode(0o666)) // Less what the system's mask takes away, as for any file here.
        .tempfile_in(&spool)
        .map_err(failed(&spool))?;
    let (mut file, staged) = staged.into_parts();
    // Nobody else knows the file yet, so the lock is free.
    file.try_lock().map_err(|error| failed(&staged)(lock_error(error)))?;
    file.write_all(&line(&asked)?).map_err(failed(&staged))?;
    let path = spool.join(format!("{}.{ENDING}", asked.id));
    durable::publish_file(&staged, &path)?;
    // The name that it was made under is gone.
    drop(staged.keep());
    Ok(Begun { asked, path, file })
}

impl Begun {
    /// Writes down what came of it. Returns the whole, as the ledger is to have it.
    ///
    /// The line is not synced: the access is durable already, and whoever asked does not wait a second time. A machine
    /// that loses power before the system has written the line out leaves an access that counts as interrupted.
    pub fn end(mut self, outcome: AccessOutcome) -> Result<Waiting, SpoolError> {
        let failed = |source| SpoolError::File { path: self.path.clone(), source };
        let ended = AccessEnd::Ended(outcome);
        self.file.write_all(&line(&ended)?).map_err(failed)?;
        let name = self.asked.id.clone();
        let record = AccessRecord { asked: self.asked, ended };
        Ok(Waiting { path: self.path, name, content: Content::Access(Box::new(record)), _lock: self.file })
    }
}

impl Waiting {
    /// The bytes that the ledger is to keep.
    pub fn captured(&self) -> Result<Vec<u8>, serde_json::Error> {
        match &self.content {
            Content::Access(record) => serde_json::to_vec(record),
            Content::Unread(bytes) => {
                let mut captured = line(&serde_json::json!({ "spool": self.name }))?;
                captured.extend_from_slice(bytes);
                Ok(captured)
            }
        }
    }
}

/// The id of the access that an entry of the ledger holds.
pub fn id_in(captured: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Named {
        #[serde(alias = "spool")]
        id: String,
    }
    let line = captured.split(|&byte| byte == b'\n').next()?;
    serde_json::from_slice::<Named>(line).ok().map(|named| named.id)
}

/// Files of the spool that no running program holds, in the order of their names. Those that another has in hand, or
/// that this user may not read, are left alone.
pub fn waiting(place: &AccessPlace) -> io::Result<Vec<Waiting>> {
    Ok(paths(place)?.into_iter().filter_map(take).collect())
}

/// Whether the spool should be taken into the ledger: it holds many accesses, or one that has waited for long.
pub fn is_due(place: &AccessPlace, now: Timestamp) -> bool {
    let Ok(paths) = paths(place) else { return false };
    let oldest = paths.first().and_then(|path| asked_at(path.file_stem()?.to_str()?));
    let waited = oldest.map_or(0, |oldest| now.nanoseconds().saturating_sub(oldest));
    paths.len() >= WAITING_MAX || waited >= WAITING_NS
}

/// Removes files that never got their names: a program was stopped before it showed anything. Those that a program may
/// be about to name are left.
pub fn sweep(place: &AccessPlace, now: Timestamp) -> io::Result<()> {
    for entry in fs::read_dir(place.spool())? {
        let entry = entry?;
        let is_staged = entry.file_name().to_string_lossy().ends_with(STAGED);
        // It may have got its name by now.
        let Ok(made) = entry.metadata().and_then(|metadata| metadata.modified()) else { continue };
        let made = made.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let made = i64::try_from(made).unwrap_or(i64::MAX);
        if is_staged && now.nanoseconds().saturating_sub(made) > WAITING_NS {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// When an access of this name was asked, in nanoseconds since the Unix epoch: the word of whoever made the file.
pub fn asked_at(name: &str) -> Option<i64> {
    name.split('-').next()?.parse().ok()
}

/// Files of the spool, in the order of their names.
fn paths(place: &AccessPlace) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(place.spool()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == ENDING) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Takes one file in hand. `None` where it is gone, held or not to be read.
fn take(path: PathBuf) -> Option<Waiting> {
    let mut file = File::open(&path).ok()?;
    file.try_lock().ok()?;
    // Whoever held it may have taken it into the ledger in between.
    if !path.exists() {
        return None;
    }
    let mut bytes = Vec::new();
    io::Read::by_ref(&mut file).take(ENTRY_MAX).read_to_end(&mut bytes).ok()?;
    let name = path.file_stem()?.to_string_lossy().into_owned();
    let content = read(&name, &bytes).unwrap_or(Content::Unread(bytes));
    Some(Waiting { path, name, content, _lock: file })
}

/// What the two lines say; `None` where the first is none, or is that of another file.
fn read(name: &str, bytes: &[u8]) -> Option<Content> {
    let mut lines = bytes.split_inclusive(|&byte| byte == b'\n');
    let asked: AccessAsked =
        serde_json::from_slice(lines.next().filter(|line| line.ends_with(b"\n"))?).ok()?;
    let ended = match lines.next() {
        // A second line without its end was cut off by a crash.
        Some(line) if line.ends_with(b"\n") => serde_json::from_slice(line).ok()?,
        _ => AccessEnd::Interrupted,
    };
    (asked.id == name).then(|| Content::Access(Box::new(AccessRecord { asked, ended })))
}

fn line(value: &impl serde::Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

fn lock_error(error: TryLockError) -> io::Error {
    match error {
        TryLockError::WouldBlock => io::Error::other("a new file is locked by somebody else"),
        TryLockError::Error(error) => error,
    }
}
