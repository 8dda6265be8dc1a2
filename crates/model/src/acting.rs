//! Who acted in an event and with what, as far as a row of the store tells.

use crate::{Event, KeyRef, Timestamp};

/// Who acted in an event, and with what. Where it is equal, events are alike in what they tell of an identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Acting {
    /// Id of the source.
    pub source: String,
    /// Native scope of the source.
    pub scope: String,
    /// Kind of the identity, as it is written.
    pub actor_kind: String,
    /// Namespace of the identity's key.
    pub actor_uid_kind: String,
    /// The identity's key.
    pub actor_uid: String,
    /// Its readable name.
    pub actor_name: Option<String>,
    /// The credential used, where the record names one.
    pub credential: Option<ActingCredential>,
}

/// Who acted in one event of an entry, and when: what is known of it before the entry is read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Act {
    /// Leaf of the entry that holds it. Entries are read whole.
    pub leaf: u64,
    /// When it happened, as the record says.
    pub time: Option<Timestamp>,
    /// Who acted, and with what.
    pub acting: Acting,
}

/// What it acted with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ActingCredential {
    /// What names it.
    pub uid: KeyRef,
    /// What sort of secret it is, as it is written.
    pub class: String,
}

impl Act {
    /// What the row of an event at `leaf` would say.
    pub fn of(leaf: u64, event: &Event) -> Self {
        Self { leaf, time: event.time.at, acting: Acting::of(event) }
    }
}

impl Acting {
    /// What the row of an event would say.
    pub fn of(event: &Event) -> Self {
        let (source, actor) = (&event.source, &event.actor);
        Self {
            source: source.kind.clone(),
            scope: source.scope.clone(),
            actor_kind: actor.kind.word().to_owned(),
            actor_uid_kind: actor.uid.kind.name().to_owned(),
            actor_uid: actor.uid.value.clone(),
            actor_name: actor.name.clone(),
            credential: event
                .credential
                .as_ref()
                .map(|used| ActingCredential { uid: used.uid.clone(), class: used.class.word().to_owned() }),
        }
    }
}
