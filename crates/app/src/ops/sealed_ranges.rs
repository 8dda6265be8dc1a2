//! The ranges of the ledger that have a completeness index, and the parsing of a range into the rows of one.
//! `docs/formats/index.md`.
//!
//! Which values an entry has is decided here, by parsing its record again; the index itself knows bytes only.

use std::collections::BTreeMap;
use std::ops::Range;

use ascribe_bundle::{IndexRoot, IndexRootError, each_name};
use ascribe_ledger::index::{BuiltIndex, IndexBuilder, IndexFileError, IndexRange};
use ascribe_ledger::{Kind, Reader, Salt};
use ascribe_model::{KeyKind, KeyRef, Role};
use ascribe_store::Store;

use crate::ingest::Rereader;

/// Key under which the store finds the roots of indexes.
const ROOTS: (&str, &str) = ("ascribe.index", "index-root");

/// A range that has an index.
#[derive(Debug, Clone)]
pub struct SealedRange {
    /// Leaf of its `index-root` entry.
    pub root_leaf: u64,
    /// What that says.
    pub root: IndexRoot,
}

/// What a range holds beside the values of its records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RangeCounts {
    /// Records.
    pub records: u64,
    /// Records that no parser reads.
    pub unread: u64,
    /// Records that were erased.
    pub erased: u64,
    /// Rejects.
    pub rejects: u64,
}

/// A range cannot be indexed, or its index not be told.
#[derive(Debug, thiserror::Error)]
pub enum RangeError {
    /// The ledger cannot be read.
    #[error("cannot read the ledger")]
    Ledger(#[from] ascribe_ledger::ReadError),
    /// The store cannot be read.
    #[error("cannot read the store")]
    Store(#[source] ascribe_store::ReadError),
    /// An index cannot be made.
    #[error("cannot make the index")]
    Index(#[from] IndexFileError),
    /// An entry is no root of an index that this program knows.
    #[error("entry {leaf} is no `index-root` that this program knows")]
    Root {
        /// The entry.
        leaf: u64,
        /// Why not.
        #[source]
        source: IndexRootError,
    },
    /// Ranges that leave gaps, overlap or are empty.
    #[error(
        "entry {leaf} indexes entries {from} to {to}, which does not go on where {expected} entries were indexed"
    )]
    Order {
        /// The entry.
        leaf: u64,
        /// First leaf of its range.
        from: u64,
        /// Leaf behind the last.
        to: u64,
        /// Leaves indexed before.
        expected: u64,
    },
}

/// Every range that has an index, in order; of several generations the latest.
pub fn sealed_ranges(store: &Store, reader: &Reader) -> Result<Vec<SealedRange>, RangeError> {
    let (kind, value) = ROOTS;
    let key = KeyRef { kind: KeyKind::new(kind), scope: String::new(), value: value.to_owned() };
    let found = store.leaves(&key, &[Role::Native], None, usize::MAX).map_err(RangeError::Store)?;
    let mut ranges: BTreeMap<u64, SealedRange> = BTreeMap::new();
    let mut end = 0;
    for leaf in found.leaves {
        let entry = reader.proven_entry(leaf)?;
        let root = IndexRoot::parse(entry.kept()?).map_err(|source| RangeError::Root { leaf, source })?;
        let (from, to) = (root.entry.from, root.entry.to);
        let goes_on = from == end && to > from && to <= leaf;
        let is_again = ranges.get(&from).is_some_and(|before| before.root.entry.to == to);
        if !goes_on && !is_again {
            return Err(RangeError::Order { leaf, from, to, expected: end });
        }
        end = end.max(to);
        ranges.insert(from, SealedRange { root_leaf: leaf, root });
    }
    Ok(ranges.into_values().collect())
}

impl SealedRange {
    /// Its leaves.
    pub fn leaves(&self) -> Range<u64> {
        self.root.head.leaves.clone()
    }

    /// Which files hold it.
    pub fn files(&self) -> IndexRange {
        let entry = &self.root.entry;
        IndexRange { from: entry.from, to: entry.to, generation: entry.generation }
    }
}

/// Parses the entries of a range into the rows of an index. Each entry is proven first: what somebody changed in the
/// files does not come into an index.
pub fn build(
    reader: &Reader,
    leaves: Range<u64>,
    salt: Salt,
) -> Result<(BuiltIndex, RangeCounts), RangeError> {
    let mut builder = IndexBuilder::new(leaves.clone(), salt)?;
    let mut counts = RangeCounts::default();
    let mut rereader = Rereader::default();
    for leaf in leaves {
        let entry = reader.proven_entry(leaf)?;
        match entry.envelope().kind {
            Kind::Record => counts.records += 1,
            Kind::Reject => counts.rejects += 1,
            _ => {}
        }
        if entry.envelope().kind != Kind::Record {
            continue;
        }
        if entry.captured().is_none() {
            counts.erased += 1;
            continue;
        }
        let Some(events) = rereader.read(reader, &entry)? else {
            counts.unread += 1;
            continue;
        };
        for event in &events {
            let mut noted = Ok(());
            each_name(event, |kind, scope, value| {
                if noted.is_ok() {
                    noted = builder.note(leaf, (kind, scope), value);
                }
            });
            noted?;
        }
    }
    Ok((builder.build()?, counts))
}
