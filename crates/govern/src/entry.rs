//! What retention and holds look at: one entry of the ledger with what it says. It does not know where that came from.

use ascribe_model::{Event, Timestamp};

/// What sort of entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A record.
    Record,
    /// Bytes that no parser could read.
    Reject,
}

/// One entry that could be erased.
#[derive(Clone, Copy, Debug)]
pub struct HeldEntry<'a> {
    /// Position in the ledger.
    pub leaf: u64,
    /// What sort.
    pub kind: EntryKind,
    /// When it was received.
    pub received_at: Timestamp,
    /// What it says; empty for a reject.
    pub events: &'a [Event],
}

impl HeldEntry<'_> {
    /// The latest moment that its events state; `None` where none states one.
    pub fn happened_at(&self) -> Option<Timestamp> {
        self.events.iter().filter_map(|event| event.time.at).max()
    }

    /// Whether one of its events is of this source.
    pub fn is_of_source(&self, source: &str) -> bool {
        self.events.iter().any(|event| event.source.kind == source)
    }

    /// Whether one of its events names this identity, or lists a key of this value.
    pub fn names(&self, name: &str) -> bool {
        self.events.iter().any(|event| {
            let actor = &event.actor;
            actor.uid.value == name
                || actor.name.as_deref() == Some(name)
                || actor.alt_names.iter().any(|alternative| alternative == name)
                || event.keys.iter().any(|key| key.value == name)
        })
    }
}
