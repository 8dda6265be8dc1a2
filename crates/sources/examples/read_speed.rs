//! How long one record takes from bytes to events with ids, on one core.
//!
//! - `cargo run --release -p ascribe-sources --example read_speed`: best of some rounds over a CloudTrail record of
//!   about 1.6 kB and a Vault audit entry of about 1.3 kB, also with capture policies.
//! - `… -- DELIVERIES`: the gzip files below that folder, once; prints one line of JSON with the number of events and
//!   the processor time of all threads for `gunzip` (inflating a file that is in memory into memory that is used
//!   again) and for `read` (framing, parsing, cutting secrets out, building events and their ids, and letting them go).
//! - `… -- DELIVERIES --write FOLDER`: measures nothing, and writes what was read for `append_speed` (`captured.jsonl`)
//!   and `fold_speed` (`events.jsonl`).

#![expect(clippy::print_stdout, reason = "the output is the purpose")]

use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ascribe_model::Status;
use ascribe_sources::capture::{Action, Class, Keyring, Policy, Rule, Sealed};
use ascribe_sources::json::AtEnd;
use ascribe_sources::{Context, Framer, ReadRecord, Reading, Received, SOURCES, Step, read};
use flate2::bufread::GzDecoder;

const RECORDS: u32 = 5_000;
const ROUNDS: usize = 30;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => {
            measure_generated();
            Ok(())
        }
        [deliveries] => measure_deliveries(Path::new(deliveries)),
        [deliveries, "--write", folder] => write_deliveries(Path::new(deliveries), Path::new(folder)),
        _ => Err("usage: read_speed [DELIVERIES [--write FOLDER]]".into()),
    }
}

fn measure_generated() {
    let mut records = Vec::from(*b"{\"Records\":[");
    for number in 0..RECORDS {
        if number > 0 {
            records.push(b',');
        }
        records.extend_from_slice(record(number).as_bytes());
    }
    records.extend_from_slice(b"]}");
    measure("CloudTrail", &records);
    let lines: String = (0..RECORDS).map(entry).collect();
    measure("Vault", lines.as_bytes());
}

fn measure(name: &str, input: &[u8]) {
    let (mut framing, mut whole) = (Duration::MAX, Duration::MAX);
    let policies = policies();
    let mut captured = [Duration::MAX; 3];
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let records = frame(input);
        framing = framing.min(started.elapsed());
        let started = Instant::now();
        let events = read_all(input);
        whole = whole.min(started.elapsed());
        assert_eq!((records, events), (RECORDS as usize, RECORDS as usize), "every record gives one event");
        for (policy, best) in policies.iter().zip(&mut captured) {
            let started = Instant::now();
            sum_each(input, |record| capture(record, policy));
            *best = (*best).min(started.elapsed());
        }
    }
    let per_record = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(RECORDS);
    println!(
        "{name}: {} bytes a record; best of {ROUNDS} rounds: framer {:.2} µs, framer and read {:.2} µs",
        input.len() / RECORDS as usize,
        per_record(framing),
        per_record(whole)
    );
    println!(
        "  with a policy: no rule {:.2} µs, rules for another class {:.2} µs, three values dropped {:.2} µs",
        per_record(captured[0]),
        per_record(captured[1]),
        per_record(captured[2])
    );
}

/// A policy without rules, one that looks at each record and leaves it, and one that withholds from each.
fn policies() -> [Policy; 3] {
    let rule = |class: Class| {
        let fields = [
            "sourceIPAddress",
            "userAgent",
            "additionalEventData.SignatureVersion",
            "request.path",
            "request.id",
        ];
        let fields = fields.iter().filter_map(|path| path.parse().ok()).collect();
        Rule { name: "x".to_owned(), source: None, class: Some(class), fields, action: Action::Drop }
    };
    let denied = Class { statuses: vec![Status::Denied], ..Class::default() };
    [Policy::default(), Policy::new(vec![rule(denied)]), Policy::new(vec![rule(Class::default())])]
}

fn capture(record: ReadRecord<'_>, policy: &Policy) -> usize {
    let captured = policy.capture(record, &Context::default(), &mut NoKeys);
    captured.map_or(0, |captured| std::hint::black_box(&captured.record.events).len())
}

/// A policy that only drops needs no keys.
struct NoKeys;

impl Keyring for NoKeys {
    fn keyed_hash(&self, _value: &str) -> io::Result<[u8; 32]> {
        Err(io::Error::other("no key"))
    }

    fn seal(&mut self, _value: &str) -> io::Result<Sealed> {
        Err(io::Error::other("no key"))
    }
}

fn measure_deliveries(deliveries: &Path) -> Result<(), Box<dyn Error>> {
    let (mut gunzipping, mut reading, mut events) = (0, 0, 0);
    let mut body = Vec::new();
    for path in files_below(deliveries)? {
        let encoded = std::fs::read(path)?;
        let started = processor_time();
        gunzip(&encoded, &mut body)?;
        let inflated = processor_time();
        events += read_all(&body);
        gunzipping += inflated - started;
        reading += processor_time() - inflated;
    }
    println!(r#"{{"events":{events},"processor_ns":{{"gunzip":{gunzipping},"read":{reading}}}}}"#);
    Ok(())
}

/// One line for each record: its captured bytes and, where something was withheld, a tab and the bytes received. One
/// line for each event.
fn write_deliveries(deliveries: &Path, folder: &Path) -> Result<(), Box<dyn Error>> {
    let mut captured = BufWriter::new(File::create(folder.join("captured.jsonl"))?);
    let mut events = BufWriter::new(File::create(folder.join("events.jsonl"))?);
    let mut body = Vec::new();
    for path in files_below(deliveries)? {
        gunzip(&std::fs::read(path)?, &mut body)?;
        let mut outcome = Ok(());
        read_each(&body, |received, record| {
            if outcome.is_ok() {
                outcome = write_record(received, &record, (&mut captured, &mut events));
            }
        });
        outcome?;
    }
    captured.flush()?;
    Ok(events.flush()?)
}

fn write_record(
    received: &[u8],
    record: &ReadRecord<'_>,
    (captured, events): (&mut impl Write, &mut impl Write),
) -> Result<(), Box<dyn Error>> {
    if received.iter().any(|byte| b"\t\n".contains(byte)) {
        return Err("a record is not on one line without tabs".into());
    }
    captured.write_all(&record.captured)?;
    if !record.withheld.is_empty() {
        captured.write_all(b"\t")?;
        captured.write_all(received)?;
    }
    captured.write_all(b"\n")?;
    for event in &record.events {
        serde_json::to_writer(&mut *events, event)?;
        events.write_all(b"\n")?;
    }
    Ok(())
}

/// The files below a folder, in the order of their paths.
fn files_below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    Ok(files)
}

fn gunzip(encoded: &[u8], body: &mut Vec<u8>) -> io::Result<()> {
    body.clear();
    GzDecoder::new(encoded).read_to_end(body).map(drop)
}

/// Processor time that this process has taken, in nanoseconds.
fn processor_time() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// Counts records without reading them.
fn frame(input: &[u8]) -> usize {
    let mut framer = Framer::new(SOURCES);
    let (mut position, mut records) = (0, 0);
    loop {
        match framer.next(&input[position..], AtEnd::Yes) {
            Step::Record { length } => {
                records += 1;
                position += length;
            }
            Step::Framing { length } | Step::Reject { length, .. } => position += length,
            Step::End { .. } | Step::NeedMore => return records,
        }
    }
}

/// Counts events.
fn read_all(input: &[u8]) -> usize {
    sum_each(input, |record| std::hint::black_box(&record.events).len())
}

/// Adds up what `count` says of each record.
fn sum_each(input: &[u8], count: impl Fn(ReadRecord<'_>) -> usize) -> usize {
    let mut sum = 0;
    read_each(input, |_, record| sum += count(record));
    sum
}

/// Hands each record over, with the bytes received.
fn read_each(input: &[u8], mut take: impl FnMut(&[u8], ReadRecord<'_>)) {
    let mut framer = Framer::new(SOURCES);
    let (mut position, mut last) = (0, None);
    loop {
        match framer.next(&input[position..], AtEnd::Yes) {
            Step::Record { length } => {
                let bytes = &input[position..position + length];
                let received = Received { bytes, tape: framer.tape(), last };
                if let Reading::Record(record) = read(received, &Context::default()) {
                    last = Some(record.source);
                    take(bytes, record);
                }
                position += length;
            }
            Step::Framing { length } | Step::Reject { length, .. } => position += length,
            Step::End { .. } | Step::NeedMore => return,
        }
    }
}

fn record(number: u32) -> String {
    format!(
        r#"{{"eventVersion":"1.09","userIdentity":{{"type":"AssumedRole","principalId":"AROA2RGLD7EXAMPLE4QXY:payments-worker","arn":"arn:aws:sts::111122223333:assumed-role/payments-worker/payments-worker","accountId":"111122223333","accessKeyId":"ASIA2RGLD7EX{number:08}","sessionContext":{{"sessionIssuer":{{"type":"Role","principalId":"AROA2RGLD7EXAMPLE4QXY","arn":"arn:aws:iam::111122223333:role/payments-worker","accountId":"111122223333","userName":"payments-worker"}},"webIdFederationData":{{}},"attributes":{{"creationDate":"2026-08-14T08:59:41Z","mfaAuthenticated":"false"}},"ec2RoleDelivery":"2.0"}}}},"eventTime":"2026-08-14T09:12:00Z","eventSource":"s3.amazonaws.com","eventName":"GetObject","awsRegion":"eu-central-1","sourceIPAddress":"203.0.113.24","userAgent":"[aws-sdk-go-v2/1.30.3 os/linux lang/go#1.22.5 md/GOOS#linux md/GOARCH#amd64 api/s3#1.58.2]","requestParameters":{{"bucketName":"payments-ledger-prod","Host":"payments-ledger-prod.s3.eu-central-1.amazonaws.com","key":"2026/08/14/batch-{number:08}.json"}},"responseElements":null,"additionalEventData":{{"SignatureVersion":"SigV4","CipherSuite":"TLS_AES_128_GCM_SHA256","bytesTransferredIn":0,"AuthenticationMethod":"AuthHeader","x-amz-id-2":"Zb5ndO8kIfR1zQ0nN2mG6Q4sUu9m2k1W3cW2m5xYt8v7q1r0p9o8n7m6l5k4j3i2","bytesTransferredOut":48231}},"requestID":"7D1CZ5{number:010}","eventID":"5d0f1b5e-7c3c-4f0e-9d1b-{number:012}","readOnly":true,"resources":[{{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::payments-ledger-prod/2026/08/14/batch-{number:08}.json"}},{{"accountId":"111122223333","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::payments-ledger-prod"}}],"eventType":"AwsApiCall","managementEvent":false,"recipientAccountId":"111122223333","eventCategory":"Data"}}"#
    )
}

/// A line of Vault's audit device: the response to a read of a secret.
fn entry(number: u32) -> String {
    let hash = format!("hmac-sha256:{number:064x}");
    format!(
        r#"{{"time":"2026-08-14T09:12:00.104311872Z","type":"response","auth":{{"client_token":"{hash}","accessor":"{hash}","display_name":"prod-payments","policies":["default","payments"],"token_policies":["default","payments"],"policy_results":{{"allowed":true,"granting_policies":[{{"name":"payments","namespace_id":"root","type":"acl"}}]}},"metadata":{{"role":"payments","service_account_name":"payments","service_account_namespace":"prod","service_account_secret_name":"","service_account_uid":"48a11242-4481-40fb-a400-71bab76ceb26"}},"entity_id":"2cc736b8-5035-56e3-8a1e-c7587b72e2c9","token_type":"service","token_ttl":3600,"token_issue_time":"2026-08-14T09:12:00Z"}},"request":{{"id":"9714ba87-8309-dd3e-148a-{number:012}","client_id":"2cc736b8-5035-56e3-8a1e-c7587b72e2c9","operation":"read","mount_type":"kv","client_token":"{hash}","client_token_accessor":"{hash}","namespace":{{"id":"root"}},"path":"secret/data/payments/db","remote_address":"10.8.4.21","remote_port":40412}},"response":{{"mount_type":"kv","data":{{"data":{{"password":"{hash}"}},"metadata":{{"created_time":"{hash}","destroyed":false,"version":4}}}}}}}}"#
    ) + "\n"
}
