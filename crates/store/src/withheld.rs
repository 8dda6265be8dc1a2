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

    pub(crate) fn finish(self) -> Vec<WithheldTotals> {
        self.totals.into_values().collect()
    }
}
