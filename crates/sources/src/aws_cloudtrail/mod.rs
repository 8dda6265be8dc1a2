//! AWS CloudTrail: management, data, network activity and Insights events, in every wrapper in which they travel.
//!
//! Follows the CloudTrail User Guide: "CloudTrail record contents", "CloudTrail userIdentity element", "CloudTrail
//! log file examples", "Digest file structure". The wrappers are EventBridge (`detail`), CloudWatch Logs
//! subscriptions (`logEvents`), the LookupEvents API (`CloudTrailEvent`) and CloudTrail Lake (`eventJson`).
//!
//! It does not know how the bytes arrived, what is a secret beyond the fields named here, nor how keys join.

mod authority;
mod effect;
mod key;
mod outcome;
mod principal;
mod record;
mod resource;
mod time;
mod vault;
mod verb;
mod web_identity;
mod workload;

use ascribe_model::{
    Address, Api, CoverageHint, Event, EventId, Key, KeyRef, Native, Origin, Resource, Role, SourceRef, Trust,
};

use crate::json::{Kind, Value};
use crate::{ContentIdentity, Entry, Part, SecretField, Source, Transform, Unreadable};
use key::{global, key};
use record::{Act, UNNAMED, members, text};

/// What one record of CloudTrail says.
pub const SOURCE: Source = Source {
    id: ID,
    name: "AWS CloudTrail",
    version: 2,
    keys: key::DECLARATIONS,
    secrets: SECRETS,
    lists: &["Records", "Events", "QueryResultRows"],
    recognises,
    parts,
    event,
    identity: ContentIdentity {
        delivery_only: &[
            "@metadata",
            "@version",
            "_*",
            "agent",
            "ecs",
            "event",
            "fileset",
            "host",
            "input",
            "log",
            "p_*",
            "path",
            "tags",
            "type",
        ],
        time: &["eventTime", "@timestamp"],
        devices: None,
    },
};

const ID: &str = "aws_cloudtrail";

/// What CloudTrail is known to record of secrets. AWS hides most of them itself; older records and newer services
/// do not.
const SECRETS: &[SecretField] = &[
    secret(&["responseElements", "**", "sessionToken"], "aws.session_token"),
    secret(&["responseElements", "**", "secretAccessKey"], "aws.secret_access_key"),
    secret(&["responseElements", "**", "accessToken"], "aws.access_token"),
    secret(&["responseElements", "**", "refreshToken"], "aws.refresh_token"),
    token(&["responseElements", "**", "idToken"], "aws.id_token"),
    token(&["responseElements", "webIdentityToken"], "aws.web_identity_token"),
    secret(&["responseElements", "**", "keyMaterial"], "aws.private_key"),
    secret(&["responseElements", "**", "privateKey"], "aws.private_key"),
    secret(&["responseElements", "**", "servicePassword"], "aws.password"),
    secret(&["responseElements", "**", "serviceCredentialSecret"], "aws.password"),
    secret(&["responseElements", "**", "dbPassword"], "aws.password"),
    secret(&["responseElements", "**", "dBPassword"], "aws.password"),
    secret(&["responseElements", "**", "passwordData"], "aws.password"),
    secret(&["responseElements", "**", "base32StringSeed"], "aws.mfa_seed"),
    secret(&["responseElements", "**", "qRCodePNG"], "aws.mfa_seed"),
    secret(&["responseElements", "**", "secretString"], "aws.secret_value"),
    secret(&["responseElements", "**", "secretBinary"], "aws.secret_value"),
    secret(&["responseElements", "**", "tokenValue"], "aws.session_token"),
    secret(&["responseElements", "environment", "variables"], "aws.environment_variable"),
    token(&["requestParameters", "webIdentityToken"], "aws.web_identity_token"),
    secret(&["requestParameters", "sAMLAssertion"], "aws.saml_assertion"),
    secret(&["requestParameters", "tokenCode"], "aws.mfa_code"),
    secret(&["requestParameters", "authenticationCode1"], "aws.mfa_code"),
    secret(&["requestParameters", "authenticationCode2"], "aws.mfa_code"),
    secret(&["requestParameters", "**", "password"], "aws.password"),
    secret(&["requestParameters", "oldPassword"], "aws.password"),
    secret(&["requestParameters", "newPassword"], "aws.password"),
    secret(&["requestParameters", "**", "masterUserPassword"], "aws.password"),
    secret(&["requestParameters", "adminUserPassword"], "aws.password"),
    secret(&["requestParameters", "**", "userData"], "aws.user_data"),
    secret(&["requestParameters", "**", "secretString"], "aws.secret_value"),
    secret(&["requestParameters", "**", "secretBinary"], "aws.secret_value"),
    secret(&["requestParameters", "**", "clientSecret"], "aws.client_secret"),
    secret(&["requestParameters", "deviceCode"], "aws.device_code"),
    secret(&["requestParameters", "refreshToken"], "aws.refresh_token"),
    secret(&["requestParameters", "privateKey"], "aws.private_key"),
    secret(&["requestParameters", "authToken"], "aws.password"),
    SecretField {
        when: Some(is_pod_identity),
        ..token(&["requestParameters", "token"], "aws.web_identity_token")
    },
    SecretField { when: Some(is_parameter), ..secret(&["requestParameters", "value"], "aws.secret_value") },
    secret(&["requestParameters", "environment", "variables"], "aws.environment_variable"),
    secret(
        &["requestParameters", "containerDefinitions", "*", "environment", "*", "value"],
        "aws.environment_variable",
    ),
    secret(
        &["requestParameters", "environment", "environmentVariables", "*", "value"],
        "aws.environment_variable",
    ),
];

const fn secret(path: &'static [&'static str], rule: &'static str) -> SecretField {
    SecretField { path, rule, transform: Transform::Nothing, when: None, beside: None, spares: None }
}

/// A token that others know by its `jti`.
const fn token(path: &'static [&'static str], rule: &'static str) -> SecretField {
    SecretField { transform: Transform::JwtId, ..secret(path, rule) }
}

fn is_pod_identity(event: Value<'_>) -> bool {
    event.get("eventSource").is_some_and(|source| source.is_text("eks-auth.amazonaws.com"))
}

fn is_parameter(event: Value<'_>) -> bool {
    event.get("eventName").is_some_and(|name| name.is_text("PutParameter"))
}

/// An event, one of the wrappers, or a digest.
fn recognises(record: Value<'_>) -> bool {
    let shape = Shape::of(record);
    match shape.wrapper() {
        Some(Wrapper::Event(event)) => Shape::of(event).is_event(),
        Some(Wrapper::Subscription(messages)) => {
            messages.items().any(|message| subscribed(message).is_some())
        }
        Some(Wrapper::Text(_)) => true,
        None => shape.is_event() || shape.is_digest,
    }
}

fn parts(record: Value<'_>) -> Vec<Part<'_>> {
    match Shape::of(record).wrapper() {
        Some(Wrapper::Event(event)) => vec![Part::Object(event)],
        Some(Wrapper::Text(text)) => vec![Part::Text(text)],
        Some(Wrapper::Subscription(messages)) => messages.items().filter_map(subscribed).collect(),
        None => vec![Part::Object(record)],
    }
}

/// The members that tell events, wrappers and digests apart, found in one pass.
#[derive(Default)]
struct Shape<'t> {
    version: bool,
    name: bool,
    source: Option<Value<'t>>,
    insight: bool,
    /// One of the members that no other record with these names has.
    particular: bool,
    /// `detail` of EventBridge.
    detail: Option<Value<'t>>,
    /// `CloudTrailEvent` of LookupEvents, `eventJson` of CloudTrail Lake.
    json: Option<Value<'t>>,
    /// `logEvents` of CloudWatch Logs.
    messages: Option<Value<'t>>,
    is_digest: bool,
}

/// What a wrapper holds.
enum Wrapper<'t> {
    Event(Value<'t>),
    /// A string whose text is the event.
    Text(Value<'t>),
    /// A list of messages, each of which may be an event.
    Subscription(Value<'t>),
}

impl<'t> Shape<'t> {
    fn of(record: Value<'t>) -> Self {
        if record.kind() == Kind::Array {
            // A row of query results: an object of one member for each column.
            let column = record.items().find_map(|column| column.get("eventJson"));
            return Self { json: column, ..Self::default() };
        }
        let mut shape = Self::default();
        for (name, value) in members(record) {
            match &*name {
                b"eventVersion" => shape.version = true,
                b"eventName" => shape.name = true,
                b"eventSource" => shape.source = Some(value),
                b"insightDetails" => shape.insight = true,
                b"userIdentity" | b"eventTime" | b"@timestamp" | b"awsRegion" | b"eventType" => {
                    shape.particular = true;
                }
                b"detail" => shape.detail = Some(value),
                b"CloudTrailEvent" | b"eventJson" => shape.json = Some(value),
                b"logEvents" => shape.messages = Some(value),
                b"digestS3Object" => shape.is_digest = true,
                _ => {}
            }
        }
        shape
    }

    fn wrapper(&self) -> Option<Wrapper<'t>> {
        // A row of query results may hold the event whole beside its own columns.
        if self.version && self.json.is_none() {
            return None;
        }
        match (self.json, self.detail, self.messages) {
            (Some(json), ..) if json.kind() == Kind::String => Some(Wrapper::Text(json)),
            (Some(event), ..) | (None, Some(event), _) if event.kind() == Kind::Object => {
                Some(Wrapper::Event(event))
            }
            (None, None, Some(list)) if list.kind() == Kind::Array => Some(Wrapper::Subscription(list)),
            _ => None,
        }
    }

    /// Notifications of S3 have `eventVersion` and `eventName` too, but their `eventSource` is `aws:s3`. Insights
    /// events and cut-down records have no `eventSource` of their own.
    fn is_event(&self) -> bool {
        match self.source.and_then(Value::text) {
            None => self.version && self.particular && (self.name || self.insight),
            Some(source) if source.starts_with("aws:") => false,
            Some(source) => {
                self.name && self.particular && (self.version || source.ends_with(".amazonaws.com"))
            }
        }
    }
}

/// The event in one message of a subscription; the log group may carry others.
fn subscribed(entry: Value<'_>) -> Option<Part<'_>> {
    let message = entry.get("message")?;
    match message.kind() {
        Kind::Object => Shape::of(message).is_event().then_some(Part::Object(message)),
        Kind::String => {
            let names = |name: &[u8]| memchr::memmem::find(message.raw(), name).is_some();
            let event = names(b"\"eventVersion\\\"")
                && (names(b"\"eventSource\\\"") || names(b"\"insightDetails\\\""));
            event.then_some(Part::Text(message))
        }
        _ => None,
    }
}

/// What one event says; nothing for a digest.
fn event(entry: &Entry<'_>) -> Result<Option<Event>, Unreadable> {
    let act = Act::read(entry.event, entry.context);
    if act.fields.is_digest {
        return Ok(None);
    }
    if act.operation.is_empty() && act.fields.insight.is_none() {
        return Err(Unreadable {
            expected: "`eventName`",
            found: format!("{:?} without it", entry.event.kind()).to_lowercase(),
            offset: entry.event.span().start,
        });
    }
    let mut keys = Vec::with_capacity(16);
    let principal = principal::principal(&act, &mut keys);
    let callers_keys = keys.len();
    let native = native(&act, &mut keys);
    let effects = effect::effects(&act, &principal, &mut keys);
    if !effects.is_empty() {
        // Beside an effect, a workload is what the affected credential belongs to. The caller's own says who acted: a
        // role that an instance assumes is handed to whoever called, wherever that is.
        for key in keys[..callers_keys].iter_mut().filter(|key| key.role == Role::Workload) {
            key.role = Role::Actor;
        }
    }
    let resources = resource::resources(&act);
    list_resources(&resources, &mut keys);
    list_insight(&act, &mut keys);
    Ok(Some(Event {
        id: EventId([0; 32]),
        verb: verb::verb(&act),
        api: api(&act),
        authorities: authority::authorities(&act, &principal),
        src_endpoint: origin(&act, principal.invoked_by),
        coverage_hints: coverage_hints(&act),
        source: SourceRef { kind: ID.to_owned(), scope: act.account, partition: act.region },
        native,
        time: act.time,
        outcome: act.outcome,
        actor: principal.actor,
        on_behalf_of: principal.on_behalf_of,
        credential: principal.credential,
        effects,
        resources,
        keys: without_repeats(keys),
    }))
}

/// The operation; for an Insights event the kind of anomaly and the service in which it is.
fn api(act: &Act<'_>) -> Api {
    let Some(insight) = act.fields.insight else {
        return Api {
            operation: act.operation.to_string(),
            service: text(act.fields.event_source).unwrap_or_default(),
        };
    };
    Api {
        operation: text(insight.get("insightType")).unwrap_or_default(),
        service: text(insight.get("eventSource")).unwrap_or_default(),
    }
}

fn native(act: &Act<'_>, keys: &mut Vec<Key>) -> Native {
    let uid = text(act.fields.event_id);
    let request_uid = text(act.fields.request_id);
    let correlation_uid = text(act.fields.shared_event_id);
    // The start and the end of an anomaly share this id; they are not copies of one event.
    let shared = if act.fields.insight.is_some() { key::INSIGHT } else { key::SHARED_EVENT };
    for (kind, value) in [(key::EVENT, &uid), (key::REQUEST, &request_uid), (shared, &correlation_uid)] {
        if let Some(value) = value {
            keys.push(key(Role::Native, global(kind, value), Trust::VerifierObserved));
        }
    }
    if act.service == "ssm"
        && let Some(session) =
            text(act.response(&["sessionId"])).or_else(|| text(act.request(&["sessionId"])))
    {
        keys.push(key(Role::Step, global(key::SSM_SESSION, session), Trust::VerifierObserved));
    }
    let stage = act.fields.insight.and_then(|insight| text(insight.get("state")));
    Native { uid, request_uid, correlation_uid, stage }
}

fn list_resources(resources: &[Resource], keys: &mut Vec<Key>) {
    for Resource { uid: KeyRef { kind, scope, value }, .. } in resources {
        let name = KeyRef { kind: kind.clone(), scope: scope.clone(), value: value.clone() };
        keys.push(key(Role::Resource, name, Trust::VerifierObserved));
    }
}

/// The identities to which an anomaly is ascribed. They are a statistic, not who acted here.
fn list_insight(act: &Act<'_>, keys: &mut Vec<Key>) {
    let attributions =
        act.fields.insight.and_then(|insight| insight.path(&["insightContext", "attributions"]));
    for attribution in attributions.into_iter().flat_map(Value::items) {
        if attribution.get("attribute").is_some_and(|name| name.is_text("userIdentityArn")) {
            for share in attribution.get("insight").into_iter().flat_map(Value::items) {
                if let Some(arn) = text(share.get("value")) {
                    keys.push(key(Role::Name, global(key::ARN, arn), Trust::VerifierObserved));
                }
            }
        }
    }
}

/// The address that AWS saw, or the service that called for the caller.
fn origin(act: &Act<'_>, via: Option<String>) -> Origin {
    let address = text(act.fields.source_address).map(|ip| Address { ip, observed: true });
    Origin {
        addresses: address.into_iter().collect(),
        via,
        user_agent: text(act.fields.user_agent),
        endpoint_uid: text(act.fields.vpc_endpoint),
    }
}

/// What the event says about what is recorded.
fn coverage_hints(act: &Act<'_>) -> Vec<CoverageHint> {
    let mut hints = Vec::new();
    let mut hint = |kind: &str, note: String| hints.push(CoverageHint { kind: kind.to_owned(), note });
    if act.account == UNNAMED {
        hint("scope_unnamed", "the record names no account".to_owned());
    }
    if let Some(addendum) = act.fields.addendum {
        let reason = text(addendum.get("reason")).unwrap_or_default();
        let kind = if reason == "UPDATED_DATA" { "corrected" } else { "late_delivery" };
        let original = text(addendum.get("originalEventID"));
        hint(kind, original.map_or(reason.clone(), |original| format!("{reason} of event {original}")));
    }
    if act.service == "cloudtrail" && act.succeeded() {
        let kind = match act.base_operation() {
            "StopLogging" | "DeleteTrail" | "StopEventDataStoreIngestion" | "DeleteEventDataStore" => {
                "recording_stopped"
            }
            "StartLogging" | "CreateTrail" | "StartEventDataStoreIngestion" | "CreateEventDataStore" => {
                "recording_started"
            }
            "UpdateTrail" | "PutEventSelectors" | "PutInsightSelectors" | "UpdateEventDataStore" => {
                "recording_changed"
            }
            _ => return hints,
        };
        let trail =
            ["name", "trailName", "eventDataStore"].iter().find_map(|name| text(act.request(&[name])));
        hint(
            kind,
            format!(
                "{} of {}",
                act.operation,
                trail.as_deref().unwrap_or("a trail that the record does not name")
            ),
        );
    }
    hints
}

/// The keys in the order listed, so that of several in one role the first is the one that the actor or the
/// credential is named by. Where two statements differ in who vouches for the value, the stronger one stays.
fn without_repeats(keys: Vec<Key>) -> Vec<Key> {
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by(|one, other| keys[*one].cmp(&keys[*other]).then(one.cmp(other)));
    let mut repeats: Vec<bool> = vec![false; keys.len()];
    for pair in order.windows(2) {
        let (first, second) = (&keys[pair[0]], &keys[pair[1]]);
        repeats[pair[1]] = first.at == second.at
            && (first.role, first.form) == (second.role, second.form)
            && (&first.kind, &first.scope, &first.value) == (&second.kind, &second.scope, &second.value);
    }
    keys.into_iter().zip(repeats).filter_map(|(key, repeat)| (!repeat).then_some(key)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{AtEnd, Tape};

    fn is_recognised(text: &str) -> bool {
        let mut tape = Tape::new();
        tape.parse_prefix(text.as_bytes(), AtEnd::Yes);
        recognises(tape.root(text.as_bytes()))
    }

    #[test]
    fn look_alikes_are_left_to_others() {
        for text in [
            "null",
            "[]",
            "{}",
            r#"{"eventName":"x"}"#,
            r#"{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put","userIdentity":{}}"#,
            r#"{"eventSource":"app.example","eventName":"x","eventTime":"2026-08-14T09:15:00Z"}"#,
            r#"{"detail-type":"EC2 Instance State-change Notification","detail":{"state":"running"}}"#,
            r#"{"messageType":"DATA_MESSAGE","logEvents":[{"message":"{\"kind\":\"Event\",\"auditID\":\"1\"}"}]}"#,
            r#"{"messageType":"CONTROL_MESSAGE","logEvents":[{"message":"CWL CONTROL MESSAGE"}]}"#,
            r#"{"digestS3Object":null}"#,
        ] {
            assert!(!is_recognised(text), "{text}");
        }
    }

    #[test]
    fn an_escaped_member_name_is_the_same_name() {
        let text = r#"{"event\u0056ersion":"1.11","eventSource":"sts.amazonaws.com","eventName":"x","awsRegion":"y"}"#;
        assert!(is_recognised(text));
    }

    #[test]
    fn the_stronger_of_two_statements_stays_in_its_place() {
        let says = |value: &str, trust| key(Role::Workload, global(key::INSTANCE, value), trust);
        let listed = vec![
            says("i-2", Trust::SelfAsserted),
            says("i-1", Trust::SelfAsserted),
            says("i-1", Trust::IssuerAsserted),
            says("i-2", Trust::SelfAsserted),
        ];
        let kept = vec![says("i-2", Trust::SelfAsserted), says("i-1", Trust::IssuerAsserted)];
        assert_eq!(without_repeats(listed), kept);
    }
}
