//! Whether an event is found by a name: the same rule as the key index of the store (`docs/formats/store.md`).

use ascribe_model::{Event, KeyRef};

/// Kind of the key under which an event's own id is found.
pub const EVENT_KIND: &str = "ascribe.event";

/// Kind of the keys under which identities are found by their names.
pub const NAME_KIND: &str = "name";

/// Whether `event` lists `name`: as a key in any role, as its own id, or as a name of an identity in it.
pub fn is_named_in(name: &KeyRef, event: &Event) -> bool {
    match name.kind.name() {
        EVENT_KIND => event.id.to_string() == name.value,
        NAME_KIND => {
            let subjects = event.effects.iter().filter_map(|effect| effect.subject.as_ref());
            std::iter::once(&event.actor).chain(&event.on_behalf_of).chain(subjects).any(|identity| {
                let names = identity.name.iter().chain(&identity.session_name).chain(&identity.alt_names);
                names.into_iter().any(|known| *known == name.value)
            })
        }
        _ => event.keys.iter().any(|key| name.names(key)),
    }
}
