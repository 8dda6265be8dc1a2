//! Crashes at every durable step, with power lost or not: everything acknowledged is there again, every checkpoint
//! ever seen still holds, and the ledger verifies.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::durable::{Disk, Interruption, Step, staged_path};
use crate::proof::{verify_consistency, verify_inclusion};
use crate::tests::fixture::{Fixture, append, key, leaf_hashes, put};
use crate::{AppendError, Hash, LeafAt, Reader, SignedCheckpoint};

/// Fails one step, and remembers what would survive a loss of power after it.
pub(super) struct FailingDisk {
    fail_at: usize,
    moment: Moment,
    state: Mutex<DiskState>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// The step fails and did not happen.
    Before,
    /// The step fails although it happened.
    After,
}

/// What a crash leaves of writes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaves {
    /// The process died and the system lives on.
    Everything,
    /// Power was lost, and nothing had been written back.
    Nothing,
    /// Power was lost, and unsynced files were written back in part.
    Halves,
}

#[derive(Default)]
struct DiskState {
    steps: usize,
    /// Content that was synced, by the name it has now, whether or not that name survives.
    synced: BTreeMap<PathBuf, Vec<u8>>,
    /// Names that survive.
    names: BTreeSet<PathBuf>,
}

impl FailingDisk {
    pub(super) fn new(fail_at: usize, moment: Moment) -> Arc<Self> {
        Arc::new(Self { fail_at, moment, state: Mutex::default() })
    }

    /// A disk on which everything that the fixture holds is durable already.
    pub(super) fn knowing(fixture: &Fixture, fail_at: usize, moment: Moment) -> Arc<Self> {
        let files = fixture.files();
        let state = DiskState {
            steps: 0,
            names: files.iter().map(|(path, _)| path.clone()).collect(),
            synced: files.into_iter().collect(),
        };
        Arc::new(Self { fail_at, moment, state: Mutex::new(state) })
    }

    /// The disk as the next process finds it: what was not synced is still not.
    fn after_a_kill(killed: &Self) -> Arc<Self> {
        let state = killed.state.lock().unwrap();
        let state = DiskState { steps: 0, synced: state.synced.clone(), names: state.names.clone() };
        Arc::new(Self { fail_at: usize::MAX, moment: Moment::Before, state: Mutex::new(state) })
    }

    pub(super) fn steps(&self) -> usize {
        self.state.lock().unwrap().steps
    }

    /// Makes the fixture's folders what is left after the crash.
    pub(super) fn crash(&self, fixture: &Fixture, leaves: Leaves) {
        let state = self.state.lock().unwrap();
        if leaves == Leaves::Everything {
            return;
        }
        for folder in [&fixture.paths.ledger, &fixture.anchor()] {
            if !folder.is_dir() {
                fs::create_dir_all(folder).unwrap();
            }
        }
        for (path, bytes) in fixture.files() {
            let synced = state.synced.get(&path).map_or(&[][..], Vec::as_slice);
            if !state.names.contains(&path) && leaves == Leaves::Nothing {
                fs::remove_file(&path).unwrap();
            } else if leaves == Leaves::Nothing || !bytes.starts_with(synced) {
                put(&path, synced);
            } else {
                let half = synced.len() + (bytes.len() - synced.len()) / 2;
                put(&path, &bytes[..half]);
            }
        }
        for path in state.names.iter().filter(|path| !path.exists()) {
            put(path, state.synced.get(path).map_or(&[][..], Vec::as_slice));
        }
    }
}

impl Interruption for FailingDisk {
    fn before(&self, _: Step, _: &Path) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        state.steps += 1;
        if state.steps - 1 == self.fail_at && self.moment == Moment::Before { Err(fault()) } else { Ok(()) }
    }

    fn after(&self, step: Step, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        state.learn(step, path);
        if state.steps - 1 == self.fail_at && self.moment == Moment::After { Err(fault()) } else { Ok(()) }
    }
}

impl DiskState {
    fn learn(&mut self, step: Step, path: &Path) {
        match step {
            Step::SyncFile | Step::Truncate => {
                self.synced.insert(path.to_owned(), fs::read(path).unwrap());
            }
            Step::SyncFolder => {
                self.names.retain(|name| name.parent() != Some(path) || name.exists());
                for entry in fs::read_dir(path).unwrap() {
                    let entry = entry.unwrap().path();
                    if entry.is_file() {
                        self.names.insert(entry);
                    }
                }
            }
            Step::Rename => {
                if let Some(bytes) = self.synced.remove(&staged_path(path)) {
                    self.synced.insert(path.to_owned(), bytes);
                }
            }
            // Counted for derived files alone, as on systems that sync them one by one.
            Step::SyncDerived => self.learn_all(&path.join("tile")),
            // Truncated and written again without a sync: after a loss of power it may be empty.
            Step::WriteDerived => {
                self.synced.remove(path);
            }
            Step::Write | Step::Remove | Step::CreateFile | Step::CreateFolder | Step::OpenFile => {}
        }
    }

    /// A sync of every file and folder below one.
    fn learn_all(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.learn_all(&path);
            } else {
                self.synced.insert(path.clone(), fs::read(&path).unwrap());
                self.names.insert(path);
            }
        }
    }
}

/// As on a full disk.
fn fault() -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, "no space left (test)")
}

/// What the outside world was told before the crash.
#[derive(Default)]
struct Told {
    acknowledged: u64,
    checkpoints: Vec<SignedCheckpoint>,
}

/// Crosses tiles and segments, commits now and then, and opens again in between.
fn workload(fixture: &Fixture, disk: &Disk, told: &mut Told) -> Result<(), Box<dyn std::error::Error>> {
    let mut ledger = fixture.create_on(disk.clone())?;
    for (batches, commit) in [(&[3, 251][..], true), (&[6, 1], true), (&[2], false)] {
        for count in batches {
            append(&mut ledger, *count)?;
            told.acknowledged = ledger.size();
        }
        if commit {
            told.checkpoints.push(ledger.checkpoint()?);
        }
    }
    drop(ledger);
    let (mut ledger, _) = fixture.open_on(disk.clone())?;
    told.checkpoints.push(ledger.committed().clone());
    append(&mut ledger, 3)?;
    told.acknowledged = ledger.size();
    told.checkpoints.push(ledger.checkpoint()?);
    Ok(())
}

/// Requires that whatever was published is whole, before anything is repaired: readers do not wait for a writer.
fn read_published(fixture: &Fixture, context: &str) {
    let Ok(reader) = Reader::open(&fixture.paths, key().verifier()) else { return };
    for entry in reader.entries(0..reader.size()) {
        let entry = entry.unwrap_or_else(|error| panic!("{context}: {error}"));
        let leaf = entry.leaf();
        assert_eq!(entry.captured(), Some(format!("record {leaf}").as_bytes()), "{context}");
        // Enough to need every tile.
        if leaf % 100 != 0 && leaf + 1 != reader.size() {
            continue;
        }
        let proof = reader.inclusion_proof(leaf).unwrap_or_else(|error| panic!("{context}: {error:?}"));
        let at = LeafAt { index: leaf, hash: entry.leaf_hash() };
        assert_eq!(
            verify_inclusion(at, reader.checkpoint().checkpoint().tree_head(), &proof),
            Ok(()),
            "{context}"
        );
    }
}

/// Opens what a crash left, and checks it against what was told.
fn recover(fixture: &Fixture, told: &Told, context: &str) {
    let opened = match fixture.open() {
        // Nothing had been signed yet: the ledger is made anew.
        Err(crate::OpenError::NotALedger { .. }) if told.checkpoints.is_empty() && told.acknowledged == 0 => {
            fixture.create_on(Disk::default()).map_err(|error| error.to_string())
        }
        opened => opened.map(|(ledger, _)| ledger).map_err(|error| error.to_string()),
    };
    let mut ledger = opened.unwrap_or_else(|error| panic!("{context}: {error}"));
    fixture.assert_clean(context);
    assert!(ledger.size() >= told.acknowledged, "{context}: {} < {}", ledger.size(), told.acknowledged);
    let reader = fixture.reader();
    assert_eq!(reader.size(), ledger.size(), "{context}");
    for leaf in 0..told.acknowledged {
        assert_eq!(
            reader.entry(leaf).unwrap().captured(),
            Some(format!("record {leaf}").as_bytes()),
            "{context}"
        );
    }
    for seen in told.checkpoints.iter().filter(|seen| seen.size() > 0) {
        let proof = reader.consistency_proof(seen.size()).unwrap();
        let (old, new) = (seen.checkpoint().tree_head(), reader.checkpoint().checkpoint().tree_head());
        assert_eq!(verify_consistency(old, new, &proof), Ok(()), "{context}");
    }
    let before: Vec<Hash> = leaf_hashes(&reader);
    append(&mut ledger, 5).unwrap();
    ledger.checkpoint().unwrap();
    fixture.assert_clean(context);
    assert_eq!(leaf_hashes(&fixture.reader())[..before.len()], before, "{context}");
}

#[test]
fn a_crash_at_any_step_loses_nothing_that_was_acknowledged() {
    let counting = FailingDisk::new(usize::MAX, Moment::Before);
    let fixture = Fixture::new();
    workload(&fixture, &Disk::interrupted_by(counting.clone()), &mut Told::default()).unwrap();
    let steps = counting.steps();
    assert!(steps > 100, "the workload has {steps} steps");
    let mut runs = 0;
    for fail_at in 0..steps {
        for moment in [Moment::Before, Moment::After] {
            for leaves in [Leaves::Everything, Leaves::Nothing, Leaves::Halves] {
                let fixture = Fixture::new();
                let failing = FailingDisk::new(fail_at, moment);
                let mut told = Told::default();
                let disk = Disk::interrupted_by(failing.clone());
                let failed = workload(&fixture, &disk, &mut told).unwrap_err().to_string();
                failing.crash(&fixture, leaves);
                runs += 1;
                let context = format!("step {fail_at} {moment:?}, crash leaves {leaves:?}: {failed}");
                read_published(&fixture, &context);
                recover(&fixture, &told, &context);
            }
        }
    }
    eprintln!("{runs} crashes at {steps} steps, all recovered from");
}

/// What a killed process left in memory only must not be built on before it is durable.
#[test]
fn power_lost_right_after_the_recovery_from_a_kill() {
    let counting = FailingDisk::new(usize::MAX, Moment::Before);
    let workload = |disk: &Arc<FailingDisk>, fixture: &Fixture, told: &mut Told| {
        workload(fixture, &Disk::interrupted_by(disk.clone()), told)
    };
    workload(&counting, &Fixture::new(), &mut Told::default()).unwrap();
    for fail_at in 0..counting.steps() {
        for moment in [Moment::Before, Moment::After] {
            let (fixture, mut told) = (Fixture::new(), Told::default());
            let killed = FailingDisk::new(fail_at, moment);
            workload(&killed, &fixture, &mut told).unwrap_err();
            let next = FailingDisk::after_a_kill(&killed);
            let disk = Disk::interrupted_by(next.clone());
            if let Ok((ledger, _)) = fixture.open_on(disk) {
                told.acknowledged = ledger.size();
                told.checkpoints.push(ledger.committed().clone());
            }
            next.crash(&fixture, Leaves::Nothing);
            let context = format!("killed at step {fail_at} {moment:?}, then power lost");
            read_published(&fixture, &context);
            recover(&fixture, &told, &context);
        }
    }
}

#[test]
fn a_crash_during_recovery_is_recovered_from() {
    // A crash that leaves blocks without salts, entries ahead of the anchor, and tiles that were never made durable.
    let crashed = |fixture: &Fixture| {
        let mut ledger = fixture.create();
        append(&mut ledger, 250).unwrap();
        ledger.checkpoint().unwrap();
        append(&mut ledger, 20).unwrap();
        drop(ledger);
        let path = fixture.paths.ledger.join("segment/00000001.0.seg");
        let bytes = fs::read(&path).unwrap();
        put(&path, &[&bytes[..], b"torn"].concat());
        fs::remove_dir_all(fixture.paths.ledger.join("tile/0/000.p")).unwrap();
    };
    let told = Told { acknowledged: 270, checkpoints: Vec::new() };
    let open =
        |fixture: &Fixture, disk: &Arc<FailingDisk>| fixture.open_on(Disk::interrupted_by(disk.clone()));
    let counting = FailingDisk::new(usize::MAX, Moment::Before);
    let fixture = Fixture::new();
    crashed(&fixture);
    let (_, recovery) = open(&fixture, &counting).unwrap();
    assert_eq!((recovery.anchor_size, recovery.durable_size, recovery.record_bytes_cut), (250, 270, 4));
    assert_eq!(recovery.rebuilt.files, 1);
    assert!(counting.steps() > 10);
    for fail_at in 0..counting.steps() {
        for moment in [Moment::Before, Moment::After] {
            let fixture = Fixture::new();
            crashed(&fixture);
            open(&fixture, &FailingDisk::new(fail_at, moment)).unwrap_err();
            recover(&fixture, &told, &format!("recovery step {fail_at} {moment:?}"));
        }
    }
}

/// The folder that it made had no durable name yet when it was killed; the anchor that the next `create` put there had
/// to have one.
#[test]
fn power_lost_after_a_killed_create_was_made_good() {
    use crate::simulation::{Fault, SimulatedDisk, Survival};
    for fail_at in 0..20 {
        let disk = SimulatedDisk::new(fail_at);
        let paths = crate::LedgerPaths::new("/evidence/ledger", "/elsewhere/anchor")
            .on(Disk::on(Arc::new(disk.clone())));
        disk.plan(fail_at, Fault::ErrorAfter);
        let killed = crate::Ledger::create(&paths, key());
        assert_eq!(disk.plan_nothing(), killed.is_err(), "step {fail_at}");
        drop(killed);
        disk.kill();
        let opened = match crate::Ledger::open(&paths, key()) {
            Err(crate::OpenError::NotALedger { .. }) => crate::Ledger::create(&paths, key()).unwrap(),
            opened => opened.unwrap().0,
        };
        drop(opened);
        disk.lose_power(Survival::Nothing);
        crate::Ledger::open(&paths, key()).unwrap_or_else(|error| panic!("step {fail_at}: {error}"));
    }
}

#[test]
fn a_write_that_fails_poisons_the_writer() {
    let fixture = Fixture::new();
    drop(fixture.create());
    // Opening takes some steps; fail the first write after it.
    let counting = FailingDisk::new(usize::MAX, Moment::Before);
    drop(fixture.open_on(Disk::interrupted_by(counting.clone())).unwrap());
    let failing = FailingDisk::new(counting.steps() + 1, Moment::Before);
    let (mut ledger, _) = fixture.open_on(Disk::interrupted_by(failing)).unwrap();
    assert!(matches!(append(&mut ledger, 1), Err(AppendError::Write(error)) if error.step == Step::Write));
    assert!(matches!(append(&mut ledger, 1), Err(AppendError::Poisoned)));
    assert!(matches!(ledger.checkpoint(), Err(crate::CheckpointError::Poisoned)));
    drop(ledger);
    recover(&fixture, &Told::default(), "after a failed write");
}

/// A key hands over to another: whatever step fails, the ledger opens under one of the two, and handing over again ends
/// in the same note.
#[test]
fn a_crash_while_a_key_hands_over_leaves_a_ledger_that_opens_under_one_of_the_two() {
    let next = || crate::KeyPair::from_seed("example.com/ledger", [9; 32]).unwrap();
    let hand_over = |fixture: &Fixture, disk: Disk| -> Result<(), Box<dyn std::error::Error>> {
        let (mut ledger, _) = fixture.open_on(disk)?;
        append(&mut ledger, 1)?;
        ledger.hand_over(next())?;
        append(&mut ledger, 1)?;
        ledger.checkpoint()?;
        Ok(())
    };
    let counting = FailingDisk::new(usize::MAX, Moment::Before);
    let fixture = Fixture::committed(&[3]);
    hand_over(&fixture, Disk::interrupted_by(counting.clone())).unwrap();
    assert!(fixture.open().is_err(), "the old key signs no more");
    let (ledger, _) = crate::Ledger::open(&fixture.paths, next()).unwrap();
    assert_eq!(ledger.size(), 5);
    let (mut under_old, mut under_new) = (0, 0);
    for fail_at in 0..counting.steps() {
        for moment in [Moment::Before, Moment::After] {
            for leaves in [Leaves::Everything, Leaves::Nothing, Leaves::Halves] {
                let fixture = Fixture::committed(&[3]);
                let failing = FailingDisk::new(fail_at, moment);
                let disk = Disk::interrupted_by(failing.clone());
                failing.state.lock().unwrap().learn_all(&fixture.paths.ledger);
                failing.state.lock().unwrap().learn_all(&fixture.anchor());
                hand_over(&fixture, disk).unwrap_err();
                failing.crash(&fixture, leaves);
                let context = format!("step {fail_at} {moment:?}, crash leaves {leaves:?}");
                if let Ok((mut ledger, _)) = fixture.open() {
                    under_old += 1;
                    ledger.hand_over(next()).unwrap_or_else(|error| panic!("{context}: {error}"));
                } else {
                    under_new += 1;
                }
                let (ledger, _) = crate::Ledger::open(&fixture.paths, next())
                    .unwrap_or_else(|error| panic!("{context}: neither key opens it: {error}"));
                assert!(ledger.size() >= 3, "{context}");
                let report = crate::verify(&fixture.paths, next().verifier(), &|_| {});
                assert!(report.is_clean(), "{context}: {:?}", report.problems);
            }
        }
    }
    assert!(under_old > 0 && under_new > 0, "{under_old} under the old key, {under_new} under the new one");
}
