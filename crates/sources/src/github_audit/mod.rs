//! The audit log of a GitHub enterprise, organisation or user, and of GitHub Enterprise Server.
//!
//! Shapes read: the array of the REST API and of exports, JSON Lines (what streaming delivers, compressed), exports
//! that rename `@timestamp`, and the syslog messages of GitHub Enterprise Server in the JSON of a collector.
//! Reference: <https://docs.github.com/en/enterprise-cloud@latest/admin/monitoring-activity-in-your-enterprise/reviewing-audit-logs-for-your-enterprise>
//! and the lists of events and fields that page leads to.
//!
//! Not read: webhook deliveries, alerts of code scanning and Dependabot, and the CSV export. They have an `action`
//! too, and are other kinds of record. The files beside this one each answer one question of a record.

mod actor;
mod authority;
mod effect;
mod key;
mod record;
mod resource;
mod run;
mod verb;

use std::collections::BTreeSet;

use ascribe_model::{
    Address, Api, CoverageHint, Effect, Event, EventId, EventTime, Identity, Key, Native, Origin, Outcome,
    Resource, Role, SourceRef, Status, TimeBasis,
};

use crate::json::{Kind, Value};
use crate::moment::{Moment, Zone};
use crate::secrets::shows_secret;
use crate::source::{ContentIdentity, Entry, Part, SecretField, Source, Transform, Unreadable};
use key::Instance;
use record::Record;

/// GitHub audit log.
pub(crate) const SOURCE: Source = Source {
    id: "github_audit",
    name: "GitHub audit log",
    version: 1,
    keys: key::DECLARATIONS,
    secrets: SECRETS,
    lists: &[],
    recognises,
    parts,
    event,
    identity: ContentIdentity {
        // `event`, `name` and `path` are GitHub's own.
        delivery_only: &[
            "p_*", "_raw", "_time", "@version", "agent", "ecs", "fileset", "host", "input", "log", "tags",
        ],
        time: &["@timestamp", "created_at", "at_sign_timestamp"],
        devices: None,
    },
};

const SECRETS: &[SecretField] = &[
    field(&["config", "secret"], "github.webhook_secret"),
    field(&["data", "config", "secret"], "github.webhook_secret"),
    SecretField { when: Some(body_shows_secret), ..field(&["request_body"], "github.request_body") },
    SecretField { when: Some(query_shows_secret), ..field(&["query_string"], "github.query_string") },
    SecretField { when: Some(path_shows_secret), ..field(&["url_path"], "github.token_in_path") },
];

const fn field(path: &'static [&'static str], rule: &'static str) -> SecretField {
    SecretField { path, rule, transform: Transform::Nothing, when: None, beside: None, spares: None }
}

/// The scope of records that name neither enterprise nor organisation, when the operator does not either.
const UNNAMED: &str = "unnamed";

/// Stands before the JSON in what GitHub Enterprise Server sends to syslog.
const SYSLOG_TAG: &str = "github_audit: ";

/// What the topic files add to an event.
#[derive(Default)]
struct Facts {
    keys: Vec<Key>,
    effects: Vec<Effect>,
    resources: Vec<Resource>,
    coverage_hints: Vec<CoverageHint>,
}

fn recognises(record: Value<'_>) -> bool {
    is_audit_event(record) || syslog_message(record).is_some()
}

fn parts(record: Value<'_>) -> Vec<Part<'_>> {
    match syslog_message(record) {
        Some((message, start)) => vec![Part::Tail(message, start)],
        None => vec![Part::Object(record)],
    }
}

fn event(entry: &Entry<'_>) -> Result<Option<Event>, Unreadable> {
    if !is_audit_event(entry.event) {
        return Err(Unreadable {
            expected: "an audit log event: an object with `action`, and `actor` or `_document_id`",
            found: found(entry.event),
            offset: entry.event.span().start,
        });
    }
    let record = Record::new(entry.event);
    let mut facts = Facts { keys: Vec::with_capacity(16), ..Facts::default() };
    let server = server(entry);
    let instance = Instance { scope: server.as_deref().unwrap_or_default() };
    let scope = scope(record, entry, server.as_deref(), &mut facts);
    let time = time(record);
    let outcome = outcome(record);

    for (name, kind) in [("_document_id", key::EVENT), ("request_id", key::REQUEST)] {
        let id = record.id(name);
        facts.keys.extend(id.map(|id| instance.key(Role::Native, kind, id)));
    }
    let (credential, used) = actor::credential(record, instance);
    facts.keys.extend(used);
    facts.keys.extend(actor::account_keys(Role::Actor, ["actor_id", "actor"], record, instance));
    facts.keys.extend(actor::external_keys(record, instance));
    facts.keys.extend(effect::app_key(record, instance));
    facts.keys.extend(run::keys(record, time.at, instance));
    resource::add(record, instance, &mut facts);
    if outcome.status == Status::Success {
        effect::add(record, instance, &mut facts);
    }
    let on_behalf_of = impersonated(record, instance, &mut facts);
    add_hints(record, &mut facts);
    let mut seen = BTreeSet::new();
    facts.keys.retain(|key| seen.insert(key.clone()));

    Ok(Some(Event {
        id: EventId([0; 32]),
        source: SourceRef { kind: SOURCE.id.to_owned(), scope, partition: None },
        native: Native {
            uid: record.id("_document_id").map(String::from),
            request_uid: record.id("request_id").map(String::from),
            ..Native::default()
        },
        time,
        verb: verb::classify(record),
        api: api(record),
        authorities: authority::authorities(record, outcome.status),
        outcome,
        actor: actor::actor(record, instance),
        on_behalf_of,
        credential,
        effects: facts.effects,
        resources: facts.resources,
        keys: facts.keys,
        src_endpoint: origin(record),
        coverage_hints: facts.coverage_hints,
    }))
}

/// Webhook deliveries have an `action` of one word, a `sender`, and objects where this has names. Real records may
/// have neither time nor id, so what they have of names must do.
fn is_audit_event(record: Value<'_>) -> bool {
    let has = |name: &str| record.get(name).is_some_and(|value| value.kind() != Kind::Null);
    let is_object = |name: &str| record.get(name).is_some_and(|value| value.kind() == Kind::Object);
    let Some(action) = record.get("action").and_then(Value::text) else { return false };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let is_action = !action.is_empty() && action.bytes().all(is_name);
    if !is_action || has("sender") || ["actor", "repo", "repository", "user"].into_iter().any(is_object) {
        return false;
    }
    let is_dated = has("@timestamp") || has("created_at") || has("at_sign_timestamp");
    let has_place = ["org", "business", "repo", "repository", "org_id", "business_id"].into_iter().any(has);
    let is_of_category = action.contains('.');
    (has("_document_id") && (is_dated || is_of_category))
        || (has("actor") && has_place && (is_dated || is_of_category))
        || (has("actor") && is_dated && is_of_category)
}

/// The message of GitHub Enterprise Server in the JSON of a collector, and where its JSON begins.
fn syslog_message(record: Value<'_>) -> Option<(Value<'_>, usize)> {
    let message = record.get("message")?;
    let text = message.text()?;
    let start = text.find(SYSLOG_TAG)? + SYSLOG_TAG.len();
    text[start..].starts_with('{').then_some((message, start))
}

/// The server that wrote the record; `None` for github.com. A name with a full stop is a host: organisations have none.
fn server(entry: &Entry<'_>) -> Option<String> {
    let named = entry.context.scope.filter(|scope| scope.contains('.'));
    let is_servers =
        || syslog_message(entry.record).is_some() || entry.event.path(&["data", "dbconn"]).is_some();
    match named {
        Some(host) => Some(host.to_owned()),
        None => is_servers().then(|| entry.context.scope.unwrap_or(UNNAMED).to_owned()),
    }
}

/// The server; on github.com the enterprise, else the organisation or owner, else what the operator says.
fn scope(record: Record<'_>, entry: &Entry<'_>, server: Option<&str>, facts: &mut Facts) -> String {
    let owner = || record.repository().and_then(|path| Some(path.split_once('/')?.0.to_owned()));
    let own = || {
        let organization = || record.texts("org").into_iter().next().map(String::from);
        record.text("business").map(String::from).or_else(organization).or_else(owner)
    };
    let scope = match server {
        Some(server) => (server != UNNAMED).then(|| server.to_owned()),
        None => own().or_else(|| entry.context.scope.map(str::to_owned)),
    };
    scope.unwrap_or_else(|| {
        let what = if server.is_some() { "server" } else { "enterprise or organisation" };
        facts.coverage_hints.push(CoverageHint {
            kind: "scope_unnamed".to_owned(),
            note: format!("the record does not name its {what} and the operator did not either"),
        });
        UNNAMED.to_owned()
    })
}

/// The event's own moment. Exports that rename it write it as text, without a zone.
fn time(record: Record<'_>) -> EventTime {
    let of =
        |name: &str| record.text(name).map(|text| Moment::read(text.strip_suffix(".0").unwrap_or(&text)));
    let (stated, is_renamed) = match of("@timestamp").or_else(|| of("created_at")) {
        // The renamed moment says when it happened; what an alert says of its own creation may be older.
        own if record.value("@timestamp").is_some() || record.value("at_sign_timestamp").is_none() => {
            (own, false)
        }
        _ => (of("at_sign_timestamp"), true),
    };
    let undated = |basis| EventTime { at: None, end: None, precision_ns: 0, basis };
    match stated {
        None => undated(TimeBasis::Missing),
        Some(Err(_)) => undated(TimeBasis::Unreadable),
        Some(Ok(moment)) => {
            let basis = match moment.zone {
                _ if is_renamed => TimeBasis::Renamed,
                Zone::Stated => TimeBasis::Stated,
                Zone::Implied => TimeBasis::ZoneImplied,
            };
            EventTime { at: Some(moment.at), end: None, precision_ns: moment.precision_ns, basis }
        }
    }
}

/// An API request has a status, a run a conclusion. Of everything else GitHub records what was done, and names what
/// failed or was refused so.
fn outcome(record: Record<'_>) -> Outcome {
    let action = record.action();
    let code = record.text("status_code").map(String::from);
    let conclusion = record.text("conclusion").map(String::from);
    let fails = ["_failed", "_failure"].iter().any(|end| action.ends_with(end));
    let status = match (code.as_deref(), conclusion.as_deref()) {
        (Some(code), _) => match code.parse() {
            Ok(100..=399_u16) => Status::Success,
            Ok(401 | 403) => Status::Denied,
            Ok(400..) => Status::Failure,
            _ => Status::Unknown,
        },
        (None, Some("success")) => Status::Success,
        (None, Some("failure" | "timed_out" | "startup_failure")) => Status::Failure,
        (None, Some(_)) => Status::Unknown,
        _ if action == "protected_branch.rejected_ref_update" => Status::Denied,
        _ if action == "workflows.actions_policy_violation" && !record.is_true("allowed") => Status::Denied,
        _ if fails || action == "user.failed_login" => Status::Failure,
        _ => Status::Success,
    };
    let detail = ["message", "explanation", "reason"].into_iter().find_map(|name| record.text(name));
    Outcome { status, status_code: code.or(conclusion), status_detail: detail.map(String::from) }
}

fn api(record: Record<'_>) -> Api {
    let action = record.action();
    let method = record.text("request_method").filter(|_| action == "api.request");
    let route = record.text("route").or_else(|| record.text("url_path"));
    let operation = match (method, route) {
        (Some(method), Some(route)) => format!("{method} {route}"),
        _ => action.clone().into_owned(),
    };
    let service = action.split_once('.').map_or("github", |(category, _)| category).to_owned();
    Api { operation, service }
}

/// GitHub shows addresses only where an owner has switched that on.
fn origin(record: Record<'_>) -> Origin {
    let address = record.text("actor_ip").map(|ip| Address { ip: ip.into_owned(), observed: true });
    Origin {
        addresses: address.into_iter().collect(),
        user_agent: record.text("user_agent").map(String::from),
        ..Origin::default()
    }
}

/// A site administrator of a server may sign in as another account.
fn impersonated(record: Record<'_>, instance: Instance<'_>, facts: &mut Facts) -> Vec<Identity> {
    if !record.action().starts_with("staff.fake_") {
        return Vec::new();
    }
    facts.keys.extend(actor::account_keys(Role::Behalf, ["user_id", "user"], record, instance));
    actor::user(record, instance).into_iter().collect()
}

fn add_hints(record: Record<'_>, facts: &mut Facts) {
    let mut hint = |kind: &str, note: &str| {
        facts.coverage_hints.push(CoverageHint { kind: kind.to_owned(), note: note.to_owned() });
    };
    let is_off = record.value("audit_log_stream_enabled").and_then(Value::truth) == Some(false);
    match record.action().as_ref() {
        "audit_log_streaming.create" => hint("recording_started", "a stream of the audit log was added"),
        "audit_log_streaming.destroy" => hint("recording_stopped", "a stream of the audit log was deleted"),
        "audit_log_streaming.update" if is_off => {
            hint("recording_stopped", "a stream of the audit log was switched off");
        }
        "audit_log_streaming.update" => hint("recording_changed", "a stream of the audit log was changed"),
        "audit_log_streaming.check" => hint("recording_checked", "the endpoint of a stream was tried"),
        "workflows.prepared_workflow_job" => hint(
            "token_issue_not_recorded",
            "GitHub does not record that a job asks for an OIDC token, nor that it gets its `GITHUB_TOKEN`",
        ),
        "workflows.delete_workflow_run" => hint("records_deleted", "the run was deleted with its output"),
        "checks.delete_logs" => hint("records_deleted", "the output of a check was deleted"),
        action if action.ends_with(".disable_source_ip_disclosure") => {
            hint("addresses_hidden", "records no longer have the address of the actor");
        }
        action if action.ends_with(".enable_source_ip_disclosure") => {
            hint("addresses_shown", "records have the address of the actor from here on");
        }
        _ => {}
    }
}

/// What clients send when they make or change a secret.
fn body_shows_secret(event: Value<'_>) -> bool {
    let words = ["token", "secret", "password", "encrypted_value", "private_key", "\"key\""];
    let Some(body) = event.get("request_body") else { return false };
    let text = String::from_utf8_lossy(body.raw()).to_ascii_lowercase();
    words.iter().any(|word| text.contains(word))
}

/// A parameter at the very front has no `?` or `&` by which it would be found in any text. A token of a known format is
/// found anyway, and something of it stays; what has been withheld is not again.
fn query_shows_secret(event: Value<'_>) -> bool {
    let names = ["access_token", "refresh_token", "token", "client_secret", "code"];
    let is_unknown =
        |value: &str| !value.is_empty() && !value.starts_with("[withheld:") && !shows_secret(value);
    event.get("query_string").and_then(Value::text).is_some_and(|query| {
        let pairs = query.trim_start_matches('?').split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().any(|(name, value)| names.contains(&name) && is_unknown(value))
    })
}

/// Former versions of the API had the token itself in the path.
fn path_shows_secret(event: Value<'_>) -> bool {
    event.get("url_path").and_then(Value::text).is_some_and(|path| {
        let parts: Vec<_> = path.split('/').collect();
        parts
            .windows(4)
            .any(|part| matches!(part, ["applications", _, "tokens" | "token", token] if !token.is_empty()))
    })
}

/// The start of a value, for a message.
fn found(value: Value<'_>) -> String {
    const SHOWN_MAX: usize = 80;
    String::from_utf8_lossy(value.raw()).chars().take(SHOWN_MAX).collect()
}
