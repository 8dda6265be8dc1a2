//! Member names: each at most once in an object.
//!
//! RFC 8259 §4 leaves open what a name that stands twice means, so two readers may see two different records.
//! Evidence must not depend on the reader.

use crate::json::{Kind, Value};

/// Objects of up to this many members are compared pair by pair, which is quicker than sorting.
const FEW: usize = 24;

/// What a look at every member name showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Names {
    /// Some name holds an escape, so that its raw bytes differ from its text.
    pub escaped: bool,
}

/// A name that stands twice in one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DuplicateName {
    /// The name, cut to a bounded length.
    pub name: String,
    /// Offset of the second one.
    pub offset: usize,
}

/// Looks at every member name below `root`.
pub(crate) fn check_names(root: Value<'_>) -> Result<Names, DuplicateName> {
    let mut names = Names { escaped: false };
    let mut members = Vec::new();
    for object in root.subtree().filter(|value| value.kind() == Kind::Object) {
        members.clear();
        members.extend(object.member_nodes().map(|(name, _)| name));
        let escaped = members.iter().any(|name| name.is_escaped());
        names.escaped |= escaped;
        let duplicate = if escaped || members.len() > FEW {
            duplicate_of_many(&members)
        } else {
            duplicate_of_few(&members)
        };
        if let Some(name) = duplicate {
            let text = name.text().unwrap_or_default().chars().take(64).collect();
            return Err(DuplicateName { name: text, offset: name.span().start });
        }
    }
    Ok(names)
}

fn duplicate_of_few<'t>(members: &[Value<'t>]) -> Option<Value<'t>> {
    let mut beginnings = [0; FEW];
    members.iter().enumerate().find_map(|(index, name)| {
        let beginning = name.content_beginning();
        beginnings[index] = beginning;
        let same =
            |before: usize| beginnings[before] == beginning && members[before].content() == name.content();
        (0..index).any(same).then_some(*name)
    })
}

fn duplicate_of_many<'t>(members: &[Value<'t>]) -> Option<Value<'t>> {
    let mut sorted: Vec<_> = members.iter().map(|name| (name.text(), name.span().start, *name)).collect();
    sorted.sort_unstable_by(|left, right| (&left.0, left.1).cmp(&(&right.0, right.1)));
    let pairs = sorted.windows(2).filter(|pair| pair[0].0 == pair[1].0);
    pairs.map(|pair| pair[1].2).min_by_key(|name| name.span().start)
}
