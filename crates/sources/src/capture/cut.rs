//! Finding the values that a policy asks for, and the bytes of a record without them.
//!
//! Splices only: a placeholder takes the place of a value, and no other byte changes. It does not know what reading
//! needs, beyond a list that was made before.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;

use super::{Action, Decision, Keyring, Need, Outcome, POLICY_RULE_PREFIX, Policy, Rule, Sealed, field};
use crate::json::{HIDDEN, Kind, Tape, Value};
use crate::read::{Opened, ReadRecord, event_of_part, open};
use crate::secrets::Placeholder;
use crate::source::Context;

/// A value that a rule would withhold.
pub(super) struct Cut {
    /// Position of the rule in the policy.
    pub rule: usize,
    /// Where the value stands in the record.
    pub span: Range<usize>,
    /// What stands in its place, with quotes where the value had none.
    pub text: String,
    pub sealed: Option<Sealed>,
    /// What the list of needed fields says of it.
    pub need: Option<Need>,
}

impl Cut {
    /// What became of the value.
    pub(super) fn decision(&self, stays: bool) -> Decision {
        let outcome = if stays { Outcome::Needed } else { Outcome::Withheld };
        let placeholder = self.text.trim_matches(['"', '\\']).to_owned();
        Decision { rule: self.rule, span: self.span.clone(), outcome, placeholder }
    }
}

/// Every value of the record that some rule would withhold, in the order of the bytes.
pub(super) fn cuts(
    policy: &Policy,
    record: &ReadRecord<'_>,
    context: &Context<'_>,
    keyring: &mut dyn Keyring,
) -> io::Result<Vec<Cut>> {
    let mut cuts = Vec::new();
    let mut tape = Tape::new();
    if !tape.parses(&record.captured) {
        return Ok(cuts); // Only JSON becomes a record.
    }
    let source = record.source.id;
    let rules: Vec<_> =
        policy.rules.iter().enumerate().filter(|(_, rule)| rule.is_for_source(source)).collect();
    let root = tape.root(&record.captured);
    let opened = open(record.source, root);
    for (position, part) in opened.iter().enumerate() {
        // Where each part gave one event, they stand in the same order; else it is asked again what this one said.
        let again;
        let event = if opened.len() == record.events.len() {
            &record.events[position]
        } else if let Ok(Some(event)) = event_of_part(record.source, part, root, context) {
            again = event;
            &again
        } else {
            continue; // It has no meaning, so it is in no class; why it cannot be read is said elsewhere.
        };
        let Some(object) = part.object() else { continue };
        let active = rules.iter().copied().filter(|(_, rule)| rule.is_for(event));
        let found = claimed(active, object);
        if !found.is_empty() {
            let needed = field::needed_values(source, object);
            let claims = Claims { found, needed };
            cuts.extend(claims.placed(policy, part, keyring)?);
        }
    }
    cuts.sort_by_key(|cut| cut.span.start);
    Ok(cuts)
}

/// The values that the rules withhold, in the order of the bytes: for each value the first rule that concerns it
/// decides.
fn claimed<'t, 'r>(
    rules: impl Iterator<Item = (usize, &'r Rule)>,
    object: Value<'t>,
) -> Vec<(usize, Value<'t>)> {
    let mut decided = BTreeSet::new();
    let mut found = Vec::new();
    for (index, rule) in rules {
        for path in &rule.fields {
            path.each(object, &mut |value| {
                for leaf in leaves(value) {
                    if decided.insert(leaf.span().start) && rule.action != Action::Keep && is_open(leaf) {
                        found.push((index, leaf));
                    }
                }
            });
        }
    }
    found.sort_by_key(|(_, value)| value.span().start);
    found
}

/// The strings and numbers of a value; names of members, `true`, `false` and `null` stay.
pub(super) fn leaves(value: Value<'_>) -> Vec<Value<'_>> {
    let mut found = Vec::new();
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value.kind() {
            Kind::Object => open.extend(value.member_nodes().map(|(_, child)| child)),
            Kind::Array => open.extend(value.items()),
            Kind::String | Kind::Number => found.push(value),
            Kind::Null | Kind::Bool => {}
        }
    }
    found
}

/// Whether there is something to withhold: not a text that is empty, hidden by the source, or withheld already.
pub(super) fn is_open(value: Value<'_>) -> bool {
    value.text().is_none_or(|text| !text.is_empty() && text != HIDDEN && Placeholder::read(&text).is_none())
}

/// What rules claim in one part of a record.
struct Claims<'t> {
    found: Vec<(usize, Value<'t>)>,
    /// Offsets of the values that reading is known to need.
    needed: BTreeMap<usize, Need>,
}

impl Claims<'_> {
    /// The claims as cuts, with their places in the record.
    fn placed(self, policy: &Policy, part: &Opened<'_>, keyring: &mut dyn Keyring) -> io::Result<Vec<Cut>> {
        let spans: Vec<_> = self.found.iter().map(|(_, value)| content_span(*value)).collect();
        let places = part.places(&spans);
        let mut cuts = Vec::with_capacity(spans.len());
        for ((rule, value), span) in self.found.into_iter().zip(places) {
            let need = self.needed.get(&value.span().start).copied();
            let Rule { name, action, .. } = &policy.rules[rule];
            let (kept, sealed) =
                if need == Some(Need::Most) { (String::new(), None) } else { action.kept(value, keyring)? };
            let text = quoted(&format!("[withheld:{POLICY_RULE_PREFIX}{name}{kept}]"), value, part);
            cuts.push(Cut { rule, span, text, sealed, need });
        }
        Ok(cuts)
    }
}

/// A placeholder for `value`, with quotes where the value has none.
fn quoted(placeholder: &str, value: Value<'_>, part: &Opened<'_>) -> String {
    match value.kind() {
        Kind::String => placeholder.to_owned(),
        _ if part.is_text() => format!("\\\"{placeholder}\\\""),
        _ => format!("\"{placeholder}\""),
    }
}

/// Cuts of single values of one part, whatever a policy says of them.
pub(super) fn cuts_of(values: &[Value<'_>], part: &Opened<'_>) -> Vec<Cut> {
    let spans: Vec<_> = values.iter().map(|value| content_span(*value)).collect();
    let places = values.iter().zip(part.places(&spans));
    let cuts = places.map(|(value, span)| {
        let text = quoted("[withheld:policy.trial]", *value, part);
        Cut { rule: 0, span, text, sealed: None, need: None }
    });
    cuts.collect()
}

/// The bytes that a placeholder takes the place of: those between the quotes of a string, all of a number.
fn content_span(value: Value<'_>) -> Range<usize> {
    let span = value.span();
    if value.kind() == Kind::String { span.start + 1..span.end - 1 } else { span }
}

impl Action {
    /// What stays of a value in its placeholder, and what is to be sealed.
    fn kept(self, value: Value<'_>, keyring: &mut dyn Keyring) -> io::Result<(String, Option<Sealed>)> {
        let text = value.text().unwrap_or_else(|| value.number_text().unwrap_or_default().into());
        Ok(match self {
            Self::Keep | Self::Drop => (String::new(), None),
            Self::Hash => (format!(" hmac={}", hexadecimal(&keyring.keyed_hash(&text)?)), None),
            Self::Seal => {
                let sealed = keyring.seal(&text)?;
                (format!(" sealed={}", hexadecimal(&sealed.commitment)), Some(sealed))
            }
        })
    }
}

/// The bytes with the chosen cuts replaced by their placeholders.
pub(super) fn splice(bytes: &[u8], cuts: &[Cut], stays: &[bool]) -> Vec<u8> {
    let mut captured = Vec::with_capacity(bytes.len());
    let mut behind = 0;
    for (cut, _) in cuts.iter().zip(stays).filter(|(_, stays)| !**stays) {
        captured.extend_from_slice(&bytes[behind..cut.span.start]);
        captured.extend_from_slice(cut.text.as_bytes());
        behind = cut.span.end;
    }
    captured.extend_from_slice(&bytes[behind..]);
    captured
}

fn hexadecimal(bytes: &[u8; 32]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).concat()
}
