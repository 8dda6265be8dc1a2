//! How the clocks of two streams stand to each other: what is taken for granted, what pairs of records show, and what
//! the operator froze.
//!
//! A pair is one credential in two streams: it cannot be used before it is issued, and two records of one request lie
//! together. Pairs narrow the interval that is taken for granted and replace it where they contradict it. An estimate
//! is only shown; joins use what the operator froze, so that records that come later never change the grade of an edge.
//! This knows no vendor and reads no clock.

use std::collections::BTreeMap;
use std::sync::Arc;

use ascribe_model::{Event, Key, KeyRef, Role, Skew, SkewFact, SourceRef, Timestamp, Trust};

use crate::JOINS;
use crate::joins::Reach;
use crate::uncertainty::SKEW_NS;

/// Version of the rule of estimation in this file.
pub const VERSION: u32 = 1;

/// Fewer pairs than this give no estimate: one wrong join would decide it.
pub const PAIRS_MIN: u64 = 3;

/// Estimates are multiples of this many nanoseconds, so that a few more records do not change them.
pub const QUANTUM_NS: i64 = 100_000_000;

/// Records of one request lie within this many nanoseconds of each other.
const TOGETHER_NS: i64 = 2_000_000_000;

/// What is taken for granted, as an interval around zero.
const STATED_NS: i64 = SKEW_NS.cast_signed();

/// One credential in two streams.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// The record that was first, or one of two that lie together.
    pub first: Sighting,
    /// The other.
    pub second: Sighting,
    /// How the two lie.
    pub order: PairOrder,
}

/// A record's stream and moment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sighting {
    /// The stream, without its partition.
    pub stream: SourceRef,
    /// The moment that the record states; it lies up to `precision_ns` after it.
    pub at: Timestamp,
    /// Step of the record's clock, in nanoseconds.
    pub precision_ns: u64,
}

/// How two moments of a pair lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PairOrder {
    /// The first is not later than the second.
    NotLater,
    /// Both are of one request.
    Together,
}

/// What was frozen, found by streams and day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frozen {
    facts: BTreeMap<([SourceRef; 2], String), SkewFact>,
}

/// What is taken for granted of the clocks of two streams where nothing was frozen; none where there is one clock.
pub fn stated(from: &SourceRef, found: &SourceRef) -> Option<Skew> {
    let apart = clock(from) != clock(found);
    apart.then_some(Skew { offset_ns: 0, bound_ns: SKEW_NS, frozen: None })
}

/// The pairs that one credential gives: its first issue in one stream with its first use in another, and its issues in
/// two streams where a row of the table says that those are one request. Keys that a caller chose give none.
pub fn pairs(credential: &KeyRef, events: &[Arc<Event>]) -> Vec<Pair> {
    let seen_as = |roles: &[Role]| -> BTreeMap<SourceRef, Sighting> {
        let mut first: BTreeMap<SourceRef, Sighting> = BTreeMap::new();
        let is_named = |key: &Key| {
            roles.contains(&key.role) && credential.names(key) && key.trust != Trust::SelfAsserted
        };
        for event in events.iter().filter(|event| event.keys.iter().any(is_named)) {
            let Some(sighting) = Sighting::of(event) else { continue };
            let known = first.entry(sighting.stream.clone()).or_insert_with(|| sighting.clone());
            if sighting.at < known.at {
                *known = sighting;
            }
        }
        first
    };
    let (issues, uses) = (seen_as(&[Role::Issued]), seen_as(&[Role::Used, Role::Presented]));
    let together = JOINS
        .iter()
        .any(|join| join.reach == Reach::Across && join.from.matches(&credential.kind, Role::Issued));
    let mut found = Vec::new();
    for issue in issues.values() {
        for usage in uses.values().filter(|usage| usage.stream != issue.stream) {
            found.push(Pair { first: issue.clone(), second: usage.clone(), order: PairOrder::NotLater });
        }
        for other in issues.values().filter(|other| together && other.stream > issue.stream) {
            found.push(Pair { first: issue.clone(), second: other.clone(), order: PairOrder::Together });
        }
    }
    found
}

/// Estimates for each pair of streams and day of which the pairs tell more than is taken for granted, sorted. The order
/// of the pairs does not matter.
pub fn estimate(pairs: &[Pair]) -> Vec<SkewFact> {
    let mut days: BTreeMap<([SourceRef; 2], String), Bounds> = BTreeMap::new();
    for pair in pairs {
        let sorted = pair.first.stream <= pair.second.stream;
        let (left, right) = if sorted { (&pair.first, &pair.second) } else { (&pair.second, &pair.first) };
        let name = ([left.stream.clone(), right.stream.clone()], day(left.at));
        days.entry(name).or_default().add(pair, sorted);
    }
    let mut facts = Vec::new();
    for ((streams, day), bounds) in days {
        if let Some((offset_ns, bound_ns)) = bounds.interval().map(quantised) {
            facts.push(SkewFact { version: VERSION, streams, day, offset_ns, bound_ns, pairs: bounds.pairs });
        }
    }
    facts
}

impl Sighting {
    fn of(event: &Event) -> Option<Self> {
        let precision_ns = event.time.precision_ns;
        Some(Self { stream: clock(&event.source), at: event.time.at?, precision_ns })
    }
}

impl Frozen {
    /// The facts in the order in which they were frozen. Of two for one day the first counts: what was frozen stays.
    pub fn new(facts: impl IntoIterator<Item = SkewFact>) -> Self {
        let mut frozen = Self::default();
        for fact in facts {
            frozen.facts.entry((fact.streams.clone(), fact.day.clone())).or_insert(fact);
        }
        frozen
    }

    /// The facts, by streams and day.
    pub fn facts(&self) -> impl Iterator<Item = &SkewFact> {
        self.facts.values()
    }

    /// Whether something is frozen for these streams and this day.
    pub fn covers(&self, fact: &SkewFact) -> bool {
        self.facts.contains_key(&(fact.streams.clone(), fact.day.clone()))
    }

    /// What the clock of `found` shows more than that of `from` around `at`, a moment of the first: as frozen for that
    /// day, else as stated. None where one clock took both.
    pub fn skew(&self, from: &SourceRef, found: &SourceRef, at: Timestamp) -> Option<Skew> {
        let [from, found] = [clock(from), clock(found)];
        let sorted = from <= found;
        let streams = if sorted { [from.clone(), found.clone()] } else { [found.clone(), from.clone()] };
        let Some(fact) = self.facts.get(&(streams, day(at))) else { return stated(&from, &found) };
        let offset_ns = if sorted { fact.offset_ns } else { -fact.offset_ns };
        Some(Skew { offset_ns, bound_ns: fact.bound_ns, frozen: Some(fact.version) })
    }
}

/// What the pairs of one day say of the offset: the clock of the second stream less that of the first.
#[derive(Default)]
struct Bounds {
    at_least: Option<i64>,
    at_most: Option<i64>,
    pairs: u64,
}

impl Bounds {
    fn add(&mut self, pair: &Pair, sorted: bool) {
        let [first, second] = [&pair.first, &pair.second];
        let apart = second.at.nanoseconds().saturating_sub(first.at.nanoseconds());
        let room = match pair.order {
            PairOrder::NotLater => None,
            PairOrder::Together => Some(TOGETHER_NS),
        };
        // The second clock may show this much more than the first, and no more.
        let most = apart.saturating_add(signed(second.precision_ns)).saturating_add(room.unwrap_or(0));
        let least = room.map(|room| apart.saturating_sub(signed(first.precision_ns)).saturating_sub(room));
        let (least, most) =
            if sorted { (least, Some(most)) } else { (Some(-most), least.map(|least| -least)) };
        self.at_least = self.at_least.max(least);
        self.at_most = [self.at_most, most].into_iter().flatten().min();
        self.pairs += 1;
    }

    /// The interval, where it says more than what is taken for granted.
    fn interval(&self) -> Option<(i64, i64)> {
        if self.pairs < PAIRS_MIN {
            return None;
        }
        let narrowed = (
            self.at_least.unwrap_or(-STATED_NS).max(-STATED_NS),
            self.at_most.unwrap_or(STATED_NS).min(STATED_NS),
        );
        if narrowed == (-STATED_NS, STATED_NS) {
            return None;
        }
        if narrowed.0 <= narrowed.1 {
            return Some(narrowed);
        }
        // What is taken for granted is wrong, or the clock was set during the day: then the interval covers both.
        match (self.at_least, self.at_most) {
            (Some(least), Some(most)) => Some((least.min(most), least.max(most))),
            (Some(least), None) => Some((least, least.saturating_add(STATED_NS))),
            (None, Some(most)) => Some((most.saturating_sub(STATED_NS), most)),
            (None, None) => None,
        }
    }
}

/// The middle of an interval and half its width, both in whole quanta, so that the interval stays covered.
fn quantised((least, most): (i64, i64)) -> (i64, u64) {
    let middle = least / 2 + most / 2;
    let offset = (middle + QUANTUM_NS / 2).div_euclid(QUANTUM_NS) * QUANTUM_NS;
    let reach = offset.abs_diff(least).max(offset.abs_diff(most));
    let quantum = QUANTUM_NS.unsigned_abs();
    (offset, reach.div_ceil(quantum).max(1) * quantum)
}

/// The clock of a stream: the regions of an account have one.
fn clock(stream: &SourceRef) -> SourceRef {
    SourceRef { partition: None, ..stream.clone() }
}

/// `2026-08-14`.
fn day(at: Timestamp) -> String {
    at.to_string().split('T').next().unwrap_or_default().to_owned()
}

fn signed(nanoseconds: u64) -> i64 {
    i64::try_from(nanoseconds).unwrap_or(i64::MAX)
}
