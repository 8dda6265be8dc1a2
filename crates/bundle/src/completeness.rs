//! Whether the entries of a bundle are *all* entries of its names, as far as ranges of the ledger are sealed.
//!
//! A completeness index says which entries of a range have a value. Its root is an entry of the ledger, so it is under
//! the checkpoint; that it has every entry rests on the parsing of whoever built it. What can be compared with the
//! records at hand is compared.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use ascribe_ledger::index::{Found, IndexHead, KeyLeaves, KeyProof, KeyProofRefused, ScopeTag, scope_tag};
use ascribe_ledger::{Kind, Salt};
use ascribe_model::{Event, KeyRef};

use crate::format::CompletenessPart;
use crate::index_root::IndexRoot;
use crate::names::{ANY_KIND, each_name};
use crate::read::Refused;

/// What was shown of the completeness of a bundle.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Completeness {
    /// Ranges in which the entries are shown to be all, in order.
    pub ranges: Vec<CompleteRange>,
    /// What no index in the bundle covers, and what may hold further entries therefore.
    pub open: Vec<Range<u64>>,
}

/// A range of the ledger in which the entries are all that have the names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompleteRange {
    /// The range.
    pub leaves: Range<u64>,
    /// The parsers by which it was indexed.
    pub parsers: BTreeMap<String, u32>,
    /// Whether these are the parsers of this program.
    pub same_parsers: bool,
    /// Records and rejects in it of which the index knows nothing: unread, erased, rejected.
    pub unknown: [u64; 3],
    /// Values of which nothing is shown, because a row beside their place was erased.
    pub undetermined: Vec<String>,
    /// Entries of which this program's other parsers find otherwise than the index says.
    pub disagreeing: u64,
}

/// What is noted of the entries of a bundle while they go by.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    /// Values of the names, and where each is among them.
    values: BTreeMap<String, usize>,
    /// Roots of indexes, by their leaf.
    roots: BTreeMap<u64, IndexRoot>,
    /// Entries that are no records.
    others: BTreeSet<u64>,
    /// Records: whether a parser of this program read them.
    records: BTreeMap<u64, WasRead>,
    /// Kinds and scopes in which a record lists a value.
    listed: BTreeMap<(usize, u64), BTreeSet<(String, String)>>,
    shown: Completeness,
}

/// Whether this program's parsers read a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WasRead {
    Yes,
    No,
}

impl Noted {
    /// Notes entries of a bundle about `names`.
    pub(crate) fn new(names: &[KeyRef]) -> Self {
        let values: BTreeSet<&String> = names.iter().map(|name| &name.value).collect();
        Self { values: values.into_iter().cloned().zip(0..).collect(), ..Self::default() }
    }

    /// Notes an entry that is no record; the captured bytes of an `index-root` entry are read.
    pub(crate) fn other(&mut self, leaf: u64, kind: Kind, captured: &[u8]) -> Result<(), Refused> {
        if kind == Kind::IndexRoot {
            let root = IndexRoot::parse(captured).map_err(|source| Refused::IndexRoot { leaf, source })?;
            if root.entry.to > leaf {
                return Err(Refused::IndexAhead { leaf, to: root.entry.to });
            }
            self.roots.insert(leaf, root);
        }
        self.others.insert(leaf);
        Ok(())
    }

    /// Notes a record and what it lists.
    pub(crate) fn record(&mut self, leaf: u64, events: Option<&[Event]>) {
        self.records.insert(leaf, if events.is_some() { WasRead::Yes } else { WasRead::No });
        for event in events.unwrap_or_default() {
            each_name(event, |kind, scope, value| {
                if let Some(place) = self.values.get(value) {
                    let key = (kind.to_owned(), scope.to_owned());
                    self.listed.entry((*place, leaf)).or_default().insert(key);
                }
            });
        }
    }

    /// Checks what one index shows, and the entries against it.
    pub(crate) fn check(&mut self, part: &CompletenessPart, names: &[KeyRef]) -> Result<(), Refused> {
        let leaf = part.root_leaf;
        let Some(root) = self.roots.remove(&leaf) else {
            return Err(Refused::Reference { leaf, reference: leaf, kind: "index-root" });
        };
        let leaves = root.head.leaves.clone();
        let before = self.shown.ranges.last().map_or(0, |range| range.leaves.end);
        if leaves.start < before {
            return Err(Refused::IndexOrder { leaf, from: leaves.start, before });
        }
        let found = self.found(part, &root.head)?;
        let mut range = CompleteRange {
            leaves,
            same_parsers: are_ours(&root.entry.parsers),
            unknown: [root.entry.unread, root.entry.erased, root.entry.rejects],
            parsers: root.entry.parsers,
            undetermined: Vec::new(),
            disagreeing: 0,
        };
        for (value, (place, found)) in self.values.keys().zip(found.into_iter().enumerate()) {
            let keys = match found {
                Found::Entries(keys) => keys,
                Found::Nothing => Vec::new(),
                Found::Undetermined => {
                    range.undetermined.push(value.clone());
                    continue;
                }
            };
            self.are_here(&keys, value, names, &part.salt)?;
            range.disagreeing += self.agree((place, value), &keys, &part.salt, &range)?;
        }
        self.shown.ranges.push(range);
        Ok(())
    }

    /// What is shown in the end; nothing where no index was in the bundle.
    pub(crate) fn finish(&mut self, size: u64) -> Result<Option<Completeness>, Refused> {
        if let Some(leaf) = self.roots.keys().next() {
            return Err(Refused::Unneeded { leaf: *leaf });
        }
        let mut shown = std::mem::take(&mut self.shown);
        if shown.ranges.is_empty() {
            return Ok(None);
        }
        let mut next = 0;
        for range in shown.ranges.iter().map(|range| range.leaves.clone()).chain(std::iter::once(size..size))
        {
            shown.open.extend(self.without_others(next..range.start));
            next = range.end;
        }
        Ok(Some(shown))
    }

    /// Cuts off a span what begins and ends it and is known to be no record.
    fn without_others(&self, mut span: Range<u64>) -> Option<Range<u64>> {
        while span.start < span.end && self.others.contains(&span.start) {
            span.start += 1;
        }
        while span.start < span.end && self.others.contains(&(span.end - 1)) {
            span.end -= 1;
        }
        Some(span).filter(|span| !span.is_empty())
    }

    /// One proof for each value, in the order of values.
    fn found(&self, part: &CompletenessPart, head: &IndexHead) -> Result<Vec<Found>, Refused> {
        let leaf = part.root_leaf;
        if part.proofs.len() != self.values.len() {
            let (expected, found) = (self.values.len(), part.proofs.len());
            return Err(Refused::IndexProofs { leaf, expected, found });
        }
        let refused = |source: KeyProofRefused| Refused::IndexProof { leaf, source };
        // Without a value there is no proof, and salt and range are checked all the same.
        head.check(&part.salt).map_err(refused)?;
        let pairs = self.values.keys().zip(&part.proofs);
        pairs
            .map(|(value, proof): (&String, &KeyProof)| {
                proof.check(head, &part.salt, value.as_bytes()).map_err(refused)
            })
            .collect()
    }

    /// Every entry that the index has for one of the names is in the bundle.
    fn are_here(
        &self,
        keys: &[KeyLeaves],
        value: &str,
        names: &[KeyRef],
        salt: &Salt,
    ) -> Result<(), Refused> {
        let names = names.iter().filter(|name| name.value == *value);
        let is_any = names.clone().any(|name| name.kind.name() == ANY_KIND);
        let tags: BTreeSet<ScopeTag> =
            names.map(|name| scope_tag(salt, name.kind.name().as_bytes(), name.scope.as_bytes())).collect();
        let wanted = keys.iter().filter(|key| is_any || tags.contains(&key.scope));
        match wanted.flat_map(|key| &key.leaves).find(|leaf| !self.records.contains_key(leaf)) {
            Some(leaf) => Err(Refused::LeftOut { leaf: *leaf, name: value.to_owned() }),
            None => Ok(()),
        }
    }

    /// Whether the records of the range that are in the bundle list the value where the index says so, and nowhere else.
    /// Returns how many do not, where that may be because the index was made by other parsers.
    fn agree(
        &self,
        (place, value): (usize, &str),
        keys: &[KeyLeaves],
        salt: &Salt,
        range: &CompleteRange,
    ) -> Result<u64, Refused> {
        let mut indexed: BTreeMap<u64, BTreeSet<ScopeTag>> = BTreeMap::new();
        for key in keys {
            for leaf in &key.leaves {
                indexed.entry(*leaf).or_default().insert(key.scope);
            }
        }
        let mut disagreeing = 0;
        for (leaf, was_read) in self.records.range(range.leaves.clone()) {
            let listed = self.listed.get(&(place, *leaf)).into_iter().flatten();
            let listed: BTreeSet<ScopeTag> =
                listed.map(|(kind, scope)| scope_tag(salt, kind.as_bytes(), scope.as_bytes())).collect();
            let of_index = indexed.remove(leaf).unwrap_or_default();
            if *was_read == WasRead::No || listed == of_index {
                continue;
            }
            if range.same_parsers {
                return Err(Refused::IndexDisagrees { leaf: *leaf, name: value.to_owned() });
            }
            disagreeing += 1;
        }
        Ok(disagreeing)
    }
}

fn are_ours(parsers: &BTreeMap<String, u32>) -> bool {
    let ours = ascribe_sources::SOURCES.iter().map(|source| (source.id.to_owned(), source.version));
    *parsers == ours.collect()
}
