//! `cargo xtask bench ledger`: how many durable appends a second, and how long each waits, beside SQLite storing the
//! same records in the same run on the same file system; how fast a ledger is checked and opened, and whether memory
//! grows with it.
//!
//! The programs are in `bench/`, a workspace of its own, so that nobody builds SQLite who does not measure. Runs of the
//! engines alternate, so that what else the machine does meets all of them.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::build;
use super::cloudtrail::Cloud;
use super::deliveries::{ACCOUNTS, START_MS};
use super::ingest::BenchError;
use super::measure::{self, Measured, Run, float};
use super::programs::json;
use super::table::{Table, thousands};
use crate::options::{self, OptionError};

/// What the bench is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Entries of the largest ledger; two smaller ones have a tenth and a hundredth of them.
    pub entries: u64,
    /// Runs of which each figure is the median.
    pub runs: u64,
    /// Seconds for which writers append.
    pub seconds: u64,
    /// Seed of the generated records.
    pub seed: u64,
}

const WRITERS: [u64; 3] = [1, 16, 256];

/// Engines for single appends, the ledger first.
const ENGINES: [&str; 3] = ["ascribe", "sqlite", "sqlite-grouped"];

/// Records in the file that all engines store, over and over.
const RECORDS: u64 = 20_000;

/// Entries of a bulk append: more than one segment.
const BULK_ENTRIES: u64 = 100_000;

impl Options {
    /// Reads `--entries N`, `--runs N`, `--seconds N` and `--seed N`.
    pub fn parse(arguments: &[&str]) -> Result<Self, OptionError> {
        let known = [("--entries", 10_000_000), ("--runs", 3), ("--seconds", 4), ("--seed", 1)];
        let [entries, runs, seconds, seed] = options::numbers(arguments, known)?;
        Ok(Self { entries, runs, seconds, seed })
    }
}

/// Runs the bench; tables go to `out`, what is under way to `talk`.
pub fn run(
    options: &Options,
    root: &Path,
    out: &mut dyn Write,
    talk: &mut dyn Write,
) -> Result<(), BenchError> {
    let mut say = |text: &str| writeln!(talk, "{text}").map_err(BenchError::Write);
    say("building `bench/` for release")?;
    let program = build::ledger_bench(root)?;
    let scratch = tempfile::tempdir().map_err(BenchError::Scratch)?;
    let records = scratch.path().join("records.jsonl");
    let record_bytes = write_records(&records, options.seed, RECORDS).map_err(BenchError::Scratch)?;
    let bench = Bench { program, options, scratch: scratch.path(), records: records.display().to_string() };
    say("single appends")?;
    let single = bench.single_table()?;
    say("bulk appends")?;
    let bulk = bench.bulk_table()?;
    say("checking, opening, memory")?;
    let sizes = bench.sizes_table()?;
    writeln!(
        out,
        "{single}\nOne record of {record_bytes} bytes on average to an append. SQLite: write-ahead log, \
         synchronous=FULL, one row a record; \"grouped\" puts the same queue before it as the ledger has. Medians of {} \
         runs of {} s that alternate.\n\n{bulk}\n{sizes}",
        options.runs, options.seconds
    )
    .map_err(BenchError::Write)
}

struct Bench<'a> {
    program: PathBuf,
    options: &'a Options,
    scratch: &'a Path,
    records: String,
}

/// Medians of the runs of one engine.
struct Single {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

impl Bench<'_> {
    fn single_table(&self) -> Result<Table, BenchError> {
        let mut table =
            Table::new(&["single appends", "writers", "entries/s", "p50, ms", "p99, ms", "of SQLite's rate"]);
        for writers in WRITERS {
            let mut runs: [Vec<Single>; 3] = Default::default();
            for _ in 0..self.options.runs {
                for (engine, runs) in ENGINES.iter().zip(&mut runs) {
                    runs.push(self.single(engine, writers)?);
                }
            }
            let medians = runs.map(|runs| Single {
                per_second: median_of(&runs, |run| run.per_second),
                p50_ms: median_of(&runs, |run| run.p50_ms),
                p99_ms: median_of(&runs, |run| run.p99_ms),
            });
            let of_sqlite = medians[1].per_second;
            for (engine, single) in ENGINES.iter().zip(&medians) {
                table.push(vec![
                    (*engine).to_owned(),
                    writers.to_string(),
                    thousands(single.per_second),
                    format!("{:.2}", single.p50_ms),
                    format!("{:.2}", single.p99_ms),
                    format!("{:.2}", single.per_second / of_sqlite),
                ]);
            }
        }
        Ok(table)
    }

    fn single(&self, engine: &str, writers: u64) -> Result<Single, BenchError> {
        let (writers, seconds) = (writers.to_string(), self.options.seconds.to_string());
        let measured = self.in_new_folder(&["single", engine, &writers, &seconds, &self.records], 2)?;
        Ok(Single {
            per_second: per_second(&measured)?,
            p50_ms: figure(&measured, "p50_ms")?,
            p99_ms: figure(&measured, "p99_ms")?,
        })
    }

    fn bulk_table(&self) -> Result<Table, BenchError> {
        let entries = BULK_ENTRIES.to_string();
        let mut rates: [Vec<f64>; 2] = Default::default();
        for _ in 0..self.options.runs {
            for (engine, rates) in ENGINES.iter().zip(&mut rates) {
                let measured = self.in_new_folder(&["bulk", engine, &entries, &self.records], 2)?;
                rates.push(per_second(&measured)?);
            }
        }
        let medians = rates.map(|rates| measure::median(rates).unwrap_or(f64::NAN));
        let mut table = Table::new(&["bulk appends, batches of 1,000", "entries/s", "of SQLite's rate"]);
        for (engine, rate) in ENGINES.iter().zip(medians) {
            table.push(vec![(*engine).to_owned(), thousands(rate), format!("{:.2}", rate / medians[1])]);
        }
        Ok(table)
    }

    /// Small records, because it is the number of entries that a ledger could outgrow; and one ledger of the records
    /// that are appended above, because those take longer to check.
    fn sizes_table(&self) -> Result<Table, BenchError> {
        let mut table = Table::new(&[
            "ledger",
            "append, MB",
            "open, s",
            "open, MB",
            "verify, entries/s a core",
            "verify, MB",
        ]);
        let entries = BULK_ENTRIES.to_string();
        let bulk = ["bulk", "ascribe", &entries, &self.records];
        self.size_row(
            &mut table,
            (&format!("{} CloudTrail records", thousands(float(BULK_ENTRIES))), &bulk),
        )?;
        for part in [100, 10, 1] {
            let entries = (self.options.entries / part).max(1);
            let fill = ["fill", &entries.to_string()];
            self.size_row(&mut table, (&format!("{} small records", thousands(float(entries))), &fill))?;
        }
        Ok(table)
    }

    fn size_row(&self, table: &mut Table, (name, make): (&str, &[&str])) -> Result<(), BenchError> {
        let folder = tempfile::tempdir_in(self.scratch).map_err(BenchError::Scratch)?;
        let ledger = folder.path().join("made").display().to_string();
        let filled = self.run(&[make, &[&ledger]].concat(), 2)?;
        let (mut opens, mut opened_peaks) = (Vec::new(), Vec::new());
        for _ in 0..self.options.runs {
            let opened = self.run(&["open", &ledger], 1)?;
            opens.push(figure(&opened, "seconds")?);
            opened_peaks.push(megabytes(&opened));
        }
        // By processor time on one core: that is what a core does, whatever else the machine does meanwhile.
        let verified = self.run(&["verify", &ledger], 1)?;
        let seconds = verified.processor_seconds.unwrap_or(verified.seconds);
        table.push(vec![
            name.to_owned(),
            format!("{:.0}", megabytes(&filled)),
            format!("{:.3}", measure::median(opens).unwrap_or(f64::NAN)),
            format!("{:.0}", measure::median(opened_peaks).unwrap_or(f64::NAN)),
            thousands(figure(&verified, "entries")? / seconds),
            format!("{:.0}", megabytes(&verified)),
        ]);
        Ok(())
    }

    fn in_new_folder(&self, arguments: &[&str], cores: u32) -> Result<Measured, BenchError> {
        let folder = tempfile::tempdir_in(self.scratch).map_err(BenchError::Scratch)?;
        let made = folder.path().join("made").display().to_string();
        self.run(&[arguments, &[&made]].concat(), cores)
    }

    fn run(&self, arguments: &[&str], cores: u32) -> Result<Measured, BenchError> {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Ok(measure::measure(&Run { program: &self.program, arguments, cores })?)
    }
}

/// Writes records as CloudTrail has them, one a line; returns their mean length in bytes.
fn write_records(path: &Path, seed: u64, records: u64) -> std::io::Result<u64> {
    let mut cloud = Cloud::new(seed, ACCOUNTS, START_MS);
    let (mut body, mut lines, mut bytes) = (String::new(), String::new(), 0);
    for number in 0..records {
        body.clear();
        cloud.deliver(number, 1, &mut body);
        // What is around the records of a delivery.
        let record = &body["{\"Records\":[".len()..body.len() - "]}".len()];
        bytes += record.len() as u64;
        lines.push_str(record);
        lines.push('\n');
    }
    let mut file = fs::File::create(path)?;
    file.write_all(lines.as_bytes())?;
    Ok(bytes / records)
}

fn per_second(measured: &Measured) -> Result<f64, BenchError> {
    Ok(figure(measured, "entries")? / figure(measured, "seconds")?)
}

fn figure(measured: &Measured, name: &'static str) -> Result<f64, BenchError> {
    let value: Value = json("ledger-bench", measured)?;
    value[name].as_f64().ok_or(BenchError::NoFigure { program: "ledger-bench", figure: name })
}

fn median_of(runs: &[Single], figure: impl Fn(&Single) -> f64) -> f64 {
    measure::median(runs.iter().map(figure).collect()).unwrap_or(f64::NAN)
}

fn megabytes(measured: &Measured) -> f64 {
    measured.peak_bytes.map_or(f64::NAN, |bytes| float(bytes) / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_one_a_line_and_repeatable() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("first"), folder.path().join("second"));
        let bytes = write_records(&first, 1, 50).unwrap();
        assert_eq!(write_records(&second, 1, 50).unwrap(), bytes);
        let text = fs::read_to_string(&first).unwrap();
        assert_eq!(text, fs::read_to_string(&second).unwrap());
        assert_eq!(text.lines().count(), 50);
        for line in text.lines() {
            let record: Value = serde_json::from_str(line).unwrap();
            assert!(record["eventID"].is_string(), "{line}");
        }
    }

    #[test]
    fn options_have_defaults() {
        let options = Options::parse(&["--entries", "1_000", "--runs", "1"]).unwrap();
        assert_eq!(options, Options { entries: 1_000, runs: 1, seconds: 4, seed: 1 });
    }
}
