//! What reasoning may ask of the evidence: events by key, and counts.
//!
//! The trait hides where events lie. [`Recorded`] serves events that are already in memory: those of a bundle, or of
//! a test.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ascribe_model::{
    Basis, Event, EventId, KeyRef, RejectTally, Role, Scope, Skew, SourceRef, StreamSummary, TimeSpan,
    Timestamp,
};

use crate::alike::{Alike, alike_among};
use crate::identity::lasting;
use crate::skew::Frozen;

/// The evidence could not be read. Nothing can be concluded from that.
#[derive(Debug)]
pub struct EvidenceError(pub Box<dyn std::error::Error + Send + Sync>);

/// Events found by a key.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The events, by time and then id; undated ones last.
    pub events: Vec<Arc<Event>>,
    /// How many there are in all; larger than `events.len()` where a limit cut them.
    pub total: u64,
}

/// How often a key was seen in a role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Number of events.
    pub count: u64,
    /// First and last event time, where any of them states one.
    pub span: Option<TimeSpan>,
}

/// A key, and the roles in which events have to list it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The key.
    pub key: KeyRef,
    /// The roles, any of which is enough.
    pub roles: Vec<Role>,
    /// Lasting identifiers of the identity whose name the key is: an event that says by such an identifier that it concerns
    /// another is not wanted. Empty where the key is no name that others may have too.
    pub of: BTreeSet<KeyRef>,
}

/// A part of time; both ends are included, and a missing one bounds nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Period {
    /// Its start.
    pub since: Option<Timestamp>,
    /// Its end.
    pub until: Option<Timestamp>,
}

/// The first events of a period, by time.
#[derive(Clone, Debug, Default)]
pub struct TimePage {
    /// Events with a time in the period, by time and then id.
    pub dated: Vec<Arc<Event>>,
    /// Events without a time, by id. No period can include or exclude them.
    pub undated: Vec<Arc<Event>>,
    /// How many events have a time in the period, in the page or not.
    pub total: u64,
    /// Whether `total` counts each event; otherwise it is the most that there can be.
    pub is_exact: bool,
    /// How many events have no time, in the page or not.
    pub undated_total: u64,
}

/// What was delivered and cannot be read as events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Rejects by reason, sorted.
    pub rejects: Vec<RejectTally>,
    /// Inputs whose reading did not reach their end.
    pub unfinished: u64,
}

/// That nothing of a stream was received for longer than it may be silent, as the ledger recorded it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// The stream.
    pub stream: SourceRef,
    /// Time of receipt of the last record before.
    pub from: Timestamp,
    /// Time of receipt of the first record behind it; absent where none is recorded.
    pub until: Option<Timestamp>,
    /// How long the stream may be silent, in nanoseconds.
    pub after_ns: u64,
    /// Whether the clock that told the times jumped in between.
    pub jumped: bool,
    /// The entry that says so: `sha256:` and the digest of its captured bytes.
    pub entry: String,
}

/// Finds events by key.
pub trait Evidence {
    /// Up to `limit` events that list `key` in one of `roles`, each event once.
    ///
    /// # Errors
    /// When the evidence cannot be read.
    fn events(&self, key: &KeyRef, roles: &[Role], limit: usize) -> Result<Page, EvidenceError>;

    /// Up to `limit` events that list `key` in `role` and do something to credentials that they describe instead of naming
    /// one: see [`ascribe_model::Effect::is_on_set`]. They are few among the events of a key.
    ///
    /// # Errors
    /// When the evidence cannot be read.
    fn on_sets(&self, key: &KeyRef, role: Role, limit: usize) -> Result<Page, EvidenceError>;

    /// Events that list `key` as the one who acted: those together that are alike in who acted and with what, in the order
    /// of their first entries. Of many that are alike some are read ([`crate::entries_to_read`]), at
    /// most `limit` entries in all, and the others counted.
    ///
    /// # Errors
    /// When the evidence cannot be read.
    fn alike(&self, key: &KeyRef, limit: usize) -> Result<Vec<Alike>, EvidenceError>;

    /// Events that list `key` in one of `roles`, less those that list what is in `apart`: of the first `limit` entries that
    /// may hold any.
    ///
    /// # Errors
    /// When the evidence cannot be read.
    fn apart_from(
        &self,
        key: &KeyRef,
        roles: &[Role],
        apart: &[Wanted],
        limit: usize,
    ) -> Result<Vec<Arc<Event>>, EvidenceError>;

    /// Says that the events that list any of `keys` in one of `roles` are going to be asked for, key by key: whoever can
    /// read them together may do so now.
    ///
    /// # Errors
    /// When the evidence cannot be read.
    fn expect(&self, _keys: &[&KeyRef], _roles: &[Role]) -> Result<(), EvidenceError> {
        Ok(())
    }

    /// How many events list `key` in `role`, without reading them.
    ///
    /// # Errors
    /// When the evidence cannot be read.
    fn tally(&self, key: &KeyRef, role: Role) -> Result<Tally, EvidenceError>;

    /// The first `limit` events by time, in `period`, that list any of the wanted keys, each event once; and up to
    /// `limit` that state no time.
    ///
    /// # Errors
    /// When the evidence cannot be read.
    fn page(&self, wanted: &[Wanted], period: Period, limit: usize) -> Result<TimePage, EvidenceError>;

    /// Up to `limit` events that state a hint of this kind about visibility, such as `recording_stopped`, by time.
    ///
    /// # Errors
    /// When the evidence cannot be read.
    fn hinting(&self, hint: &str, limit: usize) -> Result<Vec<Arc<Event>>, EvidenceError>;

    /// Every key of any kind and scope with exactly this value, and the roles in which events list it, sorted.
    ///
    /// # Errors
    /// When the evidence cannot be read.
    fn keys_of(&self, value: &str) -> Result<Vec<(KeyRef, Vec<Role>)>, EvidenceError>;

    /// What is being searched.
    fn scope(&self) -> Scope;

    /// What the clock of `found` shows more than that of `from` around `at`, a moment of the first; none where one clock
    /// took both. What the operator froze for that day, else what is stated and measured by nobody.
    fn skew(&self, from: &SourceRef, found: &SourceRef, at: Timestamp) -> Option<Skew> {
        Frozen::default().skew(from, found, at)
    }

    /// What each stream holds and what is known of its completeness, sorted.
    fn streams(&self) -> Vec<StreamSummary>;

    /// What was delivered and cannot be read as events.
    fn losses(&self) -> Losses;

    /// The silences of streams that were recorded, by stream and then time; none where nobody records any.
    ///
    /// # Errors
    /// When the evidence cannot be read.
    fn silences(&self) -> Result<Vec<Silence>, EvidenceError> {
        Ok(Vec::new())
    }

    /// On what it rests that the look-ups so far saw every entry that has what was looked up: on somebody's word, unless
    /// completeness indexes prove it.
    fn searched(&self) -> Basis {
        Basis::Asserted
    }
}

/// Evidence held in memory.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    events: BTreeMap<EventId, Arc<Event>>,
    scope: Scope,
    clocks: Frozen,
    silences: Vec<Silence>,
}

impl Recorded {
    /// Evidence of `events`, searched as `scope`. An event given twice counts once.
    pub fn new(events: impl IntoIterator<Item = Event>, scope: Scope) -> Self {
        Self {
            events: events.into_iter().map(|event| (event.id, Arc::new(event))).collect(),
            scope,
            clocks: Frozen::default(),
            silences: Vec::new(),
        }
    }

    /// The same evidence, with what the operator froze of the clocks.
    #[must_use]
    pub fn with_clocks(self, clocks: Frozen) -> Self {
        Self { clocks, ..self }
    }

    /// The same evidence, with silences of streams that were recorded.
    #[must_use]
    pub fn with_silences(self, silences: Vec<Silence>) -> Self {
        Self { silences, ..self }
    }
}

impl Evidence for Recorded {
    fn events(&self, key: &KeyRef, roles: &[Role], limit: usize) -> Result<Page, EvidenceError> {
        let mut events: Vec<Arc<Event>> = self
            .events
            .values()
            .filter(|event| event.keys.iter().any(|listed| roles.contains(&listed.role) && key.names(listed)))
            .cloned()
            .collect();
        let total = events.len() as u64;
        sort_by_time(&mut events);
        events.truncate(limit);
        Ok(Page { events, total })
    }

    fn on_sets(&self, key: &KeyRef, role: Role, limit: usize) -> Result<Page, EvidenceError> {
        let mut events = self.events(key, &[role], usize::MAX)?.events;
        events.retain(|event| is_on_sets(event));
        let total = events.len() as u64;
        events.truncate(limit);
        Ok(Page { events, total })
    }

    fn alike(&self, key: &KeyRef, limit: usize) -> Result<Vec<Alike>, EvidenceError> {
        let events = self.events(key, &[Role::Actor], usize::MAX)?.events;
        Ok(alike_among(&(0..).zip(events).collect::<Vec<_>>(), limit))
    }

    fn apart_from(
        &self,
        key: &KeyRef,
        roles: &[Role],
        apart: &[Wanted],
        limit: usize,
    ) -> Result<Vec<Arc<Event>>, EvidenceError> {
        let mut events = self.events(key, roles, usize::MAX)?.events;
        events.retain(|event| !Wanted::any_in(apart, event));
        events.truncate(limit);
        Ok(events)
    }

    fn tally(&self, key: &KeyRef, role: Role) -> Result<Tally, EvidenceError> {
        let page = self.events(key, &[role], usize::MAX)?;
        Ok(Tally { count: page.total, span: span_of(&page.events) })
    }

    fn page(&self, wanted: &[Wanted], period: Period, limit: usize) -> Result<TimePage, EvidenceError> {
        Ok(TimePage::of(self.events.values(), wanted, period, limit))
    }

    fn hinting(&self, hint: &str, limit: usize) -> Result<Vec<Arc<Event>>, EvidenceError> {
        Ok(hinting_in(self.events.values(), hint, limit))
    }

    fn losses(&self) -> Losses {
        Losses::default()
    }

    fn silences(&self) -> Result<Vec<Silence>, EvidenceError> {
        Ok(self.silences.clone())
    }

    fn keys_of(&self, value: &str) -> Result<Vec<(KeyRef, Vec<Role>)>, EvidenceError> {
        let mut found: BTreeMap<KeyRef, BTreeSet<Role>> = BTreeMap::new();
        for key in self.events.values().flat_map(|event| &event.keys).filter(|key| key.value == value) {
            found.entry(key.to_ref()).or_default().insert(key.role);
        }
        Ok(found.into_iter().map(|(key, roles)| (key, roles.into_iter().collect())).collect())
    }

    fn scope(&self) -> Scope {
        self.scope.clone()
    }

    fn skew(&self, from: &SourceRef, found: &SourceRef, at: Timestamp) -> Option<Skew> {
        self.clocks.skew(from, found, at)
    }

    fn streams(&self) -> Vec<StreamSummary> {
        let mut streams: BTreeMap<&SourceRef, StreamSummary> = BTreeMap::new();
        for event in self.events.values() {
            let stream = streams.entry(&event.source).or_insert_with(|| StreamSummary::empty(&event.source));
            stream.events += 1;
            stream.undated += u64::from(event.time.at.is_none());
            stream.first = [stream.first, event.time.at].into_iter().flatten().min();
            stream.last = [stream.last, event.time.at].into_iter().flatten().max();
        }
        streams.into_values().collect()
    }
}

impl TimePage {
    /// The page of `events`, which are all there are.
    pub fn of<'e>(
        events: impl Iterator<Item = &'e Arc<Event>>,
        wanted: &[Wanted],
        period: Period,
        limit: usize,
    ) -> Self {
        let listing = events.filter(|event| Wanted::any_in(wanted, event));
        let (mut dated, mut undated): (Vec<Arc<Event>>, Vec<Arc<Event>>) =
            listing.cloned().partition(|event| event.time.at.is_some());
        dated.retain(|event| event.time.at.is_some_and(|at| period.holds(at)));
        sort_by_time(&mut dated);
        sort_by_time(&mut undated);
        let (total, undated_total) = (dated.len() as u64, undated.len() as u64);
        dated.truncate(limit);
        undated.truncate(limit);
        Self { dated, undated, total, is_exact: true, undated_total }
    }
}

/// Whether an event does something to credentials that it describes instead of naming one.
pub fn is_on_sets(event: &Event) -> bool {
    event.effects.iter().any(ascribe_model::Effect::is_on_set)
}

/// Up to `limit` of `events` that state a hint of this kind about visibility, by time.
pub fn hinting_in<'e>(
    events: impl Iterator<Item = &'e Arc<Event>>,
    hint: &str,
    limit: usize,
) -> Vec<Arc<Event>> {
    let says_so = |event: &&Arc<Event>| event.coverage_hints.iter().any(|said| said.kind == hint);
    let mut events: Vec<Arc<Event>> = events.filter(says_so).cloned().collect();
    sort_by_time(&mut events);
    events.truncate(limit);
    events
}

impl Wanted {
    /// The key in any of the roles.
    pub fn new(key: KeyRef, roles: &[Role]) -> Self {
        Self { key, roles: roles.to_vec(), of: BTreeSet::new() }
    }

    /// Whether the event lists the key in one of the roles, and does not concern another of the same name.
    pub fn is_in(&self, event: &Event) -> bool {
        event.keys.iter().any(|listed| self.roles.contains(&listed.role) && self.key.names(listed))
            && !(self.is_name() && self.is_of_another(event))
    }

    /// Whether any of these is in the event.
    pub fn any_in(wanted: &[Self], event: &Event) -> bool {
        wanted.iter().any(|wanted| wanted.is_in(event))
    }

    /// Whether others may have the key too.
    pub fn is_name(&self) -> bool {
        !self.of.is_empty()
    }

    /// Whether the event names its subject by a lasting identifier that is not this identity's.
    fn is_of_another(&self, event: &Event) -> bool {
        let subjects = [Role::Subject, Role::Behalf].into_iter().flat_map(|role| lasting(event, role));
        let named: BTreeSet<KeyRef> = subjects.collect();
        let comparable = named.iter().any(|name| self.of.iter().any(|own| own.kind == name.kind));
        comparable && named.is_disjoint(&self.of)
    }
}

impl Period {
    /// Whether the moment lies in it.
    pub fn holds(&self, at: Timestamp) -> bool {
        self.since.is_none_or(|since| since <= at) && self.until.is_none_or(|until| at <= until)
    }

    /// Whether anything between two moments lies in it.
    pub fn touches(&self, first: Timestamp, last: Timestamp) -> bool {
        self.since.is_none_or(|since| since <= last) && self.until.is_none_or(|until| first <= until)
    }
}

/// Puts events in the order in which answers list them: by time, undated last, then by id.
pub(crate) fn sort_by_time(events: &mut [Arc<Event>]) {
    events.sort_by_key(|event| (event.time.at.is_none(), event.time.at, event.id));
}

/// First and last moment that the events state.
pub(crate) fn span_of(events: &[Arc<Event>]) -> Option<TimeSpan> {
    let first = events.iter().filter_map(|event| event.time.at).min()?;
    let last = events.iter().filter_map(|event| event.time.at).max()?;
    Some(TimeSpan { first, last })
}

impl Tally {
    /// The two counts together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let span = [self.span, other.span].into_iter().flatten().reduce(TimeSpan::joined);
        Self { count: self.count + other.count, span }
    }
}

impl std::fmt::Display for EvidenceError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the evidence could not be read")
    }
}

impl std::error::Error for EvidenceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}
