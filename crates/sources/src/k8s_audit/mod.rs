//! Kubernetes audit events: `audit.k8s.io/v1`, `v1beta1` and `v1alpha1`.
//!
//! Shapes read: one event per line (the API server's own files), an `EventList` (its webhook), CloudWatch Logs
//! deliveries and exports of EKS, and AKS diagnostic records with the event in `properties.log`, as an object or as
//! text. Reference: <https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/>, and the API server's
//! sources where that page is silent.
//!
//! Not read: GKE (Cloud Audit Logs, another format) and the flattened `AKSAudit` tables of Azure Monitor. The files
//! beside this one each answer one question of a request; none of them knows how the record was delivered.

mod authority;
mod certificate;
mod effect;
mod identity;
mod key;
mod request;
mod resource;
mod verb;

use std::borrow::Cow;

use ascribe_model::{
    Address, Api, Authority, CoverageHint, Effect, EffectKind, Event, EventId, EventTime, Key, Native,
    Origin, Outcome, Resource, Role, SourceRef, Status, TimeBasis, Trust,
};
use memchr::memmem;

use crate::json::{Kind, Value};
use crate::moment::{Moment, Zone};
use crate::source::{ContentIdentity, Entry, Part, SecretField, Source, Transform, Unreadable};
use key::Cluster;
use request::{Request, text};

/// Kubernetes audit.
pub(crate) const SOURCE: Source = Source {
    id: "k8s_audit",
    name: "Kubernetes audit",
    version: 2,
    keys: key::DECLARATIONS,
    secrets: SECRETS,
    // Azure Event Hubs and Storage deliver `records`.
    lists: &["items", "records"],
    recognises,
    parts,
    event,
    identity: ContentIdentity {
        // The items of an `EventList` have neither kind nor version, the same events in a file have both.
        delivery_only: &[
            "kind",
            "apiVersion",
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
            "type",
        ],
        time: &["requestReceivedTimestamp", "timestamp"],
        devices: None,
    },
};

const SECRETS: &[SecretField] = &[
    token(&["responseObject", "status", "token"], "k8s.service_account_token", is_token_request),
    token(&["requestObject", "spec", "token"], "k8s.reviewed_token", is_token_review),
    token(&["responseObject", "spec", "token"], "k8s.reviewed_token", is_token_review),
    content(&["requestObject", "data"]),
    content(&["requestObject", "stringData"]),
    content(&["requestObject", "binaryData"]),
    // A JSON Patch: a list of operations with a value each.
    content(&["requestObject", "*", "value"]),
    content(&["requestObject", "metadata", "annotations", LAST_APPLIED]),
    content(&["responseObject", "data"]),
    content(&["responseObject", "stringData"]),
    content(&["responseObject", "binaryData"]),
    content(&["responseObject", "metadata", "annotations", LAST_APPLIED]),
    content(&["responseObject", "items", "*", "data"]),
    content(&["responseObject", "items", "*", "stringData"]),
    content(&["responseObject", "items", "*", "binaryData"]),
    content(&["responseObject", "items", "*", "metadata", "annotations", LAST_APPLIED]),
    variable(&["requestObject", "**", "env", "*", "value"]),
    variable(&["responseObject", "**", "env", "*", "value"]),
];

/// `kubectl apply` keeps the whole object here, as text.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

const fn token(
    path: &'static [&'static str],
    rule: &'static str,
    when: fn(Value<'_>) -> bool,
) -> SecretField {
    SecretField { path, rule, transform: Transform::JwtId, when: Some(when), beside: None, spares: None }
}

const fn content(path: &'static [&'static str]) -> SecretField {
    let when: Option<fn(Value<'_>) -> bool> = Some(is_of_secret);
    SecretField {
        path,
        rule: "k8s.secret_content",
        transform: Transform::Nothing,
        when,
        beside: None,
        spares: None,
    }
}

/// An environment variable of a container, whatever kind of object the container is part of.
const fn variable(path: &'static [&'static str]) -> SecretField {
    let beside: Option<fn(Value<'_>) -> bool> = Some(is_secret_variable);
    let rule = "k8s.environment_variable";
    SecretField { path, rule, transform: Transform::Nothing, when: None, beside, spares: None }
}

/// Whether a variable's name says that its value is secret.
fn is_secret_variable(variable: Value<'_>) -> bool {
    let name = variable.get("name").and_then(Value::text).unwrap_or_default().to_ascii_uppercase();
    ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "APIKEY", "API_KEY", "ACCESS_KEY", "PRIVATE_KEY"]
        .iter()
        .any(|word| name.contains(word))
}

/// The scope of records that do not say which cluster they are from, when the operator does not either.
const UNNAMED: &str = "unnamed";

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
    is_audit_event(record) || is_eks_delivery(record) || is_aks_record(record)
}

fn parts(record: Value<'_>) -> Vec<Part<'_>> {
    if is_eks_delivery(record) {
        let messages = record.get("logEvents").into_iter().flat_map(Value::items);
        return messages
            .filter_map(|entry| entry.get("message"))
            .filter(is_audit_message)
            .map(Part::Text)
            .collect();
    }
    if is_aks_record(record)
        && let Some(inner) = record.path(&["properties", "log"])
    {
        return vec![if inner.kind() == Kind::String { Part::Text(inner) } else { Part::Object(inner) }];
    }
    vec![Part::Object(record)]
}

fn event(entry: &Entry<'_>) -> Result<Option<Event>, Unreadable> {
    if !is_audit_event(entry.event) {
        return Err(Unreadable {
            expected: "an audit event: an object with `auditID` and `stage`, or with `verb` and `user`",
            found: found(entry.event),
            offset: entry.event.span().start,
        });
    }
    let mut facts = Facts { keys: Vec::with_capacity(12), ..Facts::default() };
    let scope = scope(entry, &mut facts);
    let cluster = Cluster { scope: &scope };
    let request = Request::read(entry.event);
    let outcome = outcome(&request);

    if !request.audit_id.is_empty() {
        // A client may send the id itself, in the header `Audit-ID`.
        let native = cluster.key(Role::Native, key::AUDIT_EVENT, request.audit_id.as_ref());
        facts.keys.push(Key { trust: Trust::SelfAsserted, ..native });
    }
    let credential = identity::add_credential(&request, cluster, &mut facts);
    identity::add_identity_keys(&request.user, Role::Actor, cluster, &mut facts);
    identity::add_iam_keys(&request.user, &mut facts);
    let mut on_behalf_of = Vec::new();
    if let Some(effective) = &request.impersonated {
        identity::add_identity_keys(effective, Role::Behalf, cluster, &mut facts);
        on_behalf_of.push(identity::identity(effective, cluster));
    }
    resource::add(&request, cluster, &mut facts);
    if outcome.status == Status::Success {
        effect::add(&request, cluster, &mut facts);
        effect::add_review(&request, cluster, &mut facts);
        effect::add_shown_certificate(&request, cluster, &mut facts);
    }
    // Where the event issues or ends credentials, its workload is the one that those live in. The caller's own pod then
    // only says who acted.
    let moves = |effect: &Effect| effect.kind != EffectKind::Scope;
    let workload_role = if facts.effects.iter().any(moves) { Role::Actor } else { Role::Workload };
    identity::add_workload_keys(&request.user, workload_role, cluster, &mut facts);
    authority::add(&request, outcome.status, &mut facts);
    add_hints(&request, &mut facts);

    Ok(Some(Event {
        id: EventId([0; 32]),
        source: SourceRef { kind: SOURCE.id.to_owned(), scope: scope.clone().into_owned(), partition: None },
        native: Native { uid: owned(&request.audit_id), stage: owned(&request.stage), ..Native::default() },
        time: time(&request),
        verb: verb::classify(&request),
        api: api(&request),
        outcome,
        actor: identity::actor(&request, cluster),
        on_behalf_of,
        credential,
        effects: facts.effects,
        authorities: facts.authorities,
        resources: facts.resources,
        keys: facts.keys,
        src_endpoint: origin(&request),
        coverage_hints: facts.coverage_hints,
    }))
}

/// A core `v1` Event has kind `Event` too, but an `involvedObject` and no verb. The items of an `EventList` have no
/// kind, and what analysis tools keep of an event may have little else.
fn is_audit_event(record: Value<'_>) -> bool {
    if record.kind() != Kind::Object {
        return false;
    }
    let has = |name: &str| record.get(name).is_some();
    let is_of_audit_version = || {
        let version = record.get("apiVersion").and_then(Value::text);
        version.is_some_and(|version| version.starts_with("audit.k8s.io/")) && !has("items")
    };
    let is_event = || record.get("kind").is_some_and(|kind| kind.is_text("Event"));
    (has("auditID") && has("stage"))
        || (is_of_audit_version() && (has("verb") || has("user") || has("auditID")))
        || (is_event() && has("verb") && (has("user") || has("objectRef")))
}

/// What CloudWatch Logs sends to subscribers of the log group of an EKS control plane.
fn is_eks_delivery(record: Value<'_>) -> bool {
    record.get("messageType").is_some_and(|kind| kind.is_text("DATA_MESSAGE"))
        && record.get("logGroup").and_then(Value::text).is_some_and(|group| eks_cluster(&group).is_some())
}

/// The cluster whose control plane writes to a log group.
fn eks_cluster(log_group: &str) -> Option<&str> {
    log_group.strip_prefix("/aws/eks/")?.strip_suffix("/cluster").filter(|name| !name.is_empty())
}

/// The group holds the text lines of other components as well: authenticator, scheduler, controller manager.
fn is_audit_message(message: &Value<'_>) -> bool {
    let content = message.content();
    content.trim_ascii_start().starts_with(b"{") && memmem::find(content, b"audit.k8s.io").is_some()
}

fn is_aks_record(record: Value<'_>) -> bool {
    record
        .get("category")
        .is_some_and(|category| category.is_text("kube-audit") || category.is_text("kube-audit-admin"))
        && record.path(&["properties", "log"]).is_some()
}

fn is_token_request(event: Value<'_>) -> bool {
    is_member(event, &["objectRef", "subresource"], "token")
        || is_member(event, &["responseObject", "kind"], "TokenRequest")
}

fn is_token_review(event: Value<'_>) -> bool {
    is_member(event, &["objectRef", "resource"], "tokenreviews")
        || is_member(event, &["requestObject", "kind"], "TokenReview")
}

fn is_of_secret(event: Value<'_>) -> bool {
    is_member(event, &["objectRef", "resource"], "secrets")
        || is_member(event, &["requestObject", "kind"], "Secret")
        || is_member(event, &["responseObject", "kind"], "Secret")
        || is_member(event, &["responseObject", "kind"], "SecretList")
}

fn is_member(event: Value<'_>, path: &[&str], expected: &str) -> bool {
    event.path(path).is_some_and(|value| value.is_text(expected))
}

/// The cluster: as the wrapper names it, else as the operator does.
fn scope<'a>(entry: &Entry<'a>, facts: &mut Facts) -> Cow<'a, str> {
    let record = entry.record;
    if is_eks_delivery(record) {
        let group = record.get("logGroup").map(text).unwrap_or_default();
        let owner = record.get("owner").map(text).unwrap_or_default();
        if let Some(cluster) = eks_cluster(&group) {
            return format!("eks:{owner}/{cluster}").into();
        }
    }
    if is_aks_record(record)
        && let Some(id) = record.get("resourceId").and_then(Value::non_empty)
    {
        // Azure writes resource ids in the case that each service likes; they are compared without case.
        return id.to_ascii_lowercase().into();
    }
    if let Some(scope) = entry.context.scope {
        return scope.into();
    }
    facts.coverage_hints.push(CoverageHint {
        kind: "scope_unnamed".to_owned(),
        note: "the record does not name its cluster and the operator did not either".to_owned(),
    });
    UNNAMED.into()
}

fn outcome(request: &Request<'_>) -> Outcome {
    let response = &request.response;
    let refused = matches!(response.reason.as_ref(), "Forbidden" | "Unauthorized");
    let status = match (request.stage.as_ref(), response.code) {
        ("RequestReceived", _) => Status::Pending,
        ("Panic", _) => Status::Failure,
        (_, Some(401 | 403)) => Status::Denied,
        (_, Some(100..=399)) => Status::Success,
        (_, Some(400..)) => Status::Failure,
        _ if refused || request.annotations.decision == "forbid" => Status::Denied,
        _ if response.status == "Success" => Status::Success,
        _ if response.status == "Failure" => Status::Failure,
        _ => Status::Unknown,
    };
    Outcome {
        status,
        status_code: response.code.map(|code| code.to_string()),
        status_detail: owned(&response.message).or_else(|| owned(&response.reason)),
    }
}

/// The start of the request, and its end at the stages that have one.
fn time(request: &Request<'_>) -> EventTime {
    let read = |value: Option<Value<'_>>| value.map(|value| Moment::read(&text(value)));
    let reached = read(request.stage_time);
    // The stage's own time is all that is left where an export dropped the others.
    let stated = read(request.received).or_else(|| read(request.old_time)).or(reached);
    let is_end = matches!(request.stage.as_ref(), "ResponseComplete" | "Panic");
    let end = reached.filter(|_| is_end).and_then(Result::ok).map(|moment| moment.at);
    let (at, precision_ns, basis) = match stated {
        None => (None, 0, TimeBasis::Missing),
        Some(Err(_)) => (None, 0, TimeBasis::Unreadable),
        Some(Ok(moment)) => {
            let basis = if moment.zone == Zone::Stated { TimeBasis::Stated } else { TimeBasis::ZoneImplied };
            (Some(moment.at), moment.precision_ns, basis)
        }
    };
    EventTime { at, end, precision_ns, basis }
}

fn api(request: &Request<'_>) -> Api {
    let (object, service) = match &request.target {
        Some(target) if target.group.is_empty() => (resource::type_of(target), "core"),
        Some(target) => (resource::type_of(target), target.group.as_ref()),
        None => (resource::path_of(&request.uri).to_owned(), "kube-apiserver"),
    };
    let verb = if request.verb.is_empty() { "unstated" } else { request.verb.as_ref() };
    Api { operation: format!("{verb} {object}").trim_end().to_owned(), service: service.to_owned() }
}

/// Proxies put addresses in front; only the last one is the peer that the API server saw.
fn origin(request: &Request<'_>) -> Origin {
    let mut addresses: Vec<Address> = request
        .source_addresses
        .into_iter()
        .flat_map(Value::items)
        .map(|address| Address { ip: text(address).into_owned(), observed: false })
        .collect();
    if let Some(last) = addresses.last_mut() {
        last.observed = true;
    }
    Origin { addresses, user_agent: request.user_agent.and_then(Value::non_empty), ..Origin::default() }
}

fn add_hints(request: &Request<'_>, facts: &mut Facts) {
    let mut hint =
        |kind: &str, note: String| facts.coverage_hints.push(CoverageHint { kind: kind.to_owned(), note });
    let annotations = &request.annotations;
    if annotations.truncated {
        hint("truncated", "the API server cut the bodies off because the record was too long".to_owned());
    }
    if !annotations.stale_token.is_empty() {
        hint("stale_token", annotations.stale_token.clone().into_owned());
    }
}

fn owned(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// The start of a value, for a message.
fn found(value: Value<'_>) -> String {
    const SHOWN_MAX: usize = 80;
    String::from_utf8_lossy(value.raw()).chars().take(SHOWN_MAX).collect()
}
