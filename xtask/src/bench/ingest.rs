//! `cargo xtask bench ingest`: how fast records become evidence, how much memory that takes and whether it grows
//! with the input, and how many bytes stay; the same files loaded by databases; and the whole beside the sum of its
//! parts.
//!
//! Drives the release build of `ascribe` through its command line only, as a user would.

use std::io::Write;
use std::path::Path;

use serde_json::Value;

use crate::options::{self, OptionError};

use super::build::{self, BuildError};
use super::deliveries::{DeliverError, Delivered};
use super::kept::Kept;
use super::kernels;
use super::measure::{MeasureError, float};
use super::programs::{self, Ascribe, Database, Figures, Program};
use super::sets::{EVENTS_PER_OBJECT, KINDS, Kind, Set};
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
    /// Kinds of logs, in the order in which they are measured.
    pub kinds: Vec<Kind>,
}

/// How much larger the second set of CloudTrail files is: enough to see memory that grows with the input.
const GROWTH: u64 = 4;

/// Each program runs on the first one of the machine's cores, and then on the first two.
const CORES: [u32; 2] = [1, 2];

/// Bytes that input files and what the runs left may take together.
const DISK_MAX_BYTES: u64 = 6_000_000_000;

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
    #[error("`{program}` printed no figure `{figure}`")]
    NoFigure { program: &'static str, figure: &'static str },
    #[error("cannot put the figures into text")]
    Form(#[from] std::fmt::Error),
    #[error("cannot write the table")]
    Write(#[source] std::io::Error),
}

impl Options {
    /// Reads `--events N`, `--runs N`, `--seed N` and `--kinds LIST`.
    pub fn parse(arguments: &[&str]) -> Result<Self, OptionError> {
        let mut arguments = arguments.to_vec();
        let kinds = options::choices(&mut arguments, "--kinds", &KINDS)?;
        let known = [("--events", 300_000), ("--runs", 3), ("--seed", 1)];
        let [events, runs, seed] = options::numbers(&arguments, known)?;
        Ok(Self { events, runs, seed, kinds })
    }
}

/// Runs the bench; tables go to `out`, what is under way to `talk`.
pub fn run(
    options: &Options,
    root: &Path,
    out: &mut dyn Write,
    talk: &mut dyn Write,
) -> Result<(), BenchError> {
    let scratch = tempfile::tempdir().map_err(BenchError::Scratch)?;
    let mut bench = Bench { options, talk, kept: Kept::new(scratch.path(), DISK_MAX_BYTES) };
    bench.say("building `ascribe` for release")?;
    let ascribe = Ascribe { program: build::release(root)? };
    let sets = bench.generate(scratch.path())?;
    let small = sets.iter().find(|set| set.kind == Kind::CloudTrail);
    let large = small.map(|small| bench.grow(small, &scratch.path().join("rest"))).transpose()?;
    let duckdb = bench.found(programs::duckdb(), "DuckDB", "duckdb")?;
    let mut sections = Vec::new();
    if let (Some(small), Some(large)) = (small, &large) {
        let (text, whole) = cloudtrail_section(&mut bench, (small, large), &ascribe, duckdb.as_ref())?;
        bench.say("kernels of `ascribe` on one core")?;
        let times = kernels::measure(small, options.runs, root, &mut bench.kept)?;
        sections.extend([text, kernels::report(&times, small.size.events, whole)?]);
    }
    let lines: Vec<&Set> = sets.iter().filter(|set| set.kind != Kind::CloudTrail).collect();
    if !lines.is_empty() {
        let chdb = bench.found(programs::chdb(), "chDB", "chdb")?;
        let databases = [duckdb.as_ref(), chdb.as_ref()];
        sections.push(lines_section(&mut bench, &lines, &ascribe, databases)?);
    }
    out.write_all(sections.join("\n").as_bytes()).map_err(BenchError::Write)
}

/// What all measurements share.
struct Bench<'a> {
    options: &'a Options,
    talk: &'a mut dyn Write,
    kept: Kept,
}

impl Bench<'_> {
    fn say(&mut self, text: &str) -> Result<(), BenchError> {
        writeln!(self.talk, "{text}").map_err(BenchError::Write)
    }

    /// One set for each kind.
    fn generate(&mut self, scratch: &Path) -> Result<Vec<Set>, BenchError> {
        let Options { events, seed, kinds, .. } = self.options;
        let mut sets = Vec::new();
        for kind in kinds {
            self.say(&format!("writing {} events of {}", thousands(float(*events)), kind.name()))?;
            let set = Set::write(*kind, *seed, *events, scratch.join(kind.name()))?;
            self.kept.set_aside(set.size.file_bytes);
            sets.push(set);
        }
        Ok(sets)
    }

    /// A set [`GROWTH`] times as large.
    fn grow(&mut self, small: &Set, folder: &Path) -> Result<Set, BenchError> {
        let events = self.options.events * (GROWTH - 1);
        self.say(&format!("writing {} more", thousands(float(events))))?;
        // Another seed, so that no event of the rest is a repeat of one in the first set.
        let rest = Set::write(small.kind, !self.options.seed, events, folder.to_owned())?;
        self.kept.set_aside(rest.size.file_bytes);
        Ok(small.with(rest))
    }

    fn found(
        &mut self,
        database: Option<Database>,
        name: &str,
        package: &str,
    ) -> Result<Option<Database>, BenchError> {
        if database.is_none() {
            self.say(&format!("SKIPPED: {name}: `python3` has no package `{package}`"))?;
        }
        Ok(database)
    }

    /// Medians of as many runs as were asked for.
    fn figures(&mut self, program: &dyn Program, set: &Set, cores: u32) -> Result<Figures, BenchError> {
        let (name, events) = (program.name(), thousands(float(set.size.events)));
        self.say(&format!("{}: {name} on {cores} core(s), {events} events", set.kind.name()))?;
        let mut runs = Vec::new();
        for _ in 0..self.options.runs {
            runs.push(programs::take_in(program, (set, cores), &mut self.kept)?);
        }
        Figures::of(runs).ok_or(BenchError::NoFigure { program: "the bench", figure: "runs" })
    }
}

const COLUMNS: [&str; 8] = [
    "program",
    "cores",
    "events",
    "events/s",
    "MB/s of JSON",
    "CPU µs an event",
    "peak memory, MB",
    "bytes an event",
];

/// The table of CloudTrail, and the processor time of `ascribe` on one core and the small set.
fn cloudtrail_section(
    bench: &mut Bench<'_>,
    (small, large): (&Set, &Set),
    ascribe: &Ascribe,
    duckdb: Option<&Database>,
) -> Result<(String, Option<f64>), BenchError> {
    let mut table = Table::new(&[&COLUMNS[..], &["times DuckDB"]].concat());
    let (mut split, mut whole) = (Vec::new(), None);
    for cores in CORES {
        let mut reference = None;
        if let Some(duckdb) = duckdb {
            let figures = bench.figures(duckdb, small, cores)?;
            reference = Some(figures.seconds / float(small.size.events));
            table.push(row(&duckdb.name(), cores, (&small.size, &figures), &[reference]));
        }
        for set in [small, large] {
            let figures = bench.figures(ascribe, set, cores)?;
            table.push(row("ascribe", cores, (&set.size, &figures), &[reference]));
            if cores == 1 && set.size == small.size {
                whole = figures.processor_seconds;
            }
            split = figures
                .stored
                .iter()
                .filter_map(|(name, bytes)| per_event(name, *bytes, &set.size))
                .collect();
        }
    }
    let text = format!(
        "{table}\n{} runs each, medians. {} bytes of JSON an event, {:.1} times smaller in gzip, {} records an object.\n\
         Bytes an event of ascribe: {}.\n\
         DuckDB keeps columns only; ascribe also keeps each record as received, hashed, signed for and indexed by key.\n",
        bench.options.runs,
        small.size.decoded_bytes / small.size.events,
        float(small.size.decoded_bytes) / float(small.size.file_bytes),
        EVENTS_PER_OBJECT,
        split.join(", ")
    );
    Ok((text, whole))
}

/// The table of kinds that come as JSON Lines.
fn lines_section(
    bench: &mut Bench<'_>,
    sets: &[&Set],
    ascribe: &Ascribe,
    databases: [Option<&Database>; 2],
) -> Result<String, BenchError> {
    let mut table = Table::new(&[&COLUMNS[..], &["times DuckDB", "times chDB"]].concat());
    let mut lengths = Vec::new();
    for set in sets {
        let kind = set.kind.name();
        lengths.push(format!("{} of {kind}", set.size.decoded_bytes / set.size.events));
        for cores in CORES {
            let mut measured = Vec::new();
            let mut references = [None; 2];
            for (reference, database) in references.iter_mut().zip(databases) {
                let Some(database) = database else { continue };
                let figures = bench.figures(database, set, cores)?;
                *reference = Some(figures.seconds / float(set.size.events));
                measured.push((database.name(), figures));
            }
            measured.push((ascribe.name(), bench.figures(ascribe, set, cores)?));
            for (name, figures) in &measured {
                table.push(row(&format!("{kind}: {name}"), cores, (&set.size, figures), &references));
            }
        }
    }
    Ok(format!(
        "{table}\nPlain JSON Lines. {} runs each, medians. Bytes of JSON an event: {}.\n\
         DuckDB has every column typed beforehand; chDB infers them and loads into a MergeTree table.\n",
        bench.options.runs,
        lengths.join(", ")
    ))
}

/// `None` for what weighs nothing beside the events, such as settings.
fn per_event(name: &str, bytes: u64, size: &Delivered) -> Option<String> {
    let bytes = float(bytes) / float(size.events);
    (bytes >= 1.0).then(|| format!("{name} {bytes:.0}"))
}

/// One row; `references` are the seconds an event of the databases that it is compared with.
fn row(
    program: &str,
    cores: u32,
    (size, figures): (&Delivered, &Figures),
    references: &[Option<f64>],
) -> Vec<String> {
    let events = float(size.events);
    let stored: u64 = figures.stored.iter().map(|(_, bytes)| bytes).sum();
    let megabytes = |bytes: f64| bytes / 1e6;
    let mut row = vec![
        program.to_owned(),
        cores.to_string(),
        thousands(events),
        thousands(events / figures.seconds),
        thousands(megabytes(float(size.decoded_bytes)) / figures.seconds),
        figures.processor_seconds.map_or("unknown".to_owned(), |time| format!("{:.1}", time / events * 1e6)),
        figures.peak_bytes.map_or("unknown".to_owned(), |bytes| thousands(megabytes(bytes))),
        thousands(float(stored) / events),
    ];
    row.extend(references.iter().map(|reference| {
        reference.map_or("–".to_owned(), |seconds| format!("{:.2}", seconds * events / figures.seconds))
    }));
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_divides_by_the_time() {
        let size = Delivered { objects: 1, events: 1_000, decoded_bytes: 2_000_000, file_bytes: 1 };
        let stored = vec![("a".to_owned(), 5_000)];
        let figures = Figures { seconds: 0.5, processor_seconds: Some(0.25), peak_bytes: Some(3e6), stored };
        let row = row("ascribe", 1, (&size, &figures), &[Some(0.001), None]);
        assert_eq!(row, ["ascribe", "1", "1,000", "2,000", "4", "250.0", "3", "5", "2.00", "–"]);
    }

    #[test]
    fn options_choose_kinds() {
        let options = Options::parse(&["--kinds", "vault,cloudtrail", "--runs", "1"]).unwrap();
        assert_eq!((options.kinds, options.runs), (vec![Kind::CloudTrail, Kind::Vault], 1));
        assert_eq!(Options::parse(&[]).unwrap().kinds.len(), KINDS.len());
        assert!(Options::parse(&["--kinds", "syslog"]).is_err());
    }
}
