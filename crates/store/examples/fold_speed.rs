//! What folding costs, in nanoseconds an event: `cargo run --release -p ascribe-store --example fold_speed`.
//!
//! Processor time of all threads, so that it is the cost on one core whatever else the machine does. Events are
//! generated before the clock starts. The first argument is the number of complete segments (4); 16 of them are a unit,
//! which is then compacted.
//!
//! `… -- --events FILE` folds the events of a file instead, one a line (`read_speed --write` of `ascribe-sources`
//! writes such a file). It prints one line of JSON with the number of events and the processor time for `fold`:
//! outlines, the rows of all tables, the key index, writing and syncing of the segments, and the manifests.

#[path = "../tests/generated/mod.rs"]
mod generated;

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, Write, stdout};
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

use ascribe_model::{Event, Timestamp};
use ascribe_store::{Entry, Outlines, RANGE, Record, SegmentBuilder, Store, UNIT};

/// Events at hand at a time.
const BATCH: usize = 32;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => measure_generated(4),
        ["--events", file] => measure_events(Path::new(file)),
        [segments] => measure_generated(segments.parse()?),
        _ => Err("usage: fold_speed [SEGMENTS | --events FILE]".into()),
    }
}

fn measure_events(file: &Path) -> Result<(), Box<dyn Error>> {
    let mut count = 0;
    for line in BufReader::new(File::open(file)?).lines() {
        line?;
        count += 1;
    }
    let mut lines = BufReader::new(File::open(file)?).lines();
    let mut next = |_| {
        let line = lines.next().ok_or("the file became shorter")??;
        Ok(serde_json::from_str(&line)?)
    };
    let folder = tempfile::tempdir()?;
    let mut store = Store::create(folder.path(), [("events".to_owned(), 1)].into())?;
    let mut spent = 0;
    for range in store.plan(count) {
        spent += fold(&mut store, range, &mut next)?.iter().sum::<u64>();
    }
    Ok(writeln!(stdout(), r#"{{"events":{count},"processor_ns":{{"fold":{spent}}}}}"#)?)
}

fn measure_generated(segments: u64) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let mut store = Store::create(folder.path(), [("generated".to_owned(), 1)].into())?;
    let mut total = [0; 3];
    for range in store.plan(segments * RANGE) {
        let times = fold(&mut store, range, &mut |number| Ok(generated::event(number)))?;
        report("segment", times, RANGE)?;
        total.iter_mut().zip(times).for_each(|(sum, time)| *sum += time);
    }
    report("mean", total, segments * RANGE)?;
    let mut out = stdout().lock();
    sizes(&store, &mut out)?;
    for unit in store.units() {
        let (started, wall) = (processor_time(), Instant::now());
        let outcome = store.compact(unit)?;
        let time = (processor_time() - started) / UNIT;
        writeln!(out, "compaction: {outcome:?}, {time} ns an event, {:?} of wall time", wall.elapsed())?;
        sizes(&store, &mut out)?;
    }
    let started = Instant::now();
    let store = Store::open(folder.path())?;
    writeln!(out, "open {:?}", started.elapsed())?;
    let text = generated::event(RANGE / 2).keys[0].value.clone();
    for attempt in ["cold", "warm"] {
        let started = Instant::now();
        let found = store.find(&text)?;
        writeln!(out, "find, {attempt}: {:?}, {} keys", started.elapsed(), found.len())?;
    }
    Ok(())
}

/// Processor time that this process has taken, in nanoseconds.
fn processor_time() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// Gives the event of a leaf; it is asked for the leaves in order.
type Next<'a> = &'a mut dyn FnMut(u64) -> Result<Event, Box<dyn Error>>;

/// Nanoseconds for adding entries, for finishing the segment, and for publishing it.
fn fold(store: &mut Store, range: Range<u64>, next: Next<'_>) -> Result<[u64; 3], Box<dyn Error>> {
    let mut builder = SegmentBuilder::new(range.start, store);
    let mut outlines = Outlines::default();
    let mut pushed = 0;
    for start in range.clone().step_by(BATCH) {
        let end = range.end.min(start + BATCH as u64);
        let events = (start..end).map(&mut *next).collect::<Result<Vec<Event>, _>>()?;
        let started = processor_time();
        outlines.clear();
        for (event, leaf) in events.iter().zip(start..) {
            let at = outlines.push(std::slice::from_ref(event));
            builder.push(Entry::Record(Record {
                leaf,
                object: Some(0),
                stream: Some(0),
                received_at: Timestamp::from_nanoseconds(1_780_000_000_000_000_000),
                withheld: false,
                span_length: 1_654,
                events: outlines.record(at),
            }))?;
        }
        pushed += processor_time() - started;
    }
    let started = processor_time();
    let segment = builder.finish(range.end)?;
    let finished = processor_time();
    store.publish(vec![segment], range.end)?;
    Ok([pushed, finished - started, processor_time() - finished])
}

fn report(name: &str, times: [u64; 3], events: u64) -> std::io::Result<()> {
    let all = times.iter().sum::<u64>() / events;
    let [push, finish, publish] = times.map(|time| time / events);
    writeln!(stdout(), "{name}: {all} ns an event (push {push}, finish {finish}, publish {publish})")
}

/// Bytes an event of each kind of file.
fn sizes(store: &Store, out: &mut impl Write) -> std::io::Result<()> {
    let mut sizes = std::collections::BTreeMap::<&str, u64>::new();
    for (name, file) in store.summaries().flat_map(|summary| summary.files.iter().chain(&summary.partitions))
    {
        let name = name.split('/').next().unwrap_or(name).trim_end_matches(".parquet");
        *sizes.entry(name).or_default() += file.bytes;
    }
    let total = sizes.values().sum();
    for (name, bytes) in sizes.into_iter().chain([("all", total)]) {
        writeln!(out, "{name:20} {:4} bytes an event", bytes / store.folded())?;
    }
    Ok(())
}
