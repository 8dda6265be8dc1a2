//! `cargo xtask torture kill`: the writer is killed at random moments, and nothing that it had acknowledged may be
//! missing afterwards, nothing may be there twice, and going on has to give what an undisturbed run gives.
//!
//! A killed process loses what it held in memory, not what the kernel has: this tests the order of steps and the
//! recovery, not the disk: `power-loss` drops writes that were never synced. What was acknowledged is known from the
//! writer's own lines, read by this process, which outlives it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::stage::{StageError, entries_left, run as run_command};
use crate::bench::build::{self, BuildError};
use crate::bench::deliveries::{self, ACCOUNTS, DeliverError, Order, START_MS};
use crate::bench::random::Random;
use crate::options::{self, OptionError};

/// What the test is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How often the writer is killed.
    pub trials: u64,
    /// Events in the input.
    pub events: u64,
    /// Seed of the input and of the moments.
    pub seed: u64,
}

/// Records in each object: small, so that there are many borders to be killed at.
const EVENTS_PER_OBJECT: u64 = 500;

/// Runs that nobody kills.
const UNDISTURBED: usize = 5;

/// Why a trial did not hold, or could not be run.
#[derive(Debug, thiserror::Error)]
pub enum KillError {
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Deliver(#[from] DeliverError),
    #[error(transparent)]
    Stage(#[from] StageError),
    #[error("cannot use the temporary folder")]
    Scratch(#[source] std::io::Error),
    #[error("cannot run `ascribe {command}`")]
    Run {
        command: &'static str,
        #[source]
        source: std::io::Error,
    },
    #[error("`ascribe {command}` ended with {status}: {stderr}")]
    Failed { command: &'static str, status: ExitStatus, stderr: String },
    #[error("`ascribe {command}` printed something else than JSON")]
    Json {
        command: &'static str,
        #[source]
        source: serde_json::Error,
    },
    #[error("`ascribe {command}` printed no number at `{pointer}`")]
    Number { command: &'static str, pointer: &'static str },
    #[error(
        "trial {trial}, killed after {killed_after:?}: {acknowledged} entries were acknowledged, {found} are there; \
         kept in `{evidence}`"
    )]
    Lost { trial: u64, killed_after: Duration, acknowledged: u64, found: u64, evidence: PathBuf },
    #[error(
        "trial {trial}, killed after {killed_after:?}: {what}: {expected} expected, {found} found; kept in `{evidence}`"
    )]
    Differs {
        trial: u64,
        killed_after: Duration,
        what: &'static str,
        expected: u64,
        found: u64,
        evidence: PathBuf,
    },
    #[error("cannot write the result")]
    Write(#[source] std::io::Error),
}

impl Options {
    /// Reads `--trials N`, `--events N` and `--seed N`.
    pub fn parse(arguments: &[&str]) -> Result<Self, OptionError> {
        let known = [("--trials", 200), ("--events", 40_000), ("--seed", 1)];
        let [trials, events, seed] = options::numbers(arguments, known)?;
        Ok(Self { trials, events, seed })
    }
}

/// What a whole ingest comes to, killed in between or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Whole {
    records: u64,
    events: u64,
    repeats: u64,
}

/// Where in the run a kill fell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    BeforeTheFirstAcknowledgement,
    Between,
    AfterTheEnd,
}

/// Runs the test. Each trial's evidence is removed when it held, and kept and named when it did not.
pub fn run(
    options: Options,
    root: &Path,
    out: &mut dyn Write,
    talk: &mut dyn Write,
) -> Result<(), KillError> {
    let ascribe = build::release(root)?;
    let scratch = tempfile::tempdir().map_err(KillError::Scratch)?;
    let deliveries = scratch.path().join("deliveries");
    let order = Order {
        seed: options.seed,
        events: options.events,
        events_per_object: EVENTS_PER_OBJECT,
        accounts: ACCOUNTS,
        start_ms: START_MS,
    };
    deliveries::write(order, &deliveries)?;
    let program = Program { ascribe: &ascribe, deliveries: &deliveries };

    let (length, expected) = program.undisturbed(scratch.path())?;
    writeln!(talk, "undisturbed: {length:?}, {expected:?}").map_err(KillError::Write)?;

    let mut random = Random::new(options.seed);
    let mut moments: BTreeMap<Moment, u64> = BTreeMap::new();
    let mut acknowledged = Vec::new();
    for trial in 1..=options.trials {
        let nanoseconds = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        let killed_after = Duration::from_nanos(random.below(nanoseconds));
        let one = Trial { number: trial, killed_after, program: &program, expected };
        let killed = one.run()?;
        *moments.entry(killed.moment()).or_default() += 1;
        acknowledged.push(killed.acknowledged);
        if trial % 20 == 0 {
            writeln!(talk, "{trial} trials hold").map_err(KillError::Write)?;
        }
    }
    let least = acknowledged.iter().min().copied().unwrap_or(0);
    let most = acknowledged.iter().max().copied().unwrap_or(0);
    writeln!(
        out,
        "{} kills: nothing acknowledged was lost, nothing is there twice.\n\
         Acknowledged at the kill: {least} to {most} entries, of {} records and what frames them. Where they fell:",
        options.trials, expected.records
    )
    .map_err(KillError::Write)?;
    for (moment, count) in moments {
        writeln!(out, "  {moment:?}: {count}").map_err(KillError::Write)?;
    }
    Ok(())
}

struct Trial<'a> {
    number: u64,
    killed_after: Duration,
    program: &'a Program<'a>,
    expected: Whole,
}

impl Trial<'_> {
    fn run(&self) -> Result<Killed, KillError> {
        let folder = tempfile::tempdir().map_err(KillError::Scratch)?;
        let evidence = folder.path().join("evidence");
        match self.hold(&evidence) {
            Ok(killed) => Ok(killed),
            Err(error) => {
                // Whoever reads the error wants to see the ledger, so it stays.
                let _kept = folder.keep();
                Err(error)
            }
        }
    }

    fn hold(&self, evidence: &Path) -> Result<Killed, KillError> {
        let (trial, killed_after) = (self.number, self.killed_after);
        self.program.init(evidence)?;
        let killed = self.program.ingest_and_kill(evidence, killed_after)?;
        let found = self.program.entries_left(evidence)?;
        if found < killed.acknowledged {
            let (acknowledged, evidence) = (killed.acknowledged, evidence.to_owned());
            return Err(KillError::Lost { trial, killed_after, acknowledged, found, evidence });
        }
        self.program.ingest(evidence)?;
        let whole = self.program.whole(evidence)?;
        let pairs = [
            ("records", self.expected.records, whole.records),
            ("events", self.expected.events, whole.events),
            ("repeated events", self.expected.repeats, whole.repeats),
        ];
        if let Some((what, expected, found)) =
            pairs.into_iter().find(|(_, expected, found)| expected != found)
        {
            let evidence = evidence.to_owned();
            return Err(KillError::Differs { trial, killed_after, what, expected, found, evidence });
        }
        Ok(killed)
    }
}

/// What is known of a writer that was killed.
struct Killed {
    /// Ledger size in its last acknowledgement; 0 where there was none.
    acknowledged: u64,
    /// Whether it had come to its end before.
    ended: bool,
}

impl Killed {
    fn moment(&self) -> Moment {
        match self {
            Killed { ended: true, .. } => Moment::AfterTheEnd,
            Killed { acknowledged: 0, .. } => Moment::BeforeTheFirstAcknowledgement,
            Killed { .. } => Moment::Between,
        }
    }
}

struct Program<'a> {
    ascribe: &'a Path,
    deliveries: &'a Path,
}

impl Program<'_> {
    /// How long an ingest takes that nobody kills, and what it comes to. The shortest of some counts, so that few kills
    /// fall behind the end: the first meets caches that are cold.
    fn undisturbed(&self, scratch: &Path) -> Result<(Duration, Whole), KillError> {
        let mut shortest = None;
        for _ in 0..UNDISTURBED {
            let folder = tempfile::tempdir_in(scratch).map_err(KillError::Scratch)?;
            let evidence = folder.path().join("evidence");
            self.init(&evidence)?;
            let start = Instant::now();
            self.ingest(&evidence)?;
            let ran = (start.elapsed(), self.whole(&evidence)?);
            shortest = shortest.filter(|(length, _)| *length <= ran.0).or(Some(ran));
        }
        Ok(shortest.unwrap_or((Duration::ZERO, Whole { records: 0, events: 0, repeats: 0 })))
    }

    fn init(&self, evidence: &Path) -> Result<(), KillError> {
        answer(self.command(evidence, &["init"]).arg(evidence), "init").map(|_| ())
    }

    fn ingest(&self, evidence: &Path) -> Result<Value, KillError> {
        answer(self.command(evidence, &["ingest"]).arg(self.deliveries), "ingest")
    }

    /// Starts an ingest, kills it after `killed_after` and reads what it had acknowledged.
    fn ingest_and_kill(&self, evidence: &Path, killed_after: Duration) -> Result<Killed, KillError> {
        let failed = |source| KillError::Run { command: "ingest", source };
        let mut child = self
            .command(evidence, &["ingest", "--progress", "json"])
            .arg(self.deliveries)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let stderr = child.stderr.take();
        std::thread::scope(|scope| {
            let reader =
                scope.spawn(move || stderr.map_or(Ok(0), |pipe| last_acknowledgement(BufReader::new(pipe))));
            std::thread::sleep(killed_after);
            let ended = child.try_wait().map_err(failed)?.is_some_and(|status| status.success());
            child.kill().map_err(failed)?;
            child.wait().map_err(failed)?;
            let acknowledged = reader.join().unwrap_or(Ok(0)).map_err(failed)?;
            Ok(Killed { acknowledged, ended })
        })
    }

    /// Checks the whole ledger as the kill left it and counts the entries on disk, under the checkpoint and beyond.
    fn entries_left(&self, evidence: &Path) -> Result<u64, KillError> {
        Ok(entries_left(&run_command(&mut self.command(evidence, &["verify"]))?, "after the kill")?)
    }

    /// Checks the whole ledger and counts what is in it.
    fn whole(&self, evidence: &Path) -> Result<Whole, KillError> {
        let verified = answer(&mut self.command(evidence, &["verify"]), "verify")?;
        let sources = answer(&mut self.command(evidence, &["sources"]), "sources")?;
        let streams = sources.pointer("/body/details/sources/streams").and_then(Value::as_array);
        let mut repeats = 0;
        for stream in streams.into_iter().flatten() {
            repeats += number(stream, "sources", "/duplicates")?;
        }
        Ok(Whole {
            records: number(&verified, "verify", "/entries/record")?,
            events: number(&sources, "sources", "/body/scope/events")?,
            repeats,
        })
    }

    fn command(&self, evidence: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.ascribe);
        command.args(["--output", "json", "--evidence"]).arg(evidence).args(arguments);
        command
    }
}

/// Runs a command to its end and reads its JSON.
fn answer(command: &mut Command, name: &'static str) -> Result<Value, KillError> {
    let output = command.output().map_err(|source| KillError::Run { command: name, source })?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(KillError::Failed { command: name, status: output.status, stderr });
    }
    serde_json::from_slice(&output.stdout).map_err(|source| KillError::Json { command: name, source })
}

/// The ledger size in the last whole line such as `{"acknowledged": 4096}`; 0 where there is none.
pub(super) fn last_acknowledgement(mut lines: impl BufRead) -> std::io::Result<u64> {
    let mut last = 0;
    let mut line = String::new();
    // The kill may cut the last line short; what was not said in full was not said.
    while lines.read_line(&mut line)? > 0 {
        if line.ends_with('\n')
            && let Ok(Value::Object(said)) = serde_json::from_str(&line)
            && let Some(size) = said.get("acknowledged").and_then(Value::as_u64)
        {
            last = size;
        }
        line.clear();
    }
    Ok(last)
}

fn number(answer: &Value, command: &'static str, pointer: &'static str) -> Result<u64, KillError> {
    let missing = || KillError::Number { command, pointer };
    answer.pointer(pointer).and_then(Value::as_u64).ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lines_count() {
        let cases = [
            ("", 0),
            ("{\"acknowledged\": 7}\n", 7),
            ("{\"acknowledged\": 7}\nnote: something\n{\"acknowledged\": 12}\n", 12),
            ("{\"acknowledged\": 7}\n{\"acknowledged\": 12}", 7),
            ("{\"acknowledged\": 7}\n{\"acknowle", 7),
        ];
        for (text, expected) in cases {
            assert_eq!(last_acknowledgement(text.as_bytes()).unwrap(), expected, "{text:?}");
        }
    }
}
