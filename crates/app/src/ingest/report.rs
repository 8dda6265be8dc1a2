//! What an ingest came to: every byte accounted for.

use std::collections::{BTreeMap, BTreeSet};

use ascribe_model::{RejectHeader, Timestamp};
use serde::Serialize;

use super::piece::{Notice, Said};

/// Rejects that a report shows with their place; the others are only counted.
const EXAMPLES_MAX: usize = 50;
/// Notices that a report holds of what the records themselves say.
const NOTICES_MAX: usize = 100;
/// Rejects of one reason in one object that it shows.
const EXAMPLES_ALIKE_MAX: usize = 2;

/// What an ingest came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct IngestReport {
    /// Name and version of this form.
    pub schema: &'static str,
    /// Objects read, in whole or in part.
    pub objects: u64,
    /// Objects that were in the ledger already; one sighting was added for each.
    pub objects_known: u64,
    /// Objects of which an earlier run had read only a part, and reading went on.
    pub objects_resumed: u64,
    /// Objects that could not be read at all.
    pub objects_failed: u64,
    /// Records appended.
    pub records: u64,
    /// Events seen for the first time.
    pub events: u64,
    /// Events that the ledger held already.
    pub duplicates: u64,
    /// Events without a readable time.
    pub undated: u64,
    /// Values withheld as secrets: records that had any.
    pub withheld: u64,
    /// Rejects by reason.
    pub rejects: BTreeMap<String, u64>,
    /// First event time.
    pub first: Option<Timestamp>,
    /// Last event time.
    pub last: Option<Timestamp>,
    /// Streams met, `source scope [partition]`, sorted.
    pub streams: BTreeSet<String>,
    /// Bytes after decoding.
    pub bytes: BytesReport,
    /// Some rejects with their place: at most two of a reason in an object.
    pub reject_examples: Vec<RejectExample>,
    /// What the operator should know.
    pub notices: Vec<Notice>,
    /// The signed checkpoint over everything.
    pub checkpoint: String,
    /// Entries under it.
    pub ledger_size: u64,
}

/// Bytes after decoding; `decoded` equals the other three together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BytesReport {
    /// All.
    pub decoded: u64,
    /// In no record.
    pub framing: u64,
    /// In records.
    pub records: u64,
    /// In rejects.
    pub rejects: u64,
    /// Bytes that could not be decoded, and are kept encoded. They count in none of the others.
    pub encoded: u64,
}

/// A reject with its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RejectExample {
    /// The object's name.
    pub object: String,
    /// Offset in the object's decoded bytes at which reading failed.
    pub offset: u64,
    /// Length of the reject in bytes.
    pub length: u64,
    /// Stable code.
    pub reason: String,
    /// What was expected there.
    pub expected: String,
    /// What was found there.
    pub found: String,
    /// What to do about it.
    pub hint: String,
}

impl IngestReport {
    /// Counts events as read; whether each is new is known only when the store has folded it.
    pub fn count_events(&mut self, said: &Said) {
        self.undated += said.undated;
        if let Some((first, last)) = said.span {
            self.first = Some(self.first.map_or(first, |known| known.min(first)));
            self.last = Some(self.last.map_or(last, |known| known.max(last)));
        }
    }

    /// Says once for each object when its records do not say where they come from.
    pub fn tell_unnamed(&mut self, object: &str) {
        if self.notices.last().is_none_or(|last| last.object != object) && self.notices.len() < NOTICES_MAX {
            self.notices.push(Notice {
                object: object.to_owned(),
                message: "its records do not say which cluster they come from; they count as `unnamed`"
                    .to_owned(),
                hint: "name it with `--scope NAME`: what two unnamed clusters hold cannot be told apart"
                    .to_owned(),
            });
        }
    }

    /// Counts a reject, and keeps it as an example while there are few.
    pub fn count_reject(
        &mut self,
        object: &str,
        span: ascribe_ledger::Span,
        header: &RejectHeader,
        hint: &str,
    ) {
        *self.rejects.entry(header.reason.clone()).or_default() += 1;
        let alike = self
            .reject_examples
            .iter()
            .rev()
            .filter(|shown| shown.object == object && shown.reason == header.reason);
        if self.reject_examples.len() < EXAMPLES_MAX && alike.count() < EXAMPLES_ALIKE_MAX {
            self.reject_examples.push(RejectExample {
                object: object.to_owned(),
                offset: span.offset + header.offset,
                length: span.length,
                reason: header.reason.clone(),
                expected: header.expected.clone(),
                found: header.found.clone(),
                hint: hint.to_owned(),
            });
        }
    }

    /// All rejects.
    pub fn rejects_total(&self) -> u64 {
        self.rejects.values().sum()
    }
}
