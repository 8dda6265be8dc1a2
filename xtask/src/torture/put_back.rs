//! `cargo xtask torture rollback` and `two-writers`: ledgers and anchors that are put back to an older state or
//! exchanged, and two writers of one folder or of one anchor.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::TortureError;
use super::stage::{Ran, Stage, StageError, copy, run as run_command};
use crate::options;

/// Puts back an older ledger, an older anchor and an anchor of another ledger of the same size: each is refused, with
/// both notes shown.
pub fn roll_back(root: &Path, options: &[&str], out: &mut dyn Write) -> Result<(), TortureError> {
    let [events, seed] = options::numbers(options, [("--events", 300), ("--seed", 1)])?;
    let stage = Stage::set(root, events, seed)?;
    let at = |name: &str| stage.scratch.path().join(name);
    let (old, new, other) = (at("old"), at("new"), at("other"));
    stage.init(&old)?;
    copy(&old, &new)?;
    copy(&old, &other)?;
    for evidence in [&new, &other] {
        require(stage.ingest(evidence, &[])?.done, "ingest", "it fails")?;
    }
    // Salts are random, so equal records under one key give two trees of one size.
    for (name, ledger, anchor) in [
        ("an older ledger", &old, &new),
        ("an older anchor", &new, &old),
        ("another root at the same size", &new, &other),
    ] {
        let mixed = at("mixed");
        copy(&new, &mixed)?;
        for (part, from) in [("ledger", ledger), ("anchor", anchor)] {
            run_command(Command::new("rm").arg("-rf").arg(mixed.join(part)))?;
            copy(&from.join(part), &mixed.join(part))?;
        }
        let before = fs::read(mixed.join("anchor/checkpoint")).map_err(StageError::Scratch)?;
        let ran = stage.ingest(&mixed, &[])?;
        let notes = ran.said.matches("\u{2014} ").count();
        require(!ran.done && notes >= 2, name, &format!("it is not refused with both notes: {}", ran.said))?;
        let after = fs::read(mixed.join("anchor/checkpoint")).map_err(StageError::Scratch)?;
        require(before == after, name, "the anchor was changed")?;
        require(stage.verify(&mixed, name).is_err(), name, "it verifies")?;
        run_command(Command::new("rm").arg("-rf").arg(&mixed))?;
        writeln!(out, "{name}: refused, both notes shown, nothing changed, and it does not verify")
            .map_err(TortureError::Write)?;
    }
    Ok(())
}

/// Two writers at once, of one folder and of two folders with one anchor: one of them wins.
pub fn two_writers(root: &Path, options: &[&str], out: &mut dyn Write) -> Result<(), TortureError> {
    let [trials, events, seed] =
        options::numbers(options, [("--trials", 10), ("--events", 3_000), ("--seed", 1)])?;
    let stage = Stage::set(root, events, seed)?;
    let (mut refused, mut lost) = (0_u64, 0_u64);
    for trial in 0..trials {
        let evidence = stage.scratch.path().join(format!("one {trial}"));
        stage.init(&evidence)?;
        let [left, right] = both(&stage, [&evidence, &evidence])?;
        for ran in [&left, &right].into_iter().filter(|ran| !ran.done) {
            require(
                ran.said.contains("locked"),
                "one folder",
                &format!("it fails for another reason: {}", ran.said),
            )?;
            refused += 1;
        }
        require(left.done || right.done, "one folder", "both writers fail")?;
        stage.require_whole_again(&evidence, if left.done { &left } else { &right }, "one folder")?;
        lost += one_anchor(&stage, trial)?;
    }
    writeln!(
        out,
        "{trials} times two writers of one folder: {refused} were refused by the lock, the ledger is whole\n\
         {trials} times two folders with one anchor: {lost} writers lost the swap, and none of them published"
    )
    .map_err(TortureError::Write)
}

/// Two copies of one ledger with one anchor: how many lost.
fn one_anchor(stage: &Stage, trial: u64) -> Result<u64, StageError> {
    let at = |name: &str| stage.scratch.path().join(format!("{name} {trial}"));
    let (left, right) = (at("left"), at("right"));
    stage.init(&left)?;
    copy(&left, &right)?;
    let settings = right.join("ascribe.toml");
    let text = fs::read_to_string(&settings).map_err(StageError::Scratch)?;
    let anchor = left.join("anchor");
    let lines = text.lines().map(|line| match line.split_once('=') {
        Some((name, _)) if name.trim() == "anchor" => format!("anchor = {:?}", anchor.display().to_string()),
        _ => line.to_owned(),
    });
    let changed = lines.collect::<Vec<_>>().join("\n");
    require(changed != text.trim_end(), "one anchor", "the settings name no anchor")?;
    fs::File::create(&settings)
        .and_then(|mut file| file.write_all(changed.as_bytes()))
        .map_err(StageError::Scratch)?;
    let note = |path: PathBuf| fs::read(path).map_err(StageError::Scratch);
    let first = note(left.join("ledger/checkpoint"))?;
    let rans = both(stage, [&left, &right])?;
    let anchored = note(anchor.join("checkpoint"))?;
    let mut lost = 0;
    for (evidence, ran) in [&left, &right].into_iter().zip(&rans) {
        let published = note(evidence.join("ledger/checkpoint"))?;
        if ran.done {
            require(published == anchored, "one anchor", "the winner's checkpoint is not the anchor's")?;
        } else {
            require(published == first, "one anchor", &format!("the loser published: {}", ran.said))?;
            lost += 1;
        }
    }
    require(lost == 1, "one anchor", &format!("{lost} of two writers lost"))?;
    Ok(lost)
}

/// Runs two ingests at once.
fn both(stage: &Stage, evidence: [&Path; 2]) -> Result<[Ran; 2], StageError> {
    std::thread::scope(|scope| {
        let other = scope.spawn(|| stage.ingest(evidence[1], &[]));
        let one = stage.ingest(evidence[0], &[])?;
        let other = other.join().map_err(|_| held("two writers", "a thread ended early"))??;
        Ok([one, other])
    })
}

fn require(holds: bool, context: &str, what: &str) -> Result<(), StageError> {
    if holds { Ok(()) } else { Err(held(context, what)) }
}

fn held(context: &str, what: &str) -> StageError {
    StageError::Held { context: context.to_owned(), what: what.to_owned() }
}
