//! The ledger's signing keys: the line in which they followed each other, and how one hands over to the next.
//!
//! ```text
//! keys/ledger.key           signs now
//! keys/ledger.vkey          its public half
//! keys/next.key             there only while a key hands over
//! keys/retired/<id>.vkey    public halves of keys that handed over
//! keys/retired/<id>.key     their private halves, where they are kept
//! ```
//!
//! The order of durable steps, and what a crash after each leaves, is in `docs/operations.md`. Whatever opens the ledger
//! for writing finishes what a crash left.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ascribe_bundle::{KeyEntryRefused, succession_of};
use ascribe_ledger::durable::{publish_file, replace_file};
use ascribe_ledger::{
    Fate, KeyLine, KeyPair, Kind, Ledger, Reader, SignedCheckpoint, Standing, Succession, SuccessionRefused,
    VerifierKey,
};
use ascribe_model::{KeyEntry, KeyKind, KeyRef, Role, Timestamp};
use ascribe_store::Store;

use super::configured::{ConfiguredError, record_settings};
use super::writing::{WriteFailure, Writing};
use crate::workspace::{Workspace, WorkspaceError};

/// Key kind under which the store finds successions of signing keys.
const KEY_KIND: KeyKind = KeyKind::new("ascribe.signing_key");

/// What to do with the signing key.
pub struct RotateRequest<'a> {
    /// Why, for whoever reads the ledger.
    pub reason: &'a str,
    /// What the old key is worth from then on.
    pub standing: Standing,
    /// What becomes of the old private key.
    pub fate: Fate,
}

/// A key that handed over.
#[derive(Debug)]
pub struct Rotated {
    /// The key that signed until then.
    pub old: String,
    /// The key that signs from then on.
    pub new: String,
    /// Leaf of the entry that says so.
    pub leaf: u64,
    /// Where the old private key is, if it is kept.
    pub kept: Option<PathBuf>,
    /// The checkpoint that both signed.
    pub checkpoint: String,
    /// Whether this finished what an earlier run began, and began nothing itself.
    pub finished_earlier: bool,
}

/// One key of the ledger.
pub struct KeyShown {
    /// Text of the verifier key.
    pub key: String,
    /// Its standing: `current`, `retired` or `compromised`.
    pub standing: &'static str,
    /// Leaf and time of the entry in which it took over; absent for the first.
    pub from: Option<(u64, Timestamp)>,
    /// Leaf and time of the entry in which it handed over, and why; absent for the current one.
    pub until: Option<(u64, Timestamp, String)>,
}

/// A step of the rotation that is durable once it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotationStep {
    /// The new private key is on disk.
    NewKey,
    /// The entry is on disk.
    Entry,
    /// The checkpoint that both sign is published.
    HandOver,
    /// The old key's halves are kept apart, as far as they are to be kept.
    Kept,
    /// The new verifier key is in its place.
    Verifier,
    /// The new private key is in its place: the old one is gone from there.
    Private,
}

/// The keys cannot be told, or one cannot hand over.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The folder is not usable.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// The ledger cannot be written.
    #[error(transparent)]
    Write(#[from] WriteFailure),
    /// What is configured cannot be recorded.
    #[error(transparent)]
    Configured(#[from] ConfiguredError),
    /// The reason is empty or too long.
    #[error("a reason has between 1 and {max} bytes, this has {found}", max = ascribe_ledger::MAX_REASON_BYTES)]
    Reason {
        /// Its length.
        found: usize,
    },
    /// A key cannot be made or kept.
    #[error("cannot use the key `{path}`")]
    Key {
        /// Its file.
        path: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The checkpoint that both keys sign cannot be published.
    #[error("cannot publish the checkpoint that both keys sign")]
    HandOver(#[source] ascribe_ledger::CheckpointError),
    /// The ledger cannot be read.
    #[error("cannot read the ledger")]
    Ledger(#[from] ascribe_ledger::ReadError),
    /// The store cannot be read.
    #[error("cannot look the keys up in the store")]
    Store(#[source] ascribe_store::ReadError),
    /// An entry is no succession.
    #[error("entry {leaf} is no succession of keys")]
    Entry {
        /// The entry.
        leaf: u64,
        /// Why not.
        #[source]
        source: KeyEntryRefused,
    },
    /// The keys do not follow each other.
    #[error("the keys do not follow each other")]
    Line(#[source] SuccessionRefused),
    /// A key that handed over signed a later checkpoint.
    #[error("`{path}`, over {size} entries, is signed by {key}, which had handed over by then")]
    Retired {
        /// The checkpoint.
        path: String,
        /// The key.
        key: String,
        /// Entries under it.
        size: u64,
    },
    /// The line ends in another key than the one in use.
    #[error("the ledger's entries end in the key {recorded}, and the key in use is {used}")]
    OtherEnd {
        /// The key at the end of the line.
        recorded: String,
        /// The key in use.
        used: String,
    },
}

/// Makes a new key, records that the old one hands over to it, has both sign the checkpoint over that, and goes on with
/// the new one alone.
pub fn rotate_key(root: &Path, request: &RotateRequest<'_>, now: Timestamp) -> Result<Rotated, KeysError> {
    rotate_with(root, request, now, &mut |_| Ok(()))
}

fn rotate_with(
    root: &Path,
    request: &RotateRequest<'_>,
    now: Timestamp,
    interrupt: &mut dyn FnMut(RotationStep) -> io::Result<()>,
) -> Result<Rotated, KeysError> {
    let reason = request.reason.trim();
    if reason.is_empty() || reason.len() > ascribe_ledger::MAX_REASON_BYTES {
        return Err(KeysError::Reason { found: reason.len() });
    }
    let workspace = Workspace::open(root)?;
    let was_under_way = KeyFiles::of(&workspace).next.exists();
    let mut writing = Writing::open_folder(workspace)?;
    let files = KeyFiles::of(&writing.workspace);
    let last = last_succession(&writing.reader)?;
    if was_under_way && let Some(done) = last.filter(|link| link.new == *writing.ledger.key().verifier()) {
        return Ok(files.rotated(&done, writing.ledger.committed().note(), true));
    }
    record_settings(&mut writing, now)?;
    writing.settle_clock(now)?;
    let old = writing.ledger.key().clone();
    let next = KeyPair::generate(old.origin()).map_err(|source| key_error(&files.next, source))?;
    // A crash behind this leaves a key that never signed anything: the next writer removes it.
    next.save(&files.next).map_err(|source| key_error(&files.next, source))?;
    step(interrupt, RotationStep::NewKey, &files.next)?;
    let succession = Succession {
        old: old.verifier().clone(),
        new: next.verifier().clone(),
        leaf: writing.next_leaf(),
        at: now.nanoseconds(),
        standing: request.standing,
        fate: request.fate,
        reason: reason.to_owned(),
    };
    let (old_signature, new_signature) = succession.sign(&old, &next).to_base64();
    let entry = KeyEntry::Succession {
        old: succession.old.to_string(),
        new: succession.new.to_string(),
        leaf: succession.leaf,
        at: now,
        reason: succession.reason.clone(),
        compromised: succession.standing == Standing::Compromised,
        destroyed: succession.fate == Fate::Destroyed,
        old_signature,
        new_signature,
    };
    writing.add(Kind::Key, &entry, now)?;
    // A crash behind this leaves an entry at the end of the ledger: the next writer goes on from there.
    writing.append()?;
    step(interrupt, RotationStep::Entry, &files.next)?;
    finish(&mut writing.ledger, &files, &succession, next, interrupt)?;
    writing.fold()?;
    Ok(files.rotated(&succession, writing.ledger.committed().note(), false))
}

/// Finishes what a crash left of a rotation. Called with the ledger open, so nobody else is at it.
pub fn finish_rotation(workspace: &Workspace, ledger: &mut Ledger) -> Result<(), KeysError> {
    let files = KeyFiles::of(workspace);
    if !files.next.exists() {
        return Ok(());
    }
    let last = last_succession(&ledger.reader()?)?;
    match (last, KeyPair::load(&files.next)) {
        (Some(link), Ok(next)) if link.new == *next.verifier() => {
            finish(ledger, &files, &link, next, &mut |_| Ok(()))
        }
        // The entry went in, and its key is damaged: nobody could sign any more if the old one went.
        (Some(link), Err(source)) if link.old == *ledger.key().verifier() => {
            Err(key_error(&files.next, source))
        }
        // No entry names it, so it never signed anything.
        _ => remove(&files.next),
    }
}

/// The steps behind the entry. Each can be done again: a crash in between is finished by doing all of them.
fn finish(
    ledger: &mut Ledger,
    files: &KeyFiles,
    succession: &Succession,
    next: KeyPair,
    interrupt: &mut dyn FnMut(RotationStep) -> io::Result<()>,
) -> Result<(), KeysError> {
    let new_text = format!("{}\n", next.verifier());
    // A crash before it is published leaves a ledger under the old key, whose file is still in its place.
    ledger.hand_over(next).map_err(KeysError::HandOver)?;
    step(interrupt, RotationStep::HandOver, &files.next)?;
    files.keep(succession)?;
    step(interrupt, RotationStep::Kept, &files.retired)?;
    // From here on readers want the new key's signature, which the published checkpoint has beside the old key's.
    put(&files.verifier, &new_text)?;
    step(interrupt, RotationStep::Verifier, &files.verifier)?;
    let old_file = match succession.fate {
        Fate::Destroyed => fs::OpenOptions::new().write(true).open(&files.private).map(Some),
        Fate::Kept => Ok(None),
    };
    let old_file = old_file.map_err(|source| key_error(&files.private, source))?;
    publish_file(&files.next, &files.private).map_err(|source| key_error(&files.private, source))?;
    if let Some(mut old_file) = old_file {
        overwrite(&mut old_file).map_err(|source| key_error(&files.private, source))?;
    }
    step(interrupt, RotationStep::Private, &files.private)
}

/// Writes over what the file held. How much of it the medium keeps elsewhere is beyond a program's reach.
fn overwrite(file: &mut fs::File) -> io::Result<()> {
    use std::io::{Seek as _, SeekFrom, Write as _};
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(0).min(1 << 16);
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&vec![0; length])?;
    file.sync_all()
}

/// Where the keys are.
struct KeyFiles {
    private: PathBuf,
    verifier: PathBuf,
    next: PathBuf,
    retired: PathBuf,
}

impl KeyFiles {
    fn of(workspace: &Workspace) -> Self {
        let keys = workspace.root().join("keys");
        Self {
            private: keys.join("ledger.key"),
            verifier: keys.join("ledger.vkey"),
            next: keys.join("next.key"),
            retired: keys.join("retired"),
        }
    }

    /// Keeps the old key's halves, as far as they are to be kept.
    fn keep(&self, succession: &Succession) -> Result<(), KeysError> {
        let failed = |source| key_error(&self.retired, source);
        fs::create_dir_all(&self.retired).map_err(failed)?;
        let (public, private) = self.kept(succession);
        put(&public, &format!("{}\n", succession.old))?;
        if succession.fate == Fate::Kept {
            match fs::hard_link(&self.private, &private) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                outcome => outcome.map_err(|source| key_error(&private, source))?,
            }
        }
        for folder in [&self.retired, &parent(&self.retired)] {
            let synced = fs::File::open(folder).and_then(|folder| folder.sync_all());
            synced.map_err(|source| key_error(folder, source))?;
        }
        Ok(())
    }

    /// Where the halves of an old key are kept: its public and its private one.
    fn kept(&self, succession: &Succession) -> (PathBuf, PathBuf) {
        let name = format!("{:08x}", succession.old.id());
        (self.retired.join(format!("{name}.vkey")), self.retired.join(format!("{name}.key")))
    }

    fn rotated(&self, succession: &Succession, checkpoint: &str, finished_earlier: bool) -> Rotated {
        let (_, private) = self.kept(succession);
        Rotated {
            old: succession.old.to_string(),
            new: succession.new.to_string(),
            leaf: succession.leaf,
            kept: (succession.fate == Fate::Kept).then_some(private),
            checkpoint: checkpoint.to_owned(),
            finished_earlier,
        }
    }
}

/// The succession in the last entry of the ledger, where it is one.
fn last_succession(reader: &Reader) -> Result<Option<Succession>, KeysError> {
    let Some(leaf) = reader.size().checked_sub(1) else { return Ok(None) };
    let entry = reader.proven_entry(leaf)?;
    if entry.envelope().kind != Kind::Key {
        return Ok(None);
    }
    let (succession, signatures) =
        succession_of(entry.kept()?).map_err(|source| KeysError::Entry { leaf, source })?;
    succession.verify(leaf, &signatures).map_err(KeysError::Line)?;
    Ok(Some(succession))
}

/// The line of keys that the ledger's entries give, checked; it ends in the key in use.
///
/// `first` is the key of a ledger whose keys never handed over.
pub fn key_line(store: &Store, reader: &Reader, used: &VerifierKey) -> Result<KeyLine, KeysError> {
    let line = line_of(reader, succession_leaves(store)?, used)?;
    if line.current() != used {
        let (recorded, used) = (line.current().short(), used.short());
        return Err(KeysError::OtherEnd { recorded, used });
    }
    Ok(line)
}

/// The line of keys of a ledger that was just checked, without leaning on the store for how many there are; and what is
/// wrong with who signed the checkpoints.
pub fn check_keys(workspace: &Workspace, count: u64) -> Result<KeyLine, KeysError> {
    let used = workspace.verifier_key()?;
    let paths = workspace.ledger_paths();
    if count == 0 {
        return Ok(KeyLine::new(used));
    }
    let reader = Reader::open(&paths, &used)?;
    let found = Store::open(&workspace.store_path()).ok().and_then(|store| succession_leaves(&store).ok());
    let leaves = match found.filter(|leaves| leaves.len() as u64 == count) {
        Some(leaves) => leaves,
        None => every_key_entry(&reader)?,
    };
    let line = line_of(&reader, leaves, &used)?;
    if *line.current() != used {
        let (recorded, used) = (line.current().short(), used.short());
        return Err(KeysError::OtherEnd { recorded, used });
    }
    let published = paths.published_checkpoint();
    let note = fs::read(&published).map_err(|source| key_error(&published, source))?;
    let mut notes = vec![(published.to_string_lossy().into_owned(), note)];
    // An anchor that cannot be read is a problem of the ledger's own check.
    let anchor = paths.anchor_store();
    notes.extend(anchor.read().ok().flatten().map(|anchored| (anchor.place(), anchored.note)));
    for (path, note) in notes {
        for key in line.keys() {
            let signed = SignedCheckpoint::open(&note, key);
            if let Some(size) =
                signed.ok().map(|signed| signed.size()).filter(|size| !line.may_sign(key, *size))
            {
                return Err(KeysError::Retired { path, key: key.short(), size });
            }
        }
    }
    Ok(line)
}

/// Where entries of kind `key` are, found by looking at every entry.
fn every_key_entry(reader: &Reader) -> Result<Vec<u64>, KeysError> {
    let mut leaves = Vec::new();
    for entry in reader.entries(0..reader.size()) {
        let entry = entry?;
        if entry.envelope().kind == Kind::Key {
            leaves.push(entry.leaf());
        }
    }
    Ok(leaves)
}

/// Where successions are, in the order of the ledger.
pub fn succession_leaves(store: &Store) -> Result<Vec<u64>, KeysError> {
    let key = KeyRef { kind: KEY_KIND, scope: String::new(), value: "succession".to_owned() };
    Ok(store.leaves(&key, &[Role::Native], None, usize::MAX).map_err(KeysError::Store)?.leaves)
}

/// The line that these entries give.
pub fn line_of(
    reader: &Reader,
    leaves: impl IntoIterator<Item = u64>,
    used: &VerifierKey,
) -> Result<KeyLine, KeysError> {
    let mut line: Option<KeyLine> = None;
    for leaf in leaves {
        let entry = reader.proven_entry(leaf)?;
        let (succession, signatures) =
            succession_of(entry.kept()?).map_err(|source| KeysError::Entry { leaf, source })?;
        line.get_or_insert_with(|| KeyLine::new(succession.old.clone()))
            .push(leaf, succession, &signatures)
            .map_err(KeysError::Line)?;
    }
    Ok(line.unwrap_or_else(|| KeyLine::new(used.clone())))
}

/// Every key that ever signed for the ledger, the first first.
pub fn key_history(root: &Path) -> Result<Vec<KeyShown>, KeysError> {
    let workspace = Workspace::open(root)?;
    let evidence = super::OpenEvidence::open(root).map_err(ConfiguredError::from)?;
    let line = key_line(&evidence.store, &evidence.reader, &workspace.verifier_key()?)?;
    let moment = |link: &Succession| (link.leaf, Timestamp::from_nanoseconds(link.at));
    let mut shown = Vec::with_capacity(line.links().len() + 1);
    let mut from = None;
    for link in line.links() {
        let (leaf, at) = moment(link);
        shown.push(KeyShown {
            key: link.old.to_string(),
            standing: link.standing.word(),
            from: from.replace((leaf, at)),
            until: Some((leaf, at, link.reason.clone())),
        });
    }
    shown.push(KeyShown { key: line.current().to_string(), standing: "current", from, until: None });
    Ok(shown)
}

fn step(
    interrupt: &mut dyn FnMut(RotationStep) -> io::Result<()>,
    done: RotationStep,
    path: &Path,
) -> Result<(), KeysError> {
    interrupt(done).map_err(|source| key_error(path, source))
}

fn put(path: &Path, text: &str) -> Result<(), KeysError> {
    replace_file(path, text.as_bytes()).map_err(|source| key_error(path, source))
}

fn remove(path: &Path) -> Result<(), KeysError> {
    fs::remove_file(path).map_err(|source| key_error(path, source))
}

fn parent(path: &Path) -> PathBuf {
    path.parent().unwrap_or(path).to_owned()
}

fn key_error(path: &Path, source: impl std::error::Error + Send + Sync + 'static) -> KeysError {
    KeysError::Key { path: path.to_string_lossy().into_owned(), source: Box::new(source) }
}

impl KeysError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Workspace(error) => error.hint(),
            Self::Write(failure) => failure.hint(),
            Self::Configured(error) => error.hint(),
            Self::Reason { .. } => "say why in a sentence: whoever reads the ledger sees it",
            Self::Key { .. } => {
                "check who owns `keys/` and that the disk is not full, then run the same command again: it goes on where it stopped"
            }
            Self::HandOver(_) => {
                "check that the disk is not full or read-only, then run the same command again: it goes on where it stopped"
            }
            Self::Ledger(_) | Self::Entry { .. } => {
                "`ascribe verify` lists everything that is damaged or missing"
            }
            Self::Store(_) => "the store is derived: `ascribe rebuild` makes it anew from the ledger",
            Self::Line(_) | Self::OtherEnd { .. } | Self::Retired { .. } => {
                "somebody appended a succession that does not hold, or put other keys into `keys/`: see SECURITY.md, \"Keys\""
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_780_000_000_000_000_000;

    fn evidence() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("evidence");
        crate::ops::init(&root, "example.com/ledger").unwrap();
        (folder, root)
    }

    fn request(fate: Fate) -> RotateRequest<'static> {
        RotateRequest { reason: "yearly", standing: Standing::Retired, fate }
    }

    fn now() -> Timestamp {
        Timestamp::from_nanoseconds(NOW)
    }

    #[test]
    fn keys_follow_each_other_and_the_old_one_signs_no_more() {
        let (_folder, root) = evidence();
        let workspace = Workspace::open(&root).unwrap();
        let first = workspace.signing_key().unwrap();
        rotate_key(&root, &request(Fate::Kept), now()).unwrap();
        let second = rotate_key(&root, &request(Fate::Destroyed), now()).unwrap();
        let history = key_history(&root).unwrap();
        let keys: Vec<(&str, bool)> = history.iter().map(|key| (key.standing, key.until.is_some())).collect();
        assert_eq!(keys, [("retired", true), ("retired", true), ("current", false)]);
        assert_eq!(history[2].key, second.new);
        assert!(second.kept.is_none());
        let retired: Vec<bool> = [(&history[0], "key"), (&history[1], "key"), (&history[1], "vkey")]
            .iter()
            .map(|(key, kind)| {
                let id = key.key.split('+').nth(1).unwrap();
                root.join(format!("keys/retired/{id}.{kind}")).exists()
            })
            .collect();
        assert_eq!(retired, [true, false, true]);
        assert!(Ledger::open(&workspace.ledger_paths(), first).is_err());
        assert!(crate::ops::verify(&root).unwrap().is_valid());
    }

    /// A crash behind each step: the next command finishes, the ledger verifies under one line of keys, and no private
    /// key that never signed is left behind.
    #[test]
    fn a_crash_behind_any_step_is_finished_by_whatever_writes_next() {
        use RotationStep::{Entry, HandOver, Kept, NewKey, Private, Verifier};
        for fate in [Fate::Kept, Fate::Destroyed] {
            for crash in [NewKey, Entry, HandOver, Kept, Verifier, Private] {
                let (_folder, root) = evidence();
                let old = Workspace::open(&root).unwrap().verifier_key().unwrap();
                let mut interrupt =
                    |done| if done == crash { Err(io::Error::other("killed (test)")) } else { Ok(()) };
                rotate_with(&root, &request(fate), now(), &mut interrupt).unwrap_err();
                // A question opens the ledger before anything else does.
                let history = key_history(&root).unwrap_or_else(|error| panic!("{crash:?}: {error:?}"));
                let expected = if crash == NewKey { 1 } else { 2 };
                assert_eq!(history.len(), expected, "{crash:?}");
                assert_eq!(history[0].key, old.to_string(), "{crash:?}");
                assert!(!root.join("keys/next.key").exists(), "{crash:?}");
                let kept = root.join(format!("keys/retired/{:08x}.key", old.id()));
                assert_eq!(kept.exists(), expected == 2 && fate == Fate::Kept, "{crash:?}");
                let workspace = Workspace::open(&root).unwrap();
                let key = workspace.signing_key().unwrap();
                assert_eq!(*key.verifier(), workspace.verifier_key().unwrap(), "{crash:?}");
                assert!(crate::ops::verify(&root).unwrap().is_valid(), "{crash:?}");
                // And once more, from there.
                rotate_key(&root, &request(fate), now()).unwrap();
                assert_eq!(key_history(&root).unwrap().len(), expected + 1, "{crash:?}");
            }
        }
    }

    #[test]
    fn a_reason_is_required() {
        let (_folder, root) = evidence();
        for reason in ["", "  ", &"x".repeat(5000)] {
            let asked = RotateRequest { reason, ..request(Fate::Kept) };
            assert!(matches!(rotate_key(&root, &asked, now()), Err(KeysError::Reason { .. })));
        }
    }
}
