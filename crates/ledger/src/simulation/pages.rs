//! One file of a simulated disk: what reading gives now, and what is on the platter.
//!
//! A write changes the cache. Until a sync succeeds, each granule of the file (a sector or a page) may be on the
//! platter as it was after any of the writes since, or as before them, independently of the others; so may the length.
//! A sync that fails may leave any of that, and counts everything as written: a later sync does not try again.

use std::ops::Range;

use super::random::Random;

/// What a loss of power leaves of changes that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survival {
    /// None of them.
    Nothing,
    /// All of them: the system was shut down in order.
    Everything,
    /// Each by chance.
    Some {
        /// Bytes that reach the platter all together or not at all.
        granule: usize,
        /// How likely a change is to have reached it, in 100.
        percent: u64,
    },
}

/// The bytes of a file in the cache and on the platter.
#[derive(Debug, Clone, Default)]
pub(super) struct Pages {
    /// What reading gives.
    live: Vec<u8>,
    /// What is surely on the platter.
    platter: Vec<u8>,
    /// States of the cache since the last sync, each with the bytes that it changed.
    changes: Vec<Change>,
}

#[derive(Debug, Clone)]
struct Change {
    range: Range<usize>,
    after: Vec<u8>,
}

impl Pages {
    /// A file whose bytes are on the platter.
    pub(super) fn durable(bytes: &[u8]) -> Self {
        Self { live: bytes.to_vec(), platter: bytes.to_vec(), changes: Vec::new() }
    }

    pub(super) fn live(&self) -> &[u8] {
        &self.live
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        let start = self.live.len();
        self.live.extend_from_slice(bytes);
        self.changed(start..self.live.len());
    }

    pub(super) fn set_length(&mut self, length: usize) {
        let before = self.live.len();
        self.live.resize(length, 0);
        self.changed(length.min(before)..length.max(before));
    }

    fn changed(&mut self, range: Range<usize>) {
        if !range.is_empty() {
            self.changes.push(Change { range, after: self.live.clone() });
        }
    }

    /// Whether anything waits for a sync.
    pub(super) fn is_dirty(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Makes what was changed durable. What an earlier failed sync lost stays lost.
    pub(super) fn sync(&mut self) {
        let mut never = Random::new(0);
        self.platter = self.settled(Survival::Everything, &mut never);
        self.changes.clear();
    }

    /// A sync that fails: some of the changes are on the platter, and all of them count as written.
    pub(super) fn fail_sync(&mut self, survival: Survival, random: &mut Random) {
        self.platter = self.settled(survival, random);
        self.changes.clear();
    }

    /// What is there once power is back.
    pub(super) fn lose_power(&mut self, survival: Survival, random: &mut Random) {
        self.fail_sync(survival, random);
        self.live.clone_from(&self.platter);
    }

    fn settled(&self, survival: Survival, random: &mut Random) -> Vec<u8> {
        let (granule, percent) = match survival {
            Survival::Nothing => return self.platter.clone(),
            Survival::Everything => (1, 100),
            Survival::Some { granule, percent } => (granule.max(1), percent),
        };
        let Some(last) = self.changes.last() else { return self.platter.clone() };
        if survival == Survival::Everything {
            let mut settled = self.platter.clone();
            settled.resize(last.after.len(), 0);
            for change in &self.changes {
                let range = change.range.start.min(settled.len())..change.range.end.min(settled.len());
                settled[range.clone()].copy_from_slice(&last.after[range]);
            }
            return settled;
        }
        let mut settled = self.platter.clone();
        settled.resize(self.settled_length(granule, percent, random), 0);
        let starts = self.changes.iter().map(|change| change.range.start);
        let ends = self.changes.iter().map(|change| change.range.end);
        let touched = starts.min().unwrap_or(0)..ends.max().unwrap_or(0);
        let first = touched.start - touched.start % granule;
        for start in (first..touched.end.min(settled.len())).step_by(granule) {
            let granule = start..(start + granule).min(settled.len());
            let versions: Vec<&Change> =
                self.changes.iter().filter(|change| overlap(&change.range, &granule)).collect();
            if let Some(version) = random.choose(&versions)
                && random.chance(percent, 100)
            {
                let known = granule.start.min(version.after.len())..granule.end.min(version.after.len());
                settled[granule.start..granule.start + known.len()].copy_from_slice(&version.after[known]);
            }
        }
        settled
    }

    /// A length that the file had, or one on the way between two.
    fn settled_length(&self, granule: usize, percent: u64, random: &mut Random) -> usize {
        if !random.chance(percent, 100) {
            return self.platter.len();
        }
        let lengths: Vec<usize> = self.changes.iter().map(|change| change.after.len()).collect();
        let length = random.choose(&lengths).copied().unwrap_or(self.platter.len());
        let shorter = length - length % granule;
        if shorter > self.platter.len() && random.chance(1, 3) {
            // Extended granule by granule, and not up to the end.
            let granules = (shorter - self.platter.len()).div_ceil(granule);
            return shorter - random.position(granules) * granule;
        }
        length
    }
}

fn overlap(left: &Range<usize>, right: &Range<usize>) -> bool {
    left.start < right.end && right.start < left.end
}
