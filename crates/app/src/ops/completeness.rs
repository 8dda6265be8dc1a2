//! What the completeness indexes of sealed ranges show of the names of a bundle. `docs/formats/index.md`.
//!
//! A range whose index cannot be used is left out and said: the bundle then shows less, and nothing false.

use std::collections::BTreeSet;

use ascribe_bundle::{ANY_KIND, CompletenessPart};
use ascribe_ledger::Salt;
use ascribe_ledger::durable::Disk;
use ascribe_ledger::index::{Found, IndexFile, IndexFileError, IndexPaths, KeyLeaves, scope_tag};
use ascribe_model::KeyRef;

use super::OpenEvidence;
use super::sealed_ranges::{RangeError, SealedRange, sealed_ranges};
use super::upkeep::parser_versions;
use crate::causes::with_causes;

/// What goes into a bundle so that it shows that no entry is left out.
#[derive(Default)]
pub struct Shown {
    /// What each index shows, in the order of ranges.
    pub parts: Vec<CompletenessPart>,
    /// Entries that the indexes have for the names.
    pub leaves: BTreeSet<u64>,
    /// The `index-root` entries.
    pub roots: BTreeSet<u64>,
    /// Ranges whose index cannot be used, each with the reason.
    pub left_out: Vec<String>,
}

/// What the sealed ranges show of `names`.
pub fn shown(evidence: &OpenEvidence, paths: &IndexPaths, names: &[KeyRef]) -> Result<Shown, RangeError> {
    let mut shown = Shown::default();
    for range in sealed_ranges(&evidence.store, &evidence.reader)? {
        let entry = &range.root.entry;
        let why = if entry.parsers == parser_versions() {
            match of_range(paths, &range, names) {
                Ok((part, leaves)) => {
                    shown.roots.insert(range.root_leaf);
                    shown.leaves.extend(leaves);
                    shown.parts.push(part);
                    continue;
                }
                Err(error) => with_causes(&error),
            }
        } else {
            "it was made by other versions of the parsers".to_owned()
        };
        shown.left_out.push(format!("entries {} to {}: {why}", entry.from, entry.to));
    }
    Ok(shown)
}

/// What one range shows, and which of its entries have the names.
fn of_range(
    paths: &IndexPaths,
    range: &SealedRange,
    names: &[KeyRef],
) -> Result<(CompletenessPart, BTreeSet<u64>), IndexFileError> {
    let disk = Disk::default();
    let salt = IndexFile::salt(&disk, paths, &range.files())?;
    let index = IndexFile::open(&disk, paths, &range.files(), &range.root.head)?;
    let values: BTreeSet<&String> = names.iter().map(|name| &name.value).collect();
    let mut part = CompletenessPart { root_leaf: range.root_leaf, salt, proofs: Vec::new() };
    let mut leaves = BTreeSet::new();
    for value in values {
        let proof = index.prove(&salt, value.as_bytes())?;
        // The finished bundle is checked as a stranger would; here only what the proof shows is of interest.
        if let Ok(Found::Entries(keys)) = proof.check(&range.root.head, &salt, value.as_bytes()) {
            let of_value = names.iter().filter(|name| name.value == *value);
            leaves.extend(of_value.flat_map(|name| leaves_of(name, &keys, &salt)));
        }
        part.proofs.push(proof);
    }
    Ok((part, leaves))
}

fn leaves_of(name: &KeyRef, keys: &[KeyLeaves], salt: &Salt) -> BTreeSet<u64> {
    let tag = scope_tag(salt, name.kind.name().as_bytes(), name.scope.as_bytes());
    let is_any = name.kind.name() == ANY_KIND;
    keys.iter().filter(|key| is_any || key.scope == tag).flat_map(|key| &key.leaves).copied().collect()
}
