//! `summary.json`: what a segment holds in total, and the digest of each of its files.

use std::collections::BTreeMap;
use std::io;

use ascribe_model::{SourceRef, Timestamp};
use serde::{Deserialize, Serialize};

use crate::withheld::WithheldTotals;

/// What a segment holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentSummary {
    /// Version of the store's format.
    pub format: u32,
    /// First leaf.
    pub first: u64,
    /// First leaf that is not in the segment any more.
    pub end: u64,
    /// Captured records.
    pub records: u64,
    /// Records that say nothing that is an event. They are in no stream's total.
    pub records_without_events: u64,
    /// Records of which parts were withheld.
    pub withheld: u64,
    /// What was withheld, by source, rule, method and policy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withheld_values: Vec<WithheldTotals>,
    /// Leaf of the last capture policy that came into force here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<u64>,
    /// Length of all records, in bytes.
    pub bytes: u64,
    /// Rejects, by reason.
    pub rejects: BTreeMap<String, u64>,
    /// Length of all rejects, in bytes.
    pub reject_bytes: u64,
    /// Objects opened.
    pub objects_opened: u64,
    /// Objects closed.
    pub objects_closed: u64,
    /// Leaves whose bytes were erased.
    pub erased: u64,
    /// Other leaves of which the store keeps nothing.
    pub others: u64,
    /// Events that were first seen here, over all streams.
    pub events: EventTotals,
    /// The same for each stream, in the order of source, scope and partition.
    pub streams: Vec<StreamSummary>,
    /// The last record of each stream, by the leaf of the stream's entry.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub heard: BTreeMap<u64, StreamReceipt>,
    /// Length and digest of each file of the segment's folder but this.
    pub files: BTreeMap<String, FileSummary>,
    /// The same for each file of a partitioned table, by its path from the store's folder. Only units have such.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub partitions: BTreeMap<String, FileSummary>,
}

/// The last record of a stream in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamReceipt {
    /// Its leaf.
    pub leaf: u64,
    /// Its time of receipt.
    pub received_at: Timestamp,
}

/// What a segment holds of one stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamSummary {
    /// Which log.
    pub stream: SourceRef,
    /// Records. One whose events name several streams counts in that of its first event.
    pub records: u64,
    /// Records of which parts were withheld.
    pub withheld: u64,
    /// Length of the records, in bytes.
    pub bytes: u64,
    /// Events.
    pub events: EventTotals,
}

/// How far apart the moments of copies may be that several devices write of one event: they have one id, because each has
/// the moment at which its device wrote it. Devices are written one after the other while the request waits.
const COPIED_WITHIN_NS: i64 = 60 * 1_000_000_000;

/// How many events, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventTotals {
    /// Events at their first sighting.
    pub count: u64,
    /// Further deliveries of events that were seen before.
    pub repeats: u64,
    /// How many of `count` have no time.
    pub undated: u64,
    /// Earliest time among `count`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Timestamp>,
    /// Latest time among `count`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
}

/// Length and digest of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSummary {
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 in hexadecimal digits.
    pub sha256: String,
}

impl SegmentSummary {
    /// The file: one line of JSON.
    pub(crate) fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// What neighbouring segments hold together, but for files, which the new segment has of its own, and what was
    /// withheld.
    pub(crate) fn sum<'a>(parts: impl Iterator<Item = &'a Self>) -> Self {
        let mut sum = Self::default();
        let mut totals: BTreeMap<&SourceRef, StreamSummary> = BTreeMap::new();
        for (part, number) in parts.zip(0..) {
            // Every field by name, so that none is forgotten here when it comes to be.
            let Self {
                format,
                first,
                end,
                records,
                records_without_events,
                withheld,
                withheld_values: _,
                policy,
                bytes,
                rejects,
                reject_bytes,
                objects_opened,
                objects_closed,
                erased,
                others,
                events,
                streams,
                heard,
                files: _,
                partitions: _,
            } = part;
            if number == 0 {
                (sum.format, sum.first) = (*format, *first);
            }
            sum.end = *end;
            sum.records += records;
            sum.records_without_events += records_without_events;
            sum.withheld += withheld;
            sum.policy = policy.or(sum.policy);
            sum.bytes += bytes;
            sum.reject_bytes += reject_bytes;
            sum.objects_opened += objects_opened;
            sum.objects_closed += objects_closed;
            sum.erased += erased;
            sum.others += others;
            sum.events.merge(events);
            // Later parts hold later leaves.
            sum.heard.extend(heard);
            for (reason, count) in rejects {
                *sum.rejects.entry(reason.clone()).or_default() += count;
            }
            for stream in streams {
                let known = totals.entry(&stream.stream);
                known.and_modify(|sum| sum.merge(stream)).or_insert_with(|| stream.clone());
            }
        }
        sum.streams = totals.into_values().collect();
        sum
    }
}

impl StreamSummary {
    fn merge(&mut self, other: &Self) {
        self.records += other.records;
        self.withheld += other.withheld;
        self.bytes += other.bytes;
        self.events.merge(&other.events);
    }
}

impl EventTotals {
    /// Counts an event at its first sighting.
    pub(crate) fn add(&mut self, time: Option<Timestamp>) {
        self.count += 1;
        match time {
            None => self.undated += 1,
            Some(time) => {
                self.first = Some(self.first.map_or(time, |first| first.min(time)));
                self.last = Some(self.last.map_or(time, |last| last.max(time)));
            }
        }
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.repeats += other.repeats;
        self.undated += other.undated;
        // `None` is below every moment, so the earliest needs care and the latest does not.
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.last = self.last.max(other.last);
    }

    /// Whether an event at `time`, or a copy of it, may be among those counted.
    pub(crate) fn may_hold(&self, time: Option<Timestamp>) -> bool {
        match (time, self.first, self.last) {
            (None, ..) => self.undated > 0,
            (Some(time), Some(first), Some(last)) => {
                let from = first.plus_nanoseconds(-COPIED_WITHIN_NS);
                from <= time && time <= last.plus_nanoseconds(COPIED_WITHIN_NS)
            }
            (Some(_), ..) => false,
        }
    }

    /// Whether an event in the window, or one without a time, may be among those counted.
    pub(crate) fn may_touch(&self, (start, end): (Timestamp, Timestamp)) -> bool {
        self.undated > 0
            || matches!((self.first, self.last), (Some(first), Some(last)) if first <= end && start <= last)
    }
}
