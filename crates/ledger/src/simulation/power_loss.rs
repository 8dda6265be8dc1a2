//! Power lost at any step of a writer, again and again, over a simulated disk: whatever was acknowledged is there
//! afterwards, every checkpoint that anyone saw still holds, nothing that is not a record of ours is taken for one, and
//! the ledger verifies.
//!
//! A run follows from its seed. It appends, commits, closes and opens; something goes wrong at some step; what is left
//! is opened again, and something may go wrong there, too; then it goes on. The oracle knows what was told to callers
//! and readers, and nothing of files.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use super::disk::{Fault, SimulatedDisk};
use super::pages::Survival;
use super::random::Random;
use super::workload::{SEGMENT_LEAVES, chain, draft, key, record};
use crate::append::SaltsFrom;
use crate::durable::Disk;
use crate::ledger::Settings;
use crate::proof::verify_consistency;
use crate::{
    AppendError, CheckpointError, Draft, Hash, KeyPair, Ledger, LedgerPaths, OpenError, Reader,
    SignedCheckpoint, leaf_hash, verify,
};

/// Leaves that a large run starts with: just before tiles and the segment are full.
const LARGE_START: u64 = 250;

/// What a run that held came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Losses of power, killed processes and failed calls.
    pub crashes: u64,
    /// Of those, the ones that fell into recovery.
    pub crashes_in_recovery: u64,
    /// Entries acknowledged.
    pub acknowledged: u64,
    /// Different checkpoints that a caller or reader saw.
    pub checkpoints: u64,
    /// Steps that changed something on the disk or made it durable.
    pub steps: u64,
    /// The root at the end, in place of everything that the run did: equal seeds give equal roots.
    pub root: Option<Hash>,
}

/// A run that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Gives the run again.
    pub seed: u64,
    /// What did not hold.
    pub what: String,
    /// What the run had done, in order.
    pub trail: Vec<String>,
}

impl Outcome {
    /// Adds what another run came to; roots do not add up.
    pub fn add(&mut self, other: &Self) {
        self.crashes += other.crashes;
        self.crashes_in_recovery += other.crashes_in_recovery;
        self.acknowledged += other.acknowledged;
        self.checkpoints += other.checkpoints;
        self.steps += other.steps;
        self.root = None;
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "seed {}: {}", self.seed, self.what)?;
        self.trail.iter().try_for_each(|done| writeln!(formatter, "  {done}"))
    }
}

impl Error for Failure {}

/// Runs one seed.
pub fn run(seed: u64) -> Result<Outcome, Failure> {
    let mut run = match Run::start(seed) {
        Ok(run) => run,
        Err(what) => return Err(Failure { seed, what, trail: Vec::new() }),
    };
    match run.go_through() {
        Ok(()) => Ok(run.outcome),
        Err(what) => Err(Failure { seed, what, trail: run.trail }),
    }
}

/// What the world outside was told.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    /// Leaf hashes of acknowledged entries, by leaf.
    entries: Vec<Hash>,
    /// Checkpoints returned to a caller or published, in order.
    checkpoints: Vec<SignedCheckpoint>,
    /// Whether `create` or `open` has returned a ledger.
    made: bool,
}

/// A ledger over a simulated disk, and the oracle beside it.
pub(super) struct Run {
    pub(super) random: Random,
    pub(super) disk: SimulatedDisk,
    paths: LedgerPaths,
    key: KeyPair,
    salts: SaltsFrom,
    told: Told,
    pub(super) ledger: Option<Ledger>,
    outcome: Outcome,
    pub(super) trail: Vec<String>,
}

/// A disk with a ledger on it, made once, and what was told of it.
pub(super) type Start = (SimulatedDisk, Told);

impl Run {
    fn start(seed: u64) -> Result<Self, String> {
        let mut random = Random::new(seed);
        let (disk, told) = if random.chance(1, 5) {
            large_start(random.number())?
        } else {
            (SimulatedDisk::new(random.number()), Told::default())
        };
        Self::on(disk, told, random)
    }

    pub(super) fn on(disk: SimulatedDisk, told: Told, mut random: Random) -> Result<Self, String> {
        let key = key()?;
        let paths = LedgerPaths::new("/ledger", "/anchor").on(Disk::on(Arc::new(disk.clone())));
        let salts = SaltsFrom::Seed(Arc::new(Mutex::new(Random::new(random.number()))));
        let (outcome, trail) = (Outcome::default(), Vec::new());
        Ok(Self { random, disk, paths, key, salts, told, ledger: None, outcome, trail })
    }

    fn go_through(&mut self) -> Result<(), String> {
        let crashes = 1 + self.random.below(4);
        for _ in 0..crashes {
            if self.ledger.is_none() {
                self.recover()?;
            }
            let within = if self.random.chance(1, 2) { 20 } else { 80 };
            let after = self.random.below(within);
            let fault = self.fault();
            self.trail.push(format!("plan {fault:?} in {after} steps"));
            self.disk.plan(after, fault);
            self.work()?;
            self.crash()?;
        }
        self.recover()?;
        self.act_append()?;
        self.act_checkpoint()?;
        let ledger = self.ledger.take().ok_or("the ledger is not open at the end")?;
        self.check(&ledger)?;
        self.outcome.acknowledged = self.told.entries.len() as u64;
        self.outcome.checkpoints = self.told.checkpoints.len() as u64;
        self.outcome.steps = self.disk.steps();
        self.outcome.root = Some(ledger.committed().root());
        Ok(())
    }

    fn fault(&mut self) -> Fault {
        match self.random.below(11) {
            0..4 => Fault::PowerLostBefore,
            4..7 => Fault::PowerLostAfter,
            7 | 8 => Fault::Error,
            9 => Fault::ShortWrite,
            _ => Fault::ErrorAfter,
        }
    }

    /// Does this and that until something goes wrong, or for long enough.
    fn work(&mut self) -> Result<(), String> {
        for _ in 0..=self.random.below(24) {
            let went_on = match self.random.below(20) {
                0..12 => self.act_append()?,
                12..17 => self.act_checkpoint()?,
                17..19 => self.act_reopen()?,
                _ => {
                    self.read_published()?;
                    true
                }
            };
            self.look_at_published();
            if !went_on {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Appends some entries; false where that failed.
    pub(super) fn act_append(&mut self) -> Result<bool, String> {
        let Some(mut ledger) = self.ledger.take() else { return Ok(false) };
        let first = ledger.size();
        let count =
            if self.random.chance(1, 8) { 1 + self.random.below(40) } else { 1 + self.random.below(4) };
        let records: Vec<Vec<u8>> = (first..first + count).map(record).collect();
        let drafts: Vec<Draft<'_>> =
            records.iter().zip(first..).map(|(record, leaf)| draft(leaf, record)).collect();
        let appended = ledger.append(&drafts);
        self.trail.push(format!("append {first}..{}: {}", first + count, shown(&appended)));
        match appended {
            Ok(leaves) if leaves == (first..first + count) => {
                self.told.entries.extend(ledger.pending.iter().map(leaf_hash));
                if self.told.entries.len() as u64 != first + count {
                    return Err(format!("{} entries are known after {leaves:?}", self.told.entries.len()));
                }
                self.ledger = Some(ledger);
                Ok(true)
            }
            Ok(leaves) => Err(format!("append gave {leaves:?}")),
            Err(AppendError::Write(_)) => self.require_poisoned(&mut ledger).map(|()| false),
            Err(error) => Err(format!("append failed in another way: {error}")),
        }
    }

    /// Commits; false where that failed.
    pub(super) fn act_checkpoint(&mut self) -> Result<bool, String> {
        let Some(mut ledger) = self.ledger.take() else { return Ok(false) };
        let committed = ledger.checkpoint();
        self.trail.push(format!("checkpoint: {}", shown(&committed)));
        match committed {
            Ok(checkpoint) if checkpoint.size() == ledger.size() => {
                self.saw(checkpoint);
                self.ledger = Some(ledger);
                Ok(true)
            }
            Ok(checkpoint) => Err(format!("the checkpoint has {} leaves", checkpoint.size())),
            Err(CheckpointError::Write(_) | CheckpointError::Anchor(_)) => {
                self.require_poisoned(&mut ledger).map(|()| false)
            }
            Err(error) => Err(format!("checkpoint failed in another way: {error}")),
        }
    }

    /// Closes and opens; false where that failed.
    pub(super) fn act_reopen(&mut self) -> Result<bool, String> {
        drop(self.ledger.take());
        match self.open() {
            Ok(ledger) => {
                self.saw(ledger.committed().clone());
                self.ledger = Some(ledger);
                Ok(true)
            }
            Err(_) if self.disk.went_wrong() => Ok(false),
            Err(error) => Err(format!("open failed though nothing went wrong: {error}")),
        }
    }

    /// A writer whose write failed neither appends nor signs again.
    fn require_poisoned(&mut self, ledger: &mut Ledger) -> Result<(), String> {
        let steps = self.disk.steps();
        let appended = ledger.append(&[draft(ledger.size(), b"after the failure")]);
        let committed = ledger.checkpoint();
        let refused = matches!(appended, Err(AppendError::Poisoned))
            && matches!(committed, Err(CheckpointError::Poisoned))
            && self.disk.steps() == steps;
        if refused { Ok(()) } else { Err("the writer goes on after a failed write".to_owned()) }
    }

    /// Ends the process, and the power with it where it is lost already, or where a failed sync leaves a cache that
    /// shows more than there is.
    fn crash(&mut self) -> Result<(), String> {
        self.look_at_published();
        drop(self.ledger.take());
        self.disk.plan_nothing();
        self.outcome.crashes += 1;
        if self.disk.is_dead() || self.disk.sync_failed() || self.random.chance(1, 2) {
            let survival = self.survival();
            self.trail.push(format!("power lost, {survival:?} survives"));
            self.disk.lose_power(survival);
        } else {
            self.trail.push("killed".to_owned());
            self.disk.kill();
        }
        self.read_published()
    }

    fn survival(&mut self) -> Survival {
        let granule = if self.random.chance(1, 2) { 512 } else { 4096 };
        match self.random.below(8) {
            0 => Survival::Nothing,
            1 => Survival::Everything,
            2 | 3 => Survival::Some { granule, percent: self.random.below(101) },
            4 => Survival::Some { granule, percent: 90 },
            5 => Survival::Some { granule, percent: 10 },
            _ => Survival::Some { granule, percent: 50 },
        }
    }

    /// Opens what is left, with things going wrong on the way now and then, and checks it.
    pub(super) fn recover(&mut self) -> Result<(), String> {
        for _ in 0..self.random.below(3) {
            if self.random.chance(1, 4) {
                let after = self.random.below(40);
                self.trail.push(format!("plan a failing read in {after} reads"));
                self.disk.plan_read_error(after);
            } else {
                let (after, fault) = (self.random.below(24), self.fault());
                self.trail.push(format!("plan {fault:?} in {after} steps of recovery"));
                self.disk.plan(after, fault);
            }
            let opened = self.open();
            let went_wrong = self.disk.plan_nothing();
            if let Err(error) = &opened
                && !went_wrong
            {
                return Err(format!("recovery failed though nothing went wrong: {error}"));
            }
            if let Ok(ledger) = &opened {
                self.saw(ledger.committed().clone());
            }
            drop(opened);
            self.outcome.crashes_in_recovery += 1;
            self.crash()?;
        }
        self.recover_at_once()
    }

    /// Opens what is left with nothing going wrong, and checks it.
    pub(super) fn recover_at_once(&mut self) -> Result<(), String> {
        let ledger = self.open().map_err(|error| format!("recovery failed: {error}"))?;
        self.saw(ledger.committed().clone());
        self.check(&ledger)?;
        self.ledger = Some(ledger);
        Ok(())
    }

    /// Opens the ledger, or makes it where nothing was made yet.
    pub(super) fn open(&mut self) -> Result<Ledger, String> {
        let settings = || Settings { segment_leaves: SEGMENT_LEAVES, salts_from: self.salts.clone() };
        let opened = match Ledger::open_with(&self.paths, self.key.clone(), settings()) {
            Err(OpenError::NotALedger { .. }) if !self.told.made => {
                Ledger::create_with(&self.paths, self.key.clone(), settings()).map_err(|error| chain(&error))
            }
            opened => opened.map(|(ledger, _)| ledger).map_err(|error| chain(&error)),
        };
        let opened_as =
            opened.as_ref().map_or_else(String::clone, |ledger| format!("{} leaves", ledger.size()));
        self.trail.push(format!("open: {opened_as}"));
        self.told.made |= opened.is_ok();
        opened
    }

    /// Compares the ledger with what was told of it.
    fn check(&mut self, ledger: &Ledger) -> Result<(), String> {
        let acknowledged = self.told.entries.len() as u64;
        if ledger.size() < acknowledged {
            return Err(format!("{acknowledged} entries were acknowledged, {} are there", ledger.size()));
        }
        let report = verify(&self.paths, self.key.verifier(), &|_| {});
        if let Some(problem) = report.problems.first() {
            return Err(format!("verify: {}", chain(problem)));
        }
        let reader = Reader::open(&self.paths, self.key.verifier()).map_err(|error| chain(&error))?;
        if reader.checkpoint() != ledger.committed() {
            return Err("another checkpoint is published than the writer says".to_owned());
        }
        for entry in reader.entries(0..reader.size()) {
            let entry = entry.map_err(|error| chain(&error))?;
            let leaf = entry.leaf();
            if entry.captured() != Some(record(leaf).as_slice()) {
                return Err(format!("leaf {leaf} is not the record that was written"));
            }
            match self.told.entries.get(leaf as usize) {
                Some(told) if *told != entry.leaf_hash() => {
                    return Err(format!("leaf {leaf} has another hash than when it was acknowledged"));
                }
                Some(_) => {}
                // Durable when the writer died, though nobody had been told. From now on it is.
                None => self.told.entries.push(entry.leaf_hash()),
            }
        }
        if self.told.entries.len() as u64 != ledger.size() {
            return Err(format!("{} leaves are published of {}", reader.size(), ledger.size()));
        }
        self.check_checkpoints(&reader)?;
        if reader.size() > 0 {
            let leaf = self.random.below(reader.size());
            reader.proven_entry(leaf).map_err(|error| chain(&error))?;
        }
        Ok(())
    }

    fn check_checkpoints(&self, reader: &Reader) -> Result<(), String> {
        let now = reader.checkpoint().checkpoint().tree_head();
        for seen in self.told.checkpoints.iter().filter(|seen| seen.size() > 0) {
            let proof = reader.consistency_proof(seen.size()).map_err(|error| chain(&error))?;
            verify_consistency(seen.checkpoint().tree_head(), now, &proof).map_err(|error| {
                format!("the checkpoint of {} leaves was seen, and: {}", seen.size(), chain(&error))
            })?;
        }
        Ok(())
    }

    /// What a reader finds before anyone has repaired anything: it does not wait for a writer.
    pub(super) fn read_published(&mut self) -> Result<(), String> {
        if self.disk.is_dead() {
            return Ok(());
        }
        let reader = match Reader::open(&self.paths, self.key.verifier()) {
            Ok(reader) => reader,
            Err(_) if !self.told.made => return Ok(()),
            Err(error) => return Err(format!("the published checkpoint cannot be read: {}", chain(&error))),
        };
        for leaf in [0, reader.size().saturating_sub(1), self.random.below(reader.size())] {
            if leaf < reader.size() {
                let entry = reader
                    .proven_entry(leaf)
                    .map_err(|error| format!("published leaf {leaf}: {}", chain(&error)))?;
                if entry.captured() != Some(record(leaf).as_slice()) {
                    return Err(format!("published leaf {leaf} is not the record that was written"));
                }
            }
        }
        self.saw(reader.checkpoint().clone());
        Ok(())
    }

    /// Another process may read the published note at any time.
    pub(super) fn look_at_published(&mut self) {
        if self.disk.is_dead() {
            return;
        }
        let note = self.disk.peek(&self.paths.published_checkpoint());
        if let Some(Ok(checkpoint)) = note.map(|note| SignedCheckpoint::open(&note, self.key.verifier())) {
            self.saw(checkpoint);
        }
    }

    pub(super) fn saw(&mut self, checkpoint: SignedCheckpoint) {
        if !self.told.checkpoints.contains(&checkpoint) {
            self.told.checkpoints.push(checkpoint);
        }
    }
}

/// A disk with a ledger that is about to fill a segment and tiles, and what was told of it.
pub(super) fn large_start(seed: u64) -> Result<Start, String> {
    static LARGE: OnceLock<Result<Start, String>> = OnceLock::new();
    let (disk, told) = LARGE.get_or_init(make_large_start).as_ref().map_err(String::clone)?;
    Ok((disk.copy(seed), told.clone()))
}

fn make_large_start() -> Result<Start, String> {
    let mut run = Run::on(SimulatedDisk::new(0), Told::default(), Random::new(0))?;
    let mut ledger = run.open()?;
    let records: Vec<Vec<u8>> = (0..LARGE_START).map(record).collect();
    let drafts: Vec<Draft<'_>> = records.iter().zip(0..).map(|(record, leaf)| draft(leaf, record)).collect();
    for batch in drafts.chunks(120) {
        ledger.append(batch).map_err(|error| chain(&error))?;
        run.told.entries.extend(ledger.pending.iter().map(leaf_hash));
    }
    run.saw(ledger.checkpoint().map_err(|error| chain(&error))?);
    drop(ledger);
    Ok((run.disk, run.told))
}

fn shown<T>(result: &Result<T, impl Error>) -> String {
    result.as_ref().map_or_else(|error| chain(error), |_| "done".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seeds that the gate runs. `cargo xtask torture power-loss` runs more.
    const SEEDS: u64 = 1_000;

    #[test]
    fn nothing_acknowledged_is_lost_with_the_power() {
        let mut total = Outcome::default();
        for seed in 0..SEEDS {
            let outcome = run(seed).unwrap_or_else(|failure| panic!("{failure}"));
            total.add(&outcome);
        }
        eprintln!("{SEEDS} seeds: {} crashes, {} in recovery", total.crashes, total.crashes_in_recovery);
        assert!(total.crashes > 2 * SEEDS && total.crashes_in_recovery > SEEDS / 2);
    }

    #[test]
    fn equal_seeds_give_equal_runs() {
        for seed in 0..10 {
            assert_eq!(run(seed), run(seed));
        }
        assert_ne!(run(1), run(2));
    }
}
