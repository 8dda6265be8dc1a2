//! Which names an event is found by: the same rule as the key index of the store (`docs/formats/store.md`) and the
//! completeness index (`docs/formats/index.md`).

use ascribe_model::{Event, KeyRef};

/// Kind of the key under which an event's own id is found.
pub const EVENT_KIND: &str = "ascribe.event";

/// Kind of the keys under which identities are found by their names.
pub const NAME_KIND: &str = "name";

/// Kind that stands for every kind and scope: whatever has the value. No event lists it.
pub const ANY_KIND: &str = "ascribe.any";

/// Whether `event` lists `name`: as a key in any role, as its own id, as a name of an identity in it, or, for
/// [`ANY_KIND`], as any of these.
pub fn is_named_in(name: &KeyRef, event: &Event) -> bool {
    let is_any = name.kind.name() == ANY_KIND;
    let mut found = false;
    each_name(event, |kind, scope, value| {
        found |= *value == *name.value && (is_any || (kind == name.kind.name() && scope == name.scope));
    });
    found
}

/// Hands every name of an event to `take`: kind, scope and value. A name may come more than once.
pub fn each_name(event: &Event, mut take: impl FnMut(&str, &str, &str)) {
    take(EVENT_KIND, "", &event.id.to_string());
    for key in &event.keys {
        take(key.kind.name(), &key.scope, &key.value);
    }
    let subjects = event.effects.iter().filter_map(|effect| effect.subject.as_ref());
    for identity in std::iter::once(&event.actor).chain(&event.on_behalf_of).chain(subjects) {
        let names = identity.name.iter().chain(&identity.session_name).chain(&identity.alt_names);
        names.for_each(|name| take(NAME_KIND, "", name));
    }
}
