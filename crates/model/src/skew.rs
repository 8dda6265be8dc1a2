//! What the operator froze of the clocks of two streams.

use serde::{Deserialize, Serialize};

use crate::SourceRef;

/// How the clocks of two streams stood to each other on one day. Once frozen it is never estimated again: records that
/// come later change no answer by it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkewFact {
    /// Version of the rule of estimation.
    pub version: u32,
    /// The two streams, sorted, each without its partition: the regions of one account keep one time.
    pub streams: [SourceRef; 2],
    /// The day, in UTC, by the clock of the first stream: `2026-08-14`.
    pub day: String,
    /// What the clock of the second stream shows more than that of the first, in nanoseconds.
    pub offset_ns: i64,
    /// By how much that may be wrong in either direction, in nanoseconds.
    pub bound_ns: u64,
    /// Pairs of records that it was estimated from.
    pub pairs: u64,
}
