//! A store from outside: what is folded is found, however it was batched, and damage is reported.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod generated;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use ascribe_model::{Event, EventId, KeyKind, KeyRef, Role, Timestamp};
use ascribe_store::{
    Digest, Entry, FORMAT, FinishError, Object, ObjectTotals, OpenError, Outlines, PublishError, PushError,
    RANGE, ReadError, Record, Reject, SegmentBuilder, Sighting, Span, Store, Stream, Tally,
};

/// Every how many leaves a leaf holds a record; the others are kept short, so that a range is quick to fill.
const SPARSE: u64 = 101;

/// What the ledger of these tests holds at a leaf.
enum Leaf {
    Record(Vec<Event>),
    Reject,
    Opened,
    /// Of the object opened at this leaf.
    Digest(u64),
    Closed(u64),
    Stream,
    Other,
}

/// Leaves, and at each the times of the events that name a key.
type Times = BTreeMap<u64, Vec<Option<Timestamp>>>;

/// A ledger that is a function of leaf numbers, dense or sparse.
#[derive(Clone, Copy)]
struct Ledger {
    every: u64,
}

impl Ledger {
    fn leaf(self, leaf: u64) -> Leaf {
        match leaf % 50 {
            3 => return Leaf::Opened,
            4 => return Leaf::Digest(leaf - 1),
            47 => return Leaf::Closed(leaf - 44),
            _ => {}
        }
        if !leaf.is_multiple_of(self.every) {
            return Leaf::Other;
        }
        match (leaf / self.every) % 23 {
            4 => Leaf::Reject,
            5 => Leaf::Stream,
            6 => Leaf::Record(vec![]),
            // Delivered before: the last leaf's event once more, and one from far back.
            7 => Leaf::Record(vec![generated::event(leaf.saturating_sub(self.every)), generated::event(0)]),
            8 => Leaf::Record(vec![generated::event(leaf), generated::event(1_000_000 + leaf)]),
            _ => Leaf::Record(vec![generated::event(leaf)]),
        }
    }

    fn push(self, builder: &mut SegmentBuilder, leaf: u64) -> Result<Vec<Sighting>, PushError> {
        let received_at = Timestamp::from_nanoseconds(1_780_000_000_000_000_000 + leaf.cast_signed());
        let content = self.leaf(leaf);
        let digest = format!("sha256:{:04x}", leaf / 50 % 400);
        let mut outlines = Outlines::default();
        let entry = match &content {
            Leaf::Record(events) => Entry::Record(Record {
                leaf,
                object: Some(leaf - leaf % 50 + 3),
                stream: None,
                received_at,
                withheld: leaf.is_multiple_of(3),
                span_length: 100,
                events: {
                    let at = outlines.push(events);
                    outlines.record(at)
                },
            }),
            Leaf::Reject => Entry::Reject(Reject {
                leaf,
                object: None,
                received_at,
                span: Span { offset: 7, length: 11 },
                reason: "not_json",
                source: Some("aws_cloudtrail"),
            }),
            Leaf::Opened => Entry::Object(Object {
                leaf,
                name: "trail.json.gz",
                closes: None,
                totals: ObjectTotals::default(),
            }),
            Leaf::Digest(object) => Entry::Digest(Digest { leaf, object: *object, digest: &digest }),
            Leaf::Closed(opened) => Entry::Object(Object {
                leaf,
                name: "",
                closes: Some(*opened),
                totals: ObjectTotals { records: 9, rejects: 1, framing_bytes: 2, bytes: 1_000 },
            }),
            Leaf::Stream => Entry::Stream(Stream {
                leaf,
                source: "aws_cloudtrail",
                scope: "1",
                partition: Some("us-east-1"),
            }),
            Leaf::Other => Entry::Other { leaf },
        };
        Ok(builder.push(entry)?.to_vec())
    }

    /// Folds up to `end` as the store plans it.
    fn fold(self, store: &mut Store, end: u64) {
        for range in store.plan(end) {
            let segment = self.build(store, range.clone());
            store.publish(vec![segment], range.end.max(store.folded())).unwrap();
        }
        assert_eq!(store.folded(), end);
    }

    fn build(self, store: &Store, range: Range<u64>) -> ascribe_store::Segment {
        let mut builder = SegmentBuilder::new(range.start, store);
        for leaf in range.clone() {
            self.push(&mut builder, leaf).unwrap();
        }
        builder.finish(range.end).unwrap()
    }

    /// A store folded in steps that end at `ends`.
    fn store(self, folder: &Path, ends: &[u64]) -> Store {
        let mut store = Store::create(folder, parsers()).unwrap();
        for &end in ends {
            self.fold(&mut store, end);
        }
        store
    }

    /// For each key, role and leaf, the times of the events first seen there.
    fn keys(self, end: u64) -> BTreeMap<(KeyRef, Role), Times> {
        let mut keys = BTreeMap::<_, Times>::new();
        let mut seen = BTreeSet::new();
        for leaf in 0..end {
            let Leaf::Record(events) = self.leaf(leaf) else { continue };
            for event in events.iter().filter(|event| seen.insert(event.id)) {
                let listed: BTreeSet<_> =
                    event.keys.iter().map(|key| (key.to_ref(), key.role)).chain(names(event)).collect();
                for name in listed {
                    keys.entry(name).or_default().entry(leaf).or_default().push(event.time.at);
                }
            }
        }
        keys
    }
}

/// The keys that the store adds to those that an event lists.
fn names(event: &Event) -> impl Iterator<Item = (KeyRef, Role)> {
    let subjects = event.effects.iter().filter_map(|effect| effect.subject.as_ref());
    let names =
        std::iter::once(&event.actor).chain(subjects).flat_map(|it| it.name.iter().chain(&it.session_name));
    names.map(|name| (own_key("name", name), Role::Name))
}

fn own_key(kind: &'static str, value: &str) -> KeyRef {
    KeyRef { kind: KeyKind::new(kind), scope: String::new(), value: value.to_owned() }
}

fn parsers() -> BTreeMap<String, u32> {
    [("aws_cloudtrail".to_owned(), 3)].into()
}

fn tally(times: &Times) -> Tally {
    let times: Vec<_> = times.values().flatten().copied().collect();
    let dated = || times.iter().flatten().copied();
    let undated = (times.len() - dated().count()) as u64;
    Tally { count: times.len() as u64, undated, first: dated().min(), last: dated().max() }
}

#[test]
fn everything_folded_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger { every: 2 };
    ledger.store(folder.path(), &[150, 400, 401, 460, 800]);
    let store = Store::open(folder.path()).unwrap();
    assert_eq!((store.folded(), store.parsers()), (800, &parsers()));
    let expected = ledger.keys(800);
    assert!(expected.len() > 1_000, "{} keys", expected.len());
    for ((key, role), times) in &expected {
        let leaves = store.leaves(key, &[*role], None, usize::MAX).unwrap();
        assert_eq!(leaves.leaves, times.keys().copied().collect::<Vec<_>>(), "{key} as {role:?}");
        assert_eq!(leaves.total, times.len() as u64);
        assert_eq!(store.tally(key, *role).unwrap(), tally(times), "{key} as {role:?}");
        let found = store.find(&key.value).unwrap();
        let found = found.iter().find(|found| found.key == *key).unwrap();
        assert_eq!(found.roles[role], tally(times), "{key} as {role:?}");
    }
    for ((key, _), _) in expected.iter().step_by(40) {
        let roles: BTreeSet<Role> =
            expected.keys().filter(|name| name.0 == *key).map(|name| name.1).collect();
        let found = store.find(&key.value).unwrap();
        let found = found.iter().find(|found| found.key == *key).unwrap();
        assert_eq!(found.roles.keys().copied().collect::<BTreeSet<_>>(), roles, "{key}");
    }
    assert_eq!(store.find("no such value").unwrap(), []);
}

#[test]
fn leaves_are_limited_and_windows_leave_out_only_what_cannot_match() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger { every: 1 };
    let store = ledger.store(folder.path(), &[300, 420, 500]);
    let ((key, role), times) = ledger.keys(500).into_iter().max_by_key(|(_, times)| times.len()).unwrap();
    let all: Vec<u64> = times.keys().copied().collect();
    let some = store.leaves(&key, &[role], None, 5).unwrap();
    assert_eq!((some.leaves.as_slice(), some.total), (&all[..5], all.len() as u64));
    let dated = || times.values().flatten().flatten().copied();
    for moment in [dated().min().unwrap(), dated().max().unwrap()] {
        let window = Some((moment, moment));
        let kept: BTreeSet<u64> =
            store.leaves(&key, &[role], window, 9_999).unwrap().leaves.into_iter().collect();
        let inside =
            times.iter().filter(|(_, times)| times.iter().any(|time| time.is_none_or(|it| it == moment)));
        assert!(inside.map(|(leaf, _)| *leaf).all(|leaf| kept.contains(&leaf)), "{moment}");
    }
    let late = dated().max().unwrap().plus_nanoseconds(1);
    let undated = (0..500).any(|leaf| {
        matches!(ledger.leaf(leaf), Leaf::Record(events) if events.iter().any(|event| event.time.at.is_none()))
    });
    let kept = store.leaves(&key, &[role], Some((late, late)), 9_999).unwrap();
    assert!(undated || kept.total == 0, "nothing is that late");
}

#[test]
fn a_store_built_in_batches_equals_a_rebuilt_one() {
    let folders = [(); 4].map(|()| tempfile::tempdir().unwrap());
    let ledger = Ledger { every: SPARSE };
    let end = RANGE + 3_000;
    let ends = [10, 20, 30, 1_000, 30_000, 60_000, RANGE - 1, RANGE + 500, RANGE + 501, RANGE + 2_500, end];
    let rebuilt = ledger.store(folders[0].path(), &[end]);
    let batched = ledger.store(folders[1].path(), &ends);
    ledger.store(folders[2].path(), &[end]);
    assert_eq!(rebuilt.table_digests().unwrap(), batched.table_digests().unwrap());
    assert_eq!(rebuilt.table_digests().unwrap().len(), ascribe_store::TABLES.len() + 1);
    assert!(batched.summaries().count() > rebuilt.summaries().count(), "parts were left");
    let complete = format!("segment/0-{RANGE}");
    let [rebuilt_files, batched_files] = [0, 1].map(|at| files(&folders[at].path().join(&complete)));
    assert_eq!(rebuilt_files, batched_files, "a complete range is the same byte for byte");
    assert_eq!(rebuilt_files.len(), 12);
    assert_eq!(files(folders[0].path()), files(folders[2].path()), "two builds give the same bytes");
    let (digests, other) =
        (rebuilt.table_digests().unwrap(), Ledger { every: 97 }.store(folders[3].path(), &[end]));
    let differing =
        other.table_digests().unwrap().into_iter().filter(|(table, digest)| digests[table] != *digest);
    assert_eq!(differing.count(), digests.len() - 1, "all but the objects differ");
}

#[test]
fn segments_made_without_a_plan_are_folded_again_once_their_range_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger { every: SPARSE };
    let mut store = Store::create(folder.path(), parsers()).unwrap();
    for range in [0..400, 400..RANGE, RANGE..RANGE + 10] {
        let segment = ledger.build(&store, range.clone());
        store.publish(vec![segment], range.end).unwrap();
    }
    assert!(matches!(store.plan(RANGE + 10).as_slice(), [range] if *range == (0..RANGE)));
    let before = store.table_digests().unwrap();
    ledger.fold(&mut store, RANGE + 10);
    assert_eq!(store.table_digests().unwrap(), before);
    assert_eq!(store.summaries().map(|it| it.first).collect::<Vec<_>>(), [0, RANGE]);
}

#[test]
fn repeats_are_told_within_a_segment_and_across_segments() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::create(folder.path(), parsers()).unwrap();
    let (old, new) = (generated::event(1), generated::event(2));
    let undated = (0..5_000).map(generated::event).find(|event| event.time.at.is_none()).unwrap();
    let record = |leaf, events| {
        Entry::Record(Record {
            leaf,
            object: Some(9),
            stream: None,
            received_at: Timestamp::from_nanoseconds(0),
            withheld: false,
            span_length: 1,
            events,
        })
    };
    let mut outlines = Outlines::default();
    let first = outlines.push(&[old.clone(), undated.clone()]);
    let again = outlines.push(std::slice::from_ref(&old));
    let second = outlines.push(&[new.clone(), old.clone(), undated.clone(), new.clone()]);
    let [first, again, second] = [first, again, second].map(|at| outlines.record(at));
    let mut builder = SegmentBuilder::new(0, &store);
    assert_eq!(builder.push(Entry::Other { leaf: 0 }).unwrap(), []);
    assert_eq!(builder.push(record(1, first)).unwrap(), [Sighting::First; 2]);
    let repeat = |first_leaf| Sighting::Repeat { first_leaf };
    assert_eq!(builder.push(record(2, again)).unwrap(), [repeat(1)]);
    let segment = builder.finish(3).unwrap();
    store.publish(vec![segment], 3).unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    let mut builder = SegmentBuilder::new(3, &store);
    let told = builder.push(record(3, second)).unwrap();
    assert_eq!(told, [Sighting::First, repeat(1), repeat(1), repeat(3)]);
    let segment = builder.finish(4).unwrap();
    assert_eq!((segment.summary().events.count, segment.summary().events.repeats), (1, 3));
    store.publish(vec![segment], 4).unwrap();
    for (event, times, leaf) in [(&old, 2, 1), (&undated, 1, 1), (&new, 1, 3)] {
        assert_eq!(store.deliveries(event.id).unwrap(), times);
        assert_eq!(store.event(event.id).unwrap(), Some(leaf));
        assert_eq!(store.events_begun(&event.id.to_string()[..20], 9).unwrap(), [leaf]);
    }
    assert_eq!(store.event(EventId([0; 32])).unwrap(), None);
    assert_eq!(store.deliveries(EventId([0; 32])).unwrap(), 0);
}

#[test]
fn objects_and_streams_are_found_at_their_opening_entries() {
    let folder = tempfile::tempdir().unwrap();
    let store = Ledger { every: 1 }.store(folder.path(), &[30, 90, 130]);
    for (digest, opened, closed) in [(0, 3, true), (1, 53, true), (2, 103, false)] {
        let key = own_key("ascribe.object", &format!("sha256:{digest:04x}"));
        let found = store.leaves(&key, &[Role::Native], None, 9).unwrap();
        assert_eq!((found.leaves.as_slice(), found.total), ([opened].as_slice(), 1));
        let key = own_key("ascribe.object_closed", &opened.to_string());
        let found = store.leaves(&key, &[Role::Ended], None, 9).unwrap();
        assert_eq!(found.leaves, if closed { vec![opened] } else { vec![] });
    }
    let stream =
        store.leaves(&own_key("ascribe.stream", "aws_cloudtrail 1 us-east-1"), &[Role::Native], None, 9);
    assert_eq!(stream.unwrap().leaves, [5, 28, 51, 74, 120]);
    let summaries: Vec<_> = store.summaries().collect();
    let sum = |of: fn(&ascribe_store::SegmentSummary) -> u64| summaries.iter().map(|it| of(it)).sum::<u64>();
    assert_eq!((sum(|it| it.objects_opened), sum(|it| it.objects_closed)), (3, 2));
    assert_eq!(sum(|it| it.rejects["not_json"]), sum(|it| it.reject_bytes) / 11);
    let records = sum(|it| it.records_without_events + it.streams.iter().map(|it| it.records).sum::<u64>());
    assert_eq!(sum(|it| it.records), records);
    let events = sum(|it| it.streams.iter().map(|it| it.events.count).sum());
    assert_eq!(sum(|it| it.events.count), events);
}

#[test]
fn a_segment_takes_every_leaf_of_one_range_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path(), parsers()).unwrap();
    let builder = || SegmentBuilder::new(RANGE - 1, &store);
    let outcome = builder().push(Entry::Other { leaf: RANGE }).map(<[_]>::to_vec);
    assert!(
        matches!(outcome, Err(PushError::Order { expected, found }) if (expected, found) == (RANGE - 1, RANGE))
    );
    let mut full = builder();
    full.push(Entry::Other { leaf: RANGE - 1 }).unwrap();
    assert!(
        matches!(full.push(Entry::Other { leaf: RANGE }), Err(PushError::Range { leaf, end }) if leaf == end)
    );
    assert!(matches!(full.finish(RANGE + 1), Err(FinishError::End { .. })));
    assert!(matches!(builder().finish(RANGE - 1), Err(FinishError::Empty { .. })));
}

#[test]
fn only_segments_without_gaps_are_published() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger { every: 1 };
    let mut store = ledger.store(folder.path(), &[100]);
    let before = store.table_digests().unwrap();
    for (range, folded) in [(101..110, 110), (100..110, 111), (50..110, 110)] {
        let segment = ledger.build(&store, range.clone());
        let outcome = store.publish(vec![segment], folded);
        assert!(matches!(outcome, Err(PublishError::Coverage { .. })), "{range:?} to {folded}: {outcome:?}");
    }
    assert_eq!(Store::open(folder.path()).unwrap().table_digests().unwrap(), before);
    let segment = ledger.build(&store, 100..110);
    let late = ledger.build(&store, 100..120);
    let mut other = store.clone();
    other.publish(vec![segment], 110).unwrap();
    assert!(matches!(store.publish(vec![late], 120), Err(PublishError::Raced { .. })));
    assert_eq!(Store::open(folder.path()).unwrap().folded(), 110);
    let outcome = SegmentBuilder::new(100, &other).finish(110);
    assert!(matches!(outcome, Err(FinishError::End { .. })));
}

#[test]
fn a_reader_keeps_what_it_opened_through_one_publication() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger { every: 1 };
    let mut store = ledger.store(folder.path(), &[10, 20]);
    let reader = Store::open(folder.path()).unwrap();
    ledger.fold(&mut store, 30);
    assert_eq!(store.summaries().count(), 1, "three parts became one");
    let digests = reader.table_digests().unwrap();
    assert_eq!(digests, ledger.store(tempfile::tempdir().unwrap().path(), &[20]).table_digests().unwrap());
    store.clean().unwrap();
    let outcome = reader.table_digests().unwrap_err();
    assert!(matches!(outcome, ReadError::Io { .. }) && outcome.hint().is_some(), "{outcome:?}");
}

/// Flips bytes all over the files that look-ups read: each flip is reported with the name of the file.
#[test]
fn damage_is_reported_with_file_and_place() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger { every: 1 };
    let keys: Vec<KeyRef> = ledger.keys(120).into_keys().map(|(key, _)| key).collect();
    ledger.store(folder.path(), &[120]);
    let look_up_all = || -> Result<(), Damaged> {
        let store = Store::open(folder.path())?;
        keys.iter().try_for_each(|key| store.leaves(key, &Role::ALL, None, 9).map(|_| ()))?;
        Ok(())
    };
    look_up_all().unwrap();
    let paths = ["manifest/2.json", "segment/0-120/summary.json", "segment/0-120/keys.index"];
    for path in paths.map(|path| folder.path().join(path)) {
        let bytes = fs::read(&path).unwrap();
        let step = (bytes.len() / 150).max(1);
        for position in (0..bytes.len()).step_by(step).chain(bytes.len() - 24..bytes.len()) {
            let mut damaged = bytes.clone();
            damaged[position] ^= 0x11;
            overwrite(&path, &damaged);
            let message = look_up_all().unwrap_err().0;
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(message.contains(name), "byte {position} of {name}: {message}");
        }
        overwrite(&path, &bytes);
    }
    look_up_all().unwrap();
    let table = folder.path().join("segment/0-120/events.parquet");
    let store = Store::open(folder.path()).unwrap();
    store.check_files().unwrap();
    let mut bytes = fs::read(&table).unwrap();
    bytes[500] ^= 1;
    overwrite(&table, &bytes);
    assert!(matches!(store.check_files(), Err(ReadError::Damaged(damage)) if damage.file == table));
}

#[test]
fn what_is_not_a_store_of_this_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Store::open(folder.path()), Err(OpenError::Absent { .. })));
    Store::create(folder.path(), parsers()).unwrap();
    assert!(Store::create(folder.path(), parsers()).is_err());
    let path = folder.path().join("manifest/2.json");
    overwrite(&path, br#"{"manifest":{"format":1,"shape":"old"}}"#);
    let outcome = Store::open(folder.path()).unwrap_err();
    assert!(matches!(outcome, OpenError::Version { expected: FORMAT, found: 1, .. }), "{outcome:?}");
    assert!(outcome.hint().is_some());
    fs::remove_file(&path).unwrap();
    overwrite(&folder.path().join("manifest/02.json"), b"not a manifest");
    assert_eq!(Store::open(folder.path()).unwrap().folded(), 0);
    Ledger { every: 1 }.store(&folder.path().join("other"), &[10]);
    fs::remove_file(folder.path().join("other/segment/0-10/keys.index")).unwrap();
    let store = Store::open(&folder.path().join("other")).unwrap();
    let outcome = store.find("x").unwrap_err();
    assert!(outcome.to_string().contains("keys.index") && outcome.hint().is_some(), "{outcome}");
}

/// Any failure, as a message.
#[derive(Debug)]
struct Damaged(String);

impl<E: std::error::Error> From<E> for Damaged {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
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
