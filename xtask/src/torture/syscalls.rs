//! `cargo xtask torture syscalls`: each call that an ingest makes to the system fails, is cut short or kills the
//! program, one at a time (`strace --inject`). Skipped with a line that says so where `strace` is missing.
//!
//! A write that is cut short says that one byte was taken and takes none, which no disk does. The ledger stops there; the
//! store, which is derived, goes on and may come out damaged, so it is derived again.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use super::TortureError;
use super::stage::{Stage, StageError, run as run_command};
use crate::options;

/// Calls, and what happens to them.
const CALLS: [(&str, &[&str]); 13] = [
    ("openat", &FAILS),
    ("rename", &FAILS),
    ("mkdir", &FAILS),
    ("fsync", &FAILS),
    ("fdatasync", &FAILS),
    ("syncfs", &FAILS),
    ("read", &FAILS),
    ("pread64", &FAILS),
    ("write", &["error=EIO", "error=ENOSPC", "retval=1", "signal=SIGKILL"]),
    ("ftruncate", &FAILS),
    ("unlink", &FAILS),
    ("unlinkat", &FAILS),
    ("close", &FAILS),
];
const FAILS: [&str; 3] = ["error=EIO", "error=ENOSPC", "signal=SIGKILL"];

/// Runs the test with `--events N`, `--seed N` and `--stride N`: only every so-manieth occurrence.
pub fn run(root: &Path, options: &[&str], out: &mut dyn Write) -> Result<(), TortureError> {
    let known = [("--events", 200), ("--seed", 1), ("--stride", 1)];
    let [events, seed, stride] = options::numbers(options, known)?;
    let say = |out: &mut dyn Write, text: &str| writeln!(out, "{text}").map_err(TortureError::Write);
    if Command::new("strace").arg("-V").output().is_err() {
        return say(out, "SKIPPED: `strace` is not installed");
    }
    let stage = Stage::set(root, events, seed)?;
    let occurrences = count(&stage)?;
    let (mut trials, mut failed_runs) = (0_u64, 0_u64);
    for (call, faults) in CALLS {
        let most = occurrences.get(call).copied().unwrap_or(0);
        for fault in faults {
            for number in (1..=most).step_by(usize::try_from(stride).unwrap_or(usize::MAX)) {
                trials += 1;
                failed_runs += u64::from(!hold(&stage, call, fault, number)?);
            }
            say(out, &format!("{call} {fault}: {most} occurrences"))?;
        }
    }
    say(
        out,
        &format!(
            "{trials} calls failed, were cut short or killed the program, which ended {failed_runs} of the runs: nothing \
             acknowledged was lost, and another run made each whole"
        ),
    )
}

/// How often the thread that does so most makes each call.
fn count(stage: &Stage) -> Result<BTreeMap<String, u64>, StageError> {
    let (evidence, list) = (stage.scratch.path().join("counted"), stage.scratch.path().join("calls"));
    stage.init(&evidence)?;
    let names = CALLS.map(|(name, _)| name).join(",");
    stage.ingest(&evidence, &tracer(&list.display().to_string(), &["-e", &format!("trace={names}")]))?;
    let text = std::fs::read_to_string(&list).map_err(StageError::Scratch)?;
    let mut by_thread: BTreeMap<(String, String), u64> = BTreeMap::new();
    for line in text.lines() {
        // `1234  openat(AT_FDCWD, …`; the rest of a call that another thread interrupted has no opening bracket there.
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((call, _)) = rest.trim_start().split_once('(') else { continue };
        *by_thread.entry((call.to_owned(), thread.to_owned())).or_default() += 1;
    }
    let mut most: BTreeMap<String, u64> = BTreeMap::new();
    for ((call, _), count) in by_thread {
        let known = most.entry(call).or_default();
        *known = count.max(*known);
    }
    Ok(most)
}

/// One run; whether it ended well in spite of the fault.
fn hold(stage: &Stage, call: &str, fault: &str, number: u64) -> Result<bool, StageError> {
    let evidence = stage.scratch.path().join("evidence");
    stage.init(&evidence)?;
    let inject = format!("inject={call}:{fault}:when={number}");
    let ran =
        stage.ingest(&evidence, &tracer("/dev/null", &["-e", &format!("trace={call}"), "-e", &inject]))?;
    if fault.starts_with("retval") {
        stage.rebuild(&evidence, &inject)?;
    }
    stage.require_whole_again(&evidence, &ran, &inject)?;
    run_command(Command::new("rm").arg("-rf").arg(&evidence))?;
    Ok(ran.done)
}

fn tracer(list: &str, more: &[&str]) -> Vec<String> {
    ["strace", "-f", "-q", "--seccomp-bpf", "-o", list]
        .iter()
        .chain(more)
        .map(|word| (*word).to_owned())
        .collect()
}
