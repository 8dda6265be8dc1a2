//! Reads a whole input as a program does: framer, then `read` on each record.

use ascribe_model::Event;
use ascribe_sources::json::AtEnd;
use ascribe_sources::{
    Context, Framer, ReadRecord, ReadReject, Reading, Received, SOURCES, Step, read, read_reject,
};

/// All that came of an input.
#[derive(Debug, Default)]
pub struct WholeInput {
    pub records: Vec<Record>,
    pub rejects: Vec<ReadReject<'static>>,
    /// Lengths as received.
    pub reject_bytes: usize,
    pub framing_bytes: usize,
    pub open_at_end: bool,
}

/// A record, with its received bytes.
#[derive(Debug)]
pub struct Record {
    pub received: Vec<u8>,
    pub read: ReadRecord<'static>,
}

impl WholeInput {
    pub fn events(&self) -> Vec<Event> {
        self.records.iter().flat_map(|record| record.read.events.clone()).collect()
    }

    pub fn withheld_rules(&self) -> Vec<&'static str> {
        let records = self.records.iter().flat_map(|record| &record.read.withheld);
        let rejects = self.rejects.iter().flat_map(|reject| &reject.withheld);
        records.chain(rejects).map(|withheld| withheld.rule).collect()
    }
}

/// Reads `input`, and checks on the way what holds for every input.
pub fn read_input(input: &[u8], context: &Context<'_>) -> WholeInput {
    let mut framer = Framer::new(SOURCES);
    let mut whole = WholeInput::default();
    let (mut position, mut last) = (0, None);
    loop {
        let rest = &input[position..];
        match framer.next(rest, AtEnd::Yes) {
            Step::NeedMore => panic!("the framer asks for more at the end of the input"),
            Step::End { open } => {
                assert!(rest.is_empty(), "the framer ends at byte {position} of {}", input.len());
                whole.open_at_end = open;
                return whole;
            }
            Step::Framing { length } => {
                whole.framing_bytes += length;
                position += length;
            }
            Step::Reject { length, reject } => {
                whole.reject_bytes += length;
                whole.rejects.push(owned_reject(read_reject(&rest[..length], reject)));
                position += length;
            }
            Step::Record { length } => {
                let bytes = &rest[..length];
                match read(Received { bytes, tape: framer.tape(), last }, context) {
                    Reading::Record(record) => {
                        last = Some(record.source);
                        check_captured(bytes, &record, context);
                        whole.records.push(Record { received: bytes.to_vec(), read: owned(record) });
                    }
                    Reading::Reject(reject) => {
                        whole.reject_bytes += length;
                        whole.rejects.push(owned_reject(reject));
                    }
                }
                position += length;
            }
        }
    }
}

/// Reads one record; panics on a reject.
pub fn read_record(bytes: &[u8]) -> ReadRecord<'static> {
    let mut whole = read_input(bytes, &Context::default());
    assert_eq!(whole.rejects, [], "{}", String::from_utf8_lossy(bytes));
    assert_eq!(whole.records.len(), 1);
    whole.records.remove(0).read
}

/// Captured bytes are the received ones with splices, and reading them again changes nothing.
fn check_captured(received: &[u8], record: &ReadRecord<'_>, context: &Context<'_>) {
    let mut rest: &[u8] = &record.captured;
    let mut behind = 0;
    for withheld in &record.withheld {
        let kept = &received[behind..withheld.span.start];
        rest = rest.strip_prefix(kept).expect("bytes before a withheld span stay");
        // A number gets quotes of its own; a string keeps the ones around it.
        let quoted = !rest.starts_with(b"[");
        let end = rest.iter().position(|byte| *byte == b']').expect("a placeholder ends");
        rest = &rest[end + 1..];
        rest = rest
            .strip_prefix(b"\\\"")
            .or_else(|| rest.strip_prefix(b"\""))
            .filter(|_| quoted)
            .unwrap_or(rest);
        behind = withheld.span.end;
    }
    assert_eq!(rest, &received[behind..], "bytes behind the last withheld span stay");
    if record.withheld.is_empty() {
        return;
    }
    let mut tape = ascribe_sources::json::Tape::new();
    let prefix = tape.parse_prefix(&record.captured, AtEnd::Yes);
    assert_eq!(prefix, ascribe_sources::json::Prefix::Complete { length: record.captured.len() });
    let received = Received { bytes: &record.captured, tape: &tape, last: None };
    match read(received, context) {
        Reading::Record(again) => {
            assert_eq!(again.withheld, [], "a captured record holds no secret");
            assert_eq!(again.events, record.events);
            assert_eq!(again.captured, record.captured);
        }
        Reading::Reject(reject) => panic!("a captured record is rejected: {}", reject.reject),
    }
}

fn owned(record: ReadRecord<'_>) -> ReadRecord<'static> {
    ReadRecord { captured: record.captured.into_owned().into(), ..record }
}

fn owned_reject(reject: ReadReject<'_>) -> ReadReject<'static> {
    ReadReject { captured: reject.captured.into_owned().into(), ..reject }
}
