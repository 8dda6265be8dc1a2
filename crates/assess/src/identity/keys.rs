//! The keys by which a record names an identity.
//!
//! Whether two records mean one identity is not decided here.

use std::collections::BTreeSet;

use ascribe_model::{Event, Identity, Key, KeyRef, Role, Trust};

use crate::kinds::is_lasting;

/// The keys by which `event` names `identity`, which stands in it in `role`, less those that the caller chose: its own
/// key and names, and what never changes hands.
pub(crate) fn keys_naming<'e>(
    event: &'e Event,
    identity: &'e Identity,
    role: Role,
) -> impl Iterator<Item = &'e Key> {
    event.keys.iter().filter(move |key| {
        let named = || is_name_of(key, identity);
        key.trust != Trust::SelfAsserted
            && match key.role {
                Role::Name => named(),
                of_identity if of_identity == role => {
                    named() || (is_lasting(&key.kind, &key.value) && is_alone(event, role))
                }
                _ => false,
            }
    })
}

/// The lasting identifiers that an event lists in `role`.
pub(crate) fn lasting(event: &Event, role: Role) -> BTreeSet<KeyRef> {
    let keys = event.keys.iter().filter(|key| key.role == role && key.trust != Trust::SelfAsserted);
    keys.filter(|key| is_lasting(&key.kind, &key.value)).map(Key::to_ref).collect()
}

/// The identities that an event names, each with the role of its keys.
pub(crate) fn identities_in(event: &Event) -> impl Iterator<Item = (&Identity, Role)> {
    let behalf = event.on_behalf_of.iter().map(|identity| (identity, Role::Behalf));
    let subjects = event.effects.iter().filter_map(|effect| effect.subject.as_ref());
    std::iter::once((&event.actor, Role::Actor))
        .chain(behalf)
        .chain(subjects.map(|identity| (identity, Role::Subject)))
}

/// The key that tells the identity from every other as well as this event can: a lasting one where it lists one.
pub(crate) fn anchor_of(event: &Event, identity: &Identity, role: Role) -> KeyRef {
    if is_lasting(&identity.uid.kind, &identity.uid.value) {
        return identity.uid.clone();
    }
    let mut lasting = keys_naming(event, identity, role).filter(|key| is_lasting(&key.kind, &key.value));
    lasting.next().map_or_else(|| identity.uid.clone(), Key::to_ref)
}

fn is_name_of(key: &Key, identity: &Identity) -> bool {
    identity.uid.names(key)
        || identity.name.as_ref() == Some(&key.value)
        || identity.alt_names.contains(&key.value)
}

/// Whether the event names one identity only in this role, so that what stands there is of that one.
fn is_alone(event: &Event, role: Role) -> bool {
    let named: BTreeSet<&KeyRef> =
        identities_in(event).filter(|(_, of)| *of == role).map(|(identity, _)| &identity.uid).collect();
    named.len() <= 1
}
