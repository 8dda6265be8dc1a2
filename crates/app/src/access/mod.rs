//! The access ledger: who asked, exported, verified or disclosed what of the evidence, and when. `docs/access.md` states
//! the form.
//!
//! ```text
//! <evidence>/access/spool/   accesses that are not in the ledger yet, one file each
//! <evidence>/access/ledger/  the access ledger; the same code as the ledger of the evidence
//! <evidence>/access/anchor/  its last checkpoint, kept apart
//! <evidence>/access/lock     held by whoever takes the spool into the ledger
//! <evidence>/keys/access.key signs its checkpoints; mode 0600
//! <evidence>/keys/access.vkey verifies them
//! ```
//!
//! It is a ledger of its own, so that asking changes no answer and waits for no writer of the evidence. An access is
//! durable in the spool before anything is shown; it goes into the ledger later, many at a time. It knows commands as names and
//! texts, and nothing of what they do.

mod by;
mod drain;
mod spool;

use std::path::{Path, PathBuf};

use ascribe_ledger::durable::{self, Disk, DurableError};
use ascribe_ledger::{KeyError, KeyPair, Ledger, LedgerPaths, ReadError, Reader, VerifierKey};

pub use by::by;
pub use drain::{DrainError, Drained, drain};
pub use spool::{Begun, SpoolError, Waiting, begin, is_due, new_id, waiting};

/// Where the accesses of one evidence folder are kept.
#[derive(Clone, Debug)]
pub struct AccessPlace {
    root: PathBuf,
    origin: String,
}

/// The access ledger cannot be opened or made.
#[derive(Debug, thiserror::Error)]
pub enum AccessLedgerError {
    /// Its key cannot be used.
    #[error("cannot use the key `{}`", path.display())]
    Key {
        /// The key's file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: KeyError,
    },
    /// Its verifier key cannot be used.
    #[error("cannot use the verifier key `{}`", path.display())]
    Verifier {
        /// The key's file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It does not open.
    #[error("the access ledger does not open")]
    Open(#[source] Box<ascribe_ledger::OpenError>),
    /// Its anchor cannot be read.
    #[error("cannot read the anchor of the access ledger")]
    Anchor(#[source] ascribe_ledger::AnchorError),
    /// It cannot be made.
    #[error("cannot make the access ledger")]
    Create(#[source] Box<ascribe_ledger::CreateError>),
    /// It cannot be read.
    #[error("cannot read the access ledger")]
    Read(#[from] ReadError),
    /// A file of it cannot be written.
    #[error("cannot make the access ledger")]
    Write(#[from] DurableError),
}

impl AccessPlace {
    /// The accesses of the evidence in `root`, whose ledger has the origin `origin`.
    pub fn new(root: &Path, origin: &str) -> Self {
        Self { root: root.to_owned(), origin: format!("{origin}/access") }
    }

    /// Folders of the access ledger and its anchor.
    pub fn ledger_paths(&self) -> LedgerPaths {
        LedgerPaths::new(self.root.join("access/ledger"), self.root.join("access/anchor"))
    }

    /// Folder of the accesses that are not in the ledger yet.
    pub fn spool(&self) -> PathBuf {
        self.root.join("access/spool")
    }

    /// The lock of whoever takes the spool in.
    fn lock(&self) -> PathBuf {
        self.root.join("access/lock")
    }

    fn key_path(&self) -> PathBuf {
        self.root.join("keys/access.key")
    }

    /// Where the verifier key is. It is written last: where it is, there is an access ledger.
    pub fn verifier_path(&self) -> PathBuf {
        self.root.join("keys/access.vkey")
    }

    /// Whether an access ledger was ever made here.
    pub fn exists(&self) -> bool {
        self.verifier_path().exists()
    }

    /// The key that verifies its checkpoints.
    ///
    /// # Errors
    /// [`AccessLedgerError::Verifier`] when it cannot be read.
    pub fn verifier_key(&self) -> Result<VerifierKey, AccessLedgerError> {
        let path = self.verifier_path();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(source) => return Err(AccessLedgerError::Verifier { path, source: Box::new(source) }),
        };
        VerifierKey::parse(text.trim_end())
            .map_err(|source| AccessLedgerError::Verifier { path, source: Box::new(source) })
    }

    /// The access ledger at its last checkpoint.
    ///
    /// # Errors
    /// [`AccessLedgerError`] when there is none or it cannot be read.
    pub fn reader(&self) -> Result<Reader, AccessLedgerError> {
        Ok(Reader::open(&self.ledger_paths(), &self.verifier_key()?)?)
    }

    /// Opens the access ledger for writing, and makes it where there never was one. A ledger that is gone while its
    /// verifier key is there is an error: it is never made anew in silence.
    pub fn open_or_make(&self) -> Result<Ledger, AccessLedgerError> {
        if self.exists() { self.open() } else { self.make() }
    }

    fn open(&self) -> Result<Ledger, AccessLedgerError> {
        match Ledger::open(&self.ledger_paths(), self.key()?) {
            Ok((ledger, _)) => Ok(ledger),
            Err(error) => Err(AccessLedgerError::Open(Box::new(error))),
        }
    }

    /// A crash before the verifier key is written leaves a key, or a key and an empty ledger; both are taken up here the
    /// next time.
    fn make(&self) -> Result<Ledger, AccessLedgerError> {
        let failed = |source| AccessLedgerError::Key { path: self.key_path(), source };
        let key = if self.key_path().exists() {
            self.key()?
        } else {
            let key = KeyPair::generate(&self.origin).map_err(failed)?;
            key.save(&self.key_path()).map_err(failed)?;
            key
        };
        let verifier = format!("{}\n", key.verifier());
        let paths = self.ledger_paths();
        Disk::default().create_folder(&self.spool())?;
        let anchored = paths.anchor_store().read().map_err(AccessLedgerError::Anchor)?;
        let ledger = if anchored.is_some() {
            self.open()?
        } else {
            Ledger::create(&paths, key).map_err(|error| AccessLedgerError::Create(Box::new(error)))?
        };
        durable::replace_file(&self.verifier_path(), verifier.as_bytes())?;
        Ok(ledger)
    }

    fn key(&self) -> Result<KeyPair, AccessLedgerError> {
        KeyPair::load(&self.key_path())
            .map_err(|source| AccessLedgerError::Key { path: self.key_path(), source })
    }
}

impl AccessLedgerError {
    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Key { .. } | Self::Verifier { .. } => {
                "restore `keys/` from its backup; the access ledger cannot go on under another key"
            }
            Self::Open(_) | Self::Read(_) | Self::Anchor(_) => {
                "nothing was changed; `ascribe verify` lists what is wrong with it"
            }
            Self::Create(_) | Self::Write(_) => {
                "check that the folder can be written and that the disk is not full"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use ascribe_model::{AccessAsked, AccessEnd, AccessOutcome, AccessRecord, Timestamp};

    use super::*;

    const NOW: i64 = 1_786_698_151_000_000_000;

    fn place(folder: &tempfile::TempDir) -> AccessPlace {
        fs::create_dir_all(folder.path().join("keys")).unwrap();
        AccessPlace::new(folder.path(), "test.example/ledger")
    }

    fn begun(place: &AccessPlace, subject: &str) -> Begun {
        let at = Timestamp::from_nanoseconds(NOW);
        let asked = AccessAsked {
            id: new_id(at).unwrap(),
            at,
            by: by(),
            tool: "test".to_owned(),
            verb: "who".to_owned(),
            subject: vec![subject.to_owned()],
            options: BTreeMap::new(),
        };
        begin(place, asked).unwrap()
    }

    fn recorded(place: &AccessPlace) -> Vec<(String, bool)> {
        let reader = place.reader().unwrap();
        reader
            .entries(0..reader.size())
            .map(|entry| {
                let record: AccessRecord =
                    serde_json::from_slice(entry.unwrap().captured().unwrap()).unwrap();
                (record.asked.subject[0].clone(), record.ended == AccessEnd::Interrupted)
            })
            .collect()
    }

    fn take_in(place: &AccessPlace, at: i64) -> Drained {
        drain(place, None, Timestamp::from_nanoseconds(at)).unwrap()
    }

    /// Stopped behind each step of an access: it is recorded once, and as interrupted where its end is not there.
    #[test]
    fn an_access_that_stops_anywhere_is_recorded_once() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder);
        drop(begun(&place, "begun"));
        drop(begun(&place, "ended").end(AccessOutcome::default()).unwrap());
        let running = begun(&place, "running");
        assert_eq!(take_in(&place, NOW + 1), Drained::Done(2), "what still runs is left alone");
        let left: Vec<_> = waiting(&place).unwrap();
        assert!(left.is_empty());
        // Stopped behind the append: the file comes back as if it had never been removed.
        let path = place.spool().join(format!("{}.entry", running.asked.id));
        let own = running.end(AccessOutcome::default()).unwrap();
        let bytes = fs::read(&path).unwrap();
        assert_eq!(
            drain(&place, Some(&own), Timestamp::from_nanoseconds(NOW + 2)).unwrap(),
            Drained::Done(1)
        );
        drop(own);
        // Also where the clock was put back meanwhile, and where others were recorded in between.
        for now in [NOW + 3, NOW - 1_000_000_000, 0] {
            #[expect(clippy::disallowed_methods, reason = "a throw-away file")]
            fs::write(&path, &bytes).unwrap();
            drop(begun(&place, "between"));
            assert_eq!(take_in(&place, now), Drained::Done(1), "the other alone is new, at {now}");
            assert!(!path.exists());
        }
        let mut recorded = recorded(&place);
        recorded.sort();
        let expected = [
            ("begun", true),
            ("between", true),
            ("between", true),
            ("between", true),
            ("ended", false),
            ("running", false),
        ];
        assert_eq!(recorded, expected.map(|(subject, interrupted)| (subject.to_owned(), interrupted)));
        let report = ascribe_ledger::verify(&place.ledger_paths(), &place.verifier_key().unwrap(), &|_| {});
        assert!(report.is_clean(), "{:?}", report.problems);
    }

    /// Whoever has the lock takes in; others leave theirs, and nothing is lost.
    #[test]
    fn one_at_a_time_takes_the_spool_in() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder);
        drop(begun(&place, "waits"));
        let held = place.hold().unwrap();
        assert_eq!(take_in(&place, NOW), Drained::Busy);
        assert_eq!(waiting(&place).unwrap().len(), 1);
        drop(held);
        assert_eq!(take_in(&place, NOW), Drained::Done(1));
    }

    /// Stopped behind each step of the making, the next takes up what is there, with the same key.
    #[test]
    fn a_making_that_stops_anywhere_is_taken_up() {
        for step in 0..3 {
            let folder = tempfile::tempdir().unwrap();
            let place = place(&folder);
            drop(place.open_or_make().unwrap());
            let key = fs::read(place.key_path()).unwrap();
            fs::remove_file(place.verifier_path()).unwrap();
            if step < 2 {
                fs::remove_dir_all(place.ledger_paths().ledger).unwrap();
                fs::remove_dir_all(folder.path().join("access/anchor")).unwrap();
            }
            if step < 1 {
                fs::remove_file(place.key_path()).unwrap();
            }
            drop(begun(&place, "first"));
            assert_eq!(take_in(&place, NOW), Drained::Done(1));
            assert_eq!(recorded(&place).len(), 1);
            assert_eq!(fs::read(place.key_path()).unwrap() == key, step > 0);
            // Once it was made, it is never made anew.
            fs::remove_dir_all(place.ledger_paths().ledger).unwrap();
            assert!(place.open_or_make().is_err());
            assert!(!place.ledger_paths().ledger.join("checkpoint").exists());
        }
    }

    #[test]
    fn the_spool_is_due_when_many_wait_or_one_has_waited() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder);
        let due = |later: i64| is_due(&place, Timestamp::from_nanoseconds(NOW + later));
        assert!(!due(0), "there is no spool");
        drop(begun(&place, "one"));
        assert!(!due(3_599_000_000_000) && due(3_600_000_000_000));
        for _ in 1..31 {
            drop(begun(&place, "more"));
        }
        assert!(!due(0));
        drop(begun(&place, "the 32nd"));
        assert!(due(0));
        take_in(&place, NOW);
        assert!(!due(i64::MAX - NOW));
    }
}
