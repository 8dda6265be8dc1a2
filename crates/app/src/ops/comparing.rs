//! Two checkpoints of one ledger beside each other, offline: do they exclude each other?

use std::fs;
use std::path::{Path, PathBuf};

use ascribe_ledger::durable::{DurableError, replace_file};
use ascribe_ledger::{
    CheckpointRefused, Comparison, Equivocation, EquivocationRefused, LedgerPaths, Prefix, ReadError, Reader,
    SignedCheckpoint, VerifierKey, VerifierKeyError, compare,
};

use crate::workspace::{Workspace, WorkspaceError};

/// What is compared.
pub struct CompareRequest<'a> {
    /// A note, or a proof of equivocation.
    pub first: &'a Path,
    /// The other note; `None` where the first file has both.
    pub second: Option<&'a Path>,
    /// A consistency proof of the larger note.
    pub proof: Option<&'a Path>,
    /// The file with the ledger's verifier key; `None` for that of the evidence folder.
    pub key: Option<&'a Path>,
    /// Where a proof of equivocation is written.
    pub write: Option<&'a Path>,
}

/// What came of it.
pub struct Compared {
    /// How the two stand to each other.
    pub shown: Comparison,
    /// Leaves in the smaller and in the larger.
    pub sizes: (u64, u64),
    /// The proof, where they exclude each other.
    pub proof: Option<Equivocation>,
}

/// They could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The folder is not usable.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// It is no key.
    #[error("`{}` holds no verifier key of a ledger", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: VerifierKeyError,
    },
    /// A note is refused.
    #[error("the note in `{}` is refused", path.display())]
    Note {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: CheckpointRefused,
    },
    /// A proof is refused.
    #[error("the proof in `{}` is refused", path.display())]
    Proof {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: EquivocationRefused,
    },
    /// The ledger cannot be read.
    #[error("cannot read the ledger")]
    Ledger(#[from] ReadError),
    /// The proof cannot be written.
    #[error("cannot write the proof")]
    Write(#[from] DurableError),
}

/// Compares two notes, or checks a proof of equivocation.
///
/// Where sizes differ and no proof is given, the ledger of `evidence` is looked at: if it is of the larger note's tree, it
/// knows what that tree was at the smaller size.
///
/// # Errors
/// [`CompareError`] when a file cannot be used, or a note is not signed by the key.
pub fn compare_notes(evidence: &Path, request: &CompareRequest<'_>) -> Result<Compared, CompareError> {
    let key = match request.key {
        Some(path) => read_key(path)?,
        None => Workspace::open(evidence)?.verifier_key()?,
    };
    let (one, other, mut prefix) = match request.second {
        Some(second) => (open(request.first, &key)?, open(second, &key)?, None),
        None => open_proof(request.first, &key)?,
    };
    if let Some(path) = request.proof {
        let refused = |source| CompareError::Proof { path: path.to_owned(), source };
        prefix = Some(Prefix::parse(&read(path)?).map_err(refused)?);
    }
    let (small, large) = if one.size() <= other.size() { (one, other) } else { (other, one) };
    let mut shown = compare(&small, &large, prefix.as_ref());
    if shown == Comparison::Undecided && prefix.is_none() {
        prefix = own_prefix(evidence, &key, &small, &large);
        shown = compare(&small, &large, prefix.as_ref());
    }
    let proof = (shown == Comparison::Equivocation).then(|| {
        // Equal sizes need no more than the notes.
        Equivocation::of(&small, &large, prefix.filter(|_| small.size() != large.size()))
    });
    if let (Some(proof), Some(path)) = (&proof, request.write) {
        replace_file(path, proof.to_string().as_bytes())?;
    }
    Ok(Compared { shown, sizes: (small.size(), large.size()), proof })
}

/// Proves that the ledger's published tree had a root at an earlier size.
///
/// # Errors
/// [`CompareError`] when the ledger cannot be read or has fewer leaves.
pub fn consistency(evidence: &Path, size: u64) -> Result<(Prefix, SignedCheckpoint), CompareError> {
    let workspace = Workspace::open(evidence)?;
    let reader = Reader::open(&workspace.ledger_paths(), &workspace.verifier_key()?)?;
    let (root, hashes) = (reader.root_at(size)?, reader.consistency_proof(size)?);
    Ok((Prefix { size, root, hashes }, reader.checkpoint().clone()))
}

/// Where the ledger is that is to be served, and the key that its checkpoints are signed by.
///
/// # Errors
/// [`CompareError::Workspace`] when the folder is not usable.
pub fn served_ledger(evidence: &Path) -> Result<(LedgerPaths, VerifierKey), CompareError> {
    let workspace = Workspace::open(evidence)?;
    Ok((workspace.ledger_paths(), workspace.verifier_key()?))
}

/// What the evidence at hand knows of the larger note's tree. Nothing, where it is of another or there is none.
fn own_prefix(
    evidence: &Path,
    key: &VerifierKey,
    small: &SignedCheckpoint,
    large: &SignedCheckpoint,
) -> Option<Prefix> {
    let paths = Workspace::open(evidence).ok()?.ledger_paths();
    let reader = Reader::open(&paths, key).ok()?;
    let is_of_this_tree = reader.size() >= large.size() && reader.root_at(large.size()).ok()? == large.root();
    let at = is_of_this_tree.then(|| Reader::at(&paths, large.clone()).ok())??;
    Some(Prefix {
        size: small.size(),
        root: at.root_at(small.size()).ok()?,
        hashes: at.consistency_proof(small.size()).ok()?,
    })
}

fn open_proof(
    path: &Path,
    key: &VerifierKey,
) -> Result<(SignedCheckpoint, SignedCheckpoint, Option<Prefix>), CompareError> {
    let refused = |source| CompareError::Proof { path: path.to_owned(), source };
    let proof = Equivocation::parse(&read(path)?).map_err(refused)?;
    let note = |note: &str| {
        SignedCheckpoint::open(note.as_bytes(), key)
            .map_err(|source| CompareError::Note { path: path.to_owned(), source })
    };
    Ok((note(&proof.smaller)?, note(&proof.larger)?, proof.prefix))
}

fn open(path: &Path, key: &VerifierKey) -> Result<SignedCheckpoint, CompareError> {
    SignedCheckpoint::open(&read(path)?, key)
        .map_err(|source| CompareError::Note { path: path.to_owned(), source })
}

fn read_key(path: &Path) -> Result<VerifierKey, CompareError> {
    let text = String::from_utf8_lossy(&read(path)?).into_owned();
    VerifierKey::parse(text.trim_end()).map_err(|source| CompareError::Key { path: path.to_owned(), source })
}

fn read(path: &Path) -> Result<Vec<u8>, CompareError> {
    fs::read(path).map_err(|source| CompareError::File { path: path.to_owned(), source })
}

impl CompareError {
    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Workspace(error) => error.hint(),
            Self::File { .. } | Self::Write(_) => "check the path, and who may use it",
            Self::Key { .. } => {
                "`keys/ledger.vkey` of an evidence folder is such a file; `--key FILE` names one"
            }
            Self::Note { .. } => {
                "both notes have to be signed by the ledger whose key is given, byte for byte as they came"
            }
            Self::Proof { .. } => {
                "docs/formats/ledger.md states the bytes; `ascribe ledger consistency` writes a proof"
            }
            Self::Ledger(_) => "`ascribe verify` lists everything that is damaged or missing",
        }
    }
}
