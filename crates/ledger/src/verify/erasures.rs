//! Compares what was erased with what tombstones say: nothing is gone without one, and nothing that one names is there.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::erase::{EraseError, erasure_mark};
use crate::paths::LedgerPaths;
use crate::tombstone::Tombstone;
use crate::verify::{Cause, Place, Problems};

/// Leaves as ascending ranges that do not touch: most erasures take neighbours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LeafSet {
    ranges: Vec<Range<u64>>,
}

impl LeafSet {
    /// Adds a leaf above all that are in it.
    pub(super) fn insert(&mut self, leaf: u64) {
        match self.ranges.last_mut() {
            Some(last) if last.end == leaf => last.end = leaf + 1,
            _ => self.ranges.push(leaf..leaf + 1),
        }
    }

    pub(super) fn append(&mut self, above: &Self) {
        self.ranges.extend(above.ranges.iter().cloned());
    }

    /// The union of ranges in any order.
    fn of(mut ranges: Vec<Range<u64>>) -> Self {
        ranges.sort_by_key(|range| range.start);
        let mut union: Vec<Range<u64>> = Vec::new();
        for range in ranges {
            match union.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => union.push(range),
            }
        }
        Self { ranges: union }
    }

    /// What is in `self` and not in `other`.
    fn without(&self, other: &Self) -> Vec<Range<u64>> {
        let mut left = Vec::new();
        for range in &self.ranges {
            let mut start = range.start;
            let from = other.ranges.partition_point(|taken| taken.end <= range.start);
            for taken in other.ranges[from..].iter().take_while(|taken| taken.start < range.end) {
                if start < taken.start {
                    left.push(start..taken.start);
                }
                start = start.max(taken.end);
            }
            if start < range.end {
                left.push(start..range.end);
            }
        }
        left
    }
}

/// Checks both directions. Leaves from `durable` on are not looked at: they are not there.
pub(super) fn check_erasures(
    paths: &LedgerPaths,
    erased: &LeafSet,
    tombstones: &BTreeMap<u64, Tombstone>,
    problems: &mut Problems,
) {
    let named = LeafSet::of(tombstones.values().flat_map(|tombstone| tombstone.erased.clone()).collect());
    for range in erased.without(&named) {
        let cause = Cause::ErasedWithoutTombstone { end: range.end };
        problems.push(&paths.segments(), Place::Leaf(range.start), cause);
    }
    let under_way = match erasure_mark(paths) {
        Ok(mark) => mark.map(|erasure| erasure.leaf),
        Err(EraseError::Read(crate::ReadError::File(error))) => {
            problems.push_file_error(error);
            None
        }
        Err(_) => {
            problems.push(&paths.erasure(), Place::File, Cause::Mark);
            None
        }
    };
    for (leaf, tombstone) in tombstones {
        // The next run of whatever erases goes on with this one.
        if under_way == Some(*leaf) {
            continue;
        }
        let of_this = LeafSet { ranges: tombstone.erased.clone() };
        for range in of_this.without(erased) {
            let cause = Cause::NotErased { end: range.end, tombstone: *leaf };
            problems.push(&paths.segments(), Place::Leaf(range.start), cause);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn sets_of_ranges_are_sets(
            left in proptest::collection::btree_set(0_u64..40, 0..20),
            ranges in proptest::collection::vec((0_u64..40, 1_u64..6), 0..8),
        ) {
            let mut set = LeafSet::default();
            for leaf in &left {
                set.insert(*leaf);
            }
            let other = LeafSet::of(ranges.iter().map(|(start, length)| *start..start + length).collect());
            let taken: std::collections::BTreeSet<u64> = other.ranges.iter().cloned().flatten().collect();
            let expected: Vec<u64> = left.difference(&taken).copied().collect();
            let found: Vec<u64> = set.without(&other).into_iter().flatten().collect();
            prop_assert_eq!(found, expected);
        }
    }
}
