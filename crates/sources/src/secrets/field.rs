//! Known secret fields: finding the values at the paths that a source declares.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::{Cut, Document, Fields, Placeholder};
use crate::json::{HIDDEN, Kind, Value};
use crate::source::{SecretField, Transform};

/// The last name of the field's path.
pub(super) fn last_name(field: &SecretField) -> Option<&'static str> {
    field.path.iter().rev().find(|name| !matches!(**name, "*" | "**")).copied()
}

/// The last names of all known fields, so that a document without any of them is left quickly.
static LAST_NAMES: LazyLock<LastNames> = LazyLock::new(LastNames::new);

struct LastNames {
    /// Sorted.
    names: Vec<&'static str>,
    /// By first and by last byte: one bit for each length, so that most other texts need no search.
    by_first: [u64; 256],
    by_last: [u64; 256],
}

impl LastNames {
    fn new() -> Self {
        let fields = crate::SOURCES.iter().flat_map(|source| source.secrets);
        let mut names: Vec<_> = fields.filter_map(last_name).collect();
        names.sort_unstable();
        names.dedup();
        let (mut by_first, mut by_last) = ([0; 256], [0; 256]);
        for name in &names {
            if let (Some(first), Some(last)) = (name.bytes().next(), name.bytes().last()) {
                by_first[usize::from(first)] |= length_bit(name.len());
                by_last[usize::from(last)] |= length_bit(name.len());
            }
        }
        Self { names, by_first, by_last }
    }

    /// Those that stand in a document as texts, be it as names or values.
    fn in_document(&self, root: Value<'_>) -> BTreeSet<&'static str> {
        let mut found = BTreeSet::new();
        for value in root.subtree() {
            if let Some((length, first, last)) = value.content_looks()
                && self.by_first[usize::from(first)] & self.by_last[usize::from(last)] & length_bit(length)
                    != 0
                && let Ok(index) = self.names.binary_search_by(|name| name.as_bytes().cmp(value.content()))
            {
                found.insert(self.names[index]);
            }
        }
        found
    }
}

fn length_bit(length: usize) -> u64 {
    1 << (length % 64)
}

/// The secrets at known fields.
pub(super) fn cuts(document: Document<'_>, events: &[Value<'_>], out: &mut Vec<Cut>) {
    let names = LAST_NAMES.in_document(document.root);
    if names.is_empty() && !document.escaped_names {
        return;
    }
    let stands = |field: &&SecretField| {
        document.escaped_names || last_name(field).is_some_and(|name| names.contains(name))
    };
    let mut taken = Taken { values: BTreeSet::new(), cuts: out };
    match document.fields {
        Fields::Of(source) => {
            for field in source.secrets.iter().filter(stands) {
                let holders = events.iter().filter(|event| field.when.is_none_or(|when| when(**event)));
                holders.for_each(|event| taken.follow(*event, field.path, field));
            }
        }
        Fields::OfAnySource => {
            let fields = crate::SOURCES.iter().flat_map(|source| source.secrets);
            let fields: Vec<_> = fields.filter(stands).collect();
            for object in document.root.subtree().filter(|value| value.kind() == Kind::Object) {
                for field in &fields {
                    taken.follow_anywhere(object, field);
                }
            }
        }
    }
}

/// Whether the field's name alone says that its value is secret, wherever it stands.
pub(super) fn tells_alone(field: &SecretField) -> bool {
    let below = field.path.get(1..).unwrap_or_default();
    field.when.is_none() && matches!(below, [_] | ["**", _]) && below.last() == last_name(field).as_ref()
}

/// What has been taken out so far.
struct Taken<'c> {
    /// Where the values begin that have been taken, alone or as part of another: paths may lead to one value twice,
    /// and hostile records nest secret fields in each other.
    values: BTreeSet<usize>,
    cuts: &'c mut Vec<Cut>,
}

impl Taken<'_> {
    /// Takes `object` for an event that nobody recognised, or for a part of one.
    fn follow_anywhere(&mut self, object: Value<'_>, field: &SecretField) {
        let below = field.path.get(1..).unwrap_or_default();
        match field.when {
            Some(when) if when(object) => self.follow(object, field.path, field),
            Some(_) => {}
            // Every object is tried, so that any depth is reached without looking below it here.
            None => self.follow(object, below.strip_prefix(&["**"]).unwrap_or(below), field),
        }
    }

    fn follow(&mut self, value: Value<'_>, path: &[&str], field: &SecretField) {
        match path {
            [] => self.take(value, field),
            ["*", rest @ ..] => {
                for child in value.items().chain(value.member_nodes().map(|(_, child)| child)) {
                    self.follow(child, rest, field);
                }
            }
            ["**", rest @ ..] => {
                for value in
                    value.subtree().filter(|value| matches!(value.kind(), Kind::Array | Kind::Object))
                {
                    self.follow(value, rest, field);
                }
            }
            [name, rest @ ..] => {
                if let Some(child) = value.get(name) {
                    self.follow(child, rest, field);
                }
            }
        }
    }

    /// Takes every string and number of a secret value; the names of its members stay.
    fn take(&mut self, value: Value<'_>, field: &SecretField) {
        let mut values = vec![value];
        while let Some(value) = values.pop() {
            if !self.values.insert(value.span().start) {
                continue;
            }
            match value.kind() {
                Kind::Object => values.extend(value.member_nodes().map(|(_, child)| child)),
                Kind::Array => values.extend(value.items()),
                Kind::String => self.cuts.extend(string(value, field)),
                Kind::Number => self.cuts.push(number(value, field)),
                Kind::Null | Kind::Bool => {}
            }
        }
    }
}

fn string(value: Value<'_>, field: &SecretField) -> Option<Cut> {
    let text = value.text()?;
    if text.is_empty() || text == HIDDEN || Placeholder::read(&text).is_some() {
        return None;
    }
    let span = value.span();
    Some(Cut::new(span.start + 1..span.end - 1, field.rule, field.transform, text.as_bytes()))
}

/// A placeholder is a string, so a number gets quotes around it.
fn number(value: Value<'_>, field: &SecretField) -> Cut {
    Cut { quote: "\"", ..Cut::new(value.span(), field.rule, Transform::Nothing, &[]) }
}
