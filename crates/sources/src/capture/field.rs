//! Fields by name: those that reading is known to need, and those that were withheld from a captured record.
//!
//! `needed_fields.txt` is made from the fixtures, by the rule itself: a field is needed by a record that, read without
//! it, gives other keys or another meaning. A test holds the list to that; `UPDATE=1` writes it anew.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::cut::{cuts_of, is_open};
use super::trial::{Loss, Trial};
use super::{FieldPath, PathError};
use crate::json::{Kind, Tape, Value};
use crate::read::{ReadRecord, open, recognise};
use crate::secrets::placeholders;
use crate::source::Context;

/// A field without which some record would give other keys or another meaning.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NeededField {
    /// Id of the source.
    pub source: &'static str,
    /// How many of the records that have it need it.
    pub need: Need,
    /// The field, from the event object on; `*` is a place in a list.
    pub path: FieldPath,
}

/// How many of the records that have a field need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Half of them or more. A rule that names such a field is refused.
    Most,
    /// Fewer. The field goes where it can.
    Some,
}

/// Fields that reading is known to need. Others may be: [`super::Policy::capture`] finds out for each record.
pub static NEEDED_FIELDS: LazyLock<Vec<NeededField>> = LazyLock::new(|| {
    let lines = include_str!("needed_fields.txt").lines();
    #[expect(clippy::expect_used, reason = "the list is fixed at build time, and every test reads it")]
    lines.map(NeededField::parse).collect::<Result<_, _>>().expect("each line is a source and a path")
});

/// A value that was withheld from a captured record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithheldField {
    /// Position of the event in the record, from 0.
    pub event: usize,
    /// The field from the event object on; a place in a list is a number.
    pub path: String,
    /// The rule.
    pub rule: String,
    /// What stays of it: name of the method and value.
    pub kept: Option<(String, String)>,
}

impl Need {
    /// Its name in the list.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Most => "most",
            Self::Some => "some",
        }
    }
}

impl NeededField {
    fn parse(line: &'static str) -> Result<Self, PathError> {
        let (source, rest) = line.split_once(' ').ok_or(PathError::EmptyName)?;
        let (need, path) = rest.split_once(' ').ok_or(PathError::EmptyName)?;
        let need = if need == Need::Most.name() { Need::Most } else { Need::Some };
        Ok(Self { source, need, path: path.parse()? })
    }
}

/// Offsets of the values in `object` that reading is known to need.
pub(super) fn needed_values(source: &str, object: Value<'_>) -> BTreeMap<usize, Need> {
    let mut needed = BTreeMap::new();
    for field in NEEDED_FIELDS.iter().filter(|field| field.source == source) {
        field.path.each(object, &mut |value| {
            needed.insert(value.span().start, field.need);
        });
    }
    needed
}

/// The values that were withheld from the events of a captured record, by field.
pub fn withheld_fields(captured: &[u8]) -> Vec<WithheldField> {
    let mut tape = Tape::new();
    if placeholders(captured).is_empty() || !tape.parses(captured) {
        return Vec::new();
    }
    let root = tape.root(captured);
    let Some(source) = recognise(root, None) else { return Vec::new() };
    let opened = open(source, root);
    let objects = opened.iter().enumerate().filter_map(|(event, part)| Some((event, part.object()?)));
    objects.flat_map(|(event, object)| withheld_below(event, object)).collect()
}

fn withheld_below(event: usize, object: Value<'_>) -> Vec<WithheldField> {
    let mut found = Vec::new();
    for (path, value) in leaves_below(object) {
        let text = value.text().unwrap_or_default();
        found.extend(placeholders(text.as_bytes()).into_iter().map(|(_, placeholder)| WithheldField {
            event,
            path: FieldPath::of_names(&path).to_string(),
            rule: placeholder.rule.to_owned(),
            kept: placeholder.kept.map(|(method, value)| (method.to_owned(), value.to_owned())),
        }));
    }
    found
}

/// The fields in which the values at these offsets of a record stand; `*` for a place in a list.
pub fn fields_at(record: &ReadRecord<'_>, starts: &[usize]) -> Vec<String> {
    let mut tape = Tape::new();
    let mut names = BTreeMap::new();
    if tape.parses(&record.captured) {
        for part in &open(record.source, tape.root(&record.captured)) {
            let leaves = part.object().map(leaves_below).unwrap_or_default();
            let values: Vec<_> = leaves.iter().map(|(_, value)| *value).collect();
            let places = cuts_of(&values, part).into_iter().map(|cut| cut.span.start);
            names.extend(
                places.zip(leaves.iter().map(|(path, _)| FieldPath::of_fields_like(path).to_string())),
            );
        }
    }
    starts.iter().map(|start| names.get(start).cloned().unwrap_or_default()).collect()
}

/// What a record's reading loses without each single field. Slow: it reads the record once for each.
pub fn loss_by_field(record: &ReadRecord<'_>, context: &Context<'_>) -> Vec<(FieldPath, Loss)> {
    let mut losses = Vec::new();
    let mut tape = Tape::new();
    if !tape.parses(&record.captured) {
        return losses;
    }
    for part in &open(record.source, tape.root(&record.captured)) {
        let Some(object) = part.object() else { continue };
        let mut leaves = leaves_below(object);
        leaves.retain(|(_, value)| is_open(*value));
        let values: Vec<_> = leaves.iter().map(|(_, value)| *value).collect();
        let each = Trial { record, context, cuts: &cuts_of(&values, part) }.loss_of_each();
        losses.extend(leaves.iter().map(|(path, _)| FieldPath::of_fields_like(path)).zip(each));
    }
    losses
}

/// A name of a member, or a place in a list.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Member(String),
    Element(usize),
}

/// The strings and numbers below `object` with their places, in the order of the bytes.
fn leaves_below(object: Value<'_>) -> Vec<(Vec<Place>, Value<'_>)> {
    let mut found = Vec::new();
    let mut open = vec![(Vec::new(), object)];
    while let Some((path, value)) = open.pop() {
        let below = |place| path.iter().cloned().chain([place]).collect::<Vec<_>>();
        match value.kind() {
            Kind::Object => {
                open.extend(
                    value.members().map(|(name, child)| (below(Place::Member(name.into_owned())), child)),
                );
            }
            Kind::Array => {
                open.extend(
                    value.items().enumerate().map(|(place, child)| (below(Place::Element(place)), child)),
                );
            }
            Kind::String | Kind::Number => found.push((path, value)),
            Kind::Null | Kind::Bool => {}
        }
    }
    found.sort_by_key(|(_, value)| value.span().start);
    found
}
