//! What a hold covers. A hold that is in doubt covers: what is erased cannot be had again.

use ascribe_model::HoldScope;

use crate::entry::HeldEntry;

/// Whether a hold of this scope covers the entry. Every condition that is given has to fit. What no parser could read has
/// neither source nor names nor time, so it could be of any: every hold covers it.
pub fn covers(scope: &HoldScope, entry: &HeldEntry<'_>) -> bool {
    if entry.events.is_empty() {
        return true;
    }
    let of_source = scope.sources.is_empty() || scope.sources.iter().any(|source| entry.is_of_source(source));
    let named = scope.names.is_empty() || scope.names.iter().any(|name| entry.names(name));
    let within = entry.events.iter().any(|event| {
        let Some(at) = event.time.at else { return true };
        scope.since.is_none_or(|since| since <= at) && scope.until.is_none_or(|until| at <= until)
    });
    of_source && named && within
}
