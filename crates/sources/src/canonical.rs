//! The content id of an event, as `docs/formats/event.md` states it.
//!
//! The id is taken over what the source said: the event object with its members in one order, in one spelling,
//! without what a collector added. How the record was wrapped and delivered is not in it.

use ascribe_model::{Event, EventId};
use sha2::{Digest, Sha256};

use crate::json::{Kind, Value, encode_minimal};
use crate::secrets::placeholders;
use crate::source::{ContentIdentity, Devices, Source};

/// Separates these hashes from all others, and this version from later ones.
const DOMAIN: &[u8] = b"ascribe/event/v1\0";

/// What stands before a commitment in a placeholder.
const SEALED: &str = " sealed=";

/// The id of `event`, which `source` read from `object`.
pub(crate) fn event_id(source: &Source, event: &Event, object: Value<'_>) -> EventId {
    let content = canonical_content(object, &source.identity, event);
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
fn canonical_content(object: Value<'_>, identity: &ContentIdentity, event: &Event) -> Vec<u8> {
    let time = event.time.at;
    // Each device states the moment at which it wrote its own copy; the event's id tells that the copies are one event.
    let time_differs = identity.devices.is_some() && event.native.uid.is_some();
    let mut writer = Writer {
        document: object,
        devices: identity.devices.as_ref(),
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
            return !time_differs && time.is_none() && stated.is_some_and(|stated| name.is_text(stated));
        }
        !identity.delivery_only.iter().any(|pattern| matches(name, pattern))
    });
    let normalised = time.filter(|_| !time_differs).zip(stated.and(identity.time.first()));
    if let Some((_, name)) = normalised {
        let below = |member: &Member| object.at(member.position).text().is_some_and(|text| *text < **name);
        let place = writer.members.partition_point(below);
        writer.members.insert(place, Member { beginning: 0, position: NORMALISED_TIME });
    }
    writer.run(|| normalised.map(|(time, name)| format!("\"{name}\":\"{time}\"")).unwrap_or_default());
    without_commitments(writer.out)
}

/// The content with each placeholder of a sealed value as `[withheld:<rule> sealed=]`: the commitment has a salt of its
/// own in each delivery, and two deliveries of one event are one event.
fn without_commitments(content: Vec<u8>) -> Vec<u8> {
    if memchr::memmem::find(&content, SEALED.as_bytes()).is_none() {
        return content;
    }
    let mut kept = Vec::with_capacity(content.len());
    let mut behind = 0;
    for (start, placeholder) in placeholders(&content) {
        if let Some(("sealed", commitment)) = placeholder.kept {
            let end = start + "[withheld:".len() + placeholder.rule.len() + SEALED.len();
            kept.extend_from_slice(&content[behind..end]);
            behind = end + commitment.len();
        }
    }
    kept.extend_from_slice(&content[behind..]);
    kept
}

/// Writes one value and all that is in it, without recursion.
struct Writer<'t> {
    document: Value<'t>,
    devices: Option<&'t Devices>,
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
            Kind::String => self.value_string(value),
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

    /// A string that is a value: of what a device hashed under its own salt, only that it did so is the event's.
    fn value_string(&mut self, string: Value<'_>) {
        let content = self.out.len() + 1;
        self.string(string);
        if let Some(devices) = self.devices
            && devices.hashed(&self.out[content..self.out.len() - 1])
        {
            self.out.truncate(content + devices.hash_prefix.len());
            self.out.push(b'"');
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

#[cfg(test)]
mod tests {
    use ascribe_model::{
        Api, EventTime, Identity, IdentityKind, KeyKind, KeyRef, Native, Origin, Outcome, SourceRef, Status,
        TimeBasis, Verb,
    };

    use super::*;
    use crate::json::{AtEnd, Tape};

    const COPIED: ContentIdentity = ContentIdentity {
        delivery_only: &["host"],
        time: &["time", "@timestamp"],
        devices: Some(Devices { hash_prefix: "hash:" }),
    };

    /// The content of `text`, as of an event with the id `uid` whose time could be read.
    fn content(text: &str, uid: Option<&str>, identity: &ContentIdentity) -> String {
        let mut tape = Tape::new();
        tape.parse_prefix(text.as_bytes(), AtEnd::Yes);
        let event = Event {
            id: EventId([0; 32]),
            source: SourceRef { kind: String::new(), scope: String::new(), partition: None },
            native: Native { uid: uid.map(str::to_owned), ..Native::default() },
            time: EventTime {
                at: "2026-08-14T09:12:00Z".parse().ok(),
                end: None,
                precision_ns: 1,
                basis: TimeBasis::Stated,
            },
            verb: Verb::Unknown,
            api: Api { operation: String::new(), service: String::new() },
            outcome: Outcome { status: Status::Unknown, status_code: None, status_detail: None },
            actor: Identity {
                kind: IdentityKind::Unknown,
                uid: KeyRef { kind: KeyKind::new("x"), scope: String::new(), value: String::new() },
                name: None,
                session_name: None,
                alt_names: Vec::new(),
            },
            on_behalf_of: Vec::new(),
            credential: None,
            effects: Vec::new(),
            authorities: Vec::new(),
            resources: Vec::new(),
            keys: Vec::new(),
            src_endpoint: Origin::default(),
            coverage_hints: Vec::new(),
        };
        String::from_utf8(canonical_content(tape.root(text.as_bytes()), identity, &event)).unwrap()
    }

    #[test]
    fn copies_of_several_devices_have_one_content() {
        let (one, two) = ("ab12".repeat(16), "cd34".repeat(16));
        let copy = |hash: &str, second: u8| {
            format!(r#"{{"time":"2026-08-14T09:12:0{second}Z","host":"h","a":["hash:{hash}"],"b":"x"}}"#)
        };
        let found = content(&copy(&one, 0), Some("id"), &COPIED);
        assert_eq!(found, r#"{"a":["hash:"],"b":"x"}"#);
        assert_eq!(content(&copy(&two, 1), Some("id"), &COPIED), found);
        let spelled_otherwise = copy(&one, 0).replace("hash:", "h\\u0061sh:");
        assert_eq!(content(&spelled_otherwise, Some("id"), &COPIED), found);
    }

    #[test]
    fn without_an_id_the_time_tells_events_apart() {
        let text = r#"{"time":"2026-08-14 09:12:00Z","a":1}"#;
        assert_eq!(content(text, None, &COPIED), r#"{"a":1,"time":"2026-08-14T09:12:00Z"}"#);
    }

    #[test]
    fn only_whole_hashes_in_values_differ_between_copies() {
        let hash = "ab12".repeat(16);
        for text in [
            format!(r#"{{"a":"hash:{}"}}"#, &hash[1..]),
            format!(r#"{{"a":"hash:{hash}0"}}"#),
            format!(r#"{{"a":"hash:{}"}}"#, hash.to_uppercase()),
            format!(r#"{{"a":"x hash:{hash}"}}"#),
            format!(r#"{{"hash:{hash}":1}}"#),
        ] {
            assert_eq!(content(&text, Some("id"), &COPIED), text);
        }
        let text = format!(r#"{{"a":"hash:{hash}"}}"#);
        let uncopied = ContentIdentity { devices: None, ..COPIED };
        assert_eq!(content(&text, Some("id"), &uncopied), text);
    }
}
