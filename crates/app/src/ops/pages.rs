//! A page of events by time: the index says which entries list a key, the store when their events happened, and only the
//! entries of the page are read from the ledger.
//!
//! An entry may hold several events, of which not all list the key: only reading it tells.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ascribe_assess::{EvidenceError, Period, TimePage, Wanted};
use ascribe_model::{Event, EventId, KeyRef, Role, Timestamp};
use ascribe_store::{LASTING_SUBJECT, LeafTimes, Near};

use super::OpenEvidence;
use super::evidence::{SOUGHT_MAX, failed, hint_key};

/// Roles of a credential with which somebody acts.
const USING: [Role; 2] = [Role::Used, Role::Presented];

/// A search for the first events of a period.
pub(super) struct Pages<'p> {
    pub(super) evidence: &'p OpenEvidence,
    pub(super) wanted: &'p [Wanted],
    pub(super) period: Period,
    pub(super) limit: usize,
}

/// Entries that list a wanted key, in order.
struct Listing {
    leaves: Vec<u64>,
    /// Those of which only reading tells whether what they list is wanted.
    unsure: BTreeSet<u64>,
}

/// When the events of entries happened.
struct Times {
    known: BTreeMap<u64, LeafTimes>,
    /// Entries all of whose events that are wanted have a time behind the page.
    later: Vec<u64>,
}

/// Events by time and id.
type ByTime = BTreeMap<(Timestamp, EventId), Arc<Event>>;

impl Pages<'_> {
    /// The first page.
    pub(super) fn first(&self) -> Result<TimePage, EvidenceError> {
        let listing = self.leaves(self.span())?;
        let Times { known: times, later } = self.times(&listing)?;
        let mut dated = ByTime::new();
        let mut undated: BTreeMap<EventId, Arc<Event>> = BTreeMap::new();
        let mut page = TimePage { is_exact: true, ..TimePage::default() };
        let mut is_full = false;
        let by_start = self.by_start(&times);
        self.evidence.read_ahead(&self.surely_read(&by_start, &times))?;
        for (first, leaf) in by_start {
            is_full = is_full || self.is_full(&dated, first);
            if is_full {
                let known = times.get(&leaf).copied().unwrap_or_default();
                page.total += known.events - known.undated;
                page.is_exact &= known.events == 1 && !listing.unsure.contains(&leaf);
            } else {
                self.read(leaf, &mut dated, &mut undated)?;
            }
        }
        for (leaf, known) in times.iter().filter(|(_, known)| known.undated > 0) {
            if undated.len() < self.limit {
                self.read(*leaf, &mut ByTime::new(), &mut undated)?;
            } else {
                page.undated_total += known.undated;
            }
        }
        page.total += dated.len() as u64 + later.len() as u64;
        // Which of them are behind the end of the period is not known.
        let are_counted = self.period.until.is_none() && self.evidence.store.has_single_events(&later);
        page.is_exact &= later.is_empty() || are_counted;
        page.undated_total += undated.len() as u64;
        page.dated = dated.into_values().take(self.limit).collect();
        page.undated = undated.into_values().take(self.limit).collect();
        Ok(page)
    }

    /// Entries that list a wanted key, in order, less those of which the index tells that they are outside of `span`.
    fn leaves(&self, span: Option<(Timestamp, Timestamp)>) -> Result<Listing, EvidenceError> {
        let store = &self.evidence.store;
        let (mut leaves, mut unsure) = (BTreeSet::new(), BTreeSet::new());
        let mut names: BTreeMap<&BTreeSet<KeyRef>, Vec<(&KeyRef, &[Role])>> = BTreeMap::new();
        for wanted in self.wanted {
            if wanted.is_name() {
                names.entry(&wanted.of).or_default().push((&wanted.key, &wanted.roles));
            } else {
                let found = store.leaves(&wanted.key, &wanted.roles, span, usize::MAX);
                leaves.extend(found.map_err(failed)?.leaves);
            }
        }
        for (of, names) in names {
            // What concerns somebody by an identifier of such a kind is of another of this name, or is listed by it.
            let kinds: BTreeSet<&str> = of.iter().map(|own| own.kind.name()).collect();
            let hints: Vec<KeyRef> =
                kinds.into_iter().map(|kind| hint_key(&format!("{LASTING_SUBJECT}{kind}"))).collect();
            let apart: Vec<(&KeyRef, &[Role])> = hints.iter().map(|hint| (hint, &[Role::Name][..])).collect();
            let found = store.leaves_apart(&names, &apart, span, usize::MAX).map_err(failed)?;
            if !store.has_single_events(&found) {
                unsure.extend(found.iter().copied());
            }
            leaves.extend(found);
        }
        Ok(Listing { leaves: leaves.into_iter().collect(), unsure })
    }

    /// When the events of each entry happened that may be in the page: of those that were read before as they say, of
    /// others as the store says.
    fn times(&self, listing: &Listing) -> Result<Times, EvidenceError> {
        let mut known: BTreeMap<u64, LeafTimes> = BTreeMap::new();
        let mut open = Vec::new();
        for leaf in &listing.leaves {
            match self.evidence.read_before(*leaf) {
                Some(events) => {
                    known.insert(*leaf, events.iter().map(|event| event.time.at).collect());
                }
                None => open.push(*leaf),
            }
        }
        self.look_near(&mut open, &mut known, self.acting())?;
        let mut later = Vec::new();
        if open.len() > SOUGHT_MAX
            && let Some(full) = self.full_at(&known, &listing.unsure)
        {
            let since = self.period.since.unwrap_or(Timestamp::MIN);
            let sooner = self.leaves(Some((since, full)))?.leaves;
            (open, later) = open.into_iter().partition(|leaf| sooner.binary_search(leaf).is_ok());
        }
        if open.len() > SOUGHT_MAX {
            let actors = self.actors_at(&open)?;
            self.look_near(&mut open, &mut known, actors)?;
        }
        if open.len() > SOUGHT_MAX {
            known.extend(self.evidence.store.times(&open, self.span(), None).map_err(failed)?);
        } else {
            self.evidence.read_ahead(&open)?;
            for leaf in open {
                let events = self.evidence.events_at(leaf)?;
                known.insert(leaf, events.iter().map(|event| event.time.at).collect());
            }
        }
        Ok(Times { known, later })
    }

    /// Moves those of `open` to `known` whose rows stand where these identities acted.
    fn look_near(
        &self,
        open: &mut Vec<u64>,
        known: &mut BTreeMap<u64, LeafTimes>,
        actors: BTreeSet<String>,
    ) -> Result<(), EvidenceError> {
        known.extend(self.evidence.store.times(open, self.span(), Some(&Near { actors })).map_err(failed)?);
        open.retain(|leaf| !known.contains_key(leaf));
        Ok(())
    }

    /// Who acts with each wanted key in the first of these entries in which somebody does: mostly, a credential is used by
    /// one identity.
    fn actors_at(&self, leaves: &[u64]) -> Result<BTreeSet<String>, EvidenceError> {
        let mut firsts = BTreeSet::new();
        for wanted in self.wanted {
            let using: Vec<Role> = wanted.roles.iter().copied().filter(|role| USING.contains(role)).collect();
            let listing = self.evidence.store.leaves(&wanted.key, &using, self.span(), usize::MAX);
            let listing = listing.map_err(failed)?.leaves;
            firsts.extend(listing.into_iter().find(|leaf| leaves.binary_search(leaf).is_ok()));
        }
        let firsts: Vec<u64> = firsts.into_iter().collect();
        self.evidence.read_ahead(&firsts)?;
        let mut actors = BTreeSet::new();
        for leaf in firsts {
            actors.extend(self.evidence.events_at(leaf)?.iter().map(|event| event.actor.uid.value.clone()));
        }
        Ok(actors)
    }

    /// A moment by which the page is full, whatever else happened; `None` where that cannot be told.
    fn full_at(&self, known: &BTreeMap<u64, LeafTimes>, unsure: &BTreeSet<u64>) -> Option<Timestamp> {
        // Each of these entries has at least one event that is wanted, and it is in the period.
        let within = known.iter().filter(|(leaf, _)| !unsure.contains(leaf)).filter_map(|(_, times)| {
            let (first, last) = times.first.zip(times.last)?;
            (times.undated == 0 && self.period.holds(first) && self.period.holds(last)).then_some(last)
        });
        let mut lasts: Vec<Timestamp> = within.collect();
        lasts.sort_unstable();
        lasts.get(self.limit.checked_sub(1)?).copied()
    }

    /// Under whom in the store most of what is wanted stands: the identities that are wanted as the one who acted.
    fn acting(&self) -> BTreeSet<String> {
        let acting = self.wanted.iter().filter(|wanted| wanted.roles.contains(&Role::Actor));
        acting.map(|wanted| wanted.key.value.clone()).collect()
    }

    /// The period with both its ends; none where it bounds nothing.
    fn span(&self) -> Option<(Timestamp, Timestamp)> {
        match (self.period.since, self.period.until) {
            (None, None) => None,
            (since, until) => Some((since.unwrap_or(Timestamp::MIN), until.unwrap_or(Timestamp::MAX))),
        }
    }

    /// Entries with events in the period, by the earliest moment that one of them can have there.
    fn by_start(&self, times: &BTreeMap<u64, LeafTimes>) -> Vec<(Timestamp, u64)> {
        let mut starts: Vec<(Timestamp, u64)> = times
            .iter()
            .filter_map(|(leaf, known)| {
                let (first, last) = known.first.zip(known.last)?;
                let start = self.period.since.map_or(first, |since| since.max(first));
                self.period.touches(first, last).then_some((start, *leaf))
            })
            .collect();
        starts.sort_unstable();
        starts
    }

    /// The entries without which the page cannot be full, in the order of the ledger.
    fn surely_read(&self, by_start: &[(Timestamp, u64)], times: &BTreeMap<u64, LeafTimes>) -> Vec<u64> {
        let mut dated = 0;
        let events = |leaf: u64| times.get(&leaf).map_or(0, |known| known.events - known.undated);
        let until_full = by_start.iter().take_while(|(_, leaf)| {
            let is_wanted = dated < self.limit as u64;
            dated += events(*leaf);
            is_wanted
        });
        let mut leaves: Vec<u64> = until_full.map(|(_, leaf)| *leaf).collect();
        leaves.sort_unstable();
        leaves
    }

    /// Whether no event from `next` on can be of the page.
    fn is_full(&self, dated: &ByTime, next: Timestamp) -> bool {
        let last = self.limit.checked_sub(1).and_then(|last| dated.keys().nth(last));
        self.limit == 0 || last.is_some_and(|(at, _)| *at < next)
    }

    fn read(
        &self,
        leaf: u64,
        dated: &mut ByTime,
        undated: &mut BTreeMap<EventId, Arc<Event>>,
    ) -> Result<(), EvidenceError> {
        for event in self.evidence.events_at(leaf)? {
            if !Wanted::any_in(self.wanted, &event) {
                continue;
            }
            match event.time.at {
                Some(at) if self.period.holds(at) => {
                    dated.insert((at, event.id), event);
                }
                Some(_) => {}
                None => {
                    undated.insert(event.id, event);
                }
            }
        }
        Ok(())
    }
}
