//! Known secret fields: finding the values at the paths that a source declares.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::spelling::{TELLING_NAMES, telling_member};
use super::{Cut, Document, Fields, Placeholder, Ruling, hashed_by_device};
use crate::json::{HIDDEN, Kind, Value};
use crate::source::{SecretField, Transform};

/// The last name of the field's path.
pub(super) fn last_name(field: &SecretField) -> Option<&'static str> {
    field.path.iter().rev().find(|name| !matches!(**name, "*" | "**")).copied()
}

/// The last names of all known fields, so that a document without any of them is left quickly.
static LAST_NAMES: LazyLock<LastNames> = LazyLock::new(LastNames::new);

/// What a document has of the names that are looked for.
struct Seen {
    /// Last names of known fields.
    names: BTreeSet<&'static str>,
    /// A name that tells alone that its value is secret.
    telling: bool,
}

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
        for telling in TELLING_NAMES {
            let length = telling.joined("").len();
            let lengths =
                (length..length + telling.words.len()).fold(0, |bits, length| bits | length_bit(length));
            for (table, byte) in [
                (&mut by_first, telling.words.first().and_then(|word| word.bytes().next())),
                (&mut by_last, telling.words.last().and_then(|word| word.bytes().last())),
            ] {
                for byte in byte.into_iter().flat_map(|byte| [byte, byte.to_ascii_uppercase()]) {
                    table[usize::from(byte)] |= lengths;
                }
            }
        }
        Self { names, by_first, by_last }
    }

    /// Those that stand in a document as texts, be it as names or values.
    fn in_document(&self, root: Value<'_>) -> Seen {
        let mut seen = Seen { names: BTreeSet::new(), telling: false };
        for value in root.subtree() {
            if let Some((length, first, last)) = value.content_looks()
                && self.by_first[usize::from(first)] & self.by_last[usize::from(last)] & length_bit(length)
                    != 0
            {
                seen.telling |= telling_member(value.content()).is_some();
                if let Ok(index) = self.names.binary_search_by(|name| name.as_bytes().cmp(value.content())) {
                    seen.names.insert(self.names[index]);
                }
            }
        }
        seen
    }
}

fn length_bit(length: usize) -> u64 {
    1 << (length % 64)
}

/// The secrets at known fields.
pub(super) fn cuts(document: Document<'_>, events: &[Value<'_>], out: &mut Vec<Cut>) {
    let Seen { names, telling } = LAST_NAMES.in_document(document.root);
    if names.is_empty() && !telling && !document.escaped_names {
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
    if telling || document.escaped_names {
        for object in document.root.subtree().filter(|value| value.kind() == Kind::Object) {
            object.member_nodes().for_each(|(name, value)| taken.take_telling(name, value));
        }
    }
}

/// Whether the field's name alone says that its value is secret, wherever it stands.
pub(super) fn tells_alone(field: &SecretField) -> bool {
    let below = field.path.get(1..).unwrap_or_default();
    field.when.is_none()
        && field.beside.is_none()
        && matches!(below, [_] | ["**", _])
        && below.last() == last_name(field).as_ref()
}

/// Says of a string or number, by the name of the member that holds it, that it is no secret.
type Spares = fn(&str, Value<'_>) -> bool;

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
            [] => self.take(value, Ruling::of(field), field.spares),
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
                if rest.is_empty() && !field.beside.is_none_or(|beside| beside(value)) {
                    return;
                }
                if let Some(child) = value.get(name) {
                    self.follow(child, rest, field);
                }
            }
        }
    }

    /// Takes the value of a member whose name tells that it is secret: a string, or the strings of a list. An object
    /// of such a name describes something instead.
    fn take_telling(&mut self, name: Value<'_>, value: Value<'_>) {
        let telling = match name.text() {
            Some(text) if name.is_escaped() => telling_member(text.as_bytes()),
            _ => telling_member(name.content()),
        };
        let Some(telling) = telling else { return };
        for value in std::iter::once(value).chain(value.items()).filter(|value| value.kind() == Kind::String)
        {
            self.take(value, telling.ruling, None);
        }
    }

    /// Takes every string and number of a secret value that is not spared; the names of its members stay.
    fn take(&mut self, value: Value<'_>, ruling: Ruling, spares: Option<Spares>) {
        let mut values = vec![(None::<Value<'_>>, value)];
        while let Some((name, value)) = values.pop() {
            let is_spared = |spares: Spares| spares(&name.and_then(Value::text).unwrap_or_default(), value);
            if matches!(value.kind(), Kind::String | Kind::Number) && spares.is_some_and(is_spared) {
                continue;
            }
            if !self.values.insert(value.span().start) {
                continue;
            }
            match value.kind() {
                Kind::Object => {
                    values.extend(value.member_nodes().map(|(name, child)| (Some(name), child)));
                }
                Kind::Array => values.extend(value.items().map(|item| (name, item))),
                Kind::String => self.cuts.extend(string(value, ruling)),
                Kind::Number => self.cuts.push(number(value, ruling)),
                Kind::Null | Kind::Bool => {}
            }
        }
    }
}

fn string(value: Value<'_>, ruling: Ruling) -> Option<Cut> {
    let text = value.text()?;
    if text.is_empty()
        || text == HIDDEN
        || Placeholder::read(&text).is_some()
        || hashed_by_device(text.as_bytes())
        || !(ruling.holds_secret)(&text)
    {
        return None;
    }
    let span = value.span();
    Some(Cut::new(span.start + 1..span.end - 1, ruling.rule, ruling.transform, text.as_bytes()))
}

/// A placeholder is a string, so a number gets quotes around it.
fn number(value: Value<'_>, ruling: Ruling) -> Cut {
    Cut { quote: "\"", ..Cut::new(value.span(), ruling.rule, Transform::Nothing, &[]) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{AtEnd, Tape};
    use crate::secrets::splice;
    use crate::source::{ContentIdentity, Source};

    static SPARING: Source = Source {
        id: "sparing",
        name: "Sparing",
        version: 1,
        keys: &[],
        secrets: &[SecretField {
            path: &["data"],
            rule: "sparing.data",
            transform: Transform::Nothing,
            when: None,
            beside: None,
            spares: Some(|name, value| name == "name" || value.kind() == Kind::Number),
        }],
        lists: &[],
        recognises: |_| true,
        parts: |_| Vec::new(),
        event: |_| Ok(None),
        identity: ContentIdentity { delivery_only: &[], time: &[], devices: None },
    };

    #[test]
    fn what_a_rule_spares_stays() {
        for (given, expected) in [
            (r#"{"data":{"name":"n","x":"s"}}"#, r#"{"data":{"name":"n","x":"[withheld:sparing.data]"}}"#),
            (
                r#"{"data":{"a":[{"name":["n","m"],"x":["s",1]}]}}"#,
                r#"{"data":{"a":[{"name":["n","m"],"x":["[withheld:sparing.data]",1]}]}}"#,
            ),
            (
                r#"{"data":{"name":{"x":"s","name":"n"}}}"#,
                r#"{"data":{"name":{"x":"[withheld:sparing.data]","name":"n"}}}"#,
            ),
            (r#"{"data":"s"}"#, r#"{"data":"[withheld:sparing.data]"}"#),
            (r#"{"data":1,"name":"s"}"#, r#"{"data":1,"name":"s"}"#),
        ] {
            let mut tape = Tape::new();
            tape.parse_prefix(given.as_bytes(), AtEnd::Yes);
            let root = tape.root(given.as_bytes());
            let document = Document {
                fields: Fields::Of(&SPARING),
                bytes: given.as_bytes(),
                root,
                escaped_names: false,
            };
            let (captured, _) = splice(given.as_bytes(), document.cuts(&[root], &[]));
            assert_eq!(String::from_utf8_lossy(&captured), expected);
        }
    }
}
