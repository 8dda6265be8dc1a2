//! What a source declares: how to tell its records, where its events are, which fields are secret, and what its
//! keys mean. One file per source fills one [`Source`]; `SOURCES` in `lib.rs` lists them all.
//!
//! This file knows no vendor: everything that does is in the source's own file.

use ascribe_model::Event;

use crate::json::Value;

/// One kind of log.
pub struct Source {
    /// Stable id, such as `aws_cloudtrail`; part of every event id.
    pub id: &'static str,
    /// Readable name.
    pub name: &'static str,
    /// Version of the parser. It rises when the same bytes give another event; the event id does not depend on it.
    pub version: u32,
    /// Every key kind that the source lists.
    pub keys: &'static [KeyDeclaration],
    /// Fields known to hold secrets, as paths from the event object.
    pub secrets: &'static [SecretField],
    /// Names of top-level arrays whose elements are records, such as `Records`.
    pub lists: &'static [&'static str],
    /// Whether a record is of this source. Cheap: it looks at a few members.
    pub recognises: fn(Value<'_>) -> bool,
    /// Where the events of a recognised record are: the record itself, or what its wrapper holds. Members of a
    /// wrapper that are not events of this source are simply not listed.
    pub parts: for<'t> fn(Value<'t>) -> Vec<Part<'t>>,
    /// What one part says. `None` for a part that describes no act, such as a digest. The id is left zero.
    pub event: fn(&Entry<'_>) -> Result<Option<Event>, Unreadable>,
    /// What the event's id does not depend on.
    pub identity: ContentIdentity,
}

/// Only the id: the rest is functions and tables.
impl std::fmt::Debug for Source {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Source({})", self.id)
    }
}

/// A key kind that a source lists.
pub struct KeyDeclaration {
    /// The kind, such as `aws.access_key`.
    pub kind: &'static str,
    /// One sentence: what the value is and where it comes from.
    pub meaning: &'static str,
}

impl KeyDeclaration {
    /// A kind of key, and what it means.
    pub(crate) const fn new(kind: &'static str, meaning: &'static str) -> Self {
        Self { kind, meaning }
    }
}

/// A field that is known to hold a secret.
pub struct SecretField {
    /// Member names from the event object; `*` is any one member or element, `**` any number of them.
    /// Where the value is an object or an array, every string and number inside is withheld.
    pub path: &'static [&'static str],
    /// Name of the rule, such as `aws.session_token`; it is written into the placeholder.
    pub rule: &'static str,
    /// What stays of the value.
    pub transform: Transform,
    /// Which event objects the rule is for; `None` for all. A Kubernetes `data` member is secret in a Secret only.
    pub when: Option<fn(Value<'_>) -> bool>,
    /// What the object that holds the last name must be; `None` for any. The `value` of an environment variable is
    /// secret where the `name` beside it says so.
    pub beside: Option<fn(Value<'_>) -> bool>,
    /// What stays inside of an object or an array at the path: asked of each string and number in there, with the
    /// name of the innermost member that holds it. `None` where nothing stays.
    pub spares: Option<fn(&str, Value<'_>) -> bool>,
}

/// The source's own transform of a secret: what other logs carry of it, so that joins survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transform {
    /// Nothing stays.
    Nothing,
    /// The `jti` claim of a JWT, if it has one.
    JwtId,
    /// Base64 of the SHA-256 of the secret, as GitHub's `hashed_token`. The event lists it as a key of the kind `key`.
    Sha256Base64 {
        /// The kind, such as `github.token`.
        key: &'static str,
    },
}

/// Where one event of a record is.
#[derive(Clone, Copy)]
pub enum Part<'t> {
    /// An object of the record: the record itself, or a member of its wrapper.
    Object(Value<'t>),
    /// A string whose text is JSON.
    Text(Value<'t>),
    /// A string whose text is JSON from this byte of it on; before it stands a header, such as that of syslog.
    Tail(Value<'t>, usize),
}

/// What [`Source::event`] is given.
pub struct Entry<'a> {
    /// The event object.
    pub event: Value<'a>,
    /// The whole record around it; the event object itself where there is no wrapper.
    pub record: Value<'a>,
    /// The part's place in the record: the value that holds it (for [`Part::Text`] and [`Part::Tail`] the string).
    pub holder: Value<'a>,
    /// What the operator said about the input.
    pub context: &'a Context<'a>,
}

/// What the operator said about the input.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context<'a> {
    /// Native scope, for records that carry none, such as plain Kubernetes audit files.
    pub scope: Option<&'a str>,
}

/// What an event's id does not depend on (`docs/formats/event.md`).
pub struct ContentIdentity {
    /// Top-level members of the event object that a collector adds; a trailing `*` stands for any ending.
    pub delivery_only: &'static [&'static str],
    /// Members that may hold the event's time, the source's own name first. The first one present is written
    /// normalised under the first name, when the event has a time; the others are delivery-only.
    pub time: &'static [&'static str],
    /// Where several devices of the source each write a copy of an event: what differs between the copies.
    pub devices: Option<Devices>,
}

/// What differs between the copies of one event that several devices of a source write. Each copy also has the moment
/// at which its device wrote it, so where the source gave the event an id, the time is not part of its identity.
pub struct Devices {
    /// How a string begins that a device hashed under a salt of its own; 64 lower-case hexadecimal digits follow.
    pub hash_prefix: &'static str,
}

impl Devices {
    /// Whether `text` is what a device made of another string. It is then no secret, and it differs in every copy.
    pub(crate) fn hashed(&self, text: &[u8]) -> bool {
        const HEXADECIMAL_DIGITS: usize = 64;
        text.strip_prefix(self.hash_prefix.as_bytes()).is_some_and(|digits| {
            digits.len() == HEXADECIMAL_DIGITS
                && digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
        })
    }
}

/// A recognised record whose meaning cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found}")]
pub struct Unreadable {
    /// What the format demands.
    pub expected: &'static str,
    /// What the record has, bounded in length.
    pub found: String,
    /// Offset in the document that the event object is part of: the record, or the text of a string of it.
    pub offset: usize,
}
