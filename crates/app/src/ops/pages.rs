//! A page of events by time: the index says which entries list a key, the store when their events happened, and only the
//! entries of the page are read from the ledger.
//!
//! An entry may hold several events, of which not all list the key: only reading it tells.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ascribe_assess::{EvidenceError, Period, TimePage, Wanted};
use ascribe_model::{Event, EventId, Timestamp};
use ascribe_store::LeafTimes;

use super::OpenEvidence;
use super::evidence::failed;

/// A search for the first events of a period.
pub(super) struct Pages<'p> {
    pub(super) evidence: &'p OpenEvidence,
    pub(super) wanted: &'p [Wanted],
    pub(super) period: Period,
    pub(super) limit: usize,
}

/// Events by time and id.
type ByTime = BTreeMap<(Timestamp, EventId), Arc<Event>>;

impl Pages<'_> {
    /// The first page.
    pub(super) fn first(&self) -> Result<TimePage, EvidenceError> {
        let leaves = self.leaves()?;
        let times = self.evidence.store.times(&leaves, self.span()).map_err(failed)?;
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
                page.is_exact &= known.events == 1;
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
        page.total += dated.len() as u64;
        page.undated_total += undated.len() as u64;
        page.dated = dated.into_values().take(self.limit).collect();
        page.undated = undated.into_values().take(self.limit).collect();
        Ok(page)
    }

    /// Entries that list a wanted key, in order.
    fn leaves(&self) -> Result<Vec<u64>, EvidenceError> {
        let span = self.span();
        let mut leaves = BTreeSet::new();
        for wanted in self.wanted {
            let found = self.evidence.store.leaves(&wanted.key, &wanted.roles, span, usize::MAX);
            leaves.extend(found.map_err(failed)?.leaves);
        }
        Ok(leaves.into_iter().collect())
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
            if !self.wanted.iter().any(|wanted| wanted.is_in(&event)) {
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
