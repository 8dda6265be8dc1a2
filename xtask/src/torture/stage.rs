//! The program under test as faults from outside see it: an evidence folder, a delivery to take in, and what the
//! program said it had acknowledged, kept by this process.

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::kill::last_acknowledgement;
use crate::bench::build::{self, BuildError};
use crate::bench::deliveries::{self, ACCOUNTS, DeliverError, Order, START_MS};

/// Records in each object: few, so that a short run has many borders.
const EVENTS_PER_OBJECT: u64 = 100;

/// A program, what it is to take in, and room for evidence.
pub struct Stage {
    ascribe: PathBuf,
    /// Holds the deliveries and whatever a fault puts there.
    pub scratch: TempDir,
    deliveries: PathBuf,
    /// Records in the deliveries.
    pub records: u64,
}

/// What became of an ingest.
pub struct Ran {
    /// Whether it ended well.
    pub done: bool,
    /// Ledger size in its last acknowledgement; 0 where there was none.
    pub acknowledged: u64,
    /// What it said beside its progress.
    pub said: String,
}

/// Why a stage does not hold, or could not be set.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Deliver(#[from] DeliverError),
    #[error("cannot use the temporary folder")]
    Scratch(#[source] std::io::Error),
    #[error("cannot run `{program}`")]
    Run {
        program: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{context}: `ascribe {command}` failed: {said}")]
    Failed { context: String, command: &'static str, said: String },
    #[error("{context}: {acknowledged} entries were acknowledged, {found} are there")]
    Lost { context: String, acknowledged: u64, found: u64 },
    #[error("{context}: {expected} records expected, {found} found")]
    Differs { context: String, expected: u64, found: u64 },
    #[error("{context}: {what}")]
    Held { context: String, what: String },
}

impl Stage {
    /// Builds the program and writes a delivery of so many records.
    pub fn set(root: &Path, events: u64, seed: u64) -> Result<Self, StageError> {
        let ascribe = build::tested(root)?;
        let scratch = tempfile::tempdir().map_err(StageError::Scratch)?;
        let deliveries = scratch.path().join("deliveries");
        let order = Order {
            seed,
            events,
            events_per_object: EVENTS_PER_OBJECT,
            accounts: ACCOUNTS,
            start_ms: START_MS,
        };
        deliveries::write(order, &deliveries)?;
        Ok(Self { ascribe, scratch, deliveries, records: events })
    }

    /// A command of the program on an evidence folder.
    fn command(&self, before: &[String], evidence: &Path, arguments: &[&str]) -> Command {
        let mut words = before.iter().map(String::as_str).map(Path::new).chain([self.ascribe.as_path()]);
        let mut command = Command::new(words.next().unwrap_or(&self.ascribe));
        command.args(words).args(["--output", "json", "--evidence"]).arg(evidence).args(arguments);
        command
    }

    /// Makes an evidence folder, which must not exist.
    pub fn init(&self, evidence: &Path) -> Result<(), StageError> {
        let output = run(self.command(&[], evidence, &["init"]).arg(evidence))?;
        require_done(&output, "init", "init").map(|_| ())
    }

    /// Takes the delivery in, with other words before the program's, such as those of a tracer.
    pub fn ingest(&self, evidence: &Path, before: &[String]) -> Result<Ran, StageError> {
        let mut command = self.command(before, evidence, &["ingest", "--progress", "json"]);
        command.arg(&self.deliveries).stdout(Stdio::null()).stderr(Stdio::piped());
        let failed = |source| StageError::Run { program: "ascribe ingest".to_owned(), source };
        let mut child = command.spawn().map_err(failed)?;
        let mut said = Vec::new();
        if let Some(stderr) = &mut child.stderr {
            BufReader::new(stderr).read_to_end(&mut said).map_err(failed)?;
        }
        let done = child.wait().map_err(failed)?.success();
        let acknowledged = last_acknowledgement(said.as_slice()).map_err(failed)?;
        let text = String::from_utf8_lossy(&said).into_owned();
        let said: Vec<&str> = text.lines().filter(|line| !line.starts_with('{')).collect();
        Ok(Ran { done, acknowledged, said: said.join("\n") })
    }

    /// Derives the store again from the ledger.
    pub fn rebuild(&self, evidence: &Path, context: &str) -> Result<(), StageError> {
        let output = run(&mut self.command(&[], evidence, &["rebuild"]))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(StageError::Failed { context: context.to_owned(), command: "rebuild", said })
    }

    /// Requires that what is left verifies and holds what was acknowledged, and that another run makes it whole.
    pub fn require_whole_again(&self, evidence: &Path, ran: &Ran, context: &str) -> Result<(), StageError> {
        let found = entries_left(&run(&mut self.command(&[], evidence, &["verify"]))?, context)?;
        if found < ran.acknowledged {
            return Err(StageError::Lost {
                context: context.to_owned(),
                acknowledged: ran.acknowledged,
                found,
            });
        }
        let again = self.ingest(evidence, &[])?;
        if !again.done {
            return Err(StageError::Failed {
                context: context.to_owned(),
                command: "ingest",
                said: again.said,
            });
        }
        let found = number(&self.verify(evidence, context)?, "/entries/record", context)?;
        if found == self.records {
            return Ok(());
        }
        Err(StageError::Differs { context: context.to_owned(), expected: self.records, found })
    }

    /// Checks the whole ledger.
    pub fn verify(&self, evidence: &Path, context: &str) -> Result<Value, StageError> {
        let output = run(&mut self.command(&[], evidence, &["verify"]))?;
        require_done(&output, "verify", context)
    }
}

/// Entries that a verification counts after a crash and before the ledger was opened again, under the checkpoint and
/// beyond.
///
/// A crash may leave the anchor ahead of the published checkpoint, which opening makes good (`docs/formats/ledger.md`).
/// Verification says so; any other problem is one.
pub fn entries_left(output: &Output, context: &str) -> Result<u64, StageError> {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let Ok(verified) = serde_json::from_slice::<Value>(&output.stdout) else {
        return Err(StageError::Failed { context: context.to_owned(), command: "verify", said });
    };
    let problems = ["/problems", "/access/problems"].into_iter().filter_map(|place| verified.pointer(place));
    let problems =
        problems.filter_map(Value::as_array).flatten().map(|problem| problem.as_str().unwrap_or_default());
    let others: Vec<&str> =
        problems.filter(|problem| !problem.contains("has another checkpoint (size")).collect();
    if !others.is_empty() {
        return Err(StageError::Failed {
            context: context.to_owned(),
            command: "verify",
            said: others.join("; "),
        });
    }
    Ok(number(&verified, "/size", context)? + number(&verified, "/checked/uncommitted", context)?)
}

/// Copies a folder with everything in it.
pub fn copy(from: &Path, to: &Path) -> Result<(), StageError> {
    let output = run(Command::new("cp").arg("-a").arg(from).arg(to))?;
    if output.status.success() {
        return Ok(());
    }
    Err(StageError::Held {
        context: "cp".to_owned(),
        what: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Result<Output, StageError> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.output().map_err(|source| StageError::Run { program, source })
}

fn require_done(output: &Output, command: &'static str, context: &str) -> Result<Value, StageError> {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match serde_json::from_slice(&output.stdout) {
        Ok(answer) if output.status.success() => Ok(answer),
        _ => Err(StageError::Failed { context: context.to_owned(), command, said }),
    }
}

fn number(answer: &Value, pointer: &str, context: &str) -> Result<u64, StageError> {
    answer.pointer(pointer).and_then(Value::as_u64).ok_or_else(|| StageError::Held {
        context: context.to_owned(),
        what: format!("`ascribe verify` printed no number at `{pointer}`"),
    })
}
