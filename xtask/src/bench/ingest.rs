//! `cargo xtask bench ingest`: how fast records become evidence, how much memory that takes and whether it grows
//! with the input, and how many bytes stay; and the same files loaded by DuckDB.
//!
//! Drives the release build of `ascribe` through its command line only, as a user would.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::options::{self, OptionError};

use super::build::{self, BuildError};
use super::deliveries::{self, ACCOUNTS, DeliverError, Delivered, Order, START_MS};
use super::measure::{self, MeasureError, Measured, Run, float};
use super::table::{Table, thousands};

/// What the bench is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Events in the small set; the large one has [`GROWTH`] times as many.
    pub events: u64,
    /// Runs of which each figure is the median.
    pub runs: u64,
    /// Seed of the generated files.
    pub seed: u64,
}

/// How much larger the second set is: enough to see memory that grows with the input.
const GROWTH: u64 = 4;

const EVENTS_PER_OBJECT: u64 = 1_000;
const DUCKDB_LOAD: &str = include_str!("duckdb_load.py");

/// Why the bench gave no figures.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error("cannot use the temporary folder")]
    Scratch(#[source] std::io::Error),
    #[error(transparent)]
    Deliver(#[from] DeliverError),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Measure(#[from] MeasureError),
    #[error("`{program}` printed something else than JSON")]
    Json {
        program: &'static str,
        #[source]
        source: serde_json::Error,
    },
    #[error("`{program}` took {found} events of {expected}")]
    Incomplete { program: &'static str, expected: u64, found: Value },
    #[error("cannot write the table")]
    Write(#[source] std::io::Error),
}

impl Options {
    /// Reads `--events N`, `--runs N` and `--seed N`.
    pub fn parse(arguments: &[&str]) -> Result<Self, OptionError> {
        let known = [("--events", 300_000), ("--runs", 3), ("--seed", 1)];
        let [events, runs, seed] = options::numbers(arguments, known)?;
        Ok(Self { events, runs, seed })
    }
}

/// The two sets of files: the large one is the small one and the rest.
struct Inputs {
    small: Vec<PathBuf>,
    large: Vec<PathBuf>,
    small_size: Delivered,
    large_size: Delivered,
}

/// Medians over the runs of one program on one set.
struct Figures {
    seconds: f64,
    processor_seconds: Option<f64>,
    peak_bytes: Option<f64>,
    /// Bytes that stay, by what they are.
    stored: Vec<(String, u64)>,
}

/// Runs the bench; the table goes to `out`, what is under way to `talk`.
pub fn run(
    options: &Options,
    root: &Path,
    out: &mut dyn Write,
    talk: &mut dyn Write,
) -> Result<(), BenchError> {
    let mut say = |text: &str| writeln!(talk, "{text}").map_err(BenchError::Write);
    say("building `ascribe` for release")?;
    let ascribe = build::release(root)?;
    let scratch = tempfile::tempdir().map_err(BenchError::Scratch)?;
    say(&format!("writing {} events", thousands(float(options.events * GROWTH))))?;
    let inputs = generate(options, scratch.path())?;
    let mut table = Table::new(&[
        "program",
        "cores",
        "events",
        "events/s",
        "MB/s of JSON",
        "CPU µs an event",
        "peak memory, MB",
        "bytes an event",
        "times DuckDB",
    ]);
    let duckdb = duckdb_version();
    if duckdb.is_none() {
        say("SKIPPED: DuckDB: `python3` has no package `duckdb`")?;
    }
    let mut split = Vec::new();
    for cores in [1, 2] {
        let mut reference = None;
        if let Some(version) = &duckdb {
            say(&format!("DuckDB on {cores} core(s)"))?;
            let figures = repeat(options, || load(&inputs, cores, scratch.path()))?;
            table.push(row(
                &format!("DuckDB {version}"),
                cores,
                &inputs.small_size,
                &figures,
                Some(figures.seconds),
            ));
            reference = Some(figures.seconds);
        }
        for (paths, size) in [(&inputs.small, &inputs.small_size), (&inputs.large, &inputs.large_size)] {
            say(&format!("ascribe on {cores} core(s), {} events", thousands(float(size.events))))?;
            let one = Ingest { ascribe: &ascribe, paths, events: size.events, cores };
            let figures = repeat(options, || one.run(scratch.path()))?;
            let scaled =
                reference.map(|seconds| seconds * float(size.events) / float(inputs.small_size.events));
            table.push(row("ascribe", cores, size, &figures, scaled));
            split = figures.stored.iter().filter_map(|(name, bytes)| per_event(name, *bytes, size)).collect();
        }
    }
    let size = &inputs.small_size;
    writeln!(
        out,
        "{table}\n{} runs each, medians. {} bytes of JSON an event, {:.1} times smaller in gzip, {} records an object.\n\
         Bytes an event of ascribe: {}.\n\
         DuckDB keeps columns only; ascribe also keeps each record as received, hashed, signed for and indexed by key.",
        options.runs,
        size.decoded_bytes / size.events,
        float(size.decoded_bytes) / float(size.file_bytes),
        EVENTS_PER_OBJECT,
        split.join(", ")
    )
    .map_err(BenchError::Write)
}

fn generate(options: &Options, scratch: &Path) -> Result<Inputs, BenchError> {
    let (first, rest) = (scratch.join("deliveries/first"), scratch.join("deliveries/rest"));
    let order = Order {
        seed: options.seed,
        events: options.events,
        events_per_object: EVENTS_PER_OBJECT,
        accounts: ACCOUNTS,
        start_ms: START_MS,
    };
    let small_size = deliveries::write(order, &first)?;
    // Another seed, so that no event of the rest is a repeat of one in the first set.
    let order = Order { seed: !options.seed, events: options.events * (GROWTH - 1), ..order };
    let rest_size = deliveries::write(order, &rest)?;
    let large_size = Delivered {
        objects: small_size.objects + rest_size.objects,
        events: small_size.events + rest_size.events,
        decoded_bytes: small_size.decoded_bytes + rest_size.decoded_bytes,
        file_bytes: small_size.file_bytes + rest_size.file_bytes,
    };
    Ok(Inputs { small: vec![first.clone()], large: vec![first, rest], small_size, large_size })
}

fn repeat(options: &Options, one: impl Fn() -> Result<Once, BenchError>) -> Result<Figures, BenchError> {
    let mut runs = Vec::new();
    for _ in 0..options.runs {
        runs.push(one()?);
    }
    let seconds = measure::median(runs.iter().map(|run| run.seconds).collect()).unwrap_or(f64::NAN);
    let peaks = runs.iter().filter_map(|run| Some(float(run.peak_bytes?))).collect();
    let processor_seconds = measure::median(runs.iter().filter_map(|run| run.processor_seconds).collect());
    let stored = runs.pop().map(|run| run.stored).unwrap_or_default();
    Ok(Figures { seconds, processor_seconds, peak_bytes: measure::median(peaks), stored })
}

/// One run of one program.
struct Once {
    seconds: f64,
    processor_seconds: Option<f64>,
    peak_bytes: Option<u64>,
    stored: Vec<(String, u64)>,
}

impl From<Measured> for Once {
    fn from(measured: Measured) -> Self {
        let Measured { seconds, processor_seconds, peak_bytes, .. } = measured;
        Self { seconds, processor_seconds, peak_bytes, stored: Vec::new() }
    }
}

/// One ingest into a new workspace.
struct Ingest<'a> {
    ascribe: &'a Path,
    paths: &'a [PathBuf],
    events: u64,
    cores: u32,
}

impl Ingest<'_> {
    fn run(&self, scratch: &Path) -> Result<Once, BenchError> {
        let folder = tempfile::tempdir_in(scratch).map_err(BenchError::Scratch)?;
        let evidence = folder.path().join("bench.evidence").display().to_string();
        let init = vec!["init".to_owned(), evidence.clone()];
        measure::measure(&Run { program: self.ascribe, arguments: init, cores: self.cores })?;
        let mut arguments = ["--evidence", &evidence, "ingest"].map(str::to_owned).to_vec();
        arguments.extend(self.paths.iter().map(|path| path.display().to_string()));
        arguments.extend(["--output", "json"].map(str::to_owned));
        let measured = measure::measure(&Run { program: self.ascribe, arguments, cores: self.cores })?;
        let answer = json("ascribe ingest", &measured)?;
        expect_events("ascribe ingest", &answer["events"], self.events)?;
        let stored = stored_by_name(Path::new(&evidence)).map_err(BenchError::Scratch)?;
        Ok(Once { stored, ..Once::from(measured) })
    }
}

/// One load into a new DuckDB file. DuckDB's own clock counts, so that the start of Python is not held against it.
fn load(inputs: &Inputs, cores: u32, scratch: &Path) -> Result<Once, BenchError> {
    let folder = tempfile::tempdir_in(scratch).map_err(BenchError::Scratch)?;
    let database = folder.path().join("events.duckdb");
    let mut arguments = vec!["-c".to_owned(), DUCKDB_LOAD.to_owned(), cores.to_string()];
    arguments.push(database.display().to_string());
    arguments.extend(inputs.small.iter().map(|path| format!("{}/**/*.json.gz", path.display())));
    let measured = measure::measure(&Run { program: Path::new("python3"), arguments, cores })?;
    let answer = json("duckdb", &measured)?;
    expect_events("duckdb", &answer["events"], inputs.small_size.events)?;
    let bytes = measure::bytes_on_disk(&database).map_err(BenchError::Scratch)?;
    let seconds = answer["seconds"].as_f64().unwrap_or(measured.seconds);
    Ok(Once { seconds, stored: vec![("database".to_owned(), bytes)], ..Once::from(measured) })
}

fn duckdb_version() -> Option<String> {
    let script = "import duckdb; print(duckdb.__version__)";
    let output = Command::new("python3").args(["-c", script]).stderr(Stdio::null()).output().ok()?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !version.is_empty()).then_some(version)
}

pub(super) fn json(program: &'static str, measured: &Measured) -> Result<Value, BenchError> {
    serde_json::from_str(&measured.stdout).map_err(|source| BenchError::Json { program, source })
}

pub(super) fn expect_events(program: &'static str, found: &Value, expected: u64) -> Result<(), BenchError> {
    if found.as_u64() == Some(expected) {
        return Ok(());
    }
    Err(BenchError::Incomplete { program, expected, found: found.clone() })
}

/// Bytes below each entry of a workspace, such as `ledger` and `store`.
fn stored_by_name(evidence: &Path) -> std::io::Result<Vec<(String, u64)>> {
    let mut stored = Vec::new();
    for entry in std::fs::read_dir(evidence)? {
        let entry = entry?;
        let bytes = measure::bytes_on_disk(&entry.path())?;
        stored.push((entry.file_name().to_string_lossy().into_owned(), bytes));
    }
    stored.sort();
    Ok(stored)
}

/// `None` for what weighs nothing beside the events, such as settings.
fn per_event(name: &str, bytes: u64, size: &Delivered) -> Option<String> {
    let bytes = float(bytes) / float(size.events);
    (bytes >= 1.0).then(|| format!("{name} {bytes:.0}"))
}

/// One row; `reference` is the time that DuckDB would take for as many events.
fn row(
    program: &str,
    cores: u32,
    size: &Delivered,
    figures: &Figures,
    reference: Option<f64>,
) -> Vec<String> {
    let events = float(size.events);
    let stored: u64 = figures.stored.iter().map(|(_, bytes)| bytes).sum();
    let megabytes = |bytes: f64| bytes / 1e6;
    vec![
        program.to_owned(),
        cores.to_string(),
        thousands(events),
        thousands(events / figures.seconds),
        thousands(megabytes(float(size.decoded_bytes)) / figures.seconds),
        figures.processor_seconds.map_or("unknown".to_owned(), |time| format!("{:.1}", time / events * 1e6)),
        figures.peak_bytes.map_or("unknown".to_owned(), |bytes| thousands(megabytes(bytes))),
        thousands(float(stored) / events),
        reference.map_or("–".to_owned(), |seconds| format!("{:.2}", seconds / figures.seconds)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_divides_by_the_time() {
        let size = Delivered { objects: 1, events: 1_000, decoded_bytes: 2_000_000, file_bytes: 1 };
        let stored = vec![("a".to_owned(), 5_000)];
        let figures = Figures { seconds: 0.5, processor_seconds: Some(0.25), peak_bytes: Some(3e6), stored };
        let row = row("ascribe", 1, &size, &figures, Some(1.0));
        assert_eq!(row, ["ascribe", "1", "1,000", "2,000", "4", "250.0", "3", "5", "2.00"]);
    }

    #[test]
    fn a_program_that_took_less_gives_no_figure() {
        assert!(expect_events("x", &Value::from(9), 9).is_ok());
        assert!(expect_events("x", &Value::from(8), 9).is_err());
        assert!(expect_events("x", &Value::Null, 9).is_err());
    }
}
