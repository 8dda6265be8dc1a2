//! Outlines: what the store keeps of events, laid flat in one buffer.
//!
//! An event is a tree of some hundred pieces of memory. Whoever parses it draws its outline while it is at hand, and
//! lets the event go; the outline then crosses to the thread that folds as one piece of memory that is used again.

use ascribe_model::{Credential, Effect, Event, Identity, Key, KeyRef, ResourceRole, Role, Timestamp};

use crate::cell::FlatRow as _;
use crate::flat::{Cells, Flat, Mark, Section};
use crate::tables::{EffectRow, EventRow, KeyRow};
use crate::words;

/// Outlines of the events of many records.
#[derive(Clone, Debug, Default)]
pub struct Outlines {
    cells: Flat,
    scratch: Scratch,
}

/// Where the outlines of one record's events lie in [`Outlines`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Outlined {
    from: Mark,
    to: Mark,
    events: u32,
}

/// The outlines of one record's events.
#[derive(Clone, Copy, Debug)]
pub struct RecordOutlines<'a> {
    cells: Cells<'a>,
    events: u32,
}

/// Texts that are put together for a cell; kept so that their memory is used again.
#[derive(Clone, Debug, Default)]
struct Scratch {
    on_behalf_of: String,
    authority: String,
    subject: String,
}

/// One event.
pub(crate) struct Outline<'a> {
    /// Its row; leaf, object, time of receipt and what else only the entry knows are left empty.
    pub(crate) row: EventRow<'a>,
    /// Position of the key that names the credential used, where the event lists one.
    pub(crate) credential: Option<u32>,
    /// Whether it does something to credentials that it describes instead of naming one.
    pub(crate) is_on_set: bool,
    keys: Section<'a>,
    names: Section<'a>,
    hints: Section<'a>,
    effects: Section<'a>,
}

/// A key of an event.
pub(crate) struct KeyOutline<'a> {
    pub(crate) role: Role,
    pub(crate) row: KeyRow<'a>,
}

impl Outlines {
    /// Draws the outlines of a record's events.
    pub fn push(&mut self, events: &[Event]) -> Outlined {
        let from = self.cells.mark();
        for event in events {
            self.push_event(event);
        }
        Outlined { from, to: self.cells.mark(), events: events.len() as u32 }
    }

    /// The outlines that lie at `at`.
    pub fn record(&self, at: Outlined) -> RecordOutlines<'_> {
        RecordOutlines { cells: self.cells.cells(at.from, at.to), events: at.events }
    }

    /// Forgets all outlines; the memory stays for others.
    pub fn clear(&mut self) {
        self.cells.clear();
    }

    /// Bytes of memory that the outlines take.
    pub fn bytes(&self) -> usize {
        self.cells.bytes()
    }

    fn push_event(&mut self, event: &Event) {
        let Self { cells, scratch } = self;
        let section = cells.open_section(1);
        event_row(event, scratch).put(cells);
        let credential = event.credential.as_ref();
        let place_of = |used: &Credential| {
            event.keys.iter().position(|key| key.role != Role::Native && used.uid.names(key))
        };
        cells.put_small(credential.and_then(place_of).map_or(0, |place| place as u32 + 1));
        cells.put_small(u32::from(event.effects.iter().any(Effect::is_on_set)));
        let keys = cells.open_section(event.keys.len());
        for key in &event.keys {
            cells.put_small(key.role as u32);
            key_row(key).put(cells);
        }
        cells.close_section(&keys);
        let listed = names(event);
        let names = cells.open_section(listed.clone().count());
        listed.for_each(|name| cells.put_text(name));
        cells.close_section(&names);
        let hints = cells.open_section(event.coverage_hints.len());
        for hint in &event.coverage_hints {
            cells.put_text(&hint.kind);
        }
        cells.close_section(&hints);
        let effects = cells.open_section(event.effects.len());
        for effect in &event.effects {
            effect_row(effect, event.time.at, &mut scratch.subject).put(cells);
        }
        cells.close_section(&effects);
        cells.close_section(&section);
    }
}

impl<'a> RecordOutlines<'a> {
    /// How many events there are.
    pub fn count(&self) -> usize {
        self.events as usize
    }

    /// Source and time of the first event, if there is one.
    pub fn first(mut self) -> Option<(&'a str, Option<Timestamp>)> {
        self.take_event().map(|event| (event.row.source, event.row.time))
    }

    /// Takes the next event.
    pub(crate) fn take_event(&mut self) -> Option<Outline<'a>> {
        self.events = self.events.checked_sub(1)?;
        let mut cells = self.cells.take_section().cells;
        let row = EventRow::take(&mut cells);
        let credential = cells.take_small().checked_sub(1);
        let is_on_set = cells.take_small() == 1;
        let [keys, names, hints, effects] = [(); 4].map(|()| cells.take_section());
        Some(Outline { row, credential, is_on_set, keys, names, hints, effects })
    }
}

impl<'a> Outline<'a> {
    /// The event's keys, in its order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = KeyOutline<'a>> + use<'a> {
        let Section { count, mut cells } = self.keys;
        (0..count).map(move |_| {
            let role = Role::ALL.get(cells.take_small() as usize).copied().unwrap_or(Role::Native);
            KeyOutline { role, row: KeyRow::take(&mut cells) }
        })
    }

    /// Kinds of what it says about visibility.
    pub(crate) fn hints(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let Section { count, mut cells } = self.hints;
        (0..count).map(move |_| cells.take_text())
    }

    /// Names of its identities that are no keys.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let Section { count, mut cells } = self.names;
        (0..count).map(move |_| cells.take_text())
    }

    /// What it does to credentials.
    pub(crate) fn effects(&self) -> impl Iterator<Item = EffectRow<'a>> + use<'a> {
        let Section { count, mut cells } = self.effects;
        (0..count).map(move |_| EffectRow::take(&mut cells))
    }
}

/// The names of the actor, of those for whom it acted, and of whom issued credentials speak for.
fn names(event: &Event) -> impl Iterator<Item = &str> + Clone {
    let subjects = event.effects.iter().filter_map(|effect| effect.subject.as_ref());
    std::iter::once(&event.actor).chain(&event.on_behalf_of).chain(subjects).flat_map(names_of)
}

fn names_of(identity: &Identity) -> impl Iterator<Item = &str> + Clone {
    let names = identity.name.iter().chain(&identity.session_name).chain(&identity.alt_names);
    names.map(String::as_str)
}

/// The row of an event, but for what only its entry knows.
fn event_row<'a>(event: &'a Event, scratch: &'a mut Scratch) -> EventRow<'a> {
    let credential = CredentialCells::of(event.credential.as_ref());
    let target = event.resources.iter().find(|resource| resource.role == ResourceRole::Target);
    let resource = target.or(event.resources.first());
    let behalf = event.on_behalf_of.first().map(|identity| &identity.uid);
    let authority = event.authorities.first();
    let authority = authority.map(|it| (words::authority_kind(it.kind), it.uid.as_str()));
    let observed = event.src_endpoint.addresses.iter().rfind(|address| address.observed);
    EventRow {
        leaf: 0,
        ordinal: 0,
        event_id: event.id,
        source: &event.source.kind,
        scope: &event.source.scope,
        partition: event.source.partition.as_deref(),
        time: event.time.at,
        end_time: event.time.end,
        time_precision_ns: event.time.precision_ns,
        time_basis: words::time_basis(event.time.basis),
        verb: event.verb.name(),
        service: &event.api.service,
        operation: &event.api.operation,
        status: event.outcome.status.name(),
        status_code: event.outcome.status_code.as_deref(),
        status_detail: event.outcome.status_detail.as_deref(),
        actor_kind: event.actor.kind.word(),
        actor_uid_kind: event.actor.uid.kind.name(),
        actor_uid: &event.actor.uid.value,
        actor_name: event.actor.name.as_deref(),
        session_name: event.actor.session_name.as_deref(),
        on_behalf_of: joined(&mut scratch.on_behalf_of, behalf.map(key_parts)),
        credential_kind: credential.kind,
        credential_scope: credential.scope,
        credential: credential.value,
        credential_class: credential.class,
        native_uid: event.native.uid.as_deref(),
        request_uid: event.native.request_uid.as_deref(),
        correlation_uid: event.native.correlation_uid.as_deref(),
        stage: event.native.stage.as_deref(),
        src_ip: observed.map(|address| address.ip.as_str()),
        user_agent: event.src_endpoint.user_agent.as_deref(),
        via: event.src_endpoint.via.as_deref(),
        resource_type: resource.map(|resource| resource.kind.as_str()),
        resource_uid: resource.map(|resource| resource.uid.value.as_str()),
        resource_count: event.resources.len() as u32,
        authority: joined(&mut scratch.authority, authority),
        object: None,
        received_at: Timestamp::from_nanoseconds(0),
        withheld: false,
    }
}

fn effect_row<'a>(effect: &'a Effect, time: Option<Timestamp>, scratch: &'a mut String) -> EffectRow<'a> {
    let credential = CredentialCells::of(effect.credential.as_ref());
    let subject = effect.subject.as_ref().map(|identity| key_parts(&identity.uid));
    EffectRow {
        leaf: 0,
        ordinal: 0,
        kind: effect.kind.name(),
        credential_kind: credential.kind,
        credential_scope: credential.scope,
        credential: credential.value,
        credential_class: credential.class,
        selector: effect.selector.as_deref(),
        subject: joined(scratch, subject),
        expires: effect.expires,
        ttl_seconds: effect.ttl_seconds,
        time,
    }
}

/// The four cells of a credential, all absent where there is none.
#[derive(Default)]
struct CredentialCells<'a> {
    kind: Option<&'a str>,
    scope: Option<&'a str>,
    value: Option<&'a str>,
    class: Option<&'a str>,
}

impl<'a> CredentialCells<'a> {
    fn of(credential: Option<&'a Credential>) -> Self {
        credential.map_or_else(Self::default, |credential| Self {
            kind: Some(credential.uid.kind.name()),
            scope: Some(&credential.uid.scope),
            value: Some(&credential.uid.value),
            class: Some(credential.class.word()),
        })
    }
}

fn key_row(key: &Key) -> KeyRow<'_> {
    KeyRow {
        leaf: 0,
        ordinal: 0,
        role: key.role.name(),
        kind: key.kind.name(),
        scope: &key.scope,
        value: &key.value,
        form: words::form(key.form),
        trust: words::trust(key.trust),
        at: key.at,
    }
}

fn key_parts(key: &KeyRef) -> (&str, &str) {
    (key.kind.name(), &key.value)
}

/// `kind:uid`, put together in `scratch`.
fn joined<'a>(scratch: &'a mut String, parts: Option<(&str, &str)>) -> Option<&'a str> {
    let (kind, uid) = parts?;
    scratch.clear();
    scratch.push_str(kind);
    scratch.push(':');
    scratch.push_str(uid);
    Some(scratch)
}
