//! `cargo xtask torture disk-full`: an ingest onto a file system that fills up, again and again with other sizes; then
//! there is room, and the same command goes on. Skipped with a line that says so where nothing may be mounted.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use super::TortureError;
use super::stage::{Stage, StageError, run as run_command};
use crate::bench::random::Random;
use crate::options;

/// Runs the test with `--trials N`, `--events N` and `--seed N`.
pub fn run(root: &Path, options: &[&str], out: &mut dyn Write) -> Result<(), TortureError> {
    let [trials, events, seed] =
        options::numbers(options, [("--trials", 20), ("--events", 2_000), ("--seed", 1)])?;
    let say = |out: &mut dyn Write, text: &str| writeln!(out, "{text}").map_err(TortureError::Write);
    let stage = Stage::set(root, events, seed)?;
    let folder = stage.scratch.path().join("small");
    std::fs::create_dir(&folder).map_err(StageError::Scratch)?;
    let mut random = Random::new(seed);
    let (mut full, mut acknowledged) = (0_u64, 0_u64);
    for _ in 0..trials {
        let kilobytes = 32 + random.below(600);
        if !mount(&folder, kilobytes, false)? {
            return say(out, "SKIPPED: no file system may be mounted here");
        }
        let held = fill(&stage, &folder, kilobytes);
        run_command(Command::new("umount").arg(&folder))?;
        let (was_full, entries) = held?;
        full += u64::from(was_full);
        acknowledged += entries;
    }
    if full == 0 {
        let what = "no file system was full on the way; take in more".to_owned();
        return Err(StageError::Held { context: format!("{trials} trials"), what }.into());
    }
    say(
        out,
        &format!(
            "{trials} file systems, {full} of them full on the way, with {acknowledged} entries acknowledged by then: each is \
             there, the message says that there is no space, and with room the same command went on"
        ),
    )
}

/// One run onto a file system of so many kilobytes: whether it was full, and what was acknowledged by then.
fn fill(stage: &Stage, folder: &Path, kilobytes: u64) -> Result<(bool, u64), StageError> {
    let (evidence, context) = (folder.join("evidence"), format!("{kilobytes} KiB"));
    if stage.init(&evidence).is_err() {
        // Not even an empty ledger fits. With room it is made.
        mount(folder, 1 << 20, true)?;
        run_command(Command::new("rm").arg("-rf").arg(&evidence))?;
        stage.init(&evidence)?;
        return Ok((true, 0));
    }
    let ran = stage.ingest(&evidence, &[])?;
    // A write that is taken in part has no reason with it yet.
    let reasons = ["No space left", "the disk may be full"];
    if !ran.done && !reasons.iter().any(|reason| ran.said.contains(reason)) {
        return Err(StageError::Held {
            context,
            what: format!("the message does not say why: {}", ran.said),
        });
    }
    mount(folder, 1 << 20, true)?;
    stage.require_whole_again(&evidence, &ran, &context)?;
    Ok((!ran.done, ran.acknowledged))
}

fn mount(folder: &Path, kilobytes: u64, again: bool) -> Result<bool, StageError> {
    let options = format!("{}size={kilobytes}k", if again { "remount," } else { "" });
    let output =
        run_command(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder))?;
    Ok(output.status.success())
}
