//! Looks at every entry that could be erased, one after the other, with what it says.

use ascribe_govern::{EntryKind, HeldEntry};
use ascribe_ledger::{Entry, Kind, ReadError, Reader};
use ascribe_model::Timestamp;

use crate::ingest::Rereader;

/// Calls `visit` with each record and reject of the leaves that still has its bytes. Memory is bounded by one block.
pub fn scan(
    reader: &Reader,
    leaves: impl IntoIterator<Item = std::ops::Range<u64>>,
    visit: &mut dyn FnMut(&HeldEntry<'_>, &Entry),
) -> Result<(), ReadError> {
    let mut rereader = Rereader::default();
    for range in leaves {
        for entry in reader.entries(range) {
            let entry = entry?;
            let kind = match entry.envelope().kind {
                Kind::Record => EntryKind::Record,
                Kind::Reject => EntryKind::Reject,
                _ => continue,
            };
            if entry.captured().is_none() {
                continue;
            }
            let events =
                if kind == EntryKind::Record { rereader.events(reader, &entry)? } else { Vec::new() };
            let held = HeldEntry {
                leaf: entry.leaf(),
                kind,
                received_at: Timestamp::from_nanoseconds(entry.envelope().received_at),
                events: &events,
            };
            visit(&held, &entry);
        }
    }
    Ok(())
}
