//! `cargo xtask bench questions`: how long an answer takes over many stored events, beside DuckDB on the same Parquet
//! files; and what one more batch costs, at one million stored events and at the end.
//!
//! Drives the release build of `ascribe` through its command line only. Events are delivered in slices that are removed
//! once they are taken in, so that the disk holds evidence and one slice. With `--folder` the evidence stays, and the
//! next run with the same folder asks it again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Deserialize;
use serde_json::Value;

use super::build;
use super::deliveries::{self, Order, START_MS};
use super::ingest::BenchError;
use super::measure::{self, Measured, Run, float};
use super::programs::{expect_events, json};
use super::table::{Table, thousands};
use crate::options::{self, OptionError};

/// What the bench is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Events stored when the questions are asked.
    pub events: u64,
    /// Keys asked about in each class.
    pub keys: u64,
    /// Seed of the generated files.
    pub seed: u64,
    /// Whether the instructions of one more batch are counted too (by `valgrind`); takes some minutes.
    pub counts_instructions: bool,
    /// Where the evidence stays; a temporary folder without.
    pub folder: Option<PathBuf>,
}

/// Events in one slice. With so many accounts a role acts about 1,000 times in it, and comes in no other.
const SLICE: u64 = 200_000;
const ACCOUNTS: u64 = 14;
/// Between the starts of two slices, in milliseconds: a little longer than a slice lasts.
const SLICE_MS: i64 = 6_200_000;

/// Events in a batch whose cost is measured, and in each of its objects: with the opening and the closing entry of each, a
/// batch adds 8,192 leaves.
const BATCH: u64 = 8_176;
const BATCH_OBJECT: u64 = 1_022;
/// Batches that make one range of the store. Parts of the last range are folded again, wider, as it fills up, so that what
/// one batch costs depends on where in the range it falls: only the sum over a whole range can be compared.
const CYCLE: u64 = 8;
/// Ranges that are measured, and at how many stored events at first.
const CYCLES: u64 = 2;
const FIRST_MEASURED: u64 = 1_000_000;

const EVENTS_PER_OBJECT: u64 = 1_000;
const CORES: u32 = 2;
const DUCKDB_ASK: &str = include_str!("duckdb_ask.py");

/// What is asked of each class of keys.
const VERBS: [(&str, &[&str]); 3] = [
    ("credential", &["who", "lifecycle", "timeline"]),
    ("identity", &["who", "timeline"]),
    ("event", &["who", "show"]),
];

/// Processes that are started to measure a whole one.
const PROCESSES: usize = 15;

impl Options {
    /// Reads `--events N`, `--keys N`, `--seed N`, `--instructions 1` and `--folder DIR`.
    pub fn parse(arguments: &[&str]) -> Result<Self, OptionError> {
        let (folder, numbers): (Vec<_>, Vec<_>) =
            arguments.chunks(2).partition(|pair| pair.len() == 2 && pair[0] == "--folder");
        let known = [("--events", 10_000_000), ("--keys", 100), ("--seed", 1), ("--instructions", 0)];
        let [events, keys, seed, instructions] = options::numbers(&numbers.concat(), known)?;
        let folder = folder.last().map(|pair| PathBuf::from(pair[1]));
        Ok(Self { events, keys, seed, counts_instructions: instructions > 0, folder })
    }
}

/// What DuckDB found and how long it took.
#[derive(Deserialize)]
struct Reference {
    version: String,
    /// By class of key.
    classes: BTreeMap<String, ReferenceClass>,
}

#[derive(Deserialize)]
struct ReferenceClass {
    keys: Vec<String>,
    /// Rows that DuckDB found for each key.
    rows: Vec<u64>,
    seconds: Vec<f64>,
    processor_seconds: Vec<f64>,
    /// What a timeline of some of the keys took in SQL; empty where none was asked.
    timeline_seconds: Vec<f64>,
}

/// One line of `ascribe time-questions`.
#[derive(Deserialize)]
struct Timed {
    seconds: f64,
    /// Events that the answer cites. Absent where there is no answer.
    cited: Option<u64>,
}

/// Processor time and wall time of one more batch: means over whole ranges, and the dearest.
struct BatchCost {
    stored: u64,
    seconds: f64,
    processor_seconds: f64,
    most_processor_seconds: f64,
    /// Mean over one more range, where they were counted.
    instructions: Option<f64>,
}

/// Runs the bench; the tables go to `out`, what is under way to `talk`.
pub fn run(
    options: &Options,
    root: &Path,
    out: &mut dyn Write,
    talk: &mut dyn Write,
) -> Result<(), BenchError> {
    let mut say = |text: &str| writeln!(talk, "{text}").map_err(BenchError::Write);
    say("building `ascribe` for release")?;
    let ascribe = build::release(root)?;
    let temporary = tempfile::tempdir().map_err(BenchError::Scratch)?;
    let folder = options.folder.clone().unwrap_or_else(|| temporary.path().to_owned());
    fs::create_dir_all(&folder).map_err(BenchError::Scratch)?;
    let bench = Bench { ascribe: &ascribe, options, folder: &folder };
    let mut costs = bench.fill(&mut say)?;
    say("compacting")?;
    let compaction = bench.ascribe(&["compact", "--output", "json"])?;
    costs.push(bench.batch_cost(options.events)?);
    say("asking DuckDB")?;
    let reference = bench.reference()?;
    say("asking `ascribe`")?;
    let table = bench.ask(&reference)?;
    writeln!(
        out,
        "{table}\nDuckDB {} reads the same Parquet files, metadata cached, on {CORES} threads, and fetches the \
         rows of the key alone; `ascribe` has the evidence open, reads anew what an answer rests on, and proves it.\nCompaction: {:.1} s.\n\n{}",
        reference.version,
        compaction.seconds,
        costs_table(&costs)
    )
    .map_err(BenchError::Write)
}

/// One bench in one folder.
struct Bench<'a> {
    ascribe: &'a Path,
    options: &'a Options,
    folder: &'a Path,
}

impl Bench<'_> {
    fn evidence(&self) -> String {
        self.folder.join("bench.evidence").display().to_string()
    }

    fn ascribe(&self, arguments: &[&str]) -> Result<Measured, BenchError> {
        Ok(measure::measure(&self.run(arguments))?)
    }

    fn run(&self, arguments: &[&str]) -> Run<'_> {
        let evidence = self.evidence();
        let arguments = ["--evidence", &evidence].into_iter().chain(arguments.iter().copied());
        Run { program: self.ascribe, arguments: arguments.map(str::to_owned).collect(), cores: CORES }
    }

    /// Brings the evidence to as many events as are asked for; measures a batch on the way.
    fn fill(
        &self,
        say: &mut impl FnMut(&str) -> Result<(), BenchError>,
    ) -> Result<Vec<BatchCost>, BenchError> {
        if !Path::new(&self.evidence()).exists() {
            let init = vec!["init".to_owned(), self.evidence()];
            measure::measure(&Run { program: self.ascribe, arguments: init, cores: CORES })?;
        }
        let mut costs = Vec::new();
        let mut stored = self.stored()?;
        while stored < self.options.events {
            if costs.is_empty() && (FIRST_MEASURED..2 * FIRST_MEASURED).contains(&stored) {
                costs.push(self.batch_cost(stored)?);
            }
            let slice = stored / SLICE;
            say(&format!("slice {} of {}", slice + 1, self.options.events.div_ceil(SLICE)))?;
            self.ingest(Order {
                seed: self.options.seed.wrapping_mul(1_000_003).wrapping_add(slice),
                events: SLICE,
                events_per_object: EVENTS_PER_OBJECT,
                accounts: ACCOUNTS,
                start_ms: START_MS + slice.cast_signed() * SLICE_MS,
            })?;
            stored = self.stored()?;
        }
        Ok(costs)
    }

    /// Events that are stored.
    fn stored(&self) -> Result<u64, BenchError> {
        let sources = json("ascribe sources", &self.ascribe(&["sources", "--output", "json"])?)?;
        let events = &sources["body"]["scope"]["events"];
        events.as_u64().ok_or_else(|| BenchError::Incomplete {
            program: "ascribe sources",
            expected: self.options.events,
            found: events.clone(),
        })
    }

    /// A delivery, and its folder as it is named on a command line; it goes when it is dropped.
    fn delivered(&self, order: Order) -> Result<(tempfile::TempDir, String), BenchError> {
        let slice = tempfile::tempdir_in(self.folder).map_err(BenchError::Scratch)?;
        deliveries::write(order, slice.path())?;
        let path = slice.path().display().to_string();
        Ok((slice, path))
    }

    /// Delivers, takes in, and removes what was delivered.
    fn ingest(&self, order: Order) -> Result<Measured, BenchError> {
        let (_slice, path) = self.delivered(order)?;
        let measured = self.ascribe(&["ingest", &path, "--output", "json"])?;
        expect_events("ascribe ingest", &json("ascribe ingest", &measured)?["events"], order.events)?;
        Ok(measured)
    }

    /// What one more batch costs, at so many stored events.
    fn batch_cost(&self, stored: u64) -> Result<BatchCost, BenchError> {
        let batches = CYCLES * CYCLE;
        let (mut seconds, mut processor_seconds, mut most) = (0.0, 0.0, 0.0_f64);
        for _ in 0..batches {
            let run = self.ingest(batch_after(stored))?;
            let processor = run.processor_seconds.unwrap_or(f64::NAN);
            seconds += run.seconds;
            processor_seconds += processor;
            most = most.max(processor);
        }
        Ok(BatchCost {
            stored,
            seconds: seconds / float(batches),
            processor_seconds: processor_seconds / float(batches),
            most_processor_seconds: most,
            instructions: self.options.counts_instructions.then(|| self.instructions(stored)).transpose()?,
        })
    }

    /// Instructions of one more batch, the mean over a range of the store. They do not depend on what else the machine does.
    fn instructions(&self, stored: u64) -> Result<f64, BenchError> {
        let mut sum = 0;
        for _ in 0..CYCLE {
            let (slice, path) = self.delivered(batch_after(stored))?;
            let run = self.run(&["ingest", &path, "--output", "json"]);
            sum += measure::instructions(&run, &slice.path().join("counts"))?;
        }
        Ok(float(sum) / float(CYCLE))
    }

    /// Chooses keys and asks DuckDB about them.
    fn reference(&self) -> Result<Reference, BenchError> {
        let store = Path::new(&self.evidence()).join("store").display().to_string();
        let arguments = vec![
            "-c".to_owned(),
            DUCKDB_ASK.to_owned(),
            store,
            CORES.to_string(),
            self.options.keys.to_string(),
        ];
        let measured = measure::measure(&Run { program: Path::new("python3"), arguments, cores: CORES })?;
        serde_json::from_str(&measured.stdout)
            .map_err(|source| BenchError::Json { program: "duckdb", source })
    }

    fn ask(&self, reference: &Reference) -> Result<Table, BenchError> {
        let mut table = Table::new(&[
            "question",
            "rows",
            "cited",
            "p50, ms",
            "p99, ms",
            "CPU, ms",
            "whole process p50, ms",
            "DuckDB p50, ms",
            "DuckDB p99, ms",
            "DuckDB CPU, ms",
            "the timeline in SQL, p50, ms",
        ]);
        for (class, verbs) in VERBS {
            let Some(found) = reference.classes.get(class) else { continue };
            for verb in verbs {
                let (timed, processor_seconds) = self.time(verb, &found.keys)?;
                let asked = timed.iter().map(|timed| timed.seconds).collect();
                let processes = self.time_processes(verb, &found.keys)?;
                let cited: Vec<f64> = timed.iter().filter_map(|timed| Some(float(timed.cited?))).collect();
                let [p50, p99] = percentiles(asked);
                let [duckdb50, duckdb99] = percentiles(found.seconds.clone());
                let rows = measure::median(found.rows.iter().map(|&rows| float(rows)).collect());
                table.push(vec![
                    format!("{verb} {class}"),
                    rows.map_or_else(String::new, thousands),
                    measure::median(cited).map_or("no answer".to_owned(), thousands),
                    milliseconds(p50),
                    milliseconds(p99),
                    milliseconds(processor_seconds),
                    milliseconds(percentiles(processes)[0]),
                    milliseconds(duckdb50),
                    milliseconds(duckdb99),
                    milliseconds(
                        found.processor_seconds.iter().sum::<f64>() / float(found.keys.len() as u64),
                    ),
                    if *verb == "timeline" && !found.timeline_seconds.is_empty() {
                        milliseconds(percentiles(found.timeline_seconds.clone())[0])
                    } else {
                        String::new()
                    },
                ]);
            }
        }
        Ok(table)
    }

    /// Asks about each key twice in one process; the second time counts. The mean of the processor time of both goes
    /// with it: on a machine that does other work too it says more than the clock on the wall.
    fn time(&self, verb: &str, keys: &[String]) -> Result<(Vec<Timed>, f64), BenchError> {
        let path = self.folder.join("questions.txt");
        let lines: Vec<String> = keys.iter().chain(keys).map(|key| format!("{verb} {key}\n")).collect();
        let written = File::create(&path).and_then(|mut file| file.write_all(lines.concat().as_bytes()));
        written.map_err(BenchError::Scratch)?;
        let measured = self.ascribe(&["time-questions", &path.display().to_string()])?;
        let lines = measured.stdout.lines().skip(keys.len());
        let timed: Result<Vec<Timed>, _> = lines.map(serde_json::from_str).collect();
        let timed = timed.map_err(|source| BenchError::Json { program: "ascribe time-questions", source })?;
        expect_events("ascribe time-questions", &Value::from(timed.len()), keys.len() as u64)?;
        let processor_seconds = measured.processor_seconds.unwrap_or(f64::NAN) / float(2 * keys.len() as u64);
        Ok((timed, processor_seconds))
    }

    /// Seconds of whole processes, from start to end; also of those that give no answer.
    fn time_processes(&self, verb: &str, keys: &[String]) -> Result<Vec<f64>, BenchError> {
        let mut seconds = Vec::new();
        for key in keys.iter().take(PROCESSES) {
            let start = Instant::now();
            let output = std::process::Command::new(self.ascribe)
                .args(["--evidence", &self.evidence(), verb, key, "--output", "json"])
                .output();
            output.map_err(BenchError::Scratch)?;
            seconds.push(start.elapsed().as_secs_f64());
        }
        Ok(seconds)
    }
}

/// A batch behind so many events. It has a seed and times of its own: no event is in two batches, and none is late.
fn batch_after(stored: u64) -> Order {
    let slice = (stored / SLICE).cast_signed();
    Order {
        seed: !stored ^ fresh(),
        events: BATCH,
        events_per_object: BATCH_OBJECT,
        accounts: ACCOUNTS,
        start_ms: START_MS + slice * SLICE_MS,
    }
}

/// A number that no other run has, so that a batch is new to a folder that was used before.
fn fresh() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}

fn costs_table(costs: &[BatchCost]) -> Table {
    let mut table = Table::new(&[
        "one more batch",
        "events stored",
        "seconds",
        "CPU seconds",
        "of the first",
        "dearest, CPU",
        "million instructions",
    ]);
    for cost in costs {
        let first = costs.first().map_or(f64::NAN, |first| first.processor_seconds);
        table.push(vec![
            format!("{} events", thousands(float(BATCH))),
            thousands(float(cost.stored)),
            format!("{:.3}", cost.seconds),
            format!("{:.3}", cost.processor_seconds),
            format!("{:.3}", cost.processor_seconds / first),
            format!("{:.3}", cost.most_processor_seconds),
            cost.instructions.map_or("not counted".to_owned(), |counted| thousands(counted / 1e6)),
        ]);
    }
    table
}

/// The middle one, and that which 99 of 100 do not exceed.
fn percentiles(mut seconds: Vec<f64>) -> [f64; 2] {
    seconds.sort_by(f64::total_cmp);
    let at =
        |percent: usize| seconds.get((seconds.len() * percent / 100).min(seconds.len().saturating_sub(1)));
    [at(50), at(99)].map(|second| second.copied().unwrap_or(f64::NAN))
}

fn milliseconds(seconds: f64) -> String {
    format!("{:.1}", seconds * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_may_name_a_folder() {
        let options = Options::parse(&["--keys", "5", "--folder", "a/b", "--events", "2_000"]).unwrap();
        let folder = Some(PathBuf::from("a/b"));
        let counts_instructions = false;
        assert_eq!(options, Options { events: 2_000, keys: 5, seed: 1, counts_instructions, folder });
        assert!(Options::parse(&["--instructions", "1"]).unwrap().counts_instructions);
        assert!(Options::parse(&["--folder"]).is_err());
    }

    #[test]
    fn percentiles_are_members() {
        let hundred: Vec<f64> = (0..100).rev().map(f64::from).collect();
        assert_eq!(percentiles(hundred).map(milliseconds), ["50000.0", "99000.0"]);
        assert_eq!(percentiles(vec![7.0]).map(milliseconds), ["7000.0", "7000.0"]);
        assert!(percentiles(vec![])[0].is_nan());
    }
}
