//! One writer's life step by step, the same each time, with one thing that goes wrong in it: every write torn at every
//! place, every sync failing once.
//!
//! The oracle is that of [`super::power_loss`]. What is random there is listed here, and tried in full.

use super::disk::{Call, Fault, SECTOR_BYTES, SimulatedDisk, Tear};
use super::pages::Survival;
use super::power_loss::{Failure, Run, Told, large_start};
use super::random::Random;

/// Seed of the script: how many entries each append has.
const SEED: u64 = 4;

/// What was tried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tried {
    /// Writes or syncs of the script.
    pub calls: u64,
    /// Ways in which they went wrong, each recovered from.
    pub faults: u64,
}

/// How the script begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// With nothing: the ledger is made.
    Nothing,
    /// With a ledger that is about to fill a segment and tiles.
    Large,
}

/// Tears every write of the script at its ends, at every border of a sector and at some random places, in three ways
/// each, and recovers. Only every `stride`-th of these is tried.
pub fn tear_writes(stride: usize) -> Result<Tried, Failure> {
    let mut tried = Tried::default();
    for start in [Start::Nothing, Start::Large] {
        let mut random = Random::new(SEED);
        for (step, call) in calls_of(start)? {
            let Call::Write { offset, length } = call else { continue };
            tried.calls += 1;
            let borders = (0..length).filter(|at| (offset + at).is_multiple_of(SECTOR_BYTES));
            let mut places: Vec<usize> = borders.chain([0, 1, length.saturating_sub(1)]).collect();
            places.extend((0..4).map(|_| random.position(length)));
            places.sort_unstable();
            places.dedup();
            let tears = places.iter().flat_map(|at| [Tear::Cut(*at), Tear::Zeros(*at), Tear::Hole(*at)]);
            for tear in tears.skip(random.position(stride)).step_by(stride) {
                go_wrong(start, step, Fault::Torn(tear), Survival::Everything)?;
                tried.faults += 1;
            }
        }
    }
    Ok(tried)
}

/// Lets every sync of the script fail once, with what was to be synced lost in part or whole. The writer has to stop
/// there, also where a later sync would succeed.
pub fn fail_syncs() -> Result<Tried, Failure> {
    let mut tried = Tried::default();
    let half = Survival::Some { granule: SECTOR_BYTES, percent: 50 };
    for start in [Start::Nothing, Start::Large] {
        for (step, call) in calls_of(start)? {
            if call != Call::Sync {
                continue;
            }
            tried.calls += 1;
            for survival in [Survival::Nothing, half, Survival::Everything] {
                go_wrong(start, step, Fault::Error, survival)?;
                tried.faults += 1;
            }
        }
    }
    Ok(tried)
}

/// Writes and syncs of the script when nothing goes wrong.
fn calls_of(start: Start) -> Result<Vec<(u64, Call)>, Failure> {
    let mut run = begin(start).map_err(|what| failure(what, Vec::new()))?;
    play(&mut run).map_err(|what| failure(what, run.trail.clone()))?;
    Ok(run.disk.calls())
}

fn go_wrong(start: Start, step: u64, fault: Fault, survival: Survival) -> Result<(), Failure> {
    let mut run = begin(start).map_err(|what| failure(what, Vec::new()))?;
    run.trail.push(format!("{start:?}, {fault:?} at step {step}, {survival:?} survives"));
    run.disk.plan(step, fault);
    let held = play(&mut run).and_then(|()| {
        if !run.disk.plan_nothing() {
            return Err("nothing went wrong".to_owned());
        }
        run.look_at_published();
        run.ledger = None;
        run.disk.lose_power(survival);
        run.read_published()?;
        run.recover_at_once()?;
        let _: bool = run.act_append()?;
        let _: bool = run.act_checkpoint()?;
        run.ledger = None;
        run.recover_at_once()
    });
    held.map_err(|what| failure(what, run.trail))
}

fn begin(start: Start) -> Result<Run, String> {
    let (disk, told) = match start {
        Start::Nothing => (SimulatedDisk::new(SEED), Told::default()),
        Start::Large => large_start(SEED)?,
    };
    Run::on(disk, told, Random::new(SEED))
}

/// Says whether it could go on.
type Act = fn(&mut Run) -> Result<bool, String>;

/// The script, up to its end or until something goes wrong.
fn play(run: &mut Run) -> Result<(), String> {
    const ACTS: [Act; 11] = [
        Run::act_reopen,
        Run::act_append,
        Run::act_append,
        Run::act_checkpoint,
        Run::act_append,
        Run::act_reopen,
        Run::act_append,
        Run::act_checkpoint,
        Run::act_append,
        Run::act_append,
        Run::act_checkpoint,
    ];
    for act in ACTS {
        if !act(run)? {
            break;
        }
    }
    Ok(())
}

fn failure(what: String, trail: Vec<String>) -> Failure {
    Failure { seed: SEED, what, trail }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every 40th; `cargo xtask torture torn` tries all of them.
    #[test]
    fn torn_writes_are_recovered_from() {
        let tried = tear_writes(40).unwrap_or_else(|failure| panic!("{failure}"));
        assert!(tried.calls > 30 && tried.faults > 30, "{tried:?}");
    }

    #[test]
    fn a_sync_that_fails_once_stops_the_writer() {
        let tried = fail_syncs().unwrap_or_else(|failure| panic!("{failure}"));
        assert!(tried.calls > 30 && tried.faults == 3 * tried.calls, "{tried:?}");
    }
}
