//! Tests that stop the program before each durable step and look at what is left.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use ascribe_model::Timestamp;

use super::*;
use crate::{Entry, Outlines, Record, RecordOutlines, SegmentBuilder, UNIT};

#[path = "../../tests/generated/mod.rs"]
mod generated;

/// Before the write that is broken off, and after it.
const OLD: u64 = 10;
const NEW: u64 = 11;
/// After the next write.
const LATER: u64 = 16;

#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error(transparent)]
    Finish(#[from] crate::FinishError),
    #[error(transparent)]
    Publish(#[from] PublishError),
}

fn record(leaf: u64, events: RecordOutlines<'_>) -> Entry<'_> {
    Entry::Record(Record {
        leaf,
        object: None,
        stream: None,
        received_at: Timestamp::from_nanoseconds(0),
        withheld: false,
        span_length: 1,
        events,
    })
}

/// Folds up to `end`; every leaf holds an event.
fn fold(store: &mut Store, end: u64) -> Result<(), Stopped> {
    for range in store.plan(end) {
        let mut builder = SegmentBuilder::new(range.start, store);
        for leaf in range.clone() {
            let mut outlines = Outlines::default();
            let at = outlines.push(&[generated::event(leaf)]);
            builder.push(record(leaf, outlines.record(at))).unwrap();
        }
        store.publish(vec![builder.finish(range.end)?], range.end)?;
    }
    Ok(())
}

/// A store in three parts, two of which the next fold replaces.
fn old_store() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::create(folder.path(), BTreeMap::new()).unwrap();
    for end in [8, 9, OLD] {
        fold(&mut store, end).unwrap();
    }
    assert_eq!(store.plan(NEW).first().map(|range| range.start), Some(8));
    folder
}

/// A copy of a store, of which a writer takes so many durable steps.
fn copy_stopping_after(steps: usize, original: &Path) -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    copy(original, folder.path());
    let mut store = Store::open(folder.path()).unwrap();
    store.steps = stop_after(steps);
    (folder, store)
}

fn copy(from: &Path, to: &Path) {
    for path in paths_in(from).unwrap() {
        let copied = to.join(path.file_name().unwrap());
        if path.is_dir() {
            fs::create_dir(&copied).unwrap();
            copy(&path, &copied);
        } else {
            // Files are never changed, so a second name is as good as a copy.
            fs::hard_link(&path, &copied).unwrap();
        }
    }
}

fn digests(end: u64) -> BTreeMap<String, [u8; 32]> {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::create(folder.path(), BTreeMap::new()).unwrap();
    fold(&mut store, end).unwrap();
    store.table_digests().unwrap()
}

/// A budget of `steps` durable steps, after which every step fails.
fn stop_after(steps: usize) -> Steps {
    Steps { left: Some(Arc::new(AtomicUsize::new(steps))) }
}

/// Names of files and folders in a folder.
fn names(folder: &Path) -> BTreeSet<String> {
    paths_in(folder)
        .unwrap()
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_stop_at_any_step_leaves_the_old_or_the_new_state() {
    let [old, new, later] = [OLD, NEW, LATER].map(digests);
    let original = old_store();
    let (mut steps, mut seen) = (0, BTreeSet::new());
    loop {
        let (folder, mut store) = copy_stopping_after(steps, original.path());
        let outcome = fold(&mut store, NEW);
        let mut reopened = Store::open(folder.path()).unwrap();
        seen.insert((reopened.folded(), outcome.is_ok()));
        let expected = if reopened.folded() == OLD { &old } else { &new };
        assert_eq!(reopened.table_digests().unwrap(), *expected, "after {steps} steps: {outcome:?}");
        if let Err(Stopped::Publish(PublishError::Remains { .. })) = &outcome {
            assert_eq!(reopened.folded(), NEW, "what is left to do is cleaning");
        }
        fold(&mut reopened, LATER).unwrap();
        assert_eq!(reopened.table_digests().unwrap(), later, "after {steps} steps");
        reopened.clean().unwrap();
        let in_force: BTreeSet<String> = reopened.segments.iter().map(|segment| name(segment)).collect();
        assert_eq!(names(&reopened.layout.segments()), in_force, "after {steps} steps");
        assert_eq!(names(&reopened.layout.manifests()).len(), 1, "after {steps} steps");
        if outcome.is_ok() {
            break;
        }
        steps += 1;
    }
    assert!(steps > 30, "{steps} steps were broken off");
    assert_eq!(seen, [(OLD, false), (NEW, false), (NEW, true)].into());
}

/// A store whose first unit can be made: one leaf in many holds an event.
fn store_of_a_unit() -> (tempfile::TempDir, BTreeMap<String, [u8; 32]>) {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::create(folder.path(), BTreeMap::new()).unwrap();
    for range in store.plan(UNIT) {
        let mut builder = SegmentBuilder::new(range.start, &store);
        for leaf in range.clone() {
            let mut outlines = Outlines::default();
            let entry = if leaf.is_multiple_of(9_973) {
                let at = outlines.push(&[generated::event(leaf)]);
                record(leaf, outlines.record(at))
            } else {
                Entry::Other { leaf }
            };
            builder.push(entry).unwrap();
        }
        store.publish(vec![builder.finish(range.end).unwrap()], range.end).unwrap();
    }
    store.clean().unwrap();
    let digests = store.table_digests().unwrap();
    (folder, digests)
}

/// Paths of all files below a folder.
fn files(folder: &Path) -> BTreeSet<std::path::PathBuf> {
    let below = |path: std::path::PathBuf| if path.is_dir() { files(&path) } else { [path].into() };
    paths_in(folder).unwrap().into_iter().flat_map(below).collect()
}

#[test]
fn a_compaction_that_stops_at_any_step_leaves_the_ranges_or_the_unit() {
    let (original, digests) = store_of_a_unit();
    let made = {
        let (folder, mut store) = copy_stopping_after(usize::MAX, original.path());
        store.compact(0..UNIT).unwrap();
        store.clean().unwrap();
        files(folder.path()).len()
    };
    let (mut steps, mut seen) = (0, BTreeSet::new());
    loop {
        let (folder, mut store) = copy_stopping_after(steps, original.path());
        let outcome = store.compact(0..UNIT);
        let mut reopened = Store::open(folder.path()).unwrap();
        let is_made = reopened.segments.len() == 1;
        assert!(is_made || reopened.segments.len() == 16, "after {steps} steps: {outcome:?}");
        seen.insert((is_made, outcome.is_ok()));
        // Reading it all and making it again takes long, and neighbouring steps leave nearly the same.
        if steps.is_multiple_of(6) || is_made {
            assert_eq!(reopened.table_digests().unwrap(), digests, "after {steps} steps: {outcome:?}");
            if !is_made {
                reopened.compact(0..UNIT).unwrap();
            }
            reopened.clean().unwrap();
            reopened.check_files().unwrap();
            assert_eq!(files(folder.path()).len(), made, "after {steps} steps: {outcome:?}");
        }
        if outcome.is_ok() {
            break;
        }
        steps += 1;
    }
    assert!(steps > 40, "{steps} steps were broken off");
    assert_eq!(seen, [(false, false), (true, false), (true, true)].into());
}

/// Until its folder is synced, the name of a manifest may be lost with the power. Then the old state is in force.
#[test]
fn a_manifest_whose_name_is_lost_leaves_the_old_state() {
    let old = digests(OLD);
    let original = old_store();
    let mut lost = 0;
    for steps in 0.. {
        let (folder, mut store) = copy_stopping_after(steps, original.path());
        let name = store.layout.manifest(store.number + 1);
        let outcome = fold(&mut store, NEW);
        if outcome.is_ok() || matches!(outcome, Err(Stopped::Publish(PublishError::Remains { .. }))) {
            break;
        }
        if name.exists() {
            fs::remove_file(&name).unwrap();
            lost += 1;
        }
        let reopened = Store::open(folder.path()).unwrap();
        assert_eq!((reopened.folded(), reopened.table_digests().unwrap()), (OLD, old.clone()));
    }
    assert!(lost > 0);
}

#[test]
fn a_store_whose_making_was_broken_off_can_be_made() {
    for steps in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let outcome = Store::create_with(folder.path(), BTreeMap::new(), stop_after(steps));
        if Store::open(folder.path()).is_err() {
            assert!(outcome.is_err());
            Store::create(folder.path(), BTreeMap::new()).unwrap();
        }
        let mut store = Store::open(folder.path()).unwrap();
        fold(&mut store, 10).unwrap();
        if outcome.is_ok() {
            assert!(steps > 5, "{steps} steps were broken off");
            break;
        }
    }
}
