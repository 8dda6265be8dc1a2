//! Reading records again from their captured bytes, as the ledger or a bundle holds them.
//!
//! Captured bytes have been read before, by this or another version of the parsers. It does not know where they are
//! kept, nor whether they are what was committed to.

use ascribe_model::Event;

use crate::capture::{FieldPath, events_without};
use crate::json::{AtEnd, Prefix, Tape};
use crate::read::{Reading, Received, read};
use crate::source::{Context, Source};

/// Reads captured records one after the other. What one leaves behind makes the next one quicker, never different.
#[derive(Default)]
pub struct CapturedReader {
    tape: Tape,
    /// Source of the record before.
    last: Option<&'static Source>,
}

impl CapturedReader {
    /// The events of a captured record; `None` where these parsers cannot read it, which others could.
    pub fn events(&mut self, captured: &[u8], context: &Context<'_>) -> Option<Vec<Event>> {
        if !matches!(self.tape.parse_prefix(captured, AtEnd::Yes), Prefix::Complete { .. }) {
            return None; // Only whole JSON is captured as a record.
        }
        match read(Received { bytes: captured, tape: &self.tape, last: self.last }, context) {
            Reading::Record(record) => {
                self.last = Some(record.source);
                Some(record.events)
            }
            Reading::Reject(_) => None,
        }
    }

    /// The events of a captured record as they are, and as they would be without the values of `fields`; `None` where
    /// these parsers cannot read it.
    pub fn events_with_and_without(
        &mut self,
        captured: &[u8],
        fields: &[FieldPath],
        context: &Context<'_>,
    ) -> Option<(Vec<Event>, Vec<Event>)> {
        if !matches!(self.tape.parse_prefix(captured, AtEnd::Yes), Prefix::Complete { .. }) {
            return None;
        }
        match read(Received { bytes: captured, tape: &self.tape, last: self.last }, context) {
            Reading::Record(record) => {
                self.last = Some(record.source);
                let without = events_without(&record, fields, context);
                Some((record.events, without))
            }
            Reading::Reject(_) => None,
        }
    }
}
