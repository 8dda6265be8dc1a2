//! The events of a bundle as evidence for an answer: found by key, as the ledger they come from would find them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ascribe_assess::skew::Frozen;
use ascribe_assess::{
    Alike, Evidence, EvidenceError, Losses, Page, Period, Tally, TimePage, Wanted, alike_among, hinting_in,
    is_on_sets,
};
use ascribe_model::{
    Event, EventId, KeyRef, Role, Scope, Skew, SourceRef, StreamSummary, TimeSpan, Timestamp,
};

use crate::format::AnswerPremises;

/// Events that were derived from bundled records.
#[derive(Debug, Default)]
pub struct BundledEvidence {
    events: BTreeMap<EventId, Arc<Event>>,
    /// Events by the keys that they list.
    by_key: BTreeMap<KeyRef, BTreeSet<EventId>>,
    /// Keys by their values.
    by_value: BTreeMap<String, BTreeSet<KeyRef>>,
    /// Entries in which each event was met.
    leaves: BTreeSet<(EventId, u64)>,
    scope: Scope,
    streams: Vec<StreamSummary>,
    clocks: Frozen,
}

impl BundledEvidence {
    /// Adds an event of the entry at `leaf`. An event that is met again counts once.
    pub fn add(&mut self, leaf: u64, event: Event) {
        self.leaves.insert((event.id, leaf));
        for key in &event.keys {
            self.by_key.entry(key.to_ref()).or_default().insert(event.id);
            self.by_value.entry(key.value.clone()).or_default().insert(key.to_ref());
        }
        self.events.entry(event.id).or_insert_with(|| Arc::new(event));
    }

    /// Takes the exporter's word for what was searched: what a ledger holds cannot be told from some of its entries.
    pub fn search_in(&mut self, scope: Scope, premises: &AnswerPremises) {
        self.scope = scope;
        self.streams.clone_from(&premises.streams);
        self.clocks = Frozen::new(premises.clocks.iter().cloned());
    }

    /// An event by its id.
    pub fn event(&self, id: EventId) -> Option<&Arc<Event>> {
        self.events.get(&id)
    }

    /// Every event, by id.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Event>> {
        self.events.values()
    }

    /// The first entry in which an event was met.
    fn leaf_of(&self, id: EventId) -> u64 {
        let met = self.leaves.range((id, 0)..).next();
        met.filter(|(met, _)| *met == id).map_or(u64::MAX, |(_, leaf)| *leaf)
    }

    /// Events that list `key` in one of `roles` and that `is_wanted` accepts.
    fn listing(
        &self,
        key: &KeyRef,
        roles: &[Role],
        is_wanted: &dyn Fn(&Event) -> bool,
        limit: usize,
    ) -> Page {
        let found = self.by_key.get(key).into_iter().flatten().filter_map(|id| self.events.get(id));
        let lists =
            |event: &Event| event.keys.iter().any(|listed| roles.contains(&listed.role) && key.names(listed));
        let mut events: Vec<(u64, Arc<Event>)> = found
            .filter(|event| lists(event) && is_wanted(event))
            .map(|event| (self.leaf_of(event.id), Arc::clone(event)))
            .collect();
        let total = events.len() as u64;
        // Where a limit cuts, the ledger gives what its first entries hold: so must they, or other events are read here.
        let leaves: BTreeSet<u64> = events.iter().map(|(leaf, _)| *leaf).collect();
        if let Some(&beyond) = leaves.iter().nth(limit) {
            events.retain(|(leaf, _)| *leaf < beyond);
        }
        let mut events: Vec<Arc<Event>> = events.into_iter().map(|(_, event)| event).collect();
        events.sort_by_key(|event| (event.time.at.is_none(), event.time.at, event.id));
        Page { events, total }
    }

    /// Whether the entry at `leaf` holds the event.
    pub fn holds(&self, id: EventId, leaf: u64) -> bool {
        self.leaves.contains(&(id, leaf))
    }
}

impl Evidence for BundledEvidence {
    fn events(&self, key: &KeyRef, roles: &[Role], limit: usize) -> Result<Page, EvidenceError> {
        Ok(self.listing(key, roles, &|_| true, limit))
    }

    fn on_sets(&self, key: &KeyRef, role: Role, limit: usize) -> Result<Page, EvidenceError> {
        Ok(self.listing(key, &[role], &is_on_sets, limit))
    }

    fn alike(&self, key: &KeyRef, limit: usize) -> Result<Vec<Alike>, EvidenceError> {
        let events = self.listing(key, &[Role::Actor], &|_| true, usize::MAX).events;
        let placed: Vec<_> = events.into_iter().map(|event| (self.leaf_of(event.id), event)).collect();
        Ok(alike_among(&placed, limit))
    }

    fn apart_from(
        &self,
        key: &KeyRef,
        roles: &[Role],
        apart: &[Wanted],
        limit: usize,
    ) -> Result<Vec<Arc<Event>>, EvidenceError> {
        Ok(self.listing(key, roles, &|event| !Wanted::any_in(apart, event), limit).events)
    }

    fn tally(&self, key: &KeyRef, role: Role) -> Result<Tally, EvidenceError> {
        let page = self.events(key, &[role], usize::MAX)?;
        let times = || page.events.iter().filter_map(|event| event.time.at);
        let span = times().min().zip(times().max()).map(|(first, last)| TimeSpan { first, last });
        Ok(Tally { count: page.total, span })
    }

    fn page(&self, wanted: &[Wanted], period: Period, limit: usize) -> Result<TimePage, EvidenceError> {
        let ids: BTreeSet<&EventId> =
            wanted.iter().filter_map(|wanted| self.by_key.get(&wanted.key)).flatten().collect();
        let events = ids.into_iter().filter_map(|id| self.events.get(id));
        Ok(TimePage::of(events, wanted, period, limit))
    }

    fn hinting(&self, hint: &str, limit: usize) -> Result<Vec<Arc<Event>>, EvidenceError> {
        Ok(hinting_in(self.events.values(), hint, limit))
    }

    /// None: what a ledger could not read is not in a bundle of its records.
    fn losses(&self) -> Losses {
        Losses::default()
    }

    fn keys_of(&self, value: &str) -> Result<Vec<(KeyRef, Vec<Role>)>, EvidenceError> {
        let mut found: BTreeMap<KeyRef, BTreeSet<Role>> = BTreeMap::new();
        for key in self.by_value.get(value).into_iter().flatten() {
            let events = self.by_key.get(key).into_iter().flatten().filter_map(|id| self.events.get(id));
            let listed = events.flat_map(|event| &event.keys).filter(|listed| key.names(listed));
            found.entry(key.clone()).or_default().extend(listed.map(|listed| listed.role));
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
        self.streams.clone()
    }
}
