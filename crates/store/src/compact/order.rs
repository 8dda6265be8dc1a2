//! The order of rows in a unit: by day, then by who acted.
//!
//! Events stand in the order of (day, acting identity, credential, time, leaf), effects as their events do. Identity and
//! credential are the keys that the record states, never what later evidence makes of them: else a unit would change when
//! two identities turn out to be one. Keys stand in the order of (day, role, leaf): in that of their events each row would
//! take two bytes more for its leaf, and those by which events are sorted are found in `events`. Deliberately does not
//! know how rows are stored.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, TimestampNanosecondType, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef};
use ascribe_model::Timestamp;

use super::table::{Arrangement, UnitTable};
use super::{CompactError, Unfit};
use crate::error::{Damage, ReadError};

const DAY_NS: i64 = 24 * 3_600 * 1_000_000_000;

/// Partition of the rows without a time: what Hive and the engines after it call the partition of no value.
const UNDATED: &str = "day=__HIVE_DEFAULT_PARTITION__";

/// Columns of `events` that say who acted, in the order in which rows are compared.
const ACTING: [&str; 5] =
    ["actor_uid_kind", "actor_uid", "credential_kind", "credential_scope", "credential"];

/// A day in UTC; those of rows without a time come last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Day {
    /// Days since 1970-01-01.
    Date(i32),
    Undated,
}

impl Day {
    fn of(time: Option<i64>) -> Self {
        time.map_or(Self::Undated, |time| Self::Date(time.div_euclid(DAY_NS) as i32))
    }

    /// Name of the day's folder, in the way of Hive: column, equals sign, value.
    pub(super) fn folder(self) -> String {
        let Self::Date(day) = self else { return UNDATED.to_owned() };
        // The first day that 64 bits of nanoseconds reach starts before them; its last moments are within.
        let start = Timestamp::from_nanoseconds(i64::from(day).saturating_mul(DAY_NS));
        format!("day={:.10}", start.to_string())
    }
}

/// Rows by day.
pub(super) struct ByDay {
    /// The day of each file.
    pub(super) days: Vec<Day>,
    pub(super) arrangement: Arrangement,
}

/// The order of the partitioned tables of a unit.
pub(super) struct UnitOrder {
    pub(super) events: ByDay,
    pub(super) keys: ByDay,
    pub(super) effects: ByDay,
}

/// Where each event came to stand.
struct Events {
    leaves: Vec<u64>,
    ordinals: Vec<u32>,
    days: Vec<Day>,
    /// Place of each row in the new order.
    places: Vec<u32>,
}

/// The order of the rows, unless they lie on more than `days_max` days.
pub(super) fn order(
    [events, keys, effects]: [&UnitTable; 3],
    days_max: usize,
) -> Result<Result<UnitOrder, Unfit>, CompactError> {
    let days = days(events)?;
    let by_day = order_events(events, &days)?;
    if by_day.days.len() > days_max {
        return Ok(Err(Unfit::Days { found: by_day.days.len(), limit: days_max }));
    }
    let mut places = vec![0; days.len()];
    for (&row, place) in by_day.arrangement.rows.iter().zip(0..) {
        places[row as usize] = place;
    }
    let events =
        Events { leaves: numbers(&events.column("leaf")?), ordinals: ordinals(events)?, days, places };
    let roles = ranks(&keys.column("role")?);
    let keys = follow(&events, keys, |row, _| roles[row])?;
    let effects = follow(&events, effects, |_, event| events.places[event])?;
    Ok(Ok(UnitOrder { events: by_day, keys, effects }))
}

fn days(events: &UnitTable) -> Result<Vec<Day>, ReadError> {
    let times = events.column("time")?;
    let times = times.as_primitive::<TimestampNanosecondType>();
    Ok(times.iter().map(Day::of).collect())
}

fn order_events(events: &UnitTable, days: &[Day]) -> Result<ByDay, ReadError> {
    let mut acting: Vec<[u32; ACTING.len()]> = vec![Default::default(); days.len()];
    for (place, name) in ACTING.into_iter().enumerate() {
        for (ranks, rank) in acting.iter_mut().zip(ranks(&events.column(name)?)) {
            ranks[place] = rank;
        }
    }
    let times = events.column("time")?;
    let times = times.as_primitive::<TimestampNanosecondType>().values();
    let mut rows: Vec<u32> = (0..days.len() as u32).collect();
    // Rows are numbered in leaf order, so the number is the last thing to compare.
    rows.sort_unstable_by_key(|&row| {
        let at = row as usize;
        (days[at], acting[at], times[at], row)
    });
    let sorted = rows.iter().map(|&row| days[row as usize]).collect::<Vec<_>>();
    Ok(by_day(rows, &sorted))
}

/// The order of a table whose rows belong to events: by day, by the `rank` of a row and its event, then as they came.
fn follow(
    events: &Events,
    table: &UnitTable,
    rank: impl Fn(usize, usize) -> u32,
) -> Result<ByDay, ReadError> {
    let (leaves, ordinals) = (numbers(&table.column("leaf")?), ordinals(table)?);
    let mut entries = Vec::with_capacity(leaves.len());
    let mut event = 0;
    for (row, wanted) in leaves.iter().zip(&ordinals).enumerate() {
        let at = |event: usize| Some((events.leaves.get(event)?, events.ordinals.get(event)?));
        while at(event).is_some_and(|found| found < wanted) {
            event += 1;
        }
        if at(event) != Some(wanted) {
            let expected = format!("rows of events that `events` lists, found leaf {}", wanted.0);
            return Err(Damage::new(&table.path(), 0, expected, "no such event").into());
        }
        entries.push((events.days[event], rank(row, event), row as u32));
    }
    entries.sort_unstable();
    let days: Vec<Day> = entries.iter().map(|entry| entry.0).collect();
    Ok(by_day(entries.into_iter().map(|entry| entry.2).collect(), &days))
}

/// Cuts sorted rows where the day changes.
fn by_day(rows: Vec<u32>, days: &[Day]) -> ByDay {
    let mut files: Vec<Range<usize>> = Vec::new();
    let mut names = Vec::new();
    for same in days.chunk_by(|a, b| a == b) {
        let start = files.last().map_or(0, |file| file.end);
        files.push(start..start + same.len());
        names.push(same[0]);
    }
    ByDay { days: names, arrangement: Arrangement { rows, files } }
}

fn numbers(column: &ArrayRef) -> Vec<u64> {
    column.as_primitive::<UInt64Type>().values().to_vec()
}

fn ordinals(table: &UnitTable) -> Result<Vec<u32>, ReadError> {
    Ok(table.column("ordinal")?.as_primitive::<UInt32Type>().values().to_vec())
}

/// For each row the rank of its text among those of the column, from 1; 0 where there is none.
fn ranks(column: &ArrayRef) -> Vec<u32> {
    let column = column.as_dictionary::<Int32Type>();
    let texts = column.values().as_string::<i32>();
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_unstable_by_key(|&number| texts.value(number));
    let mut ranks = vec![0; texts.len()];
    // A text may stand in the dictionary twice, once for each segment.
    for (same, rank) in order.chunk_by(|&a, &b| texts.value(a) == texts.value(b)).zip(1..) {
        for &number in same {
            ranks[number] = rank;
        }
    }
    let rank = |key: Option<i32>| key.map_or(0, |key| ranks[key.cast_unsigned() as usize]);
    column.keys().iter().map(rank).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_utc() {
        let check = |time: Option<i64>, expected: &str| assert_eq!(Day::of(time).folder(), expected);
        check(None, UNDATED);
        check(Some(0), "day=1970-01-01");
        check(Some(-1), "day=1969-12-31");
        check(Some(DAY_NS - 1), "day=1970-01-01");
        check(Some(1_795_132_800_000_000_000), "day=2026-11-20");
        check(Some(i64::MIN), "day=1677-09-21");
        check(Some(i64::MAX), "day=2262-04-11");
    }
}
