//! Carries a disposal out: announces it in the ledger, then destroys, in an order in which a crash anywhere leaves work
//! that is done again without harm. `docs/retention.md`, "What is destroyed, and in which order".

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use ascribe_ledger::durable::Disk;
use ascribe_ledger::index::{IndexFile, IndexFileError, IndexPaths, IndexRange};
use ascribe_ledger::{EraseError, Erasure, Kind, Ledger, ReadError, Reader, Tombstone};
use ascribe_model::{ObjectEntry, Timestamp};
use ascribe_sources::capture::withheld_fields;

use crate::capture::{SEALED_FOLDER, WriteSealedError, commitment_of, erase_sealed};

/// What was destroyed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Destroyed {
    /// Leaf of the tombstone.
    pub tombstone: u64,
    /// Entries whose bytes were still there.
    pub entries: u64,
    /// Their captured bytes.
    pub bytes: u64,
    /// Segments of which a new generation was written.
    pub segments: u64,
    /// Values in sealed files.
    pub sealed_values: u64,
}

/// Not everything was destroyed.
#[derive(Debug, thiserror::Error)]
pub enum DestroyError {
    /// In the ledger.
    #[error("the ledger cannot erase them")]
    Ledger(#[from] EraseError),
    /// The ledger cannot be read.
    #[error("cannot read the ledger")]
    Read(#[from] ReadError),
    /// In the completeness indexes.
    #[error("a completeness index cannot be blinded")]
    Index(#[from] IndexFileError),
    /// The folder of completeness indexes cannot be listed.
    #[error("cannot list `{path}`")]
    Indexes {
        /// The folder.
        path: String,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// In the sealed files.
    #[error("sealed values cannot be erased")]
    Sealed(#[from] WriteSealedError),
}

/// The tombstone of records and rejects: with them go the digests of the objects that they came in, from which they
/// could be guessed.
pub fn tombstone_of(
    reader: &Reader,
    leaves: &BTreeSet<u64>,
    statements: Vec<(String, String)>,
) -> Result<Tombstone, ReadError> {
    let mut objects = BTreeSet::new();
    for leaf in leaves {
        objects.extend(reader.entry(*leaf)?.envelope().object);
    }
    let mut erased = leaves.clone();
    for opened in objects {
        // The digest is appended together with the opening entry, right behind it.
        let leaf = opened + 1;
        if leaf < reader.size() {
            let entry = reader.entry(leaf)?;
            let is_its = entry.envelope().kind == Kind::Object && entry.envelope().object == Some(opened);
            let digest = entry.captured().map(serde_json::from_slice::<ObjectEntry>);
            if is_its && matches!(digest, Some(Ok(ObjectEntry::Digest { .. }))) {
                erased.insert(leaf);
            }
        }
    }
    Ok(Tombstone::of(erased, statements))
}

/// Puts the tombstone into the ledger. From here on the erasure is under way, whatever happens.
pub fn announce(ledger: &mut Ledger, tombstone: Tombstone, at: Timestamp) -> Result<Erasure, DestroyError> {
    Ok(ledger.begin_erasure(tombstone, at.nanoseconds())?)
}

/// Destroys what the tombstone names, in sealed files and in the ledger. The store is for the caller; then
/// [`Ledger::end_erasure`].
///
/// Sealed values go first: which they are is written in the records. A crash behind them leaves records whose values are
/// gone; the same run again goes on with the records.
pub fn finish(root: &Path, ledger: &mut Ledger, erasure: &Erasure) -> Result<Destroyed, DestroyError> {
    let reader = ledger.reader()?;
    let mut commitments = BTreeSet::new();
    for leaf in erasure.tombstone.leaves() {
        let entry = reader.entry(leaf)?;
        if let Some(captured) = entry.captured().filter(|_| entry.envelope().withheld()) {
            commitments.extend(withheld_fields(captured).iter().filter_map(commitment_of));
        }
    }
    let sealed_values = erase_sealed(&root.join(SEALED_FOLDER), &commitments)?;
    let erased = ledger.erase(erasure)?;
    Ok(Destroyed {
        tombstone: erasure.leaf,
        entries: erased.entries,
        bytes: erased.bytes,
        segments: erased.segments,
        sealed_values,
    })
}

/// Takes what only erased entries have out of the completeness indexes. A crash in between leaves some of them as they
/// were; the same again blinds the rest.
pub fn blind_indexes(indexes: &IndexPaths, reader: &Reader, erasure: &Erasure) -> Result<(), DestroyError> {
    let disk = Disk::default();
    let listed = match disk.list(indexes.folder()) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        listed => listed.map_err(|source| DestroyError::Indexes {
            path: indexes.folder().to_string_lossy().into_owned(),
            source,
        })?,
    };
    for (path, _) in listed {
        let Some(range) = IndexRange::parse(&path).filter(|range| indexes.rows(range) == path) else {
            continue;
        };
        let leaves = range.leaves();
        let touched = |it: &Range<u64>| it.start < leaves.end && leaves.start < it.end;
        if !erasure.tombstone.erased.iter().any(touched) {
            continue;
        }
        // What earlier erasures took counts too: a row goes with the last of its entries.
        let mut erased = BTreeSet::new();
        for entry in reader.entries(leaves) {
            let entry = entry?;
            erased.extend(entry.captured().is_none().then_some(entry.leaf()));
        }
        IndexFile::blind(&disk, indexes, &range, &erased)?;
    }
    Ok(())
}
