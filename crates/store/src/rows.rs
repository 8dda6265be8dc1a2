//! How an entry becomes rows of tables and keys of the index.
//!
//! It deliberately does not know whether an event was seen before, nor where files lie.

use ascribe_model::{Credential, Effect, Event, Identity, Key, KeyRef, ResourceRole, Role, Timestamp};

use crate::entry::{Config, Object, Record, Reject, Stream};
use crate::error::WriteError;
use crate::intern::Keys;
use crate::key_index::Occasions;
use crate::sums::Sums;
use crate::table_file::TableWriter;
use crate::tables::{
    CoverageColumns, DeliveryColumns, DeliveryRow, EffectColumns, EffectRow, EventColumns, EventRow,
    KeyColumns, KeyRow, ObjectColumns, ObjectRow, RejectColumns, RejectRow, SightingColumns, StreamColumns,
    StreamRow,
};
use crate::{hex, words};

/// Kind of the key under which an event's own id is found.
pub(crate) const EVENT_KIND: &str = "ascribe.event";
/// Kind of the key under which an object's digest is found.
pub(crate) const OBJECT_KIND: &str = "ascribe.object";
/// Kind of the key under which a stream's announcement is found.
pub(crate) const STREAM_KIND: &str = "ascribe.stream";
/// Kind under which configurations are found by name.
const CONFIG_KIND: &str = "ascribe.config";
/// Kind of the keys under which identities are found by their names.
pub(crate) const NAME_KIND: &str = "name";

/// The rows of a segment, and its keys.
pub(crate) struct Rows {
    pub(crate) events: TableWriter<EventColumns>,
    pub(crate) keys: TableWriter<KeyColumns>,
    pub(crate) effects: TableWriter<EffectColumns>,
    pub(crate) sightings: TableWriter<SightingColumns>,
    pub(crate) deliveries: TableWriter<DeliveryColumns>,
    pub(crate) coverage: TableWriter<CoverageColumns>,
    pub(crate) rejects: TableWriter<RejectColumns>,
    pub(crate) objects: TableWriter<ObjectColumns>,
    pub(crate) streams: TableWriter<StreamColumns>,
    pub(crate) interned: Keys,
    pub(crate) occasions: Occasions,
    pub(crate) sums: Sums,
    /// Numbers of the keys of the event at hand, in its order.
    numbers: Vec<u32>,
    scratch: Scratch,
}

/// Texts that are put together for a cell; kept so that their memory is used again.
#[derive(Default)]
struct Scratch {
    on_behalf_of: String,
    authority: String,
    subject: String,
    event_id: String,
}

/// Where an event stands.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) leaf: u64,
    pub(crate) ordinal: u32,
}

impl Rows {
    pub(crate) fn new() -> Self {
        Self {
            events: TableWriter::new(),
            keys: TableWriter::new(),
            effects: TableWriter::new(),
            sightings: TableWriter::new(),
            deliveries: TableWriter::new(),
            coverage: TableWriter::new(),
            rejects: TableWriter::new(),
            objects: TableWriter::new(),
            streams: TableWriter::new(),
            interned: Keys::default(),
            occasions: Occasions::default(),
            sums: Sums::default(),
            numbers: Vec::new(),
            scratch: Scratch::default(),
        }
    }

    /// Adds an event at its first sighting.
    pub(crate) fn push_event(
        &mut self,
        place: Place,
        record: &Record<'_>,
        event: &Event,
    ) -> Result<(), WriteError> {
        self.push_event_row(place, record, event)?;
        self.push_keys(place, event)?;
        for effect in &event.effects {
            self.push_effect(place, effect, event.time.at)?;
        }
        self.sums.add(event, &self.numbers, &mut self.interned);
        Ok(())
    }

    /// Adds a further delivery of an event.
    pub(crate) fn push_delivery(&mut self, row: DeliveryRow<'_>) -> Result<(), WriteError> {
        self.deliveries.push(row)
    }

    pub(crate) fn push_reject(&mut self, reject: &Reject<'_>) -> Result<(), WriteError> {
        self.rejects.push(RejectRow {
            leaf: reject.leaf,
            object: reject.object,
            received_at: reject.received_at,
            span_offset: reject.span.offset,
            span_length: reject.span.length,
            reason: reject.reason,
            source: reject.source,
        })
    }

    /// Adds an entry of an object. Its digest is found at the leaf of the opening entry, whichever entry states it: as
    /// its own identifier, and once the object is closed, as ended.
    pub(crate) fn push_object(&mut self, object: &Object<'_>) -> Result<(), WriteError> {
        if !object.digest.is_empty() {
            self.occasions.start(object.closes.unwrap_or(object.leaf), None);
            let key = self.interned.intern(OBJECT_KIND, "", object.digest);
            self.occasions.note(key, Role::Native);
            if object.closes.is_some() {
                self.occasions.note(key, Role::Ended);
            }
        }
        self.objects.push(ObjectRow {
            leaf: object.leaf,
            digest: object.digest,
            name: object.name,
            closes: object.closes,
            records: object.totals.records,
            rejects: object.totals.rejects,
            framing_bytes: object.totals.framing_bytes,
            bytes: object.totals.bytes,
        })
    }

    /// Adds a stream. It is found by source, scope and partition, with a blank between.
    pub(crate) fn push_stream(&mut self, stream: &Stream<'_>) -> Result<(), WriteError> {
        self.occasions.start(stream.leaf, None);
        let parts = [stream.source, stream.scope].into_iter().chain(stream.partition);
        let key = self.interned.intern(STREAM_KIND, "", &parts.collect::<Vec<_>>().join(" "));
        self.occasions.note(key, Role::Native);
        self.streams.push(StreamRow {
            leaf: stream.leaf,
            source: stream.source,
            scope: stream.scope,
            partition: stream.partition,
        })
    }

    /// Notes where something was configured. It is found by its name.
    pub(crate) fn note_config(&mut self, config: &Config<'_>) {
        self.occasions.start(config.leaf, None);
        let key = self.interned.intern(CONFIG_KIND, "", config.name);
        self.occasions.note(key, Role::Native);
    }

    fn push_event_row(&mut self, place: Place, record: &Record<'_>, event: &Event) -> Result<(), WriteError> {
        let credential = CredentialCells::of(event.credential.as_ref());
        let target = event.resources.iter().find(|resource| resource.role == ResourceRole::Target);
        let resource = target.or(event.resources.first());
        let behalf = event.on_behalf_of.first().map(|identity| &identity.uid);
        let authority = event.authorities.first();
        let authority = authority.map(|it| (words::authority_kind(it.kind), it.uid.as_str()));
        let observed = event.src_endpoint.addresses.iter().rfind(|address| address.observed);
        self.events.push(EventRow {
            leaf: place.leaf,
            ordinal: place.ordinal,
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
            actor_kind: words::identity_kind(event.actor.kind),
            actor_uid_kind: event.actor.uid.kind.name(),
            actor_uid: &event.actor.uid.value,
            actor_name: event.actor.name.as_deref(),
            session_name: event.actor.session_name.as_deref(),
            on_behalf_of: joined(&mut self.scratch.on_behalf_of, behalf.map(key_parts)),
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
            authority: joined(&mut self.scratch.authority, authority),
            object: record.object,
            received_at: record.received_at,
            withheld: record.withheld,
        })
    }

    fn push_keys(&mut self, place: Place, event: &Event) -> Result<(), WriteError> {
        self.occasions.start(place.leaf, event.time.at);
        self.scratch.event_id.clear();
        hex::push(&mut self.scratch.event_id, &event.id.0);
        let key = self.interned.add_new(EVENT_KIND, "", &self.scratch.event_id);
        self.occasions.note(key, Role::Native);
        self.numbers.clear();
        for key in &event.keys {
            let number = self.interned.intern(key.kind.name(), &key.scope, &key.value);
            self.numbers.push(number);
            self.occasions.note(number, key.role);
            if !matches!(key.role, Role::Native | Role::Name) {
                self.keys.push(key_row(place, key))?;
            }
        }
        let subjects = event.effects.iter().filter_map(|effect| effect.subject.as_ref());
        for identity in std::iter::once(&event.actor).chain(&event.on_behalf_of).chain(subjects) {
            self.note_names(identity);
        }
        Ok(())
    }

    fn note_names(&mut self, identity: &Identity) {
        let names = identity.name.iter().chain(&identity.session_name).chain(&identity.alt_names);
        for name in names {
            let interned = self.interned.intern(NAME_KIND, "", name);
            self.occasions.note(interned, Role::Name);
        }
    }

    fn push_effect(
        &mut self,
        place: Place,
        effect: &Effect,
        time: Option<Timestamp>,
    ) -> Result<(), WriteError> {
        let credential = CredentialCells::of(effect.credential.as_ref());
        let subject = effect.subject.as_ref().map(|identity| key_parts(&identity.uid));
        self.effects.push(EffectRow {
            leaf: place.leaf,
            ordinal: place.ordinal,
            kind: effect.kind.name(),
            credential_kind: credential.kind,
            credential_scope: credential.scope,
            credential: credential.value,
            credential_class: credential.class,
            selector: effect.selector.as_deref(),
            subject: joined(&mut self.scratch.subject, subject),
            expires: effect.expires,
            ttl_seconds: effect.ttl_seconds,
            time,
        })
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
            class: Some(words::credential_class(credential.class)),
        })
    }
}

fn key_row(place: Place, key: &Key) -> KeyRow<'_> {
    KeyRow {
        leaf: place.leaf,
        ordinal: place.ordinal,
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
