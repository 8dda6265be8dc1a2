//! Evidence as the questions see it: events found by key through the store, read back from the ledger.
//!
//! Every event is parsed again from its captured record when it is needed. The store only says where to look.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use ascribe_assess::skew::Frozen;
use ascribe_assess::{
    Alike, Evidence, EvidenceError, Losses, Page, Period, READ_ALL_MAX, Silence, Tally, TimePage, Wanted,
    alike_among, by_kind, entries_to_read, is_on_sets,
};
use ascribe_ledger::index::IndexPaths;
use ascribe_ledger::{Ledger, Reader};
use ascribe_model::{
    Act, Basis, Event, EventId, KeyKind, KeyRef, RejectTally, Role, Scope, Skew, SourceRef, StreamSummary,
    TimeSpan, Timestamp,
};
use ascribe_store::{Near, ON_SET, Store};

use super::config::{ConfigReadError, frozen_clocks};
use super::keys::{KeysError, finish_rotation};
use super::pages::Pages;
use super::searched::{self, LookedUp};
use super::streams::all_silences;
use super::upkeep::parser_versions;
use crate::ingest::{CatchUpError, Rereader, catch_up};
use crate::workspace::{Workspace, WorkspaceError};

/// Parsed entries that are kept for the time of one question.
const PARSED_MAX: usize = 65_536;

/// Fewer entries than this are read one after the other: starting threads takes as long as reading some.
const READ_AHEAD_MIN: usize = 16;
/// Threads that read entries ahead, at most.
const READ_AHEAD_THREADS_MAX: usize = 8;

/// Entries whose rows stand elsewhere than they were looked for that are read instead: looking through all rows takes longer.
pub(super) const SOUGHT_MAX: usize = 64;

/// Entries of one key that are read before they are asked for.
const EXPECTED_MAX: usize = 16;

/// Key kind of the readable names that the store lists beside the keys of events.
const NAME_KIND: &str = "name";

/// Key kind of what records say about visibility, as the store lists it.
const HINT_KIND: &str = "hint";

/// Ledger and store, opened for questions at one checkpoint.
pub struct OpenEvidence {
    /// The ledger at its published checkpoint.
    pub reader: Reader,
    /// The store, folded up to that checkpoint.
    pub store: Store,
    /// What the operator froze of the clocks.
    pub clocks: Frozen,
    /// The folder.
    pub workspace: Workspace,
    parsed: Mutex<Parsed>,
    /// Each thread that reads takes one, and gives it back with what it learned of objects.
    rereaders: Mutex<Vec<Rereader>>,
    looked_up: Mutex<LookedUp>,
    indexes: IndexPaths,
}

/// Entries that were parsed, and where each event was first seen.
#[derive(Default)]
struct Parsed {
    by_leaf: BTreeMap<u64, Vec<Arc<Event>>>,
    leaves: BTreeMap<EventId, u64>,
}

/// Evidence cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder is not usable.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// The ledger cannot be opened.
    #[error("cannot open the ledger")]
    Ledger(#[from] ascribe_ledger::ReadError),
    /// The ledger is not the one that was signed, or not all of it.
    #[error("the ledger does not open")]
    Refused(#[source] Box<ascribe_ledger::OpenError>),
    /// The store cannot be opened.
    #[error("cannot open the store")]
    Store(#[source] ascribe_store::OpenError),
    /// The store cannot be brought up to the ledger.
    #[error("cannot bring the store up to the ledger")]
    CatchUp(#[from] CatchUpError),
    /// The store was derived by other parsers, and may hold other events than these would find.
    #[error("the store was derived by parsers of other versions than this program's")]
    OtherParsers,
    /// What the operator configured cannot be looked up.
    #[error("cannot look up what was configured")]
    Config(#[source] ConfigReadError),
    /// A rotation of the signing key that was under way cannot be finished.
    #[error("cannot finish the rotation of the signing key that was under way")]
    Rotation(#[source] Box<KeysError>),
}

impl OpenEvidence {
    /// Opens the evidence in `root` and folds what the store has not yet folded.
    ///
    /// # Errors
    /// [`OpenError`] when either half cannot be read.
    pub fn open(root: &Path) -> Result<Self, OpenError> {
        let workspace = Workspace::open(root)?;
        let lock = workspace.fold_lock();
        if lock.is_some() {
            commit_rest(&workspace)?;
        }
        // The store first: it is never ahead of the checkpoint that is read after it.
        let mut store = Store::open(&workspace.store_path()).map_err(OpenError::Store)?;
        let reader = Reader::open(&workspace.ledger_paths(), &workspace.verifier_key()?)?;
        if *store.parsers() != parser_versions() {
            return Err(OpenError::OtherParsers);
        }
        if store.folded() != reader.size() && lock.is_some() {
            catch_up(&mut store, &reader)?;
        }
        let clocks = Frozen::new(frozen_clocks(&store, &reader).map_err(OpenError::Config)?);
        Ok(Self {
            reader,
            store,
            clocks,
            indexes: workspace.index_paths(),
            workspace,
            parsed: Mutex::default(),
            rereaders: Mutex::default(),
            looked_up: Mutex::default(),
        })
    }

    /// Entries under the checkpoint that the store has not folded, because somebody else is at it or the folder cannot
    /// be written. No question finds them.
    pub fn unfolded(&self) -> u64 {
        self.reader.size().saturating_sub(self.store.folded())
    }

    /// Where the completeness indexes are.
    pub fn index_paths(&self) -> &IndexPaths {
        &self.indexes
    }

    fn note(&self, note: impl FnOnce(&mut LookedUp)) {
        note(&mut self.looked_up.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Events of one ledger entry.
    pub fn events_at(&self, leaf: u64) -> Result<Vec<Arc<Event>>, EvidenceError> {
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(events) = parsed.by_leaf.get(&leaf) {
            return Ok(events.clone());
        }
        let events: Vec<Arc<Event>> = self.read_part(&[leaf])?.into_iter().flatten().collect();
        parsed.keep(leaf, events.clone());
        Ok(events)
    }

    /// Reads the entries among `leaves` that were not read yet, on several threads where there are many: unpacking,
    /// hashing and parsing take the time, not the disk. Only for entries all of which are going to be read.
    pub(super) fn read_ahead(&self, leaves: &[u64]) -> Result<(), EvidenceError> {
        let missing: Vec<u64> = {
            let parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
            leaves.iter().copied().filter(|leaf| !parsed.by_leaf.contains_key(leaf)).collect()
        };
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = threads.min(READ_AHEAD_THREADS_MAX);
        if threads == 1 || !(READ_AHEAD_MIN..=PARSED_MAX).contains(&missing.len()) {
            return Ok(());
        }
        // Neighbours stay together: they share blocks of records and tiles of the tree.
        let part_length = missing.len().div_ceil(threads);
        let parts: Vec<Result<Vec<Vec<Arc<Event>>>, EvidenceError>> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                missing.chunks(part_length).map(|part| scope.spawn(move || self.read_part(part))).collect();
            let ended = threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panicked| std::panic::resume_unwind(panicked)));
            ended.collect()
        });
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        for (leaves, read) in missing.chunks(part_length).zip(parts) {
            // The first error is that of the first entry, as where they are read one after the other.
            leaves.iter().zip(read?).for_each(|(leaf, events)| parsed.keep(*leaf, events));
        }
        Ok(())
    }

    /// The events of each entry.
    fn read_part(&self, leaves: &[u64]) -> Result<Vec<Vec<Arc<Event>>>, EvidenceError> {
        let idle = || self.rereaders.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let mut rereader = taken.unwrap_or_default();
        let read = leaves.iter().map(|leaf| {
            // Whoever changed a file could fix its checksums too: only what the signed checkpoint covers is evidence.
            let entry = self.reader.proven_entry(*leaf).map_err(failed)?;
            let events = match entry.envelope().kind {
                ascribe_ledger::Kind::Record => rereader.events(&self.reader, &entry).map_err(failed)?,
                _ => Vec::new(),
            };
            Ok(events.into_iter().map(Arc::new).collect())
        });
        let read = read.collect();
        idle().push(rereader);
        read
    }

    /// The events at `leaves` that list the wanted key, each once, by time and then id; undated ones last.
    fn listing(&self, leaves: &[u64], wanted: &Wanted) -> Result<Vec<Arc<Event>>, EvidenceError> {
        self.read_ahead(leaves)?;
        let mut events = BTreeMap::new();
        for leaf in leaves {
            for event in self.events_at(*leaf)? {
                if wanted.is_in(&event) {
                    events.insert((event.time.at.is_none(), event.time.at, event.id), event);
                }
            }
        }
        Ok(events.into_values().collect())
    }

    /// What the store knows of the events at `leaves`, most of which list the wanted key as the one who acted.
    fn acts(&self, leaves: &[u64], wanted: &Wanted) -> Result<Vec<Act>, EvidenceError> {
        // The identity's own key, under which its rows stand, may be another than the one that is asked about.
        let first = self.listing(&leaves[..leaves.len().min(1)], wanted)?;
        let actors = first.iter().map(|event| event.actor.uid.value.clone()).collect();
        let mut acts = self.store.acts(leaves, Some(&Near { actors })).map_err(failed)?;
        let found: BTreeSet<u64> = acts.iter().map(|act| act.leaf).collect();
        let missed: Vec<u64> = leaves.iter().copied().filter(|leaf| !found.contains(leaf)).collect();
        if missed.len() <= SOUGHT_MAX {
            for event in self.listing(&missed, wanted)? {
                acts.push(Act::of(self.leaf_of(event.id).unwrap_or(u64::MAX), &event));
            }
        } else {
            acts.extend(self.store.acts(&missed, None).map_err(failed)?);
        }
        Ok(acts)
    }

    /// The events of an entry that was read before.
    pub(super) fn read_before(&self, leaf: u64) -> Option<Vec<Arc<Event>>> {
        self.parsed.lock().unwrap_or_else(PoisonError::into_inner).by_leaf.get(&leaf).cloned()
    }

    /// Forgets what was read: the next question reads for itself.
    pub fn forget(&self) {
        *self.parsed.lock().unwrap_or_else(PoisonError::into_inner) = Parsed::default();
        *self.looked_up.lock().unwrap_or_else(PoisonError::into_inner) = LookedUp::default();
    }

    /// Leaf of the first sighting of an event that was read before.
    pub fn leaf_of(&self, event: EventId) -> Option<u64> {
        self.parsed.lock().unwrap_or_else(PoisonError::into_inner).leaves.get(&event).copied()
    }
}

impl Parsed {
    fn keep(&mut self, leaf: u64, events: Vec<Arc<Event>>) {
        if self.by_leaf.len() >= PARSED_MAX {
            self.by_leaf.clear();
        }
        for event in &events {
            let first = self.leaves.entry(event.id).or_insert(leaf);
            *first = leaf.min(*first);
        }
        self.by_leaf.insert(leaf, events);
    }
}

impl Evidence for OpenEvidence {
    fn events(&self, key: &KeyRef, roles: &[Role], limit: usize) -> Result<Page, EvidenceError> {
        self.note(|looked_up| {
            looked_up.values.insert(key.value.clone());
        });
        let found = self.store.leaves(key, roles, None, limit).map_err(failed)?;
        let events = self.listing(&found.leaves, &Wanted::new(key.clone(), roles))?;
        let read = found.leaves.len() as u64;
        // One entry may hold several events: only where some entries were left out does the index count for them.
        let mut total = events.len() as u64;
        if found.total > read {
            for role in roles {
                total = total.max(self.tally(key, *role)?.count);
            }
        }
        Ok(Page { events, total })
    }

    fn on_sets(&self, key: &KeyRef, role: Role, limit: usize) -> Result<Page, EvidenceError> {
        self.note(|looked_up| {
            looked_up.values.insert(key.value.clone());
            looked_up.sets.insert(key.value.clone());
        });
        let leaves_of =
            |key: &KeyRef, role| self.store.leaves(key, &[role], None, usize::MAX).map_err(failed);
        let mut leaves = leaves_of(key, role)?.leaves;
        if !leaves.is_empty() {
            let on_sets = leaves_of(&hint_key(ON_SET), Role::Name)?.leaves;
            leaves.retain(|leaf| on_sets.binary_search(leaf).is_ok());
        }
        let found = leaves.len();
        leaves.truncate(limit);
        let mut events = self.listing(&leaves, &Wanted::new(key.clone(), &[role]))?;
        events.retain(|event| is_on_sets(event));
        // One entry may hold several events: only where some entries were left out does the index count for them.
        let total = if found > leaves.len() { found } else { events.len() } as u64;
        Ok(Page { events, total })
    }

    fn alike(&self, key: &KeyRef, limit: usize) -> Result<Vec<Alike>, EvidenceError> {
        self.note(|looked_up| {
            looked_up.values.insert(key.value.clone());
        });
        let leaves = self.store.leaves(key, &[Role::Actor], None, usize::MAX).map_err(failed)?.leaves;
        let wanted = Wanted::new(key.clone(), &[Role::Actor]);
        if leaves.len() <= READ_ALL_MAX.min(limit) {
            let events = self.listing(&leaves, &wanted)?;
            let placed = events.into_iter().map(|event| (self.leaf_of(event.id).unwrap_or(u64::MAX), event));
            return Ok(alike_among(&placed.collect::<Vec<_>>(), limit));
        }
        let acts = self.acts(&leaves, &wanted)?;
        let entries = entries_to_read(&acts, limit);
        let read = self.listing(&entries.iter().copied().collect::<Vec<_>>(), &wanted)?;
        Ok(by_kind(&acts, &entries, read))
    }

    fn apart_from(
        &self,
        key: &KeyRef,
        roles: &[Role],
        apart: &[Wanted],
        limit: usize,
    ) -> Result<Vec<Arc<Event>>, EvidenceError> {
        self.note(|looked_up| {
            looked_up.values.insert(key.value.clone());
            looked_up.values.extend(apart.iter().map(|wanted| wanted.key.value.clone()));
        });
        let others: Vec<(&KeyRef, &[Role])> =
            apart.iter().map(|wanted| (&wanted.key, wanted.roles.as_slice())).collect();
        let leaves = self.store.leaves_apart(&[(key, roles)], &others, None, limit).map_err(failed)?;
        let mut events = self.listing(&leaves, &Wanted::new(key.clone(), roles))?;
        events.retain(|event| !Wanted::any_in(apart, event));
        Ok(events)
    }

    fn expect(&self, keys: &[&KeyRef], roles: &[Role]) -> Result<(), EvidenceError> {
        let mut leaves = BTreeSet::new();
        for key in keys {
            leaves.extend(self.store.leaves(key, roles, None, EXPECTED_MAX).map_err(failed)?.leaves);
        }
        self.read_ahead(&leaves.into_iter().collect::<Vec<_>>())
    }

    fn tally(&self, key: &KeyRef, role: Role) -> Result<Tally, EvidenceError> {
        self.note(|looked_up| {
            looked_up.values.insert(key.value.clone());
        });
        let tally = self.store.tally(key, role).map_err(failed)?;
        let span = tally.first.zip(tally.last).map(|(first, last)| TimeSpan { first, last });
        Ok(Tally { count: tally.count, span })
    }

    fn page(&self, wanted: &[Wanted], period: Period, limit: usize) -> Result<TimePage, EvidenceError> {
        self.note(|looked_up| looked_up.values.extend(wanted.iter().map(|one| one.key.value.clone())));
        Pages { evidence: self, wanted, period, limit }.first()
    }

    fn hinting(&self, hint: &str, limit: usize) -> Result<Vec<Arc<Event>>, EvidenceError> {
        self.note(|looked_up| looked_up.other = true);
        let found = self.store.leaves(&hint_key(hint), &[Role::Name], None, limit).map_err(failed)?;
        self.read_ahead(&found.leaves)?;
        let mut events = BTreeMap::new();
        for leaf in found.leaves {
            for event in self.events_at(leaf)? {
                if event.coverage_hints.iter().any(|said| said.kind == hint) {
                    events.insert((event.time.at.is_none(), event.time.at, event.id), event);
                }
            }
        }
        Ok(events.into_values().collect())
    }

    fn losses(&self) -> Losses {
        let mut rejects: BTreeMap<String, u64> = BTreeMap::new();
        let (mut opened, mut closed) = (0_u64, 0);
        for segment in self.store.summaries() {
            opened += segment.objects_opened;
            closed += segment.objects_closed;
            for (reason, count) in &segment.rejects {
                *rejects.entry(reason.clone()).or_default() += count;
            }
        }
        let rejects = rejects.into_iter().map(|(reason, count)| RejectTally { reason, count }).collect();
        Losses { rejects, unfinished: opened.saturating_sub(closed) }
    }

    fn silences(&self) -> Result<Vec<Silence>, EvidenceError> {
        let recorded = all_silences(&self.store, &self.reader).map_err(failed)?;
        Ok(recorded.into_iter().map(|(silence, _)| silence).collect())
    }

    fn keys_of(&self, value: &str) -> Result<Vec<(KeyRef, Vec<Role>)>, EvidenceError> {
        self.note(|looked_up| {
            looked_up.values.insert(value.to_owned());
        });
        let found = self.store.find(value).map_err(failed)?.into_iter();
        let of_events = found.filter(|found| ![NAME_KIND, HINT_KIND].contains(&found.key.kind.name()));
        Ok(of_events.map(|found| (found.key, found.roles.into_keys().collect())).collect())
    }

    fn searched(&self) -> Basis {
        searched::basis(self, &self.looked_up.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn skew(&self, from: &SourceRef, found: &SourceRef, at: Timestamp) -> Option<Skew> {
        self.clocks.skew(from, found, at)
    }

    fn scope(&self) -> Scope {
        let mut streams = BTreeSet::new();
        let mut scope = Scope::default();
        let mut span: Option<(Timestamp, Timestamp)> = None;
        for segment in self.store.summaries() {
            scope.events += segment.events.count;
            scope.undated += segment.events.undated;
            scope.rejects += segment.rejects.values().sum::<u64>();
            if let Some((first, last)) = segment.events.first.zip(segment.events.last) {
                span = Some(span.map_or((first, last), |(from, to)| (from.min(first), to.max(last))));
            }
            streams.extend(segment.streams.iter().map(|stream| stream.stream.to_string()));
        }
        scope.streams = streams.into_iter().collect();
        scope.span = span.map(|(first, last)| TimeSpan { first, last });
        scope
    }

    fn streams(&self) -> Vec<StreamSummary> {
        let mut streams: BTreeMap<&SourceRef, StreamSummary> = BTreeMap::new();
        for part in self.store.summaries().flat_map(|segment| &segment.streams) {
            let sum = streams.entry(&part.stream).or_insert_with(|| StreamSummary::empty(&part.stream));
            sum.events += part.events.count;
            sum.duplicates += part.events.repeats;
            sum.undated += part.events.undated;
            sum.first = [sum.first, part.events.first].into_iter().flatten().min();
            sum.last = [sum.last, part.events.last].into_iter().flatten().max();
        }
        streams.into_values().collect()
    }
}

impl OpenError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Workspace(error) => error.hint(),
            Self::Refused(_) => {
                "nothing was changed; compare both states, and `ascribe verify` lists what else is wrong"
            }
            Self::Rotation(error) => error.hint(),
            Self::Ledger(_) | Self::Config(_) => {
                "`ascribe verify` lists everything that is damaged or missing"
            }
            Self::Store(_) | Self::OtherParsers => {
                "the store is derived: `ascribe rebuild` makes it anew from the ledger"
            }
            Self::CatchUp(_) => {
                "check that the folder can be written, or `ascribe rebuild` the store from the ledger"
            }
        }
    }
}

/// Opens the ledger as a writer does: entries that a killed writer left without a checkpoint get one, and a ledger that
/// was put back to an older state is refused. Where somebody else writes, or nobody may, it stays as it is.
fn commit_rest(workspace: &Workspace) -> Result<(), OpenError> {
    use ascribe_ledger::OpenError as Refusal;
    let Ok(key) = workspace.signing_key() else { return Ok(()) };
    match Ledger::open(&workspace.ledger_paths(), key) {
        Ok((mut ledger, _)) => match finish_rotation(workspace, &mut ledger) {
            Err(error) if is_about_rights(&error) => Ok(()),
            outcome => outcome.map_err(|error| OpenError::Rotation(Box::new(error))),
        },
        Err(Refusal::Lock(_)) => Ok(()),
        Err(refusal) if is_about_rights(&refusal) => Ok(()),
        Err(refusal) => Err(OpenError::Refused(Box::new(refusal))),
    }
}

/// Whether the system did not let the ledger be written, which a question does not need.
fn is_about_rights(refusal: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(refusal);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return matches!(
                io.kind(),
                std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem
            );
        }
        cause = error.source();
    }
    false
}

/// The key under which the store lists a hint.
pub(super) fn hint_key(hint: &str) -> KeyRef {
    KeyRef { kind: KeyKind::new(HINT_KIND), scope: String::new(), value: hint.to_owned() }
}

pub(super) fn failed(error: impl std::error::Error + Send + Sync + 'static) -> EvidenceError {
    EvidenceError(Box::new(error))
}
