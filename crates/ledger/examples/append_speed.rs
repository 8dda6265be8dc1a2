//! Measures how fast entries are appended, committed, reopened, read and verified.
//!
//! `cargo run --release --package ascribe-ledger --example append_speed -- FOLDER [ENTRIES]`
//!
//! Entries are JSON-like texts of about 1.6 kB, as CloudTrail's are, with values that differ from entry to entry; a
//! batch is 1 MiB of them. The folder must not exist; it is left behind.
//!
//! `… -- FOLDER --captured FILE` appends the records of a file instead, one a line: the captured bytes and, where
//! something was withheld, a tab and the bytes received (`read_speed --write` writes such a file). It prints one line
//! of JSON with the number of records and the processor time of all threads for `ledger`: salts, commitments,
//! envelopes, compression, checksums, writing and syncing of batches of 1 MiB, the tree with its tiles, and one
//! signed checkpoint.

#![expect(clippy::print_stdout, reason = "it prints figures")]

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::{Duration, Instant};

use ascribe_ledger::{Draft, KeyPair, Kind, Ledger, LedgerPaths, Reader, verify};

const BATCH_BYTES: usize = 1 << 20;
const ENTRIES_DEFAULT: u32 = 200_000;
const ENTRY_BYTES: usize = 1_600;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [folder] => measure_generated(Path::new(folder), ENTRIES_DEFAULT),
        [folder, "--captured", file] => measure_captured(Path::new(folder), Path::new(file)),
        [folder, entries] => measure_generated(Path::new(folder), entries.parse()?),
        _ => Err("usage: append_speed FOLDER [ENTRIES | --captured FILE]".into()),
    }
}

fn measure_captured(folder: &Path, file: &Path) -> Result<(), Box<dyn Error>> {
    let paths = LedgerPaths::new(folder.join("ledger"), folder.join("anchor"));
    let mut ledger = Ledger::create(&paths, KeyPair::generate("example.com/speed")?)?;
    let mut lines = BufReader::new(File::open(file)?).lines();
    let mut spent = 0;
    loop {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while bytes < BATCH_BYTES
            && let Some(line) = lines.next().transpose()?
        {
            bytes += line.len();
            batch.push(line);
        }
        if batch.is_empty() {
            break;
        }
        let drafts: Vec<Draft<'_>> = batch
            .iter()
            .map(|line| match line.split_once('\t') {
                Some((captured, received)) => {
                    Draft { received: Some(received.as_bytes()), ..draft(captured) }
                }
                None => draft(line),
            })
            .collect();
        let started = processor_time();
        ledger.append(&drafts)?;
        spent += processor_time() - started;
    }
    let started = processor_time();
    ledger.checkpoint()?;
    spent += processor_time() - started;
    println!(r#"{{"events":{},"processor_ns":{{"ledger":{spent}}}}}"#, ledger.size());
    Ok(())
}

fn measure_generated(folder: &Path, entries: u32) -> Result<(), Box<dyn Error>> {
    let paths = LedgerPaths::new(folder.join("ledger"), folder.join("anchor"));
    let key = KeyPair::generate("example.com/speed")?;

    let mut ledger = Ledger::create(&paths, key.clone())?;
    let spent = append_all(&mut ledger, entries)?;
    print("append", entries, spent.elapsed);
    let on_processor = spent.on_processor.as_secs_f64() * 1e6 / f64::from(entries);
    println!("of which on the processor {on_processor:.2} µs an entry");
    println!("longest batch {:.1} ms", spent.longest.as_secs_f64() * 1e3);
    let started = Instant::now();
    ledger.checkpoint()?;
    println!("checkpoint {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
    drop(ledger);

    let started = Instant::now();
    drop(Ledger::open(&paths, key.clone())?);
    println!("open {:.1} ms", started.elapsed().as_secs_f64() * 1e3);

    let reader = Reader::open(&paths, key.verifier())?;
    let started = Instant::now();
    let mut captured_bytes = 0;
    for entry in reader.entries(0..reader.size()) {
        captured_bytes += entry?.captured().map_or(0, <[u8]>::len);
    }
    print("read", entries, started.elapsed());
    println!("{captured_bytes} bytes captured");

    let started = Instant::now();
    let report = verify(&paths, key.verifier(), &|_| {});
    print("verify", entries, started.elapsed());
    println!("{} problems", report.problems.len());
    Ok(())
}

/// What appending alone took.
#[derive(Default)]
struct Spent {
    elapsed: Duration,
    longest: Duration,
    /// Processor time of all threads.
    on_processor: Duration,
}

fn append_all(ledger: &mut Ledger, entries: u32) -> Result<Spent, Box<dyn Error>> {
    let mut spent = Spent::default();
    let mut next = 0;
    while next < entries {
        let mut texts = Vec::new();
        let mut bytes = 0;
        while bytes < BATCH_BYTES && next < entries {
            let text = entry_text(next);
            bytes += text.len();
            texts.push(text);
            next += 1;
        }
        let drafts: Vec<Draft<'_>> = texts.iter().map(|text| draft(text)).collect();
        let (started, on_processor) = (Instant::now(), processor_time());
        ledger.append(&drafts)?;
        let elapsed = started.elapsed();
        spent.elapsed += elapsed;
        spent.longest = spent.longest.max(elapsed);
        spent.on_processor += Duration::from_nanos(processor_time() - on_processor);
    }
    Ok(spent)
}

/// Processor time that this process has taken, in nanoseconds.
fn processor_time() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

fn draft(text: &str) -> Draft<'_> {
    Draft {
        kind: Kind::Record,
        stream: None,
        object: None,
        span: None,
        received_at: 0,
        captured: text.as_bytes(),
        received: None,
    }
}

/// A text that compresses about as well as real records do: fixed names, varying values.
fn entry_text(number: u32) -> String {
    let mut text = String::with_capacity(ENTRY_BYTES + 100);
    text.push_str("{\"eventVersion\":\"1.11\",\"userIdentity\":{\"type\":\"AssumedRole\",\"principalId\":\"");
    let number = u64::from(number);
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut field = 0;
    while text.len() < ENTRY_BYTES {
        // xorshift64, so that runs are alike.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let value = if field % 2 == 0 { state } else { number / 1_000 + field };
        let member =
            format!("{value:016x}\",\"requestParameters{field}\":\"arn:aws:iam::123456789012:role/service-");
        text.push_str(&member);
        field += 1;
    }
    text.push_str("\"}}");
    text
}

fn print(what: &str, entries: u32, took: Duration) {
    let seconds = took.as_secs_f64();
    println!(
        "{what} {entries} entries in {seconds:.2} s: {:.0} entries/s, {:.2} µs an entry",
        f64::from(entries) / seconds,
        seconds * 1e6 / f64::from(entries)
    );
}
