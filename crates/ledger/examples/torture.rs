//! The ledger's long fault tests that run inside one process. Built with the feature `simulation`; `cargo xtask torture`
//! runs it. Each test is in `ascribe_ledger::simulation`; here are options, totals and the exit code: 0 where
//! everything held, 1 where something did not, 2 for usage.

#![expect(clippy::print_stdout, reason = "a program that reports on its standard output")]
#![expect(clippy::print_stderr, reason = "a program that talks beside its output")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use ascribe_ledger::simulation::fuzz::{self, Target};
use ascribe_ledger::simulation::power_loss::{self, Outcome};
use ascribe_ledger::simulation::scripted::{self, Tried};
use ascribe_ledger::simulation::{flips, hostile};

const USAGE: &str = "\
usage: torture power-loss [--seeds N] [--first N]
       torture torn [--stride N]
       torture fsync
       torture flip [--entries N] [--stride N] [--all-bits N]
       torture hostile
       torture clock [--entries N] [--seeds N]
       torture fuzz [--target NAME] [--seconds N] [--first N]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let held = match arguments[..] {
        ["power-loss", ref options @ ..] => numbers(options, [("--seeds", 100_000), ("--first", 0)])
            .map(|[seeds, first]| lose_power(first, seeds)),
        ["torn", ref options @ ..] => numbers(options, [("--stride", 1)])
            .map(|[stride]| said("writes torn", scripted::tear_writes(stride as usize))),
        ["fsync"] => Some(said("syncs failed", scripted::fail_syncs())),
        ["flip", ref options @ ..] => {
            numbers(options, [("--entries", 2_000), ("--stride", 1), ("--all-bits", 100)]).map(flip)
        }
        ["hostile"] => Some(keep_or_refuse()),
        ["clock", ref options @ ..] => numbers(options, [("--entries", 1_000), ("--seeds", 100)])
            .map(|[entries, seeds]| jump_clocks(entries, seeds)),
        ["fuzz", "--target", name, ref options @ ..] => fuzz_options(options).and_then(|(seconds, first)| {
            fuzz::TARGETS
                .iter()
                .chain([&fuzz::LEDGER])
                .find(|target| target.name == name)
                .map(|target| fuzz_one(target, seconds, first))
        }),
        ["fuzz", ref options @ ..] => fuzz_options(options).map(|(seconds, first)| {
            // All of them, also after one has a finding.
            let targets = fuzz::TARGETS.iter().chain([&fuzz::LEDGER]);
            let held: Vec<bool> = targets.map(|target| fuzz_one(target, seconds, first)).collect();
            held.iter().all(|held| *held)
        }),
        _ => None,
    };
    match held {
        Some(true) => ExitCode::SUCCESS,
        Some(false) => ExitCode::FAILURE,
        None => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Options with a whole number each, in the order of `known`, which gives the defaults.
fn numbers<const N: usize>(options: &[&str], known: [(&str, u64); N]) -> Option<[u64; N]> {
    let mut values = known.map(|(_, value)| value);
    for pair in options.chunks(2) {
        let place = known.iter().position(|(name, _)| pair.first() == Some(name))?;
        values[place] = pair.get(1)?.replace('_', "").parse().ok()?;
    }
    Some(values)
}

fn said(what: &str, tried: Result<Tried, power_loss::Failure>) -> bool {
    match tried {
        Ok(Tried { calls, faults }) => {
            println!(
                "{what}: {faults} in all, at {calls} calls; each was recovered from with nothing acknowledged lost"
            );
            true
        }
        Err(failure) => {
            println!("{failure}");
            false
        }
    }
}

fn flip([entries, stride, all_bits]: [u64; 3]) -> bool {
    let chosen = flips::Chosen { stride: stride as usize, all_bits: all_bits as usize };
    match flips::flip(entries, chosen, &mut |line| eprintln!("{line}")) {
        Ok(flipped) => {
            println!(
                "{} bits flipped in the {} bytes of a ledger of {entries} entries and its anchor: {} reported, {} with the \
                 file, {} with a place in it or the leaf",
                flipped.flips, flipped.bytes, flipped.reported, flipped.file_named, flipped.place_named
            );
            flipped.reported == flipped.flips && flipped.file_named == flipped.flips
        }
        Err(what) => {
            println!("{what}");
            false
        }
    }
}

fn keep_or_refuse() -> bool {
    let names: Vec<&str> = hostile::records().iter().map(|(name, _)| *name).collect();
    match hostile::keep_or_refuse() {
        Ok((kept, refused)) => {
            println!(
                "{kept} records kept byte for byte, {refused} refused with its reason: {}",
                names.join(", ")
            );
            true
        }
        Err(what) => {
            println!("{what}");
            false
        }
    }
}

fn jump_clocks(entries: u64, seeds: u64) -> bool {
    let mut total = 0;
    for seed in 0..seeds {
        match hostile::jump_clocks(entries, seed) {
            Ok(found) => total += found,
            Err(what) => {
                println!("seed {seed}: {what}");
                return false;
            }
        }
    }
    println!(
        "{total} entries with times that jump, in {seeds} ledgers: each at the leaf of its arrival, proven"
    );
    true
}

fn fuzz_options(options: &[&str]) -> Option<(Duration, u64)> {
    numbers(options, [("--seconds", 60), ("--first", 1)])
        .map(|[seconds, first]| (Duration::from_secs(seconds), first))
}

fn fuzz_one(target: &Target, length: Duration, first: u64) -> bool {
    let start = Instant::now();
    // The clock is asked now and then: many inputs take less time than asking.
    match fuzz::fuzz(target, first, |tried| !tried.is_multiple_of(64) || start.elapsed() < length) {
        Ok(tried) => {
            println!(
                "{}: {} inputs in {:.0?}, {} of them accepted, no finding",
                target.name,
                tried.inputs,
                start.elapsed(),
                tried.accepted
            );
            true
        }
        Err(finding) => {
            println!("{finding}");
            false
        }
    }
}

fn lose_power(first: u64, seeds: u64) -> bool {
    let mut total = Outcome::default();
    let mut failures = 0_u64;
    for (seed, done) in (first..first.saturating_add(seeds)).zip(1_u64..) {
        match power_loss::run(seed) {
            Ok(outcome) => total.add(&outcome),
            Err(failure) => {
                failures += 1;
                eprintln!("{failure}");
            }
        }
        if done.is_multiple_of(10_000) {
            eprintln!("{done} seeds, {failures} of them failed");
        }
    }
    println!(
        "{seeds} seeds from {first}, {failures} of them failed: {} crashes, {} of them in recovery, at {} steps of the \
         disk; {} entries acknowledged and {} checkpoints seen",
        total.crashes, total.crashes_in_recovery, total.steps, total.acknowledged, total.checkpoints
    );
    failures == 0
}
