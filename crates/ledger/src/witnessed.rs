//! The cosignatures of witnesses beside a ledger: appended to its published checkpoint, and the largest checkpoint with
//! a quorum kept in a file of its own.
//!
//! Both files can be lost: witnesses cosign again. It asks nobody; it only takes what others brought.

use std::path::PathBuf;

use crate::checkpoint::{CheckpointRefused, SignedCheckpoint};
use crate::cosignature::Cosignature;
use crate::damage::FileError;
use crate::durable::DurableError;
use crate::lock::{Lock, LockError};
use crate::note::{NoteError, VerifierKey};
use crate::paths::LedgerPaths;
use crate::read::read_if_present;
use crate::witness_policy::{PolicyOutcome, WitnessPolicy};

/// What became of cosignatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigning {
    /// The checkpoint with all cosignatures that it has now.
    pub checkpoint: SignedCheckpoint,
    /// How it stands to the policy.
    pub outcome: PolicyOutcome,
    /// Whether it is still the published one. If not, a writer has published a larger one meanwhile.
    pub published: bool,
}

/// Cosignatures could not be read or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessedError {
    /// A writer is at work.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file could not be read.
    #[error(transparent)]
    Read(#[from] FileError),
    /// A checkpoint in a file is refused.
    #[error("the checkpoint `{}` is refused", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: CheckpointRefused,
    },
    /// A cosignature by a witness of the policy does not verify.
    #[error("the cosignatures are refused")]
    Cosignature(#[source] NoteError),
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] DurableError),
}

/// The largest checkpoint that had a quorum when it was kept; `None` where there never was one. The ledger's own
/// signature is checked; whoever relies on the witnesses judges it by a policy again.
pub fn read_witnessed(
    paths: &LedgerPaths,
    key: &VerifierKey,
) -> Result<Option<SignedCheckpoint>, WitnessedError> {
    read(paths, paths.witnessed_checkpoint(), key)
}

/// Puts cosignatures behind a checkpoint: into the published note, if it is still that checkpoint, and into the file
/// of witnessed ones, if the policy is met and no larger one is there.
///
/// A crash leaves the old or the new content of each file, whole. Between the two, the witnessed checkpoint has
/// cosignatures that the published one lacks; the next call puts them there.
pub fn publish_cosigned(
    paths: &LedgerPaths,
    key: &VerifierKey,
    policy: &WitnessPolicy,
    checkpoint: &SignedCheckpoint,
    cosignatures: &[Cosignature],
) -> Result<Cosigning, WitnessedError> {
    let _lock = Lock::take(paths.disk(), &paths.lock())?;
    let kept = match read_witnessed(paths, key) {
        // What cannot be believed, such as a note by an earlier key of the ledger, is replaced as if there were none.
        Err(WitnessedError::Refused { .. }) => None,
        kept => kept?,
    };
    let found = read(paths, paths.published_checkpoint(), key)?;
    let is_same = |other: &SignedCheckpoint| other.checkpoint() == checkpoint.checkpoint();
    let published = found.as_ref().filter(|found| is_same(found));
    // Cosignatures that an earlier call brought stay.
    let mut lines = Vec::new();
    for earlier in published.iter().copied().chain(kept.as_ref().filter(|kept| is_same(kept))) {
        for witness in policy.witnesses().iter().filter_map(|witness| witness.key.as_ref()) {
            let line = Cosignature::of(earlier.note().as_bytes(), witness);
            lines.extend(line.map_err(WitnessedError::Cosignature)?);
        }
    }
    lines.extend_from_slice(cosignatures);
    let base = published.unwrap_or(checkpoint);
    let cosigned = lines.iter().fold(base.clone(), |note, line| note.cosigned(std::slice::from_ref(line)));
    let outcome = policy.judge(&cosigned).map_err(WitnessedError::Cosignature)?;
    let is_witnessed = outcome.is_met() && policy.asks_for_witnesses();
    if is_witnessed && kept.as_ref().is_none_or(|kept| kept.size() <= cosigned.size() && *kept != cosigned) {
        // A crash before this loses the cosignatures, and the witnesses are asked again.
        paths.disk().replace_file(&paths.witnessed_checkpoint(), cosigned.note().as_bytes())?;
    }
    // A crash here leaves a published note without them.
    if published.is_some_and(|published| *published != cosigned) {
        paths.disk().replace_file(&paths.published_checkpoint(), cosigned.note().as_bytes())?;
    }
    Ok(Cosigning { outcome, published: published.is_some(), checkpoint: cosigned })
}

fn read(
    paths: &LedgerPaths,
    path: PathBuf,
    key: &VerifierKey,
) -> Result<Option<SignedCheckpoint>, WitnessedError> {
    let note = read_if_present(paths.disk(), &path)?;
    note.map(|note| SignedCheckpoint::open(&note, key))
        .transpose()
        .map_err(|source| WitnessedError::Refused { path, source })
}
