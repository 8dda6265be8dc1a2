//! Exports the evidence of one matter as a bundle, for somebody without the ledger.
//!
//! Which entries belong to a name is read from the store; the entries, their salts and the hashes between them come
//! from the ledger, one entry at a time. The finished file is checked as a stranger would check it before it gets its
//! name: a bundle that does not hold is never handed out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ascribe_assess::{
    Alike, Evidence, EvidenceError, Losses, Page, Period, Subject, Tally, TimePage, USES_MAX, Wanted,
};
use ascribe_bundle::{
    ANY_KIND, AnswerPart, AnswerPremises, BundleWriter, Check, CompletenessPart, Counted, Disclosure,
    Earlier, EntryPart, Manifest, Opened, Parser, RederiveError, Report, Sealed, Signed, Verdict, Why,
    WriteError, check,
};
use ascribe_ledger::{KeyLine, ReadError, SignedCheckpoint};
use ascribe_model::{Answer, Event, KeyKind, KeyRef, Role, Scope, Skew, SourceRef, StreamSummary, Timestamp};

use super::OpenEvidence;
use super::completeness::{Shown, shown};
use super::evidence::OpenError;
use super::keys::{KeysError, key_line, succession_leaves};
use super::questions::{QuestionError, finished, question};
use super::redactions::{RedactionError, open_sealed};
use super::sealed_ranges::RangeError;
use super::subject::{Named, Resolved, Sought, event_named, keys_named, resolve, suggestions, values_of};
use super::upkeep::parser_versions;
use crate::workspace::{Workspace, WorkspaceError};

/// What to export, and where to.
pub struct ExportRequest<'a> {
    /// A name of a credential, an identity or an event, or the number of an entry.
    pub name: &'a str,
    /// The answer that goes with it.
    pub answer: Option<AnswerAsked>,
    /// A checkpoint that somebody kept, to be shown that the ledger only grew since.
    pub earlier: Option<&'a Path>,
    /// Sealed values to open: an event and a field of it each.
    pub disclose: &'a [[String; 2]],
    /// The file to write.
    pub file: &'a Path,
    /// What to do where there is one already.
    pub overwrite: Overwrite,
    /// What to do where nothing is found by the name.
    pub none: IfNone,
}

/// What to do where nothing is found by a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfNone {
    /// Refuse: it may be mistyped.
    Refuse,
    /// Write a bundle that proves it, as far as the ledger is sealed.
    Prove,
}

/// An answer that a bundle can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerAsked {
    /// Which identity held it.
    Who,
    /// Who asked, who approved, and which rule was in force.
    Why,
    /// Back to who started it.
    Chain,
    /// Forward to all that came of it.
    ChainForward,
    /// What it did to what, and how good the evidence of that is.
    Session,
    /// When it was issued, changed and ended.
    Lifecycle,
}

/// What to do with a file that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overwrite {
    /// Leave it alone and refuse.
    Refuse,
    /// Put the new one in its place.
    Replace,
}

/// A bundle that was written.
pub struct Exported {
    /// The file.
    pub file: PathBuf,
    /// Bytes in it.
    pub bytes: u64,
    /// Digest of its seal, which names it.
    pub seal: [u8; 32],
    /// What its name was taken to mean.
    pub names: Vec<KeyRef>,
    /// Sealed ranges of which it shows nothing, each with the reason.
    pub left_out: Vec<String>,
    /// The check of the finished file.
    pub report: Report,
}

/// Nothing was exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The evidence cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The folder is not usable.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// The name cannot be looked up, or stands for several things.
    #[error(transparent)]
    Question(#[from] QuestionError),
    /// Nothing has this name.
    #[error("nothing in the ledger is found by the name `{text}`")]
    Nothing {
        /// What was typed.
        text: String,
        /// Names that come close.
        near: Vec<KeyRef>,
    },
    /// Nothing has this name, and nothing is sealed by which that could be proven.
    #[error("nothing in the ledger is found by the name `{text}`, and no usable index can prove that")]
    NothingSealed {
        /// What was typed.
        text: String,
    },
    /// The sealed ranges cannot be told.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// Entries are not in the store yet.
    #[error("the last {count} entries of the ledger are not in the store yet, so some could be left out")]
    Unfolded {
        /// How many.
        count: u64,
    },
    /// The line of signing keys does not hold.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The ledger cannot be read.
    #[error("cannot read the ledger")]
    Ledger(#[from] ascribe_ledger::ReadError),
    /// The store cannot be read.
    #[error("cannot read the store")]
    Store(#[source] ascribe_store::ReadError),
    /// The answer cannot be drawn.
    #[error("cannot draw the answer")]
    Answer(#[source] RederiveError),
    /// The earlier checkpoint cannot be read.
    #[error("cannot read the earlier checkpoint `{path}`")]
    EarlierFile {
        /// Its file.
        path: String,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The earlier checkpoint is not one of this ledger.
    #[error("`{path}` is no checkpoint of this ledger")]
    EarlierRefused {
        /// Its file.
        path: String,
        /// Why.
        #[source]
        source: ascribe_ledger::CheckpointRefused,
    },
    /// The earlier checkpoint is larger than the ledger, or empty.
    #[error("`{path}` is a checkpoint over {found} entries, and the ledger has {size}")]
    EarlierSize {
        /// Its file.
        path: String,
        /// Entries under it.
        found: u64,
        /// Entries in the ledger.
        size: u64,
    },
    /// A sealed value cannot be opened.
    #[error(transparent)]
    Disclose(#[from] Box<RedactionError>),
    /// The value to open is of an entry that the bundle does not hold.
    #[error("`{event}` is in entry {leaf}, which is not in this bundle")]
    NotInBundle {
        /// The event as typed.
        event: String,
        /// Its entry.
        leaf: u64,
    },
    /// The file is there already.
    #[error("`{path}` exists")]
    Exists {
        /// The file.
        path: String,
    },
    /// The file cannot be written.
    #[error("cannot write `{path}`")]
    File {
        /// The file, or its folder.
        path: String,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The bundle cannot be written.
    #[error("cannot write the bundle")]
    Write(#[from] WriteError),
    /// The finished bundle cannot be read back.
    #[error("cannot read the finished bundle back")]
    Check(#[from] ascribe_bundle::CheckError),
    /// The finished bundle does not hold, so it was not handed out.
    #[error("the finished bundle does not hold: {says}")]
    DoesNotHold {
        /// What its check says.
        says: String,
    },
}

/// Writes a bundle.
///
/// A crash leaves nothing, or a file whose name begins with `.ascribe-export-` and which can be removed. The file has
/// its name only once it is whole and durable.
pub fn export(root: &Path, request: &ExportRequest<'_>) -> Result<Exported, ExportError> {
    if request.overwrite == Overwrite::Refuse && request.file.exists() {
        return Err(ExportError::Exists { path: path_text(request.file) });
    }
    let workspace = Workspace::open(root)?;
    let evidence = OpenEvidence::open(root)?;
    if evidence.unfolded() > 0 {
        return Err(ExportError::Unfolded { count: evidence.unfolded() });
    }
    let key = workspace.verifier_key()?;
    let names = names(&evidence, request)?;
    let mut selected = Selected::of(&evidence, &names)?;
    let names: Vec<KeyRef> = names.into_iter().map(|named| named.key).collect();
    let shown = shown_whole(&evidence, &workspace, request, &names)?;
    selected.leaves.extend(shown.leaves.iter().map(|leaf| (*leaf, Why::Asked)));
    let answer = request.answer.map(|asked| answer(&evidence, request.name.trim(), asked)).transpose()?;
    if let Some(drawn) = &answer {
        selected.add_read(&drawn.leaves);
    }
    selected.add_context(&evidence)?;
    selected.leaves.extend(shown.roots.iter().map(|leaf| (*leaf, Why::Context)));
    let disclosures = disclosures(root, &evidence, request, &selected)?;
    selected.add_keys(&evidence)?;
    let line = key_line(&evidence.store, &evidence.reader, &key)?;
    let earlier = request.earlier.map(|path| earlier(&evidence, &line, path)).transpose()?;
    let plan = Plan {
        evidence: &evidence,
        signed: Signed { key: key.to_string(), note: evidence.reader.checkpoint().note().to_owned() },
        manifest: manifest(&evidence, request, &names, selected.counted(), answer.is_some()),
        selected: &selected.leaves,
        earlier,
        answer: answer.map(|drawn| drawn.part),
        disclosures,
        completeness: shown.parts,
    };
    let (bytes, seal, report) = publish(&plan, &key, request)?;
    let file = request.file.to_owned();
    Ok(Exported { file, bytes, seal, names, left_out: shown.left_out, report })
}

/// What the sealed ranges show of the names.
fn shown_whole(
    evidence: &OpenEvidence,
    workspace: &Workspace,
    request: &ExportRequest<'_>,
    names: &[KeyRef],
) -> Result<Shown, ExportError> {
    let shown = shown(evidence, &workspace.index_paths(), names)?;
    let is_none = names.iter().any(|name| name.kind.name() == ANY_KIND);
    if is_none && shown.parts.is_empty() {
        return Err(ExportError::NothingSealed { text: request.name.trim().to_owned() });
    }
    Ok(shown)
}

/// What a bundle is made of.
struct Plan<'a> {
    evidence: &'a OpenEvidence,
    manifest: Manifest,
    signed: Signed,
    earlier: Option<Earlier>,
    selected: &'a BTreeMap<u64, Why>,
    answer: Option<AnswerPart>,
    disclosures: BTreeSet<Disclosure>,
    completeness: Vec<CompletenessPart>,
}

/// The leaves of a bundle, and why each is in it.
struct Selected {
    leaves: BTreeMap<u64, Why>,
}

/// An answer, and the entries from which it was drawn.
struct Drawn {
    part: AnswerPart,
    leaves: BTreeSet<u64>,
}

impl Selected {
    /// Every entry that lists one of the names.
    fn of(evidence: &OpenEvidence, names: &[Named]) -> Result<Self, ExportError> {
        let mut selected = Self { leaves: BTreeMap::new() };
        for name in names {
            if let Some(leaf) = name.event_at {
                selected.leaves.insert(leaf, Why::Asked);
                continue;
            }
            let found =
                evidence.store.leaves(&name.key, &Role::ALL, None, usize::MAX).map_err(ExportError::Store)?;
            selected.leaves.extend(found.leaves.into_iter().map(|leaf| (leaf, Why::Asked)));
        }
        Ok(selected)
    }

    fn add_read(&mut self, leaves: &BTreeSet<u64>) {
        for leaf in leaves {
            self.leaves.entry(*leaf).or_insert(Why::Read);
        }
    }

    /// The stream and object entries that the others refer to. Those refer to nothing that is not there by then.
    fn add_context(&mut self, evidence: &OpenEvidence) -> Result<(), ExportError> {
        let mut open: Vec<u64> = self.leaves.keys().copied().collect();
        while let Some(leaf) = open.pop() {
            let entry = evidence.reader.entry(leaf)?;
            let envelope = entry.envelope();
            for reference in [envelope.stream, envelope.object].into_iter().flatten() {
                if self.leaves.insert(reference, Why::Context).is_none() {
                    open.push(reference);
                }
            }
        }
        Ok(())
    }

    /// The entries in which signing keys handed over: whoever holds an older key follows them.
    fn add_keys(&mut self, evidence: &OpenEvidence) -> Result<(), ExportError> {
        self.leaves.extend(succession_leaves(&evidence.store)?.into_iter().map(|leaf| (leaf, Why::Context)));
        Ok(())
    }

    fn counted(&self) -> Counted {
        let mut counted = Counted::default();
        for why in self.leaves.values() {
            match why {
                Why::Asked => counted.asked += 1,
                Why::Read => counted.read += 1,
                Why::Context => counted.context += 1,
            }
        }
        counted
    }
}

/// The sealed values that are to be opened, in the order of a bundle.
fn disclosures(
    root: &Path,
    evidence: &OpenEvidence,
    request: &ExportRequest<'_>,
    selected: &Selected,
) -> Result<BTreeSet<Disclosure>, ExportError> {
    let mut disclosures = BTreeSet::new();
    for [event, field] in request.disclose {
        let opened = open_sealed(root, evidence, event, field).map_err(Box::new)?;
        if !selected.leaves.contains_key(&opened.leaf) {
            return Err(ExportError::NotInBundle { event: event.clone(), leaf: opened.leaf });
        }
        disclosures.insert(Disclosure {
            leaf: opened.leaf,
            event: opened.position,
            field: opened.field,
            salt: opened.salt,
            value: opened.value,
        });
    }
    Ok(disclosures)
}

/// What the name stands for: every key of that name, whatever its kind.
fn names(evidence: &OpenEvidence, request: &ExportRequest<'_>) -> Result<Vec<Named>, ExportError> {
    let text = request.name.trim();
    if let Some(leaf) = text.parse().ok().filter(|&leaf: &u64| leaf < evidence.reader.size()) {
        let events = evidence.events_at(leaf).map_err(QuestionError::Evidence)?;
        if !events.is_empty() {
            return Ok(sorted(events.iter().map(|event| event_named(evidence, event))));
        }
    }
    let is_of_events =
        |named: &Named| named.event_at.is_some() || !named.key.kind.name().starts_with("ascribe.");
    let names = sorted(keys_named(evidence, text)?.into_iter().filter(is_of_events));
    if names.is_empty() && request.none == IfNone::Prove {
        let any = |value| KeyRef { kind: KeyKind::new(ANY_KIND), scope: String::new(), value };
        let values = values_of(text).into_iter();
        return Ok(sorted(values.map(|value| Named { key: any(value), event_at: None })));
    }
    if names.is_empty() {
        return Err(ExportError::Nothing { text: text.to_owned(), near: suggestions(evidence, text)? });
    }
    Ok(names)
}

fn sorted(names: impl Iterator<Item = Named>) -> Vec<Named> {
    names.map(|named| (named.key.clone(), named)).collect::<BTreeMap<_, _>>().into_values().collect()
}

/// Draws the answer, and notes every entry that it is drawn from.
fn answer(evidence: &OpenEvidence, text: &str, asked: AnswerAsked) -> Result<Drawn, ExportError> {
    let subject = match resolve(evidence, text, asked.sought())? {
        Resolved::Subject(subject) => subject,
        Resolved::Nothing(near) => return Err(ExportError::Nothing { text: text.to_owned(), near }),
    };
    let recording = Recording { evidence, leaves: Mutex::default() };
    if let Subject::Event(event) = &subject {
        recording.note(std::slice::from_ref(event));
    }
    let mut question = question(asked.verb(), Some(text));
    if asked == AnswerAsked::ChainForward {
        question.options.insert("direction".to_owned(), "forward".to_owned());
    }
    let body = ascribe_bundle::reason(&recording, &subject, question).map_err(ExportError::Answer)?;
    let premises = AnswerPremises {
        subject: (&subject).into(),
        streams: evidence.streams(),
        clocks: evidence.clocks.facts().cloned().collect(),
    };
    let finished = finished(evidence, body);
    // What others vouch for travels with the checkpoint, where it can be checked.
    let answer = Answer { proof: finished.proof.of_the_ledger_alone(), ..finished };
    let part = AnswerPart { premises, answer };
    let leaves = recording.leaves.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Drawn { part, leaves })
}

/// Evidence that notes which entries were read. What is only counted is noted too, so that it can be counted again.
struct Recording<'e> {
    evidence: &'e OpenEvidence,
    leaves: Mutex<BTreeSet<u64>>,
}

impl Recording<'_> {
    fn note(&self, events: &[std::sync::Arc<Event>]) {
        let mut leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        leaves.extend(events.iter().filter_map(|event| self.evidence.leaf_of(event.id)));
    }
}

impl Evidence for Recording<'_> {
    fn events(&self, key: &KeyRef, roles: &[Role], limit: usize) -> Result<Page, EvidenceError> {
        let page = self.evidence.events(key, roles, limit)?;
        self.note(&page.events);
        Ok(page)
    }

    fn on_sets(&self, key: &KeyRef, role: Role, limit: usize) -> Result<Page, EvidenceError> {
        let page = self.evidence.on_sets(key, role, limit)?;
        self.note(&page.events);
        Ok(page)
    }

    fn alike(&self, key: &KeyRef, limit: usize) -> Result<Vec<Alike>, EvidenceError> {
        self.events(key, &[Role::Actor], USES_MAX)?;
        self.evidence.alike(key, limit)
    }

    fn apart_from(
        &self,
        key: &KeyRef,
        roles: &[Role],
        apart: &[Wanted],
        limit: usize,
    ) -> Result<Vec<std::sync::Arc<Event>>, EvidenceError> {
        let events = self.evidence.apart_from(key, roles, apart, limit)?;
        self.note(&events);
        Ok(events)
    }

    fn expect(&self, keys: &[&KeyRef], roles: &[Role]) -> Result<(), EvidenceError> {
        self.evidence.expect(keys, roles)
    }

    fn tally(&self, key: &KeyRef, role: Role) -> Result<Tally, EvidenceError> {
        self.events(key, &[role], USES_MAX)?;
        self.evidence.tally(key, role)
    }

    fn page(&self, wanted: &[Wanted], period: Period, limit: usize) -> Result<TimePage, EvidenceError> {
        let page = self.evidence.page(wanted, period, limit)?;
        self.note(&page.dated);
        self.note(&page.undated);
        Ok(page)
    }

    fn hinting(&self, hint: &str, limit: usize) -> Result<Vec<std::sync::Arc<Event>>, EvidenceError> {
        let events = self.evidence.hinting(hint, limit)?;
        self.note(&events);
        Ok(events)
    }

    fn losses(&self) -> Losses {
        self.evidence.losses()
    }

    fn keys_of(&self, value: &str) -> Result<Vec<(KeyRef, Vec<Role>)>, EvidenceError> {
        let keys = self.evidence.keys_of(value)?;
        for (key, roles) in &keys {
            for role in roles {
                self.events(key, &[*role], 1)?; // One event shows that there is such a key.
            }
        }
        Ok(keys)
    }

    fn scope(&self) -> Scope {
        self.evidence.scope()
    }

    fn skew(&self, from: &SourceRef, found: &SourceRef, at: Timestamp) -> Option<Skew> {
        self.evidence.skew(from, found, at)
    }

    fn streams(&self) -> Vec<StreamSummary> {
        self.evidence.streams()
    }
}

fn manifest(
    evidence: &OpenEvidence,
    request: &ExportRequest<'_>,
    names: &[KeyRef],
    counted: Counted,
    answered: bool,
) -> Manifest {
    let checkpoint = evidence.reader.checkpoint().checkpoint();
    let parsers = parser_versions().into_iter();
    Manifest {
        origin: checkpoint.origin.clone(),
        size: checkpoint.size,
        question: request.name.trim().to_owned(),
        names: names.to_vec(),
        parsers: parsers.map(|(source, version)| Parser { source, version: version.into() }).collect(),
        answer: request.answer.filter(|_| answered).map_or("", AnswerAsked::verb).to_owned(),
        counted,
    }
}

fn earlier(evidence: &OpenEvidence, line: &KeyLine, path: &Path) -> Result<Earlier, ExportError> {
    let note =
        std::fs::read(path).map_err(|source| ExportError::EarlierFile { path: path_text(path), source })?;
    // The last key first: where none fits, its refusal is the one to show.
    let mut opened = SignedCheckpoint::open(&note, line.current());
    for key in line.keys() {
        match SignedCheckpoint::open(&note, key) {
            Ok(kept) if line.may_sign(key, kept.size()) => opened = Ok(kept),
            _ => {}
        }
    }
    let kept = opened.map_err(|source| ExportError::EarlierRefused { path: path_text(path), source })?;
    let size = evidence.reader.size();
    if kept.size() == 0 || kept.size() > size {
        return Err(ExportError::EarlierSize { path: path_text(path), found: kept.size(), size });
    }
    Ok(Earlier { proof: evidence.reader.consistency_proof(kept.size())?, note: kept.note().to_owned() })
}

/// Writes the bundle beside its place, checks it, and gives it its name.
fn publish(
    plan: &Plan<'_>,
    key: &ascribe_ledger::VerifierKey,
    request: &ExportRequest<'_>,
) -> Result<(u64, [u8; 32], Report), ExportError> {
    let folder = match request.file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let failed = |path: &Path| {
        let path = path_text(path);
        move |source| ExportError::File { path, source }
    };
    let staged = tempfile::Builder::new()
        .prefix(".ascribe-export-")
        .permissions(permissions())
        .tempfile_in(folder)
        .map_err(failed(folder))?;
    let Sealed { output, bytes, digest } = write(plan, BufWriter::new(staged.as_file()))?;
    output.into_inner().map_err(|error| failed(request.file)(error.into_error()))?;
    let written = File::open(staged.path()).map_err(failed(staged.path()))?;
    let report = check(BufReader::new(written), Check { key: Some(key), ..Check::default() })?;
    if report.verdict() != Verdict::Valid {
        let says = ascribe_bundle::json(&report);
        let says = if says["integrity"]["is"] == "valid" {
            &says["answer"]["says"]
        } else {
            &says["integrity"]["says"]
        };
        return Err(ExportError::DoesNotHold { says: says.as_str().unwrap_or_default().to_owned() });
    }
    staged.as_file().sync_all().map_err(failed(request.file))?;
    let named = match request.overwrite {
        Overwrite::Refuse => staged.persist_noclobber(request.file),
        Overwrite::Replace => staged.persist(request.file),
    };
    match named {
        Ok(_) => {}
        Err(refused) if refused.error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(ExportError::Exists { path: path_text(request.file) });
        }
        Err(refused) => return Err(failed(request.file)(refused.error)),
    }
    // The name is durable once its folder is synced; a crash before leaves the name or none, never a part of the file.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed(folder))?;
    Ok((bytes, digest, report))
}

fn write<W: std::io::Write>(plan: &Plan<'_>, output: W) -> Result<Sealed<W>, ExportError> {
    let reader = &plan.evidence.reader;
    let mut writer = BundleWriter::new(output, &plan.manifest, &plan.signed)?;
    if let Some(earlier) = &plan.earlier {
        writer.earlier(earlier)?;
    }
    let mut next = 0;
    for (leaf, why) in plan.selected {
        let entry = reader.entry(*leaf)?;
        let opened = match entry.captured() {
            Some(captured) => {
                let salt = reader.salts(*leaf)?.captured.ok_or(ReadError::NotCommitted { leaf: *leaf })?;
                Some(Opened { salt, captured: captured.to_vec() })
            }
            None => None, // It was erased: its envelope is proven, and there is nothing to open.
        };
        writer.entry(&EntryPart {
            leaf: *leaf,
            why: *why,
            gap: reader.gap_hashes(next..*leaf)?,
            envelope: entry.envelope_bytes().to_vec(),
            opened,
        })?;
        next = leaf + 1;
    }
    writer.rest(&reader.gap_hashes(next..reader.size())?)?;
    if let Some(answer) = &plan.answer {
        writer.answer(answer)?;
    }
    for disclosed in &plan.disclosures {
        writer.disclosure(disclosed)?;
    }
    for part in &plan.completeness {
        writer.completeness(part)?;
    }
    Ok(writer.seal()?)
}

impl AnswerAsked {
    /// The question's verb.
    fn verb(self) -> &'static str {
        match self {
            Self::Who => "who",
            Self::Why => "why",
            Self::Session => "session",
            Self::Chain | Self::ChainForward => "chain",
            Self::Lifecycle => "lifecycle",
        }
    }

    /// What the question can be about, as the command of its name has it.
    fn sought(self) -> Sought {
        match self {
            Self::Who => Sought::Identity,
            Self::Why | Self::Chain | Self::ChainForward | Self::Session | Self::Lifecycle => {
                Sought::Credential
            }
        }
    }
}

impl ExportError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Open(error) => error.hint().to_owned(),
            Self::Workspace(error) => error.hint().to_owned(),
            Self::Question(error) => error.hint(),
            Self::Nothing { near, .. } if near.is_empty() => {
                "`ascribe sources` shows which streams are here".to_owned()
            }
            Self::Nothing { near, .. } => {
                let near: Vec<String> = near.iter().map(ToString::to_string).collect();
                format!("names that come close: {}", super::questions::listed(&near))
            }
            Self::NothingSealed { .. } => "`ascribe ledger seal` seals what is new".to_owned(),
            Self::Range(error) => error.hint().to_owned(),
            Self::Unfolded { .. } => {
                "wait for the ingest that runs to end; check that the folder can be written".to_owned()
            }
            Self::Keys(error) => error.hint().to_owned(),
            Self::Ledger(_) => "`ascribe verify` lists everything that is damaged or missing".to_owned(),
            Self::Store(_) => {
                "the store is derived: `ascribe rebuild` makes it anew from the ledger".to_owned()
            }
            Self::Answer(_) | Self::DoesNotHold { .. } => {
                "`ascribe verify` checks the ledger; without `--answer`, a bundle holds the entries alone"
                    .to_owned()
            }
            Self::EarlierFile { .. } | Self::EarlierRefused { .. } => {
                "give the checkpoint file as it was kept, byte for byte".to_owned()
            }
            Self::EarlierSize { .. } => {
                "the ledger must have grown since: if it has not, it was put back to an older state"
                    .to_owned()
            }
            Self::Disclose(error) => error.hint(),
            Self::NotInBundle { .. } => {
                "a bundle opens values of its own entries only: export what names the event".to_owned()
            }
            Self::Exists { .. } => "choose another name, or replace it with `--force`".to_owned(),
            Self::File { .. } | Self::Write(_) | Self::Check(_) => {
                "check the path, who owns it and whether the disk is full or read-only".to_owned()
            }
        }
    }
}

/// Those of any new file: a bundle is made to be handed on, and the system's mask decides who may read it here.
fn permissions() -> std::fs::Permissions {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::Permissions::from_mode(0o666)
}

fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
