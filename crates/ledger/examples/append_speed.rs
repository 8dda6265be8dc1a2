//! Measures how fast entries are appended, committed, reopened, read and verified.
//!
//! `cargo run --release --package ascribe-ledger --example append_speed -- FOLDER [ENTRIES]`
//!
//! Entries are JSON-like texts of about 1.6 kB, as CloudTrail's are, with values that differ from entry to entry; a
//! batch is 1 MiB of them. The folder must not exist; it is left behind.

#![expect(clippy::print_stdout, reason = "it prints figures")]

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use ascribe_ledger::{Draft, KeyPair, Kind, Ledger, LedgerPaths, Reader, verify};

const BATCH_BYTES: usize = 1 << 20;
const ENTRIES_DEFAULT: u32 = 200_000;
const ENTRY_BYTES: usize = 1_600;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: append_speed FOLDER [ENTRIES]")?;
    let entries = arguments.next().map_or(Ok(ENTRIES_DEFAULT), |text| text.parse())?;
    let paths = LedgerPaths::new(Path::new(&folder).join("ledger"), Path::new(&folder).join("anchor"));
    let key = KeyPair::generate("example.com/speed")?;

    let mut ledger = Ledger::create(&paths, key.clone())?;
    let spent = append_all(&mut ledger, entries)?;
    print("append", entries, spent.elapsed);
    if let Some(on_processor) = spent.on_processor {
        println!(
            "of which on the processor {:.2} µs an entry",
            on_processor.as_secs_f64() * 1e6 / f64::from(entries)
        );
    }
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
        captured_bytes += entry?.captured().len();
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
    /// Time on the processor, where the system tells.
    on_processor: Option<Duration>,
}

fn append_all(ledger: &mut Ledger, entries: u32) -> Result<Spent, Box<dyn Error>> {
    let mut spent = Spent { on_processor: time_on_processor().map(|_| Duration::ZERO), ..Spent::default() };
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
        let (started, on_processor) = (Instant::now(), time_on_processor());
        ledger.append(&drafts)?;
        let elapsed = started.elapsed();
        spent.elapsed += elapsed;
        spent.longest = spent.longest.max(elapsed);
        let appending =
            time_on_processor().zip(on_processor).map(|(after, before)| after.saturating_sub(before));
        spent.on_processor = spent.on_processor.zip(appending).map(|(sum, more)| sum + more);
    }
    Ok(spent)
}

/// Time that this thread has spent on the processor; Linux tells it in nanoseconds.
fn time_on_processor() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
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
