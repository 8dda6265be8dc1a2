//! Has authorities stamp the last checkpoint with a time (RFC 3161), and reads what they stamped.
//!
//! Nobody waits for this: no lock is held while an authority is asked, and one that is dead, slow or lies costs a
//! message. What it sends is checked before it becomes an entry, and again whenever it is read.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ascribe_bundle::timestamp::der::oid_from_text;
use ascribe_bundle::timestamp::{MAX_RESPONSE_BYTES, request};
use ascribe_ledger::{KeyLine, Kind, Reader, SignedCheckpoint, VerifierKey};
use ascribe_model::{KeyKind, KeyRef, Role, Timestamp, TimestampEntry};
use ascribe_store::Store;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::configured::{ConfiguredError, open_recording};
use super::evidence::{OpenError, OpenEvidence};
use super::keys::{KeysError, key_line};
use super::writing::WriteFailure;
use crate::causes::with_causes;
use crate::connect::http::{Client, HttpError, Limits};
use crate::ingest::{TIMESTAMP_KIND, TIMESTAMP_NAME};
use crate::timestamp::{Checked, Expected, StampRefused, check_response, require_now};
use crate::workspace::{AuthoritySettings, Workspace, WorkspaceError};

/// Bytes of the random number in a request. An answer that was made before cannot have it.
const NONCE_BYTES: usize = 16;

/// Entries behind a stamped checkpoint that are looked at to tell whether it is worth another stamp.
const LOOK_BACK: u64 = 256;

/// Whether a checkpoint is stamped again though nothing came in since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StampWhen {
    /// Whatever came in since.
    Always,
    /// Only where something else than timestamps came in since the authority stamped last.
    Grown,
}

/// What one authority did.
#[derive(Debug)]
pub struct Stamped {
    /// Its name.
    pub authority: String,
    /// What came of it.
    pub outcome: StampOutcome,
}

/// What came of asking one authority.
#[derive(Debug)]
pub enum StampOutcome {
    /// A timestamp that holds is in the ledger.
    Entered {
        /// Its entry.
        leaf: u64,
        /// What it says.
        checked: Checked,
    },
    /// There was nothing new to stamp.
    NothingNew,
    /// None was had.
    Failed(Box<AskError>),
}

/// What was stamped, and by whom.
#[derive(Debug)]
pub struct Stamping {
    /// Leaves under the stamped checkpoint.
    pub size: u64,
    /// One for each authority.
    pub stamped: Vec<Stamped>,
}

/// A timestamp in the ledger.
#[derive(Debug)]
pub struct Listed {
    /// Its entry.
    pub leaf: u64,
    /// What the entry holds.
    pub entry: TimestampEntry,
    /// Leaves under the stamped checkpoint, and its root; `None` where the note cannot be read.
    pub head: Option<(u64, String)>,
    /// Whether it holds, or why not.
    pub checked: Result<Checked, ListedRefused>,
}

/// Up to where entries are stamped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timestamped {
    /// Leaves under the stamped checkpoint: each of them was there at `time`.
    pub size: u64,
    /// When, by the authority's clock.
    pub time: Timestamp,
    /// The authority.
    pub authority: String,
    /// The entry that holds the timestamp.
    pub leaf: u64,
}

/// Why an entry is no timestamp.
#[derive(Debug, thiserror::Error)]
pub enum ListedRefused {
    /// Its base64 is none.
    #[error("the entry is not one that this program writes")]
    Encoding,
    /// It does not hold.
    #[error(transparent)]
    Refused(#[from] StampRefused),
    /// What was stamped is no checkpoint of this ledger.
    #[error("what was stamped is no checkpoint of this ledger")]
    Note(#[source] ascribe_ledger::CheckpointRefused),
}

/// No timestamp was had from an authority.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The file of its roots cannot be used.
    #[error("cannot read the root certificate `{}`", path.display())]
    Root {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// The policy is none.
    #[error("`{policy}` is no policy: one is numbers with dots")]
    Policy {
        /// As the settings have it.
        policy: String,
    },
    /// The system gives no random number.
    #[error("the system gives no random number")]
    Random(#[source] getrandom::Error),
    /// It cannot be reached.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// It answers with another status.
    #[error("`{url}` answered with status {status}, expected 200")]
    Status {
        /// The authority.
        url: String,
        /// Its status.
        status: u16,
    },
    /// What it sent is not believed.
    #[error("its answer is refused")]
    Refused(#[source] StampRefused),
}

/// Nothing was stamped.
#[derive(Debug, thiserror::Error)]
pub enum TimestampError {
    /// The folder is not usable.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// The settings name no authority.
    #[error("no timestamp authority is set")]
    NoAuthority,
    /// The ledger is empty.
    #[error("the ledger has no entries to stamp")]
    Empty,
    /// The anchor cannot be read.
    #[error(transparent)]
    Anchor(#[from] ascribe_ledger::AnchorError),
    /// The anchor's checkpoint is refused.
    #[error("the checkpoint in the anchor is refused")]
    Checkpoint(#[source] ascribe_ledger::CheckpointRefused),
    /// The evidence cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The keys that signed cannot be told.
    #[error(transparent)]
    Keys(#[from] Box<KeysError>),
    /// The store cannot be read.
    #[error("cannot read the store")]
    Store(#[source] ascribe_store::ReadError),
    /// The ledger cannot be read.
    #[error("cannot read the ledger")]
    Read(#[source] ascribe_ledger::ReadError),
    /// An entry is no timestamp of this program's form.
    #[error("the timestamp has no JSON form")]
    Form(#[source] serde_json::Error),
    /// What is configured cannot be told or recorded.
    #[error(transparent)]
    Configured(#[from] ConfiguredError),
    /// The entries cannot be appended.
    #[error(transparent)]
    Write(#[from] WriteFailure),
    /// A file cannot be written.
    #[error("cannot write `{}`", path.display())]
    Extract {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
}

/// Has every authority of the settings stamp the last checkpoint, and enters what they send. `clock` gives the present
/// moment.
///
/// # Errors
/// [`TimestampError`] when nobody could be asked, or nothing entered. That one authority failed is no error.
pub fn timestamp(root: &Path, when: StampWhen, clock: fn() -> Timestamp) -> Result<Stamping, TimestampError> {
    let workspace = Workspace::open(root)?;
    let authorities = &workspace.settings().timestamp.authorities;
    if authorities.is_empty() {
        return Err(TimestampError::NoAuthority);
    }
    let earlier = match when {
        StampWhen::Always => Vec::new(),
        StampWhen::Grown => {
            let evidence = OpenEvidence::open(root)?;
            up_to_date(&evidence.store, &evidence.reader)?
        }
    };
    let key = workspace.verifier_key()?;
    let anchored = workspace.ledger_paths().anchor_store().read()?.ok_or(TimestampError::Empty)?;
    // As it is in the anchor, without what witnesses add later: those bytes are stamped.
    let checkpoint = SignedCheckpoint::open(&anchored.note, &key).map_err(TimestampError::Checkpoint)?;
    if checkpoint.size() == 0 {
        return Err(TimestampError::Empty);
    }
    let mut stamping = Stamping { size: checkpoint.size(), stamped: Vec::new() };
    let mut entries = Vec::new();
    for authority in authorities {
        let outcome = if earlier.contains(&authority.name) {
            StampOutcome::NothingNew
        } else {
            match ask(root, &workspace, authority, checkpoint.note(), clock) {
                Ok((entry, checked)) => {
                    entries.push(entry);
                    StampOutcome::Entered { leaf: 0, checked }
                }
                Err(error) => StampOutcome::Failed(Box::new(error)),
            }
        };
        stamping.stamped.push(Stamped { authority: authority.name.clone(), outcome });
    }
    let first = enter(&workspace, &entries, clock)?;
    let leaves = stamping.stamped.iter_mut().filter_map(|it| match &mut it.outcome {
        StampOutcome::Entered { leaf, .. } => Some(leaf),
        StampOutcome::NothingNew | StampOutcome::Failed(_) => None,
    });
    leaves.zip(first..).for_each(|(leaf, at)| *leaf = at);
    Ok(stamping)
}

/// Asks one authority, and checks all that it says.
fn ask(
    root: &Path,
    workspace: &Workspace,
    authority: &AuthoritySettings,
    note: &str,
    clock: fn() -> Timestamp,
) -> Result<(TimestampEntry, Checked), AskError> {
    let policy = match &authority.policy {
        Some(text) => Some(oid_from_text(text).ok_or_else(|| AskError::Policy { policy: text.clone() })?),
        None => None,
    };
    let roots = read_roots(&root.join(&authority.root))?;
    let mut nonce = [0; NONCE_BYTES];
    // Random, as a salt is: whoever could foretell it could have the answer made before.
    getrandom::fill(&mut nonce).map_err(AskError::Random)?;
    // A number has no leading zeros.
    nonce[0] |= 0x40;
    let asked = request(note.as_bytes(), &nonce, policy.as_deref());
    let settings = workspace.settings();
    let wait = Duration::from_secs(u64::from(settings.timestamp.timeout_seconds));
    let limits = Limits { connect: wait, whole: wait, body_bytes: MAX_RESPONSE_BYTES as u64 };
    let client = Client::new(root, &settings.network, limits)?;
    let sent = clock();
    let answer = client.post(&authority.url, "application/timestamp-query", &asked)?;
    let received = clock();
    if answer.status != 200 {
        return Err(AskError::Status { url: authority.url.clone(), status: answer.status });
    }
    let expected =
        Expected { note: note.as_bytes(), nonce: Some(&nonce), policy: policy.as_deref(), roots: &roots };
    let checked = check_response(&answer.body, &expected).map_err(AskError::Refused)?;
    require_now(&checked, sent, received).map_err(AskError::Refused)?;
    let entry = TimestampEntry {
        authority: authority.name.clone(),
        note: note.to_owned(),
        response: STANDARD.encode(&answer.body),
        roots: roots.iter().map(|root| STANDARD.encode(root)).collect(),
    };
    Ok((entry, checked))
}

fn read_roots(path: &Path) -> Result<Vec<CertificateDer<'static>>, AskError> {
    let failed = |source| AskError::Root { path: path.to_owned(), source };
    let roots: Vec<_> =
        CertificateDer::pem_file_iter(path).map_err(failed)?.collect::<Result<_, _>>().map_err(failed)?;
    if roots.is_empty() { Err(failed(rustls_pki_types::pem::Error::NoItemsFound)) } else { Ok(roots) }
}

/// Appends the entries and commits them; returns the leaf of the first. A crash before the append forgets what was
/// stamped, and the next run has it stamped again; a crash behind it leaves entries that the next opening commits.
fn enter(
    workspace: &Workspace,
    entries: &[TimestampEntry],
    clock: fn() -> Timestamp,
) -> Result<u64, TimestampError> {
    if entries.is_empty() {
        return Ok(0);
    }
    let now = clock();
    let mut writing = open_recording(workspace.clone(), now)?;
    writing.settle_clock(now)?;
    let first = writing.next_leaf();
    for entry in entries {
        writing.add(Kind::Timestamp, entry, now)?;
    }
    writing.commit()?;
    Ok(first)
}

/// Every timestamp in the ledger, checked again, in order.
///
/// # Errors
/// [`TimestampError`] when the evidence cannot be read.
pub fn timestamps(root: &Path) -> Result<Vec<Listed>, TimestampError> {
    let evidence = OpenEvidence::open(root)?;
    let key = Workspace::open(root)?.verifier_key()?;
    let line = key_line(&evidence.store, &evidence.reader, &key).map_err(Box::new)?;
    let leaves = leaves(&evidence.store)?.into_iter();
    leaves.filter_map(|leaf| listed(&evidence.reader, &line, leaf).transpose()).collect()
}

/// The largest checkpoint with a timestamp that holds and that is in the ledger; `None` where there is none.
///
/// # Errors
/// [`TimestampError`] when the evidence cannot be read.
pub fn timestamped(
    store: &Store,
    reader: &Reader,
    key: &VerifierKey,
) -> Result<Option<Timestamped>, TimestampError> {
    let line = key_line(store, reader, key).map_err(Box::new)?;
    // Later entries stamp larger checkpoints, so the first that holds from behind is the largest.
    for leaf in leaves(store)?.into_iter().rev().filter(|leaf| *leaf < reader.size()) {
        let Some(listed) = listed(reader, &line, leaf)? else { continue };
        if let (Ok(checked), Some((size, _))) = (listed.checked, listed.head) {
            return Ok(Some(Timestamped {
                size,
                time: checked.time,
                authority: listed.entry.authority,
                leaf,
            }));
        }
    }
    Ok(None)
}

fn leaves(store: &Store) -> Result<Vec<u64>, TimestampError> {
    let key =
        KeyRef { kind: KeyKind::new(TIMESTAMP_KIND), scope: String::new(), value: TIMESTAMP_NAME.to_owned() };
    let found = store.leaves(&key, &[Role::Native], None, usize::MAX).map_err(TimestampError::Store)?;
    Ok(found.leaves)
}

/// One timestamp; `None` where its bytes were erased, so that nothing is known of it.
fn listed(reader: &Reader, line: &KeyLine, leaf: u64) -> Result<Option<Listed>, TimestampError> {
    let entry = reader.proven_entry(leaf).map_err(TimestampError::Read)?;
    let Some(captured) = entry.captured() else { return Ok(None) };
    let entry: TimestampEntry = serde_json::from_slice(captured).map_err(TimestampError::Form)?;
    // Whichever of the ledger's keys signed then.
    let earlier = line.keys().filter_map(|key| {
        SignedCheckpoint::open(entry.note.as_bytes(), key)
            .ok()
            .filter(|opened| line.may_sign(key, opened.size()))
    });
    let opened = match earlier.last() {
        Some(opened) => Ok(opened),
        None => SignedCheckpoint::open(entry.note.as_bytes(), line.current()),
    };
    let head = opened.as_ref().ok().map(|opened| (opened.size(), opened.root().to_string()));
    let checked = check_entry(&entry).and_then(|checked| match opened {
        Ok(_) => Ok(checked),
        Err(refused) => Err(ListedRefused::Note(refused)),
    });
    Ok(Some(Listed { leaf, entry, head, checked }))
}

/// Checks what came in again, against the roots that were trusted then.
fn check_entry(entry: &TimestampEntry) -> Result<Checked, ListedRefused> {
    let decode = |text: &str| STANDARD.decode(text).map_err(|_| ListedRefused::Encoding);
    let roots: Vec<CertificateDer<'static>> =
        entry.roots.iter().map(|root| decode(root).map(CertificateDer::from)).collect::<Result<_, _>>()?;
    let expected = Expected { note: entry.note.as_bytes(), nonce: None, policy: None, roots: &roots };
    Ok(check_response(&decode(&entry.response)?, &expected)?)
}

/// The authorities that stamped everything but timestamps that came in since.
fn up_to_date(store: &Store, reader: &Reader) -> Result<Vec<String>, TimestampError> {
    let mut names = Vec::new();
    for leaf in leaves(store)?.into_iter().rev() {
        let entry = reader.proven_entry(leaf).map_err(TimestampError::Read)?;
        let captured = entry.captured().unwrap_or_default();
        let Ok(entry) = serde_json::from_slice::<TimestampEntry>(captured) else { continue };
        let size = entry.note.split('\n').nth(1).and_then(|size| size.parse::<u64>().ok()).unwrap_or(0);
        if reader.size().saturating_sub(size) > LOOK_BACK || size == 0 {
            break;
        }
        let mut since = reader.entries(size..reader.size());
        let only_stamps = since.try_fold(true, |only, entry| {
            entry.map(|entry| only && entry.envelope().kind == Kind::Timestamp)
        });
        if only_stamps.map_err(TimestampError::Read)? {
            names.push(entry.authority);
        } else {
            break;
        }
    }
    Ok(names)
}

/// Writes those timestamps that hold into a folder, so that anybody checks them with
/// `openssl ts -verify -data X.note -in X.tsr -CAfile X.pem`. Returns the stems of the files.
///
/// # Errors
/// [`TimestampError`] when the folder cannot be written, or has such files already.
pub fn extract_timestamps(listed: &[Listed], folder: &Path) -> Result<Vec<String>, TimestampError> {
    std::fs::create_dir_all(folder)
        .map_err(|source| TimestampError::Extract { path: folder.to_owned(), source })?;
    let mut stems = Vec::new();
    for stamp in listed.iter().filter(|stamp| stamp.checked.is_ok()) {
        let stem = format!("timestamp-{:08}", stamp.leaf);
        // What holds could be decoded before.
        let decode = |text: &str| STANDARD.decode(text).unwrap_or_default();
        let certificates: Vec<String> = stamp.entry.roots.iter().map(|root| pem(&decode(root))).collect();
        let files = [
            ("note", stamp.entry.note.clone().into_bytes()),
            ("tsr", decode(&stamp.entry.response)),
            ("pem", certificates.concat().into_bytes()),
        ];
        for (extension, bytes) in files {
            let path = folder.join(format!("{stem}.{extension}"));
            // Nothing rests on these: whoever finds one torn extracts again.
            write_new(&path, &bytes).map_err(|source| TimestampError::Extract { path, source })?;
        }
        stems.push(stem);
    }
    Ok(stems)
}

fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    std::fs::OpenOptions::new().write(true).create_new(true).open(path)?.write_all(bytes)
}

/// A certificate in PEM (RFC 7468).
fn pem(certificate: &[u8]) -> String {
    let text = STANDARD.encode(certificate);
    let lines: Vec<String> =
        text.as_bytes().chunks(64).map(|line| format!("{}\n", String::from_utf8_lossy(line))).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}-----END CERTIFICATE-----\n", lines.concat())
}

impl Stamped {
    /// Why it failed, with causes; `None` where it did not.
    pub fn failure(&self) -> Option<String> {
        match &self.outcome {
            StampOutcome::Failed(error) => Some(with_causes(error.as_ref())),
            StampOutcome::Entered { .. } | StampOutcome::NothingNew => None,
        }
    }
}

impl TimestampError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Workspace(error) => error.hint(),
            Self::NoAuthority => {
                "name one in `[[timestamp.authorities]]` of `ascribe.toml`, with `name`, `url` and `root`: docs/timestamps.md"
            }
            Self::Empty => "ingest something first",
            Self::Anchor(_) => "check that the anchor of `ascribe.toml` can be read from here",
            Self::Open(error) => error.hint(),
            Self::Keys(error) => error.hint(),
            Self::Configured(error) => error.hint(),
            Self::Write(failure) => failure.hint(),
            Self::Checkpoint(_) | Self::Store(_) | Self::Read(_) | Self::Form(_) => {
                "`ascribe verify` lists everything that is damaged or missing"
            }
            Self::Extract { .. } => "choose a folder that is new or empty, on a disk that is not full",
        }
    }
}

impl AskError {
    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Root { .. } => "`root` names a file of certificates in PEM, from the evidence folder",
            Self::Policy { .. } => {
                "leave `policy` out, or write what the authority states, such as `1.2.3.4.1`"
            }
            Self::Random(_) => "look at the system's generator of random numbers",
            Self::Http(error) => error.hint(),
            Self::Status { .. } => "compare `url` with the address that the authority gave you",
            Self::Refused(StampRefused::Clock { .. }) => "set this machine's clock: `timedatectl status`",
            Self::Refused(_) => {
                "compare `root` and `policy` with what the authority publishes; if they are right, do not trust it"
            }
        }
    }
}
