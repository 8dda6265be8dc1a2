//! One identity under all its names: which names stand for one actor, by which records, and what looks alike and is
//! another.
//!
//! Names are put together only where one record names one actor by both, and one of the two is a lasting identifier.
//! A name alone never joins two identities: names are given again, and the same text means others elsewhere.

mod keys;
mod look_alikes;
mod spelling;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ascribe_model::{
    AuthorityKind, CredentialClass, CredentialUse, Event, EventId, Identity, IdentityDetail, IdentityKind,
    IdentityName, KeyRef, Role, TimeSpan,
};

pub(crate) use keys::{anchor_of, identities_in, keys_naming, lasting};

pub(crate) use self::look_alikes::LISTED_MAX as LOOK_ALIKES_MAX;
use self::look_alikes::{Known, look_alikes};
use crate::Evidence;
use crate::alike::Alike;
use crate::evidence::EvidenceError;
use crate::kinds::{is_credential, is_lasting};
use crate::naming::counted;

/// Roles in which a key stands for an identity that an event concerns.
pub(crate) const IDENTITY_ROLES: [Role; 3] = [Role::Actor, Role::Behalf, Role::Subject];
/// Entries of one identifier and role that are read for its names where it is the identity that is asked about.
const READ_MAX: usize = 512;
/// Events that are read where it is shown beside what is asked about.
const READ_BESIDE_MAX: usize = 32;
/// Events that are cited for one name.
const CITED_MAX: usize = 4;
/// Identifiers of other systems that are followed.
const ANCHORS_MAX: usize = 16;

/// The identity that `name` names in `event`, by the identifier that tells it from every other as well as the event
/// can.
pub fn identity_named(event: &Event, name: &str) -> Vec<KeyRef> {
    let bears = |identity: &Identity| {
        identity.uid.value == name
            || identity.name.as_deref() == Some(name)
            || identity.alt_names.iter().any(|known| known == name)
    };
    let by_identity = identities_in(event).filter(|(identity, _)| bears(identity));
    let mut anchors: BTreeSet<KeyRef> =
        by_identity.map(|(identity, role)| anchor_of(event, identity, role)).collect();
    for (identity, role) in identities_in(event) {
        if keys_naming(event, identity, role).any(|key| key.value == name) {
            anchors.insert(anchor_of(event, identity, role));
        }
    }
    anchors.into_iter().collect()
}

/// Whether an issuer gives this identifier to one identity and never to another.
pub fn is_lasting_identifier(key: &KeyRef) -> bool {
    is_lasting(&key.kind, &key.value)
}

/// How far an identity is looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// It is what is asked about.
    Whole,
    /// Its names are followed, and what looks like it is not searched for.
    Names,
    /// It is shown beside what is asked about: fewer events are read, and what looks like it is not searched for.
    Beside,
}

/// The identity of `anchor` under all its names; none where no event that was read names one.
pub(crate) fn identity_of(
    evidence: &dyn Evidence,
    anchor: &KeyRef,
    depth: Depth,
) -> Result<Option<IdentityDetail>, EvidenceError> {
    let mut gathered = Gathered::default();
    let mut open = vec![anchor.clone()];
    while let Some(next) = open.pop() {
        if gathered.anchors.len() < ANCHORS_MAX && gathered.anchors.insert(next.clone()) {
            open.extend(gathered.read(evidence, &next, depth)?);
        }
    }
    let Some(identity) = gathered.shown_as(anchor) else { return Ok(None) };
    let names = gathered.names(&identity);
    let known = Known { anchors: &gathered.anchors, names: gathered.names.keys().cloned().collect() };
    let not_merged = match depth {
        Depth::Whole => look_alikes(evidence, &known, &identity)?,
        Depth::Names | Depth::Beside => Vec::new(),
    };
    Ok(Some(IdentityDetail {
        kind_because: gathered.kind_because(&identity),
        identity,
        names,
        not_merged,
        credentials: gathered.credentials(),
        events: gathered.acted,
        unread: gathered.unread,
        unlike: gathered.unlike,
    }))
}

/// What was read of one identity.
#[derive(Default)]
struct Gathered {
    /// Its identifiers.
    anchors: BTreeSet<KeyRef>,
    /// Keys that name it, with the events that show it.
    names: BTreeMap<KeyRef, BTreeSet<EventId>>,
    /// Names that no key holds.
    words: BTreeMap<String, BTreeSet<EventId>>,
    /// The identity in the words of events, most telling first.
    described: BTreeMap<(Reverse, EventId), Identity>,
    /// Events in which it acted and that were read.
    read: BTreeMap<EventId, Arc<Event>>,
    /// Events in which it acted, of those kinds of which not all were read.
    counted: Vec<Alike>,
    acted: u64,
    unread: u64,
    /// Unread events of kinds none of which was read.
    unlike: u64,
}

/// How little an event tells of an identity: whether it does not act there, and whether its kind is not told.
type Reverse = (bool, bool);

impl Gathered {
    /// Reads the events of one identifier, and gives the lasting identifiers of other kinds that stand beside it.
    fn read(
        &mut self,
        evidence: &dyn Evidence,
        anchor: &KeyRef,
        depth: Depth,
    ) -> Result<Vec<KeyRef>, EvidenceError> {
        let mut others = Vec::new();
        for role in IDENTITY_ROLES {
            let events = match (depth, role) {
                (Depth::Beside, _) => {
                    let events = evidence.events(anchor, &[role], READ_BESIDE_MAX)?.events;
                    // What was not read is no evidence of an answer that is about something else.
                    self.acted += if role == Role::Actor { events.len() as u64 } else { 0 };
                    events
                }
                (Depth::Whole | Depth::Names, Role::Actor) => {
                    let kinds = evidence.alike(anchor, READ_MAX)?;
                    self.count(&kinds);
                    kinds.into_iter().flat_map(|alike| alike.read).collect()
                }
                // Who acted says nothing of whom it was for.
                (Depth::Whole | Depth::Names, _) => evidence.events(anchor, &[role], READ_MAX)?.events,
            };
            for event in events {
                others.extend(self.take(&event, anchor, role));
            }
        }
        Ok(others)
    }

    /// Counts the events in which it acted.
    fn count(&mut self, kinds: &[Alike]) {
        for alike in kinds {
            let unread = alike.count - alike.read.len() as u64;
            self.acted += alike.count;
            self.unread += unread;
            self.unlike += if alike.read.is_empty() { unread } else { 0 };
            if unread > 0 && !alike.read.is_empty() {
                self.counted.push(alike.clone());
            }
        }
    }

    fn take(&mut self, event: &Arc<Event>, anchor: &KeyRef, role: Role) -> Vec<KeyRef> {
        let mut others = Vec::new();
        let of_role = identities_in(event).filter(|(_, of)| *of == role);
        for (identity, role) in of_role.filter(|(identity, role)| {
            anchor_of(event, identity, *role) == *anchor
                || keys_naming(event, identity, *role).any(|key| anchor.names(key))
        }) {
            for key in keys_naming(event, identity, role) {
                let name = key.to_ref();
                let is_another = is_lasting(&name.kind, &name.value) && name != *anchor;
                if is_another && (name.kind == anchor.kind || !is_lasting(&anchor.kind, &anchor.value)) {
                    continue; // Two identifiers of one kind are two identities; a name alone leads to none.
                }
                if is_another {
                    others.push(name.clone());
                }
                self.names.entry(name).or_default().insert(event.id);
            }
            self.names.entry(identity.uid.clone()).or_default().insert(event.id);
            for word in identity.name.iter().chain(&identity.alt_names) {
                self.words.entry(word.clone()).or_default().insert(event.id);
            }
            let untold =
                (role != Role::Actor, matches!(identity.kind, IdentityKind::Unknown | IdentityKind::User));
            self.described.insert((untold, event.id), identity.clone());
            if role == Role::Actor {
                self.read.insert(event.id, Arc::clone(event));
            }
        }
        others
    }

    /// The identity in the words of the event that tells most, under the identifier asked about.
    fn shown_as(&self, anchor: &KeyRef) -> Option<Identity> {
        let own = self.described.values().find(|identity| identity.uid == *anchor);
        let identity = own.or_else(|| self.described.values().next())?;
        Some(Identity { uid: anchor.clone(), session_name: None, alt_names: Vec::new(), ..identity.clone() })
    }

    /// Every name with its reason, lasting identifiers first.
    fn names(&self, identity: &Identity) -> Vec<IdentityName> {
        let of_key = self.names.iter().map(|(key, events)| {
            let lasting = is_lasting(&key.kind, &key.value);
            let because = if *key == identity.uid {
                "the identifier asked about".to_owned()
            } else {
                format!("beside {} in one record", self.beside(key, identity).value)
            };
            named(key.value.clone(), Some(key.clone()), lasting, because, events)
        });
        let words = self.words.iter().filter(|(word, _)| !self.names.keys().any(|key| key.value == **word));
        let of_word = words.map(|(word, events)| {
            let because = format!("beside {} in one record", identity.uid.value);
            named(word.clone(), None, false, because, events)
        });
        let mut names: Vec<IdentityName> = of_key.chain(of_word).collect();
        names.sort_by_key(|name| {
            let is_asked = name.key.as_ref() == Some(&identity.uid);
            (!is_asked, !name.lasting, name.key.is_none(), name.key.clone(), name.name.clone())
        });
        names
    }

    /// The identifier that stands beside a name in a record.
    fn beside(&self, key: &KeyRef, identity: &Identity) -> KeyRef {
        let events = &self.names[key];
        let mut others = self.anchors.iter().filter(|anchor| {
            *anchor != key && self.names.get(*anchor).is_some_and(|shown| !shown.is_disjoint(events))
        });
        others.next().unwrap_or(&identity.uid).clone()
    }

    /// Credentials with which it acted, by first use.
    fn credentials(&self) -> Vec<CredentialUse> {
        let mut uses: BTreeMap<KeyRef, CredentialUse> = BTreeMap::new();
        for event in self.read.values() {
            let listed = event.keys.iter().filter(|key| matches!(key.role, Role::Used | Role::Presented));
            let credentials: BTreeSet<KeyRef> =
                listed.filter(|key| is_credential(&key.kind)).map(ascribe_model::Key::to_ref).collect();
            for credential in credentials {
                let known = uses.entry(credential.clone()).or_insert_with(|| CredentialUse {
                    credential,
                    events: 0,
                    span: None,
                });
                known.events += 1;
                known.span = widened(known.span, event);
            }
        }
        for alike in &self.counted {
            let with = alike.acting.credential.as_ref();
            if let Some(known) = with.and_then(|with| uses.get_mut(&with.uid)) {
                known.events += alike.count - alike.read.len() as u64;
                known.span = [known.span, alike.span].into_iter().flatten().reduce(TimeSpan::joined);
            }
        }
        let mut uses: Vec<CredentialUse> = uses.into_values().collect();
        uses.sort_by_key(|used| {
            (used.span.is_none(), used.span.map(|span| span.first), used.credential.clone())
        });
        uses
    }

    /// Why the identity is taken for its kind: what the records say, and what they do not.
    fn kind_because(&self, identity: &Identity) -> String {
        let mut kinds: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for event in self.read.values() {
            kinds.entry(&event.source.kind).or_default().insert(event.actor.kind.name());
        }
        if kinds.is_empty() {
            return format!("records that name it call it {}; none shows it acting", identity.kind.name());
        }
        let said: Vec<String> = kinds
            .into_iter()
            .map(|(source, kinds)| {
                format!("{source} records it as {}", kinds.into_iter().collect::<Vec<_>>().join(" and as "))
            })
            .collect();
        let said = said.join("; ");
        if identity.kind != IdentityKind::User {
            return said;
        }
        let factors = self.how_many(|event| {
            event.authorities.iter().any(|authority| authority.kind == AuthorityKind::MultiFactor)
        });
        let consoles = self.how_many(|event| {
            event.credential.as_ref().is_some_and(|used| used.class == CredentialClass::Console)
        });
        let mut signs = Vec::new();
        let least = if self.unread > 0 { "at least " } else { "" };
        if factors > 0 {
            signs.push(format!("{least}{} with a second factor", counted(factors, "event")));
        }
        if consoles > 0 {
            signs.push(format!("{least}{} in a browser session", counted(consoles, "event")));
        }
        if signs.is_empty() {
            format!("{said}; nothing says whether a person or a program holds the account")
        } else {
            format!("{said}; that a person holds the account is likely by {}", signs.join(" and "))
        }
    }

    fn how_many(&self, is: impl Fn(&Event) -> bool) -> usize {
        self.read.values().filter(|event| is(event)).count()
    }
}

fn named(
    name: String,
    key: Option<KeyRef>,
    lasting: bool,
    because: String,
    events: &BTreeSet<EventId>,
) -> IdentityName {
    let evidence = events.iter().take(CITED_MAX).copied().collect();
    IdentityName { name, key, lasting, because, events: events.len() as u64, evidence }
}

fn widened(span: Option<TimeSpan>, event: &Event) -> Option<TimeSpan> {
    [span, event.time.at.map(TimeSpan::at)].into_iter().flatten().reduce(TimeSpan::joined)
}
