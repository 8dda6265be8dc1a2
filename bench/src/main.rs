//! One measurement of a ledger or of SQLite in a process of its own: `cargo xtask bench ledger` says which, and puts
//! the figures side by side. One line of JSON on standard output.
//!
//! ```text
//! ledger-bench single ENGINE WRITERS SECONDS RECORDS FOLDER   durable appends of one record each
//! ledger-bench bulk ENGINE ENTRIES RECORDS FOLDER             batches of 1,000
//! ledger-bench fill ENTRIES FOLDER                            a ledger of small records
//! ledger-bench open FOLDER                                    opens it for writing
//! ledger-bench verify FOLDER                                  checks all of it
//! ```
//!
//! `ENGINE` is `ascribe`, `sqlite` or `sqlite-grouped`; `RECORDS` a file of records, one a line. `FOLDER` must not
//! exist yet, except to open or verify what `fill` made.

mod ours;
mod sqlite;
mod writers;

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use crate::writers::Told;

/// Entries in a batch of a bulk append.
const BATCH: usize = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let line = match arguments[..] {
        ["single", engine, writers, seconds, records, folder] => {
            let load = Load {
                records: read_records(records)?,
                writers: writers.parse()?,
                duration: Duration::from_secs(seconds.parse()?),
            };
            let told = match engine {
                "ascribe" => ours::single(&load, Path::new(folder))?,
                "sqlite" => sqlite::single(&load, Path::new(folder))?,
                "sqlite-grouped" => sqlite::single_grouped(&load, Path::new(folder))?,
                _ => return Err(format!("no engine `{engine}`").into()),
            };
            single_line(told)
        }
        ["bulk", engine, entries, records, folder] => {
            let (entries, records) = (entries.parse()?, read_records(records)?);
            let seconds = match engine {
                "ascribe" => ours::bulk(&records, entries, Path::new(folder))?,
                "sqlite" => sqlite::bulk(&records, entries, Path::new(folder))?,
                _ => return Err(format!("no engine `{engine}` for bulk appends").into()),
            };
            format!(r#"{{"entries":{entries},"seconds":{seconds}}}"#)
        }
        ["fill", entries, folder] => ours::fill(entries.parse()?, Path::new(folder))?,
        ["open", folder] => ours::open(Path::new(folder))?,
        ["verify", folder] => ours::verify(Path::new(folder))?,
        _ => return Err("see the head of `bench/src/main.rs` for what it takes".into()),
    };
    println!("{line}");
    Ok(())
}

/// What the writers do.
pub struct Load {
    pub records: Vec<Vec<u8>>,
    pub writers: usize,
    /// No append is begun after it.
    pub duration: Duration,
}

fn read_records(path: &str) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    let records: Vec<Vec<u8>> =
        bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect();
    if records.is_empty() { Err(format!("no records in `{path}`").into()) } else { Ok(records) }
}

/// Latencies in milliseconds, from handing an entry over to its acknowledgement.
fn single_line(mut told: Told) -> String {
    told.latencies.sort_unstable();
    let count = told.latencies.len();
    let at = |percent: usize| {
        let place = (count * percent).div_ceil(100).saturating_sub(1);
        told.latencies.get(place).map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
    };
    let seconds = told.took.as_secs_f64();
    format!(r#"{{"entries":{count},"seconds":{seconds},"p50_ms":{},"p99_ms":{}}}"#, at(50), at(99))
}
