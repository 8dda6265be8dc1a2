//! What a record says without the values of some fields, whatever reading needs of them: for whoever asks what would be
//! lost. It stores nothing and decides nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ascribe_model::Event;

use super::FieldPath;
use super::cut::{cuts_of, is_open, leaves, splice};
use crate::json::Tape;
use crate::read::{ReadRecord, open, said_in};
use crate::source::Context;

/// The events of a record once every string and number below the fields is gone; none where it can then be read no more.
pub fn events_without(record: &ReadRecord<'_>, fields: &[FieldPath], context: &Context<'_>) -> Vec<Event> {
    let mut tape = Tape::new();
    if !tape.parses(&record.captured) {
        return Vec::new(); // Only JSON becomes a record.
    }
    let mut cuts = Vec::new();
    for part in &open(record.source, tape.root(&record.captured)) {
        let Some(object) = part.object() else { continue };
        let mut values = Vec::new();
        for field in fields {
            field.each(object, &mut |value| {
                values.extend(leaves(value).into_iter().filter(|leaf| is_open(*leaf)));
            });
        }
        values.sort_by_key(|value| value.span().start);
        values.dedup_by_key(|value| value.span().start);
        cuts.extend(cuts_of(&values, part));
    }
    cuts.sort_by_key(|cut| cut.span.start);
    if cuts.is_empty() {
        return record.events.clone();
    }
    let captured = splice(&record.captured, &cuts, &vec![false; cuts.len()]);
    // A parser that panics on what is left needed what is not.
    let said = catch_unwind(AssertUnwindSafe(|| said_in(record.source, &captured, context)));
    said.ok().and_then(Result::ok).map(|said| said.events).unwrap_or_default()
}
