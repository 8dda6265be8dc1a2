//! Making a folder for evidence, checking it, deriving its store anew, and putting that in the order of questions.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use ascribe_ledger::{Kind, Ledger, Reader};
use ascribe_store::{Compaction, Store, Unfit};

use super::access::{AccessState, check_access};
use super::keys::{KeysError, check_keys};
use super::witnessing::{WitnessingError, witnessed_size};
use crate::access::AccessLedgerError;
use crate::hexadecimal::hexadecimal;
use crate::ingest::{CatchUpError, catch_up};
use crate::workspace::{Workspace, WorkspaceError};

/// A new evidence folder.
pub struct Initialised {
    /// The folder.
    pub root: PathBuf,
    /// Origin line of its checkpoints.
    pub origin: String,
    /// Verifier key, for whoever wants to check without trusting this program.
    pub verifier_key: String,
}

/// What a check of the whole ledger came to.
pub struct Verified {
    /// What was checked, and every problem.
    pub report: ascribe_ledger::Report,
    /// Whether the store is at the ledger's size, as far as it can be opened; it is derived and not part of the verdict.
    pub store: StoreState,
    /// How the access ledger is; it is another ledger, and another verdict.
    pub access: AccessState,
    /// Leaves of the largest checkpoint that witnesses stand behind, where a policy asks for any. Not part of the
    /// verdict.
    pub witnessed: Result<Option<u64>, WitnessingError>,
    /// How many keys signed the ledger one after the other, or what is wrong with them.
    pub keys: Result<usize, KeysError>,
}

/// How the store stands to the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreState {
    /// It has folded this many entries.
    Folded(u64),
    /// It cannot be opened.
    Unusable(String),
}

/// A store that was derived anew.
pub struct Rebuilt {
    /// Entries folded.
    pub entries: u64,
    /// SHA-256 of each table's rows: equal for equal ledgers, however the store came about.
    pub digests: BTreeMap<String, String>,
}

/// What a compaction came to.
pub struct Compacted {
    /// Units that were made.
    pub made: u64,
    /// Units whose ranges stay as they are, and why.
    pub left: Vec<(Range<u64>, Unfit)>,
}

/// Upkeep failed.
#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    /// The folder is not usable.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// The ledger cannot be made.
    #[error("cannot make the ledger")]
    CreateLedger(#[source] Box<ascribe_ledger::CreateError>),
    /// The store cannot be made.
    #[error("cannot make the store")]
    CreateStore(#[source] ascribe_store::CreateError),
    /// The access ledger cannot be made.
    #[error(transparent)]
    Access(AccessLedgerError),
    /// The ledger cannot be read.
    #[error("cannot read the ledger")]
    Ledger(#[from] ascribe_ledger::ReadError),
    /// The old store cannot be removed.
    #[error("cannot remove the old store in `{path}`")]
    Remove {
        /// Its folder.
        path: String,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// Somebody else folds the ledger into the store, or the folder cannot be written.
    #[error("the store is being written by another program, or cannot be written at all")]
    Folding,
    /// The store cannot be derived.
    #[error("cannot derive the store")]
    CatchUp(#[from] CatchUpError),
    /// The store cannot be opened.
    #[error("cannot open the store")]
    OpenStore(#[source] ascribe_store::OpenError),
    /// A unit cannot be made.
    #[error("cannot compact entries {first} to {end} of the store")]
    Compact {
        /// First entry.
        first: u64,
        /// First entry behind them.
        end: u64,
        /// Why.
        #[source]
        source: Box<ascribe_store::CompactError>,
    },
    /// The store cannot be read back.
    #[error("cannot read the new store")]
    ReadStore(#[source] ascribe_store::ReadError),
}

/// Makes `root` a folder for evidence, with its own key, an empty ledger and an empty store.
pub fn init(root: &Path, origin: &str) -> Result<Initialised, UpkeepError> {
    let (workspace, key) = Workspace::create(root, origin)?;
    let verifier_key = key.verifier().to_string();
    Ledger::create(&workspace.ledger_paths(), key)
        .map_err(|error| UpkeepError::CreateLedger(Box::new(error)))?;
    Store::create(&workspace.store_path(), parser_versions()).map_err(UpkeepError::CreateStore)?;
    workspace.access().open_or_make().map_err(UpkeepError::Access)?;
    workspace.finish()?;
    Ok(Initialised { root: root.to_owned(), origin: origin.to_owned(), verifier_key })
}

/// Checks the whole ledger again.
pub fn verify(root: &Path) -> Result<Verified, UpkeepError> {
    let workspace = Workspace::open(root)?;
    let report = ascribe_ledger::verify(&workspace.ledger_paths(), &workspace.verifier_key()?, &|_| {});
    let store = match Store::open(&workspace.store_path()) {
        Ok(store) => match store.check_files() {
            Ok(()) => StoreState::Folded(store.folded()),
            Err(error) => StoreState::Unusable(error.to_string()),
        },
        Err(error) => StoreState::Unusable(error.to_string()),
    };
    let access = check_access(&workspace);
    let successions = report.counts.entries.get(&Kind::Key).copied().unwrap_or_default();
    let keys = check_keys(&workspace, successions).map(|line| line.keys().count());
    Ok(Verified { report, store, access, witnessed: witnessed_size(&workspace), keys })
}

impl Verified {
    /// Whether nothing is wrong with the ledger and the keys that signed it.
    pub fn is_valid(&self) -> bool {
        self.report.is_clean() && self.keys.is_ok()
    }
}

/// Throws the store away and derives it again. The ledger is only read.
///
/// A crash in between leaves no store or a part of one; both are derived again by the next question or rebuild.
pub fn rebuild(root: &Path) -> Result<Rebuilt, UpkeepError> {
    let workspace = Workspace::open(root)?;
    let reader = Reader::open(&workspace.ledger_paths(), &workspace.verifier_key()?)?;
    let _lock = workspace.wait_for_fold_lock().ok_or(UpkeepError::Folding)?;
    let (store, entries) = derive_store(&workspace, &reader)?;
    let digests = store.table_digests().map_err(UpkeepError::ReadStore)?;
    let digests = digests.into_iter().map(|(table, digest)| (table, hexadecimal(&digest))).collect();
    Ok(Rebuilt { entries, digests })
}

/// Removes the store and derives it again; returns it and how many entries were read. The caller holds the right to
/// fold.
///
/// A crash in between leaves no store or a part of one; both are derived again by the next question or rebuild.
pub(super) fn derive_store(workspace: &Workspace, reader: &Reader) -> Result<(Store, u64), UpkeepError> {
    let path = workspace.store_path();
    match std::fs::remove_dir_all(&path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            return Err(UpkeepError::Remove { path: path.to_string_lossy().into_owned(), source });
        }
        _ => {}
    }
    let mut store = Store::create(&path, parser_versions()).map_err(UpkeepError::CreateStore)?;
    let entries = catch_up(&mut store, reader)?;
    Ok((store, entries))
}

/// Makes every complete unit of the store that is not one yet. The ledger is only read.
///
/// A crash in between leaves the units that were made, and files that the next compaction removes.
pub fn compact(root: &Path) -> Result<Compacted, UpkeepError> {
    let workspace = Workspace::open(root)?;
    let _lock = workspace.wait_for_fold_lock().ok_or(UpkeepError::Folding)?;
    let mut store = Store::open(&workspace.store_path()).map_err(UpkeepError::OpenStore)?;
    let mut compacted = Compacted { made: 0, left: Vec::new() };
    for unit in store.units() {
        let outcome = store.compact(unit.clone()).map_err(|source| UpkeepError::Compact {
            first: unit.start,
            end: unit.end,
            source: Box::new(source),
        })?;
        match outcome {
            Compaction::Done => compacted.made += 1,
            Compaction::Left(unfit) => compacted.left.push((unit, unfit)),
        }
    }
    Ok(compacted)
}

impl UpkeepError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Workspace(error) => error.hint(),
            Self::CreateLedger(_) | Self::CreateStore(_) => {
                "choose a folder that is new or empty, on a disk that is not full"
            }
            Self::Access(error) => error.hint(),
            Self::Ledger(_) => "`ascribe verify` lists everything that is damaged or missing",
            Self::Remove { .. } => "check who owns the folder, and that nothing else has it open",
            Self::Folding => "wait for the ingest that runs to end; check that the folder can be written",
            Self::CatchUp(_) | Self::ReadStore(_) => {
                "check that the disk is not full, then run `ascribe rebuild` again"
            }
            Self::OpenStore(error) => error.hint().unwrap_or("check that the folder can be read"),
            Self::Compact { .. } => {
                "check that the disk is not full; a damaged store is derived anew by `ascribe rebuild`"
            }
        }
    }
}

/// Parser version of each source. A store derived by other versions may hold other events.
pub(super) fn parser_versions() -> BTreeMap<String, u32> {
    ascribe_sources::SOURCES.iter().map(|source| (source.id.to_owned(), source.version)).collect()
}
