//! What simulated ledgers hold: records that follow from their leaf, signed by a key that anyone may know.

use std::error::Error;

use super::random::Random;
use crate::{Draft, KeyPair, Kind, Span};

/// Leaves a segment: the fewest that a segment may have, so that small ledgers cross into the next one.
pub(super) const SEGMENT_LEAVES: u32 = 256;

/// The key of every simulated ledger.
pub(super) fn key() -> Result<KeyPair, String> {
    KeyPair::from_seed("example.com/simulated", [3; 32]).map_err(|error| chain(&error))
}

/// The record at a leaf: now and then empty, now and then longer than a page, and not all of it compressible.
pub(super) fn record(leaf: u64) -> Vec<u8> {
    let mut random = Random::new(leaf);
    let mut record = format!("record {leaf} ").into_bytes();
    match random.below(16) {
        0 => record.clear(),
        1 => {
            let start = record.len();
            record.resize(start + random.position(6_000), 0);
            random.fill(&mut record[start..]);
        }
        // What an unwritten sector reads as, in the middle of a record.
        2 => record.resize(record.len() + 1_500, 0),
        _ => record.extend_from_slice(&record.repeat(random.position(6))),
    }
    record
}

/// A draft of the entry at a leaf.
pub(super) fn draft(leaf: u64, captured: &[u8]) -> Draft<'_> {
    Draft {
        kind: match leaf {
            0 => Kind::Stream,
            1 => Kind::Object,
            _ => Kind::Record,
        },
        stream: (leaf > 0).then_some(0),
        object: (leaf > 1).then_some(1),
        span: (leaf > 1).then_some(Span { offset: leaf, length: captured.len() as u64 }),
        received_at: leaf.cast_signed(),
        captured,
        received: (leaf % 5 == 2).then_some(b"what was withheld".as_slice()),
    }
}

/// An error and what it came of.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
