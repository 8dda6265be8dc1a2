//! Looks over an evidence folder: can it be written, are its keys kept, does the ledger agree with its anchor, is the
//! store up to it, is there room, is the clock sane. It changes nothing but for a file that it writes and removes.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use ascribe_ledger::{LedgerPaths, Reader, SignedCheckpoint, VerifierKey};
use ascribe_model::{SourceRef, Timestamp};
use ascribe_store::Store;

use super::access::{count_waiting, hold};
use super::keys::{KeysError, key_line};
use super::seal_key::{destroyed_keys, refuse_destroyed, seal_key_id};
use super::timestamp::timestamped;
use super::upkeep::parser_versions;
use super::witnessing::witnessed_size;
use crate::access::is_due;
use crate::capture::Capture;
use crate::causes::with_causes;
use crate::workspace::Workspace;

/// Free space below which an ingest may soon stop, in bytes.
const ROOM_SCARCE: u64 = 1 << 30;
/// Free space below which nothing should be taken in, in bytes.
const ROOM_NONE: u64 = 64 << 20;
/// How far a clock may be off before it is said, in nanoseconds: five minutes.
const CLOCK_TOLERANCE_NS: i64 = 300_000_000_000;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub what: &'static str,
    /// How it is.
    pub state: State,
    /// Why, in a sentence.
    pub why: String,
    /// The command that mends it, or what to do where no command does.
    pub fix: Option<String>,
}

/// How one thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// In order.
    Good,
    /// In order, and could be better.
    Advice,
    /// It could not be found out.
    Unknown,
    /// Not in order.
    Broken,
}

impl State {
    /// The state in one word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Advice => "advice",
            Self::Unknown => "unknown",
            Self::Broken => "broken",
        }
    }
}

/// Looks over the evidence in `root`; `now` is the time by this machine's clock.
pub fn doctor(root: &Path, now: Timestamp) -> Vec<Finding> {
    let workspace = match Workspace::open(root) {
        Ok(workspace) => workspace,
        Err(error) => {
            let fix = Some(error.hint().to_owned());
            return vec![Finding { what: "folder", state: State::Broken, why: with_causes(&error), fix }];
        }
    };
    let look = Look { root, workspace, now };
    let mut findings = vec![good("folder", format!("`{}` holds evidence", shown(root)))];
    findings.push(look.writing());
    findings.push(look.room());
    findings.extend(look.keys());
    findings.push(look.capture());
    let key = look.workspace.verifier_key();
    match &key {
        Ok(key) => findings.push(look.ledger("ledger", &look.workspace.ledger_paths(), key)),
        Err(error) => findings.push(broken("ledger", with_causes(error), error.hint().to_owned())),
    }
    findings.push(look.anchor_apart());
    findings.extend(look.witnesses());
    let reader = key.ok().and_then(|key| Reader::open(&look.workspace.ledger_paths(), &key).ok());
    match reader {
        Some(reader) => {
            findings.push(look.clock(&reader));
            findings.extend(look.erasure(&reader));
            findings.extend(look.seal_key(&reader));
            findings.push(look.successions(&reader));
            findings.extend(look.store(&reader));
        }
        None => findings.push(Finding {
            what: "store",
            state: State::Unknown,
            why: "it can be compared with a ledger that opens only".to_owned(),
            fix: Some(look.command("verify")),
        }),
    }
    findings.push(look.access());
    findings
}

/// What is looked at.
struct Look<'a> {
    root: &'a Path,
    workspace: Workspace,
    now: Timestamp,
}

impl Look<'_> {
    /// Whether a file can be written and made durable here.
    fn writing(&self) -> Finding {
        let attempt = || {
            let mut file = tempfile::Builder::new().prefix(".ascribe-doctor-").tempfile_in(self.root)?;
            file.write_all(b"written by ascribe doctor; may be removed")?;
            file.as_file().sync_all()?;
            file.close()?;
            fs::File::open(self.root)?.sync_all()
        };
        match attempt() {
            Ok(()) => good("writing", "a file was written, synced and removed".to_owned()),
            Err(error) => broken(
                "writing",
                format!("a file cannot be written and synced: {error}"),
                format!("ls -ld {}; df {}", quoted(self.root), quoted(self.root)),
            ),
        }
    }

    fn room(&self) -> Finding {
        let room = match rustix::fs::statvfs(self.root) {
            Ok(room) => room,
            Err(error) => {
                return unknown("room", format!("the system does not say how much is free: {error}"));
            }
        };
        let free = room.f_bavail.saturating_mul(room.f_frsize);
        let why = format!("{} MiB are free", free >> 20);
        let fix = || format!("df {}", quoted(self.root));
        match free {
            0..ROOM_NONE => broken("room", why, fix()),
            ROOM_NONE..ROOM_SCARCE => advice("room", why, fix()),
            _ => good("room", why),
        }
    }

    /// Whether the keys are there, belong together, and are their owner's alone.
    fn keys(&self) -> Vec<Finding> {
        let mut findings = vec![match (self.workspace.signing_key(), self.workspace.verifier_key()) {
            (Err(error), _) | (_, Err(error)) => broken("keys", with_causes(&error), error.hint().to_owned()),
            (Ok(signing), Ok(verifier)) if *signing.verifier() != verifier => broken(
                "keys",
                "the verifier key is not that of the signing key".to_owned(),
                "restore `keys/` from its backup".to_owned(),
            ),
            (Ok(signing), Ok(_)) => good("keys", format!("they sign and verify `{}`", signing.origin())),
        }];
        let folder = self.root.join("keys");
        findings.push(match open_keys(&folder) {
            Ok(open) if open.is_empty() => {
                good("key files", "private keys are readable by their owner only".to_owned())
            }
            Ok(open) => {
                let names: Vec<String> = open.iter().map(|path| quoted(path)).collect();
                let why = "somebody else than their owner may read or write private keys".to_owned();
                broken("key files", why, format!("chmod 600 {}", names.join(" ")))
            }
            Err(error) => unknown("key files", format!("cannot look into `{}`: {error}", shown(&folder))),
        });
        findings
    }

    fn capture(&self) -> Finding {
        match Capture::open(self.root) {
            Ok(capture) => match capture.version() {
                Some(version) => good("capture policy", format!("{version} is in force")),
                None => good("capture policy", "none; secrets are cut out all the same".to_owned()),
            },
            Err(error) => broken("capture policy", with_causes(&error), error.hint().to_owned()),
        }
    }

    /// Whether the published checkpoint verifies and agrees with the anchor.
    fn ledger(&self, what: &'static str, paths: &LedgerPaths, key: &VerifierKey) -> Finding {
        let open = |place: &str, note: &[u8]| {
            SignedCheckpoint::open(note, key)
                .map_err(|refused| format!("`{place}` is refused: {}", with_causes(&refused)))
        };
        let path = paths.published_checkpoint();
        let published = fs::read(&path)
            .map_err(|error| format!("cannot read `{}`: {error}", shown(&path)))
            .and_then(|note| open(&shown(&path), &note));
        let kept = paths.anchor_store();
        let anchor = match kept.read() {
            Ok(Some(anchored)) => open(&kept.place(), &anchored.note),
            Ok(None) => Err(format!("there is no checkpoint in the anchor `{}`", kept.place())),
            Err(error) => Err(with_causes(&error)),
        };
        let (published, anchor) = match (published, anchor) {
            (Ok(published), Ok(anchor)) => (published, anchor),
            (Err(why), _) | (_, Err(why)) => return broken(what, why, self.command("verify")),
        };
        let (size, last) = (published.size(), anchor.size());
        if size > last || (size == last && published.root() != anchor.root()) {
            let why = format!(
                "its checkpoint over {size} entries is not the one over {last} in the anchor: one of them was put back or rewritten"
            );
            return broken(what, why, self.command("verify"));
        }
        if size < last {
            let why = format!(
                "its checkpoint has {size} entries, the anchor {last}: a writer was stopped before it published, which this finishes, or it was put back, which this refuses"
            );
            return broken(what, why, self.command("sources"));
        }
        good(what, format!("its checkpoint over {size} entries is signed and is the anchor's"))
    }

    /// Whether a key that the ledger records as destroyed is here all the same.
    fn seal_key(&self, reader: &Reader) -> Option<Finding> {
        let store = Store::open(&self.workspace.store_path()).ok()?;
        let destroyed = destroyed_keys(&store, reader).ok()?;
        let refused = refuse_destroyed(&destroyed, &seal_key_id(self.root)?).err()?;
        let fix = format!("redactions --destroy-key --reason again --confirm {}", refused.0.key);
        Some(broken("seal key", format!("{refused}; and it is here"), self.command(&fix)))
    }

    /// Whether accesses are recorded, and the access ledger is the one that was signed last.
    fn access(&self) -> Finding {
        const WHAT: &str = "access ledger";
        let place = self.workspace.access();
        if !place.exists() {
            return advice(WHAT, "no access was ever recorded here".to_owned(), self.command("access"));
        }
        // Whoever takes accesses in replaces one checkpoint after the other.
        let _held = hold(&place);
        let finding = match place.verifier_key() {
            Ok(key) => self.ledger(WHAT, &place.ledger_paths(), &key),
            Err(error) => return broken(WHAT, with_causes(&error), error.hint().to_owned()),
        };
        match count_waiting(&place) {
            Ok(waiting) if finding.state == State::Good => {
                let why = format!("{}; {waiting} accesses are not in it yet", finding.why);
                if is_due(&place, self.now) {
                    advice(WHAT, why, self.command("access"))
                } else {
                    good(WHAT, why)
                }
            }
            Err(error) if finding.state == State::Good => unknown(WHAT, with_causes(&error)),
            _ => finding,
        }
    }

    /// Whether an erasure was begun and not ended.
    fn erasure(&self, reader: &Reader) -> Option<Finding> {
        const WHAT: &str = "erasure";
        match reader.erasure_under_way() {
            Ok(None) => None,
            Ok(Some(erasure)) => {
                let why = format!("the tombstone at leaf {} was not carried out to its end", erasure.leaf);
                Some(broken(WHAT, why, self.command("retention dispose --resume")))
            }
            Err(error) => Some(broken(WHAT, with_causes(&error), self.command("verify"))),
        }
    }

    /// How much of the ledger witnesses stand behind, where a policy asks for any. They are not called.
    fn witnesses(&self) -> Option<Finding> {
        let witnessed = match witnessed_size(&self.workspace) {
            Ok(witnessed) => witnessed?,
            Err(error) => return Some(broken("witnesses", with_causes(&error), error.hint().to_owned())),
        };
        let key = self.workspace.verifier_key().ok()?;
        let size = Reader::open(&self.workspace.ledger_paths(), &key).ok()?.size();
        let why = format!("{witnessed} of {size} entries are witnessed");
        Some(if witnessed == size {
            good("witnesses", why)
        } else {
            advice("witnesses", why, self.command("ledger witness"))
        })
    }

    /// Whether the anchor would survive the ledger being put back.
    fn anchor_apart(&self) -> Finding {
        let paths = self.workspace.ledger_paths();
        let Some(folder) = paths.anchor.folder() else {
            return good("anchor", format!("`{}` is apart from the ledger", paths.anchor_store().place()));
        };
        let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev());
        match (device(&paths.published_checkpoint()), device(folder)) {
            (Ok(ledger), Ok(kept)) if ledger != kept => {
                good("anchor", format!("`{}` is on another volume", shown(folder)))
            }
            (Ok(_), Ok(_)) => advice(
                "anchor",
                "it is on the volume of the ledger: put back together with it, it guards nothing".to_owned(),
                format!(
                    "cp -a {} /other/volume/anchor, then set `anchor = \"/other/volume/anchor\"` in {}",
                    quoted(folder),
                    quoted(&self.root.join(crate::workspace::SETTINGS_FILE))
                ),
            ),
            (Err(error), _) | (_, Err(error)) => {
                unknown("anchor", format!("cannot tell where it is: {error}"))
            }
        }
    }

    /// Whether this machine's clock contradicts what the ledger has seen.
    fn clock(&self, reader: &Reader) -> Finding {
        let Some(last) = reader.size().checked_sub(1) else {
            return good("clock", format!("it says {}; the ledger has nothing to compare", self.now));
        };
        let received = match reader.entry(last) {
            Ok(entry) => Timestamp::from_nanoseconds(entry.envelope().received_at),
            Err(error) => return unknown("clock", with_causes(&error)),
        };
        if received > self.now.plus_nanoseconds(CLOCK_TOLERANCE_NS) {
            return broken(
                "clock",
                format!(
                    "it says {}, and the last entry was received at {received}, which is later",
                    self.now
                ),
                "timedatectl status".to_owned(),
            );
        }
        good("clock", format!("it says {}; the last entry was received at {received}", self.now))
    }

    /// Whether the keys that signed follow each other and end in the one in use.
    fn successions(&self, reader: &Reader) -> Finding {
        const WHAT: &str = "signing keys";
        if self.root.join("keys/next.key").exists() {
            let why = "a key hands over to another, and was stopped on the way".to_owned();
            return advice(WHAT, why, self.command("sources"));
        }
        let Ok(store) = Store::open(&self.workspace.store_path()) else {
            return unknown(WHAT, "they are looked up in the store, which does not open".to_owned());
        };
        if store.folded() < reader.size() {
            let why = "they are looked up in the store, which is behind the ledger".to_owned();
            return advice(WHAT, why, self.command("sources"));
        }
        let used = self.workspace.verifier_key().map_err(KeysError::from);
        let line = used.and_then(|used| key_line(&store, reader, &used));
        match line {
            Ok(line) if line.links().is_empty() => good(WHAT, "one key signs, and none before it".to_owned()),
            Ok(line) => {
                let keys = line.keys().count();
                good(WHAT, format!("{keys} keys signed, each of which handed over to the next"))
            }
            Err(error) => broken(WHAT, with_causes(&error), error.hint().to_owned()),
        }
    }

    /// Up to where authorities stamped, where the settings name any.
    fn timestamps(&self, store: &Store, reader: &Reader) -> Option<Finding> {
        if self.workspace.settings().timestamp.authorities.is_empty() {
            return None;
        }
        let key = self.workspace.verifier_key().ok()?;
        let stamp = || self.command("ledger timestamp");
        Some(match timestamped(store, reader, &key) {
            Ok(Some(found)) => good(
                "timestamps",
                format!(
                    "`{}` stamped the first {} of {} entries at {}; the timestamp is entry {}",
                    found.authority,
                    found.size,
                    reader.size(),
                    found.time,
                    found.leaf
                ),
            ),
            Ok(None) => advice("timestamps", "no authority has stamped anything yet".to_owned(), stamp()),
            Err(error) => broken("timestamps", with_causes(&error), self.command("verify")),
        })
    }

    fn store(&self, reader: &Reader) -> Vec<Finding> {
        let rebuild = || self.command("rebuild");
        let store = match Store::open(&self.workspace.store_path()) {
            Ok(store) => store,
            Err(error) => return vec![broken("store", with_causes(&error), rebuild())],
        };
        if *store.parsers() != parser_versions() {
            let why = "it was derived by parsers of other versions than this program's".to_owned();
            return vec![broken("store", why, rebuild())];
        }
        let behind = reader.size().saturating_sub(store.folded());
        let mut findings = vec![match behind {
            _ if store.folded() > reader.size() => {
                broken("store", "it has folded more entries than the ledger has".to_owned(), rebuild())
            }
            0 => good("store", "it is up to the ledger".to_owned()),
            behind => advice(
                "store",
                format!("{behind} entries are not in it yet; the next question folds them"),
                self.command("sources"),
            ),
        }];
        findings.extend(self.timestamps(&store, reader));
        let (mut opened, mut closed) = (0, 0);
        for segment in store.summaries() {
            opened += segment.objects_opened;
            closed += segment.objects_closed;
        }
        if opened > closed {
            let why = format!("{} of {opened} were not read to their end", opened - closed);
            findings.push(advice("objects", why, self.command("ingest PATH, with the same paths again")));
        }
        findings.extend(self.streams(&store));
        findings
    }

    /// When each stream was last heard of. How long a stream may be silent nobody has said, so none is called late.
    fn streams(&self, store: &Store) -> Vec<Finding> {
        let mut last: BTreeMap<&SourceRef, Option<Timestamp>> = BTreeMap::new();
        for part in store.summaries().flat_map(|segment| &segment.streams) {
            let known = last.entry(&part.stream).or_default();
            *known = (*known).max(part.events.last);
        }
        if last.is_empty() {
            let why = "nothing has been taken in yet".to_owned();
            return vec![advice("streams", why, self.command("ingest PATH"))];
        }
        last.into_iter().map(|(stream, last)| self.stream(stream, last)).collect()
    }

    fn stream(&self, stream: &SourceRef, last: Option<Timestamp>) -> Finding {
        let Some(last) = last else {
            return unknown("stream", format!("{stream}: none of its events states a time"));
        };
        if last > self.now.plus_nanoseconds(CLOCK_TOLERANCE_NS) {
            return advice(
                "stream",
                format!("{stream}: its last event is at {last}, which this machine's clock has not reached"),
                "compare the clocks of both machines; answers go by what the records say".to_owned(),
            );
        }
        good("stream", format!("{stream}: last event at {last}, {} ago", ago(last.distance(self.now))))
    }

    /// A command on this evidence.
    fn command(&self, rest: &str) -> String {
        format!("ascribe -e {} {rest}", quoted(self.root))
    }
}

/// Private keys that others than their owner may read or write, sorted.
fn open_keys(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut open = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_private = entry.path().extension().is_some_and(|ending| ending == "key");
        if is_private && entry.metadata()?.permissions().mode() & 0o077 != 0 {
            open.push(entry.path());
        }
    }
    open.sort();
    Ok(open)
}

fn good(what: &'static str, why: String) -> Finding {
    Finding { what, state: State::Good, why, fix: None }
}

fn advice(what: &'static str, why: String, fix: String) -> Finding {
    Finding { what, state: State::Advice, why, fix: Some(fix) }
}

fn broken(what: &'static str, why: String, fix: String) -> Finding {
    Finding { what, state: State::Broken, why, fix: Some(fix) }
}

fn unknown(what: &'static str, why: String) -> Finding {
    Finding { what, state: State::Unknown, why, fix: None }
}

/// A length of time in its largest whole unit.
fn ago(nanoseconds: u64) -> String {
    let seconds = nanoseconds / 1_000_000_000;
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let path = path.to_string_lossy();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    if !path.is_empty() && path.bytes().all(is_plain) {
        return path.into_owned();
    }
    format!("'{}'", path.replace('\'', r"'\''"))
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::ingest::Silent;
    use crate::ops::{IngestRequest, ingest, init};

    #[test]
    fn a_clock_that_is_behind_is_found_out() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("evidence");
        init(&root, "example.com/ledger").unwrap();
        let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../samples/incident/AWSLogs");
        let paths = [samples.to_owned()];
        let request =
            IngestRequest { paths: &paths, scope: None, workers: NonZeroUsize::MIN, progress: &Silent };
        ingest(&root, &request).unwrap();
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let states: BTreeMap<&str, State> =
            doctor(&root, now).into_iter().map(|finding| (finding.what, finding.state)).collect();
        assert_eq!((states["clock"], states["stream"]), (State::Broken, State::Advice), "{states:?}");
    }

    #[test]
    fn lengths_and_paths_are_readable() {
        for (seconds, expected) in
            [(1, "1 second"), (59, "59 seconds"), (3_600, "1 hour"), (200_000, "2 days")]
        {
            assert_eq!(ago(seconds * 1_000_000_000), expected);
        }
        assert_eq!(quoted(Path::new("/a/b-c.d")), "/a/b-c.d");
        assert_eq!(quoted(Path::new("it's here")), r"'it'\''s here'");
    }
}
