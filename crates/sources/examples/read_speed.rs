//! How long one CloudTrail record of about 1.6 kB takes from bytes to events with ids, on one core.
//!
//! `cargo run --release -p ascribe-sources --example read_speed`

#![expect(clippy::print_stdout, reason = "the output is the purpose")]

use std::time::{Duration, Instant};

use ascribe_sources::json::AtEnd;
use ascribe_sources::{Context, Framer, Reading, Received, SOURCES, Step, read};

const RECORDS: u32 = 5_000;
const ROUNDS: usize = 30;

fn main() {
    let mut input = Vec::from(*b"{\"Records\":[");
    for number in 0..RECORDS {
        if number > 0 {
            input.push(b',');
        }
        input.extend_from_slice(record(number).as_bytes());
    }
    input.extend_from_slice(b"]}");
    let (mut framing, mut whole) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let records = frame(&input);
        framing = framing.min(started.elapsed());
        let started = Instant::now();
        let events = read_all(&input);
        whole = whole.min(started.elapsed());
        assert_eq!((records, events), (RECORDS as usize, RECORDS as usize), "every record gives one event");
    }
    let per_record = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(RECORDS);
    println!(
        "{} bytes a record; best of {ROUNDS} rounds: framer {:.2} µs, framer and read {:.2} µs",
        input.len() / RECORDS as usize,
        per_record(framing),
        per_record(whole)
    );
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
    let mut framer = Framer::new(SOURCES);
    let (mut position, mut events, mut last) = (0, 0, None);
    loop {
        match framer.next(&input[position..], AtEnd::Yes) {
            Step::Record { length } => {
                let bytes = &input[position..position + length];
                let received = Received { bytes, tape: framer.tape(), last };
                if let Reading::Record(record) = read(received, &Context::default()) {
                    events += std::hint::black_box(&record.events).len();
                    last = Some(record.source);
                }
                position += length;
            }
            Step::Framing { length } | Step::Reject { length, .. } => position += length,
            Step::End { .. } | Step::NeedMore => return events,
        }
    }
}

fn record(number: u32) -> String {
    format!(
        r#"{{"eventVersion":"1.09","userIdentity":{{"type":"AssumedRole","principalId":"AROA2RGLD7EXAMPLE4QXY:payments-worker","arn":"arn:aws:sts::111122223333:assumed-role/payments-worker/payments-worker","accountId":"111122223333","accessKeyId":"ASIA2RGLD7EX{number:08}","sessionContext":{{"sessionIssuer":{{"type":"Role","principalId":"AROA2RGLD7EXAMPLE4QXY","arn":"arn:aws:iam::111122223333:role/payments-worker","accountId":"111122223333","userName":"payments-worker"}},"webIdFederationData":{{}},"attributes":{{"creationDate":"2026-08-14T08:59:41Z","mfaAuthenticated":"false"}},"ec2RoleDelivery":"2.0"}}}},"eventTime":"2026-08-14T09:12:00Z","eventSource":"s3.amazonaws.com","eventName":"GetObject","awsRegion":"eu-central-1","sourceIPAddress":"203.0.113.24","userAgent":"[aws-sdk-go-v2/1.30.3 os/linux lang/go#1.22.5 md/GOOS#linux md/GOARCH#amd64 api/s3#1.58.2]","requestParameters":{{"bucketName":"payments-ledger-prod","Host":"payments-ledger-prod.s3.eu-central-1.amazonaws.com","key":"2026/08/14/batch-{number:08}.json"}},"responseElements":null,"additionalEventData":{{"SignatureVersion":"SigV4","CipherSuite":"TLS_AES_128_GCM_SHA256","bytesTransferredIn":0,"AuthenticationMethod":"AuthHeader","x-amz-id-2":"Zb5ndO8kIfR1zQ0nN2mG6Q4sUu9m2k1W3cW2m5xYt8v7q1r0p9o8n7m6l5k4j3i2","bytesTransferredOut":48231}},"requestID":"7D1CZ5{number:010}","eventID":"5d0f1b5e-7c3c-4f0e-9d1b-{number:012}","readOnly":true,"resources":[{{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::payments-ledger-prod/2026/08/14/batch-{number:08}.json"}},{{"accountId":"111122223333","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::payments-ledger-prod"}}],"eventType":"AwsApiCall","managementEvent":false,"recipientAccountId":"111122223333","eventCategory":"Data"}}"#
    )
}
