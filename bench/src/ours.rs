//! The ledger of this checkout.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use ascribe_ledger::{
    CheckpointPolicy, Draft, GroupCommit, GroupError, GroupLimits, KeyPair, Kind, Ledger, LedgerPaths,
    OwnedDraft, verify as verify_ledger,
};

use crate::writers::{self, Told};
use crate::{BATCH, Load};

/// The same key each time, so that a ledger is opened by a later process.
fn key() -> Result<KeyPair, Box<dyn Error>> {
    Ok(KeyPair::from_seed("example.com/bench", [1; 32])?)
}

fn paths(folder: &Path) -> LedgerPaths {
    LedgerPaths::new(folder.join("ledger"), folder.join("anchor"))
}

/// Appends of one record each, by group commit.
pub fn single(load: &Load, folder: &Path) -> Result<Told, Box<dyn Error>> {
    let ledger = Ledger::create(&paths(folder), key()?)?;
    // Checkpoints as often as a server would make them under load; their cost is in the figures.
    let policy = CheckpointPolicy { every_entries: Some(10_000), every_nanoseconds: None };
    let group = GroupCommit::start(ledger, GroupLimits::default(), policy)?;
    let told = writers::run(load, |_| {
        let appender = group.appender();
        move |record: &[u8]| {
            let draft = OwnedDraft {
                kind: Kind::Record,
                stream: None,
                object: None,
                span: None,
                received_at: 0,
                captured: record.to_vec(),
                received: None,
            };
            appender.append(vec![draft]).map(|_| ()).map_err(GroupError::from)
        }
    })?;
    let mut ledger = group.finish()?;
    ledger.checkpoint()?;
    if ledger.size() != told.latencies.len() as u64 {
        return Err("the ledger has another number of entries than were acknowledged".into());
    }
    Ok(told)
}

/// Seconds for `entries` records in batches, with the checkpoint at the end.
pub fn bulk(records: &[Vec<u8>], entries: usize, folder: &Path) -> Result<f64, Box<dyn Error>> {
    let mut ledger = Ledger::create(&paths(folder), key()?)?;
    let mut records = records.iter().cycle();
    let started = Instant::now();
    let mut left = entries;
    while left > 0 {
        let drafts: Vec<Draft<'_>> =
            records.by_ref().take(BATCH.min(left)).map(|record| draft(record)).collect();
        ledger.append(&drafts)?;
        left -= drafts.len();
    }
    ledger.checkpoint()?;
    Ok(started.elapsed().as_secs_f64())
}

/// Makes a ledger of small records, a million to a checkpoint.
pub fn fill(entries: u64, folder: &Path) -> Result<String, Box<dyn Error>> {
    let mut ledger = Ledger::create(&paths(folder), key()?)?;
    let started = Instant::now();
    while ledger.size() < entries {
        let first = ledger.size();
        let texts: Vec<String> =
            (first..entries.min(first + 10_000)).map(|leaf| format!("{{\"record\":{leaf}}}")).collect();
        let drafts: Vec<Draft<'_>> = texts.iter().map(|text| draft(text.as_bytes())).collect();
        ledger.append(&drafts)?;
        if ledger.size().is_multiple_of(1_000_000) {
            ledger.checkpoint()?;
        }
    }
    ledger.checkpoint()?;
    Ok(format!(r#"{{"entries":{entries},"seconds":{}}}"#, started.elapsed().as_secs_f64()))
}

/// Opens for writing, as after a clean close.
pub fn open(folder: &Path) -> Result<String, Box<dyn Error>> {
    let started = Instant::now();
    let (ledger, _) = Ledger::open(&paths(folder), key()?)?;
    let seconds = started.elapsed().as_secs_f64();
    Ok(format!(r#"{{"entries":{},"seconds":{seconds}}}"#, ledger.size()))
}

/// Checks everything.
pub fn verify(folder: &Path) -> Result<String, Box<dyn Error>> {
    let started = Instant::now();
    let report = verify_ledger(&paths(folder), key()?.verifier(), &|_| {});
    let seconds = started.elapsed().as_secs_f64();
    if let Some(problem) = report.problems.first() {
        return Err(format!("the ledger is not in order: {problem}").into());
    }
    let entries: u64 = report.counts.entries.values().sum();
    Ok(format!(r#"{{"entries":{entries},"seconds":{seconds}}}"#))
}

fn draft(captured: &[u8]) -> Draft<'_> {
    Draft {
        kind: Kind::Record,
        stream: None,
        object: None,
        span: None,
        received_at: 0,
        captured,
        received: None,
    }
}
