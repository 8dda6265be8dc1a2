//! How long entries are kept. A rule says for which entries it is; the first that fits decides, and what no rule is for is
//! kept for ever.

use ascribe_model::{Event, Timestamp};

use crate::entry::{EntryKind, HeldEntry};

/// The rules, in the order in which they are asked.
#[derive(Clone, Debug)]
pub struct RetentionPolicy<C> {
    /// The rules.
    pub rules: Vec<RetentionRule<C>>,
    /// Verifier keys of those who may approve; empty where users of the machine approve by their names.
    pub approvers: Vec<String>,
    /// Different approvers that an erasure on request needs.
    pub request_approvals: u32,
}

/// One rule. `C` is a risk class: a predicate on one event.
#[derive(Clone, Debug)]
pub struct RetentionRule<C> {
    /// Its name, which tombstones state.
    pub name: String,
    /// The source that it is for; `None` for all.
    pub source: Option<String>,
    /// The risk class that it is for; `None` for all.
    pub class: Option<C>,
    /// The identity that it is for, by any of its names; `None` for all.
    pub identity: Option<String>,
    /// Whether it is for what no parser could read, and for nothing else.
    pub rejects: bool,
    /// How long.
    pub keep: Keep,
    /// From when on.
    pub counted_from: CountedFrom,
    /// Different approvers that a disposal by it needs.
    pub approvals: u32,
}

/// How long an entry is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// For ever.
    Forever,
    /// For so many nanoseconds.
    For(i64),
}

/// From when on the time is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountedFrom {
    /// From its receipt.
    Received,
    /// From the latest moment that it states; from its receipt where it states none.
    Happened,
}

/// What a policy says of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is kept for ever.
    Kept,
    /// It may be erased from this moment on, by the rule at this position.
    Until {
        /// The moment.
        at: Timestamp,
        /// Position of the rule.
        rule: usize,
    },
}

impl<C: Fn(&Event) -> bool> RetentionPolicy<C> {
    /// What it says of an entry.
    pub fn verdict(&self, entry: &HeldEntry<'_>) -> Verdict {
        let Some((position, rule)) = self.rules.iter().enumerate().find(|(_, rule)| rule.is_for(entry))
        else {
            return Verdict::Kept;
        };
        let Keep::For(nanoseconds) = rule.keep else { return Verdict::Kept };
        let from = match rule.counted_from {
            CountedFrom::Received => entry.received_at,
            CountedFrom::Happened => entry.happened_at().unwrap_or(entry.received_at),
        };
        // What would end beyond the last moment that can be stated is kept.
        match from.nanoseconds().checked_add(nanoseconds) {
            Some(at) => Verdict::Until { at: Timestamp::from_nanoseconds(at), rule: position },
            None => Verdict::Kept,
        }
    }
}

impl<C: Fn(&Event) -> bool> RetentionRule<C> {
    /// Whether it is for an entry. One for a source, a class or an identity is for no reject: nothing is known of that.
    pub fn is_for(&self, entry: &HeldEntry<'_>) -> bool {
        if entry.kind == EntryKind::Reject || self.rejects {
            let unconditional = self.source.is_none() && self.class.is_none() && self.identity.is_none();
            return entry.kind == EntryKind::Reject && unconditional;
        }
        self.source.as_ref().is_none_or(|source| entry.is_of_source(source))
            && self.class.as_ref().is_none_or(|class| entry.events.iter().any(class))
            && self.identity.as_ref().is_none_or(|identity| entry.names(identity))
    }
}
