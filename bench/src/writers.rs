//! Writers that append one record each, wait for its acknowledgement, and go on, until the time is over. What they
//! append to is the caller's.

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use crate::Load;

/// What the writers were told.
#[derive(Default)]
pub struct Told {
    /// One for each acknowledged entry.
    pub latencies: Vec<Duration>,
    /// From the first append to the last acknowledgement.
    pub took: Duration,
}

/// Runs the writers of `load`; each gets an `append` of its own.
pub fn run<E: Into<Box<dyn Error + Send + Sync>>, A: FnMut(&[u8]) -> Result<(), E> + Send>(
    load: &Load,
    mut append_of: impl FnMut(usize) -> A,
) -> Result<Told, Box<dyn Error>> {
    let appends: Vec<A> = (0..load.writers).map(&mut append_of).collect();
    let started = Instant::now();
    let mut told = Told::default();
    thread::scope(|scope| {
        let one = |number: usize, mut append: A| {
            let mut latencies = Vec::new();
            // Each writer starts elsewhere, so that they do not append the same bytes at the same time.
            let records = load.records.iter().cycle().skip(number * 997 % load.records.len());
            for record in records {
                let begun = Instant::now();
                if begun.duration_since(started) >= load.duration {
                    break;
                }
                append(record).map_err(Into::into)?;
                latencies.push(begun.elapsed());
            }
            Ok::<_, Box<dyn Error + Send + Sync>>(latencies)
        };
        let running: Vec<_> = appends
            .into_iter()
            .enumerate()
            .map(|(number, append)| scope.spawn(move || one(number, append)))
            .collect();
        for writer in running {
            let latencies = writer.join().map_err(|_| "a writer panicked")?;
            told.latencies.extend(latencies.map_err(|error| error.to_string())?);
        }
        Ok::<_, Box<dyn Error>>(())
    })?;
    told.took = started.elapsed();
    Ok(told)
}
