//! Units from outside: what their ranges held is found, their rows lie by day and by who acted, and what does not fit
//! stays as it is.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod generated;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampNanosecondType, UInt64Type};
use arrow_array::{Array, RecordBatch};
use ascribe_model::{Event, EventId, KeyRef, Role, Timestamp};
use ascribe_store::{
    CompactError, Compaction, Digest, Entry, Found, LeafTimes, Near, Object, ObjectTotals, Outlines, RANGE,
    ReadError, Record, Reject, SegmentBuilder, Span, Store, Stream, UNIT, Unfit,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// Every how many leaves a leaf holds an entry; the others hold nothing, so that a unit is quick to fill.
const SPARSE: u64 = 1_021;
const DAY_NS: i64 = 24 * 3_600 * 1_000_000_000;
const UNDATED: &str = "day=__HIVE_DEFAULT_PARTITION__";

/// What a ledger of these tests holds at the entry with a number.
type Events = fn(u64) -> Vec<Event>;

/// Events of four days, of which one comes late; some are delivered again, some have no time.
fn of_four_days(number: u64) -> Vec<Event> {
    let dated = |number: u64| {
        let mut event = generated::event(number);
        event.time.at = event.time.at.map(|time| time.plus_nanoseconds((number % 4).cast_signed() * DAY_NS));
        if number.is_multiple_of(97) {
            event.time.at = None;
        }
        event
    };
    match number % 19 {
        7 => vec![dated(number), dated(number - 7)],
        8 => vec![dated(number), dated(1_000_000 + number)],
        9 => vec![],
        _ => vec![dated(number)],
    }
}

fn push(builder: &mut SegmentBuilder, leaf: u64, events: Events) {
    let number = leaf / SPARSE;
    let received_at = Timestamp::from_nanoseconds(1_780_000_000_000_000_000 + leaf.cast_signed());
    let digest = format!("sha256:{number:04x}");
    let object = |closes| {
        let totals = ObjectTotals { records: 9, rejects: 1, framing_bytes: 2, bytes: 1_000 };
        Entry::Object(Object { leaf, name: "trail.json.gz", closes, totals })
    };
    let events = if leaf.is_multiple_of(SPARSE) { events(number) } else { vec![] };
    let mut outlines = Outlines::default();
    let at = outlines.push(&events);
    let entry = match leaf % SPARSE {
        0 => Entry::Record(Record {
            leaf,
            object: Some(3),
            stream: Some(1),
            received_at,
            withheld: leaf.is_multiple_of(3),
            span_length: 100,
            events: outlines.record(at),
        }),
        1 if number == 0 => {
            Entry::Stream(Stream { leaf, source: "s", scope: "1", partition: Some("us-east-1") })
        }
        3 => object(None),
        4 => Entry::Digest(Digest { leaf, object: leaf - 1, digest: &digest }),
        // The opening entry is 100 leaves before, in some cases in the segment before.
        103 => object(Some(leaf - 100)),
        500 => Entry::Reject(Reject {
            leaf,
            object: None,
            received_at,
            span: Span { offset: 7, length: 11 },
            reason: if number.is_multiple_of(2) { "not_json" } else { "truncated" },
            source: None,
        }),
        _ => Entry::Other { leaf },
    };
    builder.push(entry).unwrap();
}

/// Folds up to `end`, in batches of so many leaves.
fn fold(store: &mut Store, end: u64, batch: u64, events: Events) {
    while store.folded() < end {
        for range in store.plan(end.min(store.folded() + batch)) {
            let mut builder = SegmentBuilder::new(range.start, store);
            range.clone().for_each(|leaf| push(&mut builder, leaf, events));
            let segment = builder.finish(range.end).unwrap();
            store.publish(vec![segment], range.end.max(store.folded())).unwrap();
        }
    }
}

fn store(folder: &Path, end: u64, events: Events) -> Store {
    let mut store = Store::create(folder, BTreeMap::new()).unwrap();
    fold(&mut store, end, end, events);
    store
}

/// A key, what is found by its value, its leaves, how many they are, and their times.
type LookedUp = (KeyRef, Vec<Found>, Vec<u64>, u64, BTreeMap<u64, LeafTimes>);

/// Everything that look-ups say of the keys of `events`, and of the store's own.
fn looked_up(store: &Store, events: &[Event]) -> Vec<LookedUp> {
    let keys: BTreeSet<KeyRef> =
        events.iter().flat_map(|event| event.keys.iter().map(ascribe_model::Key::to_ref)).collect();
    let own = [
        "ascribe.object=sha256:0001",
        "ascribe.object=sha256:0400",
        "ascribe.stream=s 1 us-east-1",
        "name=service-7",
    ];
    let own = own.map(|name| {
        let (kind, value) = name.split_once('=').unwrap();
        KeyRef {
            kind: ascribe_model::KeyKind::from_name(kind),
            scope: String::new(),
            value: value.to_owned(),
        }
    });
    let look_up = |key: KeyRef| {
        let leaves = store.leaves(&key, &Role::ALL, None, usize::MAX).unwrap();
        let times = store.times(&leaves.leaves, None, None).unwrap();
        (key.clone(), store.find(&key.value).unwrap(), leaves.leaves, leaves.total, times)
    };
    keys.into_iter().chain(own).map(look_up).collect()
}

#[test]
fn a_unit_holds_what_its_ranges_held() {
    let folder = tempfile::tempdir().unwrap();
    let end = UNIT + RANGE + 2_000;
    let mut store = store(folder.path(), end, of_four_days);
    let (digests, summaries) = (store.table_digests().unwrap(), store.summaries().count());
    let events: Vec<Event> = (0..end / SPARSE).step_by(13).flat_map(of_four_days).collect();
    let looked_up_before = looked_up(&store, &events);
    assert!(
        looked_up_before
            .iter()
            .all(|(key, found, leaves, ..)| !found.is_empty() && !leaves.is_empty() || key.value.is_empty())
    );
    let repeats: Vec<u64> = events.iter().map(|event| store.deliveries(event.id).unwrap()).collect();
    assert!(repeats.iter().any(|&repeats| repeats > 0));

    assert!(matches!(store.units().as_slice(), [unit] if *unit == (0..UNIT)));
    assert_eq!(store.compact(0..UNIT).unwrap(), Compaction::Done);
    for store in [&store, &Store::open(folder.path()).unwrap()] {
        assert_eq!(store.table_digests().unwrap(), digests);
        assert_eq!(store.summaries().count(), summaries - 15);
        assert_eq!(looked_up(store, &events), looked_up_before);
        assert_eq!(
            events.iter().map(|event| store.deliveries(event.id).unwrap()).collect::<Vec<_>>(),
            repeats
        );
        assert_eq!((store.units(), store.plan(end)), (vec![], vec![]));
        store.check_files().unwrap();
    }
    // What comes after knows what the unit holds, and the ranges' files go.
    let again: Events = |number| of_four_days(number % 100);
    let repeats = |store: &Store| store.summaries().map(|summary| summary.events.repeats).sum::<u64>();
    let before = repeats(&store);
    fold(&mut store, end + 100 * SPARSE, UNIT, again);
    assert!(repeats(&store) - before > 90);
    store.clean().unwrap();
    assert!(!folder.path().join(format!("segment/0-{RANGE}")).exists());
    store.check_files().unwrap();
}

#[test]
fn a_unit_is_the_same_however_it_came_about() {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let mut at_once = store(folders[0].path(), 2 * UNIT, of_four_days);
    let units = at_once.units();
    assert_eq!(units, [0..UNIT, UNIT..2 * UNIT]);
    for unit in units {
        at_once.compact(unit).unwrap();
    }
    let mut in_batches = Store::create(folders[1].path(), BTreeMap::new()).unwrap();
    fold(&mut in_batches, UNIT + 5_000, 150_001, of_four_days);
    in_batches.compact(0..UNIT).unwrap();
    fold(&mut in_batches, 2 * UNIT, 200_003, of_four_days);
    let first_unit = |folder: &Path| {
        let files = files(folder).into_iter();
        files
            .filter(|(path, _)| path.to_string_lossy().contains(&format!("/0-{UNIT}")))
            .collect::<BTreeMap<_, _>>()
    };
    let before = first_unit(folders[1].path());
    in_batches.compact(UNIT..2 * UNIT).unwrap();
    assert_eq!(first_unit(folders[1].path()), before, "nothing older is written anew");
    at_once.clean().unwrap();
    in_batches.clean().unwrap();
    let files = folders.map(|folder| {
        let mut files = files(folder.path());
        files.retain(|path, _| !path.starts_with("manifest"));
        files
    });
    assert!(files[0].len() > 30);
    assert_eq!(files[0], files[1]);
}

/// Events a second apart; the last and the first of the first range come again in the second, with moments of their own, as
/// devices that each write a copy have them.
fn copied(number: u64) -> Vec<Event> {
    let (of, second) = match number {
        65 => (64, 65),
        66 => (0, -1),
        number => (number, number.cast_signed()),
    };
    let mut event = generated::event(of);
    event.time.at = Some(Timestamp::from_nanoseconds(1_772_000_000_000_000_000 + second * 1_000_000_000));
    vec![event]
}

#[test]
fn a_copy_with_a_moment_of_its_own_is_no_second_event() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(folder.path(), RANGE, copied);
    fold(&mut store, RANGE + 10 * SPARSE, RANGE, copied);
    let totals = store.summaries().fold((0, 0), |(count, repeats), summary| {
        (count + summary.events.count, repeats + summary.events.repeats)
    });
    assert_eq!(totals, (73, 2));
    assert_eq!(store.event(generated::event(64).id).unwrap(), Some(64 * SPARSE));
}

/// The first event of each record that has any.
fn one_each(number: u64) -> Vec<Event> {
    of_four_days(number).into_iter().take(1).collect()
}

#[test]
fn rows_are_found_near_who_acted_and_everywhere() {
    for (events, have_single_events) in [(one_each as Events, true), (of_four_days, false)] {
        let folder = tempfile::tempdir().unwrap();
        let mut store = store(folder.path(), UNIT + 2_000, events);
        let leaves: Vec<u64> = (0..UNIT + 2_000).step_by(SPARSE as usize).collect();
        let all = store.acts(&leaves, None).unwrap();
        assert_eq!(all.len() as u64, store.summaries().map(|summary| summary.events.count).sum::<u64>());
        store.compact(0..UNIT).unwrap();
        assert_eq!(store.acts(&leaves, None).unwrap(), all);
        assert_eq!(store.has_single_events(&leaves), have_single_events);
        let actors: BTreeSet<&str> = all.iter().map(|act| act.acting.actor_uid.as_str()).collect();
        assert!(actors.len() > 3);
        for actor in actors {
            let near = Near { actors: BTreeSet::from([actor.to_owned()]) };
            let of_actor = all.iter().filter(|act| act.acting.actor_uid == *actor);
            let own: BTreeSet<u64> = of_actor.map(|act| act.leaf).collect();
            let own: Vec<u64> = own.into_iter().collect();
            let everywhere = store.acts(&own, None).unwrap();
            assert_eq!(store.acts(&own, Some(&near)).unwrap(), everywhere, "{actor}");
            let times = store.times(&own, None, None).unwrap();
            assert_eq!(store.times(&own, None, Some(&near)).unwrap(), times, "{actor}");
        }
        // Beside units rows are looked for everywhere, and so where a record has several.
        let nobody = Near { actors: BTreeSet::from(["nobody".to_owned()]) };
        let found = store.acts(&leaves, Some(&nobody)).unwrap();
        let expected = all.iter().filter(|act| !have_single_events || act.leaf >= UNIT);
        assert_eq!(found, expected.cloned().collect::<Vec<_>>());
    }
}

#[test]
fn rows_lie_by_day_and_stand_by_who_acted() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(folder.path(), UNIT, of_four_days);
    store.compact(0..UNIT).unwrap();
    let days: Vec<String> = fs::read_dir(folder.path().join("events"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned())
        .collect();
    let expected = ["day=2026-02-25", "day=2026-02-26", "day=2026-02-27", "day=2026-02-28", UNDATED];
    assert_eq!(days.iter().map(String::as_str).collect::<BTreeSet<_>>(), expected.into());
    let mut days_of_leaves: BTreeMap<(u64, u64), &str> = BTreeMap::new();
    let mut rows = 0;
    for day in expected {
        let mut before = None;
        for row in read(&folder.path().join(format!("events/{day}/0-{UNIT}.parquet"))) {
            let time = row.time("time");
            let at = time.map_or(UNDATED.to_owned(), |time| {
                format!("day={}", &Timestamp::from_nanoseconds(time).to_string()[..10])
            });
            assert_eq!(at, day);
            let acting = ["actor_uid_kind", "actor_uid", "credential_kind", "credential_scope", "credential"];
            let place = (acting.map(|name| row.text(name)), time, row.number("leaf"));
            assert!(before.as_ref().is_none_or(|before| *before <= place), "{before:?} before {place:?}");
            before = Some(place);
            days_of_leaves.insert((row.number("leaf"), row.number("ordinal")), day);
            rows += 1;
        }
    }
    assert_eq!(rows, store.summaries().map(|summary| summary.events.count).sum::<u64>());
    for table in ["keys", "effects"] {
        for day in expected {
            let path = folder.path().join(format!("{table}/{day}/0-{UNIT}.parquet"));
            if table == "effects" && !path.exists() {
                continue;
            }
            let rows = read(&path);
            assert!(
                rows.iter().all(|row| days_of_leaves[&(row.number("leaf"), row.number("ordinal"))] == day)
            );
            let roles = rows.iter().map(|row| row.text(if table == "keys" { "role" } else { "kind" }));
            assert!(table == "effects" || roles.is_sorted(), "keys stand by role");
        }
    }
}

/// Rows by day as `DuckDB` reads the partitions; an undated row has no day.
const BY_DAY: &str = "
import duckdb, json, sys
query = \"SELECT day::VARCHAR, count(*) FROM read_parquet('%s/events/*/*.parquet', hive_partitioning = true) \" \\
    \"WHERE day IS NULL OR day >= DATE '2026-02-01' GROUP BY day\"
json.dump(duckdb.sql(query % sys.argv[1]).fetchall(), sys.stdout)
";

#[test]
fn another_engine_reads_the_days() {
    match Command::new("python3").args(["-c", "import duckdb"]).output() {
        Ok(output) if output.status.success() => {}
        _ => return eprintln!("SKIPPED: python3 with duckdb is not installed"),
    }
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(folder.path(), UNIT, of_four_days);
    store.compact(0..UNIT).unwrap();
    let output = Command::new("python3").args(["-c", BY_DAY]).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let days: BTreeMap<Option<String>, u64> =
        serde_json::from_slice::<Vec<_>>(&output.stdout).unwrap().into_iter().collect();
    let totals: Vec<_> = store.summaries().map(|summary| summary.events).collect();
    assert_eq!(days[&None], totals[0].undated);
    assert_eq!(days.values().sum::<u64>(), totals[0].count);
    assert_eq!(days.len(), 5, "{days:?}");
}

/// Checks that the store's one unit cannot be made, for this reason, and is as it was.
fn left(end: u64, events: Events, reason: Unfit) {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(folder.path(), end, events);
    let before = files(folder.path());
    assert_eq!(store.compact(0..UNIT).unwrap(), Compaction::Left(reason));
    assert_eq!(files(folder.path()), before);
    assert!(matches!(store.units().as_slice(), [unit] if *unit == (0..UNIT)));
}

#[test]
fn what_would_become_too_many_files_stays() {
    let every_day: Events = |number| {
        let events = (0..5).map(|part| {
            let number = number * 5 + part;
            let mut event = generated::event(number);
            event.time.at = Some(Timestamp::from_nanoseconds(number.cast_signed() * DAY_NS));
            event
        });
        events.collect()
    };
    // 1,028 leaves of a unit hold records.
    left(UNIT, every_day, Unfit::Days { found: 5_140, limit: 4_096 });
}

#[test]
fn what_would_not_fit_in_memory_stays() {
    let wordy: Events = |number| {
        let mut event = generated::event(number);
        if number < 20 {
            event.src_endpoint.user_agent = Some("x".repeat(1 << 20));
        }
        vec![event]
    };
    left(UNIT, wordy, Unfit::Texts { table: "events" });
}

#[test]
fn only_complete_ranges_become_a_unit() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(folder.path(), UNIT - 1, |_| vec![]);
    assert_eq!(store.units(), []);
    for range in [0..UNIT, 0..UNIT - 1, RANGE..RANGE + UNIT, 0..0] {
        let outcome = store.compact(range.clone());
        assert!(matches!(outcome, Err(CompactError::NotAUnit { .. })), "{range:?}: {outcome:?}");
    }
    // A unit without a single row of the partitioned tables.
    fold(&mut store, UNIT, UNIT, |_| vec![]);
    let digests = store.table_digests().unwrap();
    assert_eq!(store.compact(0..UNIT).unwrap(), Compaction::Done);
    assert_eq!(store.table_digests().unwrap(), digests);
    assert!(matches!(store.compact(0..UNIT), Err(CompactError::NotAUnit { .. })));
}

#[test]
fn damage_is_reported_and_leaves_the_ranges_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(folder.path(), UNIT, of_four_days);
    let path = folder.path().join(format!("segment/{RANGE}-{}/keys.index", 2 * RANGE));
    let whole = fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    damaged[100] ^= 1;
    overwrite(&path, &damaged);
    let outcome = store.compact(0..UNIT);
    assert!(
        matches!(&outcome, Err(CompactError::Read(ReadError::Damaged(damage))) if damage.file == path),
        "{outcome:?}"
    );
    overwrite(&path, &whole);
    let mut store = Store::open(folder.path()).unwrap();
    store.check_files().unwrap();
    store.compact(0..UNIT).unwrap();
    let part = folder.path().join(format!("events/day=2026-02-26/0-{UNIT}.parquet"));
    let mut damaged = fs::read(&part).unwrap();
    damaged[300] ^= 1;
    overwrite(&part, &damaged);
    assert!(matches!(store.check_files(), Err(ReadError::Damaged(damage)) if damage.file == part));
    let id = EventId([7; 32]);
    assert_eq!(store.deliveries(id).unwrap(), 0);
}

/// One row of a file.
struct Row {
    batch: RecordBatch,
    place: usize,
}

impl Row {
    fn number(&self, name: &str) -> u64 {
        let column = self.batch.column_by_name(name).unwrap();
        match column.as_primitive_opt::<UInt64Type>() {
            Some(column) => column.value(self.place),
            None => u64::from(column.as_primitive::<arrow_array::types::UInt32Type>().value(self.place)),
        }
    }

    fn text(&self, name: &str) -> Option<String> {
        let column = self.batch.column_by_name(name).unwrap().as_string::<i32>();
        column.is_valid(self.place).then(|| column.value(self.place).to_owned())
    }

    fn time(&self, name: &str) -> Option<i64> {
        let column = self.batch.column_by_name(name).unwrap().as_primitive::<TimestampNanosecondType>();
        column.is_valid(self.place).then(|| column.value(self.place))
    }
}

fn read(path: &Path) -> Vec<Row> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(path).unwrap()).unwrap();
    let batches = reader.build().unwrap().map(Result::unwrap);
    let rows =
        |batch: RecordBatch| (0..batch.num_rows()).map(move |place| Row { batch: batch.clone(), place });
    batches.flat_map(rows).collect()
}

fn overwrite(path: &Path, bytes: &[u8]) {
    std::io::Write::write_all(&mut fs::File::create(path).unwrap(), bytes).unwrap();
}

/// The files below a folder, by relative path.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = PathBuf::from(path.file_name().unwrap());
        if path.is_dir() {
            files.extend(self::files(&path).into_iter().map(|(below, bytes)| (name.join(below), bytes)));
        } else {
            files.insert(name, fs::read(&path).unwrap());
        }
    }
    files
}
