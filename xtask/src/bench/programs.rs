//! The programs that take the same files in: `ascribe`, and what its users would use instead.
//!
//! Each run is a process of its own, on a fixed set of cores, into a new folder that stays.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::ingest::BenchError;
use super::kept::Kept;
use super::measure::{self, Measured, Run};
use super::sets::{Kind, Set};

/// One run of one program.
#[derive(Debug)]
pub struct Once {
    pub seconds: f64,
    pub processor_seconds: Option<f64>,
    pub peak_bytes: Option<u64>,
    /// Bytes that stay, by what they are.
    pub stored: Vec<(String, u64)>,
}

/// Something that takes a set in.
pub trait Program {
    /// Name and, where it is not of this checkout, version.
    fn name(&self) -> String;

    /// Takes `set` in, into `folder`, which is empty.
    fn take_in(&self, set: &Set, cores: u32, folder: &Path) -> Result<Once, BenchError>;
}

/// `ascribe ingest` into a new evidence folder.
#[derive(Debug)]
pub struct Ascribe {
    pub program: PathBuf,
}

impl Program for Ascribe {
    fn name(&self) -> String {
        "ascribe".to_owned()
    }

    fn take_in(&self, set: &Set, cores: u32, folder: &Path) -> Result<Once, BenchError> {
        let evidence = folder.join("bench.evidence");
        let shown = evidence.display().to_string();
        let init = vec!["init".to_owned(), shown.clone()];
        measure::measure(&Run { program: &self.program, arguments: init, cores })?;
        let mut arguments = ["--evidence", &shown, "ingest"].map(str::to_owned).to_vec();
        arguments.extend(set.folders.iter().map(|path| path.display().to_string()));
        arguments.extend(["--output", "json"].map(str::to_owned));
        if set.kind != Kind::CloudTrail {
            // These records do not name the cluster that they come from.
            arguments.extend(["--scope", "bench"].map(str::to_owned));
        }
        let measured = measure::measure(&Run { program: &self.program, arguments, cores })?;
        let answer = json("ascribe ingest", &measured)?;
        expect_events("ascribe ingest", &answer["events"], set.size.events)?;
        let stored = stored_by_name(&evidence).map_err(BenchError::Scratch)?;
        let Measured { seconds, processor_seconds, peak_bytes, .. } = measured;
        Ok(Once { seconds, processor_seconds, peak_bytes, stored })
    }
}

/// A database with a Python package and a script that loads files into it.
#[derive(Debug, PartialEq, Eq)]
pub struct Database {
    pub name: &'static str,
    /// The Python package.
    pub package: &'static str,
    script: &'static str,
    version: String,
}

/// DuckDB, as the package `duckdb`; `None` where `python3` does not have it.
pub fn duckdb() -> Option<Database> {
    Database::find("DuckDB", "duckdb", include_str!("duckdb_load.py"))
}

/// ClickHouse inside a process, as the package `chdb`; `None` where `python3` does not have it.
pub fn chdb() -> Option<Database> {
    Database::find("chDB", "chdb", include_str!("chdb_load.py"))
}

impl Database {
    fn find(name: &'static str, package: &'static str, script: &'static str) -> Option<Self> {
        let import = format!("import {package}; print({package}.__version__)");
        let output = Command::new("python3").args(["-c", &import]).stderr(Stdio::null()).output().ok()?;
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        (output.status.success() && !version.is_empty()).then_some(Self { name, package, script, version })
    }
}

impl Program for Database {
    fn name(&self) -> String {
        format!("{} {}", self.name, self.version)
    }

    /// The script's own clocks count, so that the start of Python is not held against the database.
    fn take_in(&self, set: &Set, cores: u32, folder: &Path) -> Result<Once, BenchError> {
        let database = folder.join("events.database");
        let mut arguments = vec!["-c".to_owned(), self.script.to_owned()];
        arguments.extend([set.kind.name().to_owned(), cores.to_string(), database.display().to_string()]);
        arguments.extend(set.patterns());
        let measured = measure::measure(&Run { program: Path::new("python3"), arguments, cores })?;
        let answer = json(self.package, &measured)?;
        expect_events(self.package, &answer["events"], set.size.events)?;
        let figure = |name: &'static str| {
            answer[name].as_f64().ok_or(BenchError::NoFigure { program: self.package, figure: name })
        };
        let bytes = measure::bytes_on_disk(&database).map_err(BenchError::Scratch)?;
        Ok(Once {
            seconds: figure("seconds")?,
            processor_seconds: Some(figure("processor_seconds")?),
            peak_bytes: measured.peak_bytes,
            stored: vec![("database".to_owned(), bytes)],
        })
    }
}

/// Medians over the runs of one program on one set.
#[derive(Debug)]
pub struct Figures {
    pub seconds: f64,
    pub processor_seconds: Option<f64>,
    pub peak_bytes: Option<f64>,
    /// Bytes that stay, by what they are.
    pub stored: Vec<(String, u64)>,
}

impl Figures {
    /// Of one run at least; `None` of none.
    pub fn of(mut runs: Vec<Once>) -> Option<Self> {
        let peaks = runs.iter().filter_map(|run| Some(measure::float(run.peak_bytes?))).collect();
        let processor_seconds = runs.iter().filter_map(|run| run.processor_seconds).collect();
        Some(Self {
            seconds: measure::median(runs.iter().map(|run| run.seconds).collect())?,
            processor_seconds: measure::median(processor_seconds),
            peak_bytes: measure::median(peaks),
            stored: runs.pop()?.stored,
        })
    }
}

/// Takes `set` in once, into a new folder of `kept`. What was there before goes where disk runs short.
pub fn take_in(
    program: &dyn Program,
    (set, cores): (&Set, u32),
    kept: &mut Kept,
) -> Result<Once, BenchError> {
    // No program leaves more bytes than the JSON that it took in.
    kept.make_room(set.size.decoded_bytes).map_err(BenchError::Scratch)?;
    let folder = kept.folder().map_err(BenchError::Scratch)?;
    let once = program.take_in(set, cores, &folder)?;
    kept.note(once.stored.iter().map(|(_, bytes)| bytes).sum());
    Ok(once)
}

/// What a program printed, as JSON.
pub fn json(program: &'static str, measured: &Measured) -> Result<Value, BenchError> {
    serde_json::from_str(&measured.stdout).map_err(|source| BenchError::Json { program, source })
}

/// A program that took less, or more, gives no figure.
pub fn expect_events(program: &'static str, found: &Value, expected: u64) -> Result<(), BenchError> {
    if found.as_u64() == Some(expected) {
        return Ok(());
    }
    Err(BenchError::Incomplete { program, expected, found: found.clone() })
}

/// Bytes below each entry of an evidence folder, such as `ledger` and `store`.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_took_less_gives_no_figure() {
        assert!(expect_events("x", &Value::from(9), 9).is_ok());
        assert!(expect_events("x", &Value::from(8), 9).is_err());
        assert!(expect_events("x", &Value::Null, 9).is_err());
    }

    #[test]
    fn figures_are_medians() {
        let run = |seconds, peak_bytes| Once {
            seconds,
            processor_seconds: Some(seconds),
            peak_bytes,
            stored: vec![("a".to_owned(), 5)],
        };
        let figures = Figures::of(vec![run(3.0, Some(7)), run(1.0, None), run(2.0, Some(5))]).unwrap();
        assert_eq!((figures.seconds, figures.processor_seconds), (2.0, Some(2.0)));
        assert_eq!((figures.peak_bytes, figures.stored.len()), (Some(7.0), 1));
        assert!(Figures::of(vec![]).is_none());
    }
}
