//! Reading one record: which source wrote it, what is withheld from it, what it says.
//!
//! Events are always built from the captured bytes, so what they say never depends on a secret, and reading a
//! captured record again gives the same events. It knows no vendor and does not know where bytes come from.

use std::borrow::Cow;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ascribe_model::{CoverageHint, Event};

use crate::canonical::event_id;
use crate::json::{AtEnd, Prefix, Tape, Value};
use crate::look_alike::look_alike;
use crate::names::{DuplicateName, check_names};
use crate::reject::{Reject, RejectReason};
use crate::secrets::{self, Document, Fields, Wholeness, Withheld, Wrapped, raw_spans, shown_tokens};
use crate::source::{Context, Entry, Part, Source, Unreadable};

/// Names of an unknown object that a reject shows, and how long they may be.
const NAMES_SHOWN_MAX: usize = 5;
const NAME_SHOWN_MAX: usize = 40;
/// Most tokens that an event lists because its record showed them. Real records show one or two.
const SHOWN_TOKENS_MAX: usize = 256;

/// What came of reading.
#[derive(Clone, Debug)]
pub enum Reading<'a> {
    /// A record of a known source.
    Record(ReadRecord<'a>),
    /// Bytes that are kept, and mean nothing yet.
    Reject(ReadReject<'a>),
}

/// A record of a known source.
#[derive(Clone, Debug)]
pub struct ReadRecord<'a> {
    /// The source that wrote it.
    pub source: &'static Source,
    /// The bytes as received, less what is withheld.
    pub captured: Cow<'a, [u8]>,
    /// What is withheld, in the order of the bytes.
    pub withheld: Vec<Withheld>,
    /// What it says; nothing where it describes no act.
    pub events: Vec<Event>,
    /// Parts of it that could not be read, where others could.
    pub unread: Vec<UnreadPart>,
}

/// Bytes that no parser could read, less what is withheld.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadReject<'a> {
    /// Why.
    pub reject: Reject,
    /// The bytes as received, less what is withheld.
    pub captured: Cow<'a, [u8]>,
    /// What is withheld, in the order of the bytes.
    pub withheld: Vec<Withheld>,
}

/// A part of a record that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadPart {
    /// Where it stands in the captured bytes.
    pub span: Range<usize>,
    /// Why.
    pub reason: Unreadable,
}

/// A record as the framer hands it over.
#[derive(Clone, Copy)]
pub struct Received<'a> {
    /// The bytes of one JSON value.
    pub bytes: &'a [u8],
    /// Their tape.
    pub tape: &'a Tape,
    /// The source of the record before it: it is tried first.
    pub last: Option<&'static Source>,
}

/// Reads a record of one of `SOURCES`.
pub fn read<'a>(received: Received<'a>, context: &Context<'_>) -> Reading<'a> {
    guarded(received.bytes, || read_record(received, context))
}

/// A parser that panics on one record must not take the others with it, nor this record's bytes.
fn guarded<'a>(bytes: &'a [u8], read: impl FnOnce() -> Reading<'a>) -> Reading<'a> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        let reject = whole_reject(RejectReason::ParserPanic, "a parser that reads it", "one that panics");
        Reading::Reject(read_reject(bytes, reject))
    })
}

/// Takes the secrets out of bytes that the framer rejected.
pub fn read_reject(bytes: &[u8], reject: Reject) -> ReadReject<'_> {
    let (captured, withheld) = secrets::splice(bytes, secrets::cuts_in_bytes(bytes, Wholeness::Broken));
    ReadReject { reject, captured, withheld }
}

fn read_record<'a>(received: Received<'a>, context: &Context<'_>) -> Reading<'a> {
    let root = received.tape.root(received.bytes);
    let names = match check_names(root) {
        Ok(names) => names,
        Err(duplicate) => return reject_whole(received.bytes, root, duplicate_reject(&duplicate)),
    };
    let Some(source) = recognise(root, received.last) else {
        return reject_whole(received.bytes, root, unknown_reject(root));
    };
    let opened = open(source, root);
    let parts = Parts::new(&opened);
    let document =
        Document { fields: Fields::Of(source), bytes: received.bytes, root, escaped_names: names.escaped };
    let (captured, withheld) = secrets::splice(received.bytes, document.cuts(&parts.events, &parts.wrapped));
    let said = if withheld.is_empty() {
        events(source, root, &opened, context)
    } else {
        said_in(source, &captured, context)
    };
    match said {
        Ok(Said { events, unread }) => {
            Reading::Record(ReadRecord { source, captured, withheld, events, unread })
        }
        Err(reject) => Reading::Reject(ReadReject { reject, captured, withheld }),
    }
}

/// What a record says from which values were withheld.
pub(crate) fn said_in(
    source: &'static Source,
    captured: &[u8],
    context: &Context<'_>,
) -> Result<Said, Reject> {
    let mut tape = Tape::new();
    if !tape.parses(captured) {
        return Err(whole_reject(RejectReason::ParserPanic, "JSON behind the withheld values", "none"));
    }
    let root = tape.root(captured);
    events(source, root, &open(source, root), context)
}

/// The source that wrote a record; `last` is tried first.
pub(crate) fn recognise(root: Value<'_>, last: Option<&'static Source>) -> Option<&'static Source> {
    last.into_iter().chain(crate::SOURCES).find(|source| (source.recognises)(root))
}

/// A part of a record, opened.
pub(crate) struct Opened<'t> {
    /// The value that holds the event object, or its text.
    holder: Value<'t>,
    content: Content,
}

enum Content {
    /// The holder is the event object.
    Holder,
    /// The holder's text is the event object.
    Text(Text),
}

/// The text of a string, parsed where it is JSON.
struct Text {
    decoded: String,
    /// Where the JSON begins.
    start: usize,
    tape: Tape,
    state: Result<crate::names::Names, Unreadable>,
}

/// What the search for secrets needs to know of the parts.
struct Parts<'t> {
    events: Vec<Value<'t>>,
    wrapped: Vec<Wrapped<'t>>,
}

/// The parts of a record.
pub(crate) fn open<'t>(source: &Source, root: Value<'t>) -> Vec<Opened<'t>> {
    (source.parts)(root)
        .into_iter()
        .map(|part| match part {
            Part::Object(holder) => Opened { holder, content: Content::Holder },
            Part::Text(holder) => Opened { holder, content: Content::Text(Text::open(holder, 0)) },
            Part::Tail(holder, start) => Opened { holder, content: Content::Text(Text::open(holder, start)) },
        })
        .collect()
}

impl Opened<'_> {
    /// The event object; `None` where a text is none.
    pub(crate) fn object(&self) -> Option<Value<'_>> {
        match &self.content {
            Content::Holder => Some(self.holder),
            Content::Text(text) => text.state.is_ok().then(|| text.root()),
        }
    }

    /// Whether the event object is the text of a string.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.content, Content::Text(_))
    }

    /// Where `spans` of the document that holds the event object stand in the record.
    pub(crate) fn places(&self, spans: &[Range<usize>]) -> Vec<Range<usize>> {
        let Content::Text(Text { start, .. }) = &self.content else { return spans.to_vec() };
        let spans: Vec<_> = spans.iter().map(|span| start + span.start..start + span.end).collect();
        let content = self.holder.span().start + 1;
        let spans = raw_spans(self.holder.content(), &spans);
        spans.into_iter().map(|span| content + span.start..content + span.end).collect()
    }
}

impl Text {
    fn open(holder: Value<'_>, start: usize) -> Self {
        let decoded = holder.text().unwrap_or_default().into_owned();
        let text = decoded.get(start..).unwrap_or_default();
        let mut tape = Tape::new();
        let state = match tape.parse_prefix(text.as_bytes(), AtEnd::Yes) {
            Prefix::Complete { length } if text[length..].trim_ascii().is_empty() => {
                check_names(tape.root(text.as_bytes())).map_err(|duplicate| Unreadable {
                    expected: "each member name once",
                    found: "one twice".to_owned(),
                    offset: duplicate.offset,
                })
            }
            Prefix::Complete { length } => Err(not_json("the end of the text", text, length)),
            Prefix::Incomplete => Err(not_json("the rest of the value", text, text.len())),
            Prefix::Invalid(fault) => Err(not_json(fault.expected, text, fault.offset)),
        };
        Self { decoded, start, tape, state }
    }

    fn root(&self) -> Value<'_> {
        self.tape.root(self.decoded.get(self.start..).unwrap_or_default().as_bytes())
    }
}

impl<'t> Parts<'t> {
    fn new(opened: &'t [Opened<'t>]) -> Self {
        let mut parts = Self { events: Vec::new(), wrapped: Vec::new() };
        for part in opened {
            match &part.content {
                Content::Holder => parts.events.push(part.holder),
                Content::Text(text) => {
                    let document = text.state.as_ref().ok().map(|names| (text.root(), names.escaped));
                    let Text { decoded, start, .. } = text;
                    parts.wrapped.push(Wrapped {
                        holder: part.holder,
                        text: decoded,
                        start: *start,
                        document,
                    });
                }
            }
        }
        parts
    }
}

/// What the parts of a record say.
pub(crate) struct Said {
    pub events: Vec<Event>,
    pub unread: Vec<UnreadPart>,
}

/// The events of a record. A record of which no part can be read is a reject.
fn events(
    source: &'static Source,
    record: Value<'_>,
    opened: &[Opened<'_>],
    context: &Context<'_>,
) -> Result<Said, Reject> {
    let mut said = Said { events: Vec::new(), unread: Vec::new() };
    let mut read = 0;
    let mut offsets = Vec::new();
    for part in opened {
        match event_of_part(source, part, record, context) {
            Ok(event) => {
                read += 1;
                said.events.extend(event);
            }
            Err(reason) => {
                offsets.push(match part.content {
                    Content::Holder => reason.offset,
                    // Inside a string, escapes move everything: where the string begins is what can be said.
                    Content::Text(_) => part.holder.span().start,
                });
                said.unread.push(UnreadPart { span: part.holder.span(), reason });
            }
        }
    }
    match (read, said.unread.first(), offsets.first()) {
        (0, Some(UnreadPart { reason, .. }), Some(&offset)) => Err(Reject {
            reason: RejectReason::Unreadable,
            offset,
            expected: reason.expected.to_owned(),
            found: reason.found.clone(),
        }),
        _ => Ok(said),
    }
}

/// What one part of a record says.
pub(crate) fn event_of_part(
    source: &Source,
    part: &Opened<'_>,
    record: Value<'_>,
    context: &Context<'_>,
) -> Result<Option<Event>, Unreadable> {
    let object = match &part.content {
        Content::Holder => part.holder,
        Content::Text(text) => text.state.as_ref().map(|_| text.root()).map_err(Unreadable::clone)?,
    };
    let event = (source.event)(&Entry { event: object, record, holder: part.holder, context })?;
    Ok(event.map(|event| {
        let mut event = Event { id: event_id(source, &event, object), ..event.with_parents() };
        add_shown_tokens(object, &mut event);
        event
    }))
}

/// Lists the tokens that the record showed, so that other records of them are found. They are not among the parents: a
/// token that a text mentions handed out nothing.
fn add_shown_tokens(object: Value<'_>, event: &mut Event) {
    let shown = shown_tokens(object.raw());
    let left_out = shown.len().saturating_sub(SHOWN_TOKENS_MAX);
    event.keys.extend(shown.into_iter().take(SHOWN_TOKENS_MAX));
    if left_out > 0 {
        event.coverage_hints.push(CoverageHint {
            kind: "tokens_not_listed".to_owned(),
            note: format!("the record shows {left_out} more tokens than are listed as keys"),
        });
    }
}

/// Rejects whole JSON: its secrets are found by the names of members and by format.
fn reject_whole<'a>(bytes: &'a [u8], root: Value<'_>, reject: Reject) -> Reading<'a> {
    let document = Document { fields: Fields::OfAnySource, bytes, root, escaped_names: true };
    let (captured, withheld) = secrets::splice(bytes, document.cuts(&[], &[]));
    Reading::Reject(ReadReject { reject, captured, withheld })
}

fn unknown_reject(root: Value<'_>) -> Reject {
    let expected = "an audit record of a known source";
    match look_alike(root) {
        Some(what) => whole_reject(RejectReason::NotALog, expected, what),
        None => whole_reject(RejectReason::UnknownSource, expected, &kind_with_members(root)),
    }
}

/// What kind of value it is; of an object the first names too, since they tell what wrote it. A name that could be
/// anything else than a name is left out.
fn kind_with_members(value: Value<'_>) -> String {
    if value.kind() != crate::json::Kind::Object {
        return kind_in_words(value).to_owned();
    }
    let is_plain = |name: &str| {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.@:$ ".contains(&byte);
        (1..=NAME_SHOWN_MAX).contains(&name.len())
            && name.bytes().all(is_word)
            && !secrets::shows_secret(name)
    };
    let names = value.member_nodes().filter_map(|(name, _)| name.text().map(std::borrow::Cow::into_owned));
    let shown: Vec<String> =
        names.filter(|name| is_plain(name)).take(NAMES_SHOWN_MAX).map(|name| format!("`{name}`")).collect();
    if shown.is_empty() {
        kind_in_words(value).to_owned()
    } else {
        format!("an object with {}", shown.join(", "))
    }
}

fn duplicate_reject(duplicate: &DuplicateName) -> Reject {
    let found = if secrets::shows_secret(&duplicate.name) {
        "a secret as a name, twice".to_owned()
    } else {
        format!("`{}` twice", duplicate.name)
    };
    let expected = "each member name once".to_owned();
    Reject { reason: RejectReason::DuplicateKey, offset: duplicate.offset, expected, found }
}

fn whole_reject(reason: RejectReason, expected: &str, found: &str) -> Reject {
    Reject { reason, offset: 0, expected: expected.to_owned(), found: found.to_owned() }
}

fn not_json(expected: &'static str, text: &str, offset: usize) -> Unreadable {
    let found = crate::reject::describe(text.as_bytes().get(offset).copied());
    Unreadable { expected, found, offset }
}

fn kind_in_words(value: Value<'_>) -> &'static str {
    use crate::json::Kind;
    match value.kind() {
        Kind::Object => "another object",
        Kind::Array => "an array",
        Kind::String => "a string",
        Kind::Number => "a number",
        Kind::Bool => "a truth value",
        Kind::Null => "`null`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parser_that_panics_leaves_a_reject_without_secrets() {
        let bytes = br#"{"password":"hush"}"#;
        match guarded(bytes, || panic!("a parser's mistake")) {
            Reading::Record(record) => panic!("{record:?}"),
            Reading::Reject(found) => {
                assert_eq!(found.reject.reason, RejectReason::ParserPanic);
                assert_eq!(&*found.captured, br#"{"password":"[withheld:aws.password]"}"#);
            }
        }
    }
}
