//! Raw records to events and subjects, as a program reads and asks.

use std::sync::Arc;

use ascribe_assess::Subject;
use ascribe_model::{Credential, CredentialClass, Event, KeyKind, KeyRef};
use ascribe_sources::json::AtEnd;
use ascribe_sources::{Context, Framer, Reading, Received, SOURCES, Step, read};

/// The cluster that the operator names for records that do not name theirs.
const SCOPE: &str = "prod";

/// The events of JSON Lines in which every line is a record of a known source.
pub fn events_of(input: &[u8]) -> Vec<Event> {
    let mut framer = Framer::new(SOURCES);
    let context = Context { scope: Some(SCOPE) };
    let (mut events, mut position) = (Vec::new(), 0);
    loop {
        let rest = &input[position..];
        match framer.next(rest, AtEnd::Yes) {
            Step::End { .. } => return events,
            Step::Framing { length } => position += length,
            Step::Record { length } => {
                let received = Received { bytes: &rest[..length], tape: framer.tape(), last: None };
                match read(received, &context) {
                    Reading::Record(record) => {
                        assert_eq!(record.unread, [], "byte {position}");
                        events.extend(record.events);
                    }
                    Reading::Reject(reject) => panic!("byte {position}: {}", reject.reject),
                }
                position += length;
            }
            step => panic!("byte {position}: {step:?}"),
        }
    }
}

/// What `text` names: an event by its native id, or a key as `kind:value` or `kind@scope:value`.
pub fn subject_of(text: &str, events: &[Event]) -> Subject {
    if let Some(event) = events.iter().find(|event| event.native.uid.as_deref() == Some(text)) {
        return Subject::Event(Arc::new(event.clone()));
    }
    let mut listed = events.iter().flat_map(|event| &event.keys).map(ascribe_model::Key::to_ref);
    if let Some(uid) = listed.find(|uid| uid.to_string() == text) {
        return Subject::Key(credential_of(&uid, events));
    }
    let (kind, value) = text.split_once(':').expect("`kind:value`, or the native id of an event");
    let (kind, scope) = kind.split_once('@').unwrap_or((kind, ""));
    let uid = KeyRef { kind: KeyKind::from_name(kind), scope: scope.to_owned(), value: value.to_owned() };
    Subject::Key(credential_of(&uid, events))
}

/// The credential in the words of the first event that knows it.
pub fn credential_of(uid: &KeyRef, events: &[Event]) -> Credential {
    let used = events.iter().filter_map(|event| event.credential.as_ref());
    let affected = events.iter().flat_map(|event| &event.effects);
    let mut known = used.chain(affected.filter_map(|effect| effect.credential.as_ref()));
    known
        .find(|credential| credential.uid == *uid)
        .cloned()
        .unwrap_or_else(|| Credential { uid: uid.clone(), class: CredentialClass::Unknown })
}
