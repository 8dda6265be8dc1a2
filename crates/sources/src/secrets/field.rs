//! Known secret fields: finding the values at the paths that a source declares.

use super::{Cut, Document, Fields, Placeholder};
use crate::json::{HIDDEN, Kind, Value};
use crate::source::{SecretField, Transform};

/// The last name of the field's path; a field ends in the name of a member.
pub(super) fn last_name(field: &SecretField) -> Option<&'static str> {
    field.path.iter().rev().find(|name| !matches!(**name, "*" | "**")).copied()
}

/// The secrets at known fields. `names` are the field names that stand in the document.
pub(super) fn cuts(document: Document<'_>, events: &[Value<'_>], names: &[&'static str], out: &mut Vec<Cut>) {
    match document.fields {
        Fields::Of(source) => {
            for field in source.secrets {
                let stands = last_name(field).is_some_and(|name| names.contains(&name));
                if stands || document.escaped_names {
                    let holders = events.iter().filter(|event| field.when.is_none_or(|when| when(**event)));
                    holders.for_each(|event| follow(*event, field.path, field, out));
                }
            }
        }
        Fields::OfAnySource => {
            for object in document.root.subtree() {
                for (name, value) in object.member_nodes() {
                    if let Some(field) = field_of_any_source(name) {
                        leaves(value, field, out);
                    }
                }
            }
        }
    }
}

fn field_of_any_source(name: Value<'_>) -> Option<&'static SecretField> {
    let mut fields = crate::SOURCES.iter().flat_map(|source| source.secrets);
    fields.find(|field| field.when.is_none() && last_name(field).is_some_and(|last| name.is_text(last)))
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
