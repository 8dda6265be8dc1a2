//! Keys: the values that join records of different systems. Keys are all that joins read.
//!
//! A key only equals another of the same kind, scope and form: an id that one system hashes never meets the plain
//! id of another without an explicit transform. Each source declares the kinds that it lists.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// The namespace of a key's value, such as `aws.access_key` or `k8s.credential`. The registry only grows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyKind(Cow<'static, str>);

/// How the value stands to the identifier that it stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// The identifier itself.
    #[default]
    Plain,
    /// Base64 of the SHA-256 of the identifier.
    Sha256Base64,
    /// Lower-case hexadecimal SHA-256 of the identifier.
    Sha256Hex,
    /// A keyed hash; comparable only within the key's scope.
    Hmac,
    /// Only a part of the identifier is shown.
    Masked,
    /// A fingerprint of key material or of a certificate.
    Fingerprint,
    /// Composed by a source from several recorded fields.
    Composite,
}

/// Who vouches for the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// Set by whoever issued the credential.
    IssuerAsserted,
    /// Checked by the system that wrote the record.
    VerifierObserved,
    /// Chosen by the caller. Never enough for grade A alone.
    SelfAsserted,
}

/// What the key's value has to do with the event that lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The credential that the actor authenticated with.
    Used,
    /// A credential of another system that vouched for the actor here.
    Presented,
    /// A credential that came into being.
    Issued,
    /// A credential that was revoked, disabled or deleted.
    Ended,
    /// A credential that was enabled again.
    Enabled,
    /// The identity that acted.
    Actor,
    /// The identity on whose behalf the actor acted.
    Behalf,
    /// The identity that an issued credential speaks for.
    Subject,
    /// The machine, pod or function in which the credential lives.
    Workload,
    /// One step of an operation that several records describe, such as a certificate request.
    Step,
    /// The record's own identifiers.
    Native,
    /// What was acted upon.
    Resource,
    /// Another name by which somebody may look this event up. Never joined on.
    Name,
    /// A credential or identity under which another credential was issued here. Derived from the other roles, so
    /// that the few events that hand out authority are found among the many that use it.
    Parent,
}

/// A value that joins, and how one event relates to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// What this event has to do with the value.
    pub role: Role,
    /// Namespace of the value.
    pub kind: KeyKind,
    /// Where the value is unique: an account, a cluster; empty where it is unique everywhere.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// The value.
    pub value: String,
    /// How the value stands to the identifier.
    #[serde(default, skip_serializing_if = "is_plain")]
    pub form: Form,
    /// Who vouches for it.
    pub trust: Trust,
    /// A moment that the record ties to the value, such as the start of the session that it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// A key without its role: the name of a credential, identity, workload or resource across events.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyRef {
    /// Namespace of the value.
    pub kind: KeyKind,
    /// Where the value is unique; empty where it is unique everywhere.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// The value.
    pub value: String,
}

impl KeyKind {
    /// A kind known when the program was built.
    pub const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// A kind read back from storage.
    pub fn from_name(name: &str) -> Self {
        Self(Cow::Owned(name.to_owned()))
    }

    /// The name, such as `aws.access_key`.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl Role {
    /// Every role, in the order of their stable numbers; the number is the position.
    pub const ALL: [Self; 14] = [
        Self::Used,
        Self::Presented,
        Self::Issued,
        Self::Ended,
        Self::Enabled,
        Self::Actor,
        Self::Behalf,
        Self::Subject,
        Self::Workload,
        Self::Step,
        Self::Native,
        Self::Resource,
        Self::Name,
        Self::Parent,
    ];

    /// The role's name as written in formats.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::Presented => "presented",
            Self::Issued => "issued",
            Self::Ended => "ended",
            Self::Enabled => "enabled",
            Self::Actor => "actor",
            Self::Behalf => "behalf",
            Self::Subject => "subject",
            Self::Workload => "workload",
            Self::Step => "step",
            Self::Native => "native",
            Self::Resource => "resource",
            Self::Name => "name",
            Self::Parent => "parent",
        }
    }
}

impl Key {
    /// A key that the recording system itself assigned or checked, as it stands.
    pub fn observed(role: Role, name: KeyRef) -> Self {
        let KeyRef { kind, scope, value } = name;
        Self { role, kind, scope, value, form: Form::Plain, trust: Trust::VerifierObserved, at: None }
    }

    /// The key without its role.
    pub fn to_ref(&self) -> KeyRef {
        KeyRef { kind: self.kind.clone(), scope: self.scope.clone(), value: self.value.clone() }
    }
}

impl KeyRef {
    /// Whether `key` names the same thing.
    pub fn names(&self, key: &Key) -> bool {
        self.kind == key.kind && self.scope == key.scope && self.value == key.value
    }
}

/// `kind:value`, or `kind@scope:value`.
impl fmt::Display for KeyRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scope.is_empty() {
            write!(formatter, "{}:{}", self.kind.name(), self.value)
        } else {
            write!(formatter, "{}@{}:{}", self.kind.name(), self.scope, self.value)
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field by reference")]
fn is_plain(form: &Form) -> bool {
    *form == Form::Plain
}
