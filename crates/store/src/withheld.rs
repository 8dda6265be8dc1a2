//! What was withheld, summed up for a segment by source, rule, method and configuration in force.
//!
//! It counts what the caller tells it, and knows neither rules nor placeholders.

use std::collections::BTreeMap;

use ascribe_model::Timestamp;
use serde::{Deserialize, Serialize};

/// Entries that a sum names.
const EXAMPLES_MAX: usize = 3;

/// Values that one rule withheld from one entry, in one way.
#[derive(Clone, Copy, Debug)]
pub struct WithheldValues<'a> {
    /// Id of the source; empty for bytes that no source could read.
    pub source: &'a str,
    /// The rule.
    pub rule: &'a str,
    /// What became of the values.
    pub method: &'a str,
    /// How many.
    pub count: u64,
    /// When the event happened.
    pub time: Option<Timestamp>,
}

/// What a segment holds of values that one rule withheld from one source, in one way, under one policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WithheldTotals {
    /// Id of the source; empty for bytes that no source could read.
    pub source: String,
    /// The rule.
    pub rule: String,
    /// What became of the values.
    pub method: String,
    /// Leaf of the policy's entry; absent where it is that in force when the segment began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<u64>,
    /// Values.
    pub values: u64,
    /// Entries that they were withheld from.
    pub entries: u64,
    /// Earliest time of an event that they were withheld from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Timestamp>,
    /// Latest time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
    /// The first entries, by leaf.
    pub examples: Vec<u64>,
}

impl WithheldTotals {
    /// Adds what later entries say under the same name.
    fn merge(&mut self, later: &Self) {
        self.values += later.values;
        self.entries += later.entries;
        self.first = [self.first, later.first].into_iter().flatten().min();
        self.last = [self.last, later.last].into_iter().flatten().max();
        let room = EXAMPLES_MAX.saturating_sub(self.examples.len());
        self.examples.extend(later.examples.iter().take(room));
    }
}

/// The totals of neighbouring segments as those of one, each with the leaf of the policy in force when it began, where
/// that is among their leaves.
pub(crate) fn merge<'a>(
    parts: impl Iterator<Item = (&'a [WithheldTotals], Option<u64>)>,
) -> Vec<WithheldTotals> {
    let mut sums: BTreeMap<_, WithheldTotals> = BTreeMap::new();
    for (totals, begun_under) in parts {
        for part in totals {
            let policy = part.policy.or(begun_under);
            let key = (&part.source, &part.rule, &part.method, policy);
            sums.entry(key)
                .and_modify(|sum| sum.merge(part))
                .or_insert_with(|| WithheldTotals { policy, ..part.clone() });
        }
    }
    sums.into_values().collect()
}

/// The sums while a segment is built.
#[derive(Default)]
pub(crate) struct WithheldSums {
    policy: Option<u64>,
    /// By source, rule, method and policy.
    totals: BTreeMap<(String, String, String, Option<u64>), WithheldTotals>,
}

impl WithheldSums {
    /// From here on, another policy is in force.
    pub(crate) fn policy(&mut self, leaf: u64) {
        self.policy = Some(leaf);
    }

    pub(crate) fn add(&mut self, leaf: u64, values: &WithheldValues<'_>) {
        let [source, rule, method] = [values.source, values.rule, values.method].map(str::to_owned);
        let key = (source, rule, method, self.policy);
        let totals =
            self.totals.entry(key).or_insert_with_key(|(source, rule, method, policy)| WithheldTotals {
                source: source.clone(),
                rule: rule.clone(),
                method: method.clone(),
                policy: *policy,
                values: 0,
                entries: 0,
                first: None,
                last: None,
                examples: Vec::new(),
            });
        totals.values += values.count;
        totals.entries += 1;
        totals.first = [totals.first, values.time].into_iter().flatten().min();
        totals.last = [totals.last, values.time].into_iter().flatten().max();
        if totals.examples.len() < EXAMPLES_MAX {
            totals.examples.push(leaf);
        }
    }

    /// The sums, and the policy in force at the end, if it came into force here.
    pub(crate) fn finish(self) -> (Vec<WithheldTotals>, Option<u64>) {
        (self.totals.into_values().collect(), self.policy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_to_what_one_segment_would_say() {
        // A policy at leaf 10 and another at 40; values withheld at many leaves, under two rules.
        let fold = |sums: &mut WithheldSums, leaves: std::ops::Range<u64>| {
            for leaf in leaves {
                if leaf == 10 || leaf == 40 {
                    sums.policy(leaf);
                }
                let time = leaf.is_multiple_of(3).then(|| Timestamp::from_nanoseconds(leaf.cast_signed()));
                let rule = if leaf.is_multiple_of(4) { "a" } else { "b" };
                sums.add(leaf, &WithheldValues { source: "s", rule, method: "cut", count: leaf, time });
            }
        };
        let mut whole = WithheldSums::default();
        fold(&mut whole, 0..60);
        let parts = [(0..5, None), (5..20, None), (20..30, Some(10)), (30..50, Some(10)), (50..60, Some(40))];
        let parts = parts.map(|(leaves, begun_under)| {
            let mut part = WithheldSums::default();
            fold(&mut part, leaves);
            (part.finish().0, begun_under)
        });
        let merged = merge(parts.iter().map(|(totals, begun_under)| (totals.as_slice(), *begun_under)));
        assert_eq!((merged, Some(40)), whole.finish());
    }
}
