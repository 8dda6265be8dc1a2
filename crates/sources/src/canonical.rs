//! The content id of an event, as `docs/formats/event.md` states it.
//!
//! The id is taken over what the source said: the event object with its members in one order, in one spelling,
//! without what a collector added. How the record was wrapped and delivered is not in it.

use ascribe_model::{Event, EventId, Timestamp};
use sha2::{Digest, Sha256};

use crate::json::{Kind, Value, encode_minimal};
use crate::source::{ContentIdentity, Source};

/// Separates these hashes from all others, and this version from later ones.
const DOMAIN: &[u8] = b"ascribe/event/v1\0";

/// The id of `event`, which `source` read from `object`.
pub(crate) fn event_id(source: &Source, event: &Event, object: Value<'_>) -> EventId {
    let mut content = Vec::with_capacity(object.raw().len());
    write_content(object, &source.identity, event.time.at, &mut content);
    let mut hash = Sha256::new();
    hash.update(DOMAIN);
    let native = |text: &Option<String>| text.clone().unwrap_or_default();
    for part in [
        source.id.as_bytes(),
        event.source.scope.as_bytes(),
        native(&event.native.uid).as_bytes(),
        native(&event.native.stage).as_bytes(),
        &content,
    ] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    EventId(hash.finalize().into())
}

/// What is written next.
enum Work<'t> {
    Value(Value<'t>),
    Member(Member<'t>),
    Byte(u8),
}

/// A member, with what most names differ in at hand for sorting.
#[derive(Clone, Copy)]
struct Member<'t> {
    beginning: u64,
    name: Value<'t>,
    value: Value<'t>,
}

/// Writes the canonical content of an event object.
fn write_content(object: Value<'_>, identity: &ContentIdentity, time: Option<Timestamp>, out: &mut Vec<u8>) {
    let stated = identity.time.iter().find(|name| object.get(name).is_some());
    let mut members = sorted_members(object);
    members.retain(|member| {
        if identity.time.iter().any(|time| member.name.is_text(time)) {
            // A time that could be read is written below, normalised; one that could not, as it stands.
            return time.is_none() && stated.is_some_and(|stated| member.name.is_text(stated));
        }
        !identity.delivery_only.iter().any(|pattern| matches(member.name, pattern))
    });
    let normalised = time.zip(stated.and(identity.time.first()));
    let place = normalised.map(|(_, name)| members.partition_point(|other| text_below(other.name, name)));
    out.push(b'{');
    let mut work = Vec::new();
    for (index, member) in members.iter().enumerate() {
        if place == Some(index) {
            write_time(normalised, out);
        }
        separate(out);
        write_all(Work::Member(*member), &mut work, out);
    }
    if place == Some(members.len()) {
        write_time(normalised, out);
    }
    out.push(b'}');
}

fn write_time(time: Option<(Timestamp, &&'static str)>, out: &mut Vec<u8>) {
    if let Some((time, name)) = time {
        separate(out);
        out.extend_from_slice(format!("\"{name}\":\"{time}\"").as_bytes());
    }
}

/// Writes a comma unless this is the first member.
fn separate(out: &mut Vec<u8>) {
    if out.len() > 1 {
        out.push(b',');
    }
}

/// Writes one member or value and all that is in it, without recursion.
fn write_all<'t>(first: Work<'t>, work: &mut Vec<Work<'t>>, out: &mut Vec<u8>) {
    work.push(first);
    while let Some(next) = work.pop() {
        match next {
            Work::Byte(byte) => out.push(byte),
            Work::Member(Member { name, value, .. }) => {
                write_string(name, out);
                out.push(b':');
                work.push(Work::Value(value));
            }
            Work::Value(value) => match value.kind() {
                Kind::Object => {
                    out.push(b'{');
                    work.push(Work::Byte(b'}'));
                    push_members(value, work);
                }
                Kind::Array => {
                    out.push(b'[');
                    work.push(Work::Byte(b']'));
                    let start = work.len();
                    for item in value.items() {
                        if work.len() > start {
                            work.push(Work::Byte(b','));
                        }
                        work.push(Work::Value(item));
                    }
                    work[start..].reverse();
                }
                Kind::String => write_string(value, out),
                Kind::Null | Kind::Bool | Kind::Number => out.extend_from_slice(value.raw()),
            },
        }
    }
}

/// Pushes an object's members so that they come off in the order of their names.
fn push_members<'t>(object: Value<'t>, work: &mut Vec<Work<'t>>) {
    for (index, member) in sorted_members(object).iter().rev().enumerate() {
        if index > 0 {
            work.push(Work::Byte(b','));
        }
        work.push(Work::Member(*member));
    }
}

/// An object's members in the order of the bytes of their decoded names.
fn sorted_members(object: Value<'_>) -> Vec<Member<'_>> {
    let mut escaped = false;
    let mut members = Vec::with_capacity(32);
    members.extend(object.member_nodes().map(|(name, value)| {
        escaped |= name.is_escaped();
        Member { beginning: name.content_beginning(), name, value }
    }));
    if escaped {
        members.sort_unstable_by(|left, right| left.name.text().cmp(&right.name.text()));
    } else {
        members.sort_unstable_by(|left, right| {
            let beginnings = left.beginning.cmp(&right.beginning);
            beginnings.then_with(|| left.name.content().cmp(right.name.content()))
        });
    }
    members
}

fn write_string(string: Value<'_>, out: &mut Vec<u8>) {
    out.push(b'"');
    if string.is_escaped() {
        encode_minimal(string.content(), out);
    } else {
        out.extend_from_slice(string.content());
    }
    out.push(b'"');
}

fn text_below(name: Value<'_>, other: &str) -> bool {
    name.text().is_some_and(|name| *name < *other)
}

/// Whether a member name matches a pattern; a trailing `*` stands for any ending.
fn matches(name: Value<'_>, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) if name.is_escaped() => name.text().is_some_and(|name| name.starts_with(beginning)),
        Some(beginning) => name.content().starts_with(beginning.as_bytes()),
        None => name.is_text(pattern),
    }
}
