//! Known secret fields: finding the values at the paths that a source declares.

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
    /// By first byte: one bit for each length, so that most other texts need no search.
    lengths: [u64; 256],
}

impl LastNames {
    fn new() -> Self {
        let fields = crate::SOURCES.iter().flat_map(|source| source.secrets);
        let mut names: Vec<_> = fields.filter_map(last_name).collect();
        names.sort_unstable();
        names.dedup();
        let mut lengths = [0; 256];
        for name in &names {
            if let Some(first) = name.bytes().next() {
                lengths[usize::from(first)] |= 1 << (name.len() % 64);
            }
        }
        Self { names, lengths }
    }

    /// Those that stand in a document as texts, be it as names or values.
    fn in_document(&self, root: Value<'_>) -> Vec<&'static str> {
        let mut found = Vec::new();
        for value in root.subtree().filter(|value| value.kind() == Kind::String) {
            let content = value.content();
            if let Some(first) = content.first()
                && self.lengths[usize::from(*first)] >> (content.len() % 64) & 1 == 1
                && let Ok(index) = self.names.binary_search_by(|name| name.as_bytes().cmp(content))
            {
                found.push(self.names[index]);
            }
        }
        found
    }
}

/// The secrets at known fields.
pub(super) fn cuts(document: Document<'_>, events: &[Value<'_>], out: &mut Vec<Cut>) {
    let names = LAST_NAMES.in_document(document.root);
    if names.is_empty() && !document.escaped_names {
        return;
    }
    let stands = |field: &&SecretField| {
        document.escaped_names || last_name(field).is_some_and(|name| names.contains(&name))
    };
    match document.fields {
        Fields::Of(source) => {
            for field in source.secrets.iter().filter(stands) {
                let holders = events.iter().filter(|event| field.when.is_none_or(|when| when(**event)));
                holders.for_each(|event| follow(*event, field.path, field, out));
            }
        }
        Fields::OfAnySource => {
            let fields = crate::SOURCES.iter().flat_map(|source| source.secrets);
            let fields: Vec<_> = fields.filter(stands).collect();
            for object in document.root.subtree().filter(|value| value.kind() == Kind::Object) {
                fields.iter().for_each(|field| follow_anywhere(object, field, out));
            }
        }
    }
}

/// Whether the field's name alone says that its value is secret, wherever it stands.
pub(super) fn tells_alone(field: &SecretField) -> bool {
    let below = field.path.get(1..).unwrap_or_default();
    field.when.is_none() && matches!(below, [_] | ["**", _]) && below.last() == last_name(field).as_ref()
}

/// Takes `object` for an event that nobody recognised, or for a part of one.
fn follow_anywhere(object: Value<'_>, field: &SecretField, out: &mut Vec<Cut>) {
    let below = field.path.get(1..).unwrap_or_default();
    match field.when {
        Some(when) if when(object) => follow(object, field.path, field, out),
        Some(_) => {}
        // Every object is tried, so that any depth is reached without looking below it here.
        None => follow(object, below.strip_prefix(&["**"]).unwrap_or(below), field, out),
    }
}

fn follow(value: Value<'_>, path: &[&str], field: &SecretField, out: &mut Vec<Cut>) {
    match path {
        [] => leaves(value, field, out),
        ["*", rest @ ..] => {
            for child in value.items().chain(value.member_nodes().map(|(_, child)| child)) {
                follow(child, rest, field, out);
            }
        }
        ["**", rest @ ..] => {
            for container in
                value.subtree().filter(|value| matches!(value.kind(), Kind::Array | Kind::Object))
            {
                follow(container, rest, field, out);
            }
        }
        [name, rest @ ..] => {
            if let Some(child) = value.get(name) {
                follow(child, rest, field, out);
            }
        }
    }
}

/// Every string and number of a secret value; the names of its members stay.
fn leaves(value: Value<'_>, field: &SecretField, out: &mut Vec<Cut>) {
    let mut containers = vec![value];
    while let Some(value) = containers.pop() {
        match value.kind() {
            Kind::Object => containers.extend(value.member_nodes().map(|(_, child)| child)),
            Kind::Array => containers.extend(value.items()),
            Kind::String => out.extend(string(value, field)),
            Kind::Number => out.push(number(value, field)),
            Kind::Null | Kind::Bool => {}
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
