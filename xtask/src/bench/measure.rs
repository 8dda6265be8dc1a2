//! One run of a program on a fixed set of cores: how long it took, how much processor time and memory, what it
//! printed.
//!
//! Processor time is what the kernel adds up for children that have ended (`/proc/self/stat`); on a machine that does
//! other work too it says more than the clock on the wall.
//!
//! Memory is the kernel's high-water mark (`VmHWM` in `/proc/<pid>/status`), read every few milliseconds while the
//! program runs: only what it grew by after the last reading is missed. Linux only; elsewhere both are unknown.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const SAMPLE_INTERVAL: Duration = Duration::from_millis(5);

/// Unit of the times in `/proc/<pid>/stat`: `USER_HZ`, 100 on every architecture that Linux runs on today.
const TICKS_PER_SECOND: f64 = 100.0;

/// What to run.
#[derive(Debug, Clone)]
pub struct Run<'a> {
    pub program: &'a Path,
    pub arguments: Vec<String>,
    /// The program may use the cores `0..cores` and no other.
    pub cores: u32,
}

/// How it went.
#[derive(Debug, Clone)]
pub struct Measured {
    pub seconds: f64,
    /// Processor time of all its threads, user and system, in seconds; `None` where the system does not say.
    pub processor_seconds: Option<f64>,
    /// Most memory resident at once, in bytes; `None` where the system does not say.
    pub peak_bytes: Option<u64>,
    pub stdout: String,
}

/// Why there is no measurement.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    #[error("cannot start `{program}` by way of `taskset`")]
    Start {
        program: String,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot read what `{program}` prints")]
    Read {
        program: String,
        #[source]
        source: std::io::Error,
    },
    #[error("`{program}` ended with {status}")]
    Failed { program: String, status: ExitStatus },
    #[error("`valgrind` left no count of instructions in `{}`", path.display())]
    NoCount { path: PathBuf },
}

/// Runs a program to its end. Its stderr goes where this process's does.
pub fn measure(run: &Run<'_>) -> Result<Measured, MeasureError> {
    let program = run.program.display().to_string();
    let cores = format!("0-{}", run.cores.saturating_sub(1));
    let (start, processor_before) = (Instant::now(), children_processor_seconds());
    let mut child = Command::new("taskset")
        .args(["--cpu-list", &cores])
        .arg(run.program)
        .args(&run.arguments)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|source| MeasureError::Start { program: program.clone(), source })?;
    let status_file = format!("/proc/{}/status", child.id());
    let (peak, ended) = (AtomicU64::new(0), AtomicBool::new(false));
    let (stdout, status) = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Acquire) {
                peak.fetch_max(high_water_mark(Path::new(&status_file)).unwrap_or(0), Ordering::AcqRel);
                std::thread::sleep(SAMPLE_INTERVAL);
            }
        });
        let mut stdout = String::new();
        let read = child.stdout.take().map_or(Ok(0), |mut pipe| pipe.read_to_string(&mut stdout));
        let status = child.wait();
        ended.store(true, Ordering::Release);
        (read.map(|_| stdout), status)
    });
    let seconds = start.elapsed().as_secs_f64();
    let failed = |source| MeasureError::Read { program: program.clone(), source };
    let (stdout, status) = (stdout.map_err(failed)?, status.map_err(failed)?);
    if !status.success() {
        return Err(MeasureError::Failed { program, status });
    }
    let peak_bytes = Some(peak.into_inner()).filter(|peak| *peak > 0);
    let processor_seconds =
        children_processor_seconds().zip(processor_before).map(|(after, before)| after - before);
    Ok(Measured { seconds, processor_seconds, peak_bytes, stdout })
}

/// Instructions that a program takes, in all its threads, as `valgrind` counts them; `counts` is the file that it writes.
/// The same input takes nearly the same number, whatever else the machine does.
pub fn instructions(run: &Run<'_>, counts: &Path) -> Result<u64, MeasureError> {
    let tool = ["--quiet", "--tool=callgrind"].map(str::to_owned);
    let file = format!("--callgrind-out-file={}", counts.display());
    let arguments = tool.into_iter().chain([file, run.program.display().to_string()]);
    let arguments = arguments.chain(run.arguments.iter().cloned()).collect();
    measure(&Run { program: Path::new("valgrind"), arguments, cores: run.cores })?;
    let written = std::fs::read_to_string(counts).unwrap_or_default();
    let total = written.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok());
    total.ok_or_else(|| MeasureError::NoCount { path: counts.to_owned() })
}

/// The high-water mark in bytes; `None` once the process is gone, and where there is no such file.
fn high_water_mark(status_file: &Path) -> Option<u64> {
    let status = std::fs::read_to_string(status_file).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// Processor time of the children of this process that have ended; `None` where there is no such file.
fn children_processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in brackets, which may hold blanks; `cutime` and `cstime` are the
    // fields 16 and 17, so the 14th and 15th after it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field)?.parse::<u64>().ok();
    Some(float(ticks(13)? + ticks(14)?) / TICKS_PER_SECOND)
}

/// Bytes of all files below a folder, or of one file.
pub fn bytes_on_disk(path: &Path) -> std::io::Result<u64> {
    let metadata = std::fs::symlink_metadata(path)?;
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    let mut bytes = 0;
    for entry in std::fs::read_dir(path)? {
        bytes += bytes_on_disk(&entry?.path())?;
    }
    Ok(bytes)
}

/// The middle value; the upper one of two in the middle. `None` of nothing.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// A count as a figure.
#[expect(
    clippy::cast_precision_loss,
    reason = "figures are printed with a few digits; counts stay below 2^53"
)]
pub fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![1.0]), Some(1.0));
        assert_eq!(median(vec![]), None);
    }

    #[test]
    fn files_are_summed_at_every_depth() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("a")).unwrap();
        for (name, length) in [("b", 3), ("a/c", 4)] {
            let file = std::fs::File::create(folder.path().join(name)).unwrap();
            file.set_len(length).unwrap();
        }
        assert_eq!(bytes_on_disk(folder.path()).unwrap(), 7);
    }

    #[test]
    fn a_child_is_measured() {
        if !Path::new("/proc/self/stat").exists() {
            eprintln!("SKIPPED: no `/proc` on this system");
            return;
        }
        let script = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo done";
        let arguments = vec!["-c".to_owned(), script.to_owned()];
        let measured = match measure(&Run { program: Path::new("sh"), arguments, cores: 1 }) {
            Err(MeasureError::Start { .. }) => return eprintln!("SKIPPED: no `taskset` on this system"),
            measured => measured.unwrap(),
        };
        assert_eq!(measured.stdout, "done\n");
        assert!(measured.seconds > 0.0 && measured.processor_seconds.unwrap() > 0.0, "{measured:?}");
        let arguments = vec!["-c".to_owned(), "exit 3".to_owned()];
        let failed = measure(&Run { program: Path::new("sh"), arguments, cores: 1 });
        assert!(matches!(failed, Err(MeasureError::Failed { .. })));
    }

    #[test]
    fn this_process_has_a_high_water_mark() {
        let status = Path::new("/proc/self/status");
        if !status.exists() {
            eprintln!("SKIPPED: no `/proc` on this system");
            return;
        }
        assert!(high_water_mark(status).unwrap() > 100 * 1024);
        assert_eq!(high_water_mark(Path::new("/proc/self/gone")), None);
    }
}
