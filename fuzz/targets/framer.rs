//! Any bytes in any chunks: the pieces tile the input, and are the same as those of the input in one piece.
//!
//! `cargo fuzz run framer --sanitizer none`

#![no_main]

use ascribe_sources::json::AtEnd;
use ascribe_sources::{Framer, SOURCES, Step};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (chunk, bytes) = input;
    assert_eq!(pieces(bytes, usize::from(chunk) + 1), pieces(bytes, bytes.len().max(1)));
});

/// Ends of records and rejects, with the code of the latter.
fn pieces(bytes: &[u8], chunk: usize) -> Vec<(usize, &'static str)> {
    let mut framer = Framer::new(SOURCES);
    let (mut position, mut arrived) = (0, 0);
    let mut pieces = Vec::new();
    loop {
        let at_end = if arrived == bytes.len() { AtEnd::Yes } else { AtEnd::No };
        let (length, what) = match framer.next(&bytes[position..arrived], at_end) {
            Step::NeedMore => {
                assert_eq!(at_end, AtEnd::No);
                arrived = (arrived + chunk).min(bytes.len());
                continue;
            }
            Step::End { .. } => {
                assert_eq!(position, bytes.len());
                return pieces;
            }
            Step::Framing { length } => (length, None),
            Step::Record { length } => (length, Some("record")),
            Step::Reject { length, reject } => (length, Some(reject.reason.code())),
        };
        assert!(length > 0);
        position += length;
        pieces.extend(what.map(|what| (position, what)));
    }
}
