//! An event: what one captured record says, in the same words for every source.
//!
//! The event model follows the OCSF field names where OCSF has the field (`time`, `actor`, `api`, `status`,
//! `resources`, `src_endpoint`); `docs/formats/event.md` lists every field with its OCSF counterpart.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Credential, Identity, Key, KeyRef, Role, Timestamp};

/// Content id of an event: SHA-256 over what the source said, never over how it was delivered.
///
/// `docs/formats/event.md` states the bytes that are hashed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub [u8; 32]);

/// What one captured record says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Content id (OCSF `metadata.uid`).
    pub id: EventId,
    /// Which log said it.
    pub source: SourceRef,
    /// Identifiers that the source gave to the record.
    pub native: Native,
    /// When it happened, and how well that is known.
    pub time: EventTime,
    /// What sort of act it was.
    pub verb: Verb,
    /// The operation in the source's words.
    pub api: Api,
    /// How it ended.
    pub outcome: Outcome,
    /// Who the recording system believed to have acted.
    pub actor: Identity,
    /// On whose behalf, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_behalf_of: Vec<Identity>,
    /// The credential that the actor used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Credential>,
    /// What the event did to credentials.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<Effect>,
    /// Why it was allowed or refused, as far as the record says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorities: Vec<Authority>,
    /// What was acted upon.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<Resource>,
    /// Values that join this event to others.
    pub keys: Vec<Key>,
    /// Where the request came from (OCSF `src_endpoint`).
    pub src_endpoint: Origin,
    /// What the record says about what can and cannot be seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coverage_hints: Vec<CoverageHint>,
}

/// Which log an event comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceRef {
    /// Id of the source, such as `aws_cloudtrail`.
    pub kind: String,
    /// Native scope: the account, the cluster. Never the trail, the device or the path.
    pub scope: String,
    /// Part of the scope that is delivered apart, such as a region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
}

/// Identifiers that the source itself gave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Native {
    /// The record's id (OCSF `metadata.original_event_uid`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The request's id (OCSF `api.request.uid`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_uid: Option<String>,
    /// An id shared with the copy that another account received (OCSF `metadata.correlation_uid`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_uid: Option<String>,
    /// Stage of the request that the record describes, such as `ResponseComplete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
}

/// When an event happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventTime {
    /// The moment; absent where the record states none that can be read. Never borrowed from elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// End of the request, where the record tells it apart from the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    /// Smallest step that the stated moment can express, in nanoseconds.
    pub precision_ns: u64,
    /// Where the moment comes from.
    pub basis: TimeBasis,
}

/// Where an event's moment comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeBasis {
    /// The source stated it in UTC.
    Stated,
    /// A collector moved the source's own field to another name.
    Renamed,
    /// The source stated it without a zone; the format defines it as UTC.
    ZoneImplied,
    /// The record has no time.
    Missing,
    /// The record's time cannot be read.
    Unreadable,
}

/// What sort of act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Looks at something.
    Read,
    /// Looks at key material or secret content.
    SecretRead,
    /// Brings something into being.
    Create,
    /// Changes something.
    Update,
    /// Removes something.
    Delete,
    /// Hands out authority: issues, assumes, impersonates, exchanges.
    Delegate,
    /// Signs in or out, or has a credential checked.
    Auth,
    /// Changes who may do what, or what is recorded.
    Admin,
    /// Runs something: a command, a shell, a function, a tool.
    Exec,
    /// The record does not say.
    Unknown,
}

/// The operation in the source's own words (OCSF `api`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Api {
    /// The operation, such as `AssumeRole` or `create pods/exec`.
    pub operation: String,
    /// The service that offers it, such as `sts.amazonaws.com`.
    pub service: String,
}

/// How the act ended (OCSF `status`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The result in one word.
    pub status: Status,
    /// The source's code, such as `AccessDenied` or `403`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_code: Option<String>,
    /// The source's sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_detail: Option<String>,
}

/// The result in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It was done.
    Success,
    /// It failed for a reason other than authority.
    Failure,
    /// It was refused.
    Denied,
    /// It had not ended when the record was written.
    Pending,
    /// The record does not say.
    Unknown,
}

/// What an event does to a credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// What happens to it.
    pub kind: EffectKind,
    /// The credential, where the record names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Credential>,
    /// Where no single credential is named: all those that this describes, such as "sessions of the role issued before".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Where the selector means only credentials that were issued before a moment: that moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_before: Option<Timestamp>,
    /// Who the credential speaks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Identity>,
    /// When its life ends, as declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// Length of its life in seconds, as declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u64>,
}

/// What happens to a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectKind {
    /// It comes into being.
    Issue,
    /// Its life is made longer.
    Renew,
    /// It is replaced by another.
    Rotate,
    /// It is ended for good.
    Revoke,
    /// It is switched off.
    Disable,
    /// It is switched on again.
    Enable,
    /// The moment of its natural end is stated.
    Expire,
    /// What it may do is changed.
    Scope,
}

/// Why an act was allowed or refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authority {
    /// What sort of rule or decision.
    pub kind: AuthorityKind,
    /// Name or identifier of the rule, such as an ARN or `ClusterRoleBinding/admins`.
    pub uid: String,
    /// What it decided.
    pub decision: Decision,
    /// Whether the record states it.
    pub basis: AuthorityBasis,
    /// The source's words, where they say more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What sort of authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthorityKind {
    /// A policy attached to an identity or a resource.
    Policy,
    /// A policy given for one session only.
    SessionPolicy,
    /// A policy that bounds a whole organisation.
    OrganizationPolicy,
    /// The role that was taken on.
    Role,
    /// A binding of a role to a subject.
    Binding,
    /// A person's or a system's approval.
    Approval,
    /// A second factor.
    MultiFactor,
    /// Membership of a group that is always allowed.
    Group,
    /// A check at admission, such as a webhook.
    Admission,
    /// The record states a decision but not the rule.
    Unstated,
}

/// What an authority decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Allowed.
    Allow,
    /// Refused.
    Deny,
    /// The record does not say.
    Unknown,
}

/// Whether an authority is on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthorityBasis {
    /// The record states it.
    Recorded,
    /// It follows from the record, such as the type of policy from an error's wording.
    Inferred,
    /// The source never records it.
    Absent,
}

/// What was acted upon (OCSF `resources`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// Type in the source's words, such as `AWS::S3::Bucket` or `pods/exec`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What names it.
    pub uid: KeyRef,
    /// Its part in the act.
    pub role: ResourceRole,
}

/// A resource's part in an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceRole {
    /// What was acted upon.
    Target,
    /// What holds the target.
    Container,
    /// Named by the record beside the target.
    Related,
}

/// Where a request came from (OCSF `src_endpoint`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Addresses, nearest to the recording system last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Address>,
    /// The service that called on the caller's behalf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// What the client calls itself. Chosen by the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// Private endpoint through which it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_uid: Option<String>,
}

/// One address of a request's origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The address, or the name of a service that stands in its place.
    pub ip: String,
    /// Whether the recording system saw it; otherwise the caller supplied it.
    pub observed: bool,
}

/// What a record says about visibility.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoverageHint {
    /// A stable word, such as `recording_stopped` or `late_delivery`.
    pub kind: String,
    /// The detail that the record gives.
    pub note: String,
}

impl Effect {
    /// An effect of which nothing more is known yet.
    pub fn new(kind: EffectKind) -> Self {
        Self {
            kind,
            credential: None,
            selector: None,
            issued_before: None,
            subject: None,
            expires: None,
            ttl_seconds: None,
        }
    }

    /// Whether it is on credentials that it describes instead of naming one, such as all of a user's. What is issued or
    /// renewed is always one.
    pub fn is_on_set(&self) -> bool {
        self.credential.is_none()
            && (self.selector.is_some() || self.subject.is_some())
            && !matches!(self.kind, EffectKind::Issue | EffectKind::Renew)
    }
}

impl CoverageHint {
    /// A hint of this kind, with the detail that the record gives.
    pub fn new(kind: &str, note: &str) -> Self {
        Self { kind: kind.to_owned(), note: note.to_owned() }
    }
}

impl Event {
    /// Lists what handed out authority a second time, as parents: whoever follows a credential forward finds the few
    /// events that issue something among the many that only use it.
    #[must_use]
    pub fn with_parents(mut self) -> Self {
        if self.keys.iter().any(|key| matches!(key.role, Role::Issued | Role::Step)) {
            let of = |roles: &[Role]| -> Vec<Key> {
                let parents = self.keys.iter().filter(|key| roles.contains(&key.role));
                parents.map(|key| Key { role: Role::Parent, ..key.clone() }).collect()
            };
            let used = of(&[Role::Used]);
            // What another system vouched with is not what acted here: the actor is a parent beside it.
            let actor = if used.is_empty() { of(&[Role::Actor]) } else { Vec::new() };
            let presented = of(&[Role::Presented]);
            self.keys.extend([used, presented, actor].concat());
        }
        self
    }
}

/// The stream's name in answers: `source scope [partition]`.
impl fmt::Display for SourceRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.kind, self.scope)?;
        self.partition.iter().try_for_each(|partition| write!(formatter, " {partition}"))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(formatter, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "EventId({self})")
    }
}

/// Exactly 64 lower-case hexadecimal digits.
impl FromStr for EventId {
    type Err = ParseEventIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(ParseEventIdError);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

/// The text is not 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseEventIdError;

impl fmt::Display for ParseEventIdError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("expected 64 lower-case hexadecimal digits")
    }
}

impl std::error::Error for ParseEventIdError {}

fn nibble(digit: u8) -> Result<u8, ParseEventIdError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(ParseEventIdError),
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Verb {
    /// The verb's name as written in formats.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::SecretRead => "secret_read",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Delegate => "delegate",
            Self::Auth => "auth",
            Self::Admin => "admin",
            Self::Exec => "exec",
            Self::Unknown => "unknown",
        }
    }
}

impl Status {
    /// The status's name as written in formats.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Denied => "denied",
            Self::Pending => "pending",
            Self::Unknown => "unknown",
        }
    }
}

impl EffectKind {
    /// The effect's name as written in formats.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Issue => "issue",
            Self::Renew => "renew",
            Self::Rotate => "rotate",
            Self::Revoke => "revoke",
            Self::Disable => "disable",
            Self::Enable => "enable",
            Self::Expire => "expire",
            Self::Scope => "scope",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_id_reads_what_it_writes() {
        let id = EventId(std::array::from_fn(|index| index as u8 * 7));
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn an_event_id_that_is_short_upper_case_or_not_hexadecimal_is_refused() {
        let upper = "A".repeat(64);
        let odd = "é".repeat(32);
        for text in ["", "ab", &upper, &odd] {
            assert_eq!(text.parse::<EventId>(), Err(ParseEventIdError), "{text}");
        }
    }
}
