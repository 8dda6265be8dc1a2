//! Memory of a finished segment, for the next one.
//!
//! A segment collects tens of mebibytes of keys. Asked for anew, all of it would be zeroed, and copied again and again
//! while it grows. It deliberately does not know what the memory held: nothing of that is left in it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::intern::Keys;
use crate::key_index::Occasions;
use crate::segment::Seen;

/// What a segment collects in memory before it is encoded.
#[derive(Default)]
pub(crate) struct Collected {
    pub(crate) interned: Keys,
    pub(crate) occasions: Occasions,
    pub(crate) seen: Seen,
}

/// Room for what the next segment collects; shared by all views of a store.
#[derive(Clone, Default)]
pub(crate) struct Spare(Arc<Mutex<Option<Box<Collected>>>>);

impl Spare {
    /// Empty room.
    pub(crate) fn take(&self) -> Collected {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        kept.map(|kept| *kept).unwrap_or_default()
    }

    /// Gives room back.
    pub(crate) fn give(&self, mut collected: Collected) {
        collected.interned.clear();
        collected.occasions.clear();
        collected.seen.clear();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(collected));
    }
}

/// Only the name: what is in it means nothing.
impl fmt::Debug for Spare {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Spare")
    }
}
