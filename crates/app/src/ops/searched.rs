//! Whether completeness indexes prove that the look-ups of one question saw every entry of the ledger.
//!
//! The store says where to look, and the store is derived: that it knows every entry of a name is the word of whoever
//! folded it, unless indexes that cover the whole ledger have no entry of the name more than it has.

use std::collections::BTreeSet;

use ascribe_assess::{EvidenceError, is_on_sets};
use ascribe_ledger::Kind;
use ascribe_ledger::durable::Disk;
use ascribe_ledger::index::{Found, IndexFile, IndexPaths};
use ascribe_model::{Basis, Role};
use ascribe_store::ON_SET;

use super::evidence::{OpenEvidence, failed, hint_key};
use super::sealed_ranges::{SealedRange, sealed_ranges};
use super::upkeep::parser_versions;

/// Look-ups in indexes that one question may cost: its values times the sealed ranges. Beyond it nothing is proven.
const LOOKUPS_MAX: usize = 2_048;

/// Entries behind the last sealed range that are looked at: only if none is a record are the ranges the whole ledger.
const REST_MAX: u64 = 1_024;

/// Entries that are read to be sure of them: further deliveries of an event, or what a look-up passed over.
const ENTRIES_MAX: usize = 1_024;

/// What was looked up for one question.
#[derive(Debug, Default)]
pub struct LookedUp {
    /// Values of keys.
    pub values: BTreeSet<String>,
    /// Those of them of which only events on sets of credentials were read.
    pub sets: BTreeSet<String>,
    /// Whether something was looked up that no index covers.
    pub other: bool,
}

/// The basis of the premise that the look-ups so far saw every entry.
pub fn basis(evidence: &OpenEvidence, looked_up: &LookedUp) -> Basis {
    match is_proven(evidence, looked_up) {
        Ok(true) => Basis::ProvenByIndex,
        // What cannot be shown stays somebody's word: an index that cannot be used makes no answer impossible.
        Ok(false) | Err(_) => Basis::Asserted,
    }
}

fn is_proven(evidence: &OpenEvidence, looked_up: &LookedUp) -> Result<bool, EvidenceError> {
    if looked_up.other || evidence.unfolded() > 0 {
        return Ok(false);
    }
    let ranges = sealed_ranges(&evidence.store, &evidence.reader).map_err(failed)?;
    if ranges.is_empty() || ranges.len().saturating_mul(looked_up.values.len()) > LOOKUPS_MAX {
        return Ok(false);
    }
    if !cover_everything(evidence, &ranges)? {
        return Ok(false);
    }
    let paths = evidence.index_paths();
    let mut known: Vec<BTreeSet<u64>> = Vec::new();
    let mut unread = BTreeSet::new();
    for value in &looked_up.values {
        let leaves = stored_leaves(evidence, value)?;
        if looked_up.sets.contains(value) {
            unread.extend(leaves.iter().copied());
        }
        known.push(leaves);
    }
    if !are_on_no_sets(evidence, unread)? {
        return Ok(false);
    }
    for range in &ranges {
        if !agrees(evidence, (paths, range), looked_up, &known)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the ranges are the whole ledger but for entries that are no records, and were read by these parsers whole.
fn cover_everything(evidence: &OpenEvidence, ranges: &[SealedRange]) -> Result<bool, EvidenceError> {
    let ours = parser_versions();
    let is_whole = |range: &SealedRange| {
        let entry = &range.root.entry;
        entry.parsers == ours && entry.unread == 0 && entry.erased == 0
    };
    let end = ranges.last().map_or(0, |range| range.leaves().end);
    let size = evidence.reader.size();
    if !ranges.iter().all(is_whole) || size.saturating_sub(end) > REST_MAX {
        return Ok(false);
    }
    for entry in evidence.reader.entries(end..size) {
        if entry.map_err(failed)?.envelope().kind == Kind::Record {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether no event of `leaves` is on a set of credentials, other than those that the store has as such: these were
/// passed over unread.
fn are_on_no_sets(evidence: &OpenEvidence, mut leaves: BTreeSet<u64>) -> Result<bool, EvidenceError> {
    let on_sets = evidence.store.leaves(&hint_key(ON_SET), &[Role::Name], None, usize::MAX);
    for leaf in on_sets.map_err(failed)?.leaves {
        leaves.remove(&leaf);
    }
    if leaves.len() > ENTRIES_MAX {
        return Ok(false);
    }
    for leaf in leaves {
        if evidence.events_at(leaf)?.iter().any(|event| is_on_sets(event)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The entries that the store has for a value, in any kind, scope and role.
fn stored_leaves(evidence: &OpenEvidence, value: &str) -> Result<BTreeSet<u64>, EvidenceError> {
    let mut leaves = BTreeSet::new();
    for found in evidence.store.find(value).map_err(failed)? {
        let of_key = evidence.store.leaves(&found.key, &Role::ALL, None, usize::MAX).map_err(failed)?;
        leaves.extend(of_key.leaves);
    }
    Ok(leaves)
}

/// Whether the index of a range has no entry of a value that the store does not have, but for repeats of what it has.
fn agrees(
    evidence: &OpenEvidence,
    (paths, range): (&IndexPaths, &SealedRange),
    looked_up: &LookedUp,
    known: &[BTreeSet<u64>],
) -> Result<bool, EvidenceError> {
    let disk = Disk::default();
    let salt = IndexFile::salt(&disk, paths, &range.files()).map_err(failed)?;
    let index = IndexFile::open(&disk, paths, &range.files(), &range.root.head).map_err(failed)?;
    for (value, known) in looked_up.values.iter().zip(known) {
        let proof = index.prove(&salt, value.as_bytes()).map_err(failed)?;
        let found = proof.check(&range.root.head, &salt, value.as_bytes()).map_err(failed)?;
        let keys = match found {
            Found::Entries(keys) => keys,
            Found::Nothing => continue,
            Found::Undetermined => return Ok(false),
        };
        let leaves: BTreeSet<u64> = keys.into_iter().flat_map(|key| key.leaves).collect();
        let more: Vec<u64> = leaves.difference(known).copied().collect();
        if more.len() > ENTRIES_MAX {
            return Ok(false);
        }
        for leaf in more {
            if !holds_only_repeats(evidence, leaf)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Whether every event of an entry is one that the store has from an earlier entry.
fn holds_only_repeats(evidence: &OpenEvidence, leaf: u64) -> Result<bool, EvidenceError> {
    for event in evidence.events_at(leaf)? {
        let first = evidence.store.event(event.id).map_err(failed)?;
        if first.is_none_or(|first| first >= leaf) {
            return Ok(false);
        }
    }
    Ok(true)
}
