//! The capture policy: which fields of which records are kept, hashed, sealed or dropped before anything is stored.
//!
//! It works on records that [`crate::read`] has freed of secrets. A rule may name a risk class, a predicate on one
//! record; for each field the first rule that concerns it decides. Values are spliced out of the bytes and placeholders
//! put in, as secrets are. **What reading needs stays:** the record is read again without the values, and a value whose
//! absence would change a key or the meaning of an event is kept and said. So reading captured bytes gives what reading
//! received bytes gives, less the withheld values, whatever the policy.
//!
//! It knows no file form of policies, and neither keys nor randomness: those are handed in as [`Keyring`].

mod cut;
mod field;
mod path;
mod same;
mod trial;
mod without;

use std::borrow::Cow;
use std::io;
use std::ops::Range;

use ascribe_model::{Event, IdentityKind, Status, Verb};

pub use field::{NEEDED_FIELDS, Need, NeededField, WithheldField, fields_at, loss_by_field, withheld_fields};
pub use path::{FieldPath, PathError};
pub use trial::Loss;
use trial::{Trial, Tried};
pub use without::events_without;

use crate::read::ReadRecord;
use crate::source::{Context, Source};

/// Before the name of each policy rule in a placeholder, so that it is never mistaken for a rule for secrets.
pub const POLICY_RULE_PREFIX: &str = "policy.";

/// A capture policy, ready to use.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// In the order in which they are asked.
    rules: Vec<Rule>,
    /// Whether some rule withholds something of a source, by position in `SOURCES`.
    concerned: Vec<bool>,
}

/// One rule of a policy.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Name in placeholders, without [`POLICY_RULE_PREFIX`]: lower-case letters, digits and `_`.
    pub name: String,
    /// Id of the source whose records it is for; `None` for all.
    pub source: Option<String>,
    /// The records that it is for; `None` for all.
    pub class: Option<Class>,
    /// The fields that it is for.
    pub fields: Vec<FieldPath>,
    /// What becomes of them.
    pub action: Action,
}

/// What becomes of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// It stays. Rules further down are not asked.
    Keep,
    /// A keyed hash stays: equal values stay equal within one evidence folder.
    Hash,
    /// The value goes into the sealed file; a salted commitment stays.
    Seal,
    /// Nothing stays.
    Drop,
}

/// A risk class: a predicate on one record's event. An empty list is not asked; all others have to hold.
#[derive(Clone, Debug, Default)]
pub struct Class {
    /// Sorts of act.
    pub verbs: Vec<Verb>,
    /// Outcomes.
    pub statuses: Vec<Status>,
    /// Kinds of the identity that acted.
    pub actor_kinds: Vec<IdentityKind>,
    /// Services.
    pub services: Vec<Pattern>,
    /// Operations.
    pub operations: Vec<Pattern>,
    /// Native scopes of the stream: accounts, clusters.
    pub scopes: Vec<Pattern>,
    /// Types of what was acted upon; one of them is enough.
    pub resource_types: Vec<Pattern>,
}

/// A text in which `*` stands for any characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(pub String);

/// Keys and salts, which come from outside.
pub trait Keyring {
    /// A hash of `value` under a key that only the evidence folder has.
    ///
    /// # Errors
    /// When there is no such key.
    fn keyed_hash(&self, value: &str) -> io::Result<[u8; 32]>;

    /// A commitment to `value` under a new salt.
    ///
    /// # Errors
    /// When there is no randomness.
    fn seal(&mut self, value: &str) -> io::Result<Sealed>;
}

/// A value that is to be sealed, and what opens the commitment to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Commitment to the value, as it stands in the placeholder.
    pub commitment: [u8; 32],
    /// Its salt.
    pub salt: [u8; 32],
    /// The decoded value.
    pub value: String,
}

/// A record after the policy.
#[derive(Clone, Debug)]
pub struct CapturedRecord<'a> {
    /// The record: its bytes and events are those that are stored. `withheld` has secrets only.
    pub record: ReadRecord<'a>,
    /// Every value that a rule would withhold, in the order of the bytes. Empty where the policy changed nothing.
    pub decisions: Vec<Decision>,
    /// What has to be in the sealed file before the record is stored.
    pub sealed: Vec<Sealed>,
}

/// What became of one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Position of the rule in the policy.
    pub rule: usize,
    /// Where the value stands in the record before the policy.
    pub span: Range<usize>,
    /// Whether it was withheld.
    pub outcome: Outcome,
    /// What stands in its place if it was.
    pub placeholder: String,
}

/// Whether a value was withheld.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was.
    Withheld,
    /// It was not: reading needs it.
    Needed,
}

impl Policy {
    /// A policy of these rules, in their order.
    pub fn new(rules: Vec<Rule>) -> Self {
        let withholds = |source: &Source| {
            rules.iter().any(|rule| rule.action != Action::Keep && rule.is_for_source(source.id))
        };
        let concerned = crate::SOURCES.iter().map(withholds).collect();
        Self { rules, concerned }
    }

    /// Its rules, in the order in which they are asked.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether it may withhold something of this source.
    fn concerns(&self, source: &Source) -> bool {
        let position = crate::SOURCES.iter().position(|known| known.id == source.id);
        position.is_some_and(|position| self.concerned.get(position) == Some(&true))
    }

    /// Withholds what the policy asks for. `record` is what [`crate::read`] gave.
    ///
    /// # Errors
    /// Those of the keyring.
    pub fn capture<'a>(
        &self,
        record: ReadRecord<'a>,
        context: &Context<'_>,
        keyring: &mut dyn Keyring,
    ) -> io::Result<CapturedRecord<'a>> {
        let touches = |rule: &Rule| {
            rule.action != Action::Keep
                && rule.is_for_source(record.source.id)
                && record.events.iter().any(|event| rule.is_for(event))
        };
        if !self.concerns(record.source) || !self.rules.iter().any(touches) {
            return Ok(CapturedRecord { record, decisions: Vec::new(), sealed: Vec::new() });
        }
        let cuts = cut::cuts(self, &record, context, keyring)?;
        let Tried { stays, captured } = Trial { record: &record, context, cuts: &cuts }.run();
        let decisions = cuts.iter().zip(&stays);
        let decisions = decisions.map(|(cut, stays)| cut.decision(*stays)).collect();
        let withheld = cuts.into_iter().zip(stays).filter(|(_, stays)| !stays);
        let sealed = withheld.filter_map(|(cut, _)| cut.sealed).collect();
        let record = match captured {
            Some((captured, events)) => ReadRecord { captured: Cow::Owned(captured), events, ..record },
            None => record,
        };
        Ok(CapturedRecord { record, decisions, sealed })
    }
}

impl CapturedRecord<'_> {
    /// Whether the policy withheld something.
    pub fn has_withheld(&self) -> bool {
        self.decisions.iter().any(|decision| decision.outcome == Outcome::Withheld)
    }
}

impl Rule {
    fn is_for_source(&self, id: &str) -> bool {
        self.source.as_ref().is_none_or(|source| source == id)
    }

    /// Whether the record's risk class is the rule's.
    fn is_for(&self, event: &Event) -> bool {
        self.class.as_ref().is_none_or(|class| class.holds(event))
    }
}

impl Class {
    /// Whether the event is of this class.
    pub fn holds(&self, event: &Event) -> bool {
        is_one_of(&self.verbs, &event.verb)
            && is_one_of(&self.statuses, &event.outcome.status)
            && is_one_of(&self.actor_kinds, &event.actor.kind)
            && fits(&self.services, [event.api.service.as_str()])
            && fits(&self.operations, [event.api.operation.as_str()])
            && fits(&self.scopes, [event.source.scope.as_str()])
            && fits(&self.resource_types, event.resources.iter().map(|resource| resource.kind.as_str()))
    }
}

fn is_one_of<T: PartialEq>(listed: &[T], value: &T) -> bool {
    listed.is_empty() || listed.contains(value)
}

fn fits<'t>(patterns: &[Pattern], texts: impl IntoIterator<Item = &'t str>) -> bool {
    patterns.is_empty() || texts.into_iter().any(|text| patterns.iter().any(|pattern| pattern.fits(text)))
}

impl Pattern {
    /// Whether `text` is what the pattern describes.
    pub fn fits(&self, text: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            // The first place leaves the most for the parts behind it.
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 4] = [Self::Keep, Self::Hash, Self::Seal, Self::Drop];

    /// Its name as written in policies.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Hash => "hash",
            Self::Seal => "seal",
            Self::Drop => "drop",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text, fits) in [
            ("Get*", "GetObject", true),
            ("Get*", "Get", true),
            ("Get*", "PutObject", false),
            ("*", "", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("s3.amazonaws.com", "s3.amazonaws.com", true),
            ("s3.amazonaws.com", "s3.amazonaws.com.example", false),
        ] {
            assert_eq!(Pattern(pattern.to_owned()).fits(text), fits, "{pattern} {text}");
        }
    }
}
