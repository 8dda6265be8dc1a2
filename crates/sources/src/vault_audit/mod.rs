//! Audit entries of HashiCorp Vault and OpenBao: one for each request and one for its response.
//!
//! Shapes read: JSON Lines and values behind each other, as the devices `file`, `socket` and `http` write them, each with
//! the prefix `@cee:` or without; hashed, plain (`log_raw`) and with plain accessors (`hmac_accessor=false`). The
//! entries that several devices write of one operation are one event. Reference: `internal/audit/format.go` of OpenBao,
//! `audit/types.go` of Vault, and <https://developer.hashicorp.com/vault/docs/audit>.
//!
//! Not read: the XML form `jsonx`, lines with a syslog header, and the operational log, which is where a lease that ends
//! by itself is recorded. The files beside this one each answer one question of an entry.

mod authority;
mod effect;
mod ending;
mod identity;
mod key;
mod kmip;
mod place;
mod record;
mod secret;
mod verb;

use std::borrow::Cow;

use ascribe_model::{
    Address, Api, Authority, CoverageHint, Credential, CredentialClass, Effect, Event, EventId, EventTime,
    Identity, IdentityKind, Key, Native, Origin, Outcome, Resource, ResourceRole, Role, SourceRef, Status,
    TimeBasis, Timestamp, Verb,
};

use crate::identifiers::x509::SerialNumber;
use crate::json::{Kind, Value};
use crate::moment::{Moment, Zone};
use crate::source::{ContentIdentity, Devices, Entry, Part, Source, Unreadable};
use effect::Act;
use identity::Told;
use key::{Cluster, MOUNT, PATH, REQUEST, SERIAL, global_key, is_hashed, is_recorded};
use place::{Engine, Place};
use record::{Operation, owned, text};

/// Vault and OpenBao audit.
pub(crate) const SOURCE: Source = Source {
    id: "vault_audit",
    name: "Vault and OpenBao audit",
    version: 1,
    keys: key::DECLARATIONS,
    secrets: secret::SECRETS,
    lists: &[],
    recognises,
    parts,
    event,
    identity: ContentIdentity {
        // Not `type` and `path`, which some collectors add: an entry has its own `type`.
        delivery_only: &[
            "p_*",
            "_*",
            "@timestamp",
            "@version",
            "agent",
            "ecs",
            "event",
            "fileset",
            "host",
            "input",
            "log",
            "path",
            "tags",
        ],
        time: &["time", "@timestamp"],
        devices: Some(DEVICES),
    },
};

/// `HMAC-SHA256` under the salt of one audit device.
const DEVICES: Devices = Devices { hash_prefix: "hmac-sha256:" };

/// What the topic files add to an event.
#[derive(Default)]
struct Facts {
    keys: Vec<Key>,
    effects: Vec<Effect>,
    authorities: Vec<Authority>,
    resources: Vec<Resource>,
    coverage_hints: Vec<CoverageHint>,
}

fn recognises(record: Value<'_>) -> bool {
    secret::is_entry(record) || secret::is_kmip(record)
}

fn parts(record: Value<'_>) -> Vec<Part<'_>> {
    vec![Part::Object(record)]
}

fn event(entry: &Entry<'_>) -> Result<Option<Event>, Unreadable> {
    let operation = Operation::read(entry.event);
    let request = &operation.request;
    let names_nothing = request.operation.is_empty() && request.path.is_empty() && request.id.is_empty();
    if names_nothing && !secret::is_kmip(entry.event) {
        return Err(Unreadable {
            expected: "`operation`, `path` or `id` in `request`",
            found: "none of them".to_owned(),
            offset: entry.event.span().start,
        });
    }
    let mut facts = Facts { keys: Vec::with_capacity(8), ..Facts::default() };
    let scope = scope(entry, &mut facts);
    let cluster = Cluster { scope: &scope };
    let time = time(&operation);
    if !operation.request.id.is_empty() {
        facts.keys.push(cluster.key(Role::Native, REQUEST, operation.request.id.as_ref()));
    }
    let said = if secret::is_kmip(entry.event) {
        kmip_request(&operation, &mut facts)
    } else {
        api_request(&operation, time.at, cluster, &mut facts)
    };
    add_hints(&operation, &mut facts);
    Ok(Some(Event {
        id: EventId([0; 32]),
        source: SourceRef { kind: SOURCE.id.to_owned(), scope: scope.into_owned(), partition: None },
        native: Native {
            uid: owned(&operation.request.id),
            request_uid: owned(&operation.request.id),
            correlation_uid: None,
            stage: owned(&operation.stage),
        },
        time,
        verb: said.verb,
        api: said.api,
        outcome: said.outcome,
        actor: said.actor,
        on_behalf_of: Vec::new(),
        credential: said.credential,
        effects: facts.effects,
        authorities: facts.authorities,
        resources: facts.resources,
        keys: facts.keys,
        src_endpoint: origin(&operation),
        coverage_hints: facts.coverage_hints,
    }))
}

/// What the two sorts of entries say in different ways.
struct Said {
    verb: Verb,
    api: Api,
    outcome: Outcome,
    actor: Identity,
    credential: Option<Credential>,
}

/// A request to the API, or its response.
fn api_request(
    operation: &Operation<'_>,
    at: Option<Timestamp>,
    cluster: Cluster<'_>,
    facts: &mut Facts,
) -> Said {
    let place = Place::of(operation);
    let outcome = outcome(operation);
    let credential = identity::add_used_token(operation, &place, cluster, facts);
    identity::add_identity_keys(identity::caller(operation, &place), Role::Actor, cluster, facts);
    if !identity::gives_login(operation, &place) {
        identity::add_metadata_keys(&operation.auth, Told::Before, at, facts);
    }
    add_resources(operation, &place, cluster, facts);
    if outcome.status == Status::Success {
        let act = Act { operation, place, cluster, at };
        act.add_issued(facts);
        act.add_ended(facts);
        add_recording_hints(operation, &place, facts);
        add_absence_hint(operation, &place, facts);
    }
    identity::add_client_certificate(operation, facts);
    authority::add(operation, &place, facts);
    Said {
        verb: verb::classify(&operation.request.operation, &place),
        api: api(operation, &place),
        outcome,
        actor: identity::actor(operation, &place, cluster),
        credential,
    }
}

/// A KMIP request, or its response: the client is known by its certificate alone.
fn kmip_request(operation: &Operation<'_>, facts: &mut Facts) -> Said {
    let serial =
        SerialNumber::read_decimal(&operation.request.certificate_serial).map(|serial| serial.to_hex());
    let key = global_key(Role::Used, SERIAL, serial.clone().unwrap_or_default());
    let kind = if serial.is_some() { IdentityKind::Unknown } else { IdentityKind::Anonymous };
    let actor = Identity { kind, uid: key.to_ref(), name: None, session_name: None, alt_names: Vec::new() };
    let credential = serial.map(|_| Credential { uid: key.to_ref(), class: CredentialClass::Certificate });
    if credential.is_some() {
        facts.keys.push(key);
    }
    let outcome = kmip::outcome(operation);
    Said { verb: kmip::verb(operation), api: kmip::api(operation), outcome, actor, credential }
}

/// The cluster, as the operator names it: an entry does not.
fn scope<'a>(entry: &Entry<'a>, facts: &mut Facts) -> Cow<'a, str> {
    if let Some(scope) = entry.context.scope {
        return scope.into();
    }
    let note = "the record does not name its cluster and the operator did not either";
    facts.coverage_hints.push(CoverageHint::new("scope_unnamed", note));
    "".into()
}

/// A request has not ended when its entry is written, even where it has already been refused: the response tells.
fn outcome(operation: &Operation<'_>) -> Outcome {
    let error = &operation.error;
    let status = if !operation.is_response() {
        Status::Pending
    } else if is_denial(error) {
        Status::Denied
    } else if !error.is_empty() || is_error_response(operation) {
        Status::Failure
    } else {
        Status::Success
    };
    Outcome { status, status_code: None, status_detail: owned(error) }
}

/// Whether an error says that the caller was not let do it.
fn is_denial(error: &str) -> bool {
    [
        "permission denied",
        "missing client token",
        "bad token",
        "invalid token",
        "not authorized",
        "unauthorized",
    ]
    .iter()
    .any(|words| error.contains(words))
}

/// An engine that refuses what was sent answers with `error` alone (`IsError` in Vault's `logical` package); the entry
/// itself then has no error.
fn is_error_response(operation: &Operation<'_>) -> bool {
    let mut members = operation.response.data.into_iter().flat_map(Value::members);
    members.next().is_some_and(|(name, _)| name == "error") && members.next().is_none()
}

/// An entry is written before the request is handled, or when the response is there: that moment is all it has.
fn time(operation: &Operation<'_>) -> EventTime {
    let undated = |basis| EventTime { at: None, end: None, precision_ns: 0, basis };
    let Some(value) = operation.time.or(operation.renamed_time) else {
        return undated(TimeBasis::Missing);
    };
    let Ok(moment) = Moment::read(&text(value)) else { return undated(TimeBasis::Unreadable) };
    let basis = match moment.zone {
        _ if operation.time.is_none() => TimeBasis::Renamed,
        Zone::Stated => TimeBasis::Stated,
        Zone::Implied => TimeBasis::ZoneImplied,
    };
    EventTime { at: Some(moment.at), end: None, precision_ns: moment.precision_ns, basis }
}

fn api(operation: &Operation<'_>, place: &Place<'_>) -> Api {
    let request = &operation.request;
    let name = if request.operation.is_empty() { "unstated" } else { request.operation.as_ref() };
    let recorded =
        if request.mount_type.is_empty() { &operation.response.mount_type } else { &request.mount_type };
    let service = if recorded.is_empty() { place.mount.trim_end_matches('/') } else { recorded.as_ref() };
    Api {
        operation: format!("{name} {}", request.path).trim_end().to_owned(),
        service: if service.is_empty() { "vault".to_owned() } else { service.to_owned() },
    }
}

fn add_resources(operation: &Operation<'_>, place: &Place<'_>, cluster: Cluster<'_>, facts: &mut Facts) {
    let request = &operation.request;
    if request.path.is_empty() {
        return;
    }
    let mut add = |kind: String, key: Key, role: ResourceRole| {
        facts.resources.push(Resource { kind, uid: key.to_ref(), role });
        facts.keys.push(key);
    };
    let namespace = &request.namespace;
    let kind = if request.mount_type.is_empty() { "path" } else { request.mount_type.as_ref() };
    let path = cluster.key(Role::Resource, PATH, format!("{namespace}{}", request.path));
    add(kind.to_owned(), path, ResourceRole::Target);
    if place.mount.ends_with('/') {
        let mount = cluster.key(Role::Resource, MOUNT, format!("{namespace}{}", place.mount));
        add("mount".to_owned(), mount, ResourceRole::Container);
    }
}

/// The peer that the node saw, or the one that a trusted proxy named; KMIP adds the port.
fn origin(operation: &Operation<'_>) -> Origin {
    let request = &operation.request;
    let address = request.remote_address.as_ref();
    let ip = match address.rsplit_once(':') {
        Some((ip, _)) if ip.starts_with('[') => ip.trim_matches(['[', ']']),
        Some((ip, _)) if !ip.contains(':') => ip,
        _ => address,
    };
    let agent = request.headers.and_then(|headers| {
        let (_, values) = headers.members().find(|(name, _)| name.eq_ignore_ascii_case("user-agent"))?;
        values.index(0)?.non_empty().filter(|agent| !is_hashed(agent) && is_recorded(agent))
    });
    Origin {
        addresses: owned(ip).map(|ip| Address { ip, observed: true }).into_iter().collect(),
        via: owned(&operation.forwarded_from),
        user_agent: agent,
        endpoint_uid: None,
    }
}

fn add_hints(operation: &Operation<'_>, facts: &mut Facts) {
    let Operation { auth, request, response, .. } = operation;
    let tokens = [
        Some(&auth.client_token),
        Some(&request.client_token),
        response.auth.as_ref().map(|auth| &auth.client_token),
        response.wrap.as_ref().map(|wrap| &wrap.token),
    ];
    if tokens.into_iter().flatten().any(|token| !token.is_empty() && !is_hashed(token)) {
        let note =
            "the audit device writes tokens as they are (`log_raw`): whoever could read its output had them";
        facts.coverage_hints.push(CoverageHint::new("device_raw", note));
    }
    if operation.forwarded {
        facts
            .coverage_hints
            .push(CoverageHint::new("forwarded", "another node of the cluster passed the request on"));
    }
}

/// What changes in what is recorded from here on.
fn add_recording_hints(operation: &Operation<'_>, place: &Place<'_>, facts: &mut Facts) {
    if place.engine != Engine::System || !verb::writes(&operation.request.operation) {
        return;
    }
    let deletes = operation.request.operation == "delete";
    let (kind, note) = match place.step() {
        ("audit", device) if deletes => ("recording_stopped", format!("audit device {device} was disabled")),
        ("audit", device) => {
            ("recording_started", format!("audit device {device} was enabled with a new salt"))
        }
        ("config", then) if then.starts_with("auditing/") => {
            ("recording_changed", "which headers are recorded was changed".to_owned())
        }
        ("mounts" | "auth", then) if then.ends_with("/tune") && changes_hashing(operation) => {
            let mount = then.trim_end_matches("tune");
            ("recording_changed", format!("which values of {mount} are hashed was changed"))
        }
        _ => return,
    };
    facts.coverage_hints.push(CoverageHint { kind: kind.to_owned(), note });
}

/// What does not exist is answered without an error, and without data.
fn add_absence_hint(operation: &Operation<'_>, place: &Place<'_>, facts: &mut Facts) {
    let response = &operation.response;
    let is_empty = response.data.is_none()
        || (place.engine == Engine::KeyValue
            && operation.answered("data").is_some_and(|data| data.kind() == Kind::Null));
    let is_read = matches!(operation.request.operation.as_ref(), "read" | "list");
    let holds_more = response.auth.is_some() || response.wrap.is_some() || !response.lease_id.is_empty();
    if is_read && is_empty && !holds_more {
        let note = "the response holds no data: what was asked for may not exist";
        facts.coverage_hints.push(CoverageHint::new("nothing_returned", note));
    }
}

fn changes_hashing(operation: &Operation<'_>) -> bool {
    ["audit_non_hmac_request_keys", "audit_non_hmac_response_keys"]
        .iter()
        .any(|name| operation.sent(name).is_some())
}
