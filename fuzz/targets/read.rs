//! Any bytes as an input: no parser panics, and reading a captured record again changes nothing.
//!
//! `cargo fuzz run read --sanitizer none`

#![no_main]

use ascribe_sources::json::{AtEnd, Tape};
use ascribe_sources::{Context, Framer, Reading, Received, RejectReason, SOURCES, Step, read, read_reject};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut framer = Framer::new(SOURCES);
    let mut position = 0;
    loop {
        let rest = &bytes[position..];
        position += match framer.next(rest, AtEnd::Yes) {
            Step::NeedMore | Step::End { .. } => return,
            Step::Framing { length } => length,
            Step::Reject { length, reject } => {
                read_reject(&rest[..length], reject);
                length
            }
            Step::Record { length } => {
                check(&rest[..length], framer.tape());
                length
            }
        };
    }
});

fn check(bytes: &[u8], tape: &Tape) {
    match read(Received { bytes, tape, last: None }, &Context::default()) {
        Reading::Reject(reject) => assert_ne!(reject.reject.reason, RejectReason::ParserPanic),
        Reading::Record(record) => {
            let mut tape = Tape::new();
            tape.parse_prefix(&record.captured, AtEnd::Yes);
            let again = Received { bytes: &record.captured, tape: &tape, last: None };
            match read(again, &Context::default()) {
                Reading::Record(again) => {
                    assert_eq!(again.withheld, []);
                    assert_eq!(again.events, record.events);
                }
                Reading::Reject(reject) => panic!("a captured record is rejected: {}", reject.reject),
            }
        }
    }
}
