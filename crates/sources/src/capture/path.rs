//! Paths to fields, as policies name them: member names from the event object on, with full stops between them.
//!
//! `*` is any one member or element and `**` any number of them, as in the tables of secrets. A name with a full stop,
//! a star or a quote in it is written in double quotes: `annotations."authorization.k8s.io/reason"`. A path that leads
//! to an object or an array means every string and number in it.
//!
//! It knows values, and nothing of what becomes of them.

use std::fmt;
use std::str::FromStr;

use super::field::Place;
use crate::json::{Kind, Value};

/// Most steps of a path. No known source nests fields that anybody names deeper.
const STEPS_MAX: usize = 32;

/// A path to fields.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldPath(Vec<Step>);

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// The member of this name.
    Name(String),
    /// `*`
    Any,
    /// `**`
    AnyNumber,
}

/// Why a text is no path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A name is empty: the text is, or two full stops follow each other.
    #[error("a name in it is empty")]
    EmptyName,
    /// A quote is not closed, or something other than a full stop follows it.
    #[error("a quoted name does not end with a quote and a full stop")]
    Quote,
    /// Longer than any record is deep.
    #[error("it has more than {STEPS_MAX} names")]
    TooLong,
    /// Several `**` would have to be tried at every depth below each other.
    #[error("`**` may stand in it once")]
    SeveralAnyNumber,
}

impl FieldPath {
    /// Calls `visit` with each value below `event` to which the path leads.
    pub(crate) fn each<'t>(&self, event: Value<'t>, visit: &mut dyn FnMut(Value<'t>)) {
        follow(event, &self.0, visit);
    }

    /// Whether the path names `field` itself by its last name: neither something around it, nor anything at its place.
    pub fn names(&self, field: &Self) -> bool {
        matches!(self.0.last(), Some(Step::Name(_))) && covers(&self.0, &field.0)
    }

    /// The path of one value.
    pub(super) fn of_names(places: &[Place]) -> Self {
        let step = |place: &Place| match place {
            Place::Member(name) => Step::Name(name.clone()),
            Place::Element(place) => Step::Name(place.to_string()),
        };
        Self(places.iter().map(step).collect())
    }

    /// The path of one value and of those at other places of the same lists.
    pub(super) fn of_fields_like(places: &[Place]) -> Self {
        let step = |place: &Place| match place {
            Place::Member(name) => Step::Name(name.clone()),
            Place::Element(_) => Step::Any,
        };
        Self(places.iter().map(step).collect())
    }
}

/// Follows the path without recursion deeper than the path is long.
fn follow<'t>(value: Value<'t>, path: &[Step], visit: &mut dyn FnMut(Value<'t>)) {
    match path {
        // Behind a last `**`, what is below is taken whole.
        [] | [Step::AnyNumber] => visit(value),
        [Step::Name(name), rest @ ..] => {
            if let Some(child) = value.get(name) {
                follow(child, rest, visit);
            }
        }
        [Step::Any, rest @ ..] => {
            for child in value.items().chain(value.member_nodes().map(|(_, child)| child)) {
                follow(child, rest, visit);
            }
        }
        [Step::AnyNumber, rest @ ..] => {
            let containers =
                value.subtree().filter(|value| matches!(value.kind(), Kind::Array | Kind::Object));
            containers.for_each(|container| follow(container, rest, visit));
        }
    }
}

/// Whether a pattern leads to the field at `path`, in which `*` stands for one place in a list.
fn covers(pattern: &[Step], path: &[Step]) -> bool {
    match (pattern, path) {
        ([], []) => true,
        ([Step::AnyNumber, rest @ ..], _) => (0..=path.len()).any(|depth| covers(rest, &path[depth..])),
        ([Step::Any, rest @ ..], [_, path @ ..]) => covers(rest, path),
        ([step, rest @ ..], [at, path @ ..]) => step == at && covers(rest, path),
        _ => false,
    }
}

impl FromStr for FieldPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let mut steps = Vec::new();
        let mut rest = text;
        loop {
            let (step, behind) = first_step(rest)?;
            steps.push(step);
            if steps.len() > STEPS_MAX {
                return Err(PathError::TooLong);
            }
            match behind {
                Some(behind) => rest = behind,
                None => break,
            }
        }
        if steps.iter().filter(|step| **step == Step::AnyNumber).count() > 1 {
            return Err(PathError::SeveralAnyNumber);
        }
        Ok(Self(steps))
    }
}

/// The first step of a text, and what stands behind the full stop that ends it.
fn first_step(text: &str) -> Result<(Step, Option<&str>), PathError> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (name, behind) = quoted.split_once('"').ok_or(PathError::Quote)?;
        let step = Step::Name(name.to_owned());
        return match behind.strip_prefix('.') {
            Some(behind) => Ok((step, Some(behind))),
            None if behind.is_empty() => Ok((step, None)),
            None => Err(PathError::Quote),
        };
    }
    let (name, behind) = match text.split_once('.') {
        Some((name, behind)) => (name, Some(behind)),
        None => (text, None),
    };
    let step = match name {
        "" => return Err(PathError::EmptyName),
        "*" => Step::Any,
        "**" => Step::AnyNumber,
        name if name.contains('"') => return Err(PathError::Quote),
        name => Step::Name(name.to_owned()),
    };
    Ok((step, behind))
}

impl fmt::Display for FieldPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            if place > 0 {
                formatter.write_str(".")?;
            }
            match step {
                Step::Any => formatter.write_str("*")?,
                Step::AnyNumber => formatter.write_str("**")?,
                Step::Name(name) if name.is_empty() || name.contains(['.', '*']) => {
                    write!(formatter, "\"{name}\"")?;
                }
                Step::Name(name) => formatter.write_str(name)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_as_it_was_read() {
        for text in
            ["a", "a.b.*.c", "**", "a.**.b", "annotations.\"authorization.k8s.io/reason\".x", "\"\".a"]
        {
            assert_eq!(text.parse::<FieldPath>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn texts_that_are_no_path() {
        for (text, error) in [
            ("", PathError::EmptyName),
            ("a.", PathError::EmptyName),
            ("a..b", PathError::EmptyName),
            ("\"a", PathError::Quote),
            ("\"a\"b", PathError::Quote),
            ("a\"b\"", PathError::Quote),
            ("**.a.**", PathError::SeveralAnyNumber),
        ] {
            assert_eq!(text.parse::<FieldPath>(), Err(error), "{text}");
        }
        assert_eq!(vec!["a"; 33].join(".").parse::<FieldPath>(), Err(PathError::TooLong));
    }

    #[test]
    fn a_path_names_a_field_only_by_its_own_name() {
        let field: FieldPath = "userIdentity.arn".parse().unwrap();
        for (text, names) in [
            ("userIdentity.arn", true),
            ("**.arn", true),
            ("*.arn", true),
            ("userIdentity", false),
            ("userIdentity.*", false),
            ("**", false),
            ("arn", false),
        ] {
            assert_eq!(text.parse::<FieldPath>().unwrap().names(&field), names, "{text}");
        }
    }
}
