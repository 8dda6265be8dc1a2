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
    let content = canonical_content(object, &source.identity, event.time.at);
    let mut hash = Sha256::new();
    hash.update(DOMAIN);
    for part in [
        source.id.as_bytes(),
        event.source.scope.as_bytes(),
        event.native.uid.as_deref().unwrap_or_default().as_bytes(),
        event.native.stage.as_deref().unwrap_or_default().as_bytes(),
        &content,
    ] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    EventId(hash.finalize().into())
}

/// The canonical content of an event object.
fn canonical_content(object: Value<'_>, identity: &ContentIdentity, time: Option<Timestamp>) -> Vec<u8> {
    let mut writer = Writer {
        document: object,
        members: Vec::with_capacity(64),
        open: Vec::with_capacity(8),
        out: Vec::with_capacity(object.raw().len()),
    };
    writer.begin(object);
    let stated = identity.time.iter().find(|name| object.get(name).is_some());
    let may_go = FirstBytes::of(identity.delivery_only.iter().chain(identity.time));
    writer.members.retain(|member| {
        let name = object.at(member.position);
        if !may_go.contain(name) {
            return true;
        }
        if identity.time.iter().any(|time| name.is_text(time)) {
            // A time that could be read is written normalised; one that could not, as it stands.
            return time.is_none() && stated.is_some_and(|stated| name.is_text(stated));
        }
        !identity.delivery_only.iter().any(|pattern| matches(name, pattern))
    });
    let normalised = time.zip(stated.and(identity.time.first()));
    if let Some((_, name)) = normalised {
        let below = |member: &Member| object.at(member.position).text().is_some_and(|text| *text < **name);
        let place = writer.members.partition_point(below);
        writer.members.insert(place, Member { beginning: 0, position: NORMALISED_TIME });
    }
    writer.run(|| normalised.map(|(time, name)| format!("\"{name}\":\"{time}\"")).unwrap_or_default());
    writer.out
}

/// Writes one value and all that is in it, without recursion.
struct Writer<'t> {
    document: Value<'t>,
    /// Members still to be written of the objects that are open, each object's in order behind the one around it.
    members: Vec<Member>,
    open: Vec<Open>,
    out: Vec<u8>,
}

/// A member, with what most names differ in at hand for sorting.
#[derive(Clone, Copy)]
struct Member {
    beginning: u64,
    /// Of the name; the value follows.
    position: usize,
}

/// Stands in place of a member: the event's time.
const NORMALISED_TIME: usize = usize::MAX;

/// A container of which a part has been written.
#[derive(Clone, Copy)]
enum Open {
    /// Its members begin at `first`; `next` is to be written.
    Object { first: usize, next: usize },
    /// Positions of its first and its next item, and of what follows it.
    Array { first: usize, next: usize, end: usize },
}

impl Writer<'_> {
    /// Writes a scalar, or the opening bracket of a container.
    fn begin(&mut self, value: Value<'_>) {
        match value.kind() {
            Kind::Object => {
                self.out.push(b'{');
                let first = self.members.len();
                let mut escaped = false;
                self.members.extend(value.member_nodes().map(|(name, _)| {
                    escaped |= name.is_escaped();
                    Member { beginning: name.content_beginning(), position: name.position() }
                }));
                sort(&mut self.members[first..], value, escaped);
                self.open.push(Open::Object { first, next: first });
            }
            Kind::Array => {
                self.out.push(b'[');
                let first = value.position() + 1;
                self.open.push(Open::Array { first, next: first, end: value.end_position() });
            }
            Kind::String => self.string(value),
            Kind::Null | Kind::Bool | Kind::Number => self.out.extend_from_slice(value.raw()),
        }
    }

    /// Writes what is open to its end.
    fn run(&mut self, time: impl Fn() -> String) {
        while let Some(open) = self.open.last_mut() {
            match open {
                Open::Object { first, next } => {
                    let (first, current) = (*first, *next);
                    *next += 1;
                    let Some(member) = self.members.get(current) else {
                        self.out.push(b'}');
                        self.members.truncate(first);
                        self.open.pop();
                        continue;
                    };
                    if current > first {
                        self.out.push(b',');
                    }
                    if member.position == NORMALISED_TIME {
                        self.out.extend_from_slice(time().as_bytes());
                        continue;
                    }
                    let name = self.document.at(member.position);
                    self.string(name);
                    self.out.push(b':');
                    self.begin(self.document.at(name.position() + 1));
                }
                Open::Array { first, next, end } => {
                    let (first, current, end) = (*first, *next, *end);
                    if current >= end {
                        self.out.push(b']');
                        self.open.pop();
                        continue;
                    }
                    let item = self.document.at(current);
                    *next = item.end_position();
                    if current > first {
                        self.out.push(b',');
                    }
                    self.begin(item);
                }
            }
        }
    }

    fn string(&mut self, string: Value<'_>) {
        if string.is_escaped() {
            self.out.push(b'"');
            encode_minimal(string.content(), &mut self.out);
            self.out.push(b'"');
        } else {
            self.out.extend_from_slice(string.raw());
        }
    }
}

/// Puts an object's members in the order of the bytes of their decoded names.
fn sort(members: &mut [Member], object: Value<'_>, escaped: bool) {
    if escaped {
        members.sort_unstable_by_key(|member| object.at(member.position).text());
    } else {
        members.sort_unstable_by(|left, right| {
            let content = |member: &Member| object.at(member.position).content();
            left.beginning.cmp(&right.beginning).then_with(|| content(left).cmp(content(right)))
        });
    }
}

/// The bytes with which some patterns begin, so that most names need no look at them.
struct FirstBytes([bool; 256]);

impl FirstBytes {
    fn of<'a>(patterns: impl Iterator<Item = &'a &'static str>) -> Self {
        let mut bytes = [false; 256];
        for first in patterns.filter_map(|pattern| pattern.bytes().next()) {
            bytes[usize::from(first)] = true;
        }
        Self(bytes)
    }

    /// Whether a name's text may begin with one of them.
    fn contain(&self, name: Value<'_>) -> bool {
        name.is_escaped() || name.content().first().is_some_and(|first| self.0[usize::from(*first)])
    }
}

/// Whether a member name matches a pattern; a trailing `*` stands for any ending.
fn matches(name: Value<'_>, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) if name.is_escaped() => name.text().is_some_and(|name| name.starts_with(beginning)),
        Some(beginning) => name.content().starts_with(beginning.as_bytes()),
        None => name.is_text(pattern),
    }
}
