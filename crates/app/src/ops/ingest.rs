//! Takes logs in.

use std::num::NonZeroUsize;
use std::path::Path;

use ascribe_ledger::{Ledger, Recovery};
use ascribe_store::Store;

use super::config::ConfigReadError;
use super::configured::{ConfiguredError, changed_configs};
use super::keys::{KeysError, finish_rotation};
use super::seal_key::{KeyDestroyed, destroyed_keys, refuse_destroyed, seal_key_id};
use super::upkeep::parser_versions;
use super::writing::last_of;
use crate::capture::{Capture, CaptureError};
use crate::clock;
use crate::ingest::{
    CatchUpError, Destination, FindError, FoundObjects, IngestError, IngestReport, Plan, Progress, catch_up,
    find_objects, run,
};
use crate::workspace::{Workspace, WorkspaceError, patiently};

/// What to take in.
pub struct IngestRequest<'a> {
    /// Files, folders, patterns, or `-`.
    pub paths: &'a [String],
    /// Native scope for records that carry none.
    pub scope: Option<&'a str>,
    /// Threads that parse.
    pub workers: NonZeroUsize,
    /// Who watches.
    pub progress: &'a dyn Progress,
}

/// What came of it.
pub struct Ingested {
    /// The report.
    pub report: IngestReport,
    /// What opening the ledger repaired.
    pub recovery: Recovery,
    /// Paths that could not be taken in.
    pub problems: Vec<FindError>,
}

/// Nothing, or not everything, could be taken in. What was acknowledged is on disk.
#[derive(Debug, thiserror::Error)]
pub enum IngestFailure {
    /// No path stands for anything that could be read.
    #[error("there is nothing to take in")]
    Nothing {
        /// Why not, path by path.
        problems: Vec<FindError>,
    },
    /// The folder is not usable.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// The capture policy cannot be used.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The key that the policy would seal with was destroyed.
    #[error("the capture policy cannot seal values")]
    Destroyed(#[from] KeyDestroyed),
    /// What was configured before cannot be looked up.
    #[error("cannot look up what was configured before")]
    Config(#[source] ConfigReadError),
    /// The ledger cannot be opened for writing.
    #[error("cannot open the ledger for writing")]
    Ledger(#[source] Box<ascribe_ledger::OpenError>),
    /// The signing key handed over to another while the ledger was being opened.
    #[error("the signing key was replaced at this very moment")]
    OtherKey,
    /// The ledger cannot be read.
    #[error("cannot read the ledger")]
    Read(#[source] ascribe_ledger::ReadError),
    /// What is configured cannot be told, or not what was before.
    #[error(transparent)]
    Configured(Box<ConfiguredError>),
    /// A rotation of the signing key that was under way cannot be finished.
    #[error("cannot finish the rotation of the signing key that was under way")]
    Rotation(#[source] Box<KeysError>),
    /// The store cannot be opened.
    #[error("cannot open the store")]
    Store(#[source] ascribe_store::OpenError),
    /// The store cannot be brought up to the ledger.
    #[error("cannot bring the store up to the ledger")]
    CatchUp(#[source] CatchUpError),
    /// The store was derived by other parsers, and may hold other events than these would find.
    #[error("the store was derived by parsers of other versions than this program's")]
    OtherParsers,
    /// Somebody else folds the ledger into the store.
    #[error("the store is being written by another program")]
    Folding,
    /// The run stopped.
    #[error("the run stopped; what was acknowledged is on disk")]
    Run(#[source] IngestError),
}

/// Takes logs in. When this returns, every byte of every object is in the ledger as record, framing or reject.
pub fn ingest(root: &Path, request: &IngestRequest<'_>) -> Result<Ingested, IngestFailure> {
    let workspace = Workspace::open(root)?;
    let capture = Capture::open(root)?;
    let FoundObjects { objects, problems } = find_objects(request.paths);
    if objects.is_empty() {
        return Err(IngestFailure::Nothing { problems });
    }
    let (ledger, recovery) = open_ledger(&workspace)?;
    // Before the store is opened: what a question folds in between would make this handle of it an old one.
    let _lock = workspace.wait_for_fold_lock().ok_or(IngestFailure::Folding)?;
    let reader = ledger.reader().map_err(IngestFailure::Read)?;
    let mut store = Store::open(&workspace.store_path()).map_err(IngestFailure::Store)?;
    if *store.parsers() != parser_versions() {
        return Err(IngestFailure::OtherParsers);
    }
    catch_up(&mut store, &reader).map_err(IngestFailure::CatchUp)?;
    if capture.seals()
        && let Some(key) = seal_key_id(root)
    {
        refuse_destroyed(&destroyed_keys(&store, &reader).map_err(IngestFailure::Config)?, &key)?;
    }
    let configs = changed_configs(&workspace, &store, &reader)
        .map_err(|error| IngestFailure::Configured(Box::new(error)))?;
    let last = last_of(&reader).map_err(IngestFailure::Read)?;
    let before = Store::open(&workspace.store_path()).map_err(IngestFailure::Store)?;
    let plan = Plan {
        objects: &objects,
        scope: request.scope,
        capture: &capture,
        configs: &configs,
        workers: request.workers,
        clock: clock::now,
        progress: request.progress,
    };
    request
        .progress
        .planned(objects.len() as u64, objects.iter().filter_map(crate::ingest::InputObject::bytes).sum());
    let sealed = capture.sealed_writer(root);
    let destination = Destination { ledger, store, reader, before, sealed, last };
    let report = run(&plan, destination).map_err(IngestFailure::Run)?;
    Ok(Ingested { report, recovery, problems })
}

/// Opens the ledger for writing. A question holds its lock for a moment only, so that moment is waited for.
pub(super) fn open_ledger(workspace: &Workspace) -> Result<(Ledger, Recovery), IngestFailure> {
    let attempt = || {
        let key = workspace.signing_key()?;
        let opened = Ledger::open(&workspace.ledger_paths(), key.clone());
        let (mut ledger, recovery) = opened.map_err(|error| IngestFailure::Ledger(Box::new(error)))?;
        finish_rotation(workspace, &mut ledger).map_err(|error| IngestFailure::Rotation(Box::new(error)))?;
        // While this waited for the lock, the key may have handed over; it must not sign any more.
        if *ledger.key().verifier() == *workspace.signing_key()?.verifier() {
            Ok((ledger, recovery))
        } else {
            Err(IngestFailure::OtherKey)
        }
    };
    patiently(attempt, |outcome| match outcome {
        Err(IngestFailure::Ledger(error)) => !matches!(**error, ascribe_ledger::OpenError::Lock(_)),
        Err(IngestFailure::OtherKey) => false,
        _ => true,
    })
}

impl IngestFailure {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Nothing { problems } => {
                problems.first().map_or("name at least one file or folder", FindError::hint)
            }
            Self::Workspace(error) => error.hint(),
            Self::Capture(error) => error.hint(),
            Self::Destroyed(_) => KeyDestroyed::HINT,
            Self::Configured(error) => error.hint(),
            Self::Rotation(error) => error.hint(),
            Self::Ledger(error) => match **error {
                ascribe_ledger::OpenError::Lock(_) => {
                    "another `ascribe ingest` is writing; wait for it to end"
                }
                _ => "`ascribe verify` lists everything that is damaged or missing; nothing was changed",
            },
            Self::Read(_) | Self::Config(_) => "`ascribe verify` lists everything that is damaged or missing",
            Self::Store(_) | Self::CatchUp(_) | Self::OtherParsers => {
                "the store is derived: `ascribe rebuild` makes it anew from the ledger"
            }
            Self::OtherKey => "run the same command again",
            Self::Folding => {
                "a question or a rebuild brings the store up to the ledger; try again in a moment"
            }
            Self::Run(IngestError::Fold(_) | IngestError::Store(_)) => {
                "check that the disk is not full, then `ascribe rebuild`; the ledger is complete"
            }
            Self::Run(_) => {
                "check that the disk is not full or read-only, then run the same command again: it goes on where it stopped"
            }
        }
    }
}
