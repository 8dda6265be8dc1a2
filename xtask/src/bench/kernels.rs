//! What the parts of an ingest cost alone, beside the whole: how much of the time the path between them takes.
//!
//! Each kernel is an example of the crate that it belongs to, built for release and run on the same CloudTrail files
//! as `ascribe`, on one core. Processor time of all threads counts. The examples allocate with the system's allocator,
//! `ascribe` with mimalloc.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::build::{self, Example};
use super::ingest::BenchError;
use super::kept::Kept;
use super::measure::{self, Run, float};
use super::programs::{expect_events, json};
use super::sets::Set;

/// One kernel and what its time includes.
struct Kernel {
    name: &'static str,
    includes: &'static str,
}

/// In the order in which a record passes through them.
const KERNELS: [Kernel; 4] = [
    Kernel { name: "gunzip", includes: "inflating files that are in memory into memory that is used again" },
    Kernel {
        name: "read",
        includes: "framing, parsing, cutting secrets out, building the event and its id, and letting it go",
    },
    Kernel {
        name: "ledger",
        includes: "salts, commitments, envelopes, compression, checksums, writing and syncing in batches of 1 MiB, \
                   tree and tiles, one signed checkpoint",
    },
    Kernel {
        name: "fold",
        includes: "outlines, rows of all tables, key index, writing and syncing of segments, manifests",
    },
];

/// What measures them.
const EXAMPLES: [Example; 3] = [
    Example { package: "ascribe-sources", name: "read_speed" },
    Example { package: "ascribe-ledger", name: "append_speed" },
    Example { package: "ascribe-store", name: "fold_speed" },
];

/// What the whole has and no kernel: the sentence that stands beside the figures.
const BESIDE: &str = "The whole also starts the program, reads and hashes the files, looks for earlier deliveries, \
                      applies the capture policy, moves batches between threads, adds the entries for objects and \
                      streams, signs a checkpoint for every 65,536 entries and reads the ledger's end again.";

/// Nanoseconds of each kernel for all events of a set, in the order of the kernels.
pub type Times = [f64; KERNELS.len()];

/// Runs the kernels on `set`, `runs` times, and gives the medians.
pub fn measure(set: &Set, runs: u64, root: &Path, kept: &mut Kept) -> Result<Times, BenchError> {
    let examples = build::examples(root, &EXAMPLES)?;
    // Captured records and events in JSON are less than three times the JSON of the records.
    kept.make_room(4 * set.size.decoded_bytes).map_err(BenchError::Scratch)?;
    let written = kept.folder().map_err(BenchError::Scratch)?;
    let deliveries = set.folders.iter().map(|folder| folder.display().to_string());
    let deliveries: Vec<String> = deliveries.collect();
    let of = |name: &'static str| Speed { name, program: &examples[name], events: set.size.events };
    let shown = |file: &str| written.join(file).display().to_string();
    of("read_speed").run([deliveries.clone(), vec!["--write".to_owned(), shown("")]].concat())?;
    kept.note(measure::bytes_on_disk(&written).map_err(BenchError::Scratch)?);

    let mut times: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for _ in 0..runs {
        let ledger = kept.folder().map_err(BenchError::Scratch)?;
        let append = vec![
            ledger.join("speed").display().to_string(),
            "--captured".to_owned(),
            shown("captured.jsonl"),
        ];
        let fold = vec!["--events".to_owned(), shown("events.jsonl")];
        for (name, arguments) in
            [("read_speed", deliveries.clone()), ("append_speed", append), ("fold_speed", fold)]
        {
            for (kernel, time) in of(name).times(arguments)? {
                times.entry(kernel).or_default().push(time);
            }
        }
        kept.note(measure::bytes_on_disk(&ledger).map_err(BenchError::Scratch)?);
    }
    let mut medians = [0.0; KERNELS.len()];
    for (median, Kernel { name, .. }) in medians.iter_mut().zip(&KERNELS) {
        let missing = BenchError::NoFigure { program: "the kernels", figure: name };
        *median = times.remove(*name).and_then(measure::median).ok_or(missing)?;
    }
    Ok(medians)
}

/// The lines about kernels; `whole_seconds` is the processor time of `ascribe` on the same set and one core.
pub fn report(times: &Times, events: u64, whole_seconds: Option<f64>) -> Result<String, std::fmt::Error> {
    let mut text =
        "Kernels of the same CloudTrail files on one core, processor time of all threads:\n".to_owned();
    let microseconds = |nanoseconds: f64| nanoseconds / 1e3 / float(events);
    for (Kernel { name, includes }, time) in KERNELS.iter().zip(times) {
        writeln!(text, "- {name}: {:.1} µs an event: {includes}", microseconds(*time))?;
    }
    let sum = microseconds(times.iter().sum());
    match whole_seconds {
        Some(seconds) => {
            let whole = seconds * 1e6 / float(events);
            let share = 100.0 * sum / whole;
            writeln!(
                text,
                "whole path: {whole:.1} µs an event = {share:.0} % of the sum of its kernels (sum {sum:.1} / whole {whole:.1})"
            )?;
        }
        None => writeln!(text, "whole path: unknown, this system does not tell processor time")?,
    }
    writeln!(text, "{BESIDE}")?;
    Ok(text)
}

/// An example that is built, on a set.
struct Speed<'a> {
    name: &'static str,
    program: &'a PathBuf,
    events: u64,
}

impl Speed<'_> {
    fn run(&self, arguments: Vec<String>) -> Result<measure::Measured, BenchError> {
        Ok(measure::measure(&Run { program: self.program, arguments, cores: 1 })?)
    }

    /// Nanoseconds of each kernel that it measured.
    fn times(&self, arguments: Vec<String>) -> Result<Vec<(String, f64)>, BenchError> {
        let answer = json(self.name, &self.run(arguments)?)?;
        expect_events(self.name, &answer["events"], self.events)?;
        let missing = || BenchError::NoFigure { program: self.name, figure: "processor_ns" };
        let times = answer["processor_ns"].as_object().ok_or_else(missing)?;
        times.iter().map(|(kernel, time)| Ok((kernel.clone(), time.as_f64().ok_or_else(missing)?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_is_set_beside_the_sum() {
        let times = [2e6, 9e6, 8e6, 5e6];
        let text = report(&times, 1_000, Some(0.03)).unwrap();
        assert!(text.contains("- read: 9.0 µs an event: framing"), "{text}");
        let line = "whole path: 30.0 µs an event = 80 % of the sum of its kernels (sum 24.0 / whole 30.0)\n";
        assert!(text.contains(line), "{text}");
        assert!(report(&times, 1_000, None).unwrap().contains("whole path: unknown"));
    }
}
