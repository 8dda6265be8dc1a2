//! `ascribe ledger fsck`: is every file of an evidence folder there, whole, and none beside them.
//!
//! A table of checks, each of which knows one part of the folder and is a file of its own here. A check goes on behind
//! what it finds, changes nothing and mends nothing: a fault says what mends it. Whether records are true, and whether
//! the rows of the store are those that the ledger gives, is not looked at: `ascribe rebuild` shows the latter.

mod access;
mod enrichment;
mod index;
mod keys;
mod ledger;
mod policy;
mod sealed;
mod settings;
mod store;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

pub use ascribe_ledger::Place;

use crate::workspace::{SETTINGS_FILE, Workspace, WorkspaceError};

/// The parts of an evidence folder, in the order in which they are looked at.
const CHECKS: [Check; 9] = [
    settings::CHECK,
    keys::CHECK,
    policy::CHECK,
    enrichment::CHECK,
    ledger::CHECK,
    sealed::CHECK,
    index::CHECK,
    store::CHECK,
    access::CHECK,
];

/// Files in the folder itself that hold nothing: locks.
const LOCKS: [&str; 1] = ["fold.lock"];

/// One part of an evidence folder and how it is looked at.
struct Check {
    /// The part in a word or two.
    part: &'static str,
    /// The files and folders of the evidence folder that belong to it; nothing else may lie there.
    owns: fn(&Folder) -> Vec<PathBuf>,
    /// Looks at all of it.
    look: fn(&Folder, &mut Found),
}

/// What was looked at, part by part.
#[derive(Debug)]
pub struct Fsck {
    /// Each part.
    pub parts: Vec<PartChecked>,
}

/// One part that was looked at.
#[derive(Debug)]
pub struct PartChecked {
    /// Which.
    pub part: &'static str,
    /// What was found.
    pub found: Found,
}

/// What a check found.
#[derive(Debug, Default)]
pub struct Found {
    /// Files looked at.
    pub files: u64,
    /// What is not as it must be, in the order of files.
    pub faults: Vec<Fault>,
    /// What could not be looked at, and what is in order but worth knowing.
    pub notes: Vec<String>,
}

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file or folder.
    pub file: PathBuf,
    /// Where in it.
    pub place: Place,
    /// In which way.
    pub kind: FaultKind,
    /// What is wrong, with its causes.
    pub why: String,
    /// What mends it.
    pub mend: String,
}

/// In which way something is not as it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Its bytes are not what they must be, or cannot be read.
    Damaged,
    /// It must be there and is not.
    Missing,
    /// It is there and nothing accounts for it.
    Extra,
    /// It does not agree with something else.
    Differs,
    /// Others than its owner may read or write it.
    Exposed,
}

/// What is looked at.
struct Folder {
    root: PathBuf,
    /// With default settings where its own cannot be read.
    workspace: Workspace,
    /// Why the settings cannot be read.
    settings_error: Option<WorkspaceError>,
}

impl FaultKind {
    /// The kind in one word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Damaged => "damaged",
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Differs => "differs",
            Self::Exposed => "exposed",
        }
    }
}

impl Fsck {
    /// Everything that is not as it must be, with its part.
    pub fn faults(&self) -> impl Iterator<Item = (&'static str, &Fault)> {
        self.parts.iter().flat_map(|checked| checked.found.faults.iter().map(|fault| (checked.part, fault)))
    }
}

impl Found {
    fn push(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// A fault of a file as a whole.
    fn file(&mut self, file: &Path, kind: FaultKind, (why, mend): (String, &str)) {
        self.push(Fault { file: file.to_owned(), place: Place::File, kind, why, mend: mend.to_owned() });
    }
}

impl Folder {
    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}

/// Looks at all of the evidence in `root`.
///
/// # Errors
/// [`WorkspaceError`] when it holds no evidence: neither settings nor a ledger.
pub fn fsck(root: &Path) -> Result<Fsck, WorkspaceError> {
    let (workspace, settings_error) = match Workspace::open(root) {
        Ok(workspace) => (workspace, None),
        Err(error @ WorkspaceError::NotEvidence { .. }) if !root.join("ledger").is_dir() => {
            return Err(error);
        }
        Err(error) => (Workspace::with_default_settings(root)?, Some(error)),
    };
    let folder = Folder { root: root.to_owned(), workspace, settings_error };
    let mut parts = Vec::new();
    for check in &CHECKS {
        let mut found = Found::default();
        (check.look)(&folder, &mut found);
        found.faults.sort_by(|left, right| left.file.cmp(&right.file));
        parts.push(PartChecked { part: check.part, found });
    }
    parts.push(PartChecked { part: "folder", found: strangers(&folder) });
    Ok(Fsck { parts })
}

/// What lies in the folder itself and belongs to no part.
fn strangers(folder: &Folder) -> Found {
    const MEND: &str = "nothing needs it: find out who put it there, then take it away";
    let owned: BTreeSet<PathBuf> = CHECKS.iter().flat_map(|check| (check.owns)(folder)).collect();
    let mut found = Found::default();
    let entries = match list(&folder.root) {
        Ok(entries) => entries,
        Err(error) => {
            let why = format!("the folder cannot be listed: {error}");
            found.file(&folder.root, FaultKind::Damaged, (why, "check who may read it"));
            return found;
        }
    };
    for path in entries {
        let is_lock = path.file_name().is_some_and(|name| LOCKS.iter().any(|lock| name == *lock));
        if is_lock {
            found.files += 1;
        } else if !owned.iter().any(|owned| owned.starts_with(&path) || *owned == path) {
            let why = "is no part of an evidence folder".to_owned();
            found.file(&path, FaultKind::Extra, (why, MEND));
        }
    }
    found
}

/// Paths in a folder, sorted.
fn list(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let paths: std::io::Result<Vec<PathBuf>> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths?;
    paths.sort();
    Ok(paths)
}

/// Whether reading failed because nothing is there.
fn is_absent(path: &Path) -> bool {
    matches!(fs::symlink_metadata(path), Err(error) if error.kind() == std::io::ErrorKind::NotFound)
}

/// A kind for something that could not be used: missing where nothing is there.
fn missing_or_damaged(path: &Path) -> FaultKind {
    if is_absent(path) { FaultKind::Missing } else { FaultKind::Damaged }
}

/// The settings file's name, for checks that point at it.
const SETTINGS: &str = SETTINGS_FILE;
