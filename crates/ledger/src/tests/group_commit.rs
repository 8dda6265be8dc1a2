//! Many writers on one ledger: who is told what, and that nobody is told too early.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use crate::durable::{Disk, Interruption, Step};
use crate::tests::fixture::{Fixture, put};
use crate::{
    AppendError, Appender, CheckpointPolicy, GroupCommit, GroupError, GroupLimits, Kind, Ledger, OwnedDraft,
    Span, Ticket,
};

/// A disk that counts, fails one step, holds back syncs while a gate is shut, and knows what was synced.
struct TestDisk {
    fail_at: usize,
    happens: Happens,
    state: Mutex<DiskState>,
    opened: Condvar,
}

/// Whether the step that is reported as failed took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Happens {
    No,
    Yes,
}

#[derive(Default)]
struct DiskState {
    steps: usize,
    file_syncs: usize,
    is_shut: bool,
    synced_bytes: BTreeMap<PathBuf, u64>,
}

impl TestDisk {
    fn new(fail_at: usize, happens: Happens) -> Arc<Self> {
        Arc::new(Self { fail_at, happens, state: Mutex::default(), opened: Condvar::new() })
    }

    fn sound() -> Arc<Self> {
        Self::new(usize::MAX, Happens::No)
    }

    fn ledger(self: &Arc<Self>, fixture: &Fixture) -> Ledger {
        fixture.create_on(Disk::interrupted_by(self.clone())).unwrap()
    }

    fn steps(&self) -> usize {
        self.state.lock().unwrap().steps
    }

    fn file_syncs(&self) -> usize {
        self.state.lock().unwrap().file_syncs
    }

    fn shut(&self) {
        self.state.lock().unwrap().is_shut = true;
    }

    fn open(&self) {
        self.state.lock().unwrap().is_shut = false;
        self.opened.notify_all();
    }

    /// Power is lost: of segments and salts only what was synced is left.
    fn lose_power(&self) {
        for (path, length) in &self.state.lock().unwrap().synced_bytes {
            let bytes = fs::read(path).unwrap();
            put(path, &bytes[..usize::try_from(*length).unwrap()]);
        }
    }
}

impl Interruption for TestDisk {
    fn before(&self, step: Step, _: &Path) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        state.steps += 1;
        let fails = state.steps - 1 == self.fail_at && self.happens == Happens::No;
        if step == Step::SyncFile {
            state.file_syncs += 1;
            drop(self.opened.wait_while(state, |state| state.is_shut).unwrap());
        }
        if fails { Err(io::Error::other("failed (test)")) } else { Ok(()) }
    }

    fn after(&self, step: Step, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        if step == Step::CreateFile && path.parent().is_some_and(|folder| folder.ends_with("segment")) {
            state.synced_bytes.insert(path.to_owned(), 0);
        }
        if step == Step::SyncFile
            && let Some(synced) = state.synced_bytes.get_mut(path)
        {
            *synced = fs::metadata(path).unwrap().len();
        }
        let fails = state.steps - 1 == self.fail_at && self.happens == Happens::Yes;
        if fails { Err(io::Error::other("failed (test)")) } else { Ok(()) }
    }
}

fn draft(text: &str) -> OwnedDraft {
    OwnedDraft {
        kind: Kind::Record,
        stream: None,
        object: None,
        span: None,
        received_at: 0,
        captured: text.as_bytes().to_vec(),
        received: None,
    }
}

fn start(ledger: Ledger) -> GroupCommit {
    GroupCommit::start(ledger, GroupLimits::default(), CheckpointPolicy::default()).unwrap()
}

/// Queues an entry and waits until its batch is in the sync of its blocks, which the shut gate holds back.
fn held_in_sync(disk: &TestDisk, appender: &Appender) -> Ticket {
    let before = disk.file_syncs();
    disk.shut();
    let ticket = appender.submit(vec![draft("held")]).unwrap();
    while disk.file_syncs() == before {
        thread::yield_now();
    }
    ticket
}

/// Appends from several threads, two entries at a time; returns what was acknowledged and how it ended for each.
fn write_from(
    appender: &Appender,
    writers: usize,
    appends: usize,
) -> (BTreeMap<u64, String>, Vec<GroupError>) {
    let (mut acknowledged, mut errors) = (BTreeMap::new(), Vec::new());
    thread::scope(|scope| {
        let one = |writer: usize| {
            let mut told = BTreeMap::new();
            for number in 0..appends {
                let texts = [format!("{writer}/{number}/a"), format!("{writer}/{number}/b")];
                let leaves = match appender.append(texts.iter().map(|text| draft(text)).collect()) {
                    Ok(leaves) => leaves,
                    Err(error) => return (told, Some(error)),
                };
                assert_eq!(leaves.end - leaves.start, 2);
                told.extend(leaves.zip(texts));
            }
            (told, None)
        };
        let running: Vec<_> = (0..writers).map(|writer| scope.spawn(move || one(writer))).collect();
        for writer in running {
            let (told, error) = writer.join().unwrap();
            for (leaf, text) in told {
                assert_eq!(acknowledged.insert(leaf, text), None, "leaf {leaf} was given twice");
            }
            errors.extend(error);
        }
    });
    (acknowledged, errors)
}

fn assert_holds(fixture: &Fixture, acknowledged: &BTreeMap<u64, String>, context: &str) {
    fixture.assert_clean(context);
    let reader = fixture.reader();
    for (leaf, text) in acknowledged {
        let entry = reader.entry(*leaf).unwrap_or_else(|error| panic!("{context}: {error}"));
        assert_eq!(entry.captured(), Some(text.as_bytes()), "{context}: leaf {leaf}");
    }
}

#[test]
fn writers_share_syncs_and_each_gets_its_own_leaves() {
    let (fixture, disk) = (Fixture::new(), TestDisk::sound());
    let group = start(disk.ledger(&fixture));
    let appender = group.appender();
    // The first batch is held back by its sync, so the others queue up behind it.
    let before = disk.file_syncs();
    let first = held_in_sync(&disk, &appender);
    let tickets: Vec<_> =
        (0..60).map(|number| appender.submit(vec![draft(&number.to_string())]).unwrap()).collect();
    disk.open();
    let first = first.wait().unwrap();
    let leaves: Vec<_> = tickets.into_iter().map(|ticket| ticket.wait().unwrap()).collect();
    assert_eq!(first, 0..1);
    assert_eq!(leaves, (1..61).map(|leaf| leaf..leaf + 1).collect::<Vec<_>>());
    assert_eq!(disk.file_syncs() - before, 4, "two batches");

    let (acknowledged, errors) = write_from(&appender, 8, 25);
    assert!(errors.is_empty());
    assert_eq!(acknowledged.len(), 400);
    assert_eq!(appender.checkpoint().unwrap().size(), 461);
    let ledger = group.finish().unwrap();
    assert_eq!((ledger.size(), ledger.committed().size()), (461, 461));
    assert_holds(&fixture, &acknowledged, "after writing");
    assert!(matches!(appender.append(vec![draft("late")]), Err(GroupError::Closed)));
}

#[test]
fn a_crash_at_any_step_loses_nothing_that_was_acknowledged() {
    let run = |disk: &Arc<TestDisk>, fixture: &Fixture| {
        let ledger = fixture.create_on(Disk::interrupted_by(disk.clone()));
        let Ok(ledger) = ledger else { return BTreeMap::new() };
        let policy = CheckpointPolicy { every_entries: Some(20), every_nanoseconds: None };
        let group = GroupCommit::start(ledger, GroupLimits::default(), policy).unwrap();
        let (acknowledged, errors) = write_from(&group.appender(), 4, 9);
        let finished = group.finish();
        assert_eq!(errors.is_empty(), acknowledged.len() == 72);
        assert!(errors.is_empty() || finished.is_err(), "a failed write did not stop the ledger");
        acknowledged
    };
    let (counting, fixture) = (TestDisk::sound(), Fixture::new());
    assert_eq!(run(&counting, &fixture).len(), 72);
    // How many batches there are depends on the threads; the steps of the slowest run are reached now and then.
    for fail_at in 0..counting.steps() {
        for happens in [Happens::No, Happens::Yes] {
            let (disk, fixture) = (TestDisk::new(fail_at, happens), Fixture::new());
            let acknowledged = run(&disk, &fixture);
            let context = format!("step {fail_at}, happened: {happens:?}");
            disk.lose_power();
            match fixture.open() {
                Ok(_) => assert_holds(&fixture, &acknowledged, &context),
                Err(error) => assert!(acknowledged.is_empty(), "{context}: {error}"),
            }
        }
    }
}

#[test]
fn a_failing_sync_acknowledges_nobody_and_stops_everyone() {
    let counting = TestDisk::sound();
    drop(counting.ledger(&Fixture::new()));
    let fixture = Fixture::new();
    // Headers and folder: five steps that start the segment; then blocks are written, and their sync fails.
    let disk = TestDisk::new(counting.steps() + 6, Happens::No);
    let group = start(disk.ledger(&fixture));
    let appender = group.appender();
    disk.shut();
    let tickets: Vec<_> = (0..20).map(|_| appender.submit(vec![draft("never told")]).unwrap()).collect();
    disk.open();
    for ticket in tickets {
        match ticket.wait() {
            Err(GroupError::Append(error)) => {
                let AppendError::Write(error) = &*error else { panic!("{error}") };
                assert_eq!(error.step, Step::SyncFile);
            }
            told => panic!("{told:?}"),
        }
    }
    assert!(matches!(appender.append(vec![draft("later")]), Err(GroupError::Append(_))));
    assert!(matches!(appender.try_submit(vec![draft("later")]), Err(GroupError::Append(_))));
    assert!(matches!(appender.checkpoint(), Err(GroupError::Append(_))));
    assert!(matches!(group.finish(), Err(GroupError::Append(_))));
    // The lock is free, and what was never acknowledged is gone.
    disk.lose_power();
    assert_eq!(fixture.open().unwrap().0.size(), 0);
}

#[test]
fn a_checkpoint_that_fails_stops_everyone_and_takes_nothing_back() {
    let (fixture, disk) = (Fixture::new(), TestDisk::sound());
    let group = start(disk.ledger(&fixture));
    let appender = group.appender();
    let leaves = appender.append(vec![draft("kept")]).unwrap();
    // A folder in the place of the staged note.
    fs::create_dir(fixture.anchor().join("checkpoint.staged")).unwrap();
    assert!(matches!(appender.checkpoint(), Err(GroupError::Checkpoint(_))));
    assert!(matches!(appender.append(vec![draft("later")]), Err(GroupError::Checkpoint(_))));
    drop(group);
    fs::remove_dir(fixture.anchor().join("checkpoint.staged")).unwrap();
    drop(fixture.open().unwrap());
    assert_holds(&fixture, &BTreeMap::from([(leaves.start, "kept".to_owned())]), "after a failed checkpoint");
}

#[test]
fn a_full_queue_makes_wait_or_says_so() {
    let (fixture, disk) = (Fixture::new(), TestDisk::sound());
    let limits = GroupLimits { queued_requests: 3, queued_bytes: 1_000, batch_bytes: 1_000 };
    let group = GroupCommit::start(disk.ledger(&fixture), limits, CheckpointPolicy::default()).unwrap();
    let appender = group.appender();
    let mut tickets = vec![held_in_sync(&disk, &appender)];
    for _ in 0..3 {
        tickets.push(appender.try_submit(vec![draft("waits")]).unwrap());
    }
    assert!(matches!(appender.try_submit(vec![draft("one too many")]), Err(GroupError::Full)));
    let patient = {
        let appender = appender.clone();
        thread::spawn(move || appender.append(vec![draft("patient")]))
    };
    disk.open();
    for ticket in tickets {
        ticket.wait().unwrap();
    }
    assert_eq!(patient.join().unwrap().unwrap(), 4..5);
    // By bytes: the first goes in whatever its size, the second finds the queue full.
    let mut tickets = vec![held_in_sync(&disk, &appender)];
    tickets.push(appender.try_submit(vec![draft(&"x".repeat(5_000))]).unwrap());
    assert!(matches!(appender.try_submit(vec![draft("")]), Err(GroupError::Full)));
    disk.open();
    assert!(tickets.into_iter().all(|ticket| ticket.wait().is_ok()));
}

#[test]
fn a_writer_that_has_gone_leaves_its_entry() {
    let (fixture, disk) = (Fixture::new(), TestDisk::sound());
    let group = start(disk.ledger(&fixture));
    drop(group.appender().submit(vec![draft("orphan")]).unwrap());
    let leaves = group.appender().append(vec![draft("next")]).unwrap();
    assert_eq!(leaves, 1..2);
    // What was queued before the end is done, though nobody waits for it.
    drop(group.appender().submit(vec![draft("last")]).unwrap());
    assert_eq!(group.finish().unwrap().size(), 3);
}

#[test]
fn a_request_that_is_refused_concerns_nobody_else() {
    let (fixture, disk) = (Fixture::new(), TestDisk::sound());
    let group = start(disk.ledger(&fixture));
    let appender = group.appender();
    let refused = |draft: OwnedDraft| match appender.append(vec![draft]) {
        Err(GroupError::Refused(error)) => error.to_string(),
        told => panic!("{told:?}"),
    };
    let ahead = refused(OwnedDraft { object: Some(0), ..draft("refers to itself") });
    assert_eq!(ahead, "draft 0 would be leaf 0, and refers to leaf 0, which is not before it");
    let span = Some(Span { offset: u64::MAX, length: 1 });
    assert!(refused(OwnedDraft { span, ..draft("span") }).starts_with("the span of draft 0"));
    let huge = vec![0; crate::MAX_RECORD_BYTES + 1];
    assert!(refused(OwnedDraft { captured: huge, ..draft("") }).starts_with("draft 0 has 16777217 bytes"));
    assert_eq!(appender.append(vec![draft("fine")]).unwrap(), 0..1);
    assert_eq!(appender.append(vec![OwnedDraft { object: Some(0), ..draft("refers") }]).unwrap(), 1..2);
    assert_eq!(appender.append(Vec::new()).unwrap(), 2..2);
}

#[test]
fn checkpoints_follow_the_policy() {
    let (fixture, disk) = (Fixture::new(), TestDisk::sound());
    let policy = CheckpointPolicy { every_entries: Some(3), every_nanoseconds: Some(1_000) };
    let group = GroupCommit::start(disk.ledger(&fixture), GroupLimits::default(), policy).unwrap();
    let appender = group.appender();
    let published = || fixture.reader().size();
    let append = |received_at| {
        appender.append(vec![OwnedDraft { received_at, ..draft("") }]).unwrap();
        // The thread is at the checkpoint when the writer has its answer; the next request comes after it.
        appender.append(Vec::new()).unwrap();
        published()
    };
    assert_eq!([append(0), append(10), append(20)], [0, 0, 3]);
    // By time of receipt, from the first that is not committed on; a clock that goes back changes nothing.
    assert_eq!([append(5_000), append(4_000), append(5_000)], [3, 5, 5]);
    assert_eq!(append(6_000), 7);
    drop(group);
    fixture.assert_clean("after checkpoints by policy");
}
