//! Sums over a segment: events per stream and hour, uses per credential, workload and hour, totals per stream.
//!
//! Hash tables here are only asked; what comes out is sorted.

use std::collections::BTreeMap;
use std::hash::Hash;

use ascribe_model::{Role, SourceRef, Timestamp};
use hashbrown::HashMap;

use crate::cell::Columns;
use crate::entry::Record;
use crate::error::WriteError;
use crate::intern::{Keys, Order};
use crate::outline::Outline;
use crate::summary::{EventTotals, StreamSummary};
use crate::table_file::TableWriter;
use crate::tables::{CoverageColumns, CoverageRow, EventRow, SightingColumns, SightingRow};

const HOUR_NS: i64 = 3_600 * 1_000_000_000;

/// State of coverage until something proves more.
pub(crate) const UNKNOWN: &str = "unknown";

/// Sums over a segment.
#[derive(Default)]
pub(crate) struct Sums {
    numbers: BTreeMap<SourceRef, usize>,
    streams: Vec<StreamSummary>,
    /// Number of the stream asked for last: neighbours mostly share it.
    recent: usize,
    coverage: Counted<(usize, Option<Timestamp>)>,
    sightings: Counted<(u32, Option<u32>, Option<Timestamp>)>,
}

impl Sums {
    /// Counts a record in the stream of its first event.
    pub(crate) fn add_record(&mut self, record: &Record<'_>, first: &Outline<'_>) {
        let number = self.number(first);
        let stream = &mut self.streams[number];
        stream.records += 1;
        stream.withheld += u64::from(record.withheld);
        stream.bytes += record.span_length;
    }

    /// Counts a further delivery of an event.
    pub(crate) fn add_repeat(&mut self, event: &Outline<'_>) {
        let number = self.number(event);
        self.streams[number].events.repeats += 1;
    }

    /// Counts an event at its first sighting. `numbers` are those of its keys, in its order.
    pub(crate) fn add(&mut self, event: &Outline<'_>, numbers: &[u32], keys: &mut Keys) {
        let time = event.row.time;
        let hour = time.map(hour_of);
        let number = self.number(event);
        self.streams[number].events.add(time);
        self.coverage.add((number, hour), time);
        let Some(credential) = event.row.credential else { return };
        let listed = event.credential.and_then(|place| numbers.get(place as usize).copied());
        let credential = listed.unwrap_or_else(|| {
            let kind = event.row.credential_kind.unwrap_or_default();
            keys.intern(kind, event.row.credential_scope.unwrap_or_default(), credential)
        });
        let mut has_workload = false;
        for (key, &workload) in event.keys().zip(numbers) {
            if key.role == Role::Workload {
                self.sightings.add((credential, Some(workload), hour), time);
                has_workload = true;
            }
        }
        if !has_workload {
            self.sightings.add((credential, None, hour), time);
        }
    }

    /// Writes the sums as rows, and gives the totals of each stream.
    pub(crate) fn finish(
        self,
        keys: &Keys,
        order: &Order,
        coverage: &mut TableWriter<CoverageColumns>,
        sightings: &mut TableWriter<SightingColumns>,
    ) -> Result<Vec<StreamSummary>, WriteError> {
        let mut sums = self.coverage.totals;
        sums.sort_by(|(a, _), (b, _)| {
            (&self.streams[a.0].stream, a.1).cmp(&(&self.streams[b.0].stream, b.1))
        });
        for ((number, hour), totals) in sums {
            let stream = &self.streams[number].stream;
            let row = CoverageRow {
                source: &stream.kind,
                scope: &stream.scope,
                partition: stream.partition.as_deref(),
                hour,
                events: totals.count,
                state: UNKNOWN,
            };
            coverage.push(row)?;
        }
        let mut sums = self.sightings.totals;
        let place = |key: u32| order.places[key as usize];
        sums.sort_unstable_by_key(|((credential, workload, hour), _)| {
            (place(*credential), workload.map(place), *hour)
        });
        for ((credential, workload, hour), totals) in sums {
            sightings.push(sighting_row(
                keys.names(credential),
                workload.map(|workload| keys.names(workload)),
                (hour, totals),
            ))?;
        }
        let mut streams = self.streams;
        streams.sort_by(|a, b| a.stream.cmp(&b.stream));
        Ok(streams)
    }

    fn number(&mut self, event: &Outline<'_>) -> usize {
        let EventRow { source, scope, partition, .. } = event.row;
        let recent = self.streams.get(self.recent).map(|known| &known.stream);
        if recent
            .is_some_and(|it| it.kind == source && it.scope == scope && it.partition.as_deref() == partition)
        {
            return self.recent;
        }
        let (kind, scope) = (source.to_owned(), scope.to_owned());
        let stream = SourceRef { kind, scope, partition: partition.map(str::to_owned) };
        let known = self.numbers.get(&stream).copied();
        self.recent = known.unwrap_or_else(|| {
            self.numbers.insert(stream.clone(), self.streams.len());
            self.streams.push(StreamSummary {
                stream,
                records: 0,
                withheld: 0,
                bytes: 0,
                events: EventTotals::default(),
            });
            self.streams.len() - 1
        });
        self.recent
    }
}

/// Totals of events by some name, in order of arrival.
struct Counted<K> {
    places: HashMap<K, usize>,
    totals: Vec<(K, EventTotals)>,
}

impl<K> Default for Counted<K> {
    fn default() -> Self {
        Self { places: HashMap::new(), totals: Vec::new() }
    }
}

impl<K: Copy + Eq + Hash> Counted<K> {
    fn add(&mut self, name: K, time: Option<Timestamp>) {
        let place = *self.places.entry(name).or_insert_with(|| {
            self.totals.push((name, EventTotals::default()));
            self.totals.len() - 1
        });
        self.totals[place].1.add(time);
    }
}

/// Start of the hour in which a moment lies.
fn hour_of(time: Timestamp) -> Timestamp {
    time.plus_nanoseconds(-time.nanoseconds().rem_euclid(HOUR_NS))
}

fn sighting_row<'a>(
    credential: [&'a str; 3],
    workload: Option<[&'a str; 3]>,
    (hour, totals): (Option<Timestamp>, EventTotals),
) -> <SightingColumns as Columns>::Row<'a> {
    let [credential_kind, credential_scope, credential] = credential;
    SightingRow {
        credential_kind,
        credential_scope,
        credential,
        workload_kind: workload.map(|texts| texts[0]),
        workload_scope: workload.map(|texts| texts[1]),
        workload: workload.map(|texts| texts[2]),
        hour,
        events: totals.count,
        first: totals.first,
        last: totals.last,
    }
}
