//! What a name that somebody typed stands for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ascribe_assess::{Subject, identity_named, is_credential, is_lasting_identifier};
use ascribe_model::{Credential, CredentialClass, Event, Key, KeyKind, KeyRef, Role};
use ascribe_store::Found;

use super::OpenEvidence;
use super::questions::QuestionError;

/// Names that are looked at when a beginning could be several things.
const NAMES_MAX: usize = 64;
/// Key kind of an event's own id.
const EVENT_KIND: &str = "ascribe.event";

/// What was found by a name.
pub enum Resolved {
    /// One thing.
    Subject(Subject),
    /// Nothing; these names come close.
    Nothing(Vec<KeyRef>),
}

/// What a question can be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sought {
    /// A credential or an event. An identity stands for the one credential that it used.
    Credential,
    /// An identity too.
    Identity,
}

/// What the index has under a name.
enum Indexed {
    /// Keys: of exactly this value, or of the only one that begins so.
    Keys(Vec<Found>),
    /// The only event whose own id begins so.
    Event(Arc<Event>),
    /// Nothing.
    Nothing,
}

/// Finds what `text` names: exactly, or by a beginning that only one thing has.
pub fn resolve(evidence: &OpenEvidence, text: &str, sought: Sought) -> Result<Resolved, QuestionError> {
    let text = text.trim();
    match indexed(evidence, text)? {
        Indexed::Keys(found) => pick(evidence, text, &found, sought).map(Resolved::Subject),
        Indexed::Event(event) => Ok(Resolved::Subject(Subject::Event(event))),
        Indexed::Nothing => suggestions(evidence, text).map(Resolved::Nothing),
    }
}

/// A key that a name stands for.
pub struct Named {
    /// The key.
    pub key: KeyRef,
    /// Leaf of the event whose own id it is; absent for any other key, which the index has.
    pub event_at: Option<u64>,
}

/// Every key that `text` names, of any kind and scope: exactly, or by a beginning that only one value has.
pub fn keys_named(evidence: &OpenEvidence, text: &str) -> Result<Vec<Named>, QuestionError> {
    Ok(match indexed(evidence, text)? {
        Indexed::Keys(found) => {
            found.into_iter().map(|found| Named { key: found.key, event_at: None }).collect()
        }
        Indexed::Event(event) => vec![event_named(evidence, &event)],
        Indexed::Nothing => Vec::new(),
    })
}

/// The values that `text` can mean where nothing in the ledger has it: itself, and without a kind and a scope.
pub fn values_of(text: &str) -> Vec<String> {
    let values: BTreeSet<String> = readings(text).iter().map(|wanted| wanted.value.to_owned()).collect();
    values.into_iter().collect()
}

fn indexed(evidence: &OpenEvidence, text: &str) -> Result<Indexed, QuestionError> {
    let readings = readings(text);
    for wanted in &readings {
        let exact = fitting(wanted, evidence.store.find(wanted.value))?;
        if !exact.is_empty() {
            return Ok(Indexed::Keys(exact));
        }
    }
    let events = events_begun(evidence, &readings)?;
    for wanted in &readings {
        let begun = fitting(wanted, evidence.store.find_prefix(wanted.value, NAMES_MAX))?;
        let values: BTreeSet<&str> = begun.iter().map(|found| found.key.value.as_str()).collect();
        match (values.len(), events.as_slice()) {
            (0, []) => {}
            (0, [one]) => return Ok(Indexed::Event(Arc::clone(one))),
            (1, []) => return Ok(Indexed::Keys(begun)),
            _ => {
                let ids = events.iter().map(|event| format!("{EVENT_KIND}:{}", event.id));
                let names = begun.iter().map(|found| found.key.to_string()).chain(ids).collect();
                return Err(QuestionError::Several { text: text.to_owned(), names });
            }
        }
    }
    Ok(Indexed::Nothing)
}

/// The key that is an event's own id.
pub fn event_named(evidence: &OpenEvidence, event: &Event) -> Named {
    let key = KeyRef { kind: KeyKind::new(EVENT_KIND), scope: String::new(), value: event.id.to_string() };
    Named { key, event_at: evidence.leaf_of(event.id) }
}

/// Names that come close to one that nothing has.
pub fn suggestions(evidence: &OpenEvidence, text: &str) -> Result<Vec<KeyRef>, QuestionError> {
    let readings = readings(text);
    let value = readings.last().map_or(text, |wanted| wanted.value);
    evidence.store.suggest(value, 5).map_err(QuestionError::Store)
}

/// A name, with the kind and scope of key where they were typed too.
struct Wanted<'t> {
    kind: Option<&'t str>,
    scope: Option<&'t str>,
    value: &'t str,
}

/// What a typed text can mean: itself, `kind:value`, or `kind@scope:value`. A scope may hold colons of its own, such
/// as that of an EKS cluster, so each colon could be the one before the value.
fn readings(text: &str) -> Vec<Wanted<'_>> {
    let mut readings = vec![Wanted { kind: None, scope: None, value: text }];
    let kind_end = text.find([':', '@']).unwrap_or(0);
    let kind = &text[..kind_end];
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._".contains(&byte);
    if !kind.contains('.') || !kind.bytes().all(is_word) {
        return readings;
    }
    let rest = &text[kind_end + 1..];
    if text[kind_end..].starts_with(':') {
        readings.push(Wanted { kind: Some(kind), scope: None, value: rest });
    } else {
        let colons = rest.match_indices(':');
        readings.extend(colons.map(|(at, _)| Wanted {
            kind: Some(kind),
            scope: Some(&rest[..at]),
            value: &rest[at + 1..],
        }));
    }
    readings
}

/// Events whose id begins with what was typed, in the order of ids.
fn events_begun(evidence: &OpenEvidence, readings: &[Wanted<'_>]) -> Result<Vec<Arc<Event>>, QuestionError> {
    let mut events = BTreeMap::new();
    for wanted in readings.iter().filter(|wanted| wanted.kind.is_none_or(|kind| kind == EVENT_KIND)) {
        let leaves = evidence.store.events_begun(wanted.value, NAMES_MAX).map_err(QuestionError::Store)?;
        for leaf in leaves {
            let at_leaf = evidence.events_at(leaf).map_err(QuestionError::Evidence)?;
            let begun = at_leaf.into_iter().filter(|event| event.id.to_string().starts_with(wanted.value));
            events.extend(begun.map(|event| (event.id, event)));
        }
    }
    Ok(events.into_values().collect())
}

fn fitting(
    wanted: &Wanted<'_>,
    found: Result<Vec<Found>, ascribe_store::ReadError>,
) -> Result<Vec<Found>, QuestionError> {
    let mut found = found.map_err(QuestionError::Store)?;
    found.retain(|found| {
        let key = &found.key;
        wanted.kind.is_none_or(|kind| kind == key.kind.name())
            && wanted.scope.is_none_or(|scope| scope == key.scope)
    });
    if wanted.scope.is_none() {
        // A system that is shown another's credential knows its id and not its scope: it is the same one.
        let scoped: BTreeSet<(KeyKind, String)> = found
            .iter()
            .filter(|found| !found.key.scope.is_empty())
            .map(|found| (found.key.kind.clone(), found.key.value.clone()))
            .collect();
        found.retain(|found| {
            !found.key.scope.is_empty()
                || !scoped.contains(&(found.key.kind.clone(), found.key.value.clone()))
        });
    }
    Ok(found)
}

/// Decides among things of one name: a credential, then a single event, then an identity.
fn pick(
    evidence: &OpenEvidence,
    text: &str,
    found: &[Found],
    sought: Sought,
) -> Result<Subject, QuestionError> {
    let credentials: Vec<&Found> = found.iter().filter(|found| is_credential(&found.key.kind)).collect();
    match credentials.as_slice() {
        [one] => return credential(evidence, &one.key).map(Subject::Key),
        [] => {}
        several => return Err(QuestionError::Several { text: text.to_owned(), names: names_of(several) }),
    }
    let native: Vec<&Found> = found.iter().filter(|found| found.roles.contains_key(&Role::Native)).collect();
    if !native.is_empty() {
        let events = events_of(evidence, &native)?;
        return match events.as_slice() {
            [one] => Ok(Subject::Event(Arc::clone(one))),
            [] => {
                Err(QuestionError::NotAnEvent { text: text.to_owned(), what: format!("{}", native[0].key) })
            }
            several => Err(QuestionError::Several {
                text: text.to_owned(),
                names: several.iter().map(|event| event.id.to_string()).collect(),
            }),
        };
    }
    if sought == Sought::Identity {
        let identities = identities_named(evidence, found)?;
        match identities.as_slice() {
            [one] => return Ok(Subject::Identity(one.clone())),
            [] => {} // No identity's name: perhaps that of a session or a machine.
            several => {
                let scoped: Vec<&Found> = found.iter().filter(|found| !found.key.scope.is_empty()).collect();
                // Names with their scopes say more than identifiers, where they tell the identities apart.
                let names = if scoped.len() == several.len() {
                    names_of(&scoped)
                } else {
                    several.iter().map(ToString::to_string).collect()
                };
                return Err(QuestionError::Several { text: text.to_owned(), names });
            }
        }
    }
    let names = credentials_used_by(evidence, found)?;
    match names.as_slice() {
        [one] => credential(evidence, one).map(Subject::Key),
        names => {
            let names = names.iter().map(ToString::to_string).collect();
            Err(QuestionError::Identity { text: text.to_owned(), names })
        }
    }
}

fn names_of(found: &[&Found]) -> Vec<String> {
    found.iter().map(|found| found.key.to_string()).collect()
}

/// Distinct events that list one of the keys as their own identifier.
fn events_of(evidence: &OpenEvidence, found: &[&Found]) -> Result<Vec<Arc<Event>>, QuestionError> {
    let mut events = BTreeMap::new();
    for found in found {
        let leaves = evidence
            .store
            .leaves(&found.key, &[Role::Native], None, NAMES_MAX)
            .map_err(QuestionError::Store)?;
        for leaf in leaves.leaves {
            for event in evidence.events_at(leaf).map_err(QuestionError::Evidence)? {
                if event.keys.iter().any(|key| key.role == Role::Native && found.key.names(key)) {
                    events.insert((event.time.at, event.id), event);
                }
            }
        }
    }
    Ok(events.into_values().collect())
}

/// Identities of this name, as far as the first events that have it show. A name that is one of an identity with a
/// lasting identifier stands for that one; two lasting identifiers are two identities.
fn identities_named(evidence: &OpenEvidence, found: &[Found]) -> Result<Vec<KeyRef>, QuestionError> {
    let roles = [Role::Actor, Role::Behalf, Role::Subject, Role::Name];
    let mut anchors = BTreeSet::new();
    for found in found {
        let leaves = evidence.store.leaves(&found.key, &roles, None, NAMES_MAX);
        let leaves = leaves.map_err(QuestionError::Store)?.leaves;
        // What an issuer gives once means the same in each record: the first that names somebody by it tells.
        let is_told_once = is_lasting_identifier(&found.key);
        if !is_told_once {
            evidence.read_ahead(&leaves).map_err(QuestionError::Evidence)?;
        }
        for leaf in leaves {
            let mut named = BTreeSet::new();
            for event in evidence.events_at(leaf).map_err(QuestionError::Evidence)? {
                named.extend(identity_named(&event, &found.key.value));
            }
            let is_told = is_told_once && !named.is_empty();
            anchors.extend(named);
            if is_told {
                break;
            }
        }
    }
    let lasting: Vec<KeyRef> =
        anchors.iter().filter(|anchor| is_lasting_identifier(anchor)).cloned().collect();
    Ok(if lasting.is_empty() { anchors.into_iter().collect() } else { lasting })
}

/// Credentials that an identity of this name used, as far as its first events show.
fn credentials_used_by(evidence: &OpenEvidence, found: &[Found]) -> Result<Vec<KeyRef>, QuestionError> {
    let roles = [Role::Actor, Role::Name, Role::Workload];
    let mut names = BTreeSet::new();
    for found in found {
        let leaves =
            evidence.store.leaves(&found.key, &roles, None, NAMES_MAX).map_err(QuestionError::Store)?;
        evidence.read_ahead(&leaves.leaves).map_err(QuestionError::Evidence)?;
        for leaf in leaves.leaves {
            let events = evidence.events_at(leaf).map_err(QuestionError::Evidence)?;
            for event in events.iter().filter(|event| acted_as(event, &found.key)) {
                let used = event.keys.iter().filter(|key| matches!(key.role, Role::Used | Role::Presented));
                names.extend(used.filter(|key| is_credential(&key.kind)).map(Key::to_ref));
            }
        }
    }
    Ok(names.into_iter().collect())
}

/// Whether the name is one of those of the event's actor, rather than of somebody whom the event concerns.
fn acted_as(event: &Event, name: &KeyRef) -> bool {
    let actor = &event.actor;
    let names = [Some(&actor.uid.value), actor.name.as_ref(), actor.session_name.as_ref()];
    names.into_iter().flatten().chain(&actor.alt_names).any(|known| *known == name.value)
        || event.keys.iter().any(|key| key.role == Role::Actor && name.names(key))
}

/// The credential with its class, as any event that knows it says.
fn credential(evidence: &OpenEvidence, key: &KeyRef) -> Result<Credential, QuestionError> {
    let roles = [Role::Used, Role::Issued, Role::Presented, Role::Ended, Role::Enabled];
    let leaves = evidence.store.leaves(key, &roles, None, 1).map_err(QuestionError::Store)?;
    for leaf in leaves.leaves {
        for event in evidence.events_at(leaf).map_err(QuestionError::Evidence)? {
            let affected = event.effects.iter().filter_map(|effect| effect.credential.as_ref());
            if let Some(known) = event.credential.iter().chain(affected).find(|known| known.uid == *key) {
                return Ok(known.clone());
            }
        }
    }
    Ok(Credential { uid: key.clone(), class: CredentialClass::Unknown })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_may_hold_colons() {
        let texts: Vec<String> = readings("k8s.credential@eks:1/prod:JTI=5")
            .iter()
            .map(|wanted| format!("{:?} {:?} {}", wanted.kind, wanted.scope, wanted.value))
            .collect();
        assert_eq!(
            texts,
            [
                "None None k8s.credential@eks:1/prod:JTI=5",
                "Some(\"k8s.credential\") Some(\"eks\") 1/prod:JTI=5",
                "Some(\"k8s.credential\") Some(\"eks:1/prod\") JTI=5",
            ]
        );
        assert_eq!(readings("aws.access_key:AKIA").len(), 2);
        assert_eq!(readings("arn:aws:iam::1:role/x").len(), 1, "an ARN names no kind");
        assert_eq!(readings("").len(), 1);
    }
}
