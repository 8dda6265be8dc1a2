//! One identity under all its names.

use serde::{Deserialize, Serialize};

use crate::{EventId, Identity, KeyRef, TimeSpan};

/// One identity under all its names, and what looks like it and is not it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityDetail {
    /// Who, by an identifier that is never given again where there is one.
    pub identity: Identity,
    /// Why it is taken for the kind that it is.
    pub kind_because: String,
    /// Its names, lasting identifiers first.
    pub names: Vec<IdentityName>,
    /// What shares a name with it or is spelt like it, and was not taken for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_merged: Vec<LookAlike>,
    /// Credentials with which it acted, by first use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<CredentialUse>,
    /// Events in which it acted.
    pub events: u64,
    /// How many of them were not read for names and credentials.
    pub unread: u64,
    /// How many of those act otherwise than any that was read: under another name, or with another credential.
    #[serde(default, skip_serializing_if = "is_none")]
    pub unlike: u64,
}

/// A name of an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityName {
    /// The name.
    pub name: String,
    /// The key that holds it; absent for a name that no key holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyRef>,
    /// Whether an issuer gives it to one identity and never to another.
    pub lasting: bool,
    /// Why it is this identity's.
    pub because: String,
    /// Events that show it, of those that were read.
    pub events: u64,
    /// Some of them, sorted.
    pub evidence: Vec<EventId>,
}

/// Something that shares a name with an identity, or is spelt like it, and was not taken for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LookAlike {
    /// What names it.
    pub key: KeyRef,
    /// Why it was not taken for the identity.
    pub because: String,
    /// Some of the events that name it, sorted.
    pub evidence: Vec<EventId>,
}

/// How an identity used one credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialUse {
    /// The credential.
    pub credential: KeyRef,
    /// Events in which the identity used it: those that were read, and those that the store says are like one of them.
    pub events: u64,
    /// First and last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<TimeSpan>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_none(count: &u64) -> bool {
    *count == 0
}
