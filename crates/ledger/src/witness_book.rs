//! A witness's memory: for each ledger that it follows, the last checkpoint that it cosigned. `docs/witness.md`.
//!
//! What is cosigned is on disk before anybody gets the cosignature, and comparing with the last one and replacing it is
//! one step: a book is used by one caller at a time. Two checkpoints of one ledger that exclude each other are kept as
//! evidence. It speaks no protocol and has no clock.
//!
//! ```text
//! <folder>/state/<sha256 of the origin>                the last checkpoint cosigned, with the cosignature
//! <folder>/equivocation/<digest>.equivocation|.undecided  two notes that exclude, or may exclude, each other
//! ```

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::checkpoint::{CheckpointRefused, SignedCheckpoint};
use crate::cosignature::Cosignature;
use crate::damage::FileError;
use crate::durable::{Disk, DurableError, FileKind};
use crate::equivocation::{Comparison, Equivocation, compare};
use crate::note::{NoteError, VerifierKey};
use crate::witness::{AddCheckpoint, CosigningRefused};
use crate::witness_key::WitnessKeyPair;

/// Pairs of notes kept as evidence. One is enough to convict a ledger; the limit keeps its operator from filling the
/// disk.
const EVIDENCE_MAX: usize = 1_000;

/// What a witness knows.
#[derive(Debug)]
pub struct WitnessBook {
    folder: PathBuf,
    disk: Disk,
    key: WitnessKeyPair,
    ledgers: Vec<VerifierKey>,
    latest: BTreeMap<String, SignedCheckpoint>,
    evidence: usize,
    /// Set while a write is under way, and for good once one failed.
    poisoned: bool,
}

/// A book could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum WitnessBookError {
    /// A file could not be read.
    #[error(transparent)]
    Read(#[from] FileError),
    /// A folder could not be made.
    #[error(transparent)]
    Write(#[from] DurableError),
    /// The last checkpoint of a ledger is not signed by a key of its any more.
    #[error("the last checkpoint cosigned of `{origin}`, in `{}`, is refused", path.display())]
    State {
        /// The ledger.
        origin: String,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: CheckpointRefused,
    },
    /// The last checkpoint of a ledger does not carry this witness's cosignature.
    #[error("the last checkpoint cosigned of `{origin}`, in `{}`, is not cosigned by this witness", path.display())]
    NotCosigned {
        /// The ledger.
        origin: String,
        /// The file.
        path: PathBuf,
        /// Why, where a cosignature is there and does not verify.
        #[source]
        source: Option<NoteError>,
    },
}

/// A checkpoint was not cosigned.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// It may not be.
    #[error("the checkpoint is not cosigned")]
    Refused {
        /// Why.
        #[source]
        refused: CosigningRefused,
        /// Where both notes are, if they were kept.
        evidence: Option<PathBuf>,
    },
    /// It could not be kept. Nothing is cosigned until the book is opened again.
    #[error("the witness cannot keep what it saw")]
    Write(#[from] DurableError),
    /// An earlier write failed, so the state of the disk is unknown.
    #[error("an earlier write of the witness failed; start it again")]
    Poisoned,
}

impl WitnessBook {
    /// Opens the book in `folder`, for a witness with `key` that follows `ledgers`. Several keys may be of one ledger.
    pub fn open(
        folder: &Path,
        key: WitnessKeyPair,
        ledgers: Vec<VerifierKey>,
    ) -> Result<Self, WitnessBookError> {
        Self::open_on(&Disk::default(), folder, key, ledgers)
    }

    pub(crate) fn open_on(
        disk: &Disk,
        folder: &Path,
        key: WitnessKeyPair,
        ledgers: Vec<VerifierKey>,
    ) -> Result<Self, WitnessBookError> {
        let mut book = Self {
            folder: folder.to_owned(),
            disk: disk.clone(),
            key,
            ledgers,
            latest: BTreeMap::new(),
            evidence: 0,
            poisoned: false,
        };
        for folder in [book.state(), book.equivocations()] {
            disk.create_folder(&folder)?;
        }
        let kept = disk.list(&book.equivocations());
        let kept = kept.map_err(|error| FileError::read(&book.equivocations(), error))?;
        book.evidence = kept.iter().filter(|(_, kind)| *kind == FileKind::File).count();
        for origin in book.origins() {
            if let Some(checkpoint) = book.read_state(&origin)? {
                book.latest.insert(origin, checkpoint);
            }
        }
        Ok(book)
    }

    /// The ledgers that are followed.
    pub fn origins(&self) -> Vec<String> {
        let mut origins: Vec<String> = self.ledgers.iter().map(|key| key.name().to_owned()).collect();
        origins.sort();
        origins.dedup();
        origins
    }

    /// The last checkpoint cosigned of the ledger whose origin has this SHA-256 in hexadecimal.
    pub fn latest(&self, origin_hash: &str) -> Option<&SignedCheckpoint> {
        self.latest.iter().find(|(origin, _)| name_of(origin) == origin_hash).map(|(_, latest)| latest)
    }

    /// Answers the body of a request. `now` is in seconds since the Unix epoch; a clock that was put back does not
    /// make a cosignature older than the last one.
    ///
    /// A crash before the state is replaced leaves the last one, and nobody has a cosignature; after that, the new
    /// one, and the same request with the new size is cosigned again.
    pub fn add_checkpoint(&mut self, body: &[u8], now: u64) -> Result<Cosignature, AddError> {
        if self.poisoned {
            return Err(AddError::Poisoned);
        }
        let refuse = |refused| AddError::Refused { refused, evidence: None };
        let request = AddCheckpoint::parse(body).map_err(refuse)?;
        let checkpoint = request.signed_checkpoint(&self.ledgers).map_err(refuse)?;
        let origin = checkpoint.checkpoint().origin.clone();
        let latest = self.latest.get(&origin).cloned();
        let head = latest.as_ref().map(|latest| latest.checkpoint().tree_head());
        if let Err(refused) = request.decide(&checkpoint, head) {
            let evidence = match &latest {
                Some(latest) => self.keep_evidence(latest, &checkpoint, &refused)?,
                None => None,
            };
            return Err(AddError::Refused { refused, evidence });
        }
        let last = latest.and_then(|latest| self.own(&latest).ok().flatten());
        let cosignature = self.key.cosign(&checkpoint, now.max(last.map_or(0, |last| last.timestamp())));
        let cosigned = checkpoint.cosigned(std::slice::from_ref(&cosignature));
        self.poisoned = true;
        self.disk.replace_file(&self.state().join(name_of(&origin)), cosigned.note().as_bytes())?;
        self.poisoned = false;
        self.latest.insert(origin, cosigned);
        Ok(cosignature)
    }

    /// Keeps two notes that exclude each other, or of which that could not be ruled out.
    fn keep_evidence(
        &mut self,
        latest: &SignedCheckpoint,
        checkpoint: &SignedCheckpoint,
        refused: &CosigningRefused,
    ) -> Result<Option<PathBuf>, AddError> {
        let extension = match (compare(latest, checkpoint, None), refused) {
            (Comparison::Equivocation, _) => "equivocation",
            (Comparison::Undecided, CosigningRefused::Inconsistent(_)) => "undecided",
            _ => return Ok(None),
        };
        let text = Equivocation::of(latest, checkpoint, None).to_string();
        let path = self.equivocations().join(format!("{}.{extension}", name_of(&text)));
        if self.disk.read(&path).is_ok() {
            return Ok(Some(path));
        }
        if self.evidence >= EVIDENCE_MAX {
            return Ok(None);
        }
        self.poisoned = true;
        self.disk.replace_file(&path, text.as_bytes())?;
        self.poisoned = false;
        self.evidence += 1;
        Ok(Some(path))
    }

    fn own(&self, checkpoint: &SignedCheckpoint) -> Result<Option<Cosignature>, NoteError> {
        Cosignature::of(checkpoint.note().as_bytes(), self.key.verifier())
    }

    fn read_state(&self, origin: &str) -> Result<Option<SignedCheckpoint>, WitnessBookError> {
        let path = self.state().join(name_of(origin));
        let note = match self.disk.read(&path) {
            Ok(note) => note,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(FileError::read(&path, error).into()),
        };
        let mut last = None;
        for key in self.ledgers.iter().filter(|key| key.name() == origin) {
            match SignedCheckpoint::open(&note, key) {
                Ok(checkpoint) => {
                    let own = self.own(&checkpoint).map_err(Some).and_then(|own| own.ok_or(None));
                    own.map_err(|source| WitnessBookError::NotCosigned {
                        origin: origin.to_owned(),
                        path: path.clone(),
                        source,
                    })?;
                    return Ok(Some(checkpoint));
                }
                Err(source) => last = Some(source),
            }
        }
        let refused = |source| WitnessBookError::State { origin: origin.to_owned(), path, source };
        last.map_or(Ok(None), |source| Err(refused(source)))
    }

    fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    fn equivocations(&self) -> PathBuf {
        self.folder.join("equivocation")
    }
}

/// SHA-256 in hexadecimal: the name under which tlog-witness serves the checkpoint of an origin.
fn name_of(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}
